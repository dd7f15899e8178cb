// SPDX-License-Identifier: Apache-2.0
// collectd read plugin: latency, jitter, loss and bandwidth left of network paths onto the bus.
// sockets, links -> [offload_path] -> bus -> offload_forecast, and whatever else listens.
// The read callback takes what the senders' threads have measured since the last one; it waits for
// nobody.

#include "plugin.h"
#include "utils/common/common.h"

#include "plugins/oconfig_json.h"
#include "plugins/path/links.h"
#include "plugins/path/sockets.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/clock.h"
#include "lib/stamp/packet.h"

#include <offload/units.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct path {
    char name[OFFLOAD_NAME_MAX + 1];
    char interface[16];
    char key_file[256];
    double speed_bps; // 0: as the kernel says
    struct sender_options target;
    struct sender *sender;
    bool failing; // and told so
    struct link_counts link;
    uint64_t link_ns; // when 'link' was read; 0: never
};

struct reflector_config {
    char bind[64];
    uint64_t port;
    char key_file[256];
    struct json_object *allow;
};

struct options {
    struct json_object *paths, *reflectors;
};

#define SIZE_OF(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

static const struct offload_opt plugin_options[] = {
    {.key = "Path",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct options, paths),
     .help = "a path to measure, from here to a STAMP reflector"},
    {.key = "Reflector",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct options, reflectors),
     .help = "answer other hosts' senders; without this block nobody is answered"},
    OFFLOAD_OPT_END,
};

static const struct offload_opt path_options[] = {
    {.key = "Name",
     .type = OFFLOAD_OPT_NAME,
     SIZE_OF(struct path, name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the path's name on the bus"},
    {.key = "Host",
     .type = OFFLOAD_OPT_STRING,
     SIZE_OF(struct path, target.host),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the reflector's name or address"},
    {.key = "Port",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct path, target.port),
     .least = 1,
     .most = 65535,
     .default_text = "862",
     .help = "the reflector's UDP port"},
    {.key = "IntervalMs",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct path, target.interval_ms),
     .least = 1,
     .most = 60000,
     .default_text = "100",
     .unit = "ms",
     .help = "from one packet to the next"},
    {.key = "TimeoutMs",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct path, target.timeout_ms),
     .least = 1,
     .most = 60000,
     .default_text = "1000",
     .unit = "ms",
     .help = "after which a packet is lost"},
    {.key = "Dscp",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct path, target.dscp),
     .least = 0,
     .most = 63,
     .default_text = "0",
     .help = "the class that the packets are marked with; a path for each class measures each"},
    {.key = "KeyFile",
     .type = OFFLOAD_OPT_STRING,
     SIZE_OF(struct path, key_file),
     .default_text = "\"\"",
     .help = "authenticated mode, with the key that the file's first line is"},
    {.key = "Interface",
     .type = OFFLOAD_OPT_STRING,
     SIZE_OF(struct path, interface),
     .default_text = "\"\"",
     .help = "report the bandwidth that is left on this interface"},
    {.key = "SpeedBps",
     .type = OFFLOAD_OPT_F64,
     .offset = offsetof(struct path, speed_bps),
     .least = 0,
     .most = 1e15,
     .default_text = "0",
     .unit = "bit/s",
     .help = "the interface's speed; 0: as its driver says"},
    OFFLOAD_OPT_END,
};

static const struct offload_opt reflector_options[] = {
    {.key = "Bind",
     .type = OFFLOAD_OPT_STRING,
     SIZE_OF(struct reflector_config, bind),
     .default_text = "\"0.0.0.0\"",
     .help = "the address to listen on"},
    {.key = "Port",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct reflector_config, port),
     .least = 1,
     .most = 65535,
     .default_text = "862",
     .help = "the UDP port to listen on"},
    {.key = "KeyFile",
     .type = OFFLOAD_OPT_STRING,
     SIZE_OF(struct reflector_config, key_file),
     .default_text = "\"\"",
     .help = "answer only packets in authenticated mode, by the key that the file's first line is"},
    {.key = "Allow",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct reflector_config, allow),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "who is answered: an address or a prefix, several times"},
    OFFLOAD_OPT_END,
};

// Written by configure(), before any thread runs; then each path belongs to the read callback.
static struct path *paths;
static size_t n_paths;
static struct reflector_options reflector_wanted; // n_allow 0: none
static struct allow_prefix *reflector_allow;
static struct reflector *reflector;

static void
dispatch(const struct path *path, const char *type, const char *type_instance, value_t *values,
         size_t n)
{
    value_list_t vl = VALUE_LIST_INIT;
    vl.values = values;
    vl.values_len = n;
    sstrncpy(vl.plugin, "offload_path", sizeof vl.plugin);
    sstrncpy(vl.plugin_instance, path->name, sizeof vl.plugin_instance);
    sstrncpy(vl.type, type, sizeof vl.type);
    sstrncpy(vl.type_instance, type_instance, sizeof vl.type_instance);
    plugin_dispatch_values(&vl);
}

