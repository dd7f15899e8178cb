// SPDX-License-Identifier: Apache-2.0
// What a plan was worth.
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
