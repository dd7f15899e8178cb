// SPDX-License-Identifier: Apache-2.0
// errno codes and JSON-RPC's, by one table, read in both directions.
// method -> [errors] -> message.  Pure.
#include "lib/rpc/errors.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

// The first row of a code is the one that it comes back as.
static const struct {
    int code;
    enum rpc_code rpc;
} codes[] = {
    {-EBADMSG, RPC_PARSE},      {-EPROTO, RPC_INVALID_REQUEST}, {-ENOSYS, RPC_UNKNOWN_METHOD},
    {-EINVAL, RPC_INVALID_PARAMS}, {-ERANGE, RPC_INVALID_PARAMS},  {-EIO, RPC_INTERNAL},
    {-ENOMEM, RPC_INTERNAL},    {-ENOENT, RPC_NOT_FOUND},       {-ENOSPC, RPC_INFEASIBLE},
    {-ESTALE, RPC_STALE_TERM},  {-EBUSY, RPC_BUSY},             {-EACCES, RPC_DENIED},
    {-ENOTSUP, RPC_UNSUPPORTED},
};

int
rpc_code_of_errno(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].code == code)
            return codes[i].rpc;
    }
    return RPC_INTERNAL;
}

int
rpc_errno_of_code(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if ((int)codes[i].rpc == code)
            return codes[i].code;
    }
    return -EIO;
}

// Adds 'value', which is taken over. False if memory ran out here or where it was made.
static bool
add(struct json_object *object, const char *key, struct json_object *value)
{
    if (value && json_object_object_add(object, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

static bool
add_text(struct json_object *object, const char *key, const char *text)
{
    return !*text || add(object, key, json_object_new_string(text));
}

struct json_object *
rpc_error_to_json(const struct offload_err *err)
{
    char message[sizeof *err];
    offload_err_format(err, message, sizeof message);
    struct json_object *error = json_object_new_object(), *data = json_object_new_object();
    bool filled = error && data && add_text(data, "path", err->where) &&
                  add_text(data, "got", err->text) && add_text(data, "expected", err->expected) &&
                  add(error, "code", json_object_new_int(rpc_code_of_errno(err->code))) &&
                  add(error, "message", json_object_new_string(message));
    if (!filled)
        json_object_put(data);
    else if (add(error, "data", data))
        return error;
    json_object_put(error);
    return NULL;
}

// The string at 'key', or NULL. 'object' may be NULL or of any type.
static const char *
get_text(struct json_object *object, const char *key)
{
    struct json_object *value;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return NULL;
    return json_object_get_string(value);
}

int
rpc_error_from_json(struct json_object *error, struct offload_err *err)
{
    struct json_object *code = NULL, *data = NULL;
    const char *message = get_text(error, "message");
    if (!message || !json_object_object_get_ex(error, "code", &code) ||
        !json_object_is_type(code, json_type_int))
        return offload_err_set(err, -EPROTO, "error", "{\"code\":..., \"message\":...}",
                               "the peer's error object has no code or message");
    json_object_object_get_ex(error, "data", &data);
    const char *got = get_text(data, "got");
    return offload_err_set(err, rpc_errno_of_code(json_object_get_int(code)), get_text(data, "path"),
                           get_text(data, "expected"), "%s", got ? got : message);
}
