// SPDX-License-Identifier: Apache-2.0
// Effects of regressors for the LSTM forecaster: ridge regression (Hoerl and Kennard 1970).
// series, regressors -> [lstm_effects] -> model_lstm.  Pure.
//     y(t) - y(t-p) = (b(t) - b(t-p))' w + e    for p each of the seasons, (B'B + lambda I) w = B'y

#include "lib/forecast/lstm_effects.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDS = 6, EACH_MAX = 6 };

static const double PENALTIES[] = {1e-3, 1e-2, 3e-2, 0.1, 0.3, 1};
enum { N_PENALTIES = sizeof PENALTIES / sizeof *PENALTIES };
static const double GAIN = 0.98; // of errors, or there is no effect
static const double ROBUST = 4;  // differences beyond so many mean ones count as that
static const double MOST = 4;    // standard deviations: what was never seen has no larger effect

struct normal {
    double square[EFFECT_COLUMNS][EFFECT_COLUMNS], product[EFFECT_COLUMNS], energy;
    double rows;
};

struct work {
    struct lstm_effects *effects;
    const double *value;
    const struct offload_regressors *x;
    size_t n, columns;
    struct normal fold[FOLDS], all;
};

// [each] columns of regressor 'k'.
static void
columns_of(const struct lstm_effects *e, size_t k, double value, size_t phase, double *out)
{
    double z = isfinite(value) ? (value - e->mean[k]) / e->scale[k] : 0;
    z = fmin(fmax(z, -MOST), MOST);
    double turn = 2 * M_PI * (double)phase / e->season;
    double all[EACH_MAX] = {
        z, z * z, z * sin(turn), z * cos(turn), z * sin(2 * turn), z * cos(2 * turn)};
    memcpy(out, all, e->each * sizeof *out);
}

static void
standardise(struct lstm_effects *e, const struct offload_regressors *x, size_t n)
{
    for (size_t k = 0; k < x->n; k++) {
        double sum = 0, square = 0, seen = 0;
        for (size_t t = 0; t < n; t++) {
            double v = x->value[t * x->n + k];
            if (!isfinite(v))
                continue;
            seen++;
            double before = v - (seen > 1 ? sum : v);
            sum += seen > 1 ? before / seen : v;
            square += before * (v - sum);
        }
        e->mean[k] = sum;
        e->scale[k] = seen > 1 && square > 0 ? sqrt(square / seen) : HUGE_VAL;
    }
}

static void
row_of(const struct work *w, size_t t, double *out)
{
    const struct lstm_effects *e = w->effects;
    for (size_t k = 0; k < w->x->n; k++)
        columns_of(e, k, w->x->value[t * w->x->n + k], t % e->season, out + k * e->each);
}

static void
add_row(struct normal *to, const double *row, double y, double weight, size_t columns)
{
    for (size_t i = 0; i < columns; i++) {
        for (size_t j = 0; j <= i; j++)
            to->square[i][j] += weight * row[i] * row[j];
        to->product[i] += weight * row[i] * y;
    }
    to->energy += weight * y * y;
    to->rows += weight;
}

static void
add_normal(struct normal *to, const struct normal *from, double sign)
{
    double *a = (double *)to;
    const double *b = (const double *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *a; i++)
        a[i] += sign * b[i];
}

// Differences over 'lag' into the folds, blocks of time.
static void
add_differences(struct work *w, size_t lag)
{
    double size = 0, now[EFFECT_COLUMNS], before[EFFECT_COLUMNS];
    for (size_t t = lag; t < w->n; t++)
        size += fabs(w->value[t] - w->value[t - lag]);
    size /= (double)(w->n - lag);
    if (size <= 0)
        return;
    for (size_t t = lag; t < w->n; t++) {
        row_of(w, t, now);
        row_of(w, t - lag, before);
        for (size_t i = 0; i < w->columns; i++)
            now[i] -= before[i];
        double y = w->value[t] - w->value[t - lag];
        y = fmin(fmax(y, -ROBUST * size), ROBUST * size);
        add_row(&w->fold[t * FOLDS / w->n], now, y, 1 / (size * size), w->columns);
    }
}

