// SPDX-License-Identifier: Apache-2.0
// What offload-cardd's shares, bounds and changes are worth, measured on its own objects in one
// process: the worker runs as it does in the daemon, on the last core; the control thread reads its
// counters, and serves the card API to a client thread. Packets come from a source that stands in
// for a port's receive function: at a rate by the cycle counter, into a ring of a port's length, so
// that what a slow worker loses is counted, or as many as are asked for. One JSON object a line
// (doc/benchmarks.md). usage: shares EAL... -- RUNDIR [long|short [PART]]
#include "dpdk-app/cardd.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/port.h"
#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"
#include "lib/io/client_blocking.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_sched.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RING = 1024, MBUFS = 16384, MBUF_BYTES = 9216 + 128, TIMES = 1 << 16 };

static void
die(const char *what, const struct offload_err *err)
{
    char line[800] = "";
    fprintf(stderr, "shares: %s: %s\n", what,
            err ? offload_err_format(err, line, sizeof line) : "");
    exit(1);
}

static void
report(const char *metric, double ours, const char *peer, double theirs)
{
    if (peer)
        printf("{\"bench\":\"dataplane\",\"metric\":\"%s\",\"ours\":%.4g,\"peer\":\"%s\","
               "\"theirs\":%.4g,"
               "\"ratio\":%.3f}\n",
               metric, ours, peer, theirs, ours / theirs);
    else
        printf("{\"bench\":\"dataplane\",\"metric\":\"%s\",\"ours\":%.4g,\"peer\":null,\"theirs\":"
               "null,"
               "\"ratio\":null}\n",
               metric, ours);
    fflush(stdout);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
quantile(double *values, size_t n, double q)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, by_value);
    size_t at = (size_t)(q * (double)n);
    return values[at < n ? at : n - 1];
}

// -- The source: in place of a port's receive function; runs on the worker --

static struct source {
    // Writer: control thread, relaxed.
    uint64_t rate_pps;            // 0: as many as are asked for
    uint64_t bytes, n_apps, mute; // application that is silent
    uint64_t
        cheap; // all but one of so many packets are of applications with even numbers; 0: turns
    uint64_t hz, epoch_cycles; // rates count from here
    struct rte_mempool *pool;
    // Owner: the worker; read by control, relaxed.
    uint64_t due, given, missed, sequence;
    uint64_t seen_epoch;
} source;

static void
fill(struct rte_mbuf *pkt, uint64_t app, uint64_t bytes)
{
    uint8_t *p = rte_pktmbuf_mtod(pkt, uint8_t *);
    static const uint8_t head[34] = {2, 0xf, 0xf1, 0, 0, 1, 2,  0xf, 0xf1, 0, 0,  2,
                                     8, 0,   0x45, 0, 0, 0, 0,  0,   0,    0, 64, 17,
                                     0, 0,   10,   0, 0, 1, 10, 1,   0,    0};
    uint16_t ip_bytes = (uint16_t)(bytes - 14), udp_bytes = (uint16_t)(ip_bytes - 20);
    memcpy(p, head, sizeof head);
    p[16] = (uint8_t)(ip_bytes >> 8), p[17] = (uint8_t)ip_bytes;
    p[32] = (uint8_t)(app / 250), p[33] = (uint8_t)(app % 250 + 1);
    p[34] = 0x27, p[35] = 0x10, p[36] = 0, p[37] = 53;
    p[38] = (uint8_t)(udp_bytes >> 8), p[39] = (uint8_t)udp_bytes, p[40] = p[41] = 0;
    pkt->data_len = (uint16_t)bytes;
    pkt->pkt_len = (uint32_t)bytes;
}

