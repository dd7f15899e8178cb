// SPDX-License-Identifier: Apache-2.0
// offloadctl backtest: how well the forecaster does, on a benchmark directory or on a person's own
// files.

#include "tools/benchmark.h"
#include "tools/ctl.h"
#include "tools/fan_svg.h"
#include "tools/ownseries.h"
#include "tools/progress.h"
#include "tools/table.h"
#include "tools/weights.h"

#include "lib/base/json.h"

#include <offload/forecast.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATHS = 500, ORIGINS_MAX = 4, BEFORE_MAX = 400 };

// Index of the model called 'name', -1 for NULL and "auto", -2: told to be wrong.
static int
read_model(const char *name)
{
    if (!name || !strcmp(name, "auto"))
        return -1;
    int found = offload_models_find(name);
    if (found >= 0)
        return found;
    const char *names[OFFLOAD_MODELS_MAX + 2] = {"auto"};
    for (size_t i = 0; offload_models[i]; i++)
        names[i + 1] = offload_models[i]->name;
    const char *near = offload_nearest(name, names);
    if (near)
        ctl_misuse("--model: '%s' is no model; did you mean '%s'?", name, near);
    else
        ctl_misuse("--model: '%s' is no model", name);
    return -2;
}

static int
run_benchmark(const struct ctl *ctl, int model)
{
    if (ctl->argc > 0 || !ctl->out)
        return ctl_misuse("backtest --benchmark DIR wants --out FILE, and no other file");
    struct offload_err err = {0};
    struct benchmark_result result;
    int rc = benchmark_run(&(struct benchmark_options){.dir = ctl->benchmark,
                                                       .dataset = ctl->dataset,
                                                       .subset = ctl->subset,
                                                       .no_regressors = ctl->no_regressors,
                                                       .model = model,
                                                       .jobs = ctl->jobs,
                                                       .seed = ctl->seed,
                                                       .out = ctl->out,
                                                       .times = ctl->times},
                           &result, &err);
    if (rc)
        return ctl_fail(&err);
    if (result.not_forecast) {
        fprintf(stderr, "offloadctl: %zu of %zu cases could not be forecast, the first for this:\n",
                result.not_forecast, result.cases);
        return ctl_fail(&err);
    }
    if (ctl->json) {
        struct json_object *told = json_object_new_object();
        json_object_object_add(told, "cases", json_object_new_uint64(result.cases));
        json_object_object_add(told, "ms", json_object_new_double(result.ms));
        json_object_object_add(told, "out", json_object_new_string(ctl->out));
        return ctl_print_json(told);
    }
    printf("%zu cases, %.1f ms each, into %s\n", result.cases, result.ms / (double)result.cases,
           ctl->out);
    return CTL_DONE;
}

// ---- A person's own file ----

// What one model, or auto, did over the origins.
struct tested {
    const char *name;
    bool failed;
    double mae, mase, pinball, in80, in95; // sums until finish_tested()
    size_t n;
};

struct backtest {
    const struct ctl *ctl;
    struct ownseries series;
    struct offload_fan fan;
    size_t horizon, n_origins;
    double scale; // mean change over a season
    struct tested tested[OFFLOAD_MODELS_MAX + 1];
    size_t n_tested;
    struct progress progress;
    // Of the last horizon, by auto or --model.
    double (*quantile)[5];
    struct offload_choice choice;
    size_t n_periods, period[OFFLOAD_PERIODS_MAX];
    char explained[1200];
};

// A forecaster fitted to the first 'n' values (NULL: told in 'err').
static struct offload_forecaster *
fit_own(const struct backtest *b, size_t n, int model, struct offload_err *err)
{
    const struct ownseries *s = &b->series;
    double least = 0;
    for (size_t t = 0; t < s->n; t++)
        least = fmin(least, s->value[t]);
    struct offload_forecaster *f = offload_forecaster_create(&(struct offload_forecaster_options){
        .step_s = s->step_s,
        .period = b->ctl->period,
        .horizon = b->horizon,
        .capacity = n,
        .signed_values = least < 0,
        .model = model,
        .n_regressors = b->ctl->no_regressors ? 0 : s->n_x,
        .regressor = (const char *const *)s->x_name,
        .start_s = s->start_s,
        .seed = b->ctl->seed,
    });
    if (!f) {
        offload_err_set(err, -ENOMEM, s->name, NULL, "no memory to forecast it");
        return NULL;
    }
    for (size_t t = 0; t < n; t++)
        offload_forecaster_push(f, s->value[t], false, s->n_x ? s->x + t * s->n_x : NULL);
    if (offload_forecaster_fit(f, err) == 0)
        return f;
    offload_forecaster_destroy(f);
    return NULL;
}

static const double told_p[] = {0.1, 0.9, 0.025, 0.975};

