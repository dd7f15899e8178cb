// SPDX-License-Identifier: Apache-2.0
// closed steps, feeds -> [steps] -> forecasters -> fan -> publish.  The read callback's thread.

#include "plugins/forecast/steps.h"

#include "plugin.h"

#include "plugins/forecast/publish.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING_MAX = 4096, FITS_GIVEN_MAX = 4096 };

bool
steps_forecasts(const struct series *s)
{
    return s->signal->role == ROLE_RESOURCE && s->forecaster;
}

// ---- Regressors ----

// Predictors of a host say what they said a horizon ago: that alone is known up to its end.
static void
add_predictors(const struct steps *st, const struct table *table, const struct series *s,
               int64_t first_step, size_t n, double *x)
{
    int64_t lag = (int64_t)st->config->horizon;
    size_t column = 0;
    for (size_t i = 0; i < st->config->n_signals; i++) {
        const struct forecast_signal *signal = &st->config->signal[i];
        if (signal->role != ROLE_PREDICTOR || column == OFFLOAD_REGRESSORS_MAX)
            continue;
        const struct series *p = NULL;
        for (size_t k = 0; k < st->n_predictors && !p; k++)
            if (st->predictor[k]->signal == signal && strcmp(st->predictor[k]->host, s->host) == 0)
                p = st->predictor[k];
        for (size_t t = 0; t < n; t++)
            x[t * st->n_x + column] = p ? table_recall(table, p, first_step + (int64_t)t - lag) : NAN;
        column++;
    }
}

static size_t
predictor_columns(const struct steps *st)
{
    size_t n = st->config->n_predictors;
    return n < OFFLOAD_REGRESSORS_MAX ? n : OFFLOAD_REGRESSORS_MAX;
}

static void
fill_feeds(const struct steps *st, int64_t first_step, size_t n, double *x)
{
    if (st->n_x)
        feeds_fill(st->feeds, first_step, n, st->n_x, x + predictor_columns(st));
}

static int
name_regressors(struct steps *st)
{
    size_t n = 0;
    for (size_t i = 0; i < st->config->n_signals; i++)
        if (st->config->signal[i].role == ROLE_PREDICTOR && n < OFFLOAD_REGRESSORS_MAX)
            st->x_name[n++] = st->config->signal[i].name;
    for (size_t c = 0; c < feeds_columns(st->feeds) && n < OFFLOAD_REGRESSORS_MAX; c++)
        st->x_name[n++] = feeds_column(st->feeds, c);
    double *row = calloc(n + 1, sizeof *row);
    double *future = calloc(st->config->horizon * (n + 1), sizeof *future);
    if (!row || !future) {
        free(row);
        free(future);
        return -ENOMEM;
    }
    free(st->x_row);
    free(st->x_future);
    st->x_row = row;
    st->x_future = future;
    st->n_x = n;
    st->x_version++;
    return 0;
}

const double *
steps_future(struct steps *st, const struct table *table, const struct series *s, double *x)
{
    if (st->n_x == 0)
        return NULL;
    memcpy(x, st->x_future, st->config->horizon * st->n_x * sizeof *x);
    add_predictors(st, table, s, st->step, st->config->horizon, x);
    return x;
}

// ---- Pushing ----

static struct offload_forecaster *
create_forecaster(const struct steps *st, int64_t first_step)
{
    const struct forecast_config *c = st->config;
    return offload_forecaster_create(
        &(struct offload_forecaster_options){.step_s = c->step_s,
                                             .period = c->period,
                                             .horizon = c->horizon,
                                             .capacity = c->capacity,
                                             .model = c->model - 1,
                                             .n_regressors = st->n_x,
                                             .regressor = st->n_x ? st->x_name : NULL,
                                             .start_s = (double)first_step * c->step_s,
                                             .seed = 1});
}

