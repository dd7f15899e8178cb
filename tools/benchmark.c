// SPDX-License-Identifier: Apache-2.0
// A benchmark directory: reads cases, forecasts them on several threads, writes forecasts in the
// manifest's order.
// Threads: each takes the next case, which it alone then writes; all else is read only.

#include "tools/benchmark.h"

#include "tools/csv.h"
#include "tools/progress.h"

#include <offload/forecast.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILES_MAX = 64, PATHS = 500, PATH_BYTES = 1024 };

struct series_file {
    char path[PATH_BYTES];
    struct csv csv;
    int id, value, time; // columns; time -1: none
};

struct bench_case {
    const char *id; // of the manifest's text
    const struct series_file *file;
    size_t first_row, train, horizon; // rows of the file
    double step_s, start_s;
    size_t n_periods, period[OFFLOAD_PERIODS_MAX];
    size_t n_regressors;
    int column[OFFLOAD_REGRESSORS_MAX];
    const char *name[OFFLOAD_REGRESSORS_MAX];
    double (*quantile)[5]; // [horizon] mean, lo80, hi80, lo95, hi95; NULL: could not be forecast
    double ms;
    struct offload_err err;
};

struct benchmark {
    const struct benchmark_options *options;
    char manifest_path[PATH_BYTES];
    struct csv manifest;
    struct series_file file[FILES_MAX];
    size_t n_files;
    struct bench_case *cases;
    size_t n_cases;
    atomic_size_t next;   // case to take; relaxed: the threads' end orders all else
    pthread_mutex_t lock; // of 'progress'
    struct progress progress;
};

// ---- Reading ----

static int
open_file(struct benchmark *b, const char *name, const struct series_file **out,
          struct offload_err *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", b->options->dir, name);
    for (size_t i = 0; i < b->n_files; i++)
        if (!strcmp(b->file[i].path, path)) {
            *out = &b->file[i];
            return 0;
        }
    if (b->n_files == FILES_MAX)
        return offload_err_set(err, -E2BIG, b->manifest_path, "at most 64", "too many files");
    struct series_file *file = &b->file[b->n_files];
    snprintf(file->path, sizeof file->path, "%s", path);
    int rc = csv_read(file->path, &file->csv, err);
    if (rc)
        return rc;
    b->n_files++;
    file->time = csv_find(&file->csv, "timestamp");
    file->id = csv_need(&file->csv, "series_id", err);
    if (file->id < 0)
        return file->id;
    file->value = csv_need(&file->csv, "value", err);
    *out = file;
    return file->value < 0 ? file->value : 0;
}

// A count of the manifest: from 'least' up.
static int
read_count(const struct benchmark *b, size_t row, const char *column, size_t least, size_t most,
           size_t *out, struct offload_err *err)
{
    int at = csv_need(&b->manifest, column, err);
    double value;
    if (at < 0)
        return at;
    int rc = csv_number(&b->manifest, row, (size_t)at, false, &value, err);
    if (rc)
        return rc;
    if (value < (double)least || value > (double)most || value != floor(value)) {
        char where[PATH_BYTES + 64], expected[64];
        snprintf(where, sizeof where, "%s:%zu: column '%s'", b->manifest.path,
                 b->manifest.line[row], column);
        snprintf(expected, sizeof expected, "a count of %zu to %zu", least, most);
        return offload_err_set(err, -ERANGE, where, expected, "%g is out of range", value);
    }
    *out = (size_t)value;
    return 0;
}

static int
read_text(const struct benchmark *b, size_t row, const char *column, const char **out,
          struct offload_err *err)
{
    int at = csv_need(&b->manifest, column, err);
    if (at < 0)
        return at;
    *out = csv_cell(&b->manifest, row, (size_t)at);
    return 0;
}

