// SPDX-License-Identifier: Apache-2.0
// The last values of a series, always readable as one straight array.
// resample -> [series] -> period, models, select.  Pure.

#include <offload/forecast.h>

#include <assert.h>
#include <stdlib.h>

// Each value is written twice, 'capacity' apart, so that the newest 'n' lie side by side wherever
// the ring stands. That costs twice the memory, and saves every fit from unrolling the ring.
struct offload_history {
    double step_s;
    size_t capacity;
    size_t n;
    size_t next;       // where the next value goes, below capacity
    double *value;     // [2 * capacity]
    uint8_t *censored; // [2 * capacity]
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
    h->value = calloc(2 * capacity, sizeof *h->value);
    h->censored = calloc(2 * capacity, sizeof *h->censored);
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
    h->value[h->next] = h->value[h->next + h->capacity] = value;
    h->censored[h->next] = h->censored[h->next + h->capacity] = censored;
    h->next = h->next + 1 == h->capacity ? 0 : h->next + 1;
    if (h->n < h->capacity)
        h->n++;
}

struct offload_series
offload_history_series(const struct offload_history *h)
{
    size_t first = h->n < h->capacity ? 0 : h->next;
    return (struct offload_series){
        .value = h->value + first, .censored = h->censored + first, .n = h->n, .step_s = h->step_s};
}
