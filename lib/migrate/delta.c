// SPDX-License-Identifier: Apache-2.0
// Framing of the state stream. delta.h has the layout.
#include "lib/migrate/delta.h"

#include <errno.h>
#include <string.h>

static const uint32_t magic = 0x4744464f; // "OFDG"

static void
put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = value >> 8 * i;
}

static uint64_t
get(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

// FNV-1a's step over words of 8 bytes, with a rotation so that high bits come down again. It guards
// against accidents, not against an author: where the stream leaves the host, TLS does that.
static uint64_t
hash_bytes(uint64_t hash, const uint8_t *bytes, size_t n)
{
    for (; n >= 8; bytes += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0x100000001b3;
        hash = hash << 29 | hash >> 35;
    }
    hash = (hash ^ get(bytes, n) ^ (uint64_t)n << 56) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

static uint64_t
checksum(const uint8_t *frame, uint32_t length)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325, frame, DELTA_HEADER_BYTES - 8);
    return hash_bytes(hash, frame + DELTA_HEADER_BYTES, length);
}

uint64_t
delta_stream(const char *id, unsigned direction)
{
    return hash_bytes(direction, (const uint8_t *)id, strlen(id));
}

size_t
delta_seal(void *buf, enum delta_kind kind, uint32_t function, uint32_t length, uint64_t stream,
           uint64_t sequence)
{
    uint8_t *frame = buf;
    put(frame, magic, 4);
    put(frame + 4, DELTA_VERSION, 2);
    put(frame + 6, kind, 2);
    put(frame + 8, function, 4);
    put(frame + 12, length, 4);
    put(frame + 16, stream, 8);
    put(frame + 24, sequence, 8);
    put(frame + 32, checksum(frame, length), 8);
    return DELTA_HEADER_BYTES + length;
}

int
delta_open(const void *buf, size_t size, uint64_t stream, uint64_t sequence,
           struct delta_frame *out, struct offload_err *err)
{
    const uint8_t *frame = buf;
    if (size < DELTA_HEADER_BYTES || get(frame, 4) != magic)
        return offload_err_set(err, -EBADMSG, "state stream", NULL, "no frame begins here");
    if (get(frame + 4, 2) != DELTA_VERSION)
        return offload_err_set(err, -EBADMSG, "state stream", "run the same version at both ends",
                               "version %u is unknown", (unsigned)get(frame + 4, 2));
    uint32_t length = get(frame + 12, 4);
    if (length != size - DELTA_HEADER_BYTES)
        return offload_err_set(err, -EBADMSG, "state stream", NULL,
                               "a frame of %u bytes came with %zu", length,
                               size - DELTA_HEADER_BYTES);
    if (get(frame + 32, 8) != checksum(frame, length))
        return offload_err_set(err, -EBADMSG, "state stream", NULL, "a frame's checksum is wrong");
    if (get(frame + 16, 8) != stream)
        return offload_err_set(err, -EBADMSG, "state stream", NULL,
                               "a frame belongs to another migration");
    if (get(frame + 24, 8) != sequence)
        return offload_err_set(
            err, -EBADMSG, "state stream", NULL, "frame %llu came where %llu was due",
            (unsigned long long)get(frame + 24, 8), (unsigned long long)sequence);
    unsigned kind = get(frame + 6, 2);
    if (kind != DELTA_STATE && kind != DELTA_END)
        return offload_err_set(err, -EBADMSG, "state stream", NULL, "frame kind %u is unknown",
                               kind);
    *out = (struct delta_frame){.kind = kind,
                                .function = get(frame + 8, 4),
                                .length = length,
                                .sequence = sequence,
                                .payload = frame + DELTA_HEADER_BYTES};
    return 0;
}
