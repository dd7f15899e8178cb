// SPDX-License-Identifier: Apache-2.0
// Curves over time as SVG for the report.  values -> [svg_chart] -> HTML page

#include "tools/svg_chart.h"

#include "tools/chart.h"
#include "tools/format.h"

#include <math.h>
#include <stdbool.h>

enum { WIDTH = 640, HEIGHT = 200, LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 22, TICKS = 4 };

void
html_print(const char *text, FILE *to)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            fputc(*text, to);
        }
}

struct frame {
    double most;
    size_t n;
};

static double
at_x(const struct frame *frame, size_t i)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * ((double)i + 0.5) / (double)frame->n;
}

static double
at_y(const struct frame *frame, double value)
{
    double share = fmin(fmax(value / frame->most, 0), 1);
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
}

static void
print_scale(const struct svg_chart *chart, const struct frame *frame, FILE *to)
{
    for (int i = 0; i <= TICKS; i++) {
        char text[FORMAT_BYTES];
        double value = frame->most * i / TICKS, y = at_y(frame, value);
        fprintf(to, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                WIDTH - RIGHT, y, y);
        fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 5, y + 3.5,
                format_si(text, value));
    }
    bool days = chart->until - chart->from > 2 * 86400;
    for (int i = 0; i <= TICKS; i++) {
        char text[32];
        struct tm tm;
        time_t at = chart->from + (chart->until - chart->from) * i / TICKS;
        localtime_r(&at, &tm);
        strftime(text, sizeof text, days ? "%m-%d %H:%M" : "%H:%M:%S", &tm);
        fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s</text>\n",
                LEFT + (WIDTH - LEFT - RIGHT) * i / TICKS, HEIGHT - 6,
                i == 0       ? "start"
                : i == TICKS ? "end"
                             : "middle",
                text);
    }
}

// One path a stretch without gaps; an area is closed down to zero.
static void
print_curve(const struct frame *frame, const struct svg_curve *curve, FILE *to)
{
    static const char *const styles[] = {
        "stroke=\"none\" fill-opacity=\"0.35\" fill", "fill=\"none\" stroke-width=\"1.6\" stroke",
        "fill=\"none\" stroke-width=\"1.4\" stroke-dasharray=\"4 3\" stroke"};
    double base = at_y(frame, 0);
    for (size_t i = 0; i < curve->n; i++) {
        if (isnan(curve->values[i]))
            continue;
        size_t first = i;
        fprintf(to, "<path %s=\"var(--c%d)\" d=\"M", styles[curve->shape], curve->color);
        if (curve->shape == SVG_AREA)
            fprintf(to, "%.1f,%.1f ", at_x(frame, first), base);
        for (; i < curve->n && !isnan(curve->values[i]); i++)
            fprintf(to, "%.1f,%.1f ", at_x(frame, i), at_y(frame, curve->values[i]));
        if (curve->shape == SVG_AREA)
            fprintf(to, "%.1f,%.1fZ", at_x(frame, i - 1), base);
        fputs("\"/>\n", to);
    }
}

void
svg_chart_print(const struct svg_chart *chart, const struct svg_curve *curves, size_t n_curves,
                FILE *to)
{
    struct frame frame = {.most = chart->most, .n = 1};
    for (size_t c = 0; c < n_curves; c++) {
        frame.n = curves[c].n > frame.n ? curves[c].n : frame.n;
        for (size_t i = 0; chart->most <= 0 && i < curves[c].n; i++)
            if (!isnan(curves[c].values[i]))
                frame.most = fmax(frame.most, curves[c].values[i]);
    }
    frame.most = chart_round_up(frame.most);
    fputs("<figure><figcaption><b>", to);
    html_print(chart->title, to);
    fprintf(to, "</b> <span class=\"unit\">%s</span> ", chart->unit);
    for (size_t c = 0; c < n_curves; c++) {
        fprintf(to, "<span class=\"key\" style=\"--k:var(--c%d)\">", curves[c].color);
        html_print(curves[c].name, to);
        fputs("</span> ", to);
    }
    fprintf(to, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, HEIGHT);
    print_scale(chart, &frame, to);
    for (size_t c = 0; c < n_curves; c++)
        print_curve(&frame, &curves[c], to);
    fputs("</svg></figure>\n", to);
}
