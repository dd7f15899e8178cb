// SPDX-License-Identifier: Apache-2.0
// Addresses and ports of IPv4 packets replaced, checksums with them (RFC 1624); and the packet that
// an ICMP error quotes (RFC 5508). All values are as on the wire.
#pragma once

#include "dpdk-app/functions/checksum.h"
#include "dpdk-app/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_mbuf.h>

enum { ADDRESS_SOURCE = 12, ADDRESS_DESTINATION = 16 }; // where in an IPv4 header

// Replaces an address in an IPv4 header, at 'offset' 12 (source) or 16 (destination).
static inline void
rewrite_address(uint8_t *ip, unsigned offset, uint32_t to)
{
    store16(ip + 10, checksum_update32(load16(ip + 10), load32(ip + offset), to));
    store32(ip + offset, to);
}

// Replaces a port or identifier, and the address in the pseudo header, in the transport's checksum.
// 'length': bytes of transport header at hand, which ICMP errors cut short.
static inline void
rewrite_transport(uint8_t *l4, unsigned length, uint8_t proto, unsigned port_offset, uint16_t port,
                  uint32_t from_ip, uint32_t to_ip)
{
    unsigned check_offset = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
    uint16_t from_port = load16(l4 + port_offset);
    store16(l4 + port_offset, port);
    if (length < check_offset + 2u)
        return;
    uint16_t check = load16(l4 + check_offset);
    if (proto == IPPROTO_UDP && check == 0)
        return; // the sender made none
    check = checksum_update16(check, from_port, port);
    if (proto != IPPROTO_ICMP)
        check = checksum_update32(check, from_ip, to_ip);
    if (proto == IPPROTO_UDP && check == 0)
        check = 0xffff; // RFC 768: 0 would mean none
    store16(l4 + check_offset, check);
}

static inline uint16_t
internet_checksum(const uint8_t *bytes, unsigned n)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i + 1 < n; i += 2)
        sum += load16(bytes + i);
    if (n & 1)
        sum += load16((uint8_t[2]){bytes[n - 1], 0});
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

// Bytes of transport header that a translation touches at least.
static inline unsigned
rewrite_least_bytes(uint8_t proto)
{
    return proto == IPPROTO_TCP ? 20 : 8;
}

// Length of an ICMP message, without the padding of short frames, which its checksum does not span;
// 0 if the IPv4 header lies.
static inline unsigned
icmp_bytes(struct rte_mbuf *pkt, const uint8_t *ip)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    unsigned ip_bytes = ntohs(load16(ip + 2)), header = meta->l4_offset - meta->l3_offset;
    unsigned at_hand = rte_pktmbuf_data_len(pkt) - meta->l3_offset;
    return ip_bytes < header + 8 || ip_bytes > at_hand ? 0 : ip_bytes - header;
}

static inline bool
icmp_is_error(uint8_t type)
{
    return type == 3 || type == 11 || type == 12;
}

// The packet that an ICMP error quotes.
struct quote {
    uint8_t *ip, *l4;
    unsigned l4_bytes; // that are quoted
    uint8_t proto;
};

// False: there is none that makes sense.
static inline bool
quote_find(uint8_t *icmp, unsigned bytes, struct quote *out)
{
    if (bytes < 8 + 20 + 8)
        return false;
    uint8_t *ip = icmp + 8;
    unsigned header = (ip[0] & 15) * 4;
    if (ip[0] >> 4 != 4 || header < 20 || bytes < 8 + header + 8)
        return false;
    *out = (struct quote){
        .ip = ip, .l4 = ip + header, .l4_bytes = bytes - 8 - header, .proto = ip[9]};
    return true;
}

// Replaces address and port in what 'icmp' quotes; its own checksum spans all that.
static inline void
quote_rewrite(const struct quote *quote, uint8_t *icmp, unsigned bytes, unsigned address,
              unsigned port_offset, uint32_t to_ip, uint16_t to_port)
{
    rewrite_transport(quote->l4, quote->l4_bytes, quote->proto, port_offset, to_port,
                      load32(quote->ip + address), to_ip);
    rewrite_address(quote->ip, address, to_ip);
    store16(icmp + 2, 0);
    store16(icmp + 2, internet_checksum(icmp, bytes));
}
