// SPDX-License-Identifier: Apache-2.0
// State is whole or absent, whatever is cut, flipped or full.
#include "tests/unit/unit.h"

#include "lib/io/statefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KIND = 7,
};

static char dir[64], path[96];

static int
setup(UNUSED void **state)
{
    snprintf(dir, sizeof dir, "/tmp/offload-statefile-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/state", dir);
    return 0;
}

// Names in the folder, so that a file left beside the state shows.
static unsigned
count_files(void)
{
    unsigned n = 0;
    DIR *open_dir = opendir(dir);
    assert_non_null(open_dir);
    for (struct dirent *entry; (entry = readdir(open_dir));)
        n += entry->d_name[0] != '.';
    closedir(open_dir);
    return n;
}

static int
teardown(UNUSED void **state)
{
    unlink(path);
    return rmdir(dir);
}

static void
assert_content(const char *expected)
{
    char *data;
    size_t len;
    assert_int_equal(statefile_read(path, 1000, &data, &len, NULL), 0);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(data, expected);
    free(data);
}

static void
written_state_is_read_back_and_replaced(UNUSED void **state)
{
    assert_int_equal(statefile_write(path, "old", 3, NULL), 0);
    assert_content("old");
    assert_int_equal(statefile_write(path, "the new one", 11, NULL), 0);
    assert_content("the new one");
    assert_int_equal(statefile_write(path, "", 0, NULL), 0);
    assert_content("");
    assert_int_equal(count_files(), 1);
}

// Who has the old file open goes on reading the old state: it is replaced, never written over.
static void
reader_of_the_old_state_keeps_it(UNUSED void **state)
{
    char buf[8] = "";
    assert_int_equal(statefile_write(path, "old", 3, NULL), 0);
    int fd = open(path, O_RDONLY);
    assert_int_equal(statefile_write(path, "new", 3, NULL), 0);
    assert_int_equal(read(fd, buf, sizeof buf), 3);
    assert_string_equal(buf, "old");
    close(fd);
}

// The disk is full in the middle of the write (here: the process's limit of file size).
static void
failed_write_leaves_the_old_state(UNUSED void **state)
{
    struct rlimit limit, small = {.rlim_cur = 4096};
    struct offload_err err = {0};
    char big[10000] = "";
    assert_int_equal(statefile_write(path, "old", 3, NULL), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = statefile_write(path, big, sizeof big, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(rc, -EFBIG);
    assert_string_equal(err.where, path);
    assert_content("old");
    assert_int_equal(count_files(), 1);
}

static void
missing_folder_is_an_error(UNUSED void **state)
{
    struct offload_err err = {0};
    char *data;
    size_t len;
    assert_int_equal(statefile_write("/nonexistent/state", "x", 1, &err), -ENOENT);
    assert_string_equal(err.where, "/nonexistent/state");
    assert_int_equal(statefile_read(path, 100, &data, &len, &err), -ENOENT);
    assert_int_equal(statefile_read(dir, 1 << 20, &data, &len, &err), -EINVAL);
}

static void
file_above_the_limit_is_not_read(UNUSED void **state)
{
    struct offload_err err = {0};
    char *data;
    size_t len;
    assert_int_equal(statefile_write(path, "0123456789", 10, NULL), 0);
    assert_int_equal(statefile_read(path, 9, &data, &len, &err), -EFBIG);
    assert_string_equal(err.text, "10 bytes are above the limit of 9");
}

static void
checkpoint_is_read_back(UNUSED void **state)
{
    static const char payload[] = "weights\0and more";
    char *data;
    size_t len;
    uint32_t version = 3;
    assert_int_equal(checkpoint_write(path, KIND, 2, payload, sizeof payload, NULL), 0);
    assert_int_equal(checkpoint_read(path, KIND, &version, 100, &data, &len, NULL), 0);
    assert_int_equal(version, 2);
    assert_int_equal(len, sizeof payload);
    assert_memory_equal(data, payload, sizeof payload);
    free(data);
    version = 1;
    assert_int_equal(checkpoint_write(path, KIND, 1, NULL, 0, NULL), 0);
    assert_int_equal(checkpoint_read(path, KIND, &version, 100, &data, &len, NULL), 0);
    assert_int_equal(len, 0);
    free(data);
}

// Other programs read these files too: the bytes are the format, not what our reader takes.
static void
checkpoint_has_the_documented_bytes(UNUSED void **state)
{
    static const unsigned char header[] = {'O', 'F', 'F', 'L', 'O', 'A', 'D', '1', 4,
                                           3,   2,   1,   9,   0,   0,   0,   3,   0,
                                           0,   0,   0,   0,   0,   0,   'a', 'b', 'c'};
    // printf 'OFFLOAD1\4\3\2\1\11\0\0\0\3\0\0\0\0\0\0\0abc' | sha256sum
    static const char sum[] = "59a142db3f906aa7b0c334334b0423dfdd6deeea1e122ec24258b08b962e3104";
    char *data, hex[65];
    size_t len;
    assert_int_equal(checkpoint_write(path, 0x01020304, 9, "abc", 3, NULL), 0);
    assert_int_equal(statefile_read(path, 1000, &data, &len, NULL), 0);
    assert_int_equal(len, sizeof header + 32);
    assert_memory_equal(data, header, sizeof header);
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)data[sizeof header + i]);
    assert_string_equal(hex, sum);
    free(data);
}

