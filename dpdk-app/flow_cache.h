// SPDX-License-Identifier: Apache-2.0
// The flow cache of a card: which application the packets of a flow belong to, as the rules said
// when the first of them came. A bucket of 8 signatures is one cache line, so a lookup costs two
// lines, the bucket and the one entry whose signature equals; a burst fetches them ahead, all
// buckets and then all entries, so that their latencies overlap. What a lookup and an insertion
// look at is bounded by the bucket.
// Owner: the worker.
#pragma once

#include "dpdk-app/rules.h"

#include <rte_common.h>

#include <stdint.h>

enum {
    FLOW_WAYS = 8,
    FLOW_ENTRIES_LEAST = 1024,
    FLOW_BURST = 32,
};

struct flow_bucket {
    uint32_t hash[FLOW_WAYS];
    uint16_t app[FLOW_WAYS];
    uint16_t generation[FLOW_WAYS]; // low bits of the rules'; 0: never used. Only a hint: the entry
                                    // has all of it
} __rte_cache_aligned;

struct flow_entry {
    struct pkt_key key;
    uint32_t generation; // of the rules
    uint32_t vni : 24, inner : 1, fragment : 1, dir : 1;
} __rte_cache_aligned;

struct flow_cache {
    struct flow_bucket *bucket;
    struct flow_entry *entry; // FLOW_WAYS a bucket
    uint32_t mask;            // buckets - 1
    uint32_t seed;            // of the hash: who sends cannot know which flows meet in a bucket
    uint32_t turn;            // of replacement
};

// 'entries' is rounded up to a power of two. False: no memory.
bool flow_cache_init(struct flow_cache *cache, uint64_t entries, uint32_t seed);
void flow_cache_fini(struct flow_cache *cache);

// Hash of what the packet is steered by.
uint32_t flow_hash(const struct flow_cache *cache, const struct pkt_meta *meta);
bool flow_same(const struct pkt_meta *a, const struct pkt_meta *b);

static inline struct flow_bucket *
flow_bucket_of(const struct flow_cache *cache, uint32_t hash)
{
    return &cache->bucket[hash & cache->mask];
}

// Finds at most FLOW_BURST packets whose meta->hash is set. Fills 'app' where they are known, and a
// bit mask of those that are not.
uint32_t flow_cache_find(const struct flow_cache *cache, uint32_t generation,
                         struct pkt_meta **metas, unsigned n, uint16_t *app);
// Puts a flow in, unless it is there by now. Returns the application whose flow was put out,
// RULES_NO_APP if none. '*added' says whether it is new.
uint16_t flow_cache_add(struct flow_cache *cache, uint32_t generation, const struct pkt_meta *meta,
                        uint16_t app, bool *added);
