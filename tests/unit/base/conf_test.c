// SPDX-License-Identifier: Apache-2.0
// Option tables: each type, each refusal in the words that an operator reads, and that a refused
// object changes nothing.
#include "tests/unit/unit.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
    bool managed;
    uint64_t queues, any;
    double share_pct;
    char title[8], card[33];
    int mode;
    struct json_object *capacity, *ports;
};

static const char *const modes[] = {"static", "reactive", "drf", NULL};

#define FIELD(f) .offset = offsetof(struct config, f), .size = sizeof((struct config *)0)->f

static const struct offload_opt table[] = {
    {.key = "managed", .type = OFFLOAD_OPT_BOOL, FIELD(managed), .default_text = "true"},
    {.key = "queues",
     .type = OFFLOAD_OPT_U64,
     FIELD(queues),
     .least = 1,
     .most = 64,
     .default_text = "4",
     .help = "queues of each port"},
    {.key = "any", .type = OFFLOAD_OPT_U64, FIELD(any)},
    {.key = "share_pct",
     .type = OFFLOAD_OPT_F64,
     FIELD(share_pct),
     .least = 0,
     .most = 100,
     .unit = "percent"},
    {.key = "title", .type = OFFLOAD_OPT_STRING, FIELD(title)},
    {.key = "card", .type = OFFLOAD_OPT_NAME, FIELD(card), .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "mode",
     .type = OFFLOAD_OPT_ENUM,
     FIELD(mode),
     .names = modes,
     .default_text = "\"reactive\""},
    {.key = "capacity", .type = OFFLOAD_OPT_OBJECT, FIELD(capacity)},
    {.key = "ports", .type = OFFLOAD_OPT_ARRAY, FIELD(ports)},
    OFFLOAD_OPT_END,
};

static struct json_object *
parse(const char *text)
{
    struct json_object *object = offload_json_parse("t", text, strlen(text), NULL);
    assert_non_null(object);
    return object;
}

// Refused with 'code' and 'message', and not a byte of the struct is touched.
static void
assert_refused(const char *text, const char *path, int code, const char *message)
{
    struct json_object *object = parse(text);
    struct config config, before;
    struct offload_err err = {0};
    char buf[800];
    memset(&config, 0x5a, sizeof config);
    memcpy(&before, &config, sizeof before);
    assert_int_equal(offload_opt_read(table, object, path, &config, sizeof config, &err), code);
    assert_memory_equal(&config, &before, sizeof config);
    assert_string_equal(offload_err_format(&err, buf, sizeof buf), message);
    json_object_put(object);
}

static void
every_type_is_read(UNUSED void **state)
{
    struct json_object *object =
        parse("{\"managed\":false,\"queues\":64,\"any\":18446744073709551615,\"share_pct\":12,"
              "\"title\":\"seven77\",\"card\":\"c-0\",\"mode\":\"drf\",\"capacity\":{\"x\":1},"
              "\"ports\":[1,2]}");
    struct config config = {0};
    assert_int_equal(offload_opt_read(table, object, "", &config, sizeof config, NULL), 0);
    assert_false(config.managed);
    assert_int_equal(config.queues, 64);
    assert_true(config.any == UINT64_MAX);
    assert_true(config.share_pct == 12);
    assert_string_equal(config.title, "seven77");
    assert_string_equal(config.card, "c-0");
    assert_int_equal(config.mode, 2);
    assert_int_equal(json_object_object_length(config.capacity), 1);
    assert_int_equal(json_object_array_length(config.ports), 2);
    json_object_put(object);
}

static void
absent_keys_take_defaults_or_stay(UNUSED void **state)
{
    struct json_object *object = parse("{\"card\":\"c0\"}");
    struct config config = {.any = 7, .title = "kept"};
    assert_int_equal(offload_opt_read(table, object, "", &config, sizeof config, NULL), 0);
    assert_true(config.managed);
    assert_int_equal(config.queues, 4);
    assert_int_equal(config.mode, 1);
    assert_int_equal(config.any, 7);
    assert_string_equal(config.title, "kept");
    assert_null(config.capacity);
    json_object_put(object);
}

static void
unknown_key_names_the_nearest(UNUSED void **state)
{
    assert_refused("{\"card\":\"c0\",\"modle\":1}", "", -EINVAL,
                   "modle: unknown key; did you mean \"mode\"?");
    assert_refused("{\"card\":\"c0\",\"xyzzy_plugh\":1}", "cards[1]", -EINVAL,
                   "cards[1].xyzzy_plugh: unknown key; known are managed, queues, any, share_pct, "
                   "title, card, mode, capacity, ports");
}

