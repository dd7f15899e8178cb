// SPDX-License-Identifier: Apache-2.0
// The state stream: frames that were cut, damaged, replayed or mixed up are refused; whole ones
// make an equal copy, with the source changing all the while.
#include "lib/migrate/stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

// A function with 1000 numbers for state; an entry is {index u64, value u64}.
enum { N = 1000 };
struct numbers {
    uint64_t value[N];
    bool dirty[N];
    unsigned n_dirty;
    bool tracked;
    int import_rc; // for once
};

static void
numbers_set(struct numbers *s, unsigned at, uint64_t value)
{
    s->value[at] = value;
    if (s->tracked && !s->dirty[at])
        s->dirty[at] = true, s->n_dirty++;
}

static size_t
numbers_export(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags, uint64_t now)
{
    (void)now;
    struct numbers *s = state;
    if (flags & STREAM_EXPORT_STOP)
        return s->tracked = false, 0;
    if ((flags & STREAM_EXPORT_TRACK) || (!flags && *cursor == 0)) {
        s->tracked = true, s->n_dirty = 0;
        memset(s->dirty, 0, sizeof s->dirty);
    }
    if (flags & STREAM_EXPORT_TRACK)
        return 0;
    uint64_t from = flags & STREAM_EXPORT_DIRTY ? 0 : *cursor;
    size_t used = 0;
    for (; from < N && used + 16 <= size; from++) {
        if ((flags & STREAM_EXPORT_DIRTY) && !s->dirty[from])
            continue;
        if (s->dirty[from])
            s->dirty[from] = false, s->n_dirty--;
        memcpy((char *)buf + used, &(uint64_t[]){from, s->value[from]}, 16);
        used += 16;
    }
    *cursor = from;
    return used;
}

static uint64_t
numbers_dirty(const void *state)
{
    return ((const struct numbers *)state)->n_dirty;
}

static int
numbers_import(void *state, const void *buf, size_t len, uint64_t now, struct offload_err *err)
{
    (void)now;
    struct numbers *s = state;
    if (s->import_rc < 0)
        return offload_err_set(err, s->import_rc, "numbers", NULL, "no room");
    for (size_t i = 0; i < len; i += 16) {
        uint64_t entry[2];
        memcpy(entry, (const char *)buf + i, 16);
        if (entry[0] >= N)
            return -EBADMSG;
        s->value[entry[0]] = entry[1];
    }
    return 0;
}

static struct stream_function
function_of(struct numbers *s)
{
    return (struct stream_function){s, 16, numbers_export, numbers_dirty, numbers_import};
}

static struct numbers a[2], b[2];
static struct stream_function from[3], to[3];
static const struct stream_function stateless;

static int
set_up(void **state)
{
    (void)state;
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    for (unsigned i = 0; i < N; i++)
        a[0].value[i] = i * 3 + 1, a[1].value[i] = i * 5 + 2;
    from[0] = function_of(&a[0]), from[1] = stateless, from[2] = function_of(&a[1]);
    to[0] = function_of(&b[0]), to[1] = stateless, to[2] = function_of(&b[1]);
    return 0;
}

static void
a_copy_is_equal_though_the_source_changes(void **state)
{
    (void)state;
    struct stream_source s;
    struct stream_destination d;
    uint8_t frame[1000];
    uint64_t seed = 5;
    stream_source_init(&s, from, 3, 77, true);
    stream_destination_init(&d, to, 3, 77);
    unsigned rounds = 0, ready_at = 0;
    for (; rounds < 400; rounds++) {
        size_t n = stream_source_run(&s, frame, sizeof frame, 0);
        if (n)
            assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), 0);
        if (!ready_at && stream_source_ready(&s))
            ready_at = rounds;
        for (unsigned k = 0; k < 20; k++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            numbers_set(&a[seed >> 63], (seed >> 33) % N, seed);
        }
    }
    assert_in_range(ready_at, 1, 399);
    stream_source_freeze(&s);
    while (s.phase != STREAM_ENDED) {
        size_t n = stream_source_run(&s, frame, sizeof frame, 0);
        assert_true(n > 0);
        assert_false(d.ended);
        assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), 0);
    }
    assert_true(d.ended);
    assert_int_equal(stream_source_run(&s, frame, sizeof frame, 0), 0);
    assert_memory_equal(a[0].value, b[0].value, sizeof a[0].value);
    assert_memory_equal(a[1].value, b[1].value, sizeof a[1].value);
    assert_true(s.rounds > 1 && s.entries > 2 * N);
    assert_int_equal(d.bytes, s.bytes);
}

// Frozen in the midst of the first pass: the pass and what it missed still go over.
static void
an_early_freeze_still_sends_everything(void **state)
{
    (void)state;
    struct stream_source s;
    struct stream_destination d;
    uint8_t frame[500];
    stream_source_init(&s, from, 3, 1, true);
    stream_destination_init(&d, to, 3, 1);
    size_t n = stream_source_run(&s, frame, sizeof frame, 0);
    assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), 0);
    numbers_set(&a[0], 0, 4711);
    stream_source_freeze(&s);
    assert_false(stream_source_ready(&s));
    while ((n = stream_source_run(&s, frame, sizeof frame, 0)) > 0)
        assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), 0);
    assert_true(d.ended);
    assert_memory_equal(a[0].value, b[0].value, sizeof a[0].value);
    assert_memory_equal(a[1].value, b[1].value, sizeof a[1].value);
}

