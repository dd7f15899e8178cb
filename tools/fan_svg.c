// SPDX-License-Identifier: Apache-2.0
// A picture of a forecast as SVG: history in grey, the fan in two shades, the mean, and what came.

#include "tools/fan_svg.h"

#include "tools/svg_chart.h"

#include <errno.h>
#include <stdbool.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 960, HEIGHT = 360, LEFT = 70, RIGHT = 16, TOP = 40, BOTTOM = 36, TICKS = 5 };

struct frame {
    double least, most; // of the values
    double steps;
};

static double
at_x(const struct frame *frame, double step)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * step / frame->steps;
}

static double
at_y(const struct frame *frame, double value)
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (frame->most - value) / (frame->most - frame->least);
}

static void
reach(struct frame *frame, const double *value, size_t n)
{
    for (size_t i = 0; value && i < n; i++)
        if (!isnan(value[i])) {
            frame->least = fmin(frame->least, value[i]);
            frame->most = fmax(frame->most, value[i]);
        }
}

static struct frame
frame_of(const struct fan_svg *fan)
{
    struct frame frame = {HUGE_VAL, -HUGE_VAL, (double)(fan->n_before + fan->horizon - 1)};
    reach(&frame, fan->before, fan->n_before);
    reach(&frame, fan->quantile[0], 5 * fan->horizon);
    reach(&frame, fan->actual, fan->horizon);
    if (frame.most <= frame.least)
        frame.most = frame.least + 1;
    return frame;
}

// A line that breaks at gaps.
static void
draw_line(FILE *to, const struct frame *frame, const double *value, size_t n, size_t stride,
          size_t first, const char *style)
{
    bool pen = false;
    fprintf(to, "<path %s d=\"", style);
    for (size_t i = 0; i < n; i++) {
        double v = value[i * stride];
        if (!isnan(v))
            fprintf(to, "%c%.1f %.1f", pen ? 'L' : 'M', at_x(frame, (double)(first + i)),
                    at_y(frame, v));
        pen = !isnan(v);
    }
    fputs("\"/>\n", to);
}

static void
draw_band(FILE *to, const struct frame *frame, const struct fan_svg *fan, int low, int high,
          const char *style)
{
    fprintf(to, "<path %s d=\"", style);
    for (size_t h = 0; h < fan->horizon; h++)
        fprintf(to, "%c%.1f %.1f", h ? 'L' : 'M', at_x(frame, (double)(fan->n_before + h)),
                at_y(frame, fan->quantile[h][high]));
    for (size_t h = fan->horizon; h-- > 0;)
        fprintf(to, "L%.1f %.1f", at_x(frame, (double)(fan->n_before + h)),
                at_y(frame, fan->quantile[h][low]));
    fputs("Z\"/>\n", to);
}

static void
draw_text(FILE *to, double x, double y, const char *anchor, const char *text)
{
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    html_print(text, to);
    fputs("</text>\n", to);
}

static void
draw_axes(FILE *to, const struct frame *frame, const struct fan_svg *fan)
{
    char text[40];
    for (int i = 0; i < TICKS; i++) {
        double value = frame->least + (frame->most - frame->least) * i / (TICKS - 1);
        fprintf(to, "<path stroke=\"#ddd\" d=\"M%d %.1fH%d\"/>\n", LEFT, at_y(frame, value),
                WIDTH - RIGHT);
        snprintf(text, sizeof text, "%.5g", value);
        draw_text(to, LEFT - 6, at_y(frame, value) + 4, "end", text);
    }
    double now = at_x(frame, (double)fan->n_before - 0.5);
    fprintf(to, "<path stroke=\"#999\" stroke-dasharray=\"4 3\" d=\"M%.1f %dV%d\"/>\n", now, TOP,
            HEIGHT - BOTTOM);
    snprintf(text, sizeof text, "-%zu steps", fan->n_before);
    draw_text(to, LEFT, HEIGHT - BOTTOM + 18, "start", text);
    draw_text(to, now, HEIGHT - BOTTOM + 18, "middle", "forecast from here");
    snprintf(text, sizeof text, "+%zu", fan->horizon);
    draw_text(to, WIDTH - RIGHT, HEIGHT - BOTTOM + 18, "end", text);
}

int
fan_svg_write(const char *path, const struct fan_svg *fan, struct offload_err *err)
{
    FILE *to = fopen(path, "w");
    if (!to)
        return offload_err_set(err, -errno, path, "a file that can be written", "%s",
                               strerror(errno));
    struct frame frame = frame_of(fan);
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" fill=\"none\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"%d\" height=\"%d\" "
            "fill=\"#fff\"/>\n<g fill=\"#333\">\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_text(to, LEFT, 22, "start", fan->title);
    draw_axes(to, &frame, fan);
    fputs("</g>\n", to);
    draw_band(to, &frame, fan, 3, 4, "fill=\"#cfe3f7\"");
    draw_band(to, &frame, fan, 1, 2, "fill=\"#9cc5ee\"");
    draw_line(to, &frame, fan->before, fan->n_before, 1, 0, "stroke=\"#777\"");
    draw_line(to, &frame, fan->quantile[0], fan->horizon, 5, fan->n_before,
              "stroke=\"#0b5fa5\" stroke-width=\"2\"");
    if (fan->actual)
        draw_line(to, &frame, fan->actual, fan->horizon, 1, fan->n_before, "stroke=\"#c03\"");
    fputs("</svg>\n", to);
    bool failed = ferror(to);
    if (fclose(to) == 0 && !failed)
        return 0;
    return offload_err_set(err, -EIO, path, "room on the disk", "it could not be written");
}
