// SPDX-License-Identifier: Apache-2.0
// A load balancer of layer 4: connections to one virtual address go to one of several backends, by
// Maglev hashing, and stay there; what comes back bears the virtual address again.
// classify -> admit -> schedule -> [lb] -> transmit.  Runs on the worker of the card.
// A backend is up (gets new connections), draining (keeps those that it has) or down (its
// connections are placed anew); who says so is the operator, by app.update, which keeps the table of
// connections. IPv4, TCP and UDP.
#include "dpdk-app/functions/fn_state.h"
#include "dpdk-app/functions/maglev.h"
#include "dpdk-app/functions/rewrite.h"
#include "lib/base/json.h"

#include <offload/card_api.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ENTRY_BYTES = 32,
};

enum backend_state { BACKEND_UP, BACKEND_DRAINING, BACKEND_DOWN };
static const char *const backend_state_names[] = {"up", "draining", "down", NULL};

// What a connection has seen, in flow.user[0].
enum seen {
    SEEN_REPLY = 1, // from the backend
    SEEN_CLOSE = 2, // FIN or RST
    SEEN_ALL = 3,
};

// As on the wire: 16 bytes that hash and compare as two words.
struct tuple {
    uint32_t client, server; // server: the virtual address, or the backend's
    uint16_t client_port, server_port;
    uint8_t proto;
    uint8_t zero[3];
};
static_assert(sizeof(struct tuple) == 16, "no holes");

// flow.user[1] is the backend's place in the list, a hint: lists change.
struct connection {
    struct flow_head flow;
    struct tuple front, back; // with the virtual address, with the backend's
};
static_assert(sizeof(struct connection) == 64, "one cache line");

enum { FRONT = 0, BACK = 1 };

static const struct flow_layout layout = {
    .entry_bytes = sizeof(struct connection),
    .n_keys = 2,
    .key = {{offsetof(struct connection, front), sizeof(struct tuple)},
            {offsetof(struct connection, back), sizeof(struct tuple)}},
};

struct lb_params {
    char address[48];
    uint64_t port;
    int proto;
    struct json_object *backends;
    uint64_t tcp_timeout_s, tcp_transitory_timeout_s, udp_timeout_s, max_entries;
};

struct backend {
    uint32_t ip;   // as on the wire
    uint16_t port; // as on the wire; 0: that of the virtual address
    uint32_t weight;
    int state; // enum backend_state
    bool has_mac;
    struct rte_ether_addr mac;
};

enum drop {
    DROP_FRAGMENT,
    DROP_UNSUPPORTED,   // not IPv4, not TCP or UDP, not for the service
    DROP_NO_CONNECTION, // from a backend, to nobody
    DROP_NO_BACKEND,    // none is up
    DROP_MEMORY,
    DROP_MALFORMED,
    N_DROPS,
};
static const char *const drop_names[N_DROPS] = {"fragment",   "unsupported", "no_connection",
                                                "no_backend", "memory",      "malformed"};

struct lb {
    struct fn_state state;
    uint32_t address; // as on the wire
    uint16_t port;    // as on the wire; 0: any
    int proto;        // 0: TCP and UDP
    uint64_t max_entries;
    uint64_t tcp_cycles, tcp_transitory_cycles, udp_cycles;
    unsigned n_backends;
    struct backend backend[MAGLEV_BACKENDS_MAX];
    uint8_t place[MAGLEV_SIZE]; // hash -> backend
};

static const char *const proto_names[] = {"any", "tcp", "udp", NULL};
static const uint8_t protos[] = {0, IPPROTO_TCP, IPPROTO_UDP};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct lb_params, f), .size = sizeof(((struct lb_params *)0)->f)
#define TIMEOUT(f, seconds, text)                                                                  \
    {                                                                                              \
        .key = #f, .type = OFFLOAD_OPT_U64, PARAM(f), .least = 1, .most = 604800,                  \
        .default_text = seconds, .unit = "s", .help = text                                         \
    }

