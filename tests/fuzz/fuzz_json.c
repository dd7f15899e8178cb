// SPDX-License-Identifier: Apache-2.0
// What the parser takes, it must take again after it has been written out, as the same value.
#include "lib/base/json.h"

#include <json-c/json.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct offload_err err = {0};
    struct json_object *value = offload_json_parse("fuzz", (const char *)data, size, &err);
    assert(!value == (err.code != 0));
    if (!value)
        return 0;
    const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
    struct json_object *again = offload_json_parse("again", text, strlen(text), &err);
    assert(again && json_object_equal(value, again));
    json_object_put(again);
    json_object_put(value);
    return 0;
}
