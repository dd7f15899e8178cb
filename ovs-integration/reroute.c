// SPDX-License-Identifier: Apache-2.0
// Swaps an application from card to card: what the state becomes, and the fence behind it.
// api -> [reroute] -> change -> bundle; fence.
//
//    swap: new --bundle and barrier--> swapped --caches follow--> swapped, fenced
#include "ovs-integration/reroute.h"

#include "lib/base/json.h"
#include "ovs-integration/change.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 160, NAMES_MAX = 64 };

int
reroute_check_term(const struct flowd *flowd, uint64_t term, struct offload_err *err)
{
    char hint[64];
    if (term >= flowd->state.term)
        return 0;
    snprintf(hint, sizeof hint, "use %llu or above", (unsigned long long)flowd->state.term);
    return offload_err_set(err, -ESTALE, "term", hint, "%llu is an older manager's term",
                           (unsigned long long)term);
}

// The nearest port's name as a hint, or the bridges.
static void
hint_ports(struct flowd *flowd, const char *name, char *hint, size_t size)
{
    const char *names[NAMES_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        const struct port_table *ports = bridge_ports(bridges_at(flowd->bridges, i));
        for (size_t p = 0; p < ports->n && n < NAMES_MAX; p++)
            names[n++] = ports->ports[p].name;
    }
    names[n] = NULL;
    const char *near = offload_nearest(name, names);
    if (near)
        snprintf(hint, size, "use '%s'", near);
    else
        snprintf(hint, size, "name a port of a bridge in flowd.json");
}

// The port must be there and opened: OVS takes flows to ports that do not exist without a word.
static int
check_port(struct flowd *flowd, const char *name, const char *path, const char *key,
           const struct bridge **bridge, struct offload_err *err)
{
    char where[PATH_SIZE], hint[160];
    const struct bridge *found = bridges_of_port(flowd->bridges, name);
    offload_json_path(where, sizeof where, path, key);
    if (!found) {
        hint_ports(flowd, name, hint, sizeof hint);
        return offload_err_set(err, -ENOENT, where, hint, "the switch has no port '%s'", name);
    }
    if (!port_find(bridge_ports(found), name)->ofport)
        return offload_err_set(err, -ENOENT, where, "see the interface's column 'error'",
                               "the switch could not open port '%s'", name);
    if (*bridge && *bridge != found)
        return offload_err_set(err, -EINVAL, where, "use ports of one bridge",
                               "port '%s' is on bridge '%s', not on '%s'", name, bridge_name(found),
                               bridge_name(*bridge));
    *bridge = found;
    return 0;
}

int
reroute_resolve(struct flowd *flowd, struct intent *intent, const char *path,
                struct offload_err *err)
{
    const struct bridge *bridge = NULL;
    int rc = check_port(flowd, intent->in_port, path, "in_port", &bridge, err);
    if (!rc)
        rc = check_port(flowd, intent->out_port, path, "out_port", &bridge, err);
    if (!rc)
        rc = check_port(flowd, intent->card_port, path, "card_port", &bridge, err);
    if (!rc && intent->card_port_out[0])
        rc = check_port(flowd, intent->card_port_out, path, "card_port_out", &bridge, err);
    if (!rc && intent->standby_port[0])
        rc = check_port(flowd, intent->standby_port, path, "standby_port", &bridge, err);
    if (!rc && intent->standby_port_out[0])
        rc = check_port(flowd, intent->standby_port_out, path, "standby_port_out", &bridge, err);
    if (!rc)
        snprintf(intent->bridge, sizeof intent->bridge, "%s", bridge_name(bridge));
    return rc;
}

