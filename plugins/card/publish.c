// SPDX-License-Identifier: Apache-2.0
// The only file of offload_card that builds value lists.

#include "plugins/card/publish.h"

#include "plugin.h"
#include "utils/common/common.h"

#include <stdio.h>

static void
dispatch(const char *plugin, const char *instance, const char *type, const char *type_instance,
         value_t *values, size_t n)
{
    value_list_t vl = VALUE_LIST_INIT;
    vl.values = values;
    vl.values_len = n;
    sstrncpy(vl.plugin, plugin, sizeof vl.plugin);
    sstrncpy(vl.plugin_instance, instance, sizeof vl.plugin_instance);
    sstrncpy(vl.type, type, sizeof vl.type);
    sstrncpy(vl.type_instance, type_instance, sizeof vl.type_instance);
    plugin_dispatch_values(&vl);
}

void
publish_resource(const char *instance, const char *type, const char *app,
                 const struct publish_resource *resource)
{
    value_t values[] = {
        {.gauge = resource->offered}, {.gauge = resource->used}, {.gauge = resource->allocated}};
    dispatch("offload_card", instance, type, app, values, STATIC_ARRAY_SIZE(values));
}

void
publish_counts(const char *instance, const char *app, const struct stats *stats,
               const struct stats_rates *rates)
{
    value_t packets[] = {{.derive = (derive_t)stats->offered_pkts},
                         {.derive = (derive_t)stats->delivered_pkts}};
    dispatch("offload_card", instance, "offload_packets", app, packets, STATIC_ARRAY_SIZE(packets));

    value_t delay[] = {{.gauge = rates->delay_mean_s},
                       {.gauge = rates->delay_p50_s},
                       {.gauge = rates->delay_p99_s}};
    dispatch("offload_card", instance, "offload_delay", app, delay, STATIC_ARRAY_SIZE(delay));

    for (size_t i = 0; i < stats->n_drops; i++) {
        char type_instance[DATA_MAX_NAME_LEN];
        value_t drops = {.derive = (derive_t)stats->drops[i].pkts};
        snprintf(type_instance, sizeof type_instance, "%s.%s", app, stats->drops[i].cause);
        dispatch("offload_card", instance, "offload_drops", type_instance, &drops, 1);
    }
}

void
publish_port(const char *bridge, const char *type, const char *port, int64_t rx, int64_t tx)
{
    value_t values[] = {{.derive = rx}, {.derive = tx}};
    dispatch("offload_switch", bridge, type, port, values, STATIC_ARRAY_SIZE(values));
}

void
publish_switch_gauge(const char *bridge, const char *type, const char *what, double value)
{
    value_t gauge = {.gauge = value};
    dispatch("offload_switch", bridge, type, what, &gauge, 1);
}
