// SPDX-License-Identifier: Apache-2.0
// Compares own flows with the intents and mends them, by bundle.
// bridge, change -> [repair] -> bundle.  Nothing here remembers how a difference came about:
// OVS restarted, a port came or went, somebody deleted a flow, all end in the same comparison.
//
//    idle --due--> count --as expected--> idle
//                  count --other--> list --> check --> commit --> idle
//    idle --new connection, repair.run, long since--> list
//    idle --ports changed--> check
//
// Any failure leads to idle, and to a listing RETRY_NS later.
#include "ovs-integration/repair.h"

#include "ovs-integration/bundle.h"

#include "lib/io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t RETRY_NS = 1000000000;
// Listing costs flowd some 2 us a flow: with many flows it is done so seldom that it stays below
// one thousandth of a core. In between a count shows what is missing or too many.
static const uint64_t LIST_EVERY_NS_A_FLOW = 2000 * 1500;

void
repair_drop_plan(struct bridge_flows *flows)
{
    own_flows_fini(&flows->want);
    free(flows->changes);
    flows->changes = NULL;
    flows->n_changes = 0;
}

int
repair_plan(struct flowd *flowd, size_t i, const struct intent_set *intents,
            struct offload_err *err)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    struct bridge_flows *flows = &flowd->flows[i];
    repair_drop_plan(flows);
    int rc = own_flows_desired(intents, bridge_name(bridge), bridge_ports(bridge),
                               (uint16_t)flowd->settings.priority, &flows->want, err);
    if (rc)
        return rc;
    long n = own_flows_diff(&flows->installed, &flows->want, &flows->changes);
    if (n < 0) {
        repair_drop_plan(flows);
        return offload_err_set(err, (int)n, bridge_name(bridge), NULL, "out of memory");
    }
    flows->n_changes = (size_t)n;
    flows->want_ports = bridge_ports_change(bridge);
    return 0;
}

void
repair_adopt(struct flowd *flowd, size_t i)
{
    struct bridge_flows *flows = &flowd->flows[i];
    own_flows_fini(&flows->installed);
    flows->installed = flows->want;
    flows->want = (struct own_flows){.flows = NULL};
    flows->ports_change = flows->want_ports;
    repair_drop_plan(flows);
}

static void
log_once(struct bridge_flows *flows)
{
    char text[sizeof flows->logged] = "";
    if (flows->rc)
        offload_err_format(&flows->err, text, sizeof text);
    if (strcmp(text, flows->logged)) {
        if (flows->rc)
            log_error("%s", text);
        strcpy(flows->logged, text);
    }
}

static void
tell(struct flowd *flowd, size_t i)
{
    struct bridge_flows *flows = &flowd->flows[i];
    const char *name = bridge_name(bridges_at(flowd->bridges, i));
    const struct repair_counts *counts = &flows->counts;
    if (!counts->added && !counts->removed)
        return;
    if (!flows->listed) {
        log_notice("bridge %s: ports changed: %zu flows added, %zu removed", name, counts->added,
                   counts->removed);
        return;
    }
    flowd->repairs++;
    log_notice("bridge %s: mended: %zu flows added, %zu removed, %zu kept", name, counts->added,
               counts->removed, counts->kept);
}

static void
end(struct flowd *flowd, size_t i, int rc, uint64_t now_ns)
{
    struct bridge_flows *flows = &flowd->flows[i];
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    uint64_t often_ns = flowd->settings.repair_interval_s * OFFLOAD_NS_PER_S;
    uint64_t list_ns = flows->installed.n * LIST_EVERY_NS_A_FLOW;
    bool ports_only = !flows->listed && flows->step != MEND_COUNT;
    flows->step = MEND_IDLE;
    flows->rc = rc;
    if (rc || !ports_only)
        flows->due_ns = now_ns + (rc ? RETRY_NS : often_ns);
    flows->connection = bridge_connection(bridge); // tried; the next try is at 'due_ns'
    if (rc) {
        flows->list_due_ns = 0;
        flows->ports_change = bridge_ports_change(bridge);
        repair_drop_plan(flows);
    } else if (flows->listed) {
        flows->list_due_ns = now_ns + (list_ns > often_ns ? list_ns : often_ns);
    }
    if (!rc)
        tell(flowd, i);
    if (flows->listed)
        flows->found = flows->counts;
    log_once(flows);
}

static int
start_list(struct flowd *flowd, size_t i)
{
    struct bridge_flows *flows = &flowd->flows[i];
    flows->step = MEND_LIST;
    flows->listed = true;
    flows->asked = false;
    return bundle_start_list(bridges_at(flowd->bridges, i), false, &flows->err);
}

// From 'installed' as it is believed to be.
static int
start_check(struct flowd *flowd, size_t i)
{
    struct bridge_flows *flows = &flowd->flows[i];
    flows->step = MEND_CHECK;
    int rc = repair_plan(flowd, i, &flowd->state.intents, &flows->err);
    return rc ? rc
              : bundle_start_check(bridges_at(flowd->bridges, i), flows->changes, flows->n_changes,
                                   &flows->err);
}

