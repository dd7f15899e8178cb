// SPDX-License-Identifier: Apache-2.0
// The load balancer packet by packet, and Maglev's table against the paper's promises.
#include "tests/unit/functions/fake_fn.h"
#include "tests/unit/functions/fake_packet.h"

#include "dpdk-app/functions/maglev.h"

#include <offload/card_api.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

extern const struct fn_ops fn_lb;

#define THREE(a, b, c)                                                                             \
    "{\"address\":\"10.9.0.100\",\"port\":80,\"backends\":["                                       \
    "{\"address\":\"10.9.1.1\",\"port\":8080,\"state\":\"" a "\"},"                                \
    "{\"address\":\"10.9.1.2\",\"port\":8080,\"state\":\"" b "\"},"                                \
    "{\"address\":\"10.9.1.3\",\"port\":8080,\"state\":\"" c "\"}]}"

// Sends from client port 'sport' with TCP 'flags'; returns the last octet of the backend that got
// it, 0 if dropped.
static unsigned
ask(void *lb, uint16_t sport, uint8_t flags, uint64_t now)
{
    struct fake_packet p;
    struct fake_spec spec = {.src = "10.9.0.1",
                             .dst = "10.9.0.100",
                             .sport = sport,
                             .dport = 80,
                             .proto = IPPROTO_TCP,
                             .tcp_flags = flags,
                             .payload_bytes = 7};
    if (!fake_run(&fn_lb, lb, fake_make(&p, PKT_INSIDE_OUT, spec), now))
        return 0;
    assert_int_equal(fake_header_error(fake_ip(&p)), 0);
    assert_int_equal(fake_transport_error(fake_ip(&p)), 0);
    assert_int_equal(load16(fake_ip(&p) + 22), htons(8080));
    return fake_ip(&p)[19];
}

// Backend 10.9.1.'backend' answers; true: the client hears it from the virtual address.
static bool
answer(void *lb, unsigned backend, uint16_t to, uint8_t flags, uint64_t now)
{
    struct fake_packet p;
    char src[32];
    snprintf(src, sizeof src, "10.9.1.%u", backend);
    struct fake_spec spec = {.src = src,
                             .dst = "10.9.0.1",
                             .sport = 8080,
                             .dport = to,
                             .proto = IPPROTO_TCP,
                             .tcp_flags = flags};
    if (!fake_run(&fn_lb, lb, fake_make(&p, PKT_OUTSIDE_IN, spec), now))
        return false;
    assert_int_equal(fake_header_error(fake_ip(&p)), 0);
    assert_int_equal(fake_transport_error(fake_ip(&p)), 0);
    return memcmp(fake_ip(&p) + 12, (uint8_t[4]){10, 9, 0, 100}, 4) == 0 &&
           load16(fake_ip(&p) + 20) == htons(80);
}

static void
a_connection_stays_and_its_answers_bear_the_virtual_address(void **state)
{
    (void)state;
    void *lb = fake_fn(&fn_lb, NULL, THREE("up", "up", "up"));
    unsigned count[4] = {0};
    for (uint16_t port = 1000; port < 4000; port++) {
        unsigned b = ask(lb, port, 0x02, 1);
        assert_in_range(b, 1, 3);
        count[b]++;
        assert_true(answer(lb, b, port, 0x12, 2));
        assert_int_equal(ask(lb, port, 0x10, 3), b);
    }
    for (unsigned b = 1; b <= 3; b++)
        assert_in_range(count[b], 850, 1150); // 1000, five standard deviations
    assert_false(answer(lb, 1, 999, 0x12, 4));
    assert_int_equal(fake_dropped(&fn_lb, lb, "no_connection"), 1);
    assert_int_equal(fn_lb.entries(lb), 3000);
    fn_lb.destroy(lb);
}

static void
draining_keeps_connections_and_down_moves_them(void **state)
{
    (void)state;
    unsigned was[500];
    void *lb = fake_fn(&fn_lb, NULL, THREE("up", "up", "up"));
    for (unsigned i = 0; i < 500; i++)
        was[i] = ask(lb, (uint16_t)(1000 + i), 0x02, 1);
    void *drains = fake_fn(&fn_lb, lb, THREE("up", "draining", "up"));
    assert_non_null(drains);
    fn_lb.destroy(lb);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(ask(drains, (uint16_t)(1000 + i), 0x10, 2), was[i]);
    for (unsigned i = 500; i < 1000; i++)
        assert_int_not_equal(ask(drains, (uint16_t)(1000 + i), 0x02, 2), 2);
    void *down = fake_fn(&fn_lb, drains, THREE("up", "down", "up"));
    fn_lb.destroy(drains);
    for (unsigned i = 0; i < 500; i++) {
        unsigned now = ask(down, (uint16_t)(1000 + i), 0x10, 3);
        assert_int_not_equal(now, 2);
        if (was[i] != 2)
            assert_int_equal(now, was[i]);
    }
    assert_int_equal(fn_lb.entries(down), 1000);
    fn_lb.destroy(down);
}