static const struct offload_opt lb_options[] = {
    {.key = "address",
     .type = OFFLOAD_OPT_STRING,
     PARAM(address),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "virtual IPv4 address of the service"},
    {.key = "port",
     .type = OFFLOAD_OPT_U64,
     PARAM(port),
     .least = 0,
     .most = 65535,
     .default_text = "0",
     .help = "port of the service; 0: any"},
    {.key = "proto",
     .type = OFFLOAD_OPT_ENUM,
     PARAM(proto),
     .names = proto_names,
     .default_text = "\"tcp\"",
     .help = "protocol of the service"},
    {.key = "backends",
     .type = OFFLOAD_OPT_ARRAY,
     PARAM(backends),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "1 to 64 of {\"address\",\"port\":0,\"weight\":1,\"state\":\"up\"|\"draining\"|\"down\","
             "\"mac\"}"},
    TIMEOUT(tcp_timeout_s, "7440", "an established connection is forgotten so long after its last packet"),
    TIMEOUT(tcp_transitory_timeout_s, "240", "the same for one that opens or closes"),
    TIMEOUT(udp_timeout_s, "120", "the same for UDP"),
    {.key = "max_entries",
     .type = OFFLOAD_OPT_U64,
     PARAM(max_entries),
     .least = 1,
     .most = 1 << 22,
     .default_text = "65536",
     .help = "connections at most, within the memory quota"},
    OFFLOAD_OPT_END,
};

static int
parse_ipv4(const char *text, const char *path, uint32_t *out, struct offload_err *err)
{
    struct in_addr ip;
    if (inet_pton(AF_INET, text, &ip) != 1)
        return offload_err_set(err, -EINVAL, path, "use an IPv4 address", "'%s' is no address",
                               text);
    *out = ip.s_addr;
    return 0;
}

static int
read_backend(const struct lb *lb, struct json_object *object, const char *path,
             struct backend *out, struct offload_err *err)
{
    struct given {
        char address[48], mac[24];
        uint64_t port, weight;
        int state;
    } given = {0};
#define GIVEN(f) .offset = offsetof(struct given, f), .size = sizeof(((struct given *)0)->f)
    static const struct offload_opt options[] = {
        {.key = "address",
         .type = OFFLOAD_OPT_STRING,
         GIVEN(address),
         .flags = OFFLOAD_OPT_REQUIRED,
         .help = "IPv4 address"},
        {.key = "port",
         .type = OFFLOAD_OPT_U64,
         GIVEN(port),
         .least = 0,
         .most = 65535,
         .default_text = "0",
         .help = "0: the service's"},
        {.key = "weight",
         .type = OFFLOAD_OPT_U64,
         GIVEN(weight),
         .least = 1,
         .most = 1000,
         .default_text = "1",
         .help = "share of new connections"},
        {.key = "state",
         .type = OFFLOAD_OPT_ENUM,
         GIVEN(state),
         .names = backend_state_names,
         .default_text = "\"up\"",
         .help = "by the operator's word"},
        {.key = "mac",
         .type = OFFLOAD_OPT_STRING,
         GIVEN(mac),
         .default_text = "\"\"",
         .help = "Ethernet address to send to; without it frames keep theirs"},
        OFFLOAD_OPT_END,
    };
    char where[96];
    int rc = offload_opt_read(options, object, path, &given, sizeof given, err);
    if (rc == 0)
        rc = parse_ipv4(given.address, offload_json_path(where, sizeof where, path, "address"),
                        &out->ip, err);
    if (rc != 0)
        return rc;
    if (given.port && !lb->port)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "port"),
                               "leave it out, or give the service one port",
                               "one port for a service of all ports");
    out->has_mac = given.mac[0];
    if (out->has_mac && rte_ether_unformat_addr(given.mac, &out->mac) != 0)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "mac"),
                               "use the form 02:00:00:00:00:01", "'%s' is no Ethernet address",
                               given.mac);
    out->port = given.port ? htons((uint16_t)given.port) : lb->port;
    out->weight = (uint32_t)given.weight;
    out->state = given.state;
    return 0;
}

