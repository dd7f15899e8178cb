// SPDX-License-Identifier: Apache-2.0
// text -> [ical] -> table.  RFC 5545 through libical: recurrences with their exceptions and moved
// instances, time zones of the calendar's own and of the system, all-day events.  libical trusts
// what it reads; so depth, number and rules of components are checked before they cost anything.

#include "lib/feed/build.h"

#include <libical/ical.h>

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEPTH_MAX = 5,
    COMPONENTS_MAX = 50000,
    ZONES_MAX = 1000,         // VTIMEZONE with its STANDARD and DAYLIGHT
    LINES_MAX = 1000000,
    LOOKS_MAX = 200000,       // at occurrences of one rule, from its DTSTART on
    LOOKS_ALL_MAX = 1000000,  // of all rules
    RULES_MAX = 64,           // RRULE or RDATE lines of one event
};

struct moved { // an instance with a RECURRENCE-ID: its place in the rule is taken
    const char *uid;
    time_t at;
};

struct calendar {
    struct build build;
    icaltimezone *zone; // of times that name none
    struct moved *moved;
    size_t n_moved;
    size_t looks;
};

// ---- Before libical ----

static bool
line_is(const char *line, size_t len, const char *what)
{
    size_t n = strlen(what);
    return len >= n && strncasecmp(line, what, n) == 0;
}

static bool
is_blank(const char *line, size_t len)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", line[i]))
        i++;
    return i == len;
}

static int __attribute__((format(printf, 5, 6)))
refuse(const struct offload_feed_options *options, size_t line, struct offload_err *err,
       const char *expected, const char *fmt, ...)
{
    char where[160], what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%.140s:%zu", options->name, line);
    return offload_err_set(err, -EINVAL, where, expected, "%s", what);
}

// Each BEGIN has its END, nothing is deep or endless, and the text was not cut.
static int
check_frame(const struct offload_feed_options *options, const char *text, size_t len,
            struct offload_err *err)
{
    size_t depth = 0, components = 0, zones = 0, line = 0;
    for (const char *at = text, *end = text + len; at < end;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        next = next ? next + 1 : end;
        size_t n = (size_t)(next - at);
        line++;
        if (depth == 0 && !is_blank(at, n) && !line_is(at, n, "BEGIN:VCALENDAR"))
            return refuse(options, line, err, "BEGIN:VCALENDAR", "this is no calendar");
        if (line_is(at, n, "BEGIN:")) {
            depth++;
            components++;
            zones += line_is(at, n, "BEGIN:VTIMEZONE") || line_is(at, n, "BEGIN:STANDARD") ||
                     line_is(at, n, "BEGIN:DAYLIGHT");
        } else if (line_is(at, n, "END:")) {
            depth--;
        }
        if (depth > DEPTH_MAX)
            return refuse(options, line, err, "at most 5", "components are nested too deep");
        if (components > COMPONENTS_MAX || zones > ZONES_MAX || line > LINES_MAX)
            return refuse(options, line, err, "50000 components, 1000 of zones, a million lines",
                          "the calendar is too long");
        at = next;
    }
    if (depth)
        return refuse(options, line, err, "END:VCALENDAR", "the calendar is cut");
    return 0;
}

// A zone's changes are worked out over centuries: once a year, at one time of day.
static bool
zone_rule_is_sane(icalcomponent *change)
{
    for (icalproperty *p = icalcomponent_get_first_property(change, ICAL_RRULE_PROPERTY); p;
         p = icalcomponent_get_next_property(change, ICAL_RRULE_PROPERTY)) {
        struct icalrecurrencetype rule = icalproperty_get_rrule(p);
        if (rule.freq != ICAL_YEARLY_RECURRENCE ||
            rule.by_hour[0] != ICAL_RECURRENCE_ARRAY_MAX ||
            rule.by_minute[0] != ICAL_RECURRENCE_ARRAY_MAX ||
            rule.by_second[0] != ICAL_RECURRENCE_ARRAY_MAX ||
            rule.by_year_day[0] != ICAL_RECURRENCE_ARRAY_MAX ||
            rule.by_week_no[0] != ICAL_RECURRENCE_ARRAY_MAX)
            return false;
    }
    return true;
}

