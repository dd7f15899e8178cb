// SPDX-License-Identifier: Apache-2.0
// Intents: what is read is what was written, and what is wrong is named by its place.
#include "tests/unit/unit.h"

#include "ovs-integration/intent.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static int
read_text(const char *text, struct intent *intent, struct offload_err *err)
{
    struct json_object *object = json_tokener_parse(text);
    assert_non_null(object);
    int rc = intent_read(object, "intents[0]", intent, err);
    json_object_put(object);
    return rc;
}

static const char whole[] =
    "{\"app\":\"nat1\",\"match\":[{\"src\":\"10.1.0.0/16\",\"dst\":\"10.9.1.1/"
    "32\",\"proto\":\"udp\",\"sport\":\"1000-1999\","
    "\"dport\":53,\"vlan\":7},{\"proto\":47}],\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_port\":"
    "\"c0in\","
    "\"card_port_out\":\"c0out\",\"return_dst\":[\"192.0.2.0/31\"],\"on_card_down\":\"open\"}";

static void
what_is_written_reads_back_the_same(UNUSED void **state)
{
    struct intent first, second;
    assert_int_equal(read_text(whole, &first, NULL), 0);
    assert_int_equal(first.matches[0].sport_low, 1000);
    assert_int_equal(first.matches[0].sport_high, 1999);
    assert_int_equal(first.matches[1].proto, 47);
    assert_int_equal(first.returns[0].mask.lo, 0xfffffffe);
    struct json_object *object = intent_to_json(&first);
    assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE),
                        whole);
    assert_int_equal(intent_read(object, "", &second, NULL), 0);
    assert_true(intent_same(&first, &second));
    json_object_put(object);
    intent_fini(&first);
    intent_fini(&second);
}

static const char whole6[] =
    "{\"app\":\"six\",\"match\":[{\"src\":\"2001:db8::/32\",\"dst\":\"2001:db8:1::5/128\"},"
    "{\"src\":\"::/0\",\"vlan\":0}],\"in_port\":\"w1\",\"out_port\":\"w2\","
    "\"card_port\":\"c0in\",\"card_port_out\":\"c0out\",\"return_dst\":[\"2001:db8:2::1/128\"],"
    "\"on_card_down\":\"move\",\"standby_port\":\"c1in\",\"standby_port_out\":\"c1out\"}";

static void
ipv6_and_standby_read_back_the_same(UNUSED void **state)
{
    struct intent first;
    assert_int_equal(read_text(whole6, &first, NULL), 0);
    assert_true(first.matches[1].ipv6);
    struct json_object *object = intent_to_json(&first);
    assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE),
                        whole6);
    json_object_put(object);
    intent_fini(&first);
}

static void
standby_needs_move_and_ports_of_its_own(UNUSED void **state)
{
    static const char *const wrong[] = {
        "\"on_card_down\":\"open\",\"standby_port\":\"c1in\",\"standby_port_out\":\"c1out\"",
        "\"on_card_down\":\"move\",\"standby_port\":\"c0in\",\"standby_port_out\":\"c1out\"",
        "\"on_card_down\":\"move\",\"standby_port\":\"c1in\"",
        "\"on_card_down\":\"move\",\"standby_port_out\":\"c1out\"",
        "\"on_card_down\":\"move\",\"standby_port\":\"c1in\",\"standby_port_out\":\"c1in\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[300];
        struct intent intent;
        struct offload_err err;
        snprintf(text, sizeof text,
                 "{\"app\":\"a\",\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_port\":\"c0in\","
                 "\"card_port_out\":\"c0out\",%s}",
                 wrong[i]);
        assert_int_equal(read_text(text, &intent, &err), -EINVAL);
        assert_string_equal(err.where, "intents[0].standby_port");
    }
}

static void
absent_keys_take_their_defaults(UNUSED void **state)
{
    struct intent intent;
    assert_int_equal(read_text("{\"app\":\"a\",\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_"
                               "port\":\"c0in\",\"card_port_out\":\"c0out\"}",
                               &intent, NULL),
                     0);
    assert_int_equal(intent.on_card_down, CARD_DOWN_CLOSED);
    assert_int_equal(intent.n_matches, 1);
    assert_int_equal(intent.matches[0].proto, -1);
    assert_int_equal(intent.n_returns, 0);
    intent_fini(&intent);
}

