// SPDX-License-Identifier: Apache-2.0
// offloadctl whatif: a site's own recorded history under any agent: what would it have done here?
// site -> foresight -> [whatif: simulate each agent] -> table, JSON, picture

#include "tools/ctl.h"
#include "tools/foresight.h"
#include "tools/site.h"
#include "tools/svg_chart.h"
#include "tools/table.h"

#include "lib/base/json.h"
#include "lib/sim/world.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usual_agents[] = "static,reactive,proportional,newsvendor,q_learning,dqn";
enum { AGENTS_MAX = 8, WIDTH = 960, HEIGHT = 360, LEFT = 70, RIGHT = 130, TOP = 40, BOTTOM = 36 };

// One agent's run.
struct result {
    char agent[OFFLOAD_NAME_MAX + 1];
    char weights[300]; // that it started from; "": none
    struct sim_figures figures;
    double *broken; // hours of applications' broken SLAs so far, by weight, one a decided step
};

struct whatif {
    struct site site;
    struct foresight foresight;
    struct result result[AGENTS_MAX];
    unsigned n_results;
};

static void
note_step(void *ctx, const struct sim_step *step)
{
    struct result *result = ctx;
    const struct sim_scenario *s = step->scenario;
    double before = step->n > 0 ? result->broken[step->n - 1] : 0, sum = 0, weight = 0;
    for (uint32_t a = 0; a < s->n_apps; a++) {
        weight += s->apps[a].weight;
        sum += step->outcome[a].breached ? s->apps[a].weight : 0;
    }
    result->broken[step->n] = before + sum / weight * s->n_apps * s->step_s / 3600;
}

static int
run_agent(const struct ctl *ctl, struct whatif *w, struct result *result, struct offload_err *err)
{
    const struct sim_scenario *s = w->site.scenario;
    struct alloc_agent_params params = {.seed = ctl->seed, .n_cards = s->n_cards, .learn = true};
    struct sim_duel *duel = NULL;
    result->broken = calloc(s->steps + 1u, sizeof *result->broken);
    int rc = result->broken ? sim_duel_create(result->agent, &params, &duel, err) : -ENOMEM;
    if (!rc && !sim_duel_agent(duel)->ops->learn)
        sim_duel_go_alone(duel);
    if (!rc)
        rc = agent_prepare(sim_duel_agent(duel), ctl->checkpoint, result->weights,
                           sizeof result->weights, err);
    struct sim_run run = {.scenario = s,
                          .duel = duel,
                          .policy = w->site.policy,
                          .first_step = s->train_steps,
                          .stepped = note_step,
                          .ctx = result};
    if (!rc)
        rc = sim_world_run(&run, &result->figures);
    sim_duel_destroy(duel);
    return rc;
}

static int
run_all(const struct ctl *ctl, struct whatif *w, struct offload_err *err)
{
    char *names = strdup(ctl->agent ? ctl->agent : usual_agents), *rest = names;
    int rc = names ? 0 : -ENOMEM;
    for (char *name; !rc && (name = strsep(&rest, ","));) {
        if (w->n_results == AGENTS_MAX) {
            rc = offload_err_set(err, -E2BIG, "--agent", "at most 8", "too many agents");
            break;
        }
        struct result *result = &w->result[w->n_results++];
        snprintf(result->agent, sizeof result->agent, "%s", name);
        rc = run_agent(ctl, w, result, err);
    }
    free(names);
    return rc;
}

// ---- what it came to

static void
print_table(const struct whatif *w)
{
    static const char *const headings[] = {"AGENT",    ">BROKEN %", ">GOLD",      ">SILVER",
                                           ">BRONZE",  ">LOST %",   ">CHANGES/H", ">MOVES/DAY",
                                           "LEARNED", NULL};
    struct table *table = table_create(headings);
    for (unsigned i = 0; i < w->n_results; i++) {
        const struct result *r = &w->result[i];
        table_cell(table, "%s", r->agent);
        table_cell(table, "%.2f", r->figures.violation_pct);
        for (int c = 0; c < ALLOC_N_CLASSES; c++)
            table_cell(table, "%.2f", r->figures.violation_class_pct[c]);
        table_cell(table, "%.2f", r->figures.loss_pct);
        table_cell(table, "%.2f", r->figures.changes_per_app_hour);
        table_cell(table, "%.2f", r->figures.moves_per_app_day);
        table_cell(table, "%s", r->weights);
    }
    table_print(table, stdout);
    table_destroy(table);
}

static void
print_site(const struct whatif *w)
{
    const struct sim_scenario *s = w->site.scenario;
    char from[40], until[40];
    time_t ends = w->site.from + (time_t)(s->steps * s->step_s);
    struct tm tm;
    strftime(from, sizeof from, "%F %T", localtime_r(&w->site.from, &tm));
    strftime(until, sizeof until, "%F %T", localtime_r(&ends, &tm));
    printf("%u applications on %u cards, %s to %s in steps of %g s; the first %u of %u steps are "
           "history alone.\n",
           s->n_apps, s->n_cards, from, until, s->step_s, s->train_steps, s->steps);
    if (w->site.filled)
        printf("%zu of %zu values were not recorded: the one before stands in.\n", w->site.filled,
               (size_t)s->steps * s->n_apps);
    printf("Shares are %s. static has what everyone has today.\n\n",
           w->site.policy.lent ? "lent while unused" : "reserved");
}

static void
print_recorded(const struct whatif *w)
{
    if (!isnan(w->site.recorded_pct))
        printf("\nThe manager that ran then recorded %.2f %% broken.\n", w->site.recorded_pct);
}

static void
add(struct json_object *o, const char *key, double value)
{
    json_object_object_add(o, key, isnan(value) ? NULL : json_object_new_double(value));
}