// The backend of that address and port, which is at 'hint' unless the list has changed. NULL: none.
static const struct backend *
find_backend(const struct lb *lb, uint32_t ip, uint16_t port, unsigned hint)
{
    const struct backend *b = &lb->backend[hint];
    if (likely(hint < lb->n_backends && b->ip == ip && (b->port == port || !b->port)))
        return b;
    for (unsigned i = 0; i < lb->n_backends; i++) {
        b = &lb->backend[i];
        if (b->ip == ip && (b->port == port || !b->port))
            return b;
    }
    return NULL;
}

static int
read_backends(struct lb *lb, struct json_object *list, struct offload_err *err)
{
    size_t n = json_object_array_length(list);
    if (n < 1 || n > MAGLEV_BACKENDS_MAX)
        return offload_err_set(err, -ERANGE, "backends", "use 1 to 64", "%zu backends", n);
    struct maglev_backend shares[MAGLEV_BACKENDS_MAX];
    for (unsigned i = 0; i < n; i++) {
        char path[64];
        struct backend *b = &lb->backend[i];
        offload_json_path_index(path, sizeof path, "backends", i);
        int rc = read_backend(lb, json_object_array_get_idx(list, i), path, b, err);
        if (rc != 0)
            return rc;
        if (find_backend(lb, b->ip, b->port, 0))
            return offload_err_set(err, -EINVAL, path, "name each backend once",
                                   "this backend is there already");
        lb->n_backends++;
        shares[i] = (struct maglev_backend){.name = (uint64_t)ntohl(b->ip) << 16 | ntohs(b->port),
                                            .weight = b->state == BACKEND_UP ? b->weight : 0};
    }
    maglev_fill(shares, (unsigned)n, lb->place);
    return 0;
}

static void
lb_destroy(void *state)
{
    struct lb *lb = state;
    if (!lb)
        return;
    fn_state_fini(&lb->state);
    free(lb);
}

static const struct fn_kind kind;

// All but the table of connections.
static struct lb *
lb_read(const struct lb_params *p, const struct fn_env *env, struct offload_err *err)
{
    struct lb *lb = calloc(1, sizeof *lb);
    if (!lb) {
        offload_err_set(err, -ENOMEM, "lb", NULL, "no memory");
        return NULL;
    }
    lb->port = htons((uint16_t)p->port);
    lb->proto = protos[p->proto];
    lb->max_entries = p->max_entries;
    lb->tcp_cycles = p->tcp_timeout_s * env->tsc_hz;
    lb->tcp_transitory_cycles = RTE_MIN(p->tcp_transitory_timeout_s, p->tcp_timeout_s) * env->tsc_hz;
    lb->udp_cycles = p->udp_timeout_s * env->tsc_hz;
    if (parse_ipv4(p->address, "address", &lb->address, err) != 0 ||
        read_backends(lb, p->backends, err) != 0) {
        free(lb);
        return NULL;
    }
    return lb;
}

static void *
lb_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    const struct lb_params *p = params;
    struct lb *lb = lb_read(p, env, err);
    if (lb && fn_state_init(&lb->state, &kind, &layout, p->max_entries, env, err) < 0) {
        free(lb);
        return NULL;
    }
    return lb;
}

// Backends, weights, states and timers may change; another service begins anew.
static void *
lb_renew(const void *old_state, const void *params, const struct fn_env *env,
         struct offload_err *err)
{
    const struct lb *old = old_state;
    struct lb *lb = lb_read(params, env, err);
    if (!lb)
        return NULL;
    if (lb->address != old->address || lb->port != old->port || lb->proto != old->proto ||
        lb->max_entries != old->max_entries) {
        free(lb);
        return NULL;
    }
    fn_state_share(&lb->state, &old->state);
    return lb;
}

static uint64_t
timeout_of(const struct lb *lb, uint8_t proto, uint8_t seen)
{
    if (proto != IPPROTO_TCP)
        return lb->udp_cycles;
    return seen == SEEN_REPLY ? lb->tcp_cycles : lb->tcp_transitory_cycles;
}

static bool
is_service(const struct lb *lb, uint32_t address, uint16_t port, uint8_t proto)
{
    return address == lb->address && (!lb->port || port == lb->port) &&
           (proto == IPPROTO_TCP || proto == IPPROTO_UDP) && (!lb->proto || proto == lb->proto);
}

