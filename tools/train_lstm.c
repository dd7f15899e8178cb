// SPDX-License-Identifier: Apache-2.0
// offloadctl train lstm: makes the network's weights anew. Training can be stopped (SIGINT,
// SIGTERM) at any time: what it has come to is kept beside the weights, and the same command goes
// on from there.

#include "tools/csv.h"
#include "tools/ctl.h"
#include "tools/progress.h"
#include "tools/train_lstm.h"

#include "lib/forecast/lstm_train.h"
#include "lib/io/statefile.h"

#include <offload/forecast.h>

#include <json-c/json.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERIES_MAX = 10000,
    GENERATED = 320000,    // series, where the command line does not say
    SAVE_STEPS = 2000,     // after which a run that dies has lost no more
    RUN_KIND = 0x5254534c, // "LSTR", a training that is not over
    RUN_VERSION = 1,
};
static const double GIVEN = 0.3; // share of given series, where there are any

static volatile sig_atomic_t stopped;

static void
stop(int signal)
{
    (void)signal;
    stopped = 1;
}

// ---- Given series ----

struct given {
    struct lstm_train_series *series;
    size_t n;
};

static void
given_free(struct given *given)
{
    for (size_t i = 0; i < given->n; i++)
        free(given->series[i].value);
    free(given->series);
}

// Takes 'value' over. What is too short or never changes teaches nothing and is left out.
static void
add_series(struct given *given, double *value, size_t n)
{
    struct lstm_train_series s = {.value = value, .n = n, .season = 1};
    size_t period[2];
    for (size_t t = 0; t < n; t++)
        if (isnan(value[t]))
            value[t] = t > 0 ? value[t - 1] : 0;
    struct offload_series series = {.value = value, .n = n, .step_s = 1};
    size_t found = offload_periods_detect(&series, 672, period, 2);
    if (found > 0)
        s.season = period[0];
    if (found > 1 && n > 3 * period[1])
        s.longer = period[1];
    if (given->n == SERIES_MAX || n < 6 * s.season + 100) {
        free(value);
        return;
    }
    given->series[given->n++] = s;
}

// Rows of a series stand together; a file without a column series_id holds one.
static int
read_file(struct given *given, const char *path, struct offload_err *err)
{
    struct csv csv;
    int rc = csv_read(path, &csv, err);
    if (rc)
        return rc;
    int id = csv_find(&csv, "series_id"), column = csv_need(&csv, "value", err);
    rc = column < 0 ? column : 0;
    for (size_t row = 0, end; rc == 0 && row < csv.n_rows; row = end) {
        for (end = row + 1; end < csv.n_rows; end++)
            if (id >= 0 && strcmp(csv_cell(&csv, row, (size_t)id), csv_cell(&csv, end, (size_t)id)))
                break;
        double *value = malloc((end - row) * sizeof *value);
        if (!value)
            rc = offload_err_set(err, -ENOMEM, path, NULL, "no memory for its series");
        for (size_t t = row; rc == 0 && t < end; t++)
            rc = csv_number(&csv, t, (size_t)column, true, &value[t - row], err);
        if (rc)
            free(value);
        else
            add_series(given, value, end - row);
    }
    csv_free(&csv);
    return rc;
}

static int
is_csv(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 4 && !strcmp(entry->d_name + n - 4, ".csv") && strcmp(entry->d_name, "manifest.csv");
}

// A file, or a folder's CSV files by name, so that the order is always the same.
static int
read_given(struct given *given, const char *path, struct offload_err *err)
{
    struct dirent **entry;
    int n = scandir(path, &entry, is_csv, alphasort), rc = 0;
    if (n < 0)
        return read_file(given, path, err);
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, entry[i]->d_name);
        if (rc == 0)
            rc = read_file(given, file, err);
        free(entry[i]);
    }
    free(entry);
    return rc;
}

// ---- The run ----

static int
save_run(const struct lstm_train *train, const char *path, struct offload_err *err)
{
    static char bytes[LSTM_TRAIN_BYTES];
    lstm_train_save(train, bytes);
    return checkpoint_write(path, RUN_KIND, RUN_VERSION, bytes, sizeof bytes, err);
}

