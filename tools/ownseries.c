// SPDX-License-Identifier: Apache-2.0
// A series out of a person's own file: CSV with a heading line, or RRD.
// file -> csv or librrd -> [ownseries] -> backtest.

#include "tools/ownseries.h"

#include "tools/csv.h"

#ifdef HAVE_RRD
#include <rrd.h>
#endif

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = OFFLOAD_HISTORY_MAX, WHERE_BYTES = 400 };

static const char *const time_names[] = {"time", "timestamp", "date", "ds", "epoch", NULL};

void
ownseries_free(struct ownseries *s)
{
    free(s->value);
    free(s->x);
    for (size_t k = 0; k < s->n_x; k++)
        free(s->x_name[k]);
    *s = (struct ownseries){0};
}

// ---- CSV ----

static int
time_column(const struct csv *csv)
{
    for (size_t i = 0; time_names[i]; i++)
        if (csv_find(csv, time_names[i]) >= 0)
            return csv_find(csv, time_names[i]);
    return -1;
}

// The column asked for, "value", or the only one beside the time.
static int
value_column(const struct csv *csv, const char *asked, struct offload_err *err)
{
    int time = time_column(csv), other = -1, n = 0;
    if (asked)
        return csv_need(csv, asked, err);
    if (csv_find(csv, "value") >= 0)
        return csv_find(csv, "value");
    for (size_t i = 0; i < csv->n_columns; i++)
        if ((int)i != time) {
            other = (int)i;
            n++;
        }
    if (n == 1)
        return other;
    char where[WHERE_BYTES];
    snprintf(where, sizeof where, "%s:1", csv->path);
    return offload_err_set(err, -EINVAL, where, "say which by --column",
                           "none of %d columns is called 'value'", n);
}

static int
find_regressors(const struct csv *csv, const char *names, struct ownseries *s, int *column,
                struct offload_err *err)
{
    char *copy = names ? strdup(names) : NULL, *rest = copy;
    int rc = names && !copy ? -ENOMEM : 0;
    for (char *name; rc == 0 && copy && (name = strsep(&rest, ","));) {
        if (!*name)
            continue;
        if (s->n_x == OFFLOAD_REGRESSORS_MAX) {
            rc = offload_err_set(err, -E2BIG, "--regressors", "at most 32", "too many columns");
            break;
        }
        int found = csv_need(csv, name, err);
        if (found < 0)
            rc = found;
        else if (!(s->x_name[s->n_x] = strdup(name)))
            rc = -ENOMEM;
        else
            column[s->n_x++] = found;
    }
    free(copy);
    return rc;
}

// Times must be evenly spaced, or a row would be taken for another time than its own.
static int
check_times(const struct csv *csv, size_t column, struct ownseries *s, struct offload_err *err)
{
    double before = 0;
    for (size_t row = 0; row < csv->n_rows; row++) {
        double time;
        int rc = csv_time(csv, row, column, &time, err);
        if (rc)
            return rc;
        if (row == 0)
            s->start_s = time;
        if (row == 1)
            s->step_s = time - before;
        if (row > 0 && (!(time > before) || fabs(time - before - s->step_s) > 1e-6 * s->step_s)) {
            char where[WHERE_BYTES];
            snprintf(where, sizeof where, "%s:%zu: column '%s'", csv->path, csv->line[row],
                     csv->column[column]);
            return offload_err_set(
                err, -EINVAL, where, "evenly spaced rows, with an empty value for a gap",
                "the time is %g s after the row before, not %g s", time - before, s->step_s);
        }
        before = time;
    }
    return 0;
}

static int
read_cells(const struct csv *csv, size_t value, const int *x, struct ownseries *s,
           struct offload_err *err)
{
    size_t rows = csv->n_rows;
    s->value = malloc(rows * sizeof *s->value);
    s->x = malloc((rows * s->n_x + 1) * sizeof *s->x);
    if (!s->value || !s->x)
        return offload_err_set(err, -ENOMEM, csv->path, NULL, "no memory for its values");
    for (size_t row = 0; row < rows; row++) {
        int rc = csv_number(csv, row, value, true, &s->value[row], err);
        for (size_t k = 0; rc == 0 && k < s->n_x; k++)
            rc = csv_number(csv, row, (size_t)x[k], true, &s->x[row * s->n_x + k], err);
        if (rc)
            return rc;
    }
    for (s->n = rows; s->n > 0 && isnan(s->value[s->n - 1]);)
        s->n--;
    s->n_ahead = rows - s->n;
    return 0;
}

