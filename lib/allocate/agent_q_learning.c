// SPDX-License-Identifier: Apache-2.0
// Agent q_learning: a table of what each lean away from the news vendor is worth in each situation.
// state -> [agent] -> shield.  Pure: the exploration's random numbers come from seed, plan number
// and card. Watkins & Dayan, Q-learning, Machine Learning 8 (1992), eq. 1:
//   Q(s,a) <- Q(s,a) + alpha (r + gamma Q(s',a*) - Q(s,a)), a* what the agent would do in s'
// One table serves all cards: s and a are of one card, r is that card's reward. Where the card
// model says what every action would have earned, all of a situation's are learned together.
#include "lib/allocate/lean.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// A situation: how full the P50 needs make the card, how uncertain that is, how much of the weight
// is gold's, how much of it broke its SLA, and what came beside what was expected of late.
enum {
    N_LOAD = 6,
    N_SPREAD = 3,
    N_GOLD = 3,
    N_BROKEN = 3,
    N_MISS = 3,
    N_STATES = N_LOAD * N_SPREAD * N_GOLD * N_BROKEN * N_MISS,
    N_ACTIONS = LEAN_ACTIONS,
    PAYLOAD_BYTES = 4 + 4 + 8 + N_STATES * N_ACTIONS * (8 + 4),
};
// Of lean_look()'s figures.
static const double load_edges[N_LOAD - 1] = {-0.3, -0.1, 0.05, 0.2, 0.5};
static const double spread_edges[N_SPREAD - 1] = {-0.15, 0.1};
static const double gold_edges[N_GOLD - 1] = {-0.15, 0.15};
static const double broken_edges[N_BROKEN - 1] = {0.01, 0.3};
static const double miss_edges[N_MISS - 1] = {-0.3, 0.3};

static const double GAMMA = 0.5; // an action's effect is mostly seen in the next step
static const double ALPHA_LEAST = 0.001;
static const unsigned TRUST_VISITS = 30; // an action tried less often is not preferred to action 0
// Standard deviation of what two actions' rewards differ by in a step, about: an action is
// preferred to the news vendor if it is better beyond that error. Without it, the best of several
// noisy values is mostly the luckiest.
static const double DIFFERENCE_SD = 0.3;

struct cell {
    double q;
    uint32_t visits;
};

struct last {
    uint32_t state, action; // ALLOC_NONE: nothing to learn from
    struct lean_memory memory;
};

struct q_agent {
    struct cell cell[N_STATES][N_ACTIONS];
    uint64_t steps;
    struct alloc_agent_params params;
    struct last *last; // one a card
};

static uint32_t
bin(double value, const double *edges, uint32_t n_bins)
{
    uint32_t i = 0;
    while (i < n_bins - 1 && value >= edges[i])
        i++;
    return i;
}

static uint32_t
situation(const struct alloc_state *state, uint32_t c, const struct lean_memory *memory)
{
    double seen[LEAN_SEEN];
    lean_look(state, c, memory, seen);
    uint32_t s = bin(seen[LEAN_P50], load_edges, N_LOAD);
    s = s * N_SPREAD + bin(seen[LEAN_SPREAD], spread_edges, N_SPREAD);
    s = s * N_GOLD + bin(seen[LEAN_GOLD], gold_edges, N_GOLD);
    s = s * N_BROKEN + bin(seen[LEAN_BROKEN], broken_edges, N_BROKEN);
    return s * N_MISS + bin(seen[LEAN_MISS], miss_edges, N_MISS);
}

static uint32_t
greedy(const struct q_agent *agent, uint32_t s)
{
    uint32_t best = 0;
    const struct cell *cell = agent->cell[s];
    for (uint32_t a = 1; a < N_ACTIONS && cell[0].visits >= TRUST_VISITS; a++) {
        double error = DIFFERENCE_SD / sqrt(fmin(cell[a].visits, 1 / ALPHA_LEAST));
        if (cell[a].visits >= TRUST_VISITS && cell[a].q > cell[0].q + error &&
            cell[a].q > cell[best].q)
            best = a;
    }
    return best;
}

