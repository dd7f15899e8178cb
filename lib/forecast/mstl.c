// SPDX-License-Identifier: Apache-2.0
// STL and MSTL by loess: series -> [decompose] -> models of what is left.  Pure.
// The papers and what is R's are named in mstl.h. The paper's steps carry its numbers.

#include "lib/forecast/mstl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MSTL_PASSES = 2, // over the seasons (2021, algorithm 1)
    SPAN_FIRST = 11, // season span of the shortest period; each next one is 4 wider
    SPAN_STEP = 4,
    JUMPS = 10, // a loess is evaluated at every span / JUMPS-th point, linear between
};

// Below this share of the span a distance counts as 0, above the other one as the span.
static const double NEAR = 0.001, FAR = 0.999;

struct loess {
    size_t span;
    int degree; // 0 or 1
    size_t jump;
};

static size_t
next_odd(size_t x)
{
    return x % 2 ? x : x + 1;
}

// The local regression at 'x' (in positions, may lie outside) over y[left..right]. False: nothing
// there has weight.
static bool
loess_at(const struct loess *l, const double *y, const double *weight, size_t n, double x,
         size_t left, size_t right, double *scratch, double *out)
{
    double h = fmax(x - left, right - x), total = 0, range = (double)n - 1;
    if (l->span > n)
        h += (double)((l->span - n) / 2);
    for (size_t j = left; j <= right; j++) {
        double r = fabs((double)j - x), w = 0;
        if (r <= FAR * h) {
            double u = r / h, v = 1 - u * u * u;
            w = (r <= NEAR * h ? 1 : v * v * v) * (weight ? weight[j] : 1);
        }
        scratch[j] = w;
        total += w;
    }
    if (!(total > 0))
        return false;
    double centre = 0, spread = 0, slope = 0;
    if (h > 0 && l->degree > 0) {
        for (size_t j = left; j <= right; j++)
            centre += scratch[j] / total * j;
        for (size_t j = left; j <= right; j++)
            spread += scratch[j] / total * (j - centre) * (j - centre);
        if (sqrt(spread) > NEAR * range)
            slope = (x - centre) / spread;
    }
    double sum = 0;
    for (size_t j = left; j <= right; j++)
        sum += scratch[j] / total * (1 + slope * (j - centre)) * y[j];
    *out = sum;
    return true;
}

// Smooths y[n] into out[n]. 'scratch' [n].
static void
loess_smooth(const struct loess *l, const double *y, const double *weight, size_t n, double *out,
             double *scratch)
{
    if (n < 2) {
        out[0] = y[0];
        return;
    }
    size_t jump = l->jump < n - 1 ? l->jump : n - 1, half = (l->span + 1) / 2, last = 0;
    for (size_t i = 0;; i += jump) {
        if (i > n - 1)
            i = n - 1;
        size_t left = 0, right = n - 1;
        if (l->span < n) {
            left = i + 1 < half ? 0 : i + 1 - half;
            if (left > n - l->span)
                left = n - l->span;
            right = left + l->span - 1;
        }
        if (!loess_at(l, y, weight, n, (double)i, left, right, scratch, &out[i]))
            out[i] = y[i];
        for (size_t j = last + 1; j < i; j++)
            out[j] = out[last] + (out[i] - out[last]) * (double)(j - last) / (double)(i - last);
        if (i == n - 1)
            return;
        last = i;
    }
}

// Mean of 'span' neighbours: out[n - span + 1].
static void
moving_mean(const double *y, size_t n, size_t span, double *out)
{
    double sum = 0;
    for (size_t i = 0; i < span; i++)
        sum += y[i];
    out[0] = sum / span;
    for (size_t i = span; i < n; i++) {
        sum += y[i] - y[i - span];
        out[i - span + 1] = sum / span;
    }
}

// ---- STL ----

struct stl {
    size_t n, period;
    bool periodic;
    struct loess season, trend, low;
    double *weight; // [n] gaps, the caller's and the robust ones together
    double *cycle;  // [n + 2 period] C
    double *a, *b;  // [n + 2 period] work
    double *part, *part_weight, *part_out, *scratch; // [n + 2 period] of a phase
};

