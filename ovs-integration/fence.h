// SPDX-License-Identifier: Apache-2.0
// The fence behind a swap: after a barrier the OpenFlow tables are new, but the datapath's cached
// flows follow a moment later. A fence is through once ovs-vswitchd's revalidators are known to
// have gone over all cached flows since it was asked for. Nothing here waits for that.
#pragma once

#include "ovs-integration/bridge.h"
#include "ovs-integration/settings.h"

struct fence;

struct fence *fence_create(const struct settings *settings,
                           struct bridges *bridges); // both borrowed
void fence_destroy(struct fence *fence);
void fence_run(struct fence *fence);
void fence_wait(struct fence *fence);

// Asks for a fence that begins after now. Returns its number: it is through once fence_passed() is
// no less.
uint64_t fence_ask(struct fence *fence);
uint64_t fence_passed(const struct fence *fence);
