// SPDX-License-Identifier: Apache-2.0
// Rows of card.list and app.list, read into C.  cardd -> [views] -> offload_card.  Pure.
// Keys that are not used here, and keys of a newer cardd, are passed over.
#pragma once

#include "plugins/card/stats.h"

#include <offload/units.h>

struct json_object;

struct view {
    char card[OFFLOAD_NAME_MAX + 1];
    char app[OFFLOAD_NAME_MAX + 1];              // "": the card as a whole
    double cycles_per_s;                         // a card's capacity
    double cpu_pct, bandwidth_bps, memory_bytes; // allocated: 0 where nothing is
    struct stats stats;
};

// Reads one element. 'path' is its key path for messages. Returns 0 or -EINVAL.
int view_read_card(struct json_object *object, const char *path, struct view *out,
                   struct offload_err *err);
int view_read_app(struct json_object *object, const char *path, struct view *out,
                  struct offload_err *err);
