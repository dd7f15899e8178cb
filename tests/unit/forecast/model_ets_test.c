// SPDX-License-Identifier: Apache-2.0
// ETS against the published recursions, written out form by form, and against brute force.

#include "lib/forecast/model_ets.c" // the states are private to it

#include "tests/unit/forecast/textbook.h"

enum { M = 4 };

// Hyndman et al. 2008, tables 2.2 and 2.3, as they stand there: one line a state and form.
struct oracle {
    double l, b, s[M]; // s[0] is s(t-m)
};

static double
oracle_mean(const struct form *f, const struct oracle *o, double phi)
{
    if (f->trend >= MULTIPLICATIVE) {
        double grown = o->l * pow(o->b, phi);
        return f->season == NONE ? grown : grown * o->s[0];
    }
    double trend = f->trend == NONE ? 0 : phi * o->b;
    if (f->season == NONE)
        return o->l + trend;
    if (f->season == ADDITIVE)
        return o->l + trend + o->s[0];
    return (o->l + trend) * o->s[0];
}

static void
oracle_step(const struct form *f, struct oracle *o, const struct ets *w, double innovation)
{
    double phi = w->phi, l = o->l, b = f->trend == NONE ? 0 : o->b, s = o->s[0], e = innovation;
    double alpha = w->alpha, beta = w->beta, gamma = w->gamma, season = s;
    if (f->error == ADDITIVE) { // table 2.2: only N and A seasons are used here
        o->l = l + phi * b + alpha * e;
        o->b = phi * b + beta * e;
        season = s + gamma * e;
    } else if (f->trend >= MULTIPLICATIVE) { // table 2.3, rows M and Md
        o->l = l * pow(b, phi) * (1 + alpha * e);
        o->b = pow(b, phi) * (1 + beta * e);
        season = s * (1 + gamma * e);
    } else if (f->season == NONE) { // table 2.3
        o->l = (l + phi * b) * (1 + alpha * e);
        o->b = phi * b + beta * (l + phi * b) * e;
    } else if (f->season == ADDITIVE) {
        o->l = l + phi * b + alpha * (l + phi * b + s) * e;
        o->b = phi * b + beta * (l + phi * b + s) * e;
        season = s + gamma * (l + phi * b + s) * e;
    } else {
        o->l = (l + phi * b) * (1 + alpha * e);
        o->b = phi * b + beta * (l + phi * b) * e;
        season = s * (1 + gamma * e);
    }
    memmove(o->s, o->s + 1, (M - 1) * sizeof *o->s);
    o->s[M - 1] = season;
}

static struct ets *
model_of(const struct form *form, struct oracle *o)
{
    struct ets *m = calloc(1, ets_bytes(M));
    m->form = *form;
    m->period = form->season == NONE ? 1 : M;
    const double p[] = {0.4, 0.3, 0.2, 0.9};
    set_parameters(m, p);
    m->level = o->l = 100;
    m->slope = o->b = form->trend == NONE ? 0 : form->trend >= MULTIPLICATIVE ? 1.005 : 1.5;
    for (int i = 0; i < M; i++)
        o->s[i] = form->season == MULTIPLICATIVE ? 0.8 + 0.1 * i : 10.0 * i - 15;
    if (form->season != NONE)
        memcpy(m->season, o->s, sizeof o->s);
    return m;
}

static void
every_form_follows_the_published_recursions(UNUSED void **state)
{
    for (int i = 0; i < N_FORMS; i++) {
        struct oracle o;
        struct ets *m = model_of(&FORMS[i], &o);
        uint64_t random = 3;
        for (int t = 0; t < 60; t++) {
            double value = 100 + 0.5 * t + 10 * normal(&random);
            double mu = oracle_mean(&FORMS[i], &o, m->phi);
            double innovation = FORMS[i].error == ADDITIVE ? value - mu : (value - mu) / mu;
            assert_float_equal(ets_update(m, value, NULL), innovation,
                               1e-9 * fabs(innovation) + 1e-12);
            oracle_step(&FORMS[i], &o, m, innovation);
        }
        double shock[11], path[11]; // longer than the season: a path meets its own changed states
        for (int h = 0; h < 11; h++)
            shock[h] = (FORMS[i].error == ADDITIVE ? 5 : 0.05) * normal(&random);
        ets_path(m, 11, NULL, shock, path);
        for (int h = 0; h < 11; h++) {
            double mu = oracle_mean(&FORMS[i], &o, m->phi);
            double value = FORMS[i].error == ADDITIVE ? mu + shock[h] : mu * (1 + shock[h]);
            assert_float_equal(path[h], value, 1e-8 * fabs(value));
            oracle_step(&FORMS[i], &o, m, shock[h]);
        }
        free(m);
    }
}

