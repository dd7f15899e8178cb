// SPDX-License-Identifier: Apache-2.0
// What the verbs of an API take, give and ask of their caller: one row a verb, by which the server
// checks requests, and of which JSON Schema and the documents' tables are made.
// bytes -> frame -> message -> [schema] -> method.  Pure.
#pragma once

#include "lib/base/conf.h"

#include <stdbool.h>
#include <stdio.h>

struct json_object;

// What a caller may do; each may do what those before it may.
enum rpc_role { RPC_READ, RPC_OPERATE, RPC_MANAGE };
extern const char *const rpc_role_names[]; // ended by NULL

struct rpc_schema {
    const char *name; // of the verb; NULL ends the table
    enum rpc_role role;
    const struct offload_opt *params; // NULL: none
    const struct offload_opt *result; // NULL: {}
    const char *help;                 // what it does and when it refuses; Markdown
};

const struct rpc_schema *rpc_schema_find(const struct rpc_schema *table, const char *name);

// Whether a caller of 'role' may call the verb, and whether 'params' are as its row says. -EACCES,
// -EINVAL, -ERANGE with the key path.
int rpc_schema_check(const struct rpc_schema *verb, enum rpc_role role, struct json_object *params,
                     struct offload_err *err);

// All verbs: {"$schema","title","verbs":{VERB:{"role","help","params","result"}},"$defs"}; params and
// result are JSON Schema 2020-12. Caller: json_object_put.
struct json_object *rpc_schema_to_json(const struct rpc_schema *table, const char *title);

// The same as text for documents: a line a verb, then the objects that have names.
void rpc_schema_print(const struct rpc_schema *table, FILE *to);
