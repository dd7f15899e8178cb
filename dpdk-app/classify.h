// SPDX-License-Identifier: Apache-2.0
// The flow cache of a card: which application a 5-tuple belongs to, as the rules of one generation
// say.
#pragma once

#include "dpdk-app/packet.h"

#include <stdint.h>

enum {
    FLOW_CACHE_ENTRIES = 1 << 14, // 1 MiB a card: what the second-level cache of a core holds
    FLOW_CACHE_WAYS = 2,
    // Rules looked at for new flows in one burst. A scan of random ports makes each packet a new
    // flow; beyond this the rest of them is dropped, so that the flows that are known keep their
    // cycles: 100 us at 6 cycles a rule.
    RULE_VISITS_MAX = 40000,
};

struct flow_entry {
    struct pkt_key key;
    uint32_t hash;
    uint32_t generation; // low bits of the snapshot's; another one: stale
    uint16_t app;        // index into that snapshot, or NO_APP
    uint8_t dir;
} __rte_cache_aligned;