static uint16_t
source_rx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
    struct source *s = &source;
    (void)queue;
    uint64_t rate = count_get(&s->rate_pps), epoch = count_get(&s->epoch_cycles);
    if (epoch != s->seen_epoch) {
        s->seen_epoch = epoch;
        s->due = 0;
    }
    if (rate > 0) {
        uint64_t now = rte_rdtsc();
        uint64_t should =
            now > epoch ? (uint64_t)((unsigned __int128)(now - epoch) * rate / s->hz) : 0;
        uint64_t waits = should - s->due;
        if (waits > RING) {
            count_add(&s->missed, waits - RING);
            s->due += waits - RING;
            waits = RING;
        }
        n = (uint16_t)RTE_MIN(waits, (uint64_t)n);
    }
    uint64_t apps = count_get(&s->n_apps), mute = count_get(&s->mute), bytes = count_get(&s->bytes);
    if (n == 0 || apps == 0 || rte_pktmbuf_alloc_bulk(s->pool, pkts, n) != 0)
        return 0;
    for (uint16_t i = 0; i < n; i++) {
        uint64_t app = s->sequence++ % apps;
        if (app == mute)
            app = s->sequence++ % apps;
        if (s->cheap > 0)
            app = app / 2 * 2 + (s->sequence / apps % s->cheap == 0);
        fill(pkts[i], app, bytes);
    }
    s->due += n;
    count_add(&s->given, n);
    return n;
}

// -- What leaves: counted away; while 'watching', when --

static struct sink {
    bool watching;
    uint32_t n;
    struct {
        uint64_t cycles;
        uint32_t app, pkts;
    } at[TIMES];
} sink;

static uint16_t
sink_tx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
    (void)queue;
    if (__atomic_load_n(&sink.watching, __ATOMIC_ACQUIRE)) {
        uint64_t now = rte_rdtsc();
        for (uint16_t i = 0; i < n && sink.n < TIMES; i++) {
            const uint8_t *p = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
            sink.at[sink.n].cycles = now;
            sink.at[sink.n].app = (uint32_t)(p[32] * 250 + p[33] - 1);
            __atomic_store_n(&sink.n, sink.n + 1, __ATOMIC_RELEASE);
        }
    }
    rte_pktmbuf_free_bulk(pkts, n);
    return n;
}

static uint16_t
nothing(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
    (void)queue, (void)pkts, (void)n;
    return 0;
}

// -- The daemon, without its main() --

static struct cardd d;

// Other work on the machine shall not be measured: where the kernel lets it, the worker is of the
// real-time class. (The kernel keeps a twentieth of each second for others; such windows are left
// out.)
static int
prefer(void *unused)
{
    (void)unused;
    struct sched_param param = {.sched_priority = 1};
    return pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
}

static void
start(const char *rundir)
{
    struct offload_err err;
    snprintf(d.config.rundir, sizeof d.config.rundir, "%s", rundir);
    snprintf(d.config.state_dir, sizeof d.config.state_dir, "%s", rundir);
    d.config.mbufs = MBUFS;
    d.config.mbuf_bytes = MBUF_BYTES;
    d.config.n_workers = 1;
    d.configured = json_object_new_array();
    d.pool = rte_pktmbuf_pool_create("offload_pkts", MBUFS, 256, PKT_PRIV_BYTES, MBUF_BYTES,
                                     SOCKET_ID_ANY);
    d.pkt_bytes = sizeof(struct rte_mbuf) + PKT_PRIV_BYTES + MBUF_BYTES;
    d.tsc_hz = rte_get_tsc_hz();
    d.base = event_base_new();
    d.qsbr = rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE);
    if (!d.pool || !d.base || !d.qsbr || rte_rcu_qsbr_init(d.qsbr, 1) != 0)
        die("no memory", NULL);
    d.workers[0] = worker_create(0, 1, d.tsc_hz, 0, d.pkt_bytes, d.qsbr);
    d.n_workers = 1;
    if (rte_eal_remote_launch(prefer, NULL, 1) != 0 || rte_eal_wait_lcore(1) != 0)
        fprintf(stderr, "# no real-time class: other work is measured too\n");
    if (!d.workers[0] || rte_eal_remote_launch(worker_main, d.workers[0], 1) != 0)
        die("no worker", NULL);
    char path[PLAN_PATH_MAX];
    plan_path(&d, path);
    if (plan_file_start(&d, path, &err) != 0 || api_start(&d, &err) != 0)
        die("API", &err);
}

