// SPDX-License-Identifier: Apache-2.0
// A series out of a person's own CSV or RRD file.
#pragma once

#include <offload/err.h>
#include <offload/forecast.h>

#include <stddef.h>

struct ownseries {
    char name[160]; // file and column, for people
    double *value;  // [n], NAN: a gap
    size_t n;
    double step_s, start_s; // 'start_s' 0: not known
    size_t n_x;             // regressors
    char *x_name[OFFLOAD_REGRESSORS_MAX];
    double *x;      // [n + n_ahead][n_x]
    size_t n_ahead; // rows at the end that have regressors only
};

// 'column': the CSV's column or the RRD's data source; NULL: "value", or the only one that there
// is. 'regressors': the CSV's columns that are known ahead, with commas; NULL: none.
int ownseries_read(const char *path, const char *column, const char *regressors,
                   struct ownseries *series, struct offload_err *err);
void ownseries_free(struct ownseries *series);
