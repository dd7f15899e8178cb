// SPDX-License-Identifier: Apache-2.0
// Aligned tables: filled cell by cell, row after row, then printed at the width of what they hold.
#pragma once

#include <stdio.h>

struct table;

// 'headings' ends with NULL and is borrowed; one that begins with '>' stands on the right, as its
// column does (numbers). Memory that runs out ends the program.
struct table *table_create(const char *const *headings);
void table_destroy(struct table *table);

// The next cell. An empty text prints as "-".
void table_cell(struct table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Prints headings and whole rows; columns are two blanks apart, and no line ends with a blank. A
// table without rows prints nothing.
void table_print(const struct table *table, FILE *to);
// The same, line by line, each without its end.
typedef void table_line_fn(void *ctx, const char *line);
void table_lines(const struct table *table, table_line_fn *fn, void *ctx);

// Columns that 'text' (UTF-8) takes up.
int table_text_width(const char *text);
