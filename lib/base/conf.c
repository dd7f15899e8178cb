// SPDX-License-Identifier: Apache-2.0
// Option tables: fills a struct from a JSON object, whole or not at all, and prints what there is.
// text -> parse -> [conf] -> the parts.  Pure: no clock, no lock, no I/O.
#include "lib/base/conf.h"

#include "lib/base/json.h"

#include <offload/units.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS_MAX = 64, // rows of a table that an unknown key is compared with
    PATH_MAX_BYTES = 160,
    TEXT_MAX = 240,
};

static const char *
type_text(enum offload_opt_type type)
{
    switch (type) {
    case OFFLOAD_OPT_BOOL:
        return "true or false";
    case OFFLOAD_OPT_U64:
        return "a whole number";
    case OFFLOAD_OPT_F64:
        return "a number";
    case OFFLOAD_OPT_STRING:
        return "a string";
    case OFFLOAD_OPT_NAME:
        return "a name";
    case OFFLOAD_OPT_ENUM:
        return "one of its words";
    case OFFLOAD_OPT_OBJECT:
        return "an object {...}";
    case OFFLOAD_OPT_ARRAY:
        return "a list [...]";
    case OFFLOAD_OPT_U64_OR_TEXT:
        return "a whole number or a string";
    case OFFLOAD_OPT_ANY:
        return "any value";
    }
    return "?";
}

static const char *
json_type_text(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "a Boolean";
    case json_type_double:
        return "a number with a fraction";
    case json_type_int:
        return "a whole number";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "a list";
    case json_type_string:
        return "a string";
    }
    return "?";
}

static bool
is_bounded(const struct offload_opt *opt)
{
    return opt->least != 0 || opt->most != 0;
}

// "use 1 to 64 bytes"
static void
format_range(const struct offload_opt *opt, char *buf, size_t size)
{
    snprintf(buf, size, "use %.15g to %.15g%s%s", opt->least, opt->most,
             opt->unit && *opt->unit ? " " : "", opt->unit ? opt->unit : "");
}

static int
wrong_type(const struct offload_opt *opt, const char *path, struct json_object *value,
           struct offload_err *err)
{
    char expected[TEXT_MAX];
    snprintf(expected, sizeof expected, "give %s", type_text(opt->type));
    return offload_err_set(err, -EINVAL, path, expected, "is %s", json_type_text(value));
}

static int
read_u64(const struct offload_opt *opt, struct json_object *value, const char *path, void *out,
         struct offload_err *err)
{
    char expected[TEXT_MAX] = "use 0 or more";
    if (is_bounded(opt))
        format_range(opt, expected, sizeof expected);
    if (!json_object_is_type(value, json_type_int))
        return wrong_type(opt, path, value, err);
    if (json_object_get_int64(value) < 0)
        return offload_err_set(err, -ERANGE, path, expected, "%s is negative",
                               json_object_get_string(value));
    uint64_t number = json_object_get_uint64(value);
    // The bounds are doubles: exact up to 2^53, which is where bounds end in practice.
    if (is_bounded(opt) && (double)number < opt->least)
        return offload_err_set(err, -ERANGE, path, expected, "%ju is below %.15g",
                               (uintmax_t)number, opt->least);
    if (is_bounded(opt) && (double)number > opt->most)
        return offload_err_set(err, -ERANGE, path, expected, "%ju is above %.15g",
                               (uintmax_t)number, opt->most);
    memcpy(out, &number, sizeof number);
    return 0;
}

static int
read_f64(const struct offload_opt *opt, struct json_object *value, const char *path, void *out,
         struct offload_err *err)
{
    char expected[TEXT_MAX] = "write a finite number";
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return wrong_type(opt, path, value, err);
    double number = json_object_get_double(value);
    if (!isfinite(number))
        return offload_err_set(err, -ERANGE, path, expected, "is not finite");
    if (is_bounded(opt)) {
        format_range(opt, expected, sizeof expected);
        if (number < opt->least)
            return offload_err_set(err, -ERANGE, path, expected, "%.15g is below %.15g", number,
                                   opt->least);
        if (number > opt->most)
            return offload_err_set(err, -ERANGE, path, expected, "%.15g is above %.15g", number,
                                   opt->most);
    }
    memcpy(out, &number, sizeof number);
    return 0;
}

