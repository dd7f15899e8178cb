// SPDX-License-Identifier: Apache-2.0
// Intents: read from JSON with every value checked, written back, compared, kept in a sorted set.
// api -> [intent] -> flows -> bundle.
#include "ovs-integration/intent.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 160, ADDR_SIZE = INET6_ADDRSTRLEN + 4, PROTO_ICMP = 1, PROTO_ICMP6 = 58 };

static const char *const card_down_names[] = {"closed", "open", "move", NULL};

// What the option table can read; 'match' and 'return_dst' are read by hand.
struct intent_opts {
    char app[OFFLOAD_NAME_MAX + 1];
    char in_port[PORT_NAME_SIZE], out_port[PORT_NAME_SIZE];
    char card_port[PORT_NAME_SIZE], card_port_out[PORT_NAME_SIZE];
    int on_card_down;
    char standby_port[PORT_NAME_SIZE], standby_port_out[PORT_NAME_SIZE];
    struct json_object *match, *return_dst;
};

#define PORT_OPT(KEY, FLAGS, HELP)                                                                 \
    {                                                                                              \
        .key = #KEY, .type = OFFLOAD_OPT_STRING, .offset = offsetof(struct intent_opts, KEY),      \
        .size = PORT_NAME_SIZE, .help = HELP, .flags = FLAGS                                       \
    }

static const struct offload_opt intent_table[] = {
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     .offset = offsetof(struct intent_opts, app),
     .size = OFFLOAD_NAME_MAX + 1,
     .help = "the application",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "match",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct intent_opts, match),
     .help = "what is the application's, from client to server"},
    PORT_OPT(in_port, OFFLOAD_OPT_REQUIRED, "where the clients are"),
    PORT_OPT(out_port, OFFLOAD_OPT_REQUIRED, "where the servers are"),
    PORT_OPT(card_port, OFFLOAD_OPT_REQUIRED, "the card's inside port"),
    PORT_OPT(card_port_out, 0, "the card's outside port, if it has two"),
    {.key = "return_dst",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct intent_opts, return_dst),
     .help = "addresses that the card puts in place of the client's"},
    {.key = "on_card_down",
     .type = OFFLOAD_OPT_ENUM,
     .offset = offsetof(struct intent_opts, on_card_down),
     .names = card_down_names,
     .default_text = "\"closed\"",
     .help = "what becomes of packets without the card"},
    PORT_OPT(standby_port, 0, "with move: the inside port of the card that stands in"),
    PORT_OPT(standby_port_out, 0, "its outside port, if it has two"),
    OFFLOAD_OPT_END,
};

