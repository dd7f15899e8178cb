// SPDX-License-Identifier: Apache-2.0
// Incremental update of the Internet checksum, RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
// One's complement sums do not depend on the byte order: all words are as on the wire.
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t
checksum_update16(uint16_t check, uint16_t from, uint16_t to)
{
    uint32_t sum = (uint16_t)~check + (uint32_t)(uint16_t)~from + to;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static inline uint16_t
checksum_update32(uint16_t check, uint32_t from, uint32_t to)
{
    check = checksum_update16(check, from >> 16, to >> 16);
    return checksum_update16(check, from & 0xffff, to & 0xffff);
}

static inline uint16_t
load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t
load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline void
store16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}

static inline void
store32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}
