// SPDX-License-Identifier: Apache-2.0
// The shares and moves that are worth most; value.h has the formula.
// state -> [agent: value] -> shield.  Pure.
// U is S-shaped: the hull's first piece jumps over its convex part. Pieces are served by slope for
// each unit of the card (greedy, exact for concave U); since a jump that does not fit whole is
// worth little, the greedy is run again with each application left for last, and the best is kept.
// Qin et al., The newsvendor problem, Eur. J. Oper. Res. 213 (2011), section 2.
#include "lib/allocate/value.h"

#include "lib/allocate/fill.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTS = ALLOC_LEVELS + 1,
    CARDS_MAX = 16, // of a server, for moves
};

const struct value_lean value_neutral = {.loss_worth = 0.6, .emphasis = {1, 1, 1}, .caution = 1};

// Part of a card that counts as everyone's equal claim when the rest is spread.
static const double IDLE_FRAC = 0.02;

// Prices of CPU against bandwidth that are tried where both are short.
static const double cpu_prices[] = {1, 0.5, 0};

// An application's worth as a function of its service rate, on one card.
struct curve {
    uint32_t app;
    double cost[ALLOC_N_RESOURCES];    // of a bit/s, as a part of the card's capacity
    double base[ALLOC_N_RESOURCES];    // what it has whatever its rate: its state; the same unit
    double rate[POINTS], gain[POINTS]; // ascending
    uint8_t hull[POINTS], n_hull;      // indices into these
};

struct piece {
    double slope;
    uint16_t curve, from; // from hull[from] to hull[from + 1]
};

struct card_problem {
    struct curve curve[VALUE_APPS_MAX];
    unsigned n;
    double bit;                     // what serving a bit/s is worth
    double room[ALLOC_N_RESOURCES]; // parts of the capacity
    struct piece piece[VALUE_APPS_MAX * POINTS];
    unsigned n_pieces;
};

struct solution {
    double rate[VALUE_APPS_MAX];
    double value;
    bool contested;       // somebody did not get all that could be of use
    bool short_of_others; // of another resource than CPU
};

static double
weight_of(const struct alloc_app *app, const struct value_lean *lean)
{
    return (app->weight > 0 ? app->weight : 1) * lean->emphasis[app->class];
}

// The load that is not exceeded with level 'i's probability, leaning.
static double
load_at(const struct alloc_app *app, unsigned i, const struct value_lean *lean)
{
    double o = alloc_level_at(app, i), median = alloc_level_at(app, 6);
    return o > median ? median + lean->caution * (o - median) : o;
}

// The rate that keeps the SLA at load 'o' when 'used_s' of the delay limit is gone for a move.
static double
rate_for(const struct alloc_app *app, double o, double used_s)
{
    double limit = app->max_delay_s - used_s;
    if (o <= 0 || app->max_delay_s <= 0)
        return fmax(o, 0);
    return (o + sqrt(o * o + 32 * app->burst_bytes * o / fmax(limit, 1e-6))) / 2;
}

static void
hull_of(struct curve *v)
{
    unsigned n = 0;
    for (unsigned i = 0; i < POINTS; i++) {
        if (n && v->rate[i] <= v->rate[v->hull[n - 1]]) {
            if (v->gain[i] <= v->gain[v->hull[n - 1]])
                continue;
            n--;
        }
        while (n >= 2) {
            unsigned a = v->hull[n - 2], b = v->hull[n - 1];
            if ((v->gain[b] - v->gain[a]) * (v->rate[i] - v->rate[b]) >
                (v->gain[i] - v->gain[b]) * (v->rate[b] - v->rate[a]))
                break;
            n--;
        }
        v->hull[n++] = (uint8_t)i;
    }
    v->n_hull = (uint8_t)n;
}

static double
mean_load(const struct alloc_app *app)
{
    double mean = 0, before = 0;
    for (unsigned i = 0; i < ALLOC_LEVELS; i++) {
        mean += (alloc_level_p[i] - before) * alloc_level_at(app, i);
        before = alloc_level_p[i];
    }
    return mean + (1 - before) * alloc_level_at(app, ALLOC_LEVELS - 1);
}

