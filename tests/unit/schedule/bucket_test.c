// SPDX-License-Identifier: Apache-2.0
// Token buckets against one that counts every cycle in long double, and the shares that lend and
// borrow.
#include "tests/unit/unit.h"

#include "lib/schedule/share.h"

#include <math.h>
#include <stdlib.h>

static const uint64_t HZ = 2600000000;

static uint64_t seed = 42;
static uint64_t
random_below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

// The slow bucket: a number of tokens, and a time.
struct oracle {
    long double level, depth, rate; // rate in tokens a cycle
    uint64_t last;
};

static void
oracle_refill(struct oracle *o, uint64_t now)
{
    o->level += o->rate * (long double)(now - o->last);
    if (o->level > o->depth)
        o->level = o->depth;
    o->last = now;
}

// Whatever is taken when, the level is the oracle's, but for the rounding of the rate (2^-33 tokens
// a cycle).
static void
level_follows_the_oracle(UNUSED void **state)
{
    static const double rates[] = {125, 6.25e5, 1.25e9, 2.6e9};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        double depth = fmax(rates[r] / 50, 12144);
        struct bucket b = {0};
        uint64_t now = 1000;
        bucket_set(&b, rates[r], HZ, depth, now);
        bucket_fill(&b);
        struct oracle o = {.level = depth,
                           .depth = depth,
                           .rate = (long double)rates[r] / (long double)HZ,
                           .last = now};
        long double cycles = 0;
        for (int i = 0; i < 20000; i++) {
            uint64_t step = random_below(HZ / 5000);
            now += step;
            cycles += (long double)step;
            bucket_refill(&b, now);
            oracle_refill(&o, now);
            uint64_t take = random_below((uint64_t)(rates[r] / 10000 * 2) + 2);
            bucket_take(&b, take);
            o.level -= (long double)take;
            long double level = (long double)b.level_q32 / 4294967296.0L;
            assert_true(fabsl(level - o.level) <= cycles / 8589934592.0L + 1);
        }
    }
}

// An hour without a packet must not wrap the product of time and rate.
static void
idle_hour_fills_to_the_depth(UNUSED void **state)
{
    struct bucket b = {0};
    bucket_set(&b, 1e11, HZ, 1 << 20, 1);
    bucket_refill(&b, 3600 * HZ);
    assert_int_equal(bucket_tokens(&b), 1 << 20);
    bucket_refill(&b, 1000 * 3600 * HZ);
    assert_int_equal(bucket_tokens(&b), 1 << 20);
}

// A counter that another core read a little earlier must not be taken for an eternity.
static void
time_that_goes_back_adds_nothing(UNUSED void **state)
{
    struct bucket b = {0};
    bucket_set(&b, 1e9, HZ, 1e6, 5000);
    bucket_refill(&b, 4000);
    assert_int_equal(bucket_tokens(&b), 0);
}

// A worker that stood still for 0.2 s owes the time: who kept to the rate loses nothing of what
// piled up. It is no licence for later bursts: trimming ends it.
static void
pause_is_caught_up_with_and_then_forgotten(UNUSED void **state)
{
    struct bucket b = {0};
    bucket_set(&b, 1e6, HZ, 20000, 1);
    bucket_catch_up(&b, 1 + HZ / 5);
    uint64_t owed = bucket_tokens(&b);
    assert_in_range(owed, 199999, 200001); // the rate is rounded
    bucket_refill(&b, 1 + HZ / 5 + HZ / 100);
    assert_int_equal(bucket_tokens(&b), owed);
    bucket_take(&b, 150000);
    bucket_trim(&b);
    assert_int_equal(bucket_tokens(&b), 20000);
    bucket_catch_up(&b, 10000 * HZ);
    assert_int_equal(bucket_tokens(&b), BUCKET_TOKENS_MAX);
}

static void
debt_is_worked_off_before_anything_is_granted(UNUSED void **state)
{
    struct bucket b = {0};
    bucket_set(&b, (double)HZ / 10, HZ, 1e6, 1);
    bucket_fill(&b);
    bucket_take(&b, 1500000);
    assert_int_equal(bucket_tokens(&b), 0);
    assert_int_equal(bucket_wait_cycles(&b, 1), 5000010);
    bucket_refill(&b, 1 + 5000000);
    assert_int_equal(bucket_tokens(&b), 0);
    bucket_refill(&b, 1 + 5000010);
    assert_int_equal(bucket_tokens(&b), 1);
}

