// SPDX-License-Identifier: Apache-2.0
// The manager's part of a migration; coordinator.h has the picture.
// manager -> [coordinator] -> cards and switch.  Pure.
#include "lib/migrate/coordinator.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

// How often progress is asked for. While packets are held every millisecond counts.
static const uint64_t POLL_NS[] = {
    [COORDINATOR_COPYING] = 20000000, [COORDINATOR_CUTTING] = 2000000,
    [COORDINATOR_FENCING] = 10000000, [COORDINATOR_DRAINING] = 20000000,
    [COORDINATOR_ABORTED] = 0,
};
static const uint64_t COPYING_MOST_NS =
    60000000000; // state that never gets small: it changes too fast
static const uint64_t CUTTING_MOST_NS = 5000000000;
static const uint64_t RETRY_NS = 200000000; // a peer that did not answer
enum { ATTEMPTS = 5 };                      // before the swap; after it there is no end of trying

static const char *const phase_names[] = {
    [COORDINATOR_OPENING] = "opening",
    [COORDINATOR_PREPARING] = "preparing",
    [COORDINATOR_STARTING] = "starting",
    [COORDINATOR_COPYING] = "copying",
    [COORDINATOR_CUTTING_OVER] = "cutting over",
    [COORDINATOR_CUTTING] = "cutting",
    [COORDINATOR_SWAPPING] = "swapping",
    [COORDINATOR_FENCING] = "fencing",
    [COORDINATOR_COMMITTING] = "committing",
    [COORDINATOR_DRAINING] = "draining",
    [COORDINATOR_DONE] = "done",
    [COORDINATOR_ABORTING] = "aborting",
    [COORDINATOR_SWAPPING_BACK] = "swapping back",
    [COORDINATOR_ABORTED] = "aborted",
};

const char *
coordinator_phase_name(enum coordinator_phase phase)
{
    return phase_names[phase];
}

static void
enter(struct coordinator *c, enum coordinator_phase phase, uint64_t now_ns)
{
    c->phase = phase;
    c->phase_ns = c->due_ns = now_ns;
    c->failures = 0;
    if (coordinator_over(c))
        c->ended_ns = now_ns;
}

int
coordinator_begin(struct coordinator *c, const char *id, uint64_t term, const char *app,
                  const char *from, const char *to, struct json_object *allocation, uint64_t now_ns,
                  struct offload_err *err)
{
    struct migrate_machine machine;
    int rc = migrate_machine_init(&machine, id, term, app, from, to, NULL, NULL, err);
    if (rc) {
        json_object_put(allocation);
        return rc;
    }
    *c = (struct coordinator){
        .machine = machine, .term = term, .allocation = allocation, .started_ns = now_ns};
    enter(c, COORDINATOR_OPENING, now_ns);
    return 0;
}

void
coordinator_adopt(struct coordinator *c, const struct migrate_record *record, bool switched,
                  uint64_t term, uint64_t now_ns)
{
    *c = (struct coordinator){
        .machine = {.record = *record}, .term = term, .started_ns = now_ns, .switched = switched};
    snprintf(c->reason, sizeof c->reason, "found at the cards");
    switch (migrate_resume(record->step, switched)) {
    case MIGRATE_RESUME_BACK:
        enter(c, COORDINATOR_ABORTING, now_ns);
        break;
    case MIGRATE_RESUME_FORWARD:
        enter(c, record->step == MIGRATE_CUTTING ? COORDINATOR_FENCING : COORDINATOR_DRAINING,
              now_ns);
        break;
    case MIGRATE_RESUME_NOTHING:
        enter(c, record->step == MIGRATE_COMMITTED ? COORDINATOR_DONE : COORDINATOR_ABORTED,
              now_ns);
        break;
    }
}

void
coordinator_fini(struct coordinator *c)
{
    json_object_put(c->allocation);
    c->allocation = NULL;
}

static void
add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, json_object_new_string(text));
}

static struct json_object *
params_of(const char *id)
{
    struct json_object *params = json_object_new_object();
    add_text(params, "id", id);
    return params;
}

static void
ask_cards(const struct coordinator *c, const char *method, bool fenced,
          struct coordinator_request *request)
{
    *request =
        (struct coordinator_request){COORDINATOR_CARDS, method, params_of(c->machine.record.id)};
    if (fenced)
        json_object_object_add(request->params, "term", json_object_new_uint64(c->term));
}

