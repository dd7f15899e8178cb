// SPDX-License-Identifier: Apache-2.0
// migration.*: each verb checks all, stamps the step, then orders the workers; a timer follows what
// they have done. The steps are those of include/offload/migrate.h. Main thread.
//
// What outlives the process: cardd.plan says on which card an application is, and is the commit
// point, replaced in one piece; it leaves a destination out until then, so a migration that was cut
// short ends where it began. The records in cardd.migrations tell a manager afterwards how each
// ended.
#include "dpdk-app/migrate.h"

#include "dpdk-app/cardd.h"
#include "dpdk-app/handover.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/worker.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/log.h"
#include "lib/io/statefile.h"

#include <offload/migrate.h>

#include <event2/event.h>
#include <json-c/json.h>
#include <rte_cycles.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_MOST = 64, // that migration.status tells of
    ACTIVE_MOST = 8,
    POLL_US = 2000, // while one is under way
    FILE_BYTES_MOST = 1 << 20,
};

struct figures {
    bool ready, path_empty;
    uint64_t entries, copied, rounds, state_bytes, delta_ns, pause_ns, held_pkts, handed_pkts,
        lost_pkts;
};

struct migration {
    struct migration *next; // older
    struct migrate_machine machine;
    struct cardd *d;
    struct app *source, *destination; // valid while 'handover' is
    struct handover *handover;        // NULL: it is over
    struct worker_task join[2];
    struct figures final;
};

struct migrations {
    struct migration *newest;
    unsigned numbers; // given so far
    struct event *timer;
};

// -- What is told --

static uint64_t
entries_of(const struct app *app)
{
    uint64_t entries = 0;
    for (unsigned i = 0; i < app->chain.n; i++)
        if (app->chain.fn[i]->ops->entries)
            entries += app->chain.fn[i]->ops->entries(app->chain.fn[i]->state);
    return entries;
}

static enum end_phase
phase_of(const struct end *end)
{
    return (enum end_phase)atomic_load_explicit(&end->phase,
                                                memory_order_acquire); // pairs with set_phase()
}

static struct figures
figures_of(const struct migration *m)
{
    if (!m->handover)
        return m->final;
    const struct end *s = &m->handover->source, *t = &m->handover->destination;
    enum end_phase phase = phase_of(t);
    bool serves =
        phase == END_TAKING || (phase == END_DONE && m->machine.record.step != MIGRATE_ABORTED);
    uint64_t pause = RTE_MAX(count_get(&s->pause_cycles), count_get(&t->pause_cycles));
    return (struct figures){
        .ready = m->machine.record.step == MIGRATE_COPYING ? atomic_load(&s->ready) : serves,
        .path_empty = atomic_load(&s->gone) && atomic_load(&t->gone),
        .entries = entries_of(serves ? m->destination : m->source),
        .copied = count_get(&s->copied),
        .rounds = count_get(&s->rounds),
        .state_bytes = count_get(&s->bytes),
        .delta_ns = cycles_to_ns(m->d, count_get(&t->delta_cycles)),
        .pause_ns = cycles_to_ns(m->d, pause),
        .held_pkts = count_get(&s->held_pkts) + count_get(&t->held_pkts),
        .handed_pkts = count_get(&s->handed_pkts) + count_get(&t->handed_pkts),
        .lost_pkts = count_get(&s->lost_pkts) + count_get(&t->lost_pkts),
    };
}

static struct json_object *
migration_to_json(const struct migration *m)
{
    struct json_object *o = migrate_record_to_json(&m->machine.record);
    struct figures f = figures_of(m);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"entries", f.entries},         {"copied", f.copied},           {"rounds", f.rounds},
        {"state_bytes", f.state_bytes}, {"delta_ns", f.delta_ns},       {"pause_ns", f.pause_ns},
        {"held_pkts", f.held_pkts},     {"handed_pkts", f.handed_pkts}, {"lost_pkts", f.lost_pkts},
    };
    json_object_object_add(o, "ready", json_object_new_boolean(f.ready));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_object_add(o, numbers[i].key, json_object_new_uint64(numbers[i].value));
    json_object_object_add(o, "path_empty", json_object_new_boolean(f.path_empty));
    return o;
}

