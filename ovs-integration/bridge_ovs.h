// SPDX-License-Identifier: Apache-2.0
// The inside of a bridge, for bridge.c and bundle.c alone: needs OVS's headers before it.
#pragma once

#include "ovs-integration/bridge.h"

enum exchange_kind {
    EXCHANGE_NONE,
    EXCHANGE_COMMIT,
    EXCHANGE_LIST,
    EXCHANGE_COUNT,
    EXCHANGE_CHECK,
};

// Requests on their way and what has come back so far: see bundle.c.
struct exchange {
    enum exchange_kind kind;
    bool ended;
    bool unattended; // nobody polls
    int rc;          // once it has ended
    struct offload_err err;
    struct ovs_list requests; // of struct ofpbuf, not sent yet
    bool all_queued;          // the barrier is among them or sent
    ovs_be32 barrier_xid, commit_xid;
    long long int deadline_ms;
    uint64_t start_ns, ns;
    enum ofperr error; // the first that the switch sent
    bool committed;
    const struct flow_change *changes; // borrowed
    size_t n, next;                    // the next to be queued
    struct own_flows flows;            // as listed: ours, or those of others
    bool no_memory;
    uint64_t count;
};

struct bridge {
    const char *name; // in the settings
    char *remote;     // "unix:.../br0.mgmt"
    bool known;       // OVSDB has it
    char datapath[16];
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

    struct exchange exchange;
    struct ovs_list odd; // of struct ofpbuf: flow_mods that remove what the last dump found odd
    size_t n_odd;
};

// Carries on the exchange of a bridge that is connected; reads and drops what else comes.
void bundle_run(struct bridge *bridge);
void bundle_wait(struct bridge *bridge);
// Ends the exchange with 'why': the connection is gone.
void bundle_lost(struct bridge *bridge, const char *why);

// Gives the connection up, and says why in the bridge's trouble.
void bridge_disconnect(struct bridge *bridge, const char *why);