static int
on_listed(struct flowd *flowd, size_t i, struct bundle_result *result)
{
    struct bridge_flows *flows = &flowd->flows[i];
    own_flows_fini(&flows->installed);
    flows->installed = result->flows;
    flows->known = true;
    return start_check(flowd, i);
}

static int
start_commit(struct flowd *flowd, size_t i)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    struct bridge_flows *flows = &flowd->flows[i];
    size_t removed = 0, odd = bundle_odd(bridge);
    for (size_t c = 0; c < flows->n_changes; c++)
        removed += flows->changes[c].remove;
    flows->counts = (struct repair_counts){.added = flows->n_changes - removed,
                                           .removed = removed + odd,
                                           .kept = flows->installed.n - removed};
    flows->step = MEND_COMMIT;
    return bundle_start_commit(bridge, flows->changes, flows->n_changes, &flows->err);
}

// The exchange that was underway has ended well: on to the next step. Returns -EINPROGRESS, or how
// the comparison has ended.
static int
go_on(struct flowd *flowd, size_t i, struct bundle_result *result)
{
    struct bridge_flows *flows = &flowd->flows[i];
    int rc = 0;
    switch (flows->step) {
    case MEND_COUNT:
        if (result->count == flows->installed.n)
            return 0;
        rc = start_list(flowd, i);
        break;
    case MEND_LIST:
        rc = on_listed(flowd, i, result);
        break;
    case MEND_CHECK:
        if (!flows->n_changes && !bundle_odd(bridges_at(flowd->bridges, i))) {
            flows->counts = (struct repair_counts){.kept = flows->installed.n};
            repair_adopt(flowd, i);
            return 0;
        }
        rc = start_commit(flowd, i);
        break;
    case MEND_COMMIT:
        repair_adopt(flowd, i);
        return 0;
    case MEND_IDLE:
        return 0;
    }
    return rc ? rc : -EINPROGRESS;
}

// True while a change has or wants the bridge to itself.
static bool
is_taken(const struct flowd *flowd, size_t i)
{
    enum change_step step = flowd->change.step;
    if (step == CHANGE_WAIT)
        return flowd->flows[i].known;
    return (step == CHANGE_CHECK || step == CHANGE_COMMIT || step == CHANGE_BACK) &&
           flowd->change.in[i];
}

static void
begin(struct flowd *flowd, size_t i, uint64_t now_ns)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    struct bridge_flows *flows = &flowd->flows[i];
    bool renewed = flows->connection != bridge_connection(bridge);
    bool due = now_ns >= flows->due_ns;
    int rc;
    if (!bundle_idle(bridge) || is_taken(flowd, i))
        return;
    flows->listed = false;
    flows->counts = (struct repair_counts){.added = 0};
    // What a dead card asks for comes before any comparison.
    if (!renewed && flows->known && flows->ports_change != bridge_ports_change(bridge)) {
        rc = start_check(flowd, i);
    } else if (renewed || flows->asked ||
               (due && (!flows->known || now_ns >= flows->list_due_ns))) {
        rc = start_list(flowd, i);
    } else if (due) {
        flows->step = MEND_COUNT;
        rc = bundle_start_list(bridge, true, &flows->err);
    } else {
        return;
    }
    if (rc)
        end(flowd, i, rc, now_ns);
}

void
repair_run(struct flowd *flowd, uint64_t now_ns)
{
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge *bridge = bridges_at(flowd->bridges, i);
        struct bridge_flows *flows = &flowd->flows[i];
        struct bundle_result result;
        if (!bridge_ready(bridge))
            flows->known = false;
        if (flows->step == MEND_IDLE) {
            if (bridge_ready(bridge))
                begin(flowd, i, now_ns);
            continue;
        }
        int rc = bundle_poll(bridge, &result, &flows->err);
        if (!rc)
            rc = go_on(flowd, i, &result);
        if (rc != -EINPROGRESS)
            end(flowd, i, rc, now_ns);
    }
}

uint64_t
repair_due_ns(const struct flowd *flowd)
{
    uint64_t due_ns = UINT64_MAX;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        const struct bridge *bridge = bridges_at(flowd->bridges, i);
        const struct bridge_flows *flows = &flowd->flows[i];
        if (!bridge_ready(bridge) || flows->step != MEND_IDLE || !bundle_idle(bridge) ||
            is_taken(flowd, i))
            continue; // what ends that wakes the loop
        bool news = flows->asked || flows->connection != bridge_connection(bridge) ||
                    (flows->known && flows->ports_change != bridge_ports_change(bridge));
        if (news || flows->due_ns < due_ns)
            due_ns = news ? 0 : flows->due_ns;
    }
    return due_ns;
}
