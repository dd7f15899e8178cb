// SPDX-License-Identifier: Apache-2.0
// The <Plugin offload_forecast> block, checked as a whole.
#pragma once

#include <offload/err.h>
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
    char unit[16];
};

struct forecast_config {
    double step_s;
    double grace_s;
    uint64_t horizon_s, season_s, warm_start_s, stale_s;
    double refit_budget_pct;
    uint64_t paths;
    int model; // 0: auto, else index into offload_models plus 1
    char rrd_dir[512];
    size_t horizon, period, capacity; // in steps; period 0: detected
    struct forecast_signal *signal;
    size_t n_signals;
};

// Reads and checks 'block'. On failure 'config' is untouched. -EINVAL, -ERANGE, -ENOMEM.
int forecast_config_read(const oconfig_item_t *block, struct forecast_config *config,
                         struct offload_err *err);
void forecast_config_fini(struct forecast_config *config);
