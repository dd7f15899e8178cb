// SPDX-License-Identifier: Apache-2.0
// What a port's hardware does by itself, found out by having it do it once; and what joins it to the
// host. The software path does all of it too, and is the reference.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct port_hardware {
    bool flow_queue, flow_mark, flow_drop; // rte_flow: rules that steer to a queue, mark, drop
    bool meter;                            // rte_mtr
    bool shaper;                           // rte_tm
};

// Creates and takes away a rule, a meter, a shaper on a started port: 'validate' says yes where 'create'
// fails. Packets from 192.0.2.1 (for documentation, RFC 5737) may feel it meanwhile.
void hardware_probe(uint16_t port, struct port_hardware *out);

struct interconnect {
    unsigned pcie_gen, lanes; // as the link was trained; 0: not PCIe
    int numa_node;            // -1: not known
    uint64_t bps;             // each way, after line coding; 0: not known
};

// Of the device whose folder in sysfs is 'folder'; false: it has no PCIe link.
bool interconnect_read(const char *folder, struct interconnect *out);
// Of a port by its devargs, "0000:3b:00.0,...".
bool interconnect_of(const char *devargs, struct interconnect *out);
