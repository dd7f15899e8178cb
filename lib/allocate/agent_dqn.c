// SPDX-License-Identifier: Apache-2.0
// Agent dqn: a network says how far to lean away from the news vendor's shares and moves.
// state -> [agent] -> shield.  Pure: random numbers come from seed, plan number and card.
//   y_a = r_a + gamma Q'(s', argmax_b Q(s', b))   double Q: van Hasselt et al., AAAI 2016, eq. 4
//   P(i) ~ |error_i|^alpha                        replay:   Schaul et al., ICLR 2016, section 3.3
// The demand that came says what every action would have earned (r_a by the card model), so all are
// learned from each step, and what they differ in is free of the demand's noise. s' is the same for
// all: shares do not change what is offered. The network is dueling (network.h). Action 0 is the
// news vendor; another one must promise more by a margin, so that what has not been learned changes
// nothing. One network serves all cards.
#include "lib/allocate/lean.h"
#include "lib/allocate/network.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)NETWORK_IN == LEAN_SEEN && (int)NETWORK_ACTIONS == LEAN_ACTIONS,
               "one network, one lean");

enum {
    REPLAY = 16384, // transitions
    BATCH = 32,
    WARM = 256,           // transitions before the first update
    TRUST_UPDATES = 2000, // before them it stays with action 0
    TARGET_EVERY = 200,   // updates between two copies into the target network
    N_FLOATS = 4 * NETWORK_WEIGHTS,
    PAYLOAD_BYTES = 3 * 4 + 2 * 8 + 4 * N_FLOATS,
};
static const float GAMMA = 0.5f; // an action's effect is mostly seen in the next step
static const float RATE = 1e-3f;
static const float RATE_HALVES = 20000; // updates until it is half of that
static const float PRIORITY_POWER = 0.6f;
static const float PRIORITY_LEAST = 0.01f;
static const float MARGIN = 0.02f; // of reward, that another action must promise beyond action 0's

struct transition {
    float in[NETWORK_IN], next[NETWORK_IN], reward[NETWORK_ACTIONS], priority; // NAN: not known
};

struct last {
    float in[NETWORK_IN];
    uint32_t action; // ALLOC_NONE: nothing to learn from
    struct lean_memory memory;
};

struct dqn_agent {
    struct network net, target;
    struct network_adam adam;
    uint64_t steps, updates;
    struct alloc_agent_params params;
    struct transition *replay;
    uint32_t n_replay, at;
    double priority_sum;
    struct last *last; // one a card
};

static void
look(const struct alloc_state *state, uint32_t c, const struct lean_memory *memory, float *in)
{
    double seen[LEAN_SEEN];
    lean_look(state, c, memory, seen);
    for (int i = 0; i < NETWORK_IN; i++)
        in[i] = (float)seen[i];
}

static uint32_t
best_of(const float *q)
{
    uint32_t best = 0;
    for (uint32_t a = 1; a < NETWORK_ACTIONS; a++)
        if (q[a] > q[0] + MARGIN && q[a] > q[best])
            best = a;
    return best;
}

static void
dqn_choose(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    struct dqn_agent *agent = self;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        struct last other = {.action = 0},
                    *x = c < agent->params.n_cards ? &agent->last[c] : &other;
        float q[NETWORK_ACTIONS];
        lean_note(state, c, &x->memory);
        look(state, c, &x->memory, x->in);
        network_q(&agent->net, x->in, q);
        x->action = agent->updates < TRUST_UPDATES ? 0 : best_of(q);
        if (lean_uniform(agent->params.seed, plan->number, (uint64_t)c << 8) <
            agent->params.epsilon) {
            double pick = lean_uniform(agent->params.seed, plan->number, (uint64_t)c << 8 | 1);
            x->action = (uint32_t)(pick * NETWORK_ACTIONS);
        }
        plan->action[c] = x->action;
        lean_move(state, c, x->action, plan);
    }
}

static void
dqn_wish(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)self;
    for (uint32_t c = 0; c < state->n_cards; c++)
        lean_fill(state, c, plan->action[c], plan);
}

