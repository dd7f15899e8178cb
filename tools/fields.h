// SPDX-License-Identifier: Apache-2.0
// Members of a daemon's answer, for printing: what is missing, null or of another type is a blank,
// not an error, since the daemon may be older or newer than this command.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_object;

double field_number(struct json_object *object, const char *key); // NaN if there is none
const char *field_text(struct json_object *object,
                       const char *key); // "" if there is none; borrowed
bool field_true(struct json_object *object, const char *key);
struct json_object *field_array(struct json_object *object,
                                const char *key); // NULL if there is none; borrowed
struct json_object *field_object(struct json_object *object, const char *key); // likewise
size_t field_count(struct json_object *array);                                 // 0 for NULL
struct json_object *field_at(struct json_object *array, size_t i);
