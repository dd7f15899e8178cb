// SPDX-License-Identifier: Apache-2.0
// What is in force on a card: applications, rules, allocations, chains. Built whole by the control
// thread, published by pointer, never changed, freed after a grace period (rte_rcu_qsbr): a change
// stops no worker, drops nothing and is in force in the worker's next round.
#pragma once

#include "dpdk-app/card.h"
#include "dpdk-app/rules.h"

struct snap_app {
    struct app *app;
    struct chain chain;
    bool admitted; // false: "requested", its packets are counted and dropped
    bool lent;
    uint8_t home; // worker of all its flows, or LANE_SPREAD
    double cycles_per_s, bytes_per_s, ceiling_bytes_per_s;
    uint64_t memory_bytes;
    int64_t quantum_cycles;
    unsigned cls;          // enum offload_class: who waits least
    uint64_t max_delay_ns; // 0: as long as the queue holds
};

struct snapshot {
    uint64_t generation;
    uint64_t published_cycles;
    double pool_cycles_per_s, pool_bytes_per_s; // not reserved by anybody
    double card_bytes_per_s, card_cycles_per_s;
    uint64_t assignment; // number of what follows: which worker serves which flows
    unsigned n_workers, n_lanes;
    uint8_t worker[CONFIG_WORKERS_MAX]; // that serve, and that poll the ports' queues in turn
    uint8_t lane[CONFIG_WORKERS_MAX];   // that there are, those that serve no more too
    uint8_t bucket[256];                // worker by hash
    struct rules *rules; // as many snapshots share them as have the same
    unsigned n_apps;
    struct snap_app apps[]; // of n_apps
};

// The worker takes 'next' into force, at the start of a round.
void snapshot_adopt(struct worker *w, struct lane *lane, struct snapshot *next);
// The parts of allocations that are this lane's, where control has changed them.
void snapshot_renew_parts(struct worker *w, struct lane *lane);