static int
check_id(const char *id, struct offload_err *err)
{
    static const char expected[] = "use a UUID";
    if (!id[0])
        return offload_err_set(err, -EINVAL, "id", expected, "the id is empty");
    for (const char *c = id; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-')
            return offload_err_set(err, -EINVAL, "id", expected,
                                   "'%s' has other characters than letters, digits and -", id);
    return 0;
}

static int
check_repeated(const struct swap *swap, const struct swap_request *request, struct offload_err *err)
{
    if (!strcmp(swap->app, request->app) && !strcmp(swap->from_port, request->from_port) &&
        !strcmp(swap->to_port, request->to_port) &&
        !strcmp(swap->to_port_out, request->to_port_out))
        return 0;
    return offload_err_set(err, -EINVAL, "id", "use a new id for another swap",
                           "this id swapped app '%s' from '%s' to '%s'", swap->app, swap->from_port,
                           swap->to_port);
}

static int
check_target(struct flowd *flowd, const struct intent *intent, const struct swap_request *request,
             struct offload_err *err)
{
    char hint[160];
    const struct bridge *bridge = bridges_of_port(flowd->bridges, intent->in_port);
    if (strcmp(intent->card_port, request->from_port)) {
        snprintf(hint, sizeof hint, "use '%s'", intent->card_port);
        return offload_err_set(err, -ENOSPC, "from_port", hint,
                               "app '%s' is not on the card behind '%s'", intent->app,
                               request->from_port);
    }
    if (!strcmp(request->to_port, request->from_port))
        return offload_err_set(err, -EINVAL, "to_port", "use another card's port",
                               "'%s' is where the app is now", request->to_port);
    int rc = check_port(flowd, request->to_port, "", "to_port", &bridge, err);
    if (!rc && request->to_port_out[0])
        rc = check_port(flowd, request->to_port_out, "", "to_port_out", &bridge, err);
    return rc;
}

// The way out of the next card stands where that of the former one stands after the swap: there is
// one more card beside the application's own at any time.
int
reroute_prepare(struct flowd *flowd, uint64_t owner, const struct swap_request *request,
                struct offload_err *err)
{
    struct state next;
    const struct bridge *bridge = NULL;
    int rc = reroute_check_term(flowd, request->term, err);
    if (rc)
        return rc;
    if (state_copy(&next, &flowd->state))
        return offload_err_set(err, -ENOMEM, "", NULL, "out of memory");
    struct intent *intent = intent_set_find(&next.intents, request->app);
    if (!intent)
        rc = offload_err_set(err, -ENOENT, "app", "set its intent first", "no app '%s'",
                             request->app);
    else if (!strcmp(intent->card_port, request->to_port))
        rc = offload_err_set(err, -EINVAL, "to_port", "use another card's port",
                             "'%s' is where the app is now", request->to_port);
    if (!rc)
        bridge = bridges_of_port(flowd->bridges, intent->in_port);
    if (!rc)
        rc = check_port(flowd, request->to_port, "", "to_port", &bridge, err);
    if (!rc && request->to_port_out[0])
        rc = check_port(flowd, request->to_port_out, "", "to_port_out", &bridge, err);
    if (rc) {
        state_fini(&next);
        return rc;
    }
    memcpy(intent->old_card_port, request->to_port, PORT_NAME_SIZE);
    memcpy(intent->old_card_port_out, request->to_port_out, PORT_NAME_SIZE);
    next.term = request->term;
    next.generation++;
    change_begin(flowd, owner, &next, "");
    return 0;
}

// The swap into 'next', which is a copy of the state.
static int
make_swap(struct flowd *flowd, const struct swap_request *request, struct state *next,
          struct offload_err *err)
{
    struct intent *intent = intent_set_find(&next->intents, request->app);
    if (!intent)
        return offload_err_set(err, -ENOENT, "app", "set its intent first", "no app '%s'",
                               request->app);
    int rc = check_target(flowd, intent, request, err);
    if (rc)
        return rc;
    memcpy(intent->old_card_port, intent->card_port, PORT_NAME_SIZE);
    memcpy(intent->old_card_port_out, intent->card_port_out, PORT_NAME_SIZE);
    if (!strcmp(intent->standby_port, request->to_port)) { // they change places
        memcpy(intent->standby_port, intent->card_port, PORT_NAME_SIZE);
        memcpy(intent->standby_port_out, intent->card_port_out, PORT_NAME_SIZE);
    }
    memcpy(intent->card_port, request->to_port, PORT_NAME_SIZE);
    memcpy(intent->card_port_out, request->to_port_out, PORT_NAME_SIZE);
    rc = intent_check(intent, "", err);
    if (rc)
        return rc;
    if (!intent_card_up(intent, bridge_ports(bridges_of_port(flowd->bridges, intent->card_port))))
        return offload_err_set(err, -ENOSPC, "to_port", "use a card that is up",
                               "the link of '%s'%s%s%s is down", request->to_port,
                               request->to_port_out[0] ? " or '" : "", request->to_port_out,
                               request->to_port_out[0] ? "'" : "");
    struct swap swap = {.fenced = false};
    memcpy(swap.id, request->id, sizeof swap.id);
    memcpy(swap.app, request->app, sizeof swap.app);
    memcpy(swap.from_port, request->from_port, PORT_NAME_SIZE);
    memcpy(swap.to_port, request->to_port, PORT_NAME_SIZE);
    memcpy(swap.to_port_out, request->to_port_out, PORT_NAME_SIZE);
    state_add_swap(next, &swap);
    next->term = request->term;
    next->generation++;
    return 0;
}

// A swap that is in the state is in the switch too, or will be by the next comparison: it is only
// said so if it is. For that the state is made the state once more.
int
reroute_swap(struct flowd *flowd, uint64_t owner, const struct swap_request *request,
             struct offload_err *err)
{
    struct state next;
    int rc = reroute_check_term(flowd, request->term, err);
    if (!rc)
        rc = check_id(request->id, err);
    if (rc)
        return rc;
    const struct swap *made = state_find_swap(&flowd->state, request->id);
    if (state_copy(&next, &flowd->state))
        return offload_err_set(err, -ENOMEM, "", NULL, "out of memory");
    rc = made ? check_repeated(made, request, err) : make_swap(flowd, request, &next, err);
    if (rc) {
        state_fini(&next);
        return rc;
    }
    change_begin(flowd, owner, &next, made ? "" : request->id);
    return 0;
}

// After a restart: true once the app's bridge has been compared, so that a fence covers its flows.
static bool
is_settled(struct flowd *flowd, const char *app)
{
    const struct intent *intent = intent_set_find(&flowd->state.intents, app);
    for (size_t i = 0; intent && i < bridges_count(flowd->bridges); i++) {
        const struct bridge *bridge = bridges_at(flowd->bridges, i);
        if (!strcmp(bridge_name(bridge), intent->bridge))
            return bridge_ready(bridge) && flowd->flows[i].known;
    }
    return true; // nothing of it is in the switch
}

void
reroute_run(struct flowd *flowd, uint64_t now_ns)
{
    uint64_t passed = fence_passed(flowd->fence);
    for (size_t i = 0; i < flowd->state.n_swaps; i++) {
        struct swap *swap = &flowd->state.swaps[i];
        if (swap->fenced)
            continue;
        if (!swap->fence) {
            if (is_settled(flowd, swap->app)) {
                swap->swapped_ns = now_ns;
                swap->fence = fence_ask(flowd->fence);
            }
        } else if (swap->fence <= passed) {
            swap->fenced = true;
            swap->fence_ns = now_ns - swap->swapped_ns;
        }
    }
}
