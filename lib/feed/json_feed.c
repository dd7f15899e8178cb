// SPDX-License-Identifier: Apache-2.0
// text -> [json_feed] -> table.  Two shapes: rows (met.no: an array of objects) and columns
// (Open-Meteo: an object of arrays of equal length).

#include "lib/feed/build.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 256 };

struct source {
    struct build build;
    struct json_object *at; // where Path leads
    char path[PATH_MAX_BYTES], time[PATH_MAX_BYTES];
    char column[OFFLOAD_FEED_COLUMNS_MAX][PATH_MAX_BYTES]; // from the row, or the array's key
    double offset_s; // of local times, NAN: by the options
};

static int __attribute__((format(printf, 4, 5)))
refuse(const struct source *s, const char *path, const char *expected, const char *fmt, ...)
{
    char where[160], what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%.70s: %.80s", s->build.options->name, *path ? path : "root");
    return offload_err_set(s->build.err, -EINVAL, where, expected, "%s", what);
}

// "a.b.2" from 'object' on; NULL if something on the way is missing.
static struct json_object *
walk(struct json_object *object, const char *path)
{
    char step[PATH_MAX_BYTES];
    while (object && *path) {
        size_t len = strcspn(path, ".");
        if (len >= sizeof step)
            return NULL;
        memcpy(step, path, len);
        step[len] = '\0';
        path += len + (path[len] == '.');
        if (json_object_is_type(object, json_type_array)) {
            char *end;
            unsigned long i = strtoul(step, &end, 10);
            object = *step >= '0' && *step <= '9' && !*end && i < json_object_array_length(object)
                         ? json_object_array_get_idx(object, i)
                         : NULL;
        } else if (!json_object_is_type(object, json_type_object) ||
                   !json_object_object_get_ex(object, step, &object)) {
            object = NULL;
        }
    }
    return object;
}

static bool
is_array(struct json_object *object)
{
    return json_object_is_type(object, json_type_array);
}

// Services report their own troubles in the same language.
static int
check_answer(const struct source *s, struct json_object *root)
{
    struct json_object *error = NULL, *reason = NULL;
    if (!json_object_is_type(root, json_type_object) ||
        !json_object_object_get_ex(root, "error", &error) || !json_object_get_boolean(error))
        return 0;
    char text[160];
    if (!json_object_object_get_ex(root, "reason", &reason))
        reason = error;
    const char *told = json_object_get_string(reason);
    shown(text, sizeof text, told, strlen(told));
    return refuse(s, "error", NULL, "the service answers: %s", text);
}

static int
find_rows(struct source *s, struct json_object *root)
{
    const struct offload_feed_options *o = s->build.options;
    snprintf(s->path, sizeof s->path, "%s", o->path);
    if (!*o->path) {
        if (is_array(walk(root, "hourly.time")))
            snprintf(s->path, sizeof s->path, "hourly");
        else if (is_array(walk(root, "properties.timeseries")))
            snprintf(s->path, sizeof s->path, "properties.timeseries");
    }
    snprintf(s->time, sizeof s->time, "%s", *o->time ? o->time : "time");
    s->at = walk(root, s->path);
    if (!s->at)
        return refuse(s, s->path, "Path: from the root to the rows", "there is no such place");
    if (!is_array(s->at) && !json_object_is_type(s->at, json_type_object))
        return refuse(s, s->path, "an array of rows, or an object of arrays", "it is a %s",
                      json_type_to_name(json_object_get_type(s->at)));
    struct json_object *offset = NULL;
    s->offset_s = NAN;
    if (json_object_is_type(root, json_type_object) &&
        json_object_object_get_ex(root, "utc_offset_seconds", &offset) &&
        json_object_is_type(offset, json_type_int))
        s->offset_s = json_object_get_double(offset);
    return 0;
}

// Numbers as numbers, as strings (prices often are), null; truth as 1.
static bool
read_number(struct json_object *object, double *value)
{
    switch (json_object_get_type(object)) {
    case json_type_null:
        *value = NAN;
        return true;
    case json_type_int:
    case json_type_double:
        *value = json_object_get_double(object);
        return true;
    case json_type_boolean:
        *value = json_object_get_boolean(object);
        return true;
    case json_type_string:
        return parse_number(json_object_get_string(object), value);
    default:
        return false;
    }
}