// "24;168"
static int
read_periods(const struct benchmark *b, struct bench_case *c, size_t row, const char *text,
             struct offload_err *err)
{
    char where[PATH_BYTES + 64];
    for (const char *from = text; *from;) {
        char *end;
        unsigned long period = strtoul(from, &end, 10);
        if (end == from || (*end && *end != ';') || period < 1 || period > OFFLOAD_PERIOD_MAX) {
            snprintf(where, sizeof where, "%s:%zu: column 'periods'", b->manifest.path,
                     b->manifest.line[row]);
            return offload_err_set(err, -EINVAL, where, "steps, 1 to 4096, with ';' between",
                                   "'%s' is no list of periods", text);
        }
        if (c->n_periods < OFFLOAD_PERIODS_MAX && period > 1)
            c->period[c->n_periods++] = period;
        from = *end ? end + 1 : end;
    }
    return 0;
}

static int
read_regressors(struct bench_case *c, char *text, struct offload_err *err)
{
    for (char *name; (name = strsep(&text, ";"));) {
        if (!*name || c->n_regressors == OFFLOAD_REGRESSORS_MAX)
            continue;
        int column = csv_need(&c->file->csv, name, err);
        if (column < 0)
            return column;
        c->name[c->n_regressors] = name;
        c->column[c->n_regressors++] = column;
    }
    return 0;
}

// Finds the series and checks that it is as long as the manifest says.
static int
find_rows(const struct benchmark *b, struct bench_case *c, size_t row, const char *series,
          size_t first, struct offload_err *err)
{
    const struct csv *csv = &c->file->csv;
    size_t id = (size_t)c->file->id, start = 0, n = 0;
    while (start < csv->n_rows && strcmp(csv_cell(csv, start, id), series))
        start++;
    while (start + n < csv->n_rows && !strcmp(csv_cell(csv, start + n, id), series))
        n++;
    if (n < first + c->train + c->horizon) {
        char where[PATH_BYTES + 32];
        snprintf(where, sizeof where, "%s:%zu", b->manifest.path, b->manifest.line[row]);
        return offload_err_set(err, -EINVAL, where, NULL,
                               "case '%s' needs %zu rows of series '%s', and %s has %zu", c->id,
                               first + c->train + c->horizon, series, csv->path, n);
    }
    c->first_row = start + first;
    double time;
    c->start_s = 0;
    // A running number is no calendar.
    if (c->file->time >= 0 && strchr(csv_cell(csv, c->first_row, (size_t)c->file->time), '-') &&
        csv_time(csv, c->first_row, (size_t)c->file->time, &time, NULL) == 0)
        c->start_s = time;
    return 0;
}

static int
read_case(struct benchmark *b, size_t row, struct bench_case *c, struct offload_err *err)
{
    const char *file, *series, *periods, *regressors;
    size_t first, step_s;
    int rc;
    if ((rc = read_text(b, row, "case_id", &c->id, err)) ||
        (rc = read_text(b, row, "file", &file, err)) ||
        (rc = read_text(b, row, "series_id", &series, err)) ||
        (rc = read_text(b, row, "periods", &periods, err)) ||
        (rc = read_text(b, row, "regressors", &regressors, err)) ||
        (rc = read_count(b, row, "first", 0, SIZE_MAX / 4, &first, err)) ||
        (rc = read_count(b, row, "train_len", 2, OFFLOAD_HISTORY_MAX, &c->train, err)) ||
        (rc = read_count(b, row, "horizon", 1, OFFLOAD_HORIZON_MAX, &c->horizon, err)) ||
        (rc = read_count(b, row, "step_seconds", 1, 1000000000, &step_s, err)) ||
        (rc = read_periods(b, c, row, periods, err)) || (rc = open_file(b, file, &c->file, err)) ||
        (rc = find_rows(b, c, row, series, first, err)))
        return rc;
    c->step_s = (double)step_s;
    return b->options->no_regressors ? 0 : read_regressors(c, (char *)regressors, err);
}

