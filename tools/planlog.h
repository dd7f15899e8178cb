// SPDX-License-Identifier: Apache-2.0
// Decisions out of the manager's plan log.
#pragma once

#include "tools/ctl.h"

struct alloc_replay;

extern const char planlog_usual[]; // where it is if --log does not say

// Decides plan 'number' again from the log at 'path' and its older files. 0 and both (caller:
// alloc_replay_fini, json_object_put), or -ENOENT.
int planlog_replay(const char *path, uint64_t number, struct alloc_replay *replay,
                   struct json_object **record, struct offload_err *err);
