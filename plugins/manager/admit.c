// SPDX-License-Identifier: Apache-2.0
// Requests: who is admitted, who waits and why, who makes room for whom, and what becomes of
// applications whose card
// died.  requests, cards' truth -> [admit] -> app.add, app.remove, app.update.  The ticker's thread, but for
// admit_submit() and admit_withdraw(), which note a wish under the lock.
//
// A guarantee (MinBps, the CPU for it once its cost was measured, the state in use) is promised
// once. Requests are served by class, then by the score of their server (the least first), then by
// what would be left. One that fits nowhere in its server moves applications of lower classes to a
// sibling, or, where none has room, sends them back into the queue.
#include "plugins/manager/fields.h"
#include "plugins/manager/manager.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/clock.h"
#include "lib/io/statefile.h"

#include <offload/card_api.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 64, // commands a step: what is left waits for the next
    VICTIMS_MAX = 64,
    REQUESTS_BYTES_MAX = 16 << 20,
};

static const uint64_t RELOCATE_AGAIN_NS = 10 * OFFLOAD_NS_PER_S;
static const double EXPECTED_MOST = 1.0; // of a card: expected above it, it takes no one new

// ---- what is promised

struct promises {
    struct alloc_share *left; // one a card
};

static struct alloc_share
guarantee_of(const struct manager_app *app, const struct manager_card *card)
{
    double cycles =
        isnan(app->cycles_per_byte) ? 0 : offload_bps_to_cycles(app->min_bps, app->cycles_per_byte);
    return (struct alloc_share){{100 * cycles / card->cycles_per_s, app->min_bps,
                                 isnan(app->memory_bytes) ? 0 : app->memory_bytes}};
}

static void
promise(struct promises *p, const struct manager *m, uint32_t card, const struct manager_app *app,
        double sign)
{
    struct alloc_share g = guarantee_of(app, &m->cards[card]);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        p->left[card].amount[r] -= sign * g.amount[r];
}

static int
sum_promises(const struct manager *m, struct promises *p)
{
    p->left = calloc(m->n_cards + 1u, sizeof *p->left);
    if (!p->left)
        return -ENOMEM;
    for (uint32_t c = 0; c < m->n_cards; c++)
        if (m->cards[c].known)
            p->left[c] = m->cards[c].capacity;
    for (uint32_t a = 0; a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (app->card != ALLOC_NONE && app->admitted && m->cards[app->card].known)
            promise(p, m, app->card, app, 1);
    }
    for (unsigned i = 0; i < m->n_moves; i++) {
        const struct manager_move *move = m->moves[i];
        const struct manager_app *app = &m->apps[move->app];
        if (!coordinator_over(&move->coordinator) && app->card != move->to &&
            m->cards[move->to].known)
            promise(p, m, move->to, app, 1);
    }
    return 0;
}

static bool
guarantee_fits(const struct promises *p, const struct manager *m, uint32_t c,
               const struct manager_app *app)
{
    struct alloc_share g = guarantee_of(app, &m->cards[c]);
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (g.amount[r] > p->left[c].amount[r] * (1 + 1e-9) + 1e-6)
            return false;
    return true;
}

static bool
takes_any(const struct manager_card *card)
{
    return card->known && card->up && !card->draining;
}

// Whether someone of a lower class than 'app' is on card 'c': it yields to 'app' then.
static bool
serves_lower(const struct manager *m, uint32_t c, const struct manager_app *app)
{
    for (uint32_t a = 0; a < m->n_apps; a++)
        if (m->apps[a].card == c && m->apps[a].admitted && m->apps[a].class > app->class)
            return true;
    return false;
}

static bool
fits(const struct promises *p, const struct manager *m, uint32_t c, const struct manager_app *app)
{
    const struct manager_card *card = &m->cards[c];
    if (!takes_any(card) || !guarantee_fits(p, m, c, app))
        return false;
    // A guarantee that can be kept is enough; who has none must not come into a crowd of its
    // betters.
    return app->served || app->min_bps > 0 || !(card->expected > EXPECTED_MOST) ||
           serves_lower(m, c, app);
}

static double
slack_of(const struct promises *p, const struct manager *m, uint32_t c)
{
    return p->left[c].amount[ALLOC_BANDWIDTH] / m->cards[c].capacity.amount[ALLOC_BANDWIDTH];
}

// ---- where to

