// SPDX-License-Identifier: Apache-2.0
// The tick that manager and simulator share; see duel.h.
// state -> [duel] -> plan.  Pure.
#include "lib/sim/duel.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPARE_CARDS = 32 }; // whose actions are all tried on what came, in turn

// A decision that waits for its demand: the state as it was decided in, and the plan.
struct decision {
    struct alloc_state *state;
    struct alloc_plan *plan;
};

struct sim_duel {
    struct alloc_agent agent, baseline;
    bool alone; // the agent is the baseline itself, or none is asked for
    bool learns;
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
    d->learns = params->learn;
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

// What the card model says of a step.
struct account {
    double *offered;
    struct sim_outcome *modelled;
    struct alloc_outcome *outcome;
};

static void
account_fini(struct account *account)
{
    free(account->offered);
    free(account->modelled);
    free(account->outcome);
}

static int
account_init(const struct alloc_state *now, struct account *account)
{
    uint32_t n = now->n_apps;
    account->offered = calloc(n + 1u, sizeof *account->offered);
    account->modelled = calloc(n + 1u, sizeof *account->modelled);
    account->outcome = calloc(n + 1u, sizeof *account->outcome);
    if (!account->offered || !account->modelled || !account->outcome) {
        account_fini(account);
        return -ENOMEM;
    }
    for (uint32_t a = 0; a < n; a++)
        account->offered[a] = isnan(now->apps[a].offered_bps) ? 0 : now->apps[a].offered_bps;
    return 0;
}

// The same cards and applications are there as when it was decided.
static bool
comparable(const struct decision *d, const struct alloc_state *now)
{
    if (!d->state || d->state->n_apps != now->n_apps || d->state->n_cards != now->n_cards)
        return false;
    for (uint32_t a = 0; a < now->n_apps; a++)
        if (strcmp(d->state->apps[a].name, now->apps[a].name))
            return false;
    return true;
}

static double
value_card(const struct decision *d, uint32_t c, struct account *account)
{
    sim_card_step_one(d->state, d->plan, c, account->offered, 0, account->modelled);
    ALLOC_EACH (d->state, c, a)
        account->outcome[a] = (struct alloc_outcome){.offered_bps = account->offered[a],
                                                     .loss_frac = account->modelled[a].loss_frac,
                                                     .breached = account->modelled[a].breached};
    return alloc_reward_card(d->state, d->plan, c, account->outcome);
}

// The card model's reward of a decision, one a card, for what came; their mean. NAN if there was no
// decision, or the applications are not the same any more.
static double
value(const struct decision *d, const struct alloc_state *now, struct account *account,
      double *reward)
{
    bool known = comparable(d, now);
    double mean = known ? 0 : NAN;
    for (uint32_t c = 0; c < now->n_cards; c++) {
        reward[c] = known ? value_card(d, c, account) : NAN;
        mean += reward[c] / now->n_cards;
    }
    return mean;
}

// What each action of the agent would have earned on what came, on some cards each tick: all of
// them are learned from, and the same demand for all leaves out its noise. Uses up the decision.
static void
compare(struct sim_duel *duel, const struct alloc_state *now, uint64_t number,
        struct account *account)
{
    const struct alloc_agent_ops *ops = duel->agent.ops;
    struct decision *d = &duel->agents;
    double reward[ALLOC_ACTIONS_MAX];
    for (uint32_t i = 0; i < COMPARE_CARDS && i < now->n_cards; i++) {
        uint32_t c = (uint32_t)((number * COMPARE_CARDS + i) % now->n_cards);
        for (uint32_t k = 0; k < ops->n_actions; k++) {
            ops->act(d->state, c, k, d->plan);
            alloc_shield_card(d->state, d->plan, c);
            reward[k] = value_card(d, c, account);
        }
        ops->compare(duel->agent.self, now, c, reward);
    }
}

static void
learn(struct sim_duel *duel, const struct alloc_state *state, const double *reward, uint64_t number,
      struct account *account)
{
    const struct alloc_agent_ops *ops = duel->agent.ops;
    if (!ops->learn || !duel->learns || !alloc_guard_learns(&duel->guard))
        return;
    if (ops->compare)
        compare(duel, state, number, account);
    else
        ops->learn(duel->agent.self, state, reward);
}

static int
settle(struct sim_duel *duel, const struct alloc_state *state, const double *measured,
       uint64_t number, struct sim_tick *tick)
{
    *tick = (struct sim_tick){.learned = NAN, .baseline = NAN};
    struct account account;
    double *reward = calloc(2 * (state->n_cards + 1u), sizeof *reward);
    if (!reward || account_init(state, &account)) {
        free(reward);
        return -ENOMEM;
    }
    tick->learned = value(&duel->agents, state, &account, reward);
    tick->baseline = tick->learned;
    if (!duel->alone)
        tick->baseline = value(&duel->baselines, state, &account, reward + state->n_cards + 1);
    if (!isnan(tick->learned))
        learn(duel, state, measured && !duel->guard.fallen_back ? measured : reward, number,
              &account);
    if (duel->agent.ops->learn && !duel->alone && !isnan(tick->learned) && !isnan(tick->baseline))
        tick->event = alloc_guard_note(&duel->guard, tick->learned, tick->baseline);
    tick->fallen_back = duel->guard.fallen_back;
    account_fini(&account);
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
    int rc = settle(duel, state, measured, number, tick);
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
