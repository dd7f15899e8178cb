// SPDX-License-Identifier: Apache-2.0
// The packet filter: which rule decides, what state lets in, and what it does not.
#include "tests/unit/functions/fake_packet.h"

#include "dpdk-app/functions/fn.h"
#include "lib/base/json.h"
#include "lib/schedule/quota.h"

#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

extern const struct fn_ops fn_acl;

static const uint64_t tsc_hz = 1000000000;
static struct quota quota;
static struct offload_err last_err;

static void *
make(const char *params)
{
    uint8_t filled[256] = {0};
    last_err = (struct offload_err){0};
    struct json_object *object = offload_json_parse("t", params, strlen(params), &last_err);
    assert_non_null(object);
    quota = (struct quota){.limit = 1 << 20};
    struct fn_env env = {.app = "a", .card = "c", .quota = &quota, .tsc_hz = tsc_hz};
    assert_true(fn_acl.params_bytes <= sizeof filled);
    void *acl = NULL;
    if (offload_opt_read(fn_acl.params, object, "", filled, fn_acl.params_bytes, &last_err) == 0)
        acl = fn_acl.create(filled, &env, &last_err);
    json_object_put(object);
    return acl;
}

static bool
passes(void *acl, enum pkt_dir dir, struct fake_spec spec, uint64_t now)
{
    struct fake_packet p;
    struct rte_mbuf *pkt = fake_make(&p, dir, spec);
    bool passed = fn_acl.process(acl, &pkt, 1, dir, now) == 1;
    assert_int_equal(rte_mbuf_refcnt_read(&p.mbuf), passed ? 2 : 1);
    return passed;
}

static const enum pkt_dir out = PKT_INSIDE_OUT, in = PKT_OUTSIDE_IN;

static void
the_first_rule_that_holds_decides(void **state)
{
    (void)state;
    void *acl =
        make("{\"stateful\":false,\"default\":\"deny\",\"rules\":["
             "{\"action\":\"deny\",\"dst\":\"10.1.0.0/25\",\"proto\":\"udp\",\"dport\":\"50-60\"},"
             "{\"action\":\"permit\",\"src\":\"10.0.0.0/8\"}]}");
    assert_non_null(acl);
    assert_false(passes(acl, out, fake_udp("10.0.0.1", "10.1.0.127", 9, 53), 0));
    assert_true(passes(acl, out, fake_udp("10.0.0.1", "10.1.0.128", 9, 53), 0));
    assert_true(passes(acl, out, fake_udp("10.0.0.1", "10.1.0.127", 9, 61), 0));
    assert_false(passes(acl, out, fake_udp("11.0.0.1", "10.1.0.127", 9, 61), 0));
    assert_true(passes(acl, out,
                       (struct fake_spec){"10.0.0.1", "10.1.0.1", 9, 53, .proto = IPPROTO_TCP}, 0));
    fn_acl.destroy(acl);
}

static void
replies_pass_only_to_what_was_permitted(void **state)
{
    (void)state;
    void *acl = make("{\"rules\":[{\"action\":\"permit\",\"src\":\"10.0.0.0/24\"}]}");
    struct fake_spec reply = fake_udp("9.9.9.9", "10.0.0.1", 53, 1000);
    assert_false(passes(acl, in, reply, 0));
    assert_true(passes(acl, out, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0));
    assert_true(passes(acl, in, reply, 1));
    assert_false(passes(acl, in, fake_udp("9.9.9.9", "10.0.0.1", 54, 1000), 1));
    assert_false(passes(acl, in, fake_udp("9.9.9.8", "10.0.0.1", 53, 1000), 1));
    // Forgotten after its time, so that a port that was reused is not open.
    fn_acl.tick(acl, 122 * tsc_hz, 100);
    assert_false(passes(acl, in, reply, 122 * tsc_hz));
    fn_acl.destroy(acl);
}