// A gap says nothing about demand: what was expected of a point in time stays expected of it.
static void
gap_leaves_forecast_unchanged(UNUSED void **state)
{
    for (int i = 0; i < N_FORMS; i++) {
        struct oracle o;
        struct ets *m = model_of(&FORMS[i], &o);
        double before[10], after[7];
        ets_path(m, 10, NULL, NULL, before);
        for (int gap = 0; gap < 3; gap++)
            assert_true(isnan(ets_update(m, NAN, NULL)));
        ets_path(m, 7, NULL, NULL, after);
        for (int h = 0; h < 7; h++)
            assert_float_equal(after[h], before[h + 3], 1e-9);
        free(m);
    }
}

// Sum of squared errors of simple exponential smoothing, the slow and obvious way.
static double
ses_square(const double *y, size_t n, double level, double alpha)
{
    double sum = 0;
    for (size_t t = 0; t < n; t++) {
        sum += (y[t] - level) * (y[t] - level);
        level = alpha * y[t] + (1 - alpha) * level;
    }
    return sum;
}

static void
smoothing_weight_is_as_good_as_the_best_of_a_grid(UNUSED void **state)
{
    enum { N = 200 };
    double y[N], level = 500;
    uint64_t random = 5;
    for (int t = 0; t < N; t++) { // ETS(A,N,N) with alpha 0.35
        double e = 8 * normal(&random);
        y[t] = level + e;
        level += 0.35 * e;
    }
    struct offload_series series = {.value = y, .n = N, .step_s = 1};
    struct ets *m = calloc(1, ets_bytes(1));
    assert_int_equal(ets_fit(m, TRAINING(series, 1), NULL, NULL), 0);
    assert_int_equal(m->form.trend, NONE);
    double start = 0, best = HUGE_VAL;
    for (int t = 0; t < 10; t++)
        start += y[t] / 10;
    for (double alpha = 0.001; alpha < 1; alpha += 0.001)
        best = fmin(best, ses_square(y, N, start, alpha));
    if (m->form.error == ADDITIVE)
        assert_true(N * log(ses_square(y, N, start, m->alpha) / best) < 0.1);
    assert_true(fabs(m->alpha - 0.35) < 0.15);
    free(m);
}

static const struct form *
form_found(bool multiplicative, double slope)
{
    enum { N = 240 };
    static struct form found;
    double y[N];
    uint64_t random = 9;
    for (int t = 0; t < N; t++) {
        double wave = sin(2 * M_PI * t / 12), level = 200 + slope * t;
        y[t] = multiplicative ? level * (1 + 0.4 * wave) * (1 + 0.03 * normal(&random))
                              : level + 60 * wave + 6 * normal(&random);
    }
    struct offload_series series = {.value = y, .n = N, .step_s = 1};
    struct ets *m = calloc(1, ets_bytes(12));
    assert_int_equal(ets_fit(m, TRAINING(series, 12), NULL, NULL), 0);
    found = m->form;
    double next[12];
    ets_path(m, 12, NULL, NULL, next);
    for (int h = 0; h < 12; h++) {
        double wave = sin(2 * M_PI * (N + h) / 12), level = 200 + slope * (N + h);
        double truth = multiplicative ? level * (1 + 0.4 * wave) : level + 60 * wave;
        assert_true(fabs(next[h] - truth) < 0.06 * level);
    }
    free(m);
    return &found;
}

static void
form_of_simulated_series_is_found(UNUSED void **state)
{
    assert_int_equal(form_found(false, 0)->season, ADDITIVE);
    const struct form *form = form_found(true, 4);
    assert_int_equal(form->season, MULTIPLICATIVE);
    assert_int_not_equal(form->trend, NONE);
}

