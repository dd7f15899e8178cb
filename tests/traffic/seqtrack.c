// SPDX-License-Identifier: Apache-2.0
// Follows one flow's sequence numbers with a ring of bits, one for each of the last SEQTRACK_WINDOW
// numbers.
#include "tests/traffic/seqtrack.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool
test_and_set(struct seqtrack *track, uint64_t seq)
{
    uint64_t bit = seq % SEQTRACK_WINDOW, mask = UINT64_C(1) << (bit % 64);
    bool was = track->seen[bit / 64] & mask;
    track->seen[bit / 64] |= mask;
    return was;
}

// The numbers from 'next' up to 'seq' come into the window; those they push out are forgotten.
static void
advance(struct seqtrack *track, uint64_t seq)
{
    if (seq - track->next >= SEQTRACK_WINDOW) {
        memset(track->seen, 0, sizeof track->seen);
    } else {
        for (uint64_t i = track->next; i <= seq; i++)
            track->seen[i % SEQTRACK_WINDOW / 64] &= ~(UINT64_C(1) << (i % 64));
    }
    track->next = seq + 1;
}

enum seqtrack_kind
seqtrack_take(struct seqtrack *track, uint64_t seq, uint64_t *missing)
{
    uint64_t due = track->next;
    if (missing != NULL)
        *missing = 0;
    if (seq >= due) {
        advance(track, seq);
        test_and_set(track, seq);
        track->received++;
        if (missing != NULL)
            *missing = seq - due;
        return seq == due ? SEQTRACK_NEXT : SEQTRACK_GAP;
    }
    if (due - seq > SEQTRACK_WINDOW || test_and_set(track, seq)) {
        track->duplicated++;
        return SEQTRACK_DUPLICATE;
    }
    track->received++;
    track->reordered++;
    return SEQTRACK_LATE;
}

uint64_t
seqtrack_lost(const struct seqtrack *track, uint64_t sent)
{
    uint64_t known = sent > track->next ? sent : track->next;
    return known - track->received;
}
