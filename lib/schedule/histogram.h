// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram for percentiles: 16 buckets to the octave, so that a value is known to
// 1/16 (6 %). Fixed size, O(1) an entry.  Pure. After Tene's HdrHistogram. One writer; others may
// read while it writes (relaxed: they may miss the latest entries).
#pragma once

#include <stdint.h>
#include <string.h>

enum {
    HISTOGRAM_SUB_BITS = 4,
    HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB,
};

struct histogram {
    uint64_t n, sum;
    uint32_t count[HISTOGRAM_BUCKETS];
};

static inline unsigned
histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    unsigned octave = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (octave << HISTOGRAM_SUB_BITS) + (unsigned)(value >> octave);
}

// For an entry that will be added soon.
static inline void
histogram_prefetch(const struct histogram *h, uint64_t value)
{
    __builtin_prefetch(&h->count[histogram_bucket(value)], 1);
}

// The greatest value that falls into 'bucket'.
static inline uint64_t
histogram_top(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_SUB)
        return bucket;
    unsigned octave = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t base = (uint64_t)(bucket - (octave << HISTOGRAM_SUB_BITS));
    return ((base + 1) << octave) - 1;
}

static inline void
histogram_add(struct histogram *h, uint64_t value, uint32_t n)
{
    uint32_t *count = &h->count[histogram_bucket(value)];
    __atomic_store_n(&h->n, h->n + n, __ATOMIC_RELAXED);
    __atomic_store_n(&h->sum, h->sum + value * n, __ATOMIC_RELAXED);
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

static inline void
histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->n += __atomic_load_n(&from->n, __ATOMIC_RELAXED);
    to->sum += __atomic_load_n(&from->sum, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->count[i] += __atomic_load_n(&from->count[i], __ATOMIC_RELAXED);
}

// The least bucket's top below or at which a fraction 'q' of the entries lies; 0 without entries.
static inline uint64_t
histogram_quantile(const struct histogram *h, double q)
{
    uint64_t rank = (uint64_t)(q * (double)__atomic_load_n(&h->n, __ATOMIC_RELAXED)), seen = 0;
    if (rank < 1)
        rank = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += __atomic_load_n(&h->count[i], __ATOMIC_RELAXED);
        if (seen >= rank)
            return histogram_top(i);
    }
    return 0;
}

static inline uint64_t
histogram_mean(const struct histogram *h)
{
    uint64_t n = __atomic_load_n(&h->n, __ATOMIC_RELAXED);
    return n ? __atomic_load_n(&h->sum, __ATOMIC_RELAXED) / n : 0;
}

static inline void
histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}