static bool
same_server(const struct manager *m, uint32_t x, uint32_t y)
{
    return !strcmp(m->cards[x].server, m->cards[y].server);
}

// Where a waiting application can go: where it is meant for, or the card of that server with the
// most left.
static uint32_t
find_room(const struct promises *p, const struct manager *m, const struct manager_app *app)
{
    uint32_t best = ALLOC_NONE;
    if (app->home != app->fled_from && fits(p, m, app->home, app))
        return app->home;
    for (uint32_t c = 0; c < m->n_cards; c++)
        if (c != app->home && c != app->fled_from && same_server(m, c, app->home) &&
            fits(p, m, c, app) && (best == ALLOC_NONE || slack_of(p, m, c) > slack_of(p, m, best)))
            best = c;
    return best;
}

static void
tell_why(const struct promises *p, const struct manager *m, struct manager_app *app)
{
    const struct manager_card *home = &m->cards[app->home];
    if (!home->known || !home->up)
        snprintf(app->reason, sizeof app->reason, "card %s is not up", home->name);
    else if (home->draining)
        snprintf(app->reason, sizeof app->reason, "card %s is being drained", home->name);
    else if (guarantee_fits(p, m, app->home, app))
        snprintf(
            app->reason, sizeof app->reason,
            "%s is expected at %.0f%% of its capacity (P90), and serves nobody of a lower class",
            home->name, 100 * home->expected);
    else
        snprintf(app->reason, sizeof app->reason,
                 "no card of %.40s has %.0f bit/s left to guarantee; %s has %.0f", home->server,
                 app->min_bps, home->name, fmax(p->left[app->home].amount[ALLOC_BANDWIDTH], 0));
}

// ---- making room

// How much of its guarantee an application is expected to leave unused: who leaves most is asked
// first.
static double
spare_of(const struct manager_app *app)
{
    double need = need_fresh(&app->need[ALLOC_BANDWIDTH], clock_monotonic_ns())
                      ? app->need[ALLOC_BANDWIDTH].p50
                      : app->offered_bps;
    return app->min_bps - (isnan(need) ? 0 : need);
}

struct victims {
    uint32_t app[VICTIMS_MAX];
    size_t n;
    double weight;
};

static const struct manager *sorting; // of by_rank(); one ticker sorts

static int
by_rank(const void *a, const void *b)
{
    const struct manager_app *x = &sorting->apps[*(const uint32_t *)a];
    const struct manager_app *y = &sorting->apps[*(const uint32_t *)b];
    if (x->class != y->class)
        return x->class > y->class ? -1 : 1;
    double sx = spare_of(x), sy = spare_of(y);
    return sx != sy ? (sx > sy ? -1 : 1) : (x > y) - (x < y);
}

// Applications of lower classes on card 'c' whose guarantees would make room for 'app', as few as
// will do.
static bool
find_victims(const struct promises *p, const struct manager *m, uint32_t c,
             const struct manager_app *app, struct victims *v)
{
    uint32_t n = 0;
    *v = (struct victims){.n = 0};
    for (uint32_t a = 0; a < m->n_apps && n < VICTIMS_MAX; a++) {
        const struct manager_app *other = &m->apps[a];
        if (other->card == c && other->admitted && other->class > app->class && !other->moving &&
            !other->withdrawn && other->min_bps > 0)
            v->app[n++] = a;
    }
    sorting = m;
    qsort(v->app, n, sizeof *v->app, by_rank);
    struct promises freed = {.left = p->left};
    struct alloc_share before = p->left[c];
    bool enough = false;
    for (; v->n < n && !enough; v->n++) {
        promise(&freed, m, c, &m->apps[v->app[v->n]], -1);
        enough = guarantee_fits(&freed, m, c, app);
    }
    for (size_t i = 0; enough && i + 1 < v->n;) { // who is not needed after all is left alone
        promise(&freed, m, c, &m->apps[v->app[i]], 1);
        if (guarantee_fits(&freed, m, c, app)) {
            memmove(&v->app[i], &v->app[i + 1], (--v->n - i) * sizeof *v->app);
        } else {
            promise(&freed, m, c, &m->apps[v->app[i]], -1);
            i++;
        }
    }
    for (size_t i = 0; i < v->n; i++)
        v->weight += alloc_class_weight(m->apps[v->app[i]].class) +
                     m->apps[v->app[i]].min_bps / m->cards[c].capacity.amount[ALLOC_BANDWIDTH];
    p->left[c] = before;
    return enough;
}

