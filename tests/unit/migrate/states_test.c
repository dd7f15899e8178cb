// SPDX-License-Identifier: Apache-2.0
// The migration's machine: every transition, what a lost stamp does, and what recovery decides.
#include <offload/migrate.h>

#include "lib/base/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char id[] = "0b6d0a4e-5b9e-4c2b-9d0f-0123456789ab";

struct stamps {
    unsigned n;
    int fail; // returned by the next stamp
    enum migrate_step machine_step, last;
    const struct migrate_machine *machine;
};

static int
stamp(void *ctx, const struct migrate_record *record, struct offload_err *err)
{
    struct stamps *s = ctx;
    if (s->fail < 0)
        return offload_err_set(err, s->fail, "state file", NULL, "disk full");
    s->n++;
    s->last = record->step;
    s->machine_step = s->machine->record.step;
    return 0;
}

static void
begin(struct migrate_machine *m, struct stamps *s)
{
    *s = (struct stamps){.machine = m};
    assert_int_equal(migrate_machine_init(m, id, 7, "nat1", "card0", "card1", stamp, s, NULL), 0);
}

// Written out a second time by hand: an oracle for the table.
static int
oracle(enum migrate_step step, enum migrate_event event)
{
    static const struct {
        const char *step, *event, *next;
    } legal[] = {
        {"idle", "prepare", "prepared"},      {"prepared", "start", "copying"},
        {"copying", "cutover", "cutting"},    {"cutting", "commit", "swapped"},
        {"swapped", "drained", "committed"},  {"prepared", "abort", "aborted"},
        {"copying", "abort", "aborted"},      {"cutting", "abort", "aborted"},
        {"prepared", "prepare", "prepared"},  {"copying", "start", "copying"},
        {"cutting", "cutover", "cutting"},    {"swapped", "commit", "swapped"},
        {"committed", "commit", "committed"}, {"committed", "drained", "committed"},
        {"aborted", "abort", "aborted"},
    };
    for (size_t i = 0; i < sizeof legal / sizeof *legal; i++)
        if (strcmp(legal[i].step, migrate_step_name(step)) == 0 &&
            strcmp(legal[i].event, migrate_event_name(event)) == 0)
            return migrate_step_parse(legal[i].next);
    return -EBUSY;
}

static void
every_transition_is_as_drawn(void **state)
{
    (void)state;
    for (int step = 0; step < MIGRATE_N_STEPS; step++)
        for (int event = 0; event < MIGRATE_N_EVENTS; event++) {
            struct migrate_machine m;
            struct stamps s;
            struct offload_err err = {0};
            begin(&m, &s);
            m.record.step = step;
            int next = oracle(step, event), rc = migrate_machine_run(&m, event, &err);
            assert_int_equal(migrate_next(step, event), next);
            assert_int_equal(rc, next < 0 ? next : 0);
            assert_int_equal(m.record.step, next < 0 ? step : next);
            assert_int_equal(s.n, next >= 0 && next != step);
            if (next < 0) {
                assert_int_equal(err.code, -EBUSY);
                assert_true(err.text[0] && err.expected[0]);
            }
        }
}

static void
a_step_is_stamped_before_it_takes_effect(void **state)
{
    (void)state;
    struct migrate_machine m;
    struct stamps s;
    begin(&m, &s);
    assert_int_equal(migrate_machine_run(&m, MIGRATE_EV_PREPARE, NULL), 0);
    assert_int_equal(s.last, MIGRATE_PREPARED);
    assert_int_equal(s.machine_step, MIGRATE_IDLE);
}

// A step that recovery cannot find must not happen.
static void
a_failed_stamp_leaves_the_step(void **state)
{
    (void)state;
    struct migrate_machine m;
    struct stamps s;
    struct offload_err err = {0};
    begin(&m, &s);
    assert_int_equal(migrate_machine_run(&m, MIGRATE_EV_PREPARE, NULL), 0);
    s.fail = -ENOSPC;
    assert_int_equal(migrate_machine_run(&m, MIGRATE_EV_START, &err), -ENOSPC);
    assert_int_equal(m.record.step, MIGRATE_PREPARED);
    assert_int_equal(migrate_machine_abort(&m, "disk full", &err), -ENOSPC);
    assert_string_equal(m.record.error, "");
    s.fail = 0;
    assert_int_equal(migrate_machine_abort(&m, "disk full", &err), 0);
    assert_int_equal(m.record.step, MIGRATE_ABORTED);
    assert_string_equal(m.record.error, "disk full");
}

static void
recovery_goes_back_before_the_commit_point_and_forward_after(void **state)
{
    (void)state;
    assert_int_equal(migrate_resume(MIGRATE_IDLE, false), MIGRATE_RESUME_NOTHING);
    assert_int_equal(migrate_resume(MIGRATE_PREPARED, false), MIGRATE_RESUME_BACK);
    assert_int_equal(migrate_resume(MIGRATE_COPYING, false), MIGRATE_RESUME_BACK);
    assert_int_equal(migrate_resume(MIGRATE_CUTTING, false), MIGRATE_RESUME_BACK);
    assert_int_equal(migrate_resume(MIGRATE_CUTTING, true), MIGRATE_RESUME_FORWARD);
    assert_int_equal(migrate_resume(MIGRATE_SWAPPED, false), MIGRATE_RESUME_FORWARD);
    assert_int_equal(migrate_resume(MIGRATE_COMMITTED, true), MIGRATE_RESUME_NOTHING);
    assert_int_equal(migrate_resume(MIGRATE_ABORTED, true), MIGRATE_RESUME_NOTHING);
}

