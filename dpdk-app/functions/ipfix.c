// SPDX-License-Identifier: Apache-2.0
// IPFIX messages; ipfix.h has the idea. One table of fields makes templates and records.
#include "dpdk-app/functions/ipfix.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

enum {
    VERSION = 10,
    HEADER_BYTES = 16,
    SET_HEADER_BYTES = 4,
    SET_TEMPLATES = 2,
    TEMPLATE_IPV4 = 256,
    TEMPLATE_IPV6 = 257,
};

// Information elements (the IANA registry of IPFIX), in the order of a record.
enum element {
    OCTET_DELTA_COUNT = 1,
    PACKET_DELTA_COUNT = 2,
    PROTOCOL_IDENTIFIER = 4,
    TCP_CONTROL_BITS = 6,
    SOURCE_PORT = 7,
    SOURCE_IPV4 = 8,
    DESTINATION_PORT = 11,
    DESTINATION_IPV4 = 12,
    SOURCE_IPV6 = 27,
    DESTINATION_IPV6 = 28,
    VLAN_ID = 58,
    FLOW_DIRECTION = 61, // 0 ingress: entered by the inside port; 1 egress
    FLOW_END_REASON = 136,
    FLOW_START_MS = 152,
    FLOW_END_MS = 153,
};

static const struct field {
    uint16_t element, bytes;
} fields[2][13] = {
    {{SOURCE_IPV4, 4},
     {DESTINATION_IPV4, 4},
     {SOURCE_PORT, 2},
     {DESTINATION_PORT, 2},
     {PROTOCOL_IDENTIFIER, 1},
     {FLOW_DIRECTION, 1},
     {FLOW_END_REASON, 1},
     {TCP_CONTROL_BITS, 1},
     {VLAN_ID, 2},
     {OCTET_DELTA_COUNT, 8},
     {PACKET_DELTA_COUNT, 8},
     {FLOW_START_MS, 8},
     {FLOW_END_MS, 8}},
    {{SOURCE_IPV6, 16},
     {DESTINATION_IPV6, 16},
     {SOURCE_PORT, 2},
     {DESTINATION_PORT, 2},
     {PROTOCOL_IDENTIFIER, 1},
     {FLOW_DIRECTION, 1},
     {FLOW_END_REASON, 1},
     {TCP_CONTROL_BITS, 1},
     {VLAN_ID, 2},
     {OCTET_DELTA_COUNT, 8},
     {PACKET_DELTA_COUNT, 8},
     {FLOW_START_MS, 8},
     {FLOW_END_MS, 8}},
};
enum { N_FIELDS = sizeof fields[0] / sizeof fields[0][0], RECORD_BYTES_MAX = 74 };

static void
put(struct ipfix_message *m, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        m->bytes[m->len++] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void
put_at(struct ipfix_message *m, size_t at, uint64_t value, unsigned bytes)
{
    size_t len = m->len;
    m->len = at;
    put(m, value, bytes);
    m->len = len;
}

static void
close_set(struct ipfix_message *m)
{
    if (m->set_at)
        put_at(m, m->set_at + 2, m->len - m->set_at, 2);
    m->set_at = 0;
}

static void
open_set(struct ipfix_message *m, uint16_t id)
{
    close_set(m);
    m->set_at = m->len;
    m->set_id = id;
    put(m, id, 2);
    put(m, 0, 2);
}

void
ipfix_begin(struct ipfix_message *m, uint32_t now_s, uint32_t sequence, uint32_t domain)
{
    m->len = m->set_at = m->n_records = 0;
    put(m, VERSION, 2);
    put(m, 0, 2);
    put(m, now_s, 4);
    put(m, sequence, 4);
    put(m, domain, 4);
}

void
ipfix_add_templates(struct ipfix_message *m)
{
    open_set(m, SET_TEMPLATES);
    for (unsigned v = 0; v < 2; v++) {
        put(m, TEMPLATE_IPV4 + v, 2);
        put(m, N_FIELDS, 2);
        for (unsigned i = 0; i < N_FIELDS; i++) {
            put(m, fields[v][i].element, 2);
            put(m, fields[v][i].bytes, 2);
        }
    }
    close_set(m);
}

// A number's value; addresses are bytes and have none.
static uint64_t
value_of(const struct ipfix_record *r, enum element element)
{
    bool ports = r->key.proto == IPPROTO_TCP || r->key.proto == IPPROTO_UDP ||
                 r->key.proto == IPPROTO_SCTP;
    switch (element) {
    case SOURCE_PORT:
        return ports ? ntohs(r->key.sport) : 0;
    case DESTINATION_PORT:
        return ports ? ntohs(r->key.dport) : 0;
    case PROTOCOL_IDENTIFIER:
        return r->key.proto;
    case FLOW_DIRECTION:
        return r->dir;
    case FLOW_END_REASON:
        return r->reason;
    case TCP_CONTROL_BITS:
        return r->tcp_flags;
    case VLAN_ID:
        return r->key.vlan;
    case OCTET_DELTA_COUNT:
        return r->bytes;
    case PACKET_DELTA_COUNT:
        return r->packets;
    case FLOW_START_MS:
        return r->start_ms;
    case FLOW_END_MS:
        return r->end_ms;
    case SOURCE_IPV4:
    case SOURCE_IPV6:
    case DESTINATION_IPV4:
    case DESTINATION_IPV6:
        break;
    }
    assert(!"every field is written");
    return 0;
}

static void
put_field(struct ipfix_message *m, const struct ipfix_record *r, const struct field *field)
{
    enum element element = (enum element)field->element;
    bool source = element == SOURCE_IPV4 || element == SOURCE_IPV6;
    if (source || element == DESTINATION_IPV4 || element == DESTINATION_IPV6) {
        memcpy(m->bytes + m->len, source ? r->key.src : r->key.dst, field->bytes);
        m->len += field->bytes;
    } else {
        put(m, value_of(r, element), field->bytes);
    }
}

bool
ipfix_add(struct ipfix_message *m, const struct ipfix_record *record)
{
    unsigned v = record->key.ip_version == 6;
    if (m->len + SET_HEADER_BYTES + RECORD_BYTES_MAX > sizeof m->bytes)
        return false;
    if (!m->set_at || m->set_id != TEMPLATE_IPV4 + v)
        open_set(m, (uint16_t)(TEMPLATE_IPV4 + v));
    for (unsigned i = 0; i < N_FIELDS; i++)
        put_field(m, record, &fields[v][i]);
    m->n_records++;
    return true;
}

size_t
ipfix_end(struct ipfix_message *m)
{
    close_set(m);
    if (m->len == HEADER_BYTES)
        return 0;
    put_at(m, 2, m->len, 2);
    return m->len;
}
