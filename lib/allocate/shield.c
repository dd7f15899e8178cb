// SPDX-License-Identifier: Apache-2.0
// Makes a plan feasible before it leaves, whatever the agent wished.
// state -> agent -> [shield] -> plan.  Pure.
//
// Each resource of each card alone, in shares x with wish w, share in force p, guarantee g (cut by
// class until the guarantees fit) and room R:
//   l = max(g, p - change), h = min(R, max, p + change), x = w between l and h
//   sum x > R: classes from bronze to gold give back down to l; if that is not enough, down to g.
// Guarantees fit, so the second pass always ends with sum x <= R.
#include "lib/allocate/fill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const alloc_limit_texts[ALLOC_N_LIMITS] = {
    [ALLOC_LIMIT_NONE] = "nothing",
    [ALLOC_LIMIT_CAPACITY] = "the card has no more; lower classes yield first",
    [ALLOC_LIMIT_GUARANTEE] = "its guarantee or the state that it holds",
    [ALLOC_LIMIT_CHANGE] = "the largest change a tick",
    [ALLOC_LIMIT_MAXIMUM] = "its MaxBps",
    [ALLOC_LIMIT_DEADBAND] = "too small a change to make",
    [ALLOC_LIMIT_MOVING] = "it is migrating",
    [ALLOC_LIMIT_NAN] = "the agent's wish was not a number",
};

// Relative; sums of rounded doubles may be off by far less.
static const double TOLERANCE = 1e-9;

// Part of a card that one who arrives, and those who are there, may claim beyond their needs.
static const double ARRIVAL_FRAC = 0.05;

static void
refuse(struct alloc_entry *e, const char *why)
{
    snprintf(e->reason, sizeof e->reason, "refused: %s", why);
    e->to = ALLOC_NONE;
    e->refused = true;
}

// What those on card 'c' need at score 'z'.
static struct alloc_share
others_need(const struct alloc_state *state, uint32_t c, double z)
{
    struct alloc_share sum = {{0}}, need;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        alloc_need(app, &state->cards[c], alloc_demand_at(app, z), state->policy.headroom, &need);
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            sum.amount[r] += need.amount[r];
    }
    return sum;
}

// The share to hold at the destination: its need at P90, and beyond it its part of the card as if
// it were there already, for it arrives with a queue to work off and at a cost that may differ from
// what was measured; as far as the guarantees of those on it leave room. False if not even its own
// guarantee fits.
static bool
hold(const struct alloc_state *state, struct alloc_plan *plan, uint32_t a)
{
    const struct alloc_app *app = &state->apps[a];
    struct alloc_entry *e = &plan->entries[a];
    const struct alloc_card *card = &state->cards[e->to];
    struct alloc_share room = fill_room(state, e->to, plan), left = room, need, least;
    struct alloc_share others = others_need(state, e->to, ALLOC_Z_P90), median;
    struct alloc_share others_median = others_need(state, e->to, ALLOC_Z_P50);
    fill_floors(state, e->to, plan);
    ALLOC_EACH (state, e->to, b)
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            left.amount[r] -= plan->entries[b].floor.amount[r];
    alloc_need(app, card, alloc_demand_at(app, ALLOC_Z_P90), state->policy.headroom, &need);
    alloc_need(app, card, alloc_demand_at(app, ALLOC_Z_P50), state->policy.headroom, &median);
    alloc_need(app, card, app->min_bps, 1, &least);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double claim = ARRIVAL_FRAC * room.amount[r];
        double part = room.amount[r] * (need.amount[r] + claim) /
                      (need.amount[r] + others.amount[r] + 2 * claim);
        double most = fmax(fmax(need.amount[r], least.amount[r]), part);
        // Beyond its own median need it takes nothing of the others' for its arrival.
        most = fmin(most, fmax(room.amount[r] - others_median.amount[r],
                               fmax(median.amount[r], least.amount[r])));
        e->to_share.amount[r] = fmin(most, left.amount[r]);
        if (left.amount[r] < least.amount[r] || e->to_share.amount[r] <= 0)
            return false;
    }
    return true;
}

void
alloc_shield_moves(const struct alloc_state *state, struct alloc_plan *plan)
{
    memset(plan->held, 0, plan->n_cards * sizeof *plan->held);
    plan->moves = 0;
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        struct alloc_entry *e = &plan->entries[a];
        e->chosen = e->to;
        if (e->to == ALLOC_NONE)
            continue;
        const char *why = e->to < state->n_cards ? move_refusal(state, &state->apps[a], e->to)
                                                 : "there is no such card";
        if (!why && !hold(state, plan, a))
            why = "the guarantees there leave no room for it";
        if (why) {
            refuse(e, why);
            continue;
        }
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            plan->held[e->to].amount[r] += e->to_share.amount[r];
        plan->moves++;
    }
}

struct bounds {
    double low, high;
};

static struct bounds
bounds_of(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a, int r,
          double room)
{
    const struct alloc_app *app = &state->apps[a];
    double floor = plan->entries[a].floor.amount[r], now = app->now.amount[r];
    double change = state->cards[app->card].capacity.amount[r] * state->policy.max_change_pct / 100;
    struct bounds b = {.low = floor, .high = app->moving ? floor : room};
    if (app->moving)
        return b; // its guarantee is what it has
    if (r == ALLOC_BANDWIDTH && app->max_bps > 0)
        b.high = fmin(b.high, fmax(app->max_bps, floor));
    // An application without a share yet may get any.
    if (now > 0 && state->policy.max_change_pct < 100) {
        b.low = fmin(fmax(b.low, now - change), fmax(b.high, floor));
        b.high = fmax(fmin(b.high, now + change), b.low);
    }
    return b;
}

