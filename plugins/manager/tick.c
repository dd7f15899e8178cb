// SPDX-License-Identifier: Apache-2.0
// One step of the manager: score -> utilisation -> SLA state -> reward of the last action -> action
// -> plan -> apply, then the table learns. tick_run() reads like that.  The ticker's thread.
#include "plugins/manager/manager.h"

#include "lib/io/clock.h"

#include <json-c/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAVE_EVERY_TICKS = 60,
    FORECAST_PART = 4, // of a step: the longest wait for its forecasts
};
static const uint64_t FORECAST_LOOK_NS = 5 * OFFLOAD_NS_PER_MS;
static const uint64_t HURRY_NS =
    100 * OFFLOAD_NS_PER_MS; // rates need some time to be measured over

// Before anything was measured: a plain forwarder's cost on a worker that is a share of a core.
static const double CYCLES_PER_BYTE_START = 1;

bool
need_fresh(const struct manager_need *need, uint64_t now_ns)
{
    return need->seen_ns > 0 && now_ns - need->seen_ns <= need->lasts_ns && !isnan(need->p50);
}

static struct alloc_demand
demand_of(const struct manager_need *need, uint64_t now_ns)
{
    if (!need_fresh(need, now_ns))
        return (struct alloc_demand){NAN, NAN, NAN};
    return (struct alloc_demand){need->p50, fmax(need->p90, need->p50), need->p99};
}

// Score: what the forecaster expects of the server's applications. A forecast that is too old is
// none; one of the horizon alone serves for the next step too.
static void
take_forecast(const struct manager *m, const struct manager_app *from, struct alloc_app *app,
              uint64_t now_ns)
{
    const struct manager_need *bps = &from->next[ALLOC_BANDWIDTH], *cpu = &from->next[ALLOC_CPU];
    const struct manager_need *memory = &from->need[ALLOC_MEMORY];
    app->ahead = demand_of(&from->need[ALLOC_BANDWIDTH], now_ns);
    app->demand = demand_of(bps, now_ns);
    if (isnan(app->demand.p50))
        app->demand = app->ahead;
    // A CPU forecast knows of a mix of packets that becomes dearer; the last steps' cost does not.
    if (need_fresh(bps, now_ns) && need_fresh(cpu, now_ns) && bps->p50 > 0) {
        double cycles_per_s = cpu->p50 / 100 * m->cards[from->card].cycles_per_s;
        double dearer = fmin(cycles_per_s / (bps->p50 / 8), 4 * app->cycles_per_byte);
        app->cycles_per_byte = fmax(app->cycles_per_byte, dearer);
    }
    if (need_fresh(memory, now_ns))
        app->state_bytes = fmax(app->state_bytes, memory->p90);
}

// What comes is told by how far earlier forecasts were off here; by the forecaster's own quantiles
// while there are few of those. A step that someone hurried is too short to judge one by; where
// nothing at all came, the traffic is elsewhere, and the forecast is not to blame.
static void
calibrate(struct manager_app *from, bool whole, struct alloc_app *app)
{
    if (whole && from->calibration && from->offered_bps > 0)
        alloc_calibration_note(from->calibration, from->foreseen_bps, from->offered_bps);
    from->foreseen_bps = app->demand.p50;
    if (isnan(app->demand.p50))
        return;
    if (!from->calibration)
        from->calibration = calloc(1, sizeof *from->calibration);
    if (from->calibration)
        alloc_calibration_tell(from->calibration, app->demand.p50, &app->demand, app->level);
}

// What applications of a class that were measured are offered, and what a byte costs: the prior of
// one that was not.
struct priors {
    double bps[ALLOC_N_CLASSES], cycles_per_byte;
};

static void
sum_priors(const struct manager *m, struct priors *p)
{
    unsigned n[ALLOC_N_CLASSES] = {0}, costs = 0;
    *p = (struct priors){.cycles_per_byte = 0};
    for (uint32_t a = 0; a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (app->planned == ALLOC_NONE || isnan(app->offered_bps))
            continue;
        p->bps[app->class] += (app->offered_bps - p->bps[app->class]) / ++n[app->class];
        if (!isnan(app->cycles_per_byte))
            p->cycles_per_byte += (app->cycles_per_byte - p->cycles_per_byte) / ++costs;
    }
    if (!costs)
        p->cycles_per_byte = CYCLES_PER_BYTE_START;
}

