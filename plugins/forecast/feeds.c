// SPDX-License-Identifier: Apache-2.0
// file, HTTP -> fetch -> parse -> [feeds] -> regressors.  What was last got lies in keep.c's files.
// One thread fetches one feed after the other and never holds 'lock' while it does; the read
// callback takes over whole tables, which nobody writes to any more.

#include "plugins/forecast/feeds.h"

#include "plugin.h"

#include "lib/io/fetch.h"
#include "plugins/forecast/keep.h"
#include "plugins/forecast/publish.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_NAME_MAX = 96, CALENDAR_SPARE_S = 7 * 86400, KEEP_EVERY_S = 60 };

struct one {
    const struct forecast_feed *config;
    // Owner: the thread.
    struct fetch *fetch;
    char *body; // what outlives the daemon: a calendar's text, the bytes of another's table
    size_t len;
    bool unkept; // since it, or its age, was last written
    bool keep_told;
    cdtime_t kept;
    cdtime_t due;
    bool told;
    // Under 'lock'.
    struct offload_feed_table *fresh; // not taken over yet
    cdtime_t good;                    // when the last good data came, 0: never
    unsigned n_failed;
    bool tried;
    size_t n_rows, n_columns;
    char error[500];
    // Owner: the read callback.
    struct offload_feed_table *table; // NULL: none yet
};

struct feeds {
    const struct forecast_config *config;
    double history_s, horizon_s;
    struct one *one;
    size_t n;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t wake, tried;
    atomic_bool stop; // relaxed: asked again and again
    // Owner: the read callback.
    char (*name)[COLUMN_NAME_MAX];
    size_t n_columns;
};

static void
table_destroy(struct offload_feed_table *table)
{
    if (table)
        offload_feed_table_fini(table);
    free(table);
}

// ---- The thread ----

static bool
is_stopped(void *ctx)
{
    struct feeds *feeds = ctx;
    return atomic_load_explicit(&feeds->stop, memory_order_relaxed);
}

static int
parse(const struct feeds *feeds, const struct one *f, const char *text, size_t len,
      struct offload_feed_table **table, struct offload_err *err)
{
    const struct forecast_feed *c = f->config;
    double now_s = CDTIME_T_TO_DOUBLE(cdtime());
    // A calendar is worked out so far ahead that it lasts through some failures.
    double ahead_s = fmax(feeds->horizon_s, c->refresh_s) + CALENDAR_SPARE_S;
    struct offload_feed_options options = {.format = (enum offload_feed_format)c->format,
                                           .name = fetch_shown(f->fetch),
                                           .path = c->path,
                                           .time = c->time,
                                           .end = c->end,
                                           .value = c->value,
                                           .n_values = c->n_values,
                                           .timezone = c->timezone,
                                           .linear = c->between == 1,
                                           .from_s = now_s - feeds->history_s,
                                           .until_s = now_s + ahead_s};
    struct offload_feed_table *made = calloc(1, sizeof *made);
    if (!made)
        return offload_err_set(err, -ENOMEM, options.name, NULL, "no memory");
    int rc = offload_feed_parse(&options, text, len, made, err);
    if (rc) {
        free(made);
        return rc;
    }
    *table = made;
    return 0;
}

// Services tell little of the past: what they told before is kept in front of it.
static int
join_past(const struct feeds *feeds, struct one *f, struct offload_feed_table *table)
{
    struct offload_feed_table before;
    char *body;
    size_t len;
    if (f->body && offload_feed_import(f->body, f->len, f->config->name, &before, NULL) == 0) {
        offload_feed_join(table, &before, CDTIME_T_TO_DOUBLE(cdtime()) - feeds->history_s);
        offload_feed_table_fini(&before);
    }
    int rc = offload_feed_export(table, &body, &len);
    if (rc)
        return rc;
    free(f->body);
    f->body = body;
    f->len = len;
    return 0;
}

