// SPDX-License-Identifier: Apache-2.0
// Charts of characters: series over time for a terminal or a log, and one-line sparklines.
// Shapes tell the series apart, so the chart can be read without colours.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum chart_shape {
    CHART_AREA, // filled from zero: demand
    CHART_DOTS, // forecast
    CHART_LINE, // allocation
};

struct chart_series {
    const char *name;
    const double *values; // evenly spaced over the chart's width; NaN is a gap
    size_t n;
    enum chart_shape shape;
};

struct chart {
    const char *title;        // NULL: none
    const char *unit;         // behind the figures of the scale: "bit/s"
    const char *left, *right; // under the time axis: its ends
    size_t width, height;     // of the whole chart in columns and lines; at least CHART_LEAST_*
    bool color;               // ANSI colours
    bool ascii;               // no Unicode
};

enum {
    CHART_LEAST_WIDTH = 24,
    CHART_LEAST_HEIGHT = 6,
    CHART_MOST_WIDTH = 400,
    CHART_MOST_HEIGHT = 200
};

// Prints to 'to'. Series are drawn in their order, later ones over earlier ones; the scale is from
// 0 to a round figure above the greatest value. Sizes outside the bounds are cut to them. 0,
// -ENOMEM.
int chart_print(const struct chart *chart, const struct chart_series *series, size_t n_series,
                FILE *to);

// Writes the last 'width' of 'n' values as bars of eighths into 'buf' (at least 3 * width + 1
// bytes), from the left padded with blanks; 'most' is a full bar, and what is above it a full bar
// too. NaN is a blank.
void chart_sparkline(char *buf, size_t width, const double *values, size_t n, double most,
                     bool ascii);

// The least of some round figures (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8 times a power of ten) that is
// at least 'value'; 1 for what is not above 0.
double chart_round_up(double value);