// Cholesky; false if it is not positive.
static bool
solve(const struct normal *a, double penalty, size_t columns, double *out)
{
    double l[EFFECT_COLUMNS][EFFECT_COLUMNS];
    for (size_t i = 0; i < columns; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a->square[i][j] + (i == j ? penalty : 0);
            for (size_t k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            if (i == j && !(sum > 0))
                return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
        double sum = a->product[i];
        for (size_t k = 0; k < i; k++)
            sum -= l[i][k] * out[k];
        out[i] = sum / l[i][i];
    }
    for (size_t i = columns; i-- > 0;) {
        for (size_t k = i + 1; k < columns; k++)
            out[i] -= l[k][i] * out[k];
        out[i] /= l[i][i];
    }
    return true;
}

// Squared error of 'weight' on the rows of 'a'.
static double
error_on(const struct normal *a, const double *weight, size_t columns)
{
    double sum = a->energy;
    for (size_t i = 0; i < columns; i++) {
        sum -= 2 * weight[i] * a->product[i];
        for (size_t j = 0; j < columns; j++)
            sum += weight[i] * weight[j] * (j <= i ? a->square[i][j] : a->square[j][i]);
    }
    return sum;
}

// Mean diagonal of all: what a penalty is measured in.
static double
unit_of(const struct work *w)
{
    double sum = 0;
    for (size_t i = 0; i < w->columns; i++)
        sum += w->all.square[i][i];
    return sum / (double)w->columns + 1e-12;
}

static void
choose(struct work *w)
{
    struct lstm_effects *e = w->effects;
    double best = GAIN * w->all.energy, unit = unit_of(w);
    double penalty = -1, weight[EFFECT_COLUMNS];
    for (size_t i = 0; i < N_PENALTIES; i++) {
        double error = 0;
        for (size_t f = 0; f < FOLDS; f++) {
            add_normal(&w->all, &w->fold[f], -1);
            bool solved = solve(&w->all, PENALTIES[i] * unit, w->columns, weight);
            add_normal(&w->all, &w->fold[f], 1);
            error += solved ? error_on(&w->fold[f], weight, w->columns) : HUGE_VAL;
        }
        if (error < best) {
            best = error;
            penalty = PENALTIES[i];
        }
    }
    if (penalty < 0 || !solve(&w->all, penalty * unit, w->columns, e->weight))
        e->n_x = 0;
}

int
lstm_effects_fit(struct lstm_effects *e, const double *value, size_t n, size_t season,
                 size_t longer, const struct offload_regressors *x)
{
    *e = (struct lstm_effects){.season = (uint32_t)season};
    if (x->n == 0 || n < 4 * season)
        return 0;
    size_t each = EFFECT_COLUMNS / x->n;
    e->each = (uint32_t)(each >= EACH_MAX && season > 4 ? EACH_MAX : each >= 2 ? 2 : 1);
    e->n_x = (uint32_t)x->n;
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    *w = (struct work){.effects = e, .value = value, .x = x, .n = n, .columns = x->n * e->each};
    standardise(e, x, n);
    add_differences(w, season);
    if (longer && n >= 2 * longer)
        add_differences(w, longer);
    for (size_t f = 0; f < FOLDS; f++)
        add_normal(&w->all, &w->fold[f], 1);
    choose(w);
    free(w);
    return 0;
}

double
lstm_effects_at(const struct lstm_effects *e, const double *x, size_t phase)
{
    double sum = 0, column[EACH_MAX];
    for (size_t k = 0; x && k < e->n_x; k++) {
        columns_of(e, k, x[k], phase, column);
        for (size_t i = 0; i < e->each; i++)
            sum += e->weight[k * e->each + i] * column[i];
    }
    return sum;
}
