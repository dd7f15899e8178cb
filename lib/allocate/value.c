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
#include <string.h>

enum {
    POINTS = ALLOC_LEVELS + 1,
    CARDS_MAX = 16, // of a server, for moves
    N_PRICES = 3,
};
static const unsigned NOBODY = UINT32_MAX;

const struct value_lean value_neutral = {.loss_worth = 0.6, .emphasis = {1, 1, 1}, .caution = 1};

// Part of a card that counts as everyone's equal claim when the rest is spread.
static const double IDLE_FRAC = 0.02;

// Prices of CPU against bandwidth that are tried where both are short.
static const double cpu_prices[N_PRICES] = {1, 0.5, 0};

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
    uint8_t curve, from; // from hull[from] to hull[from + 1]
};

enum { PIECES_MAX = (VALUE_APPS_MAX + 1) * ALLOC_LEVELS };

// Those who share a card.
struct group {
    double room[ALLOC_N_RESOURCES]; // parts of the capacity
    unsigned n, n_pieces;
    uint8_t curve[VALUE_APPS_MAX + 1];
    struct piece *order[N_PRICES]; // their pieces by falling slope; NULL: not asked for yet
};

// Curves of one card's applications, or of all of a server's; the last is for one that might come.
struct curves {
    unsigned n, n_ordered;
    struct curve curve[VALUE_APPS_MAX + 1];
    struct piece ordered[N_PRICES * PIECES_MAX];
};

struct solution {
    double rate[VALUE_APPS_MAX + 1]; // in the group's order
    double value;
    bool contested;       // somebody did not get all that could be of use
    bool short_of_others; // of another resource than CPU
};

// Where each member is while it is served.
struct run {
    bool closed[VALUE_APPS_MAX + 1];
    uint8_t at[VALUE_APPS_MAX + 1]; // on its hull
};

static double
weight_of(const struct alloc_app *app, const struct value_lean *lean)
{
    return (app->weight > 0 ? app->weight : 1) * lean->emphasis[app->class];
}

static void
levels_of(const struct alloc_app *app, double *level)
{
    if (app->level[0] > 0)
        memcpy(level, app->level, sizeof app->level);
    else
        for (unsigned i = 0; i < ALLOC_LEVELS; i++)
            level[i] = alloc_level_at(app, i);
}

