// SPDX-License-Identifier: Apache-2.0
// Talks OpenFlow with one bridge: changes flows in one atomic bundle, lists them.
// flows -> [bundle] -> ovs-vswitchd.  Waits for the answers, at most BUNDLE_SILENCE_MS without any;
// after that the connection is given up, so a switch that hangs does not take flowd with it.
#pragma once

#include "ovs-integration/bridge.h"

enum { BUNDLE_SILENCE_MS = 2000 };

// Makes all changes or none: one ordered atomic bundle and a barrier, sent without waiting in
// between. Flows with our cookie that no intent could have made (bundle_odd()) are removed with it.
// '*ns', may be NULL, is the time from the first message to the barrier's reply.
int bundle_commit(struct bridge *bridge, const struct flow_change *changes, size_t n, uint64_t *ns,
                  struct offload_err *err);

// Lists our flows, by cookie, sorted. On success the caller owns 'own' (own_flows_fini()).
int bundle_dump(struct bridge *bridge, struct own_flows *own, struct offload_err *err);

// How many flows with our cookie the last dump found that could not be ours.
size_t bundle_odd(const struct bridge *bridge);

// A change that changes nothing: a flow that no packet fits is added and removed in one bundle. OVS
// goes over its cached flows as after any other change.
void bundle_change_nothing(struct bridge *bridge);
// Makes ovs-vswitchd's main thread go round once, by an echo request. Does not wait.
void bundle_wake(struct bridge *bridge);

// Looks whether a flow of somebody else is in table 0 where one of 'changes' would be added, which
// would replace it. Returns 0, or -ENOSPC with the flow in 'err'.
int bundle_check_foreign(struct bridge *bridge, const struct flow_change *changes, size_t n,
                         struct offload_err *err);
