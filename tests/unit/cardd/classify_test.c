// SPDX-License-Identifier: Apache-2.0
// Classification: the compiled rules answer as the list of rules read one by one would, the flow
// cache answers as the rules, and what is looked at a packet is bounded.
#include "tests/unit/unit.h"

#include "dpdk-app/parse.h"
#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { APPS = 40, PACKETS = 2000 };

static struct rte_mempool *pool;
static struct lane lane;
static struct app_run runs[APPS];
static uint64_t random_state = 88172645463325252u; // xorshift64 (Marsaglia, 2003): the same each run

static uint32_t
any(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % below;
}

// -- The oracle: rules read one by one --

static bool
address_in(const uint32_t key[4], const uint32_t value[4], const uint32_t mask[4])
{
    for (unsigned i = 0; i < 4; i++)
        if ((key[i] & mask[i]) != value[i])
            return false;
    return true;
}

static bool
holds(const struct rule *r, const struct pkt_meta *meta)
{
    const struct pkt_key *key = &meta->key;
    bool ports = meta->l4_offset && !(meta->flags & PKT_FRAGMENT) &&
                 (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP ||
                  key->proto == IPPROTO_SCTP);
    uint16_t sport = rte_be_to_cpu_16(key->sport), dport = rte_be_to_cpu_16(key->dport);
    if ((r->vni != OFFLOAD_ANY_VNI) != !!(meta->flags & PKT_INNER) ||
        (r->vni != OFFLOAD_ANY_VNI && (uint32_t)r->vni != meta->vni))
        return false;
    if ((r->ip_version && r->ip_version != key->ip_version) ||
        (r->proto != OFFLOAD_ANY_PROTO && (r->proto != key->proto || key->ip_version == 0)) ||
        (r->vlan != OFFLOAD_ANY_VLAN && r->vlan != key->vlan))
        return false;
    if (r->ports && (!ports || sport < r->sport_least || sport > r->sport_most ||
                     dport < r->dport_least || dport > r->dport_most))
        return false;
    return address_in(key->src, r->src, r->src_mask) && address_in(key->dst, r->dst, r->dst_mask);
}

static uint16_t
first_that_holds(const struct rules *rules, const struct pkt_meta *meta)
{
    for (unsigned i = 0; i < rules->n[meta->dir]; i++)
        if (holds(&rules->rule[meta->dir][i], meta))
            return rules->rule[meta->dir][i].app;
    return NO_APP;
}

// -- Random rules and packets, out of few values, so that they meet --

static void
some_address(uint32_t ip[4], uint8_t version)
{
    memset(ip, 0, 16);
    uint8_t *bytes = (uint8_t *)ip;
    for (unsigned i = 0; i < (version == 6 ? 16u : 4u); i += 3)
        bytes[i] = (uint8_t)any(3);
}

static void
some_prefix(uint32_t value[4], uint32_t mask[4], uint8_t version)
{
    uint8_t m[16] = {0};
    unsigned bits = any(4) == 0 ? 0 : any(version == 6 ? 129 : 33);
    for (unsigned i = 0; i < bits; i++)
        m[i / 8] |= (uint8_t)(0x80 >> i % 8);
    memcpy(mask, m, sizeof m);
    some_address(value, version);
    for (unsigned i = 0; i < 4; i++)
        value[i] &= mask[i];
}

static struct rule
some_rule(uint16_t app)
{
    static const int16_t protos[] = {OFFLOAD_ANY_PROTO, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};
    struct rule r = {.sport_most = UINT16_MAX,
                     .dport_most = UINT16_MAX,
                     .proto = protos[any(4)],
                     .vlan = (int16_t)any(3) - 1,
                     .vni = any(3) ? OFFLOAD_ANY_VNI : (int32_t)any(2),
                     .app = app};
    if (any(3)) {
        r.ip_version = any(2) ? 4 : 6;
        some_prefix(r.src, r.src_mask, r.ip_version);
        some_prefix(r.dst, r.dst_mask, r.ip_version);
    }
    if (any(2)) {
        r.ports = true;
        r.dport_least = (uint16_t)any(4);
        r.dport_most = (uint16_t)(r.dport_least + any(3));
    }
    return r;
}

static void
some_meta(struct pkt_meta *meta)
{
    static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP, 50};
    static const uint8_t versions[] = {4, 4, 6, 6, 0};
    memset(meta, 0, sizeof *meta);
    meta->key.ip_version = versions[any(5)];
    meta->key.vlan = (uint16_t)any(2);
    if (any(3) == 0) {
        meta->flags |= PKT_INNER;
        meta->vni = any(3);
    }
    if (meta->key.ip_version == 0)
        return;
    meta->key.proto = protos[any(4)];
    some_address(meta->key.src, meta->key.ip_version);
    some_address(meta->key.dst, meta->key.ip_version);
    meta->key.sport = rte_cpu_to_be_16((uint16_t)any(6));
    meta->key.dport = rte_cpu_to_be_16((uint16_t)any(6));
    meta->l4_offset = 34;
    if (any(5) == 0)
        meta->flags |= PKT_FRAGMENT;
}

