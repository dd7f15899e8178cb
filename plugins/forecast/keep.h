// SPDX-License-Identifier: Apache-2.0
// What a feed said last, in a file that outlives the daemon: StateDir/feed-NAME.checkpoint.
#pragma once

#include "plugins/forecast/config.h"

struct kept {
    double good_s; // when the feed said it, Unix time
    char *body;    // caller frees
    size_t len;
};

int keep_write(const char *dir, const struct forecast_feed *feed, const struct kept *kept,
               struct offload_err *err);
// -ENOENT: there is nothing, or it was said to a block that asked for something else. -EBADMSG.
int keep_read(const char *dir, const struct forecast_feed *feed, struct kept *kept,
              struct offload_err *err);
