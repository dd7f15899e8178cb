// SPDX-License-Identifier: Apache-2.0
// Typed reading of JSON, over json-c, whose getters turn a wrong type into 0. Every error names the
// key path ("cards[0].queues"). Pure: no I/O but reading a file by name.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

// Parses 'len' bytes of 'text' as exactly one JSON value, nested at most 32 deep. 'name' is what
// messages call the text ("cardd.json"). Returns a new reference (caller: json_object_put), or NULL
// and 'err' with where = "name:line:column". Duplicate keys within one object, NaN, Infinity,
// integers beyond 64 bits and a text that is null alone (whose json-c object is NULL) are errors.
struct json_object *offload_json_parse(const char *name, const char *text, size_t len,
                                       struct offload_err *err);

// The same for a file of at most 'max_bytes'. -ENOENT, -EACCES, -EFBIG, -EINVAL in 'err'.
struct json_object *offload_json_load(const char *path, size_t max_bytes, struct offload_err *err);

// Writes "path.key" or "path[i]" into 'buf' and returns it; an empty 'path' gives "key".
char *offload_json_path(char *buf, size_t size, const char *path, const char *key);
char *offload_json_path_index(char *buf, size_t size, const char *path, size_t index);

// True if 'name' is [A-Za-z0-9][A-Za-z0-9_-]{0,31}: the names of apps, cards and paths.
bool offload_name_valid(const char *name);

// The edit-distance nearest of the NULL-terminated 'known' to 'name', or NULL if none is near.
const char *offload_nearest(const char *name, const char *const *known);
