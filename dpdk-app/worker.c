// SPDX-License-Identifier: Apache-2.0
// The worker's loop: its cards, one after the other, each round from burst in to burst out.
// [burst in -> parse -> classify -> admit -> schedule -> chain -> transmit]
#include "dpdk-app/worker.h"

#include "dpdk-app/handover.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/parse.h"
#include "dpdk-app/snapshot.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum {
    TASKS = 256,
    TICK_MS = 5,
    STALL_MS = 5, // and two sleeps, between two rounds of a card: only a worker without its core
                  // takes so long
    TICK_BUDGET = 256, // entries that a function may expire in a tick
    DRAIN_MS = 500,    // bounds the end
    GATHER_PKTS = 256,
    RECEIVE_PKTS = 1024, // of a queue in a round while packets wait
    STRAIGHT_US = 100,
    OVERHEAD_PKTS = 1024,
    DEBT_CYCLES_MAX = 1 << 22, // more than a millisecond
    OUTLIER_CYCLES = 50000, // 20 us: no round takes so long but one that was switched out
};

const char *const drop_cause_names[DROP_CAUSES] = {"admission", "queue_full", "memory", "function",
                                                   "transmit",  "migration",  "delay",  "codel",
                                                   "no_app",    "parse"};

bool
worker_switched_out(struct worker *w)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0 || (uint64_t)usage.ru_nivcsw == w->switches)
        return false;
    w->switches = (uint64_t)usage.ru_nivcsw;
    return true;
}

// What belongs to no application: neighbour discovery passes, since without it nobody finds anybody
// through the card; all else is dropped.
static void
pass_or_drop(struct worker *w, struct lane *lane, struct rte_mbuf **pkts, uint16_t n,
             enum pkt_dir dir)
{
    enum { ICMPV6_ND_FIRST = 133, ICMPV6_ND_LAST = 137, ICMPV6 = 58 };
    bucket_refill(&lane->bandwidth, w->now_cycles);
    for (uint16_t i = 0; i < n; i++) {
        const struct pkt_meta *meta = pkt_meta(pkts[i]);
        const uint8_t *data = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
        bool arp = meta->key.ip_version == 0 && data[meta->l3_offset - 2] == 0x08 &&
                   data[meta->l3_offset - 1] == 0x06;
        bool nd = meta->key.ip_version == 6 && meta->key.proto == ICMPV6 && meta->l4_offset &&
                  data[meta->l4_offset] >= ICMPV6_ND_FIRST &&
                  data[meta->l4_offset] <= ICMPV6_ND_LAST;
        if ((arp || nd) && bucket_tokens(&lane->bandwidth) >= meta->wire_bytes) {
            bucket_take(&lane->bandwidth, meta->wire_bytes);
            transmit(lane, NULL, &pkts[i], 1, dir);
        } else {
            drop_pkts(NULL, &lane->stats, DROP_NO_APP, &pkts[i], 1);
        }
    }
}

static bool
all_same(const uint16_t *app, uint16_t n)
{
    uint16_t differ = 0;
    for (uint16_t i = 1; i < n; i++)
        differ |= app[i] ^ app[0];
    return differ == 0;
}

// Packets of several applications, sorted by application. With many of them a burst has one or two
// packets of each, and what a call of the stages costs would be paid for each: so as long as a port
// brings full bursts of several applications, up to GATHER_PKTS are sorted before they go on. With
// 64 applications that is a half of the cycles, for some 10 us of a full port's delay.
struct gathered {
    struct app_run *run[GATHER_PKTS];
    unsigned n; // runs; each may stand here several times
};

static void
flush_run(struct worker *w, struct lane *lane, struct app_run *run)
{
    uint16_t staged = run->n_stage;
    run->n_stage = 0;
    if (staged > 0)
        admit_burst(w, lane, run, run->stage, staged, wire_bytes(run->stage, staged));
}

static void
gather(struct worker *w, struct lane *lane, struct gathered *g, struct rte_mbuf **pkts,
       const uint16_t *app, uint16_t n, enum pkt_dir dir)
{
    for (uint16_t i = 0; i < n; i++) {
        if (unlikely(app[i] == NO_APP)) {
            pass_or_drop(w, lane, &pkts[i], 1, dir);
            continue;
        }
        struct app_run *run = lane->run[app[i]];
        if (unlikely(run->n_stage == BURST))
            flush_run(w, lane, run);
        if (run->n_stage == 0)
            g->run[g->n++] = run;
        run->stage[run->n_stage++] = pkts[i];
    }
}

