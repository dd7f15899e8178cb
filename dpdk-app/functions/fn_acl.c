// SPDX-License-Identifier: Apache-2.0
// A packet filter: the first rule that holds decides. Stateful, it lets in the replies to what it
// permitted, and the ICMP errors about it.
// classify -> admit -> schedule -> [acl] -> transmit.  Runs on the worker of the card.
#include "dpdk-app/functions/checksum.h"
#include "dpdk-app/functions/fn_state.h"
#include "lib/base/json.h"

#include <offload/card_api.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RULES_MOST = 1024,
    ICMP_TIMEOUT_S = 60,
    TRANSITORY_S = 240, // TCP that opens or closes
    ENTRY_BYTES = 56,
};

enum seen {
    SEEN_REPLY = 1, // from the side that did not begin
    SEEN_CLOSE = 2, // FIN or RST
    SEEN_ALL = 3,
};

// A connection, keyed as its packets from inside look.
struct connection {
    struct flow_head flow;
    struct pkt_key key;
    uint8_t pad[(8 - sizeof(struct pkt_key) % 8) % 8];
};

// The key with its padding, which is 0.
enum { KEY_BYTES = RTE_ALIGN(sizeof(struct pkt_key), 8) };
static_assert(sizeof(struct connection) == sizeof(struct flow_head) + KEY_BYTES, "no holes");

union oriented {
    struct pkt_key key;
    uint8_t bytes[KEY_BYTES];
};

static const struct flow_layout layout = {
    .entry_bytes = sizeof(struct connection),
    .n_keys = 1,
    .key = {{offsetof(struct connection, key), KEY_BYTES}},
};

struct acl_params {
    struct json_object *rules;
    int permit_rest;
    bool stateful;
    uint64_t udp_timeout_s, tcp_timeout_s, max_entries;
};

struct acl_rule {
    struct offload_match match;
    bool permit;
};

enum drop { DROP_DENIED, DROP_MEMORY, N_DROPS };
static const char *const drop_names[N_DROPS] = {"denied", "memory"};

struct acl {
    struct fn_state state; // without a table: stateless
    struct acl_rule *rules;
    unsigned n_rules;
    bool permit_rest;
    uint64_t udp_cycles, tcp_cycles, transitory_cycles, icmp_cycles;
};

static const char *const action_names[] = {"deny", "permit", NULL};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct acl_params, f), .size = sizeof(((struct acl_params *)0)->f)

static const struct offload_opt acl_options[] = {
    {.key = "rules",
     .type = OFFLOAD_OPT_ARRAY,
     PARAM(rules),
     .help = "in order: {\"action\":\"permit\"|\"deny\", and the fields of a MATCH}"},
    {.key = "default",
     .type = OFFLOAD_OPT_ENUM,
     PARAM(permit_rest),
     .names = action_names,
     .default_text = "\"deny\"",
     .help = "for what no rule matches"},
    {.key = "stateful",
     .type = OFFLOAD_OPT_BOOL,
     PARAM(stateful),
     .default_text = "true",
     .help = "let replies to permitted packets pass"},
    {.key = "udp_timeout_s",
     .type = OFFLOAD_OPT_U64,
     PARAM(udp_timeout_s),
     .least = 1,
     .most = 86400,
     .default_text = "120",
     .unit = "s",
     .help = "a connection that is not TCP is forgotten so long after its last packet"},
    {.key = "tcp_timeout_s",
     .type = OFFLOAD_OPT_U64,
     PARAM(tcp_timeout_s),
     .least = 1,
     .most = 604800,
     .default_text = "7440",
     .unit = "s",
     .help = "the same for established TCP"},
    {.key = "max_entries",
     .type = OFFLOAD_OPT_U64,
     PARAM(max_entries),
     .least = 1,
     .most = 1 << 22,
     .default_text = "65536",
     .help = "connections at most, within the memory quota"},
    OFFLOAD_OPT_END,
};

// One rule: a MATCH with one key more.
static int
read_rule(struct json_object *object, const char *path, struct acl_rule *out,
          struct offload_err *err)
{
    struct action {
        int permit;
    } action;
    static const struct offload_opt options[] = {
        {.key = "action",
         .type = OFFLOAD_OPT_ENUM,
         .offset = offsetof(struct action, permit),
         .size = sizeof(int),
         .names = action_names,
         .flags = OFFLOAD_OPT_REQUIRED,
         .help = "what becomes of a packet"},
        OFFLOAD_OPT_END,
    };
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "use {\"action\":...}", "no object");
    struct json_object *first = json_object_new_object(), *match = json_object_new_object();
    struct json_object *list = json_object_new_array();
    json_object_array_add(list, match);
    json_object_object_foreach (object, key, value) {
        struct json_object *to = strcmp(key, "action") == 0 ? first : match;
        json_object_object_add(to, key, json_object_get(value));
    }
    unsigned n;
    int rc = offload_opt_read(options, first, path, &action, sizeof action, err);
    if (rc == 0)
        rc = offload_matches_read(list, path, &out->match, 1, &n, err);
    out->permit = action.permit;
    json_object_put(first);
    json_object_put(list);
    return rc;
}