static struct card *
add_card(double cycles_per_s)
{
    static unsigned number;
    char text[400];
    struct offload_err err;
    number++;
    snprintf(text, sizeof text,
             "{\"card\":\"card%u\",\"ports\":[{\"devargs\":\"net_null%u\"},{\"devargs\":\"net_null%"
             "u,no-rx=1\"}],"
             "\"flow_entries\":8192,\"capacity\":{\"bandwidth_bps\":400000000000,\"memory_bytes\":"
             "100000000000,"
             "\"cycles_per_s\":%.0f}}",
             number, number * 2, number * 2 + 1, cycles_per_s);
    struct json_object *given = json_tokener_parse(text);
    source.n_apps = 0; // until all is in place
    struct card *card = card_create(&d, given, "", &err);
    if (!card)
        die("card", &err);
    json_object_put(given);
    while (!card_is_up(card))
        usleep(1000);
    for (unsigned i = 0; i < 2; i++) {
        struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[card->ports[i].id];
        ops->rx_pkt_burst = i == 0 ? source_rx : nothing;
        ops->tx_pkt_burst = sink_tx;
    }
    return card;
}

static unsigned app_memory = 50000000; // bytes, of the applications that are added

static struct app *
add_app(struct card *card, unsigned number, double cycles_per_byte, double cpu_pct, uint64_t bps,
        uint64_t ceiling_bps, bool lent)
{
    char name[32], match[200], chain[120], share[300];
    struct offload_err err;
    snprintf(name, sizeof name, "a%u", number);
    snprintf(match, sizeof match, "[{\"dst\":\"10.1.%u.%u\",\"proto\":\"udp\",\"dport\":53}]",
             number / 250, number % 250 + 1);
    if (cycles_per_byte > 0)
        snprintf(chain, sizeof chain, "[{\"fn\":\"burn\",\"params\":{\"cycles_per_byte\":%g}}]",
                 cycles_per_byte);
    else
        snprintf(chain, sizeof chain, "[{\"fn\":\"forward\"}]");
    snprintf(share, sizeof share,
             "{\"cpu_pct\":%g,\"bandwidth_bps\":%llu,\"ceiling_bps\":%llu,\"memory_bytes\":"
             "%u,\"sharing\":\"%s\"}",
             cpu_pct, (unsigned long long)bps, (unsigned long long)ceiling_bps, app_memory,
             lent ? "lent" : "reserved");
    struct json_object *m = json_tokener_parse(match), *c = json_tokener_parse(chain),
                       *s = json_tokener_parse(share);
    struct app *app = app_create(&d, card, name, m, c, NULL, s, "", &err);
    if (!app)
        die(name, &err);
    card->apps[card->n_apps++] = app; // in force with put_in_force()
    json_object_put(m), json_object_put(c), json_object_put(s);
    return app;
}

static void
put_in_force(struct card *card)
{
    struct offload_err err;
    if (card_publish(&d, card, &err) != 0)
        die("applications", &err);
}

static void
remove_card(struct card *card)
{
    struct offload_err err;
    source.n_apps = 0;
    while (card->n_apps > 0)
        if (app_detach(&d, card->apps[card->n_apps - 1], &err) != 0)
            die("detach", &err);
    card_remove(&d, card);
    while (d.deferred) {
        defer_run(&d);
        usleep(1000);
    }
}

static void
feed(uint64_t n_apps, uint64_t bytes, uint64_t rate_pps)
{
    source.bytes = bytes;
    source.mute = UINT64_MAX;
    __atomic_store_n(&source.rate_pps, rate_pps, __ATOMIC_RELAXED);
    __atomic_store_n(&source.epoch_cycles, rte_rdtsc(), __ATOMIC_RELAXED);
    __atomic_store_n(&source.n_apps, n_apps, __ATOMIC_RELEASE);
}

