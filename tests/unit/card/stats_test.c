// SPDX-License-Identifier: Apache-2.0
// The arithmetic of offload_card: what a pair of counts says, and what it must not say.

#include "plugins/card/stats.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

static const char count_text[] =
    "{\"time_ns\":5000000000,\"offered_pkts\":1000,\"offered_bytes\":100000,\"delivered_pkts\":600,"
    "\"delivered_bytes\":60000,\"cycles\":240000,\"queue_delay_ns_sum\":9000000,\"queue_delay_"
    "pkts\":900,"
    "\"delay_ns\":{\"mean\":10000,\"p50\":9000,\"p99\":40000},"
    "\"drops\":{\"admission\":100,\"queue_full\":0,\"memory\":0,\"function\":200,\"transmit\":0,"
    "\"migration\":0},"
    "\"memory_bytes\":4096,\"memory_high_bytes\":8192,\"queued_pkts\":0,\"flows\":3,\"a_later_"
    "key\":[]}";

static struct stats
count(void)
{
    struct stats stats;
    struct json_object *object = json_tokener_parse(count_text);
    assert_int_equal(stats_read(object, "stats", &stats, NULL), 0);
    json_object_put(object);
    return stats;
}

// One step of two seconds after count(), with 'served' packets of which a third is dropped by a
// function.
static struct stats
two_seconds_later(const struct stats *before)
{
    struct stats now = *before;
    now.time_ns += 2000000000;
    now.offered_pkts += 400;
    now.offered_bytes += 40000;
    now.delivered_pkts += 200;
    now.delivered_bytes += 20000;
    now.drops[3].pkts += 100;
    now.cycles += 90000;
    now.queue_delay_pkts += 300;
    now.queue_delay_ns_sum += 600000;
    return now;
}

static void
reads_what_cardd_counts(UNUSED void **state)
{
    struct stats stats = count();
    assert_int_equal(stats.time_ns, 5000000000);
    assert_int_equal(stats.memory_bytes, 4096);
    assert_int_equal(stats.n_drops, 6);
    assert_string_equal(stats.drops[3].cause, "function");
    assert_int_equal(stats.drops[3].pkts, 200);
    assert_float_equal(stats.delay_p99_ns, 40000, 0);
}

static void
missing_or_negative_counter_names_its_key(UNUSED void **state)
{
    struct stats stats = {.time_ns = 7};
    struct offload_err err = {0};
    struct json_object *object = json_tokener_parse(count_text);
    json_object_object_add(object, "cycles", json_object_new_int(-1));
    assert_int_equal(stats_read(object, "cards[0].stats", &stats, &err), -EINVAL);
    assert_string_equal(err.where, "cards[0].stats.cycles");
    json_object_object_del(object, "offered_pkts");
    assert_int_equal(stats_read(object, "cards[0].stats", &stats, &err), -EINVAL);
    assert_string_equal(err.where, "cards[0].stats.offered_pkts");
    assert_int_equal(stats.time_ns, 7);
    json_object_put(object);
}

static void
rates_are_differences_over_time(UNUSED void **state)
{
    struct stats before = count(), now = two_seconds_later(&before);
    struct stats_rates rates;
    assert_true(stats_rates_between(&before, &now, NAN, &rates));
    assert_float_equal(rates.offered_bps, 160000, 1e-6);
    assert_float_equal(rates.delivered_bps, 80000, 1e-6);
    assert_float_equal(rates.used_cycles_per_s, 45000, 1e-6);
    assert_float_equal(rates.delay_mean_s, 2e-6, 1e-12);
    assert_float_equal(rates.delay_p99_s, 40e-6, 1e-12);
}

// 300 packets were worked on (a third dropped by the ACL itself) for 90000 cycles; 400 arrived. The
// demand is what all 400 would cost: throttled use would teach the forecast the throttle.
static void
offered_cpu_prices_dropped_packets_too(UNUSED void **state)
{
    struct stats before = count(), now = two_seconds_later(&before);
    struct stats_rates rates;
    stats_rates_between(&before, &now, NAN, &rates);
    assert_float_equal(rates.cycles_per_pkt, 300, 1e-9);
    assert_float_equal(rates.offered_cycles_per_s, 60000, 1e-6);
}

// An application that is refused everything still has a demand: priced at the last known cost.
static void
starved_app_is_priced_at_its_last_known_cost(UNUSED void **state)
{
    struct stats before = count(), now = before;
    struct stats_rates rates;
    now.time_ns += 1000000000;
    now.offered_pkts += 50;
    assert_true(stats_rates_between(&before, &now, 300, &rates));
    assert_float_equal(rates.offered_cycles_per_s, 15000, 1e-6);
    assert_float_equal(rates.used_cycles_per_s, 0, 0);
    assert_true(isnan(rates.delay_mean_s));
    assert_true(stats_rates_between(&before, &now, NAN, &rates));
    assert_true(isnan(rates.offered_cycles_per_s));
}

static void
idle_app_offers_nothing(UNUSED void **state)
{
    struct stats before = count(), now = before;
    struct stats_rates rates;
    now.time_ns += 1000000000;
    assert_true(stats_rates_between(&before, &now, NAN, &rates));
    assert_float_equal(rates.offered_cycles_per_s, 0, 0);
    assert_float_equal(rates.offered_bps, 0, 0);
}

// A restart of cardd, or an application added anew, starts its counters at 0: no negative or giant
// rate.
static void
counter_that_went_back_gives_no_rate(UNUSED void **state)
{
    struct stats before = count();
    uint64_t *fields[] = {&before.time_ns,
                          &before.offered_pkts,
                          &before.offered_bytes,
                          &before.delivered_pkts,
                          &before.delivered_bytes,
                          &before.cycles,
                          &before.queue_delay_ns_sum,
                          &before.queue_delay_pkts,
                          &before.drops[3].pkts};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        before = count();
        struct stats now = two_seconds_later(&before);
        *fields[i] += 1000000000000;
        struct stats_rates rates;
        assert_false(stats_rates_between(&before, &now, 300, &rates));
        assert_true(isnan(rates.offered_bps) && isnan(rates.used_cycles_per_s) &&
                    isnan(rates.delay_mean_s));
        assert_float_equal(rates.cycles_per_pkt, 300, 0);
    }
}

static void
first_count_and_still_clock_give_no_rate(UNUSED void **state)
{
    struct stats now = count();
    struct stats_rates rates;
    assert_false(stats_rates_between(NULL, &now, NAN, &rates));
    assert_false(stats_rates_between(&now, &now, NAN, &rates));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_cardd_counts),
        cmocka_unit_test(missing_or_negative_counter_names_its_key),
        cmocka_unit_test(rates_are_differences_over_time),
        cmocka_unit_test(offered_cpu_prices_dropped_packets_too),
        cmocka_unit_test(starved_app_is_priced_at_its_last_known_cost),
        cmocka_unit_test(idle_app_offers_nothing),
        cmocka_unit_test(counter_that_went_back_gives_no_rate),
        cmocka_unit_test(first_count_and_still_clock_give_no_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