static int
check_zones(const struct offload_feed_options *options, icalcomponent *calendar,
            struct offload_err *err)
{
    for (icalcomponent *zone = icalcomponent_get_first_component(calendar, ICAL_VTIMEZONE_COMPONENT);
         zone; zone = icalcomponent_get_next_component(calendar, ICAL_VTIMEZONE_COMPONENT))
        for (icalcomponent *c = icalcomponent_get_first_component(zone, ICAL_ANY_COMPONENT); c;
             c = icalcomponent_get_next_component(zone, ICAL_ANY_COMPONENT))
            if (!zone_rule_is_sane(c))
                return offload_err_set(err, -EINVAL, options->name, "rules with FREQ=YEARLY",
                                       "a VTIMEZONE changes more than once a year");
    return 0;
}

// ---- One event ----

static const char *
summary_of(icalcomponent *event)
{
    const char *summary = icalcomponent_get_summary(event);
    return summary ? summary : "";
}

static void __attribute__((format(printf, 3, 4)))
skip(struct calendar *c, icalcomponent *event, const char *fmt, ...)
{
    char name[48], why[120];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    shown(name, sizeof name, summary_of(event), strlen(summary_of(event)));
    build_skip(&c->build, "event '%s': %s", name, why);
}

static time_t
as_time(const struct calendar *c, struct icaltimetype t)
{
    icaltimezone *own = icaltime_is_utc(t) ? icaltimezone_get_utc_timezone() : (icaltimezone *)t.zone;
    t.is_date = 0; // a date's day starts at midnight
    return icaltime_as_timet_with_zone(t, own ? own : c->zone);
}

// A time whose TZID nobody knows would be hours off.
static bool
names_unknown_zone(icalcomponent *event, icalproperty_kind kind)
{
    icalproperty *p = icalcomponent_get_first_property(event, kind);
    icalparameter *tzid = p ? icalproperty_get_first_parameter(p, ICAL_TZID_PARAMETER) : NULL;
    if (!tzid)
        return false;
    struct icaltimetype t = icalproperty_get_datetime_with_component(p, event);
    return !icaltime_is_date(t) && !icaltime_is_utc(t) && !t.zone;
}

// How long an instance lasts in s; 0: it says nothing of that. All-day events count days, since
// one of them may have 23 hours.
static time_t
length_of(const struct calendar *c, icalcomponent *event, struct icaltimetype start, int *days)
{
    icalproperty *end = icalcomponent_get_first_property(event, ICAL_DTEND_PROPERTY);
    icalproperty *lasts = icalcomponent_get_first_property(event, ICAL_DURATION_PROPERTY);
    *days = 0;
    if (end) {
        struct icaltimetype t = icalproperty_get_datetime_with_component(end, event);
        time_t s = icaltime_is_null_time(t) ? 0 : as_time(c, t) - as_time(c, start);
        if (icaltime_is_date(start))
            *days = (int)lround((double)s / 86400);
        return s > 0 ? s : 0;
    }
    if (lasts) {
        int s = icaldurationtype_as_int(icalproperty_get_duration(lasts));
        return s > 0 ? s : 0;
    }
    *days = icaltime_is_date(start);
    return *days ? 86400 : 0;
}

static bool
is_excluded(const struct calendar *c, icalcomponent *event, struct icaltimetype at)
{
    time_t time = as_time(c, at);
    for (icalproperty *p = icalcomponent_get_first_property(event, ICAL_EXDATE_PROPERTY); p;
         p = icalcomponent_get_next_property(event, ICAL_EXDATE_PROPERTY)) {
        struct icaltimetype except = icalproperty_get_datetime_with_component(p, event);
        if (icaltime_is_date(except) ? icaltime_compare_date_only(except, at) == 0
                                     : as_time(c, except) == time)
            return true;
    }
    return false;
}

