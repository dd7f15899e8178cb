// SPDX-License-Identifier: Apache-2.0
// An application's share of something that flows (bandwidth, cycles), and the pool of what is lent.
// A reserved share is a bucket of its own, never above it. A lent one may besides use the pool, up
// to its ceiling; the pool fills with what nobody has reserved and is drained by all lent shares'
// use, so that what one leaves idle others find there. Hierarchical token bucket with one level of
// borrowing (Devera's HTB).  Pure: no clock. One owner, the worker.
#pragma once

#include "lib/schedule/bucket.h"

#include <stdbool.h>

struct share {
    struct bucket own;     // the guarantee
    struct bucket ceiling; // guarantee and loans together; only where capped
    bool lent;             // borrows and lends
    bool capped;           // borrows up to its ceiling, else all that the pool has
};

static inline void
share_refill(struct share *s, uint64_t now_cycles)
{
    bucket_refill(&s->own, now_cycles);
    if (s->capped)
        bucket_refill(&s->ceiling, now_cycles);
}

static inline void
share_catch_up(struct share *s, uint64_t now_cycles)
{
    bucket_catch_up(&s->own, now_cycles);
    if (s->capped)
        bucket_catch_up(&s->ceiling, now_cycles);
}

static inline void
share_trim(struct share *s)
{
    bucket_trim(&s->own);
    bucket_trim(&s->ceiling);
}

// Tokens that it may spend now; both refilled up to now.
static inline uint64_t
share_credit(const struct share *s, const struct bucket *pool)
{
    uint64_t own = bucket_tokens(&s->own);
    if (!s->lent)
        return own;
    uint64_t loan = bucket_tokens(pool);
    if (s->capped && loan > bucket_tokens(&s->ceiling))
        loan = bucket_tokens(&s->ceiling);
    return own > loan ? own : loan;
}

// What flows into the pool up to now. A debt is forgiven by a part of what flows in: those who all
// have work use exactly what flows in, so it would else stand until one of them falls silent, and
// his share would be lent only when it has been worked off.
enum { SHARE_FORGIVEN_SHIFT = 7 };

static inline void
share_pool_refill(struct bucket *pool, uint64_t now_cycles)
{
    int64_t before = pool->level_q32;
    bucket_refill(pool, now_cycles);
    if (before < 0) // by a part of what went into the debt
        pool->level_q32 += ((pool->level_q32 < 0 ? pool->level_q32 : 0) - before) >> SHARE_FORGIVEN_SHIFT;
}

// Spends 'tokens': of its own first, then of the pool, and what neither has becomes its own debt.
// Guarantees may overdraw the pool by what flows in within 'debt_cycles', at most 2^24: as long as
// it takes until all that have work have had their turns, and whoever comes after must find out.
// What bursts that were saved up take besides is bounded by the card's own bucket.
static inline void
share_pay(struct share *s, struct bucket *pool, uint64_t tokens, uint64_t debt_cycles)
{
    if (!s->lent) {
        bucket_take(&s->own, tokens);
        return;
    }
    uint64_t own = bucket_tokens(&s->own), spare = bucket_tokens(pool);
    if (own > tokens)
        own = tokens;
    uint64_t loan = tokens - own;
    spare = spare > own ? spare - own : 0;
    uint64_t debt = loan > spare ? loan - spare : 0;
    bucket_take(&s->own, own + debt);
    if (s->capped)
        bucket_take(&s->ceiling, tokens);
    bucket_take(pool, tokens);
    int64_t debt_q32 = (int64_t)(pool->rate_q32 * debt_cycles);
    if (pool->level_q32 < -debt_q32)
        pool->level_q32 = -debt_q32;
}

// Cycles from the last refill until 'tokens' can be spent.
static inline uint64_t
share_wait_cycles(const struct share *s, const struct bucket *pool, uint64_t tokens)
{
    uint64_t own = bucket_wait_cycles(&s->own, tokens);
    if (!s->lent)
        return own;
    uint64_t loan = bucket_wait_cycles(pool, tokens);
    uint64_t ceiling = s->capped ? bucket_wait_cycles(&s->ceiling, tokens) : 0;
    if (loan < ceiling)
        loan = ceiling;
    return own < loan ? own : loan;
}
