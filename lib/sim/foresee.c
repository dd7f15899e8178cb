// SPDX-License-Identifier: Apache-2.0
// What could be foreseen of a trace: the forecaster that runs in production, moved through each
// application's load; step k is forecast from steps before k alone. Its median is kept; around it
// the levels come from the median's own past errors, relative to what was expected (split conformal
// prediction on a moving window: Vovk et al., Algorithmic Learning in a Random World, 2005).
// trace -> [foresee] -> world.  Pure.
#include "lib/sim/demand.h"

#include <offload/forecast.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATHS = 100,
    ERRORS = 256, // of the past that the levels come from
    ERRORS_LEAST = 24,
    LEAST_STEPS = 48, // history before the first forecast
};
// Errors are relative to the forecast, but not to less than this part of the mean.
static const double SCALE_LEAST = 0.15;
static const double FAST = 0.15, SLOW = 0.01; // weights of the newest

// One application's forecaster on its way through the trace.
struct seer {
    struct offload_forecaster *f;
    struct offload_fan fan;
    double error[ERRORS];
    unsigned n_errors;
    double mean; // of the load so far
    uint32_t n;
    double recent_error, usual_error; // mean of |relative error|, moving fast and slowly
};

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
scale_of(const struct seer *seer, double expected)
{
    double base = fmax(fmax(expected, SCALE_LEAST * seer->mean), 1);
    if (seer->usual_error <= 0)
        return base;
    return base * sqrt(fmin(fmax(seer->recent_error / seer->usual_error, 1 / 3.0), 3));
}

// The median into demand and levels, with its past errors around it; with the forecaster's own
// quantiles while there are few of those.
static void
tell(const struct seer *seer, double median, struct alloc_demand *d, double *level)
{
    unsigned n = seer->n_errors < ERRORS ? seer->n_errors : ERRORS;
    double scale = scale_of(seer, median), sorted[ERRORS];
    if (n < ERRORS_LEAST) {
        *d = (struct alloc_demand){median, offload_fan_step(&seer->fan, 0, 0.9),
                                   offload_fan_step(&seer->fan, 0, 0.99)};
        for (unsigned i = 0; i < ALLOC_LEVELS; i++)
            level[i] = fmax(offload_fan_step(&seer->fan, 0, alloc_level_p[i]), 1);
        return;
    }
    memcpy(sorted, seer->error, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    d->p50 = fmax(median + scale * offload_quantile(sorted, n, 0.5), 0);
    d->p90 = fmax(median + scale * offload_quantile(sorted, n, 0.9), d->p50);
    d->p99 = fmax(median + scale * offload_quantile(sorted, n, 0.99), d->p90);
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        level[i] = fmax(median + scale * offload_quantile(sorted, n, alloc_level_p[i]), 1);
}

// Errors come in spells: where the last ones were large, the next will be.
static void
note_error(struct seer *seer, double median, double actual)
{
    double off = fabs(actual - median) / fmax(fmax(median, SCALE_LEAST * seer->mean), 1);
    seer->error[seer->n_errors++ % ERRORS] = (actual - median) / scale_of(seer, median);
    if (seer->usual_error <= 0)
        seer->recent_error = seer->usual_error = off;
    // One outlier is no spell.
    seer->recent_error += FAST * (fmin(off, 5 * seer->recent_error + 0.01) - seer->recent_error);
    seer->usual_error += SLOW * (off - seer->usual_error);
}

static void
foresee_step(struct sim_scenario *s, struct seer *seer, uint32_t app, uint32_t k)
{
    struct alloc_demand *d = &s->forecast[(size_t)k * s->n_apps + app];
    double *level = s->level + ((size_t)k * s->n_apps + app) * ALLOC_LEVELS;
    double actual = sim_offered(s, k, app), last = k ? sim_offered(s, k - 1, app) : NAN;
    bool told = k >= LEAST_STEPS && !offload_forecaster_run(seer->f, NULL, k, &seer->fan);
    *d = (struct alloc_demand){last, 1.2 * last, 1.4 * last};
    if (told) {
        double median = fmax(seer->fan.mean[0], 0);
        tell(seer, median, d, level);
        note_error(seer, median, actual);
    }
    offload_forecaster_push(seer->f, actual, false, NULL);
    seer->mean += (actual - seer->mean) / ++seer->n;
    // A fit that fails leaves the last one in force.
    if (k + 1 >= LEAST_STEPS && offload_forecaster_fit_due(seer->f) >= 1)
        offload_forecaster_fit(seer->f, NULL);
}

static int
foresee_app(struct sim_scenario *s, uint32_t app, int model)
{
    struct offload_forecaster_options options = {
        .step_s = s->step_s, .horizon = 1, .capacity = s->steps, .model = model};
    struct seer *seer = calloc(1, sizeof *seer);
    if (!seer)
        return -ENOMEM;
    seer->f = offload_forecaster_create(&options);
    int rc = seer->f ? offload_fan_init(&seer->fan, 1, PATHS) : -ENOMEM;
    for (uint32_t k = 0; !rc && k < s->steps; k++)
        foresee_step(s, seer, app, k);
    if (seer->f)
        offload_fan_fini(&seer->fan);
    offload_forecaster_destroy(seer->f);
    free(seer);
    return rc;
}

int
sim_foresee(struct sim_scenario *s, int model)
{
    if (s->forecast)
        return 0;
    size_t n = (size_t)s->steps * s->n_apps;
    s->forecast = calloc(n + 1, sizeof *s->forecast);
    s->level = calloc(n * ALLOC_LEVELS + 1, sizeof *s->level);
    int rc = s->forecast && s->level ? 0 : -ENOMEM;
    for (uint32_t app = 0; !rc && app < s->n_apps; app++)
        rc = foresee_app(s, app, model);
    if (rc) {
        free(s->forecast);
        free(s->level);
        s->forecast = NULL;
        s->level = NULL;
    }
    return rc;
}
