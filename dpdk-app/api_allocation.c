// SPDX-License-Identifier: Apache-2.0
// allocation.get|set: a plan, all or nothing. Main thread.
#include "dpdk-app/cardd.h"
#include "dpdk-app/params.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUESTS = 256, // answers that are remembered
    REQUEST_ID_MAX = 64,
};

struct request {
    char id[REQUEST_ID_MAX + 1];
    uint64_t generation;
};

static int
allocation_get(void *ctx, struct rpc_peer *peer, struct json_object *params,
               struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, &p, err);
    if (rc != 0)
        return rc;
    if (p.card[0] && !card_get(d, p.card, err))
        return err->code;
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < d->n_cards; i++)
        for (unsigned k = 0; k < d->cards[i]->n_apps; k++) {
            const struct app *app = d->cards[i]->apps[k];
            if (app->allocated && (!p.card[0] || strcmp(p.card, d->cards[i]->name) == 0) &&
                (!p.app[0] || strcmp(p.app, app->name) == 0))
                json_object_array_add(list, offload_allocation_to_json(&app->allocation));
        }
    *result = json_object_new_object();
    json_object_object_add(*result, "generation", json_object_new_uint64(d->generation));
    json_object_object_add(*result, "plan", json_object_new_uint64(d->plan));
    json_object_object_add(*result, "term", json_object_new_uint64(d->term));
    json_object_object_add(*result, "allocations", list);
    return 0;
}

struct set_params {
    uint64_t term, plan;
    char request_id[REQUEST_ID_MAX + 1];
    bool dry_run;
    struct json_object *allocations;
};
#define SET_OPT(field) .key = #field, .offset = offsetof(struct set_params, field)
const struct offload_opt allocation_set_opts[] = {
    {SET_OPT(term), .type = OFFLOAD_OPT_U64, .least = 0, .most = OFFLOAD_TERM_MOST,
     .flags = OFFLOAD_OPT_REQUIRED, .help = "fencing number"},
    {SET_OPT(plan), .type = OFFLOAD_OPT_U64, .least = 0, .most = 9e15,
     .flags = OFFLOAD_OPT_REQUIRED, .help = "number of the plan"},
    {SET_OPT(request_id), .type = OFFLOAD_OPT_STRING, .size = REQUEST_ID_MAX + 1,
     .help = "seen before: answered as then"},
    {SET_OPT(dry_run), .type = OFFLOAD_OPT_BOOL, .default_text = "false", .help = "check only"},
    {SET_OPT(allocations), .type = OFFLOAD_OPT_ARRAY, .flags = OFFLOAD_OPT_REQUIRED,
     .fields = offload_allocation_opts, .object = "ALLOCATION", .help = "what is to be"},
    OFFLOAD_OPT_END,
};

// A plan in hand: what is to be, for whom, and what then is in force on each card.
struct plan {
    unsigned n;
    struct offload_allocation *want;
    struct app **app;
    struct snapshot *snapshot[CARDS_MAX]; // by index into cardd.cards; NULL: not touched
};

static void
plan_fini(struct plan *plan)
{
    for (unsigned i = 0; i < CARDS_MAX; i++)
        if (plan->snapshot[i])
            snapshot_discard(plan->snapshot[i]);
    free(plan->want);
    free(plan->app);
}

static int
plan_read_one(struct cardd *d, struct json_object *object, const char *path, struct plan *plan,
              unsigned i, struct offload_err *err)
{
    struct offload_allocation *a = &plan->want[i];
    int rc = offload_allocation_read(object, path, a, err);
    if (rc != 0)
        return rc;
    plan->app[i] = app_get(d, a->app, a->card, err);
    if (!plan->app[i]) {
        offload_err_prefix(err, path);
        return err->code;
    }
    for (unsigned k = 0; k < i; k++)
        if (plan->app[k] == plan->app[i])
            return offload_err_set(err, -EINVAL, path,
                                   "give each application one allocation a card",
                                   "application '%s' on card '%s' is there twice", a->app, a->card);
    return 0;
}

