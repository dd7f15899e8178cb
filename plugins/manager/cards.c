// SPDX-License-Identifier: Apache-2.0
// The cards: what they say, and what they are told. They hold the truth: where an application is
// and what it has is read each step, never remembered. cardd -> [cards] -> tick -> [cards] ->
// cardd.  The ticker's thread.
#include "plugins/manager/fields.h"
#include "plugins/manager/manager.h"

#include "lib/io/client_blocking.h"
#include "lib/io/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Weight of a new measurement of cycles a byte and of bursts. What became dearer is believed
// sooner: too small a share costs packets, too large a one costs nothing while there is room.
static const double RISING = 0.7, FALLING = 0.1;
static const double CAPACITY_MOST = 1e15; // cycles/s, bit/s, bytes: more is no card's
static const double BURST_LEAST_BYTES = 1500, BURST_MOST_BYTES = 32768;
// Above this utilisation a step's delay tells of the backlog of the step before, not of bursts.
static const double BURST_UTILISATION_MOST = 0.8;

struct json_object *
with_term(const struct manager *m)
{
    struct json_object *params = json_object_new_object();
    json_object_object_add(params, "term", json_object_new_uint64(m->term));
    return params;
}

// Did the peer answer, even if with an error? The client names its socket where it did not.
static bool
answered(const struct manager_peer *peer, int rc, const struct offload_err *err)
{
    return !rc || strcmp(err->where, peer->socket) != 0;
}

int
peer_call(struct manager *m, struct manager_peer *peer, const char *method,
          struct json_object *params, struct json_object **result, struct offload_err *err)
{
    char text[700];
    *err = (struct offload_err){0};
    int rc = rpc_client_call(peer->tick_client, method, params, result, err);
    if (!answered(peer, rc, err)) {
        peer->joined = false;
        if (!peer->told)
            manager_notify(MANAGER_FAILURE, "%s; its applications keep what they have",
                           offload_err_format(err, text, sizeof text));
        peer->told = true;
    } else if (rc == -ESTALE && m->options.leader_ovsdb[0]) {
        peer->joined =
            false; // which term it has seen is asked anew; ours may no longer be the lock
    } else if (rc == -ESTALE && !m->deposed) {
        m->deposed = true;
        manager_notify(MANAGER_FAILURE,
                       "a newer manager commands %s (ours is term %lu); this one only watches",
                       peer->socket, (unsigned long)m->term);
    }
    return rc;
}

// ---- joining: what a peer knows when we meet it, or meet it again

static int
hello(struct manager *m, struct manager_peer *peer, uint64_t *term)
{
    struct json_object *result = NULL;
    struct offload_err err;
    int rc = peer_call(m, peer, "hello", NULL, &result, &err);
    if (!rc)
        *term = count_in(result, "term");
    json_object_put(result);
    return rc;
}

static bool
switched_for(struct manager *m, const char *id, const char *card)
{
    uint32_t c = manager_find_card(m, card);
    struct manager_peer *flowd = c == ALLOC_NONE ? NULL : manager_switch(m, c);
    struct json_object *params = json_object_new_object(), *result = NULL;
    struct offload_err err;
    json_object_object_add(params, "id", json_object_new_string(id));
    bool switched = false;
    if (!flowd)
        json_object_put(params);
    else
        switched = !peer_call(m, flowd, "reroute.status", params, &result, &err) &&
                   !strcmp(text_in(result, "step"), "swapped");
    json_object_put(result);
    return switched;
}

