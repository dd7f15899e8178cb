// SPDX-License-Identifier: Apache-2.0
// The flows that the intents amount to, and what must change to come there from the flows that are.
// intent -> [flows] -> bundle.  Pure: no JSON, no OVS; the caller gives the ports.
#pragma once

#include "ovs-integration/intent.h"

static const uint64_t FLOW_COOKIE = (uint64_t)0x0ff1 << 48; // the intent's id stands below
static const uint64_t FLOW_COOKIE_MASK = (uint64_t)0xffff << 48;

enum {
    FLOW_TABLE_ENTRY = 0,
    FLOW_TABLE_TO_INSIDE = 100,  // from the client to the card
    FLOW_TABLE_TO_OUTSIDE = 101, // from the server to the card
    FLOW_TABLE_TO_CLIENT = 110,  // from the card's inside
    FLOW_TABLE_TO_SERVER = 111,  // from the card's outside
    FLOW_TABLE_NOTHING = 119,    // see bundle_change_nothing()
    FLOW_PRIORITY_STEER = 100,
    FLOW_PRIORITY_ARP = 1,        // above a switch's default flow only
    FLOW_PRIORITY_BITS_MAX = 320, // a match has 308 at most; neighbour discovery comes first
};

struct port {
    char name[PORT_NAME_SIZE];
    uint32_t ofport; // 0: OVS has not opened it
    bool up;         // link
};

// One bridge's ports, sorted by name.
struct port_table {
    struct port *ports;
    size_t n;
};

const struct port *port_find(const struct port_table *table, const char *name);

enum flow_action {
    FLOW_DROP,
    FLOW_OUTPUT, // 'out_port'
    FLOW_BACK,   // out of the port that the packet came in by
    FLOW_NORMAL,
    FLOW_GOTO, // 'metadata' is written, then 'next_table'
};

// Plain data without padding holes that matter: compared field by field through flow_compare().
struct own_flow {
    // What it matches; together the flow's key.
    uint8_t table;
    uint16_t priority;
    uint32_t in_port;        // 0: any
    uint64_t match_metadata; // 0: any
    uint16_t eth_type;       // 0: any
    int16_t vlan;            // -1: any
    int16_t proto;           // -1: any
    struct addr src, src_mask, dst, dst_mask;
    uint16_t sport, sport_mask, dport, dport_mask;
    // What it does.
    enum flow_action action;
    uint32_t out_port;
    uint8_t next_table;
    uint64_t metadata;
    uint64_t cookie;
};

struct own_flows {
    struct own_flow *flows;
    size_t n, size;
};

void own_flows_fini(struct own_flows *set);
int own_flows_add(struct own_flows *set, const struct own_flow *flow); // 0 or -ENOMEM
void own_flows_sort(struct own_flows *set);

int own_flow_compare(const struct own_flow *a, const struct own_flow *b);
bool own_flow_same_effect(const struct own_flow *a, const struct own_flow *b);

// True if the intent's card can be given packets: its ports are there and their links up.
bool intent_card_up(const struct intent *intent, const struct port_table *ports);

// The way that the application's packets take as the ports are: "card", "standby", "open" or
// "closed".
const char *intent_way(const struct intent *intent, const struct port_table *ports);

// The flows of those of 'intents' that are on 'bridge', sorted; 'priority' is that of table 0.
// Ports that are missing leave out what needs them. Two applications that cannot be told apart are
// -ENOSPC, named in 'err'. On success the caller owns 'out' (own_flows_fini()).
int own_flows_desired(const struct intent_set *intents, const char *bridge,
                      const struct port_table *ports, uint16_t priority, struct own_flows *out,
                      struct offload_err *err);

struct flow_change {
    bool remove;                 // or else add, which replaces a flow of the same key
    const struct own_flow *flow; // borrowed from 'have' or 'want'
};

// What leads from 'have' to 'want', both sorted: removals first. '*changes' (caller frees) is NULL
// if there is none. Returns their number, or -ENOMEM.
long own_flows_diff(const struct own_flows *have, const struct own_flows *want,
                    struct flow_change **changes);
