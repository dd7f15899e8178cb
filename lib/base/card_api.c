// SPDX-License-Identifier: Apache-2.0
// Readers and writers of the card API's objects. Pure: JSON in, plain structs out.
#include <offload/card_api.h>

#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <json-c/json.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const offload_sharing_names[] = {"reserved", "lent", NULL};
const char *const offload_class_names[] = {"gold", "silver", "bronze", NULL};
const char *const offload_on_card_down_names[] = {"closed", "open", "move", NULL};
const char *const offload_in_port_names[] = {"any", "inside", "outside", NULL};

#define SHARE_OPTS                                                                                 \
    {.key = "cpu_pct",                                                                             \
     .type = OFFLOAD_OPT_F64,                                                                      \
     .offset = offsetof(struct offload_allocation, cpu_pct),                                       \
     .least = 0,                                                                                   \
     .most = 100,                                                                                  \
     .unit = "percent",                                                                            \
     .flags = OFFLOAD_OPT_REQUIRED,                                                                \
     .help = "share of the card's worker cycles"},                                                 \
        {.key = "bandwidth_bps",                                                                   \
         .type = OFFLOAD_OPT_U64,                                                                  \
         .offset = offsetof(struct offload_allocation, bandwidth_bps),                             \
         .least = 0,                                                                               \
         .most = 4e12,                                                                             \
         .unit = "bit/s",                                                                          \
         .flags = OFFLOAD_OPT_REQUIRED,                                                            \
         .help = "guaranteed bandwidth, L2 without FCS"},                                          \
        {.key = "ceiling_bps",                                                                     \
         .type = OFFLOAD_OPT_U64,                                                                  \
         .offset = offsetof(struct offload_allocation, ceiling_bps),                               \
         .least = 0,                                                                               \
         .most = 4e12,                                                                             \
         .default_text = "0",                                                                      \
         .unit = "bit/s",                                                                          \
         .help = "most bandwidth while others lend; default bandwidth_bps"},                       \
        {.key = "memory_bytes",                                                                    \
         .type = OFFLOAD_OPT_U64,                                                                  \
         .offset = offsetof(struct offload_allocation, memory_bytes),                              \
         .least = 0,                                                                               \
         .most = 1e15,                                                                             \
         .unit = "bytes",                                                                          \
         .flags = OFFLOAD_OPT_REQUIRED,                                                            \
         .help = "packet buffers and state tables"},                                               \
    {                                                                                              \
        .key = "sharing", .type = OFFLOAD_OPT_ENUM,                                                \
        .offset = offsetof(struct offload_allocation, sharing), .names = offload_sharing_names,    \
        .default_text = "\"reserved\"",                                                            \
        .help = "whether others may use what is idle, and this one theirs"                         \
    }

const struct offload_opt offload_allocation_opts[] = {
    {.key = "card",
     .type = OFFLOAD_OPT_NAME,
     .offset = offsetof(struct offload_allocation, card),
     .size = OFFLOAD_NAME_MAX + 1,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "card"},
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     .offset = offsetof(struct offload_allocation, app),
     .size = OFFLOAD_NAME_MAX + 1,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "application"},
    SHARE_OPTS,
    OFFLOAD_OPT_END,
};
const struct offload_opt offload_share_opts[] = {SHARE_OPTS, OFFLOAD_OPT_END};

const struct offload_opt offload_sla_opts[] = {
    {.key = "class",
     .type = OFFLOAD_OPT_ENUM,
     .offset = offsetof(struct offload_sla, sla_class),
     .names = offload_class_names,
     .default_text = "\"bronze\"",
     .help = "who yields first"},
    {.key = "min_bps",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct offload_sla, min_bps),
     .least = 0,
     .most = 4e12,
     .default_text = "0",
     .unit = "bit/s",
     .help = "guarantee asked for"},
    {.key = "max_bps",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct offload_sla, max_bps),
     .least = 0,
     .most = 4e12,
     .default_text = "0",
     .unit = "bit/s",
     .help = "most it may get, 0: no limit"},
    {.key = "max_delay_ns",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct offload_sla, max_delay_ns),
     .least = 0,
     .most = 1e12,
     .default_text = "0",
     .unit = "ns",
     .help = "mean queueing delay in the card, 0: no limit"},
    {.key = "max_loss_frac",
     .type = OFFLOAD_OPT_F64,
     .offset = offsetof(struct offload_sla, max_loss_frac),
     .least = 0,
     .most = 1,
     .default_text = "1",
     .unit = "",
     .help = "fraction lost, 1: no limit"},
    {.key = "on_card_down",
     .type = OFFLOAD_OPT_ENUM,
     .offset = offsetof(struct offload_sla, on_card_down),
     .names = offload_on_card_down_names,
     .default_text = "\"closed\"",
     .help = "what flowd does with its flows while the card is down"},
    OFFLOAD_OPT_END,
};

