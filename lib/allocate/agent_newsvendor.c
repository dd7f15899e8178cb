// SPDX-License-Identifier: Apache-2.0
// Agent newsvendor: the forecast's quantiles shared out by marginal value, and the moves that gain
// more of that value than they cost. It learns nothing: what a learned agent must beat.
// state -> [agent] -> shield.  Pure.
#include "lib/allocate/fill.h"
#include "lib/allocate/value.h"

// A move stays for about as long as its reason; it must win back more than a little.
static const double MOVE_STEPS = 12;
static const double MOVE_LEAST = 0.7;

static void
newsvendor_choose(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        if (state->cards[c].draining)
            move_propose(state, c, plan);
        else if (state->cards[c].next_sibling <= c) // once a server
            value_move(state, c, &value_neutral, MOVE_STEPS, MOVE_LEAST, plan);
    }
}

static void
newsvendor_wish(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++)
        value_fill(state, c, &value_neutral, plan);
}

const struct alloc_agent_ops alloc_agent_newsvendor = {
    .name = "newsvendor",
    .help = "the forecast's quantiles by marginal value; moves where that gains more than it costs",
    .choose = newsvendor_choose,
    .wish = newsvendor_wish,
};
