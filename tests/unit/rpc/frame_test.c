// SPDX-License-Identifier: Apache-2.0
// However the bytes are cut on their way, the same lines come out, and none is longer than allowed.
#include "tests/unit/fail_malloc.h"
#include "tests/unit/unit.h"

#include "lib/rpc/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Lines as they came, each followed by '|'; "!" stands for one that was skipped.
struct lines {
    char text[256];
    size_t longest;
    unsigned n, stop_after;
};

static bool
take(void *ctx, const char *line, size_t len)
{
    struct lines *lines = ctx;
    lines->n++;
    if (line) {
        assert_int_equal(strlen(line), len);
        lines->longest = len > lines->longest ? len : lines->longest;
    }
    if (!line || len < 32) {
        strcat(lines->text, line ? line : "!");
        strcat(lines->text, "|");
    }
    return lines->n != lines->stop_after;
}

static void
lines_do_not_depend_on_how_bytes_are_cut(UNUSED void **state)
{
    static const char bytes[] = "one\ntwo\r\n\n\r\nthree\n{\"a\":1}\nrest";
    for (size_t step = 1; step < sizeof bytes; step++) {
        struct lines lines = {0};
        struct rpc_frame frame;
        rpc_frame_init(&frame);
        for (size_t at = 0; at < sizeof bytes - 1; at += step) {
            size_t n = sizeof bytes - 1 - at < step ? sizeof bytes - 1 - at : step;
            assert_int_equal(rpc_frame_feed(&frame, bytes + at, n, take, &lines), 0);
        }
        assert_string_equal(lines.text, "one|two|three|{\"a\":1}|");
        assert_int_equal(rpc_frame_feed(&frame, "\n", 1, take, &lines), 0);
        assert_string_equal(lines.text, "one|two|three|{\"a\":1}|rest|");
        rpc_frame_fini(&frame);
    }
}

// Feeds 'n' times 'x' and then a line end, in pieces of 'step'.
static void
feed_long(struct rpc_frame *frame, struct lines *lines, size_t n, size_t step, const char *end)
{
    char *piece = malloc(step);
    memset(piece, 'x', step);
    while (n > 0) {
        size_t now = n < step ? n : step;
        assert_int_equal(rpc_frame_feed(frame, piece, now, take, lines), 0);
        n -= now;
    }
    free(piece);
    assert_int_equal(rpc_frame_feed(frame, end, strlen(end), take, lines), 0);
}

static void
longest_line_passes(UNUSED void **state)
{
    static const size_t steps[] = {4093, RPC_LINE_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        struct lines lines = {0};
        struct rpc_frame frame;
        rpc_frame_init(&frame);
        feed_long(&frame, &lines, RPC_LINE_MAX, steps[i], "\n");
        feed_long(&frame, &lines, RPC_LINE_MAX, steps[i], "\r\n");
        assert_int_equal(lines.n, 2);
        assert_int_equal(lines.longest, RPC_LINE_MAX);
        assert_string_equal(lines.text, "");
        rpc_frame_fini(&frame);
    }
}

// A peer gets an error for it, and the connection stays usable.
static void
longer_line_is_skipped_and_the_next_one_read(UNUSED void **state)
{
    static const size_t lengths[] = {RPC_LINE_MAX + 1, RPC_LINE_MAX + 2, 3 * RPC_LINE_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct lines lines = {0};
        struct rpc_frame frame;
        rpc_frame_init(&frame);
        feed_long(&frame, &lines, lengths[i], 65536, "\nnext\n");
        assert_string_equal(lines.text, "!|next|");
        assert_true(frame.size <= 2 * (size_t)RPC_LINE_MAX);
        rpc_frame_fini(&frame);
    }
}

static void
reader_can_stop(UNUSED void **state)
{
    struct lines lines = {.stop_after = 2};
    struct rpc_frame frame;
    rpc_frame_init(&frame);
    assert_int_equal(rpc_frame_feed(&frame, "a\nb\nc\n", 6, take, &lines), -ECANCELED);
    assert_string_equal(lines.text, "a|b|");
    rpc_frame_fini(&frame);
}

static void
failed_allocation_is_reported_and_loses_nothing_before(UNUSED void **state)
{
    struct lines lines = {0};
    struct rpc_frame frame;
    rpc_frame_init(&frame);
    fail_malloc_arm(1, false);
    assert_int_equal(rpc_frame_feed(&frame, "abc", 3, take, &lines), -ENOMEM);
    assert_true(fail_malloc_disarm());
    assert_int_equal(rpc_frame_feed(&frame, "abc\n", 4, take, &lines), 0);
    assert_string_equal(lines.text, "abc|");
    rpc_frame_fini(&frame);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_do_not_depend_on_how_bytes_are_cut),
        cmocka_unit_test(longest_line_passes),
        cmocka_unit_test(longer_line_is_skipped_and_the_next_one_read),
        cmocka_unit_test(reader_can_stop),
        cmocka_unit_test(failed_allocation_is_reported_and_loses_nothing_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