// With the regressors as they are now, from what the old forecaster remembers.
static void
rebuild(struct steps *st, const struct table *table, struct series *s)
{
    s->x_version = st->x_version;
    if (!s->forecaster)
        return;
    struct offload_series history = offload_forecaster_history(s->forecaster);
    int64_t first = s->last_step - (int64_t)history.n + 1;
    struct offload_forecaster *made = create_forecaster(st, first);
    double *x = calloc(st->n_x + 1, sizeof *x);
    for (size_t i = 0; made && x && i < history.n; i++) {
        int64_t step = first + (int64_t)i;
        fill_feeds(st, step, 1, x);
        if (st->n_x)
            add_predictors(st, table, s, step, 1, x);
        offload_forecaster_push(made, history.value[i], history.censored && history.censored[i],
                                st->n_x ? x : NULL);
    }
    free(x);
    if (!made)
        return; // the old one goes on, without the new columns
    offload_forecaster_destroy(s->forecaster);
    s->forecaster = made;
    s->told = false;
}

static void
forget(struct series *s)
{
    offload_forecaster_destroy(s->forecaster);
    s->forecaster = NULL;
    s->p50 = s->p90 = s->p99 = s->lead_s = NAN;
    s->next[0] = s->next[1] = s->next[2] = NAN;
}

// 'x': the feeds' part of the step's regressors, to which the series' predictors are added.
static void
push_value(struct steps *st, const struct table *table, struct series *s, int64_t step,
           double value, bool censored, double *x)
{
    if (s->x_version != st->x_version)
        rebuild(st, table, s);
    if (!s->forecaster && !isnan(value))
        s->forecaster = create_forecaster(st, step);
    if (!s->forecaster)
        return;
    if (st->n_x)
        add_predictors(st, table, s, step, 1, x);
    offload_forecaster_push(s->forecaster, value, censored, st->n_x ? x : NULL);
    s->last_step = step;
    size_t silent = offload_forecaster_silent_steps(s->forecaster);
    s->silent_s = (double)silent * st->config->step_s;
    if (silent >= st->config->capacity)
        forget(s); // all of history is a gap
}

static void
push_later(struct steps *st, int64_t step, double value, bool censored)
{
    if (st->n_pending < PENDING_MAX)
        st->pending[st->n_pending++] = (struct pending){step, value, censored};
}

// What came while the series was fitted.
static void
push_pending(struct steps *st, const struct table *table)
{
    if (!st->busy || fitter_busy(st->fitter) == st->busy)
        return;
    for (size_t i = 0; i < st->n_pending; i++) {
        const struct pending *p = &st->pending[i];
        fill_feeds(st, p->step, 1, st->x_row);
        push_value(st, table, st->busy, p->step, p->value, p->censored, st->x_row);
    }
    st->n_pending = 0;
    st->busy = NULL;
}

void
steps_push(struct steps *st, const struct table *table, struct series **series, size_t n,
           int64_t step, size_t k)
{
    for (size_t i = 0; i < n; i++)
        if (series[i]->past)
            table_remember(table, series[i], step, series[i]->closed[k]);
    fill_feeds(st, step, 1, st->x_row);
    for (size_t i = 0; i < n; i++) {
        struct series *s = series[i];
        if (s->signal->role != ROLE_RESOURCE)
            continue;
        if (s == st->busy)
            push_later(st, step, s->closed[k], s->censored[k]);
        else
            push_value(st, table, s, step, s->closed[k], s->censored[k], st->x_row);
    }
    st->step = step + 1;
}

static void
find_predictors(struct steps *st, struct series **series, size_t n)
{
    st->n_predictors = 0;
    for (size_t i = 0; i < n && st->config->n_predictors; i++) {
        if (!series[i]->past)
            continue;
        struct series **grown =
            realloc(st->predictor, (st->n_predictors + 1) * sizeof *grown);
        if (!grown)
            return;
        st->predictor = grown;
        st->predictor[st->n_predictors++] = series[i];
    }
}

// ---- Fitting and forecasting ----

struct due {
    double due;
    struct series *series;
};

static int
most_due_first(const void *a, const void *b)
{
    const struct due *x = a, *y = b;
    return x->due < y->due ? 1 : x->due > y->due ? -1 : 0;
}

