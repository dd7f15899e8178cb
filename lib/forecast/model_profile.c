// SPDX-License-Identifier: Apache-2.0
// Profile: each phase's smoothed value, and a deviation from it that fades.
// series -> [fit, update] -> path -> fan.  Pure.
// Exponential smoothing with an autoregressive error: Taylor, Short-term electricity demand
// forecasting using double seasonal exponential smoothing, J. Oper. Res. Soc. 54 (2003).
//     z(t) = y(t) - s(phase)    s(phase) = s + gamma z    y^(t+h) = s(phase + h) + rho^h z(t)
// Weights minimise the squared errors of several steps ahead, in the values' own unit: what a
// quiet night says about the morning counts by the morning's error, not by a ratio of small values.

#include "lib/forecast/models.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEADS = 6 }; // steps ahead over which the weights are judged

static const double GAMMAS[] = {0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.95};
static const double RHO_MAX = 0.98, RHO_STEP = 0.02;

struct profile {
    uint32_t period; // m, at least 2
    uint32_t phase;  // of the next value
    double gamma, rho;
    double deviation; // z of the last step; within a gap what is left of it
    double season[];  // [period] s, then [period] how often each phase was seen
};

static size_t
profile_bytes(size_t period)
{
    return sizeof(struct profile) + 2 * period * sizeof(double);
}

static double
profile_update(void *state, double value, const double *x)
{
    (void)x;
    struct profile *p = state;
    double *s = &p->season[p->phase], *seen = &p->season[p->period + p->phase];
    p->phase = p->phase + 1 == p->period ? 0 : p->phase + 1;
    double faded = p->rho * p->deviation;
    if (isnan(value)) {
        p->deviation = faded;
        return NAN;
    }
    bool first = ++*seen == 1;
    if (first)
        *s = value - faded;
    p->deviation = value - *s;
    // The mean of the first few seasons, then the weighted one.
    *s += fmax(p->gamma, 1 / *seen) * p->deviation;
    return first ? NAN : p->deviation - faded;
}

static void
profile_start(struct profile *p, size_t period, double gamma, double rho)
{
    memset(p, 0, profile_bytes(period));
    p->period = (uint32_t)period;
    p->gamma = gamma;
    p->rho = rho;
}

// A censored step that lies below what was expected is no error.
static double
shown_value(const struct offload_series *series, size_t t, const struct profile *p)
{
    double value = series->value[t];
    if (!series->censored || !series->censored[t] || isnan(value))
        return value;
    return value < p->season[p->phase] + p->rho * p->deviation ? NAN : value;
}

// Mean squared error over the leads with the best 'rho', from the autocovariances of the deviations
// of 'gamma', which lie in 'deviation' [n].
static double
fade_of(const double *deviation, size_t n, double *rho)
{
    double covariance[LEADS + 1] = {0};
    double square[LEADS + 1] = {0}, start[LEADS + 1] = {0};
    for (size_t h = 1; h <= LEADS; h++)
        for (size_t t = 0; t + h < n; t++) {
            double from = deviation[t], to = deviation[t + h];
            if (isnan(from) || isnan(to))
                continue;
            covariance[h] += from * to;
            square[h] += to * to;
            start[h] += from * from;
        }
    double best = HUGE_VAL;
    for (double r = 0; r <= RHO_MAX; r += RHO_STEP) {
        double sum = 0, power = 1;
        for (size_t h = 1; h <= LEADS; h++) {
            power *= r;
            sum += square[h] - 2 * power * covariance[h] + power * power * start[h];
        }
        if (sum < best) {
            best = sum;
            *rho = r;
        }
    }
    return best;
}

static int
profile_fit(void *state, const struct offload_training *training, double *innovation,
            struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t period = offload_training_period(training);
    if (period < 2 || series->n < 3 * period)
        return offload_err_set(err, -EDOM, "profile", "three seasons",
                               "the series has %zu values, a season %zu", series->n, period);
    double *deviation = malloc(series->n * sizeof *deviation);
    struct profile *p = malloc(profile_bytes(period));
    if (!deviation || !p) {
        free(deviation);
        free(p);
        return offload_err_set(err, -ENOMEM, "profile", NULL, "no memory for %zu values",
                               series->n);
    }
    double best = HUGE_VAL, gamma = GAMMAS[0], rho = 0;
    for (size_t i = 0; i < sizeof GAMMAS / sizeof *GAMMAS; i++) {
        double fade = 0;
        profile_start(p, period, GAMMAS[i], 0);
        for (size_t t = 0; t < series->n; t++)
            deviation[t] = profile_update(p, shown_value(series, t, p), NULL);
        double error = fade_of(deviation + period, series->n - period, &fade);
        if (error >= best)
            continue;
        best = error;
        gamma = GAMMAS[i];
        rho = fade;
    }
    profile_start(p, period, gamma, rho);
    for (size_t t = 0; t < series->n; t++) {
        double error = profile_update(p, shown_value(series, t, p), NULL);
        if (innovation)
            innovation[t] = error;
    }
    memcpy(state, p, profile_bytes(period));
    free(deviation);
    free(p);
    return 0;
}

static void
profile_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    const struct profile *p = state;
    uint32_t phase = p->phase;
    double deviation = p->deviation;
    // A path moves the profile too, which matters beyond one season.
    double *season = NULL;
    if (horizon > p->period && shock) {
        season = malloc(p->period * sizeof *season);
        if (season)
            memcpy(season, p->season, p->period * sizeof *season);
    }
    for (size_t h = 0; h < horizon; h++) {
        double s = season ? season[phase] : p->season[phase];
        deviation = p->rho * deviation + (shock ? shock[h] : 0);
        out[h] = s + deviation;
        if (season)
            season[phase] += p->gamma * deviation;
        phase = phase + 1 == p->period ? 0 : phase + 1;
    }
    free(season);
}

static void
profile_describe(const void *state, char *buf, size_t size)
{
    const struct profile *p = state;
    snprintf(buf, size, "profile, gamma %.2g, rho %.2g, period %u", p->gamma, p->rho, p->period);
}

static size_t
profile_state_bytes(const struct offload_training *training)
{
    return profile_bytes(offload_training_period(training));
}

const struct offload_model_ops model_profile_ops = {
    .name = "profile",
    .state_bytes = profile_state_bytes,
    .fit = profile_fit,
    .update = profile_update,
    .path = profile_path,
    .describe = profile_describe,
};
