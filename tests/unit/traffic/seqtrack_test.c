// SPDX-License-Identifier: Apache-2.0
// The sequence tracker and the delay buckets: a migration is judged by what they count.
#include "tests/traffic/delays.h"
#include "tests/traffic/seqtrack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
in_order_is_neither_lost_nor_late(void **state)
{
    (void)state;
    struct seqtrack track = {0};
    for (uint64_t seq = 0; seq < 3 * SEQTRACK_WINDOW; seq++)
        assert_int_equal(seqtrack_take(&track, seq, NULL), SEQTRACK_NEXT);
    assert_int_equal(seqtrack_lost(&track, 3 * SEQTRACK_WINDOW), 0);
    assert_int_equal(track.reordered, 0);
}

static void
gap_counts_as_lost_until_it_comes_late(void **state)
{
    (void)state;
    struct seqtrack track = {0};
    uint64_t missing;
    seqtrack_take(&track, 0, NULL);
    assert_int_equal(seqtrack_take(&track, 3, &missing), SEQTRACK_GAP);
    assert_int_equal(missing, 2);
    assert_int_equal(seqtrack_lost(&track, 4), 2);
    assert_int_equal(seqtrack_take(&track, 1, NULL), SEQTRACK_LATE);
    assert_int_equal(seqtrack_take(&track, 1, NULL), SEQTRACK_DUPLICATE);
    assert_int_equal(seqtrack_lost(&track, 4), 1);
    assert_int_equal(track.reordered, 1);
    assert_int_equal(track.duplicated, 1);
}

// What was sent at the end and never came shows only against the sender's count.
static void
lost_tail_is_seen_by_what_was_sent(void **state)
{
    (void)state;
    struct seqtrack track = {0};
    seqtrack_take(&track, 0, NULL);
    assert_int_equal(seqtrack_lost(&track, 10), 9);
}

// Against a plain table of all numbers, over shuffled streams with losses and repeats.
static void
agrees_with_a_table_of_all_numbers(void **state)
{
    (void)state;
    enum { N = 20000 };
    static bool seen[N];
    srand(1);
    for (int round = 0; round < 5; round++) {
        struct seqtrack track = {0};
        uint64_t received = 0, duplicated = 0, reordered = 0, highest = 0;
        bool any = false;
        memset(seen, 0, sizeof seen);
        for (uint64_t i = 0; i < N; i++) {
            if (rand() % 10 == 0)
                continue;
            uint64_t back = rand() % 5 == 0 ? (uint64_t)(rand() % 300) : 0,
                     seq = i > back ? i - back : i;
            if (seen[seq])
                duplicated++;
            else
                received++, reordered += any && seq < highest;
            seen[seq] = true;
            highest = !any || seq > highest ? seq : highest;
            any = true;
            seqtrack_take(&track, seq, NULL);
        }
        assert_int_equal(track.received, received);
        assert_int_equal(track.duplicated, duplicated);
        assert_int_equal(track.reordered, reordered);
        assert_int_equal(seqtrack_lost(&track, N), N - received);
    }
}

// A bucket's upper edge is above the value and at most an eighth higher.
static void
quantile_is_at_most_an_eighth_high(void **state)
{
    (void)state;
    for (uint64_t ns = 2000; ns < UINT64_C(10000000000); ns = ns * 5 / 3) {
        struct delays delays = {0};
        delays_add(&delays, ns);
        uint64_t p50 = delays_quantile(&delays, 0.5);
        assert_true(p50 > ns && p50 <= ns + ns / 8 + 1);
    }
    struct delays two = {0};
    for (int i = 0; i < 99; i++)
        delays_add(&two, 5000);
    delays_add(&two, 50000000);
    assert_true(delays_quantile(&two, 0.5) < 6000);
    assert_true(delays_quantile(&two, 0.999) > 50000000);
    struct delays none = {0};
    assert_int_equal(delays_quantile(&none, 0.5), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_is_neither_lost_nor_late),
        cmocka_unit_test(gap_counts_as_lost_until_it_comes_late),
        cmocka_unit_test(lost_tail_is_seen_by_what_was_sent),
        cmocka_unit_test(agrees_with_a_table_of_all_numbers),
        cmocka_unit_test(quantile_is_at_most_an_eighth_high),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