static void
dispatch_delay(const struct path *path, const char *type, const char *direction, double p50_s,
               double p99_s)
{
    value_t values[] = {{.gauge = p50_s}, {.gauge = p99_s}};
    dispatch(path, type, direction, values, STATIC_ARRAY_SIZE(values));
}

static void
dispatch_value(const struct path *path, const char *type, double gauge)
{
    value_t value = {.gauge = gauge};
    dispatch(path, type, "", &value, 1);
}

// A sender that cannot even send is told once, and its end.
static void
report(struct path *path, const char *error)
{
    bool failing = *error != '\0';
    if (failing == path->failing)
        return;
    path->failing = failing;
    notification_t note = {.severity = failing ? NOTIF_FAILURE : NOTIF_OKAY, .time = cdtime()};
    sstrncpy(note.host, hostname_g, sizeof note.host);
    sstrncpy(note.plugin, "offload_path", sizeof note.plugin);
    sstrncpy(note.plugin_instance, path->name, sizeof note.plugin_instance);
    ssnprintf(note.message, sizeof note.message, "path '%s' to %s: %.150s", path->name,
              path->target.host, failing ? error : "measured again");
    plugin_dispatch_notification(&note);
}

static void
publish_link(struct path *path)
{
    struct link_counts now;
    if (!path->interface[0] || link_read(path->interface, &now))
        return;
    if (path->speed_bps > 0)
        now.speed_bps = path->speed_bps;
    uint64_t now_ns = clock_monotonic_ns();
    if (path->link_ns != 0 && now.tx_bytes >= path->link.tx_bytes && now_ns > path->link_ns) {
        double bytes = (double)(now.tx_bytes - path->link.tx_bytes);
        double used_bps = offload_bytes_to_bits(bytes) / offload_ns_to_s(now_ns - path->link_ns);
        // NaN stays NaN: of a link of unknown speed nobody knows what is left.
        double left_bps = now.speed_bps - used_bps;
        dispatch_value(path, "offload_path_bandwidth", left_bps < 0 ? 0 : left_bps);
    }
    path->link = now;
    path->link_ns = now_ns;
}

static void
publish_path(struct path *path)
{
    struct sender_figures figures;
    sender_take(path->sender, &figures);
    const struct stamp_summary *sum = &figures.summary;
    dispatch_delay(path, "offload_path_rtt", "", sum->rtt_p50_s, sum->rtt_p99_s);
    dispatch_delay(path, "offload_path_oneway", "", sum->forward_p50_s, sum->forward_p99_s);
    dispatch_delay(path, "offload_path_oneway", "back", sum->back_p50_s, sum->back_p99_s);
    dispatch_value(path, "offload_path_jitter", sum->jitter_s);
    dispatch_value(path, "offload_path_loss", sum->loss_pct);
    value_t packets[] = {{.derive = (derive_t)figures.sent},
                         {.derive = (derive_t)figures.received},
                         {.derive = (derive_t)figures.duplicates},
                         {.derive = (derive_t)figures.reordered}};
    dispatch(path, "offload_path_packets", "", packets, STATIC_ARRAY_SIZE(packets));
    publish_link(path);
    report(path, figures.error);
}

static int
read_paths(void)
{
    for (size_t i = 0; i < n_paths; i++)
        if (paths[i].sender)
            publish_path(&paths[i]);
    return 0;
}

// Reads the key that two ends share. A file that others may read keeps no secret, and is refused.
static int
read_key(const char *file, const char *where, struct stamp_key *key, struct offload_err *err)
{
    char line[STAMP_KEY_MAX + 2], at[200];
    struct stat st;
    if (!file[0])
        return 0;
    snprintf(at, sizeof at, "%s.KeyFile", where);
    FILE *f = fopen(file, "re");
    if (!f)
        return offload_err_set(err, -errno, at, "a file with the key in its first line", "%s: %s",
                               file, strerror(errno));
    bool private = fstat(fileno(f), &st) == 0 && !(st.st_mode & (S_IRWXO | S_IWGRP));
    bool read = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    if (!private)
        return offload_err_set(err, -EPERM, at, "chmod 0640, or 0600",
                               "%s can be read by others, so it is no secret", file);
    key->len = read ? strcspn(line, "\r\n") : 0;
    if (key->len < 8 || key->len > STAMP_KEY_MAX)
        return offload_err_set(err, -EINVAL, at, "8 to 64 octets in its first line",
                               "%s holds no such key", file);
    memcpy(key->bytes, line, key->len);
    return 0;
}