static void
wait_cycles(uint64_t until)
{
    while (rte_rdtsc() < until)
        rte_pause();
}

// -- Shares of cycles --

// 64 applications, all overloaded, a packet's cost 800 and 40,000 cycles, shares 1 to 2 %; what
// each got of what all got in 10 ms, less one dearest packet.
static void
bench_share(unsigned windows)
{
    enum { APPS = 64, BYTES = 64 };
    static const double cheap = 800.0 / BYTES, dear = 40000.0 / BYTES;
    struct card *card = add_card(0);
    struct app *app[APPS];
    app_memory = 2000000; // all together no more than the packet buffers that there are
    double pct[APPS], sum_pct = 0;
    for (unsigned i = 0; i < APPS; i++) {
        pct[i] = 1 + (i * 7 % 11) * 0.1;
        sum_pct += pct[i];
    }
    for (unsigned i = 0; i < APPS; i++) {
        pct[i] *= 98 / sum_pct;
        app[i] = add_app(card, i, i % 2 ? dear : cheap, pct[i], 4000000000, 4000000000, false);
    }
    app_memory = 50000000;
    double *errors = calloc((size_t)windows * APPS, sizeof *errors), unpardoned = 0;
    size_t n = 0;
    put_in_force(card);
    source.cheap = 40;
    feed(APPS, BYTES, 3000000);
    usleep(300000);
    uint64_t at = rte_rdtsc(), before[APPS], now[APPS];
    unsigned done = 0;
    for (unsigned tries = 0; done < windows && tries < windows * 10; tries++) {
        uint64_t sums[2], preempted = count_get(&card->lane[0]->preempted);
        for (unsigned half = 0; half < 2; half++) {
            uint64_t start_cycles = rte_rdtsc(), *to = half ? now : before;
            sums[half] = 0;
            for (unsigned i = 0; i < APPS; i++)
                sums[half] += to[i] = count_get(&app[i]->run[0]->stats.cycles);
            if (rte_rdtsc() - start_cycles > d.tsc_hz / 1000000 * 40)
                sums[half] = UINT64_MAX; // the reader was held up
            if (half == 0)
                wait_cycles(at = rte_rdtsc() + d.tsc_hz / 100);
        }
        if (sums[0] == UINT64_MAX || sums[1] == UINT64_MAX ||
            count_get(&card->lane[0]->preempted) != preempted ||
            rte_rdtsc() - at > d.tsc_hz / 1000000 * 60)
            continue;
        double all = (double)(sums[1] - sums[0]);
        if (all <
            (double)d.tsc_hz / 200) // the worker had its core for less than half of the window
            continue;
        done++;
        for (unsigned i = 0; i < APPS; i++) {
            double due = all * pct[i] / 98, got = (double)(now[i] - before[i]);
            double off = fabs(got - due);
            unpardoned = fmax(unpardoned, off / due * 100);
            errors[n++] = fmax(off - dear * BYTES, 0) / due * 100;
        }
    }
    fprintf(stderr, "# share: %u windows; worst without a packet's pardon %.2f %%\n", done,
            unpardoned);
    report("share_error_pct", quantile(errors, n, 0.99), NULL, 0);
    source.cheap = 0;
    free(errors);
    remove_card(card);
}

// -- Bandwidth --

