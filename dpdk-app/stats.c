// SPDX-License-Identifier: Apache-2.0
// What workers count, as the API shows it. Main thread; counters are read one by one (relaxed), so
// figures of one moment may differ by a burst.
#include "dpdk-app/cardd.h"
#include "dpdk-app/hardware.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/port.h"

#include "lib/io/clock.h"

#include <json-c/json.h>
#include <rte_mempool.h>

#include <string.h>

uint64_t
cycles_to_ns(const struct cardd *d, uint64_t cycles)
{
    return (uint64_t)((unsigned __int128)cycles * 1000000000u / d->tsc_hz);
}

static void
add_u64(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

// A copy, counter by counter.
static void
stats_read(const struct stats *stats, struct stats *out)
{
    static_assert(sizeof(struct stats) % sizeof(uint64_t) == 0, "counters and nothing else");
    const uint64_t *from = (const uint64_t *)(const void *)stats;
    uint64_t *to = (uint64_t *)(void *)out;
    for (size_t i = 0; i < sizeof *stats / sizeof *from; i++)
        to[i] = count_get(&from[i]);
}

static void
stats_add(struct stats *sum, const struct stats *of_lane)
{
    struct stats s;
    stats_read(of_lane, &s);
    sum->offered_pkts += s.offered_pkts;
    sum->offered_bytes += s.offered_bytes;
    sum->delivered_pkts += s.delivered_pkts;
    sum->delivered_bytes += s.delivered_bytes;
    sum->cycles += s.cycles;
    sum->queue_delay_cycles_sum += s.queue_delay_cycles_sum;
    sum->queue_delay_pkts += s.queue_delay_pkts;
    sum->delay_mean_cycles = RTE_MAX(sum->delay_mean_cycles, s.delay_mean_cycles);
    sum->delay_p50_cycles = RTE_MAX(sum->delay_p50_cycles, s.delay_p50_cycles);
    sum->delay_p99_cycles = RTE_MAX(sum->delay_p99_cycles, s.delay_p99_cycles);
    for (unsigned i = 0; i < DROP_CAUSES; i++)
        sum->drops[i] += s.drops[i];
}

void
app_stats(const struct app *app, struct stats *out)
{
    *out = (struct stats){0};
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (app->run[i])
            stats_add(out, &app->run[i]->stats);
}

void
card_stats(const struct card *card, struct stats *out)
{
    *out = (struct stats){0};
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (card->lane[i])
            stats_add(out, &card->lane[i]->stats);
}

uint64_t
app_queued(const struct app *app)
{
    uint64_t queued = 0;
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (app->run[i])
            queued += count_get(&app->run[i]->queued_pkts);
    return queued;
}

struct json_object *
drops_to_json(const struct stats *now, const struct stats *before, unsigned n_causes)
{
    struct json_object *drops = json_object_new_object();
    for (unsigned i = 0; i < n_causes; i++)
        add_u64(drops, drop_cause_names[i], now->drops[i] - (before ? before->drops[i] : 0));
    return drops;
}

struct json_object *
stats_to_json(const struct cardd *d, const struct stats *s, bool of_card)
{
    struct json_object *o = json_object_new_object(), *delay = json_object_new_object();
    add_u64(o, "time_ns", clock_monotonic_ns());
    add_u64(o, "offered_pkts", s->offered_pkts);
    add_u64(o, "offered_bytes", s->offered_bytes);
    add_u64(o, "delivered_pkts", s->delivered_pkts);
    add_u64(o, "delivered_bytes", s->delivered_bytes);
    add_u64(o, "cycles", s->cycles);
    add_u64(o, "queue_delay_ns_sum", cycles_to_ns(d, s->queue_delay_cycles_sum));
    add_u64(o, "queue_delay_pkts", s->queue_delay_pkts);
    add_u64(delay, "mean", cycles_to_ns(d, s->delay_mean_cycles));
    add_u64(delay, "p50", cycles_to_ns(d, s->delay_p50_cycles));
    add_u64(delay, "p99", cycles_to_ns(d, s->delay_p99_cycles));
    json_object_object_add(o, "delay_ns", delay);
    json_object_object_add(o, "drops",
                           drops_to_json(s, NULL, of_card ? DROP_CAUSES : DROP_NO_APP));
    return o;
}

static uint64_t
app_flows(const struct app *app)
{
    uint64_t entries = 0;
    bool stateful = false;
    for (unsigned i = 0; i < app->chain.n; i++)
        if (app->chain.fn[i]->ops->entries) {
            entries += app->chain.fn[i]->ops->entries(app->chain.fn[i]->state);
            stateful = true;
        }
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX && !stateful; i++)
        if (app->run[i])
            entries += count_get(&app->run[i]->flows);
    return entries;
}

struct memory_figures {
    uint64_t used, high, queued, flows;
};

