// SPDX-License-Identifier: Apache-2.0
// Replays allocation scenarios under our agents.
//   allocate SCENARIO_DIR [--agent NAME] [--checkpoint F] [--decisions D.csv] [--lent]
//   allocate --speed
// Prints one JSON object a run with the figures that the scenarios' scorer counts. D.csv has the
// form that the scorer reads: step,app,card,cpu_pct,bandwidth_bps,memory_bytes.
#include "lib/io/statefile.h"
#include "lib/sim/world.h"

#include <offload/forecast.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    const char *folder, *agent, *checkpoint, *decisions;
    unsigned long seed;
    bool lent, speed;
    double epsilon;
};

enum { TABLE_BYTES_MAX = 16 << 20 };

static void
write_decision(void *ctx, const struct sim_step *step)
{
    const struct alloc_state *state = step->state;
    for (uint32_t a = 0; a < state->n_apps; a++) {
        const struct alloc_entry *e = &step->plan->entries[a];
        fprintf(ctx, "%u,%s,%s,%.9g,%.12g,%.12g\n", step->step, state->apps[a].name,
                state->cards[state->apps[a].card].name, e->share.amount[ALLOC_CPU],
                e->share.amount[ALLOC_BANDWIDTH], e->share.amount[ALLOC_MEMORY]);
    }
}

static int
load_checkpoint(struct alloc_agent *agent, const char *path, struct offload_err *err)
{
    uint32_t version = agent->ops->checkpoint_version;
    char *payload;
    size_t len;
    int rc = checkpoint_read(path, agent->ops->checkpoint_kind, &version, TABLE_BYTES_MAX, &payload,
                             &len, err);
    if (rc)
        return rc;
    rc = agent->ops->import(agent->self, payload, len, err);
    free(payload);
    return rc;
}

static void
print_figures(const char *scenario, const char *agent, const struct sim_figures *f)
{
    printf(
        "{\"bench\":\"allocate\",\"scenario\":\"%s\",\"agent\":\"%s\",\"violation_pct\":%.2f,"
        "\"loss_pct\":%.2f,"
        "\"violation_pct_gold\":%.2f,\"violation_pct_silver\":%.2f,\"violation_pct_bronze\":%.2f,"
        "\"changes_per_app_hour\":%.2f,\"moves_per_app_day\":%.2f,\"reward\":%.4f,\"infeasible\":%"
        "lu,"
        "\"fallbacks\":%lu}\n",
        scenario, agent, f->violation_pct, f->loss_pct, f->violation_class_pct[ALLOC_GOLD],
        f->violation_class_pct[ALLOC_SILVER], f->violation_class_pct[ALLOC_BRONZE],
        f->changes_per_app_hour, f->moves_per_app_day, f->reward,
        (unsigned long)f->infeasible_card_steps, (unsigned long)f->fallbacks);
}

static int
replay(const struct options *o, struct offload_err *err)
{
    struct sim_scenario *s;
    struct sim_figures figures;
    struct sim_duel *duel = NULL;
    FILE *decisions = NULL;
    int rc = sim_scenario_load(o->folder, &s, err);
    if (rc)
        return rc;
    struct alloc_agent_params params = {
        .seed = o->seed, .n_cards = s->n_cards, .epsilon = o->epsilon, .learn = true};
    rc = sim_foresee(s, offload_models_find("ridge"), NULL, NULL);
    if (!rc)
        rc = sim_duel_create(o->agent, &params, &duel, err);
    if (!rc && !sim_duel_agent(duel)->ops->learn)
        sim_duel_go_alone(duel);
    if (!rc && o->checkpoint)
        rc = load_checkpoint(sim_duel_agent(duel), o->checkpoint, err);
    if (!rc && o->decisions && !(decisions = fopen(o->decisions, "we")))
        rc = offload_err_set(err, -errno, o->decisions, NULL, "could not be written: %s",
                             strerror(errno));
    if (decisions)
        fputs("step,app,card,cpu_pct,bandwidth_bps,memory_bytes\n", decisions);
    struct sim_run run = {.scenario = s,
                          .duel = duel,
                          .policy = sim_policy(s, o->lent),
                          .first_step = s->train_steps,
                          .stepped = decisions ? write_decision : NULL,
                          .ctx = decisions};
    if (!rc)
        rc = sim_world_run(&run, &figures);
    if (!rc)
        print_figures(s->name, o->agent, &figures);
    if (decisions)
        fclose(decisions);
    sim_duel_destroy(duel);
    sim_scenario_destroy(s);
    return rc;
}

