// SPDX-License-Identifier: Apache-2.0
// The agents: what each promises, and that the same inputs give the same plan to the bit.
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

// Two cards of one server, three applications on the first, one on the second.
static struct alloc_state *
two_cards(void)
{
    struct alloc_state *s = alloc_state_create(2, 4);
    s->time_ns = 1000000000000;
    for (uint32_t c = 0; c < 2; c++) {
        snprintf(s->cards[c].name, sizeof s->cards[c].name, "card%u", c);
        strcpy(s->cards[c].server, "h1");
        s->cards[c].cycles_per_s = 1e9;
        s->cards[c].capacity = (struct alloc_share){{100, 100e6, 1e8}};
    }
    for (uint32_t a = 0; a < 4; a++) {
        struct alloc_app *app = &s->apps[a];
        snprintf(app->name, sizeof app->name, "app%u", a);
        app->card = a == 3;
        app->class = a % 3;
        app->weight = alloc_class_weight(app->class);
        app->cycles_per_byte = 5;
        app->burst_bytes = 1500;
        app->state_bytes = 1e6;
        app->max_delay_s = 0.02;
        app->offered_bps = app->before_bps = 20e6;
        app->demand = (struct alloc_demand){20e6, 24e6, 28e6};
    }
    alloc_state_index(s);
    return s;
}

static struct alloc_plan *
decide(const char *name, struct alloc_state *s, uint64_t number, double epsilon)
{
    struct alloc_agent_params params = {.seed = 3, .n_cards = 2, .epsilon = epsilon, .learn = true};
    struct alloc_agent agent;
    assert_int_equal(alloc_agent_create(name, &params, &agent, NULL), 0);
    struct alloc_plan *plan = alloc_plan_create(s, number, 1, params.seed);
    alloc_decide(&agent, s, plan);
    alloc_agent_destroy(&agent);
    return plan;
}

// An operator's typing error must not start another agent than the one meant.
static void
unknown_agent_names_the_nearest(void **unused)
{
    (void)unused;
    struct alloc_agent agent;
    struct alloc_agent_params params = {.n_cards = 1};
    struct offload_err err = {0};
    assert_int_equal(alloc_agent_create("proportionl", &params, &agent, &err), -ENOENT);
    assert_non_null(strstr(err.text, "proportional"));
}

