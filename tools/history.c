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
static void
host_of(const char *dir, const char *path, char *host, size_t size)
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
    host_of(query->dir, found.gl_pathv[0], host, sizeof host);
    for (size_t i = 0; i < found.gl_pathc && !rc; i++) {
        host_of(query->dir, found.gl_pathv[i], other, sizeof other);
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
