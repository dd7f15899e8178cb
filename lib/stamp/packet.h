// SPDX-License-Identifier: Apache-2.0
// STAMP test packets (RFC 8762, 4.2 and 4.3): 44 octets each, or 112 in authenticated mode, whose
// last 16 are HMAC-SHA-256 over the first 96 octets, cut to 128 bits (4.4).
// session -> [packet] -> socket.  Pure: bytes in, bytes out; the time is an argument.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STAMP_PACKET_BYTES = 44,
    STAMP_AUTH_BYTES = 112,        // of a packet in authenticated mode
    STAMP_KEY_MAX = 64,            // more would only be hashed down (RFC 2104, 3)
    STAMP_SENDER_LEAST_BYTES = 14, // a TWAMP Light sender's, which is answered too (4.6)
    STAMP_PORT = 862,
};

// How good a clock is (RFC 4656, 4.1.2): 'multiplier' * 2^'scale' * 2^-32 seconds.
struct stamp_error_estimate {
    bool synchronized; // to UTC by an external source
    bool ptp; // the packet's time stamps are in PTPv2's truncated form (RFC 8186), not in NTP's
    uint8_t scale;      // 0 to 63
    uint8_t multiplier; // never 0 on the wire
};

// What both ends share; 'len' 0, or no key at all: unauthenticated mode.
struct stamp_key {
    uint8_t bytes[STAMP_KEY_MAX];
    size_t len;
};

struct stamp_sender_packet {
    uint32_t seq;
    uint64_t sent_ns; // T1, wall clock, since 1970
    struct stamp_error_estimate error;
};

struct stamp_reflector_packet {
    uint32_t seq;
    uint64_t sent_ns; // T3
    struct stamp_error_estimate error;
    uint64_t received_ns; // T2
    uint32_t sender_seq;
    uint64_t sender_sent_ns; // T1, as the sender wrote it
    struct stamp_error_estimate sender_error;
    uint8_t sender_ttl; // as the sender's packet arrived
};

// The estimate that covers 'error_ns', rounded up.
struct stamp_error_estimate stamp_error_estimate(bool synchronized, uint64_t error_ns);
uint64_t stamp_error_ns(struct stamp_error_estimate estimate);

// NTP's 64-bit format (seconds since 1900 modulo 2^32, then 2^-32 seconds), to the nearest, and
// back. The era is taken to be the one that begins in 1900 for times from 1970, else the one that
// begins in 2036.
uint64_t stamp_ntp_of_ns(uint64_t wall_ns);
uint64_t stamp_ns_of_ntp(uint64_t ntp);

// Writes a packet of the mode that 'key' (may be NULL) makes; returns its length.
size_t stamp_format_sender(const struct stamp_sender_packet *packet, const struct stamp_key *key,
                           uint8_t out[STAMP_AUTH_BYTES]);

// What a stateless reflector sends for 'len' received bytes at 'in': writes at most 'size' bytes to
// 'out' (which must not be 'in') and returns how many: as many as came in, at least the mode's
// packet, the octets behind it as they came. 0: the packet is too short to be a sender's, its HMAC
// is not by 'key' (4.4: silently discarded), or 'size' too small. T1 and the sender's error
// estimate are copied octet by octet, whatever their format.
size_t stamp_reflect(const uint8_t *in, size_t len, uint64_t received_ns, uint64_t sent_ns,
                     struct stamp_error_estimate error, uint8_t ttl, const struct stamp_key *key,
                     uint8_t *out, size_t size);

// Reads a reflector's packet of the mode that 'key' makes. -EMSGSIZE if it is too short; -EBADMSG
// if its HMAC is not by 'key'; -EPROTO if its time stamps are in PTP's format, which we have not
// asked for.
int stamp_parse_reflector(const uint8_t *in, size_t len, const struct stamp_key *key,
                          struct stamp_reflector_packet *out);
