// SPDX-License-Identifier: Apache-2.0
// The flows that the intents amount to (doc/flowd-api.md, "The flows"), and how two sets differ.
// intent -> [flows] -> bundle.  Pure: neither JSON nor OVS.
#include "ovs-integration/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ETH_IP = 0x0800,
    ETH_ARP = 0x0806,
    ETH_IPV6 = 0x86dd,
    PROTO_ICMP6 = 58,
    ND_FIRST = 133, // router solicitation and advertisement, neighbour's, RFC 4861
    ND_LAST = 136,
    FLOWS_PER_INTENT_MAX = 4096, // port ranges multiply: two bad ones make 900 flows a match
    FLOWS_MAX = 131072,          // of a bridge
    PAIRS_MAX = 64 << 20,        // compared in check_overlaps(): about 0.2 s
    RANGE_PARTS_MAX = 30,        // a range of 16-bit numbers is at most 2 * 15 prefixes
};

static const struct own_flow any_flow = {.vlan = -1, .proto = -1};

void
own_flows_fini(struct own_flows *set)
{
    free(set->flows);
    *set = (struct own_flows){.flows = NULL};
}

int
own_flows_add(struct own_flows *set, const struct own_flow *flow)
{
    if (set->n == set->size) {
        size_t size = set->size ? set->size * 2 : 64;
        struct own_flow *more = realloc(set->flows, size * sizeof *more);
        if (!more)
            return -ENOMEM;
        set->flows = more;
        set->size = size;
    }
    set->flows[set->n++] = *flow;
    return 0;
}

#define COMPARE_ADDR(FIELD)                                                                        \
    COMPARE(FIELD.hi);                                                                             \
    COMPARE(FIELD.lo)

#define COMPARE(FIELD)                                                                             \
    if (a->FIELD != b->FIELD)                                                                      \
    return a->FIELD < b->FIELD ? -1 : 1

// Orders flows by what of a packet they look at, the masks, before the values: see
// check_overlaps().
static int
compare_shape(const struct own_flow *a, const struct own_flow *b)
{
    COMPARE(table);
    COMPARE(in_port);
    COMPARE(priority);
    COMPARE(eth_type);
    COMPARE_ADDR(src_mask);
    COMPARE_ADDR(dst_mask);
    COMPARE(sport_mask);
    COMPARE(dport_mask);
    if ((a->proto < 0) != (b->proto < 0))
        return a->proto < 0 ? -1 : 1;
    if ((a->vlan < 0) != (b->vlan < 0))
        return a->vlan < 0 ? -1 : 1;
    return 0;
}

int
own_flow_compare(const struct own_flow *a, const struct own_flow *b)
{
    int order = compare_shape(a, b);
    if (order)
        return order;
    COMPARE(match_metadata);
    COMPARE_ADDR(src);
    COMPARE_ADDR(dst);
    COMPARE(sport);
    COMPARE(dport);
    COMPARE(proto);
    COMPARE(vlan);
    return 0;
}

#undef COMPARE_ADDR
#undef COMPARE

bool
own_flow_same_effect(const struct own_flow *a, const struct own_flow *b)
{
    if (a->action != b->action || a->cookie != b->cookie)
        return false;
    switch (a->action) {
    case FLOW_OUTPUT:
        return a->out_port == b->out_port;
    case FLOW_GOTO:
        return a->metadata == b->metadata && a->next_table == b->next_table;
    case FLOW_DROP:
    case FLOW_BACK:
    case FLOW_NORMAL:
        break;
    }
    return true;
}