static void
tell(struct migration *m)
{
    const struct migrate_record *r = &m->machine.record;
    struct json_object *params = json_object_new_object();
    json_object_object_add(params, "id", json_object_new_string(r->id));
    json_object_object_add(params, "app", json_object_new_string(r->app));
    json_object_object_add(params, "from", json_object_new_string(r->from));
    json_object_object_add(params, "to", json_object_new_string(r->to));
    json_object_object_add(params, "step", json_object_new_string(migrate_step_name(r->step)));
    event_emit(m->d, EVENT_MIGRATION, params);
    log_notice("migration %s of '%s' from '%s' to '%s' is %s%s%s", r->id, r->app, r->from, r->to,
               migrate_step_name(r->step), r->error[0] ? ": " : "", r->error);
}

// -- What is remembered --

static void
file_path(const struct cardd *d, char *path, size_t size)
{
    snprintf(path, size, "%s/cardd.migrations", d->config.state_dir);
}

// The record of 'm' as it will be, and all others as they are.
static int
records_save(struct cardd *d, const struct migration *changed, const struct migrate_record *as,
             struct offload_err *err)
{
    char path[192];
    struct json_object *list = json_object_new_array();
    if (changed->machine.record.step == MIGRATE_IDLE) // not in the list yet
        json_object_array_add(list, migrate_record_to_json(as));
    for (const struct migration *m = d->migrations->newest; m; m = m->next)
        json_object_array_add(list, migrate_record_to_json(m == changed ? as : &m->machine.record));
    const char *text = json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY);
    file_path(d, path, sizeof path);
    int rc = statefile_write(path, text, strlen(text), err);
    json_object_put(list);
    return rc;
}

static int
stamp(void *ctx, const struct migrate_record *record, struct offload_err *err)
{
    struct migration *m = ctx;
    if (record->step == MIGRATE_SWAPPED) {
        m->destination->state =
            APP_ACTIVE; // from here on the plan has it, and no longer the source
        int rc = plan_store(m->d, err);
        if (rc != 0) {
            m->destination->state = APP_DESTINATION;
            return rc;
        }
        // That was the commit point: from here on only forward. The record merely tells of it
        // afterwards.
        struct offload_err unsaved;
        char text[512];
        if (records_save(m->d, m, record, &unsaved) != 0)
            log_warning("migration %s is in the plan, but not in its record: %s", record->id,
                        offload_err_format(&unsaved, text, sizeof text));
        return 0;
    }
    return records_save(m->d, m, record, err);
}

static struct migration *
migration_find(struct cardd *d, const char *id)
{
    struct migration *m = d->migrations->newest;
    while (m && strcmp(m->machine.record.id, id) != 0)
        m = m->next;
    return m;
}

// Puts it in front, and forgets the oldest that is over when there are too many.
static void
migration_add(struct cardd *d, struct migration *m)
{
    unsigned n = 0;
    m->next = d->migrations->newest;
    d->migrations->newest = m;
    for (struct migration **at = &d->migrations->newest; *at; n++) {
        struct migration *old = *at;
        if (n >= KEPT_MOST && !old->handover) {
            *at = old->next;
            free(old);
        } else {
            at = &old->next;
        }
    }
}

// -- What follows --

static bool
ends_gone(const struct migration *m)
{
    return atomic_load_explicit(&m->handover->source.gone, memory_order_acquire) &&
           atomic_load_explicit(&m->handover->destination.gone, memory_order_acquire);
}

static void
warn_of(const char *what, const struct offload_err *err)
{
    char line[800];
    log_error("%s: %s", what, offload_err_format(err, line, sizeof line));
}

// Workers note when the receive queues of both cards are empty, as long as somebody wants to know.
static void
watch_cards(struct card *a, struct card *b, int change)
{
    atomic_fetch_add_explicit(&a->watched, change, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->watched, change, memory_order_relaxed);
}

