// SPDX-License-Identifier: Apache-2.0
// Flow telemetry: counts packets and bytes of each flow, and tells a collector by IPFIX (RFC 7011)
// over UDP. Changes and drops no packet.
// classify -> admit -> schedule -> [ipfix] -> transmit.  The worker counts; what has ended, or was
// not told for a while, goes by a ring to the main thread, which alone has the socket. A flow that
// the ring has no room for is told later; one that the table has no room for is not told.
#include "dpdk-app/functions/fn_state.h"
#include "dpdk-app/functions/ipfix.h"
#include "dpdk-app/functions/rewrite.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTRY_BYTES = 80,
    RING_RECORDS = 8192, // on their way to the main thread
    ENDED_S = 2,         // a flow with FIN or RST ends so long after
    MESSAGES_MOST = 64,  // sent in one turn of the main thread
};

// flow.user[0]: all TCP flags seen; user[1]: direction.
struct flow {
    struct flow_head flow;
    struct pkt_key key;
    uint64_t packets, bytes;                 // since it was last told
    uint64_t start_cycles, end_cycles;       // of these
    uint64_t told_cycles;                    // when it was last told, or began
    uint64_t pad[2];
};
static_assert(sizeof(struct flow) == 128, "two cache lines");
static_assert(sizeof(struct pkt_key) == 40, "hashes and compares by words");

static const uint64_t AGE_MOST_NS = 86400000000000; // of a flow on its way

static const struct flow_layout layout = {
    .entry_bytes = sizeof(struct flow),
    .n_keys = 1,
    .key = {{offsetof(struct flow, key), sizeof(struct pkt_key)}},
};

struct ipfix_params {
    char collector[64];
    uint64_t port, domain, active_timeout_s, idle_timeout_s, template_refresh_s, max_entries;
};

// One flow on its way to the main thread; times still in cycles.
struct told {
    struct ipfix_record record;
    uint64_t start_cycles, end_cycles;
};

struct ipfix {
    struct fn_state state;
    uint64_t active_cycles, idle_cycles, ended_cycles;
    // Owner: the worker.
    uint32_t sweep;
    // Writer of 'tail': the worker; of 'head': the main thread.
    struct told *ring;
    _Atomic uint32_t tail __rte_cache_aligned;
    _Atomic uint32_t head __rte_cache_aligned;
    // Owner: the main thread.
    int socket;
    uint32_t domain, sequence;
    uint64_t refresh_s, refreshed_s;
    struct ipfix_message message;
};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct ipfix_params, f), .size = sizeof(((struct ipfix_params *)0)->f)
#define NUMBER(f, low, high, initial, of, text)                                                    \
    {                                                                                              \
        .key = #f, .type = OFFLOAD_OPT_U64, PARAM(f), .least = low, .most = high,                  \
        .default_text = initial, .unit = of, .help = text                                          \
    }

static const struct offload_opt ipfix_options[] = {
    {.key = "collector",
     .type = OFFLOAD_OPT_STRING,
     PARAM(collector),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "IPv4 or IPv6 address of the collector"},
    NUMBER(port, 1, 65535, "4739", NULL, "its UDP port"),
    NUMBER(domain, 0, 4294967295.0, "1", NULL, "observation domain, which tells cards apart"),
    NUMBER(active_timeout_s, 1, 86400, "120", "s", "a flow that goes on is told so often"),
    NUMBER(idle_timeout_s, 1, 86400, "15", "s", "a flow ends so long after its last packet"),
    NUMBER(template_refresh_s, 1, 86400, "60", "s", "templates are sent so often"),
    NUMBER(max_entries, 1, 1 << 22, "131072", NULL, "flows at most, within the memory quota"),
    OFFLOAD_OPT_END,
};

static int
open_socket(const struct ipfix_params *p, struct offload_err *err)
{
    char port[8];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM};
    struct addrinfo *to;
    snprintf(port, sizeof port, "%u", (unsigned)p->port);
    if (getaddrinfo(p->collector, port, &hints, &to) != 0)
        return offload_err_set(err, -EINVAL, "collector", "use an IPv4 or IPv6 address",
                               "'%s' is no address", p->collector);
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) != 0 ? -errno : fd;
    if (rc < 0) {
        offload_err_set(err, rc, "collector", "name one that this host has a route to",
                        "cannot send to %s port %s: %s", p->collector, port, strerror(-rc));
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(to);
    return rc;
}

static uint32_t
ring_room(const struct ipfix *x)
{
    // Pairs with the release in drain(): the main thread has read what lay in these places.
    uint32_t head = atomic_load_explicit(&x->head, memory_order_acquire);
    return RING_RECORDS - (atomic_load_explicit(&x->tail, memory_order_relaxed) - head);
}