static int
compare_moved(const void *a, const void *b)
{
    const struct moved *x = a, *y = b;
    int order = strcmp(x->uid, y->uid);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool
is_moved(const struct calendar *c, icalcomponent *event, time_t at)
{
    const char *uid = icalcomponent_get_uid(event);
    struct moved key = {uid ? uid : "", at};
    return c->n_moved && bsearch(&key, c->moved, c->n_moved, sizeof key, compare_moved);
}

// A column for each pattern that the summary matches.
static int
add_instance(struct calendar *c, icalcomponent *event, double start_s, double end_s)
{
    const struct offload_feed_options *o = c->build.options;
    double value[OFFLOAD_FEED_COLUMNS_MAX] = {0};
    bool any = o->n_values == 0;
    value[0] = any;
    if (end_s <= o->from_s || start_s >= o->until_s || end_s <= start_s)
        return 0;
    for (size_t i = 0; i < o->n_values; i++)
        if (fnmatch(o->value[i], summary_of(event), 0) == 0) {
            value[i] = 1;
            any = true;
        }
    return any ? build_row(&c->build, start_s, end_s, value) : 0;
}

struct lasting {
    time_t s;
    int days; // above 0: all-day
};

static int
add_at(struct calendar *c, icalcomponent *event, struct icaltimetype start, struct lasting lasting)
{
    time_t start_s = as_time(c, start), end_s = start_s + lasting.s;
    if (is_excluded(c, event, start))
        return 0;
    if (!icalcomponent_get_first_property(event, ICAL_RECURRENCEID_PROPERTY) &&
        is_moved(c, event, start_s))
        return 0;
    if (lasting.days > 0 && lasting.days < 36600) {
        struct icaltimetype end = start;
        icaltime_adjust(&end, lasting.days, 0, 0, 0);
        end_s = as_time(c, end);
    }
    return add_instance(c, event, (double)start_s, (double)end_s);
}

static int
add_rule(struct calendar *c, icalcomponent *event, icalproperty *property,
         struct icaltimetype start, struct lasting lasting)
{
    struct icalrecurrencetype rule = icalproperty_get_rrule(property);
    icalrecur_iterator *i = icalrecur_iterator_new(rule, start);
    if (!i) {
        skip(c, event, "its rule cannot be understood");
        return 0;
    }
    int rc = 0;
    size_t looks = 0;
    for (struct icaltimetype t = icalrecur_iterator_next(i); rc == 0 && !icaltime_is_null_time(t);
         t = icalrecur_iterator_next(i)) {
        if (as_time(c, t) >= c->build.options->until_s)
            break;
        if (++looks > LOOKS_MAX || ++c->looks > LOOKS_ALL_MAX) {
            skip(c, event, "its rule makes more than 200000 occurrences up to today");
            break;
        }
        if (icaltime_compare(t, start) != 0) // DTSTART itself is there already
            rc = add_at(c, event, t, lasting);
    }
    icalrecur_iterator_free(i);
    return rc;
}

// The event's properties of a kind; libical has one cursor an event, which any lookup moves.
static size_t
collect(struct calendar *c, icalcomponent *event, icalproperty_kind kind,
        icalproperty *property[RULES_MAX])
{
    size_t n = 0;
    for (icalproperty *p = icalcomponent_get_first_property(event, kind); p;
         p = icalcomponent_get_next_property(event, kind)) {
        if (n == RULES_MAX) {
            skip(c, event, "more than 64 rules or dates; the others are left out");
            break;
        }
        property[n++] = p;
    }
    return n;
}

static int
add_rules(struct calendar *c, icalcomponent *event, struct icaltimetype start,
          struct lasting lasting)
{
    icalproperty *rule[RULES_MAX];
    size_t n = collect(c, event, ICAL_RRULE_PROPERTY, rule);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_rule(c, event, rule[i], start, lasting);
    return rc;
}

static int
add_dates(struct calendar *c, icalcomponent *event, struct lasting lasting)
{
    icalproperty *property[RULES_MAX];
    size_t n = collect(c, event, ICAL_RDATE_PROPERTY, property);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct icaldatetimeperiodtype date = icalproperty_get_rdate(property[i]);
        if (!icaltime_is_null_time(date.time)) {
            rc = add_at(c, event, icalproperty_get_datetime_with_component(property[i], event),
                        lasting);
        } else if (!icalperiodtype_is_null_period(date.period)) {
            time_t start = as_time(c, date.period.start), end = as_time(c, date.period.end);
            if (icaltime_is_null_time(date.period.end))
                end = start + icaldurationtype_as_int(date.period.duration);
            rc = add_instance(c, event, (double)start, (double)end);
        }
    }
    return rc;
}