static void
flush_gathered(struct worker *w, struct lane *lane, struct gathered *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        if (i + PREFETCH_FAR < g->n)
            app_run_prefetch(g->run[i + PREFETCH_FAR]);
        if (i + PREFETCH_NEAR < g->n)
            app_run_prefetch_beyond(g->run[i + PREFETCH_NEAR]);
        flush_run(w, lane, g->run[i]);
    }
    g->n = 0;
}

// A burst of a port's queue, parsed, its applications in 'app'. Packets of flows that other lanes
// serve are handed on to them; '*n' are left. Returns how many the port gave.
static uint16_t
receive_burst(struct worker *w, struct lane *lane, enum pkt_dir dir, uint16_t queue,
              struct rte_mbuf **pkts, uint16_t *app, uint16_t *n, uint64_t *bytes)
{
    const struct snapshot *snap = lane->seen;
    uint16_t got = rte_eth_rx_burst(lane->card->ports[dir].id, queue, pkts, BURST);
    *n = 0;
    if (got == 0)
        return 0;
    uint16_t good = parse_burst(lane, pkts, got, dir, snap->rules->inner[dir], w->now_cycles, bytes);
    if (good == 0)
        return got;
    count_add(&lane->stats.offered_pkts, good);
    count_add(&lane->stats.offered_bytes, *bytes);
    classify_burst(lane, pkts, good, app);
    *n = good;
    if (unlikely(snap->n_lanes > 1)) {
        *n = lane_hand_on(lane, pkts, app, good);
        if (*n < good)
            *bytes = wire_bytes(pkts, *n);
    }
    return got;
}

static uint16_t
receive_queue(struct worker *w, struct lane *lane, enum pkt_dir dir, uint16_t queue)
{
    struct rte_mbuf *pkts[BURST];
    struct gathered gathered;
    uint16_t app[BURST], n, got, total = 0, most = GATHER_PKTS;
    uint64_t bytes = 0;
    // While applications wait, a round is long, and a port's ring would overflow before anybody has
    // seen whose packets are too many: so what the ring holds is taken, and dropped by application.
    if (lane->turns.n_active > 0)
        most = RECEIVE_PKTS;
    gathered.n = 0;
    do {
        got = receive_burst(w, lane, dir, queue, pkts, app, &n, &bytes);
        total = (uint16_t)(total + got);
        if (n == 0)
            continue;
        if (likely(gathered.n == 0 && all_same(app, n) && app[0] != NO_APP)) {
            admit_burst(w, lane, lane->run[app[0]], pkts, n, bytes);
            if (likely(most == GATHER_PKTS))
                break;
            continue;
        }
        if (gathered.n + n > GATHER_PKTS) // by what is there: of a burst, any number may be refused
            flush_gathered(w, lane, &gathered);
        gather(w, lane, &gathered, pkts, app, n, dir);
    } while (got == BURST && total < most);
    flush_gathered(w, lane, &gathered);
    return total;
}

static uint16_t
receive(struct worker *w, struct lane *lane, enum pkt_dir dir)
{
    uint16_t got = 0;
    uint32_t queues = lane->rx_now[dir] & ((1u << lane->card->ports[dir].n_queues) - 1);
    for (; queues; queues &= queues - 1)
        got = (uint16_t)(got + receive_queue(w, lane, dir, (uint16_t)__builtin_ctz(queues)));
    return got;
}

// What other lanes have handed on. Their snapshot may have been another one, and so may be the
// places of applications: it is classified again, by this lane's own cache.
static uint16_t
receive_handed(struct worker *w, struct lane *lane)
{
    struct rte_mbuf *pkts[BURST];
    struct gathered gathered;
    uint16_t app[BURST], n, got = 0;
    gathered.n = 0;
    for (unsigned turn = 0; (n = lane_take(lane, pkts, &turn)) > 0;) {
        got = (uint16_t)(got + n);
        classify_burst(lane, pkts, n, app);
        gather(w, lane, &gathered, pkts, app, n, (enum pkt_dir)pkt_meta(pkts[0])->dir);
        flush_gathered(w, lane, &gathered); // the next may go the other way
    }
    return got;
}