static uint64_t
high_bits(unsigned bits)
{
    return !bits ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

static struct addr
mask_of_bits(unsigned bits, bool ipv6)
{
    return ipv6 ? (struct addr){high_bits(bits), bits > 64 ? high_bits(bits - 64) : 0}
                : (struct addr){0, high_bits(32 + bits) & UINT32_MAX};
}

static bool
parse_addr(const char *text, struct prefix *out)
{
    uint32_t words[4];
    struct in_addr in;
    out->ipv6 = strchr(text, ':') != NULL;
    if (!out->ipv6) {
        if (inet_pton(AF_INET, text, &in) != 1)
            return false;
        out->addr = (struct addr){0, ntohl(in.s_addr)};
        return true;
    }
    if (inet_pton(AF_INET6, text, words) != 1)
        return false;
    out->addr = (struct addr){(uint64_t)ntohl(words[0]) << 32 | ntohl(words[1]),
                              (uint64_t)ntohl(words[2]) << 32 | ntohl(words[3])};
    return true;
}

static void
format_prefix(const struct prefix *prefix, char *text, size_t size)
{
    char addr[INET6_ADDRSTRLEN];
    struct in_addr in = {htonl((uint32_t)prefix->addr.lo)};
    uint32_t words[4] = {htonl((uint32_t)(prefix->addr.hi >> 32)), htonl((uint32_t)prefix->addr.hi),
                         htonl((uint32_t)(prefix->addr.lo >> 32)),
                         htonl((uint32_t)prefix->addr.lo)};
    inet_ntop(prefix->ipv6 ? AF_INET6 : AF_INET, prefix->ipv6 ? (const void *)words : &in, addr,
              sizeof addr);
    snprintf(text, size, "%s/%u", addr, addr_bits(&prefix->mask));
}

// Reads "10.0.0.0/24", "10.0.0.1", "2001:db8::/32" or "2001:db8::1".
static int
read_prefix(struct json_object *value, const char *path, struct prefix *out,
            struct offload_err *err)
{
    static const char expected[] =
        "use an address or a prefix, such as \"10.0.0.0/24\" or \"2001:db8::/32\"";
    if (!json_object_is_type(value, json_type_string))
        return offload_err_set(err, -EINVAL, path, expected, "%s is no address",
                               json_object_to_json_string(value));
    const char *text = json_object_get_string(value);
    char addr[ADDR_SIZE], end;
    struct prefix prefix;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof addr)
        return offload_err_set(err, -EINVAL, path, expected, "'%.40s' is no address", text);
    memcpy(addr, text, len);
    addr[len] = '\0';
    if (!parse_addr(addr, &prefix))
        return offload_err_set(err, -EINVAL, path, expected, "'%.40s' is no address", text);
    unsigned most = prefix.ipv6 ? 128 : 32, bits = most;
    if (slash && (slash[1] < '0' || slash[1] > '9' ||
                  sscanf(slash + 1, "%3u%c", &bits, &end) != 1 || bits > most))
        return offload_err_set(err, -EINVAL, path, expected,
                               "'%.40s' has no prefix length of 0 to %u", text, most);
    prefix.mask = mask_of_bits(bits, prefix.ipv6);
    struct addr net = {prefix.addr.hi & prefix.mask.hi, prefix.addr.lo & prefix.mask.lo};
    if (net.hi != prefix.addr.hi || net.lo != prefix.addr.lo) {
        char hint[ADDR_SIZE + 16], good[ADDR_SIZE];
        prefix.addr = net;
        format_prefix(&prefix, good, sizeof good);
        snprintf(hint, sizeof hint, "use \"%s\"", good);
        return offload_err_set(err, -EINVAL, path, hint, "'%s' has bits set behind its prefix",
                               text);
    }
    *out = prefix;
    return 0;
}

static bool
read_whole(const char *text, unsigned long most, unsigned long *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 9)
        return false;
    *out = strtoul(text, &end, 10);
    return !*end && *out <= most;
}

// Reads 53, "53" or "1000-2000".
static int
read_ports(struct json_object *value, const char *path, uint16_t *low, uint16_t *high,
           struct offload_err *err)
{
    unsigned long a, b;
    bool ok = false;
    if (json_object_is_type(value, json_type_int)) {
        int64_t number = json_object_get_int64(value);
        ok = number >= 0 && number <= UINT16_MAX;
        a = b = (unsigned long)number;
    } else if (json_object_is_type(value, json_type_string)) {
        char first[16];
        const char *text = json_object_get_string(value), *dash = strchr(text, '-');
        if (!dash) {
            ok = read_whole(text, UINT16_MAX, &a);
            b = a;
        } else if ((size_t)(dash - text) < sizeof first) {
            memcpy(first, text, (size_t)(dash - text));
            first[dash - text] = '\0';
            ok =
                read_whole(first, UINT16_MAX, &a) && read_whole(dash + 1, UINT16_MAX, &b) && a <= b;
        }
    }
    if (!ok)
        return offload_err_set(
            err, -EINVAL, path, "use 0 to 65535, or a range such as \"1000-2000\"",
            "%s is no port or range of ports", json_object_to_json_string(value));
    *low = (uint16_t)a;
    *high = (uint16_t)b;
    return 0;
}

static int
read_proto(struct json_object *value, const char *path, int *out, struct offload_err *err)
{
    static const struct {
        const char *name;
        int proto;
    } names[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"esp", 50}, {"icmp6", 58}, {"sctp", 132}};
    if (json_object_is_type(value, json_type_string)) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (!strcmp(json_object_get_string(value), names[i].name)) {
                *out = names[i].proto;
                return 0;
            }
    } else if (json_object_is_type(value, json_type_int)) {
        int64_t number = json_object_get_int64(value);
        if (number >= 0 && number <= 255) {
            *out = (int)number;
            return 0;
        }
    }
    return offload_err_set(err, -EINVAL, path,
                           "use \"udp\", \"tcp\", \"icmp\", \"icmp6\" or 0 to 255",
                           "%s is no protocol", json_object_to_json_string(value));
}

