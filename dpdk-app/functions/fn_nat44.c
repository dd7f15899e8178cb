// SPDX-License-Identifier: Apache-2.0
// Stateful NAT of IPv4: inside endpoints share a few outside addresses.
// classify -> admit -> schedule -> [nat44] -> transmit.  Runs on the worker of the card.
// RFC 4787 (UDP): endpoint-independent mapping and filtering (REQ-1, REQ-8), paired address pooling
// (REQ-2), port parity (REQ-4), outbound refresh (REQ-6), no fragments later than the first (REQ-14
// is not met: they are dropped and counted). RFC 5382 (TCP): timeouts. RFC 5508 (ICMP): echo, and
// errors with what they quote. RFC 1624: checksums.
#include "dpdk-app/functions/checksum.h"
#include "dpdk-app/functions/flow_table.h"
#include "dpdk-app/functions/fn.h"
#include "dpdk-app/functions/fn_state.h"

#include <offload/card_api.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    POOL_BITS_LEAST = 24,   // a pool of at most 256 addresses
    PROBES_MOST = 1024,     // ports tried at one address; above 98 % use some tries fail
    TCP_TRANSITORY_S = 240, // RFC 5382 REQ-5
    ICMP_TIMEOUT_S = 60,    // RFC 5508 REQ-1
    ENTRY_BYTES = 24,
};

enum tcp_flags {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_ACK = 0x10,
};

// What a binding has seen of TCP, in flow.user[0].
enum seen {
    SEEN_REPLY = 1,       // an ACK from outside
    SEEN_ESTABLISHED = 2, // then one from inside
    SEEN_CLOSE = 4,       // FIN or RST
    SEEN_ALL = 7,
};

// One side of a binding, as on the wire: 8 bytes that hash and compare as one word.
struct endpoint {
    uint32_t ip;
    uint16_t port; // ICMP: the identifier
    uint8_t proto;
    uint8_t zero;
};

struct binding {
    struct flow_head flow;
    struct endpoint inner, outer;
};

enum { INNER = 0, OUTER = 1 };

static const struct flow_layout layout = {
    .entry_bytes = sizeof(struct binding),
    .n_keys = 2,
    .key = {{offsetof(struct binding, inner), sizeof(struct endpoint)},
            {offsetof(struct binding, outer), sizeof(struct endpoint)}},
};

struct nat44_params {
    char external[48];
    char ports[16];
    uint64_t udp_timeout_s, tcp_timeout_s, max_entries;
};

enum drop {
    DROP_FRAGMENT,
    DROP_UNSUPPORTED, // not IPv4, not UDP, TCP or ICMP echo
    DROP_NO_BINDING,  // from outside, for nobody
    DROP_MEMORY,
    DROP_PORTS,
    DROP_MALFORMED,
    N_DROPS,
    PASS = -1,
};

static const char *const drop_names[N_DROPS] = {"fragment", "unsupported", "no_binding",
                                                "memory",   "ports",       "malformed"};

struct nat44 {
    struct flow_table *table;
    uint32_t pool;   // first address, host order
    uint32_t n_pool; // addresses
    uint8_t pool_bits;
    uint16_t port_least, port_most;
    uint64_t udp_cycles, tcp_cycles, tcp_transitory_cycles, icmp_cycles;
    uint64_t tsc_hz;
    uint64_t seed;
    uint64_t drops[N_DROPS]; // written by the worker, read relaxed by the control thread
};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct nat44_params, f), .size = sizeof(((struct nat44_params *)0)->f)

static const struct offload_opt nat44_options[] = {
    {.key = "external",
     .type = OFFLOAD_OPT_STRING,
     PARAM(external),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "outside addresses: one IPv4 address, or a prefix of at most 256"},
    {.key = "ports",
     .type = OFFLOAD_OPT_STRING,
     PARAM(ports),
     .default_text = "\"1024-65535\"",
     .help = "outside ports to use"},
    {.key = "udp_timeout_s",
     .type = OFFLOAD_OPT_U64,
     PARAM(udp_timeout_s),
     .least = 1,
     .most = 86400,
     .default_text = "300",
     .unit = "s",
     .help = "a UDP binding expires so long after its last packet from inside"},
    {.key = "tcp_timeout_s",
     .type = OFFLOAD_OPT_U64,
     PARAM(tcp_timeout_s),
     .least = 1,
     .most = 604800,
     .default_text = "7440",
     .unit = "s",
     .help = "the same for an established TCP connection"},
    {.key = "max_entries",
     .type = OFFLOAD_OPT_U64,
     PARAM(max_entries),
     .least = 1,
     .most = 1 << 22,
     .default_text = "65536",
     .help = "bindings at most, within the memory quota"},
    OFFLOAD_OPT_END,
};