static void
range_is_named_with_its_unit(UNUSED void **state)
{
    assert_refused("{\"card\":\"c0\",\"queues\":130}", "cards[0]", -ERANGE,
                   "cards[0].queues: 130 is above 64; use 1 to 64");
    assert_refused("{\"card\":\"c0\",\"queues\":0}", "", -ERANGE,
                   "queues: 0 is below 1; use 1 to 64");
    assert_refused("{\"card\":\"c0\",\"queues\":-3}", "", -ERANGE,
                   "queues: -3 is negative; use 1 to 64");
    assert_refused("{\"card\":\"c0\",\"any\":-3}", "", -ERANGE,
                   "any: -3 is negative; use 0 or more");
    assert_refused("{\"card\":\"c0\",\"share_pct\":100.5}", "", -ERANGE,
                   "share_pct: 100.5 is above 100; use 0 to 100 percent");
    assert_refused("{\"card\":\"c0\",\"share_pct\":-1}", "", -ERANGE,
                   "share_pct: -1 is below 0; use 0 to 100 percent");
}

static void
wrong_type_is_named(UNUSED void **state)
{
    assert_refused("{\"card\":\"c0\",\"managed\":1}", "", -EINVAL,
                   "managed: is a whole number; give true or false");
    assert_refused("{\"card\":\"c0\",\"queues\":1.5}", "", -EINVAL,
                   "queues: is a number with a fraction; give a whole number");
    assert_refused("{\"card\":\"c0\",\"queues\":\"4\"}", "", -EINVAL,
                   "queues: is a string; give a whole number");
    assert_refused("{\"card\":\"c0\",\"share_pct\":true}", "", -EINVAL,
                   "share_pct: is a Boolean; give a number");
    assert_refused("{\"card\":null}", "", -EINVAL, "card: is null; give a name");
    assert_refused("{\"card\":\"c0\",\"mode\":{}}", "", -EINVAL,
                   "mode: is an object; give one of its words");
    assert_refused("{\"card\":\"c0\",\"capacity\":[]}", "", -EINVAL,
                   "capacity: is a list; give an object {...}");
    assert_refused("{\"card\":\"c0\",\"ports\":{}}", "", -EINVAL,
                   "ports: is an object; give a list [...]");
    assert_refused("[]", "cards[0]", -EINVAL, "cards[0]: is a list; give an object {...}");
}

static void
strings_are_never_cut(UNUSED void **state)
{
    assert_refused("{\"card\":\"c0\",\"title\":\"eight888\"}", "", -EINVAL,
                   "title: 8 characters are too many; use at most 7");
    assert_refused("{\"card\":\"c0\",\"title\":\"a\\u0000b\"}", "", -EINVAL,
                   "title: holds a 0 byte; leave out \\u0000");
    assert_refused("{\"card\":\"a b\"}", "", -EINVAL,
                   "card: 'a b' is no name; use 1 to 32 letters, digits, '-' and '_', the first a "
                   "letter or digit");
}

static void
unknown_word_lists_the_known(UNUSED void **state)
{
    assert_refused("{\"card\":\"c0\",\"mode\":\"Static\"}", "", -EINVAL,
                   "mode: \"Static\" is unknown; use \"static\", \"reactive\" or \"drf\"");
}

static void
missing_required_key_is_named(UNUSED void **state)
{
    assert_refused("{}", "cards[2]", -EINVAL, "cards[2].card: is missing; give a name");
}

static void
help_shows_type_range_and_default(UNUSED void **state)
{
    char *text;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    offload_opt_print(table, to);
    assert_int_equal(fclose(to), 0);
    assert_non_null(strstr(text, "queues               a whole number, 1 to 64, default 4"));
    assert_non_null(strstr(text, "queues of each port"));
    assert_non_null(strstr(text, "static|reactive|drf, default \"reactive\""));
    assert_non_null(strstr(text, "a name, required"));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(absent_keys_take_defaults_or_stay),
        cmocka_unit_test(unknown_key_names_the_nearest),
        cmocka_unit_test(range_is_named_with_its_unit),
        cmocka_unit_test(wrong_type_is_named),
        cmocka_unit_test(strings_are_never_cut),
        cmocka_unit_test(unknown_word_lists_the_known),
        cmocka_unit_test(missing_required_key_is_named),
        cmocka_unit_test(help_shows_type_range_and_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
