// SPDX-License-Identifier: Apache-2.0
// Theta: simple exponential smoothing of a theta line and the straight line through all values.
// series -> [fit, update] -> path -> fan.  Pure.
// The dynamic optimised theta model of Fiorucci, Pellegrini, Louzada, Petropoulos, Koehler, Models
// for optimising the theta method and their relationship to state space models, Int. J. Forecasting
// 32 (2016), section 3.2; letters as there, theta as 'theta', ybar as 'mean':
//     mu_t = l + (1 - 1/theta) ((1-alpha)^(t-1) A + (1 - (1-alpha)^t) / alpha B)
//     l = alpha y + (1-alpha) l    mean = ((t-1) mean + y) / t
//     B = ((t-2) B + 6/t (y - mean before)) / (t+1)    A = mean - (t+1)/2 B
// Seasons that pass the method's test (Assimakopoulos and Nikolopoulos 2000: autocorrelation at the
// season's lag, 90 %) are taken out by MSTL, several and long ones alike.

#include "lib/forecast/clean.h"
#include "lib/forecast/model_mstl.h"
#include "lib/forecast/models.h"

#include <nlopt.h>

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUES_MIN = 2,
    SETTLING = 2,      // first values, whose errors the fit does not count: A and B need two
    EVALUATIONS = 200, // three parameters settle in 80 to 150
    PARAMETERS = 3,
};

static const double ALPHA_MIN = 0.01, ALPHA_MAX = 0.99, THETA_MAX = 50;
static const double TEST_QUANTILE = 1.645; // of the normal distribution, 90 % two-sided
static const double TOLERANCE = 1e-5;      // relative, of the sum of squares

// ---- Without season ----

struct theta {
    double alpha, theta;
    double level; // l
    double mean, a, b;
    double fade; // (1 - alpha)^(t-1) for the next value's t
    double t;    // of the next value, from 1
};

static double
next_mean(const struct theta *m)
{
    double line = m->fade * m->a + (1 - m->fade * (1 - m->alpha)) / m->alpha * m->b;
    return m->level + (1 - 1 / m->theta) * line;
}

static void
move_on(struct theta *m, double y)
{
    double t = m->t, before = m->mean;
    m->level = m->alpha * y + (1 - m->alpha) * m->level;
    m->mean = ((t - 1) * m->mean + y) / t;
    m->b = t > 1 ? ((t - 2) * m->b + 6 / t * (y - before)) / (t + 1) : 0;
    m->a = m->mean - (t + 1) / 2 * m->b;
    m->fade *= 1 - m->alpha;
    m->t = t + 1;
}

// A gap is as if the value expected had come: forecasts stay what they were.
static double
theta_update(void *state, double value, const double *x)
{
    (void)x;
    struct theta *m = state;
    double mu = next_mean(m);
    move_on(m, isnan(value) ? mu : value);
    return isnan(value) ? NAN : value - mu;
}

static void
theta_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    struct theta m = *(const struct theta *)state;
    for (size_t h = 0; h < horizon; h++) {
        out[h] = next_mean(&m) + (shock ? shock[h] : 0);
        move_on(&m, out[h]);
    }
}

struct search {
    const struct offload_series *series;
    size_t first; // value that is there
    double unit;  // of the starting level
    double best, best_parameter[PARAMETERS];
};

static void
theta_start(struct theta *m, const double *parameter)
{
    *m = (struct theta){
        .level = parameter[0], .alpha = parameter[1], .theta = parameter[2], .fade = 1, .t = 1};
}

// A step at a limit tells only that demand was at least the value.
static double
shown_value(const struct offload_series *series, size_t t, const struct theta *m)
{
    double value = series->value[t];
    bool limited = series->censored && series->censored[t];
    return limited && value < next_mean(m) ? NAN : value;
}

