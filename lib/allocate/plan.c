// SPDX-License-Identifier: Apache-2.0
// A plan: what every application gets, who moves, and the one way in which a decision is made.
// state -> agent -> shield -> [plan].  Pure.
#include "lib/allocate/fill.h"

#include <json-c/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct alloc_plan *
alloc_plan_create(const struct alloc_state *state, uint64_t number, uint64_t term, uint64_t seed)
{
    struct alloc_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return NULL;
    *plan = (struct alloc_plan){.number = number,
                                .term = term,
                                .seed = seed,
                                .time_ns = state->time_ns,
                                .n_entries = state->n_apps,
                                .n_cards = state->n_cards};
    plan->entries = calloc(plan->n_entries + 1u, sizeof *plan->entries);
    plan->action = calloc(plan->n_cards + 1u, sizeof *plan->action);
    plan->held = calloc(plan->n_cards + 1u, sizeof *plan->held);
    if (!plan->entries || !plan->action || !plan->held) {
        alloc_plan_destroy(plan);
        return NULL;
    }
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        const struct alloc_app *app = &state->apps[a];
        plan->entries[a] = (struct alloc_entry){.card = app->card,
                                                .wish = app->now,
                                                .share = app->now,
                                                .chosen = ALLOC_NONE,
                                                .to = ALLOC_NONE};
    }
    for (uint32_t c = 0; c < plan->n_cards; c++)
        plan->action[c] = ALLOC_NONE;
    return plan;
}

void
alloc_plan_destroy(struct alloc_plan *plan)
{
    if (!plan)
        return;
    free(plan->entries);
    free(plan->action);
    free(plan->held);
    free(plan);
}

static void
note_heat(struct alloc_state *state)
{
    for (uint32_t c = 0; c < state->n_cards; c++) {
        double load = alloc_card_load(state, c, ALLOC_AHEAD, ALLOC_Z_P90, NULL);
        bool hot = load > state->policy.move_above_pct / 100;
        state->cards[c].hot_ticks = hot ? state->cards[c].hot_ticks + 1 : 0;
    }
}

// What a person asked for goes before what the agent would move.
static void
take_wanted(const struct alloc_state *state, struct alloc_plan *plan)
{
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        if (state->apps[a].wanted == ALLOC_NONE)
            continue;
        plan->entries[a].to = state->apps[a].wanted;
        snprintf(plan->entries[a].reason, ALLOC_REASON_MAX, "asked for");
    }
}

// Steps are long beside a migration: the plan is made for where the applications will be.
static void
place_moves(struct alloc_state *state, struct alloc_plan *plan)
{
    for (uint32_t a = 0; plan->moves && a < plan->n_entries; a++) {
        struct alloc_entry *e = &plan->entries[a];
        if (e->to == ALLOC_NONE)
            continue;
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            plan->held[e->to].amount[r] -= e->to_share.amount[r];
        alloc_state_place(state, a, e->to);
        state->apps[a].moved_ns = state->time_ns;
        state->apps[a].now = (struct alloc_share){{0}};
        e->card = e->to;
    }
}

// What was chosen, made feasible.
static void
carry_out(struct alloc_agent *agent, struct alloc_state *state, struct alloc_plan *plan)
{
    alloc_shield_moves(state, plan);
    if (state->policy.moves_at_once)
        place_moves(state, plan);
    agent->ops->wish(agent->self, state, plan);
    alloc_shield_shares(state, plan);
}

void
alloc_decide(struct alloc_agent *agent, struct alloc_state *state, struct alloc_plan *plan)
{
    note_heat(state);
    agent->ops->choose(agent->self, state, plan);
    take_wanted(state, plan);
    carry_out(agent, state, plan);
}

void
alloc_decide_as(struct alloc_agent *agent, struct alloc_state *state, struct alloc_plan *plan)
{
    note_heat(state);
    carry_out(agent, state, plan);
}

