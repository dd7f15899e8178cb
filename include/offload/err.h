// SPDX-License-Identifier: Apache-2.0
// What went wrong, where, and what would be right: the last parameter of everything that a person
// or peer can make fail. Printed as `<where>: <what is wrong>; <what would be right>`.
#pragma once

#include <stddef.h>

struct offload_err {
    int code;           // negative errno; lib/rpc/errors.h maps it to JSON-RPC's codes
    char where[160];    // file:line for syntax, file and key path for a value, "" if there is none
    char text[320];     // what is wrong, with the value; lower case, no full stop
    char expected[240]; // what would be right, "" if nothing sensible can be said
};

// Fills 'err' (may be NULL) and returns 'code', so that callers write
//   return offload_err_set(err, -EINVAL, path, "use 1 to 64", "%d is above 64", n);
// 'where' and 'expected' may be NULL. Texts that are too long are cut. 'where' may be err->where.
int offload_err_set(struct offload_err *err, int code, const char *where, const char *expected,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

// Puts 'prefix' and a separator ": " in front of err->where, or sets it if it was empty.
void offload_err_prefix(struct offload_err *err, const char *prefix);

// Writes the one-line message into 'buf' of 'size' bytes, and returns 'buf'.
char *offload_err_format(const struct offload_err *err, char *buf, size_t size);
