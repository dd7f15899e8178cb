// SPDX-License-Identifier: Apache-2.0
// Reads cardd.json by option tables: every key is known, has its type and range, or the message
// says what is right.
#include "dpdk-app/config.h"

#include "dpdk-app/functions/fn.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <json-c/json.h>
#include <offload/card_api.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_BYTES_MAX = 4 << 20 };

struct config_file {
    char rundir[80], state_dir[128], memory_dir[128], file_prefix[64];
    struct json_object *eal, *lcores, *listen, *cards, *apps;
    uint64_t mbufs, mbuf_bytes, sleep_us;
};

#define FILE_OPT(field) .key = #field, .offset = offsetof(struct config_file, field)
static const struct offload_opt file_opts[] = {
    {FILE_OPT(rundir), .type = OFFLOAD_OPT_STRING, .size = 80, .default_text = "\"/run/offload\"",
     .help = "folder of the API's socket"},
    {FILE_OPT(state_dir), .type = OFFLOAD_OPT_STRING, .size = 128,
     .default_text = "\"/var/lib/offload\"", .help = "folder of the last applied plan"},
    {FILE_OPT(memory_dir), .type = OFFLOAD_OPT_STRING, .size = 128, .default_text = "\"\"",
     .help = "folder of the functions' state, on tmpfs or hugetlbfs; empty: in /dev/shm"},
    {FILE_OPT(file_prefix), .type = OFFLOAD_OPT_STRING, .size = 64, .default_text = "\"offload\"",
     .help = "DPDK's --file-prefix"},
    {FILE_OPT(eal), .type = OFFLOAD_OPT_ARRAY, .help = "further arguments for DPDK's EAL"},
    {FILE_OPT(lcores), .type = OFFLOAD_OPT_OBJECT, .flags = OFFLOAD_OPT_REQUIRED,
     .help = "{\"main\": CPUS, \"workers\": [CPUS, ...]}"},
    {FILE_OPT(mbufs), .type = OFFLOAD_OPT_U64, .least = 1024, .most = 4194304,
     .default_text = "16384", .help = "packet buffers of all cards"},
    {FILE_OPT(mbuf_bytes), .type = OFFLOAD_OPT_U64, .least = 256, .most = 16384,
     .default_text = "2176", .unit = "bytes", .help = "data room of a buffer, headroom included"},
    {FILE_OPT(sleep_us), .type = OFFLOAD_OPT_U64, .least = 0, .most = 10000, .default_text = "50",
     .unit = "us", .help = "longest sleep of an idle worker, 0: never sleeps"},
    {FILE_OPT(listen), .type = OFFLOAD_OPT_OBJECT,
     .help = "the API on TCP too, with mutual TLS 1.3"},
    {FILE_OPT(cards), .type = OFFLOAD_OPT_ARRAY, .flags = OFFLOAD_OPT_REQUIRED, .help = "cards"},
    {FILE_OPT(apps), .type = OFFLOAD_OPT_ARRAY, .help = "applications to begin with"},
    OFFLOAD_OPT_END,
};

struct listen_file {
    struct config_listen listen;
    struct json_object *clients;
};
#define LISTEN_TEXT(field)                                                                         \
    .key = #field, .type = OFFLOAD_OPT_STRING, .offset = offsetof(struct listen_file, listen.field), \
    .size = sizeof(((struct config_listen *)0)->field)
