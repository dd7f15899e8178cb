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

uint16_t
transmit_room(struct card *card, enum pkt_dir dir)
{
    return (uint16_t)(TX_PKTS - card_out_port(card, dir)->tx.n);
}

void
transmit(struct card *card, struct app *app, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir)
{
    struct tx_buf *tx = &card_out_port(card, dir)->tx;
    uint16_t fits = (uint16_t)RTE_MIN(n, TX_PKTS - tx->n);
    if (unlikely(fits < n))
        drop_pkts(app ? &app->run.stats : NULL, &card->stats, DROP_TRANSMIT, pkts + fits,
                  (uint16_t)(n - fits));
    if (fits == 0)
        return;
    uint32_t bytes = 0;
    for (uint16_t i = 0; i < fits; i++) {
        tx->pkt[tx->n + i] = pkts[i];
        bytes += rte_pktmbuf_pkt_len(pkts[i]);
    }
    tx->n = (uint16_t)(tx->n + fits);
    struct tx_stretch *last = tx->n_stretch > 0 ? &tx->stretch[tx->n_stretch - 1] : NULL;
    if (!last || last->app != app) {
        last = &tx->stretch[tx->n_stretch++];
        *last = (struct tx_stretch){.app = app};
    }
    last->n = (uint16_t)(last->n + fits);
    last->bytes += bytes;
}

static void
count_delivered(struct card *card, struct app *app, uint16_t n, uint32_t bytes)
{
    if (app) {
        count_add(&app->run.stats.delivered_pkts, n);
        count_add(&app->run.stats.delivered_bytes, bytes);
    }
    count_add(&card->stats.delivered_pkts, n);
    count_add(&card->stats.delivered_bytes, bytes);
}

// Counts the first 'sent' packets as delivered; the rest moves to the front.
static void
advance(struct card *card, struct tx_buf *tx, uint16_t sent)
{
    uint16_t at = 0, kept = 0;
    for (uint16_t i = 0; i < tx->n_stretch; i++) {
        struct tx_stretch s = tx->stretch[i];
        uint16_t gone = sent > at ? (uint16_t)RTE_MIN(s.n, sent - at) : 0;
        uint32_t waiting_bytes = 0;
        for (uint16_t k = gone; k < s.n; k++)
            waiting_bytes += rte_pktmbuf_pkt_len(tx->pkt[at + k]);
        if (gone > 0)
            count_delivered(card, s.app, gone, s.bytes - waiting_bytes);
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
drop_waiting(struct card *card, struct tx_buf *tx)
{
    struct rte_mbuf **pkt = tx->pkt;
    for (uint16_t i = 0; i < tx->n_stretch; i++) {
        struct tx_stretch *s = &tx->stretch[i];
        drop_pkts(s->app ? &s->app->run.stats : NULL, &card->stats, DROP_TRANSMIT, pkt, s->n);
        pkt += s->n;
    }
    tx->n = tx->n_stretch = 0;
    tx->stalled_since_cycles = 0;
}

// The same as rte_eth_tx_burst(), and keeps a reference to the last packet that the port took: once
// it has given that back, it has sent everything before. The reference is to the first segment,
// which the port gives back with the others.
static uint16_t
send_watched(struct port *port, struct tx_buf *tx)
{
    for (uint16_t i = 0; i < tx->n; i++)
        rte_mbuf_refcnt_update(tx->pkt[i], 1); // the port may free it at once
    uint16_t sent = rte_eth_tx_burst(port->id, 0, tx->pkt, tx->n);
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
flush_port(struct worker *w, struct card *card, struct port *port)
{
    struct tx_buf *tx = &port->tx;
    uint16_t sent = likely(tx->watchers == 0) ? rte_eth_tx_burst(port->id, 0, tx->pkt, tx->n)
                                              : send_watched(port, tx);
    if (likely(sent == tx->n)) {
        for (uint16_t i = 0; i < tx->n_stretch; i++)
            count_delivered(card, tx->stretch[i].app, tx->stretch[i].n, tx->stretch[i].bytes);
        tx->n = tx->n_stretch = 0;
        tx->stalled_since_cycles = 0;
        return sent;
    }
    if (sent > 0) {
        advance(card, tx, sent);
        tx->stalled_since_cycles = 0;
    } else if (tx->stalled_since_cycles == 0) {
        tx->stalled_since_cycles = w->now_cycles;
    } else if (w->now_cycles - tx->stalled_since_cycles > w->tsc_hz / 1000 * STALL_MS) {
        drop_waiting(card, tx);
    }
    return sent;
}

bool
transmit_flush(struct worker *w, struct card *card)
{
    bool any = false;
    for (unsigned i = 0; i < card->n_ports; i++)
        if (card->ports[i].tx.n > 0)
            any |= flush_port(w, card, &card->ports[i]) > 0;
    return any;
}

void
transmit_forget(struct card *card, const struct app *app)
{
    for (unsigned i = 0; i < card->n_ports; i++)
        for (uint16_t k = 0; k < card->ports[i].tx.n_stretch; k++)
            if (card->ports[i].tx.stretch[k].app == app)
                card->ports[i].tx.stretch[k].app = NULL;
}

void
transmit_drop_all(struct card *card)
{
    for (unsigned i = 0; i < card->n_ports; i++)
        drop_waiting(card, &card->ports[i].tx);
}

bool
transmit_empty(const struct card *card)
{
    for (unsigned i = 0; i < card->n_ports; i++)
        if (card->ports[i].tx.n > 0)
            return false;
    return true;
}
