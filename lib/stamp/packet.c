// SPDX-License-Identifier: Apache-2.0
// Octets of STAMP's packets, in network order (RFC 8762, figures 2 to 5); what is not named is
// zero:
//                unauthenticated                        authenticated
//   sender       seq 0-3, T1 4-11, error 12-13          seq 0-3, T1 16-23, error 24-25, HMAC 96-111
//   reflector    seq 0-3, T3 4-11, error 12-13,         seq 0-3, T3 16-23, error 24-25,
//                T2 16-23, sender's seq 24-27,          T2 32-39, sender's seq 48-51,
//                its T1 28-35, its error 36-37,         its T1 64-71, its error 72-73,
//                its TTL 40                             its TTL 80, HMAC 96-111
// Behind the error estimate stand two octets of RFC 8972's session identifier, which a stateless
// reflector copies.

#include "lib/stamp/packet.h"

#include <offload/units.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <errno.h>
#include <string.h>

enum { HMACED_BYTES = 96, HMAC_BYTES = 16 };

// Where things stand in a packet of one mode. The sequence number comes first in both.
struct layout {
    size_t bytes, time, error, ssid, received, sender_seq, sender_time, sender_error, sender_ttl;
    size_t least; // of a sender's packet that is answered
};

static const struct layout plain = {STAMP_PACKET_BYTES,      4, 12, 14, 16, 24, 28, 36, 40,
                                    STAMP_SENDER_LEAST_BYTES};
static const struct layout authenticated = {STAMP_AUTH_BYTES, 16, 24, 26, 32, 48, 64, 72, 80,
                                            STAMP_AUTH_BYTES};

static const struct layout *
layout_of(const struct stamp_key *key)
{
    return key && key->len > 0 ? &authenticated : &plain;
}

// From NTP's first day, 1900-01-01, to 1970-01-01 (RFC 5905, figure 4).
static const uint64_t NTP_TO_UNIX_S = 2208988800;

static void
put(uint8_t *at, uint64_t value, int octets)
{
    for (int i = 0; i < octets; i++)
        at[i] = (uint8_t)(value >> 8 * (octets - 1 - i));
}

static uint64_t
get(const uint8_t *at, int octets)
{
    uint64_t value = 0;
    for (int i = 0; i < octets; i++)
        value = value << 8 | at[i];
    return value;
}

struct stamp_error_estimate
stamp_error_estimate(bool synchronized, uint64_t error_ns)
{
    struct stamp_error_estimate estimate = {.synchronized = synchronized, .multiplier = 1};
    // In units of 2^-32 s, rounded up; an hour is as much as anybody wants to know.
    uint64_t error_cut_ns = error_ns < 3600 * OFFLOAD_NS_PER_S ? error_ns : 3600 * OFFLOAD_NS_PER_S;
    uint64_t whole_s = error_cut_ns / OFFLOAD_NS_PER_S, rest_ns = error_cut_ns % OFFLOAD_NS_PER_S;
    uint64_t units = (whole_s << 32) + ((rest_ns << 32) + OFFLOAD_NS_PER_S - 1) / OFFLOAD_NS_PER_S;
    while (units > UINT8_MAX) {
        units = (units + 1) / 2;
        estimate.scale++;
    }
    if (units > 0)
        estimate.multiplier = (uint8_t)units;
    return estimate;
}

uint64_t
stamp_error_ns(struct stamp_error_estimate estimate)
{
    double seconds = estimate.multiplier / 4294967296.0;
    for (int i = 0; i < estimate.scale; i++)
        seconds *= 2;
    return seconds > 1e9 ? UINT64_MAX : (uint64_t)(seconds * 1e9 + 0.5);
}

static uint64_t
format_error(struct stamp_error_estimate e)
{
    return (uint64_t)e.synchronized << 15 | (uint64_t)e.ptp << 14 | (e.scale & 63u) << 8 |
           e.multiplier;
}

static struct stamp_error_estimate
parse_error(const uint8_t *at)
{
    return (struct stamp_error_estimate){.synchronized = at[0] >> 7,
                                         .ptp = at[0] >> 6 & 1,
                                         .scale = at[0] & 63,
                                         .multiplier = at[1]};
}

