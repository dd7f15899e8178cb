// SPDX-License-Identifier: Apache-2.0
// Lanes: handing packets to the worker that serves their flow, and moving flows from one to
// another; lanes.h has the picture.
// classify -> [hand on, take] -> admit.
#include "dpdk-app/lanes.h"

#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_ring.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// -- Worker: handing on --

// The same for both directions of a flow, and for all fragments of a datagram.
static inline unsigned
bucket_of(const struct pkt_meta *meta)
{
    const struct pkt_key *key = &meta->key;
    uint32_t address = 0, ports = meta->flags & PKT_FRAGMENT ? 0 : key->sport ^ key->dport;
    for (unsigned i = 0; i < 4; i++)
        address ^= key->src[i] ^ key->dst[i];
    return rte_hash_crc_4byte(address ^ ports << 16, key->proto) % LANE_BUCKETS;
}

static inline unsigned
owner_of(const struct lane *lane, const struct pkt_meta *meta, uint16_t app)
{
    const struct snapshot *snap = lane->seen;
    if (unlikely(app == NO_APP))
        return lane->index; // it is dropped, or passed, where it came
    uint8_t home = snap->apps[app].home;
    return home != LANE_SPREAD ? home : snap->bucket[bucket_of(meta)];
}

uint16_t
lane_hand_on(struct lane *lane, struct rte_mbuf **pkts, uint16_t *app, uint16_t n)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < n; i++) {
        const struct pkt_meta *meta = pkt_meta(pkts[i]);
        unsigned owner = owner_of(lane, meta, app[i]);
        if (owner == lane->index) {
            app[kept] = app[i];
            pkts[kept++] = pkts[i];
            continue;
        }
        struct lane *to = lane->card->lane[owner];
        if (rte_ring_sp_enqueue(to->in[lane->index][meta->dir], pkts[i]) != 0)
            drop_pkts(&lane->run[app[i]]->stats, &lane->stats, DROP_QUEUE_FULL, &pkts[i], 1);
    }
    return kept;
}

uint16_t
lane_take(struct lane *lane, struct rte_mbuf **pkts, unsigned *turn)
{
    for (; *turn < 2 * CONFIG_WORKERS_MAX; ++*turn) {
        unsigned from = *turn / 2, dir = *turn % 2;
        if (!lane->in[from][dir])
            continue;
        unsigned n = rte_ring_sc_dequeue_burst(lane->in[from][dir], (void **)pkts, BURST, NULL);
        if (n == 0)
            continue;
        lane->in_left[from][dir] -= RTE_MIN(n, lane->in_left[from][dir]);
        ++*turn; // one burst of each, so that the ports are looked at again
        return (uint16_t)n;
    }
    return 0;
}

// -- Worker: moving --

static bool
has_buckets(const struct snapshot *snap, unsigned worker)
{
    return memchr(snap->bucket, (int)worker, sizeof snap->bucket) != NULL;
}

// Whether 'a' gives the worker a bucket that 'b' does not.
static bool
more_buckets(const struct snapshot *a, const struct snapshot *b, unsigned worker)
{
    for (unsigned i = 0; i < LANE_BUCKETS; i++)
        if (a->bucket[i] == worker && b->bucket[i] != worker)
            return true;
    return false;
}

// Whether an application that lived at 'home' under 'before' (NULL: not on this lane) and lives at
// 'other' under 'after' has flows on the lane afterwards that were elsewhere before.
static bool
comes_here(const struct lane *lane, const struct snapshot *before, uint8_t home,
           const struct snapshot *after, uint8_t other)
{
    unsigned self = lane->index;
    if (other != LANE_SPREAD)
        return other == self && !(before && home == self);
    if (!before)
        return has_buckets(after, self);
    return home == LANE_SPREAD ? more_buckets(after, before, self)
                               : home != self && has_buckets(after, self);
}

static void
hold(struct lane *lane, struct app_run *run)
{
    run->held = true;
    lane->holding = true;
    turns_idle(&lane->turns, &run->turn);
}

static uint32_t
queues_of(const struct lane *lane, const struct snapshot *snap, unsigned port)
{
    uint32_t mask = 0;
    for (unsigned q = 0; q < CONFIG_WORKERS_MAX; q++)
        if (snap->worker[q % snap->n_workers] == lane->index)
            mask |= 1u << q;
    (void)port;
    return mask;
}

