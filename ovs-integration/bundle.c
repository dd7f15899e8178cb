// SPDX-License-Identifier: Apache-2.0
// OpenFlow with one bridge: our flows as messages and back, one atomic bundle, listings.
// flows -> [bundle] -> ovs-vswitchd.
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
};

static enum ofputil_protocol
protocol_of(const struct bridge *bridge)
{
    return ofputil_protocol_from_ofp_version((enum ofp_version)vconn_get_version(bridge->vconn));
}

// ---- our flows as OVS has them, and back

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
        match_set_dl_vlan(match, htons((uint16_t)flow->vlan), 0);
    if (flow->proto >= 0)
        match_set_nw_proto(match, (uint8_t)flow->proto);
    if (flow->src_mask)
        match_set_nw_src_masked(match, htonl(flow->src), htonl(flow->src_mask));
    if (flow->dst_mask)
        match_set_nw_dst_masked(match, htonl(flow->dst), htonl(flow->dst_mask));
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
    flow->src = ntohl(value->nw_src);
    flow->src_mask = ntohl(mask->nw_src);
    flow->dst = ntohl(value->nw_dst);
    flow->dst_mask = ntohl(mask->nw_dst);
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

// Looks at one message from the switch, which stays the caller's. Returns true if it was the last.
typedef bool reply_fn(void *ctx, const struct ofpbuf *msg, enum ofptype type, enum ofperr error);

// Sends as much of 'requests' as the connection takes, and reads what has come. Returns 0 if it is
// done, EAGAIN, or what is wrong with the connection.
static int
exchange_step(struct vconn *vconn, struct ovs_list *requests, reply_fn *fn, void *ctx, bool *moved)
{
    struct ofpbuf *msg;
    int rc;
    vconn_run(vconn);
    while (!ovs_list_is_empty(requests)) {
        msg = ofpbuf_from_list(ovs_list_front(requests));
        ovs_list_remove(&msg->list_node);
        rc = vconn_send(vconn, msg);
        if (rc) {
            ovs_list_push_front(requests, &msg->list_node);
            if (rc != EAGAIN)
                return rc;
            break;
        }
        *moved = true;
    }
    while (!(rc = vconn_recv(vconn, &msg))) {
        enum ofptype type;
        enum ofperr error = ofptype_decode(&type, msg->data);
        bool done = fn(ctx, msg, type, error);
        if (!error && type == OFPTYPE_ECHO_REQUEST)
            ovs_list_push_back(requests, &ofputil_encode_echo_reply(msg->data)->list_node);
        ofpbuf_delete(msg);
        *moved = true;
        if (done)
            return 0;
    }
    return rc;
}

// Sends 'requests', which it takes, until 'fn' has seen the last answer.
static int
exchange(struct bridge *bridge, struct ovs_list *requests, reply_fn *fn, void *ctx,
         struct offload_err *err)
{
    long long int deadline = time_msec() + BUNDLE_SILENCE_MS;
    int rc;
    for (;;) {
        bool moved = false;
        rc = exchange_step(bridge->vconn, requests, fn, ctx, &moved);
        if (rc != EAGAIN)
            break;
        if (moved)
            deadline = time_msec() + BUNDLE_SILENCE_MS;
        else if (time_msec() >= deadline) {
            rc = ETIMEDOUT;
            break;
        }
        vconn_run_wait(bridge->vconn);
        vconn_recv_wait(bridge->vconn);
        if (!ovs_list_is_empty(requests))
            vconn_send_wait(bridge->vconn);
        poll_timer_wait_until(deadline);
        poll_block();
    }
    ofpbuf_list_delete(requests);
    if (!rc)
        return 0;
    char why[128];
    snprintf(why, sizeof why, "ovs-vswitchd does not answer (%s)", ovs_retval_to_string(rc));
    bridge_disconnect(bridge, why);
    return offload_err_set(err, -EBUSY, bridge->name, "try again once the switch is back", "%s",
                           why);
}

static int
need_ready(const struct bridge *bridge, struct offload_err *err)
{
    return bridge_ready(bridge)
               ? 0
               : offload_err_set(err, -EBUSY, bridge->name, "try again once the switch is back",
                                 "the bridge is not connected: %s", bridge_trouble(bridge));
}

// ---- the bundle

struct commit_reply {
    ovs_be32 barrier_xid, commit_xid;
    enum ofperr error; // the first
    bool committed;
};

static bool
on_commit_reply(void *ctx, const struct ofpbuf *msg, enum ofptype type, enum ofperr error)
{
    struct commit_reply *reply = ctx;
    const struct ofp_header *header = msg->data;
    if (error)
        return false;
    if (type == OFPTYPE_ERROR) {
        enum ofperr what = ofperr_decode_msg(header, NULL);
        if (!reply->error)
            reply->error = what ? what : OFPERR_OFPBRC_BAD_TYPE;
    } else if (type == OFPTYPE_BUNDLE_CONTROL && header->xid == reply->commit_xid) {
        reply->committed = true;
    }
    return type == OFPTYPE_BARRIER_REPLY && header->xid == reply->barrier_xid;
}

