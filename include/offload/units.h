// SPDX-License-Identifier: Apache-2.0
// Units and the only functions that convert them. Names carry their unit (_ns, _bps, _pct ...).
#pragma once

#include <stdint.h>

enum {
    OFFLOAD_NAME_MAX = 32, // bytes of an app's, card's or path's name, without the end
};

// The highest term of a manager that anybody takes: one that a card took and the switch did not
// would lock both out.
#define OFFLOAD_TERM_MOST 9e15

static const uint64_t OFFLOAD_NS_PER_S = 1000000000;
static const uint64_t OFFLOAD_NS_PER_MS = 1000000;

static inline double
offload_ns_to_s(uint64_t ns)
{
    return (double)ns / 1e9;
}

static inline uint64_t
offload_ms_to_ns(double ms)
{
    return ms <= 0 ? 0 : (uint64_t)(ms * 1e6 + 0.5);
}

static inline double
offload_bytes_to_bits(double bytes)
{
    return bytes * 8;
}

// Cycles/s that 'bps' bits/s cost at 'cycles_per_byte'.
static inline double
offload_bps_to_cycles(double bps, double cycles_per_byte)
{
    return bps / 8 * cycles_per_byte;
}
