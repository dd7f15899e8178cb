// SPDX-License-Identifier: Apache-2.0
// One change of intents on its way into the switch.
// api, reroute -> [change] -> repair (plans), bundle; fence.
//
//    none --begin--> wait --bridges idle, planned--> check --nobody's flow replaced, file written-->
//         commit --all bridges--> done          the state is 'next'
//         commit --one refuses--> back --> done the file and the other bridges are as before
//    none --repair.run--> repair --all compared--> done
//    wait, check --refused--> done              nothing has happened
//
// The order is: plan (may refuse), state file, bundle and barrier, memory. A crash after the state
// file is finished on return by the comparison in repair.c; a bundle that the switch refuses puts
// the file back.
#include "ovs-integration/change.h"

#include "lib/io/clock.h"
#include "lib/io/log.h"
#include "ovs-integration/bundle.h"
#include "ovs-integration/repair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum change_turn
change_turn(const struct flowd *flowd, uint64_t owner)
{
    const struct change *change = &flowd->change;
    return change->step == CHANGE_NONE                             ? CHANGE_FREE
           : change->step == CHANGE_DONE && change->owner == owner ? CHANGE_ENDED
                                                                   : CHANGE_BUSY;
}

bool
change_has_ended(const struct flowd *flowd)
{
    return flowd->change.step == CHANGE_DONE;
}

void
change_drop(struct flowd *flowd)
{
    flowd->change = (struct change){.step = CHANGE_NONE};
}

int
change_take(struct flowd *flowd, uint64_t *bundle_ns, struct repair_counts *counts,
            struct offload_err *err)
{
    int rc = flowd->change.rc;
    if (rc && err)
        *err = flowd->change.err;
    *bundle_ns = flowd->change.bundle_ns;
    *counts = flowd->change.counts;
    change_drop(flowd);
    return rc;
}

static void
finish(struct flowd *flowd, int rc)
{
    struct change *change = &flowd->change;
    for (size_t i = 0; i < BRIDGES_MAX; i++)
        if (change->in[i])
            repair_drop_plan(&flowd->flows[i]);
    state_fini(&change->next);
    change->rc = rc;
    change->step = CHANGE_DONE;
}

static bool
concerns(const struct intent_set *intents, const char *bridge)
{
    for (size_t i = 0; i < intents->n; i++)
        if (!strcmp(intents->intents[i]->bridge, bridge))
            return true;
    return false;
}

// The way out of cards that applications have left is kept while nobody else claims it.
static bool
forget_old_cards(struct intent_set *intents)
{
    bool any = false;
    for (size_t i = 0; i < intents->n; i++) {
        struct intent *intent = intents->intents[i];
        any |= intent->old_card_port[0] != '\0';
        intent->old_card_port[0] = intent->old_card_port_out[0] = '\0';
    }
    return any;
}

void
change_begin(struct flowd *flowd, uint64_t owner, struct state *next, const char *swap_id)
{
    flowd->change = (struct change){.step = CHANGE_WAIT,
                                    .owner = owner,
                                    .next = *next,
                                    .news = next->generation != flowd->state.generation ||
                                            next->term != flowd->state.term};
    snprintf(flowd->change.swap_id, sizeof flowd->change.swap_id, "%s", swap_id);
}

// 0 if the bridge can be planned for, -EINPROGRESS if it soon can, or why it cannot.
static int
is_free(struct flowd *flowd, size_t i)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    const struct bridge_flows *flows = &flowd->flows[i];
    bool tried = flows->connection == bridge_connection(bridge);
    if (flows->step != MEND_IDLE || !bundle_idle(bridge))
        return -EINPROGRESS;
    if (bridge_ready(bridge) && flows->known)
        return 0;
    if (bridge_ready(bridge) && !tried)
        return -EINPROGRESS;
    return offload_err_set(&flowd->change.err, -EBUSY, bridge_name(bridge),
                           "try again once the switch is back", "the bridge is not connected: %s",
                           bridge_ready(bridge) ? "its flows could not be listed"
                                                : bridge_trouble(bridge));
}

