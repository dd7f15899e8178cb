// SPDX-License-Identifier: Apache-2.0
// What is no smooth wave: the whole forecaster, all models with it, gives a sane forecast and
// intervals that hold what they say.

#include "lib/io/statefile.h"

#include <offload/forecast.h>

#include "tests/unit/forecast/test.h"

#include <string.h>

enum { N = 240, HORIZON = 24, PATHS = 400, SERIES = 10 };

static struct offload_fan fan;

static int
load_weights(UNUSED void **state)
{
    uint32_t version = OFFLOAD_LSTM_VERSION;
    char *payload;
    size_t len;
    assert_int_equal(checkpoint_read(SRCDIR "/conf/weights/lstm.checkpoint", OFFLOAD_LSTM_KIND,
                                     &version, OFFLOAD_LSTM_BYTES_MAX, &payload, &len, NULL),
                     0);
    assert_int_equal(offload_lstm_load(payload, len, NULL), 0);
    free(payload);
    return offload_fan_init(&fan, HORIZON, PATHS);
}

static int
free_fan(UNUSED void **state)
{
    offload_fan_fini(&fan);
    return 0;
}

// Fills the fan with what follows the 'n' values.
static void
forecast(const double *value, size_t n)
{
    struct offload_err err = {0};
    struct offload_forecaster *f = offload_forecaster_create(&(struct offload_forecaster_options){
        .step_s = 3600, .horizon = HORIZON, .capacity = N, .model = -1});
    for (size_t t = 0; t < n; t++)
        offload_forecaster_push(f, value[t], false, NULL);
    assert_int_equal(offload_forecaster_fit(f, &err), 0);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
    for (size_t h = 0; h < HORIZON; h++)
        assert_true(isfinite(fan.mean[h]) && offload_fan_step(&fan, h, 0) >= 0);
    offload_forecaster_destroy(f);
}

// Means of SERIES series: of values inside the intervals, and of the error.
struct outcome {
    double in80, in95, error;
};

static struct outcome
outcome_of(double (*next)(int t, uint64_t *random, double *level))
{
    struct outcome sum = {0};
    double n = SERIES * HORIZON;
    for (int s = 0; s < SERIES; s++) {
        uint64_t random = 100 + (uint64_t)s;
        double y[N + HORIZON], level = 0;
        for (int t = 0; t < N + HORIZON; t++)
            y[t] = next(t, &random, &level);
        forecast(y, N);
        for (size_t h = 0; h < HORIZON; h++) {
            double came = y[N + h];
            if (isnan(came)) {
                n--;
                continue;
            }
            sum.in80 +=
                came >= offload_fan_step(&fan, h, 0.1) && came <= offload_fan_step(&fan, h, 0.9);
            sum.in95 += came >= offload_fan_step(&fan, h, 0.025) &&
                        came <= offload_fan_step(&fan, h, 0.975);
            sum.error += fabs(came - fan.mean[h]);
        }
    }
    return (struct outcome){sum.in80 / n, sum.in95 / n, sum.error / n};
}

static void
expect(struct outcome o, double error_most)
{
    if (o.in80 < 0.65 || o.in95 < 0.86 || o.error > error_most)
        fail_msg("%.2f inside 80 %%, %.2f inside 95 %%, error %.3g of at most %.3g", o.in80, o.in95,
                 o.error, error_most);
}

static void
two_values_are_doubted(UNUSED void **state)
{
    const double y[] = {10, 12};
    forecast(y, 2);
    for (size_t h = 0; h < HORIZON; h++)
        assert_true(fan.mean[h] > 5 && fan.mean[h] < 25);
    // Whoever has seen one change of 2 must think one of 2 possible.
    assert_true(offload_fan_step(&fan, 0, 0.975) - offload_fan_step(&fan, 0, 0.025) >= 2);
    assert_true(offload_fan_step(&fan, HORIZON - 1, 0.975) >= offload_fan_step(&fan, 0, 0.975));
}

static void
constant_stays(UNUSED void **state)
{
    double y[N];
    for (int t = 0; t < N; t++)
        y[t] = 42;
    for (size_t n = 2; n <= N; n = n * 3) {
        forecast(y, n);
        for (size_t h = 0; h < HORIZON; h++) {
            assert_float_equal(fan.mean[h], 42, 0.5);
            assert_true(offload_fan_step(&fan, h, 0.1) <= 42.01 &&
                        offload_fan_step(&fan, h, 0.9) >= 41.99);
        }
    }
    // After ten days of it nothing far away is likely.
    forecast(y, N);
    assert_true(offload_fan_peak(&fan, 0.9) < 50);
    memset(y, 0, sizeof y);
    forecast(y, N);
    assert_float_equal(offload_fan_peak(&fan, 0.99), 0, 1e-6);
}

// Requests that come one step in five.
static double
intermittent(UNUSED int t, uint64_t *random, UNUSED double *level)
{
    return uniform(random) < 0.2 ? 15 + 10 * uniform(random) : 0;
}

static void
intermittent_demand_keeps_its_peaks(UNUSED void **state)
{
    // The best constant forecast, the median 0, errs by 4; the mean by 6.4.
    expect(outcome_of(intermittent), 8);
    assert_true(offload_fan_peak(&fan, 0.9) > 14 && offload_fan_peak(&fan, 0.9) < 45);
}

// A total that was declared as a gauge.
static double
counter(UNUSED int t, uint64_t *random, double *level)
{
    return *level += 30 + 10 * uniform(random);
}

static void
counter_goes_on_counting(UNUSED void **state)
{
    expect(outcome_of(counter), 30); // of 840 that it grows by meanwhile
}

static double
shifted(int t, uint64_t *random, UNUSED double *level)
{
    return (t < N * 3 / 4 ? 50 : 120) + 4 * normal(random);
}

static void
new_level_is_believed(UNUSED void **state)
{
    expect(outcome_of(shifted), 6);
}

static double
trending(int t, uint64_t *random, UNUSED double *level)
{
    return 100 + 0.8 * t + 6 * normal(random);
}

static void
trend_goes_on(UNUSED void **state)
{
    expect(outcome_of(trending), 8);
}

static double
ridden(int t, uint64_t *random, UNUSED double *level)
{
    double value = 60 + 20 * sin(2 * M_PI * t / 24) + 4 * normal(random);
    return uniform(random) < 0.3 || (t > 100 && t < 130) ? NAN : value;
}

static void
gaps_hide_no_season(UNUSED void **state)
{
    expect(outcome_of(ridden), 6.5); // 3.2 at best
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_values_are_doubted),
        cmocka_unit_test(constant_stays),
        cmocka_unit_test(intermittent_demand_keeps_its_peaks),
        cmocka_unit_test(counter_goes_on_counting),
        cmocka_unit_test(new_level_is_believed),
        cmocka_unit_test(trend_goes_on),
        cmocka_unit_test(gaps_hide_no_season),
    };
    return cmocka_run_group_tests(tests, load_weights, free_fan);
}
