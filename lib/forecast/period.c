// SPDX-License-Identifier: Apache-2.0
// How long is the season?  series -> [period] -> models, select.  Pure.
// Autocorrelation of the series without its trend: Box, Jenkins, Reinsel, Ljung, Time Series
// Analysis, 5th ed., 2.1.5, over the pairs that have both values, so that gaps neither break nor
// bend it.

#include <offload/forecast.h>

#include <math.h>
#include <stdlib.h>

enum { LAG_MIN = 3, CYCLES_MIN = 3 };

// A season must explain at least this share of the variance; white noise of 100 values stays below
// 0.2.
static const double ACF_MIN = 0.3;
// A multiple of the period correlates about as well: the first lag this near the best one wins.
static const double ACF_NEAR = 0.8;

// Least squares line through the values that are there, taken away. Returns the variance left.
static double
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
    double start = n > 0 ? (sy - slope * st) / n : 0, square = 0;
    for (size_t t = 0; t < series->n; t++) {
        out[t] = series->value[t] - start - slope * t;
        if (!isnan(out[t]))
            square += out[t] * out[t];
    }
    return n > 0 ? square / n : 0;
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

// The first local peak nearly as high as the highest one.
static size_t
first_high_peak(const double *acf, size_t longest)
{
    double best = 0;
    for (size_t lag = LAG_MIN; lag < longest; lag++)
        if (acf[lag] > acf[lag - 1] && acf[lag] >= acf[lag + 1])
            best = fmax(best, acf[lag]);
    if (best < ACF_MIN)
        return 1;
    for (size_t lag = LAG_MIN; lag < longest; lag++)
        if (acf[lag] > acf[lag - 1] && acf[lag] >= acf[lag + 1] && acf[lag] >= ACF_NEAR * best)
            return lag;
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

size_t
offload_period_detect(const struct offload_series *series, size_t longest)
{
    size_t n = series->n;
    if (longest > n / CYCLES_MIN)
        longest = n / CYCLES_MIN;
    if (longest > OFFLOAD_PERIOD_MAX)
        longest = OFFLOAD_PERIOD_MAX;
    if (longest < LAG_MIN)
        return 1;
    double *x = malloc((n + longest + 2) * sizeof *x);
    if (!x)
        return 1;
    double *acf = x + n;
    double variance = detrend(series, x);
    size_t period = 1;
    if (variance > 0) {
        for (size_t lag = 0; lag <= longest + 1; lag++)
            acf[lag] = lag < n ? autocorrelation(x, n, lag, variance) : 0;
        period = first_high_peak(acf, longest + 1);
        if (period > 1)
            period = refine(acf, period, longest);
    }
    free(x);
    return period;
}
