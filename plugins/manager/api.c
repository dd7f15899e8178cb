// SPDX-License-Identifier: Apache-2.0
// The manager's API (doc/manager-api.md): what offloadctl shows and asks for. Handlers read the
// model and note wishes; the ticker and the mover act on them.  The server's thread, with the lock
// for each answer.
#include "plugins/manager/manager.h"

#include "lib/base/conf.h"
#include "lib/io/clock.h"
#include "lib/io/server_libevent.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct {
    struct event_base *base;
    struct event *stop;
    struct rpc_server *server;
} api;

static const char *const limit_names[] = {"cpu", "bandwidth", "memory", "interconnect"};

static void
add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

static void
add_number(struct json_object *to, const char *key, double value)
{
    json_object_object_add(to, key, isfinite(value) ? json_object_new_double(value) : NULL);
}

static void
add_count(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

static void
add_bool(struct json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_boolean(value));
}

// ---- rows

static const char *
limit_of(const struct manager_server *s)
{
    return s->limit >= 0 && s->limit < 4 ? limit_names[(int)s->limit] : NULL;
}

bool
score_stale(const struct manager_server *s, uint64_t now_ns)
{
    return !s->seen_ns || now_ns - s->seen_ns > s->lasts_ns || isnan(s->score);
}

// Demand on the resource that set the score, percent of capacity.
static const struct manager_need *
demand_of(const struct manager_server *s)
{
    return s->limit >= 0 && s->limit < 4 ? &s->demand[(int)s->limit] : &s->demand[ALLOC_BANDWIDTH];
}

static struct json_object *
server_row(const struct manager_server *s)
{
    struct json_object *o = json_object_new_object();
    uint64_t now = clock_monotonic_ns();
    const struct manager_need *d = demand_of(s);
    add_text(o, "server", s->name);
    add_number(o, "score", s->score);
    add_number(o, "score_p50_pct", need_fresh(d, now) ? d->p50 : NAN);
    add_text(o, "limit", limit_of(s));
    add_number(o, "lead_s", s->lead_s);
    add_bool(o, "stale", score_stale(s, now));
    return o;
}

static struct json_object *
share_row(const struct alloc_share *share)
{
    struct json_object *o = json_object_new_object();
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        add_number(o, alloc_resource_names[r], share->amount[r]);
    return o;
}

static struct json_object *
card_row(struct manager *m, const struct manager_card *c)
{
    struct json_object *o = json_object_new_object(), *capacity = json_object_new_object();
    const struct manager_server *s = manager_find_server(m, c->server);
    add_text(o, "card", c->name);
    add_text(o, "server", c->server);
    add_text(o, "state", c->draining ? "draining" : c->up ? "up" : "down");
    add_number(capacity, "cycles_per_s", c->cycles_per_s);
    add_number(capacity, "bandwidth_bps", c->capacity.amount[ALLOC_BANDWIDTH]);
    add_number(capacity, "memory_bytes", c->capacity.amount[ALLOC_MEMORY]);
    json_object_object_add(o, "capacity", capacity);
    json_object_object_add(o, "allocated", share_row(&c->allocated));
    add_number(o, "offered_bps", c->offered_bps);
    add_number(o, "used_bps", c->delivered_bps);
    add_number(o, "used_cpu_pct", c->used_cpu_pct);
    add_number(o, "score", s ? s->score : NAN);
    return o;
}

static const char *
app_state(const struct manager_app *a)
{
    return a->moving               ? "migrating"
           : a->card == ALLOC_NONE ? "queued"
           : a->requested          ? a->admitted ? "requested" : "queued"
                                   : "active";
}

