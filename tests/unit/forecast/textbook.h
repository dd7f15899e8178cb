// SPDX-License-Identifier: Apache-2.0
// Reads the series of tests/data/textbook (its README names them).
#pragma once

#include "tests/unit/forecast/test.h"

#include <stdio.h>
#include <string.h>

// The series called 'name'; the caller frees its values.
static inline struct offload_series
textbook(const char *name)
{
    enum { MOST = 1024 };
    const char *top = getenv("srcdir") ? getenv("srcdir") : ".";
    char path[512], line[128];
    snprintf(path, sizeof path, "%s/tests/data/textbook/%s.csv", top, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    double *value = malloc(MOST * sizeof *value);
    struct offload_series series = {.value = value, .step_s = 1};
    assert_non_null(fgets(line, sizeof line, f));
    while (series.n < MOST && fgets(line, sizeof line, f))
        value[series.n++] = strtod(strchr(line, ',') + 1, NULL);
    fclose(f);
    assert_true(series.n > 10);
    return series;
}
