// SPDX-License-Identifier: Apache-2.0
// Memory runs out at every allocation in turn: the value comes whole or not at all, and nothing
// leaks.
#include "tests/unit/fail_malloc.h"
#include "tests/unit/unit.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <string.h>

// Long strings, many keys and long lists, so that each of json-c's tables and buffers grows.
static const char text[] =
    "{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,"
    "32,33,34],"
    "\"k1\":1.5,\"k2\":true,\"k3\":null,\"k4\":{\"x\":{\"y\":[[[\"z\"]]]}},\"k5\":5,\"k6\":6,"
    "\"k7\":7,\"k8\":8,"
    "\"k9\":9,\"k10\":10,\"k11\":11,\"k12\":12,\"k13\":13,\"k14\":14,\"k15\":15,\"k16\":16,\"k17\":"
    "17,\"k18\":18,"
    "\"a key of more than thirty-two characters, which a small buffer does not hold\":"
    "\"a string of more than sixty-four characters, \\u00e4 and \\\" escaped, so that the buffer "
    "grows\"}";

static void
parse_with_failures(bool all_after)
{
    struct json_object *whole = offload_json_parse("t", text, sizeof text - 1, NULL);
    assert_non_null(whole);
    for (unsigned nth = 1;; nth++) {
        struct offload_err err = {0};
        long before = fail_malloc_live();
        fail_malloc_arm(nth, all_after);
        struct json_object *value = offload_json_parse("t", text, sizeof text - 1, &err);
        bool failed = fail_malloc_disarm();
        if (value)
            assert_true(json_object_equal(value, whole));
        else
            assert_int_equal(err.code, -ENOMEM);
        json_object_put(value);
        assert_int_equal(fail_malloc_live(), before);
        if (!failed)
            break;
        assert_true(nth < 10000);
    }
    json_object_put(whole);
}

static void
parse_survives_one_failed_allocation(UNUSED void **state)
{
    parse_with_failures(false);
}

static void
parse_survives_memory_running_out(UNUSED void **state)
{
    parse_with_failures(true);
}

// json-c's own buffer for strings must not be left to grow while it parses: the hole would not
// show.
static void
long_string_comes_without_holes(UNUSED void **state)
{
    static const char string[] = "\"a string of more than sixty-four characters, which json-c "
                                 "gathers piece by \\\"piece\\\" in a buffer that must grow\"";
    struct json_object *whole = offload_json_parse("t", string, sizeof string - 1, NULL);
    assert_non_null(whole);
    fail_malloc_spares_tokener = false;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        struct offload_err err = {0};
        fail_malloc_arm(nth, false);
        struct json_object *value = offload_json_parse("t", string, sizeof string - 1, &err);
        failed = fail_malloc_disarm();
        if (value)
            assert_true(json_object_equal(value, whole));
        else
            assert_int_equal(err.code, -ENOMEM);
        json_object_put(value);
    }
    fail_malloc_spares_tokener = true;
    json_object_put(whole);
}

struct config {
    uint64_t queues;
    char name[16];
};

static const struct offload_opt table[] = {
    {.key = "queues",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct config, queues),
     .least = 1,
     .most = 64,
     .default_text = "4"},
    {.key = "name",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct config, name),
     .size = sizeof((struct config *)0)->name,
     .default_text = "\"card0\""},
    OFFLOAD_OPT_END,
};

static void
options_survive_failed_allocations(UNUSED void **state)
{
    struct json_object *object = json_object_new_object();
    for (unsigned nth = 1;; nth++) {
        struct offload_err err = {0};
        struct config config = {.queues = 99};
        long before = fail_malloc_live();
        fail_malloc_arm(nth, false);
        int rc = offload_opt_read(table, object, "", &config, sizeof config, &err);
        bool failed = fail_malloc_disarm();
        assert_int_equal(fail_malloc_live(), before);
        assert_int_equal(rc, err.code);
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(config.queues, rc ? 99 : 4);
        if (!failed)
            break;
    }
    json_object_put(object);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_survives_one_failed_allocation),
        cmocka_unit_test(parse_survives_memory_running_out),
        cmocka_unit_test(long_string_comes_without_holes),
        cmocka_unit_test(options_survive_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
