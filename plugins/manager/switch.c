// SPDX-License-Identifier: Apache-2.0
// The switches: which port an application's packets go to follows from the card that has it. While
// it migrates, the swap
// does that. Each host has its own. cards' truth -> [switch] -> flowd.  The ticker's thread.
#include "plugins/manager/fields.h"
#include "plugins/manager/manager.h"

#include <string.h>

struct manager_peer *
manager_switch(struct manager *m, uint32_t card)
{
    return m->cards[card].flowd == ALLOC_NONE ? NULL : &m->peers[m->cards[card].flowd];
}

static struct json_object *
intent_of(const struct manager *m, const struct manager_app *app)
{
    const struct manager_card *card = &m->cards[app->card];
    struct json_object *intent = json_object_new_object();
    json_object_object_foreach (app->intent, key, value)
        json_object_object_add(intent, key, json_object_get(value));
    json_object_object_add(intent, "card_port", json_object_new_string(card->ports.inside));
    if (card->ports.outside[0])
        json_object_object_add(intent, "card_port_out",
                               json_object_new_string(card->ports.outside));
    return intent;
}

// Whether the switch is to forget it: it was withdrawn, or waits until there is room for it again.
static bool
is_gone(const struct manager_app *app)
{
    return app->withdrawn || app->preempted;
}

// Intents of all behind this switch that are placed and at rest; and the names of those that are
// gone.
static struct json_object *
params_of(struct manager *m, unsigned flowd)
{
    struct json_object *params = json_object_new_object(), *intents = json_object_new_array();
    struct json_object *gone = json_object_new_array();
    for (uint32_t a = 0; a < m->n_apps; a++) {
        struct manager_app *app = &m->apps[a];
        if (!app->intent || !app->name[0])
            continue;
        if (is_gone(app)) {
            if (m->cards[app->home].flowd == flowd)
                json_object_array_add(gone, json_object_new_string(app->name));
        } else if (app->card != ALLOC_NONE && m->cards[app->card].flowd == flowd &&
                   m->cards[app->card].ports.inside[0] && !app->moving && !moves_of_app(m, a)) {
            app->steered = true;
            json_object_array_add(intents, intent_of(m, app));
        }
    }
    json_object_object_add(params, "term", json_object_new_uint64(m->term));
    json_object_object_add(params, "intents", intents);
    if (json_object_array_length(gone) > 0)
        json_object_object_add(params, "remove", gone);
    else
        json_object_put(gone);
    return params;
}

static void
note_gone(struct manager *m, struct json_object *params)
{
    struct json_object *gone = member(params, "remove");
    for (size_t i = 0; i < length_of(gone); i++) {
        uint32_t a = names_find(&m->app_names, m->apps, sizeof *m->apps,
                                json_object_get_string(json_object_array_get_idx(gone, i)));
        if (a != NAMES_NONE && is_gone(&m->apps[a]))
            m->apps[a].steered = false;
    }
}

// The ports of an application that was found at a card are known to the switch alone.
static void
adopt_intents(struct manager *m, struct manager_peer *flowd)
{
    static const char *const ours[] = {"app",      "match",        "in_port",
                                       "out_port", "on_card_down", "return_dst"};
    struct json_object *result = NULL;
    struct offload_err err;
    if (peer_call(m, flowd, "intent.get", NULL, &result, &err))
        return;
    struct json_object *rows = member(result, "intents");
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < length_of(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        struct manager_app *app = manager_find_app(m, text_in(row, "app"));
        if (!app || app->configured || app->intent)
            continue;
        app->intent = json_object_new_object();
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            if (member(row, ours[k]))
                json_object_object_add(app->intent, ours[k], json_object_get(member(row, ours[k])));
    }
    flowd->adopted = true;
    pthread_mutex_unlock(&m->lock);
    json_object_put(result);
}

static void
set_intents(struct manager *m, struct manager_peer *flowd)
{
    struct offload_err err;
    char text[700];
    pthread_mutex_lock(&m->lock);
    struct json_object *params = params_of(m, (unsigned)(flowd - m->peers));
    flowd->intents_due = false;
    m->syncing = true;
    pthread_mutex_unlock(&m->lock);
    int rc = peer_call(m, flowd, "intent.set", json_object_get(params), NULL, &err);
    pthread_mutex_lock(&m->lock);
    m->syncing = false;
    if (!rc)
        note_gone(m, params);
    pthread_cond_signal(&m->wake_mover);
    pthread_mutex_unlock(&m->lock);
    json_object_put(params);
    if (rc) {
        flowd->intents_due = true; // asked again in the next step
        if (!flowd->told)
            manager_notify(MANAGER_WARNING, "the switch refused the intents: %s",
                           offload_err_format(&err, text, sizeof text));
        flowd->told = true;
    } else if (flowd->told) {
        flowd->told = false;
        manager_notify(MANAGER_OKAY, "the switch has the intents");
    }
}

void
switch_sync(struct manager *m)
{
    pthread_mutex_lock(&m->lock);
    bool due = m->intents_due;
    m->intents_due = false;
    pthread_mutex_unlock(&m->lock);
    for (unsigned i = 0; i < m->n_peers; i++) {
        struct manager_peer *flowd = &m->peers[i];
        if (!flowd->is_switch)
            continue;
        flowd->intents_due |= due;
        if (!flowd->joined || !manager_commands(m))
            continue;
        if (!flowd->adopted)
            adopt_intents(m, flowd);
        if (flowd->intents_due)
            set_intents(m, flowd);
    }
}
