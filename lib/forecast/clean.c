// SPDX-License-Identifier: Apache-2.0
// Finds anomalous spells: series -> [clean] -> fit.  Pure.
// A running median over two seasons is the level, the median of what is left by phase the season,
// and the median size of the rest the yardstick (Hampel, The influence curve and its role in robust
// estimation, J. Am. Stat. Ass. 69, 1974).

#include "lib/forecast/clean.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_LEAST = 25, // steps of the running median
    WINDOW_MOST = 1001,
    VALUES_MIN = 200,   // with fewer, what is rare cannot be told
    CYCLES_MIN = 3,     // of a season whose phases have medians
    AFTER_MIN = 6,      // ordinary steps after a spell, or it may be a shift
    SPELLS_EVERY = 200, // steps: spells that are more frequent are the series' nature
    SPELLS_LEAST = 2,
};

static const double FAR = 8;          // robust deviations
static const double SHARE_MAX = 0.05; // of the values

struct search {
    const double *value;
    size_t n;
    double *level, *rest, *sorted; // [n]
    bool *odd;                     // [n]
    double scale;
};

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double
median_of(double *value, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(value, n, sizeof *value, ascending);
    return (value[n / 2] + value[(n - 1) / 2]) / 2;
}

// Where 'x' stands, or would, among 'n' ascending values.
static size_t
place_of(const double *sorted, size_t n, double x)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sorted[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void
running_median(struct search *s, size_t window)
{
    size_t half = window / 2, n = 0;
    for (size_t t = 0; t < s->n + half; t++) {
        if (t < s->n && !isnan(s->value[t])) {
            size_t at = place_of(s->sorted, n, s->value[t]);
            memmove(s->sorted + at + 1, s->sorted + at, (n++ - at) * sizeof *s->sorted);
            s->sorted[at] = s->value[t];
        }
        if (t > 2 * half && !isnan(s->value[t - 2 * half - 1])) {
            size_t at = place_of(s->sorted, n, s->value[t - 2 * half - 1]);
            memmove(s->sorted + at, s->sorted + at + 1, (--n - at) * sizeof *s->sorted);
        }
        if (t >= half)
            s->level[t - half] = n ? (s->sorted[n / 2] + s->sorted[(n - 1) / 2]) / 2 : NAN;
    }
}

static void
take_phase_medians(struct search *s, size_t period)
{
    for (size_t phase = 0; phase < period; phase++) {
        size_t k = 0;
        for (size_t t = phase; t < s->n; t += period)
            if (!isnan(s->rest[t]))
                s->sorted[k++] = s->rest[t];
        double median = median_of(s->sorted, k);
        for (size_t t = phase; t < s->n; t += period)
            s->rest[t] -= median;
    }
}

// Flags steps far outside; returns how many.
static size_t
flag(struct search *s)
{
    size_t k = 0, n = 0;
    for (size_t t = 0; t < s->n; t++)
        if (!isnan(s->rest[t]))
            s->sorted[k++] = fabs(s->rest[t]);
    s->scale = 1.4826 * median_of(s->sorted, k);
    // More than half of the rest is nothing: intermittent or constant, no yardstick.
    if (k < VALUES_MIN || !(s->scale > 1e-9 * fabs(s->sorted[k - 1])))
        return 0;
    for (size_t t = 0; t < s->n; t++) {
        s->odd[t] = fabs(s->rest[t]) > FAR * s->scale;
        n += s->odd[t];
    }
    return n;
}

static bool
recurs(const struct search *s, size_t t, const struct offload_training *training)
{
    for (size_t i = 0; i < training->n_periods; i++) {
        size_t period = training->period[i];
        bool before = t >= period && s->odd[t - period] && s->rest[t] * s->rest[t - period] > 0;
        bool after =
            t + period < s->n && s->odd[t + period] && s->rest[t] * s->rest[t + period] > 0;
        if (before || after)
            return true;
    }
    return false;
}

// Do the levels a window before and after the spell differ half as much as the spell does?
static bool
shifts(const struct search *s, size_t from, size_t to, size_t window)
{
    size_t before = from > window ? from - window : 0;
    size_t after = to + window < s->n ? to + window : s->n - 1;
    double shift = s->level[after] - s->level[before], sum = 0;
    for (size_t t = from; t <= to; t++)
        sum += isnan(s->rest[t]) ? 0 : s->rest[t];
    return fabs(shift) > fabs(sum) / (double)(to - from + 1) / 2;
}

static void
remove_spells(struct search *s, const struct offload_training *training, size_t window,
              struct clean *clean)
{
    size_t spells = 0, longest = window / 2, n_removed = 0;
    size_t most = s->n / SPELLS_EVERY > SPELLS_LEAST ? s->n / SPELLS_EVERY : SPELLS_LEAST;
    for (size_t from = 0, to; from < s->n; from = to + 1) {
        to = from;
        if (!s->odd[from])
            continue;
        size_t last = from; // a spell goes on over a few ordinary steps
        for (to = from; to < s->n && to <= last + 2; to++)
            if (s->odd[to])
                last = to;
        to = last;
        if (to - from + 1 > longest || to + AFTER_MIN >= s->n || shifts(s, from, to, window) ||
            recurs(s, from, training))
            continue;
        spells++;
        for (size_t t = from; t <= to; t++) {
            n_removed += !isnan(clean->value[t]);
            clean->value[t] = NAN;
        }
    }
    if (spells > most || n_removed > SHARE_MAX * s->n) {
        memcpy(clean->value, s->value, s->n * sizeof *clean->value);
        n_removed = 0;
    }
    clean->n_removed = n_removed;
}

static size_t
window_of(const struct offload_training *training)
{
    size_t window = 2 * offload_training_period(training) + 1;
    return window < WINDOW_LEAST ? WINDOW_LEAST : window > WINDOW_MOST ? WINDOW_MOST : window;
}

int
clean_init(struct clean *clean, const struct offload_training *training)
{
    const struct offload_series *series = &training->series;
    size_t n = series->n, window = window_of(training);
    *clean = (struct clean){.training = *training};
    clean->value = malloc((4 * n + 1) * sizeof *clean->value);
    bool *odd = calloc(n + 1, sizeof *odd);
    if (!clean->value || !odd) {
        free(odd);
        clean_fini(clean);
        return -ENOMEM;
    }
    memcpy(clean->value, series->value, n * sizeof *clean->value);
    clean->training.series.value = clean->value;
    struct search s = {.value = series->value,
                       .n = n,
                       .level = clean->value + n,
                       .rest = clean->value + 2 * n,
                       .sorted = clean->value + 3 * n,
                       .odd = odd};
    if (n >= VALUES_MIN && n >= window) {
        running_median(&s, window);
        for (size_t t = 0; t < n; t++)
            s.rest[t] = s.value[t] - s.level[t];
        for (size_t i = 0; i < training->n_periods; i++)
            if (CYCLES_MIN * training->period[i] <= n)
                take_phase_medians(&s, training->period[i]);
        if (flag(&s))
            remove_spells(&s, training, window, clean);
    }
    free(odd);
    return 0;
}

void
clean_fini(struct clean *clean)
{
    free(clean->value);
    clean->value = NULL;
}
