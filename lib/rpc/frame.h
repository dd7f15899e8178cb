// SPDX-License-Identifier: Apache-2.0
// Cuts a byte stream into lines of JSON-RPC, at most RPC_LINE_MAX bytes each.
// bytes -> [frame] -> message -> method.  Pure: bytes in, lines out.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    RPC_LINE_MAX = 1 << 20, // without the line end
};

struct rpc_frame {
    char *buf; // grows up to RPC_LINE_MAX + 1
    size_t used, size;
    bool skipping; // inside an oversized line: everything up to its end is thrown away
};

void rpc_frame_init(struct rpc_frame *frame);
void rpc_frame_fini(struct rpc_frame *frame);

// Called for each whole line: 'line' is borrowed until the call returns, without "\n" or "\r\n" and
// 0-terminated. 'line' NULL: a line was over RPC_LINE_MAX and has been skipped. Returning false
// stops.
typedef bool rpc_line_fn(void *ctx, const char *line, size_t len);

// Takes 'n' bytes. Empty lines are skipped. Returns 0, -ENOMEM, or -ECANCELED if 'fn' said false.
int rpc_frame_feed(struct rpc_frame *frame, const char *bytes, size_t n, rpc_line_fn *fn,
                   void *ctx);