static void
bench_bandwidth(double seconds)
{
    static const uint64_t sizes[] = {64, 128, 256, 512, 1024, 1518, 4096, 9000};
    enum { BPS = 400000000 };
    double worst = 0;
    for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
        struct card *card = add_card(1e11);
        struct app *app = add_app(card, 0, 0, 50, BPS, BPS, false);
        put_in_force(card);
        feed(1, sizes[i], BPS / 8 / sizes[i] * 2);
        usleep(200000);
        uint64_t t0 = rte_rdtsc(), b0 = count_get(&app->run[0]->stats.delivered_bytes);
        usleep((useconds_t)(seconds * 1e6));
        uint64_t t1 = rte_rdtsc(), b1 = count_get(&app->run[0]->stats.delivered_bytes);
        double bps = (double)(b1 - b0) * 8 * (double)d.tsc_hz / (double)(t1 - t0);
        double error = fabs(bps - BPS) / BPS * 100;
        fprintf(stderr, "# bandwidth: %llu bytes: %.4f %%\n", (unsigned long long)sizes[i], error);
        worst = fmax(worst, error);
        remove_card(card);
    }
    report("bandwidth_error_pct", worst, NULL, 0);
}

// -- Lending --

// Two that may borrow from each other, half of a tenth of the core each. From the last packet of
// the one that falls silent until the other is served as both were.
static void
bench_lend(unsigned times)
{
    double *delays = calloc(times, sizeof *delays), cycles_per_s = (double)d.tsc_hz / 10;
    size_t n = 0;
    struct card *card = add_card(cycles_per_s);
    struct app *a = add_app(card, 0, 10, 50, 4000000000, 40000000000, true);
    add_app(card, 1, 10, 50, 4000000000, 40000000000, true);
    put_in_force(card);
    for (unsigned i = 0; i < times; i++) {
        feed(2, 64, 2000000);
        usleep(60000);
        sink.n = 0;
        __atomic_store_n(&sink.watching, true, __ATOMIC_RELEASE);
        usleep(1000);
        __atomic_store_n(&source.mute, 1, __ATOMIC_RELAXED);
        usleep(60000); // its queue empties within 50 ms
        __atomic_store_n(&sink.watching, false, __ATOMIC_RELEASE);
        usleep(1000);
        uint32_t last = 0, end = sink.n;
        for (uint32_t k = 0; k < end; k++)
            if (sink.at[k].app == 1)
                last = k;
        // From when on it has, over 4 ms, nine tenths of what both together had.
        double per_pkt = (double)(a->run[0]->cost_pkt_q8 + card->lane[0]->overhead_pkt_q8) / 256;
        uint32_t both = (uint32_t)(cycles_per_s / 250 / per_pkt * 0.9);
        bool stood = false; // the worker's core was taken away
        for (uint32_t k = last + 1; k < end && k < last + both && !stood; k++)
            stood = sink.at[k].cycles - sink.at[k - 1].cycles > d.tsc_hz / 1000;
        for (uint32_t k = last; k + both < end && !stood; k++)
            if (sink.at[k + both].cycles - sink.at[k].cycles <= d.tsc_hz / 250) {
                delays[n++] =
                    (double)(sink.at[k].cycles - sink.at[last].cycles) * 1e6 / (double)d.tsc_hz;
                break;
            }
    }
    fprintf(stderr, "# lend: %zu of %u times; P50 %.1f us\n", n, times, quantile(delays, n, 0.5));
    report("lend_p99_us", n < times / 2 ? NAN : quantile(delays, n, 0.99), NULL, 0);
    free(delays);
    remove_card(card);
}

// -- Changes --

struct client {
    unsigned changes;
    bool poll; // statistics besides
    double *rpc_us;
    atomic_bool done;
    char path[108], card[64];
};