static void
add_memory(struct json_object *stats, const struct memory_figures *m)
{
    add_u64(stats, "memory_bytes", m->used);
    add_u64(stats, "memory_high_bytes", m->high);
    add_u64(stats, "queued_pkts", m->queued);
    add_u64(stats, "flows", m->flows);
}

static struct memory_figures
app_memory(const struct app *app)
{
    return (struct memory_figures){quota_used(&app->quota), count_get(&app->quota.high),
                                   app_queued(app), app_flows(app)};
}

// Why a function dropped packets, in its own words.
static struct json_object *
fn_drops_to_json(const struct fn_inst *fn)
{
    struct fn_counter counters[16];
    struct json_object *drops = json_object_new_object();
    unsigned n = fn->ops->counters ? fn->ops->counters(fn->state, counters, 16) : 0;
    for (unsigned i = 0; i < n; i++)
        add_u64(drops, counters[i].cause, counters[i].pkts);
    return drops;
}

static struct json_object *
functions_to_json(const struct app *app)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < app->chain.n; i++) {
        const struct fn_inst *fn = app->chain.fn[i];
        struct json_object *row = json_object_new_object();
        uint64_t packets = 0, cycles = 0;
        for (unsigned k = 0; k < CONFIG_WORKERS_MAX; k++) {
            packets += count_get(&fn->count[k].packets);
            cycles += count_get(&fn->count[k].cycles);
        }
        json_object_object_add(row, "fn", json_object_new_string(fn->ops->name));
        add_u64(row, "packets", packets);
        json_object_object_add(
            row, "cycles_per_pkt",
            json_object_new_double(packets ? (double)cycles / (double)packets : 0));
        add_u64(row, "entries", fn->ops->entries ? fn->ops->entries(fn->state) : 0);
        add_u64(row, "state_bytes", fn->ops->state_bytes ? fn->ops->state_bytes(fn->state) : 0);
        add_u64(row, "recovered", fn->recovered.entries);
        add_u64(row, "torn", fn->recovered.torn + fn->recovered.refused);
        json_object_object_add(row, "drops", fn_drops_to_json(fn));
        json_object_array_add(list, row);
    }
    return list;
}

struct json_object *
app_to_json(const struct cardd *d, const struct app *app)
{
    struct json_object *o = json_object_new_object();
    struct memory_figures memory = app_memory(app);
    json_object_object_add(o, "app", json_object_new_string(app->name));
    json_object_object_add(o, "card", json_object_new_string(app->card->name));
    json_object_object_add(o, "state", json_object_new_string(app_state_names[app->state]));
    json_object_object_add(o, "match", offload_matches_to_json(app->match, app->n_match));
    json_object_object_add(o, "chain", chain_to_json(&app->chain));
    json_object_object_add(o, "sla", offload_sla_to_json(&app->sla));
    json_object_object_add(o, "allocation",
                           app->allocated ? offload_allocation_to_json(&app->allocation) : NULL);
    add_u64(o, "generation", app->generation);
    json_object_object_add(o, "functions", functions_to_json(app));
    struct stats sum;
    app_stats(app, &sum);
    struct json_object *stats = stats_to_json(d, &sum, false);
    add_memory(stats, &memory);
    json_object_object_add(o, "stats", stats);
    return o;
}

static struct json_object *
hardware_to_json(const struct port_hardware *h)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "flow_queue", json_object_new_boolean(h->flow_queue));
    json_object_object_add(o, "flow_mark", json_object_new_boolean(h->flow_mark));
    json_object_object_add(o, "flow_drop", json_object_new_boolean(h->flow_drop));
    json_object_object_add(o, "meter", json_object_new_boolean(h->meter));
    json_object_object_add(o, "shaper", json_object_new_boolean(h->shaper));
    return o;
}

static struct json_object *
interconnect_to_json(const struct port *port)
{
    struct interconnect link;
    struct json_object *o = json_object_new_object();
    interconnect_of(port->devargs, &link);
    json_object_object_add(o, "pcie_gen", json_object_new_int((int)link.pcie_gen));
    json_object_object_add(o, "lanes", json_object_new_int((int)link.lanes));
    json_object_object_add(o, "numa_node", json_object_new_int(link.numa_node));
    add_u64(o, "bps", link.bps);
    return o;
}

