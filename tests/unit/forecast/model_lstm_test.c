// SPDX-License-Identifier: Apache-2.0
// The LSTM model with the weights that are shipped: on processes whose best forecast is known.

#include "lib/forecast/models.h"
#include "lib/io/statefile.h"

#include "tests/unit/forecast/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WEIGHTS SRCDIR "/conf/weights/lstm.checkpoint"

enum { PERIOD = 24, N = 30 * PERIOD, HORIZON = 48 };

static char *payload;
static size_t payload_bytes;

static double
season(size_t t)
{
    return 100 + 40 * sin(2 * M_PI * (double)t / PERIOD) + 15 * cos(4 * M_PI * (double)t / PERIOD);
}

static void *
fitted(const double *value, size_t n, const struct offload_regressors *x, double *innovation)
{
    struct offload_training training = {
        .series = {.value = value, .n = n, .step_s = 3600}, .n_periods = 1, .period = {PERIOD}};
    if (x)
        training.x = *x;
    void *model = calloc(1, model_lstm_ops.state_bytes(&training));
    assert_non_null(model);
    assert_int_equal(model_lstm_ops.fit(model, &training, innovation, NULL), 0);
    return model;
}

// Runs first: without weights there is no forecast, and no crash.
static void
without_weights_nothing_is_fitted(UNUSED void **state)
{
    double value[N];
    for (size_t t = 0; t < N; t++)
        value[t] = season(t);
    struct offload_series series = {.value = value, .n = N, .step_s = 3600};
    double model[2000];
    assert_false(offload_lstm_loaded());
    assert_int_equal(model_lstm_ops.fit(model, TRAINING(series, PERIOD), NULL, NULL), -EDOM);
}

static void
foreign_weights_are_refused(UNUSED void **state)
{
    char other[64] = {0};
    assert_int_equal(offload_lstm_load(other, sizeof other, NULL), -EBADMSG);
    assert_int_equal(offload_lstm_load(payload, payload_bytes - 4, NULL), -EBADMSG);
    char *spoilt = malloc(payload_bytes);
    assert_non_null(spoilt);
    memcpy(spoilt, payload, payload_bytes);
    float none = NAN;
    memcpy(spoilt + 4 * 1000, &none, sizeof none);
    assert_int_equal(offload_lstm_load(spoilt, payload_bytes, NULL), -EBADMSG);
    free(spoilt);
    assert_false(offload_lstm_loaded());
}

static void
checkpoint_cut_in_half_is_refused(UNUSED void **state)
{
    char path[] = "/tmp/offload-lstm-test-XXXXXX", *file, *half;
    size_t len;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(statefile_read(WEIGHTS, OFFLOAD_LSTM_BYTES_MAX, &file, &len, NULL), 0);
    assert_int_equal(statefile_write(path, file, len / 2, NULL), 0);
    uint32_t version = OFFLOAD_LSTM_VERSION;
    assert_int_equal(checkpoint_read(path, OFFLOAD_LSTM_KIND, &version, OFFLOAD_LSTM_BYTES_MAX,
                                     &half, &len, NULL),
                     -EBADMSG);
    free(file);
    remove(path);
}

static void
load(UNUSED void **state)
{
    assert_int_equal(offload_lstm_load(payload, payload_bytes, NULL), 0);
    assert_true(offload_lstm_loaded());
}

// A season and noise: no forecast errs less than the noise, repetition errs sqrt(2) times as much.
static void
season_in_noise_is_forecast_better_than_repeated(UNUSED void **state)
{
    double error = 0, naive = 0, mean[HORIZON], value[N + HORIZON];
    uint64_t random = 11;
    for (int run = 0; run < 20; run++) {
        for (size_t t = 0; t < N + HORIZON; t++)
            value[t] = season(t) + 5 * normal(&random);
        void *model = fitted(value, N, NULL, NULL);
        model_lstm_ops.path(model, HORIZON, NULL, NULL, mean);
        for (size_t h = 0; h < HORIZON; h++) {
            error += fabs(value[N + h] - mean[h]);
            naive += fabs(value[N + h] - value[N - PERIOD + h % PERIOD]);
        }
        free(model);
    }
    assert_true(error < 0.82 * naive); // 0.71 is the best there is
}

// How wide simulated paths are: about the truth as the process is, and somewhat wider, for the
// season is an estimate.
static void
paths_are_as_wide_as_the_noise(UNUSED void **state)
{
    enum { SERIES = 10, PATHS = 50 };
    double value[N], shock[HORIZON], path[HORIZON], truth = 5 * 1.2816;
    uint64_t random = 5;
    int inside = 0;
    for (int run = 0; run < SERIES; run++) {
        for (size_t t = 0; t < N; t++)
            value[t] = season(t) + 5 * normal(&random);
        void *model = fitted(value, N, NULL, NULL);
        for (int p = 0; p < PATHS; p++) {
            for (size_t h = 0; h < HORIZON; h++)
                shock[h] = normal(&random);
            model_lstm_ops.path(model, HORIZON, NULL, shock, path);
            for (size_t h = 0; h < HORIZON; h++)
                inside += fabs(path[h] - season(N + h)) < truth;
        }
        free(model);
    }
    assert_in_range(100 * inside / (SERIES * PATHS * HORIZON), 65, 85); // 80: the process itself
}