static struct rules *
some_rules(unsigned n)
{
    struct rules *rules = rules_create();
    assert_non_null(rules);
    for (unsigned i = 0; i < n; i++) {
        struct rule rule = some_rule((uint16_t)any(APPS));
        assert_int_equal(rules_add(rules, PKT_INSIDE_OUT, &rule), 0);
    }
    assert_int_equal(rules_build(rules, "card0", NULL), 0);
    return rules;
}

static void
first_rule_that_holds_decides(UNUSED void **state)
{
    unsigned hits = 0;
    for (unsigned n = 1; n <= 256; n *= 4) {
        struct rules *rules = some_rules(n);
        for (unsigned i = 0; i < PACKETS; i += RULES_BURST) {
            struct pkt_meta meta[RULES_BURST], *metas[RULES_BURST];
            uint16_t app[RULES_BURST];
            for (unsigned k = 0; k < RULES_BURST; k++) {
                some_meta(&meta[k]);
                metas[k] = &meta[k];
            }
            rules_lookup(rules, PKT_INSIDE_OUT, metas, RULES_BURST, app);
            for (unsigned k = 0; k < RULES_BURST; k++) {
                assert_int_equal(app[k], first_that_holds(rules, &meta[k]));
                hits += app[k] != NO_APP;
            }
        }
        rules_unref(rules);
    }
    assert_true(hits > PACKETS / 2); // else nothing was compared
}

// One rule covers another exactly if no packet of a set that knows all values tells them apart.
static void
cover_means_that_nothing_is_left(UNUSED void **state)
{
    unsigned covers = 0;
    for (unsigned i = 0; i < 3000; i++) {
        struct rule a = some_rule(0), b = some_rule(1);
        if (!rule_covers(&a, &b))
            continue;
        covers++;
        for (unsigned k = 0; k < 200; k++) {
            struct pkt_meta meta;
            some_meta(&meta);
            assert_true(!holds(&b, &meta) || holds(&a, &meta));
        }
    }
    assert_true(covers > 50);
    struct rule wide = {.sport_most = UINT16_MAX,
                        .dport_most = UINT16_MAX,
                        .proto = OFFLOAD_ANY_PROTO,
                        .vlan = OFFLOAD_ANY_VLAN,
                        .vni = OFFLOAD_ANY_VNI};
    struct rule narrow = wide;
    narrow.ip_version = 4;
    narrow.dst[0] = 5, narrow.dst_mask[0] = UINT32_MAX;
    assert_true(rule_covers(&wide, &narrow));
    assert_false(rule_covers(&narrow, &wide));
}

// -- The cache --

static void
set_rules(struct rules *rules)
{
    static struct snapshot *snap;
    if (snap)
        rules_unref(snap->rules);
    free(snap);
    snap = calloc(1, sizeof *snap);
    assert_non_null(snap);
    snap->rules = rules;
    for (unsigned i = 0; i < APPS; i++) {
        lane.run[i] = &runs[i];
        runs[i].flows = 0;
    }
    lane.seen = snap;
}

// Classifies packets with the given metadata; parse.c is not asked.
static void
classify_metas(const struct pkt_meta *metas, uint16_t n, uint16_t *app)
{
    struct rte_mbuf *pkts[BURST];
    assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, n), 0);
    for (uint16_t i = 0; i < n; i++)
        *pkt_meta(pkts[i]) = metas[i];
    classify_burst(&lane, pkts, n, app);
    rte_pktmbuf_free_bulk(pkts, n);
}

// Few flows many times over, with rules that change in between: the cache must answer as the rules
// do, also for what it has seen, and count each application's flows.
static void
cache_answers_as_the_rules(UNUSED void **state)
{
    assert_true(flow_cache_init(&lane.flows, 1024, 7));
    for (unsigned round = 0; round < 20; round++) {
        set_rules(some_rules(30));
        lane.seen->rules->inner[0] = false; // parse.c has nothing to parse again
        for (unsigned i = 0; i < 100; i++) {
            struct pkt_meta metas[BURST];
            uint16_t app[BURST];
            for (unsigned k = 0; k < BURST; k++) {
                some_meta(&metas[k]);
                if (k > 0 && any(3) == 0)
                    metas[k] = metas[any(k)]; // in trains, and apart
            }
            classify_metas(metas, BURST, app);
            for (unsigned k = 0; k < BURST; k++)
                assert_int_equal(app[k], first_that_holds(lane.seen->rules, &metas[k]));
        }
    }
    set_rules(rules_create());
    flow_cache_fini(&lane.flows);
}