static void
compare(const struct backtest *b, size_t origin, struct tested *tested)
{
    for (size_t h = 0; h < b->horizon; h++) {
        double y = b->series.value[origin + h];
        if (isnan(y))
            continue;
        double q[4], loss = fabs(y - b->fan.mean[h]) / 2;
        for (size_t i = 0; i < 4; i++) {
            q[i] = offload_fan_step(&b->fan, h, told_p[i]);
            loss += fmax(told_p[i] * (y - q[i]), (told_p[i] - 1) * (y - q[i]));
        }
        tested->mae += fabs(y - b->fan.mean[h]);
        tested->pinball += loss / 5 / b->scale;
        tested->in80 += y >= q[0] && y <= q[1];
        tested->in95 += y >= q[2] && y <= q[3];
        tested->n++;
    }
}

// The last origin of what the person asked for is also the picture and the explanation.
static void
keep_last(struct backtest *b, const struct offload_forecaster *f)
{
    for (size_t h = 0; h < b->horizon; h++) {
        b->quantile[h][0] = b->fan.mean[h];
        for (size_t i = 0; i < 4; i++)
            b->quantile[h][i + 1] = offload_fan_step(&b->fan, h, told_p[i]);
    }
    b->choice = *offload_forecaster_choice(f);
    b->n_periods = offload_forecaster_periods(f, b->period);
    offload_forecaster_explain(f, b->explained, sizeof b->explained);
}

static int
test_model(struct backtest *b, int model, bool keep, struct offload_err *err)
{
    struct tested *tested = &b->tested[b->n_tested++];
    *tested = (struct tested){.name = model < 0 ? "auto" : offload_models[model]->name};
    for (size_t o = b->n_origins; o-- > 0;) {
        size_t origin = b->series.n - (o + 1) * b->horizon;
        const double *x = b->series.n_x ? b->series.x + origin * b->series.n_x : NULL;
        struct offload_err why = {0};
        struct offload_forecaster *f = fit_own(b, origin, model, &why);
        progress_step(&b->progress);
        if (!f ||
            offload_forecaster_run(f, b->ctl->no_regressors ? NULL : x, b->ctl->seed, &b->fan)) {
            offload_forecaster_destroy(f);
            tested->failed = true;
            if (!keep)
                continue; // a model that this series is not of the kind of
            offload_err_prefix(&why, b->series.name);
            *err = why;
            return -EDOM;
        }
        compare(b, origin, tested);
        if (keep && o == 0)
            keep_last(b, f);
        offload_forecaster_destroy(f);
    }
    return 0;
}

// The mean change over a season (over a step where there is none), as scales errors.
static double
scale_of(const struct ownseries *s, size_t period)
{
    double sum = 0, n = 0;
    for (size_t t = period; t < s->n; t++)
        if (!isnan(s->value[t]) && !isnan(s->value[t - period])) {
            sum += fabs(s->value[t] - s->value[t - period]);
            n++;
        }
    return sum > 0 ? sum / n : period > 1 ? scale_of(s, 1) : 1;
}

static int
test_all(struct backtest *b, int model, struct offload_err *err)
{
    const struct ctl *ctl = b->ctl;
    struct offload_series view = {
        .value = b->series.value, .n = b->series.n, .step_s = b->series.step_s};
    size_t n = b->series.n, period = ctl->period;
    if (!period)
        period = offload_period_detect(&view, OFFLOAD_PERIOD_MAX);
    b->horizon = ctl->horizon ? ctl->horizon : period > 1 ? period : 24;
    if (b->horizon > n / 4 && !ctl->horizon)
        b->horizon = n / 4;
    if (2 * b->horizon > n)
        return offload_err_set(err, -EINVAL, "--horizon", "at most half of the series",
                               "%zu steps are too many for %zu values", b->horizon, n);
    while (b->n_origins < ORIGINS_MAX && n - (b->n_origins + 1) * b->horizon >= n / 2)
        b->n_origins++;
    b->scale = scale_of(&b->series, period);
    b->quantile = malloc(b->horizon * sizeof *b->quantile);
    if (!b->quantile || offload_fan_init(&b->fan, b->horizon, PATHS))
        return offload_err_set(err, -ENOMEM, b->series.name, NULL, "no memory to forecast it");
    progress_start(&b->progress, "fits",
                   b->n_origins * (model < 0 ? offload_models_count() + 1 : 1));
    int rc = test_model(b, model, true, err);
    for (int i = 0; rc == 0 && model < 0 && offload_models[i]; i++)
        rc = test_model(b, i, false, err);
    progress_end(&b->progress);
    return rc;
}

static int
by_mae(const void *a, const void *b)
{
    const struct tested *x = a, *y = b;
    if (x->failed != y->failed)
        return x->failed - y->failed;
    return x->mae < y->mae ? -1 : x->mae > y->mae;
}

static void
print_own(const struct backtest *b)
{
    static const char *const headings[] = {"MODEL",  ">MASE",  ">MAE", ">PINBALL",
                                           ">COV80", ">COV95", NULL};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < b->n_tested; i++) {
        const struct tested *t = &b->tested[i];
        double n = (double)t->n;
        table_cell(table, "%s", t->name);
        if (t->failed) {
            for (size_t k = 1; headings[k]; k++)
                table_cell(table, "%s", "");
            continue;
        }
        table_cell(table, "%.3f", t->mae / n / b->scale);
        table_cell(table, "%.4g", t->mae / n);
        table_cell(table, "%.4f", t->pinball / n);
        table_cell(table, "%.1f", 100 * t->in80 / n);
        table_cell(table, "%.1f", 100 * t->in95 / n);
    }
    printf("%s: %zu values, %g s a step; %zu origins, %zu steps ahead each\n", b->series.name,
           b->series.n, b->series.step_s, b->n_origins, b->horizon);
    table_print(table, stdout);
    printf("chosen: %s\n", b->explained);
    table_destroy(table);
}

