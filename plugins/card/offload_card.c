// SPDX-License-Identifier: Apache-2.0
// collectd read plugin: each card's and each application's load, use and allocation onto the bus.
// cardd -> [offload_card] -> bus -> offload_forecast, and whatever else listens.
// One read callback a daemon, on collectd's reader threads; each owns its client and its memory. A
// dead daemon costs a read its timeout, is told once, and is found again by itself.

#include "plugin.h"
#include "utils/common/common.h"

#include "plugins/card/publish.h"
#include "plugins/card/rows.h"
#include "plugins/card/views.h"
#include "plugins/oconfig_json.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/client_blocking.h"
#include "lib/io/tls.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { CARDS_MAX = 256 };

struct peer {
    const char *daemon; // "offload-cardd"
    char socket[108];
    char cert[192], key[192], ca[192]; // of "tls:HOST:PORT"
    uint64_t timeout_ms;
    struct rpc_client *client;
    bool failing; // and told so
    struct rows rows;
};

struct options {
    struct json_object *daemons;
    char flowd_socket[108];
};

static const struct offload_opt plugin_options[] = {
    {.key = "Daemon",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct options, daemons),
     .help = "an offload-cardd to ask; several blocks are several daemons"},
    {.key = "FlowdSocket",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct options, flowd_socket),
     .size = sizeof(((struct options *)0)->flowd_socket),
     .default_text = "\"\"",
     .help = "also report the switch's ports, from offload-flowd's socket"},
    OFFLOAD_OPT_END,
};

static const struct offload_opt daemon_options[] = {
    {.key = "Socket",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct peer, socket),
     .size = sizeof(((struct peer *)0)->socket),
     .default_text = "\"/run/offload/cardd.sock\"",
     .help = "offload-cardd's card API; tls:HOST:PORT with Cert, Key and CA"},
    {.key = "Cert",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct peer, cert),
     .size = sizeof(((struct peer *)0)->cert),
     .default_text = "\"\"",
     .help = "PEM file that we show by TLS"},
    {.key = "Key",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct peer, key),
     .size = sizeof(((struct peer *)0)->key),
     .default_text = "\"\"",
     .help = "PEM file of its key"},
    {.key = "CA",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct peer, ca),
     .size = sizeof(((struct peer *)0)->ca),
     .default_text = "\"\"",
     .help = "PEM file of who signs the daemon's"},
    {.key = "TimeoutMs",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct peer, timeout_ms),
     .least = 1,
     .most = 60000,
     .default_text = "200",
     .unit = "ms",
     .help = "for each of a read's requests"},
    OFFLOAD_OPT_END,
};

// Tells a failure once, and its end: by notification, which logs and alarms both take up.
static void
report(struct peer *peer, int rc, const struct offload_err *err)
{
    bool failing = rc != 0;
    if (failing == peer->failing)
        return;
    peer->failing = failing;
    notification_t note = {.severity = failing ? NOTIF_FAILURE : NOTIF_OKAY, .time = cdtime()};
    sstrncpy(note.host, hostname_g, sizeof note.host);
    sstrncpy(note.plugin, "offload_card", sizeof note.plugin);
    char text[200];
    if (failing)
        ssnprintf(note.message, sizeof note.message, "%s: %s", peer->daemon,
                  offload_err_format(err, text, sizeof text));
    else
        ssnprintf(note.message, sizeof note.message, "%s: %s answers again", peer->daemon,
                  peer->socket);
    plugin_dispatch_notification(&note);
}

static double
percent_of(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : NAN;
}

static void
publish_view(const struct view *view, const char *app, const struct publish_resource *cpu,
             const struct stats_rates *rates)
{
    struct publish_resource bandwidth = {rates->offered_bps, rates->delivered_bps,
                                         view->bandwidth_bps};
    // A table cannot tell what it did not admit: the memory that is offered is what is in use.
    double memory = (double)view->stats.memory_bytes;
    struct publish_resource bytes = {memory, memory, view->memory_bytes};
    publish_resource(view->card, "offload_cpu", app, cpu);
    publish_resource(view->card, "offload_bandwidth", app, &bandwidth);
    publish_resource(view->card, "offload_memory", app, &bytes);
    publish_counts(view->card, app, &view->stats, rates);
}

// A card and what its applications add up to.
struct card {
    struct view view;
    struct stats_rates rates;
    double apps_offered_cycles_per_s, apps_used_cycles_per_s;
};

static struct card *
find_card(struct card *cards, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(cards[i].view.card, name))
            return &cards[i];
    return NULL;
}

static void
publish_app(struct peer *peer, struct card *card, const struct view *app)
{
    struct stats_rates rates;
    rows_advance(&peer->rows, app->card, app->app, &app->stats, &rates);
    if (!isnan(rates.offered_cycles_per_s))
        card->apps_offered_cycles_per_s += rates.offered_cycles_per_s;
    if (!isnan(rates.used_cycles_per_s))
        card->apps_used_cycles_per_s += rates.used_cycles_per_s;
    double whole = card->view.cycles_per_s;
    struct publish_resource cpu = {percent_of(rates.offered_cycles_per_s, whole),
                                   percent_of(rates.used_cycles_per_s, whole), app->cpu_pct};
    publish_view(app, app->app, &cpu, &rates);
}