static struct json_object *
app_row(const struct manager *m, const struct manager_app *a)
{
    struct json_object *o = json_object_new_object();
    bool fresh = need_fresh(&a->need[ALLOC_BANDWIDTH], clock_monotonic_ns());
    add_text(o, "app", a->name);
    add_text(o, "card", a->card == ALLOC_NONE ? NULL : m->cards[a->card].name);
    add_text(o, "class", alloc_class_names[a->class]);
    add_text(o, "state", app_state(a));
    add_number(o, "offered_bps", a->offered_bps);
    add_number(o, "delivered_bps", a->delivered_bps);
    add_number(o, "need_p50_bps", fresh ? a->need[ALLOC_BANDWIDTH].p50 : NAN);
    add_number(o, "need_p90_bps", fresh ? a->need[ALLOC_BANDWIDTH].p90 : NAN);
    add_number(o, "allocated_bps", a->now.amount[ALLOC_BANDWIDTH]);
    add_number(o, "cpu_pct", a->now.amount[ALLOC_CPU]);
    add_number(o, "used_cpu_pct", a->used_cpu_pct);
    add_number(o, "memory_bytes", a->now.amount[ALLOC_MEMORY]);
    add_number(o, "used_memory_bytes", a->memory_bytes);
    add_number(o, "delay_mean_ns", a->delay_mean_s * 1e9);
    add_number(o, "delay_p99_ns", a->delay_p99_ns);
    add_number(o, "loss_frac", a->loss_frac);
    add_number(o, "cycles_per_byte", a->cycles_per_byte);
    add_bool(o, "breached", a->breached);
    add_count(o, "breaches", a->breaches);
    return o;
}

static struct json_object *
move_row(const struct manager_move *move)
{
    const struct coordinator *c = &move->coordinator;
    const struct migrate_record *r = &c->machine.record;
    struct json_object *o = json_object_new_object();
    uint64_t ago = clock_monotonic_ns() - c->started_ns;
    add_text(o, "id", r->id);
    add_text(o, "app", r->app);
    add_text(o, "from", r->from);
    add_text(o, "to", r->to);
    add_text(o, "step", migrate_step_name(r->step));
    add_text(o, "phase", coordinator_phase_name(c->phase));
    add_text(o, "reason", c->reason);
    add_count(o, "started_ns", clock_wall_ns() - ago);
    add_count(o, "took_ns", (c->ended_ns ? c->ended_ns : clock_monotonic_ns()) - c->started_ns);
    add_count(o, "pause_ns", c->pause_ns);
    add_count(o, "held_pkts", c->held_pkts);
    add_count(o, "handed_pkts", c->handed_pkts);
    add_count(o, "lost_pkts", c->lost_pkts);
    add_count(o, "state_bytes", c->state_bytes);
    add_count(o, "swap_ns", c->swap_ns);
    add_text(o, "error", r->error);
    return o;
}

static struct json_object *
move_rows(const struct manager *m)
{
    struct json_object *array = json_object_new_array();
    for (unsigned i = m->n_moves; i-- > 0;) // the newest first
        json_object_array_add(array, move_row(m->moves[i]));
    return array;
}

// ---- parameters

struct params {
    char name[OFFLOAD_NAME_MAX + 1], to[OFFLOAD_NAME_MAX + 1];
    char server[ALLOC_SERVER_MAX + 1], id[MIGRATE_ID_LEN + 1];
    uint64_t plan;
};

#define PARAM(field)                                                                               \
    .offset = offsetof(struct params, field), .size = sizeof(((struct params *)0)->field)

