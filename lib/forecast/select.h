// SPDX-License-Identifier: Apache-2.0
// What select.c and combine.c share: the candidates and what they would have forecast.
#pragma once

#include <offload/forecast.h>

struct candidate {
    struct offload_member member; // weight and error are found here
    double *forecast;             // [n_origins][horizon]; NULL: not fitted, or not tried
    bool dropped;                 // a loser, or the twin of another
};

struct trial {
    const struct offload_training *training;
    size_t horizon;
    size_t first; // steps that the candidates were fitted to
    size_t n_origins;
    size_t *origin;   // [n_origins] ascending, the first step of each forecast
    double *weight;   // [n_origins] what an origin counts
    double *actual;   // [n_origins][horizon], NAN: a gap
    double robust_at; // errors count at most this much
    size_t n_candidates;
    struct candidate candidate[OFFLOAD_TRIED_MAX];
};

// Weighted mean absolute error of the mix of all candidates by 'weight' [n_candidates], NAN if
// there was nothing to compare with.
double trial_error(const struct trial *trial, const double *weight);

// Weights of the candidates that were tried: at most OFFLOAD_MEMBERS_MAX above 0, which sum to 1.
// -ENOMEM.
int combine_weigh(const struct trial *trial, double *weight);
