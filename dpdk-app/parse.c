// SPDX-License-Identifier: Apache-2.0
// Finds out what a packet is, once: addresses, ports, VLAN, offsets, into pkt_meta(). Reads nothing
// beyond the first segment, follows at most so many tags and extension headers, and drops what
// contradicts itself.
// burst in -> [parse] -> classify.  Runs on the worker.
#include "dpdk-app/worker.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <string.h>

enum {
    VLAN_TAGS_MAX = 2,
    IPV6_EXTENSIONS_MAX = 8,
    IPV6_EXTENSION_FRAGMENT = 44,
};

const char *const parse_cause_names[PARSE_CAUSES] = {"ok", "short", "header", "length", "options"};

static inline bool
has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

// Ports, or the identifier of an ICMP echo, from the L4 header at 'l4'. A first fragment may be too
// short for them: then it is malformed, since nobody could steer it.
static inline enum parse_cause
parse_l4(struct pkt_meta *meta, const uint8_t *data, uint16_t len, uint32_t l4)
{
    meta->l4_offset = (uint16_t)l4;
    if (likely(has_ports(meta->key.proto))) {
        if (unlikely(l4 + 4 > len))
            return PARSE_SHORT;
        memcpy(&meta->key.sport, data + l4, 4); // sport and dport are neighbours in both
        return PARSE_OK;
    }
    if (l4 > len)
        return PARSE_SHORT;
    if (meta->key.proto == IPPROTO_ICMP || meta->key.proto == IPPROTO_ICMPV6) {
        if (l4 + 8 > len)
            return PARSE_SHORT;
        uint8_t type = data[l4];
        bool echo =
            meta->key.proto == IPPROTO_ICMP ? type == 8 || type == 0 : type == 128 || type == 129;
        if (echo) {
            memcpy(&meta->key.sport, data + l4 + 4, 2);
            meta->key.dport = meta->key.sport;
        }
    }
    return PARSE_OK;
}
static_assert(offsetof(struct pkt_key, dport) == offsetof(struct pkt_key, sport) + 2,
              "copied together");

static inline enum parse_cause
parse_ipv4(struct pkt_meta *meta, const uint8_t *data, uint16_t len, uint32_t frame_len,
           uint16_t l3)
{
    if (unlikely(l3 + sizeof(struct rte_ipv4_hdr) > len))
        return PARSE_SHORT;
    const struct rte_ipv4_hdr *ip = (const void *)(data + l3);
    uint8_t header_len = (ip->version_ihl & 15) * 4;
    if (unlikely(ip->version_ihl >> 4 != 4 || header_len < sizeof *ip))
        return PARSE_HEADER;
    uint16_t total = rte_be_to_cpu_16(ip->total_length);
    if (unlikely(total < header_len || l3 + (uint32_t)total > frame_len))
        return PARSE_LENGTH;
    meta->key.ip_version = 4;
    meta->key.proto = ip->next_proto_id;
    meta->key.src[0] = ip->src_addr;
    meta->key.dst[0] = ip->dst_addr;
    uint16_t fragment = rte_be_to_cpu_16(ip->fragment_offset);
    if (unlikely(fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))) {
        meta->flags |= PKT_FRAGMENT;
        if (fragment & RTE_IPV4_HDR_OFFSET_MASK) {
            meta->flags |= PKT_FRAGMENT_LATER;
            return PARSE_OK;
        }
    }
    // What lies behind the datagram pads the frame, and is no part of it.
    return parse_l4(meta, data, (uint16_t)RTE_MIN((uint32_t)len, l3 + (uint32_t)total),
                    l3 + header_len);
}

static enum parse_cause
parse_ipv6(struct pkt_meta *meta, const uint8_t *data, uint16_t len, uint32_t frame_len,
           uint16_t l3)
{
    if (l3 + sizeof(struct rte_ipv6_hdr) > len)
        return PARSE_SHORT;
    const struct rte_ipv6_hdr *ip = (const void *)(data + l3);
    if ((rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6)
        return PARSE_HEADER;
    uint32_t at = l3 + sizeof *ip;
    if (at + rte_be_to_cpu_16(ip->payload_len) > frame_len)
        return PARSE_LENGTH;
    len = (uint16_t)RTE_MIN((uint32_t)len,
                            at + rte_be_to_cpu_16(ip->payload_len)); // behind it is padding
    meta->key.ip_version = 6;
    memcpy(meta->key.src, ip->src_addr, sizeof meta->key.src);
    memcpy(meta->key.dst, ip->dst_addr, sizeof meta->key.dst);

    uint8_t next = ip->proto;
    for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
        bool fragment = next == IPV6_EXTENSION_FRAGMENT;
        if (!fragment && next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
            next != IPPROTO_DSTOPTS) {
            meta->key.proto = next;
            return next == IPPROTO_NONE ? PARSE_OK : parse_l4(meta, data, len, at);
        }
        if (at + 8 > len)
            return PARSE_SHORT;
        next = data[at];
        if (fragment) {
            meta->flags |= PKT_FRAGMENT;
            uint16_t offset;
            memcpy(&offset, data + at + 2, sizeof offset);
            if (rte_be_to_cpu_16(offset) >> 3) {
                meta->flags |= PKT_FRAGMENT_LATER;
                meta->key.proto = next;
                return PARSE_OK;
            }
        }
        at += fragment ? 8 : (data[at + 1] + 1u) * 8;
    }
    return PARSE_OPTIONS;
}

static inline enum parse_cause
parse_one(struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles)
{
    struct pkt_meta *meta = pkt_meta(pkt);
    const uint8_t *data = rte_pktmbuf_mtod(pkt, const uint8_t *);
    uint16_t len = rte_pktmbuf_data_len(pkt);
    memset(meta, 0, sizeof *meta);
    meta->arrival_cycles = now_cycles;
    meta->wire_bytes = rte_pktmbuf_pkt_len(pkt);
    meta->dir = (uint8_t)dir;
    if (unlikely(len < sizeof(struct rte_ether_hdr)))
        return PARSE_SHORT;

    uint16_t l3 = sizeof(struct rte_ether_hdr);
    rte_be16_t type = ((const struct rte_ether_hdr *)(const void *)data)->ether_type;
    for (unsigned tags = 0;
         unlikely(type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ));
         tags++) {
        if (l3 + sizeof(struct rte_vlan_hdr) > len)
            return PARSE_SHORT;
        if (tags == VLAN_TAGS_MAX)
            return PARSE_OPTIONS;
        const struct rte_vlan_hdr *tag = (const void *)(data + l3);
        if (tags == 0)
            meta->key.vlan = rte_be_to_cpu_16(tag->vlan_tci) & 0xfff;
        type = tag->eth_proto;
        l3 += sizeof *tag;
    }
    meta->l3_offset = l3;
    if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
        return parse_ipv4(meta, data, len, meta->wire_bytes, l3);
    if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
        return parse_ipv6(meta, data, len, meta->wire_bytes, l3);
    return PARSE_OK;
}

uint16_t
parse_burst(struct card *card, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
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
        count_add(&card->parse_causes[cause], 1);
        drop_pkts(NULL, &card->stats, DROP_PARSE, &pkts[i], 1);
    }
    return kept;
}
