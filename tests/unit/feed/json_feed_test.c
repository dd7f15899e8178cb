// SPDX-License-Identifier: Apache-2.0
// JSON feeds: weather services' answers as they come, other shapes by path, and what lies.
#include "tests/unit/feed/feed.h"

static const double HOUR = 3600;

// https://open-meteo.com/en/docs: local times, and how far they are from UTC.
static const char open_meteo[] =
    "{\"latitude\":52.52,\"longitude\":13.41,\"utc_offset_seconds\":3600,\"timezone\":\"Europe/Berlin\","
    "\"hourly_units\":{\"time\":\"iso8601\",\"temperature_2m\":\"\xc2\xb0""C\"},"
    "\"hourly\":{\"time\":[\"2026-01-01T01:00\",\"2026-01-01T02:00\",\"2026-01-01T03:00\"],"
    "\"temperature_2m\":[1.5,null,3.5],\"rain\":[0,0.2,0]}}";

// https://api.met.no/weatherapi/locationforecast/2.0/documentation
static const char met_no[] =
    "{\"type\":\"Feature\",\"properties\":{\"meta\":{\"updated_at\":\"2026-01-01T00:10:00Z\"},\"timeseries\":["
    "{\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"instant\":{\"details\":{\"air_temperature\":-2.5,"
    "\"wind_speed\":4}},\"next_1_hours\":{\"summary\":{\"symbol_code\":\"rain\"},"
    "\"details\":{\"precipitation_amount\":0.4}}}},"
    "{\"time\":\"2026-01-01T01:00:00Z\",\"data\":{\"instant\":{\"details\":{\"air_temperature\":-1.5,"
    "\"wind_speed\":5}}}}]}}";

static void
open_meteo_works_as_it_comes(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_JSON);
    struct offload_feed_table t = parse(&o, open_meteo);
    assert_int_equal(t.n_columns, 2);
    assert_string_equal(t.name[0], "temperature_2m");
    assert_string_equal(t.name[1], "rain");
    assert_float_equal(at(&t, NEW_YEAR, HOUR, 0), 1.5, 1e-12);
    assert_true(isnan(at(&t, NEW_YEAR + HOUR, HOUR, 0)));
    assert_float_equal(at(&t, NEW_YEAR + HOUR, HOUR, 1), 0.2, 1e-12);
    assert_float_equal(at(&t, NEW_YEAR + 2 * HOUR, HOUR, 0), 3.5, 1e-12);
    assert_true(isnan(at(&t, NEW_YEAR + 3 * HOUR, HOUR, 0))); // known no further
    offload_feed_table_fini(&t);
}

static void
met_no_works_as_it_comes(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_JSON);
    struct offload_feed_table t = parse(&o, met_no);
    assert_int_equal(t.n_columns, 3);
    assert_string_equal(t.name[0], "air_temperature");
    assert_string_equal(t.name[2], "precipitation_amount");
    assert_float_equal(at(&t, NEW_YEAR, HOUR, 0), -2.5, 1e-12);
    assert_float_equal(at(&t, NEW_YEAR + HOUR, HOUR, 1), 5, 1e-12);
    assert_float_equal(at(&t, NEW_YEAR, HOUR, 2), 0.4, 1e-12);
    assert_true(isnan(at(&t, NEW_YEAR + HOUR, HOUR, 2)));
    offload_feed_table_fini(&t);
}

static void
other_shapes_are_found_by_path(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_JSON);
    const char *const values[] = {"p.eur"};
    o.path = "data.0.prices";
    o.time = "at";
    o.value = values;
    o.n_values = 1;
    struct offload_feed_table t =
        parse(&o, "{\"data\":[{\"prices\":[{\"at\":1767229200,\"p\":{\"eur\":\"12.5\"}},"
                  "{\"at\":1767225600000,\"p\":{\"eur\":10}}]}]}");
    assert_string_equal(t.name[0], "eur");
    assert_float_equal(at(&t, NEW_YEAR, HOUR, 0), 10, 1e-12); // sorted, and milliseconds seen
    assert_float_equal(at(&t, NEW_YEAR + HOUR, HOUR, 0), 12.5, 1e-12);
    offload_feed_table_fini(&t);

    const char *const second[] = {"1"};
    o.path = "";
    o.time = "0";
    o.value = second;
    t = parse(&o, "[[1767225600, 3], [1767229200, 4]]");
    assert_float_equal(at(&t, NEW_YEAR + HOUR, HOUR, 0), 4, 1e-12);
    offload_feed_table_fini(&t);
}

static void
an_end_makes_events(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_JSON);
    o.end = "to";
    struct offload_feed_table t =
        parse(&o, "[{\"time\":\"2026-01-01T01:00Z\",\"to\":\"2026-01-01T01:30Z\",\"guests\":200},"
                  "{\"time\":\"2026-01-01T04:00Z\",\"to\":\"2026-01-01T05:00Z\",\"guests\":50}]");
    assert_int_equal(t.n_columns, 1);
    assert_float_equal(at(&t, NEW_YEAR + HOUR, HOUR, 0), 100, 1e-9);
    assert_float_equal(at(&t, NEW_YEAR + 2 * HOUR, HOUR, 0), 0, 0);
    offload_feed_table_fini(&t);
}

static void
refused(const char *text, const char *part)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_JSON);
    assert_refused(&o, text, strlen(text), part);
}

static void
what_lies_is_refused_with_its_place(UNUSED void **state)
{
    refused("{\"hourly\":{\"time\":[\"2026-01-01T01:00\"],\"t\":[1.5", "the text ends inside a list");
    refused("<html><body>502</body></html>", "a page of HTML");
    refused("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "feed:1:1");
    refused("{\"error\":true,\"reason\":\"Daily limit exceeded\"}", "the service answers: Daily limit");
    refused("{\"hourly\":{\"time\":[\"2026-01-01T01:00\",\"soon\"],\"t\":[1,2]}}",
            "hourly.time[1]: 'soon' is no time");
    refused("{\"hourly\":{\"time\":[\"2026-01-01T01:00\",\"2026-01-01T02:00\"],\"t\":[1]}}",
            "hourly.t: 1 elements, 2 times");
    refused("{\"hourly\":{\"time\":[1767225600],\"t\":[null]}}", "no number");
    refused("{\"hourly\":{\"time\":[1767225600],\"t\":[NaN]}}", "NaN is no JSON number");
    refused("{\"hourly\":{\"time\":[1767225600],\"t\":[[1]]}}", "no column of numbers");
    refused("{\"hourly\":{\"time\":[]}}", "no times");
    refused("[]", "no rows");
    refused("17", "it is a int");
    refused("[{\"time\":1767225600,\"v\":1},{\"time\":1767229200,\"v\":\"high\"}]",
            "[1].v: 'high' is no number");
    refused("[{\"time\":1767225600,\"v\":1},3]", "[1].time: no time");
    struct offload_feed_options o = options_of(OFFLOAD_FEED_JSON);
    o.path = "nothing.here";
    assert_refused(&o, "{}", 2, "nothing.here: there is no such place");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_meteo_works_as_it_comes),
        cmocka_unit_test(met_no_works_as_it_comes),
        cmocka_unit_test(other_shapes_are_found_by_path),
        cmocka_unit_test(an_end_makes_events),
        cmocka_unit_test(what_lies_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
