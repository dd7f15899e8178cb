// SPDX-License-Identifier: Apache-2.0
// Cycles a packet of the card's functions, in process: bursts of 32 packets whose headers are in
// cache, as they are behind parse, and of flows drawn at random, so that state is not. What is timed
// is process() alone; 'forward' is what a function that does nothing costs. The least of several
// rounds: the machine has other work.
// usage: functions EAL... -- [aes DRIVER BYTES]      one JSON object a line; tests/bench/functions
#include "dpdk-app/functions/fn.h"
#include "dpdk-app/packet.h"
#include "lib/base/json.h"
#include "lib/schedule/quota.h"

#include <json-c/json.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_random.h>
#include <rte_udp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 32, ROUNDS = 15, BURSTS = 4000, CHAIN_MOST = 4 };

struct fn {
    const struct fn_ops *ops;
    void *state;
};

static struct rte_mempool *pool;
static struct quota quota = {.limit = UINT64_MAX / 2};

static struct fn
make(const char *name, const char *params)
{
    static uint64_t filled[128];
    struct offload_err err = {0};
    struct fn fn = {.ops = fn_find(name)};
    struct json_object *object = offload_json_parse("params", params, strlen(params), &err);
    struct fn_env env = {
        .app = "bench", .card = "bench", .quota = &quota, .tsc_hz = rte_get_tsc_hz()};
    memset(filled, 0, sizeof filled);
    if (offload_opt_read(fn.ops->params, object, name, filled, fn.ops->params_bytes, &err) == 0)
        fn.state = fn.ops->create(filled, &env, &err);
    json_object_put(object);
    if (!fn.state) {
        fprintf(stderr, "%s: %s: %s\n", name, err.where, err.text);
        exit(1);
    }
    return fn;
}

// UDP of flow 'flow' to 10.200.0.1:53, 'bytes' of IP.
static void
write_packet(struct rte_mbuf *pkt, uint32_t flow, uint16_t bytes)
{
    rte_pktmbuf_reset(pkt);
    uint8_t *frame = (uint8_t *)rte_pktmbuf_append(pkt, (uint16_t)(bytes + 14));
    struct rte_ipv4_hdr *ip = (void *)(frame + 14);
    struct rte_udp_hdr *udp = (void *)(ip + 1);
    frame[12] = 8, frame[13] = 0;
    *ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
                                .total_length = rte_cpu_to_be_16(bytes),
                                .time_to_live = 64,
                                .next_proto_id = IPPROTO_UDP,
                                .src_addr = rte_cpu_to_be_32(0x0a000000 + (flow >> 6)),
                                .dst_addr = rte_cpu_to_be_32(0x0ac80001)};
    *udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16((uint16_t)(1024 + (flow & 63))),
                                .dst_port = rte_cpu_to_be_16(53),
                                .dgram_len = rte_cpu_to_be_16((uint16_t)(bytes - 20))};
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    struct pkt_meta *meta = pkt_meta(pkt);
    *meta = (struct pkt_meta){.l3_offset = 14, .l4_offset = 34, .wire_bytes = bytes + 14u};
    meta->key = (struct pkt_key){.src = {ip->src_addr},
                                 .dst = {ip->dst_addr},
                                 .sport = udp->src_port,
                                 .dport = udp->dst_port,
                                 .proto = IPPROTO_UDP,
                                 .ip_version = 4};
}