// Application-steps a second of one core's time, forecasts aside.
static int
speed(struct offload_err *err)
{
    enum { REPEATS = 20 };
    struct sim_scenario *s = sim_scenario_generate(1);
    int rc = s ? sim_foresee(s, offload_models_find("ridge"), NULL, NULL) : -ENOMEM;
    for (size_t i = 0; !rc && alloc_agents[i]; i++) {
        struct alloc_agent_params params = {.seed = 1, .n_cards = s->n_cards};
        double steps = 0;
        clock_t start = clock();
        for (int k = 0; !rc && k < REPEATS; k++) {
            struct sim_duel *duel = NULL;
            struct sim_figures figures = {0};
            rc = sim_duel_create(alloc_agents[i]->name, &params, &duel, err);
            if (rc)
                break;
            sim_duel_go_alone(duel);
            struct sim_run run = {.scenario = s,
                                  .duel = duel,
                                  .policy = sim_policy(s, false),
                                  .first_step = s->train_steps};
            rc = sim_world_run(&run, &figures);
            steps += (double)figures.app_steps;
            sim_duel_destroy(duel);
        }
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (!rc)
            printf("{\"bench\":\"allocate\",\"metric\":\"sim_app_steps_per_s\",\"agent\":\"%s\","
                   "\"ours\":%.0f,\"peer\":\"wanted\",\"theirs\":1000000,\"ratio\":%.2f}\n",
                   alloc_agents[i]->name, steps / seconds, steps / seconds / 1e6);
    }
    sim_scenario_destroy(s);
    return rc;
}

static void
usage(void)
{
    fputs("usage: allocate SCENARIO_DIR [--agent NAME] [--checkpoint FILE] [--decisions FILE] "
          "[--lent] [--seed N]\n"
          "       allocate --speed\n",
          stderr);
}

int
main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"agent", required_argument, NULL, 'a'},     {"checkpoint", required_argument, NULL, 'c'},
        {"decisions", required_argument, NULL, 'd'}, {"train", required_argument, NULL, 't'},
        {"episodes", required_argument, NULL, 'n'},  {"seed", required_argument, NULL, 's'},
        {"epsilon", required_argument, NULL, 'e'},   {"lent", no_argument, NULL, 'l'},
        {"speed", no_argument, NULL, 'v'},           {0},
    };
    struct options o = {.agent = "proportional", .seed = 1};
    struct offload_err err = {0};
    char text[1024];
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'a':
            o.agent = optarg;
            break;
        case 'c':
            o.checkpoint = optarg;
            break;
        case 'd':
            o.decisions = optarg;
            break;
        case 's':
            o.seed = strtoul(optarg, NULL, 10);
            break;
        case 'e':
            o.epsilon = strtod(optarg, NULL);
            break;
        case 'v':
            o.speed = true;
            break;
        case 'l':
            o.lent = true;
            break;
        default:
            usage();
            return 2;
        }
    }
    if (!o.speed && optind + 1 != argc) {
        usage();
        return 2;
    }
    o.folder = argv[optind];
    int rc = o.speed ? speed(&err) : replay(&o, &err);
    if (rc)
        fprintf(stderr, "allocate: %s\n",
                err.code ? offload_err_format(&err, text, sizeof text) : strerror(-rc));
    return rc ? 1 : 0;
}
