// SPDX-License-Identifier: Apache-2.0
// Cards, applications and function instances: made and taken away by the control thread, from JSON.
#include "dpdk-app/cardd.h"
#include "dpdk-app/hardware.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/port.h"
#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include "lib/base/json.h"
#include "lib/io/log.h"

#include <json-c/json.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const app_state_names[] = {"requested", "active", "source", "destination"};

// -- Finding --

struct card *
card_find(struct cardd *d, const char *name)
{
    for (unsigned i = 0; i < d->n_cards; i++)
        if (strcmp(d->cards[i]->name, name) == 0)
            return d->cards[i];
    return NULL;
}

struct app *
card_app_find(struct card *card, const char *app)
{
    for (unsigned i = 0; i < card->n_apps; i++)
        if (strcmp(card->apps[i]->name, app) == 0)
            return card->apps[i];
    return NULL;
}

static void
err_not_found(struct offload_err *err, const char *kind, const char *name, const char *const *known)
{
    char expected[96] = "";
    const char *near = offload_nearest(name, known);
    if (near)
        snprintf(expected, sizeof expected, "did you mean '%s'?", near);
    else if (known[0])
        snprintf(expected, sizeof expected, "there is '%s'", known[0]);
    offload_err_set(err, -ENOENT, kind, expected, "no %s '%s'", kind, name);
}

struct card *
card_get(struct cardd *d, const char *name, struct offload_err *err)
{
    struct card *card = card_find(d, name);
    if (card)
        return card;
    const char *known[CARDS_MAX + 1] = {NULL};
    for (unsigned i = 0; i < d->n_cards; i++)
        known[i] = d->cards[i]->name;
    err_not_found(err, "card", name, known);
    return NULL;
}

struct app *
app_get(struct cardd *d, const char *app, const char *card, struct offload_err *err)
{
    static const char *known[CARDS_MAX * CARD_APPS_MAX + 1]; // too much for a stack
    unsigned n = 0;
    struct app *found = NULL;
    if (card && !card_get(d, card, err))
        return NULL;
    for (unsigned i = 0; i < d->n_cards; i++)
        for (unsigned k = 0; k < d->cards[i]->n_apps; k++) {
            struct app *a = d->cards[i]->apps[k];
            known[n++] = a->name;
            if (strcmp(a->name, app) != 0 || (card && strcmp(card, d->cards[i]->name) != 0))
                continue;
            if (!found || (found->state == APP_DESTINATION && a->state != APP_DESTINATION))
                found = a;
        }
    known[n] = NULL;
    if (!found)
        err_not_found(err, "app", app, known);
    return found;
}

// -- Cards --

// The lanes of a worker: those that it has without those of card 'leave', and 'add'.
static int
set_worker_lanes(struct cardd *d, unsigned worker, struct lane *add, const struct card *leave)
{
    struct worker *w = d->workers[worker];
    struct lane_set *old = atomic_load_explicit(&w->lanes, memory_order_relaxed);
    struct lane_set *next = calloc(1, sizeof *next);
    if (!next)
        return -ENOMEM;
    for (unsigned i = 0; i < old->n; i++)
        if (old->lane[i]->card != leave)
            next->lane[next->n++] = old->lane[i];
    if (add)
        next->lane[next->n++] = add;
    atomic_store_explicit(&w->lanes, next, memory_order_release); // pairs with worker_main()
    defer_free(d, free, old);
    return 0;
}

static unsigned
cards_on(const struct cardd *d, unsigned worker)
{
    unsigned n = 0;
    for (unsigned k = 0; k < d->n_cards; k++)
        for (unsigned i = 0; i < d->cards[k]->n_workers; i++)
            n += d->cards[k]->workers[i] == worker;
    return n ? n : 1;
}

// Where nothing is configured, the workers' cycles and the packet buffers divide among the cards,
// as many as there are.
static struct capacity
measure_capacity(const struct cardd *d, const struct card *card)
{
    struct capacity capacity = card->configured;
    if (capacity.cycles_per_s == 0)
        for (unsigned i = 0; i < card->n_workers; i++)
            capacity.cycles_per_s += d->tsc_hz / cards_on(d, card->workers[i]);
    if (capacity.memory_bytes == 0)
        capacity.memory_bytes = d->config.mbufs * d->pkt_bytes / d->n_cards;
    if (capacity.bandwidth_bps == 0)
        capacity.bandwidth_bps = (uint64_t)card->n_ports * 10 * 1000 * 1000 * 1000;
    // What a packet takes in and out crosses the slowest of the ports' links once each way.
    for (unsigned i = 0; i < card->n_ports && card->configured.interconnect_bps == 0; i++) {
        struct interconnect link;
        if (interconnect_of(card->ports[i].devargs, &link) &&
            (capacity.interconnect_bps == 0 || link.bps < capacity.interconnect_bps))
            capacity.interconnect_bps = link.bps;
    }
    return capacity;
}

