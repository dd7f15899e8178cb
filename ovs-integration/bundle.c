// SPDX-License-Identifier: Apache-2.0
// OpenFlow with one bridge: our flows as messages and back, one atomic bundle, listings.
// flows -> [bundle] -> ovs-vswitchd.
//
//    idle --bundle_start_...()--> underway --barrier's reply--> ended --bundle_poll()--> idle
//                                          --silent, lost-----> ended, in failure
#include <config.h>

#include <openvswitch/list.h>
#include <openvswitch/match.h>
#include <openvswitch/ofp-actions.h>
#include <openvswitch/ofp-bundle.h>
#include <openvswitch/ofp-errors.h>
#include <openvswitch/ofp-flow.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vconn.h>

#include "byte-order.h"
#include "flow.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

#include "lib/io/clock.h"
#include "ovs-integration/bridge_ovs.h"
#include "ovs-integration/bundle.h"

#include <errno.h>

enum {
    BUNDLE_ID = 1,
    ASK_EACH_MAX = 8, // a question costs about as much as listing a hundred flows
    ENCODE_AT_ONCE = 256,
    MESSAGES_A_ROUND = 1024, // then the loop goes on, and comes back at once
};

static enum ofputil_protocol
protocol_of(const struct bridge *bridge)
{
    return ofputil_protocol_from_ofp_version((enum ofp_version)vconn_get_version(bridge->vconn));
}

// ---- our flows as OVS has them, and back

static struct in6_addr
to_in6(const struct addr *addr)
{
    struct in6_addr out;
    ovs_be64 halves[2] = {htonll(addr->hi), htonll(addr->lo)};
    memcpy(&out, halves, sizeof out);
    return out;
}

static struct addr
from_in6(const struct in6_addr *in)
{
    ovs_be64 halves[2];
    memcpy(halves, in, sizeof halves);
    return (struct addr){ntohll(halves[0]), ntohll(halves[1])};
}

static bool
is_any(const struct addr *mask)
{
    return !mask->hi && !mask->lo;
}

static void
encode_addresses(const struct own_flow *flow, struct match *match)
{
    bool ipv6 = flow->eth_type == ETH_TYPE_IPV6;
    struct in6_addr src = to_in6(&flow->src), src_mask = to_in6(&flow->src_mask);
    struct in6_addr dst = to_in6(&flow->dst), dst_mask = to_in6(&flow->dst_mask);
    if (ipv6) {
        if (!is_any(&flow->src_mask))
            match_set_ipv6_src_masked(match, &src, &src_mask);
        if (!is_any(&flow->dst_mask))
            match_set_ipv6_dst_masked(match, &dst, &dst_mask);
        return;
    }
    if (!is_any(&flow->src_mask))
        match_set_nw_src_masked(match, htonl((uint32_t)flow->src.lo),
                                htonl((uint32_t)flow->src_mask.lo));
    if (!is_any(&flow->dst_mask))
        match_set_nw_dst_masked(match, htonl((uint32_t)flow->dst.lo),
                                htonl((uint32_t)flow->dst_mask.lo));
}

static void
decode_addresses(const struct flow *value, const struct flow *mask, struct own_flow *flow)
{
    if (flow->eth_type == ETH_TYPE_IPV6) {
        flow->src = from_in6(&value->ipv6_src);
        flow->src_mask = from_in6(&mask->ipv6_src);
        flow->dst = from_in6(&value->ipv6_dst);
        flow->dst_mask = from_in6(&mask->ipv6_dst);
        return;
    }
    flow->src = (struct addr){0, ntohl(value->nw_src)};
    flow->src_mask = (struct addr){0, ntohl(mask->nw_src)};
    flow->dst = (struct addr){0, ntohl(value->nw_dst)};
    flow->dst_mask = (struct addr){0, ntohl(mask->nw_dst)};
}

