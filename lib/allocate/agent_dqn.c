// SPDX-License-Identifier: Apache-2.0
// Agent dqn: a network says how far to lean away from the news vendor's shares and moves.
// state -> [agent] -> shield.  Pure: random numbers come from seed, plan number and card.
//   y = r + gamma Q'(s', argmax_a Q(s', a))      double Q: van Hasselt et al., AAAI 2016, eq. 4
//   P(i) ~ |error_i|^alpha                       replay:   Schaul et al., ICLR 2016, section 3.3
// The network is dueling (network.h). Action 0 is the news vendor; another one must promise more by
// a margin, so that what has not been learned changes nothing. One network serves all cards.
#include "lib/allocate/fill.h"
#include "lib/allocate/network.h"
#include "lib/allocate/value.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPLAY = 8192, // transitions
    BATCH = 32,
    WARM = 256,            // transitions before the first update
    TRUST_UPDATES = 10000, // before them it stays with action 0
    TARGET_EVERY = 200,    // updates between two copies into the target network
    N_FLOATS = 4 * NETWORK_WEIGHTS,
    PAYLOAD_BYTES = 3 * 4 + 2 * 8 + 4 * N_FLOATS,
};
static const float GAMMA = 0.5f; // an action's effect is mostly seen in the next step
static const float RATE = 3e-4f;
static const float PRIORITY_POWER = 0.6f;
static const float PRIORITY_LEAST = 0.01f;
static const float MARGIN = 0.02f; // of reward, that another action must promise beyond action 0's
static const double MOVE_STEPS = 12;

// How each action leans, and what a move must gain; INFINITY: no moves.
static const struct lean_action {
    struct value_lean lean;
    double move_least;
} actions[NETWORK_ACTIONS] = {
    {{0.6, {1, 1, 1}, 1}, 0.7},      {{0.6, {1, 1, 1}, 1.2}, 0.7}, {{0.6, {1, 1, 1}, 0.85}, 0.7},
    {{0.35, {1, 1, 1}, 1}, 0.7},     {{1, {1, 1, 1}, 1}, 0.7},     {{0.6, {1.4, 1, 0.9}, 1}, 0.7},
    {{0.6, {0.75, 1, 1.1}, 1}, 0.7}, {{0.6, {1, 1, 1}, 1}, 0.25},  {{0.6, {1, 1, 1}, 1}, INFINITY},
};

struct transition {
    float in[NETWORK_IN], next[NETWORK_IN], reward, priority;
    uint32_t action;
};

struct last {
    float in[NETWORK_IN];
    uint32_t action; // ALLOC_NONE: nothing to learn from
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

// splitmix64 (Steele, Lea & Flood, OOPSLA 2014).
static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double
uniform(uint64_t seed, uint64_t number, uint64_t draw)
{
    return (double)(mix(mix(mix(seed) ^ number) ^ draw) >> 11) * 0x1p-53;
}

// What the network sees of card 'c': loads at three levels, the other cards' of the server, where
// demand goes, whose SLA broke, how much of the weight is gold.
static void
look(const struct alloc_state *state, uint32_t c, float *in)
{
    double expected = 0, last = 0, weight = 0, broken = 0, gold = 0, n = 0, other = 0;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        expected += alloc_demand_at(app, 0);
        last += isnan(app->offered_bps) ? 0 : app->offered_bps;
        weight += app->weight;
        broken += app->breached ? app->weight : 0;
        gold += app->class == ALLOC_GOLD ? app->weight : 0;
        n++;
    }
    for (uint32_t o = state->cards[c].next_sibling; o != c; o = state->cards[o].next_sibling)
        other = fmax(other, alloc_card_load(state, o, ALLOC_NEXT, ALLOC_Z_P90, NULL));
    double p50 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P50, NULL);
    double p90 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P90, NULL);
    double p99 = alloc_card_load(state, c, ALLOC_NEXT, ALLOC_Z_P99, NULL);
    const double seen[NETWORK_IN] = {
        p50 - 0.8,
        p90 - 1,
        p99 - 1.2,
        other - 1,
        p50 > 0 ? p90 / p50 - 1.3 : 0,
        last > 0 ? expected / last - 1 : 0,
        weight > 0 ? broken / weight : 0,
        weight > 0 ? gold / weight - 0.5 : 0,
        n / 8 - 0.6,
        p50 > 1,
        p90 > 1,
        state->policy.lent,
    };
    for (int i = 0; i < NETWORK_IN; i++)
        in[i] = (float)fmin(fmax(seen[i], -2), 2);
}

// Without a sibling there is no move to lean about.
static bool
allowed(const struct alloc_state *state, uint32_t c, uint32_t action)
{
    return actions[action].move_least == actions[0].move_least || state->cards[c].next_sibling != c;
}

static uint32_t
greedy(const struct dqn_agent *agent, const struct alloc_state *state, uint32_t c, const float *in)
{
    float q[NETWORK_ACTIONS];
    uint32_t best = 0;
    if (agent->updates < TRUST_UPDATES)
        return 0;
    network_q(&agent->net, in, q);
    for (uint32_t a = 1; a < NETWORK_ACTIONS; a++)
        if (allowed(state, c, a) && q[a] > q[0] + MARGIN && q[a] > q[best])
            best = a;
    return best;
}