static int
read_rules(struct acl *acl, struct json_object *rules, struct offload_err *err)
{
    size_t n = rules ? json_object_array_length(rules) : 0;
    if (n > RULES_MOST)
        return offload_err_set(err, -ERANGE, "rules", "use at most 1024", "%zu rules", n);
    acl->rules = calloc(n ? n : 1, sizeof *acl->rules);
    if (!acl->rules)
        return offload_err_set(err, -ENOMEM, "acl", NULL, "no memory");
    for (size_t i = 0; i < n; i++) {
        char path[64];
        offload_json_path_index(path, sizeof path, "rules", i);
        int rc = read_rule(json_object_array_get_idx(rules, i), path, &acl->rules[i], err);
        if (rc < 0)
            return rc;
        acl->n_rules++;
    }
    return 0;
}

static void
acl_destroy(void *state)
{
    struct acl *acl = state;
    if (!acl)
        return;
    fn_state_fini(&acl->state);
    free(acl->rules);
    free(acl);
}

static const struct fn_kind kind;

static void *
acl_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    const struct acl_params *p = params;
    struct acl *acl = calloc(1, sizeof *acl);
    if (!acl) {
        offload_err_set(err, -ENOMEM, "acl", NULL, "no memory");
        return NULL;
    }
    if (read_rules(acl, p->rules, err) < 0)
        goto fail;
    acl->permit_rest = p->permit_rest;
    acl->udp_cycles = p->udp_timeout_s * env->tsc_hz;
    acl->tcp_cycles = p->tcp_timeout_s * env->tsc_hz;
    acl->transitory_cycles = RTE_MIN(TRANSITORY_S * env->tsc_hz, acl->tcp_cycles);
    acl->icmp_cycles = ICMP_TIMEOUT_S * env->tsc_hz;
    if (fn_state_init(&acl->state, &kind, p->stateful ? &layout : NULL, p->max_entries, env, err) < 0)
        goto fail;
    return acl;

fail:
    acl_destroy(acl);
    return NULL;
}

static bool
prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & (0xff00 >> bits % 8) & 0xff) == 0;
}

static bool
has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static bool
port_within(uint16_t port, uint16_t least, uint16_t most)
{
    return ntohs(port) >= least && ntohs(port) <= most;
}

// A later fragment has no ports. It passes where its first one might (without that it is of no use
// to anybody), so a rule with ports holds for it only if it permits.
static bool
rule_holds(const struct acl_rule *rule, const struct pkt_meta *meta)
{
    const struct offload_match *m = &rule->match;
    const struct pkt_key *key = &meta->key;
    if (m->in_port != OFFLOAD_PORT_ANY &&
        (m->in_port == OFFLOAD_PORT_OUTSIDE) != (meta->dir == PKT_OUTSIDE_IN))
        return false;
    if ((m->ip_version && m->ip_version != key->ip_version) ||
        (m->proto != OFFLOAD_ANY_PROTO && (!key->ip_version || m->proto != key->proto)) ||
        (m->vlan != OFFLOAD_ANY_VLAN && m->vlan != key->vlan))
        return false;
    if (!prefix_equal(m->src, (const uint8_t *)key->src, m->src_bits) ||
        !prefix_equal(m->dst, (const uint8_t *)key->dst, m->dst_bits))
        return false;
    if (m->sport_least == 0 && m->sport_most == 65535 && m->dport_least == 0 &&
        m->dport_most == 65535)
        return true;
    if (!key->ip_version || !has_ports(key->proto))
        return false;
    if (meta->flags & PKT_FRAGMENT_LATER)
        return rule->permit;
    return port_within(key->sport, m->sport_least, m->sport_most) &&
           port_within(key->dport, m->dport_least, m->dport_most);
}

static bool
permitted(const struct acl *acl, const struct pkt_meta *meta)
{
    for (unsigned i = 0; i < acl->n_rules; i++)
        if (rule_holds(&acl->rules[i], meta))
            return acl->rules[i].permit;
    return acl->permit_rest;
}