// A calendar is whole as it is, and one that has not changed still moves on.
static int
get_table(struct feeds *feeds, struct one *f, struct offload_feed_table **table,
          struct offload_err *err)
{
    bool calendar = f->config->format == OFFLOAD_FEED_ICAL;
    char *text = NULL;
    size_t len = 0;
    int rc = fetch_run(f->fetch, &text, &len, err);
    if (rc)
        return rc;
    if (!text && calendar && f->body)
        return parse(feeds, f, f->body, f->len, table, err);
    if (!text)
        return 0;
    rc = parse(feeds, f, text, len, table, err);
    const char *type = fetch_content_type(f->fetch);
    if (rc && *type && !err->expected[0])
        snprintf(err->expected, sizeof err->expected, "the server calls it %s", type);
    if (rc == 0)
        fetch_accept(f->fetch);
    if (rc == 0 && calendar) {
        free(f->body);
        f->body = text;
        f->len = len;
        return 0;
    }
    free(text);
    return rc ? rc : join_past(feeds, f, *table);
}

// One notification when a feed fails, one when it is well again.
static void
tell(struct one *f, int rc, const char *error, double age_s)
{
    bool failed = rc != 0;
    if (failed == f->told)
        return;
    f->told = failed;
    publish_feed(f->config->name, failed ? error : NULL, age_s);
}

static void
note(struct feeds *feeds, struct one *f, int rc, struct offload_feed_table *table,
     const struct offload_err *err)
{
    char line[500] = "";
    if (rc)
        offload_err_format(err, line, sizeof line);
    pthread_mutex_lock(&feeds->lock);
    f->n_failed = rc ? f->n_failed + 1 : 0;
    snprintf(f->error, sizeof f->error, "%s", line);
    if (rc == 0)
        f->good = cdtime();
    if (table) {
        table_destroy(f->fresh);
        f->fresh = table;
        f->n_rows = table->n_rows;
        f->n_columns = table->n_columns;
    }
    f->tried = true;
    double age_s = f->good ? CDTIME_T_TO_DOUBLE(cdtime() - f->good) : NAN;
    unsigned n_failed = f->n_failed;
    pthread_cond_broadcast(&feeds->tried);
    pthread_mutex_unlock(&feeds->lock);
    f->due = cdtime() + DOUBLE_TO_CDTIME_T(fetch_wait_s(f->fetch, n_failed));
    if (rc != -ECANCELED)
        tell(f, rc, line, age_s);
}

// What is not written now is at the daemon's end.
static void
keep(const struct feeds *feeds, struct one *f, bool now)
{
    struct offload_err err = {0};
    char line[900];
    bool due = now || cdtime() >= f->kept + TIME_T_TO_CDTIME_T(KEEP_EVERY_S);
    if (!feeds->config->state_dir[0] || !f->unkept || !f->body || !due)
        return;
    struct kept kept = {CDTIME_T_TO_DOUBLE(f->good), f->body, f->len};
    f->kept = cdtime();
    if (keep_write(feeds->config->state_dir, f->config, &kept, &err) == 0) {
        f->unkept = false;
    } else if (!f->keep_told) {
        f->keep_told = true;
        WARNING("offload_forecast: feed '%s': %s; what it says ends with collectd", f->config->name,
                offload_err_format(&err, line, sizeof line));
    }
}

// What an earlier daemon kept counts, as old as it is, until there is something newer.
static void
restore(struct feeds *feeds, struct one *f)
{
    struct offload_err err = {0};
    struct offload_feed_table *table = NULL;
    struct kept kept = {.body = NULL};
    char line[900];
    if (!feeds->config->state_dir[0])
        return;
    int rc = keep_read(feeds->config->state_dir, f->config, &kept, &err);
    if (rc == -ENOENT)
        return;
    if (rc == 0 && f->config->format == OFFLOAD_FEED_ICAL)
        rc = parse(feeds, f, kept.body, kept.len, &table, &err);
    else if (rc == 0 && !(table = calloc(1, sizeof *table)))
        rc = -ENOMEM;
    else if (rc == 0)
        rc = offload_feed_import(kept.body, kept.len, f->config->name, table, &err);
    if (rc) {
        WARNING("offload_forecast: feed '%s': %s; going on without what it said before",
                f->config->name, offload_err_format(&err, line, sizeof line));
        free(table);
        free(kept.body);
        return;
    }
    f->body = kept.body;
    f->len = kept.len;
    pthread_mutex_lock(&feeds->lock);
    f->good = DOUBLE_TO_CDTIME_T(fmin(kept.good_s, CDTIME_T_TO_DOUBLE(cdtime())));
    f->fresh = table;
    f->n_rows = table->n_rows;
    f->n_columns = table->n_columns;
    pthread_mutex_unlock(&feeds->lock);
}

