// SPDX-License-Identifier: Apache-2.0
// Blanks instead of errors.

#include "tools/fields.h"

#include <json-c/json.h>

#include <math.h>

static struct json_object *
member(struct json_object *object, const char *key, json_type type)
{
    struct json_object *value = NULL;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, key, &value))
        return NULL;
    return json_object_is_type(value, type) ? value : NULL;
}

double
field_number(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key, json_type_int);
    if (!value)
        value = member(object, key, json_type_double);
    return value ? json_object_get_double(value) : NAN;
}

const char *
field_text(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key, json_type_string);
    return value ? json_object_get_string(value) : "";
}

bool
field_true(struct json_object *object, const char *key)
{
    struct json_object *value = member(object, key, json_type_boolean);
    return value && json_object_get_boolean(value);
}

struct json_object *
field_array(struct json_object *object, const char *key)
{
    return member(object, key, json_type_array);
}

struct json_object *
field_object(struct json_object *object, const char *key)
{
    return member(object, key, json_type_object);
}

size_t
field_count(struct json_object *array)
{
    return array ? json_object_array_length(array) : 0;
}

struct json_object *
field_at(struct json_object *array, size_t i)
{
    return json_object_array_get_idx(array, i);
}
