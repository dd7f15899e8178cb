// SPDX-License-Identifier: Apache-2.0
// The flow table against a slow, obvious model, and what its tracking promises.
#include "dpdk-app/functions/flow_table.h"

#include "lib/schedule/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct item {
    struct flow_head flow;
    uint64_t a, b;
    uint64_t value;
};

static const struct flow_layout layout = {
    .entry_bytes = sizeof(struct item),
    .n_keys = 2,
    .key = {{offsetof(struct item, a), 8}, {offsetof(struct item, b), 8}},
};

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

enum { MODEL = 300 };

// 200000 random operations over few keys, so that chains in the index grow, wrap around and close
// again.
static void
every_answer_is_that_of_a_plain_array(void **state)
{
    (void)state;
    struct quota quota = {.limit = UINT64_MAX / 2};
    struct flow_table *table = flow_table_create(&layout, 200, 42, &quota);
    bool there[MODEL] = {false};
    uint64_t value[MODEL] = {0}, seed = 88172645463325252;
    unsigned live = 0;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t r = next_random(&seed);
        uint64_t a = r % MODEL, b = a * 1000003;
        uint32_t at = flow_table_find(table, 0, &a);
        assert_int_equal(at != FLOW_NONE, there[a]);
        assert_int_equal(flow_table_find(table, 1, &b), at);
        if (at != FLOW_NONE)
            assert_int_equal(((struct item *)flow_table_at(table, at))->value, value[a]);
        if (at == FLOW_NONE) {
            struct item new = {.a = a, .b = b, .value = r};
            at = flow_table_add(table, &new, 100, i);
            assert_int_equal(at != FLOW_NONE, live < 200);
            if (at != FLOW_NONE)
                there[a] = true, value[a] = r, live++;
        } else if (r >> 40 & 1) {
            flow_table_remove(table, at);
            there[a] = false, live--;
        }
        assert_int_equal(flow_table_live(table), live);
        assert_int_equal(quota.used, (uint64_t)live * flow_table_entry_cost(&layout));
    }
    assert_int_equal(quota.used, flow_table_bytes(table));
    flow_table_destroy(table);
}

// A copy that takes the whole export and then every delta is equal, whatever happens in between:
// what migration stands on.
static void
whole_export_and_deltas_make_an_equal_copy(void **state)
{
    (void)state;
    struct quota quota = {.limit = UINT64_MAX / 2};
    struct flow_table *table = flow_table_create(&layout, 256, 7, &quota);
    bool there[MODEL] = {false}, copy[MODEL] = {false};
    uint64_t value[MODEL] = {0}, copied[MODEL] = {0}, seed = 1234567, cursor = 0;
    bool whole = false;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t r = next_random(&seed), a = r % MODEL, b = a + 1;
        uint32_t at = flow_table_find(table, 0, &a);
        if (i == 2000)
            flow_table_track(table);
        if (i > 2000 && i % 3 == 0) { // one step of export
            uint32_t from = whole ? flow_table_next_dirty(table) : flow_table_next(table, &cursor);
            if (from == FLOW_NONE) {
                whole = true;
            } else {
                const struct item *item = flow_table_at(table, from);
                copy[item->a] = item->flow.state == FLOW_LIVE;
                copied[item->a] = item->value;
            }
            continue;
        }
        if (at == FLOW_NONE) {
            struct item new = {.a = a, .b = b, .value = r};
            there[a] = flow_table_add(table, &new, 100, i) != FLOW_NONE;
            value[a] = r;
        } else if (r >> 40 & 1) {
            flow_table_remove(table, at);
            there[a] = false;
        } else {
            ((struct item *)flow_table_at(table, at))->value = value[a] = r;
            flow_table_change(table, at);
        }
    }
    assert_true(whole);
    for (uint32_t from; (from = flow_table_next_dirty(table)) != FLOW_NONE;) {
        const struct item *item = flow_table_at(table, from);
        copy[item->a] = item->flow.state == FLOW_LIVE;
        copied[item->a] = item->value;
    }
    for (unsigned a = 0; a < MODEL; a++) {
        assert_int_equal(copy[a], there[a]);
        if (there[a])
            assert_int_equal(copied[a], value[a]);
    }
    flow_table_stop(table);
    assert_int_equal(quota.used, (uint64_t)flow_table_live(table) * flow_table_entry_cost(&layout));
    assert_int_equal(quota.used, flow_table_bytes(table));
    flow_table_destroy(table);
}