static int
read_csv(const char *path, const char *column, const char *regressors, struct ownseries *s,
         struct offload_err *err)
{
    struct csv csv;
    int x[OFFLOAD_REGRESSORS_MAX];
    int rc = csv_read(path, &csv, err);
    if (rc)
        return rc;
    int value = value_column(&csv, column, err), time = time_column(&csv);
    rc = value < 0 ? value : find_regressors(&csv, regressors, s, x, err);
    if (rc == 0 && csv.n_rows > VALUES_MAX)
        rc = offload_err_set(err, -EFBIG, path, "at most 65536 rows", "it has %zu", csv.n_rows);
    s->step_s = 1;
    if (rc == 0 && time >= 0)
        rc = check_times(&csv, (size_t)time, s, err);
    if (rc == 0)
        rc = read_cells(&csv, (size_t)value, x, s, err);
    if (rc == 0)
        snprintf(s->name, sizeof s->name, "%.100s, column '%.40s'", path, csv.column[value]);
    csv_free(&csv);
    return rc;
}

// ---- RRD ----

#ifdef HAVE_RRD
static int
rrd_failed(const char *path, struct offload_err *err)
{
    int rc = offload_err_set(err, -EIO, path, "a file of collectd's rrdtool plugin", "%s",
                             rrd_test_error() ? rrd_get_error() : "it could not be read");
    rrd_clear_error();
    return rc;
}

static size_t
find_source(char **names, unsigned long n, const char *asked)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], asked ? asked : "value"))
            return i;
    return !asked && n == 1 ? 0 : n;
}

// The finest archive of averages, from its first value to the last update.
static int
read_rrd(const char *path, const char *source, struct ownseries *s, struct offload_err *err)
{
    time_t start = rrd_first_r(path, 0), end = rrd_last_r(path);
    unsigned long step = 1, n_sources = 0;
    char **names = NULL;
    rrd_value_t *data = NULL;
    if (start < 0 || end < 0 ||
        rrd_fetch_r(path, "AVERAGE", &start, &end, &step, &n_sources, &names, &data))
        return rrd_failed(path, err);
    size_t at = find_source(names, n_sources, source), n = (size_t)(end - start) / step;
    int rc = 0;
    if (at == n_sources)
        rc = offload_err_set(err, -EINVAL, path, "say which by --column",
                             source ? "no data source is called '%s'"
                                    : "none of its data sources is called 'value'",
                             source);
    else if (!(s->value = malloc((n + 1) * sizeof *s->value)))
        rc = offload_err_set(err, -ENOMEM, path, NULL, "no memory for its values");
    // An archive is as long as it was made, however short a time it has been filled.
    size_t first = 0;
    while (rc == 0 && first < n && isnan(data[first * n_sources + at]))
        first++;
    for (size_t t = first; rc == 0 && t < n; t++)
        s->value[s->n++] = data[t * n_sources + at];
    while (s->n > 0 && isnan(s->value[s->n - 1]))
        s->n--;
    s->step_s = (double)step;
    s->start_s = (double)start + (double)first * (double)step;
    if (rc == 0)
        snprintf(s->name, sizeof s->name, "%.100s, data source '%.40s'", path, names[at]);
    for (size_t i = 0; i < n_sources; i++)
        rrd_freemem(names[i]);
    rrd_freemem(names);
    rrd_freemem(data);
    return rc;
}
#else
static int
read_rrd(const char *path, const char *source, struct ownseries *s, struct offload_err *err)
{
    (void)source, (void)s;
    return offload_err_set(err, -ENOTSUP, path, "a CSV file",
                           "RRD files cannot be read: built without librrd");
}
#endif

int
ownseries_read(const char *path, const char *column, const char *regressors,
               struct ownseries *series, struct offload_err *err)
{
    *series = (struct ownseries){0};
    const char *suffix = strrchr(path, '.');
    int rc = suffix && !strcmp(suffix, ".rrd") ? read_rrd(path, column, series, err)
                                               : read_csv(path, column, regressors, series, err);
    if (rc == 0 && series->n < 4)
        rc = offload_err_set(err, -EINVAL, path, "at least 4 values", "it has %zu", series->n);
    if (rc)
        ownseries_free(series);
    return rc;
}
