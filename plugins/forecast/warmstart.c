// SPDX-License-Identifier: Apache-2.0
// RRD files -> [warmstart] -> table's series.  Runs once, in collectd's init, before any read.
// Layout of collectd's rrdtool plugin: DIR/HOST/PLUGIN-INSTANCE/TYPE-INSTANCE.rrd, one data source
// of the type each. collectd may be writing all the while: librrd locks no reader out, and a file
// that is half-way is read as of its last complete row.

#include "plugins/forecast/warmstart.h"

#include "plugins/forecast/rrdhead.h"

#include <rrd.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARCHIVES_MAX = 64, FILES_MAX = 65536 };

// What one file's data source says of each step.
struct history {
    const struct feed *feed;
    bool is_gauge;
    double *value; // [n_steps], NAN: nothing
};

struct walk {
    struct table *table;
    struct steps *steps;
    int64_t first_step, last_step;
    size_t n_steps;
    unsigned uid;
    struct warmstart_report *report;
    struct history *history;
    size_t n_histories;
};

struct archive {
    unsigned long row_s; // seconds a row
    unsigned long rows;
};

static void
refuse(struct walk *w, const char *path, const char *why)
{
    if (w->report->n_refused++ == 0)
        snprintf(w->report->refused, sizeof w->report->refused, "%.200s: %.100s", path, why);
}

static int
coarse_first(const void *a, const void *b)
{
    const struct archive *x = a, *y = b;
    return x->row_s < y->row_s ? 1 : x->row_s > y->row_s ? -1 : 0;
}

static struct archive *
archive_at(const char *key, struct archive *archive)
{
    unsigned i;
    return sscanf(key, "rra[%u]", &i) == 1 && i < ARCHIVES_MAX ? &archive[i] : NULL;
}

// What is known of a file and one data source in it.
struct file {
    const char *path, *data_source;
    struct archive archive[ARCHIVES_MAX]; // of averages, the coarsest first
    size_t n_archives;
    time_t last_update;
    bool is_gauge;
};

// -EIO: no archive, or librrd's error is set.
static int
look_into(struct file *file)
{
    char type_key[96];
    snprintf(type_key, sizeof type_key, "ds[%s].type", file->data_source);
    struct archive found[ARCHIVES_MAX] = {{0}};
    bool average[ARCHIVES_MAX] = {false};
    unsigned long step = 0;
    rrd_info_t *info = rrd_info_r(file->path);
    for (rrd_info_t *i = info; i; i = i->next) {
        struct archive *a = archive_at(i->key, found);
        if (strcmp(i->key, "step") == 0)
            step = i->value.u_cnt;
        else if (strcmp(i->key, "last_update") == 0)
            file->last_update = (time_t)i->value.u_cnt;
        else if (strcmp(i->key, type_key) == 0)
            file->is_gauge = strcmp(i->value.u_str, "GAUGE") == 0;
        else if (a && strstr(i->key, "].cf"))
            average[a - found] = strcmp(i->value.u_str, "AVERAGE") == 0;
        else if (a && strstr(i->key, "].rows"))
            a->rows = i->value.u_cnt;
        else if (a && strstr(i->key, "].pdp_per_row"))
            a->row_s = i->value.u_cnt;
    }
    rrd_info_free(info);
    for (size_t i = 0; i < ARCHIVES_MAX; i++)
        if (average[i] && found[i].rows && found[i].row_s && step) {
            found[i].row_s *= step;
            file->archive[file->n_archives++] = found[i];
        }
    qsort(file->archive, file->n_archives, sizeof *file->archive, coarse_first);
    return file->n_archives ? 0 : -EIO;
}

// Adds the rows of one archive to 'sum' and 'count' by step. A row says what was up to its end, as
// a value on the bus does, so a row's end gives its (last) step.
static void
add_rows(const struct walk *w, time_t start, unsigned long row_s, size_t rows, size_t columns,
         const rrd_value_t *column, double *sum, uint32_t *count)
{
    double step_s = w->table->config->step_s;
    double stride_s = fmin(step_s, row_s);
    for (size_t row = 0; row < rows; row++) {
        double value = column[row * columns];
        if (isnan(value))
            continue;
        double from_s = start + (double)row * row_s;
        for (double end_s = from_s + stride_s; end_s <= from_s + row_s + 1e-6; end_s += stride_s) {
            int64_t step = (int64_t)floor(end_s / step_s + 1e-9);
            if (step < w->first_step || step > w->last_step)
                continue;
            sum[step - w->first_step] += value;
            count[step - w->first_step]++;
        }
    }
}