static void
an_error_about_a_connection_passes(void **state)
{
    (void)state;
    void *acl = make("{\"rules\":[{\"action\":\"permit\",\"src\":\"10.0.0.0/24\"}]}");
    struct fake_packet sent, p;
    fake_make(&sent, out, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53));
    struct fake_spec error = {"1.2.3.4",      "10.0.0.1",         0, 0, IPPROTO_ICMP,
                              .icmp_type = 3, .payload_bytes = 28};
    struct rte_mbuf *pkt = fake_make(&p, in, error);
    memcpy(fake_ip(&p) + 28, fake_ip(&sent), 28);
    assert_int_equal(fn_acl.process(acl, &pkt, 1, in, 0), 0); // about nothing that we know
    assert_true(passes(acl, out, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0));
    pkt = fake_make(&p, in, error);
    memcpy(fake_ip(&p) + 28, fake_ip(&sent), 28);
    assert_int_equal(fn_acl.process(acl, &pkt, 1, in, 0), 1);
    fn_acl.destroy(acl);
}

// The outside must not get in by calling itself inside.
static void
a_rule_may_name_the_side(void **state)
{
    (void)state;
    void *acl = make(
        "{\"rules\":[{\"action\":\"permit\",\"src\":\"10.0.0.0/24\",\"in_port\":\"inside\"}]}");
    assert_non_null(acl);
    assert_false(passes(acl, in, fake_udp("10.0.0.1", "10.0.0.2", 1, 2), 0));
    assert_true(passes(acl, out, fake_udp("10.0.0.1", "10.0.0.2", 1, 2), 0));
    fn_acl.destroy(acl);
}

static void
a_later_fragment_follows_the_rules_without_ports(void **state)
{
    (void)state;
    void *acl =
        make("{\"rules\":[{\"action\":\"deny\",\"proto\":\"udp\",\"dport\":53},"
             "{\"action\":\"permit\",\"src\":\"10.0.0.0/24\",\"proto\":\"udp\",\"dport\":80}]}");
    for (unsigned i = 0; i < 2; i++) {
        struct fake_packet p;
        struct rte_mbuf *pkt =
            fake_make(&p, out, fake_udp(i ? "11.0.0.1" : "10.0.0.1", "9.9.9.9", 0, 0));
        pkt_meta(pkt)->flags = PKT_FRAGMENT | PKT_FRAGMENT_LATER;
        pkt_meta(pkt)->l4_offset = 0;
        assert_int_equal(fn_acl.process(acl, &pkt, 1, out, 0), i ? 0 : 1);
    }
    assert_int_equal(fn_acl.entries(acl), 0);
    fn_acl.destroy(acl);
}

static void
memory_bounds_connections(void **state)
{
    (void)state;
    void *acl = make("{\"default\":\"permit\"}");
    quota.limit = 3000;
    unsigned passed = 0;
    for (unsigned i = 0; i < 100; i++)
        passed += passes(acl, out, fake_udp("10.0.0.1", "9.9.9.9", 1000 + i, 53), 0);
    assert_in_range(passed, 10, 90);
    assert_true(quota_used(&quota) <= 3000);
    assert_true(passes(acl, out, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0));
    assert_int_equal(quota_used(&quota), fn_acl.state_bytes(acl));
    fn_acl.destroy(acl);
}