static void *
client_main(void *arg)
{
    struct client *c = arg;
    struct rpc_client *client = rpc_client_create(c->path, 2000);
    struct offload_err err;
    for (unsigned i = 0; i < c->changes; i++) {
        char text[600];
        snprintf(text, sizeof text,
                 "{\"term\":1,\"plan\":%u,\"allocations\":[{\"card\":\"%s\",\"app\":\"a0\",\"cpu_"
                 "pct\":%u,"
                 "\"bandwidth_bps\":100000000000,\"memory_bytes\":50000000},{\"card\":\"%s\","
                 "\"app\":\"a1\",\"cpu_pct\":%u,"
                 "\"bandwidth_bps\":100000000000,\"memory_bytes\":50000000}]}",
                 i, c->card, 40 + i % 10, c->card, 49 - i % 10);
        struct json_object *params = json_tokener_parse(text);
        uint64_t start_cycles = rte_rdtsc();
        if (rpc_client_call(client, "allocation.set", params, NULL, &err) != 0)
            die("allocation.set", &err);
        c->rpc_us[i] = (double)(rte_rdtsc() - start_cycles) * 1e6 / (double)d.tsc_hz;
        if (c->poll && i % 10 == 0 &&
            (rpc_client_call(client, "card.list", NULL, NULL, &err) != 0 ||
             rpc_client_call(client, "app.list", NULL, NULL, &err) != 0))
            die("statistics", &err);
    }
    rpc_client_destroy(client);
    atomic_store_explicit(&c->done, true, memory_order_release);
    return NULL;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    defer_run(&d);
    for (unsigned i = 0; i < d.n_cards; i++)
        lanes_split(d.cards[i]);
    struct client *c = arg;
    if (atomic_load_explicit(&c->done, memory_order_acquire))
        event_base_loopbreak(d.base);
}

static uint64_t
drops_of(const struct card *card)
{
    struct stats s;
    uint64_t n = 0;
    card_stats(card, &s);
    for (unsigned i = 0; i < DROP_CAUSES; i++)
        n += s.drops[i];
    return n;
}

// Of five tries, the best says whether the card keeps up: others may have had the core in the
// others.
static bool
keeps_up(uint64_t rate_pps)
{
    for (unsigned i = 0; i < 5; i++) {
        feed(2, 64, rate_pps);
        usleep(2000);
        uint64_t missed = count_get(&source.missed);
        usleep(20000);
        if (count_get(&source.missed) == missed)
            return true;
    }
    return false;
}

static double
serve_client(struct client *c)
{
    static const struct timeval every = {.tv_usec = 10000};
    pthread_t thread;
    struct event *tick = event_new(d.base, -1, EV_PERSIST, on_tick, c);
    atomic_store_explicit(&c->done, false, memory_order_relaxed);
    event_add(tick, &every);
    uint64_t start_cycles = rte_rdtsc();
    if (pthread_create(&thread, NULL, client_main, c) != 0)
        die("no thread", NULL);
    event_base_dispatch(d.base);
    pthread_join(thread, NULL);
    event_free(tick);
    return (double)(rte_rdtsc() - start_cycles) / (double)d.tsc_hz;
}

static void
bench_changes(unsigned changes)
{
    struct card *card = add_card(1e11);
    add_app(card, 0, 0, 45, 100000000000, 100000000000, false);
    add_app(card, 1, 0, 45, 100000000000, 100000000000, false);
    put_in_force(card);
    uint64_t least = 100000, most = 30000000;
    while (most - least > least / 50) {
        uint64_t middle = (least + most) / 2;
        if (keeps_up(middle))
            least = middle;
        else
            most = middle;
    }
    struct client c = {.changes = changes, .rpc_us = calloc(changes, sizeof(double))};
    snprintf(c.path, sizeof c.path, "%s/cardd.sock", d.config.rundir);
    snprintf(c.card, sizeof c.card, "%s", card->name);
    feed(2, 64, least / 10 * 9);
    usleep(50000);
    // Before the changes, the same time without: what is missed then is the machine's.
    uint64_t missed = count_get(&source.missed), drops = drops_of(card);
    histogram_clear(&card->lane[0]->publish_delay);
    double seconds = serve_client(&c);
    uint64_t with = count_get(&source.missed) - missed;
    missed = count_get(&source.missed);
    usleep((useconds_t)(seconds * 1e6));
    uint64_t without = count_get(&source.missed) - missed;
    double publish_us =
        (double)cycles_to_ns(&d, histogram_quantile(&card->lane[0]->publish_delay, 0.99)) / 1e3;
    report("allocation_publish_p99_us", publish_us, NULL, 0);
    report("allocation_rpc_p99_us", quantile(c.rpc_us, changes, 0.99), NULL, 0);
    c.poll = true;
    serve_client(&c);
    report("changes_lost_pkts", (double)(drops_of(card) - drops), NULL, 0);
    fprintf(stderr,
            "# changes: %u and %u in %.2f s each at %.2f Mpps; RPC P50 %.0f us; in front of the "
            "card missed %llu"
            " with changes, %llu without, in the same time\n",
            changes, changes, seconds, (double)least * 0.9 / 1e6, quantile(c.rpc_us, changes, 0.5),
            (unsigned long long)with, (unsigned long long)without);
    free(c.rpc_us);
    remove_card(card);
}

