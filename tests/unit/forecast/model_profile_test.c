// SPDX-License-Identifier: Apache-2.0
// The profile model against the process that made the series.

#include "lib/forecast/models.h"

#include "tests/unit/forecast/test.h"

#include <errno.h>

enum { PERIOD = 12, N = 40 * PERIOD };

static const double RHO = 0.8;

static double
season(size_t t)
{
    return 50 + 30 * sin(2 * M_PI * t / PERIOD);
}

// Season and a deviation that fades by RHO. Returns the last deviation.
static double
simulate(double *value)
{
    uint64_t random = 5;
    double z = 0;
    for (size_t t = 0; t < N; t++) {
        z = RHO * z + 3 * normal(&random);
        value[t] = season(t) + z;
    }
    return z;
}

static void *
fitted(const double *value, size_t n, double *innovation)
{
    struct offload_series series = {.value = value, .n = n, .step_s = 1};
    void *model =
        calloc(1, model_profile_ops.state_bytes(TRAINING((struct offload_series){0}, PERIOD)));
    assert_non_null(model);
    assert_int_equal(model_profile_ops.fit(model, TRAINING(series, PERIOD), innovation, NULL), 0);
    return model;
}

static void
forecast_is_the_season_and_what_is_left_of_the_deviation(UNUSED void **state)
{
    double value[N], out[PERIOD];
    double z = simulate(value);
    void *model = fitted(value, N, NULL);
    model_profile_ops.path(model, PERIOD, NULL, NULL, out);
    for (size_t h = 0; h < PERIOD; h++) // the profile's own error: 5 / sqrt of its few seasons
        assert_float_equal(out[h], season(N + h) + pow(RHO, h + 1) * z, 5);
    free(model);
}

static void
innovations_are_the_process_own(UNUSED void **state)
{
    double value[N], innovation[N], square = 0;
    simulate(value);
    void *model = fitted(value, N, innovation);
    for (size_t t = 0; t < PERIOD; t++)
        assert_true(isnan(innovation[t])); // no phase was seen before
    for (size_t t = N / 2; t < N; t++)
        square += innovation[t] * innovation[t] / (N - N / 2);
    assert_true(sqrt(square) > 2.5 && sqrt(square) < 3.8); // 3, and the profile's part
    free(model);
}

static void
gap_leaves_forecast_unchanged(UNUSED void **state)
{
    double value[N], before[PERIOD], after[PERIOD];
    simulate(value);
    void *model = fitted(value, N, NULL);
    model_profile_ops.path(model, PERIOD, NULL, NULL, before);
    for (size_t gap = 0; gap < 4; gap++)
        assert_true(isnan(model_profile_ops.update(model, NAN, NULL)));
    model_profile_ops.path(model, PERIOD - 4, NULL, NULL, after);
    for (size_t h = 0; h < PERIOD - 4; h++)
        assert_float_equal(after[h], before[h + 4], 1e-9);
    free(model);
}

static void
path_takes_shocks_as_update_takes_values(UNUSED void **state)
{
    enum { HORIZON = 2 * PERIOD };
    double value[N], shock[HORIZON], out[HORIZON];
    uint64_t random = 9;
    simulate(value);
    void *model = fitted(value, N, NULL);
    for (size_t h = 0; h < HORIZON; h++)
        shock[h] = normal(&random);
    model_profile_ops.path(model, HORIZON, NULL, shock, out);
    for (size_t h = 0; h < HORIZON; h++)
        assert_float_equal(model_profile_ops.update(model, out[h], NULL), shock[h], 1e-9);
    free(model);
}

static void
less_than_three_seasons_are_refused(UNUSED void **state)
{
    double value[N];
    simulate(value);
    struct offload_series series = {.value = value, .n = 3 * PERIOD - 1, .step_s = 1};
    assert_int_equal(model_profile_ops.fit(NULL, TRAINING(series, PERIOD), NULL, NULL), -EDOM);
    assert_int_equal(model_profile_ops.fit(NULL, TRAINING(series, 1), NULL, NULL), -EDOM);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forecast_is_the_season_and_what_is_left_of_the_deviation),
        cmocka_unit_test(innovations_are_the_process_own),
        cmocka_unit_test(gap_leaves_forecast_unchanged),
        cmocka_unit_test(path_takes_shocks_as_update_takes_values),
        cmocka_unit_test(less_than_three_seasons_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