static void
roll_second(struct stats *stats, struct histogram *delay, uint64_t *end_cycles, uint64_t now_cycles,
            uint64_t hz)
{
    if (now_cycles < *end_cycles)
        return;
    *end_cycles = now_cycles + hz;
    __atomic_store_n(&stats->delay_mean_cycles, histogram_mean(delay), __ATOMIC_RELAXED);
    __atomic_store_n(&stats->delay_p50_cycles, histogram_quantile(delay, 0.5), __ATOMIC_RELAXED);
    __atomic_store_n(&stats->delay_p99_cycles, histogram_quantile(delay, 0.99), __ATOMIC_RELAXED);
    histogram_clear(delay);
}

static void
housekeep(struct worker *w, struct lane *lane)
{
    if (w->now_cycles < lane->tick_cycles)
        return;
    lane->tick_cycles = w->now_cycles + w->tsc_hz / 1000 * TICK_MS;
    worker_switched_out(w); // from here on only what happens within a burst counts
    if (unlikely(lane->catch_up_end_cycles > 0 && w->now_cycles > lane->catch_up_end_cycles))
        schedule_end_catch_up(lane);
    roll_second(&lane->stats, &lane->delay, &lane->second_end_cycles, w->now_cycles, w->tsc_hz);
    if (lane->seen->n_lanes > 1)
        snapshot_renew_parts(w, lane);
    for (unsigned i = 0; i < lane->seen->n_apps; i++) {
        struct app_run *run = lane->run[i];
        roll_second(&run->stats, &run->delay, &run->second_end_cycles, w->now_cycles, w->tsc_hz);
        // Functions that keep state run in one place, and not before the lane that had them is done.
        if (run->held || run->home_seen != lane->index)
            continue;
        for (unsigned k = 0; k < run->chain.n; k++)
            if (run->chain.fn[k]->ops->tick)
                run->chain.fn[k]->ops->tick(run->chain.fn[k]->state, w->now_cycles, TICK_BUDGET);
    }
}

// What receiving, classifying and sending cost a packet: the mean over the last thousands of
// packets, weighted by them, so that what applications are billed adds up to what the rounds took.
// A round that lost a time slice counts as predicted.
static void
account_round(struct worker *w, struct lane *lane, uint16_t received, uint64_t cycles)
{
    count_add(&lane->stats.cycles, cycles);
    count_add(&w->busy_cycles, cycles);
    if (received == 0 || cycles < w->chain_cycles)
        return;
    uint64_t overhead = cycles - w->chain_cycles, predicted = lane->overhead_pkt_q8 * received >> 8;
    if (unlikely(overhead > predicted * 4 + OUTLIER_CYCLES))
        overhead = predicted;
    lane->overhead_cycles += overhead;
    lane->overhead_pkts += received;
    if (lane->overhead_pkts >= OVERHEAD_PKTS) {
        lane->overhead_pkt_q8 = (lane->overhead_cycles << 8) / lane->overhead_pkts;
        lane->overhead_cycles /= 2;
        lane->overhead_pkts /= 2;
    }
}

// One round of one lane; true if there was something to do. 'receiving' is false while it drains.
static bool
lane_round(struct worker *w, struct lane *lane, bool receiving)
{
    struct card *card = lane->card;
    // Pairs with the release in card_publish(): what the snapshot points to is complete.
    struct snapshot *snap = atomic_load_explicit(&card->snapshot, memory_order_acquire);
    w->now_cycles = rte_rdtsc();
    if (unlikely(snap != lane->seen))
        snapshot_adopt(w, lane, snap);
    if (unlikely(lane->step != LANE_STILL || lane->holding))
        lane_move(lane);
    if (unlikely(!card_is_up(card)))
        return false;
    if (unlikely(w->now_cycles - lane->round_cycles > w->stall_cycles))
        schedule_catch_up(w, lane);
    lane->debt_cycles = RTE_MIN(2 * (w->now_cycles - lane->round_cycles), (uint64_t)DEBT_CYCLES_MAX);
    lane->round_cycles = w->now_cycles;
    w->chain_cycles = 0;
    uint16_t received = 0, got[CARD_PORTS_MAX] = {0};
    bool watched = atomic_load_explicit(&card->watched, memory_order_relaxed) > 0;
    if (unlikely(watched))
        handover_note_others(lane);
    if (unlikely(snap->n_lanes > 1))
        received = receive_handed(w, lane);
    for (unsigned i = 0; i < card->n_ports && receiving; i++) {
        got[i] = receive(w, lane, (enum pkt_dir)i);
        received = (uint16_t)(received + got[i]);
    }
    if (unlikely(watched && receiving))
        handover_note_received(w, lane, got);
    lane->due_cycles = UINT64_MAX;
    bool ran = lane->turns.n_active > 0 ? schedule_run(w, lane) : false;
    bool sent = transmit_flush(w, lane);
    if (received > 0 || ran || sent)
        account_round(w, lane, received, rte_rdtsc() - w->now_cycles);
    housekeep(w, lane);
    return received > 0 || ran || sent;
}