static int
read_string(const struct offload_opt *opt, struct json_object *value, const char *path, void *out,
            struct offload_err *err)
{
    if (!json_object_is_type(value, json_type_string))
        return wrong_type(opt, path, value, err);
    const char *text = json_object_get_string(value);
    size_t len = (size_t)json_object_get_string_len(value);
    if (strlen(text) != len)
        return offload_err_set(err, -EINVAL, path, "leave out \\u0000", "holds a 0 byte");
    if (opt->type == OFFLOAD_OPT_NAME && !offload_name_valid(text))
        return offload_err_set(
            err, -EINVAL, path,
            "use 1 to 32 letters, digits, '-' and '_', the first a letter or digit",
            "'%.64s' is no name", text);
    if (len >= opt->size) {
        char expected[TEXT_MAX];
        snprintf(expected, sizeof expected, "use at most %zu", opt->size - 1);
        return offload_err_set(err, -EINVAL, path, expected, "%zu characters are too many", len);
    }
    memcpy(out, text, len + 1);
    return 0;
}

static int
read_enum(const struct offload_opt *opt, struct json_object *value, const char *path, void *out,
          struct offload_err *err)
{
    if (!json_object_is_type(value, json_type_string))
        return wrong_type(opt, path, value, err);
    const char *text = json_object_get_string(value);
    char expected[TEXT_MAX] = "use ";
    for (int i = 0; opt->names[i]; i++) {
        if (!strcmp(text, opt->names[i])) {
            memcpy(out, &i, sizeof i);
            return 0;
        }
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s\"%s\"",
                 i == 0 ? "" : (opt->names[i + 1] ? ", " : " or "), opt->names[i]);
    }
    return offload_err_set(err, -EINVAL, path, expected, "\"%.64s\" is unknown", text);
}

static int
read_mixed(const struct offload_opt *opt, struct json_object *value, const char *path, void *out,
           struct offload_err *err)
{
    uint64_t unused;
    if (json_object_is_type(value, json_type_int)) {
        int rc = read_u64(opt, value, path, &unused, err);
        if (rc)
            return rc;
    } else if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(opt, path, value, err);
    }
    memcpy(out, &value, sizeof value);
    return 0;
}

static int
read_value(const struct offload_opt *opt, struct json_object *value, const char *path, char *base,
           struct offload_err *err)
{
    void *out = base + opt->offset;
    switch (opt->type) {
    case OFFLOAD_OPT_BOOL: {
        if (!json_object_is_type(value, json_type_boolean))
            return wrong_type(opt, path, value, err);
        bool flag = json_object_get_boolean(value);
        memcpy(out, &flag, sizeof flag);
        return 0;
    }
    case OFFLOAD_OPT_U64:
        return read_u64(opt, value, path, out, err);
    case OFFLOAD_OPT_F64:
        return read_f64(opt, value, path, out, err);
    case OFFLOAD_OPT_STRING:
    case OFFLOAD_OPT_NAME:
        return read_string(opt, value, path, out, err);
    case OFFLOAD_OPT_ENUM:
        return read_enum(opt, value, path, out, err);
    case OFFLOAD_OPT_OBJECT:
    case OFFLOAD_OPT_ARRAY:
        if (!json_object_is_type(value, opt->type == OFFLOAD_OPT_OBJECT ? json_type_object
                                                                        : json_type_array))
            return wrong_type(opt, path, value, err);
        memcpy(out, &value, sizeof value);
        return 0;
    case OFFLOAD_OPT_U64_OR_TEXT:
        return read_mixed(opt, value, path, out, err);
    case OFFLOAD_OPT_ANY:
        memcpy(out, &value, sizeof value);
        return 0;
    }
    return -EINVAL;
}

static int
read_default(const struct offload_opt *opt, const char *path, char *base, struct offload_err *err)
{
    if (opt->flags & OFFLOAD_OPT_REQUIRED) {
        char expected[TEXT_MAX];
        snprintf(expected, sizeof expected, "give %s", type_text(opt->type));
        return offload_err_set(err, -EINVAL, path, expected, "is missing");
    }
    if (!opt->default_text)
        return 0;
    // An object or list would be borrowed from a tree that ends here.
    if (opt->type == OFFLOAD_OPT_OBJECT || opt->type == OFFLOAD_OPT_ARRAY ||
        opt->type == OFFLOAD_OPT_U64_OR_TEXT)
        return offload_err_set(err, -EINVAL, path, NULL,
                               "has a default, which its type cannot have");
    struct json_object *value =
        offload_json_parse(path, opt->default_text, strlen(opt->default_text), err);
    if (!value)
        return err && err->code == -ENOMEM ? -ENOMEM : -EINVAL;
    int rc = read_value(opt, value, path, base, err);
    json_object_put(value);
    return rc;
}

