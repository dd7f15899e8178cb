// SPDX-License-Identifier: Apache-2.0
// A benchmark directory: manifest.csv lists cases (a series, its training part, the horizon that
// follows), files hold the series, with regressors that are known into the future.
// manifest, files -> [benchmark] -> forecaster -> forecasts and times as CSV.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct benchmark_options {
    const char *dir;
    const char *dataset; // NULL: all
    bool subset;
    bool no_regressors;
    int model; // index into offload_models, -1: auto
    size_t jobs;
    uint64_t seed;
    const char *out;   // case_id,step,mean,lo80,hi80,lo95,hi95
    const char *times; // case_id,ms of processor time; NULL: not told
};

struct benchmark_result {
    size_t cases, not_forecast;
    double ms; // of all cases
};

// Forecasts the cases and writes the files. Figures do not depend on 'jobs'.
int benchmark_run(const struct benchmark_options *options, struct benchmark_result *result,
                  struct offload_err *err);
