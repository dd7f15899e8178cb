// SPDX-License-Identifier: Apache-2.0
// Parsing: what kinds of packets are known for, that none is read beyond its end, and that
// contradictions are dropped and counted. Packets lie in heap blocks of exactly their length, so
// that an address sanitizer sees a byte too far.
#include "tests/unit/unit.h"

#include "dpdk-app/parse.h"
#include "dpdk-app/worker.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct rte_mempool *pool;
static struct lane lane;

#define ETHER "\x02\x0f\xf1\0\0\1\x02\x0f\xf1\0\0\2"
#define IPV4(total, fragment, proto)                                                               \
    "\x45\0\0" total "\0\0" fragment "\x40" proto "\0\0\x0a\0\0\1\x0a\1\0\5"
#define UDP       "\x03\xe8\0\x35\0\x0c\0\0abcd"
#define ICMP_ECHO "\x08\0\0\0\x12\x34\0\1abcd"
#define IPV6(length, next)                                                                         \
    "\x60\0\0\0\0" length next "\x40"                                                              \
    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"

#define ETHER_IPV4 ETHER "\x08\0"
// Around an inner frame: outer IPv4 and UDP to port 4789, the flag I, VNI 0x010203.
#define VXLAN(ip_len, udp_len)                                                                     \
    ETHER "\x08\0\x45\0\0" ip_len                                                                \
          "\0\0\0\0\x40\x11\0\0\xc0\0\2\1\xc0\0\2\2"                                           \
          "\xc0\0\x12\xb5\0" udp_len "\0\0"                                                       \
          "\x08\0\0\0\1\2\3\0"

struct packet {
    const char *what, *bytes;
    size_t len;
    struct pkt_key key;
    uint8_t flags;
    uint16_t l3, l4;
    uint32_t vni;
};
#define BYTES(text) .bytes = text, .len = sizeof text - 1

