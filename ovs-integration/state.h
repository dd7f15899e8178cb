// SPDX-License-Identifier: Apache-2.0
// What flowd must still know after a restart: the intents, the term, the last swaps. One file,
// replaced as a whole before the switch is changed, so that what a crash interrupts is finished on
// return.
#pragma once

#include "ovs-integration/intent.h"

enum {
    SWAPS_MAX = 64,
    SWAP_ID_SIZE = 65,
};

struct swap {
    char id[SWAP_ID_SIZE]; // the migration's
    char app[OFFLOAD_NAME_MAX + 1];
    char from_port[PORT_NAME_SIZE], to_port[PORT_NAME_SIZE], to_port_out[PORT_NAME_SIZE];
    uint64_t bundle_ns; // 0: from before a restart that came between bundle and reply
    bool fenced;
    uint64_t fence_ns;
    uint64_t swapped_ns; // monotonic, not kept
    uint64_t fence;      // which fence it waits for, 0: not asked for yet; not kept
};

struct state {
    uint64_t term;       // the highest that was obeyed
    uint64_t generation; // one up with each change
    uint32_t last_id;    // of an intent
    struct intent_set intents;
    struct swap swaps[SWAPS_MAX]; // the oldest first
    size_t n_swaps;
};

// A missing file gives an empty state. A damaged one is an error, and 'state' is untouched.
int state_load(const char *path, struct state *state, struct offload_err *err);
int state_save(const char *path, const struct state *state, struct offload_err *err);

int state_copy(struct state *to, const struct state *from); // 0 or -ENOMEM
void state_fini(struct state *state);

struct swap *state_find_swap(struct state *state, const char *id); // NULL: not there
// Forgets the oldest if there is no room.
void state_add_swap(struct state *state, const struct swap *swap);
