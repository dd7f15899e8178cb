// SPDX-License-Identifier: Apache-2.0
// Cuts a byte stream into lines. The buffer grows with the longest line so far and never beyond the
// limit; what is longer is thrown away as it comes.
// bytes -> [frame] -> message -> method.  Pure: bytes in, lines out.
#include "lib/rpc/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIZE_FIRST = 4096,
};

void
rpc_frame_init(struct rpc_frame *frame)
{
    *frame = (struct rpc_frame){0};
}

void
rpc_frame_fini(struct rpc_frame *frame)
{
    free(frame->buf);
    rpc_frame_init(frame);
}

// Makes room for 'n' bytes and the end; the caller has checked the limit.
static int
reserve(struct rpc_frame *frame, size_t n)
{
    size_t need = frame->used + n + 1;
    if (need <= frame->size)
        return 0;
    size_t size = frame->size ? frame->size : SIZE_FIRST;
    while (size < need)
        size *= 2;
    char *buf = realloc(frame->buf, size);
    if (!buf)
        return -ENOMEM;
    frame->buf = buf;
    frame->size = size;
    return 0;
}

// Adds a part of a line, or gives the whole line up. One byte above the limit may be a '\r'.
static int
append(struct rpc_frame *frame, const char *bytes, size_t n)
{
    if (frame->skipping || n == 0)
        return 0;
    if (n > RPC_LINE_MAX + 1 - frame->used) {
        frame->skipping = true;
        frame->used = 0;
        return 0;
    }
    int rc = reserve(frame, n);
    if (rc)
        return rc;
    memcpy(frame->buf + frame->used, bytes, n);
    frame->used += n;
    return 0;
}

// Hands the line over. The buffer is free for the next one only when 'fn' has returned.
static bool
end_line(struct rpc_frame *frame, rpc_line_fn *fn, void *ctx)
{
    size_t len = frame->used;
    bool skipped = frame->skipping;
    frame->used = 0;
    frame->skipping = false;
    if (!skipped && len > 0 && frame->buf[len - 1] == '\r')
        len--;
    if (skipped || len > RPC_LINE_MAX)
        return fn(ctx, NULL, 0);
    if (len == 0)
        return true;
    frame->buf[len] = '\0';
    return fn(ctx, frame->buf, len);
}

int
rpc_frame_feed(struct rpc_frame *frame, const char *bytes, size_t n, rpc_line_fn *fn, void *ctx)
{
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t part = end ? (size_t)(end - bytes) : n;
        int rc = append(frame, bytes, part);
        if (rc)
            return rc;
        if (!end)
            return 0;
        if (!end_line(frame, fn, ctx))
            return -ECANCELED;
        bytes += part + 1;
        n -= part + 1;
    }
    return 0;
}
