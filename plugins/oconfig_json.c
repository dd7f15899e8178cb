// SPDX-License-Identifier: Apache-2.0
// collectd.conf -> [oconfig_json] -> option tables -> plugin.  Runs once, at collectd's start.

#include "plugins/oconfig_json.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_DEPTH = 8 }; // of blocks; ours are two deep

static struct json_object *block(const oconfig_item_t *item, const char *path,
                                 const char *const *lists, int depth, struct offload_err *err);

static struct json_object *
scalar(const oconfig_value_t *value)
{
    switch (value->type) {
    case OCONFIG_TYPE_STRING:
        return json_object_new_string(value->value.string);
    case OCONFIG_TYPE_BOOLEAN:
        return json_object_new_boolean(value->value.boolean);
    default:
        break;
    }
    double number = value->value.number;
    // Beyond 2^53 a double names no single integer any more.
    if (number == trunc(number) && fabs(number) <= 9007199254740992.0)
        return json_object_new_int64((int64_t)number);
    return json_object_new_double(number);
}

static bool
is_list(const char *key, const char *const *lists)
{
    for (; lists && *lists; lists++)
        if (strcmp(key, *lists) == 0)
            return true;
    return false;
}

// The array under 'key', made if there was none.
static struct json_object *
array_of(struct json_object *object, const char *key)
{
    struct json_object *array = NULL;
    if (!json_object_object_get_ex(object, key, &array)) {
        array = json_object_new_array();
        json_object_object_add(object, key, array);
    }
    return array;
}

static int
add_option(struct json_object *object, const oconfig_item_t *item, const char *where,
           const char *const *lists, struct offload_err *err)
{
    if (item->values_num == 0)
        return offload_err_set(err, -EINVAL, where, "write the value behind the key", "no value");
    bool list = is_list(item->key, lists);
    if (!list && json_object_object_get_ex(object, item->key, NULL))
        return offload_err_set(err, -EINVAL, where, "keep one of the lines", "given twice");
    if (!list && item->values_num == 1) {
        json_object_object_add(object, item->key, scalar(&item->values[0]));
        return 0;
    }
    struct json_object *array = array_of(object, item->key);
    for (int i = 0; i < item->values_num; i++)
        json_object_array_add(array, scalar(&item->values[i]));
    return 0;
}

static int
add_block(struct json_object *object, const oconfig_item_t *item, const char *where,
          const char *const *lists, int depth, struct offload_err *err)
{
    if (depth >= MAX_DEPTH)
        return offload_err_set(err, -EINVAL, where, NULL, "blocks are nested deeper than %d",
                               MAX_DEPTH);
    struct json_object *array = NULL;
    if (json_object_object_get_ex(object, item->key, &array) &&
        !json_object_is_type(array, json_type_array))
        return offload_err_set(err, -EINVAL, where, "keep either the block or the option",
                               "'%s' is both a block and an option", item->key);
    size_t n = array ? json_object_array_length(array) : 0;
    char path[160];
    offload_json_path_index(path, sizeof path, where, n);
    struct json_object *child = block(item, path, lists, depth, err);
    if (!child)
        return -EINVAL;
    json_object_array_add(array_of(object, item->key), child);
    return 0;
}

static struct json_object *
block(const oconfig_item_t *item, const char *path, const char *const *lists, int depth,
      struct offload_err *err)
{
    struct json_object *object = json_object_new_object();
    // The plugin's own block carries the plugin's name, which is no option.
    if (depth > 0 && item->values_num > 1) {
        offload_err_set(err, -EINVAL, path, "one name, in quotes", "the block has %d names",
                        item->values_num);
        goto free_object;
    }
    if (depth > 0 && item->values_num == 1)
        json_object_object_add(object, "Name", scalar(&item->values[0]));
    for (int i = 0; i < item->children_num; i++) {
        const oconfig_item_t *child = &item->children[i];
        char where[160];
        offload_json_path(where, sizeof where, path, child->key);
        int rc = child->children_num > 0 ? add_block(object, child, where, lists, depth + 1, err)
                                         : add_option(object, child, where, lists, err);
        if (rc)
            goto free_object;
    }
    return object;

free_object:
    json_object_put(object);
    return NULL;
}

struct json_object *
oconfig_json(const oconfig_item_t *item, const char *path, const char *const *lists,
             struct offload_err *err)
{
    return block(item, path, lists, 0, err);
}
