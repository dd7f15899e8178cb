// SPDX-License-Identifier: Apache-2.0
// flowd's verbs: parameters checked, then one call inwards. Speaks json-c, no OVS.
// server -> [api] -> reroute, change.  Verbs that change the switch are put off until their change has
// ended, and then called again: that is what verb_...() look at first (take_turn()).
#include "ovs-integration/api.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/clock.h"
#include "ovs-integration/change.h"
#include "ovs-integration/flowd.h"
#include "ovs-integration/reroute.h"
#include "ovs-integration/server.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 160 };

static const struct offload_opt no_params[] = {OFFLOAD_OPT_END};

static void
add_u64(struct json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

static void
add_text(struct json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

static void
add_bool(struct json_object *object, const char *key, bool value)
{
    json_object_object_add(object, key, json_object_new_boolean(value));
}

static int
verb_hello(void *ctx, struct rpc_peer *peer, struct json_object *params,
           struct json_object **result, struct offload_err *err)
{
    const struct flowd *flowd = ctx;
    char none;
    (void)peer;
    int rc = offload_opt_read(no_params, params, "", &none, 0, err);
    if (rc)
        return rc;
    *result = json_object_new_object();
    add_text(*result, "api", "1.0");
    add_text(*result, "software", "offload-flowd " OFFLOAD_VERSION);
    add_u64(*result, "term", flowd->state.term);
    return 0;
}

// What came of a change, for the answer.
struct outcome {
    uint64_t bundle_ns;
    struct repair_counts counts;
};

// Where a verb that changes the switch stands: 0, it may begin, and then put_off(); 1, its change
// has been made, as 'outcome' says; or the code to return.
static int
take_turn(struct flowd *flowd, struct rpc_peer *peer, struct outcome *outcome,
          struct offload_err *err)
{
    switch (change_turn(flowd, server_peer_id(peer))) {
    case CHANGE_FREE:
        return 0;
    case CHANGE_BUSY:
        return server_put_off(peer);
    case CHANGE_ENDED:
        break;
    }
    int rc = change_take(flowd, &outcome->bundle_ns, &outcome->counts, err);
    return rc ? rc : 1;
}

// ---- intent.set

struct intent_set_opts {
    uint64_t term;
    struct json_object *intents, *remove;
    bool replace;
};

static const struct offload_opt intent_set_params[] = {
    {.key = "term",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct intent_set_opts, term),
     .most = OFFLOAD_TERM_MOST,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "intents",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct intent_set_opts, intents)},
    {.key = "remove",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct intent_set_opts, remove)},
    {.key = "replace",
     .type = OFFLOAD_OPT_BOOL,
     .offset = offsetof(struct intent_set_opts, replace),
     .default_text = "false"},
    OFFLOAD_OPT_END,
};

// Gives the intent what flowd adds: an id of its own, or that of the app's former intent; where it
// is the same, also the way out of its former card.
static void
inherit(struct intent *intent, const struct intent_set *former, uint32_t *last_id)
{
    const struct intent *old = intent_set_find(former, intent->app);
    intent->id = old ? old->id : ++*last_id;
    if (old && intent_same(old, intent)) {
        memcpy(intent->old_card_port, old->old_card_port, PORT_NAME_SIZE);
        memcpy(intent->old_card_port_out, old->old_card_port_out, PORT_NAME_SIZE);
    }
}

// Reads the intents into a set of their own, so that an app that is named twice is found.
static int
read_intents(struct flowd *flowd, struct json_object *array, struct intent_set *set,
             uint32_t *last_id, struct offload_err *err)
{
    size_t n = array ? json_object_array_length(array) : 0;
    for (size_t i = 0; i < n; i++) {
        struct intent intent;
        char path[PATH_SIZE], app_path[PATH_SIZE];
        offload_json_path_index(path, sizeof path, "intents", i);
        int rc = intent_read(json_object_array_get_idx(array, i), path, &intent, err);
        if (rc)
            return rc;
        if (intent_set_find(set, intent.app)) {
            offload_json_path(app_path, sizeof app_path, path, "app");
            rc = offload_err_set(err, -EINVAL, app_path, "name each app once",
                                 "app '%s' was named before", intent.app);
        } else
            rc = reroute_resolve(flowd, &intent, path, err);
        if (rc) {
            intent_fini(&intent);
            return rc;
        }
        inherit(&intent, &flowd->state.intents, last_id);
        rc = intent_set_put(set, &intent);
        if (rc)
            return offload_err_set(err, rc, path, NULL, "out of memory");
    }
    return 0;
}