static void
gap_leaves_forecast_unchanged(UNUSED void **state)
{
    double value[N], before[HORIZON], after[HORIZON];
    uint64_t random = 9;
    for (size_t t = 0; t < N; t++)
        value[t] = season(t) + 5 * normal(&random);
    void *model = fitted(value, N, NULL, NULL);
    model_lstm_ops.path(model, HORIZON, NULL, NULL, before);
    for (int gap = 0; gap < 5; gap++)
        assert_true(isnan(model_lstm_ops.update(model, NAN, NULL)));
    model_lstm_ops.path(model, HORIZON - 5, NULL, NULL, after);
    for (size_t h = 0; h < HORIZON - 5; h++)
        assert_float_equal(after[h], before[h + 5], 1e-4);
    free(model);
}

// A fit to all values, and one to the first part moved through the rest, know the same.
static void
updates_lead_where_a_fit_does(UNUSED void **state)
{
    double value[N], moved[HORIZON], fresh[HORIZON];
    uint64_t random = 21;
    for (size_t t = 0; t < N; t++)
        value[t] = season(t) + 5 * normal(&random);
    void *a = fitted(value, N - 30, NULL, NULL), *b = fitted(value, N, NULL, NULL);
    for (size_t t = N - 30; t < N; t++)
        model_lstm_ops.update(a, value[t], NULL);
    model_lstm_ops.path(a, HORIZON, NULL, NULL, moved);
    model_lstm_ops.path(b, HORIZON, NULL, NULL, fresh);
    for (size_t h = 0; h < HORIZON; h++)
        assert_float_equal(moved[h], fresh[h], 0.02);
    free(a);
    free(b);
}

// Demand that follows the temperature, and a step of it that history does not announce.
static void
regressors_move_the_forecast(UNUSED void **state)
{
    static double value[N], x[N + HORIZON], mean[HORIZON];
    static const char *const name[] = {"temperature"};
    uint64_t random = 3;
    double slow = 0;
    for (size_t t = 0; t < N + HORIZON; t++) {
        slow = 0.95 * slow + normal(&random);
        x[t] = t < N ? slow : 4;
        if (t < N)
            value[t] = season(t) + 6 * x[t] + 2 * normal(&random);
    }
    struct offload_regressors regressors = {1, name, x, N + HORIZON};
    void *model = fitted(value, N, &regressors, NULL);
    model_lstm_ops.path(model, HORIZON, x + N, NULL, mean);
    double error = 0;
    for (size_t h = 0; h < HORIZON; h++)
        error += fabs(mean[h] - season(N + h) - 24) / HORIZON;
    assert_true(error < 4);
    free(model);
}

// What stands at a value and what falls to 0 are series too.
static void
flat_series_stay_flat(UNUSED void **state)
{
    static double value[N], mean[HORIZON];
    for (size_t t = 0; t < N; t++)
        value[t] = 7;
    void *model = fitted(value, N, NULL, NULL);
    model_lstm_ops.path(model, HORIZON, NULL, NULL, mean);
    for (size_t h = 0; h < HORIZON; h++)
        assert_float_equal(mean[h], 7, 0.01);
    free(model);
}

static void
state_is_small(UNUSED void **state)
{
    struct offload_training training = {.series = {.n = 5000}, .n_periods = 2, .period = {24, 168}};
    assert_true(model_lstm_ops.state_bytes(&training) <= 8192);
}

int
main(void)
{
    uint32_t version = OFFLOAD_LSTM_VERSION;
    struct offload_err err = {0};
    char text[800];
    if (checkpoint_read(WEIGHTS, OFFLOAD_LSTM_KIND, &version, OFFLOAD_LSTM_BYTES_MAX, &payload,
                        &payload_bytes, &err)) {
        fprintf(stderr, "%s\n", offload_err_format(&err, text, sizeof text));
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_weights_nothing_is_fitted),
        cmocka_unit_test(foreign_weights_are_refused),
        cmocka_unit_test(checkpoint_cut_in_half_is_refused),
        cmocka_unit_test(load),
        cmocka_unit_test(season_in_noise_is_forecast_better_than_repeated),
        cmocka_unit_test(paths_are_as_wide_as_the_noise),
        cmocka_unit_test(gap_leaves_forecast_unchanged),
        cmocka_unit_test(updates_lead_where_a_fit_does),
        cmocka_unit_test(regressors_move_the_forecast),
        cmocka_unit_test(flat_series_stay_flat),
        cmocka_unit_test(state_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
