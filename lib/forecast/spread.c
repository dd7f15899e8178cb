// SPDX-License-Identifier: Apache-2.0
// How far from the mean may it come? Whole trajectories of out-of-sample errors, so that the
// maximum over a horizon comes out right too.  select -> [spread] -> fan.  Pure.
// Intervals from errors that were not fitted: Vovk, Gammerman, Shafer, Algorithmic Learning in a
// Random World, 2005 (split conformal prediction), with errors scaled by how hard the step is (Lei,
// G'Sell, Rinaldo, Tibshirani, Wasserman, J. Am. Stat. Assoc. 113, 2018, 5.2).

#include "lib/forecast/spread.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEVEL_REACH = 3 }; // knots on each side over which the level is smoothed

// What a bin of the season is held to be before it has shown anything, in weight of errors.
static const double SEASON_PRIOR = 12;
// Two trajectories are blended by at most this angle: the second one breaks up the steps that few
// trajectories make of a quantile, and changes no variance.
static const double BLEND = 0.6;

// The models were chosen by the very errors that are kept here, which are therefore a little small.
static const double OPTIMISM = 1.18;
// How wide errors are is itself known from few of them: each trajectory is scaled as Student's t of
// this many degrees of freedom scales a normal variable. 4, the least even number with a variance.
enum { FREEDOM = 4 };
static const double SCALE_MAX = 9; // of the variance: beyond, one draw in 250, tails are made up

// How rough the days of the comparison were will not last: widths go this far, as an exponent, from what
// was met there towards what all of history would have them be. Between 0.3 and 0.6 all sets of series
// of a benchmark, and others, liked alike.
static const double REVERSION = 0.5;
static const double REVERSION_MOST = 3; // times wider, or narrower

static size_t
knot_step(const struct spread *s, size_t knot)
{
    return s->n_knots > 1 ? knot * (s->horizon - 1) / (s->n_knots - 1) : 0;
}

static size_t
step_knot(const struct spread *s, size_t step)
{
    if (step >= s->horizon)
        step = s->horizon - 1;
    return s->horizon > 1 ? step * (s->n_knots - 1) / (s->horizon - 1) : 0;
}

static size_t
bin_of(const struct spread *s, size_t t)
{
    return t % s->period * s->n_bins / s->period;
}

// What is common to all origins at a step says where the last days were, not where the next one
// goes: it is taken away.
static void
centre(struct offload_errors *e)
{
    for (size_t h = 0; h < e->horizon; h++) {
        double sum = 0, n = 0;
        for (size_t o = 0; o < e->n_origins; o++)
            if (!isnan(e->error[o * e->horizon + h])) {
                sum += e->error[o * e->horizon + h];
                n++;
            }
        for (size_t o = 0; n > 1 && o < e->n_origins; o++)
            e->error[o * e->horizon + h] -= sum / n;
    }
}

static double
error_at(const struct offload_errors *e, size_t origin, size_t step)
{
    return e->error[origin * e->horizon + step];
}

// Mean size of the errors around each knot.
static void
find_level(struct spread *s, const struct offload_errors *e)
{
    double raw[SPREAD_KNOTS_MAX], count[SPREAD_KNOTS_MAX];
    for (size_t k = 0; k < s->n_knots; k++) {
        raw[k] = count[k] = 0;
        for (size_t o = 0; o < e->n_origins; o++) {
            double error = error_at(e, o, knot_step(s, k));
            if (isnan(error))
                continue;
            raw[k] += fabs(error);
            count[k]++;
        }
    }
    for (size_t k = 0; k < s->n_knots; k++) {
        double sum = 0, n = 0;
        // The first steps differ most, so they are smoothed least.
        size_t reach = k < LEVEL_REACH ? k : LEVEL_REACH;
        for (size_t j = k - reach; j <= k + reach && j < s->n_knots; j++) {
            sum += raw[j];
            n += count[j];
        }
        s->level[k] = (float)(n > 0 ? OPTIMISM * sum / n : 0);
    }
}