static const struct offload_opt listen_opts[] = {
    {LISTEN_TEXT(address), .flags = OFFLOAD_OPT_REQUIRED, .help = "of this host, 0.0.0.0 or ::"},
    {.key = "port", .type = OFFLOAD_OPT_U64, .offset = offsetof(struct listen_file, listen.port),
     .least = 1, .most = 65535, .default_text = "7611", .help = "TCP port"},
    {LISTEN_TEXT(cert), .flags = OFFLOAD_OPT_REQUIRED, .help = "PEM file: ours"},
    {LISTEN_TEXT(key), .flags = OFFLOAD_OPT_REQUIRED, .help = "PEM file: its key"},
    {LISTEN_TEXT(ca), .flags = OFFLOAD_OPT_REQUIRED, .help = "PEM file: who signs the clients'"},
    {.key = "clients", .type = OFFLOAD_OPT_ARRAY, .offset = offsetof(struct listen_file, clients),
     .flags = OFFLOAD_OPT_REQUIRED, .help = "[{\"name\", \"role\"}]: who may come"},
    OFFLOAD_OPT_END,
};
static const struct offload_opt client_opts[] = {
    {.key = "name", .type = OFFLOAD_OPT_STRING, .offset = offsetof(struct rpc_tls_client, name),
     .size = 256, .flags = OFFLOAD_OPT_REQUIRED,
     .help = "DNS name or address among its certificate's subjectAltNames"},
    {.key = "role", .type = OFFLOAD_OPT_ENUM, .offset = offsetof(struct rpc_tls_client, role),
     .names = rpc_role_names, .default_text = "\"read\"", .help = "what it may do"},
    OFFLOAD_OPT_END,
};

struct lcores_file {
    char main[64];
    struct json_object *workers;
};
static const struct offload_opt lcores_opts[] = {
    {.key = "main",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct lcores_file, main),
     .size = 64,
     .default_text = "\"0\"",
     .help = "CPUs of the main thread, as 0 or 0-1"},
    {.key = "workers",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct lcores_file, workers),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "CPUs of each worker"},
    OFFLOAD_OPT_END,
};

struct port_file {
    char devargs[256];
    uint64_t descriptors;
};
static const struct offload_opt port_opts[] = {
    {.key = "devargs",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct port_file, devargs),
     .size = 256,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the port's device, as DPDK's devargs"},
    {.key = "descriptors",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct port_file, descriptors),
     .least = 32,
     .most = 32768,
     .default_text = "1024",
     .help = "ring length of its receive and transmit queue"},
    OFFLOAD_OPT_END,
};

#define CAPACITY_OPT(field, unit_, help_)                                                          \
    {                                                                                              \
        .key = #field, .type = OFFLOAD_OPT_U64, .offset = offsetof(struct card_config, field),     \
        .least = 0, .most = 4e15, .default_text = "0", .unit = unit_, .help = help_                \
    }
static const struct offload_opt capacity_opts[] = {
    CAPACITY_OPT(cycles_per_s, "cycles/s", "worker cycles, 0: the worker's, shared by its cards"),
    CAPACITY_OPT(bandwidth_bps, "bit/s", "of all its ports together, 0: 10 Gbit/s a port"),
    CAPACITY_OPT(memory_bytes, "bytes", "0: an equal share of the packet buffers"),
    CAPACITY_OPT(interconnect_bps, "bit/s", "towards the host"),
    OFFLOAD_OPT_END,
};

struct card_file {
    char card[OFFLOAD_NAME_MAX + 1];
    uint64_t worker, flow_entries;
    bool managed;
    struct json_object *workers, *ports, *capacity;
};
#define CARD_OPT(field) .key = #field, .offset = offsetof(struct card_file, field)
static const struct offload_opt worker_item = {
    .key = "", .type = OFFLOAD_OPT_U64, .most = CONFIG_WORKERS_MAX - 1};
