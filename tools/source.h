// SPDX-License-Identifier: Apache-2.0
// Where offloadctl gets its answers: the manager if one runs, else the daemons of this host
// themselves. daemons -> [source] -> cmd_*.c
#pragma once

#include "tools/ctl.h"

// Calls 'method' of RUNDIR/'daemon'.sock: "manager", "cardd", "flowd" or "forecast". 'params' is taken over. 0
// and a new reference in
// '*result', or -errno with 'err'.
int source_call(const struct ctl *ctl, const char *daemon, const char *method,
                struct json_object *params, struct json_object **result, struct offload_err *err);

// True if 'rc' of source_call() means that no such daemon runs here.
bool source_absent(int rc);

// The state of cards and applications in the form of the manager's status.get, with "source"
// ("manager" or "cardd") in it, and flowd's switch.get as "switch" if flowd answers. 'before' is
// the result of an earlier call or NULL: rates that cardd's counters give are over the time in
// between, and NULL costs a pause of 300 ms to get some.
int source_status(const struct ctl *ctl, struct json_object *before, struct json_object **result,
                  struct offload_err *err);
