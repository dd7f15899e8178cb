// SPDX-License-Identifier: Apache-2.0
// What offload_card remembers from one read to the next: the last count of each card and
// application. Owner: the read callback of one daemon.  Pure: no collectd, clock or socket.
#pragma once

#include "plugins/card/stats.h"

#include <offload/units.h>

enum {
    ROWS_MAX = 4096, // beyond it new rows are not remembered, so they get no rates
};

struct row {
    char card[OFFLOAD_NAME_MAX + 1];
    char app[OFFLOAD_NAME_MAX + 1]; // "": the card as a whole
    struct stats last;
    bool counted;          // 'last' holds something
    double cycles_per_pkt; // the last known; NaN: none
    bool seen;             // in this read
    struct row *next;
};

struct rows {
    struct row *first;
    size_t n;
};

// The rates since the last count of 'app' on 'card', which 'now' then replaces. All NaN at the
// first.
void rows_advance(struct rows *rows, const char *card, const char *app, const struct stats *now,
                  struct stats_rates *rates);

// Forgets the rows that have not been advanced since the last call: their card or application is
// gone.
void rows_forget_unseen(struct rows *rows);
void rows_fini(struct rows *rows);
