// SPDX-License-Identifier: Apache-2.0
// Commands that look again and again (--watch, --interval, --count).
#pragma once

#include "tools/ctl.h"

struct json_object;

// Shows one look at the daemons. 'before' is the answer of the last look (NULL at the first);
// stores the new one. Returns an exit code.
typedef int watch_look_fn(const struct ctl *ctl, struct json_object *before,
                          struct json_object **now);

// Looks once, or with --watch or --count until that many or the end of the program; a look that
// fails ends a single one, and is tried again otherwise. Returns the last look's exit code.
int watch_run(const struct ctl *ctl, watch_look_fn *look);

void watch_pause(const struct ctl *ctl);
