// SPDX-License-Identifier: Apache-2.0
// Whose turn is it: deficit round robin in the form that pays afterwards (surplus round robin),
// since what a burst costs in cycles is known only when it is done. A flow has its turn while its
// deficit is above 0; each time the turn comes round it gains its quantum. Shreedhar & Varghese,
// Efficient Fair Queueing using Deficit Round Robin, 1995, section 3; Adiseshu, Parulkar &
// Varghese, A Reliable and Scalable Striping Protocol, 1996, section 3. Over any time in which two
// flows stay active, their work divides as their quanta, but for one burst and one quantum each.
// O(1) a turn.  Pure; one owner, the worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drr_flow {
    struct drr_flow *next, *prev; // in the ring of active flows; NULL: idle
    int64_t deficit; // cycles it may still spend in this turn; below 0: to be worked off
    int64_t quantum; // cycles that it gains a turn, at least 1
};

struct drr {
    struct drr_flow *turn; // whose turn it is; NULL: all idle
    unsigned n_active;
};

// A flow that has work joins at the end of the ring. An idle flow saves nothing up, but keeps its
// debt.
static inline void
drr_activate(struct drr *d, struct drr_flow *flow)
{
    if (flow->next)
        return;
    if (flow->deficit > 0)
        flow->deficit = 0;
    d->n_active++;
    if (!d->turn) {
        flow->next = flow->prev = flow;
        flow->deficit += flow->quantum; // its turn starts now
        d->turn = flow;
        return;
    }
    flow->next = d->turn;
    flow->prev = d->turn->prev;
    flow->prev->next = flow;
    flow->next->prev = flow;
}

// The turn passes on; who gets it gains its quantum, but keeps at most one.
static inline void
drr_pass(struct drr *d)
{
    if (!d->turn)
        return;
    struct drr_flow *flow = d->turn = d->turn->next;
    flow->deficit += flow->quantum;
    if (flow->deficit > flow->quantum)
        flow->deficit = flow->quantum;
}

// A flow without work leaves. If it was its turn, the next one's begins.
static inline void
drr_idle(struct drr *d, struct drr_flow *flow)
{
    if (!flow->next)
        return;
    d->n_active--;
    if (flow->next == flow) {
        d->turn = NULL;
    } else {
        if (d->turn == flow)
            drr_pass(d);
        flow->prev->next = flow->next;
        flow->next->prev = flow->prev;
    }
    flow->next = flow->prev = NULL;
}

static inline bool
drr_may_run(const struct drr_flow *flow)
{
    return flow->deficit > 0;
}

static inline void
drr_pay(struct drr_flow *flow, uint64_t cycles)
{
    flow->deficit -= (int64_t)cycles;
}