static bool
addr_is_zero(const struct addr *addr)
{
    return !addr->hi && !addr->lo;
}

static bool
proto_has_ports(int proto)
{
    return proto == 6 || proto == 17 || proto == 132;
}

static int
read_match_key(const char *key, struct json_object *value, const char *path,
               struct app_match *match, struct offload_err *err)
{
    static const char *const known[] = {"src", "dst", "proto", "sport", "dport", "vlan", NULL};
    if (!strcmp(key, "src"))
        return read_prefix(value, path, &match->src, err);
    if (!strcmp(key, "dst"))
        return read_prefix(value, path, &match->dst, err);
    if (!strcmp(key, "proto"))
        return read_proto(value, path, &match->proto, err);
    if (!strcmp(key, "sport"))
        return read_ports(value, path, &match->sport_low, &match->sport_high, err);
    if (!strcmp(key, "dport"))
        return read_ports(value, path, &match->dport_low, &match->dport_high, err);
    if (!strcmp(key, "vlan")) {
        int64_t vlan =
            json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
        if (vlan < 0 || vlan > 4094)
            return offload_err_set(err, -EINVAL, path, "use 0 to 4094", "%s is no VLAN",
                                   json_object_to_json_string(value));
        match->vlan = (int)vlan;
        return 0;
    }
    if (!strcmp(key, "vni"))
        return offload_err_set(err, -EINVAL, path,
                               "match the tunnel: \"proto\":\"udp\",\"dport\":4789",
                               "the switch does not look into VXLAN packets on their way");
    if (!strcmp(key, "in_port"))
        return offload_err_set(err, -EINVAL, path, "name the port in the intent's own in_port",
                               "a match has no in_port here");
    const char *near = offload_nearest(key, known);
    char hint[64];
    snprintf(hint, sizeof hint, "use %s", near ? near : "src, dst, proto, sport, dport or vlan");
    return offload_err_set(err, -EINVAL, path, hint, "unknown key");
}

static int
read_match(struct json_object *object, const char *path, struct app_match *out,
           struct offload_err *err)
{
    struct app_match match = {
        .proto = -1, .sport_high = UINT16_MAX, .dport_high = UINT16_MAX, .vlan = -1};
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "use an object such as {\"proto\":\"udp\"}",
                               "%.60s is no object", json_object_to_json_string(object));
    json_object_object_foreach (object, key, value) {
        char key_path[PATH_SIZE];
        offload_json_path(key_path, sizeof key_path, path, key);
        int rc = read_match_key(key, value, key_path, &match, err);
        if (rc)
            return rc;
    }
    bool src = !addr_is_zero(&match.src.mask) || match.src.ipv6;
    bool dst = !addr_is_zero(&match.dst.mask) || match.dst.ipv6;
    if (src && dst && match.src.ipv6 != match.dst.ipv6)
        return offload_err_set(err, -EINVAL, path, "use two addresses of one kind",
                               "one of src and dst is IPv4, the other IPv6");
    match.ipv6 = match.src.ipv6 || match.dst.ipv6 || (match.proto == PROTO_ICMP6 && !src && !dst);
    if (match.proto == (match.ipv6 ? PROTO_ICMP : PROTO_ICMP6))
        return offload_err_set(err, -EINVAL, path, "use \"icmp6\" with IPv6 addresses alone",
                               "%s does not go with these addresses",
                               match.ipv6 ? "icmp" : "icmp6");
    bool ports = match.sport_low || match.sport_high != UINT16_MAX || match.dport_low ||
                 match.dport_high != UINT16_MAX;
    if (ports && !proto_has_ports(match.proto))
        return offload_err_set(err, -EINVAL, path, "add \"proto\":\"udp\" or \"tcp\"",
                               "sport and dport need a protocol that has ports");
    *out = match;
    return 0;
}

// Reads an array of at most 'most' items of 'item_size' bytes. Absent (NULL) gives none.
typedef int read_item_fn(struct json_object *value, const char *path, void *out,
                         struct offload_err *err);

