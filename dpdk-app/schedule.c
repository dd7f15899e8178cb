// SPDX-License-Identifier: Apache-2.0
// Gives turns to the applications whose packets wait, class by class, by deficit round robin on the
// cycles that their bursts really took, and to each as much as its shares of bandwidth and cycles
// pay for.
// admit -> [schedule] -> chain.  Runs on the worker; the arithmetic is in lib/schedule.
#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

enum {
    TURNS_A_ROUND = 256, // bounds a round in which every flow is in debt
    CATCH_UP_MS = 50,    // after a pause: senders and rings that stood still too need it to empty
    ROUND_US = 100, // then ports are looked at again: at 3 Mpps 300 packets wait there by then
};

static uint64_t
predicted_cost_q8(const struct lane *lane, const struct app_run *run)
{
    return run->cost_pkt_q8 + lane->overhead_pkt_q8;
}

// Of 'n' packets, how many 'credit' cycles pay for. One may always go while there is any credit:
// its true cost is paid afterwards. As long as the cost is not known, it is learnt on a single
// packet.
static uint16_t
affordable_cycles(const struct lane *lane, const struct app_run *run, uint64_t credit, uint16_t n)
{
    if (credit == 0)
        return 0;
    if (unlikely(run->cost_pkt_q8 == 0))
        return 1;
    uint64_t cost_q8 = predicted_cost_q8(lane, run);
    if (likely(cost_q8 * n <= credit << 8))
        return n;
    uint64_t pkts = (credit << 8) / cost_q8;
    return pkts == 0 ? 1 : (uint16_t)pkts;
}

static uint16_t
affordable_bytes(uint64_t credit, struct rte_mbuf **pkts, uint16_t n, uint64_t all_bytes)
{
    if (likely(all_bytes <= credit))
        return n;
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < n; i++) {
        bytes += pkt_meta(pkts[i])->wire_bytes;
        if (bytes > credit)
            return i;
    }
    return n;
}

uint16_t
schedule_affordable(struct worker *w, struct lane *lane, struct app_run *run,
                    struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
    share_refill(&run->bandwidth, w->now_cycles);
    share_refill(&run->cpu, w->now_cycles);
    share_pool_refill(&lane->pool_bandwidth, w->now_cycles);
    share_pool_refill(&lane->pool_cpu, w->now_cycles);
    bucket_refill(&lane->bandwidth, w->now_cycles);
    bucket_refill(&lane->cpu, w->now_cycles);

    uint64_t of_app = share_credit(&run->bandwidth, &lane->pool_bandwidth),
             of_card = bucket_tokens(&lane->bandwidth);
    uint16_t by_bytes = affordable_bytes(RTE_MIN(of_app, of_card), pkts, n, *bytes);
    uint64_t cycles = RTE_MIN(share_credit(&run->cpu, &lane->pool_cpu), bucket_tokens(&lane->cpu));
    uint16_t by_cycles = affordable_cycles(lane, run, cycles, n);
    uint16_t room = transmit_room(lane, pkt_meta(pkts[0])->dir);
    run->limit = by_bytes <= by_cycles ? DROP_ADMISSION : DROP_QUEUE_FULL;
    uint16_t paid = RTE_MIN(by_bytes, by_cycles);
    paid = RTE_MIN(paid, room);
    if (unlikely(paid < n))
        *bytes = wire_bytes(pkts, paid);
    return paid;
}

void
schedule_catch_up(struct worker *w, struct lane *lane)
{
    for (unsigned i = 0; i < lane->seen->n_apps; i++) {
        share_catch_up(&lane->run[i]->bandwidth, w->now_cycles);
        share_catch_up(&lane->run[i]->cpu, w->now_cycles);
    }
    bucket_catch_up(&lane->pool_bandwidth, w->now_cycles);
    bucket_catch_up(&lane->pool_cpu, w->now_cycles);
    bucket_catch_up(&lane->bandwidth, w->now_cycles);
    bucket_catch_up(&lane->cpu, w->now_cycles);
    lane->stall_start_cycles = lane->round_cycles;
    lane->stall_for_cycles = w->now_cycles - lane->round_cycles;
    lane->catch_up_end_cycles = w->now_cycles + w->tsc_hz / 1000 * CATCH_UP_MS;
}

void
schedule_end_catch_up(struct lane *lane)
{
    for (unsigned i = 0; i < lane->seen->n_apps; i++) {
        share_trim(&lane->run[i]->bandwidth);
        share_trim(&lane->run[i]->cpu);
    }
    bucket_trim(&lane->pool_bandwidth);
    bucket_trim(&lane->pool_cpu);
    bucket_trim(&lane->bandwidth);
    bucket_trim(&lane->cpu);
    lane->catch_up_end_cycles = 0;
}

