// SPDX-License-Identifier: Apache-2.0
// Levels of what may come, from a forecast's past errors; calibrate.h has the idea.
// forecast, measured load -> [calibrate] -> state.  Pure.
#include "lib/allocate/calibrate.h"

#include <math.h>
#include <string.h>

// Errors are relative to the forecast, but not to less than this part of the mean.
static const double SCALE_LEAST = 0.15;
static const double FAST = 0.15, SLOW = 0.01; // weights of the newest

static double
base_of(const struct alloc_calibration *c, double median)
{
    return fmax(fmax(median, SCALE_LEAST * c->mean), 1);
}

// Errors come in spells: where the last ones were large, the next will be.
static double
scale_of(const struct alloc_calibration *c, double median)
{
    double base = base_of(c, median);
    if (c->usual_error <= 0)
        return base;
    return base * sqrt(fmin(fmax(c->recent_error / c->usual_error, 1 / 3.0), 3));
}

static unsigned
kept(const struct alloc_calibration *c)
{
    return c->n_errors < CALIBRATE_ERRORS ? c->n_errors : CALIBRATE_ERRORS;
}

// The oldest makes room, and the newest goes where it belongs.
static void
add_error(struct alloc_calibration *c, float error)
{
    uint8_t place = (uint8_t)(c->n_errors % CALIBRATE_ERRORS);
    unsigned n = kept(c), low = 0;
    if (c->n_errors >= CALIBRATE_ERRORS) {
        uint8_t *oldest = memchr(c->order, place, n);
        n--;
        memmove(oldest, oldest + 1, (size_t)(c->order + n - oldest));
    }
    for (unsigned high = n; low < high;) {
        unsigned middle = (low + high) / 2;
        if (c->error[c->order[middle]] <= error)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(c->order + low + 1, c->order + low, n - low);
    c->order[low] = place;
    c->error[place] = error;
    c->n_errors++;
}

void
alloc_calibration_note(struct alloc_calibration *c, double median, double actual)
{
    if (!isfinite(actual))
        return;
    if (isfinite(median)) {
        double off = fabs(actual - median) / base_of(c, median);
        add_error(c, (float)((actual - median) / scale_of(c, median)));
        if (c->usual_error <= 0)
            c->recent_error = c->usual_error = off;
        // One outlier is no spell.
        c->recent_error += FAST * (fmin(off, 5 * c->recent_error + 0.01) - c->recent_error);
        c->usual_error += SLOW * (off - c->usual_error);
    }
    c->mean += (actual - c->mean) / ++c->n_loads;
}

// By lines between neighbours.
static double
quantile(const struct alloc_calibration *c, double p)
{
    unsigned n = kept(c);
    double at = p * (n - 1);
    unsigned below = (unsigned)at;
    double low = c->error[c->order[below]];
    return below + 1 >= n ? low : low + (at - below) * (c->error[c->order[below + 1]] - low);
}

bool
alloc_calibration_tell(const struct alloc_calibration *c, double median, struct alloc_demand *d,
                       double *level)
{
    double scale = scale_of(c, median);
    if (c->n_errors < CALIBRATE_ERRORS_LEAST || !isfinite(median))
        return false;
    d->p50 = fmax(median + scale * quantile(c, 0.5), 0);
    d->p90 = fmax(median + scale * quantile(c, 0.9), d->p50);
    d->p99 = fmax(median + scale * quantile(c, 0.99), d->p90);
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        level[i] = fmax(median + scale * quantile(c, alloc_level_p[i]), 1);
    return true;
}
