// SPDX-License-Identifier: Apache-2.0
// Memory runs out at every allocation in turn: an answer leaves whole or not at all, and nothing
// leaks.
#include "tests/unit/fail_malloc.h"
#include "tests/unit/unit.h"

#include "lib/rpc/errors.h"
#include "lib/rpc/message.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
fill(UNUSED void *ctx, UNUSED struct rpc_peer *peer, struct json_object *params,
     struct json_object **result, struct offload_err *err)
{
    if (json_object_object_length(params) == 0)
        return offload_err_set(err, -EINVAL, "params.app", "give a name", "is missing");
    *result = json_object_get(params);
    return 0;
}

static const struct rpc_method methods[] = {{"fill", fill, ""}, {NULL, NULL, NULL}};

static bool
is_memory_error(const char *answer)
{
    return strstr(answer, "\"code\":-32603,\"message\":\"request: out of memory\"") ||
           strstr(answer, "\"code\":-32603,\"message\":\"out of memory\"");
}

// Answers 'line' with each allocation failing. Each answer is the right one, an error that says
// so, or none.
static void
answer_with_failures(const char *line, bool all_after)
{
    char *whole = rpc_answer(methods, NULL, NULL, line, strlen(line));
    assert_non_null(whole);
    for (unsigned nth = 1;; nth++) {
        long before = fail_malloc_live();
        fail_malloc_arm(nth, all_after);
        char *answer = rpc_answer(methods, NULL, NULL, line, strlen(line));
        bool failed = fail_malloc_disarm();
        if (answer && strcmp(answer, whole))
            assert_true(is_memory_error(answer));
        free(answer);
        assert_int_equal(fail_malloc_live(), before);
        if (!failed)
            break;
        assert_true(nth < 10000);
    }
    free(whole);
}

static const char good[] =
    "{\"jsonrpc\":\"2.0\",\"id\":\"an id of some length, so that it is not kept in the object "
    "itself\","
    "\"method\":\"fill\",\"params\":{\"list\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"
    "21,22,23,24,"
    "25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40],\"text\":\"a text that makes the line longer "
    "than what "
    "a print buffer holds at first, so that it must grow, and grow again\"}}";
static const char bad[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fill\"}";
static const char unknown[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"fil\"}";

static void
answers_survive_one_failed_allocation(UNUSED void **state)
{
    answer_with_failures(good, false);
    answer_with_failures(bad, false);
    answer_with_failures(unknown, false);
}

static void
answers_survive_memory_running_out(UNUSED void **state)
{
    answer_with_failures(good, true);
    answer_with_failures(bad, true);
    answer_with_failures(unknown, true);
}

static void
requests_survive_failed_allocations(UNUSED void **state)
{
    for (unsigned nth = 1;; nth++) {
        struct json_object *params = json_object_new_object();
        json_object_object_add(params, "app", json_object_new_string("nat1"));
        long before = fail_malloc_live();
        fail_malloc_arm(nth, false);
        char *line = rpc_format_request(1, "app.list", json_object_get(params));
        bool failed = fail_malloc_disarm();
        if (line)
            assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"app.list\","
                                      "\"params\":{\"app\":\"nat1\"}}\n");
        free(line);
        assert_int_equal(fail_malloc_live(), before);
        assert_int_equal(json_object_put(params), 1);
        if (!failed)
            break;
        assert_true(nth < 10000);
    }
}

static void
responses_survive_failed_allocations(UNUSED void **state)
{
    static const char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"app\":\"nat1\"}}";
    for (unsigned nth = 1;; nth++) {
        struct json_object *result = NULL;
        struct offload_err err = {0};
        long before = fail_malloc_live();
        fail_malloc_arm(nth, false);
        int rc = rpc_read_response(line, strlen(line), 1, &result, &err);
        bool failed = fail_malloc_disarm();
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(result != NULL, rc == 0);
        json_object_put(result);
        assert_int_equal(fail_malloc_live(), before);
        if (!failed)
            break;
        assert_true(nth < 10000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_survive_one_failed_allocation),
        cmocka_unit_test(answers_survive_memory_running_out),
        cmocka_unit_test(requests_survive_failed_allocations),
        cmocka_unit_test(responses_survive_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
