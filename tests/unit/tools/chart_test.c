// SPDX-License-Identifier: Apache-2.0
// What a person sees of a run: charts and sparklines, drawn and compared.

#include "tools/chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

// Prints into memory; the caller frees.
static char *
print(const struct chart *chart, const struct chart_series *series, size_t n)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    assert_int_equal(chart_print(chart, series, n, to), 0);
    fclose(to);
    return text;
}

// Each series can be told from the others without colours, a gap stays a gap, and the top is a
// round figure.
static void
shapes_tell_the_series_apart(UNUSED void **state)
{
    const double demand[] = {0, 1, 2, 3, NAN, 3, 2, 1}, forecast[] = {1, 2, 3, 4, 4, 4, NAN, NAN};
    const double allocation[] = {4, 4, 4, 4, 4, 4, 4, 4};
    const struct chart_series series[] = {{"demand", demand, 8, CHART_AREA},
                                          {"allocation", allocation, 8, CHART_LINE},
                                          {"forecast", forecast, 8, CHART_DOTS}};
    const struct chart chart = {
        .unit = "bit/s", .left = "then", .right = "now", .width = 24, .height = 7, .ascii = true};
    char *text = print(&chart, series, 3);
    assert_string_equal(text, "     4 +======oooooo====\n"
                              "       |    oo##  ##    \n"
                              "     2 +  oo####  ####  \n"
                              "       |oo######  ######\n"
                              "       +----------------\n"
                              "        then         now\n"
                              "        # demand   = allocation   o forecast   (bit/s)\n");
    free(text);
}

// Lines of one width whatever is drawn, so that a log stays a picture.
static void
every_line_of_the_grid_is_as_wide(UNUSED void **state)
{
    double values[500];
    for (int i = 0; i < 500; i++)
        values[i] = 1e9 * (1 + sin(i / 20.0));
    const struct chart_series series[] = {{"demand", values, 500, CHART_AREA}};
    const struct chart chart = {.title = "app", .width = 80, .height = 20, .ascii = true};
    char *text = print(&chart, series, 1), *rest = text, *line;
    int n = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        if (n >= 1 && n <= 17)
            assert_int_equal(strlen(line), 80);
        n++;
    }
    assert_int_equal(n, 20);
    free(text);
}

static void
empty_and_tiny_charts_are_drawn(UNUSED void **state)
{
    const double gaps[] = {NAN, NAN};
    const struct chart_series series[] = {{"a", gaps, 2, CHART_AREA}, {"b", NULL, 0, CHART_LINE}};
    const struct chart chart = {.width = 0, .height = 0, .ascii = true};
    char *text = print(&chart, series, 2);
    assert_non_null(strstr(text, "     1 +"));
    assert_null(strstr(text, "##"));
    free(text);
}

static void
colours_are_only_there_when_asked_for(UNUSED void **state)
{
    const double values[] = {1, 2};
    const struct chart_series series[] = {{"a", values, 2, CHART_AREA}};
    struct chart chart = {.width = 40, .height = 8};
    char *text = print(&chart, series, 1);
    assert_null(strchr(text, '\033'));
    free(text);
    chart.color = true;
    text = print(&chart, series, 1);
    assert_non_null(strstr(text, "\033[36m"));
    free(text);
}

static void
sparkline_shows_the_newest_on_the_right(UNUSED void **state)
{
    const double values[] = {9, 0, 0.125, 0.5, NAN, 1, 2};
    char buf[3 * 8 + 1];
    chart_sparkline(buf, 6, values, 7, 1, false);
    assert_string_equal(buf, " ▁▄ ██");
    chart_sparkline(buf, 8, values, 7, 1, true);
    assert_string_equal(buf, " # _: ##");
    chart_sparkline(buf, 3, values, 0, 1, false);
    assert_string_equal(buf, "   ");
}

static void
scale_ends_at_a_round_figure(UNUSED void **state)
{
    assert_float_equal(chart_round_up(3.7e6), 4e6, 1);
    assert_float_equal(chart_round_up(4e6), 4e6, 1);
    assert_float_equal(chart_round_up(1.01), 1.2, 1e-12);
    assert_float_equal(chart_round_up(0.082), 0.1, 1e-12);
    assert_float_equal(chart_round_up(0), 1, 0);
    assert_float_equal(chart_round_up(NAN), 1, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_tell_the_series_apart),
        cmocka_unit_test(every_line_of_the_grid_is_as_wide),
        cmocka_unit_test(empty_and_tiny_charts_are_drawn),
        cmocka_unit_test(colours_are_only_there_when_asked_for),
        cmocka_unit_test(sparkline_shows_the_newest_on_the_right),
        cmocka_unit_test(scale_ends_at_a_round_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
