// SPDX-License-Identifier: Apache-2.0
// Agent proportional: guarantees first, then each resource in proportion to weight x P50 need, then
// P90 and P99 where room is left. Moves an application when the forecast says that a card will be
// too full. This is what a careful operator would write by hand, and what a learned agent must not
// fall behind. state -> [agent] -> shield.  Pure.
#include "lib/allocate/fill.h"

static void
proportional_choose(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++)
        move_propose(state, c, plan);
}

static void
proportional_wish(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++)
        fill_card(state, c, FILL_PROPORTIONAL, ALLOC_Z_P50, plan);
}

const struct alloc_agent_ops alloc_agent_proportional = {
    .name = "proportional",
    .help =
        "in proportion to weight x P50 need, P90 where room is; moves when a card will be too full",
    .choose = proportional_choose,
    .wish = proportional_wish,
};
