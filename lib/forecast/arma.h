// SPDX-License-Identifier: Apache-2.0
// Autoregressive moving averages: polynomials, exact innovations, likelihood with gaps.
// Letters as in Box and Jenkins: phi(B) Phi(B^m) w = theta(B) Theta(B^m) e; the signs are
//     w(t) = phi_1 w(t-1) + ... + e(t) + theta_1 e(t-1) + ...
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARMA_LAG_MAX = 127, // of the expanded polynomials, differences included
    ARMA_SHORT_MAX = 5, // p, q
    ARMA_LONG_MAX = 2,  // P, Q
    ARMA_PARAMETERS_MAX = 2 * (ARMA_SHORT_MAX + ARMA_LONG_MAX),
};

struct arma_orders {
    uint16_t p, d, q;
    uint16_t sp, sd, sq; // P, D, Q
    uint16_t season;     // m; 1: none, and P, D, Q are 0
};

// One polynomial, by its lags that are not 0.
struct arma_terms {
    uint16_t n, last; // terms; the longest lag
    uint16_t lag[ARMA_LAG_MAX];
    double at[ARMA_LAG_MAX];
};

struct arma {
    struct arma_terms ar, ma;
};

// phi_1 ... phi_n of a stationary process from any 'n' numbers: their tanh are the partial
// autocorrelations (Barndorff-Nielsen and Schou 1973; Monahan 1984).
void arma_stationary(const double *partial, size_t n, double *phi);

// The expanded polynomials without differences. 'parameter' [p + q + P + Q] are unbounded, as
// arma_stationary takes them: p of phi, q of theta (invertible), P of Phi, Q of Theta.
void arma_expand(const struct arma_orders *orders, const double *parameter, struct arma *arma);

// phi(B) (1 - B)^d (1 - B^m)^D in place of phi(B).
void arma_integrate(const struct arma_orders *orders, struct arma_terms *ar);

// w = (1 - B)^d (1 - B^m)^D y, n - d - mD values in place from 'y' on.
size_t arma_difference(const struct arma_orders *orders, double *y, size_t n);

// Standardised innovations e / sqrt(F) of 'n_columns' series [n_columns][n], 'stride' apart, to
// 'e' (same layout), from Chandrasekhar's recursions (Morf, Sidhu, Kailath 1974; Melard 1984):
// exact up to where F is within 'tolerance' of its limit. 'gap' [n] (may be NULL): steps whose
// value is passed over, their e is 0. 'work': n + 3 (ARMA_LAG_MAX + 2). Returns the sum of log F
// over the steps that are no gaps, NAN if the process is not stationary.
double arma_innovations(const struct arma *arma, double tolerance, const double *w,
                        size_t n_columns, size_t stride, size_t n, const uint8_t *gap, double *e,
                        double *work);

// The exact Gaussian likelihood of the series 'y' [n], in which NAN are gaps, under the ARIMA
// 'orders' with the stationary part 'arma': Kalman's filter with a diffuse start for the
// differences (Harvey 1989, 3.3; variance 1e6 as R's arima). Standardised innovations go to 'e'
// (may be NULL), 0 where there are none; 'n_used' gets the count of those. 'work': at least
// arma_kalman_work(). Returns the sum of log F, NAN if not stationary.
double arma_kalman(const struct arma_orders *orders, const struct arma *arma, const double *y,
                   size_t n, double *e, size_t *n_used, double *work);
size_t arma_kalman_work(const struct arma_orders *orders, const struct arma *arma);