static void
q_choose(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    struct q_agent *agent = self;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        struct last other = {.action = 0},
                    *x = c < agent->params.n_cards ? &agent->last[c] : &other;
        lean_note(state, c, &x->memory);
        x->state = situation(state, c, &x->memory);
        x->action = greedy(agent, x->state);
        if (lean_uniform(agent->params.seed, plan->number, (uint64_t)c << 8) <
            agent->params.epsilon) {
            double pick = lean_uniform(agent->params.seed, plan->number, (uint64_t)c << 8 | 1);
            x->action = (uint32_t)(pick * N_ACTIONS);
        }
        plan->action[c] = x->action;
        lean_move(state, c, x->action, plan);
    }
}

static void
q_wish(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)self;
    for (uint32_t c = 0; c < state->n_cards; c++)
        lean_fill(state, c, plan->action[c], plan);
}

static void
q_compare(void *self, const struct alloc_state *state, uint32_t c, const double *reward)
{
    struct q_agent *agent = self;
    if (c >= agent->params.n_cards || agent->last[c].action == ALLOC_NONE)
        return;
    struct last *last = &agent->last[c];
    uint32_t s = situation(state, c, &last->memory);
    double next = agent->cell[s][greedy(agent, s)].q; // of what would be done, not of the luckiest
    for (uint32_t a = 0; a < N_ACTIONS; a++) {
        struct cell *cell = &agent->cell[last->state][a];
        if (!isfinite(reward[a]))
            continue;
        cell->visits += cell->visits < UINT32_MAX;
        double alpha = agent->params.learning_rate;
        if (alpha <= 0)
            alpha = fmax(ALPHA_LEAST, pow(cell->visits, -0.8));
        cell->q += alpha * (reward[a] + GAMMA * next - cell->q);
    }
    last->action = ALLOC_NONE;
    agent->steps++;
}

static void
q_learn(void *self, const struct alloc_state *state, const double *reward)
{
    struct q_agent *agent = self;
    for (uint32_t c = 0; c < state->n_cards && c < agent->params.n_cards; c++) {
        double known[N_ACTIONS];
        if (agent->last[c].action == ALLOC_NONE || !isfinite(reward[c]))
            continue;
        for (uint32_t a = 0; a < N_ACTIONS; a++)
            known[a] = a == agent->last[c].action ? reward[c] : NAN;
        q_compare(self, state, c, known);
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
static int
q_export(const void *self, char **payload, size_t *len)
{
    const struct q_agent *agent = self;
    char *buf = malloc(PAYLOAD_BYTES), *at = buf;
    if (!buf)
        return -ENOMEM;
    at = lean_put(at, N_STATES, 4);
    at = lean_put(at, N_ACTIONS, 4);
    at = lean_put(at, agent->steps, 8);
    for (uint32_t s = 0; s < N_STATES; s++)
        for (uint32_t a = 0; a < N_ACTIONS; a++) {
            uint64_t bits;
            memcpy(&bits, &agent->cell[s][a].q, sizeof bits);
            at = lean_put(at, bits, 8);
            at = lean_put(at, agent->cell[s][a].visits, 4);
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
        at = lean_take(at, &states, 4);
        at = lean_take(at, &actions, 4);
        at = lean_take(at, &steps, 8);
    }
    if (states != N_STATES || actions != N_ACTIONS)
        return offload_err_set(err, -EBADMSG, NULL, "train one with this version",
                               "a table of %zu bytes is not one of %d states and %d actions", len,
                               N_STATES, N_ACTIONS);
    for (const char *q = at; q < payload + len; q += 12) { // check all before anything is taken
        uint64_t bits;
        double value;
        lean_take(q, &bits, 8);
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            return offload_err_set(err, -EBADMSG, NULL, NULL,
                                   "the table has a value that is no number");
    }
    agent->steps = steps;
    for (uint32_t s = 0; s < N_STATES; s++)
        for (uint32_t a = 0; a < N_ACTIONS; a++) {
            uint64_t bits, visits;
            at = lean_take(at, &bits, 8);
            at = lean_take(at, &visits, 4);
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
    .help = "a learned table of leans away from the news vendor, by situation",
    .checkpoint_kind = 0x51544142, // "QTAB"
    .checkpoint_version = 2,
    .create = q_create,
    .destroy = q_destroy,
    .choose = q_choose,
    .wish = q_wish,
    .learn = q_learn,
    .n_actions = LEAN_ACTIONS,
    .act = lean_fill,
    .compare = q_compare,
    .export = q_export,
    .import = q_import,
    .figures = q_figures,
};
