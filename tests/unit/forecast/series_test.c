// SPDX-License-Identifier: Apache-2.0
// From (time, value) to one straight array.

#include <offload/forecast.h>

#include "tests/unit/forecast/test.h"

static void
history_keeps_the_newest_in_order(UNUSED void **state)
{
    struct offload_history *h = offload_history_create(5, 1);
    for (int i = 0; i < 13; i++) {
        offload_history_append(h, i, i % 2);
        struct offload_series s = offload_history_series(h);
        assert_int_equal(s.n, i < 5 ? i + 1 : 5);
        for (size_t k = 0; k < s.n; k++) {
            assert_float_equal(s.value[k], i + 1 - (double)s.n + k, 0);
            assert_int_equal(s.censored[k], (size_t)(i + 1 - s.n + k) % 2);
        }
    }
    offload_history_destroy(h);
}

static void
values_of_one_step_are_averaged_in_any_order(UNUSED void **state)
{
    bool censored;
    struct offload_resample *r = offload_resample_create(10, OFFLOAD_AGGREGATE_SUM);
    int s = offload_resample_source(r, "a");
    offload_resample_put(r, s, 107, 5, 30, false);
    offload_resample_put(r, s, 102, 5, 10, false);
    offload_resample_put(r, s, 112, 5, 99, true);
    assert_float_equal(offload_resample_close(r, 10, &censored), 20, 1e-12);
    assert_false(censored);
    assert_float_equal(offload_resample_close(r, 11, &censored), 99, 1e-12);
    assert_true(censored);
    offload_resample_destroy(r);
}

static void
late_duplicate_and_early_values_are_told_apart(UNUSED void **state)
{
    bool censored;
    struct offload_resample *r = offload_resample_create(1, OFFLOAD_AGGREGATE_SUM);
    int s = offload_resample_source(r, "a");
    offload_resample_put(r, s, 100.5, 1, 1, false);
    offload_resample_put(r, s, 100.5, 1, 3, false);
    assert_float_equal(offload_resample_close(r, 100, &censored), 3, 1e-12);
    offload_resample_put(r, s, 100.6, 1, 50, false);
    offload_resample_put(r, s, 5000.5, 1, 50, false);
    offload_resample_put(r, s, 101.5, 1, NAN, false);
    assert_true(isnan(offload_resample_close(r, 101, &censored)));
    const struct offload_resample_counts *counts = offload_resample_counts(r);
    assert_int_equal(counts->duplicate, 1);
    assert_int_equal(counts->late, 1);
    assert_int_equal(counts->early, 1);
    offload_resample_destroy(r);
}

// Reading once a second at almost a whole second would else give a gap beside a doubled step.
static void
jitter_at_a_border_leaves_no_gap(UNUSED void **state)
{
    bool censored;
    uint64_t random = 7;
    struct offload_resample *r = offload_resample_create(1, OFFLOAD_AGGREGATE_SUM);
    int s = offload_resample_source(r, "a");
    for (int t = 100; t < 600; t++) {
        double jitter = 0.02 * (uniform(&random) - 0.5);
        offload_resample_put(r, s, t + jitter, 1, t, false);
        double value = offload_resample_close(r, t, &censored);
        if (isnan(value)) // the first value's phase may be just below the second
            value = offload_resample_close(r, ++t, &censored);
        assert_false(isnan(value));
    }
    offload_resample_destroy(r);
}

// An application moves: for a step nothing certain can be said, then the new card alone counts.
static void
moved_application_is_neither_missed_nor_doubled(UNUSED void **state)
{
    bool censored;
    struct offload_resample *r = offload_resample_create(1, OFFLOAD_AGGREGATE_SUM);
    int a = offload_resample_source(r, "card0"), b = offload_resample_source(r, "card1");
    offload_resample_put(r, a, 10.5, 1, 8, false);
    assert_float_equal(offload_resample_close(r, 10, &censored), 8, 0);
    offload_resample_put(r, a, 11.5, 1, 3, false);
    offload_resample_put(r, b, 11.6, 1, 5, false);
    assert_float_equal(offload_resample_close(r, 11, &censored), 8, 0);
    offload_resample_put(r, b, 12.6, 1, 8, false);
    assert_true(isnan(offload_resample_close(r, 12, &censored)));
    offload_resample_put(r, b, 13.6, 1, 8, false);
    assert_float_equal(offload_resample_close(r, 13, &censored), 8, 0);
    offload_resample_destroy(r);
}

