// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0: reads requests, calls methods, formats answers; formats requests, reads answers.
// bytes -> frame -> [message] -> method.  Pure: text in, text out. Spec: jsonrpc.org/specification.
#include "lib/rpc/message.h"

#include "lib/base/json.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/frame.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    METHODS_MAX = 64, // that an unknown method is compared with
    FORMAT = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
};

// The parts of a request, borrowed from the message.
struct request {
    struct json_object *id; // NULL: a notification, or an id of null
    bool has_id;
    const char *method;
    struct json_object *params;
};

// Adds 'value', which is taken over. False if memory ran out here or where it was made.
static bool
add(struct json_object *object, const char *key, struct json_object *value)
{
    if (value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

static struct json_object *
new_message(void)
{
    struct json_object *message = json_object_new_object();
    if (message && add(message, "jsonrpc", json_object_new_string("2.0")))
        return message;
    json_object_put(message);
    return NULL;
}

// Returns 'message' as a line (caller frees), or NULL if memory runs out.
static char *
format_line(struct json_object *message)
{
    // json-c does not look whether its buffer could grow, and leaves out what did not fit. The
    // second pass finds the buffer grown by the first.
    size_t len;
    json_object_to_json_string_length(message, FORMAT, &len);
    const char *text = json_object_to_json_string_length(message, FORMAT, &len);
    char *line = text ? malloc(len + 2) : NULL;
    if (!line)
        return NULL;
    memcpy(line, text, len);
    memcpy(line + len, "\n", 2);
    return line;
}

// Answers with 'key' ("result" or "error") set to 'value', which is taken over.
static char *
format_answer(struct json_object *id, const char *key, struct json_object *value)
{
    struct json_object *message = value ? new_message() : NULL;
    if (!message) {
        json_object_put(value);
        return NULL;
    }
    char *line = NULL;
    if (add(message, key, value)) {
        // A missing or null id goes out as null, which add() would take for a failure.
        if (json_object_object_add(message, "id", json_object_get(id)) == 0)
            line = format_line(message);
        else
            json_object_put(id);
    }
    json_object_put(message);
    return line;
}

static char *
format_failure(struct json_object *id, const struct offload_err *err)
{
    return format_answer(id, "error", rpc_error_to_json(err));
}

// Takes the message apart. 'request->id' is set as soon as it is known, for the error's sake.
static int
read_request(struct json_object *message, struct request *request, struct offload_err *err)
{
    static const char expected[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"...\",\"params\":{}}";
    struct json_object *version, *method;
    if (json_object_is_type(message, json_type_array))
        return offload_err_set(err, -EPROTO, NULL, "send one request a line",
                               "batches are not served");
    if (!json_object_is_type(message, json_type_object))
        return offload_err_set(err, -EPROTO, NULL, expected, "the request is no object");
    request->has_id = json_object_object_get_ex(message, "id", &request->id);
    enum json_type id_type = json_object_get_type(request->id);
    if (id_type != json_type_null && id_type != json_type_int && id_type != json_type_string) {
        request->id = NULL;
        return offload_err_set(err, -EPROTO, "id", "use a whole number or a string",
                               "is neither number nor string");
    }
    if (!json_object_object_get_ex(message, "jsonrpc", &version) ||
        !json_object_is_type(version, json_type_string) ||
        strcmp(json_object_get_string(version), "2.0"))
        return offload_err_set(err, -EPROTO, "jsonrpc", "send \"jsonrpc\":\"2.0\"",
                               "is missing or another version");
    if (!json_object_object_get_ex(message, "method", &method) ||
        !json_object_is_type(method, json_type_string))
        return offload_err_set(err, -EPROTO, "method", expected, "is missing or no string");
    request->method = json_object_get_string(method);
    if (json_object_object_get_ex(message, "params", &request->params) &&
        !json_object_is_type(request->params, json_type_object))
        return offload_err_set(err, -EINVAL, "params", "send an object", "is no object");
    return 0;
}

static int
unknown_method(const struct rpc_method *methods, const char *name, struct offload_err *err)
{
    const char *known[METHODS_MAX + 1] = {NULL};
    char expected[sizeof err->expected] = "";
    for (size_t i = 0; i < METHODS_MAX && methods[i].name; i++)
        known[i] = methods[i].name;
    const char *nearest = offload_nearest(name, known);
    if (nearest)
        snprintf(expected, sizeof expected, "did you mean \"%s\"?", nearest);
    return offload_err_set(err, -ENOSYS, NULL, expected, "unknown method '%.64s'", name);
}

// Who is asked, and by whom.
struct service {
    const struct rpc_method *methods;
    const struct rpc_schema *schemas; // NULL: methods check for themselves
    enum rpc_role role;               // of the peer
    void *ctx;
    struct rpc_peer *peer;
};

static int
check_request(const struct service *service, const char *method, struct json_object *params,
              struct offload_err *err)
{
    if (!service->schemas)
        return 0;
    const struct rpc_schema *verb = rpc_schema_find(service->schemas, method);
    if (!verb)
        return offload_err_set(err, -ENOTSUP, NULL, NULL, "%s has no schema", method);
    return rpc_schema_check(verb, service->role, params, err);
}

static int
call_method(const struct service *service, const struct request *request,
            struct json_object **result, struct offload_err *err)
{
    const struct rpc_method *method = service->methods;
    while (method->name && strcmp(method->name, request->method))
        method++;
    if (!method->name)
        return unknown_method(service->methods, request->method, err);

    struct json_object *params =
        request->params ? json_object_get(request->params) : json_object_new_object();
    if (!params)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    int rc = check_request(service, method->name, params, err);
    if (rc == 0)
        rc = method->fn(service->ctx, service->peer, params, result, err);
    json_object_put(params);
    if (rc && err->code != rc)
        offload_err_set(err, rc, NULL, NULL, "%s failed: %s", method->name, strerror(-rc));
    return rc;
}

// Responses carry no method: they are not answered, or two peers could do so for ever.
static bool
is_response(struct json_object *message)
{
    return json_object_is_type(message, json_type_object) &&
           !json_object_object_get_ex(message, "method", NULL) &&
           (json_object_object_get_ex(message, "result", NULL) ||
            json_object_object_get_ex(message, "error", NULL));
}

static char *
answer_message(const struct service *service, struct json_object *message)
{
    struct offload_err err = {0};
    struct request request = {0};
    struct json_object *result = NULL;
    if (is_response(message))
        return NULL;
    // A request so broken that its id is not known is answered with an id of null.
    if (read_request(message, &request, &err))
        return format_failure(request.id, &err);
    int rc = call_method(service, &request, &result, &err);
    if (!request.has_id) {
        json_object_put(rc ? NULL : result);
        return NULL;
    }
    if (rc)
        return format_failure(request.id, &err);
    return format_answer(request.id, "result", result ? result : json_object_new_object());
}

char *
rpc_answer(const struct rpc_method *methods, void *ctx, struct rpc_peer *peer, const char *line,
           size_t len)
{
    return rpc_answer_checked(methods, NULL, RPC_MANAGE, ctx, peer, line, len);
}

char *
rpc_answer_checked(const struct rpc_method *methods, const struct rpc_schema *schemas,
                   enum rpc_role role, void *ctx, struct rpc_peer *peer, const char *line,
                   size_t len)
{
    const struct service service = {methods, schemas, role, ctx, peer};
    struct offload_err err = {0};
    if (!line) {
        char expected[64];
        snprintf(expected, sizeof expected, "send at most %d bytes a line", RPC_LINE_MAX);
        offload_err_set(&err, -EPROTO, NULL, expected, "the request is too long");
        return format_failure(NULL, &err);
    }
    struct json_object *message = offload_json_parse("request", line, len, &err);
    if (!message) {
        if (err.code != -ENOMEM)
            err.code = -EBADMSG;
        return format_failure(NULL, &err);
    }
    char *answer = answer_message(&service, message);
    json_object_put(message);
    return answer;
}

char *
rpc_format_request(unsigned id, const char *method, struct json_object *params)
{
    char *line = NULL;
    struct json_object *message = new_message();
    bool done = message && (id == 0 || add(message, "id", json_object_new_uint64(id))) &&
                add(message, "method", json_object_new_string(method));
    if (!done)
        json_object_put(params);
    else if (!params || add(message, "params", params))
        line = format_line(message);
    json_object_put(message);
    return line;
}

// Reads the part of the response that carries its outcome.
static int
read_outcome(struct json_object *message, struct json_object **result, struct offload_err *err)
{
    struct json_object *value;
    if (json_object_object_get_ex(message, "error", &value) && value)
        return rpc_error_from_json(value, err);
    if (!json_object_object_get_ex(message, "result", &value))
        return offload_err_set(err, -EPROTO, NULL, NULL,
                               "the peer's response has neither result nor error");
    *result = json_object_get(value);
    return 0;
}

int
rpc_read_response(const char *line, size_t len, unsigned id, struct json_object **result,
                  struct offload_err *err)
{
    struct offload_err own = {0};
    struct json_object *message = offload_json_parse("response", line, len, &own), *value;
    if (!message) {
        int code = own.code == -ENOMEM ? -ENOMEM : -EPROTO;
        return offload_err_set(err, code, own.where, own.expected, "%s", own.text);
    }
    int rc;
    if (!json_object_is_type(message, json_type_object)) {
        rc = offload_err_set(err, -EPROTO, NULL, NULL, "the peer's response is no object");
    } else if (json_object_object_get_ex(message, "method", NULL)) {
        *result = json_object_get(message);
        rc = -EAGAIN;
    } else if (json_object_object_get_ex(message, "id", &value) && value &&
               (!json_object_is_type(value, json_type_int) ||
                json_object_get_int64(value) != (int64_t)id)) {
        rc = -EAGAIN;
    } else {
        // An id of null answers a request that the peer could not read: ours, as only one is open.
        rc = read_outcome(message, result, err);
    }
    json_object_put(message);
    return rc;
}
