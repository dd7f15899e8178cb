// SPDX-License-Identifier: Apache-2.0
// What traffic-gen writes into each packet, after the UDP header. Little-endian, as both ends are
// here.
#pragma once

#include <stdint.h>

enum {
    TRAFFIC_MAGIC = 0x4f46544b,
    TRAFFIC_L2_BYTES = 42, // Ethernet 14, IPv4 20, UDP 8: a packet's bytes on the wire, without
                           // FCS, less these are payload
    TRAFFIC_FLAG_END = 1,  // the flow's last packets: 'seq' is how many went before them
};

struct traffic_header {
    uint32_t magic;
    uint16_t app;  // row in the application list
    uint16_t flow; // 0 to flows - 1
    uint32_t step; // of the trace
    uint32_t flags;
    uint64_t seq;        // counts the flow's packets from 0
    uint64_t step_first; // 'seq' of the flow's first packet in this step: lets the sink tell each
                         // step's loss
    uint64_t tx_ns;      // CLOCK_REALTIME
};

_Static_assert(sizeof(struct traffic_header) == 40, "no padding: both ends read it as it lies");
