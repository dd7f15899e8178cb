// SPDX-License-Identifier: Apache-2.0
// STLF: seasons taken out by MSTL, the rest forecast by a model without season.
// series -> [fit, update] -> path -> fan.  Pure.
// Forecasting with decomposition: Hyndman and Athanasopoulos, Forecasting: Principles and Practice,
// 3rd ed. (2021), 5.7; the decomposition: mstl.h. Each season's last cycle repeats. Between two
// fits a season moves slowly: by GAMMA of what a value lies above a level that forgets within a
// season.

#include "lib/forecast/clean.h"
#include "lib/forecast/model_mstl.h"
#include "lib/forecast/models.h"
#include "lib/forecast/mstl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The newest cycle's share in a loess of degree 0 over 11 to 15 cycles at its end.
static const double GAMMA = 0.15;

struct stlf {
    uint32_t n_periods;
    uint32_t phase[OFFLOAD_PERIODS_MAX]; // of the next value
    uint32_t period[OFFLOAD_PERIODS_MAX];
    uint32_t n_season; // values of all seasons
    double slow;       // level that season updates are measured from
    double forget;     // its weight of a new value
    double data[];     // [n_season], then the inner model's state
};

static double *
inner_of(const struct stlf *m)
{
    return (double *)m->data + m->n_season;
}

// The seasons that the series shows twice, ascending.
static size_t
seasons_seen(const struct offload_training *training, size_t *period)
{
    size_t n = 0;
    for (size_t i = 0; i < training->n_periods; i++) {
        if (2 * training->period[i] > training->series.n)
            continue;
        size_t at = n++;
        for (; at > 0 && period[at - 1] > training->period[i]; at--)
            period[at] = period[at - 1];
        period[at] = training->period[i];
    }
    return n;
}

static struct offload_training
inner_training(const struct offload_training *training)
{
    struct offload_training inner = *training;
    inner.warm = NULL; // it is of the whole model
    inner.n_periods = 0;
    inner.x = (struct offload_regressors){.n = 0};
    return inner;
}

size_t
stlf_state_bytes(const struct offload_model_ops *ops, const struct offload_training *training)
{
    struct offload_training inner = inner_training(training);
    size_t bytes = sizeof(struct stlf) + ops->state_bytes(&inner);
    for (size_t i = 0; i < training->n_periods; i++)
        bytes += training->period[i] * sizeof(double);
    return bytes;
}

