// SPDX-License-Identifier: Apache-2.0
// RRD file -> [rrdhead] -> warmstart.  Layout: rrdtool's rrd_format.h, versions 0001 to 0005, as a
// 64-bit machine lays it out. Pure: bytes in, a verdict out.

#include "plugins/forecast/rrdhead.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
    VERSION_AT = 4,
    COOKIE_AT = 16,
    COUNTS_AT = 24, // data sources, archives, step
    STATIC_BYTES = 128,
    SOURCE_BYTES = 120,
    ARCHIVE_BYTES = 120,
    ROWS_AT = 24,      // within an archive's definition; then primary points a row
    NAME_BYTES = 20,   // of a data source, its type, a consolidation function
    PREPARE_BYTES = 112, // of a data source
    CONSOLIDATE_BYTES = 80, // of a data source in an archive
    SOURCES_MAX = 256,
    ARCHIVES_MAX = 256,
};

static const double COOKIE = 8.642135E130;
static const uint64_t ROWS_MAX = 100000000, STEP_MAX = 31536000;

static uint64_t
number_at(const unsigned char *head, size_t at)
{
    uint64_t value;
    memcpy(&value, head + at, sizeof value);
    return value;
}

static int
refuse(struct offload_err *err, const char *text)
{
    return offload_err_set(err, -EINVAL, NULL, "a file of collectd's rrdtool plugin, of this kind of machine",
                           "%s", text);
}

static bool
is_name(const unsigned char *text)
{
    return text[0] && memchr(text, '\0', NAME_BYTES);
}

int
rrd_head_check(const unsigned char *head, size_t len, uint64_t file_bytes, struct offload_err *err)
{
    double cookie;
    if (len < STATIC_BYTES || memcmp(head, "RRD", 4) != 0)
        return refuse(err, len < STATIC_BYTES ? "it is cut" : "it is no RRD");
    memcpy(&cookie, head + COOKIE_AT, sizeof cookie);
    const char *version = (const char *)head + VERSION_AT;
    if (cookie != COOKIE)
        return refuse(err, "it was written by another kind of machine");
    if (memcmp(version, "000", 3) != 0 || version[3] < '3' || version[3] > '5' || version[4])
        return refuse(err, "its version is unknown");
    uint64_t sources = number_at(head, COUNTS_AT), archives = number_at(head, COUNTS_AT + 8),
             step = number_at(head, COUNTS_AT + 16);
    if (sources < 1 || sources > SOURCES_MAX || archives < 1 || archives > ARCHIVES_MAX || step < 1 ||
        step > STEP_MAX)
        return refuse(err, "its header makes no sense");
    size_t definitions = STATIC_BYTES + sources * SOURCE_BYTES + archives * ARCHIVE_BYTES;
    size_t pointers = definitions + 16 + sources * PREPARE_BYTES + sources * archives * CONSOLIDATE_BYTES;
    uint64_t bytes = pointers + archives * 8;
    if (len < bytes && len < file_bytes)
        return refuse(err, "its header is too long");
    if (len < bytes)
        return refuse(err, "it is cut");
    for (uint64_t i = 0; i < sources; i++) {
        const unsigned char *source = head + STATIC_BYTES + i * SOURCE_BYTES;
        if (!is_name(source) || !is_name(source + NAME_BYTES))
            return refuse(err, "a data source has no name");
    }
    for (uint64_t i = 0; i < archives; i++) {
        size_t at = STATIC_BYTES + sources * SOURCE_BYTES + i * ARCHIVE_BYTES;
        uint64_t rows = number_at(head, at + ROWS_AT), points = number_at(head, at + ROWS_AT + 8);
        if (!is_name(head + at) || rows < 1 || rows > ROWS_MAX || points < 1 || points > STEP_MAX ||
            number_at(head, pointers + i * 8) >= rows)
            return refuse(err, "an archive makes no sense");
        bytes += rows * sources * 8;
    }
    return bytes <= file_bytes ? 0 : refuse(err, "it is cut");
}