static int
read_time(const struct source *s, struct json_object *object, const char *path, double *time_s)
{
    *time_s = NAN;
    char text[48];
    const char *told = json_object_get_string(object);
    if (object && (json_object_is_type(object, json_type_string) ||
                   json_object_is_type(object, json_type_int) ||
                   json_object_is_type(object, json_type_double)))
        *time_s = offload_feed_time(told, s->build.options->timezone, s->offset_s);
    if (!isnan(*time_s))
        return 0;
    shown(text, sizeof text, told ? told : "null", told ? strlen(told) : 4);
    return refuse(s, path, "2026-01-31T12:00Z, or seconds since 1970",
                  object ? "'%s' is no time" : "no time", text);
}

static int
read_value(const struct source *s, struct json_object *object, const char *path, double *value)
{
    char text[48];
    if (read_number(object, value))
        return 0;
    const char *told = json_object_get_string(object);
    shown(text, sizeof text, told, strlen(told));
    return refuse(s, path, "a number or null", "'%s' is no number", text);
}

static int
add_column(struct source *s, const char *path)
{
    size_t i = s->build.table.n_columns;
    if (strlen(path) >= PATH_MAX_BYTES)
        return refuse(s, path, "a shorter one", "a path of %zu bytes", strlen(path));
    // The last part names the column, unless another one has that name.
    const char *last = strrchr(path, '.');
    last = last ? last + 1 : path;
    for (size_t c = 0; c < i; c++)
        if (strcmp(s->build.table.name[c], last) == 0)
            last = path;
    if (i < OFFLOAD_FEED_COLUMNS_MAX)
        snprintf(s->column[i], sizeof s->column[i], "%s", path);
    return build_column(&s->build, last);
}

static int
add_chosen(struct source *s)
{
    const struct offload_feed_options *o = s->build.options;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->n_values; i++)
        rc = add_column(s, o->value[i]);
    return rc;
}

// ---- An object of arrays ----

static int
choose_arrays(struct source *s)
{
    double number;
    int rc = add_chosen(s);
    if (s->build.options->n_values)
        return rc;
    json_object_object_foreach(s->at, key, array)
    {
        // What is no number anywhere is no column; a null at the start may be.
        bool is_number = is_array(array) && strcmp(key, s->time) != 0 &&
                         strcmp(key, s->build.options->end) != 0;
        size_t n = is_number ? json_object_array_length(array) : 0;
        for (size_t i = 0; i < n && is_number; i++)
            is_number = read_number(json_object_array_get_idx(array, i), &number);
        if (is_number && n && (rc = add_column(s, key)))
            return rc;
    }
    return 0;
}

static int
array_of(const struct source *s, const char *key, size_t length, struct json_object **array)
{
    char path[PATH_MAX_BYTES * 2 + 2];
    *array = walk(s->at, key);
    offload_json_path(path, sizeof path, s->path, key);
    if (!is_array(*array))
        return refuse(s, path, "an array, one element a row", *array ? "no array" : "missing");
    if (length && json_object_array_length(*array) != length)
        return refuse(s, path, "as many elements as there are times", "%zu elements, %zu times",
                      json_object_array_length(*array), length);
    return 0;
}

static int
read_columns(struct source *s)
{
    struct json_object *time, *end = NULL, *array[OFFLOAD_FEED_COLUMNS_MAX];
    char path[PATH_MAX_BYTES * 2 + 32];
    int rc = array_of(s, s->time, 0, &time);
    size_t n = rc ? 0 : json_object_array_length(time);
    if (rc == 0 && n == 0)
        return refuse(s, s->path, NULL, "no times");
    if (rc == 0 && *s->build.options->end)
        rc = array_of(s, s->build.options->end, n, &end);
    rc = rc ? rc : choose_arrays(s);
    for (size_t c = 0; rc == 0 && c < s->build.table.n_columns; c++)
        rc = array_of(s, s->column[c], n, &array[c]);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        double value[OFFLOAD_FEED_COLUMNS_MAX], start_s, end_s = NAN;
        snprintf(path, sizeof path, "%s.%s[%zu]", s->path, s->time, i);
        rc = read_time(s, json_object_array_get_idx(time, i), path, &start_s);
        if (rc == 0 && end)
            rc = read_time(s, json_object_array_get_idx(end, i), path, &end_s);
        for (size_t c = 0; rc == 0 && c < s->build.table.n_columns; c++) {
            snprintf(path, sizeof path, "%s.%s[%zu]", s->path, s->column[c], i);
            rc = read_value(s, json_object_array_get_idx(array[c], i), path, &value[c]);
        }
        rc = rc ? rc : build_row(&s->build, start_s, end_s, value);
    }
    return rc;
}

