// SPDX-License-Identifier: Apache-2.0
// Delay percentiles out of logarithmic buckets.
#include "tests/traffic/delays.h"

#include <stddef.h>

static size_t
bucket_of(uint64_t delay_ns)
{
    if (delay_ns < UINT64_C(1) << DELAYS_FIRST_SHIFT)
        return 0;
    unsigned top = 63 - (unsigned)__builtin_clzll(delay_ns);
    size_t bucket = 1 + (top - DELAYS_FIRST_SHIFT) * 8 + ((delay_ns >> (top - 3)) & 7);
    return bucket < DELAYS_BUCKETS ? bucket : DELAYS_BUCKETS - 1;
}

static uint64_t
upper_edge_ns(size_t bucket)
{
    if (bucket == 0)
        return UINT64_C(1) << DELAYS_FIRST_SHIFT;
    unsigned top = DELAYS_FIRST_SHIFT + (unsigned)(bucket - 1) / 8;
    return (UINT64_C(1) << top) + ((bucket - 1) % 8 + 1) * (UINT64_C(1) << (top - 3));
}

void
delays_add(struct delays *delays, uint64_t delay_ns)
{
    delays->count[bucket_of(delay_ns)]++;
}

void
delays_merge(struct delays *into, const struct delays *from)
{
    for (size_t i = 0; i < DELAYS_BUCKETS; i++)
        into->count[i] += from->count[i];
}

uint64_t
delays_quantile(const struct delays *delays, double q)
{
    uint64_t total = 0, below = 0;
    for (size_t i = 0; i < DELAYS_BUCKETS; i++)
        total += delays->count[i];
    if (total == 0)
        return 0;
    for (size_t i = 0; i < DELAYS_BUCKETS; i++) {
        below += delays->count[i];
        if ((double)below >= q * (double)total)
            return upper_edge_ns(i);
    }
    return upper_edge_ns(DELAYS_BUCKETS - 1);
}
