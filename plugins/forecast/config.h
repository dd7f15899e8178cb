// SPDX-License-Identifier: Apache-2.0
// The <Plugin offload_forecast> block, checked as a whole.
#pragma once

#include <offload/err.h>
#include <offload/feed.h>
#include <offload/forecast.h>
#include <offload/units.h>

#include "liboconfig/oconfig.h"

enum forecast_role { ROLE_RESOURCE, ROLE_PREDICTOR };
// rate: the sum of what counters gain per second. Values of collectd's DERIVE and COUNTER are rates
// anyway.
enum forecast_aggregate { AGGREGATE_SUM, AGGREGATE_MAX, AGGREGATE_RATE };

struct forecast_signal {
    char name[64];
    char match[512]; // fnmatch pattern of HOST/PLUGIN-INSTANCE/TYPE-INSTANCE; "*" stays within a
                     // part
    char data_source[64];
    char limit_source[64]; // the data source that holds 'data_source' down, "" if none does
    int aggregate;         // enum forecast_aggregate
    int role;              // enum forecast_role
    int resource;          // enum offload_resource
    char app[OFFLOAD_NAME_MAX + 1]; // "*": the value's type instance
    double capacity;                // in 'unit'; 0 for predictors
    double card_capacity;           // of one card; 0: cards have no series of their own
    char unit[16];
};

enum { FEEDS_MAX = 16, FEED_VALUES_MAX = OFFLOAD_FEED_COLUMNS_MAX };

struct forecast_feed {
    char name[OFFLOAD_NAME_MAX + 1];
    char url[1024];
    int format; // enum offload_feed_format
    char path[256], time[256], end[256], timezone[64];
    int between; // 0: hold, 1: linear
    double refresh_s, timeout_s;
    uint64_t max_bytes;
    const char *value[FEED_VALUES_MAX]; // into 'values'
    size_t n_values;
    struct json_object *values; // owned; NULL: none
};

struct forecast_config {
    double step_s;
    double grace_s;
    uint64_t horizon_s, season_s, warm_start_s, stale_s;
    double refit_budget_pct;
    uint64_t paths;
    char model_name[32];
    int model; // 0: auto, else index into offload_models plus 1
    char rrd_dir[512];
    char socket[108];    // of the API; "": none
    char state_dir[512]; // of what feeds said last; "": none
    double notify_above, notify_below; // scores; notify_above 0: never
    size_t horizon, period, capacity; // in steps; period 0: detected
    struct forecast_signal *signal;
    size_t n_signals, n_predictors;
    struct forecast_feed *feed;
    size_t n_feeds;
};

// Reads and checks 'block'. On failure 'config' is untouched. -EINVAL, -ERANGE, -ENOMEM.
int forecast_config_read(const oconfig_item_t *block, struct forecast_config *config,
                         struct offload_err *err);
void forecast_config_fini(struct forecast_config *config);
