// SPDX-License-Identifier: Apache-2.0
// An application's memory on a card: packets that wait and table entries are charged to it before
// they are kept. A limit lowered below the use admits nothing new, waits, and takes nothing away.
// Pure. Writers: the workers of the card, which may be several, so sums are atomic; relaxed, since
// they are single words and nothing hangs on them. Reader: the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct quota {
    uint64_t used, limit, high; // bytes; high: most ever used, or nearly, where several charge at once
    uint64_t refused;           // charges that did not fit
};

static inline bool
quota_charge(struct quota *q, uint64_t bytes)
{
    uint64_t limit = __atomic_load_n(&q->limit, __ATOMIC_RELAXED);
    uint64_t used = __atomic_add_fetch(&q->used, bytes, __ATOMIC_RELAXED);
    if (used > limit || used < bytes) {
        __atomic_sub_fetch(&q->used, bytes, __ATOMIC_RELAXED);
        __atomic_add_fetch(&q->refused, 1, __ATOMIC_RELAXED);
        return false;
    }
    if (used > __atomic_load_n(&q->high, __ATOMIC_RELAXED))
        __atomic_store_n(&q->high, used, __ATOMIC_RELAXED);
    return true;
}

static inline void
quota_release(struct quota *q, uint64_t bytes)
{
    __atomic_sub_fetch(&q->used, bytes, __ATOMIC_RELAXED);
}