// ---- An array of rows ----

// All members of 'row'.'group' that are numbers.
static int
add_numbers(struct source *s, struct json_object *row, const char *group)
{
    struct json_object *members = walk(row, group);
    char path[PATH_MAX_BYTES];
    double number;
    if (!json_object_is_type(members, json_type_object))
        return 0;
    json_object_object_foreach(members, key, member)
    {
        if (json_object_is_type(member, json_type_null) || !read_number(member, &number))
            continue;
        if (!*group && (strcmp(key, s->time) == 0 || strcmp(key, s->build.options->end) == 0))
            continue;
        if (strlen(group) + strlen(key) + 2 > sizeof path || strchr(key, '.'))
            continue;
        offload_json_path(path, sizeof path, group, key);
        int rc = add_column(s, path);
        if (rc)
            return rc;
    }
    return 0;
}

static int
choose_members(struct source *s)
{
    int rc = add_chosen(s);
    if (s->build.options->n_values || rc)
        return rc;
    struct json_object *first = json_object_array_get_idx(s->at, 0);
    if (!walk(first, "data.instant.details"))
        return add_numbers(s, first, "");
    rc = add_numbers(s, first, "data.instant.details");
    return rc ? rc : add_numbers(s, first, "data.next_1_hours.details");
}

static int
read_row(struct source *s, struct json_object *row, size_t i)
{
    double value[OFFLOAD_FEED_COLUMNS_MAX], start_s, end_s = NAN;
    char path[PATH_MAX_BYTES * 2 + 32];
    const char *end = s->build.options->end;
    snprintf(path, sizeof path, "%s[%zu].%s", s->path, i, s->time);
    int rc = read_time(s, walk(row, s->time), path, &start_s);
    if (rc == 0 && *end) {
        snprintf(path, sizeof path, "%s[%zu].%s", s->path, i, end);
        rc = read_time(s, walk(row, end), path, &end_s);
    }
    // A member that a row lacks is a gap: met.no's far future says less.
    for (size_t c = 0; rc == 0 && c < s->build.table.n_columns; c++) {
        snprintf(path, sizeof path, "%s[%zu].%s", s->path, i, s->column[c]);
        rc = read_value(s, walk(row, s->column[c]), path, &value[c]);
    }
    return rc ? rc : build_row(&s->build, start_s, end_s, value);
}

static int
read_rows(struct source *s)
{
    size_t n = json_object_array_length(s->at);
    if (n == 0)
        return refuse(s, s->path, NULL, "no rows");
    int rc = choose_members(s);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = read_row(s, json_object_array_get_idx(s->at, i), i);
    return rc;
}

static void
find_span(struct offload_feed_table *t)
{
    t->from_s = INFINITY;
    t->until_s = -INFINITY;
    for (size_t i = 0; i < t->n_rows; i++) {
        t->from_s = fmin(t->from_s, t->start_s[i]);
        t->until_s = fmax(t->until_s, t->end_s[i]);
    }
}

int
parse_json(const struct offload_feed_options *options, const char *text, size_t len,
           struct offload_feed_table *table, struct offload_err *err)
{
    struct json_object *root = offload_json_parse(options->name, text, len, err);
    if (!root)
        return err && err->code ? err->code : -EINVAL;
    struct source *s = calloc(1, sizeof *s);
    int rc = s ? 0 : offload_err_set(err, -ENOMEM, options->name, NULL, "no memory");
    if (rc == 0) {
        build_init(&s->build, options, err);
        rc = check_answer(s, root);
        rc = rc ? rc : find_rows(s, root);
        s->build.table.events = *options->end != '\0';
        if (rc == 0)
            rc = is_array(s->at) ? read_rows(s) : read_columns(s);
        if (rc == 0 && s->build.table.events)
            find_span(&s->build.table);
        rc = rc ? rc : build_finish(&s->build, table);
        build_fini(&s->build);
    }
    free(s);
    json_object_put(root);
    return rc;
}
