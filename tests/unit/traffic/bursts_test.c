// SPDX-License-Identifier: Apache-2.0
// Bursts keep the mean rate, and scatter as Poisson arrivals of geometric lengths do.
#include "tests/traffic/bursts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

// Packets of 'ticks' intervals of 'due' packets each: mean, and variance over mean.
static void
scatter(double mean_pkts, double due, int ticks, double *mean, double *dispersion)
{
    struct bursts b;
    double sum = 0, squares = 0;
    bursts_init(&b, 42, mean_pkts);
    for (int t = 0; t < ticks; t++) {
        double rest = due, n = 0;
        for (unsigned pkts; (pkts = bursts_next(&b, &rest)) > 0;)
            n += pkts;
        assert_true(rest == 0);
        sum += n;
        squares += n * n;
    }
    *mean = sum / ticks;
    *dispersion = (squares / ticks - *mean * *mean) / *mean;
}

static void
the_mean_rate_is_kept(void **unused)
{
    (void)unused;
    double mean, dispersion;
    scatter(2.6, 0.5, 200000, &mean, &dispersion);
    assert_true(fabs(mean - 0.5) < 0.02);
    scatter(1, 30, 20000, &mean, &dispersion);
    assert_true(fabs(mean - 30) < 0.3 && fabs(dispersion - 1) < 0.1); // single packets: Poisson
}

// E[n^2] / E[n] of a geometric length of mean m is 2 m - 1.
static void
bursts_scatter_as_long_as_they_are(void **unused)
{
    (void)unused;
    double mean, dispersion;
    scatter(20, 100, 100000, &mean, &dispersion);
    assert_true(fabs(mean - 100) < 1);
    assert_true(fabs(dispersion - 39) < 2);
}

static void
a_seed_gives_the_same_bursts_again(void **unused)
{
    (void)unused;
    struct bursts a, b;
    bursts_init(&a, 7, 3);
    bursts_init(&b, 7, 3);
    for (int i = 0; i < 1000; i++) {
        double due_a = 5, due_b = 5;
        assert_int_equal(bursts_next(&a, &due_a), bursts_next(&b, &due_b));
        assert_true(due_a == due_b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_rate_is_kept),
        cmocka_unit_test(bursts_scatter_as_long_as_they_are),
        cmocka_unit_test(a_seed_gives_the_same_bursts_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
