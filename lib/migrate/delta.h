// SPDX-License-Identifier: Apache-2.0
// The stream of state between two cards: frames that carry whole entries of one function, numbered,
// bound
// to one migration, checksummed. source -> [delta] -> destination.  Pure: bytes in, bytes out.
//
// A frame is a header of DELTA_HEADER_BYTES and its payload; all integers are little-endian:
//   0 magic u32   4 version u16   6 kind u16   8 function u32   12 length u32 (of the payload)
//   16 stream u64   24 sequence u64   32 checksum u64 (of all before it, and of the payload)
#pragma once

#include <offload/err.h>

#include <stddef.h>
#include <stdint.h>

enum {
    DELTA_HEADER_BYTES = 40,
    DELTA_FRAME_MAX = 1 << 16, // header included
    DELTA_VERSION = 1,
};

enum delta_kind {
    DELTA_STATE = 1, // entries of one function
    DELTA_END = 2,   // the source was frozen before this frame: it is the last
};

struct delta_frame {
    enum delta_kind kind;
    uint32_t function; // place in the application's chain
    uint32_t length;
    uint64_t sequence;      // counts from 0, without gap
    const uint8_t *payload; // borrowed from the bytes that were opened
};

// The number by which a stream is bound to a migration: a hash of its id, other for the way back.
uint64_t delta_stream(const char *id, unsigned direction);

// Puts a header before 'length' bytes of payload that already stand at 'buf' + DELTA_HEADER_BYTES.
// Returns the frame's size.
size_t delta_seal(void *buf, enum delta_kind kind, uint32_t function, uint32_t length,
                  uint64_t stream, uint64_t sequence);

// Reads one whole frame. -EBADMSG: cut, of another version or stream, out of turn (a replay, a
// gap), or damaged; 'err' tells which, and 'out' is untouched.
int delta_open(const void *buf, size_t size, uint64_t stream, uint64_t sequence,
               struct delta_frame *out, struct offload_err *err);
