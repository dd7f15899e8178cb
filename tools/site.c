// SPDX-License-Identifier: Apache-2.0
// Reads a site: who is on which card, what was promised to them, and what they offered.
// collectd.conf or JSON, RRD and CSV files -> [site] -> scenario -> whatif

#include "tools/site.h"

#include "tools/ctl.h"
#include "tools/fields.h"
#include "tools/history.h"
#include "tools/oconfig.h"
#include "tools/ownseries.h"
#include "tools/source.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/sim/world.h"

#include <offload/card_api.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MOST_BYTES = 16 << 20,
    STEPS_LEAST = 96,   // a third is history, and the forecaster wants 48 steps
    STEPS_USUAL = 4032, // at most, unless --step says otherwise: a fortnight by five minutes
    STEPS_MOST = 100000,
    ROWS_MOST = 4096, // cards, applications
};
static const double BURST_BYTES = 6000; // four full packets, where neither told nor measured

struct site_card {
    char card[OFFLOAD_NAME_MAX + 1], server[ALLOC_SERVER_MAX + 1];
    struct json_object *capacity;
};

#define SITE_CARD_OPT(key_)                                                                            \
    .key = #key_, .offset = offsetof(struct site_card, key_),                                      \
    .size = sizeof(((struct site_card *)0)->key_)

static const struct offload_opt site_card_opts[] = {
    {SITE_CARD_OPT(card), .type = OFFLOAD_OPT_NAME, .flags = OFFLOAD_OPT_REQUIRED, .help = "its name"},
    {SITE_CARD_OPT(server), .type = OFFLOAD_OPT_STRING, .default_text = "\"\"",
     .help = "that it is in; moves stay within it"},
    {SITE_CARD_OPT(capacity), .type = OFFLOAD_OPT_OBJECT, .help = "what it has"},
    OFFLOAD_OPT_END,
};

struct site_capacity {
    double cycles_per_s, bandwidth_bps, memory_bytes;
};

#define SITE_CAPACITY_OPT(key_)                                                                        \
    .key = #key_, .offset = offsetof(struct site_capacity, key_)

static const struct offload_opt site_capacity_opts[] = {
    {SITE_CAPACITY_OPT(cycles_per_s), .type = OFFLOAD_OPT_F64, .most = 1e15, .default_text = "0", .unit = "1/s",
     .help = "of its workers; 0: 10^9, which matters only to costs that are told in cycles"},
    {SITE_CAPACITY_OPT(bandwidth_bps), .type = OFFLOAD_OPT_F64, .most = 1e15, .default_text = "0", .unit = "bit/s", .help = "must be told"},
    {SITE_CAPACITY_OPT(memory_bytes), .type = OFFLOAD_OPT_F64, .most = 1e15, .default_text = "0", .unit = "bytes", .help = "0: no limit"},
    OFFLOAD_OPT_END,
};

struct site_app {
    char app[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1];
    struct json_object *sla, *allocation, *demand;
    double cycles_per_byte, burst_bytes, state_bytes;
};

#define SITE_APP_OPT(key_)                                                                             \
    .key = #key_, .offset = offsetof(struct site_app, key_),                                       \
    .size = sizeof(((struct site_app *)0)->key_)

static const struct offload_opt site_app_opts[] = {
    {SITE_APP_OPT(app), .type = OFFLOAD_OPT_NAME, .flags = OFFLOAD_OPT_REQUIRED, .help = "its name"},
    {SITE_APP_OPT(card), .type = OFFLOAD_OPT_NAME, .flags = OFFLOAD_OPT_REQUIRED,
     .help = "that it is on"},
    {SITE_APP_OPT(sla), .type = OFFLOAD_OPT_OBJECT, .help = "what it was promised"},
    {SITE_APP_OPT(allocation), .type = OFFLOAD_OPT_OBJECT,
     .help = "what it has today; what was recorded last, else an equal share"},
    {SITE_APP_OPT(cycles_per_byte), .type = OFFLOAD_OPT_F64, .most = 1e6, .default_text = "0",
     .help = "that it costs; 0: found from the recorded load of CPU and bandwidth"},
    {SITE_APP_OPT(burst_bytes), .type = OFFLOAD_OPT_F64, .most = 1e9, .default_text = "0",
     .unit = "bytes", .help = "of its mean burst; 0: found from the recorded delays, else 6000"},
    {SITE_APP_OPT(state_bytes), .type = OFFLOAD_OPT_F64, .most = 1e15, .default_text = "0",
     .unit = "bytes", .help = "of its tables; 0: the most that was recorded"},
    {SITE_APP_OPT(demand), .type = OFFLOAD_OPT_OBJECT,
     .help = "where its load is recorded, if not by offload_card in the RRD files"},
    OFFLOAD_OPT_END,
};

