// SPDX-License-Identifier: Apache-2.0
// The flows that intents amount to, judged by what becomes of packets: an interpreter of a few
// lines walks each packet through the tables as the switch would.
#include "tests/unit/unit.h"

#include "ovs-integration/flows.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W1 = 1, W2, W3, C0IN, C0OUT, C1IN, C1OUT };
enum { NOWHERE = 0, OPERATOR = -1, SWITCHED = -2, BACK = -3 };
enum { PRIORITY = 40000, IP = 0x0800, ARP = 0x0806, IPV6 = 0x86dd, TCP = 6, UDP = 17 };

static struct port port_rows[] = {
    {"c0in", C0IN, true}, {"c0out", C0OUT, true}, {"c1in", C1IN, true}, {"c1out", C1OUT, true},
    {"w1", W1, true},     {"w2", W2, true},       {"w3", W3, true},
};
static struct port_table ports = {port_rows, 7};

struct packet {
    uint32_t in_port;
    uint16_t eth_type;
    uint64_t src, dst;       // the lower halves
    uint64_t src_hi, dst_hi; // of IPv6 addresses
    int proto;
    uint16_t sport, dport;
};

static bool
fits(const struct own_flow *f, const struct packet *p, uint8_t table, uint64_t metadata)
{
    return f->table == table && (!f->in_port || f->in_port == p->in_port) &&
           (!f->match_metadata || f->match_metadata == metadata) &&
           (!f->eth_type || f->eth_type == p->eth_type) && (f->proto < 0 || f->proto == p->proto) &&
           f->src.hi == (p->src_hi & f->src_mask.hi) && f->src.lo == (p->src & f->src_mask.lo) &&
           f->dst.hi == (p->dst_hi & f->dst_mask.hi) && f->dst.lo == (p->dst & f->dst_mask.lo) &&
           f->sport == (p->sport & f->sport_mask) && f->dport == (p->dport & f->dport_mask);
}

// The port by which the packet leaves, or one of the words above. Two flows of one priority that
// both fit are a mistake: OpenFlow says nothing about which of them acts.
static int
walk(const struct own_flows *flows, struct packet packet)
{
    uint8_t table = 0;
    uint64_t metadata = 0;
    for (int hops = 0; hops < 4; hops++) {
        const struct own_flow *best = NULL;
        for (size_t i = 0; i < flows->n; i++) {
            const struct own_flow *f = &flows->flows[i];
            if (!fits(f, &packet, table, metadata))
                continue;
            if (best && best->priority == f->priority)
                assert_true(own_flow_same_effect(best, f));
            if (!best || f->priority > best->priority)
                best = f;
        }
        if (!best)
            return table ? NOWHERE : OPERATOR;
        if (best->action == FLOW_GOTO) {
            table = best->next_table;
            metadata = best->metadata;
            continue;
        }
        return best->action == FLOW_OUTPUT   ? (int)best->out_port
               : best->action == FLOW_NORMAL ? SWITCHED
               : best->action == FLOW_BACK   ? BACK
                                             : NOWHERE;
    }
    fail();
    return NOWHERE;
}

static void
put(struct intent_set *set, uint32_t id, const char *text)
{
    struct intent intent;
    struct offload_err err;
    struct json_object *object = json_tokener_parse(text);
    int rc = intent_read(object, "", &intent, &err);
    if (rc)
        fail_msg("%s: %s", err.where, err.text);
    json_object_put(object);
    intent.id = id;
    strcpy(intent.bridge, "br0");
    assert_int_equal(intent_set_put(set, &intent), 0);
}

static struct own_flows
flows_of(const struct intent_set *set)
{
    struct own_flows flows;
    struct offload_err err;
    int rc = own_flows_desired(set, "br0", &ports, PRIORITY, &flows, &err);
    if (rc)
        fail_msg("%s: %s", err.where, err.text);
    return flows;
}

static const char dns[] = "{\"app\":\"dns\",\"match\":[{\"proto\":\"udp\",\"dport\":53}],\"in_"
                          "port\":\"w1\",\"out_port\":\"w2\","
                          "\"card_port\":\"c0in\",\"card_port_out\":\"c0out\"}";
