// SPDX-License-Identifier: Apache-2.0
// Prefixes of IPv4 and IPv6.  Pure.

#include "plugins/path/allow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
bits_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole))
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool
zero_behind(const unsigned char *address, unsigned bits, unsigned most)
{
    for (unsigned i = bits; i < most; i++)
        if (address[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

int
allow_parse(const char *text, const char *path, struct allow_prefix *out, struct offload_err *err)
{
    static const char expected[] = "an address or a prefix such as 10.0.0.0/8 or fd00::/8";
    struct allow_prefix prefix = {0};
    char address[64];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof address)
        return offload_err_set(err, -EINVAL, path, expected, "'%s' is no address", text);
    memcpy(address, text, len);
    address[len] = '\0';

    prefix.family = strchr(address, ':') ? AF_INET6 : AF_INET;
    unsigned most = prefix.family == AF_INET6 ? 128 : 32;
    if (inet_pton(prefix.family, address, prefix.address) != 1)
        return offload_err_set(err, -EINVAL, path, expected, "'%s' is no address", text);
    prefix.bits = most;
    if (slash) {
        char *end;
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || bits > most)
            return offload_err_set(err, -EINVAL, path, expected,
                                   "'%s' has no prefix length from 0 to %u", text, most);
        prefix.bits = (unsigned)bits;
    }
    if (!zero_behind(prefix.address, prefix.bits, most))
        return offload_err_set(err, -EINVAL, path, "zero bits behind the prefix, or a longer one",
                               "'%s' has bits set behind its prefix", text);
    *out = prefix;
    return 0;
}

bool
allow_holds(const struct allow_prefix *prefixes, size_t n, const struct sockaddr *peer)
{
    const void *address = peer->sa_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
    for (size_t i = 0; i < n; i++)
        if (prefixes[i].family == peer->sa_family &&
            bits_equal(prefixes[i].address, address, prefixes[i].bits))
            return true;
    return false;
}
