// SPDX-License-Identifier: Apache-2.0
// Builds snapshots, puts them in force, frees the old ones. The control thread builds and
// publishes; the worker adopts; what was taken out is freed by the control thread once every worker
// has passed two quiescent states, without waiting for it.
#include "dpdk-app/snapshot.h"

#include "dpdk-app/cardd.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/worker.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    // Credit that idle time leaves: a worker that was switched out for so long catches up, and no
    // burst is longer.
    BURST_MS = 20,
    BURST_LEAST_BYTES = 8 * 1518,
    QUANTUM_CYCLES_A_PCT = 2000, // of a turn: 1 % and 99 % of a core take turns every 80 us
};

// -- Building: control thread --

static void
address_mask(uint32_t value[4], uint32_t mask[4], const uint8_t ip[16], uint8_t bits)
{
    uint8_t m[16] = {0};
    for (unsigned i = 0; i < bits; i++)
        m[i / 8] |= (uint8_t)(0x80 >> i % 8);
    memcpy(mask, m, sizeof m);
    memcpy(value, ip, 16);
    for (unsigned i = 0; i < 4; i++)
        value[i] &= mask[i];
}

static struct rule
rule_of_match(const struct offload_match *m, unsigned place, uint16_t app)
{
    struct rule r = {.sport_least = m->sport_least,
                     .sport_most = m->sport_most,
                     .dport_least = m->dport_least,
                     .dport_most = m->dport_most,
                     .ip_version = m->ip_version,
                     .proto = m->proto,
                     .vlan = m->vlan,
                     .vni = m->vni,
                     .app = app,
                     .match = place};
    r.ports = m->sport_least > 0 || m->sport_most < UINT16_MAX || m->dport_least > 0 ||
              m->dport_most < UINT16_MAX;
    address_mask(r.src, r.src_mask, m->src, m->src_bits);
    address_mask(r.dst, r.dst_mask, m->dst, m->dst_bits);
    return r;
}

static int
add_rule(struct rules *rules, enum pkt_dir dir, const struct offload_match *m,
         unsigned place, uint16_t app)
{
    static const int port_of_dir[] = {OFFLOAD_PORT_INSIDE, OFFLOAD_PORT_OUTSIDE};
    if (m->in_port != OFFLOAD_PORT_ANY && m->in_port != port_of_dir[dir])
        return 0;
    struct rule rule = rule_of_match(m, place, app);
    return rules_add(rules, dir, &rule);
}

// The way back: a function that rewrites addresses knows what comes back; else the rules are
// swapped.
static int
add_outside_rules(struct rules *rules, const struct app *app, uint16_t index)
{
    for (unsigned i = app->chain.n; i-- > 0;) { // the outermost one
        const struct fn_inst *fn = app->chain.fn[i];
        struct offload_match match[OFFLOAD_MATCHES_MAX];
        unsigned n = fn->ops->outside_match
                         ? fn->ops->outside_match(fn->state, match, OFFLOAD_MATCHES_MAX)
                         : 0;
        int rc = 0;
        for (unsigned k = 0; k < n && rc == 0; k++)
            rc = add_rule(rules, PKT_OUTSIDE_IN, &match[k], k, index);
        if (rc != 0 || n > 0)
            return rc;
    }
    int rc = 0;
    for (unsigned i = 0; i < app->n_match && rc == 0; i++) {
        struct offload_match back = app->match[i];
        // A rule that names the outside port already describes what enters there.
        if (back.in_port != OFFLOAD_PORT_OUTSIDE)
            back = offload_match_swapped(&back);
        if (app->match[i].in_port == OFFLOAD_PORT_INSIDE)
            back.in_port = OFFLOAD_PORT_ANY; // its way back enters outside, and belongs to it
        rc = add_rule(rules, PKT_OUTSIDE_IN, &back, i, index);
    }
    return rc;
}

