// SPDX-License-Identifier: Apache-2.0
// The last values of a series, always readable as one straight array.
// resample -> [series] -> period, models, select.  Pure.

#include <offload/forecast.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Values are appended until the room is full; then the newest move to its front. With a quarter
// more room than is kept, that costs four moves a value and saves every fit from unrolling a ring.
struct offload_history {
    double step_s;
    size_t capacity, room;
    size_t first, n;   // of what is kept
    double *value;     // [room]
    uint8_t *censored; // [room]
};

struct offload_history *
offload_history_create(size_t capacity, double step_s)
{
    assert(capacity > 0 && capacity <= OFFLOAD_HISTORY_MAX && step_s > 0);
    struct offload_history *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->step_s = step_s;
    h->capacity = capacity;
    h->room = capacity + capacity / 4 + 1;
    h->value = calloc(h->room, sizeof *h->value);
    h->censored = calloc(h->room, sizeof *h->censored);
    if (!h->value || !h->censored) {
        offload_history_destroy(h);
        return NULL;
    }
    return h;
}

void
offload_history_destroy(struct offload_history *h)
{
    if (!h)
        return;
    free(h->value);
    free(h->censored);
    free(h);
}

void
offload_history_append(struct offload_history *h, double value, bool censored)
{
    if (h->n == h->capacity) {
        h->first++;
        h->n--;
    }
    if (h->first + h->n == h->room) {
        memmove(h->value, h->value + h->first, h->n * sizeof *h->value);
        memmove(h->censored, h->censored + h->first, h->n * sizeof *h->censored);
        h->first = 0;
    }
    h->value[h->first + h->n] = value;
    h->censored[h->first + h->n] = censored;
    h->n++;
}

size_t
offload_history_bytes(const struct offload_history *h)
{
    return sizeof *h + h->room * (sizeof *h->value + sizeof *h->censored);
}

struct offload_series
offload_history_series(const struct offload_history *h)
{
    return (struct offload_series){.value = h->value + h->first,
                                   .censored = h->censored + h->first,
                                   .n = h->n,
                                   .step_s = h->step_s};
}