static const struct packet good[] = {
    {.what = "UDP",
     BYTES(ETHER "\x08\0" IPV4("\x20", "\0\0", "\x11") UDP),
     .l3 = 14,
     .l4 = 34,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 4}},
    {.what = "UDP with a tag",
     BYTES(ETHER "\x81\0\x60\x07\x08\0" IPV4("\x20", "\0\0", "\x11") UDP),
     .l3 = 18,
     .l4 = 38,
     .key = {.sport = 1000, .dport = 53, .vlan = 7, .proto = 17, .ip_version = 4}},
    {.what = "UDP with two tags",
     BYTES(ETHER "\x88\xa8\0\x09\x81\0\0\x07\x08\0" IPV4("\x20", "\0\0", "\x11") UDP),
     .l3 = 22,
     .l4 = 42,
     .key = {.sport = 1000, .dport = 53, .vlan = 9, .proto = 17, .ip_version = 4}},
    {.what = "first fragment",
     BYTES(ETHER "\x08\0" IPV4("\x24", "\x20\0", "\x11") UDP "abcd"),
     .flags = PKT_FRAGMENT,
     .l3 = 14,
     .l4 = 34,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 4}},
    {.what = "later fragment",
     BYTES(ETHER "\x08\0" IPV4("\x20", "\0\x10", "\x11") UDP),
     .l3 = 14,
     .flags = PKT_FRAGMENT | PKT_FRAGMENT_LATER,
     .key = {.proto = 17, .ip_version = 4}},
    {.what = "ICMP echo",
     BYTES(ETHER "\x08\0" IPV4("\x20", "\0\0", "\x01") ICMP_ECHO),
     .l3 = 14,
     .l4 = 34,
     .key = {.sport = 0x1234, .dport = 0x1234, .proto = 1, .ip_version = 4}},
    {.what = "IPv6 UDP",
     BYTES(ETHER "\x86\xdd" IPV6("\x0c", "\x11") UDP),
     .l3 = 14,
     .l4 = 54,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 6}},
    {.what = "IPv6 UDP behind options",
     BYTES(ETHER "\x86\xdd" IPV6("\x14", "\0") "\x11\0\1\4\0\0\0\0" UDP),
     .l3 = 14,
     .l4 = 62,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 6}},
    {.what = "IPv6 later fragment",
     BYTES(ETHER "\x86\xdd" IPV6("\x14", "\x2c") "\x11\0\0\x10\0\0\0\1" UDP),
     .l3 = 14,
     .flags = PKT_FRAGMENT | PKT_FRAGMENT_LATER,
     .key = {.proto = 17, .ip_version = 6}},
    {.what = "IPv6 with a tag, TCP behind options and routing",
     BYTES(ETHER "\x81\0\0\x05\x86\xdd" IPV6("\x1c", "\0") "\x2b\0\1\4\0\0\0\0"
                                                        "\x06\0\0\0\0\0\0\0" UDP),
     .l3 = 18,
     .l4 = 74,
     .key = {.sport = 1000, .dport = 53, .vlan = 5, .proto = 6, .ip_version = 6}},
    {.what = "IPv6 first fragment",
     BYTES(ETHER "\x86\xdd" IPV6("\x18", "\x2c") "\x11\0\0\1\0\0\0\1" UDP "abcd"),
     .l3 = 14,
     .l4 = 62,
     .flags = PKT_FRAGMENT,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 6}},
    {.what = "IPv6 fragment that is whole",
     BYTES(ETHER "\x86\xdd" IPV6("\x14", "\x2c") "\x11\0\0\0\0\0\0\1" UDP),
     .l3 = 14,
     .l4 = 62,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 6}},
    {.what = "ICMPv6 echo",
     BYTES(ETHER "\x86\xdd" IPV6("\x0c", "\x3a") "\x80\0\0\0\x12\x34\0\1abcd"),
     .l3 = 14,
     .l4 = 54,
     .key = {.sport = 0x1234, .dport = 0x1234, .proto = 58, .ip_version = 6}},
    {.what = "UDP in VXLAN",
     BYTES(VXLAN("\x52", "\x3e") ETHER_IPV4 IPV4("\x20", "\0\0", "\x11") UDP),
     .l3 = 64,
     .l4 = 84,
     .vni = 0x010203,
     .flags = PKT_INNER,
     .key = {.sport = 1000, .dport = 53, .proto = 17, .ip_version = 4}},
    {.what = "later fragment in VXLAN with a tag",
     BYTES(VXLAN("\x56", "\x42") ETHER "\x81\0\0\x07\x08\0" IPV4("\x20", "\0\x10", "\x11") UDP),
     .l3 = 68,
     .vni = 0x010203,
     .flags = PKT_INNER | PKT_FRAGMENT | PKT_FRAGMENT_LATER,
     .key = {.vlan = 7, .proto = 17, .ip_version = 4}},
    {.what = "ARP", BYTES(ETHER "\x08\6\0\1\x08\0\6\4\0\1"), .l3 = 14},
};

