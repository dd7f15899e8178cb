// SPDX-License-Identifier: Apache-2.0
// Percentiles by nearest rank, jitter as RFC 3550 has it.
// session -> [stats] -> offload_path -> bus.  Pure.

#include "lib/stamp/stats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Full: every other sample stays, and from now on only every other one comes in, so that what is
// kept is spread evenly over the interval.
static void
thin_out(struct stamp_samples *samples)
{
    for (uint32_t i = 0; i < samples->n / 2; i++)
        samples->ns[i] = samples->ns[2 * i];
    samples->n /= 2;
    samples->stride *= 2;
}

static void
add_sample(struct stamp_samples *samples, int64_t ns)
{
    if (samples->skip > 0) {
        samples->skip--;
        return;
    }
    if (samples->n == STAMP_SAMPLES_MAX)
        thin_out(samples);
    samples->ns[samples->n++] = ns;
    samples->skip = samples->stride - 1;
}

static void
clear_samples(struct stamp_samples *samples)
{
    samples->n = 0;
    samples->stride = 1;
    samples->skip = 0;
}

void
stamp_stats_init(struct stamp_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    clear_samples(&stats->rtt);
    clear_samples(&stats->forward);
    clear_samples(&stats->back);
}

void
stamp_stats_answer(struct stamp_stats *stats, int64_t rtt_ns, int64_t forward_ns, int64_t back_ns)
{
    stats->received++;
    stats->interval_received++;
    add_sample(&stats->rtt, rtt_ns);
    add_sample(&stats->forward, forward_ns);
    add_sample(&stats->back, back_ns);
    if (stats->has_transit) {
        // J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16
        double d = fabs((double)(forward_ns - stats->last_transit_ns));
        stats->jitter_ns += (d - stats->jitter_ns) / 16;
    }
    stats->last_transit_ns = forward_ns;
    stats->has_transit++;
}

void
stamp_stats_loss(struct stamp_stats *stats, uint64_t n)
{
    stats->lost += n;
    stats->interval_lost += n;
}

static int
compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t
stamp_quantile(int64_t *ns, uint32_t n, double q)
{
    assert(n > 0 && q > 0 && q <= 1);
    qsort(ns, n, sizeof *ns, compare_ns);
    uint32_t rank = (uint32_t)ceil(q * n - 1e-9);
    return ns[rank > 0 ? rank - 1 : 0];
}

static void
close_samples(struct stamp_samples *samples, double *p50_s, double *p99_s)
{
    *p50_s = *p99_s = NAN;
    if (samples->n > 0) {
        *p50_s = (double)stamp_quantile(samples->ns, samples->n, 0.50) / 1e9;
        *p99_s = (double)stamp_quantile(samples->ns, samples->n, 0.99) / 1e9;
    }
    clear_samples(samples);
}

void
stamp_stats_close(struct stamp_stats *stats, struct stamp_summary *out)
{
    close_samples(&stats->rtt, &out->rtt_p50_s, &out->rtt_p99_s);
    close_samples(&stats->forward, &out->forward_p50_s, &out->forward_p99_s);
    close_samples(&stats->back, &out->back_p50_s, &out->back_p99_s);
    // Jitter needs two answers, and says nothing of an interval in which nothing arrived.
    out->jitter_s =
        stats->interval_received > 0 && stats->has_transit > 1 ? stats->jitter_ns / 1e9 : NAN;
    uint64_t decided = stats->interval_received + stats->interval_lost;
    out->loss_pct = decided > 0 ? 100.0 * (double)stats->interval_lost / (double)decided : NAN;
    stats->interval_received = stats->interval_lost = 0;
}