// "ADDRESS" or "ADDRESS/BITS".
static int
parse_pool(struct nat44 *nat, const char *text, struct offload_err *err)
{
    char address[48];
    struct in_addr ip;
    unsigned bits = 32;
    char rest;
    const char *slash = strchr(text, '/');
    snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : 47, text);
    bool fine = inet_pton(AF_INET, address, &ip) == 1 &&
                (!slash || sscanf(slash, "/%2u%c", &bits, &rest) == 1) && bits >= POOL_BITS_LEAST &&
                bits <= 32;
    nat->n_pool = fine ? 1u << (32 - bits) : 0;
    if (!fine || (ntohl(ip.s_addr) & (nat->n_pool - 1)))
        return offload_err_set(err, -EINVAL, "external",
                               "use an IPv4 address or its prefix of 24 to 32 bits",
                               "'%s' is no pool of addresses", text);
    nat->pool = ntohl(ip.s_addr);
    nat->pool_bits = bits;
    return 0;
}

static int
parse_ports(struct nat44 *nat, const char *text, struct offload_err *err)
{
    unsigned least, most;
    char rest;
    if (sscanf(text, "%5u-%5u%c", &least, &most, &rest) != 2 || least < 1 || most > 65535 ||
        least >= most)
        return offload_err_set(err, -EINVAL, "ports", "use LEAST-MOST within 1-65535",
                               "'%s' is no range of ports", text);
    nat->port_least = least;
    nat->port_most = most;
    return 0;
}

static void
nat44_destroy(void *state)
{
    struct nat44 *nat = state;
    if (!nat)
        return;
    flow_table_destroy(nat->table);
    free(nat);
}

static void *
nat44_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    const struct nat44_params *p = params;
    struct nat44 *nat = calloc(1, sizeof *nat);
    if (!nat) {
        offload_err_set(err, -ENOMEM, "nat44", NULL, "no memory");
        return NULL;
    }
    if (parse_pool(nat, p->external, err) < 0 || parse_ports(nat, p->ports, err) < 0)
        goto fail;
    nat->tsc_hz = env->tsc_hz;
    nat->udp_cycles = p->udp_timeout_s * env->tsc_hz;
    nat->tcp_cycles = p->tcp_timeout_s * env->tsc_hz;
    nat->tcp_transitory_cycles = TCP_TRANSITORY_S * env->tsc_hz;
    if (nat->tcp_transitory_cycles > nat->tcp_cycles)
        nat->tcp_transitory_cycles = nat->tcp_cycles;
    nat->icmp_cycles = ICMP_TIMEOUT_S * env->tsc_hz;
    nat->seed = rte_rand();
    nat->table = flow_table_create(&layout, p->max_entries, nat->seed, env->quota);
    if (!nat->table) {
        offload_err_set(err, -ENOMEM, "nat44", "lower max_entries",
                        "no memory for a table of %llu entries",
                        (unsigned long long)p->max_entries);
        goto fail;
    }
    return nat;

fail:
    nat44_destroy(nat);
    return NULL;
}

static uint64_t
timeout_of(const struct nat44 *nat, uint8_t proto, uint8_t seen)
{
    if (proto == IPPROTO_UDP)
        return nat->udp_cycles;
    if (proto == IPPROTO_ICMP)
        return nat->icmp_cycles;
    return (seen & SEEN_ESTABLISHED) && !(seen & SEEN_CLOSE) ? nat->tcp_cycles
                                                             : nat->tcp_transitory_cycles;
}

static uint32_t
mix(uint64_t seed, uint64_t value)
{
    uint64_t hash = (seed ^ value) * 0x9e3779b97f4a7c15;
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
    return hash >> 32;
}