static const struct {
    struct packet packet;
    enum parse_cause cause;
} bad[] = {
    {{.what = "half an Ethernet header", BYTES("\x02\x0f\xf1\0\0\1\x02")}, PARSE_SHORT},
    {{.what = "IPv4 that says version 5",
      BYTES(ETHER "\x08\0\x55"
                  "\0\0\x14\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\1\0\5")},
     PARSE_HEADER},
    {{.what = "IPv4 header of 16 bytes",
      BYTES(ETHER "\x08\0\x44"
                  "\0\0\x14\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\1\0\5")},
     PARSE_HEADER},
    {{.what = "IPv4 longer than its frame", BYTES(ETHER "\x08\0" IPV4("\x21", "\0\0", "\x11") UDP)},
     PARSE_LENGTH},
    {{.what = "IPv4 shorter than its header",
      BYTES(ETHER "\x08\0" IPV4("\x13", "\0\0", "\x11") UDP)},
     PARSE_LENGTH},
    {{.what = "UDP without its ports",
      BYTES(ETHER "\x08\0" IPV4("\x16", "\0\0", "\x11") "\x03\xe8")},
     PARSE_SHORT},
    {{.what = "UDP whose ports are padding",
      BYTES(ETHER "\x08\0" IPV4("\x16", "\0\0", "\x11") UDP)},
     PARSE_SHORT},
    {{.what = "IPv6 UDP whose ports are padding", BYTES(ETHER "\x86\xdd" IPV6("\x02", "\x11") UDP)},
     PARSE_SHORT},
    {{.what = "three tags", BYTES(ETHER "\x81\0\0\1\x81\0\0\2\x81\0\0\3\x08\0")}, PARSE_OPTIONS},
    {{.what = "fragment beyond the longest datagram",
      BYTES(ETHER "\x08\0" IPV4("\x20", "\x1f\xff", "\x11") UDP)},
     PARSE_FRAGMENT},
    {{.what = "fragment cut within eight bytes",
      BYTES(ETHER "\x08\0" IPV4("\x1f", "\x20\0", "\x11") UDP)},
     PARSE_FRAGMENT},
    {{.what = "fragment with the flags of a TCP header",
      BYTES(ETHER "\x08\0" IPV4("\x20", "\0\1", "\x06") UDP)},
     PARSE_FRAGMENT},
    {{.what = "fragment of nothing", BYTES(ETHER "\x08\0" IPV4("\x14", "\x20\0", "\x11"))},
     PARSE_FRAGMENT},
    {{.what = "IPv6 fragment beyond the longest datagram",
      BYTES(ETHER "\x86\xdd" IPV6("\x14", "\x2c") "\x11\0\xff\xf8\0\0\0\1" UDP)},
     PARSE_FRAGMENT},
    {{.what = "extension header beyond the packet",
      BYTES(ETHER "\x86\xdd" IPV6("\x08", "\0") "\x11\xff\1\4\0\0\0\0")},
     PARSE_SHORT},
    {{.what = "IPv6 longer than its frame", BYTES(ETHER "\x86\xdd" IPV6("\x0d", "\x11") UDP)},
     PARSE_LENGTH},
    {{.what = "nine extension headers",
      BYTES(ETHER "\x86\xdd" IPV6("\x48", "\0") "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\x3b\0\0\0\0\0\0\0")},
     PARSE_OPTIONS},
};

static void
keep_data(UNUSED void *data, UNUSED void *arg)
{
}

// Parses 'len' bytes; the metadata if it was kept.
static bool
parse(const char *bytes, size_t len, struct pkt_meta *meta)
{
    static struct rte_mbuf_ext_shared_info shared;
    shared.free_cb = keep_data;
    rte_mbuf_ext_refcnt_set(&shared, 1);
    char *data = malloc(len ? len : 1);
    memcpy(data, bytes, len);
    struct rte_mbuf *pkt = rte_pktmbuf_alloc(pool);
    assert_non_null(pkt);
    rte_pktmbuf_attach_extbuf(pkt, data, RTE_BAD_IOVA, (uint16_t)len, &shared);
    pkt->data_off = 0;
    pkt->data_len = (uint16_t)len;
    pkt->pkt_len = (uint32_t)len;
    uint64_t bytes_kept;
    bool kept = parse_burst(&lane, &pkt, 1, PKT_INSIDE_OUT, true, 77, &bytes_kept) == 1;
    assert_int_equal(bytes_kept, kept ? len : 0);
    if (kept) {
        *meta = *pkt_meta(pkt);
        rte_pktmbuf_free(pkt);
    }
    free(data);
    return kept;
}

