// SPDX-License-Identifier: Apache-2.0
// Admission: what an application's shares pay for now goes straight through; what waits for tokens
// waits in the application's queue, as long as its memory and the queue's limit in time allow.
// classify -> [admit] -> schedule.  Runs on the worker.
#include "dpdk-app/worker.h"

#include <rte_mbuf.h>

enum {
    CODEL_TARGET_US = 5000,      // RFC 8289, section 4.3
    CODEL_INTERVAL_TARGETS = 20, // 100 ms there, section 4.4
    CODEL_SMALL_PKTS =
        2, // the RFC says one of the largest packet; bursts of two are no standing queue
};

static_assert((QUEUE_PKTS & (QUEUE_PKTS - 1)) == 0, "the queue's ring is masked");
static_assert((int)CONFIG_WORKERS_MAX <= (int)QUOTA_HOLDERS_MAX, "each worker may hold packets");

// The queue is full once it holds what its rates work off in QUEUE_MS, but never below
// QUEUE_LEAST_PKTS packets.
static bool
queue_full(const struct app_run *run, uint32_t pkt_bytes)
{
    uint32_t waiting = run->tail - run->head;
    if (run->queue_limit_bytes == 0 || waiting >= QUEUE_PKTS)
        return true;
    if (waiting < QUEUE_LEAST_PKTS)
        return false;
    return run->queued_bytes + pkt_bytes > run->queue_limit_bytes ||
           (double)waiting * (double)run->cost_pkt_q8 > run->queue_cpu_cycles * 256;
}

void
queue_put(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
          uint16_t n)
{
    for (uint16_t i = 0; i < n; i++) {
        uint32_t bytes = pkt_meta(pkts[i])->wire_bytes;
        if (queue_full(run, bytes)) {
            drop_pkts(&run->stats, &lane->stats, run->limit, &pkts[i], 1);
        } else if (!quota_hold(&run->app->quota, w->index, w->pkt_bytes)) {
            drop_pkts(&run->stats, &lane->stats, DROP_MEMORY, &pkts[i], 1);
        } else {
            run->queue[run->tail++ & (QUEUE_PKTS - 1)] = pkts[i];
            run->queued_bytes += bytes;
        }
    }
    __atomic_store_n(&run->queued_pkts, run->tail - run->head, __ATOMIC_RELAXED);
    if (!app_queue_empty(run) && !run->held)
        turns_activate(&lane->turns, &run->turn);
}

uint16_t
queue_get(struct worker *w, struct app_run *run, struct rte_mbuf **pkts, uint16_t n)
{
    uint16_t got = 0;
    while (got < n && run->head != run->tail) {
        struct rte_mbuf *pkt = run->queue[run->head & (QUEUE_PKTS - 1)];
        if (got > 0 && pkt_meta(pkt)->dir != pkt_meta(pkts[0])->dir)
            break;
        pkts[got++] = pkt;
        run->head++;
        run->queued_bytes -= pkt_meta(pkt)->wire_bytes;
    }
    // An empty queue begins anew at its first slot, which is in the cache; but for one whose place
    // somebody remembers.
    if (app_queue_empty(run) && !run->leaves)
        run->head = run->tail = 0;
    quota_let_go(&run->app->quota, w->index, (uint64_t)got * w->pkt_bytes);
    __atomic_store_n(&run->queued_pkts, run->tail - run->head, __ATOMIC_RELAXED);
    return got;
}

void
queue_bound(const struct worker *w, struct app_run *run, uint64_t max_delay_ns)
{
    uint64_t target_ns = (uint64_t)CODEL_TARGET_US * 1000;
    run->max_delay_cycles = UINT64_MAX;
    if (max_delay_ns > 0) {
        double cycles = (double)max_delay_ns * (double)w->tsc_hz / 1e9;
        run->max_delay_cycles = cycles < 1e18 ? (uint64_t)cycles : UINT64_MAX;
        target_ns = RTE_MIN(target_ns, max_delay_ns / 2);
    }
    run->codel.target = RTE_MAX((uint64_t)((double)target_ns * (double)w->tsc_hz / 1e9), 1u);
    run->codel.interval = run->codel.target * CODEL_INTERVAL_TARGETS;
}

// How long a packet has waited for its turn: time in which the worker's core was taken away is not
// the queue's.
static uint64_t
waited_cycles(const struct worker *w, const struct lane *lane, struct rte_mbuf *pkt)
{
    uint64_t arrival = pkt_meta(pkt)->arrival_cycles, waited = w->now_cycles - arrival;
    if ((int64_t)waited < 0)
        return 0;
    if (unlikely(arrival < lane->stall_start_cycles + lane->stall_for_cycles))
        waited -= RTE_MIN(waited, lane->stall_for_cycles);
    return waited;
}

uint32_t
queue_expire(struct worker *w, struct lane *lane, struct app_run *run)
{
    uint32_t expired = 0;
    if (likely(run->max_delay_cycles == UINT64_MAX))
        return 0;
    while (!app_queue_empty(run)) {
        struct rte_mbuf *pkt = run->queue[run->head & (QUEUE_PKTS - 1)];
        uint64_t waited = waited_cycles(w, lane, pkt);
        if (likely(waited <= run->max_delay_cycles))
            break;
        queue_get(w, run, &pkt, 1);
        // Who reads the mean delay sees what it would have become.
        count_add(&run->stats.queue_delay_cycles_sum, waited);
        count_add(&run->stats.queue_delay_pkts, 1);
        drop_pkts(&run->stats, &lane->stats, DROP_DELAY, &pkt, 1);
        expired++;
    }
    return expired;
}

uint16_t
queue_serve(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
            uint16_t n)
{
    uint32_t behind = run->tail - run->head;
    uint16_t got = queue_get(w, run, pkts, n), left = 0;
    for (uint16_t i = 0; i < got; i++) {
        bool small = --behind <= CODEL_SMALL_PKTS;
        if (unlikely(
                codel_drops(&run->codel, waited_cycles(w, lane, pkts[i]), w->now_cycles, small)))
            drop_pkts(&run->stats, &lane->stats, DROP_CODEL, &pkts[i], 1);
        else
            pkts[left++] = pkts[i];
    }
    return left;
}

void
admit_serve(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
            uint16_t n, uint64_t bytes)
{
    // A round that has served for long enough only lets wait: else the port's ring would overflow
    // while it serves, and shares would be what the ring happens to hold.
    uint16_t straight = 0;
    bool late = w->stamp_cycles > lane->round_cycles + w->straight_cycles;
    if (likely(app_queue_empty(run) && !run->held && !late)) {
        straight = schedule_affordable(w, lane, run, pkts, n, &bytes);
        if (straight > 0)
            chain_run(w, lane, run, pkts, straight, bytes);
    }
    if (straight < n)
        queue_put(w, lane, run, pkts + straight, (uint16_t)(n - straight));
}

void
admit_burst(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
            uint16_t n, uint64_t bytes)
{
    count_add(&run->stats.offered_pkts, n);
    count_add(&run->stats.offered_bytes, bytes);

    if (unlikely(run->divert != NULL))
        run->divert(run->divert_ctx, run, pkts, n, w->now_cycles);
    else
        admit_serve(w, lane, run, pkts, n, bytes);
}
