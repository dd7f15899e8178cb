// SPDX-License-Identifier: Apache-2.0
// Migrations inside this process, card to card: what the API asks for, the step that each is in,
// and what of it outlives the process. Main thread; handover.h has what workers do.
#pragma once

#include <offload/err.h>

struct cardd;

// After the plan was loaded: takes up what a former process left. 0 or -errno.
int migrations_start(struct cardd *d, struct offload_err *err);
// After the workers have ended.
void migrations_stop(struct cardd *d);