static const struct offload_opt *
find_option(const struct offload_opt *table, const char *key)
{
    for (; table->key; table++) {
        if (!strcmp(table->key, key))
            return table;
    }
    return NULL;
}

static int
unknown_key(const struct offload_opt *table, const char *path, const char *key,
            struct offload_err *err)
{
    const char *known[KEYS_MAX + 1] = {NULL};
    char where[PATH_MAX_BYTES], expected[TEXT_MAX] = "";
    for (size_t i = 0; i < KEYS_MAX && table[i].key; i++)
        known[i] = table[i].key;
    const char *nearest = offload_nearest(key, known);
    if (nearest) {
        snprintf(expected, sizeof expected, "did you mean \"%s\"?", nearest);
    } else if (known[0]) {
        size_t used = (size_t)snprintf(expected, sizeof expected, "known are");
        for (size_t i = 0; known[i] && used < sizeof expected; i++)
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s %s", i ? "," : "",
                                     known[i]);
    }
    return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, key),
                           expected, "unknown key");
}

static int
read_object(const struct offload_opt *table, struct json_object *object, const char *path,
            char *base, struct offload_err *err)
{
    char where[PATH_MAX_BYTES];
    json_object_object_foreach (object, key, unused) {
        (void)unused;
        if (!find_option(table, key))
            return unknown_key(table, path, key, err);
    }
    for (const struct offload_opt *opt = table; opt->key; opt++) {
        struct json_object *value;
        offload_json_path(where, sizeof where, path, opt->key);
        int rc = json_object_object_get_ex(object, opt->key, &value)
                     ? read_value(opt, value, where, base, err)
                     : read_default(opt, where, base, err);
        if (rc)
            return rc;
    }
    return 0;
}

int
offload_opt_read(const struct offload_opt *table, struct json_object *object, const char *path,
                 void *out, size_t out_size, struct offload_err *err)
{
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "give an object {...}", "is %s",
                               json_type_text(object));
    char *copy = malloc(out_size);
    if (!copy)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    memcpy(copy, out, out_size);
    int rc = read_object(table, object, path, copy, err);
    if (!rc)
        memcpy(out, copy, out_size);
    free(copy);
    return rc;
}

// -- The same, deep --

enum { DEPTH_MAX = 16 }; // tables within tables; the parser's own limit of nesting is 32

static int
check_object(const struct offload_opt *table, struct json_object *object, const char *path,
             unsigned depth, struct offload_err *err);

static int
check_list(const struct offload_opt *opt, struct json_object *list, const char *path,
           unsigned depth, struct offload_err *err);

static int
check_value(const struct offload_opt *opt, struct json_object *value, const char *path,
            unsigned depth, struct offload_err *err)
{
    // Where a value of any type may be put; strings may be of any length that 'size' allows.
    size_t size = opt->size < sizeof(double) ? sizeof(double) : opt->size;
    struct offload_opt row = *opt;
    row.offset = 0;
    char *scratch = malloc(size);
    if (!scratch)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    int rc = read_value(&row, value, path, scratch, err);
    free(scratch);
    if (rc == 0 && opt->type == OFFLOAD_OPT_OBJECT && opt->fields)
        rc = check_object(opt->fields, value, path, depth + 1, err);
    if (rc == 0 && opt->type == OFFLOAD_OPT_ARRAY)
        rc = check_list(opt, value, path, depth + 1, err);
    return rc;
}