// Migrations that a manager before us left behind are finished or rolled back.
static void
adopt_moves(struct manager *m, struct manager_peer *peer)
{
    struct json_object *result = NULL;
    struct offload_err err;
    if (!manager_commands(m) || peer_call(m, peer, "migration.status", NULL, &result, &err))
        return;
    struct json_object *rows = member(result, "migrations");
    for (size_t i = 0; i < length_of(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        int step = migrate_step_parse(text_in(row, "step"));
        if (step < 0 || migrate_step_final(step))
            continue;
        bool switched = switched_for(m, text_in(row, "id"), text_in(row, "to"));
        char text[700];
        err = (struct offload_err){0};
        pthread_mutex_lock(&m->lock);
        int rc = moves_adopt(m, row, switched, &err);
        pthread_mutex_unlock(&m->lock);
        if (rc)
            manager_notify(MANAGER_WARNING, "a migration was found that cannot be finished: %s",
                           offload_err_format(&err, text, sizeof text));
        else
            manager_notify(MANAGER_OKAY,
                           "migration of %s was found at the cards, %s: it is finished",
                           text_in(row, "app"), switched ? "switched" : "not switched");
    }
    json_object_put(result);
}

static void
adopt_number(struct manager *m, struct manager_peer *peer)
{
    struct json_object *result = NULL;
    struct offload_err err;
    if (!peer_call(m, peer, "allocation.get", NULL, &result, &err) &&
        count_in(result, "plan") > m->number)
        m->number = count_in(result, "plan");
    json_object_put(result);
}

// The term is above all that the peers have seen: the leader's thread raises it. A peer that was
// away and has seen a higher one meanwhile serves another manager, unless the lock is ours for
// sure.
static void
note_term(struct manager *m, struct manager_peer *peer, uint64_t seen)
{
    bool other = false;
    pthread_mutex_lock(&m->lock);
    bool sure = m->leading && m->options.leader_ovsdb[0]; // then no one else has this very term
    bool above = sure ? seen > m->term : seen >= m->term;
    if (above && (!peer->ever_joined || sure || !m->leading)) {
        if (seen > m->term_seen)
            m->term_seen = seen;
        pthread_cond_signal(&m->wake_leader);
    } else if (seen > m->term && m->leading && !m->deposed) {
        other = m->deposed = true;
    }
    pthread_mutex_unlock(&m->lock);
    if (other)
        manager_notify(MANAGER_FAILURE,
                       "a newer manager commands %s with term %lu; this one only watches",
                       peer->socket, (unsigned long)seen);
}

// Makes a peer hear of our term before all else: from now on it refuses who commanded before.
static void
fence(struct manager *m, struct manager_peer *peer)
{
    struct json_object *params = with_term(m);
    struct offload_err err;
    const char *list = peer->is_switch ? "intents" : "allocations";
    json_object_object_add(params, list, json_object_new_array());
    if (!peer->is_switch)
        json_object_object_add(params, "plan", json_object_new_uint64(m->number));
    peer_call(m, peer, peer->is_switch ? "intent.set" : "allocation.set", params, NULL, &err);
}

// We have become the one who commands: all that was known is asked anew.
static void
meet_anew(struct manager *m)
{
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; m->rejoin && i < m->n_peers; i++)
        m->peers[i].joined = false;
    m->rejoin = false;
    pthread_mutex_unlock(&m->lock);
}

void
cards_join(struct manager *m)
{
    bool *fresh = calloc(m->n_peers + 1u, sizeof *fresh);
    meet_anew(m);
    for (unsigned i = 0; fresh && i < m->n_peers; i++) {
        struct manager_peer *peer = &m->peers[i];
        uint64_t seen;
        if (peer->joined || hello(m, peer, &seen))
            continue;
        note_term(m, peer, seen);
        fresh[i] = peer->joined = true;
        if (peer->told)
            manager_notify(MANAGER_OKAY, "%s answers again", peer->socket);
        peer->told = false;
        peer->ever_joined = true;
    }
    // Only now the term stands; what follows is done with it.
    for (unsigned i = 0; fresh && i < m->n_peers; i++) {
        if (!fresh[i])
            continue;
        m->intents_due = true;
        m->peers[i].adopted = false;
        if (!m->peers[i].is_switch)
            adopt_number(m, &m->peers[i]);
        if (manager_commands(m))
            fence(m, &m->peers[i]);
        if (m->peers[i].is_switch)
            continue;
        adopt_number(m, &m->peers[i]);
        adopt_moves(m, &m->peers[i]);
    }
    free(fresh);
}

// ---- reading

static void
read_counters(struct json_object *stats, struct manager_counters *c)
{
    static const char *const lost[] = {"admission", "queue_full", "memory", "transmit",
                                       "migration", "delay",      "codel"};
    struct json_object *drops = member(stats, "drops");
    *c = (struct manager_counters){
        .time_ns = count_in(stats, "time_ns"),
        .offered_pkts = count_in(stats, "offered_pkts"),
        .offered_bytes = count_in(stats, "offered_bytes"),
        .delivered_bytes = count_in(stats, "delivered_bytes"),
        .cycles = count_in(stats, "cycles"),
        .delay_ns_sum = count_in(stats, "queue_delay_ns_sum"),
        .delay_pkts = count_in(stats, "queue_delay_pkts"),
        .memory_bytes = count_in(stats, "memory_bytes"),
    };
    // What a function drops it was told to drop: an ACL that denies breaks no SLA.
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        c->lost_pkts += count_in(drops, lost[i]);
}

