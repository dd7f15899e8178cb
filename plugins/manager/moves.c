// SPDX-License-Identifier: Apache-2.0
// Migrations under way. lib/migrate/coordinator.c says whom to ask for what; here it is asked, and
// the model learns of the outcome. plan -> [moves] -> cards and switch.  The mover's thread, but
// for moves_begin() and moves_adopt().
#include "plugins/manager/manager.h"

#include "lib/io/client_blocking.h"
#include "lib/io/clock.h"
#include "lib/io/pausepoint.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const double MOVE_NEWEST = 0.3; // weight of the newest in how long moves take

void
moves_new_id(char id[MIGRATE_ID_LEN + 1])
{
    unsigned char b[16] = {0};
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        memcpy(b, &(uint64_t){clock_wall_ns()}, sizeof(uint64_t));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); // RFC 9562, 5.4: version 4
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(id, MIGRATE_ID_LEN + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

struct manager_move *
moves_of_app(struct manager *m, uint32_t app)
{
    for (unsigned i = 0; i < m->n_moves; i++)
        if (m->moves[i]->app == app && !coordinator_over(&m->moves[i]->coordinator))
            return m->moves[i];
    return NULL;
}

struct manager_move *
moves_find(struct manager *m, const char *id)
{
    for (unsigned i = 0; i < m->n_moves; i++)
        if (!strcmp(m->moves[i]->coordinator.machine.record.id, id))
            return m->moves[i];
    return NULL;
}

// A place for one more; the oldest that is over makes room. NULL if all run.
static struct manager_move *
new_move(struct manager *m)
{
    if (m->n_moves == MANAGER_MOVES_MAX) {
        unsigned i = 0;
        while (i < m->n_moves && !coordinator_over(&m->moves[i]->coordinator))
            i++;
        if (i == m->n_moves)
            return NULL;
        coordinator_fini(&m->moves[i]->coordinator);
        free(m->moves[i]);
        memmove(&m->moves[i], &m->moves[i + 1], (m->n_moves - i - 1) * sizeof *m->moves);
        m->n_moves--;
    }
    struct manager_move *move = calloc(1, sizeof *move);
    if (move)
        m->moves[m->n_moves++] = move;
    return move;
}

void
moves_begin(struct manager *m, const char *id, uint32_t app, uint32_t to,
            const struct alloc_share *share, const char *reason, const char *refusal)
{
    struct manager_app *a = &m->apps[app];
    const struct manager_card *from = &m->cards[a->card], *dest = &m->cards[to];
    uint64_t now = clock_monotonic_ns();
    struct manager_move *move = new_move(m);
    if (!move)
        return; // as many as there may be are running: the next plan asks again
    double most = a->max_bps > 0 ? a->max_bps : dest->capacity.amount[ALLOC_BANDWIDTH];
    struct coordinator *c = &move->coordinator;
    if (coordinator_begin(c, id, m->term, a->name, from->name, dest->name,
                          alloc_share_to_json(share, a->lent, most), now, NULL)) {
        free(move);
        m->n_moves--;
        return;
    }
    c->from_ports = from->ports;
    c->to_ports = dest->ports;
    if (!a->intent || !manager_switch(m, to))
        c->to_ports.inside[0] = '\0';
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    move->share = *share;
    move->app = app;
    move->from = a->card;
    move->to = to;
    if (refusal) {
        snprintf(c->machine.record.error, sizeof c->machine.record.error, "%s", refusal);
        c->machine.record.step = MIGRATE_ABORTED;
        c->phase = COORDINATOR_ABORTED;
        c->ended_ns = now;
        move->told = true;
        return;
    }
    a->moving = true;
    pthread_cond_signal(&m->wake_mover);
}

static void
share_in(struct json_object *allocation, struct alloc_share *share)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        struct json_object *value;
        if (allocation && json_object_object_get_ex(allocation, alloc_resource_names[r], &value))
            share->amount[r] = json_object_get_double(value);
    }
}

// A MIGRATION row is a record and figures beside it.
static int
record_in(struct json_object *row, struct migrate_record *record, struct offload_err *err)
{
    static const char *const keys[] = {"id", "term", "app", "from", "to", "step", "error"};
    struct json_object *o = json_object_new_object(), *value;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_object_get_ex(row, keys[i], &value))
            json_object_object_add(o, keys[i], json_object_get(value));
    int rc = migrate_record_from_json(record, o, "migrations", err);
    json_object_put(o);
    return rc;
}

