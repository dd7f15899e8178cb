// SPDX-License-Identifier: Apache-2.0
// Least squares: Cholesky's solution of small systems, Levenberg's and Marquardt's steps.
// models -> [least].  Pure.

#include "lib/forecast/least.h"

#include <assert.h>
#include <math.h>
#include <string.h>

bool
least_solve(double *a, double *b, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double *row = a + j * n, diagonal = row[j];
        for (size_t k = 0; k < j; k++)
            diagonal -= row[k] * row[k];
        if (!(diagonal > 1e-13 * row[j]))
            return false;
        row[j] = sqrt(diagonal);
        for (size_t i = j + 1; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= a[i * n + k] * row[k];
            a[i * n + j] = sum / row[j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            b[i] -= a[i * n + k] * b[k];
        b[i] /= a[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            b[i] -= a[k * n + i] * b[k];
        b[i] /= a[i * n + i];
    }
    return true;
}

static double
dot(const double *a, const double *b, size_t n)
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

static double
sum_at(const struct least_problem *p, const double *parameter, double *residual)
{
    if (!p->residuals(p->context, parameter, residual))
        return HUGE_VAL;
    double sum = dot(residual, residual, p->n_residuals);
    return isfinite(sum) ? sum : HUGE_VAL;
}

// Fills the Jacobian's columns, J'J and J'r. False: no direction is known.
static bool
linearise(const struct least_problem *p, double *parameter, const double *residual,
          double *jacobian, double *jj, double *jr)
{
    static const double STEP = 1e-5;
    size_t k = p->n_parameters, n = p->n_residuals;
    for (size_t i = 0; i < k; i++) {
        double *column = jacobian + i * n, was = parameter[i];
        double step = was > 0 ? -STEP : STEP; // towards 0: never over the limit
        parameter[i] = was + step;
        bool there = p->residuals(p->context, parameter, column);
        parameter[i] = was;
        if (!there)
            return false;
        for (size_t t = 0; t < n; t++)
            column[t] = (column[t] - residual[t]) / step;
        jr[i] = dot(column, residual, n);
        for (size_t j = 0; j <= i; j++)
            jj[i * k + j] = jj[j * k + i] = dot(column, jacobian + j * n, n);
    }
    return true;
}

double
least_squares(const struct least_problem *p, double *parameter, double *work)
{
    enum { K = LEAST_PARAMETERS_MAX };
    size_t k = p->n_parameters, n = p->n_residuals;
    double *residual = work, *trial = work + n, *jacobian = work + 2 * n;
    double jj[K * K], jr[K], a[K * K], step[K], moved[K];
    assert(k <= K);
    double sum = sum_at(p, parameter, residual), damping = 1e-3;
    size_t used = 1;
    while (k > 0 && sum < HUGE_VAL && sum > 0 && used + k + 1 <= p->evaluations) {
        if (!linearise(p, parameter, residual, jacobian, jj, jr))
            break;
        used += k;
        double fall = 0;
        bool damped = true; // a short step tells nothing of how far it is
        while (used < p->evaluations && damping < 1e8) {
            memcpy(a, jj, k * k * sizeof *a);
            for (size_t i = 0; i < k; i++) {
                a[i * k + i] += damping * (jj[i * k + i] + 1e-9 * sum);
                step[i] = -jr[i];
            }
            bool solved = least_solve(a, step, k);
            for (size_t i = 0; i < k; i++)
                moved[i] = fmin(fmax(parameter[i] + step[i], -p->limit), p->limit);
            double reached = solved ? sum_at(p, moved, trial) : HUGE_VAL;
            used++;
            if (reached < sum) {
                fall = (sum - reached) / sum;
                sum = reached;
                memcpy(parameter, moved, k * sizeof *moved);
                memcpy(residual, trial, n * sizeof *trial);
                damped = damping > 0.1;
                damping /= 8;
                break;
            }
            damping = damping < 1e-3 ? 1e-2 : 8 * damping;
        }
        if (fall == 0 || (fall < p->tolerance && !damped))
            break;
    }
    return sum;
}