// What the step's rates are made of; an application that migrates has counters on two cards.
struct step {
    double seconds, offered_pkts, offered_bytes, delivered_bytes, cycles, delay_ns, delay_pkts,
        lost_pkts;
    double memory_bytes, delay_p99_ns, cpu_pct;
    bool any;
};

static struct manager_seat *
seat_of(struct manager_app *app, uint32_t card)
{
    for (int i = 0; i < 2; i++)
        if (app->seat[i].card == card)
            return &app->seat[i];
    // The one that the application has left is taken over.
    struct manager_seat *seat =
        &app->seat[app->seat[0].card == app->card && app->card != ALLOC_NONE];
    *seat = (struct manager_seat){.card = card};
    return seat;
}

static void
add_difference(struct step *step, const struct manager_counters *was,
               const struct manager_counters *is, double cycles_per_s)
{
    if (was->time_ns == 0 || is->time_ns <= was->time_ns ||
        is->offered_bytes < was->offered_bytes || is->cycles < was->cycles)
        return; // the first count, or counters that began anew
    double seconds = offload_ns_to_s(is->time_ns - was->time_ns);
    if (8 * (double)(is->offered_bytes - was->offered_bytes) / seconds > CAPACITY_MOST)
        return; // no link carries that: a counter that is none
    step->any = true;
    step->seconds = fmax(step->seconds, seconds);
    step->offered_pkts += (double)(is->offered_pkts - was->offered_pkts);
    step->offered_bytes += (double)(is->offered_bytes - was->offered_bytes);
    step->delivered_bytes += (double)(is->delivered_bytes - was->delivered_bytes);
    step->cycles += (double)(is->cycles - was->cycles);
    step->delay_ns += (double)(is->delay_ns_sum - was->delay_ns_sum);
    step->delay_pkts += (double)(is->delay_pkts - was->delay_pkts);
    step->lost_pkts += (double)(is->lost_pkts - was->lost_pkts);
    step->cpu_pct += 100 * (double)(is->cycles - was->cycles) / seconds / cycles_per_s;
}

static void
read_share(struct json_object *allocation, struct alloc_share *share)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        double value = number_in(allocation, alloc_resource_names[r]);
        share->amount[r] = value > 0 && value <= CAPACITY_MOST ? value : 0; // a NAN is neither
    }
}

// An application that is on a card but that nobody configured is taken as it is: it uses room. One
// that is withdrawn is still it, until its card has forgotten it.
static struct manager_app *
found_app(struct manager *m, struct json_object *row, uint32_t card)
{
    struct offload_err err = {0};
    uint32_t a = names_find(&m->app_names, m->apps, sizeof *m->apps, text_in(row, "app"));
    struct manager_app *app = a == NAMES_NONE ? NULL : &m->apps[a];
    if (!app && manager_add_app(m, row, "app.list", card, &app, &err))
        return NULL;
    return app;
}

static void
read_app_row(struct manager *m, struct json_object *row, struct step *steps)
{
    uint32_t card = manager_find_card(m, text_in(row, "card"));
    const char *state = text_in(row, "state");
    if (card == ALLOC_NONE)
        return;
    struct manager_app *app = found_app(m, row, card);
    if (!app)
        return;
    if (app->fled_from == card) {
        app->stray = true; // it was given up with its card, and is served elsewhere
        return;
    }
    uint32_t a = (uint32_t)(app - m->apps);
    struct json_object *stats = member(row, "stats");
    struct manager_counters now;
    read_counters(stats, &now);
    if (strcmp(state, "destination")) {
        app->card = card;
        app->requested = !strcmp(state, "requested");
        app->moving = !strcmp(state, "source");
        app->admitted |= !app->requested; // what works has been admitted by someone
        read_share(member(row, "allocation"), &app->now);
    }
    struct manager_seat *seat = seat_of(app, card);
    add_difference(&steps[a], &seat->last, &now, m->cards[card].cycles_per_s);
    seat->last = now;
    steps[a].memory_bytes += (double)now.memory_bytes;
    steps[a].delay_p99_ns = number_in(member(stats, "delay_ns"), "p99");
}

static double
smoothed(double old, double new)
{
    return isnan(old) ? new : old + (new > old ? RISING : FALLING) * (new - old);
}