int
moves_adopt(struct manager *m, struct json_object *row, bool switched, struct offload_err *err)
{
    struct migrate_record record;
    struct json_object *allocation = NULL;
    int rc = record_in(row, &record, err);
    if (rc || moves_find(m, record.id))
        return rc;
    struct manager_app *app = manager_find_app(m, record.app);
    uint32_t from = manager_find_card(m, record.from), to = manager_find_card(m, record.to);
    if (!app || from == ALLOC_NONE || to == ALLOC_NONE)
        return offload_err_set(err, -ENOENT, NULL, "configure them, or end it by hand",
                               "migration of '%s' from '%s' to '%s' is none of this manager's",
                               record.app, record.from, record.to);
    struct manager_move *move = new_move(m);
    if (!move)
        return offload_err_set(err, -ENOSPC, NULL, NULL, "too many migrations are under way");
    coordinator_adopt(&move->coordinator, &record, switched, m->term, clock_monotonic_ns());
    move->coordinator.from_ports = m->cards[from].ports;
    move->coordinator.to_ports = m->cards[to].ports;
    if (!app->intent || !manager_switch(m, to))
        move->coordinator.to_ports.inside[0] = '\0';
    move->app = (uint32_t)(app - m->apps);
    move->from = from;
    move->to = to;
    json_object_object_get_ex(row, "allocation", &allocation);
    share_in(allocation, &move->share);
    app->moving = true;
    pthread_cond_signal(&m->wake_mover);
    return 0;
}

// The end of one, told to people and to the model. The lock is held; the text is for after it.
static void
finish(struct manager *m, struct manager_move *move, char *text, size_t size)
{
    const struct coordinator *c = &move->coordinator;
    const struct migrate_record *r = &c->machine.record;
    struct manager_app *app = &m->apps[move->app];
    app->moving = false;
    app->moved_ns = clock_wall_ns();
    m->intents_due = true;
    move->told = true;
    if (c->phase == COORDINATOR_DONE) {
        double took_s = offload_ns_to_s(c->ended_ns - c->started_ns);
        m->move_s += MOVE_NEWEST * (took_s - m->move_s);
        m->hurry = true; // the room that it left is nobody's until the next plan
        pthread_cond_signal(&m->wake_ticker);
        app->card = move->to;
        app->now = move->share;
        snprintf(text, size, "%s moved from %s to %s: pause %.3f ms, %lu packets held, %lu lost",
                 r->app, r->from, r->to, (double)c->pause_ns / 1e6, (unsigned long)c->held_pkts,
                 (unsigned long)c->lost_pkts);
    } else {
        snprintf(text, size, "%s stays on %s: %s", r->app, r->from, r->error);
    }
}

// One request of one migration. The lock is held at start and end, not meanwhile.
static void
ask(struct manager *m, struct manager_move *move, struct coordinator_request *request)
{
    struct manager_peer *peer = request->to == COORDINATOR_SWITCH
                                    ? manager_switch(m, move->to)
                                    : &m->peers[m->cards[move->from].peer];
    struct json_object *result = NULL;
    struct offload_err err = {0};
    char text[400] = "";
    enum coordinator_phase phase = move->coordinator.phase;
    pthread_mutex_unlock(&m->lock);
    pause_point("manager", coordinator_phase_name(phase));
    int rc = rpc_client_call(peer->move_client, request->method, request->params, &result, &err);
    // No socket is no answer; "not found" comes from one who answers.
    if (rc == -ENOENT && !strcmp(err.where, peer->socket))
        rc = -ECONNREFUSED;
    pthread_mutex_lock(&m->lock);
    coordinator_answer(&move->coordinator, clock_monotonic_ns(), rc, result, &err);
    if (coordinator_over(&move->coordinator) && !move->told)
        finish(m, move, text, sizeof text);
    enum manager_severity severity =
        move->coordinator.phase == COORDINATOR_DONE ? MANAGER_OKAY : MANAGER_WARNING;
    pthread_mutex_unlock(&m->lock);
    json_object_put(result);
    if (text[0])
        manager_notify(severity, "%s", text);
    pthread_mutex_lock(&m->lock);
}

void
moves_drop(struct manager *m)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < m->n_moves; i++) {
        struct manager_move *move = m->moves[i];
        if (coordinator_over(&move->coordinator)) {
            m->moves[kept++] = move;
            continue;
        }
        m->apps[move->app].moving = false;
        coordinator_fini(&move->coordinator);
        free(move);
    }
    m->n_moves = kept;
}

// Asks for all that is due; returns when the next is, UINT64_MAX if nothing runs.
static uint64_t
drive(struct manager *m)
{
    uint64_t next = UINT64_MAX;
    if (!manager_commands(m))
        moves_drop(m);
    for (unsigned i = 0; i < m->n_moves && !m->stop; i++) {
        struct manager_move *move = m->moves[i];
        struct coordinator_request request;
        // A swap must not overtake intents that are just being set.
        if (m->syncing && move->coordinator.phase == COORDINATOR_SWAPPING)
            continue;
        if (coordinator_next(&move->coordinator, clock_monotonic_ns(), &request))
            ask(m, move, &request);
        if (!coordinator_over(&move->coordinator) && move->coordinator.due_ns < next)
            next = move->coordinator.due_ns;
    }
    return next;
}

void *
mover_main(void *arg)
{
    struct manager *m = arg;
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        uint64_t next = drive(m);
        if (m->stop)
            break;
        if (next == UINT64_MAX) {
            pthread_cond_wait(&m->wake_mover, &m->lock);
        } else if (next > clock_monotonic_ns()) {
            struct timespec until = {.tv_sec = (time_t)(next / 1000000000),
                                     .tv_nsec = (long)(next % 1000000000)};
            pthread_cond_timedwait(&m->wake_mover, &m->lock, &until);
        }
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}
