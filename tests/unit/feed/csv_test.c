// SPDX-License-Identifier: Apache-2.0
// CSV feeds, and what all formats share: times, resampling, joining with what was known before.
#include "tests/unit/feed/feed.h"

#include <errno.h>

static const double HOUR = 3600;

static void
columns_are_found_by_name(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    const char *const values[] = {"load, MW"};
    o.time = "when";
    o.value = values;
    o.n_values = 1;
    struct offload_feed_table t =
        parse(&o, "# made by hand\r\nname,when,\"load, MW\"\r\n\"say \"\"x\"\"\",2026-01-01 00:00, 4.5 \r\n"
                  "b,2026-01-01T01:00+00:00,\r\n\r\nc,2026-01-01T03:00:00.0+01:00,6");
    assert_int_equal(t.n_rows, 3);
    assert_float_equal(at(&t, NEW_YEAR, HOUR, 0), 4.5, 0);
    assert_true(isnan(at(&t, NEW_YEAR + HOUR, HOUR, 0)));
    assert_float_equal(at(&t, NEW_YEAR + 2 * HOUR, HOUR, 0), 6, 0);
    offload_feed_table_fini(&t);
}

static void
without_names_all_numbers_are_columns(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    struct offload_feed_table t = parse(&o, "time;a;city;b\n1767225600;1;Oslo;NA\n1767229200;2;Rom;5\n");
    assert_int_equal(t.n_columns, 2);
    assert_string_equal(t.name[1], "b");
    offload_feed_table_fini(&t);
    t = parse(&o, "1767225600\t7\n1767229200\t8\n");
    assert_string_equal(t.name[0], "column2");
    offload_feed_table_fini(&t);
}

static void
refused(const char *text, const char *part)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    assert_refused(&o, text, strlen(text), part);
}

static void
what_lies_is_refused_with_its_line(UNUSED void **state)
{
    refused("time,v\n1767225600,1\n1767229200,much\n", "feed:3: column 'v': 'much' is no number");
    refused("time,v\n1767225600,1\nlater,2\n", "feed:3: 'later' is no time");
    refused("time,v\n1767225600,nan\n1767229200,\n", "column 'v' holds no number in 2 rows");
    refused("time,v\n1767225600,\"1\n", "feed:2: a quoted cell does not end");
    refused("time,v\n", "no column of numbers");
    refused("time,v\n2026-02-29,1\n", "'2026-02-29' is no time");
    refused("\x1f\x8b\x08", "feed:1: byte 0x8b is not UTF-8");
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    o.time = "tme";
    assert_refused(&o, "time,v\n1,1\n", 11, "Time: there is no column 'tme'; one of 'time', 'v'");
}

static void
huge_texts_are_refused(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    size_t size = OFFLOAD_FEED_BYTES_MAX + 1;
    char *text = malloc(size);
    memset(text, '1', size);
    assert_refused(&o, text, size, "16777217 bytes");
    size_t n = 0;
    for (size_t i = 0; n + 4 < OFFLOAD_FEED_BYTES_MAX; i++, n += 4)
        memcpy(text + n, "1,1\n", 4);
    assert_refused(&o, text, n, "more than 262144 rows");
    memset(text, ',', n);
    memcpy(text, "time", 4);
    assert_refused(&o, text, n, "more than 1024 cells");
    free(text);
}

static void
times_are_read_in_their_usual_forms(UNUSED void **state)
{
    assert_float_equal(offload_feed_time("2026-01-01T00:00:00Z", "", NAN), NEW_YEAR, 0);
    assert_float_equal(offload_feed_time("2026-01-01T02:30+02:30", "", NAN), NEW_YEAR, 0);
    assert_float_equal(offload_feed_time("2025-12-31 19:00:00.25-0500", "", NAN), NEW_YEAR + 0.25, 1e-6);
    assert_float_equal(offload_feed_time("2026-01-01", "", NAN), NEW_YEAR, 0);
    assert_float_equal(offload_feed_time("2026-01-01T01:00", "", 3600), NEW_YEAR, 0);
    assert_float_equal(offload_feed_time("2026-01-01T01:00", "Europe/Berlin", NAN), NEW_YEAR, 0);
    assert_float_equal(offload_feed_time("2024-02-29", "", NAN), 1709164800, 0);
    assert_float_equal(offload_feed_time("1767225600.5", "", NAN), NEW_YEAR + 0.5, 0);
    static const char *const bad[] = {"", "now", "2026-13-01", "2026-1-1", "2026-01-01T25:00", "2026-01-01T",
                                      "2026-01-01T00:00+25:00", "2026-01-01T00:00Zulu", "0x10", "inf", "1e30"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!isnan(offload_feed_time(bad[i], "", NAN)))
            fail_msg("'%s' was taken as a time", bad[i]);
    assert_false(offload_feed_timezone_known("Mars/Base"));
    assert_true(offload_feed_timezone_known("America/New_York"));
}

