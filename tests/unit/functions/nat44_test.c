// SPDX-License-Identifier: Apache-2.0
// NAT44 packet by packet: RFC 4787's behaviours, checksums against full recomputation, and state
// that moves.
#include "tests/unit/functions/fake_packet.h"

#include "dpdk-app/functions/fn.h"
#include "lib/base/json.h"
#include "lib/schedule/quota.h"

#include <offload/card_api.h>

#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

extern const struct fn_ops fn_nat44;

static const uint64_t tsc_hz = 1000000000; // a cycle is a nanosecond
static struct quota quota;

static void *
make(const char *params)
{
    struct offload_err err = {0};
    uint8_t filled[256] = {0};
    struct json_object *object = offload_json_parse("t", params, strlen(params), &err);
    assert_non_null(object);
    quota = (struct quota){.limit = 1 << 20};
    struct fn_env env = {.app = "a", .card = "c", .quota = &quota, .tsc_hz = tsc_hz};
    assert_true(fn_nat44.params_bytes <= sizeof filled);
    void *nat = NULL;
    if (offload_opt_read(fn_nat44.params, object, "params", filled, fn_nat44.params_bytes, &err) ==
        0)
        nat = fn_nat44.create(filled, &env, &err);
    json_object_put(object);
    return nat;
}

// Runs one packet through; false: dropped.
static bool
run(void *nat, struct fake_packet *p, enum pkt_dir dir, struct fake_spec spec, uint64_t now)
{
    struct rte_mbuf *pkt = fake_make(p, dir, spec);
    return fn_nat44.process(nat, &pkt, 1, dir, now) == 1;
}

static uint64_t
counter(void *nat, const char *cause)
{
    struct fn_counter counters[16];
    unsigned n = fn_nat44.counters(nat, counters, 16);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(counters[i].cause, cause) == 0)
            return counters[i].pkts;
    fail_msg("no counter '%s'", cause);
    return 0;
}

static uint32_t
address(const char *text)
{
    struct in_addr ip;
    inet_pton(AF_INET, text, &ip);
    return ip.s_addr;
}

static void
incremental_checksums_equal_recomputed_ones(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.0/29\",\"max_entries\":30000}");
    quota.limit = UINT64_MAX / 2;
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        struct fake_packet p;
        char src[32], dst[32];
        snprintf(src, sizeof src, "10.%d.%d.%d", rand() % 256, rand() % 256, rand() % 256);
        snprintf(dst, sizeof dst, "%d.%d.%d.%d", 1 + rand() % 200, rand() % 256, rand() % 256,
                 rand() % 256);
        static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};
        struct fake_spec spec = {.src = src,
                                 .dst = dst,
                                 .sport = rand(),
                                 .dport = rand(),
                                 .proto = protos[i % 3],
                                 .icmp_type = 8,
                                 .payload_bytes = rand() % 100};
        assert_true(run(nat, &p, PKT_INSIDE_OUT, spec, i));
        assert_int_equal(fake_header_error(fake_ip(&p)), 0);
        assert_int_equal(fake_transport_error(fake_ip(&p)), 0);
        assert_int_not_equal(memcmp(fake_ip(&p) + 12, "\x0a", 1), 0);
    }
    fn_nat44.destroy(nat);
}

// The primitive itself, over all that could go wrong with the two zeros of one's complement.
static void
rfc1624_update_equals_recomputation(void **state)
{
    (void)state;
    srand(2);
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t words[8];
        for (unsigned k = 0; k < 8; k++)
            words[k] = rand() % 4 == 0 ? (rand() & 1 ? 0xff : 0) : rand();
        uint16_t check = htons((uint16_t)~fake_sum(words, 8, 1)), from = load16(words + 4);
        fake_put16(words + 4, rand() % 4 ? rand() : 0);
        uint16_t updated = checksum_update16(check, from, load16(words + 4));
        assert_int_equal(updated, htons((uint16_t)~fake_sum(words, 8, 1)));
    }
}

static void
a_udp_packet_without_checksum_keeps_none(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.1\"}");
    struct fake_packet p;
    assert_true(run(
        nat, &p, PKT_INSIDE_OUT,
        (struct fake_spec){"10.0.0.1", "9.9.9.9", 1000, 53, IPPROTO_UDP, .no_udp_checksum = true},
        0));
    assert_int_equal(load16(fake_ip(&p) + 26), 0);
    assert_int_equal(fake_header_error(fake_ip(&p)), 0);
    fn_nat44.destroy(nat);
}