static void
each_kind_has_its_key(UNUSED void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct packet *p = &good[i];
        struct pkt_meta meta;
        if (!parse(p->bytes, p->len, &meta))
            fail_msg("%s is dropped", p->what);
        struct pkt_key want = p->key;
        want.sport = htons(want.sport);
        want.dport = htons(want.dport);
        if (want.ip_version == 4) {
            memcpy(want.src, "\x0a\0\0\1", 4);
            memcpy(want.dst, "\x0a\1\0\5", 4);
        } else if (want.ip_version == 6) {
            memcpy(want.src, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
            memcpy(want.dst, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
        }
        if (memcmp(&want, &meta.key, sizeof want) != 0 || meta.flags != p->flags ||
            meta.vni != p->vni || meta.l3_offset != p->l3 || meta.l4_offset != p->l4)
            fail_msg("%s is parsed wrongly", p->what);
        assert_int_equal(meta.arrival_cycles, 77);
        assert_int_equal(meta.wire_bytes, p->len);
    }
}

static void
contradictions_are_dropped_and_counted(UNUSED void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pkt_meta meta;
        uint64_t causes = lane.parse_causes[bad[i].cause], drops = lane.stats.drops[DROP_PARSE];
        if (parse(bad[i].packet.bytes, bad[i].packet.len, &meta) ||
            lane.parse_causes[bad[i].cause] != causes + 1)
            fail_msg("%s is not dropped for what it is", bad[i].packet.what);
        assert_int_equal(lane.stats.drops[DROP_PARSE], drops + 1);
    }
}

// What is in a tunnel counts only where it is well-formed and somebody asks; else the packet is what
// it is outside, and is not dropped.
static void
tunnels_are_left_closed(UNUSED void **state)
{
    static const struct packet odd[] = {
        {.what = "truncated within",
         BYTES(VXLAN("\x34", "\x20") ETHER "\x08\0"
                                         "\x45\0")},
        {.what = "contradiction within",
         BYTES(VXLAN("\x52", "\x3e") ETHER_IPV4 IPV4("\x40", "\0\0", "\x11") UDP)},
        {.what = "no VNI", BYTES(ETHER "\x08\0\x45\0\0\x52"
                                       "\0\0\0\0\x40\x11\0\0\xc0\0\2\1\xc0\0\2\2"
                                       "\xc0\0\x12\xb5\0\x3e\0\0"
                                       "\0\0\0\0\1\2\3\0" ETHER_IPV4 IPV4("\x20", "\0\0", "\x11") UDP)},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct pkt_meta meta;
        if (!parse(odd[i].bytes, odd[i].len, &meta) || meta.flags || meta.l3_offset != 14 ||
            meta.l4_offset != 34 || meta.key.dport != htons(4789))
            fail_msg("%s is not what it is outside", odd[i].what);
    }
}

// Cut anywhere, and with any one byte changed, a packet is kept or dropped, but never read beyond
// its end.
static void
no_byte_beyond_the_end_is_read(UNUSED void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char bytes[256];
        struct pkt_meta meta;
        for (size_t len = 0; len <= good[i].len; len++)
            parse(good[i].bytes, len, &meta);
        for (size_t at = 12; at < good[i].len; at++)
            for (unsigned value = 0; value < 256; value++) {
                memcpy(bytes, good[i].bytes, good[i].len);
                bytes[at] = (char)value;
                if (parse(bytes, good[i].len, &meta) && meta.l4_offset)
                    assert_true(meta.l4_offset <= good[i].len);
            }
    }
    assert_int_equal(rte_mempool_avail_count(pool), 255);
}

static int
start(UNUSED void **state)
{
    char *argv[] = {"parse_test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
                    "-m",         "32",        "-l",          "0",        NULL};
    if (rte_eal_init(9, argv) < 0)
        return -1;
    pool = rte_pktmbuf_pool_create("test", 255, 0, PKT_PRIV_BYTES, 256, SOCKET_ID_ANY);
    return pool ? 0 : -1;
}

static int
stop(UNUSED void **state)
{
    rte_mempool_free(pool);
    return rte_eal_cleanup();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_key),
        cmocka_unit_test(contradictions_are_dropped_and_counted),
        cmocka_unit_test(tunnels_are_left_closed),
        cmocka_unit_test(no_byte_beyond_the_end_is_read),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
