// SPDX-License-Identifier: Apache-2.0
// Maglev's table; maglev.h has the idea. M, N, offset, skip, next, entry: the paper's.
#include "dpdk-app/functions/maglev.h"

#include <assert.h>
#include <string.h>

static uint64_t
mix(uint64_t x) // the finalizer of splitmix64
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

// The order of turns must not depend on the order of the list.
static void
sort_by_name(const struct maglev_backend *backends, unsigned n, uint8_t *order)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned k = i;
        for (; k > 0 && backends[order[k - 1]].name > backends[i].name; k--)
            order[k] = order[k - 1];
        order[k] = (uint8_t)i;
    }
}

// Algorithm 1 of the paper, with weights: in a round a backend has turns in proportion to its own,
// the heaviest one in each.
void
maglev_fill(const struct maglev_backend *backends, unsigned n, uint8_t *table)
{
    enum { M = MAGLEV_SIZE };
    uint32_t offset[MAGLEV_BACKENDS_MAX], skip[MAGLEV_BACKENDS_MAX], next[MAGLEV_BACKENDS_MAX];
    uint64_t due[MAGLEV_BACKENDS_MAX] = {0}; // turns owed, times the heaviest weight
    uint8_t order[MAGLEV_BACKENDS_MAX];
    uint32_t heaviest = 0;
    assert(n <= MAGLEV_BACKENDS_MAX);
    memset(table, MAGLEV_NONE, M);
    sort_by_name(backends, n, order);
    for (unsigned i = 0; i < n; i++) {
        uint64_t hash = mix(backends[i].name);
        offset[i] = (uint32_t)(hash % M);
        skip[i] = (uint32_t)(mix(hash) % (M - 1) + 1);
        next[i] = 0;
        heaviest = backends[i].weight > heaviest ? backends[i].weight : heaviest;
    }
    for (uint32_t filled = 0; heaviest > 0;)
        for (unsigned k = 0; k < n; k++) {
            unsigned i = order[k];
            due[i] += backends[i].weight;
            if (due[i] < heaviest)
                continue;
            due[i] -= heaviest;
            uint32_t c;
            do
                c = (uint32_t)((offset[i] + (uint64_t)next[i]++ * skip[i]) % M);
            while (table[c] != MAGLEV_NONE);
            table[c] = (uint8_t)i;
            if (++filled == M)
                return;
        }
}
