// SPDX-License-Identifier: Apache-2.0
// History from the RRD files that collectd's own rrdtool plugin writes.
#pragma once

#include "plugins/forecast/steps.h"

struct warmstart_report {
    size_t n_files;    // read
    size_t n_series;   // that got history
    size_t n_refused;  // files that are not ours to trust, or broken
    char refused[320]; // the first of them, and why
};

// Reads what matches a signal below the configuration's rrd_dir and pushes the steps up to and
// including 'last_step' into the series' forecasters, through the same resamplers as live values.
// Only regular files that belong to 'uid' are read. -ENOENT: no such folder; -ENOMEM.
int warmstart_run(struct table *table, struct steps *steps, int64_t last_step, unsigned uid,
                  struct warmstart_report *report, struct offload_err *err);
