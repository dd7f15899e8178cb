// SPDX-License-Identifier: Apache-2.0
// Finds out what a packet is, once: addresses, ports, VLAN, offsets, into pkt_meta(); of a VXLAN
// packet those of the inner one, where a rule asks for it. Reads nothing beyond the first segment,
// follows at most so many tags and extension headers, and drops what contradicts itself.
// burst in -> [parse] -> classify.  Runs on the worker.
#include "dpdk-app/parse.h"

#include "dpdk-app/worker.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#include <string.h>

enum {
    VLAN_TAGS_MAX = 2,
    IPV6_EXTENSIONS_MAX = 8,
    IPV6_EXTENSION_FRAGMENT = 44,
    DATAGRAM_BYTES_MAX = 65535,
    VXLAN_PORT = 4789,    // RFC 7348
    VXLAN_VALID = 1 << 3, // the flag I: there is a VNI
};

const char *const parse_cause_names[PARSE_CAUSES] = {"ok",     "short",   "header",
                                                     "length", "options", "fragment"};

// A packet, or the one within, while it is looked at.
struct view {
    struct pkt_meta *meta;
    const uint8_t *data;
    uint16_t len;       // bytes that may be read
    uint32_t frame_len; // bytes that there are, in all segments
};

static inline bool
has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

// Ports, or the identifier of an ICMP echo, from the L4 header at 'l4'. A first fragment may be too
// short for them: then it is malformed, since no function could work on it.
static inline enum parse_cause
parse_l4(const struct view *v, uint16_t len, uint32_t l4)
{
    struct pkt_meta *meta = v->meta;
    meta->l4_offset = (uint16_t)l4;
    if (likely(has_ports(meta->key.proto))) {
        if (unlikely(l4 + 4 > len))
            return PARSE_SHORT;
        memcpy(&meta->key.sport, v->data + l4, 4); // sport and dport are neighbours in both
        return PARSE_OK;
    }
    if (l4 > len)
        return PARSE_SHORT;
    if (meta->key.proto == IPPROTO_ICMP || meta->key.proto == IPPROTO_ICMPV6) {
        if (l4 + 8 > len)
            return PARSE_SHORT;
        uint8_t type = v->data[l4];
        bool echo =
            meta->key.proto == IPPROTO_ICMP ? type == 8 || type == 0 : type == 128 || type == 129;
        if (echo) {
            memcpy(&meta->key.sport, v->data + l4 + 4, 2);
            meta->key.dport = meta->key.sport;
        }
    }
    return PARSE_OK;
}
static_assert(offsetof(struct pkt_key, dport) == offsetof(struct pkt_key, sport) + 2,
              "copied together");

// A fragment of 'bytes' of payload at 'offset' that no datagram can have: it ends beyond the
// longest one, or is cut where only the last may be; or the flags of a TCP header were to arrive in
// a second fragment, past who looks at the first (RFC 1858, 3).
static bool
fragment_is_odd(uint32_t offset, uint32_t bytes, bool more, uint8_t proto)
{
    return offset + bytes > DATAGRAM_BYTES_MAX || (more && bytes % 8 != 0) || (more && bytes == 0) ||
           (offset == 8 && proto == IPPROTO_TCP);
}

static inline enum parse_cause
parse_ipv4(const struct view *v, uint16_t l3)
{
    struct pkt_meta *meta = v->meta;
    if (unlikely(l3 + sizeof(struct rte_ipv4_hdr) > v->len))
        return PARSE_SHORT;
    const struct rte_ipv4_hdr *ip = (const void *)(v->data + l3);
    uint8_t header_len = (ip->version_ihl & 15) * 4;
    if (unlikely(ip->version_ihl >> 4 != 4 || header_len < sizeof *ip))
        return PARSE_HEADER;
    uint16_t total = rte_be_to_cpu_16(ip->total_length);
    if (unlikely(total < header_len || l3 + (uint32_t)total > v->frame_len))
        return PARSE_LENGTH;
    meta->key.ip_version = 4;
    meta->key.proto = ip->next_proto_id;
    meta->key.src[0] = ip->src_addr;
    meta->key.dst[0] = ip->dst_addr;
    uint16_t fragment = rte_be_to_cpu_16(ip->fragment_offset);
    if (unlikely(fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))) {
        uint32_t offset = (fragment & RTE_IPV4_HDR_OFFSET_MASK) * 8u;
        if (fragment_is_odd(offset, (uint32_t)total - header_len, fragment & RTE_IPV4_HDR_MF_FLAG,
                            meta->key.proto))
            return PARSE_FRAGMENT;
        meta->flags |= PKT_FRAGMENT;
        if (offset > 0) {
            meta->flags |= PKT_FRAGMENT_LATER;
            return PARSE_OK;
        }
    }
    // What lies behind the datagram pads the frame, and is no part of it.
    return parse_l4(v, (uint16_t)RTE_MIN((uint32_t)v->len, l3 + (uint32_t)total), l3 + header_len);
}