static const struct offload_opt no_params[] = {OFFLOAD_OPT_END};
static const struct offload_opt app_params[] = {
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     PARAM(name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "an application"},
    OFFLOAD_OPT_END,
};
static const struct offload_opt card_params[] = {
    {.key = "card",
     .type = OFFLOAD_OPT_NAME,
     PARAM(name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "a card"},
    OFFLOAD_OPT_END,
};
static const struct offload_opt move_params[] = {
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     PARAM(name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "an application"},
    {.key = "to",
     .type = OFFLOAD_OPT_NAME,
     PARAM(to),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "a card"},
    OFFLOAD_OPT_END,
};
static const struct offload_opt id_params[] = {
    {.key = "id",
     .type = OFFLOAD_OPT_STRING,
     PARAM(id),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "of a migration"},
    OFFLOAD_OPT_END,
};
static const struct offload_opt plan_params[] = {
    {.key = "plan",
     .type = OFFLOAD_OPT_U64,
     PARAM(plan),
     .most = 9e15,
     .default_text = "0",
     .help = "its number"},
    OFFLOAD_OPT_END,
};
static const struct offload_opt server_params[] = {
    {.key = "server",
     .type = OFFLOAD_OPT_STRING,
     PARAM(server),
     .default_text = "\"\"",
     .help = "a host"},
    OFFLOAD_OPT_END,
};

static int
read_params(const struct offload_opt *table, struct json_object *object, struct params *p,
            struct offload_err *err)
{
    *p = (struct params){.plan = 0};
    return offload_opt_read(table, object, "", p, sizeof *p, err);
}

// ---- verbs; each runs with the lock

static int
do_hello(struct manager *m, struct json_object *params, struct json_object **result,
         struct offload_err *err)
{
    struct params p;
    int rc = read_params(no_params, params, &p, err);
    if (rc)
        return rc;
    *result = json_object_new_object();
    add_text(*result, "api", "1.0");
    add_text(*result, "software", "offload_manager " OFFLOAD_VERSION);
    add_count(*result, "term", m->term);
    return 0;
}

static int
do_status(struct manager *m, struct json_object *params, struct json_object **result,
          struct offload_err *err)
{
    struct params p;
    int rc = read_params(no_params, params, &p, err);
    if (rc)
        return rc;
    struct json_object *servers = json_object_new_array(), *cards = json_object_new_array();
    struct json_object *apps = json_object_new_array(), *o = *result = json_object_new_object();
    for (unsigned i = 0; i < m->n_servers; i++)
        json_object_array_add(servers, server_row(&m->servers[i]));
    for (uint32_t i = 0; i < m->n_cards; i++)
        json_object_array_add(cards, card_row(m, &m->cards[i]));
    for (uint32_t i = 0; i < m->n_apps; i++)
        if (!m->apps[i].withdrawn)
            json_object_array_add(apps, app_row(m, &m->apps[i]));
    add_count(o, "time_ns", clock_wall_ns());
    add_count(o, "term", m->term);
    add_count(o, "plan", m->last_plan ? m->last_plan->number : 0);
    add_text(o, "agent", m->last_tick.fallen_back ? "proportional" : m->options.agent);
    add_bool(o, "dry_run", m->options.dry_run);
    add_bool(o, "deposed", m->deposed);
    add_bool(o, "leading", m->leading);
    add_text(o, "leader", m->leader);
    json_object_object_add(o, "servers", servers);
    json_object_object_add(o, "cards", cards);
    json_object_object_add(o, "apps", apps);
    json_object_object_add(o, "migrations", move_rows(m));
    return 0;
}

static int
do_request_list(struct manager *m, struct json_object *params, struct json_object **result,
                struct offload_err *err)
{
    struct params p;
    int rc = read_params(no_params, params, &p, err);
    if (rc)
        return rc;
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; i < m->n_apps; i++) {
        const struct manager_app *a = &m->apps[i];
        if (a->withdrawn)
            continue;
        struct json_object *o = json_object_new_object();
        bool queued = a->card == ALLOC_NONE || !a->admitted;
        add_text(o, "app", a->name);
        add_text(o, "class", alloc_class_names[a->class]);
        add_text(o, "state", queued ? "queued" : "admitted");
        add_text(o, "card", m->cards[a->card == ALLOC_NONE ? a->home : a->card].name);
        add_text(o, "reason", !queued ? "" : a->reason[0] ? a->reason : "the next step decides");
        json_object_array_add(array, o);
    }
    *result = json_object_new_object();
    json_object_object_add(*result, "requests", array);
    return 0;
}

// What could have been named instead: "use one of card0, card1", as far as it fits.
static void
list_known(char *buf, size_t size, const char *name)
{
    size_t used = strlen(buf);
    snprintf(buf + used, size - used, used ? ", %s" : "use one of %s", name);
}

int
no_such_card(const struct manager *m, const char *where, const char *name, struct offload_err *err)
{
    char known[240] = "";
    for (uint32_t c = 0; c < m->n_cards; c++)
        list_known(known, sizeof known, m->cards[c].name);
    return offload_err_set(err, -ENOENT, where, known, "there is no card '%s'", name);
}

static int
no_such_server(const struct manager *m, const char *name, struct offload_err *err)
{
    char known[240] = "";
    for (unsigned i = 0; i < m->n_servers; i++)
        list_known(known, sizeof known, m->servers[i].name);
    return offload_err_set(err, -ENOENT, "server", known, "there is no server '%s'", name);
}

