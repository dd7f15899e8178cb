// SPDX-License-Identifier: Apache-2.0
// Values onto the bus, under the identifiers of doc/bus.md.
// stats -> offload_card -> [publish] -> bus.
#pragma once

#include "plugins/card/stats.h"

#include <stddef.h>

// One row of offload_cpu, offload_bandwidth and offload_memory, whose data sources are in this
// order.
struct publish_resource {
    double offered, used, allocated; // NaN: not known
};

// 'instance' is the card's name, 'app' an application's or "card". Each value goes out on its own:
// one that the daemon refuses takes no other with it.
void publish_resource(const char *instance, const char *type, const char *app,
                      const struct publish_resource *resource);
void publish_counts(const char *instance, const char *app, const struct stats *stats,
                    const struct stats_rates *rates);

// The switch's port 'port' of 'bridge', under collectd's own types if_packets, if_octets and
// if_dropped.
void publish_port(const char *bridge, const char *type, const char *port, int64_t rx, int64_t tx);
void publish_switch_gauge(const char *bridge, const char *type, const char *what,
                          double value); // "": the whole switch
