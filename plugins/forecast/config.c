// SPDX-License-Identifier: Apache-2.0
// collectd.conf -> [config] -> table, warmstart, read callback.  Runs once, at collectd's start.

#include "plugins/forecast/config.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "plugins/oconfig_json.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNALS_MAX = 1024, HISTORY_LEAST = 256, HISTORY_USUAL = 1024, SEASONS_KEPT = 4 };

static const char *const aggregate_names[] = {"sum", "max", "rate", NULL};
static const char *const role_names[] = {"resource", "predictor", NULL};
static const char *const model_names[] = {"auto", "snaive", "profile", "ets", NULL};
static const char *const resource_units[] = {"percent", "bit/s", "bytes", "bit/s"};

#define FIELD(type, name) .offset = offsetof(type, name), .size = sizeof(((type *)0)->name)

struct block {
    struct forecast_config config;
    struct json_object *signals;
};

static const struct offload_opt plugin_options[] = {
    {.key = "StepS",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct block, config.step_s),
     .least = 0.1,
     .most = 86400,
     .default_text = "10",
     .unit = "s",
     .help = "all values are resampled to this step"},
    {.key = "HorizonS",
     .type = OFFLOAD_OPT_U64,
     FIELD(struct block, config.horizon_s),
     .least = 1,
     .most = 31536000,
     .default_text = "300",
     .unit = "s",
     .help = "how far ahead demand is forecast"},
    {.key = "SeasonS",
     .type = OFFLOAD_OPT_U64,
     FIELD(struct block, config.season_s),
     .least = 0,
     .most = 31536000,
     .default_text = "0",
     .unit = "s",
     .help = "length of the season; 0: detected"},
    {.key = "GraceS",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct block, config.grace_s),
     .least = 0,
     .most = 86400,
     .unit = "s",
     .help =
         "how long a step waits for values that are on their way; a quarter of StepS if not given"},
    {.key = "RrdDir",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct block, config.rrd_dir),
     .default_text = "\"/var/lib/collectd/rrd\"",
     .help = "where the rrdtool plugin writes; the forecaster starts from what is there; \"\": "
             "start cold"},
    {.key = "WarmStartS",
     .type = OFFLOAD_OPT_U64,
     FIELD(struct block, config.warm_start_s),
     .least = 0,
     .most = 315360000,
     .default_text = "0",
     .unit = "s",
     .help = "how much history is read and kept; 0: 1024 steps"},
    {.key = "StaleS",
     .type = OFFLOAD_OPT_U64,
     FIELD(struct block, config.stale_s),
     .least = 0,
     .most = 31536000,
     .default_text = "0",
     .unit = "s",
     .help = "silence after which a host's score is called stale; 0: 10 steps"},
    {.key = "RefitBudgetPct",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct block, config.refit_budget_pct),
     .least = 0.1,
     .most = 90,
     .default_text = "20",
     .unit = "percent",
     .help = "of each step may go into fitting models"},
    {.key = "Paths",
     .type = OFFLOAD_OPT_U64,
     FIELD(struct block, config.paths),
     .least = 50,
     .most = 10000,
     .default_text = "400",
     .unit = "",
     .help = "sample paths from which the quantiles are read"},
    {.key = "Model",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(struct block, config.model),
     .names = model_names,
     .default_text = "\"auto\"",
     .help = "auto: compared by rolling origin, then used alone or mixed"},
    {.key = "Signal",
     .type = OFFLOAD_OPT_ARRAY,
     FIELD(struct block, signals),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "a block for each kind of value that is forecast"},
    OFFLOAD_OPT_END,
};

static const struct offload_opt signal_options[] = {
    {.key = "Name",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "stands behind Signal, in quotes"},
    {.key = "Match",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, match),
     .help = "host/plugin-instance/type-instance with * and ?; if not given, what offload_card "
             "reports"},
    {.key = "DataSource",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, data_source),
     .help = "offered if Match is not given, else value"},
    {.key = "LimitSource",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, limit_source),
     .help = "data source that holds DataSource down (allocated, where used is the signal)"},
    {.key = "Aggregate",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(struct forecast_signal, aggregate),
     .names = aggregate_names,
     .default_text = "\"sum\"",
     .help = "what makes one of several values"},
    {.key = "Role",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(struct forecast_signal, role),
     .names = role_names,
     .default_text = "\"resource\"",
     .help = "a resource is forecast and scored; a predictor's history is kept for models with "
             "regressors"},
    {.key = "Resource",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(struct forecast_signal, resource),
     .names = offload_resource_names,
     .help = "what is used up"},
    {.key = "App",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, app),
     .default_text = "\"*\"",
     .help = "application, or card for the server's total; *: the type instance"},
    {.key = "Capacity",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct forecast_signal, capacity),
     .least = 1e-9,
     .most = 1e18,
     .help = "what 100 percent is"},
    {.key = "Unit",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, unit),
     .help = "of values and capacity, for people"},
    OFFLOAD_OPT_END,
};