const struct offload_opt card_config_opts[] = {
    {CARD_OPT(card), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1,
     .flags = OFFLOAD_OPT_REQUIRED, .help = "name"},
    {CARD_OPT(worker), .type = OFFLOAD_OPT_U64, .least = 0, .most = CONFIG_WORKERS_MAX - 1,
     .default_text = "0", .help = "index of the worker in lcores.workers"},
    {CARD_OPT(workers), .type = OFFLOAD_OPT_ARRAY, .item = &worker_item,
     .help = "the same of several, in place of worker: [0, 1]"},
    {CARD_OPT(managed), .type = OFFLOAD_OPT_BOOL, .default_text = "false",
     .help = "a manager decides: without its allocation an application gets nothing"},
    {CARD_OPT(ports), .type = OFFLOAD_OPT_ARRAY, .flags = OFFLOAD_OPT_REQUIRED,
     .fields = port_opts,
     .help = "inside and, if there, outside port"},
    {CARD_OPT(flow_entries), .type = OFFLOAD_OPT_U64, .least = 1024, .most = 16777216,
     .default_text = "131072", .help = "flows that the flow cache holds, 72 bytes each"},
    {CARD_OPT(capacity), .type = OFFLOAD_OPT_OBJECT, .fields = capacity_opts,
     .help = "replaces what is measured"},
    OFFLOAD_OPT_END,
};

static int
read_ports(struct json_object *ports, const char *path, struct card_config *out,
           struct offload_err *err)
{
    char where[160], at[160];
    size_t n = json_object_array_length(ports);
    offload_json_path(where, sizeof where, path, "ports");
    if (n < 1 || n > 2)
        return offload_err_set(err, -ERANGE, where,
                               "give one port, or an inside and an outside one", "%zu ports", n);
    for (size_t i = 0; i < n; i++) {
        struct json_object *port = json_object_array_get_idx(ports, i);
        struct port_file p;
        offload_json_path_index(at, sizeof at, where, i);
        if (!json_object_is_type(port, json_type_object))
            return offload_err_set(err, -EINVAL, at, "use {\"devargs\": \"...\"}", "not an object");
        int rc = offload_opt_read(port_opts, port, at, &p, sizeof p, err);
        if (rc != 0)
            return rc;
        out->devargs[i] = json_object_get_string(json_object_object_get(port, "devargs"));
        out->descriptors[i] = p.descriptors;
    }
    out->n_ports = (unsigned)n;
    return 0;
}

int
workers_config_read(struct json_object *list, const char *path, unsigned n_workers, unsigned *out,
                    unsigned *n, struct offload_err *err)
{
    unsigned workers[CONFIG_WORKERS_MAX];
    size_t count = json_object_array_length(list);
    char expected[48], where[160];
    snprintf(expected, sizeof expected, "use 1 to %u workers", n_workers);
    if (count < 1 || count > n_workers)
        return offload_err_set(err, -ERANGE, path, expected, "%zu workers", count);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        int64_t index =
            json_object_is_type(item, json_type_int) ? json_object_get_int64(item) : -1;
        snprintf(expected, sizeof expected, "use 0 to %u", n_workers - 1);
        offload_json_path_index(where, sizeof where, path, i);
        if (index < 0 || index >= n_workers)
            return offload_err_set(err, -ERANGE, where, expected, "%s is no worker",
                                   json_object_to_json_string(item));
        for (size_t k = 0; k < i; k++)
            if (workers[k] == (unsigned)index)
                return offload_err_set(err, -EINVAL, where, "name each worker once",
                                       "worker %u is there twice", workers[k]);
        workers[i] = (unsigned)index;
    }
    memcpy(out, workers, count * sizeof *workers);
    *n = (unsigned)count;
    return 0;
}