static void
encode_match(const struct own_flow *flow, struct match *match)
{
    match_init_catchall(match);
    if (flow->in_port)
        match_set_in_port(match, u16_to_ofp((uint16_t)flow->in_port));
    if (flow->match_metadata)
        match_set_metadata(match, htonll(flow->match_metadata));
    if (flow->eth_type)
        match_set_dl_type(match, htons(flow->eth_type));
    if (flow->vlan >= 0)
        match_set_dl_vlan(match, htons(flow->vlan ? (uint16_t)flow->vlan : OFP10_VLAN_NONE), 0);
    if (flow->proto >= 0)
        match_set_nw_proto(match, (uint8_t)flow->proto);
    encode_addresses(flow, match);
    if (flow->sport_mask)
        match_set_tp_src_masked(match, htons(flow->sport), htons(flow->sport_mask));
    if (flow->dport_mask)
        match_set_tp_dst_masked(match, htons(flow->dport), htons(flow->dport_mask));
}

// False if 'match' has anything that struct own_flow cannot say.
static bool
decode_match(const struct match *match, struct own_flow *flow)
{
    const struct flow *value = &match->flow, *mask = &match->wc.masks;
    struct match plain = *match, again;
    // OVS adds "an Ethernet packet" to whatever matches on a field of one.
    if (mask->packet_type == OVS_BE32_MAX && value->packet_type == htonl(PT_ETH))
        plain.flow.packet_type = plain.wc.masks.packet_type = 0;
    flow->in_port = mask->in_port.ofp_port ? ofp_to_u16(value->in_port.ofp_port) : 0;
    flow->match_metadata = ntohll(value->metadata);
    flow->eth_type = ntohs(value->dl_type);
    flow->vlan = mask->vlans[0].tci ? (int16_t)vlan_tci_to_vid(value->vlans[0].tci) : -1;
    flow->proto = mask->nw_proto ? value->nw_proto : -1;
    decode_addresses(value, mask, flow);
    flow->sport = ntohs(value->tp_src);
    flow->sport_mask = ntohs(mask->tp_src);
    flow->dport = ntohs(value->tp_dst);
    flow->dport_mask = ntohs(mask->tp_dst);
    encode_match(flow, &again);
    return match_equal(&plain, &again);
}

static void
encode_actions(const struct own_flow *flow, struct ofpbuf *acts)
{
    switch (flow->action) {
    case FLOW_DROP:
        break;
    case FLOW_OUTPUT:
        ofpact_put_OUTPUT(acts)->port = u16_to_ofp((uint16_t)flow->out_port);
        break;
    case FLOW_BACK:
        ofpact_put_OUTPUT(acts)->port = OFPP_IN_PORT;
        break;
    case FLOW_NORMAL:
        ofpact_put_OUTPUT(acts)->port = OFPP_NORMAL;
        break;
    case FLOW_GOTO: {
        struct ofpact_metadata *metadata = ofpact_put_WRITE_METADATA(acts);
        metadata->metadata = htonll(flow->metadata);
        metadata->mask = OVS_BE64_MAX;
        ofpact_put_GOTO_TABLE(acts)->table_id = flow->next_table;
        break;
    }
    }
}

// False if the actions are none that we make.
static bool
decode_actions(const struct ofpact *acts, size_t len, struct own_flow *flow)
{
    const struct ofpact *a;
    unsigned outputs = 0, metadatas = 0, gotos = 0;
    OFPACT_FOR_EACH (a, acts, len) {
        if (a->type == OFPACT_OUTPUT) {
            ofp_port_t port = ofpact_get_OUTPUT(a)->port;
            outputs++;
            flow->action = port == OFPP_IN_PORT  ? FLOW_BACK
                           : port == OFPP_NORMAL ? FLOW_NORMAL
                                                 : FLOW_OUTPUT;
            flow->out_port = flow->action == FLOW_OUTPUT ? ofp_to_u16(port) : 0;
        } else if (a->type == OFPACT_WRITE_METADATA &&
                   ofpact_get_WRITE_METADATA(a)->mask == OVS_BE64_MAX) {
            metadatas++;
            flow->metadata = ntohll(ofpact_get_WRITE_METADATA(a)->metadata);
        } else if (a->type == OFPACT_GOTO_TABLE) {
            gotos++;
            flow->action = FLOW_GOTO;
            flow->next_table = ofpact_get_GOTO_TABLE(a)->table_id;
        } else {
            return false;
        }
    }
    if (!outputs && !metadatas && !gotos) {
        flow->action = FLOW_DROP;
        return true;
    }
    return (outputs == 1 && !metadatas && !gotos) || (!outputs && metadatas == 1 && gotos == 1);
}

