// SPDX-License-Identifier: Apache-2.0
// Ways to lean away from the news vendor; lean.h.
// state -> [agent: lean] -> shield.  Pure.
#include "lib/allocate/lean.h"

#include "lib/allocate/fill.h"

#include <endian.h>
#include <math.h>
#include <string.h>

// A move stays for about as long as its reason; it must win back more than a little.
static const double MOVE_STEPS = 12;
static const double MOVE_LEAST = 0.7;
static const double NEWEST = 0.2; // weight of the newest miss

// Worth of loss, emphasis on classes, caution.
static const struct value_lean leans[LEAN_ACTIONS] = {
    {0.6, {1, 1, 1}, 1},   {0.6, {1, 1, 1}, 1.25},  {0.6, {1, 1, 1}, 0.8},    {0.35, {1, 1, 1}, 1},
    {1, {1, 1, 1}, 1},     {0.6, {1.4, 1, 0.9}, 1}, {0.6, {0.75, 1, 1.1}, 1}, {0.6, {1, 1, 1}, 1.6},
    {0.6, {1, 1, 1}, 0.6}, {1, {1, 1, 1}, 1.25},    {0.35, {1, 1, 1}, 0.8},
};

void
lean_look(const struct alloc_state *state, uint32_t c, const struct lean_memory *memory,
          double *seen)
{
    double expected = 0, last = 0, weight = 0, broken = 0, gold = 0, silver = 0, gold_broken = 0;
    double n = 0, other = 0, largest = 0;
    enum alloc_resource limit;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        double o = alloc_demand_at(app, 0);
        expected += o;
        largest = fmax(largest, o);
        last += isnan(app->offered_bps) ? 0 : app->offered_bps;
        weight += app->weight;
        broken += app->breached ? app->weight : 0;
        gold += app->class == ALLOC_GOLD ? app->weight : 0;
        gold_broken += app->class == ALLOC_GOLD && app->breached ? app->weight : 0;
        silver += app->class == ALLOC_SILVER ? app->weight : 0;
        n++;
    }
    for (uint32_t o = state->cards[c].next_sibling; o != c; o = state->cards[o].next_sibling)
        other = fmax(other, alloc_card_load(state, o, ALLOC_NEXT, ALLOC_Z_P90, NULL));
    weight = fmax(weight, 1e-9);
    double p50 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P50, NULL);
    double p90 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P90, &limit);
    double p99 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P99, NULL);
    seen[LEAN_P50] = p50 - 0.8;
    seen[LEAN_P90] = p90 - 1;
    seen[LEAN_P99] = p99 - 1.2;
    seen[LEAN_OTHER] = other - 1;
    seen[LEAN_SPREAD] = p50 > 0 ? p90 / p50 - 1.3 : 0;
    seen[LEAN_TREND] = last > 0 ? expected / last - 1 : 0;
    seen[LEAN_BROKEN] = broken / weight;
    seen[LEAN_BROKEN_GOLD] = gold_broken / weight;
    seen[LEAN_GOLD] = gold / weight - 0.5;
    seen[LEAN_SILVER] = silver / weight - 0.3;
    seen[LEAN_APPS] = n / 8 - 0.6;
    seen[LEAN_LARGEST] = expected > 0 ? largest / expected - 0.5 : 0;
    seen[LEAN_CPU] = limit == ALLOC_CPU;
    seen[LEAN_MISS] = memory->miss;
    seen[LEAN_LAST] = memory->last / 2;
    seen[LEAN_FULL] = p50 > 1;
    seen[LEAN_STEEP] = p90 > p50 ? (p99 - p50) / (p90 - p50) / 2 - 1 : 0;
    seen[LEAN_LENT] = state->policy.lent;
    for (int i = 0; i < LEAN_SEEN; i++)
        seen[i] = fmin(fmax(seen[i], -2), 2);
}

void
lean_note(const struct alloc_state *state, uint32_t c, struct lean_memory *memory)
{
    double came = 0, p50 = 0, p90 = 0;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        came += isnan(app->offered_bps) ? 0 : app->offered_bps;
        p50 += alloc_demand_at(app, ALLOC_Z_P50);
        p90 += alloc_demand_at(app, ALLOC_Z_P90);
    }
    if (memory->p90 > memory->p50) {
        memory->last = (came - memory->p50) / (memory->p90 - memory->p50);
        memory->last = fmin(fmax(memory->last, -4), 4);
        memory->miss += NEWEST * (memory->last - memory->miss);
    }
    memory->p50 = p50;
    memory->p90 = p90;
}

void
lean_fill(const struct alloc_state *state, uint32_t c, uint32_t action, struct alloc_plan *plan)
{
    value_fill(state, c, &leans[action < LEAN_ACTIONS ? action : 0], plan);
}

void
lean_move(const struct alloc_state *state, uint32_t c, uint32_t action, struct alloc_plan *plan)
{
    if (state->cards[c].draining)
        move_propose(state, c, plan);
    else if (state->cards[c].next_sibling <= c) // once a server
        value_move(state, c, &leans[action < LEAN_ACTIONS ? action : 0], MOVE_STEPS, MOVE_LEAST,
                   plan);
}

// splitmix64 (Steele, Lea & Flood, OOPSLA 2014).
static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

double
lean_uniform(uint64_t seed, uint64_t number, uint64_t draw)
{
    return (double)(mix(mix(mix(seed) ^ number) ^ draw) >> 11) * 0x1p-53;
}

char *
lean_put(char *to, uint64_t value, size_t bytes)
{
    uint64_t le = htole64(value);
    memcpy(to, &le, bytes);
    return to + bytes;
}

const char *
lean_take(const char *from, uint64_t *value, size_t bytes)
{
    uint64_t le = 0;
    memcpy(&le, from, bytes);
    *value = le64toh(le);
    return from + bytes;
}
