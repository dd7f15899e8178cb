// SPDX-License-Identifier: Apache-2.0
// How much of each candidate goes into the forecast?  trial -> [combine] -> select.  Pure.
// Weights by powers of the inverse error: Bates and Granger, The combination of forecasts, Oper.
// Res. Q. 20 (1969); few and shrunk to equal ones, since estimated weights err themselves (Smith
// and Wallis, A simple explanation of the forecast combination puzzle, Oxford B. Econ. Stat. 71,
// 2009).

#include "lib/forecast/select.h"

#include <math.h>
#include <string.h>

static const double POWER = 4;    // of the inverse error
static const double NEAR = 1.35;  // times the best error: further ones do not count
static const double LEAST = 0.04; // a smaller share is not worth a model's cost

static double
best_error(const struct trial *trial)
{
    double best = NAN;
    for (size_t i = 0; i < trial->n_candidates; i++) {
        const struct candidate *c = &trial->candidate[i];
        if (c->forecast && !c->dropped && !isnan(c->member.error))
            best = fmin(best, c->member.error);
    }
    return best;
}

// Leaves the 'keep' largest.
static void
keep_largest(double *weight, size_t n, size_t keep)
{
    for (;;) {
        size_t above = 0, least = 0;
        for (size_t i = 0; i < n; i++) {
            if (weight[i] <= 0)
                continue;
            if (above++ == 0 || weight[i] < weight[least])
                least = i;
        }
        if (above <= keep)
            return;
        weight[least] = 0;
    }
}

static void
to_sum_1(double *weight, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weight[i];
    for (size_t i = 0; sum > 0 && i < n; i++)
        weight[i] /= sum;
}

void
combine_weigh(const struct trial *trial, double *weight)
{
    size_t n = trial->n_candidates;
    double best = best_error(trial);
    for (size_t i = 0; i < n; i++) {
        const struct candidate *c = &trial->candidate[i];
        double error = c->member.error;
        weight[i] = 0;
        if (c->forecast && !c->dropped && error <= NEAR * best)
            weight[i] = error > 0 ? pow(best / error, POWER) : 1;
    }
    keep_largest(weight, n, OFFLOAD_MEMBERS_MAX);
    to_sum_1(weight, n);
    for (size_t i = 0; i < n; i++)
        if (weight[i] < LEAST)
            weight[i] = 0;
    to_sum_1(weight, n);
}
