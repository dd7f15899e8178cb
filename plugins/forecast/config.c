// SPDX-License-Identifier: Apache-2.0
// collectd.conf -> [config] -> table, warmstart, read callback.  Runs once, at collectd's start.

#include "plugins/forecast/config.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/fetch.h"
#include "plugins/oconfig_json.h"

#include <json-c/json.h>

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNALS_MAX = 1024, PATTERN_MAX = 512, HISTORY_LEAST = 256, HISTORY_USUAL = 1024, SEASONS_KEPT = 4 };

static const char *const aggregate_names[] = {"sum", "max", "rate", NULL};
static const char *const role_names[] = {"resource", "predictor", NULL};
static const char *const resource_units[] = {"percent", "bit/s", "bytes", "bit/s"};

#define FIELD(type, name) .offset = offsetof(type, name), .size = sizeof(((type *)0)->name)

struct block {
    struct forecast_config config;
    struct json_object *signals, *feeds;
};

struct feed_block {
    struct forecast_feed feed;
    struct json_object *values;
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
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct block, config.model_name),
     .default_text = "\"auto\"",
     .help = "auto: compared by rolling origin, then used alone or mixed"},
    {.key = "Socket",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct block, config.socket),
     .default_text = "\"/run/offload/forecast.sock\"",
     .help = "where offloadctl asks why a score is as it is; \"\": nowhere"},
    {.key = "StateDir",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct block, config.state_dir),
     .default_text = "\"/var/lib/offload\"",
     .help = "where what feeds said last outlives the daemon; \"\": nowhere"},
    {.key = "NotifyAbove",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct block, config.notify_above),
     .least = 0,
     .most = 100,
     .default_text = "0",
     .help = "a score that reaches this raises a notification; 0: none does"},
    {.key = "NotifyBelow",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct block, config.notify_below),
     .least = 0,
     .most = 100,
     .help = "and one that falls to this ends it; 10 below NotifyAbove if not given"},
    {.key = "Feed",
     .type = OFFLOAD_OPT_ARRAY,
     FIELD(struct block, feeds),
     .help = "a block for each source of what is known of the time to come"},
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
    {.key = "CardCapacity",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct forecast_signal, card_capacity),
     .least = 0,
     .most = 1e18,
     .default_text = "0",
     .help = "what 100 percent of one card is: each card gets a score of its own; 0: none does"},
    {.key = "Unit",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct forecast_signal, unit),
     .help = "of values and capacity, for people"},
    OFFLOAD_OPT_END,
};

static const char *const between_names[] = {"hold", "linear", NULL};

static const struct offload_opt feed_options[] = {
    {.key = "Name",
     .type = OFFLOAD_OPT_NAME,
     FIELD(struct feed_block, feed.name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "stands behind Feed, in quotes"},
    {.key = "URL",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct feed_block, feed.url),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "https://..., http://..., or a file's path from the root"},
    {.key = "Format",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(struct feed_block, feed.format),
     .names = offload_feed_format_names,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "of the text"},
    {.key = "Path",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct feed_block, feed.path),
     .default_text = "\"\"",
     .help = "json: from the root to the rows, a.b.0; found by itself for Open-Meteo and met.no"},
    {.key = "Time",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct feed_block, feed.time),
     .default_text = "\"\"",
     .help = "where a row's time stands; time, or the first column, if not given"},
    {.key = "End",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct feed_block, feed.end),
     .default_text = "\"\"",
     .help = "where a row's end stands: its rows are events"},
    {.key = "Value",
     .type = OFFLOAD_OPT_ARRAY,
     FIELD(struct feed_block, values),
     .help = "the columns; for calendars patterns of summaries; all if not given"},
    {.key = "TimeZone",
     .type = OFFLOAD_OPT_STRING,
     FIELD(struct feed_block, feed.timezone),
     .default_text = "\"\"",
     .help = "of times that name none; UTC if not given"},
    {.key = "Between",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(struct feed_block, feed.between),
     .names = between_names,
     .default_text = "\"hold\"",
     .help = "what is between two rows: the former's value, or a straight line"},
    {.key = "RefreshS",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct feed_block, feed.refresh_s),
     .least = 1,
     .most = 604800,
     .default_text = "1800",
     .unit = "s",
     .help = "how often it is looked for changes"},
    {.key = "TimeoutS",
     .type = OFFLOAD_OPT_F64,
     FIELD(struct feed_block, feed.timeout_s),
     .least = 0.1,
     .most = 300,
     .default_text = "10",
     .unit = "s",
     .help = "after which a fetch is given up"},
    {.key = "MaxBytes",
     .type = OFFLOAD_OPT_U64,
     FIELD(struct feed_block, feed.max_bytes),
     .least = 1,
     .most = OFFLOAD_FEED_BYTES_MAX,
     .default_text = "4194304",
     .unit = "bytes",
     .help = "of text, above which it is not taken"},
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
    if (s->card_capacity > 0 && (s->match[0] || s->role != ROLE_RESOURCE))
        return offload_err_set(err, -EINVAL,
                               offload_json_path(where, sizeof where, path, "CardCapacity"),
                               "a resource without Match",
                               "cards are told apart only in what offload_card reports");
    if (s->card_capacity > s->capacity)
        return offload_err_set(err, -ERANGE,
                               offload_json_path(where, sizeof where, path, "CardCapacity"),
                               "at most Capacity, which is all cards'",
                               "one card's %g is above all cards' %g", s->card_capacity,
                               s->capacity);
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

