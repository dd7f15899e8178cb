// SPDX-License-Identifier: Apache-2.0
// An application's functions over a burst, one after the other, each billed by the cycle counter.
// schedule -> [chain] -> transmit.  Runs on the worker.
#include "dpdk-app/profile.h"
#include "dpdk-app/worker.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

enum {
    OUTLIER_CYCLES =
        20000, // a bill above the prediction by half of it and 8 us may be somebody else's time
    STOLEN_MS = 50, // no burst takes so long: the process or the whole machine stood still
    COST_SHIFT = 4, // EWMA weight 1/16
};

// What a burst is billed. The cycle counter runs on while the kernel gives the core to another
// thread, for milliseconds; that is not the application's work. So an outlier during which the
// thread was switched out counts as predicted.
static uint64_t
bill_cycles(struct worker *w, struct lane *lane, uint64_t cycles, uint64_t predicted)
{
    if (likely(cycles <= predicted + predicted / 2 + OUTLIER_CYCLES))
        return cycles;
    if (!worker_switched_out(w) && cycles < w->tsc_hz / 1000 * STOLEN_MS)
        return cycles;
    count_add(&lane->preempted, 1);
    return predicted > 0 ? predicted : OUTLIER_CYCLES;
}

// 'n' packets waited for 'delay' each.
static inline void
account_delay(struct lane *lane, struct app_run *run, struct profile *profile, uint64_t delay,
              uint16_t n)
{
    histogram_add(&run->delay, delay, n);
    histogram_add(&lane->delay, delay, n);
    if (unlikely(profile != NULL))
        histogram_add(&profile->queue_delay, delay, n);
    count_add(&run->stats.queue_delay_cycles_sum, delay * n);
    count_add(&run->stats.queue_delay_pkts, n);
    count_add(&lane->stats.queue_delay_cycles_sum, delay * n);
    count_add(&lane->stats.queue_delay_pkts, n);
}

// Arrivals never go back, so if first and last came in one burst, all did.
static inline bool
came_together(struct rte_mbuf **pkts, uint16_t n)
{
    return pkt_meta(pkts[n - 1])->arrival_cycles == pkt_meta(pkts[0])->arrival_cycles;
}

static void
count_dropped(struct lane *lane, struct app_run *run, uint16_t dropped, uint64_t refused)
{
    uint16_t memory = (uint16_t)RTE_MIN(refused, (uint64_t)dropped);
    count_add(&run->stats.drops[DROP_MEMORY], memory);
    count_add(&lane->stats.drops[DROP_MEMORY], memory);
    count_add(&run->stats.drops[DROP_FUNCTION], (uint64_t)(dropped - memory));
    count_add(&lane->stats.drops[DROP_FUNCTION], (uint64_t)(dropped - memory));
}

static void
pay_cycles(struct worker *w, struct lane *lane, struct app_run *run, uint64_t measured, uint16_t n)
{
    uint64_t chain = bill_cycles(w, lane, measured, run->cost_pkt_q8 * n >> 8);
    uint64_t per_pkt_q8 = (chain << 8) / n;
    if (unlikely(run->cost_pkt_q8 == 0))
        run->cost_pkt_q8 = per_pkt_q8 + 1;
    else
        run->cost_pkt_q8 += (per_pkt_q8 >> COST_SHIFT) - (run->cost_pkt_q8 >> COST_SHIFT);
    uint64_t cycles = chain + (lane->overhead_pkt_q8 * n >> 8);
    share_pay(&run->cpu, &lane->pool_cpu, cycles, lane->debt_cycles);
    bucket_take(&lane->cpu, cycles);
    turns_pay(&lane->turns, &run->turn, cycles);
    count_add(&run->stats.cycles, cycles);
    w->chain_cycles += measured;
}

void
chain_run(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts, uint16_t n,
          uint64_t bytes)
{
    struct profile *profile = atomic_load_explicit(&run->profile, memory_order_acquire);
    uint64_t start = rte_rdtsc(), stamp = start;
    enum pkt_dir dir = pkt_meta(pkts[0])->dir;
    // The packets may be gone after the chain; where all waited alike, one figure is kept, so that
    // its place in the histogram is fetched meanwhile.
    uint64_t delay = start - pkt_meta(pkts[0])->arrival_cycles;
    bool alike = came_together(pkts, n);
    histogram_prefetch(&run->delay, delay);
    for (uint16_t i = 0; unlikely(!alike) && i < n; i++)
        account_delay(lane, run, profile, start - pkt_meta(pkts[i])->arrival_cycles, 1);
    share_pay(&run->bandwidth, &lane->pool_bandwidth, bytes, lane->debt_cycles);
    bucket_take(&lane->bandwidth, bytes);

    uint16_t left = n;
    for (unsigned k = 0; k < run->chain.n && left > 0; k++) {
        // What comes from outside undoes the chain from its end.
        unsigned i = dir == PKT_INSIDE_OUT ? k : run->chain.n - 1 - k;
        struct fn_inst *fn = run->chain.fn[i];
        uint64_t refused = run->app->quota.refused;
        uint16_t in = left;
        left = fn->ops->process(fn->state, pkts, in, dir, stamp);
        uint64_t now = rte_rdtsc();
        count_add(&fn->count[w->index].packets, in);
        count_add(&fn->count[w->index].cycles, now - stamp);
        if (unlikely(profile != NULL) && profile->of[i] == fn) // not of a chain before or after
            histogram_add(&profile->fn[i], (now - stamp) / in, in);
        stamp = now;
        if (unlikely(left < in))
            count_dropped(lane, run, (uint16_t)(in - left), run->app->quota.refused - refused);
    }
    if (likely(left > 0))
        transmit(lane, run, pkts, left, dir);
    // Up to the end of the last function; what sending costs is in the round's overhead.
    if (unlikely(profile != NULL))
        histogram_add(&profile->service, stamp - start, n);
    w->stamp_cycles = stamp;
    if (likely(alike))
        account_delay(lane, run, profile, delay, n);
    pay_cycles(w, lane, run, stamp - start, n);
    if (unlikely(lane->unserved_cycles != 0)) {
        histogram_add(&lane->publish_delay, stamp - lane->unserved_cycles, 1);
        lane->unserved_cycles = 0;
    }
}
