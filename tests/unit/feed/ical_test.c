// SPDX-License-Identifier: Apache-2.0
// Calendars: when an event is, by RFC 5545's own rules, and what a calendar must not be able to do.
#include "tests/unit/feed/feed.h"

#include <stdio.h>

#define CALENDAR(events) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t\r\n" events "END:VCALENDAR\r\n"
#define EVENT(lines)     "BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Backup\r\n" lines "END:VEVENT\r\n"

static const double DAY = 86400, HOUR = 3600;

// Share of an hour, the hour being that of 'day' of January at 'hour' UTC.
static double
hour_of(const struct offload_feed_table *t, int day, int hour)
{
    return at(t, NEW_YEAR + (day - 1) * DAY + hour * HOUR, HOUR, 0);
}

static void
an_event_counts_by_its_share_of_the_step(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART:20260105T103000Z\r\nDTEND:20260105T114500Z\r\n")));
    assert_float_equal(hour_of(&t, 5, 9), 0, 0);
    assert_float_equal(hour_of(&t, 5, 10), 0.5, 1e-12);
    assert_float_equal(hour_of(&t, 5, 11), 0.75, 1e-12);
    assert_float_equal(hour_of(&t, 5, 12), 0, 0);
    // Outside of the span nothing is known, which is not the same as nothing happening.
    assert_true(isnan(at(&t, NEW_YEAR - 2 * HOUR, HOUR, 0)));
    offload_feed_table_fini(&t);
}

// Two things at a time are no more than busy.
static void
overlapping_events_are_one(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART:20260105T100000Z\r\nDURATION:PT1H\r\n")
                               EVENT("DTSTART:20260105T103000Z\r\nDURATION:PT1H\r\n")));
    assert_float_equal(hour_of(&t, 5, 10), 1, 1e-12);
    assert_float_equal(hour_of(&t, 5, 11), 0.5, 1e-12);
    offload_feed_table_fini(&t);
}

// Weekdays at 9, but not on the 7th; on the 8th it is at 14 instead, on the 9th it is called off.
static void
recurrence_obeys_its_exceptions(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t = parse(
        &o,
        CALENDAR(EVENT("DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\n"
                       "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\r\nEXDATE:20260107T090000Z\r\n"
                       "RDATE:20260110T090000Z\r\n")
                     EVENT("RECURRENCE-ID:20260108T090000Z\r\nDTSTART:20260108T140000Z\r\n"
                           "DTEND:20260108T150000Z\r\n")
                         EVENT("RECURRENCE-ID:20260109T090000Z\r\nDTSTART:20260109T090000Z\r\n"
                               "DTEND:20260109T100000Z\r\nSTATUS:CANCELLED\r\n")));
    assert_float_equal(hour_of(&t, 5, 9), 1, 0);
    assert_float_equal(hour_of(&t, 6, 9), 1, 0);
    assert_float_equal(hour_of(&t, 7, 9), 0, 0);
    assert_float_equal(hour_of(&t, 8, 9), 0, 0);
    assert_float_equal(hour_of(&t, 8, 14), 1, 0);
    assert_float_equal(hour_of(&t, 9, 9), 0, 0);
    assert_float_equal(hour_of(&t, 10, 9), 1, 0); // the date given besides
    assert_float_equal(hour_of(&t, 11, 9), 0, 0);
    assert_float_equal(hour_of(&t, 12, 9), 1, 0);
    offload_feed_table_fini(&t);
}

static void
count_and_until_end_a_rule(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART:20260105T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=3\r\n")
                               EVENT("DTSTART:20260105T120000Z\r\nDURATION:PT1H\r\n"
                                     "RRULE:FREQ=DAILY;UNTIL=20260106T120000Z\r\n")));
    assert_float_equal(hour_of(&t, 7, 9), 1, 0);
    assert_float_equal(hour_of(&t, 8, 9), 0, 0);
    assert_float_equal(hour_of(&t, 6, 12), 1, 0);
    assert_float_equal(hour_of(&t, 7, 12), 0, 0);
    offload_feed_table_fini(&t);
}

// 9 o'clock in Berlin is 8 UTC in winter and 7 in summer, and the rule follows the clock on the wall.
static void
zones_follow_the_wall_clock(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART;TZID=Europe/Berlin:20260105T090000\r\nDURATION:PT1H\r\n"
                                 "RRULE:FREQ=DAILY\r\n")));
    assert_int_equal(t.n_skipped, 0);
    assert_float_equal(hour_of(&t, 6, 8), 1, 0);
    assert_float_equal(hour_of(&t, 6, 9), 0, 0);
    double july = NEW_YEAR + (31 + 28 + 31 + 30 + 31 + 30) * DAY;
    assert_float_equal(at(&t, july + 7 * HOUR, HOUR, 0), 1, 0);
    assert_float_equal(at(&t, july + 8 * HOUR, HOUR, 0), 0, 0);
    offload_feed_table_fini(&t);
}

static void
a_calendars_own_zone_is_used(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t = parse(
        &o, CALENDAR("BEGIN:VTIMEZONE\r\nTZID:Plant\r\nBEGIN:STANDARD\r\nDTSTART:20000101T000000\r\n"
                     "TZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" EVENT(
                         "DTSTART;TZID=Plant:20260105T120000\r\nDURATION:PT1H\r\n")));
    assert_float_equal(hour_of(&t, 5, 9), 1, 0);
    offload_feed_table_fini(&t);
}