// At a card that no manager cares for, who has no allocation gets an equal share of what is left.
static struct offload_allocation
leftover_share(const struct card *card)
{
    struct offload_allocation left = {.cpu_pct = 100,
                                      .bandwidth_bps = card->capacity.bandwidth_bps,
                                      .memory_bytes = card->capacity.memory_bytes};
    unsigned n = 0;
    for (unsigned i = 0; i < card->n_apps; i++) {
        const struct app *a = card->apps[i];
        if (!a->allocated) {
            n++;
            continue;
        }
        left.cpu_pct -= a->allocation.cpu_pct;
        left.bandwidth_bps -= RTE_MIN(left.bandwidth_bps, a->allocation.bandwidth_bps);
        left.memory_bytes -= RTE_MIN(left.memory_bytes, a->allocation.memory_bytes);
    }
    if (n == 0)
        n = 1;
    left.cpu_pct = RTE_MAX(left.cpu_pct, 0) / n;
    left.bandwidth_bps /= n;
    left.memory_bytes /= n;
    left.ceiling_bps = card->capacity.bandwidth_bps;
    left.sharing = OFFLOAD_LENT;
    return left;
}

static struct snap_app
snap_app_of(const struct card *card, struct app *app, const struct offload_allocation *leftover)
{
    const struct offload_allocation *a = app->allocated ? &app->allocation : leftover;
    struct snap_app s = {.app = app, .chain = app->chain, .home = app->home};
    s.admitted = app->allocated || !card->managed;
    if (!s.admitted)
        return s;
    s.lent = a->sharing == OFFLOAD_LENT;
    s.cycles_per_s = a->cpu_pct / 100 * (double)card->capacity.cycles_per_s;
    s.bytes_per_s = (double)a->bandwidth_bps / 8;
    s.ceiling_bytes_per_s = (double)a->ceiling_bps / 8;
    s.memory_bytes = a->memory_bytes;
    s.cls = (unsigned)app->sla.sla_class;
    s.max_delay_ns = app->sla.max_delay_ns;
    s.quantum_cycles = (int64_t)(RTE_MAX(a->cpu_pct, 0.5) * QUANTUM_CYCLES_A_PCT);
    return s;
}

static void
snapshot_free(void *arg)
{
    struct snapshot *snap = arg;
    if (!snap)
        return;
    for (unsigned i = 0; i < snap->n_apps; i++)
        chain_unref(&snap->apps[i].chain);
    rules_unref(snap->rules);
    free(snap);
}

// Rules and flow cache name applications by their places.
static bool
same_apps(const struct snapshot *snap, const struct card *card)
{
    bool same = snap->n_apps == card->n_apps;
    for (unsigned i = 0; i < card->n_apps && same; i++)
        same = snap->apps[i].app == card->apps[i];
    return same;
}

static int
fill_rules(struct rules *rules, const struct card *card)
{
    int rc = 0;
    for (unsigned i = 0; i < card->n_apps && rc == 0; i++) {
        const struct app *app = card->apps[i];
        for (unsigned k = 0; k < app->n_match && rc == 0; k++)
            rc = add_rule(rules, PKT_INSIDE_OUT, &app->match[k], k, (uint16_t)i);
        if (rc == 0 && card->n_ports == 2)
            rc = add_outside_rules(rules, app, (uint16_t)i);
    }
    return rc;
}

// Compiled rules of the card's applications; those in force where they are the same, so that a
// change of allocations costs no compilation and leaves the flow cache as it is. NULL and 'err'.
static struct rules *
rules_of(const struct card *card, struct offload_err *err)
{
    struct snapshot *now = atomic_load_explicit(&card->snapshot, memory_order_relaxed);
    struct rules *rules = rules_create();
    int rc = rules ? fill_rules(rules, card) : -ENOMEM;
    if (rc == -ENOSPC)
        offload_err_set(err, rc, card->name, "use fewer rules a card",
                        "the card's applications have more than %u rules", RULES_MAX);
    else if (rc != 0)
        offload_err_set(err, rc, card->name, NULL, "out of memory for the card's rules");
    else if (now && same_apps(now, card) && rules_equal(now->rules, rules)) {
        rules_unref(rules);
        now->rules->refs++;
        return now->rules;
    } else
        rc = rules_build(rules, card->name, err);
    if (rc == 0)
        return rules;
    rules_unref(rules);
    return NULL;
}