// A free port of 'outer->ip', of the parity of 'wanted' (network order) while there is one: RFC
// 4787 REQ-4. Where the search begins depends on the seed, as RFC 6056 wants ports hard to guess.
static bool
find_port(const struct nat44 *nat, struct endpoint *outer, uint16_t wanted, uint32_t random)
{
    uint32_t n = nat->port_most - nat->port_least + 1u;
    uint32_t at = random % n;
    if (((nat->port_least + at) ^ ntohs(wanted)) & 1)
        at = (at + 1) % n;
    for (unsigned i = 0; i < PROBES_MOST && i < n; i++) {
        outer->port = htons(nat->port_least + at);
        if (flow_table_find(nat->table, OUTER, outer) == FLOW_NONE)
            return true;
        at += i == n / 2 || i == PROBES_MOST / 2 ? 1 : 2; // now the other parity
        at %= n;
    }
    return false;
}

// The binding of an inside endpoint, made if need be. FLOW_NONE: '*why' says what is short.
static uint32_t
bind_inner(struct nat44 *nat, const struct endpoint *inner, uint64_t now_cycles, enum drop *why)
{
    uint32_t at = flow_table_find(nat->table, INNER, inner);
    if (at != FLOW_NONE)
        return at;
    struct binding new = {.inner = *inner, .outer = {.proto = inner->proto}};
    uint32_t first = mix(nat->seed, inner->ip) % nat->n_pool; // one inside host, one address: REQ-2
    uint32_t random =
        mix(nat->seed, (uint64_t)inner->ip << 24 ^ (uint64_t)inner->port << 8 ^ inner->proto);
    *why = DROP_PORTS;
    for (uint32_t i = 0; i < nat->n_pool; i++) {
        new.outer.ip = htonl(nat->pool + (first + i) % nat->n_pool);
        if (!find_port(nat, &new.outer, inner->port, random))
            continue;
        *why = DROP_MEMORY;
        return flow_table_add(nat->table, &new, timeout_of(nat, inner->proto, 0), now_cycles);
    }
    return FLOW_NONE;
}

static void
follow_tcp(struct nat44 *nat, uint32_t at, uint8_t flags, enum pkt_dir dir)
{
    struct binding *binding = flow_table_at(nat->table, at);
    uint8_t seen = binding->flow.user[0];
    if (flags & (TCP_FIN | TCP_RST))
        seen |= SEEN_CLOSE;
    else if (dir == PKT_INSIDE_OUT && (flags & TCP_SYN))
        seen &= ~SEEN_CLOSE;
    if (dir == PKT_OUTSIDE_IN && (flags & TCP_ACK))
        seen |= SEEN_REPLY;
    if (dir == PKT_INSIDE_OUT && (flags & TCP_ACK) && (seen & SEEN_REPLY))
        seen |= SEEN_ESTABLISHED;
    if (seen == binding->flow.user[0])
        return;
    binding->flow.user[0] = seen;
    binding->flow.timeout_cycles = timeout_of(nat, IPPROTO_TCP, seen);
    flow_table_change(nat->table, at);
}

// Replaces an address in an IPv4 header, at 'offset' 12 (source) or 16 (destination).
static void
rewrite_address(uint8_t *ip, unsigned offset, uint32_t to)
{
    store16(ip + 10, checksum_update32(load16(ip + 10), load32(ip + offset), to));
    store32(ip + offset, to);
}

// Replaces a port or identifier, and the address in the pseudo header, in the transport's checksum.
// 'length': bytes of transport header at hand, which ICMP errors cut short.
static void
rewrite_transport(uint8_t *l4, uint16_t length, uint8_t proto, unsigned port_offset, uint16_t port,
                  uint32_t from_ip, uint32_t to_ip)
{
    unsigned check_offset = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
    uint16_t from_port = load16(l4 + port_offset);
    store16(l4 + port_offset, port);
    if (length < check_offset + 2u)
        return;
    uint16_t check = load16(l4 + check_offset);
    if (proto == IPPROTO_UDP && check == 0)
        return; // the sender made none
    check = checksum_update16(check, from_port, port);
    if (proto != IPPROTO_ICMP)
        check = checksum_update32(check, from_ip, to_ip);
    if (proto == IPPROTO_UDP && check == 0)
        check = 0xffff; // RFC 768: 0 would mean none
    store16(l4 + check_offset, check);
}

