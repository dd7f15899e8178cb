// SPDX-License-Identifier: Apache-2.0
// series, score -> [publish] -> bus.  Runs on the read callback's thread, without the plugin's
// lock: dispatching may call our own write callback.

#include "plugins/forecast/publish.h"

#include "plugin.h"
#include "utils/common/common.h"

#include <math.h>

static void
dispatch(const char *host, const char *instance, const char *type, const char *type_instance,
         const double *value, size_t n, double step_s)
{
    value_t values[3];
    for (size_t i = 0; i < n; i++)
        values[i].gauge = value[i];
    value_list_t vl = VALUE_LIST_INIT;
    vl.values = values;
    vl.values_len = n;
    vl.interval = DOUBLE_TO_CDTIME_T(step_s);
    sstrncpy(vl.host, host, sizeof vl.host);
    sstrncpy(vl.plugin, "offload_forecast", sizeof vl.plugin);
    sstrncpy(vl.plugin_instance, instance, sizeof vl.plugin_instance);
    sstrncpy(vl.type, type, sizeof vl.type);
    sstrncpy(vl.type_instance, type_instance, sizeof vl.type_instance);
    plugin_dispatch_values(&vl);
}

void
publish_series(const struct series *s, bool fitted, double step_s)
{
    const char *resource = offload_resource_names[s->signal->resource];
    double percent = 100 / s->capacity;
    const double need[] = {s->p50, s->p90, s->p99};
    const double demand[] = {s->p50 * percent, s->p90 * percent, s->p99 * percent};
    dispatch(s->host, resource, "offload_need", s->app, need, 3, step_s);
    dispatch(s->host, resource, "offload_next", s->app, s->next, 3, step_s);
    dispatch(s->host, resource, "offload_demand", s->app, demand, 3, step_s);
    if (fitted)
        return;
    struct offload_accuracy accuracy = offload_forecaster_accuracy(s->forecaster);
    if (isnan(accuracy.cov80))
        return;
    const double error[] = {accuracy.mase, 100 * accuracy.cov80};
    dispatch(s->host, resource, "offload_error", s->app, error, 2, step_s);
}

void
publish_score(const char *host, const char *app, const struct offload_score *score, double age_s,
              double step_s)
{
    double limit = score->limit;
    dispatch(host, "", "offload_score", app, &score->score, 1, step_s);
    dispatch(host, "", "offload_lead", app, &score->lead_s, 1, step_s);
    dispatch(host, "", "offload_limit", app, &limit, 1, step_s);
    dispatch(host, "", "offload_age", app, &age_s, 1, step_s);
}

void
publish_feed_age(const char *feed, double age_s, double step_s)
{
    dispatch(hostname_g, "feed", "offload_age", feed, &age_s, 1, step_s);
}

static notification_t
new_note(const char *host, const char *type, const char *type_instance, bool bad)
{
    notification_t note = {.severity = bad ? NOTIF_WARNING : NOTIF_OKAY, .time = cdtime()};
    sstrncpy(note.host, host, sizeof note.host);
    sstrncpy(note.plugin, "offload_forecast", sizeof note.plugin);
    sstrncpy(note.type, type, sizeof note.type);
    sstrncpy(note.type_instance, type_instance, sizeof note.type_instance);
    return note;
}

void
publish_crossing(const char *host, const char *app, const struct offload_score *score, bool above,
                 double level)
{
    notification_t note = new_note(host, "offload_score", app, above);
    bool whole = strcmp(app, "card") == 0;
    ssnprintf(note.message, sizeof note.message,
              "host '%s'%s%s%s: the score %.0f %s %.0f; %s at %.0f %% of capacity %.0f s ahead", host,
              whole ? "" : ", '", whole ? "" : app, whole ? "" : "'", score->score,
              above ? "has reached" : "is down to", level, offload_resource_names[score->limit],
              score->demand_pct, score->lead_s);
    plugin_dispatch_notification(&note);
}

void
publish_feed(const char *feed, const char *error, double age_s)
{
    notification_t note = new_note(hostname_g, "offload_age", feed, error != NULL);
    sstrncpy(note.plugin_instance, "feed", sizeof note.plugin_instance);
    if (!error)
        ssnprintf(note.message, sizeof note.message, "feed '%s' is well again", feed);
    else if (isnan(age_s))
        ssnprintf(note.message, sizeof note.message, "feed '%s' has no data: %s", feed, error);
    else
        ssnprintf(note.message, sizeof note.message,
                  "feed '%s' keeps what it got %.0f s ago: %s", feed, age_s, error);
    plugin_dispatch_notification(&note);
}

void
publish_stale(const char *host, bool stale, double silent_s)
{
    notification_t note = new_note(host, "offload_score", "card", stale);
    if (stale)
        ssnprintf(note.message, sizeof note.message,
                  "host '%s': no values for %.0f s; its score is stale and its intervals widen",
                  host, silent_s);
    else
        ssnprintf(note.message, sizeof note.message, "host '%s': values again; its score is fresh",
                  host);
    plugin_dispatch_notification(&note);
}
