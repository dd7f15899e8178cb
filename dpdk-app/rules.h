// SPDX-License-Identifier: Apache-2.0
// The rules of a card, in the order in which they are tried, and the same compiled: by rte_acl into
// tries, so that a lookup costs as many steps as its key has bytes, whatever the rules. Built by
// the control thread, constant from then on, shared by the snapshots that have the same rules.
#pragma once

#include "dpdk-app/packet.h"

#include <offload/err.h>

#include <stdbool.h>
#include <stdint.h>

struct rte_acl_ctx;

enum {
    RULES_MAX = 65536, // in one direction of a card
    RULES_NO_APP = 0xffff,
};

// (key & mask) == value over the addresses, ranges over the ports.
struct rule {
    uint32_t src[4], src_mask[4], dst[4], dst_mask[4];
    uint16_t sport_least, sport_most, dport_least, dport_most; // host order
    int32_t vni;         // of a tunnel: the rule is about what is within; or OFFLOAD_ANY_VNI
    bool ports;          // has a port range: holds only for TCP, UDP, SCTP that are no fragments
    uint8_t ip_version;  // 0: any
    int16_t proto, vlan; // or OFFLOAD_ANY_*
    uint16_t app;        // index into the snapshot's
    uint32_t match;      // its place among the application's
};

// Rules of one version and one depth: those that look at a packet, or into its tunnel.
enum rules_set { RULES_IPV4, RULES_IPV6, RULES_INNER_IPV4, RULES_INNER_IPV6, RULES_SETS };

struct rules {
    unsigned refs;       // snapshots; control thread
    uint32_t generation; // of what is remembered by them: another for each 'struct rules'
    unsigned n[2], room[2];
    struct rule *rule[2]; // by enum pkt_dir; the first that holds decides
    struct rte_acl_ctx *acl[2][RULES_SETS]; // NULL: no rules
    bool inner[2];                          // some rule looks into tunnels
};

// -- Control thread --

struct rules *rules_create(void); // one reference; NULL: out of memory
void rules_unref(struct rules *rules);
// -ENOSPC, -ENOMEM.
int rules_add(struct rules *rules, enum pkt_dir dir, const struct rule *rule);
// Compiles what was added. -ENOMEM: too much for DPDK's memory.
int rules_build(struct rules *rules, const char *card, struct offload_err *err);
bool rules_equal(const struct rules *a, const struct rules *b);
// All packets that 'later' takes are taken by 'earlier'.
bool rule_covers(const struct rule *earlier, const struct rule *later);

// -- Worker --

// Each packet's application, RULES_NO_APP for none. At most RULES_BURST packets of one direction.
enum { RULES_BURST = 32 };
void rules_lookup(const struct rules *rules, enum pkt_dir dir, struct pkt_meta **metas,
                  unsigned n, uint16_t *app);
// The key that a packet is steered by: of fragments all have the same, without the ports that only
// the first has.
static inline struct pkt_key
rules_key(const struct pkt_meta *meta)
{
    struct pkt_key key = meta->key;
    if (unlikely(meta->flags & PKT_FRAGMENT))
        key.sport = key.dport = 0;
    return key;
}
