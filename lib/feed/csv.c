// SPDX-License-Identifier: Apache-2.0
// text -> [csv] -> table.  RFC 4180, with the separators that people use: comma, semicolon, tab.

#include "lib/feed/build.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 1024 };

struct csv {
    struct build build;
    char *text, *at, *end; // 'at': the next record
    char separator;
    size_t line;
    char *cell[CELLS_MAX];
    size_t n_cells;
    size_t time, finish;                     // indices of cells; finish CELLS_MAX: none
    size_t column[OFFLOAD_FEED_COLUMNS_MAX]; // cell of each of the table's columns
    bool chosen;                             // by Value, so each cell must be a number
};

static int __attribute__((format(printf, 3, 4)))
refuse(const struct csv *csv, const char *expected, const char *fmt, ...)
{
    char where[160], what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%.140s:%zu", csv->build.options->name, csv->line);
    return offload_err_set(csv->build.err, -EINVAL, where, expected, "%s", what);
}

// The one that the first line has most of.
static char
find_separator(const char *text, size_t len)
{
    static const char separators[] = ",;\t";
    size_t n[3] = {0};
    for (size_t i = 0; i < len && text[i] != '\n'; i++)
        for (int s = 0; s < 3; s++)
            n[s] += text[i] == separators[s];
    int most = n[1] > n[0] ? 1 : 0;
    return separators[n[2] > n[most] ? 2 : most];
}

// Ends the quoted cell at csv->at, in place; csv->at is then behind its quote.
static int
quoted_cell(struct csv *csv)
{
    size_t started = csv->line;
    char *to = csv->at, *from = csv->at + 1;
    csv->cell[csv->n_cells++] = to;
    for (;; from++) {
        if (from >= csv->end) {
            csv->line = started;
            return refuse(csv, "end it with '\"'", "a quoted cell does not end");
        }
        csv->line += *from == '\n';
        if (*from == '"' && from + 1 < csv->end && from[1] == '"')
            from++;
        else if (*from == '"')
            break;
        *to++ = *from;
    }
    *to = '\0';
    csv->at = from + 1;
    return 0;
}

// Splits the next record into cells, in place. -EAGAIN: there is none.
static int
next_record(struct csv *csv)
{
    csv->n_cells = 0;
    while (csv->at < csv->end && (*csv->at == '\n' || *csv->at == '\r' || *csv->at == '#')) {
        if (*csv->at == '#')
            csv->at += strcspn(csv->at, "\n");
        csv->line += csv->at < csv->end && *csv->at == '\n';
        csv->at++;
    }
    if (csv->at >= csv->end)
        return -EAGAIN;
    csv->line++;
    for (;;) {
        if (csv->n_cells == CELLS_MAX)
            return refuse(csv, "at most 1024 cells", "more than %d cells", CELLS_MAX);
        while (csv->at < csv->end && *csv->at == ' ')
            csv->at++;
        if (csv->at < csv->end && *csv->at == '"') {
            int rc = quoted_cell(csv);
            if (rc)
                return rc;
        } else {
            csv->cell[csv->n_cells++] = csv->at;
        }
        while (csv->at < csv->end && *csv->at != csv->separator && *csv->at != '\n')
            csv->at++;
        bool more = csv->at < csv->end && *csv->at == csv->separator;
        if (csv->at > csv->text && csv->at[-1] == '\r')
            csv->at[-1] = '\0';
        *csv->at++ = '\0'; // there is a 0 byte behind the text's end
        if (!more)
            return 0;
    }
}

static size_t
find_cell(const struct csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_cells; i++)
        if (strcmp(csv->cell[i], name) == 0)
            return i;
    return CELLS_MAX;
}

static int
no_column(const struct csv *csv, const char *key, const char *name)
{
    char known[200] = "", cell[40];
    for (size_t i = 0; i < csv->n_cells && strlen(known) < 140; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s'%s'", i ? ", " : "one of ",
                 shown(cell, sizeof cell, csv->cell[i], strlen(csv->cell[i])));
    return refuse(csv, known, "%s: there is no column '%s'", key, name);
}

// Under Value's names, or all but the times'.
static int
choose_columns(struct csv *csv)
{
    const struct offload_feed_options *o = csv->build.options;
    csv->time = *o->time ? find_cell(csv, o->time) : 0;
    csv->finish = *o->end ? find_cell(csv, o->end) : CELLS_MAX;
    if (csv->time == CELLS_MAX)
        return no_column(csv, "Time", o->time);
    if (*o->end && csv->finish == CELLS_MAX)
        return no_column(csv, "End", o->end);
    csv->chosen = o->n_values > 0;
    for (size_t i = 0; i < o->n_values; i++) {
        size_t cell = find_cell(csv, o->value[i]);
        if (cell == CELLS_MAX)
            return no_column(csv, "Value", o->value[i]);
        csv->column[csv->build.table.n_columns] = cell;
        int rc = build_column(&csv->build, o->value[i]);
        if (rc)
            return rc;
    }
    return 0;
}

