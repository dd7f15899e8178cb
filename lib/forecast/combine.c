// SPDX-License-Identifier: Apache-2.0
// How much of each candidate goes into the forecast?  trial -> [combine] -> select.  Pure.
// Greedy: again and again the candidate is added, with equal weight, that makes the mix's error
// least; those that err differently are thereby worth more than those that err alike. Caruana,
// Niculescu-Mizil, Crew, Ksikes, Ensemble selection from libraries of models (ICML 2004).

#include "lib/forecast/select.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 15, FIRST = 3 };

// What the mix begins with: the 'FIRST' best alone, alike, for that many of the rounds. Weights
// that are estimated err themselves, equal ones do not (Smith and Wallis, A simple explanation of
// the forecast combination puzzle, Oxford B. Econ. Stat. 71, 2009).
static const double SHARED = 6;
// But none of those that err so many times as much as the best.
static const double HOPELESS = 3;

// The network has learned from many series, which one series' few origins cannot outweigh: it has
// this share beforehand, unless it errs this many times as much as the best alone. The share was
// chosen on half of a benchmark's cases, and the other half liked it as well; the limit on series
// of another kind (R's own data sets), which grow by factors that the network has seldom seen.
static const char GLOBAL[] = "lstm";
static const double GLOBAL_SHARE = 0.45;
static const double GLOBAL_AT_MOST = 1.3;

// Error of the mix 'sum' / n with the candidate's forecasts added once.
static double
error_with(const struct trial *trial, const double *sum, double n, const double *forecast)
{
    double error = 0, share = 1 / (n + 1);
    for (size_t o = 0; o < trial->n_origins; o++) {
        double over_horizon = 0;
        for (size_t h = 0; h < trial->horizon; h++) {
            size_t at = o * trial->horizon + h;
            double miss = fabs(trial->actual[at] - (sum[at] + forecast[at]) * share);
            if (!isnan(miss))
                over_horizon += fmin(miss, trial->robust_at);
        }
        error += trial->weight[o] * over_horizon;
    }
    return error;
}

static bool
may_be_added(const struct trial *trial, size_t i, const double *weight)
{
    const struct candidate *c = &trial->candidate[i];
    if (!c->forecast || c->dropped)
        return false;
    size_t members = 0;
    for (size_t k = 0; k < trial->n_candidates; k++)
        members += weight[k] > 0;
    return weight[i] > 0 || members < OFFLOAD_MEMBERS_MAX;
}

// The best candidate alone that is not in the mix yet; n_candidates if there is none.
static size_t
best_alone(const struct trial *trial, const double *weight)
{
    size_t best = trial->n_candidates;
    double least = HUGE_VAL;
    for (size_t i = 0; i < trial->n_candidates; i++)
        if (trial->candidate[i].forecast && !trial->candidate[i].dropped)
            least = fmin(least, trial->candidate[i].member.error);
    for (size_t i = 0; i < trial->n_candidates; i++) {
        const struct candidate *c = &trial->candidate[i];
        if (weight[i] > 0 || !may_be_added(trial, i, weight) ||
            c->member.error > HOPELESS * least)
            continue;
        if (best == trial->n_candidates || c->member.error < trial->candidate[best].member.error)
            best = i;
    }
    return best;
}

// The candidate with which the mix of 'rounds' errs least; n_candidates if there is none.
static size_t
best_added(const struct trial *trial, const double *weight, const double *sum, double rounds)
{
    size_t best = trial->n_candidates;
    double least = HUGE_VAL;
    for (size_t i = 0; i < trial->n_candidates; i++) {
        if (!may_be_added(trial, i, weight))
            continue;
        double error = error_with(trial, sum, rounds, trial->candidate[i].forecast);
        if (error < least) {
            least = error;
            best = i;
        }
    }
    return best;
}

static void
drop_least(double *weight, size_t n, size_t keep)
{
    size_t members = 0, least = n;
    double dropped;
    for (size_t i = 0; i < n; i++) {
        members += weight[i] > 0;
        if (weight[i] > 0 && (least == n || weight[i] < weight[least]))
            least = i;
    }
    if (members <= keep)
        return;
    dropped = weight[least];
    weight[least] = 0;
    for (size_t i = 0; i < n; i++)
        weight[i] /= 1 - dropped;
}

static void
add_global(const struct trial *trial, double *weight)
{
    size_t n = trial->n_candidates, global = n;
    double best = HUGE_VAL;
    for (size_t i = 0; i < n; i++) {
        const struct candidate *c = &trial->candidate[i];
        if (!c->forecast || c->dropped)
            continue;
        best = fmin(best, c->member.error);
        if (!strcmp(offload_models[c->member.model]->name, GLOBAL) &&
            (global == n || c->member.error < trial->candidate[global].member.error))
            global = i;
    }
    if (global == n || trial->candidate[global].member.error > GLOBAL_AT_MOST * best)
        return;
    if (weight[global] <= 0)
        drop_least(weight, n, OFFLOAD_MEMBERS_MAX - 1);
    for (size_t i = 0; i < n; i++)
        weight[i] *= 1 - GLOBAL_SHARE;
    weight[global] += GLOBAL_SHARE;
}

int
combine_weigh(const struct trial *trial, double *weight)
{
    size_t size = trial->n_origins * trial->horizon, none = trial->n_candidates;
    double *sum = calloc(size, sizeof *sum), rounds = 0;
    if (!sum)
        return -ENOMEM;
    for (size_t i = 0; i < none; i++)
        weight[i] = 0;
    for (int step = 0; step < FIRST + ROUNDS - (int)SHARED; step++) {
        double times = step < FIRST ? SHARED / FIRST : 1;
        size_t next =
            step < FIRST ? best_alone(trial, weight) : best_added(trial, weight, sum, rounds);
        if (next == none)
            continue; // fewer candidates than FIRST
        weight[next] += times;
        rounds += times;
        for (size_t at = 0; at < size; at++)
            sum[at] += times * trial->candidate[next].forecast[at];
    }
    for (size_t i = 0; i < none; i++)
        weight[i] /= rounds;
    add_global(trial, weight);
    free(sum);
    return 0;
}