static const char web[] = "{\"app\":\"web\",\"match\":[{\"proto\":\"tcp\",\"dport\":80}],\"in_"
                          "port\":\"w3\",\"out_port\":\"w2\","
                          "\"card_port\":\"c0in\",\"card_port_out\":\"c0out\"}";

static const struct packet query = {
    .eth_type = IP, .src = 0x0a090001, .dst = 0x0a090101, .proto = UDP, .sport = 5000, .dport = 53};
static const struct packet reply = {
    .eth_type = IP, .src = 0x0a090101, .dst = 0x0a090001, .proto = UDP, .sport = 53, .dport = 5000};
static const struct packet get = {
    .eth_type = IP, .src = 0x0a090002, .dst = 0x0a090101, .proto = TCP, .sport = 6000, .dport = 80};
static const struct packet page = {
    .eth_type = IP, .src = 0x0a090101, .dst = 0x0a090002, .proto = TCP, .sport = 80, .dport = 6000};

static struct packet
at(struct packet packet, uint32_t in_port)
{
    packet.in_port = in_port;
    return packet;
}

static void
packets_go_through_the_card_both_ways(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), C0IN);
    assert_int_equal(walk(&f, at(query, C0OUT)), W2);
    assert_int_equal(walk(&f, at(reply, W2)), C0OUT);
    assert_int_equal(walk(&f, at(reply, C0IN)), W1);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

// Two applications share the server's port and the card; their clients sit on different ports.
static void
return_traffic_finds_its_own_client(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    put(&set, 2, web);
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(reply, C0IN)), W1);
    assert_int_equal(walk(&f, at(page, C0IN)), W3);
    assert_int_equal(walk(&f, at(page, W2)), C0OUT);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

static void
what_is_no_applications_is_left_to_the_operator(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(get, W1)), OPERATOR);
    assert_int_equal(walk(&f, at(page, W2)), OPERATOR);
    assert_int_equal(walk(&f, at(query, W3)), OPERATOR);
    assert_int_equal(walk(&f, (struct packet){.in_port = W1, .eth_type = ARP}), SWITCHED);
    assert_int_equal(walk(&f, (struct packet){.in_port = W2, .eth_type = ARP}), SWITCHED);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

// A card that passes on broadcasts would close a loop through the switch.
static void
what_a_card_sends_unasked_goes_nowhere(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(get, C0IN)), NOWHERE);
    assert_int_equal(walk(&f, at(get, C0OUT)), NOWHERE);
    assert_int_equal(walk(&f, (struct packet){.in_port = C0OUT, .eth_type = ARP}), NOWHERE);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

// Behind a NAT the client's address and port are the card's choice; the server's stay.
static void
translated_traffic_is_known_by_the_cards_address(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1,
        "{\"app\":\"nat\",\"match\":[{\"src\":\"10.9.0.1\",\"proto\":\"udp\",\"sport\":5000,"
        "\"dport\":53}],\"in_port\":\"w1\","
        "\"out_port\":\"w2\",\"card_port\":\"c0in\",\"card_port_out\":\"c0out\",\"return_dst\":["
        "\"192.0.2.1\"]}");
    struct own_flows f = flows_of(&set);
    struct packet out = query, back = reply;
    out.src = back.dst = 0xc0000201;
    out.sport = back.dport = 40001;
    assert_int_equal(walk(&f, at(query, W1)), C0IN);
    assert_int_equal(walk(&f, at(out, C0OUT)), W2);
    assert_int_equal(walk(&f, at(back, W2)), C0OUT);
    assert_int_equal(walk(&f, at(reply, C0IN)), W1);
    assert_int_equal(walk(&f, at(query, C0OUT)), NOWHERE); // untranslated: a leak
    assert_int_equal(walk(&f, at(reply, W2)), OPERATOR);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

static void
one_card_port_serves_both_directions(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1,
        "{\"app\":\"a\",\"match\":[{\"dst\":\"10.9.1.0/24\",\"src\":\"10.9.0.0/"
        "24\"}],\"in_port\":\"w1\",\"out_port\":\"w2\","
        "\"card_port\":\"c0in\"}");
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), C0IN);
    assert_int_equal(walk(&f, at(query, C0IN)), W2);
    assert_int_equal(walk(&f, at(reply, W2)), C0IN);
    assert_int_equal(walk(&f, at(reply, C0IN)), W1);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