struct site_demand {
    char file[HISTORY_PATH_MAX], column[80];
    double scale;
};

#define SITE_DEMAND_OPT(key_)                                                                          \
    .key = #key_, .offset = offsetof(struct site_demand, key_),                                    \
    .size = sizeof(((struct site_demand *)0)->key_)

static const struct offload_opt site_demand_opts[] = {
    {SITE_DEMAND_OPT(file), .type = OFFLOAD_OPT_STRING, .flags = OFFLOAD_OPT_REQUIRED,
     .help = "an RRD file, or a CSV file with a heading line and evenly spaced rows"},
    {SITE_DEMAND_OPT(column), .type = OFFLOAD_OPT_STRING, .default_text = "\"\"",
     .help = "data source or column that holds it; value, or the only one"},
    {SITE_DEMAND_OPT(scale), .type = OFFLOAD_OPT_F64, .least = 1e-12, .most = 1e12,
     .default_text = "1", .help = "bit/s that a one in it stands for: 8 for bytes/s"},
    OFFLOAD_OPT_END,
};

// ---- configuration -> {"cards", "apps"}

// What of 'object' stands in 'table': files like cardd.json hold more than is asked for here.
static int
read_known(const struct offload_opt *table, struct json_object *object, const char *where,
           void *out, size_t size, struct offload_err *err)
{
    struct json_object *known = json_object_new_object();
    for (const struct offload_opt *opt = table; opt->key; opt++) {
        struct json_object *value;
        if (json_object_object_get_ex(object, opt->key, &value))
            json_object_object_add(known, opt->key, json_object_get(value));
    }
    int rc = offload_opt_read(table, known, where, out, size, err);
    json_object_put(known); // 'object' still holds what was borrowed
    return rc;
}

static void
copy(struct json_object *from, const char *key, struct json_object *to, const char *as,
     double factor)
{
    struct json_object *value;
    if (!json_object_object_get_ex(from, key, &value))
        return;
    double number = factor * field_number(from, key);
    json_object_object_add(to, as,
                           isnan(number)              ? json_object_get(value)
                           : number == round(number) ? json_object_new_int64((int64_t)number)
                                                     : json_object_new_double(number));
}

// An <Application> block in the card API's words.
static struct json_object *
app_of_block(struct json_object *block)
{
    static const struct {
        const char *key, *as;
        double factor;
    } sla_keys[] = {{"Class", "class", 1},         {"MinBps", "min_bps", 1},
                    {"MaxBps", "max_bps", 1},      {"MaxDelayMs", "max_delay_ns", 1e6},
                    {"MaxLoss", "max_loss_frac", 1}};
    struct json_object *app = json_object_new_object(), *sla = json_object_new_object();
    copy(block, "Name", app, "app", 1);
    copy(block, "Card", app, "card", 1);
    copy(block, "BurstBytes", app, "burst_bytes", 1);
    json_object_object_add(sla, "max_loss_frac", json_object_new_int(0)); // the block's default
    for (size_t i = 0; i < sizeof sla_keys / sizeof *sla_keys; i++)
        copy(block, sla_keys[i].key, sla, sla_keys[i].as, sla_keys[i].factor);
    json_object_object_add(app, "sla", sla);
    if (field_number(block, "BandwidthBps") > 0) {
        struct json_object *share = json_object_new_object();
        copy(block, "CpuPct", share, "cpu_pct", 1);
        copy(block, "BandwidthBps", share, "bandwidth_bps", 1);
        copy(block, "MemoryBytes", share, "memory_bytes", 1);
        json_object_object_add(app, "allocation", share);
    }
    return app;
}

