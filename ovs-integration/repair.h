// SPDX-License-Identifier: Apache-2.0
// Keeps the switch's flows as the intents want them: changes them on command, follows the ports,
// and mends what others removed or a restart of OVS lost.
#pragma once

#include "ovs-integration/flowd.h"

// How the switch gets from what it has to what 'intents' want. Owns its parts (plan_fini()).
struct plan {
    struct own_flows want[BRIDGES_MAX];
    struct flow_change *changes[BRIDGES_MAX]; // point into 'want' and the installed flows
    size_t n[BRIDGES_MAX];
};

// -EBUSY if a bridge that must change is not connected, -ENOSPC if the intents cannot be told apart
// or a foreign flow is in the way. Changes nothing.
int plan_make(struct flowd *flowd, const struct intent_set *intents, struct plan *plan,
              struct offload_err *err);
// Carries it out on all bridges or on none. '*ns' (may be NULL) is the longest bundle with its
// barrier.
int plan_apply(struct flowd *flowd, struct plan *plan, uint64_t *ns, struct offload_err *err);
void plan_fini(struct plan *plan);

struct repair_counts {
    size_t added, removed, kept;
};

// Lists and mends all bridges that are connected. The first failure is in 'err'.
int repair_all(struct flowd *flowd, uint64_t now_ns, struct repair_counts *counts,
               struct offload_err *err);

// To be called in each round: mends what is due, follows ports that changed.
void repair_run(struct flowd *flowd, uint64_t now_ns);
uint64_t repair_due_ns(
    const struct flowd *flowd); // when it has to be called again; UINT64_MAX: on news only
