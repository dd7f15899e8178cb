// SPDX-License-Identifier: Apache-2.0
// OVS's poll loop with everything of flowd in it.
#pragma once

#include "ovs-integration/flowd.h"
#include "ovs-integration/server.h"

// Prepares OVS's library: program name, signals, log. Blocks SIGTERM and SIGINT, which then only
// end loop_run(). Call before anything else of OVS.
void loop_init(const char *program);

// Runs until SIGTERM or SIGINT. The flows stay in the switch.
void loop_run(struct flowd *flowd, struct server *server);
