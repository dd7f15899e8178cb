// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC server on a Unix socket in OVS's poll loop. One thread; nothing here waits.
#pragma once

#include "lib/rpc/message.h"

#include <stdint.h>

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
// 'retry': requests that were put off are to be asked again.
void server_run(struct server *server, bool retry);
void server_wait(struct server *server, bool retry);

// For a method that cannot answer yet: it returns what this returns, and is called again with the
// same request when server_run() is told to retry. The peer's later requests wait behind it.
int server_put_off(struct rpc_peer *peer);
// Never used twice.
uint64_t server_peer_id(const struct rpc_peer *peer);