static uint16_t
internet_checksum(const uint8_t *bytes, unsigned n)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i + 1 < n; i += 2)
        sum += load16(bytes + i);
    if (n & 1)
        sum += load16((uint8_t[2]){bytes[n - 1], 0});
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

// An ICMP error: what it quotes is a packet that went the other way, and is translated with it (RFC
// 5508 REQ-4, REQ-5).
static enum drop
translate_error(struct nat44 *nat, uint8_t *ip, uint8_t *l4, unsigned l4_bytes, enum pkt_dir dir)
{
    if (l4_bytes < 8 + 20 + 8)
        return DROP_MALFORMED;
    uint8_t *quoted = l4 + 8;
    unsigned header = (quoted[0] & 15) * 4;
    if (quoted[0] >> 4 != 4 || header < 20 || l4_bytes < 8 + header + 8)
        return DROP_MALFORMED;
    uint8_t *transport = quoted + header;
    unsigned transport_bytes = l4_bytes - 8 - header;
    uint8_t proto = quoted[9];
    if (proto != IPPROTO_UDP && proto != IPPROTO_TCP && proto != IPPROTO_ICMP)
        return DROP_UNSUPPORTED;
    // Coming in it quotes what we sent: its source is ours. Going out, the destination is the
    // inside host's.
    bool in = dir == PKT_OUTSIDE_IN;
    unsigned address_offset = in ? 12 : 16;
    unsigned port_offset = proto == IPPROTO_ICMP ? 4 : in ? 0 : 2;
    struct endpoint key = {.ip = load32(quoted + address_offset),
                           .port = load16(transport + port_offset),
                           .proto = proto};
    uint32_t at = flow_table_find(nat->table, in ? OUTER : INNER, &key);
    if (at == FLOW_NONE)
        return DROP_NO_BINDING;
    const struct binding *binding = flow_table_at(nat->table, at);
    const struct endpoint *to = in ? &binding->inner : &binding->outer;
    rewrite_transport(transport, transport_bytes, proto, port_offset, to->port, key.ip, to->ip);
    rewrite_address(quoted, address_offset, to->ip);
    // The message's own checksum spans all that changed in the quote.
    store16(l4 + 2, 0);
    store16(l4 + 2, internet_checksum(l4, l4_bytes));
    // Outwards only if the host itself reports: a router's own address has no binding and stays as
    // it is.
    if (in)
        rewrite_address(ip, 16, to->ip);
    else if (load32(ip + 12) == binding->inner.ip)
        rewrite_address(ip, 12, to->ip);
    return PASS;
}

// Bytes of transport header that a translation touches at least.
static unsigned
least_bytes(uint8_t proto)
{
    return proto == IPPROTO_TCP ? 20 : 8;
}

static enum drop
translate(struct nat44 *nat, struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles)
{
    struct pkt_meta *meta = pkt_meta(pkt);
    uint8_t proto = meta->key.proto;
    if (meta->key.ip_version != 4)
        return DROP_UNSUPPORTED;
    if (meta->flags & PKT_FRAGMENT_LATER)
        return DROP_FRAGMENT;
    if (proto != IPPROTO_UDP && proto != IPPROTO_TCP && proto != IPPROTO_ICMP)
        return DROP_UNSUPPORTED;
    if (!meta->l4_offset ||
        rte_pktmbuf_data_len(pkt) < (unsigned)meta->l4_offset + least_bytes(proto))
        return DROP_MALFORMED;
    uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l3_offset);
    uint8_t *l4 = rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l4_offset);
    bool out = dir == PKT_INSIDE_OUT;
    if (proto == IPPROTO_ICMP) {
        // Without the padding of short frames, which the checksum does not span.
        unsigned ip_bytes = ntohs(load16(ip + 2)), header = meta->l4_offset - meta->l3_offset;
        unsigned at_hand = rte_pktmbuf_data_len(pkt) - meta->l3_offset;
        if (ip_bytes < header + 8 || ip_bytes > at_hand)
            return DROP_MALFORMED;
        if (l4[0] == 3 || l4[0] == 11 || l4[0] == 12)
            return translate_error(nat, ip, l4, ip_bytes - header, dir);
        if (l4[0] != (out ? 8 : 0))
            return DROP_UNSUPPORTED;
    }
    unsigned address_offset = out ? 12 : 16;
    unsigned port_offset = proto == IPPROTO_ICMP ? 4 : out ? 0 : 2;
    struct endpoint key = {
        .ip = load32(ip + address_offset), .port = load16(l4 + port_offset), .proto = proto};
    enum drop why = DROP_NO_BINDING;
    uint32_t at =
        out ? bind_inner(nat, &key, now_cycles, &why) : flow_table_find(nat->table, OUTER, &key);
    if (at == FLOW_NONE)
        return why;
    if (proto == IPPROTO_TCP)
        follow_tcp(nat, at, l4[13], dir);
    if (out || proto == IPPROTO_TCP)
        flow_table_refresh(nat->table, at, now_cycles);
    const struct binding *binding = flow_table_at(nat->table, at);
    const struct endpoint *to = out ? &binding->outer : &binding->inner;
    rewrite_transport(l4, least_bytes(proto), proto, port_offset, to->port, key.ip, to->ip);
    rewrite_address(ip, address_offset, to->ip);
    *(out ? &meta->key.src[0] : &meta->key.dst[0]) = to->ip;
    if (out || proto == IPPROTO_ICMP)
        meta->key.sport = to->port;
    if (!out || proto == IPPROTO_ICMP)
        meta->key.dport = to->port;
    return PASS;
}

