// SPDX-License-Identifier: Apache-2.0
// Keeps the switch's flows as the intents want them: follows the ports, and mends what others
// removed or a restart of OVS lost. Nothing here waits.
#pragma once

#include "ovs-integration/flowd.h"

// To be called in each round: carries comparisons on, and begins those that are due.
void repair_run(struct flowd *flowd, uint64_t now_ns);
uint64_t repair_due_ns(
    const struct flowd *flowd); // when it has to be called again; UINT64_MAX: on news only

// What leads one bridge from what it has to what 'intents' want, into its 'want' and 'changes'.
// -ENOSPC if the intents cannot be told apart. Changes nothing in the switch.
int repair_plan(struct flowd *flowd, size_t i, const struct intent_set *intents,
                struct offload_err *err);
// The plan is in the switch: what was wanted is what is installed.
void repair_adopt(struct flowd *flowd, size_t i);
void repair_drop_plan(struct bridge_flows *flows);
