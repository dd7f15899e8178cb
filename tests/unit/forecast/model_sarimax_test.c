// SPDX-License-Identifier: Apache-2.0
// SARIMAX: orders, regressors and seasons of simulated series are found. What TBATS promises too is
// asked of both: updates, gaps, odd series, intervals.

#include <offload/forecast.h>

#include "tests/unit/forecast/textbook.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const struct offload_model_ops *ops;

static int
look_up(UNUSED void **state)
{
    ops = offload_models[offload_models_find("sarimax")];
    return 0;
}

static int
take_model(void **state)
{
    ops = offload_models[offload_models_find(*state)];
    return 0;
}

static void *
fitted(const struct offload_training *training, double *innovation)
{
    struct offload_err err = {0};
    void *m = malloc(ops->state_bytes(training));
    assert_int_equal(ops->fit(m, training, innovation, &err), 0);
    return m;
}

static bool
described(const void *m, const char *part)
{
    char text[400];
    ops->describe(m, text, sizeof text);
    return strstr(text, part) != NULL;
}

// R 4.2.2, forecast 8.20: forecast(Arima(USAccDeaths, c(0,1,1), c(0,1,1)), 12), the model that
// auto.arima(USAccDeaths) chooses too.
static void
accidental_deaths_are_forecast_as_r_does(UNUSED void **state)
{
    struct offload_series s = textbook("us_acc_deaths");
    void *m = fitted(TRAINING(s, 12), NULL);
    assert_true(described(m, "SARIMAX(0,1,1)(0,1,1)12"));
    double next[12];
    ops->path(m, 12, NULL, NULL, next);
    assert_float_equal(next[0], 8336.061266, 3);
    assert_float_equal(next[11], 9376.573707, 3);
    free(m);
    free((void *)s.value);
}

// y(t) = 100 + 20 sin + weekly wave + 4 x1 + 0 x2 + 3 (x3^2) + AR(1).
static void
useful_regressors_are_kept_and_useless_ones_left_out(UNUSED void **state)
{
    enum { N = 600, H = 24 };
    static const char *const NAMES[] = {"load", "noise", "heat"};
    double y[N + H], x[(N + H) * 3], u = 0, next[H];
    uint64_t random = 3;
    for (int t = 0; t < N + H; t++) {
        for (int i = 0; i < 3; i++)
            x[3 * t + i] = normal(&random);
        u = 0.6 * u + 0.5 * normal(&random);
        y[t] = 100 + 20 * sin(2 * M_PI * t / 24) + 5 * cos(2 * M_PI * t / 168) + 4 * x[3 * t] +
               3 * x[3 * t + 2] * x[3 * t + 2] + (t < N ? u : 0);
    }
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 3600},
        .x = {.n = 3, .name = NAMES, .value = x, .rows = N + H},
        .n_periods = 2,
        .period = {24, 168},
    };
    void *m = fitted(&training, NULL);
    assert_true(described(m, "+ load"));
    assert_true(described(m, "+ heat and its square"));
    assert_true(described(m, "of no use: noise"));
    assert_true(described(m, "Fourier 168 K="));
    ops->path(m, H, x + 3 * N, NULL, next);
    double error = 0;
    for (int h = 0; h < H; h++)
        error += fabs(next[h] - y[N + h]) / H;
    assert_true(error < 0.6); // the error's own spread is 0.6
    free(m);
}

// An update must be what a fit over the longer series would know, the parameters being the same:
// the path after one value is the earlier path's with that value's error as its first shock.
static void
update_continues_the_path_that_was_shocked(UNUSED void **state)
{
    struct offload_series s = textbook("air_passengers");
    void *m = fitted(TRAINING(s, 12), NULL);
    double shocked[25], after[24], shock[25] = {0}, value = 470;
    shock[0] = ops->update(m, value, NULL);
    free(m);
    m = fitted(TRAINING(s, 12), NULL);
    ops->path(m, 25, NULL, shock, shocked);
    assert_float_equal(shocked[0], value, 1e-6);
    ops->update(m, value, NULL);
    ops->path(m, 24, NULL, NULL, after);
    for (int h = 0; h < 24; h++)
        assert_float_equal(after[h], shocked[h + 1], 1e-6);
    free(m);
    free((void *)s.value);
}

static void
gap_leaves_forecast_unchanged(UNUSED void **state)
{
    struct offload_series s = textbook("us_acc_deaths");
    void *m = fitted(TRAINING(s, 12), NULL);
    double before[30], after[30];
    ops->path(m, 30, NULL, NULL, before);
    for (int i = 0; i < 5; i++)
        assert_true(isnan(ops->update(m, NAN, NULL)));
    ops->path(m, 25, NULL, NULL, after);
    for (int h = 0; h < 25; h++)
        assert_float_equal(after[h], before[h + 5], 1e-7);
    free(m);
    free((void *)s.value);
}

