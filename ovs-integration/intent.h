// SPDX-License-Identifier: Apache-2.0
// What the manager wants of the switch for one application: an intent, and the set of all of them.
// api -> [intent] -> flows -> bundle.  Knows JSON, no OVS: their headers must not meet.
#pragma once

#include <offload/err.h>
#include <offload/units.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum {
    PORT_NAME_SIZE = 64, // an OVS interface name with its end
    BRIDGE_NAME_SIZE = 64,
    INTENT_MATCHES_MAX = 64,
    INTENT_RETURNS_MAX = 16,
    INTENTS_MAX = 16384,
};

// 128 bits, the higher half first; an IPv4 address stands in the lower 32.
struct addr {
    uint64_t hi, lo;
};

struct prefix {
    struct addr addr, mask; // mask 0 is any
    bool ipv6;
};

struct app_match {
    bool ipv6; // src and dst are of one family; where both are any, this says of which
    struct prefix src, dst;
    int proto;                      // -1: any
    uint16_t sport_low, sport_high; // 0 and 65535: any
    uint16_t dport_low, dport_high;
    int vlan; // -1: any, tagged or not
};

enum card_down { CARD_DOWN_CLOSED, CARD_DOWN_OPEN, CARD_DOWN_MOVE };

struct intent {
    char app[OFFLOAD_NAME_MAX + 1];
    char in_port[PORT_NAME_SIZE], out_port[PORT_NAME_SIZE];
    char card_port[PORT_NAME_SIZE];
    char card_port_out[PORT_NAME_SIZE]; // "": the card has one port
    enum card_down on_card_down;
    char standby_port[PORT_NAME_SIZE], standby_port_out[PORT_NAME_SIZE]; // for CARD_DOWN_MOVE
    struct app_match *matches;
    size_t n_matches; // at least 1
    struct prefix *returns;
    size_t n_returns;

    // What flowd adds.
    uint32_t id; // in cookies; 1 and up
    char bridge[BRIDGE_NAME_SIZE];
    // The card before the last swap: what it still sends keeps its way out. "": none.
    char old_card_port[PORT_NAME_SIZE], old_card_port_out[PORT_NAME_SIZE];
};

// Reads an INTENT of doc/flowd-api.md. 'path' is its key path for messages. On success the caller
// owns what 'intent' points to (intent_fini()); on failure it is untouched.
int intent_read(struct json_object *object, const char *path, struct intent *intent,
                struct offload_err *err);

// Whether its ports can be told apart, and the two directions of its packets; intent_read() has
// checked it.
int intent_check(const struct intent *intent, const char *path, struct offload_err *err);

// A new INTENT object (caller: json_object_put), without what flowd adds; NULL without memory.
struct json_object *intent_to_json(const struct intent *intent);

void intent_fini(struct intent *intent);
int intent_copy(struct intent *to, const struct intent *from); // 0 or -ENOMEM

// True if the manager's part of both is the same.
bool intent_same(const struct intent *a, const struct intent *b);

// The number of bits that are set.
unsigned addr_bits(const struct addr *mask);
// True if no bit differs where both masks are set.
bool addr_overlaps(const struct addr *a, const struct addr *a_mask, const struct addr *b,
                   const struct addr *b_mask);

struct app_match app_match_swapped(const struct app_match *match);
bool app_match_same(const struct app_match *a, const struct app_match *b);
// True if some packet fits both.
bool app_match_overlaps(const struct app_match *a, const struct app_match *b);

// All intents, by app's name. Owns them.
struct intent_set {
    struct intent **intents; // sorted by app
    size_t n, size;
};

void intent_set_fini(struct intent_set *set);
int intent_set_copy(struct intent_set *to, const struct intent_set *from);     // 0 or -ENOMEM
struct intent *intent_set_find(const struct intent_set *set, const char *app); // NULL: not there
const struct intent *intent_set_find_id(const struct intent_set *set, uint32_t id);
// Takes what 'intent' points to, also on failure. Replaces the one of the same app. 0 or -ENOMEM.
int intent_set_put(struct intent_set *set, struct intent *intent);
bool intent_set_remove(struct intent_set *set, const char *app);
