// SPDX-License-Identifier: Apache-2.0
// Gets a text from a file or over HTTP(S), again and again, and only when it has changed. One fetch
// a thread at a time; the calls wait.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>

struct fetch;

struct fetch_options {
    const char *url; // "http://...", "https://...", "file:///..." or a path from the root; copied
    double timeout_s;   // for the whole of one fetch
    size_t max_bytes;   // after decompression
    double refresh_s;   // between two fetches while all is well
    // Asked now and then while a fetch goes on; true ends it with -ECANCELED. May be NULL.
    bool (*stop)(void *ctx);
    void *ctx;
};

// -EINVAL: an address of another kind. Call once before there are threads, or from one thread.
int fetch_create(const struct fetch_options *options, struct fetch **fetch,
                 struct offload_err *err);
void fetch_destroy(struct fetch *fetch);

// The address as messages may show it: without user, password and query, where keys stand.
const char *fetch_shown(const struct fetch *fetch);

// Gets the text. 0 and '*data' (caller frees; a 0 byte follows that '*len' does not count), or 0 and
// '*data' NULL: it is what was accepted last. -ETIMEDOUT, -EFBIG, -ENOENT, -ECANCELED, -EIO and the
// like, with the address in 'err'. Redirects are followed five times, and never to a file.
int fetch_run(struct fetch *fetch, char **data, size_t *len, struct offload_err *err);

// The last text was good: from now on it is asked for only if it has changed. Not called for a text
// that could not be used, which is then fetched whole again.
void fetch_accept(struct fetch *fetch);

// What the server says the last text is ("text/html"), "" if nothing.
const char *fetch_content_type(const struct fetch *fetch);

// How long to wait after fetches of which the last 'n_failed' failed: refresh_s, at first a tenth of
// that (at least 5 s) and doubled with each failure up to refresh_s or an hour, whichever is more;
// longer if the server asked for it (Retry-After, at most a day).
double fetch_wait_s(const struct fetch *fetch, unsigned n_failed);