static uint16_t
nat44_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
              uint64_t now_cycles)
{
    struct nat44 *nat = state;
    uint16_t kept = 0;
    for (uint16_t i = 0; i < n; i++) {
        enum drop drop = translate(nat, pkts[i], dir, now_cycles);
        if (likely(drop == PASS)) {
            pkts[kept++] = pkts[i];
        } else {
            __atomic_store_n(&nat->drops[drop], nat->drops[drop] + 1, __ATOMIC_RELAXED);
            rte_pktmbuf_free(pkts[i]);
        }
    }
    return kept;
}

static void
nat44_tick(void *state, uint64_t now_cycles, unsigned budget)
{
    struct nat44 *nat = state;
    flow_table_expire(nat->table, now_cycles, budget);
}

static unsigned
nat44_outside_match(const void *state, struct offload_match *out, unsigned max)
{
    const struct nat44 *nat = state;
    if (max < 1)
        return 0;
    *out = (struct offload_match){.dst_bits = nat->pool_bits,
                                  .ip_version = 4,
                                  .proto = OFFLOAD_ANY_PROTO,
                                  .sport_most = 65535,
                                  .dport_most = 65535,
                                  .vlan = OFFLOAD_ANY_VLAN,
                                  .vni = OFFLOAD_ANY_VNI,
                                  .in_port = OFFLOAD_PORT_OUTSIDE};
    store32(out->dst, htonl(nat->pool));
    return 1;
}

static uint64_t
nat44_entries(const void *state)
{
    return flow_table_live(((const struct nat44 *)state)->table);
}

static uint64_t
nat44_state_bytes(const void *state)
{
    return flow_table_bytes(((const struct nat44 *)state)->table);
}

static uint64_t
nat44_dirty(const void *state)
{
    return flow_table_dirty(((const struct nat44 *)state)->table);
}

// An entry on its way: 0 state u8, 1 protocol u8, 2 seen u8, 3 zero u8, 4 inner address, 8 inner
// port, 10 outer port, 12 outer address (as on the wire), 16 remaining u64 (ns).
static void
export_entry(const void *ctx, const struct flow_head *entry, uint8_t *to, uint64_t now_cycles)
{
    const struct nat44 *nat = ctx;
    const struct binding *binding = (const struct binding *)entry;
    to[0] = entry->state;
    to[1] = binding->inner.proto;
    to[2] = entry->user[0];
    to[3] = 0;
    store32(to + 4, binding->inner.ip);
    store16(to + 8, binding->inner.port);
    store16(to + 10, binding->outer.port);
    store32(to + 12, binding->outer.ip);
    fn_put64(to + 16, flow_remaining_ns(entry, now_cycles, nat->tsc_hz));
}

static size_t
nat44_export(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags,
             uint64_t now_cycles)
{
    struct nat44 *nat = state;
    return fn_export(nat->table, nat, ENTRY_BYTES, export_entry, cursor, buf, size, flags,
                     now_cycles);
}