// What a card is offered is what its applications are offered, each at its own cost a packet, and
// the card's work for nobody in particular. The card's own mean cost would misjudge packets that
// are refused.
static void
publish_card(const struct card *card)
{
    double used = card->rates.used_cycles_per_s;
    double nobodys = fmax(0, used - card->apps_used_cycles_per_s);
    double offered = isnan(used) ? NAN : card->apps_offered_cycles_per_s + nobodys;
    double whole = card->view.cycles_per_s;
    struct publish_resource cpu = {percent_of(offered, whole), percent_of(used, whole),
                                   card->view.cpu_pct};
    publish_view(&card->view, "card", &cpu, &card->rates);
}

// The array under 'key' of an answer, or NULL and 'err'.
static struct json_object *
array_in(struct json_object *answer, const char *key, struct offload_err *err)
{
    struct json_object *array;
    if (json_object_object_get_ex(answer, key, &array) &&
        json_object_is_type(array, json_type_array))
        return array;
    offload_err_set(err, -EPROTO, key, "an answer as doc/card-api.md has it",
                    "the answer holds no such list");
    return NULL;
}

// Publishes all that can be read; 'err' and the result tell of the last row that could not.
static int
publish_all(struct peer *peer, struct json_object *card_rows, struct json_object *app_rows,
            struct offload_err *err)
{
    char path[160];
    int rc = 0;
    size_t n_rows = json_object_array_length(card_rows), n = 0;
    if (n_rows > CARDS_MAX)
        return offload_err_set(err, -E2BIG, "cards", NULL, "%zu are above the %d that are read",
                               n_rows, CARDS_MAX);
    struct card *cards = calloc(n_rows + 1, sizeof *cards);
    if (!cards)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    for (size_t i = 0; i < n_rows; i++) {
        offload_json_path_index(path, sizeof path, "cards", i);
        int bad =
            view_read_card(json_object_array_get_idx(card_rows, i), path, &cards[n].view, err);
        if (bad) {
            rc = bad;
            continue;
        }
        rows_advance(&peer->rows, cards[n].view.card, "", &cards[n].view.stats, &cards[n].rates);
        n++;
    }
    for (size_t i = 0; i < json_object_array_length(app_rows); i++) {
        struct view app;
        offload_json_path_index(path, sizeof path, "apps", i);
        int bad = view_read_app(json_object_array_get_idx(app_rows, i), path, &app, err);
        struct card *card = bad ? NULL : find_card(cards, n, app.card);
        if (bad)
            rc = bad;
        if (card)
            publish_app(peer, card, &app);
    }
    for (size_t i = 0; i < n; i++)
        publish_card(&cards[i]);
    rows_forget_unseen(&peer->rows);
    free(cards);
    return rc;
}

// Always 0: collectd asks a plugin that fails ever more rarely, and a daemon that is back would
// wait for it.
static int
read_cardd(user_data_t *ud)
{
    struct peer *peer = ud->data;
    struct offload_err err = {0};
    struct json_object *cards = NULL, *apps = NULL, *card_rows, *app_rows;
    int rc = rpc_client_call(peer->client, "card.list", NULL, &cards, &err);
    if (!rc)
        rc = rpc_client_call(peer->client, "app.list", NULL, &apps, &err);
    if (!rc) {
        card_rows = array_in(cards, "cards", &err);
        app_rows = array_in(apps, "apps", &err);
        rc = card_rows && app_rows ? publish_all(peer, card_rows, app_rows, &err) : -EPROTO;
    }
    report(peer, rc, &err);
    json_object_put(cards);
    json_object_put(apps);
    return 0;
}

