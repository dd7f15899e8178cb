// SPDX-License-Identifier: Apache-2.0
// The election's messages: values without marks between them are told apart, and a term that
// changed meanwhile is no success.
#include "lib/rpc/ovsdb.h"

#include <json-c/json.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused))

struct heard {
    int n, echoes, stolen, answers;
};

static void
hear(void *ctx, struct json_object *message)
{
    struct heard *h = ctx;
    enum ovsdb_kind kind = ovsdb_kind_of(message, 7);
    h->n++;
    h->echoes += kind == OVSDB_ECHO;
    h->stolen += kind == OVSDB_STOLEN;
    h->answers += kind == OVSDB_ANSWER;
}

// The server writes no line ends; a message may come in any pieces.
static void
messages_are_told_apart_however_they_are_cut(UNUSED void **state)
{
    static const char bytes[] = "{\"id\":\"echo\",\"method\":\"echo\",\"params\":[]}"
                                "{\"id\":7,\"result\":{\"locked\":true},\"error\":null}"
                                "{\"id\":null,\"method\":\"stolen\",\"params\":[\"x\"]}[1]";
    for (size_t cut = 1; cut < sizeof bytes; cut++) {
        struct ovsdb_stream stream;
        struct heard h = {0};
        assert_int_equal(ovsdb_stream_init(&stream), 0);
        for (size_t at = 0; at < sizeof bytes - 1; at += cut) {
            size_t n = sizeof bytes - 1 - at < cut ? sizeof bytes - 1 - at : cut;
            assert_int_equal(ovsdb_stream_feed(&stream, bytes + at, n, hear, &h), 0);
        }
        assert_int_equal(h.n, 4);
        assert_int_equal(h.echoes + h.stolen + h.answers, 3);
        ovsdb_stream_fini(&stream);
    }
}

static void
what_is_no_json_ends_the_connection(UNUSED void **state)
{
    struct ovsdb_stream stream;
    struct heard h = {0};
    assert_int_equal(ovsdb_stream_init(&stream), 0);
    assert_int_equal(ovsdb_stream_feed(&stream, "}{", 2, hear, &h), -EPROTO);
    ovsdb_stream_fini(&stream);
}

static int
done(const char *text)
{
    struct json_object *answer = json_tokener_parse(text);
    int rc = ovsdb_read_done(answer, NULL);
    json_object_put(answer);
    return rc;
}

// Whoever lost the race for the term must not believe that it commands.
static void
a_term_that_changed_meanwhile_is_no_success(UNUSED void **state)
{
    assert_int_equal(done("{\"id\":1,\"error\":null,\"result\":[{},{},{\"count\":1}]}"), 0);
    assert_int_equal(
        done("{\"id\":1,\"error\":null,\"result\":[{},{\"error\":\"timed out\"},null]}"), -EAGAIN);
    assert_int_equal(done("{\"id\":1,\"error\":null,\"result\":[{\"error\":\"not owner\"}]}"),
                     -EAGAIN);
    assert_int_equal(done("{\"id\":1,\"error\":null,\"result\":[{\"error\":\"no such table\"}]}"),
                     -EPROTO);
    assert_int_equal(done("{\"id\":1,\"error\":{\"error\":\"canceled\"},\"result\":null}"),
                     -EPROTO);
    assert_int_equal(done("{\"id\":1}"), -EPROTO);
}

static void
the_term_is_taken_only_from_what_was_read(UNUSED void **state)
{
    struct ovsdb_row row = {.exists = true, .term = 4, .beat = 9};
    struct json_object *params = ovsdb_take_params(&row, 5, "m1");
    assert_string_equal(
        json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN),
        "[\"Offload\",{\"op\":\"assert\",\"lock\":\"offload_manager\"},{\"op\":\"wait\",\"table\":"
        "\"Manager\",\"where\":[],\"timeout\":0,\"columns\":[\"term\"],\"until\":\"==\",\"rows\":[{"
        "\"term\":4}]},{\"op\":\"update\",\"table\":\"Manager\",\"where\":[],\"row\":{\"term\":5,"
        "\"beat\":10,\"holder\":\"m1\"}}]");
    json_object_put(params);
    struct json_object *answer =
        json_tokener_parse("{\"id\":1,\"error\":null,\"result\":[{\"rows\":[{\"term\":4,\"beat\":9,"
                           "\"holder\":\"m2\"}]}]}");
    assert_int_equal(ovsdb_read_row(answer, &row, NULL), 0);
    assert_true(row.exists && row.term == 4 && row.beat == 9 && !strcmp(row.holder, "m2"));
    json_object_put(answer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_told_apart_however_they_are_cut),
        cmocka_unit_test(what_is_no_json_ends_the_connection),
        cmocka_unit_test(a_term_that_changed_meanwhile_is_no_success),
        cmocka_unit_test(the_term_is_taken_only_from_what_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
