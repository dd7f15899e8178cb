// SPDX-License-Identifier: Apache-2.0
// From values to fan and score.

#include <offload/forecast.h>

#include "tests/unit/forecast/test.h"

#include <errno.h>
#include <string.h>

enum { HORIZON = 8, PATHS = 400 };

static struct offload_forecaster *
forecaster(size_t period, int model)
{
    return offload_forecaster_create(&(struct offload_forecaster_options){
        .step_s = 1, .period = period, .horizon = HORIZON, .capacity = 512, .model = model});
}

static double
wave(int t, uint64_t *random)
{
    return 100 + 40 * sin(2 * M_PI * t / 24) + 5 * normal(random);
}

static struct offload_forecaster *
fitted_wave(int n, int model)
{
    struct offload_forecaster *f = forecaster(24, model);
    uint64_t random = 21;
    for (int t = 0; t < n; t++)
        offload_forecaster_push(f, wave(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    return f;
}

static void
snaive_repeats_the_last_season(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = forecaster(3, offload_models_find("snaive"));
    const double y[] = {1, 2, 3, 4, 5, NAN, 7};
    for (int t = 0; t < 7; t++)
        offload_forecaster_push(f, y[t], false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
    const double next[] = {5, 3, 7, 5,
                           3, 7, 5, 3}; // the gap's phase keeps its value of a season ago
    for (int h = 0; h < HORIZON; h++)
        assert_float_equal(fan.mean[h], next[h], 1e-12);
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

static void
quantiles_rise_and_the_peak_is_above_each_step(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = fitted_wave(240, -1);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
    for (double p = 0.05; p < 1; p += 0.05) {
        assert_true(offload_fan_peak(&fan, p) >= offload_fan_peak(&fan, p - 0.05));
        for (size_t h = 0; h < HORIZON; h++) {
            assert_true(offload_fan_step(&fan, h, p) >= offload_fan_step(&fan, h, p - 0.05));
            assert_true(offload_fan_step(&fan, h, p) <= offload_fan_peak(&fan, p));
        }
    }
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

static void
same_seed_gives_the_same_fan(UNUSED void **state)
{
    struct offload_fan a, b;
    assert_int_equal(offload_fan_init(&a, HORIZON, PATHS), 0);
    assert_int_equal(offload_fan_init(&b, HORIZON, PATHS), 0);
    struct offload_forecaster *f = fitted_wave(240, -1);
    assert_int_equal(offload_forecaster_run(f, NULL, 5, &a), 0);
    assert_int_equal(offload_forecaster_run(f, NULL, 5, &b), 0);
    assert_memory_equal(a.peak, b.peak, PATHS * sizeof *a.peak);
    assert_int_equal(offload_forecaster_run(f, NULL, 6, &b), 0);
    assert_memory_not_equal(a.peak, b.peak, PATHS * sizeof *a.peak);
    offload_forecaster_destroy(f);
    offload_fan_fini(&a);
    offload_fan_fini(&b);
}

// 1200 one-step intervals of a known process: the standard error of their share is 1.2 %.
static void
coverage_of_simulated_data_is_near_80_percent(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = fitted_wave(240, -1);
    uint64_t random = 77;
    int inside = 0, peak_inside = 0, n = 0;
    double next[HORIZON] = {0};
    for (int t = 240; t < 1440; t++) {
        assert_int_equal(offload_forecaster_run(f, NULL, t, &fan), 0);
        if (t % HORIZON == 0) { // whole horizons, one beside the other
            uint64_t ahead = random;
            double peak = 0;
            for (int h = 0; h < HORIZON; h++)
                peak = fmax(peak, next[h] = wave(t + h, &ahead));
            peak_inside += peak <= offload_fan_peak(&fan, 0.9);
        }
        double value = wave(t, &random);
        inside +=
            value >= offload_fan_step(&fan, 0, 0.1) && value <= offload_fan_step(&fan, 0, 0.9);
        n++;
        offload_forecaster_push(f, value, false, NULL);
        if (offload_forecaster_fit_due(f) >= 1)
            assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    }
    assert_in_range(100 * inside / n, 74, 88);
    assert_in_range(100 * peak_inside / (n / HORIZON), 82, 98); // P90 of the horizon's maximum
    struct offload_accuracy accuracy = offload_forecaster_accuracy(f);
    assert_true(accuracy.cov80 > 0.65 && accuracy.cov80 < 0.95);
    assert_true(accuracy.mase > 0.5 && accuracy.mase < 0.95); // the truth has 1 / sqrt(2) = 0.71
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

// A day that rises out of almost nothing to 'busy' and wavers most at the ramp, as users do.
static double
day(int t, uint64_t *random)
{
    static const double hour[24] = {2,  1,  .5, .4, .4, .4, 1,  4,  10, 16, 18, 17,
                                    15, 15, 16, 16, 15, 14, 12, 10, 8,  6,  5,  3};
    return hour[t % 24] * exp(0.15 * normal(random));
}

// What a ramp needs is known from the days before, whatever the night's last values say of it.
static void
restless_night_does_not_multiply_the_morning(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    for (int model = -1; model < (int)offload_models_count(); model++) {
        if (model >= 0 && model == offload_models_find("lstm"))
            continue; // without weights it fits nothing; model_lstm_test.c
        struct offload_forecaster *f = forecaster(24, model);
        uint64_t random = 51;
        double most = 0;
        int t = 0;
        for (; t < 14 * 24 + 3; t++) {
            double value = day(t, &random);
            most = fmax(most, value);
            offload_forecaster_push(f, value, false, NULL);
        }
        assert_int_equal(offload_forecaster_fit(f, NULL), 0);
        for (; t < 14 * 24 + 6; t++) // six times what nights have
            offload_forecaster_push(f, 6 * day(t, &random), false, NULL);
        assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
        // The range is 'most' itself, for nights are nearly 0: half of it beyond.
        assert_true(offload_fan_peak(&fan, 1) <= 1.55 * most);
        if (model < 0)
            assert_true(offload_fan_peak(&fan, 0.9) <= 1.3 * most);
        offload_forecaster_destroy(f);
    }
    offload_fan_fini(&fan);
}

// 50 days of a demand whose spread grows with it. In small hours as over all, the quantile that is
// published covers the maximum as often as it says, and does not do so by being far too high.
static void
peak_quantile_covers_a_day_of_ramps(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = forecaster(24, -1);
    uint64_t random = 61;
    for (int t = 0; t < 14 * 24; t++)
        offload_forecaster_push(f, day(t, &random), false, NULL);
    int covered = 0, n = 0;
    double ratio = 0;
    for (int t = 14 * 24; t < 64 * 24; t++) {
        if (offload_forecaster_fit_due(f) >= 1)
            assert_int_equal(offload_forecaster_fit(f, NULL), 0);
        assert_int_equal(offload_forecaster_run(f, NULL, t, &fan), 0);
        uint64_t ahead = random;
        double peak = 0;
        for (int h = 0; h < HORIZON; h++)
            peak = fmax(peak, day(t + h, &ahead));
        covered += peak <= offload_fan_peak(&fan, 0.9);
        ratio += offload_fan_peak(&fan, 0.9) / peak;
        n++;
        offload_forecaster_push(f, day(t, &random), false, NULL);
    }
    assert_in_range(100 * covered / n, 80, 97);
    assert_true(ratio / n < 1.35);
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

static void
silence_keeps_the_mean_and_widens_the_interval(UNUSED void **state)
{
    for (int model = -1; model < (int)offload_models_count(); model++) {
        if (model >= 0 && model == offload_models_find("lstm"))
            continue; // without weights it fits nothing; model_lstm_test.c
        struct offload_fan before, after;
        assert_int_equal(offload_fan_init(&before, HORIZON, PATHS), 0);
        assert_int_equal(offload_fan_init(&after, HORIZON, PATHS), 0);
        struct offload_forecaster *f = fitted_wave(240, model);
        assert_int_equal(offload_forecaster_run(f, NULL, 1, &before), 0);
        for (int gap = 0; gap < 5; gap++)
            offload_forecaster_push(f, NAN, false, NULL);
        assert_int_equal(offload_forecaster_run(f, NULL, 1, &after), 0);
        for (int h = 0; h < HORIZON - 5; h++)
            assert_float_equal(after.mean[h], before.mean[h + 5], 1e-6);
        double width = offload_fan_step(&before, 5, 0.9) - offload_fan_step(&before, 5, 0.1);
        assert_true(offload_fan_step(&after, 0, 0.9) - offload_fan_step(&after, 0, 0.1) > width);
        for (int gap = 0; gap < 5000; gap++)
            offload_forecaster_push(f, NAN, false, NULL);
        assert_int_equal(offload_forecaster_run(f, NULL, 1, &after), 0);
        assert_true(isfinite(offload_fan_peak(&after, 0.99)));
        offload_forecaster_destroy(f);
        offload_fan_fini(&before);
        offload_fan_fini(&after);
    }
}

static void
demand_is_never_negative(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = forecaster(1, -1);
    uint64_t random = 31;
    for (int t = 0; t < 100; t++)
        offload_forecaster_push(f, fmax(0, 20 - 0.3 * t + 5 * normal(&random)), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
    for (size_t h = 0; h < HORIZON; h++)
        assert_true(offload_fan_step(&fan, h, 0) >= 0);
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

// Two values are little, but the operator who has just started wants a number.
static void
short_series_are_forecast(UNUSED void **state)
{
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = forecaster(0, -1);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), -EAGAIN);
    assert_int_equal(offload_forecaster_fit(f, NULL), -EDOM);
    for (int n = 1; n < 60; n++) {
        offload_forecaster_push(f, 10 + n % 2, false, NULL);
        assert_int_equal(offload_forecaster_fit(f, NULL), 0);
        assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
        assert_true(fan.mean[HORIZON - 1] > 5 && fan.mean[HORIZON - 1] < 20);
    }
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

static void
better_model_is_chosen_and_named(UNUSED void **state)
{
    char text[500];
    struct offload_forecaster *f = forecaster(24, -1);
    uint64_t random = 41;
    double level = 100;
    for (int t = 0; t < 300; t++) // a random walk: a season ago says nothing, the last value all
        offload_forecaster_push(f, level += normal(&random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    offload_forecaster_explain(f, text, sizeof text);
    assert_non_null(strstr(text, "alone: "));
    // Of two models that follow the level both may be used, and none that repeats a season.
    const struct offload_choice *choice = offload_forecaster_choice(f);
    for (size_t m = 0; m < choice->n_members; m++)
        assert_string_not_equal(offload_models[choice->member[m].model]->name, "snaive");
    offload_forecaster_destroy(f);
}

static void
quantiles_follow_type_7(UNUSED void **state)
{
    const double x[] = {1, 2, 4, 8}; // R: quantile(c(1,2,4,8), c(0, .1, .5, .9, 1))
    assert_float_equal(offload_quantile(x, 4, 0), 1, 1e-12);
    assert_float_equal(offload_quantile(x, 4, 0.1), 1.3, 1e-12);
    assert_float_equal(offload_quantile(x, 4, 0.5), 3, 1e-12);
    assert_float_equal(offload_quantile(x, 4, 0.9), 6.8, 1e-12);
    assert_float_equal(offload_quantile(x, 4, 1), 8, 1e-12);
}

static void
fullest_resource_sets_the_score(UNUSED void **state)
{
    struct offload_score score;
    offload_score_init(&score);
    assert_true(isnan(score.score));
    offload_score_add(&score, OFFLOAD_RESOURCE_CPU, 30, 100, 4);
    offload_score_add(&score, OFFLOAD_RESOURCE_MEMORY, NAN, 100, 5);
    offload_score_add(&score, OFFLOAD_RESOURCE_BANDWIDTH, 2.5e7, 4e7, 6);
    assert_float_equal(score.score, 62.5, 1e-9);
    assert_int_equal(score.limit, OFFLOAD_RESOURCE_BANDWIDTH);
    assert_float_equal(score.lead_s, 6, 0);
    // Beyond 100 people see 100, and still the fuller one is the limit.
    offload_score_add(&score, OFFLOAD_RESOURCE_CPU, 130, 100, 4);
    offload_score_add(&score, OFFLOAD_RESOURCE_BANDWIDTH, 8e7, 4e7, 7);
    assert_float_equal(score.score, 100, 0);
    assert_float_equal(score.demand_pct, 200, 1e-9);
    assert_int_equal(score.limit, OFFLOAD_RESOURCE_BANDWIDTH);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snaive_repeats_the_last_season),
        cmocka_unit_test(quantiles_rise_and_the_peak_is_above_each_step),
        cmocka_unit_test(same_seed_gives_the_same_fan),
        cmocka_unit_test(coverage_of_simulated_data_is_near_80_percent),
        cmocka_unit_test(restless_night_does_not_multiply_the_morning),
        cmocka_unit_test(peak_quantile_covers_a_day_of_ramps),
        cmocka_unit_test(silence_keeps_the_mean_and_widens_the_interval),
        cmocka_unit_test(demand_is_never_negative),
        cmocka_unit_test(short_series_are_forecast),
        cmocka_unit_test(better_model_is_chosen_and_named),
        cmocka_unit_test(quantiles_follow_type_7),
        cmocka_unit_test(fullest_resource_sets_the_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
