// SPDX-License-Identifier: Apache-2.0
// Fetching: files here; servers that misbehave in tests/e2e/feed_test.sh.
#include "lib/io/fetch.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/offload-fetch-XXXXXX";

static void
write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct fetch *
create(const char *url)
{
    struct fetch *fetch = NULL;
    struct offload_err err;
    struct fetch_options options = {.url = url, .timeout_s = 5, .max_bytes = 100, .refresh_s = 60};
    assert_int_equal(fetch_create(&options, &fetch, &err), 0);
    return fetch;
}

static void
a_file_is_read_again_only_if_it_changed(UNUSED void **state)
{
    struct offload_err err;
    struct fetch *fetch = create(path);
    char *data = NULL;
    size_t len;
    write_file("one");
    assert_int_equal(fetch_run(fetch, &data, &len, &err), 0);
    assert_string_equal(data, "one");
    free(data);
    // What was not accepted is fetched again, so that one bad reading cannot stick.
    assert_int_equal(fetch_run(fetch, &data, &len, &err), 0);
    assert_string_equal(data, "one");
    free(data);
    fetch_accept(fetch);
    assert_int_equal(fetch_run(fetch, &data, &len, &err), 0);
    assert_null(data);
    write_file("longer");
    assert_int_equal(fetch_run(fetch, &data, &len, &err), 0);
    assert_string_equal(data, "longer");
    assert_int_equal(len, 6);
    free(data);
    fetch_destroy(fetch);
}

static void
what_is_no_small_file_is_refused(UNUSED void **state)
{
    struct offload_err err;
    struct fetch *fetch = create(path);
    char *data = NULL, long_text[200];
    size_t len;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    write_file(long_text);
    assert_int_equal(fetch_run(fetch, &data, &len, &err), -EFBIG);
    assert_string_equal(err.where, path);
    unlink(path);
    assert_int_equal(fetch_run(fetch, &data, &len, &err), -ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0); // must not hang
    assert_int_equal(fetch_run(fetch, &data, &len, &err), -ENOTSUP);
    unlink(path);
    fetch_destroy(fetch);
    struct fetch_options options = {.url = "ftp://h/x"};
    assert_int_equal(fetch_create(&options, &fetch, &err), -EINVAL);
}

// Keys stand in queries and passwords; logs are read by many.
static void
secrets_are_not_shown(UNUSED void **state)
{
    struct fetch *fetch = create("https://user:p@ss@host.example:8443/a/b?key=s3cret#x");
    assert_string_equal(fetch_shown(fetch), "https://host.example:8443/a/b");
    fetch_destroy(fetch);
}

static void
failures_back_off_within_bounds(UNUSED void **state)
{
    struct fetch *fetch = create(path);
    assert_true(fetch_wait_s(fetch, 0) == 60);
    assert_true(fetch_wait_s(fetch, 1) == 6);
    assert_true(fetch_wait_s(fetch, 2) == 12);
    assert_true(fetch_wait_s(fetch, 1000) == 3600);
    fetch_destroy(fetch);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_again_only_if_it_changed),
        cmocka_unit_test(what_is_no_small_file_is_refused),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(failures_back_off_within_bounds),
    };
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return rc;
}
