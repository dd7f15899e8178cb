// SPDX-License-Identifier: Apache-2.0
// The columns of a regression on time, seasons and regressors, and which of them are worth it.
#pragma once

#include <offload/forecast.h>

enum {
    DESIGN_COLUMNS_MAX = 160,
    DESIGN_HARMONICS_MAX = 24, // of one season
    DESIGN_PAIRS_MAX = 64,     // harmonics of all seasons
};

// DESIGN_PROFILE: a regressor times a harmonic of the first season.
enum design_kind { DESIGN_CONSTANT, DESIGN_DRIFT, DESIGN_SEASON, DESIGN_REGRESSOR, DESIGN_PROFILE };

struct design_column {
    uint16_t kind;  // enum design_kind
    uint16_t index; // of the season or regressor
    uint16_t order; // harmonic from 1; regressor 1: itself, 2: its square
    bool sine;
};

struct design {
    size_t n, n_columns; // steps
    struct design_column column[DESIGN_COLUMNS_MAX];
    double *value; // [n_columns][n]
    bool used[DESIGN_COLUMNS_MAX];
    double beta[DESIGN_COLUMNS_MAX];
    double mean[OFFLOAD_REGRESSORS_MAX], scale[OFFLOAD_REGRESSORS_MAX];
};

// Regression of 'y' [n] on 'x' [n_columns][n], both whitened. Columns enter in the order of their
// chain (a season's harmonics, a regressor and its square) as long as AICc falls; those of
// DESIGN_CONSTANT always. 'n_values': steps that are no gaps; 'n_other': further parameters of the
// model. Sets 'used' and 'beta'. Returns AICc without constants, HUGE_VAL without memory.
double design_select(struct design *design, const double *x, const double *y, size_t n,
                     size_t n_values, size_t n_other);

// cos, sin of 'angle' times 1 ... n, weighed: sum of pair[2k] cos + pair[2k + 1] sin.
double design_harmonics(double angle, const double *pair, size_t n);