static int
plan_bridges(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        const struct bridge *bridge = bridges_at(flowd->bridges, i);
        change->in[i] = false;
        if (!concerns(&change->next.intents, bridge_name(bridge)) &&
            !concerns(&flowd->state.intents, bridge_name(bridge)))
            continue;
        int rc = repair_plan(flowd, i, &change->next.intents, &change->err);
        if (rc)
            return rc;
        change->in[i] = flowd->flows[i].n_changes > 0;
        if (!change->in[i])
            repair_drop_plan(&flowd->flows[i]);
    }
    return 0;
}

// Asks every bridge that changes whether a flow of somebody else is in the way.
static void
run_wait(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    int rc = 0;
    for (size_t i = 0; i < bridges_count(flowd->bridges) && !rc; i++) {
        const char *name = bridge_name(bridges_at(flowd->bridges, i));
        if (concerns(&change->next.intents, name) || concerns(&flowd->state.intents, name))
            rc = is_free(flowd, i);
    }
    if (rc == -EINPROGRESS)
        return;
    if (!rc) {
        rc = plan_bridges(flowd);
        if (rc == -ENOSPC && !change->forgot && forget_old_cards(&change->next.intents)) {
            change->forgot = true;
            rc = plan_bridges(flowd);
        }
    }
    for (size_t i = 0; i < bridges_count(flowd->bridges) && !rc; i++) {
        struct bridge_flows *flows = &flowd->flows[i];
        if (change->in[i])
            rc = bundle_start_check(bridges_at(flowd->bridges, i), flows->changes, flows->n_changes,
                                    &change->err);
        change->pending[i] = change->in[i];
    }
    if (rc)
        finish(flowd, rc);
    else
        change->step = CHANGE_CHECK;
}

// Reads what has come from the bridges. Returns true once all have answered; their first failure is
// in 'rc' and 'err'.
static bool
gather(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    bool all = true;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bundle_result result;
        struct offload_err err;
        if (!change->pending[i])
            continue;
        int rc = bundle_poll(bridges_at(flowd->bridges, i), &result, &err);
        if (rc == -EINPROGRESS) {
            all = false;
            continue;
        }
        change->pending[i] = false;
        change->committed[i] = !rc;
        if (rc && !change->rc) {
            change->rc = rc;
            change->err = err;
        }
        if (!rc && result.ns > change->bundle_ns)
            change->bundle_ns = result.ns;
    }
    return all;
}

static void
start_commits(struct flowd *flowd, enum change_step step)
{
    struct change *change = &flowd->change;
    change->step = step;
    change->bundle_ns = 0;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge_flows *flows = &flowd->flows[i];
        struct offload_err err;
        change->pending[i] = false;
        if (!change->in[i])
            continue;
        int rc = bundle_start_commit(bridges_at(flowd->bridges, i), flows->changes,
                                     flows->n_changes, &err);
        change->pending[i] = !rc;
        change->committed[i] = false;
        if (rc && !change->rc) {
            change->rc = rc;
            change->err = err;
        }
    }
}

static void
run_check(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    if (!gather(flowd))
        return;
    if (change->rc == -ENOSPC && !change->forgot && forget_old_cards(&change->next.intents)) {
        change->forgot = true;
        change->rc = 0;
        change->step = CHANGE_WAIT;
        return;
    }
    if (!change->rc && change->news)
        change->rc = state_save(flowd->state_path, &change->next, &change->err);
    if (change->rc)
        finish(flowd, change->rc);
    else
        start_commits(flowd, CHANGE_COMMIT);
}

static void
note_swap(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    struct swap *swap = change->swap_id[0] ? state_find_swap(&flowd->state, change->swap_id) : NULL;
    if (!swap)
        return;
    swap->bundle_ns = change->bundle_ns;
    swap->swapped_ns = clock_monotonic_ns();
    swap->fence = fence_ask(flowd->fence);
    log_notice("app %s: swapped from %s to %s in %.2f ms", swap->app, swap->from_port,
               swap->to_port, (double)swap->bundle_ns / (double)OFFLOAD_NS_PER_MS);
}

