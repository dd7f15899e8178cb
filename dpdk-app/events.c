// SPDX-License-Identifier: Apache-2.0
// Events for who subscribed: drops, SLA breaches, allocations, migrations, cards. A subscriber that
// reads too slowly misses some, and is told how many. Main thread.
#include "dpdk-app/cardd.h"
#include "dpdk-app/port.h"

#include "lib/base/json.h"
#include "lib/io/clock.h"
#include "lib/io/server_libevent.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct subscriber {
    struct subscriber *next;
    struct rpc_peer *peer; // borrowed until it goes
    unsigned kinds;        // bit mask by enum event_kind
    uint64_t missed;       // since the last event that got through
};

const char *const event_kind_names[] = {"drop", "sla", "migration", "allocation", "card", "rule",
                                        NULL};

void
event_emit(struct cardd *d, enum event_kind kind, struct json_object *params)
{
    json_object_object_add(params, "kind", json_object_new_string(event_kind_names[kind]));
    json_object_object_add(params, "time_ns", json_object_new_uint64(clock_wall_ns()));
    for (struct subscriber *s = d->subscribers; s; s = s->next) {
        if (!(s->kinds & 1u << kind))
            continue;
        struct json_object *copy = NULL;
        if (json_object_deep_copy(params, &copy, NULL) != 0) {
            s->missed++;
            continue;
        }
        json_object_object_add(copy, "missed", json_object_new_uint64(s->missed));
        s->missed = rpc_server_notify(s->peer, "event", copy) ? 0 : s->missed + 1;
    }
    json_object_put(params);
}

void
events_peer_closed(struct cardd *d, struct rpc_peer *peer)
{
    for (struct subscriber **s = &d->subscribers; *s;) {
        struct subscriber *gone = *s;
        if (gone->peer != peer) {
            s = &gone->next;
            continue;
        }
        *s = gone->next;
        free(gone);
    }
}

static struct json_object *
about(const struct app *app)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "app", json_object_new_string(app->name));
    json_object_object_add(o, "card", json_object_new_string(app->card->name));
    return o;
}

static bool
any_drops(const struct stats *now, const struct stats *before)
{
    return memcmp(now->drops, before->drops, sizeof now->drops) != 0;
}

// DESIGN's breach of a step: mean queueing delay or loss above the limit.
static bool
breached(const struct cardd *d, const struct app *app, const struct stats *now, double *loss_frac,
         uint64_t *delay_ns)
{
    const struct stats *before = &app->event_stats;
    uint64_t offered = now->offered_pkts - before->offered_pkts, dropped = 0;
    uint64_t waited = now->queue_delay_pkts - before->queue_delay_pkts;
    for (unsigned i = 0; i < DROP_NO_APP; i++)
        dropped += now->drops[i] - before->drops[i];
    *loss_frac = offered ? (double)dropped / (double)offered : 0;
    *delay_ns =
        waited ? cycles_to_ns(d, (now->queue_delay_cycles_sum - before->queue_delay_cycles_sum) /
                                     waited)
               : 0;
    return *loss_frac > app->sla.max_loss_frac ||
           (app->sla.max_delay_ns > 0 && *delay_ns > app->sla.max_delay_ns);
}

static void
app_events(struct cardd *d, struct app *app)
{
    struct stats now;
    double loss_frac;
    uint64_t delay_ns;
    app_stats(app, &now);
    if (any_drops(&now, &app->event_stats)) {
        struct json_object *o = about(app);
        json_object_object_add(o, "drops", drops_to_json(&now, &app->event_stats, DROP_NO_APP));
        event_emit(d, EVENT_DROP, o);
    }
    bool is = breached(d, app, &now, &loss_frac, &delay_ns);
    if (is != app->breached) {
        struct json_object *o = about(app);
        json_object_object_add(o, "breached", json_object_new_boolean(is));
        json_object_object_add(o, "loss_frac", json_object_new_double(loss_frac));
        json_object_object_add(o, "delay_ns", json_object_new_uint64(delay_ns));
        event_emit(d, EVENT_SLA, o);
    }
    app->breached = is;
    app->event_stats = now;
}

void
events_tick(struct cardd *d)
{
    for (unsigned i = 0; i < d->n_cards; i++) {
        struct card *card = d->cards[i];
        bool up = card_is_linked(card);
        if (up != card->was_up) {
            struct json_object *o = json_object_new_object();
            json_object_object_add(o, "card", json_object_new_string(card->name));
            json_object_object_add(o, "state", json_object_new_string(up ? "up" : "down"));
            event_emit(d, EVENT_CARD, o);
            card->was_up = up;
        }
        for (unsigned k = 0; k < card->n_apps; k++)
            app_events(d, card->apps[k]);
    }
}

// The schema has checked them.
static unsigned
read_kinds(struct json_object *list)
{
    unsigned kinds = list ? 0 : (1u << EVENT_KINDS) - 1;
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
            if (strcmp(event_kind_names[kind],
                       json_object_get_string(json_object_array_get_idx(list, i))) == 0)
                kinds |= 1u << kind;
    return kinds;
}

static int
events_subscribe(void *ctx, struct rpc_peer *peer, struct json_object *params,
                 struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    unsigned kinds = read_kinds(json_object_object_get(params, "kinds"));
    (void)result;
    struct subscriber *s = calloc(1, sizeof *s);
    if (!s)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    events_peer_closed(d, peer); // a new subscription replaces the peer's old one
    *s = (struct subscriber){.next = d->subscribers, .peer = peer, .kinds = kinds};
    d->subscribers = s;
    return 0;
}

const struct rpc_method event_methods[] = {
    {"events.subscribe", events_subscribe,
     "notifications of drops, SLA breaches, allocations, migrations, cards, rules"},
    {.name = NULL},
};
