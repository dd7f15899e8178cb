// SPDX-License-Identifier: Apache-2.0
// The tick that manager and simulator share; see duel.h.
// state -> [duel] -> plan.  Pure.
#include "lib/sim/duel.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A decision that waits for its demand: the state as it was decided in, and the plan.
struct decision {
    struct alloc_state *state;
    struct alloc_plan *plan;
};

struct sim_duel {
    struct alloc_agent agent, baseline;
    bool alone; // the agent is the baseline itself, or none is asked for
    uint64_t seed;
    struct alloc_guard guard;
    struct decision agents, baselines;
};

static void
forget(struct decision *d)
{
    alloc_state_destroy(d->state);
    alloc_plan_destroy(d->plan);
    *d = (struct decision){0};
}

int
sim_duel_create(const char *agent, const struct alloc_agent_params *params, struct sim_duel **duel,
                struct offload_err *err)
{
    struct sim_duel *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->seed = params->seed;
    int rc = alloc_agent_create(agent, params, &d->agent, err);
    if (!rc)
        rc = alloc_agent_create("proportional", params, &d->baseline, err);
    if (rc) {
        sim_duel_destroy(d);
        return rc;
    }
    d->alone = d->agent.ops == d->baseline.ops;
    *duel = d;
    return 0;
}

void
sim_duel_destroy(struct sim_duel *duel)
{
    if (!duel)
        return;
    forget(&duel->agents);
    forget(&duel->baselines);
    alloc_agent_destroy(&duel->agent);
    alloc_agent_destroy(&duel->baseline);
    free(duel);
}

void
sim_duel_go_alone(struct sim_duel *duel)
{
    duel->alone = true;
}

struct alloc_agent *
sim_duel_agent(struct sim_duel *duel)
{
    return &duel->agent;
}

struct alloc_guard *
sim_duel_guard(struct sim_duel *duel)
{
    return &duel->guard;
}

// The card model's reward of a decision, one a card, for what 'now' says that came. NAN if there
// was none, or the applications are not the same any more.
static double
value(const struct decision *d, const struct alloc_state *now, double *reward)
{
    uint32_t n = now->n_apps, n_cards = now->n_cards;
    for (uint32_t c = 0; c < n_cards; c++)
        reward[c] = NAN;
    if (!d->state || d->state->n_apps != n || d->state->n_cards != n_cards)
        return NAN;
    for (uint32_t a = 0; a < n; a++)
        if (strcmp(d->state->apps[a].name, now->apps[a].name))
            return NAN;
    double *offered = calloc(n + 1u, sizeof *offered), mean = 0;
    struct sim_outcome *modelled = calloc(n + 1u, sizeof *modelled);
    struct alloc_outcome *outcome = calloc(n + 1u, sizeof *outcome);
    if (offered && modelled && outcome) {
        for (uint32_t a = 0; a < n; a++)
            offered[a] = isnan(now->apps[a].offered_bps) ? 0 : now->apps[a].offered_bps;
        sim_card_step(d->state, d->plan, offered, 0, modelled);
        for (uint32_t a = 0; a < n; a++)
            outcome[a] = (struct alloc_outcome){.offered_bps = offered[a],
                                                .loss_frac = modelled[a].loss_frac,
                                                .breached = modelled[a].breached};
        alloc_reward(d->state, d->plan, outcome, reward);
        for (uint32_t c = 0; c < n_cards; c++)
            mean += reward[c] / n_cards;
    }
    free(offered);
    free(modelled);
    free(outcome);
    return mean;
}

static int
settle(struct sim_duel *duel, const struct alloc_state *state, const double *measured,
       struct sim_tick *tick)
{
    *tick = (struct sim_tick){.learned = NAN, .baseline = NAN};
    double *reward = calloc(2 * (state->n_cards + 1u), sizeof *reward);
    if (!reward)
        return -ENOMEM;
    tick->learned = value(&duel->agents, state, reward);
    tick->baseline = tick->learned;
    if (!duel->alone)
        tick->baseline = value(&duel->baselines, state, reward + state->n_cards + 1);
    const struct alloc_agent_ops *ops = duel->agent.ops;
    if (ops->learn && !isnan(tick->learned) && alloc_guard_learns(&duel->guard))
        ops->learn(duel->agent.self, state,
                   measured && !duel->guard.fallen_back ? measured : reward);
    if (ops->learn && !duel->alone && !isnan(tick->learned) && !isnan(tick->baseline))
        tick->event = alloc_guard_note(&duel->guard, tick->learned, tick->baseline);
    tick->fallen_back = duel->guard.fallen_back;
    free(reward);
    return 0;
}

static int
decide(struct alloc_agent *agent, struct alloc_state *state, uint64_t number, uint64_t term,
       uint64_t seed, struct decision *decision)
{
    struct alloc_plan *plan = alloc_plan_create(state, number, term, seed);
    if (!plan)
        return -ENOMEM;
    snprintf(plan->agent, sizeof plan->agent, "%s", agent->ops->name);
    alloc_decide(agent, state, plan);
    forget(decision);
    decision->plan = plan;
    decision->state = alloc_state_clone(state);
    return decision->state ? 0 : -ENOMEM;
}

static void
note_baseline(struct alloc_plan *plan, const struct alloc_plan *baseline)
{
    for (uint32_t a = 0; a < plan->n_entries; a++)
        if (plan->entries[a].card == baseline->entries[a].card)
            plan->entries[a].baseline = baseline->entries[a].share;
}

static struct alloc_plan *
clone_plan(const struct alloc_plan *plan, const struct alloc_state *state)
{
    struct alloc_plan *copy = alloc_plan_create(state, plan->number, plan->term, plan->seed);
    if (!copy)
        return NULL;
    struct alloc_plan arrays = *copy;
    memcpy(arrays.entries, plan->entries, plan->n_entries * sizeof *plan->entries);
    memcpy(arrays.action, plan->action, plan->n_cards * sizeof *plan->action);
    memcpy(arrays.held, plan->held, plan->n_cards * sizeof *plan->held);
    *copy = *plan;
    copy->entries = arrays.entries;
    copy->action = arrays.action;
    copy->held = arrays.held;
    return copy;
}

int
sim_duel_tick(struct sim_duel *duel, struct alloc_state *state, const double *measured,
              uint64_t number, uint64_t term, struct alloc_plan **plan, struct sim_tick *tick)
{
    int rc = settle(duel, state, measured, tick);
    if (rc)
        return rc;
    if (duel->alone) {
        rc = decide(&duel->agent, state, number, term, duel->seed, &duel->agents);
    } else {
        // Each decides from the same state; what the chosen one changes in it comes back to the
        // caller.
        struct alloc_state *other = alloc_state_clone(state);
        bool back = duel->guard.fallen_back;
        rc = other ? decide(&duel->agent, back ? other : state, number, term, duel->seed,
                            &duel->agents)
                   : -ENOMEM;
        if (!rc)
            rc = decide(&duel->baseline, back ? state : other, number, term, duel->seed,
                        &duel->baselines);
        alloc_state_destroy(other);
        if (!rc)
            note_baseline(duel->agents.plan, duel->baselines.plan);
    }
    if (rc)
        return rc;
    *plan = clone_plan((duel->guard.fallen_back ? &duel->baselines : &duel->agents)->plan, state);
    return *plan ? 0 : -ENOMEM;
}