void
lane_adopt(struct lane *lane, const struct snapshot *prev, const struct snapshot *next)
{
    if (prev && prev->assignment == next->assignment)
        return;
    bool first = next->assignment == 1; // of a new card: nothing was anywhere before
    for (unsigned i = 0; i < next->n_apps && !first; i++) {
        struct app_run *run = lane->run[i];
        uint8_t home = next->apps[i].home;
        if (prev && run->seen_generation == 0)
            continue; // it is new
        if (comes_here(lane, prev, run->home_seen, next, home))
            hold(lane, run);
        run->leaves = prev && comes_here(lane, next, home, prev, run->home_seen);
    }
    for (unsigned i = 0; i < lane->card->n_ports; i++) {
        lane->rx_next[i] = queues_of(lane, next, i);
        lane->rx_now[i] = first ? lane->rx_next[i] : lane->rx_now[i] & lane->rx_next[i];
        lane->holding |= lane->rx_now[i] != lane->rx_next[i];
    }
    lane->moving = next->assignment;
    lane->step = LANE_ADOPTED;
    // Pairs with the acquire in all_adopted(): what was handed on by the old assignment is in its
    // ring.
    atomic_store_explicit(&lane->adopted, next->assignment, memory_order_release);
}

static bool
all_reached(const struct lane *lane, size_t offset)
{
    const struct snapshot *snap = lane->seen;
    for (unsigned i = 0; i < snap->n_lanes; i++) {
        const _Atomic uint64_t *reached =
            (const void *)((const char *)lane->card->lane[snap->lane[i]] + offset);
        if (atomic_load_explicit(reached, memory_order_acquire) < lane->moving)
            return false;
    }
    return true;
}

static bool
rings_left(const struct lane *lane)
{
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (lane->in_left[i][0] + lane->in_left[i][1] > 0)
            return true;
    return false;
}

static void
note_rings(struct lane *lane)
{
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        for (unsigned dir = 0; dir < 2; dir++)
            lane->in_left[i][dir] = lane->in[i][dir] ? rte_ring_count(lane->in[i][dir]) : 0;
}

static void
note_queues(struct lane *lane)
{
    for (unsigned i = 0; i < lane->seen->n_apps; i++) {
        struct app_run *run = lane->run[i];
        run->leaves_until = run->tail;
        run->leaves_sent = false;
    }
}

// Tells that nothing of what leaves is here any more. False: something is.
static bool
run_clean(struct lane *lane, struct app_run *run)
{
    if (run->leaves) {
        if ((int32_t)(run->head - run->leaves_until) < 0)
            return false;
        if (!run->leaves_sent) {
            for (unsigned i = 0; i < lane->card->n_ports; i++)
                run->leaves_tx[i] = lane->tx[i].taken;
            run->leaves_sent = true;
        }
        for (unsigned i = 0; i < lane->card->n_ports; i++)
            if (lane->tx[i].given < run->leaves_tx[i])
                return false;
        run->leaves = false;
    }
    // Pairs with the acquire in may_release().
    atomic_store_explicit(&run->clean, lane->moving, memory_order_release);
    return true;
}

static bool
may_release(const struct lane *lane, const struct app_run *run)
{
    const struct snapshot *snap = lane->seen;
    for (unsigned i = 0; i < snap->n_lanes; i++)
        if (atomic_load_explicit(&run->app->run[snap->lane[i]]->clean, memory_order_acquire) <
            lane->moving)
            return false;
    return true;
}

static bool
release(struct lane *lane)
{
    bool all = all_reached(lane, offsetof(struct lane, drained));
    if (all)
        memcpy(lane->rx_now, lane->rx_next, sizeof lane->rx_now);
    for (unsigned i = 0; i < lane->seen->n_apps; i++) {
        struct app_run *run = lane->run[i];
        if (!run->held)
            continue;
        if (!may_release(lane, run)) {
            all = false;
            continue;
        }
        run->held = false;
        if (!app_queue_empty(run))
            turns_activate(&lane->turns, &run->turn);
    }
    return all;
}

static bool
all_runs_clean(struct lane *lane)
{
    bool all = true;
    for (unsigned i = 0; i < lane->seen->n_apps; i++)
        all &= run_clean(lane, lane->run[i]);
    return all;
}