// The reader of a rule is match_read() below: it takes what a table cannot tell (prefixes, ranges of
// ports). This is what schema and checks go by.
const struct offload_opt offload_match_opts[] = {
    {.key = "src", .type = OFFLOAD_OPT_STRING, .size = 64, .flags = OFFLOAD_OPT_MAYBE,
     .help = "10.0.0.0/24, fd00::/8, 10.1.0.5"},
    {.key = "dst", .type = OFFLOAD_OPT_STRING, .size = 64, .flags = OFFLOAD_OPT_MAYBE, .help = "as src"},
    {.key = "proto", .type = OFFLOAD_OPT_U64_OR_TEXT, .most = 255,
     .flags = OFFLOAD_OPT_MAYBE, .help = "udp, tcp, icmp, icmp6, esp, sctp or a number"},
    {.key = "sport", .type = OFFLOAD_OPT_U64_OR_TEXT, .most = 65535,
     .flags = OFFLOAD_OPT_MAYBE, .help = "53 or \"1000-2000\""},
    {.key = "dport", .type = OFFLOAD_OPT_U64_OR_TEXT, .most = 65535, .flags = OFFLOAD_OPT_MAYBE, .help = "as sport"},
    {.key = "vlan", .type = OFFLOAD_OPT_U64, .most = 4094, .flags = OFFLOAD_OPT_MAYBE, .help = "outer tag, 0: untagged"},
    {.key = "vni", .type = OFFLOAD_OPT_U64, .most = OFFLOAD_VNI_MAX,
     .flags = OFFLOAD_OPT_MAYBE,
     .help = "of a VXLAN tunnel: the rest describes the packet within"},
    {.key = "in_port", .type = OFFLOAD_OPT_ENUM, .names = offload_in_port_names,
     .flags = OFFLOAD_OPT_MAYBE, .help = "port of the card that it enters"},
    OFFLOAD_OPT_END,
};

static int
allocation_check(struct offload_allocation *a, const char *path, struct offload_err *err)
{
    char where[160];
    if (a->ceiling_bps == 0)
        a->ceiling_bps = a->bandwidth_bps;
    if (a->ceiling_bps < a->bandwidth_bps)
        return offload_err_set(
            err, -EINVAL, offload_json_path(where, sizeof where, path, "ceiling_bps"),
            "use bandwidth_bps or more", "%llu is below bandwidth_bps %llu",
            (unsigned long long)a->ceiling_bps, (unsigned long long)a->bandwidth_bps);
    return 0;
}

int
offload_allocation_read(struct json_object *object, const char *path,
                        struct offload_allocation *out, struct offload_err *err)
{
    struct offload_allocation a = {0};
    int rc = offload_opt_read(offload_allocation_opts, object, path, &a, sizeof a, err);
    if (rc == 0)
        rc = allocation_check(&a, path, err);
    if (rc == 0)
        *out = a;
    return rc;
}

int
offload_allocation_read_share(struct json_object *object, const char *path, const char *card,
                              const char *app, struct offload_allocation *out,
                              struct offload_err *err)
{
    struct offload_allocation a = {0};
    int rc = offload_opt_read(offload_share_opts, object, path, &a, sizeof a, err);
    if (rc == 0)
        rc = allocation_check(&a, path, err);
    if (rc != 0)
        return rc;
    snprintf(a.card, sizeof a.card, "%s", card);
    snprintf(a.app, sizeof a.app, "%s", app);
    *out = a;
    return 0;
}

