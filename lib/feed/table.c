// SPDX-License-Identifier: Apache-2.0
// text -> ical, json_feed, csv -> [table] -> columns a step.  Pure: no clock, no I/O.

#include "lib/feed/build.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const offload_feed_format_names[] = {"ical", "json", "csv", NULL};

enum { SPACINGS_HELD = 3 }; // a row holds at most so many times the usual spacing of rows

// ---- Building ----

void
build_init(struct build *b, const struct offload_feed_options *options, struct offload_err *err)
{
    *b = (struct build){.options = options, .err = err};
    b->table.linear = options->linear;
    b->table.name = calloc(OFFLOAD_FEED_COLUMNS_MAX, sizeof *b->table.name);
}

void
build_fini(struct build *b)
{
    offload_feed_table_fini(&b->table);
}

void
offload_feed_table_fini(struct offload_feed_table *table)
{
    free(table->name);
    free(table->start_s);
    free(table->end_s);
    free(table->value);
    *table = (struct offload_feed_table){0};
}

static int
no_memory(const struct build *b)
{
    return offload_err_set(b->err, -ENOMEM, b->options->name, NULL, "no memory for its rows");
}

int
build_column(struct build *b, const char *name)
{
    if (!b->table.name)
        return no_memory(b);
    if (b->table.n_columns == OFFLOAD_FEED_COLUMNS_MAX)
        return offload_err_set(b->err, -EFBIG, b->options->name, "choose some by Value",
                               "more than %d columns", OFFLOAD_FEED_COLUMNS_MAX);
    shown(b->table.name[b->table.n_columns++], OFFLOAD_FEED_NAME_MAX + 1, name, strlen(name));
    return 0;
}

static int
grow(struct build *b)
{
    if (b->size == OFFLOAD_FEED_ROWS_MAX)
        return offload_err_set(b->err, -EFBIG, b->options->name, "ask for a shorter span",
                               "more than %d rows", OFFLOAD_FEED_ROWS_MAX);
    size_t size = b->size ? 2 * b->size : 256;
    struct offload_feed_table *t = &b->table;
    double *start = realloc(t->start_s, size * sizeof *start);
    t->start_s = start ? start : t->start_s;
    double *end = realloc(t->end_s, size * sizeof *end);
    t->end_s = end ? end : t->end_s;
    double *value = realloc(t->value, size * (t->n_columns + 1) * sizeof *value);
    t->value = value ? value : t->value;
    if (!start || !end || !value)
        return no_memory(b);
    b->size = size;
    return 0;
}

int
build_row(struct build *b, double start_s, double end_s, const double *value)
{
    struct offload_feed_table *t = &b->table;
    int rc = t->n_rows == b->size ? grow(b) : 0;
    if (rc)
        return rc;
    t->start_s[t->n_rows] = start_s;
    t->end_s[t->n_rows] = end_s;
    for (size_t c = 0; c < t->n_columns; c++) {
        double v = value ? value[c] : NAN;
        t->value[t->n_rows * t->n_columns + c] = isfinite(v) ? v : NAN;
    }
    t->n_rows++;
    return 0;
}

void
build_skip(struct build *b, const char *fmt, ...)
{
    if (b->table.n_skipped++)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(b->table.skipped, sizeof b->table.skipped, fmt, args);
    va_end(args);
}

struct by_start {
    double start_s;
    size_t row;
};

