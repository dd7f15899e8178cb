// SPDX-License-Identifier: Apache-2.0
// Anti-replay of ESP (RFC 4303, 3.4.3, A2.2): which sequence numbers were seen lately. A ring of
// words (RFC 6479), so that a step forward clears words and shifts nothing. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    REPLAY_WINDOW_MAX = 1024,
    REPLAY_WORDS = 32, // a power of two of at least twice the longest window
};

struct replay {
    uint64_t top;    // highest number that was seen, 64 bits
    uint64_t window; // numbers below it that are told apart; 0: no check
    uint64_t seen[REPLAY_WORDS];
};

// The 64-bit number of which 'low' was sent; 0 if it would lie before the first.
static inline uint64_t
replay_number(const struct replay *r, uint32_t low, bool extended)
{
    if (!extended)
        return low;
    uint64_t window = r->window ? r->window : 64;
    uint32_t high = (uint32_t)(r->top >> 32), top = (uint32_t)r->top;
    uint32_t bottom = top - (uint32_t)window + 1; // may wrap
    if (top >= window - 1)
        high += low < bottom;
    else if (low >= bottom) {
        if (high == 0)
            return 0;
        high--;
    }
    return (uint64_t)high << 32 | low;
}

// It was not seen, and is not too old to know.
static inline bool
replay_is_fresh(const struct replay *r, uint64_t number)
{
    if (number == 0)
        return false;
    if (number > r->top || r->window == 0)
        return true;
    if (r->top - number >= r->window)
        return false;
    return !(r->seen[number / 64 % REPLAY_WORDS] >> number % 64 & 1);
}

// Of a packet that has proved genuine.
static inline void
replay_take(struct replay *r, uint64_t number)
{
    if (number > r->top) {
        uint64_t from = r->top / 64 + 1, to = number / 64;
        if (to - from >= REPLAY_WORDS && to >= from)
            from = to - REPLAY_WORDS + 1;
        for (uint64_t word = from; word <= to; word++)
            r->seen[word % REPLAY_WORDS] = 0;
        r->top = number;
    }
    r->seen[number / 64 % REPLAY_WORDS] |= UINT64_C(1) << number % 64;
}
