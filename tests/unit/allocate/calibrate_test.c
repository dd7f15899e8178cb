// SPDX-License-Identifier: Apache-2.0
// Levels from a forecast's own past errors: as often exceeded as they say, by the last errors only.
#include "lib/allocate/calibrate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t rng_state;

static double
uniform(void)
{
    rng_state = rng_state * 6364136223846793005 + 1442695040888963407;
    return (double)(rng_state >> 11) * 0x1p-53;
}

static struct alloc_calibration c;
static struct alloc_demand d;
static double level[ALLOC_LEVELS];

static void
forget(void)
{
    c = (struct alloc_calibration){0};
    d = (struct alloc_demand){-1, -1, -1};
    level[0] = -1;
}

static void
nothing_is_told_before_24_errors(void **unused)
{
    (void)unused;
    forget();
    for (int i = 0; i < 23; i++)
        alloc_calibration_note(&c, 1e6, 1.1e6);
    for (int i = 0; i < 100; i++)
        alloc_calibration_note(&c, NAN, 1e6); // a step without a forecast is no error
    alloc_calibration_note(&c, 1e6, NAN);     // nor is one in which nothing was measured
    assert_false(alloc_calibration_tell(&c, 1e6, &d, level));
    assert_true(d.p50 == -1 && level[0] == -1);
    alloc_calibration_note(&c, 1e6, 1.1e6);
    assert_true(alloc_calibration_tell(&c, 1e6, &d, level));
    assert_false(alloc_calibration_tell(&c, NAN, &d, level));
}

// A forecast that is always a fifth too low is one that knows exactly.
static void
a_bias_is_taken_out(void **unused)
{
    (void)unused;
    forget();
    for (int i = 0; i < 300; i++)
        alloc_calibration_note(&c, 1e6 + 1000 * i, 1.2 * (1e6 + 1000 * i));
    assert_true(alloc_calibration_tell(&c, 2e6, &d, level));
    assert_true(fabs(d.p50 - 2.4e6) < 1e3 && fabs(d.p99 - 2.4e6) < 1e3);
    assert_true(fabs(level[0] - 2.4e6) < 1e3);
}

// The ring's order, against sorting all that is in it.
static void
the_last_256_errors_count_and_no_others(void **unused)
{
    (void)unused;
    forget();
    rng_state = 7;
    for (uint32_t n = 1; n <= 2000; n++) {
        alloc_calibration_note(&c, 1e6, 1e6 * (uniform() < 0.8 ? 0.5 + uniform() : 1)); // some are equal
        unsigned kept = n < CALIBRATE_ERRORS ? n : CALIBRATE_ERRORS;
        bool seen[CALIBRATE_ERRORS] = {false};
        for (unsigned i = 0; i < kept; i++) {
            assert_false(seen[c.order[i]]);
            seen[c.order[i]] = true;
            assert_true(i == 0 || c.error[c.order[i - 1]] <= c.error[c.order[i]]);
        }
    }
    for (int i = 0; i < CALIBRATE_ERRORS; i++)
        alloc_calibration_note(&c, 1e6, 1e6);
    assert_true(alloc_calibration_tell(&c, 1e6, &d, level));
    assert_true(d.p50 == 1e6 && d.p99 == 1e6 && level[ALLOC_LEVELS - 1] == 1e6);
}

static void
a_level_is_exceeded_as_often_as_it_says(void **unused)
{
    (void)unused;
    unsigned below_level[ALLOC_LEVELS] = {0}, n = 0;
    forget();
    rng_state = 11;
    for (int k = 0; k < 20000; k++) {
        double expected = 1e6 * (2 + sin(k / 20.0));
        double actual = expected * (0.4 + 2 * uniform() * uniform()); // lopsided
        if (alloc_calibration_tell(&c, expected, &d, level)) {
            n++;
            for (unsigned i = 0; i < ALLOC_LEVELS; i++)
                below_level[i] += actual <= level[i];
        }
        alloc_calibration_note(&c, expected, actual);
    }
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        assert_true(fabs((double)below_level[i] / n - alloc_level_p[i]) < 0.03);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_told_before_24_errors),
        cmocka_unit_test(a_bias_is_taken_out),
        cmocka_unit_test(the_last_256_errors_count_and_no_others),
        cmocka_unit_test(a_level_is_exceeded_as_often_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
