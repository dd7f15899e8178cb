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
    {-EBADMSG, RPC_PARSE},
    {-EPROTO, RPC_INVALID_REQUEST},
    {-ENOSYS, RPC_UNKNOWN_METHOD},
    {-EINVAL, RPC_INVALID_PARAMS},
    {-ERANGE, RPC_INVALID_PARAMS},
    {-EIO, RPC_INTERNAL},
    {-ENOMEM, RPC_INTERNAL},
    {-ENOENT, RPC_NOT_FOUND},
    {-ENOSPC, RPC_INFEASIBLE},
    {-ESTALE, RPC_STALE_TERM},
    {-EBUSY, RPC_BUSY},
    {-EACCES, RPC_DENIED},
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

// How many bytes of UTF-8 stand at 'text' for one character, 0 if it is none. RFC 3629.
static size_t
utf8_length(const unsigned char *text)
{
    size_t len = 0;
    if (text[0] < 0x80)
        len = 1;
    else if (text[0] >= 0xc2 && text[0] <= 0xdf)
        len = 2;
    else if (text[0] >= 0xe0 && text[0] <= 0xef)
        len = 3;
    else if (text[0] >= 0xf0 && text[0] <= 0xf4)
        len = 4;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool beyond = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
    return overlong || beyond ? 0 : len;
}

// A text may quote a peer's bytes, or be cut within a character: JSON must not carry that on.
static void
replace_bad_utf8(char *text)
{
    while (*text) {
        size_t len = utf8_length((const unsigned char *)text);
        if (len == 0)
            *text = '?';
        text += len ? len : 1;
    }
}

struct json_object *
rpc_error_to_json(const struct offload_err *raw)
{
    struct offload_err copy = *raw, *err = &copy;
    replace_bad_utf8(err->where);
    replace_bad_utf8(err->text);
    replace_bad_utf8(err->expected);
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
    return offload_err_set(err, rpc_errno_of_code(json_object_get_int(code)),
                           get_text(data, "path"), get_text(data, "expected"), "%s",
                           got ? got : message);
}
