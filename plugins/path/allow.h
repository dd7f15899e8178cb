// SPDX-License-Identifier: Apache-2.0
// Whom the reflector answers: a list of address prefixes.  Pure.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

struct allow_prefix {
    int family; // AF_INET or AF_INET6
    unsigned bits;
    unsigned char address[16];
};

// Reads "10.0.0.0/8", "fd00::/8" or a plain address. 'path' is the option's key path for messages.
// Bits behind the prefix are an error: "10.0.0.1/8" means something else than it says. 0 or
// -EINVAL.
int allow_parse(const char *text, const char *path, struct allow_prefix *out,
                struct offload_err *err);

bool allow_holds(const struct allow_prefix *prefixes, size_t n, const struct sockaddr *peer);
