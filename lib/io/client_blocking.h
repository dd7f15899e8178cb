// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC client that waits: for plugins (in their own read threads) and offloadctl. It connects
// at the first call and again after a failure. Not thread-safe: one client a thread, or a lock
// around it.
#pragma once

#include <offload/err.h>

#include <stdint.h>

struct json_object;
struct rpc_client;

// 'path' of a Unix socket, copied. 'timeout_ms' bounds each call as a whole, connecting included.
struct rpc_client *rpc_client_create(const char *path, unsigned timeout_ms);
// "tls:HOST:PORT" in place of the path: TCP with mutual TLS 1.3 by these files, to a server whose
// certificate names HOST. Once, before the first call; the files are read at each connection.
struct tls_files;
int rpc_client_set_tls(struct rpc_client *client, const struct tls_files *files,
                       struct offload_err *err);
void rpc_client_destroy(struct rpc_client *client);

// Calls 'method' with 'params' (taken over; NULL: none). Returns 0 and a new reference in '*result'
// (caller: json_object_put; 'result' may be NULL), or the peer's error (see lib/rpc/errors.h), or
// -ECONNREFUSED, -ENOENT (no socket), -ETIMEDOUT, -ECONNRESET, -EPROTO. Never raises SIGPIPE.
int rpc_client_call(struct rpc_client *client, const char *method, struct json_object *params,
                    struct json_object **result, struct offload_err *err);
