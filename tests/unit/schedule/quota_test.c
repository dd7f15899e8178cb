// SPDX-License-Identifier: Apache-2.0
// Memory quotas and delay histograms against sums and sorted lists.
#include "tests/unit/unit.h"

#include "lib/schedule/histogram.h"
#include "lib/schedule/quota.h"

#include <stdlib.h>

static uint64_t seed = 3;
static uint64_t
random_below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static void
use_never_exceeds_the_limit(UNUSED void **state)
{
    struct quota q = {.limit = 100000};
    uint64_t held[64] = {0}, sum = 0, high = 0, refused = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t *slot = &held[random_below(64)];
        if (*slot) {
            quota_release(&q, *slot);
            sum -= *slot;
            *slot = 0;
        } else {
            uint64_t want = 1 + random_below(9000);
            bool fits = sum + want <= q.limit;
            assert_int_equal(quota_charge(&q, want), fits);
            *slot = fits ? want : 0;
            sum += *slot;
            refused += !fits;
        }
        high = sum > high ? sum : high;
        assert_int_equal(quota_used(&q), sum);
    }
    assert_int_equal(q.high, high);
    assert_int_equal(q.refused, refused);
    assert_true(refused > 0);
}

// Shrinking below the use takes nothing away and admits nothing until enough has gone.
static void
shrunk_quota_waits(UNUSED void **state)
{
    struct quota q = {.limit = 1000};
    assert_true(quota_charge(&q, 900));
    q.limit = 500;
    assert_false(quota_charge(&q, 1));
    assert_int_equal(quota_used(&q), 900);
    quota_release(&q, 450);
    assert_true(quota_charge(&q, 50));
    assert_false(quota_charge(&q, UINT64_MAX));
}

// What waits with two holders and what stands in tables share one limit.
static void
packets_and_entries_share_the_limit(UNUSED void **state)
{
    struct quota q = {.limit = 1000};
    quota_admit(&q, 0);
    quota_admit(&q, 1);
    assert_true(quota_hold(&q, 0, 400));
    assert_true(quota_hold(&q, 1, 300));
    assert_true(quota_charge(&q, 300));
    assert_int_equal(quota_used(&q), 1000);
    assert_false(quota_hold(&q, 1, 1));
    assert_false(quota_charge(&q, 1));
    quota_let_go(&q, 0, 400);
    assert_false(quota_hold(&q, 1, 401));
    assert_true(quota_charge(&q, 400));
    quota_release(&q, 700);
    assert_int_equal(quota_used(&q), 300);
    assert_int_equal(q.high, 1000);
    assert_int_equal(q.refused, 3);
}

static int
by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// A quantile is that of the sorted values, at most 1/16 above it (a bucket's width).
static void
quantiles_are_those_of_the_sorted_values(UNUSED void **state)
{
    enum { N = 20000 };
    static const double qs[] = {0.01, 0.5, 0.9, 0.99, 1};
    struct histogram *h = calloc(1, sizeof *h);
    uint64_t *values = malloc(N * sizeof *values), sum = 0;
    for (int i = 0; i < N; i++) {
        values[i] = random_below(1u << 20) << random_below(20);
        sum += values[i];
        histogram_add(h, values[i], 1);
    }
    qsort(values, N, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof qs / sizeof qs[0]; i++) {
        uint64_t exact = values[(size_t)(qs[i] * N) - 1], got = histogram_quantile(h, qs[i]);
        assert_in_range(got, exact, exact + exact / 16);
    }
    assert_int_equal(histogram_mean(h), sum / N);
    free(values);
    free(h);
}

static void
buckets_cover_every_value_once(UNUSED void **state)
{
    for (unsigned b = 0; b + 1 < HISTOGRAM_BUCKETS; b++) {
        assert_int_equal(histogram_bucket(histogram_top(b)), b);
        assert_int_equal(histogram_bucket(histogram_top(b) + 1), b + 1);
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_quantile(&(struct histogram){0}, 0.5), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_never_exceeds_the_limit),
        cmocka_unit_test(shrunk_quota_waits),
        cmocka_unit_test(packets_and_entries_share_the_limit),
        cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
        cmocka_unit_test(buckets_cover_every_value_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
