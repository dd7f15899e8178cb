// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC server on a Unix socket in OVS's poll loop. One thread; nothing here waits.
#pragma once

#include "lib/rpc/message.h"

struct server;

enum {
    SERVER_PEERS_MAX = 64,            // more wait in the kernel's queue
    SERVER_BACKLOG_MAX = 4 << 20,     // a peer with more unread answers is closed
    SERVER_BACKLOG_PAUSE = 256 << 10, // a peer with more is not read from
};

// Listens on 'path' (0660, group offload if there is one). A socket left behind by a dead process
// is replaced, one that answers is -EADDRINUSE. 'methods' and 'ctx' are borrowed until destroy.
struct server *server_create(const char *path, const struct rpc_method *methods, void *ctx,
                             struct offload_err *err);
void server_destroy(struct server *server); // unlinks the socket
void server_run(struct server *server);
void server_wait(struct server *server);
