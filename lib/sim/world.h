// SPDX-License-Identifier: Apache-2.0
// The whole loop in one process: a scenario's demand, its forecasts, an agent, the shield, the card
// model. demand -> state -> duel -> plan -> card -> figures.  Pure.
#pragma once

#include "lib/sim/demand.h"
#include "lib/sim/duel.h"

struct sim_figures {
    double violation_pct,
        violation_class_pct[ALLOC_N_CLASSES]; // of application-steps; the first by weight
    double loss_pct;
    double changes_per_app_hour, moves_per_app_day;
    double reward; // mean of the card model's, a step
    uint64_t app_steps, infeasible_card_steps, fallbacks;
};

// One step of a run, as it is over. All borrowed until the callback returns.
struct sim_step {
    const struct sim_scenario *scenario;
    uint32_t step, n; // of the scenario; of the run
    const struct alloc_state *state;
    const struct alloc_plan *plan;
    const struct sim_outcome *outcome; // one an application
};

struct sim_run {
    const struct sim_scenario *scenario; // foreseen
    struct sim_duel *duel;
    struct alloc_policy policy;
    uint32_t first_step; // decided; train_steps to be scored as others are
    uint64_t number;     // of the first plan: another one explores otherwise
    void (*stepped)(void *ctx, const struct sim_step *step); // may be NULL
    void *ctx;
};

// What a plan may do in a scenario: its steps are long beside a move, so any change may be made in
// one; an application stays for a quarter of the season where it was moved to.
struct alloc_policy sim_policy(const struct sim_scenario *scenario, bool lent);

// 0 or -ENOMEM.
int sim_world_run(const struct sim_run *run, struct sim_figures *figures);
