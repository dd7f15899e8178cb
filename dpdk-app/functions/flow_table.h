// SPDX-License-Identifier: Apache-2.0
// A table of flows for stateful functions: fixed-size entries found by one or two keys, with
// timeouts, a memory quota, and cheap tracking of what changed, so that the table can move while it
// works.
//
// The entries lie in one slab; each key has an index of 32-bit slots, open addressing with linear
// probing, at most half full, closed again by shifting back on removal. Eight bits of a slot are of
// the key's hash, so that a probe rarely looks at an entry in vain. Costs: a lookup is one probe of
// an index line and one of the entry, both of which a burst can ask for ahead of time
// (flow_table_prefetch); a change while tracked is one store into a ring. Memory of an unused table
// is address space alone.
//
// Tracking: between flow_table_track() and _stop() each changed entry stands once in a ring, in
// order of its first change; a removed one stays there as a tombstone until it was exported. A
// refreshed timer counts as a change only when it moved by an eighth of its timeout, or a busy
// table would never be clean.
//
// Entries may lie in a file of shared memory (flow_file.h), which outlives a killed process. Death comes
// between two stores, so what it leaves is told by 'state', which is set last when an entry comes and
// first when it goes, and by 'sequence' while a live one changes (flow_edit_begin).
//
// Plain C: no DPDK, no clock. One thread, the worker that owns the function.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct quota;

enum {
    FLOW_KEYS_MAX = 2,
    FLOW_NONE = UINT32_MAX - 1, // no entry
    FLOW_ENTRIES_MAX = (1 << 24) - 2, // a slot has 24 bits for an entry's place
};

enum flow_state {
    FLOW_FREE,
    FLOW_LIVE,
    FLOW_TOMBSTONE, // removed, and the other end does not know yet
};

// The beginning of every entry; its user's fields follow.
struct flow_head {
    uint64_t seen_cycles;     // when it was last refreshed
    uint64_t exported_cycles; // what the other end knows of that
    uint64_t timeout_cycles;  // it expires so long after seen_cycles
    union {
        uint32_t next_free; // FLOW_FREE
        uint32_t sequence;  // FLOW_LIVE: odd while it is being changed
    };
    uint8_t state; // enum flow_state
    uint8_t dirty; // stands in the ring
    uint8_t user[2];
};

struct flow_layout {
    uint32_t entry_bytes; // with struct flow_head in front, a multiple of 8
    uint32_t n_keys;
    struct {
        uint32_t offset, bytes; // multiples of 8
    } key[FLOW_KEYS_MAX];
};

struct flow_file;
struct flow_table;

// Up to 'most' entries, each charged to 'quota' (borrowed). 'seed' hardens the hash against chosen
// keys. NULL if memory is short.
struct flow_table *flow_table_create(const struct flow_layout *layout, uint32_t most, uint64_t seed,
                                     struct quota *quota);
// The same with entries in 'file', made for so many of this size and taken over, even on failure.
struct flow_table *flow_table_create_in(struct flow_file *file, const struct flow_layout *layout,
                                        uint32_t most, uint64_t seed, struct quota *quota);
// Gives nothing back to the quota, which belongs to the worker: flow_table_bytes() says what that
// is to do.
void flow_table_destroy(struct flow_table *table);

// The live entry whose key 'which' equals 'key', or FLOW_NONE.
uint32_t flow_table_find(const struct flow_table *table, unsigned which, const void *key);

// The same in steps, for a burst: the hashes of all its keys and a prefetch of their slots, then a
// prefetch of the entries, then the lookups. With 1 M entries this takes the memory's latency out
// of each packet's way.
static inline uint64_t flow_table_hash(const struct flow_table *table, unsigned which,
                                       const void *key);
static inline void flow_table_prefetch(const struct flow_table *table, unsigned which,
                                       uint64_t hash);
static inline void flow_table_prefetch_entry(const struct flow_table *table, unsigned which,
                                             uint64_t hash);
static inline uint32_t flow_table_find_hashed(const struct flow_table *table, unsigned which,
                                              const void *key, uint64_t hash);

