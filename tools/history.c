// SPDX-License-Identifier: Apache-2.0
// Names of files as collectd makes them of identifiers: HOST/PLUGIN-INSTANCE/TYPE-INSTANCE.rrd.

#include "tools/history.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <rrd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
rrd_failed(struct offload_err *err, const char *where)
{
    offload_err_set(err, -EIO, where, NULL, "%s", rrd_get_error());
    rrd_clear_error();
    return -EIO;
}

// The files of 'host' (a glob pattern or a name) that hold the load.
static int
find_load(const struct history_query *query, const char *host, glob_t *found)
{
    char pattern[HISTORY_PATH_MAX];
    snprintf(pattern, sizeof pattern, "%s/%s/offload_card-%s/offload_%s-%s.rrd", query->dir, host,
             query->card ? query->name : "*", query->resource, query->card ? "card" : query->name);
    return glob(pattern, 0, NULL, found);
}

// The component of 'path' behind 'dir'.
void
history_host(const char *dir, const char *path, char *host, size_t size)
{
    const char *start = path + strlen(dir) + 1;
    snprintf(host, size, "%.*s", (int)strcspn(start, "/"), start);
}

int
history_find(const struct history_query *query, struct history *out, struct offload_err *err)
{
    struct history history = {.n_load = 0};
    char host[128], other[128];
    glob_t found = {0};
    int rc = 0;
    if (find_load(query, query->host ? query->host : "*", &found)) {
        globfree(&found);
        return offload_err_set(
            err, -ENOENT, query->dir,
            "--rrd-dir as in collectd's rrdtool plugin; FLUSH it if it has just started",
            "holds no %s of %s '%s'", query->resource, query->card ? "card" : "application",
            query->name);
    }
    history_host(query->dir, found.gl_pathv[0], host, sizeof host);
    for (size_t i = 0; i < found.gl_pathc && !rc; i++) {
        history_host(query->dir, found.gl_pathv[i], other, sizeof other);
        if (strcmp(host, other))
            rc = offload_err_set(err, -EINVAL, query->dir, "choose one by --host",
                                 "holds files of hosts '%s' and '%s'", host, other);
        else if (history.n_load == HISTORY_CARDS_MAX)
            rc = offload_err_set(err, -E2BIG, query->dir, NULL, "more than %d cards",
                                 HISTORY_CARDS_MAX);
        else
            snprintf(history.load[history.n_load++], HISTORY_PATH_MAX, "%s", found.gl_pathv[i]);
    }
    globfree(&found);
    if (rc)
        return rc;
    int len =
        snprintf(history.need, sizeof history.need, "%s/%s/offload_forecast-%s/offload_need-%s.rrd",
                 query->dir, host, query->resource, query->name);
    if (len >= (int)sizeof history.need || access(history.need, R_OK))
        history.need[0] = '\0';
    *out = history;
    return 0;
}

int
history_span(const struct history *history, const char *start, const char *end, time_t *from,
             time_t *until, struct offload_err *err)
{
    rrd_time_value_t start_value, end_value;
    char newest[24];
    time_t last = 0;
    for (size_t i = 0; i < history->n_load; i++) {
        time_t file_last = rrd_last_r(history->load[i]);
        if (file_last == (time_t)-1)
            return rrd_failed(err, history->load[i]);
        last = file_last > last ? file_last : last;
    }
    snprintf(newest, sizeof newest, "%lld", (long long)last);
    // rrd_parsetime() returns its complaint in memory of librrd's own.
    const char *complaint = rrd_parsetime(start ? start : "end-10min", &start_value);
    if (complaint)
        return offload_err_set(err, -EINVAL, "--start", "a time as in rrdfetch(1)", "%s",
                               complaint);
    complaint = rrd_parsetime(end ? end : newest, &end_value);
    if (complaint)
        return offload_err_set(err, -EINVAL, "--end", "a time as in rrdfetch(1)", "%s", complaint);
    if (rrd_proc_start_end(&start_value, &end_value, from, until) == -1)
        return rrd_failed(err, "--start, --end");
    if (*from >= *until)
        return offload_err_set(err, -EINVAL, "--start", "a start before the end",
                               "the span is empty");
    return 0;
}

