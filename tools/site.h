// SPDX-License-Identifier: Apache-2.0
// A site as it is: its cards, its applications with their SLA and present shares, and what they
// offered, out of the site's own configuration and records; as a scenario for the simulator.
// configuration, RRD and CSV files -> [site] -> whatif
#pragma once

#include "lib/sim/demand.h"

#include <time.h>

struct ctl;

struct site {
    struct sim_scenario *scenario; // each step has a value; 'fixed' are today's shares
    struct alloc_policy policy;    // the simulator's, with what the configuration says
    time_t from;                   // when the first step begins; 0: not known
    size_t filled;                 // gaps, which took the value before
    double recorded_pct;           // SLA violation that the manager recorded, by weight, over the
                                   // steps that are decided; NAN: it recorded none
};

// Reads the file 'ctl->argv[0]': JSON like cardd.json, or a collectd.conf with the block
// offload_manager. 'ctl' has --cards, --rrd-dir, --host, --start, --end, --step, --share too.
int site_read(const struct ctl *ctl, struct site *site, struct offload_err *err);
void site_fini(struct site *site);
