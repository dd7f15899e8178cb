// SPDX-License-Identifier: Apache-2.0
// Members of the peers' answers; what is absent or of another type is NULL, "", NAN or 0.
#pragma once

#include <json-c/json.h>

#include <math.h>
#include <stdint.h>

static inline struct json_object *
member(struct json_object *object, const char *key)
{
    struct json_object *value;
    return object && json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static inline const char *
text_in(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static inline double
number_in(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);
    return value && (json_object_is_type(value, json_type_int) ||
                     json_object_is_type(value, json_type_double))
               ? json_object_get_double(value)
               : NAN;
}

static inline uint64_t
count_in(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key);
    return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

static inline size_t
length_of(struct json_object *array)
{
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}
