// SPDX-License-Identifier: Apache-2.0
// What cardd counts for a card or an application (STATS of doc/card-api.md), and the rates between
// two such counts.  cardd -> [stats] -> offload_card -> bus.  Pure: no collectd, clock or socket.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum {
    STATS_CAUSES_MAX = 16,
};

struct stats_drops {
    char cause[32];
    uint64_t pkts;
};

struct stats {
    uint64_t time_ns;
    uint64_t offered_pkts, offered_bytes;
    uint64_t delivered_pkts, delivered_bytes;
    uint64_t cycles;
    uint64_t queue_delay_ns_sum, queue_delay_pkts;
    uint64_t memory_bytes;
    double delay_p50_ns, delay_p99_ns; // of the last whole second; NaN: cardd gave none
    struct stats_drops drops[STATS_CAUSES_MAX];
    size_t n_drops;
};

// What happened between two counts. NaN is "cannot be said".
struct stats_rates {
    double offered_bps, delivered_bps;
    double offered_cycles_per_s; // offered packets, each at 'cycles_per_pkt'
    double used_cycles_per_s;
    double
        cycles_per_pkt; // of this step if it served packets, else the last known one; NaN at first
    double delay_mean_s, delay_p50_s, delay_p99_s; // NaN if no packet left the queue
};

// Reads a STATS object; keys that are unknown here are passed over, since cardd may be newer.
// 'path' is the key path of 'object' for messages. Returns 0 or -EINVAL, and then leaves 'out' as
// it was.
int stats_read(struct json_object *object, const char *path, struct stats *out,
               struct offload_err *err);

// The rates from 'before' (NULL: this is the first count) to 'now'. 'cycles_per_pkt' is what was
// known until now, NaN for nothing. Returns false, and rates that are all NaN but for
// 'cycles_per_pkt', if no rate can be had: at the first count, where time stands still or a counter
// went back (cardd restarted, the app was added anew).
bool stats_rates_between(const struct stats *before, const struct stats *now, double cycles_per_pkt,
                         struct stats_rates *out);