// Called for each entry that is removed, while its fields are still there. NULL: nobody.
typedef void flow_removed_fn(void *ctx, const struct flow_head *entry);
void flow_table_on_remove(struct flow_table *table, flow_removed_fn *removed, void *ctx);

// A new entry with the user's fields of 'template' (its struct flow_head's user bytes too), none of
// whose keys may be in the table. FLOW_NONE: the quota or the table is full; nothing changed.
uint32_t flow_table_add(struct flow_table *table, const void *template, uint64_t timeout_cycles,
                        uint64_t now_cycles);
void flow_table_remove(struct flow_table *table, uint32_t at);

static inline void *flow_table_at(const struct flow_table *table, uint32_t at);

// The entry was used: its timer starts again.
static inline void flow_table_refresh(struct flow_table *table, uint32_t at, uint64_t now_cycles);
// Around changes of a live entry that make sense only together (several words of a replay window): one
// that is torn between them is not taken over after a crash. A single field needs none.
static inline void flow_edit_begin(struct flow_head *entry);
static inline void flow_edit_end(struct flow_head *entry);
// What a killed process left is whole: live, and not torn in a change.
static inline bool flow_is_whole(const struct flow_head *entry);
// Its user's fields, or its timeout, changed. Keys may not.
static inline void flow_table_change(struct flow_table *table, uint32_t at);

// Looks at 'budget' entries, in turn, and removes those that expired. Returns how many.
unsigned flow_table_expire(struct flow_table *table, uint64_t now_cycles, unsigned budget);

uint32_t flow_table_live(const struct flow_table *table);
uint64_t flow_table_bytes(const struct flow_table *table);

// What one entry costs of the quota.
uint32_t flow_table_entry_cost(const struct flow_layout *layout);

// Counts what there is as known to the other end, and tracks changes from here on; or forgets all
// of it.
void flow_table_track(struct flow_table *table);
void flow_table_stop(struct flow_table *table);
uint32_t flow_table_dirty(const struct flow_table *table);

// Whole export: the next live, clean entry from '*cursor' on (0 at first), or FLOW_NONE. Dirty ones
// come below.
uint32_t flow_table_next(const struct flow_table *table, uint64_t *cursor);
// What changed, in order; the entry is live or a tombstone and stays valid until the next call of
// anything. It is clean from now on. FLOW_NONE: nothing is dirty.
uint32_t flow_table_next_dirty(struct flow_table *table);

// Timers travel as what remains of them, in nanoseconds.
uint64_t flow_remaining_ns(const struct flow_head *entry, uint64_t now_cycles, uint64_t tsc_hz);
// Sets the timer so that 'remaining_ns', at most the entry's timeout, remain.
void flow_set_remaining(struct flow_head *entry, uint64_t remaining_ns, uint64_t now_cycles,
                        uint64_t tsc_hz);

// Inside, for the functions that the packet path inlines.
struct flow_index {
    uint32_t *slot; // of 'mask' + 1: the entry's place + 1, above it 8 bits of the hash; 0: empty
    uint32_t mask;
};

struct flow_table {
    struct flow_layout layout;
    uint8_t *entries;
    struct flow_file *file; // where the entries are, or NULL
    uint32_t most, high;    // capacity; entries below 'high' were used at some time
    uint32_t room;          // entries that have memory
    uint32_t live, tombstones, free;
    uint32_t exported; // a tombstone just exported, freed by the next call; or FLOW_NONE
    struct flow_index index[FLOW_KEYS_MAX];
    uint32_t *ring; // dirty entries; 'ring_mask' + 1 places, each entry at most once
    uint32_t ring_mask, ring_head, ring_tail;
    bool tracked;
    uint32_t sweep; // next to look at for expiry
    uint64_t seed;
    struct quota *quota;
    flow_removed_fn *removed;
    void *removed_ctx;
};

enum { FLOW_PLACE_BITS = 24, FLOW_PLACE_MASK = (1 << FLOW_PLACE_BITS) - 1 };

static inline void *
flow_table_at(const struct flow_table *table, uint32_t at)
{
    return table->entries + (size_t)at * table->layout.entry_bytes;
}

