// SPDX-License-Identifier: Apache-2.0
// The card model against its closed form, traces with faults, and that no decision sees the future.
#include "lib/sim/world.h"

#include <offload/forecast.h>

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct alloc_state *
one_app(void)
{
    struct alloc_state *s = alloc_state_create(1, 1);
    s->cards[0].cycles_per_s = 1e9;
    s->cards[0].capacity = (struct alloc_share){{100, 1e9, 1e8}};
    s->apps[0] = (struct alloc_app){.weight = 1,
                                    .cycles_per_byte = 1,
                                    .burst_bytes = 1e4,
                                    .state_bytes = 1e6,
                                    .max_delay_s = 0.01};
    alloc_state_index(s);
    return s;
}

// The need is what the model asks for, no more and no less: with it the SLA holds, with 2 % less it
// breaks.
static void
need_is_exact(void **unused)
{
    (void)unused;
    struct alloc_state *s = one_app();
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    struct sim_outcome out;
    double offered = 4e8;
    for (double factor = 0.98; factor < 1.01; factor += 0.020001) {
        alloc_need(&s->apps[0], &s->cards[0], offered, 1, &plan->entries[0].share);
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            plan->entries[0].share.amount[r] *= factor;
        sim_card_step(s, plan, &offered, 0, &out);
        assert_int_equal(out.breached, factor < 1);
    }
    alloc_need(&s->apps[0], &s->cards[0], offered, 1, &plan->entries[0].share);
    sim_card_step(s, plan, &offered, 0, &out);
    assert_float_equal(out.delay_s, 0.01, 1e-9);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// The burst that the model is given comes back from the delay that it says.
static void
burst_is_found_from_the_delay(void **unused)
{
    (void)unused;
    struct alloc_state *s = one_app();
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    plan->entries[0].share = (struct alloc_share){{80, 6e8, 1e8}};
    double offered = 3e8;
    struct sim_outcome out;
    sim_card_step(s, plan, &offered, 0, &out);
    assert_float_equal(sim_card_burst(offered, out.service_bps, out.delay_s), 1e4, 1e-6);
    assert_true(isnan(sim_card_burst(offered, offered, 1)));
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

static void
overload_loses_what_does_not_fit(void **unused)
{
    (void)unused;
    struct alloc_state *s = one_app();
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    plan->entries[0].share = (struct alloc_share){{100, 3e8, 1e8}};
    double offered = 4e8;
    struct sim_outcome out;
    sim_card_step(s, plan, &offered, 0, &out);
    assert_float_equal(out.loss_frac, 0.25, 1e-12);
    assert_true(isinf(out.delay_s) && out.breached);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

// Where unused shares are lent, a card that is too small for all serves the better class first,
// whatever the shares; with reserved ones everyone keeps to his own.
static void
lent_bandwidth_goes_by_class(void **unused)
{
    (void)unused;
    struct alloc_state *s = alloc_state_create(1, 2);
    s->cards[0].cycles_per_s = 1e9;
    s->cards[0].capacity = (struct alloc_share){{100, 1e9, 1e9}};
    for (uint32_t a = 0; a < 2; a++)
        s->apps[a] = (struct alloc_app){.class = a ? ALLOC_BRONZE : ALLOC_GOLD,
                                        .weight = 1,
                                        .burst_bytes = 1e4,
                                        .max_delay_s = 0.01};
    alloc_state_index(s);
    struct alloc_plan *plan = alloc_plan_create(s, 1, 1, 1);
    for (uint32_t a = 0; a < 2; a++)
        plan->entries[a].share = (struct alloc_share){{50, 5e8, 5e8}};
    double offered[] = {7e8, 6e8};
    struct sim_outcome out[2];
    sim_card_step(s, plan, offered, 0, out);
    assert_true(out[0].breached && out[1].breached);
    s->policy.lent = true;
    sim_card_step(s, plan, offered, 0, out);
    assert_true(!out[0].breached && out[1].breached);
    assert_true(out[1].loss_frac > 0.5); // all that is missing is missing to it
    s->apps[0].max_bps = 5e8;
    sim_card_step(s, plan, offered, 0, out);
    assert_true(out[0].breached);
    alloc_plan_destroy(plan);
    alloc_state_destroy(s);
}

static void
run(struct sim_scenario *s, const char *agent, struct sim_figures *figures,
    void (*stepped)(void *, const struct sim_step *),
    void *ctx)
{
    struct alloc_agent_params params = {
        .seed = 1, .n_cards = s->n_cards, .epsilon = 0.2, .learn = true};
    struct sim_duel *duel;
    assert_int_equal(sim_foresee(s, offload_models_find("ridge"), NULL, NULL), 0);
    assert_int_equal(sim_duel_create(agent, &params, &duel, NULL), 0);
    struct sim_run r = {.scenario = s,
                        .duel = duel,
                        .policy = alloc_policy_default,
                        .first_step = 240,
                        .stepped = stepped,
                        .ctx = ctx};
    r.policy.moves_at_once = true;
    r.policy.max_change_pct = 100;
    assert_int_equal(sim_world_run(&r, figures), 0);
    sim_duel_destroy(duel);
}

struct record {
    double sum[600];
};

static void
note(void *ctx, const struct sim_step *step)
{
    struct record *record = ctx;
    for (uint32_t a = 0; a < step->plan->n_entries; a++)
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            record->sum[step->step] +=
                step->plan->entries[a].share.amount[r] * (a + 1) + step->state->apps[a].card;
}

// A policy that sees the future gives itself away when the future is changed: decisions up to the
// change must be the same to the bit, and those after it must not.
static void
decisions_do_not_see_the_future(void **unused)
{
    (void)unused;
    struct sim_scenario *s = sim_scenario_generate(5), *other = sim_scenario_generate(5);
    for (uint32_t k = 400; k < other->steps; k++)
        for (uint32_t a = 0; a < other->n_apps; a++)
            other->offered[(size_t)k * other->n_apps + a] *= 3;
    for (size_t i = 1; alloc_agents[i]; i++) { // static looks at nothing at all
        struct sim_figures figures;
        static struct record first, second;
        memset(&first, 0, sizeof first);
        memset(&second, 0, sizeof second);
        run(s, alloc_agents[i]->name, &figures, note, &first);
        run(other, alloc_agents[i]->name, &figures, note, &second);
        for (uint32_t k = 240; k <= 400; k++)
            if (first.sum[k] != second.sum[k])
                fail_msg("%s: step %u knew of step 400", alloc_agents[i]->name, k);
        assert_true(memcmp(first.sum + 401, second.sum + 401, 50 * sizeof *first.sum) != 0);
    }
    sim_scenario_destroy(s);
    sim_scenario_destroy(other);
}

static void
no_agent_is_infeasible_in_a_whole_run(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim_scenario *s = sim_scenario_generate(seed);
        for (size_t i = 0; alloc_agents[i]; i++) {
            struct sim_figures figures;
            run(s, alloc_agents[i]->name, &figures, NULL, NULL);
            assert_int_equal(figures.infeasible_card_steps, 0);
        }
        sim_scenario_destroy(s);
    }
}

static void
write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

// Loads a scenario of two steps whose demand.csv is 'trace'; returns the error's text in 'text'.
static int
load(const char *trace, char *text, size_t size)
{
    char folder[] = "/tmp/offload-sim.XXXXXX", path[256];
    static const char *const files[] = {"scenario.json", "cards.csv", "apps.csv", "demand.csv"};
    struct sim_scenario *s = NULL;
    struct offload_err err = {0};
    assert_non_null(mkdtemp(folder));
    write_file(folder, files[0], "{\"steps\":2,\"train_steps\":1,\"step_s\":60}");
    write_file(folder, files[1],
               "card,server,bandwidth_bps,cycles_per_s,memory_bytes\nc,s,1e9,1e9,1e9\n");
    write_file(
        folder, files[2],
        "app,card,class,weight,cycles_per_byte,burst_bytes,state_bytes,max_delay_ms,max_loss\n"
        "a,c,gold,4,1,1000,1000,1,0\n");
    write_file(folder, files[3], trace);
    int rc = sim_scenario_load(folder, &s, &err);
    sim_scenario_destroy(s);
    offload_err_format(&err, text, size);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
    return rc;
}

// A trace with holes or unknown names is refused with the place, and nothing is replayed.
static void
faulty_traces_are_refused(void **unused)
{
    (void)unused;
    char text[700];
    assert_int_equal(load("step,app,offered_bps\n0,a,1\n1,a,2\n", text, sizeof text), 0);
    assert_int_equal(load("step,app,offered_bps\n0,a,1\n", text, sizeof text), -EINVAL);
    assert_non_null(strstr(text, "step 1 of 'a' is missing"));
    assert_int_equal(load("step,app,offered_bps\n0,a,1\n1,b,2\n", text, sizeof text), -EINVAL);
    assert_non_null(strstr(text, "demand.csv:3"));
    assert_int_equal(load("step,app,offered_bps\n0,a,nan\n1,a,2\n", text, sizeof text), -EINVAL);
    assert_int_equal(load("step,app,offered_bps\n0,a,1\n0,a,1\n1,a,2\n", text, sizeof text),
                     -EINVAL);
    assert_int_equal(load("step,app,offered_bps\n0,a,1\n7,a,2\n", text, sizeof text), -EINVAL);
    assert_int_equal(load("step,app,offered_bps\n0,a\n1,a,2\n", text, sizeof text), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(need_is_exact),
        cmocka_unit_test(burst_is_found_from_the_delay),
        cmocka_unit_test(overload_loses_what_does_not_fit),
        cmocka_unit_test(lent_bandwidth_goes_by_class),
        cmocka_unit_test(decisions_do_not_see_the_future),
        cmocka_unit_test(no_agent_is_infeasible_in_a_whole_run),
        cmocka_unit_test(faulty_traces_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
