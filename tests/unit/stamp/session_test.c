// SPDX-License-Identifier: Apache-2.0
// A sender's session and its figures, against a reflector that is two lines of arithmetic.

#include "lib/stamp/session.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

static const uint64_t BASE_NS = 1700000000000000000, MS = 1000000;
static const struct stamp_error_estimate error = {.multiplier = 1};

struct packet {
    uint8_t octets[STAMP_AUTH_BYTES];
    size_t len;
};

static int
create(void **state)
{
    struct stamp_session *session = malloc(sizeof *session);
    stamp_session_init(session, 1000 * MS, NULL);
    *state = session;
    return 0;
}

static int
destroy(void **state)
{
    free(*state);
    return 0;
}

static struct packet
send_at(struct stamp_session *session, uint64_t at_ns)
{
    struct packet packet;
    packet.len = stamp_session_send(session, BASE_NS + at_ns, at_ns, error, packet.octets);
    return packet;
}

// The answer to 'packet', which reached the reflector at T2 and left it at T3.
static struct packet
answer(const struct packet *packet, uint64_t t2_ns, uint64_t t3_ns)
{
    struct packet out;
    out.len = stamp_reflect(packet->octets, packet->len, BASE_NS + t2_ns, BASE_NS + t3_ns, error,
                            255, NULL, out.octets, sizeof out.octets);
    return out;
}

static enum stamp_verdict
receive(struct stamp_session *session, const struct packet *packet, uint64_t at_ns)
{
    return stamp_session_receive(session, packet->octets, packet->len, BASE_NS + at_ns);
}

// What a packet waited in this host before the kernel sent it is not the path's delay.
static void
delays_begin_when_the_kernel_sent(void **state)
{
    struct stamp_session *session = *state;
    struct stamp_summary sum;
    struct packet sent = send_at(session, 0);
    stamp_session_left(session, 0, BASE_NS + 2 * MS);
    stamp_session_left(session, 7, BASE_NS + 3 * MS); // never sent
    struct packet back = answer(&sent, 5 * MS, 8 * MS);
    assert_int_equal(receive(session, &back, 10 * MS), STAMP_ANSWER);
    stamp_stats_close(&session->stats, &sum);
    assert_float_equal(sum.rtt_p50_s, 0.005, 1e-9);
    assert_float_equal(sum.forward_p50_s, 0.003, 1e-9);
}

// RTT leaves out the reflector's own time, and a reflector whose clock is ahead moves only the
// one-way figures.
static void
delays_are_of_four_time_stamps(void **state)
{
    struct stamp_session *session = *state;
    struct stamp_summary sum;
    struct packet sent = send_at(session, 0);
    struct packet back = answer(&sent, 5 * MS + 100 * MS, 8 * MS + 100 * MS);
    assert_int_equal(receive(session, &back, 10 * MS), STAMP_ANSWER);
    stamp_stats_close(&session->stats, &sum);
    assert_float_equal(sum.rtt_p50_s, 0.007, 1e-9);
    assert_float_equal(sum.forward_p50_s, 0.105, 1e-9);
    assert_float_equal(sum.back_p99_s, -0.098, 1e-9);
    assert_float_equal(sum.loss_pct, 0, 0);
}

static void
unanswered_packet_is_lost_after_the_timeout(void **state)
{
    struct stamp_session *session = *state;
    struct stamp_summary sum;
    struct packet first = send_at(session, 0);
    struct packet second = send_at(session, 10 * MS);
    struct packet back = answer(&second, 11 * MS, 11 * MS);
    assert_int_equal(receive(session, &back, 12 * MS), STAMP_ANSWER);
    stamp_session_expire(session, 999 * MS);
    assert_int_equal(session->stats.lost, 0);
    stamp_session_expire(session, 1000 * MS);
    assert_int_equal(session->stats.lost, 1);
    back = answer(&first, 11 * MS, 11 * MS);
    assert_int_equal(receive(session, &back, 1100 * MS), STAMP_LATE);
    assert_int_equal(session->stats.received, 1);
    stamp_stats_close(&session->stats, &sum);
    assert_float_equal(sum.loss_pct, 50, 1e-9);
    stamp_stats_close(&session->stats, &sum);
    assert_true(isnan(sum.loss_pct) && isnan(sum.rtt_p50_s) && isnan(sum.jitter_s));
}

static void
duplicates_and_reordering_are_counted_apart(void **state)
{
    struct stamp_session *session = *state;
    struct packet sent[3], back[3];
    for (int i = 0; i < 3; i++) {
        sent[i] = send_at(session, (uint64_t)i * MS);
        back[i] = answer(&sent[i], 5 * MS, 5 * MS);
    }
    assert_int_equal(receive(session, &back[0], 6 * MS), STAMP_ANSWER);
    assert_int_equal(receive(session, &back[2], 7 * MS), STAMP_ANSWER);
    assert_int_equal(receive(session, &back[1], 8 * MS), STAMP_ANSWER);
    assert_int_equal(receive(session, &back[2], 9 * MS), STAMP_DUPLICATE);
    assert_int_equal(session->stats.received, 3);
    assert_int_equal(session->stats.reordered, 1);
    assert_int_equal(session->stats.duplicates, 1);
}

