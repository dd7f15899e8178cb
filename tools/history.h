// SPDX-License-Identifier: Apache-2.0
// What collectd's rrdtool plugin keeps of a card or an application: demand, forecast and
// allocation. RRD files -> [history] -> graph
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
