// SPDX-License-Identifier: Apache-2.0
// Ridge autoregression on the last steps, the same time of the days before and of the week before:
// what is best at the next step or two of loads that follow the clock but not exactly.
// history -> [fit, update] -> forecast -> select.  Pure: no clock, no lock, no I/O.
//   w = (sum_i l^(k-i) h_i x_i x_i' + rho I)^-1 sum_i l^(k-i) h_i x_i y_i
// with forgetting l, ridge rho (all in units of the series' mean), and Huber's weight h_i =
// min(1, c mad / |error|), so that outliers teach little (Huber, Ann. Math. Stat. 35 (1964)).
// Errors are relative to the forecast: busy hours are the uncertain ones.

#include "lib/forecast/models.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_X = 14,
    NEAR = 24,      // steps of the moving mean
    DAYS = 7,       // of the mean of the same time of day
    LAG_MAX = 4096, // steps
    MAD_STEPS = 200,
};
static const double FORGET = 0.999;
static const double RIDGE = 0.03;
static const double HUBER = 2;
static const double SCALE_LEAST = 0.15; // errors are relative to at least this part of the mean

struct ridge {
    double a[N_X][N_X], b[N_X], w[N_X];
    double size;                // mean of |value| so far, the unit of scale
    double mad;                 // mean absolute error in that unit
    uint32_t day, week, length; // of the seasons and of the ring, steps
    uint32_t n;                 // values so far
    bool negative;              // the series has such values
    double ring[];              // [length], value k at k % length
};

// How features see the past: 'ahead' values of a path, newest last, behind them the ring.
struct past {
    const struct ridge *m;
    const double *path;
    size_t ahead;
};

static double
at_lag(const struct past *past, size_t lag)
{
    if (lag <= past->ahead)
        return past->path[past->ahead - lag];
    lag -= past->ahead;
    if (lag > past->m->n)
        lag = past->m->n;
    if (lag > past->m->length)
        lag = past->m->length;
    return lag ? past->m->ring[(past->m->n - lag) % past->m->length] : past->m->size;
}

static void
features(const struct past *past, double *x)
{
    const struct ridge *m = past->m;
    size_t seen = m->n + past->ahead, day = m->day <= seen ? m->day : 1;
    size_t week = m->week <= seen ? m->week : day, span = day > 1 && day < NEAR ? day : NEAR;
    double near = 0, six = 0, days = 0, n_days = 0;
    for (size_t i = 1; i <= span; i++)
        near += at_lag(past, i) / (double)span;
    for (size_t i = 1; i <= 6; i++)
        six += at_lag(past, i) / 6;
    for (size_t i = 1; i <= DAYS && i * day <= seen && i * day <= m->length; i++, n_days++)
        days += at_lag(past, i * day);
    const double raw[N_X] = {
        m->size,
        at_lag(past, 1),
        at_lag(past, 2),
        at_lag(past, 3),
        at_lag(past, day),
        at_lag(past, day > 1 ? day - 1 : 1),
        at_lag(past, day + 1),
        at_lag(past, 2 * day),
        at_lag(past, week),
        at_lag(past, week > 1 ? week - 1 : 1),
        at_lag(past, week + 1),
        near,
        six,
        n_days > 0 ? days / n_days : near,
    };
    for (int i = 0; i < N_X; i++)
        x[i] = raw[i] / m->size;
}

