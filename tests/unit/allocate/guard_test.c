// SPDX-License-Identifier: Apache-2.0
// Never worse: the guard falls back on what is worse beyond noise, and lets return only what has
// shown on a held-out stretch that it is not.
#include <offload/allocate.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static double
noise(unsigned i)
{
    return ((i * 2654435761u) % 1000) / 1000.0 - 0.5;
}

static uint64_t rng_state;

static double
uniform(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(rng_state >> 11) * 0x1p-53;
}

static void
worse_agent_falls_back(void **unused)
{
    (void)unused;
    struct alloc_guard guard = {0};
    unsigned i = 0;
    while (i < 200 &&
           alloc_guard_note(&guard, -0.3 + 0.1 * noise(i), -0.2) != ALLOC_GUARD_FALLS_BACK)
        i++;
    assert_in_range(i, ALLOC_GUARD_LEAST - 1, 100);
    assert_true(guard.fallen_back);
}

static void
equal_agent_stays(void **unused)
{
    (void)unused;
    struct alloc_guard guard = {0};
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(alloc_guard_note(&guard, -0.2, -0.2), ALLOC_GUARD_STAYS);
}

// It learns for a while, then its policy is fixed while it is judged.
static void
better_agent_returns_after_it_has_learned_and_proven(void **unused)
{
    (void)unused;
    struct alloc_guard guard = {0};
    alloc_guard_fall_back(&guard);
    for (unsigned i = 0; i < ALLOC_GUARD_LEARN; i++) {
        assert_true(alloc_guard_learns(&guard));
        assert_int_equal(alloc_guard_note(&guard, -9, -0.2), ALLOC_GUARD_STAYS); // is not counted
    }
    for (unsigned i = 1; i < ALLOC_GUARD_HELD_OUT; i++) {
        assert_false(alloc_guard_learns(&guard));
        assert_int_equal(alloc_guard_note(&guard, -0.1 + 0.1 * noise(i), -0.2), ALLOC_GUARD_STAYS);
    }
    assert_int_equal(alloc_guard_note(&guard, -0.1, -0.2), ALLOC_GUARD_RETURNS);
    assert_false(guard.fallen_back);
    assert_true(alloc_guard_learns(&guard));
}

// Student's quantiles by the table (NIST/SEMATECH e-Handbook 1.3.6.7.2), 11 degrees of freedom: the
// risk of the first attempt is half of all, so 95 % stand for 2.201 standard errors.
static void
the_bound_is_students(void **unused)
{
    (void)unused;
    struct alloc_guard guard = {.confidence = 0.95};
    double sum = 0, squares = 0;
    for (int i = 0; i < ALLOC_GUARD_HELD_OUT; i++) {
        double value = i / 10; // each ten alike: 0 to 11
        guard.difference[i] = value;
        sum += value / ALLOC_GUARD_HELD_OUT;
    }
    for (int b = 0; b < 12; b++)
        squares += (b - sum) * (b - sum) / 11;
    assert_float_equal(alloc_guard_bound(&guard), sum - 2.201 * sqrt(squares / 12), 2e-3);
    guard.confidence = 0.98; // 0.01: 2.718
    assert_float_equal(alloc_guard_bound(&guard), sum - 2.718 * sqrt(squares / 12), 4e-3);
}

// The promise: of agents that are worse by 0.05, with noise of ten times that, at most one in
// twenty ever returns in its first six attempts.
static void
a_worse_agent_seldom_returns(void **unused)
{
    (void)unused;
    enum { AGENTS = 2000, ATTEMPTS = 6 };
    unsigned returned = 0;
    rng_state = 1;
    for (unsigned k = 0; k < AGENTS; k++) {
        struct alloc_guard guard = {.confidence = 0.95};
        alloc_guard_fall_back(&guard);
        while (guard.attempts < ATTEMPTS && guard.fallen_back)
            alloc_guard_note(&guard, -0.055 + (uniform() - 0.5), 0);
        returned += !guard.fallen_back;
    }
    assert_true(returned <= AGENTS / 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worse_agent_falls_back),
        cmocka_unit_test(equal_agent_stays),
        cmocka_unit_test(better_agent_returns_after_it_has_learned_and_proven),
        cmocka_unit_test(the_bound_is_students),
        cmocka_unit_test(a_worse_agent_seldom_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
