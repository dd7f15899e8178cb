// SPDX-License-Identifier: Apache-2.0
// The worker: one lcore that carries its cards' packets, round by round.
// burst in -> parse -> classify -> admit -> schedule -> chain -> transmit.
// The control thread gives it cards and, through the mailbox, small tasks; it never waits for
// either.
#pragma once

#include "dpdk-app/card.h"

#include <stdatomic.h>
#include <stdbool.h>

struct rte_rcu_qsbr;
struct rte_ring;

// The lanes of a worker, published whole.
struct lane_set {
    unsigned n;
    struct lane *lane[CARDS_MAX];
};

// Work that must run on the worker, between two bursts: state export and import, a change of
// divert. The poster keeps the memory until 'done' is set.
struct worker_task {
    void (*run)(struct worker *w, struct worker_task *task); // a few hundred microseconds at most
    void *ctx;
    atomic_bool done; // set with release after run(); poll it with acquire
};

struct worker {
    // Constant while it runs.
    unsigned index, lcore;
    uint64_t tsc_hz;
    uint64_t sleep_us, stall_cycles;
    uint64_t straight_cycles; // into a round, packets are served as they come; then they wait
    uint32_t pkt_bytes; // what a waiting packet is charged
    struct rte_rcu_qsbr *qsbr;
    struct rte_ring *tasks; // single producer: control thread; single consumer: the worker

    // Writer: control thread (release). Reader: the worker (acquire).
    struct lane_set *_Atomic lanes;
    atomic_bool stop; // drain what waits, then return

    // Owner: the worker.
    uint64_t now_cycles __rte_cache_aligned;
    uint64_t rounds, busy_rounds, sleeps; // counters
    uint64_t busy_cycles;                 // counter
    uint64_t chain_cycles;                // of the round in hand
    uint64_t stamp_cycles;                // when the last chain was through
    unsigned idle_rounds;
    uint64_t idle_since_cycles; // when the silence began, once it sleeps
    enum { POWER_PAUSE_UNKNOWN, POWER_PAUSE_NO, POWER_PAUSE_YES } power_pause; // what the core can
    uint64_t switches; // involuntary context switches as last read
    struct end *ends;  // of migrations (handover.h)
};

struct worker *worker_create(unsigned index, unsigned lcore, uint64_t tsc_hz, uint64_t sleep_us,
                             uint32_t pkt_bytes, struct rte_rcu_qsbr *qsbr);
void worker_destroy(struct worker *w);
int worker_main(void *arg); // lcore function; 'arg' is the struct worker

// Control thread. False: the mailbox is full, try again later.
bool worker_post(struct worker *w, struct worker_task *task);

// The kernel has given the core to another thread since the last call (a system call: 0.3 us).
bool worker_switched_out(struct worker *w);

// The stages, in the order of the data's way. All run on the worker.

// 'bytes' is what a burst's packets have on the wire, added up once.

// parse.c: parse.h.
// classify.c: tells each packet's application, by index into the snapshot; NO_APP for none.
void classify_burst(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, uint16_t *app);
// admit.c: runs what nothing holds up, lets the rest wait, drops what may not wait.
void admit_burst(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
                 uint16_t n, uint64_t bytes);
// The same for packets that a migration held or handed on, and that are counted as offered already.
void admit_serve(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
                 uint16_t n, uint64_t bytes);
// Lets packets wait behind what waits already; drops (counted) what may not.
void queue_put(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
               uint16_t n);
// Takes up to 'n' packets of one direction from the front.
uint16_t queue_get(struct worker *w, struct app_run *run, struct rte_mbuf **pkts, uint16_t n);
// Bounds the wait: none is served that has waited for longer than 'max_delay_ns' (0: no bound).
void queue_bound(const struct worker *w, struct app_run *run, uint64_t max_delay_ns);
// Drops, from the front, what has waited for longer than that. How many.
uint32_t queue_expire(struct worker *w, struct lane *lane, struct app_run *run);
// Takes for service: what queue_get() takes but what CoDel drops. How many are left in 'pkts'.
uint16_t queue_serve(struct worker *w, struct lane *lane, struct app_run *run,
                     struct rte_mbuf **pkts, uint16_t n);
// The longest that a packet waits for its application's turn, at the rate that was allocated; but
// so many may wait at any rate, else a few packets in a row would be too many for a slow
// application.
enum { QUEUE_MS = 50, QUEUE_LEAST_PKTS = 16 };

// schedule.c: gives turns to what waits; true if something ran. Sets lane->due_cycles.
bool schedule_run(struct worker *w, struct lane *lane);
// How many of 'n' packets the application's shares pay for now, and by what the next one is held
// up. '*bytes': of all; becomes that of those.
uint16_t schedule_affordable(struct worker *w, struct lane *lane, struct app_run *run,
                             struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes);
// The worker stood still (its core was taken away) and comes back to a full ring: the applications
// are owed the time.
void schedule_catch_up(struct worker *w, struct lane *lane);
void schedule_end_catch_up(struct lane *lane);
// chain.c: the application's functions over 'n' packets of one direction, bills, hands on to
// transmit.
void chain_run(struct worker *w, struct lane *lane, struct app_run *run, struct rte_mbuf **pkts,
               uint16_t n, uint64_t bytes);
// transmit.c: puts packets into the buffer of the port by which 'dir' leaves; drops (counted) what
// does not fit.
void transmit(struct lane *lane, struct app_run *run, struct rte_mbuf **pkts, uint16_t n,
              enum pkt_dir dir);
// Packets that the buffer takes before it drops.
uint16_t transmit_room(struct lane *lane, enum pkt_dir dir);
// Sends what the ports take; true if something went. A port that takes nothing is no work: its peer
// needs the core.
bool transmit_flush(struct worker *w, struct lane *lane);
void transmit_forget(struct lane *lane,
                     const struct app_run *run); // the application goes, its packets stay
void transmit_drop_all(struct lane *lane);
bool transmit_empty(const struct lane *lane);
// sleep.c: after enough rounds without work, sleeps until something is due, at most sleep_us, or a
// thousandth of the silence.
void sleep_if_idle(struct worker *w, bool worked, uint64_t due_cycles);

static inline uint64_t
wire_bytes(struct rte_mbuf **pkts, uint16_t n)
{
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < n; i++)
        bytes += pkt_meta(pkts[i])->wire_bytes;
    return bytes;
}

static inline void
drop_pkts(struct stats *stats, struct stats *card_stats, enum drop_cause cause,
          struct rte_mbuf **pkts, uint16_t n)
{
    if (n == 0)
        return;
    if (stats)
        count_add(&stats->drops[cause], n);
    count_add(&card_stats->drops[cause], n);
    rte_pktmbuf_free_bulk(pkts, n);
}
