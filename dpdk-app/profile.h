// SPDX-License-Identifier: Apache-2.0
// A profile of one application on one card, from profile.start to profile.stop.
#pragma once

#include "dpdk-app/card.h"

struct profile {
    // Writer: the worker, while app_run.profile points here. Readers: control thread, relaxed.
    struct histogram fn[CHAIN_MAX]; // cycles a packet
    struct histogram queue_delay;   // cycles
    struct histogram service;       // cycles from its turn to the transmit buffer, of its burst
    // Owner: the control thread.
    uint64_t start_ns;
    struct stats start; // the application's counters then
};