// Changing a rate is not a gift: what was saved up stays, cut to the new depth.
static void
new_rate_grants_no_burst(UNUSED void **state)
{
    struct bucket b = {0};
    bucket_set(&b, 1e6, HZ, 20000, 1);
    bucket_fill(&b);
    bucket_set(&b, 1e9, HZ, 2e7, 2);
    assert_int_equal(bucket_tokens(&b), 20000);
    bucket_set(&b, 1e5, HZ, 2000, 3);
    assert_int_equal(bucket_tokens(&b), 2000);
    bucket_set(&b, 0, HZ, 0, 4);
    bucket_refill(&b, 100 * HZ);
    assert_int_equal(bucket_tokens(&b), 0);
}

static void
wait_is_exactly_until_the_tokens_are_there(UNUSED void **state)
{
    for (int i = 0; i < 1000; i++) {
        struct bucket b = {0};
        uint64_t want = 1 + random_below(9000);
        bucket_set(&b, (double)(1 + random_below(1000000000)), HZ, 10000, 1);
        uint64_t wait = bucket_wait_cycles(&b, want);
        struct bucket before = b;
        bucket_refill(&before, 1 + wait - 1);
        assert_true(bucket_tokens(&before) < want);
        bucket_refill(&b, 1 + wait);
        assert_true(bucket_tokens(&b) >= want);
    }
    struct bucket b = {0};
    bucket_set(&b, 1e9, HZ, 100, 1);
    assert_true(bucket_wait_cycles(&b, 101) == UINT64_MAX);
}

// -- Shares: 10 ms steps, each takes all that it may --

struct user {
    struct share share;
    uint64_t got, want; // of a step; want: demand
};

static void
share_set(struct share *s, double rate, double ceiling, bool lent)
{
    s->lent = s->capped = lent;
    bucket_set(&s->own, rate, HZ, rate / 50 + 2000, 1);
    bucket_set(&s->ceiling, ceiling, HZ, ceiling / 50 + 2000, 1);
}

static void
step_all(struct user *users, size_t n, struct bucket *pool, uint64_t now)
{
    enum { PACKET = 1000 };
    share_pool_refill(pool, now);
    for (size_t i = 0; i < n; i++)
        share_refill(&users[i].share, now);
    // Packet by packet in turn, so that borrowers meet on equal terms.
    uint64_t left[4] = {0};
    for (size_t i = 0; i < n; i++)
        left[i] = users[i].want;
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < n; i++)
            if (left[i] >= PACKET && share_credit(&users[i].share, pool) >= PACKET) {
                share_pay(&users[i].share, pool, PACKET, 2 * HZ / 100);
                users[i].got += PACKET;
                left[i] -= PACKET;
                any = true;
            }
    }
}

static void
run_shares(struct user *users, size_t n, struct bucket *pool)
{
    for (uint64_t ms = 10; ms <= 10000; ms += 10)
        step_all(users, n, pool, 1 + HZ / 1000 * ms);
}

// Reserved means reserved: never above it, though the card idles, and never lent while unused.
static void
reserved_share_is_neither_exceeded_nor_lent(UNUSED void **state)
{
    struct user users[2] = {{.want = 1000000}, {.want = 1000000}};
    struct bucket pool = {0};
    share_set(&users[0].share, 1e6, 0, false);
    share_set(&users[1].share, 2e6, 1e7, true);
    bucket_set(&pool, 9e6, HZ, 180000, 1); // a card of 10 MB/s, 1 of them reserved
    run_shares(users, 2, &pool);
    assert_in_range(users[0].got, 9900000, 10100000);
    assert_in_range(users[1].got, 89000000, 91000000);
}