static void
keep(struct dqn_agent *agent, const struct last *last, const float *next, const double *reward)
{
    struct transition *t = &agent->replay[agent->at];
    if (agent->n_replay == REPLAY)
        agent->priority_sum -= t->priority;
    t->priority = 1;
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
        t->reward[a] = (float)reward[a];
    memcpy(t->in, last->in, sizeof t->in);
    memcpy(t->next, next, sizeof t->next);
    agent->priority_sum += t->priority;
    agent->at = (agent->at + 1) % REPLAY;
    agent->n_replay += agent->n_replay < REPLAY;
}

// One with probability by priority: by rejection, since priorities are at most 1.
static uint32_t
draw(const struct dqn_agent *agent, unsigned i)
{
    uint32_t k = 0;
    for (unsigned round = 0; round < 16; round++) {
        uint64_t at = (uint64_t)i << 8 | round << 1;
        k = (uint32_t)(lean_uniform(agent->params.seed ^ 1, agent->updates, at) * agent->n_replay);
        if (lean_uniform(agent->params.seed ^ 1, agent->updates, at | 1) <
            agent->replay[k].priority)
            break;
    }
    return k;
}

static void
update(struct dqn_agent *agent)
{
    float gradient[NETWORK_WEIGHTS] = {0};
    float mean = (float)(agent->priority_sum / agent->n_replay);
    for (unsigned i = 0; i < BATCH; i++) {
        struct transition *t = &agent->replay[draw(agent, i)];
        float q[NETWORK_ACTIONS], later[NETWORK_ACTIONS], goal[NETWORK_ACTIONS];
        network_q(&agent->net, t->next, q);
        network_q(&agent->target, t->next, later);
        for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
            goal[a] = t->reward[a] + GAMMA * later[best_of(q)];
        // What is drawn more often than its part counts less by as much (their eq. for w_i, beta
        // 1).
        float weight = fminf(mean / t->priority, 4) / BATCH;
        float error = network_gradient_all(&agent->net, t->in, goal, weight, gradient);
        agent->priority_sum -= t->priority;
        t->priority = fminf(powf(error + PRIORITY_LEAST, PRIORITY_POWER), 1);
        agent->priority_sum += t->priority;
    }
    network_step(&agent->net, &agent->adam, gradient,
                 RATE / (1 + (float)agent->updates / RATE_HALVES));
    if (++agent->updates % TARGET_EVERY == 0)
        agent->target = agent->net;
}

static void
dqn_compare(void *self, const struct alloc_state *state, uint32_t c, const double *reward)
{
    struct dqn_agent *agent = self;
    float next[NETWORK_IN];
    if (c >= agent->params.n_cards || agent->last[c].action == ALLOC_NONE)
        return;
    look(state, c, &agent->last[c].memory, next);
    keep(agent, &agent->last[c], next, reward);
    agent->last[c].action = ALLOC_NONE;
    agent->steps++;
    if (agent->n_replay >= WARM && agent->steps % 2 == 0)
        update(agent);
}

static void
dqn_learn(void *self, const struct alloc_state *state, const double *reward)
{
    struct dqn_agent *agent = self;
    for (uint32_t c = 0; c < state->n_cards && c < agent->params.n_cards; c++) {
        double known[NETWORK_ACTIONS];
        if (agent->last[c].action == ALLOC_NONE || !isfinite(reward[c]))
            continue;
        for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
            known[a] = a == agent->last[c].action ? reward[c] : NAN;
        dqn_compare(self, state, c, known);
    }
}

static void
dqn_destroy(void *self)
{
    struct dqn_agent *agent = self;
    if (agent) {
        free(agent->last);
        free(agent->replay);
    }
    free(agent);
}

static int
dqn_create(const struct alloc_agent_params *params, void **self)
{
    struct dqn_agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return -ENOMEM;
    agent->params = *params;
    agent->last = calloc(params->n_cards + 1u, sizeof *agent->last);
    agent->replay = calloc(REPLAY, sizeof *agent->replay);
    if (!agent->last || !agent->replay) {
        dqn_destroy(agent);
        return -ENOMEM;
    }
    for (uint32_t c = 0; c < params->n_cards; c++)
        agent->last[c].action = ALLOC_NONE;
    network_init(&agent->net, params->seed);
    agent->target = agent->net;
    *self = agent;
    return 0;
}