// Which worker serves what. -EBUSY: flows are still on their way from the change before.
static int
assign(struct card *card, struct snapshot *snap, struct offload_err *err)
{
    const struct snapshot *now = atomic_load_explicit(&card->snapshot, memory_order_relaxed);
    lanes_assign(card);
    memcpy(snap->bucket, card->bucket, sizeof snap->bucket);
    snap->n_workers = card->n_workers;
    for (unsigned i = 0; i < card->n_workers; i++)
        snap->worker[i] = (uint8_t)card->workers[i];
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (card->lane[i])
            snap->lane[snap->n_lanes++] = (uint8_t)i;
    bool moved = !now || memcmp(now->bucket, snap->bucket, sizeof snap->bucket) != 0 ||
                 now->n_workers != snap->n_workers ||
                 memcmp(now->worker, snap->worker, snap->n_workers) != 0;
    for (unsigned i = 0; i < card->n_apps; i++) {
        struct app *app = card->apps[i];
        lanes_choose_home(card, app);
        moved |= app->published && app->home != app->home_published;
    }
    if (moved && !lanes_settled(card))
        return offload_err_set(err, -EBUSY, card->name, "try again in a moment",
                               "its flows are still on their way to other workers");
    snap->assignment = card->assignment + moved;
    return 0;
}

struct snapshot *
snapshot_build(struct card *card, struct offload_err *err)
{
    struct rules *rules = rules_of(card, err);
    if (!rules)
        return NULL;
    struct snapshot *snap = calloc(1, sizeof *snap + card->n_apps * sizeof snap->apps[0]);
    if (!snap) {
        rules_unref(rules);
        offload_err_set(err, -ENOMEM, card->name, NULL, "out of memory");
        return NULL;
    }
    snap->rules = rules;
    if (assign(card, snap, err) != 0) {
        snapshot_free(snap);
        return NULL;
    }
    struct offload_allocation leftover = leftover_share(card);
    snap->card_bytes_per_s = (double)card_bandwidth_bps(card) / 8;
    snap->pool_bytes_per_s = snap->card_bytes_per_s;
    snap->card_cycles_per_s = (double)card->capacity.cycles_per_s;
    snap->pool_cycles_per_s = snap->card_cycles_per_s;
    for (unsigned i = 0; i < card->n_apps; i++) {
        struct snap_app *s = &snap->apps[snap->n_apps++];
        *s = snap_app_of(card, card->apps[i], &leftover);
        for (unsigned k = 0; k < s->chain.n; k++)
            s->chain.fn[k]->refs++;
        if (!s->lent) {
            snap->pool_bytes_per_s -= s->bytes_per_s;
            snap->pool_cycles_per_s -= s->cycles_per_s;
        }
    }
    return snap;
}

void
snapshot_discard(struct snapshot *snap)
{
    snapshot_free(snap);
}

void
snapshot_commit(struct cardd *d, struct card *card, struct snapshot *snap)
{
    snap->generation = card->generation = ++d->generation;
    snap->published_cycles = rte_rdtsc();
    card->assignment = snap->assignment;
    for (unsigned i = 0; i < snap->n_apps; i++) {
        snap->apps[i].app->home_published = snap->apps[i].home;
        snap->apps[i].app->published = true;
    }
    // Pairs with the acquire in card_round(): the worker sees the snapshot whole.
    struct snapshot *old = atomic_exchange_explicit(&card->snapshot, snap, memory_order_acq_rel);
    if (old)
        defer_free(d, snapshot_free, old);
}

int
card_publish(struct cardd *d, struct card *card, struct offload_err *err)
{
    struct offload_err local;
    err = err ? err : &local;
    struct snapshot *snap = snapshot_build(card, err);
    if (!snap)
        return err->code;
    snapshot_commit(d, card, snap);
    return 0;
}

void
card_unpublish(struct cardd *d, struct card *card)
{
    defer_free(d, snapshot_free, atomic_load_explicit(&card->snapshot, memory_order_relaxed));
}

// -- Adopting: worker --

