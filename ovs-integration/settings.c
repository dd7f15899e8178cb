// SPDX-License-Identifier: Apache-2.0
// flowd.json, read by one option table.
#include "ovs-integration/settings.h"
#include "ovs-integration/flows.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 20 };

struct settings_opts {
    struct settings s;
    struct json_object *bridges;
};

#define TEXT_OPT(KEY, DEFAULT, HELP)                                                               \
    {                                                                                              \
        .key = #KEY, .type = OFFLOAD_OPT_STRING, .offset = offsetof(struct settings_opts, s.KEY),  \
        .size = sizeof((struct settings *)0)->KEY, .default_text = DEFAULT, .help = HELP           \
    }

static const struct offload_opt settings_table[] = {
    TEXT_OPT(rundir, "\"/run/offload\"", "where flowd.sock is made"),
    TEXT_OPT(state_dir, "\"/var/lib/offload\"", "where flowd keeps the intents"),
    TEXT_OPT(ovsdb, "\"unix:/run/openvswitch/db.sock\"", "OVSDB of the switch"),
    TEXT_OPT(ovs_rundir, "\"/run/openvswitch\"", "where the bridges' management sockets are"),
    TEXT_OPT(vswitchd_ctl, "\"\"", "control socket of ovs-vswitchd; empty: found in ovs_rundir"),
    {.key = "bridges",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct settings_opts, bridges),
     .help = "names of the bridges that may be touched, 1 to 16",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "repair_interval_s",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct settings_opts, s.repair_interval_s),
     .least = 1,
     .most = 3600,
     .default_text = "5",
     .unit = "s",
     .help = "own flows are compared this often"},
    {.key = "priority",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct settings_opts, s.priority),
     .least = 2,
     .most = 65535 - FLOW_PRIORITY_BITS_MAX,
     .default_text = "40000",
     .unit = "",
     .help = "least priority of the flows in table 0"},
    OFFLOAD_OPT_END,
};

static int
read_bridges(struct json_object *array, struct settings *s, struct offload_err *err)
{
    size_t n = json_object_array_length(array);
    if (n < 1 || n > BRIDGES_MAX)
        return offload_err_set(err, -ERANGE, "bridges", "name 1 to 16 bridges", "%zu bridges", n);
    for (size_t i = 0; i < n; i++) {
        char path[32];
        struct json_object *item = json_object_array_get_idx(array, i);
        const char *name =
            json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        offload_json_path_index(path, sizeof path, "bridges", i);
        if (!name[0] || strlen(name) >= BRIDGE_NAME_SIZE || strchr(name, '/'))
            return offload_err_set(err, -EINVAL, path, "use a name such as \"br0\"",
                                   "%.80s is no bridge's name", json_object_to_json_string(item));
        for (size_t j = 0; j < i; j++)
            if (!strcmp(s->bridges[j], name))
                return offload_err_set(err, -EINVAL, path, "name it once",
                                       "bridge '%s' was named before", name);
        strcpy(s->bridges[i], name);
    }
    s->n_bridges = n;
    return 0;
}

int
settings_load(const char *path, struct settings *settings, struct offload_err *err)
{
    struct settings_opts opts = {.bridges = NULL};
    struct json_object *object = offload_json_load(path, FILE_MAX_BYTES, err);
    if (!object)
        return err ? err->code : -EINVAL;
    int rc = json_object_is_type(object, json_type_object)
                 ? offload_opt_read(settings_table, object, "", &opts, sizeof opts, err)
                 : offload_err_set(err, -EINVAL, "", "use an object: {\"bridges\":[\"br0\"]}",
                                   "the file holds no object");
    if (!rc)
        rc = read_bridges(opts.bridges, &opts.s, err);
    json_object_put(object);
    if (rc) {
        offload_err_prefix(err, path);
        return rc;
    }
    *settings = opts.s;
    return 0;
}

void
settings_print_options(FILE *to)
{
    offload_opt_print(settings_table, to);
}