static struct json_object *
ports_to_json(const struct card *card)
{
    static const char *const roles[] = {"inside", "outside"};
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < card->n_ports; i++) {
        const struct port *port = &card->ports[i];
        struct port_counters c;
        struct json_object *row = json_object_new_object();
        port_counters(port, &c);
        json_object_object_add(row, "role", json_object_new_string(roles[i]));
        json_object_object_add(
            row, "name",
            json_object_new_string_len(port->devargs, (int)strcspn(port->devargs, ",")));
        json_object_object_add(row, "link", json_object_new_boolean(c.link));
        add_u64(row, "rx_pkts", c.rx_pkts);
        add_u64(row, "tx_pkts", c.tx_pkts);
        add_u64(row, "rx_bytes", c.rx_bytes);
        add_u64(row, "tx_bytes", c.tx_bytes);
        add_u64(row, "rx_missed", c.rx_missed);
        json_object_object_add(row, "hardware", hardware_to_json(port_hardware(port)));
        json_object_object_add(row, "interconnect", interconnect_to_json(port));
        if (atomic_load_explicit(&port->state, memory_order_acquire) == PORT_FAILED)
            json_object_object_add(row, "error", json_object_new_string(port->error));
        json_object_array_add(list, row);
    }
    return list;
}

// What each worker has done of it: where its flows are.
static struct json_object *
lanes_to_json(const struct card *card)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++) {
        if (!card->lane[i])
            continue;
        struct stats s;
        struct json_object *row = json_object_new_object();
        stats_read(&card->lane[i]->stats, &s);
        add_u64(row, "worker", i);
        add_u64(row, "received_pkts", s.offered_pkts);
        add_u64(row, "delivered_pkts", s.delivered_pkts);
        add_u64(row, "cycles", s.cycles);
        json_object_array_add(list, row);
    }
    return list;
}

// Why packets were refused, summed over lanes.
static struct json_object *
parse_to_json(const struct card *card)
{
    struct json_object *causes = json_object_new_object();
    for (unsigned i = PARSE_OK + 1; i < PARSE_CAUSES; i++) {
        uint64_t n = 0;
        for (unsigned k = 0; k < CONFIG_WORKERS_MAX; k++)
            n += card->lane[k] ? count_get(&card->lane[k]->parse_causes[i]) : 0;
        add_u64(causes, parse_cause_names[i], n);
    }
    return causes;
}

static struct json_object *
workers_to_json(const struct card *card)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < card->n_workers; i++)
        json_object_array_add(list, json_object_new_int((int)card->workers[i]));
    return list;
}

struct json_object *
card_to_json(const struct cardd *d, const struct card *card)
{
    struct json_object *o = json_object_new_object(), *capacity = json_object_new_object();
    struct json_object *allocated = json_object_new_object(), *apps = json_object_new_array();
    struct memory_figures memory = {0};
    double cpu_pct = 0;
    uint64_t bandwidth_bps = 0, memory_bytes = 0;
    for (unsigned i = 0; i < card->n_apps; i++) {
        const struct app *app = card->apps[i];
        struct memory_figures m = app_memory(app);
        memory.used += m.used;
        memory.high += m.high;
        memory.queued += m.queued;
        memory.flows += m.flows;
        json_object_array_add(apps, json_object_new_string(app->name));
        if (!app->allocated)
            continue;
        cpu_pct += app->allocation.cpu_pct;
        bandwidth_bps += app->allocation.bandwidth_bps;
        memory_bytes += app->allocation.memory_bytes;
    }
    json_object_object_add(o, "card", json_object_new_string(card->name));
    json_object_object_add(o, "state",
                           json_object_new_string(card->draining         ? "draining"
                                                  : card_is_linked(card) ? "up"
                                                                         : "down"));
    json_object_object_add(o, "worker", json_object_new_int((int)card->workers[0]));
    json_object_object_add(o, "workers", workers_to_json(card));
    json_object_object_add(o, "lanes", lanes_to_json(card));
    json_object_object_add(o, "parse", parse_to_json(card));
    json_object_object_add(o, "settled", json_object_new_boolean(lanes_settled(card)));
    json_object_object_add(o, "managed", json_object_new_boolean(card->managed));
    json_object_object_add(o, "ports", ports_to_json(card));
    add_u64(capacity, "cycles_per_s", card->capacity.cycles_per_s);
    add_u64(capacity, "bandwidth_bps", card->capacity.bandwidth_bps);
    add_u64(capacity, "memory_bytes", card->capacity.memory_bytes);
    add_u64(capacity, "interconnect_bps", card->capacity.interconnect_bps);
    json_object_object_add(o, "capacity", capacity);
    json_object_object_add(allocated, "cpu_pct", json_object_new_double(cpu_pct));
    add_u64(allocated, "bandwidth_bps", bandwidth_bps);
    add_u64(allocated, "memory_bytes", memory_bytes);
    json_object_object_add(o, "allocated", allocated);
    json_object_object_add(o, "apps", apps);
    add_u64(o, "buffers_used", rte_mempool_in_use_count(d->pool)); // of all cards together
    struct stats sum;
    card_stats(card, &sum);
    struct json_object *stats = stats_to_json(d, &sum, true);
    add_memory(stats, &memory);
    json_object_object_add(o, "stats", stats);
    return o;
}