static void
set_share(struct share *s, double rate, uint64_t hz, double least, uint64_t now)
{
    bool first = s->own.last_cycles == 0;
    bucket_set(&s->own, rate, hz, RTE_MAX(rate * BURST_MS / 1000, least), now);
    if (first)
        bucket_fill(&s->own);
}

static void
set_ceiling(struct share *s, double ceiling, uint64_t hz, double least, uint64_t now)
{
    bool was_capped = s->capped;
    s->capped = true;
    bucket_set(&s->ceiling, ceiling, hz, RTE_MAX(ceiling * BURST_MS / 1000, least), now);
    if (!was_capped) {
        s->ceiling.last_cycles = now;
        bucket_fill(&s->ceiling);
    }
}

// This lane's part of what the application was given.
static void
adopt_part(struct worker *w, const struct snap_app *s, struct app_run *run)
{
    double part = (double)run->part_seen_q16 / PART_WHOLE;
    uint64_t now = w->now_cycles;
    set_share(&run->bandwidth, s->bytes_per_s * part, w->tsc_hz, BURST_LEAST_BYTES, now);
    set_share(&run->cpu, s->cycles_per_s * part, w->tsc_hz, 1, now);
    run->bandwidth.lent = run->cpu.lent = s->lent;
    if (s->lent)
        set_ceiling(&run->bandwidth, s->ceiling_bytes_per_s * part, w->tsc_hz, BURST_LEAST_BYTES,
                    now);
    else
        run->bandwidth.capped = false;
}

// Table entries of an instance that leaves the chain go with it; its destroy() on the control
// thread charges nothing.
static void
release_memory(const struct lane *lane, struct app_run *run, const struct chain *next)
{
    if (run->home_seen != lane->index)
        return; // functions that keep state run in one place
    for (unsigned i = 0; i < run->chain.n; i++) {
        struct fn_inst *fn = run->chain.fn[i];
        bool stays = false;
        for (unsigned k = 0; k < next->n; k++)
            stays |= next->fn[k]->lineage == fn->lineage;
        if (!stays && fn->ops->state_bytes)
            quota_release(&run->app->quota, fn->ops->state_bytes(fn->state));
    }
}

static void
adopt_app(struct worker *w, struct lane *lane, const struct snapshot *next, unsigned place,
          bool new_rules)
{
    const struct snap_app *s = &next->apps[place];
    struct app_run *run = lane->run[place];
    run->part_seen_q16 = atomic_load_explicit(&run->part_q16, memory_order_relaxed);
    adopt_part(w, s, run);
    release_memory(lane, run, &s->chain);
    run->chain = s->chain;
    __atomic_store_n(&run->app->quota.limit, s->memory_bytes, __ATOMIC_RELAXED);
    turns_set(&lane->turns, &run->turn, s->cls, RTE_MAX(s->quantum_cycles, 1));
    queue_bound(w, run, s->max_delay_ns);
    // What may wait is what it can be given in QUEUE_MS: where it borrows, as much as there is to
    // lend.
    double cycles_per_s = s->lent ? next->pool_cycles_per_s : s->cycles_per_s;
    double bytes_per_s = s->lent ? s->ceiling_bytes_per_s : s->bytes_per_s;
    run->queue_cpu_cycles = cycles_per_s * QUEUE_MS / 1000;
    run->queue_limit_bytes = s->admitted ? (uint64_t)(bytes_per_s * QUEUE_MS / 1000) + 1 : 0;
    if (!s->admitted)
        run->limit = DROP_ADMISSION;
    run->home_seen = s->home;
    run->seen_generation = next->generation;
    if (new_rules)
        __atomic_store_n(&run->flows, 0, __ATOMIC_RELAXED);
}

static void
drop_app(struct worker *w, struct lane *lane, struct app_run *run)
{
    struct rte_mbuf *pkts[BURST];
    uint16_t n;
    while ((n = queue_get(w, run, pkts, BURST)) > 0)
        drop_pkts(NULL, &lane->stats, DROP_NO_APP, pkts, n);
    turns_idle(&lane->turns, &run->turn);
    transmit_forget(lane, run);
}

