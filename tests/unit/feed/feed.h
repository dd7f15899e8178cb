// SPDX-License-Identifier: Apache-2.0
// What the tests of feeds share: a text is parsed, a place of the table looked at.
#pragma once

#include "tests/unit/unit.h"

#include <offload/feed.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

// 2026-01-01T00:00Z.
static const double NEW_YEAR = 1767225600;

static inline struct offload_feed_options
options_of(enum offload_feed_format format)
{
    return (struct offload_feed_options){.format = format,
                                         .name = "feed",
                                         .path = "",
                                         .time = "",
                                         .end = "",
                                         .timezone = "",
                                         .from_s = NEW_YEAR,
                                         .until_s = NEW_YEAR + 365 * 86400.0};
}

static inline struct offload_feed_table
parse(const struct offload_feed_options *options, const char *text)
{
    struct offload_feed_table table = {0};
    struct offload_err err = {0};
    char line[900];
    if (offload_feed_parse(options, text, strlen(text), &table, &err))
        fail_msg("%s", offload_err_format(&err, line, sizeof line));
    return table;
}

// Parsing fails, with 'part' in the message, and leaves the table alone.
static inline void
assert_refused(const struct offload_feed_options *options, const char *text, size_t len,
               const char *part)
{
    struct offload_feed_table table = {.n_rows = 77};
    struct offload_err err = {0};
    char line[900];
    int rc = offload_feed_parse(options, text, len, &table, &err);
    assert_true(rc < 0);
    assert_int_equal(rc, err.code);
    assert_int_equal(table.n_rows, 77);
    offload_err_format(&err, line, sizeof line);
    if (!strstr(line, part))
        fail_msg("expected '%s' in '%s'", part, line);
}

// The table's only column, or the one given, over one step.
static inline double
at(const struct offload_feed_table *table, double first_s, double step_s, size_t column)
{
    double row[OFFLOAD_FEED_COLUMNS_MAX];
    offload_feed_resample(table, first_s, step_s, 1, OFFLOAD_FEED_COLUMNS_MAX, row);
    return row[column];
}