static struct json_object *
block_of(struct json_object *conf, const char *path, struct offload_err *err)
{
    struct json_object *plugins = field_array(conf, "Plugin");
    for (size_t i = 0; i < field_count(plugins); i++)
        if (!strcmp(field_text(field_at(plugins, i), "Name"), "offload_manager"))
            return field_at(plugins, i);
    offload_err_set(err, -EINVAL, path, "the file that holds it, or JSON like cardd.json",
                    "there is no <Plugin offload_manager>");
    return NULL;
}

// What the manager may do there.
static void
take_policy(struct json_object *site, struct alloc_policy *policy)
{
    struct {
        const char *key;
        double *value;
    } keys[] = {{"Headroom", &policy->headroom},
                {"MigrateAbovePct", &policy->move_above_pct},
                {"MigrateBelowPct", &policy->move_below_pct},
                {"MigrationCooldownS", &policy->cooldown_s}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double value = field_number(site, keys[i].key);
        if (value >= 0)
            *keys[i].value = value;
    }
}

static struct json_object *
site_of_conf(const char *path, struct offload_err *err)
{
    struct json_object *conf = oconfig_read(path, err);
    struct json_object *block = conf ? block_of(conf, path, err) : NULL;
    if (!block) {
        json_object_put(conf);
        return NULL;
    }
    struct json_object *site = json_object_new_object();
    struct json_object *cards = json_object_new_array(), *apps = json_object_new_array();
    struct json_object *list = field_array(block, "Card");
    for (size_t i = 0; i < field_count(list); i++) {
        struct json_object *card = json_object_new_object();
        copy(field_at(list, i), "Name", card, "card", 1);
        copy(field_at(list, i), "Server", card, "server", 1);
        json_object_array_add(cards, card);
    }
    list = field_array(block, "Application");
    for (size_t i = 0; i < field_count(list); i++)
        json_object_array_add(apps, app_of_block(field_at(list, i)));
    json_object_object_add(site, "cards", cards);
    json_object_object_add(site, "apps", apps);
    static const char *const policy[] = {"Headroom", "MigrateAbovePct", "MigrateBelowPct",
                                         "MigrationCooldownS"};
    for (size_t i = 0; i < sizeof policy / sizeof *policy; i++)
        copy(block, policy[i], site, policy[i], 1);
    json_object_put(conf);
    return site;
}

// Cards of another file, or of this host's daemon, take the place of cards without a capacity.
static int
add_capacities(const struct ctl *ctl, struct json_object *site, struct offload_err *err)
{
    struct json_object *other = NULL, *cards = field_array(site, "cards");
    bool told = field_count(cards) > 0 && field_object(field_at(cards, 0), "capacity");
    if (!ctl->cards && told)
        return 0;
    if (ctl->cards && !(other = offload_json_load(ctl->cards, FILE_MOST_BYTES, err)))
        return err->code;
    int rc = ctl->cards ? 0 : source_call(ctl, "cardd", "card.list", NULL, &other, err);
    if (rc)
        return offload_err_set(err, rc, ctl->argv[0], "--cards FILE, like cardd.json",
                               "its cards' capacities are not told, and no offload-cardd tells");
    struct json_object *list = field_array(other, "cards");
    for (size_t i = 0; i < field_count(list); i++) { // the server stands in the configuration
        struct json_object *card = field_at(list, i);
        for (size_t k = 0; k < field_count(cards); k++)
            if (!strcmp(field_text(field_at(cards, k), "card"), field_text(card, "card")) &&
                !*field_text(card, "server"))
                copy(field_at(cards, k), "server", card, "server", 1);
    }
    if (list)
        json_object_object_add(site, "cards", json_object_get(list));
    json_object_put(other);
    return 0;
}

// ---- cards and applications -> scenario