static int
compare_starts(const void *a, const void *b)
{
    const struct by_start *x = a, *y = b;
    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

// Sorts by start; where rows are no events, the last of those of one time wins.
static int
sort_rows(struct build *b)
{
    struct offload_feed_table *t = &b->table;
    size_t n = t->n_rows, k = t->n_columns, kept = 0;
    struct by_start *order = malloc((n + 1) * sizeof *order);
    double *end = malloc((n + 1) * sizeof *end), *value = malloc((n + 1) * (k + 1) * sizeof *value);
    if (!order || !end || !value) {
        free(order);
        free(end);
        free(value);
        return no_memory(b);
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (struct by_start){t->start_s[i], i};
    qsort(order, n, sizeof *order, compare_starts);
    for (size_t i = 0; i < n; i++) {
        if (!t->events && i + 1 < n && order[i + 1].start_s == order[i].start_s)
            continue;
        t->start_s[kept] = order[i].start_s;
        end[kept] = t->end_s[order[i].row];
        memcpy(value + kept * k, t->value + order[i].row * k, k * sizeof *value);
        kept++;
    }
    free(order);
    free(t->end_s);
    free(t->value);
    t->end_s = end;
    t->value = value;
    t->n_rows = kept;
    return 0;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// A row holds until the next one, but not over a hole in the table; the last one for the median
// time between two rows.
static int
find_ends(struct build *b)
{
    struct offload_feed_table *t = &b->table;
    double *spacing = malloc(t->n_rows * sizeof *spacing), usual = 3600;
    if (!spacing)
        return no_memory(b);
    for (size_t i = 0; i + 1 < t->n_rows; i++)
        spacing[i] = t->start_s[i + 1] - t->start_s[i];
    if (t->n_rows > 1) {
        qsort(spacing, t->n_rows - 1, sizeof *spacing, compare_doubles);
        usual = spacing[(t->n_rows - 1) / 2];
    }
    free(spacing);
    for (size_t i = 0; i < t->n_rows; i++) {
        double next = i + 1 < t->n_rows ? t->start_s[i + 1] : t->start_s[i] + usual;
        t->end_s[i] = fmin(next, t->start_s[i] + SPACINGS_HELD * usual);
    }
    t->from_s = t->start_s[0];
    t->until_s = t->end_s[t->n_rows - 1];
    return 0;
}

static int
check_columns(const struct build *b)
{
    const struct offload_feed_table *t = &b->table;
    for (size_t c = 0; c < t->n_columns; c++) {
        size_t n = 0;
        for (size_t i = 0; i < t->n_rows; i++)
            n += !isnan(t->value[i * t->n_columns + c]);
        if (n == 0)
            return offload_err_set(b->err, -EINVAL, b->options->name, "name another Value",
                                   "column '%s' holds no number in %zu rows", t->name[c],
                                   t->n_rows);
    }
    return 0;
}

int
build_finish(struct build *b, struct offload_feed_table *table)
{
    struct offload_feed_table *t = &b->table;
    if (t->n_columns == 0)
        return offload_err_set(b->err, -EINVAL, b->options->name, "name the columns by Value",
                               "no column of numbers");
    // A calendar may be empty; what should hold values may not.
    if (t->n_rows == 0 && b->options->format != OFFLOAD_FEED_ICAL)
        return offload_err_set(b->err, -EINVAL, b->options->name, "rows with a time and a value",
                               "no row");
    int rc = t->n_rows ? sort_rows(b) : 0;
    if (rc == 0 && !t->events)
        rc = find_ends(b);
    if (rc == 0 && t->n_rows)
        rc = check_columns(b);
    if (rc)
        return rc;
    *table = *t;
    *t = (struct offload_feed_table){0};
    return 0;
}

// ---- Texts ----

bool
parse_number(const char *text, double *value)
{
    static const char *const gaps[] = {"", "-", "na", "n/a", "null", "none", "nan", NULL};
    while (*text == ' ' || *text == '\t')
        text++;
    char *end;
    double v = strtod(text, &end);
    size_t left = strspn(end, " \t\r");
    if (end != text && end[left] == '\0') {
        *value = isfinite(v) ? v : NAN;
        return true;
    }
    size_t len = strlen(text);
    while (len && strchr(" \t\r", text[len - 1]))
        len--;
    for (const char *const *gap = gaps; *gap; gap++)
        if (len == strlen(*gap) && strncasecmp(text, *gap, len) == 0) {
            *value = NAN;
            return true;
        }
    return false;
}

const char *
shown(char *buf, size_t size, const char *text, size_t len)
{
    size_t n = len < size - 1 ? len : size - 1;
    // Never half a character of UTF-8.
    while (n < len && n && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        buf[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    buf[n] = '\0';
    return buf;
}

// Length of the character at 's', 0 if it is none of UTF-8 (RFC 3629: no surrogates, no detours).
static size_t
utf8_length(const unsigned char *s, size_t left)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
        return 0;
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
        return 0;
    return n;
}

static int
check_text(const struct offload_feed_options *options, const char *text, size_t len,
           struct offload_err *err)
{
    char where[160];
    size_t line = 1;
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_length((const unsigned char *)text + i, len - i);
        line += text[i] == '\n';
        if (n && text[i])
            continue;
        snprintf(where, sizeof where, "%.140s:%zu", options->name, line);
        return offload_err_set(err, -EINVAL, where, "UTF-8 text", n ? "a byte 0" : "byte 0x%02x is not UTF-8",
                               (unsigned char)text[i]);
    }
    size_t first = 0;
    while (first < len && strchr(" \t\r\n", text[first]))
        first++;
    if (first == len)
        return offload_err_set(err, -EINVAL, options->name, NULL, "it is empty");
    if (text[first] == '<')
        return offload_err_set(err, -EINVAL, options->name, "the address of the data themselves",
                               "a page of HTML or XML, not %s",
                               offload_feed_format_names[options->format]);
    return 0;
}

int
offload_feed_parse(const struct offload_feed_options *options, const char *text, size_t len,
                   struct offload_feed_table *table, struct offload_err *err)
{
    if (len > OFFLOAD_FEED_BYTES_MAX)
        return offload_err_set(err, -EFBIG, options->name, "at most 16 MiB", "%zu bytes", len);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { // a byte order mark
        text += 3;
        len -= 3;
    }
    int rc = check_text(options, text, len, err);
    if (rc)
        return rc;
    switch (options->format) {
    case OFFLOAD_FEED_ICAL:
        return parse_ical(options, text, len, table, err);
    case OFFLOAD_FEED_JSON:
        return parse_json(options, text, len, table, err);
    case OFFLOAD_FEED_CSV:
        break;
    }
    return parse_csv(options, text, len, table, err);
}

// ---- Joining and resampling ----

static bool
same_columns(const struct offload_feed_table *a, const struct offload_feed_table *b)
{
    if (a->events != b->events || a->n_columns != b->n_columns)
        return false;
    for (size_t c = 0; c < a->n_columns; c++)
        if (strcmp(a->name[c], b->name[c]) != 0)
            return false;
    return true;
}

int
offload_feed_join(struct offload_feed_table *table, const struct offload_feed_table *old,
                  double keep_from_s)
{
    if (!table->n_rows || !old->n_rows || !same_columns(table, old))
        return 0;
    size_t from = 0, to = 0, k = table->n_columns;
    while (to < old->n_rows && old->start_s[to] < table->start_s[0])
        to++;
    while (from < to && old->end_s[from] <= keep_from_s)
        from++;
    // Room for new rows comes first.
    if (to - from > OFFLOAD_FEED_ROWS_MAX - table->n_rows)
        from = to - (OFFLOAD_FEED_ROWS_MAX - table->n_rows);
    size_t add = to - from, n = add + table->n_rows;
    double *start = malloc(n * sizeof *start), *end = malloc(n * sizeof *end);
    double *value = malloc(n * k * sizeof *value);
    if (!start || !end || !value) {
        free(start);
        free(end);
        free(value);
        return -ENOMEM;
    }
    memcpy(start, old->start_s + from, add * sizeof *start);
    memcpy(end, old->end_s + from, add * sizeof *end);
    memcpy(value, old->value + from * k, add * k * sizeof *value);
    for (size_t i = 0; i < add && !table->events; i++)
        end[i] = fmin(end[i], table->start_s[0]);
    memcpy(start + add, table->start_s, table->n_rows * sizeof *start);
    memcpy(end + add, table->end_s, table->n_rows * sizeof *end);
    memcpy(value + add * k, table->value, table->n_rows * k * sizeof *value);
    free(table->start_s);
    free(table->end_s);
    free(table->value);
    table->start_s = start;
    table->end_s = end;
    table->value = value;
    table->n_rows = n;
    if (add)
        table->from_s = fmin(table->from_s, start[0]);
    return 0;
}

// The value of a row in the middle of 'from_s' to 'to_s', which lie within it.
static double
value_at(const struct offload_feed_table *t, size_t row, size_t column, double from_s, double to_s)
{
    double here = t->value[row * t->n_columns + column];
    if (!t->linear || row + 1 == t->n_rows || t->end_s[row] < t->start_s[row + 1])
        return here;
    double next = t->value[(row + 1) * t->n_columns + column];
    double share = ((from_s + to_s) / 2 - t->start_s[row]) / (t->end_s[row] - t->start_s[row]);
    return isnan(next) ? here : here + share * (next - here);
}

// The first row that ends after 'time_s'; ends ascend where rows are no events.
static size_t
row_after(const struct offload_feed_table *t, double time_s)
{
    size_t low = 0, high = t->n_rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->end_s[middle] > time_s)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void
resample_values(const struct offload_feed_table *t, double first_s, double step_s, size_t n,
                size_t stride, double *out)
{
    size_t row = row_after(t, first_s);
    for (size_t step = 0; step < n; step++) {
        double from_s = first_s + (double)step * step_s, to_s = from_s + step_s;
        double sum[OFFLOAD_FEED_COLUMNS_MAX] = {0}, span_s[OFFLOAD_FEED_COLUMNS_MAX] = {0};
        while (row < t->n_rows && t->end_s[row] <= from_s)
            row++;
        for (size_t i = row; i < t->n_rows && t->start_s[i] < to_s; i++) {
            double a = fmax(from_s, t->start_s[i]), b = fmin(to_s, t->end_s[i]);
            for (size_t c = 0; c < t->n_columns; c++) {
                double value = value_at(t, i, c, a, b);
                if (isnan(value) || b <= a)
                    continue;
                sum[c] += value * (b - a);
                span_s[c] += b - a;
            }
        }
        for (size_t c = 0; c < t->n_columns; c++)
            out[step * stride + c] = span_s[c] > 0 ? sum[c] / span_s[c] : NAN;
    }
}

static void
resample_events(const struct offload_feed_table *t, double first_s, double step_s, size_t n,
                size_t stride, double *out)
{
    double last_s = first_s + (double)n * step_s;
    for (size_t step = 0; step < n; step++) {
        double from_s = first_s + (double)step * step_s;
        bool known = from_s < t->until_s && from_s + step_s > t->from_s;
        for (size_t c = 0; c < t->n_columns; c++)
            out[step * stride + c] = known ? 0 : NAN;
    }
    for (size_t i = 0; i < t->n_rows && t->start_s[i] < last_s; i++) {
        if (t->end_s[i] <= first_s)
            continue;
        size_t from = (size_t)fmax(0, floor((t->start_s[i] - first_s) / step_s));
        for (size_t step = from; step < n; step++) {
            double from_s = first_s + (double)step * step_s;
            double share = (fmin(t->end_s[i], from_s + step_s) - fmax(t->start_s[i], from_s)) / step_s;
            if (from_s >= t->end_s[i])
                break;
            for (size_t c = 0; c < t->n_columns && share > 0; c++) {
                double value = t->value[i * t->n_columns + c];
                if (!isnan(value))
                    out[step * stride + c] += share * value;
            }
        }
    }
}

void
offload_feed_resample(const struct offload_feed_table *t, double first_s, double step_s, size_t n,
                      size_t stride, double *out)
{
    if (t->events)
        resample_events(t, first_s, step_s, n, stride, out);
    else
        resample_values(t, first_s, step_s, n, stride, out);
}