// Moves a victim to a sibling with room, if one has it and that was not tried just now.
static bool
relocate(struct promises *p, struct manager *m, uint32_t a, const char *whom)
{
    struct manager_app *app = &m->apps[a];
    uint64_t now = clock_monotonic_ns();
    if (app->wanted != ALLOC_NONE)
        return true;
    if (now < app->relocate_after_ns)
        return false;
    for (uint32_t c = 0; c < m->n_cards; c++) {
        if (c == app->card || !same_server(m, c, app->card) || !takes_any(&m->cards[c]) ||
            !guarantee_fits(p, m, c, app))
            continue;
        promise(p, m, c, app, 1);
        app->wanted = c;
        moves_new_id(app->wanted_id);
        app->relocate_after_ns = now + RELOCATE_AGAIN_NS;
        snprintf(app->reason, sizeof app->reason, "makes room for %s", whom);
        return true;
    }
    return false;
}

static void
evict(struct manager_app *victim, const struct manager_app *for_whom, const char *card)
{
    victim->evict = true;
    snprintf(victim->reason, sizeof victim->reason, "pre-empted on %s by %s, which is %s", card,
             for_whom->name, alloc_class_names[for_whom->class]);
}

static bool
may_serve(const struct manager *m, uint32_t c, const struct manager_app *app)
{
    return same_server(m, c, app->home) && takes_any(&m->cards[c]);
}

static void
make_room(struct promises *p, struct manager *m, struct manager_app *app)
{
    struct victims best = {.n = 0}, v;
    uint32_t where = ALLOC_NONE;
    if (app->min_bps <= 0)
        return;
    for (uint32_t c = 0; c < m->n_cards; c++)
        if (may_serve(m, c, app) && find_victims(p, m, c, app, &v) &&
            (where == ALLOC_NONE || v.weight < best.weight)) {
            best = v;
            where = c;
        }
    for (size_t i = 0; i < best.n; i++) {
        struct manager_app *victim = &m->apps[best.app[i]];
        if (relocate(p, m, best.app[i], app->name)) {
            snprintf(app->reason, sizeof app->reason, "waits until %s has moved to %s",
                     victim->name, m->cards[victim->wanted].name);
            continue;
        }
        evict(victim, app, m->cards[where].name);
        snprintf(app->reason, sizeof app->reason, "waits until %s has left %s", victim->name,
                 m->cards[where].name);
    }
}

// ---- cards that died

// Its card is down and it is to go elsewhere: while the card's daemon lives its state goes with it,
// else it begins anew.
static void
flee(struct promises *p, struct manager *m, uint32_t a)
{
    struct manager_app *app = &m->apps[a];
    uint32_t card = app->card;
    if (app->on_card_down != OFFLOAD_DOWN_MOVE || app->moving || app->withdrawn ||
        m->cards[card].up || !m->cards[card].known || !app->match || !app->chain)
        return;
    bool alive = m->peers[m->cards[card].peer].joined;
    if (alive && (app->wanted != ALLOC_NONE || relocate(p, m, a, "its own sake: the card is down")))
        return;
    uint32_t was = app->fled_from;
    app->fled_from = card;
    uint32_t to = find_room(p, m, app);
    if (to == ALLOC_NONE) {
        app->fled_from = was;
        return;
    }
    if (alive) { // its daemon must forget it first
        app->fled_from = was;
        app->evict = true;
        return;
    }
    app->card = ALLOC_NONE; // what is on no card is added where there is room
    app->admitted = false;
    app->configured = true;
    snprintf(app->reason, sizeof app->reason, "card %s is down", m->cards[card].name);
    m->intents_due = true;
}

// ---- the queue

static bool
waits(const struct manager_app *app)
{
    if (app->withdrawn || app->moving || app->admitted)
        return false;
    return app->card == ALLOC_NONE ? app->configured : app->requested;
}

static double
score_of(const struct manager *m, const struct manager_app *app)
{
    uint32_t s =
        names_find(&m->server_names, m->servers, sizeof *m->servers, m->cards[app->home].server);
    return s == NAMES_NONE || isnan(m->servers[s].score) ? 50 : m->servers[s].score;
}

static int
by_priority(const void *a, const void *b)
{
    const struct manager_app *x = &sorting->apps[*(const uint32_t *)a];
    const struct manager_app *y = &sorting->apps[*(const uint32_t *)b];
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    double sx = score_of(sorting, x), sy = score_of(sorting, y);
    if (sx != sy)
        return sx < sy ? -1 : 1;
    if (x->min_bps != y->min_bps)
        return x->min_bps < y->min_bps ? -1 : 1;
    return (x > y) - (x < y);
}