// A card has come: what others had measured becomes less. -ENOSPC if one has promised more than
// that; then nothing has changed.
static int
check_capacities(struct cardd *d, const struct card *come, struct offload_err *err)
{
    for (unsigned i = 0; i < d->n_cards; i++) {
        struct card *card = d->cards[i];
        struct capacity now = card->capacity;
        card->capacity = measure_capacity(d, card);
        int rc = card == come ? 0 : allocation_fits(card, NULL, 0, err);
        card->capacity = now;
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void
renew_capacities(struct cardd *d)
{
    for (unsigned i = 0; i < d->n_cards; i++) {
        struct card *card = d->cards[i];
        struct capacity before = card->capacity;
        card->capacity = measure_capacity(d, card);
        if (atomic_load_explicit(&card->snapshot, memory_order_relaxed) &&
            memcmp(&before, &card->capacity, sizeof before) != 0)
            card_publish(d, card, NULL); // out of memory: the old figures stay in force
    }
}

static void
card_free(void *arg)
{
    struct card *card = arg;
    if (!card)
        return;
    json_object_put(card->given);
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        lane_destroy(card->lane[i]);
    rte_free(card);
}

static struct card *
card_alloc(struct cardd *d, const struct card_config *config, struct json_object *given)
{
    struct card *card = rte_zmalloc("card", sizeof *card, RTE_CACHE_LINE_SIZE);
    if (!card)
        return NULL;
    snprintf(card->name, sizeof card->name, "%s", config->card);
    card->cardd = d;
    card->n_workers = config->n_workers;
    for (unsigned i = 0; i < config->n_workers; i++)
        card->workers[i] = config->workers[i];
    memset(card->bucket, (int)card->workers[0], sizeof card->bucket);
    card->assignment = 1;
    card->flow_entries = config->flow_entries;
    card->managed = config->managed;
    card->configured = (struct capacity){config->cycles_per_s, config->bandwidth_bps,
                                         config->memory_bytes, config->interconnect_bps};
    card->n_ports = config->n_ports;
    for (unsigned i = 0; i < config->n_ports; i++) {
        snprintf(card->ports[i].devargs, sizeof card->ports[i].devargs, "%s", config->devargs[i]);
        card->ports[i].descriptors = (unsigned)config->descriptors[i];
        card->ports[i].queues_wanted = config->n_workers;
        card->ports[i].tx_shared = d->n_workers > 1;
    }
    card->given = json_object_get(given);
    for (unsigned i = 0; i < card->n_workers; i++)
        if (!lane_create(card, card->workers[i])) {
            card_free(card);
            return NULL;
        }
    return card;
}

struct card *
card_create(struct cardd *d, struct json_object *given, const char *path, struct offload_err *err)
{
    struct card_config config;
    if (card_config_read(given, path, d->n_workers, &config, err) != 0)
        return NULL;
    if (card_find(d, config.card)) {
        offload_err_set(err, -EINVAL, path, "give each card its own name",
                        "card '%s' is there already", config.card);
        return NULL;
    }
    if (d->n_cards == CARDS_MAX) {
        offload_err_set(err, -ENOSPC, path, NULL, "there are %d cards already", CARDS_MAX);
        return NULL;
    }
    struct card *card = card_alloc(d, &config, given);
    if (!card) {
        offload_err_set(err, -ENOMEM, path, "give DPDK more memory", "out of memory for card '%s'",
                        config.card);
        return NULL;
    }
    d->cards[d->n_cards++] = card;
    if (check_capacities(d, card, err) != 0) {
        d->n_cards--;
        card_free(card);
        offload_err_prefix(err, "with one card more");
        return NULL;
    }
    renew_capacities(d);
    if (card_publish(d, card, err) != 0)
        goto forget;
    for (unsigned i = 0; i < card->n_workers; i++)
        if (set_worker_lanes(d, card->workers[i], card->lane[card->workers[i]], NULL) != 0) {
            offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
            card_remove(d, card);
            return NULL;
        }
    if (card_open_ports(card, d->pool, err) != 0) {
        card_remove(d, card);
        return NULL;
    }
    return card;

forget:
    d->n_cards--;
    renew_capacities(d);
    if (atomic_load_explicit(&card->snapshot, memory_order_relaxed))
        card_unpublish(d, card);
    card_free(card);
    return NULL;
}

static void
card_close_and_free(void *arg)
{
    struct card *card = arg;
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (card->lane[i])
            transmit_drop_all(card->lane[i]);
    card_close_ports(card);
    card_free(card);
}

void
card_remove(struct cardd *d, struct card *card)
{
    unsigned i = 0;
    while (d->cards[i] != card)
        i++;
    memmove(&d->cards[i], &d->cards[i + 1], (--d->n_cards - i) * sizeof d->cards[0]);
    for (unsigned k = 0; k < CONFIG_WORKERS_MAX; k++)
        if (card->lane[k] && set_worker_lanes(d, k, NULL, card) != 0)
            return; // out of memory: a worker keeps an idle card, nobody else knows it
    renew_capacities(d);
    card_unpublish(d, card);
    defer_free(d, card_close_and_free, card);
}

// Workers that are new to the card get a lane first, which serves nothing until it is assigned
// flows. One that leaves keeps an empty one.
int
card_set_workers(struct cardd *d, struct card *card, const unsigned *workers, unsigned n,
                 struct offload_err *err)
{
    struct card before = {.n_workers = card->n_workers, .capacity = card->capacity};
    memcpy(before.workers, card->workers, sizeof before.workers);
    for (unsigned i = 0; i < n; i++) {
        if (card->lane[workers[i]])
            continue;
        struct lane *lane = lane_create(card, workers[i]);
        if (!lane || set_worker_lanes(d, workers[i], lane, NULL) != 0)
            return offload_err_set(err, -ENOMEM, card->name, "give DPDK more memory",
                                   "out of memory for worker %u", workers[i]);
    }
    memcpy(card->workers, workers, n * sizeof *workers);
    card->n_workers = n;
    card->capacity = measure_capacity(d, card);
    int rc = card_publish(d, card, err);
    if (rc != 0) {
        memcpy(card->workers, before.workers, sizeof before.workers);
        card->n_workers = before.n_workers;
        card->capacity = before.capacity;
        return rc;
    }
    renew_capacities(d);
    return 0;
}

// -- Function instances and chains --

static void
fn_inst_unref(struct fn_inst *fn)
{
    if (--fn->refs > 0)
        return;
    fn->ops->destroy(fn->state);
    json_object_put(fn->params_json);
    free(fn->params);
    rte_free(fn);
}

void
chain_unref(struct chain *chain)
{
    for (unsigned i = 0; i < chain->n; i++)
        fn_inst_unref(chain->fn[i]);
    chain->n = 0;
}

// What an instance of 'ops' finds around it, behind those of 'before' in its chain.
static struct fn_env
env_of(const struct cardd *d, struct app *app, const struct fn_ops *ops, const struct chain *before)
{
    struct fn_env env = {.app = app->name,
                         .card = app->card->name,
                         .quota = &app->quota,
                         .tsc_hz = d->tsc_hz,
                         .folder = d->folder.path[0] ? &d->folder : NULL,
                         .standby = app->state == APP_DESTINATION};
    for (unsigned i = 0; i < before->n; i++)
        env.occurrence += before->fn[i]->ops == ops;
    return env;
}

// One that shares the state of 'old', if that is given and the function can; else a new one.
static int
fn_inst_start(struct cardd *d, struct app *app, struct fn_inst *fn, const struct chain *before,
              const struct fn_inst *old, const char *path, struct offload_err *err)
{
    static uint64_t lineages;
    struct fn_env env = env_of(d, app, fn->ops, before);
    int rc = offload_opt_read(fn->ops->params, fn->params_json, path, fn->params,
                              fn->ops->params_bytes, err);
    if (rc != 0)
        return rc;
    struct offload_err why = {0};
    if (old && fn->ops->renew) {
        fn->state = fn->ops->renew(old->state, fn->params, &env, &why);
        fn->lineage = old->lineage;
    }
    if (!fn->state && why.code == 0) {
        fn->state = fn->ops->create(fn->params, &env, &why);
        fn->lineage = ++lineages;
    }
    if (fn->state)
        return 0;
    *err = why;
    offload_err_prefix(err, path);
    return err->code;
}

static struct fn_inst *
fn_inst_create(struct cardd *d, struct app *app, const struct fn_ops *ops,
               struct json_object *params, const struct chain *before, const struct fn_inst *old,
               const char *path, struct offload_err *err)
{
    struct fn_inst *fn = rte_zmalloc("fn_inst", sizeof *fn, RTE_CACHE_LINE_SIZE);
    if (fn)
        fn->params = calloc(1, ops->params_bytes + 1);
    if (!fn || !fn->params) {
        offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
        rte_free(fn);
        return NULL;
    }
    fn->ops = ops;
    fn->refs = 1;
    fn->params_json = params ? json_object_get(params) : json_object_new_object();
    if (fn_inst_start(d, app, fn, before, old, path, err) == 0)
        return fn;
    json_object_put(fn->params_json);
    free(fn->params);
    rte_free(fn);
    return NULL;
}

// An instance of the application's present chain that 'taken' does not have: with equal parameters
// it stays, since an update must not lose its state; '*old' is one with others.
static struct fn_inst *
fn_inst_reuse(const struct app *app, const struct fn_ops *ops, struct json_object *params,
              const struct chain *taken, struct fn_inst **old)
{
    struct json_object *empty = json_object_new_object();
    struct fn_inst *found = NULL;
    *old = NULL;
    for (unsigned i = 0; i < app->chain.n && !found; i++) {
        struct fn_inst *fn = app->chain.fn[i];
        bool used = fn->ops != ops;
        for (unsigned k = 0; k < taken->n; k++)
            used |= taken->fn[k]->lineage == fn->lineage;
        if (used)
            continue;
        if (json_object_equal(fn->params_json, params ? params : empty)) {
            fn->refs++;
            found = fn;
        } else if (!*old) {
            *old = fn;
        }
    }
    json_object_put(empty);
    return found;
}

static int
chain_read_one(struct cardd *d, struct app *app, struct json_object *given, const char *path,
               struct chain *chain, struct offload_err *err)
{
    char where[160];
    const struct fn_ops *ops;
    struct json_object *params;
    int rc = fn_config_read(given, path, &ops, &params, err);
    if (rc != 0)
        return rc;
    struct fn_inst *old, *fn = fn_inst_reuse(app, ops, params, chain, &old);
    if (!fn)
        fn = fn_inst_create(d, app, ops, params, chain, old,
                            offload_json_path(where, sizeof where, path, "params"), err);
    if (!fn)
        return err ? err->code : -EINVAL;
    chain->fn[chain->n++] = fn;
    return 0;
}

int
chain_read(struct cardd *d, struct app *app, struct json_object *given, const char *path,
           struct chain *out, struct offload_err *err)
{
    struct chain chain = {0};
    struct offload_err local;
    err = err ? err : &local;
    int rc = chain_config_check(given, path, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < json_object_array_length(given); i++) {
        char where[160];
        rc = chain_read_one(d, app, json_object_array_get_idx(given, i),
                            offload_json_path_index(where, sizeof where, path, i), &chain, err);
        if (rc != 0) {
            chain_unref(&chain);
            return rc;
        }
    }
    *out = chain;
    return 0;
}

void
functions_control(struct cardd *d)
{
    for (unsigned i = 0; i < d->n_cards; i++)
        for (unsigned k = 0; k < d->cards[i]->n_apps; k++) {
            const struct chain *chain = &d->cards[i]->apps[k]->chain;
            for (unsigned f = 0; f < chain->n; f++)
                if (chain->fn[f]->ops->control)
                    chain->fn[f]->ops->control(chain->fn[f]->state);
        }
}

struct json_object *
chain_to_json(const struct chain *chain)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < chain->n; i++) {
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "fn", json_object_new_string(chain->fn[i]->ops->name));
        json_object_object_add(row, "params", json_object_get(chain->fn[i]->params_json));
        json_object_array_add(list, row);
    }
    return list;
}