// Both workers have forgotten it: the card that no longer has the application forgets it too.
static void
finish(struct migration *m)
{
    struct offload_err err;
    struct cardd *d = m->d;
    bool committed = m->machine.record.step == MIGRATE_SWAPPED;
    struct app *leaves = committed ? m->source : m->destination,
               *stays = committed ? m->destination : m->source;
    if (m->handover->source.unproven + m->handover->destination.unproven > 0)
        log_warning("migration %s: a port did not tell whether it had sent all; packets may have "
                    "changed order",
                    m->machine.record.id);
    if (!committed && atomic_load_explicit(&m->handover->source.failed, memory_order_acquire))
        warn_of("the state that came back could not be used; the source goes on with what it had",
                &m->handover->source.err);
    struct card *cards[] = {m->source->card, m->destination->card};
    if (app_detach(d, leaves, &err) != 0) {
        warn_of("a migrated application could not leave its card yet", &err);
        return; // the timer comes again
    }
    watch_cards(cards[0], cards[1], -1);
    m->final = figures_of(m);
    handover_destroy(m->handover);
    m->handover = NULL;
    stays->state = APP_ACTIVE;
    if (committed) {
        if (migrate_machine_run(&m->machine, MIGRATE_EV_DRAINED, &err) < 0)
            warn_of("could not store that a migration is committed", &err);
        tell(m);
    }
    plan_changed(d, 0);
}

static void
abort_for(struct migration *m, const char *reason)
{
    struct offload_err err;
    if (migrate_machine_abort(&m->machine, reason, &err) < 0) {
        warn_of("could not abort a migration", &err);
        return;
    }
    handover_order(m->handover, ORDER_ABORT, rte_rdtsc());
    tell(m);
}

static void
follow(struct migration *m)
{
    char reason[800];
    const struct end *ends[] = {&m->handover->source, &m->handover->destination};
    if (m->machine.record.step < MIGRATE_SWAPPED)
        for (unsigned i = 0; i < 2; i++)
            if (atomic_load_explicit(&ends[i]->failed, memory_order_acquire)) {
                abort_for(m, offload_err_format(&ends[i]->err, reason, sizeof reason));
                return;
            }
    if ((m->machine.record.step == MIGRATE_SWAPPED || m->machine.record.step == MIGRATE_ABORTED) &&
        ends_gone(m))
        finish(m);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct cardd *d = arg;
    bool active = false;
    (void)fd, (void)what;
    for (struct migration *m = d->migrations->newest; m; m = m->next) {
        if (m->handover)
            follow(m);
        active |= m->handover != NULL;
    }
    if (!active)
        event_del(d->migrations->timer);
}

// -- Verbs --

struct prepare_params {
    char id[64], app[OFFLOAD_NAME_MAX + 1], from[OFFLOAD_NAME_MAX + 1], to[OFFLOAD_NAME_MAX + 1];
    uint64_t term;
    struct json_object *allocation;
    bool wait;
};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct prepare_params, f), .size = sizeof(((struct prepare_params *)0)->f)

const struct offload_opt migration_prepare_opts[] = {
    {.key = "id",
     .type = OFFLOAD_OPT_STRING,
     PARAM(id),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "a UUID"},
    {.key = "term",
     .type = OFFLOAD_OPT_U64,
     PARAM(term),
     .most = OFFLOAD_TERM_MOST,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the manager's term"},
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     PARAM(app),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "application"},
    {.key = "from",
     .type = OFFLOAD_OPT_NAME,
     PARAM(from),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "its card"},
    {.key = "to",
     .type = OFFLOAD_OPT_NAME,
     PARAM(to),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "its card to be"},
    {.key = "allocation",
     .type = OFFLOAD_OPT_OBJECT,
     PARAM(allocation),
     .fields = offload_share_opts,
     .object = "SHARE",
     .help = "what it gets there; absent: as now"},
    OFFLOAD_OPT_END,
};

