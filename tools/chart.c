// SPDX-License-Identifier: Apache-2.0
// A grid of cells: an area fills columns in eighths of a cell, lines and dots overwrite single
// cells.

#include "tools/chart.h"

#include "tools/format.h"
#include "tools/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCALE_WIDTH = 8, // of the figures on the left
    EIGHTHS = 8,
};

static const char *const bars[2][EIGHTHS + 1] = {
    {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
    {" ", " ", ".", ".", ":", ":", "|", "|", "#"},
};

// A sparkline in ASCII: the least of something is not nothing.
static const char *const ascii_sparks[EIGHTHS + 1] = {" ", "_", ".", ".", ":", ":", "|", "|", "#"};

// For each shape, Unicode and ASCII.
static const char *const glyphs[3][2] = {{"█", "#"}, {"•", "o"}, {"━", "="}};
static const char *const colors[3] = {"\033[36m", "\033[33m", "\033[35m"};

struct cell {
    const char *text;
    int shape; // -1: nothing is drawn here
};

double
chart_round_up(double value)
{
    static const double steps[] = {1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10};
    if (!(value > 0) || isinf(value))
        return 1;
    double power = pow(10, floor(log10(value)));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] * power >= value * (1 - 1e-12))
            return steps[i] * power;
    return 10 * power;
}

// The mean of what falls into 'column' of 'columns', or NaN. Series with fewer values than columns
// repeat them.
static double
column_value(const struct chart_series *series, size_t column, size_t columns)
{
    size_t from = column * series->n / columns, until = (column + 1) * series->n / columns;
    double sum = 0;
    size_t n = 0;
    if (until == from && series->n > 0)
        until = from + 1;
    for (size_t i = from; i < until; i++) {
        if (!isnan(series->values[i])) {
            sum += series->values[i];
            n++;
        }
    }
    return n > 0 ? sum / (double)n : NAN;
}

static void
draw(const struct chart *chart, const struct chart_series *series, double top, struct cell *cells,
     size_t columns, size_t lines)
{
    for (size_t column = 0; column < columns; column++) {
        double value = column_value(series, column, columns);
        if (isnan(value) || value < 0)
            continue;
        double height = fmin(value / top, 1) * (double)lines; // in cells, from below
        if (series->shape != CHART_AREA) {
            size_t line = height <= 0 ? 0 : (size_t)ceil(height) - 1;
            cells[(lines - 1 - line) * columns + column] =
                (struct cell){glyphs[series->shape][chart->ascii], series->shape};
            continue;
        }
        size_t eighths = (size_t)lround(height * EIGHTHS);
        for (size_t line = 0; eighths > 0; line++) {
            size_t part = eighths > EIGHTHS ? EIGHTHS : eighths;
            cells[(lines - 1 - line) * columns + column] =
                (struct cell){bars[chart->ascii][part], CHART_AREA};
            eighths -= part;
        }
    }
}

static void
print_scale(const struct chart *chart, double value, bool shown, FILE *to)
{
    char figure[FORMAT_BYTES];
    fprintf(to, "%*s %s", SCALE_WIDTH - 2, shown ? format_si(figure, value) : "",
            chart->ascii ? (shown ? "+" : "|") : (shown ? "┤" : "│"));
}

static void
print_cells(const struct chart *chart, const struct cell *cells, size_t columns, FILE *to)
{
    int shape = -1;
    for (size_t column = 0; column < columns; column++) {
        if (chart->color && cells[column].shape != shape)
            fputs(cells[column].shape < 0 ? "\033[0m" : colors[cells[column].shape], to);
        shape = cells[column].shape;
        fputs(shape < 0 ? " " : cells[column].text, to);
    }
    if (chart->color && shape >= 0)
        fputs("\033[0m", to);
    fputc('\n', to);
}

static void
print_axis(const struct chart *chart, size_t columns, FILE *to)
{
    fprintf(to, "%*s%s", SCALE_WIDTH - 1, "", chart->ascii ? "+" : "└");
    for (size_t i = 0; i < columns; i++)
        fputs(chart->ascii ? "-" : "─", to);
    const char *left = chart->left ? chart->left : "", *right = chart->right ? chart->right : "";
    int blanks = (int)columns - table_text_width(left) - table_text_width(right);
    fprintf(to, "\n%*s%s%*s%s\n", SCALE_WIDTH, "", left, blanks > 1 ? blanks : 1, "", right);
}

static void
print_legend(const struct chart *chart, const struct chart_series *series, size_t n_series,
             FILE *to)
{
    fprintf(to, "%*s", SCALE_WIDTH, "");
    for (size_t i = 0; i < n_series; i++)
        fprintf(to, "%s%s%s%s %s", i > 0 ? "   " : "", chart->color ? colors[series[i].shape] : "",
                glyphs[series[i].shape][chart->ascii], chart->color ? "\033[0m" : "",
                series[i].name);
    fprintf(to, "   (%s)\n", chart->unit ? chart->unit : "");
}

static size_t
bounded(size_t value, size_t least, size_t most)
{
    return value < least ? least : value > most ? most : value;
}

int
chart_print(const struct chart *chart, const struct chart_series *series, size_t n_series, FILE *to)
{
    size_t columns = bounded(chart->width, CHART_LEAST_WIDTH, CHART_MOST_WIDTH) - SCALE_WIDTH;
    // Axis, its ends and the legend take three lines, the title one.
    size_t lines =
        bounded(chart->height, CHART_LEAST_HEIGHT, CHART_MOST_HEIGHT) - 3 - (chart->title != NULL);
    struct cell *cells = calloc(columns * lines, sizeof *cells);
    if (!cells)
        return -ENOMEM;
    for (size_t i = 0; i < columns * lines; i++)
        cells[i].shape = -1;
    double most = 0;
    for (size_t i = 0; i < n_series; i++)
        for (size_t column = 0; column < columns; column++)
            most = fmax(most, column_value(&series[i], column, columns));
    double top = chart_round_up(most);
    for (size_t i = 0; i < n_series; i++)
        draw(chart, &series[i], top, cells, columns, lines);

    if (chart->title)
        fprintf(to, "%*s%s\n", SCALE_WIDTH, "", chart->title);
    for (size_t line = 0; line < lines; line++) {
        bool shown = line == 0 || line == lines / 2;
        print_scale(chart, top * (double)(lines - line) / (double)lines, shown, to);
        print_cells(chart, cells + line * columns, columns, to);
    }
    print_axis(chart, columns, to);
    print_legend(chart, series, n_series, to);
    free(cells);
    return 0;
}

void
chart_sparkline(char *buf, size_t width, const double *values, size_t n, double most, bool ascii)
{
    *buf = '\0';
    for (size_t column = 0; column < width; column++) {
        // The newest value stands on the right.
        double value = column + n >= width ? values[column + n - width] : NAN;
        size_t eighths = 0;
        if (value > 0 && most > 0)
            eighths = bounded((size_t)lround(fmin(value / most, 1) * EIGHTHS), 1, EIGHTHS);
        const char *bar = ascii ? ascii_sparks[eighths] : bars[false][eighths];
        memcpy(buf, bar, strlen(bar) + 1);
        buf += strlen(bar);
    }
}