static int
read_array(struct json_object *array, const char *path, size_t most, size_t item_size,
           read_item_fn *fn, void **items, size_t *n, struct offload_err *err)
{
    size_t count = array ? json_object_array_length(array) : 0;
    *items = NULL;
    *n = 0;
    if (count > most) {
        char hint[40];
        snprintf(hint, sizeof hint, "use at most %zu", most);
        return offload_err_set(err, -ERANGE, path, hint, "%zu items are too many", count);
    }
    char *out = calloc(count ? count : 1, item_size);
    if (!out)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        char item_path[PATH_SIZE];
        offload_json_path_index(item_path, sizeof item_path, path, i);
        int rc = fn(json_object_array_get_idx(array, i), item_path, out + i * item_size, err);
        if (rc) {
            free(out);
            return rc;
        }
    }
    *items = out;
    *n = count;
    return 0;
}

static int
read_match_item(struct json_object *value, const char *path, void *out, struct offload_err *err)
{
    return read_match(value, path, out, err);
}

static int
read_prefix_item(struct json_object *value, const char *path, void *out, struct offload_err *err)
{
    return read_prefix(value, path, out, err);
}

// Which ports may be the same: only in_port and out_port, where the switch hangs on a trunk.
static int
check_ports(const struct intent *intent, const char *path, struct offload_err *err)
{
    const struct {
        const char *key, *name;
    } ports[] = {{"in_port", intent->in_port},
                 {"out_port", intent->out_port},
                 {"card_port", intent->card_port},
                 {"card_port_out", intent->card_port_out}};
    char where[PATH_SIZE];
    for (size_t i = 0; i < 4; i++) {
        if (i < 3 && !ports[i].name[0])
            return offload_err_set(err, -EINVAL,
                                   offload_json_path(where, sizeof where, path, ports[i].key),
                                   "name an interface of the switch", "the name is empty");
        for (size_t j = i < 2 ? 2 : 3; j < 4; j++)
            if (i != j && ports[j].name[0] && !strcmp(ports[i].name, ports[j].name))
                return offload_err_set(
                    err, -EINVAL, offload_json_path(where, sizeof where, path, ports[j].key),
                    "use another port", "'%s' is %s too", ports[j].name, ports[i].key);
    }
    return 0;
}

// The card that stands in is another one, and only "move" makes use of it.
static int
check_standby(const struct intent *intent, const char *path, struct offload_err *err)
{
    const char *const taken[] = {intent->in_port, intent->out_port, intent->card_port,
                                 intent->card_port_out};
    const char *const mine[] = {intent->standby_port, intent->standby_port_out};
    char where[PATH_SIZE];
    if (!mine[0][0] && !mine[1][0])
        return 0;
    offload_json_path(where, sizeof where, path, "standby_port");
    if (!mine[0][0])
        return offload_err_set(err, -EINVAL, where, "name the card's inside port",
                               "standby_port_out is given without it");
    if (intent->on_card_down != CARD_DOWN_MOVE)
        return offload_err_set(err, -EINVAL, where, "use \"on_card_down\":\"move\"",
                               "no card stands in where on_card_down is \"%s\"",
                               card_down_names[intent->on_card_down]);
    if (!intent->standby_port_out[0] != !intent->card_port_out[0])
        return offload_err_set(err, -EINVAL, where, "name as many ports as the card has",
                               "the cards differ in their number of ports");
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 2; j++)
            if (taken[i][0] && !strcmp(taken[i], mine[j]))
                return offload_err_set(err, -EINVAL, where, "use another card's ports",
                                       "'%s' has a part already", mine[j]);
    if (!strcmp(mine[0], mine[1]))
        return offload_err_set(err, -EINVAL, where, "use two ports", "'%s' is named twice",
                               mine[0]);
    return 0;
}

// Where both directions come in by one port, only the match can tell them apart.
static int
check_directions(const struct intent *intent, const char *path, struct offload_err *err)
{
    bool one_card_port = !intent->card_port_out[0];
    bool one_switch_port = !strcmp(intent->in_port, intent->out_port) && !intent->n_returns;
    if (!one_card_port && !one_switch_port)
        return 0;
    for (size_t i = 0; i < intent->n_matches; i++)
        for (size_t j = 0; j < intent->n_matches; j++) {
            struct app_match back = app_match_swapped(&intent->matches[j]);
            if (!app_match_overlaps(&intent->matches[i], &back))
                continue;
            char where[PATH_SIZE], key_path[PATH_SIZE];
            offload_json_path(key_path, sizeof key_path, path, "match");
            offload_json_path_index(where, sizeof where, key_path, i);
            return offload_err_set(
                err, -EINVAL, where,
                "give src, dst, sport or dport that differ in the two directions",
                "both directions come in by port '%s', and this fits both",
                one_card_port ? intent->card_port : intent->in_port);
        }
    return 0;
}

