// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC server on a Unix socket, and on TCP with mutual TLS 1.3, in a libevent loop: cardd's main
// thread and the manager's thread. Everything here runs on the thread of the event_base.
//
// Peers take turns, one request each, and none is given more of the thread's time than another that
// also waits: who asks for much waits for those who ask for little. What a peer has not read of its
// answers is bounded: from SERVER_UNREAD_MAX on nothing more is read from it, and it is closed once it
// has taken no byte for 30 s; notifications stop at SERVER_BACKLOG_MAX. All peers together hold
// SERVER_HELD_MAX bytes of requests and unread answers: beyond that the one that holds most is closed.
// At most SERVER_PEERS_MAX connections, or as many as were set, of them so many of one user or address;
// more take the place of one that has been silent for SERVER_SILENT_S, else they are told so (-32004)
// and closed.
#pragma once

#include "lib/rpc/message.h"

#include <stdint.h>

struct event_base;
struct rpc_server;

enum {
    SERVER_PEERS_MAX = 256,
    SERVER_UNREAD_MAX = 256 << 10,
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
void rpc_server_set_peers_max(struct rpc_server *server, unsigned n, unsigned of_one);
// How long a peer may leave all that waits for it untouched.
void rpc_server_set_stall(struct rpc_server *server, unsigned ms);
void rpc_server_destroy(struct rpc_server *server);
enum rpc_role rpc_server_role(const struct rpc_peer *peer);

// Sends a notification to one peer. 'params' is taken over. False if the peer's backlog is full: it
// was not sent.
bool rpc_server_notify(struct rpc_peer *peer, const char *method, struct json_object *params);
