// SPDX-License-Identifier: Apache-2.0
// Matches, allocations and SLAs: read, refused with the place and the way out, written so that they
// read the same.
#include "tests/unit/unit.h"

#include <offload/card_api.h>

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
read_matches(const char *text, struct offload_match *out, unsigned *n, struct offload_err *err)
{
    struct json_object *array = json_tokener_parse(text);
    assert_non_null(array);
    int rc = offload_matches_read(array, "match", out, OFFLOAD_MATCHES_MAX, n, err);
    json_object_put(array);
    return rc;
}

static void
match_reads_every_field(UNUSED void **state)
{
    struct offload_match m[OFFLOAD_MATCHES_MAX];
    unsigned n;
    assert_int_equal(
        read_matches("[{\"src\":\"10.0.0.0/"
                     "24\",\"dst\":\"10.1.0.5\",\"proto\":\"udp\",\"sport\":\"1000-2000\","
                     "\"dport\":53,\"vlan\":7,\"in_port\":\"inside\"},{}]",
                     m, &n, NULL),
        0);
    assert_int_equal(n, 2);
    assert_memory_equal(m[0].src, ((uint8_t[]){10, 0, 0, 0}), 4);
    assert_memory_equal(m[0].dst, ((uint8_t[]){10, 1, 0, 5}), 4);
    assert_int_equal(m[0].src_bits, 24);
    assert_int_equal(m[0].dst_bits, 32);
    assert_int_equal(m[0].ip_version, 4);
    assert_int_equal(m[0].proto, 17);
    assert_int_equal(m[0].sport_least, 1000);
    assert_int_equal(m[0].sport_most, 2000);
    assert_int_equal(m[0].dport_least, 53);
    assert_int_equal(m[0].dport_most, 53);
    assert_int_equal(m[0].vlan, 7);
    assert_int_equal(m[0].in_port, OFFLOAD_PORT_INSIDE);
    assert_int_equal(m[1].proto, OFFLOAD_ANY_PROTO);
    assert_int_equal(m[1].dport_most, 65535);
    assert_int_equal(m[1].ip_version, 0);
}

// What a rule was written from and what it is written as mean the same: plans are stored as text.
static void
match_survives_writing_and_reading(UNUSED void **state)
{
    static const char *const texts[] = {
        "[{}]",
        "[{\"src\":\"0.0.0.0/0\"}]",
        "[{\"dst\":\"fd00::/8\",\"proto\":58}]",
        "[{\"sport\":\"5-65535\",\"proto\":\"tcp\"},{\"dport\":0,\"in_port\":\"outside\"}]",
        "[{\"vlan\":0}]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct offload_match first[OFFLOAD_MATCHES_MAX], again[OFFLOAD_MATCHES_MAX];
        unsigned n, n_again;
        assert_int_equal(read_matches(texts[i], first, &n, NULL), 0);
        struct json_object *written = offload_matches_to_json(first, n);
        assert_int_equal(read_matches(json_object_to_json_string(written), again, &n_again, NULL),
                         0);
        json_object_put(written);
        assert_int_equal(n, n_again);
        assert_memory_equal(first, again, n * sizeof first[0]);
    }
}

