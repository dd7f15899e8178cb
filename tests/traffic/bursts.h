// SPDX-License-Identifier: Apache-2.0
// When a burst comes and how long it is: Poisson arrivals, geometric lengths, so that a queue that
// serves them is the card model's (lib/sim/card.h). rate -> [bursts] -> traffic-gen.  Pure.
#pragma once

#include <stdint.h>

struct bursts {
    uint64_t random;  // any seed
    double mean_pkts; // of a burst, 1 or more
    double wait;      // until the next, in mean distances
};

void bursts_init(struct bursts *bursts, uint64_t seed, double mean_pkts);
// Packets of the burst that begins within the next 'due_pkts' of the mean rate, or 0. Call with
// the rest, 'due_pkts', until it is 0.
unsigned bursts_next(struct bursts *bursts, double *due_pkts);