static int
configure_paths(struct json_object *blocks, struct offload_err *err)
{
    size_t n = blocks ? json_object_array_length(blocks) : 0;
    struct path *read = calloc(n + 1, sizeof *read);
    if (!read)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    for (size_t i = 0; i < n; i++) {
        char where[160];
        offload_json_path_index(where, sizeof where, "offload_path.Path", i);
        int rc = offload_opt_read(path_options, json_object_array_get_idx(blocks, i), where,
                                  &read[i], sizeof read[i], err);
        for (size_t k = 0; !rc && k < i; k++)
            if (!strcmp(read[k].name, read[i].name))
                rc = offload_err_set(err, -EINVAL, where, "a name of its own for each path",
                                     "path '%s' is there twice", read[i].name);
        rc = rc ? rc : read_key(read[i].key_file, where, &read[i].target.key, err);
        if (rc) {
            free(read);
            return rc;
        }
    }
    paths = read;
    n_paths = n;
    return 0;
}

static int
configure_reflector(struct json_object *blocks, struct offload_err *err)
{
    static const char where[] = "offload_path.Reflector[0]";
    if (!blocks)
        return 0;
    if (json_object_array_length(blocks) != 1)
        return offload_err_set(err, -EINVAL, "offload_path.Reflector", "keep one of them",
                               "there are %zu reflectors", json_object_array_length(blocks));
    struct reflector_config config = {0};
    int rc = offload_opt_read(reflector_options, json_object_array_get_idx(blocks, 0), where,
                              &config, sizeof config, err);
    if (rc)
        return rc;
    rc = read_key(config.key_file, where, &reflector_wanted.key, err);
    if (rc)
        return rc;
    size_t n = json_object_array_length(config.allow);
    reflector_allow = calloc(n + 1, sizeof *reflector_allow);
    if (!reflector_allow)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    for (size_t i = 0; i < n; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s.Allow[%zu]", where, i);
        struct json_object *prefix = json_object_array_get_idx(config.allow, i);
        if (!json_object_is_type(prefix, json_type_string))
            return offload_err_set(err, -EINVAL, path, "an address in quotes", "%s is no text",
                                   json_object_to_json_string(prefix));
        rc = allow_parse(json_object_get_string(prefix), path, &reflector_allow[i], err);
        if (rc)
            return rc;
    }
    sstrncpy(reflector_wanted.bind, config.bind, sizeof reflector_wanted.bind);
    reflector_wanted.port = config.port;
    reflector_wanted.allow = reflector_allow;
    reflector_wanted.n_allow = n;
    return 0;
}

static int
configure(oconfig_item_t *item)
{
    static const char *const lists[] = {"Allow", NULL};
    struct offload_err err = {0};
    struct options options = {0};
    int rc = -EINVAL;
    if (paths) {
        ERROR("offload_path: there are two <Plugin offload_path> blocks; use one");
        return -1;
    }
    struct json_object *tree = oconfig_json(item, "offload_path", lists, &err);
    if (tree)
        rc = offload_opt_read(plugin_options, tree, "offload_path", &options, sizeof options, &err);
    if (!rc)
        rc = configure_paths(options.paths, &err);
    if (!rc)
        rc = configure_reflector(options.reflectors, &err);
    if (rc) {
        char text[700];
        ERROR("%s", offload_err_format(&err, text, sizeof text));
    }
    json_object_put(tree);
    return rc;
}

// Here and not in configure(): collectd goes to the background in between, and threads do not
// survive that.
static int
init(void)
{
    for (size_t i = 0; i < n_paths; i++) {
        int rc = paths[i].sender ? 0 : sender_create(&paths[i].target, &paths[i].sender);
        if (rc)
            ERROR("offload_path: path '%s': could not start its sender: %s", paths[i].name,
                  strerror(-rc));
    }
    if (reflector_wanted.n_allow > 0 && !reflector) {
        struct offload_err err = {0};
        if (reflector_create(&reflector_wanted, &reflector, &err)) {
            char text[700];
            ERROR("offload_path: %s; nobody is answered",
                  offload_err_format(&err, text, sizeof text));
        }
    }
    return 0;
}

static int
stop(void)
{
    for (size_t i = 0; i < n_paths; i++)
        sender_destroy(paths[i].sender);
    reflector_destroy(reflector);
    reflector = NULL;
    free(paths);
    paths = NULL;
    n_paths = 0;
    free(reflector_allow);
    reflector_allow = NULL;
    return 0;
}

void
module_register(void)
{
    plugin_register_complex_config("offload_path", configure);
    plugin_register_init("offload_path", init);
    plugin_register_read("offload_path", read_paths);
    plugin_register_shutdown("offload_path", stop);
}