static double
sum_of_squares(unsigned n, const double *parameter, double *gradient, void *data)
{
    (void)n;
    (void)gradient; // the simplex has no use for it
    struct search *s = data;
    struct theta m;
    double sum = 0;
    theta_start(&m, parameter);
    for (size_t t = s->first; t < s->series->n; t++) {
        double e = theta_update(&m, shown_value(s->series, t, &m), NULL);
        if (t >= s->first + SETTLING && !isnan(e))
            sum += e * e;
    }
    if (!isfinite(sum))
        return DBL_MAX / 4;
    if (sum < s->best) {
        s->best = sum;
        memcpy(s->best_parameter, parameter, sizeof s->best_parameter);
    }
    return sum;
}

// Starts as the paper does: half the first value would be far off where values are large, so the
// level starts at the first value.
static void
search_parameters(struct search *s)
{
    double x[PARAMETERS] = {s->series->value[s->first], 0.5, 2}, value;
    double lower[PARAMETERS] = {-HUGE_VAL, ALPHA_MIN, 1};
    double upper[PARAMETERS] = {HUGE_VAL, ALPHA_MAX, THETA_MAX};
    double step[PARAMETERS] = {s->unit, 0.2, 1};
    memcpy(s->best_parameter, x, sizeof x);
    s->best = HUGE_VAL;
    for (double alpha = 0.1; alpha < 1;
         alpha += 0.2) { // the simplex finds the nearest minimum only
        x[1] = alpha;
        sum_of_squares(PARAMETERS, x, NULL, s);
    }
    memcpy(x, s->best_parameter, sizeof x);
    nlopt_opt opt = nlopt_create(NLOPT_LN_NELDERMEAD, PARAMETERS);
    if (!opt)
        return;
    nlopt_set_lower_bounds(opt, lower);
    nlopt_set_upper_bounds(opt, upper);
    nlopt_set_initial_step(opt, step);
    nlopt_set_min_objective(opt, sum_of_squares, s);
    nlopt_set_ftol_rel(opt, TOLERANCE);
    nlopt_set_maxeval(opt, EVALUATIONS);
    nlopt_result result = nlopt_optimize(opt, x, &value);
    // The best point seen stands, however the search ended.
    assert(result != NLOPT_INVALID_ARGS);
    nlopt_destroy(opt);
}

static int
theta_fit(void *state, const struct offload_training *training, double *innovation,
          struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    struct search s = {.series = series};
    double sum = 0, square = 0;
    size_t n = 0;
    while (s.first < series->n && isnan(series->value[s.first]))
        s.first++;
    for (size_t t = s.first; t < series->n; t++) {
        if (isnan(series->value[t]))
            continue;
        sum += series->value[t];
        square += series->value[t] * series->value[t];
        n++;
    }
    if (n < VALUES_MIN)
        return offload_err_set(err, -EDOM, "theta", "at least 2 values",
                               "the series has %zu values", n);
    s.unit = sqrt(fmax(square / n - sum / n * (sum / n), 0)) + DBL_MIN;
    if (n > SETTLING + PARAMETERS) {
        search_parameters(&s);
    } else { // nothing to choose by
        s.best_parameter[0] = series->value[s.first];
        s.best_parameter[1] = 0.5;
        s.best_parameter[2] = 2;
    }
    struct theta m;
    theta_start(&m, s.best_parameter);
    for (size_t t = 0; t < series->n; t++) {
        double e = t < s.first ? NAN : theta_update(&m, shown_value(series, t, &m), NULL);
        if (innovation)
            innovation[t] = t < s.first + SETTLING ? NAN : e;
    }
    memcpy(state, &m, sizeof m);
    return 0;
}

static size_t
theta_state_bytes(const struct offload_training *training)
{
    (void)training;
    return sizeof(struct theta);
}

static void
theta_describe(const void *state, char *buf, size_t size)
{
    const struct theta *m = state;
    snprintf(buf, size, "Theta, theta %.3g, alpha %.3g", m->theta, m->alpha);
}

static const struct offload_model_ops theta_ops = {
    .name = "theta",
    .state_bytes = theta_state_bytes,
    .fit = theta_fit,
    .update = theta_update,
    .path = theta_path,
    .describe = theta_describe,
};

// ---- With seasons ----

