// SPDX-License-Identifier: Apache-2.0
// Hands out one card's resources: guarantees, needs in some order, the rest in proportion.
// state -> [agent: fill] -> shield.  Pure. Takes time linear in the card's applications, sorting
// aside. FILL_MARGINAL: Qin et al., The newsvendor problem, Eur. J. Oper. Res. 213 (2011), section
// 2; what an application gains by more room is its weight times the probability that the room is
// needed and enough.
#include "lib/allocate/fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILL_APPS_MAX = 256, // on one card, for the ordered rules; more are served in proportion
    FILL_LEVELS = 8,
};

// Share of a card that everyone keeps, so that a first packet can be measured.
static const double TRICKLE_FRAC = 0.001;

// On the median load: a queue that is to drain needs a rate a little above it.
static const double BARE_FACTOR = 1.05;
static const double BARE_END = 1.25;

// Part of a card that counts as everyone's equal claim when the rest is spread.
static const double IDLE_FRAC = 0.05;

// Normal scores of the marginal rule's levels, and how probable it is that demand stays below.
static const double level_z[FILL_LEVELS] = {-0.84, 0, 0.52, 0.84, 1.28, 1.64, 2.33, 3.0};
static const double level_p[FILL_LEVELS] = {0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.9985};

// One step of service: an application's way from what it has to a level of need.
struct item {
    uint32_t app;
    double rank; // higher is served first
    double z;
};

struct pool {
    const struct alloc_state *state;
    const struct alloc_card *card;
    uint32_t c;
    struct alloc_plan *plan;
    struct alloc_share left;
};

static double
weight_of(const struct alloc_app *app)
{
    return app->weight > 0 ? app->weight : 1;
}

struct alloc_share
fill_room(const struct alloc_state *state, uint32_t c, const struct alloc_plan *plan)
{
    struct alloc_share left = state->cards[c].capacity;
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        left.amount[r] =
            fmax(left.amount[r] - state->cards[c].held.amount[r] - plan->held[c].amount[r], 0);
    return left;
}

// What migrates keeps what it has until it is gone: the cards change nothing of it meanwhile.
static void
floor_of_moving(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan,
                struct alloc_share *left)
{
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        for (int r = 0; app->moving && r < ALLOC_N_RESOURCES; r++) {
            plan->entries[a].floor.amount[r] = fmin(app->now.amount[r], left->amount[r]);
            left->amount[r] -= plan->entries[a].floor.amount[r];
        }
    }
}

// A class whose guarantees do not fit in what the better ones leave shares that.
static void
floor_of_class(const struct alloc_state *state, uint32_t c, int rank, struct alloc_plan *plan,
               struct alloc_share *left)
{
    const struct alloc_card *card = &state->cards[c];
    struct alloc_share sum = {{0}}, cut;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        if ((int)app->class != rank || app->moving)
            continue;
        double *f = plan->entries[a].floor.amount;
        f[ALLOC_BANDWIDTH] = app->min_bps;
        f[ALLOC_CPU] =
            100 * offload_bps_to_cycles(app->min_bps, app->cycles_per_byte) / card->cycles_per_s;
        f[ALLOC_MEMORY] = app->state_bytes;
        for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
            f[r] = fmax(f[r], TRICKLE_FRAC * card->capacity.amount[r]);
            sum.amount[r] += f[r];
        }
    }
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        cut.amount[r] = sum.amount[r] > left->amount[r] ? left->amount[r] / sum.amount[r] : 1;
        left->amount[r] = fmax(left->amount[r] - sum.amount[r], 0);
    }
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        for (int r = 0; (int)app->class == rank && !app->moving && r < ALLOC_N_RESOURCES; r++)
            plan->entries[a].floor.amount[r] *= cut.amount[r];
    }
}

void
fill_floors(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan)
{
    struct alloc_share left = fill_room(state, c, plan);
    floor_of_moving(state, c, plan, &left);
    for (int rank = ALLOC_GOLD; rank < ALLOC_N_CLASSES; rank++)
        floor_of_class(state, c, rank, plan, &left);
}

