// SPDX-License-Identifier: Apache-2.0
// ARMA likelihoods, parameters and forecasts against R 4.2.2's arima(), and against brute force.

#include "lib/forecast/arma.h"
#include "lib/forecast/least.h"

#include <offload/forecast.h>

#include "tests/unit/forecast/textbook.h"

// ---- Maximum likelihood with either filter ----

struct likelihood {
    struct arma_orders orders;
    bool kalman;
    const double *y;
    double *w, *e, *work; // w: y, differenced
    size_t n, n_w, n_used;
    double log_f, sum;
};

static bool
residuals(void *context, const double *parameter, double *residual)
{
    struct likelihood *l = context;
    struct arma arma;
    arma_expand(&l->orders, parameter, &arma);
    l->n_used = l->n_w;
    if (l->kalman)
        l->log_f = arma_kalman(&l->orders, &arma, l->y, l->n, residual, &l->n_used, l->work);
    else
        l->log_f = arma_innovations(&arma, 1e-12, l->w, 1, 0, l->n_w, NULL, residual, l->work);
    if (isnan(l->log_f))
        return false;
    double factor = exp(l->log_f / (2.0 * l->n_used));
    l->sum = 0;
    for (size_t t = 0; t < (l->kalman ? l->n : l->n_w); t++) {
        l->sum += residual[t] * residual[t];
        residual[t] *= factor;
    }
    return true;
}

// The log-likelihood's maximum over 'parameter'.
static double
maximise(struct likelihood *l, const double *y, size_t n, size_t n_parameters, double *parameter)
{
    double *memory = calloc(n * (n_parameters + 5) + 60000, sizeof *memory);
    l->y = y;
    l->n = n;
    l->w = memory;
    l->e = l->w + n;
    l->work = l->e + n * (n_parameters + 3);
    memcpy(l->w, y, n * sizeof *y);
    l->n_w = arma_difference(&l->orders, l->w, n);
    struct least_problem problem = {.n_parameters = n_parameters,
                                    .n_residuals = l->kalman ? n : l->n_w,
                                    .limit = 4,
                                    .evaluations = 1000,
                                    .tolerance = 1e-10,
                                    .residuals = residuals,
                                    .context = l};
    double sum = least_squares(&problem, parameter, l->e);
    assert_true(sum < HUGE_VAL);
    assert_true(residuals(l, parameter, l->e));
    double log_likelihood =
        -0.5 * (l->n_used * (log(2 * M_PI * l->sum / l->n_used) + 1) + l->log_f);
    free(memory);
    return log_likelihood;
}

static double
term(const struct arma_terms *terms, size_t lag)
{
    for (size_t i = 0; i < terms->n; i++)
        if (terms->lag[i] == lag)
            return terms->at[i];
    return 0;
}

// R 4.2.2: arima(log(AirPassengers), c(0,1,1), seasonal = c(0,1,1)); arima(USAccDeaths, same).
static void
airline_model_equals_that_of_r(UNUSED void **state)
{
    static const struct {
        const char *name;
        double likelihood, theta, long_theta;
    } CASES[] = {{"air_passengers", 244.6995306, -0.4018280168, -0.5569448384},
                 {"us_acc_deaths", -425.4399936, -0.4302692362, -0.5527912702},
                 {"co2", -86.0778606396, -0.3500794766, -0.8505867595}};
    for (int c = 0; c < 3; c++)
        for (int kalman = 0; kalman < 2; kalman++) {
            struct offload_series s = textbook(CASES[c].name);
            double y[500], parameter[2] = {0.1, 0.1};
            for (size_t t = 0; t < s.n; t++)
                y[t] = c == 0 ? log(s.value[t]) : s.value[t];
            struct likelihood l = {.orders = {.d = 1, .q = 1, .sd = 1, .sq = 1, .season = 12},
                                   .kalman = kalman};
            assert_float_equal(maximise(&l, y, s.n, 2, parameter), CASES[c].likelihood, 4e-3);
            struct arma arma;
            arma_expand(&l.orders, parameter, &arma);
            assert_float_equal(term(&arma.ma, 1), CASES[c].theta, 1e-3);
            assert_float_equal(term(&arma.ma, 12), CASES[c].long_theta, 1e-3);
            assert_float_equal(term(&arma.ma, 13), CASES[c].theta * CASES[c].long_theta, 1e-3);
            free((void *)s.value);
        }
}

// R 4.2.2: arima(log10(lynx), c(2,0,2)), with its intercept taken off.
static void
lynx_equals_that_of_r(UNUSED void **state)
{
    for (int kalman = 0; kalman < 2; kalman++) {
        struct offload_series s = textbook("lynx");
        double y[200], parameter[4] = {0.1, 0.1, 0.05, 0.05};
        for (size_t t = 0; t < s.n; t++)
            y[t] = log10(s.value[t]) - 2.9026979622;
        // From the autoregression on: from elsewhere the ascent ends on a lower summit.
        struct likelihood l = {.orders = {.p = 2, .season = 1}, .kalman = kalman};
        maximise(&l, y, s.n, 2, parameter);
        l.orders.q = 2;
        assert_float_equal(maximise(&l, y, s.n, 4, parameter), 8.208607913, 2e-3);
        struct arma arma;
        arma_expand(&l.orders, parameter, &arma);
        assert_float_equal(term(&arma.ar, 1), 1.4764854037, 5e-3);
        assert_float_equal(term(&arma.ar, 2), -0.8032637831, 5e-3);
        assert_float_equal(term(&arma.ma, 1), -0.1659635284, 5e-3);
        assert_float_equal(term(&arma.ma, 2), -0.1096693375, 5e-3);
        free((void *)s.value);
    }
}