static bool
decode_flow(const struct ofputil_flow_stats *fs, struct own_flow *flow)
{
    *flow = (struct own_flow){
        .table = fs->table_id, .priority = fs->priority, .cookie = ntohll(fs->cookie)};
    return decode_match(&fs->match, flow) && decode_actions(fs->ofpacts, fs->ofpacts_len, flow) &&
           !fs->idle_timeout && !fs->hard_timeout;
}

static struct ofpbuf *
encode_removal(const struct match *match, uint8_t table, uint16_t priority, ovs_be64 cookie,
               enum ofputil_protocol protocol)
{
    struct ofputil_flow_mod fm = {.command = OFPFC_DELETE_STRICT,
                                  .table_id = table,
                                  .priority = priority,
                                  .cookie = cookie,
                                  .cookie_mask = OVS_BE64_MAX,
                                  .new_cookie = OVS_BE64_MAX,
                                  .buffer_id = UINT32_MAX,
                                  .out_port = OFPP_ANY,
                                  .out_group = OFPG_ANY};
    minimatch_init(&fm.match, match);
    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, protocol);
    minimatch_destroy(&fm.match);
    return msg;
}

static struct ofpbuf *
encode_change(const struct flow_change *change, enum ofputil_protocol protocol)
{
    const struct own_flow *flow = change->flow;
    struct match match;
    encode_match(flow, &match);
    if (change->remove)
        return encode_removal(&match, flow->table, flow->priority, htonll(flow->cookie), protocol);

    uint64_t stub[64 / sizeof(uint64_t)];
    struct ofpbuf acts = OFPBUF_STUB_INITIALIZER(stub);
    encode_actions(flow, &acts);
    struct ofputil_flow_mod fm = {.command = OFPFC_ADD,
                                  .table_id = flow->table,
                                  .priority = flow->priority,
                                  .new_cookie = htonll(flow->cookie),
                                  .buffer_id = UINT32_MAX,
                                  .out_port = OFPP_ANY,
                                  .out_group = OFPG_ANY,
                                  .ofpacts = acts.data,
                                  .ofpacts_len = acts.size};
    minimatch_init(&fm.match, &match);
    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, protocol);
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&acts);
    return msg;
}

// ---- an exchange of messages

static int
need_ready(const struct bridge *bridge, struct offload_err *err)
{
    return bridge_ready(bridge)
               ? 0
               : offload_err_set(err, -EBUSY, bridge->name, "try again once the switch is back",
                                 "the bridge is not connected: %s", bridge_trouble(bridge));
}

static enum ofp_version
version_of(const struct bridge *bridge)
{
    return (enum ofp_version)vconn_get_version(bridge->vconn);
}

static void
push(struct exchange *exchange, struct ofpbuf *msg)
{
    ovs_list_push_back(&exchange->requests, &msg->list_node);
}

static ovs_be32
xid_of(const struct ofpbuf *msg)
{
    return ((const struct ofp_header *)msg->data)->xid;
}

static struct exchange *
begin(struct bridge *bridge, enum exchange_kind kind)
{
    struct exchange *exchange = &bridge->exchange;
    ovs_assert(exchange->kind == EXCHANGE_NONE);
    *exchange = (struct exchange){.kind = kind,
                                  .deadline_ms = time_msec() + BUNDLE_SILENCE_MS,
                                  .start_ns = clock_monotonic_ns()};
    ovs_list_init(&exchange->requests);
    return exchange;
}