static int
plan_read(struct cardd *d, struct json_object *list, struct plan *plan, struct offload_err *err)
{
    size_t n = json_object_array_length(list);
    if (n > CARDS_MAX * CARD_APPS_MAX)
        return offload_err_set(err, -ERANGE, "allocations", NULL,
                               "%zu allocations are more than there can be applications", n);
    plan->want = calloc(n + 1, sizeof *plan->want);
    plan->app = calloc(n + 1, sizeof *plan->app);
    if (!plan->want || !plan->app)
        return offload_err_set(err, -ENOMEM, "allocations", NULL, "out of memory");
    for (; plan->n < n; plan->n++) {
        char path[64];
        int rc = plan_read_one(d, json_object_array_get_idx(list, plan->n),
                               offload_json_path_index(path, sizeof path, "allocations", plan->n),
                               plan, plan->n, err);
        if (rc != 0)
            return rc;
    }
    for (unsigned i = 0; i < d->n_cards; i++) {
        int rc = allocation_fits(d->cards[i], plan->want, plan->n, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

struct app_before {
    bool allocated;
    struct offload_allocation allocation;
    enum app_state state;
};

static void
plan_set_apps(struct plan *plan, struct app_before *before)
{
    for (unsigned i = 0; i < plan->n; i++) {
        struct app *app = plan->app[i];
        before[i] = (struct app_before){app->allocated, app->allocation, app->state};
        app->allocated = true;
        app->allocation = plan->want[i];
        if (app->state == APP_REQUESTED)
            app->state = APP_ACTIVE;
    }
}

static void
plan_restore_apps(struct plan *plan, const struct app_before *before)
{
    for (unsigned i = 0; i < plan->n; i++) {
        plan->app[i]->allocated = before[i].allocated;
        plan->app[i]->allocation = before[i].allocation;
        plan->app[i]->state = before[i].state;
    }
}

static bool
plan_touches(const struct plan *plan, const struct card *card)
{
    for (unsigned i = 0; i < plan->n; i++)
        if (plan->app[i]->card == card)
            return true;
    return false;
}

// All snapshots are built before the first is put in force: memory that runs out changes nothing.
static int
plan_apply(struct cardd *d, struct plan *plan, struct offload_err *err)
{
    struct app_before *before = calloc(plan->n + 1, sizeof *before);
    if (!before)
        return offload_err_set(err, -ENOMEM, "allocations", NULL, "out of memory");
    plan_set_apps(plan, before);
    int rc = 0;
    for (unsigned i = 0; i < d->n_cards && rc == 0; i++)
        if (plan_touches(plan, d->cards[i]) &&
            !(plan->snapshot[i] = snapshot_build(d->cards[i], err)))
            rc = err->code;
    if (rc != 0)
        plan_restore_apps(plan, before);
    free(before);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < d->n_cards; i++)
        if (plan->snapshot[i]) {
            snapshot_commit(d, d->cards[i], plan->snapshot[i]);
            plan->snapshot[i] = NULL;
        }
    for (unsigned i = 0; i < plan->n; i++)
        plan->app[i]->generation = plan->app[i]->card->generation;
    return 0;
}

static const struct request *
request_find(const struct cardd *d, const char *id)
{
    for (unsigned i = 0; d->requests && id[0] && i < REQUESTS; i++)
        if (strcmp(d->requests[i].id, id) == 0)
            return &d->requests[i];
    return NULL;
}

static void
request_remember(struct cardd *d, const char *id)
{
    if (!id[0])
        return;
    if (!d->requests)
        d->requests = calloc(REQUESTS, sizeof *d->requests);
    if (!d->requests)
        return;
    struct request *r = &d->requests[d->next_request++ % REQUESTS];
    snprintf(r->id, sizeof r->id, "%s", id);
    r->generation = d->generation;
}

static void
announce(struct cardd *d, uint64_t plan, const struct plan *p)
{
    struct json_object *event = json_object_new_object(), *list = json_object_new_array();
    for (unsigned i = 0; i < p->n; i++)
        json_object_array_add(list, offload_allocation_to_json(&p->want[i]));
    json_object_object_add(event, "plan", json_object_new_uint64(plan));
    json_object_object_add(event, "allocations", list);
    event_emit(d, EVENT_ALLOCATION, event);
}

static int
allocation_set(void *ctx, struct rpc_peer *peer, struct json_object *params,
               struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct set_params p = {.term = 0};
    struct plan plan = {.n = 0};
    (void)peer;
    int rc = offload_opt_read(allocation_set_opts, params, "", &p, sizeof p, err);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    const struct request *seen = request_find(d, p.request_id);
    uint64_t generation = seen ? seen->generation : 0;
    if (!seen) {
        rc = plan_read(d, p.allocations, &plan, err);
        if (rc == 0 && !p.dry_run) {
            rc = plan_apply(d, &plan, err);
            if (rc == 0) {
                d->plan = p.plan;
                request_remember(d, p.request_id);
                plan_changed_soon(d, p.term);
                announce(d, p.plan, &plan);
            }
        }
        generation = d->generation;
        plan_fini(&plan);
    }
    if (rc != 0)
        return rc;
    *result = json_object_new_object();
    json_object_object_add(*result, "generation", json_object_new_uint64(generation));
    return 0;
}

const struct rpc_method allocation_methods[] = {
    {"allocation.get", allocation_get, "allocations in force"},
    {"allocation.set", allocation_set, "sets allocations, all or nothing"},
    {.name = NULL},
};
