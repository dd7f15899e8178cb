// SPDX-License-Identifier: Apache-2.0
// steps -> [api] -> offloadctl explain.  A thread of its own, which looks under steps.work.

#include "plugins/forecast/api.h"

#ifdef HAVE_EVENT
#include "plugin.h"

#include "lib/base/conf.h"
#include "lib/io/server_libevent.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { COMPONENTS_MAX = 24 };

static struct {
    struct steps *steps;
    const struct table *table;
    struct event_base *base;
    struct event *stop;
    struct rpc_server *server;
    pthread_t thread;
    bool running;
} api;

static void
add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

static void
add_number(struct json_object *to, const char *key, double value)
{
    json_object_object_add(to, key, isfinite(value) ? json_object_new_double(value) : NULL);
}

struct params {
    char server[128], app[OFFLOAD_NAME_MAX + 1];
};

static const struct offload_opt params_table[] = {
    {.key = "server",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct params, server),
     .size = sizeof(((struct params *)0)->server),
     .default_text = "\"\"",
     .help = "a host; all of them if not given"},
    {.key = "app",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct params, app),
     .size = sizeof(((struct params *)0)->app),
     .default_text = "\"\"",
     .help = "an application or card; all of the host's if not given"},
    OFFLOAD_OPT_END,
};

static int
read_params(struct json_object *params, struct params *p, struct offload_err *err)
{
    *p = (struct params){.server = ""};
    return offload_opt_read(params_table, params, "", p, sizeof *p, err);
}

static const struct host *
find_host(const char *name, struct offload_err *err)
{
    char known[240] = "";
    for (size_t i = 0; i < api.steps->n_hosts; i++) {
        const char *this = api.steps->host[i].name;
        if (strcmp(this, name) == 0)
            return &api.steps->host[i];
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, used ? ", %s" : "use one of %s", this);
    }
    offload_err_set(err, -ENOENT, "server", known, "nothing is forecast for host '%s'", name);
    return NULL;
}

static struct json_object *
score_row(const struct host *host)
{
    struct json_object *o = json_object_new_object();
    bool known = !isnan(host->score.score);
    add_text(o, "server", host->name);
    add_number(o, "score", host->score.score);
    add_number(o, "demand_pct", known ? host->score.demand_pct : NAN);
    add_text(o, "limit", known ? offload_resource_names[host->score.limit] : NULL);
    add_number(o, "lead_s", known ? host->score.lead_s : NAN);
    add_number(o, "age_s", host->age_s);
    json_object_object_add(o, "stale", json_object_new_boolean(host->stale));
    return o;
}

static struct json_object *
component_rows(const struct series *s)
{
    struct steps *st = api.steps;
    struct offload_component part[COMPONENTS_MAX];
    struct json_object *rows = json_object_new_array();
    double *x = malloc(st->config->horizon * (st->n_x + 1) * sizeof *x);
    size_t n = x ? offload_forecaster_components(s->forecaster, steps_future(st, api.table, s, x),
                                                 part, COMPONENTS_MAX)
                 : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_new_object();
        add_text(o, "name", part[i].name);
        add_text(o, "measure", part[i].measure);
        add_number(o, "next", part[i].first);
        add_number(o, "peak", part[i].peak);
        json_object_array_add(rows, o);
    }
    free(x);
    return rows;
}

static struct json_object *
member_row(const struct offload_member *member)
{
    struct json_object *o = json_object_new_object();
    add_text(o, "model", offload_models[member->model]->name);
    add_number(o, "weight", member->weight);
    add_number(o, "error", member->error);
    json_object_object_add(o, "regressors", json_object_new_boolean(member->x));
    return o;
}

// What was chosen, and what was tried besides.
static void
add_models(struct json_object *to, const struct offload_choice *choice)
{
    struct json_object *chosen = json_object_new_array(), *tried = json_object_new_array();
    for (size_t i = 0; choice && i < choice->n_members; i++)
        json_object_array_add(chosen, member_row(&choice->member[i]));
    for (size_t i = 0; choice && i < choice->n_tried; i++)
        json_object_array_add(tried, member_row(&choice->tried[i]));
    json_object_object_add(to, "models", chosen);
    json_object_object_add(to, "tried", tried);
}

