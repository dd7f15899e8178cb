// SPDX-License-Identifier: Apache-2.0
// /offload/cards and /offload/apps on DPDK's telemetry socket, read-only. The socket's threads see
// a copy that the main thread renews once a second.
#include "dpdk-app/cardd.h"
#include "dpdk-app/port.h"

#include <rte_metrics.h>
#include <rte_telemetry.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum { ROWS_MAX = 256 }; // the library's limit for one dictionary of containers

struct row {
    char app[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1];
    bool up;
    struct stats stats;
    uint64_t queued_pkts, memory_bytes;
};

// Writer: main thread, under 'lock'. Readers: telemetry threads, under 'lock'.
static struct {
    pthread_mutex_t lock;
    unsigned n_cards, n_apps;
    struct row cards[CARDS_MAX], apps[ROWS_MAX];
} copy = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
telemetry_update(const struct cardd *d)
{
    pthread_mutex_lock(&copy.lock);
    copy.n_cards = copy.n_apps = 0;
    for (unsigned i = 0; i < d->n_cards; i++) {
        const struct card *card = d->cards[i];
        struct row *row = &copy.cards[copy.n_cards++];
        *row = (struct row){.up = card_is_linked(card)};
        snprintf(row->card, sizeof row->card, "%s", card->name);
        card_stats(card, &row->stats);
        for (unsigned k = 0; k < card->n_apps && copy.n_apps < ROWS_MAX; k++) {
            const struct app *app = card->apps[k];
            struct row *r = &copy.apps[copy.n_apps++];
            *r = (struct row){.queued_pkts = app_queued(app),
                              .memory_bytes = quota_used(&app->quota)};
            snprintf(r->card, sizeof r->card, "%s", card->name);
            snprintf(r->app, sizeof r->app, "%s", app->name);
            app_stats(app, &r->stats);
            row->queued_pkts += r->queued_pkts;
            row->memory_bytes += r->memory_bytes;
        }
    }
    pthread_mutex_unlock(&copy.lock);
}

static struct rte_tel_data *
row_to_dict(const struct row *row)
{
    struct rte_tel_data *dict = rte_tel_data_alloc();
    if (!dict)
        return NULL;
    rte_tel_data_start_dict(dict);
    rte_tel_data_add_dict_string(dict, "card", row->card);
    if (!row->app[0])
        rte_tel_data_add_dict_string(dict, "state", row->up ? "up" : "down");
    rte_tel_data_add_dict_u64(dict, "offered_pkts", row->stats.offered_pkts);
    rte_tel_data_add_dict_u64(dict, "offered_bytes", row->stats.offered_bytes);
    rte_tel_data_add_dict_u64(dict, "delivered_pkts", row->stats.delivered_pkts);
    rte_tel_data_add_dict_u64(dict, "delivered_bytes", row->stats.delivered_bytes);
    rte_tel_data_add_dict_u64(dict, "cycles", row->stats.cycles);
    rte_tel_data_add_dict_u64(dict, "queued_pkts", row->queued_pkts);
    rte_tel_data_add_dict_u64(dict, "memory_bytes", row->memory_bytes);
    for (unsigned i = 0; i < (row->app[0] ? DROP_NO_APP : DROP_CAUSES); i++) {
        char key[32];
        snprintf(key, sizeof key, "drops_%s", drop_cause_names[i]);
        rte_tel_data_add_dict_u64(dict, key, row->stats.drops[i]);
    }
    return dict;
}

static int
rows_to_data(const struct row *rows, unsigned n, struct rte_tel_data *data)
{
    rte_tel_data_start_dict(data);
    for (unsigned i = 0; i < n; i++) {
        char key[2 * OFFLOAD_NAME_MAX + 2];
        snprintf(key, sizeof key, rows[i].app[0] ? "%s_%s" : "%s", rows[i].card, rows[i].app);
        struct rte_tel_data *dict = row_to_dict(&rows[i]);
        if (!dict || rte_tel_data_add_dict_container(data, key, dict, 0) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int
cards_cb(const char *cmd, const char *params, struct rte_tel_data *data)
{
    (void)cmd, (void)params;
    pthread_mutex_lock(&copy.lock);
    int rc = rows_to_data(copy.cards, copy.n_cards, data);
    pthread_mutex_unlock(&copy.lock);
    return rc;
}

static int
apps_cb(const char *cmd, const char *params, struct rte_tel_data *data)
{
    (void)cmd, (void)params;
    pthread_mutex_lock(&copy.lock);
    int rc = rows_to_data(copy.apps, copy.n_apps, data);
    pthread_mutex_unlock(&copy.lock);
    return rc;
}

int
telemetry_start(void)
{
    // Links the library whose constructor answers the older commands that collectd's dpdk_telemetry
    // plugin sends.
    rte_metrics_init(SOCKET_ID_ANY);
    int rc = rte_telemetry_register_cmd("/offload/cards", cards_cb,
                                        "The offload cards and their counters. No parameters");
    if (rc == 0)
        rc = rte_telemetry_register_cmd(
            "/offload/apps", apps_cb,
            "The offloaded applications and their counters. No parameters");
    return rc;
}
