// SPDX-License-Identifier: Apache-2.0
// The Prophet-like model against Prophet itself (R 4.2.2, prophet 1.0), and against series whose
// truth is known.

#include <offload/forecast.h>

#include "tests/unit/forecast/textbook.h"

#include <errno.h>
#include <string.h>

enum { DAY = 24, WEEK = 168, N = 840, H = 168 };

static const struct offload_model_ops *
prophet(void)
{
    return offload_models[offload_models_find("prophet")];
}

static void *
fitted(const struct offload_training *training)
{
    void *m = malloc(prophet()->state_bytes(training));
    assert_int_equal(prophet()->fit(m, training, NULL, NULL), 0);
    return m;
}

static double
error_of(const double *forecast, const double *value, size_t n)
{
    double sum = 0;
    for (size_t h = 0; h < n; h++)
        sum += fabs(forecast[h] - value[h]) / n;
    return sum;
}

// A trend that turns, two seasons, and bounded disorder that another program can make again.
static double
turning(int t)
{
    double trend = t < 500 ? 0.02 * t : 10 - 0.01 * (t - 500);
    return 50 + trend + 8 * sin(2 * M_PI * t / DAY) + 4 * cos(2 * M_PI * t / WEEK) +
           (t * 7919 % 101) / 50.0 - 1;
}

// prophet(df, weekly.seasonality = TRUE, daily.seasonality = TRUE, yearly.seasonality = FALSE) on
// the first 840 hours: yhat of hours 841 to 846 and 1008; its mean error over the next week is
// 0.507.
static void
generated_series_is_forecast_as_by_prophet(UNUSED void **state)
{
    static const double YHAT[] = {60.598138, 62.660769, 64.575592, 66.207424, 67.444787, 68.205673};
    double y[N + H], next[H];
    for (int t = 0; t < N + H; t++)
        y[t] = turning(t);
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 3600}, .n_periods = 2, .period = {DAY, WEEK}};
    void *m = fitted(&training);
    prophet()->path(m, H, NULL, NULL, next);
    for (int h = 0; h < 6; h++)
        assert_float_equal(next[h], YHAT[h], 0.8);
    assert_float_equal(next[H - 1], 56.836097, 1.2);
    assert_true(error_of(next, y + N, H) < 0.507 * 1.1);
    free(m);
}

// prophet(df, yearly.seasonality = TRUE) on all but the last two years: its mean error there
// is 1.0816 for co2, whose last days' level it misses, and 1.5387 for nottem.
static void
textbook_series_are_forecast_no_worse_than_by_prophet(UNUSED void **state)
{
    static const struct {
        const char *name;
        double theirs;
        double share;
    } CASES[] = {{"co2", 1.0816, 0.5}, {"nottem", 1.5387, 1.05}};
    for (int i = 0; i < 2; i++) {
        struct offload_series series = textbook(CASES[i].name);
        double next[24];
        series.n -= 24;
        series.step_s = 86400 * 30.4;
        void *m = fitted(TRAINING(series, 12));
        prophet()->path(m, 24, NULL, NULL, next);
        assert_true(error_of(next, series.value + series.n, 24) <=
                    CASES[i].theirs * CASES[i].share);
        free(m);
        free((double *)series.value);
    }
}

static struct offload_regressors
regressors(const char *const *name, const double *value, size_t n, size_t rows)
{
    return (struct offload_regressors){.n = n, .name = name, .value = value, .rows = rows};
}

// A numeric regressor with a bend, an event, and one that says nothing.
static void
regressors_that_help_are_used_and_others_left_out(UNUSED void **state)
{
    static const char *const NAME[] = {"temperature", "event", "noise"};
    double y[N + H], x[N + H][3], next[H], truth[H];
    uint64_t random = 4;
    for (int t = 0; t < N + H; t++) {
        x[t][0] = 15 + 10 * sin(t / 37.0) + 3 * normal(&random);
        x[t][1] = t % 97 < 6;
        x[t][2] = normal(&random);
        y[t] = 100 + 0.1 * (x[t][0] - 15) * (x[t][0] - 15) + 30 * x[t][1] +
               5 * sin(2 * M_PI * t / DAY);
        if (t >= N)
            truth[t - N] = y[t];
        y[t] += normal(&random);
    }
    struct offload_training training = {.series = {.value = y, .n = N, .step_s = 3600},
                                        .x = regressors(NAME, x[0], 3, N + H),
                                        .n_periods = 1,
                                        .period = {DAY}};
    void *m = fitted(&training);
    prophet()->path(m, H, x[N], NULL, next);
    assert_true(error_of(next, truth, H) < 1);
    struct offload_component c[8];
    double first = 0, event[3] = {0, 1, 0}, useless[3] = {0, 0, 3};
    event[0] = useless[0] = x[N - 1][0];
    size_t n = prophet()->components(m, 1, event, c, 8);
    for (size_t i = 0; i < n; i++) {
        first += c[i].first;
        if (strcmp(c[i].name, "event") == 0)
            assert_float_equal(c[i].first, 30, 1.5);
    }
    prophet()->path(m, 1, event, NULL, next);
    assert_float_equal(first, next[0], 1e-9);
    n = prophet()->components(m, 1, useless, c, 8);
    for (size_t i = 0; i < n; i++)
        if (strcmp(c[i].name, "noise") == 0)
            assert_true(fabs(c[i].first) < 0.5);
    free(m);
}

