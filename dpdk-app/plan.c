// SPDX-License-Identifier: Apache-2.0
// What must survive a restart: the highest term, the last plan applied, applications with rules,
// functions and allocations, and the cards added by API; one JSON file, replaced atomically. Main
// thread.
#include "dpdk-app/cardd.h"

#include "lib/base/json.h"
#include "lib/io/log.h"

#include <json-c/json.h>
#include <rte_cycles.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAN_BYTES_MAX = 16 << 20 };

int
term_check(const struct cardd *d, uint64_t term, struct offload_err *err)
{
    if (term >= d->term)
        return 0;
    char expected[64];
    snprintf(expected, sizeof expected, "use term %llu or above", (unsigned long long)d->term);
    return offload_err_set(err, -ESTALE, "term", expected, "%llu is below the highest term seen",
                           (unsigned long long)term);
}

static void
sum_share(const struct offload_allocation *a, double *cpu_pct, double *bps, double *bytes)
{
    *cpu_pct += a->cpu_pct;
    *bps += (double)a->bandwidth_bps;
    *bytes += (double)a->memory_bytes;
}

static int
over(struct offload_err *err, const struct card *card, const char *resource, double sum,
     double capacity, const char *unit)
{
    char where[OFFLOAD_NAME_MAX + 32], expected[64];
    snprintf(where, sizeof where, "%s.%s", card->name, resource);
    snprintf(expected, sizeof expected, "the card has %.15g %s", capacity, unit);
    return offload_err_set(err, -ENOSPC, where, expected,
                           "the sum of its allocations would be %.15g %s", sum, unit);
}

int
allocation_fits(const struct card *card, const struct offload_allocation *extra, unsigned n_extra,
                struct offload_err *err)
{
    static const double ROUNDING_PCT = 1e-6; // shares that are meant to add up to 100
    double cpu_pct = 0, bps = 0, bytes = 0;
    for (unsigned i = 0; i < card->n_apps; i++) {
        const struct app *app = card->apps[i];
        bool replaced = !app->allocated;
        for (unsigned k = 0; k < n_extra && !replaced; k++)
            replaced =
                strcmp(extra[k].card, card->name) == 0 && strcmp(extra[k].app, app->name) == 0;
        if (!replaced)
            sum_share(&app->allocation, &cpu_pct, &bps, &bytes);
    }
    for (unsigned k = 0; k < n_extra; k++)
        if (strcmp(extra[k].card, card->name) == 0)
            sum_share(&extra[k], &cpu_pct, &bps, &bytes);
    if (cpu_pct > 100 + ROUNDING_PCT)
        return over(err, card, "cpu_pct", cpu_pct, 100, "percent");
    if (bps > (double)card->capacity.bandwidth_bps)
        return over(err, card, "bandwidth_bps", bps, (double)card->capacity.bandwidth_bps, "bit/s");
    uint64_t link_bps = card->capacity.interconnect_bps;
    if (link_bps > 0 && bps > (double)link_bps)
        return over(err, card, "interconnect_bps", bps, (double)link_bps, "bit/s");
    if (bytes > (double)card->capacity.memory_bytes)
        return over(err, card, "memory_bytes", bytes, (double)card->capacity.memory_bytes, "bytes");
    return 0;
}

// -- Writing --

static struct json_object *
app_row(const struct app *app)
{
    struct json_object *row = json_object_new_object();
    json_object_object_add(row, "app", json_object_new_string(app->name));
    json_object_object_add(row, "card", json_object_new_string(app->card->name));
    json_object_object_add(row, "match", offload_matches_to_json(app->match, app->n_match));
    json_object_object_add(row, "chain", chain_to_json(&app->chain));
    json_object_object_add(row, "sla", offload_sla_to_json(&app->sla));
    if (app->allocated) {
        struct json_object *share = offload_allocation_to_json(&app->allocation);
        json_object_object_del(share, "card");
        json_object_object_del(share, "app");
        json_object_object_add(row, "allocation", share);
    }
    return row;
}

