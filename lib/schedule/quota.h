// SPDX-License-Identifier: Apache-2.0
// An application's memory on a card: packets that wait and table entries are charged to it before
// they are kept. A limit lowered below the use admits nothing new, waits, and takes nothing away.
// Pure. Writer: the worker of the card; 'used' and 'high' are read by the control thread, with
// relaxed loads (single words, nothing hangs on them).
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct quota {
    uint64_t used, limit, high; // bytes; high: most ever used
    uint64_t refused;           // charges that did not fit
};

static inline bool
quota_charge(struct quota *q, uint64_t bytes)
{
    if (bytes > q->limit || q->used > q->limit - bytes) {
        __atomic_store_n(&q->refused, q->refused + 1, __ATOMIC_RELAXED);
        return false;
    }
    __atomic_store_n(&q->used, q->used + bytes, __ATOMIC_RELAXED);
    if (q->used > q->high)
        __atomic_store_n(&q->high, q->used, __ATOMIC_RELAXED);
    return true;
}

static inline void
quota_release(struct quota *q, uint64_t bytes)
{
    __atomic_store_n(&q->used, q->used - bytes, __ATOMIC_RELAXED);
}
