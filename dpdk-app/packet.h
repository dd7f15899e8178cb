// SPDX-License-Identifier: Apache-2.0
// What is known of a packet on its way through the card, kept in the mbuf's private area so that no
// stage parses twice. burst in -> parse -> classify -> admit -> schedule -> chain -> burst out.
// Writer: the worker that holds the mbuf. Never shared.
#pragma once

#include <rte_mbuf.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum pkt_dir {
    PKT_INSIDE_OUT = 0, // entered the inside port (client to server)
    PKT_OUTSIDE_IN = 1, // entered the outside port
};

// 5-tuple of the innermost header that we steer by; addresses of IPv4 in ip[0], host order nowhere:
// all fields are as on the wire, so that a key compares and hashes as bytes.
struct pkt_key {
    uint32_t src[4], dst[4];
    uint16_t sport,
        dport;     // ICMP echo: the identifier in both; otherwise, and in later fragments, 0
    uint16_t vlan; // VLAN id, 0 without a tag (host order); of two tags the outer one
    uint8_t proto;
    uint8_t ip_version; // 4, 6, or 0 for what is not IP
};

struct pkt_meta {
    struct pkt_key key;
    uint64_t arrival_cycles;       // TSC when the burst that brought it was taken
    uint32_t hash;                 // of what it is steered by
    uint32_t wire_bytes;           // L2 length without FCS, for billing
    uint16_t l3_offset, l4_offset; // from the start of data; l4_offset 0: no L4 header
    uint32_t vni : 24;             // with PKT_INNER: of the tunnel
    uint32_t flags : 7;            // enum pkt_flags
    uint32_t dir : 1;              // enum pkt_dir
};

enum pkt_flags {
    PKT_FRAGMENT = 1,       // of a fragmented datagram, first one included
    PKT_FRAGMENT_LATER = 2, // not the first: has no L4 header
    PKT_INNER = 4,          // key and offsets are those of the packet within a VXLAN tunnel
};

// The private area is one cache line: the mbuf's own two lie before it, the headroom behind.
static_assert(sizeof(struct pkt_meta) == 64, "one cache line");

enum { PKT_PRIV_BYTES = RTE_ALIGN(sizeof(struct pkt_meta), RTE_MBUF_PRIV_ALIGN) };

static inline struct pkt_meta *
pkt_meta(struct rte_mbuf *pkt)
{
    return rte_mbuf_to_priv(pkt);
}
