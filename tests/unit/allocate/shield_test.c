// SPDX-License-Identifier: Apache-2.0
// The shield: whatever an agent wishes, what leaves is feasible, and guarantees come first.
#include <offload/allocate.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/allocate/random_state.h"

// A wish as a mad agent would have it.
static double
mad(double scale)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -1, 0, 1e300, 1e-300};
    return below(4) == 0 ? odd[below(7)] : uniform() * 3 * scale;
}

static void
fill_with_madness(const struct alloc_state *s, struct alloc_plan *plan)
{
    for (uint32_t a = 0; a < s->n_apps; a++) {
        struct alloc_entry *e = &plan->entries[a];
        const struct alloc_card *card = &s->cards[s->apps[a].card];
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            e->wish.amount[r] = mad(card->capacity.amount[r]);
        if (below(3) == 0)
            e->to = below(s->n_cards + 1);
    }
}

// 10,000 plans of a mad agent, over random cards, guarantees and shares in force: none leaves
// infeasible.
static void
no_plan_leaves_infeasible(void **unused)
{
    (void)unused;
    unsigned moves = 0;
    for (unsigned i = 0; i < 10000; i++) {
        rng_state = i * 7919 + 1;
        struct alloc_state *s = random_state();
        struct alloc_plan *plan = alloc_plan_create(s, i, 1, 1);
        assert_non_null(plan);
        fill_with_madness(s, plan);
        alloc_shield_moves(s, plan);
        alloc_shield_shares(s, plan);
        if (!alloc_plan_feasible(s, plan))
            fail_msg("plan %u is infeasible", i);
        moves += plan->moves;
        alloc_plan_destroy(plan);
        alloc_state_destroy(s);
    }
    assert_true(moves > 100); // else the moves were never put to the test
}

// No move that leaves goes to a card that is down, drained, of another server, or comes within the
// cooldown.
static void
refused_moves_do_not_leave(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 3000; i++) {
        rng_state = i * 104729 + 5;
        struct alloc_state *s = random_state();
        struct alloc_plan *plan = alloc_plan_create(s, i, 1, 1);
        fill_with_madness(s, plan);
        alloc_shield_moves(s, plan);
        for (uint32_t a = 0; a < s->n_apps; a++) {
            const struct alloc_entry *e = &plan->entries[a];
            const struct alloc_app *app = &s->apps[a];
            if (e->to == ALLOC_NONE)
                continue;
            assert_true(e->to < s->n_cards && e->to != app->card);
            assert_false(s->cards[e->to].down || s->cards[e->to].draining || app->moving);
            assert_string_equal(s->cards[e->to].server, s->cards[app->card].server);
            if (app->moved_ns && !s->cards[app->card].draining)
                assert_true((double)(s->time_ns - app->moved_ns) / 1e9 >= s->policy.cooldown_s);
        }
        alloc_plan_destroy(plan);
        alloc_state_destroy(s);
    }
}

// One card of 100 Mbit/s with plenty of the rest, and applications of the classes given.
static struct alloc_state *
one_card(uint32_t n, const enum alloc_class *classes, double min_bps)
{
    struct alloc_state *s = alloc_state_create(1, n);
    strcpy(s->cards[0].name, "c");
    s->cards[0].cycles_per_s = 1e9;
    s->cards[0].capacity = (struct alloc_share){{100, 100e6, 1e9}};
    s->policy.max_change_pct = 100;
    s->policy.deadband_pct = 0;
    for (uint32_t a = 0; a < n; a++)
        s->apps[a] = (struct alloc_app){.class = classes[a],
                                        .weight = 1,
                                        .min_bps = min_bps,
                                        .max_delay_s = 0.01,
                                        .burst_bytes = 1500,
                                        .offered_bps = NAN,
                                        .demand = {NAN, NAN, NAN},
                                        .wanted = ALLOC_NONE,
                                        .ahead = {NAN, NAN, NAN}};
    alloc_state_index(s);
    return s;
}

// Guarantees that do not fit are kept class by class: bronze yields whole before silver loses
// anything.
static void
lower_classes_yield_first(void **unused)
{
    (void)unused;
    const enum alloc_class classes[] = {ALLOC_BRONZE, ALLOC_GOLD, ALLOC_SILVER};
    struct alloc_state *s = one_card(3, classes, 45e6);
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    for (uint32_t a = 0; a < 3; a++)
        plan->entries[a].wish = (struct alloc_share){{10, 60e6, 1e6}};
    alloc_shield_shares(s, plan);
    assert_float_equal(plan->entries[1].share.amount[ALLOC_BANDWIDTH], 45e6, 1);
    assert_float_equal(plan->entries[2].share.amount[ALLOC_BANDWIDTH], 45e6, 1);
    assert_float_equal(plan->entries[0].share.amount[ALLOC_BANDWIDTH], 10e6, 1);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// A wish that is feasible is nobody's business: it comes through to the bit.
static void
feasible_wish_passes_unchanged(void **unused)
{
    (void)unused;
    const enum alloc_class classes[] = {ALLOC_GOLD, ALLOC_BRONZE};
    struct alloc_state *s = one_card(2, classes, 1e6);
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    plan->entries[0].wish = (struct alloc_share){{60, 70e6, 5e8}};
    plan->entries[1].wish = (struct alloc_share){{40, 30e6, 5e8}};
    alloc_shield_shares(s, plan);
    for (uint32_t a = 0; a < 2; a++)
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            assert_true(plan->entries[a].share.amount[r] == plan->entries[a].wish.amount[r]);
    assert_int_equal(plan->shielded, 0);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// A plan must not swing: one tick changes a share by at most MaxChangePct of the card, and says so.
static void
change_is_bounded(void **unused)
{
    (void)unused;
    const enum alloc_class classes[] = {ALLOC_GOLD, ALLOC_BRONZE};
    struct alloc_state *s = one_card(2, classes, 0);
    s->policy.max_change_pct = 10;
    for (uint32_t a = 0; a < 2; a++)
        s->apps[a].now = (struct alloc_share){{50, 50e6, 5e8}};
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    plan->entries[0].wish = (struct alloc_share){{90, 90e6, 5e8}};
    plan->entries[1].wish = (struct alloc_share){{10, 10e6, 5e8}};
    alloc_shield_shares(s, plan);
    assert_float_equal(plan->entries[0].share.amount[ALLOC_BANDWIDTH], 60e6, 1);
    assert_float_equal(plan->entries[1].share.amount[ALLOC_BANDWIDTH], 40e6, 1);
    assert_int_equal(plan->entries[0].limit[ALLOC_BANDWIDTH], ALLOC_LIMIT_CHANGE);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_plan_leaves_infeasible),
        cmocka_unit_test(refused_moves_do_not_leave),
        cmocka_unit_test(lower_classes_yield_first),
        cmocka_unit_test(feasible_wish_passes_unchanged),
        cmocka_unit_test(change_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
