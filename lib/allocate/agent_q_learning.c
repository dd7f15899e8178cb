// SPDX-License-Identifier: Apache-2.0
// Agent q_learning: a table of what each way of sharing out a card is worth in each situation.
// state -> [agent] -> shield.  Pure: the exploration's random numbers come from seed, plan number
// and card. Watkins & Dayan, Q-learning, Machine Learning 8 (1992), eq. 1:
//   Q(s,a) <- Q(s,a) + alpha (r + gamma Q(s',a*) - Q(s,a)), a* what the agent would do in s'
// One table serves all cards: s and a are of one card, r is that card's reward.
#include "lib/allocate/fill.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A situation: how full the P50 needs make the card, how uncertain that is, where demand goes, the
// best class whose SLA broke, and whether the card wants to give something away.
enum {
    N_LOAD = 7,
    N_SPREAD = 3,
    N_TREND = 3,
    N_BREACH = 4,
    N_HOT = 2,
    N_STATES = N_LOAD * N_SPREAD * N_TREND * N_BREACH * N_HOT,
};
static const double load_edges[N_LOAD - 1] = {0.4, 0.6, 0.75, 0.9, 1.05, 1.3};
static const double spread_edges[N_SPREAD - 1] = {1.15, 1.4}; // P90 over P50 load
static const double trend_edges[N_TREND - 1] = {0.92, 1.08};  // expected over last load

// A way to share out: order and level of service, each with or without a move; and to leave all as
// it is.
static const struct {
    enum fill_order order;
    double z;
} fills[] = {
    {FILL_PROPORTIONAL, 0}, {FILL_PROPORTIONAL, 1.28}, {FILL_CLASS, 0},    {FILL_CLASS, 0.84},
    {FILL_VALUE, 0},        {FILL_VALUE, 0.52},        {FILL_VALUE, 1.28}, {FILL_MARGINAL, 0},
};
enum {
    N_FILLS = sizeof fills / sizeof *fills,
    ACTION_HOLD = 2 * N_FILLS,
    N_ACTIONS = 2 * N_FILLS + 1,
    // What is done where nothing has been learned: the marginal rule, with a move if one is due.
    ACTION_PRIOR = 2 * N_FILLS - 1,
    PAYLOAD_BYTES = 4 + 4 + 8 + N_STATES * N_ACTIONS * (8 + 4),
};

static const double GAMMA = 0.5; // an action's effect is mostly seen in the next step
static const double ALPHA_LEAST = 0.005;
static const unsigned TRUST_VISITS = 8; // an action tried less often is not preferred to the prior
// Standard deviation of a step's reward, about: an action is preferred to the prior if it is better
// beyond the error of both estimates. Without that, the best of 17 noisy values is mostly the
// luckiest.
static const double REWARD_SD = 0.3;

struct cell {
    double q;
    uint32_t visits;
};

struct last {
    uint32_t state, action; // ALLOC_NONE: nothing to learn from
};

struct q_agent {
    struct cell cell[N_STATES][N_ACTIONS];
    uint64_t steps;
    struct alloc_agent_params params;
    struct last *last; // one a card
};

// splitmix64 (Steele, Lea & Flood, OOPSLA 2014): a good number for each counter, no state to keep.
static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double
uniform(uint64_t seed, uint64_t number, uint32_t card, unsigned draw)
{
    return (double)(mix(mix(mix(seed) ^ number) ^ ((uint64_t)card << 8 | draw)) >> 11) * 0x1p-53;
}

static uint32_t
bin(double value, const double *edges, uint32_t n_bins)
{
    uint32_t i = 0;
    while (i < n_bins - 1 && value >= edges[i])
        i++;
    return i;
}

static uint32_t
situation(const struct alloc_state *state, uint32_t c)
{
    double p50 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P50, NULL);
    double p90 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P90, NULL);
    double expected = 0, last = 0;
    uint32_t breach = 0;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        expected += alloc_demand_at(app, 0);
        last += isnan(app->offered_bps) ? 0 : app->offered_bps;
        if (app->breached && breach < (uint32_t)(ALLOC_N_CLASSES - (int)app->class))
            breach = ALLOC_N_CLASSES - (int)app->class; // bronze 1, silver 2, gold 3
    }
    uint32_t s = bin(p50, load_edges, N_LOAD);
    s = s * N_SPREAD + bin(p50 > 0 ? p90 / p50 : 1, spread_edges, N_SPREAD);
    s = s * N_TREND + bin(last > 0 ? expected / last : 1, trend_edges, N_TREND);
    s = s * N_BREACH + breach;
    return s * N_HOT + move_wanted(state, c);
}