static void
key_of(const void *state, struct rte_mbuf *pkt, enum pkt_dir dir, struct fn_lookup *out)
{
    (void)state;
    const struct pkt_key *key = &pkt_meta(pkt)->key;
    bool in = dir == PKT_INSIDE_OUT;
    struct tuple tuple = {.client = in ? key->src[0] : key->dst[0],
                          .server = in ? key->dst[0] : key->src[0],
                          .client_port = in ? key->sport : key->dport,
                          .server_port = in ? key->dport : key->sport,
                          .proto = key->proto};
    memcpy(out->key, &tuple, sizeof tuple);
    out->which = in ? FRONT : BACK;
}

// A new connection, placed by the hash of both ends. FLOW_NONE: '*why'.
static uint32_t
place(struct lb *lb, const struct tuple *front, uint64_t now_cycles, int *why)
{
    // Without the table's seed: all cards place alike, also after a restart.
    uint8_t at = lb->place[flow_hash(0, front, sizeof *front) % MAGLEV_SIZE];
    *why = DROP_NO_BACKEND;
    if (at == MAGLEV_NONE)
        return FLOW_NONE;
    const struct backend *b = &lb->backend[at];
    struct connection new = {.flow.user = {0, at}, .front = *front, .back = *front};
    new.back.server = b->ip;
    if (b->port)
        new.back.server_port = b->port;
    *why = DROP_MEMORY;
    return flow_table_add(lb->state.table, &new, timeout_of(lb, front->proto, 0), now_cycles);
}

// The connection's backend still takes its packets; 'begins': this one is the first of a new one
// with the same ports.
static bool
is_served(const struct lb *lb, struct connection *conn, bool begins)
{
    const struct backend *b =
        find_backend(lb, conn->back.server, conn->back.server_port, conn->flow.user[1]);
    if (!b || b->state == BACKEND_DOWN || (begins && b->state == BACKEND_DRAINING))
        return false;
    conn->flow.user[1] = (uint8_t)(b - lb->backend);
    return true;
}

static void
follow_tcp(struct lb *lb, uint32_t at, uint8_t flags, enum pkt_dir dir)
{
    struct connection *conn = flow_table_at(lb->state.table, at);
    uint8_t seen = conn->flow.user[0];
    if (flags & 0x05) // FIN, RST
        seen |= SEEN_CLOSE;
    else if ((flags & 0x12) == 0x02) // a SYN begins it anew
        seen = 0;
    if (dir == PKT_OUTSIDE_IN)
        seen |= SEEN_REPLY;
    if (seen == conn->flow.user[0])
        return;
    conn->flow.user[0] = seen;
    conn->flow.timeout_cycles = timeout_of(lb, IPPROTO_TCP, seen);
    flow_table_change(lb->state.table, at);
}

// A client's ICMP error about what a backend sent (packet too big, mostly): to that backend.
static int
forward_error(struct lb *lb, struct rte_mbuf *pkt, uint8_t *ip, uint8_t *icmp)
{
    struct quote quote;
    unsigned bytes = icmp_bytes(pkt, ip);
    if (bytes == 0 || !icmp_is_error(icmp[0]) || !quote_find(icmp, bytes, &quote))
        return DROP_UNSUPPORTED;
    if (quote.proto != IPPROTO_TCP && quote.proto != IPPROTO_UDP)
        return DROP_UNSUPPORTED;
    struct tuple front = {.client = load32(quote.ip + ADDRESS_DESTINATION),
                          .server = load32(quote.ip + ADDRESS_SOURCE),
                          .client_port = load16(quote.l4 + 2),
                          .server_port = load16(quote.l4),
                          .proto = quote.proto};
    uint32_t at = flow_table_find(lb->state.table, FRONT, &front);
    if (at == FLOW_NONE)
        return DROP_NO_CONNECTION;
    const struct connection *conn = flow_table_at(lb->state.table, at);
    quote_rewrite(&quote, icmp, bytes, ADDRESS_SOURCE, 0, conn->back.server,
                  conn->back.server_port);
    rewrite_address(ip, ADDRESS_DESTINATION, conn->back.server);
    pkt_meta(pkt)->key.dst[0] = conn->back.server;
    return FN_PASS;
}

