// SPDX-License-Identifier: Apache-2.0
// Cells in one growing array; widths are counted when it is printed.

#include "tools/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct table {
    const char *const *headings;
    size_t n_columns;
    char **cells;
    size_t n_cells, size;
};

static void *
or_exit(void *memory)
{
    if (!memory) {
        fputs("offloadctl: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

struct table *
table_create(const char *const *headings)
{
    struct table *table = or_exit(calloc(1, sizeof *table));
    table->headings = headings;
    while (headings[table->n_columns])
        table->n_columns++;
    return table;
}

void
table_destroy(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

void
table_cell(struct table *table, const char *fmt, ...)
{
    char *text;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        or_exit(NULL);
    if (n == 0) {
        free(text);
        text = or_exit(strdup("-"));
    }
    if (table->n_cells == table->size) {
        table->size = table->size ? 2 * table->size : 64;
        table->cells = or_exit(realloc(table->cells, table->size * sizeof *table->cells));
    }
    table->cells[table->n_cells++] = text;
}

int
table_text_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += (*text & 0xc0) != 0x80; // the later bytes of a character take no column
    return width;
}

static const char *
heading_of(const struct table *table, size_t column, bool *right)
{
    const char *heading = table->headings[column];
    *right = *heading == '>';
    return heading + *right;
}

static int
width_of(const struct table *table, size_t column)
{
    bool right;
    int width = table_text_width(heading_of(table, column, &right));
    for (size_t i = column; i < table->n_cells; i += table->n_columns) {
        int cell = table_text_width(table->cells[i]);
        width = cell > width ? cell : width;
    }
    return width;
}

// One line of it: 'row' 0 is the headings.
static void
put_line(const struct table *table, size_t row, const int *widths, FILE *to)
{
    int owed = 0; // blanks, which are written once something follows
    for (size_t column = 0; column < table->n_columns; column++) {
        bool right;
        const char *text = heading_of(table, column, &right);
        if (row > 0)
            text = table->cells[(row - 1) * table->n_columns + column];
        int blanks = widths[column] - table_text_width(text);
        fprintf(to, "%*s%s", owed + (right ? blanks : 0), "", text);
        owed = 2 + (right ? 0 : blanks);
    }
}

void
table_lines(const struct table *table, table_line_fn *fn, void *ctx)
{
    size_t n_rows = table->n_cells / table->n_columns;
    if (n_rows == 0)
        return;
    int *widths = or_exit(calloc(table->n_columns, sizeof *widths));
    for (size_t column = 0; column < table->n_columns; column++)
        widths[column] = width_of(table, column);
    for (size_t row = 0; row <= n_rows; row++) {
        char *line = NULL;
        size_t len;
        FILE *to = or_exit(open_memstream(&line, &len));
        put_line(table, row, widths, to);
        fclose(to);
        fn(ctx, line);
        free(line);
    }
    free(widths);
}

static void
print_line(void *to, const char *line)
{
    fprintf(to, "%s\n", line);
}

void
table_print(const struct table *table, FILE *to)
{
    table_lines(table, print_line, to);
}