// Actions that the shield would refuse, or that change nothing, are masked.
static bool
allowed(const struct alloc_state *state, uint32_t c, uint32_t action)
{
    if (action == ACTION_HOLD) {
        ALLOC_EACH (state, c, a)
            if (state->apps[a].now.amount[ALLOC_BANDWIDTH] <= 0)
                return false;
        return true;
    }
    return action < N_FILLS || move_wanted(state, c);
}

static uint32_t
prior(const struct alloc_state *state, uint32_t c)
{
    return allowed(state, c, ACTION_PRIOR) ? ACTION_PRIOR : ACTION_PRIOR - N_FILLS;
}

static double
error_of(const struct cell *cell)
{
    return REWARD_SD / sqrt(fmin(cell->visits, 1 / ALPHA_LEAST));
}

static uint32_t
greedy(const struct q_agent *agent, const struct alloc_state *state, uint32_t c, uint32_t s)
{
    uint32_t rule = prior(state, c), best = rule;
    const struct cell *known = &agent->cell[s][rule];
    if (known->visits < TRUST_VISITS)
        return rule;
    for (uint32_t a = 0; a < N_ACTIONS; a++) {
        const struct cell *cell = &agent->cell[s][a];
        if (cell->visits < TRUST_VISITS || !allowed(state, c, a) ||
            cell->q <= agent->cell[s][best].q)
            continue;
        if (cell->q - known->q > hypot(error_of(cell), error_of(known)))
            best = a;
    }
    return best;
}

static uint32_t
explore(const struct q_agent *agent, const struct alloc_state *state, uint32_t c,
        const struct alloc_plan *plan)
{
    uint32_t n = 0, pick = 0;
    for (uint32_t a = 0; a < N_ACTIONS; a++)
        n += allowed(state, c, a);
    pick = (uint32_t)(uniform(agent->params.seed, plan->number, c, 1) * n);
    for (uint32_t a = 0; a < N_ACTIONS; a++)
        if (allowed(state, c, a) && pick-- == 0)
            return a;
    return prior(state, c);
}

static void
q_choose(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    struct q_agent *agent = self;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        uint32_t s = situation(state, c), action;
        if (uniform(agent->params.seed, plan->number, c, 0) < agent->params.epsilon)
            action = explore(agent, state, c, plan);
        else
            action = greedy(agent, state, c, s);
        plan->action[c] = action;
        if (c < agent->params.n_cards)
            agent->last[c] = (struct last){.state = s, .action = action};
        if (action >= N_FILLS && action < ACTION_HOLD)
            move_propose(state, c, plan);
    }
}

static void
q_wish(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)self;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        uint32_t action = plan->action[c];
        if (action == ACTION_HOLD)
            continue; // a new plan keeps all as it is
        fill_card(state, c, fills[action % N_FILLS].order, fills[action % N_FILLS].z, plan);
    }
}

static void
q_learn(void *self, const struct alloc_state *state, const double *reward)
{
    struct q_agent *agent = self;
    if (!agent->params.learn)
        return;
    for (uint32_t c = 0; c < state->n_cards && c < agent->params.n_cards; c++) {
        struct last *last = &agent->last[c];
        if (last->action == ALLOC_NONE || !isfinite(reward[c]))
            continue;
        struct cell *cell = &agent->cell[last->state][last->action];
        cell->visits += cell->visits < UINT32_MAX;
        double alpha = agent->params.learning_rate;
        if (alpha <= 0)
            alpha = fmax(ALPHA_LEAST, pow(cell->visits, -0.8));
        uint32_t s = situation(state, c);
        double next = agent->cell[s][greedy(agent, state, c, s)]
                          .q; // of what would be done, not of the luckiest
        cell->q += alpha * (reward[c] + GAMMA * next - cell->q);
        last->action = ALLOC_NONE;
        agent->steps++;
    }
}

