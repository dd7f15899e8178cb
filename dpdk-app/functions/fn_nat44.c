// SPDX-License-Identifier: Apache-2.0
// Stateful NAT of IPv4: inside endpoints share a few outside addresses.
// classify -> admit -> schedule -> [nat44] -> transmit.  Runs on the worker of the card.
// RFC 4787 (UDP): endpoint-independent mapping and filtering (REQ-1, REQ-8), paired address pooling
// (REQ-2), port parity (REQ-4), outbound refresh (REQ-6), no fragments later than the first (REQ-14
// is not met: they are dropped and counted). RFC 5382 and 7857 (TCP): timeouts, a shorter one after
// FIN or RST. RFC 5508 (ICMP): echo, and errors with what they quote. RFC 1624: checksums. Ports may
// be given out in blocks, so that one line of a log says which host had which (RFC 6888 REQ-14).
#include "dpdk-app/functions/fn_state.h"
#include "dpdk-app/functions/rewrite.h"

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
    POOL_BITS_LEAST = 24, // a pool of at most 256 addresses
    PROBES_MOST = 1024,   // ports tried at one address; above 98 % use some tries fail
    BLOCK_PROBES = 64,    // blocks looked at for a host
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
    uint64_t udp_timeout_s, tcp_timeout_s, tcp_transitory_timeout_s, icmp_timeout_s;
    uint64_t block_ports, blocks_per_host, max_entries;
};

// Neighbouring ports of one outside address, one inside host's as long as it uses any.
struct block {
    uint32_t host; // as on the wire
    uint32_t used; // bindings, of all protocols; 0: nobody's
};

enum drop {
    DROP_FRAGMENT,
    DROP_UNSUPPORTED, // not IPv4, not UDP, TCP or ICMP echo
    DROP_NO_BINDING,  // from outside, for nobody
    DROP_MEMORY,
    DROP_PORTS,
    DROP_MALFORMED,
    N_DROPS,
};

static const char *const drop_names[N_DROPS] = {"fragment", "unsupported", "no_binding",
                                                "memory",   "ports",       "malformed"};

struct nat44 {
    struct fn_state state;
    uint32_t pool;   // first address, host order
    uint32_t n_pool; // addresses
    uint8_t pool_bits;
    uint16_t port_least, port_most;
    uint64_t udp_cycles, tcp_cycles, tcp_transitory_cycles, icmp_cycles;
    uint64_t seed;
    struct block *blocks; // of the first address, then of the next; NULL: ports are given singly
    uint32_t block_ports, blocks_each, blocks_per_host;
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
    {.key = "tcp_transitory_timeout_s",
     .type = OFFLOAD_OPT_U64,
     PARAM(tcp_transitory_timeout_s),
     .least = 1,
     .most = 86400,
     .default_text = "240",
     .unit = "s",
     .help = "the same for TCP that opens or closes"},
    {.key = "icmp_timeout_s",
     .type = OFFLOAD_OPT_U64,
     PARAM(icmp_timeout_s),
     .least = 1,
     .most = 86400,
     .default_text = "60",
     .unit = "s",
     .help = "the same for ICMP echo"},
    {.key = "block_ports",
     .type = OFFLOAD_OPT_U64,
     PARAM(block_ports),
     .least = 0,
     .most = 32768,
     .default_text = "0",
     .unit = "ports",
     .help = "ports are given to a host in blocks of so many; 0: singly"},
    {.key = "blocks_per_host",
     .type = OFFLOAD_OPT_U64,
     PARAM(blocks_per_host),
     .least = 1,
     .most = 64,
     .default_text = "4",
     .unit = "blocks",
     .help = "blocks that one host may have"},
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
    fn_state_fini(&nat->state);
    free(nat->blocks);
    free(nat);
}

static struct block *
block_of(const struct nat44 *nat, const struct endpoint *outer)
{
    uint32_t address = ntohl(outer->ip) - nat->pool, port = ntohs(outer->port);
    return &nat->blocks[address * nat->blocks_each + (port - nat->port_least) / nat->block_ports];
}

static void
on_remove(void *ctx, const struct flow_head *entry)
{
    const struct binding *binding = (const struct binding *)entry;
    block_of(ctx, &binding->outer)->used--;
}

static int
make_blocks(struct nat44 *nat, const struct nat44_params *p, struct offload_err *err)
{
    if (p->block_ports == 0)
        return 0;
    nat->block_ports = (uint32_t)p->block_ports;
    nat->blocks_per_host = (uint32_t)p->blocks_per_host;
    nat->blocks_each = (nat->port_most - nat->port_least + 1u) / nat->block_ports;
    if (nat->blocks_each == 0)
        return offload_err_set(err, -EINVAL, "block_ports", "use smaller blocks, or more ports",
                               "no block of %u ports fits into %u-%u", nat->block_ports,
                               nat->port_least, nat->port_most);
    nat->port_most = (uint16_t)(nat->port_least + nat->blocks_each * nat->block_ports - 1);
    nat->blocks = calloc((size_t)nat->n_pool * nat->blocks_each, sizeof *nat->blocks);
    if (!nat->blocks)
        return offload_err_set(err, -ENOMEM, "nat44", NULL, "no memory");
    flow_table_on_remove(nat->state.table, on_remove, nat);
    return 0;
}