// Cholesky: a + rho I = l l', then two triangular solves.
static void
solve(struct ridge *m)
{
    double l[N_X][N_X], y[N_X];
    for (int i = 0; i < N_X; i++)
        for (int j = 0; j <= i; j++) {
            double sum = m->a[i][j] + (i == j ? RIDGE : 0);
            for (int k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            l[i][j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / l[j][j];
        }
    for (int i = 0; i < N_X; i++) {
        y[i] = m->b[i];
        for (int k = 0; k < i; k++)
            y[i] -= l[i][k] * y[k];
        y[i] /= l[i][i];
    }
    for (int i = N_X; i-- > 0;) {
        m->w[i] = y[i];
        for (int k = i + 1; k < N_X; k++)
            m->w[i] -= l[k][i] * m->w[k];
        m->w[i] /= l[i][i];
    }
}

static double
expect(const struct ridge *m, const double *x)
{
    double sum = 0;
    for (int i = 0; i < N_X; i++)
        sum += m->w[i] * x[i];
    sum *= m->size;
    return m->negative ? sum : fmax(sum, 0);
}

static double
scale_of(const struct ridge *m, double expected)
{
    return fmax(fabs(expected), SCALE_LEAST * m->size);
}

static double
ridge_update(void *state, double value, const double *regressors)
{
    (void)regressors;
    struct ridge *m = state;
    struct past past = {.m = m};
    double x[N_X];
    if (m->n == 0) {
        if (isnan(value))
            return NAN; // it begins with the first value
        m->size = fmax(fabs(value), 1e-12);
    }
    features(&past, x);
    double expected = expect(m, x), error = value - expected;
    double innovation = m->n ? error / scale_of(m, expected) : NAN;
    m->ring[m->n % m->length] = isnan(value) ? expected : value;
    m->n++;
    if (isnan(value))
        return NAN;
    double off = fabs(error) / m->size;
    double weight = m->mad > 0 ? fmin(1, HUBER * m->mad / fmax(off, 1e-12)) : 1;
    m->mad += (off - m->mad) / fmin(m->n, MAD_STEPS);
    for (int i = 0; i < N_X; i++) {
        for (int j = 0; j < N_X; j++)
            m->a[i][j] = FORGET * m->a[i][j] + weight * x[i] * x[j];
        m->b[i] = FORGET * m->b[i] + weight * x[i] * value / m->size;
    }
    solve(m);
    // What was learned stays right in the new unit: all of it scales alike.
    m->size += (fabs(value) - m->size) / (m->n + 1.0);
    m->size = fmax(m->size, 1e-12);
    m->negative |= value < 0;
    return innovation;
}

static size_t
longest(const struct offload_training *training, uint32_t *day, uint32_t *week)
{
    size_t first = offload_training_period(training), n = training->series.n;
    size_t last = training->n_periods > 1 ? training->period[training->n_periods - 1] : 7 * first;
    *day = (uint32_t)first;
    *week = (uint32_t)(last + 1 < n && last < LAG_MAX ? last : first);
    size_t reach = (first > 1 ? DAYS * first : NEAR) + 2;
    if (reach < *week + 2u)
        reach = *week + 2u;
    reach = reach < n ? reach : n;
    reach = reach < LAG_MAX ? reach : LAG_MAX;
    return reach > NEAR + 2 ? reach : NEAR + 2;
}

static size_t
ridge_state_bytes(const struct offload_training *training)
{
    uint32_t day, week;
    return sizeof(struct ridge) + longest(training, &day, &week) * sizeof(double);
}

static int
ridge_fit(void *state, const struct offload_training *training, double *innovation,
          struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    struct ridge *m = state;
    if (series->n < 3 * N_X)
        return offload_err_set(err, -EDOM, "ridge", "42 values", "the series has %zu values",
                               series->n);
    memset(m, 0, ridge_state_bytes(training));
    m->length = (uint32_t)longest(training, &m->day, &m->week);
    m->w[1] = 1; // until something is learned: as the last step
    for (size_t t = 0; t < series->n; t++) {
        double error = ridge_update(m, series->value[t], NULL);
        if (innovation)
            innovation[t] = t < 2 * N_X ? NAN : error;
    }
    return 0;
}

static void
ridge_path(const void *state, size_t horizon, const double *regressors, const double *shock,
           double *out)
{
    (void)regressors;
    const struct ridge *m = state;
    for (size_t h = 0; h < horizon; h++) {
        struct past past = {.m = m, .path = out, .ahead = h};
        double x[N_X];
        features(&past, x);
        double expected = expect(m, x);
        out[h] = expected + (shock ? shock[h] * scale_of(m, expected) : 0);
    }
}

static void
ridge_describe(const void *state, char *buf, size_t size)
{
    const struct ridge *m = state;
    snprintf(buf, size, "ridge on lags 1-3, %u and %u, last step's weight %.2f", m->day, m->week,
             m->w[1]);
}

const struct offload_model_ops model_ridge_ops = {
    .name = "ridge",
    .state_bytes = ridge_state_bytes,
    .fit = ridge_fit,
    .update = ridge_update,
    .path = ridge_path,
    .describe = ridge_describe,
};
