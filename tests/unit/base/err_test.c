// SPDX-License-Identifier: Apache-2.0
// The one-line message, and what happens to texts that are too long or lie within the error itself.
#include "tests/unit/unit.h"

#include <offload/err.h>

#include <errno.h>
#include <string.h>

// Operators read this form, and scripts match it.
static void
message_is_where_wrong_right(UNUSED void **state)
{
    struct offload_err err;
    char buf[800];
    int rc = offload_err_set(&err, -ERANGE, "cards[0].queues", "use 1 to 64",
                             "%d is above the port's %d queues", 130, 64);
    assert_int_equal(rc, -ERANGE);
    assert_int_equal(err.code, -ERANGE);
    offload_err_prefix(&err, "cardd.json");
    assert_string_equal(offload_err_format(&err, buf, sizeof buf),
                        "cardd.json: cards[0].queues: 130 is above the port's 64 queues; "
                        "use 1 to 64");
}

static void
absent_parts_leave_no_separator(UNUSED void **state)
{
    struct offload_err err;
    char buf[800];
    offload_err_set(&err, -EIO, NULL, NULL, "the disk is full");
    assert_string_equal(offload_err_format(&err, buf, sizeof buf), "the disk is full");
    offload_err_prefix(&err, "state.json");
    assert_string_equal(offload_err_format(&err, buf, sizeof buf), "state.json: the disk is full");
}

// Callers that do not care pass NULL, and still get the code.
static void
null_error_still_returns_the_code(UNUSED void **state)
{
    assert_int_equal(offload_err_set(NULL, -EINVAL, "a", "b", "c"), -EINVAL);
    offload_err_prefix(NULL, "a");
}

// A caller re-words an error by its own old texts.
static void
texts_of_the_error_itself_may_be_arguments(UNUSED void **state)
{
    struct offload_err err;
    offload_err_set(&err, -EINVAL, "agent", "use \"static\"", "is unknown");
    offload_err_set(&err, -EINVAL, err.where, err.expected, "\"statik\" %s", err.text);
    assert_string_equal(err.where, "agent");
    assert_string_equal(err.text, "\"statik\" is unknown");
    assert_string_equal(err.expected, "use \"static\"");
}

static void
long_texts_are_cut_and_ended(UNUSED void **state)
{
    struct offload_err err;
    char text[1000], small[8];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    offload_err_set(&err, -EINVAL, text, text, "%s", text);
    assert_int_equal(strlen(err.where), sizeof err.where - 1);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(strlen(err.expected), sizeof err.expected - 1);
    offload_err_prefix(&err, text);
    assert_int_equal(strlen(err.where), sizeof err.where - 1);
    assert_int_equal(strlen(offload_err_format(&err, small, sizeof small)), sizeof small - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_is_where_wrong_right),
        cmocka_unit_test(absent_parts_leave_no_separator),
        cmocka_unit_test(null_error_still_returns_the_code),
        cmocka_unit_test(texts_of_the_error_itself_may_be_arguments),
        cmocka_unit_test(long_texts_are_cut_and_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
