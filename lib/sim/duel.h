// SPDX-License-Identifier: Apache-2.0
// Never worse: the configured agent and proportional decide side by side, both are valued by the
// card model on the demand that came, and the better one's plan leaves. Manager and simulator run
// this very tick. state -> [duel: agent | baseline -> shield -> guard] -> plan.  Pure.
#pragma once

#include "lib/sim/card.h"

struct sim_duel;

// What a tick came to. Values are the card model's mean reward over the cards, NAN at the first
// tick.
struct sim_tick {
    double learned, baseline; // of the last step, on the demand that was recorded
    enum alloc_guard_event event;
    bool fallen_back; // this tick's plan is the baseline's
};

// -ENOENT: no such agent; -ENOMEM.
int sim_duel_create(const char *agent, const struct alloc_agent_params *params,
                    struct sim_duel **duel, struct offload_err *err);
void sim_duel_destroy(struct sim_duel *duel);
// No baseline beside the agent, and no guard: for training, and for agents that learn nothing where
// nobody asks what proportional would have given.
void sim_duel_go_alone(struct sim_duel *duel);
struct alloc_agent *sim_duel_agent(struct sim_duel *duel); // borrowed
struct alloc_guard *
sim_duel_guard(struct sim_duel *duel); // borrowed; to be set before the first tick

// One tick. 'state' holds in offered_bps what came since the last tick: by it the last plans are
// valued and the agent learns. Its reward is 'measured' (one a card; NULL: the card model's), but
// the model's while its plans do not leave. Then both decide. '*plan' is the caller's; 'state'
// changes as by alloc_decide(). 0 or -ENOMEM.
int sim_duel_tick(struct sim_duel *duel, struct alloc_state *state, const double *measured,
                  uint64_t number, uint64_t term, struct alloc_plan **plan, struct sim_tick *tick);
