// SPDX-License-Identifier: Apache-2.0
// peak SCENARIO_DIR [--horizon N] [--season N] [--model NAME] [--steps]
//     How good is the need that is published: the quantiles of the horizon's maximum? Walks through
//     a scenario's run as the collectd plugin does (history, then a fit when one is due, a run, a
//     push at each step) and prints a CSV row for each application and one for all:
//       loss50,90,99: mean pinball loss of the maximum, over the application's mean demand
//       below90: share of steps whose true maximum lies below the 90 % quantile
//       ratio90: mean of the quantile over the true maximum; far90: its 95 % quantile over steps
//     "--steps" prints each step's figures instead.
// Horizon and season come from scenario.json, else 4 steps and a day (5 minutes, 1 hour) of steps.

#include <offload/forecast.h>

#include "lib/base/json.h"

#include <json-c/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPS_MAX = 256, PATHS = 400, QUANTILES = 3, FILE_MAX_BYTES = 1 << 16, CAPACITY = 1024 };
static const double QUANTILE[QUANTILES] = {0.5, 0.9, 0.99};

struct scenario {
    size_t steps, train, season, horizon;
    double step_s;
    size_t n_apps;
    char name[APPS_MAX][64];
    double *demand[APPS_MAX]; // [steps], NAN: no row
};

struct tally {
    size_t n;
    double loss[QUANTILES], below90, ratio90;
    double *ratio; // [n]
};

static double
figure(struct json_object *scenario, const char *key, double otherwise)
{
    struct json_object *value;
    return json_object_object_get_ex(scenario, key, &value) ? json_object_get_double(value)
                                                            : otherwise;
}

static int
load_scenario(struct scenario *s, const char *dir)
{
    char path[512];
    snprintf(path, sizeof path, "%s/scenario.json", dir);
    struct offload_err err = {0};
    struct json_object *json = offload_json_load(path, FILE_MAX_BYTES, &err);
    if (!json) {
        char text[900];
        fprintf(stderr, "%s\n", offload_err_format(&err, text, sizeof text));
        return -1;
    }
    s->steps = (size_t)figure(json, "steps", 0);
    s->train = (size_t)figure(json, "train_steps", 0);
    s->step_s = figure(json, "step_s", 1);
    s->season = (size_t)figure(json, "season_steps", 86400 / s->step_s);
    s->horizon = (size_t)figure(json, "horizon_steps", 4);
    json_object_put(json);
    return s->steps > s->train && s->train > 0 ? 0 : -1;
}

static double *
demand_of(struct scenario *s, const char *app)
{
    for (size_t i = 0; i < s->n_apps; i++)
        if (strcmp(s->name[i], app) == 0)
            return s->demand[i];
    if (s->n_apps == APPS_MAX)
        return NULL;
    double *demand = malloc(s->steps * sizeof *demand);
    for (size_t t = 0; demand && t < s->steps; t++)
        demand[t] = NAN;
    snprintf(s->name[s->n_apps], sizeof s->name[0], "%s", app);
    return s->demand[s->n_apps++] = demand;
}

static int
load_demand(struct scenario *s, const char *dir)
{
    char path[512], line[256], app[64];
    snprintf(path, sizeof path, "%s/demand.csv", dir);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    size_t step;
    double value;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%zu,%63[^,],%lf", &step, app, &value) != 3 || step >= s->steps)
            continue;
        double *demand = demand_of(s, app);
        if (demand)
            demand[step] = value;
    }
    fclose(f);
    return s->n_apps ? 0 : -1;
}

