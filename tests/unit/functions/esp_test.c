// SPDX-License-Identifier: Apache-2.0
// ESP with DPDK's crypto device: a published packet, what goes in comes out, and what an attacker
// may try. Exit 77 where DPDK has no such device.
#include "tests/unit/functions/fake_fn.h"
#include "tests/unit/functions/fake_packet.h"

#include "dpdk-app/functions/replay.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct fn_ops fn_esp;

static struct rte_mempool *pool;
static char folder[] = "/tmp/esp_test.XXXXXX";

static void
write_key(const char *name, const char *hex, mode_t mode)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(hex, f);
    fclose(f);
    chmod(path, mode);
}

static void *
make(bool here, const char *more)
{
    char params[512];
    snprintf(params, sizeof params,
             "{\"local\":\"192.0.2.%d\",\"remote\":\"192.0.2.%d\",\"spi_out\":%d,\"spi_in\":%d,"
             "\"key_out_file\":\"%s/%s\",\"key_in_file\":\"%s/%s\"%s}",
             here ? 1 : 2, here ? 2 : 1, here ? 0x4321 : 0x1111, here ? 0x1111 : 0x4321, folder,
             here ? "a" : "b", folder, here ? "b" : "a", more);
    return fake_fn(&fn_esp, NULL, params);
}

// A packet of the pool with the bytes and what is known of them of one of fake_make().
static struct rte_mbuf *
packet(enum pkt_dir dir, const struct fake_packet *p)
{
    struct rte_mbuf *pkt = rte_pktmbuf_alloc(pool);
    assert_non_null(pkt);
    memcpy(rte_pktmbuf_append(pkt, p->mbuf.data_len), p->data, p->mbuf.data_len);
    *pkt_meta(pkt) = *(const struct pkt_meta *)rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)&p->mbuf);
    pkt_meta(pkt)->dir = dir;
    return pkt;
}

static struct rte_mbuf *
udp_packet(uint16_t sport, uint16_t payload)
{
    struct fake_packet p;
    struct fake_spec spec = fake_udp("10.0.0.1", "10.0.0.2", sport, 9);
    spec.payload_bytes = payload;
    fake_make(&p, PKT_INSIDE_OUT, spec);
    return packet(PKT_INSIDE_OUT, &p);
}

static struct rte_mbuf *
copy(struct rte_mbuf *pkt)
{
    struct rte_mbuf *twin = rte_pktmbuf_copy(pkt, pool, 0, UINT32_MAX);
    assert_non_null(twin);
    *pkt_meta(twin) = *pkt_meta(pkt);
    return twin;
}

static bool
receive(void *esp, struct rte_mbuf *pkt)
{
    pkt_meta(pkt)->dir = PKT_OUTSIDE_IN;
    return fake_run(&fn_esp, esp, pkt, 1);
}

static void
what_goes_in_comes_out(void **state)
{
    (void)state;
    static const char *const more[] = {"", ",\"esn\":true", ",\"device\":\"openssl\"",
                                       ",\"device\":\"aesni_mb\""};
    for (unsigned k = 0; k < 4; k++) {
        void *a = make(true, more[k]), *b = make(false, more[k]);
        if (!a)
            print_message("%s: %s\n", fake_err.where, fake_err.text);
        assert_non_null(a);
        assert_non_null(b);
        for (uint16_t bytes = 0; bytes < 400; bytes += 1 + bytes / 8) {
            uint8_t before[512];
            struct rte_mbuf *pkt = udp_packet(7, bytes);
            uint32_t len = pkt->pkt_len;
            memcpy(before, rte_pktmbuf_mtod(pkt, void *), len);
            assert_true(fake_run(&fn_esp, a, pkt, 1));
            const uint8_t *ip = rte_pktmbuf_mtod(pkt, uint8_t *) + 14;
            assert_int_equal(ip[9], 50);
            assert_int_equal(fake_header_error(ip), 0);
            assert_int_equal(ntohl(load32(ip + 20)), 0x4321);
            assert_int_equal((ntohs(load16(ip + 2)) - 20 - 16 - 16) % 4, 0);
            assert_true(receive(b, pkt));
            assert_int_equal(pkt->pkt_len, len);
            assert_memory_equal(rte_pktmbuf_mtod(pkt, void *), before, len);
            assert_int_equal(pkt_meta(pkt)->key.sport, htons(7));
            rte_pktmbuf_free(pkt);
        }
        fn_esp.destroy(a);
        fn_esp.destroy(b);
    }
}