// A step of the forecaster may be far longer or shorter than a row.
static void
resampling_is_the_mean_over_the_step(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    const char *text = "time,v\n2026-01-01T00:00Z,0\n2026-01-01T01:00Z,4\n2026-01-01T02:00Z,8\n";
    struct offload_feed_table t = parse(&o, text);
    assert_float_equal(at(&t, NEW_YEAR, 2 * HOUR, 0), 2, 1e-12);
    assert_float_equal(at(&t, NEW_YEAR + 0.75 * HOUR, 0.5 * HOUR, 0), 2, 1e-12);
    assert_float_equal(at(&t, NEW_YEAR + 1.5 * HOUR, 10, 0), 4, 1e-12);
    offload_feed_table_fini(&t);
    o.linear = true;
    t = parse(&o, text);
    assert_float_equal(at(&t, NEW_YEAR + 0.5 * HOUR, 0.001, 0), 2, 1e-3);
    assert_float_equal(at(&t, NEW_YEAR, HOUR, 0), 2, 1e-12);
    offload_feed_table_fini(&t);
}

// A hole is not bridged for longer than three times the usual distance of rows.
static void
a_hole_is_a_gap(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    struct offload_feed_table t = parse(&o, "time,v\n2026-01-01T00:00Z,1\n2026-01-01T01:00Z,1\n2026-01-01T02:00Z,1\n"
                                            "2026-01-02T00:00Z,2\n");
    assert_float_equal(at(&t, NEW_YEAR + 4 * HOUR, HOUR, 0), 1, 0);
    assert_true(isnan(at(&t, NEW_YEAR + 6 * HOUR, HOUR, 0)));
    assert_float_equal(at(&t, NEW_YEAR + 24 * HOUR, HOUR, 0), 2, 0);
    offload_feed_table_fini(&t);
}

static void
joining_keeps_the_past_and_prefers_the_new(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    struct offload_feed_table old = parse(&o, "time,v\n2026-01-01T00:00Z,1\n2026-01-01T01:00Z,2\n2026-01-01T02:00Z,3\n");
    struct offload_feed_table t = parse(&o, "time,v\n2026-01-01T02:00Z,30\n2026-01-01T03:00Z,40\n");
    assert_int_equal(offload_feed_join(&t, &old, NEW_YEAR + HOUR), 0);
    assert_int_equal(t.n_rows, 3);
    assert_true(isnan(at(&t, NEW_YEAR, HOUR, 0)));
    assert_float_equal(at(&t, NEW_YEAR + HOUR, HOUR, 0), 2, 0);
    assert_float_equal(at(&t, NEW_YEAR + 2 * HOUR, HOUR, 0), 30, 0);
    assert_float_equal(at(&t, NEW_YEAR + 3 * HOUR, HOUR, 0), 40, 0);
    offload_feed_table_fini(&old);
    offload_feed_table_fini(&t);
}

static void
what_is_kept_comes_back(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    o.linear = true;
    struct offload_feed_table t = parse(&o, "time,v,w\n2026-01-01T00:00Z,1,\n2026-01-01T01:00Z,,2.5\n"), back;
    char *data;
    size_t len;
    assert_int_equal(offload_feed_export(&t, &data, &len), 0);
    assert_int_equal(offload_feed_import(data, len, "kept", &back, NULL), 0);
    assert_true(back.linear && !back.events);
    assert_int_equal(back.n_columns, 2);
    assert_string_equal(back.name[1], "w");
    assert_float_equal(back.until_s, t.until_s, 0);
    for (size_t i = 0; i < t.n_rows; i++) {
        assert_float_equal(back.start_s[i], t.start_s[i], 0);
        assert_float_equal(back.end_s[i], t.end_s[i], 0);
    }
    assert_memory_equal(back.value, t.value, t.n_rows * t.n_columns * sizeof *t.value);
    offload_feed_table_fini(&back);
    offload_feed_table_fini(&t);
    free(data);
}

static void
kept_bytes_that_were_spoilt_are_refused(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_CSV);
    struct offload_feed_table t = parse(&o, "time,v\n2026-01-01T00:00Z,1\n2026-01-01T01:00Z,2\n");
    struct offload_feed_table other = {.n_rows = 77};
    char *data;
    size_t len;
    assert_int_equal(offload_feed_export(&t, &data, &len), 0);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(offload_feed_import(data, cut, "kept", &other, NULL), -EBADMSG);
    memset(data + len - 4 * sizeof(double), 0xff, sizeof(double)); // an end that is no number
    struct offload_err err = {0};
    assert_int_equal(offload_feed_import(data, len, "kept", &other, &err), -EBADMSG);
    assert_string_equal(err.text, "its rows are out of order");
    assert_int_equal(other.n_rows, 77);
    offload_feed_table_fini(&t);
    free(data);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name),
        cmocka_unit_test(without_names_all_numbers_are_columns),
        cmocka_unit_test(what_lies_is_refused_with_its_line),
        cmocka_unit_test(huge_texts_are_refused),
        cmocka_unit_test(times_are_read_in_their_usual_forms),
        cmocka_unit_test(resampling_is_the_mean_over_the_step),
        cmocka_unit_test(a_hole_is_a_gap),
        cmocka_unit_test(joining_keeps_the_past_and_prefers_the_new),
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(kept_bytes_that_were_spoilt_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