static void
add_share(struct json_object *to, const struct alloc_share *share)
{
    // Rounded down to what cards count in, so that sums stay within the card.
    double cpu = floor(share->amount[ALLOC_CPU] * 1e6) / 1e6;
    json_object_object_add(to, "cpu_pct", json_object_new_double(cpu));
    json_object_object_add(to, "bandwidth_bps",
                           json_object_new_uint64((uint64_t)share->amount[ALLOC_BANDWIDTH]));
    json_object_object_add(to, "memory_bytes",
                           json_object_new_uint64((uint64_t)share->amount[ALLOC_MEMORY]));
}

struct json_object *
alloc_share_to_json(const struct alloc_share *share, bool lent, double max_bps)
{
    struct json_object *o = json_object_new_object();
    add_share(o, share);
    uint64_t ceiling = (uint64_t)share->amount[ALLOC_BANDWIDTH];
    if (lent && max_bps > 0 && (uint64_t)max_bps > ceiling)
        ceiling = (uint64_t)max_bps;
    json_object_object_add(o, "ceiling_bps", json_object_new_uint64(ceiling));
    json_object_object_add(o, "sharing", json_object_new_string(lent ? "lent" : "reserved"));
    return o;
}

struct json_object *
alloc_allocation_to_json(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a)
{
    const struct alloc_app *app = &state->apps[a];
    const struct alloc_card *card = &state->cards[app->card];
    bool lent = app->lent || state->policy.lent;
    double most = app->max_bps > 0 ? app->max_bps : card->capacity.amount[ALLOC_BANDWIDTH];
    struct json_object *o = alloc_share_to_json(&plan->entries[a].share, lent, most);
    json_object_object_add(o, "card", json_object_new_string(card->name));
    json_object_object_add(o, "app", json_object_new_string(app->name));
    return o;
}

struct json_object *
alloc_plan_to_json(const struct alloc_plan *plan, const struct alloc_state *state)
{
    struct json_object *o = json_object_new_object();
    struct json_object *allocations = json_object_new_array(), *moves = json_object_new_array();
    struct json_object *shielded = json_object_new_array();
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        const struct alloc_entry *e = &plan->entries[a];
        json_object_array_add(allocations, alloc_allocation_to_json(state, plan, a));
        if (e->to != ALLOC_NONE) {
            struct json_object *m = json_object_new_object();
            json_object_object_add(m, "app", json_object_new_string(state->apps[a].name));
            json_object_object_add(m, "from", json_object_new_string(state->cards[e->card].name));
            json_object_object_add(m, "to", json_object_new_string(state->cards[e->to].name));
            json_object_object_add(m, "reason", json_object_new_string(e->reason));
            json_object_object_add(m, "held", alloc_share_to_json(&e->to_share, false, 0));
            json_object_array_add(moves, m);
        }
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            if (e->limit[r] != ALLOC_LIMIT_NONE && e->limit[r] != ALLOC_LIMIT_DEADBAND) {
                char text[256];
                snprintf(text, sizeof text, "%s %s: wished %.6g, got %.6g: %s", state->apps[a].name,
                         alloc_resource_names[r], e->wish.amount[r], e->share.amount[r],
                         alloc_limit_texts[e->limit[r]]);
                json_object_array_add(shielded, json_object_new_string(text));
            }
        if (e->refused) {
            char text[256];
            snprintf(text, sizeof text, "%s: move %s", state->apps[a].name, e->reason);
            json_object_array_add(shielded, json_object_new_string(text));
        }
    }
    json_object_object_add(o, "plan", json_object_new_uint64(plan->number));
    json_object_object_add(o, "term", json_object_new_uint64(plan->term));
    json_object_object_add(o, "time_ns", json_object_new_uint64(plan->time_ns));
    json_object_object_add(o, "agent", json_object_new_string(plan->agent));
    json_object_object_add(o, "seed", json_object_new_uint64(plan->seed));
    json_object_object_add(o, "allocations", allocations);
    json_object_object_add(o, "migrations", moves);
    json_object_object_add(o, "shielded", shielded);
    return o;
}