// Whatever recovery says must be a legal step of the machine.
static void
recovery_never_asks_for_an_illegal_step(void **state)
{
    (void)state;
    for (int step = 0; step < MIGRATE_N_STEPS; step++)
        for (int switched = 0; switched < 2; switched++) {
            enum migrate_resume what = migrate_resume(step, switched);
            if (what == MIGRATE_RESUME_BACK)
                assert_int_equal(migrate_next(step, MIGRATE_EV_ABORT), MIGRATE_ABORTED);
            if (what == MIGRATE_RESUME_FORWARD)
                assert_true(migrate_next(step, MIGRATE_EV_COMMIT) == MIGRATE_SWAPPED);
        }
}

static void
names_that_are_wrong_are_refused_by_key(void **state)
{
    (void)state;
    static const struct {
        const char *id, *app, *from, *to, *where;
    } wrong[] = {
        {"", "a", "c0", "c1", "id"},
        {"0b6d0a4e-5b9e-4c2b-9d0f-0123456789a", "a", "c0", "c1", "id"},
        {"0b6d0a4e-5b9e-4c2b-9d0f-0123456789abc", "a", "c0", "c1", "id"},
        {"0b6d0a4e05b9e-4c2b-9d0f-0123456789ab", "a", "c0", "c1", "id"},
        {"0b6d0a4e-5b9e-4c2b-9d0f-0123456789xy", "a", "c0", "c1", "id"},
        {id, "", "c0", "c1", "app"},
        {id, "a", "c 0", "c1", "from"},
        {id, "a", "c0", "../c1", "to"},
        {id, "a", "c0", "c0", "to"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct migrate_machine m;
        struct offload_err err = {0};
        assert_int_equal(migrate_machine_init(&m, wrong[i].id, 1, wrong[i].app, wrong[i].from,
                                              wrong[i].to, NULL, NULL, &err),
                         -EINVAL);
        assert_string_equal(err.where, wrong[i].where);
    }
}

static void
a_record_survives_json(void **state)
{
    (void)state;
    for (int step = 0; step < MIGRATE_N_STEPS; step++) {
        struct migrate_machine m;
        struct stamps s;
        struct migrate_record back;
        struct offload_err err = {0};
        begin(&m, &s);
        m.record.step = step;
        snprintf(m.record.error, sizeof m.record.error, "no \"room\"");
        struct json_object *object = migrate_record_to_json(&m.record);
        assert_int_equal(migrate_record_from_json(&back, object, "m[0]", &err), 0);
        assert_memory_equal(&back, &m.record, sizeof back);
        json_object_put(object);
    }
}

static void
a_damaged_record_is_refused_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"id\":\"0b6d0a4e-5b9e-4c2b-9d0f-0123456789ab\",\"term\":1,\"app\":\"a\",\"from\":\"c0\","
        "\"to\":\"c1\",\"step\":\"halfway\"}",
        "{\"id\":\"x\",\"term\":1,\"app\":\"a\",\"from\":\"c0\",\"to\":\"c1\",\"step\":"
        "\"cutting\"}",
        "{\"id\":\"0b6d0a4e-5b9e-4c2b-9d0f-0123456789ab\",\"term\":-1,\"app\":\"a\",\"from\":"
        "\"c0\","
        "\"to\":\"c1\",\"step\":\"cutting\"}",
        "{\"id\":\"0b6d0a4e-5b9e-4c2b-9d0f-0123456789ab\",\"term\":1,\"app\":\"a\",\"from\":\"c0\","
        "\"to\":\"c0\",\"step\":\"cutting\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct offload_err err = {0};
        struct migrate_record record, before;
        memset(&record, 0x5a, sizeof record);
        before = record;
        struct json_object *object = offload_json_parse("t", texts[i], strlen(texts[i]), &err);
        assert_non_null(object);
        assert_true(migrate_record_from_json(&record, object, "m", &err) < 0);
        assert_int_equal(strncmp(err.where, "m", 1), 0);
        assert_memory_equal(&record, &before, sizeof record);
        json_object_put(object);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_transition_is_as_drawn),
        cmocka_unit_test(a_step_is_stamped_before_it_takes_effect),
        cmocka_unit_test(a_failed_stamp_leaves_the_step),
        cmocka_unit_test(recovery_goes_back_before_the_commit_point_and_forward_after),
        cmocka_unit_test(recovery_never_asks_for_an_illegal_step),
        cmocka_unit_test(names_that_are_wrong_are_refused_by_key),
        cmocka_unit_test(a_record_survives_json),
        cmocka_unit_test(a_damaged_record_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
