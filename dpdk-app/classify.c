// SPDX-License-Identifier: Apache-2.0
// Which application does a packet belong to: the flow cache answers for flows that were seen, the
// rules for new ones.
// parse -> [classify] -> admit.  Runs on the worker; the rules are the snapshot's, the cache is the card's.
#include "dpdk-app/parse.h"
#include "dpdk-app/snapshot.h"
#include "dpdk-app/worker.h"

#include <rte_prefetch.h>

static_assert((int)RULES_NO_APP == (int)NO_APP && (int)FLOW_BURST >= (int)BURST &&
                  (int)RULES_BURST >= (int)BURST,
              "passed on as they are");

static void
count_flow(struct lane *lane, uint16_t app, int64_t change)
{
    if (app == NO_APP)
        return;
    struct app_run *run = lane->run[app];
    count_add(&run->flows, (uint64_t)change);
}

// Asks the rules about flows that the cache does not know, and remembers the answers.
static void
ask_rules(struct lane *lane, struct pkt_meta **metas, uint32_t missing, uint16_t *app)
{
    const struct rules *rules = lane->seen->rules;
    struct pkt_meta *asked[BURST];
    uint16_t answer[BURST];
    uint8_t at[BURST];
    unsigned n = 0;
    for (; missing; missing &= missing - 1) {
        at[n] = (uint8_t)__builtin_ctz(missing);
        asked[n] = metas[at[n]];
        n++;
    }
    rules_lookup(rules, (enum pkt_dir)asked[0]->dir, asked, n, answer);
    for (unsigned i = 0; i < n; i++) {
        bool added;
        app[at[i]] = answer[i];
        count_flow(lane, flow_cache_add(&lane->flows, rules->generation, asked[i], answer[i], &added),
                   -1);
        if (added)
            count_flow(lane, answer[i], 1);
    }
}

// Packets of one flow come in trains: those behind the first share its answer, which spares them
// the hash and the cache.
static unsigned
find_trains(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, struct pkt_meta **leads,
            uint8_t *lead_of)
{
    unsigned n_leads = 0;
    for (uint16_t i = 0; i < n; i++) {
        struct pkt_meta *meta = pkt_meta(pkts[i]);
        if (n_leads > 0 && flow_same(leads[n_leads - 1], meta)) {
            meta->hash = leads[n_leads - 1]->hash;
        } else {
            meta->hash = flow_hash(&lane->flows, meta);
            rte_prefetch0(flow_bucket_of(&lane->flows, meta->hash));
            leads[n_leads++] = meta;
        }
        lead_of[i] = (uint8_t)(n_leads - 1);
    }
    return n_leads;
}

static void
classify(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, uint16_t *app)
{
    struct pkt_meta *leads[BURST];
    uint8_t lead_of[BURST];
    uint16_t found[BURST];
    unsigned n_leads = find_trains(lane, pkts, n, leads, lead_of);
    uint32_t missing =
        flow_cache_find(&lane->flows, lane->seen->rules->generation, leads, n_leads, found);
    if (unlikely(missing))
        ask_rules(lane, leads, missing, found);
    for (uint16_t i = 0; i < n; i++)
        app[i] = found[lead_of[i]];
}

// Those that came in tunnels and whose inside no rule wants are tried for what they are outside.
static void
classify_outside(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, uint16_t *app)
{
    struct rte_mbuf *again[BURST];
    uint16_t at[BURST], found[BURST], m = 0;
    for (uint16_t i = 0; i < n; i++)
        if (app[i] == NO_APP && pkt_meta(pkts[i])->flags & PKT_INNER) {
            parse_again_outside(pkts[i]);
            at[m] = i;
            again[m++] = pkts[i];
        }
    if (m == 0)
        return;
    classify(lane, again, m, found);
    for (uint16_t i = 0; i < m; i++)
        app[at[i]] = found[i];
}

void
classify_burst(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, uint16_t *app)
{
    classify(lane, pkts, n, app);
    if (unlikely(lane->seen->rules->inner[pkt_meta(pkts[0])->dir]))
        classify_outside(lane, pkts, n, app);
}