// The key as a packet of this connection from inside would have it.
static void
orient(union oriented *out, const struct pkt_key *key, bool swap)
{
    memset(out, 0, sizeof *out);
    memcpy(out->key.src, swap ? key->dst : key->src, sizeof out->key.src);
    memcpy(out->key.dst, swap ? key->src : key->dst, sizeof out->key.dst);
    out->key.sport = swap ? key->dport : key->sport;
    out->key.dport = swap ? key->sport : key->dport;
    out->key.vlan = key->vlan;
    out->key.proto = key->proto;
    out->key.ip_version = key->ip_version;
}

static uint64_t
timeout_of(const struct acl *acl, uint8_t proto, uint8_t seen)
{
    if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
        return acl->icmp_cycles;
    if (proto != IPPROTO_TCP)
        return acl->udp_cycles;
    return seen == SEEN_REPLY ? acl->tcp_cycles : acl->transitory_cycles;
}

// A packet of a known connection. flow.user[1] says from which side it was begun.
static void
follow(struct acl *acl, uint32_t at, struct rte_mbuf *pkt, uint64_t now_cycles)
{
    struct connection *conn = flow_table_at(acl->state.table, at);
    const struct pkt_meta *meta = pkt_meta(pkt);
    uint8_t seen = conn->flow.user[0];
    if (meta->dir != conn->flow.user[1])
        seen |= SEEN_REPLY;
    if (meta->key.proto == IPPROTO_TCP && meta->l4_offset &&
        rte_pktmbuf_data_len(pkt) >= meta->l4_offset + 14u) {
        uint8_t flags = *rte_pktmbuf_mtod_offset(pkt, uint8_t *, meta->l4_offset + 13);
        if (flags & 0x05) // FIN, RST
            seen |= SEEN_CLOSE;
        else if ((flags & 0x12) == 0x02) // a SYN begins it anew
            seen = 0;
    }
    if (seen != conn->flow.user[0]) {
        conn->flow.user[0] = seen;
        conn->flow.timeout_cycles = timeout_of(acl, meta->key.proto, seen);
        flow_table_change(acl->state.table, at);
    }
    flow_table_refresh(acl->state.table, at, now_cycles);
}

// The connection that an ICMP error of IPv4 is about: what it quotes went the other way.
static bool
quotes_connection(const struct acl *acl, struct rte_mbuf *pkt)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    if (meta->key.ip_version != 4 || meta->key.proto != IPPROTO_ICMP || !meta->l4_offset ||
        rte_pktmbuf_data_len(pkt) < meta->l4_offset + 8u + 20 + 8)
        return false;
    const uint8_t *l4 = rte_pktmbuf_mtod_offset(pkt, const uint8_t *, meta->l4_offset);
    const uint8_t *quoted = l4 + 8;
    unsigned header = (quoted[0] & 15) * 4;
    if ((l4[0] != 3 && l4[0] != 11 && l4[0] != 12) || quoted[0] >> 4 != 4 || header < 20 ||
        rte_pktmbuf_data_len(pkt) < meta->l4_offset + 8 + header + 8)
        return false;
    struct pkt_key key = {.proto = quoted[9], .ip_version = 4, .vlan = meta->key.vlan};
    key.src[0] = load32(quoted + 12);
    key.dst[0] = load32(quoted + 16);
    if (has_ports(key.proto)) {
        key.sport = load16(quoted + header);
        key.dport = load16(quoted + header + 2);
    } else if (key.proto == IPPROTO_ICMP) {
        key.sport = key.dport = load16(quoted + header + 4);
    }
    union oriented oriented;
    orient(&oriented, &key, meta->dir == PKT_INSIDE_OUT);
    return flow_table_find(acl->state.table, 0, oriented.bytes) != FLOW_NONE;
}

static void
key_of(const void *state, struct rte_mbuf *pkt, enum pkt_dir dir, struct fn_lookup *out)
{
    const struct acl *acl = state;
    const struct pkt_meta *meta = pkt_meta(pkt);
    if (!acl->state.table || !meta->key.ip_version || meta->flags & PKT_FRAGMENT_LATER)
        return;
    static_assert(KEY_BYTES <= sizeof out->key, "fits");
    union oriented oriented;
    orient(&oriented, &meta->key, dir == PKT_OUTSIDE_IN);
    memcpy(out->key, oriented.bytes, KEY_BYTES);
    out->which = 0;
}