// RFC 4787 REQ-1: one inside endpoint has one outside endpoint, whoever the peer is; and REQ-2: one
// inside host has one outside address.
static void
mapping_is_endpoint_independent_and_paired(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.0/29\"}");
    struct fake_packet a, b, c;
    run(nat, &a, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0);
    run(nat, &b, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "8.8.4.4", 1000, 99), 5);
    run(nat, &c, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "8.8.4.4", 1001, 99), 5);
    assert_int_equal(load32(fake_ip(&a) + 12), load32(fake_ip(&b) + 12));
    assert_int_equal(load16(fake_ip(&a) + 20), load16(fake_ip(&b) + 20));
    assert_int_equal(load32(fake_ip(&a) + 12), load32(fake_ip(&c) + 12));
    assert_int_not_equal(load16(fake_ip(&a) + 20), load16(fake_ip(&c) + 20));
    assert_int_equal(fn_nat44.entries(nat), 2);
    fn_nat44.destroy(nat);
}

static void
a_reply_comes_back_to_its_sender(void **state)
{
    (void)state;
    static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};
    for (unsigned i = 0; i < 3; i++) {
        void *nat = make("{\"external\":\"198.51.100.7\"}");
        struct fake_packet p;
        struct fake_spec out = {"10.0.0.1", "9.9.9.9", 1000, 53, protos[i], .icmp_type = 8};
        assert_true(run(nat, &p, PKT_INSIDE_OUT, out, 0));
        uint16_t port =
            ntohs(protos[i] == IPPROTO_ICMP ? load16(fake_ip(&p) + 24) : load16(fake_ip(&p) + 20));
        assert_int_equal(load32(fake_ip(&p) + 12), address("198.51.100.7"));
        struct fake_spec back = {"9.9.9.9", "198.51.100.7", 53, port, protos[i], .icmp_type = 0};
        if (protos[i] == IPPROTO_ICMP)
            back.sport = port;
        assert_true(run(nat, &p, PKT_OUTSIDE_IN, back, 10));
        assert_int_equal(load32(fake_ip(&p) + 16), address("10.0.0.1"));
        assert_int_equal(load16(fake_ip(&p) + (protos[i] == IPPROTO_ICMP ? 24 : 22)), htons(1000));
        assert_int_equal(fake_transport_error(fake_ip(&p)), 0);
        assert_int_equal(fake_header_error(fake_ip(&p)), 0);
        // What functions behind this one compare by.
        assert_int_equal(pkt_meta(&p.mbuf)->key.dst[0], address("10.0.0.1"));
        assert_int_equal(pkt_meta(&p.mbuf)->key.dport, htons(1000));
        fn_nat44.destroy(nat);
    }
}

static void
what_nobody_asked_for_is_dropped_and_counted(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.7\"}");
    struct fake_packet p;
    assert_false(run(nat, &p, PKT_OUTSIDE_IN, fake_udp("9.9.9.9", "198.51.100.7", 53, 5000), 0));
    assert_int_equal(rte_mbuf_refcnt_read(&p.mbuf), 1);
    assert_int_equal(counter(nat, "no_binding"), 1);
    struct rte_mbuf *pkt = fake_make(&p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 1, 2));
    pkt_meta(pkt)->flags = PKT_FRAGMENT | PKT_FRAGMENT_LATER;
    pkt_meta(pkt)->l4_offset = 0;
    assert_int_equal(fn_nat44.process(nat, &pkt, 1, PKT_INSIDE_OUT, 0), 0);
    assert_int_equal(counter(nat, "fragment"), 1);
    assert_false(run(nat, &p, PKT_INSIDE_OUT,
                     (struct fake_spec){"10.0.0.1", "9.9.9.9", 1, 2, .proto = 47}, 0)); // GRE
    assert_int_equal(counter(nat, "unsupported"), 1);
    fn_nat44.destroy(nat);
}

// An error about a packet that we translated: quote, addresses and all three checksums.
static void
an_icmp_error_reaches_the_inside_host(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.7\"}");
    struct fake_packet sent, p;
    assert_true(run(
        nat, &sent, PKT_INSIDE_OUT,
        (struct fake_spec){"10.0.0.1", "9.9.9.9", 1000, 53, IPPROTO_UDP, .payload_bytes = 3}, 0));
    struct rte_mbuf *pkt =
        fake_make(&p, PKT_OUTSIDE_IN,
                  (struct fake_spec){"1.2.3.4", "198.51.100.7", 0, 0, IPPROTO_ICMP, .icmp_type = 3,
                                     .payload_bytes = 31});
    memcpy(fake_ip(&p) + 28, fake_ip(&sent), 31);
    fake_seal(fake_ip(&p), false);
    assert_int_equal(fn_nat44.process(nat, &pkt, 1, PKT_OUTSIDE_IN, 0), 1);
    const uint8_t *ip = fake_ip(&p), *quoted = ip + 28;
    assert_int_equal(load32(ip + 16), address("10.0.0.1"));
    assert_int_equal(load32(quoted + 12), address("10.0.0.1"));
    assert_int_equal(load16(quoted + 20), htons(1000));
    assert_int_equal(fake_header_error(ip), 0);
    assert_int_equal(fake_transport_error(ip), 0);
    assert_int_equal(fake_header_error(quoted), 0);
    assert_int_equal(fake_transport_error(quoted), 0); // the quote was the whole packet
    fn_nat44.destroy(nat);
}