// Step 2: smooths each phase on its own, one position further at both ends.
static void
smooth_phases(struct stl *s, const double *detrended)
{
    for (size_t phase = 0; phase < s->period; phase++) {
        size_t k = (s->n - phase - 1) / s->period + 1;
        double mean = 0, total = 0;
        for (size_t i = 0; i < k; i++) {
            s->part[i] = detrended[i * s->period + phase];
            s->part_weight[i] = s->weight[i * s->period + phase];
            mean += s->part_weight[i] * s->part[i];
            total += s->part_weight[i];
        }
        double first, end;
        if (s->periodic) {
            mean = total > 0 ? mean / total : 0;
            for (size_t i = 0; i < k; i++)
                s->part_out[i] = mean;
            first = end = mean;
        } else {
            loess_smooth(&s->season, s->part, s->part_weight, k, s->part_out, s->scratch);
            size_t right = s->season.span < k ? s->season.span - 1 : k - 1;
            if (!loess_at(&s->season, s->part, s->part_weight, k, -1, 0, right, s->scratch, &first))
                first = s->part_out[0];
            size_t left = s->season.span < k ? k - s->season.span : 0;
            if (!loess_at(&s->season, s->part, s->part_weight, k, (double)k, left, k - 1,
                          s->scratch, &end))
                end = s->part_out[k - 1];
        }
        s->cycle[phase] = first;
        for (size_t i = 0; i < k; i++)
            s->cycle[(i + 1) * s->period + phase] = s->part_out[i];
        s->cycle[(k + 1) * s->period + phase] = end;
    }
}

