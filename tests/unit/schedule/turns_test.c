// SPDX-License-Identifier: Apache-2.0
// Turns in two levels: work divides as the quanta say across classes, and the first class waits
// least.
#include "tests/unit/unit.h"

#include "lib/schedule/turns.h"

enum { FLOWS = 6 };

static uint64_t seed = 3;
static uint64_t
random_below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

// One burst of the flow whose turn it is; turns pass as a scheduler passes them.
static unsigned
serve(struct turns *t, struct turns_flow *flows, unsigned held, uint64_t most, uint64_t *cost)
{
    for (;;) {
        struct turns_flow *flow = turns_pick(t, held);
        if (!flow)
            return FLOWS;
        if (!drr_may_run(&flow->drr)) {
            drr_pass(&t->of[flow->cls].flows);
            continue;
        }
        *cost = 1 + random_below(most);
        turns_pay(t, flow, *cost);
        return (unsigned)(flow - flows);
    }
}

static void
setup(struct turns *t, struct turns_flow *flows, const int64_t *quanta)
{
    for (unsigned i = 0; i < FLOWS; i++) {
        turns_set(t, &flows[i], i % TURNS_CLASSES, quanta[i]);
        turns_activate(t, &flows[i]);
    }
}

static void
work_divides_as_the_quanta_across_classes(UNUSED void **state)
{
    static const int64_t quanta[FLOWS] = {2000, 10000, 50000, 100000, 2000, 30000};
    struct turns t = {.n_active = 0};
    struct turns_flow flows[FLOWS] = {0};
    uint64_t work[FLOWS] = {0}, all = 0, cost;
    setup(&t, flows, quanta);
    while (all < 400 * 1000 * 1000) {
        unsigned i = serve(&t, flows, 0, 5000, &cost);
        work[i] += cost;
        all += cost;
    }
    int64_t sum = 0;
    for (unsigned i = 0; i < FLOWS; i++)
        sum += quanta[i];
    for (unsigned i = 0; i < FLOWS; i++) {
        double due = (double)all * (double)quanta[i] / (double)sum;
        assert_true((double)work[i] > due * 0.99 - 5000 &&
                    (double)work[i] < due * 1.01 + 5000 + (double)quanta[i]);
    }
}

static void
the_first_class_goes_first(UNUSED void **state)
{
    static const int64_t quanta[FLOWS] = {50000, 50000, 50000, 50000, 50000, 50000};
    struct turns t = {.n_active = 0};
    struct turns_flow flows[FLOWS] = {0};
    uint64_t cost;
    setup(&t, flows, quanta);
    turns_idle(&t, &flows[0]);
    turns_idle(&t, &flows[3]); // all of class 0
    for (unsigned i = 0; i < 1000; i++)
        serve(&t, flows, 0, 5000, &cost);
    for (unsigned round = 0; round < 50; round++) {
        turns_next_round(&t, 0);
        turns_activate(&t, &flows[0]); // a packet of class 0 comes: it is the next
        assert_int_equal(serve(&t, flows, 0, 5000, &cost), 0);
        turns_idle(&t, &flows[0]);
    }
}

static void
coming_and_going_gains_a_class_nothing(UNUSED void **state)
{
    static const int64_t quanta[FLOWS] = {10000, 10000, 10000, 10000, 10000, 10000};
    struct turns t = {.n_active = 0};
    struct turns_flow flows[FLOWS] = {0};
    uint64_t work[FLOWS] = {0}, all = 0, cost;
    setup(&t, flows, quanta);
    turns_idle(&t, &flows[3]);
    while (all < 100 * 1000 * 1000) {
        unsigned i = serve(&t, flows, 0, 3000, &cost);
        work[i] += cost;
        all += cost;
        turns_idle(&t, &flows[0]);
        turns_activate(&t, &flows[0]);
    }
    assert_true(work[0] <= all / 5 + all / 50);
}

static void
a_class_that_is_held_up_stands_back(UNUSED void **state)
{
    static const int64_t quanta[FLOWS] = {1, 1, 1, 1, 1, 1};
    struct turns t = {.n_active = 0};
    struct turns_flow flows[FLOWS] = {0};
    uint64_t cost;
    setup(&t, flows, quanta);
    for (unsigned i = 0; i < 1000; i++) // debts of many quanta cost no walk of as many rounds
        assert_int_not_equal(serve(&t, flows, 1, 1000 * 1000, &cost) % TURNS_CLASSES, 0);
    assert_int_equal(serve(&t, flows, 7, 1, &cost), FLOWS);
    for (unsigned i = 0; i < FLOWS; i++)
        turns_idle(&t, &flows[i]);
    assert_int_equal(t.n_active, 0);
    assert_null(turns_pick(&t, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_divides_as_the_quanta_across_classes),
        cmocka_unit_test(the_first_class_goes_first),
        cmocka_unit_test(coming_and_going_gains_a_class_nothing),
        cmocka_unit_test(a_class_that_is_held_up_stands_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
