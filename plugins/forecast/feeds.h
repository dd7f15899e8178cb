// SPDX-License-Identifier: Apache-2.0
// Feeds by the configuration, fetched and parsed on a thread of their own. A feed that fails keeps
// what it had, and is told of once; so is its recovery.
#pragma once

#include "plugins/forecast/config.h"

struct feeds;

// 'history_s' of the past and 'horizon_s' of the future are kept. NULL: no memory or no thread; with
// no feed configured the feeds are empty and cost nothing.
struct feeds *feeds_start(const struct forecast_config *config, double history_s, double horizon_s);
void feeds_stop(struct feeds *feeds);

// Waits until each feed was tried once, at most 'most_s'.
void feeds_await(struct feeds *feeds, double most_s);

// The rest is for one thread, the read callback's.
// Takes over what has come. True: the columns are others than before.
bool feeds_adopt(struct feeds *feeds);
size_t feeds_columns(const struct feeds *feeds);
const char *feeds_column(const struct feeds *feeds, size_t column); // "weather.rain"
// The columns' values in 'n' steps from number 'first_step' on: out[step * stride + column].
void feeds_fill(const struct feeds *feeds, int64_t first_step, size_t n, size_t stride,
                double *out);

struct feed_status {
    const char *name, *url; // 'url' as it may be shown
    double age_s;           // of the last good data, NAN: there were none
    size_t n_columns, n_rows;
    unsigned n_failed;   // fetches since then
    char error[500];     // of the last fetch, "": it went well
};
size_t feeds_count(const struct feeds *feeds);
void feeds_status(struct feeds *feeds, size_t feed, struct feed_status *status); // any thread