// Neither measured nor forecast: its guarantee, or what its class is offered, with a wide spread. A
// card that is new changes nothing for those on the others.
static void
take_prior(const struct manager_app *from, const struct priors *p, struct alloc_app *app)
{
    double expected = fmax(from->min_bps, p->bps[from->class]);
    if (isnan(from->cycles_per_byte))
        app->cycles_per_byte = fmax(app->cycles_per_byte, p->cycles_per_byte);
    if (isnan(from->offered_bps) && isnan(from->before_bps) && isnan(app->demand.p50)) {
        if (from->max_bps > 0)
            expected = fmin(expected, from->max_bps);
        app->demand = (struct alloc_demand){expected, 2 * expected, 3 * expected};
    }
}

// To what the plan log writes in few digits: who reads it back has what was decided from.
static void
round_demand(struct alloc_demand *d)
{
    d->p50 = rint(d->p50);
    d->p90 = rint(d->p90);
    d->p99 = rint(d->p99);
}

static void
round_app(struct alloc_app *app)
{
    app->cycles_per_byte = rint(app->cycles_per_byte * 1e6) / 1e6;
    app->burst_bytes = rint(app->burst_bytes);
    app->state_bytes = rint(app->state_bytes);
    app->offered_bps = rint(app->offered_bps);
    app->before_bps = rint(app->before_bps);
    round_demand(&app->demand);
    round_demand(&app->ahead);
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        app->level[i] = rint(app->level[i]);
}

// Utilisation and SLA state.
static void
observe_app(const struct manager *m, struct manager_app *from, const struct priors *priors,
            bool whole, struct alloc_app *app)
{
    snprintf(app->name, sizeof app->name, "%s", from->name);
    app->class = from->class;
    app->weight = alloc_class_weight(from->class);
    app->min_bps = from->min_bps;
    app->max_bps = from->max_bps;
    app->max_delay_s = from->max_delay_s;
    app->max_loss_frac = from->max_loss_frac;
    app->cycles_per_byte =
        isnan(from->cycles_per_byte) ? CYCLES_PER_BYTE_START : from->cycles_per_byte;
    app->burst_bytes = from->burst_bytes > 0 ? from->burst_bytes : from->burst_measured;
    app->state_bytes = from->memory_bytes;
    app->fixed = from->fixed;
    app->lent = from->lent;
    app->now = from->now;
    app->offered_bps = from->offered_bps;
    app->before_bps = from->before_bps;
    app->breached = from->breached;
    app->moving = from->moving;
    app->moved_ns = from->moved_ns;
    app->wanted = from->wanted;
    take_forecast(m, from, app, clock_monotonic_ns());
    calibrate(from, whole, app);
    take_prior(from, priors, app);
    round_app(app);
}

static void
observe_card(const struct manager_card *from, struct alloc_card *card)
{
    snprintf(card->name, sizeof card->name, "%s", from->name);
    snprintf(card->server, sizeof card->server, "%s", from->server);
    card->cycles_per_s = from->cycles_per_s;
    card->capacity = from->capacity;
    card->down = !from->up;
    card->draining = from->draining;
    card->hot_ticks = from->hot_ticks;
}

// The engine's state: cards that are known, with the applications that are on them. The manager's
// cards and the state's have the same numbers; a card that was never reached has no capacity and no
// applications.
static struct alloc_state *
observe(struct manager *m)
{
    uint32_t n = 0;
    for (uint32_t a = 0; a < m->n_apps; a++) {
        struct manager_app *app = &m->apps[a];
        bool in = app->card != ALLOC_NONE && m->cards[app->card].known && app->admitted &&
                  !app->withdrawn;
        app->planned = in ? n++ : ALLOC_NONE;
    }
    struct alloc_state *state = alloc_state_create(m->n_cards, n);
    if (!state)
        return NULL;
    state->time_ns = clock_wall_ns();
    state->policy = m->options.policy;
    state->policy.move_steps = rint(m->move_s / m->options.step_s * 1e6) / 1e6;
    state->policy.lent = n > 0;
    for (uint32_t c = 0; c < m->n_cards; c++) {
        observe_card(&m->cards[c], &state->cards[c]);
        if (!m->cards[c].known) {
            state->cards[c].cycles_per_s = 1;
            state->cards[c].capacity = (struct alloc_share){{100, 1, 1}};
            state->cards[c].down = true;
        }
    }
    struct priors priors;
    uint64_t now_ns = clock_monotonic_ns();
    bool whole = (double)(now_ns - m->observed_ns) >= m->options.step_s * 1e9 / 2;
    m->observed_ns = now_ns;
    sum_priors(m, &priors);
    for (uint32_t a = 0; a < m->n_apps; a++) {
        if (m->apps[a].planned == ALLOC_NONE)
            continue;
        struct alloc_app *app = &state->apps[m->apps[a].planned];
        app->card = m->apps[a].card;
        observe_app(m, &m->apps[a], &priors, whole, app);
        state->policy.lent &= app->lent;
    }
    for (unsigned i = 0; i < m->n_moves; i++) {
        const struct manager_move *move = m->moves[i];
        if (coordinator_over(&move->coordinator) || m->apps[move->app].card == move->to)
            continue;
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            state->cards[move->to].held.amount[r] += move->share.amount[r];
    }
    alloc_state_index(state);
    return state;
}

