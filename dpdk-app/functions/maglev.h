// SPDX-License-Identifier: Apache-2.0
// Maglev hashing: a table from which each of n backends gets its share of the hashes, and which
// changes little when a backend comes or goes. D. E. Eisenbud et al., Maglev: A Fast and Reliable
// Software Network Load Balancer, NSDI 2016, 3.4. Pure: the same backends give the same table on
// every card, whatever the order in which they are named.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    MAGLEV_BACKENDS_MAX = 64,
    MAGLEV_SIZE = 65537, // M, prime; the paper's small table. Equal shares differ by one place
    MAGLEV_NONE = 255,
};

struct maglev_backend {
    uint64_t name;   // what tells it from the others
    uint32_t weight; // 0: gets nothing
};

// Fills 'table' of MAGLEV_SIZE places with indices of 'backends', or MAGLEV_NONE if all weigh
// nothing. 'n' is at most MAGLEV_BACKENDS_MAX.
void maglev_fill(const struct maglev_backend *backends, unsigned n, uint8_t *table);