static int
remove_intents(struct json_object *array, struct intent_set *set, struct offload_err *err)
{
    size_t n = array ? json_object_array_length(array) : 0;
    for (size_t i = 0; i < n; i++) {
        char path[PATH_SIZE];
        struct json_object *item = json_object_array_get_idx(array, i);
        offload_json_path_index(path, sizeof path, "remove", i);
        const char *app = json_object_get_string(item);
        if (!json_object_is_type(item, json_type_string) || !offload_name_valid(app))
            return offload_err_set(err, -EINVAL, path, "name an app", "%.60s is no name",
                                   json_object_to_json_string(item));
        intent_set_remove(set, app); // one that is not there is as wanted
    }
    return 0;
}

// What the set becomes: the former one, less 'remove', with 'given' in the place of what they name.
static int
merge_intents(const struct intent_set_opts *opts, struct intent_set *given, struct intent_set *set,
              struct offload_err *err)
{
    int rc = remove_intents(opts->remove, set, err);
    if (rc)
        return rc;
    if (opts->replace) {
        struct intent_set all = *set;
        *set = *given;
        *given = all;
    } else {
        for (size_t i = 0; i < given->n; i++) {
            struct intent copy;
            if (intent_copy(&copy, given->intents[i]) || intent_set_put(set, &copy))
                return offload_err_set(err, -ENOMEM, "intents", NULL, "out of memory");
        }
    }
    if (set->n > INTENTS_MAX)
        return offload_err_set(err, -ENOSPC, "intents", "use at most 16384",
                               "%zu intents are too many", set->n);
    return 0;
}

static bool
sets_same(const struct intent_set *a, const struct intent_set *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!intent_same(a->intents[i], b->intents[i]) ||
            strcmp(a->intents[i]->bridge, b->intents[i]->bridge))
            return false;
    return true;
}

static size_t
count_flows(const struct flowd *flowd)
{
    size_t n = 0;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++)
        n += flowd->flows[i].installed.n;
    return n;
}

static int
begin_intent_set(struct flowd *flowd, struct rpc_peer *peer, struct json_object *params,
                 struct offload_err *err)
{
    struct intent_set_opts opts = {.intents = NULL};
    struct intent_set given = {.n = 0};
    struct state next;
    int rc = offload_opt_read(intent_set_params, params, "", &opts, sizeof opts, err);
    if (!rc)
        rc = reroute_check_term(flowd, opts.term, err);
    if (rc)
        return rc;
    if (state_copy(&next, &flowd->state))
        return offload_err_set(err, -ENOMEM, "", NULL, "out of memory");
    rc = read_intents(flowd, opts.intents, &given, &next.last_id, err);
    if (!rc)
        rc = merge_intents(&opts, &given, &next.intents, err);
    intent_set_fini(&given);
    if (rc) {
        state_fini(&next);
        return rc;
    }
    next.term = opts.term;
    next.generation += !sets_same(&next.intents, &flowd->state.intents);
    change_begin(flowd, server_peer_id(peer), &next, "");
    return server_put_off(peer);
}

static int
verb_intent_set(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    struct outcome outcome;
    int rc = take_turn(flowd, peer, &outcome, err);
    if (!rc)
        return begin_intent_set(flowd, peer, params, err);
    if (rc < 0)
        return rc;
    *result = json_object_new_object();
    add_u64(*result, "generation", flowd->state.generation);
    add_u64(*result, "flows", count_flows(flowd));
    add_u64(*result, "bundle_ns", outcome.bundle_ns);
    return 0;
}

// ---- intent.get

struct app_opts {
    char app[OFFLOAD_NAME_MAX + 1];
};

static const struct offload_opt intent_get_params[] = {
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     .offset = offsetof(struct app_opts, app),
     .size = OFFLOAD_NAME_MAX + 1},
    OFFLOAD_OPT_END,
};