// A card that puts addresses in the client's place has one of each family that it is to carry.
static int
check_returns(const struct intent *intent, const char *path, struct offload_err *err)
{
    char where[PATH_SIZE];
    for (size_t i = 0; i < intent->n_matches && intent->n_returns; i++) {
        bool any = false;
        for (size_t r = 0; r < intent->n_returns; r++)
            any |= intent->returns[r].ipv6 == intent->matches[i].ipv6;
        if (!any)
            return offload_err_set(
                err, -EINVAL, offload_json_path(where, sizeof where, path, "return_dst"), "add one",
                "it has no %s address, and match[%zu] is of that kind",
                intent->matches[i].ipv6 ? "IPv6" : "IPv4", i);
    }
    return 0;
}

int
intent_check(const struct intent *intent, const char *path, struct offload_err *err)
{
    int rc = check_ports(intent, path, err);
    if (!rc)
        rc = check_standby(intent, path, err);
    if (!rc)
        rc = check_returns(intent, path, err);
    return rc ? rc : check_directions(intent, path, err);
}

int
intent_read(struct json_object *object, const char *path, struct intent *out,
            struct offload_err *err)
{
    struct intent_opts opts = {.match = NULL};
    char key_path[PATH_SIZE];
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "use an object", "an intent is an object");
    int rc = offload_opt_read(intent_table, object, path, &opts, sizeof opts, err);
    if (rc)
        return rc;

    struct intent intent = {.on_card_down = (enum card_down)opts.on_card_down};
    memcpy(intent.app, opts.app, sizeof intent.app);
    memcpy(intent.in_port, opts.in_port, sizeof intent.in_port);
    memcpy(intent.out_port, opts.out_port, sizeof intent.out_port);
    memcpy(intent.card_port, opts.card_port, sizeof intent.card_port);
    memcpy(intent.card_port_out, opts.card_port_out, sizeof intent.card_port_out);
    memcpy(intent.standby_port, opts.standby_port, sizeof intent.standby_port);
    memcpy(intent.standby_port_out, opts.standby_port_out, sizeof intent.standby_port_out);

    void *items;
    offload_json_path(key_path, sizeof key_path, path, "match");
    rc = read_array(opts.match, key_path, INTENT_MATCHES_MAX, sizeof *intent.matches,
                    read_match_item, &items, &intent.n_matches, err);
    if (rc)
        return rc;
    intent.matches = items;
    if (!intent.n_matches) { // read_array() has left room for one
        intent.matches[0] = (struct app_match){
            .proto = -1, .sport_high = UINT16_MAX, .dport_high = UINT16_MAX, .vlan = -1};
        intent.n_matches = 1;
    }
    offload_json_path(key_path, sizeof key_path, path, "return_dst");
    rc = read_array(opts.return_dst, key_path, INTENT_RETURNS_MAX, sizeof *intent.returns,
                    read_prefix_item, &items, &intent.n_returns, err);
    if (!rc) {
        intent.returns = items;
        rc = intent_check(&intent, path, err);
    }
    if (rc) {
        intent_fini(&intent);
        return rc;
    }
    *out = intent;
    return 0;
}

static void
add_prefix(struct json_object *object, const char *key, const struct prefix *prefix)
{
    char text[ADDR_SIZE];
    format_prefix(prefix, text, sizeof text);
    if (key)
        json_object_object_add(object, key, json_object_new_string(text));
    else
        json_object_array_add(object, json_object_new_string(text));
}

static void
add_ports(struct json_object *object, const char *key, uint16_t low, uint16_t high)
{
    char text[16];
    if (low == 0 && high == UINT16_MAX)
        return;
    snprintf(text, sizeof text, "%u-%u", (unsigned)low, (unsigned)high);
    json_object_object_add(object, key,
                           low == high ? json_object_new_int(low) : json_object_new_string(text));
}

