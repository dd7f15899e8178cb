// SPDX-License-Identifier: Apache-2.0
// How far from the mean may it come? Trajectories of errors, without what is common to all: how
// errors grow with the lead, and how they differ over the season.
#pragma once

#include <offload/forecast.h>

enum { SPREAD_KNOTS_MAX = 96, SPREAD_BINS_MAX = 48 };

struct spread {
    size_t n;       // trajectories; 0: none is known
    size_t horizon; // steps that they cover
    size_t n_knots; // of those, evenly spaced, are kept
    size_t period, n_bins;
    float *scaled; // [n][n_knots] errors over level and season
    float level[SPREAD_KNOTS_MAX];
    float season[SPREAD_BINS_MAX];
};

// 'period': in steps, 1 for none. Takes the mean of each step's errors away from 'errors'. -ENOMEM.
int spread_init(struct spread *spread, struct offload_errors *errors, size_t period);
// Before that, for errors that a comparison on the 'series' end has met: makes them as large as they would be
// were the series as rough there as it is half the way to its usual roughness.
void spread_revert(struct offload_errors *errors, const struct offload_series *series,
                   size_t period);
void spread_fini(struct spread *spread);
size_t spread_bytes(const struct spread *spread);
// A trajectory for 'horizon' steps, the first of which has this 'phase' of the season and lies
// 'lead' steps beyond the next one.
void spread_draw(const struct spread *spread, uint64_t *random, size_t phase, size_t lead,
                 size_t horizon, double *out);

// splitmix64 (Steele, Lea, Flood 2014): small, and every seed is a good one.
static inline uint64_t
spread_random(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline double
spread_uniform(uint64_t *random)
{
    return (double)(spread_random(random) >> 11) * 0x1p-53;
}