static struct json_object *
series_row(const struct series *s)
{
    struct json_object *o = json_object_new_object();
    char text[400];
    add_text(o, "signal", s->signal->name);
    add_text(o, "app", s->app);
    add_text(o, "resource", offload_resource_names[s->signal->resource]);
    add_text(o, "unit", s->signal->unit);
    add_number(o, "capacity", s->capacity);
    add_number(o, "p50", s->p50);
    add_number(o, "p90", s->p90);
    add_number(o, "p99", s->p99);
    add_number(o, "lead_s", s->lead_s);
    add_number(o, "silent_s", s->silent_s);
    // While it is fitted, its forecaster is the other thread's.
    bool fitted = api.steps->fitting || s == api.steps->busy;
    json_object_object_add(o, "being_fitted", json_object_new_boolean(fitted));
    if (fitted)
        return o;
    struct offload_accuracy accuracy = offload_forecaster_accuracy(s->forecaster);
    const struct offload_choice *choice = offload_forecaster_choice(s->forecaster);
    offload_forecaster_explain(s->forecaster, text, sizeof text);
    add_text(o, "text", text);
    add_text(o, "why", choice ? choice->why : NULL);
    add_number(o, "mase", accuracy.mase);
    add_number(o, "cov80_pct", 100 * accuracy.cov80);
    add_number(o, "period", (double)offload_forecaster_period(s->forecaster));
    add_number(o, "values", (double)offload_forecaster_values(s->forecaster));
    add_models(o, choice);
    if (offload_forecaster_fitted(s->forecaster))
        json_object_object_add(o, "components", component_rows(s));
    return o;
}

static struct json_object *
feed_rows(void)
{
    struct json_object *rows = json_object_new_array();
    for (size_t i = 0; i < feeds_count(api.steps->feeds); i++) {
        struct feed_status f;
        feeds_status(api.steps->feeds, i, &f);
        struct json_object *o = json_object_new_object();
        add_text(o, "feed", f.name);
        add_text(o, "url", f.url);
        add_number(o, "age_s", f.age_s);
        add_number(o, "columns", (double)f.n_columns);
        add_number(o, "rows", (double)f.n_rows);
        add_number(o, "failed", f.n_failed);
        add_text(o, "error", f.error[0] ? f.error : NULL);
        json_object_array_add(rows, o);
    }
    return rows;
}

static int
do_hello(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
         struct offload_err *err)
{
    (void)ctx, (void)peer, (void)params, (void)err;
    *result = json_object_new_object();
    add_text(*result, "api", "1.0");
    add_text(*result, "software", "offload_forecast " OFFLOAD_VERSION);
    return 0;
}

static int
do_score_get(void *ctx, struct rpc_peer *peer, struct json_object *params,
             struct json_object **result, struct offload_err *err)
{
    (void)ctx, (void)peer;
    struct params p;
    int rc = read_params(params, &p, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&api.steps->work);
    if (p.server[0] && !find_host(p.server, err)) {
        pthread_mutex_unlock(&api.steps->work);
        return -ENOENT;
    }
    struct json_object *rows = json_object_new_array();
    for (size_t i = 0; i < api.steps->n_hosts; i++)
        if (!p.server[0] || strcmp(p.server, api.steps->host[i].name) == 0)
            json_object_array_add(rows, score_row(&api.steps->host[i]));
    pthread_mutex_unlock(&api.steps->work);
    *result = json_object_new_object();
    json_object_object_add(*result, "scores", rows);
    return 0;
}

static void
explain_host(const struct host *host, const struct params *p, struct json_object *o)
{
    struct json_object *rows = json_object_new_array();
    const struct steps *st = api.steps;
    for (size_t i = 0; i < st->n_sorted; i++) {
        const struct series *s = st->sorted[i];
        if (steps_forecasts(s) && strcmp(s->host, host->name) == 0 &&
            (!p->app[0] || strcmp(s->app, p->app) == 0))
            json_object_array_add(rows, series_row(s));
    }
    json_object_object_add(o, "series", rows);
    struct json_object *names = json_object_new_array();
    for (size_t i = 0; i < st->n_x; i++)
        json_object_array_add(names, json_object_new_string(st->x_name[i]));
    json_object_object_add(o, "regressors", names);
    json_object_object_add(o, "feeds", feed_rows());
}

static int
do_score_explain(void *ctx, struct rpc_peer *peer, struct json_object *params,
                 struct json_object **result, struct offload_err *err)
{
    (void)ctx, (void)peer;
    struct params p;
    int rc = read_params(params, &p, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&api.steps->work);
    const struct host *host = find_host(p.server, err);
    if (host) {
        *result = score_row(host);
        explain_host(host, &p, *result);
    }
    pthread_mutex_unlock(&api.steps->work);
    return host ? 0 : -ENOENT;
}

