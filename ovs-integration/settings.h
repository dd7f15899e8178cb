// SPDX-License-Identifier: Apache-2.0
// flowd.json: which switch, which bridges, where files are. Not called config.h: that is OVS's.
#pragma once

#include "ovs-integration/intent.h"

#include <stdio.h>

enum {
    BRIDGES_MAX = 16,
    SETTINGS_PATH_SIZE = 92, // a Unix socket's path with what we append fits into 108 bytes
    SETTINGS_REMOTE_SIZE = 256,
};

struct settings {
    char rundir[SETTINGS_PATH_SIZE];
    char state_dir[SETTINGS_REMOTE_SIZE];
    char ovsdb[SETTINGS_REMOTE_SIZE]; // OVSDB remote, "unix:..." or "tcp:..."
    char ovs_rundir[SETTINGS_PATH_SIZE];
    char vswitchd_ctl[SETTINGS_REMOTE_SIZE]; // "": found in ovs_rundir
    char bridges[BRIDGES_MAX][BRIDGE_NAME_SIZE];
    size_t n_bridges;
    uint64_t repair_interval_s;
    uint64_t priority; // of table 0's flows, plus the bits of the match
};

// Reads and checks the file. On failure 'settings' is untouched.
int settings_load(const char *path, struct settings *settings, struct offload_err *err);
void settings_print_options(FILE *to);
