// SPDX-License-Identifier: Apache-2.0
// Which application does a packet belong to: the flow cache answers for flows that were seen, the
// rules for new ones.
// parse -> [classify] -> admit.  Runs on the worker; the rules are the snapshot's, the cache is the card's.
#include "dpdk-app/classify.h"

#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include <rte_hash_crc.h>

#include <netinet/in.h>

#include <string.h>

static_assert(sizeof(struct pkt_key) == 40,
              "hashed and compared as five words, so without padding");

static inline bool
key_equal(const struct pkt_key *a, const struct pkt_key *b)
{
    const uint64_t *x = (const void *)a, *y = (const void *)b;
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

static inline bool
address_in(const uint32_t key[4], const uint32_t value[4], const uint32_t mask[4])
{
    return (((key[0] & mask[0]) ^ value[0]) | ((key[1] & mask[1]) ^ value[1]) |
            ((key[2] & mask[2]) ^ value[2]) | ((key[3] & mask[3]) ^ value[3])) == 0;
}

static bool
rule_holds(const struct rule *r, const struct pkt_meta *meta)
{
    const struct pkt_key *key = &meta->key;
    if (r->ip_version && r->ip_version != key->ip_version)
        return false;
    if (r->proto != OFFLOAD_ANY_PROTO && (r->proto != key->proto || key->ip_version == 0))
        return false;
    if (r->vlan != OFFLOAD_ANY_VLAN && r->vlan != key->vlan)
        return false;
    if (!address_in(key->src, r->src, r->src_mask) || !address_in(key->dst, r->dst, r->dst_mask))
        return false;
    if (!r->ports)
        return true;
    bool has_ports = meta->l4_offset && (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP ||
                                         key->proto == IPPROTO_SCTP);
    uint16_t sport = rte_be_to_cpu_16(key->sport), dport = rte_be_to_cpu_16(key->dport);
    return has_ports && sport >= r->sport_least && sport <= r->sport_most &&
           dport >= r->dport_least && dport <= r->dport_most;
}

// The application by the rules. Takes what it looked at from '*visits'.
static uint16_t
rules_lookup(const struct snapshot *snap, const struct pkt_meta *meta, unsigned *visits)
{
    const struct rule *rules = snap->rules[meta->dir];
    unsigned n = snap->n_rules[meta->dir];
    for (unsigned i = 0; i < n; i++)
        if (rule_holds(&rules[i], meta)) {
            *visits -= i + 1;
            return rules[i].app;
        }
    *visits -= n;
    return NO_APP;
}

// Puts a flow in front of its set; the one behind goes. A stale entry is nobody's.
static void
flow_insert(struct snapshot *snap, struct flow_entry *set, const struct pkt_meta *meta,
            uint16_t app)
{
    uint32_t generation = (uint32_t)snap->generation;
    if (set[1].generation == generation && set[1].app != NO_APP) {
        struct app_run *gone = &snap->apps[set[1].app].app->run;
        __atomic_store_n(&gone->flows, gone->flows - 1, __ATOMIC_RELAXED);
    }
    set[1] = set[0];
    set[0] = (struct flow_entry){.key = meta->key,
                                 .hash = meta->hash,
                                 .generation = generation,
                                 .app = app,
                                 .dir = meta->dir};
    if (app != NO_APP)
        count_add(&snap->apps[app].app->run.flows, 1);
}

static uint16_t
classify_one(struct card *card, const struct pkt_meta *meta, unsigned *visits)
{
    struct snapshot *snap = card->seen;
    uint32_t generation = (uint32_t)snap->generation;
    struct flow_entry *set =
        &card->flows[(meta->hash * FLOW_CACHE_WAYS) & (FLOW_CACHE_ENTRIES - 1)];
    for (unsigned way = 0; way < FLOW_CACHE_WAYS; way++)
        if (likely(set[way].generation == generation && set[way].hash == meta->hash &&
                   set[way].dir == meta->dir && key_equal(&set[way].key, &meta->key)))
            return set[way].app;
    if (snap->n_rules[meta->dir] > *visits)
        return NO_APP; // over the burst's budget: dropped, but not remembered
    uint16_t app = rules_lookup(snap, meta, visits);
    flow_insert(snap, set, meta, app);
    return app;
}

void
classify_burst(struct card *card, struct rte_mbuf **pkts, uint16_t n, uint16_t *app)
{
    unsigned visits = RULE_VISITS_MAX;
    const struct pkt_meta *last = NULL;
    for (uint16_t i = 0; i < n; i++) {
        struct pkt_meta *meta = pkt_meta(pkts[i]);
        // Packets of one flow come in trains: comparing with the one before spares the hash and the
        // cache.
        if (last && key_equal(&last->key, &meta->key)) {
            meta->hash = last->hash;
            app[i] = app[i - 1];
        } else {
            meta->hash = rte_hash_crc(&meta->key, sizeof meta->key, 0);
            app[i] = classify_one(card, meta, &visits);
        }
        last = meta;
    }
}