// -- Applications --

void
app_destroy(struct app *app)
{
    if (!app)
        return;
    chain_unref(&app->chain);
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        app_run_destroy(app->run[i]);
    rte_free(app);
}

static void
app_free(void *arg)
{
    app_destroy(arg);
}

static struct app *
app_alloc(struct card *card, const char *name)
{
    struct app *app = rte_zmalloc("app", sizeof *app, RTE_CACHE_LINE_SIZE);
    if (!app)
        return NULL;
    snprintf(app->name, sizeof app->name, "%s", name);
    app->card = card;
    app->home = LANE_SPREAD;
    app->state = card->managed ? APP_REQUESTED : APP_ACTIVE;
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (card->lane[i] && !app_run_create(app, card->lane[i])) {
            app_destroy(app);
            return NULL;
        }
    return app;
}

static int
app_read(struct cardd *d, struct app *app, struct json_object *match, struct json_object *chain,
         struct json_object *sla, struct json_object *allocation, const char *path,
         struct offload_err *err)
{
    char where[160];
    struct json_object *empty = json_object_new_object();
    int rc = offload_matches_read(match, offload_json_path(where, sizeof where, path, "match"),
                                  app->match, OFFLOAD_MATCHES_MAX, &app->n_match, err);
    if (rc == 0)
        rc = offload_sla_read(sla ? sla : empty,
                              offload_json_path(where, sizeof where, path, "sla"), &app->sla, err);
    json_object_put(empty);
    if (rc == 0)
        rc = chain_read(d, app, chain, offload_json_path(where, sizeof where, path, "chain"),
                        &app->chain, err);
    if (rc != 0 || !allocation)
        return rc;
    offload_json_path(where, sizeof where, path, "allocation");
    rc = offload_allocation_read_share(allocation, where, app->card->name, app->name,
                                       &app->allocation, err);
    if (rc == 0)
        rc = allocation_fits(app->card, &app->allocation, 1, err);
    if (rc == 0) {
        app->allocated = true;
        app->state = APP_ACTIVE;
    }
    return rc;
}