// What a bit/s served is worth on the cards of 'c''s server: all of them together as much as all
// their weights, times loss_worth.
static double
bit_worth(const struct alloc_state *state, uint32_t c, const struct value_lean *lean)
{
    double weight = 0, load = 0;
    uint32_t at = c;
    do {
        ALLOC_EACH (state, at, a) {
            weight += weight_of(&state->apps[a], lean);
            load += mean_load(&state->apps[a]);
        }
        at = state->cards[at].next_sibling;
    } while (at != c);
    return lean->loss_worth * weight / fmax(load, 1);
}

// Worth of 'app' on card 'c'; 'used_s' as for rate_for(), 'broken': it will break the SLA anyway.
static void
draw_curve(const struct alloc_state *state, uint32_t c, uint32_t a, const struct value_lean *lean,
           double used_s, double bit, struct curve *v)
{
    const struct alloc_app *app = &state->apps[a];
    const struct alloc_card *card = &state->cards[c];
    const double *have = card->capacity.amount;
    double w = weight_of(app, lean), floor = fmax(app->min_bps, 1e-4 * have[ALLOC_BANDWIDTH]);
    double most = app->max_bps > 0 ? fmax(app->max_bps, floor) : INFINITY;
    bool broken = app->max_delay_s > 0 && app->max_delay_s <= used_s;
    *v = (struct curve){.app = a};
    v->cost[ALLOC_BANDWIDTH] = 1 / have[ALLOC_BANDWIDTH];
    v->cost[ALLOC_CPU] = offload_bps_to_cycles(1, app->cycles_per_byte) / card->cycles_per_s;
    v->cost[ALLOC_MEMORY] = 3 * app->max_delay_s / 8 / have[ALLOC_MEMORY];
    v->base[ALLOC_MEMORY] = app->state_bytes / have[ALLOC_MEMORY];
    double load[ALLOC_LEVELS], below = 0, p_below = 0; // what loads up to the rate add to the mean
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        load[i] = load_at(app, i, lean);
    v->rate[0] = floor;
    for (unsigned i = 0, j = 0; i < ALLOC_LEVELS; i++) {
        double s = fmin(fmax(rate_for(app, load[i], broken ? 0 : used_s), v->rate[i]), most);
        for (; j < ALLOC_LEVELS && load[j] <= s; j++) {
            below += (alloc_level_p[j] - p_below) * load[j];
            p_below = alloc_level_p[j];
        }
        double kept = broken || s >= most ? 0 : w * alloc_level_p[i];
        v->rate[i + 1] = s;
        v->gain[i + 1] = fmax(kept + bit * (below + (1 - p_below) * s), v->gain[i]);
    }
    hull_of(v);
}

static double
gain_at(const struct curve *v, double rate)
{
    unsigned i = 1;
    while (i < POINTS && v->rate[i] < rate)
        i++;
    if (i == POINTS)
        return v->gain[POINTS - 1];
    double span = v->rate[i] - v->rate[i - 1];
    double part = span > 0 ? fmax(rate - v->rate[i - 1], 0) / span : 1;
    return v->gain[i - 1] + part * (v->gain[i] - v->gain[i - 1]);
}

static int
by_slope(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->slope != y->slope)
        return x->slope < y->slope ? 1 : -1;
    if (x->curve != y->curve)
        return x->curve > y->curve ? 1 : -1;
    return x->from > y->from ? 1 : -1;
}

static void
sort_pieces(struct card_problem *p, double cpu_price)
{
    p->n_pieces = 0;
    for (unsigned i = 0; i < p->n; i++) {
        const struct curve *v = &p->curve[i];
        double cost = cpu_price * v->cost[ALLOC_CPU] + (1 - cpu_price) * v->cost[ALLOC_BANDWIDTH] +
                      0.01 * v->cost[ALLOC_MEMORY];
        for (unsigned h = 0; h + 1 < v->n_hull; h++) {
            unsigned from = v->hull[h], to = v->hull[h + 1];
            double ds = fmax(v->rate[to] - v->rate[from], 1e-3);
            p->piece[p->n_pieces++] =
                (struct piece){.slope = (v->gain[to] - v->gain[from]) / (ds * fmax(cost, 1e-30)),
                               .curve = (uint16_t)i,
                               .from = (uint16_t)h};
        }
    }
    qsort(p->piece, p->n_pieces, sizeof *p->piece, by_slope);
}

