// SPDX-License-Identifier: Apache-2.0
// The flow table against a slow, obvious model, and what its tracking promises.
#include "dpdk-app/functions/flow_table.h"

#include "dpdk-app/functions/flow_file.h"
#include "lib/schedule/quota.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
        assert_int_equal(quota_used(&quota), (uint64_t)live * flow_table_entry_cost(&layout));
    }
    assert_int_equal(quota_used(&quota), flow_table_bytes(table));
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
    assert_int_equal(quota_used(&quota), (uint64_t)flow_table_live(table) * flow_table_entry_cost(&layout));
    assert_int_equal(quota_used(&quota), flow_table_bytes(table));
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

// -- Entries in shared memory --

static struct flow_table *
table_in(const struct flow_folder *folder, uint64_t now, struct quota *quota, struct flow_file **file)
{
    *file = flow_file_create(folder, "a.fn.0", sizeof(struct item), 100000, false, now);
    assert_non_null(*file);
    struct flow_table *table = flow_table_create_in(*file, &layout, 100000, 1, quota);
    assert_non_null(table);
    return table;
}

static void
folder_make(struct flow_folder *folder)
{
    *folder = (struct flow_folder){.boot = 7};
    snprintf(folder->path, sizeof folder->path, "/tmp/flow-file-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static void
folder_remove(const struct flow_folder *folder)
{
    flow_folder_sweep(folder, UINT64_MAX);
    assert_int_equal(remove(folder->path), 0);
}

// The process that made the first table dies: nothing is closed, nothing removed.
static void
a_file_gives_back_each_whole_entry_and_no_torn_one(void **state)
{
    (void)state;
    struct flow_folder folder;
    struct flow_file *file, *next;
    struct quota quota = {.limit = UINT64_MAX / 2};
    folder_make(&folder);
    struct flow_table *dead = table_in(&folder, 1000, &quota, &file);
    for (uint64_t i = 0; i < 50000; i++)
        assert_int_not_equal(
            flow_table_add(dead, &(struct item){.a = i, .b = i + 1, .value = i * 3}, 100, i),
            FLOW_NONE);
    flow_table_remove(dead, 17);
    flow_edit_begin(flow_table_at(dead, 18));
    flow_edit_begin(flow_table_at(dead, 19));
    flow_edit_end(flow_table_at(dead, 19));

    folder.loading = true;
    struct flow_past past;
    struct flow_table *table = table_in(&folder, 2000, &quota, &next);
    assert_int_equal(flow_past_open(next, &past), 0);
    unsigned whole = 0, torn = 0;
    for (uint64_t i = 0; i < past.n_entries; i++) {
        const struct item *item =
            (const void *)(past.map + FLOW_FILE_HEADER_BYTES + i * sizeof(struct item));
        if (item->flow.state == FLOW_LIVE && !flow_is_whole(&item->flow))
            torn++;
        if (!flow_is_whole(&item->flow))
            continue;
        whole++;
        assert_int_equal(item->value, item->a * 3);
    }
    flow_past_close(&past);
    assert_int_equal(whole, 49998);
    assert_int_equal(torn, 1);
    flow_table_destroy(table);
    flow_table_destroy(dead);
    folder_remove(&folder);
}

static void
the_file_that_served_last_and_is_whole_is_taken(void **state)
{
    (void)state;
    struct flow_folder folder;
    struct flow_file *first, *second, *cut, *next;
    struct quota quota = {.limit = UINT64_MAX / 2};
    folder_make(&folder);
    struct flow_table *tables[] = {table_in(&folder, 1000, &quota, &first),
                                   table_in(&folder, 2000, &quota, &second)};
    flow_table_add(tables[0], &(struct item){.value = 1}, 100, 0);
    flow_table_add(tables[1], &(struct item){.value = 2}, 100, 0);
    flow_file_serve(first, 3000); // a migration went back
    folder.loading = true;
    cut = flow_file_create(&folder, "a.fn.0", sizeof(struct item), 1, false, 4000); // died while it took over
    next = flow_file_create(&folder, "a.fn.0", sizeof(struct item), 1, false, 5000);
    struct flow_past past;
    assert_int_equal(flow_past_open(next, &past), 0);
    assert_int_equal(((const struct item *)(past.map + FLOW_FILE_HEADER_BYTES))->value, 1);
    flow_past_close(&past);
    flow_file_destroy(cut);
    flow_file_destroy(next);
    flow_table_destroy(tables[0]);
    flow_table_destroy(tables[1]);
    folder_remove(&folder);
}

static void
a_file_of_another_boot_or_layout_is_refused(void **state)
{
    (void)state;
    struct flow_folder folder;
    struct flow_file *file, *next;
    struct quota quota = {.limit = UINT64_MAX / 2};
    struct flow_past past;
    folder_make(&folder);
    struct flow_table *table = table_in(&folder, 1000, &quota, &file);
    folder.loading = true;
    next = flow_file_create(&folder, "a.fn.0", sizeof(struct item) + 8, 1, false, 2000);
    assert_int_equal(flow_past_open(next, &past), -EPROTO);
    flow_file_destroy(next);
    folder.boot = 8;
    next = flow_file_create(&folder, "a.fn.0", sizeof(struct item), 1, false, 2000);
    assert_int_equal(flow_past_open(next, &past), -EPROTO);
    flow_file_destroy(next);
    next = flow_file_create(&folder, "b.fn.0", sizeof(struct item), 1, false, 2000);
    assert_int_equal(flow_past_open(next, &past), -ENOENT);
    flow_file_destroy(next);
    flow_table_destroy(table);
    folder_remove(&folder);
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
        cmocka_unit_test(a_file_gives_back_each_whole_entry_and_no_torn_one),
        cmocka_unit_test(the_file_that_served_last_and_is_whole_is_taken),
        cmocka_unit_test(a_file_of_another_boot_or_layout_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
