// SPDX-License-Identifier: Apache-2.0
// Agent drf: dominant resource fairness. Progressive filling: everybody's dominant share over its
// weight grows alike; who has what it needs, or needs a resource that is used up, stops.
// state -> [agent] -> shield.  Pure.
// Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 4: here for fluid demands that end.
#include "lib/allocate/fill.h"
#include "lib/allocate/value.h"

#include <math.h>

enum { ROUNDS_MAX = 64 }; // each ends with a resource used up or an application served

// How fast 'a' grows in resource 'r' for each unit of dominant share over weight: its needs keep
// their proportions.
static double
pace(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a, int r)
{
    const struct alloc_app *app = &state->apps[a];
    const struct alloc_share *need = &plan->entries[a].need;
    double dominant = 1e-12;
    for (int i = 0; i < ALLOC_N_RESOURCES; i++)
        dominant = fmax(dominant, need->amount[i] / state->cards[app->card].capacity.amount[i]);
    return need->amount[r] * (app->weight > 0 ? app->weight : 1) / dominant;
}

// Whether it lacks something, and nothing that it lacks is used up.
static bool
grows(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a,
      const struct alloc_share *left)
{
    const struct alloc_app *app = &state->apps[a];
    const struct alloc_entry *e = &plan->entries[a];
    bool lacks = false;
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double all = state->cards[app->card].capacity.amount[r];
        if (e->need.amount[r] - e->wish.amount[r] <= 1e-9 * all)
            continue;
        lacks = true;
        if (left->amount[r] <= 1e-9 * all)
            return false;
    }
    return lacks && !app->moving;
}

// Grows all that can until the first of them has enough of a resource, or one is used up.
static bool
fill_round(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan,
           struct alloc_share *left)
{
    double sum[ALLOC_N_RESOURCES] = {0}, step = INFINITY;
    struct alloc_share before = *left;
    ALLOC_EACH (state, c, a) {
        if (!grows(state, plan, a, &before))
            continue;
        for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
            double lack = plan->entries[a].need.amount[r] - plan->entries[a].wish.amount[r];
            double rate = pace(state, plan, a, r);
            if (lack <= 1e-9 * state->cards[c].capacity.amount[r])
                continue;
            sum[r] += rate;
            step = fmin(step, lack / rate);
        }
    }
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (sum[r] > 0)
            step = fmin(step, left->amount[r] / sum[r]);
    if (!isfinite(step))
        return false;
    ALLOC_EACH (state, c, a) {
        struct alloc_entry *e = &plan->entries[a];
        if (!grows(state, plan, a, &before))
            continue;
        for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
            double lack = fmax(e->need.amount[r] - e->wish.amount[r], 0);
            double more = fmin(fmin(step * pace(state, plan, a, r), lack), left->amount[r]);
            e->wish.amount[r] += more;
            left->amount[r] -= more;
        }
    }
    return true;
}

static void
drf_card(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan)
{
    struct alloc_share left = fill_room(state, c, plan);
    fill_floors(state, c, plan);
    ALLOC_EACH (state, c, a) {
        struct alloc_entry *e = &plan->entries[a];
        const struct alloc_app *app = &state->apps[a];
        alloc_need(app, &state->cards[c], alloc_demand_at(app, ALLOC_Z_P90), state->policy.headroom,
                   &e->need);
        for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
            e->wish.amount[r] = e->floor.amount[r];
            left.amount[r] = fmax(left.amount[r] - e->floor.amount[r], 0);
        }
    }
    for (int i = 0; i < ROUNDS_MAX && fill_round(state, c, plan, &left); i++)
        ;
    value_spread(state, c, plan);
}

static void
drf_choose(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++)
        move_propose(state, c, plan);
}

static void
drf_wish(void *agent, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)agent;
    for (uint32_t c = 0; c < state->n_cards; c++)
        drf_card(state, c, plan);
}

const struct alloc_agent_ops alloc_agent_drf = {
    .name = "drf",
    .help = "dominant resource fairness by weight, at P90; moves when a card will be too full",
    .choose = drf_choose,
    .wish = drf_wish,
};