// Serves the pieces in order as far as the room lasts, those of curve 'last' after all others.
static void
serve(const struct card_problem *p, unsigned last, struct solution *out)
{
    double left[ALLOC_N_RESOURCES];
    bool closed[VALUE_APPS_MAX] = {false};
    memcpy(left, p->room, sizeof left);
    out->contested = out->short_of_others = false;
    for (unsigned i = 0; i < p->n; i++) {
        out->rate[i] = p->curve[i].rate[0];
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            left[r] -= p->curve[i].base[r] + p->curve[i].cost[r] * out->rate[i];
    }
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned k = 0; k < p->n_pieces; k++) {
            const struct piece *piece = &p->piece[k];
            unsigned i = piece->curve;
            if ((i == last) != pass || closed[i])
                continue;
            const struct curve *v = &p->curve[i];
            double ds = v->rate[v->hull[piece->from + 1]] - out->rate[i];
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                if (ds * v->cost[r] > left[r]) {
                    ds = fmax(left[r], 0) / v->cost[r];
                    closed[i] = out->contested = true;
                    out->short_of_others |= r != ALLOC_CPU;
                }
            out->rate[i] += ds;
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                left[r] -= ds * v->cost[r];
        }
    }
    out->value = 0;
    for (unsigned i = 0; i < p->n; i++)
        out->value += gain_at(&p->curve[i], out->rate[i]);
}

// 'thorough': with each application left for last in turn.
static void
solve(struct card_problem *p, bool thorough, struct solution *best)
{
    bool others = false;
    best->value = -1;
    for (unsigned t = 0; t < sizeof cpu_prices / sizeof *cpu_prices; t++) {
        struct solution x;
        sort_pieces(p, cpu_prices[t]);
        serve(p, UINT32_MAX, &x);
        if (x.value > best->value)
            *best = x;
        others |= x.short_of_others;
        if (!x.contested)
            return;
        for (unsigned i = 0; thorough && i < p->n; i++) {
            serve(p, i, &x);
            if (x.value > best->value)
                *best = x;
        }
        if (!others)
            return; // CPU's price alone matters
    }
}

// Poses card 'c's problem as if 'without' were not on it and 'with' were ('ALLOC_NONE': nobody).
// False: too many applications.
static bool
pose(const struct alloc_state *state, uint32_t c, const struct alloc_plan *plan,
     const struct value_lean *lean, uint32_t without, struct card_problem *p)
{
    p->n = 0;
    p->bit = bit_worth(state, c, lean);
    struct alloc_share room = fill_room(state, c, plan);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        p->room[r] = room.amount[r] / state->cards[c].capacity.amount[r];
    ALLOC_EACH (state, c, a) {
        if (a == without)
            continue;
        if (state->apps[a].moving) {
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                p->room[r] -= state->apps[a].now.amount[r] / state->cards[c].capacity.amount[r];
            continue;
        }
        if (p->n == VALUE_APPS_MAX)
            return false;
        bool arrives = plan->entries[a].to == c;
        draw_curve(state, c, a, lean, arrives ? state->policy.move_delay_s : 0, p->bit,
                   &p->curve[p->n++]);
    }
    return true;
}

void
value_spread(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan)
{
    struct alloc_share left = fill_room(state, c, plan);
    unsigned n = 0;
    ALLOC_EACH (state, c, a) {
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            left.amount[r] -= plan->entries[a].wish.amount[r];
        n += !state->apps[a].moving;
    }
    for (int r = 0; r < ALLOC_N_RESOURCES && n; r++) {
        double equal = IDLE_FRAC * state->cards[c].capacity.amount[r] / n, sum = 0;
        ALLOC_EACH (state, c, a)
            sum += state->apps[a].moving ? 0 : plan->entries[a].wish.amount[r] + equal;
        // A hair less than all, so that sums of rounded shares stay within the card.
        double up = fmax(left.amount[r], 0) * (1 - 1e-9) / sum;
        ALLOC_EACH (state, c, a)
            if (!state->apps[a].moving)
                plan->entries[a].wish.amount[r] += up * (plan->entries[a].wish.amount[r] + equal);
    }
}

