// SPDX-License-Identifier: Apache-2.0
// What a decision is made from: cards, applications, what they are expected to need.
// [state] -> agent -> shield -> plan.  Pure: no clock, no lock, no I/O.
#include <offload/allocate.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const alloc_resource_names[] = {"cpu_pct", "bandwidth_bps", "memory_bytes", NULL};
const char *const alloc_class_names[] = {"gold", "silver", "bronze", NULL};

const struct alloc_policy alloc_policy_default = {
    .headroom = 1.0,
    .max_change_pct = 50,
    .deadband_pct = 0.5,
    .move_above_pct = 95,
    .move_below_pct = 85,
    .move_after_ticks = 2,
    .cooldown_s = 30,
};

double alloc_class_weight(enum alloc_class class)
{
    static const double weights[ALLOC_N_CLASSES] = {4, 2, 1};
    return weights[class];
}

struct alloc_state *
alloc_state_create(uint32_t n_cards, uint32_t n_apps)
{
    struct alloc_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->n_cards = n_cards;
    state->n_apps = n_apps;
    state->policy = alloc_policy_default;
    state->cards = calloc(n_cards + 1u, sizeof *state->cards);
    state->apps = calloc(n_apps + 1u, sizeof *state->apps);
    state->first = calloc(n_cards + 1u, sizeof *state->first);
    if (!state->cards || !state->apps || !state->first) {
        alloc_state_destroy(state);
        return NULL;
    }
    for (uint32_t a = 0; a < n_apps; a++)
        state->apps[a] = (struct alloc_app){.wanted = ALLOC_NONE, .ahead = {NAN, NAN, NAN}};
    return state;
}

struct alloc_state *
alloc_state_clone(const struct alloc_state *state)
{
    struct alloc_state *copy = alloc_state_create(state->n_cards, state->n_apps);
    if (!copy)
        return NULL;
    copy->time_ns = state->time_ns;
    copy->policy = state->policy;
    memcpy(copy->cards, state->cards, state->n_cards * sizeof *state->cards);
    memcpy(copy->apps, state->apps, state->n_apps * sizeof *state->apps);
    memcpy(copy->first, state->first, state->n_cards * sizeof *state->first);
    return copy;
}

void
alloc_state_destroy(struct alloc_state *state)
{
    if (!state)
        return;
    free(state->cards);
    free(state->apps);
    free(state->first);
    free(state);
}

static int
by_server(const void *a, const void *b)
{
    const struct alloc_card *x = *(struct alloc_card *const *)a,
                            *y = *(struct alloc_card *const *)b;
    int order = strcmp(x->server, y->server);
    return order ? order : (x > y) - (x < y);
}

// Links each server's cards in a ring. Without memory each card is alone: no moves, but correct
// plans.
static void
link_siblings(struct alloc_state *state)
{
    for (uint32_t c = 0; c < state->n_cards; c++)
        state->cards[c].next_sibling = c;
    struct alloc_card **sorted = calloc(state->n_cards + 1u, sizeof *sorted);
    if (!sorted)
        return;
    for (uint32_t c = 0; c < state->n_cards; c++)
        sorted[c] = &state->cards[c];
    qsort(sorted, state->n_cards, sizeof *sorted, by_server);
    for (uint32_t first = 0, i = 1; i <= state->n_cards; i++) {
        bool same = i < state->n_cards && !strcmp(sorted[i]->server, sorted[first]->server);
        sorted[i - 1]->next_sibling = (uint32_t)(sorted[same ? i : first] - state->cards);
        if (!same)
            first = i;
    }
    free(sorted);
}

void
alloc_state_index(struct alloc_state *state)
{
    link_siblings(state);
    for (uint32_t c = 0; c < state->n_cards; c++)
        state->first[c] = ALLOC_NONE;
    // Backwards, so that each list stands in the order of the applications.
    for (uint32_t a = state->n_apps; a-- > 0;) {
        struct alloc_app *app = &state->apps[a];
        app->next = state->first[app->card];
        state->first[app->card] = a;
    }
}

void
alloc_state_place(struct alloc_state *state, uint32_t app, uint32_t card)
{
    uint32_t *link = &state->first[state->apps[app].card];
    while (*link != app)
        link = &state->apps[*link].next;
    *link = state->apps[app].next;
    link = &state->first[card];
    while (*link != ALLOC_NONE && *link < app)
        link = &state->apps[*link].next;
    state->apps[app].next = *link;
    state->apps[app].card = card;
    *link = app;
}

