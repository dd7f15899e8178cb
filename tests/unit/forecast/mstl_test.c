// SPDX-License-Identifier: Apache-2.0
// STL and MSTL against R's (R 4.2.2, stl() of stats, mstl() of forecast 8.20), and STLF on series
// whose truth is known.

#include "lib/forecast/mstl.h"
#include <offload/forecast.h>

#include "tests/unit/forecast/textbook.h"

#include <errno.h>

struct row {
    size_t t;
    double season, trend;
};

static void
stl_matches(const double *value, size_t n, const struct stl_spans *spans, const struct row *row)
{
    double *season = malloc(n * sizeof *season), *trend = malloc(n * sizeof *trend);
    assert_int_equal(stl_decompose(value, NULL, n, 12, spans, season, trend), 0);
    for (int i = 0; i < 3; i++) {
        assert_float_equal(season[row[i].t], row[i].season, 1e-9 * fabs(row[i].trend));
        assert_float_equal(trend[row[i].t], row[i].trend, 1e-9 * fabs(row[i].trend));
    }
    free(season);
    free(trend);
}

static void
stl_equals_that_of_r(UNUSED void **state)
{
    struct offload_series air = textbook("air_passengers"), nottem = textbook("nottem");
    double logs[144];
    for (size_t t = 0; t < air.n; t++)
        logs[t] = log(air.value[t]);
    // stl(log(AirPassengers), s.window = 11)
    stl_matches(logs, 144, &(struct stl_spans){.season = 11, .inner = 2},
                (struct row[]){{0, -0.090671173836, 4.81545943853},
                               {69, -0.076494879751, 5.51729206314},
                               {143, -0.112701902504, 6.19895258264}});
    // stl(log(AirPassengers), s.window = 11, robust = TRUE)
    stl_matches(logs, 144, &(struct stl_spans){.season = 11, .inner = 1, .outer = 15},
                (struct row[]){{0, -0.0773600939850, 4.80694729263},
                               {69, -0.0745858422335, 5.51800354867},
                               {143, -0.1120216225862, 6.20275752023}});
    // stl(nottem, s.window = "periodic")
    stl_matches(nottem.value, nottem.n, &(struct stl_spans){.inner = 2},
                (struct row[]){{0, -9.34719802748, 49.6806726486},
                               {99, -2.76347102217, 48.8048013597},
                               {239, -9.47814227830, 49.0050970824}});
    free((double *)air.value);
    free((double *)nottem.value);
}

// Two seasons, a slope, and bounded disorder that another program can make again.
static double
two_seasons(int t)
{
    return 100 + 0.01 * t + 10 * sin(2 * M_PI * t / 24) + 5 * cos(2 * M_PI * t / 168) +
           (t * 7919 % 101) / 10.0;
}

static void
mstl_equals_that_of_r(UNUSED void **state)
{
    enum { N = 672 };
    // mstl(msts(x, c(24, 168))): trend, season 24, season 168
    static const double EXPECTED[3][4] = {
        {0, 105.087292072, 0.281695214649, 2.25916151602},
        {399, 108.993417733, -6.454637141572, -2.18790918183},
        {671, 111.621047847, -2.043577126426, 5.62057746923},
    };
    double y[N];
    for (int t = 0; t < N; t++)
        y[t] = two_seasons(t);
    struct mstl mstl;
    assert_int_equal(mstl_init(&mstl, y, NULL, N, (size_t[]){24, 168}, 2, 0), 0);
    for (int i = 0; i < 3; i++) {
        size_t t = (size_t)EXPECTED[i][0];
        assert_float_equal(mstl.trend[t], EXPECTED[i][1], 1e-7);
        assert_float_equal(mstl.season[t], EXPECTED[i][2], 1e-7);
        assert_float_equal(mstl.season[N + t], EXPECTED[i][3], 1e-7);
    }
    mstl_fini(&mstl);
}