static int
check_signal(struct forecast_signal *s, struct json_object *object, const char *path,
             struct offload_err *err)
{
    char where[160];
    bool has_resource = json_object_object_get_ex(object, "Resource", NULL);
    if (s->role == ROLE_RESOURCE && !has_resource)
        return offload_err_set(err, -EINVAL,
                               offload_json_path(where, sizeof where, path, "Resource"),
                               "cpu, bandwidth, memory or interconnect", "missing");
    if (s->role == ROLE_RESOURCE && s->capacity == 0)
        return offload_err_set(err, -EINVAL,
                               offload_json_path(where, sizeof where, path, "Capacity"),
                               "what 100 percent of the resource is", "missing");
    if (strcmp(s->app, "*") != 0 && !offload_name_valid(s->app))
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "App"),
                               "*, card, or letters, digits, _ and -, at most 32",
                               "'%s' names no application", s->app);
    if (!s->data_source[0])
        snprintf(s->data_source, sizeof s->data_source, "%s", s->match[0] ? "value" : "offered");
    if (!s->match[0] && !has_resource)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "Match"),
                               "which values the predictor is made of", "missing");
    if (!s->match[0])
        snprintf(s->match, sizeof s->match, "*/offload_card-*/offload_%s-%s",
                 offload_resource_names[s->resource], s->app);
    if (!s->unit[0] && has_resource)
        snprintf(s->unit, sizeof s->unit, "%s", resource_units[s->resource]);
    return 0;
}

// Each value belongs to the first signal that matches it, so a second one of the same pattern never
// gets any.
static int
check_overlap(const struct forecast_signal *signal, size_t i, const char *path,
              struct offload_err *err)
{
    char where[160];
    for (size_t k = 0; k < i; k++) {
        if (strcmp(signal[k].name, signal[i].name) == 0)
            return offload_err_set(err, -EINVAL,
                                   offload_json_path(where, sizeof where, path, "Name"),
                                   "another name", "'%s' is Signal[%zu]'s name", signal[i].name, k);
        if (strcmp(signal[k].match, signal[i].match) == 0 &&
            strcmp(signal[k].data_source, signal[i].data_source) == 0)
            return offload_err_set(
                err, -EINVAL, offload_json_path(where, sizeof where, path, "Match"),
                "another Match or DataSource", "'%s' of '%s' is Signal '%s' already",
                signal[i].data_source, signal[i].match, signal[k].name);
    }
    return 0;
}

static int
read_signals(struct block *block, struct offload_err *err)
{
    struct forecast_config *c = &block->config;
    size_t n = json_object_array_length(block->signals);
    if (n > SIGNALS_MAX)
        return offload_err_set(err, -ERANGE, "Signal", "patterns with * and App \"*\"",
                               "%zu blocks are above %d", n, SIGNALS_MAX);
    c->signal = calloc(n, sizeof *c->signal);
    if (!c->signal)
        return offload_err_set(err, -ENOMEM, "Signal", NULL, "no memory for %zu blocks", n);
    for (size_t i = 0; i < n; i++) {
        char path[160];
        offload_json_path_index(path, sizeof path, "Signal", i);
        struct json_object *object = json_object_array_get_idx(block->signals, i);
        if (!json_object_is_type(object, json_type_object))
            return offload_err_set(err, -EINVAL, path, "<Signal \"name\"> ... </Signal>",
                                   "not a block");
        int rc =
            offload_opt_read(signal_options, object, path, &c->signal[i], sizeof c->signal[i], err);
        rc = rc ? rc : check_signal(&c->signal[i], object, path, err);
        rc = rc ? rc : check_overlap(c->signal, i, path, err);
        if (rc)
            return rc;
    }
    c->n_signals = n;
    return 0;
}

// From seconds to steps, each where its engine can take it.
static int
count_steps(struct forecast_config *c, struct offload_err *err)
{
    if (c->grace_s < 0)
        c->grace_s = c->step_s / 4;
    if (c->grace_s > 4 * c->step_s)
        return offload_err_set(err, -ERANGE, "GraceS", "at most 4 steps", "%g s are %g steps",
                               c->grace_s, c->grace_s / c->step_s);
    double horizon = round(c->horizon_s / c->step_s), season = round(c->season_s / c->step_s);
    if (horizon < 1 || horizon > OFFLOAD_HORIZON_MAX)
        return offload_err_set(err, -ERANGE, "HorizonS", "1 to 4096 steps of StepS",
                               "%g s are %g steps", (double)c->horizon_s, horizon);
    if (c->season_s && (season < 2 || season > OFFLOAD_PERIOD_MAX))
        return offload_err_set(err, -ERANGE, "SeasonS",
                               "2 to 4096 steps of StepS, or 0 to detect it", "%g s are %g steps",
                               (double)c->season_s, season);
    double kept = c->warm_start_s ? ceil(c->warm_start_s / c->step_s) : HISTORY_USUAL;
    kept = fmax(kept, fmax(HISTORY_LEAST, SEASONS_KEPT * season));
    if (kept > OFFLOAD_HISTORY_MAX)
        return offload_err_set(err, -ERANGE, "WarmStartS", "at most 65536 steps of StepS",
                               "%g s are %g steps", (double)c->warm_start_s, kept);
    c->horizon = (size_t)horizon;
    c->period = (size_t)season;
    c->capacity = (size_t)kept;
    if (c->stale_s == 0)
        c->stale_s = (uint64_t)ceil(10 * c->step_s);
    return 0;
}

int
forecast_config_read(const oconfig_item_t *item, struct forecast_config *config,
                     struct offload_err *err)
{
    struct block block = {.config.grace_s = -1}; // not given
    struct json_object *object = oconfig_json(item, "", NULL, err);
    if (!object)
        return -EINVAL;
    int rc = offload_opt_read(plugin_options, object, "", &block, sizeof block, err);
    rc = rc ? rc : count_steps(&block.config, err);
    rc = rc ? rc : read_signals(&block, err);
    if (rc)
        forecast_config_fini(&block.config);
    else
        *config = block.config;
    json_object_put(object);
    return rc;
}

void
forecast_config_fini(struct forecast_config *config)
{
    free(config->signal);
    *config = (struct forecast_config){0};
}