static void
without_a_backend_packets_are_dropped_and_counted(void **state)
{
    (void)state;
    void *lb = fake_fn(&fn_lb, NULL, THREE("down", "draining", "down"));
    assert_int_equal(ask(lb, 1000, 0x02, 1), 0);
    assert_int_equal(fake_dropped(&fn_lb, lb, "no_backend"), 1);
    fn_lb.destroy(lb);
}

static void
connections_expire_by_their_state(void **state)
{
    (void)state;
    void *lb = fake_fn(&fn_lb, NULL, THREE("up", "up", "up"));
    unsigned b = ask(lb, 1000, 0x02, 0); // half open
    b = ask(lb, 1001, 0x02, 0);
    answer(lb, b, 1001, 0x12, 0);
    fn_lb.tick(lb, 241 * fake_hz, 100);
    assert_int_equal(fn_lb.entries(lb), 1);
    ask(lb, 1001, 0x11, 241 * fake_hz); // FIN
    fn_lb.tick(lb, 482 * fake_hz, 100);
    assert_int_equal(fn_lb.entries(lb), 0);
    assert_int_equal(quota_used(&fake_quota), 0);
    fn_lb.destroy(lb);
}

static void
state_moves_with_what_changed_and_lies_are_refused(void **state)
{
    (void)state;
    unsigned was[300];
    void *a = fake_fn(&fn_lb, NULL, THREE("up", "up", "up"));
    void *b = fake_fn(&fn_lb, NULL, THREE("up", "up", "down"));
    for (unsigned i = 0; i < 300; i++)
        was[i] = ask(a, (uint16_t)(1000 + i), 0x02, 1);
    assert_int_equal(fake_move(&fn_lb, a, b, 0, 2), 300 * fn_lb.entry_bytes);
    was[5] = ask(a, 5000, 0x02, 3);
    assert_int_equal(fn_lb.dirty(a), 1);
    assert_int_equal(fake_move(&fn_lb, a, b, FN_EXPORT_DIRTY, 3), fn_lb.entry_bytes);
    assert_int_equal(fn_lb.entries(b), 301);
    for (unsigned i = 0; i < 300; i++)
        if (i != 5 && was[i] != 3)
            assert_int_equal(ask(b, (uint16_t)(1000 + i), 0x10, 4), was[i]);
    uint8_t entry[32] = {1, IPPROTO_TCP};
    assert_int_equal(fn_lb.import(b, entry, 31, 5, &fake_err), -EBADMSG);
    assert_int_equal(fn_lb.import(b, entry, 32, 5, &fake_err), -EBADMSG); // port 0: another service
    entry[0] = 9;
    assert_int_equal(fn_lb.import(b, entry, 32, 5, &fake_err), -EBADMSG);
    fn_lb.destroy(a);
    fn_lb.destroy(b);
}

static void
what_comes_back_is_matched_by_backend_and_port(void **state)
{
    (void)state;
    struct offload_match match[64];
    void *lb = fake_fn(&fn_lb, NULL, THREE("up", "down", "up"));
    assert_int_equal(fn_lb.outside_match(lb, match, 64), 3);
    assert_int_equal(match[2].src[3], 3);
    assert_int_equal(match[2].sport_least, 8080);
    fn_lb.destroy(lb);
}

static void
wrong_parameters_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{\"address\":\"10.9.0\",\"backends\":[{\"address\":\"10.0.0.1\"}]}",
        "{\"address\":\"10.9.0.1\",\"backends\":[]}",
        "{\"address\":\"10.9.0.1\",\"backends\":[{\"address\":\"10.0.0.1\"},{\"address\":\"10.0.0.1\"}]}",
        "{\"address\":\"10.9.0.1\",\"backends\":[{\"address\":\"10.0.0.1\",\"port\":80}]}",
        "{\"address\":\"10.9.0.1\",\"backends\":[{\"address\":\"10.0.0.1\",\"mac\":\"2:0\"}]}",
        "{\"address\":\"10.9.0.1\",\"backends\":[{\"address\":\"10.0.0.1\",\"state\":\"sick\"}]}",
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(fake_fn(&fn_lb, NULL, wrong[i]));
}