static enum alloc_limit
limit_of(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a, int r)
{
    const struct alloc_app *app = &state->apps[a];
    const struct alloc_entry *e = &plan->entries[a];
    double wish = e->wish.amount[r], got = e->share.amount[r];
    if (r == ALLOC_BANDWIDTH && app->max_bps > 0 && wish > app->max_bps && got >= app->max_bps)
        return ALLOC_LIMIT_MAXIMUM;
    if (got > wish && got <= e->floor.amount[r] * (1 + TOLERANCE))
        return ALLOC_LIMIT_GUARANTEE;
    return ALLOC_LIMIT_CHANGE;
}

// Takes what is too much from card 'c', class by class from below, each share down to 'floor' (to
// the guarantee) or to its low bound. Returns what is still too much.
static double
take_back(const struct alloc_state *state, struct alloc_plan *plan, uint32_t c, int r, double room,
          double excess, bool to_floor)
{
    for (int rank = ALLOC_BRONZE; rank >= ALLOC_GOLD && excess > 0; rank--) {
        double give = 0;
        for (int pass = 0; pass < 2; pass++) {
            double part = pass ? fmin(excess / give, 1) : 0;
            if (pass && give <= 0)
                break;
            ALLOC_EACH (state, c, a) {
                struct alloc_entry *e = &plan->entries[a];
                double low = to_floor ? e->floor.amount[r] : bounds_of(state, plan, a, r, room).low;
                double more = e->share.amount[r] - low;
                if ((int)state->apps[a].class != rank || more <= 0)
                    continue;
                if (!pass) {
                    give += more;
                } else {
                    e->share.amount[r] = part < 1 ? e->share.amount[r] - more * part : low;
                    e->limit[r] = ALLOC_LIMIT_CAPACITY;
                }
            }
        }
        excess -= fmin(excess, give);
    }
    return excess;
}

static double
sum_of(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t c, int r)
{
    double sum = 0;
    ALLOC_EACH (state, c, a)
        sum += plan->entries[a].share.amount[r];
    return sum;
}

static void
shield_resource(const struct alloc_state *state, struct alloc_plan *plan, uint32_t c, int r)
{
    double room = fill_room(state, c, plan).amount[r];
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        struct alloc_entry *e = &plan->entries[a];
        bool number = isfinite(e->wish.amount[r]);
        double wish = number ? e->wish.amount[r] : app->now.amount[r];
        struct bounds b = bounds_of(state, plan, a, r, room);
        e->share.amount[r] = fmin(fmax(wish, b.low), b.high);
        e->limit[r] = ALLOC_LIMIT_NONE;
        if (!number)
            e->limit[r] = ALLOC_LIMIT_NAN;
        else if (app->moving && e->share.amount[r] != e->wish.amount[r])
            e->limit[r] = ALLOC_LIMIT_MOVING;
        else if (fabs(e->share.amount[r] - wish) > TOLERANCE * fmax(wish, 1e-9))
            e->limit[r] = limit_of(state, plan, a, r);
    }
    double excess = sum_of(state, plan, c, r) - room;
    if (excess > TOLERANCE * room)
        excess = take_back(state, plan, c, r, room, excess, false);
    if (excess > TOLERANCE * room)
        take_back(state, plan, c, r, room, excess, true);
}

// Leaves the card alone if no share would change by more than the deadband, what is in force fits,
// and no guarantee is short.
static void
deadband(const struct alloc_state *state, struct alloc_plan *plan, uint32_t c)
{
    struct alloc_share room = fill_room(state, c, plan);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double band = state->cards[c].capacity.amount[r] * state->policy.deadband_pct / 100,
               sum = 0;
        ALLOC_EACH (state, c, a) {
            double now = state->apps[a].now.amount[r];
            if (fabs(plan->entries[a].share.amount[r] - now) > band ||
                now < plan->entries[a].floor.amount[r])
                return;
            sum += now;
        }
        if (sum > room.amount[r])
            return;
    }
    ALLOC_EACH (state, c, a) {
        struct alloc_entry *e = &plan->entries[a];
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            if (e->share.amount[r] != state->apps[a].now.amount[r])
                e->limit[r] = ALLOC_LIMIT_DEADBAND;
        e->share = state->apps[a].now;
    }
}

void
alloc_shield_card(const struct alloc_state *state, struct alloc_plan *plan, uint32_t c)
{
    fill_floors(state, c, plan);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        shield_resource(state, plan, c, r);
    deadband(state, plan, c);
}

void
alloc_shield_shares(const struct alloc_state *state, struct alloc_plan *plan)
{
    plan->changes = plan->shielded = 0;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        alloc_shield_card(state, plan, c);
        ALLOC_EACH (state, c, a) {
            struct alloc_entry *e = &plan->entries[a];
            for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
                plan->changes += e->share.amount[r] != state->apps[a].now.amount[r];
                plan->shielded +=
                    e->limit[r] != ALLOC_LIMIT_NONE && e->limit[r] != ALLOC_LIMIT_DEADBAND;
            }
        }
    }
}

bool
alloc_plan_feasible(const struct alloc_state *state, const struct alloc_plan *plan)
{
    for (uint32_t c = 0; c < state->n_cards; c++) {
        for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
            double most = state->cards[c].capacity.amount[r];
            double sum = state->cards[c].held.amount[r] + plan->held[c].amount[r];
            ALLOC_EACH (state, c, a) {
                double x = plan->entries[a].share.amount[r];
                if (!(x >= 0) || !isfinite(x))
                    return false;
                sum += x;
            }
            if (sum > most * (1 + 1e-6))
                return false;
        }
    }
    return true;
}