// One row a mistake: what stands in the place of the whole intent's match, and where the error must
// point.
static void
each_mistake_is_named_by_its_place(UNUSED void **state)
{
    static const struct {
        const char *match, *where;
    } rows[] = {
        {"{\"src\":\"10.1.0.0/33\"}", "intents[0].match[0].src"},
        {"{\"src\":\"10.1.0.1/16\"}", "intents[0].match[0].src"},
        {"{\"src\":\"10.1.0.0/\"}", "intents[0].match[0].src"},
        {"{\"src\":\"10.1.0.0/1x\"}", "intents[0].match[0].src"},
        {"{\"src\":\"::1/129\"}", "intents[0].match[0].src"},
        {"{\"src\":\"2001:db8::1/64\"}", "intents[0].match[0].src"},
        {"{\"src\":\"2001:db8\"}", "intents[0].match[0].src"},
        {"{\"src\":\"2001:db8::1\",\"dst\":\"10.1.1.1\"}", "intents[0].match[0]"},
        {"{\"src\":\"::/0\",\"dst\":\"0.0.0.0/1\"}", "intents[0].match[0]"},
        {"{\"src\":\"2001:db8::1\",\"proto\":\"icmp\"}", "intents[0].match[0]"},
        {"{\"dst\":\"10.1.1.1\",\"proto\":\"icmp6\"}", "intents[0].match[0]"},
        {"{\"vni\":7}", "intents[0].match[0].vni"},
        {"{\"dst\":7}", "intents[0].match[0].dst"},
        {"{\"proto\":\"gre\"}", "intents[0].match[0].proto"},
        {"{\"proto\":256}", "intents[0].match[0].proto"},
        {"{\"proto\":6.0}", "intents[0].match[0].proto"},
        {"{\"proto\":\"udp\",\"dport\":65536}", "intents[0].match[0].dport"},
        {"{\"proto\":\"udp\",\"dport\":\"20-10\"}", "intents[0].match[0].dport"},
        {"{\"proto\":\"udp\",\"dport\":\"-5\"}", "intents[0].match[0].dport"},
        {"{\"proto\":\"udp\",\"dport\":\"5-\"}", "intents[0].match[0].dport"},
        {"{\"dport\":53}", "intents[0].match[0]"},
        {"{\"proto\":\"icmp\",\"sport\":53}", "intents[0].match[0]"},
        {"{\"vlan\":4095}", "intents[0].match[0].vlan"},
        {"{\"vlan\":-1}", "intents[0].match[0].vlan"},
        {"{\"in_port\":\"w1\"}", "intents[0].match[0].in_port"},
        {"{\"sprot\":1}", "intents[0].match[0].sprot"},
        {"7", "intents[0].match[0]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        struct intent intent;
        struct offload_err err;
        snprintf(text, sizeof text,
                 "{\"app\":\"a\",\"match\":[%s],\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_"
                 "port\":\"c0in\",\"card_port_out\":\"c0out\"}",
                 rows[i].match);
        assert_int_equal(read_text(text, &intent, &err), -EINVAL);
        assert_string_equal(err.where, rows[i].where);
    }
}

static void
a_port_cannot_be_two_ends(UNUSED void **state)
{
    struct intent intent;
    struct offload_err err;
    assert_int_equal(
        read_text("{\"app\":\"a\",\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_port\":\"w1\"}",
                  &intent, &err),
        -EINVAL);
    assert_string_equal(err.where, "intents[0].card_port");
    assert_int_equal(read_text("{\"app\":\"a\",\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_"
                               "port\":\"c\",\"card_port_out\":\"c\"}",
                               &intent, &err),
                     -EINVAL);
    assert_string_equal(err.where, "intents[0].card_port_out");
}

// With one card port, a packet that comes back could be going either way if the match fits both.
static void
one_card_port_needs_a_match_that_has_a_direction(UNUSED void **state)
{
    static const char form[] = "{\"app\":\"a\",\"match\":[%s],\"in_port\":\"w1\",\"out_port\":"
                               "\"w2\",\"card_port\":\"c0\"}";
    char text[256];
    struct intent intent;
    struct offload_err err;
    snprintf(text, sizeof text, form, "{\"proto\":\"tcp\"}");
    assert_int_equal(read_text(text, &intent, &err), -EINVAL);
    assert_string_equal(err.where, "intents[0].match[0]");
    snprintf(text, sizeof text, form,
             "{\"proto\":\"udp\",\"sport\":\"1-250\",\"dport\":\"200-300\"}");
    assert_int_equal(read_text(text, &intent, &err), -EINVAL);
    snprintf(text, sizeof text, form,
             "{\"proto\":\"udp\",\"sport\":\"1-199\",\"dport\":\"200-300\"}");
    assert_int_equal(read_text(text, &intent, &err), 0);
    intent_fini(&intent);
    snprintf(text, sizeof text, form, "{\"dst\":\"10.9.1.1\",\"src\":\"10.9.0.0/24\"}");
    assert_int_equal(read_text(text, &intent, &err), 0);
    intent_fini(&intent);
}

static void
set_is_sorted_and_replaces(UNUSED void **state)
{
    static const char *const names[] = {"m", "c", "z", "a", "m", "b"};
    struct intent_set set = {.n = 0}, copy;
    for (uint32_t i = 0; i < 6; i++) {
        char text[160];
        struct intent intent;
        snprintf(text, sizeof text,
                 "{\"app\":\"%s\",\"in_port\":\"1\",\"out_port\":\"2\",\"card_port\":\"3\",\"card_"
                 "port_out\":\"4\"}",
                 names[i]);
        assert_int_equal(read_text(text, &intent, NULL), 0);
        intent.id = i + 1;
        assert_int_equal(intent_set_put(&set, &intent), 0);
    }
    assert_int_equal(set.n, 5);
    for (size_t i = 1; i < set.n; i++)
        assert_true(strcmp(set.intents[i - 1]->app, set.intents[i]->app) < 0);
    assert_int_equal(intent_set_find(&set, "m")->id, 5);
    assert_int_equal(intent_set_copy(&copy, &set), 0);
    assert_true(intent_set_remove(&set, "c"));
    assert_false(intent_set_remove(&set, "c"));
    assert_null(intent_set_find(&set, "c"));
    assert_non_null(intent_set_find(&copy, "c"));
    intent_set_fini(&set);
    intent_set_fini(&copy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(ipv6_and_standby_read_back_the_same),
        cmocka_unit_test(standby_needs_move_and_ports_of_its_own),
        cmocka_unit_test(absent_keys_take_their_defaults),
        cmocka_unit_test(each_mistake_is_named_by_its_place),
        cmocka_unit_test(a_port_cannot_be_two_ends),
        cmocka_unit_test(one_card_port_needs_a_match_that_has_a_direction),
        cmocka_unit_test(set_is_sorted_and_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