int
card_config_read(struct json_object *object, const char *path, unsigned n_workers,
                 struct card_config *out, struct offload_err *err)
{
    char where[160];
    struct card_file file = {0};
    struct card_config card = {0};
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "use {\"card\": \"card0\", \"ports\": [...]}",
                               "not an object");
    int rc = offload_opt_read(card_config_opts, object, path, &file, sizeof file, err);
    if (rc == 0 && file.capacity)
        rc = offload_opt_read(capacity_opts, file.capacity,
                              offload_json_path(where, sizeof where, path, "capacity"), &card,
                              sizeof card, err);
    if (rc == 0)
        rc = read_ports(file.ports, path, &card, err);
    if (rc != 0)
        return rc;
    if (file.workers) {
        rc = workers_config_read(file.workers, offload_json_path(where, sizeof where, path, "workers"),
                                 n_workers, card.workers, &card.n_workers, err);
        if (rc != 0)
            return rc;
    } else if (file.worker >= n_workers) {
        char expected[48];
        snprintf(expected, sizeof expected, "use 0 to %u", n_workers - 1);
        return offload_err_set(err, -ERANGE, offload_json_path(where, sizeof where, path, "worker"),
                               expected, "there is no worker %llu in lcores.workers",
                               (unsigned long long)file.worker);
    } else {
        card.workers[0] = (unsigned)file.worker;
        card.n_workers = 1;
    }
    snprintf(card.card, sizeof card.card, "%s", file.card);
    card.flow_entries = file.flow_entries;
    card.managed = file.managed;
    *out = card;
    return 0;
}

// "0", "0-1", "0,2": what may stand behind the @ of --lcores.
static int
check_cpus(const char *text, const char *path, struct offload_err *err)
{
    if (text && *text && strspn(text, "0123456789,-") == strlen(text) &&
        isdigit((unsigned char)*text))
        return 0;
    return offload_err_set(err, -EINVAL, path, "use CPU numbers such as \"1\" or \"0-1\"",
                           "'%s' is no set of CPUs", text ? text : "");
}

static int
read_lcores(struct json_object *object, struct config *out, struct offload_err *err)
{
    struct lcores_file file = {0};
    int rc = offload_opt_read(lcores_opts, object, "lcores", &file, sizeof file, err);
    if (rc != 0)
        return rc;
    struct json_object *main = json_object_object_get(object, "main");
    out->main_cpus = main ? json_object_get_string(main) : "0";
    size_t n = json_object_array_length(file.workers);
    if (n < 1 || n > CONFIG_WORKERS_MAX)
        return offload_err_set(err, -ERANGE, "lcores.workers", "give 1 to 16 workers",
                               "%zu workers", n);
    for (size_t i = 0; i < n; i++) {
        char where[64];
        struct json_object *cpus = json_object_array_get_idx(file.workers, i);
        out->worker_cpus[i] =
            json_object_is_type(cpus, json_type_string) ? json_object_get_string(cpus) : NULL;
        rc = check_cpus(out->worker_cpus[i],
                        offload_json_path_index(where, sizeof where, "lcores.workers", i), err);
        if (rc != 0)
            return rc;
    }
    out->n_workers = (unsigned)n;
    return check_cpus(out->main_cpus, "lcores.main", err);
}

static int
read_listen(struct json_object *object, struct config_listen *out, struct offload_err *err)
{
    struct listen_file file = {.clients = NULL};
    int rc = offload_opt_read(listen_opts, object, "listen", &file, sizeof file, err);
    if (rc != 0)
        return rc;
    size_t n = json_object_array_length(file.clients);
    if (n < 1 || n > CONFIG_CLIENTS_MAX)
        return offload_err_set(err, -ERANGE, "listen.clients", "name 1 to 64", "%zu clients", n);
    for (size_t i = 0; i < n; i++) {
        char where[48];
        rc = offload_opt_read(client_opts, json_object_array_get_idx(file.clients, i),
                              offload_json_path_index(where, sizeof where, "listen.clients", i),
                              &file.listen.clients[i], sizeof file.listen.clients[i], err);
        if (rc != 0)
            return rc;
    }
    file.listen.n_clients = (unsigned)n;
    *out = file.listen;
    return 0;
}

