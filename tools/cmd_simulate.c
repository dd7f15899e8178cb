// SPDX-License-Identifier: Apache-2.0
// offloadctl simulate: a scenario under an agent, with the engine that runs in production.
// scenario folder -> [simulate] -> figures, decisions

#include "tools/ctl.h"
#include "tools/foresight.h"
#include "tools/progress.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct watcher {
    FILE *decisions; // NULL: nobody wants them
    struct progress progress;
};

static void
write_decision(void *ctx, const struct sim_step *step)
{
    struct watcher *watcher = ctx;
    const struct alloc_state *state = step->state;
    progress_step(&watcher->progress);
    if (!watcher->decisions)
        return;
    for (uint32_t a = 0; a < state->n_apps; a++) {
        const struct alloc_entry *e = &step->plan->entries[a];
        fprintf(watcher->decisions, "%u,%s,%s,%.9g,%.12g,%.12g\n", step->step, state->apps[a].name,
                state->cards[state->apps[a].card].name, e->share.amount[ALLOC_CPU],
                e->share.amount[ALLOC_BANDWIDTH], e->share.amount[ALLOC_MEMORY]);
    }
}

static int
open_decisions(const char *path, FILE **file, struct offload_err *err)
{
    if (!path)
        return 0;
    if (!(*file = fopen(path, "we")))
        return offload_err_set(err, -errno, path, NULL, "could not be written: %s",
                               strerror(errno));
    fputs("step,app,card,cpu_pct,bandwidth_bps,memory_bytes\n", *file);
    return 0;
}

static void
add(struct json_object *o, const char *key, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.10g", value);
    json_object_object_add(o, key, json_object_new_double_s(value, text));
}

static struct json_object *
simulate_to_json(const char *scenario, const char *agent, const char *weights, bool lent,
                 const struct sim_figures *f, const struct foresight *foresight, double seconds)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "scenario", json_object_new_string(scenario));
    json_object_object_add(o, "agent", json_object_new_string(agent));
    json_object_object_add(o, "weights", *weights ? json_object_new_string(weights) : NULL);
    json_object_object_add(o, "share", json_object_new_string(lent ? "lent" : "reserved"));
    add(o, "violation_pct", f->violation_pct);
    add(o, "loss_pct", f->loss_pct);
    for (int c = 0; c < ALLOC_N_CLASSES; c++) {
        char key[40];
        snprintf(key, sizeof key, "violation_pct_%s", alloc_class_names[c]);
        add(o, key, f->violation_class_pct[c]);
    }
    add(o, "changes_per_app_hour", f->changes_per_app_hour);
    add(o, "moves_per_app_day", f->moves_per_app_day);
    add(o, "reward", f->reward);
    json_object_object_add(o, "infeasible_card_steps",
                           json_object_new_uint64(f->infeasible_card_steps));
    json_object_object_add(o, "fallbacks", json_object_new_uint64(f->fallbacks));
    json_object_object_add(o, "app_steps", json_object_new_uint64(f->app_steps));
    add(o, "cpu_seconds", seconds);
    add(o, "forecast_seconds", foresight->seconds);
    json_object_object_add(o, "forecasts_kept", json_object_new_boolean(foresight->kept));
    return o;
}

static void
print_figures(const struct sim_figures *f, const char *weights, const struct foresight *foresight,
              double seconds)
{
    if (*weights)
        printf("learned        %s\n", weights);
    printf("SLA violation  %.2f %% (gold %.2f, silver %.2f, bronze %.2f)\n", f->violation_pct,
           f->violation_class_pct[ALLOC_GOLD], f->violation_class_pct[ALLOC_SILVER],
           f->violation_class_pct[ALLOC_BRONZE]);
    printf("loss           %.2f %%\n", f->loss_pct);
    printf("changes        %.2f an application and hour\n", f->changes_per_app_hour);
    printf("moves          %.2f an application and day\n", f->moves_per_app_day);
    printf("infeasible     %llu card-steps\n", (unsigned long long)f->infeasible_card_steps);
    printf("fallbacks      %llu\n", (unsigned long long)f->fallbacks);
    printf("simulation     %.3f s of CPU for %llu application-steps\n", seconds,
           (unsigned long long)f->app_steps);
    if (foresight->kept)
        printf("forecasts      kept from an earlier run\n");
    else
        printf("forecasts      %.3f s\n", foresight->seconds);
}

int
cmd_simulate(const struct ctl *ctl)
{
    const char *agent = ctl->agent ? ctl->agent : "newsvendor";
    bool lent = ctl->share && !strcmp(ctl->share, "lent");
    if (!ctl->scenario)
        return ctl_misuse("simulate wants --scenario DIR");
    if (ctl->share && !lent && strcmp(ctl->share, "reserved"))
        return ctl_misuse("--share: '%s' is neither reserved nor lent", ctl->share);
    struct offload_err err = {0};
    struct sim_scenario *s = NULL;
    struct sim_duel *duel = NULL;
    struct sim_figures figures;
    struct foresight foresight;
    struct timespec start, end;
    struct watcher watcher = {.decisions = NULL};
    char weights[PATH_MAX];
    int rc = sim_scenario_load(ctl->scenario, &s, &err);
    if (rc)
        return ctl_fail(&err);
    struct alloc_agent_params params = {
        .seed = ctl->seed ? ctl->seed : 1, .n_cards = s->n_cards, .learn = true};
    rc = sim_duel_create(agent, &params, &duel, &err);
    if (!rc && !sim_duel_agent(duel)->ops->learn)
        sim_duel_go_alone(duel);
    if (!rc)
        rc = agent_prepare(sim_duel_agent(duel), ctl->checkpoint, weights, sizeof weights, &err);
    if (!rc)
        rc = foresight_fill(s, ctl->model, &foresight, &err);
    if (!rc)
        rc = open_decisions(ctl->decisions, &watcher.decisions, &err);
    struct sim_run run = {.scenario = s,
                          .duel = duel,
                          .policy = sim_policy(s, lent),
                          .first_step = s->train_steps,
                          .stepped = write_decision,
                          .ctx = &watcher};
    progress_start(&watcher.progress, "steps", s->steps - s->train_steps);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    if (!rc && (rc = sim_world_run(&run, &figures)))
        offload_err_set(&err, rc, ctl->scenario, NULL, "no memory to simulate it");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    progress_end(&watcher.progress);
    if (watcher.decisions && fclose(watcher.decisions) && !rc)
        rc = offload_err_set(&err, -errno, ctl->decisions, NULL, "could not be written: %s",
                             strerror(errno));
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    int status = CTL_DONE;
    if (rc)
        status = ctl_fail(&err);
    else if (ctl->json)
        status = ctl_print_json(
            simulate_to_json(s->name, agent, weights, lent, &figures, &foresight, seconds));
    else
        print_figures(&figures, weights, &foresight, seconds);
    sim_duel_destroy(duel);
    sim_scenario_destroy(s);
    return status;
}
