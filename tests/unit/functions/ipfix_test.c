// SPDX-License-Identifier: Apache-2.0
// IPFIX messages as RFC 7011 draws them, and flows counted, told and moved, with a collector that is
// a socket of the test.
#include "tests/unit/functions/fake_fn.h"
#include "tests/unit/functions/fake_packet.h"

#include "dpdk-app/functions/ipfix.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct fn_ops fn_ipfix;

static uint64_t
get(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

static void
a_message_is_as_in_rfc_7011(void **state)
{
    (void)state;
    struct ipfix_message m;
    struct ipfix_record r = {.key = {.proto = IPPROTO_TCP,
                                     .ip_version = 4,
                                     .sport = htons(1234),
                                     .dport = htons(80),
                                     .src = {htonl(0x0a000001)},
                                     .dst = {htonl(0x0a000002)}},
                             .packets = 3,
                             .bytes = 180,
                             .start_ms = 1700000000123,
                             .end_ms = 1700000000456,
                             .reason = IPFIX_END,
                             .tcp_flags = 0x13};
    ipfix_begin(&m, 1700000001, 77, 5);
    ipfix_add_templates(&m);
    assert_true(ipfix_add(&m, &r));
    size_t n = ipfix_end(&m);
    const uint8_t *b = m.bytes;
    assert_int_equal(get(b, 2), 10); // version
    assert_int_equal(get(b + 2, 2), n);
    assert_int_equal(get(b + 4, 4), 1700000001);
    assert_int_equal(get(b + 8, 4), 77);
    assert_int_equal(get(b + 12, 4), 5);
    assert_int_equal(get(b + 16, 2), 2); // template set
    size_t templates = get(b + 18, 2);
    assert_int_equal(templates, 4 + 2 * (4 + 13 * 4));
    assert_int_equal(get(b + 20, 2), 256);
    assert_int_equal(get(b + 22, 2), 13);
    // The record is as long as its template says.
    size_t record = 0;
    for (unsigned i = 0; i < 13; i++)
        record += get(b + 24 + 4 * i + 2, 2);
    const uint8_t *set = b + 16 + templates;
    assert_int_equal(get(set, 2), 256);
    assert_int_equal(get(set + 2, 2), 4 + record);
    assert_int_equal(n, 16 + templates + 4 + record);
    assert_memory_equal(set + 4, "\x0a\0\0\1\x0a\0\0\2\x04\xd2\0\x50\6\0\3\x13", 16);
    assert_int_equal(get(set + 22, 8), 180);
    assert_int_equal(get(set + 30, 8), 3);
    assert_int_equal(get(set + 38, 8), 1700000000123);
    assert_int_equal(get(set + 46, 8), 1700000000456);
}

static void
a_message_says_when_it_is_full(void **state)
{
    (void)state;
    struct ipfix_message m;
    struct ipfix_record r = {.key = {.ip_version = 6}};
    unsigned n = 0;
    ipfix_begin(&m, 0, 0, 0);
    assert_int_equal(ipfix_end(&m), 0);
    while (ipfix_add(&m, &r))
        n++;
    assert_int_equal(n, (IPFIX_MESSAGE_BYTES - 16 - 4) / 74);
    assert_int_equal(ipfix_end(&m), 16 + 4 + n * 74);
}

// A collector on the loopback; 'params' has its port.
static int
listen_for(char *params, size_t size, const char *more)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval patience = {.tv_sec = 10};
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    snprintf(params, size, "{\"collector\":\"127.0.0.1\",\"port\":%u%s}", ntohs(at.sin_port), more);
    return fd;
}

