// SPDX-License-Identifier: Apache-2.0
// The switch as flowd sees it: OVSDB tells bridges and ports, one kept OpenFlow connection a bridge
// takes the flows. Neither JSON nor OVS headers here: every unit of flowd may include it.
#pragma once

#include "ovs-integration/flows.h"
#include "ovs-integration/settings.h"

struct bridge;
struct bridges;

struct port_stats {
    uint64_t rx_pkts, tx_pkts, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
};

// What OVSDB says of offload to hardware, as ovs-vswitchd took it at its start or will at its next.
struct offload_state {
    bool hw_offload;
    char tc_policy[16]; // "none", "skip_sw", "skip_hw"
};

struct bridges *bridges_create(const struct settings *settings); // 'settings' is borrowed
void bridges_destroy(struct bridges *bridges);
void bridges_run(struct bridges *bridges);
void bridges_wait(struct bridges *bridges);

size_t bridges_count(const struct bridges *bridges);
struct bridge *bridges_at(struct bridges *bridges, size_t i);
// The bridge that has the port, or NULL.
struct bridge *bridges_of_port(struct bridges *bridges, const char *port);

const struct offload_state *bridges_offload(const struct bridges *bridges);

const char *bridge_name(const struct bridge *bridge);
const char *bridge_datapath(const struct bridge *bridge); // "netdev", "system"; "": not known
// True if OVSDB has told of the bridge's ports and its OpenFlow connection stands.
bool bridge_ready(const struct bridge *bridge);
// Why it is not ready, "" if it is.
const char *bridge_trouble(const struct bridge *bridge);
// Borrowed until the next bridges_run(); the statistics lie in the same order.
const struct port_table *bridge_ports(const struct bridge *bridge);
const struct port_stats *bridge_port_stats(const struct bridge *bridge);
// Goes up when a port comes, goes, or changes its number or link.
uint64_t bridge_ports_change(const struct bridge *bridge);
// Goes up with each new OpenFlow connection, behind which the flows may have been lost.
uint64_t bridge_connection(const struct bridge *bridge);