// A third of the values gone must not take the season with them.
static void
series_full_of_gaps_keeps_its_season(UNUSED void **state)
{
    enum { N = 480, H = 24 };
    double y[N], next[H], u = 0, error = 0;
    uint64_t random = 9;
    for (int t = 0; t < N; t++) {
        u = 0.7 * u + normal(&random);
        bool gap = uniform(&random) < 0.2 || (t > 200 && t < 260);
        y[t] = gap ? NAN : 50 + 10 * sin(2 * M_PI * t / 24) + u;
    }
    struct offload_series s = {.value = y, .n = N, .step_s = 3600};
    void *m = fitted(TRAINING(s, 24), NULL);
    ops->path(m, H, NULL, NULL, next);
    for (int h = 0; h < H; h++)
        error += fabs(next[h] - 50 - 10 * sin(2 * M_PI * (N + h) / 24)) / H;
    assert_true(error < 1.5); // the process's own spread is 1.4
    free(m);
}

// Steps at a limit must not teach the limit.
static void
censored_steps_do_not_lower_the_forecast(UNUSED void **state)
{
    enum { N = 480, H = 24 };
    double y[N], next[H], peak = 0;
    uint8_t censored[N];
    uint64_t random = 4;
    for (int t = 0; t < N; t++) {
        double demand = 50 + 20 * sin(2 * M_PI * t / 24) + normal(&random);
        // Every second day is held to 55.
        censored[t] = t / 24 % 2 == 0 && demand > 55;
        y[t] = censored[t] ? 55 : demand;
    }
    struct offload_training training = {
        .series = {.value = y, .censored = censored, .n = N, .step_s = 3600},
        .n_periods = 1,
        .period = {24}};
    void *m = fitted(&training, NULL);
    ops->path(m, H, NULL, NULL, next);
    for (int h = 0; h < H; h++)
        peak = fmax(peak, next[h]);
    assert_true(peak > 66); // 70 is true; the mean of what was seen 62
    free(m);
}

// Holidays are no lower days but others: their peak comes at another hour.
static void
holidays_get_their_own_profile(UNUSED void **state)
{
    enum { N = 960, H = 24 };
    static const char *const NAMES[] = {"holiday"};
    double y[N + H], x[N + H], next[H], error = 0;
    uint64_t random = 6;
    for (int t = 0; t < N + H; t++) {
        x[t] = t / 24 % 9 == 4; // the last day is one
        y[t] = 50 + 10 * sin(2 * M_PI * t / 24 + (x[t] ? 2 : 0)) + normal(&random);
    }
    assert_true(x[N] == 1);
    struct offload_training training = {.series = {.value = y, .n = N, .step_s = 3600},
                                        .x = {1, NAMES, x, N + H},
                                        .n_periods = 1,
                                        .period = {24}};
    void *m = fitted(&training, NULL);
    assert_true(described(m, "holiday with its own profile"));
    ops->path(m, H, x + N, NULL, next);
    for (int h = 0; h < H; h++)
        error += fabs(next[h] - y[N + h]) / H;
    assert_true(error < 2.5); // 10.7 with the other days' profile
    free(m);
}

static void
components_sum_to_the_mean(UNUSED void **state)
{
    enum { N = 400 };
    static const char *const NAMES[] = {"load"};
    double y[N + 1], x[N + 1], mean, first = 0;
    uint64_t random = 8;
    for (int t = 0; t <= N; t++) {
        x[t] = normal(&random);
        y[t] = 3 * x[t] + 5 * sin(2 * M_PI * t / 48) + normal(&random);
    }
    struct offload_training training = {.series = {.value = y, .n = N, .step_s = 1},
                                        .x = {1, NAMES, x, N + 1},
                                        .n_periods = 1,
                                        .period = {48}};
    void *m = fitted(&training, NULL);
    struct offload_component part[8];
    ops->path(m, 1, x + N, NULL, &mean);
    size_t n = ops->components(m, 1, x + N, part, 8);
    bool load = false;
    for (size_t i = 0; i < n; i++) {
        first += part[i].first;
        if (strcmp(part[i].name, "load") == 0) {
            load = true;
            assert_float_equal(part[i].first, 3 * x[N], 0.5);
        }
    }
    assert_true(load);
    assert_float_equal(first, mean, 1e-9);
    free(m);
}

