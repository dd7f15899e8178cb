// SPDX-License-Identifier: Apache-2.0
// What the learning agents share: the ways to lean away from the news vendor, what they see of a
// card, random numbers without a state, and words of a checkpoint.
// state -> [agent: lean] -> shield.  Pure.
#pragma once

#include "lib/allocate/value.h"

enum {
    LEAN_ACTIONS = 11, // 0 is the news vendor itself
    LEAN_SEEN = 18,
};

// What came on a card beside what was expected of it, of late.
struct lean_memory {
    double p50, p90; // sum of what was expected of the step that comes
    double miss;     // mean of (load - P50) / (P90 - P50), the newest most
    double last;     // the newest
};

enum lean_sight { // indices into what lean_look() sees
    LEAN_P50,
    LEAN_P90,
    LEAN_P99,
    LEAN_OTHER, // the fullest other card of the server
    LEAN_SPREAD,
    LEAN_TREND,
    LEAN_BROKEN,
    LEAN_BROKEN_GOLD,
    LEAN_GOLD,
    LEAN_SILVER,
    LEAN_APPS,
    LEAN_LARGEST, // application's part of the expected load
    LEAN_CPU,     // is what is short
    LEAN_MISS,
    LEAN_LAST,
    LEAN_FULL,
    LEAN_STEEP, // how much further P99 is off than P90
    LEAN_LENT,
};

void lean_look(const struct alloc_state *state, uint32_t c, const struct lean_memory *memory,
               double *seen);
// Takes in what came, and what is expected now. Once a decision.
void lean_note(const struct alloc_state *state, uint32_t c, struct lean_memory *memory);

// Shares and moves as 'action' leans.
void lean_fill(const struct alloc_state *state, uint32_t c, uint32_t action,
               struct alloc_plan *plan);
void lean_move(const struct alloc_state *state, uint32_t c, uint32_t action,
               struct alloc_plan *plan);

// In [0, 1), the same for the same three.
double lean_uniform(uint64_t seed, uint64_t number, uint64_t draw);

// Little-endian words; each returns where the next one starts.
char *lean_put(char *to, uint64_t value, size_t bytes);
const char *lean_take(const char *from, uint64_t *value, size_t bytes);