static void
longer_match_wins(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1,
        "{\"app\":\"all\",\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_port\":\"c1in\",\"card_"
        "port_out\":\"c1out\"}");
    put(&set, 2, dns);
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), C0IN);
    assert_int_equal(walk(&f, at(reply, W2)), C0OUT);
    assert_int_equal(walk(&f, at(get, W1)), C1IN);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

static void
applications_that_look_alike_are_refused_by_name(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    struct own_flows f;
    struct offload_err err;
    put(&set, 1, dns);
    put(&set, 2,
        "{\"app\":\"dns2\",\"match\":[{\"proto\":\"udp\",\"dport\":53}],\"in_port\":\"w3\",\"out_"
        "port\":\"w2\","
        "\"card_port\":\"c1in\",\"card_port_out\":\"c1out\"}");
    assert_int_equal(own_flows_desired(&set, "br0", &ports, PRIORITY, &f, &err), -ENOSPC);
    assert_true(strstr(err.where, "dns") != NULL);
    assert_true(strstr(err.text, "dns") != NULL);
    assert_true(strstr(err.text, "w2") != NULL);
    intent_set_fini(&set);
}

// Equally long and overlapping: OpenFlow would leave it to chance who gets the packets that fit
// both.
static void
matches_that_cross_are_refused(UNUSED void **state)
{
    static const struct {
        const char *one, *other;
        int rc;
    } rows[] = {
        {"\"src\":\"10.0.0.0/8\"", "\"dst\":\"10.0.0.0/8\"", -ENOSPC},
        {"\"proto\":\"udp\"", "\"dst\":\"10.0.0.0/8\"", -ENOSPC},
        {"\"proto\":\"udp\",\"dport\":\"100-199\"", "\"proto\":\"udp\",\"dport\":\"150-249\"",
         -ENOSPC},
        {"\"proto\":\"udp\",\"dport\":\"100-199\"", "\"proto\":\"udp\",\"dport\":\"200-299\"", 0},
        {"\"proto\":\"udp\",\"dport\":\"100-199\"", "\"proto\":\"tcp\",\"dport\":\"150-249\"", 0},
        {"\"src\":\"10.0.0.0/8\"", "\"dst\":\"10.0.0.0/9\"", 0},
        {"\"src\":\"10.0.0.0/9\"", "\"src\":\"10.128.0.0/9\"", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const char form[] =
            "{\"app\":\"%s\",\"match\":[{%s}],\"in_port\":\"w1\",\"out_port\":"
            "\"%s\",\"card_port\":\"c%din\",\"card_port_out\":\"c%dout\"}";
        char text[320];
        struct intent_set set = {.n = 0};
        struct own_flows f = {.n = 0};
        snprintf(text, sizeof text, form, "one", rows[i].one, "w2", 0, 0);
        put(&set, 1, text);
        snprintf(text, sizeof text, form, "two", rows[i].other, "w3", 1, 1);
        put(&set, 2, text);
        assert_int_equal(own_flows_desired(&set, "br0", &ports, PRIORITY, &f, NULL), rows[i].rc);
        own_flows_fini(&f);
        intent_set_fini(&set);
    }
}

static void
card_down_drops_or_bypasses_as_told(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    for (int down = CARD_DOWN_CLOSED; down <= CARD_DOWN_MOVE; down++)
        for (int way = 0; way < 3; way++) { // link down, no OpenFlow number, gone
            struct port saved = port_rows[1];
            intent_set_find(&set, "dns")->on_card_down = (enum card_down)down;
            if (way == 0)
                port_rows[1].up = false;
            else if (way == 1)
                port_rows[1].ofport = 0;
            else
                strcpy(port_rows[1].name, "c0ouu");
            assert_false(intent_card_up(set.intents[0], &ports));
            struct own_flows f = flows_of(&set);
            assert_int_equal(walk(&f, at(query, W1)), down == CARD_DOWN_OPEN ? W2 : NOWHERE);
            assert_int_equal(walk(&f, at(reply, W2)), down == CARD_DOWN_OPEN ? W1 : NOWHERE);
            own_flows_fini(&f);
            port_rows[1] = saved;
        }
    intent_set_fini(&set);
}

// Both directions on one trunk: the switch must be told to send a packet back where it came from.
static void
bypass_on_one_trunk_sends_back(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1,
        "{\"app\":\"a\",\"match\":[{\"dst\":\"10.9.1.0/24\",\"src\":\"10.9.0.0/"
        "24\"}],\"in_port\":\"w1\",\"out_port\":\"w1\","
        "\"card_port\":\"c0in\",\"card_port_out\":\"c0out\",\"on_card_down\":\"open\"}");
    port_rows[0].up = false;
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), BACK);
    assert_int_equal(walk(&f, at(reply, W1)), BACK);
    port_rows[0].up = true;
    own_flows_fini(&f);
    intent_set_fini(&set);
}