static void
dqn_choose(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    struct dqn_agent *agent = self;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        struct last x;
        look(state, c, x.in);
        x.action = greedy(agent, state, c, x.in);
        if (uniform(agent->params.seed, plan->number, (uint64_t)c << 8) < agent->params.epsilon) {
            double pick = uniform(agent->params.seed, plan->number, (uint64_t)c << 8 | 1);
            uint32_t any = (uint32_t)(pick * NETWORK_ACTIONS);
            x.action = allowed(state, c, any) ? any : 0;
        }
        plan->action[c] = x.action;
        if (c < agent->params.n_cards)
            agent->last[c] = x;
        if (state->cards[c].draining)
            move_propose(state, c, plan);
        else if (state->cards[c].next_sibling <= c && isfinite(actions[x.action].move_least))
            value_move(state, c, &actions[x.action].lean, MOVE_STEPS, actions[x.action].move_least,
                       plan);
    }
}

static void
dqn_wish(void *self, const struct alloc_state *state, struct alloc_plan *plan)
{
    (void)self;
    for (uint32_t c = 0; c < state->n_cards; c++) {
        uint32_t action = plan->action[c] < NETWORK_ACTIONS ? plan->action[c] : 0;
        value_fill(state, c, &actions[action].lean, plan);
    }
}

static void
keep(struct dqn_agent *agent, const struct last *last, const float *next, double reward)
{
    struct transition *t = &agent->replay[agent->at];
    float most = 1;
    if (agent->n_replay == REPLAY)
        agent->priority_sum -= t->priority;
    *t = (struct transition){.reward = (float)reward, .priority = most, .action = last->action};
    memcpy(t->in, last->in, sizeof t->in);
    memcpy(t->next, next, sizeof t->next);
    agent->priority_sum += most;
    agent->at = (agent->at + 1) % REPLAY;
    agent->n_replay += agent->n_replay < REPLAY;
}

// One with probability by priority: by rejection, since priorities are at most 1 or little above.
static uint32_t
draw(const struct dqn_agent *agent, unsigned i)
{
    uint32_t k = 0;
    for (unsigned round = 0; round < 16; round++) {
        uint64_t at = (uint64_t)i << 8 | round << 1;
        k = (uint32_t)(uniform(agent->params.seed ^ 1, agent->updates, at) * agent->n_replay);
        if (uniform(agent->params.seed ^ 1, agent->updates, at | 1) < agent->replay[k].priority)
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
        float q[NETWORK_ACTIONS], later[NETWORK_ACTIONS];
        uint32_t best = 0;
        network_q(&agent->net, t->next, q);
        network_q(&agent->target, t->next, later);
        for (uint32_t a = 1; a < NETWORK_ACTIONS; a++)
            if (q[a] > q[0] + MARGIN && q[a] > q[best])
                best = a;
        // What is drawn more often than its part counts less by as much (their eq. for w_i, beta
        // 1).
        float weight = fminf(mean / t->priority, 4) / BATCH;
        float error = network_gradient(&agent->net, t->in, t->action,
                                       t->reward + GAMMA * later[best], weight, gradient);
        agent->priority_sum -= t->priority;
        t->priority = fminf(powf(fabsf(error) + PRIORITY_LEAST, PRIORITY_POWER), 1);
        agent->priority_sum += t->priority;
    }
    network_step(&agent->net, &agent->adam, gradient, RATE);
    if (++agent->updates % TARGET_EVERY == 0)
        agent->target = agent->net;
}

static void
dqn_learn(void *self, const struct alloc_state *state, const double *reward)
{
    struct dqn_agent *agent = self;
    if (!agent->params.learn)
        return;
    for (uint32_t c = 0; c < state->n_cards && c < agent->params.n_cards; c++) {
        float next[NETWORK_IN];
        if (agent->last[c].action == ALLOC_NONE || !isfinite(reward[c]))
            continue;
        look(state, c, next);
        keep(agent, &agent->last[c], next, reward[c]);
        agent->last[c].action = ALLOC_NONE;
        agent->steps++;
    }
    if (agent->n_replay >= WARM)
        update(agent);
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
dqn_export(const void *self, char **payload, size_t *len)
{
    const struct dqn_agent *agent = self;
    const float *part[4];
    char *buf = malloc(PAYLOAD_BYTES), *at = buf;
    if (!buf)
        return -ENOMEM;
    at = put(at, NETWORK_IN, 4);
    at = put(at, NETWORK_ACTIONS, 4);
    at = put(at, agent->adam.steps, 4);
    at = put(at, agent->steps, 8);
    at = put(at, agent->updates, 8);
    floats_of(agent, part);
    for (int p = 0; p < 4; p++)
        for (unsigned i = 0; i < NETWORK_WEIGHTS; i++) {
            uint32_t bits;
            memcpy(&bits, &part[p][i], sizeof bits);
            at = put(at, bits, 4);
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
    const char *at = take(payload, &in, 4);
    at = take(at, &n_actions, 4);
    at = take(at, &adam_steps, 4);
    at = take(at, &steps, 8);
    at = take(at, &updates, 8);
    if (in != NETWORK_IN || n_actions != NETWORK_ACTIONS)
        return offload_err_set(err, -EBADMSG, NULL, "train one with this version",
                               "a network of %u inputs and %u actions is not one of %d and %d",
                               (unsigned)in, (unsigned)n_actions, NETWORK_IN, NETWORK_ACTIONS);
    float *value = malloc(N_FLOATS * sizeof *value);
    if (!value)
        return offload_err_set(err, -ENOMEM, NULL, NULL, "no memory for the network");
    for (unsigned i = 0; i < N_FLOATS; i++) { // check all before anything is taken
        uint64_t word;
        at = take(at, &word, 4);
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
    .checkpoint_version = 1,
    .create = dqn_create,
    .destroy = dqn_destroy,
    .choose = dqn_choose,
    .wish = dqn_wish,
    .learn = dqn_learn,
    .export = dqn_export,
    .import = dqn_import,
    .figures = dqn_figures,
};
