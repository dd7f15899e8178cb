// SPDX-License-Identifier: Apache-2.0
// The card API on its socket: the tables of methods, joined. doc/card-api.md is the contract. Main
// thread.
#include "dpdk-app/cardd.h"
#include "dpdk-app/params.h"

#include "lib/io/log.h"
#include "lib/io/server_libevent.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int
hello(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
      struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    int rc = params_read(params, 0, 0, &p, err);
    if (rc != 0)
        return rc;
    *result = json_object_new_object();
    json_object_object_add(*result, "api", json_object_new_string("1.0"));
    json_object_object_add(*result, "software",
                           json_object_new_string("offload-cardd " OFFLOAD_VERSION));
    json_object_object_add(*result, "term", json_object_new_uint64(d->term));
    return 0;
}

static const struct rpc_method hello_methods[] = {
    {"hello", hello, "version of the API, software, highest term seen"},
    {.name = NULL},
};

static const struct rpc_method *const tables[] = {
    hello_methods,   card_methods,  app_methods,      allocation_methods,
    profile_methods, event_methods, migration_methods};
enum {
    N_TABLES = sizeof tables / sizeof tables[0],
    METHODS_MAX = 64,
};

static struct rpc_method methods[METHODS_MAX + 1];

static void
peer_closed(void *ctx, struct rpc_peer *peer)
{
    events_peer_closed(ctx, peer);
}

int
api_start(struct cardd *d, struct offload_err *err)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_TABLES; i++)
        for (const struct rpc_method *m = tables[i]; m->name && n < METHODS_MAX; m++)
            methods[n++] = *m;
    char path[108];
    snprintf(path, sizeof path, "%s/cardd.sock", d->config.rundir);
    d->server = rpc_server_create(d->base, methods, d, peer_closed);
    if (!d->server)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    int rc = rpc_server_listen_unix(d->server, path, 0660, err);
    if (rc != 0)
        api_stop(d);
    return rc;
}

void
api_stop(struct cardd *d)
{
    if (d->server)
        rpc_server_destroy(d->server);
    d->server = NULL;
}
