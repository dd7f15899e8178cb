// SPDX-License-Identifier: Apache-2.0
// Tables align, and quantities keep their width.

#include "tools/format.h"
#include "tools/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

static char *
print(const struct table *table)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    table_print(table, to);
    fclose(to);
    return text;
}

static void
columns_align_and_lines_end_without_blanks(UNUSED void **state)
{
    static const char *const headings[] = {"NAME", ">N", "STATE", NULL};
    static const char *const cells[] = {"a", "1", "ok", "größer", "1234", ""};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        table_cell(table, "%s", cells[i]);
    char *text = print(table);
    assert_string_equal(text, "NAME       N  STATE\n"
                              "a          1  ok\n"
                              "größer  1234  -\n");
    free(text);
    table_destroy(table);
}

static void
table_without_rows_prints_nothing(UNUSED void **state)
{
    static const char *const headings[] = {"NAME", NULL};
    struct table *table = table_create(headings);
    char *text = print(table);
    assert_string_equal(text, "");
    free(text);
    table_destroy(table);
}

static void
quantities_have_three_digits(UNUSED void **state)
{
    char buf[FORMAT_BYTES];
    const struct {
        double value;
        const char *si;
    } cases[] = {{0, "0"},           {0.5, "0.5"},       {999, "999"},      {999.6, "1.00k"},
                 {1234, "1.23k"},    {9.996e3, "10.0k"}, {99.96e6, "100M"}, {999.6e6, "1.00G"},
                 {-4.5e6, "-4.50M"}, {NAN, "-"},         {12.34, "12.3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(format_si(buf, cases[i].value), cases[i].si);
}

static void
spans_choose_their_unit(UNUSED void **state)
{
    char buf[FORMAT_BYTES];
    assert_string_equal(format_ns(buf, 850), "850ns");
    assert_string_equal(format_ns(buf, 999.9), "1.00us");
    assert_string_equal(format_ns(buf, 12345), "12.3us");
    assert_string_equal(format_ns(buf, 4.5e6), "4.50ms");
    assert_string_equal(format_ns(buf, 2.25e9), "2.25s");
    assert_string_equal(format_ns(buf, NAN), "-");
    assert_string_equal(format_pct(buf, 99.96), "100");
    assert_string_equal(format_pct(buf, NAN), "-");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_align_and_lines_end_without_blanks),
        cmocka_unit_test(table_without_rows_prints_nothing),
        cmocka_unit_test(quantities_have_three_digits),
        cmocka_unit_test(spans_choose_their_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
