// SPDX-License-Identifier: Apache-2.0
// Autoregressive moving averages: what SARIMAX and TBATS share.
// models -> [arma].  Pure.
// Melard, Algorithm AS 197: a fast algorithm for the exact likelihood of ARMA models, Appl.
// Statist. 33 (1984); Gardner, Harvey, Phillips, AS 154, Appl. Statist. 29 (1980). The state's
// element i is what is known of w(t + i) before t:
//     a(t+1)[i] = a(t)[i+1] + phi_(i+1) a(t)[0] + K(t)[i] e(t)    K tends to phi + theta

#include "lib/forecast/arma.h"
#include "lib/forecast/least.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void
arma_stationary(const double *partial, size_t n, double *phi)
{
    double before[ARMA_LAG_MAX];
    for (size_t k = 0; k < n; k++) {
        double kappa = tanh(partial[k]);
        memcpy(before, phi, k * sizeof *phi);
        for (size_t i = 0; i < k; i++)
            phi[i] = before[i] - kappa * before[k - 1 - i];
        phi[k] = kappa;
    }
}

// ---- Polynomials, dense: at[lag], at[0] = 1 ----

static size_t
multiply(double *a, size_t degree, const double *b, size_t b_degree, size_t spacing)
{
    double product[ARMA_LAG_MAX + 1] = {0};
    size_t last = degree + spacing * b_degree;
    assert(last <= ARMA_LAG_MAX);
    for (size_t j = 0; j <= b_degree; j++)
        for (size_t i = 0; i <= degree; i++)
            product[i + spacing * j] += a[i] * b[j];
    memcpy(a, product, (last + 1) * sizeof *a);
    return last;
}

static void
collect(const double *dense, size_t degree, double sign, struct arma_terms *terms)
{
    terms->n = 0;
    terms->last = 0;
    for (size_t i = 1; i <= degree; i++)
        if (dense[i] != 0) {
            terms->lag[terms->n] = (uint16_t)i;
            terms->at[terms->n++] = sign * dense[i];
            terms->last = (uint16_t)i;
        }
}

// 1 + s c_1 B + ... with the coefficients of a stationary process.
static void
factor(const double *parameter, size_t n, double *dense)
{
    double phi[ARMA_LAG_MAX];
    arma_stationary(parameter, n, phi);
    dense[0] = 1;
    for (size_t i = 0; i < n; i++)
        dense[i + 1] = -phi[i];
}

void
arma_expand(const struct arma_orders *o, const double *parameter, struct arma *arma)
{
    double dense[ARMA_LAG_MAX + 1], season[ARMA_LONG_MAX + 1];
    factor(parameter, o->p, dense);
    factor(parameter + o->p + o->q, o->sp, season);
    collect(dense, multiply(dense, o->p, season, o->sp, o->season), -1, &arma->ar);
    factor(parameter + o->p, o->q, dense);
    factor(parameter + o->p + o->q + o->sp, o->sq, season);
    collect(dense, multiply(dense, o->q, season, o->sq, o->season), 1, &arma->ma);
}

void
arma_integrate(const struct arma_orders *o, struct arma_terms *ar)
{
    static const double DIFFERENCE[2] = {1, -1};
    double dense[ARMA_LAG_MAX + 1] = {1};
    for (size_t i = 0; i < ar->n; i++)
        dense[ar->lag[i]] = -ar->at[i];
    size_t degree = ar->last;
    for (int i = 0; i < o->d; i++)
        degree = multiply(dense, degree, DIFFERENCE, 1, 1);
    for (int i = 0; i < o->sd; i++)
        degree = multiply(dense, degree, DIFFERENCE, 1, o->season);
    collect(dense, degree, -1, ar);
}

size_t
arma_difference(const struct arma_orders *o, double *y, size_t n)
{
    for (int i = 0; i < o->d + o->sd; i++) {
        size_t lag = i < o->d ? 1 : o->season;
        if (n <= lag)
            return 0;
        n -= lag;
        for (size_t t = 0; t < n; t++)
            y[t] = y[t + lag] - y[t];
    }
    return n;
}

// ---- Where the recursions start ----