static void
gaps_cost_a_decomposition_little(UNUSED void **state)
{
    enum { N = 672 };
    double y[N];
    for (int t = 0; t < N; t++)
        y[t] = 50 + 20 * sin(2 * M_PI * t / 24) + 0.02 * t;
    for (int t = 200; t < 260; t++)
        y[t] = NAN;
    for (int t = 0; t < N; t += 11)
        y[t] = NAN;
    struct mstl mstl;
    assert_int_equal(mstl_init(&mstl, y, NULL, N, (size_t[]){24}, 1, 0), 0);
    for (int t = 0; t < N; t++) {
        assert_float_equal(mstl.season[t], 20 * sin(2 * M_PI * t / 24), 2.5);
        assert_int_equal(isnan(mstl.remainder[t]), isnan(y[t]));
    }
    mstl_fini(&mstl);
    for (int t = 0; t < N; t++)
        y[t] = NAN;
    assert_int_equal(mstl_init(&mstl, y, NULL, N, (size_t[]){24}, 1, 0), -EDOM);
    assert_int_equal(mstl_init(&mstl, y, NULL, 30, (size_t[]){24}, 1, 0), -EDOM);
}

// stlf(x, method = "ets")$mean as forecast 8.20 prints it.
static void
stlf_forecasts_as_that_of_r(UNUSED void **state)
{
    static const double EXPECTED[12] = {
        8332.95183617,  7601.48998063,  8356.90886746, 8583.58563921, 9456.58117367, 9857.11505433,
        10813.10298371, 10035.17983391, 8997.83707649, 9286.93047832, 8778.39453023, 9143.66858545};
    const struct offload_model_ops *ops = offload_models[offload_models_find("stlf")];
    struct offload_series deaths = textbook("us_acc_deaths");
    void *m = malloc(ops->state_bytes(TRAINING(deaths, 12)));
    double next[12];
    assert_int_equal(ops->fit(m, TRAINING(deaths, 12), NULL, NULL), 0);
    ops->path(m, 12, NULL, NULL, next);
    for (int h = 0; h < 12; h++)
        assert_float_equal(next[h], EXPECTED[h], 0.002 * EXPECTED[h]);
    free(m);
    free((double *)deaths.value);
}

// Values that come after the fit move it: a season that doubles is half followed after some cycles.
static void
stlf_follows_a_season_that_grows(UNUSED void **state)
{
    enum { N = 240 };
    const struct offload_model_ops *ops = offload_models[offload_models_find("stlf")];
    double y[N], next[24];
    for (int t = 0; t < N; t++)
        y[t] = 50 + 20 * sin(2 * M_PI * t / 24);
    struct offload_series series = {.value = y, .n = N, .step_s = 1};
    void *m = malloc(ops->state_bytes(TRAINING(series, 24)));
    assert_int_equal(ops->fit(m, TRAINING(series, 24), NULL, NULL), 0);
    for (int t = 0; t < 24 * 12; t++)
        ops->update(m, 50 + 40 * sin(2 * M_PI * t / 24), NULL);
    ops->path(m, 24, NULL, NULL, next);
    assert_true(next[6] - next[18] > 60 && next[6] - next[18] < 90);
    free(m);
}

static void
components_sum_to_the_forecast(UNUSED void **state)
{
    enum { N = 672 };
    const struct offload_model_ops *ops = offload_models[offload_models_find("stlf")];
    double y[N], next[24];
    for (int t = 0; t < N; t++)
        y[t] = two_seasons(t);
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 1}, .n_periods = 2, .period = {24, 168}};
    struct offload_component c[8];
    void *m = malloc(ops->state_bytes(&training));
    assert_int_equal(ops->fit(m, &training, NULL, NULL), 0);
    ops->path(m, 24, NULL, NULL, next);
    size_t n = ops->components(m, 24, NULL, c, 8);
    assert_int_equal(n, 3);
    assert_string_equal(c[2].name, "season 168");
    double first = 0, peak = 0, highest = next[0];
    for (size_t i = 0; i < n; i++) {
        first += c[i].first;
        peak += c[i].peak;
    }
    for (int h = 1; h < 24; h++)
        highest = fmax(highest, next[h]);
    assert_float_equal(first, next[0], 1e-9);
    assert_float_equal(peak, highest, 1e-9);
    free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stl_equals_that_of_r),
        cmocka_unit_test(mstl_equals_that_of_r),
        cmocka_unit_test(gaps_cost_a_decomposition_little),
        cmocka_unit_test(stlf_forecasts_as_that_of_r),
        cmocka_unit_test(stlf_follows_a_season_that_grows),
        cmocka_unit_test(components_sum_to_the_forecast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
