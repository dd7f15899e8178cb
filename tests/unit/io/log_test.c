// SPDX-License-Identifier: Apache-2.0
// Lines reach the host's sink, whole, and only up to the level that is set.
#include "tests/unit/unit.h"

#include "lib/io/clock.h"
#include "lib/io/log.h"

#include <stdio.h>
#include <string.h>

static char seen[4096];
static unsigned n_seen;

static void
sink(enum log_level level, const char *text)
{
    snprintf(seen, sizeof seen, "%d:%s", (int)level, text);
    n_seen++;
}

static void
lines_reach_the_sink(UNUSED void **state)
{
    log_set_sink(sink);
    log_warning("feed '%s' is %d s old", "rooms", 90);
    assert_string_equal(seen, "1:feed 'rooms' is 90 s old");
    log_set_sink(NULL);
}

static void
lines_above_the_level_are_dropped(UNUSED void **state)
{
    log_set_sink(sink);
    log_set_level(LOG_LEVEL_WARNING);
    n_seen = 0;
    log_notice("a state changed");
    log_debug("a decision");
    assert_int_equal(n_seen, 0);
    log_error("act");
    log_warning("we carry on");
    assert_int_equal(n_seen, 2);
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("a decision");
    assert_int_equal(n_seen, 3);
    log_set_sink(NULL);
}

static void
long_line_is_cut_and_ended(UNUSED void **state)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_set_sink(sink);
    log_error("%s", text);
    assert_int_equal(strlen(seen), 2 + 2047);
    log_set_sink(NULL);
}

static void
clocks_advance_and_know_the_year(UNUSED void **state)
{
    uint64_t before = clock_monotonic_ns();
    assert_true(clock_monotonic_ns() >= before);
    assert_true(clock_wall_ns() > UINT64_C(1600000000) * 1000000000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_reach_the_sink),
        cmocka_unit_test(lines_above_the_level_are_dropped),
        cmocka_unit_test(long_line_is_cut_and_ended),
        cmocka_unit_test(clocks_advance_and_know_the_year),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
