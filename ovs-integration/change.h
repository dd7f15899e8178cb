// SPDX-License-Identifier: Apache-2.0
// Changes of what the switch is to do: written down first, then one bundle a bridge, then adopted;
// or nothing of it. One at a time; whoever asks meanwhile waits for its turn. Nothing here blocks.
#pragma once

#include "ovs-integration/flowd.h"

enum change_turn {
    CHANGE_FREE,  // a change may be begun
    CHANGE_ENDED, // that of 'owner' has ended: change_take() it
    CHANGE_BUSY,  // one is underway
};

enum change_turn change_turn(const struct flowd *flowd, uint64_t owner);

// Begins to make 'next' (taken over) the state: in the state file, in the switch, in flowd.
// 'swap_id' is that of the swap that is new in it, or "".
void change_begin(struct flowd *flowd, uint64_t owner, struct state *next, const char *swap_id);
// Begins to list and mend all bridges that are connected.
void change_begin_repair(struct flowd *flowd, uint64_t owner);

// How the change ended, which is forgotten with it.
int change_take(struct flowd *flowd, uint64_t *bundle_ns, struct repair_counts *counts,
                struct offload_err *err);

void change_run(struct flowd *flowd);
// True if one has ended: those who wait should ask again. What nobody takes then is to be dropped.
bool change_has_ended(const struct flowd *flowd);
void change_drop(struct flowd *flowd);