// -- Cost of admission and scheduling --

enum { MANY = 1024, SCHED_BURST = 32, SCHED_ROUNDS = 20000 };

// On this thread, with a lane that no worker has: bursts of 32 packets of as many applications
// wait, and are served in turn, by an empty way out.
static double
our_cycles(void)
{
    struct card *card = add_card(1e12);
    for (unsigned i = 0; i < MANY; i++)
        add_app(card, i, 0, 99.0 / MANY, 100000000, 100000000, false);
    put_in_force(card);
    usleep(200000);
    atomic_store_explicit(&d.workers[0]->stop, true, memory_order_relaxed);
    rte_eal_wait_lcore(1);
    struct worker *w = d.workers[0];
    struct lane *lane = card->lane[0];
    struct rte_mbuf *pkts[SCHED_BURST];
    uint64_t best = UINT64_MAX;
    for (unsigned rep = 0; rep < 5; rep++) {
        uint64_t sum = 0;
        for (unsigned round = 0, app = 0; round < SCHED_ROUNDS; round++) {
            if (rte_pktmbuf_alloc_bulk(d.pool, pkts, SCHED_BURST) != 0)
                die("no packets", NULL);
            for (unsigned i = 0; i < SCHED_BURST; i++) {
                fill(pkts[i], i, 64);
                *pkt_meta(pkts[i]) =
                    (struct pkt_meta){.wire_bytes = 64, .arrival_cycles = rte_rdtsc()};
            }
            uint64_t start_cycles = rte_rdtsc();
            w->now_cycles = start_cycles;
            // As the worker does it with a burst of many applications (worker.c: flush_gathered).
            for (unsigned i = 0; i < SCHED_BURST; i++, app = (app + 389) % MANY) {
                if (i + PREFETCH_FAR < SCHED_BURST)
                    app_run_prefetch(lane->run[(app + PREFETCH_FAR * 389) % MANY]);
                if (i + PREFETCH_NEAR < SCHED_BURST)
                    app_run_prefetch_beyond(lane->run[(app + PREFETCH_NEAR * 389) % MANY]);
                queue_put(w, lane, lane->run[app], &pkts[i], 1);
            }
            while (lane->turns.n_active > 0)
                schedule_run(w, lane);
            sum += rte_rdtsc() - start_cycles;
            transmit_flush(w, lane);
        }
        best = RTE_MIN(best, sum);
    }
    return (double)best / SCHED_ROUNDS / SCHED_BURST;
}