struct app *
app_create(struct cardd *d, struct card *card, const char *name, struct json_object *match,
           struct json_object *chain, struct json_object *sla, struct json_object *allocation,
           const char *path, struct offload_err *err)
{
    struct app *app = app_alloc(card, name);
    if (!app) {
        offload_err_set(err, -ENOMEM, path, "give DPDK more memory",
                        "out of memory for application '%s'", name);
        return NULL;
    }
    if (app_read(d, app, match, chain, sla, allocation, path, err) != 0) {
        app_destroy(app);
        return NULL;
    }
    return app;
}

void
app_recover(struct cardd *d, struct app *app)
{
    app->quota.limit = UINT64_MAX; // its worker puts its share in force when it adopts it
    for (unsigned i = 0; i < app->chain.n; i++) {
        struct fn_inst *fn = app->chain.fn[i];
        if (!fn->ops->recover || !d->folder.path[0])
            continue;
        int rc = fn->ops->recover(fn->state, rte_rdtsc(), &fn->recovered);
        const struct fn_recovered *r = &fn->recovered;
        if (rc != 0)
            log_warning("%s of '%s' begins without state: what is in %s %s", fn->ops->name,
                        app->name, d->folder.path,
                        rc == -EPROTO ? "is of another version or boot" : strerror(-rc));
        else if (r->torn + r->refused > 0)
            log_warning("%s of '%s' goes on with %" PRIu64 " entries, without %" PRIu64
                        " torn and %" PRIu64 " that do not fit",
                        fn->ops->name, app->name, r->entries, r->torn, r->refused);
        else if (r->entries > 0)
            log_notice("%s of '%s' goes on with %" PRIu64 " entries", fn->ops->name, app->name,
                       r->entries);
    }
    app->quota.limit = 0;
}

