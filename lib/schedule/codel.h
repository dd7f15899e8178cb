// SPDX-License-Identifier: Apache-2.0
// Controlled delay: keeps a queue that only stands, and absorbs no burst, from standing. Packets
// that leave are judged by how long they waited; once the least wait of an interval is above the
// target, one is dropped, and then ever sooner the next, until the wait is below. RFC 8289,
// sections 4 and 5; names are those of its section 5.
// admit -> [schedule] -> chain.  Pure: no clock; times are cycles or nanoseconds, alike everywhere.
// One owner, the worker.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct codel {
    uint64_t target, interval; // below 2^32
    uint64_t first_above_time; // when the wait will have been above the target for an interval; 0:
                               // it is below
    uint64_t drop_next;
    uint32_t count, lastcount; // drops since dropping began, and in the state before
    bool dropping;
    bool dropped; // the last packet was dropped while dropping: the next one decides when the next
                  // goes
};

static inline uint64_t
codel_root(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = 1ULL << 62; bit > 0; bit >>= 2) { // digit by digit
        if (x >= root + bit) {
            x -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

// t + interval / sqrt(count), to a unit.
static inline uint64_t
codel_control_law(const struct codel *c, uint64_t t)
{
    return t + codel_root(c->interval * c->interval / c->count);
}

static inline bool
codel_ok_to_drop(struct codel *c, uint64_t sojourn, uint64_t now, bool small)
{
    if (sojourn < c->target || small) {
        c->first_above_time = 0;
        return false;
    }
    if (c->first_above_time == 0) {
        c->first_above_time = now + c->interval;
        return false;
    }
    return now >= c->first_above_time;
}

// The queue has run empty.
static inline void
codel_empty(struct codel *c)
{
    c->first_above_time = 0;
    c->dropping = c->dropped = false;
}

// Whether the packet that leaves the queue at 'now', after it waited for 'sojourn', is to be
// dropped. 'small': what is left behind it is no queue worth shortening.
static inline bool
codel_drops(struct codel *c, uint64_t sojourn, uint64_t now, bool small)
{
    bool ok_to_drop = codel_ok_to_drop(c, sojourn, now, small);
    if (c->dropping) {
        if (!ok_to_drop) {
            c->dropping = c->dropped = false;
            return false;
        }
        if (c->dropped) {
            c->dropped = false;
            c->drop_next = codel_control_law(c, c->drop_next);
        }
        if (now < c->drop_next)
            return false;
        c->count++;
        return c->dropped = true;
    }
    if (!ok_to_drop)
        return false;
    // If it dropped a little while ago, it begins with the rate that controlled the queue then.
    uint32_t delta = c->count - c->lastcount;
    c->dropping = true;
    c->count = delta > 1 && now - c->drop_next < 16 * c->interval ? delta : 1;
    c->drop_next = codel_control_law(c, now);
    c->lastcount = c->count;
    return true;
}
