// SPDX-License-Identifier: Apache-2.0
// Packets for tests of functions: mbufs on the stack, without EAL or pool. An extra reference keeps
// a freed one from going to a pool; refcnt 1 afterwards means that the function freed it.
#pragma once

#include "dpdk-app/functions/checksum.h"
#include "dpdk-app/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct fake_packet {
    struct rte_mbuf mbuf;
    uint8_t priv[PKT_PRIV_BYTES]; // where rte_mbuf_to_priv looks
    uint8_t room[128];           // for headers put before it
    uint8_t data[1024];
};

struct fake_spec {
    const char *src, *dst;
    uint16_t sport, dport; // ICMP echo: sport is the identifier
    uint8_t proto;
    uint8_t tcp_flags;
    uint8_t icmp_type;
    uint16_t payload_bytes;
    bool no_udp_checksum;
};

static inline struct fake_spec
fake_udp(const char *src, const char *dst, uint16_t sport, uint16_t dport)
{
    return (struct fake_spec){
        .src = src, .dst = dst, .sport = sport, .dport = dport, .proto = IPPROTO_UDP};
}

static inline uint16_t
fake_sum(const uint8_t *bytes, unsigned n, uint32_t sum)
{
    for (unsigned i = 0; i < n; i++)
        sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

// The transport's checksum in full, as RFC 768, 793 and 792 define it, over an IPv4 packet without
// options. 0 if right.
static inline uint16_t
fake_transport_error(const uint8_t *ip)
{
    unsigned n = ((unsigned)ip[2] << 8 | ip[3]) - 20;
    uint32_t pseudo = 0;
    if (ip[9] != IPPROTO_ICMP)
        pseudo = fake_sum(ip + 12, 8, ip[9] + n);
    return (uint16_t)~fake_sum(ip + 20, n, pseudo);
}

static inline uint16_t
fake_header_error(const uint8_t *ip)
{
    return (uint16_t)~fake_sum(ip, 20, 0);
}

static inline void
fake_put16(uint8_t *to, uint16_t value)
{
    to[0] = value >> 8;
    to[1] = value & 0xff;
}

static inline uint8_t *
fake_ip(struct fake_packet *p)
{
    return p->data + 14;
}

// Sets both checksums of the IPv4 packet at 'ip'.
static inline void
fake_seal(uint8_t *ip, bool no_udp_checksum)
{
    unsigned at = ip[9] == IPPROTO_TCP ? 36 : ip[9] == IPPROTO_UDP ? 26 : 22;
    fake_put16(ip + 10, 0);
    fake_put16(ip + 10, fake_header_error(ip));
    fake_put16(ip + at, 0);
    if (!(ip[9] == IPPROTO_UDP && no_udp_checksum)) {
        uint16_t check = fake_transport_error(ip);
        fake_put16(ip + at, check == 0 && ip[9] == IPPROTO_UDP ? 0xffff : check);
    }
}

// Fills the mbuf and what parse would have found in it.
static inline struct rte_mbuf *
fake_wrap(struct fake_packet *p, enum pkt_dir dir)
{
    uint8_t *ip = fake_ip(p);
    uint16_t bytes = 14 + (ip[2] << 8 | ip[3]);
    p->mbuf = (struct rte_mbuf){.buf_addr = p->room,
                                .buf_len = sizeof p->room + sizeof p->data,
                                .data_off = sizeof p->room,
                                .pkt_len = bytes,
                                .data_len = bytes,
                                .nb_segs = 1,
                                .priv_size = PKT_PRIV_BYTES};
    rte_mbuf_refcnt_set(&p->mbuf, 2);
    struct pkt_meta *meta = pkt_meta(&p->mbuf);
    *meta = (struct pkt_meta){.dir = dir, .l3_offset = 14, .l4_offset = 34, .wire_bytes = bytes};
    meta->key.ip_version = 4;
    meta->key.proto = ip[9];
    memcpy(meta->key.src, ip + 12, 4);
    memcpy(meta->key.dst, ip + 16, 4);
    if (ip[9] == IPPROTO_ICMP) {
        if (ip[20] == 0 || ip[20] == 8)
            meta->key.sport = meta->key.dport = load16(ip + 24);
    } else {
        meta->key.sport = load16(ip + 20);
        meta->key.dport = load16(ip + 22);
    }
    return &p->mbuf;
}

static inline struct rte_mbuf *
fake_make(struct fake_packet *p, enum pkt_dir dir, struct fake_spec spec)
{
    unsigned header = spec.proto == IPPROTO_TCP ? 20 : 8;
    unsigned n = header + spec.payload_bytes;
    memset(p, 0, sizeof *p);
    p->data[12] = 8;
    uint8_t *ip = fake_ip(p), *l4 = ip + 20;
    ip[0] = 0x45;
    fake_put16(ip + 2, 20 + n);
    ip[8] = 64;
    ip[9] = spec.proto;
    inet_pton(AF_INET, spec.src, ip + 12);
    inet_pton(AF_INET, spec.dst, ip + 16);
    for (unsigned i = 0; i < spec.payload_bytes; i++)
        l4[header + i] = 7 * i + spec.sport;
    if (spec.proto == IPPROTO_ICMP) {
        l4[0] = spec.icmp_type;
        fake_put16(l4 + 4, spec.sport);
    } else {
        fake_put16(l4, spec.sport);
        fake_put16(l4 + 2, spec.dport);
        if (spec.proto == IPPROTO_UDP)
            fake_put16(l4 + 4, n);
        else
            l4[12] = 0x50, l4[13] = spec.tcp_flags;
    }
    fake_seal(ip, spec.no_udp_checksum);
    return fake_wrap(p, dir);
}