uint64_t
stamp_ntp_of_ns(uint64_t wall_ns)
{
    uint64_t seconds = wall_ns / OFFLOAD_NS_PER_S + NTP_TO_UNIX_S;
    uint64_t rest_ns = wall_ns % OFFLOAD_NS_PER_S;
    // The carry of a fraction that rounds up to a whole second is right in the sum.
    return (seconds << 32) + ((rest_ns << 32) + OFFLOAD_NS_PER_S / 2) / OFFLOAD_NS_PER_S;
}

uint64_t
stamp_ns_of_ntp(uint64_t ntp)
{
    uint64_t seconds = ntp >> 32, fraction = ntp & UINT32_MAX;
    if (seconds < NTP_TO_UNIX_S)
        seconds += 1ull << 32; // NTP's era 1 began in 2036
    return (seconds - NTP_TO_UNIX_S) * OFFLOAD_NS_PER_S +
           ((fraction * OFFLOAD_NS_PER_S + (1ull << 31)) >> 32);
}

// Puts the HMAC in place, which in unauthenticated mode is nothing.
static void
sign(const struct stamp_key *key, uint8_t *packet)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (layout_of(key) == &plain)
        return;
    HMAC(EVP_sha256(), key->bytes, (int)key->len, packet, HMACED_BYTES, digest, NULL);
    memcpy(packet + HMACED_BYTES, digest, HMAC_BYTES);
}

static bool
is_signed(const struct stamp_key *key, const uint8_t *packet)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (layout_of(key) == &plain)
        return true;
    HMAC(EVP_sha256(), key->bytes, (int)key->len, packet, HMACED_BYTES, digest, NULL);
    return CRYPTO_memcmp(packet + HMACED_BYTES, digest, HMAC_BYTES) == 0;
}

size_t
stamp_format_sender(const struct stamp_sender_packet *packet, const struct stamp_key *key,
                    uint8_t out[STAMP_AUTH_BYTES])
{
    const struct layout *at = layout_of(key);
    memset(out, 0, at->bytes);
    put(out, packet->seq, 4);
    put(out + at->time, stamp_ntp_of_ns(packet->sent_ns), 8);
    put(out + at->error, format_error(packet->error), 2);
    sign(key, out);
    return at->bytes;
}

size_t
stamp_reflect(const uint8_t *in, size_t len, uint64_t received_ns, uint64_t sent_ns,
              struct stamp_error_estimate error, uint8_t ttl, const struct stamp_key *key,
              uint8_t *out, size_t size)
{
    const struct layout *at = layout_of(key);
    size_t out_len = len > at->bytes ? len : at->bytes;
    if (len < at->least || out_len > size || !is_signed(key, in))
        return 0;
    memset(out, 0, at->bytes);
    if (len > at->bytes)
        memcpy(out + at->bytes, in + at->bytes, len - at->bytes);
    // Stateless: the reflector's sequence number is the sender's (4.3).
    memcpy(out, in, 4);
    put(out + at->time, stamp_ntp_of_ns(sent_ns), 8);
    put(out + at->error, format_error(error), 2);
    if (len >= at->ssid + 2)
        memcpy(out + at->ssid, in + at->ssid, 2);
    put(out + at->received, stamp_ntp_of_ns(received_ns), 8);
    memcpy(out + at->sender_seq, in, 4);
    memcpy(out + at->sender_time, in + at->time, 8);
    memcpy(out + at->sender_error, in + at->error, 2);
    out[at->sender_ttl] = ttl;
    sign(key, out);
    return out_len;
}

int
stamp_parse_reflector(const uint8_t *in, size_t len, const struct stamp_key *key,
                      struct stamp_reflector_packet *out)
{
    const struct layout *at = layout_of(key);
    if (len < at->bytes)
        return -EMSGSIZE;
    if (!is_signed(key, in))
        return -EBADMSG;
    struct stamp_error_estimate error = parse_error(in + at->error);
    if (error.ptp)
        return -EPROTO;
    *out = (struct stamp_reflector_packet){
        .seq = (uint32_t)get(in, 4),
        .sent_ns = stamp_ns_of_ntp(get(in + at->time, 8)),
        .error = error,
        .received_ns = stamp_ns_of_ntp(get(in + at->received, 8)),
        .sender_seq = (uint32_t)get(in + at->sender_seq, 4),
        .sender_sent_ns = stamp_ns_of_ntp(get(in + at->sender_time, 8)),
        .sender_error = parse_error(in + at->sender_error),
        .sender_ttl = in[at->sender_ttl],
    };
    return 0;
}
