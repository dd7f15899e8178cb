// SPDX-License-Identifier: Apache-2.0
// The flow table; flow_table.h has the idea and the rules.
#include "dpdk-app/functions/flow_table.h"

#include "dpdk-app/functions/flow_file.h"
#include "lib/schedule/quota.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_BYTES = 2 << 20 };

// Zeros, of large pages where the kernel has some: a table of a million entries spans more small
// pages than the processor remembers. NULL if memory is short.
static void *
map_zeros(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (bytes >= HUGE_BYTES)
        madvise(memory, bytes, MADV_HUGEPAGE); // refused: small pages do as well, more slowly
    return memory;
}

static void
unmap(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

static size_t
entries_size(const struct flow_table *table)
{
    return (size_t)table->most * table->layout.entry_bytes;
}

static size_t
index_size(const struct flow_index *index)
{
    return ((size_t)index->mask + 1) * sizeof *index->slot;
}

static uint32_t
round_up_power2(uint64_t n)
{
    uint32_t power = 16;
    while (power < n)
        power *= 2;
    return power;
}

uint32_t
flow_table_entry_cost(const struct flow_layout *layout)
{
    return layout->entry_bytes + layout->n_keys * 2 * sizeof(uint32_t) + sizeof(uint32_t);
}

static uint32_t
room_of(const struct flow_table *table)
{
    size_t room = (table->file->bytes - FLOW_FILE_HEADER_BYTES) / table->layout.entry_bytes;
    return room < table->most ? (uint32_t)room : table->most;
}

struct flow_table *
flow_table_create_in(struct flow_file *file, const struct flow_layout *layout, uint32_t most,
                     uint64_t seed, struct quota *quota)
{
    assert(most > 0 && most <= FLOW_ENTRIES_MAX);
    assert(layout->entry_bytes >= sizeof(struct flow_head) && layout->entry_bytes % 8 == 0);
    assert(layout->n_keys >= 1 && layout->n_keys <= FLOW_KEYS_MAX);
    struct flow_table *table = calloc(1, sizeof *table);
    if (!table) {
        flow_file_destroy(file);
        return NULL;
    }
    table->layout = *layout;
    table->most = most;
    table->file = file;
    table->room = file ? room_of(table) : most;
    table->free = table->exported = FLOW_NONE;
    table->seed = seed;
    table->quota = quota;
    table->entries = file ? flow_file_entries(file) : map_zeros(entries_size(table));
    table->ring_mask = round_up_power2(most) - 1;
    table->ring = calloc(table->ring_mask + 1, sizeof *table->ring);
    bool whole = table->entries && table->ring;
    for (unsigned i = 0; i < layout->n_keys; i++) {
        struct flow_index *index = &table->index[i];
        index->mask = round_up_power2((uint64_t)most * 2) - 1;
        index->slot = map_zeros(index_size(index));
        whole = whole && index->slot;
    }
    if (!whole) {
        flow_table_destroy(table);
        return NULL;
    }
    return table;
}

struct flow_table *
flow_table_create(const struct flow_layout *layout, uint32_t most, uint64_t seed,
                  struct quota *quota)
{
    return flow_table_create_in(NULL, layout, most, seed, quota);
}

void
flow_table_destroy(struct flow_table *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < table->layout.n_keys; i++)
        unmap(table->index[i].slot, index_size(&table->index[i]));
    free(table->ring);
    if (table->file)
        flow_file_destroy(table->file);
    else
        unmap(table->entries, entries_size(table));
    free(table);
}

static const uint8_t *
key_of(const struct flow_table *table, unsigned which, uint32_t at)
{
    return (const uint8_t *)flow_table_at(table, at) + table->layout.key[which].offset;
}

uint32_t
flow_table_find(const struct flow_table *table, unsigned which, const void *key)
{
    return flow_table_find_hashed(table, which, key, flow_table_hash(table, which, key));
}

