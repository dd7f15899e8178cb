// SPDX-License-Identifier: Apache-2.0
// table -> [store] -> bytes that last, and back.  Pure: no clock, no I/O.
// Layout, little-endian: flags u32 (1: events, 2: linear), n_columns u32, n_rows u64, from_s, until_s
// f64; names of 64 bytes; start_s, end_s [n_rows]; value [n_rows][n_columns].

#include "lib/feed/build.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = OFFLOAD_FEED_NAME_MAX + 1, HEAD_BYTES = 4 + 4 + 8 + 8 + 8, EVENTS = 1, LINEAR = 2 };

static size_t
size_of(size_t n_rows, size_t n_columns)
{
    return HEAD_BYTES + n_columns * NAME_BYTES + n_rows * (2 + n_columns) * sizeof(double);
}

static char *
put_u32(char *to, uint32_t value)
{
    uint32_t le = htole32(value);
    memcpy(to, &le, sizeof le);
    return to + sizeof le;
}

static char *
put_u64(char *to, uint64_t value)
{
    uint64_t le = htole64(value);
    memcpy(to, &le, sizeof le);
    return to + sizeof le;
}

static char *
put_doubles(char *to, const double *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &value[i], sizeof bits);
        to = put_u64(to, bits);
    }
    return to;
}

static uint64_t
get_u64(const char *from)
{
    uint64_t le;
    memcpy(&le, from, sizeof le);
    return le64toh(le);
}

static uint32_t
get_u32(const char *from)
{
    uint32_t le;
    memcpy(&le, from, sizeof le);
    return le32toh(le);
}

static const char *
get_doubles(const char *from, double *value, size_t n)
{
    for (size_t i = 0; i < n; i++, from += sizeof *value) {
        uint64_t bits = get_u64(from);
        memcpy(&value[i], &bits, sizeof bits);
    }
    return from;
}

int
offload_feed_export(const struct offload_feed_table *t, char **data, size_t *len)
{
    size_t size = size_of(t->n_rows, t->n_columns);
    char *bytes = malloc(size), *to = bytes;
    if (!bytes)
        return -ENOMEM;
    to = put_u32(to, (t->events ? EVENTS : 0) | (t->linear ? LINEAR : 0));
    to = put_u32(to, (uint32_t)t->n_columns);
    to = put_u64(to, t->n_rows);
    to = put_doubles(to, &t->from_s, 1);
    to = put_doubles(to, &t->until_s, 1);
    memcpy(to, t->name, t->n_columns * NAME_BYTES);
    to = put_doubles(to + t->n_columns * NAME_BYTES, t->start_s, t->n_rows);
    to = put_doubles(to, t->end_s, t->n_rows);
    put_doubles(to, t->value, t->n_rows * t->n_columns);
    *data = bytes;
    *len = size;
    return 0;
}

// What the parsers promise of a table, which all that works on one relies on.
static bool
is_sound(const struct offload_feed_table *t)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (!memchr(t->name[c], '\0', NAME_BYTES))
            return false;
    for (size_t i = 0; i < t->n_rows; i++) {
        if (!isfinite(t->start_s[i]) || !isfinite(t->end_s[i]) || t->end_s[i] < t->start_s[i])
            return false;
        if (i && (t->start_s[i] < t->start_s[i - 1] ||
                  (!t->events && t->end_s[i - 1] > t->start_s[i])))
            return false;
    }
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
        if (isinf(t->value[i]))
            return false;
    return isfinite(t->from_s) && isfinite(t->until_s);
}

int
offload_feed_import(const char *data, size_t len, const char *name, struct offload_feed_table *table,
                    struct offload_err *err)
{
    uint32_t flags = len >= HEAD_BYTES ? get_u32(data) : UINT32_MAX;
    uint32_t n_columns = len >= HEAD_BYTES ? get_u32(data + 4) : 0;
    uint64_t n_rows = len >= HEAD_BYTES ? get_u64(data + 8) : 0;
    if (flags > (EVENTS | LINEAR) || n_columns == 0 || n_columns > OFFLOAD_FEED_COLUMNS_MAX ||
        n_rows > OFFLOAD_FEED_ROWS_MAX || len != size_of(n_rows, n_columns))
        return offload_err_set(err, -EBADMSG, name, NULL, "%zu bytes are no table of a feed", len);
    struct offload_feed_table t = {.events = flags & EVENTS,
                                   .linear = flags & LINEAR,
                                   .n_rows = n_rows,
                                   .n_columns = n_columns,
                                   .name = calloc(OFFLOAD_FEED_COLUMNS_MAX, sizeof *t.name),
                                   .start_s = malloc((n_rows + 1) * sizeof(double)),
                                   .end_s = malloc((n_rows + 1) * sizeof(double)),
                                   .value = malloc((n_rows * n_columns + 1) * sizeof(double))};
    int rc = t.name && t.start_s && t.end_s && t.value ? 0 : -ENOMEM;
    if (rc) {
        offload_feed_table_fini(&t);
        return offload_err_set(err, rc, name, NULL, "no memory for its rows");
    }
    const char *from = get_doubles(data + 16, &t.from_s, 1);
    from = get_doubles(from, &t.until_s, 1);
    memcpy(t.name, from, n_columns * NAME_BYTES);
    from = get_doubles(from + n_columns * NAME_BYTES, t.start_s, n_rows);
    from = get_doubles(from, t.end_s, n_rows);
    get_doubles(from, t.value, n_rows * n_columns);
    if (!is_sound(&t)) {
        offload_feed_table_fini(&t);
        return offload_err_set(err, -EBADMSG, name, NULL, "its rows are out of order");
    }
    *table = t;
    return 0;
}
