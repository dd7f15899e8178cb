// SPDX-License-Identifier: Apache-2.0
// What an interval's answers say of a path: delays, jitter, loss, duplicates, reordering.
// session -> [stats] -> offload_path -> bus.  Pure: memory of the caller, no clock.
#pragma once

#include <stdint.h>

enum {
    STAMP_SAMPLES_MAX = 4096, // delays of an interval that are kept; of more, every 2nd, 4th ...
};

// Delays of one interval, in ns; one-way ones are of two clocks and may be negative.
struct stamp_samples {
    int64_t ns[STAMP_SAMPLES_MAX];
    uint32_t n;
    uint32_t stride; // every stride-th sample is kept
    uint32_t skip;
};

struct stamp_stats {
    struct stamp_samples rtt, forward, back;
    // RFC 3550, 6.4.1 and A.8, over the forward transit time; runs on from interval to interval.
    double jitter_ns;
    int64_t last_transit_ns;
    uint32_t has_transit;
    // Totals since the start.
    uint64_t sent, received, lost, duplicates, reordered;
    // Of the interval.
    uint64_t interval_received, interval_lost;
};

// A summary; NaN where nothing was measured.
struct stamp_summary {
    double rtt_p50_s, rtt_p99_s;
    double forward_p50_s, forward_p99_s;
    double back_p50_s, back_p99_s;
    double jitter_s;
    double loss_pct; // of the packets whose fate was decided in the interval
};

void stamp_stats_init(struct stamp_stats *stats);

// One answer: T1 to T4 as 'rtt_ns' = (T4 - T1) - (T3 - T2), 'forward_ns' = T2 - T1, 'back_ns' = T4
// - T3.
void stamp_stats_answer(struct stamp_stats *stats, int64_t rtt_ns, int64_t forward_ns,
                        int64_t back_ns);
void stamp_stats_loss(struct stamp_stats *stats, uint64_t n);

// Sums up the interval and begins the next one.
void stamp_stats_close(struct stamp_stats *stats, struct stamp_summary *out);

// The q-quantile by nearest rank of 'n' values, which are sorted in place; 0 < q <= 1, n > 0.
int64_t stamp_quantile(int64_t *ns, uint32_t n, double q);
