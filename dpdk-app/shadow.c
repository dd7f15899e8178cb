// SPDX-License-Identifier: Apache-2.0
// Rules that never hold, since an application that is tried before takes all that they would: told
// once, when the rule comes, as a warning of the request, an event and a line of the log. Only
// single rules are compared, not unions of several. Main thread.
#include "dpdk-app/cardd.h"
#include "dpdk-app/snapshot.h"

#include "lib/io/log.h"

#include <json-c/json.h>

#include <stdio.h>

enum { WARNINGS_MAX = 16 };

static void
warn(struct cardd *d, const struct app *app, const char *text, struct json_object *warnings)
{
    struct json_object *event = json_object_new_object();
    json_object_array_add(warnings, json_object_new_string(text));
    json_object_object_add(event, "app", json_object_new_string(app->name));
    json_object_object_add(event, "card", json_object_new_string(app->card->name));
    json_object_object_add(event, "warning", json_object_new_string(text));
    event_emit(d, EVENT_RULE, event);
    log_warning("card '%s': %s", app->card->name, text);
}

// The first rule of another application that leaves nothing to 'rule'; NULL if there is none.
static const struct rule *
shadow_of(const struct rules *rules, enum pkt_dir dir, const struct rule *rule)
{
    for (const struct rule *r = rules->rule[dir]; r < rule; r++)
        if (r->app != rule->app && rule_covers(r, rule))
            return r;
    return NULL;
}

struct json_object *
shadows_tell(struct cardd *d, const struct app *app)
{
    static const char *const sides[] = {"inside", "outside"};
    const struct snapshot *snap =
        atomic_load_explicit(&app->card->snapshot, memory_order_relaxed); // we are its writer
    struct json_object *warnings = json_object_new_array();
    for (unsigned dir = 0; dir < 2; dir++)
        for (unsigned i = 0; i < snap->rules->n[dir]; i++) {
            const struct rule *rule = &snap->rules->rule[dir][i], *by;
            const struct app *loser = snap->apps[rule->app].app;
            // Who comes first is the older one, so a rule that loses to 'app' concerns it too.
            if (json_object_array_length(warnings) == WARNINGS_MAX ||
                !(by = shadow_of(snap->rules, (enum pkt_dir)dir, rule)) ||
                (loser != app && snap->apps[by->app].app != app))
                continue;
            char text[256];
            snprintf(text, sizeof text,
                     "match[%u] of '%s' never holds for what enters %s; match[%u] of '%s' is tried "
                     "before and takes all of it",
                     rule->match, loser->name, sides[dir], by->match, snap->apps[by->app].app->name);
            warn(d, app, text, warnings);
        }
    return warnings;
}