static struct ofpbuf *
encode_control(enum ofp_version version, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg msg = {
        .bundle_id = BUNDLE_ID, .type = type, .flags = OFPBF_ATOMIC | OFPBF_ORDERED};
    return ofputil_encode_bundle_ctrl_request(version, &msg);
}

static void
push_bundled(struct ovs_list *requests, struct ofpbuf *mod, enum ofp_version version)
{
    struct ofputil_bundle_add_msg add = {
        .bundle_id = BUNDLE_ID, .flags = OFPBF_ATOMIC | OFPBF_ORDERED, .msg = mod->data};
    ovs_list_push_back(requests, &ofputil_encode_bundle_add(version, &add)->list_node);
    ofpbuf_delete(mod);
}

int
bundle_commit(struct bridge *bridge, const struct flow_change *changes, size_t n, uint64_t *ns,
              struct offload_err *err)
{
    int rc = need_ready(bridge, err);
    if (rc)
        return rc;
    enum ofp_version version = (enum ofp_version)vconn_get_version(bridge->vconn);
    struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
    struct ofpbuf *odd;
    ovs_list_push_back(&requests, &encode_control(version, OFPBCT_OPEN_REQUEST)->list_node);
    LIST_FOR_EACH_POP (odd, list_node, &bridge->odd)
        push_bundled(&requests, odd, version);
    bridge->n_odd = 0;
    for (size_t i = 0; i < n; i++)
        push_bundled(&requests, encode_change(&changes[i], protocol_of(bridge)), version);
    struct ofpbuf *commit = encode_control(version, OFPBCT_COMMIT_REQUEST);
    struct ofpbuf *barrier = ofputil_encode_barrier_request(version);
    struct commit_reply reply = {.barrier_xid = ((struct ofp_header *)barrier->data)->xid,
                                 .commit_xid = ((struct ofp_header *)commit->data)->xid};
    ovs_list_push_back(&requests, &commit->list_node);
    ovs_list_push_back(&requests, &barrier->list_node);

    uint64_t start_ns = clock_monotonic_ns();
    rc = exchange(bridge, &requests, on_commit_reply, &reply, err);
    if (rc)
        return rc;
    if (ns)
        *ns = clock_monotonic_ns() - start_ns;
    if (reply.error || !reply.committed)
        return offload_err_set(err, -EIO, bridge->name, NULL, "the switch refused the flows: %s",
                               reply.error ? ofperr_to_string(reply.error)
                                           : "no reply to the commit");
    return 0;
}

void
bundle_change_nothing(struct bridge *bridge)
{
    // Nothing writes this into a packet's metadata: intents have 32 bits.
    const struct own_flow flow = {.table = FLOW_TABLE_NOTHING,
                                  .match_metadata = UINT64_MAX,
                                  .vlan = -1,
                                  .proto = -1,
                                  .action = FLOW_DROP,
                                  .cookie = FLOW_COOKIE};
    const struct flow_change changes[] = {{false, &flow}, {true, &flow}};
    bundle_commit(bridge, changes, 2, NULL, NULL);
}

void
bundle_wake(struct bridge *bridge)
{
    struct ofpbuf *echo =
        ofputil_encode_echo_request((enum ofp_version)vconn_get_version(bridge->vconn));
    if (vconn_send(bridge->vconn, echo))
        ofpbuf_delete(echo); // the connection is busy, so the switch is awake
}

// ---- listings

typedef void flow_fn(void *ctx, const struct ofputil_flow_stats *fs);

struct dump_reply {
    ovs_be32 xid;
    flow_fn *fn;
    void *ctx;
    enum ofperr error;
};

static bool
on_dump_reply(void *ctx, const struct ofpbuf *msg, enum ofptype type, enum ofperr error)
{
    struct dump_reply *reply = ctx;
    const struct ofp_header *header = msg->data;
    if (header->xid != reply->xid)
        return false;
    if (error || type == OFPTYPE_ERROR) {
        enum ofperr what = error ? error : ofperr_decode_msg(header, NULL);
        reply->error = what ? what : OFPERR_OFPBRC_BAD_TYPE;
        return true;
    }
    if (type != OFPTYPE_FLOW_STATS_REPLY)
        return false;

    struct ofpbuf rest = *msg; // decoding pulls from it; the message itself stays whole
    struct ofpbuf acts;
    struct ofputil_flow_stats fs;
    int rc;
    ofpbuf_init(&acts, 64);
    while (!(rc = ofputil_decode_flow_stats_reply(&fs, &rest, false, &acts)))
        reply->fn(reply->ctx, &fs);
    ofpbuf_uninit(&acts);
    if (rc != EOF)
        reply->error = (enum ofperr)rc;
    return rc != EOF || !ofpmp_more(header);
}