// Fences that came through meanwhile, of swaps from before.
static void
keep_fences(struct state *next, const struct state *former)
{
    for (size_t i = 0; i < former->n_swaps; i++) {
        struct swap *swap = state_find_swap(next, former->swaps[i].id);
        if (swap)
            *swap = former->swaps[i];
    }
}

static void
succeed(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    keep_fences(&change->next, &flowd->state);
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++)
        if (change->in[i])
            repair_adopt(flowd, i);
    state_fini(&flowd->state);
    flowd->state = change->next;
    change->next = (struct state){.term = 0};
    note_swap(flowd);
    finish(flowd, 0);
}

// Bridges that took their part go back to what they had. If that fails too, the next comparison
// does it.
static void
begin_back(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge_flows *flows = &flowd->flows[i];
        struct flow_change *back;
        if (!change->in[i])
            continue;
        change->in[i] = change->committed[i];
        if (!change->committed[i]) {
            flows->known = false; // after a lost connection nobody knows
            flows->due_ns = 0;
            repair_drop_plan(flows);
            continue;
        }
        long n = own_flows_diff(&flows->want, &flows->installed, &back);
        free(flows->changes);
        flows->changes = n > 0 ? back : NULL;
        flows->n_changes = n > 0 ? (size_t)n : 0;
    }
    start_commits(flowd, CHANGE_BACK);
}

static void
run_commit(struct flowd *flowd)
{
    if (!gather(flowd))
        return;
    if (flowd->change.rc)
        begin_back(flowd);
    else
        succeed(flowd);
}

static void
run_back(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    struct offload_err save_err;
    char text[512];
    if (!gather(flowd))
        return;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++)
        if (change->in[i] && !change->committed[i])
            flowd->flows[i].known = false;
    if (change->news && state_save(flowd->state_path, &flowd->state, &save_err))
        log_error("%s", offload_err_format(&save_err, text, sizeof text));
    finish(flowd, change->rc);
}

// ---- repair.run

void
change_begin_repair(struct flowd *flowd, uint64_t owner)
{
    flowd->change = (struct change){.step = CHANGE_REPAIR, .owner = owner};
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge *bridge = bridges_at(flowd->bridges, i);
        if (bridge_ready(bridge)) {
            flowd->flows[i].asked = flowd->change.pending[i] = true;
        } else if (!flowd->change.rc) {
            flowd->change.rc =
                offload_err_set(&flowd->change.err, -EBUSY, bridge_name(bridge),
                                "try again once the switch is back",
                                "the bridge is not connected: %s", bridge_trouble(bridge));
        }
    }
}

static void
run_repair(struct flowd *flowd)
{
    struct change *change = &flowd->change;
    bool all = true;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge_flows *flows = &flowd->flows[i];
        bool lost = !bridge_ready(bridges_at(flowd->bridges, i));
        if (!change->pending[i])
            continue;
        if (flows->step != MEND_IDLE || (flows->asked && !lost)) {
            all = false;
            continue;
        }
        change->pending[i] = flows->asked = false;
        if (lost && !flows->rc)
            flows->rc =
                offload_err_set(&flows->err, -EBUSY, bridge_name(bridges_at(flowd->bridges, i)),
                                "try again once the switch is back", "the bridge was lost");
        if (flows->rc && !change->rc) {
            change->rc = flows->rc;
            change->err = flows->err;
        }
        change->counts.added += flows->found.added;
        change->counts.removed += flows->found.removed;
        change->counts.kept += flows->found.kept;
    }
    if (all)
        finish(flowd, change->rc);
}

void
change_run(struct flowd *flowd)
{
    enum change_step before;
    // Each step may lead on to the next at once: one without a bridge to change ends in one call.
    do {
        before = flowd->change.step;
        switch (before) {
        case CHANGE_WAIT:
            run_wait(flowd);
            break;
        case CHANGE_CHECK:
            run_check(flowd);
            break;
        case CHANGE_COMMIT:
            run_commit(flowd);
            break;
        case CHANGE_BACK:
            run_back(flowd);
            break;
        case CHANGE_REPAIR:
            run_repair(flowd);
            break;
        case CHANGE_NONE:
        case CHANGE_DONE:
            break;
        }
    } while (flowd->change.step != before);
}
