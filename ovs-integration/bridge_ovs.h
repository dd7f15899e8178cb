// SPDX-License-Identifier: Apache-2.0
// The inside of a bridge, for bridge.c and bundle.c alone: needs OVS's headers before it.
#pragma once

#include "ovs-integration/bridge.h"

struct bridge {
    const char *name; // in the settings
    char *remote;     // "unix:.../br0.mgmt"
    bool known;       // OVSDB has it
    char trouble[256];
    char logged[256]; // the trouble that was logged last

    struct vconn *vconn; // NULL: none
    bool connected;      // and through its hello
    long long int retry_ms;
    long long int backoff_ms;
    uint64_t connection;

    struct port_table ports;
    struct port_stats *stats;
    uint64_t ports_change;

    struct ovs_list odd; // of struct ofpbuf: flow_mods that remove what the last dump found odd
    size_t n_odd;
};

// Gives the connection up, and says why in the bridge's trouble.
void bridge_disconnect(struct bridge *bridge, const char *why);
