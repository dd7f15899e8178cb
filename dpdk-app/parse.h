// SPDX-License-Identifier: Apache-2.0
// What a packet is: the first stage behind the port.
#pragma once

#include "dpdk-app/packet.h"

struct lane;

// Fills pkt_meta() of each packet; frees the malformed (counted by cause) and returns how many
// stay. 'inner': looks into VXLAN. '*bytes': what the packets that stay have on the wire.
uint16_t parse_burst(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
                     bool inner, uint64_t now_cycles, uint64_t *bytes);
// Of a packet that a function has changed (taken out of a tunnel): direction and arrival stay. False:
// it is malformed.
bool parse_again(struct rte_mbuf *pkt);
// Of a packet with PKT_INNER that no rule wants for what is within: what it is outside.
void parse_again_outside(struct rte_mbuf *pkt);
