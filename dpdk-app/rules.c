// SPDX-License-Identifier: Apache-2.0
// Rules compiled by rte_acl, and looked up in bursts.
#include "dpdk-app/rules.h"

#include <offload/card_api.h>

#include <rte_acl.h>
#include <rte_byteorder.h>
#include <rte_lcore.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    // Of the tries of one set. Rules that overlap in many ways multiply nodes; beyond it the library
    // splits them into more tries (8 at most), which is slower, but bounded.
    ACL_BYTES_MAX = 64 << 20,
    KIND_IP = 1,
    KIND_PORTS = 2, // has ports that are known
};

// What the tries walk through, byte by byte, as on the wire. rte_acl wants a first field of one
// byte, and the others in groups of four.
struct lookup_key {
    uint8_t fill[3], proto;
    uint8_t kind, zero;
    rte_be16_t vlan;
    rte_be16_t sport, dport;
    rte_be32_t vni;
    uint32_t address[8]; // source, destination: one word each for IPv4, four for IPv6
};

// Fields by their place in a rule. The addresses come last, so that IPv4 needs a prefix of them.
enum field {
    FIELD_PROTO,
    FIELD_KIND,
    FIELD_ZERO,
    FIELD_VLAN,
    FIELD_SPORT,
    FIELD_DPORT,
    FIELD_VNI,
    FIELD_ADDRESS,
    FIELDS_IPV4 = FIELD_ADDRESS + 2,
    FIELDS_IPV6 = FIELD_ADDRESS + 8,
};

RTE_ACL_RULE_DEF(acl_rule, FIELDS_IPV6);

#define FIELD(index, kind_, bytes, group, member)                                                  \
    {                                                                                              \
        .type = RTE_ACL_FIELD_TYPE_##kind_, .size = (bytes), .field_index = (index),               \
        .input_index = (group), .offset = offsetof(struct lookup_key, member)                      \
    }
static const struct rte_acl_field_def common_fields[] = {
    FIELD(FIELD_PROTO, BITMASK, 1, 0, proto), FIELD(FIELD_KIND, BITMASK, 1, 1, kind),
    FIELD(FIELD_ZERO, BITMASK, 1, 1, zero),   FIELD(FIELD_VLAN, BITMASK, 2, 1, vlan),
    FIELD(FIELD_SPORT, RANGE, 2, 2, sport),   FIELD(FIELD_DPORT, RANGE, 2, 2, dport),
    FIELD(FIELD_VNI, BITMASK, 4, 3, vni),
};
static_assert(RTE_DIM(common_fields) == FIELD_ADDRESS, "one row a field");

static_assert(sizeof(struct rule) == 88, "compared whole, so without padding");

static bool
is_ipv6(enum rules_set set)
{
    return set == RULES_IPV6 || set == RULES_INNER_IPV6;
}

static bool
is_inner(enum rules_set set)
{
    return set == RULES_INNER_IPV4 || set == RULES_INNER_IPV6;
}

// -- Building: control thread --

struct rules *
rules_create(void)
{
    static uint32_t generation;
    struct rules *rules = calloc(1, sizeof *rules);
    if (rules) {
        rules->refs = 1;
        rules->generation = ++generation;
    }
    return rules;
}

void
rules_unref(struct rules *rules)
{
    if (!rules || --rules->refs > 0)
        return;
    for (unsigned dir = 0; dir < 2; dir++) {
        for (unsigned set = 0; set < RULES_SETS; set++)
            rte_acl_free(rules->acl[dir][set]);
        free(rules->rule[dir]);
    }
    free(rules);
}

int
rules_add(struct rules *rules, enum pkt_dir dir, const struct rule *rule)
{
    if (rules->n[dir] == RULES_MAX)
        return -ENOSPC;
    if (rules->n[dir] == rules->room[dir]) {
        unsigned room = rules->room[dir] ? 2 * rules->room[dir] : 16;
        struct rule *more = realloc(rules->rule[dir], room * sizeof *more);
        if (!more)
            return -ENOMEM;
        rules->rule[dir] = more;
        rules->room[dir] = room;
    }
    rules->rule[dir][rules->n[dir]++] = *rule;
    rules->inner[dir] |= rule->vni != OFFLOAD_ANY_VNI;
    return 0;
}

bool
rules_equal(const struct rules *a, const struct rules *b)
{
    for (unsigned dir = 0; dir < 2; dir++)
        if (a->n[dir] != b->n[dir] || (a->n[dir] > 0 && memcmp(a->rule[dir], b->rule[dir],
                                                               a->n[dir] * sizeof *a->rule[dir])))
            return false;
    return true;
}