bool
lane_move(struct lane *lane)
{
    if (lane->step == LANE_ADOPTED && all_reached(lane, offsetof(struct lane, adopted))) {
        note_rings(lane);
        lane->step = LANE_DRAINING;
    }
    if (lane->step == LANE_DRAINING && !rings_left(lane)) {
        note_queues(lane);
        atomic_store_explicit(&lane->drained, lane->moving, memory_order_release); // release()
        lane->step = LANE_CLEANING;
    }
    if (lane->step == LANE_CLEANING && all_runs_clean(lane))
        lane->step = LANE_STILL;
    if (lane->holding && release(lane))
        lane->holding = false;
    bool settled = lane->step == LANE_STILL && !lane->holding;
    if (settled) // pairs with the acquire in lanes_settled()
        atomic_store_explicit(&lane->settled, lane->moving, memory_order_release);
    return settled;
}

// -- Control thread --

struct app_run *
app_run_create(struct app *app, struct lane *lane)
{
    struct app_run *run = rte_zmalloc("app_run", sizeof *run, RTE_CACHE_LINE_SIZE);
    if (!run)
        return NULL;
    // Not of DPDK's memory: of a queue that is never long, only address space is used.
    run->queue = calloc(QUEUE_PKTS, sizeof run->queue[0]);
    if (!run->queue) {
        rte_free(run);
        return NULL;
    }
    run->app = app;
    run->lane = lane;
    quota_admit(&app->quota, lane->index);
    run->home_seen = LANE_SPREAD;
    atomic_init(&run->part_q16, PART_WHOLE / lane->card->n_workers); // until lanes_split()
    return app->run[lane->index] = run;
}

void
app_run_destroy(struct app_run *run)
{
    if (!run)
        return;
    free(run->queue);
    free(atomic_load_explicit(&run->profile, memory_order_relaxed));
    rte_free(run);
}

static bool
make_rings(struct lane *a, struct lane *b)
{
    static unsigned number;
    for (unsigned dir = 0; dir < 2; dir++) {
        char name[32];
        snprintf(name, sizeof name, "offload_lane_%u", number++);
        b->in[a->index][dir] = rte_ring_create(name, LANE_RING_PKTS, SOCKET_ID_ANY,
                                               RING_F_SP_ENQ | RING_F_SC_DEQ);
        if (!b->in[a->index][dir])
            return false;
    }
    return true;
}

struct lane *
lane_create(struct card *card, unsigned worker)
{
    struct lane *lane = rte_zmalloc("lane", sizeof *lane, RTE_CACHE_LINE_SIZE);
    if (!lane)
        return NULL;
    lane->card = card;
    lane->index = worker;
    lane->due_cycles = UINT64_MAX;
    bool made = flow_cache_init(&lane->flows, card->flow_entries, (uint32_t)rte_rand());
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX && made; i++)
        if (card->lane[i])
            made = make_rings(lane, card->lane[i]) && make_rings(card->lane[i], lane);
    for (unsigned i = 0; i < card->n_apps && made; i++)
        made = card->apps[i]->run[worker] || app_run_create(card->apps[i], lane);
    if (made)
        return card->lane[worker] = lane;
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        for (unsigned dir = 0; card->lane[i] && dir < 2; dir++) {
            rte_ring_free(card->lane[i]->in[worker][dir]);
            card->lane[i]->in[worker][dir] = NULL;
        }
    lane_destroy(lane);
    return NULL;
}

void
lane_destroy(struct lane *lane)
{
    if (!lane)
        return;
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        for (unsigned dir = 0; dir < 2; dir++) {
            void *pkt;
            while (lane->in[i][dir] && rte_ring_sc_dequeue(lane->in[i][dir], &pkt) == 0)
                rte_pktmbuf_free(pkt);
            rte_ring_free(lane->in[i][dir]);
        }
    flow_cache_fini(&lane->flows);
    rte_free(lane);
}

bool
lanes_settled(const struct card *card)
{
    const struct snapshot *snap = atomic_load_explicit(&card->snapshot, memory_order_relaxed);
    for (unsigned i = 0; snap && i < snap->n_lanes; i++)
        if (atomic_load_explicit(&card->lane[snap->lane[i]]->settled, memory_order_acquire) <
            snap->assignment)
            return false;
    return true;
}

static unsigned
buckets_of(const struct card *card, unsigned worker)
{
    unsigned n = 0;
    for (unsigned i = 0; i < LANE_BUCKETS; i++)
        n += card->bucket[i] == worker;
    return n;
}

static unsigned
poorest_worker(const struct card *card)
{
    unsigned best = card->workers[0];
    for (unsigned i = 1; i < card->n_workers; i++)
        if (buckets_of(card, card->workers[i]) < buckets_of(card, best))
            best = card->workers[i];
    return best;
}