static int
read_archive(const struct walk *w, const struct file *file, const struct archive *archive,
             double *sum, uint32_t *count)
{
    unsigned long row_s = archive->row_s, columns = 0;
    time_t end = file->last_update - file->last_update % (time_t)row_s;
    time_t start = end - (time_t)(archive->rows * row_s);
    time_t wanted = (time_t)(w->first_step * w->table->config->step_s) - (time_t)row_s;
    if (start < wanted)
        start = wanted - wanted % (time_t)row_s;
    if (start >= end)
        return 0;
    char **name = NULL;
    rrd_value_t *data = NULL;
    if (rrd_fetch_r(file->path, "AVERAGE", &start, &end, &row_s, &columns, &name, &data))
        return -EIO;
    size_t rows = (size_t)(end - start) / row_s;
    for (size_t c = 0; c < columns; c++) {
        if (strcmp(name[c], file->data_source) == 0)
            add_rows(w, start, row_s, rows, columns, data + c, sum, count);
        rrd_freemem(name[c]);
    }
    rrd_freemem(name);
    rrd_freemem(data);
    return 0;
}

// All archives joined: coarse ones first, finer ones over them.
static int
read_history(const struct walk *w, struct file *file, double *value)
{
    if (look_into(file))
        return -EIO;
    double *sum = malloc(w->n_steps * sizeof *sum);
    uint32_t *count = malloc(w->n_steps * sizeof *count);
    int rc = sum && count ? 0 : -ENOMEM;
    for (size_t i = 0; i < w->n_steps; i++)
        value[i] = NAN;
    for (size_t a = 0; rc == 0 && a < file->n_archives; a++) {
        memset(sum, 0, w->n_steps * sizeof *sum);
        memset(count, 0, w->n_steps * sizeof *count);
        rc = read_archive(w, file, &file->archive[a], sum, count);
        for (size_t i = 0; rc == 0 && i < w->n_steps; i++)
            if (count[i])
                value[i] = sum[i] / count[i];
    }
    free(sum);
    free(count);
    return rc;
}

