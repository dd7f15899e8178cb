// SPDX-License-Identifier: Apache-2.0
// Percentiles of delays out of logarithmic buckets: eight to each doubling, so a figure is at most
// one eighth high.
#pragma once

#include <stdint.h>

enum {
    DELAYS_FIRST_SHIFT = 10, // the first bucket ends at 1024 ns
    DELAYS_DOUBLINGS = 24,   // the last one at 17 s
    DELAYS_BUCKETS = DELAYS_DOUBLINGS * 8 + 1,
};

struct delays {
    uint32_t count[DELAYS_BUCKETS];
};

void delays_add(struct delays *delays, uint64_t delay_ns);
void delays_merge(struct delays *into, const struct delays *from);

// The upper edge, in ns, of the bucket that holds quantile 'q' (0 to 1); 0 if nothing was added.
uint64_t delays_quantile(const struct delays *delays, double q);