void
flow_table_on_remove(struct flow_table *table, flow_removed_fn *removed, void *ctx)
{
    table->removed = removed;
    table->removed_ctx = ctx;
}

static void
index_add(struct flow_table *table, unsigned which, uint32_t at)
{
    struct flow_index *index = &table->index[which];
    uint64_t hash = flow_table_hash(table, which, key_of(table, which, at));
    uint32_t i = hash & index->mask;
    while (index->slot[i] != 0)
        i = (i + 1) & index->mask;
    index->slot[i] = (at + 1) | (uint32_t)(hash >> 56) << FLOW_PLACE_BITS;
}

static uint32_t
home_of_slot(const struct flow_table *table, unsigned which, uint32_t slot)
{
    const uint8_t *key = key_of(table, which, (slot & FLOW_PLACE_MASK) - 1);
    return flow_table_hash(table, which, key) & table->index[which].mask;
}

// Takes the entry's slot out and moves those behind it back, as far as each may go (Knuth, TAOCP
// 3, 6.4, R).
static void
index_remove(struct flow_table *table, unsigned which, uint32_t at)
{
    struct flow_index *index = &table->index[which];
    uint32_t hole = home_of_slot(table, which, at + 1);
    while ((index->slot[hole] & FLOW_PLACE_MASK) != at + 1)
        hole = (hole + 1) & index->mask;
    for (uint32_t i = (hole + 1) & index->mask; index->slot[i] != 0; i = (i + 1) & index->mask) {
        uint32_t home = home_of_slot(table, which, index->slot[i]);
        if (((i - home) & index->mask) < ((i - hole) & index->mask))
            continue; // it would come to stand before its home
        index->slot[hole] = index->slot[i];
        hole = i;
    }
    index->slot[hole] = 0;
}

static uint32_t
take_free(struct flow_table *table)
{
    uint32_t at = table->free;
    if (at == FLOW_NONE && table->high == table->room && table->room < table->most) {
        if (!flow_file_grow(table->file, (size_t)(table->room + 1) * table->layout.entry_bytes))
            return FLOW_NONE;
        table->room = room_of(table);
    }
    if (at == FLOW_NONE)
        return table->high < table->most ? table->high++ : FLOW_NONE;
    table->free = ((struct flow_head *)flow_table_at(table, at))->next_free;
    return at;
}

static void
give_free(struct flow_table *table, uint32_t at)
{
    struct flow_head *entry = flow_table_at(table, at);
    entry->state = FLOW_FREE;
    flow_store_order();
    *entry = (struct flow_head){.state = FLOW_FREE, .next_free = table->free};
    table->free = at;
    quota_release(table->quota, flow_table_entry_cost(&table->layout));
}

uint32_t
flow_table_add(struct flow_table *table, const void *template, uint64_t timeout_cycles,
               uint64_t now_cycles)
{
    if (!quota_charge(table->quota, flow_table_entry_cost(&table->layout)))
        return FLOW_NONE;
    uint32_t at = take_free(table);
    if (at == FLOW_NONE) {
        quota_release(table->quota, flow_table_entry_cost(&table->layout));
        return FLOW_NONE;
    }
    struct flow_head *entry = flow_table_at(table, at);
    const struct flow_head *like = template;
    memcpy(entry + 1, like + 1, table->layout.entry_bytes - sizeof *entry);
    memcpy(entry->user, like->user, sizeof entry->user);
    entry->seen_cycles = entry->exported_cycles = now_cycles;
    entry->timeout_cycles = timeout_cycles;
    entry->sequence = 0;
    entry->dirty = 0;
    flow_store_order();
    entry->state = FLOW_LIVE;
    for (unsigned i = 0; i < table->layout.n_keys; i++)
        index_add(table, i, at);
    table->live++;
    flow_table_change(table, at);
    return at;
}

