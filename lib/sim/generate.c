// SPDX-License-Identifier: Apache-2.0
// Demand made up from a seed, to train on: no two scenarios alike in period, noise, bursts, sizes
// or classes. seed -> [generate] -> foresee -> world.  Pure.
#include "lib/sim/demand.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SERVERS = 3, // unless more are asked for
    APPS_A_CARD_MOST = 5,
    STEPS = 600,
    TRAIN_STEPS = 240,
};

// What the demand of a server is like; a fleet has them in turn.
enum kind {
    KIND_SWING,    // its cards peak twelve hours apart
    KIND_MIXED,    // a day's wave and a week's, each application its own
    KIND_BURSTS,   // flat with bursts
    KIND_TOGETHER, // what disturbs one application disturbs all of its card
    N_KINDS,
};

struct rng {
    uint64_t x;
};

// xorshift64* (Vigna, ACM TOMS 42 (2016)).
static double
uniform(struct rng *rng)
{
    rng->x ^= rng->x >> 12;
    rng->x ^= rng->x << 25;
    rng->x ^= rng->x >> 27;
    return (double)((rng->x * 0x2545f4914f6cdd1du) >> 11) * 0x1p-53;
}

static double
between(struct rng *rng, double least, double most)
{
    return least + (most - least) * uniform(rng);
}

static double
log_between(struct rng *rng, double least, double most)
{
    return exp(between(rng, log(least), log(most)));
}

static double
normal(struct rng *rng)
{
    return sqrt(-2 * log(1 - uniform(rng))) * cos(2 * M_PI * uniform(rng));
}

static double
pick(struct rng *rng, const double *from, unsigned n)
{
    return from[(unsigned)(uniform(rng) * n)];
}

static void
make_app(struct rng *rng, struct sim_scenario *s, uint32_t card)
{
    static const double weights[ALLOC_N_CLASSES] = {4, 2, 1};
    static const double bursts[] = {32768, 65536, 131072, 262144};
    static const double delays_ms[] = {0.5, 1, 2, 4, 8, 10, 20, 40};
    struct alloc_app *app = &s->apps[s->n_apps];
    *app = (struct alloc_app){.card = card,
                              .offered_bps = NAN,
                              .before_bps = NAN,
                              .wanted = ALLOC_NONE,
                              .ahead = {NAN, NAN, NAN}};
    snprintf(app->name, sizeof app->name, "app%u", s->n_apps);
    app->class = (enum alloc_class)(uniform(rng) * ALLOC_N_CLASSES);
    app->weight = weights[app->class];
    app->cycles_per_byte = log_between(rng, 1.5, 20);
    app->burst_bytes = pick(rng, bursts, 4);
    app->state_bytes = (1 << 20) * log_between(rng, 1, 64);
    app->max_delay_s = pick(rng, delays_ms, 8) / 1e3;
    s->n_apps++;
}

// A day's wave (sharpened for some), a week's, noise that lasts, bursts, and a slow drift.
static void
make_series(struct rng *rng, struct sim_scenario *s, uint32_t app, enum kind kind, double phase,
            const double *shared)
{
    double amplitude = between(rng, 0.1, 0.9), sharp = between(rng, 1, 3),
           weekend = between(rng, 0.3, 1.1);
    double noise = log_between(rng, 0.05, 0.6), lasting = between(rng, 0.1, 0.9), ar = 0;
    double burst_rate = log_between(rng, 0.005, 0.1), burst = 0, drift = between(rng, -0.3, 0.3);
    double shift = phase + between(rng, -2, 2), common = kind == KIND_TOGETHER ? 0.7 : 0;
    double day = s->season_steps;
    if (kind == KIND_BURSTS) {
        amplitude *= 0.1;
        burst_rate *= 4;
    }
    for (uint32_t k = 0; k < s->steps; k++) {
        double wave = pow(0.5 + 0.5 * sin(2 * M_PI * (k / day + shift / 24)), sharp);
        double level = 1 - amplitude + 2 * amplitude * wave;
        double news = common * shared[k] + sqrt(1 - common * common) * normal(rng);
        ar = lasting * ar + sqrt(1 - lasting * lasting) * news;
        burst = uniform(rng) < burst_rate ? between(rng, 0.3, 2) : 0.5 * burst;
        level *= exp(noise * ar) * (1 + burst) * (1 + drift * k / s->steps);
        level *= (unsigned)(k / day) % 7 >= 5 ? weekend : 1;
        s->offered[(size_t)app * STEPS + k] = fmax(level, 0);
    }
}