// Of an application that migrates, the card that would have it after a restart: the source until
// the commit, then the destination, which is active from there on.
static bool
stays(const struct cardd *d, const struct app *app)
{
    if (app->state != APP_SOURCE)
        return app->state != APP_DESTINATION;
    for (unsigned i = 0; i < d->n_cards; i++) {
        const struct app *other = card_app_find(d->cards[i], app->name);
        if (other && other->state == APP_ACTIVE)
            return false;
    }
    return true;
}

static struct json_object *
plan_to_json(const struct cardd *d)
{
    struct json_object *plan = json_object_new_object();
    struct json_object *cards = json_object_new_array(), *apps = json_object_new_array();
    for (unsigned i = 0; i < d->n_cards; i++) {
        const struct card *card = d->cards[i];
        if (card->from_api)
            json_object_array_add(cards, json_object_get(card->given));
        for (unsigned k = 0; k < card->n_apps; k++)
            if (stays(d, card->apps[k]))
                json_object_array_add(apps, app_row(card->apps[k]));
    }
    json_object_object_add(plan, "term", json_object_new_uint64(d->term));
    json_object_object_add(plan, "plan", json_object_new_uint64(d->plan));
    json_object_object_add(plan, "generation", json_object_new_uint64(d->generation));
    json_object_object_add(plan, "configured", json_object_get(d->configured));
    json_object_object_add(plan, "cards", cards);
    json_object_object_add(plan, "apps", apps);
    return plan;
}

void
plan_path(const struct cardd *d, char *path)
{
    snprintf(path, PLAN_PATH_MAX, "%s/cardd.plan", d->config.state_dir);
}

char *
plan_format(const struct cardd *d)
{
    struct json_object *plan = plan_to_json(d);
    char *text = strdup(json_object_to_json_string_ext(plan, JSON_C_TO_STRING_PRETTY));
    json_object_put(plan);
    return text;
}

int
plan_store(struct cardd *d, struct offload_err *err)
{
    char path[PLAN_PATH_MAX], *text = plan_format(d);
    plan_path(d, path);
    if (!text)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    return plan_file_store(path, text, err);
}

void
plan_changed(struct cardd *d, uint64_t term)
{
    if (term > d->term)
        d->term = term;
    if (d->loading)
        return;
    char line[800];
    struct offload_err err;
    if (plan_store(d, &err) != 0)
        log_error("could not store the plan, which is in force but would not survive a restart: %s",
                  offload_err_format(&err, line, sizeof line));
}

void
plan_changed_soon(struct cardd *d, uint64_t term)
{
    if (term > d->term || !plan_file_later())
        plan_changed(d, term);
}

// -- Reading --

static uint64_t
get_u64(struct json_object *o, const char *key)
{
    struct json_object *value = json_object_object_get(o, key);
    return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

static int
load_app(struct cardd *d, struct json_object *object, const char *path, struct offload_err *err)
{
    char where[160];
    struct app_config config;
    int rc = app_config_read(object, path, &config, err);
    if (rc != 0)
        return rc;
    struct card *card = card_find(d, config.card);
    if (!card)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "card"),
                               "name one of cards[]", "no card '%s'", config.card);
    const struct app *there = app_get(d, config.app, NULL, NULL);
    if (there)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "app"),
                               "give each application its own name",
                               "'%s' is there already, on card '%s'", config.app,
                               there->card->name);
    struct app *app = app_create(d, card, config.app, config.match, config.chain, config.sla,
                                 config.allocation, path, err);
    if (!app)
        return -EINVAL;
    app_recover(d, app);
    rc = app_attach(d, app, err);
    if (rc != 0)
        app_destroy(app);
    else
        json_object_put(shadows_tell(d, app));
    return rc;
}