static void
refresh(struct feeds *feeds, struct one *f)
{
    struct offload_err err = {0};
    struct offload_feed_table *table = NULL;
    int rc = get_table(feeds, f, &table, &err);
    if (rc) {
        table_destroy(table);
        table = NULL;
    }
    if (table && table->n_skipped)
        NOTICE("offload_forecast: feed '%s': %zu entries were passed over, the first: %s",
               f->config->name, table->n_skipped, table->skipped);
    note(feeds, f, rc, table, &err);
    f->unkept |= rc == 0;
    keep(feeds, f, false);
}

static void *
thread_main(void *ctx)
{
    struct feeds *feeds = ctx;
    for (size_t i = 0; i < feeds->n; i++)
        restore(feeds, &feeds->one[i]);
    while (!is_stopped(feeds)) {
        struct one *first = &feeds->one[0];
        for (size_t i = 1; i < feeds->n; i++)
            if (feeds->one[i].due < first->due)
                first = &feeds->one[i];
        // A clock that was set back must not put feeds off for more than their RefreshS.
        cdtime_t now = cdtime(), most = DOUBLE_TO_CDTIME_T(fmax(first->config->refresh_s, 3600));
        if (first->due > now + most)
            first->due = now;
        if (first->due <= now) {
            refresh(feeds, first);
            continue;
        }
        struct timespec until = CDTIME_T_TO_TIMESPEC(first->due);
        pthread_mutex_lock(&feeds->lock);
        if (!is_stopped(feeds))
            pthread_cond_timedwait(&feeds->wake, &feeds->lock, &until);
        pthread_mutex_unlock(&feeds->lock);
    }
    for (size_t i = 0; i < feeds->n; i++)
        keep(feeds, &feeds->one[i], true);
    return NULL;
}

// ---- Lifecycle ----

static void
destroy(struct feeds *feeds)
{
    for (size_t i = 0; i < feeds->n; i++) {
        fetch_destroy(feeds->one[i].fetch);
        free(feeds->one[i].body);
        table_destroy(feeds->one[i].fresh);
        table_destroy(feeds->one[i].table);
    }
    free(feeds->one);
    free(feeds->name);
    free(feeds);
}

struct feeds *
feeds_start(const struct forecast_config *config, double history_s, double horizon_s)
{
    struct feeds *feeds = calloc(1, sizeof *feeds);
    if (!feeds)
        return NULL;
    *feeds = (struct feeds){.config = config,
                            .history_s = history_s,
                            .horizon_s = horizon_s,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .wake = PTHREAD_COND_INITIALIZER,
                            .tried = PTHREAD_COND_INITIALIZER,
                            .one = calloc(config->n_feeds + 1, sizeof *feeds->one),
                            .name = calloc(OFFLOAD_REGRESSORS_MAX, sizeof *feeds->name)};
    for (size_t i = 0; feeds->one && i < config->n_feeds; i++) {
        const struct forecast_feed *c = &config->feed[i];
        struct fetch_options options = {.url = c->url,
                                        .timeout_s = c->timeout_s,
                                        .max_bytes = (size_t)c->max_bytes,
                                        .refresh_s = c->refresh_s,
                                        .stop = is_stopped,
                                        .ctx = feeds};
        feeds->one[i].config = c;
        if (fetch_create(&options, &feeds->one[i].fetch, NULL))
            break;
        feeds->n++;
    }
    bool made = feeds->one && feeds->name && feeds->n == config->n_feeds;
    if (made && feeds->n)
        feeds->running = plugin_thread_create(&feeds->thread, thread_main, feeds, "offload feeds") == 0;
    if (!made || (feeds->n && !feeds->running)) {
        destroy(feeds);
        return NULL;
    }
    return feeds;
}

void
feeds_stop(struct feeds *feeds)
{
    if (!feeds)
        return;
    pthread_mutex_lock(&feeds->lock);
    atomic_store_explicit(&feeds->stop, true, memory_order_relaxed);
    pthread_cond_broadcast(&feeds->wake);
    pthread_mutex_unlock(&feeds->lock);
    if (feeds->running)
        pthread_join(feeds->thread, NULL);
    destroy(feeds);
}