static struct json_object *
fan_points(const float *point, unsigned n)
{
    struct json_object *values = json_object_new_array();
    for (unsigned i = 0; i < n; i++)
        json_object_array_add(values, isfinite(point[i]) ? json_object_new_double(point[i]) : NULL);
    return values;
}

static struct json_object *
fan_row(const struct series *s)
{
    const struct forecast_config *config = api.steps->config;
    struct json_object *o = json_object_new_object();
    add_text(o, "app", s->app);
    add_text(o, "signal", s->signal->name);
    add_text(o, "resource", offload_resource_names[s->signal->resource]);
    add_text(o, "unit", s->signal->unit);
    add_number(o, "capacity", s->capacity);
    add_number(o, "step_s",
               s->n_fan ? (double)config->horizon * config->step_s / s->n_fan : NAN);
    json_object_object_add(o, "p50", fan_points(s->fan[0], s->n_fan));
    json_object_object_add(o, "p90", fan_points(s->fan[1], s->n_fan));
    return o;
}

static int
do_fan_get(void *ctx, struct rpc_peer *peer, struct json_object *params,
           struct json_object **result, struct offload_err *err)
{
    (void)ctx, (void)peer;
    struct params p;
    int rc = read_params(params, &p, err);
    if (rc)
        return rc;
    const struct steps *st = api.steps;
    pthread_mutex_lock(&api.steps->work);
    const struct host *host = find_host(p.server, err);
    struct json_object *rows = host ? json_object_new_array() : NULL;
    for (size_t i = 0; host && i < st->n_sorted; i++) {
        const struct series *s = st->sorted[i];
        if (steps_forecasts(s) && strcmp(s->host, host->name) == 0 &&
            (!p.app[0] || strcmp(s->app, p.app) == 0))
            json_object_array_add(rows, fan_row(s));
    }
    pthread_mutex_unlock(&api.steps->work);
    if (!host)
        return -ENOENT;
    *result = json_object_new_object();
    json_object_object_add(*result, "fans", rows);
    return 0;
}

static int
do_feed_list(void *ctx, struct rpc_peer *peer, struct json_object *params,
             struct json_object **result, struct offload_err *err)
{
    (void)ctx, (void)peer, (void)params, (void)err;
    *result = json_object_new_object();
    json_object_object_add(*result, "feeds", feed_rows());
    return 0;
}

static const struct rpc_method methods[] = {
    {"hello", do_hello, "versions"},
    {"score.get", do_score_get, "the servers' scores"},
    {"score.explain", do_score_explain, "signals, models and parts behind a server's score"},
    {"fan.get", do_fan_get, "what is ahead, point by point"},
    {"feed.list", do_feed_list, "feeds: age, size, last error"},
    {NULL, NULL, NULL},
};

static void
on_stop(evutil_socket_t fd, short what, void *base)
{
    (void)fd, (void)what;
    event_base_loopbreak(base);
}

static void *
thread_main(void *ctx)
{
    (void)ctx;
    event_base_loop(api.base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

int
api_start(struct steps *steps, const struct table *table, const char *path, struct offload_err *err)
{
    api.steps = steps;
    api.table = table;
    evthread_use_pthreads();
    api.base = event_base_new();
    api.stop = api.base ? event_new(api.base, -1, EV_PERSIST, on_stop, api.base) : NULL;
    api.server = api.stop ? rpc_server_create(api.base, methods, NULL, NULL) : NULL;
    int rc = api.server ? rpc_server_listen_unix(api.server, path, 0660, err)
                        : offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    if (rc == 0)
        api.running = plugin_thread_create(&api.thread, thread_main, NULL, "offload api") == 0;
    if (rc == 0 && !api.running)
        rc = offload_err_set(err, -EAGAIN, path, NULL, "no thread for it");
    if (rc)
        api_stop();
    return rc;
}

void
api_stop(void)
{
    if (api.running) {
        event_active(api.stop, EV_TIMEOUT, 0);
        pthread_join(api.thread, NULL);
    }
    if (api.server)
        rpc_server_destroy(api.server);
    if (api.stop)
        event_free(api.stop);
    if (api.base)
        event_base_free(api.base);
    memset(&api, 0, sizeof api);
}

#else
#include <errno.h>

int
api_start(struct steps *steps, const struct table *table, const char *path, struct offload_err *err)
{
    (void)steps, (void)table;
    return offload_err_set(err, -ENOTSUP, path, "a build with libevent", "no server is built in");
}

void
api_stop(void)
{
}
#endif