// Payload, little-endian: inputs u32, actions u32, Adam's steps u32, steps u64, updates u64, then
// the floats (as bits, u32) of network, target, Adam's means and squares. The replay stays out: a
// new one fills in minutes.
static void
floats_of(const struct dqn_agent *agent, const float **part)
{
    part[0] = agent->net.w;
    part[1] = agent->target.w;
    part[2] = agent->adam.mean;
    part[3] = agent->adam.square;
}

static int
dqn_export(const void *self, char **payload, size_t *len)
{
    const struct dqn_agent *agent = self;
    const float *part[4];
    char *buf = malloc(PAYLOAD_BYTES), *at = buf;
    if (!buf)
        return -ENOMEM;
    at = lean_put(at, NETWORK_IN, 4);
    at = lean_put(at, NETWORK_ACTIONS, 4);
    at = lean_put(at, agent->adam.steps, 4);
    at = lean_put(at, agent->steps, 8);
    at = lean_put(at, agent->updates, 8);
    floats_of(agent, part);
    for (int p = 0; p < 4; p++)
        for (unsigned i = 0; i < NETWORK_WEIGHTS; i++) {
            uint32_t bits;
            memcpy(&bits, &part[p][i], sizeof bits);
            at = lean_put(at, bits, 4);
        }
    *payload = buf;
    *len = PAYLOAD_BYTES;
    return 0;
}

static int
dqn_import(void *self, const char *payload, size_t len, struct offload_err *err)
{
    struct dqn_agent *agent = self;
    uint64_t in = 0, n_actions = 0, adam_steps = 0, steps = 0, updates = 0;
    if (len != PAYLOAD_BYTES)
        return offload_err_set(err, -EBADMSG, NULL, "train one with this version",
                               "a network of %zu bytes is not one of %d", len, PAYLOAD_BYTES);
    const char *at = lean_take(payload, &in, 4);
    at = lean_take(at, &n_actions, 4);
    at = lean_take(at, &adam_steps, 4);
    at = lean_take(at, &steps, 8);
    at = lean_take(at, &updates, 8);
    if (in != NETWORK_IN || n_actions != NETWORK_ACTIONS)
        return offload_err_set(err, -EBADMSG, NULL, "train one with this version",
                               "a network of %u inputs and %u actions is not one of %d and %d",
                               (unsigned)in, (unsigned)n_actions, NETWORK_IN, NETWORK_ACTIONS);
    float *value = malloc(N_FLOATS * sizeof *value);
    if (!value)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "no memory for the network");
    for (unsigned i = 0; i < N_FLOATS; i++) { // check all before anything is taken
        uint64_t word;
        at = lean_take(at, &word, 4);
        uint32_t bits = (uint32_t)word;
        memcpy(&value[i], &bits, sizeof bits);
        if (!isfinite(value[i])) {
            free(value);
            return offload_err_set(err, -EBADMSG, NULL, NULL,
                                   "the network has a weight that is no number");
        }
    }
    memcpy(agent->net.w, value, sizeof agent->net.w);
    memcpy(agent->target.w, value + NETWORK_WEIGHTS, sizeof agent->target.w);
    memcpy(agent->adam.mean, value + 2 * NETWORK_WEIGHTS, sizeof agent->adam.mean);
    memcpy(agent->adam.square, value + 3 * NETWORK_WEIGHTS, sizeof agent->adam.square);
    agent->adam.steps = (uint32_t)adam_steps;
    agent->steps = steps;
    agent->updates = updates;
    free(value);
    return 0;
}

static void
dqn_figures(const void *self, struct alloc_agent_figures *figures)
{
    const struct dqn_agent *agent = self;
    *figures =
        (struct alloc_agent_figures){.steps = agent->steps, .epsilon = agent->params.epsilon};
}

const struct alloc_agent_ops alloc_agent_dqn = {
    .name = "dqn",
    .help = "a network that leans away from the news vendor's shares and moves where that pays",
    .checkpoint_kind = 0x44514e31, // "DQN1"
    .checkpoint_version = 2,
    .create = dqn_create,
    .destroy = dqn_destroy,
    .choose = dqn_choose,
    .wish = dqn_wish,
    .learn = dqn_learn,
    .n_actions = LEAN_ACTIONS,
    .act = lean_fill,
    .compare = dqn_compare,
    .export = dqn_export,
    .import = dqn_import,
    .figures = dqn_figures,
};