static void
static_gives_equal_or_configured_shares(void **unused)
{
    (void)unused;
    struct alloc_state *s = two_cards();
    s->apps[0].fixed.amount[ALLOC_BANDWIDTH] = 10e6;
    struct alloc_plan *plan = decide("static", s, 1, 0);
    assert_float_equal(plan->entries[0].share.amount[ALLOC_BANDWIDTH], 10e6, 1);
    assert_float_equal(plan->entries[1].share.amount[ALLOC_BANDWIDTH], 100e6 / 3, 1);
    assert_float_equal(plan->entries[1].share.amount[ALLOC_CPU], 100.0 / 3, 1e-6);
    assert_int_equal(plan->moves, 0);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// Every agent, with room for all: nobody gets less than what keeps its SLA at the median forecast.
static void
needs_are_met_where_there_is_room(void **unused)
{
    (void)unused;
    for (size_t i = 0; alloc_agents[i]; i++) {
        struct alloc_state *s = two_cards();
        struct alloc_plan *plan = decide(alloc_agents[i]->name, s, 1, 0);
        for (uint32_t a = 0; a < s->n_apps; a++) {
            struct alloc_share need;
            alloc_need(&s->apps[a], &s->cards[s->apps[a].card], 20e6, 1, &need);
            for (int r = 0; r < ALLOC_N_RESOURCES; r++)
                if (plan->entries[a].share.amount[r] < need.amount[r] * (1 - 1e-9))
                    fail_msg("%s: app%u lacks %s", alloc_agents[i]->name, a,
                             alloc_resource_names[r]);
        }
        assert_true(alloc_plan_feasible(s, plan));
        alloc_plan_destroy(plan);
        alloc_state_destroy(s);
    }
}

// Under overload proportional cuts by weight x need: gold keeps four times what bronze keeps.
static void
proportional_cuts_by_weight(void **unused)
{
    (void)unused;
    struct alloc_state *s = two_cards();
    s->policy.move_above_pct = 1e6; // no moves
    for (uint32_t a = 0; a < 3; a++) {
        s->apps[a].state_bytes = 0;
        s->apps[a].cycles_per_byte = 0.1;
        s->apps[a].demand = (struct alloc_demand){200e6, 210e6, 220e6};
    }
    struct alloc_plan *plan = decide("proportional", s, 1, 0);
    double gold = plan->entries[0].share.amount[ALLOC_BANDWIDTH];
    double bronze = plan->entries[2].share.amount[ALLOC_BANDWIDTH];
    assert_float_equal(gold / bronze, 4, 0.05);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// A card that is forecast too full gives an application to its sibling, not at once but when it
// lasts.
static void
full_card_gives_an_application_away(void **unused)
{
    (void)unused;
    struct alloc_state *s = two_cards();
    for (uint32_t a = 0; a < 3; a++)
        s->apps[a].demand = (struct alloc_demand){32e6, 38e6, 44e6};
    s->policy.move_after_ticks = 2;
    struct alloc_plan *plan = decide("proportional", s, 1, 0);
    assert_int_equal(plan->moves, 0);
    alloc_plan_destroy(plan);
    plan = decide("proportional", s, 2, 0);
    assert_int_equal(plan->moves, 1);
    for (uint32_t a = 0; a < 4; a++)
        if (plan->entries[a].to != ALLOC_NONE) {
            assert_int_equal(plan->entries[a].to, 1);
            assert_true(plan->entries[a].to_share.amount[ALLOC_BANDWIDTH] > 38e6);
            assert_int_equal(s->apps[a].class, ALLOC_BRONZE); // the one that it disturbs least
        }
    assert_true(alloc_plan_feasible(s, plan));
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// Two cards that are both full do not throw applications at each other.
static void
full_cards_do_not_swap(void **unused)
{
    (void)unused;
    struct alloc_state *s = two_cards();
    alloc_state_place(s, 2, 1);
    for (uint32_t a = 0; a < 4; a++)
        s->apps[a].demand = (struct alloc_demand){90e6, 95e6, 99e6};
    for (unsigned i = 1; i < 10; i++) {
        struct alloc_plan *plan = decide("proportional", s, i, 0);
        assert_int_equal(plan->moves, 0);
        alloc_plan_destroy(plan);
    }
    alloc_state_destroy(s);
}

// A drained card is emptied, one application a tick, and receives nothing.
static void
drained_card_is_emptied(void **unused)
{
    (void)unused;
    struct alloc_state *s = two_cards();
    s->cards[0].draining = true;
    s->policy.moves_at_once = true;
    for (uint32_t a = 0; a < 4; a++)
        s->apps[a].demand = (struct alloc_demand){10e6, 12e6, 14e6};
    for (unsigned i = 1; i <= 3; i++) {
        struct alloc_plan *plan = decide("proportional", s, i, 0);
        assert_int_equal(plan->moves, 1);
        alloc_plan_destroy(plan);
    }
    assert_true(s->first[0] == ALLOC_NONE);
    alloc_state_destroy(s);
}

static void
same_inputs_give_the_same_plan(void **unused)
{
    (void)unused;
    for (size_t i = 0; alloc_agents[i]; i++) {
        struct alloc_state *s1 = two_cards(), *s2 = two_cards();
        struct alloc_plan *p1 = decide(alloc_agents[i]->name, s1, 9, 0.5);
        struct alloc_plan *p2 = decide(alloc_agents[i]->name, s2, 9, 0.5);
        assert_memory_equal(p1->entries, p2->entries, p1->n_entries * sizeof *p1->entries);
        alloc_plan_destroy(p1);
        alloc_plan_destroy(p2);
        alloc_state_destroy(s1);
        alloc_state_destroy(s2);
    }
}

// A game with a known answer: one situation, and only holding still is ever rewarded.
static void
q_learning_finds_what_pays(void **unused)
{
    (void)unused;
    struct alloc_agent_params params = {.seed = 11, .n_cards = 2, .epsilon = 1, .learn = true};
    struct alloc_agent agent;
    assert_int_equal(alloc_agent_create("q_learning", &params, &agent, NULL), 0);
    struct alloc_state *s = two_cards();
    for (uint32_t a = 0; a < 4; a++)
        s->apps[a].now = (struct alloc_share){{20, 20e6, 2e7}};
    uint32_t paid = ALLOC_NONE;
    for (unsigned i = 0; i < 4000; i++) {
        struct alloc_plan *plan = alloc_plan_create(s, i, 1, 1);
        agent.ops->choose(agent.self, s, plan);
        if (paid == ALLOC_NONE && plan->action[0] != 7)
            paid = plan->action[0];
        double reward[2];
        for (int c = 0; c < 2; c++)
            reward[c] = plan->action[c] == paid ? 0 : -1;
        agent.ops->learn(agent.self, s, reward);
        alloc_plan_destroy(plan);
    }
    char *table;
    size_t len;
    assert_int_equal(agent.ops->export(agent.self, &table, &len), 0);
    alloc_agent_destroy(&agent);
    params.epsilon = 0;
    assert_int_equal(alloc_agent_create("q_learning", &params, &agent, NULL), 0);
    assert_int_equal(agent.ops->import(agent.self, table, len, NULL), 0);
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    agent.ops->choose(agent.self, s, plan);
    assert_int_equal(plan->action[0], paid);
    assert_int_equal(plan->action[1], paid);
    alloc_plan_destroy(plan);
    free(table);
    alloc_agent_destroy(&agent);
    alloc_state_destroy(s);
}

// A ring of four situations: action 0 stays and earns what the situation pays, action 1 goes on and
// earns nothing, the others cost 1. What the table comes to prefer is what value iteration finds.
enum { RING = 4 };
static const double pays[RING] = {0.1, 0, 0.2, 1};

static struct alloc_state *
card_at_load(double load)
{
    struct alloc_state *s = alloc_state_create(1, 1);
    s->cards[0].cycles_per_s = 1e9;
    s->cards[0].capacity = (struct alloc_share){{100, 1e9, 1e8}};
    s->apps[0].weight = 1;
    s->apps[0].offered_bps = load * 1e9;
    s->apps[0].demand = (struct alloc_demand){load * 1e9, load * 1e9, load * 1e9};
    alloc_state_index(s);
    return s;
}

static void
q_learning_prefers_what_value_iteration_does(void **unused)
{
    (void)unused;
    static const double loads[RING] = {0.4, 0.65, 0.9, 1.4};
    double value[RING] = {0};
    for (int round = 0; round < 100; round++)
        for (unsigned i = 0; i < RING; i++)
            value[i] = fmax(pays[i] + 0.5 * value[i], 0.5 * value[(i + 1) % RING]);
    struct alloc_agent_params params = {.seed = 5, .n_cards = 1, .epsilon = 1, .learn = true};
    struct alloc_agent agent;
    struct alloc_state *ring[RING];
    assert_int_equal(alloc_agent_create("q_learning", &params, &agent, NULL), 0);
    for (unsigned i = 0; i < RING; i++)
        ring[i] = card_at_load(loads[i]);
    for (unsigned n = 0, at = 0; n < 100000; n++) {
        struct alloc_plan *plan = alloc_plan_create(ring[at], n, 1, 1);
        agent.ops->choose(agent.self, ring[at], plan);
        uint32_t action = plan->action[0];
        double reward = action == 0 ? pays[at] : action == 1 ? 0 : -1;
        at = action == 1 ? (at + 1) % RING : at;
        agent.ops->learn(agent.self, ring[at], &reward);
        alloc_plan_destroy(plan);
    }
    char *table;
    size_t len;
    assert_int_equal(agent.ops->export(agent.self, &table, &len), 0);
    alloc_agent_destroy(&agent);
    params.epsilon = 0;
    assert_int_equal(alloc_agent_create("q_learning", &params, &agent, NULL), 0);
    assert_int_equal(agent.ops->import(agent.self, table, len, NULL), 0);
    for (unsigned n = 0; n < 2 * RING; n++) { // once round, until what it remembers is as it was
        unsigned i = n % RING;
        struct alloc_plan *plan = alloc_plan_create(ring[i], n, 1, 1);
        agent.ops->choose(agent.self, ring[i], plan);
        bool stays = pays[i] + 0.5 * value[i] > 0.5 * value[(i + 1) % RING];
        if (n >= RING)
            assert_int_equal(plan->action[0], stays ? 0 : 1);
        alloc_plan_destroy(plan);
    }
    for (unsigned i = 0; i < RING; i++)
        alloc_state_destroy(ring[i]);
    free(table);
    alloc_agent_destroy(&agent);
}

// A checkpoint that is cut short is refused as a whole: the table in use stays.
static void
short_checkpoint_changes_nothing(void **unused)
{
    (void)unused;
    struct alloc_agent_params params = {.seed = 1, .n_cards = 1, .learn = true};
    struct alloc_agent agent;
    struct offload_err err = {0};
    char *before, *after;
    size_t len;
    assert_int_equal(alloc_agent_create("q_learning", &params, &agent, NULL), 0);
    assert_int_equal(agent.ops->export(agent.self, &before, &len), 0);
    assert_int_equal(agent.ops->import(agent.self, before, len - 1, &err), -EBADMSG);
    memset(before + 16, 0xff, 8); // a NAN in the first cell
    assert_int_equal(agent.ops->import(agent.self, before, len, &err), -EBADMSG);
    assert_int_equal(agent.ops->export(agent.self, &after, &len), 0);
    memset(before + 16, 0, 8);
    assert_memory_equal(before, after, len);
    free(before);
    free(after);
    alloc_agent_destroy(&agent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_agent_names_the_nearest),
        cmocka_unit_test(static_gives_equal_or_configured_shares),
        cmocka_unit_test(needs_are_met_where_there_is_room),
        cmocka_unit_test(proportional_cuts_by_weight),
        cmocka_unit_test(full_card_gives_an_application_away),
        cmocka_unit_test(full_cards_do_not_swap),
        cmocka_unit_test(drained_card_is_emptied),
        cmocka_unit_test(same_inputs_give_the_same_plan),
        cmocka_unit_test(q_learning_finds_what_pays),
        cmocka_unit_test(q_learning_prefers_what_value_iteration_does),
        cmocka_unit_test(short_checkpoint_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
