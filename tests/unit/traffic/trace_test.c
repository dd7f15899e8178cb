// SPDX-License-Identifier: Apache-2.0
// The trace reader: what it refuses, and where it says the fault is.
#include "tests/traffic/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "step,app,offered_bps\n"

static void
expect_refused(const char *text, const char *where, const char *part)
{
    struct trace trace = {.n_apps = 7};
    struct offload_err err = {0};
    assert_true(trace_parse(&trace, "t.csv", text, &err) < 0);
    assert_string_equal(err.where, where);
    assert_non_null(strstr(err.text, part));
    assert_int_equal(trace.n_apps, 7); // untouched
}

static void
whole_trace_is_read(void **state)
{
    (void)state;
    struct trace trace;
    assert_int_equal(trace_parse(&trace, "t.csv", HEAD "5,a,100\n5,b,200\n6,b,400\n6,a,0\n", NULL),
                     0);
    assert_int_equal(trace.first_step, 5);
    assert_int_equal(trace.n_steps, 2);
    assert_int_equal(trace.n_apps, 2);
    assert_int_equal(trace_find_app(&trace, "b"), 1);
    assert_true(trace.bps[TRACE_APPS_MAX + 1] == 400);
    trace_fini(&trace);
}

static void
missing_step_is_refused(void **state)
{
    (void)state;
    expect_refused(HEAD "0,a,1\n0,b,1\n2,a,1\n2,b,1\n", "t.csv:4", "step 2 follows step 0");
}

static void
missing_app_is_refused(void **state)
{
    (void)state;
    expect_refused(HEAD "0,a,1\n0,b,1\n1,a,1\n2,a,1\n2,b,1\n", "t.csv:5",
                   "step 1 has no row of application 'b'");
    expect_refused(HEAD "0,a,1\n0,b,1\n1,a,1\n", "t.csv:4", "step 1 has no row of application 'b'");
}

static void
repeated_and_unknown_apps_are_refused(void **state)
{
    (void)state;
    expect_refused(HEAD "0,a,1\n0,a,1\n", "t.csv:3", "names application 'a' twice");
    expect_refused(HEAD "0,a,1\n1,a,1\n1,c,1\n", "t.csv:4", "'c' is new in step 1");
}

static void
absurd_values_are_refused(void **state)
{
    (void)state;
    expect_refused(HEAD "0,a,-1\n", "t.csv:2", "-1 is out of range");
    expect_refused(HEAD "0,a,1e30\n", "t.csv:2", "1e30 is out of range");
    expect_refused(HEAD "0,a,nan\n", "t.csv:2", "'nan' is not a number");
    expect_refused(HEAD "0,a,\n", "t.csv:2", "'' is not a number");
    expect_refused(HEAD "0.5,a,1\n", "t.csv:2", "step is 0.5");
    expect_refused(HEAD "0,a b,1\n", "t.csv:2", "'a b' is not valid");
    expect_refused(HEAD "0,a\n", "t.csv:2", "2 fields instead of 3");
    expect_refused("when,who,what\n", "t.csv:1", "the header is");
    expect_refused(HEAD, "t.csv:1", "there is no step");
    expect_refused("", "t.csv:1", "the header is");
}

// Half-way through a step its own value holds; at its edges the mean of two does.
static void
rate_ramps_between_the_middles(void **state)
{
    (void)state;
    struct trace trace;
    assert_int_equal(trace_parse(&trace, "t.csv", HEAD "0,a,100\n1,a,300\n2,a,100\n", NULL), 0);
    assert_true(trace_rate(&trace, 0, 0) == 100);
    assert_true(trace_rate(&trace, 0, 0.5) == 100);
    assert_true(trace_rate(&trace, 0, 1) == 200);
    assert_true(trace_rate(&trace, 0, 1.5) == 300);
    assert_true(trace_rate(&trace, 0, 2.9) == 100);
    trace_fini(&trace);
}

static void
app_list_is_checked(void **state)
{
    (void)state;
    struct traffic_app apps[TRACE_APPS_MAX];
    struct offload_err err;
    const char *head = "app,dst,dport,flows,packet_bytes\n";
    char text[256];
    assert_int_equal(
        traffic_apps_parse(apps, "a.csv",
                           "app,dst,dport,flows,packet_bytes\nweb,10.9.1.1,7001,4,1000\n", &err),
        1);
    assert_int_equal(apps[0].packet_bytes, 1000);
    static const char *const bad[] = {"web,10.9.1,7001,4,1000", "web,10.9.1.1,0,4,1000",
                                      "web,10.9.1.1,7001,0,1000", "web,10.9.1.1,7001,4,64",
                                      "w,10.9.1.1,1,1,200\nw,10.9.1.1,1,1,200"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        strcat(strcat(strcpy(text, head), bad[i]), "\n");
        assert_true(traffic_apps_parse(apps, "a.csv", text, &err) < 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_trace_is_read),
        cmocka_unit_test(missing_step_is_refused),
        cmocka_unit_test(missing_app_is_refused),
        cmocka_unit_test(repeated_and_unknown_apps_are_refused),
        cmocka_unit_test(absurd_values_are_refused),
        cmocka_unit_test(rate_ramps_between_the_middles),
        cmocka_unit_test(app_list_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
