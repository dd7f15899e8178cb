// SPDX-License-Identifier: Apache-2.0
// TBATS against R's tbats(), step by step with its parameters, and by what its own search finds.

#include "lib/forecast/model_tbats.c" // the states are private to it

#include "tests/unit/forecast/textbook.h"

// ---- R 4.2.2, forecast 8.20 ----

struct published {
    const char *series;
    bool logs;
    double alpha, beta, phi, gamma[2];
    double seed[12];  // l, b where there is a trend, s_1 ... s_5, s*_1 ... s*_5
    double fitted[5]; // of steps 1, 2, 3, 50, 72
    double mean[3];   // of 1, 2 and 12 (or 24) steps ahead
    size_t last;
};

static const struct published PUBLISHED[] = {
    // tbats(USAccDeaths, use.box.cox = FALSE)
    {"us_acc_deaths",
     false,
     0.595001153315,
     0,
     0,
     {-0.0120720201037, 0.0115970822757},
     {9357.62824152, -999.76784241, 279.847410141, -193.88870097, 143.514076807, -35.5928928636,
      -279.820360323, -319.154092071, -154.249812081, -70.3323805477, -256.678888002},
     {8551.74029223, 8074.39082169, 8894.11247084, 6897.28822639, 8926.23251884},
     {8307.5972092, 7533.68016602, 9099.34439294},
     12},
    // tbats(USAccDeaths, use.box.cox = FALSE, use.trend = TRUE, use.damped.trend = TRUE)
    {"us_acc_deaths",
     false,
     0.538841571197,
     -0.0418616484103,
     0.928739021423,
     {-0.010255028158, 0.0133812191326},
     {10322.5049439, -129.786733659, -1026.44768548, 265.622914837, -205.833702052, 132.32890764,
      -46.4799762201, -315.860749419, -335.891286904, -163.914176341, -75.9123233088,
      -259.268588406},
     {9321.15739857, 8358.91881296, 8907.38920042, 6896.40822783, 8891.64444728},
     {8139.46633683, 7372.36060669, 8825.55165796},
     12},
    // tbats(log(AirPassengers), use.box.cox = FALSE, use.trend = TRUE)
    {"air_passengers",
     true,
     0.755870845555,
     0.0361179378534,
     0.990304822381,
     {0.00292112268905, 0.00595434699747},
     {4.8105541622, -0.00852818524185, -0.148327713573, 0.0563308209542, -0.00905188811855,
      0.0108120722265, 0.00562451495086, 0.0272601282444, 0.0586795181772, -0.027532842949,
      -0.0321246996126, -0.0213281166598},
     {4.71749646567, 4.68241636446, 4.88232585704, 5.25915535491, 5.42003820213},
     {6.10961996227, 6.08377705441, 6.20505966885},
     24},
};
enum { N_PUBLISHED = sizeof PUBLISHED / sizeof *PUBLISHED };

static struct tbats
model_of(const struct published *p)
{
    struct tbats m = {.lambda = 1,
                      .scale = 1,
                      .alpha = p->alpha,
                      .beta = p->beta,
                      .phi = p->phi,
                      .gamma = {{p->gamma[0], p->gamma[1]}},
                      .n_seasons = 1,
                      .period = {12},
                      .n_harmonics = {5}};
    const double *seed = p->seed;
    m.level = *seed++;
    if (p->phi > 0)
        m.slope = *seed++;
    for (int k = 0; k < 5; k++) {
        double angle = 2 * M_PI * (k + 1) / 12;
        m.harmonic[k] = (struct harmonic){cos(angle), sin(angle), seed[k], seed[k + 5]};
    }
    return m;
}

static struct offload_series
series_of(const struct published *p)
{
    struct offload_series s = textbook(p->series);
    for (size_t t = 0; p->logs && t < s.n; t++)
        ((double *)s.value)[t] = log(s.value[t]);
    return s;
}

static void
steps_equal_those_of_r(UNUSED void **state)
{
    static const size_t AT[] = {0, 1, 2, 49, 71};
    for (int i = 0; i < N_PUBLISHED; i++) {
        const struct published *p = &PUBLISHED[i];
        struct tbats m = model_of(p);
        struct offload_series s = series_of(p);
        for (size_t t = 0, k = 0; t < s.n; t++) {
            double e = tbats_update(&m, s.value[t], NULL);
            if (k < 5 && t == AT[k])
                assert_float_equal(s.value[t] - e, p->fitted[k], 1e-7 * p->fitted[k]), k++;
        }
        double mean[24];
        tbats_path(&m, p->last, NULL, NULL, mean);
        assert_float_equal(mean[0], p->mean[0], 1e-7 * p->mean[0]);
        assert_float_equal(mean[1], p->mean[1], 1e-7 * p->mean[1]);
        assert_float_equal(mean[p->last - 1], p->mean[2], 1e-7 * p->mean[2]);
        free((void *)s.value);
    }
}