static bool
belongs(const struct rule *rule, enum rules_set set)
{
    return (rule->vni != OFFLOAD_ANY_VNI) == is_inner(set) &&
           rule->ip_version != (is_ipv6(set) ? 4 : 6);
}

static struct acl_rule
compile_rule(const struct rule *r, unsigned place, enum rules_set set)
{
    struct acl_rule out = {.data = {.category_mask = 1,
                                    .priority = (int32_t)(RTE_ACL_MAX_PRIORITY - place),
                                    .userdata = r->app + 1u}}; // 0: no rule holds
    struct rte_acl_field *f = out.field;
    uint8_t kind = (r->ip_version || r->proto != OFFLOAD_ANY_PROTO ? KIND_IP : 0) |
                   (r->ports ? KIND_PORTS : 0);
    f[FIELD_KIND].value.u8 = f[FIELD_KIND].mask_range.u8 = kind;
    if (r->proto != OFFLOAD_ANY_PROTO) {
        f[FIELD_PROTO].value.u8 = (uint8_t)r->proto;
        f[FIELD_PROTO].mask_range.u8 = 0xff;
    }
    if (r->vlan != OFFLOAD_ANY_VLAN) {
        f[FIELD_VLAN].value.u16 = (uint16_t)r->vlan;
        f[FIELD_VLAN].mask_range.u16 = UINT16_MAX;
    }
    f[FIELD_SPORT].value.u16 = r->sport_least;
    f[FIELD_SPORT].mask_range.u16 = r->sport_most;
    f[FIELD_DPORT].value.u16 = r->dport_least;
    f[FIELD_DPORT].mask_range.u16 = r->dport_most;
    if (r->vni != OFFLOAD_ANY_VNI) {
        f[FIELD_VNI].value.u32 = (uint32_t)r->vni;
        f[FIELD_VNI].mask_range.u32 = UINT32_MAX;
    }
    unsigned words = is_ipv6(set) ? 4 : 1;
    for (unsigned i = 0; i < words; i++) {
        f[FIELD_ADDRESS + i].value.u32 = rte_be_to_cpu_32(r->src[i]);
        f[FIELD_ADDRESS + i].mask_range.u32 = (uint32_t)__builtin_popcount(r->src_mask[i]);
        f[FIELD_ADDRESS + words + i].value.u32 = rte_be_to_cpu_32(r->dst[i]);
        f[FIELD_ADDRESS + words + i].mask_range.u32 = (uint32_t)__builtin_popcount(r->dst_mask[i]);
    }
    return out;
}

static int
compile(struct rte_acl_ctx *acl, enum rules_set set)
{
    struct rte_acl_config config = {.num_categories = 1,
                                    .num_fields = is_ipv6(set) ? FIELDS_IPV6 : FIELDS_IPV4,
                                    .max_size = ACL_BYTES_MAX};
    memcpy(config.defs, common_fields, sizeof common_fields);
    for (unsigned i = FIELD_ADDRESS; i < config.num_fields; i++)
        config.defs[i] = (struct rte_acl_field_def){
            .type = RTE_ACL_FIELD_TYPE_MASK,
            .size = 4,
            .field_index = (uint8_t)i,
            .input_index = (uint8_t)(i - FIELD_ADDRESS + 4),
            .offset = (uint32_t)(offsetof(struct lookup_key, address) + 4 * (i - FIELD_ADDRESS))};
    return rte_acl_build(acl, &config);
}

static int
build_set(struct rules *rules, enum pkt_dir dir, enum rules_set set)
{
    static unsigned number;
    char name[RTE_ACL_NAMESIZE];
    unsigned n = 0;
    for (unsigned i = 0; i < rules->n[dir]; i++)
        n += belongs(&rules->rule[dir][i], set);
    if (n == 0)
        return 0;
    snprintf(name, sizeof name, "rules%u", number++);
    struct rte_acl_param param = {.name = name,
                                  .socket_id = SOCKET_ID_ANY,
                                  .rule_size = RTE_ACL_RULE_SZ(FIELDS_IPV6),
                                  .max_rule_num = n};
    struct rte_acl_ctx *acl = rules->acl[dir][set] = rte_acl_create(&param);
    int rc = acl ? 0 : -ENOMEM;
    for (unsigned i = 0; i < rules->n[dir] && rc == 0; i++) {
        if (!belongs(&rules->rule[dir][i], set))
            continue;
        struct acl_rule rule = compile_rule(&rules->rule[dir][i], i, set);
        rc = rte_acl_add_rules(acl, (const void *)&rule, 1);
    }
    return rc == 0 ? compile(acl, set) : rc;
}

