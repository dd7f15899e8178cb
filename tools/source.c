// SPDX-License-Identifier: Apache-2.0
// The manager's status, or the same rows from cardd's counters.
// daemons -> [source] -> cmd_*.c

#include "tools/source.h"

#include "tools/fields.h"

#include "lib/io/client_blocking.h"
#include "lib/io/clock.h"
#include "lib/io/tls.h"

#include <offload/units.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000 };

bool
source_absent(int rc)
{
    return rc == -ECONNREFUSED;
}

// $OFFLOAD_CARDD (tls:HOST:PORT) names a card daemon on another host, with the files of $OFFLOAD_TLS_*.
static struct rpc_client *
connect_cardd(char *path, size_t size, struct offload_err *err)
{
    const char *cert = getenv("OFFLOAD_TLS_CERT"), *key = getenv("OFFLOAD_TLS_KEY"),
               *ca = getenv("OFFLOAD_TLS_CA");
    const struct tls_files files = {cert ? cert : "", key ? key : "", ca ? ca : ""};
    snprintf(path, size, "%s", getenv("OFFLOAD_CARDD"));
    struct rpc_client *client = rpc_client_create(path, TIMEOUT_MS);
    if (!client)
        offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    else if (rpc_client_set_tls(client, &files, err) == 0)
        return client;
    rpc_client_destroy(client);
    return NULL;
}

int
source_call(const struct ctl *ctl, const char *daemon, const char *method,
            struct json_object *params, struct json_object **result, struct offload_err *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.sock", ctl->rundir, daemon);
    bool remote = strcmp(daemon, "cardd") == 0 && getenv("OFFLOAD_CARDD");
    struct offload_err own = {.code = -ENOMEM};
    err = err ? err : &own;
    if (!remote)
        offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    struct rpc_client *client = remote ? connect_cardd(path, sizeof path, err)
                                       : rpc_client_create(path, TIMEOUT_MS);
    if (!client) {
        json_object_put(params);
        return err->code;
    }
    int rc = rpc_client_call(client, method, params, result, err);
    rpc_client_destroy(client);
    // A daemon says -ENOENT too, of an application that it does not know.
    if (rc == -ENOENT && !remote && access(path, F_OK))
        rc = -ECONNREFUSED;
    if (source_absent(rc) && !strcmp(daemon, "manager"))
        offload_err_set(err, rc, path,
                        "start collectd with the plugin offload_manager, or give --rundir",
                        "no manager listens there");
    return rc;
}

// The row of 'rows' with this application and card, or NULL.
static struct json_object *
row_of(struct json_object *rows, const char *app, const char *card)
{
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        if (!strcmp(field_text(row, "app"), app) && !strcmp(field_text(row, "card"), card))
            return row;
    }
    return NULL;
}

// The rate of a counter between two STATS; NaN where it went back or there is no earlier one.
static double
rate_of(struct json_object *before, struct json_object *now, const char *key)
{
    double span_s = (field_number(now, "time_ns") - field_number(before, "time_ns")) / 1e9;
    double difference = field_number(now, key) - field_number(before, key);
    return span_s > 0 && difference >= 0 ? difference / span_s : NAN;
}

static double
all_drops(struct json_object *stats)
{
    double sum = 0;
    struct json_object *drops = field_object(stats, "drops");
    if (!drops)
        return NAN;
    json_object_object_foreach (drops, cause, value) {
        (void)cause;
        sum += json_object_get_double(value);
    }
    return sum;
}

static void
add_number(struct json_object *row, const char *key, double value)
{
    json_object_object_add(row, key, isfinite(value) ? json_object_new_double(value) : NULL);
}

static void
add_text(struct json_object *row, const char *key, const char *value)
{
    json_object_object_add(row, key, json_object_new_string(value));
}

// APPROW of doc/manager-api.md. What only a manager knows (needs, a count of breaches) is null.
static struct json_object *
app_row(struct json_object *app, struct json_object *before, double cycles_per_s)
{
    struct json_object *row = json_object_new_object();
    struct json_object *now = field_object(app, "stats"), *then = field_object(before, "stats");
    struct json_object *sla = field_object(app, "sla"),
                       *allocation = field_object(app, "allocation");
    double offered_pps = rate_of(then, now, "offered_pkts");
    double lost = all_drops(now) - all_drops(then),
           span_s = (field_number(now, "time_ns") - field_number(then, "time_ns")) / 1e9;
    double loss_frac = offered_pps > 0 ? fmin(1, lost / span_s / offered_pps) : 0;
    double queued = field_number(now, "queue_delay_pkts") - field_number(then, "queue_delay_pkts");
    double delay_ns =
        field_number(now, "queue_delay_ns_sum") - field_number(then, "queue_delay_ns_sum");
    double delay_mean_ns = queued > 0 && delay_ns >= 0 ? delay_ns / queued : NAN;

    add_text(row, "app", field_text(app, "app"));
    add_text(row, "card", field_text(app, "card"));
    add_text(row, "class", field_text(sla, "class"));
    add_text(row, "state", field_text(app, "state"));
    add_number(row, "offered_bps", 8 * rate_of(then, now, "offered_bytes"));
    add_number(row, "delivered_bps", 8 * rate_of(then, now, "delivered_bytes"));
    add_number(row, "need_p50_bps", NAN);
    add_number(row, "need_p90_bps", NAN);
    add_number(row, "allocated_bps", field_number(allocation, "bandwidth_bps"));
    add_number(row, "cpu_pct", field_number(allocation, "cpu_pct"));
    add_number(row, "used_cpu_pct", 100 * rate_of(then, now, "cycles") / cycles_per_s);
    add_number(row, "memory_bytes", field_number(now, "memory_bytes"));
    add_number(row, "delay_mean_ns", delay_mean_ns);
    add_number(row, "delay_p99_ns", field_number(field_object(now, "delay_ns"), "p99"));
    add_number(row, "loss_frac", loss_frac);
    bool late = delay_mean_ns > field_number(sla, "max_delay_ns");
    bool lossy = loss_frac > field_number(sla, "max_loss_frac");
    json_object_object_add(row, "breached", json_object_new_boolean(late || lossy));
    add_number(row, "breaches", NAN);
    return row;
}

