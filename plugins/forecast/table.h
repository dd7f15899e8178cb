// SPDX-License-Identifier: Apache-2.0
// Which value on the bus feeds which series. A series is one resource of one application ("card":
// the server's total) on one host; it comes to be with the first value that a signal's Match
// catches.
#pragma once

#include "plugins/forecast/config.h"

#include <offload/forecast.h>

enum { FAN_POINTS = 24, SOURCES_PER_VALUE = 4, SERIES_MAX = 16384, IDENTIFIERS_MAX = 65536, CATCH_UP_MAX = 64 };

struct series {
    // Writers: collectd's writer threads and the read callback, both under the plugin's lock.
    struct offload_resample *resample;
    // Constant once the series is in the table.
    const struct forecast_signal *signal;
    char host[128];
    char app[OFFLOAD_NAME_MAX + 1]; // or a card's name, or "card": the whole server
    double capacity;                // what 100 percent is
    // Owner: the read callback (and init, before there is one); while it is fitted, fit.h's thread.
    struct offload_forecaster *forecaster; // NULL: nothing was heard for as long as history lasts
    int64_t last_step;                     // the newest pushed into it
    unsigned x_version;                    // of the regressors that it knows
    double *past;                          // predictors: a ring of the last 'capacity' steps
    int64_t past_step;                     // the newest of them
    double closed[CATCH_UP_MAX];
    bool censored[CATCH_UP_MAX];
    double silent_s;
    double p50, p90, p99, lead_s; // of the last run, in the signal's unit; NAN: none yet
    double next[3];               // the same quantiles of the next two steps alone
    float fan[2][FAN_POINTS];     // P50 and P90 over the horizon, each point the greatest of its steps
    unsigned n_fan;               // of them; 0: none yet
    bool told;                    // its models were logged
    bool above;                   // its application's score is, and that was told
};

// A value's way into a series.
struct feed {
    struct series *series;
    int source; // of series->resample
    char data_source[64], limit_source[64];
};

struct binding {
    char *identifier;
    struct feed feed[SOURCES_PER_VALUE];
    size_t n_feeds; // 0: no signal wants this value
};

struct table {
    const struct forecast_config *config;
    void *bindings; // tsearch tree by identifier
    size_t n_bindings;
    struct series **series;
    size_t n_series;
    bool full; // and told so
};

void table_init(struct table *table, const struct forecast_config *config);
void table_fini(struct table *table);

// The binding of HOST/PLUGIN-INSTANCE/TYPE-INSTANCE 'identifier', found or made; the first signal
// that matches takes each data source. 'host' and 'type_instance' name its series. Borrowed until
// table_fini(). NULL: no memory, or one of the table's limits is reached.
const struct binding *table_bind(struct table *table, const char *identifier, const char *host,
                                 const char *type_instance);

// Keeps a predictor's value of 'step'.
void table_remember(const struct table *table, struct series *series, int64_t step, double value);
// What a predictor's series had at 'step', NAN if that is not known.
double table_recall(const struct table *table, const struct series *series, int64_t step);