static void
rewrite(const struct lb *lb, struct rte_mbuf *pkt, const struct connection *conn, uint8_t *ip,
        uint8_t *l4, bool in)
{
    struct pkt_key *key = &pkt_meta(pkt)->key;
    const struct tuple *to = in ? &conn->back : &conn->front;
    const struct backend *b = &lb->backend[conn->flow.user[1]];
    unsigned address = in ? ADDRESS_DESTINATION : ADDRESS_SOURCE;
    rewrite_transport(l4, rewrite_least_bytes(key->proto), key->proto, in ? 2 : 0, to->server_port,
                      load32(ip + address), to->server);
    rewrite_address(ip, address, to->server);
    *(in ? &key->dst[0] : &key->src[0]) = to->server;
    *(in ? &key->dport : &key->sport) = to->server_port;
    if (in && b->has_mac)
        memcpy(rte_pktmbuf_mtod(pkt, uint8_t *), &b->mac, sizeof b->mac);
}

static int
balance(void *state, struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles,
        const struct fn_lookup *lookup)
{
    struct lb *lb = state;
    struct pkt_meta *meta = pkt_meta(pkt);
    uint8_t proto = meta->key.proto;
    if (meta->key.ip_version != 4)
        return DROP_UNSUPPORTED;
    if (meta->flags & PKT_FRAGMENT_LATER)
        return DROP_FRAGMENT;
    if (!meta->l4_offset ||
        rte_pktmbuf_data_len(pkt) < (unsigned)meta->l4_offset + rewrite_least_bytes(proto))
        return DROP_MALFORMED;
    uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l3_offset);
    uint8_t *l4 = rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l4_offset);
    const struct tuple *tuple = (const struct tuple *)lookup->key;
    bool in = dir == PKT_INSIDE_OUT;
    if (in && proto == IPPROTO_ICMP)
        return forward_error(lb, pkt, ip, l4);
    if (in && !is_service(lb, tuple->server, tuple->server_port, proto))
        return DROP_UNSUPPORTED;
    uint32_t at = fn_lookup_find(&lb->state, lookup);
    int why = DROP_NO_CONNECTION;
    if (in && at != FLOW_NONE) {
        bool begins = proto == IPPROTO_TCP && (l4[13] & 0x12) == 0x02;
        if (unlikely(!is_served(lb, flow_table_at(lb->state.table, at), begins))) {
            flow_table_remove(lb->state.table, at);
            at = FLOW_NONE;
        }
    }
    if (in && at == FLOW_NONE)
        at = place(lb, tuple, now_cycles, &why);
    if (at == FLOW_NONE)
        return why;
    if (proto == IPPROTO_TCP)
        follow_tcp(lb, at, l4[13], dir);
    flow_table_refresh(lb->state.table, at, now_cycles);
    rewrite(lb, pkt, flow_table_at(lb->state.table, at), ip, l4, in);
    return FN_PASS;
}

static uint16_t
lb_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir, uint64_t now_cycles)
{
    return fn_burst(state, key_of, balance, pkts, n, dir, now_cycles);
}

// What the backends send from their ports.
static unsigned
lb_outside_match(const void *state, struct offload_match *out, unsigned max)
{
    const struct lb *lb = state;
    unsigned n = 0;
    for (; n < lb->n_backends && n < max; n++) {
        const struct backend *b = &lb->backend[n];
        out[n] = (struct offload_match){.src_bits = 32,
                                        .ip_version = 4,
                                        .proto = lb->proto ? (int16_t)lb->proto : OFFLOAD_ANY_PROTO,
                                        .sport_least = ntohs(b->port),
                                        .sport_most = b->port ? ntohs(b->port) : 65535,
                                        .dport_most = 65535,
                                        .vlan = OFFLOAD_ANY_VLAN,
                                        .vni = OFFLOAD_ANY_VNI,
                                        .in_port = OFFLOAD_PORT_OUTSIDE};
        store32(out[n].src, b->ip);
    }
    return n;
}

