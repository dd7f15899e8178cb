// SPDX-License-Identifier: Apache-2.0
// What is in force on a card: applications, rules, allocations, chains. Built whole by the control
// thread, published by pointer, never changed, freed after a grace period (rte_rcu_qsbr): a change
// stops no worker, drops nothing and is in force in the worker's next round.
#pragma once

#include "dpdk-app/card.h"

// A rule as the worker compares it: (key & mask) == value over the addresses, ranges over the
// ports.
struct rule {
    uint32_t src[4], src_mask[4], dst[4], dst_mask[4];
    uint16_t sport_least, sport_most, dport_least, dport_most; // host order
    bool ports;          // has a port range: holds only for TCP, UDP, SCTP with an L4 header
    uint8_t ip_version;  // 0: any
    int16_t proto, vlan; // or OFFLOAD_ANY_*
    uint16_t app;        // index into apps
};

struct snap_app {
    struct app *app;
    struct chain chain;
    bool admitted; // false: "requested", its packets are counted and dropped
    bool lent;
    double cycles_per_s, bytes_per_s, ceiling_bytes_per_s;
    uint64_t memory_bytes;
    int64_t quantum_cycles;
};

struct snapshot {
    uint64_t generation;
    double pool_cycles_per_s, pool_bytes_per_s; // not reserved by anybody
    double card_bytes_per_s;
    unsigned n_apps;
    struct snap_app apps[CARD_APPS_MAX];
    unsigned n_rules[2];
    struct rule *rules[2]; // by enum pkt_dir; the first that holds decides
};

// The worker takes 'next' into force, at the start of a round.
void snapshot_adopt(struct worker *w, struct card *card, struct snapshot *next);