static void
measure(struct manager *m, struct manager_app *app, const struct step *s)
{
    app->before_bps = app->offered_bps;
    app->memory_bytes = s->memory_bytes;
    if (!s->any || s->seconds <= 0) {
        app->offered_bps = app->delivered_bps = app->used_cpu_pct = app->delay_mean_s =
            app->loss_frac = NAN;
        app->breached = false;
        return;
    }
    app->offered_bps = 8 * s->offered_bytes / s->seconds;
    app->delivered_bps = 8 * s->delivered_bytes / s->seconds;
    app->used_cpu_pct = s->cpu_pct;
    app->delay_mean_s = s->delay_pkts > 0 ? s->delay_ns / s->delay_pkts / 1e9 : 0;
    app->delay_p99_ns = s->delay_p99_ns;
    app->loss_frac = s->offered_pkts > 0 ? fmin(s->lost_pkts / s->offered_pkts, 1) : 0;
    app->breached = (app->max_delay_s > 0 && app->delay_mean_s > app->max_delay_s) ||
                    app->loss_frac > app->max_loss_frac;
    app->breaches += app->breached;
    if (s->delivered_bytes >= 1000)
        app->cycles_per_byte = smoothed(app->cycles_per_byte, s->cycles / s->delivered_bytes);
    // The model turned round: which burst explains the delay that was measured.
    double rate = app->now.amount[ALLOC_BANDWIDTH];
    if (app->card != ALLOC_NONE && app->cycles_per_byte > 0)
        rate = fmin(rate, app->now.amount[ALLOC_CPU] / 100 * m->cards[app->card].cycles_per_s /
                              app->cycles_per_byte * 8);
    double burst = sim_card_burst(app->offered_bps, rate, app->delay_mean_s);
    bool quiet = s->lost_pkts <= 0 && app->offered_bps < BURST_UTILISATION_MOST * rate &&
                 !(app->before_bps > BURST_UTILISATION_MOST * rate);
    if (!isnan(burst) && quiet)
        app->burst_measured += FALLING * (fmin(fmax(burst, BURST_LEAST_BYTES), BURST_MOST_BYTES) -
                                          app->burst_measured);
}

// A capacity that a card can have; also no infinity.
static bool
possible(double value)
{
    return value > 0 && value <= CAPACITY_MOST;
}

static void
read_card_row(struct manager *m, struct json_object *row, unsigned peer)
{
    uint32_t c = manager_find_card(m, text_in(row, "card"));
    if (c == ALLOC_NONE || m->cards[c].peer != peer)
        return;
    struct manager_card *card = &m->cards[c];
    struct json_object *capacity = member(row, "capacity");
    double cycles = number_in(capacity, "cycles_per_s"), bps = number_in(capacity, "bandwidth_bps");
    double memory = number_in(capacity, "memory_bytes");
    card->known = possible(cycles) && possible(bps) && possible(memory);
    card->impossible = !card->known;
    if (!card->known)
        return; // it is not planned for; what it was told last stands
    card->up = !strcmp(text_in(row, "state"), "up");
    card->cycles_per_s = cycles;
    card->capacity = (struct alloc_share){{100, bps, memory}};
    read_share(member(row, "allocated"), &card->allocated);
}

static void
sum_cards(struct manager *m)
{
    for (uint32_t c = 0; c < m->n_cards; c++)
        m->cards[c].offered_bps = m->cards[c].delivered_bps = m->cards[c].used_cpu_pct = 0;
    for (uint32_t a = 0; a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (app->card == ALLOC_NONE || isnan(app->offered_bps))
            continue;
        m->cards[app->card].offered_bps += app->offered_bps;
        m->cards[app->card].delivered_bps += app->delivered_bps;
        m->cards[app->card].used_cpu_pct += app->used_cpu_pct;
    }
}

static void
lose_peer(struct manager *m, unsigned peer)
{
    for (uint32_t c = 0; c < m->n_cards; c++)
        if (m->cards[c].peer == peer)
            m->cards[c].up = false;
}

