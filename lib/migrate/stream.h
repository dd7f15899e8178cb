// SPDX-License-Identifier: Apache-2.0
// The two ends of a state stream: what is copied when, and what may be imported. One end runs on
// the worker that owns the functions, the other on the worker that takes them over; neither knows
// how frames travel.
// functions -> [source] -> delta -> [destination] -> functions.  Pure; 'now' is an argument.
#pragma once

#include "lib/migrate/delta.h"

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a stream needs of a function: the calls of dpdk-app/functions/fn.h under the same rules.
// 'export' NULL: it keeps no state.
struct stream_function {
    void *state;
    size_t entry_bytes; // 0: it keeps no state
    size_t (*export)(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags,
                     uint64_t now_cycles);
    uint64_t (*dirty)(const void *state);
    int (*import)(void *state, const void *buf, size_t len, uint64_t now_cycles,
                  struct offload_err *err);
};

enum stream_export_flags { // as FN_EXPORT_*
    STREAM_EXPORT_DIRTY = 1,
    STREAM_EXPORT_TRACK = 2,
    STREAM_EXPORT_STOP = 4,
};

enum {
    STREAM_FUNCTIONS_MAX = 8,
    // The rest is small: what one frame carries of it is exported in some 10 us, far below the
    // pause that scheduling costs anyway.
    STREAM_READY_ENTRIES = 256,
};

enum stream_phase {
    STREAM_FULL,   // every entry once
    STREAM_DIRTY,  // what changed meanwhile, again and again
    STREAM_FROZEN, // the same; nothing changes any more
    STREAM_ENDED,
};

struct stream_source {
    struct stream_function fns[STREAM_FUNCTIONS_MAX];
    unsigned n;
    enum stream_phase phase;
    unsigned at;     // function whose turn it is
    uint64_t cursor; // within it, in STREAM_FULL
    uint64_t stream, sequence;
    uint64_t rounds; // passes over all functions that sent something, the full one included
    bool sent_in_pass;
    bool frozen_early; // frozen while the full pass was under way
    uint64_t entries;  // sent, tombstones and repeats included
    uint64_t bytes;
};

// Begins with every entry ('full'), or with what changes from now on (the way back of an
// application whose state was imported: the other end has the rest).
void stream_source_init(struct stream_source *s, const struct stream_function *fns, unsigned n,
                        uint64_t stream, bool full);

// Writes at most one frame into 'buf' of 'size' bytes (DELTA_HEADER_BYTES + one entry at least) and
// returns its size; 0: nothing to send now.
size_t stream_source_run(struct stream_source *s, void *buf, size_t size, uint64_t now_cycles);

// From now on nothing changes the functions' state; stream_source_run sends the rest and ends the
// stream.
void stream_source_freeze(struct stream_source *s);

// True once every entry was sent and few are dirty: freezing now costs a short pause.
bool stream_source_ready(const struct stream_source *s);
uint64_t stream_source_dirty(const struct stream_source *s);

// Ends the functions' tracking of changes; the stream is over, or given up.
void stream_source_stop(struct stream_source *s);

struct stream_destination {
    struct stream_function fns[STREAM_FUNCTIONS_MAX];
    unsigned n;
    bool ended; // the last frame was taken: the functions' state is whole
    uint64_t stream, sequence;
    uint64_t bytes;
};

void stream_destination_init(struct stream_destination *d, const struct stream_function *fns,
                             unsigned n, uint64_t stream);

// Takes one frame. -EBADMSG: it is refused, and so is all that follows; -ENOSPC: the destination
// has no room.
int stream_destination_run(struct stream_destination *d, const void *frame, size_t size,
                           uint64_t now_cycles, struct offload_err *err);