// The most overdue ones, as long as this step's budget lasts. A fit that took longer than that is
// paid for by the next steps.
static void
fit_models(struct steps *st, struct series **series, size_t n)
{
    double step_budget_s = st->config->step_s * st->config->refit_budget_pct / 100;
    st->budget_s = fmin(st->budget_s + step_budget_s, step_budget_s);
    struct due *due = st->budget_s > 0 && !st->busy ? malloc((n + 1) * sizeof *due) : NULL;
    size_t n_due = 0;
    for (size_t i = 0; due && i < n; i++) {
        double this = steps_forecasts(series[i]) ? offload_forecaster_fit_due(series[i]->forecaster) : 0;
        if (this > 0)
            due[n_due++] = (struct due){this, series[i]};
    }
    if (n_due == 0) {
        free(due);
        return;
    }
    qsort(due, n_due, sizeof *due, most_due_first);
    n_due = n_due < FITS_GIVEN_MAX ? n_due : FITS_GIVEN_MAX;
    struct series **given = malloc(n_due * sizeof *given);
    for (size_t i = 0; given && i < n_due; i++)
        given[i] = due[i].series;
    free(due);
    if (!given)
        return;
    fitter_give(st->fitter, given, n_due);
    // Until then the fitter owns them; the API may look at the others.
    st->fitting = true;
    pthread_mutex_unlock(&st->work);
    st->busy = fitter_wait(st->fitter, cdtime() + DOUBLE_TO_CDTIME_T(st->budget_s));
    pthread_mutex_lock(&st->work);
    st->fitting = false;
    st->budget_s -= fitter_spent_s(st->fitter);
}

// The horizon in at most FAN_POINTS points, for who draws it.
static void
keep_fan(const struct offload_fan *fan, struct series *s)
{
    static const double levels[] = {0.5, 0.9};
    size_t n = fan->horizon < FAN_POINTS ? fan->horizon : FAN_POINTS;
    for (size_t q = 0; q < 2; q++)
        for (size_t i = 0; i < n; i++) {
            double most = -INFINITY;
            for (size_t h = i * fan->horizon / n; h < (i + 1) * fan->horizon / n; h++)
                most = fmax(most, offload_fan_step(fan, h, levels[q]));
            s->fan[q][i] = (float)most;
        }
    s->n_fan = (unsigned)n;
}

static void
run_model(struct steps *st, const struct table *table, struct series *s, double *x)
{
    // The step's number makes the seed: a replay of the same values gives the same paths.
    if (!steps_forecasts(s) || s == st->busy ||
        offload_forecaster_run(s->forecaster, steps_future(st, table, s, x), (uint64_t)st->step,
                               &st->fan))
        return;
    s->p50 = offload_fan_peak(&st->fan, 0.5);
    s->p90 = offload_fan_peak(&st->fan, 0.9);
    s->p99 = offload_fan_peak(&st->fan, 0.99);
    s->lead_s = (double)(offload_fan_peak_step(&st->fan, 0.9) + 1) * st->config->step_s;
    // Who acts on the next step's forecast does so in the course of it: the one after counts too.
    static const double levels[] = {0.5, 0.9, 0.99};
    size_t second = st->fan.horizon > 1;
    for (size_t i = 0; i < 3; i++)
        s->next[i] = fmax(offload_fan_step(&st->fan, 0, levels[i]),
                          offload_fan_step(&st->fan, second, levels[i]));
    keep_fan(&st->fan, s);
}

// ---- Hosts ----