// Reward of the last action: by what the cards measured since.
static double *
measured_reward(struct manager *m, const struct alloc_state *state)
{
    const struct alloc_state *before = m->last_state;
    if (!before || !m->last_applied || before->n_apps != state->n_apps)
        return NULL;
    double *reward = calloc(state->n_cards + 1u, sizeof *reward), sum = 0;
    struct alloc_outcome *outcome = calloc(state->n_apps + 1u, sizeof *outcome);
    for (uint32_t a = 0; outcome && a < m->n_apps; a++) {
        const struct manager_app *app = &m->apps[a];
        if (app->planned != ALLOC_NONE)
            outcome[app->planned] = (struct alloc_outcome){
                .offered_bps = isnan(app->offered_bps) ? 0 : app->offered_bps,
                .loss_frac = isnan(app->loss_frac) ? 0 : app->loss_frac,
                .breached = app->breached};
    }
    if (reward && outcome) {
        alloc_reward(before, m->last_plan, outcome, reward);
        for (uint32_t c = 0; c < state->n_cards; c++)
            sum += reward[c] / state->n_cards;
    }
    m->reward_measured = sum;
    free(outcome);
    return reward;
}

// Action, shield, plan; in the same breath the table learns from the reward.
static struct alloc_plan *
decide(struct manager *m, struct alloc_state *state, const double *reward)
{
    struct alloc_plan *plan = NULL;
    if (sim_duel_tick(m->duel, state, reward, ++m->number, m->term, &plan, &m->last_tick))
        return NULL;
    for (uint32_t c = 0; c < m->n_cards; c++)
        m->cards[c].hot_ticks = state->cards[c].hot_ticks;
    for (uint32_t c = 0; c < m->n_cards; c++)
        m->cards[c].expected = alloc_card_load(state, c, ALLOC_AHEAD, ALLOC_Z_P90, NULL);
    return plan;
}

// Moves begin once the destination's shares have made room.
static void
begin_moves(struct manager *m, const struct alloc_plan *plan, bool applied)
{
    for (uint32_t a = 0; a < m->n_apps; a++) {
        struct manager_app *app = &m->apps[a];
        const struct alloc_entry *e =
            app->planned == ALLOC_NONE ? NULL : &plan->entries[app->planned];
        char id[MIGRATE_ID_LEN + 1];
        bool asked = app->wanted != ALLOC_NONE;
        if (!e || (e->to == ALLOC_NONE && !(asked && e->refused)))
            continue;
        if (!asked && !applied)
            continue;
        if (asked)
            memcpy(id, app->wanted_id, sizeof id);
        else
            moves_new_id(id);
        if (asked && e->refused)
            moves_begin(m, id, a, app->wanted, &e->share, "asked for", e->reason);
        else if (applied)
            moves_begin(m, id, a, e->to, &e->to_share, e->reason, NULL);
        else
            moves_begin(m, id, a, e->to, &e->to_share, e->reason,
                        "the plan that makes room could not be applied");
        app->wanted = ALLOC_NONE;
    }
}

static void
tell_guard(struct manager *m)
{
    const struct sim_tick *t = &m->last_tick;
    if (t->event != ALLOC_GUARD_STAYS)
        agent_save(m); // a crash must not undo it
    if (t->event == ALLOC_GUARD_FALLS_BACK)
        manager_notify(
            MANAGER_WARNING,
            "agent %s fell behind proportional: proportional decides, it goes on in shadow",
            m->options.agent);
    else if (t->event == ALLOC_GUARD_RETURNS)
        manager_notify(MANAGER_OKAY,
                       "agent %s has shown on %d held-out steps that it is not worse than "
                       "proportional, and decides again",
                       m->options.agent, ALLOC_GUARD_HELD_OUT);
}

static void
keep(struct manager *m, struct alloc_state *state, struct alloc_plan *plan, bool applied,
     const char *error)
{
    struct offload_err err = {0};
    char text[700];
    int rc = planlog_write(m, state, plan, applied, error, &err);
    pthread_mutex_lock(&m->lock);
    bool told = m->last_plan == NULL;
    planlog_keep(m, state, plan, applied, error);
    begin_moves(m, plan, applied);
    bus_publish(m, plan);
    pthread_mutex_unlock(&m->lock);
    if (rc && told)
        manager_notify(MANAGER_WARNING, "the plan log: %s",
                       offload_err_format(&err, text, sizeof text));
}

