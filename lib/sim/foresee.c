// SPDX-License-Identifier: Apache-2.0
// What could be foreseen of a trace: a ridge autoregression for each application, with the
// quantiles of its own past errors. Step k is forecast from steps before k alone, then learned
// from. trace -> [foresee] -> world.  Pure.
//   w = (sum_i l^(k-i) x_i x_i' + rho I)^-1 sum_i l^(k-i) x_i y_i        (l: forgetting, rho:
//   ridge)
#include "lib/sim/demand.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_X = 9,
    ERRORS = 256, // of the past that the quantiles come from
    ERRORS_LEAST = 24,
};
static const double FORGET = 0.9985;
static const double RIDGE = 0.02;
static const double SCALE_LEAST =
    0.15; // errors are relative to the forecast, but not to less than this part of the mean

struct ridge {
    double a[N_X][N_X], b[N_X], w[N_X];
    double error[ERRORS];
    unsigned n_errors;
    double mean; // of the series so far, its unit of scale
    uint32_t n;
};

static double
past(const struct sim_scenario *s, uint32_t app, uint32_t k, uint32_t lag)
{
    return lag <= k ? sim_offered(s, k - lag, app) : sim_offered(s, 0, app);
}

static void
features(const struct sim_scenario *s, uint32_t app, uint32_t k, double scale, double *x)
{
    uint32_t day = s->season_steps;
    uint32_t week = 7 * day <= k ? 7 * day : day;
    if (day > k)
        day = week = 1;
    double mean = 0;
    uint32_t span = day < 24 ? day : 24;
    for (uint32_t i = 1; i <= span; i++)
        mean += past(s, app, k, i) / span;
    double raw[N_X] = {
        scale,
        past(s, app, k, 1),
        past(s, app, k, 2),
        past(s, app, k, 3),
        past(s, app, k, day),
        past(s, app, k, day > 1 ? day - 1 : 1),
        past(s, app, k, day + 1),
        past(s, app, k, week),
        mean,
    };
    for (int i = 0; i < N_X; i++)
        x[i] = raw[i] / scale;
}

// Cholesky: a = l l', then two triangular solves. rho I keeps 'a' positive definite.
static void
solve(struct ridge *m)
{
    double l[N_X][N_X] = {{0}}, y[N_X];
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

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
quantile(const double *sorted, unsigned n, double p)
{
    double at = p * (n - 1);
    unsigned i = (unsigned)at;
    return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static struct alloc_demand
with_errors(const struct ridge *m, double expected, double scale)
{
    struct alloc_demand d = {expected, 1.2 * expected, 1.4 * expected};
    unsigned n = m->n_errors < ERRORS ? m->n_errors : ERRORS;
    if (n >= ERRORS_LEAST) {
        double sorted[ERRORS];
        memcpy(sorted, m->error, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_value);
        d.p50 = fmax(expected + scale * quantile(sorted, n, 0.5), 0);
        d.p90 = fmax(expected + scale * quantile(sorted, n, 0.9), d.p50);
        d.p99 = fmax(expected + scale * quantile(sorted, n, 0.99), d.p90);
    }
    return d;
}

static void
foresee_step(struct sim_scenario *s, struct ridge *m, uint32_t app, uint32_t k)
{
    double x[N_X], actual = sim_offered(s, k, app), unit = fmax(m->mean, 1);
    features(s, app, k, unit, x);
    double expected = 0;
    for (int i = 0; i < N_X; i++)
        expected += m->w[i] * x[i];
    expected = fmax(expected * unit, 0);
    double scale = fmax(expected, SCALE_LEAST * unit);
    s->forecast[(size_t)k * s->n_apps + app] = with_errors(m, expected, scale);

    m->error[m->n_errors++ % ERRORS] = (actual - expected) / scale;
    for (int i = 0; i < N_X; i++) {
        for (int j = 0; j < N_X; j++)
            m->a[i][j] = FORGET * m->a[i][j] + x[i] * x[j];
        m->b[i] = FORGET * m->b[i] + x[i] * actual / unit;
    }
    solve(m);
    m->n++;
    m->mean += (actual - m->mean) / (m->n + 1);
}

int
sim_foresee(struct sim_scenario *s)
{
    if (s->forecast)
        return 0;
    s->forecast = calloc((size_t)s->steps * s->n_apps + 1, sizeof *s->forecast);
    struct ridge *m = malloc(sizeof *m);
    if (!s->forecast || !m) {
        free(m);
        free(s->forecast);
        s->forecast = NULL;
        return -ENOMEM;
    }
    for (uint32_t app = 0; app < s->n_apps; app++) {
        memset(m, 0, sizeof *m);
        m->w[1] = 1; // until something is learned: as the last step
        m->mean = s->steps ? sim_offered(s, 0, app) : 0;
        if (s->steps)
            s->forecast[app] = (struct alloc_demand){m->mean, m->mean, m->mean};
        for (uint32_t k = 1; k < s->steps; k++)
            foresee_step(s, m, app, k);
    }
    free(m);
    return 0;
}
