// SPDX-License-Identifier: Apache-2.0
// offloadctl backtest: how well the forecaster does, on a benchmark directory or on a person's own
// files.

#include "tools/benchmark.h"
#include "tools/ctl.h"

#include "lib/base/json.h"

#include <offload/forecast.h>

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

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

int
cmd_backtest(const struct ctl *ctl)
{
    int model = read_model(ctl->model);
    if (model == -2)
        return CTL_MISUSED;
    if (ctl->benchmark)
        return run_benchmark(ctl, model);
    return ctl_misuse("backtest wants --benchmark DIR");
}
