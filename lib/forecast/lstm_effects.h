// SPDX-License-Identifier: Apache-2.0
// What regressors add to a series, whatever its seasons: a ridge regression on seasonal
// differences, so that neither the level nor a season is taken for an effect of theirs.
#pragma once

#include <offload/forecast.h>

enum { EFFECT_COLUMNS = 48 };

// Plain bytes: part of a state.
struct lstm_effects {
    uint32_t n_x;    // regressors, 0: none helps
    uint32_t each;   // columns for each: itself, its square, itself times the season's waves
    uint32_t season; // steps
    double mean[OFFLOAD_REGRESSORS_MAX], scale[OFFLOAD_REGRESSORS_MAX];
    double weight[EFFECT_COLUMNS];
};

// Chooses the penalty by errors on blocks left out; no effect where that is no better. 'value'
// [x->rows or fewer, 'n'] without gaps. -ENOMEM.
int lstm_effects_fit(struct lstm_effects *effects, const double *value, size_t n, size_t season,
                     size_t longer, const struct offload_regressors *x);
// The effect of one row of regressors at a step of the season's phase.
double lstm_effects_at(const struct lstm_effects *effects, const double *x, size_t phase);
