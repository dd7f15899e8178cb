// SPDX-License-Identifier: Apache-2.0
// The objects of the card API (doc/card-api.md) in C: what an application matches, what it was
// promised and what it gets on a card. cardd serves them, the manager and offloadctl write and read
// them. Plain data, no pointers: copies are assignments. Readers check everything, name the key
// path, and leave the output untouched on failure.
#pragma once

#include <offload/err.h>
#include <offload/units.h>

#include <stdbool.h>
#include <stdint.h>

struct json_object;

enum {
    OFFLOAD_MATCHES_MAX = 64, // of one application
    OFFLOAD_ANY_PROTO = -1,
    OFFLOAD_ANY_VLAN = -1,
    OFFLOAD_ANY_VNI = -1,
    OFFLOAD_VNI_MAX = (1 << 24) - 1,
};

enum offload_sharing { OFFLOAD_RESERVED, OFFLOAD_LENT };
enum offload_class { OFFLOAD_GOLD, OFFLOAD_SILVER, OFFLOAD_BRONZE };
enum offload_on_card_down { OFFLOAD_DOWN_CLOSED, OFFLOAD_DOWN_OPEN, OFFLOAD_DOWN_MOVE };
enum offload_in_port { OFFLOAD_PORT_ANY, OFFLOAD_PORT_INSIDE, OFFLOAD_PORT_OUTSIDE };

// Their names in JSON, ended by NULL.
extern const char *const offload_sharing_names[];
extern const char *const offload_class_names[];
extern const char *const offload_on_card_down_names[];
extern const char *const offload_in_port_names[];

// What one application gets on one card.
struct offload_allocation {
    char card[OFFLOAD_NAME_MAX + 1], app[OFFLOAD_NAME_MAX + 1];
    double cpu_pct;         // of all the card's worker cycles
    uint64_t bandwidth_bps; // guarantee, L2 without FCS, both directions together
    uint64_t ceiling_bps;   // at least bandwidth_bps
    uint64_t memory_bytes;  // packet buffers and state tables
    int sharing;            // enum offload_sharing
};

struct offload_sla {
    int sla_class; // enum offload_class
    uint64_t min_bps, max_bps;
    uint64_t max_delay_ns; // mean queueing delay in the card, 0: no limit
    double max_loss_frac;  // 1: no limit
    int on_card_down;      // enum offload_on_card_down
};

// One rule; what is not said matches anything.
struct offload_match {
    uint8_t src[16], dst[16];   // network order; IPv4 in the first four bytes
    uint8_t src_bits, dst_bits; // prefix lengths, 0: any
    uint8_t ip_version; // 4, 6; 0: any, and also what is not IP unless another field says otherwise
    int16_t proto;      // or OFFLOAD_ANY_PROTO
    uint16_t sport_least, sport_most; // 0-65535: any; ports are those of TCP, UDP and SCTP
    uint16_t dport_least, dport_most;
    int16_t vlan; // 0: untagged; or OFFLOAD_ANY_VLAN
    int32_t vni;  // of a VXLAN tunnel: all else is said of the packet within; or OFFLOAD_ANY_VNI
    int in_port;  // enum offload_in_port
};

// 'object' is one object, 'path' its key path for messages. -EINVAL, -ERANGE.
// An allocation that names card and app; ceiling_bps defaults to bandwidth_bps.
int offload_allocation_read(struct json_object *object, const char *path,
                            struct offload_allocation *out, struct offload_err *err);
// The same without "card" and "app", which the caller knows.
int offload_allocation_read_share(struct json_object *object, const char *path, const char *card,
                                  const char *app, struct offload_allocation *out,
                                  struct offload_err *err);
int offload_sla_read(struct json_object *object, const char *path, struct offload_sla *out,
                     struct offload_err *err);
// 'array' holds 1 to 'max' rules; '*n' says how many.
int offload_matches_read(struct json_object *array, const char *path, struct offload_match *out,
                         unsigned max, unsigned *n, struct offload_err *err);

// New references; caller: json_object_put.
struct json_object *offload_allocation_to_json(const struct offload_allocation *allocation);
struct json_object *offload_sla_to_json(const struct offload_sla *sla);
struct json_object *offload_matches_to_json(const struct offload_match *matches, unsigned n);

// The rule for the way back: source and destination swapped, the port the other one.
struct offload_match offload_match_swapped(const struct offload_match *match);
