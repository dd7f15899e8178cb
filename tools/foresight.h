// SPDX-License-Identifier: Apache-2.0
// A scenario with its forecasts, which are made once for each trace and kept by its hash in
// $XDG_CACHE_HOME/offload (~/.cache/offload); and agents with what they have learned.
// files -> [foresight] -> simulate, train, whatif
#pragma once

#include "lib/sim/world.h"

struct foresight {
    double seconds; // that the forecasts took; 0 where they were kept
    bool kept;
};

// Fills the scenario's forecasts. 'model': NULL for ridge, which is the best of all at the next
// step, else a name of the forecaster's models, or "auto". -ENOENT: no such model; -ENOMEM. That a
// cache cannot be written is no failure.
int foresight_fill(struct sim_scenario *scenario, const char *model, struct foresight *foresight,
                   struct offload_err *err);

// A checkpoint into an agent, and back. -errno.
int agent_load(struct alloc_agent *agent, const char *path, struct offload_err *err);
// What the agent starts from: the checkpoint told; else the one that is shipped for it, if it learns
// and there is one. Its path, or "", into 'used'.
int agent_prepare(struct alloc_agent *agent, const char *told, char *used, size_t size,
                  struct offload_err *err);
int agent_save(const struct alloc_agent *agent, const char *path, struct offload_err *err);