static const struct fn_kind kind;

static void *
nat44_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    const struct nat44_params *p = params;
    struct nat44 *nat = calloc(1, sizeof *nat);
    if (!nat) {
        offload_err_set(err, -ENOMEM, "nat44", NULL, "no memory");
        return NULL;
    }
    if (parse_pool(nat, p->external, err) < 0 || parse_ports(nat, p->ports, err) < 0 ||
        fn_state_init(&nat->state, &kind, &layout, p->max_entries, env, err) < 0 ||
        make_blocks(nat, p, err) < 0) {
        nat44_destroy(nat);
        return NULL;
    }
    nat->udp_cycles = p->udp_timeout_s * env->tsc_hz;
    nat->tcp_cycles = p->tcp_timeout_s * env->tsc_hz;
    nat->tcp_transitory_cycles =
        RTE_MIN(p->tcp_transitory_timeout_s, p->tcp_timeout_s) * env->tsc_hz;
    nat->icmp_cycles = p->icmp_timeout_s * env->tsc_hz;
    nat->seed = rte_rand();
    return nat;
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

// A free port of 'outer->ip' from 'least' to 'most', of the parity of 'wanted' (network order) while
// there is one: RFC 4787 REQ-4. Where the search begins depends on the seed, as RFC 6056 wants ports
// hard to guess.
static bool
find_port(const struct nat44 *nat, struct endpoint *outer, uint16_t least, uint16_t most,
          uint16_t wanted, uint32_t random)
{
    uint32_t n = most - least + 1u;
    uint32_t at = random % n;
    if (((least + at) ^ ntohs(wanted)) & 1)
        at = (at + 1) % n;
    for (unsigned i = 0; i < PROBES_MOST && i < n; i++) {
        outer->port = htons((uint16_t)(least + at));
        if (flow_table_find(nat->state.table, OUTER, outer) == FLOW_NONE)
            return true;
        at += i == n / 2 || i == PROBES_MOST / 2 ? 1 : 2; // now the other parity
        at %= n;
    }
    return false;
}

// The same within the blocks that 'host' has at 'outer->ip', or may have: first those in use, then
// one that is nobody's.
static bool
find_port_in_blocks(const struct nat44 *nat, struct endpoint *outer, uint32_t host, uint16_t wanted,
                    uint32_t first, uint32_t random)
{
    uint32_t address = ntohl(outer->ip) - nat->pool, base = address * nat->blocks_each;
    uint32_t n = RTE_MIN(nat->blocks_each, (uint32_t)BLOCK_PROBES), own = 0, spare = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = (first + i) % nat->blocks_each;
        const struct block *block = &nat->blocks[base + place];
        if (block->used == 0) {
            spare = spare == UINT32_MAX ? place : spare;
            continue;
        }
        if (block->host != host)
            continue;
        uint16_t least = (uint16_t)(nat->port_least + place * nat->block_ports);
        if (find_port(nat, outer, least, (uint16_t)(least + nat->block_ports - 1), wanted, random))
            return true;
        if (++own == nat->blocks_per_host)
            return false;
    }
    if (spare == UINT32_MAX)
        return false;
    uint16_t least = (uint16_t)(nat->port_least + spare * nat->block_ports);
    return find_port(nat, outer, least, (uint16_t)(least + nat->block_ports - 1), wanted, random);
}

static uint32_t
add_binding(struct nat44 *nat, const struct binding *new, uint64_t timeout_cycles,
            uint64_t now_cycles)
{
    uint32_t at = flow_table_add(nat->state.table, new, timeout_cycles, now_cycles);
    if (nat->blocks && at != FLOW_NONE) {
        struct block *block = block_of(nat, &new->outer);
        block->host = new->inner.ip;
        block->used++;
    }
    return at;
}

