// SPDX-License-Identifier: Apache-2.0
// A network interface's speed and counters, as the kernel has them in /sys/class/net.
#pragma once

#include <stdint.h>

struct link_counts {
    double speed_bps; // NaN: the driver does not know it, or the link is down
    uint64_t tx_bytes;
};

// Returns 0, or -errno if the interface has no counters (-ENOENT: there is none of this name).
int link_read(const char *interface, struct link_counts *out);
