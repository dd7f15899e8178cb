// SPDX-License-Identifier: Apache-2.0
// The fence behind a swap: after a barrier the OpenFlow tables are new, but the datapath's cached
// flows follow a moment later. "revalidator/wait" on ovs-vswitchd's control socket returns once
// they have (0.4 to 0.5 s), so it is asked without waiting for it.
#pragma once

#include "ovs-integration/settings.h"

struct fence;

struct fence *fence_create(const struct settings *settings); // 'settings' is borrowed
void fence_destroy(struct fence *fence);
void fence_run(struct fence *fence);
void fence_wait(struct fence *fence);

// Asks for a fence that begins after now. Returns its number: it is through once fence_passed() is
// no less.
uint64_t fence_ask(struct fence *fence);
uint64_t fence_passed(const struct fence *fence);