void
flow_table_remove(struct flow_table *table, uint32_t at)
{
    struct flow_head *entry = flow_table_at(table, at);
    assert(entry->state == FLOW_LIVE);
    if (table->removed)
        table->removed(table->removed_ctx, entry);
    for (unsigned i = 0; i < table->layout.n_keys; i++)
        index_remove(table, i, at);
    table->live--;
    if (!table->tracked) {
        give_free(table, at);
        return;
    }
    flow_table_change(table, at);
    entry->state = FLOW_TOMBSTONE;
    table->tombstones++;
}

unsigned
flow_table_expire(struct flow_table *table, uint64_t now_cycles, unsigned budget)
{
    unsigned removed = 0;
    for (unsigned i = 0; i < budget && i < table->high; i++) {
        if (table->sweep >= table->high)
            table->sweep = 0;
        uint32_t at = table->sweep++;
        const struct flow_head *entry = flow_table_at(table, at);
        // Signed: a packet of this very round may carry a stamp a little after 'now'.
        if (entry->state == FLOW_LIVE &&
            (int64_t)(now_cycles - entry->seen_cycles) > (int64_t)entry->timeout_cycles) {
            flow_table_remove(table, at);
            removed++;
        }
    }
    return removed;
}

uint32_t
flow_table_live(const struct flow_table *table)
{
    return table->live;
}

uint64_t
flow_table_bytes(const struct flow_table *table)
{
    uint64_t used = (uint64_t)table->live + table->tombstones + (table->exported != FLOW_NONE);
    return used * flow_table_entry_cost(&table->layout);
}

uint32_t
flow_table_dirty(const struct flow_table *table)
{
    return table->ring_tail - table->ring_head;
}

// Takes the first of the ring. What was a tombstone is free from now on, its fields still readable.
uint32_t
flow_table_next_dirty(struct flow_table *table)
{
    if (table->exported != FLOW_NONE) {
        give_free(table, table->exported);
        table->exported = FLOW_NONE;
    }
    if (table->ring_head == table->ring_tail)
        return FLOW_NONE;
    uint32_t at = table->ring[table->ring_head++ & table->ring_mask];
    struct flow_head *entry = flow_table_at(table, at);
    entry->dirty = 0;
    entry->exported_cycles = entry->seen_cycles;
    if (entry->state == FLOW_TOMBSTONE) {
        table->tombstones--;
        table->exported = at;
    }
    return at;
}

void
flow_table_stop(struct flow_table *table)
{
    while (flow_table_next_dirty(table) != FLOW_NONE)
        ;
    table->tracked = false;
}

void
flow_table_track(struct flow_table *table)
{
    flow_table_stop(table);
    table->tracked = true;
}

uint32_t
flow_table_next(const struct flow_table *table, uint64_t *cursor)
{
    while (*cursor < table->high) {
        uint32_t at = (*cursor)++;
        struct flow_head *entry = flow_table_at(table, at);
        if (entry->state != FLOW_LIVE || entry->dirty)
            continue;
        entry->exported_cycles = entry->seen_cycles;
        return at;
    }
    return FLOW_NONE;
}

uint64_t
flow_remaining_ns(const struct flow_head *entry, uint64_t now_cycles, uint64_t tsc_hz)
{
    int64_t idle = now_cycles - entry->seen_cycles;
    uint64_t used = idle < 0 ? 0 : (uint64_t)idle;
    if (used >= entry->timeout_cycles)
        return 0;
    return (unsigned __int128)(entry->timeout_cycles - used) * 1000000000 / tsc_hz;
}

void
flow_set_remaining(struct flow_head *entry, uint64_t remaining_ns, uint64_t now_cycles,
                   uint64_t tsc_hz)
{
    uint64_t remaining = (unsigned __int128)remaining_ns * tsc_hz / 1000000000;
    if (remaining > entry->timeout_cycles)
        remaining = entry->timeout_cycles;
    entry->seen_cycles = entry->exported_cycles = now_cycles - (entry->timeout_cycles - remaining);
}