// How many of a bridge's flows have the intent's cookie, counted once for all intents.
static int
compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// The cookies of all installed flows, sorted. Caller frees.
static uint64_t *
installed_cookies(const struct flowd *flowd, size_t *n)
{
    uint64_t *cookies = malloc((count_flows(flowd) + 1) * sizeof *cookies);
    *n = 0;
    for (size_t b = 0; cookies && b < bridges_count(flowd->bridges); b++)
        for (size_t i = 0; i < flowd->flows[b].installed.n; i++)
            cookies[(*n)++] = flowd->flows[b].installed.flows[i].cookie;
    if (cookies)
        qsort(cookies, *n, sizeof *cookies, compare_u64);
    return cookies;
}

// The first of the sorted 'cookies' that is not below 'cookie'.
static size_t
lower_bound(const uint64_t *cookies, size_t n, uint64_t cookie)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (cookies[middle] < cookie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct json_object *
intent_row(struct flowd *flowd, const struct intent *intent, const uint64_t *cookies, size_t n)
{
    uint64_t cookie = FLOW_COOKIE | intent->id;
    size_t flows = lower_bound(cookies, n, cookie + 1) - lower_bound(cookies, n, cookie);
    struct json_object *row = intent_to_json(intent);
    const char *way = "closed";
    bool up = false, ready = false;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        const struct bridge *bridge = bridges_at(flowd->bridges, i);
        if (strcmp(bridge_name(bridge), intent->bridge))
            continue;
        up = intent_card_up(intent, bridge_ports(bridge));
        way = intent_way(intent, bridge_ports(bridge));
        ready = bridge_ready(bridge) && flowd->flows[i].known &&
                flowd->flows[i].ports_change == bridge_ports_change(bridge);
    }
    add_u64(row, "id", intent->id);
    add_text(row, "bridge", intent->bridge);
    add_text(row, "card", up ? "up" : "down");
    add_text(row, "way", way);
    add_bool(row, "installed", ready && flows);
    add_u64(row, "flows", flows);
    return row;
}

static int
verb_intent_get(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    const struct intent_set *set = &flowd->state.intents;
    struct app_opts opts = {.app = ""};
    size_t n;
    (void)peer;
    int rc = offload_opt_read(intent_get_params, params, "", &opts, sizeof opts, err);
    if (rc)
        return rc;
    if (opts.app[0] && !intent_set_find(set, opts.app))
        return offload_err_set(err, -ENOENT, "app", "name an app that has an intent", "no app '%s'",
                               opts.app);
    uint64_t *cookies = installed_cookies(flowd, &n);
    if (!cookies)
        return offload_err_set(err, -ENOMEM, "", NULL, "out of memory");
    struct json_object *rows = json_object_new_array();
    for (size_t i = 0; i < set->n; i++)
        if (!opts.app[0] || !strcmp(opts.app, set->intents[i]->app))
            json_object_array_add(rows, intent_row(flowd, set->intents[i], cookies, n));
    free(cookies);
    *result = json_object_new_object();
    add_u64(*result, "generation", flowd->state.generation);
    add_u64(*result, "term", flowd->state.term);
    json_object_object_add(*result, "intents", rows);
    return 0;
}

// ---- reroute

#define SWAP_OPT(KEY, TYPE, FLAGS)                                                                 \
    {                                                                                              \
        .key = #KEY, .type = TYPE, .offset = offsetof(struct swap_request, KEY),                   \
        .size = sizeof((struct swap_request *)0)->KEY, .flags = FLAGS                              \
    }

#define TERM_OPT                                                                                   \
    {                                                                                              \
        .key = "term", .type = OFFLOAD_OPT_U64, .offset = offsetof(struct swap_request, term),     \
        .most = OFFLOAD_TERM_MOST, .flags = OFFLOAD_OPT_REQUIRED                                   \
    }

static const struct offload_opt swap_params[] = {
    SWAP_OPT(id, OFFLOAD_OPT_STRING, OFFLOAD_OPT_REQUIRED),
    TERM_OPT,
    SWAP_OPT(app, OFFLOAD_OPT_NAME, OFFLOAD_OPT_REQUIRED),
    SWAP_OPT(from_port, OFFLOAD_OPT_STRING, OFFLOAD_OPT_REQUIRED),
    SWAP_OPT(to_port, OFFLOAD_OPT_STRING, OFFLOAD_OPT_REQUIRED),
    SWAP_OPT(to_port_out, OFFLOAD_OPT_STRING, 0),
    OFFLOAD_OPT_END,
};