static int
no_such_app(const struct manager *m, const char *name, struct offload_err *err)
{
    char known[240] = "";
    for (uint32_t a = 0; a < m->n_apps; a++)
        if (!m->apps[a].withdrawn)
            list_known(known, sizeof known, m->apps[a].name);
    return offload_err_set(err, -ENOENT, "app", known, "there is no application '%s'", name);
}

static int
do_request_submit(struct manager *m, struct json_object *params, struct json_object **result,
                  struct offload_err *err)
{
    int rc = admit_submit(m, params, err);
    if (rc)
        return rc;
    *result = json_object_new_object();
    add_text(*result, "state", "queued");
    add_text(*result, "reason", "the next step decides");
    return 0;
}

static int
do_request_withdraw(struct manager *m, struct json_object *params, struct json_object **result,
                    struct offload_err *err)
{
    struct params p;
    int rc = read_params(app_params, params, &p, err);
    if (rc)
        return rc;
    struct manager_app *app = manager_find_app(m, p.name);
    if (!app)
        return offload_err_set(err, -ENOENT, "app", "one of request.list",
                               "there is no application '%s'", p.name);
    if (app->moving)
        return offload_err_set(err, -EBUSY, "app", "wait, or abort the migration",
                               "'%s' is migrating", p.name);
    admit_withdraw(m, app);
    (void)result;
    return 0;
}

static int
do_plan(struct manager *m, struct json_object *params, bool explain, struct json_object **result,
        struct offload_err *err)
{
    struct params p;
    int rc = read_params(plan_params, params, &p, err);
    if (rc)
        return rc;
    const struct manager_plan *plan = planlog_find(m, p.plan);
    if (!plan && p.plan)
        return offload_err_set(
            err, -ENOENT, "plan",
            "one of the last 64; offloadctl explain plan N --log FILE reads the log",
            "plan %lu is not kept", (unsigned long)p.plan);
    if (!plan)
        return offload_err_set(err, -ENOENT, "plan", NULL, "nothing was planned yet");
    if (explain) {
        *result = alloc_plan_explain(plan->plan, plan->state);
        return 0;
    }
    *result = alloc_plan_to_json(plan->plan, plan->state);
    add_bool(*result, "applied", plan->applied);
    add_text(*result, "error", plan->error);
    return 0;
}

static int
do_plan_get(struct manager *m, struct json_object *params, struct json_object **result,
            struct offload_err *err)
{
    return do_plan(m, params, false, result, err);
}

static int
do_plan_explain(struct manager *m, struct json_object *params, struct json_object **result,
                struct offload_err *err)
{
    return do_plan(m, params, true, result, err);
}

static struct json_object *
score_row(const struct manager_server *s)
{
    struct json_object *o = json_object_new_object(), *demand = json_object_new_object();
    const struct manager_need *d = demand_of(s);
    bool fresh = need_fresh(d, clock_monotonic_ns());
    add_text(o, "server", s->name);
    add_number(o, "score", s->score);
    add_text(o, "limit", limit_of(s));
    add_number(o, "lead_s", s->lead_s);
    add_number(demand, "p50", fresh ? d->p50 : NAN);
    add_number(demand, "p90", fresh ? d->p90 : NAN);
    add_number(demand, "p99", fresh ? d->p99 : NAN);
    json_object_object_add(o, "demand", demand);
    return o;
}

static int
do_score_get(struct manager *m, struct json_object *params, struct json_object **result,
             struct offload_err *err)
{
    struct params p;
    int rc = read_params(server_params, params, &p, err);
    if (rc)
        return rc;
    if (p.server[0] && !manager_find_server(m, p.server))
        return no_such_server(m, p.server, err);
    struct json_object *array = json_object_new_array();
    for (unsigned i = 0; i < m->n_servers; i++)
        if (!p.server[0] || !strcmp(m->servers[i].name, p.server))
            json_object_array_add(array, score_row(&m->servers[i]));
    *result = json_object_new_object();
    json_object_object_add(*result, "scores", array);
    return 0;
}

