// SPDX-License-Identifier: Apache-2.0
// VXLAN byte by byte, as RFC 7348 draws it, and what goes in comes out.
#include "tests/unit/functions/fake_fn.h"
#include "tests/unit/functions/fake_packet.h"

#include <offload/card_api.h>

#include <stdio.h>

extern const struct fn_ops fn_vxlan;

#define HERE "{\"local\":\"192.0.2.1\",\"remote\":\"192.0.2.2\",\"vni\":66051"
#define THERE "{\"local\":\"192.0.2.2\",\"remote\":\"192.0.2.1\",\"vni\":66051"

static void
the_header_is_as_in_rfc_7348(void **state)
{
    (void)state;
    struct fake_packet p;
    void *vxlan = fake_fn(&fn_vxlan, NULL,
                          HERE ",\"dst_mac\":\"02:00:00:00:00:09\",\"ttl\":33,\"copy_dscp\":false,"
                               "\"dscp\":46}");
    struct rte_mbuf *pkt = fake_make(&p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "10.0.0.2", 7, 9));
    uint32_t inner = pkt->pkt_len;
    assert_true(fake_run(&fn_vxlan, vxlan, pkt, 1));
    const uint8_t *f = rte_pktmbuf_mtod(pkt, const uint8_t *);
    assert_int_equal(pkt->pkt_len, inner + 50);
    assert_memory_equal(f, "\2\0\0\0\0\x09", 6);
    assert_memory_equal(f + 12, "\x08\0\x45", 3);
    assert_int_equal(f[15], 46 << 2);
    assert_int_equal(ntohs(load16(f + 16)), inner + 36);
    assert_memory_equal(f + 20, "\x40\0", 2); // don't fragment
    assert_int_equal(f[22], 33);
    assert_int_equal(f[23], IPPROTO_UDP);
    assert_int_equal(fake_header_error(f + 14), 0);
    assert_memory_equal(f + 26, "\xc0\0\2\1\xc0\0\2\2", 8);
    assert_in_range(ntohs(load16(f + 34)), 49152, 65535);
    assert_int_equal(ntohs(load16(f + 36)), 4789);
    assert_int_equal(ntohs(load16(f + 38)), inner + 16);
    assert_int_equal(load16(f + 40), 0);
    assert_memory_equal(f + 42, "\x08\0\0\0\1\2\3\0", 8);
    assert_int_equal(pkt_meta(pkt)->key.proto, IPPROTO_UDP);
    assert_int_equal(pkt_meta(pkt)->l4_offset, 34);
    fn_vxlan.destroy(vxlan);
}

static void
what_goes_in_comes_out(void **state)
{
    (void)state;
    struct fake_packet p;
    uint8_t before[256];
    void *here = fake_fn(&fn_vxlan, NULL, HERE "}"), *there = fake_fn(&fn_vxlan, NULL, THERE "}");
    struct fake_spec spec = fake_udp("10.0.0.1", "10.0.0.2", 7, 9);
    spec.payload_bytes = 100;
    struct rte_mbuf *pkt = fake_make(&p, PKT_INSIDE_OUT, spec);
    uint32_t bytes = pkt->pkt_len;
    memcpy(before, p.data, bytes);
    assert_true(fake_run(&fn_vxlan, here, pkt, 1));
    pkt_meta(pkt)->dir = PKT_OUTSIDE_IN;
    assert_true(fake_run(&fn_vxlan, there, pkt, 2));
    assert_int_equal(pkt->pkt_len, bytes);
    assert_memory_equal(rte_pktmbuf_mtod(pkt, uint8_t *), before, bytes);
    assert_int_equal(pkt_meta(pkt)->key.dport, htons(9));
    fn_vxlan.destroy(here);
    fn_vxlan.destroy(there);
}

static void
flows_have_source_ports_of_their_own(void **state)
{
    (void)state;
    struct fake_packet p;
    unsigned differ = 0;
    uint16_t last = 0;
    void *vxlan = fake_fn(&fn_vxlan, NULL, HERE "}");
    for (uint16_t i = 0; i < 64; i++) {
        uint16_t port[2];
        for (unsigned twice = 0; twice < 2; twice++) {
            struct rte_mbuf *pkt =
                fake_make(&p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "10.0.0.2", 1000 + i, 9));
            assert_true(fake_run(&fn_vxlan, vxlan, pkt, 1));
            port[twice] = load16(rte_pktmbuf_mtod(pkt, uint8_t *) + 34);
        }
        assert_int_equal(port[0], port[1]);
        differ += port[0] != last;
        last = port[0];
    }
    assert_true(differ > 60);
    fn_vxlan.destroy(vxlan);
}