void
alloc_need(const struct alloc_app *app, const struct alloc_card *card, double offered_bps,
           double headroom, struct alloc_share *need)
{
    double o = offered_bps, s = o, queue_bytes = 0;
    if (o > 0 && app->max_delay_s > 0) {
        s = (o + sqrt(o * o + 32 * app->burst_bytes * o / app->max_delay_s)) / 2;
        queue_bytes = app->burst_bytes * (o / s) / (1 - o / s);
    }
    s *= headroom;
    need->amount[ALLOC_BANDWIDTH] = s;
    need->amount[ALLOC_CPU] =
        100 * offload_bps_to_cycles(s, app->cycles_per_byte) / card->cycles_per_s;
    need->amount[ALLOC_MEMORY] = app->state_bytes + 3 * queue_bytes * headroom;
}

static double
quantile_at(const struct alloc_demand *d, double z)
{
    double p99 = isnan(d->p99) ? d->p90 : d->p99;
    double value;
    if (z <= ALLOC_Z_P90)
        value = d->p50 + (d->p90 - d->p50) * z / ALLOC_Z_P90;
    else
        value = d->p90 + (p99 - d->p90) * (z - ALLOC_Z_P90) / (ALLOC_Z_P99 - ALLOC_Z_P90);
    return fmax(value, 0);
}

static bool
known(const struct alloc_demand *d)
{
    return !isnan(d->p50) && !isnan(d->p90);
}

double
alloc_demand_at(const struct alloc_app *app, double z)
{
    double last = isnan(app->offered_bps) ? 0 : app->offered_bps;
    return known(&app->demand) ? quantile_at(&app->demand, z) : fmax(last * (1 + 0.2 * z), 0);
}

double
alloc_ahead_at(const struct alloc_app *app, double z)
{
    return known(&app->ahead) ? quantile_at(&app->ahead, z) : alloc_demand_at(app, z);
}

const double alloc_level_p[ALLOC_LEVELS] = {0.05, 0.15, 0.25, 0.35, 0.42, 0.48, 0.54, 0.6,
                                            0.66, 0.73, 0.8,  0.86, 0.91, 0.95, 0.98, 0.995};

// Normal scores of these.
static const double level_z[ALLOC_LEVELS] = {-1.6449, -1.0364, -0.6745, -0.3853, -0.2019, -0.0502, 0.1004, 0.2533, 0.4125, 0.6128, 0.8416, 1.0803, 1.3408, 1.6449, 2.0537, 2.5758};

double
alloc_level_at(const struct alloc_app *app, unsigned i)
{
    if (app->level[0] > 0)
        return app->level[i];
    return alloc_demand_at(app, level_z[i]);
}

void
alloc_load_add(const struct alloc_state *state, uint32_t c, const struct alloc_app *app,
               enum alloc_when when, double z, struct alloc_load *load)
{
    double (*at)(const struct alloc_app *, double) =
        when == ALLOC_NEXT ? alloc_demand_at : alloc_ahead_at;
    struct alloc_share median, high;
    double headroom = state->policy.headroom;
    alloc_need(app, &state->cards[c], at(app, 0), headroom, &median);
    alloc_need(app, &state->cards[c], at(app, z), headroom, &high);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double above = high.amount[r] - median.amount[r];
        load->median.amount[r] += median.amount[r];
        load->variance.amount[r] += above * above;
    }
}

double
alloc_load_frac(const struct alloc_state *state, uint32_t c, const struct alloc_load *load,
                enum alloc_resource *limit)
{
    const struct alloc_card *card = &state->cards[c];
    double most = 0;
    enum alloc_resource which = ALLOC_CPU;
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double sum = card->held.amount[r] + load->median.amount[r] + sqrt(load->variance.amount[r]);
        if (sum / card->capacity.amount[r] > most) {
            most = sum / card->capacity.amount[r];
            which = r;
        }
    }
    if (limit)
        *limit = which;
    return most;
}

double
alloc_card_load(const struct alloc_state *state, uint32_t c, enum alloc_when when, double z,
                enum alloc_resource *limit)
{
    struct alloc_load load = {0};
    ALLOC_EACH (state, c, a)
        alloc_load_add(state, c, &state->apps[a], when, z, &load);
    return alloc_load_frac(state, c, &load, limit);
}