// There is room. What was told is forgotten.
static void
tell(struct ipfix *x, const struct flow *f, uint8_t reason)
{
    uint32_t tail = atomic_load_explicit(&x->tail, memory_order_relaxed);
    x->ring[tail % RING_RECORDS] = (struct told){.record = {.key = f->key,
                                                            .packets = f->packets,
                                                            .bytes = f->bytes,
                                                            .dir = f->flow.user[1],
                                                            .reason = reason,
                                                            .tcp_flags = f->flow.user[0]},
                                                 .start_cycles = f->start_cycles,
                                                 .end_cycles = f->end_cycles};
    // Pairs with the acquire in drain(): the record is whole before it is seen.
    atomic_store_explicit(&x->tail, tail + 1, memory_order_release);
}

// Only called by tick, which has made sure of the room, and by destroy and import, where nobody is
// told.
static void
on_remove(void *ctx, const struct flow_head *entry)
{
    struct ipfix *x = ctx;
    const struct flow *f = (const struct flow *)entry;
    if (f->packets > 0 && ring_room(x) > 0)
        tell(x, f, f->flow.user[0] & 0x05 ? IPFIX_END : IPFIX_IDLE);
}

// -- Main thread --

static void
send_message(struct ipfix *x)
{
    size_t n = ipfix_end(&x->message);
    // A collector that is away loses what it was told meanwhile: the sequence shows how much.
    if (n > 0 && send(x->socket, x->message.bytes, n, MSG_NOSIGNAL) < 0)
        (void)errno;
    x->sequence += x->message.n_records;
}

static void
begin_message(struct ipfix *x, uint64_t now_s)
{
    ipfix_begin(&x->message, (uint32_t)now_s, x->sequence, x->domain);
    if (x->refreshed_s && now_s - x->refreshed_s < x->refresh_s)
        return;
    ipfix_add_templates(&x->message);
    x->refreshed_s = now_s;
}

static uint64_t
to_ms(const struct ipfix *x, uint64_t cycles, uint64_t now_cycles, uint64_t now_ms)
{
    int64_t ago = (int64_t)(now_cycles - cycles);
    return now_ms - (uint64_t)((ago > 0 ? ago : 0) * 1000.0 / (double)x->state.tsc_hz);
}

static void
drain(struct ipfix *x, unsigned messages)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t now_cycles = rte_rdtsc(), now_s = (uint64_t)t.tv_sec;
    uint64_t now_ms = now_s * 1000 + (uint64_t)t.tv_nsec / 1000000;
    uint32_t head = atomic_load_explicit(&x->head, memory_order_relaxed);
    // Pairs with the release in tell().
    uint32_t tail = atomic_load_explicit(&x->tail, memory_order_acquire);
    begin_message(x, now_s);
    while (head != tail) {
        struct told *told = &x->ring[head % RING_RECORDS];
        told->record.start_ms = to_ms(x, told->start_cycles, now_cycles, now_ms);
        told->record.end_ms = to_ms(x, told->end_cycles, now_cycles, now_ms);
        if (ipfix_add(&x->message, &told->record)) {
            head++;
            continue;
        }
        send_message(x);
        begin_message(x, now_s);
        if (--messages == 0)
            break;
    }
    send_message(x);
    // Pairs with the acquire in ring_room().
    atomic_store_explicit(&x->head, head, memory_order_release);
}

static void
ipfix_control(void *state)
{
    drain(state, MESSAGES_MOST);
}

static void
ipfix_destroy(void *state)
{
    struct ipfix *x = state;
    if (!x)
        return;
    // No worker has it any more. What has moved to another card is told there.
    if (x->ring && x->socket >= 0 && !x->state.table->tracked)
        for (uint32_t at = 0; at < x->state.table->high; at++) {
            const struct flow *f = flow_table_at(x->state.table, at);
            if (f->flow.state != FLOW_LIVE || f->packets == 0)
                continue;
            if (ring_room(x) == 0)
                drain(x, UINT32_MAX);
            tell(x, f, IPFIX_FORCED);
        }
    if (x->ring && x->socket >= 0)
        drain(x, UINT32_MAX);
    if (x->socket >= 0)
        close(x->socket);
    fn_state_fini(&x->state);
    free(x->ring);
    free(x);
}

static const struct fn_kind kind;

