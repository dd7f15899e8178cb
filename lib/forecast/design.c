// SPDX-License-Identifier: Apache-2.0
// Which columns of a regression are worth it: forward by chains, then backward, by AICc.
// model_sarimax -> [design].  Pure.
// Sweeps: Goodnight, A tutorial on the SWEEP operator, Amer. Statist. 33 (1979): after a sweep of
// some columns of the cross products, the rest of the matrix are those of what they leave over.

#include "lib/forecast/design.h"
#include "lib/forecast/least.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    AHEAD = 3
}; // further members of a chain that are tried at once: a weak one may hide a strong one

struct sweep {
    struct design *design;
    size_t size; // columns and y, which is the last one
    double *a;   // [size][size]
    double *was; // the diagonal at the start
    size_t n_values, n_parameters;
    double rss;
};

// A regressor, whose future someone must know, and a drift, which runs away, have to be worth twice
// what AICc asks.
static int
cost_of(const struct design_column *column)
{
    return column->kind == DESIGN_REGRESSOR || column->kind == DESIGN_DRIFT ? 2 : 1;
}

// Its own inverse: a second sweep of 'k' takes the column out again.
LEAST_HOT static void
sweep(struct sweep *s, size_t k, bool enter)
{
    size_t size = s->size;
    double *row = s->a + k * size, pivot = row[k];
    for (size_t j = 0; j < size; j++)
        row[j] /= pivot;
    for (size_t i = 0; i < size; i++) {
        double *other = s->a + i * size, factor = other[k];
        if (i == k || factor == 0)
            continue;
        for (size_t j = 0; j < size; j++)
            other[j] -= factor * row[j];
        other[k] = -factor / pivot;
    }
    row[k] = 1 / pivot;
    s->design->used[k] = enter;
    s->n_parameters += enter ? cost_of(&s->design->column[k]) : -cost_of(&s->design->column[k]);
    s->rss = s->a[size * size - 1];
}

static double
aicc(const struct sweep *s, double rss, size_t k)
{
    double n = s->n_values;
    if (n < k + 3.0 || !(rss > 0))
        return HUGE_VAL;
    return n * log(rss / n) + 2 * k * n / (n - k - 1);
}

// How far the columns 'in' would lower the sum of squares.
static double
gain_of(const struct sweep *s, const size_t *in, size_t n)
{
    double a[2 * AHEAD * 2 * AHEAD], b[2 * AHEAD], right[2 * AHEAD], gain = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->a[in[i] * s->size + in[i]] < 1e-7 * s->was[in[i]])
            return 0;
        for (size_t j = 0; j < n; j++)
            a[i * n + j] = s->a[in[i] * s->size + in[j]];
        b[i] = right[i] = s->a[in[i] * s->size + s->size - 1];
    }
    if (!least_solve(a, b, n))
        return 0;
    for (size_t i = 0; i < n; i++)
        gain += b[i] * right[i];
    return gain;
}

static bool
same_chain(const struct design_column *a, const struct design_column *b)
{
    return a->kind == b->kind && a->index == b->index;
}

static bool
same_step(const struct design_column *a, const struct design_column *b)
{
    return same_chain(a, b) && a->order == b->order;
}

// Lists the next columns of the chain that column 'first' is of, up to AHEAD orders. 'bounds' gets
// how many columns each number of orders takes. Returns the number of orders.
static size_t
list_next(const struct sweep *s, size_t first, size_t *in, size_t *bounds)
{
    const struct design_column *column = s->design->column;
    size_t n = 0, orders = 0;
    for (size_t i = first; i + 1 < s->size && same_chain(&column[i], &column[first]); i++) {
        if (n == 0 || !same_step(&column[i], &column[in[n - 1]])) {
            if (orders == AHEAD)
                break;
            orders++;
        }
        in[n++] = i;
        bounds[orders - 1] = n;
    }
    return orders;
}

