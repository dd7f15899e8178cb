// SPDX-License-Identifier: Apache-2.0
// Poisson bursts; bursts.h says what for.  Pure.
#include "tests/traffic/bursts.h"

#include <math.h>

// In (0, 1). Steele et al., Fast splittable pseudorandom number generators, OOPSLA 2014.
static double
uniform(struct bursts *b)
{
    uint64_t z = b->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return ((double)((z ^ (z >> 31)) >> 12) + 0.5) * 0x1p-52;
}

void
bursts_init(struct bursts *bursts, uint64_t seed, double mean_pkts)
{
    *bursts = (struct bursts){.random = seed, .mean_pkts = mean_pkts};
    bursts->wait = -log(uniform(bursts));
}

unsigned
bursts_next(struct bursts *bursts, double *due_pkts)
{
    double ahead = *due_pkts / bursts->mean_pkts;
    if (bursts->wait > ahead) {
        bursts->wait -= ahead;
        *due_pkts = 0;
        return 0;
    }
    *due_pkts -= bursts->wait * bursts->mean_pkts;
    bursts->wait = -log(uniform(bursts));
    double u = uniform(bursts);
    if (bursts->mean_pkts <= 1)
        return 1;
    return 1 + (unsigned)(log(u) / log1p(-1 / bursts->mean_pkts));
}