static bool
serves(const struct card *card, unsigned worker)
{
    for (unsigned i = 0; i < card->n_workers; i++)
        if (card->workers[i] == worker)
            return true;
    return false;
}

void
lanes_assign(struct card *card)
{
    unsigned most = (LANE_BUCKETS + card->n_workers - 1) / card->n_workers;
    for (unsigned i = 0; i < LANE_BUCKETS; i++)
        if (!serves(card, card->bucket[i]))
            card->bucket[i] = (uint8_t)poorest_worker(card);
    for (unsigned i = 0; i < LANE_BUCKETS; i++)
        if (buckets_of(card, card->bucket[i]) > most)
            card->bucket[i] = (uint8_t)poorest_worker(card);
}

void
lanes_choose_home(const struct card *card, struct app *app)
{
    bool bound = app->state == APP_SOURCE || app->state == APP_DESTINATION, served = false;
    unsigned homes[CONFIG_WORKERS_MAX] = {0}, best = 0;
    for (unsigned i = 0; i < app->chain.n; i++)
        bound |= !app->chain.fn[i]->ops->any_worker;
    for (unsigned i = 0; i < card->n_workers; i++)
        served |= card->workers[i] == app->home;
    if (!bound || served) {
        app->home = bound ? app->home : LANE_SPREAD;
        return;
    }
    for (unsigned i = 0; i < card->n_apps; i++)
        for (unsigned k = 0; k < card->n_workers; k++)
            homes[k] += card->apps[i] != app && card->apps[i]->home == card->workers[k];
    for (unsigned k = 1; k < card->n_workers; k++)
        if (homes[k] < homes[best])
            best = k;
    app->home = (uint8_t)card->workers[best];
}

// What arrived for the application on a lane since the last split, and what waits there.
static uint64_t
arrived_on(struct app *app, unsigned worker)
{
    const struct app_run *run = app->run[worker];
    uint64_t now = count_get(&run->stats.offered_bytes), before = app->split_bytes[worker];
    app->split_bytes[worker] = now;
    return now - before + count_get(&run->queued_pkts) * 64;
}

static void
give_equal(const struct card *card, struct app *app)
{
    for (unsigned i = 0; i < card->n_workers; i++)
        atomic_store_explicit(&app->run[card->workers[i]]->part_q16, PART_WHOLE / card->n_workers,
                              memory_order_relaxed);
}

static void
split_app(const struct card *card, struct app *app)
{
    enum { IDLE_Q16 = PART_WHOLE / 256 }; // for the first packets of a flow that comes where none was
    uint64_t arrived[CONFIG_WORKERS_MAX], sum = 0;
    uint32_t parts = 0;
    for (unsigned i = 0; i < card->n_workers; i++) {
        sum += arrived[i] = arrived_on(app, card->workers[i]);
        parts += atomic_load_explicit(&app->run[card->workers[i]]->part_q16, memory_order_relaxed);
    }
    if (parts > PART_WHOLE || parts < PART_WHOLE - PART_WHOLE / 16) { // other workers than before
        give_equal(card, app);
        return;
    }
    uint32_t shared = PART_WHOLE - IDLE_Q16 * card->n_workers;
    for (unsigned i = 0; i < card->n_workers && sum > 0; i++) {
        _Atomic uint32_t *part = &app->run[card->workers[i]]->part_q16;
        uint32_t was = atomic_load_explicit(part, memory_order_relaxed);
        uint32_t want = IDLE_Q16 + (uint32_t)((unsigned __int128)shared * arrived[i] / sum);
        // Halfway, against the noise of a few milliseconds; the sum stays what it is.
        atomic_store_explicit(part, (was + want) / 2, memory_order_relaxed);
    }
}

static void
give_all(const struct card *card, struct app *app, unsigned home)
{
    for (unsigned i = 0; i < card->n_workers; i++)
        atomic_store_explicit(&app->run[card->workers[i]]->part_q16,
                              card->workers[i] == home ? PART_WHOLE : 0, memory_order_relaxed);
}

void
lanes_split(struct card *card)
{
    const struct snapshot *snap = atomic_load_explicit(&card->snapshot, memory_order_relaxed);
    if (snap->n_lanes == 1 || !lanes_settled(card))
        return; // what lanes have still to send is paid for as it was
    for (unsigned i = 0; i < card->n_apps; i++) {
        struct app *app = card->apps[i];
        if (card->n_workers == 1)
            give_all(card, app, card->workers[0]);
        else if (app->home != LANE_SPREAD)
            give_all(card, app, app->home);
        else
            split_app(card, app);
    }
}