static void
need_at(const struct pool *pool, uint32_t a, double z, struct alloc_share *need)
{
    const struct alloc_app *app = &pool->state->apps[a];
    if (app->moving)
        *need = app->now;
    else
        alloc_need(app, pool->card, alloc_demand_at(app, z), pool->state->policy.headroom, need);
}

// The largest part of the card that 'a' would take beyond what it has.
static double
missing_frac(const struct pool *pool, uint32_t a, const struct alloc_share *need)
{
    double most = 0; // of what migrates nothing is missing: need_at() gives it what it has
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        most = fmax(most, (need->amount[r] - pool->plan->entries[a].wish.amount[r]) /
                              pool->card->capacity.amount[r]);
    return most;
}

// Raises 'a' to 'need', by the part 'frac' of what is missing.
static void
raise_by(struct pool *pool, uint32_t a, const struct alloc_share *need, double frac)
{
    double *wish = pool->plan->entries[a].wish.amount;
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double more = fmin(fmax(need->amount[r] - wish[r], 0) * frac, pool->left.amount[r]);
        wish[r] += more;
        pool->left.amount[r] -= more;
    }
}

static bool
fits(const struct pool *pool, uint32_t a, const struct alloc_share *need)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (need->amount[r] - pool->plan->entries[a].wish.amount[r] > pool->left.amount[r])
            return false;
    return true;
}

static size_t
count_apps(const struct alloc_state *state, uint32_t c)
{
    size_t n = 0;
    ALLOC_EACH (state, c, a)
        n++;
    return n;
}

// Cuts all alike: each resource's missing needs, by weight where they do not fit. Rounds, since who
// is full early leaves room for the others.
static void
raise_proportional(struct pool *pool, bool weighted)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        for (int round = 0; round < 8; round++) {
            double sum = 0, given = 0;
            ALLOC_EACH (pool->state, pool->c, a) {
                struct alloc_entry *e = &pool->plan->entries[a];
                double w = weighted ? weight_of(&pool->state->apps[a]) : 1;
                double want = e->need.amount[r] - e->wish.amount[r];
                sum += want > 0 ? w * e->need.amount[r] : 0;
            }
            if (sum <= 0 || pool->left.amount[r] <= 0)
                break;
            ALLOC_EACH (pool->state, pool->c, a) {
                struct alloc_entry *e = &pool->plan->entries[a];
                double w = weighted ? weight_of(&pool->state->apps[a]) : 1;
                double want = e->need.amount[r] - e->wish.amount[r];
                if (want <= 0)
                    continue;
                double more = fmin(want, pool->left.amount[r] * w * e->need.amount[r] / sum);
                e->wish.amount[r] += more;
                given += more;
            }
            pool->left.amount[r] = fmax(pool->left.amount[r] - given, 0);
        }
    }
}

static int
by_rank(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? 1 : -1;
    if (x->app != y->app)
        return x->app > y->app ? 1 : -1;
    return (x->z > y->z) - (x->z < y->z);
}

// One item an application, up to score 'z'.
static size_t
rank_once(const struct pool *pool, enum fill_order order, double z, struct item *items)
{
    size_t n = 0;
    ALLOC_EACH (pool->state, pool->c, a) {
        const struct alloc_app *app = &pool->state->apps[a];
        struct alloc_share need;
        need_at(pool, a, z, &need);
        double part = fmax(missing_frac(pool, a, &need), 1e-12);
        double rank = weight_of(app) / part;
        if (order == FILL_CLASS) // whole classes apart; within one the smallest first
            rank = (ALLOC_N_CLASSES - (int)app->class) + 1 / (1 + part);
        items[n++] = (struct item){.app = a, .rank = rank, .z = z};
    }
    return n;
}