static void
flows_are_counted_once(UNUSED void **state)
{
    struct rule all = {.sport_most = UINT16_MAX,
                       .dport_most = UINT16_MAX,
                       .proto = OFFLOAD_ANY_PROTO,
                       .vlan = OFFLOAD_ANY_VLAN,
                       .vni = OFFLOAD_ANY_VNI,
                       .app = 3};
    struct rules *rules = rules_create();
    assert_int_equal(rules_add(rules, PKT_INSIDE_OUT, &all), 0);
    assert_int_equal(rules_build(rules, "card0", NULL), 0);
    set_rules(rules);
    assert_true(flow_cache_init(&lane.flows, 1024, 7));
    struct pkt_meta metas[BURST];
    uint16_t app[BURST];
    for (unsigned k = 0; k < BURST; k++) {
        memset(&metas[k], 0, sizeof metas[k]);
        metas[k].key = (struct pkt_key){.proto = 17, .ip_version = 4, .src = {k % 5}};
        metas[k].l4_offset = 34;
    }
    for (unsigned i = 0; i < 3; i++)
        classify_metas(metas, BURST, app);
    assert_int_equal(runs[3].flows, 5);
    // More flows than it holds: the count is of those that are in it, and no answer is wrong.
    for (unsigned i = 0; i < 20000; i += BURST) {
        for (unsigned k = 0; k < BURST; k++)
            metas[k].key.src[0] = i + k;
        classify_metas(metas, BURST, app);
        for (unsigned k = 0; k < BURST; k++)
            assert_int_equal(app[k], 3);
    }
    assert_true(runs[3].flows <= 1024 && runs[3].flows > 1000);
    flow_cache_fini(&lane.flows);
}

// The first fragment has ports and the others have none, but all must go one way.
static void
fragments_of_a_datagram_are_one_flow(UNUSED void **state)
{
    struct rule ports = {.sport_most = UINT16_MAX,
                         .dport_least = 53,
                         .dport_most = 53,
                         .ports = true,
                         .proto = IPPROTO_UDP,
                         .vlan = OFFLOAD_ANY_VLAN,
                         .vni = OFFLOAD_ANY_VNI,
                         .app = 1};
    struct rule rest = ports;
    rest.ports = false;
    rest.dport_least = 0, rest.dport_most = UINT16_MAX;
    rest.app = 2;
    struct rules *rules = rules_create();
    assert_int_equal(rules_add(rules, PKT_INSIDE_OUT, &ports), 0);
    assert_int_equal(rules_add(rules, PKT_INSIDE_OUT, &rest), 0);
    assert_int_equal(rules_build(rules, "card0", NULL), 0);
    set_rules(rules);
    assert_true(flow_cache_init(&lane.flows, 1024, 7));
    struct pkt_meta metas[3];
    uint16_t app[3];
    memset(metas, 0, sizeof metas);
    for (unsigned i = 0; i < 3; i++)
        metas[i].key = (struct pkt_key){.proto = IPPROTO_UDP, .ip_version = 4, .src = {1}};
    metas[0].key.dport = metas[1].key.dport = rte_cpu_to_be_16(53);
    metas[0].l4_offset = metas[1].l4_offset = 34;
    metas[1].flags = PKT_FRAGMENT;
    metas[2].flags = PKT_FRAGMENT | PKT_FRAGMENT_LATER;
    for (unsigned i = 0; i < 2; i++) {
        classify_metas(metas, 3, app);
        assert_int_equal(app[0], 1); // whole
        assert_int_equal(app[1], 2);
        assert_int_equal(app[2], 2);
    }
    assert_int_equal(flow_hash(&lane.flows, &metas[1]), flow_hash(&lane.flows, &metas[2]));
    assert_int_equal(runs[2].flows, 1);
    flow_cache_fini(&lane.flows);
}

static int
start(UNUSED void **state)
{
    char *argv[] = {"classify_test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
                    "-m",            "128",       "-l",          "0",        NULL};
    if (rte_eal_init(9, argv) < 0)
        return -1;
    pool = rte_pktmbuf_pool_create("test", 255, 0, PKT_PRIV_BYTES, 256, SOCKET_ID_ANY);
    return pool ? 0 : -1;
}

static int
stop(UNUSED void **state)
{
    rte_mempool_free(pool);
    return rte_eal_cleanup();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_rule_that_holds_decides),
        cmocka_unit_test(cover_means_that_nothing_is_left),
        cmocka_unit_test(cache_answers_as_the_rules),
        cmocka_unit_test(flows_are_counted_once),
        cmocka_unit_test(fragments_of_a_datagram_are_one_flow),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
