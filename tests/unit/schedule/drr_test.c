// SPDX-License-Identifier: Apache-2.0
// Turns by deficit round robin: whoever has work shares the cycles as the quanta say, whatever a
// burst costs.
#include "tests/unit/unit.h"

#include "lib/schedule/drr.h"

enum { FLOWS = 5 };

static uint64_t seed = 7;
static uint64_t
random_below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

// One turn: runs bursts of random cost (up to 'most') while the flow may.
static void
run_turn(struct drr *d, struct drr_flow *flows, uint64_t *work, const uint64_t *most)
{
    struct drr_flow *flow = d->turn;
    size_t i = (size_t)(flow - flows);
    while (drr_may_run(flow)) {
        uint64_t cost = 1 + random_below(most[i]);
        drr_pay(flow, cost);
        work[i] += cost;
    }
    drr_pass(d);
}

// The fairness bound of surplus round robin: two active flows differ, in work over quantum, by a
// quantum and a burst each.
static void
work_divides_as_the_quanta(UNUSED void **state)
{
    static const int64_t quanta[FLOWS] = {2000, 10000, 50000, 100000, 2000};
    static const uint64_t most[FLOWS] = {100, 150000, 4000, 1000000, 30000};
    struct drr d = {0};
    struct drr_flow flows[FLOWS] = {0};
    uint64_t work[FLOWS] = {0};
    for (size_t i = 0; i < FLOWS; i++) {
        flows[i].quantum = quanta[i];
        drr_activate(&d, &flows[i]);
    }
    for (int turn = 0; turn < 100000; turn++)
        run_turn(&d, flows, work, most);
    for (size_t i = 1; i < FLOWS; i++) {
        double a = (double)work[0] / (double)quanta[0], b = (double)work[i] / (double)quanta[i];
        double bound =
            2 + (double)most[0] / (double)quanta[0] + (double)most[i] / (double)quanta[i];
        assert_true(a - b <= bound && b - a <= bound);
    }
}

// The ring against a plain list: every active flow has its turn once a round, in order of joining.
static void
ring_visits_each_active_flow_in_turn(UNUSED void **state)
{
    struct drr d = {0};
    struct drr_flow flows[FLOWS] = {0};
    bool active[FLOWS] = {false};
    for (size_t i = 0; i < FLOWS; i++)
        flows[i].quantum = 1;
    for (int step = 0; step < 20000; step++) {
        size_t i = random_below(FLOWS);
        if (active[i])
            drr_idle(&d, &flows[i]);
        else
            drr_activate(&d, &flows[i]);
        active[i] = !active[i];

        unsigned n = 0, visited[FLOWS] = {0};
        for (size_t k = 0; k < FLOWS; k++)
            n += active[k];
        assert_int_equal(d.n_active, n);
        assert_true((d.turn == NULL) == (n == 0));
        for (unsigned k = 0; k < n; k++) {
            visited[d.turn - flows]++;
            drr_pass(&d);
        }
        for (size_t k = 0; k < FLOWS; k++)
            assert_int_equal(visited[k], active[k]);
    }
}

// Who had nothing to do for a while starts afresh: no hoard of turns.
static void
idle_flow_saves_nothing_up(UNUSED void **state)
{
    struct drr d = {0};
    struct drr_flow a = {.quantum = 100}, b = {.quantum = 100};
    drr_activate(&d, &a);
    drr_activate(&d, &b);
    for (int i = 0; i < 1000; i++)
        drr_pass(&d);
    assert_true(a.deficit <= 100 && b.deficit <= 100);
    drr_idle(&d, &a);
    drr_activate(&d, &a);
    assert_true(a.deficit <= 0);
}

// A burst beyond the quantum is worked off, also across a pause.
static void
debt_outlives_a_pause(UNUSED void **state)
{
    struct drr d = {0};
    struct drr_flow a = {.quantum = 100}, b = {.quantum = 100};
    drr_activate(&d, &a);
    drr_activate(&d, &b);
    drr_pay(&a, 350);
    drr_idle(&d, &a);
    drr_activate(&d, &a);
    int rounds = 0;
    while (!drr_may_run(&a)) {
        drr_pass(&d);
        rounds += d.turn == &a;
    }
    assert_int_equal(rounds, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_divides_as_the_quanta),
        cmocka_unit_test(ring_visits_each_active_flow_in_turn),
        cmocka_unit_test(idle_flow_saves_nothing_up),
        cmocka_unit_test(debt_outlives_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
