// SPDX-License-Identifier: Apache-2.0
// profile.start|get|stop|sweep: what an application costs, measured by the worker while it runs.
// Main thread; the worker fills the histograms (chain.c).
#include "dpdk-app/profile.h"

#include "dpdk-app/cardd.h"
#include "dpdk-app/params.h"

#include "lib/io/clock.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct app *
read_app(struct cardd *d, struct json_object *params, struct params *p, struct offload_err *err)
{
    if (params_read(params, p, err) != 0)
        return NULL;
    return app_get(d, p->app, p->card[0] ? p->card : NULL, err);
}

// The first lane's: all have one, or none has.
static struct profile *
profile_of(const struct app *app)
{
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        if (app->run[i])
            return atomic_load_explicit(&app->run[i]->profile,
                                        memory_order_relaxed); // we are its writer
    return NULL;
}

void
profile_end(struct cardd *d, struct app *app)
{
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++) {
        if (!app->run[i])
            continue;
        struct profile *profile =
            atomic_exchange_explicit(&app->run[i]->profile, NULL, memory_order_relaxed);
        if (profile)
            defer_free(d, free, profile);
    }
}

// False: out of memory, and then nothing is measured.
static bool
profile_begin(struct cardd *d, struct app *app)
{
    profile_end(d, app);
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++) {
        if (!app->run[i])
            continue;
        struct profile *profile = calloc(1, sizeof *profile);
        if (!profile) {
            profile_end(d, app);
            return false;
        }
        for (unsigned k = 0; k < app->chain.n; k++) {
            profile->of[k] = app->chain.fn[k];
            profile->ops[profile->n++] = app->chain.fn[k]->ops;
        }
        profile->start_ns = clock_monotonic_ns();
        app_stats(app, &profile->start);
        atomic_store_explicit(&app->run[i]->profile, profile,
                              memory_order_release); // pairs with the acquire in chain_run()
    }
    return true;
}

// What all lanes have measured. The caller frees it; NULL: out of memory.
static struct profile *
profile_sum(const struct app *app)
{
    struct profile *sum = malloc(sizeof *sum);
    if (!sum)
        return NULL;
    *sum = *profile_of(app);
    memset(sum->fn, 0, sizeof sum->fn);
    memset(&sum->queue_delay, 0, sizeof sum->queue_delay);
    memset(&sum->service, 0, sizeof sum->service);
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++) {
        const struct profile *p =
            app->run[i] ? atomic_load_explicit(&app->run[i]->profile, memory_order_relaxed) : NULL;
        if (!p)
            continue;
        for (unsigned k = 0; k < p->n; k++)
            histogram_merge(&sum->fn[k], &p->fn[k]);
        histogram_merge(&sum->queue_delay, &p->queue_delay);
        histogram_merge(&sum->service, &p->service);
    }
    return sum;
}

void
profile_follow(struct cardd *d, struct app *app)
{
    const struct profile *profile = profile_of(app);
    if (!profile)
        return;
    bool same = profile->n == app->chain.n;
    for (unsigned i = 0; i < app->chain.n && same; i++)
        same = profile->of[i] == app->chain.fn[i];
    if (!same)
        profile_begin(d, app); // out of memory: it ends
}

static int
profile_start(void *ctx, struct rpc_peer *peer, struct json_object *params,
              struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer, (void)result;
    struct app *app = read_app(d, params, &p, err);
    if (!app)
        return err->code;
    if (!profile_begin(d, app))
        return offload_err_set(err, -ENOMEM, "app", NULL, "out of memory");
    return 0;
}

static struct json_object *
percentiles(const struct cardd *d, const struct histogram *h, bool cycles)
{
    struct json_object *o = json_object_new_object();
    uint64_t p50 = histogram_quantile(h, 0.5), p99 = histogram_quantile(h, 0.99);
    if (cycles)
        json_object_object_add(o, "mean", json_object_new_uint64(histogram_mean(h)));
    json_object_object_add(o, "p50", json_object_new_uint64(cycles ? p50 : cycles_to_ns(d, p50)));
    json_object_object_add(o, "p99", json_object_new_uint64(cycles ? p99 : cycles_to_ns(d, p99)));
    return o;
}