// The last request: once its reply is here, so are all answers to what was sent before.
static void
push_barrier(struct bridge *bridge)
{
    struct ofpbuf *barrier = ofputil_encode_barrier_request(version_of(bridge));
    bridge->exchange.barrier_xid = xid_of(barrier);
    bridge->exchange.all_queued = true;
    push(&bridge->exchange, barrier);
}

static void
end(struct exchange *exchange)
{
    ofpbuf_list_delete(&exchange->requests);
    ovs_list_init(&exchange->requests);
    exchange->ended = true;
    if (exchange->unattended) {
        own_flows_fini(&exchange->flows);
        exchange->kind = EXCHANGE_NONE;
    }
}

void
bundle_lost(struct bridge *bridge, const char *why)
{
    struct exchange *exchange = &bridge->exchange;
    if (exchange->kind == EXCHANGE_NONE || exchange->ended)
        return;
    exchange->rc = offload_err_set(&exchange->err, -EBUSY, bridge->name,
                                   "try again once the switch is back", "%s", why);
    end(exchange);
}

static void
refuse(struct bridge *bridge, enum ofperr error)
{
    struct exchange *exchange = &bridge->exchange;
    if (exchange->kind != EXCHANGE_COMMIT)
        exchange->rc =
            offload_err_set(&exchange->err, -EIO, bridge->name, NULL,
                            "the switch would not list its flows: %s", ofperr_to_string(error));
    else if (error == OFPERR_OFPFMFC_TABLE_FULL)
        exchange->rc = offload_err_set(&exchange->err, -ENOSPC, bridge->name,
                                       "raise flow_limit of its Flow_Table, or use fewer matches",
                                       "the switch's flow table is full (%s); nothing was changed",
                                       ofperr_to_string(error));
    else
        exchange->rc = offload_err_set(&exchange->err, -EIO, bridge->name, NULL,
                                       "the switch refused the flows: %s",
                                       error ? ofperr_to_string(error) : "no reply to the commit");
}

static void
finish(struct bridge *bridge)
{
    struct exchange *exchange = &bridge->exchange;
    exchange->ns = clock_monotonic_ns() - exchange->start_ns;
    if (exchange->error || (exchange->kind == EXCHANGE_COMMIT && !exchange->committed))
        refuse(bridge, exchange->error);
    else if (exchange->no_memory)
        exchange->rc =
            offload_err_set(&exchange->err, -ENOMEM, bridge->name, NULL, "out of memory");
    own_flows_sort(&exchange->flows);
    end(exchange);
}

// ---- the bundle

static struct ofpbuf *
encode_control(enum ofp_version version, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg msg = {
        .bundle_id = BUNDLE_ID, .type = type, .flags = OFPBF_ATOMIC | OFPBF_ORDERED};
    return ofputil_encode_bundle_ctrl_request(version, &msg);
}

static void
push_bundled(struct exchange *exchange, struct ofpbuf *mod, enum ofp_version version)
{
    struct ofputil_bundle_add_msg add = {
        .bundle_id = BUNDLE_ID, .flags = OFPBF_ATOMIC | OFPBF_ORDERED, .msg = mod->data};
    push(exchange, ofputil_encode_bundle_add(version, &add));
    ofpbuf_delete(mod);
}

// Changes become messages only as the connection takes them.
static void
queue_changes(struct bridge *bridge)
{
    struct exchange *exchange = &bridge->exchange;
    enum ofp_version version = version_of(bridge);
    if (exchange->all_queued)
        return;
    for (int i = 0; i < ENCODE_AT_ONCE && exchange->next < exchange->n; i++)
        push_bundled(exchange,
                     encode_change(&exchange->changes[exchange->next++], protocol_of(bridge)),
                     version);
    if (exchange->next < exchange->n)
        return;
    struct ofpbuf *commit = encode_control(version, OFPBCT_COMMIT_REQUEST);
    exchange->commit_xid = xid_of(commit);
    push(exchange, commit);
    push_barrier(bridge);
}

