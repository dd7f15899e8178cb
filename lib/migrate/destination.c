// SPDX-License-Identifier: Apache-2.0
// The receiving end of a state stream. Frames come in order or not at all: one that is refused ends
// it.
#include "lib/migrate/stream.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void
stream_destination_init(struct stream_destination *d, const struct stream_function *fns, unsigned n,
                        uint64_t stream)
{
    assert(n <= STREAM_FUNCTIONS_MAX);
    *d = (struct stream_destination){.n = n, .stream = stream};
    memcpy(d->fns, fns, n * sizeof *fns);
}

int
stream_destination_run(struct stream_destination *d, const void *bytes, size_t size,
                       uint64_t now_cycles, struct offload_err *err)
{
    struct delta_frame frame;
    if (d->ended)
        return offload_err_set(err, -EBADMSG, "state stream", NULL, "a frame came after the last");
    int rc = delta_open(bytes, size, d->stream, d->sequence, &frame, err);
    if (rc < 0)
        return rc;
    if (frame.kind == DELTA_END) {
        d->sequence++;
        d->ended = true;
        return 0;
    }
    if (frame.function >= d->n || !d->fns[frame.function].entry_bytes)
        return offload_err_set(err, -EBADMSG, "state stream", "use the same chain at both ends",
                               "function %u keeps no state here", frame.function);
    const struct stream_function *fn = &d->fns[frame.function];
    if (frame.length % fn->entry_bytes)
        return offload_err_set(err, -EBADMSG, "state stream", NULL,
                               "%u bytes are no whole entries of %zu", frame.length,
                               fn->entry_bytes);
    rc = fn->import(fn->state, frame.payload, frame.length, now_cycles, err);
    if (rc < 0)
        return rc;
    d->sequence++;
    d->bytes += frame.length;
    return 0;
}
