// SPDX-License-Identifier: Apache-2.0
// The card API on its socket: the tables of methods, joined. doc/card-api.md is the contract. Main
// thread.
#include "dpdk-app/cardd.h"

#include "lib/io/log.h"
#include "lib/io/server_libevent.h"
#include "lib/io/tls.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define API_TITLE "The card API of offload-cardd " OFFLOAD_VERSION

static int
hello(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
      struct offload_err *err)
{
    struct cardd *d = ctx;
    (void)params, (void)err;
    *result = json_object_new_object();
    json_object_object_add(*result, "api", json_object_new_string("1.0"));
    json_object_object_add(*result, "software",
                           json_object_new_string("offload-cardd " OFFLOAD_VERSION));
    json_object_object_add(*result, "term", json_object_new_uint64(d->term));
    json_object_object_add(*result, "role",
                           json_object_new_string(rpc_role_names[rpc_server_role(peer)]));
    return 0;
}

static int
schema(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
       struct offload_err *err)
{
    (void)ctx, (void)peer, (void)params, (void)err;
    static struct json_object *text; // formatted once: it is long, and never changes
    if (!text) {
        text = rpc_schema_to_json(api_schemas(), API_TITLE);
        char *formatted = strdup(json_object_to_json_string_ext(
            text, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        if (formatted)
            json_object_set_serializer(text, json_object_userdata_to_json_string, formatted,
                                       json_object_free_userdata);
    }
    *result = json_object_get(text);
    return 0;
}

static const struct rpc_method hello_methods[] = {
    {"hello", hello, "version of the API, software, highest term seen"},
    {"api.schema", schema, "the verbs, as JSON Schema"},
    {.name = NULL},
};

static const struct rpc_method *const tables[] = {
    hello_methods,   card_methods,  app_methods,      allocation_methods,
    profile_methods, event_methods, migration_methods};
enum {
    N_TABLES = sizeof tables / sizeof tables[0],
    METHODS_MAX = 64,
    PEERS_MAX = 2048,
    PEERS_OF_ONE = 1536, // of one user or address: others find room
};

static struct rpc_method methods[METHODS_MAX + 1];

static void
peer_closed(void *ctx, struct rpc_peer *peer)
{
    events_peer_closed(ctx, peer);
}

static int
listen_tls(struct cardd *d, struct offload_err *err)
{
    const struct config_listen *listen = &d->config.listen;
    const struct tls_files files = {listen->cert, listen->key, listen->ca};
    d->tls = tls_create(&files, err);
    if (!d->tls)
        return err->code;
    return rpc_server_listen_tls(d->server, listen->address, (uint16_t)listen->port, d->tls,
                                 listen->clients, listen->n_clients, err);
}

void
api_reload(struct cardd *d, bool asked)
{
    struct offload_err err;
    char line[800];
    if (!d->tls || !(asked || tls_changed(d->tls)))
        return;
    if (tls_reload(d->tls, &err) == 0)
        log_notice("certificates are read again");
    else
        log_error("%s; those of before stay in use", offload_err_format(&err, line, sizeof line));
}

// As many file descriptors as the system lets us have: each connection is one.
static void
raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = RTE_MIN(limit.rlim_max, (rlim_t)65536);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("could not have more file descriptors: %s", strerror(errno));
}

int
api_start(struct cardd *d, struct offload_err *err)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_TABLES; i++)
        for (const struct rpc_method *m = tables[i]; m->name && n < METHODS_MAX; m++)
            methods[n++] = *m;
    const struct rpc_schema *schemas = api_schemas();
    for (unsigned i = 0; i < n; i++)
        if (!rpc_schema_find(schemas, methods[i].name))
            return offload_err_set(err, -EINVAL, methods[i].name, "add a row to api_schema.c",
                                   "has no schema");
    char path[108];
    snprintf(path, sizeof path, "%s/cardd.sock", d->config.rundir);
    d->server = rpc_server_create(d->base, methods, d, peer_closed);
    if (!d->server)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    rpc_server_set_schemas(d->server, schemas);
    rpc_server_set_peers_max(d->server, PEERS_MAX, PEERS_OF_ONE);
    raise_files();
    int rc = rpc_server_listen_unix(d->server, path, 0660, err);
    if (rc == 0 && d->config.listen.address[0])
        rc = listen_tls(d, err);
    if (rc != 0)
        api_stop(d);
    return rc;
}

int
api_print(bool markdown)
{
    if (markdown) {
        rpc_schema_print(api_schemas(), stdout);
        return 0;
    }
    struct json_object *all = rpc_schema_to_json(api_schemas(), API_TITLE);
    puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY |
                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(all);
    return 0;
}

void
api_stop(struct cardd *d)
{
    if (d->server)
        rpc_server_destroy(d->server);
    d->server = NULL;
    tls_destroy(d->tls);
    d->tls = NULL;
}
