// SPDX-License-Identifier: Apache-2.0
// Curves over time as an SVG that stands inside an HTML page: its colours are the page's CSS
// variables, so that it follows the reader's light or dark setting.
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <time.h>

enum svg_shape {
    SVG_AREA,   // filled from zero: demand
    SVG_LINE,   // allocation
    SVG_DASHES, // forecast
};

struct svg_curve {
    const char *name;     // for the legend
    const double *values; // evenly spaced over the span; NaN is a gap
    size_t n;
    enum svg_shape shape;
    int color; // index of the page's --c0, --c1, ...
};

struct svg_chart {
    const char *title, *unit; // "bit/s": the scale's figures get prefixes of thousands
    time_t from, until;
    double most; // the scale's top; 0: what the curves need
};

// Prints one <figure> with title, legend and picture.
void svg_chart_print(const struct svg_chart *chart, const struct svg_curve *curves, size_t n_curves,
                     FILE *to);

// Prints 'text' with what HTML would take for its own replaced.
void html_print(const char *text, FILE *to);