// What the card still held when the switch was swapped must get out.
static void
old_card_keeps_its_way_out_after_a_swap(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    struct own_flows before = flows_of(&set), after;
    struct flow_change *changes;
    struct intent *intent = set.intents[0];
    strcpy(intent->old_card_port, "c0in");
    strcpy(intent->old_card_port_out, "c0out");
    strcpy(intent->card_port, "c1in");
    strcpy(intent->card_port_out, "c1out");
    after = flows_of(&set);
    assert_int_equal(walk(&after, at(query, W1)), C1IN);
    assert_int_equal(walk(&after, at(reply, W2)), C1OUT);
    assert_int_equal(walk(&after, at(query, C1OUT)), W2);
    assert_int_equal(walk(&after, at(query, C0OUT)), W2);
    assert_int_equal(walk(&after, at(reply, C0IN)), W1);
    long n = own_flows_diff(&before, &after, &changes);
    assert_int_equal(n, 6); // two steering flows change, the new card's two ports get two each
    for (long i = 0; i < n; i++)
        assert_false(changes[i].remove);
    free(changes);
    own_flows_fini(&before);
    own_flows_fini(&after);
    intent_set_fini(&set);
}

// Every port of every range, against the plain comparison.
static void
range_matches_its_ports_and_no_other(UNUSED void **state)
{
    static const unsigned ranges[][2] = {{0, 65535}, {0, 0},         {65535, 65535},
                                         {1, 65534}, {1000, 1999},   {1023, 1025},
                                         {0, 1},     {32767, 32768}, {65534, 65535}};
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        char text[320];
        struct intent_set set = {.n = 0};
        snprintf(
            text, sizeof text,
            "{\"app\":\"a\",\"match\":[{\"proto\":\"udp\",\"dport\":\"%u-%u\"}],\"in_port\":\"w1\","
            "\"out_port\":\"w2\",\"card_port\":\"c0in\",\"card_port_out\":\"c0out\"}",
            ranges[r][0], ranges[r][1]);
        put(&set, 1, text);
        struct own_flows f = flows_of(&set);
        for (unsigned p = 0; p <= 65535; p++) {
            unsigned hits = 0;
            for (size_t i = 0; i < f.n; i++)
                hits += f.flows[i].table == 0 && f.flows[i].in_port == W1 &&
                        f.flows[i].eth_type == IP &&
                        f.flows[i].dport == (p & f.flows[i].dport_mask);
            assert_int_equal(hits, p >= ranges[r][0] && p <= ranges[r][1]);
        }
        own_flows_fini(&f);
        intent_set_fini(&set);
    }
}

// Ranges multiply; what would fill the switch is refused before it fills our memory.
static void
too_many_flows_are_refused(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    struct own_flows f;
    struct offload_err err;
    put(&set, 1,
        "{\"app\":\"a\",\"match\":[{\"proto\":\"udp\",\"dport\":\"1-65534\",\"sport\":\"1-65534\"},"
        "{\"proto\":\"tcp\",\"dport\":\"1-65534\",\"sport\":\"1-65534\"}],\"in_port\":\"w1\",\"out_"
        "port\":\"w2\","
        "\"card_port\":\"c0in\",\"card_port_out\":\"c0out\"}");
    assert_int_equal(own_flows_desired(&set, "br0", &ports, PRIORITY, &f, &err), -ENOSPC);
    assert_string_equal(err.where, "a");
    intent_set_fini(&set);
}

