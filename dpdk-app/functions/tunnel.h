// SPDX-License-Identifier: Apache-2.0
// What tunnels over IPv4 share: the outer header, and the congestion and class bits that go through
// it (RFC 6040, RFC 2983).
#pragma once

#include "dpdk-app/functions/rewrite.h"
#include "lib/base/conf.h"

#include <errno.h>
#include <stddef.h>

enum {
    TUNNEL_IPV4_BYTES = 20,
    TUNNEL_DF = 0x4000,
    ECN_MASK = 3,
    ECN_CE = 3,
};

// The way that a tunnel's outer headers are made; as on the wire.
struct tunnel {
    uint32_t local, remote;
    uint8_t ttl;
    uint8_t dscp;    // where it is not copied
    bool copy_dscp;  // from the inner header
    bool inside;     // the tunnel is on the inside port, else on the outside one
    uint16_t mtu;    // of the outer packet
};

// Its parameters: the first member of a struct of parameters, as TUNNEL_OPTIONS fills it.
struct tunnel_params {
    char local[48], remote[48];
    uint64_t ttl, dscp, mtu;
    bool copy_dscp;
    int side;
};

extern const char *const tunnel_side_names[];

#define TUNNEL_PARAM(f)                                                                            \
    .offset = offsetof(struct tunnel_params, f), .size = sizeof(((struct tunnel_params *)0)->f)
#define TUNNEL_OPTIONS                                                                             \
    {.key = "local", .type = OFFLOAD_OPT_STRING, TUNNEL_PARAM(local),                              \
     .flags = OFFLOAD_OPT_REQUIRED, .help = "IPv4 address of this end of the tunnel"},             \
    {.key = "remote", .type = OFFLOAD_OPT_STRING, TUNNEL_PARAM(remote),                            \
     .flags = OFFLOAD_OPT_REQUIRED, .help = "IPv4 address of the other end"},                      \
    {.key = "side", .type = OFFLOAD_OPT_ENUM, TUNNEL_PARAM(side), .names = tunnel_side_names,      \
     .default_text = "\"outside\"",                                                                \
     .help = "the port on which packets are in the tunnel"},                                       \
    {.key = "ttl", .type = OFFLOAD_OPT_U64, TUNNEL_PARAM(ttl), .least = 1, .most = 255,            \
     .default_text = "64", .help = "time to live of outer packets"},                               \
    {.key = "copy_dscp", .type = OFFLOAD_OPT_BOOL, TUNNEL_PARAM(copy_dscp),                        \
     .default_text = "true", .help = "outer packets have the inner ones' class"},                  \
    {.key = "dscp", .type = OFFLOAD_OPT_U64, TUNNEL_PARAM(dscp), .least = 0, .most = 63,           \
     .default_text = "0", .help = "else, and for what is not IP, this one"},                       \
    {.key = "mtu", .type = OFFLOAD_OPT_U64, TUNNEL_PARAM(mtu), .least = 576, .most = 9216,         \
     .default_text = "1500", .unit = "bytes",                                                      \
     .help = "of outer packets, which are never cut: longer ones are dropped"}

// -EINVAL.
int tunnel_init(struct tunnel *tunnel, const struct tunnel_params *p, struct offload_err *err);

// What travels in 'dir' goes into the tunnel; else it comes out.
static inline bool
tunnel_enters(const struct tunnel *tunnel, enum pkt_dir dir)
{
    return (dir == PKT_INSIDE_OUT) != tunnel->inside;
}

// Class and congestion bits of an IP header of version 'version' (4, 6; else 0).
static inline uint8_t
tunnel_traffic_class(const uint8_t *ip, uint8_t version)
{
    if (version == 4)
        return ip[1];
    return version == 6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : 0;
}

// RFC 6040, 4.1: congestion bits are copied.
static inline uint8_t
tunnel_outer_class(const struct tunnel *tunnel, const uint8_t *ip, uint8_t version)
{
    uint8_t inner = tunnel_traffic_class(ip, version);
    return tunnel->copy_dscp && version ? inner
                                        : (uint8_t)(tunnel->dscp << 2 | (inner & ECN_MASK));
}

// RFC 6040, 4.2: congestion met in the tunnel is told to the inner packet. False: that one would not
// understand, so it is to be dropped.
static inline bool
tunnel_take_congestion(uint8_t outer_class, uint8_t *ip, uint8_t version)
{
    uint8_t inner = tunnel_traffic_class(ip, version) & ECN_MASK;
    if ((outer_class & ECN_MASK) != ECN_CE || inner == ECN_CE || !version)
        return true;
    if (inner == 0)
        return false;
    if (version == 6) {
        ip[1] |= ECN_CE << 4;
        return true;
    }
    uint16_t from = load16(ip);
    ip[1] |= ECN_CE;
    store16(ip + 10, checksum_update16(load16(ip + 10), from, load16(ip)));
    return true;
}

// The outer header at 'ip', of a packet of 'bytes' with it.
static inline void
tunnel_write_ipv4(const struct tunnel *tunnel, uint8_t *ip, uint16_t bytes, uint8_t proto,
                  uint8_t traffic_class, bool dont_fragment)
{
    ip[0] = 0x45;
    ip[1] = traffic_class;
    store16(ip + 2, htons(bytes));
    store16(ip + 4, 0);
    store16(ip + 6, dont_fragment ? htons(TUNNEL_DF) : 0);
    ip[8] = tunnel->ttl;
    ip[9] = proto;
    store16(ip + 10, 0);
    store32(ip + 12, tunnel->local);
    store32(ip + 16, tunnel->remote);
    store16(ip + 10, internet_checksum(ip, TUNNEL_IPV4_BYTES));
}

// What is known of a packet that has just got the outer header at 'l3'.
static inline void
tunnel_write_meta(const struct tunnel *tunnel, struct rte_mbuf *pkt, uint16_t l3, uint8_t proto,
                  uint16_t sport, uint16_t dport)
{
    struct pkt_meta *meta = pkt_meta(pkt);
    meta->key = (struct pkt_key){.proto = proto,
                                 .ip_version = 4,
                                 .sport = sport,
                                 .dport = dport,
                                 .vlan = l3 > 14 ? meta->key.vlan : 0};
    meta->key.src[0] = tunnel->local;
    meta->key.dst[0] = tunnel->remote;
    meta->flags = 0;
    meta->l3_offset = l3;
    meta->l4_offset = (uint16_t)(l3 + TUNNEL_IPV4_BYTES);
    meta->wire_bytes = rte_pktmbuf_pkt_len(pkt);
}
