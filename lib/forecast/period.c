// SPDX-License-Identifier: Apache-2.0
// How long is the season?  series -> [period] -> models, select.  Pure.
// Autocorrelation of the series without its trend: Box, Jenkins, Reinsel, Ljung, Time Series
// Analysis, 5th ed., 2.1.5, over the pairs that have both values, so that gaps neither break nor
// bend it.

#include <offload/forecast.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    LAG_MIN = 3,
    CYCLES_MIN = 3,
    PARTS_MIN = 3,    // of a season, or they are its harmonics
    CALENDAR_MIN = 7, // steps of a day, or the step is too coarse to tell
};

// A season must explain at least this share of the variance; white noise of 100 values stays below
// 0.2.
static const double ACF_MIN = 0.3;
// ... and rise this far out of the valley before it.
static const double ACF_RISE = 0.15;
// A multiple of the period correlates about as well: the first lag this near the best one wins.
static const double ACF_NEAR = 0.8;
static const double CLIP = 8; // medians of the distance from the trend
static const double CALENDAR_NEAR = 0.045;
// What a part of a season correlates by, at least, beside the whole one.
static const double ACF_PART = 0.3;

// Least squares line through the values that are there, taken away.
static void
detrend(const struct offload_series *series, double *out)
{
    double n = 0, st = 0, sy = 0, stt = 0, sty = 0;
    for (size_t t = 0; t < series->n; t++) {
        double y = series->value[t];
        if (isnan(y))
            continue;
        n++;
        st += t;
        sy += y;
        stt += (double)t * t;
        sty += t * y;
    }
    double spread = n * stt - st * st;
    double slope = spread > 0 ? (n * sty - st * sy) / spread : 0;
    double start = n > 0 ? (sy - slope * st) / n : 0;
    for (size_t t = 0; t < series->n; t++)
        out[t] = series->value[t] - start - slope * t;
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// One reading beyond all others would be most of the variance: it counts as far, no further.
// 'size' has room for n.
static void
clip(double *x, size_t n, double *size)
{
    size_t seen = 0;
    for (size_t t = 0; t < n; t++)
        if (!isnan(x[t]))
            size[seen++] = fabs(x[t]);
    qsort(size, seen, sizeof *size, ascending);
    double most = seen ? CLIP * size[seen / 2] : 0;
    for (size_t t = 0; most > 0 && t < n; t++)
        if (fabs(x[t]) > most)
            x[t] = copysign(most, x[t]);
}

static double
autocorrelation(const double *x, size_t n, size_t lag, double variance)
{
    double sum = 0;
    size_t pairs = 0;
    for (size_t t = lag; t < n; t++) {
        double product = x[t] * x[t - lag];
        if (isnan(product))
            continue;
        sum += product;
        pairs++;
    }
    return pairs > n / 8 ? sum / (pairs * variance) : 0;
}

// A local peak that rises out of a valley: what only fades slowly has ripples too.
static bool
is_peak(const double *acf, size_t lag, double valley)
{
    return acf[lag] > acf[lag - 1] && acf[lag] >= acf[lag + 1] && acf[lag] >= ACF_MIN &&
           acf[lag] - valley >= ACF_RISE;
}

// The first local peak nearly as high as the highest one.
static size_t
first_high_peak(const double *acf, size_t longest)
{
    double best = 0, valley = 1;
    for (size_t lag = 1; lag < longest; lag++) {
        if (lag >= LAG_MIN && is_peak(acf, lag, valley))
            best = fmax(best, acf[lag]);
        valley = fmin(valley, acf[lag]);
    }
    valley = 1;
    for (size_t lag = 1; best > 0 && lag < longest; lag++) {
        if (lag >= LAG_MIN && is_peak(acf, lag, valley) && acf[lag] >= ACF_NEAR * best)
            return lag;
        valley = fmin(valley, acf[lag]);
    }
    return 1;
}

// A smooth season has a broad peak, whose top noise may shift by a step; at its multiples a wrong
// period is ever further off. Of the neighbours, the one whose multiples correlate best, counted up
// to 'longest'.
static size_t
refine(const double *acf, size_t period, size_t longest)
{
    size_t best = period, reach = period / 8 + 1, n = longest / (period + reach);
    double best_sum = -HUGE_VAL;
    for (size_t p = period > LAG_MIN + reach ? period - reach : LAG_MIN; p <= period + reach; p++) {
        double sum = 0;
        for (size_t k = 1; k <= n; k++)
            sum += acf[k * p];
        if (n > 0 && sum > best_sum) {
            best_sum = sum;
            best = p;
        }
    }
    return best;
}

// The season of 'x' [n], whose mean is 0; 'acf' has room for longest + 2.
static size_t
detect(const double *x, size_t n, size_t longest, double *acf)
{
    double variance = 0;
    size_t seen = 0;
    for (size_t t = 0; t < n; t++)
        if (!isnan(x[t])) {
            variance += x[t] * x[t];
            seen++;
        }
    if (variance <= 0)
        return 1;
    variance /= (double)seen;
    for (size_t lag = 0; lag <= longest + 1; lag++)
        acf[lag] = lag < n ? autocorrelation(x, n, lag, variance) : 0;
    size_t period = first_high_peak(acf, longest + 1);
    return period > 1 ? refine(acf, period, longest) : 1;
}

// Takes the mean of each phase away.
static void
deseason(double *x, size_t n, size_t period)
{
    for (size_t phase = 0; phase < period && phase < n; phase++) {
        double sum = 0, seen = 0;
        for (size_t t = phase; t < n; t += period)
            if (!isnan(x[t])) {
                sum += x[t];
                seen++;
            }
        for (size_t t = phase; seen > 0 && t < n; t += period)
            x[t] -= sum / seen;
    }
}

// A season of which the shorter one is a part need not fit it to the step: 167 is 168.
static size_t
to_multiple(size_t period, size_t shorter)
{
    size_t times = (period + shorter / 2) / shorter;
    size_t apart = period > times * shorter ? period - times * shorter : times * shorter - period;
    return times > 1 && apart <= period / 32 ? times * shorter : period;
}

// A season that the one found, 'period', is made of: days in a week whose ends differ, so that a
// day correlates less than the week. All its multiples up to the longer one must correlate. 1:
// none.
static size_t
detect_within(const double *acf, size_t period)
{
    size_t best = 1;
    for (size_t lag = LAG_MIN; lag <= period / PARTS_MIN; lag++) {
        if (acf[lag] <= acf[lag - 1] || acf[lag] < acf[lag + 1] || acf[lag] < ACF_MIN ||
            (best > 1 && acf[lag] <= acf[best]) || to_multiple(period, lag) % lag)
            continue;
        double least = acf[lag];
        for (size_t at = 2 * lag; at + lag / 2 < period; at += lag)
            least = fmin(least, acf[at]);
        if (least >= ACF_PART * acf[period])
            best = lag;
    }
    return best;
}

// People live by days and weeks: what is within a few percent of those is meant to be one.
static size_t
to_calendar(size_t period, double step_s)
{
    static const double lengths_s[] = {86400, 7 * 86400};
    for (size_t i = 0; step_s > 1 && i < sizeof lengths_s / sizeof *lengths_s; i++) {
        double steps = lengths_s[i] / step_s;
        if (steps >= CALENDAR_MIN && steps == floor(steps) &&
            fabs((double)period - steps) <= CALENDAR_NEAR * steps)
            return (size_t)steps;
    }
    return period;
}

size_t
offload_periods_detect(const struct offload_series *series, size_t longest, size_t *period,
                       size_t max)
{
    size_t n = series->n, found = 0;
    if (longest > n / CYCLES_MIN)
        longest = n / CYCLES_MIN;
    if (longest > OFFLOAD_PERIOD_MAX)
        longest = OFFLOAD_PERIOD_MAX;
    if (longest < LAG_MIN)
        return 0;
    double *x = malloc((2 * n + 2) * sizeof *x);
    if (!x)
        return 0;
    double *acf = x + n; // of longest + 2, which is less than n
    detrend(series, x);
    clip(x, n, acf);
    while (found < max) {
        size_t next = to_calendar(detect(x, n, longest, acf), series->step_s);
        if (found > 0)
            next = to_multiple(next, period[found - 1]);
        // What a shorter season leaves may be longer ones, not shorter.
        if (next <= 1 || (found > 0 && next < 2 * period[found - 1]))
            break;
        size_t within = found == 0 && max > 1 ? detect_within(acf, next) : 1;
        if (within > 1) {
            within = to_calendar(within, series->step_s);
            period[found++] = within;
            next = to_multiple(next, within);
        }
        period[found++] = next;
        deseason(x, n, next);
    }
    free(x);
    return found;
}

size_t
offload_period_detect(const struct offload_series *series, size_t longest)
{
    size_t period;
    return offload_periods_detect(series, longest, &period, 1) ? period : 1;
}