static int
read_cases(struct benchmark *b, struct offload_err *err)
{
    const struct benchmark_options *o = b->options;
    b->cases = calloc(b->manifest.n_rows, sizeof *b->cases);
    if (!b->cases)
        return offload_err_set(err, -ENOMEM, b->manifest_path, NULL, "no memory for its cases");
    for (size_t row = 0; row < b->manifest.n_rows; row++) {
        const char *dataset, *subset;
        int rc;
        if ((rc = read_text(b, row, "dataset", &dataset, err)) ||
            (rc = read_text(b, row, "subset", &subset, err)))
            return rc;
        if ((o->dataset && strcmp(dataset, o->dataset)) || (o->subset && strcmp(subset, "1")))
            continue;
        if ((rc = read_case(b, row, &b->cases[b->n_cases], err)))
            return rc;
        b->n_cases++;
    }
    if (b->n_cases == 0)
        return offload_err_set(err, -EINVAL, b->manifest_path, NULL,
                               o->dataset ? "no case of data set '%s'" : "no such case",
                               o->dataset);
    return 0;
}

// ---- Forecasting ----

static double
thread_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// Training values, and regressors of training part and horizon.
static int
load_case(const struct bench_case *c, double *value, double *x, struct offload_err *err)
{
    const struct csv *csv = &c->file->csv;
    for (size_t t = 0; t < c->train; t++) {
        int rc = csv_number(csv, c->first_row + t, (size_t)c->file->value, true, &value[t], err);
        if (rc)
            return rc;
    }
    for (size_t t = 0; t < c->train + c->horizon; t++)
        for (size_t k = 0; k < c->n_regressors; k++) {
            int rc = csv_number(csv, c->first_row + t, (size_t)c->column[k], true,
                                &x[t * c->n_regressors + k], err);
            if (rc)
                return rc;
        }
    return 0;
}

static int
forecast_values(const struct benchmark_options *o, struct bench_case *c, const double *value,
                const double *x, struct offload_fan *fan)
{
    double least = 0, start_ms = thread_ms();
    for (size_t t = 0; t < c->train; t++)
        least = fmin(least, value[t]);
    struct offload_forecaster_options options = {
        .step_s = c->step_s,
        .period = c->n_periods ? c->period[0] : 1,
        .horizon = c->horizon,
        .capacity = c->train,
        .signed_values = least < 0,
        .model = o->model,
        .n_regressors = c->n_regressors,
        .regressor = c->name,
        .start_s = c->start_s,
        .seed = o->seed,
    };
    for (size_t k = 1; k < c->n_periods; k++)
        options.longer[k - 1] = c->period[k];
    struct offload_forecaster *f = offload_forecaster_create(&options);
    if (!f)
        return offload_err_set(&c->err, -ENOMEM, c->id, NULL, "no memory to forecast it");
    for (size_t t = 0; t < c->train; t++)
        offload_forecaster_push(f, value[t], false, x ? x + t * c->n_regressors : NULL);
    int rc = offload_forecaster_fit(f, &c->err);
    if (rc == 0)
        rc = offload_forecaster_run(f, x ? x + c->train * c->n_regressors : NULL, o->seed, fan);
    c->ms = thread_ms() - start_ms;
    offload_forecaster_destroy(f);
    return rc;
}

static void
forecast_case(const struct benchmark_options *o, struct bench_case *c)
{
    struct offload_fan fan = {0};
    double *value = malloc(c->train * sizeof *value), *x = NULL;
    if (c->n_regressors)
        x = malloc((c->train + c->horizon) * c->n_regressors * sizeof *x);
    if (!value || (c->n_regressors && !x) || offload_fan_init(&fan, c->horizon, PATHS)) {
        offload_err_set(&c->err, -ENOMEM, c->id, NULL, "no memory to forecast it");
        goto out;
    }
    if (load_case(c, value, x, &c->err) || forecast_values(o, c, value, x, &fan) ||
        !(c->quantile = malloc(c->horizon * sizeof *c->quantile)))
        goto out;
    for (size_t h = 0; h < c->horizon; h++) {
        static const double p[] = {0.1, 0.9, 0.025, 0.975};
        c->quantile[h][0] = fan.mean[h];
        for (size_t i = 0; i < 4; i++)
            c->quantile[h][i + 1] = offload_fan_step(&fan, h, p[i]);
    }
out:
    offload_fan_fini(&fan);
    free(value);
    free(x);
}