void
feeds_await(struct feeds *feeds, double most_s)
{
    struct timespec until = CDTIME_T_TO_TIMESPEC(cdtime() + DOUBLE_TO_CDTIME_T(most_s));
    pthread_mutex_lock(&feeds->lock);
    for (size_t i = 0; i < feeds->n; i++)
        while (!feeds->one[i].tried)
            if (pthread_cond_timedwait(&feeds->tried, &feeds->lock, &until))
                goto unlock;
unlock:
    pthread_mutex_unlock(&feeds->lock);
}

// ---- The read callback's side ----

static bool
same_columns(const struct offload_feed_table *a, const struct offload_feed_table *b)
{
    if (!a || a->n_columns != b->n_columns)
        return false;
    for (size_t c = 0; c < a->n_columns; c++)
        if (strcmp(a->name[c], b->name[c]) != 0)
            return false;
    return true;
}

static void
name_columns(struct feeds *feeds)
{
    // Predictors have their places first, by the configuration.
    size_t most = OFFLOAD_REGRESSORS_MAX > feeds->config->n_predictors
                      ? OFFLOAD_REGRESSORS_MAX - feeds->config->n_predictors
                      : 0;
    size_t n = 0, left_out = 0;
    for (size_t i = 0; i < feeds->n; i++) {
        const struct offload_feed_table *t = feeds->one[i].table;
        for (size_t c = 0; t && c < t->n_columns; c++) {
            if (n == most) {
                left_out++;
                continue;
            }
            snprintf(feeds->name[n++], COLUMN_NAME_MAX, "%s.%.62s", feeds->one[i].config->name,
                     t->name[c]);
        }
    }
    feeds->n_columns = n;
    if (left_out)
        WARNING("offload_forecast: the feeds' last %zu columns are left out, %d regressors are the "
                "most; choose some by Value",
                left_out, OFFLOAD_REGRESSORS_MAX);
}

bool
feeds_adopt(struct feeds *feeds)
{
    bool changed = false;
    for (size_t i = 0; i < feeds->n; i++) {
        struct one *f = &feeds->one[i];
        pthread_mutex_lock(&feeds->lock);
        struct offload_feed_table *fresh = f->fresh;
        f->fresh = NULL;
        pthread_mutex_unlock(&feeds->lock);
        if (!fresh)
            continue;
        changed |= !same_columns(f->table, fresh);
        table_destroy(f->table);
        f->table = fresh;
    }
    if (changed)
        name_columns(feeds);
    return changed;
}

size_t
feeds_columns(const struct feeds *feeds)
{
    return feeds->n_columns;
}

const char *
feeds_column(const struct feeds *feeds, size_t column)
{
    return feeds->name[column];
}

void
feeds_fill(const struct feeds *feeds, int64_t first_step, size_t n, size_t stride, double *out)
{
    double step_s = feeds->config->step_s;
    size_t at = 0;
    for (size_t i = 0; i < feeds->n && at < feeds->n_columns; i++) {
        const struct offload_feed_table *t = feeds->one[i].table;
        if (!t)
            continue;
        if (at + t->n_columns > feeds->n_columns)
            return; // left out, as was told
        offload_feed_resample(t, (double)first_step * step_s, step_s, n, stride, out + at);
        at += t->n_columns;
    }
}

size_t
feeds_count(const struct feeds *feeds)
{
    return feeds->n;
}

void
feeds_status(struct feeds *feeds, size_t i, struct feed_status *status)
{
    const struct one *f = &feeds->one[i];
    pthread_mutex_lock(&feeds->lock);
    *status = (struct feed_status){.name = f->config->name,
                                   .url = fetch_shown(f->fetch),
                                   .age_s = f->good ? CDTIME_T_TO_DOUBLE(cdtime() - f->good) : NAN,
                                   .n_columns = f->n_columns,
                                   .n_rows = f->n_rows,
                                   .n_failed = f->n_failed};
    memcpy(status->error, f->error, sizeof status->error);
    pthread_mutex_unlock(&feeds->lock);
}
