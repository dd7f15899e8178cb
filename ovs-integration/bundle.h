// SPDX-License-Identifier: Apache-2.0
// Talks OpenFlow with one bridge: changes flows in one atomic bundle, lists them.
// flows -> [bundle] -> ovs-vswitchd.  One exchange of messages a bridge at a time, carried on by
// bridges_run(); nothing here waits. A switch that says nothing for BUNDLE_SILENCE_MS during one
// loses its connection, and the exchange ends with -EBUSY.
#pragma once

#include "ovs-integration/bridge.h"

enum { BUNDLE_SILENCE_MS = 2000 };

// True if an exchange may be started: none is underway or waits for bundle_poll().
bool bundle_idle(const struct bridge *bridge);

// Each starts an exchange at an idle bridge and returns 0, or -EBUSY if it is not connected; what
// comes of it tells bundle_poll(). 'changes' and the flows behind them are borrowed until then.

// All changes or none: one ordered atomic bundle and a barrier, sent without waiting in between.
// Flows with our cookie that no intent could have made (bundle_odd()) are removed with it.
int bundle_start_commit(struct bridge *bridge, const struct flow_change *changes, size_t n,
                        struct offload_err *err);
// Lists our flows, by cookie; or only counts them, which costs flowd nothing and the switch little.
int bundle_start_list(struct bridge *bridge, bool count_only, struct offload_err *err);
// Looks whether a flow of somebody else is in table 0 where one of 'changes' would be added, which
// would replace it: -ENOSPC with the flow in 'err'.
int bundle_start_check(struct bridge *bridge, const struct flow_change *changes, size_t n,
                       struct offload_err *err);

struct bundle_result {
    uint64_t ns;            // from the first message to the barrier's reply
    uint64_t count;         // of own flows, if they were counted
    struct own_flows flows; // if they were listed: sorted, the caller's (own_flows_fini())
};

// -EINPROGRESS, or how the exchange ended: then the bridge is idle again. -ENOSPC also for a table
// that is full; nothing was changed.
int bundle_poll(struct bridge *bridge, struct bundle_result *result, struct offload_err *err);

// How many flows with our cookie the last listing found that could not be ours.
size_t bundle_odd(const struct bridge *bridge);

// A change that changes nothing: a flow that no packet fits is added and removed in one bundle. OVS
// goes over its cached flows as after any other change. Nobody polls for its end.
void bundle_change_nothing(struct bridge *bridge);
// Makes ovs-vswitchd's main thread go round once, by an echo request. Does not wait.
void bundle_wake(struct bridge *bridge);
