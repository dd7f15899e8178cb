// SPDX-License-Identifier: Apache-2.0
// What a plan was worth.
// plan -> cards -> outcome -> [reward] -> agent.  Pure.
//
//   reward(card) = - sum_a w_a breached_a / sum_a w_a
//                  - LOSS_WORTH * sum_a o_a loss_a / sum_a o_a
//                  - CHANGE_COST * mean over a, r of |share - share before| / capacity
//                  - MOVE_COST * moves / applications
// As plans are scored: broken SLAs by class weight, loss by bit; o is the offered load.
#include <offload/allocate.h>

#include <math.h>

// Of all traffic, beside all SLAs: what agent newsvendor's shares maximise.
static const double LOSS_WORTH = 0.6;
// A change of shares costs next to nothing at the card (a snapshot is published), but it makes
// plans hard to follow; a move costs about what one breach of one application in ten steps does.
static const double CHANGE_COST = 0.02;
static const double MOVE_COST = 0.10;

double
alloc_reward_card(const struct alloc_state *before, const struct alloc_plan *plan, uint32_t c,
                  const struct alloc_outcome *outcome)
{
    double w_sum = 0, broken = 0, offered = 0, lost = 0, changed = 0, moves = 0, n = 0;
    ALLOC_EACH (before, c, a) {
        const struct alloc_app *app = &before->apps[a];
        double w = app->weight > 0 ? app->weight : 1;
        w_sum += w;
        broken += w * outcome[a].breached;
        double bits = outcome[a].offered_bps > 0 ? outcome[a].offered_bps : 0;
        offered += bits;
        lost += bits * fmin(fmax(outcome[a].loss_frac, 0), 1);
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            changed += fabs(plan->entries[a].share.amount[r] - app->now.amount[r]) /
                       before->cards[c].capacity.amount[r] / ALLOC_N_RESOURCES;
        moves += plan->entries[a].to != ALLOC_NONE;
        n++;
    }
    return n ? -broken / w_sum - LOSS_WORTH * lost / fmax(offered, 1) - CHANGE_COST * changed / n -
                   MOVE_COST * moves / n
             : 0;
}

void
alloc_reward(const struct alloc_state *before, const struct alloc_plan *plan,
             const struct alloc_outcome *outcome, double *reward)
{
    for (uint32_t c = 0; c < before->n_cards; c++)
        reward[c] = alloc_reward_card(before, plan, c, outcome);
}
