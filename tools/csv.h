// SPDX-License-Identifier: Apache-2.0
// CSV files with a heading line, whole in memory. Errors name file, line and column.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>

struct csv {
    const char *path; // borrowed
    size_t n_columns, n_rows;
    char **column; // [n_columns] headings
    char **cell;   // [n_rows][n_columns]
    size_t *line;  // [n_rows] in the file, from 1
    char *text;    // what all of them point into
};

// Reads the file; blank lines do not count. -EIO, -EINVAL, -ENOMEM, -EFBIG beyond 256 MiB.
int csv_read(const char *path, struct csv *csv, struct offload_err *err);
void csv_free(struct csv *csv);

// Index of the column called 'name', or -1.
int csv_find(const struct csv *csv, const char *name);
// The same, or -EINVAL with an error that names the nearest.
int csv_need(const struct csv *csv, const char *name, struct offload_err *err);

static inline const char *
csv_cell(const struct csv *csv, size_t row, size_t column)
{
    return csv->cell[row * csv->n_columns + column];
}

// The cell as a number. An empty cell, NA and NaN are a gap: NAN, where 'gaps' says so. -EINVAL.
int csv_number(const struct csv *csv, size_t row, size_t column, bool gaps, double *out,
               struct offload_err *err);
// An ISO date or date and time (UTC where no zone is told) or a Unix time, in seconds. -EINVAL.
int csv_time(const struct csv *csv, size_t row, size_t column, double *out,
             struct offload_err *err);