int
offload_sla_read(struct json_object *object, const char *path, struct offload_sla *out,
                 struct offload_err *err)
{
    struct offload_sla sla = {0};
    int rc = offload_opt_read(offload_sla_opts, object, path, &sla, sizeof sla, err);
    if (rc == 0)
        *out = sla;
    return rc;
}

// "10.0.0.0/24", "fd00::/8", "10.1.0.5".
static int
read_prefix(struct json_object *value, const char *path, uint8_t ip[16], uint8_t *bits,
            uint8_t *version, struct offload_err *err)
{
    static const char expected[] =
        "use an address with an optional prefix length, such as 10.0.0.0/24";
    if (!json_object_is_type(value, json_type_string))
        return offload_err_set(err, -EINVAL, path, expected, "not a string");
    const char *text = json_object_get_string(value);
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof host)
        return offload_err_set(err, -EINVAL, path, expected, "'%s' is no IP address", text);
    memcpy(host, text, len);
    host[len] = 0;

    uint8_t bytes[16] = {0};
    uint8_t ver = strchr(host, ':') ? 6 : 4;
    long most = ver == 4 ? 32 : 128, n = most;
    if (inet_pton(ver == 4 ? AF_INET : AF_INET6, host, bytes) != 1)
        return offload_err_set(err, -EINVAL, path, expected, "'%s' is no IP address", text);
    if (slash) {
        char *end;
        n = strtol(slash + 1, &end, 10);
        if (end == slash + 1 || *end || n < 0 || n > most)
            return offload_err_set(err, -ERANGE, path,
                                   ver == 4 ? "use /0 to /32" : "use /0 to /128",
                                   "'%s' is no prefix length", slash);
    }
    for (long bit = n; bit < most; bit++)
        if (bytes[bit / 8] & (0x80 >> bit % 8))
            return offload_err_set(err, -EINVAL, path, "clear the bits behind the prefix",
                                   "'%s' has bits set behind its prefix", text);
    if (*version != 0 && *version != ver)
        return offload_err_set(err, -EINVAL, path, "use one IP version in a rule",
                               "'%s' is IPv%d, but the rule's other address is not", text, ver);
    memcpy(ip, bytes, sizeof bytes);
    *bits = (uint8_t)n;
    *version = ver;
    return 0;
}

static int
read_proto(struct json_object *value, const char *path, int16_t *proto, struct offload_err *err)
{
    static const struct {
        const char *name;
        int16_t proto;
    } names[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"esp", 50}, {"icmp6", 58}, {"sctp", 132}};
    static const char expected[] = "use \"udp\", \"tcp\", \"icmp\" or 0 to 255";
    if (json_object_is_type(value, json_type_int)) {
        int64_t n = json_object_get_int64(value);
        if (n < 0 || n > 255)
            return offload_err_set(err, -ERANGE, path, expected, "%lld is no IP protocol",
                                   (long long)n);
        *proto = (int16_t)n;
        return 0;
    }
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i].name) == 0) {
            *proto = names[i].proto;
            return 0;
        }
    return offload_err_set(err, -EINVAL, path, expected, "'%s' is no known protocol", text);
}

// 53 or "1000-2000" or "53".
static int
read_ports(struct json_object *value, const char *path, uint16_t *least, uint16_t *most,
           struct offload_err *err)
{
    static const char expected[] = "use a port such as 53 or a range such as \"1000-2000\"";
    long lo = -1, hi = -1;
    if (json_object_is_type(value, json_type_int)) {
        int64_t n = json_object_get_int64(value);
        lo = hi = n < 0 || n > 65535 ? -1 : (long)n;
    } else if (json_object_is_type(value, json_type_string)) {
        const char *text = json_object_get_string(value);
        char *end;
        lo = hi = strtol(text, &end, 10);
        if (end == text)
            lo = -1;
        else if (*end == '-')
            hi = strtol(end + 1, &end, 10);
        if (*end)
            hi = -1;
    }
    if (lo < 0 || hi < lo || hi > 65535)
        return offload_err_set(err, -ERANGE, path, expected, "%s is no port or range of ports",
                               json_object_to_json_string(value));
    *least = (uint16_t)lo;
    *most = (uint16_t)hi;
    return 0;
}