// The state: whether seasons were found, then the inner model's or STLF's.
struct seasonal {
    uint64_t seasons;
    double data[];
};

// Is the autocorrelation at 'period' larger than chance makes it, given those at shorter lags
// (Bartlett)? Of the differences if there is a trend that all lags would show.
static bool
passes_test(const struct offload_series *series, size_t period)
{
    size_t n = series->n, seen = 0;
    double mean = 0, square = 0, sum = 0, last = 0;
    if (n < 2 * period)
        return false;
    for (size_t t = 0; t < n; t++)
        if (!isnan(series->value[t])) {
            mean += series->value[t];
            seen++;
        }
    mean /= seen ? seen : 1;
    for (size_t t = 0; t < n; t++)
        if (!isnan(series->value[t]))
            square += (series->value[t] - mean) * (series->value[t] - mean);
    for (size_t lag = 1; lag <= period; lag++) {
        double cross = 0;
        for (size_t t = lag; t < n; t++) {
            double a = series->value[t] - mean, b = series->value[t - lag] - mean;
            if (!isnan(a) && !isnan(b))
                cross += a * b;
        }
        last = square > 0 ? cross / square : 0;
        if (lag < period)
            sum += last * last;
    }
    return fabs(last) > TEST_QUANTILE * sqrt((1 + 2 * sum) / (seen ? seen : 1));
}

static size_t
seasonal_bytes(const struct offload_training *training)
{
    return sizeof(struct seasonal) + stlf_state_bytes(&theta_ops, training);
}

static int
seasonal_fit(void *state, const struct offload_training *training, double *innovation,
             struct offload_err *err)
{
    struct seasonal *m = state;
    struct clean clean;
    if (clean_init(&clean, training))
        return offload_err_set(err, -ENOMEM, "theta", NULL, "no memory for %zu values",
                               training->series.n);
    struct offload_training tested = clean.training;
    tested.n_periods = 0;
    for (size_t i = 0; i < training->n_periods; i++)
        if (passes_test(&tested.series, training->period[i]))
            tested.period[tested.n_periods++] = training->period[i];
    int rc = tested.n_periods ? stlf_fit(&theta_ops, m->data, &tested, innovation, err)
                              : theta_fit(m->data, &tested, innovation, err);
    if (rc == 0)
        m->seasons = tested.n_periods;
    clean_fini(&clean);
    return rc;
}

static double
seasonal_update(void *state, double value, const double *x)
{
    (void)x;
    struct seasonal *m = state;
    return m->seasons ? stlf_update(&theta_ops, m->data, value)
                      : theta_update(m->data, value, NULL);
}

static void
seasonal_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    const struct seasonal *m = state;
    if (m->seasons)
        stlf_path(&theta_ops, m->data, horizon, shock, out);
    else
        theta_path(m->data, horizon, NULL, shock, out);
}

static void
seasonal_describe(const void *state, char *buf, size_t size)
{
    const struct seasonal *m = state;
    if (m->seasons)
        stlf_describe(&theta_ops, m->data, buf, size);
    else
        theta_describe(m->data, buf, size);
}

static size_t
seasonal_components(const void *state, size_t horizon, const double *x,
                    struct offload_component *component, size_t max)
{
    (void)x;
    const struct seasonal *m = state;
    if (m->seasons)
        return stlf_components(&theta_ops, m->data, horizon, component, max);
    if (max == 0)
        return 0;
    double *mean = malloc(horizon * sizeof *mean);
    if (!mean)
        return 0;
    theta_path(m->data, horizon, NULL, NULL, mean);
    component[0] = (struct offload_component){"level", "sum", mean[0], mean[0]};
    for (size_t h = 1; h < horizon; h++)
        component[0].peak = fmax(component[0].peak, mean[h]);
    free(mean);
    return 1;
}

const struct offload_model_ops model_theta_ops = {
    .name = "theta",
    .state_bytes = seasonal_bytes,
    .fit = seasonal_fit,
    .update = seasonal_update,
    .path = seasonal_path,
    .describe = seasonal_describe,
    .components = seasonal_components,
};