// Autocovariances 0 ... n of the autoregression, its innovations' variance being 1, by Levinson's
// recursion there and back. False: not stationary.
static bool
autocovariance(const struct arma_terms *ar, size_t n, double *gamma)
{
    size_t last = ar->last;
    double phi[ARMA_LAG_MAX + 1][ARMA_LAG_MAX + 1]; // [order][lag]
    memset(phi[last], 0, sizeof phi[last]);
    for (size_t i = 0; i < ar->n; i++)
        phi[last][ar->lag[i]] = ar->at[i];
    gamma[0] = 1;
    for (size_t k = last; k > 0; k--) {
        double kappa = phi[k][k], rest = 1 - kappa * kappa;
        if (!(rest > 1e-12))
            return false;
        for (size_t i = 1; i < k; i++)
            phi[k - 1][i] = (phi[k][i] + kappa * phi[k][k - i]) / rest;
        gamma[0] /= rest;
    }
    double error = gamma[0];
    for (size_t k = 1; k <= n; k++) {
        gamma[k] = 0;
        if (k > last) {
            for (size_t i = 0; i < ar->n; i++)
                gamma[k] += ar->at[i] * gamma[k - ar->lag[i]];
            continue;
        }
        double kappa = phi[k][k];
        for (size_t i = 1; i < k; i++)
            gamma[k] += phi[k - 1][i] * gamma[k - i];
        gamma[k] += kappa * error;
        error *= 1 - kappa * kappa;
    }
    return true;
}

static size_t
state_length(const struct arma *arma)
{
    size_t r = arma->ma.last + 1;
    return arma->ar.last > r ? arma->ar.last : r;
}

// gamma(0) ... gamma(r) of w to 'gamma', and w's covariance with e of 0 ... r steps before to
// 'psi'. False: not stationary.
static bool
covariances(const struct arma *arma, size_t r, double *gamma, double *psi)
{
    double own[2 * ARMA_LAG_MAX + 4], theta[ARMA_LAG_MAX + 2];
    const struct arma_terms *ar = &arma->ar, *ma = &arma->ma;
    uint16_t lag[ARMA_LAG_MAX + 1] = {0};
    theta[0] = 1;
    for (size_t i = 0; i < ma->n; i++) {
        theta[i + 1] = ma->at[i];
        lag[i + 1] = ma->lag[i];
    }
    if (!autocovariance(ar, r + ma->last, own))
        return false;
    memset(gamma, 0, (r + 1) * sizeof *gamma);
    for (size_t i = 0; i <= ma->n; i++)
        for (size_t j = 0; j <= ma->n; j++) {
            double both = theta[i] * theta[j];
            int shift = lag[i] - lag[j];
            for (int k = 0; k <= (int)r; k++)
                gamma[k] += both * own[k + shift < 0 ? -(k + shift) : k + shift];
        }
    memset(psi, 0, (r + 1) * sizeof *psi);
    psi[0] = 1;
    for (size_t i = 0; i < ma->n; i++)
        if (ma->lag[i] <= r)
            psi[ma->lag[i]] = ma->at[i];
    for (size_t k = 1; k <= r; k++)
        for (size_t i = 0; i < ar->n && ar->lag[i] <= k; i++)
            psi[k] += ar->at[i] * psi[k - ar->lag[i]];
    return true;
}

// Covariance of what the next state knows beforehand with w(t).
static void
first_gain(const struct arma *arma, size_t r, const double *gamma, const double *psi, double *gain)
{
    memset(gain, 0, r * sizeof *gain);
    for (size_t j = 0; j < arma->ar.n; j++)
        for (size_t i = 0; i < arma->ar.lag[j]; i++)
            gain[i] += arma->ar.at[j] * gamma[arma->ar.lag[j] - 1 - i];
    for (size_t j = 0; j < arma->ma.n; j++)
        for (size_t i = 0; i < arma->ma.lag[j]; i++)
            gain[i] += arma->ma.at[j] * psi[arma->ma.lag[j] - 1 - i];
}

// ---- Innovations ----

// What K(t), F(t) are, step by step.
struct gain {
    size_t r;
    double f, m;           // F, M
    double *k, *w, *moved; // K, W, T W
};

static bool
gain_start(const struct arma *arma, struct gain *g, double *work)
{
    double gamma[ARMA_LAG_MAX + 2], psi[ARMA_LAG_MAX + 2];
    g->r = state_length(arma);
    g->k = work;
    g->w = g->k + g->r;
    g->moved = g->w + g->r;
    if (!covariances(arma, g->r, gamma, psi))
        return false;
    g->f = gamma[0];
    first_gain(arma, g->r, gamma, psi, g->k);
    for (size_t i = 0; i < g->r; i++)
        g->w[i] = g->k[i] /= g->f;
    g->m = -g->f;
    return true;
}

LEAST_HOT static void
gain_step(const struct arma *arma, struct gain *g)
{
    double *restrict k = g->k, *restrict w = g->w, *restrict moved = g->moved;
    double w0 = w[0];
    memcpy(moved, w + 1, (g->r - 1) * sizeof *w);
    moved[g->r - 1] = 0;
    for (size_t i = 0; i < arma->ar.n; i++)
        moved[arma->ar.lag[i] - 1] += arma->ar.at[i] * w0;
    double f = g->f + g->m * w0 * w0;
    double keep = g->f / f, add = g->m * w0 / f;
    for (size_t i = 0; i < g->r; i++) {
        k[i] = keep * k[i] + add * moved[i];
        w[i] = moved[i] - k[i] * w0;
    }
    g->m += g->m * g->m * w0 * w0 / g->f;
    g->f = f;
}