static double
season_at(const struct stlf *m, size_t ahead)
{
    double sum = 0;
    const double *season = m->data;
    for (uint32_t i = 0; i < m->n_periods; i++) {
        sum += season[(m->phase[i] + ahead) % m->period[i]];
        season += m->period[i];
    }
    return sum;
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// Median slope over whole seasons (after Theil and Sen). STL's first pass takes a trend for a
// season at the ends where it saw a season only a few times; so a straight trend is taken out
// before. A shift of level is none.
static double
whole_slope(const struct offload_series *series, size_t longest, double *work)
{
    size_t lag = series->n / 2 / longest * longest, n = 0;
    if (lag == 0)
        lag = longest;
    for (size_t t = lag; t < series->n; t++) {
        double rise = series->value[t] - series->value[t - lag];
        if (!isnan(rise))
            work[n++] = rise / (double)lag;
    }
    if (n == 0)
        return 0;
    qsort(work, n, sizeof *work, ascending);
    return (work[n / 2] + work[(n - 1) / 2]) / 2;
}

static void
keep_seasons(struct stlf *m, const struct mstl *mstl)
{
    double *season = m->data;
    for (size_t i = 0; i < mstl->n_periods; i++) {
        size_t period = mstl->period[i], n = mstl->n;
        m->period[i] = (uint32_t)period;
        m->phase[i] = n % period;
        for (size_t t = n - period; t < n; t++)
            season[t % period] = mstl->season[i * n + t];
        season += period;
    }
    m->n_periods = (uint32_t)mstl->n_periods;
    m->slow = mstl->trend[mstl->n - 1];
    m->forget = mstl->n_periods ? 1.0 / m->period[m->n_periods - 1] : 0;
}

int
stlf_fit(const struct offload_model_ops *ops, void *state, const struct offload_training *training,
         double *innovation, struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t period[OFFLOAD_PERIODS_MAX], bytes = stlf_state_bytes(ops, training);
    size_t n_periods = seasons_seen(training, period);
    if (n_periods == 0)
        return offload_err_set(err, -EDOM, "stlf", "two seasons",
                               "the series has %zu values, its shortest season %zu", series->n,
                               offload_training_period(training));
    struct mstl mstl = {.trend = NULL};
    struct stlf *m = calloc(1, bytes);
    double *adjusted = malloc(series->n * sizeof *adjusted), slope = 0;
    int rc = -ENOMEM;
    if (m && adjusted) {
        slope = whole_slope(series, period[n_periods - 1], adjusted);
        for (size_t t = 0; t < series->n; t++)
            adjusted[t] = series->value[t] - slope * t;
        rc = mstl_init(&mstl, adjusted, NULL, series->n, period, n_periods, 0);
    }
    if (rc == -EDOM) {
        rc = offload_err_set(err, rc, "stlf", "some values", "the series has gaps only");
        goto free_all;
    }
    if (rc) {
        rc = offload_err_set(err, rc, "stlf", NULL, "no memory for %zu values", series->n);
        goto free_all;
    }
    for (size_t t = 0; t < series->n; t++) {
        mstl.trend[t] += slope * t;
        adjusted[t] = mstl.trend[t] + mstl.remainder[t];
    }
    struct offload_training inner = inner_training(training);
    inner.series.value = adjusted;
    for (size_t i = 0; i < n_periods; i++)
        m->n_season += (uint32_t)period[i];
    keep_seasons(m, &mstl);
    rc = ops->fit(inner_of(m), &inner, innovation, err);
    if (rc == 0)
        memcpy(state, m, bytes);

free_all:
    mstl_fini(&mstl);
    free(adjusted);
    free(m);
    return rc;
}

double
stlf_update(const struct offload_model_ops *ops, void *state, double value)
{
    struct stlf *m = state;
    double innovation = ops->update(inner_of(m), value - season_at(m, 0), NULL);
    double deviation = value - season_at(m, 0) - m->slow, *season = m->data;
    if (!isnan(deviation))
        m->slow += m->forget * deviation;
    for (uint32_t i = 0; i < m->n_periods; i++) {
        if (!isnan(deviation)) {
            season[m->phase[i]] += GAMMA * deviation;
            deviation *= 1 - GAMMA;
        }
        season += m->period[i];
        m->phase[i] = m->phase[i] + 1 == m->period[i] ? 0 : m->phase[i] + 1;
    }
    return innovation;
}

void
stlf_path(const struct offload_model_ops *ops, const void *state, size_t horizon,
          const double *shock, double *out)
{
    const struct stlf *m = state;
    ops->path(inner_of(m), horizon, NULL, shock, out);
    const double *season = m->data;
    for (uint32_t i = 0; i < m->n_periods; i++) {
        for (size_t h = 0, at = m->phase[i]; h < horizon; h++) {
            out[h] += season[at];
            at = at + 1 == m->period[i] ? 0 : at + 1;
        }
        season += m->period[i];
    }
}

void
stlf_describe(const struct offload_model_ops *ops, const void *state, char *buf, size_t size)
{
    const struct stlf *m = state;
    size_t length = snprintf(buf, size, "MSTL(");
    for (uint32_t i = 0; i < m->n_periods && length < size; i++)
        length += snprintf(buf + length, size - length, "%s%u", i ? "," : "", m->period[i]);
    if (length < size)
        length += snprintf(buf + length, size - length, ") + ");
    if (length < size)
        ops->describe(inner_of(m), buf + length, size - length);
}

size_t
stlf_components(const struct offload_model_ops *ops, const void *state, size_t horizon,
                struct offload_component *component, size_t max)
{
    const struct stlf *m = state;
    double *mean = malloc(2 * horizon * sizeof *mean);
    if (!mean)
        return 0;
    stlf_path(ops, state, horizon, NULL, mean);
    ops->path(inner_of(m), horizon, NULL, NULL, mean + horizon);
    size_t peak = 0, n = 0;
    for (size_t h = 1; h < horizon; h++)
        if (mean[h] > mean[peak])
            peak = h;
    if (n < max)
        component[n++] = (struct offload_component){.name = "level",
                                                    .measure = "sum",
                                                    .first = mean[horizon],
                                                    .peak = mean[horizon + peak]};
    const double *season = m->data;
    for (uint32_t i = 0; i < m->n_periods && n < max; i++) {
        struct offload_component *c = &component[n++];
        *c = (struct offload_component){.measure = "sum",
                                        .first = season[m->phase[i]],
                                        .peak = season[(m->phase[i] + peak) % m->period[i]]};
        snprintf(c->name, sizeof c->name, "season %u", m->period[i]);
        season += m->period[i];
    }
    free(mean);
    return n;
}

// ---- With ETS on the rest ----

static size_t
stlf_ets_state_bytes(const struct offload_training *training)
{
    return stlf_state_bytes(&model_ets_ops, training);
}

static int
stlf_ets_fit(void *state, const struct offload_training *training, double *innovation,
             struct offload_err *err)
{
    struct clean clean;
    if (clean_init(&clean, training))
        return offload_err_set(err, -ENOMEM, "stlf", NULL, "no memory for %zu values",
                               training->series.n);
    int rc = stlf_fit(&model_ets_ops, state, &clean.training, innovation, err);
    clean_fini(&clean);
    return rc;
}

static double
stlf_ets_update(void *state, double value, const double *x)
{
    (void)x;
    return stlf_update(&model_ets_ops, state, value);
}

static void
stlf_ets_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    stlf_path(&model_ets_ops, state, horizon, shock, out);
}

static void
stlf_ets_describe(const void *state, char *buf, size_t size)
{
    stlf_describe(&model_ets_ops, state, buf, size);
}

static size_t
stlf_ets_components(const void *state, size_t horizon, const double *x,
                    struct offload_component *component, size_t max)
{
    (void)x;
    return stlf_components(&model_ets_ops, state, horizon, component, max);
}

const struct offload_model_ops model_stlf_ops = {
    .name = "stlf",
    .state_bytes = stlf_ets_state_bytes,
    .fit = stlf_ets_fit,
    .update = stlf_ets_update,
    .path = stlf_ets_path,
    .describe = stlf_ets_describe,
    .components = stlf_ets_components,
};