// What reports once a step has said all of it: the forecast need not wait for the step's end. What
// may still report must be waited for.
static void
step_is_ready_once_all_have_reported(UNUSED void **state)
{
    bool censored;
    struct offload_resample *r = offload_resample_create(1, OFFLOAD_AGGREGATE_SUM);
    int a = offload_resample_source(r, "a"), b = offload_resample_source(r, "b");
    assert_int_equal(offload_resample_readiness(r, 50), OFFLOAD_NOT_AWAITED);
    for (int t = 50; t < 53; t++) {
        offload_resample_put(r, a, t + 0.1, 1, 1, false);
        assert_int_equal(offload_resample_readiness(r, t),
                         t == 50 ? OFFLOAD_NOT_AWAITED : OFFLOAD_AWAITED);
        offload_resample_put(r, b, t + 0.1, 1, 1, false);
        assert_int_equal(offload_resample_readiness(r, t),
                         t == 50 ? OFFLOAD_NOT_AWAITED : OFFLOAD_READY);
        assert_float_equal(offload_resample_close(r, t, &censored), 2, 0);
    }
    offload_resample_put(r, a, 53.1, 0.25, 1, false);
    offload_resample_put(r, b, 53.1, 1, 1, false);
    assert_int_equal(offload_resample_readiness(r, 53), OFFLOAD_NOT_AWAITED);
    offload_resample_destroy(r);
}

static void
slow_source_stands_until_its_next_value_is_due(UNUSED void **state)
{
    bool censored;
    struct offload_resample *r = offload_resample_create(1, OFFLOAD_AGGREGATE_MAX);
    int s = offload_resample_source(r, "a");
    offload_resample_put(r, s, 20.2, 5, 7, false);
    for (int t = 20; t < 25; t++)
        assert_float_equal(offload_resample_close(r, t, &censored), 7, 0);
    assert_true(isnan(offload_resample_close(r, 25, &censored)));
    offload_resample_destroy(r);
}

static void
restarted_counter_is_a_gap(UNUSED void **state)
{
    bool censored;
    struct offload_resample *r = offload_resample_create(1, OFFLOAD_AGGREGATE_SUM);
    int s = offload_resample_source(r, "a");
    const double reading[] = {100, 150, 10, 40};
    const double rate[] = {NAN, 50, NAN, 30};
    for (int i = 0; i < 4; i++) {
        double increase = offload_resample_rate(r, s, 30.5 + i, reading[i]);
        offload_resample_put(r, s, 30.5 + i, 1, increase, false);
        double value = offload_resample_close(r, 30 + i, &censored);
        assert_true(isnan(rate[i]) ? isnan(value) : fabs(value - rate[i]) < 1e-9);
    }
    offload_resample_destroy(r);
}

static size_t
detected(double amplitude, double noise, double trend, bool gaps)
{
    double value[300];
    uint64_t random = 11;
    for (int t = 0; t < 300; t++) {
        value[t] = 50 + trend * t + amplitude * sin(2 * M_PI * t / 24) + noise * normal(&random);
        if (gaps && t % 7 == 3)
            value[t] = NAN;
    }
    struct offload_series series = {.value = value, .n = 300, .step_s = 1};
    return offload_period_detect(&series, OFFLOAD_PERIOD_MAX);
}

static void
season_of_24_is_found(UNUSED void **state)
{
    assert_int_equal(detected(10, 2, 0, false), 24);
    assert_int_equal(detected(10, 2, 0.5, false), 24);
    assert_int_equal(detected(10, 2, 0, true), 24);
}

// A warm start joins coarse archives (10 steps averaged) with fine ones.
static void
coarse_history_does_not_bend_the_season(UNUSED void **state)
{
    enum { N = 400, FINE = 200, ROW = 10 };
    double value[N];
    uint64_t random = 17;
    for (int phase = 0; phase < 24; phase++) {
        for (int t = 0; t < N; t++)
            value[t] = 20 + 10 * sin(2 * M_PI * (t + phase) / 24) + uniform(&random) - 0.5;
        for (int t = 0; t < N - FINE; t += ROW) {
            double mean = 0;
            for (int i = 0; i < ROW; i++)
                mean += value[t + i] / ROW;
            for (int i = 0; i < ROW; i++)
                value[t + i] = mean;
        }
        struct offload_series series = {.value = value, .n = N, .step_s = 1};
        assert_int_equal(offload_period_detect(&series, OFFLOAD_PERIOD_MAX), 24);
    }
}

static void
noise_and_trend_have_no_season(UNUSED void **state)
{
    assert_int_equal(detected(0, 5, 0, false), 1);
    assert_int_equal(detected(0, 0, 1, false), 1);
    assert_int_equal(detected(0, 0, 0, false), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_keeps_the_newest_in_order),
        cmocka_unit_test(values_of_one_step_are_averaged_in_any_order),
        cmocka_unit_test(late_duplicate_and_early_values_are_told_apart),
        cmocka_unit_test(jitter_at_a_border_leaves_no_gap),
        cmocka_unit_test(moved_application_is_neither_missed_nor_doubled),
        cmocka_unit_test(step_is_ready_once_all_have_reported),
        cmocka_unit_test(slow_source_stands_until_its_next_value_is_due),
        cmocka_unit_test(restarted_counter_is_a_gap),
        cmocka_unit_test(season_of_24_is_found),
        cmocka_unit_test(coarse_history_does_not_bend_the_season),
        cmocka_unit_test(noise_and_trend_have_no_season),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