// Congestion: RFC 6040, figure 4.
static void
marks_of_congestion_go_through(void **state)
{
    (void)state;
    void *here = fake_fn(&fn_vxlan, NULL, HERE "}"), *there = fake_fn(&fn_vxlan, NULL, THERE "}");
    for (uint8_t ecn = 0; ecn < 4; ecn++) {
        struct fake_packet p;
        struct rte_mbuf *pkt = fake_make(&p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "10.0.0.2", 7, 9));
        fake_ip(&p)[1] = 0x28 | ecn;
        fake_seal(fake_ip(&p), false);
        assert_true(fake_run(&fn_vxlan, here, pkt, 1));
        uint8_t *outer = rte_pktmbuf_mtod(pkt, uint8_t *) + 14;
        assert_int_equal(outer[1], 0x28 | ecn);
        outer[1] |= 3;
        pkt_meta(pkt)->dir = PKT_OUTSIDE_IN;
        assert_int_equal(fake_run(&fn_vxlan, there, pkt, 2), ecn != 0);
        if (ecn == 0)
            continue;
        assert_int_equal(fake_ip(&p)[1], 0x2b);
        assert_int_equal(fake_header_error(fake_ip(&p)), 0);
    }
    assert_int_equal(fake_dropped(&fn_vxlan, there, "congestion"), 1);
    fn_vxlan.destroy(here);
    fn_vxlan.destroy(there);
}

static void
what_is_of_no_tunnel_is_dropped(void **state)
{
    (void)state;
    struct fake_packet p;
    void *here = fake_fn(&fn_vxlan, NULL, HERE "}");
    void *other = fake_fn(&fn_vxlan, NULL, "{\"local\":\"192.0.2.2\",\"remote\":\"192.0.2.1\",\"vni\":7}");
    struct rte_mbuf *pkt = fake_make(&p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "10.0.0.2", 7, 9));
    assert_true(fake_run(&fn_vxlan, here, pkt, 1));
    pkt_meta(pkt)->dir = PKT_OUTSIDE_IN;
    assert_false(fake_run(&fn_vxlan, other, pkt, 2));
    pkt = fake_make(&p, PKT_OUTSIDE_IN, fake_udp("192.0.2.1", "192.0.2.2", 7, 4789));
    assert_false(fake_run(&fn_vxlan, other, pkt, 2)); // shorter than the headers
    assert_int_equal(fake_dropped(&fn_vxlan, other, "unsupported"), 2);
    void *narrow = fake_fn(&fn_vxlan, NULL, HERE ",\"mtu\":576}");
    pkt = fake_make(&p, PKT_INSIDE_OUT, (struct fake_spec){.src = "10.0.0.1", .dst = "10.0.0.2",
                                         .proto = IPPROTO_UDP, .payload_bytes = 450});
    assert_true(fake_run(&fn_vxlan, narrow, pkt, 3));
    pkt = fake_make(&p, PKT_INSIDE_OUT, (struct fake_spec){.src = "10.0.0.1", .dst = "10.0.0.2",
                                         .proto = IPPROTO_UDP, .payload_bytes = 499});
    assert_false(fake_run(&fn_vxlan, narrow, pkt, 3));
    assert_null(fake_fn(&fn_vxlan, NULL, "{\"local\":\"x\",\"remote\":\"192.0.2.1\",\"vni\":7}"));
    assert_null(fake_fn(&fn_vxlan, NULL, HERE "0000}"));
    fn_vxlan.destroy(here);
    fn_vxlan.destroy(other);
    fn_vxlan.destroy(narrow);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_is_as_in_rfc_7348),
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(flows_have_source_ports_of_their_own),
        cmocka_unit_test(marks_of_congestion_go_through),
        cmocka_unit_test(what_is_of_no_tunnel_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
