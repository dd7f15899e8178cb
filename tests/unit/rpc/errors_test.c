// SPDX-License-Identifier: Apache-2.0
// Errors keep their meaning across the wire.
#include "tests/unit/unit.h"

#include "lib/rpc/errors.h"

#include <json-c/json.h>

#include <errno.h>
#include <string.h>

static void
codes_come_back_as_they_went(UNUSED void **state)
{
    static const int same[] = {-EBADMSG, -EPROTO, -ENOSYS, -EINVAL, -EIO,    -ENOENT,
                               -ENOSPC,  -ESTALE, -EBUSY,  -EACCES, -ENOTSUP};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_int_equal(rpc_errno_of_code(rpc_code_of_errno(same[i])), same[i]);
    assert_int_equal(rpc_code_of_errno(-ERANGE), RPC_INVALID_PARAMS);
    assert_int_equal(rpc_code_of_errno(-ENOMEM), RPC_INTERNAL);
    assert_int_equal(rpc_code_of_errno(-EXDEV), RPC_INTERNAL);
    assert_int_equal(rpc_errno_of_code(-31999), -EIO);
}

static void
place_fault_and_remedy_cross_the_wire(UNUSED void **state)
{
    struct offload_err sent = {0}, got = {0};
    offload_err_set(&sent, -ENOSPC, "card0.cpu_pct", "free 5 or use card1",
                    "105 is above the card's 100");
    struct json_object *error = rpc_error_to_json(&sent), *value;
    assert_true(json_object_object_get_ex(error, "code", &value));
    assert_int_equal(json_object_get_int(value), RPC_INFEASIBLE);
    assert_true(json_object_object_get_ex(error, "message", &value));
    assert_string_equal(json_object_get_string(value),
                        "card0.cpu_pct: 105 is above the card's 100; free 5 or use card1");
    assert_int_equal(rpc_error_from_json(error, &got), -ENOSPC);
    assert_string_equal(got.where, sent.where);
    assert_string_equal(got.text, sent.text);
    assert_string_equal(got.expected, sent.expected);
    json_object_put(error);
}

// Other servers send no data of ours.
static void
foreign_error_keeps_its_message(UNUSED void **state)
{
    struct offload_err got = {0};
    struct json_object *error =
        json_tokener_parse("{\"code\":-32601,\"message\":\"Method not found\",\"data\":[1]}");
    assert_int_equal(rpc_error_from_json(error, &got), -ENOSYS);
    assert_string_equal(got.text, "Method not found");
    assert_string_equal(got.where, "");
    json_object_put(error);
}

static void
malformed_error_is_a_protocol_error(UNUSED void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "\"x\"",
                                        "{\"code\":1}",
                                        "{\"message\":\"m\"}",
                                        "{\"code\":\"1\",\"message\":\"m\"}",
                                        "{\"code\":1,\"message\":2}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_object *error = json_tokener_parse(texts[i]);
        assert_int_equal(rpc_error_from_json(error, NULL), -EPROTO);
        json_object_put(error);
    }
}

// A text may quote bytes of a peer, or be cut within a character.
static void
texts_leave_as_valid_utf8(UNUSED void **state)
{
    struct offload_err sent = {0};
    offload_err_set(
        &sent, -EINVAL, "\xc3\xa4", "\xf0\x9f\x98\x80",
        "\xff|\xc3|\xe2\x82|\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82\xac|\xe2\x82");
    struct json_object *error = rpc_error_to_json(&sent), *data, *value;
    assert_true(json_object_object_get_ex(error, "data", &data));
    json_object_object_get_ex(data, "path", &value);
    assert_string_equal(json_object_get_string(value), "\xc3\xa4");
    json_object_object_get_ex(data, "expected", &value);
    assert_string_equal(json_object_get_string(value), "\xf0\x9f\x98\x80");
    json_object_object_get_ex(data, "got", &value);
    assert_string_equal(json_object_get_string(value), "?|?|?\?|?\?|???|????|\xe2\x82\xac|?\?");
    json_object_put(error);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_come_back_as_they_went),
        cmocka_unit_test(place_fault_and_remedy_cross_the_wire),
        cmocka_unit_test(foreign_error_keeps_its_message),
        cmocka_unit_test(malformed_error_is_a_protocol_error),
        cmocka_unit_test(texts_leave_as_valid_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
