// SPDX-License-Identifier: Apache-2.0
// Follows one flow's sequence numbers: what came, what came twice, what came late.
// network -> [seqtrack] -> traffic-sink.  Pure: no clock, no I/O.
#pragma once

#include <stdint.h>

enum {
    SEQTRACK_WINDOW =
        4096, // numbers remembered behind the highest; older ones cannot be told from duplicates
};

enum seqtrack_kind {
    SEQTRACK_NEXT,      // the one that was due
    SEQTRACK_GAP,       // further on: those between are lost, or late
    SEQTRACK_LATE,      // behind one with a higher number: reordered
    SEQTRACK_DUPLICATE, // seen before, or too old to tell
};

struct seqtrack {
    uint64_t next;     // one above the highest number seen
    uint64_t received; // different ones
    uint64_t duplicated, reordered;
    uint64_t seen[SEQTRACK_WINDOW / 64];
};

// A zeroed struct is a flow of which nothing has come. Takes one packet's number. '*missing' (may
// be NULL) gets how many numbers a gap leaves out.
enum seqtrack_kind seqtrack_take(struct seqtrack *track, uint64_t seq, uint64_t *missing);

// Different numbers below 'sent' that have not come.
uint64_t seqtrack_lost(const struct seqtrack *track, uint64_t sent);
