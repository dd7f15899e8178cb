// SPDX-License-Identifier: Apache-2.0
// What the plan log holds is enough to decide again, and gives the same plan to the bit.
#include <offload/allocate.h>

#include <errno.h>
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

#include <json-c/json.h>

static struct json_object *
record_of(const char *agent, struct alloc_state *s, uint64_t number, uint64_t *digest)
{
    struct alloc_agent_params params = {
        .seed = 5, .n_cards = s->n_cards, .epsilon = 0.3, .learn = true};
    struct alloc_verdict verdict = {.error = "a \"quoted\"\n error", .checkpoint_sha256 = ""};
    struct alloc_agent a;
    size_t len;
    assert_int_equal(alloc_agent_create(agent, &params, &a, NULL), 0);
    struct alloc_plan *plan = alloc_plan_create(s, number, 3, 5);
    assert_non_null(plan);
    snprintf(plan->agent, sizeof plan->agent, "%s", agent);
    alloc_decide(&a, s, plan);
    *digest = alloc_plan_digest(plan);
    char *line = alloc_record_format(s, plan, &verdict, &len);
    assert_non_null(line);
    assert_int_equal(line[len - 1], '\n');
    struct json_object *record = json_tokener_parse(line);
    assert_non_null(record);
    free(line);
    alloc_plan_destroy(plan);
    alloc_agent_destroy(&a);
    return record;
}

// Every agent, over 300 random states each, moves and refusals among them.
static void
a_record_gives_the_same_plan_to_the_bit(void **unused)
{
    (void)unused;
    for (size_t i = 0; alloc_agents[i]; i++)
        for (unsigned n = 1; n <= 300; n++) {
            rng_state = n * 104729;
            struct alloc_state *s = random_state();
            struct alloc_replay replay;
            uint64_t digest;
            for (uint32_t c = 0; c < s->n_cards; c++)
                s->cards[c].hot_ticks = below(4);
            if (s->n_apps && below(3) == 0)
                s->apps[below(s->n_apps)].wanted = below(s->n_cards);
            struct json_object *record = record_of(alloc_agents[i]->name, s, n, &digest);
            assert_int_equal(alloc_record_replay(record, &replay, NULL), 0);
            assert_true(replay.same);
            assert_true(alloc_plan_digest(replay.plan) == digest);
            alloc_replay_fini(&replay);
            json_object_put(record);
            alloc_state_destroy(s);
        }
}

// The news vendor's shares come from the levels: without them it would decide otherwise.
static void
levels_and_the_price_of_a_move_are_recorded(void **unused)
{
    (void)unused;
    unsigned differ = 0;
    for (unsigned n = 1; n <= 50; n++) {
        rng_state = n * 7919;
        struct alloc_state *s = random_state();
        struct alloc_replay replay;
        uint64_t digest;
        s->policy.move_delay_s = 0.01 * n;
        s->policy.move_steps = 0.02 * n;
        struct json_object *record = record_of("newsvendor", s, n, &digest), *inputs, *apps;
        assert_int_equal(alloc_record_replay(record, &replay, NULL), 0);
        assert_true(replay.same);
        assert_true(replay.state->policy.move_delay_s == s->policy.move_delay_s);
        assert_true(replay.state->policy.move_steps == s->policy.move_steps);
        for (uint32_t a = 0; a < s->n_apps; a++)
            assert_memory_equal(replay.state->apps[a].level, s->apps[a].level,
                                sizeof s->apps[a].level);
        alloc_replay_fini(&replay);
        json_object_object_get_ex(record, "inputs", &inputs);
        json_object_object_get_ex(inputs, "apps", &apps);
        for (uint32_t a = 0; a < s->n_apps; a++) {
            struct json_object *row = json_object_array_get_idx(apps, a);
            json_object_array_del_idx(row, 30, json_object_array_length(row) - 30);
        }
        assert_int_equal(alloc_record_replay(record, &replay, NULL), 0); // as older versions wrote
        differ += !replay.same;
        alloc_replay_fini(&replay);
        json_object_put(record);
        alloc_state_destroy(s);
    }
    assert_true(differ > 10);
}

// One changed input is seen: a replay that always said "the same" would be worth nothing.
static void
a_record_that_was_tampered_with_differs(void **unused)
{
    (void)unused;
    struct alloc_state *s = alloc_state_create(1, 2);
    struct alloc_replay replay;
    uint64_t digest;
    snprintf(s->cards[0].name, sizeof s->cards[0].name, "c");
    s->cards[0].cycles_per_s = 1e9;
    s->cards[0].capacity = (struct alloc_share){{100, 1e7, 1e7}};
    for (int a = 0; a < 2; a++) {
        snprintf(s->apps[a].name, sizeof s->apps[a].name, "a%d", a);
        s->apps[a].weight = 1;
        s->apps[a].cycles_per_byte = 1;
        s->apps[a].demand = (struct alloc_demand){4e6, 5e6, 6e6};
    }
    alloc_state_index(s);
    struct json_object *record = record_of("proportional", s, 1, &digest);
    struct json_object *inputs, *apps;
    json_object_object_get_ex(record, "inputs", &inputs);
    json_object_object_get_ex(inputs, "apps", &apps);
    struct json_object *row = json_object_array_get_idx(apps, 0);
    for (size_t i = 19; i < 22; i++) // p50_bps, p90_bps, p99_bps
        json_object_array_put_idx(row, i, json_object_new_double(1e6));
    assert_int_equal(alloc_record_replay(record, &replay, NULL), 0);
    assert_false(replay.same);
    alloc_replay_fini(&replay);
    json_object_array_put_idx(row, 1, json_object_new_int(7)); // a card that is not there
    assert_int_equal(alloc_record_replay(record, &replay, NULL), -EINVAL);
    json_object_put(record);
    alloc_state_destroy(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_gives_the_same_plan_to_the_bit),
        cmocka_unit_test(levels_and_the_price_of_a_move_are_recorded),
        cmocka_unit_test(a_record_that_was_tampered_with_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