void
tick_decide(struct manager *m)
{
    pthread_mutex_lock(&m->lock);
    struct alloc_state *state = observe(m);
    double *reward = state ? measured_reward(m, state) : NULL;
    struct alloc_plan *plan = state && state->n_apps > 0 ? decide(m, state, reward) : NULL;
    bool may_apply = plan && manager_commands(m) && alloc_plan_feasible(state, plan);
    m->ticks++;
    pthread_mutex_unlock(&m->lock);
    free(reward);
    if (!plan) {
        alloc_state_destroy(state);
        return;
    }
    struct offload_err err = {0};
    char text[700] = "";
    int rc = may_apply ? cards_apply(m, state, plan, &err) : 0;
    if (rc)
        offload_err_format(&err, text, sizeof text);
    keep(m, state, plan, may_apply && !rc, text);
    tell_guard(m);
    if (rc)
        manager_notify(MANAGER_WARNING, "plan %lu was not applied: %s", (unsigned long)plan->number,
                       text);
    if (m->ticks % SAVE_EVERY_TICKS == 0)
        agent_save(m);
}

// A score that stops is told once; shares follow what is measured meanwhile.
static void
tell_scores(struct manager *m)
{
    for (unsigned i = 0; i < m->n_servers; i++) {
        struct manager_server *server = &m->servers[i];
        pthread_mutex_lock(&m->lock);
        bool stale = server->seen_ns > 0 && score_stale(server, clock_monotonic_ns());
        bool news = stale != server->told;
        server->told = stale;
        pthread_mutex_unlock(&m->lock);
        if (news && stale)
            manager_notify(MANAGER_WARNING,
                           "the score of %s has stopped; shares follow the measured load where "
                           "there is no forecast",
                           server->name);
        else if (news)
            manager_notify(MANAGER_OKAY, "the score of %s is back", server->name);
    }
}

// Whether a forecast is due within a moment. The forecaster closes a step when its values are there,
// just after the edge where we poll: who waits for it knows a step more.
static bool
forecast_due(const struct manager *m, uint64_t now, uint64_t most)
{
    for (unsigned i = 0; i < m->n_servers; i++) {
        const struct manager_server *server = &m->servers[i];
        uint64_t expected = server->seen_ns + server->period_ns;
        // One that is late by half as much is not waited for any longer.
        if (server->period_ns && now < expected + most / 2 && expected <= now + most)
            return true;
    }
    return false;
}

static void
await_forecasts(struct manager *m)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t most = (uint64_t)(m->options.step_s * 1e9 / FORECAST_PART);
    uint64_t end = now + most;
    pthread_mutex_lock(&m->lock);
    while (!m->stop && now < end && forecast_due(m, now, end - now)) {
        uint64_t at = now + FORECAST_LOOK_NS;
        struct timespec until = {.tv_sec = (time_t)(at / 1000000000),
                                 .tv_nsec = (long)(at % 1000000000)};
        pthread_cond_timedwait(&m->wake_ticker, &m->lock, &until);
        now = clock_monotonic_ns();
    }
    pthread_mutex_unlock(&m->lock);
}

void
tick_run(struct manager *m)
{
    cards_join(m);
    cards_poll(m);
    admit_run(m);
    switch_sync(m);
    await_forecasts(m);
    tick_decide(m);
    tell_scores(m);
}

// Until the next step is due, or a little while if someone asked for something.
static void
wait_for_step(struct manager *m, uint64_t due)
{
    uint64_t soon = clock_monotonic_ns() + HURRY_NS;
    while (!m->stop) {
        uint64_t end = m->hurry && soon < due ? soon : due;
        if (clock_monotonic_ns() >= end)
            break;
        struct timespec until = {.tv_sec = (time_t)(end / 1000000000),
                                 .tv_nsec = (long)(end % 1000000000)};
        pthread_cond_timedwait(&m->wake_ticker, &m->lock, &until);
    }
    m->hurry = false;
}

void *
ticker_main(void *arg)
{
    struct manager *m = arg;
    uint64_t step_ns = (uint64_t)(m->options.step_s * 1e9), due = clock_monotonic_ns();
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        pthread_mutex_unlock(&m->lock);
        tick_run(m);
        pthread_mutex_lock(&m->lock);
        uint64_t now = clock_monotonic_ns();
        if (now >= due)
            due += step_ns; // an early step leaves the next one where it was
        if (due < now)      // steps that were missed are not made up for
            due = now;
        wait_for_step(m, due);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}
