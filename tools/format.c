// SPDX-License-Identifier: Apache-2.0
// Three significant digits are what a person compares at a glance.

#include "tools/format.h"

#include <math.h>
#include <stdio.h>

static char *
three_digits(char buf[FORMAT_BYTES], double value, const char *unit)
{
    double size = fabs(value);
    // What rounds up to 10 or 100 loses a decimal, so that the width stays.
    int decimals = size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
    snprintf(buf, FORMAT_BYTES, "%.*f%s", decimals, value, unit);
    return buf;
}

char *
format_si(char buf[FORMAT_BYTES], double value)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
    size_t i = 0;
    if (isnan(value)) {
        snprintf(buf, FORMAT_BYTES, "-");
        return buf;
    }
    if (fabs(value) < 999.5) {
        snprintf(buf, FORMAT_BYTES, value == trunc(value) || fabs(value) >= 99.95 ? "%.0f" : "%.1f",
                 value);
        return buf;
    }
    while (fabs(value) >= 999.5 && i + 1 < sizeof prefixes / sizeof *prefixes) {
        value /= 1000;
        i++;
    }
    return three_digits(buf, value, prefixes[i]);
}

char *
format_pct(char buf[FORMAT_BYTES], double pct)
{
    if (isnan(pct))
        snprintf(buf, FORMAT_BYTES, "-");
    else
        snprintf(buf, FORMAT_BYTES, fabs(pct) < 99.95 ? "%.1f" : "%.0f", pct);
    return buf;
}

char *
format_ns(char buf[FORMAT_BYTES], double ns)
{
    if (isnan(ns)) {
        snprintf(buf, FORMAT_BYTES, "-");
        return buf;
    }
    if (fabs(ns) < 999.5) {
        snprintf(buf, FORMAT_BYTES, "%.0fns", ns);
        return buf;
    }
    if (fabs(ns) < 999.5e3)
        return three_digits(buf, ns / 1e3, "us");
    if (fabs(ns) < 999.5e6)
        return three_digits(buf, ns / 1e6, "ms");
    return three_digits(buf, ns / 1e9, "s");
}

char *
format_count(char buf[FORMAT_BYTES], double value)
{
    if (isnan(value))
        snprintf(buf, FORMAT_BYTES, "-");
    else
        snprintf(buf, FORMAT_BYTES, "%.0f", value);
    return buf;
}