// draft-mcgrew-gcm-test-01, 3, case 1: sequence number 8765432100000000, extended. What it carries
// ends with next header 1, which no tunnel has: it is refused, but as genuine.
static void
a_published_packet_is_genuine(void **state)
{
    (void)state;
    static const char esp_hex[] =
        "0000432100000000" "4956ed7e3b244cfe" "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
        "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe72"
        "2fd04796562dfdb4";
    void *b = make(false, ",\"esn\":true");
    uint8_t entry[40 + REPLAY_WORDS * 8] = {0, 0, 0x11, 0x11, 0, 0, 0x43, 0x21};
    memcpy(entry + 24, "\xff\xff\xff\xff\x20\x43\x65\x87", 8); // one before it, little-endian
    assert_int_equal(fn_esp.import(b, entry, sizeof entry, 1, &fake_err), 0);
    for (unsigned forged = 0; forged < 2; forged++) {
        struct fake_packet p;
        memset(&p, 0, sizeof p);
        uint8_t *ip = fake_ip(&p);
        unsigned n = (sizeof esp_hex - 1) / 2;
        for (unsigned i = 0; i < n; i++) {
            unsigned byte;
            sscanf(esp_hex + 2 * i, "%2x", &byte);
            ip[20 + i] = (uint8_t)byte;
        }
        ip[20 + 30] ^= (uint8_t)forged;
        ip[0] = 0x45;
        ip[9] = 50;
        fake_put16(ip + 2, (uint16_t)(20 + n));
        memcpy(ip + 12, "\xc0\0\2\1\xc0\0\2\2", 8);
        fake_wrap(&p, PKT_OUTSIDE_IN);
        assert_false(receive(b, packet(PKT_OUTSIDE_IN, &p)));
        assert_int_equal(fake_dropped(&fn_esp, b, "malformed"), forged ? 0 : 1);
        assert_int_equal(fake_dropped(&fn_esp, b, "authentication"), forged);
        fn_esp.destroy(b);
        b = make(false, ",\"esn\":true");
        fn_esp.import(b, entry, sizeof entry, 1, &fake_err);
    }
    fn_esp.destroy(b);
}

static void
a_packet_is_taken_once_and_a_forged_one_never(void **state)
{
    (void)state;
    void *a = make(true, ""), *b = make(false, "");
    struct rte_mbuf *sent[200];
    for (unsigned i = 0; i < 200; i++) {
        sent[i] = udp_packet((uint16_t)i, 20);
        assert_true(fake_run(&fn_esp, a, sent[i], 1));
    }
    for (unsigned offset = 14 + 20; offset < sent[0]->pkt_len; offset += 3) {
        struct rte_mbuf *forged = copy(sent[0]);
        rte_pktmbuf_mtod(forged, uint8_t *)[offset] ^= 0x40;
        assert_false(receive(b, forged));
    }
    struct rte_mbuf *twice[2] = {copy(sent[150]), copy(sent[150])};
    assert_int_equal(fn_esp.process(b, twice, 2, PKT_OUTSIDE_IN, 1), 1);
    rte_pktmbuf_free(twice[0]);
    assert_false(receive(b, copy(sent[150])));
    assert_false(receive(b, copy(sent[150 - 128]))); // behind the window
    struct rte_mbuf *late = copy(sent[150 - 127]);
    assert_true(receive(b, late));
    rte_pktmbuf_free(late);
    assert_int_equal(fake_dropped(&fn_esp, b, "replay"), 3);
    for (unsigned i = 0; i < 200; i++)
        rte_pktmbuf_free(sent[i]);
    fn_esp.destroy(a);
    fn_esp.destroy(b);
}