static int
dump(struct bridge *bridge, const struct ofputil_flow_stats_request *what, flow_fn *fn, void *ctx,
     struct offload_err *err)
{
    int rc = need_ready(bridge, err);
    if (rc)
        return rc;
    struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
    struct ofpbuf *request = ofputil_encode_flow_stats_request(what, protocol_of(bridge));
    struct dump_reply reply = {
        .xid = ((struct ofp_header *)request->data)->xid, .fn = fn, .ctx = ctx};
    ovs_list_push_back(&requests, &request->list_node);
    rc = exchange(bridge, &requests, on_dump_reply, &reply, err);
    if (!rc && reply.error)
        rc = offload_err_set(err, -EIO, bridge->name, NULL,
                             "the switch would not list its flows: %s",
                             ofperr_to_string(reply.error));
    return rc;
}

struct own_dump {
    struct bridge *bridge;
    struct own_flows flows;
    bool no_memory;
};

static void
on_own_flow(void *ctx, const struct ofputil_flow_stats *fs)
{
    struct own_dump *own = ctx;
    struct own_flow flow;
    if (decode_flow(fs, &flow)) {
        own->no_memory |= own_flows_add(&own->flows, &flow) != 0;
        return;
    }
    struct ofpbuf *removal = encode_removal(&fs->match, fs->table_id, fs->priority, fs->cookie,
                                            protocol_of(own->bridge));
    ovs_list_push_back(&own->bridge->odd, &removal->list_node);
    own->bridge->n_odd++;
}

int
bundle_dump(struct bridge *bridge, struct own_flows *out, struct offload_err *err)
{
    struct ofputil_flow_stats_request what = {.cookie = htonll(FLOW_COOKIE),
                                              .cookie_mask = htonll(FLOW_COOKIE_MASK),
                                              .out_port = OFPP_ANY,
                                              .out_group = OFPG_ANY,
                                              .table_id = OFPTT_ALL};
    struct own_dump own = {.bridge = bridge};
    match_init_catchall(&what.match);
    ofpbuf_list_delete(&bridge->odd);
    ovs_list_init(&bridge->odd);
    bridge->n_odd = 0;
    int rc = dump(bridge, &what, on_own_flow, &own, err);
    if (!rc && own.no_memory)
        rc = offload_err_set(err, -ENOMEM, bridge->name, NULL, "out of memory");
    if (rc) {
        own_flows_fini(&own.flows);
        return rc;
    }
    own_flows_sort(&own.flows);
    *out = own.flows;
    return 0;
}

size_t
bundle_odd(const struct bridge *bridge)
{
    return bridge->n_odd;
}

// ---- flows of others

static void
on_foreign_flow(void *ctx, const struct ofputil_flow_stats *fs)
{
    struct own_dump *foreign = ctx;
    struct own_flow flow = {
        .table = fs->table_id, .priority = fs->priority, .cookie = ntohll(fs->cookie)};
    if ((flow.cookie & FLOW_COOKIE_MASK) != FLOW_COOKIE && decode_match(&fs->match, &flow))
        foreign->no_memory |= own_flows_add(&foreign->flows, &flow) != 0;
}

static int
compare_for_search(const void *a, const void *b)
{
    return own_flow_compare(a, b);
}

// The flows of others in table 0 that match what 'flow' matches, or more narrowly.
static int
dump_foreign(struct bridge *bridge, const struct own_flow *flow, struct own_dump *out,
             struct offload_err *err)
{
    struct ofputil_flow_stats_request what = {
        .out_port = OFPP_ANY, .out_group = OFPG_ANY, .table_id = FLOW_TABLE_ENTRY};
    encode_match(flow, &what.match);
    own_flows_fini(&out->flows);
    int rc = dump(bridge, &what, on_foreign_flow, out, err);
    if (!rc && out->no_memory)
        rc = offload_err_set(err, -ENOMEM, bridge->name, NULL, "out of memory");
    own_flows_sort(&out->flows);
    return rc;
}

static bool
is_entry(const struct flow_change *change)
{
    return !change->remove && change->flow->table == FLOW_TABLE_ENTRY;
}

// For few flows the switch is asked about each; for many, once for each port: the flows come sorted
// by port (own_flow_compare()).
int
bundle_check_foreign(struct bridge *bridge, const struct flow_change *changes, size_t n,
                     struct offload_err *err)
{
    struct own_dump foreign = {.bridge = bridge};
    uint32_t in_port = 0;
    size_t entries = 0;
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        entries += is_entry(&changes[i]);
    for (size_t i = 0; i < n && !rc; i++) {
        const struct own_flow *flow = changes[i].flow;
        struct own_flow port = {.in_port = flow->in_port, .vlan = -1, .proto = -1};
        if (!is_entry(&changes[i]))
            continue;
        if (entries <= ASK_EACH_MAX || flow->in_port != in_port)
            rc = dump_foreign(bridge, entries <= ASK_EACH_MAX ? flow : &port, &foreign, err);
        in_port = flow->in_port;
        if (!rc && foreign.flows.n &&
            bsearch(flow, foreign.flows.flows, foreign.flows.n, sizeof *flow, compare_for_search))
            rc = offload_err_set(
                err, -ENOSPC, bridge->name, "change 'priority' in flowd.json, or that flow's",
                "a flow of somebody else has our place: table 0, priority %u, in_port %u",
                (unsigned)flow->priority, (unsigned)flow->in_port);
    }
    own_flows_fini(&foreign.flows);
    return rc;
}
