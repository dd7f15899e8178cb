// SPDX-License-Identifier: Apache-2.0
// Rules and packets out of the input: the compiled rules must answer as the list read one by one,
// and the flow cache, asked twice, as the rules.
#include "dpdk-app/flow_cache.h"

#include <offload/card_api.h>
#include <rte_eal.h>

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RULES_MOST = 24, PACKETS_MOST = 32 };

struct reader {
    const uint8_t *data;
    size_t left;
};

static uint8_t
take(struct reader *r)
{
    if (r->left == 0)
        return 0;
    r->left--;
    return *r->data++;
}

static void
take_prefix(struct reader *r, uint32_t value[4], uint32_t mask[4], unsigned bytes)
{
    uint8_t v[16] = {0}, m[16] = {0};
    unsigned bits = take(r) % (8 * bytes + 1);
    for (unsigned i = 0; i < bits; i++)
        m[i / 8] |= (uint8_t)(0x80 >> i % 8);
    for (unsigned i = 0; i < bytes; i++)
        v[i] = take(r) & m[i];
    memcpy(value, v, sizeof v);
    memcpy(mask, m, sizeof m);
}

static struct rule
take_rule(struct reader *r, uint16_t app)
{
    uint8_t has = take(r);
    struct rule rule = {.sport_most = UINT16_MAX,
                        .dport_most = UINT16_MAX,
                        .proto = has & 1 ? take(r) : OFFLOAD_ANY_PROTO,
                        .vlan = has & 2 ? take(r) : OFFLOAD_ANY_VLAN,
                        .vni = has & 4 ? take(r) : OFFLOAD_ANY_VNI,
                        .ip_version = has & 8 ? has & 16 ? 4 : 6 : 0,
                        .app = app};
    if (rule.ip_version) {
        take_prefix(r, rule.src, rule.src_mask, rule.ip_version == 4 ? 4 : 16);
        take_prefix(r, rule.dst, rule.dst_mask, rule.ip_version == 4 ? 4 : 16);
    }
    if (has & 32) {
        rule.ports = true;
        rule.sport_least = take(r);
        rule.sport_most = (uint16_t)(rule.sport_least + take(r) * 257);
        rule.dport_least = take(r);
        rule.dport_most = (uint16_t)(rule.dport_least + take(r));
        if (rule.sport_most < rule.sport_least)
            rule.sport_most = UINT16_MAX;
    }
    return rule;
}

static void
take_meta(struct reader *r, struct pkt_meta *meta)
{
    static const uint8_t versions[] = {0, 4, 6, 4};
    uint8_t has = take(r);
    memset(meta, 0, sizeof *meta);
    meta->key.ip_version = versions[has & 3];
    meta->flags = (has & 4 ? PKT_INNER : 0) | (has & 8 ? PKT_FRAGMENT : 0);
    meta->vni = has & 4 ? take(r) : 0;
    meta->key.vlan = has & 16 ? take(r) : 0;
    if (meta->key.ip_version == 0)
        return;
    meta->key.proto = has & 32 ? IPPROTO_UDP : take(r);
    meta->key.sport = rte_cpu_to_be_16(take(r));
    meta->key.dport = rte_cpu_to_be_16(take(r));
    meta->l4_offset = 34;
    uint8_t ip[32];
    for (unsigned i = 0; i < sizeof ip; i++)
        ip[i] = meta->key.ip_version == 6 || i % 16 < 4 ? take(r) : 0;
    memcpy(meta->key.src, ip, 16);
    memcpy(meta->key.dst, ip + 16, 16);
}

static bool
address_in(const uint32_t key[4], const uint32_t value[4], const uint32_t mask[4])
{
    for (unsigned i = 0; i < 4; i++)
        if ((key[i] & mask[i]) != value[i])
            return false;
    return true;
}

static bool
holds(const struct rule *rule, const struct pkt_meta *meta)
{
    const struct pkt_key *key = &meta->key;
    bool ports = !(meta->flags & PKT_FRAGMENT) && meta->l4_offset &&
                 (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP ||
                  key->proto == IPPROTO_SCTP);
    uint16_t sport = rte_be_to_cpu_16(key->sport), dport = rte_be_to_cpu_16(key->dport);
    return (rule->vni != OFFLOAD_ANY_VNI) == !!(meta->flags & PKT_INNER) &&
           (rule->vni == OFFLOAD_ANY_VNI || (uint32_t)rule->vni == meta->vni) &&
           (!rule->ip_version || rule->ip_version == key->ip_version) &&
           (rule->proto == OFFLOAD_ANY_PROTO || (key->ip_version && rule->proto == key->proto)) &&
           (rule->vlan == OFFLOAD_ANY_VLAN || rule->vlan == key->vlan) &&
           (!rule->ports || (ports && sport >= rule->sport_least && sport <= rule->sport_most &&
                             dport >= rule->dport_least && dport <= rule->dport_most)) &&
           address_in(key->src, rule->src, rule->src_mask) &&
           address_in(key->dst, rule->dst, rule->dst_mask);
}

static void
start(void)
{
    static bool started;
    char *argv[] = {"fuzz_rules", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
                    "-m",         "256",       "-l",          "0",        "--log-level=1", NULL};
    if (!started)
        assert(rte_eal_init(10, argv) >= 0);
    started = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = {data, size};
    struct pkt_meta metas[PACKETS_MOST], *pointers[PACKETS_MOST];
    uint16_t app[PACKETS_MOST], cached[PACKETS_MOST];
    struct flow_cache cache;
    start();
    struct rules *rules = rules_create();
    unsigned n = take(&r) % RULES_MOST + 1;
    for (unsigned i = 0; i < n; i++) {
        struct rule rule = take_rule(&r, (uint16_t)i);
        rules_add(rules, PKT_INSIDE_OUT, &rule);
    }
    if (rules_build(rules, "fuzz", NULL) == 0 && flow_cache_init(&cache, 1024, 7)) {
        for (unsigned i = 0; i < PACKETS_MOST; i++) {
            take_meta(&r, &metas[i]);
            metas[i].hash = flow_hash(&cache, &metas[i]);
            pointers[i] = &metas[i];
        }
        rules_lookup(rules, PKT_INSIDE_OUT, pointers, PACKETS_MOST, app);
        for (unsigned i = 0; i < PACKETS_MOST; i++) {
            unsigned first = 0;
            while (first < n && !holds(&rules->rule[PKT_INSIDE_OUT][first], &metas[i]))
                first++;
            assert(app[i] == (first < n ? first : (unsigned)RULES_NO_APP));
            bool added;
            flow_cache_add(&cache, rules->generation, &metas[i], app[i], &added);
        }
        uint32_t missing =
            flow_cache_find(&cache, rules->generation, pointers, PACKETS_MOST, cached);
        for (unsigned i = 0; i < PACKETS_MOST; i++)
            assert((missing & 1u << i) || cached[i] == app[i]);
        flow_cache_fini(&cache);
    }
    rules_unref(rules);
    return 0;
}