// Among flows of one key the older intent's stands first, so that it is the newer that is refused.
static int
compare_flows(const void *a, const void *b)
{
    const struct own_flow *x = a, *y = b;
    int order = own_flow_compare(x, y);
    return order ? order : x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

void
own_flows_sort(struct own_flows *set)
{
    if (set->n)
        qsort(set->flows, set->n, sizeof *set->flows, compare_flows);
}

const struct port *
port_find(const struct port_table *table, const char *name)
{
    size_t low = 0, high = table->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(table->ports[middle].name, name);
        if (!order)
            return &table->ports[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

// 0: not there, or not opened.
static uint32_t
ofport_of(const struct port_table *ports, const char *name)
{
    const struct port *port = name[0] ? port_find(ports, name) : NULL;
    return port ? port->ofport : 0;
}

static bool
port_usable(const struct port_table *ports, const char *name)
{
    const struct port *port = port_find(ports, name);
    return port && port->ofport && port->up;
}

static bool
card_usable(const struct port_table *ports, const char *port, const char *port_out)
{
    return port_usable(ports, port) && (!port_out[0] || port_usable(ports, port_out));
}

bool
intent_card_up(const struct intent *intent, const struct port_table *ports)
{
    return card_usable(ports, intent->card_port, intent->card_port_out);
}

enum way { WAY_CARD, WAY_STANDBY, WAY_OPEN, WAY_CLOSED };

static enum way
way_of(const struct intent *intent, const struct port_table *ports)
{
    if (intent_card_up(intent, ports))
        return WAY_CARD;
    if (intent->standby_port[0] &&
        card_usable(ports, intent->standby_port, intent->standby_port_out))
        return WAY_STANDBY;
    return intent->on_card_down == CARD_DOWN_OPEN ? WAY_OPEN : WAY_CLOSED;
}

const char *
intent_way(const struct intent *intent, const struct port_table *ports)
{
    static const char *const names[] = {"card", "standby", "open", "closed"};
    return names[way_of(intent, ports)];
}

struct range_part {
    uint16_t value, mask;
};

// Cuts low..high into prefixes, as OpenFlow matches ports. Returns their number; all of 0..65535 is
// one with mask 0.
static unsigned
range_parts(uint16_t low, uint16_t high, struct range_part parts[RANGE_PARTS_MAX])
{
    unsigned n = 0;
    uint32_t at = low;
    while (at <= high) {
        uint32_t size = at ? at & -at : 1u << 16;
        while (at + size - 1 > high)
            size /= 2;
        parts[n++] = (struct range_part){(uint16_t)at, (uint16_t)-size};
        at += size;
    }
    return n;
}

// How many leading bits of a port the range fixes at least: the same for all its parts.
static unsigned
range_bits(uint16_t low, uint16_t high)
{
    unsigned bits = 16;
    for (uint32_t size = (uint32_t)high - low + 1; size > 1; size = (size + 1) / 2)
        bits--;
    return bits;
}

static unsigned
match_bits(const struct app_match *match)
{
    return addr_bits(&match->src.mask) + addr_bits(&match->dst.mask) + (match->proto >= 0 ? 8 : 0) +
           (match->vlan >= 0 ? 12 : 0) + range_bits(match->sport_low, match->sport_high) +
           range_bits(match->dport_low, match->dport_high);
}

// The flows of one intent in the making.
struct builder {
    struct own_flows *out;
    const struct port_table *ports;
    uint16_t priority;
    const struct intent *intent;
    size_t limit; // of flows in 'out'
};

static int
add_flow(struct builder *b, const struct own_flow *flow)
{
    return b->out->n < b->limit ? own_flows_add(b->out, flow) : -ENOSPC;
}

// Table 0: what comes in by 'in_port' and fits 'match' is the application's and goes on to
// 'next_table'.
static int
add_entry(struct builder *b, uint32_t in_port, const struct app_match *match, uint8_t next_table)
{
    struct range_part sports[RANGE_PARTS_MAX], dports[RANGE_PARTS_MAX];
    unsigned n_sports = range_parts(match->sport_low, match->sport_high, sports);
    unsigned n_dports = range_parts(match->dport_low, match->dport_high, dports);
    struct own_flow flow = any_flow;
    flow.table = FLOW_TABLE_ENTRY;
    flow.priority = (uint16_t)(b->priority + match_bits(match));
    flow.in_port = in_port;
    flow.eth_type = match->ipv6 ? ETH_IPV6 : ETH_IP;
    flow.vlan = (int16_t)match->vlan;
    flow.proto = (int16_t)match->proto;
    flow.src = match->src.addr;
    flow.src_mask = match->src.mask;
    flow.dst = match->dst.addr;
    flow.dst_mask = match->dst.mask;
    flow.action = FLOW_GOTO;
    flow.next_table = next_table;
    flow.metadata = b->intent->id;
    flow.cookie = FLOW_COOKIE | b->intent->id;
    for (unsigned i = 0; i < n_sports; i++)
        for (unsigned j = 0; j < n_dports; j++) {
            flow.sport = sports[i].value;
            flow.sport_mask = sports[i].mask;
            flow.dport = dports[j].value;
            flow.dport_mask = dports[j].mask;
            int rc = add_flow(b, &flow);
            if (rc)
                return rc;
        }
    return 0;
}

enum direction { TO_SERVER, TO_CLIENT };
enum side { INSIDE, OUTSIDE };

// One match of the intent, as packets look on that side of the card in that direction; on the
// outside return address 'r' stands in the client's place, with a port of the card's choosing.
static struct app_match
match_seen(const struct intent *intent, size_t i, size_t r, enum side side,
           enum direction direction)
{
    struct app_match match = intent->matches[i];
    if (side == OUTSIDE && intent->n_returns) {
        match.src = intent->returns[r];
        match.sport_low = 0;
        match.sport_high = UINT16_MAX;
    }
    return direction == TO_SERVER ? match : app_match_swapped(&match);
}

static int
add_entries(struct builder *b, const char *port, enum side side, enum direction direction,
            uint8_t next_table)
{
    const struct intent *intent = b->intent;
    uint32_t in_port = ofport_of(b->ports, port);
    size_t variants = side == OUTSIDE && intent->n_returns ? intent->n_returns : 1;
    if (!in_port)
        return 0;
    for (size_t i = 0; i < intent->n_matches; i++)
        for (size_t r = 0; r < variants; r++) {
            if (side == OUTSIDE && intent->n_returns &&
                intent->returns[r].ipv6 != intent->matches[i].ipv6)
                continue;
            struct app_match match = match_seen(intent, i, r, side, direction);
            int rc = add_entry(b, in_port, &match, next_table);
            if (rc)
                return rc;
        }
    return 0;
}

// A flow of table 0 that intents share: about a port as a whole.
static int
add_shared(struct builder *b, const char *port, uint16_t priority, uint16_t eth_type,
           enum flow_action action)
{
    struct own_flow flow = any_flow;
    flow.table = FLOW_TABLE_ENTRY;
    flow.priority = priority;
    flow.in_port = ofport_of(b->ports, port);
    flow.eth_type = eth_type;
    flow.action = action;
    flow.cookie = FLOW_COOKIE;
    return flow.in_port ? add_flow(b, &flow) : 0;
}

static bool
has_ipv6(const struct intent *intent)
{
    for (size_t i = 0; i < intent->n_matches; i++)
        if (intent->matches[i].ipv6)
            return true;
    return false;
}

// Neighbour discovery is IPv6's ARP: no match of all IPv6 may take it for an application's.
static int
add_discovery(struct builder *b, const char *port, enum flow_action action)
{
    struct own_flow flow = any_flow;
    int rc = 0;
    flow.table = FLOW_TABLE_ENTRY;
    flow.priority = (uint16_t)(b->priority + FLOW_PRIORITY_BITS_MAX);
    flow.in_port = ofport_of(b->ports, port);
    flow.eth_type = ETH_IPV6;
    flow.proto = PROTO_ICMP6;
    flow.sport_mask = UINT16_MAX;
    flow.action = action;
    flow.cookie = FLOW_COOKIE;
    for (flow.sport = ND_FIRST; flow.sport <= ND_LAST && flow.in_port && !rc; flow.sport++)
        rc = add_flow(b, &flow);
    return rc;
}

// What a card's ports send: each packet to the client or the server, nothing else anywhere.
static int
add_card_exits(struct builder *b, const char *card_port, const char *card_port_out)
{
    const char *outside = card_port_out[0] ? card_port_out : card_port;
    int rc = add_entries(b, card_port, INSIDE, TO_CLIENT, FLOW_TABLE_TO_CLIENT);
    if (!rc)
        rc = add_entries(b, outside, OUTSIDE, TO_SERVER, FLOW_TABLE_TO_SERVER);
    if (!rc)
        rc = add_shared(b, card_port, (uint16_t)(b->priority - 1), 0, FLOW_DROP);
    if (!rc && outside != card_port)
        rc = add_shared(b, outside, (uint16_t)(b->priority - 1), 0, FLOW_DROP);
    if (!rc && has_ipv6(b->intent))
        rc = add_discovery(b, card_port, FLOW_DROP);
    if (!rc && has_ipv6(b->intent) && outside != card_port)
        rc = add_discovery(b, outside, FLOW_DROP);
    return rc;
}

// A steering table's one flow for the application: to 'port', or nowhere if that is missing.
// 'came_by' is the port by which packets in this table have come in: OVS sends nothing back unless
// told so.
static int
add_steer(struct builder *b, uint8_t table, const char *port, const char *came_by)
{
    struct own_flow flow = any_flow;
    flow.table = table;
    flow.priority = FLOW_PRIORITY_STEER;
    flow.match_metadata = b->intent->id;
    flow.cookie = FLOW_COOKIE | b->intent->id;
    flow.out_port = port ? ofport_of(b->ports, port) : 0;
    flow.action = !flow.out_port ? FLOW_DROP : strcmp(port, came_by) ? FLOW_OUTPUT : FLOW_BACK;
    if (flow.action != FLOW_OUTPUT)
        flow.out_port = 0;
    return add_flow(b, &flow);
}

static const char *
outside_of(const char *port, const char *port_out)
{
    return port_out[0] ? port_out : port;
}

static int
add_steers(struct builder *b)
{
    const struct intent *i = b->intent;
    const char *outside = outside_of(i->card_port, i->card_port_out);
    const char *standby_outside = outside_of(i->standby_port, i->standby_port_out);
    enum way way = way_of(i, b->ports);
    const char *const to_inside[] = {i->card_port, i->standby_port, i->out_port, NULL};
    const char *const to_outside[] = {outside, standby_outside, i->in_port, NULL};
    int rc = add_steer(b, FLOW_TABLE_TO_INSIDE, to_inside[way], i->in_port);
    if (!rc)
        rc = add_steer(b, FLOW_TABLE_TO_OUTSIDE, to_outside[way], i->out_port);
    if (!rc)
        rc = add_steer(b, FLOW_TABLE_TO_CLIENT, i->in_port, i->card_port);
    if (!rc)
        rc = add_steer(b, FLOW_TABLE_TO_SERVER, i->out_port, outside);
    return rc;
}

static int
add_intent(struct builder *b)
{
    const struct intent *i = b->intent;
    int rc = add_entries(b, i->in_port, INSIDE, TO_SERVER, FLOW_TABLE_TO_INSIDE);
    if (!rc)
        rc = add_entries(b, i->out_port, OUTSIDE, TO_CLIENT, FLOW_TABLE_TO_OUTSIDE);
    if (!rc)
        rc = add_card_exits(b, i->card_port, i->card_port_out);
    if (!rc && i->old_card_port[0])
        rc = add_card_exits(b, i->old_card_port, i->old_card_port_out);
    if (!rc && i->standby_port[0])
        rc = add_card_exits(b, i->standby_port, i->standby_port_out);
    if (!rc)
        rc = add_shared(b, i->in_port, FLOW_PRIORITY_ARP, ETH_ARP, FLOW_NORMAL);
    if (!rc)
        rc = add_shared(b, i->out_port, FLOW_PRIORITY_ARP, ETH_ARP, FLOW_NORMAL);
    if (!rc && has_ipv6(i))
        rc = add_discovery(b, i->in_port, FLOW_NORMAL);
    if (!rc && has_ipv6(i))
        rc = add_discovery(b, i->out_port, FLOW_NORMAL);
    return rc ? rc : add_steers(b);
}

static const char *
app_of(const struct intent_set *intents, const struct own_flow *flow)
{
    const struct intent *intent =
        intent_set_find_id(intents, (uint32_t)(flow->cookie & ~FLOW_COOKIE_MASK));
    return intent ? intent->app : "?";
}

static int
refuse_pair(const struct own_flow *older, const struct own_flow *newer,
            const struct intent_set *intents, const struct port_table *ports,
            struct offload_err *err)
{
    const char *name = "?";
    for (size_t p = 0; p < ports->n; p++)
        if (ports->ports[p].ofport == newer->in_port)
            name = ports->ports[p].name;
    return offload_err_set(err, -ENOSPC, app_of(intents, newer),
                           "give them matches that differ, or ports of their own",
                           "at port '%s' its packets cannot be told from those of app '%s'", name,
                           app_of(intents, older));
}

// Drops doubles of a sorted set. Flows of one key that do different things are -ENOSPC.
static int
merge_doubles(struct own_flows *set, const struct intent_set *intents,
              const struct port_table *ports, struct offload_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->n; i++) {
        struct own_flow *flow = &set->flows[i], *last = kept ? &set->flows[kept - 1] : NULL;
        if (!last || own_flow_compare(last, flow))
            set->flows[kept++] = *flow;
        else if (!own_flow_same_effect(last, flow))
            return refuse_pair(last, flow, intents, ports, err);
    }
    set->n = kept;
    return 0;
}

static bool
overlap(const struct own_flow *a, const struct own_flow *b)
{
    return a->eth_type == b->eth_type &&
           addr_overlaps(&a->src, &a->src_mask, &b->src, &b->src_mask) &&
           addr_overlaps(&a->dst, &a->dst_mask, &b->dst, &b->dst_mask) &&
           !((a->sport ^ b->sport) & a->sport_mask & b->sport_mask) &&
           !((a->dport ^ b->dport) & a->dport_mask & b->dport_mask) &&
           (a->proto < 0 || b->proto < 0 || a->proto == b->proto) &&
           (a->vlan < 0 || b->vlan < 0 || a->vlan == b->vlan);
}

// Where two flows of one priority both fit a packet, OpenFlow does not say which acts: two
// applications whose matches do so are -ENOSPC. Flows of one shape (the same masks) overlap only if
// they are equal, which merge_doubles() has seen to, so only different shapes are compared: there
// are few.
static int
check_overlaps(const struct own_flows *set, const struct intent_set *intents,
               const struct port_table *ports, struct offload_err *err)
{
    size_t end = 0, pairs = 0;
    for (size_t i = 0; i < set->n && set->flows[i].table == FLOW_TABLE_ENTRY; i++) {
        const struct own_flow *a = &set->flows[i];
        while (end < set->n && (end <= i || !compare_shape(a, &set->flows[end])))
            end++; // the first of the next shape
        for (size_t j = end; j < set->n; j++) {
            const struct own_flow *b = &set->flows[j];
            if (b->table != a->table || b->in_port != a->in_port || b->priority != a->priority)
                break;
            if (++pairs > PAIRS_MAX)
                return offload_err_set(err, -ENOSPC, app_of(intents, a),
                                       "use ports of their own, or prefixes of one length",
                                       "too many matches of different form at one port");
            if (a->action == FLOW_GOTO && b->action == FLOW_GOTO && a->cookie != b->cookie &&
                overlap(a, b))
                return a->cookie < b->cookie ? refuse_pair(a, b, intents, ports, err)
                                             : refuse_pair(b, a, intents, ports, err);
        }
    }
    return 0;
}

int
own_flows_desired(const struct intent_set *intents, const char *bridge,
                  const struct port_table *ports, uint16_t priority, struct own_flows *out,
                  struct offload_err *err)
{
    struct own_flows set = {.flows = NULL};
    int rc = 0;
    for (size_t i = 0; i < intents->n && !rc; i++) {
        size_t limit = set.n + FLOWS_PER_INTENT_MAX;
        struct builder b = {&set, ports, priority, intents->intents[i],
                            limit < FLOWS_MAX ? limit : FLOWS_MAX};
        if (strcmp(b.intent->bridge, bridge))
            continue;
        rc = add_intent(&b);
        if (rc == -ENOSPC && set.n == FLOWS_MAX)
            offload_err_set(err, rc, b.intent->app, "use fewer matches, or shorter lists of ports",
                            "all intents together make more than %d flows", FLOWS_MAX);
        else if (rc == -ENOSPC)
            offload_err_set(err, rc, b.intent->app,
                            "use port ranges whose size and start are powers of two",
                            "its match makes more than %d flows", FLOWS_PER_INTENT_MAX);
        else if (rc)
            offload_err_set(err, rc, b.intent->app, NULL, "out of memory");
    }
    if (!rc) {
        own_flows_sort(&set);
        rc = merge_doubles(&set, intents, ports, err);
    }
    if (!rc)
        rc = check_overlaps(&set, intents, ports, err);
    if (rc) {
        own_flows_fini(&set);
        return rc;
    }
    *out = set;
    return 0;
}

// Walks both sorted sets; 'changes' NULL only counts. Two passes keep removals in front.
static size_t
diff_pass(const struct own_flows *have, const struct own_flows *want, bool removals,
          struct flow_change *changes)
{
    size_t h = 0, w = 0, n = 0;
    while (h < have->n || w < want->n) {
        int order = h == have->n   ? 1
                    : w == want->n ? -1
                                   : own_flow_compare(&have->flows[h], &want->flows[w]);
        const struct own_flow *flow = NULL;
        if (order < 0)
            flow = removals ? &have->flows[h] : NULL;
        else if (order > 0 || !own_flow_same_effect(&have->flows[h], &want->flows[w]))
            flow = removals ? NULL : &want->flows[w];
        if (flow && changes)
            changes[n] = (struct flow_change){removals, flow};
        n += flow != NULL;
        h += order <= 0;
        w += order >= 0;
    }
    return n;
}

long
own_flows_diff(const struct own_flows *have, const struct own_flows *want,
               struct flow_change **changes)
{
    size_t removals = diff_pass(have, want, true, NULL), adds = diff_pass(have, want, false, NULL);
    *changes = NULL;
    if (!(removals + adds))
        return 0;
    *changes = malloc((removals + adds) * sizeof **changes);
    if (!*changes)
        return -ENOMEM;
    diff_pass(have, want, true, *changes);
    diff_pass(have, want, false, *changes + removals);
    return (long)(removals + adds);
}
