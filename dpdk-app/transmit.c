// SPDX-License-Identifier: Apache-2.0
// The way out: packets of one round leave together, so that a port is kicked once. What a port does
// not take waits here and holds its applications back (they queue); a port that takes nothing for a
// while loses what waits.
// chain -> [transmit] -> burst out.  Runs on the worker.
#include "dpdk-app/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <string.h>

enum {
    STALL_MS =
        20, // a peer that takes nothing for so long is gone or stopped; a time slice is 4 to 12 ms
};

static inline struct tx_buf *
out_buf(struct lane *lane, enum pkt_dir dir)
{
    return &lane->tx[card_out_port(lane->card, dir)];
}

uint16_t
transmit_room(struct lane *lane, enum pkt_dir dir)
{
    return (uint16_t)(TX_PKTS - out_buf(lane, dir)->n);
}

void
transmit(struct lane *lane, struct app_run *run, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir)
{
    struct tx_buf *tx = out_buf(lane, dir);
    uint16_t fits = (uint16_t)RTE_MIN(n, TX_PKTS - tx->n);
    if (unlikely(fits < n))
        drop_pkts(run ? &run->stats : NULL, &lane->stats, DROP_TRANSMIT, pkts + fits,
                  (uint16_t)(n - fits));
    if (fits == 0)
        return;
    uint32_t bytes = 0;
    for (uint16_t i = 0; i < fits; i++) {
        tx->pkt[tx->n + i] = pkts[i];
        bytes += rte_pktmbuf_pkt_len(pkts[i]);
    }
    tx->n = (uint16_t)(tx->n + fits);
    tx->taken += fits;
    struct tx_stretch *last = tx->n_stretch > 0 ? &tx->stretch[tx->n_stretch - 1] : NULL;
    if (!last || last->run != run) {
        last = &tx->stretch[tx->n_stretch++];
        *last = (struct tx_stretch){.run = run};
    }
    last->n = (uint16_t)(last->n + fits);
    last->bytes += bytes;
}

static void
count_delivered(struct lane *lane, struct app_run *run, uint16_t n, uint32_t bytes)
{
    if (run) {
        count_add(&run->stats.delivered_pkts, n);
        count_add(&run->stats.delivered_bytes, bytes);
    }
    count_add(&lane->stats.delivered_pkts, n);
    count_add(&lane->stats.delivered_bytes, bytes);
}

// Counts the first 'sent' packets as delivered; the rest moves to the front.
static void
advance(struct lane *lane, struct tx_buf *tx, uint16_t sent)
{
    uint16_t at = 0, kept = 0;
    for (uint16_t i = 0; i < tx->n_stretch; i++) {
        struct tx_stretch s = tx->stretch[i];
        uint16_t gone = sent > at ? (uint16_t)RTE_MIN(s.n, sent - at) : 0;
        uint32_t waiting_bytes = 0;
        for (uint16_t k = gone; k < s.n; k++)
            waiting_bytes += rte_pktmbuf_pkt_len(tx->pkt[at + k]);
        if (gone > 0)
            count_delivered(lane, s.run, gone, s.bytes - waiting_bytes);
        at = (uint16_t)(at + s.n);
        s.n = (uint16_t)(s.n - gone);
        s.bytes = waiting_bytes;
        if (s.n > 0)
            tx->stretch[kept++] = s;
    }
    tx->n_stretch = kept;
    tx->n = (uint16_t)(tx->n - sent);
    memmove(tx->pkt, tx->pkt + sent, tx->n * sizeof tx->pkt[0]);
}

static void
drop_waiting(struct lane *lane, struct tx_buf *tx)
{
    struct rte_mbuf **pkt = tx->pkt;
    for (uint16_t i = 0; i < tx->n_stretch; i++) {
        struct tx_stretch *s = &tx->stretch[i];
        drop_pkts(s->run ? &s->run->stats : NULL, &lane->stats, DROP_TRANSMIT, pkt, s->n);
        pkt += s->n;
    }
    tx->given += tx->n;
    tx->n = tx->n_stretch = 0;
    tx->stalled_since_cycles = 0;
}

// The same as rte_eth_tx_burst(), and keeps a reference to the last packet that the port took: once
// it has given that back, it has sent everything before. The reference is to the first segment,
// which the port gives back with the others.
static uint16_t
send_watched(const struct port *port, uint16_t queue, struct tx_buf *tx)
{
    for (uint16_t i = 0; i < tx->n; i++)
        rte_mbuf_refcnt_update(tx->pkt[i], 1); // the port may free it at once
    uint16_t sent = rte_eth_tx_burst(port->id, queue, tx->pkt, tx->n);
    for (uint16_t i = 0; i < tx->n; i++)
        if (i + 1 != sent)
            rte_pktmbuf_free_seg(tx->pkt[i]);
    if (sent > 0) {
        if (tx->last)
            rte_pktmbuf_free_seg(tx->last);
        tx->last = tx->pkt[sent - 1];
    }
    return sent;
}

static uint16_t
flush_port(struct worker *w, struct lane *lane, unsigned i)
{
    struct port *port = &lane->card->ports[i];
    struct tx_buf *tx = &lane->tx[i];
    uint16_t queue, sent;
    if (unlikely(!port_lock_tx(port, lane->index, &queue)))
        return 0; // another lane sends by it: in the next round
    sent = likely(tx->watchers == 0) ? rte_eth_tx_burst(port->id, queue, tx->pkt, tx->n)
                                     : send_watched(port, queue, tx);
    port_unlock_tx(port, queue);
    tx->given += sent;
    if (likely(sent == tx->n)) {
        for (uint16_t k = 0; k < tx->n_stretch; k++)
            count_delivered(lane, tx->stretch[k].run, tx->stretch[k].n, tx->stretch[k].bytes);
        tx->n = tx->n_stretch = 0;
        tx->stalled_since_cycles = 0;
        return sent;
    }
    if (sent > 0) {
        advance(lane, tx, sent);
        tx->stalled_since_cycles = 0;
    } else if (tx->stalled_since_cycles == 0) {
        tx->stalled_since_cycles = w->now_cycles;
    } else if (w->now_cycles - tx->stalled_since_cycles > w->tsc_hz / 1000 * STALL_MS) {
        drop_waiting(lane, tx);
    }
    return sent;
}

bool
transmit_flush(struct worker *w, struct lane *lane)
{
    bool any = false;
    for (unsigned i = 0; i < lane->card->n_ports; i++)
        if (lane->tx[i].n > 0)
            any |= flush_port(w, lane, i) > 0;
    return any;
}

void
transmit_forget(struct lane *lane, const struct app_run *run)
{
    for (unsigned i = 0; i < lane->card->n_ports; i++)
        for (uint16_t k = 0; k < lane->tx[i].n_stretch; k++)
            if (lane->tx[i].stretch[k].run == run)
                lane->tx[i].stretch[k].run = NULL;
}

void
transmit_drop_all(struct lane *lane)
{
    for (unsigned i = 0; i < lane->card->n_ports; i++)
        drop_waiting(lane, &lane->tx[i]);
}

bool
transmit_empty(const struct lane *lane)
{
    for (unsigned i = 0; i < lane->card->n_ports; i++)
        if (lane->tx[i].n > 0)
            return false;
    return true;
}