// What no honest end sends is refused before it can do harm.
static int
check_entry(const struct nat44 *nat, const uint8_t *from, const struct binding *new,
            struct offload_err *err)
{
    uint32_t outer = ntohl(new->outer.ip);
    uint16_t port = ntohs(new->outer.port);
    uint8_t proto = from[1];
    if ((from[0] != FLOW_LIVE && from[0] != FLOW_TOMBSTONE) || from[3] != 0 ||
        (proto != IPPROTO_UDP && proto != IPPROTO_TCP && proto != IPPROTO_ICMP) ||
        (from[2] & ~SEEN_ALL) || (from[2] && proto != IPPROTO_TCP))
        return offload_err_set(err, -EBADMSG, "nat44", NULL, "an entry is malformed");
    if (outer - nat->pool >= nat->n_pool || port < nat->port_least || port > nat->port_most)
        return offload_err_set(err, -EBADMSG, "nat44", "use equal parameters at both ends",
                               "an entry lies outside the pool of addresses and ports");
    return 0;
}

static int
import_entry(struct nat44 *nat, const uint8_t *from, uint64_t now_cycles, struct offload_err *err)
{
    struct binding new = {
        .flow.user = {from[2]},
        .inner = {.ip = load32(from + 4), .port = load16(from + 8), .proto = from[1]},
        .outer = {.ip = load32(from + 12), .port = load16(from + 10), .proto = from[1]},
    };
    int rc = check_entry(nat, from, &new, err);
    if (rc < 0)
        return rc;
    uint32_t at = flow_table_find(nat->table, INNER, &new.inner);
    if (at != FLOW_NONE) {
        const struct binding *old = flow_table_at(nat->table, at);
        if (from[0] == FLOW_TOMBSTONE || memcmp(&old->outer, &new.outer, sizeof new.outer) != 0) {
            flow_table_remove(nat->table, at);
            at = FLOW_NONE;
        }
    }
    if (from[0] == FLOW_TOMBSTONE)
        return 0;
    if (at == FLOW_NONE && flow_table_find(nat->table, OUTER, &new.outer) != FLOW_NONE)
        return offload_err_set(err, -EBADMSG, "nat44", NULL, "two bindings share one outside port");
    if (at == FLOW_NONE)
        at = flow_table_add(nat->table, &new, 0, now_cycles);
    if (at == FLOW_NONE)
        return offload_err_set(err, -ENOSPC, "nat44", "allocate more memory_bytes",
                               "no room for %u bindings and one more", flow_table_live(nat->table));
    struct binding *binding = flow_table_at(nat->table, at);
    binding->flow.user[0] = from[2];
    binding->flow.timeout_cycles = timeout_of(nat, from[1], from[2]);
    flow_set_remaining(&binding->flow, fn_get64(from + 16), now_cycles, nat->tsc_hz);
    return 0;
}

static int
nat44_import(void *state, const void *buf, size_t len, uint64_t now_cycles, struct offload_err *err)
{
    const uint8_t *from = buf;
    if (len % ENTRY_BYTES)
        return offload_err_set(err, -EBADMSG, "nat44", NULL, "%zu bytes are no whole entries", len);
    for (size_t i = 0; i < len; i += ENTRY_BYTES) {
        int rc = import_entry(state, from + i, now_cycles, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static unsigned
nat44_counters(const void *state, struct fn_counter *out, unsigned max)
{
    const struct nat44 *nat = state;
    unsigned n = 0;
    for (; n < N_DROPS && n < max; n++)
        out[n] =
            (struct fn_counter){drop_names[n], __atomic_load_n(&nat->drops[n], __ATOMIC_RELAXED)};
    return n;
}

extern const struct fn_ops fn_nat44;
const struct fn_ops fn_nat44 = {
    .name = "nat44",
    .help = "stateful NAT of IPv4 (UDP, TCP, ICMP)",
    .params = nat44_options,
    .params_bytes = sizeof(struct nat44_params),
    .entry_bytes = ENTRY_BYTES,
    .create = nat44_create,
    .destroy = nat44_destroy,
    .process = nat44_process,
    .tick = nat44_tick,
    .outside_match = nat44_outside_match,
    .entries = nat44_entries,
    .state_bytes = nat44_state_bytes,
    .export = nat44_export,
    .dirty = nat44_dirty,
    .import = nat44_import,
    .counters = nat44_counters,
};