const struct offload_opt migration_abort_opts[] = {
    {.key = "id",
     .type = OFFLOAD_OPT_STRING,
     PARAM(id),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "a UUID"},
    {.key = "term",
     .type = OFFLOAD_OPT_U64,
     PARAM(term),
     .most = OFFLOAD_TERM_MOST,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the manager's term"},
    {.key = "wait",
     .type = OFFLOAD_OPT_BOOL,
     PARAM(wait),
     .default_text = "false",
     .help = "the switch still sends to the destination; this verb comes again when it does not"},
    OFFLOAD_OPT_END,
};

const struct offload_opt migration_step_opts[] = {
    {.key = "id",
     .type = OFFLOAD_OPT_STRING,
     PARAM(id),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "a UUID"},
    {.key = "term",
     .type = OFFLOAD_OPT_U64,
     PARAM(term),
     .most = OFFLOAD_TERM_MOST,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "the manager's term"},
    OFFLOAD_OPT_END,
};

const struct offload_opt migration_status_opts[] = {
    {.key = "id", .type = OFFLOAD_OPT_STRING, PARAM(id), .help = "one alone"},
    OFFLOAD_OPT_END,
};

static struct json_object *
step_to_json(const struct migration *m)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "step",
                           json_object_new_string(migrate_step_name(m->machine.record.step)));
    return o;
}

static int
check_free(struct cardd *d, const struct prepare_params *p, struct offload_err *err)
{
    unsigned active = 0;
    for (const struct migration *m = d->migrations->newest; m; m = m->next) {
        if (!m->handover)
            continue;
        active++;
        if (strcmp(m->machine.record.app, p->app) == 0)
            return offload_err_set(err, -EBUSY, "app", "wait for its end, or abort it",
                                   "'%s' migrates already, as %s", p->app, m->machine.record.id);
    }
    if (active >= ACTIVE_MOST)
        return offload_err_set(err, -EBUSY, "id", "wait for one to end",
                               "%u migrations are under way", active);
    return 0;
}

// The cards can pass the application from one to the other.
static int
check_cards(const struct card *from, const struct card *to, const struct app *app,
            struct offload_err *err)
{
    const struct card *cards[] = {from, to};
    for (unsigned i = 0; i < 2; i++)
        if (!card_is_up(cards[i]))
            return offload_err_set(err, -EBUSY, i ? "to" : "from", "wait until its ports are open",
                                   "card '%s' is down", cards[i]->name);
    if (from->n_ports != to->n_ports)
        return offload_err_set(err, -EINVAL, "to", "name a card with as many ports as 'from'",
                               "'%s' has %u ports, '%s' %u", to->name, to->n_ports, from->name,
                               from->n_ports);
    if (card_app_find((struct card *)(uintptr_t)to, app->name))
        return offload_err_set(err, -EBUSY, "to", "name another card", "'%s' is on '%s' already",
                               app->name, to->name);
    return 0;
}

static int
read_share(const struct prepare_params *p, const struct app *source, const struct card *to,
           struct offload_allocation *out, struct offload_err *err)
{
    if (p->allocation) {
        int rc = offload_allocation_read_share(p->allocation, "allocation", to->name, source->name,
                                               out, err);
        if (rc != 0)
            return rc;
    } else if (source->allocated) {
        *out = source->allocation;
        snprintf(out->card, sizeof out->card, "%s", to->name);
    } else {
        return offload_err_set(err, -EINVAL, "allocation", "say what it is to get",
                               "'%s' has no allocation to take over", source->name);
    }
    return allocation_fits(to, out, 1, err);
}

static void
join_run(struct worker *w, struct worker_task *task)
{
    handover_join(w, task->ctx);
}

