// SPDX-License-Identifier: Apache-2.0
// The one state machine of a migration. Manager, both cards and switch run it by this header, each
// with a stamp of its own; so a manager that knows nothing can finish what it finds.
//
//   idle -prepare-> prepared -start-> copying -cutover-> cutting -commit-> swapped -drained-> committed
//                      |                 |                  |
//                      +-----------------+------------------+--abort--> aborted
//
// The commit point is the step to "swapped": before it every failure rolls back, after it forward.
// lib/migrate/states.c has the table and says what holds in each step. Pure: no I/O, no clock.
#pragma once

#include <offload/err.h>
#include <offload/units.h>

#include <stdbool.h>
#include <stdint.h>

struct json_object;

enum {
    MIGRATE_ID_LEN = 36, // a UUID as text
};

enum migrate_step {
    MIGRATE_IDLE,
    MIGRATE_PREPARED,
    MIGRATE_COPYING,
    MIGRATE_CUTTING,
    MIGRATE_SWAPPED,
    MIGRATE_COMMITTED,
    MIGRATE_ABORTED,
    MIGRATE_N_STEPS,
};

enum migrate_event {
    MIGRATE_EV_PREPARE,
    MIGRATE_EV_START,
    MIGRATE_EV_CUTOVER,
    MIGRATE_EV_COMMIT,
    MIGRATE_EV_DRAINED, // the old path is proven empty
    MIGRATE_EV_ABORT,
    MIGRATE_N_EVENTS,
};

// What every participant remembers of a migration, and stamps.
struct migrate_record {
    char id[MIGRATE_ID_LEN + 1];
    uint64_t term; // of the manager that began it
    char app[OFFLOAD_NAME_MAX + 1];
    char from[OFFLOAD_NAME_MAX + 1], to[OFFLOAD_NAME_MAX + 1]; // cards
    enum migrate_step step;
    char error[160]; // why it was aborted; "" otherwise
};

// Makes 'record' (already with its new step) durable where recovery will look. A failure leaves the
// machine where it was.
typedef int migrate_stamp_fn(void *ctx, const struct migrate_record *record,
                             struct offload_err *err);

struct migrate_machine {
    struct migrate_record record;
    migrate_stamp_fn *stamp; // may be NULL: nothing to remember
    void *ctx;               // of 'stamp'
};

// Checks the names and puts the machine at idle. -EINVAL names what is wrong ("id", "app", "to").
int migrate_machine_init(struct migrate_machine *m, const char *id, uint64_t term, const char *app,
                         const char *from, const char *to, migrate_stamp_fn *stamp, void *ctx,
                         struct offload_err *err);

// Takes one step: stamps the next one, then is in it. An event that led to the present step may
// come again and changes nothing (a request whose answer was lost). -EBUSY: the event does not fit
// the step.
int migrate_machine_run(struct migrate_machine *m, enum migrate_event event,
                        struct offload_err *err);

// The same with MIGRATE_EV_ABORT, and the reason for people. 'reason' may be NULL.
int migrate_machine_abort(struct migrate_machine *m, const char *reason, struct offload_err *err);

// The step after 'event' in 'step', or -EBUSY.
int migrate_next(enum migrate_step step, enum migrate_event event);

static inline bool
migrate_step_final(enum migrate_step step)
{
    return step == MIGRATE_COMMITTED || step == MIGRATE_ABORTED;
}

// What to do about a migration that is found at 'step' after a restart.
enum migrate_resume {
    MIGRATE_RESUME_NOTHING, // it is final, or never began
    MIGRATE_RESUME_BACK,    // abort: the application stays at its source
    MIGRATE_RESUME_FORWARD, // commit, or wait for the old path to drain
};

// 'switched': the switch is known to have swapped for this migration. The cards do not know it and
// say false: theirs rolls back until the commit came. A manager that finds the cards cutting and
// the switch swapped goes on.
enum migrate_resume migrate_resume(enum migrate_step step, bool switched);

const char *migrate_step_name(enum migrate_step step);
const char *migrate_event_name(enum migrate_event event);
int migrate_step_parse(const char *name); // a step, or -ENOENT

// True for a UUID: 8-4-4-4-12 hexadecimal digits.
bool migrate_id_valid(const char *id);

// The record as {"id","term","app","from","to","step","error"}, a new reference; and back: anything
// that is missing or malformed is -EINVAL with the key path below 'path', and leaves 'record'
// untouched.
struct json_object *migrate_record_to_json(const struct migrate_record *record);
int migrate_record_from_json(struct migrate_record *record, struct json_object *object,
                             const char *path, struct offload_err *err);
