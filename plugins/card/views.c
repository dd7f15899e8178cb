// SPDX-License-Identifier: Apache-2.0
// A name that is no name, or statistics that are none, make a row useless; the rest has defaults.

#include "plugins/card/views.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>

static double
number_in(struct json_object *object, const char *key, double otherwise)
{
    struct json_object *value;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, key, &value))
        return otherwise;
    bool number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    return number ? json_object_get_double(value) : otherwise;
}

static struct json_object *
member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

static int
read_name(struct json_object *object, const char *path, const char *key, char *out, size_t size,
          struct offload_err *err)
{
    char where[160];
    struct json_object *value = member(object, key);
    const char *name =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    if (!offload_name_valid(name))
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, key),
                               "a letter or digit, then at most 31 of A-Z a-z 0-9 _ -",
                               "'%s' is no name", name);
    snprintf(out, size, "%s", name);
    return 0;
}

static int
read_common(struct json_object *object, const char *path, struct json_object *allocated,
            struct view *view, struct offload_err *err)
{
    char where[160];
    int rc = read_name(object, path, "card", view->card, sizeof view->card, err);
    if (rc)
        return rc;
    view->cpu_pct = number_in(allocated, "cpu_pct", 0);
    view->bandwidth_bps = number_in(allocated, "bandwidth_bps", 0);
    view->memory_bytes = number_in(allocated, "memory_bytes", 0);
    return stats_read(member(object, "stats"),
                      offload_json_path(where, sizeof where, path, "stats"), &view->stats, err);
}

int
view_read_card(struct json_object *object, const char *path, struct view *out,
               struct offload_err *err)
{
    struct view view = {0};
    int rc = read_common(object, path, member(object, "allocated"), &view, err);
    if (rc)
        return rc;
    view.cycles_per_s = number_in(member(object, "capacity"), "cycles_per_s", NAN);
    *out = view;
    return 0;
}

int
view_read_app(struct json_object *object, const char *path, struct view *out,
              struct offload_err *err)
{
    struct view view = {.cycles_per_s = NAN};
    int rc = read_name(object, path, "app", view.app, sizeof view.app, err);
    if (!rc)
        rc = read_common(object, path, member(object, "allocation"), &view, err);
    if (!rc)
        *out = view;
    return rc;
}
