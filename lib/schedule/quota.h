// SPDX-License-Identifier: Apache-2.0
// An application's memory on a card: packets that wait and table entries are charged to it before
// they are kept. A limit lowered below the use admits nothing new, waits, and takes nothing away.
// Table entries come and go on any worker, so their sum is atomic. Packets wait by the million a
// second, and a locked addition is 20 cycles: each holder (a worker) keeps a sum of its own for
// them, and whoever charges adds all up. Two that charge in the same instant may so exceed the
// limit by a packet.
// Pure. All relaxed: single words, and nothing hangs on them. Reader: the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { QUOTA_HOLDERS_MAX = 16 };

struct quota {
    uint64_t limit;   // bytes
    uint64_t entries; // bytes of table entries
    uint64_t high;    // most ever used, or nearly, where several charge at once
    uint64_t refused; // charges that did not fit
    unsigned n_holders; // writer: the control thread, which only raises it (quota_admit)
    uint64_t waiting[QUOTA_HOLDERS_MAX]; // bytes of packets; writer: that holder alone
};

static inline uint64_t
quota_used(const struct quota *q)
{
    uint64_t used = __atomic_load_n(&q->entries, __ATOMIC_RELAXED);
    unsigned n = __atomic_load_n(&q->n_holders, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < n; i++)
        used += __atomic_load_n(&q->waiting[i], __ATOMIC_RELAXED);
    return used;
}

// From now on 'holder', below QUOTA_HOLDERS_MAX, may hold packets; workers may be charging meanwhile.
static inline void
quota_admit(struct quota *q, unsigned holder)
{
    if (q->n_holders <= holder)
        __atomic_store_n(&q->n_holders, holder + 1, __ATOMIC_RELAXED);
}

static inline void
quota_note_high(struct quota *q, uint64_t used)
{
    if (used > __atomic_load_n(&q->high, __ATOMIC_RELAXED))
        __atomic_store_n(&q->high, used, __ATOMIC_RELAXED);
}

static inline bool
quota_fits(struct quota *q, uint64_t used, uint64_t bytes)
{
    if (used <= UINT64_MAX - bytes && used + bytes <= __atomic_load_n(&q->limit, __ATOMIC_RELAXED))
        return true;
    __atomic_add_fetch(&q->refused, 1, __ATOMIC_RELAXED);
    return false;
}

// Table entries.
static inline bool
quota_charge(struct quota *q, uint64_t bytes)
{
    if (!quota_fits(q, quota_used(q), bytes))
        return false;
    __atomic_add_fetch(&q->entries, bytes, __ATOMIC_RELAXED);
    quota_note_high(q, quota_used(q));
    return true;
}

static inline void
quota_release(struct quota *q, uint64_t bytes)
{
    __atomic_sub_fetch(&q->entries, bytes, __ATOMIC_RELAXED);
}

// Packets that wait with 'holder', below n_holders.
static inline bool
quota_hold(struct quota *q, unsigned holder, uint64_t bytes)
{
    uint64_t used = quota_used(q);
    if (!quota_fits(q, used, bytes))
        return false;
    __atomic_store_n(&q->waiting[holder], q->waiting[holder] + bytes, __ATOMIC_RELAXED);
    quota_note_high(q, used + bytes);
    return true;
}

static inline void
quota_let_go(struct quota *q, unsigned holder, uint64_t bytes)
{
    __atomic_store_n(&q->waiting[holder], q->waiting[holder] - bytes, __ATOMIC_RELAXED);
}
