// SPDX-License-Identifier: Apache-2.0
// What the parsers share: a table that grows row by row.
#pragma once

#include <offload/feed.h>

struct build {
    const struct offload_feed_options *options;
    struct offload_feed_table table;
    size_t size; // rows that there is room for
    struct offload_err *err;
};

void build_init(struct build *b, const struct offload_feed_options *options,
                struct offload_err *err);
void build_fini(struct build *b);
// A column; its name is cut to what fits. -EFBIG.
int build_column(struct build *b, const char *name);
// A row; 'value' has a value for each column and may be NULL for all NAN. end_s NAN: until the next
// row. -EFBIG, -ENOMEM.
int build_row(struct build *b, double start_s, double end_s, const double *value);
// Notes that something was left out, and why.
void build_skip(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Sorts, removes doubles, works out the ends, and gives the table away. -EINVAL: no row, or a
// column without any number.
int build_finish(struct build *b, struct offload_feed_table *table);

// Reads all of 'text' as a number, with a decimal point; NAN for what stands for a gap ("", "-",
// "NA", "null", "nan", infinities). False: it is neither.
bool parse_number(const char *text, double *value);

// The name without what would break a line of a message; at most 'size' bytes.
const char *shown(char *buf, size_t size, const char *text, size_t len);

int parse_ical(const struct offload_feed_options *options, const char *text, size_t len,
               struct offload_feed_table *table, struct offload_err *err);
int parse_json(const struct offload_feed_options *options, const char *text, size_t len,
               struct offload_feed_table *table, struct offload_err *err);
int parse_csv(const struct offload_feed_options *options, const char *text, size_t len,
              struct offload_feed_table *table, struct offload_err *err);