// The fragment header at 'at' of a datagram that ends at 'end'. '*later': no L4 header follows.
static enum parse_cause
parse_ipv6_fragment(const struct view *v, uint32_t at, uint32_t end, bool *later)
{
    uint16_t field;
    memcpy(&field, v->data + at + 2, sizeof field);
    field = rte_be_to_cpu_16(field);
    *later = field >> 3;
    if (fragment_is_odd(field & 0xfff8u, end - at - 8, field & 1, v->data[at]))
        return PARSE_FRAGMENT;
    // One that is whole in itself (RFC 6946) is steered as what it is: not as a fragment.
    if (field & 0xfff9)
        v->meta->flags |= *later ? PKT_FRAGMENT | PKT_FRAGMENT_LATER : PKT_FRAGMENT;
    return PARSE_OK;
}

static enum parse_cause
parse_ipv6(const struct view *v, uint16_t l3)
{
    struct pkt_meta *meta = v->meta;
    if (l3 + sizeof(struct rte_ipv6_hdr) > v->len)
        return PARSE_SHORT;
    const struct rte_ipv6_hdr *ip = (const void *)(v->data + l3);
    if ((rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6)
        return PARSE_HEADER;
    uint32_t at = l3 + sizeof *ip, end = at + rte_be_to_cpu_16(ip->payload_len);
    if (end > v->frame_len)
        return PARSE_LENGTH;
    uint16_t len = (uint16_t)RTE_MIN((uint32_t)v->len, end); // behind it is padding
    meta->key.ip_version = 6;
    memcpy(meta->key.src, ip->src_addr, sizeof meta->key.src);
    memcpy(meta->key.dst, ip->dst_addr, sizeof meta->key.dst);

    uint8_t next = ip->proto;
    for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
        bool fragment = next == IPV6_EXTENSION_FRAGMENT, later = false;
        if (!fragment && next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
            next != IPPROTO_DSTOPTS) {
            meta->key.proto = next;
            return next == IPPROTO_NONE ? PARSE_OK : parse_l4(v, len, at);
        }
        if (at + 8 > len)
            return PARSE_SHORT;
        if (fragment) {
            enum parse_cause cause = parse_ipv6_fragment(v, at, end, &later);
            if (cause != PARSE_OK)
                return cause;
        }
        next = v->data[at];
        if (later) {
            meta->key.proto = next;
            return PARSE_OK;
        }
        at += fragment ? 8 : (v->data[at + 1] + 1u) * 8;
    }
    return PARSE_OPTIONS;
}

static inline enum parse_cause
parse_frame(const struct view *v)
{
    if (unlikely(v->len < sizeof(struct rte_ether_hdr)))
        return PARSE_SHORT;
    uint16_t l3 = sizeof(struct rte_ether_hdr);
    rte_be16_t type = ((const struct rte_ether_hdr *)(const void *)v->data)->ether_type;
    for (unsigned tags = 0;
         unlikely(type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ));
         tags++) {
        if (l3 + sizeof(struct rte_vlan_hdr) > v->len)
            return PARSE_SHORT;
        if (tags == VLAN_TAGS_MAX)
            return PARSE_OPTIONS;
        const struct rte_vlan_hdr *tag = (const void *)(v->data + l3);
        if (tags == 0)
            v->meta->key.vlan = rte_be_to_cpu_16(tag->vlan_tci) & 0xfff;
        type = tag->eth_proto;
        l3 += sizeof *tag;
    }
    v->meta->l3_offset = l3;
    if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
        return parse_ipv4(v, l3);
    if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
        return parse_ipv6(v, l3);
    return PARSE_OK;
}