// A date is a day where the user is, also when the clocks change: March 29 has 23 hours in Berlin.
static void
all_day_events_are_days_of_the_given_zone(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    o.timezone = "Europe/Berlin";
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART;VALUE=DATE:20260105\r\nDTEND;VALUE=DATE:20260106\r\n")
                               EVENT("DTSTART;VALUE=DATE:20260329\r\n")));
    assert_float_equal(hour_of(&t, 4, 22), 0, 0);
    assert_float_equal(hour_of(&t, 4, 23), 1, 0);
    assert_float_equal(hour_of(&t, 5, 22), 1, 0);
    assert_float_equal(hour_of(&t, 5, 23), 0, 0);
    double spring = NEW_YEAR + (31 + 28 + 28) * DAY; // March 29, 0 UTC
    assert_float_equal(at(&t, spring - HOUR, HOUR, 0), 1, 0);
    assert_float_equal(at(&t, spring + 21 * HOUR, HOUR, 0), 1, 0);
    assert_float_equal(at(&t, spring + 22 * HOUR, HOUR, 0), 0, 0);
    offload_feed_table_fini(&t);
}

static void
patterns_make_columns(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    const char *const patterns[] = {"Back*", "Load*"};
    o.value = patterns;
    o.n_values = 2;
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART:20260105T090000Z\r\nDURATION:PT1H\r\n")));
    assert_int_equal(t.n_columns, 2);
    assert_float_equal(at(&t, NEW_YEAR + 4 * DAY + 9 * HOUR, HOUR, 0), 1, 0);
    assert_float_equal(at(&t, NEW_YEAR + 4 * DAY + 9 * HOUR, HOUR, 1), 0, 0);
    offload_feed_table_fini(&t);
}

// One bad event must not cost the others.
static void
what_cannot_be_understood_is_counted(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART:yesterday\r\nDURATION:PT1H\r\n")
                               EVENT("DTSTART;TZID=Mars/Base:20260105T080000\r\nDURATION:PT1H\r\n")
                                   EVENT("DTSTART:20260105T090000Z\r\nDURATION:PT1H\r\n")));
    assert_int_equal(t.n_skipped, 2);
    assert_non_null(strstr(t.skipped, "event 'Backup'"));
    assert_float_equal(hour_of(&t, 5, 8), 0, 0);
    assert_float_equal(hour_of(&t, 5, 9), 1, 0);
    offload_feed_table_fini(&t);
}

static void
an_endless_rule_costs_a_bounded_effort(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t =
        parse(&o, CALENDAR(EVENT("DTSTART:19700101T000000Z\r\nDURATION:PT1S\r\nRRULE:FREQ=SECONDLY\r\n")
                               EVENT("DTSTART:20260105T090000Z\r\nDURATION:PT1H\r\n"
                                     "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n")));
    assert_int_equal(t.n_skipped, 2); // there is no February 30
    assert_non_null(strstr(t.skipped, "200000"));
    offload_feed_table_fini(&t);
}

static void
hostile_calendars_are_refused(UNUSED void **state)
{
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    const char *cut = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:2026";
    assert_refused(&o, cut, strlen(cut), "the calendar is cut");
    assert_refused(&o, "", 0, "it is empty");
    assert_refused(&o, "{\"time\": []}", 12, "this is no calendar");
    assert_refused(&o, "<!DOCTYPE html><html>", 21, "a page of HTML");
    assert_refused(&o, "BEGIN:VCALENDAR\nSUMMARY:\xff\n", 26, "feed:2: byte 0xff is not UTF-8");
    assert_refused(&o, "BEGIN:VCALENDAR\0", 16, "a byte 0");

    char *deep = malloc(16 * 100000);
    size_t n = 0;
    for (int i = 0; i < 90000; i++)
        n += (size_t)sprintf(deep + n, "BEGIN:VCALENDAR\n");
    assert_refused(&o, deep, n, "nested too deep");
    free(deep);

    const char *zone = CALENDAR("BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
                                "TZOFFSETFROM:+0000\r\nTZOFFSETTO:+0000\r\nRRULE:FREQ=SECONDLY\r\n"
                                "END:STANDARD\r\nEND:VTIMEZONE\r\n");
    assert_refused(&o, zone, strlen(zone), "more than once a year");
}

// The text has no 0 byte at its end; a sanitizer sees who reads on.
static void
the_text_ends_where_it_ends(UNUSED void **state)
{
    static const char text[] = CALENDAR("") "\r\n \r\n";
    struct offload_feed_options o = options_of(OFFLOAD_FEED_ICAL);
    struct offload_feed_table t;
    struct offload_err err;
    size_t len = sizeof text - 1;
    char *exact = malloc(len);
    memcpy(exact, text, len);
    assert_int_equal(offload_feed_parse(&o, exact, len, &t, &err), 0);
    free(exact);
    assert_int_equal(t.n_rows, 0);
    offload_feed_table_fini(&t);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_counts_by_its_share_of_the_step),
        cmocka_unit_test(overlapping_events_are_one),
        cmocka_unit_test(recurrence_obeys_its_exceptions),
        cmocka_unit_test(count_and_until_end_a_rule),
        cmocka_unit_test(zones_follow_the_wall_clock),
        cmocka_unit_test(a_calendars_own_zone_is_used),
        cmocka_unit_test(all_day_events_are_days_of_the_given_zone),
        cmocka_unit_test(patterns_make_columns),
        cmocka_unit_test(what_cannot_be_understood_is_counted),
        cmocka_unit_test(an_endless_rule_costs_a_bounded_effort),
        cmocka_unit_test(hostile_calendars_are_refused),
        cmocka_unit_test(the_text_ends_where_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
