// SPDX-License-Identifier: Apache-2.0
// collectd plugin: from values on the bus to forecasts and scores on the bus.
//
//   any writer thread   write:  identifier -> table -> resampler                       under 'lock'
//   one reader thread   read, each StepS:  close the step                              under 'lock'
//                               steps.c: push, have fitted, run, publish               under steps.work
//   offload fits        fit.c: one fit after the other                                 without a lock
//   offload feeds       feeds.c: fetch and parse                                       without a lock
//   offload api         api.c: why a score is as it is                                 under steps.work
//   main thread         config, init (warm start), shutdown
//
// So a writer waits at most while a step is closed, never for a fit, a feed or a question.

#include "plugin.h"
#include "utils/common/common.h"
#include "utils_cache.h"

#include "plugins/forecast/api.h"
#include "plugins/forecast/config.h"
#include "plugins/forecast/steps.h"
#include "plugins/forecast/table.h"
#ifdef HAVE_RRD
#include "plugins/forecast/warmstart.h"
#endif

#include "lib/io/datafile.h"
#include "lib/io/statefile.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void module_register(void);

enum {
    WAIT_NS = 8000000, // for values that are on their way, between two looks
    VAIN_MAX = 3,
};

static struct {
    struct forecast_config config; // constant after init
    bool configured;               // by a block without fault
    bool started;

    pthread_mutex_t lock;
    struct table table; // under 'lock', but for what table.h gives to the read callback

    // Owner: the read callback.
    int64_t next_step;       // to be closed; 0: none was yet
    unsigned waited_in_vain; // times in a row
    struct steps steps;
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
    steps_run(&g.steps, &g.table, series, n, g.next_step - (int64_t)n_steps, n_steps, lost);
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
    if (warmstart_run(&g.table, &g.steps, last, geteuid(), &report, &err)) {
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
    if (g.configured) {
        ERROR("offload_forecast: <Plugin offload_forecast> stands twice; keep one");
        return -1;
    }
    if (forecast_config_read(block, &g.config, &err)) {
        ERROR("offload_forecast: %s", offload_err_format(&err, line, sizeof line));
        return -1; // collectd does not start: better than without what it was told to do
    }
    g.configured = true;
    return 0;
}

// Without its weights the model "lstm" is not tried, and all else works.
static void
load_weights(void)
{
    struct offload_err err = {0};
    char line[900], path[PATH_MAX];
    datafile(path, sizeof path, OFFLOAD_DATADIR, "weights/lstm.checkpoint");
    if (checkpoint_load(path, OFFLOAD_LSTM_KIND, OFFLOAD_LSTM_VERSION, OFFLOAD_LSTM_BYTES_MAX,
                        offload_lstm_load, &err))
        WARNING("offload_forecast: %s; forecasting without the model lstm",
                offload_err_format(&err, line, sizeof line));
}

static int
forecast_init(void)
{
    struct offload_err err = {0};
    char line[900];
    if (!g.configured) {
        ERROR("offload_forecast: no <Plugin offload_forecast> block; it needs at least one "
              "<Signal>");
        return -1;
    }
    if (g.started)
        return 0;
    table_init(&g.table, &g.config);
    if (steps_init(&g.steps, &g.config)) {
        ERROR("offload_forecast: no memory for %zu steps of %llu paths", g.config.horizon,
              (unsigned long long)g.config.paths);
        steps_fini(&g.steps);
        return -1;
    }
    g.started = true;
    load_weights();
    start_warm();
    if (g.config.socket[0] && api_start(&g.steps, &g.table, g.config.socket, &err))
        WARNING("offload_forecast: %s; going on without it",
                offload_err_format(&err, line, sizeof line));
    plugin_register_complex_read(NULL, "offload_forecast", forecast_read,
                                 DOUBLE_TO_CDTIME_T(g.config.step_s), NULL);
    plugin_register_write("offload_forecast", forecast_write, NULL);
    return 0;
}

// Readers and writers have ended by now.
static int
forecast_shutdown(void)
{
    api_stop();
    if (g.started)
        steps_fini(&g.steps);
    g.started = false;
    table_fini(&g.table);
    forecast_config_fini(&g.config);
    g.configured = false;
    return 0;
}

void
module_register(void)
{
    plugin_register_complex_config("offload_forecast", forecast_config);
    plugin_register_init("offload_forecast", forecast_init);
    plugin_register_shutdown("offload_forecast", forecast_shutdown);
}
