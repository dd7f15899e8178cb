// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC server on a Unix socket, and on TCP with mutual TLS 1.3, in a libevent loop: cardd's main
// thread and the manager's thread. Everything here runs on the thread of the event_base. At most
// SERVER_PEERS_MAX connections, or as many as were set; more take the place of one that has been
// silent for SERVER_SILENT_S, else they are told so (-32004) and closed. A peer that does not read
// its answers is closed once SERVER_BACKLOG_MAX bytes wait for it, or once it has taken none of them
// for 30 s. All peers together hold SERVER_HELD_MAX bytes of half requests and unread answers: beyond
// that the one that holds most is closed.
#pragma once

#include "lib/rpc/message.h"

#include <stdint.h>

struct event_base;
struct rpc_server;

enum {
    SERVER_PEERS_MAX = 256,
    SERVER_BACKLOG_MAX = 4 << 20,
    SERVER_HELD_MAX = 64 << 20,
    SERVER_SILENT_S = 10,
};

// 'methods' and 'ctx' are borrowed until destroy. 'closed' (may be NULL) is called when a peer
// goes, at destroy too. A process that would die of SIGPIPE ignores it from now on: libevent cannot
// write without.
struct rpc_server *rpc_server_create(struct event_base *base, const struct rpc_method *methods,
                                     void *ctx, void (*closed)(void *ctx, struct rpc_peer *peer));

// The rows by which requests are checked, borrowed until destroy; without them methods check for
// themselves and every peer may call all.
void rpc_server_set_schemas(struct rpc_server *server, const struct rpc_schema *schemas);

// Listens on 'path' with 'mode' (0660). A socket file left behind by a dead process is replaced;
// one that answers is -EADDRINUSE. destroy unlinks it. Root, our own user and the socket's group have
// the role manage; whom the mode lets in besides has read.
int rpc_server_listen_unix(struct rpc_server *server, const char *path, unsigned mode,
                           struct offload_err *err);

// A client of TLS: whose certificate has 'name' among its subjectAltNames has 'role'.
struct rpc_tls_client {
    char name[256];
    enum rpc_role role;
};
// Listens on TCP, port 0: any. 'tls' and 'clients' are borrowed until destroy. Who is none of
// 'clients' is told so (-32005) and closed.
struct tls;
int rpc_server_listen_tls(struct rpc_server *server, const char *address, uint16_t port,
                          struct tls *tls, const struct rpc_tls_client *clients,
                          unsigned n_clients, struct offload_err *err);
void rpc_server_set_peers_max(struct rpc_server *server, unsigned n);
void rpc_server_destroy(struct rpc_server *server);
enum rpc_role rpc_server_role(const struct rpc_peer *peer);

// Sends a notification to one peer. 'params' is taken over. False if the peer's backlog is full: it
// was not sent.
bool rpc_server_notify(struct rpc_peer *peer, const char *method, struct json_object *params);