static void
maglev_gives_equal_shares(void **state)
{
    (void)state;
    static uint8_t table[MAGLEV_SIZE];
    struct maglev_backend b[MAGLEV_BACKENDS_MAX];
    for (unsigned n = 1; n <= MAGLEV_BACKENDS_MAX; n++) {
        unsigned count[MAGLEV_BACKENDS_MAX] = {0}, least = UINT32_MAX, most = 0;
        for (unsigned i = 0; i < n; i++)
            b[i] = (struct maglev_backend){.name = 1000 + i, .weight = 1};
        maglev_fill(b, n, table);
        for (unsigned i = 0; i < MAGLEV_SIZE; i++)
            count[table[i]]++;
        for (unsigned i = 0; i < n; i++) {
            least = count[i] < least ? count[i] : least;
            most = count[i] > most ? count[i] : most;
        }
        assert_true(most - least <= 1);
    }
}

static void
maglev_gives_shares_by_weight(void **state)
{
    (void)state;
    static uint8_t table[MAGLEV_SIZE];
    struct maglev_backend b[] = {{1, 1}, {2, 2}, {3, 5}, {4, 0}};
    unsigned count[4] = {0};
    maglev_fill(b, 4, table);
    for (unsigned i = 0; i < MAGLEV_SIZE; i++)
        count[table[i]]++;
    assert_in_range(count[0], MAGLEV_SIZE / 8 - 2, MAGLEV_SIZE / 8 + 2);
    assert_in_range(count[1], MAGLEV_SIZE / 4 - 2, MAGLEV_SIZE / 4 + 2);
    assert_in_range(count[2], MAGLEV_SIZE * 5 / 8 - 2, MAGLEV_SIZE * 5 / 8 + 2);
    assert_int_equal(count[3], 0);
}

// The paper, 5.3: places that go from one living backend to another when one fails.
static void
maglev_changes_little_when_a_backend_goes(void **state)
{
    (void)state;
    static uint8_t before[MAGLEV_SIZE], after[MAGLEV_SIZE];
    struct maglev_backend b[MAGLEV_BACKENDS_MAX];
    unsigned moved = 0;
    for (unsigned i = 0; i < MAGLEV_BACKENDS_MAX; i++)
        b[i] = (struct maglev_backend){.name = 7 * i + 3, .weight = 1};
    maglev_fill(b, MAGLEV_BACKENDS_MAX, before);
    b[17].weight = 0;
    maglev_fill(b, MAGLEV_BACKENDS_MAX, after);
    for (unsigned i = 0; i < MAGLEV_SIZE; i++)
        moved += before[i] != 17 && before[i] != after[i];
    print_message("%.2f %% of the living backends' places change hands\n",
                  100.0 * moved / MAGLEV_SIZE);
    assert_true(moved < MAGLEV_SIZE * 4 / 100);
}

static void
maglev_does_not_depend_on_the_order(void **state)
{
    (void)state;
    static uint8_t a[MAGLEV_SIZE], b[MAGLEV_SIZE];
    struct maglev_backend forth[] = {{10, 1}, {20, 2}, {30, 3}}, back[] = {{30, 3}, {20, 2}, {10, 1}};
    maglev_fill(forth, 3, a);
    maglev_fill(back, 3, b);
    for (unsigned i = 0; i < MAGLEV_SIZE; i++)
        assert_int_equal(a[i], 2 - b[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_stays_and_its_answers_bear_the_virtual_address),
        cmocka_unit_test(draining_keeps_connections_and_down_moves_them),
        cmocka_unit_test(without_a_backend_packets_are_dropped_and_counted),
        cmocka_unit_test(connections_expire_by_their_state),
        cmocka_unit_test(state_moves_with_what_changed_and_lies_are_refused),
        cmocka_unit_test(what_comes_back_is_matched_by_backend_and_port),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
        cmocka_unit_test(maglev_gives_equal_shares),
        cmocka_unit_test(maglev_gives_shares_by_weight),
        cmocka_unit_test(maglev_changes_little_when_a_backend_goes),
        cmocka_unit_test(maglev_does_not_depend_on_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