static void
an_icmp_error_of_the_inside_host_gets_out(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.7\"}");
    struct fake_packet p, came;
    run(nat, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0);
    uint16_t port = ntohs(load16(fake_ip(&p) + 20));
    run(nat, &came, PKT_OUTSIDE_IN, fake_udp("9.9.9.9", "198.51.100.7", 53, port), 0);
    struct rte_mbuf *pkt = fake_make(&p, PKT_INSIDE_OUT,
                                     (struct fake_spec){"10.0.0.1", "9.9.9.9", 0, 0, IPPROTO_ICMP,
                                                        .icmp_type = 3, .payload_bytes = 28});
    memcpy(fake_ip(&p) + 28, fake_ip(&came), 28);
    fake_seal(fake_ip(&p), false);
    assert_int_equal(fn_nat44.process(nat, &pkt, 1, PKT_INSIDE_OUT, 0), 1);
    assert_int_equal(load32(fake_ip(&p) + 12), address("198.51.100.7"));
    assert_int_equal(load32(fake_ip(&p) + 28 + 16), address("198.51.100.7"));
    assert_int_equal(load16(fake_ip(&p) + 28 + 22), htons(port));
    assert_int_equal(fake_transport_error(fake_ip(&p)), 0);
    assert_int_equal(fake_header_error(fake_ip(&p)), 0);
    fn_nat44.destroy(nat);
}

static void
the_quota_bounds_bindings_and_expiry_frees_them(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.7\",\"udp_timeout_s\":10}");
    struct fake_packet p;
    uint64_t bound = 0;
    quota.limit = 5000;
    for (unsigned i = 0; i < 200; i++)
        bound += run(nat, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 2000 + i, 53), 0);
    assert_in_range(bound, 10, 199);
    assert_true(quota_used(&quota) <= 5000);
    assert_int_equal(counter(nat, "memory"), 200 - bound);
    // Bindings that exist keep working.
    assert_true(
        run(nat, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 2000, 53), 9 * tsc_hz));
    fn_nat44.tick(nat, 11 * tsc_hz, 1000);
    assert_int_equal(fn_nat44.entries(nat), 1);
    assert_int_equal(quota_used(&quota), fn_nat44.state_bytes(nat));
    fn_nat44.destroy(nat);
}

// RFC 4787 REQ-6: an outsider alone must not hold a UDP binding open.
static void
only_packets_from_inside_refresh_udp(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.7\",\"udp_timeout_s\":10}");
    struct fake_packet p;
    run(nat, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0);
    uint16_t port = ntohs(load16(fake_ip(&p) + 20));
    struct fake_spec back = fake_udp("9.9.9.9", "198.51.100.7", 53, port);
    assert_true(run(nat, &p, PKT_OUTSIDE_IN, back, 9 * tsc_hz));
    fn_nat44.tick(nat, 11 * tsc_hz, 1000);
    assert_false(run(nat, &p, PKT_OUTSIDE_IN, back, 11 * tsc_hz));
    fn_nat44.destroy(nat);
}

static void
tcp_is_kept_long_only_while_established(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.7\"}");
    struct fake_packet p;
    struct fake_spec out = {"10.0.0.1", "9.9.9.9", 1000, 80, IPPROTO_TCP, .tcp_flags = 0x02};
    run(nat, &p, PKT_INSIDE_OUT, out, 0);
    uint16_t port = ntohs(load16(fake_ip(&p) + 20));
    struct fake_spec back = {"9.9.9.9", "198.51.100.7", 80, port, IPPROTO_TCP, .tcp_flags = 0x12};
    run(nat, &p, PKT_OUTSIDE_IN, back, 0);
    out.tcp_flags = 0x10;
    run(nat, &p, PKT_INSIDE_OUT, out, 0);
    fn_nat44.tick(nat, 3600 * tsc_hz, 10);
    assert_int_equal(fn_nat44.entries(nat), 1);
    out.tcp_flags = 0x11;
    run(nat, &p, PKT_INSIDE_OUT, out, 3600 * tsc_hz);
    fn_nat44.tick(nat, (3600 + 241) * tsc_hz, 10);
    assert_int_equal(fn_nat44.entries(nat), 0);
    fn_nat44.destroy(nat);
}