static struct host *
find_host(struct steps *st, const char *name)
{
    for (size_t i = 0; i < st->n_hosts; i++)
        if (strcmp(st->host[i].name, name) == 0)
            return &st->host[i];
    struct host *grown = realloc(st->host, (st->n_hosts + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    st->host = grown;
    struct host *host = &st->host[st->n_hosts++];
    *host = (struct host){.stale = false};
    snprintf(host->name, sizeof host->name, "%s", name);
    return host;
}

static int
by_host_and_app(const void *a, const void *b)
{
    const struct series *x = *(struct series *const *)a, *y = *(struct series *const *)b;
    int order = strcmp(x->host, y->host);
    order = order ? order : strcmp(x->app, y->app);
    return order ? order : (x->signal > y->signal) - (x->signal < y->signal);
}

// An application that alone falls silent has left; when all do, the way to us is broken, and what
// we know still counts, less and less surely.
static bool
is_current(const struct steps *st, const struct series *s, double host_silent)
{
    return steps_forecasts(s) && !isnan(s->p90) &&
           (s->silent_s <= (double)st->config->stale_s || host_silent > (double)st->config->stale_s);
}

// The server's demand for one resource: its total as the cards report it ("card"); where no signal
// has that, the applications' P90 added up, which is rather too high than too low.
struct total {
    bool whole; // it is the cards' own
    double p90, capacity, most, lead_s, age_s;
};

static void
total_add(struct total *t, const struct series *s)
{
    bool whole = strcmp(s->app, "card") == 0;
    if (t->whole && !whole)
        return;
    if (whole && !t->whole)
        *t = (struct total){.whole = true, .most = -1};
    t->p90 += s->p90;
    t->capacity = s->signal->capacity;
    t->age_s = fmax(t->age_s, s->silent_s);
    if (s->p90 > t->most) {
        t->most = s->p90;
        t->lead_s = s->lead_s;
    }
}

// Above the user's level once, and told once, until it is well below again.
static void
watch(const struct steps *st, const char *host, const char *app, const struct offload_score *score,
      bool *above)
{
    bool now = *above ? score->score > st->config->notify_below
                      : score->score >= st->config->notify_above;
    if (st->config->notify_above <= 0 || isnan(score->score) || now == *above)
        return;
    *above = now;
    publish_crossing(host, app, score, now, now ? st->config->notify_above : st->config->notify_below);
}

// The score of one application or card: 'series' are its resources.
static void
publish_app(const struct steps *st, struct series **series, size_t n, double host_silent)
{
    struct offload_score score;
    double age_s = 0;
    offload_score_init(&score);
    for (size_t i = 0; i < n; i++) {
        const struct series *s = series[i];
        if (!is_current(st, s, host_silent))
            continue;
        publish_series(s, s == st->busy, st->config->step_s);
        offload_score_add(&score, (enum offload_resource)s->signal->resource, s->p90, s->capacity,
                          s->lead_s);
        age_s = fmax(age_s, s->silent_s);
    }
    // The whole server's is made of all of its series.
    if (isnan(score.score) || strcmp(series[0]->app, "card") == 0)
        return;
    publish_score(series[0]->host, series[0]->app, &score, age_s, st->config->step_s);
    watch(st, series[0]->host, series[0]->app, &score, &series[0]->above);
}

static double
silence_of(struct series **series, size_t n)
{
    double least = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (steps_forecasts(series[i]))
            least = fmin(least, series[i]->silent_s);
    return least;
}

static bool
is_card(const struct series *s)
{
    return s->capacity != s->signal->capacity; // its part is in the whole server's already
}

static void
publish_host(struct steps *st, struct host *host, struct series **series, size_t n)
{
    struct total total[OFFLOAD_RESOURCES];
    for (int r = 0; r < OFFLOAD_RESOURCES; r++)
        total[r] = (struct total){.most = -1};
    double silent_s = silence_of(series, n), age_s = 0;
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i; next < n && strcmp(series[next]->app, series[i]->app) == 0; next++)
            if (is_current(st, series[next], silent_s) && !is_card(series[next]))
                total_add(&total[series[next]->signal->resource], series[next]);
        publish_app(st, series + i, next - i, silent_s);
    }
    struct offload_score *score = &host->score;
    offload_score_init(score);
    for (int r = 0; r < OFFLOAD_RESOURCES; r++) {
        if (total[r].most < 0)
            continue;
        offload_score_add(score, (enum offload_resource)r, total[r].p90, total[r].capacity,
                          total[r].lead_s);
        age_s = fmax(age_s, total[r].age_s);
    }
    host->age_s = age_s;
    if (!isnan(score->score)) {
        publish_score(host->name, "card", score, age_s, st->config->step_s);
        watch(st, host->name, "card", score, &host->above);
    }
    bool stale = silent_s > (double)st->config->stale_s && isfinite(silent_s);
    if (stale != host->stale && isfinite(silent_s)) {
        host->stale = stale;
        publish_stale(host->name, stale, silent_s);
    }
}