struct command {
    uint32_t app, card; // card: whose daemon is told
    enum { ADD, REMOVE, EVICT, UPDATE, FORGET } kind;
    struct json_object *params;
};

struct commands {
    struct command list[BATCH];
    size_t n;
};

static const char *const methods[] = {[ADD] = "app.add",
                                      [REMOVE] = "app.remove",
                                      [EVICT] = "app.remove",
                                      [UPDATE] = "app.update",
                                      [FORGET] = "app.remove"};

static void
command(struct manager *m, struct commands *all, uint32_t a, int kind, uint32_t card)
{
    const struct manager_app *app = &m->apps[a];
    if (all->n == BATCH || !m->peers[m->cards[card].peer].joined)
        return;
    struct json_object *params = with_term(m);
    json_object_object_add(params, "app", json_object_new_string(app->name));
    if (kind == ADD) {
        json_object_object_add(params, "card", json_object_new_string(m->cards[card].name));
        json_object_object_add(params, "match", json_object_get(app->match));
        json_object_object_add(params, "chain", json_object_get(app->chain));
    }
    if (app->sla && (kind == ADD || kind == UPDATE))
        json_object_object_add(params, "sla", json_object_get(app->sla));
    all->list[all->n++] = (struct command){.app = a, .card = card, .kind = kind, .params = params};
}

static void
serve_queue(struct promises *p, struct manager *m, struct commands *all)
{
    uint32_t n = 0, *queue = malloc((m->n_apps + 1u) * sizeof *queue);
    for (uint32_t a = 0; queue && a < m->n_apps; a++)
        if (waits(&m->apps[a]))
            queue[n++] = a;
    sorting = m;
    if (n > 1)
        qsort(queue, n, sizeof *queue, by_priority);
    for (uint32_t i = 0; i < n; i++) {
        struct manager_app *app = &m->apps[queue[i]];
        bool there = app->card != ALLOC_NONE; // asked for at the card itself, which keeps it
        uint32_t to =
            there ? (fits(p, m, app->card, app) ? app->card : ALLOC_NONE) : find_room(p, m, app);
        if (to == ALLOC_NONE) {
            if (!app->preempted && !strstr(app->reason, "refused"))
                tell_why(p, m, app);
            make_room(p, m, app);
            continue;
        }
        promise(p, m, to, app, 1);
        if (there) {
            app->admitted = app->served = true;
            app->reason[0] = '\0';
        } else {
            command(m, all, queue[i], ADD, to);
        }
    }
    free(queue);
}

static void
list_commands(struct manager *m, struct commands *all)
{
    struct promises p;
    if (sum_promises(m, &p))
        return;
    for (uint32_t a = 0; a < m->n_apps; a++)
        if (m->apps[a].card != ALLOC_NONE && m->apps[a].admitted)
            flee(&p, m, a);
    serve_queue(&p, m, all);
    for (uint32_t a = 0; a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (app->stray)
            command(m, all, a, FORGET, app->fled_from);
        if (app->card == ALLOC_NONE || app->moving)
            continue;
        if (app->withdrawn)
            command(m, all, a, REMOVE, app->card);
        else if (app->evict)
            command(m, all, a, EVICT, app->card);
        else if (app->configured && !app->slas_agree && app->sla)
            command(m, all, a, UPDATE, app->card);
    }
    free(p.left);
}

static void
note_done(struct manager *m, const struct command *x, bool *rest)
{
    struct manager_app *app = &m->apps[x->app];
    m->intents_due = true;
    switch (x->kind) {
    case ADD:
        app->card = x->card;
        app->requested = app->admitted = app->served = app->slas_agree = true;
        app->preempted = false;
        app->now = (struct alloc_share){{0}};
        app->reason[0] = '\0';
        break;
    case UPDATE:
        app->slas_agree = true;
        break;
    case EVICT:
        app->configured = app->preempted = true;
        app->evict = app->admitted = false;
        app->card = ALLOC_NONE;
        *rest = true;
        break;
    case REMOVE:
        app->card = ALLOC_NONE;
        *rest = true;
        break;
    case FORGET:
        app->stray = false;
        app->fled_from = ALLOC_NONE;
        break;
    }
}

