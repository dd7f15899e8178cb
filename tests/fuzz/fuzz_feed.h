// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets of the feeds' parsers share: a text is parsed or refused, and what was
// parsed can be resampled to anything.
#pragma once

#include <offload/feed.h>

#include <assert.h>
#include <math.h>

static inline int
fuzz_feed(enum offload_feed_format format, const uint8_t *data, size_t size)
{
    struct offload_feed_table table = {0};
    struct offload_err err = {0};
    double out[7 * OFFLOAD_FEED_COLUMNS_MAX];
    struct offload_feed_options options = {.format = format, .name = "fuzz", .path = "", .time = "",
                                           .timezone = "Europe/Berlin", .from_s = 1.7672e9,
                                           .until_s = 1.7682e9};
    // The first byte chooses between the two kinds of tables.
    options.linear = size && data[0] & 1;
    options.end = format != OFFLOAD_FEED_ICAL && size && data[0] & 2 ? "end" : "";
    size_t skip = size > 0;
    int rc = offload_feed_parse(&options, (const char *)data + skip, size - skip, &table, &err);
    assert(!rc == !err.code && (rc == 0 || err.text[0]));
    if (rc)
        return 0;
    static const double steps[] = {0.001, 7, 3600, 1e7};
    for (int i = 0; i < 4; i++)
        offload_feed_resample(&table, 1.7672e9, steps[i], 7, OFFLOAD_FEED_COLUMNS_MAX, out);
    for (size_t c = 0; c < table.n_columns && format == OFFLOAD_FEED_ICAL; c++)
        assert(isnan(out[c]) || (out[c] >= 0 && out[c] <= 1 + 1e-9));
    offload_feed_table_fini(&table);
    return 0;
}