// Reads the checkpoint as kind KIND, version up to 2, which must be refused.
static void
assert_refused(const char *text)
{
    struct offload_err err = {0};
    char *data = NULL;
    size_t len = 99;
    uint32_t version = 2;
    assert_int_equal(checkpoint_read(path, KIND, &version, 1000, &data, &len, &err), -EBADMSG);
    assert_null(data);
    assert_int_equal(len, 99);
    assert_int_equal(version, 2);
    if (text)
        assert_string_equal(err.text, text);
}

static void
every_truncated_checkpoint_is_refused(UNUSED void **state)
{
    assert_int_equal(checkpoint_write(path, KIND, 2, "payload", 7, NULL), 0);
    for (off_t len = 24 + 7 + 32 - 1; len >= 0; len--) {
        assert_int_equal(truncate(path, len), 0);
        assert_refused(NULL);
    }
}

static void
every_flipped_byte_is_refused(UNUSED void **state)
{
    char *data;
    size_t len;
    assert_int_equal(checkpoint_write(path, KIND, 2, "payload", 7, NULL), 0);
    assert_int_equal(statefile_read(path, 1000, &data, &len, NULL), 0);
    for (size_t i = 0; i < len; i++) {
        data[i] ^= 1;
        assert_int_equal(statefile_write(path, data, len, NULL), 0);
        assert_refused(NULL);
        data[i] ^= 1;
    }
    free(data);
}

static void
appended_byte_is_refused(UNUSED void **state)
{
    assert_int_equal(checkpoint_write(path, KIND, 2, "payload", 7, NULL), 0);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_refused("says 7 bytes of payload and has 8");
}

static void
other_kind_and_newer_version_are_refused(UNUSED void **state)
{
    assert_int_equal(checkpoint_write(path, KIND + 1, 2, "payload", 7, NULL), 0);
    assert_refused("holds kind 8, not kind 7");
    assert_int_equal(checkpoint_write(path, KIND, 3, "payload", 7, NULL), 0);
    assert_refused("has version 3, and versions 1 to 2 are known");
    assert_int_equal(checkpoint_write(path, KIND, 0, "payload", 7, NULL), 0);
    assert_refused("has version 0, and versions 1 to 2 are known");
    assert_int_equal(
        statefile_write(path, "{\"json\": \"and long enough for a whole checkpoint\"}           ",
                        60, NULL),
        0);
    assert_refused("is no checkpoint");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(written_state_is_read_back_and_replaced),
        TEST(reader_of_the_old_state_keeps_it),
        TEST(failed_write_leaves_the_old_state),
        TEST(missing_folder_is_an_error),
        TEST(file_above_the_limit_is_not_read),
        TEST(checkpoint_is_read_back),
        TEST(checkpoint_has_the_documented_bytes),
        TEST(every_truncated_checkpoint_is_refused),
        TEST(every_flipped_byte_is_refused),
        TEST(appended_byte_is_refused),
        TEST(other_kind_and_newer_version_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
