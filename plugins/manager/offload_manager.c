// SPDX-License-Identifier: Apache-2.0
// collectd plugin: who gets what on which card, and who moves.
// bus (forecasts, scores) + cards -> [offload_manager] -> cards, switch; plans and rewards onto the
// bus.
//
// thread   does                                stops
// ticker   one decision every StepS (tick.c)   first: the plan in hand is finished
// mover    migrations under way (moves.c)      what is left, a next manager finishes from the cards
// leader   who of several commands (leader.c)  then another does
// server   the manager's API (api.c)           last
// collectd's writers call write(), which only notes values; its main thread configures, starts,
// stops.

#include "plugin.h"
#include "utils/common/common.h"

#include "plugins/manager/manager.h"

#include "lib/io/client_blocking.h"
#include "lib/io/clock.h"

#include <stdarg.h>
#include <stdlib.h>

void module_register(void);

static struct manager manager;
static struct {
    bool configured;
    int running; // threads, in the order below
    pthread_t thread[4];
} host;

static const double FORECAST_LASTS_INTERVALS =
    4; // a forecaster that is silent for longer has stopped
static const uint64_t FORECAST_LASTS_LEAST_NS = 3000000000;

void
manager_notify(enum manager_severity severity, const char *fmt, ...)
{
    static const int levels[] = {NOTIF_FAILURE, NOTIF_WARNING, NOTIF_OKAY};
    notification_t note = {.severity = levels[severity], .time = cdtime()};
    va_list args;
    va_start(args, fmt);
    vsnprintf(note.message, sizeof note.message, fmt, args);
    va_end(args);
    sstrncpy(note.host, hostname_g, sizeof note.host);
    sstrncpy(note.plugin, "offload_manager", sizeof note.plugin);
    plugin_dispatch_notification(&note);
    if (severity == MANAGER_OKAY)
        NOTICE("offload_manager: %s", note.message);
    else
        WARNING("offload_manager: %s", note.message);
}

void
manager_dispatch(const char *type, const char *type_instance, const double *values, size_t n)
{
    value_t v[3];
    value_list_t vl = {.values = v,
                       .values_len = n,
                       .time = cdtime(),
                       .interval = DOUBLE_TO_CDTIME_T(manager.options.step_s)};
    for (size_t i = 0; i < n && i < 3; i++)
        v[i].gauge = values[i];
    sstrncpy(vl.host, hostname_g, sizeof vl.host);
    sstrncpy(vl.plugin, "offload_manager", sizeof vl.plugin);
    sstrncpy(vl.type, type, sizeof vl.type);
    sstrncpy(vl.type_instance, type_instance, sizeof vl.type_instance);
    plugin_dispatch_values(&vl);
}

static int
write_values(const data_set_t *ds, const value_list_t *vl, user_data_t *ud)
{
    enum { VALUES_MAX = 4 };
    double values[VALUES_MAX];
    (void)ud;
    size_t n = vl->values_len < VALUES_MAX ? vl->values_len : VALUES_MAX;
    if (strcmp(vl->plugin, "offload_forecast"))
        return 0;
    for (size_t i = 0; i < n; i++)
        values[i] = ds->ds[i].type == DS_TYPE_GAUGE ? vl->values[i].gauge : NAN;
    double lasts_s = FORECAST_LASTS_INTERVALS * CDTIME_T_TO_DOUBLE(vl->interval);
    uint64_t lasts_ns = (uint64_t)(lasts_s * 1e9);
    if (lasts_ns < FORECAST_LASTS_LEAST_NS)
        lasts_ns = FORECAST_LASTS_LEAST_NS;
    bus_note(&manager, vl->host, vl->plugin, vl->plugin_instance, vl->type, vl->type_instance,
             values, n, vl->time, clock_monotonic_ns(), lasts_ns);
    return 0;
}

static int
configure(oconfig_item_t *item)
{
    struct offload_err err = {0};
    char text[700];
    if (host.configured) {
        ERROR("offload_manager: there are two <Plugin offload_manager> blocks; use one");
        return -1;
    }
    int rc = manager_configure(&manager, item, &err);
    if (rc)
        ERROR("%s", offload_err_format(&err, text, sizeof text));
    host.configured = rc == 0;
    return rc;
}

static int
make_clients(struct manager *m)
{
    for (unsigned i = 0; i < m->n_peers; i++) {
        struct manager_peer *peer = &m->peers[i];
        peer->tick_client = rpc_client_create(peer->socket, (unsigned)m->options.timeout_ms);
        peer->move_client = rpc_client_create(peer->socket, (unsigned)m->options.timeout_ms);
        if (!peer->tick_client || !peer->move_client)
            return -ENOMEM;
    }
    return 0;
}

static void
init_sync(struct manager *m)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->wake_ticker, &attr);
    pthread_cond_init(&m->wake_mover, &attr);
    pthread_cond_init(&m->wake_leader, &attr);
    pthread_condattr_destroy(&attr);
}

static int
init(void)
{
    static void *(*const mains[4])(void *) = {ticker_main, mover_main, leader_main, server_main};
    static const char *const names[4] = {"offload ticker", "offload mover", "offload leader",
                                         "offload api"};
    struct offload_err err = {0};
    char text[700];
    if (!host.configured) {
        ERROR("offload_manager: no <Plugin offload_manager> block that can be used; nothing is "
              "managed");
        return -1;
    }
    if (host.running)
        return 0;
    int rc = manager_name_servers(&manager, hostname_g);
    if (!rc)
        rc = make_clients(&manager);
    if (!rc)
        rc = api_open(&manager, &err);
    if (rc) {
        ERROR("offload_manager: %s", offload_err_format(&err, text, sizeof text));
        api_close();
        return -1;
    }
    agent_load(&manager);
    admit_load(&manager);
    for (; host.running < 4; host.running++)
        if (plugin_thread_create(&host.thread[host.running], mains[host.running], &manager,
                                 names[host.running]))
            return -1;
    return 0;
}

static int
shut_down(void)
{
    pthread_mutex_lock(&manager.lock);
    manager.stop = true;
    pthread_cond_broadcast(&manager.wake_ticker);
    pthread_cond_broadcast(&manager.wake_mover);
    pthread_cond_broadcast(&manager.wake_leader);
    pthread_mutex_unlock(&manager.lock);
    api_stop();
    for (int i = 0; i < host.running; i++)
        pthread_join(host.thread[i], NULL);
    if (host.running)
        agent_save(&manager);
    host.running = 0;
    api_close();
    for (unsigned i = 0; i < manager.n_peers; i++) {
        rpc_client_destroy(manager.peers[i].tick_client);
        rpc_client_destroy(manager.peers[i].move_client);
    }
    if (host.configured)
        manager_fini(&manager);
    host.configured = false;
    return 0;
}

void
module_register(void)
{
    init_sync(&manager);
    plugin_register_complex_config("offload_manager", configure);
    plugin_register_init("offload_manager", init);
    plugin_register_write("offload_manager", write_values, NULL);
    plugin_register_shutdown("offload_manager", shut_down);
}
