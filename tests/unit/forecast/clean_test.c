// SPDX-License-Identifier: Apache-2.0
// Anomalous spells and odd series: what is removed before a fit, and what each model makes of it.

#include "lib/forecast/clean.h"

#include "tests/unit/forecast/test.h"

enum { DAY = 24, WEEK = 168, N = 4 * WEEK, H = 24 };

static const char *const MODELS[] = {"stlf", "theta", "ets", "prophet", NULL};

// A day's and a week's season with noise.
static double
usual(int t, uint64_t *random)
{
    return 100 + 30 * sin(2 * M_PI * t / DAY) + 10 * cos(2 * M_PI * t / WEEK) + 2 * normal(random);
}

static void
usual_series(double *y)
{
    uint64_t random = 12;
    for (int t = 0; t < N; t++)
        y[t] = usual(t, &random);
}

static struct offload_training
training_of(const double *y, size_t n)
{
    return (struct offload_training){.series = {.value = y, .n = n, .step_s = 3600},
                                     .n_periods = 2,
                                     .period = {DAY, WEEK},
                                     .start_s = NAN};
}

static size_t
removed_of(const double *y, size_t n)
{
    struct offload_training training = training_of(y, n);
    struct clean clean;
    assert_int_equal(clean_init(&clean, &training), 0);
    size_t n_removed = clean.n_removed;
    clean_fini(&clean);
    return n_removed;
}

static void
outage_and_load_test_become_gaps(UNUSED void **state)
{
    double y[N];
    usual_series(y);
    assert_int_equal(removed_of(y, N), 0);
    for (int t = 400; t < 408; t++)
        y[t] = 0;
    for (int t = 520; t < 524; t++)
        y[t] = 600;
    struct offload_training training = training_of(y, N);
    struct clean clean;
    assert_int_equal(clean_init(&clean, &training), 0);
    assert_int_equal(clean.n_removed, 12);
    assert_true(isnan(clean.value[400]) && isnan(clean.value[407]) && isnan(clean.value[523]));
    assert_false(isnan(clean.value[399]) || isnan(clean.value[408]));
    clean_fini(&clean);
}

static void
shifts_and_what_lasts_stay(UNUSED void **state)
{
    double y[N];
    usual_series(y);
    for (int t = 300; t < N; t++)
        y[t] += 200;
    assert_int_equal(removed_of(y, N), 0);
    usual_series(y);
    for (int t = N - 5; t < N; t++)
        y[t] += 300; // may be a shift
    assert_int_equal(removed_of(y, N), 0);
}

static void
what_is_how_the_series_is_stays(UNUSED void **state)
{
    double y[N];
    uint64_t random = 2;
    usual_series(y);
    for (int t = 30; t < N; t += WEEK)
        y[t] += 300; // a weekly job
    assert_int_equal(removed_of(y, N), 0);
    for (int t = 0; t < N; t++) // intermittent
        y[t] = uniform(&random) < 0.1 ? 50 : 0;
    assert_int_equal(removed_of(y, N), 0);
    usual_series(y);
    for (int t = 0; t < N; t++) // bursts
        y[t] += uniform(&random) < 0.05 ? 400 : 0;
    assert_int_equal(removed_of(y, N), 0);
    for (int t = 0; t < N; t++)
        y[t] = 7;
    assert_int_equal(removed_of(y, N), 0);
    for (int t = 0; t < N; t++) // a counter
        y[t] = 1e9 + 1e6 * t;
    assert_int_equal(removed_of(y, N), 0);
}

// The mean error of the next day by model 'name', whatever it makes of it finite.
static double
error_of(const char *name, const double *y, size_t n, const double *truth)
{
    const struct offload_model_ops *ops = offload_models[offload_models_find(name)];
    struct offload_training training = training_of(y, n);
    void *m = malloc(ops->state_bytes(&training));
    double next[H], sum = 0;
    assert_int_equal(ops->fit(m, &training, NULL, NULL), 0);
    ops->path(m, H, NULL, NULL, next);
    for (int h = 0; h < H; h++) {
        assert_true(isfinite(next[h]));
        sum += fabs(next[h] - truth[h]) / H;
    }
    free(m);
    return sum;
}

static void
spells_do_not_poison_a_fit(UNUSED void **state)
{
    double y[N], truth[H];
    for (int h = 0; h < H; h++)
        truth[h] = 100 + 30 * sin(2 * M_PI * h / DAY) + 10 * cos(2 * M_PI * h / WEEK);
    usual_series(y);
    for (int t = N - 40; t < N - 32; t++)
        y[t] = 0;
    for (int t = N - 170; t < N - 166; t++)
        y[t] = 900;
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 5);
}

static void
shifted_trending_and_gappy_series_are_forecast(UNUSED void **state)
{
    double y[N], truth[H];
    usual_series(y);
    for (int t = N - 72; t < N; t++)
        y[t] += 150;
    for (int h = 0; h < H; h++)
        truth[h] = 250 + 30 * sin(2 * M_PI * h / DAY) + 10 * cos(2 * M_PI * h / WEEK);
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 40);
    usual_series(y);
    for (int t = 0; t < N; t++)
        y[t] += 0.5 * t;
    for (int h = 0; h < H; h++)
        truth[h] += 0.5 * (N + h) - 150;
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 8);
    uint64_t random = 21;
    for (int t = 0; t < N; t++)
        if (uniform(&random) < 0.3 || (t > 200 && t < 260))
            y[t] = NAN;
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 8);
}

static void
constant_intermittent_and_counting_series_are_forecast(UNUSED void **state)
{
    double y[N], truth[H];
    uint64_t random = 31;
    for (int t = 0; t < N; t++)
        y[t] = 7;
    for (int h = 0; h < H; h++)
        truth[h] = 7;
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 1e-3);
    for (int t = 0; t < N; t++)
        y[t] = uniform(&random) < 0.1 ? 50 : 0;
    for (int h = 0; h < H; h++)
        truth[h] = 5;
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 12);
    for (int t = 0; t < N; t++)
        y[t] = 1e9 + 1e6 * t;
    for (int h = 0; h < H; h++)
        truth[h] = 1e9 + 1e6 * (N + h);
    for (int i = 0; MODELS[i]; i++)
        assert_true(error_of(MODELS[i], y, N, truth) < 15e6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outage_and_load_test_become_gaps),
        cmocka_unit_test(shifts_and_what_lasts_stay),
        cmocka_unit_test(what_is_how_the_series_is_stays),
        cmocka_unit_test(spells_do_not_poison_a_fit),
        cmocka_unit_test(shifted_trending_and_gappy_series_are_forecast),
        cmocka_unit_test(constant_intermittent_and_counting_series_are_forecast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
