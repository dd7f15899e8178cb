// SPDX-License-Identifier: Apache-2.0
// IPFIX messages (RFC 7011): templates and data records of unidirectional flows, into a buffer.
// Pure: times are arguments, sending is the caller's.
#pragma once

#include "dpdk-app/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IPFIX_MESSAGE_BYTES = 1400, // at most: one datagram that is not fragmented
    IPFIX_IDLE = 1,             // flowEndReason, RFC 5102 5.11.3
    IPFIX_ACTIVE = 2,
    IPFIX_END = 3,
    IPFIX_FORCED = 4,
};

// What was seen of a flow since the last record of it.
struct ipfix_record {
    struct pkt_key key;
    uint64_t packets, bytes; // bytes: of IP
    uint64_t start_ms, end_ms; // since 1970
    uint8_t dir;               // enum pkt_dir
    uint8_t reason;
    uint8_t tcp_flags; // all that were seen
};

struct ipfix_message {
    uint8_t bytes[IPFIX_MESSAGE_BYTES];
    size_t len;
    size_t set_at;      // where the open set begins; 0: none
    uint16_t set_id;
    uint32_t n_records; // of data
};

// 'sequence': data records sent before this message (RFC 7011, 3.1).
void ipfix_begin(struct ipfix_message *m, uint32_t now_s, uint32_t sequence, uint32_t domain);
// Both templates: what a collector must have heard before it understands records.
void ipfix_add_templates(struct ipfix_message *m);
// False: it is full; send it and begin another.
bool ipfix_add(struct ipfix_message *m, const struct ipfix_record *record);
// Fills in the lengths. Returns what is to be sent, 0 if it says nothing.
size_t ipfix_end(struct ipfix_message *m);