static int
do_score_explain(struct manager *m, struct json_object *params, struct json_object **result,
                 struct offload_err *err)
{
    struct params p;
    char text[300];
    int rc = read_params(server_params, params, &p, err);
    if (rc)
        return rc;
    const struct manager_server *s = manager_find_server(m, p.server);
    if (!s)
        return no_such_server(m, p.server, err);
    *result = score_row(s);
    if (!s->seen_ns)
        snprintf(text, sizeof text, "no score of %s has come over the bus yet", s->name);
    else
        snprintf(text, sizeof text,
                 "%s: the highest of its resources' P90 demands is %s at %.0f%% of capacity, %.0f "
                 "s ahead%s",
                 s->name, limit_of(s) ? limit_of(s) : "unknown", demand_of(s)->p90, s->lead_s,
                 score_stale(s, clock_monotonic_ns()) ? "; no newer score has come, it is stale"
                                                      : "");
    add_text(*result, "text", text);
    return 0;
}

static int
do_migrate_start(struct manager *m, struct json_object *params, struct json_object **result,
                 struct offload_err *err)
{
    struct params p;
    int rc = read_params(move_params, params, &p, err);
    if (rc)
        return rc;
    struct manager_app *app = manager_find_app(m, p.name);
    uint32_t to = manager_find_card(m, p.to);
    if (!app)
        return no_such_app(m, p.name, err);
    if (to == ALLOC_NONE)
        return no_such_card(m, "to", p.to, err);
    if (app->card == ALLOC_NONE)
        return offload_err_set(err, -EBUSY, "app", NULL, "'%s' is on no card yet", p.name);
    if (app->card == to)
        return offload_err_set(err, -EINVAL, "to", "another card", "'%s' is on '%s' already",
                               p.name, p.to);
    if (app->moving || app->wanted != ALLOC_NONE)
        return offload_err_set(err, -EBUSY, "app", "wait for it", "'%s' is migrating", p.name);
    if (!manager_commands(m))
        return offload_err_set(err, -EACCES, NULL, NULL, "this manager only watches");
    app->wanted = to;
    moves_new_id(app->wanted_id);
    *result = json_object_new_object();
    add_text(*result, "id", app->wanted_id);
    return 0;
}

static int
do_migrate_abort(struct manager *m, struct json_object *params, struct json_object **result,
                 struct offload_err *err)
{
    struct params p;
    int rc = read_params(id_params, params, &p, err);
    if (rc)
        return rc;
    (void)result;
    for (uint32_t a = 0; a < m->n_apps; a++)
        if (m->apps[a].wanted != ALLOC_NONE && !strcmp(m->apps[a].wanted_id, p.id)) {
            m->apps[a].wanted = ALLOC_NONE;
            return 0;
        }
    struct manager_move *move = moves_find(m, p.id);
    if (!move)
        return offload_err_set(err, -ENOENT, "id", "one of migrate.list",
                               "there is no migration '%s'", p.id);
    rc = coordinator_abort(&move->coordinator, clock_monotonic_ns(), "aborted by request", err);
    pthread_cond_signal(&m->wake_mover);
    return rc;
}

static int
do_migrate_list(struct manager *m, struct json_object *params, struct json_object **result,
                struct offload_err *err)
{
    struct params p;
    int rc = read_params(no_params, params, &p, err);
    if (rc)
        return rc;
    *result = json_object_new_object();
    json_object_object_add(*result, "migrations", move_rows(m));
    return 0;
}

static int
do_drain(struct manager *m, struct json_object *params, bool draining, struct offload_err *err)
{
    struct params p;
    int rc = read_params(card_params, params, &p, err);
    if (rc)
        return rc;
    uint32_t card = manager_find_card(m, p.name);
    if (card == ALLOC_NONE)
        return no_such_card(m, "card", p.name, err);
    m->cards[card].draining = draining;
    return 0;
}

static int
do_drain_set(struct manager *m, struct json_object *params, struct json_object **result,
             struct offload_err *err)
{
    (void)result;
    return do_drain(m, params, true, err);
}

static int
do_drain_clear(struct manager *m, struct json_object *params, struct json_object **result,
               struct offload_err *err)
{
    (void)result;
    return do_drain(m, params, false, err);
}