// An application of the state file that no longer fits its card is left out with a warning: the
// card serves the others.
static void
load_saved_apps(struct cardd *d, struct json_object *apps)
{
    size_t n = json_object_is_type(apps, json_type_array) ? json_object_array_length(apps) : 0;
    for (size_t i = 0; i < n; i++) {
        char path[64], line[800];
        struct offload_err err;
        offload_json_path_index(path, sizeof path, "cardd.plan: apps", i);
        if (load_app(d, json_object_array_get_idx(apps, i), path, &err) != 0)
            log_error("an application of the last plan is left out: %s",
                      offload_err_format(&err, line, sizeof line));
    }
}

static bool
list_has(struct json_object *list, const char *name)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (json_object_is_type(item, json_type_string) &&
            strcmp(json_object_get_string(item), name) == 0)
            return true;
    }
    return false;
}

// Applications of cardd.json are taken over once; from then on the API decides about them.
static int
load_configured_apps(struct cardd *d, struct json_object *known, struct offload_err *err)
{
    size_t n = d->config.apps ? json_object_array_length(d->config.apps) : 0;
    for (size_t i = 0; i < n; i++) {
        char path[32];
        struct json_object *object = json_object_array_get_idx(d->config.apps, i);
        const char *name = json_object_get_string(json_object_object_get(object, "app"));
        json_object_array_add(d->configured, json_object_new_string(name));
        if (list_has(known, name))
            continue;
        int rc = load_app(d, object, offload_json_path_index(path, sizeof path, "apps", i), err);
        if (rc != 0) {
            offload_err_prefix(err, d->config.path);
            return rc;
        }
    }
    return 0;
}

static int
load_cards(struct cardd *d, struct json_object *saved, struct offload_err *err)
{
    size_t n = json_object_array_length(d->config.cards);
    for (size_t i = 0; i < n; i++) {
        char path[32];
        if (!card_create(d, json_object_array_get_idx(d->config.cards, i),
                         offload_json_path_index(path, sizeof path, "cards", i), err)) {
            offload_err_prefix(err, d->config.path);
            return -EINVAL;
        }
    }
    n = json_object_is_type(saved, json_type_array) ? json_object_array_length(saved) : 0;
    for (size_t i = 0; i < n; i++) {
        char path[64], line[800];
        struct offload_err lost;
        struct card *card =
            card_create(d, json_object_array_get_idx(saved, i),
                        offload_json_path_index(path, sizeof path, "cardd.plan: cards", i), &lost);
        if (card)
            card->from_api = true;
        else
            log_error("a card of the last plan is left out: %s",
                      offload_err_format(&lost, line, sizeof line));
    }
    return 0;
}

static int
load_from(struct cardd *d, struct json_object *plan, struct offload_err *err)
{
    int rc = load_cards(d, json_object_object_get(plan, "cards"), err);
    if (rc != 0)
        return rc;
    d->term = get_u64(plan, "term");
    d->plan = get_u64(plan, "plan");
    d->generation += get_u64(plan, "generation");
    load_saved_apps(d, json_object_object_get(plan, "apps"));
    return load_configured_apps(d, json_object_object_get(plan, "configured"), err);
}

int
plan_load(struct cardd *d, struct offload_err *err)
{
    char path[PLAN_PATH_MAX];
    struct json_object *plan = NULL;
    plan_path(d, path);
    d->configured = json_object_new_array();
    struct offload_err local;
    plan = offload_json_load(path, PLAN_BYTES_MAX, &local);
    if (!plan && local.code != -ENOENT) {
        if (err)
            *err = local;
        return local.code;
    }
    if (plan && !json_object_is_type(plan, json_type_object)) {
        json_object_put(plan);
        return offload_err_set(err, -EINVAL, path, "move the file away to start without a plan",
                               "not an object");
    }
    uint64_t began_cycles = rte_rdtsc();
    d->loading = d->folder.loading = true;
    int rc = load_from(d, plan, err);
    d->loading = d->folder.loading = false;
    if (rc == 0 && d->folder.path[0])
        flow_folder_sweep(&d->folder, began_cycles); // what is left belongs to nobody
    json_object_put(plan);
    if (rc == 0)
        plan_changed(d, d->term);
    return rc;
}