static int
q_create(const struct alloc_agent_params *params, void **self)
{
    struct q_agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return -ENOMEM;
    agent->params = *params;
    agent->last = calloc(params->n_cards + 1u, sizeof *agent->last);
    if (!agent->last) {
        free(agent);
        return -ENOMEM;
    }
    for (uint32_t c = 0; c < params->n_cards; c++)
        agent->last[c].action = ALLOC_NONE;
    *self = agent;
    return 0;
}

static void
q_destroy(void *self)
{
    struct q_agent *agent = self;
    if (agent)
        free(agent->last);
    free(agent);
}

// Payload, little-endian: states u32, actions u32, steps u64, then for each cell q (double's bits,
// u64) and visits u32.
static char *
put(char *to, uint64_t value, size_t bytes)
{
    uint64_t le = htole64(value);
    memcpy(to, &le, bytes);
    return to + bytes;
}

static const char *
take(const char *from, uint64_t *value, size_t bytes)
{
    uint64_t le = 0;
    memcpy(&le, from, bytes);
    *value = le64toh(le);
    return from + bytes;
}

static int
q_export(const void *self, char **payload, size_t *len)
{
    const struct q_agent *agent = self;
    char *buf = malloc(PAYLOAD_BYTES), *at = buf;
    if (!buf)
        return -ENOMEM;
    at = put(at, N_STATES, 4);
    at = put(at, N_ACTIONS, 4);
    at = put(at, agent->steps, 8);
    for (uint32_t s = 0; s < N_STATES; s++)
        for (uint32_t a = 0; a < N_ACTIONS; a++) {
            uint64_t bits;
            memcpy(&bits, &agent->cell[s][a].q, sizeof bits);
            at = put(at, bits, 8);
            at = put(at, agent->cell[s][a].visits, 4);
        }
    *payload = buf;
    *len = PAYLOAD_BYTES;
    return 0;
}

static int
q_import(void *self, const char *payload, size_t len, struct offload_err *err)
{
    struct q_agent *agent = self;
    uint64_t states = 0, actions = 0, steps = 0;
    const char *at = payload;
    if (len == PAYLOAD_BYTES) {
        at = take(at, &states, 4);
        at = take(at, &actions, 4);
        at = take(at, &steps, 8);
    }
    if (states != N_STATES || actions != N_ACTIONS)
        return offload_err_set(err, -EBADMSG, NULL, "train one with this version",
                               "a table of %zu bytes is not one of %d states and %d actions", len,
                               N_STATES, N_ACTIONS);
    for (const char *q = at; q < payload + len; q += 12) { // check all before anything is taken
        uint64_t bits;
        double value;
        take(q, &bits, 8);
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            return offload_err_set(err, -EBADMSG, NULL, NULL,
                                   "the table has a value that is no number");
    }
    agent->steps = steps;
    for (uint32_t s = 0; s < N_STATES; s++)
        for (uint32_t a = 0; a < N_ACTIONS; a++) {
            uint64_t bits, visits;
            at = take(at, &bits, 8);
            at = take(at, &visits, 4);
            memcpy(&agent->cell[s][a].q, &bits, sizeof bits);
            agent->cell[s][a].visits = (uint32_t)visits;
        }
    return 0;
}

static void
q_figures(const void *self, struct alloc_agent_figures *figures)
{
    const struct q_agent *agent = self;
    *figures =
        (struct alloc_agent_figures){.steps = agent->steps, .epsilon = agent->params.epsilon};
    for (uint32_t s = 0; s < N_STATES; s++) {
        bool seen = false;
        for (uint32_t a = 0; a < N_ACTIONS; a++)
            seen |= agent->cell[s][a].visits > 0;
        figures->states += seen;
    }
}

const struct alloc_agent_ops alloc_agent_q_learning = {
    .name = "q_learning",
    .help = "a learned table of how to share out a card in each situation",
    .checkpoint_kind = 0x51544142, // "QTAB"
    .checkpoint_version = 1,
    .create = q_create,
    .destroy = q_destroy,
    .choose = q_choose,
    .wish = q_wish,
    .learn = q_learn,
    .export = q_export,
    .import = q_import,
    .figures = q_figures,
};
