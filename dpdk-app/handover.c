// SPDX-License-Identifier: Apache-2.0
// The two ends of a migration; handover.h has the picture and the reasons.
// Runs on the workers, once a round; control creates, orders and destroys.
#include "dpdk-app/handover.h"

#include "dpdk-app/lanes.h"
#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERVED_A_ROUND =
        256, // packets served or released in a round, so that ports are looked at again
    RING_PKTS_MOST = 4096, // that a receive ring can hold
    MARK = 1,
};

static_assert((HELD_PKTS & (HELD_PKTS - 1)) == 0, "the ring is masked");
static_assert((int)STREAM_FUNCTIONS_MAX >= (int)CHAIN_MAX,
              "every function of a chain has its place");
static_assert((int)STREAM_EXPORT_DIRTY == (int)FN_EXPORT_DIRTY &&
                  (int)STREAM_EXPORT_TRACK == (int)FN_EXPORT_TRACK &&
                  (int)STREAM_EXPORT_STOP == (int)FN_EXPORT_STOP,
              "flags pass through");

// Stands in the handoff ring behind the last packet that a source handed on before it turned back.
static void *
mark(void)
{
    return (void *)(uintptr_t)MARK;
}

// -- Control --

static void
fill_functions(struct end *end)
{
    const struct chain *chain = &end->app->chain;
    for (unsigned i = 0; i < chain->n; i++) {
        const struct fn_ops *ops = chain->fn[i]->ops;
        end->fns[i] = (struct stream_function){.state = chain->fn[i]->state,
                                               .entry_bytes = ops->export ? ops->entry_bytes : 0,
                                               .export = ops->export,
                                               .dirty = ops->dirty,
                                               .import = ops->import};
    }
    end->n_fns = chain->n;
}

