// SPDX-License-Identifier: Apache-2.0
// What a peer gets for what it sends, by the letter of JSON-RPC 2.0.
#include "tests/unit/unit.h"

#include "lib/rpc/errors.h"
#include "lib/rpc/message.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned n_calls;

static int
echo(UNUSED void *ctx, UNUSED struct rpc_peer *peer, struct json_object *params,
     struct json_object **result, UNUSED struct offload_err *err)
{
    n_calls++;
    *result = json_object_get(params);
    return 0;
}

static int
nothing(UNUSED void *ctx, UNUSED struct rpc_peer *peer, UNUSED struct json_object *params,
        UNUSED struct json_object **result, UNUSED struct offload_err *err)
{
    n_calls++;
    return 0;
}

static int
stale(UNUSED void *ctx, UNUSED struct rpc_peer *peer, UNUSED struct json_object *params,
      UNUSED struct json_object **result, struct offload_err *err)
{
    return offload_err_set(err, -ESTALE, "term", "use 8 or more", "7 is below 8");
}

static int
silent(UNUSED void *ctx, UNUSED struct rpc_peer *peer, UNUSED struct json_object *params,
       UNUSED struct json_object **result, UNUSED struct offload_err *err)
{
    return -EBUSY;
}

static const struct rpc_method methods[] = {
    {"echo", echo, "answers its parameters"},
    {"nothing", nothing, "answers {}"},
    {"stale", stale, "fails"},
    {"silent", silent, "fails without a word"},
    {NULL, NULL, NULL},
};

static void
assert_answer(const char *line, const char *expected)
{
    char *answer = rpc_answer(methods, NULL, NULL, line, line ? strlen(line) : 0);
    assert_non_null(answer);
    assert_string_equal(answer, expected);
    free(answer);
}

static void
result_goes_back_with_the_id(UNUSED void **state)
{
    assert_answer(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"path\":\"a/b\"}}",
        "{\"jsonrpc\":\"2.0\",\"result\":{\"path\":\"a/b\"},\"id\":1}\n");
    assert_answer("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nothing\"}",
                  "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":\"x\"}\n");
}

static void
absent_params_are_an_empty_object(UNUSED void **state)
{
    assert_answer("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
                  "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}\n");
}

static void
failure_names_place_fault_and_remedy(UNUSED void **state)
{
    assert_answer("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"stale\"}",
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32003,\"message\":"
                  "\"term: 7 is below 8; use 8 or more\",\"data\":{\"path\":\"term\",\"got\":"
                  "\"7 is below 8\",\"expected\":\"use 8 or more\"}},\"id\":2}\n");
}

static void
failure_without_text_gets_one(UNUSED void **state)
{
    assert_answer("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"silent\"}",
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32004,\"message\":"
                  "\"silent failed: Device or resource busy\",\"data\":{\"got\":"
                  "\"silent failed: Device or resource busy\"}},\"id\":2}\n");
}

static void
unknown_method_names_the_nearest(UNUSED void **state)
{
    assert_answer(
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ecko\"}",
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":"
        "\"unknown method 'ecko'; did you mean \\\"echo\\\"?\",\"data\":{\"got\":"
        "\"unknown method 'ecko'\",\"expected\":\"did you mean \\\"echo\\\"?\"}},\"id\":2}\n");
}

// Returns the code of the error that 'line' is answered by, whose id must be null if 'null_id'.
static int
error_code(const char *line, bool null_id)
{
    struct json_object *error, *code, *id;
    char *answer = rpc_answer(methods, NULL, NULL, line, line ? strlen(line) : 0);
    assert_non_null(answer);
    struct json_object *message = json_tokener_parse(answer);
    assert_true(json_object_object_get_ex(message, "error", &error));
    assert_true(json_object_object_get_ex(error, "code", &code));
    assert_true(json_object_object_get_ex(message, "id", &id));
    assert_int_equal(id == NULL, null_id);
    int value = json_object_get_int(code);
    json_object_put(message);
    free(answer);
    return value;
}

static void
what_is_no_request_is_refused_by_its_code(UNUSED void **state)
{
    assert_int_equal(error_code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":", true), RPC_PARSE);
    assert_int_equal(error_code("{\"id\":1,\"id\":2}", true), RPC_PARSE);
    assert_int_equal(error_code(NULL, true), RPC_INVALID_REQUEST);
    assert_int_equal(error_code("1", true), RPC_INVALID_REQUEST);
    assert_int_equal(error_code("{}", true), RPC_INVALID_REQUEST);
    assert_int_equal(error_code("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}]", true),
                     RPC_INVALID_REQUEST);
    assert_int_equal(error_code("{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"echo\"}", true),
                     RPC_INVALID_REQUEST);
    assert_int_equal(error_code("{\"id\":1,\"method\":\"echo\"}", false), RPC_INVALID_REQUEST);
    assert_int_equal(error_code("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", false),
                     RPC_INVALID_REQUEST);
    assert_int_equal(error_code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", false),
                     RPC_INVALID_REQUEST);
    assert_int_equal(
        error_code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[1]}", false),
        RPC_INVALID_PARAMS);
}