static void
note(struct tally *tally, double truth, const double *quantile, double mean)
{
    for (int q = 0; q < QUANTILES; q++) {
        double error = truth - quantile[q];
        tally->loss[q] += fmax(QUANTILE[q] * error, (QUANTILE[q] - 1) * error) / mean;
    }
    double ratio = truth > 0 ? quantile[1] / truth : 1;
    tally->below90 += truth <= quantile[1];
    tally->ratio90 += ratio;
    tally->ratio[tally->n++] = ratio;
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void
print_tally(const char *name, struct tally *t)
{
    double n = t->n;
    if (t->n == 0)
        return;
    qsort(t->ratio, t->n, sizeof *t->ratio, ascending);
    printf("%s,%zu,%.4f,%.4f,%.4f,%.3f,%.3f,%.3f\n", name, t->n, t->loss[0] / n, t->loss[1] / n,
           t->loss[2] / n, t->below90 / n, t->ratio90 / n, offload_quantile(t->ratio, t->n, 0.95));
}

static int
walk(const struct scenario *s, size_t app, int model, bool steps, struct tally *own,
     struct tally *all)
{
    const double *demand = s->demand[app];
    struct offload_forecaster *f =
        offload_forecaster_create(&(struct offload_forecaster_options){.step_s = s->step_s,
                                                                       .period = s->season,
                                                                       .horizon = s->horizon,
                                                                       .capacity = CAPACITY,
                                                                       .model = model});
    struct offload_fan fan;
    if (!f || offload_fan_init(&fan, s->horizon, PATHS))
        return -1;
    double mean = 0;
    for (size_t t = 0; t < s->steps; t++)
        mean += demand[t] / s->steps;
    for (size_t t = 0; t < s->train; t++)
        offload_forecaster_push(f, demand[t], false, NULL);
    for (size_t t = s->train; t + s->horizon <= s->steps; t++) {
        if (offload_forecaster_fit_due(f) >= 1) {
            char text[900];
            offload_forecaster_fit(f, NULL);
            offload_forecaster_explain(f, text, sizeof text);
            fprintf(stderr, "%s %zu: %s\n", s->name[app], t, text);
        }
        double quantile[QUANTILES], truth = demand[t];
        for (size_t h = 1; h < s->horizon; h++)
            truth = fmax(truth, demand[t + h]);
        if (offload_forecaster_run(f, NULL, t, &fan) == 0) {
            for (int q = 0; q < QUANTILES; q++)
                quantile[q] = offload_fan_peak(&fan, QUANTILE[q]);
            note(own, truth, quantile, mean);
            note(all, truth, quantile, mean);
            if (steps)
                printf("%s,%zu,%.6g,%.6g,%.6g,%.6g,%.6g\n", s->name[app], t, demand[t], truth,
                       quantile[0], quantile[1], quantile[2]);
        }
        offload_forecaster_push(f, demand[t], false, NULL);
    }
    offload_fan_fini(&fan);
    offload_forecaster_destroy(f);
    return 0;
}

int
main(int argc, char **argv)
{
    static struct scenario s;
    size_t horizon = 0, season = 0;
    const char *dir = NULL;
    int model = -1;
    bool steps = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--steps") == 0)
            steps = true;
        else if (strcmp(argv[i], "--horizon") == 0 && i + 1 < argc)
            horizon = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--season") == 0 && i + 1 < argc)
            season = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--model") == 0 && i + 1 < argc)
            model = offload_models_find(argv[++i]);
        else
            dir = argv[i];
    }
    if (!dir || load_scenario(&s, dir) || load_demand(&s, dir)) {
        fputs("usage: peak SCENARIO_DIR [--horizon N] [--season N] [--model NAME] [--steps]\n",
              stderr);
        return 2;
    }
    s.horizon = horizon ? horizon : s.horizon;
    s.season = season ? season : s.season;
    struct tally own = {.ratio = malloc(s.steps * sizeof(double))};
    struct tally all = {.ratio = malloc(s.n_apps * s.steps * sizeof(double))};
    if (!own.ratio || !all.ratio)
        return 1;
    puts(steps ? "app,step,demand,true_max,p50,p90,p99"
               : "app,steps,loss50,loss90,loss99,below90,ratio90,far90");
    for (size_t i = 0; i < s.n_apps; i++) {
        own = (struct tally){.ratio = own.ratio};
        if (walk(&s, i, model, steps, &own, &all))
            return 1;
        if (!steps)
            print_tally(s.name[i], &own);
    }
    if (!steps)
        print_tally("all", &all);
    for (size_t i = 0; i < s.n_apps; i++)
        free(s.demand[i]);
    free(own.ratio);
    free(all.ratio);
    return 0;
}