static void
other_bridges_get_none(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    struct own_flows f;
    put(&set, 1, dns);
    assert_int_equal(own_flows_desired(&set, "br1", &ports, PRIORITY, &f, NULL), 0);
    assert_int_equal(f.n, 0);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

// Random pairs of sets: the changes, done to the one, must give the other.
static void
diff_leads_from_one_set_to_the_other(UNUSED void **state)
{
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        struct own_flows sets[2] = {{.n = 0}, {.n = 0}};
        struct flow_change *changes;
        for (int s = 0; s < 2; s++)
            for (uint16_t key = 1; key < 20; key++) {
                seed = seed * 1664525 + 1013904223;
                struct own_flow flow = {.priority = key,
                                        .vlan = -1,
                                        .proto = -1,
                                        .action = FLOW_OUTPUT,
                                        .out_port = (seed >> 20) % 3,
                                        .cookie = FLOW_COOKIE};
                if (seed >> 31)
                    assert_int_equal(own_flows_add(&sets[s], &flow), 0);
            }
        long n = own_flows_diff(&sets[0], &sets[1], &changes);
        int result[20] = {0}, wanted[20] = {0};
        bool added = false;
        for (size_t i = 0; i < sets[0].n; i++)
            result[sets[0].flows[i].priority] = 1 + (int)sets[0].flows[i].out_port;
        for (size_t i = 0; i < sets[1].n; i++)
            wanted[sets[1].flows[i].priority] = 1 + (int)sets[1].flows[i].out_port;
        for (long i = 0; i < n; i++) {
            assert_false(changes[i].remove && added);
            added |= !changes[i].remove;
            int *slot = &result[changes[i].flow->priority],
                now = changes[i].remove ? 0 : 1 + (int)changes[i].flow->out_port;
            assert_int_not_equal(*slot, now);
            *slot = now;
        }
        assert_memory_equal(result, wanted, sizeof result);
        free(changes);
        own_flows_fini(&sets[0]);
        own_flows_fini(&sets[1]);
    }
}

static const char six[] =
    "{\"app\":\"six\",\"match\":[{\"dst\":\"2001:db8:1::/48\",\"proto\":\"udp\",\"dport\":53}],"
    "\"in_port\":\"w1\",\"out_port\":\"w2\",\"card_port\":\"c0in\",\"card_port_out\":\"c0out\"}";
static const char all_six[] =
    "{\"app\":\"all6\",\"match\":[{\"src\":\"::/0\"}],\"in_port\":\"w1\",\"out_port\":\"w2\","
    "\"card_port\":\"c0in\",\"card_port_out\":\"c0out\"}";
static const struct packet query6 = {.eth_type = IPV6,
                                     .src = 1,
                                     .src_hi = 0x20010db800020000,
                                     .dst = 1,
                                     .dst_hi = 0x20010db800010000,
                                     .proto = UDP,
                                     .sport = 5000,
                                     .dport = 53};

static struct packet
back_of(struct packet p)
{
    return (struct packet){.eth_type = p.eth_type,
                           .src = p.dst,
                           .src_hi = p.dst_hi,
                           .dst = p.src,
                           .dst_hi = p.src_hi,
                           .proto = p.proto,
                           .sport = p.dport,
                           .dport = p.sport};
}

// The upper half of an address counts as much as the lower, and IPv4 never is IPv6.
static void
ipv6_goes_through_the_card_both_ways(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, six);
    struct own_flows f = flows_of(&set);
    struct packet other = query6;
    other.dst_hi = 0x20010db800030000;
    assert_int_equal(walk(&f, at(query6, W1)), C0IN);
    assert_int_equal(walk(&f, at(query6, C0OUT)), W2);
    assert_int_equal(walk(&f, at(back_of(query6), W2)), C0OUT);
    assert_int_equal(walk(&f, at(back_of(query6), C0IN)), W1);
    assert_int_equal(walk(&f, at(other, W1)), OPERATOR);
    assert_int_equal(walk(&f, at(query, W1)), OPERATOR);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

