// SPDX-License-Identifier: Apache-2.0
// Seasonal naive: what was a season ago comes again; without a season, the last value stays.
// series -> [fit, update] -> path -> fan.  Pure.
// Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 5.2:
//     y^(t+h) = y(t+h-m(k+1)), k = floor((h-1)/m)

#include "lib/forecast/models.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

struct snaive {
    uint32_t period; // m, at least 1
    uint32_t phase;  // of the next value, below period
    double mean;     // of all values seen: stands for phases that were never seen
    uint64_t n_seen;
    double season[]; // [period], the newest value of each phase, NAN: none yet
};

static size_t
snaive_bytes(size_t period)
{
    return sizeof(struct snaive) + period * sizeof(double);
}

static double
snaive_update(void *state, double value, const double *x)
{
    (void)x;
    struct snaive *s = state;
    double innovation = NAN;
    if (!isnan(value)) {
        // Before a phase was seen there is no error worth the name.
        innovation = value - s->season[s->phase];
        s->season[s->phase] = value;
        s->n_seen++;
        s->mean += (value - s->mean) / s->n_seen;
    }
    s->phase = s->phase + 1 == s->period ? 0 : s->phase + 1;
    return innovation;
}

static int
snaive_fit(void *state, const struct offload_training *training, double *innovation,
           struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t period = offload_training_period(training);
    size_t seen = 0;
    for (size_t t = 0; t < series->n; t++)
        seen += !isnan(series->value[t]);
    if (seen == 0)
        return offload_err_set(err, -EDOM, "snaive", "at least 1 value", "the series has no value");
    struct snaive *s = state;
    *s = (struct snaive){.period = (uint32_t)period};
    for (size_t i = 0; i < period; i++)
        s->season[i] = NAN;
    for (size_t t = 0; t < series->n; t++) {
        double error = snaive_update(s, series->value[t], NULL);
        if (innovation)
            innovation[t] = error;
    }
    return 0;
}

static void
snaive_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    const struct snaive *s = state;
    uint32_t phase = s->phase;
    for (size_t h = 0; h < horizon; h++) {
        double base = h >= s->period ? out[h - s->period] : s->season[phase];
        out[h] = (isnan(base) ? s->mean : base) + (shock ? shock[h] : 0);
        phase = phase + 1 == s->period ? 0 : phase + 1;
    }
}

static void
snaive_describe(const void *state, char *buf, size_t size)
{
    const struct snaive *s = state;
    snprintf(buf, size, s->period > 1 ? "seasonal naive, period %u" : "naive", s->period);
}

static size_t
snaive_state_bytes(const struct offload_training *training)
{
    return snaive_bytes(offload_training_period(training));
}

const struct offload_model_ops model_snaive_ops = {
    .name = "snaive",
    .state_bytes = snaive_state_bytes,
    .fit = snaive_fit,
    .update = snaive_update,
    .path = snaive_path,
    .describe = snaive_describe,
};
