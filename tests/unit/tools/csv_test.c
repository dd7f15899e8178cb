// SPDX-License-Identifier: Apache-2.0
// A person's own CSV file: what is wrong is told with file, line and column.

#include "tools/csv.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/csv_test.XXXXXX";

static int
read_text(const char *text, struct csv *csv, struct offload_err *err)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    memset(err, 0, sizeof *err);
    return csv_read(path, csv, err);
}

static void
quotes_gaps_and_line_ends_are_read(UNUSED void **state)
{
    struct csv csv;
    struct offload_err err;
    double value;
    assert_int_equal(read_text("\xef\xbb\xbftime,\"a, \"\"b\"\"\"\r\n2026-01-31T12:00,1.5\r\n\r\n"
                               "2026-01-31 13:00:00,\r\n",
                               &csv, &err),
                     0);
    assert_int_equal(csv.n_rows, 2);
    assert_int_equal(csv_find(&csv, "a, \"b\""), 1);
    assert_int_equal(csv_number(&csv, 0, 1, false, &value, NULL), 0);
    assert_float_equal(value, 1.5, 0);
    assert_int_equal(csv_number(&csv, 1, 1, true, &value, NULL), 0);
    assert_true(isnan(value));
    assert_int_equal(csv_number(&csv, 1, 1, false, &value, NULL), -EINVAL);
    assert_int_equal(csv_time(&csv, 0, 0, &value, NULL), 0);
    assert_float_equal(value, 1769860800, 0); // date -u -d 2026-01-31T12:00 +%s
    assert_int_equal(csv_time(&csv, 1, 0, &value, NULL), 0);
    assert_float_equal(value, 1769864400, 0);
    csv_free(&csv);
}

static void
wrong_cell_is_told_with_line_and_column(UNUSED void **state)
{
    struct csv csv;
    struct offload_err err;
    char text[800], where[64];
    double value;
    assert_int_equal(read_text("time,load\n1,2\n\n3,4x\n", &csv, &err), 0);
    assert_int_equal(csv_number(&csv, 1, 1, true, &value, &err), -EINVAL);
    snprintf(where, sizeof where, "%s:4: column 'load': '4x' is no number", path);
    assert_non_null(strstr(offload_err_format(&err, text, sizeof text), where));
    assert_int_equal(csv_need(&csv, "laod", &err), -EINVAL);
    assert_non_null(strstr(offload_err_format(&err, text, sizeof text), "did you mean 'load'?"));
    csv_free(&csv);
}

static void
what_is_no_table_is_refused(UNUSED void **state)
{
    struct csv csv;
    struct offload_err err;
    char text[800];
    assert_int_equal(read_text("", &csv, &err), -EINVAL);
    assert_int_equal(read_text("a,b\n1,2\n1,2,3\n", &csv, &err), -EINVAL);
    assert_non_null(strstr(offload_err_format(&err, text, sizeof text), ":3: 3 cells; 2"));
    assert_int_equal(csv_read("/nonexistent.csv", &csv, &err), -ENOENT);
    assert_int_equal(csv_read("/tmp", &csv, &err), -EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_gaps_and_line_ends_are_read),
        cmocka_unit_test(wrong_cell_is_told_with_line_and_column),
        cmocka_unit_test(what_is_no_table_is_refused),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
