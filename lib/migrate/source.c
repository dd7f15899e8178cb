// SPDX-License-Identifier: Apache-2.0
// The sending end of a state stream: everything once, then what changed, until the rest is small;
// after the freeze the rest, and the end. stream.h says who runs it.
#include "lib/migrate/stream.h"

#include <assert.h>
#include <string.h>

void
stream_source_init(struct stream_source *s, const struct stream_function *fns, unsigned n,
                   uint64_t stream, bool full)
{
    assert(n <= STREAM_FUNCTIONS_MAX);
    *s = (struct stream_source){
        .n = n, .phase = full ? STREAM_FULL : STREAM_DIRTY, .stream = stream};
    memcpy(s->fns, fns, n * sizeof *fns);
    if (full)
        return; // a full export from the start begins the tracking by itself
    for (unsigned i = 0; i < n; i++)
        if (fns[i].entry_bytes)
            fns[i].export(fns[i].state, &s->cursor, NULL, 0, STREAM_EXPORT_TRACK, 0);
}

uint64_t
stream_source_dirty(const struct stream_source *s)
{
    uint64_t dirty = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (s->fns[i].entry_bytes)
            dirty += s->fns[i].dirty(s->fns[i].state);
    return dirty;
}

bool
stream_source_ready(const struct stream_source *s)
{
    return s->phase > STREAM_FULL && stream_source_dirty(s) <= STREAM_READY_ENTRIES;
}

void
stream_source_freeze(struct stream_source *s)
{
    if (s->phase == STREAM_FULL) {
        s->frozen_early = true;
    } else if (s->phase == STREAM_DIRTY) {
        s->phase = STREAM_FROZEN;
        s->at = 0; // a whole pass from here on has to find nothing
    }
}

// All functions had their turn.
static void
end_pass(struct stream_source *s)
{
    s->rounds += s->sent_in_pass;
    s->sent_in_pass = false;
    s->at = 0;
    s->cursor = 0;
    if (s->phase == STREAM_FULL)
        s->phase = s->frozen_early ? STREAM_FROZEN : STREAM_DIRTY;
}

static size_t
export_some(struct stream_source *s, uint8_t *buf, size_t size, uint64_t now_cycles)
{
    const struct stream_function *fn = &s->fns[s->at];
    if (!fn->entry_bytes)
        return 0;
    return fn->export(fn->state, &s->cursor, buf + DELTA_HEADER_BYTES, size - DELTA_HEADER_BYTES,
                      s->phase == STREAM_FULL ? 0 : STREAM_EXPORT_DIRTY, now_cycles);
}

size_t
stream_source_run(struct stream_source *s, void *buf, size_t size, uint64_t now_cycles)
{
    assert(size > DELTA_HEADER_BYTES);
    if (s->phase == STREAM_ENDED || (s->phase == STREAM_DIRTY && stream_source_ready(s)))
        return 0;
    for (;;) {
        enum stream_phase phase = s->phase;
        for (; s->at < s->n; s->at++, s->cursor = 0) {
            size_t length = export_some(s, buf, size, now_cycles);
            if (!length)
                continue;
            s->entries += length / s->fns[s->at].entry_bytes;
            s->bytes += length;
            s->sent_in_pass = true;
            return delta_seal(buf, DELTA_STATE, s->at, length, s->stream, s->sequence++);
        }
        end_pass(s);
        if (phase == STREAM_DIRTY)
            return 0;
        if (phase == STREAM_FROZEN)
            break; // nothing changes: one pass without a frame has seen all of it
    }
    s->phase = STREAM_ENDED;
    return delta_seal(buf, DELTA_END, 0, 0, s->stream, s->sequence++);
}

void
stream_source_stop(struct stream_source *s)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->fns[i].entry_bytes)
            s->fns[i].export(s->fns[i].state, &s->cursor, NULL, 0, STREAM_EXPORT_STOP, 0);
    s->phase = STREAM_ENDED;
}