static void
scale_of_values_does_not_matter(UNUSED void **state)
{
    struct offload_series s = textbook("us_acc_deaths");
    double first[12], scaled[12], y[100];
    void *m = fitted(TRAINING(s, 12), NULL);
    ops->path(m, 12, NULL, NULL, first);
    free(m);
    static const double FACTORS[] = {1e-12, 1e10};
    for (int f = 0; f < 2; f++) {
        for (size_t t = 0; t < s.n; t++)
            y[t] = FACTORS[f] * s.value[t];
        struct offload_series other = {.value = y, .n = s.n, .step_s = 1};
        m = fitted(TRAINING(other, 12), NULL);
        ops->path(m, 12, NULL, NULL, scaled);
        for (int h = 0; h < 12; h++)
            assert_float_equal(scaled[h] / FACTORS[f], first[h], 1e-4 * first[h]);
        free(m);
    }
    free((void *)s.value);
}

static void
constant_and_short_series_are_carried_on(UNUSED void **state)
{
    double y[60], next[30];
    for (int n = 2; n <= 60; n++) {
        for (int t = 0; t < n; t++)
            y[t] = 42;
        struct offload_series s = {.value = y, .n = (size_t)n, .step_s = 1};
        void *m = fitted(TRAINING(s, 24), NULL);
        ops->path(m, 30, NULL, NULL, next);
        for (int h = 0; h < 30; h++)
            assert_float_equal(next[h], 42, 1e-6);
        ops->update(m, 43, NULL);
        free(m);
        uint64_t random = (uint64_t)n;
        for (int t = 0; t < n; t++)
            y[t] = 10 + normal(&random);
        m = fitted(TRAINING(s, 24), NULL);
        ops->path(m, 30, NULL, NULL, next);
        for (int h = 0; h < 30; h++)
            assert_true(next[h] > -20 && next[h] < 40);
        free(m);
    }
    struct offload_series one = {.value = y, .n = 1, .step_s = 1};
    struct offload_err err = {0};
    double state_memory[4];
    assert_int_equal(ops->fit(state_memory, TRAINING(one, 1), NULL, &err), -EDOM);
}

// Intervals: of the values after the fit, as many lie inside as should.
static void
intervals_hold_what_they_promise(UNUSED void **state)
{
    enum { N = 400, H = 12, SERIES = 40, PATHS = 200 };
    uint64_t random = 21;
    int inside = 0;
    for (int i = 0; i < SERIES; i++) {
        double y[N + H], innovation[N], u = 0, e = 0, path[PATHS][H], shock[H];
        for (int t = 0; t < N + H; t++) {
            double next = normal(&random);
            u = 0.8 * u + next - 0.4 * e;
            e = next;
            y[t] = 10 + u;
        }
        struct offload_series s = {.value = y, .n = N, .step_s = 1};
        void *m = fitted(TRAINING(s, 1), innovation);
        for (int p = 0; p < PATHS; p++) {
            for (int h = 0; h < H; h++)
                shock[h] = innovation[2 + (size_t)(uniform(&random) * (N - 2))];
            ops->path(m, H, NULL, shock, path[p]);
        }
        for (int h = 0; h < H; h++) {
            int below = 0;
            for (int p = 0; p < PATHS; p++)
                below += path[p][h] < y[N + h];
            inside += below >= PATHS / 10 && below < PATHS - PATHS / 10;
        }
        free(m);
    }
    double share = (double)inside / (SERIES * H);
    assert_true(share > 0.7 && share < 0.88);
}

// A promise that both models give.
#define PROMISE(test, model)                                                                       \
    {                                                                                              \
#test " (" model ")", test, take_model, NULL, (void *)model                                \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accidental_deaths_are_forecast_as_r_does),
        cmocka_unit_test(useful_regressors_are_kept_and_useless_ones_left_out),
        cmocka_unit_test(series_full_of_gaps_keeps_its_season),
        cmocka_unit_test(censored_steps_do_not_lower_the_forecast),
        cmocka_unit_test(holidays_get_their_own_profile),
        cmocka_unit_test(components_sum_to_the_mean),
        PROMISE(update_continues_the_path_that_was_shocked, "sarimax"),
        PROMISE(gap_leaves_forecast_unchanged, "sarimax"),
        PROMISE(scale_of_values_does_not_matter, "sarimax"),
        PROMISE(constant_and_short_series_are_carried_on, "sarimax"),
        PROMISE(intervals_hold_what_they_promise, "sarimax"),
        PROMISE(update_continues_the_path_that_was_shocked, "tbats"),
        PROMISE(gap_leaves_forecast_unchanged, "tbats"),
        PROMISE(scale_of_values_does_not_matter, "tbats"),
        PROMISE(constant_and_short_series_are_carried_on, "tbats"),
        PROMISE(intervals_hold_what_they_promise, "tbats"),
    };
    return cmocka_run_group_tests(tests, look_up, NULL);
}
