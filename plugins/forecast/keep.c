// SPDX-License-Identifier: Apache-2.0
// feeds -> [keep] -> StateDir -> feeds, after a restart.  The feeds' thread.
// Payload: what was asked for (a hash) u64, when u64 (ms since 1970), body.

#include "plugins/forecast/keep.h"

#include "lib/io/statefile.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIND = 0x44454546, VERSION = 1, HEAD_BYTES = 16, BYTES_MAX = 128 << 20 };

// FNV-1a, 64 bits; the 0 at a text's end counts, so that "ab","c" is not "a","bc".
static uint64_t
add_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    while (*text++);
    return hash;
}

// Of all that decides what the answer means. The address goes in whole, secrets and all, which a hash
// does not show.
static uint64_t
question(const struct forecast_feed *feed)
{
    uint64_t hash = 0xcbf29ce484222325;
    const char *const texts[] = {feed->url, feed->path, feed->time, feed->end, feed->timezone};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash = add_text(hash, texts[i]);
    for (size_t i = 0; i < feed->n_values; i++)
        hash = add_text(hash, feed->value[i]);
    return add_text(hash, (char[]){(char)('0' + feed->format), (char)('0' + feed->between), '\0'});
}

static char *
path_of(char *buf, size_t size, const char *dir, const struct forecast_feed *feed)
{
    snprintf(buf, size, "%s/feed-%s.checkpoint", dir, feed->name);
    return buf;
}

int
keep_write(const char *dir, const struct forecast_feed *feed, const struct kept *kept,
           struct offload_err *err)
{
    char path[PATH_MAX];
    path_of(path, sizeof path, dir, feed);
    char *payload = malloc(HEAD_BYTES + kept->len);
    if (!payload)
        return offload_err_set(err, -ENOMEM, path, NULL, "no memory for %zu bytes", kept->len);
    uint64_t head[2] = {htole64(question(feed)), htole64((uint64_t)(kept->good_s * 1000))};
    memcpy(payload, head, HEAD_BYTES);
    memcpy(payload + HEAD_BYTES, kept->body, kept->len);
    int rc = checkpoint_write(path, KIND, VERSION, payload, HEAD_BYTES + kept->len, err);
    free(payload);
    return rc;
}

int
keep_read(const char *dir, const struct forecast_feed *feed, struct kept *kept,
          struct offload_err *err)
{
    char path[PATH_MAX], *payload;
    uint32_t version = VERSION;
    uint64_t head[2];
    size_t len;
    path_of(path, sizeof path, dir, feed);
    int rc = checkpoint_read(path, KIND, &version, BYTES_MAX, &payload, &len, err);
    if (rc)
        return rc;
    if (len >= HEAD_BYTES)
        memcpy(head, payload, HEAD_BYTES);
    if (len < HEAD_BYTES || le64toh(head[0]) != question(feed)) {
        free(payload);
        return offload_err_set(err, len < HEAD_BYTES ? -EBADMSG : -ENOENT, path, NULL,
                               "it is not what this block asks for");
    }
    kept->len = len - HEAD_BYTES;
    memmove(payload, payload + HEAD_BYTES, kept->len);
    kept->good_s = (double)le64toh(head[1]) / 1000;
    kept->body = payload;
    return 0;
}