// The way back sends what the destination changed, and no more.
static void
the_way_back_sends_only_changes(void **state)
{
    (void)state;
    struct stream_source s;
    uint8_t frame[1000];
    stream_source_init(&s, from, 3, 1, false);
    numbers_set(&a[1], 9, 4711);
    stream_source_freeze(&s);
    assert_int_equal(stream_source_run(&s, frame, sizeof frame, 0), DELTA_HEADER_BYTES + 16);
    assert_int_equal(stream_source_run(&s, frame, sizeof frame, 0), DELTA_HEADER_BYTES);
    assert_int_equal(s.phase, STREAM_ENDED);
}

static void
an_empty_chain_ends_at_once(void **state)
{
    (void)state;
    struct stream_source s;
    struct stream_destination d;
    uint8_t frame[100];
    stream_source_init(&s, &stateless, 1, 1, true);
    stream_destination_init(&d, &stateless, 1, 1);
    assert_int_equal(stream_source_run(&s, frame, sizeof frame, 0), 0);
    assert_true(stream_source_ready(&s));
    stream_source_freeze(&s);
    size_t n = stream_source_run(&s, frame, sizeof frame, 0);
    assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), 0);
    assert_true(d.ended);
}

static void
every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    struct stream_source s;
    uint8_t frame[200], bad[200];
    stream_source_init(&s, from, 3, 1, true);
    size_t n = stream_source_run(&s, frame, sizeof frame, 0);
    for (size_t i = 0; i < n; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct stream_destination d;
            struct offload_err err = {0};
            memcpy(bad, frame, n);
            bad[i] ^= 1 << bit;
            stream_destination_init(&d, to, 3, 1);
            assert_int_equal(stream_destination_run(&d, bad, n, 0, &err), -EBADMSG);
            assert_string_equal(err.where, "state stream");
            assert_int_equal(b[0].value[0], 0);
        }
    for (size_t cut = 0; cut < n; cut++) {
        struct stream_destination d;
        stream_destination_init(&d, to, 3, 1);
        assert_int_equal(stream_destination_run(&d, frame, cut, 0, NULL), -EBADMSG);
    }
}

static void
replayed_skipped_and_foreign_frames_are_refused(void **state)
{
    (void)state;
    struct stream_source s;
    struct stream_destination d;
    uint8_t first[200], second[200], third[200];
    stream_source_init(&s, from, 3, 1, true);
    size_t n1 = stream_source_run(&s, first, sizeof first, 0);
    size_t n2 = stream_source_run(&s, second, sizeof second, 0);
    size_t n3 = stream_source_run(&s, third, sizeof third, 0);
    stream_destination_init(&d, to, 3, 2);
    assert_int_equal(stream_destination_run(&d, first, n1, 0, NULL), -EBADMSG); // another stream
    stream_destination_init(&d, to, 3, 1);
    assert_int_equal(stream_destination_run(&d, second, n2, 0, NULL), -EBADMSG); // a gap
    assert_int_equal(stream_destination_run(&d, first, n1, 0, NULL), 0);
    assert_int_equal(stream_destination_run(&d, first, n1, 0, NULL), -EBADMSG); // a replay
    assert_int_equal(stream_destination_run(&d, third, n3, 0, NULL), -EBADMSG);
    assert_int_equal(stream_destination_run(&d, second, n2, 0, NULL), 0);
    assert_int_equal(stream_destination_run(&d, third, n3, 0, NULL), 0);
    assert_int_not_equal(delta_stream("a", 0), delta_stream("a", 1));
    assert_int_not_equal(delta_stream("a", 0), delta_stream("b", 0));
}

static void
a_frame_for_a_function_without_state_is_refused(void **state)
{
    (void)state;
    struct stream_destination d;
    uint8_t frame[DELTA_HEADER_BYTES + 17] = {0};
    static const struct {
        uint32_t function, length;
    } wrong[] = {{1, 16}, {3, 16}, {UINT32_MAX, 16}, {0, 17}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        stream_destination_init(&d, to, 3, 1);
        size_t n = delta_seal(frame, DELTA_STATE, wrong[i].function, wrong[i].length, 1, 0);
        assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), -EBADMSG);
    }
    size_t n = delta_seal(frame, 9, 0, 0, 1, 0);
    assert_int_equal(stream_destination_run(&d, frame, n, 0, NULL), -EBADMSG);
}

static void
a_destination_without_room_says_so(void **state)
{
    (void)state;
    struct stream_source s;
    struct stream_destination d;
    struct offload_err err = {0};
    uint8_t frame[200];
    stream_source_init(&s, from, 3, 1, true);
    stream_destination_init(&d, to, 3, 1);
    size_t n = stream_source_run(&s, frame, sizeof frame, 0);
    b[0].import_rc = -ENOSPC;
    assert_int_equal(stream_destination_run(&d, frame, n, 0, &err), -ENOSPC);
    assert_string_equal(err.where, "numbers");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_copy_is_equal_though_the_source_changes, set_up),
        cmocka_unit_test_setup(an_early_freeze_still_sends_everything, set_up),
        cmocka_unit_test_setup(the_way_back_sends_only_changes, set_up),
        cmocka_unit_test_setup(an_empty_chain_ends_at_once, set_up),
        cmocka_unit_test_setup(every_damaged_byte_is_noticed, set_up),
        cmocka_unit_test_setup(replayed_skipped_and_foreign_frames_are_refused, set_up),
        cmocka_unit_test_setup(a_frame_for_a_function_without_state_is_refused, set_up),
        cmocka_unit_test_setup(a_destination_without_room_says_so, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
