// SPDX-License-Identifier: Apache-2.0
// All that one flowd holds. Owner: the one thread of the process.
#pragma once

#include "ovs-integration/bridge.h"
#include "ovs-integration/fence.h"
#include "ovs-integration/settings.h"
#include "ovs-integration/state.h"

// What flowd believes of one bridge's flows.
struct bridge_flows {
    struct own_flows installed;        // as last listed or committed
    bool known;                        // false: list before the next change
    uint64_t connection, ports_change; // that 'installed' was brought up to
    uint64_t due_ns;                   // of the next listing
    char logged[320];                  // the trouble that was logged last
    // How many flows the intents amount to: counted when asked for, good while these stay.
    size_t expected;
    uint64_t expected_generation, expected_ports;
};

struct flowd {
    struct settings settings;
    char state_path[512];
    struct state state;
    struct bridges *bridges;
    struct fence *fence;
    struct bridge_flows flows[BRIDGES_MAX]; // as bridges_at()
    uint64_t repairs; // how often flows were found missing, foreign or changed
};