// A regressor whose future is not known counts as its mean, not as zero.
static void
unknown_regressor_counts_as_its_mean(UNUSED void **state)
{
    static const char *const NAME[] = {"load"};
    double y[N], x[N], unknown[1] = {NAN}, mean[1] = {0}, a, b;
    uint64_t random = 8;
    for (int t = 0; t < N; t++) {
        x[t] = t % 50 == 7 ? NAN : 1000 + 50 * normal(&random);
        y[t] = isnan(x[t]) ? 2000 : 2 * x[t] + normal(&random);
        mean[0] += isnan(x[t]) ? 0 : x[t] / (N - N / 50 - 1);
    }
    struct offload_training training = {.series = {.value = y, .n = N, .step_s = 3600},
                                        .x = regressors(NAME, x, 1, N)};
    void *m = fitted(&training);
    prophet()->path(m, 1, unknown, NULL, &a);
    prophet()->path(m, 1, mean, NULL, &b);
    assert_float_equal(a, b, 2);
    assert_float_equal(a, 2000, 30);
    free(m);
}

static void
capacity_bounds_the_trend(UNUSED void **state)
{
    static const char *const NAME[] = {"capacity"};
    double y[N], x[N + H], next[H];
    uint64_t random = 3;
    for (int t = 0; t < N + H; t++)
        x[t] = 100;
    for (int t = 0; t < N; t++)
        y[t] = 100 / (1 + exp(-(t - 600) / 100.0)) + normal(&random);
    struct offload_training training = {.series = {.value = y, .n = N, .step_s = 3600},
                                        .x = regressors(NAME, x, 1, N + H)};
    void *m = fitted(&training);
    prophet()->path(m, H, x + N, NULL, next);
    for (int h = 0; h < H; h++) {
        double truth = 100 / (1 + exp(-(N + h - 600) / 100.0));
        assert_true(next[h] < 100);
        assert_float_equal(next[h], truth, 4);
    }
    free(m);
}

// Shocks of zero leave noise out, so that what differs is the trend's own uncertainty.
static void
trend_is_uncertain_where_it_used_to_turn(UNUSED void **state)
{
    double y[N], mean[H], path[H], shock[H] = {0}, spread[2] = {0};
    for (int t = 0; t < N; t++)
        y[t] = turning(t);
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 3600}, .n_periods = 2, .period = {DAY, WEEK}};
    void *m = fitted(&training);
    prophet()->path(m, H, NULL, NULL, mean);
    for (int i = 0; i < 200; i++) {
        shock[H - 1] = i * 1e-12; // another path
        prophet()->path(m, H, NULL, shock, path);
        spread[0] += fabs(path[12] - mean[12]) / 200;
        spread[1] += fabs(path[H - 1] - mean[H - 1]) / 200;
    }
    assert_true(spread[1] > 3 * spread[0]);
    assert_true(spread[1] > 0.02 && spread[1] < 3);
    free(m);
}

static void
gaps_and_outliers_change_little(UNUSED void **state)
{
    double y[N], next[H], truth[H];
    for (int t = 0; t < N; t++)
        y[t] = turning(t);
    for (int t = 100; t < 150; t++)
        y[t] = NAN;
    for (int t = 7; t < N; t += 41)
        y[t] *= 4;
    for (int h = 0; h < H; h++)
        truth[h] = turning(N + h);
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 3600}, .n_periods = 2, .period = {DAY, WEEK}};
    void *m = fitted(&training);
    prophet()->path(m, H, NULL, NULL, next);
    assert_true(error_of(next, truth, H) < 2);
    free(m);
}

// What was expected of a point in time stays expected of it over a gap; each value moves it on.
static void
update_moves_the_forecast_on(UNUSED void **state)
{
    double y[N], before[30], after[20];
    for (int t = 0; t < N; t++)
        y[t] = turning(t);
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 3600}, .n_periods = 2, .period = {DAY, WEEK}};
    void *m = fitted(&training);
    prophet()->path(m, 30, NULL, NULL, before);
    for (int t = 0; t < 10; t++)
        assert_true(isnan(prophet()->update(m, NAN, NULL)));
    prophet()->path(m, 20, NULL, NULL, after);
    for (int h = 0; h < 20; h++)
        assert_float_equal(after[h], before[h + 10], 1e-9);
    assert_float_equal(prophet()->update(m, after[0] + 5, NULL), 5, 1e-9);
    free(m);
}

static void
too_few_values_are_refused(UNUSED void **state)
{
    double y[] = {1, 2, 3, NAN};
    struct offload_series series = {.value = y, .n = 4, .step_s = 60};
    struct offload_err err = {0};
    void *m = malloc(prophet()->state_bytes(TRAINING(series, 1)));
    assert_int_equal(prophet()->fit(m, TRAINING(series, 1), NULL, &err), -EDOM);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_series_is_forecast_as_by_prophet),
        cmocka_unit_test(textbook_series_are_forecast_no_worse_than_by_prophet),
        cmocka_unit_test(regressors_that_help_are_used_and_others_left_out),
        cmocka_unit_test(unknown_regressor_counts_as_its_mean),
        cmocka_unit_test(capacity_bounds_the_trend),
        cmocka_unit_test(trend_is_uncertain_where_it_used_to_turn),
        cmocka_unit_test(gaps_and_outliers_change_little),
        cmocka_unit_test(update_moves_the_forecast_on),
        cmocka_unit_test(too_few_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