static int
add_event(struct calendar *c, icalcomponent *event)
{
    icalproperty *p = icalcomponent_get_first_property(event, ICAL_DTSTART_PROPERTY);
    struct icaltimetype start = p ? icalproperty_get_datetime_with_component(p, event)
                                  : icaltime_null_time();
    struct lasting lasting;
    if (icalcomponent_get_status(event) == ICAL_STATUS_CANCELLED)
        return 0;
    if (icaltime_is_null_time(start) || !icaltime_is_valid_time(start)) {
        skip(c, event, "no DTSTART that could be read");
        return 0;
    }
    if (names_unknown_zone(event, ICAL_DTSTART_PROPERTY) ||
        names_unknown_zone(event, ICAL_DTEND_PROPERTY)) {
        skip(c, event, "its TZID is neither in the calendar nor known here");
        return 0;
    }
    lasting.s = length_of(c, event, start, &lasting.days);
    if (lasting.s == 0) {
        skip(c, event, "neither a DTEND after its DTSTART nor a DURATION");
        return 0;
    }
    int rc = add_at(c, event, start, lasting);
    if (icalcomponent_get_first_property(event, ICAL_RECURRENCEID_PROPERTY))
        return rc;
    rc = rc ? rc : add_rules(c, event, start, lasting);
    return rc ? rc : add_dates(c, event, lasting);
}

// ---- The calendar ----

static int
note_moved(struct calendar *c, icalcomponent *event)
{
    icalproperty *p = icalcomponent_get_first_property(event, ICAL_RECURRENCEID_PROPERTY);
    if (!p)
        return 0;
    if (c->n_moved % 64 == 0) {
        struct moved *grown = realloc(c->moved, (c->n_moved + 64) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        c->moved = grown;
    }
    const char *uid = icalcomponent_get_uid(event);
    c->moved[c->n_moved++] = (struct moved){
        uid ? uid : "", as_time(c, icalproperty_get_datetime_with_component(p, event))};
    return 0;
}

// Calls 'each' for every event; a text may hold several calendars.
static int
each_event(struct calendar *c, icalcomponent *root,
           int (*each)(struct calendar *, icalcomponent *event))
{
    int rc = 0;
    bool several = icalcomponent_isa(root) == ICAL_XROOT_COMPONENT;
    icalcomponent *calendar =
        several ? icalcomponent_get_first_component(root, ICAL_VCALENDAR_COMPONENT) : root;
    while (rc == 0 && calendar) {
        // Not by kind: libical has one cursor a component, which lookups move.
        icalcompiter i = icalcomponent_begin_component(calendar, ICAL_VEVENT_COMPONENT);
        for (icalcomponent *event = icalcompiter_deref(&i); rc == 0 && event;
             event = icalcompiter_next(&i))
            rc = each(c, event);
        calendar =
            several ? icalcomponent_get_next_component(root, ICAL_VCALENDAR_COMPONENT) : NULL;
    }
    return rc;
}

static int
check_all_zones(const struct offload_feed_options *options, icalcomponent *root,
                struct offload_err *err)
{
    if (icalcomponent_isa(root) != ICAL_XROOT_COMPONENT)
        return check_zones(options, root, err);
    int rc = 0;
    for (icalcomponent *c = icalcomponent_get_first_component(root, ICAL_VCALENDAR_COMPONENT);
         rc == 0 && c; c = icalcomponent_get_next_component(root, ICAL_VCALENDAR_COMPONENT))
        rc = check_zones(options, c, err);
    return rc;
}

struct span {
    double start_s, end_s;
};

static int
compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return x->start_s < y->start_s ? -1 : x->start_s > y->start_s;
}