// A new binding of an inside endpoint. FLOW_NONE: '*why' says what is short.
static uint32_t
bind_inner(struct nat44 *nat, const struct endpoint *inner, uint64_t now_cycles, int *why)
{
    struct binding new = {.inner = *inner, .outer = {.proto = inner->proto}};
    uint32_t host = mix(nat->seed, inner->ip);
    uint32_t first = host % nat->n_pool; // one inside host, one address: REQ-2
    uint32_t random =
        mix(nat->seed, (uint64_t)inner->ip << 24 ^ (uint64_t)inner->port << 8 ^ inner->proto);
    *why = DROP_PORTS;
    for (uint32_t i = 0; i < nat->n_pool; i++) {
        new.outer.ip = htonl(nat->pool + (first + i) % nat->n_pool);
        bool found = nat->blocks ? find_port_in_blocks(nat, &new.outer, inner->ip, inner->port,
                                                       host % nat->blocks_each, random)
                                 : find_port(nat, &new.outer, nat->port_least, nat->port_most,
                                             inner->port, random);
        if (!found)
            continue;
        *why = DROP_MEMORY;
        return add_binding(nat, &new, timeout_of(nat, inner->proto, 0), now_cycles);
    }
    return FLOW_NONE;
}

static void
follow_tcp(struct nat44 *nat, uint32_t at, uint8_t flags, enum pkt_dir dir)
{
    struct binding *binding = flow_table_at(nat->state.table, at);
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
    flow_table_change(nat->state.table, at);
}

// An ICMP error: what it quotes is a packet that went the other way, and is translated with it (RFC
// 5508 REQ-4, REQ-5).
static int
translate_error(struct nat44 *nat, uint8_t *ip, uint8_t *l4, unsigned l4_bytes, enum pkt_dir dir)
{
    struct quote quote;
    if (!quote_find(l4, l4_bytes, &quote))
        return DROP_MALFORMED;
    if (quote.proto != IPPROTO_UDP && quote.proto != IPPROTO_TCP && quote.proto != IPPROTO_ICMP)
        return DROP_UNSUPPORTED;
    // Coming in it quotes what we sent: its source is ours. Going out, the destination is the
    // inside host's.
    bool in = dir == PKT_OUTSIDE_IN;
    unsigned address = in ? ADDRESS_SOURCE : ADDRESS_DESTINATION;
    unsigned port_offset = quote.proto == IPPROTO_ICMP ? 4 : in ? 0 : 2;
    struct endpoint key = {.ip = load32(quote.ip + address),
                           .port = load16(quote.l4 + port_offset),
                           .proto = quote.proto};
    uint32_t at = flow_table_find(nat->state.table, in ? OUTER : INNER, &key);
    if (at == FLOW_NONE)
        return DROP_NO_BINDING;
    const struct binding *binding = flow_table_at(nat->state.table, at);
    const struct endpoint *to = in ? &binding->inner : &binding->outer;
    quote_rewrite(&quote, l4, l4_bytes, address, port_offset, to->ip, to->port);
    // Outwards only if the host itself reports: a router's own address has no binding and stays as
    // it is.
    if (in)
        rewrite_address(ip, ADDRESS_DESTINATION, to->ip);
    else if (load32(ip + ADDRESS_SOURCE) == binding->inner.ip)
        rewrite_address(ip, ADDRESS_SOURCE, to->ip);
    return FN_PASS;
}

static bool
translates(uint8_t proto)
{
    return proto == IPPROTO_UDP || proto == IPPROTO_TCP || proto == IPPROTO_ICMP;
}

static void
key_of(const void *state, struct rte_mbuf *pkt, enum pkt_dir dir, struct fn_lookup *out)
{
    (void)state;
    const struct pkt_key *key = &pkt_meta(pkt)->key;
    bool outward = dir == PKT_INSIDE_OUT;
    struct endpoint end = {.ip = outward ? key->src[0] : key->dst[0],
                           .port = outward ? key->sport : key->dport,
                           .proto = key->proto};
    memcpy(out->key, &end, sizeof end);
    out->which = outward ? INNER : OUTER;
}

