// SPDX-License-Identifier: Apache-2.0
// OVSDB messages of a manager's election; see ovsdb.h and RFC 7047, sections 4 and 5.
#include "lib/rpc/ovsdb.h"

#include "lib/rpc/frame.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char ovsdb_database[] = "Offload";
const char ovsdb_lock_name[] = "offload_manager";

static const char table[] = "Manager";

int
ovsdb_stream_init(struct ovsdb_stream *stream)
{
    *stream = (struct ovsdb_stream){.tokener = json_tokener_new()};
    return stream->tokener ? 0 : -ENOMEM;
}

void
ovsdb_stream_fini(struct ovsdb_stream *stream)
{
    if (stream->tokener)
        json_tokener_free(stream->tokener);
    *stream = (struct ovsdb_stream){.tokener = NULL};
}

int
ovsdb_stream_feed(struct ovsdb_stream *stream, const char *bytes, size_t n, ovsdb_message_fn *fn,
                  void *ctx)
{
    while (n > 0) {
        int chunk = n < RPC_LINE_MAX ? (int)n : RPC_LINE_MAX;
        struct json_object *message = json_tokener_parse_ex(stream->tokener, bytes, chunk);
        enum json_tokener_error error = json_tokener_get_error(stream->tokener);
        if (error == json_tokener_continue) {
            stream->held += (size_t)chunk;
            return stream->held > RPC_LINE_MAX ? -EPROTO : 0;
        }
        if (error != json_tokener_success)
            return -EPROTO;
        size_t used = json_tokener_get_parse_end(stream->tokener);
        stream->held = 0;
        fn(ctx, message);
        json_object_put(message);
        bytes += used;
        n -= used;
    }
    return 0;
}

static struct json_object *
text(const char *value)
{
    return json_object_new_string(value);
}

static struct json_object *
array_of(size_t n, struct json_object *const *values)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < n; i++)
        json_object_array_add(array, values[i]);
    return array;
}

#define ARRAY(...)                                                                                 \
    array_of(sizeof((struct json_object *[]){__VA_ARGS__}) / sizeof(struct json_object *),         \
             (struct json_object *[]){__VA_ARGS__})

static char *
message_text(struct json_object *message)
{
    char *out = strdup(json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN));
    json_object_put(message);
    return out;
}

char *
ovsdb_format_request(unsigned id, const char *method, struct json_object *params)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "id", json_object_new_int64(id));
    json_object_object_add(o, "method", text(method));
    json_object_object_add(o, "params", params ? params : json_object_new_array());
    return message_text(o);
}

char *
ovsdb_format_echo(struct json_object *message)
{
    struct json_object *o = json_object_new_object(), *id = NULL, *params = NULL;
    json_object_object_get_ex(message, "id", &id);
    json_object_object_get_ex(message, "params", &params);
    json_object_object_add(o, "id", json_object_get(id));
    json_object_object_add(o, "result", json_object_get(params));
    json_object_object_add(o, "error", NULL);
    return message_text(o);
}

enum ovsdb_kind
ovsdb_kind_of(struct json_object *message, unsigned id)
{
    struct json_object *method, *value;
    if (!json_object_is_type(message, json_type_object))
        return OVSDB_OTHER;
    if (json_object_object_get_ex(message, "method", &method)) {
        const char *name = json_object_get_string(method);
        if (!name)
            return OVSDB_OTHER;
        return !strcmp(name, "echo")     ? OVSDB_ECHO
               : !strcmp(name, "locked") ? OVSDB_LOCKED
               : !strcmp(name, "stolen") ? OVSDB_STOLEN
                                         : OVSDB_OTHER;
    }
    if (json_object_object_get_ex(message, "id", &value) &&
        json_object_is_type(value, json_type_int) && json_object_get_int64(value) == (int64_t)id)
        return OVSDB_ANSWER;
    return OVSDB_OTHER;
}

struct json_object *
ovsdb_lock_params(void)
{
    return ARRAY(text(ovsdb_lock_name));
}

static struct json_object *
operation(const char *op, const char *of)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "op", text(op));
    if (of) {
        json_object_object_add(o, "table", text(of));
        if (strcmp(op, "insert"))
            json_object_object_add(o, "where", json_object_new_array());
    }
    return o;
}

struct json_object *
ovsdb_leads_params(void)
{
    struct json_object *select = operation("select", "Database");
    json_object_object_add(select, "where",
                           ARRAY(ARRAY(text("name"), text("=="), text(ovsdb_database))));
    json_object_object_add(select, "columns", ARRAY(text("leader")));
    return ARRAY(text("_Server"), select);
}

struct json_object *
ovsdb_read_params(void)
{
    struct json_object *select = operation("select", table);
    json_object_object_add(select, "columns", ARRAY(text("term"), text("beat"), text("holder")));
    return ARRAY(text(ovsdb_database), select);
}

static struct json_object *
assert_lock(void)
{
    struct json_object *o = operation("assert", NULL);
    json_object_object_add(o, "lock", text(ovsdb_lock_name));
    return o;
}

