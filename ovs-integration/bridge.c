// SPDX-License-Identifier: Apache-2.0
// Bridges: a replica of OVSDB for ports, one OpenFlow connection each, reopened when it breaks.
// ovsdb-server, ovs-vswitchd -> [bridge] -> repair, reroute, api.
#include <config.h>

#include <openvswitch/list.h>
#include <openvswitch/ofp-errors.h>
#include <openvswitch/ofpbuf.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/shash.h>
#include <openvswitch/vconn.h>

#include "ovsdb-idl.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

#include "lib/io/log.h"
#include "ovs-integration/bridge_ovs.h"

#include <errno.h>

enum {
    BACKOFF_LEAST_MS = 100,
    BACKOFF_MOST_MS = 1000,
    COMPLAIN_MS = 3000,
    OPENFLOW_VERSIONS = (1u << OFP14_VERSION) | (1u << OFP15_VERSION),
};

static const char NO_OVSDB[] = "OVSDB has not answered yet";

struct bridges {
    const struct settings *settings;
    struct ovsdb_idl *idl;
    unsigned int seqno; // of the replica that the port tables show
    struct offload_state offload;
    bool ovsdb_up;             // as logged
    long long int complain_ms; // when it is time to say that OVSDB was never reached; 0: said
    struct bridge list[BRIDGES_MAX];
    size_t n;
};

// What of OVSDB is replicated.
static void
watch_columns(struct ovsdb_idl *idl)
{
    ovsdb_idl_add_table(idl, &ovsrec_table_bridge);
    ovsdb_idl_add_column(idl, &ovsrec_bridge_col_name);
    ovsdb_idl_add_column(idl, &ovsrec_bridge_col_ports);
    ovsdb_idl_add_column(idl, &ovsrec_bridge_col_protocols);
    ovsdb_idl_add_column(idl, &ovsrec_bridge_col_datapath_type);
    ovsdb_idl_add_table(idl, &ovsrec_table_open_vswitch);
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_other_config);
    ovsdb_idl_add_table(idl, &ovsrec_table_port);
    ovsdb_idl_add_column(idl, &ovsrec_port_col_interfaces);
    ovsdb_idl_add_table(idl, &ovsrec_table_interface);
    ovsdb_idl_add_column(idl, &ovsrec_interface_col_name);
    ovsdb_idl_add_column(idl, &ovsrec_interface_col_ofport);
    ovsdb_idl_add_column(idl, &ovsrec_interface_col_link_state);
    ovsdb_idl_add_column(idl, &ovsrec_interface_col_statistics);
}

struct bridges *
bridges_create(const struct settings *settings)
{
    struct bridges *bridges = xzalloc(sizeof *bridges);
    bridges->settings = settings;
    bridges->idl = ovsdb_idl_create(settings->ovsdb, &ovsrec_idl_class, false, true);
    watch_columns(bridges->idl);
    bridges->complain_ms = time_msec() + COMPLAIN_MS;
    bridges->n = settings->n_bridges;
    for (size_t i = 0; i < bridges->n; i++) {
        struct bridge *bridge = &bridges->list[i];
        bridge->name = settings->bridges[i];
        bridge->remote = xasprintf("unix:%s/%s.mgmt", settings->ovs_rundir, bridge->name);
        bridge->backoff_ms = BACKOFF_LEAST_MS;
        ovs_list_init(&bridge->odd);
        ovs_strlcpy(bridge->trouble, NO_OVSDB, sizeof bridge->trouble);
        ovs_strlcpy(bridge->logged, NO_OVSDB,
                    sizeof bridge->logged); // run_ovsdb() says it, if it lasts
    }
    return bridges;
}

void
bridges_destroy(struct bridges *bridges)
{
    if (!bridges)
        return;
    for (size_t i = 0; i < bridges->n; i++) {
        struct bridge *bridge = &bridges->list[i];
        vconn_close(bridge->vconn);
        bundle_lost(bridge, "flowd ends");
        own_flows_fini(&bridge->exchange.flows);
        ofpbuf_list_delete(&bridge->odd);
        free(bridge->remote);
        free(bridge->ports.ports);
        free(bridge->stats);
    }
    ovsdb_idl_destroy(bridges->idl);
    free(bridges);
}

// The ports of a bridge as they stand in the replica, in the making.
struct port_row {
    struct port port;
    struct port_stats stats;
};

static uint64_t
statistic(const struct ovsrec_interface *row, const char *key)
{
    for (size_t i = 0; i < row->n_statistics; i++)
        if (!strcmp(row->key_statistics[i], key))
            return row->value_statistics[i] < 0 ? 0 : (uint64_t)row->value_statistics[i];
    return 0;
}

