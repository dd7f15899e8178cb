// SPDX-License-Identifier: Apache-2.0
// A token bucket in 32.32 fixed point: tokens are bytes or cycles, time is a cycle counter. It may
// be overdrawn (who learns the cost only afterwards pays afterwards); the debt is worked off before
// anything more is granted.
// classify -> [admit, schedule] -> chain.  Pure: no clock. One owner, the worker.
#pragma once

#include <stdint.h>

enum {
    BUCKET_TOKENS_MAX = 1 << 30, // depth and debt: 1 GiB, or 0.4 s of a 2.6 GHz core
};

struct bucket {
    int64_t level_q32; // tokens to spend; below 0: debt
    int64_t depth_q32; // most tokens it keeps
    uint64_t rate_q32; // tokens a cycle
    uint64_t last_cycles;
};

// 'rate' in tokens a second; depth 'depth' tokens (capped to 1..BUCKET_TOKENS_MAX unless the rate
// is 0: then the bucket is always empty). What is in the bucket stays, up to the new depth: a
// change of rate grants no burst.
static inline void
bucket_set(struct bucket *b, double rate, uint64_t hz, double depth, uint64_t now_cycles)
{
    if (depth < 1)
        depth = 1;
    if (depth > BUCKET_TOKENS_MAX)
        depth = BUCKET_TOKENS_MAX;
    b->rate_q32 = rate <= 0 ? 0 : (uint64_t)(rate / (double)hz * 4294967296.0 + 0.5);
    b->depth_q32 = b->rate_q32 == 0 ? 0 : (int64_t)(depth * 4294967296.0);
    if (b->level_q32 > b->depth_q32)
        b->level_q32 = b->depth_q32;
    if (b->last_cycles == 0)
        b->last_cycles = now_cycles;
}

static inline void
bucket_fill(struct bucket *b)
{
    b->level_q32 = b->depth_q32;
}

// Adds what has flowed in since the last call. A 'now' in the past adds nothing.
static inline void
bucket_refill(struct bucket *b, uint64_t now_cycles)
{
    int64_t elapsed = (int64_t)(now_cycles - b->last_cycles);
    if (elapsed <= 0)
        return;
    b->last_cycles = now_cycles;
    if (b->level_q32 >= b->depth_q32)
        return;
    // 128 bits: after an idle hour the product would wrap in 64.
    unsigned __int128 gain = (unsigned __int128)elapsed * b->rate_q32;
    uint64_t room = (uint64_t)(b->depth_q32 - b->level_q32);
    b->level_q32 = gain >= room ? b->depth_q32 : b->level_q32 + (int64_t)gain;
}

// The same after a pause in which nobody was served: all of it is owed, also beyond the depth (up
// to BUCKET_TOKENS_MAX), since what came meanwhile came in its time. bucket_trim() ends that.
static inline void
bucket_catch_up(struct bucket *b, uint64_t now_cycles)
{
    static const int64_t most_q32 = (int64_t)BUCKET_TOKENS_MAX << 32;
    int64_t elapsed = (int64_t)(now_cycles - b->last_cycles);
    if (elapsed <= 0)
        return;
    b->last_cycles = now_cycles;
    unsigned __int128 gain = (unsigned __int128)elapsed * b->rate_q32;
    uint64_t room = (uint64_t)(most_q32 - b->level_q32);
    b->level_q32 = gain >= room ? most_q32 : b->level_q32 + (int64_t)gain;
}

static inline void
bucket_trim(struct bucket *b)
{
    if (b->level_q32 > b->depth_q32)
        b->level_q32 = b->depth_q32;
}

// Whole tokens to spend, 0 in debt.
static inline uint64_t
bucket_tokens(const struct bucket *b)
{
    return b->level_q32 <= 0 ? 0 : (uint64_t)b->level_q32 >> 32;
}

// Spends 'tokens', into debt if need be; debt beyond BUCKET_TOKENS_MAX is forgiven.
static inline void
bucket_take(struct bucket *b, uint64_t tokens)
{
    static const int64_t floor_q32 = -((int64_t)BUCKET_TOKENS_MAX << 32);
    if (tokens > BUCKET_TOKENS_MAX)
        tokens = BUCKET_TOKENS_MAX;
    b->level_q32 -= (int64_t)(tokens << 32);
    if (b->level_q32 < floor_q32)
        b->level_q32 = floor_q32;
}

// Cycles from its last refill until it holds 'tokens'; UINT64_MAX: never at this rate and depth.
static inline uint64_t
bucket_wait_cycles(const struct bucket *b, uint64_t tokens)
{
    if (tokens > BUCKET_TOKENS_MAX)
        return UINT64_MAX;
    int64_t want_q32 = (int64_t)(tokens << 32);
    if (b->level_q32 >= want_q32)
        return 0;
    if (b->rate_q32 == 0 || want_q32 > b->depth_q32)
        return UINT64_MAX;
    uint64_t lack = (uint64_t)(want_q32 - b->level_q32);
    return lack / b->rate_q32 + (lack % b->rate_q32 != 0);
}
