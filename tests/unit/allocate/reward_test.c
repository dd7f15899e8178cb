// SPDX-License-Identifier: Apache-2.0
// What a plan was worth.
#include <offload/allocate.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

// The formula of reward.c, by hand: gold breached with half of its traffic lost, bronze not; a
// third of one resource's share changed. Loss counts by bit, whatever the class.
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
    struct alloc_outcome outcome[] = {{.offered_bps = 1e6, .breached = true, .loss_frac = 0.5},
                                      {.offered_bps = 3e6}};
    double reward;
    alloc_reward(s, plan, outcome, &reward);
    assert_float_equal(reward, -4.0 / 5 - 0.6 * 0.5 * 1 / 4 - 0.02 * (0.3 / 3) / 2, 1e-12);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reward_is_the_documented_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
