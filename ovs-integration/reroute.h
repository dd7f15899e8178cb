// SPDX-License-Identifier: Apache-2.0
// The swap of one application from card to card, with the fence behind it.
#pragma once

#include "ovs-integration/flowd.h"

// Finds the bridge that the intent's ports are on, and sets it. 'path' is the intent's key path.
int reroute_resolve(struct flowd *flowd, struct intent *intent, const char *path,
                    struct offload_err *err);

struct swap_request {
    char id[SWAP_ID_SIZE];
    uint64_t term;
    char app[OFFLOAD_NAME_MAX + 1];
    char from_port[PORT_NAME_SIZE], to_port[PORT_NAME_SIZE], to_port_out[PORT_NAME_SIZE];
};

// Opens the way out of the switch for what leaves the card that the application will go to: it
// serves there, and its packets must get out, before the swap. As reroute_swap(); of 'request' app,
// to_port and to_port_out count. Idempotent.
int reroute_prepare(struct flowd *flowd, uint64_t owner, const struct swap_request *request,
                    struct offload_err *err);

// Begins the swap, or to make sure of one that was made by an earlier request with the same id. How
// it ends, change_take() tells.
int reroute_swap(struct flowd *flowd, uint64_t owner, const struct swap_request *request,
                 struct offload_err *err);

// -ESTALE if 'term' is below the highest that was obeyed.
int reroute_check_term(const struct flowd *flowd, uint64_t term, struct offload_err *err);

// To be called in each round: notes the fences that have come through, and asks for those of swaps
// from before a restart once their flows are known to be in the switch.
void reroute_run(struct flowd *flowd, uint64_t now_ns);
