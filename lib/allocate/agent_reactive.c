// SPDX-License-Identifier: Apache-2.0
// Agent reactive: the last step's offered load and a fifth on top, cut alike where too much. Never
// moves. state -> [agent] -> shield.  Pure.
#include "lib/allocate/fill.h"

#include <math.h>

// What an autoscaler commonly keeps above the load it saw.
static const double REACTIVE_FACTOR = 1.2;

static void
reactive_choose(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    (void)state;
    (void)plan;
}

static void
reactive_wish(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        ALLOC_EACH (state, c, a) {
            const struct alloc_app *app = &state->apps[a];
            double last = isnan(app->offered_bps) ? 0 : app->offered_bps;
            alloc_need(app, &state->cards[c], REACTIVE_FACTOR * last, 1, &plan->entries[a].need);
        }
        fill_needs(state, c, plan);
    }
}

const struct alloc_agent_ops alloc_agent_reactive = {
    .name = "reactive",
    .help = "1.2 times the last step's load, cut alike under overload; no moves",
    .choose = reactive_choose,
    .wish = reactive_wish,
};
