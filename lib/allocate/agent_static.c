// SPDX-License-Identifier: Apache-2.0
// Agent static: what the operator wrote down, or equal shares. Never moves anything.
// state -> [agent] -> shield.  Pure.
#include "lib/allocate/fill.h"

static void
static_choose(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    (void)state;
    (void)plan;
}

static void
static_wish(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        struct alloc_share room = fill_room(state, c, plan);
        double n = 0;
        ALLOC_EACH (state, c, a)
            n++;
        ALLOC_EACH (state, c, a) {
            const struct alloc_share *fixed = &state->apps[a].fixed;
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                plan->entries[a].wish.amount[r] =
                    fixed->amount[r] > 0 ? fixed->amount[r] : room.amount[r] / n;
        }
    }
}

const struct alloc_agent_ops alloc_agent_static = {
    .name = "static",
    .help = "the shares of the configuration, or equal ones; no moves",
    .choose = static_choose,
    .wish = static_wish,
};