// Tells the cards. True: room became free, and someone may wait for it.
static bool
send_commands(struct manager *m, struct commands *all)
{
    bool rest = false;
    for (size_t i = 0; i < all->n; i++) {
        struct command *x = &all->list[i];
        struct offload_err err;
        char told[400] = "";
        int rc = peer_call(m, &m->peers[m->cards[x->card].peer], methods[x->kind], x->params, NULL,
                           &err);
        pthread_mutex_lock(&m->lock);
        struct manager_app *app = &m->apps[x->app];
        if (!rc || (rc == -ENOENT && x->kind != ADD && x->kind != UPDATE)) {
            note_done(m, x, &rest);
        } else if (!strstr(app->reason, err.text)) {
            snprintf(app->reason, sizeof app->reason, "refused: %.140s", err.text);
            snprintf(told, sizeof told, "%s of '%s' was refused: %s", methods[x->kind], app->name,
                     err.text);
        }
        pthread_mutex_unlock(&m->lock);
        if (told[0])
            manager_notify(MANAGER_WARNING, "%s", told);
    }
    return rest;
}

// Slots of those that nobody has any more, neither card nor switch nor a migration.
static void
free_withdrawn(struct manager *m)
{
    for (uint32_t a = 0; a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (app->withdrawn && app->name[0] && app->card == ALLOC_NONE && !app->moving &&
            !app->stray && !moves_of_app(m, a) && !(app->steered && app->intent))
            manager_free_app(m, a);
    }
}

// ---- on disk: what was submitted outlives a restart

static void
requests_path(const struct manager *m, char *buf, size_t size)
{
    snprintf(buf, size, "%.240s/requests.json", m->options.state_dir);
}

static void
save_requests(struct manager *m)
{
    struct json_object *array = json_object_new_array();
    char path[300], text[700];
    struct offload_err err = {0};
    pthread_mutex_lock(&m->lock);
    bool due = m->requests_due;
    m->requests_due = false;
    for (uint32_t a = 0; due && a < m->n_apps; a++)
        if (m->apps[a].request && !m->apps[a].withdrawn)
            json_object_array_add(array, json_object_get(m->apps[a].request));
    pthread_mutex_unlock(&m->lock);
    if (due) {
        requests_path(m, path, sizeof path);
        const char *json = json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY);
        if (statefile_write(path, json, strlen(json), &err))
            manager_notify(MANAGER_WARNING, "requests would not outlive a restart: %s",
                           offload_err_format(&err, text, sizeof text));
    }
    json_object_put(array);
}

void
admit_load(struct manager *m)
{
    char path[300], text[700];
    struct offload_err err = {0};
    requests_path(m, path, sizeof path);
    struct json_object *array = offload_json_load(path, REQUESTS_BYTES_MAX, &err);
    if (!array && err.code != -ENOENT)
        manager_notify(MANAGER_WARNING, "requests of before the restart are lost: %s",
                       offload_err_format(&err, text, sizeof text));
    for (size_t i = 0; i < length_of(array); i++) {
        struct json_object *request = json_object_array_get_idx(array, i);
        err = (struct offload_err){0};
        if (manager_find_app(m, text_in(request, "app")))
            continue; // configured meanwhile
        if (admit_submit(m, request, &err))
            manager_notify(MANAGER_WARNING, "a request of before the restart was dropped: %s",
                           offload_err_format(&err, text, sizeof text));
    }
    json_object_put(array);
}

// ---- wishes

struct request {
    char app[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1];
    char in_port[32], out_port[32];
    int sharing;
    struct json_object *match, *chain, *sla, *return_dst;
};

#define REQUEST(field)                                                                             \
    .offset = offsetof(struct request, field), .size = sizeof(((struct request *)0)->field)