void
value_fill(const struct alloc_state *state, uint32_t c, const struct value_lean *lean,
           struct alloc_plan *plan)
{
    struct card_problem p;
    struct solution best;
    if (!pose(state, c, plan, lean, ALLOC_NONE, &p)) {
        fill_card(state, c, FILL_MARGINAL, 0, plan);
        return;
    }
    fill_floors(state, c, plan);
    solve(&p, true, &best);
    for (unsigned i = 0; i < p.n; i++) {
        const struct curve *v = &p.curve[i];
        struct alloc_entry *e = &plan->entries[v->app];
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            e->wish.amount[r] =
                (v->base[r] + best.rate[i] * v->cost[r]) * state->cards[c].capacity.amount[r];
        alloc_need(&state->apps[v->app], &state->cards[c],
                   alloc_demand_at(&state->apps[v->app], ALLOC_Z_P90), state->policy.headroom,
                   &e->need);
    }
    value_spread(state, c, plan);
}

static double
value_without(const struct alloc_state *state, uint32_t c, const struct alloc_plan *plan,
              const struct value_lean *lean, uint32_t without, struct card_problem *p)
{
    struct solution best;
    if (!pose(state, c, plan, lean, without, p))
        return NAN;
    solve(p, false, &best);
    return best.value;
}

static double
value_with(const struct alloc_state *state, uint32_t c, const struct alloc_plan *plan,
           const struct value_lean *lean, uint32_t with, struct card_problem *p)
{
    struct solution best;
    if (!pose(state, c, plan, lean, ALLOC_NONE, p) || p->n == VALUE_APPS_MAX)
        return NAN;
    draw_curve(state, c, with, lean, 0, p->bit, &p->curve[p->n++]);
    solve(p, false, &best);
    return best.value;
}

// What could be gained on card 'c' at most: what its applications would be worth if it were empty.
static double
most_of(const struct alloc_state *state, uint32_t c, const struct value_lean *lean)
{
    double sum = 0, bit = bit_worth(state, c, lean);
    ALLOC_EACH (state, c, a)
        sum += weight_of(&state->apps[a], lean) * alloc_level_p[ALLOC_LEVELS - 1] +
               bit * mean_load(&state->apps[a]);
    return sum;
}

bool
value_move(const struct alloc_state *state, uint32_t c, const struct value_lean *lean, double steps,
           double least, struct alloc_plan *plan)
{
    struct card_problem p;
    uint32_t card[CARDS_MAX], n = 0, at = c, best_app = ALLOC_NONE, best_to = ALLOC_NONE;
    double now[CARDS_MAX], lack[CARDS_MAX], best_gain = least;
    do {
        card[n] = at;
        ALLOC_EACH (state, at, a)
            if (state->apps[a].moving || plan->entries[a].to != ALLOC_NONE)
                return false; // its effect is to be seen before the next is judged
        now[n] = value_without(state, at, plan, lean, ALLOC_NONE, &p);
        lack[n] = most_of(state, at, lean) - now[n];
        n++;
        at = state->cards[at].next_sibling;
    } while (at != c && n < CARDS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (lack[i] * steps <= least)
            continue;
        ALLOC_EACH (state, card[i], a) {
            const struct alloc_app *app = &state->apps[a];
            double w = weight_of(app, lean);
            double itself =
                app->max_delay_s > 0 && app->max_delay_s <= 2 * state->policy.move_delay_s ? w : 0;
            if (lack[i] * steps <= best_gain + itself)
                continue;
            double without = NAN;
            for (uint32_t j = 0; j < n; j++) {
                if (j == i || move_refusal(state, app, card[j]))
                    continue;
                if (isnan(without))
                    without = value_without(state, card[i], plan, lean, a, &p);
                double with = value_with(state, card[j], plan, lean, a, &p);
                double gain = steps * (without + with - now[i] - now[j]) - itself;
                if (gain > best_gain) {
                    best_gain = gain;
                    best_app = a;
                    best_to = card[j];
                }
            }
        }
    }
    if (best_app == ALLOC_NONE)
        return false;
    struct alloc_entry *e = &plan->entries[best_app];
    e->to = best_to;
    snprintf(e->reason, sizeof e->reason,
             "%s is worth more there: %.2f weighted SLA steps in the next %.0f",
             state->apps[best_app].name, best_gain, steps);
    return true;
}
