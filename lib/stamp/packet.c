// SPDX-License-Identifier: Apache-2.0
// Octets of STAMP's two packets, in network order (RFC 8762, figures 2 and 4):
//   sender     seq 0-3, T1 4-11, error estimate 12-13, zero 14-43
//   reflector  seq 0-3, T3 4-11, error estimate 12-13, zero 14-15, T2 16-23, sender's seq 24-27,
//              its T1 28-35, its error estimate 36-37, zero 38-39, its TTL 40, zero 41-43
// Octets 14-15 and 38-39 are RFC 8972's session identifier, which a stateless reflector copies.

#include "lib/stamp/packet.h"

#include <offload/units.h>

#include <errno.h>
#include <string.h>

enum {
    AT_SEQ = 0,
    AT_TIME = 4,
    AT_ERROR = 12,
    AT_SSID = 14,
    AT_RECEIVED = 16,
    AT_SENDER_SEQ = 24,
    AT_SENDER_TIME = 28,
    AT_SENDER_ERROR = 36,
    AT_SENDER_TTL = 40,
};

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

void
stamp_format_sender(const struct stamp_sender_packet *packet, uint8_t out[STAMP_PACKET_BYTES])
{
    memset(out, 0, STAMP_PACKET_BYTES);
    put(out + AT_SEQ, packet->seq, 4);
    put(out + AT_TIME, stamp_ntp_of_ns(packet->sent_ns), 8);
    put(out + AT_ERROR, format_error(packet->error), 2);
}

size_t
stamp_reflect(const uint8_t *in, size_t len, uint64_t received_ns, uint64_t sent_ns,
              struct stamp_error_estimate error, uint8_t ttl, uint8_t *out, size_t size)
{
    size_t out_len = len > STAMP_PACKET_BYTES ? len : STAMP_PACKET_BYTES;
    if (len < STAMP_SENDER_LEAST_BYTES || out_len > size)
        return 0;
    memset(out, 0, STAMP_PACKET_BYTES);
    if (len > STAMP_PACKET_BYTES)
        memcpy(out + STAMP_PACKET_BYTES, in + STAMP_PACKET_BYTES, len - STAMP_PACKET_BYTES);
    // Stateless: the reflector's sequence number is the sender's (4.3).
    memcpy(out + AT_SEQ, in + AT_SEQ, 4);
    put(out + AT_TIME, stamp_ntp_of_ns(sent_ns), 8);
    put(out + AT_ERROR, format_error(error), 2);
    if (len >= AT_SSID + 2)
        memcpy(out + AT_SSID, in + AT_SSID, 2);
    put(out + AT_RECEIVED, stamp_ntp_of_ns(received_ns), 8);
    memcpy(out + AT_SENDER_SEQ, in + AT_SEQ, 4);
    memcpy(out + AT_SENDER_TIME, in + AT_TIME, 8);
    memcpy(out + AT_SENDER_ERROR, in + AT_ERROR, 2);
    out[AT_SENDER_TTL] = ttl;
    return out_len;
}

int
stamp_parse_reflector(const uint8_t *in, size_t len, struct stamp_reflector_packet *out)
{
    if (len < STAMP_PACKET_BYTES)
        return -EMSGSIZE;
    struct stamp_error_estimate error = parse_error(in + AT_ERROR);
    if (error.ptp)
        return -EPROTO;
    *out = (struct stamp_reflector_packet){
        .seq = (uint32_t)get(in + AT_SEQ, 4),
        .sent_ns = stamp_ns_of_ntp(get(in + AT_TIME, 8)),
        .error = error,
        .received_ns = stamp_ns_of_ntp(get(in + AT_RECEIVED, 8)),
        .sender_seq = (uint32_t)get(in + AT_SENDER_SEQ, 4),
        .sender_sent_ns = stamp_ns_of_ntp(get(in + AT_SENDER_TIME, 8)),
        .sender_error = parse_error(in + AT_SENDER_ERROR),
        .sender_ttl = in[AT_SENDER_TTL],
    };
    return 0;
}
