// SPDX-License-Identifier: Apache-2.0
// card.list|get|add|remove and fn.list. Main thread.
#include "dpdk-app/cardd.h"
#include "dpdk-app/params.h"
#include "dpdk-app/port.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <string.h>

static int
card_list(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
          struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, &p, err);
    if (rc != 0)
        return rc;
    struct json_object *cards = json_object_new_array();
    for (unsigned i = 0; i < d->n_cards; i++)
        json_object_array_add(cards, card_to_json(d, d->cards[i]));
    *result = json_object_new_object();
    json_object_object_add(*result, "cards", cards);
    return 0;
}

static int
card_get_method(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, &p, err);
    struct card *card = rc == 0 ? card_get(d, p.card, err) : NULL;
    if (!card)
        return rc ? rc : err->code;
    *result = card_to_json(d, card);
    return 0;
}

// The parameters are a card as in cardd.json, and the term beside.
static int
card_add(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
         struct offload_err *err)
{
    struct cardd *d = ctx;
    struct json_object *fenced = json_object_new_object(), *term, *given = NULL;
    struct params p = {.term = 0};
    (void)peer;
    if (json_object_object_get_ex(params, "term", &term))
        json_object_object_add(fenced, "term", json_object_get(term));
    int rc = params_read(fenced, &p, err);
    json_object_put(fenced);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    if (json_object_deep_copy(params, &given, NULL) != 0)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    json_object_object_del(given, "term");
    struct card *card = card_create(d, given, "", err);
    json_object_put(given);
    if (!card)
        return err->code;
    card->from_api = true;
    plan_changed(d, p.term);
    *result = card_to_json(d, card);
    return 0;
}

static int
check_no_migration(const struct card *card, struct offload_err *err)
{
    for (unsigned i = 0; i < card->n_apps; i++)
        if (card->apps[i]->state == APP_SOURCE || card->apps[i]->state == APP_DESTINATION)
            return offload_err_set(err, -EBUSY, card->name, "wait for the end of the migration",
                                   "'%s' migrates", card->apps[i]->name);
    return 0;
}

static int
card_update(void *ctx, struct rpc_peer *peer, struct json_object *params,
            struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    unsigned workers[CONFIG_WORKERS_MAX], n;
    (void)peer;
    int rc = params_read(params, &p, err);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    struct card *card = card_get(d, p.card, err);
    if (!card)
        return err->code;
    rc = workers_config_read(p.workers, "workers", d->n_workers, workers, &n, err);
    if (rc == 0)
        rc = check_no_migration(card, err);
    if (rc == 0)
        rc = card_set_workers(d, card, workers, n, err);
    if (rc != 0)
        return rc;
    json_object_object_del(card->given, "worker"); // as the plan file keeps it
    json_object_object_add(card->given, "workers", json_object_get(p.workers));
    plan_changed(d, p.term);
    *result = card_to_json(d, card);
    return 0;
}

static int
check_ports_known(const struct card *card, struct offload_err *err)
{
    for (unsigned i = 0; i < card->n_ports; i++)
        if (atomic_load_explicit(&card->ports[i].state, memory_order_acquire) == PORT_OPENING)
            return offload_err_set(err, -EBUSY, card->name, "connect the port's peer first",
                                   "port '%s' is still being opened", card->ports[i].devargs);
    return 0;
}

static int
card_remove_method(void *ctx, struct rpc_peer *peer, struct json_object *params,
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
    struct card *card = card_get(d, p.card, err);
    if (!card)
        return err->code;
    if (card->n_apps > 0 && !p.drain)
        return offload_err_set(err, -EBUSY, card->name,
                               "remove or move its applications first, or say drain",
                               "%u applications are on the card, '%s' among them", card->n_apps,
                               card->apps[0]->name);
    rc = check_ports_known(card, err);
    if (rc != 0)
        return rc;
    if (card->n_apps > 0) {
        card->draining = true;
        *result = json_object_new_object();
        json_object_object_add(*result, "state", json_object_new_string("draining"));
    } else {
        card_remove(d, card);
    }
    plan_changed(d, p.term);
    return 0;
}

void
cards_drain(struct cardd *d)
{
    for (unsigned i = 0; i < d->n_cards;) {
        struct card *card = d->cards[i];
        if (!card->draining || card->n_apps > 0) {
            i++;
            continue;
        }
        struct json_object *event = json_object_new_object();
        json_object_object_add(event, "card", json_object_new_string(card->name));
        json_object_object_add(event, "state", json_object_new_string("removed"));
        event_emit(d, EVENT_CARD, event);
        card_remove(d, card);
        plan_changed(d, d->term);
    }
}

static struct json_object *
default_of(const struct offload_opt *opt)
{
    return opt->default_text ? json_tokener_parse(opt->default_text) : NULL;
}

static struct json_object *
params_to_json(const struct offload_opt *opt)
{
    static const char *const types[] = {"bool", "integer", "number", "string",  "name",
                                        "enum", "object",  "list",   "mixed", "any"};
    struct json_object *list = json_object_new_array();
    for (; opt->key; opt++) {
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "key", json_object_new_string(opt->key));
        json_object_object_add(row, "type", json_object_new_string(types[opt->type]));
        if (opt->least != 0 || opt->most != 0) {
            json_object_object_add(row, "least", json_object_new_double(opt->least));
            json_object_object_add(row, "most", json_object_new_double(opt->most));
        }
        if (opt->type == OFFLOAD_OPT_ENUM && opt->names) {
            struct json_object *names = json_object_new_array();
            for (unsigned i = 0; opt->names[i]; i++)
                json_object_array_add(names, json_object_new_string(opt->names[i]));
            json_object_object_add(row, "names", names);
        }
        json_object_object_add(row, "unit", json_object_new_string(opt->unit ? opt->unit : ""));
        json_object_object_add(row, "default", default_of(opt));
        json_object_object_add(row, "help", json_object_new_string(opt->help ? opt->help : ""));
        json_object_array_add(list, row);
    }
    return list;
}

static int
fn_list(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
        struct offload_err *err)
{
    struct params p = {.term = 0};
    (void)ctx, (void)peer;
    int rc = params_read(params, &p, err);
    if (rc != 0)
        return rc;
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; offload_functions[i]; i++) {
        const struct fn_ops *ops = offload_functions[i];
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "fn", json_object_new_string(ops->name));
        json_object_object_add(row, "help", json_object_new_string(ops->help));
        json_object_object_add(row, "params", params_to_json(ops->params));
        json_object_object_add(row, "stateful", json_object_new_boolean(ops->entry_bytes > 0));
        json_object_object_add(row, "entry_bytes", json_object_new_uint64(ops->entry_bytes));
        json_object_array_add(list, row);
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "functions", list);
    return 0;
}

const struct rpc_method card_methods[] = {
    {"card.list", card_list, "all cards"},
    {"card.get", card_get_method, "one card"},
    {"card.add", card_add, "adds a card, as in cardd.json"},
    {"card.update", card_update, "changes the workers that serve a card"},
    {"card.remove", card_remove_method, "removes a card, at once or with its last application"},
    {"fn.list", fn_list, "offload functions and their parameters"},
    {.name = NULL},
};