// An entry on its way: 0 state u8, 1 protocol u8, 2 seen u8, 3 zero u8, 4 client address, 8 backend
// address, 12 client port, 14 service port, 16 backend port (all as on the wire), 18 zeros, 24
// remaining u64 (ns).
static void
export_entry(const void *state, const struct flow_head *entry, uint8_t *to, uint64_t now_cycles)
{
    const struct lb *lb = state;
    const struct connection *conn = (const struct connection *)entry;
    memset(to, 0, ENTRY_BYTES);
    to[0] = entry->state;
    to[1] = conn->front.proto;
    to[2] = entry->user[0];
    store32(to + 4, conn->front.client);
    store32(to + 8, conn->back.server);
    store16(to + 12, conn->front.client_port);
    store16(to + 14, conn->front.server_port);
    store16(to + 16, conn->back.server_port);
    fn_put64(to + 24, flow_remaining_ns(entry, now_cycles, lb->state.tsc_hz));
}

// An entry whose backend is unknown here is left out: its next packet is placed anew.
static int
import_entry(void *state, const uint8_t *from, uint64_t now_cycles, struct offload_err *err)
{
    struct lb *lb = state;
    static const uint8_t zeros[6];
    struct flow_table *table = lb->state.table;
    struct connection new = {.flow.user = {from[2]},
                             .front = {.client = load32(from + 4),
                                       .server = lb->address,
                                       .client_port = load16(from + 12),
                                       .server_port = load16(from + 14),
                                       .proto = from[1]}};
    if ((from[0] != FLOW_LIVE && from[0] != FLOW_TOMBSTONE) || from[2] & ~SEEN_ALL || from[3] ||
        memcmp(from + 18, zeros, sizeof zeros) != 0)
        return offload_err_set(err, -EBADMSG, "lb", NULL, "an entry is malformed");
    if (!is_service(lb, lb->address, new.front.server_port, from[1]))
        return offload_err_set(err, -EBADMSG, "lb", "use equal parameters at both ends",
                               "an entry is of another service");
    new.back = new.front;
    new.back.server = load32(from + 8);
    new.back.server_port = load16(from + 16);
    uint32_t at = flow_table_find(table, FRONT, &new.front);
    if (at != FLOW_NONE)
        flow_table_remove(table, at);
    const struct backend *b = find_backend(lb, new.back.server, new.back.server_port, 0);
    if (from[0] == FLOW_TOMBSTONE || !b)
        return 0;
    new.flow.user[1] = (uint8_t)(b - lb->backend);
    if (flow_table_find(table, BACK, &new.back) != FLOW_NONE)
        return offload_err_set(err, -EBADMSG, "lb", NULL,
                               "two connections are one to their backend");
    uint64_t timeout = timeout_of(lb, from[1], from[2]);
    at = flow_table_add(table, &new, timeout, now_cycles);
    if (at == FLOW_NONE)
        return offload_err_set(err, -ENOSPC, "lb", "allocate more memory_bytes",
                               "no room for %u connections and one more", flow_table_live(table));
    struct connection *conn = flow_table_at(table, at);
    flow_set_remaining(&conn->flow, fn_get64(from + 24), now_cycles, lb->state.tsc_hz);
    return 0;
}

static const struct fn_kind kind = {
    .name = "lb",
    .entry_bytes = ENTRY_BYTES,
    .export_entry = export_entry,
    .import_entry = import_entry,
    .n_drops = N_DROPS,
    .drop_names = drop_names,
};

extern const struct fn_ops fn_lb;
const struct fn_ops fn_lb = {
    .name = "lb",
    .help = "load balancer of IPv4 connections (TCP, UDP), by Maglev hashing",
    .params = lb_options,
    .params_bytes = sizeof(struct lb_params),
    .entry_bytes = ENTRY_BYTES,
    .create = lb_create,
    .renew = lb_renew,
    .destroy = lb_destroy,
    .process = lb_process,
    .outside_match = lb_outside_match,
    FN_STATE_HOOKS,
};