static int
take_card(struct json_object *object, const char *where, struct alloc_card *card,
          struct offload_err *err)
{
    struct site_card row = {.card = ""};
    struct site_capacity capacity = {0};
    int rc = read_known(site_card_opts, object, where, &row, sizeof row, err);
    if (rc)
        return rc;
    if (!row.capacity)
        return offload_err_set(err, -EINVAL, where, "\"capacity\", or --cards FILE",
                               "what card '%s' has is not told", row.card);
    rc = read_known(site_capacity_opts, row.capacity, where, &capacity, sizeof capacity, err);
    if (!rc && !(capacity.bandwidth_bps > 0))
        rc = offload_err_set(err, -EINVAL, where, "capacity.bandwidth_bps above 0",
                             "the bandwidth of card '%s' is not told", row.card);
    if (rc)
        return rc;
    *card = (struct alloc_card){.cycles_per_s =
                                    capacity.cycles_per_s > 0 ? capacity.cycles_per_s : 1e9};
    strcpy(card->name, row.card);
    strcpy(card->server, row.server);
    card->capacity = (struct alloc_share){
        {100, capacity.bandwidth_bps, capacity.memory_bytes > 0 ? capacity.memory_bytes : 1e15}};
    return 0;
}

static int
take_sla(struct json_object *object, const char *where, struct alloc_app *app,
         struct offload_err *err)
{
    struct offload_sla sla;
    struct json_object *told = object ? json_object_get(object) : json_object_new_object();
    int rc = offload_sla_read(told, where, &sla, err);
    json_object_put(told);
    if (rc)
        return rc;
    app->class = (enum alloc_class)sla.sla_class;
    app->weight = alloc_class_weight(app->class);
    app->min_bps = (double)sla.min_bps;
    app->max_bps = (double)sla.max_bps;
    app->max_delay_s = (double)sla.max_delay_ns / 1e9;
    app->max_loss_frac = sla.max_loss_frac;
    if (app->max_bps > 0 && app->max_bps < app->min_bps)
        return offload_err_set(err, -EINVAL, where, "a higher limit, or none",
                               "the limit of '%s' is below its guarantee", app->name);
    return 0;
}

static int
take_app(const struct sim_scenario *s, struct json_object *object, const char *where,
         struct alloc_app *app, struct site_demand *demand, struct offload_err *err)
{
    struct site_app row = {.app = ""};
    int rc = read_known(site_app_opts, object, where, &row, sizeof row, err);
    if (rc)
        return rc;
    *app = (struct alloc_app){.offered_bps = NAN,
                              .before_bps = NAN,
                              .wanted = ALLOC_NONE,
                              .ahead = {NAN, NAN, NAN},
                              .cycles_per_byte = row.cycles_per_byte,
                              .burst_bytes = row.burst_bytes,
                              .state_bytes = row.state_bytes};
    strcpy(app->name, row.app);
    for (app->card = 0; app->card < s->n_cards; app->card++)
        if (!strcmp(s->cards[app->card].name, row.card))
            break;
    if (app->card == s->n_cards)
        return offload_err_set(err, -ENOENT, where, "one of \"cards\"",
                               "application '%s' is on card '%s', which is not there", row.app,
                               row.card);
    static const char *const keys[] = {"cpu_pct", "bandwidth_bps", "memory_bytes"};
    for (int r = 0; r < ALLOC_N_RESOURCES && row.allocation; r++)
        app->fixed.amount[r] = fmax(field_number(row.allocation, keys[r]), 0);
    rc = take_sla(row.sla, where, app, err);
    if (!rc && row.demand)
        rc = offload_opt_read(site_demand_opts, row.demand, where, demand, sizeof *demand, err);
    return rc;
}

static int
take_rows(struct json_object *json, const char *path, struct sim_scenario *s,
          struct site_demand **demand, struct offload_err *err)
{
    struct json_object *cards = field_array(json, "cards"), *apps = field_array(json, "apps");
    char where[HISTORY_PATH_MAX];
    size_t n_cards = field_count(cards), n_apps = field_count(apps);
    if (n_cards == 0 || n_apps == 0 || n_cards > ROWS_MOST || n_apps > ROWS_MOST)
        return offload_err_set(err, -EINVAL, path, "1 to 4096 of each",
                               "it has %zu cards and %zu applications", n_cards, n_apps);
    s->cards = calloc(n_cards, sizeof *s->cards);
    s->apps = calloc(n_apps, sizeof *s->apps);
    *demand = calloc(n_apps, sizeof **demand);
    if (!s->cards || !s->apps || !*demand)
        return -ENOMEM;
    int rc = 0;
    for (size_t i = 0; !rc && i < n_cards; i++) {
        snprintf(where, sizeof where, "%s: cards[%zu]", path, i);
        rc = take_card(field_at(cards, i), where, &s->cards[i], err);
        s->n_cards++;
    }
    for (size_t i = 0; !rc && i < n_apps; i++) {
        snprintf(where, sizeof where, "%s: apps[%zu]", path, i);
        rc = take_app(s, field_at(apps, i), where, &s->apps[i], &(*demand)[i], err);
        s->n_apps++;
    }
    return rc;
}