static struct rte_ring *
make_ring(const char *kind, unsigned number, char direction, unsigned size)
{
    char name[32];
    snprintf(name, sizeof name, "offload_%s_%u%c", kind, number, direction);
    return rte_ring_create(name, size, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

static bool
channel_init(struct channel *c, const char *id, unsigned number, unsigned direction)
{
    char d = direction ? 'b' : 't';
    c->stream = delta_stream(id, direction);
    c->frames = calloc(FRAMES, sizeof *c->frames);
    c->full = make_ring("full", number, d, FRAMES);
    c->spare = make_ring("spare", number, d, FRAMES);
    c->handoff = make_ring("hand", number, d, HANDOFF_PKTS);
    if (!c->frames || !c->full || !c->spare || !c->handoff)
        return false;
    for (unsigned i = 0; i < FRAMES; i++)
        rte_ring_sp_enqueue(c->spare, &c->frames[i]);
    return true;
}

static void
channel_fini(struct channel *c)
{
    void *pkt;
    while (c->handoff && rte_ring_sc_dequeue(c->handoff, &pkt) == 0)
        if (pkt != mark())
            rte_pktmbuf_free(pkt);
    rte_ring_free(c->handoff);
    rte_ring_free(c->spare);
    rte_ring_free(c->full);
    free(c->frames);
}

static bool
end_init(struct end *end, struct handover *h, struct app *app, const struct app *peer,
         bool is_source)
{
    end->handover = h;
    end->app = app;
    end->card = app->card;
    end->peer = peer->card->lane[peer->home];
    end->is_source = is_source;
    end->give = is_source ? &h->there : &h->back;
    end->take = is_source ? &h->back : &h->there;
    end->phase = is_source ? END_SERVING : END_WAITING;
    fill_functions(end);
    if (is_source)
        stream_source_init(&end->source, end->fns, end->n_fns, end->give->stream, true);
    else
        stream_destination_init(&end->destination, end->fns, end->n_fns, end->take->stream);
    end->lane = end->card->lane[app->home];
    for (unsigned i = 0; i < end->card->n_ports; i++) {
        struct rte_eth_dev_info info;
        end->fence[i].by_refusal = rte_eth_dev_info_get(end->card->ports[i].id, &info) == 0 &&
                                   strncmp(info.driver_name, "net_virtio", 10) == 0;
    }
    end->held = calloc(HELD_PKTS, sizeof *end->held);
    return end->held != NULL;
}

static void
end_fini(struct end *end)
{
    for (; end->held && end->head != end->tail; end->head++)
        rte_pktmbuf_free(end->held[end->head & (HELD_PKTS - 1)].pkt);
    free(end->held);
}

struct handover *
handover_create(const char *id, unsigned number, struct app *source, struct app *destination,
                uint64_t tsc_hz)
{
    struct handover *h =
        aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(sizeof *h, RTE_CACHE_LINE_SIZE));
    if (!h)
        return NULL;
    memset(h, 0, sizeof *h);
    h->margin_cycles = tsc_hz / 1000000 * MARGIN_US;
    if (channel_init(&h->there, id, number, 0) && channel_init(&h->back, id, number, 1) &&
        end_init(&h->source, h, source, destination, true) &&
        end_init(&h->destination, h, destination, source, false))
        return h;
    handover_destroy(h);
    return NULL;
}

void
handover_destroy(struct handover *h)
{
    if (!h)
        return;
    end_fini(&h->source);
    end_fini(&h->destination);
    channel_fini(&h->there);
    channel_fini(&h->back);
    free(h);
}

void
handover_order(struct handover *h, enum order order, uint64_t now_cycles)
{
    __atomic_store_n(&h->order_cycles, now_cycles, __ATOMIC_RELAXED);
    atomic_store_explicit(&h->order, order,
                          memory_order_release); // pairs with order_of(): the time comes with it
}

enum order
handover_ordered(const struct handover *h)
{
    return atomic_load_explicit(&h->order, memory_order_relaxed);
}

static enum order
order_of(const struct end *end)
{
    return atomic_load_explicit(&end->handover->order, memory_order_acquire);
}

// -- Proofs --

void
handover_note_others(struct lane *lane)
{
    const struct snapshot *snap = lane->seen;
    uint64_t emptied = UINT64_MAX;
    for (unsigned i = 0; i < snap->n_lanes; i++)
        if (snap->lane[i] != lane->index) {
            // Pairs with the release below: what it handed on before is in our ring.
            uint64_t at = atomic_load_explicit(&lane->card->lane[snap->lane[i]]->own_emptied_cycles,
                                               memory_order_acquire);
            emptied = RTE_MIN(emptied, at);
        }
    lane->others_seen_cycles = emptied;
}

static bool
rings_empty(const struct lane *lane)
{
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        for (unsigned dir = 0; dir < 2; dir++)
            if (lane->in[i][dir] && !rte_ring_empty(lane->in[i][dir]))
                return false;
    return true;
}

void
handover_note_received(struct worker *w, struct lane *lane, const uint16_t *got)
{
    uint64_t emptied = UINT64_MAX;
    for (unsigned i = 0; i < lane->card->n_ports; i++) {
        struct rx_watch *rx = &lane->rx[i];
        // Of several queues one may be long while another brings as much as all could hold.
        bool many = __builtin_popcount(lane->rx_now[i]) == 1;
        rx->since_mark += got[i];
        // Nothing came: the queue was empty. A burst that is not full proves nothing, since virtio
        // ends bursts at a cache line of its ring. Or so many came since the mark that all that lay
        // there then was among them.
        if (got[i] == 0)
            rx->emptied_cycles = w->now_cycles;
        else if (many && rx->since_mark >= RING_PKTS_MOST)
            rx->emptied_cycles = rx->mark_cycles;
        if (got[i] == 0 || rx->since_mark >= RING_PKTS_MOST) {
            rx->mark_cycles = w->now_cycles;
            rx->since_mark = got[i];
        }
        emptied = RTE_MIN(emptied, rx->emptied_cycles);
    }
    // Pairs with the acquires in handover_note_others() and emptied_of(): what was handed on before
    // is in the ring.
    atomic_store_explicit(&lane->own_emptied_cycles, emptied, memory_order_release);
    if (rings_empty(lane)) // all that lay there when the others were looked at has been taken
        lane->others_emptied_cycles = lane->others_seen_cycles;
    atomic_store_explicit(&lane->emptied_cycles, RTE_MIN(emptied, lane->others_emptied_cycles),
                          memory_order_release);
}

static uint64_t
emptied_of(const struct lane *lane)
{
    return atomic_load_explicit(&lane->emptied_cycles, memory_order_acquire);
}

static struct app_run *
run_of(const struct end *end)
{
    return end->app->run[end->lane->index];
}

static bool
sends_for(const struct tx_buf *tx, const struct app_run *run)
{
    for (uint16_t i = 0; i < tx->n_stretch; i++)
        if (tx->stretch[i].run == run)
            return true;
    return false;
}

// A reference to one segment, as transmit.c takes them.
static void
drop_reference(struct rte_mbuf **pkt)
{
    if (*pkt)
        rte_pktmbuf_free_seg(*pkt);
    *pkt = NULL;
}

// The virtio driver has no call for that, and looks only while it is given packets; but when one
// asks for more descriptors than are free, it first reclaims all that were used, and then refuses
// it. No ring has as many as this one asks for (virtio 1.2, 2.7: at most 32768), so nothing is ever
// sent.
static void
ask_too_much(const struct port *port, uint16_t queue)
{
    struct rte_mbuf asks = {.nb_segs = 40000}, *pkt = &asks;
    rte_mbuf_refcnt_set(pkt, 2); // not to be taken for one whose headroom is free
    uint16_t sent = rte_eth_tx_burst(port->id, queue, &pkt, 1);
    RTE_VERIFY(sent == 0);
}

// Makes the port give back what its peer has taken.
static void
reclaim(struct port *port, unsigned lane, bool by_refusal)
{
    uint16_t queue;
    if (!port_lock_tx(port, lane, &queue))
        return; // another lane sends by it: in the next round
    if (by_refusal)
        ask_too_much(port, queue);
    else
        rte_eth_tx_done_cleanup(port->id, queue, 0);
    port_unlock_tx(port, queue);
}
// True once the port's ring has given back the last packet that the application sent by it, or an
// even later one.
static bool
fence_port(struct worker *w, struct end *end, unsigned i)
{
    struct fence *fence = &end->fence[i];
    const struct tx_buf *tx = &end->lane->tx[i];
    if (fence->proven)
        return true;
    if (!fence->taken) {
        if (sends_for(tx, run_of(end)))
            return false;
        fence->taken = true;
        fence->since_cycles = w->now_cycles;
        fence->pkt = tx->last;
        if (fence->pkt)
            rte_mbuf_refcnt_update(fence->pkt, 1);
    }
    if (fence->pkt)
        reclaim(&end->card->ports[i], end->lane->index, fence->by_refusal);
    uint16_t ours = fence->pkt ? 1 + (fence->pkt == tx->last) : 0;
    bool late = w->now_cycles - fence->since_cycles > w->tsc_hz / 1000 * FENCE_MS;
    if (fence->pkt && rte_mbuf_refcnt_read(fence->pkt) > ours && !late)
        return false;
    if (late)
        count_add(&end->unproven, 1);
    drop_reference(&fence->pkt);
    fence->proven = true;
    return true;
}

static void
fence_run(struct worker *w, struct end *end)
{
    if (atomic_load_explicit(&end->give->proven_cycles, memory_order_relaxed))
        return;
    bool all = true;
    for (unsigned i = 0; i < end->card->n_ports; i++)
        all &= fence_port(w, end, i);
    if (all) // pairs with the acquire in waiting_run()
        atomic_store_explicit(&end->give->proven_cycles, rte_rdtsc(), memory_order_release);
}

static void
watch(struct lane *lane, int change)
{
    lane->watchers += change;
    for (unsigned i = 0; i < lane->card->n_ports; i++) {
        lane->tx[i].watchers += change;
        if (lane->watchers == 0)
            drop_reference(&lane->tx[i].last);
        if (lane->watchers == 1 && change > 0)
            lane->rx[i] = (struct rx_watch){.mark_cycles = rte_rdtsc()};
    }
    if (lane->watchers == 1 && change > 0)
        atomic_store_explicit(&lane->emptied_cycles, 0, memory_order_relaxed);
}

// -- Diverting: what becomes of packets that the card's own ports bring --

static void
lose(struct end *end, struct rte_mbuf **pkts, uint16_t n)
{
    drop_pkts(&run_of(end)->stats, &end->lane->stats, DROP_MIGRATION, pkts, n);
    count_add(&end->lost_pkts, n);
}

static void
hand_on(void *ctx, struct app_run *run, struct rte_mbuf **pkts, uint16_t n, uint64_t now_cycles)
{
    (void)run, (void)now_cycles;
    struct end *end = ctx;
    uint16_t sent = rte_ring_sp_enqueue_burst(end->give->handoff, (void **)pkts, n, NULL);
    count_add(&end->handed_pkts, sent);
    if (unlikely(sent < n))
        lose(end, pkts + sent, (uint16_t)(n - sent));
}

static void
hold(void *ctx, struct app_run *run, struct rte_mbuf **pkts, uint16_t n, uint64_t now_cycles)
{
    (void)run, (void)now_cycles;
    struct end *end = ctx;
    // Not the time at which the round began: the worker may have been switched out since, and the
    // packets come.
    uint64_t now = rte_rdtsc();
    uint16_t room = (uint16_t)RTE_MIN((uint32_t)n, HELD_PKTS - (end->tail - end->head));
    for (uint16_t i = 0; i < room; i++)
        end->held[end->tail++ & (HELD_PKTS - 1)] = (struct held){pkts[i], now};
    count_add(&end->held_pkts, room);
    if (unlikely(room < n))
        lose(end, pkts + room, (uint16_t)(n - room));
}

// Where the application has left: what still comes was not to come.
static void
refuse(void *ctx, struct app_run *run, struct rte_mbuf **pkts, uint16_t n, uint64_t now_cycles)
{
    (void)ctx, (void)now_cycles;
    drop_pkts(&run->stats, &run->lane->stats, DROP_MIGRATION, pkts, n);
}

void
handover_hold(struct handover *h)
{
    run_of(&h->destination)->divert_ctx = &h->destination;
    run_of(&h->destination)->divert = hold;
}

static void
divert(struct end *end, app_divert_fn *fn)
{
    run_of(end)->divert = fn;
    run_of(end)->divert_ctx = end;
}

static void
set_phase(struct end *end, enum end_phase phase)
{
    atomic_store_explicit(&end->phase, (int)phase,
                          memory_order_release); // control sees the figures of before
}

// -- Giving --

// Sends at most 'most' frames of state. True if there were any.
static bool
send_frames(struct end *end, unsigned most)
{
    bool any = false;
    for (unsigned i = 0; i < most && end->source.phase != STREAM_ENDED; i++) {
        void *spare = end->spare;
        if (!spare && rte_ring_sc_dequeue(end->give->spare, &spare) != 0)
            break;
        end->spare = spare;
        end->spare->size =
            (uint32_t)stream_source_run(&end->source, end->spare->bytes, FRAME_BYTES, rte_rdtsc());
        if (end->spare->size == 0)
            break;
        rte_ring_sp_enqueue(end->give->full, end->spare);
        end->spare = NULL;
        any = true;
    }
    __atomic_store_n(&end->copied, end->source.entries, __ATOMIC_RELAXED);
    __atomic_store_n(&end->rounds, end->source.rounds, __ATOMIC_RELAXED);
    __atomic_store_n(&end->bytes, end->source.bytes, __ATOMIC_RELAXED);
    return any;
}

// Freezes: from here on nothing touches the functions' state, and every packet goes to the other
// end, in order: those that waited for their turn, then those that were held, then what comes.
static void
begin_giving(struct worker *w, struct end *end)
{
    struct rte_mbuf *pkts[BURST];
    struct app_run *run = run_of(end);
    uint16_t n;
    end->give->frozen_cycles = rte_rdtsc();
    divert(end, hand_on);
    while ((n = queue_get(w, run, pkts, BURST)) > 0)
        hand_on(end, run_of(end), pkts, n, 0);
    turns_idle(&end->lane->turns, &run->turn);
    for (; end->head != end->tail; end->head++)
        hand_on(end, run_of(end), &end->held[end->head & (HELD_PKTS - 1)].pkt, 1, 0);
    stream_source_freeze(&end->source);
    set_phase(end, END_GIVING);
}

// The source turns back: behind the mark nothing is handed on, and what comes is held until the
// rest is here again.
static bool
turn_back(struct end *end)
{
    divert(end, hold);
    if (rte_ring_sp_enqueue(end->give->handoff, mark()) != 0)
        return false; // full: again in the next round
    end->marked = true;
    stream_source_stop(&end->source);
    stream_destination_init(&end->destination, end->fns, end->n_fns, end->take->stream);
    atomic_store_explicit(&end->ready, false, memory_order_relaxed);
    set_phase(end, END_WAITING);
    return true;
}

static void
finish(struct end *end, app_divert_fn *fn)
{
    divert(end, fn);
    set_phase(end, END_DONE);
}

static bool
giving_run(struct worker *w, struct end *end)
{
    enum order order = order_of(end);
    if (end->is_source && order >= ORDER_BACK)
        return turn_back(end);
    bool worked = send_frames(end, FRAMES);
    fence_run(w, end);
    // Since the order came, nothing new is on its way here; once the queues were empty after it,
    // nothing is at all.
    uint64_t ordered = __atomic_load_n(&end->handover->order_cycles, __ATOMIC_RELAXED);
    if (order == (end->is_source ? ORDER_COMMIT : ORDER_ABORT) &&
        end->source.phase == STREAM_ENDED &&
        atomic_load_explicit(&end->give->proven_cycles, memory_order_relaxed) &&
        emptied_of(end->lane) >= ordered + end->handover->margin_cycles) {
        stream_source_stop(&end->source);
        // Pairs with the acquire in taking_run(): all that was handed on is in the ring.
        atomic_store_explicit(&end->give->closed, true, memory_order_release);
        finish(end, refuse);
    }
    return worked;
}

static bool
serving_run(struct worker *w, struct end *end)
{
    switch (order_of(end)) {
    case ORDER_NONE:
        return false;
    case ORDER_COPY: {
        bool worked = send_frames(end, 1);
        atomic_store_explicit(&end->ready, stream_source_ready(&end->source), memory_order_relaxed);
        return worked;
    }
    case ORDER_BACK:
    case ORDER_ABORT:
        stream_source_stop(&end->source);
        atomic_store_explicit(&end->give->closed, true,
                              memory_order_release); // pairs with waiting_run()
        finish(end, NULL);
        return true;
    default:
        if (!lane_is_settled(end->lane))
            return false; // its flows are still on their way here from other lanes
        begin_giving(w, end);
        return giving_run(w, end);
    }
}

// -- Taking --

static void
take_frames(struct end *end)
{
    void *item;
    while (rte_ring_sc_dequeue(end->take->full, &item) == 0) {
        struct frame *frame = item;
        if (!atomic_load_explicit(&end->failed, memory_order_relaxed) &&
            stream_destination_run(&end->destination, frame->bytes, frame->size, rte_rdtsc(),
                                   &end->err) < 0)
            atomic_store_explicit(&end->failed, true,
                                  memory_order_release); // control reads 'err' after it
        rte_ring_sp_enqueue(end->take->spare, frame);
    }
}

static void
serve(struct worker *w, struct end *end, struct rte_mbuf **pkts, uint16_t n)
{
    for (uint16_t i = 0; i < n;) {
        uint16_t same = 1;
        while (i + same < n && pkt_meta(pkts[i + same])->dir == pkt_meta(pkts[i])->dir)
            same++;
        admit_serve(w, end->lane, run_of(end), pkts + i, same, wire_bytes(pkts + i, same));
        i = (uint16_t)(i + same);
    }
}

static void
note_pause(struct end *end, uint64_t since_cycles)
{
    uint64_t pause = rte_rdtsc() - since_cycles;
    if (pause > end->pause_cycles)
        __atomic_store_n(&end->pause_cycles, pause, __ATOMIC_RELAXED);
}

// Serves what was handed on; 'marked' tells that the mark was met. Returns how many were taken from
// the ring.
static unsigned
serve_handed(struct worker *w, struct end *end, bool *marked)
{
    void *items[BURST];
    unsigned total = 0;
    while (total < SERVED_A_ROUND && !*marked) {
        struct rte_mbuf *pkts[BURST];
        unsigned got = rte_ring_sc_dequeue_burst(end->take->handoff, items, BURST, NULL);
        uint16_t n = 0;
        if (got == 0)
            break;
        for (unsigned i = 0; i < got; i++)
            if (items[i] == mark())
                *marked = true; // the last that its producer put in
            else
                pkts[n++] = items[i];
        for (uint16_t i = 0; i < n; i++)
            note_pause(end, RTE_MAX(pkt_meta(pkts[i])->arrival_cycles, end->take->frozen_cycles));
        serve(w, end, pkts, n);
        total += got;
    }
    return total;
}

// Serves packets that were held since 'until_cycles' or earlier.
static unsigned
serve_held(struct worker *w, struct end *end, uint64_t until_cycles)
{
    unsigned total = 0;
    while (total < SERVED_A_ROUND && end->head != end->tail) {
        struct rte_mbuf *pkts[BURST];
        uint16_t n = 0;
        while (n < BURST && end->head != end->tail) {
            const struct held *held = &end->held[end->head & (HELD_PKTS - 1)];
            if (held->since_cycles > until_cycles)
                break;
            note_pause(end, held->since_cycles);
            pkts[n++] = held->pkt;
            end->head++;
        }
        if (n == 0)
            break;
        serve(w, end, pkts, n);
        total += n;
    }
    return total;
}

// The destination goes back before it served anything: passes on what it was handed, up to the
// mark.
static bool
return_handed(struct worker *w, struct end *end)
{
    void *item;
    while (rte_ring_sc_dequeue(end->take->handoff, &item) == 0) {
        if (item == mark()) {
            stream_source_init(&end->source, end->fns, end->n_fns, end->give->stream, false);
            begin_giving(w, end);
            return true;
        }
        struct rte_mbuf *pkt = item;
        hand_on(end, run_of(end), &pkt, 1, 0);
    }
    return false;
}

static void
begin_taking(struct end *end)
{
    if (!end->is_source) // the way back, if it comes to that, needs no more than what changes from
                         // now on
        stream_source_init(&end->source, end->fns, end->n_fns, end->give->stream, false);
    for (unsigned i = 0; i < end->app->chain.n; i++) {
        const struct fn_inst *fn = end->app->chain.fn[i];
        if (fn->ops->serve)
            fn->ops->serve(fn->state, rte_rdtsc());
    }
    set_phase(end, END_TAKING);
}

static bool
waiting_run(struct worker *w, struct end *end)
{
    if (run_of(end)->seen_generation == 0)
        return false; // its memory quota is not in force yet
    bool closed = atomic_load_explicit(&end->take->closed, memory_order_acquire);
    take_frames(end);
    if (!end->is_source && order_of(end) >= ORDER_BACK) {
        if (!closed)
            return return_handed(w, end);
        for (; end->head != end->tail; end->head++) // never cut: nothing should have come
            lose(end, &end->held[end->head & (HELD_PKTS - 1)].pkt, 1);
        finish(end, refuse);
        return true;
    }
    // What came back could not be used: the source goes on with the state that it froze. Control
    // tells of it.
    if (end->is_source && atomic_load_explicit(&end->failed, memory_order_relaxed))
        end->destination.ended = true;
    if (!end->destination.ended)
        return false;
    if (!atomic_load_explicit(&end->ready, memory_order_relaxed)) {
        __atomic_store_n(&end->delta_cycles, rte_rdtsc() - end->take->frozen_cycles,
                         __ATOMIC_RELAXED);
        atomic_store_explicit(&end->ready, true, memory_order_release);
    }
    uint64_t proven = atomic_load_explicit(&end->take->proven_cycles, memory_order_acquire);
    if (proven == 0 || rte_rdtsc() - proven < end->handover->margin_cycles)
        return false;
    begin_taking(end);
    return true;
}

static bool
taking_run(struct worker *w, struct end *end)
{
    // Read before the ring is emptied: what was handed on before these were written is then served
    // before what they release.
    bool closed = atomic_load_explicit(&end->take->closed, memory_order_acquire);
    uint64_t emptied = emptied_of(end->peer);
    bool marked = false;
    unsigned served = serve_handed(w, end, &marked);
    if (marked) {
        begin_giving(w, end);
        return true;
    }
    if (served >= SERVED_A_ROUND)
        return true;
    uint64_t margin = end->handover->margin_cycles;
    served += serve_held(w, end, closed ? UINT64_MAX : emptied > margin ? emptied - margin : 0);
    if (closed && end->head == end->tail && served < SERVED_A_ROUND)
        finish(end, NULL);
    return served > 0;
}

// -- Every round --

static bool
end_run(struct worker *w, struct end *end)
{
    switch ((enum end_phase)atomic_load_explicit(&end->phase, memory_order_relaxed)) {
    case END_SERVING:
        return serving_run(w, end);
    case END_WAITING:
        return waiting_run(w, end);
    case END_TAKING:
        return taking_run(w, end);
    case END_GIVING:
        return giving_run(w, end);
    case END_DONE:
        break;
    }
    return false;
}

void
handover_join(struct worker *w, struct end *end)
{
    end->worker = w;
    end->next = w->ends;
    w->ends = end;
    watch(end->lane, 1);
}

static void
leave(struct end *end)
{
    for (unsigned i = 0; i < end->card->n_ports; i++)
        drop_reference(&end->fence[i].pkt);
    watch(end->lane, -1);
    if (run_of(end)->divert)
        run_of(end)->divert_ctx = NULL;
    atomic_store_explicit(&end->gone, true, memory_order_release); // control may free it now
}

bool
handover_run(struct worker *w)
{
    bool worked = false;
    for (struct end **at = &w->ends; *at;) {
        struct end *end = *at;
        worked |= end_run(w, end);
        if (atomic_load_explicit(&end->phase, memory_order_relaxed) == END_DONE) {
            *at = end->next;
            leave(end);
        } else {
            at = &end->next;
        }
    }
    return worked;
}