// Without Value: what the first row of values has numbers in.
static int
choose_numbers(struct csv *csv, char *const *heading)
{
    double number;
    for (size_t i = 0; i < csv->n_cells; i++) {
        if (i == csv->time || i == csv->finish || !parse_number(csv->cell[i], &number))
            continue;
        char name[32];
        snprintf(name, sizeof name, "column%zu", i + 1);
        if (csv->build.table.n_columns < OFFLOAD_FEED_COLUMNS_MAX)
            csv->column[csv->build.table.n_columns] = i;
        int rc = build_column(&csv->build, heading ? heading[i] : name);
        if (rc)
            return rc;
    }
    return 0;
}

static int
read_time(const struct csv *csv, size_t cell, double *time_s)
{
    char text[48];
    if (cell >= csv->n_cells)
        return refuse(csv, "as many cells as in the first line", "only %zu cells", csv->n_cells);
    *time_s = offload_feed_time(csv->cell[cell], csv->build.options->timezone, NAN);
    if (!isnan(*time_s))
        return 0;
    shown(text, sizeof text, csv->cell[cell], strlen(csv->cell[cell]));
    return refuse(csv, "2026-01-31T12:00Z, or seconds since 1970", "'%s' is no time", text);
}

static int
read_record(struct csv *csv)
{
    double value[OFFLOAD_FEED_COLUMNS_MAX], start_s, end_s = NAN;
    char text[48];
    int rc = read_time(csv, csv->time, &start_s);
    if (rc == 0 && csv->finish != CELLS_MAX)
        rc = read_time(csv, csv->finish, &end_s);
    if (rc)
        return rc;
    if (end_s < start_s)
        return refuse(csv, "an end behind the start", "it ends %g s before it starts",
                      start_s - end_s);
    for (size_t c = 0; c < csv->build.table.n_columns; c++) {
        size_t cell = csv->column[c];
        value[c] = NAN;
        if (cell >= csv->n_cells || parse_number(csv->cell[cell], &value[c]))
            continue;
        shown(text, sizeof text, csv->cell[cell], strlen(csv->cell[cell]));
        return refuse(csv, "a number such as 12.5, or nothing", "column '%s': '%s' is no number",
                      csv->build.table.name[c], text);
    }
    return build_row(&csv->build, start_s, end_s, value);
}

static int
read_records(struct csv *csv)
{
    char *heading[CELLS_MAX];
    int rc = next_record(csv);
    if (rc)
        return rc;
    // A first line that starts with a time is no heading.
    bool headed = isnan(offload_feed_time(csv->cell[0], "", NAN));
    if (!headed && (csv->build.options->n_values || *csv->build.options->time || *csv->build.options->end))
        return refuse(csv, "a first line with the columns' names", "there is no heading");
    if (headed) {
        rc = choose_columns(csv);
        memcpy(heading, csv->cell, sizeof heading);
        size_t n = csv->n_cells;
        rc = rc ? rc : next_record(csv);
        if (rc)
            return rc;
        csv->n_cells = csv->n_cells < n ? csv->n_cells : n;
    } else {
        csv->finish = CELLS_MAX;
    }
    if (!csv->chosen)
        rc = choose_numbers(csv, headed ? heading : NULL);
    csv->build.table.events = csv->finish != CELLS_MAX;
    while (rc == 0) {
        rc = read_record(csv);
        rc = rc ? rc : next_record(csv);
    }
    return rc;
}

int
parse_csv(const struct offload_feed_options *options, const char *text, size_t len,
          struct offload_feed_table *table, struct offload_err *err)
{
    struct csv *csv = calloc(1, sizeof *csv);
    char *copy = malloc(len + 1);
    if (!csv || !copy) {
        free(csv);
        free(copy);
        return offload_err_set(err, -ENOMEM, options->name, NULL, "no memory for its text");
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    *csv = (struct csv){.text = copy, .at = copy, .end = copy + len};
    csv->separator = find_separator(text, len);
    build_init(&csv->build, options, err);
    int rc = read_records(csv);
    if (rc == -EAGAIN) { // all is read
        struct offload_feed_table *t = &csv->build.table;
        t->from_s = INFINITY;
        t->until_s = -INFINITY;
        for (size_t i = 0; t->events && i < t->n_rows; i++) {
            t->from_s = fmin(t->from_s, t->start_s[i]);
            t->until_s = fmax(t->until_s, t->end_s[i]);
        }
        rc = build_finish(&csv->build, table);
    }
    build_fini(&csv->build);
    free(copy);
    free(csv);
    return rc;
}