static void
notification_is_done_and_not_answered(UNUSED void **state)
{
    static const char line[] = "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}";
    n_calls = 0;
    assert_null(rpc_answer(methods, NULL, NULL, line, strlen(line)));
    assert_int_equal(n_calls, 1);
    static const char failing[] = "{\"jsonrpc\":\"2.0\",\"method\":\"stale\"}";
    assert_null(rpc_answer(methods, NULL, NULL, failing, strlen(failing)));
}

// Two peers that answered each other's answers would never end.
static void
response_is_not_answered(UNUSED void **state)
{
    static const char *const lines[] = {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
                                        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}"};
    for (size_t i = 0; i < 2; i++)
        assert_null(rpc_answer(methods, NULL, NULL, lines[i], strlen(lines[i])));
}

static void
requests_are_formatted_as_lines(UNUSED void **state)
{
    struct json_object *params = json_object_new_object();
    json_object_object_add(params, "a", json_object_new_int(1));
    char *line = rpc_format_request(7, "echo", params);
    assert_string_equal(
        line, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"params\":{\"a\":1}}\n");
    free(line);
    line = rpc_format_request(0, "event", NULL);
    assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"method\":\"event\"}\n");
    free(line);
}

static int
read_line(const char *line, unsigned id, struct json_object **result, struct offload_err *err)
{
    *result = NULL;
    *err = (struct offload_err){0};
    return rpc_read_response(line, strlen(line), id, result, err);
}

static void
response_to_our_id_is_read(UNUSED void **state)
{
    struct json_object *result;
    struct offload_err err;
    assert_int_equal(read_line("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":[1]}", 3, &result, &err),
                     0);
    assert_int_equal(json_object_array_length(result), 1);
    json_object_put(result);
    assert_int_equal(
        read_line("{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32001,\"message\":\"m\","
                  "\"data\":{\"path\":\"app\",\"got\":\"no application 'x'\"}}}",
                  3, &result, &err),
        -ENOENT);
    assert_string_equal(err.where, "app");
    assert_string_equal(err.text, "no application 'x'");
    assert_null(result);
}

// The peer could not read our request, so it does not know its id; only one is open at a time.
static void
error_without_id_is_ours(UNUSED void **state)
{
    struct json_object *result;
    struct offload_err err;
    assert_int_equal(read_line("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"
                               "\"message\":\"the request is too long\"}}",
                               3, &result, &err),
                     -EPROTO);
    assert_string_equal(err.text, "the request is too long");
}

static void
other_messages_are_told_apart(UNUSED void **state)
{
    struct json_object *result;
    struct offload_err err;
    assert_int_equal(read_line("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}", 3, &result, &err),
                     -EAGAIN);
    assert_null(result);
    assert_int_equal(
        read_line("{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}", 3, &result, &err),
        -EAGAIN);
    assert_true(json_object_object_get_ex(result, "method", NULL));
    json_object_put(result);
}

static void
broken_response_is_a_protocol_error(UNUSED void **state)
{
    static const char *const lines[] = {
        "", "x", "null", "[]", "{\"id\":3}", "{\"id\":3,\"error\":{}}", "{\"id\":3,\"result\":"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct json_object *result;
        struct offload_err err;
        assert_int_equal(read_line(lines[i], 3, &result, &err), -EPROTO);
        assert_true(*err.text);
        assert_null(result);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_goes_back_with_the_id),
        cmocka_unit_test(absent_params_are_an_empty_object),
        cmocka_unit_test(failure_names_place_fault_and_remedy),
        cmocka_unit_test(failure_without_text_gets_one),
        cmocka_unit_test(unknown_method_names_the_nearest),
        cmocka_unit_test(what_is_no_request_is_refused_by_its_code),
        cmocka_unit_test(notification_is_done_and_not_answered),
        cmocka_unit_test(response_is_not_answered),
        cmocka_unit_test(requests_are_formatted_as_lines),
        cmocka_unit_test(response_to_our_id_is_read),
        cmocka_unit_test(error_without_id_is_ours),
        cmocka_unit_test(other_messages_are_told_apart),
        cmocka_unit_test(broken_response_is_a_protocol_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