// Makes the destination and both ends, and tells the workers. Nothing is changed on failure, but
// that the source's flows may have gathered on one worker.
static int
begin(struct migration *m, struct card *to, const struct offload_allocation *share,
      struct offload_err *err)
{
    struct cardd *d = m->d;
    enum app_state before = m->source->state;
    m->destination = app_create_like(d, to, m->source, share, err);
    if (!m->destination)
        return err->code;
    lanes_choose_home(to, m->destination);
    m->source->state = APP_SOURCE; // from here on all its flows are on one worker
    int rc = card_publish(d, m->source->card, err);
    if (rc != 0)
        goto forget;
    m->handover = handover_create(m->machine.record.id, d->migrations->numbers++, m->source,
                                  m->destination, d->tsc_hz);
    if (!m->handover) {
        rc = offload_err_set(err, -ENOMEM, "id", "give DPDK more memory",
                             "out of memory for a migration");
        goto forget;
    }
    handover_hold(m->handover);
    rc = migrate_machine_run(&m->machine, MIGRATE_EV_PREPARE, err);
    if (rc == 0 && (rc = app_attach(d, m->destination, err)) != 0)
        migrate_machine_abort(&m->machine, err->text, NULL);
    if (rc != 0)
        goto forget;
    watch_cards(m->source->card, to, 1);
    m->join[0] = (struct worker_task){.run = join_run, .ctx = &m->handover->source};
    m->join[1] = (struct worker_task){.run = join_run, .ctx = &m->handover->destination};
    return 0;

forget:
    m->source->state = before;
    app_destroy(m->destination);
    handover_destroy(m->handover);
    m->handover = NULL;
    return rc;
}

// A mailbox that is full empties within a round, and nobody else posts meanwhile: this is the
// thread that does.
static void
post(struct cardd *d, const struct app *app, struct worker_task *task)
{
    while (!worker_post(d->workers[app->home], task))
        rte_delay_us_sleep(50);
}

static void
remember_term(struct cardd *d, uint64_t term)
{
    if (term > d->term)
        plan_changed(d, term);
}

static int
migration_prepare(void *ctx, struct rpc_peer *peer, struct json_object *params,
                  struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct prepare_params p = {.term = 0};
    struct offload_allocation share;
    (void)peer;
    int rc = offload_opt_read(migration_prepare_opts, params, "", &p, sizeof p, err);
    if (rc == 0)
        rc = term_check(d, p.term, err);
    if (rc != 0)
        return rc;
    struct migration *m = migration_find(d, p.id);
    if (m && strcmp(m->machine.record.app, p.app) == 0 && strcmp(m->machine.record.to, p.to) == 0 &&
        (rc = migrate_machine_run(&m->machine, MIGRATE_EV_PREPARE, err)) == 0) {
        *result = step_to_json(m);
        return 0; // asked again: the answer was lost
    }
    if (m)
        return rc ? rc
                  : offload_err_set(err, -EBUSY, "id", "use a new UUID",
                                    "'%s' is another migration", p.id);
    struct migrate_machine machine;
    rc = migrate_machine_init(&machine, p.id, p.term, p.app, p.from, p.to, stamp, NULL, err);
    if (rc != 0)
        return rc;
    struct card *from = card_get(d, p.from, err);
    struct card *to = from ? card_get(d, p.to, err) : NULL;
    struct app *source = to ? app_get(d, p.app, NULL, err) : NULL;
    if (!source)
        return err->code;
    rc = check_free(d, &p, err);
    if (rc == 0 && source->card != from)
        rc = offload_err_set(err, -EINVAL, "from", "name the card that it is on", "'%s' is on '%s'",
                             p.app, source->card->name);
    if (rc == 0)
        rc = check_cards(from, to, source, err);
    if (rc == 0)
        rc = read_share(&p, source, to, &share, err);
    if (rc != 0)
        return rc;
    m = calloc(1, sizeof *m);
    if (!m)
        return offload_err_set(err, -ENOMEM, "id", NULL, "out of memory");
    *m = (struct migration){.machine = machine, .d = d, .source = source};
    m->machine.ctx = m;
    rc = begin(m, to, &share, err);
    if (rc != 0) {
        free(m);
        return rc;
    }
    migration_add(d, m);
    post(d, m->source, &m->join[0]);
    post(d, m->destination, &m->join[1]);
    event_add(d->migrations->timer, &(struct timeval){.tv_usec = POLL_US});
    remember_term(d, p.term);
    tell(m);
    *result = step_to_json(m);
    return 0;
}

