// SPDX-License-Identifier: Apache-2.0
// Turns in two levels: classes, and in each its flows. Of the classes that have something left of
// their part of the round, the first (0) goes first, so its packets wait least; a class's part is
// the sum of its flows' quanta, so that over some rounds work divides as the quanta say, whatever
// the classes. Both levels are deficit round robin that pays afterwards (drr.h).  Pure; one owner,
// the worker.
#pragma once

#include "lib/schedule/drr.h"

enum { TURNS_CLASSES = 3 };

struct turns {
    struct turns_class {
        struct drr flows;
        int64_t deficit;
        int64_t quantum; // sum of its active flows'
        uint64_t round;  // in which it got its part last
    } of[TURNS_CLASSES];
    uint64_t round;
    unsigned n_active; // flows
};

struct turns_flow {
    struct drr_flow drr;
    unsigned cls;
};

static inline bool
turns_is_active(const struct turns_flow *flow)
{
    return flow->drr.next != NULL;
}

static inline void
turns_activate(struct turns *t, struct turns_flow *flow)
{
    if (turns_is_active(flow))
        return;
    struct turns_class *c = &t->of[flow->cls];
    bool was_idle = !c->flows.turn;
    c->quantum += flow->drr.quantum;
    t->n_active++;
    drr_activate(&c->flows, &flow->drr);
    if (!was_idle)
        return;
    if (c->deficit > 0)
        c->deficit = 0; // an idle class saves nothing up
    if (c->round != t->round) {
        c->round = t->round;
        c->deficit += c->quantum; // it has had nothing of this round yet
    }
}

static inline void
turns_idle(struct turns *t, struct turns_flow *flow)
{
    if (!turns_is_active(flow))
        return;
    t->of[flow->cls].quantum -= flow->drr.quantum;
    t->n_active--;
    drr_idle(&t->of[flow->cls].flows, &flow->drr);
}

// Class and quantum of a flow, which may be active.
static inline void
turns_set(struct turns *t, struct turns_flow *flow, unsigned cls, int64_t quantum)
{
    if (flow->cls == cls && flow->drr.quantum == quantum)
        return;
    bool active = turns_is_active(flow);
    turns_idle(t, flow);
    flow->cls = cls;
    flow->drr.quantum = quantum;
    if (active)
        turns_activate(t, flow);
}

static inline bool
turns_may(const struct turns *t, unsigned cls, unsigned held)
{
    return t->of[cls].flows.turn && !(held & 1u << cls);
}

// As many rounds begin as it takes until some class that is not in 'held' (a bit mask) has
// something to spend; each active class gains its part in each, but keeps at most one.
static inline void
turns_next_round(struct turns *t, unsigned held)
{
    int64_t rounds = INT64_MAX;
    for (unsigned i = 0; i < TURNS_CLASSES; i++) {
        const struct turns_class *c = &t->of[i];
        if (!turns_may(t, i, held))
            continue;
        int64_t needs = (-c->deficit + c->quantum) / c->quantum; // least k: deficit + k quantum > 0
        if (needs < rounds)
            rounds = needs;
    }
    if (rounds < 1)
        rounds = 1;
    t->round++;
    for (unsigned i = 0; i < TURNS_CLASSES; i++) {
        struct turns_class *c = &t->of[i];
        if (!c->flows.turn)
            continue;
        c->round = t->round;
        __int128 deficit = c->deficit + (__int128)rounds * c->quantum;
        c->deficit = deficit > c->quantum ? c->quantum : (int64_t)deficit;
    }
}

// Whose turn it is, of classes that are not in 'held'; NULL: nobody's.
static inline struct turns_flow *
turns_pick(struct turns *t, unsigned held)
{
    for (;;) {
        bool any = false;
        for (unsigned i = 0; i < TURNS_CLASSES; i++) {
            if (!turns_may(t, i, held))
                continue;
            any = true;
            if (t->of[i].deficit > 0)
                return (struct turns_flow *)(void *)t->of[i].flows.turn;
        }
        if (!any)
            return NULL;
        turns_next_round(t, held);
    }
}

// A flow that waits owes what it was served; one that was idle owes it when it next waits.
static inline void
turns_pay(struct turns *t, struct turns_flow *flow, uint64_t cycles)
{
    drr_pay(&flow->drr, cycles);
    if (turns_is_active(flow))
        t->of[flow->cls].deficit -= (int64_t)cycles;
}
