// SPDX-License-Identifier: Apache-2.0
// CSV files with a heading line: read whole, cut into cells in place.  file -> [csv] -> backtest.
// RFC 4180 without line ends inside of quotes.

#include "tools/csv.h"

#include "lib/base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

enum { BYTES_MAX = 256 << 20, WHERE_BYTES = 400 };

static int
fail_at(const char *path, size_t line, const char *column, const char *expected,
        struct offload_err *err, const char *what)
{
    char where[WHERE_BYTES];
    snprintf(where, sizeof where, column ? "%s:%zu: column '%s'" : "%s:%zu", path, line, column);
    return offload_err_set(err, -EINVAL, where, expected, "%s", what);
}

static int
read_text(const char *path, char **text, struct offload_err *err)
{
    struct stat stat;
    FILE *f = fopen(path, "r");
    if (!f || fstat(fileno(f), &stat)) {
        int code = -errno;
        if (f)
            fclose(f);
        return offload_err_set(err, code, path, "a CSV file", "%s", strerror(-code));
    }
    int rc = 0;
    char *bytes = NULL;
    if (!S_ISREG(stat.st_mode))
        rc = offload_err_set(err, -EINVAL, path, "a CSV file", "it is no regular file");
    else if (stat.st_size > BYTES_MAX)
        rc = offload_err_set(err, -EFBIG, path, "at most 256 MiB", "it has %lld bytes",
                             (long long)stat.st_size);
    else if (!(bytes = malloc((size_t)stat.st_size + 1)))
        rc = offload_err_set(err, -ENOMEM, path, NULL, "no memory to read it");
    else {
        size_t n = fread(bytes, 1, (size_t)stat.st_size, f);
        bytes[n] = 0;
        if (ferror(f))
            rc = offload_err_set(err, -EIO, path, NULL, "it could not be read to its end");
        else if (memchr(bytes, 0, n))
            rc = offload_err_set(err, -EINVAL, path, "text", "it has a byte 0 in it");
    }
    fclose(f);
    if (rc)
        free(bytes);
    else
        *text = bytes;
    return rc;
}

// Cuts the line at its commas, takes quotes away. Returns the number of cells; 'cell' may be NULL
// to count only (the line is left as it is).
static size_t
cut(char *line, char **cell, size_t most)
{
    size_t n = 0;
    for (char *from = line;; n++) {
        char *to = from, *start = from;
        bool quoted = *from == '"';
        if (quoted)
            from++;
        for (; *from && (quoted || *from != ','); from++) {
            if (quoted && *from == '"' && from[1] != '"') {
                quoted = false;
                continue;
            }
            from += quoted && *from == '"';
            if (cell)
                *to++ = *from;
        }
        bool last = !*from;
        if (cell && n < most) {
            *to = 0;
            cell[n] = start;
        }
        if (last)
            return n + 1;
        from++;
    }
}

static size_t
count_lines(const char *text)
{
    size_t n = 1;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static int
read_rows(struct csv *csv, char *rest, size_t number, struct offload_err *err)
{
    char what[96], expected[48];
    for (char *line; (line = strsep(&rest, "\n")); number++) {
        line[strcspn(line, "\r")] = 0;
        if (!*line)
            continue;
        size_t n = cut(line, NULL, 0);
        if (n != csv->n_columns) {
            snprintf(what, sizeof what, "%zu cells", n);
            snprintf(expected, sizeof expected, "%zu, as the heading line has", csv->n_columns);
            return fail_at(csv->path, number, NULL, expected, err, what);
        }
        cut(line, csv->cell + csv->n_rows * csv->n_columns, n);
        csv->line[csv->n_rows++] = number;
    }
    return 0;
}

int
csv_read(const char *path, struct csv *csv, struct offload_err *err)
{
    *csv = (struct csv){.path = path};
    int rc = read_text(path, &csv->text, err);
    if (rc)
        return rc;
    char *rest = csv->text;
    if (!strncmp(rest, "\xef\xbb\xbf", 3)) // a byte order mark
        rest += 3;
    size_t lines = count_lines(rest);
    char *head = strsep(&rest, "\n");
    head[strcspn(head, "\r")] = 0;
    if (!*head || !rest) {
        csv_free(csv);
        return fail_at(path, 1, NULL, "a heading line and rows", err, "there is no row");
    }
    csv->n_columns = cut(head, NULL, 0);
    csv->column = calloc(csv->n_columns, sizeof *csv->column);
    csv->cell = calloc(lines * csv->n_columns, sizeof *csv->cell);
    csv->line = calloc(lines, sizeof *csv->line);
    if (!csv->column || !csv->cell || !csv->line) {
        csv_free(csv);
        return offload_err_set(err, -ENOMEM, path, NULL, "no memory for its cells");
    }
    cut(head, csv->column, csv->n_columns);
    rc = read_rows(csv, rest, 2, err);
    if (rc)
        csv_free(csv);
    return rc;
}

void
csv_free(struct csv *csv)
{
    free(csv->column);
    free(csv->cell);
    free(csv->line);
    free(csv->text);
    *csv = (struct csv){.path = csv->path};
}

int
csv_find(const struct csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_columns; i++)
        if (!strcmp(csv->column[i], name))
            return (int)i;
    return -1;
}

int
csv_need(const struct csv *csv, const char *name, struct offload_err *err)
{
    int found = csv_find(csv, name);
    if (found >= 0)
        return found;
    const char **names = calloc(csv->n_columns + 1, sizeof *names);
    for (size_t i = 0; names && i < csv->n_columns; i++)
        names[i] = csv->column[i];
    const char *near = names ? offload_nearest(name, names) : NULL;
    char expected[96] = "";
    if (near)
        snprintf(expected, sizeof expected, "did you mean '%.60s'?", near);
    int rc = fail_at(csv->path, 1, name, expected, err, "there is no such column");
    free(names);
    return rc;
}

int
csv_number(const struct csv *csv, size_t row, size_t column, bool gaps, double *out,
           struct offload_err *err)
{
    const char *text = csv_cell(csv, row, column);
    char *end, what[80];
    if (gaps && (!*text || !strcasecmp(text, "na") || !strcasecmp(text, "nan"))) {
        *out = NAN;
        return 0;
    }
    double value = strtod(text, &end);
    if (end != text && !*end && isfinite(value)) {
        *out = value;
        return 0;
    }
    snprintf(what, sizeof what, "'%.40s' is no number", text);
    return fail_at(csv->path, csv->line[row], csv->column[column],
                   gaps ? "a number, or an empty cell for a gap" : "a number", err, what);
}

int
csv_time(const struct csv *csv, size_t row, size_t column, double *out, struct offload_err *err)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    const char *text = csv_cell(csv, row, column);
    char *end, what[80];
    double number = strtod(text, &end);
    if (end != text && !*end && isfinite(number)) {
        *out = number;
        return 0;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        end = strptime(text, forms[i], &tm);
        if (!end || (*end && strcmp(end, "Z")))
            continue;
        *out = (double)timegm(&tm);
        return 0;
    }
    snprintf(what, sizeof what, "'%.40s' is no time", text);
    return fail_at(csv->path, csv->line[row], csv->column[column],
                   "2026-01-31T12:00 (UTC), a date, or seconds since 1970", err, what);
}
