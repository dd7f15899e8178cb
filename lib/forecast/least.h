// SPDX-License-Identifier: Apache-2.0
// Least squares for the models: small symmetric systems, and sums of squares that are minimised.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { LEAST_PARAMETERS_MAX = 32 };

// For the few loops that all the time goes into: at -O2 GCC leaves those of unknown length scalar,
// which costs a third of a fit.
#if defined __GNUC__ && !defined __clang__
#define LEAST_HOT __attribute__((optimize("O3")))
#else
#define LEAST_HOT
#endif

// Solves A x = b, both overwritten (x in 'b'), for a symmetric positive definite 'a' [n][n] of
// which the lower half is read. False: 'a' is singular.
bool least_solve(double *a, double *b, size_t n);

struct least_problem {
    size_t n_parameters, n_residuals;
    double limit; // no parameter goes further from 0
    size_t evaluations;
    double tolerance; // relative fall of the sum at which it is good enough
    // Writes the residuals; false: not at these parameters.
    bool (*residuals)(void *context, const double *parameter, double *residual);
    void *context;
};

// Levenberg and Marquardt, with forward differences (More, The Levenberg-Marquardt algorithm:
// implementation and theory, 1978). Moves 'parameter' to where the sum of squares is least and
// returns the sum, HUGE_VAL if none can be had. 'work': (n_parameters + 2) n_residuals.
double least_squares(const struct least_problem *problem, double *parameter, double *work);