static struct port_row
read_port(const struct ovsrec_interface *row)
{
    struct port_row out = {
        .port = {.ofport = row->n_ofport && row->ofport[0] > 0 ? (uint32_t)row->ofport[0] : 0,
                 .up = !row->link_state || !strcmp(row->link_state, "up")},
        .stats = {.rx_pkts = statistic(row, "rx_packets"),
                  .tx_pkts = statistic(row, "tx_packets"),
                  .rx_bytes = statistic(row, "rx_bytes"),
                  .tx_bytes = statistic(row, "tx_bytes"),
                  .rx_dropped = statistic(row, "rx_dropped"),
                  .tx_dropped = statistic(row, "tx_dropped")}};
    ovs_strlcpy(out.port.name, row->name, sizeof out.port.name);
    return out;
}

static int
compare_ports(const void *a, const void *b)
{
    return strcmp(((const struct port_row *)a)->port.name, ((const struct port_row *)b)->port.name);
}

static size_t
count_interfaces(const struct ovsrec_bridge *row)
{
    size_t n = 0;
    for (size_t i = 0; i < row->n_ports; i++)
        n += row->ports[i]->n_interfaces;
    return n;
}

static bool
same_ports(const struct port_table *a, const struct port_table *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->ports[i].name, b->ports[i].name) ||
            a->ports[i].ofport != b->ports[i].ofport || a->ports[i].up != b->ports[i].up)
            return false;
    return true;
}

static void
read_ports(struct bridge *bridge, const struct ovsrec_bridge *row)
{
    size_t n = 0, most = row ? count_interfaces(row) : 0;
    struct port_row *rows = xcalloc(most + 1, sizeof *rows);
    for (size_t i = 0; row && i < row->n_ports; i++)
        for (size_t j = 0; j < row->ports[i]->n_interfaces; j++)
            rows[n++] = read_port(row->ports[i]->interfaces[j]);
    qsort(rows, n, sizeof *rows, compare_ports);

    struct port_table table = {.ports = xcalloc(n + 1, sizeof *table.ports), .n = n};
    struct port_stats *stats = xcalloc(n + 1, sizeof *stats);
    for (size_t i = 0; i < n; i++) {
        table.ports[i] = rows[i].port;
        stats[i] = rows[i].stats;
    }
    free(rows);
    if (bridge->known != (row != NULL) || !same_ports(&bridge->ports, &table))
        bridge->ports_change++;
    bridge->known = row != NULL;
    ovs_strlcpy(bridge->datapath,
                !row                    ? ""
                : row->datapath_type[0] ? row->datapath_type
                                        : "system",
                sizeof bridge->datapath);
    free(bridge->ports.ports);
    free(bridge->stats);
    bridge->ports = table;
    bridge->stats = stats;
}

static void
read_offload(struct bridges *bridges)
{
    const struct ovsrec_open_vswitch *row = ovsrec_open_vswitch_first(bridges->idl);
    const struct smap *config = row ? &row->other_config : NULL;
    bridges->offload.hw_offload = config && smap_get_bool(config, "hw-offload", false);
    ovs_strlcpy(bridges->offload.tc_policy,
                config ? smap_get_def(config, "tc-policy", "none") : "none",
                sizeof bridges->offload.tc_policy);
}

static const struct ovsrec_bridge *
find_row(const struct bridges *bridges, const char *name)
{
    const struct ovsrec_bridge *row;
    OVSREC_BRIDGE_FOR_EACH (row, bridges->idl)
        if (!strcmp(row->name, name))
            return row;
    return NULL;
}

// True unless the bridge's column 'protocols' names only versions that have no atomic bundles.
static bool
allows_bundles(const struct ovsrec_bridge *row)
{
    for (size_t i = 0; i < row->n_protocols; i++)
        if (!strcmp(row->protocols[i], "OpenFlow14") || !strcmp(row->protocols[i], "OpenFlow15"))
            return true;
    return !row->n_protocols;
}

static void
set_trouble(struct bridge *bridge, const char *text)
{
    ovs_strlcpy(bridge->trouble, text, sizeof bridge->trouble);
    if (!strcmp(bridge->trouble, bridge->logged))
        return;
    ovs_strlcpy(bridge->logged, bridge->trouble, sizeof bridge->logged);
    if (text[0])
        log_warning("bridge %s: %s; trying again", bridge->name, text);
    else
        log_notice("bridge %s: connected, OpenFlow 1.%d", bridge->name,
                   vconn_get_version(bridge->vconn) - OFP10_VERSION);
}

void
bridge_disconnect(struct bridge *bridge, const char *why)
{
    vconn_close(bridge->vconn);
    bridge->vconn = NULL;
    bridge->connected = false;
    ofpbuf_list_delete(&bridge->odd);
    ovs_list_init(&bridge->odd);
    bridge->n_odd = 0;
    bundle_lost(bridge, why);
    bridge->retry_ms = time_msec() + bridge->backoff_ms;
    bridge->backoff_ms = MIN(bridge->backoff_ms * 2, BACKOFF_MOST_MS);
    set_trouble(bridge, why);
}