// The upper hull of (part of the card, weight x probability): each step's slope is its rank, and
// slopes fall, so that sorting by rank keeps an application's steps in their order.
static size_t
rank_marginal(const struct pool *pool, uint32_t a, struct item *items)
{
    double part[FILL_LEVELS];
    struct alloc_share need;
    for (int i = 0; i < FILL_LEVELS; i++) {
        need_at(pool, a, level_z[i], &need);
        part[i] = missing_frac(pool, a, &need);
    }
    size_t n = 0;
    double at_part = 0, at_p = 0;
    for (int from = 0; from < FILL_LEVELS;) {
        int best = from;
        double best_slope = -1;
        for (int i = from; i < FILL_LEVELS; i++) {
            double slope = (level_p[i] - at_p) / fmax(part[i] - at_part, 1e-9);
            if (slope >= best_slope) {
                best_slope = slope;
                best = i;
            }
        }
        items[n++] = (struct item){
            .app = a, .z = level_z[best], .rank = weight_of(&pool->state->apps[a]) * best_slope};
        at_part = part[best];
        at_p = level_p[best];
        from = best + 1;
    }
    return n;
}

static size_t
rank_all(const struct pool *pool, enum fill_order order, double z, struct item *items)
{
    if (order != FILL_MARGINAL)
        return rank_once(pool, order, z, items);
    size_t n = 0;
    ALLOC_EACH (pool->state, pool->c, a)
        n += rank_marginal(pool, a, items + n);
    return n;
}

// The highest level below the item's that fits: who is uncertain is not passed over for its P99.
static void
raise_lower(struct pool *pool, const struct item *item)
{
    struct alloc_share need;
    for (int i = FILL_LEVELS; i-- > 0;) {
        if (level_z[i] >= item->z)
            continue;
        need_at(pool, item->app, level_z[i], &need);
        if (missing_frac(pool, item->app, &need) <= 0)
            return; // it has that already
        if (fits(pool, item->app, &need)) {
            raise_by(pool, item->app, &need, 1);
            return;
        }
    }
}

// Serves the items that fit whole, best first; then what is left goes to those that did not fit, in
// the same order, as far as it lasts: loss is the less for it.
static void
serve(struct pool *pool, struct item *items, size_t n, bool lower)
{
    struct alloc_share need;
    qsort(items, n, sizeof *items, by_rank);
    for (size_t i = 0; i < n; i++) {
        need_at(pool, items[i].app, items[i].z, &need);
        if (fits(pool, items[i].app, &need)) {
            raise_by(pool, items[i].app, &need, 1);
            items[i].rank = -1;
        } else if (lower) {
            raise_lower(pool, &items[i]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].rank < 0)
            continue;
        need_at(pool, items[i].app, items[i].z, &need);
        double frac = 1;
        for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
            double want = need.amount[r] - pool->plan->entries[items[i].app].wish.amount[r];
            if (want > 0)
                frac = fmin(frac, pool->left.amount[r] / want);
        }
        raise_by(pool, items[i].app, &need, frac);
    }
}

static void
begin(struct pool *pool, const struct alloc_state *state, uint32_t c, struct alloc_plan *plan)
{
    *pool = (struct pool){.state = state, .card = &state->cards[c], .c = c, .plan = plan};
    pool->left = fill_room(state, c, plan);
    fill_floors(state, c, plan);
    ALLOC_EACH (state, c, a) {
        plan->entries[a].wish = (struct alloc_share){{0}};
        raise_by(pool, a, &plan->entries[a].floor, 1);
    }
}