// Whether some identifier matches both patterns: all pairs of rests are looked at, from the ends
// on. "*" and "?" stay within a part of the identifier.
static bool
patterns_meet(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    static bool meet[PATTERN_MAX + 1][PATTERN_MAX + 1]; // of the rests from i and from k
    for (size_t i = na + 1; i-- > 0;)
        for (size_t k = nb + 1; k-- > 0;) {
            char x = a[i], y = b[k];
            bool any = false;
            if (!x && !y)
                any = true;
            if (x == '*')
                any |= meet[i + 1][k] || (y && y != '/' && meet[i][k + 1]);
            if (y == '*')
                any |= meet[i][k + 1] || (x && x != '/' && meet[i + 1][k]);
            bool one = x && y && x != '*' && y != '*';
            if (one && (x == y || (x == '?' && y != '/') || (y == '?' && x != '/')))
                any |= meet[i + 1][k + 1];
            meet[i][k] = any;
        }
    return meet[0][0];
}

// 'text' with every "*" replaced by 'with' and every "?" by one character.
static const char *
sample_of(char *buf, size_t size, const char *text, const char *with)
{
    size_t n = 0;
    for (; *text && n + 1 < size; text++) {
        const char *piece = *text == '*' ? with : *text == '?' ? "\001" : NULL;
        if (!piece)
            buf[n++] = *text;
        for (; piece && *piece && n + 1 < size; piece++)
            buf[n++] = *piece;
    }
    buf[n] = '\0';
    return buf;
}

// Whether all that 'inner' matches, 'outer' matches too: tried on its shortest and a longer sample.
static bool
pattern_covers(const char *outer, const char *inner)
{
    char sample[4 * PATTERN_MAX];
    return fnmatch(outer, sample_of(sample, sizeof sample, inner, ""), FNM_PATHNAME) == 0 &&
           fnmatch(outer, sample_of(sample, sizeof sample, inner, "\001\002\001"), FNM_PATHNAME) ==
               0;
}

// Each value belongs to the first signal that matches it. So a special pattern may stand before a
// general one; behind it, it would never get anything, and where each has values of its own, who
// gets the others would be an accident.
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
        const char *before = signal[k].match, *here = signal[i].match;
        if (strcmp(signal[k].data_source, signal[i].data_source) != 0 ||
            !patterns_meet(before, here))
            continue;
        offload_json_path(where, sizeof where, path, "Match");
        if (pattern_covers(before, here))
            return offload_err_set(err, -EINVAL, where,
                                   "another Match or DataSource, or this block before that one",
                                   "'%s' of '%s' is Signal '%s' already", signal[i].data_source,
                                   here, signal[k].name);
        if (!pattern_covers(here, before))
            return offload_err_set(err, -EINVAL, where, "patterns that share no value",
                                   "'%s' overlaps with '%s' of Signal '%s'", here, before,
                                   signal[k].name);
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
    for (size_t i = 0; i < n; i++)
        c->n_predictors += c->signal[i].role == ROLE_PREDICTOR;
    return 0;
}

// Value's strings, which 'feed' keeps with the array.
static int
read_feed_values(struct forecast_feed *feed, struct json_object *values, const char *path,
                 struct offload_err *err)
{
    char where[160];
    size_t n = values ? json_object_array_length(values) : 0;
    offload_json_path(where, sizeof where, path, "Value");
    if (n > FEED_VALUES_MAX)
        return offload_err_set(err, -ERANGE, where, NULL, "%zu are above %d", n, FEED_VALUES_MAX);
    for (size_t i = 0; i < n; i++) {
        struct json_object *value = json_object_array_get_idx(values, i);
        if (!json_object_is_type(value, json_type_string) || !json_object_get_string_len(value))
            return offload_err_set(err, -EINVAL, where, "names in quotes", "no name");
        feed->value[feed->n_values++] = json_object_get_string(value);
    }
    feed->values = json_object_get(values);
    return 0;
}