static void
ports_run_out_and_that_is_counted(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.0/31\",\"ports\":\"5000-5009\"}");
    struct fake_packet p;
    unsigned passed = 0;
    for (unsigned i = 0; i < 30; i++)
        passed += run(nat, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 2000 + i, 53), 0);
    assert_int_equal(passed, 20); // all ports of both addresses
    assert_int_equal(counter(nat, "ports"), 10);
    fn_nat44.destroy(nat);
}

// What migration promises: the destination translates as the source did.
static void
bindings_move_with_their_ports(void **state)
{
    (void)state;
    const char *params = "{\"external\":\"198.51.100.0/29\"}";
    void *from = make(params), *to = make(params);
    quota.limit = UINT64_MAX / 2;
    uint8_t buf[1000], before[500][6];
    struct fake_packet p;
    for (unsigned i = 0; i < 500; i++) {
        run(from, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 2000 + i, 53), 5);
        memcpy(before[i], fake_ip(&p) + 12, 4);
        memcpy(before[i] + 4, fake_ip(&p) + 20, 2);
    }
    uint64_t cursor = 0;
    for (size_t n; (n = fn_nat44.export(from, &cursor, buf, sizeof buf, 0, 10)) > 0;)
        assert_int_equal(fn_nat44.import(to, buf, n, 777, NULL), 0);
    assert_int_equal(fn_nat44.entries(to), 500);
    // Changes meanwhile: one more, and all others expire.
    run(from, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.2", "9.9.9.9", 1, 53), 200 * tsc_hz);
    fn_nat44.tick(from, 301 * tsc_hz, 100000);
    assert_int_equal(fn_nat44.entries(from), 1);
    assert_int_equal(fn_nat44.dirty(from), 501);
    for (unsigned i = 0; i < 500; i++) {
        run(to, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "8.8.8.8", 2000 + i, 53), 800);
        assert_memory_equal(before[i], fake_ip(&p) + 12, 4);
        assert_memory_equal(before[i] + 4, fake_ip(&p) + 20, 2);
    }
    for (size_t n; (n = fn_nat44.export(from, &cursor, buf, sizeof buf, FN_EXPORT_DIRTY, 10)) > 0;)
        assert_int_equal(fn_nat44.import(to, buf, n, 777, NULL), 0);
    assert_int_equal(fn_nat44.entries(to), 1);
    fn_nat44.export(from, &cursor, NULL, 0, FN_EXPORT_STOP, 0);
    fn_nat44.destroy(from);
    fn_nat44.destroy(to);
}

static void
hostile_entries_are_refused(void **state)
{
    (void)state;
    const char *params = "{\"external\":\"198.51.100.0/29\",\"ports\":\"5000-6000\"}";
    void *from = make(params), *to = make(params);
    struct fake_packet p;
    run(from, &p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "9.9.9.9", 2000, 53), 5);
    uint8_t good[24], bad[48];
    uint64_t cursor = 0;
    assert_int_equal(fn_nat44.export(from, &cursor, good, sizeof good, 0, 10), 24);
    static const struct {
        uint8_t at, value;
    } damage[] = {{0, 0}, {0, 3}, {1, 0},   {1, 50}, {2, 0xff},
                  {2, 1}, {3, 1}, {12, 10}, {10, 1}, {10, 0xff}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        memcpy(bad, good, 24);
        bad[damage[i].at] = damage[i].value;
        struct offload_err err = {0};
        assert_int_equal(fn_nat44.import(to, bad, 24, 10, &err), -EBADMSG);
        assert_int_equal(fn_nat44.entries(to), 0);
        assert_true(err.text[0]);
    }
    assert_int_equal(fn_nat44.import(to, good, 23, 10, NULL), -EBADMSG);
    // Two inside endpoints on one outside endpoint.
    memcpy(bad, good, 24);
    memcpy(bad + 24, good, 24);
    bad[24 + 8] ^= 1;
    assert_int_equal(fn_nat44.import(to, bad, 48, 10, NULL), -EBADMSG);
    assert_int_equal(fn_nat44.entries(to), 1);
    // Random bytes never do more than fail.
    srand(3);
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned k = 0; k < 24; k++)
            bad[k] = rand() % 3 ? good[k] : rand();
        int rc = fn_nat44.import(to, bad, 24, 10, NULL);
        assert_true(rc == 0 || rc == -EBADMSG || rc == -ENOSPC);
    }
    quota.limit = 0;
    bad[0] = 1;
    memcpy(bad, good, 24);
    bad[5] ^= 0x55;
    bad[11] ^= 1;
    assert_true(fn_nat44.import(to, bad, 24, 10, NULL) < 0);
    fn_nat44.destroy(from);
    fn_nat44.destroy(to);
}