static double
sched_cycles(void)
{
    static struct rte_sched_pipe_params pipe = {.tb_rate = 12500000000,
                                                .tb_size = 1000000,
                                                .tc_rate = {[0 ... 12] = 12500000000},
                                                .tc_period = 40,
                                                .tc_ov_weight = 1,
                                                .wrr_weights = {1, 1, 1, 1}};
    static struct rte_sched_subport_profile_params profile = {.tb_rate = 12500000000,
                                                              .tb_size = 1000000,
                                                              .tc_rate = {[0 ... 12] = 12500000000},
                                                              .tc_period = 10};
    struct rte_sched_subport_params subport = {.n_pipes_per_subport_enabled = MANY,
                                               .pipe_profiles = &pipe,
                                               .n_pipe_profiles = 1,
                                               .n_max_pipe_profiles = 1};
    for (unsigned i = 0; i < RTE_DIM(subport.qsize); i++)
        subport.qsize[i] = 64;
    struct rte_sched_port_params params = {.name = "sched",
                                           .socket = 0,
                                           .rate = 12500000000,
                                           .mtu = 1522,
                                           .frame_overhead = 24,
                                           .n_subports_per_port = 1,
                                           .subport_profiles = &profile,
                                           .n_subport_profiles = 1,
                                           .n_max_subport_profiles = 1,
                                           .n_pipes_per_subport = MANY};
    struct rte_sched_port *port = rte_sched_port_config(&params);
    if (!port || rte_sched_subport_config(port, 0, &subport, 0) != 0)
        return NAN;
    for (unsigned i = 0; i < MANY; i++)
        if (rte_sched_pipe_config(port, 0, i, 0) != 0)
            return NAN;
    struct rte_mbuf *pkts[SCHED_BURST];
    uint64_t best = UINT64_MAX;
    for (unsigned rep = 0; rep < 5; rep++) {
        uint64_t sum = 0, packets = 0;
        for (unsigned round = 0, app = 0; round < SCHED_ROUNDS; round++) {
            if (rte_pktmbuf_alloc_bulk(d.pool, pkts, SCHED_BURST) != 0)
                die("no packets", NULL);
            for (unsigned i = 0; i < SCHED_BURST; i++) {
                fill(pkts[i], i, 64);
                rte_sched_port_pkt_write(port, pkts[i], 0, app, 12, 0, RTE_COLOR_GREEN);
                app = (app + 389) % MANY;
            }
            uint64_t start_cycles = rte_rdtsc();
            rte_sched_port_enqueue(port, pkts, SCHED_BURST);
            int got = rte_sched_port_dequeue(port, pkts, SCHED_BURST);
            sum += rte_rdtsc() - start_cycles;
            packets += SCHED_BURST;
            rte_pktmbuf_free_bulk(pkts, (unsigned)got);
            while ((got = rte_sched_port_dequeue(port, pkts, SCHED_BURST)) > 0)
                rte_pktmbuf_free_bulk(pkts, (unsigned)got);
        }
        best = RTE_MIN(best, sum * SCHED_ROUNDS * SCHED_BURST / packets);
    }
    rte_sched_port_free(port);
    return (double)best / SCHED_ROUNDS / SCHED_BURST;
}

static void
bench_schedule(void)
{
    prefer(NULL);
    double theirs = sched_cycles();
    report("schedule_vs_rte_sched", our_cycles(), "DPDK 22.11 rte_sched, 1024 pipes", theirs);
}

int
main(int argc, char **argv)
{
    setpriority(PRIO_PROCESS, 0, -19); // other work on the machine shall not be measured
    int used = rte_eal_init(argc, argv);
    if (used < 0 || argc - used < 2)
        return 2;
    argv += used;
    bool is_long = argc - used > 2 && strcmp(argv[2], "long") == 0;
    start(argv[1]);
    source.pool = d.pool;
    source.hz = d.tsc_hz;
    static const char *const parts[] = {"share", "bandwidth", "lend", "changes", "schedule"};
    const char *only = argc - used > 3 ? argv[3] : NULL;
    for (unsigned i = 0; i < RTE_DIM(parts); i++) {
        if (only && strcmp(only, parts[i]) != 0)
            continue;
        if (i == 0)
            bench_share(is_long ? 1000 : 100);
        else if (i == 1)
            bench_bandwidth(is_long ? 1 : 0.3);
        else if (i == 2)
            bench_lend(is_long ? 300 : 30);
        else if (i == 3)
            bench_changes(is_long ? 10000 : 1000);
        else
            bench_schedule();
    }
    _exit(0); // the worker has ended before its card: nothing is left to take down in order
}