static int
read_eal(struct json_object *list, struct config *out, struct offload_err *err)
{
    static const char *const ours[] = {"-l", "-c", "--lcores", "--file-prefix", NULL};
    size_t n = list ? json_object_array_length(list) : 0;
    if (n > CONFIG_EAL_MAX)
        return offload_err_set(err, -ERANGE, "eal", "give at most 64", "%zu arguments", n);
    for (size_t i = 0; i < n; i++) {
        char where[32];
        offload_json_path_index(where, sizeof where, "eal", i);
        struct json_object *arg = json_object_array_get_idx(list, i);
        if (!json_object_is_type(arg, json_type_string))
            return offload_err_set(err, -EINVAL, where, "use a string", "not a string");
        if (json_object_get_string_len(arg) >= CONFIG_EAL_ARG_MAX)
            return offload_err_set(err, -ERANGE, where, "use less than 1024 bytes", "%d bytes",
                                   json_object_get_string_len(arg));
        const char *text = json_object_get_string(arg);
        for (size_t k = 0; ours[k]; k++)
            if (strncmp(text, ours[k], strlen(ours[k])) == 0 && strchr("=", text[strlen(ours[k])]))
                return offload_err_set(err, -EINVAL, where,
                                       "use \"lcores\" and \"file_prefix\" of this file",
                                       "'%s' is set by offload-cardd itself", text);
        out->eal[i] = text;
    }
    out->n_eal = (unsigned)n;
    return 0;
}

static int
check_cards(const struct config *config, struct offload_err *err)
{
    size_t n = json_object_array_length(config->cards);
    for (size_t i = 0; i < n; i++) {
        char path[64], where[96];
        struct card_config a, b;
        offload_json_path_index(path, sizeof path, "cards", i);
        int rc = card_config_read(json_object_array_get_idx(config->cards, i), path,
                                  config->n_workers, &a, err);
        if (rc != 0)
            return rc;
        for (size_t k = 0; k < i; k++) {
            card_config_read(json_object_array_get_idx(config->cards, k), "", config->n_workers, &b,
                             NULL);
            if (strcmp(a.card, b.card) == 0)
                return offload_err_set(
                    err, -EINVAL, offload_json_path(where, sizeof where, path, "card"),
                    "give each card its own name", "'%s' is there twice", a.card);
        }
    }
    return 0;
}

#define APP_OPT(field) .key = #field, .offset = offsetof(struct app_config, field)
static const struct offload_opt app_opts[] = {
    {APP_OPT(app), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1,
     .flags = OFFLOAD_OPT_REQUIRED, .help = "name"},
    {APP_OPT(card), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1,
     .flags = OFFLOAD_OPT_REQUIRED, .help = "its card"},
    {APP_OPT(match), .type = OFFLOAD_OPT_ARRAY, .flags = OFFLOAD_OPT_REQUIRED,
     .help = "rules, see doc/card-api.md"},
    {APP_OPT(chain), .type = OFFLOAD_OPT_ARRAY, .flags = OFFLOAD_OPT_REQUIRED,
     .help = "functions and their parameters"},
    {APP_OPT(sla), .type = OFFLOAD_OPT_OBJECT, .help = "what it was promised"},
    {APP_OPT(allocation), .type = OFFLOAD_OPT_OBJECT, .help = "what it gets"},
    OFFLOAD_OPT_END,
};

int
app_config_read(struct json_object *object, const char *path, struct app_config *out,
                struct offload_err *err)
{
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path,
                               "use {\"app\": \"nat1\", \"card\": \"card0\", ...}",
                               "not an object");
    struct app_config app = {.sla = NULL};
    int rc = offload_opt_read(app_opts, object, path, &app, sizeof app, err);
    if (rc == 0)
        *out = app;
    return rc;
}

struct fn_file {
    char fn[32];
    struct json_object *params;
};
const struct offload_opt fn_config_opts[] = {
    {.key = "fn",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct fn_file, fn),
     .size = 32,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "name, as in fn.list"},
    {.key = "params",
     .type = OFFLOAD_OPT_OBJECT,
     .offset = offsetof(struct fn_file, params),
     .flags = OFFLOAD_OPT_MAYBE,
     .help = "its parameters"},
    OFFLOAD_OPT_END,
};

