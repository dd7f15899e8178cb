// SPDX-License-Identifier: Apache-2.0
// A profile of one application on one card, from profile.start to profile.stop.
#pragma once

#include "dpdk-app/card.h"

struct profile {
    // Writer: the worker, while app_run.profile points here. Readers: control thread, relaxed.
    struct histogram fn[CHAIN_MAX]; // cycles a packet, of the functions below
    struct histogram queue_delay;   // cycles
    struct histogram service;       // cycles from its turn to the transmit buffer, of its burst
    // Constant. The chain may have changed meanwhile: 'of' is only compared.
    const struct fn_inst *of[CHAIN_MAX];
    const struct fn_ops *ops[CHAIN_MAX];
    unsigned n;
    // Owner: the control thread.
    uint64_t start_ns;
    struct stats start; // the application's counters then
};
