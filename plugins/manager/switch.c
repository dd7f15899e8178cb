// SPDX-License-Identifier: Apache-2.0
// The switch: which port an application's packets go to follows from the card that has it. While it
// migrates, the swap does that. cards' truth -> [switch] -> flowd.  The ticker's thread.
#include "plugins/manager/manager.h"

#include <json-c/json.h>

#include <string.h>

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

// Intents of all that are placed and at rest; and the names of those that are withdrawn.
static struct json_object *
params_of(struct manager *m)
{
    struct json_object *params = json_object_new_object(), *intents = json_object_new_array();
    struct json_object *gone = json_object_new_array();
    for (uint32_t a = 0; a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (!app->intent)
            continue;
        if (app->withdrawn)
            json_object_array_add(gone, json_object_new_string(app->name));
        else if (app->card != ALLOC_NONE && m->cards[app->card].ports.inside[0] && !app->moving &&
                 !moves_of_app(m, a))
            json_object_array_add(intents, intent_of(m, app));
    }
    json_object_object_add(params, "term", json_object_new_uint64(m->term));
    json_object_object_add(params, "intents", intents);
    if (json_object_array_length(gone) > 0)
        json_object_object_add(params, "remove", gone);
    else
        json_object_put(gone);
    return params;
}

void
switch_sync(struct manager *m)
{
    struct manager_peer *flowd = manager_switch(m);
    struct offload_err err;
    char text[700];
    if (!flowd || !flowd->joined || !m->intents_due || m->options.dry_run || m->deposed)
        return;
    pthread_mutex_lock(&m->lock);
    struct json_object *params = params_of(m);
    m->intents_due = false;
    m->syncing = true;
    pthread_mutex_unlock(&m->lock);
    int rc = peer_call(m, flowd, "intent.set", params, NULL, &err);
    pthread_mutex_lock(&m->lock);
    m->syncing = false;
    pthread_cond_signal(&m->wake_mover);
    pthread_mutex_unlock(&m->lock);
    if (rc) {
        m->intents_due = true; // asked again in the next step
        if (!flowd->told)
            manager_notify(MANAGER_WARNING, "the switch refused the intents: %s",
                           offload_err_format(&err, text, sizeof text));
        flowd->told = true;
    } else if (flowd->told) {
        flowd->told = false;
        manager_notify(MANAGER_OKAY, "the switch has the intents");
    }
}