// The order of stores, as the compiler emits them: the processor keeps it for whoever looks after this
// thread's death.
static inline void
flow_store_order(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void
flow_edit_begin(struct flow_head *entry)
{
    entry->sequence++;
    flow_store_order();
}

static inline void
flow_edit_end(struct flow_head *entry)
{
    flow_store_order();
    entry->sequence++;
}

static inline bool
flow_is_whole(const struct flow_head *entry)
{
    return entry->state == FLOW_LIVE && entry->sequence % 2 == 0;
}

static inline void
flow_table_change(struct flow_table *table, uint32_t at)
{
    struct flow_head *entry = flow_table_at(table, at);
    if (!table->tracked || entry->dirty)
        return;
    entry->dirty = 1;
    table->ring[table->ring_tail++ & table->ring_mask] = at;
}

static inline void
flow_table_refresh(struct flow_table *table, uint32_t at, uint64_t now_cycles)
{
    struct flow_head *entry = flow_table_at(table, at);
    entry->seen_cycles = now_cycles;
    if (table->tracked && now_cycles - entry->exported_cycles > entry->timeout_cycles / 8)
        flow_table_change(table, at);
}

// Multiply and fold, word by word (the step of wyhash): keyed by the seed, so that peers cannot
// choose collisions.
static inline uint64_t
flow_hash(uint64_t seed, const void *key, uint32_t bytes)
{
    uint64_t hash = seed;
    for (uint32_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)key + i, 8);
        unsigned __int128 product =
            (unsigned __int128)(hash ^ word ^ 0xa0761d6478bd642f) * 0xe7037ed1a0b428db;
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return hash;
}

static inline uint64_t
flow_table_hash(const struct flow_table *table, unsigned which, const void *key)
{
    return flow_hash(table->seed + which, key, table->layout.key[which].bytes);
}

static inline void
flow_table_prefetch(const struct flow_table *table, unsigned which, uint64_t hash)
{
    __builtin_prefetch(&table->index[which].slot[hash & table->index[which].mask]);
}

static inline bool
flow_slot_fits(uint32_t slot, uint64_t hash)
{
    return slot >> FLOW_PLACE_BITS == hash >> 56;
}

static inline void
flow_table_prefetch_entry(const struct flow_table *table, unsigned which, uint64_t hash)
{
    const struct flow_index *index = &table->index[which];
    for (uint32_t i = hash & index->mask; index->slot[i] != 0; i = (i + 1) & index->mask)
        if (flow_slot_fits(index->slot[i], hash)) {
            const uint8_t *entry = flow_table_at(table, (index->slot[i] & FLOW_PLACE_MASK) - 1);
            __builtin_prefetch(entry, 1);
            __builtin_prefetch(entry + table->layout.entry_bytes - 1, 1);
            return;
        }
}

// Keys are multiples of 8 bytes, and short: a loop over words beats a call of memcmp.
static inline bool
flow_key_equal(const void *a, const void *b, uint32_t bytes)
{
    uint64_t differ = 0;
    for (uint32_t i = 0; i < bytes; i += 8) {
        uint64_t x, y;
        memcpy(&x, (const uint8_t *)a + i, 8);
        memcpy(&y, (const uint8_t *)b + i, 8);
        differ |= x ^ y;
    }
    return differ == 0;
}

static inline uint32_t
flow_table_find_hashed(const struct flow_table *table, unsigned which, const void *key,
                       uint64_t hash)
{
    const struct flow_index *index = &table->index[which];
    uint32_t bytes = table->layout.key[which].bytes, offset = table->layout.key[which].offset;
    for (uint32_t i = hash & index->mask; index->slot[i] != 0; i = (i + 1) & index->mask) {
        if (!flow_slot_fits(index->slot[i], hash))
            continue;
        uint32_t at = (index->slot[i] & FLOW_PLACE_MASK) - 1;
        if (flow_key_equal((const uint8_t *)flow_table_at(table, at) + offset, key, bytes))
            return at;
    }
    return FLOW_NONE;
}