static int
check_feed(const struct forecast_config *c, size_t i, const char *path, struct offload_err *err)
{
    const struct forecast_feed *feed = &c->feed[i];
    char where[160];
    for (size_t k = 0; k < i; k++)
        if (strcmp(c->feed[k].name, feed->name) == 0)
            return offload_err_set(err, -EINVAL,
                                   offload_json_path(where, sizeof where, path, "Name"),
                                   "another name", "'%s' is Feed[%zu]'s name", feed->name, k);
    if (feed->format != OFFLOAD_FEED_JSON && feed->path[0])
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "Path"),
                               "Format json, or no Path", "only JSON has paths");
    if (feed->format == OFFLOAD_FEED_ICAL && (feed->time[0] || feed->end[0]))
        return offload_err_set(err, -EINVAL,
                               offload_json_path(where, sizeof where, path,
                                                 feed->time[0] ? "Time" : "End"),
                               "nothing: a calendar says what is a time", "not for calendars");
    if (!offload_feed_timezone_known(feed->timezone))
        return offload_err_set(err, -EINVAL,
                               offload_json_path(where, sizeof where, path, "TimeZone"),
                               "a name such as Europe/Berlin", "there is no zone '%s'",
                               feed->timezone);
    struct fetch *fetch;
    int rc = fetch_create(&(struct fetch_options){.url = feed->url, .timeout_s = 1}, &fetch, err);
    if (rc) {
        offload_err_prefix(err, path);
        return rc;
    }
    fetch_destroy(fetch);
    return 0;
}

static int
read_feeds(struct block *block, struct offload_err *err)
{
    struct forecast_config *c = &block->config;
    size_t n = block->feeds ? json_object_array_length(block->feeds) : 0;
    if (n > FEEDS_MAX)
        return offload_err_set(err, -ERANGE, "Feed", NULL, "%zu blocks are above %d", n, FEEDS_MAX);
    c->feed = calloc(n + 1, sizeof *c->feed);
    if (!c->feed)
        return offload_err_set(err, -ENOMEM, "Feed", NULL, "no memory for %zu blocks", n);
    for (size_t i = 0; i < n; i++) {
        char path[160];
        struct feed_block feed = {.values = NULL};
        offload_json_path_index(path, sizeof path, "Feed", i);
        struct json_object *object = json_object_array_get_idx(block->feeds, i);
        if (!json_object_is_type(object, json_type_object))
            return offload_err_set(err, -EINVAL, path, "<Feed \"name\"> ... </Feed>", "not a block");
        int rc = offload_opt_read(feed_options, object, path, &feed, sizeof feed, err);
        rc = rc ? rc : read_feed_values(&feed.feed, feed.values, path, err);
        if (rc)
            return rc;
        c->feed[c->n_feeds++] = feed.feed;
        rc = check_feed(c, i, path, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int
find_model(struct forecast_config *c, struct offload_err *err)
{
    const char *names[OFFLOAD_MODELS_MAX + 2] = {"auto"};
    for (size_t i = 0; i < offload_models_count() && i < OFFLOAD_MODELS_MAX; i++)
        names[i + 1] = offload_models[i]->name;
    int model = offload_models_find(c->model_name);
    c->model = model + 1;
    if (model >= 0 || strcmp(c->model_name, "auto") == 0)
        return 0;
    char known[240] = "use one of";
    for (size_t i = 0; names[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s %s", i ? "," : "",
                 names[i]);
    return offload_err_set(err, -EINVAL, "Model", known, "'%s' is no model", c->model_name);
}

static int
check_notify(struct forecast_config *c, struct offload_err *err)
{
    if (c->notify_below < 0)
        c->notify_below = fmax(c->notify_above - 10, 0);
    if (c->notify_above > 0 && c->notify_below >= c->notify_above)
        return offload_err_set(err, -ERANGE, "NotifyBelow", "less than NotifyAbove",
                               "%g is not below %g", c->notify_below, c->notify_above);
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
    static const char *const lists[] = {"Value", NULL};
    struct block block = {.config.grace_s = -1, .config.notify_below = -1}; // not given
    struct json_object *object = oconfig_json(item, "", lists, err);
    if (!object)
        return -EINVAL;
    int rc = offload_opt_read(plugin_options, object, "", &block, sizeof block, err);
    rc = rc ? rc : count_steps(&block.config, err);
    rc = rc ? rc : read_signals(&block, err);
    rc = rc ? rc : read_feeds(&block, err);
    rc = rc ? rc : check_notify(&block.config, err);
    rc = rc ? rc : find_model(&block.config, err);
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
    for (size_t i = 0; i < config->n_feeds; i++)
        json_object_put(config->feed[i].values);
    free(config->feed);
    free(config->signal);
    *config = (struct forecast_config){0};
}
