// SPDX-License-Identifier: Apache-2.0
// Which application should leave a card that will be too full, and for where.
// state -> [agent: move] -> shield.  Pure.
// Hysteresis: a card gives away above policy.move_above_pct of a resource, for move_after_ticks in
// a row; the taking card must stay below move_below_pct with it, or the fuller of both gain much.
// With the cooldown, nothing is sent back and forth.
#include "lib/allocate/fill.h"

#include <math.h>
#include <stdio.h>

// A move that does not solve the problem must at least relieve the fuller of both by this part of a
// card.
static const double WORTH_FRAC = 0.05;
// A card that is to lose packets may also give to one that will be fuller than the policy likes, if
// the fuller of both is better off by this much: two halves of a problem are smaller than one
// whole.
static const double WORTH_OVERFULL_FRAC = 0.15;

struct candidate {
    uint32_t app, to;
    bool solves;          // the card is below its limit afterwards
    double cost;          // lower is better
    double before, after; // load of the card, fractions
};

bool
move_wanted(const struct alloc_state *state, uint32_t c)
{
    const struct alloc_card *card = &state->cards[c];
    return !card->down && (card->draining || card->hot_ticks >= state->policy.move_after_ticks);
}

const char *
move_refusal(const struct alloc_state *state, const struct alloc_app *app, uint32_t to)
{
    const struct alloc_card *from = &state->cards[app->card], *card = &state->cards[to];
    double since_s = offload_ns_to_s(state->time_ns - app->moved_ns);
    if (to == app->card)
        return "it is there already";
    if (app->moving)
        return "it is migrating";
    if (app->moved_ns && since_s < state->policy.cooldown_s && !from->draining && app->wanted != to)
        return "it moved less than the cooldown ago";
    if (card->down)
        return "the card is down";
    if (card->draining)
        return "the card is being drained";
    for (uint32_t c = from->next_sibling; c != app->card; c = state->cards[c].next_sibling)
        if (c == to)
            return NULL;
    return "the card is in another server";
}

// Load of card 'c' at P90 with 'app' on it, or without.
static double
load_if(const struct alloc_state *state, uint32_t c, const struct alloc_app *app, bool with)
{
    struct alloc_load load = {0};
    ALLOC_EACH (state, c, a)
        if (&state->apps[a] != app)
            alloc_load_add(state, c, &state->apps[a], ALLOC_AHEAD, ALLOC_Z_P90, &load);
    if (with)
        alloc_load_add(state, c, app, ALLOC_AHEAD, ALLOC_Z_P90, &load);
    return alloc_load_frac(state, c, &load, NULL);
}

// Moving state takes time and memory; a better class is disturbed later than a worse one.
static double
cost_of(const struct alloc_state *state, const struct alloc_app *app, double to_after)
{
    double memory = state->cards[app->card].capacity.amount[ALLOC_MEMORY];
    return app->state_bytes / memory + 0.25 * alloc_class_weight(app->class) / 4 + to_after;
}

static bool
better(const struct candidate *x, const struct candidate *than)
{
    if (than->app == ALLOC_NONE || x->solves != than->solves)
        return than->app == ALLOC_NONE || x->solves;
    if (!x->solves && fabs(x->after - than->after) > 0.02)
        return x->after < than->after;
    return x->cost < than->cost;
}

static void
weigh(const struct alloc_state *state, uint32_t a, uint32_t to, double before,
      struct candidate *best)
{
    const struct alloc_app *app = &state->apps[a];
    bool drain = state->cards[app->card].draining;
    double above = state->policy.move_above_pct / 100, below = state->policy.move_below_pct / 100;
    double to_after = load_if(state, to, app, true);
    double after = load_if(state, app->card, app, false);
    double relief = before - fmax(after, to_after);
    bool halves = before > 1 && relief >= WORTH_OVERFULL_FRAC;
    if (to_after > (drain ? 1 : below) && !(halves && !drain))
        return;
    if (!drain && relief < WORTH_FRAC)
        return;
    struct candidate x = {.app = a,
                          .to = to,
                          .solves = drain || after <= above,
                          .before = before,
                          .after = after,
                          .cost = cost_of(state, app, to_after)};
    if (better(&x, best))
        *best = x;
}

// One move a server and tick: its effect is to be seen before the next is judged.
static bool
server_moves(const struct alloc_state *state, uint32_t c, const struct alloc_plan *plan)
{
    uint32_t card = c;
    do {
        ALLOC_EACH (state, card, a)
            if (plan->entries[a].to != ALLOC_NONE || state->apps[a].moving)
                return true;
        card = state->cards[card].next_sibling;
    } while (card != c);
    return false;
}

bool
move_propose(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan)
{
    if (!move_wanted(state, c) || server_moves(state, c, plan))
        return false;
    struct candidate best = {.app = ALLOC_NONE};
    enum alloc_resource limit;
    double before = alloc_card_load(state, c, ALLOC_AHEAD, ALLOC_Z_P90, &limit);
    ALLOC_EACH (state, c, a) {
        for (uint32_t to = state->cards[c].next_sibling; to != c;
             to = state->cards[to].next_sibling)
            if (!move_refusal(state, &state->apps[a], to))
                weigh(state, a, to, before, &best);
    }
    if (best.app == ALLOC_NONE)
        return false;
    struct alloc_entry *e = &plan->entries[best.app];
    e->to = best.to;
    if (state->cards[c].draining)
        snprintf(e->reason, sizeof e->reason, "%s is being drained", state->cards[c].name);
    else
        snprintf(e->reason, sizeof e->reason,
                 "%s is expected at %.0f%% of its %s (P90); without %s at %.0f%%",
                 state->cards[c].name, 100 * best.before, alloc_resource_names[limit],
                 state->apps[best.app].name, 100 * best.after);
    return true;
}