static int
resume_run(struct lstm_train *train, const char *path, struct offload_err *err)
{
    uint32_t version = RUN_VERSION;
    char *bytes;
    size_t len;
    int rc = checkpoint_read(path, RUN_KIND, &version, LSTM_TRAIN_BYTES + 1024, &bytes, &len, err);
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    rc = lstm_train_resume(train, bytes, len, err);
    free(bytes);
    return rc;
}

static int
run_steps(struct lstm_train *train, uint64_t steps, const char *run, double *loss,
          struct offload_err *err)
{
    struct progress progress;
    bool more = lstm_train_steps_done(train) < steps;
    int rc = 0;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    progress_start(&progress, "batches", steps - lstm_train_steps_done(train));
    *loss = NAN;
    while (more && !stopped && rc == 0) {
        double now = lstm_train_step(train, &more);
        if (isnan(now))
            rc = offload_err_set(err, -ENOMEM, "train", NULL, "no memory for a batch");
        *loss = isnan(*loss) ? now : 0.999 * *loss + 0.001 * now;
        if (lstm_train_steps_done(train) % SAVE_STEPS == 0 && rc == 0)
            rc = save_run(train, run, err);
        progress_step(&progress);
    }
    progress_end(&progress);
    return rc;
}

static int
tell(const struct ctl *ctl, const struct lstm_train *train, double loss, bool over)
{
    unsigned long long done = lstm_train_steps_done(train);
    if (ctl->json) {
        struct json_object *told = json_object_new_object();
        json_object_object_add(told, "batches", json_object_new_uint64(done));
        json_object_object_add(told, "loss", json_object_new_double(loss));
        json_object_object_add(told, "over", json_object_new_boolean(over));
        json_object_object_add(told, "out", json_object_new_string(ctl->out));
        return ctl_print_json(told);
    }
    if (over)
        printf("%llu batches, loss %.4f, into %s\n", done, loss, ctl->out);
    else
        printf("stopped after %llu batches; the same command goes on\n", done);
    return over ? CTL_DONE : CTL_FAILED;
}

int
train_lstm(const struct ctl *ctl)
{
    if (!ctl->out)
        return ctl_misuse("train wants --out FILE");
    struct offload_err err = {0};
    struct given given = {.series = calloc(SERIES_MAX, sizeof *given.series)};
    struct lstm_train *train = NULL;
    char run[PATH_MAX];
    double loss;
    int rc = given.series ? 0 : -ENOMEM;
    snprintf(run, sizeof run, "%s.run", ctl->out);
    if (rc == 0 && ctl->data)
        rc = read_given(&given, ctl->data, &err);
    for (int i = 1; rc == 0 && i < ctl->argc; i++)
        rc = read_given(&given, ctl->argv[i], &err);
    uint64_t generated = ctl->generated ? ctl->generated : GENERATED;
    struct lstm_train_options options = {.steps = (generated + LSTM_BATCH_SERIES - 1) /
                                                  LSTM_BATCH_SERIES,
                                         .series = given.series,
                                         .n_series = given.n,
                                         .given = GIVEN};
    if (rc == 0 && (rc = lstm_train_create(&options, ctl->seed, &train)))
        offload_err_set(&err, rc, "train", NULL, "no memory");
    if (rc == 0)
        rc = resume_run(train, run, &err);
    if (rc == 0)
        rc = run_steps(train, options.steps, run, &loss, &err);
    bool over = rc == 0 && lstm_train_steps_done(train) == options.steps;
    if (over)
        rc = checkpoint_write(ctl->out, OFFLOAD_LSTM_KIND, OFFLOAD_LSTM_VERSION,
                              lstm_train_weights(train), LSTM_WEIGHTS * sizeof(float), &err);
    else if (rc == 0)
        rc = save_run(train, run, &err);
    if (rc == 0 && over)
        remove(run);
    int code = rc ? ctl_fail(&err) : tell(ctl, train, loss, over);
    lstm_train_destroy(train);
    given_free(&given);
    return code;
}
