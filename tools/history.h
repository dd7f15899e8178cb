// SPDX-License-Identifier: Apache-2.0
// What collectd's rrdtool plugin keeps of a card or an application: demand, forecast and
// allocation. RRD files -> [history] -> graph, whatif
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { HISTORY_CARDS_MAX = 16, HISTORY_PATH_MAX = 512 };

// The files that tell of one application or card. An application has one on each card that it was
// on; their values add up.
struct history {
    char load[HISTORY_CARDS_MAX][HISTORY_PATH_MAX]; // data sources offered, used, allocated
    size_t n_load;
    char need[HISTORY_PATH_MAX]; // the forecast, data sources p50, p90, p99; "" if there is none
};

struct history_query {
    const char *dir;  // of collectd's rrdtool plugin
    const char *host; // NULL: the one host in 'dir' with such files
    const char *name; // of the application or card
    bool card;
    const char *resource; // "bandwidth", "cpu" or "memory"
};

// Finds the files. -ENOENT where there are none, -EINVAL where 'host' must be told.
int history_find(const struct history_query *query, struct history *out, struct offload_err *err);

// The span of rrdtool's times 'start' and 'end' ("end-10min", "now", seconds). NULL: up to the
// newest value, and ten minutes before it.
int history_span(const struct history *history, const char *start, const char *end, time_t *from,
                 time_t *until, struct offload_err *err);

// Fills 'values' with 'n' evenly spaced values of data source 'ds' of the file at 'path'. NaN is a
// gap. 0 or -EIO with librrd's text.
int history_read(const char *path, const char *ds, time_t from, time_t until, double *values,
                 size_t n, struct offload_err *err);

// Narrows the span to what was recorded since 'from', and tells the step of the archive that covers
// it.
int history_extent(const char *path, time_t *from, time_t until, double *step_s,
                   struct offload_err *err);

// The means of data source 'ds' over 'n' steps of 'step_s' from 'from' on. NaN is a gap; a file that
// is not there is all gaps.
int history_average(const char *path, const char *ds, time_t from, time_t step_s, double *values,
                    size_t n, struct offload_err *err);

// The host that the file 'path' below 'dir' is of.
void history_host(const char *dir, const char *path, char *host, size_t size);

// From the path of an offload_bandwidth file that of the same name's offload_'type'.
void history_other(const char *path, const char *type, char *other, size_t size);