int
bundle_start_commit(struct bridge *bridge, const struct flow_change *changes, size_t n,
                    struct offload_err *err)
{
    int rc = need_ready(bridge, err);
    if (rc)
        return rc;
    struct exchange *exchange = begin(bridge, EXCHANGE_COMMIT);
    struct ofpbuf *odd;
    exchange->changes = changes;
    exchange->n = n;
    push(exchange, encode_control(version_of(bridge), OFPBCT_OPEN_REQUEST));
    LIST_FOR_EACH_POP (odd, list_node, &bridge->odd)
        push_bundled(exchange, odd, version_of(bridge));
    bridge->n_odd = 0;
    return 0;
}

void
bundle_change_nothing(struct bridge *bridge)
{
    // Nothing writes this into a packet's metadata: intents have 32 bits.
    static const struct own_flow flow = {.table = FLOW_TABLE_NOTHING,
                                         .match_metadata = UINT64_MAX,
                                         .vlan = -1,
                                         .proto = -1,
                                         .action = FLOW_DROP,
                                         .cookie = (uint64_t)0x0ff1 << 48};
    static const struct flow_change changes[] = {{false, &flow}, {true, &flow}};
    // A switch that is busy with something else of ours goes round by itself.
    if (bridge->exchange.kind == EXCHANGE_NONE && !bundle_start_commit(bridge, changes, 2, NULL))
        bridge->exchange.unattended = true;
}

void
bundle_wake(struct bridge *bridge)
{
    struct ofpbuf *echo = ofputil_encode_echo_request(version_of(bridge));
    if (vconn_send(bridge->vconn, echo))
        ofpbuf_delete(echo); // the connection is busy, so the switch is awake
}

// ---- listings

static void
push_listing(struct bridge *bridge, struct ofputil_flow_stats_request *what)
{
    what->out_port = OFPP_ANY;
    what->out_group = OFPG_ANY;
    push(&bridge->exchange, ofputil_encode_flow_stats_request(what, protocol_of(bridge)));
}

int
bundle_start_list(struct bridge *bridge, bool count_only, struct offload_err *err)
{
    struct ofputil_flow_stats_request what = {.aggregate = count_only,
                                              .cookie = htonll(FLOW_COOKIE),
                                              .cookie_mask = htonll(FLOW_COOKIE_MASK),
                                              .table_id = OFPTT_ALL};
    int rc = need_ready(bridge, err);
    if (rc)
        return rc;
    begin(bridge, count_only ? EXCHANGE_COUNT : EXCHANGE_LIST);
    match_init_catchall(&what.match);
    push_listing(bridge, &what);
    push_barrier(bridge);
    if (!count_only) {
        ofpbuf_list_delete(&bridge->odd);
        ovs_list_init(&bridge->odd);
        bridge->n_odd = 0;
    }
    return 0;
}

static void
on_own_flow(struct bridge *bridge, const struct ofputil_flow_stats *fs)
{
    struct own_flow flow;
    if (decode_flow(fs, &flow)) {
        bridge->exchange.no_memory |= own_flows_add(&bridge->exchange.flows, &flow) != 0;
        return;
    }
    struct ofpbuf *removal =
        encode_removal(&fs->match, fs->table_id, fs->priority, fs->cookie, protocol_of(bridge));
    ovs_list_push_back(&bridge->odd, &removal->list_node);
    bridge->n_odd++;
}

static void
on_foreign_flow(struct bridge *bridge, const struct ofputil_flow_stats *fs)
{
    struct own_flow flow = {
        .table = fs->table_id, .priority = fs->priority, .cookie = ntohll(fs->cookie)};
    if ((flow.cookie & FLOW_COOKIE_MASK) != FLOW_COOKIE && decode_match(&fs->match, &flow))
        bridge->exchange.no_memory |= own_flows_add(&bridge->exchange.flows, &flow) != 0;
}

