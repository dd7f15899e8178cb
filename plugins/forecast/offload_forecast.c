// SPDX-License-Identifier: Apache-2.0
// collectd plugin: from values on the bus to forecasts and scores on the bus.
//
//   any writer thread   write:  identifier -> table -> resampler                       under 'lock'
//   one reader thread   read, each StepS:  close the step                              under 'lock'
//                               push, fit within the budget, run, publish              without it
//   main thread         config, init (warm start), shutdown
//
// So a writer waits at most while a step is closed, never for a fit.

#include "plugin.h"
#include "utils/common/common.h"
#include "utils_cache.h"

#include "plugins/forecast/config.h"
#include "plugins/forecast/publish.h"
#include "plugins/forecast/table.h"
#ifdef HAVE_RRD
#include "plugins/forecast/warmstart.h"
#endif

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void module_register(void);

struct host {
    char name[128];
    bool stale; // and told so
};

enum {
    WAIT_NS = 8000000, // for values that are on their way, between two looks
    VAIN_MAX = 3,
};

static struct {
    struct forecast_config config; // constant after init
    bool configured;               // by a block without fault
    bool refused;                  // its fault was told

    pthread_mutex_t lock;
    struct table table; // under 'lock', but for what table.h gives to the read callback

    // Owner: the read callback.
    struct offload_fan fan;
    int64_t next_step; // to be closed; 0: none was yet
    uint64_t n_fits;
    unsigned waited_in_vain; // times in a row
    struct host *host;
    size_t n_hosts;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- From the bus ----

static int
find_source(const data_set_t *ds, const char *name)
{
    for (size_t i = 0; i < ds->ds_num; i++)
        if (strcmp(ds->ds[i].name, name) == 0)
            return (int)i;
    return -1;
}

// Counters as rates, by collectd's own cache.
static double
value_at(const data_set_t *ds, const value_list_t *vl, int i)
{
    if (i < 0 || (size_t)i >= vl->values_len)
        return NAN;
    if (ds->ds[i].type == DS_TYPE_GAUGE)
        return vl->values[i].gauge;
    gauge_t *rates = uc_get_rate(ds, vl);
    double rate = rates ? rates[i] : NAN;
    free(rates);
    return rate;
}

static void
take_value(const struct feed *feed, const data_set_t *ds, const value_list_t *vl)
{
    // Above this share of its limit a value stands at it: counters are read a little apart.
    static const double AT_LIMIT = 0.98;
    int i = find_source(ds, feed->data_source);
    struct offload_resample *resample = feed->series->resample;
    double time_s = CDTIME_T_TO_DOUBLE(vl->time), value = value_at(ds, vl, i);
    if (isnan(value))
        return;
    if (feed->series->signal->aggregate == AGGREGATE_RATE && ds->ds[i].type == DS_TYPE_GAUGE)
        value = offload_resample_rate(resample, feed->source, time_s, value);
    double limit =
        feed->limit_source[0] ? value_at(ds, vl, find_source(ds, feed->limit_source)) : NAN;
    bool censored = limit > 0 && value >= AT_LIMIT * limit;
    offload_resample_put(resample, feed->source, time_s, CDTIME_T_TO_DOUBLE(vl->interval), value,
                         censored);
}

static int
forecast_write(const data_set_t *ds, const value_list_t *vl, user_data_t *data)
{
    (void)data;
    if (strcmp(vl->plugin, "offload_forecast") == 0)
        return 0; // our own
    char identifier[6 * DATA_MAX_NAME_LEN];
    if (FORMAT_VL(identifier, sizeof identifier, vl))
        return 0;
    pthread_mutex_lock(&g.lock);
    const struct binding *binding = table_bind(&g.table, identifier, vl->host, vl->type_instance);
    for (size_t i = 0; binding && i < binding->n_feeds; i++)
        take_value(&binding->feed[i], ds, vl);
    bool tell = !binding && !g.table.full;
    g.table.full |= !binding;
    pthread_mutex_unlock(&g.lock);
    if (tell)
        WARNING("offload_forecast: '%s' cannot be taken in: %d series, %d identifiers or the "
                "memory are "
                "used up; narrow the Match patterns",
                identifier, SERIES_MAX, IDENTIFIERS_MAX);
    return 0;
}

// ---- A step ----

// Under the lock: may 'step' be closed, though it is not over?
static bool
is_ready(int64_t step)
{
    bool any = false;
    for (size_t i = 0; i < g.table.n_series; i++) {
        switch (offload_resample_readiness(g.table.series[i]->resample, step)) {
        case OFFLOAD_NOT_AWAITED:
            break;
        case OFFLOAD_AWAITED:
            return false;
        case OFFLOAD_READY:
            any = true;
        }
    }
    return any;
}

// The plugins that report to us are read at the same moment as we are. A forecast that waits for
// them, at most GraceS, knows a step more; where the wait is in vain, it is not tried again until
// they come first.
static void
await_values(void)
{
    int64_t step = (int64_t)floor(CDTIME_T_TO_DOUBLE(cdtime()) / g.config.step_s);
    cdtime_t end = cdtime() + DOUBLE_TO_CDTIME_T(g.config.grace_s);
    bool ready = false;
    do {
        pthread_mutex_lock(&g.lock);
        ready = g.next_step == 0 || is_ready(step);
        pthread_mutex_unlock(&g.lock);
        // Ready or not, once more: an application that comes to a card reports just after the
        // others.
        nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
    } while (!ready && g.waited_in_vain < VAIN_MAX && cdtime() < end);
    g.waited_in_vain = ready ? 0 : g.waited_in_vain + 1;
}

// Closes all steps that are over or ready, under the lock. Returns how many; 'lost' gets those
// before them that nobody looked at.
static size_t
close_steps(int64_t *lost)
{
    double now_s = CDTIME_T_TO_DOUBLE(cdtime());
    int64_t last = (int64_t)floor((now_s - g.config.grace_s) / g.config.step_s) - 1;
    *lost = 0;
    // The first step, or a clock that was set back by more than jitter.
    if (g.next_step == 0 || last < g.next_step - CATCH_UP_MAX)
        g.next_step = last;
    if (last < g.next_step - 1)
        last = g.next_step - 1;
    while (last - g.next_step < CATCH_UP_MAX && is_ready(last + 1))
        last++;
    if (last < g.next_step)
        return 0;
    if (last - g.next_step >= CATCH_UP_MAX) {
        *lost = last - g.next_step - CATCH_UP_MAX + 1;
        g.next_step += *lost;
    }
    size_t n = (size_t)(last - g.next_step + 1);
    for (size_t i = 0; i < g.table.n_series; i++) {
        struct series *s = g.table.series[i];
        for (size_t k = 0; k < n; k++)
            s->closed[k] =
                offload_resample_close(s->resample, g.next_step + (int64_t)k, &s->censored[k]);
    }
    g.next_step = last + 1;
    return n;
}

static void
push_steps(struct series *s, size_t n, int64_t lost)
{
    for (size_t k = 0; k < n && !s->forecaster; k++)
        if (!isnan(s->closed[k]))
            s->forecaster = table_forecaster(&g.table);
    if (!s->forecaster)
        return;
    for (int64_t i = 0; i < lost && i < (int64_t)g.config.capacity; i++)
        offload_forecaster_push(s->forecaster, NAN, false, NULL);
    for (size_t k = 0; k < n; k++)
        offload_forecaster_push(s->forecaster, s->closed[k], s->censored[k], NULL);
    size_t silent = offload_forecaster_silent_steps(s->forecaster);
    s->silent_s = (double)silent * g.config.step_s;
    if (silent < g.config.capacity)
        return;
    // All of history is a gap: what there was to know is forgotten.
    offload_forecaster_destroy(s->forecaster);
    s->forecaster = NULL;
    s->p50 = s->p90 = s->p99 = s->lead_s = NAN;
}

static bool
is_forecast(const struct series *s)
{
    return s->signal->role == ROLE_RESOURCE && s->forecaster;
}

static void
tell_models(struct series *s)
{
    char text[400];
    if (s->told)
        return;
    s->told = true;
    offload_forecaster_explain(s->forecaster, text, sizeof text);
    INFO("offload_forecast: host '%s' %s of '%s': %s", s->host,
         offload_resource_names[s->signal->resource], s->app, text);
}

// The most overdue fits first, until this step's budget is spent; at least one, or none would ever
// be done.
static void
fit_models(struct series **series, size_t n)
{
    cdtime_t end = cdtime() + DOUBLE_TO_CDTIME_T(g.config.step_s * g.config.refit_budget_pct / 100);
    do {
        struct series *most = NULL;
        double due = 0;
        for (size_t i = 0; i < n; i++) {
            double this_due =
                is_forecast(series[i]) ? offload_forecaster_fit_due(series[i]->forecaster) : 0;
            if (this_due > due) {
                due = this_due;
                most = series[i];
            }
        }
        if (!most)
            return;
        if (offload_forecaster_fit(most->forecaster, NULL))
            return; // no memory: later
        g.n_fits++;
        tell_models(most);
    } while (cdtime() < end);
}

static void
run_models(struct series *s)
{
    if (!is_forecast(s))
        return;
    // The step's number makes the seed: a replay of the same values gives the same paths.
    if (offload_forecaster_run(s->forecaster, NULL, (uint64_t)g.next_step, &g.fan))
        return;
    s->p50 = offload_fan_peak(&g.fan, 0.5);
    s->p90 = offload_fan_peak(&g.fan, 0.9);
    s->p99 = offload_fan_peak(&g.fan, 0.99);
    s->lead_s = (double)(offload_fan_peak_step(&g.fan, 0.9) + 1) * g.config.step_s;
}

// ---- A host ----

static struct host *
find_host(const char *name)
{
    for (size_t i = 0; i < g.n_hosts; i++)
        if (strcmp(g.host[i].name, name) == 0)
            return &g.host[i];
    struct host *grown = realloc(g.host, (g.n_hosts + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    g.host = grown;
    struct host *host = &g.host[g.n_hosts++];
    *host = (struct host){.stale = false};
    sstrncpy(host->name, name, sizeof host->name);
    return host;
}

// For how long the host as a whole has said nothing.
static double
host_silent_s(const char *name, struct series **series, size_t n)
{
    double least = INFINITY;
    for (size_t i = 0; i < n; i++)
        if (is_forecast(series[i]) && strcmp(series[i]->host, name) == 0)
            least = fmin(least, series[i]->silent_s);
    return least;
}

// An application that alone falls silent has left; when all do, the way to us is broken, and what
// we know still counts, less and less surely.
static bool
is_current(const struct series *s, double host_silent)
{
    return is_forecast(s) && !isnan(s->p90) &&
           (s->silent_s <= g.config.stale_s || host_silent > g.config.stale_s);
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

static void
publish_host(struct host *host, struct series **series, size_t n)
{
    struct total total[OFFLOAD_RESOURCES];
    for (int r = 0; r < OFFLOAD_RESOURCES; r++)
        total[r] = (struct total){.most = -1};
    double silent_s = host_silent_s(host->name, series, n), age_s = 0;
    for (size_t i = 0; i < n; i++) {
        const struct series *s = series[i];
        if (strcmp(s->host, host->name) != 0 || !is_current(s, silent_s))
            continue;
        publish_series(s, g.config.step_s);
        total_add(&total[s->signal->resource], s);
    }
    struct offload_score score;
    offload_score_init(&score);
    for (int r = 0; r < OFFLOAD_RESOURCES; r++) {
        if (total[r].most < 0)
            continue;
        offload_score_add(&score, (enum offload_resource)r, total[r].p90, total[r].capacity,
                          total[r].lead_s);
        age_s = fmax(age_s, total[r].age_s);
    }
    if (!isnan(score.score))
        publish_score(host->name, &score, age_s, g.config.step_s);
    bool stale = silent_s > g.config.stale_s && isfinite(silent_s);
    if (stale != host->stale && isfinite(silent_s)) {
        host->stale = stale;
        publish_stale(host->name, stale, silent_s);
    }
}

static int
forecast_read(user_data_t *data)
{
    (void)data;
    int64_t lost;
    await_values();
    pthread_mutex_lock(&g.lock);
    size_t n_steps = close_steps(&lost);
    // The series themselves stay where they are; only the list of them may move while writers add
    // to it.
    size_t n = g.table.n_series;
    struct series **series = malloc((n + 1) * sizeof *series);
    if (series)
        memcpy(series, g.table.series, n * sizeof *series);
    pthread_mutex_unlock(&g.lock);
    if (!series || n_steps == 0) {
        free(series);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        push_steps(series[i], n_steps, lost);
    fit_models(series, n);
    for (size_t i = 0; i < n; i++) {
        run_models(series[i]);
        find_host(series[i]->host);
    }
    for (size_t i = 0; i < g.n_hosts; i++)
        publish_host(&g.host[i], series, n);
    free(series);
    return 0;
}

// ---- Lifecycle ----

#ifdef HAVE_RRD
static void
start_warm(void)
{
    if (!g.config.rrd_dir[0])
        return;
    // The step before the one that is going on; live values go on from there.
    int64_t last = (int64_t)floor(CDTIME_T_TO_DOUBLE(cdtime()) / g.config.step_s) - 1;
    struct warmstart_report report;
    struct offload_err err = {0};
    char line[900];
    if (warmstart_run(&g.table, last, geteuid(), &report, &err)) {
        NOTICE("offload_forecast: %s; starting without history",
               offload_err_format(&err, line, sizeof line));
        return;
    }
    g.next_step = last + 1;
    INFO("offload_forecast: history of %zu series from %zu files in '%s'", report.n_series,
         report.n_files, g.config.rrd_dir);
    if (report.n_refused)
        WARNING("offload_forecast: %zu files or folders were passed over, the first: %s",
                report.n_refused, report.refused);
}
#else
static void
start_warm(void)
{
    if (g.config.rrd_dir[0])
        NOTICE("offload_forecast: built without librrd; starting without history");
}
#endif

static int
forecast_config(oconfig_item_t *block)
{
    struct offload_err err = {0};
    char line[900];
    if (g.configured || g.refused) {
        ERROR("offload_forecast: <Plugin offload_forecast> stands twice; keep one");
        g.refused = true;
    } else if (forecast_config_read(block, &g.config, &err)) {
        ERROR("offload_forecast: %s", offload_err_format(&err, line, sizeof line));
        g.refused = true;
    } else {
        g.configured = true;
    }
    return 0; // else collectd would not start at all
}

static int
forecast_init(void)
{
    if (g.refused || !g.configured) {
        if (!g.refused)
            ERROR("offload_forecast: no <Plugin offload_forecast> block; it needs at least one "
                  "<Signal>");
        return -1;
    }
    if (offload_fan_init(&g.fan, g.config.horizon, g.config.paths)) {
        ERROR("offload_forecast: no memory for %zu steps of %llu paths", g.config.horizon,
              (unsigned long long)g.config.paths);
        return -1;
    }
    table_init(&g.table, &g.config);
    start_warm();
    plugin_register_complex_read(NULL, "offload_forecast", forecast_read,
                                 DOUBLE_TO_CDTIME_T(g.config.step_s), NULL);
    plugin_register_write("offload_forecast", forecast_write, NULL);
    return 0;
}

// Readers and writers have ended by now.
static int
forecast_shutdown(void)
{
    table_fini(&g.table);
    if (g.fan.mean)
        offload_fan_fini(&g.fan);
    forecast_config_fini(&g.config);
    free(g.host);
    g.host = NULL;
    g.n_hosts = 0;
    return 0;
}

void
module_register(void)
{
    plugin_register_complex_config("offload_forecast", forecast_config);
    plugin_register_init("offload_forecast", forecast_init);
    plugin_register_shutdown("offload_forecast", forecast_shutdown);
}
