// SPDX-License-Identifier: Apache-2.0
// States as no site has them: random cards, guarantees, forecasts with gaps, shares in force.
// 'rng_state' is the seed.
#pragma once

#include <offload/allocate.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t rng_state;

static double
uniform(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(rng_state >> 11) * 0x1p-53;
}

static uint32_t
below(uint32_t n)
{
    return (uint32_t)(uniform() * n);
}

static struct alloc_state *
random_state(void)
{
    struct alloc_state *s = alloc_state_create(1 + below(6), below(20));
    assert_non_null(s);
    s->time_ns = 1000000000000;
    s->policy.max_change_pct = below(2) ? 100 : 1 + uniform() * 50;
    s->policy.deadband_pct = uniform() * 2;
    for (uint32_t c = 0; c < s->n_cards; c++) {
        struct alloc_card *card = &s->cards[c];
        snprintf(card->name, sizeof card->name, "card%u", c);
        snprintf(card->server, sizeof card->server, "s%u", c / 2);
        card->cycles_per_s = 1e8 + uniform() * 1e10;
        card->capacity = (struct alloc_share){{100, 1e7 + uniform() * 1e10, 1e6 + uniform() * 1e9}};
        card->down = below(10) == 0;
        card->draining = below(10) == 0;
        for (int r = 0; below(4) == 0 && r < ALLOC_N_RESOURCES; r++)
            card->held.amount[r] = card->capacity.amount[r] * uniform();
    }
    for (uint32_t a = 0; a < s->n_apps; a++) {
        struct alloc_app *app = &s->apps[a];
        snprintf(app->name, sizeof app->name, "app%u", a);
        app->card = below(s->n_cards);
        const struct alloc_card *card = &s->cards[app->card];
        app->class = below(ALLOC_N_CLASSES);
        app->weight = alloc_class_weight(app->class);
        app->min_bps = below(2) ? card->capacity.amount[ALLOC_BANDWIDTH] * uniform() : 0;
        app->max_bps = below(3) ? 0 : app->min_bps + uniform() * 1e9;
        app->max_delay_s = below(5) ? 0.001 + uniform() * 0.1 : 0;
        app->cycles_per_byte = uniform() * 20;
        app->burst_bytes = uniform() * 1e5;
        app->state_bytes = uniform() * 1e8;
        app->offered_bps = below(10) ? uniform() * 1e9 : NAN;
        double p50 = uniform() * 1e9, p90 = p50 * (1 + uniform());
        app->demand = (struct alloc_demand){below(10) ? p50 : NAN, p90, below(5) ? p90 * 1.5 : NAN};
        for (unsigned i = 0; a % 2 && i < ALLOC_LEVELS; i++) // the others have none
            app->level[i] = p50 * (0.5 + i / 9.7);
        app->moving = below(8) == 0;
        app->moved_ns = below(2) ? 0 : s->time_ns - (uint64_t)(uniform() * 60e9);
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            app->now.amount[r] = below(5) ? card->capacity.amount[r] * uniform() / 4 : 0;
    }
    alloc_state_index(s);
    return s;
}