static struct json_object *
whatif_to_json(const struct whatif *w)
{
    const struct sim_scenario *s = w->site.scenario;
    struct json_object *o = json_object_new_object(), *list = json_object_new_array();
    json_object_object_add(o, "site", json_object_new_string(s->name));
    add(o, "from_s", (double)w->site.from);
    add(o, "step_s", s->step_s);
    json_object_object_add(o, "steps", json_object_new_int64(s->steps));
    json_object_object_add(o, "history_steps", json_object_new_int64(s->train_steps));
    json_object_object_add(o, "values_missing", json_object_new_int64((int64_t)w->site.filled));
    json_object_object_add(o, "share",
                           json_object_new_string(w->site.policy.lent ? "lent" : "reserved"));
    add(o, "recorded_violation_pct", w->site.recorded_pct);
    for (unsigned i = 0; i < w->n_results; i++) {
        const struct result *r = &w->result[i];
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "agent", json_object_new_string(r->agent));
        json_object_object_add(row, "weights",
                               *r->weights ? json_object_new_string(r->weights) : NULL);
        add(row, "violation_pct", r->figures.violation_pct);
        for (int c = 0; c < ALLOC_N_CLASSES; c++) {
            char key[40];
            snprintf(key, sizeof key, "violation_pct_%s", alloc_class_names[c]);
            add(row, key, r->figures.violation_class_pct[c]);
        }
        add(row, "loss_pct", r->figures.loss_pct);
        add(row, "changes_per_app_hour", r->figures.changes_per_app_hour);
        add(row, "moves_per_app_day", r->figures.moves_per_app_day);
        json_object_object_add(row, "infeasible_card_steps",
                               json_object_new_uint64(r->figures.infeasible_card_steps));
        json_object_array_add(list, row);
    }
    json_object_object_add(o, "agents", list);
    return o;
}

// ---- the picture: hours of broken SLAs so far, a line an agent

static const char *const colors[AGENTS_MAX] = {"#777",    "#c03",    "#e08a00", "#2a8a3c",
                                               "#0b5fa5", "#7a3fa0", "#333",    "#a05a2c"};

static void
draw_agent(FILE *to, const struct result *r, unsigned i, uint32_t n, double most)
{
    fprintf(to, "<path stroke=\"%s\" stroke-width=\"2\" d=\"", colors[i]);
    for (uint32_t k = 0; k < n; k++)
        fprintf(to, "%c%.1f %.1f", k ? 'L' : 'M', LEFT + (double)(WIDTH - LEFT - RIGHT) * k / n,
                TOP + (HEIGHT - TOP - BOTTOM) * (1 - r->broken[k] / most));
    fprintf(to, "\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">", WIDTH - RIGHT + 10,
            TOP + 12 + 18 * (int)i, colors[i]);
    html_print(r->agent, to);
    fprintf(to, ": %.1f h</text>\n", n ? r->broken[n - 1] : 0);
}

static int
draw(const char *path, const struct whatif *w, struct offload_err *err)
{
    uint32_t n = w->site.scenario->steps - w->site.scenario->train_steps;
    double most = 1e-9;
    FILE *to = fopen(path, "we");
    if (!to)
        return offload_err_set(err, -errno, path, "a file that can be written", "%s",
                               strerror(errno));
    for (unsigned i = 0; i < w->n_results; i++)
        most = fmax(most, w->result[i].broken[n - 1]);
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" fill=\"none\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"%d\" height=\"%d\" "
            "fill=\"#fff\"/>\n<text x=\"%d\" y=\"22\" fill=\"#333\">Hours of broken SLAs so far, by "
            "weight</text>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
    for (int i = 0; i <= 4; i++) {
        int y = TOP + (HEIGHT - TOP - BOTTOM) * (4 - i) / 4;
        fprintf(to,
                "<path stroke=\"#ddd\" d=\"M%d %dH%d\"/>\n<text x=\"%d\" y=\"%d\" fill=\"#333\" "
                "text-anchor=\"end\">%.4g</text>\n",
                LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, most * i / 4);
    }
    for (unsigned i = 0; i < w->n_results; i++)
        draw_agent(to, &w->result[i], i, n, most);
    fputs("</svg>\n", to);
    bool failed = ferror(to);
    if (fclose(to) == 0 && !failed)
        return 0;
    return offload_err_set(err, -EIO, path, "room on the disk", "it could not be written");
}

int
cmd_whatif(const struct ctl *ctl)
{
    static struct whatif w; // results are large
    struct offload_err err = {0};
    if (ctl->share && strcmp(ctl->share, "lent") && strcmp(ctl->share, "reserved"))
        return ctl_misuse("--share: '%s' is neither reserved nor lent", ctl->share);
    if (ctl->checkpoint && (!ctl->agent || strchr(ctl->agent, ',')))
        return ctl_misuse("--checkpoint wants one --agent, whose it is");
    int rc = site_read(ctl, &w.site, &err);
    if (!rc)
        rc = foresight_fill(w.site.scenario, ctl->model, &w.foresight, &err);
    if (!rc)
        rc = run_all(ctl, &w, &err);
    if (!rc && ctl->graph)
        rc = draw(ctl->graph, &w, &err);
    int status = rc ? ctl_fail(&err) : CTL_DONE;
    if (!rc && ctl->json) {
        status = ctl_print_json(whatif_to_json(&w));
    } else if (!rc) {
        print_site(&w);
        print_table(&w);
        print_recorded(&w);
    }
    for (unsigned i = 0; i < w.n_results; i++)
        free(w.result[i].broken);
    site_fini(&w.site);
    return status;
}