// A quota that was shrunk admits nothing and evicts nothing; expiry makes room again.
static void
a_shrunk_quota_evicts_nothing(void **state)
{
    (void)state;
    uint32_t cost = flow_table_entry_cost(&layout);
    struct quota quota = {.limit = 10 * cost};
    struct flow_table *table = flow_table_create(&layout, 100, 1, &quota);
    for (uint64_t a = 0; a < 10; a++)
        assert_int_not_equal(flow_table_add(table, &(struct item){.a = a, .b = a}, 50, a * 10),
                             FLOW_NONE);
    struct item more = {.a = 99, .b = 99};
    assert_int_equal(flow_table_add(table, &more, 50, 100), FLOW_NONE);
    quota.limit = 5 * cost;
    assert_int_equal(flow_table_live(table), 10);
    assert_int_equal(flow_table_expire(table, 55, 100), 1); // the first: 55 - 0 > 50
    assert_int_equal(flow_table_add(table, &more, 50, 100), FLOW_NONE);
    assert_int_equal(flow_table_expire(table, 105, 100), 5);
    assert_int_not_equal(flow_table_add(table, &more, 50, 105), FLOW_NONE);
    flow_table_destroy(table);
}

static void
expiry_looks_at_no_more_than_its_budget(void **state)
{
    (void)state;
    struct quota quota = {.limit = UINT64_MAX / 2};
    struct flow_table *table = flow_table_create(&layout, 100, 1, &quota);
    for (uint64_t a = 0; a < 100; a++)
        flow_table_add(table, &(struct item){.a = a, .b = a}, 50, 0);
    assert_int_equal(flow_table_expire(table, 100, 30), 30);
    assert_int_equal(flow_table_expire(table, 100, 30), 30);
    assert_int_equal(flow_table_expire(table, 100, 100), 40);
    flow_table_destroy(table);
}

// Or a busy table would never be clean, and no migration would end.
static void
a_refreshed_timer_is_dirty_only_after_an_eighth(void **state)
{
    (void)state;
    struct quota quota = {.limit = UINT64_MAX / 2};
    struct flow_table *table = flow_table_create(&layout, 10, 1, &quota);
    uint32_t at = flow_table_add(table, &(struct item){.a = 1, .b = 1}, 800, 1000);
    flow_table_track(table);
    flow_table_refresh(table, at, 1100);
    assert_int_equal(flow_table_dirty(table), 0);
    flow_table_refresh(table, at, 1101);
    assert_int_equal(flow_table_dirty(table), 1);
    flow_table_refresh(table, at, 1500);
    assert_int_equal(flow_table_dirty(table), 1);
    assert_int_equal(flow_table_next_dirty(table), at);
    flow_table_refresh(table, at, 1600);
    assert_int_equal(flow_table_dirty(table), 0);
    flow_table_destroy(table);
}

static void
timers_travel_as_what_remains(void **state)
{
    (void)state;
    struct flow_head flow = {.seen_cycles = 5000, .timeout_cycles = 4000}; // at 2 GHz: 2000 ns
    assert_int_equal(flow_remaining_ns(&flow, 6000, 2000000000), 1500);
    assert_int_equal(flow_remaining_ns(&flow, 4990, 2000000000),
                     2000); // seen a little later than now
    assert_int_equal(flow_remaining_ns(&flow, 9001, 2000000000), 0);
    flow_set_remaining(&flow, 1500, 100000, 1000000000);
    flow.timeout_cycles = 4000;
    assert_int_equal(flow_remaining_ns(&flow, 100000, 1000000000), 1500);
    flow_set_remaining(&flow, UINT64_MAX, 100000, 3000000000); // more than the timeout: cut
    assert_int_equal(flow.seen_cycles, 100000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_that_of_a_plain_array),
        cmocka_unit_test(whole_export_and_deltas_make_an_equal_copy),
        cmocka_unit_test(a_shrunk_quota_evicts_nothing),
        cmocka_unit_test(expiry_looks_at_no_more_than_its_budget),
        cmocka_unit_test(a_refreshed_timer_is_dirty_only_after_an_eighth),
        cmocka_unit_test(timers_travel_as_what_remains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