// A commit before the destination serves would lead where nothing leads back from.
static int
check_commit(const struct migration *m, struct offload_err *err)
{
    if (m->machine.record.step != MIGRATE_CUTTING || figures_of(m).ready)
        return 0;
    return offload_err_set(err, -EBUSY, "id", "wait until migration.status says ready",
                           "the destination of '%s' does not serve yet", m->machine.record.app);
}

// The migration that a verb is about. NULL and 'err'.
static struct migration *
step_read(struct cardd *d, const struct offload_opt *opts, struct json_object *params,
          struct prepare_params *p, struct offload_err *err)
{
    if (offload_opt_read(opts, params, "", p, sizeof *p, err) != 0 ||
        term_check(d, p->term, err) != 0)
        return NULL;
    struct migration *m = migration_find(d, p->id);
    if (!m)
        offload_err_set(err, -ENOENT, "id", "see migration.status", "no migration '%s'", p->id);
    return m;
}

// What start, cutover and commit have in common: one event of the machine, then one order to the
// workers.
static int
take_step(struct cardd *d, struct json_object *params, enum migrate_event event, enum order order,
          struct json_object **result, struct offload_err *err)
{
    struct prepare_params p = {.term = 0};
    struct migration *m = step_read(d, migration_step_opts, params, &p, err);
    if (!m)
        return err->code;
    int rc = event == MIGRATE_EV_COMMIT ? check_commit(m, err) : 0;
    enum migrate_step before = m->machine.record.step;
    if (rc == 0)
        rc = migrate_machine_run(&m->machine, event, err);
    if (rc != 0)
        return rc;
    if (m->machine.record.step != before) {
        handover_order(m->handover, order, rte_rdtsc());
        tell(m);
    }
    remember_term(d, p.term);
    *result = step_to_json(m);
    return 0;
}

static int
migration_start(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    (void)peer;
    return take_step(ctx, params, MIGRATE_EV_START, ORDER_COPY, result, err);
}

static int
migration_cutover(void *ctx, struct rpc_peer *peer, struct json_object *params,
                  struct json_object **result, struct offload_err *err)
{
    (void)peer;
    return take_step(ctx, params, MIGRATE_EV_CUTOVER, ORDER_CUT, result, err);
}

static int
migration_commit(void *ctx, struct rpc_peer *peer, struct json_object *params,
                 struct json_object **result, struct offload_err *err)
{
    (void)peer;
    return take_step(ctx, params, MIGRATE_EV_COMMIT, ORDER_COMMIT, result, err);
}

// With "wait" the ends turn round and the destination hands on what the switch still sends it;
// without, that has ended.
static int
migration_abort(void *ctx, struct rpc_peer *peer, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct prepare_params p = {.term = 0};
    (void)peer;
    struct migration *m = step_read(d, migration_abort_opts, params, &p, err);
    if (!m)
        return err->code;
    enum migrate_step before = m->machine.record.step;
    int rc = migrate_machine_abort(&m->machine, "aborted by request", err);
    if (rc != 0)
        return rc;
    if (m->handover && handover_ordered(m->handover) != ORDER_ABORT &&
        (!p.wait || m->machine.record.step != before))
        handover_order(m->handover, p.wait ? ORDER_BACK : ORDER_ABORT, rte_rdtsc());
    if (m->machine.record.step != before)
        tell(m);
    remember_term(d, p.term);
    *result = step_to_json(m);
    return 0;
}