static struct json_object *
card_row(struct json_object *card, struct json_object *before, const char *server)
{
    struct json_object *row = json_object_new_object();
    struct json_object *now = field_object(card, "stats"), *then = field_object(before, "stats");
    add_text(row, "card", field_text(card, "card"));
    add_text(row, "server", server);
    add_text(row, "state", field_text(card, "state"));
    json_object_object_add(row, "capacity", json_object_get(field_object(card, "capacity")));
    json_object_object_add(row, "allocated", json_object_get(field_object(card, "allocated")));
    add_number(row, "offered_bps", 8 * rate_of(then, now, "offered_bytes"));
    add_number(row, "used_bps", 8 * rate_of(then, now, "delivered_bytes"));
    add_number(row, "score", NAN);
    return row;
}

static struct json_object *
card_of(struct json_object *cards, const char *name)
{
    for (size_t i = 0; i < field_count(cards); i++)
        if (!strcmp(field_text(field_at(cards, i), "card"), name))
            return field_at(cards, i);
    return NULL;
}

// What cardd counts now: {"cards","apps","migrations","hello","plan"}.
static int
count_cardd(const struct ctl *ctl, struct json_object **out, struct offload_err *err)
{
    static const char *const methods[] = {"card.list", "app.list", "migration.status",
                                          "allocation.get", "hello"};
    struct json_object *all = json_object_new_object();
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct json_object *result = NULL;
        int rc = source_call(ctl, "cardd", methods[i], NULL, &result, err);
        // Cards and applications must be there; the others only make the picture fuller.
        if (rc && i < 2) {
            json_object_put(all);
            return rc;
        }
        if (!rc)
            json_object_object_add(all, methods[i], result);
    }
    *out = all;
    return 0;
}

static struct json_object *
status_of_counts(struct json_object *before, struct json_object *now)
{
    char server[64] = "";
    gethostname(server, sizeof server - 1);
    struct json_object *status = json_object_new_object(), *rows = json_object_new_array();
    struct json_object *cards = field_array(field_object(now, "card.list"), "cards");
    struct json_object *apps = field_array(field_object(now, "app.list"), "apps");
    struct json_object *cards_before = field_array(field_object(before, "card.list"), "cards");
    struct json_object *apps_before = field_array(field_object(before, "app.list"), "apps");
    add_text(status, "source", "cardd");
    json_object_object_add(status, "time_ns", json_object_new_uint64(clock_wall_ns()));
    add_number(status, "term", field_number(field_object(now, "hello"), "term"));
    add_number(status, "plan", field_number(field_object(now, "allocation.get"), "plan"));
    json_object_object_add(status, "servers", json_object_new_array());
    for (size_t i = 0; i < field_count(cards); i++) {
        struct json_object *card = field_at(cards, i);
        json_object_array_add(
            rows, card_row(card, card_of(cards_before, field_text(card, "card")), server));
    }
    json_object_object_add(status, "cards", rows);
    rows = json_object_new_array();
    for (size_t i = 0; i < field_count(apps); i++) {
        struct json_object *app = field_at(apps, i);
        const char *card = field_text(app, "card");
        struct json_object *then = row_of(apps_before, field_text(app, "app"), card);
        double cycles_per_s =
            field_number(field_object(card_of(cards, card), "capacity"), "cycles_per_s");
        json_object_array_add(rows, app_row(app, then, cycles_per_s));
    }
    json_object_object_add(status, "apps", rows);
    struct json_object *migrations =
        field_array(field_object(now, "migration.status"), "migrations");
    json_object_object_add(status, "migrations",
                           migrations ? json_object_get(migrations) : json_object_new_array());
    json_object_object_add(status, "counts", json_object_get(now));
    return status;
}

static int
status_of_cardd(const struct ctl *ctl, struct json_object *before, struct json_object **result,
                struct offload_err *err)
{
    struct json_object *then = json_object_get(field_object(before, "counts")), *now = NULL;
    int rc = 0;
    if (!then) {
        rc = count_cardd(ctl, &then, err);
        if (!rc)
            nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
    }
    if (!rc)
        rc = count_cardd(ctl, &now, err);
    if (!rc)
        *result = status_of_counts(then, now);
    json_object_put(then);
    json_object_put(now);
    return rc;
}

int
source_status(const struct ctl *ctl, struct json_object *before, struct json_object **result,
              struct offload_err *err)
{
    struct json_object *flow_switch = NULL;
    int rc = source_call(ctl, "manager", "status.get", NULL, result, err);
    if (!rc)
        json_object_object_add(*result, "source", json_object_new_string("manager"));
    else if (source_absent(rc))
        rc = status_of_cardd(ctl, before, result, err);
    if (rc)
        return rc;
    if (!source_call(ctl, "flowd", "switch.get", NULL, &flow_switch, NULL))
        json_object_object_add(*result, "switch", flow_switch);
    return 0;
}