// Without it nobody finds anybody; through a card that passes it on it would go round for ever.
static void
neighbour_discovery_is_switched_and_stays_off_cards(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, all_six);
    struct own_flows f = flows_of(&set);
    struct packet who = {.eth_type = IPV6, .proto = 58, .sport = 135}; // the type stands there
    struct packet ping = {.eth_type = IPV6, .proto = 58, .sport = 128};
    assert_int_equal(walk(&f, at(who, W1)), SWITCHED);
    assert_int_equal(walk(&f, at(who, W2)), SWITCHED);
    assert_int_equal(walk(&f, at(who, C0IN)), NOWHERE);
    assert_int_equal(walk(&f, at(who, C0OUT)), NOWHERE);
    assert_int_equal(walk(&f, at(ping, W1)), C0IN);
    assert_int_equal(walk(&f, at(ping, C0OUT)), W2);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

static void
ipv4_and_ipv6_applications_do_not_cross(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1, dns);
    put(&set, 2, six);
    put(&set, 3, all_six);
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), C0IN);
    assert_int_equal(walk(&f, at(query6, W1)), C0IN);
    own_flows_fini(&f);
    intent_set_fini(&set);
}

static void
standby_card_takes_over_while_the_card_is_down(UNUSED void **state)
{
    struct intent_set set = {.n = 0};
    put(&set, 1,
        "{\"app\":\"dns\",\"match\":[{\"proto\":\"udp\",\"dport\":53}],\"in_port\":\"w1\","
        "\"out_port\":\"w2\",\"card_port\":\"c0in\",\"card_port_out\":\"c0out\","
        "\"on_card_down\":\"move\",\"standby_port\":\"c1in\",\"standby_port_out\":\"c1out\"}");
    struct own_flows f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), C0IN);
    assert_int_equal(walk(&f, at(query, C1OUT)), W2);
    own_flows_fini(&f);
    port_rows[0].up = false;
    f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), C1IN);
    assert_int_equal(walk(&f, at(query, C1OUT)), W2);
    assert_int_equal(walk(&f, at(reply, W2)), C1OUT);
    assert_int_equal(walk(&f, at(reply, C1IN)), W1);
    own_flows_fini(&f);
    port_rows[2].up = false;
    f = flows_of(&set);
    assert_int_equal(walk(&f, at(query, W1)), NOWHERE);
    own_flows_fini(&f);
    port_rows[0].up = port_rows[2].up = true;
    intent_set_fini(&set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_go_through_the_card_both_ways),
        cmocka_unit_test(return_traffic_finds_its_own_client),
        cmocka_unit_test(what_is_no_applications_is_left_to_the_operator),
        cmocka_unit_test(what_a_card_sends_unasked_goes_nowhere),
        cmocka_unit_test(translated_traffic_is_known_by_the_cards_address),
        cmocka_unit_test(one_card_port_serves_both_directions),
        cmocka_unit_test(longer_match_wins),
        cmocka_unit_test(applications_that_look_alike_are_refused_by_name),
        cmocka_unit_test(matches_that_cross_are_refused),
        cmocka_unit_test(card_down_drops_or_bypasses_as_told),
        cmocka_unit_test(bypass_on_one_trunk_sends_back),
        cmocka_unit_test(old_card_keeps_its_way_out_after_a_swap),
        cmocka_unit_test(range_matches_its_ports_and_no_other),
        cmocka_unit_test(too_many_flows_are_refused),
        cmocka_unit_test(other_bridges_get_none),
        cmocka_unit_test(ipv6_goes_through_the_card_both_ways),
        cmocka_unit_test(neighbour_discovery_is_switched_and_stays_off_cards),
        cmocka_unit_test(ipv4_and_ipv6_applications_do_not_cross),
        cmocka_unit_test(standby_card_takes_over_while_the_card_is_down),
        cmocka_unit_test(diff_leads_from_one_set_to_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