// How full card 'c' is in step 'k' when its demand is scaled.
static double
load_at(const struct sim_scenario *s, uint32_t c, uint32_t k, double scale)
{
    const struct alloc_card *card = &s->cards[c];
    double load = 0;
    struct alloc_share sum = {{0}}, need;
    for (uint32_t a = 0; a < s->n_apps; a++) {
        if (s->apps[a].card != c)
            continue;
        alloc_need(&s->apps[a], card, scale * sim_offered(s, k, a), 1, &need);
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            sum.amount[r] += need.amount[r];
    }
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        load = fmax(load, sum.amount[r] / card->capacity.amount[r]);
    return load;
}

// Scales a card's demand, by halving, until it is full in the part 'wanted' of the steps.
static void
fit_card(struct sim_scenario *s, uint32_t c, double wanted)
{
    double low = 1e6, high = 1e12;
    for (int i = 0; i < 30; i++) {
        double scale = sqrt(low * high);
        uint32_t full = 0;
        for (uint32_t k = 0; k < s->steps; k++)
            full += load_at(s, c, k, scale) > 1;
        *((double)full / s->steps > wanted ? &high : &low) = scale;
    }
    for (size_t j = 0; j < (size_t)s->steps * s->n_apps; j++)
        if (s->apps[j % s->n_apps].card == c)
            s->offered[j] *= low;
}

// A server's two cards: who is on them, and what those offer.
static void
make_server(struct rng *rng, struct sim_scenario *s, uint32_t server, enum kind kind)
{
    double shared[STEPS], phase = between(rng, 0, 24);
    for (uint32_t c = 2 * server; c < 2 * server + 2; c++) {
        struct alloc_card *card = &s->cards[c];
        uint32_t first = s->n_apps;
        snprintf(card->name, sizeof card->name, "s%u-card%u", server, c % 2);
        snprintf(card->server, sizeof card->server, "s%u", server);
        card->cycles_per_s = 20e9;
        card->capacity = (struct alloc_share){{100, 25e9, 2147483648.0}};
        for (uint32_t n = 3 + (uint32_t)(uniform(rng) * (APPS_A_CARD_MOST - 2)); n > 0; n--)
            make_app(rng, s, c);
        if (c % 2)
            phase = kind == KIND_SWING ? phase + 12 : between(rng, 0, 24);
        for (uint32_t k = 0; k < s->steps; k++)
            shared[k] = normal(rng);
        for (uint32_t a = first; a < s->n_apps; a++)
            make_series(rng, s, a, kind, phase, shared);
    }
}

// From one row an application to one a step.
static bool
rows_by_step(struct sim_scenario *s)
{
    double *rows = calloc((size_t)STEPS * s->n_apps + 1, sizeof *rows);
    for (uint32_t a = 0; rows && a < s->n_apps; a++)
        for (uint32_t k = 0; k < STEPS; k++)
            rows[(size_t)k * s->n_apps + a] = s->offered[(size_t)a * STEPS + k];
    free(s->offered);
    s->offered = rows;
    return rows;
}

struct sim_scenario *
sim_scenario_generate_fleet(uint64_t seed, uint32_t servers)
{
    struct rng rng = {.x = seed * 0x9e3779b97f4a7c15u + 0x1234567};
    struct sim_scenario *s = calloc(1, sizeof *s);
    uint32_t most = 2 * servers * APPS_A_CARD_MOST;
    if (!s)
        return NULL;
    bool minutes = seed % 4 == 3; // steps of five minutes instead of an hour
    *s = (struct sim_scenario){.steps = STEPS,
                               .train_steps = TRAIN_STEPS,
                               .season_steps = minutes ? 288 : 24,
                               .step_s = minutes ? 300 : 3600,
                               .migration_s = 0.002,
                               .n_cards = 2 * servers};
    snprintf(s->name, sizeof s->name, "generated-%lu", (unsigned long)seed);
    s->cards = calloc(s->n_cards, sizeof *s->cards);
    s->apps = calloc(most, sizeof *s->apps);
    s->offered = calloc((size_t)most * STEPS, sizeof *s->offered); // by application at first
    if (!s->cards || !s->apps || !s->offered) {
        sim_scenario_destroy(s);
        return NULL;
    }
    for (uint32_t i = 0; i < servers; i++)
        make_server(&rng, s, i, (enum kind)((i + seed) % N_KINDS));
    if (!rows_by_step(s)) {
        sim_scenario_destroy(s);
        return NULL;
    }
    for (uint32_t c = 0; c < s->n_cards; c++) {
        bool swings = (c / 2 + seed) % N_KINDS == KIND_SWING;
        fit_card(s, c, swings ? between(&rng, 0.15, 0.3) : log_between(&rng, 0.005, 0.2));
    }
    return s;
}

struct sim_scenario *
sim_scenario_generate(uint64_t seed)
{
    return sim_scenario_generate_fleet(seed, SERVERS);
}