// R 4.2.2: y <- Nile; y[c(21:40, 61:80)] <- NA; arima(y, c(0,1,1)), and
// y <- log(AirPassengers); y[c(10, 11, 50:60, 100)] <- NA; arima(y, c(0,1,1), seasonal = c(0,1,1)).
static void
gaps_cost_what_they_cost_r(UNUSED void **state)
{
    struct offload_series nile = textbook("nile"), air = textbook("air_passengers");
    double y[200], parameter[2] = {0.5, 0};
    for (size_t t = 0; t < nile.n; t++)
        y[t] = (t >= 20 && t < 40) || (t >= 60 && t < 80) ? NAN : nile.value[t];
    struct likelihood l = {.orders = {.d = 1, .q = 1, .season = 1}, .kalman = true};
    assert_float_equal(maximise(&l, y, nile.n, 1, parameter), -380.0077284, 2e-3);
    struct arma arma;
    arma_expand(&l.orders, parameter, &arma);
    assert_float_equal(term(&arma.ma, 1), -0.8225531652, 2e-3);

    for (size_t t = 0; t < air.n; t++)
        y[t] = t == 9 || t == 10 || (t >= 49 && t < 60) || t == 99 ? NAN : log(air.value[t]);
    parameter[0] = parameter[1] = 0.1;
    l = (struct likelihood){.orders = {.d = 1, .q = 1, .sd = 1, .sq = 1, .season = 12},
                            .kalman = true};
    assert_float_equal(maximise(&l, y, air.n, 2, parameter), 217.2097574, 5e-3);
    arma_expand(&l.orders, parameter, &arma);
    assert_float_equal(term(&arma.ma, 1), -0.4513767355, 2e-3);
    assert_float_equal(term(&arma.ma, 12), -0.5203413318, 2e-3);
    free((void *)nile.value);
    free((void *)air.value);
}

// Both filters must say the same of any process, or the gaps' one would move the estimates.
static void
filters_agree_on_complete_series(UNUSED void **state)
{
    enum { N = 160 };
    static const struct arma_orders ORDERS[] = {
        {.p = 3, .q = 2, .sp = 1, .sq = 2, .season = 7},
        {.p = 1, .q = 5, .season = 1},
        {.p = 5, .season = 1},
        {.sp = 2, .q = 1, .season = 24},
        {.q = 2, .sq = 1, .season = 12},
    };
    uint64_t random = 5;
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++)
        for (int draw = 0; draw < 20; draw++) {
            double parameter[ARMA_PARAMETERS_MAX], y[N], fast[N], slow[N];
            for (int k = 0; k < ARMA_PARAMETERS_MAX; k++)
                parameter[k] = 1.2 * normal(&random);
            for (int t = 0; t < N; t++)
                y[t] = normal(&random);
            struct arma arma;
            arma_expand(&ORDERS[i], parameter, &arma);
            size_t used, size = arma_kalman_work(&ORDERS[i], &arma);
            double *work = malloc((N + size + 4 * (ARMA_LAG_MAX + 2)) * sizeof *work);
            double a = arma_innovations(&arma, 0, y, 1, 0, N, NULL, fast, work);
            double b = arma_kalman(&ORDERS[i], &arma, y, N, slow, &used, work);
            free(work);
            if (isnan(a) && isnan(b))
                continue;
            // A variance above 1e4 is taken for a diffuse start by the slow one.
            if (used < N)
                continue;
            assert_float_equal(a, b, 1e-5 * (1 + fabs(b)));
            for (int t = 0; t < N; t++)
                assert_float_equal(fast[t], slow[t], 1e-4 * (1 + fabs(slow[t])));
        }
}

// The transform must not let an estimate leave the stationary region, wherever a search goes.
static void
any_parameters_make_a_stationary_process(UNUSED void **state)
{
    uint64_t random = 11;
    for (int draw = 0; draw < 500; draw++) {
        double partial[5], phi[5], y[3000] = {0};
        for (int i = 0; i < 5; i++)
            partial[i] = 1.5 * normal(&random);
        arma_stationary(partial, 5, phi);
        y[4] = 1;
        double late = 0, most = 0;
        for (int t = 5; t < 3000; t++) {
            for (int i = 0; i < 5; i++)
                y[t] += phi[i] * y[t - 1 - i];
            most = fmax(most, fabs(y[t]));
            if (t >= 2000)
                late = fmax(late, fabs(y[t]));
        }
        assert_true(late <= most && isfinite(most));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(airline_model_equals_that_of_r),
        cmocka_unit_test(lynx_equals_that_of_r),
        cmocka_unit_test(gaps_cost_what_they_cost_r),
        cmocka_unit_test(filters_agree_on_complete_series),
        cmocka_unit_test(any_parameters_make_a_stationary_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
