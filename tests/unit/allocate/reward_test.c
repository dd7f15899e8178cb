// SPDX-License-Identifier: Apache-2.0
// Never worse: the guard falls back on what is worse beyond noise, and only then.
#include <offload/allocate.h>

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

static void
better_agent_returns_after_a_window(void **unused)
{
    (void)unused;
    struct alloc_guard guard = {.fallen_back = true};
    unsigned i = 0;
    while (i < 500 && alloc_guard_note(&guard, -0.1 + 0.1 * noise(i), -0.2) != ALLOC_GUARD_RETURNS)
        i++;
    assert_int_equal(i, ALLOC_GUARD_WINDOW - 1);
    assert_false(guard.fallen_back);
}

// The formula of reward.c, by hand: gold breached, bronze not; half of one share of three changed
// by a tenth.
static void
reward_is_the_documented_formula(void **unused)
{
    (void)unused;
    struct alloc_state *s = alloc_state_create(1, 2);
    s->cards[0].capacity = (struct alloc_share){{100, 1e9, 1e9}};
    s->apps[0] = (struct alloc_app){.weight = 4};
    s->apps[1] = (struct alloc_app){.weight = 1};
    alloc_state_index(s);
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    plan->entries[1].share.amount[ALLOC_CPU] =
        30; // from 0: 0.3 of one of three resources of one of two
    struct alloc_outcome outcome[] = {{.breached = true, .loss_frac = 0.5}, {.breached = false}};
    double reward;
    alloc_reward(s, plan, outcome, &reward);
    assert_float_equal(reward, -4 * 1.5 / 5 - 0.02 * (0.3 / 3) / 2, 1e-12);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worse_agent_falls_back),
        cmocka_unit_test(equal_agent_stays),
        cmocka_unit_test(better_agent_returns_after_a_window),
        cmocka_unit_test(reward_is_the_documented_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