static void
wrong_parameters_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"external\":\"\"}",
        "{\"external\":\"198.51.100.1/29\"}",
        "{\"external\":\"10.0.0.0/8\"}",
        "{\"external\":\"198.51.100.0/33\"}",
        "{\"external\":\"198.51.100.0/29x\"}",
        "{\"external\":\"fe80::1\"}",
        "{\"external\":\"198.51.100.1\",\"ports\":\"0-5\"}",
        "{\"external\":\"198.51.100.1\",\"ports\":\"9-5\"}",
        "{\"external\":\"198.51.100.1\",\"ports\":\"5-99999\"}",
        "{\"external\":\"198.51.100.1\",\"udp_timeout_s\":0}",
        "{\"external\":\"198.51.100.1\",\"prots\":\"1-2\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(make(wrong[i]));
}

static void
the_pool_is_what_belongs_outside(void **state)
{
    (void)state;
    void *nat = make("{\"external\":\"198.51.100.8/29\"}");
    struct offload_match match;
    assert_int_equal(fn_nat44.outside_match(nat, &match, 1), 1);
    assert_int_equal(match.dst_bits, 29);
    assert_memory_equal(match.dst, "\xc6\x33\x64\x08", 4);
    assert_int_equal(match.src_bits, 0);
    assert_int_equal(match.proto, OFFLOAD_ANY_PROTO);
    fn_nat44.destroy(nat);
}

static void
blocks_of_ports_belong_to_one_host_each(void **state)
{
    (void)state;
    static uint32_t owner[64];
    struct fake_packet p;
    void *nat = make("{\"external\":\"198.51.100.1\",\"ports\":\"1024-5119\","
                     "\"block_ports\":64,\"blocks_per_host\":2}");
    memset(owner, 0, sizeof owner);
    for (unsigned host = 1; host <= 8; host++)
        for (unsigned i = 0; i < 130; i++) {
            char src[32];
            snprintf(src, sizeof src, "10.0.0.%u", host);
            bool fits = i < 128; // two blocks of 64
            assert_int_equal(
                run(nat, &p, PKT_INSIDE_OUT, fake_udp(src, "192.0.2.1", 2000 + i, 53), 1), fits);
            if (!fits)
                continue;
            uint32_t *block = &owner[(ntohs(load16(fake_ip(&p) + 20)) - 1024u) / 64];
            assert_true(*block == 0 || *block == host);
            *block = host;
        }
    assert_int_equal(counter(nat, "ports"), 16);
    // A block whose bindings have all expired is anybody's again.
    fn_nat44.tick(nat, 301 * tsc_hz, 100000);
    assert_int_equal(fn_nat44.entries(nat), 0);
    for (unsigned host = 100; host < 120; host++) {
        char src[32];
        snprintf(src, sizeof src, "10.0.0.%u", host);
        assert_true(
            run(nat, &p, PKT_INSIDE_OUT, fake_udp(src, "192.0.2.1", 2000, 53), 301 * tsc_hz));
    }
    fn_nat44.destroy(nat);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incremental_checksums_equal_recomputed_ones),
        cmocka_unit_test(rfc1624_update_equals_recomputation),
        cmocka_unit_test(a_udp_packet_without_checksum_keeps_none),
        cmocka_unit_test(mapping_is_endpoint_independent_and_paired),
        cmocka_unit_test(a_reply_comes_back_to_its_sender),
        cmocka_unit_test(what_nobody_asked_for_is_dropped_and_counted),
        cmocka_unit_test(an_icmp_error_reaches_the_inside_host),
        cmocka_unit_test(an_icmp_error_of_the_inside_host_gets_out),
        cmocka_unit_test(the_quota_bounds_bindings_and_expiry_frees_them),
        cmocka_unit_test(only_packets_from_inside_refresh_udp),
        cmocka_unit_test(tcp_is_kept_long_only_while_established),
        cmocka_unit_test(ports_run_out_and_that_is_counted),
        cmocka_unit_test(bindings_move_with_their_ports),
        cmocka_unit_test(hostile_entries_are_refused),
        cmocka_unit_test(wrong_parameters_are_refused),
        cmocka_unit_test(the_pool_is_what_belongs_outside),
        cmocka_unit_test(blocks_of_ports_belong_to_one_host_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