// Two meetings at a time are one meeting: each column's events become spans that do not touch.
static int
unite(struct calendar *c, struct build *united)
{
    const struct offload_feed_table *t = &c->build.table;
    struct span *span = malloc((t->n_rows + 1) * sizeof *span);
    int rc = span ? 0 : -ENOMEM;
    for (size_t column = 0; rc == 0 && column < t->n_columns; column++) {
        size_t n = 0;
        for (size_t i = 0; i < t->n_rows; i++)
            if (t->value[i * t->n_columns + column] > 0)
                span[n++] = (struct span){t->start_s[i], t->end_s[i]};
        qsort(span, n, sizeof *span, compare_spans);
        for (size_t i = 0; rc == 0 && i < n;) {
            struct span one = span[i++];
            while (i < n && span[i].start_s <= one.end_s)
                one.end_s = fmax(one.end_s, span[i++].end_s);
            double value[OFFLOAD_FEED_COLUMNS_MAX] = {0};
            value[column] = 1;
            rc = build_row(united, one.start_s, one.end_s, value);
        }
    }
    free(span);
    return rc;
}

static int
add_columns(struct build *b)
{
    const struct offload_feed_options *o = b->options;
    int rc = o->n_values ? 0 : build_column(b, "events");
    for (size_t i = 0; rc == 0 && i < o->n_values; i++)
        rc = build_column(b, o->value[i]);
    b->table.events = true;
    b->table.from_s = o->from_s;
    b->table.until_s = o->until_s;
    return rc;
}

static int
read_calendar(struct calendar *c, icalcomponent *root, struct offload_feed_table *table)
{
    struct build united;
    build_init(&united, c->build.options, c->build.err);
    int rc = check_all_zones(c->build.options, root, c->build.err);
    rc = rc ? rc : add_columns(&c->build);
    rc = rc ? rc : add_columns(&united);
    rc = rc ? rc : each_event(c, root, note_moved);
    if (rc == 0 && c->n_moved)
        qsort(c->moved, c->n_moved, sizeof *c->moved, compare_moved);
    rc = rc ? rc : each_event(c, root, add_event);
    rc = rc ? rc : unite(c, &united);
    if (rc == 0) {
        united.table.n_skipped = c->build.table.n_skipped;
        memcpy(united.table.skipped, c->build.table.skipped, sizeof united.table.skipped);
        rc = build_finish(&united, table);
    } else if (rc == -ENOMEM) {
        offload_err_set(c->build.err, -ENOMEM, c->build.options->name, NULL, "no memory");
    }
    build_fini(&united);
    return rc;
}

int
parse_ical(const struct offload_feed_options *options, const char *text, size_t len,
           struct offload_feed_table *table, struct offload_err *err)
{
    int rc = check_frame(options, text, len, err);
    if (rc)
        return rc;
    icalerror_set_errors_are_fatal(0);
    struct calendar c = {.zone = *options->timezone && strcmp(options->timezone, "UTC") != 0
                                     ? icaltimezone_get_builtin_timezone(options->timezone)
                                     : icaltimezone_get_utc_timezone()};
    if (!c.zone)
        return offload_err_set(err, -EINVAL, options->name, "a name such as Europe/Berlin",
                               "there is no zone '%s'", options->timezone);
    char *copy = strndup(text, len);
    icalcomponent *root = copy ? icalparser_parse_string(copy) : NULL;
    free(copy);
    if (!root)
        return offload_err_set(err, copy ? -EINVAL : -ENOMEM, options->name,
                               "a calendar by RFC 5545", "libical makes nothing of it");
    build_init(&c.build, options, err);
    rc = read_calendar(&c, root, table);
    build_fini(&c.build);
    free(c.moved);
    icalcomponent_free(root);
    return rc;
}
