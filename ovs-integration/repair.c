// SPDX-License-Identifier: Apache-2.0
// Compares own flows with the intents and mends them, by bundle.
// bridge, reroute, api -> [repair] -> bundle.  Nothing here remembers how a difference came about:
// OVS restarted, a port came or went, somebody deleted a flow, all end in the same comparison.
#include "ovs-integration/repair.h"

#include "ovs-integration/bundle.h"

#include "lib/io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t RETRY_NS = 1000000000;

void
plan_fini(struct plan *plan)
{
    for (size_t i = 0; i < BRIDGES_MAX; i++) {
        own_flows_fini(&plan->want[i]);
        free(plan->changes[i]);
        plan->changes[i] = NULL;
        plan->n[i] = 0;
    }
}

static int
make_changes(struct flowd *flowd, size_t i, const struct intent_set *intents, struct plan *plan,
             struct offload_err *err)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    int rc = own_flows_desired(intents, bridge_name(bridge), bridge_ports(bridge),
                               (uint16_t)flowd->settings.priority, &plan->want[i], err);
    if (rc)
        return rc;
    long n = own_flows_diff(&flowd->flows[i].installed, &plan->want[i], &plan->changes[i]);
    if (n < 0)
        return offload_err_set(err, (int)n, bridge_name(bridge), NULL, "out of memory");
    plan->n[i] = (size_t)n;
    return bundle_check_foreign(bridge, plan->changes[i], plan->n[i], err);
}

static bool
concerns(const struct intent_set *intents, const char *bridge)
{
    for (size_t i = 0; i < intents->n; i++)
        if (!strcmp(intents->intents[i]->bridge, bridge))
            return true;
    return false;
}

int
plan_make(struct flowd *flowd, const struct intent_set *intents, struct plan *plan,
          struct offload_err *err)
{
    *plan = (struct plan){.n = {0}};
    int rc = 0;
    for (size_t i = 0; i < bridges_count(flowd->bridges) && !rc; i++) {
        struct bridge *bridge = bridges_at(flowd->bridges, i);
        bool ready = bridge_ready(bridge) && flowd->flows[i].known;
        if (ready)
            rc = make_changes(flowd, i, intents, plan, err);
        else if (concerns(intents, bridge_name(bridge)) ||
                 concerns(&flowd->state.intents, bridge_name(bridge)))
            rc = offload_err_set(
                err, -EBUSY, bridge_name(bridge), "try again once the switch is back",
                "the bridge is not connected: %s",
                bridge_ready(bridge) ? "its flows could not be listed" : bridge_trouble(bridge));
    }
    if (rc)
        plan_fini(plan);
    return rc;
}

static void
adopt(struct flowd *flowd, size_t i, struct own_flows *want)
{
    struct bridge_flows *flows = &flowd->flows[i];
    own_flows_fini(&flows->installed);
    flows->installed = *want;
    flows->ports_change = bridge_ports_change(bridges_at(flowd->bridges, i));
    *want = (struct own_flows){.flows = NULL};
}

// Takes a committed bridge back to what it had. If that fails too, the next comparison does it.
static void
roll_back(struct flowd *flowd, size_t i, const struct plan *plan)
{
    struct flow_change *back;
    long n = own_flows_diff(&plan->want[i], &flowd->flows[i].installed, &back);
    if (n < 0 || bundle_commit(bridges_at(flowd->bridges, i), back, (size_t)n, NULL, NULL))
        flowd->flows[i].known = false;
    if (n > 0)
        free(back);
}

int
plan_apply(struct flowd *flowd, struct plan *plan, uint64_t *ns, struct offload_err *err)
{
    size_t n = bridges_count(flowd->bridges);
    uint64_t longest_ns = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bundle_ns = 0;
        int rc = plan->n[i] ? bundle_commit(bridges_at(flowd->bridges, i), plan->changes[i],
                                            plan->n[i], &bundle_ns, err)
                            : 0;
        if (rc) {
            flowd->flows[i].known = false; // after a lost connection nobody knows
            flowd->flows[i].due_ns = 0;
            while (i--)
                if (plan->n[i])
                    roll_back(flowd, i, plan);
            return rc;
        }
        if (bundle_ns > longest_ns)
            longest_ns = bundle_ns;
    }
    for (size_t i = 0; i < n; i++)
        if (plan->n[i])
            adopt(flowd, i, &plan->want[i]);
    if (ns)
        *ns = longest_ns;
    return 0;
}