static int
keep_history(struct walk *w, const struct feed *feed, const char *fd_path, const char *path)
{
    struct history *grown = realloc(w->history, (w->n_histories + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    w->history = grown;
    double *value = malloc(w->n_steps * sizeof *value);
    if (!value)
        return -ENOMEM;
    struct file file = {.path = fd_path, .data_source = feed->data_source};
    int rc = read_history(w, &file, value);
    if (rc) {
        const char *text = rrd_test_error() ? rrd_get_error() : "no archive of averages";
        if (rc != -ENOMEM)
            refuse(w, path, text);
        rrd_clear_error();
        free(value);
        return rc == -ENOMEM ? rc : 0;
    }
    w->history[w->n_histories++] =
        (struct history){.feed = feed, .is_gauge = file.is_gauge, .value = value};
    return 0;
}

// librrd maps the file and believes its header.
static int
check_head(int fd, uint64_t file_bytes, char *why, size_t size)
{
    struct offload_err err = {0};
    size_t len = file_bytes < RRD_HEAD_BYTES_MAX ? (size_t)file_bytes : RRD_HEAD_BYTES_MAX;
    unsigned char *head = malloc(len + 1);
    ssize_t n = head ? pread(fd, head, len, 0) : -1;
    int rc = n < 0 ? -EIO : rrd_head_check(head, (size_t)n, file_bytes, &err);
    snprintf(why, size, "%.110s", n < 0 ? "could not be read" : err.text);
    free(head);
    return rc;
}

// Opened first and looked at then, so that what is checked is what is read.
static int
read_file(struct walk *w, const struct binding *binding, const char *path)
{
    struct stat st;
    char fd_path[64], why[120];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st)) {
        refuse(w, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 0;
    }
    int rc = 0;
    snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", fd);
    if (!S_ISREG(st.st_mode)) {
        refuse(w, path, "not a regular file");
    } else if (st.st_uid != w->uid) {
        snprintf(why, sizeof why, "belongs to user %u; collectd runs as %u", (unsigned)st.st_uid,
                 w->uid);
        refuse(w, path, why);
    } else if (check_head(fd, (uint64_t)st.st_size, why, sizeof why)) {
        refuse(w, path, why);
    } else {
        for (size_t i = 0; rc == 0 && i < binding->n_feeds; i++)
            rc = keep_history(w, &binding->feed[i], fd_path, path);
        w->report->n_files++;
    }
    close(fd);
    return rc;
}

// TYPE-INSTANCE.rrd in DIR/HOST/PLUGIN-INSTANCE.
static int
walk_file(struct walk *w, const char *host, const char *plugin, const char *file)
{
    char identifier[512], path[PATH_MAX];
    size_t length = strlen(file);
    if (length < 5 || strcmp(file + length - 4, ".rrd") != 0)
        return 0;
    if (snprintf(path, sizeof path, "%s/%s/%s/%s", w->table->config->rrd_dir, host, plugin, file) >=
            (int)sizeof path ||
        snprintf(identifier, sizeof identifier, "%s/%s/%.*s", host, plugin, (int)length - 4,
                 file) >= (int)sizeof identifier)
        return 0;
    char *type = strrchr(identifier, '/'), *instance = type ? strchr(type, '-') : NULL;
    const struct binding *binding =
        table_bind(w->table, identifier, host, instance ? instance + 1 : "");
    return binding && binding->n_feeds ? read_file(w, binding, path) : 0;
}

// Calls 'each' for every name in 'path' that does not start with a dot.
static int
walk_folder(struct walk *w, const char *path, const char *host, const char *plugin,
            int (*each)(struct walk *, const char *, const char *, const char *))
{
    int rc = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOTDIR ? 0 : -errno;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            rc = each(w, host ? host : entry->d_name, host && !plugin ? entry->d_name : plugin,
                      entry->d_name);
    closedir(dir);
    return rc;
}

static int
walk_plugin(struct walk *w, const char *host, const char *plugin, const char *name)
{
    (void)name;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%s", w->table->config->rrd_dir, host, plugin);
    int rc = walk_folder(w, path, host, plugin, walk_file);
    if (rc == 0 || rc == -ENOMEM)
        return rc;
    refuse(w, path, strerror(-rc));
    return 0;
}

static int
walk_host(struct walk *w, const char *host, const char *plugin, const char *name)
{
    (void)plugin;
    (void)name;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", w->table->config->rrd_dir, host);
    int rc = walk_folder(w, path, host, NULL, walk_plugin);
    if (rc == 0 || rc == -ENOMEM)
        return rc;
    refuse(w, path, strerror(-rc));
    return 0;
}

// Sends the steps through the series' resamplers, so that several cards' files add up as they do
// live.
static void
replay(struct walk *w)
{
    double step_s = w->table->config->step_s;
    for (int64_t step = w->first_step; step <= w->last_step; step++) {
        for (size_t i = 0; i < w->n_histories; i++) {
            const struct feed *feed = w->history[i].feed;
            // An interval of 0 leaves the source's phase to be found from live values.
            double value = w->history[i].value[step - w->first_step],
                   time_s = (step + 0.5) * step_s;
            struct offload_resample *resample = feed->series->resample;
            if (w->history[i].is_gauge && feed->series->signal->aggregate == AGGREGATE_RATE)
                value = offload_resample_rate(resample, feed->source, time_s, value);
            offload_resample_put(resample, feed->source, time_s, 0, value, false);
        }
        for (size_t i = 0; i < w->table->n_series; i++) {
            struct series *s = w->table->series[i];
            s->closed[0] = offload_resample_close(s->resample, step, &s->censored[0]);
        }
        steps_push(w->steps, w->table, w->table->series, w->table->n_series, step, 0);
    }
    for (size_t i = 0; i < w->table->n_series; i++) {
        const struct series *s = w->table->series[i];
        w->report->n_series += s->past ? s->past_step > 0 : s->forecaster != NULL;
    }
}

int
warmstart_run(struct table *table, struct steps *steps, int64_t last_step, unsigned uid, struct warmstart_report *report,
              struct offload_err *err)
{
    *report = (struct warmstart_report){0};
    struct walk w = {.table = table, .steps = steps, .last_step = last_step, .uid = uid, .report = report};
    w.n_steps = table->config->capacity;
    w.first_step = last_step - (int64_t)w.n_steps + 1;
    if (w.first_step < 1)
        w.first_step = 1;
    int rc = walk_folder(&w, table->config->rrd_dir, NULL, NULL, walk_host);
    if (rc)
        offload_err_set(err, rc, "RrdDir", "the rrdtool plugin's DataDir, or \"\"", "%s: %s",
                        table->config->rrd_dir, strerror(-rc));
    else
        replay(&w);
    for (size_t i = 0; i < w.n_histories; i++)
        free(w.history[i].value);
    free(w.history);
    return rc;
}
