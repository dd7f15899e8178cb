// SPDX-License-Identifier: Apache-2.0
// What every subcommand of offloadctl gets: its arguments, the options, and the way to the daemons.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

// Exit codes, in offloadctl.1 too.
enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_MISUSED = 2 };

struct ctl {
    const char *rundir;
    bool json;
    // Options of single commands; NULL or 0 where not given.
    const char *to, *host, *resource, *rrd_dir, *out, *start, *end;
    const char *in_port, *out_port, *log, *root;
    const char *benchmark, *dataset, *model, *times, *graph, *column, *regressors;
    const char *scenario, *agent, *checkpoint, *share, *decisions, *cards;
    const char *data, *weights;
    bool watch, once, term, sweep, card, subset, no_regressors;
    uint64_t interval_ms, count, seconds, width, height, jobs, seed, horizon, period, generated, step_ms;
    int argc; // of the words behind the command
    char **argv;
};

// Prints 'err' as "offloadctl: <message>" and returns CTL_FAILED.
int ctl_fail(const struct offload_err *err);
// Prints what is wrong with the command line, and where help is; returns CTL_MISUSED.
int ctl_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// Prints 'value' as JSON to stdout and releases it; returns CTL_DONE, or CTL_FAILED if stdout is
// full.
int ctl_print_json(struct json_object *value);

typedef int ctl_command_fn(const struct ctl *ctl);
// One a line, so that two new ones do not collide.
// clang-format off
ctl_command_fn cmd_apps;
ctl_command_fn cmd_backtest;
ctl_command_fn cmd_doctor;
ctl_command_fn cmd_drain;
ctl_command_fn cmd_explain;
ctl_command_fn cmd_graph;
ctl_command_fn cmd_import;
ctl_command_fn cmd_migrate;
ctl_command_fn cmd_migrations;
ctl_command_fn cmd_plan;
ctl_command_fn cmd_profile;
ctl_command_fn cmd_replay;
ctl_command_fn cmd_report;
ctl_command_fn cmd_request;
ctl_command_fn cmd_simulate;
ctl_command_fn cmd_status;
ctl_command_fn cmd_top;
ctl_command_fn cmd_train;
ctl_command_fn cmd_undrain;
ctl_command_fn cmd_whatif;
// clang-format on