static void
flows_are_told_when_they_end_and_from_time_to_time(void **state)
{
    (void)state;
    char params[256];
    uint8_t got[2048];
    struct fake_packet p;
    int fd = listen_for(params, sizeof params, ",\"idle_timeout_s\":10,\"active_timeout_s\":30");
    void *x = fake_fn(&fn_ipfix, NULL, params);
    assert_non_null(x);
    for (uint64_t s = 0; s < 40; s++) // one goes on, one ends at once
        assert_true(fake_run(&fn_ipfix, x,
                             fake_make(&p, PKT_INSIDE_OUT,
                                       fake_udp("10.0.0.1", "10.0.0.2", s ? 7 : 8, 53)),
                             s * fake_hz));
    assert_int_equal(fn_ipfix.entries(x), 2);
    fn_ipfix.tick(x, 39 * fake_hz, 100);
    assert_int_equal(fn_ipfix.entries(x), 1);
    fn_ipfix.control(x);
    ssize_t n = recv(fd, got, sizeof got, 0);
    assert_true(n > 16);
    const uint8_t *set = got + 16 + get(got + 18, 2);
    assert_int_equal(get(set + 2, 2), 4 + 2 * 50);
    assert_int_equal(get(set + 4 + 8, 2), 8);
    assert_int_equal(set[4 + 14], IPFIX_IDLE);
    assert_int_equal(get(set + 4 + 26, 8), 1);
    assert_int_equal(get(set + 54 + 8, 2), 7);
    assert_int_equal(set[54 + 14], IPFIX_ACTIVE);
    assert_int_equal(get(set + 54 + 26, 8), 39);
    assert_int_equal(get(set + 54 + 18, 8), 39 * 28);
    // What was told is not told again; the rest comes when the function goes.
    assert_true(fake_run(&fn_ipfix, x,
                         fake_make(&p, PKT_INSIDE_OUT, fake_udp("10.0.0.1", "10.0.0.2", 7, 53)),
                         40 * fake_hz));
    fn_ipfix.destroy(x);
    n = recv(fd, got, sizeof got, 0);
    assert_int_equal(get(got + 8, 4), 2); // sequence
    assert_int_equal(got[16 + 4 + 14], IPFIX_FORCED);
    assert_int_equal(get(got + 16 + 4 + 26, 8), 1);
    close(fd);
}

static void
flows_move_and_are_told_once(void **state)
{
    (void)state;
    char params[256];
    uint8_t got[2048], entry[80] = {7};
    struct fake_packet p;
    int fd = listen_for(params, sizeof params, "");
    void *a = fake_fn(&fn_ipfix, NULL, params), *b = fake_fn(&fn_ipfix, NULL, params);
    for (unsigned i = 0; i < 5; i++)
        assert_true(fake_run(&fn_ipfix, a,
                             fake_make(&p, PKT_OUTSIDE_IN, fake_udp("10.0.0.1", "10.0.0.2", 7, 53)),
                             i));
    assert_int_equal(fake_move(&fn_ipfix, a, b, 0, 10), fn_ipfix.entry_bytes);
    fake_run(&fn_ipfix, a,
             fake_make(&p, PKT_OUTSIDE_IN, fake_udp("10.0.0.1", "10.0.0.2", 7, 53)), 11);
    assert_int_equal(fn_ipfix.dirty(a), 1);
    assert_int_equal(fake_move(&fn_ipfix, a, b, FN_EXPORT_DIRTY, 12), fn_ipfix.entry_bytes);
    assert_int_equal(fn_ipfix.import(b, entry, 80, 12, &fake_err), -EBADMSG);
    assert_int_equal(fn_ipfix.import(b, entry, 79, 12, &fake_err), -EBADMSG);
    fn_ipfix.destroy(a); // has moved: says templates at most
    fn_ipfix.destroy(b);
    unsigned told = 0;
    while (recv(fd, got, sizeof got, told ? MSG_DONTWAIT : 0) > 0) {
        const uint8_t *set = got + 16;
        if (get(set, 2) == 2)
            set += get(set + 2, 2);
        if (set < got + get(got + 2, 2)) {
            assert_int_equal(get(set + 4 + 26, 8), 6);
            told++;
        }
    }
    assert_int_equal(told, 1);
    close(fd);
}

static void
wrong_collectors_are_refused(void **state)
{
    (void)state;
    assert_null(fake_fn(&fn_ipfix, NULL, "{\"collector\":\"collector.example\"}"));
    assert_null(fake_fn(&fn_ipfix, NULL, "{\"collector\":\"127.0.0.1\",\"port\":0}"));
    assert_null(fake_fn(&fn_ipfix, NULL, "{}"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_as_in_rfc_7011),
        cmocka_unit_test(a_message_says_when_it_is_full),
        cmocka_unit_test(flows_are_told_when_they_end_and_from_time_to_time),
        cmocka_unit_test(flows_move_and_are_told_once),
        cmocka_unit_test(wrong_collectors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