static void
run_connection(struct bridge *bridge, const struct ovsrec_bridge *row)
{
    char text[256];
    if (!bridge->vconn) {
        if (time_msec() < bridge->retry_ms)
            return;
        int rc = vconn_open(bridge->remote, OPENFLOW_VERSIONS, 0, &bridge->vconn);
        if (rc) {
            snprintf(text, sizeof text, "%s: %s", bridge->remote, ovs_strerror(rc));
            bridge_disconnect(bridge, text);
            return;
        }
    }
    vconn_run(bridge->vconn);
    if (bridge->connected) {
        bundle_run(bridge);
        return;
    }
    int rc = vconn_connect(bridge->vconn);
    if (rc == EAGAIN)
        return;
    if (rc) {
        if (rc == EPROTO && row && !allows_bundles(row))
            snprintf(text, sizeof text,
                     "its column protocols allows neither OpenFlow14 nor OpenFlow15; "
                     "ovs-vsctl add bridge %s protocols OpenFlow14",
                     bridge->name);
        else
            snprintf(text, sizeof text, "%s: %s", bridge->remote, ovs_retval_to_string(rc));
        bridge_disconnect(bridge, text);
        return;
    }
    bridge->connected = true;
    bridge->connection++;
    bridge->backoff_ms = BACKOFF_LEAST_MS;
    set_trouble(bridge, "");
}

// OVSDB's side, where the log must say what the operator should look at.
static void
run_ovsdb(struct bridges *bridges)
{
    ovsdb_idl_run(bridges->idl);
    bool up = ovsdb_idl_is_connected(bridges->idl);
    if (bridges->complain_ms && (up || time_msec() >= bridges->complain_ms)) {
        bridges->complain_ms = 0;
        if (!up)
            log_warning("ovsdb %s: no answer; trying again", bridges->settings->ovsdb);
    }
    if (up != bridges->ovsdb_up) {
        bridges->ovsdb_up = up;
        if (up)
            log_notice("ovsdb %s: connected", bridges->settings->ovsdb);
        else
            log_warning("ovsdb %s: connection lost; the ports stay as last known",
                        bridges->settings->ovsdb);
    }
}

void
bridges_run(struct bridges *bridges)
{
    run_ovsdb(bridges);
    bool told = ovsdb_idl_has_ever_connected(bridges->idl);
    bool news = told && ovsdb_idl_get_seqno(bridges->idl) != bridges->seqno;
    bridges->seqno = ovsdb_idl_get_seqno(bridges->idl);
    if (news)
        read_offload(bridges);
    for (size_t i = 0; i < bridges->n; i++) {
        struct bridge *bridge = &bridges->list[i];
        const struct ovsrec_bridge *row = told ? find_row(bridges, bridge->name) : NULL;
        if (news)
            read_ports(bridge, row);
        if (!bridge->known && !bridge->connected)
            set_trouble(bridge, told ? "OVSDB has no bridge of this name" : NO_OVSDB);
        else
            run_connection(bridge, row);
    }
}

void
bridges_wait(struct bridges *bridges)
{
    ovsdb_idl_wait(bridges->idl);
    if (bridges->complain_ms)
        poll_timer_wait_until(bridges->complain_ms);
    for (size_t i = 0; i < bridges->n; i++) {
        struct bridge *bridge = &bridges->list[i];
        if (!bridge->vconn) {
            if (bridge->known)
                poll_timer_wait_until(bridge->retry_ms);
            continue;
        }
        vconn_run_wait(bridge->vconn);
        if (bridge->connected)
            bundle_wait(bridge);
        else
            vconn_connect_wait(bridge->vconn);
    }
}

size_t
bridges_count(const struct bridges *bridges)
{
    return bridges->n;
}

struct bridge *
bridges_at(struct bridges *bridges, size_t i)
{
    return &bridges->list[i];
}

struct bridge *
bridges_of_port(struct bridges *bridges, const char *port)
{
    for (size_t i = 0; i < bridges->n; i++)
        if (port_find(&bridges->list[i].ports, port))
            return &bridges->list[i];
    return NULL;
}

const struct offload_state *
bridges_offload(const struct bridges *bridges)
{
    return &bridges->offload;
}

const char *
bridge_datapath(const struct bridge *bridge)
{
    return bridge->datapath;
}

const char *
bridge_name(const struct bridge *bridge)
{
    return bridge->name;
}

bool
bridge_ready(const struct bridge *bridge)
{
    return bridge->known && bridge->connected;
}

const char *
bridge_trouble(const struct bridge *bridge)
{
    return bridge_ready(bridge) ? "" : bridge->trouble;
}

const struct port_table *
bridge_ports(const struct bridge *bridge)
{
    return &bridge->ports;
}

const struct port_stats *
bridge_port_stats(const struct bridge *bridge)
{
    return bridge->stats;
}

uint64_t
bridge_ports_change(const struct bridge *bridge)
{
    return bridge->ports_change;
}

uint64_t
bridge_connection(const struct bridge *bridge)
{
    return bridge->connection;
}
