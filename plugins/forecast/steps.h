// SPDX-License-Identifier: Apache-2.0
// What happens with each step: closed values -> forecasters, fits, forecasts, scores -> bus.
#pragma once

#include "plugins/forecast/feeds.h"
#include "plugins/forecast/fit.h"
#include "plugins/forecast/table.h"

#include <pthread.h>

struct host {
    char name[128];
    bool stale, above; // and told so
    struct offload_score score;
    double age_s;
};

struct pending { // a step of the series that is being fitted
    int64_t step;
    double value;
    bool censored;
};

// Owner: the read callback (and init, before there is one). Readers: the API, with 'work', which
// the read callback holds but for the time in which it waits for fits. Writers of values on the bus
// never take it.
struct steps {
    const struct forecast_config *config;
    pthread_mutex_t work;
    struct feeds *feeds;
    struct fitter *fitter;
    struct offload_fan fan;
    double budget_s; // of computing time that fits may take; below 0: a long one took more
    // Regressors: predictors by the configuration, then the feeds' columns.
    size_t n_x;
    const char *x_name[OFFLOAD_REGRESSORS_MAX];
    unsigned x_version;
    double *x_row, *x_future; // [n_x], [horizon][n_x]: the feeds' part of it
    struct series **predictor;
    size_t n_predictors;
    // What came for the series that is being fitted.
    struct series *busy;
    bool fitting; // any series may be the fitter's
    struct pending *pending;
    size_t n_pending;
    struct host *host;
    size_t n_hosts;
    struct series **sorted; // by host and application, of the last step
    size_t n_sorted;
    int64_t step; // the one that follows what was pushed last
};

// 0 or -ENOMEM. Starts the threads of feeds and fits.
int steps_init(struct steps *steps, const struct forecast_config *config);
// Fits and feeds have ended when it returns; call before table_fini().
void steps_fini(struct steps *steps);

// Pushes what the 'n' series have closed for 'step' as their value 'k'.
void steps_push(struct steps *steps, const struct table *table, struct series **series, size_t n,
                int64_t step, size_t k);

// A read: pushes 'n_steps' from 'first_step' on, which follow 'lost' ones of which nothing is known,
// fits within the budget, forecasts, and publishes. 'series' (taken over): those of the table.
void steps_run(struct steps *steps, const struct table *table, struct series **series, size_t n,
               int64_t first_step, size_t n_steps, int64_t lost);

// Is it one that is forecast and scored?
bool steps_forecasts(const struct series *series);
// The regressors' future as the series' forecaster wants it, in x_future's layout. 'x' [horizon][n_x].
const double *steps_future(struct steps *steps, const struct table *table,
                           const struct series *series, double *x);