static int
filter(void *state, struct rte_mbuf *pkt, enum pkt_dir dir, uint64_t now_cycles,
       const struct fn_lookup *lookup)
{
    struct acl *acl = state;
    const struct pkt_meta *meta = pkt_meta(pkt);
    if (lookup->which < 0)
        return permitted(acl, meta) ? FN_PASS : DROP_DENIED;
    uint32_t at = fn_lookup_find(&acl->state, lookup);
    if (likely(at != FLOW_NONE)) {
        follow(acl, at, pkt, now_cycles);
        return FN_PASS;
    }
    if (quotes_connection(acl, pkt))
        return FN_PASS;
    if (!permitted(acl, meta))
        return DROP_DENIED;
    struct connection new = {.flow.user = {0, dir}};
    memcpy(&new.key, lookup->key, KEY_BYTES);
    at = flow_table_add(acl->state.table, &new, timeout_of(acl, meta->key.proto, 0), now_cycles);
    return at == FLOW_NONE ? DROP_MEMORY : FN_PASS;
}

static uint16_t
acl_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir, uint64_t now_cycles)
{
    return fn_burst(state, key_of, filter, pkts, n, dir, now_cycles);
}

// An entry on its way: 0 state u8, 1 seen u8, 2 begun from u8, 3 IP version u8, 4 source, 20
// destination, 36 source port, 38 destination port (as on the wire), 40 VLAN u16, 42 protocol u8,
// 43 zeros, 48 remaining u64 (ns).
static void
export_entry(const void *state, const struct flow_head *entry, uint8_t *to, uint64_t now_cycles)
{
    const struct acl *acl = state;
    const struct pkt_key *key = &((const struct connection *)entry)->key;
    memset(to, 0, ENTRY_BYTES);
    to[0] = entry->state;
    to[1] = entry->user[0];
    to[2] = entry->user[1];
    to[3] = key->ip_version;
    memcpy(to + 4, key->src, 16);
    memcpy(to + 20, key->dst, 16);
    store16(to + 36, key->sport);
    store16(to + 38, key->dport);
    to[40] = key->vlan & 0xff;
    to[41] = key->vlan >> 8;
    to[42] = key->proto;
    fn_put64(to + 48, flow_remaining_ns(entry, now_cycles, acl->state.tsc_hz));
}

static int
import_entry(void *state, const uint8_t *from, uint64_t now_cycles, struct offload_err *err)
{
    struct acl *acl = state;
    static const uint8_t zeros[12];
    if ((from[0] != FLOW_LIVE && from[0] != FLOW_TOMBSTONE) || (from[1] & ~SEEN_ALL) ||
        from[2] > 1 || (from[3] != 4 && from[3] != 6) || (from[41] & 0xf0) ||
        memcmp(from + 43, zeros, 5) != 0 ||
        (from[3] == 4 && (memcmp(from + 8, zeros, 12) != 0 || memcmp(from + 24, zeros, 12) != 0)))
        return offload_err_set(err, -EBADMSG, "acl", NULL, "an entry is malformed");
    struct connection new = {.flow.user = {from[1], from[2]}};
    union oriented oriented = {0};
    oriented.key.ip_version = from[3];
    memcpy(oriented.key.src, from + 4, 16);
    memcpy(oriented.key.dst, from + 20, 16);
    oriented.key.sport = load16(from + 36);
    oriented.key.dport = load16(from + 38);
    oriented.key.vlan = from[40] | from[41] << 8;
    oriented.key.proto = from[42];
    memcpy(&new.key, oriented.bytes, KEY_BYTES);
    uint32_t at = flow_table_find(acl->state.table, 0, oriented.bytes);
    if (from[0] == FLOW_TOMBSTONE) {
        if (at != FLOW_NONE)
            flow_table_remove(acl->state.table, at);
        return 0;
    }
    if (at == FLOW_NONE)
        at = flow_table_add(acl->state.table, &new, 0, now_cycles);
    if (at == FLOW_NONE)
        return offload_err_set(err, -ENOSPC, "acl", "allocate more memory_bytes",
                               "no room for %u connections and one more",
                               flow_table_live(acl->state.table));
    struct connection *conn = flow_table_at(acl->state.table, at);
    conn->flow.user[0] = from[1];
    conn->flow.user[1] = from[2];
    conn->flow.timeout_cycles = timeout_of(acl, from[42], from[1]);
    flow_set_remaining(&conn->flow, fn_get64(from + 48), now_cycles, acl->state.tsc_hz);
    return 0;
}

static const struct fn_kind kind = {
    .name = "acl",
    .entry_bytes = ENTRY_BYTES,
    .export_entry = export_entry,
    .import_entry = import_entry,
    .n_drops = N_DROPS,
    .drop_names = drop_names,
};

extern const struct fn_ops fn_acl;
const struct fn_ops fn_acl = {
    .name = "acl",
    .help = "packet filter, stateful or not",
    .params = acl_options,
    .params_bytes = sizeof(struct acl_params),
    .entry_bytes = ENTRY_BYTES,
    .create = acl_create,
    .destroy = acl_destroy,
    .process = acl_process,
    FN_STATE_HOOKS,
};