// What one leaves idle, the other may use; when it comes back, its guarantee is there.
static void
lent_share_comes_back_when_wanted(UNUSED void **state)
{
    struct user users[2] = {{.want = 0}, {.want = 1000000}};
    struct bucket pool = {0};
    share_set(&users[0].share, 7e6, 1e7, true);
    share_set(&users[1].share, 3e6, 1e7, true);
    bucket_set(&pool, 1e7, HZ, 200000, 1);
    run_shares(users, 2, &pool);
    assert_in_range(users[1].got, 99000000, 101000000);
    users[0].want = 1000000;
    users[0].got = users[1].got = 0;
    for (uint64_t ms = 10010; ms <= 20000; ms += 10)
        step_all(users, 2, &pool, 1 + HZ / 1000 * ms);
    assert_in_range(users[0].got, 69000000, 72000000);
    assert_in_range(users[1].got, 28000000, 31000000);
}

static void
ceiling_bounds_what_is_borrowed(UNUSED void **state)
{
    struct user users[1] = {{.want = 1000000}};
    struct bucket pool = {0};
    share_set(&users[0].share, 1e6, 4e6, true);
    bucket_set(&pool, 1e7, HZ, 200000, 1);
    run_shares(users, 1, &pool);
    assert_in_range(users[0].got, 39500000, 40500000);
}

// Without a ceiling the pool alone is the limit: all that the other leaves.
static void
share_without_ceiling_borrows_all_that_is_idle(UNUSED void **state)
{
    struct user users[1] = {{.want = 1000000}};
    struct bucket pool = {0};
    share_set(&users[0].share, 1e6, 0, true);
    users[0].share.capped = false;
    bucket_set(&pool, 1e7, HZ, 200000, 1);
    run_shares(users, 1, &pool);
    assert_in_range(users[0].got, 99000000, 101000000);
}

// Costs known only afterwards: what neither the share nor the pool holds is the share's own debt.
static void
unforeseen_cost_becomes_own_debt(UNUSED void **state)
{
    struct share s = {0};
    struct bucket pool = {0};
    share_set(&s, 1e6, 1e7, true);
    bucket_set(&pool, 1e6, HZ, 30000, 1);
    bucket_fill(&s.own);
    bucket_fill(&pool);
    uint64_t own = bucket_tokens(&s.own), spare = bucket_tokens(&pool) - own;
    share_pay(&s, &pool, own + spare + 5000, 0);
    assert_int_equal(s.own.level_q32 >> 32, -5000);
    assert_int_equal(share_credit(&s, &pool), 0);
}

// Two that use all that flows in owe the pool nothing for long: who is left finds it open at once.
static void
debt_of_the_pool_is_forgiven_while_all_work(UNUSED void **state)
{
    struct user users[2] = {{.want = 50000}, {.want = 50000}};
    struct bucket pool = {0};
    share_set(&users[0].share, 5e6, 1e7, true);
    share_set(&users[1].share, 5e6, 1e7, true);
    bucket_set(&pool, 1e7, HZ, 200000, 1);
    bucket_take(&pool, 50000); // 5 ms
    for (uint64_t ms = 10; ms <= 5000; ms += 10)
        step_all(users, 2, &pool, 1 + HZ / 1000 * ms);
    users[0].want = 0;
    users[1] = (struct user){.share = users[1].share, .want = 100000};
    step_all(users, 2, &pool, 1 + HZ / 1000 * 5010);
    assert_in_range(users[1].got, 95000, 105000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_follows_the_oracle),
        cmocka_unit_test(idle_hour_fills_to_the_depth),
        cmocka_unit_test(time_that_goes_back_adds_nothing),
        cmocka_unit_test(pause_is_caught_up_with_and_then_forgotten),
        cmocka_unit_test(debt_is_worked_off_before_anything_is_granted),
        cmocka_unit_test(new_rate_grants_no_burst),
        cmocka_unit_test(wait_is_exactly_until_the_tokens_are_there),
        cmocka_unit_test(reserved_share_is_neither_exceeded_nor_lent),
        cmocka_unit_test(lent_share_comes_back_when_wanted),
        cmocka_unit_test(ceiling_bounds_what_is_borrowed),
        cmocka_unit_test(share_without_ceiling_borrows_all_that_is_idle),
        cmocka_unit_test(unforeseen_cost_becomes_own_debt),
        cmocka_unit_test(debt_of_the_pool_is_forgiven_while_all_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
