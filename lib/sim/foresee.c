// SPDX-License-Identifier: Apache-2.0
// What could be foreseen of a trace: the forecaster that runs in production, moved through each
// application's load; step k is forecast from steps before k alone. Its median is kept; around it
// the levels come from the median's own past errors, as in the manager (lib/allocate/calibrate.h).
// trace -> [foresee] -> world.  Pure.
#include "lib/sim/demand.h"

#include "lib/allocate/calibrate.h"

#include <offload/forecast.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum {
    PATHS = 100,
    LEAST_STEPS = 48, // history before the first forecast
};

// One application's forecaster on its way through the trace.
struct seer {
    struct offload_forecaster *f;
    struct offload_fan fan;
    struct alloc_calibration calibration;
};

// The median into demand and levels, with its past errors around it; with the forecaster's own
// quantiles while there are few of those.
static void
tell(const struct seer *seer, double median, struct alloc_demand *d, double *level)
{
    if (alloc_calibration_tell(&seer->calibration, median, d, level))
        return;
    *d = (struct alloc_demand){median, offload_fan_step(&seer->fan, 0, 0.9),
                               offload_fan_step(&seer->fan, 0, 0.99)};
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        level[i] = fmax(offload_fan_step(&seer->fan, 0, alloc_level_p[i]), 1);
}

static void
foresee_step(struct sim_scenario *s, struct seer *seer, uint32_t app, uint32_t k)
{
    struct alloc_demand *d = &s->forecast[(size_t)k * s->n_apps + app];
    double *level = s->level + ((size_t)k * s->n_apps + app) * ALLOC_LEVELS;
    double actual = sim_offered(s, k, app), last = k ? sim_offered(s, k - 1, app) : NAN;
    bool told = k >= LEAST_STEPS && !offload_forecaster_run(seer->f, NULL, k, &seer->fan);
    *d = (struct alloc_demand){last, 1.2 * last, 1.4 * last};
    double median = told ? fmax(seer->fan.mean[0], 0) : NAN;
    if (told)
        tell(seer, median, d, level);
    alloc_calibration_note(&seer->calibration, median, actual);
    offload_forecaster_push(seer->f, actual, false, NULL);
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
sim_foresee(struct sim_scenario *s, int model, void (*done)(void *ctx), void *ctx)
{
    if (s->forecast)
        return 0;
    size_t n = (size_t)s->steps * s->n_apps;
    s->forecast = calloc(n + 1, sizeof *s->forecast);
    s->level = calloc(n * ALLOC_LEVELS + 1, sizeof *s->level);
    int rc = s->forecast && s->level ? 0 : -ENOMEM;
    for (uint32_t app = 0; !rc && app < s->n_apps; app++) {
        rc = foresee_app(s, app, model);
        if (done)
            done(ctx);
    }
    if (rc) {
        free(s->forecast);
        free(s->level);
        s->forecast = NULL;
        s->level = NULL;
    }
    return rc;
}