static int
read_vlan(struct json_object *value, const char *path, int16_t *vlan, struct offload_err *err)
{
    int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    if (n < 0 || n > 4094)
        return offload_err_set(err, -ERANGE, path, "use 0 (untagged) to 4094", "%s is no VLAN",
                               json_object_to_json_string(value));
    *vlan = (int16_t)n;
    return 0;
}

static int
read_vni(struct json_object *value, const char *path, int32_t *vni, struct offload_err *err)
{
    int64_t n = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    if (n < 0 || n > OFFLOAD_VNI_MAX)
        return offload_err_set(err, -ERANGE, path, "use 0 to 16777215", "%s is no VNI",
                               json_object_to_json_string(value));
    *vni = (int32_t)n;
    return 0;
}

static int
read_in_port(struct json_object *value, const char *path, int *in_port, struct offload_err *err)
{
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    for (int i = 0; offload_in_port_names[i]; i++)
        if (strcmp(text, offload_in_port_names[i]) == 0) {
            *in_port = i;
            return 0;
        }
    return offload_err_set(err, -EINVAL, path, "use \"inside\", \"outside\" or \"any\"",
                           "'%s' is no port of a card", text);
}

static int
match_read_key(const char *key, struct json_object *value, const char *path,
               struct offload_match *m, struct offload_err *err)
{
    static const char *const known[] = {"src",  "dst", "proto",   "sport", "dport",
                                        "vlan", "vni", "in_port", NULL};
    if (strcmp(key, "src") == 0)
        return read_prefix(value, path, m->src, &m->src_bits, &m->ip_version, err);
    if (strcmp(key, "dst") == 0)
        return read_prefix(value, path, m->dst, &m->dst_bits, &m->ip_version, err);
    if (strcmp(key, "proto") == 0)
        return read_proto(value, path, &m->proto, err);
    if (strcmp(key, "sport") == 0)
        return read_ports(value, path, &m->sport_least, &m->sport_most, err);
    if (strcmp(key, "dport") == 0)
        return read_ports(value, path, &m->dport_least, &m->dport_most, err);
    if (strcmp(key, "vlan") == 0)
        return read_vlan(value, path, &m->vlan, err);
    if (strcmp(key, "vni") == 0)
        return read_vni(value, path, &m->vni, err);
    if (strcmp(key, "in_port") == 0)
        return read_in_port(value, path, &m->in_port, err);
    const char *near = offload_nearest(key, known);
    char expected[64];
    snprintf(expected, sizeof expected,
             near ? "did you mean \"%s\"?" : "use src, dst, proto, sport, dport, vlan, vni, in_port",
             near);
    return offload_err_set(err, -EINVAL, path, expected, "unknown key '%s'", key);
}

static int
match_read(struct json_object *object, const char *path, struct offload_match *out,
           struct offload_err *err)
{
    struct offload_match m = {.proto = OFFLOAD_ANY_PROTO,
                              .vlan = OFFLOAD_ANY_VLAN,
                              .vni = OFFLOAD_ANY_VNI,
                              .sport_most = UINT16_MAX,
                              .dport_most = UINT16_MAX};
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "use {\"src\",\"dst\",...}", "not an object");
    json_object_object_foreach (object, key, value) {
        char where[160];
        int rc =
            match_read_key(key, value, offload_json_path(where, sizeof where, path, key), &m, err);
        if (rc != 0)
            return rc;
    }
    *out = m;
    return 0;
}

int
offload_matches_read(struct json_object *array, const char *path, struct offload_match *out,
                     unsigned max, unsigned *n, struct offload_err *err)
{
    if (!json_object_is_type(array, json_type_array))
        return offload_err_set(err, -EINVAL, path, "use [{\"dst\": ...}]", "not a list");
    size_t len = json_object_array_length(array);
    if (len < 1 || len > max) {
        char expected[48];
        snprintf(expected, sizeof expected, "use 1 to %u rules; [{}] matches everything", max);
        return offload_err_set(err, -ERANGE, path, expected, "%zu rules", len);
    }
    struct offload_match *read = calloc(len, sizeof *read);
    if (!read)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++) {
        char where[160];
        rc = match_read(json_object_array_get_idx(array, i),
                        offload_json_path_index(where, sizeof where, path, i), &read[i], err);
    }
    if (rc == 0) {
        memcpy(out, read, len * sizeof *read);
        *n = (unsigned)len;
    }
    free(read);
    return rc;
}