static int
translate(void *state, struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles,
          const struct fn_lookup *lookup)
{
    struct nat44 *nat = state;
    struct pkt_meta *meta = pkt_meta(pkt);
    uint8_t proto = meta->key.proto;
    if (meta->key.ip_version != 4)
        return DROP_UNSUPPORTED;
    if (meta->flags & PKT_FRAGMENT_LATER)
        return DROP_FRAGMENT;
    if (!translates(proto))
        return DROP_UNSUPPORTED;
    if (!meta->l4_offset ||
        rte_pktmbuf_data_len(pkt) < (unsigned)meta->l4_offset + rewrite_least_bytes(proto))
        return DROP_MALFORMED;
    uint8_t *ip = rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l3_offset);
    uint8_t *l4 = rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l4_offset);
    bool out = dir == PKT_INSIDE_OUT;
    if (proto == IPPROTO_ICMP) {
        unsigned bytes = icmp_bytes(pkt, ip);
        if (bytes == 0)
            return DROP_MALFORMED;
        if (icmp_is_error(l4[0]))
            return translate_error(nat, ip, l4, bytes, dir);
        if (l4[0] != (out ? 8 : 0))
            return DROP_UNSUPPORTED;
    }
    int why = DROP_NO_BINDING;
    uint32_t at = fn_lookup_find(&nat->state, lookup);
    if (at == FLOW_NONE && out)
        at = bind_inner(nat, (const struct endpoint *)lookup->key, now_cycles, &why);
    if (at == FLOW_NONE)
        return why;
    if (proto == IPPROTO_TCP)
        follow_tcp(nat, at, l4[13], dir);
    if (out || proto == IPPROTO_TCP)
        flow_table_refresh(nat->state.table, at, now_cycles);
    const struct binding *binding = flow_table_at(nat->state.table, at);
    const struct endpoint *to = out ? &binding->outer : &binding->inner;
    unsigned address = out ? ADDRESS_SOURCE : ADDRESS_DESTINATION;
    rewrite_transport(l4, rewrite_least_bytes(proto), proto,
                      proto == IPPROTO_ICMP ? 4
                      : out                 ? 0
                                            : 2,
                      to->port, load32(ip + address), to->ip);
    rewrite_address(ip, address, to->ip);
    *(out ? &meta->key.src[0] : &meta->key.dst[0]) = to->ip;
    if (out || proto == IPPROTO_ICMP)
        meta->key.sport = to->port;
    if (!out || proto == IPPROTO_ICMP)
        meta->key.dport = to->port;
    return FN_PASS;
}

static uint16_t
nat44_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
              uint64_t now_cycles)
{
    return fn_burst(state, key_of, translate, pkts, n, dir, now_cycles);
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

// An entry on its way: 0 state u8, 1 protocol u8, 2 seen u8, 3 zero u8, 4 inner address, 8 inner
// port, 10 outer port, 12 outer address (as on the wire), 16 remaining u64 (ns).
static void
export_entry(const void *state, const struct flow_head *entry, uint8_t *to, uint64_t now_cycles)
{
    const struct nat44 *nat = state;
    const struct binding *binding = (const struct binding *)entry;
    to[0] = entry->state;
    to[1] = binding->inner.proto;
    to[2] = entry->user[0];
    to[3] = 0;
    store32(to + 4, binding->inner.ip);
    store16(to + 8, binding->inner.port);
    store16(to + 10, binding->outer.port);
    store32(to + 12, binding->outer.ip);
    fn_put64(to + 16, flow_remaining_ns(entry, now_cycles, nat->state.tsc_hz));
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
    if (nat->blocks && from[0] == FLOW_LIVE) {
        const struct block *block = block_of(nat, &new->outer);
        if (block->used > 0 && block->host != new->inner.ip)
            return offload_err_set(err, -EBADMSG, "nat44", NULL,
                                   "two hosts share one block of ports");
    }
    return 0;
}

static int
import_entry(void *state, const uint8_t *from, uint64_t now_cycles, struct offload_err *err)
{
    struct nat44 *nat = state;
    struct flow_table *table = nat->state.table;
    struct binding new = {
        .flow.user = {from[2]},
        .inner = {.ip = load32(from + 4), .port = load16(from + 8), .proto = from[1]},
        .outer = {.ip = load32(from + 12), .port = load16(from + 10), .proto = from[1]},
    };
    int rc = check_entry(nat, from, &new, err);
    if (rc < 0)
        return rc;
    uint32_t at = flow_table_find(table, INNER, &new.inner);
    if (at != FLOW_NONE) {
        const struct binding *old = flow_table_at(table, at);
        if (from[0] == FLOW_TOMBSTONE || memcmp(&old->outer, &new.outer, sizeof new.outer) != 0) {
            flow_table_remove(table, at);
            at = FLOW_NONE;
        }
    }
    if (from[0] == FLOW_TOMBSTONE)
        return 0;
    if (at == FLOW_NONE && flow_table_find(table, OUTER, &new.outer) != FLOW_NONE)
        return offload_err_set(err, -EBADMSG, "nat44", NULL, "two bindings share one outside port");
    if (at == FLOW_NONE)
        at = add_binding(nat, &new, 0, now_cycles);
    if (at == FLOW_NONE)
        return offload_err_set(err, -ENOSPC, "nat44", "allocate more memory_bytes",
                               "no room for %u bindings and one more", flow_table_live(table));
    struct binding *binding = flow_table_at(table, at);
    binding->flow.user[0] = from[2];
    binding->flow.timeout_cycles = timeout_of(nat, from[1], from[2]);
    flow_set_remaining(&binding->flow, fn_get64(from + 16), now_cycles, nat->state.tsc_hz);
    return 0;
}

static const struct fn_kind kind = {
    .name = "nat44",
    .entry_bytes = ENTRY_BYTES,
    .export_entry = export_entry,
    .import_entry = import_entry,
    .n_drops = N_DROPS,
    .drop_names = drop_names,
};

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
    .outside_match = nat44_outside_match,
    FN_STATE_HOOKS,
};
