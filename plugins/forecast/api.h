// SPDX-License-Identifier: Apache-2.0
// JSON-RPC on a Unix socket: score.get, score.explain, feed.list. doc/forecaster.md has their shapes.
#pragma once

#include "plugins/forecast/steps.h"

// Starts the server's thread. -ENOTSUP: built without libevent.
int api_start(struct steps *steps, const struct table *table, const char *path,
              struct offload_err *err);
void api_stop(void);