static int
check_list(const struct offload_opt *opt, struct json_object *list, const char *path,
           unsigned depth, struct offload_err *err)
{
    size_t n = json_object_array_length(list);
    char where[PATH_MAX_BYTES], expected[TEXT_MAX];
    if (is_bounded(opt) && ((double)n < opt->least || (double)n > opt->most)) {
        snprintf(expected, sizeof expected, "use %.15g to %.15g", opt->least, opt->most);
        return offload_err_set(err, -ERANGE, path, expected, "%zu elements", n);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        offload_json_path_index(where, sizeof where, path, i);
        int rc = opt->fields ? check_object(opt->fields, item, where, depth + 1, err)
                 : opt->item ? check_value(opt->item, item, where, depth + 1, err)
                             : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static int
check_object(const struct offload_opt *table, struct json_object *object, const char *path,
             unsigned depth, struct offload_err *err)
{
    char where[PATH_MAX_BYTES];
    if (depth > DEPTH_MAX)
        return offload_err_set(err, -EINVAL, path, NULL, "is nested too deep");
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "give an object {...}", "is %s",
                               json_type_text(object));
    json_object_object_foreach (object, key, unused) {
        (void)unused;
        if (!find_option(table, key))
            return unknown_key(table, path, key, err);
    }
    for (const struct offload_opt *opt = table; opt->key; opt++) {
        struct json_object *value;
        offload_json_path(where, sizeof where, path, opt->key);
        int rc = 0;
        if (json_object_object_get_ex(object, opt->key, &value))
            rc = check_value(opt, value, where, depth, err);
        else if (opt->flags & OFFLOAD_OPT_REQUIRED)
            rc = read_default(opt, where, NULL, err);
        if (rc)
            return rc;
    }
    return 0;
}

int
offload_opt_check(const struct offload_opt *table, struct json_object *object, const char *path,
                  struct offload_err *err)
{
    return check_object(table, object, path, 0, err);
}

// -- JSON Schema --

static void
add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, json_object_new_string(text));
}

// A bound without a fraction is written without one.
static void
add_number(struct json_object *to, const char *key, double value)
{
    json_object_object_add(to, key,
                           value == floor(value) && fabs(value) < 9e15
                               ? json_object_new_int64((int64_t)value)
                               : json_object_new_double(value));
}

static struct json_object *
object_schema(const struct offload_opt *opt, bool answer, struct json_object *defs)
{
    if (!opt->fields) {
        struct json_object *any = json_object_new_object();
        add_text(any, "type", "object");
        return any;
    }
    if (!opt->object || !defs)
        return offload_opt_schema(opt->fields, answer, defs);
    char ref[64];
    snprintf(ref, sizeof ref, "%s%s", opt->object, answer ? "" : "_GIVEN");
    if (!json_object_object_get_ex(defs, ref, NULL)) {
        json_object_object_add(defs, ref, NULL); // it may hold itself
        json_object_object_add(defs, ref, offload_opt_schema(opt->fields, answer, defs));
    }
    char path[80];
    snprintf(path, sizeof path, "#/$defs/%s", ref);
    struct json_object *schema = json_object_new_object();
    add_text(schema, "$ref", path);
    return schema;
}

static void
add_type(struct json_object *to, const struct offload_opt *opt, const char *type)
{
    if (!(opt->flags & OFFLOAD_OPT_NULLABLE)) {
        add_text(to, "type", type);
        return;
    }
    struct json_object *types = json_object_new_array();
    json_object_array_add(types, json_object_new_string(type));
    json_object_array_add(types, json_object_new_string("null"));
    json_object_object_add(to, "type", types);
}

static void
add_bounds(struct json_object *to, const struct offload_opt *opt, const char *least,
           const char *most)
{
    if (is_bounded(opt)) {
        add_number(to, least, opt->least);
        add_number(to, most, opt->most);
    } else if (opt->type == OFFLOAD_OPT_U64) {
        add_number(to, least, 0);
    }
}

static struct json_object *value_schema(const struct offload_opt *opt, bool answer,
                                        struct json_object *defs);

static void
describe_list(struct json_object *schema, const struct offload_opt *opt, bool answer,
              struct json_object *defs)
{
    add_type(schema, opt, "array");
    add_bounds(schema, opt, "minItems", "maxItems");
    if (opt->fields)
        json_object_object_add(schema, "items", object_schema(opt, answer, defs));
    else if (opt->item)
        json_object_object_add(schema, "items", value_schema(opt->item, answer, defs));
}