// A tag that the port has taken off goes back to its place, so that nobody has to look in two. One
// for which there is no room is lost: then the packet is not what it was, and goes.
static enum parse_cause
put_tag_back(struct rte_mbuf *pkt)
{
    return rte_vlan_insert(&pkt) == 0 ? PARSE_OK : PARSE_SHORT;
}

static inline struct view
view_of(struct rte_mbuf *pkt)
{
    return (struct view){pkt_meta(pkt), rte_pktmbuf_mtod(pkt, const uint8_t *),
                         rte_pktmbuf_data_len(pkt), rte_pktmbuf_pkt_len(pkt)};
}

// Of a VXLAN packet, key and offsets become those of the packet within. One that is not well-formed
// within stays what it is outside.
static void
parse_inner(const struct view *outer)
{
    enum { HEADERS = sizeof(struct rte_udp_hdr) + sizeof(struct rte_vxlan_hdr) };
    struct pkt_meta *meta = outer->meta, inner = {.flags = PKT_INNER};
    uint32_t at = meta->l4_offset + (uint32_t)HEADERS;
    if (meta->key.proto != IPPROTO_UDP || meta->key.dport != RTE_BE16(VXLAN_PORT) ||
        meta->flags & PKT_FRAGMENT || at > outer->len)
        return;
    struct rte_vxlan_hdr vxlan;
    memcpy(&vxlan, outer->data + at - sizeof vxlan, sizeof vxlan);
    if (!(rte_be_to_cpu_32(vxlan.vx_flags) >> 24 & VXLAN_VALID))
        return;
    inner.vni = rte_be_to_cpu_32(vxlan.vx_vni) >> 8;
    const struct view within = {&inner, outer->data + at, (uint16_t)(outer->len - at),
                                outer->frame_len - at};
    if (parse_frame(&within) != PARSE_OK)
        return;
    meta->key = inner.key;
    meta->vni = inner.vni;
    meta->flags = inner.flags;
    meta->l3_offset = (uint16_t)(inner.l3_offset + at);
    meta->l4_offset = inner.l4_offset ? (uint16_t)(inner.l4_offset + at) : 0;
}

static inline enum parse_cause
parse_one(struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles)
{
    if (unlikely(pkt->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && put_tag_back(pkt) != PARSE_OK)
        return PARSE_SHORT;
    struct view v = view_of(pkt);
    memset(v.meta, 0, sizeof *v.meta);
    v.meta->arrival_cycles = now_cycles;
    v.meta->wire_bytes = v.frame_len;
    v.meta->dir = (unsigned)dir & 1;
    return parse_frame(&v);
}

uint16_t
parse_burst(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir, bool inner,
            uint64_t now_cycles, uint64_t *bytes)
{
    uint16_t kept = 0;
    *bytes = 0;
    for (uint16_t i = 0; i < n; i++) {
        enum parse_cause cause = parse_one(pkts[i], dir, now_cycles);
        if (likely(cause == PARSE_OK)) {
            *bytes += pkt_meta(pkts[i])->wire_bytes;
            pkts[kept++] = pkts[i];
            continue;
        }
        count_add(&lane->parse_causes[cause], 1);
        drop_pkts(NULL, &lane->stats, DROP_PARSE, &pkts[i], 1);
    }
    for (uint16_t i = 0; unlikely(inner) && i < kept; i++) {
        struct view v = view_of(pkts[i]);
        parse_inner(&v);
    }
    return kept;
}

bool
parse_again(struct rte_mbuf *pkt)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    return parse_one(pkt, (enum pkt_dir)meta->dir, meta->arrival_cycles) == PARSE_OK;
}

void
parse_again_outside(struct rte_mbuf *pkt)
{
    bool fine = parse_again(pkt);
    RTE_ASSERT(fine);
    (void)fine;
}