// Holds at once or fails: {"wait", until the table's terms are exactly these}.
static struct json_object *
wait_term(bool exists, uint64_t term)
{
    struct json_object *o = operation("wait", table), *row = json_object_new_object();
    json_object_object_add(row, "term", json_object_new_int64((int64_t)term));
    json_object_object_add(o, "timeout", json_object_new_int64(0));
    json_object_object_add(o, "columns", ARRAY(text("term")));
    json_object_object_add(o, "until", text("=="));
    json_object_object_add(o, "rows", exists ? ARRAY(row) : json_object_new_array());
    if (!exists)
        json_object_put(row);
    return o;
}

struct json_object *
ovsdb_take_params(const struct ovsdb_row *row, uint64_t term, const char *holder)
{
    struct json_object *change = operation(row->exists ? "update" : "insert", table);
    struct json_object *values = json_object_new_object();
    json_object_object_add(values, "term", json_object_new_int64((int64_t)term));
    json_object_object_add(values, "beat", json_object_new_int64((int64_t)row->beat + 1));
    json_object_object_add(values, "holder", text(holder));
    json_object_object_add(change, "row", values);
    return ARRAY(text(ovsdb_database), assert_lock(), wait_term(row->exists, row->term), change);
}

struct json_object *
ovsdb_beat_params(uint64_t term, uint64_t beat)
{
    struct json_object *change = operation("update", table), *values = json_object_new_object();
    json_object_object_add(values, "beat", json_object_new_int64((int64_t)beat));
    json_object_object_add(change, "row", values);
    return ARRAY(text(ovsdb_database), assert_lock(), wait_term(true, term), change);
}

// ---- answers

static int
result_of(struct json_object *answer, struct json_object **result, struct offload_err *err)
{
    struct json_object *error;
    if (json_object_object_get_ex(answer, "error", &error) && error)
        return offload_err_set(err, -EPROTO, NULL, NULL, "the OVSDB server says %.200s",
                               json_object_to_json_string_ext(error, JSON_C_TO_STRING_PLAIN));
    if (!json_object_object_get_ex(answer, "result", result) || !*result)
        return offload_err_set(err, -EPROTO, NULL, NULL, "the OVSDB server's answer has no result");
    return 0;
}

int
ovsdb_read_locked(struct json_object *answer, bool *locked, struct offload_err *err)
{
    struct json_object *result, *value;
    int rc = result_of(answer, &result, err);
    if (rc)
        return rc;
    *locked = json_object_is_type(result, json_type_object) &&
              json_object_object_get_ex(result, "locked", &value) && json_object_get_boolean(value);
    return 0;
}

int
ovsdb_read_done(struct json_object *answer, struct offload_err *err)
{
    struct json_object *result, *error;
    int rc = result_of(answer, &result, err);
    if (rc)
        return rc;
    if (!json_object_is_type(result, json_type_array))
        return offload_err_set(err, -EPROTO, NULL, NULL, "a transaction's result is no list");
    for (size_t i = 0; i < json_object_array_length(result); i++) {
        struct json_object *one = json_object_array_get_idx(result, i);
        if (!json_object_is_type(one, json_type_object) ||
            !json_object_object_get_ex(one, "error", &error))
            continue;
        const char *name = error ? json_object_get_string(error) : "";
        bool lost =
            !strcmp(name, "timed out") || !strcmp(name, "not owner") || !strcmp(name, "not leader");
        return offload_err_set(err, lost ? -EAGAIN : -EPROTO, NULL, NULL,
                               "the OVSDB server says %.200s",
                               json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN));
    }
    return 0;
}

// The first row of the first operation's result, or NULL.
static int
first_row(struct json_object *answer, struct json_object **row, struct offload_err *err)
{
    struct json_object *result, *rows;
    int rc = ovsdb_read_done(answer, err);
    *row = NULL;
    if (rc)
        return rc;
    json_object_object_get_ex(answer, "result", &result);
    struct json_object *one = json_object_array_get_idx(result, 0);
    if (!json_object_is_type(one, json_type_object) ||
        !json_object_object_get_ex(one, "rows", &rows) ||
        !json_object_is_type(rows, json_type_array))
        return offload_err_set(err, -EPROTO, NULL, NULL, "a selection's result has no rows");
    *row = json_object_array_get_idx(rows, 0);
    return 0;
}

int
ovsdb_read_leads(struct json_object *answer, bool *leads, struct offload_err *err)
{
    struct json_object *row, *value;
    int rc = first_row(answer, &row, err);
    if (rc)
        return rc;
    if (!row)
        return offload_err_set(err, -ENOENT, NULL, "create it by conf/offload.ovsschema",
                               "the OVSDB server has no database '%s'", ovsdb_database);
    *leads = json_object_object_get_ex(row, "leader", &value) && json_object_get_boolean(value);
    return 0;
}

int
ovsdb_read_row(struct json_object *answer, struct ovsdb_row *row, struct offload_err *err)
{
    struct json_object *object, *value;
    int rc = first_row(answer, &object, err);
    if (rc)
        return rc;
    *row = (struct ovsdb_row){.exists = object != NULL};
    if (object && json_object_object_get_ex(object, "term", &value))
        row->term = json_object_get_uint64(value);
    if (object && json_object_object_get_ex(object, "beat", &value))
        row->beat = json_object_get_uint64(value);
    if (object && json_object_object_get_ex(object, "holder", &value))
        snprintf(row->holder, sizeof row->holder, "%s", json_object_get_string(value));
    return 0;
}