static void
connections_move(void **state)
{
    (void)state;
    const char *params = "{\"rules\":[{\"action\":\"permit\",\"src\":\"10.0.0.0/24\"}]}";
    void *from = make(params), *to = make(params);
    quota.limit = UINT64_MAX / 2;
    uint8_t buf[56 * 7];
    uint64_t cursor = 0;
    for (unsigned i = 0; i < 100; i++)
        passes(from, out, fake_udp("10.0.0.1", "9.9.9.9", 1000 + i, 53), 0);
    for (size_t n; (n = fn_acl.export(from, &cursor, buf, sizeof buf, 0, 5)) > 0;)
        assert_int_equal(fn_acl.import(to, buf, n, 5, NULL), 0);
    passes(from, out, fake_udp("10.0.0.1", "9.9.9.9", 5000, 53), 0);
    assert_int_equal(fn_acl.dirty(from), 1);
    for (size_t n; (n = fn_acl.export(from, &cursor, buf, sizeof buf, FN_EXPORT_DIRTY, 5)) > 0;)
        assert_int_equal(fn_acl.import(to, buf, n, 5, NULL), 0);
    assert_int_equal(fn_acl.entries(to), 101);
    for (unsigned i = 0; i < 100; i++)
        assert_true(passes(to, in, fake_udp("9.9.9.9", "10.0.0.1", 53, 1000 + i), 9));
    assert_true(passes(to, in, fake_udp("9.9.9.9", "10.0.0.1", 53, 5000), 9));
    fn_acl.destroy(from);
    fn_acl.destroy(to);
}

static void
hostile_entries_are_refused(void **state)
{
    (void)state;
    void *acl = make("{\"default\":\"permit\"}"), *stateless = make("{\"stateful\":false}");
    passes(acl, out, fake_udp("10.0.0.1", "9.9.9.9", 1000, 53), 0);
    uint8_t good[56], bad[56];
    uint64_t cursor = 0, seed = 99;
    assert_int_equal(fn_acl.export(acl, &cursor, good, sizeof good, 0, 5), 56);
    assert_int_equal(fn_acl.import(stateless, good, 56, 5, NULL), -EBADMSG);
    assert_int_equal(fn_acl.import(acl, good, 55, 5, NULL), -EBADMSG);
    static const struct {
        uint8_t at, value;
    } damage[] = {{0, 0}, {0, 9}, {1, 4}, {2, 2}, {3, 5}, {8, 1}, {30, 1}, {41, 0x10}, {43, 1}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        memcpy(bad, good, sizeof bad);
        bad[damage[i].at] = damage[i].value;
        assert_int_equal(fn_acl.import(acl, bad, sizeof bad, 5, NULL), -EBADMSG);
    }
    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned k = 0; k < sizeof bad; k++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            bad[k] = seed >> 60 < 12 ? good[k] : seed >> 40;
        }
        int rc = fn_acl.import(acl, bad, sizeof bad, 5, NULL);
        assert_true(rc == 0 || rc == -EBADMSG || rc == -ENOSPC);
    }
    fn_acl.destroy(acl);
    fn_acl.destroy(stateless);
}

static void
wrong_rules_are_refused_by_place(void **state)
{
    (void)state;
    static const struct {
        const char *params, *where;
    } wrong[] = {
        {"{\"rules\":[{\"src\":\"10.0.0.0/8\"}]}", "rules[0]"},
        {"{\"rules\":[{\"action\":\"permit\"},{\"action\":\"alow\"}]}", "rules[1]"},
        {"{\"rules\":[{\"action\":\"permit\",\"src\":\"10.0.0/8\"}]}", "rules[0]"},
        {"{\"rules\":[5]}", "rules[0]"},
        {"{\"rules\":[{\"action\":\"permit\",\"scr\":\"10.0.0.0/8\"}]}", "rules[0]"},
        {"{\"default\":\"maybe\"}", "default"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(make(wrong[i].params));
        if (strncmp(last_err.where, wrong[i].where, strlen(wrong[i].where)) != 0)
            fail_msg("'%s' named '%s'", wrong[i].params, last_err.where);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_holds_decides),
        cmocka_unit_test(replies_pass_only_to_what_was_permitted),
        cmocka_unit_test(an_error_about_a_connection_passes),
        cmocka_unit_test(a_rule_may_name_the_side),
        cmocka_unit_test(a_later_fragment_follows_the_rules_without_ports),
        cmocka_unit_test(memory_bounds_connections),
        cmocka_unit_test(connections_move),
        cmocka_unit_test(hostile_entries_are_refused),
        cmocka_unit_test(wrong_rules_are_refused_by_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