// to[i] += factor * from[i]
LEAST_HOT static void
add_scaled(double *restrict to, const double *restrict from, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

// The rest of a column, K being at its limit. 'known' [n - t + lags]: what earlier steps say.
static void
settled_innovations(const struct arma *arma, const double *w, size_t t, size_t n,
                    const uint8_t *gap, double *known, double *e)
{
    const struct arma_terms *ar = &arma->ar, *ma = &arma->ma;
    for (; t < n; t++, known++) {
        e[t] = gap && gap[t] ? 0 : w[t] - known[0];
        double value = known[0] + e[t], error = e[t];
        for (size_t i = 0; i < ar->n; i++)
            known[ar->lag[i]] += ar->at[i] * value;
        for (size_t i = 0; i < ma->n; i++)
            known[ma->lag[i]] += ma->at[i] * error;
    }
}

static double
column_innovations(const struct arma *arma, double tolerance, const double *w, size_t n,
                   const uint8_t *gap, double *e, double *work)
{
    struct gain g;
    double *known = work + 3 * (ARMA_LAG_MAX + 1);
    if (!gain_start(arma, &g, work))
        return NAN;
    memset(known, 0, (n + g.r) * sizeof *known);
    double log_f = 0, product = 1;
    size_t t = 0;
    for (; t < n && g.f - 1 > tolerance; t++) {
        double error = gap && gap[t] ? 0 : w[t] - known[t];
        double now = known[t];
        e[t] = error / sqrt(g.f);
        if (!gap || !gap[t])
            product *= g.f;
        if (product > 1e100) {
            log_f += log(product);
            product = 1;
        }
        for (size_t i = 0; i < arma->ar.n; i++)
            known[t + arma->ar.lag[i]] += arma->ar.at[i] * now;
        add_scaled(known + t + 1, g.k, error, g.r);
        gain_step(arma, &g);
    }
    settled_innovations(arma, w, t, n, gap, known + t, e);
    return log_f + log(product);
}

double
arma_innovations(const struct arma *arma, double tolerance, const double *w, size_t n_columns,
                 size_t stride, size_t n, const uint8_t *gap, double *e, double *work)
{
    double log_f = 0;
    for (size_t c = 0; c < n_columns; c++)
        log_f = column_innovations(arma, tolerance, w + c * stride, n, gap, e + c * stride, work);
    return log_f;
}

// ---- With gaps: Kalman's filter ----

// Elements 0 ... r-1: the stationary part, as above but with e(t) in them; then the last d + mD
// values of y.
struct kalman {
    const struct arma *arma;
    size_t r, size;
    struct arma_terms delta; // (1 - B)^d (1 - B^m)^D
    double *a, *p, *moved, *gain;
    double theta[ARMA_LAG_MAX + 2];
};

size_t
arma_kalman_work(const struct arma_orders *o, const struct arma *arma)
{
    size_t size = state_length(arma) + o->d + (size_t)o->sd * o->season;
    return 2 * size * size + 3 * size;
}

// T v to 'out', elements 'step' apart.
static void
transit(const struct kalman *k, const double *v, size_t step, double *out)
{
    const struct arma_terms *ar = &k->arma->ar;
    for (size_t i = 0; i + 1 < k->r; i++)
        out[i * step] = v[(i + 1) * step];
    out[(k->r - 1) * step] = 0;
    for (size_t i = 0; i < ar->n; i++)
        out[(ar->lag[i] - 1) * step] += ar->at[i] * v[0];
    if (k->size == k->r)
        return;
    double y = v[0];
    for (size_t i = 0; i < k->delta.n; i++)
        y += k->delta.at[i] * v[(k->r + k->delta.lag[i] - 1) * step];
    for (size_t i = k->size - 1; i > k->r; i--)
        out[i * step] = v[(i - 1) * step];
    out[k->r * step] = y;
}

// The stationary covariance: P[i][j] = E of what w(t + i), w(t + j) are made of up to t.
static bool
kalman_start(struct kalman *k)
{
    enum { DIFFUSE = 1000000 };
    size_t r = k->r, size = k->size;
    double gamma[ARMA_LAG_MAX + 2], psi[ARMA_LAG_MAX + 2];
    double phi[ARMA_LAG_MAX + 2] = {0};
    if (!covariances(k->arma, r, gamma, psi))
        return false;
    for (size_t i = 0; i < k->arma->ar.n; i++)
        phi[k->arma->ar.lag[i]] = k->arma->ar.at[i];
    memset(k->p, 0, size * size * sizeof *k->p);
    // The first column from the gain's sums; the rest from P = T P T' + R R', row by row:
    // P[i+1][j+1] = P[i][j] - phi_(i+1) P[j+1][0] - phi_(j+1) P[i+1][0] - phi phi P[0][0] - R R.
    double first[ARMA_LAG_MAX + 2] = {gamma[0]};
    for (size_t i = 1; i < r; i++) {
        for (size_t j = i + 1; j <= r; j++)
            first[i] += phi[j] * gamma[j - i];
        for (size_t j = i; j < r; j++)
            first[i] += k->theta[j] * psi[j - i];
    }
    for (size_t j = 0; j < r; j++)
        k->p[j] = k->p[j * size] = first[j];
    for (size_t i = 0; i + 1 < r; i++)
        for (size_t j = i; j + 1 < r; j++) {
            double value = k->p[i * size + j] - phi[i + 1] * first[j + 1] -
                           phi[j + 1] * first[i + 1] - phi[i + 1] * phi[j + 1] * gamma[0] -
                           k->theta[i] * k->theta[j];
            k->p[(i + 1) * size + j + 1] = k->p[(j + 1) * size + i + 1] = value;
        }
    for (size_t i = r; i < size; i++)
        k->p[i * size + i] = DIFFUSE;
    return true;
}

// P = T P T' + R R'. Returns how far P moved.
static void
kalman_predict(struct kalman *k)
{
    size_t size = k->size;
    for (size_t i = 0; i < size; i++)
        transit(k, k->p + i * size, 1, k->moved + i * size);
    for (size_t j = 0; j < size; j++)
        transit(k, k->moved + j, size, k->p + j);
    for (size_t i = 0; i < k->r; i++)
        if (k->theta[i] != 0)
            for (size_t j = 0; j < k->r; j++)
                k->p[i * size + j] += k->theta[i] * k->theta[j];
}

// Takes y(t) in. Returns F; the error goes to 'error'.
static double
kalman_correct(struct kalman *k, double y, double *error)
{
    size_t size = k->size;
    *error = y - k->a[0];
    for (size_t i = 0; i < k->delta.n; i++)
        *error -= k->delta.at[i] * k->a[k->r + k->delta.lag[i] - 1];
    for (size_t i = 0; i < size; i++) {
        const double *row = k->p + i * size;
        k->gain[i] = row[0];
        for (size_t j = 0; j < k->delta.n; j++)
            k->gain[i] += k->delta.at[j] * row[k->r + k->delta.lag[j] - 1];
    }
    double f = k->gain[0];
    for (size_t j = 0; j < k->delta.n; j++)
        f += k->delta.at[j] * k->gain[k->r + k->delta.lag[j] - 1];
    for (size_t i = 0; i < size; i++) {
        double share = k->gain[i] / f;
        k->a[i] += share * *error;
        for (size_t j = 0; j < size; j++)
            k->p[i * size + j] -= share * k->gain[j];
    }
    return f;
}

double
arma_kalman(const struct arma_orders *o, const struct arma *arma, const double *y, size_t n,
            double *e, size_t *n_used, double *work)
{
    struct kalman k = {.arma = arma, .r = state_length(arma)};
    k.size = k.r + o->d + (size_t)o->sd * o->season;
    k.p = work;
    k.moved = k.p + k.size * k.size;
    k.a = k.moved + k.size * k.size;
    k.gain = k.a + k.size;
    double *next = k.gain + k.size;
    arma_integrate(o, &k.delta);
    k.theta[0] = 1;
    for (size_t i = 0; i < arma->ma.n; i++)
        k.theta[arma->ma.lag[i]] = arma->ma.at[i];
    if (!kalman_start(&k))
        return NAN;
    memset(k.a, 0, k.size * sizeof *k.a);
    double log_f = 0;
    size_t used = 0;
    for (size_t t = 0; t < n; t++) {
        double error = 0, f = 0;
        if (!isnan(y[t]))
            f = kalman_correct(&k, y[t], &error);
        // A step that only fixes where the differences start says nothing of the parameters.
        bool informs = f > 0 && f < 1e4;
        if (e)
            e[t] = informs ? error / sqrt(f) : 0;
        if (informs) {
            log_f += log(f);
            used++;
        }
        transit(&k, k.a, 1, next);
        memcpy(k.a, next, k.size * sizeof *next);
        kalman_predict(&k);
    }
    *n_used = used;
    return log_f;
}