static void
refill(struct rte_mbuf **pkts, unsigned kept)
{
    if (kept < N && rte_pktmbuf_alloc_bulk(pool, pkts + kept, N - kept) != 0)
        exit(1);
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// Mean without the longest twentieth, in which the kernel gave the core to others.
static double
trimmed_mean(uint64_t *cycles, unsigned n)
{
    uint64_t sum = 0;
    qsort(cycles, n, sizeof *cycles, compare);
    n -= n / 20;
    for (unsigned i = 0; i < n; i++)
        sum += cycles[i];
    return (double)sum / n;
}

// Cycles a packet of the functions one after the other, over flows below 'flows'.
static double
measure(const struct fn *fns, unsigned n_fns, uint32_t flows, uint16_t bytes)
{
    struct rte_mbuf *pkts[N];
    double best = 1e9;
    uint64_t lost = 0;
    refill(pkts, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        static uint64_t spent[BURSTS];
        for (unsigned b = 0; b < BURSTS; b++) {
            for (unsigned i = 0; i < N; i++)
                write_packet(pkts[i], (uint32_t)(rte_rand() % flows), bytes);
            uint16_t left = N;
            uint64_t start = rte_rdtsc_precise();
            for (unsigned k = 0; k < n_fns; k++)
                left = fns[k].ops->process(fns[k].state, pkts, left, PKT_INSIDE_OUT, start);
            spent[b] = rte_rdtsc_precise() - start;
            lost += N - left;
            refill(pkts, left);
        }
        best = RTE_MIN(best, trimmed_mean(spent, BURSTS) / N);
    }
    rte_pktmbuf_free_bulk(pkts, N);
    if (lost > 0) {
        fprintf(stderr, "%s drops %llu packets\n", fns[0].ops->name, (unsigned long long)lost);
        exit(1);
    }
    return best;
}

// Each flow is known before anything is timed.
static void
fill(const struct fn *fn, uint32_t flows)
{
    struct rte_mbuf *pkts[N];
    refill(pkts, 0);
    for (uint32_t flow = 0; flow < flows; flow += N) {
        for (unsigned i = 0; i < N; i++)
            write_packet(pkts[i], flow + i, 46);
        refill(pkts, fn->ops->process(fn->state, pkts, N, PKT_INSIDE_OUT, rte_rdtsc()));
    }
    rte_pktmbuf_free_bulk(pkts, N);
    if (fn->ops->entries && fn->ops->entries(fn->state) < flows)
        fprintf(stderr, "%s knows only %llu flows\n", fn->ops->name,
                (unsigned long long)fn->ops->entries(fn->state));
}

static void
report(const char *metric, double ours, double theirs, const char *peer)
{
    printf("{\"bench\":\"functions\",\"metric\":\"%s\",\"ours\":%.2f,\"peer\":\"%s\",\"theirs\":%.2f,"
           "\"ratio\":%.3f}\n",
           metric, ours, peer, theirs, theirs > 0 ? ours / theirs : 0);
    fflush(stdout);
}

static double
extra(const char *name, const char *params, uint32_t flows, double forward)
{
    struct fn fn = make(name, params);
    fill(&fn, flows);
    double cycles = measure(&fn, 1, flows, 46) - forward;
    fn.ops->destroy(fn.state);
    return cycles;
}

static void
tables(void)
{
    struct fn plain = make("forward", "{}");
    double forward = measure(&plain, 1, 1000, 46);
    report("nat44_1m_extra_cycles",
           extra("nat44", "{\"external\":\"198.51.100.0/24\",\"max_entries\":1200000}", 1 << 20,
                 forward),
           forward, "forward");
    report("lb_1m_extra_cycles",
           extra("lb",
                 "{\"address\":\"10.200.0.1\",\"proto\":\"udp\",\"max_entries\":1200000,"
                 "\"backends\":[{\"address\":\"10.1.0.1\"},{\"address\":\"10.1.0.2\"},"
                 "{\"address\":\"10.1.0.3\"},{\"address\":\"10.1.0.4\"}]}",
                 1 << 20, forward),
           forward, "forward");
    report("acl_100k_extra_cycles",
           extra("acl", "{\"default\":\"permit\",\"max_entries\":131072}", 100000, forward), forward,
           "forward");
    report("ipfix_extra_cycles",
           extra("ipfix", "{\"collector\":\"127.0.0.1\",\"max_entries\":131072}", 100000, forward),
           forward, "forward");
}

static void
chain(void)
{
    enum { FLOWS = 10000 };
    struct fn plain = make("forward", "{}");
    double forward = measure(&plain, 1, FLOWS, 46), sum = 0;
    struct fn fns[CHAIN_MOST] = {
        make("acl", "{\"default\":\"permit\"}"),
        make("ipfix", "{\"collector\":\"127.0.0.1\"}"),
        make("nat44", "{\"external\":\"198.51.100.0/28\"}"),
        make("vxlan", "{\"local\":\"192.0.2.1\",\"remote\":\"192.0.2.2\",\"vni\":1}"),
    };
    for (unsigned i = 0; i < CHAIN_MOST; i++) {
        fill(&fns[i], FLOWS);
        sum += measure(&fns[i], 1, FLOWS, 46) - forward;
    }
    report("chain4_vs_sum", measure(fns, CHAIN_MOST, FLOWS, 46) - forward, sum,
           "acl, ipfix, nat44, vxlan alone, added up");
}

// ESP where the cipher covers 'bytes'.
static void
aes(const char *driver, unsigned bytes)
{
    char params[512];
    snprintf(params, sizeof params,
             "{\"local\":\"192.0.2.1\",\"remote\":\"192.0.2.2\",\"spi_out\":256,\"spi_in\":257,"
             "\"key_out_file\":\"%s\",\"key_in_file\":\"%s\",\"device\":\"%s\"}",
             getenv("BENCH_KEY"), getenv("BENCH_KEY"), driver);
    struct fn esp = make("esp", params);
    printf("%.1f\n", measure(&esp, 1, 1000, (uint16_t)(bytes - 2)));
    esp.ops->destroy(esp.state);
}

int
main(int argc, char **argv)
{
    int eal = rte_eal_init(argc, argv);
    if (eal < 0)
        return 1;
    argc -= eal, argv += eal;
    pool = rte_pktmbuf_pool_create("pkts", 1023, 0, PKT_PRIV_BYTES, 2176, SOCKET_ID_ANY);
    if (!pool)
        return 1;
    if (argc == 4 && strcmp(argv[1], "aes") == 0) {
        aes(argv[2], (unsigned)atoi(argv[3]));
    } else {
        tables();
        chain();
    }
    rte_eal_cleanup();
    return 0;
}
