// SPDX-License-Identifier: Apache-2.0
// The migration's state machine: the table, the one function that changes the step, and what to do
// with a step found after a crash. include/offload/migrate.h has the diagram.
//
// step       what holds
// idle       nothing is known of the migration anywhere
// prepared   the destination has the application's functions and allocation, and serves no packet
// copying    the source serves; state streams to the destination, dirty entries again
// cutting    the source is frozen and hands its packets on; the destination serves, holding what comes
//            by the new path until the old one is proven empty for it
// swapped    the switch sends to the destination and its caches follow; the source waits for its last
// committed  the source has forgotten the application
// aborted    the destination has forgotten it, or hands state and packets back until it can
#include <offload/migrate.h>

#include "lib/base/conf.h"
#include "lib/base/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NO (-EBUSY)

// Row: where we are. Column: prepare, start, cutover, commit, drained, abort.
static const int next_step[MIGRATE_N_STEPS][MIGRATE_N_EVENTS] = {
    [MIGRATE_IDLE] = {MIGRATE_PREPARED, NO, NO, NO, NO, NO},
    [MIGRATE_PREPARED] = {MIGRATE_PREPARED, MIGRATE_COPYING, NO, NO, NO, MIGRATE_ABORTED},
    [MIGRATE_COPYING] = {NO, MIGRATE_COPYING, MIGRATE_CUTTING, NO, NO, MIGRATE_ABORTED},
    [MIGRATE_CUTTING] = {NO, NO, MIGRATE_CUTTING, MIGRATE_SWAPPED, NO, MIGRATE_ABORTED},
    [MIGRATE_SWAPPED] = {NO, NO, NO, MIGRATE_SWAPPED, MIGRATE_COMMITTED, NO},
    [MIGRATE_COMMITTED] = {NO, NO, NO, MIGRATE_COMMITTED, MIGRATE_COMMITTED, NO},
    [MIGRATE_ABORTED] = {NO, NO, NO, NO, NO, MIGRATE_ABORTED},
};

static const char *const step_names[] = {"idle",    "prepared",  "copying", "cutting",
                                         "swapped", "committed", "aborted", NULL};
static const char *const event_names[] = {"prepare", "start",   "cutover",
                                          "commit",  "drained", "abort"};

// What may come next, for messages.
static const char *const expected_next[MIGRATE_N_STEPS] = {
    [MIGRATE_IDLE] = "prepare it first",
    [MIGRATE_PREPARED] = "start or abort it",
    [MIGRATE_COPYING] = "cut it over or abort it",
    [MIGRATE_CUTTING] = "commit or abort it",
    [MIGRATE_SWAPPED] = "wait until it is committed",
    [MIGRATE_COMMITTED] = "begin a new migration",
    [MIGRATE_ABORTED] = "begin a new migration",
};

int
migrate_next(enum migrate_step step, enum migrate_event event)
{
    assert(step < MIGRATE_N_STEPS && event < MIGRATE_N_EVENTS);
    return next_step[step][event];
}

const char *
migrate_step_name(enum migrate_step step)
{
    assert(step < MIGRATE_N_STEPS);
    return step_names[step];
}

const char *
migrate_event_name(enum migrate_event event)
{
    assert(event < MIGRATE_N_EVENTS);
    return event_names[event];
}

int
migrate_step_parse(const char *name)
{
    for (int i = 0; i < MIGRATE_N_STEPS; i++)
        if (strcmp(step_names[i], name) == 0)
            return i;
    return -ENOENT;
}

// The only place that changes the step: checks the transition, stamps it where recovery will look,
// and only then is in it.
static int
set_step(struct migrate_machine *m, enum migrate_event event, const char *reason,
         struct offload_err *err)
{
    int next = migrate_next(m->record.step, event);
    if (next < 0)
        return offload_err_set(err, next, "id", expected_next[m->record.step],
                               "migration '%s' is %s and cannot %s", m->record.id,
                               step_names[m->record.step], event_names[event]);
    if (next == (int)m->record.step)
        return 0;
    struct migrate_record record = m->record;
    record.step = next;
    if (reason)
        snprintf(record.error, sizeof record.error, "%s", reason);
    if (m->stamp) {
        int rc = m->stamp(m->ctx, &record, err);
        if (rc < 0)
            return rc;
    }
    m->record = record;
    return 0;
}

int
migrate_machine_run(struct migrate_machine *m, enum migrate_event event, struct offload_err *err)
{
    return set_step(m, event, NULL, err);
}

int
migrate_machine_abort(struct migrate_machine *m, const char *reason, struct offload_err *err)
{
    return set_step(m, MIGRATE_EV_ABORT, reason, err);
}