struct app *
app_create_like(struct cardd *d, struct card *card, const struct app *like,
                const struct offload_allocation *allocation, struct offload_err *err)
{
    struct app *app = app_alloc(card, like->name);
    if (!app) {
        offload_err_set(err, -ENOMEM, card->name, "give DPDK more memory",
                        "out of memory for application '%s'", like->name);
        return NULL;
    }
    struct json_object *chain = chain_to_json(&like->chain);
    app->state = APP_DESTINATION;
    int rc = chain_read(d, app, chain, "chain", &app->chain, err);
    json_object_put(chain);
    if (rc != 0) {
        app_destroy(app);
        return NULL;
    }
    memcpy(app->match, like->match, sizeof app->match);
    app->n_match = like->n_match;
    app->sla = like->sla;
    app->allocation = *allocation;
    app->allocated = true;
    return app;
}

int
app_attach(struct cardd *d, struct app *app, struct offload_err *err)
{
    struct card *card = app->card;
    if (card->draining)
        return offload_err_set(err, -EBUSY, card->name, "use another card",
                               "the card drains and takes no application");
    if (card->n_apps == CARD_APPS_MAX)
        return offload_err_set(err, -ENOSPC, card->name, NULL,
                               "the card has %d applications already", CARD_APPS_MAX);
    card->apps[card->n_apps++] = app;
    int rc = card_publish(d, card, err);
    if (rc != 0)
        card->n_apps--;
    else
        app->generation = card->generation;
    return rc;
}

int
app_detach(struct cardd *d, struct app *app, struct offload_err *err)
{
    struct card *card = app->card;
    unsigned i = 0;
    while (card->apps[i] != app)
        i++;
    memmove(&card->apps[i], &card->apps[i + 1], (card->n_apps - i - 1) * sizeof card->apps[0]);
    card->n_apps--;
    int rc = card_publish(d, card, err);
    if (rc != 0) {
        card->apps[card->n_apps++] =
            app; // at the end: out of memory costs it its place, not its service
        return rc;
    }
    defer_free(d, app_free, app);
    return 0;
}
