// SPDX-License-Identifier: Apache-2.0
// app.list|add|update|remove. Each reads and checks all, then changes. Main thread.
#include "dpdk-app/cardd.h"
#include "dpdk-app/params.h"

#include <json-c/json.h>

#include <errno.h>
#include <string.h>

static const char *
or_null(const char *name)
{
    return name[0] ? name : NULL;
}

static int
app_list(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
         struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, &p, err);
    if (rc != 0)
        return rc;
    if (p.card[0] && !card_get(d, p.card, err))
        return err->code;
    if (p.app[0] && !app_get(d, p.app, or_null(p.card), err))
        return err->code;
    struct json_object *apps = json_object_new_array();
    for (unsigned i = 0; i < d->n_cards; i++)
        for (unsigned k = 0; k < d->cards[i]->n_apps; k++) {
            const struct app *app = d->cards[i]->apps[k];
            if ((!p.card[0] || strcmp(p.card, d->cards[i]->name) == 0) &&
                (!p.app[0] || strcmp(p.app, app->name) == 0))
                json_object_array_add(apps, app_to_json(d, app));
        }
    *result = json_object_new_object();
    json_object_object_add(*result, "apps", apps);
    return 0;
}

static int
app_add(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
        struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, &p, err);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    struct card *card = card_get(d, p.card, err);
    if (!card)
        return err->code;
    struct app *there = app_get(d, p.app, NULL, NULL);
    if (there)
        return offload_err_set(err, -EINVAL, "app", "use app.update, or another name",
                               "'%s' is there already, on card '%s'", p.app, there->card->name);
    struct app *app = app_create(d, card, p.app, p.match, p.chain, p.sla, NULL, "", err);
    if (!app)
        return err->code;
    rc = app_attach(d, app, err);
    if (rc != 0) {
        app_destroy(app);
        return rc;
    }
    plan_changed(d, p.term);
    *result = json_object_new_object();
    json_object_object_add(*result, "state", json_object_new_string(app_state_names[app->state]));
    json_object_object_add(*result, "warnings", shadows_tell(d, app));
    return 0;
}

struct app_parts {
    struct offload_match match[OFFLOAD_MATCHES_MAX];
    unsigned n_match;
    struct offload_sla sla;
    struct chain chain;
};

static void
app_exchange(struct app *app, struct app_parts *parts)
{
    struct app_parts old = {.n_match = app->n_match, .sla = app->sla, .chain = app->chain};
    memcpy(old.match, app->match, sizeof old.match);
    memcpy(app->match, parts->match, sizeof app->match);
    app->n_match = parts->n_match;
    app->sla = parts->sla;
    app->chain = parts->chain;
    *parts = old;
}

// The new parts; what is not given stays as it is. The chain is a new one, of the same instances
// where they are equal.
static int
read_parts(struct cardd *d, struct app *app, const struct params *p, struct app_parts *parts,
           struct offload_err *err)
{
    *parts = (struct app_parts){.n_match = app->n_match, .sla = app->sla};
    memcpy(parts->match, app->match, sizeof parts->match);
    int rc = 0;
    if (p->match)
        rc = offload_matches_read(p->match, "match", parts->match, OFFLOAD_MATCHES_MAX,
                                  &parts->n_match, err);
    if (rc == 0 && p->sla)
        rc = offload_sla_read(p->sla, "sla", &parts->sla, err);
    struct json_object *chain = p->chain ? json_object_get(p->chain) : chain_to_json(&app->chain);
    if (rc == 0)
        rc = chain_read(d, app, chain, "chain", &parts->chain, err);
    json_object_put(chain);
    return rc;
}

static int
app_update(void *ctx, struct rpc_peer *peer, struct json_object *params,
           struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, &p, err);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    struct app *app = app_get(d, p.app, or_null(p.card), err);
    if (!app)
        return err->code;
    if (app->state == APP_SOURCE || app->state == APP_DESTINATION)
        return offload_err_set(err, -EBUSY, "app", "wait for the end of its migration, or abort it",
                               "'%s' migrates", app->name);
    struct app_parts parts;
    rc = read_parts(d, app, &p, &parts, err);
    if (rc != 0)
        return rc;
    app_exchange(app, &parts);
    rc = card_publish(d, app->card, err);
    if (rc != 0)
        app_exchange(app, &parts);
    chain_unref(&parts.chain); // the old one, or the new one if it was refused
    if (rc != 0)
        return rc;
    app->generation = app->card->generation;
    profile_follow(d, app);
    plan_changed(d, p.term);
    *result = json_object_new_object();
    json_object_object_add(*result, "warnings", shadows_tell(d, app));
    json_object_object_add(*result, "generation", json_object_new_uint64(app->generation));
    return 0;
}

static int
app_remove(void *ctx, struct rpc_peer *peer, struct json_object *params,
           struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer, (void)result;
    int rc = params_read(params, &p, err);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    struct app *app = app_get(d, p.app, or_null(p.card), err);
    if (!app)
        return err->code;
    if (app->state == APP_SOURCE || app->state == APP_DESTINATION)
        return offload_err_set(err, -EBUSY, "app", "wait for the end of its migration, or abort it",
                               "'%s' migrates", app->name);
    rc = app_detach(d, app, err);
    if (rc == 0)
        plan_changed(d, p.term);
    return rc;
}

const struct rpc_method app_methods[] = {
    {"app.list", app_list, "applications, one row an application and card"},
    {"app.add", app_add, "adds an application to a card"},
    {"app.update", app_update, "replaces an application's rules, functions or SLA"},
    {"app.remove", app_remove, "removes an application"},
    {.name = NULL},
};
