// SPDX-License-Identifier: Apache-2.0
// Opening ports. A virtio-user port in server mode blocks whoever opens it until the switch
// connects, so each port is opened by a thread of its own, which ends when the port is up or has
// failed.
#pragma once

#include "dpdk-app/card.h"

struct rte_mempool;

// Starts the openers of all ports of 'card'. 0 or -errno.
int card_open_ports(struct card *card, struct rte_mempool *pool, struct offload_err *err);
// True while an opener of any card runs: it may be blocked for good.
bool ports_opening(void);
// Stops and closes the ports that are up. No worker may have the card any more, no opener may run.
void card_close_ports(struct card *card);

// What the hardware of an open port does by itself, as it was tried (hardware.h).
struct port_hardware;
const struct port_hardware *port_hardware(const struct port *port);

struct port_counters {
    uint64_t rx_pkts, tx_pkts, rx_bytes, tx_bytes, rx_missed;
    bool link;
    uint64_t link_bps; // 0: not known
};
void port_counters(const struct port *port, struct port_counters *out);
// True if 'card' is open and its ports' links are up: then state is "up".
bool card_is_linked(const struct card *card);