int
history_read(const char *path, const char *ds, time_t from, time_t until, double *values, size_t n,
             struct offload_err *err)
{
    time_t start = from, end = until;
    unsigned long step = 1, n_ds, column;
    char **names;
    rrd_value_t *data;
    if (rrd_fetch_r(path, "AVERAGE", &start, &end, &step, &n_ds, &names, &data))
        return rrd_failed(err, path);
    for (column = 0; column < n_ds && strcmp(names[column], ds); column++)
        ;
    int rc = 0;
    if (column == n_ds)
        rc = offload_err_set(err, -EIO, path, "a file made with the suite's types.db",
                             "no data source '%s'", ds);
    // Row i holds what happened between start + i * step and one step later.
    time_t n_rows = (end - start) / (time_t)step;
    for (size_t i = 0; i < n && !rc; i++) {
        double at = (double)(from - start) + ((double)i + 0.5) * (double)(until - from) / (double)n;
        time_t row = (time_t)floor(at / (double)step);
        values[i] = row >= 0 && row < n_rows ? data[(size_t)row * n_ds + column] : NAN;
    }
    for (unsigned long i = 0; i < n_ds; i++)
        rrd_freemem(names[i]);
    rrd_freemem(names);
    rrd_freemem(data);
    return rc;
}

// One file's rows between two times, of one data source.
struct rows {
    time_t start;
    unsigned long step, n_ds, column;
    size_t n;
    char **names;
    rrd_value_t *data;
};

static void
rows_fini(struct rows *rows)
{
    for (unsigned long i = 0; i < rows->n_ds; i++)
        rrd_freemem(rows->names[i]);
    rrd_freemem(rows->names);
    rrd_freemem(rows->data);
}

static int
rows_fetch(const char *path, const char *ds, time_t from, time_t until, unsigned long step,
           struct rows *rows, struct offload_err *err)
{
    time_t end = until;
    *rows = (struct rows){.start = from, .step = step};
    if (rrd_fetch_r(path, "AVERAGE", &rows->start, &end, &rows->step, &rows->n_ds, &rows->names,
                    &rows->data))
        return rrd_failed(err, path);
    rows->n = (size_t)(end - rows->start) / rows->step;
    for (; rows->column < rows->n_ds && strcmp(rows->names[rows->column], ds); rows->column++)
        ;
    if (rows->column < rows->n_ds)
        return 0;
    rows_fini(rows);
    return offload_err_set(err, -EIO, path, "a file made with the suite's types.db",
                           "no data source '%s'", ds);
}

// Since when there is anything in the archive that reaches back to 'from', and its step.
static int
first_of(const char *path, time_t until, time_t *from, double *step_s, struct offload_err *err)
{
    struct rows rows;
    int rc = rows_fetch(path, "offered", *from, until, 1, &rows, err);
    if (rc)
        return rc;
    size_t first = 0;
    while (first < rows.n && isnan(rows.data[first * rows.n_ds + rows.column]))
        first++;
    time_t begins = rows.start + (time_t)(first * rows.step);
    *from = begins > *from ? begins : *from;
    *step_s = (double)rows.step;
    rows_fini(&rows);
    return 0;
}

// librrd takes the finest archive that reaches back to where it is asked from: once it is known since
// when there is anything, a finer one may, or would but for the first of the coarse rows.
int
history_extent(const char *path, time_t *from, time_t until, double *step_s,
               struct offload_err *err)
{
    int rc = first_of(path, until, from, step_s, err);
    for (bool finer = true; !rc && finer;) {
        finer = false;
        for (int later = 0; !rc && !finer && later < 2; later++) {
            time_t begins = *from + later * (time_t)*step_s;
            double step = *step_s;
            rc = first_of(path, until, &begins, &step, err);
            if (!rc && (finer = step < *step_s)) {
                *from = begins;
                *step_s = step;
            }
        }
    }
    return rc;
}

int
history_average(const char *path, const char *ds, time_t from, time_t step_s, double *values,
                size_t n, struct offload_err *err)
{
    struct rows rows;
    for (size_t i = 0; i < n; i++)
        values[i] = NAN;
    if (access(path, F_OK))
        return 0;
    int rc = rows_fetch(path, ds, from, from + (time_t)n * step_s, 1, &rows, err);
    if (rc)
        return rc;
    // Row i holds what happened between start + i * step and one step later; a row that is longer
    // than a step serves all steps within it.
    for (size_t k = 0; k < n; k++) {
        time_t begin = from + (time_t)k * step_s - rows.start, end = begin + step_s;
        double sum = 0, seen = 0;
        for (time_t i = begin / (time_t)rows.step; i * (time_t)rows.step < end; i++) {
            if (i < 0 || i >= (time_t)rows.n)
                continue;
            double value = rows.data[(size_t)i * rows.n_ds + rows.column];
            sum += isnan(value) ? 0 : value;
            seen += !isnan(value);
        }
        values[k] = seen > 0 ? sum / seen : NAN;
    }
    rows_fini(&rows);
    return 0;
}

void
history_other(const char *path, const char *type, char *other, size_t size)
{
    static const char known[] = "/offload_bandwidth-";
    const char *at = strstr(path, known);
    if (!at)
        snprintf(other, size, "%s", path);
    else
        snprintf(other, size, "%.*s/offload_%s-%s", (int)(at - path), path, type,
                 at + sizeof known - 1);
}