static int
migration_status(void *ctx, struct rpc_peer *peer, struct json_object *params,
                 struct json_object **result, struct offload_err *err)
{
    struct cardd *d = ctx;
    struct prepare_params p = {.term = 0};
    (void)peer;
    int rc = offload_opt_read(migration_status_opts, params, "", &p, sizeof p, err);
    if (rc != 0)
        return rc;
    if (p.id[0] && !migration_find(d, p.id))
        return offload_err_set(err, -ENOENT, "id", NULL, "no migration '%s'", p.id);
    struct json_object *list = json_object_new_array();
    for (const struct migration *m = d->migrations->newest; m; m = m->next)
        if (!p.id[0] || strcmp(p.id, m->machine.record.id) == 0)
            json_object_array_add(list, migration_to_json(m));
    *result = json_object_new_object();
    json_object_object_add(*result, "migrations", list);
    return 0;
}

const struct rpc_method migration_methods[] = {
    {"migration.prepare", migration_prepare, "makes room for an application on another card"},
    {"migration.start", migration_start, "copies its state while it works on"},
    {"migration.cutover", migration_cutover, "passes its work to the other card"},
    {"migration.commit", migration_commit,
     "the switch has been swapped: the first card forgets it"},
    {"migration.abort", migration_abort, "goes back to the first card"},
    {"migration.status", migration_status, "migrations, the newest first"},
    {.name = NULL},
};

// -- Start and stop --

// How one ended that a former process left: the plan knows where the application is.
static void
take_up(struct cardd *d, struct migration *m)
{
    struct offload_err err;
    struct migrate_record *r = &m->machine.record;
    struct card *to = card_find(d, r->to);
    bool there = to && card_app_find(to, r->app);
    m->final.path_empty = true;
    switch (migrate_resume(r->step, there)) {
    case MIGRATE_RESUME_BACK:
        if (migrate_machine_abort(&m->machine, "offload-cardd was restarted", &err) < 0)
            warn_of("could not store that a migration is aborted", &err);
        tell(m);
        break;
    case MIGRATE_RESUME_FORWARD:
        m->machine.stamp = NULL; // the plan has been stamped
        migrate_machine_run(&m->machine, MIGRATE_EV_COMMIT, NULL);
        migrate_machine_run(&m->machine, MIGRATE_EV_DRAINED, NULL);
        tell(m);
        break;
    case MIGRATE_RESUME_NOTHING:
        break;
    }
}

static int
records_load(struct cardd *d, struct offload_err *err)
{
    char path[192], where[64];
    struct offload_err local;
    file_path(d, path, sizeof path);
    struct json_object *list = offload_json_load(path, FILE_BYTES_MOST, &local);
    if (!list) {
        if (local.code != -ENOENT)
            warn_of("the records of former migrations are lost", &local);
        return 0;
    }
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    int rc = 0;
    for (size_t i = n; i-- > 0 && rc == 0;) { // the newest stands first
        struct migrate_record record;
        if (migrate_record_from_json(
                &record, json_object_array_get_idx(list, i),
                offload_json_path_index(where, sizeof where, "cardd.migrations", i), &local) < 0) {
            warn_of("a record of a former migration is lost", &local);
            continue;
        }
        struct migration *m = calloc(1, sizeof *m);
        if (!m) {
            rc = offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
            break;
        }
        *m = (struct migration){.d = d, .machine = {.record = record, .stamp = stamp, .ctx = m}};
        migration_add(d, m);
    }
    json_object_put(list);
    for (struct migration *m = d->migrations->newest; m; m = m->next)
        take_up(d, m);
    return rc;
}

int
migrations_start(struct cardd *d, struct offload_err *err)
{
    d->migrations = calloc(1, sizeof *d->migrations);
    if (d->migrations)
        d->migrations->timer = event_new(d->base, -1, EV_PERSIST, on_timer, d);
    if (!d->migrations || !d->migrations->timer)
        return offload_err_set(err, -ENOMEM, "migrations", NULL, "out of memory");
    return records_load(d, err);
}

void
migrations_stop(struct cardd *d)
{
    if (!d->migrations)
        return;
    for (struct migration *m = d->migrations->newest, *next; m; m = next) {
        next = m->next;
        handover_destroy(m->handover);
        free(m);
    }
    if (d->migrations->timer)
        event_free(d->migrations->timer);
    free(d->migrations);
    d->migrations = NULL;
}