static const struct offload_opt request_params[] = {
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     REQUEST(app),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "its name"},
    {.key = "card",
     .type = OFFLOAD_OPT_STRING,
     REQUEST(card),
     .default_text = "\"\"",
     .help = "where it is to start"},
    {.key = "match",
     .type = OFFLOAD_OPT_ARRAY,
     REQUEST(match),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "rules"},
    {.key = "chain",
     .type = OFFLOAD_OPT_ARRAY,
     REQUEST(chain),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "functions"},
    {.key = "sla", .type = OFFLOAD_OPT_OBJECT, REQUEST(sla), .help = "class and limits"},
    {.key = "sharing",
     .type = OFFLOAD_OPT_ENUM,
     REQUEST(sharing),
     .names = manager_sharing_names,
     .default_text = "\"reserved\"",
     .help = "whether others may use what it leaves unused"},
    {.key = "in_port",
     .type = OFFLOAD_OPT_STRING,
     REQUEST(in_port),
     .default_text = "\"\"",
     .help = "the switch's port where its clients are; without it nothing is steered"},
    {.key = "out_port",
     .type = OFFLOAD_OPT_STRING,
     REQUEST(out_port),
     .default_text = "\"\"",
     .help = "the switch's port where its servers are"},
    {.key = "return_dst",
     .type = OFFLOAD_OPT_ARRAY,
     REQUEST(return_dst),
     .help = "addresses that a NAT puts in the client's place"},
    OFFLOAD_OPT_END,
};

static uint32_t
emptiest_card(const struct manager *m)
{
    uint32_t best = 0;
    double least = INFINITY;
    for (uint32_t c = 0; c < m->n_cards; c++) {
        double load = m->cards[c].offered_bps / m->cards[c].capacity.amount[ALLOC_BANDWIDTH];
        if (m->cards[c].up && !m->cards[c].draining && load < least) {
            least = load;
            best = c;
        }
    }
    return best;
}

// What no card could ever hold is an error at once, not a request that waits for ever.
static int
check_request(const struct manager *m, const struct request *r, uint32_t home,
              struct offload_err *err)
{
    struct offload_match read[OFFLOAD_MATCHES_MAX];
    unsigned n;
    int rc = offload_matches_read(r->match, "match", read, OFFLOAD_MATCHES_MAX, &n, err);
    if (rc)
        return rc;
    if (!r->in_port[0] != !r->out_port[0])
        return offload_err_set(err, -EINVAL, r->in_port[0] ? "out_port" : "in_port",
                               "both ports, or neither", "is missing");
    double most = 0, asked = number_in(r->sla, "min_bps");
    bool all_known = true;
    for (uint32_t c = 0; c < m->n_cards; c++)
        if (same_server(m, c, home)) {
            all_known &= m->cards[c].known;
            most = fmax(most, m->cards[c].capacity.amount[ALLOC_BANDWIDTH]);
        }
    if (all_known && asked > most)
        return offload_err_set(err, -ERANGE, "sla.min_bps", "less than a card has",
                               "no card of %s can guarantee %.0f bit/s; the largest has %.0f",
                               m->cards[home].server, asked, most);
    return 0;
}

int
admit_submit(struct manager *m, struct json_object *params, struct offload_err *err)
{
    struct request r = {.match = NULL};
    struct manager_app *app;
    int rc = offload_opt_read(request_params, params, "", &r, sizeof r, err);
    if (rc)
        return rc;
    uint32_t home = r.card[0] ? manager_find_card(m, r.card) : emptiest_card(m);
    if (home == ALLOC_NONE)
        return no_such_card(m, "card", r.card, err);
    rc = check_request(m, &r, home, err);
    if (!rc)
        rc = manager_add_app(m, params, "", home, &app, err);
    if (rc)
        return rc;
    app->configured = true;
    app->lent = r.sharing == 1;
    app->intent = manager_intent(app->name, app->match, r.in_port, r.out_port,
                                 manager_down_names[app->on_card_down], r.return_dst);
    app->request = json_object_get(params);
    m->requests_due = m->hurry = true;
    pthread_cond_signal(&m->wake_ticker);
    return 0;
}

void
admit_withdraw(struct manager *m, struct manager_app *app)
{
    app->withdrawn = true;
    app->configured = false;
    app->admitted = false;
    app->wanted = ALLOC_NONE;
    m->requests_due |= app->request != NULL;
    m->intents_due = m->hurry = true;
    pthread_cond_signal(&m->wake_ticker);
}

void
admit_run(struct manager *m)
{
    struct commands *all = calloc(1, sizeof *all);
    bool again = manager_commands(m);
    // What leaves makes room for what waits: seen through in one step.
    for (int round = 0; all && again && round < 3; round++) {
        pthread_mutex_lock(&m->lock);
        all->n = 0;
        list_commands(m, all);
        pthread_mutex_unlock(&m->lock);
        again = send_commands(m, all);
    }
    pthread_mutex_lock(&m->lock);
    free_withdrawn(m);
    pthread_mutex_unlock(&m->lock);
    free(all);
    save_requests(m);
}
