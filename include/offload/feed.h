// SPDX-License-Identifier: Apache-2.0
// Feeds: what somebody else knows of the time to come. A calendar, a weather service's answer or a
// CSV file is parsed into a table of rows, each of which holds for a while; the table is resampled
// to the forecaster's steps, a column a regressor:
//
//   text -> [parse] -> table -> [join with what was known before] -> [resample] -> a value a step
//
// Plain memory: no clock, no I/O; the span of interest is an argument. Whatever the text holds, it
// costs at most the limits below. All times are Unix time in s.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OFFLOAD_FEED_BYTES_MAX = 16 << 20, // of text
    OFFLOAD_FEED_ROWS_MAX = 1 << 18,
    OFFLOAD_FEED_COLUMNS_MAX = 32,
    OFFLOAD_FEED_NAME_MAX = 63, // of a column
};

enum offload_feed_format { OFFLOAD_FEED_ICAL, OFFLOAD_FEED_JSON, OFFLOAD_FEED_CSV };
extern const char *const offload_feed_format_names[]; // "ical", ...; ends with NULL

struct offload_feed_options {
    enum offload_feed_format format;
    const char *name; // what messages call the text: a file's name or a URL
    // JSON: keys and indices with dots between, "properties.timeseries". From the root to the rows,
    // an array of objects or arrays, or an object of arrays, one a column. "": found where
    // Open-Meteo and met.no have it, else the root.
    const char *path;
    // The time of a row: JSON, from the row; CSV, a column. "": "time", the first column.
    const char *time;
    // The same for the end of what the row tells. "": a row holds until the next one, and outside
    // of all rows nothing is known. Given: a row is an event, and outside of all events all is 0.
    const char *end;
    // The columns: JSON, from the row; CSV, names; calendars, patterns (* and ?) of the events'
    // summaries, a column each. None: all that are numbers; all events in one column.
    const char *const *value;
    size_t n_values;
    const char *timezone;   // of times that name none, "Europe/Berlin"; "": UTC
    bool linear;            // between two rows without 'end': a straight line, not the former's value
    double from_s, until_s; // calendars: the span for which events are worked out
};

// Rows in order of start_s.
struct offload_feed_table {
    bool events, linear;
    size_t n_rows, n_columns;
    char (*name)[OFFLOAD_FEED_NAME_MAX + 1]; // [n_columns]
    double *start_s, *end_s;                 // [n_rows]; the row holds from start_s until end_s
    double *value;                           // [row][n_columns]; NAN: not known
    double from_s, until_s;                  // the span of which the table knows something
    size_t n_skipped;                        // events that cannot be understood
    char skipped[200];                       // the first of them, and why
};

// Parses 'len' bytes into 'table' (caller: fini), which is untouched on failure. -EINVAL: the text
// is not what the options say, is cut, or holds not one value; 'err' names line or key path. -EFBIG:
// a limit is passed. -ENOMEM.
int offload_feed_parse(const struct offload_feed_options *options, const char *text, size_t len,
                       struct offload_feed_table *table, struct offload_err *err);
void offload_feed_table_fini(struct offload_feed_table *table);

// Puts the rows of 'old' from before the first of 'table', but not from before 'keep_from_s', in
// front of it: services tell little of the past. Without effect if the columns differ. -ENOMEM.
int offload_feed_join(struct offload_feed_table *table, const struct offload_feed_table *old,
                      double keep_from_s);

// The table as bytes that a file can keep (caller frees), and back. 'name': what messages call them.
// -ENOMEM; import: -EBADMSG, the bytes are none of export's, and 'table' is untouched.
int offload_feed_export(const struct offload_feed_table *table, char **data, size_t *len);
int offload_feed_import(const char *data, size_t len, const char *name,
                        struct offload_feed_table *table, struct offload_err *err);

// The table's mean over each of 'n' steps of 'step_s', the first of which begins at 'first_s':
// out[step * stride + column]. An event counts by its share of the step. NAN: not known.
void offload_feed_resample(const struct offload_feed_table *table, double first_s, double step_s,
                           size_t n, size_t stride, double *out);

// Reads "2026-01-31T12:00:00.5+01:00", "2026-01-31 12:00", "2026-01-31" or seconds or milliseconds
// since 1970. A time without zone is 'offset_s' east of UTC, or if that is NAN, of 'timezone' ("":
// UTC). NAN: it is no time, or there is no such zone.
double offload_feed_time(const char *text, const char *timezone, double offset_s);
// True if times of the zone can be read; "" is UTC.
bool offload_feed_timezone_known(const char *timezone);