static struct json_object *
match_to_json(const struct app_match *match)
{
    struct json_object *object = json_object_new_object();
    if (!addr_is_zero(&match->src.mask) || match->src.ipv6)
        add_prefix(object, "src", &match->src);
    if (!addr_is_zero(&match->dst.mask) || match->dst.ipv6)
        add_prefix(object, "dst", &match->dst);
    if (match->proto == 1 || match->proto == 6 || match->proto == 17)
        json_object_object_add(object, "proto",
                               json_object_new_string(match->proto == 1   ? "icmp"
                                                      : match->proto == 6 ? "tcp"
                                                                          : "udp"));
    else if (match->proto >= 0)
        json_object_object_add(object, "proto", json_object_new_int(match->proto));
    add_ports(object, "sport", match->sport_low, match->sport_high);
    add_ports(object, "dport", match->dport_low, match->dport_high);
    if (match->vlan >= 0)
        json_object_object_add(object, "vlan", json_object_new_int(match->vlan));
    return object;
}

struct json_object *
intent_to_json(const struct intent *intent)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_object_object_add(object, "app", json_object_new_string(intent->app));
    struct json_object *matches = json_object_new_array_ext((int)intent->n_matches);
    for (size_t i = 0; i < intent->n_matches; i++)
        json_object_array_add(matches, match_to_json(&intent->matches[i]));
    json_object_object_add(object, "match", matches);
    json_object_object_add(object, "in_port", json_object_new_string(intent->in_port));
    json_object_object_add(object, "out_port", json_object_new_string(intent->out_port));
    json_object_object_add(object, "card_port", json_object_new_string(intent->card_port));
    if (intent->card_port_out[0])
        json_object_object_add(object, "card_port_out",
                               json_object_new_string(intent->card_port_out));
    if (intent->n_returns) {
        struct json_object *returns = json_object_new_array_ext((int)intent->n_returns);
        for (size_t i = 0; i < intent->n_returns; i++)
            add_prefix(returns, NULL, &intent->returns[i]);
        json_object_object_add(object, "return_dst", returns);
    }
    json_object_object_add(object, "on_card_down",
                           json_object_new_string(card_down_names[intent->on_card_down]));
    if (intent->standby_port[0])
        json_object_object_add(object, "standby_port",
                               json_object_new_string(intent->standby_port));
    if (intent->standby_port_out[0])
        json_object_object_add(object, "standby_port_out",
                               json_object_new_string(intent->standby_port_out));
    return object;
}

void
intent_fini(struct intent *intent)
{
    free(intent->matches);
    free(intent->returns);
    intent->matches = NULL;
    intent->returns = NULL;
}

int
intent_copy(struct intent *to, const struct intent *from)
{
    struct app_match *matches = malloc(from->n_matches * sizeof *matches);
    struct prefix *returns = malloc((from->n_returns + 1) * sizeof *returns);
    if (!matches || !returns) {
        free(matches);
        free(returns);
        return -ENOMEM;
    }
    memcpy(matches, from->matches, from->n_matches * sizeof *matches);
    if (from->n_returns)
        memcpy(returns, from->returns, from->n_returns * sizeof *returns);
    *to = *from;
    to->matches = matches;
    to->returns = returns;
    return 0;
}

unsigned
addr_bits(const struct addr *mask)
{
    return (unsigned)(__builtin_popcountll(mask->hi) + __builtin_popcountll(mask->lo));
}

static bool
addr_same(const struct addr *a, const struct addr *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}

static bool
prefix_same(const struct prefix *a, const struct prefix *b)
{
    return a->ipv6 == b->ipv6 && addr_same(&a->addr, &b->addr) && addr_same(&a->mask, &b->mask);
}

bool
app_match_same(const struct app_match *a, const struct app_match *b)
{
    return a->ipv6 == b->ipv6 && prefix_same(&a->src, &b->src) && prefix_same(&a->dst, &b->dst) &&
           a->proto == b->proto && a->sport_low == b->sport_low && a->sport_high == b->sport_high &&
           a->dport_low == b->dport_low && a->dport_high == b->dport_high && a->vlan == b->vlan;
}

bool
intent_same(const struct intent *a, const struct intent *b)
{
    if (strcmp(a->app, b->app) || strcmp(a->in_port, b->in_port) ||
        strcmp(a->out_port, b->out_port) || strcmp(a->card_port, b->card_port) ||
        strcmp(a->card_port_out, b->card_port_out) || a->on_card_down != b->on_card_down ||
        strcmp(a->standby_port, b->standby_port) ||
        strcmp(a->standby_port_out, b->standby_port_out) || a->n_matches != b->n_matches ||
        a->n_returns != b->n_returns)
        return false;
    for (size_t i = 0; i < a->n_matches; i++)
        if (!app_match_same(&a->matches[i], &b->matches[i]))
            return false;
    for (size_t i = 0; i < a->n_returns; i++)
        if (!prefix_same(&a->returns[i], &b->returns[i]))
            return false;
    return true;
}