// When the packet at the head of the queue can be paid for.
static uint64_t
due_cycles(const struct worker *w, const struct lane *lane, const struct app_run *run)
{
    const struct rte_mbuf *head = run->queue[run->head & (QUEUE_PKTS - 1)];
    uint32_t bytes = pkt_meta((struct rte_mbuf *)(uintptr_t)head)->wire_bytes;
    uint64_t wait = share_wait_cycles(&run->bandwidth, &lane->pool_bandwidth, bytes);
    wait = RTE_MAX(wait, bucket_wait_cycles(&lane->bandwidth, bytes));
    wait = RTE_MAX(wait, share_wait_cycles(&run->cpu, &lane->pool_cpu, 1));
    wait = RTE_MAX(wait, bucket_wait_cycles(&lane->cpu, 1));
    uint64_t due = wait == UINT64_MAX ? UINT64_MAX : w->now_cycles + wait;
    if (likely(run->max_delay_cycles == UINT64_MAX))
        return due;
    // It is dropped then at the latest.
    return RTE_MIN(due, pkt_meta((struct rte_mbuf *)(uintptr_t)head)->arrival_cycles +
                            run->max_delay_cycles);
}

// Of 'n' packets, as many as its turn has cycles for, and the one that overdraws it: a burst of an
// application with a small share would take many turns' worth.
static uint16_t
deserved(const struct lane *lane, const struct app_run *run, uint16_t n)
{
    if (lane->turns.n_active == 1 || run->cost_pkt_q8 == 0)
        return n;
    uint64_t pkts = ((uint64_t)run->turn.drr.deficit << 8) / predicted_cost_q8(lane, run) + 1;
    return (uint16_t)RTE_MIN(pkts, (uint64_t)n);
}

// One turn of 'run': packets that left its queue, 0 if it is held up.
static uint32_t
take_turn(struct worker *w, struct lane *lane, struct app_run *run)
{
    struct rte_mbuf *pkts[BURST];
    uint32_t expired = queue_expire(w, lane, run);
    if (unlikely(expired > 0 && app_queue_empty(run)))
        return expired;
    uint16_t waiting = (uint16_t)RTE_MIN(run->tail - run->head, (uint32_t)BURST);
    for (uint16_t i = 0; i < waiting; i++)
        pkts[i] = run->queue[(run->head + i) & (QUEUE_PKTS - 1)];
    waiting = deserved(lane, run, waiting);
    uint64_t bytes = wire_bytes(pkts, waiting);
    uint16_t n = schedule_affordable(w, lane, run, pkts, waiting, &bytes);
    if (n == 0)
        return expired;
    uint32_t before = run->tail - run->head;
    n = queue_serve(w, lane, run, pkts, n); // fewer, where the direction changes
    uint32_t left = before - (run->tail - run->head);
    if (n > 0)
        chain_run(w, lane, run, pkts, n, wire_bytes(pkts, n));
    return left;
}

// Nobody of a class can pay: the next one's turn, until a class has been asked that can.
struct held_up {
    unsigned classes; // bit mask
    unsigned flows[TURNS_CLASSES];
};

static void
hold_up(struct lane *lane, struct held_up *held, unsigned cls)
{
    struct drr *flows = &lane->turns.of[cls].flows;
    if (++held->flows[cls] >= flows->n_active)
        held->classes |= 1u << cls;
    drr_pass(flows);
}

// The flows whose turns come next: with many of them their lines are not in the nearest cache.
static inline void
prefetch_next(const struct turns_flow *flow)
{
    const struct drr_flow *near = flow->drr.next, *far = near->next;
    app_run_prefetch(container_of(far, struct app_run, turn.drr));
    app_run_prefetch_beyond(container_of(near, struct app_run, turn.drr));
}

bool
schedule_run(struct worker *w, struct lane *lane)
{
    bool ran = false;
    struct held_up held = {0};
    uint64_t end_cycles = w->now_cycles + w->tsc_hz / 1000000 * ROUND_US;
    struct turns_flow *flow;
    lane->due_cycles = UINT64_MAX;
    for (unsigned turns = 0; (flow = turns_pick(&lane->turns, held.classes)) != NULL; turns++) {
        if (turns == TURNS_A_ROUND || (ran && w->stamp_cycles > end_cycles)) {
            lane->due_cycles = w->now_cycles; // there is more to do
            break;
        }
        if (!drr_may_run(&flow->drr)) {
            drr_pass(&lane->turns.of[flow->cls].flows);
            continue;
        }
        struct app_run *run = container_of(flow, struct app_run, turn);
        prefetch_next(flow);
        if (take_turn(w, lane, run) == 0) {
            lane->due_cycles = RTE_MIN(lane->due_cycles, due_cycles(w, lane, run));
            hold_up(lane, &held, flow->cls);
            continue;
        }
        ran = true;
        held.flows[flow->cls] = 0;
        if (app_queue_empty(run)) {
            codel_empty(&run->codel);
            turns_idle(&lane->turns, flow);
        }
    }
    return ran;
}
