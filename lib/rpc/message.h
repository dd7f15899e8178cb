// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0 messages and the table of methods that a server answers by.
// bytes -> frame -> [message] -> method.  Pure: text in, text out. Spec: jsonrpc.org/specification.
#pragma once

#include "lib/rpc/schema.h"

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct rpc_peer; // one connection; what it is, the transport knows

// Answers one request. 'params' is borrowed, an object, never NULL (absent params are an empty
// one). On success stores a new reference in '*result' (NULL means {}) and returns 0; else fills
// 'err' and returns its code, and has changed nothing.
typedef int rpc_method_fn(void *ctx, struct rpc_peer *peer, struct json_object *params,
                          struct json_object **result, struct offload_err *err);

struct rpc_method {
    const char *name; // "card.list"; a NULL name ends the table
    rpc_method_fn *fn;
    const char *help; // one line
};

// Answers one line. Returns the response as text with "\n" at its end (caller frees), or NULL for
// notifications, for responses and when memory runs out. 'line' NULL answers an oversized line.
// Batches are refused with -32600. Unknown methods name the nearest known one.
char *rpc_answer(const struct rpc_method *methods, void *ctx, struct rpc_peer *peer,
                 const char *line, size_t len);

// The same for a caller of a role, where verbs have schemas: each must have a row. NULL 'schemas':
// nothing is checked beforehand.
char *rpc_answer_checked(const struct rpc_method *methods, const struct rpc_schema *schemas,
                         enum rpc_role role, void *ctx, struct rpc_peer *peer, const char *line,
                         size_t len);

// Formats a request or, with id 0, a notification, as a line. 'params' is taken over, may be NULL.
char *rpc_format_request(unsigned id, const char *method, struct json_object *params);

// Reads a response line to request 'id'. Returns 0 and a new reference in '*result'; -EAGAIN if the
// line is a notification (then '*result' holds the whole message) or answers another id; else the
// peer's error, as code and texts in 'err', or -EPROTO for what is no JSON-RPC.
int rpc_read_response(const char *line, size_t len, unsigned id, struct json_object **result,
                      struct offload_err *err);