static const struct offload_opt prepare_params[] = {
    TERM_OPT,
    SWAP_OPT(app, OFFLOAD_OPT_NAME, OFFLOAD_OPT_REQUIRED),
    SWAP_OPT(to_port, OFFLOAD_OPT_STRING, OFFLOAD_OPT_REQUIRED),
    SWAP_OPT(to_port_out, OFFLOAD_OPT_STRING, 0),
    OFFLOAD_OPT_END,
};

static const struct offload_opt status_params[] = {
    SWAP_OPT(id, OFFLOAD_OPT_STRING, OFFLOAD_OPT_REQUIRED),
    OFFLOAD_OPT_END,
};

static struct json_object *
swap_row(const struct swap *swap)
{
    struct json_object *row = json_object_new_object();
    add_text(row, "id", swap->id);
    add_text(row, "app", swap->app);
    add_text(row, "from_port", swap->from_port);
    add_text(row, "to_port", swap->to_port);
    add_text(row, "step", "swapped");
    add_u64(row, "bundle_ns", swap->bundle_ns);
    add_bool(row, "fenced", swap->fenced);
    add_u64(row, "fence_ns", swap->fence_ns);
    return row;
}

static int
verb_reroute_prepare(void *ctx, struct rpc_peer *peer, struct json_object *params,
                     struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    struct swap_request request = {.id = ""};
    struct outcome outcome;
    int rc = take_turn(flowd, peer, &outcome, err);
    if (!rc) {
        rc = offload_opt_read(prepare_params, params, "", &request, sizeof request, err);
        if (!rc)
            rc = reroute_prepare(flowd, server_peer_id(peer), &request, err);
        return rc ? rc : server_put_off(peer);
    }
    if (rc < 0)
        return rc;
    *result = json_object_new_object();
    add_u64(*result, "generation", flowd->state.generation);
    return 0;
}

static int
verb_reroute_swap(void *ctx, struct rpc_peer *peer, struct json_object *params,
                  struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    struct swap_request request = {.id = ""};
    struct outcome outcome;
    int turn = take_turn(flowd, peer, &outcome, err);
    if (turn < 0)
        return turn;
    int rc = offload_opt_read(swap_params, params, "", &request, sizeof request, err);
    if (rc)
        return rc;
    if (turn == 0) {
        rc = reroute_swap(flowd, server_peer_id(peer), &request, err);
        return rc ? rc : server_put_off(peer);
    }
    *result = swap_row(state_find_swap(&flowd->state, request.id));
    return 0;
}

static int
verb_reroute_status(void *ctx, struct rpc_peer *peer, struct json_object *params,
                    struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    struct swap_request request = {.id = ""};
    (void)peer;
    int rc = offload_opt_read(status_params, params, "", &request, sizeof request, err);
    if (rc)
        return rc;
    const struct swap *swap = state_find_swap(&flowd->state, request.id);
    if (!swap)
        return offload_err_set(err, -ENOENT, "id", "use the id of one of the last 64 swaps",
                               "no swap '%s'", request.id);
    *result = swap_row(swap);
    return 0;
}

// ---- the switch

static struct json_object *
port_row(const struct port *port, const struct port_stats *stats)
{
    struct json_object *row = json_object_new_object();
    add_text(row, "name", port->name);
    add_u64(row, "ofport", port->ofport);
    add_text(row, "link", port->ofport && port->up ? "up" : "down");
    add_u64(row, "rx_pkts", stats->rx_pkts);
    add_u64(row, "tx_pkts", stats->tx_pkts);
    add_u64(row, "rx_bytes", stats->rx_bytes);
    add_u64(row, "tx_bytes", stats->tx_bytes);
    add_u64(row, "rx_dropped", stats->rx_dropped);
    add_u64(row, "tx_dropped", stats->tx_dropped);
    return row;
}