enum migrate_resume
migrate_resume(enum migrate_step step, bool switched)
{
    switch (step) {
    case MIGRATE_PREPARED:
    case MIGRATE_COPYING:
        return MIGRATE_RESUME_BACK;
    case MIGRATE_CUTTING:
        return switched ? MIGRATE_RESUME_FORWARD : MIGRATE_RESUME_BACK;
    case MIGRATE_SWAPPED:
        return MIGRATE_RESUME_FORWARD;
    default:
        return MIGRATE_RESUME_NOTHING;
    }
}

bool
migrate_id_valid(const char *id)
{
    for (size_t i = 0; i < MIGRATE_ID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? id[i] != '-' : !isxdigit((unsigned char)id[i]))
            return false;
    }
    return id[MIGRATE_ID_LEN] == '\0';
}

static int
check_names(const char *id, const char *app, const char *from, const char *to,
            struct offload_err *err)
{
    const struct {
        const char *key, *value;
    } names[] = {{"app", app}, {"from", from}, {"to", to}};
    if (!migrate_id_valid(id))
        return offload_err_set(err, -EINVAL, "id", "use a UUID", "'%.48s' is no UUID", id);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!offload_name_valid(names[i].value))
            return offload_err_set(err, -EINVAL, names[i].key,
                                   "use 1 to 32 letters, digits, '_' and '-'", "'%.48s' is no name",
                                   names[i].value);
    if (strcmp(from, to) == 0)
        return offload_err_set(err, -EINVAL, "to", "name another card than 'from'",
                               "'%s' is the card that '%s' is on", to, app);
    return 0;
}

int
migrate_machine_init(struct migrate_machine *m, const char *id, uint64_t term, const char *app,
                     const char *from, const char *to, migrate_stamp_fn *stamp, void *ctx,
                     struct offload_err *err)
{
    int rc = check_names(id, app, from, to, err);
    if (rc < 0)
        return rc;
    *m = (struct migrate_machine){.record = {.term = term}, .stamp = stamp, .ctx = ctx};
    snprintf(m->record.id, sizeof m->record.id, "%s", id);
    snprintf(m->record.app, sizeof m->record.app, "%s", app);
    snprintf(m->record.from, sizeof m->record.from, "%s", from);
    snprintf(m->record.to, sizeof m->record.to, "%s", to);
    return 0;
}

struct json_object *
migrate_record_to_json(const struct migrate_record *record)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "id", json_object_new_string(record->id));
    json_object_object_add(object, "term", json_object_new_uint64(record->term));
    json_object_object_add(object, "app", json_object_new_string(record->app));
    json_object_object_add(object, "from", json_object_new_string(record->from));
    json_object_object_add(object, "to", json_object_new_string(record->to));
    json_object_object_add(object, "step", json_object_new_string(step_names[record->step]));
    json_object_object_add(object, "error", json_object_new_string(record->error));
    return object;
}

struct record_read {
    struct migrate_record record;
    int step;
};

#define FIELD(f)                                                                                   \
    .offset = offsetof(struct record_read, record.f), .size = sizeof(((struct migrate_record *)0)->f)

static const struct offload_opt record_table[] = {
    {.key = "id", .type = OFFLOAD_OPT_STRING, FIELD(id), .help = "UUID",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "term", .type = OFFLOAD_OPT_U64, FIELD(term), .help = "the manager's number",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "app", .type = OFFLOAD_OPT_NAME, FIELD(app), .help = "application",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "from", .type = OFFLOAD_OPT_NAME, FIELD(from), .help = "source card",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "to", .type = OFFLOAD_OPT_NAME, FIELD(to), .help = "destination card",
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "step", .type = OFFLOAD_OPT_ENUM, .offset = offsetof(struct record_read, step),
     .names = step_names, .help = "how far it came", .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "error", .type = OFFLOAD_OPT_STRING, FIELD(error), .default_text = "\"\"",
     .help = "why it was aborted"},
    OFFLOAD_OPT_END,
};

int
migrate_record_from_json(struct migrate_record *record, struct json_object *object,
                         const char *path, struct offload_err *err)
{
    struct record_read read = {0};
    int rc = offload_opt_read(record_table, object, path, &read, sizeof read, err);
    if (rc == 0) {
        rc = check_names(read.record.id, read.record.app, read.record.from, read.record.to, err);
        if (rc < 0)
            offload_err_prefix(err, path);
    }
    if (rc < 0)
        return rc;
    *record = read.record;
    record->step = read.step;
    return 0;
}
