// SPDX-License-Identifier: Apache-2.0
// The one mapping between our errno codes and JSON-RPC's error objects:
// {"code","message","data":{"path","got","expected"}}.
#pragma once

#include <offload/err.h>

struct json_object;

enum rpc_code {
    RPC_PARSE = -32700,           // -EBADMSG
    RPC_INVALID_REQUEST = -32600, // -EPROTO
    RPC_UNKNOWN_METHOD = -32601,  // -ENOSYS
    RPC_INVALID_PARAMS = -32602,  // -EINVAL, -ERANGE
    RPC_INTERNAL = -32603,        // -ENOMEM, -EIO and all others
    RPC_NOT_FOUND = -32001,       // -ENOENT
    RPC_INFEASIBLE = -32002,      // -ENOSPC
    RPC_STALE_TERM = -32003,      // -ESTALE
    RPC_BUSY = -32004,            // -EBUSY
    RPC_DENIED = -32005,          // -EACCES
    RPC_UNSUPPORTED = -32006,     // -ENOTSUP
};

int rpc_code_of_errno(int code);
int rpc_errno_of_code(int code);

// A new error object from 'err', and back. 'data.path' is err->where, 'data.expected'
// err->expected.
struct json_object *rpc_error_to_json(const struct offload_err *err);
int rpc_error_from_json(struct json_object *error, struct offload_err *err);