static struct json_object *
bridge_row(const struct bridge *bridge)
{
    const struct port_table *table = bridge_ports(bridge);
    const struct port_stats *stats = bridge_port_stats(bridge);
    struct json_object *row = json_object_new_object(), *ports = json_object_new_array();
    for (size_t i = 0; i < table->n; i++)
        json_object_array_add(ports, port_row(&table->ports[i], &stats[i]));
    add_text(row, "name", bridge_name(bridge));
    add_text(row, "datapath", bridge_datapath(bridge));
    add_bool(row, "connected", bridge_ready(bridge));
    add_text(row, "error", bridge_trouble(bridge));
    json_object_object_add(row, "ports", ports);
    return row;
}

// How many flows the intents amount to as the ports are now; 0 where that cannot be said.
static size_t
count_expected(struct flowd *flowd, size_t i)
{
    struct bridge_flows *flows = &flowd->flows[i];
    const struct bridge *bridge = bridges_at(flowd->bridges, i);
    struct own_flows want = {.n = 0};
    if (flows->expected_generation == flowd->state.generation &&
        flows->expected_ports == bridge_ports_change(bridge))
        return flows->expected;
    own_flows_desired(&flowd->state.intents, bridge_name(bridge), bridge_ports(bridge),
                      (uint16_t)flowd->settings.priority, &want, NULL);
    flows->expected = want.n;
    flows->expected_generation = flowd->state.generation;
    flows->expected_ports = bridge_ports_change(bridge);
    own_flows_fini(&want);
    return flows->expected;
}

static int
verb_switch_get(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    char none;
    (void)peer;
    int rc = offload_opt_read(no_params, params, "", &none, 0, err);
    if (rc)
        return rc;
    struct json_object *bridges = json_object_new_array(), *flows = json_object_new_object();
    struct json_object *offload = json_object_new_object();
    size_t own = 0, expected = 0;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        json_object_array_add(bridges, bridge_row(bridges_at(flowd->bridges, i)));
        own += flowd->flows[i].known ? flowd->flows[i].installed.n : 0;
        expected += count_expected(flowd, i);
    }
    add_u64(flows, "own", own);
    add_u64(flows, "expected", expected);
    *result = json_object_new_object();
    json_object_object_add(*result, "bridges", bridges);
    json_object_object_add(*result, "flows", flows);
    add_bool(offload, "hw_offload", bridges_offload(flowd->bridges)->hw_offload);
    add_text(offload, "tc_policy", bridges_offload(flowd->bridges)->tc_policy);
    json_object_object_add(*result, "offload", offload);
    add_u64(*result, "repairs", flowd->repairs);
    return 0;
}

static const struct offload_opt repair_params[] = {
    TERM_OPT,
    OFFLOAD_OPT_END,
};

static int
verb_repair_run(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    struct flowd *flowd = ctx;
    struct swap_request request = {.id = ""};
    struct outcome outcome;
    int rc = take_turn(flowd, peer, &outcome, err);
    if (!rc) {
        rc = offload_opt_read(repair_params, params, "", &request, sizeof request, err);
        if (!rc)
            rc = reroute_check_term(flowd, request.term, err);
        if (rc)
            return rc;
        change_begin_repair(flowd, server_peer_id(peer));
        return server_put_off(peer);
    }
    if (rc < 0)
        return rc;
    *result = json_object_new_object();
    add_u64(*result, "added", outcome.counts.added);
    add_u64(*result, "removed", outcome.counts.removed);
    add_u64(*result, "kept", outcome.counts.kept);
    return 0;
}

const struct rpc_method api_methods[] = {
    {"hello", verb_hello, "version and term"},
    {"intent.set", verb_intent_set, "what the switch is to do for applications, all or nothing"},
    {"intent.get", verb_intent_get, "the intents and whether their flows are in"},
    {"reroute.prepare", verb_reroute_prepare,
     "open the way out of the card that an application goes to"},
    {"reroute.swap", verb_reroute_swap, "one application to another card, in one bundle"},
    {"reroute.status", verb_reroute_status, "whether the datapath follows a swap"},
    {"switch.get", verb_switch_get, "bridges, ports and counts"},
    {"repair.run", verb_repair_run, "compare own flows with the intents, and mend"},
    {.name = NULL},
};