static void
odd_series_get_a_sane_forecast(UNUSED void **state)
{
    const double constant[] = {7, 7, 7, 7, 7, 7, 7, 7}, zero[12] = {0};
    const double holes[] = {NAN, 5, NAN, 5, 6, 5, NAN, 6, NAN, NAN}, few[] = {3, 4, NAN, NAN, 5};
    struct ets *m = calloc(1, ets_bytes(4));
    double next[3];
    struct offload_series series = {.value = constant, .n = 8, .step_s = 1};
    assert_int_equal(ets_fit(m, TRAINING(series, 4), NULL, NULL), 0);
    ets_path(m, 3, NULL, NULL, next);
    assert_float_equal(next[2], 7, 1e-9);
    series = (struct offload_series){.value = zero, .n = 12, .step_s = 1};
    assert_int_equal(ets_fit(m, TRAINING(series, 4), NULL, NULL), 0);
    ets_path(m, 3, NULL, NULL, next);
    assert_float_equal(next[2], 0, 1e-9);
    series = (struct offload_series){.value = holes, .n = 10, .step_s = 1};
    assert_int_equal(ets_fit(m, TRAINING(series, 1), NULL, NULL), 0);
    ets_path(m, 3, NULL, NULL, next);
    assert_true(next[2] > 4.5 && next[2] < 6.5);
    series = (struct offload_series){.value = few, .n = 5, .step_s = 1};
    struct offload_err err = {0};
    assert_int_equal(ets_fit(m, TRAINING(series, 1), NULL, &err), -EDOM);
    free(m);
}

// Demand held down by a limit must not teach the model that demand is low.
static void
censored_steps_do_not_pull_the_level_down(UNUSED void **state)
{
    enum { N = 120 };
    double y[N];
    uint8_t censored[N] = {0};
    uint64_t random = 13;
    for (int t = 0; t < N; t++) {
        y[t] = 100 + 3 * normal(&random);
        if (t % 2 && t > 20) {
            y[t] = 60;
            censored[t] = 1;
        }
    }
    struct offload_series series = {.value = y, .censored = censored, .n = N, .step_s = 1};
    struct ets *m = calloc(1, ets_bytes(1));
    double next;
    assert_int_equal(ets_fit(m, TRAINING(series, 1), NULL, NULL), 0);
    ets_path(m, 1, NULL, NULL, &next);
    assert_true(next > 92);
    series.censored = NULL;
    assert_int_equal(ets_fit(m, TRAINING(series, 1), NULL, NULL), 0);
    ets_path(m, 1, NULL, NULL, &next);
    assert_true(next < 92);
    free(m);
}