// The rate that keeps the SLA at load 'o' when 'limit_s' of delay is allowed.
static double
rate_for(const struct alloc_app *app, double o, double limit_s)
{
    if (o <= 0 || app->max_delay_s <= 0)
        return fmax(o, 0);
    return (o + sqrt(o * o + 32 * app->burst_bytes * o / fmax(limit_s, 1e-6))) / 2;
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
    double level[ALLOC_LEVELS], mean = 0, before = 0;
    levels_of(app, level);
    for (unsigned i = 0; i < ALLOC_LEVELS; i++) {
        mean += (alloc_level_p[i] - before) * level[i];
        before = alloc_level_p[i];
    }
    return mean + (1 - before) * level[ALLOC_LEVELS - 1];
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

static void
price_curve(const struct alloc_state *state, uint32_t c, struct curve *v)
{
    const struct alloc_app *app = &state->apps[v->app];
    const struct alloc_card *card = &state->cards[c];
    const double *have = card->capacity.amount;
    memset(v->base, 0, sizeof v->base);
    v->cost[ALLOC_BANDWIDTH] = 1 / have[ALLOC_BANDWIDTH];
    v->cost[ALLOC_CPU] = offload_bps_to_cycles(1, app->cycles_per_byte) / card->cycles_per_s;
    v->cost[ALLOC_MEMORY] = 3 * app->max_delay_s / 8 / have[ALLOC_MEMORY];
    v->base[ALLOC_MEMORY] = app->state_bytes / have[ALLOC_MEMORY];
}

// Worth of application 'a' on card 'c' when 'used_s' of its delay limit is gone for a move.
static void
draw_curve(const struct alloc_state *state, uint32_t c, uint32_t a, const struct value_lean *lean,
           double used_s, double bit, struct curve *v)
{
    const struct alloc_app *app = &state->apps[a];
    double have = state->cards[c].capacity.amount[ALLOC_BANDWIDTH];
    double w = weight_of(app, lean), floor = fmax(app->min_bps, 1e-4 * have);
    double most = app->max_bps > 0 ? fmax(app->max_bps, floor) : INFINITY;
    bool broken = app->max_delay_s > 0 && app->max_delay_s <= used_s; // it will break it anyway
    double limit = app->max_delay_s - (broken ? 0 : used_s);
    double load[ALLOC_LEVELS], below = 0, p_below = 0; // what loads up to the rate add to the mean
    levels_of(app, load);
    double median = load[6];
    for (unsigned i = 7; i < ALLOC_LEVELS; i++)
        load[i] = load[i] > median ? median + lean->caution * (load[i] - median) : load[i];
    v->app = a;
    v->rate[0] = floor;
    v->gain[0] = 0;
    for (unsigned i = 0, j = 0; i < ALLOC_LEVELS; i++) {
        double s = rate_for(app, load[i], limit);
        s = s < v->rate[i] ? v->rate[i] : s > most ? most : s;
        for (; j < ALLOC_LEVELS && load[j] <= s; j++) {
            below += (alloc_level_p[j] - p_below) * load[j];
            p_below = alloc_level_p[j];
        }
        double kept = broken || s >= most ? 0 : w * alloc_level_p[i];
        v->rate[i + 1] = s;
        double gain = kept + bit * (below + (1 - p_below) * s);
        v->gain[i + 1] = gain > v->gain[i] ? gain : v->gain[i];
    }
    price_curve(state, c, v);
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
    double part = span > 0 && rate > v->rate[i - 1] ? (rate - v->rate[i - 1]) / span : span <= 0;
    return v->gain[i - 1] + part * (v->gain[i] - v->gain[i - 1]);
}

// Adds the pieces of 'v', whose slopes fall as the order's do: a merge from the end. Returns how
// many there are then.
static unsigned
add_pieces(const struct curve *v, uint8_t member, double cpu_price, struct piece *order, unsigned n)
{
    double cost = cpu_price * v->cost[ALLOC_CPU] + (1 - cpu_price) * v->cost[ALLOC_BANDWIDTH] +
                  0.01 * v->cost[ALLOC_MEMORY] + 1e-30;
    unsigned sum = n + v->n_hull - 1u, to = sum;
    for (unsigned h = v->n_hull - 1u; h-- > 0;) {
        unsigned from = v->hull[h], next = v->hull[h + 1];
        double ds = v->rate[next] - v->rate[from];
        double slope = (v->gain[next] - v->gain[from]) / ((ds > 1e-3 ? ds : 1e-3) * cost);
        while (n > 0 && order[n - 1].slope < slope)
            order[--to] = order[--n];
        order[--to] = (struct piece){slope, member, (uint8_t)h};
    }
    return sum;
}

// The group's pieces by price 't', which are kept.
static const struct piece *
order_of(struct curves *curves, struct group *group, unsigned t)
{
    if (group->order[t])
        return group->order[t];
    struct piece *order = group->order[t] = curves->ordered + curves->n_ordered;
    group->n_pieces = 0;
    for (unsigned i = 0; i < group->n; i++)
        group->n_pieces = add_pieces(&curves->curve[group->curve[i]], (uint8_t)i, cpu_prices[t],
                                     order, group->n_pieces);
    curves->n_ordered += group->n_pieces;
    return order;
}

// Gives 'i' what 'piece' asks for, as far as the room lasts. False: CPU or bandwidth is used up.
static bool
serve_piece(const struct curve *v, const struct piece *piece, unsigned i, double *left,
            struct run *run, struct solution *out)
{
    double target = v->rate[v->hull[piece->from + 1]], ds = target - out->rate[i];
    bool used_up = false;
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (ds * v->cost[r] > left[r]) {
            ds = left[r] > 0 ? left[r] / v->cost[r] : 0;
            run->closed[i] = out->contested = true;
            out->short_of_others |= r != ALLOC_CPU;
            used_up |= r != ALLOC_MEMORY;
        }
    out->rate[i] = run->closed[i] ? out->rate[i] + ds : target;
    run->at[i] = (uint8_t)(piece->from + 1);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        left[r] -= ds * v->cost[r];
    return !used_up;
}

// Serves the pieces in order as far as the room lasts, those of member 'last' after all others, as
// if member 'without' were not there (NOBODY: all are).
static void
serve(const struct curves *curves, const struct group *group, const struct piece *order,
      unsigned without, unsigned last, struct run *run, struct solution *out)
{
    double left[ALLOC_N_RESOURCES];
    bool all_need_cpu = true, go_on = true;
    memcpy(left, group->room, sizeof left);
    out->contested = out->short_of_others = false;
    for (unsigned i = 0; i < group->n; i++) {
        const struct curve *v = &curves->curve[group->curve[i]];
        out->rate[i] = v->rate[0];
        run->closed[i] = i == without;
        run->at[i] = 0;
        all_need_cpu &= v->cost[ALLOC_CPU] > 0;
        for (int r = 0; i != without && r < ALLOC_N_RESOURCES; r++)
            left[r] -= v->base[r] + v->cost[r] * out->rate[i];
    }
    for (int pass = 0; go_on && pass < (last == NOBODY ? 1 : 2); pass++) {
        for (unsigned k = 0; go_on && k < group->n_pieces; k++) {
            const struct piece *piece = &order[k];
            unsigned i = piece->curve;
            if ((i == last) == pass && !run->closed[i])
                go_on = serve_piece(&curves->curve[group->curve[i]], piece, i, left, run, out) ||
                        !all_need_cpu;
        }
    }
    out->value = 0;
    for (unsigned i = 0; i < group->n; i++) {
        const struct curve *v = &curves->curve[group->curve[i]];
        if (i != without)
            out->value += run->closed[i] ? gain_at(v, out->rate[i]) : v->gain[v->hull[run->at[i]]];
    }
}

static void
take_better(const struct solution *x, unsigned n, struct solution *best)
{
    if (x->value <= best->value)
        return;
    best->value = x->value;
    memcpy(best->rate, x->rate, n * sizeof *x->rate);
}

// The shares that are worth most: with each application left for last in turn.
static void
solve(struct curves *curves, struct group *group, struct solution *best)
{
    struct solution x;
    struct run run, first;
    bool others = false;
    best->value = -1;
    for (unsigned t = 0; t < N_PRICES; t++) {
        const struct piece *order = order_of(curves, group, t);
        serve(curves, group, order, NOBODY, NOBODY, &first, &x);
        take_better(&x, group->n, best);
        others |= x.short_of_others;
        if (!x.contested)
            return;
        for (unsigned i = 0; i < group->n; i++) {
            if (!first.at[i])
                continue; // it got nothing as it is
            serve(curves, group, order, NOBODY, i, &run, &x);
            take_better(&x, group->n, best);
        }
        if (!others)
            return; // CPU's price alone matters
    }
}

// What they are worth about, to judge moves by: without member 'without' (NOBODY: all are there),
// and with 'guest' (NULL: nobody), which is the curve behind the last.
static double
value_of(struct curves *curves, struct group *group, unsigned without, const struct curve *guest)
{
    struct piece merged[PIECES_MAX];
    struct group grown;
    struct solution x;
    struct run run;
    bool others = false;
    double best = -1;
    for (unsigned t = 0; t < N_PRICES; t++) {
        const struct piece *order = order_of(curves, group, t);
        const struct group *served = group;
        if (guest) {
            grown = *group;
            grown.curve[grown.n++] = (uint8_t)curves->n;
            memcpy(merged, order, group->n_pieces * sizeof *merged);
            grown.n_pieces =
                add_pieces(guest, (uint8_t)group->n, cpu_prices[t], merged, group->n_pieces);
            order = merged;
            served = &grown;
        }
        serve(curves, served, order, without, NOBODY, &run, &x);
        best = x.value > best ? x.value : best;
        others |= x.short_of_others;
        if (!x.contested || !others)
            break;
    }
    return best;
}

// Draws the curves of those on card 'c' and poses its problem. False: too many applications.
static bool
pose(const struct alloc_state *state, uint32_t c, const struct alloc_plan *plan,
     const struct value_lean *lean, double bit, struct curves *curves, struct group *group)
{
    const double *have = state->cards[c].capacity.amount;
    struct alloc_share room = fill_room(state, c, plan);
    group->n = 0;
    memset(group->order, 0, sizeof group->order);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        group->room[r] = room.amount[r] / have[r];
    ALLOC_EACH (state, c, a) {
        if (state->apps[a].moving) {
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                group->room[r] -= state->apps[a].now.amount[r] / have[r];
            continue;
        }
        if (curves->n == VALUE_APPS_MAX)
            return false;
        bool arrives = plan->entries[a].to == c;
        draw_curve(state, c, a, lean, arrives ? state->policy.move_delay_s : 0, bit,
                   &curves->curve[curves->n]);
        group->curve[group->n++] = (uint8_t)curves->n++;
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
    struct curves curves;
    struct group group;
    struct solution best;
    curves.n = curves.n_ordered = 0;
    if (!pose(state, c, plan, lean, bit_worth(state, c, lean), &curves, &group)) {
        fill_card(state, c, FILL_MARGINAL, 0, plan);
        return;
    }
    fill_floors(state, c, plan);
    solve(&curves, &group, &best);
    for (unsigned i = 0; i < group.n; i++) {
        const struct curve *v = &curves.curve[group.curve[i]];
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

// A server's cards while a move is looked for.
struct server {
    unsigned n;
    uint32_t card[CARDS_MAX];
    struct group group[CARDS_MAX];
    double now[CARDS_MAX], lack[CARDS_MAX]; // value; what could be gained at most
    struct curves curves;
};

// False: nothing can be said, or a move is under way whose effect is to be seen first.
static bool
see_server(const struct alloc_state *state, uint32_t c, const struct value_lean *lean,
           const struct alloc_plan *plan, struct server *server)
{
    double bit = bit_worth(state, c, lean);
    uint32_t at = c;
    server->n = server->curves.n = server->curves.n_ordered = 0;
    do {
        unsigned i = server->n++;
        double most = 0;
        server->card[i] = at;
        ALLOC_EACH (state, at, a) {
            const struct alloc_app *app = &state->apps[a];
            if (app->moving || plan->entries[a].to != ALLOC_NONE)
                return false;
            most += weight_of(app, lean) * alloc_level_p[ALLOC_LEVELS - 1] + bit * mean_load(app);
        }
        if (!pose(state, at, plan, lean, bit, &server->curves, &server->group[i]))
            return false;
        server->now[i] = value_of(&server->curves, &server->group[i], NOBODY, NULL);
        server->lack[i] = most - server->now[i];
        at = state->cards[at].next_sibling;
    } while (at != c && server->n < CARDS_MAX);
    return true;
}

// With the application of 'curve', which is on card 'i' now.
static double
value_with(const struct alloc_state *state, struct server *server, unsigned i, unsigned j,
           uint8_t curve, const struct value_lean *lean, double bit)
{
    struct curve *guest = &server->curves.curve[server->curves.n];
    const struct curve *host = &server->curves.curve[curve];
    uint32_t from = server->card[i], to = server->card[j];
    if (state->cards[from].capacity.amount[ALLOC_BANDWIDTH] ==
        state->cards[to].capacity.amount[ALLOC_BANDWIDTH]) {
        *guest = *host; // its worth is the same there
        price_curve(state, to, guest);
    } else {
        draw_curve(state, to, host->app, lean, 0, bit, guest);
    }
    return value_of(&server->curves, &server->group[j], NOBODY, guest);
}

bool
value_move(const struct alloc_state *state, uint32_t c, const struct value_lean *lean, double steps,
           double least, struct alloc_plan *plan)
{
    struct server server;
    uint32_t best_app = ALLOC_NONE, best_to = ALLOC_NONE;
    double best_gain = least;
    if (state->cards[c].next_sibling == c || !see_server(state, c, lean, plan, &server))
        return false;
    double bit = bit_worth(state, c, lean);
    for (unsigned i = 0; i < server.n; i++) {
        for (unsigned m = 0; m < server.group[i].n; m++) {
            uint8_t curve = server.group[i].curve[m];
            const struct alloc_app *app = &state->apps[server.curves.curve[curve].app];
            double w = weight_of(app, lean), without = NAN;
            double itself =
                app->max_delay_s > 0 && app->max_delay_s <= 2 * state->policy.move_delay_s ? w : 0;
            for (unsigned j = 0; j < server.n; j++) {
                if (server.lack[i] * steps <= best_gain + itself)
                    break;
                if (j == i || move_refusal(state, app, server.card[j]))
                    continue;
                if (isnan(without))
                    without = value_of(&server.curves, &server.group[i], m, NULL);
                double with = value_with(state, &server, i, j, curve, lean, bit);
                // While it lasts it gains nothing, and holds room there that is worth at most what
                // the application itself is.
                double lasts = fmin(state->policy.move_steps, steps);
                double gain = (steps - lasts) * (without + with - server.now[i] - server.now[j]) -
                              lasts * server.curves.curve[curve].gain[POINTS - 1] - itself;
                if (gain > best_gain) {
                    best_gain = gain;
                    best_app = server.curves.curve[curve].app;
                    best_to = server.card[j];
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
