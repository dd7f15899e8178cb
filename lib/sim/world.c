// SPDX-License-Identifier: Apache-2.0
// Replays a scenario step by step through the engine that runs in production.
// demand -> [world: state -> duel -> card] -> figures.  Pure.
#include "lib/sim/world.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tally {
    double weight, violated_weight, offered, lost, reward;
    uint64_t steps, n[ALLOC_N_CLASSES], violated[ALLOC_N_CLASSES];
    uint64_t changes, moves, infeasible, fallbacks;
};

struct world {
    const struct sim_run *run;
    struct alloc_state *state;
    struct sim_outcome *outcome;
    struct tally tally;
};

// What the manager knows at step k: last demand, forecast, what is in force, what was broken.
static void
observe(struct world *w, uint32_t k)
{
    const struct sim_scenario *s = w->run->scenario;
    w->state->time_ns = (uint64_t)(k * s->step_s * 1e9);
    for (uint32_t a = 0; a < s->n_apps; a++) {
        struct alloc_app *app = &w->state->apps[a];
        app->offered_bps = k > 0 ? sim_offered(s, k - 1, a) : NAN;
        app->before_bps = k > 1 ? sim_offered(s, k - 2, a) : NAN;
        app->demand = s->forecast[(size_t)k * s->n_apps + a];
        memcpy(app->level, s->level + ((size_t)k * s->n_apps + a) * ALLOC_LEVELS,
               sizeof app->level);
        app->breached = w->outcome[a].breached;
    }
}

// A share counts as changed as the scenarios' scorer counts: any of its resources by more than a
// hundredth.
static bool
changed(const struct alloc_share *before, const struct alloc_share *now)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double n = now->amount[r], p = before->amount[r];
        if (fabs(n - p) > 0.01 * fmax(fmax(n, p), 1e-9))
            return true;
    }
    return false;
}

static void
count(struct world *w, uint32_t k, const struct alloc_plan *plan, const struct alloc_share *before)
{
    struct tally *t = &w->tally;
    const struct sim_scenario *s = w->run->scenario;
    for (uint32_t a = 0; a < s->n_apps; a++) {
        const struct alloc_app *app = &w->state->apps[a];
        const struct sim_outcome *o = &w->outcome[a];
        t->weight += app->weight;
        t->violated_weight += app->weight * o->breached;
        t->n[app->class]++;
        t->violated[app->class] += o->breached;
        t->offered += sim_offered(s, k, a);
        t->lost += sim_offered(s, k, a) * o->loss_frac;
        if (t->steps > 0) // the first decision is no change
            t->changes += changed(&before[a], &plan->entries[a].share);
    }
    t->moves += plan->moves;
    t->infeasible += !alloc_plan_feasible(w->state, plan);
    t->steps++;
}

static int
step(struct world *w, uint32_t k)
{
    const struct sim_scenario *s = w->run->scenario;
    struct alloc_plan *plan;
    struct sim_tick tick;
    struct alloc_share *before = calloc(s->n_apps + 1u, sizeof *before);
    if (!before)
        return -ENOMEM;
    observe(w, k);
    for (uint32_t a = 0; a < s->n_apps; a++)
        before[a] = w->state->apps[a].now;
    int rc = sim_duel_tick(w->run->duel, w->state, NULL, w->run->number + k, 0, &plan, &tick);
    if (rc) {
        free(before);
        return rc;
    }
    sim_card_step(w->state, plan, s->offered + (size_t)k * s->n_apps, s->migration_s, w->outcome);
    if (!isnan(tick.learned))
        w->tally.reward += tick.fallen_back ? tick.baseline : tick.learned;
    w->tally.fallbacks += tick.event == ALLOC_GUARD_FALLS_BACK;
    count(w, k, plan, before);
    if (w->run->stepped)
        w->run->stepped(w->run->ctx, &(struct sim_step){.scenario = s,
                                                        .step = k,
                                                        .n = k - w->run->first_step,
                                                        .state = w->state,
                                                        .plan = plan,
                                                        .outcome = w->outcome});
    for (uint32_t a = 0; a < s->n_apps; a++)
        w->state->apps[a].now = plan->entries[a].share;
    alloc_plan_destroy(plan);
    free(before);
    return 0;
}

static void
sum_up(const struct world *w, struct sim_figures *f)
{
    const struct tally *t = &w->tally;
    const struct sim_scenario *s = w->run->scenario;
    double app_hours = (double)t->steps * s->step_s / 3600 * s->n_apps;
    *f = (struct sim_figures){
        .violation_pct = 100 * t->violated_weight / fmax(t->weight, 1e-9),
        .loss_pct = 100 * t->lost / fmax(t->offered, 1e-9),
        .changes_per_app_hour = (double)t->changes / app_hours,
        .moves_per_app_day = 24 * (double)t->moves / app_hours,
        .reward = t->steps > 1 ? t->reward / (double)(t->steps - 1) : 0,
        .app_steps = t->steps * s->n_apps,
        .infeasible_card_steps = t->infeasible,
        .fallbacks = t->fallbacks,
    };
    for (int c = 0; c < ALLOC_N_CLASSES; c++)
        f->violation_class_pct[c] = t->n[c] ? 100.0 * (double)t->violated[c] / (double)t->n[c] : 0;
}

struct alloc_policy
sim_policy(const struct sim_scenario *s, bool lent)
{
    struct alloc_policy policy = alloc_policy_default;
    policy.max_change_pct = 100;
    policy.cooldown_s = s->step_s * fmax(s->season_steps / 4.0, 1);
    policy.moves_at_once = true;
    policy.move_delay_s = s->migration_s;
    policy.lent = lent;
    return policy;
}

int
sim_world_run(const struct sim_run *run, struct sim_figures *figures)
{
    const struct sim_scenario *s = run->scenario;
    struct world w = {.run = run, .state = alloc_state_create(s->n_cards, s->n_apps)};
    w.outcome = calloc(s->n_apps + 1u, sizeof *w.outcome);
    int rc = w.state && w.outcome ? 0 : -ENOMEM;
    if (!rc) {
        memcpy(w.state->cards, s->cards, s->n_cards * sizeof *s->cards);
        memcpy(w.state->apps, s->apps, s->n_apps * sizeof *s->apps);
        w.state->policy = run->policy;
        alloc_state_index(w.state);
    }
    for (uint32_t k = run->first_step; !rc && k < s->steps; k++)
        rc = step(&w, k);
    if (!rc)
        sum_up(&w, figures);
    alloc_state_destroy(w.state);
    free(w.outcome);
    return rc;
}