// Steps 1 to 6: one pass.
static void
stl_pass(struct stl *s, const double *y, double *season, double *trend)
{
    size_t n = s->n, m = s->period;
    for (size_t t = 0; t < n; t++)
        season[t] = y[t] - trend[t];
    smooth_phases(s, season);
    moving_mean(s->cycle, n + 2 * m, m, s->a);
    moving_mean(s->a, n + m + 1, m, s->b);
    moving_mean(s->b, n + 2, 3, s->a);
    loess_smooth(&s->low, s->a, NULL, n, s->b, s->scratch);
    for (size_t t = 0; t < n; t++) {
        season[t] = s->cycle[m + t] - s->b[t];
        s->a[t] = y[t] - season[t];
    }
    loess_smooth(&s->trend, s->a, s->weight, n, trend, s->scratch);
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// Bisquare weights from the remainders (1990, 2.5).
static void
robust_weights(struct stl *s, const double *y, const double *base, const double *season,
               const double *trend)
{
    size_t k = 0;
    for (size_t t = 0; t < s->n; t++)
        if (base[t] > 0)
            s->scratch[k++] = fabs(y[t] - season[t] - trend[t]);
    qsort(s->scratch, k, sizeof *s->scratch, ascending);
    double h = 3 * (s->scratch[k / 2] + s->scratch[(k - 1) / 2]);
    for (size_t t = 0; t < s->n; t++) {
        double r = fabs(y[t] - season[t] - trend[t]), u = h > 0 ? r / h : 0, v = 1 - u * u;
        double w = u <= NEAR ? 1 : u >= FAR ? 0 : v * v;
        s->weight[t] = base[t] * w;
    }
}

// Gaps get a value that no regression sees: the line between their neighbours.
static bool
bridge(const double *value, size_t n, double *out)
{
    size_t last = n;
    for (size_t t = 0; t < n; t++) {
        if (isnan(value[t]))
            continue;
        out[t] = value[t];
        for (size_t j = last == n ? 0 : last + 1; j < t; j++)
            out[j] = last == n ? value[t]
                               : value[last] + (value[t] - value[last]) * (double)(j - last) /
                                                   (double)(t - last);
        last = t;
    }
    if (last == n)
        return false;
    for (size_t j = last + 1; j < n; j++)
        out[j] = value[last];
    return true;
}

static void
stl_settle_spans(struct stl *s, const struct stl_spans *spans)
{
    s->periodic = spans->season == 0;
    size_t season = s->periodic ? 10 * s->n + 1 : spans->season;
    size_t trend = spans->trend;
    if (trend == 0)
        trend = next_odd((size_t)ceil(1.5 * s->period / (1 - 1.5 / season)));
    size_t low = next_odd(s->period);
    s->season = (struct loess){season, 0, (season + JUMPS - 1) / JUMPS};
    s->trend = (struct loess){trend, 1, (trend + JUMPS - 1) / JUMPS};
    s->low = (struct loess){low, 1, (low + JUMPS - 1) / JUMPS};
}

int
stl_decompose(const double *value, const double *weight, size_t n, size_t period,
              const struct stl_spans *spans, double *season, double *trend)
{
    if (period < 2 || n < 2 * period)
        return -EDOM;
    size_t room = n + 2 * period;
    double *memory = malloc((7 * room + 3 * n) * sizeof *memory);
    if (!memory)
        return -ENOMEM;
    struct stl s = {.n = n, .period = period};
    s.cycle = memory;
    s.a = s.cycle + room;
    s.b = s.a + room;
    s.part = s.b + room;
    s.part_weight = s.part + room;
    s.part_out = s.part_weight + room;
    s.scratch = s.part_out + room;
    s.weight = s.scratch + room;
    double *y = s.weight + n, *base = y + n;
    stl_settle_spans(&s, spans);
    int rc = 0;
    if (!bridge(value, n, y)) {
        rc = -EDOM;
        goto free_memory;
    }
    for (size_t t = 0; t < n; t++) {
        base[t] = isnan(value[t]) ? 0 : weight ? weight[t] : 1;
        s.weight[t] = base[t];
        trend[t] = 0;
    }
    for (int outer = 0;; outer++) {
        for (int inner = 0; inner < spans->inner; inner++)
            stl_pass(&s, y, season, trend);
        if (outer >= spans->outer)
            break;
        robust_weights(&s, y, base, season, trend);
    }
    if (!s.periodic)
        goto free_memory;
    for (size_t t = period; t < n; t++) // the mean of each phase, as R's stl has it
        season[t % period] += season[t];
    for (size_t phase = 0; phase < period; phase++)
        season[phase] /= (double)((n - phase - 1) / period + 1);
    for (size_t t = period; t < n; t++)
        season[t] = season[t - period];
free_memory:
    free(memory);
    return rc;
}

// ---- MSTL ----

static int
trend_alone(struct mstl *mstl, const double *value, const double *weight, double *work)
{
    size_t n = mstl->n, span = next_odd(n / 3 > 7 ? n / 3 : 7);
    struct loess l = {span, 1, (span + JUMPS - 1) / JUMPS};
    double *y = work, *base = y + n, *scratch = base + n;
    if (!bridge(value, n, y))
        return -EDOM;
    for (size_t t = 0; t < n; t++)
        base[t] = isnan(value[t]) ? 0 : weight ? weight[t] : 1;
    loess_smooth(&l, y, base, n, mstl->trend, scratch);
    return 0;
}

static int
decompose(struct mstl *mstl, const double *value, const double *weight, int outer, double *adjusted)
{
    size_t n = mstl->n;
    int passes = mstl->n_periods > 1 ? MSTL_PASSES : 1;
    memcpy(adjusted, value, n * sizeof *adjusted);
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < mstl->n_periods; i++) {
            double *season = mstl->season + i * n;
            struct stl_spans spans = {
                .season = SPAN_FIRST + SPAN_STEP * i, .inner = outer ? 1 : 2, .outer = outer};
            for (size_t t = 0; t < n; t++)
                adjusted[t] += season[t];
            int rc =
                stl_decompose(adjusted, weight, n, mstl->period[i], &spans, season, mstl->trend);
            if (rc)
                return rc;
            for (size_t t = 0; t < n; t++)
                adjusted[t] -= season[t];
        }
    return 0;
}

int
mstl_init(struct mstl *mstl, const double *value, const double *weight, size_t n,
          const size_t *period, size_t n_periods, int outer)
{
    *mstl = (struct mstl){.n = n, .n_periods = n_periods, .period = period};
    if (n == 0)
        return -EDOM;
    double *memory = calloc((2 + n_periods) * n, sizeof *memory),
           *work = malloc(3 * n * sizeof *work);
    int rc = -ENOMEM;
    if (!memory || !work)
        goto fail;
    mstl->trend = memory;
    mstl->remainder = memory + n;
    mstl->season = memory + 2 * n;
    rc = n_periods ? decompose(mstl, value, weight, outer, work)
                   : trend_alone(mstl, value, weight, work);
    if (rc)
        goto fail;
    for (size_t t = 0; t < n; t++) {
        mstl->remainder[t] = value[t] - mstl->trend[t];
        for (size_t i = 0; i < n_periods; i++)
            mstl->remainder[t] -= mstl->season[i * n + t];
    }
    free(work);
    return 0;

fail:
    free(work);
    free(memory);
    mstl->trend = NULL;
    return rc;
}

void
mstl_fini(struct mstl *mstl)
{
    free(mstl->trend);
    mstl->trend = NULL;
}
