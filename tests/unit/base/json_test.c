// SPDX-License-Identifier: Apache-2.0
// What is refused, and where the message says that it stands.
#include "tests/unit/unit.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct json_object *
parse(const char *text, struct offload_err *err)
{
    *err = (struct offload_err){0};
    return offload_json_parse("t", text, strlen(text), err);
}

static void
assert_refused(const char *text, const char *message)
{
    struct offload_err err;
    char buf[800];
    assert_null(parse(text, &err));
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(offload_err_format(&err, buf, sizeof buf), message);
}

static void
assert_taken(const char *text)
{
    struct offload_err err;
    struct json_object *value = parse(text, &err);
    assert_non_null(value);
    assert_int_equal(err.code, 0);
    assert_int_equal(json_object_put(value), 1);
}

static void
well_formed_texts_are_taken(UNUSED void **state)
{
    static const char *const texts[] = {
        "1",
        " -0.5e-3\n",
        "\"\"",
        "true",
        "[]",
        "{}",
        "[null]",
        "18446744073709551615",
        "-9223372036854775808",
        "{\"a\":{\"b\":1},\"b\":[1,\"b\",{\"a\":2}]}",
        "{\"a\":\"a\",\"b\":\"a\"}",
        "[\"\\ud83d\\ude00\",\"\xc3\xa4\",\"\\\"\"]",
        "1.7e308",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_taken(texts[i]);
}

static void
errors_name_line_and_column(UNUSED void **state)
{
    assert_refused("{\n  \"a\": 1,\n  \"b\" 2}", "t:3:7: no ':' after a key; write ':'");
    assert_refused("{\"a\":1 \"b\":2}", "t:1:8: bad object; write ',' or '}'");
    assert_refused("[1\n 2]", "t:2:2: bad list; write ',' or ']'");
    assert_refused("{\"a\":tru}", "t:1:6: unknown word tru; write true, false, null or quotes");
}

// A daemon must not run on half of a file.
static void
truncated_texts_are_refused(UNUSED void **state)
{
    assert_refused("", "t:1:1: there is no JSON value; write one JSON value");
    assert_refused(" \n ", "t:2:2: there is no JSON value; write one JSON value");
    assert_refused("{\"a\":[1,2", "t:1:10: the text ends inside a list");
    assert_refused("{\"a\":1", "t:1:7: the text ends inside an object");
    assert_refused("[\"abc", "t:1:2: the string does not end; end it with '\"'");
    assert_refused("[\"abc\\", "t:1:2: the string does not end; end it with '\"'");
    assert_refused("-", "t:1:1: bad number; write a JSON number such as 12 or -1.5e3");
}

static void
more_than_one_value_is_refused(UNUSED void **state)
{
    assert_refused("{\"a\":1}{\"b\":2}", "t:1:8: bad JSON; write exactly one JSON value");
    assert_refused("1 2", "t:1:3: bad JSON; write exactly one JSON value");
    assert_refused("[1]]", "t:1:4: ']' closes nothing");
}

// json-c would keep the last and say nothing.
static void
key_given_twice_is_refused_at_its_place(UNUSED void **state)
{
    assert_refused("{\"a\":{\"b\":1},\n \"b\":2,\"a\":3}",
                   "t:2:8: key 'a' occurs twice; give each key once");
    assert_refused("[{\"x\":{\"y\":1,\"y\":2}}]",
                   "t:1:14: key 'y' occurs twice; give each key once");
}

static void
key_given_twice_in_two_spellings_is_refused(UNUSED void **state)
{
    assert_refused("{\"a\":1,\"\\u0061\":2}", "t: a key occurs twice, spelled with escapes; "
                                              "give each key once, without \\u0000");
}

// json-c would go on with infinity, or with the largest integer.
static void
numbers_beyond_their_type_are_refused(UNUSED void **state)
{
    assert_refused("{\"a\":NaN}", "t:1:6: NaN is no JSON number; write a finite number");
    assert_refused("[Infinity]", "t:1:2: Infinity is no JSON number; write a finite number");
    assert_refused("[-Infinity]", "t:1:2: not a JSON number; write a finite number");
    assert_refused("1e999", "t:1:1: 1e999 is too large; write a finite number");
    assert_refused("18446744073709551616",
                   "t:1:1: 18446744073709551616 is too large; keep integers in 64 bits");
    assert_refused("-9223372036854775809",
                   "t:1:1: -9223372036854775809 is too large; keep integers in 64 bits");
    char digits[200] = "0.";
    memset(digits + 2, '1', 100);
    assert_refused(digits, "t:1:1: a number of 102 characters; write at most 63");
}

static void
spellings_beside_the_standard_are_refused(UNUSED void **state)
{
    static const char *const texts[] = {
        "01",         "1.",         ".5",
        "+1",         "1e",         "{'a':1}",
        "/*c*/1",     "[1,]",       "{\"a\":1,}",
        "TRUE",       "[\"a\nb\"]", "[\"\\x\"]",
        "[\"\xff\"]", "[}",         "{]",
        "{1:2}",      "{\"a\"}",    "[,]",
        "{,}",        "{\"a\":}",   "\xef\xbb\xbf{}",
        "[\"a\":1]",  "}",          "null",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct offload_err err;
        assert_null(parse(texts[i], &err));
        assert_int_equal(err.code, -EINVAL);
        assert_int_equal(strncmp(err.where, "t:1:", 4), 0);
    }
}

static void
zero_byte_is_refused(UNUSED void **state)
{
    struct offload_err err = {0};
    assert_null(offload_json_parse("t", "{}\0", 3, &err));
    assert_string_equal(err.text, "unexpected byte 0x00");
}

// The scan keeps its levels in an array, and what walks the tree later recurses.
static void
nesting_is_limited_to_32(UNUSED void **state)
{
    char text[100] = "";
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    assert_taken(text);
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    assert_refused(text, "t:1:33: nested too deep; nest at most 32 deep");
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
files_are_loaded_or_refused_by_name(UNUSED void **state)
{
    struct offload_err err = {0};
    char dir[] = "/tmp/offload-json-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/c.json", dir);

    assert_null(offload_json_load(path, 100, &err));
    assert_int_equal(err.code, -ENOENT);
    assert_string_equal(err.where, path);

    write_file(path, "{\"a\": 7}\n");
    struct json_object *value = offload_json_load(path, 100, &err), *a;
    assert_true(json_object_object_get_ex(value, "a", &a));
    assert_int_equal(json_object_get_int(a), 7);
    json_object_put(value);

    assert_null(offload_json_load(path, 5, &err));
    assert_int_equal(err.code, -EFBIG);

    write_file(path, "{\"a\": 7\n");
    assert_null(offload_json_load(path, 100, &err));
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(err.where + strlen(path), ":2:1");

    assert_null(offload_json_load(dir, 100, &err));
    assert_int_equal(err.code, -EINVAL);

    // A pipe that nobody writes to must not hold us up.
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(offload_json_load(path, 100, &err));
    assert_int_equal(err.code, -EINVAL);
    unlink(path);
    rmdir(dir);
}

static void
paths_are_joined(UNUSED void **state)
{
    char buf[32];
    assert_string_equal(offload_json_path(buf, sizeof buf, "", "cards"), "cards");
    assert_string_equal(offload_json_path(buf, sizeof buf, "cards[0]", "app"), "cards[0].app");
    assert_string_equal(offload_json_path_index(buf, sizeof buf, "cards", 12), "cards[12]");
}

static void
names_are_letters_digits_dash_underscore(UNUSED void **state)
{
    assert_true(offload_name_valid("a"));
    assert_true(offload_name_valid("0-web_A"));
    assert_true(offload_name_valid("12345678901234567890123456789012"));
    assert_false(offload_name_valid("123456789012345678901234567890123"));
    assert_false(offload_name_valid(""));
    assert_false(offload_name_valid("-a"));
    assert_false(offload_name_valid("_a"));
    assert_false(offload_name_valid("a.b"));
    assert_false(offload_name_valid("a b"));
    assert_false(offload_name_valid("\xc3\xa4"));
}

static void
nearest_is_named_only_if_near(UNUSED void **state)
{
    static const char *const known[] = {"mode", "model", "cards", "bandwidth_bps", NULL};
    assert_string_equal(offload_nearest("modle", known), "mode");
    assert_string_equal(offload_nearest("card", known), "cards");
    assert_string_equal(offload_nearest("bandwith_bps", known), "bandwidth_bps");
    assert_null(offload_nearest("zebra", known));
    assert_null(offload_nearest("", known));
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(offload_nearest(longest, known));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_texts_are_taken),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(truncated_texts_are_refused),
        cmocka_unit_test(more_than_one_value_is_refused),
        cmocka_unit_test(key_given_twice_is_refused_at_its_place),
        cmocka_unit_test(key_given_twice_in_two_spellings_is_refused),
        cmocka_unit_test(numbers_beyond_their_type_are_refused),
        cmocka_unit_test(spellings_beside_the_standard_are_refused),
        cmocka_unit_test(zero_byte_is_refused),
        cmocka_unit_test(nesting_is_limited_to_32),
        cmocka_unit_test(files_are_loaded_or_refused_by_name),
        cmocka_unit_test(paths_are_joined),
        cmocka_unit_test(names_are_letters_digits_dash_underscore),
        cmocka_unit_test(nearest_is_named_only_if_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