// ---- what was recorded

// Where one application's load is recorded.
struct record {
    bool own; // a file of its own, else what offload_card wrote
    struct ownseries series;
    struct history load;
    double scale;
};

struct recording {
    const struct ctl *ctl;
    const char *dir;
    char host[128];
    struct record *record; // one an application
    double from, until, step_s;
};

// The span that all have, and the coarsest of their steps.
static void
narrow(struct recording *rec, double from, double until, double step_s)
{
    rec->from = fmax(rec->from, from);
    rec->until = fmin(rec->until, until);
    rec->step_s = fmax(rec->step_s, step_s);
}

static int
find_own(struct recording *rec, const struct site_demand *demand, struct record *record,
         struct offload_err *err)
{
    int rc = ownseries_read(demand->file, demand->column[0] ? demand->column : NULL, NULL,
                            &record->series, err);
    if (rc)
        return rc;
    const struct ownseries *s = &record->series;
    record->own = true;
    record->scale = demand->scale;
    narrow(rec, s->start_s, s->start_s + (double)s->n * s->step_s, s->step_s);
    return 0;
}

static int
find_recorded(struct recording *rec, const char *app, struct record *record,
              struct offload_err *err)
{
    struct history_query query = {
        .dir = rec->dir, .host = rec->ctl->host, .name = app, .resource = "bandwidth"};
    time_t from, until;
    double step_s;
    record->scale = 1;
    int rc = history_find(&query, &record->load, err);
    if (!rc)
        rc = history_span(&record->load, rec->ctl->start ? rec->ctl->start : "end-1week",
                          rec->ctl->end, &from, &until, err);
    if (!rc)
        rc = history_extent(record->load.load[0], &from, until, &step_s, err);
    if (rc)
        return rc;
    history_host(rec->dir, record->load.load[0], rec->host, sizeof rec->host);
    narrow(rec, (double)from, (double)until, step_s);
    return 0;
}

// The sum of a data source over the cards that an application was on, NAN where nobody has it.
static int
read_sum(const struct recording *rec, const struct history *load, const char *resource,
         const char *ds, double *value, size_t n, struct offload_err *err)
{
    double *part = malloc((n + 1) * sizeof *part);
    int rc = part ? 0 : -ENOMEM;
    for (size_t i = 0; i < n; i++)
        value[i] = NAN;
    for (size_t k = 0; !rc && k < load->n_load; k++) {
        char path[HISTORY_PATH_MAX];
        history_other(load->load[k], resource, path, sizeof path);
        rc = history_average(path, ds, (time_t)rec->from, (time_t)rec->step_s, part, n, err);
        for (size_t i = 0; !rc && i < n; i++)
            if (!isnan(part[i]))
                value[i] = (isnan(value[i]) ? 0 : value[i]) + part[i];
    }
    free(part);
    return rc;
}