static void *
forecast_cases(void *ctx)
{
    struct benchmark *b = ctx;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);
        if (i >= b->n_cases)
            return NULL;
        forecast_case(b->options, &b->cases[i]);
        pthread_mutex_lock(&b->lock);
        progress_step(&b->progress);
        pthread_mutex_unlock(&b->lock);
    }
}

static void
forecast_all(struct benchmark *b)
{
    pthread_t thread[256];
    size_t started = 0, most = sizeof thread / sizeof *thread;
    progress_start(&b->progress, "cases", b->n_cases);
    while (started + 1 < b->options->jobs && started < most &&
           pthread_create(&thread[started], NULL, forecast_cases, b) == 0)
        started++;
    forecast_cases(b);
    for (size_t i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    progress_end(&b->progress);
}

// ---- Writing ----

static void
write_forecast(const struct bench_case *c, FILE *to)
{
    for (size_t h = 0; c->quantile && h < c->horizon; h++) {
        const double *q = c->quantile[h];
        fprintf(to, "%s,%zu,%.10g,%.10g,%.10g,%.10g,%.10g\n", c->id, h + 1, q[0], q[1], q[2], q[3],
                q[4]);
    }
}

static void
write_time(const struct bench_case *c, FILE *to)
{
    fprintf(to, "%s,%.3f\n", c->id, c->ms);
}

static int
write_file(const struct benchmark *b, const char *path, const char *head,
           void (*line)(const struct bench_case *c, FILE *to), struct offload_err *err)
{
    FILE *to = fopen(path, "w");
    if (to) {
        fprintf(to, "%s\n", head);
        for (size_t i = 0; i < b->n_cases; i++)
            line(&b->cases[i], to);
        bool failed = ferror(to);
        if (fclose(to) == 0 && !failed)
            return 0;
    }
    int code = errno ? -errno : -EIO;
    return offload_err_set(err, code, path, "a file that can be written", "%s", strerror(-code));
}

static void
free_all(struct benchmark *b)
{
    for (size_t i = 0; i < b->n_cases; i++)
        free(b->cases[i].quantile);
    free(b->cases);
    for (size_t i = 0; i < b->n_files; i++)
        csv_free(&b->file[i].csv);
    csv_free(&b->manifest);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

int
benchmark_run(const struct benchmark_options *options, struct benchmark_result *result,
              struct offload_err *err)
{
    struct benchmark *b = calloc(1, sizeof *b);
    if (!b)
        return offload_err_set(err, -ENOMEM, options->dir, NULL, "no memory to read it");
    b->options = options;
    pthread_mutex_init(&b->lock, NULL);
    snprintf(b->manifest_path, sizeof b->manifest_path, "%s/manifest.csv", options->dir);
    int rc = csv_read(b->manifest_path, &b->manifest, err);
    if (rc == 0)
        rc = read_cases(b, err);
    if (rc)
        goto out;
    forecast_all(b);
    *result = (struct benchmark_result){.cases = b->n_cases};
    for (size_t i = 0; i < b->n_cases; i++) {
        result->ms += b->cases[i].ms;
        if (b->cases[i].quantile)
            continue;
        result->not_forecast++;
        if (err && err->code == 0)
            *err = b->cases[i].err;
    }
    rc = write_file(b, options->out, "case_id,step,mean,lo80,hi80,lo95,hi95", write_forecast, err);
    if (rc == 0 && options->times)
        rc = write_file(b, options->times, "case_id,ms", write_time, err);
out:
    free_all(b);
    return rc;
}