// Steps has room for applications that are met for the first time.
void
cards_take(struct manager *m, struct json_object **cards, struct json_object **apps)
{
    size_t rows_most = m->n_apps;
    for (unsigned i = 0; i < m->n_peers; i++)
        rows_most += length_of(member(apps[i], "apps"));
    struct step *steps = calloc(rows_most + 1, sizeof *steps);
    if (!steps)
        return;
    // An application that a card no longer has is on none, until a row says otherwise.
    for (uint32_t a = 0; a < m->n_apps; a++)
        if (m->apps[a].card != ALLOC_NONE && apps[m->cards[m->apps[a].card].peer])
            m->apps[a].card = ALLOC_NONE;
    for (unsigned i = 0; i < m->n_peers; i++) {
        if (m->peers[i].is_switch)
            continue;
        if (!apps[i]) {
            lose_peer(m, i);
            continue;
        }
        struct json_object *rows = member(cards[i], "cards");
        for (size_t k = 0; k < length_of(rows); k++)
            read_card_row(m, json_object_array_get_idx(rows, k), i);
        rows = member(apps[i], "apps");
        for (size_t k = 0; k < length_of(rows); k++)
            read_app_row(m, json_object_array_get_idx(rows, k), steps);
    }
    for (uint32_t a = 0; a < m->n_apps; a++) {
        measure(m, &m->apps[a], &steps[a]);
        struct manager_app *app = &m->apps[a];
        if (app->card == ALLOC_NONE)
            app->admitted = false;
        bool back = app->fled_from != ALLOC_NONE && apps[m->cards[app->fled_from].peer];
        if (back && !app->stray)
            app->fled_from = ALLOC_NONE; // that card has come back without it
    }
    sum_cards(m);
    free(steps);
}

static void
tell_impossible(struct manager *m)
{
    for (uint32_t c = 0; c < m->n_cards; c++) {
        struct manager_card *card = &m->cards[c];
        if (card->impossible == card->told)
            continue;
        card->told = card->impossible;
        if (card->told)
            manager_notify(MANAGER_WARNING,
                           "card %s reports a capacity that cannot be; it is not planned for, and "
                           "keeps what it was told last",
                           card->name);
        else
            manager_notify(MANAGER_OKAY, "card %s reports a capacity again", card->name);
    }
}

void
cards_poll(struct manager *m)
{
    struct json_object **cards = calloc(2 * m->n_peers + 1u, sizeof *cards), **apps;
    struct offload_err err;
    if (!cards)
        return;
    apps = cards + m->n_peers;
    for (unsigned i = 0; i < m->n_peers; i++) {
        struct manager_peer *peer = &m->peers[i];
        if (peer->is_switch || !peer->joined)
            continue;
        if (!peer_call(m, peer, "card.list", NULL, &cards[i], &err))
            peer_call(m, peer, "app.list", NULL, &apps[i], &err);
    }
    pthread_mutex_lock(&m->lock);
    cards_take(m, cards, apps);
    pthread_mutex_unlock(&m->lock);
    tell_impossible(m);
    for (unsigned i = 0; i < m->n_peers; i++) {
        json_object_put(cards[i]);
        json_object_put(apps[i]);
    }
    free(cards);
}

// ---- applying

static bool
changes(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (fabs(plan->entries[a].share.amount[r] - state->apps[a].now.amount[r]) >
            (r == ALLOC_CPU ? 1e-5 : 1))
            return true;
    return false;
}

// A card's list goes whole if any of it changes: shares that shrink make room for those that grow.
static void
add_card(const struct manager *m, const struct alloc_state *state, const struct alloc_plan *plan,
         uint32_t c, struct json_object **list)
{
    const struct manager_card *card = &m->cards[c];
    bool any = false;
    if (!card->up || !m->peers[card->peer].joined)
        return;
    ALLOC_EACH (state, c, a)
        any |= !state->apps[a].moving && changes(state, plan, a);
    if (!any)
        return;
    if (!*list)
        *list = json_object_new_array();
    ALLOC_EACH (state, c, a)
        if (!state->apps[a].moving)
            json_object_array_add(*list, alloc_allocation_to_json(state, plan, a));
}

void
cards_lists(const struct manager *m, const struct alloc_state *state, const struct alloc_plan *plan,
            struct json_object **lists)
{
    for (uint32_t c = 0; c < state->n_cards; c++)
        add_card(m, state, plan, c, &lists[m->cards[c].peer]);
}

int
cards_apply(struct manager *m, const struct alloc_state *state, const struct alloc_plan *plan,
            struct offload_err *err)
{
    int rc = 0;
    struct json_object **lists = calloc(m->n_peers + 1u, sizeof *lists);
    if (!lists)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    cards_lists(m, state, plan, lists);
    for (unsigned i = 0; i < m->n_peers; i++) {
        struct manager_peer *peer = &m->peers[i];
        struct json_object *list = lists[i];
        struct offload_err trouble;
        if (!list)
            continue;
        struct json_object *params = with_term(m);
        json_object_object_add(params, "plan", json_object_new_uint64(plan->number));
        json_object_object_add(params, "allocations", list);
        int failed = peer_call(m, peer, "allocation.set", params, NULL, &trouble);
        if (failed && !rc) {
            rc = failed;
            *err = trouble;
        }
    }
    free(lists);
    return rc;
}