static void
publish_hosts(struct steps *st)
{
    for (size_t i = 0, next; i < st->n_sorted; i = next) {
        for (next = i; next < st->n_sorted &&
                       strcmp(st->sorted[next]->host, st->sorted[i]->host) == 0;)
            next++;
        struct host *host = find_host(st, st->sorted[i]->host);
        if (host)
            publish_host(st, host, st->sorted + i, next - i);
    }
    struct feed_status status;
    for (size_t i = 0; i < feeds_count(st->feeds); i++) {
        feeds_status(st->feeds, i, &status);
        if (!isnan(status.age_s))
            publish_feed_age(status.name, status.age_s, st->config->step_s);
    }
}

// ---- A read ----

void
steps_run(struct steps *st, const struct table *table, struct series **series, size_t n,
          int64_t first_step, size_t n_steps, int64_t lost)
{
    pthread_mutex_lock(&st->work);
    find_predictors(st, series, n);
    if (feeds_adopt(st->feeds) && name_regressors(st))
        st->n_x = 0;
    push_pending(st, table);
    // Nothing is known of the lost ones; a forecaster remembers no more than its capacity anyway.
    int64_t gaps = lost < (int64_t)st->config->capacity ? lost : (int64_t)st->config->capacity;
    for (int64_t i = gaps; i > 0; i--)
        for (size_t k = 0; k < n; k++)
            if (series[k]->signal->role == ROLE_RESOURCE && series[k] != st->busy)
                push_value(st, table, series[k], first_step - i, NAN, false, st->x_row);
    for (size_t k = 0; k < n_steps; k++)
        steps_push(st, table, series, n, first_step + (int64_t)k, k);
    fit_models(st, series, n);
    fill_feeds(st, st->step, st->config->horizon, st->x_future);
    double *x = malloc(st->config->horizon * (st->n_x + 1) * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        run_model(st, table, series[i], x);
    free(x);
    qsort(series, n, sizeof *series, by_host_and_app);
    free(st->sorted);
    st->sorted = series;
    st->n_sorted = n;
    publish_hosts(st);
    pthread_mutex_unlock(&st->work);
}

int
steps_init(struct steps *st, const struct forecast_config *config)
{
    // The first answers are waited for a little, so that history meets them from the start.
    static const double FIRST_FETCH_S = 5;
    *st = (struct steps){.config = config, .work = PTHREAD_MUTEX_INITIALIZER};
    double history_s = (double)config->capacity * config->step_s;
    double horizon_s = (double)(config->horizon + 2) * config->step_s;
    st->pending = malloc(PENDING_MAX * sizeof *st->pending);
    if (!st->pending || offload_fan_init(&st->fan, config->horizon, config->paths))
        return -ENOMEM;
    st->fitter = fitter_start();
    st->feeds = st->fitter ? feeds_start(config, history_s, horizon_s) : NULL;
    if (!st->feeds)
        return -ENOMEM;
    feeds_await(st->feeds, FIRST_FETCH_S);
    feeds_adopt(st->feeds);
    return name_regressors(st);
}

void
steps_fini(struct steps *st)
{
    feeds_stop(st->feeds);
    fitter_stop(st->fitter);
    if (st->fan.mean)
        offload_fan_fini(&st->fan);
    free(st->pending);
    free(st->predictor);
    free(st->x_row);
    free(st->x_future);
    free(st->host);
    free(st->sorted);
    *st = (struct steps){0};
}