static void
describe_text(struct json_object *schema, const struct offload_opt *opt)
{
    add_type(schema, opt, "string");
    if (opt->type == OFFLOAD_OPT_NAME)
        add_text(schema, "pattern", "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$");
    else if (opt->size > 0)
        add_number(schema, "maxLength", (double)(opt->size - 1));
}

static struct json_object *
enum_names(const struct offload_opt *opt)
{
    struct json_object *names = json_object_new_array();
    for (unsigned i = 0; opt->names[i]; i++)
        json_object_array_add(names, json_object_new_string(opt->names[i]));
    return names;
}

static struct json_object *
value_schema(const struct offload_opt *opt, bool answer, struct json_object *defs)
{
    if (opt->type == OFFLOAD_OPT_OBJECT && !(opt->flags & OFFLOAD_OPT_NULLABLE))
        return object_schema(opt, answer, defs);
    struct json_object *schema = json_object_new_object(), *types;
    switch (opt->type) {
    case OFFLOAD_OPT_BOOL:
        add_type(schema, opt, "boolean");
        break;
    case OFFLOAD_OPT_U64:
    case OFFLOAD_OPT_F64:
        add_type(schema, opt, opt->type == OFFLOAD_OPT_U64 ? "integer" : "number");
        add_bounds(schema, opt, "minimum", "maximum");
        break;
    case OFFLOAD_OPT_STRING:
    case OFFLOAD_OPT_NAME:
        describe_text(schema, opt);
        break;
    case OFFLOAD_OPT_ENUM:
        json_object_object_add(schema, "enum", enum_names(opt));
        break;
    case OFFLOAD_OPT_OBJECT: // or null
        types = json_object_new_array();
        json_object_array_add(types, object_schema(opt, answer, defs));
        json_object_array_add(types, json_tokener_parse("{\"type\":\"null\"}"));
        json_object_object_add(schema, "anyOf", types);
        break;
    case OFFLOAD_OPT_ARRAY:
        describe_list(schema, opt, answer, defs);
        break;
    case OFFLOAD_OPT_ANY:
        break;
    case OFFLOAD_OPT_U64_OR_TEXT:
        json_object_object_add(schema, "type", json_tokener_parse("[\"integer\",\"string\"]"));
        add_bounds(schema, opt, "minimum", "maximum");
        break;
    }
    return schema;
}

struct json_object *
offload_opt_schema(const struct offload_opt *table, bool answer, struct json_object *defs)
{
    struct json_object *schema = json_object_new_object(), *keys = json_object_new_object(),
                       *required = json_object_new_array();
    for (const struct offload_opt *opt = table; opt->key; opt++) {
        struct json_object *value = value_schema(opt, answer, defs);
        if (opt->help && *opt->help)
            add_text(value, "description", opt->help);
        if (opt->default_text && !answer)
            json_object_object_add(value, "default", json_tokener_parse(opt->default_text));
        json_object_object_add(keys, opt->key, value);
        if (answer ? !(opt->flags & OFFLOAD_OPT_MAYBE) : opt->flags & OFFLOAD_OPT_REQUIRED)
            json_object_array_add(required, json_object_new_string(opt->key));
    }
    add_text(schema, "type", "object");
    json_object_object_add(schema, "properties", keys);
    json_object_object_add(schema, "required", required);
    json_object_object_add(schema, "additionalProperties", json_object_new_boolean(false));
    return schema;
}

static void
print_values(const struct offload_opt *opt, FILE *to)
{
    if (opt->type == OFFLOAD_OPT_ENUM) {
        for (int i = 0; opt->names[i]; i++)
            fprintf(to, "%s%s", i ? "|" : "", opt->names[i]);
    } else {
        fputs(type_text(opt->type), to);
    }
    if (is_bounded(opt))
        fprintf(to, ", %.15g to %.15g", opt->least, opt->most);
    if (opt->unit && *opt->unit)
        fprintf(to, " %s", opt->unit);
    if (opt->flags & OFFLOAD_OPT_REQUIRED)
        fputs(", required", to);
    else if (opt->default_text)
        fprintf(to, ", default %s", opt->default_text);
}

void
offload_opt_print(const struct offload_opt *table, FILE *to)
{
    for (; table->key; table++) {
        fprintf(to, "  %-20s ", table->key);
        print_values(table, to);
        fprintf(to, "\n  %-20s   %s\n", "", table->help ? table->help : "");
    }
}
