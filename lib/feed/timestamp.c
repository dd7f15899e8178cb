// SPDX-License-Identifier: Apache-2.0
// Times as feeds write them.  RFC 3339, ISO 8601's usual forms, Unix time; zones by libical.

#include <offload/feed.h>

#include <libical/ical.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Above this a number counts milliseconds: as seconds it would be the year 5138.
static const double MILLISECONDS_FROM = 1e11;

static icaltimezone *
zone_of(const char *timezone)
{
    if (!*timezone || strcmp(timezone, "UTC") == 0)
        return icaltimezone_get_utc_timezone();
    return strlen(timezone) < 64 ? icaltimezone_get_builtin_timezone(timezone) : NULL;
}

bool
offload_feed_timezone_known(const char *timezone)
{
    return zone_of(timezone) != NULL;
}

// Digits "n" of them from 'text' within least to most; -1 if they are not that.
static int
digits(const char *text, int n, int least, int most)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = 10 * value + text[i] - '0';
    }
    return value < least || value > most ? -1 : value;
}

// "Z", "+01:00", "+0100", "+01" -> s east of UTC; NAN: something else.
static double
parse_offset(const char *text)
{
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return 0;
    int sign = *text == '+' ? 1 : *text == '-' ? -1 : 0;
    if (!sign)
        return NAN;
    int hours = digits(text + 1, 2, 0, 23), minutes = 0;
    const char *rest = hours < 0 ? text : text + 3;
    if (hours >= 0 && *rest)
        minutes = digits(rest + (*rest == ':'), 2, 0, 59);
    if (hours < 0 || minutes < 0 || (*rest && strlen(rest) != (*rest == ':' ? 3 : 2)))
        return NAN;
    return sign * (3600.0 * hours + 60.0 * minutes);
}

// Days since 1970-01-01 of the proleptic Gregorian calendar (Howard Hinnant, chrono-compatible
// low-level date algorithms, days_from_civil).
static double
days_since_1970(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097.0 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct clock_time {
    int year, month, day, hour, minute;
    double second;
    const char *rest; // what stands behind it
};

static bool
parse_clock(const char *text, struct clock_time *t)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(text) < 10 || text[4] != '-' || text[7] != '-')
        return false;
    *t = (struct clock_time){.year = digits(text, 4, 1, 9999), .month = digits(text + 5, 2, 1, 12)};
    t->day = digits(text + 8, 2, 1, t->month > 0 ? month_days[t->month - 1] : 31);
    bool leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;
    if (t->year < 0 || t->month < 0 || t->day < 0 || (t->month == 2 && t->day == 29 && !leap))
        return false;
    t->rest = text + 10;
    if (*t->rest != 'T' && *t->rest != 't' && *t->rest != ' ')
        return *t->rest == '\0';
    text = t->rest + 1;
    if (strlen(text) < 5 || text[2] != ':')
        return false;
    t->hour = digits(text, 2, 0, 23);
    t->minute = digits(text + 3, 2, 0, 59);
    t->rest = text + 5;
    if (*t->rest == ':') {
        int whole = strlen(t->rest) >= 3 ? digits(t->rest + 1, 2, 0, 60) : -1;
        if (whole < 0)
            return false;
        t->second = whole;
        t->rest += 3;
        double place = 0.1;
        if (*t->rest == '.' || *t->rest == ',')
            for (t->rest++; *t->rest >= '0' && *t->rest <= '9'; t->rest++, place /= 10)
                t->second += place * (*t->rest - '0');
    }
    t->rest += *t->rest == ' ';
    return t->hour >= 0 && t->minute >= 0;
}

static double
unix_time(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || strpbrk(text, "xXpPnN"))
        return NAN;
    value = fabs(value) >= MILLISECONDS_FROM ? value / 1000 : value;
    return fabs(value) < MILLISECONDS_FROM ? value : NAN;
}

double
offload_feed_time(const char *text, const char *timezone, double offset_s)
{
    struct clock_time t;
    if (!parse_clock(text, &t))
        return unix_time(text);
    double local_s = 86400 * days_since_1970(t.year, t.month, t.day) + 3600.0 * t.hour +
                     60.0 * t.minute + t.second;
    if (*t.rest)
        return local_s - parse_offset(t.rest);
    if (!isnan(offset_s))
        return local_s - offset_s;
    icaltimezone *zone = zone_of(timezone);
    if (!zone)
        return NAN;
    icaltimetype local = {.year = t.year, .month = t.month, .day = t.day, .hour = t.hour,
                          .minute = t.minute};
    return local_s - icaltimezone_get_utc_offset(zone, &local, NULL);
}