static int
check_params(const struct fn_ops *ops, struct json_object *params, const char *path,
             struct offload_err *err)
{
    struct json_object *given = params ? json_object_get(params) : json_object_new_object();
    void *filled = calloc(1, ops->params_bytes + 1);
    int rc = filled && given
                 ? offload_opt_read(ops->params, given, path, filled, ops->params_bytes, err)
                 : offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    free(filled);
    json_object_put(given);
    return rc;
}

int
fn_config_read(struct json_object *object, const char *path, const struct fn_ops **ops,
               struct json_object **params, struct offload_err *err)
{
    char where[160];
    struct fn_file file = {.params = NULL};
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "use {\"fn\": \"forward\", \"params\": {}}",
                               "not an object");
    int rc = offload_opt_read(fn_config_opts, object, path, &file, sizeof file, err);
    if (rc != 0)
        return rc;
    const struct fn_ops *found = fn_find(file.fn);
    if (!found) {
        const char *known[64] = {NULL};
        for (unsigned i = 0; offload_functions[i] && i < 63; i++)
            known[i] = offload_functions[i]->name;
        const char *near = offload_nearest(file.fn, known);
        char expected[64];
        snprintf(expected, sizeof expected, near ? "did you mean '%s'?" : "see fn.list", near);
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "fn"),
                               expected, "no function '%s'", file.fn);
    }
    rc = check_params(found, file.params, offload_json_path(where, sizeof where, path, "params"),
                      err);
    if (rc != 0)
        return rc;
    *ops = found;
    *params = file.params;
    return 0;
}

