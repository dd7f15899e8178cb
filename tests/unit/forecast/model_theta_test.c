// SPDX-License-Identifier: Apache-2.0
// Theta against regression and smoothing written out, and against R's thetaf() (R 4.2.2,
// forecast 8.20).

#include "lib/forecast/model_theta.c" // the states are private to it

#include "tests/unit/forecast/textbook.h"

// The straight line through y[0..n-1], the slow and obvious way: level at t = 0, slope.
static void
line_through(const double *y, size_t n, double *a, double *b)
{
    double st = 0, sy = 0, stt = 0, sty = 0;
    for (size_t t = 1; t <= n; t++) {
        st += t;
        sy += y[t - 1];
        stt += (double)t * t;
        sty += t * y[t - 1];
    }
    *b = n > 1 ? (n * sty - st * sy) / (n * stt - st * st) : 0;
    *a = (sy - *b * st) / n;
}

static void
recursions_equal_regression_and_smoothing(UNUSED void **state)
{
    enum { N = 60 };
    double y[N], level = 40, alpha = 0.3, theta = 2.5;
    uint64_t random = 6;
    struct theta m;
    theta_start(&m, (double[]){level, alpha, theta});
    for (int t = 0; t < N; t++) {
        double a = 0, b = 0;
        if (t)
            line_through(y, t, &a, &b);
        double rest = pow(1 - alpha, t);
        double mu = level + (1 - 1 / theta) * (rest * a + (1 - rest * (1 - alpha)) / alpha * b);
        y[t] = 50 + 0.4 * t + 5 * normal(&random);
        assert_true(fabs(theta_update(&m, y[t], NULL) - (y[t] - mu)) < 1e-9);
        level = alpha * y[t] + (1 - alpha) * level;
    }
}

// What is expected over several steps is what is expected step by step.
static void
gap_leaves_forecast_unchanged(UNUSED void **state)
{
    struct theta m;
    double before[10], after[7];
    theta_start(&m, (double[]){10, 0.4, 3});
    for (int t = 0; t < 30; t++)
        theta_update(&m, 10 + t + t % 3, NULL);
    theta_path(&m, 10, NULL, NULL, before);
    for (int gap = 0; gap < 3; gap++)
        assert_true(isnan(theta_update(&m, NAN, NULL)));
    theta_path(&m, 7, NULL, NULL, after);
    for (int h = 0; h < 7; h++)
        assert_float_equal(after[h], before[h + 3], 1e-9);
}

static void
forecast_of(const struct offload_series *series, size_t period, double *next, size_t horizon)
{
    void *m = malloc(seasonal_bytes(TRAINING(*series, period)));
    assert_int_equal(seasonal_fit(m, TRAINING(*series, period), NULL, NULL), 0);
    seasonal_path(m, horizon, NULL, NULL, next);
    free(m);
}

// thetaf(x, h = 12)$mean, first and last; theta is 2 there, and estimated here.
static void
textbook_series_are_forecast_as_by_r(UNUSED void **state)
{
    static const struct {
        const char *name;
        size_t period;
        double first, last, tolerance;
    } CASES[] = {
        {"nile", 1, 799.811996, 784.883317, 0.03},
        {"lake_huron", 1, 579.947891, 579.814785, 0.0005},
        {"www_usage", 1, 220.309628, 223.712994, 0.02},
        {"us_acc_deaths", 12, 8270.693806, 8990.775914, 0.02},
        {"nottem", 12, 40.126088, 40.111788, 0.03},
        {"co2", 12, 365.318887, 364.929432, 0.003},
        {"air_passengers", 12, 440.078191, 447.644909, 0.04},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct offload_series series = textbook(CASES[i].name);
        double next[12];
        forecast_of(&series, CASES[i].period, next, 12);
        assert_float_equal(next[0], CASES[i].first, CASES[i].tolerance * CASES[i].first);
        assert_float_equal(next[11], CASES[i].last, CASES[i].tolerance * CASES[i].last);
        free((double *)series.value);
    }
}

// A straight line is continued, by the half of its slope at least, however steep.
static void
trend_is_continued(UNUSED void **state)
{
    double y[80], next[10];
    for (int t = 0; t < 80; t++)
        y[t] = 1000 + 7 * t;
    struct offload_series series = {.value = y, .n = 80, .step_s = 1};
    forecast_of(&series, 1, next, 10);
    assert_true(next[9] > y[79] + 35 && next[9] < y[79] + 85);
}

static void
season_must_pass_the_test(UNUSED void **state)
{
    double y[240];
    uint64_t random = 17;
    struct offload_series series = {.value = y, .n = 240, .step_s = 1};
    for (int t = 0; t < 240; t++)
        y[t] = 100 + normal(&random);
    assert_false(passes_test(&series, 24));
    for (int t = 0; t < 240; t++)
        y[t] += 5 * sin(2 * M_PI * t / 24);
    assert_true(passes_test(&series, 24));
    assert_false(passes_test(&series, 121));
}

static void
odd_series_get_a_sane_forecast(UNUSED void **state)
{
    const double two[] = {3, 5}, holes[] = {NAN, 4, NAN, 4, NAN, 5, NAN}, gaps[] = {NAN, NAN, 1};
    double constant[48], next[3];
    struct offload_series series = {.value = two, .n = 2, .step_s = 1};
    forecast_of(&series, 1, next, 3);
    assert_true(next[2] >= 3 && next[2] <= 10);
    series = (struct offload_series){.value = holes, .n = 7, .step_s = 1};
    forecast_of(&series, 1, next, 3);
    assert_true(next[2] > 3 && next[2] < 8);
    for (int t = 0; t < 48; t++)
        constant[t] = 12;
    series = (struct offload_series){.value = constant, .n = 48, .step_s = 1};
    forecast_of(&series, 12, next, 3);
    assert_float_equal(next[2], 12, 1e-6);
    series = (struct offload_series){.value = gaps, .n = 3, .step_s = 1};
    struct offload_err err = {0};
    void *m = malloc(seasonal_bytes(TRAINING(series, 1)));
    assert_int_equal(seasonal_fit(m, TRAINING(series, 1), NULL, &err), -EDOM);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursions_equal_regression_and_smoothing),
        cmocka_unit_test(gap_leaves_forecast_unchanged),
        cmocka_unit_test(textbook_series_are_forecast_as_by_r),
        cmocka_unit_test(trend_is_continued),
        cmocka_unit_test(season_must_pass_the_test),
        cmocka_unit_test(odd_series_get_a_sane_forecast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