static struct json_object *
choice_json(const struct backtest *b)
{
    struct json_object *members = json_object_new_array();
    for (size_t m = 0; m < b->choice.n_members; m++) {
        const struct offload_member *member = &b->choice.member[m];
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "model",
                               json_object_new_string(offload_models[member->model]->name));
        json_object_object_add(row, "weight", json_object_new_double(member->weight));
        json_object_object_add(row, "regressors", json_object_new_boolean(member->x));
        if (b->n_periods)
            json_object_object_add(row, "season",
                                   json_object_new_uint64(b->period[member->season]));
        json_object_array_add(members, row);
    }
    return members;
}

static struct json_object *
own_json(const struct backtest *b)
{
    struct json_object *told = json_object_new_object(), *models = json_object_new_array();
    for (size_t i = 0; i < b->n_tested; i++) {
        const struct tested *t = &b->tested[i];
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "model", json_object_new_string(t->name));
        if (!t->failed && t->n) {
            double n = (double)t->n;
            json_object_object_add(row, "mase", json_object_new_double(t->mae / n / b->scale));
            json_object_object_add(row, "mae", json_object_new_double(t->mae / n));
            json_object_object_add(row, "pinball", json_object_new_double(t->pinball / n));
            json_object_object_add(row, "cov80", json_object_new_double(t->in80 / n));
            json_object_object_add(row, "cov95", json_object_new_double(t->in95 / n));
        }
        json_object_array_add(models, row);
    }
    json_object_object_add(told, "series", json_object_new_string(b->series.name));
    json_object_object_add(told, "values", json_object_new_uint64(b->series.n));
    json_object_object_add(told, "horizon", json_object_new_uint64(b->horizon));
    json_object_object_add(told, "origins", json_object_new_uint64(b->n_origins));
    json_object_object_add(told, "models", models);
    json_object_object_add(told, "choice", choice_json(b));
    json_object_object_add(told, "why", json_object_new_string(b->explained));
    return told;
}

static int
draw_own(const struct backtest *b, struct offload_err *err)
{
    size_t origin = b->series.n - b->horizon, before = 4 * b->horizon;
    if (before > origin)
        before = origin;
    if (before > BEFORE_MAX && before > b->horizon)
        before = BEFORE_MAX > b->horizon ? BEFORE_MAX : b->horizon;
    return fan_svg_write(b->ctl->graph,
                         &(struct fan_svg){.title = b->series.name,
                                           .before = b->series.value + origin - before,
                                           .n_before = before,
                                           .horizon = b->horizon,
                                           .quantile = (const double(*)[5])b->quantile,
                                           .actual = b->series.value + origin},
                         err);
}

static int
run_own(const struct ctl *ctl, const char *path, int model, struct json_object *all,
        struct offload_err *err)
{
    struct backtest b = {.ctl = ctl};
    int rc = ownseries_read(path, ctl->column, ctl->regressors, &b.series, err);
    if (rc)
        return rc;
    rc = test_all(&b, model, err);
    if (rc == 0) {
        for (size_t i = 0; i < b.n_tested; i++)
            b.tested[i].failed |= b.tested[i].n == 0;
        qsort(b.tested, b.n_tested, sizeof *b.tested, by_mae);
        if (ctl->graph)
            rc = draw_own(&b, err);
        if (rc == 0 && ctl->json)
            json_object_array_add(all, own_json(&b));
        else if (rc == 0)
            print_own(&b);
    }
    offload_fan_fini(&b.fan);
    free(b.quantile);
    ownseries_free(&b.series);
    return rc;
}

static int
run_files(const struct ctl *ctl, int model)
{
    if (ctl->argc == 0)
        return ctl_misuse("backtest wants --benchmark DIR or files");
    if (ctl->out || ctl->times || ctl->dataset || ctl->subset)
        return ctl_misuse("--out, --times, --dataset and --subset go with --benchmark");
    if (ctl->graph && ctl->argc > 1)
        return ctl_misuse("--graph draws one file");
    struct json_object *all = ctl->json ? json_object_new_array() : NULL;
    struct offload_err err = {0};
    for (int i = 0; i < ctl->argc; i++)
        if (run_own(ctl, ctl->argv[i], model, all, &err)) {
            json_object_put(all);
            return ctl_fail(&err);
        }
    return ctl->json ? ctl_print_json(all) : CTL_DONE;
}

int
cmd_backtest(const struct ctl *ctl)
{
    int model = read_model(ctl->model);
    if (model == -2)
        return CTL_MISUSED;
    struct offload_err err = {0};
    if (weights_load(ctl->weights, &err))
        return ctl_fail(&err);
    return ctl->benchmark ? run_benchmark(ctl, model) : run_files(ctl, model);
}
