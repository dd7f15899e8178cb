// SPDX-License-Identifier: Apache-2.0
// What a plan was worth, and whether a learned agent still earns its place.
// plan -> cards -> outcome -> [reward] -> agent.  Pure.
//
//   reward(card) = - sum_a w_a (breached_a + loss_a) / sum_a w_a
//                  - CHANGE_COST * mean over a, r of |share - share before| / capacity
//                  - MOVE_COST * moves / applications
#include <offload/allocate.h>

#include <math.h>

// A change of shares costs next to nothing at the card (a snapshot is published), but it makes
// plans hard to follow; a move costs about what one breach of one application in ten steps does.
static const double CHANGE_COST = 0.02;
static const double MOVE_COST = 0.10;

void
alloc_reward(const struct alloc_state *before, const struct alloc_plan *plan,
             const struct alloc_outcome *outcome, double *reward)
{
    for (uint32_t c = 0; c < before->n_cards; c++) {
        double w_sum = 0, bad = 0, changed = 0, moves = 0, n = 0;
        ALLOC_EACH (before, c, a) {
            const struct alloc_app *app = &before->apps[a];
            double w = app->weight > 0 ? app->weight : 1;
            w_sum += w;
            bad += w * (outcome[a].breached + fmin(fmax(outcome[a].loss_frac, 0), 1));
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                changed += fabs(plan->entries[a].share.amount[r] - app->now.amount[r]) /
                           before->cards[c].capacity.amount[r] / ALLOC_N_RESOURCES;
            moves += plan->entries[a].to != ALLOC_NONE;
            n++;
        }
        reward[c] = n ? -bad / w_sum - CHANGE_COST * changed / n - MOVE_COST * moves / n : 0;
    }
}

// Mean difference over its standard error; 0 while there is too little to say.
static double
t_value(const struct alloc_guard *guard)
{
    if (guard->n < ALLOC_GUARD_LEAST)
        return 0;
    double mean = 0, var = 0;
    for (unsigned i = 0; i < guard->n; i++)
        mean += guard->difference[i] / guard->n;
    for (unsigned i = 0; i < guard->n; i++)
        var += (guard->difference[i] - mean) * (guard->difference[i] - mean) / (guard->n - 1);
    double error = sqrt(var / guard->n);
    if (error < 1e-9)
        return mean < -1e-9 ? -INFINITY : mean > 1e-9 ? INFINITY : 0;
    return mean / error;
}

enum alloc_guard_event
alloc_guard_note(struct alloc_guard *guard, double learned, double baseline)
{
    guard->difference[guard->at] = learned - baseline;
    guard->at = (guard->at + 1) % ALLOC_GUARD_WINDOW;
    if (guard->n < ALLOC_GUARD_WINDOW)
        guard->n++;
    double t = t_value(guard);
    if (!guard->fallen_back && t < -2) {
        // The window starts anew: to return, the agent needs one that holds nothing of its failure.
        *guard = (struct alloc_guard){.fallen_back = true};
        return ALLOC_GUARD_FALLS_BACK;
    }
    if (guard->fallen_back && guard->n == ALLOC_GUARD_WINDOW && t >= 0) {
        *guard = (struct alloc_guard){.fallen_back = false};
        return ALLOC_GUARD_RETURNS;
    }
    return ALLOC_GUARD_STAYS;
}
