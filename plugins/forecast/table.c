// SPDX-License-Identifier: Apache-2.0
// bus, RRD files -> [table] -> resample.  Under the plugin's lock.
// Every identifier is matched against the signals once and remembered, also if no signal wants it:
// at 20,000 values a second, a hundred patterns each time would be the daemon's main work.

#include "plugins/forecast/table.h"

#include "lib/base/json.h"

#include <fnmatch.h>
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
table_init(struct table *table, const struct forecast_config *config)
{
    *table = (struct table){.config = config};
}

static void
free_binding(void *node)
{
    struct binding *binding = node;
    free(binding->identifier);
    free(binding);
}

static void
free_series(struct series *series)
{
    offload_resample_destroy(series->resample);
    offload_forecaster_destroy(series->forecaster);
    free(series->past);
    free(series);
}

void
table_fini(struct table *table)
{
    tdestroy(table->bindings, free_binding);
    for (size_t i = 0; i < table->n_series; i++)
        free_series(table->series[i]);
    free(table->series);
    *table = (struct table){0};
}

static int
by_identifier(const void *a, const void *b)
{
    const struct binding *x = a, *y = b;
    return strcmp(x->identifier, y->identifier);
}

void
table_remember(const struct table *table, struct series *series, int64_t step, double value)
{
    int64_t capacity = (int64_t)table->config->capacity;
    // Steps that were passed over, and all that a jump of the clock leaves behind, are gaps.
    int64_t gaps = step - series->past_step - 1;
    if (gaps < 0 || gaps > capacity)
        gaps = capacity;
    for (int64_t i = 0; i < gaps; i++)
        series->past[(step + capacity - 1 - i) % capacity] = NAN;
    series->past[step % capacity] = value;
    series->past_step = step;
}

double
table_recall(const struct table *table, const struct series *series, int64_t step)
{
    int64_t capacity = (int64_t)table->config->capacity;
    bool kept = step <= series->past_step && step > series->past_step - capacity && step >= 0;
    return kept ? series->past[step % capacity] : NAN;
}

static struct series *
add_series(struct table *table, const struct forecast_signal *signal, const char *host,
           const char *app, double capacity)
{
    if (table->n_series == SERIES_MAX)
        return NULL;
    struct series **grown = realloc(table->series, (table->n_series + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    table->series = grown;
    struct series *series = calloc(1, sizeof *series);
    if (!series)
        return NULL;
    series->signal = signal;
    series->p50 = series->p90 = series->p99 = series->lead_s = NAN;
    series->next[0] = series->next[1] = series->next[2] = NAN;
    snprintf(series->host, sizeof series->host, "%s", host);
    snprintf(series->app, sizeof series->app, "%s", app);
    series->resample = offload_resample_create(
        table->config->step_s,
        signal->aggregate == AGGREGATE_MAX ? OFFLOAD_AGGREGATE_MAX : OFFLOAD_AGGREGATE_SUM);
    series->capacity = capacity;
    bool predicts = signal->role == ROLE_PREDICTOR;
    if (predicts)
        series->past = malloc(table->config->capacity * sizeof *series->past);
    for (size_t i = 0; series->past && i < table->config->capacity; i++)
        series->past[i] = NAN;
    if (!series->resample || (predicts && !series->past)) {
        free_series(series);
        return NULL;
    }
    table->series[table->n_series++] = series;
    return series;
}

// A series is one signal's, of one host and application.
static struct series *
find_series(struct table *table, const struct forecast_signal *signal, const char *host,
            const char *app, double capacity)
{
    for (size_t i = 0; i < table->n_series; i++) {
        struct series *s = table->series[i];
        if (s->signal == signal && strcmp(s->host, host) == 0 && strcmp(s->app, app) == 0)
            return s;
    }
    return add_series(table, signal, host, app, capacity);
}

static bool
is_taken(const struct binding *binding, const char *data_source)
{
    for (size_t i = 0; i < binding->n_feeds; i++)
        if (strcmp(binding->feed[i].data_source, data_source) == 0)
            return true;
    return false;
}

static bool
add_feed(struct table *table, struct binding *binding, const struct forecast_signal *signal,
         const char *host, const char *app, double capacity)
{
    struct feed feed = {.series = find_series(table, signal, host, app, capacity)};
    if (!feed.series)
        return false;
    feed.source = offload_resample_source(feed.series->resample, binding->identifier);
    if (feed.source < 0)
        return false;
    snprintf(feed.data_source, sizeof feed.data_source, "%s", signal->data_source);
    snprintf(feed.limit_source, sizeof feed.limit_source, "%s", signal->limit_source);
    binding->feed[binding->n_feeds++] = feed;
    return true;
}

// "offload_card-card0" -> "card0", if that is the binding's plugin.
static bool
card_of(const struct binding *binding, char *card, size_t size)
{
    static const char plugin[] = "/offload_card-";
    const char *at = strchr(binding->identifier, '/');
    if (!at || strncmp(at, plugin, sizeof plugin - 1) != 0)
        return false;
    at += sizeof plugin - 1;
    snprintf(card, size, "%.*s", (int)strcspn(at, "/"), at);
    return offload_name_valid(card);
}

static bool
bind_signals(struct table *table, struct binding *binding, const char *host,
             const char *type_instance)
{
    for (size_t i = 0; i < table->config->n_signals; i++) {
        const struct forecast_signal *signal = &table->config->signal[i];
        char card[OFFLOAD_NAME_MAX + 1];
        if (binding->n_feeds == SOURCES_PER_VALUE)
            break;
        if (fnmatch(signal->match, binding->identifier, FNM_PATHNAME) != 0 ||
            is_taken(binding, signal->data_source))
            continue;
        // All that a predictor's pattern catches on a host is one predictor.
        const char *app = signal->role == ROLE_PREDICTOR    ? "card"
                          : strcmp(signal->app, "*") == 0 ? type_instance
                                                          : signal->app;
        if (!offload_name_valid(app))
            continue; // a value that names no application, such as memory-used
        if (!add_feed(table, binding, signal, host, app, signal->capacity))
            return false;
        // What a card says of itself as a whole is also that card's own series.
        if (signal->card_capacity > 0 && strcmp(type_instance, "card") == 0 &&
            binding->n_feeds < SOURCES_PER_VALUE && card_of(binding, card, sizeof card) &&
            !add_feed(table, binding, signal, host, card, signal->card_capacity))
            return false;
    }
    return true;
}

const struct binding *
table_bind(struct table *table, const char *identifier, const char *host, const char *type_instance)
{
    struct binding key = {.identifier = (char *)identifier};
    void *found = tfind(&key, &table->bindings, by_identifier);
    if (found)
        return *(struct binding **)found;
    if (table->n_bindings == IDENTIFIERS_MAX)
        return NULL;
    struct binding *binding = calloc(1, sizeof *binding);
    if (!binding)
        return NULL;
    binding->identifier = strdup(identifier);
    if (!binding->identifier || !bind_signals(table, binding, host, type_instance) ||
        !tsearch(binding, &table->bindings, by_identifier)) {
        free(binding->identifier);
        free(binding);
        return NULL;
    }
    table->n_bindings++;
    return binding;
}