// The card's own bucket and what it lends: each lane its part, the same for all.
static void
adopt_pools(struct worker *w, struct lane *lane, const struct snapshot *next, bool first)
{
    struct {
        struct bucket *bucket;
        double rate, least;
    } pools[] = {{&lane->pool_bandwidth, next->pool_bytes_per_s, BURST_LEAST_BYTES},
                 {&lane->pool_cpu, next->pool_cycles_per_s, 1},
                 {&lane->bandwidth, next->card_bytes_per_s, BURST_LEAST_BYTES},
                 {&lane->cpu, next->card_cycles_per_s, 1}};
    for (unsigned i = 0; i < RTE_DIM(pools); i++) {
        double rate = pools[i].rate / next->n_workers;
        bucket_set(pools[i].bucket, rate, w->tsc_hz,
                   RTE_MAX(rate * BURST_MS / 1000, pools[i].least), w->now_cycles);
        if (first)
            bucket_fill(pools[i].bucket);
    }
}

void
snapshot_adopt(struct worker *w, struct lane *lane, struct snapshot *next)
{
    struct snapshot *prev = lane->seen;
    bool new_rules = !prev || prev->rules != next->rules;
    // Those that are gone, by their old places: their memory is still there.
    struct app_run *gone[CARD_APPS_MAX];
    unsigned n_gone = prev ? prev->n_apps : 0;
    memcpy(gone, lane->run, n_gone * sizeof gone[0]);
    for (unsigned i = 0; i < next->n_apps; i++)
        lane->run[i] = next->apps[i].app->run[lane->index];
    lane->seen = next;
    lane_adopt(lane, prev, next);
    for (unsigned i = 0; i < next->n_apps; i++)
        adopt_app(w, lane, next, i, new_rules);
    for (unsigned i = 0; i < n_gone; i++)
        if (gone[i]->seen_generation != next->generation)
            drop_app(w, lane, gone[i]);
    adopt_pools(w, lane, next, !prev);
    lane->unserved_cycles = next->published_cycles;
}

void
snapshot_renew_parts(struct worker *w, struct lane *lane)
{
    for (unsigned i = 0; i < lane->seen->n_apps; i++) {
        struct app_run *run = lane->run[i];
        uint32_t part = atomic_load_explicit(&run->part_q16, memory_order_relaxed);
        if (likely(part == run->part_seen_q16))
            continue;
        run->part_seen_q16 = part;
        adopt_part(w, &lane->seen->apps[i], run);
    }
}

// -- Freeing: control thread --

// A worker keeps the snapshot that it has adopted from round to round, until it has compared it
// with the next one. So one grace period says only that no round is left that began before the
// change; the round after it adopts, and when that has ended too, nothing old is in hand.
struct deferred {
    struct deferred *next; // tokens rise along the list
    uint64_t token;
    bool again; // in its second grace period
    void (*fn)(void *);
    void *arg;
};

static void
defer_until_quiescent(struct cardd *d, struct deferred *item)
{
    struct deferred **end = &d->deferred;
    item->next = NULL;
    item->token = rte_rcu_qsbr_start(d->qsbr);
    while (*end)
        end = &(*end)->next;
    *end = item;
}

void
defer_free(struct cardd *d, void (*fn)(void *), void *arg)
{
    struct deferred *item = malloc(sizeof *item);
    if (!item) { // rather wait for the workers than leak or crash
        rte_rcu_qsbr_synchronize(d->qsbr, RTE_QSBR_THRID_INVALID);
        rte_rcu_qsbr_synchronize(d->qsbr, RTE_QSBR_THRID_INVALID);
        fn(arg);
        return;
    }
    *item = (struct deferred){.fn = fn, .arg = arg};
    defer_until_quiescent(d, item);
}

void
defer_run(struct cardd *d)
{
    while (d->deferred && rte_rcu_qsbr_check(d->qsbr, d->deferred->token, false) == 1) {
        struct deferred *item = d->deferred;
        d->deferred = item->next;
        if (!item->again) {
            item->again = true;
            defer_until_quiescent(d, item);
            continue;
        }
        item->fn(item->arg);
        free(item);
    }
}