// ets(AirPassengers, model = "MAM", damped = TRUE), ets(USAccDeaths), and with
// allow.multiplicative.trend = TRUE models "MMM" (damped or not) of AirPassengers, "MMN" of uspop,
// "MAM" and "AAA" of co2, of forecast 8.20 (R 4.2.2): parameters, initial states (oldest first) and
// log-likelihood as printed.
static void
likelihood_equals_that_of_r(UNUSED void **state)
{
    static const struct {
        const char *series;
        struct form form;
        double alpha, beta, gamma, phi, loglik;
        double start[14]; // l, b, season
    } CASES[] = {
        {"air_passengers",
         {MULTIPLICATIVE, DAMPED, MULTIPLICATIVE},
         0.709551916208791,
         0.0204089193322359,
         0.000100468309718653,
         0.979999926683986,
         -679.583216236956,
         {120.993935507203389, 1.770540197111708, 0.905852372933628, 0.886892287222608,
          1.011030088041539, 0.980382073471814, 0.978612760760472, 1.110500180946919,
          1.231798507167112, 1.220300697240422, 1.059201929838274, 0.921659598397272,
          0.799322028291066, 0.894447475688874}},
        {"us_acc_deaths",
         {ADDITIVE, NONE, ADDITIVE},
         0.594589890836137,
         0,
         0.00202895995406527,
         1,
         -555.072335012628,
         {9248.3628241274691, 0, -739.0551527759472, -1537.7917243412869, -739.9004270557836,
          -489.5627132022773, 306.4212165335729, 756.0919812885022, 1683.2366106085335,
          970.7387448659006, -121.7710203342167, 218.2901146685056, -255.3527554278039,
          -51.3448748276992}},
        {"air_passengers",
         {MULTIPLICATIVE, MULTIPLICATIVE, MULTIPLICATIVE},
         0.267177711913805,
         0.000100056641917747,
         0.427789792636182,
         1.0,
         -681.913724504572,
         {120.648851533668, 1.01001079307284, 0.913775290346802, 0.955483099105001,
          1.08353283308124, 1.01492414124089, 0.988224090907926, 1.07433238329543, 1.18136146170787,
          1.16027262563435, 1.04365269026537, 0.914636133934356, 0.7809493699143,
          0.888855880566467}},
        {"air_passengers",
         {MULTIPLICATIVE, MULTIPLICATIVE_DAMPED, MULTIPLICATIVE},
         0.73071373721993,
         0.0123420517973889,
         0.000102090959244268,
         0.979999224047589,
         -678.618594554449,
         {120.962460294012, 1.01600305549051, 0.906265697701773, 0.88820853628767, 1.01328006270297,
          0.98118928519301, 0.980697001742243, 1.11124399619656, 1.23123684055175, 1.2188621456529,
          1.05805203481029, 0.920206898126107, 0.796790972493723, 0.893966528541004}},
        {"us_pop",
         {MULTIPLICATIVE, MULTIPLICATIVE, NONE},
         0.876205960304283,
         0.808819119746074,
         0.0,
         1.0,
         -33.3304630966968,
         {2.901567933883452, 1.352807646143946}},
        {"co2",
         {MULTIPLICATIVE, ADDITIVE, MULTIPLICATIVE},
         0.275010946935762,
         0.000113569541146617,
         0.546116740205552,
         1.0,
         -965.558399413015,
         {314.056882874991, 0.104207733887287, 0.998810472921708, 1.00284472611256,
          1.00284923598988, 1.00532992061449, 1.00818700699406, 1.00652027768559, 1.00372574235516,
          0.997410749593705, 0.990929661312047, 0.990203335726011, 0.994111796906696,
          0.999077073788095}},
        {"co2",
         {ADDITIVE, ADDITIVE, ADDITIVE},
         0.5784500277390977,
         0.00614301288873358,
         0.13729707439506283,
         1.0,
         -857.675246152382,
         {315.3303325993359, 0.08013998946274763, 0.0433287177013396, 0.669315011602768,
          1.19118782670844, 2.15713240980684, 2.70199245074078, 2.17464522950095, 0.778419392675743,
          -1.26714480150054, -2.77148015115796, -3.0240173694596, -1.83595017900256,
          -0.817428537616195}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct offload_series series = textbook(CASES[i].series);
        struct ets *m = calloc(1, ets_bytes(12));
        m->period = CASES[i].form.season == NONE ? 1 : 12;
        m->form = CASES[i].form;
        struct problem p = {
            .series = &series, .m = m, .state = CASES[i].start, .n_seen = series.n, .floor = 1e-9};
        const double parameter[PARAMETERS] = {CASES[i].alpha, CASES[i].beta / CASES[i].alpha,
                                              CASES[i].gamma / (1 - CASES[i].alpha), CASES[i].phi};
        // R's constant: n log n more.
        double value = likelihood(&p, parameter) + series.n * log(series.n);
        assert_true(fabs(-value / 2 - CASES[i].loglik) < 1e-6);
        free(m);
        free((double *)series.value);
    }
}

// ets(x, allow.multiplicative.trend = TRUE)$aicc. Where R's search ends early, ours is lower; it
// must not be higher.
static void
textbook_series_fit_as_well_as_in_r(UNUSED void **state)
{
    static const struct {
        const char *name;
        size_t period;
        double aicc, below; // at most so much below
        double next;        // forecast(ets(x))$mean[1]
    } CASES[] = {
        {"nile", 1, 1458.5519, 0.1, 838.875161}, {"lake_huron", 1, 396.9331, 0.1, 579.959993},
        {"us_pop", 1, 81.2763, 0.1, 234.289649}, {"www_usage", 1, 718.6342, 2, 218.366335},
        {"lynx", 1, 2042.0420, 8, 4551.494263},  {"us_acc_deaths", 12, 1148.7161, 8, 8397.496909},
        {"nottem", 12, 1737.0870, 2, 40.172280}, {"air_passengers", 12, 1398.7092, 10, 442.266823},
        {"co2", 12, 1722.6282, 40, 365.219024},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct offload_series series = textbook(CASES[i].name);
        struct ets *m = calloc(1, ets_bytes(12));
        assert_int_equal(ets_fit(m, TRAINING(series, CASES[i].period), NULL, NULL), 0);
        double aicc = m->aicc + series.n * log(series.n), next;
        assert_true(aicc < CASES[i].aicc + 0.1);
        assert_true(aicc > CASES[i].aicc - CASES[i].below);
        ets_path(m, 1, NULL, NULL, &next);
        assert_float_equal(next, CASES[i].next, 0.015 * CASES[i].next);
        free(m);
        free((double *)series.value);
    }
}

// A factor a step, as a service that is being adopted: no line and no damping is as likely.
static void
growth_by_a_factor_is_found(UNUSED void **state)
{
    enum { N = 120 };
    double y[N], next[24];
    uint64_t random = 15;
    for (int t = 0; t < N; t++)
        y[t] = 5 * pow(1.03, t) * (1 + 0.01 * normal(&random));
    struct offload_series series = {.value = y, .n = N, .step_s = 1};
    struct ets *m = calloc(1, ets_bytes(1));
    assert_int_equal(ets_fit(m, TRAINING(series, 1), NULL, NULL), 0);
    assert_true(m->form.trend >= MULTIPLICATIVE);
    ets_path(m, 24, NULL, NULL, next);
    assert_float_equal(next[0] / (5 * pow(1.03, N)), 1, 0.05);
    assert_float_equal(next[23] / (5 * pow(1.03, N + 23)), 1, 0.15);
    free(m);
}

// The form stays, the weights come out as good as from scratch.
static void
earlier_fit_is_where_the_next_one_begins(UNUSED void **state)
{
    struct offload_series whole = textbook("air_passengers"), part = whole;
    part.n -= 2;
    struct ets *before = calloc(1, ets_bytes(12)), *warm = calloc(1, ets_bytes(12));
    struct ets *cold = calloc(1, ets_bytes(12));
    assert_int_equal(ets_fit(before, TRAINING(part, 12), NULL, NULL), 0);
    struct offload_training training = *TRAINING(whole, 12);
    assert_int_equal(ets_fit(cold, &training, NULL, NULL), 0);
    training.warm = before;
    assert_int_equal(ets_fit(warm, &training, NULL, NULL), 0);
    assert_memory_equal(&warm->form, &before->form, sizeof warm->form);
    assert_true(warm->aicc < cold->aicc + 2);
    // What has become 0 admits no factor any more: it is chosen anew.
    double *y = (double *)whole.value;
    y[whole.n - 1] = 0;
    assert_int_equal(ets_fit(warm, &training, NULL, NULL), 0);
    assert_int_equal(warm->form.error, ADDITIVE);
    free(before);
    free(warm);
    free(cold);
    free(y);
}

static void
components_sum_to_the_mean(UNUSED void **state)
{
    for (int i = 0; i < N_FORMS; i++) {
        struct oracle o;
        struct ets *m = model_of(&FORMS[i], &o);
        struct offload_component c[3];
        double mean[6], first = 0, peak = 0, highest = -HUGE_VAL;
        ets_path(m, 6, NULL, NULL, mean);
        size_t n = ets_components(m, 6, NULL, c, 3);
        for (size_t k = 0; k < n; k++) {
            first += c[k].first;
            peak += c[k].peak;
        }
        for (int h = 0; h < 6; h++)
            highest = fmax(highest, mean[h]);
        assert_float_equal(first, mean[0], 1e-9);
        assert_float_equal(peak, highest, 1e-9);
        free(m);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_follows_the_published_recursions),
        cmocka_unit_test(gap_leaves_forecast_unchanged),
        cmocka_unit_test(smoothing_weight_is_as_good_as_the_best_of_a_grid),
        cmocka_unit_test(form_of_simulated_series_is_found),
        cmocka_unit_test(odd_series_get_a_sane_forecast),
        cmocka_unit_test(likelihood_equals_that_of_r),
        cmocka_unit_test(textbook_series_fit_as_well_as_in_r),
        cmocka_unit_test(growth_by_a_factor_is_found),
        cmocka_unit_test(earlier_fit_is_where_the_next_one_begins),
        cmocka_unit_test(components_sum_to_the_mean),
        cmocka_unit_test(censored_steps_do_not_pull_the_level_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