static double
own_at(const struct ownseries *s, double from, double step_s)
{
    double sum = 0, n = 0;
    for (double at = from + s->step_s / 2; at < from + step_s; at += s->step_s) {
        double i = floor((at - s->start_s) / s->step_s);
        if (i < 0 || i >= (double)s->n || isnan(s->value[(size_t)i]))
            continue;
        sum += s->value[(size_t)i];
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

static int
read_load(const struct recording *rec, const struct record *record, double *value, size_t n,
          struct offload_err *err)
{
    int rc = 0;
    if (record->own)
        for (size_t k = 0; k < n; k++)
            value[k] = own_at(&record->series, rec->from + (double)k * rec->step_s, rec->step_s);
    else
        rc = read_sum(rec, &record->load, "bandwidth", "offered", value, n, err);
    for (size_t k = 0; k < n; k++)
        value[k] = value[k] >= 0 ? value[k] * record->scale : NAN;
    return rc;
}

static int
by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median_of(double *value, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(value[i]))
            value[kept++] = value[i];
    qsort(value, kept, sizeof *value, by_size);
    return kept ? value[kept / 2] : NAN;
}

// What an application costs and needs, from what was recorded of it beside its load.
static int
measure(const struct recording *rec, const struct record *record, const struct sim_scenario *s,
        struct alloc_app *app, const double *load, size_t n, struct offload_err *err)
{
    const struct alloc_card *card = &s->cards[app->card];
    double *other = malloc((n + 1) * sizeof *other), *rate = malloc((n + 1) * sizeof *rate);
    int rc = other && rate ? read_sum(rec, &record->load, "cpu", "offered", other, n, err) : -ENOMEM;
    for (size_t k = 0; !rc && k < n; k++) // percent of the cycles for bit/s
        other[k] = load[k] > 0 ? other[k] / 100 * card->cycles_per_s / (load[k] / 8) : NAN;
    if (!rc && !(app->cycles_per_byte > 0))
        app->cycles_per_byte = fmax(median_of(other, n), 0);
    if (!rc)
        rc = read_sum(rec, &record->load, "memory", "used", other, n, err);
    if (!rc && !(app->state_bytes > 0))
        for (size_t k = 0; k < n; k++)
            app->state_bytes = fmax(app->state_bytes, isnan(other[k]) ? 0 : other[k]);
    if (!rc)
        rc = read_sum(rec, &record->load, "delay", "mean", other, n, err);
    if (!rc)
        rc = read_sum(rec, &record->load, "bandwidth", "allocated", rate, n, err);
    for (size_t k = 0; !rc && k < n; k++)
        other[k] = rate[k] > 0 ? sim_card_burst(load[k], rate[k], other[k]) : NAN;
    if (!rc && !(app->burst_bytes > 0))
        app->burst_bytes = fmax(median_of(other, n), 0);
    static const char *const of[] = {"cpu", "bandwidth", "memory"};
    for (int r = 0; !rc && r < ALLOC_N_RESOURCES && !(app->fixed.amount[r] > 0); r++) {
        rc = read_sum(rec, &record->load, of[r], "allocated", other, n, err);
        for (size_t k = 0; !rc && k < n; k++)
            app->fixed.amount[r] = other[k] > 0 ? other[k] : app->fixed.amount[r];
    }
    free(other);
    free(rate);
    return rc;
}

static int
fill_app(const struct recording *rec, struct site *site, uint32_t a, double *value,
         struct offload_err *err)
{
    struct sim_scenario *s = site->scenario;
    const struct record *record = &rec->record[a];
    size_t n = s->steps, missing = 0;
    int rc = read_load(rec, record, value, n, err);
    if (!rc && !record->own)
        rc = measure(rec, record, s, &s->apps[a], value, n, err);
    if (rc)
        return rc;
    if (!(s->apps[a].burst_bytes > 0))
        s->apps[a].burst_bytes = BURST_BYTES;
    double last = NAN;
    for (size_t k = 0; k < n; k++) {
        missing += isnan(value[k]);
        last = isnan(value[k]) ? last : value[k];
        s->offered[k * s->n_apps + a] = isnan(last) ? 0 : last;
    }
    site->filled += missing;
    if (missing * 2 > n)
        return offload_err_set(err, -ENODATA, s->apps[a].name,
                               "another --start, --end or a longer --step",
                               "%zu of %zu steps of its load were not recorded", missing, n);
    return 0;
}

// What the manager recorded itself, if it ran.
static void
read_recorded(const struct recording *rec, struct site *site, double *value)
{
    const struct sim_scenario *s = site->scenario;
    double weight = 0, broken = 0;
    for (uint32_t a = 0; a < s->n_apps && rec->host[0]; a++) {
        char path[HISTORY_PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%s/offload_manager/offload_sla-%s.rrd", rec->dir,
                           rec->host, s->apps[a].name);
        if (len >= (int)sizeof path || history_average(path, "breached", (time_t)rec->from,
                                                       (time_t)rec->step_s, value, s->steps, NULL))
            continue;
        for (uint32_t k = s->train_steps; k < s->steps; k++) {
            weight += isnan(value[k]) ? 0 : s->apps[a].weight;
            broken += isnan(value[k]) ? 0 : s->apps[a].weight * value[k];
        }
    }
    site->recorded_pct = weight > 0 ? 100 * broken / weight : NAN;
}

// Steps of the span that all have.
static int
lay_out(struct recording *rec, struct sim_scenario *s, struct offload_err *err)
{
    double span = rec->until - rec->from, step = rec->step_s;
    if (rec->ctl->step_ms)
        step = (double)rec->ctl->step_ms / 1000;
    else if (span / step > STEPS_USUAL)
        step *= ceil(span / step / STEPS_USUAL);
    double n = floor(span / step);
    if (!(n >= STEPS_LEAST) || n > STEPS_MOST)
        return offload_err_set(err, -ENODATA, rec->ctl->argv[0],
                               "96 to 100000 of them; another --start or --step",
                               "what all applications have in common are %.0f steps of %g s",
                               fmax(n, 0), step);
    rec->step_s = step;
    s->step_s = step;
    s->steps = (uint32_t)n;
    s->train_steps = s->steps / 3;
    s->season_steps = (uint32_t)fmax(lround(86400 / step), 2);
    return 0;
}

static int
read_records(struct recording *rec, struct site *site, const struct site_demand *demand,
             struct offload_err *err)
{
    struct sim_scenario *s = site->scenario;
    int rc = 0;
    for (uint32_t a = 0; !rc && a < s->n_apps; a++)
        rc = demand[a].file[0] ? find_own(rec, &demand[a], &rec->record[a], err)
                               : find_recorded(rec, s->apps[a].name, &rec->record[a], err);
    if (!rc)
        rc = lay_out(rec, s, err);
    if (rc)
        return rc;
    double *value = malloc((s->steps + 1u) * sizeof *value);
    s->offered = calloc((size_t)s->steps * s->n_apps + 1, sizeof *s->offered);
    rc = value && s->offered ? 0 : -ENOMEM;
    for (uint32_t a = 0; !rc && a < s->n_apps; a++)
        rc = fill_app(rec, site, a, value, err);
    if (!rc)
        read_recorded(rec, site, value);
    site->from = (time_t)rec->from;
    free(value);
    return rc;
}

int
site_read(const struct ctl *ctl, struct site *site, struct offload_err *err)
{
    const char *path = ctl->argv[0], *suffix = strrchr(path, '.');
    struct site_demand *demand = NULL;
    struct recording rec = {.ctl = ctl,
                            .dir = ctl->rrd_dir ? ctl->rrd_dir : "/var/lib/collectd/rrd",
                            .from = -INFINITY,
                            .until = INFINITY};
    *site = (struct site){.scenario = calloc(1, sizeof *site->scenario), .recorded_pct = NAN};
    struct json_object *json = suffix && !strcmp(suffix, ".json")
                                   ? offload_json_load(path, FILE_MOST_BYTES, err)
                                   : site_of_conf(path, err);
    int rc = !json ? err->code : site->scenario ? 0 : -ENOMEM;
    if (!rc)
        rc = add_capacities(ctl, json, err);
    if (!rc)
        rc = take_rows(json, path, site->scenario, &demand, err);
    if (!rc && !(rec.record = calloc(site->scenario->n_apps, sizeof *rec.record)))
        rc = -ENOMEM;
    if (!rc)
        rc = read_records(&rec, site, demand, err);
    if (!rc) {
        snprintf(site->scenario->name, sizeof site->scenario->name, "%.60s", path);
        site->policy = sim_policy(site->scenario, ctl->share && !strcmp(ctl->share, "lent"));
        take_policy(json, &site->policy);
    }
    for (uint32_t a = 0; rec.record && a < site->scenario->n_apps; a++)
        ownseries_free(&rec.record[a].series);
    free(rec.record);
    free(demand);
    json_object_put(json);
    if (rc == -ENOMEM)
        offload_err_set(err, rc, path, NULL, "no memory for the site");
    if (rc)
        site_fini(site);
    return rc;
}

void
site_fini(struct site *site)
{
    sim_scenario_destroy(site->scenario);
    *site = (struct site){0};
}