// Brings one bridge to what the intents want, from 'installed' as it is believed to be.
static int
settle(struct flowd *flowd, size_t i, struct repair_counts *counts, struct offload_err *err)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    struct bridge_flows *flows = &flowd->flows[i];
    struct plan plan = {.n = {0}};
    size_t had = flows->installed.n, odd = bundle_odd(bridge), removed = 0;
    uint64_t ports_change = bridge_ports_change(bridge);
    int rc = make_changes(flowd, i, &flowd->state.intents, &plan, err);
    if (!rc && (plan.n[i] || odd))
        rc = bundle_commit(bridge, plan.changes[i], plan.n[i], NULL, err);
    if (!rc) {
        for (size_t c = 0; c < plan.n[i]; c++)
            removed += plan.changes[i][c].remove;
        counts->added += plan.n[i] - removed;
        counts->removed += removed + odd;
        counts->kept += had - removed;
        adopt(flowd, i, &plan.want[i]);
        flows->ports_change = ports_change;
    }
    plan_fini(&plan);
    return rc;
}

// Lists one bridge's flows and settles it.
static int
mend(struct flowd *flowd, size_t i, uint64_t now_ns, struct repair_counts *counts,
     struct offload_err *err)
{
    struct bridge *bridge = bridges_at(flowd->bridges, i);
    struct bridge_flows *flows = &flowd->flows[i];
    struct own_flows own;
    struct repair_counts mine = {.added = 0};
    uint64_t connection = bridge_connection(bridge);
    flows->due_ns = now_ns + RETRY_NS;
    int rc = bundle_dump(bridge, &own, err);
    if (rc)
        return rc;
    own_flows_fini(&flows->installed);
    flows->installed = own;
    flows->known = true;
    flows->connection = connection;
    rc = settle(flowd, i, &mine, err);
    if (rc)
        return rc;
    flows->due_ns = now_ns + flowd->settings.repair_interval_s * OFFLOAD_NS_PER_S;
    if (mine.added || mine.removed) {
        flowd->repairs++;
        log_notice("bridge %s: mended: %zu flows added, %zu removed, %zu kept", bridge_name(bridge),
                   mine.added, mine.removed, mine.kept);
    }
    counts->added += mine.added;
    counts->removed += mine.removed;
    counts->kept += mine.kept;
    return 0;
}

int
repair_all(struct flowd *flowd, uint64_t now_ns, struct repair_counts *counts,
           struct offload_err *err)
{
    int first = 0;
    *counts = (struct repair_counts){.added = 0};
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge *bridge = bridges_at(flowd->bridges, i);
        int rc = bridge_ready(bridge)
                     ? mend(flowd, i, now_ns, counts, first ? NULL : err)
                     : offload_err_set(first ? NULL : err, -EBUSY, bridge_name(bridge),
                                       "try again once the switch is back",
                                       "the bridge is not connected: %s", bridge_trouble(bridge));
        if (rc && !first)
            first = rc;
    }
    return first;
}

static void
log_once(struct bridge_flows *flows, int rc, const struct offload_err *err)
{
    char text[sizeof flows->logged] = "";
    if (rc)
        offload_err_format(err, text, sizeof text);
    if (strcmp(text, flows->logged)) {
        if (rc)
            log_error("%s", text);
        strcpy(flows->logged, text);
    }
}

void
repair_run(struct flowd *flowd, uint64_t now_ns)
{
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++) {
        struct bridge *bridge = bridges_at(flowd->bridges, i);
        struct bridge_flows *flows = &flowd->flows[i];
        struct repair_counts counts = {.added = 0};
        struct offload_err err;
        bool renewed = flows->connection != bridge_connection(bridge);
        int rc = 0;
        if (!bridge_ready(bridge)) {
            flows->known = false;
            continue;
        }
        if (renewed || now_ns >= flows->due_ns)
            rc = mend(flowd, i, now_ns, &counts, &err);
        else if (flows->known && flows->ports_change != bridge_ports_change(bridge)) {
            rc = settle(flowd, i, &counts, &err);
            flows->ports_change =
                bridge_ports_change(bridge); // a failure waits for the next comparison
            if (!rc && (counts.added || counts.removed))
                log_notice("bridge %s: ports changed: %zu flows added, %zu removed",
                           bridge_name(bridge), counts.added, counts.removed);
        } else
            continue;
        if (rc)
            flows->connection = bridge_connection(bridge); // tried; the next try is at 'due_ns'
        log_once(flows, rc, &err);
    }
}

uint64_t
repair_due_ns(const struct flowd *flowd)
{
    uint64_t due_ns = UINT64_MAX;
    for (size_t i = 0; i < bridges_count(flowd->bridges); i++)
        if (bridge_ready(bridges_at(flowd->bridges, i)) && flowd->flows[i].due_ns < due_ns)
            due_ns = flowd->flows[i].due_ns;
    return due_ns;
}