static void
ask_prepare(const struct coordinator *c, struct coordinator_request *request)
{
    const struct migrate_record *r = &c->machine.record;
    ask_cards(c, "migration.prepare", true, request);
    add_text(request->params, "app", r->app);
    add_text(request->params, "from", r->from);
    add_text(request->params, "to", r->to);
    json_object_object_add(request->params, "allocation", json_object_get(c->allocation));
}

// The way back is another swap, so it has an id of its own: the first digit turned round.
static void
swap_id(const struct coordinator *c, bool back, char *id)
{
    memcpy(id, c->machine.record.id, MIGRATE_ID_LEN + 1);
    if (back)
        id[0] = id[0] == 'f' || id[0] == 'F' ? '0' : 'f';
}

static void
ask_swap(const struct coordinator *c, bool back, struct coordinator_request *request)
{
    char id[MIGRATE_ID_LEN + 1];
    const struct coordinator_ports *from = back ? &c->to_ports : &c->from_ports;
    const struct coordinator_ports *to = back ? &c->from_ports : &c->to_ports;
    swap_id(c, back, id);
    *request = (struct coordinator_request){COORDINATOR_SWITCH, "reroute.swap", params_of(id)};
    json_object_object_add(request->params, "term", json_object_new_uint64(c->term));
    add_text(request->params, "app", c->machine.record.app);
    add_text(request->params, "from_port", from->inside);
    add_text(request->params, "to_port", to->inside);
    if (to->outside[0])
        add_text(request->params, "to_port_out", to->outside);
}

static void
ask_opening(const struct coordinator *c, struct coordinator_request *request)
{
    *request = (struct coordinator_request){COORDINATOR_SWITCH, "reroute.prepare",
                                            json_object_new_object()};
    json_object_object_add(request->params, "term", json_object_new_uint64(c->term));
    add_text(request->params, "app", c->machine.record.app);
    add_text(request->params, "to_port", c->to_ports.inside);
    if (c->to_ports.outside[0])
        add_text(request->params, "to_port_out", c->to_ports.outside);
}

static bool
next_request(struct coordinator *c, uint64_t now_ns, struct coordinator_request *request)
{
    if (coordinator_over(c) || now_ns < c->due_ns)
        return false;
    if (c->phase == COORDINATOR_OPENING && !c->to_ports.inside[0])
        enter(c, COORDINATOR_PREPARING, now_ns);
    switch (c->phase) {
    case COORDINATOR_OPENING:
        ask_opening(c, request);
        break;
    case COORDINATOR_PREPARING:
        ask_prepare(c, request);
        break;
    case COORDINATOR_STARTING:
        ask_cards(c, "migration.start", true, request);
        break;
    case COORDINATOR_CUTTING_OVER:
        ask_cards(c, "migration.cutover", true, request);
        break;
    case COORDINATOR_COPYING:
    case COORDINATOR_CUTTING:
    case COORDINATOR_DRAINING:
        ask_cards(c, "migration.status", false, request);
        break;
    case COORDINATOR_SWAPPING:
        ask_swap(c, false, request);
        break;
    case COORDINATOR_SWAPPING_BACK:
        ask_swap(c, true, request);
        break;
    case COORDINATOR_FENCING:
        *request = (struct coordinator_request){COORDINATOR_SWITCH, "reroute.status",
                                                params_of(c->machine.record.id)};
        break;
    case COORDINATOR_COMMITTING:
        ask_cards(c, "migration.commit", true, request);
        break;
    case COORDINATOR_ABORTING:
        ask_cards(c, "migration.abort", true, request);
        break;
    case COORDINATOR_DONE:
    case COORDINATOR_ABORTED:
        return false;
    }
    return true;
}

bool
coordinator_next(struct coordinator *c, uint64_t now_ns, struct coordinator_request *request)
{
    c->asked = next_request(c, now_ns, request);
    return c->asked;
}

static void
abort_for(struct coordinator *c, uint64_t now_ns, const char *why)
{
    if (!c->machine.record.error[0])
        snprintf(c->machine.record.error, sizeof c->machine.record.error, "%s", why);
    enter(c, COORDINATOR_ABORTING, now_ns);
}