static void
add_u64(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

struct json_object *
offload_allocation_to_json(const struct offload_allocation *a)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "card", json_object_new_string(a->card));
    json_object_object_add(o, "app", json_object_new_string(a->app));
    json_object_object_add(o, "cpu_pct", json_object_new_double(a->cpu_pct));
    add_u64(o, "bandwidth_bps", a->bandwidth_bps);
    add_u64(o, "ceiling_bps", a->ceiling_bps);
    add_u64(o, "memory_bytes", a->memory_bytes);
    json_object_object_add(o, "sharing", json_object_new_string(offload_sharing_names[a->sharing]));
    return o;
}

struct json_object *
offload_sla_to_json(const struct offload_sla *sla)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "class", json_object_new_string(offload_class_names[sla->sla_class]));
    add_u64(o, "min_bps", sla->min_bps);
    add_u64(o, "max_bps", sla->max_bps);
    add_u64(o, "max_delay_ns", sla->max_delay_ns);
    json_object_object_add(o, "max_loss_frac", json_object_new_double(sla->max_loss_frac));
    json_object_object_add(o, "on_card_down",
                           json_object_new_string(offload_on_card_down_names[sla->on_card_down]));
    return o;
}

static void
add_prefix(struct json_object *to, const char *key, const uint8_t ip[16], uint8_t bits,
           uint8_t version)
{
    char host[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];
    inet_ntop(version == 4 ? AF_INET : AF_INET6, ip, host, sizeof host);
    snprintf(text, sizeof text, "%s/%u", host, bits);
    json_object_object_add(to, key, json_object_new_string(text));
}

static void
add_ports(struct json_object *to, const char *key, uint16_t least, uint16_t most)
{
    if (least == 0 && most == UINT16_MAX)
        return;
    char text[16];
    snprintf(text, sizeof text, "%u-%u", least, most);
    json_object_object_add(
        to, key, least == most ? json_object_new_int(least) : json_object_new_string(text));
}

static struct json_object *
match_to_json(const struct offload_match *m)
{
    struct json_object *o = json_object_new_object();
    // A prefix of length 0 still says which IP version is meant.
    bool version_said = m->src_bits > 0 || m->dst_bits > 0;
    if (m->src_bits > 0 || (m->ip_version && !version_said))
        add_prefix(o, "src", m->src, m->src_bits, m->ip_version);
    if (m->dst_bits > 0)
        add_prefix(o, "dst", m->dst, m->dst_bits, m->ip_version);
    if (m->proto != OFFLOAD_ANY_PROTO)
        json_object_object_add(o, "proto", json_object_new_int(m->proto));
    add_ports(o, "sport", m->sport_least, m->sport_most);
    add_ports(o, "dport", m->dport_least, m->dport_most);
    if (m->vlan != OFFLOAD_ANY_VLAN)
        json_object_object_add(o, "vlan", json_object_new_int(m->vlan));
    if (m->vni != OFFLOAD_ANY_VNI)
        json_object_object_add(o, "vni", json_object_new_int(m->vni));
    if (m->in_port != OFFLOAD_PORT_ANY)
        json_object_object_add(o, "in_port",
                               json_object_new_string(offload_in_port_names[m->in_port]));
    return o;
}

struct json_object *
offload_matches_to_json(const struct offload_match *matches, unsigned n)
{
    struct json_object *list = json_object_new_array();
    for (unsigned i = 0; i < n; i++)
        json_object_array_add(list, match_to_json(&matches[i]));
    return list;
}

struct offload_match
offload_match_swapped(const struct offload_match *m)
{
    static const int other_port[] = {OFFLOAD_PORT_ANY, OFFLOAD_PORT_OUTSIDE, OFFLOAD_PORT_INSIDE};
    struct offload_match back = *m;
    memcpy(back.src, m->dst, sizeof back.src);
    memcpy(back.dst, m->src, sizeof back.dst);
    back.src_bits = m->dst_bits;
    back.dst_bits = m->src_bits;
    back.sport_least = m->dport_least;
    back.sport_most = m->dport_most;
    back.dport_least = m->sport_least;
    back.dport_most = m->sport_most;
    back.in_port = other_port[m->in_port];
    return back;
}