static void
on_flows(struct bridge *bridge, const struct ofpbuf *msg)
{
    struct ofpbuf rest = *msg; // decoding pulls from it; the message itself stays whole
    struct ofpbuf acts;
    struct ofputil_flow_stats fs;
    int rc;
    ofpbuf_init(&acts, 64);
    while (!(rc = ofputil_decode_flow_stats_reply(&fs, &rest, false, &acts))) {
        if (bridge->exchange.kind == EXCHANGE_LIST)
            on_own_flow(bridge, &fs);
        else
            on_foreign_flow(bridge, &fs);
    }
    ofpbuf_uninit(&acts);
    if (rc != EOF)
        bridge->exchange.error = (enum ofperr)rc;
}

// ---- flows of others

static bool
is_entry(const struct flow_change *change)
{
    return !change->remove && change->flow->table == FLOW_TABLE_ENTRY;
}

// For few flows the switch is asked about each; for many, once for each port: the flows come sorted
// by port (own_flow_compare()).
int
bundle_start_check(struct bridge *bridge, const struct flow_change *changes, size_t n,
                   struct offload_err *err)
{
    uint32_t in_port = 0;
    size_t entries = 0;
    int rc = need_ready(bridge, err);
    if (rc)
        return rc;
    struct exchange *exchange = begin(bridge, EXCHANGE_CHECK);
    exchange->changes = changes;
    exchange->n = n;
    for (size_t i = 0; i < n; i++)
        entries += is_entry(&changes[i]);
    for (size_t i = 0; i < n; i++) {
        const struct own_flow *flow = changes[i].flow;
        struct own_flow port = {.in_port = flow->in_port, .vlan = -1, .proto = -1};
        struct ofputil_flow_stats_request what = {.table_id = FLOW_TABLE_ENTRY};
        if (!is_entry(&changes[i]) || (entries > ASK_EACH_MAX && flow->in_port == in_port))
            continue;
        in_port = flow->in_port;
        encode_match(entries <= ASK_EACH_MAX ? flow : &port, &what.match);
        push_listing(bridge, &what);
    }
    push_barrier(bridge);
    return 0;
}

static int
compare_for_search(const void *a, const void *b)
{
    return own_flow_compare(a, b);
}

// Whether one of the flows that the switch told of is where one of ours would come.
static int
find_foreign(struct bridge *bridge, struct offload_err *err)
{
    const struct exchange *exchange = &bridge->exchange;
    const struct own_flows *foreign = &exchange->flows;
    for (size_t i = 0; i < exchange->n && foreign->n; i++) {
        const struct own_flow *flow = exchange->changes[i].flow;
        if (is_entry(&exchange->changes[i]) &&
            bsearch(flow, foreign->flows, foreign->n, sizeof *flow, compare_for_search))
            return offload_err_set(
                err, -ENOSPC, bridge->name, "change 'priority' in flowd.json, or that flow's",
                "a flow of somebody else has our place: table 0, priority %u, in_port %u",
                (unsigned)flow->priority, (unsigned)flow->in_port);
    }
    return 0;
}

// ---- running

static void
on_message(struct bridge *bridge, const struct ofpbuf *msg)
{
    struct exchange *exchange = &bridge->exchange;
    struct ofputil_aggregate_stats stats;
    enum ofptype type;
    if (ofptype_decode(&type, msg->data))
        return;
    if (type == OFPTYPE_ECHO_REQUEST) {
        struct ofpbuf *reply = ofputil_encode_echo_reply(msg->data);
        if (vconn_send(bridge->vconn, reply))
            ofpbuf_delete(reply);
    }
    if (exchange->kind == EXCHANGE_NONE || exchange->ended)
        return; // what comes now is late and of no use
    if (type == OFPTYPE_ERROR && !exchange->error) {
        enum ofperr what = ofperr_decode_msg(msg->data, NULL);
        exchange->error = what ? what : OFPERR_OFPBRC_BAD_TYPE;
    } else if (type == OFPTYPE_BUNDLE_CONTROL && xid_of(msg) == exchange->commit_xid) {
        exchange->committed = true;
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        on_flows(bridge, msg);
    } else if (type == OFPTYPE_AGGREGATE_STATS_REPLY) {
        if (!ofputil_decode_aggregate_stats_reply(&stats, msg->data))
            exchange->count = stats.flow_count;
    } else if (type == OFPTYPE_BARRIER_REPLY && xid_of(msg) == exchange->barrier_xid) {
        finish(bridge);
    }
}

