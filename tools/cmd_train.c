// SPDX-License-Identifier: Apache-2.0
// offloadctl train: lets an agent learn in the simulator, on scenarios and on made-up fleets.
// scenarios -> [train: simulate, learn] -> checkpoint
// After each episode the checkpoint is written, with how far it came in FILE.progress: what was
// stopped goes on there, and comes to the same as if it had not been stopped.

#include "tools/ctl.h"
#include "tools/foresight.h"
#include "tools/progress.h"
#include "tools/train_lstm.h"

#include "lib/base/json.h"
#include "lib/io/statefile.h"

#include <json-c/json.h>

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CARDS_MOST = 1024, GENERATED_DEFAULT = 40, SERVERS = 12 };

struct training {
    const struct ctl *ctl;
    const char *agent;
    uint64_t seed, episodes, done;
    struct sim_scenario *read[64]; // given by folder
    size_t n_read;
    char progress_path[PATH_MAX];
};

// What was done already, if it was for the same training.
static uint64_t
read_progress(const struct training *t)
{
    char *text;
    size_t len;
    unsigned long long done = 0, seed = 0, episodes = 0, n_read = 0;
    if (access(t->ctl->out, R_OK) || statefile_read(t->progress_path, 4096, &text, &len, NULL))
        return 0;
    int n = sscanf(text, "%llu episodes of %llu done with seed %llu on %llu scenarios", &done,
                   &episodes, &seed, &n_read);
    free(text);
    return n == 4 && seed == t->seed && episodes == t->episodes && n_read == t->n_read ? done : 0;
}

static int
write_progress(const struct training *t, struct offload_err *err)
{
    char text[200];
    int n =
        snprintf(text, sizeof text, "%llu episodes of %llu done with seed %llu on %llu scenarios\n",
                 (unsigned long long)t->done, (unsigned long long)t->episodes,
                 (unsigned long long)t->seed, (unsigned long long)t->n_read);
    return statefile_write(t->progress_path, text, (size_t)n, err);
}

static int
read_scenarios(struct training *t, struct offload_err *err)
{
    const struct ctl *ctl = t->ctl;
    for (int i = 1; i < ctl->argc || (i == 1 && ctl->scenario); i++) {
        // --scenario DIR...: the first is the option's, the others are words behind the agent.
        const char *folder = i == 1 ? ctl->scenario : ctl->argv[i];
        struct foresight foresight;
        if (t->n_read == sizeof t->read / sizeof *t->read)
            return offload_err_set(err, -E2BIG, folder, "at most 64", "too many scenarios");
        int rc = sim_scenario_load(folder, &t->read[t->n_read], err);
        if (!rc)
            rc = foresight_fill(t->read[t->n_read++], ctl->model, &foresight, err);
        if (rc)
            return rc;
    }
    return 0;
}

// Episode 'i': each tries less than the one before. Made-up fleets take turns with those read.
static int
run_episode(struct training *t, uint64_t i, struct sim_figures *figures, struct offload_err *err)
{
    bool made_up = !t->n_read || (t->ctl->generated && i % 2);
    struct sim_scenario *s = made_up ? sim_scenario_generate_fleet(t->seed * 1000003 + i, SERVERS)
                                     : t->read[i % t->n_read];
    struct foresight foresight;
    struct sim_duel *duel = NULL;
    struct alloc_agent_params params = {.seed = t->seed,
                                        .n_cards = CARDS_MOST,
                                        .epsilon =
                                            fmax(0.1, 1 - 1.5 * (double)i / (double)t->episodes),
                                        .learn = true};
    if (!s)
        return offload_err_set(err, -ENOMEM, t->ctl->out, NULL, "no memory for a fleet");
    int rc = foresight_fill(s, t->ctl->model, &foresight, err);
    if (!rc)
        rc = sim_duel_create(t->agent, &params, &duel, err);
    struct alloc_agent *agent = duel ? sim_duel_agent(duel) : NULL;
    if (!rc && !agent->ops->learn)
        rc = offload_err_set(err, -EINVAL, NULL, "use q_learning", "agent '%s' learns nothing",
                             t->agent);
    if (!rc)
        sim_duel_go_alone(duel);
    if (!rc && i > 0)
        rc = agent_load(agent, t->ctl->out, err);
    if (!rc) {
        struct sim_run run = {.scenario = s,
                              .duel = duel,
                              .policy = sim_policy(s, false),
                              .first_step = s->train_steps / 2,
                              .number = i * 100000};
        rc = sim_world_run(&run, figures);
    }
    if (!rc)
        rc = agent_save(agent, t->ctl->out, err);
    sim_duel_destroy(duel);
    if (made_up)
        sim_scenario_destroy(s);
    return rc;
}

static int
tell(const struct training *t, double reward)
{
    if (t->ctl->json) {
        struct json_object *told = json_object_new_object();
        json_object_object_add(told, "episodes", json_object_new_uint64(t->episodes));
        json_object_object_add(told, "reward", json_object_new_double(reward));
        json_object_object_add(told, "out", json_object_new_string(t->ctl->out));
        return ctl_print_json(told);
    }
    printf("%s: %llu episodes, reward of the last %.4f\n", t->ctl->out,
           (unsigned long long)t->episodes, reward);
    return CTL_DONE;
}

static int
train(struct training *t, double *reward, struct offload_err *err)
{
    struct progress progress;
    struct sim_figures figures = {0};
    int rc = 0;
    t->done = read_progress(t);
    progress_start(&progress, "episodes", t->episodes);
    for (uint64_t i = 0; i < t->done; i++)
        progress_step(&progress);
    while (!rc && t->done < t->episodes) {
        rc = run_episode(t, t->done, &figures, err);
        if (rc)
            break;
        t->done++;
        rc = write_progress(t, err);
        progress_step(&progress);
    }
    progress_end(&progress);
    if (!rc) {
        unlink(t->progress_path);
        *reward = figures.reward;
    }
    return rc;
}

int
cmd_train(const struct ctl *ctl)
{
    struct training t = {.ctl = ctl, .seed = ctl->seed ? ctl->seed : 1};
    struct offload_err err = {0};
    double reward = 0;
    if (!strcmp(ctl->argv[0], "lstm"))
        return train_lstm(ctl);
    if (strcmp(ctl->argv[0], "agent") || ctl->argc < 2)
        return ctl_misuse("train wants 'agent' and its name, or 'lstm'");
    if (!ctl->out)
        return ctl_misuse("train wants --out FILE");
    struct ctl words = *ctl; // from the agent's name on
    words.argc--;
    words.argv++;
    t.ctl = &words;
    t.agent = words.argv[0];
    snprintf(t.progress_path, sizeof t.progress_path, "%s.progress", ctl->out);
    int rc = read_scenarios(&t, &err);
    t.episodes = ctl->generated ? ctl->generated : GENERATED_DEFAULT;
    if (!rc)
        rc = train(&t, &reward, &err);
    for (size_t i = 0; i < t.n_read; i++)
        sim_scenario_destroy(t.read[i]);
    return rc ? ctl_fail(&err) : tell(&t, reward);
}