struct app_match
app_match_swapped(const struct app_match *match)
{
    struct app_match back = *match;
    back.src = match->dst;
    back.dst = match->src;
    back.sport_low = match->dport_low;
    back.sport_high = match->dport_high;
    back.dport_low = match->sport_low;
    back.dport_high = match->sport_high;
    return back;
}

bool
addr_overlaps(const struct addr *a, const struct addr *a_mask, const struct addr *b,
              const struct addr *b_mask)
{
    return !((a->hi ^ b->hi) & a_mask->hi & b_mask->hi) &&
           !((a->lo ^ b->lo) & a_mask->lo & b_mask->lo);
}

static bool
prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
    return addr_overlaps(&a->addr, &a->mask, &b->addr, &b->mask);
}

bool
app_match_overlaps(const struct app_match *a, const struct app_match *b)
{
    return a->ipv6 == b->ipv6 && prefix_overlaps(&a->src, &b->src) &&
           prefix_overlaps(&a->dst, &b->dst) &&
           (a->proto < 0 || b->proto < 0 || a->proto == b->proto) &&
           (a->vlan < 0 || b->vlan < 0 || a->vlan == b->vlan) && a->sport_low <= b->sport_high &&
           b->sport_low <= a->sport_high && a->dport_low <= b->dport_high &&
           b->dport_low <= a->dport_high;
}

void
intent_set_fini(struct intent_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        intent_fini(set->intents[i]);
        free(set->intents[i]);
    }
    free(set->intents);
    *set = (struct intent_set){.intents = NULL};
}

int
intent_set_copy(struct intent_set *to, const struct intent_set *from)
{
    struct intent_set copy = {.intents = calloc(from->n + 1, sizeof *copy.intents),
                              .size = from->n + 1};
    if (!copy.intents)
        return -ENOMEM;
    for (; copy.n < from->n; copy.n++) {
        struct intent *intent = malloc(sizeof *intent);
        if (!intent || intent_copy(intent, from->intents[copy.n])) {
            free(intent);
            intent_set_fini(&copy);
            return -ENOMEM;
        }
        copy.intents[copy.n] = intent;
    }
    *to = copy;
    return 0;
}

// The place of 'app', or where it would stand.
static size_t
intent_set_place(const struct intent_set *set, const char *app)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(set->intents[middle]->app, app) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct intent *
intent_set_find(const struct intent_set *set, const char *app)
{
    size_t at = intent_set_place(set, app);
    return at < set->n && !strcmp(set->intents[at]->app, app) ? set->intents[at] : NULL;
}

const struct intent *
intent_set_find_id(const struct intent_set *set, uint32_t id)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->intents[i]->id == id)
            return set->intents[i];
    return NULL;
}

static int
intent_set_grow(struct intent_set *set)
{
    if (set->n < set->size)
        return 0;
    size_t size = set->size ? set->size * 2 : 16;
    struct intent **more = realloc(set->intents, size * sizeof *more);
    if (!more)
        return -ENOMEM;
    set->intents = more;
    set->size = size;
    return 0;
}

int
intent_set_put(struct intent_set *set, struct intent *intent)
{
    struct intent *there = intent_set_find(set, intent->app);
    if (there) {
        intent_fini(there);
        *there = *intent;
        return 0;
    }
    there = malloc(sizeof *there);
    if (!there || intent_set_grow(set)) {
        free(there);
        intent_fini(intent);
        return -ENOMEM;
    }
    *there = *intent;
    size_t at = intent_set_place(set, intent->app);
    memmove(&set->intents[at + 1], &set->intents[at], (set->n - at) * sizeof *set->intents);
    set->intents[at] = there;
    set->n++;
    return 0;
}

bool
intent_set_remove(struct intent_set *set, const char *app)
{
    size_t at = intent_set_place(set, app);
    if (at == set->n || strcmp(set->intents[at]->app, app))
        return false;
    intent_fini(set->intents[at]);
    free(set->intents[at]);
    set->n--;
    memmove(&set->intents[at], &set->intents[at + 1], (set->n - at) * sizeof *set->intents);
    return true;
}