static void
aborted(struct coordinator *c, uint64_t now_ns)
{
    migrate_machine_abort(&c->machine, NULL, NULL);
    c->machine.record.step = MIGRATE_ABORTED; // the cards have said so, whatever we thought
    enter(c, COORDINATOR_ABORTED, now_ns);
}

static uint64_t
number_in(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_uint64(value) : 0;
}

static bool
true_in(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) && json_object_get_boolean(value);
}

// The cards' row of this migration, or NULL.
static struct json_object *
row_in(const struct coordinator *c, struct json_object *result)
{
    struct json_object *rows, *id;
    if (!json_object_object_get_ex(result, "migrations", &rows) ||
        !json_object_is_type(rows, json_type_array))
        return NULL;
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        if (json_object_object_get_ex(row, "id", &id) &&
            !strcmp(json_object_get_string(id), c->machine.record.id))
            return row;
    }
    return NULL;
}

static void
note_figures(struct coordinator *c, struct json_object *row)
{
    c->pause_ns = number_in(row, "pause_ns");
    c->held_pkts = number_in(row, "held_pkts");
    c->handed_pkts = number_in(row, "handed_pkts");
    c->lost_pkts = number_in(row, "lost_pkts");
    c->state_bytes = number_in(row, "state_bytes");
    c->entries = number_in(row, "entries");
}

static enum migrate_step
step_in(struct json_object *row)
{
    struct json_object *step;
    int value = json_object_object_get_ex(row, "step", &step)
                    ? migrate_step_parse(json_object_get_string(step))
                    : -ENOENT;
    return value < 0 ? MIGRATE_IDLE : value;
}

// The cards have rolled back on their own, or know nothing: what that means depends on the switch.
static void
gone(struct coordinator *c, uint64_t now_ns, const char *why)
{
    if (!c->machine.record.error[0])
        snprintf(c->machine.record.error, sizeof c->machine.record.error, "%s", why);
    if (c->switched)
        enter(c, COORDINATOR_SWAPPING_BACK, now_ns);
    else
        aborted(c, now_ns);
}

static void
on_status(struct coordinator *c, uint64_t now_ns, struct json_object *result)
{
    struct json_object *row = row_in(c, result), *error;
    c->due_ns = now_ns + POLL_NS[c->phase];
    if (!row) {
        gone(c, now_ns, "the cards know nothing of it any more");
        return;
    }
    note_figures(c, row);
    enum migrate_step step = step_in(row);
    if (step == MIGRATE_ABORTED) {
        const char *why =
            json_object_object_get_ex(row, "error", &error) ? json_object_get_string(error) : NULL;
        gone(c, now_ns, why && why[0] ? why : "the cards rolled it back");
    } else if (step == MIGRATE_COMMITTED) {
        migrate_machine_run(&c->machine, MIGRATE_EV_DRAINED, NULL);
        enter(c, COORDINATOR_DONE, now_ns);
    } else if (c->phase == COORDINATOR_COPYING) {
        if (true_in(row, "ready"))
            enter(c, COORDINATOR_CUTTING_OVER, now_ns);
        else if (now_ns - c->phase_ns > COPYING_MOST_NS)
            abort_for(c, now_ns, "its state changes faster than it can be copied");
    } else if (c->phase == COORDINATOR_CUTTING) {
        if (true_in(row, "ready"))
            enter(c, c->to_ports.inside[0] ? COORDINATOR_SWAPPING : COORDINATOR_COMMITTING, now_ns);
        else if (now_ns - c->phase_ns > CUTTING_MOST_NS)
            abort_for(c, now_ns, "the destination did not take over in time");
    }
}