static int64_t
counter_in(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

static void
publish_link(const char *bridge, const char *port, struct json_object *row)
{
    struct json_object *link;
    if (json_object_object_get_ex(row, "link", &link) &&
        json_object_is_type(link, json_type_string))
        publish_switch_gauge(bridge, "offload_link", port,
                             strcmp(json_object_get_string(link), "up") ? 0 : 1);
}

static void
publish_offload(struct json_object *answer)
{
    struct json_object *offload, *value;
    if (!json_object_object_get_ex(answer, "offload", &offload) ||
        !json_object_object_get_ex(offload, "hw_offload", &value))
        return;
    bool on = json_object_get_boolean(value);
    bool tc = on && json_object_object_get_ex(offload, "tc_policy", &value) &&
              strcmp(json_object_get_string(value), "skip_hw");
    publish_switch_gauge("", "offload_link", "hw-offload", on);
    publish_switch_gauge("", "offload_link", "tc", tc);
}

static void
publish_bridge(struct json_object *bridge)
{
    struct json_object *name, *ports, *port_name;
    if (!json_object_object_get_ex(bridge, "name", &name) ||
        !json_object_object_get_ex(bridge, "ports", &ports) ||
        !json_object_is_type(ports, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(ports); i++) {
        struct json_object *port = json_object_array_get_idx(ports, i);
        if (!json_object_object_get_ex(port, "name", &port_name))
            continue;
        const char *br = json_object_get_string(name), *text = json_object_get_string(port_name);
        publish_link(br, text, port);
        publish_port(br, "if_packets", text, counter_in(port, "rx_pkts"),
                     counter_in(port, "tx_pkts"));
        publish_port(br, "if_octets", text, counter_in(port, "rx_bytes"),
                     counter_in(port, "tx_bytes"));
        publish_port(br, "if_dropped", text, counter_in(port, "rx_dropped"),
                     counter_in(port, "tx_dropped"));
    }
}

static int
read_flowd(user_data_t *ud)
{
    struct peer *peer = ud->data;
    struct offload_err err = {0};
    struct json_object *answer = NULL, *flows, *bridges = NULL;
    int rc = rpc_client_call(peer->client, "switch.get", NULL, &answer, &err);
    if (!rc && !(bridges = array_in(answer, "bridges", &err)))
        rc = -EPROTO;
    for (size_t i = 0; bridges && i < json_object_array_length(bridges); i++)
        publish_bridge(json_object_array_get_idx(bridges, i));
    if (bridges && json_object_object_get_ex(answer, "flows", &flows)) {
        publish_switch_gauge("", "count", "flows_own", (double)counter_in(flows, "own"));
        publish_switch_gauge("", "count", "flows_expected", (double)counter_in(flows, "expected"));
    }
    if (bridges)
        publish_offload(answer);
    report(peer, rc, &err);
    json_object_put(answer);
    return 0;
}

static void
peer_destroy(void *data)
{
    struct peer *peer = data;
    rpc_client_destroy(peer->client);
    rows_fini(&peer->rows);
    free(peer);
}

// Takes 'model' for a new callback's peer.
static int
register_peer(const struct peer *model, plugin_read_cb read)
{
    struct peer *peer = malloc(sizeof *peer);
    if (!peer)
        return -ENOMEM;
    *peer = *model;
    peer->client = rpc_client_create(peer->socket, (unsigned)peer->timeout_ms);
    if (!peer->client) {
        free(peer);
        return -ENOMEM;
    }
    const struct tls_files files = {peer->cert, peer->key, peer->ca};
    struct offload_err err;
    char text[400];
    if (strncmp(peer->socket, "tls:", 4) == 0 && rpc_client_set_tls(peer->client, &files, &err)) {
        ERROR("offload_card: %s", offload_err_format(&err, text, sizeof text));
        peer_destroy(peer);
        return -EINVAL;
    }
    char name[160];
    ssnprintf(name, sizeof name, "offload_card/%s", peer->socket);
    user_data_t ud = {.data = peer, .free_func = peer_destroy};
    return plugin_register_complex_read(NULL, name, read, 0, &ud);
}

static bool any_daemon;

// Reads all, checks all, then registers: a bad block leaves nothing half on.
static int
configure_daemons(struct json_object *blocks, struct offload_err *err)
{
    size_t n = blocks ? json_object_array_length(blocks) : 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            char path[160];
            struct peer peer = {.daemon = "offload-cardd"};
            offload_json_path_index(path, sizeof path, "offload_card.Daemon", i);
            int rc = offload_opt_read(daemon_options, json_object_array_get_idx(blocks, i), path,
                                      &peer, sizeof peer, err);
            if (!rc && pass == 1)
                rc = register_peer(&peer, read_cardd);
            if (rc)
                return rc;
            any_daemon = true;
        }
    }
    return 0;
}

static int
configure(oconfig_item_t *item)
{
    struct offload_err err = {0};
    struct options options = {0};
    int rc = -EINVAL;
    struct json_object *tree = oconfig_json(item, "offload_card", NULL, &err);
    if (tree)
        rc = offload_opt_read(plugin_options, tree, "offload_card", &options, sizeof options, &err);
    if (!rc)
        rc = configure_daemons(options.daemons, &err);
    if (!rc && options.flowd_socket[0]) {
        struct peer flowd = {.daemon = "offload-flowd", .timeout_ms = 200};
        sstrncpy(flowd.socket, options.flowd_socket, sizeof flowd.socket);
        rc = register_peer(&flowd, read_flowd);
    }
    if (rc) {
        char text[700];
        ERROR("%s", offload_err_format(&err, text, sizeof text));
    }
    json_object_put(tree);
    return rc;
}

// Without a word in the configuration: the daemon where it usually is.
static int
init(void)
{
    struct peer peer = {
        .daemon = "offload-cardd", .socket = "/run/offload/cardd.sock", .timeout_ms = 200};
    return any_daemon ? 0 : register_peer(&peer, read_cardd);
}

void
module_register(void)
{
    plugin_register_complex_config("offload_card", configure);
    plugin_register_init("offload_card", init);
}
