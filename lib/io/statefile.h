// SPDX-License-Identifier: Apache-2.0
// Files that must be whole or absent: written beside, synced, renamed; checkpoints carry a
// checksum. Format of a checkpoint: "OFFLOAD1", kind u32, version u32, length u64, payload, SHA-256
// of all that comes before it; integers little-endian.
#pragma once

#include <offload/err.h>

#include <stddef.h>
#include <stdint.h>

// Replaces 'path' by 'len' bytes at 'data', atomically and durably. 0 or -errno.
int statefile_write(const char *path, const void *data, size_t len, struct offload_err *err);

// Reads all of 'path', at most 'max_bytes'. On success '*data' (caller frees) is followed by a 0
// byte that
// '*len' does not count. -ENOENT, -EFBIG, -errno.
int statefile_read(const char *path, size_t max_bytes, char **data, size_t *len,
                   struct offload_err *err);

// The same with a checkpoint's header and checksum. A file of another kind, an unknown version
// (above 'version'), a wrong length or checksum is refused as a whole with -EBADMSG.
int checkpoint_write(const char *path, uint32_t kind, uint32_t version, const void *payload,
                     size_t len, struct offload_err *err);
int checkpoint_read(const char *path, uint32_t kind, uint32_t *version, size_t max_bytes,
                    char **payload, size_t *len, struct offload_err *err);

// Reads a checkpoint of this very version and gives its payload to 'take', whose result it returns.
// -EBADMSG: an older version.
int checkpoint_load(const char *path, uint32_t kind, uint32_t version, size_t max_bytes,
                    int (*take)(const void *payload, size_t len, struct offload_err *err),
                    struct offload_err *err);