static void
numbers_move_and_only_go_forward(void **state)
{
    (void)state;
    uint8_t old[512];
    uint64_t cursor = 0;
    void *a = make(true, ""), *b = make(false, ""), *a2 = make(true, "");
    size_t n = fn_esp.export(a, &cursor, old, sizeof old, 0, 1);
    assert_int_equal(n, fn_esp.entry_bytes);
    for (unsigned i = 0; i < 5; i++) {
        struct rte_mbuf *pkt = udp_packet(7, 20);
        assert_true(fake_run(&fn_esp, a, pkt, 1));
        assert_true(receive(b, pkt));
        rte_pktmbuf_free(pkt);
    }
    assert_int_equal(fn_esp.dirty(a), 1);
    assert_int_equal(fake_move(&fn_esp, a, a2, FN_EXPORT_DIRTY, 2), n);
    assert_int_equal(fn_esp.dirty(a), 0);
    assert_int_equal(fn_esp.import(a2, old, n, 2, &fake_err), 0);
    struct rte_mbuf *pkt = udp_packet(7, 20);
    assert_true(fake_run(&fn_esp, a2, pkt, 1));
    assert_int_equal(ntohl(load32(rte_pktmbuf_mtod(pkt, uint8_t *) + 14 + 24)), 6);
    assert_true(receive(b, pkt));
    rte_pktmbuf_free(pkt);
    old[0] ^= 1;
    assert_int_equal(fn_esp.import(a2, old, n, 2, &fake_err), -EBADMSG);
    assert_int_equal(fn_esp.import(a2, old, n - 1, 2, &fake_err), -EBADMSG);
    fn_esp.destroy(a);
    fn_esp.destroy(a2);
    fn_esp.destroy(b);
}

static void
keys_that_others_may_read_are_refused(void **state)
{
    (void)state;
    write_key("a", "00112233445566778899aabbccddeeff01020304", 0644);
    assert_null(make(true, ""));
    assert_non_null(strstr(fake_err.text, "may read"));
    write_key("a", "001122", 0600);
    assert_null(make(true, ""));
    write_key("a", "xx", 0600);
    assert_null(make(true, ""));
}

// RFC 4303, A2: against an obvious window.
static void
the_window_tells_old_from_new(void **state)
{
    (void)state;
    static bool seen[20000];
    struct replay r = {.window = 100};
    uint64_t top = 0;
    srand(3);
    for (unsigned i = 0; i < 30000; i++) {
        uint64_t number = 1 + (uint64_t)(i / 3 + rand() % 250);
        bool fresh = number > top || (top - number < 100 && !seen[number]);
        assert_int_equal(replay_is_fresh(&r, number), fresh);
        if (!fresh)
            continue;
        replay_take(&r, number);
        seen[number] = true;
        top = number > top ? number : top;
    }
    struct replay wide = {.window = 64, .top = 0x1fffffff0};
    assert_int_equal(replay_number(&wide, 0xfffffff5, true), 0x1fffffff5);
    assert_int_equal(replay_number(&wide, 3, true), 0x200000003);
    wide.top = 0x200000003;
    assert_int_equal(replay_number(&wide, 0xfffffff5, true), 0x1fffffff5);
    wide.top = 3;
    assert_int_equal(replay_number(&wide, 0xfffffff5, true), 0);
}

int
main(int argc, char **argv)
{
    (void)argc;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "--file-prefix=esp%d", getpid());
    char *eal[] = {argv[0],        "--no-huge", "-m",     "64",     "--no-pci",
                   "--no-shconf",  "--no-telemetry",      "-l",     "0",
                   "--iova-mode=va", "--log-level=3", prefix};
    if (rte_eal_init(sizeof eal / sizeof eal[0], eal) < 0)
        return 77;
    pool = rte_pktmbuf_pool_create("pkts", 511, 0, PKT_PRIV_BYTES, 2176, SOCKET_ID_ANY);
    if (!pool || !mkdtemp(folder))
        return 1;
    write_key("a", "4c80cdefbb5d10da906ac73c3613a634 2e443b68\n", 0600);
    write_key("b", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 20212223", 0600);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(a_published_packet_is_genuine),
        cmocka_unit_test(a_packet_is_taken_once_and_a_forged_one_never),
        cmocka_unit_test(numbers_move_and_only_go_forward),
        cmocka_unit_test(keys_that_others_may_read_are_refused),
        cmocka_unit_test(the_window_tells_old_from_new),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    char path[64];
    for (const char *name = "ab"; *name; name++) {
        snprintf(path, sizeof path, "%s/%c", folder, *name);
        unlink(path);
    }
    rmdir(folder);
    rte_eal_cleanup();
    return rc;
}
