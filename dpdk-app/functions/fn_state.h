// SPDX-License-Identifier: Apache-2.0
// What stateful functions share: a flow table, counts of what they drop, and the hooks of fn.h over
// both. A function's state begins with a struct fn_state, so that the hooks fit all of them; what is
// its own, it tells in a struct fn_kind.
#pragma once

#include "dpdk-app/functions/flow_table.h"
#include "dpdk-app/functions/fn.h"

#include <rte_mbuf.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    FN_PASS = -1,      // the packet goes on; else the index of a cause
    FN_DROPS_MAX = 12, // causes
    FN_AHEAD = 32,     // packets whose entries are asked for at once
};

// What one function is, to the shared hooks.
struct fn_kind {
    const char *name;
    size_t entry_bytes; // of an exported entry
    // Writes one entry, live or tombstone, at 'to'.
    void (*export_entry)(const void *state, const struct flow_head *entry, uint8_t *to,
                         uint64_t now_cycles);
    // Takes one in; -EBADMSG what no honest end sends, -ENOSPC.
    int (*import_entry)(void *state, const uint8_t *from, uint64_t now_cycles,
                        struct offload_err *err);
    unsigned n_drops;
    const char *const *drop_names;
};

// Outlives an instance whose parameters are renewed: the next one has it too.
struct fn_core {
    unsigned refs;            // owner: the control thread
    struct flow_table *table; // NULL: keeps no state
    uint64_t drops[FN_DROPS_MAX]; // written by the worker, read relaxed by the control thread
};

struct fn_state {
    const struct fn_kind *kind;
    struct fn_core *core;
    struct flow_table *table; // core's
    uint64_t tsc_hz;
};

// With a table of 'most' entries, or none where 'layout' is NULL. -ENOMEM.
int fn_state_init(struct fn_state *s, const struct fn_kind *kind, const struct flow_layout *layout,
                  uint64_t most, const struct fn_env *env, struct offload_err *err);
// The same table and counts as 'old'.
void fn_state_share(struct fn_state *s, const struct fn_state *old);
void fn_state_fini(struct fn_state *s);

// Hooks of fn.h: 'state' begins with a struct fn_state.
void fn_state_tick(void *state, uint64_t now_cycles, unsigned budget);
uint64_t fn_state_entries(const void *state);
uint64_t fn_state_bytes(const void *state);
uint64_t fn_state_dirty(const void *state);
size_t fn_state_export(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags,
                       uint64_t now_cycles);
int fn_state_import(void *state, const void *buf, size_t len, uint64_t now_cycles,
                    struct offload_err *err);
int fn_state_recover(void *state, uint64_t now_cycles, struct fn_recovered *out);
void fn_state_serve(void *state, uint64_t now_cycles);
unsigned fn_state_counters(const void *state, struct fn_counter *out, unsigned max);

// All of them, for a row of fn.h's table.
#define FN_STATE_HOOKS                                                                             \
    .tick = fn_state_tick, .entries = fn_state_entries, .state_bytes = fn_state_bytes,             \
    .export = fn_state_export, .dirty = fn_state_dirty, .import = fn_state_import,                 \
    .recover = fn_state_recover, .serve = fn_state_serve, .counters = fn_state_counters

static inline void
fn_drop(struct fn_state *s, int cause, struct rte_mbuf *pkt)
{
    uint64_t *count = &s->core->drops[cause];
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
    rte_pktmbuf_free(pkt);
}

// What to look up for a packet.
struct fn_lookup {
    uint64_t key[5]; // as many of its bytes as the table's key has
    uint64_t hash;
    int which; // key of the table; below 0: nothing to look up
};

typedef void fn_key_fn(const void *state, struct rte_mbuf *pkt, enum pkt_dir dir,
                       struct fn_lookup *out);
// FN_PASS, or why the packet is dropped.
typedef int fn_one_fn(void *state, struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles,
                      const struct fn_lookup *lookup);

// fn_ops.process, one packet at a time, with all entries of a burst on their way from memory before
// the first is needed: at 1 M entries 100 to 200 cycles a packet less, at a few thousand 10 more.
static inline __attribute__((always_inline)) uint16_t
fn_burst(struct fn_state *s, fn_key_fn *key_of, fn_one_fn *one, struct rte_mbuf **pkts, uint16_t n,
         enum pkt_dir dir, uint64_t now_cycles)
{
    uint16_t kept = 0;
    for (uint16_t from = 0; from < n; from = (uint16_t)(from + FN_AHEAD)) {
        struct fn_lookup lookup[FN_AHEAD];
        unsigned some = n - from < FN_AHEAD ? n - from : FN_AHEAD;
        for (unsigned i = 0; i < some; i++) {
            struct fn_lookup *l = &lookup[i];
            l->which = -1;
            key_of(s, pkts[from + i], dir, l);
            if (l->which < 0)
                continue;
            l->hash = flow_table_hash(s->table, (unsigned)l->which, l->key);
            flow_table_prefetch(s->table, (unsigned)l->which, l->hash);
        }
        for (unsigned i = 0; i < some; i++)
            if (lookup[i].which >= 0)
                flow_table_prefetch_entry(s->table, (unsigned)lookup[i].which, lookup[i].hash);
        for (unsigned i = 0; i < some; i++) {
            struct rte_mbuf *pkt = pkts[from + i];
            int cause = one(s, pkt, dir, now_cycles, &lookup[i]);
            if (likely(cause == FN_PASS))
                pkts[kept++] = pkt;
            else
                fn_drop(s, cause, pkt);
        }
    }
    return kept;
}

static inline uint32_t
fn_lookup_find(const struct fn_state *s, const struct fn_lookup *l)
{
    return flow_table_find_hashed(s->table, (unsigned)l->which, l->key, l->hash);
}

// Integers of the stream: little-endian.
static inline void
fn_put64(uint8_t *to, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t
fn_get64(const uint8_t *from)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}
