// SPDX-License-Identifier: Apache-2.0
// All that one flowd holds. Owner: the one thread of the process.
#pragma once

#include "ovs-integration/bridge.h"
#include "ovs-integration/fence.h"
#include "ovs-integration/settings.h"
#include "ovs-integration/state.h"

struct repair_counts {
    size_t added, removed, kept;
};

// Where the comparison of one bridge stands: see repair.c.
enum mend_step { MEND_IDLE, MEND_COUNT, MEND_LIST, MEND_CHECK, MEND_COMMIT };

// What flowd believes of one bridge's flows, and how it is being brought to what the intents want.
struct bridge_flows {
    struct own_flows installed;        // as last listed or committed
    bool known;                        // false: list before the next change
    uint64_t connection, ports_change; // that 'installed' was brought up to
    uint64_t due_ns;                   // of the next comparison
    uint64_t list_due_ns;              // of the next that lists; others only count
    char logged[320];                  // the trouble that was logged last

    enum mend_step step;
    bool listed;                        // this comparison has listed
    bool asked;                         // by repair.run: list as soon as can be
    struct repair_counts counts, found; // of this comparison, and of the last that listed
    int rc;                             // how the last one ended
    struct offload_err err;

    // On the way into the switch, for a comparison or a change.
    struct own_flows want;
    struct flow_change *changes; // point into 'want' and 'installed'
    size_t n_changes;
    uint64_t want_ports; // bridge_ports_change() that 'want' was made for

    // How many flows the intents amount to: counted when asked for, good while these stay.
    size_t expected;
    uint64_t expected_generation, expected_ports;
};

// The one change of intents that is underway: see change.c.
enum change_step {
    CHANGE_NONE,
    CHANGE_WAIT,
    CHANGE_CHECK,
    CHANGE_COMMIT,
    CHANGE_BACK,
    CHANGE_REPAIR,
    CHANGE_DONE,
};

struct change {
    enum change_step step;
    uint64_t owner;             // the peer that asked
    struct state next;          // owned until it is adopted or dropped
    bool news;                  // 'next' differs from the state: it goes into the state file
    bool forgot;                // the ways out of former cards have been given up for it
    char swap_id[SWAP_ID_SIZE]; // "": no swap, or one that was made before
    bool in[BRIDGES_MAX];       // bridges that it changes
    bool pending[BRIDGES_MAX];  // and whose answer is still out
    bool committed[BRIDGES_MAX];
    int rc;
    struct offload_err err;
    uint64_t bundle_ns; // the longest bundle with its barrier
    struct repair_counts counts;
};

struct flowd {
    struct settings settings;
    char state_path[512];
    struct state state;
    struct bridges *bridges;
    struct fence *fence;
    struct bridge_flows flows[BRIDGES_MAX]; // as bridges_at()
    struct change change;
    uint64_t repairs; // how often flows were found missing, foreign or changed
};
