// SPDX-License-Identifier: Apache-2.0
// What agents share: ways to hand out a card's resources, and to find the application whose move
// would relieve a card. state -> [agent: fill, move] -> shield.
#pragma once

#include <offload/allocate.h>

// In which order applications are served while there is not enough for all.
enum fill_order {
    FILL_PROPORTIONAL, // all are cut alike, by weight x need
    FILL_CLASS,        // gold first, the smallest first within a class
    FILL_VALUE,        // most weight for the least of the card first
    FILL_MARGINAL,     // the same, quantile by quantile: the news vendor's rule
};

// Hands out card 'c' into the plan's wishes: guarantees, then needs at score 'z' in 'order', then
// the needs at P90 and P99 where room is left, then the rest in proportion. FILL_MARGINAL ignores
// 'z'.
void fill_card(const struct alloc_state *state, uint32_t c, enum fill_order order, double z,
               struct alloc_plan *plan);

// The same for the needs that the caller has put into the plan's entries: cut alike where too much,
// the rest spread.
void fill_needs(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan);

// Least that each application keeps under overload, by class order: MinBps (as rate and CPU), its
// state, and a trickle. Sets 'floor' of the plan's entries on card 'c'; their sum fits in it.
void fill_floors(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan);

// What card 'c' can give to those who are on it: all but what is held for those who come.
struct alloc_share fill_room(const struct alloc_state *state, uint32_t c,
                             const struct alloc_plan *plan);

// Finds the move that relieves card 'c' best and writes it into 'plan' (to, to_share, reason).
// False: the card needs no relief, or none is to be had.
bool move_propose(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan);

// Why 'app' must not move to 'to' now, or NULL.
const char *move_refusal(const struct alloc_state *state, const struct alloc_app *app, uint32_t to);

// Whether the card may give applications away: it is draining, or was hot long enough.
bool move_wanted(const struct alloc_state *state, uint32_t c);
