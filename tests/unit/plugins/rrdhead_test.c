// SPDX-License-Identifier: Apache-2.0
// Headers of RRD files: rrdtool's own pass, each kind of damage is called by its name.
#include "plugins/forecast/rrdhead.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned char *file;
static size_t length;

static int
make_file(UNUSED void **state)
{
    char command[200];
    snprintf(command, sizeof command,
             "rrdtool create /tmp/offload-rrdhead.%d --step 1 DS:value:GAUGE:2:0:U DS:b:DERIVE:2:0:U "
             "RRA:AVERAGE:0.5:1:200 RRA:MAX:0.5:10:40 >/dev/null 2>&1", (int)getpid());
    if (system(command))
        return 0; // rrdtool is not installed
    snprintf(command, sizeof command, "/tmp/offload-rrdhead.%d", (int)getpid());
    FILE *f = fopen(command, "r");
    file = malloc(1 << 20);
    length = f ? fread(file, 1, 1 << 20, f) : 0;
    if (f)
        fclose(f);
    unlink(command);
    return 0;
}

static void
assert_refused(size_t at, unsigned char byte, size_t len, const char *text)
{
    struct offload_err err = {0};
    unsigned char was = file[at];
    file[at] = byte;
    int rc = rrd_head_check(file, len, len, &err);
    file[at] = was;
    assert_true(rc < 0);
    assert_string_equal(err.text, text);
}

static void
a_whole_file_passes_and_no_other(UNUSED void **state)
{
    struct offload_err err = {0};
    if (!length)
        skip();
    assert_int_equal(rrd_head_check(file, length, length, &err), 0);
    assert_refused(0, 'X', length, "it is no RRD");
    assert_refused(7, '9', length, "its version is unknown");
    assert_refused(16, 1, length, "it was written by another kind of machine");
    assert_refused(30, 1, length, "its header makes no sense");       // 2^48 data sources
    assert_refused(128, 0, length, "a data source has no name");
    assert_refused(128 + 2 * 120 + 30, 1, length, "an archive makes no sense"); // 2^48 rows
    for (size_t len = 0; len < length; len += len < 2000 ? 1 : 997)
        assert_refused(0, 'R', len, "it is cut");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(a_whole_file_passes_and_no_other)};
    int rc = cmocka_run_group_tests(tests, make_file, NULL);
    free(file);
    return rc;
}