static void
find_season(struct spread *s, const struct offload_errors *e)
{
    double sum[SPREAD_BINS_MAX], n[SPREAD_BINS_MAX], mean = 0;
    for (size_t b = 0; b < s->n_bins; b++)
        sum[b] = n[b] = SEASON_PRIOR;
    for (size_t o = 0; o < e->n_origins; o++)
        for (size_t k = 0; k < s->n_knots; k++) {
            double error = error_at(e, o, knot_step(s, k));
            size_t b = bin_of(s, e->from[o] + knot_step(s, k));
            if (isnan(error) || s->level[k] <= 0)
                continue;
            sum[b] += fabs(error) / s->level[k];
            n[b]++;
        }
    for (size_t b = 0; b < s->n_bins; b++)
        mean += sum[b] / n[b] / (double)s->n_bins;
    for (size_t b = 0; b < s->n_bins; b++)
        s->season[b] = (float)(sum[b] / n[b] / mean);
}

// A gap takes the error before it.
static void
scale_errors(struct spread *s, const struct offload_errors *e)
{
    for (size_t o = 0; o < e->n_origins; o++) {
        float last = 0;
        for (size_t k = 0; k < s->n_knots; k++) {
            double error = error_at(e, o, knot_step(s, k));
            double scale = s->level[k] * s->season[bin_of(s, e->from[o] + knot_step(s, k))];
            if (!isnan(error) && scale > 0)
                last = (float)(OPTIMISM * error / scale);
            s->scaled[o * s->n_knots + k] = last;
        }
    }
}

// Mean change over 'lag' steps of the values from 'from' on.
static double
mean_change(const struct offload_series *series, size_t from, size_t lag)
{
    double sum = 0, n = 0;
    for (size_t t = from > lag ? from : lag; t < series->n; t++)
        if (!isnan(series->value[t]) && !isnan(series->value[t - lag])) {
            sum += fabs(series->value[t] - series->value[t - lag]);
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

void
spread_revert(struct offload_errors *e, const struct offload_series *series, size_t period)
{
    double usual = mean_change(series, 0, period);
    double late = e->n_origins ? mean_change(series, e->from[0], period) : NAN;
    if (!(usual > 0 && late > 0))
        return;
    double widen = pow(usual / late, REVERSION);
    widen = fmin(fmax(widen, 1 / REVERSION_MOST), REVERSION_MOST);
    for (size_t i = 0; i < e->n_origins * e->horizon; i++)
        e->error[i] *= widen;
}

int
spread_init(struct spread *s, struct offload_errors *e, size_t period)
{
    *s = (struct spread){.n = e->n_origins, .horizon = e->horizon, .period = period};
    s->n_knots = e->horizon < SPREAD_KNOTS_MAX ? e->horizon : SPREAD_KNOTS_MAX;
    s->n_bins = period < SPREAD_BINS_MAX ? period : SPREAD_BINS_MAX;
    if (e->n_origins == 0)
        return 0;
    s->scaled = malloc(s->n * s->n_knots * sizeof *s->scaled);
    if (!s->scaled)
        return -ENOMEM;
    centre(e);
    find_level(s, e);
    find_season(s, e);
    scale_errors(s, e);
    return 0;
}

void
spread_fini(struct spread *s)
{
    free(s->scaled);
    s->scaled = NULL;
    s->n = 0;
}

size_t
spread_bytes(const struct spread *s)
{
    return s->n * s->n_knots * sizeof *s->scaled;
}

void
spread_draw(const struct spread *s, uint64_t *random, size_t phase, size_t lead, size_t horizon,
            double *out)
{
    if (s->n == 0) {
        memset(out, 0, horizon * sizeof *out);
        return;
    }
    const float *a = s->scaled + spread_random(random) % s->n * s->n_knots;
    const float *b = s->scaled + spread_random(random) % s->n * s->n_knots;
    double angle = BLEND * (2 * spread_uniform(random) - 1);
    double chi_square = 0; // of two degrees of freedom a draw
    for (int i = 0; i < FREEDOM; i += 2)
        chi_square -= 2 * log(1 - spread_uniform(random));
    double scale = sqrt(FREEDOM / fmax(chi_square, FREEDOM / SCALE_MAX));
    double share_a = scale * cos(angle), share_b = scale * sin(angle);
    for (size_t h = 0; h < horizon; h++) {
        size_t k = step_knot(s, lead + h);
        out[h] = s->level[k] * s->season[bin_of(s, phase + h)] * (share_a * a[k] + share_b * b[k]);
    }
}