// Nothing is to lie idle in a card of reservations: the rest goes to all in proportion to what they
// have, and a little to everyone, so that one that was idle has room for its first packets.
static void
spread(struct pool *pool)
{
    double n = (double)count_apps(pool->state, pool->c);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double equal = IDLE_FRAC * pool->card->capacity.amount[r] / n, sum = 0;
        ALLOC_EACH (pool->state, pool->c, a)
            sum += pool->state->apps[a].moving ? 0 : pool->plan->entries[a].wish.amount[r] + equal;
        if (sum <= 0)
            continue;
        // A hair less than all, so that sums of rounded shares stay within the card.
        double up = pool->left.amount[r] * (1 - 1e-9) / sum;
        ALLOC_EACH (pool->state, pool->c, a)
            if (!pool->state->apps[a].moving)
                pool->plan->entries[a].wish.amount[r] +=
                    up * (pool->plan->entries[a].wish.amount[r] + equal);
    }
}

static void
raise_all_to(struct pool *pool, double z)
{
    ALLOC_EACH (pool->state, pool->c, a)
        need_at(pool, a, z, &pool->plan->entries[a].need);
    raise_proportional(pool, true);
}

// The median load alone, without what its delay bound asks for beyond it. Where the card can carry
// that of everyone, nobody is left out for the sake of someone's bound. Where it is a little too
// much, a part of it, less and less until it is BARE_END times too much: no step at the edge.
static void
raise_to_bare_load(struct pool *pool)
{
    struct alloc_share sum = {{0}};
    double part = 1;
    ALLOC_EACH (pool->state, pool->c, a) {
        const struct alloc_app *app = &pool->state->apps[a];
        struct alloc_entry *e = &pool->plan->entries[a];
        double rate = BARE_FACTOR * alloc_demand_at(app, ALLOC_Z_P50);
        e->need = app->now;
        if (!app->moving)
            e->need = (struct alloc_share){
                {100 * offload_bps_to_cycles(rate, app->cycles_per_byte) / pool->card->cycles_per_s,
                 rate, app->state_bytes}};
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            sum.amount[r] += fmax(e->need.amount[r] - e->wish.amount[r], 0);
    }
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (sum.amount[r] > 0)
            part = fmin(part, (BARE_END - sum.amount[r] / fmax(pool->left.amount[r], 1e-9)) /
                                  (BARE_END - 1));
    for (uint32_t a = pool->state->first[pool->c]; part > 0 && a != ALLOC_NONE;
         a = pool->state->apps[a].next)
        raise_by(pool, a, &pool->plan->entries[a].need, part);
}

// What came in the last step may come again, whatever the forecast says; with what is left over,
// not before.
static void
raise_to_last_load(struct pool *pool)
{
    ALLOC_EACH (pool->state, pool->c, a) {
        const struct alloc_app *app = &pool->state->apps[a];
        double last = isnan(app->offered_bps) ? 0 : app->offered_bps;
        struct alloc_share *need = &pool->plan->entries[a].need;
        if (app->moving)
            *need = app->now;
        else
            alloc_need(app, pool->card, last, pool->state->policy.headroom, need);
    }
    raise_proportional(pool, true);
}

void
fill_card(const struct alloc_state *state, uint32_t c, enum fill_order order, double z,
          struct alloc_plan *plan)
{
    struct item items[FILL_APPS_MAX * FILL_LEVELS];
    struct pool pool;
    begin(&pool, state, c, plan);
    raise_to_bare_load(&pool);
    if (order == FILL_PROPORTIONAL || count_apps(state, c) > FILL_APPS_MAX)
        raise_all_to(&pool, z);
    else
        serve(&pool, items, rank_all(&pool, order, z, items), order == FILL_MARGINAL);
    if (order != FILL_MARGINAL) {
        if (z < ALLOC_Z_P90)
            raise_all_to(&pool, ALLOC_Z_P90);
        if (z < ALLOC_Z_P99)
            raise_all_to(&pool, ALLOC_Z_P99);
    }
    raise_to_last_load(&pool);
    spread(&pool);
    ALLOC_EACH (state, c, a)
        need_at(&pool, a, ALLOC_Z_P90, &plan->entries[a].need);
}

void
fill_needs(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan)
{
    struct pool pool;
    begin(&pool, state, c, plan);
    raise_proportional(&pool, false);
    spread(&pool);
}