static int
do_agent_get(struct manager *m, struct json_object *params, struct json_object **result,
             struct offload_err *err)
{
    struct params p;
    int rc = read_params(no_params, params, &p, err);
    if (rc)
        return rc;
    const struct alloc_agent *agent = sim_duel_agent(m->duel);
    struct alloc_agent_figures f = {0};
    struct json_object *o = *result = json_object_new_object();
    if (agent->ops->figures)
        agent->ops->figures(agent->self, &f);
    add_text(o, "agent", agent->ops->name);
    add_text(o, "help", agent->ops->help);
    add_count(o, "steps", f.steps);
    add_number(o, "epsilon", f.epsilon);
    add_number(o, "reward", m->last_tick.learned);
    add_number(o, "reward_measured", m->reward_measured);
    add_number(o, "baseline_reward", m->last_tick.baseline);
    add_count(o, "states", f.states);
    add_bool(o, "fallen_back", m->last_tick.fallen_back);
    add_text(o, "checkpoint_sha256", m->checkpoint_sha256);
    return 0;
}

// ---- the table

typedef int verb_fn(struct manager *, struct json_object *, struct json_object **,
                    struct offload_err *);

static int
locked(verb_fn *verb, void *ctx, struct json_object *params, struct json_object **result,
       struct offload_err *err)
{
    struct manager *m = ctx;
    pthread_mutex_lock(&m->lock);
    int rc = verb(m, params, result, err);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

#define VERB(verb)                                                                                 \
    static int verb##_rpc(void *ctx, struct rpc_peer *peer, struct json_object *params,            \
                          struct json_object **result, struct offload_err *err)                    \
    {                                                                                              \
        (void)peer;                                                                                \
        return locked(verb, ctx, params, result, err);                                             \
    }
VERB(do_hello)
VERB(do_status)
VERB(do_request_list)
VERB(do_request_submit)
VERB(do_request_withdraw)
VERB(do_plan_get)
VERB(do_plan_explain)
VERB(do_score_get)
VERB(do_score_explain)
VERB(do_migrate_start)
VERB(do_migrate_abort)
VERB(do_migrate_list)
VERB(do_drain_set)
VERB(do_drain_clear)
VERB(do_agent_get)

static const struct rpc_method methods[] = {
    {"hello", do_hello_rpc, "who answers, and its term"},
    {"status.get", do_status_rpc, "servers, cards, applications, migrations"},
    {"request.list", do_request_list_rpc, "applications that asked to be offloaded"},
    {"request.submit", do_request_submit_rpc, "asks for one to be offloaded"},
    {"request.withdraw", do_request_withdraw_rpc, "ends one's offload"},
    {"plan.get", do_plan_get_rpc, "a plan, the newest if none is named"},
    {"plan.explain", do_plan_explain_rpc, "why a plan changes what it changes"},
    {"score.get", do_score_get_rpc, "the servers' scores"},
    {"score.explain", do_score_explain_rpc, "what set a server's score"},
    {"migrate.start", do_migrate_start_rpc, "moves an application to another card"},
    {"migrate.abort", do_migrate_abort_rpc, "ends a migration while that can be done"},
    {"migrate.list", do_migrate_list_rpc, "migrations, the newest first"},
    {"drain.set", do_drain_set_rpc, "moves everything off a card"},
    {"drain.clear", do_drain_clear_rpc, "lets a card be used again"},
    {"agent.get", do_agent_get_rpc, "who decides, and what it has learned"},
    {NULL, NULL, NULL},
};

static void
on_stop(evutil_socket_t fd, short what, void *base)
{
    (void)fd, (void)what;
    event_base_loopbreak(base);
}

int
api_open(struct manager *m, struct offload_err *err)
{
    evthread_use_pthreads();
    api.base = event_base_new();
    api.stop = api.base ? event_new(api.base, -1, EV_PERSIST, on_stop, api.base) : NULL;
    api.server = api.stop ? rpc_server_create(api.base, methods, m, NULL) : NULL;
    if (!api.server)
        return offload_err_set(err, -ENOMEM, m->options.socket, NULL, "out of memory");
    return rpc_server_listen_unix(api.server, m->options.socket, 0660, err);
}

void *
server_main(void *manager)
{
    (void)manager;
    event_base_loop(api.base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

// An event, since a loop that is only about to start would forget a break.
void
api_stop(void)
{
    if (api.stop)
        event_active(api.stop, EV_TIMEOUT, 0);
}

void
api_close(void)
{
    if (api.server)
        rpc_server_destroy(api.server);
    if (api.stop)
        event_free(api.stop);
    if (api.base)
        event_base_free(api.base);
    api.server = NULL;
    api.stop = NULL;
    api.base = NULL;
}