// The fast search must find as good a model as R's slow one: the errors of one step tell.
static void
fit_is_as_close_as_that_of_r(UNUSED void **state)
{
    for (int i = 0; i < N_PUBLISHED; i++) {
        struct tbats theirs = model_of(&PUBLISHED[i]), ours;
        struct offload_series s = series_of(&PUBLISHED[i]);
        double e[200], sum[2] = {0};
        assert_int_equal(tbats_fit(&ours, TRAINING(s, 12), e, NULL), 0);
        for (size_t t = 0; t < s.n; t++) {
            double was = tbats_update(&theirs, s.value[t], NULL);
            sum[0] += was * was;
            sum[1] += ours.scale * ours.scale * e[t] * e[t];
        }
        if (ours.lambda == 1)
            assert_true(sum[1] < 1.1 * sum[0]);
        free((void *)s.value);
    }
}

// Two seasons at once, of which the longer has its own shape.
static void
both_seasons_are_found(UNUSED void **state)
{
    enum { N = 700, H = 48 };
    double y[N + H], next[H], error = 0, level = 0;
    uint64_t random = 5;
    for (int t = 0; t < N + H; t++) {
        level += t < N ? 0.05 * normal(&random) : 0;
        y[t] = 100 + level + 10 * sin(2 * M_PI * t / 24) + 4 * cos(4 * M_PI * t / 24) +
               6 * cos(2 * M_PI * t / 168) + (t < N ? normal(&random) : 0);
    }
    struct offload_training training = {
        .series = {.value = y, .n = N, .step_s = 3600}, .n_periods = 2, .period = {24, 168}};
    struct tbats m;
    assert_int_equal(tbats_fit(&m, &training, NULL, NULL), 0);
    assert_true(m.n_harmonics[0] >= 2 && m.n_harmonics[1] >= 1);
    tbats_path(&m, H, NULL, NULL, next);
    for (int h = 0; h < H; h++)
        error += fabs(next[h] - y[N + h]) / H;
    assert_true(error < 0.8); // one value's noise is 1
}

// Two seasons do not fit into the series: it is forecast with the shorter, or with none.
static void
seasons_longer_than_history_are_left_out(UNUSED void **state)
{
    double y[100];
    for (int t = 0; t < 100; t++)
        y[t] = 50 + 10 * sin(2 * M_PI * t / 24);
    struct offload_training training = {
        .series = {.value = y, .n = 100, .step_s = 3600}, .n_periods = 2, .period = {24, 168}};
    struct tbats m;
    assert_int_equal(tbats_fit(&m, &training, NULL, NULL), 0);
    assert_int_equal(m.n_harmonics[1], 0);
    double next[24];
    tbats_path(&m, 24, NULL, NULL, next);
    for (int h = 0; h < 24; h++)
        assert_float_equal(next[h], 50 + 10 * sin(2 * M_PI * (100 + h) / 24), 0.5);
}

static void
components_sum_to_the_mean(UNUSED void **state)
{
    struct offload_series s = series_of(&PUBLISHED[1]);
    struct tbats m = model_of(&PUBLISHED[1]);
    struct offload_component part[8];
    double mean[12], sum = 0;
    for (size_t t = 0; t < s.n; t++)
        tbats_update(&m, s.value[t], NULL);
    tbats_path(&m, 12, NULL, NULL, mean);
    size_t n = tbats_components(&m, 12, NULL, part, 8);
    for (size_t i = 0; i < n; i++)
        sum += part[i].first;
    assert_true(n >= 2);
    assert_float_equal(sum, mean[0], 1e-6 * mean[0]);
    free((void *)s.value);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_those_of_r),
        cmocka_unit_test(fit_is_as_close_as_that_of_r),
        cmocka_unit_test(both_seasons_are_found),
        cmocka_unit_test(seasons_longer_than_history_are_left_out),
        cmocka_unit_test(components_sum_to_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
