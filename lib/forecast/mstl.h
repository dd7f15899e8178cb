// SPDX-License-Identifier: Apache-2.0
// STL and MSTL: a series as trend + seasons + remainder, by local regression.
//
// Cleveland, Cleveland, McRae, Terpenning, STL: a seasonal-trend decomposition procedure based on
// loess, J. Official Statistics 6 (1990); Bandara, Hyndman, Bergmeir, MSTL (arXiv 2107.13462,
// 2021). Spans, degrees and jumps are by default those of R's stl() and forecast::mstl(), so that
// results agree to rounding where no value is missing. A gap has no weight in any regression: it
// costs the trend nothing, and gets a trend and a season of its own. All is O(n) for a given span.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct stl_spans {
    size_t season; // of the loess within a phase, odd, at least 7; 0: periodic (a plain mean)
    size_t trend;  // odd; 0: 1.5 period / (1 - 1.5 / season), as the paper derives it
    int inner;     // passes
    int outer;     // robust passes; 0: none
};

struct mstl {
    size_t n, n_periods;
    const size_t *period; // borrowed
    double *trend;        // [n]
    double *season;       // [n_periods][n]
    double *remainder;    // [n], NAN at gaps
};

// One season. 'value' [n], NAN: a gap; 'weight' [n] or NULL: 0-1 of each value, multiplies the
// robust ones. 'season' and 'trend' get [n]. -EDOM: fewer than two seasons, or no value; -ENOMEM.
int stl_decompose(const double *value, const double *weight, size_t n, size_t period,
                  const struct stl_spans *spans, double *season, double *trend);

// Several seasons, ascending, each seen twice (n >= 2 period; one that was not gets -EDOM). Without
// a season the trend is a loess over a third of the series. 'outer' is that of stl_spans.
int mstl_init(struct mstl *mstl, const double *value, const double *weight, size_t n,
              const size_t *period, size_t n_periods, int outer);
void mstl_fini(struct mstl *mstl);