static void *
ipfix_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    const struct ipfix_params *p = params;
    struct ipfix *x = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof *x);
    if (!x) {
        offload_err_set(err, -ENOMEM, "ipfix", NULL, "no memory");
        return NULL;
    }
    memset(x, 0, sizeof *x);
    x->socket = open_socket(p, err);
    if (x->socket < 0 ||
        fn_state_init(&x->state, &kind, &layout, p->max_entries, env, err) < 0)
        goto fail;
    x->ring = calloc(RING_RECORDS, sizeof *x->ring);
    if (!x->ring) {
        offload_err_set(err, -ENOMEM, "ipfix", NULL, "no memory");
        goto fail;
    }
    flow_table_on_remove(x->state.table, on_remove, x);
    x->active_cycles = p->active_timeout_s * env->tsc_hz;
    x->idle_cycles = p->idle_timeout_s * env->tsc_hz;
    x->ended_cycles = RTE_MIN((uint64_t)ENDED_S, p->idle_timeout_s) * env->tsc_hz;
    x->domain = (uint32_t)p->domain;
    x->refresh_s = p->template_refresh_s;
    return x;

fail:
    ipfix_destroy(x);
    return NULL;
}

// -- Worker --

static void
key_of(const void *state, struct rte_mbuf *pkt, enum pkt_dir dir, struct fn_lookup *out)
{
    (void)state, (void)dir;
    const struct pkt_key *key = &pkt_meta(pkt)->key;
    if (!key->ip_version)
        return;
    memcpy(out->key, key, sizeof *key);
    out->which = 0;
}

// Bytes of IP, without what pads a short frame.
static uint32_t
ip_bytes(struct rte_mbuf *pkt)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    const uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, const uint8_t *, meta->l3_offset);
    return meta->key.ip_version == 4 ? ntohs(load16(ip + 2)) : ntohs(load16(ip + 4)) + 40u;
}

static int
count(void *state, struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles,
      const struct fn_lookup *lookup)
{
    struct ipfix *x = state;
    const struct pkt_meta *meta = pkt_meta(pkt);
    if (lookup->which < 0)
        return FN_PASS;
    uint32_t at = fn_lookup_find(&x->state, lookup);
    if (unlikely(at == FLOW_NONE)) {
        struct flow new = {.flow.user = {0, dir}, .key = meta->key, .told_cycles = now_cycles};
        at = flow_table_add(x->state.table, &new, x->idle_cycles, now_cycles);
        if (at == FLOW_NONE)
            return FN_PASS;
    }
    struct flow *f = flow_table_at(x->state.table, at);
    if (f->packets == 0)
        f->start_cycles = now_cycles;
    f->end_cycles = now_cycles;
    f->packets++;
    f->bytes += ip_bytes(pkt);
    if (meta->key.proto == IPPROTO_TCP && meta->l4_offset &&
        rte_pktmbuf_data_len(pkt) >= meta->l4_offset + 14u) {
        f->flow.user[0] |= *rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l4_offset + 13);
        if (f->flow.user[0] & 0x05) // FIN, RST
            f->flow.timeout_cycles = x->ended_cycles;
    }
    f->flow.seen_cycles = now_cycles;
    flow_table_change(x->state.table, at);
    return FN_PASS;
}

static uint16_t
ipfix_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
              uint64_t now_cycles)
{
    return fn_burst(state, key_of, count, pkts, n, dir, now_cycles);
}

// Flows that go on are told from time to time.
static void
tell_active(struct ipfix *x, uint64_t now_cycles, unsigned budget)
{
    struct flow_table *table = x->state.table;
    for (unsigned i = 0; i < budget && i < table->high && ring_room(x) > 0; i++) {
        if (x->sweep >= table->high)
            x->sweep = 0;
        uint32_t at = x->sweep++;
        struct flow *f = flow_table_at(table, at);
        if (f->flow.state != FLOW_LIVE || f->packets == 0 ||
            (int64_t)(now_cycles - f->told_cycles) < (int64_t)x->active_cycles)
            continue;
        tell(x, f, IPFIX_ACTIVE);
        f->packets = f->bytes = 0;
        f->told_cycles = now_cycles;
        flow_table_change(table, at);
    }
}

static void
ipfix_tick(void *state, uint64_t now_cycles, unsigned budget)
{
    struct ipfix *x = state;
    flow_table_expire(x->state.table, now_cycles, RTE_MIN(budget, ring_room(x)));
    tell_active(x, now_cycles, budget);
}