static void
bad_match_is_refused_by_place_and_remedy(UNUSED void **state)
{
    static const struct {
        const char *text, *where, *says, *expected;
    } cases[] = {
        {"[]", "match", "0 rules", "use 1 to 64"},
        {"[{\"scr\":\"10.0.0.1\"}]", "match[0].scr", "unknown key 'scr'", "did you mean \"src\"?"},
        {"[{\"src\":\"10.0.0.300\"}]", "match[0].src", "'10.0.0.300' is no IP address",
         "10.0.0.0/24"},
        {"[{\"src\":\"10.0.0.1/24\"}]", "match[0].src", "bits set behind", "clear the bits"},
        {"[{\"src\":\"10.0.0.0/33\"}]", "match[0].src", "'/33' is no prefix length", "/0 to /32"},
        {"[{},{\"src\":\"10.0.0.0/8\",\"dst\":\"fd00::/8\"}]", "match[1].dst", "IPv6",
         "one IP version"},
        {"[{\"proto\":\"upd\"}]", "match[0].proto", "'upd'", "\"udp\""},
        {"[{\"proto\":256}]", "match[0].proto", "256", "0 to 255"},
        {"[{\"dport\":\"20-10\"}]", "match[0].dport", "\"20-10\"", "range"},
        {"[{\"dport\":70000}]", "match[0].dport", "70000", "range"},
        {"[{\"dport\":\"80x\"}]", "match[0].dport", "\"80x\"", "range"},
        {"[{\"vlan\":4095}]", "match[0].vlan", "4095", "0 (untagged) to 4094"},
        {"[{\"in_port\":\"left\"}]", "match[0].in_port", "'left'", "\"inside\""},
        {"[7]", "match[0]", "not an object", "use {"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct offload_match out[OFFLOAD_MATCHES_MAX];
        struct offload_err err;
        unsigned n = 77;
        memset(out, 0x5a, sizeof out);
        assert_true(read_matches(cases[i].text, out, &n, &err) < 0);
        assert_string_equal(err.where, cases[i].where);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_non_null(strstr(err.expected, cases[i].expected));
        assert_int_equal(n, 77);
        assert_int_equal(((uint8_t *)out)[0], 0x5a);
    }
}

// A rule names what enters inside; the way back is the same rule seen from the other side, and
// twice back is itself.
static void
swapped_rule_is_the_way_back(UNUSED void **state)
{
    struct offload_match m[OFFLOAD_MATCHES_MAX], want[OFFLOAD_MATCHES_MAX];
    unsigned n;
    read_matches(
        "[{\"src\":\"10.0.0.0/"
        "24\",\"dst\":\"10.1.0.5\",\"sport\":5,\"dport\":\"80-90\",\"in_port\":\"inside\"}]",
        m, &n, NULL);
    read_matches(
        "[{\"dst\":\"10.0.0.0/"
        "24\",\"src\":\"10.1.0.5\",\"dport\":5,\"sport\":\"80-90\",\"in_port\":\"outside\"}]",
        want, &n, NULL);
    struct offload_match back = offload_match_swapped(&m[0]), forth = offload_match_swapped(&back);
    assert_memory_equal(&back, &want[0], sizeof back);
    assert_memory_equal(&forth, &m[0], sizeof forth);
}

static int
read_allocation(const char *text, struct offload_allocation *out, struct offload_err *err)
{
    struct json_object *object = json_tokener_parse(text);
    int rc = offload_allocation_read(object, "allocations[2]", out, err);
    json_object_put(object);
    return rc;
}

static void
allocation_defaults_to_reserved_without_ceiling(UNUSED void **state)
{
    struct offload_allocation a, again;
    assert_int_equal(read_allocation("{\"card\":\"card0\",\"app\":\"nat1\",\"cpu_pct\":12.5,"
                                     "\"bandwidth_bps\":1000000,\"memory_bytes\":4096}",
                                     &a, NULL),
                     0);
    assert_int_equal(a.ceiling_bps, 1000000);
    assert_int_equal(a.sharing, OFFLOAD_RESERVED);
    struct json_object *written = offload_allocation_to_json(&a);
    assert_int_equal(offload_allocation_read(written, "", &again, NULL), 0);
    json_object_put(written);
    assert_memory_equal(&a, &again, sizeof a);
}

static void
bad_allocation_is_refused(UNUSED void **state)
{
    struct offload_allocation a = {.memory_bytes = 5};
    struct offload_err err;
    assert_true(
        read_allocation(
            "{\"card\":\"c\",\"app\":\"a\",\"cpu_pct\":101,\"bandwidth_bps\":1,\"memory_bytes\":1}",
            &a, &err) < 0);
    assert_string_equal(err.where, "allocations[2].cpu_pct");
    assert_true(read_allocation("{\"card\":\"c\",\"app\":\"a\",\"cpu_pct\":1,\"bandwidth_bps\":9,"
                                "\"ceiling_bps\":3,\"memory_bytes\":1}",
                                &a, &err) < 0);
    assert_string_equal(err.where, "allocations[2].ceiling_bps");
    assert_true(read_allocation("{\"card\":\"c\",\"app\":\"a\",\"cpu_pct\":1,\"bandwidth_bps\":9}",
                                &a, &err) < 0);
    assert_string_equal(err.where, "allocations[2].memory_bytes");
    assert_int_equal(a.memory_bytes, 5);
}

static void
sla_survives_writing_and_reading(UNUSED void **state)
{
    struct json_object *object =
        json_tokener_parse("{\"class\":\"gold\",\"max_delay_ns\":5000000,\"max_loss_frac\":0.01,"
                           "\"on_card_down\":\"move\"}");
    struct offload_sla sla, again;
    assert_int_equal(offload_sla_read(object, "sla", &sla, NULL), 0);
    json_object_put(object);
    assert_int_equal(sla.sla_class, OFFLOAD_GOLD);
    assert_int_equal(sla.on_card_down, OFFLOAD_DOWN_MOVE);
    object = offload_sla_to_json(&sla);
    assert_int_equal(offload_sla_read(object, "sla", &again, NULL), 0);
    json_object_put(object);
    assert_memory_equal(&sla, &again, sizeof sla);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match_reads_every_field),
        cmocka_unit_test(match_survives_writing_and_reading),
        cmocka_unit_test(bad_match_is_refused_by_place_and_remedy),
        cmocka_unit_test(swapped_rule_is_the_way_back),
        cmocka_unit_test(allocation_defaults_to_reserved_without_ceiling),
        cmocka_unit_test(bad_allocation_is_refused),
        cmocka_unit_test(sla_survives_writing_and_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