static void
on_success(struct coordinator *c, uint64_t now_ns, struct json_object *result)
{
    c->failures = 0;
    switch (c->phase) {
    case COORDINATOR_OPENING:
        enter(c, COORDINATOR_PREPARING, now_ns);
        break;
    case COORDINATOR_PREPARING:
        migrate_machine_run(&c->machine, MIGRATE_EV_PREPARE, NULL);
        enter(c, COORDINATOR_STARTING, now_ns);
        break;
    case COORDINATOR_STARTING:
        migrate_machine_run(&c->machine, MIGRATE_EV_START, NULL);
        enter(c, COORDINATOR_COPYING, now_ns);
        break;
    case COORDINATOR_CUTTING_OVER:
        migrate_machine_run(&c->machine, MIGRATE_EV_CUTOVER, NULL);
        enter(c, COORDINATOR_CUTTING, now_ns);
        break;
    case COORDINATOR_COPYING:
    case COORDINATOR_CUTTING:
    case COORDINATOR_DRAINING:
        on_status(c, now_ns, result);
        break;
    case COORDINATOR_SWAPPING:
        c->switched = true;
        c->swap_ns = number_in(result, "bundle_ns");
        enter(c, COORDINATOR_FENCING, now_ns);
        break;
    case COORDINATOR_FENCING:
        c->due_ns = now_ns + POLL_NS[c->phase];
        if (true_in(result, "fenced"))
            enter(c, COORDINATOR_COMMITTING, now_ns);
        break;
    case COORDINATOR_COMMITTING:
        migrate_machine_run(&c->machine, MIGRATE_EV_COMMIT, NULL);
        enter(c, COORDINATOR_DRAINING, now_ns);
        break;
    case COORDINATOR_ABORTING:
    case COORDINATOR_SWAPPING_BACK:
        aborted(c, now_ns);
        break;
    case COORDINATOR_DONE:
    case COORDINATOR_ABORTED:
        break;
    }
}

// The peer refused, as opposed to not having answered.
static bool
refused(int rc)
{
    return rc == -ENOENT || rc == -EINVAL || rc == -ERANGE || rc == -ENOSPC || rc == -ESTALE ||
           rc == -EBUSY || rc == -EACCES || rc == -ENOTSUP || rc == -ENOSYS;
}

static void
on_failure(struct coordinator *c, uint64_t now_ns, int rc, const char *why)
{
    c->failures++;
    c->due_ns = now_ns + RETRY_NS;
    switch (c->phase) {
    case COORDINATOR_SWAPPING:
        // No answer says nothing: the bundle may be in force. The swap is idempotent, so it is
        // asked again until the switch says yes or no.
        if (refused(rc))
            abort_for(c, now_ns, why);
        break;
    case COORDINATOR_ABORTING:
        if (rc == -ENOENT) // the cards have never heard of it, so nothing is to be undone
            aborted(c, now_ns);
        else if (rc == -EBUSY) // too late: they have committed
            enter(c, COORDINATOR_DRAINING, now_ns);
        break;
    case COORDINATOR_COMMITTING:
    case COORDINATOR_DRAINING:
        if (rc == -ENOENT)
            gone(c, now_ns, "the cards know nothing of it any more");
        else if (rc == -EBUSY && c->phase == COORDINATOR_COMMITTING)
            enter(c, COORDINATOR_DRAINING, now_ns); // their status tells which step they are at
        break;
    case COORDINATOR_FENCING:
    case COORDINATOR_SWAPPING_BACK:
        break; // forwards, or back, for ever
    default:
        if (refused(rc) || c->failures >= ATTEMPTS)
            abort_for(c, now_ns, why);
        break;
    }
}

void
coordinator_answer(struct coordinator *c, uint64_t now_ns, int rc, struct json_object *result,
                   const struct offload_err *err)
{
    char why[200] = "no answer";
    c->asked = false;
    if (c->abort_wanted) { // whatever the answer says, the cards know what is to be undone
        c->abort_wanted = false;
        abort_for(c, now_ns, why);
        return;
    }
    if (!rc) {
        on_success(c, now_ns, result);
        return;
    }
    if (err && err->text[0])
        snprintf(why, sizeof why, "%s: %.150s", phase_names[c->phase], err->text);
    on_failure(c, now_ns, rc, why);
}

int
coordinator_abort(struct coordinator *c, uint64_t now_ns, const char *why, struct offload_err *err)
{
    if (c->phase > COORDINATOR_CUTTING)
        return offload_err_set(err, -EBUSY, "id", "let it end; then migrate back",
                               "migration %s is %s and cannot be aborted any more",
                               c->machine.record.id, phase_names[c->phase]);
    c->abort_wanted = c->asked;
    if (c->asked) // the answer under way must not be taken for the abort's
        snprintf(c->machine.record.error, sizeof c->machine.record.error, "%s", why);
    else
        abort_for(c, now_ns, why);
    return 0;
}