// An entry on its way: 0 state u8, 1 TCP flags u8, 2 direction u8, 3 IP version u8, 4 source, 20
// destination, 36 source port, 38 destination port (as on the wire), 40 VLAN u16, 42 protocol u8, 43
// zeros, 48 packets u64, 56 bytes u64, 64 since its start u64 (ns), 72 remaining u64 (ns).
static void
export_entry(const void *state, const struct flow_head *entry, uint8_t *to, uint64_t now_cycles)
{
    const struct ipfix *x = state;
    const struct flow *f = (const struct flow *)entry;
    memset(to, 0, ENTRY_BYTES);
    to[0] = entry->state;
    to[1] = entry->user[0];
    to[2] = entry->user[1];
    to[3] = f->key.ip_version;
    memcpy(to + 4, f->key.src, 16);
    memcpy(to + 20, f->key.dst, 16);
    store16(to + 36, f->key.sport);
    store16(to + 38, f->key.dport);
    to[40] = (uint8_t)f->key.vlan;
    to[41] = (uint8_t)(f->key.vlan >> 8);
    to[42] = f->key.proto;
    fn_put64(to + 48, f->packets);
    fn_put64(to + 56, f->bytes);
    int64_t age = f->packets ? (int64_t)(now_cycles - f->start_cycles) : 0;
    fn_put64(to + 64, (uint64_t)((age > 0 ? age : 0) * 1e9 / (double)x->state.tsc_hz));
    fn_put64(to + 72, flow_remaining_ns(entry, now_cycles, x->state.tsc_hz));
}

static int
import_entry(void *state, const uint8_t *from, uint64_t now_cycles, struct offload_err *err)
{
    struct ipfix *x = state;
    struct flow_table *table = x->state.table;
    static const uint8_t zeros[12];
    if ((from[0] != FLOW_LIVE && from[0] != FLOW_TOMBSTONE) || from[2] > 1 ||
        (from[3] != 4 && from[3] != 6) || (from[41] & 0xf0) || memcmp(from + 43, zeros, 5) != 0 ||
        (from[3] == 4 && (memcmp(from + 8, zeros, 12) != 0 || memcmp(from + 24, zeros, 12) != 0)))
        return offload_err_set(err, -EBADMSG, "ipfix", NULL, "an entry is malformed");
    struct flow new = {.flow.user = {from[1], from[2]},
                       .packets = fn_get64(from + 48),
                       .bytes = fn_get64(from + 56),
                       .told_cycles = now_cycles};
    memcpy(new.key.src, from + 4, 16);
    memcpy(new.key.dst, from + 20, 16);
    new.key.sport = load16(from + 36);
    new.key.dport = load16(from + 38);
    new.key.vlan = (uint16_t)(from[40] | from[41] << 8);
    new.key.proto = from[42];
    new.key.ip_version = from[3];
    uint64_t age_ns = RTE_MIN(fn_get64(from + 64), AGE_MOST_NS);
    uint64_t age = (uint64_t)((double)age_ns * (double)x->state.tsc_hz / 1e9);
    new.start_cycles = now_cycles - RTE_MIN(age, now_cycles);
    new.end_cycles = now_cycles;
    uint32_t at = flow_table_find(table, 0, &new.key);
    if (at != FLOW_NONE) {
        // The other end knows better, and tells the collector itself of what has gone.
        ((struct flow *)flow_table_at(table, at))->packets = 0;
        flow_table_remove(table, at);
    }
    if (from[0] == FLOW_TOMBSTONE)
        return 0;
    at = flow_table_add(table, &new, x->idle_cycles, now_cycles);
    if (at == FLOW_NONE)
        return offload_err_set(err, -ENOSPC, "ipfix", "allocate more memory_bytes",
                               "no room for %u flows and one more", flow_table_live(table));
    struct flow_head *head = flow_table_at(table, at);
    if (head->user[0] & 0x05)
        head->timeout_cycles = x->ended_cycles;
    flow_set_remaining(head, fn_get64(from + 72), now_cycles, x->state.tsc_hz);
    return 0;
}

static const struct fn_kind kind = {
    .name = "ipfix",
    .entry_bytes = ENTRY_BYTES,
    .export_entry = export_entry,
    .import_entry = import_entry,
};

extern const struct fn_ops fn_ipfix;
const struct fn_ops fn_ipfix = {
    .name = "ipfix",
    .help = "counts flows and tells a collector of them (IPFIX over UDP, RFC 7011)",
    .params = ipfix_options,
    .params_bytes = sizeof(struct ipfix_params),
    .entry_bytes = ENTRY_BYTES,
    .create = ipfix_create,
    .destroy = ipfix_destroy,
    .process = ipfix_process,
    .tick = ipfix_tick,
    .control = ipfix_control,
    .entries = fn_state_entries,
    .state_bytes = fn_state_bytes,
    .export = fn_state_export,
    .dirty = fn_state_dirty,
    .import = fn_state_import,
    .recover = fn_state_recover,
    .serve = fn_state_serve,
};
