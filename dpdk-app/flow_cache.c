// SPDX-License-Identifier: Apache-2.0
// The flow cache; flow_cache.h has the layout and the reasons.
#include "dpdk-app/flow_cache.h"

#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static_assert(sizeof(struct flow_bucket) == RTE_CACHE_LINE_SIZE, "one line");
static_assert(sizeof(struct flow_entry) == RTE_CACHE_LINE_SIZE, "one line");
static_assert(sizeof(struct pkt_key) == 40,
              "hashed and compared as five words, so without padding");

bool
flow_cache_init(struct flow_cache *cache, uint64_t entries, uint32_t seed)
{
    uint32_t buckets = (uint32_t)(rte_align64pow2(RTE_MAX(entries, (uint64_t)FLOW_ENTRIES_LEAST)) /
                                  FLOW_WAYS);
    *cache = (struct flow_cache){.mask = buckets - 1, .seed = seed};
    cache->bucket =
        rte_zmalloc("flow_buckets", buckets * sizeof *cache->bucket, RTE_CACHE_LINE_SIZE);
    cache->entry = rte_zmalloc("flow_entries", (size_t)buckets * FLOW_WAYS * sizeof *cache->entry,
                               RTE_CACHE_LINE_SIZE);
    if (cache->bucket && cache->entry)
        return true;
    flow_cache_fini(cache);
    return false;
}

void
flow_cache_fini(struct flow_cache *cache)
{
    rte_free(cache->bucket);
    rte_free(cache->entry);
    *cache = (struct flow_cache){0};
}

static inline bool
key_equal(const struct pkt_key *a, const struct pkt_key *b)
{
    uint64_t x[5], y[5]; // registers: nothing is copied
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

uint32_t
flow_hash(const struct flow_cache *cache, const struct pkt_meta *meta)
{
    uint32_t seed = cache->seed ^ meta->vni << 1 ^ meta->dir;
    if (likely(!(meta->flags & PKT_FRAGMENT)))
        return rte_hash_crc(&meta->key, sizeof meta->key, seed);
    struct pkt_key key = rules_key(meta);
    uint64_t words[5]; // what rte_hash_crc() reads; it may not read another type's stores
    memcpy(words, &key, sizeof words);
    return rte_hash_crc(words, sizeof words, seed);
}

bool
flow_same(const struct pkt_meta *a, const struct pkt_meta *b)
{
    return key_equal(&a->key, &b->key) && a->vni == b->vni && a->flags == b->flags;
}

// Which of the bucket's signatures equal 'hash', as a bit mask.
static inline uint32_t
signatures_equal(const struct flow_bucket *bucket, uint32_t hash)
{
#ifdef __SSE2__
    __m128i want = _mm_set1_epi32((int)hash);
    __m128i low = _mm_cmpeq_epi32(_mm_load_si128((const void *)bucket->hash), want);
    __m128i high = _mm_cmpeq_epi32(_mm_load_si128((const void *)(bucket->hash + 4)), want);
    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(low)) |
           (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(high)) << 4;
#else
    uint32_t equal = 0;
    for (unsigned way = 0; way < FLOW_WAYS; way++)
        equal |= (uint32_t)(bucket->hash[way] == hash) << way;
    return equal;
#endif
}

static inline struct flow_entry *
entry_of(const struct flow_cache *cache, uint32_t hash, unsigned way)
{
    return &cache->entry[(size_t)(hash & cache->mask) * FLOW_WAYS + way];
}

static inline bool
entry_is(const struct flow_entry *entry, uint32_t generation, const struct pkt_meta *meta)
{
    bool same = entry->generation == generation && entry->dir == meta->dir &&
                entry->vni == meta->vni && entry->inner == !!(meta->flags & PKT_INNER) &&
                entry->fragment == !!(meta->flags & PKT_FRAGMENT);
    if (likely(!(meta->flags & PKT_FRAGMENT)))
        return same && key_equal(&entry->key, &meta->key);
    struct pkt_key key = rules_key(meta);
    return same && key_equal(&entry->key, &key);
}

// The way that has the flow among those in 'equal', or FLOW_WAYS.
static inline unsigned
find_way(const struct flow_cache *cache, uint32_t generation, const struct pkt_meta *meta,
         uint32_t equal)
{
    for (; equal; equal &= equal - 1) {
        unsigned way = (unsigned)__builtin_ctz(equal);
        if (likely(entry_is(entry_of(cache, meta->hash, way), generation, meta)))
            return way;
    }
    return FLOW_WAYS;
}

uint32_t
flow_cache_find(const struct flow_cache *cache, uint32_t generation, struct pkt_meta **metas,
                unsigned n, uint16_t *app)
{
    uint32_t equal[FLOW_BURST], missing = 0;
    for (unsigned i = 0; i < n; i++) {
        equal[i] = signatures_equal(flow_bucket_of(cache, metas[i]->hash), metas[i]->hash);
        if (equal[i]) // a signature of 32 bits is nearly always right: fetch its entry meanwhile
            rte_prefetch0(entry_of(cache, metas[i]->hash, (unsigned)__builtin_ctz(equal[i])));
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned way = find_way(cache, generation, metas[i], equal[i]);
        if (likely(way < FLOW_WAYS))
            app[i] = flow_bucket_of(cache, metas[i]->hash)->app[way];
        else
            missing |= 1u << i;
    }
    return missing;
}

uint16_t
flow_cache_add(struct flow_cache *cache, uint32_t generation, const struct pkt_meta *meta,
               uint16_t app, bool *added)
{
    struct flow_bucket *bucket = flow_bucket_of(cache, meta->hash);
    *added = false;
    if (find_way(cache, generation, meta, signatures_equal(bucket, meta->hash)) < FLOW_WAYS)
        return RULES_NO_APP; // two of its packets came in one burst
    unsigned way = 0;
    while (way < FLOW_WAYS && bucket->generation[way] == (uint16_t)generation)
        way++;
    // All are in use: one goes, in turn. The least recently used would cost a write a lookup.
    if (way == FLOW_WAYS)
        way = cache->turn++ % FLOW_WAYS;
    struct flow_entry *entry = entry_of(cache, meta->hash, way);
    uint16_t out = entry->generation == generation ? bucket->app[way] : (uint16_t)RULES_NO_APP;
    *entry = (struct flow_entry){.key = rules_key(meta),
                                 .generation = generation,
                                 .vni = meta->vni,
                                 .inner = !!(meta->flags & PKT_INNER),
                                 .fragment = !!(meta->flags & PKT_FRAGMENT),
                                 .dir = meta->dir};
    bucket->hash[way] = meta->hash;
    bucket->app[way] = app;
    bucket->generation[way] = (uint16_t)generation;
    *added = true;
    return out;
}