// Returns 0, EAGAIN if the connection takes no more, or what is wrong with it.
static int
send_some(struct bridge *bridge)
{
    struct exchange *exchange = &bridge->exchange;
    for (int sent = 0; sent < MESSAGES_A_ROUND; sent++) {
        if (ovs_list_is_empty(&exchange->requests))
            queue_changes(bridge);
        if (ovs_list_is_empty(&exchange->requests))
            return 0;
        struct ofpbuf *msg = ofpbuf_from_list(ovs_list_front(&exchange->requests));
        ovs_list_remove(&msg->list_node);
        int rc = vconn_send(bridge->vconn, msg);
        if (rc) {
            ovs_list_push_front(&exchange->requests, &msg->list_node);
            return rc;
        }
        exchange->deadline_ms = time_msec() + BUNDLE_SILENCE_MS;
    }
    return 0;
}

static bool
is_underway(const struct bridge *bridge)
{
    return bridge->exchange.kind != EXCHANGE_NONE && !bridge->exchange.ended;
}

void
bundle_run(struct bridge *bridge)
{
    struct exchange *exchange = &bridge->exchange;
    struct ofpbuf *msg;
    int rc = is_underway(bridge) ? send_some(bridge) : 0;
    if (!rc || rc == EAGAIN) {
        rc = 0;
        for (int i = 0; i < MESSAGES_A_ROUND && !(rc = vconn_recv(bridge->vconn, &msg)); i++) {
            on_message(bridge, msg);
            ofpbuf_delete(msg);
            exchange->deadline_ms = time_msec() + BUNDLE_SILENCE_MS;
        }
    }
    if (rc && rc != EAGAIN) {
        bridge_disconnect(bridge, "ovs-vswitchd closed the OpenFlow connection");
    } else if (is_underway(bridge) && time_msec() >= exchange->deadline_ms) {
        char why[128];
        snprintf(why, sizeof why, "ovs-vswitchd does not answer (%s)",
                 ovs_retval_to_string(ETIMEDOUT));
        bridge_disconnect(bridge, why);
    }
}

void
bundle_wait(struct bridge *bridge)
{
    const struct exchange *exchange = &bridge->exchange;
    vconn_recv_wait(bridge->vconn);
    if (exchange->ended)
        poll_immediate_wake(); // somebody waits for that
    if (!is_underway(bridge))
        return;
    if (!ovs_list_is_empty(&exchange->requests) || !exchange->all_queued)
        vconn_send_wait(bridge->vconn);
    poll_timer_wait_until(exchange->deadline_ms);
}

bool
bundle_idle(const struct bridge *bridge)
{
    return bridge->exchange.kind == EXCHANGE_NONE;
}

int
bundle_poll(struct bridge *bridge, struct bundle_result *result, struct offload_err *err)
{
    struct exchange *exchange = &bridge->exchange;
    *result = (struct bundle_result){.ns = exchange->ns, .count = exchange->count};
    ovs_assert(exchange->kind != EXCHANGE_NONE);
    if (!exchange->ended)
        return -EINPROGRESS;
    int rc = exchange->rc;
    if (rc && err)
        *err = exchange->err;
    if (!rc && exchange->kind == EXCHANGE_CHECK)
        rc = find_foreign(bridge, err);
    if (!rc && exchange->kind == EXCHANGE_LIST) {
        result->flows = exchange->flows;
        exchange->flows = (struct own_flows){.flows = NULL};
    }
    own_flows_fini(&exchange->flows);
    exchange->kind = EXCHANGE_NONE;
    exchange->ended = false;
    return rc;
}

size_t
bundle_odd(const struct bridge *bridge)
{
    return bridge->n_odd;
}