static void
run_tasks(struct worker *w)
{
    void *task;
    while (unlikely(rte_ring_sc_dequeue(w->tasks, &task) == 0)) {
        struct worker_task *t = task;
        t->run(w, t);
        atomic_store_explicit(&t->done, true,
                              memory_order_release); // pairs with the poster's acquire
    }
}

static bool
lane_empty(const struct lane *lane)
{
    return lane->turns.n_active == 0 && transmit_empty(lane);
}

// The end: no more packets are taken, those that wait go out as their turns come, for at most
// DRAIN_MS.
static void
drain(struct worker *w)
{
    uint64_t end = rte_rdtsc() + w->tsc_hz / 1000 * DRAIN_MS;
    for (bool empty = false; !empty && rte_rdtsc() < end;) {
        struct lane_set *set = atomic_load_explicit(&w->lanes, memory_order_acquire);
        empty = true;
        for (unsigned i = 0; i < set->n; i++) {
            lane_round(w, set->lane[i], false);
            empty &= lane_empty(set->lane[i]) || !card_is_up(set->lane[i]->card);
        }
        handover_run(w);
        run_tasks(w);
        rte_rcu_qsbr_quiescent(w->qsbr, w->index);
    }
}

int
worker_main(void *arg)
{
    struct worker *w = arg;
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL); // else a sleep of 50 us takes 100
    rte_rcu_qsbr_thread_online(w->qsbr, w->index);
    while (likely(!atomic_load_explicit(&w->stop, memory_order_relaxed))) {
        // Pairs with the release in set_worker_lanes().
        struct lane_set *set = atomic_load_explicit(&w->lanes, memory_order_acquire);
        bool worked = false;
        uint64_t due_cycles = UINT64_MAX;
        for (unsigned i = 0; i < set->n; i++) {
            worked |= lane_round(w, set->lane[i], true);
            due_cycles = RTE_MIN(due_cycles, set->lane[i]->due_cycles);
        }
        if (unlikely(w->ends != NULL))
            worked |= handover_run(w);
        run_tasks(w);
        rte_rcu_qsbr_quiescent(w->qsbr, w->index);
        count_add(&w->rounds, 1);
        if (worked)
            count_add(&w->busy_rounds, 1);
        sleep_if_idle(w, worked, due_cycles);
    }
    drain(w);
    rte_rcu_qsbr_thread_offline(w->qsbr, w->index);
    return 0;
}

struct worker *
worker_create(unsigned index, unsigned lcore, uint64_t tsc_hz, uint64_t sleep_us,
              uint32_t pkt_bytes, struct rte_rcu_qsbr *qsbr)
{
    char name[32];
    struct worker *w = rte_zmalloc("worker", sizeof *w, RTE_CACHE_LINE_SIZE);
    struct lane_set *set = calloc(1, sizeof *set);
    snprintf(name, sizeof name, "offload_tasks_%u", index);
    struct rte_ring *tasks =
        rte_ring_create(name, TASKS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (!w || !set || !tasks || rte_rcu_qsbr_thread_register(qsbr, index) != 0) {
        rte_ring_free(tasks);
        free(set);
        rte_free(w);
        return NULL;
    }
    *w = (struct worker){.index = index,
                         .lcore = lcore,
                         .tsc_hz = tsc_hz,
                         .sleep_us = sleep_us,
                         .stall_cycles = tsc_hz / 1000 * STALL_MS + tsc_hz / 1000000 * 2 * sleep_us,
                         .straight_cycles = tsc_hz / 1000000 * STRAIGHT_US,
                         .pkt_bytes = pkt_bytes,
                         .qsbr = qsbr,
                         .tasks = tasks,
                         .lanes = set};
    return w;
}

void
worker_destroy(struct worker *w)
{
    if (!w)
        return;
    rte_rcu_qsbr_thread_unregister(w->qsbr, w->index);
    rte_ring_free(w->tasks);
    free(atomic_load_explicit(&w->lanes, memory_order_relaxed));
    rte_free(w);
}

bool
worker_post(struct worker *w, struct worker_task *task)
{
    atomic_store_explicit(&task->done, false, memory_order_relaxed);
    return rte_ring_sp_enqueue(w->tasks, task) == 0;
}