int
chain_config_check(struct json_object *list, const char *path, struct offload_err *err)
{
    if (!json_object_is_type(list, json_type_array))
        return offload_err_set(err, -EINVAL, path, "use [{\"fn\": \"forward\"}]", "not a list");
    size_t n = json_object_array_length(list);
    if (n < 1 || n > CONFIG_CHAIN_MAX)
        return offload_err_set(err, -ERANGE, path,
                               "use 1 to 8 functions; [{\"fn\": \"forward\"}] does nothing",
                               "%zu functions", n);
    for (size_t i = 0; i < n; i++) {
        char where[160];
        const struct fn_ops *ops;
        struct json_object *params;
        int rc = fn_config_read(json_object_array_get_idx(list, i),
                                offload_json_path_index(where, sizeof where, path, i), &ops,
                                &params, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

// The parts that can be checked without a card at hand; what functions make of their parameters
// shows at the start.
static int
check_app(struct json_object *object, const char *path, const struct config *config,
          struct offload_err *err)
{
    char where[160];
    struct app_config app;
    struct offload_match match[OFFLOAD_MATCHES_MAX];
    struct offload_sla sla;
    struct offload_allocation allocation;
    unsigned n;
    int rc = app_config_read(object, path, &app, err);
    if (rc == 0)
        rc = chain_config_check(app.chain, offload_json_path(where, sizeof where, path, "chain"),
                                err);
    if (rc == 0)
        rc = offload_matches_read(app.match, offload_json_path(where, sizeof where, path, "match"),
                                  match, OFFLOAD_MATCHES_MAX, &n, err);
    if (rc == 0 && app.sla)
        rc = offload_sla_read(app.sla, offload_json_path(where, sizeof where, path, "sla"), &sla,
                              err);
    if (rc == 0 && app.allocation)
        rc = offload_allocation_read_share(
            app.allocation, offload_json_path(where, sizeof where, path, "allocation"), app.card,
            app.app, &allocation, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < json_object_array_length(config->cards); i++) {
        struct json_object *card = json_object_array_get_idx(config->cards, i);
        if (strcmp(json_object_get_string(json_object_object_get(card, "card")), app.card) == 0)
            return 0;
    }
    return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "card"),
                           "name one of cards[]", "no card '%s'", app.card);
}

static const char *
app_name(const struct config *config, size_t i)
{
    return json_object_get_string(
        json_object_object_get(json_object_array_get_idx(config->apps, i), "app"));
}

static int
check_apps(const struct config *config, struct offload_err *err)
{
    size_t n = config->apps ? json_object_array_length(config->apps) : 0;
    for (size_t i = 0; i < n; i++) {
        char path[32], where[64];
        int rc = check_app(json_object_array_get_idx(config->apps, i),
                           offload_json_path_index(path, sizeof path, "apps", i), config, err);
        if (rc != 0)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (strcmp(app_name(config, k), app_name(config, i)) == 0)
                return offload_err_set(err, -EINVAL,
                                       offload_json_path(where, sizeof where, path, "app"),
                                       "give each application its own name", "'%s' is there twice",
                                       app_name(config, i));
    }
    return 0;
}

// One for each state_dir, which no two processes share.
static void
name_memory_dir(const char *state_dir, char *out, size_t size)
{
    size_t from = (size_t)snprintf(out, size, "/dev/shm/offload-%s", state_dir + (*state_dir == '/'));
    for (char *at = out + strlen("/dev/shm/offload-"); at < out + RTE_MIN(from, size) && *at; at++)
        if (*at == '/')
            *at = '-';
}

static int
config_read(const char *rundir, struct config *out, struct offload_err *err)
{
    struct config_file file = {0};
    if (!json_object_is_type(out->root, json_type_object))
        return offload_err_set(err, -EINVAL, NULL, "use {\"lcores\": ..., \"cards\": [...]}",
                               "not an object");
    int rc = offload_opt_read(file_opts, out->root, "", &file, sizeof file, err);
    if (rc == 0)
        rc = read_lcores(file.lcores, out, err);
    if (rc == 0)
        rc = read_eal(file.eal, out, err);
    if (rc == 0 && file.listen)
        rc = read_listen(file.listen, &out->listen, err);
    if (rc != 0)
        return rc;
    const char *env = getenv("OFFLOAD_RUNDIR");
    snprintf(out->rundir, sizeof out->rundir, "%s", rundir ? rundir : env ? env : file.rundir);
    snprintf(out->state_dir, sizeof out->state_dir, "%s", file.state_dir);
    snprintf(out->memory_dir, sizeof out->memory_dir, "%s", file.memory_dir);
    if (!file.memory_dir[0])
        name_memory_dir(file.state_dir, out->memory_dir, sizeof out->memory_dir);
    snprintf(out->file_prefix, sizeof out->file_prefix, "%s", file.file_prefix);
    out->mbufs = file.mbufs;
    out->mbuf_bytes = file.mbuf_bytes;
    out->sleep_us = file.sleep_us;
    out->cards = file.cards;
    out->apps = file.apps;
    rc = check_cards(out, err);
    return rc == 0 ? check_apps(out, err) : rc;
}

int
config_load(const char *path, const char *rundir, struct config *out, struct offload_err *err)
{
    struct offload_err local;
    err = err ? err : &local;
    struct config config = {.path = path, .root = offload_json_load(path, CONFIG_BYTES_MAX, err)};
    if (!config.root)
        return err->code;
    int rc = config_read(rundir, &config, err);
    if (rc != 0) {
        offload_err_prefix(err, path);
        json_object_put(config.root);
        return rc;
    }
    *out = config;
    return 0;
}

void
config_fini(struct config *config)
{
    json_object_put(config->root);
    *config = (struct config){0};
}

void
config_print_options(void)
{
    static const struct {
        const char *title;
        const struct offload_opt *table;
    } parts[] = {{"cardd.json", file_opts},
                 {"lcores", lcores_opts},
                 {"listen", listen_opts},
                 {"listen.clients[]", client_opts},
                 {"cards[]", card_config_opts},
                 {"cards[].ports[]", port_opts},
                 {"cards[].capacity", capacity_opts},
                 {"apps[]", app_opts}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        printf("\n%s:\n", parts[i].title);
        offload_opt_print(parts[i].table, stdout);
    }
}