static struct json_object *
profile_to_json(const struct cardd *d, const struct app *app, const struct profile *profile)
{
    struct json_object *o = json_object_new_object(), *functions = json_object_new_array();
    struct stats now;
    app_stats(app, &now);
    double seconds = (double)(clock_monotonic_ns() - profile->start_ns) / 1e9;
    for (unsigned i = 0; i < profile->n; i++) {
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "fn", json_object_new_string(profile->ops[i]->name));
        json_object_object_add(row, "cycles_per_pkt", percentiles(d, &profile->fn[i], true));
        json_object_array_add(functions, row);
    }
    uint64_t bytes = now.delivered_bytes - profile->start.delivered_bytes;
    json_object_object_add(o, "running", json_object_new_boolean(true));
    json_object_object_add(o, "seconds", json_object_new_double(seconds));
    json_object_object_add(o, "packets",
                           json_object_new_uint64(now.offered_pkts - profile->start.offered_pkts));
    json_object_object_add(o, "functions", functions);
    json_object_object_add(o, "queue_delay_ns", percentiles(d, &profile->queue_delay, false));
    json_object_object_add(o, "service_ns", percentiles(d, &profile->service, false));
    json_object_object_add(o, "throughput_bps",
                           json_object_new_double(seconds > 0 ? (double)bytes * 8 / seconds : 0));
    json_object_object_add(o, "drops", drops_to_json(&now, &profile->start, DROP_NO_APP));
    json_object_object_add(o, "memory_high_bytes",
                           json_object_new_uint64(count_get(&app->quota.high)));
    return o;
}

static int
profile_get(void *ctx, struct rpc_peer *peer, struct json_object *params,
            struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    struct app *app = read_app(d, params, &p, err);
    if (!app)
        return err->code;
    if (!profile_of(app))
        return offload_err_set(err, -ENOENT, "app", "call profile.start first",
                               "no profile of '%s' runs", app->name);
    struct profile *profile = profile_sum(app);
    if (!profile)
        return offload_err_set(err, -ENOMEM, "app", NULL, "out of memory");
    *result = profile_to_json(d, app, profile);
    free(profile);
    return 0;
}

static int
profile_stop(void *ctx, struct rpc_peer *peer, struct json_object *params,
             struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    int rc = profile_get(ctx, peer, params, result, err);
    if (rc != 0)
        return rc;
    profile_end(d, read_app(d, params, &p, err));
    json_object_object_add(*result, "running", json_object_new_boolean(false));
    return 0;
}

// Throughput = share x cycles/s / (cycles/byte), up to what the card's bandwidth allows.
static int
profile_sweep(void *ctx, struct rpc_peer *peer, struct json_object *params,
              struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct params p = {.term = 0};
    (void)peer;
    struct app *app = read_app(d, params, &p, err);
    if (!app)
        return err->code;
    struct stats now, before = {0};
    app_stats(app, &now);
    if (profile_of(app))
        before = profile_of(app)->start;
    uint64_t cycles = now.cycles - before.cycles,
             bytes = now.delivered_bytes - before.delivered_bytes;
    if (bytes == 0 || cycles == 0)
        return offload_err_set(err, -EBUSY, "app", "let it carry packets first",
                               "nothing has been measured of '%s'", app->name);
    const struct capacity *capacity = &app->card->capacity;
    struct json_object *points = json_object_new_array();
    for (uint64_t i = 1; i <= p.points; i++) {
        double cpu_pct = 100.0 * (double)i / (double)p.points;
        double bps =
            cpu_pct / 100 * (double)capacity->cycles_per_s / ((double)cycles / (double)bytes) * 8;
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "cpu_pct", json_object_new_double(cpu_pct));
        json_object_object_add(
            row, "throughput_bps",
            json_object_new_double(RTE_MIN(bps, (double)capacity->bandwidth_bps)));
        json_object_array_add(points, row);
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "points", points);
    return 0;
}

const struct rpc_method profile_methods[] = {
    {"profile.start", profile_start, "begins to measure an application"},
    {"profile.get", profile_get, "what was measured so far"},
    {"profile.stop", profile_stop, "ends it, with the figures"},
    {"profile.sweep", profile_sweep, "throughput as a function of the share of cycles"},
    {.name = NULL},
};