// Enters what lowers AICc most. False: nothing does.
static bool
step_forward(struct sweep *s, double *reached)
{
    size_t best[2 * AHEAD], n_best = 0;
    double lowest = *reached;
    const struct design_column *column = s->design->column;
    for (size_t i = 0; i + 1 < s->size; i++) {
        bool next = !s->design->used[i] &&
                    (i == 0 || !same_chain(&column[i], &column[i - 1]) || s->design->used[i - 1]);
        if (!next)
            continue;
        size_t in[2 * AHEAD], bounds[AHEAD];
        size_t orders = list_next(s, i, in, bounds);
        for (size_t o = 0; o < orders; o++) {
            double rss = s->rss - gain_of(s, in, bounds[o]);
            double value = aicc(s, rss, s->n_parameters + bounds[o] * cost_of(&column[i]));
            if (value >= lowest)
                continue;
            lowest = value;
            n_best = bounds[o];
            memcpy(best, in, sizeof best);
        }
    }
    for (size_t i = 0; i < n_best; i++)
        sweep(s, best[i], true);
    *reached = lowest;
    return n_best > 0;
}

// Takes out a regressor that the others have made useless. False: none.
static bool
step_backward(struct sweep *s, double *reached)
{
    size_t worst = s->size;
    double lowest = *reached;
    for (size_t i = 0; i + 1 < s->size; i++) {
        const struct design_column *c = &s->design->column[i];
        if (!s->design->used[i] || (c->kind != DESIGN_REGRESSOR && c->kind != DESIGN_DRIFT))
            continue;
        double beta = s->a[i * s->size + s->size - 1];
        double value =
            aicc(s, s->rss + beta * beta / s->a[i * s->size + i], s->n_parameters - cost_of(c));
        if (value < lowest) {
            lowest = value;
            worst = i;
        }
    }
    if (worst == s->size)
        return false;
    sweep(s, worst, false);
    *reached = lowest;
    return true;
}

LEAST_HOT static double
product(const double *a, const double *b, size_t n)
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++)
        s0 += a[i] * b[i];
    return s0 + s1 + s2 + s3;
}

double
design_select(struct design *design, const double *x, const double *y, size_t n, size_t n_values,
              size_t n_other)
{
    size_t size = design->n_columns + 1;
    double *a = calloc(size * size + size, sizeof *a);
    if (!a)
        return HUGE_VAL;
    struct sweep s = {.design = design,
                      .size = size,
                      .a = a,
                      .was = a + size * size,
                      .n_values = n_values,
                      .n_parameters = n_other};
    for (size_t i = 0; i < size; i++) {
        const double *left = i + 1 < size ? x + i * design->n : y;
        for (size_t j = 0; j <= i; j++)
            a[i * size + j] = a[j * size + i] =
                product(left, j + 1 < size ? x + j * design->n : y, n);
        s.was[i] = a[i * size + i];
    }
    s.rss = s.was[size - 1];
    memset(design->used, 0, sizeof design->used);
    memset(design->beta, 0, sizeof design->beta);
    for (size_t i = 0; i + 1 < size; i++)
        if (design->column[i].kind == DESIGN_CONSTANT && s.was[i] > 0)
            sweep(&s, i, true);
    double reached = aicc(&s, s.rss, s.n_parameters);
    while (step_forward(&s, &reached))
        continue;
    while (step_backward(&s, &reached))
        continue;
    for (size_t i = 0; i + 1 < size; i++)
        design->beta[i] = design->used[i] ? a[i * size + size - 1] : 0;
    free(a);
    return reached;
}

double
design_harmonics(double angle, const double *pair, size_t n)
{
    double c = cos(angle), s = sin(angle), ck = 1, sk = 0, sum = 0;
    for (size_t k = 0; k < n; k++) {
        double next = ck * c - sk * s;
        sk = sk * c + ck * s;
        ck = next;
        sum += pair[2 * k] * ck + pair[2 * k + 1] * sk;
    }
    return sum;
}