int
rules_build(struct rules *rules, const char *card, struct offload_err *err)
{
    for (unsigned dir = 0; dir < 2; dir++)
        for (unsigned set = 0; set < RULES_SETS; set++) {
            int rc = build_set(rules, (enum pkt_dir)dir, (enum rules_set)set);
            if (rc != 0)
                return offload_err_set(err, -ENOMEM, card,
                                       "use fewer rules, or give DPDK more memory",
                                       "%u rules cannot be compiled: %s", rules->n[dir],
                                       strerror(-rc));
        }
    return 0;
}

// -- Shadows: control thread --

static bool
address_covers(const uint32_t a[4], const uint32_t a_mask[4], const uint32_t b[4],
               const uint32_t b_mask[4])
{
    for (unsigned i = 0; i < 4; i++)
        if ((a_mask[i] & ~b_mask[i]) || (b[i] & a_mask[i]) != a[i])
            return false;
    return true;
}

bool
rule_covers(const struct rule *a, const struct rule *b)
{
    if (a->vni != b->vni)
        return false; // what is within, and what is outside, is looked at apart
    if (a->ip_version && a->ip_version != b->ip_version)
        return false;
    if (a->proto != OFFLOAD_ANY_PROTO && a->proto != b->proto)
        return false;
    if (a->vlan != OFFLOAD_ANY_VLAN && a->vlan != b->vlan)
        return false;
    if (a->ports && !(b->ports && a->sport_least <= b->sport_least &&
                      a->sport_most >= b->sport_most && a->dport_least <= b->dport_least &&
                      a->dport_most >= b->dport_most))
        return false;
    return address_covers(a->src, a->src_mask, b->src, b->src_mask) &&
           address_covers(a->dst, a->dst_mask, b->dst, b->dst_mask);
}

// -- Looking up: worker --

static enum rules_set
set_of(const struct pkt_meta *meta)
{
    bool v6 = meta->key.ip_version == 6;
    if (meta->flags & PKT_INNER)
        return v6 ? RULES_INNER_IPV6 : RULES_INNER_IPV4;
    return v6 ? RULES_IPV6 : RULES_IPV4;
}

static void
fill_key(struct lookup_key *out, const struct pkt_meta *meta)
{
    const struct pkt_key *key = &meta->key;
    bool has_ports = meta->l4_offset && !(meta->flags & PKT_FRAGMENT) &&
                     (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP ||
                      key->proto == IPPROTO_SCTP);
    *out = (struct lookup_key){
        .proto = key->proto,
        .kind = (uint8_t)((key->ip_version ? KIND_IP : 0) | (has_ports ? KIND_PORTS : 0)),
        .vlan = rte_cpu_to_be_16(key->vlan),
        .vni = rte_cpu_to_be_32(meta->vni)};
    if (has_ports) {
        out->sport = key->sport;
        out->dport = key->dport;
    }
    if (key->ip_version == 6) {
        memcpy(out->address, key->src, sizeof key->src);
        memcpy(out->address + 4, key->dst, sizeof key->dst);
    } else {
        out->address[0] = key->src[0];
        out->address[1] = key->dst[0];
    }
}

void
rules_lookup(const struct rules *rules, enum pkt_dir dir, struct pkt_meta **metas,
             unsigned n, uint16_t *app)
{
    struct lookup_key key[RULES_BURST];
    const uint8_t *data[RULES_BURST];
    uint8_t at[RULES_BURST];
    uint32_t result[RULES_BURST];
    for (unsigned i = 0; i < n; i++)
        app[i] = RULES_NO_APP;
    // A burst is mostly of one set; the tries are walked for several packets side by side.
    for (unsigned set = 0; set < RULES_SETS; set++) {
        const struct rte_acl_ctx *acl = rules->acl[dir][set];
        unsigned m = 0;
        for (unsigned i = 0; acl && i < n; i++) {
            if (set_of(metas[i]) != set)
                continue;
            fill_key(&key[m], metas[i]);
            data[m] = (const uint8_t *)&key[m];
            at[m++] = (uint8_t)i;
        }
        if (m == 0 || rte_acl_classify(acl, data, result, m, 1) != 0)
            continue;
        for (unsigned k = 0; k < m; k++)
            app[at[k]] = (uint16_t)(result[k] - 1); // 0, no rule, becomes RULES_NO_APP
    }
}