// Who does not know what we wrote cannot move our figures.
static void
forged_answers_change_nothing(void **state)
{
    struct stamp_session *session = *state;
    struct packet sent = send_at(session, 0);
    struct packet unknown = answer(&sent, MS, MS), wrong_time = unknown;
    unknown.octets[27] = 9; // a number that was not sent
    wrong_time.octets[33] ^= 1;
    assert_int_equal(receive(session, &unknown, 2 * MS), STAMP_BOGUS);
    assert_int_equal(receive(session, &wrong_time, 2 * MS), STAMP_BOGUS);
    assert_int_equal(receive(session, &sent, 2 * MS), STAMP_BOGUS); // our own packet, echoed
    assert_int_equal(stamp_session_receive(session, sent.octets, 20, BASE_NS), STAMP_BOGUS);
    assert_int_equal(session->stats.received, 0);
}

static void
numbers_wrap_without_a_loss(void **state)
{
    struct stamp_session *session = *state;
    session->next_seq = session->oldest_seq = UINT32_MAX - 1;
    for (uint64_t i = 0; i < 4; i++) {
        struct packet sent = send_at(session, i * 10 * MS),
                      back = answer(&sent, i * 10 * MS + MS, i * 10 * MS + MS);
        assert_int_equal(receive(session, &back, i * 10 * MS + 2 * MS), STAMP_ANSWER);
    }
    stamp_session_expire(session, 5000 * MS);
    assert_int_equal(session->stats.lost, 0);
    assert_int_equal(session->stats.reordered, 0);
    assert_int_equal(session->stats.received, 4);
}

// More under way than the window holds: the oldest is given up, never forgotten.
static void
full_window_counts_its_oldest_as_lost(void **state)
{
    struct stamp_session *session = *state;
    for (uint64_t i = 0; i < STAMP_WINDOW + 3; i++)
        send_at(session, i);
    assert_int_equal(session->stats.lost, 3);
    stamp_session_expire(session, 5000 * MS);
    assert_int_equal(session->stats.lost, STAMP_WINDOW + 3);
}

// RFC 3550, A.8, by hand: transit times 10, 12, 9, 9 ms give J = 2/16, then + (3 - J)/16, then + (0
// - J)/16.
static void
jitter_is_rfc_3550s(UNUSED void **state)
{
    const int64_t transit_ms[] = {10, 12, 9, 9};
    struct stamp_stats *stats = malloc(sizeof *stats);
    struct stamp_summary sum;
    stamp_stats_init(stats);
    for (size_t i = 0; i < 4; i++)
        stamp_stats_answer(stats, 0, transit_ms[i] * (int64_t)MS, 0);
    double j = 2 / 16.0;
    j += (3 - j) / 16;
    j += (0 - j) / 16;
    stamp_stats_close(stats, &sum);
    assert_float_equal(sum.jitter_s, j / 1000, 1e-12);
    free(stats);
}

static int
compare(const void *a, const void *b)
{
    return *(const int64_t *)a > *(const int64_t *)b ? 1 : -1;
}

// Nearest rank: the least value that at least q of all do not exceed, found by counting.
static void
quantile_is_the_nearest_rank(UNUSED void **state)
{
    for (uint32_t n = 1; n < 120; n++) {
        int64_t ns[120], sorted[120];
        for (uint32_t i = 0; i < n; i++)
            ns[i] = sorted[i] = (int64_t)(i * 7919 % 127) - 60;
        qsort(sorted, n, sizeof *sorted, compare);
        for (int percent = 1; percent <= 100; percent++) {
            uint32_t i = 0;
            while ((i + 1) * 100 < (uint32_t)percent * n)
                i++;
            assert_int_equal(stamp_quantile(ns, n, percent / 100.0), sorted[i]);
        }
    }
}

// An interval with more answers than are kept still tells of its end as of its beginning.
static void
crowded_interval_is_thinned_evenly(UNUSED void **state)
{
    struct stamp_stats *stats = malloc(sizeof *stats);
    struct stamp_summary sum;
    stamp_stats_init(stats);
    for (int64_t i = 0; i < 100000; i++)
        stamp_stats_answer(stats, i * 1000, 0, 0);
    stamp_stats_close(stats, &sum);
    assert_float_equal(sum.rtt_p50_s, 0.05, 0.001);
    assert_float_equal(sum.rtt_p99_s, 0.099, 0.001);
    free(stats);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(delays_are_of_four_time_stamps, create, destroy),
        cmocka_unit_test_setup_teardown(delays_begin_when_the_kernel_sent, create, destroy),
        cmocka_unit_test_setup_teardown(unanswered_packet_is_lost_after_the_timeout, create,
                                        destroy),
        cmocka_unit_test_setup_teardown(duplicates_and_reordering_are_counted_apart, create,
                                        destroy),
        cmocka_unit_test_setup_teardown(forged_answers_change_nothing, create, destroy),
        cmocka_unit_test_setup_teardown(numbers_wrap_without_a_loss, create, destroy),
        cmocka_unit_test_setup_teardown(full_window_counts_its_oldest_as_lost, create, destroy),
        cmocka_unit_test(jitter_is_rfc_3550s),
        cmocka_unit_test(quantile_is_the_nearest_rank),
        cmocka_unit_test(crowded_interval_is_thinned_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
