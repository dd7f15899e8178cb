// SPDX-License-Identifier: Apache-2.0
// collectd's bus: forecasts and scores in, plans, rewards and SLA states out.
// bus -> [bus] -> tick -> [bus] -> bus.  bus_note() runs on collectd's writers, several at once.
#include "plugins/manager/manager.h"

#include <math.h>
#include <string.h>

static const char *const resources[] = {"cpu", "bandwidth", "memory", "interconnect"};

static int
resource_of(const char *name)
{
    for (int r = 0; r < 4; r++)
        if (!strcmp(name, resources[r]))
            return r;
    return -1;
}

// Values that overtook newer ones are dropped (collectd has several writers).
static void
note_need(struct manager_need *need, const double *values, size_t n, uint64_t time, uint64_t now_ns,
          uint64_t lasts_ns)
{
    if (n < 3 || time < need->bus_time)
        return;
    if (!isfinite(values[0]) || values[0] < 0 || isinf(values[1]) || isinf(values[2])) {
        need->seen_ns = 0; // the forecaster says that it cannot say
        return;
    }
    *need = (struct manager_need){.p50 = values[0],
                                  .p90 = values[1],
                                  .p99 = values[2],
                                  .bus_time = time,
                                  .seen_ns = now_ns,
                                  .lasts_ns = lasts_ns};
}

static void
note_server(struct manager_server *server, const char *type, int resource, const double *values,
            size_t n, uint64_t time, uint64_t now_ns, uint64_t lasts_ns)
{
    if (!strcmp(type, "offload_demand") && resource >= 0) {
        note_need(&server->demand[resource], values, n, time, now_ns, lasts_ns);
        return;
    }
    if (!strcmp(type, "offload_score")) {
        server->score = values[0];
        server->period_ns = server->seen_ns ? now_ns - server->seen_ns : 0;
        server->seen_ns = now_ns;
        server->lasts_ns = lasts_ns;
    } else if (!strcmp(type, "offload_lead")) {
        server->lead_s = values[0];
    } else if (!strcmp(type, "offload_limit")) {
        server->limit = values[0];
    }
}

void
bus_note(struct manager *m, const char *host, const char *plugin, const char *plugin_instance,
         const char *type, const char *type_instance, const double *values, size_t n, uint64_t time,
         uint64_t now_ns, uint64_t lasts_ns)
{
    if (strcmp(plugin, "offload_forecast") || n == 0)
        return;
    int resource = resource_of(plugin_instance);
    pthread_mutex_lock(&m->lock);
    struct manager_server *server = manager_find_server(m, host);
    if (server && !strcmp(type_instance, "card"))
        note_server(server, type, resource, values, n, time, now_ns, lasts_ns);
    struct manager_app *app = server ? manager_find_app(m, type_instance) : NULL;
    if (app && resource >= 0 && resource < ALLOC_N_RESOURCES) {
        if (!strcmp(type, "offload_next"))
            note_need(&app->next[resource], values, n, time, now_ns, lasts_ns);
        else if (!strcmp(type, "offload_need"))
            note_need(&app->need[resource], values, n, time, now_ns, lasts_ns);
    }
    pthread_mutex_unlock(&m->lock);
}

void
bus_publish(const struct manager *m, const struct alloc_plan *plan)
{
    double numbers[] = {(double)plan->number, plan->changes, plan->moves};
    manager_dispatch("offload_plan", "card", numbers, 3);
    double rewards[] = {m->last_tick.fallen_back ? m->last_tick.baseline : m->last_tick.learned,
                        m->last_tick.baseline};
    if (!isnan(rewards[0]))
        manager_dispatch("offload_reward", "card", rewards, 2);
    for (uint32_t a = 0; a < m->n_apps; a++) {
        double breached = m->apps[a].breached;
        if (m->apps[a].planned != ALLOC_NONE)
            manager_dispatch("offload_sla", m->apps[a].name, &breached, 1);
    }
}
