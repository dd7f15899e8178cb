// SPDX-License-Identifier: Apache-2.0
// Who gets what on which card: state -> agent (wishes) -> shield -> plan, and what the plan was
// worth. One loop serves the manager in production, the simulator and the tests, so all is pure: no
// clock, no lock, no I/O; time, seed and the plan's number are arguments, and the same inputs give
// the same plan to the bit. Nothing here is safe for several threads at once on one object.
#pragma once

#include <offload/err.h>
#include <offload/units.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum alloc_resource { ALLOC_CPU, ALLOC_BANDWIDTH, ALLOC_MEMORY, ALLOC_N_RESOURCES };
enum alloc_class { ALLOC_GOLD, ALLOC_SILVER, ALLOC_BRONZE, ALLOC_N_CLASSES };

extern const char
    *const alloc_resource_names[]; // "cpu_pct", "bandwidth_bps", "memory_bytes"; NULL ends
extern const char *const alloc_class_names[]; // "gold", "silver", "bronze"; NULL ends

double alloc_class_weight(enum alloc_class class); // 4, 2, 1

enum {
    ALLOC_SERVER_MAX = 63, // bytes of a host name, without the end
    ALLOC_REASON_MAX = 160,
};

// No card, no application, no action.
static const uint32_t ALLOC_NONE = UINT32_MAX;

// What an application has or needs of a card: percent of its cycles, bit/s of service rate, bytes.
struct alloc_share {
    double amount[ALLOC_N_RESOURCES];
};

struct alloc_card {
    char name[OFFLOAD_NAME_MAX + 1];
    char server[ALLOC_SERVER_MAX + 1];
    double cycles_per_s;
    struct alloc_share capacity; // 100 percent, bit/s, bytes
    struct alloc_share held;     // promised to applications that are on their way here
    bool down, draining;
    unsigned hot_ticks; // ticks in a row that it was fuller than the policy likes; alloc_decide()
                        // keeps it
    uint32_t next_sibling; // ring of the server's cards; alloc_state_index() sets it
};

// Offered load to expect, bit/s. NAN where there is no forecast.
struct alloc_demand {
    double p50, p90, p99;
};

// Probabilities of the finer levels of what may come in a step.
enum { ALLOC_LEVELS = 16 };
extern const double alloc_level_p[ALLOC_LEVELS];

struct alloc_app {
    char name[OFFLOAD_NAME_MAX + 1];
    uint32_t card; // it is served here
    enum alloc_class class;
    double weight;
    double min_bps, max_bps; // guarantee and limit of the service rate; 0: none
    double max_delay_s;      // mean queueing delay; 0: no limit
    double max_loss_frac;
    double cycles_per_byte;
    double burst_bytes;         // mean burst, of the card model: delay = 8 burst/s r/(1-r)
    double state_bytes;         // tables in use, which a quota must not go below
    struct alloc_share fixed;   // of agent static; all 0: an equal share
    struct alloc_share now;     // in force on its card
    double offered_bps;         // of the last step; NAN unknown
    double before_bps;          // of the step before
    struct alloc_demand demand; // of the next step: what shares are made for
    double level[ALLOC_LEVELS]; // the same, finer: not exceeded with probability alloc_level_p[i];
                                // level[0] 0 or NAN: by lines between demand's three
    struct alloc_demand
        ahead;         // of the horizon's maximum: what moves are made for; NAN: as 'demand'
    bool lent;         // others may use what it leaves unused
    bool breached;     // the SLA was broken in the last step
    bool moving;       // a migration is under way: it stays where it is, and keeps what it has
    uint64_t moved_ns; // when it last moved; 0 never
    uint32_t wanted;   // card that a person wants it on, or ALLOC_NONE; the cooldown does not hold
                       // for that
    uint32_t next;     // on the same card; alloc_state_index() sets it
};

// What the operator allows a plan to do.
struct alloc_policy {
    double headroom; // factor on needs, 1 or more
    double
        max_change_pct;  // of a card's capacity, for each application, resource and tick; 100: any
    double deadband_pct; // of a card's capacity: a plan that changes less leaves the card alone
    double move_above_pct; // of capacity: above it a card may give applications away
    double move_below_pct; // of capacity: what the taking card must stay below
    unsigned move_after_ticks;
    double cooldown_s;  // between two moves of one application
    bool lent;          // all do: the card model then lends
    double move_delay_s;  // that a move is expected to add to its step's mean delay
    double move_steps;    // that one takes: it holds room on both cards, and gains nothing yet
    bool moves_at_once; // steps are long beside a migration: plan as if it were done (simulation)
};

extern const struct alloc_policy alloc_policy_default;

struct alloc_state {
    uint64_t time_ns;
    struct alloc_card *cards;
    uint32_t n_cards;
    struct alloc_app *apps;
    uint32_t n_apps;
    uint32_t *first; // of each card's applications; ALLOC_NONE: it has none
    struct alloc_policy policy;
};

// All zero but the policy, which is the default. NULL when memory runs out.
struct alloc_state *alloc_state_create(uint32_t n_cards, uint32_t n_apps);
struct alloc_state *alloc_state_clone(const struct alloc_state *state);
void alloc_state_destroy(struct alloc_state *state);

// Call after cards or apps' cards were set: links each card's applications and each server's cards.
void alloc_state_index(struct alloc_state *state);
// Moves one application to another card of the state, links included.
void alloc_state_place(struct alloc_state *state, uint32_t app, uint32_t card);

// For each app 'a' of card 'c': ALLOC_EACH(state, c, a) { state->apps[a] ... }
#define ALLOC_EACH(state, c, a)                                                                    \
    for (uint32_t a = (state)->first[c]; a != ALLOC_NONE; a = (state)->apps[a].next)

// The least that keeps the SLA of 'app' on 'card' at 'offered_bps', by the card model: service rate
// s with 8 burst/s r/(1-r) = max_delay, so s = (o + sqrt(o^2 + 32 burst o / max_delay)) / 2; CPU
// for s; memory = state + 3 bursts' queue. 'headroom' multiplies the rate.
void alloc_need(const struct alloc_app *app, const struct alloc_card *card, double offered_bps,
                double headroom, struct alloc_share *need);

// The demand that is not exceeded at normal score 'z' (0: P50, 1.28: P90, 2.33: P99), by lines
// between the three quantiles. Without a forecast: last step's offered load with a fifth on top for
// each unit of z.
double alloc_demand_at(const struct alloc_app *app, double z);
double alloc_ahead_at(const struct alloc_app *app, double z); // the same of 'ahead'
// The demand that is not exceeded with probability alloc_level_p[i]: 'level', else as
// alloc_demand_at().
double alloc_level_at(const struct alloc_app *app, unsigned i);

static const double ALLOC_Z_P50 = 0;
static const double ALLOC_Z_P90 = 1.2815515655446004;
static const double ALLOC_Z_P99 = 2.3263478740408408;

// What several applications together need of a card. Their errors are taken as independent: the sum
// of P90 needs would be far above the P90 of the sum.
struct alloc_load {
    struct alloc_share median;   // sum of needs at P50
    struct alloc_share variance; // sum of squares of what the score asked for adds to that
};
enum alloc_when { ALLOC_NEXT, ALLOC_AHEAD }; // the next step, or the horizon's maximum
void alloc_load_add(const struct alloc_state *state, uint32_t c, const struct alloc_app *app,
                    enum alloc_when when, double z, struct alloc_load *load);
// As a fraction of what card 'c' has, with what is held there: the largest of the resources, and
// which that is
// ('limit' may be NULL).
double alloc_load_frac(const struct alloc_state *state, uint32_t c, const struct alloc_load *load,
                       enum alloc_resource *limit);
// The same for all that are on it, at score 'z'.
double alloc_card_load(const struct alloc_state *state, uint32_t c, enum alloc_when when, double z,
                       enum alloc_resource *limit);

// ---- plans

// What kept a share from being what the agent wished.
enum alloc_limit {
    ALLOC_LIMIT_NONE,
    ALLOC_LIMIT_CAPACITY,  // the card had no more; lower classes yielded first
    ALLOC_LIMIT_GUARANTEE, // raised to MinBps or to the state in use
    ALLOC_LIMIT_CHANGE,    // only so much change a tick
    ALLOC_LIMIT_MAXIMUM,   // MaxBps
    ALLOC_LIMIT_DEADBAND,  // too small a change to make
    ALLOC_LIMIT_MOVING,    // it is migrating
    ALLOC_LIMIT_NAN,       // the wish was no number
    ALLOC_N_LIMITS,
};

extern const char *const alloc_limit_texts[];

struct alloc_entry {
    uint32_t card; // where the share is
    struct alloc_share
        floor; // guaranteed: MinBps, state in use, a trickle; cut by class where too much
    struct alloc_share need;          // what was expected to be needed
    struct alloc_share wish;          // of the agent
    struct alloc_share share;         // after the shield
    uint8_t limit[ALLOC_N_RESOURCES]; // enum alloc_limit
    struct alloc_share
        baseline;    // what proportional would have given, for explanations; 0 if not asked
    uint32_t chosen; // card that the agent or a person chose for it; what the shield left of that:
    uint32_t to;     // card to move to, or ALLOC_NONE
    struct alloc_share to_share;   // held there for it
    char reason[ALLOC_REASON_MAX]; // of the move, or why the shield refused it
    bool refused;                  // the agent wished to move and the shield did not let it
};

struct alloc_plan {
    uint64_t number, term, time_ns, seed;
    char agent[OFFLOAD_NAME_MAX + 1];
    struct alloc_entry *entries; // one an application, in the state's order
    uint32_t n_entries;
    uint32_t *action;         // one a card: the agent's own number, ALLOC_NONE if it has none
    struct alloc_share *held; // one a card: for this plan's moves to it
    uint32_t n_cards;
    unsigned changes, moves, shielded; // shares that change; moves; shares that the shield altered
};

// A plan for 'state' that keeps all as it is. NULL when memory runs out.
struct alloc_plan *alloc_plan_create(const struct alloc_state *state, uint64_t number,
                                     uint64_t term, uint64_t seed);
void alloc_plan_destroy(struct alloc_plan *plan);

// The shield makes a plan feasible before it leaves, in two steps. First the moves: none breaks
// cooldown, leaves the server, or goes where the guarantees leave no room; what is let through gets
// its share there held.
void alloc_shield_moves(const struct alloc_state *state, struct alloc_plan *plan);
// Then the shares: no card gives more than it has, guarantees stand in the order of classes, and no
// share changes by more than the policy allows unless feasibility needs it. Sets share and limit of
// each entry, and the plan's counts. Wishes that are feasible come through as they are.
void alloc_shield_shares(const struct alloc_state *state, struct alloc_plan *plan);
// The shares of one card; counts nothing.
void alloc_shield_card(const struct alloc_state *state, struct alloc_plan *plan, uint32_t c);

// True if every card's shares and what is held for moves fit in it; for tests and before a plan
// leaves.
bool alloc_plan_feasible(const struct alloc_state *state, const struct alloc_plan *plan);

// The plan with every share by name, and its moves: the manager's plan.get. A new reference.
struct json_object *alloc_plan_to_json(const struct alloc_plan *plan,
                                       const struct alloc_state *state);

// One application's share as a card's ALLOCATION. A new reference.
struct json_object *alloc_allocation_to_json(const struct alloc_state *state,
                                             const struct alloc_plan *plan, uint32_t app);

// One share as a card's ALLOCATION without "card" and "app". 'max_bps' is the ceiling where shares
// are lent.
struct json_object *alloc_share_to_json(const struct alloc_share *share, bool lent, double max_bps);

// For each change what was expected, what limited it, and the alternative: plan.explain. A new
// reference.
struct json_object *alloc_plan_explain(const struct alloc_plan *plan,
                                       const struct alloc_state *state);

// ---- records: a decision as one line of the plan log, and back

// What became of a plan.
struct alloc_verdict {
    bool applied;
    const char *error, *checkpoint_sha256; // "": none
};
// All that the plan depends on, what was chosen and what came of it, with "\n" at its end (caller
// frees). NULL: out of memory.
char *alloc_record_format(const struct alloc_state *state, const struct alloc_plan *plan,
                          const struct alloc_verdict *verdict, size_t *len);
uint64_t
alloc_plan_digest(const struct alloc_plan *plan); // differs where a share, move or limit does

struct alloc_replay {
    struct alloc_state *state;
    struct alloc_plan *plan;
    bool same; // the plan is that of the record, to the bit
};
// Decides again from a record. -EINVAL: it is none; -ENOENT: its agent is not known here; -ENOMEM.
int alloc_record_replay(struct json_object *record, struct alloc_replay *replay,
                        struct offload_err *err);
void alloc_replay_fini(struct alloc_replay *replay);

// ---- reward

// What happened to an application in a step, measured by a card or by the card model.
struct alloc_outcome {
    double offered_bps;
    double loss_frac;
    bool breached;
};

// reward of card c = - sum w breached / sum w - LOSS_WORTH * lost / offered bits - CHANGE * mean
// share changed - MOVE * moves / apps, over the applications that the plan put there, w the class
// weight; in [-2, 0]. lib/allocate/reward.c has the constants. 'reward' has a value a card.
void alloc_reward(const struct alloc_state *before, const struct alloc_plan *plan,
                  const struct alloc_outcome *outcome, double *reward);
double alloc_reward_card(const struct alloc_state *before, const struct alloc_plan *plan,
                         uint32_t c, const struct alloc_outcome *outcome);

// Never worse: a learned agent against the baseline, over a window of steps; lib/allocate/guard.c.
enum {
    ALLOC_GUARD_WINDOW = 120, // steps that it is judged by while it decides
    ALLOC_GUARD_LEAST = 30,
    ALLOC_GUARD_LEARN = 60,     // in shadow, before it is judged again
    ALLOC_GUARD_HELD_OUT = 120, // and judged by while its policy is fixed
};
static const double ALLOC_GUARD_CONFIDENCE = 0.95;
struct alloc_guard {
    double difference[ALLOC_GUARD_WINDOW]; // learned - baseline
    unsigned n, at;
    bool fallen_back;
    unsigned learned;  // steps in shadow since it fell back or failed to prove itself
    unsigned attempts; // to prove itself, so far
    double confidence; // 0: ALLOC_GUARD_CONFIDENCE
};
enum alloc_guard_event { ALLOC_GUARD_STAYS, ALLOC_GUARD_FALLS_BACK, ALLOC_GUARD_RETURNS };

// Takes a step's values of both, each by the same card model on the same recorded demand. Falls
// back when the learned agent is behind by more than noise explains (mean below -2 standard
// errors); returns when a held-out stretch shows at the guard's confidence that it is not worse.
enum alloc_guard_event alloc_guard_note(struct alloc_guard *guard, double learned, double baseline);
// The baseline decides until the agent has proven itself: after a fall, and for one that nobody
// trained.
void alloc_guard_fall_back(struct alloc_guard *guard);
// Whether the agent may learn from this step: not while it is judged in shadow.
bool alloc_guard_learns(const struct alloc_guard *guard);
// The lower bound of its advantage over the stretch that 'difference' holds.
double alloc_guard_bound(const struct alloc_guard *guard);

// ---- agents

struct alloc_agent_params {
    uint64_t seed;
    uint32_t n_cards;
    double epsilon;       // share of actions tried at random by agents that learn; 0: none
    double learning_rate; // 0: the agent's own
    bool learn;           // false: acts by what it knows
};

struct alloc_agent_figures {
    uint64_t steps;  // learned from
    unsigned states; // seen
    double epsilon;
};

enum { ALLOC_ACTIONS_MAX = 16 };

// One agent a file, one row in agents.c. Optional members may be NULL.
struct alloc_agent_ops {
    const char *name;
    const char *help;
    uint32_t checkpoint_kind; // 0: it has nothing to keep
    uint32_t checkpoint_version;
    int (*create)(const struct alloc_agent_params *params, void **agent); // NULL: no state
    void (*destroy)(void *agent);
    // Chooses each card's action and the moves; depends on agent, state and the plan's number and
    // seed alone.
    void (*choose)(void *agent, const struct alloc_state *state, struct alloc_plan *plan);
    // Writes the wished shares of all applications into 'plan', by the action chosen.
    void (*wish)(void *agent, const struct alloc_state *state, struct alloc_plan *plan);
    // The last action's reward, one a card, and the state that it led to.
    void (*learn)(void *agent, const struct alloc_state *state, const double *reward);
    // For agents that learn from what each of their actions would have come to on a card: how many
    // those are, at most ALLOC_ACTIONS_MAX; the wishes of one; and their rewards, of the decision
    // before 'state'.
    uint32_t n_actions;
    void (*act)(const struct alloc_state *state, uint32_t c, uint32_t action,
                struct alloc_plan *plan);
    void (*compare)(void *agent, const struct alloc_state *state, uint32_t c, const double *reward);
    // Caller frees '*payload'. -ENOMEM.
    int (*export)(const void *agent, char **payload, size_t *len);
    int (*import)(void *agent, const char *payload, size_t len, struct offload_err *err);
    void (*figures)(const void *agent, struct alloc_agent_figures *figures);
};

extern const struct alloc_agent_ops *const alloc_agents[];        // NULL ends
const struct alloc_agent_ops *alloc_agent_find(const char *name); // or NULL

struct alloc_agent {
    const struct alloc_agent_ops *ops;
    void *self;
};

// -ENOENT names the nearest agent; -ENOMEM.
int alloc_agent_create(const char *name, const struct alloc_agent_params *params,
                       struct alloc_agent *agent, struct offload_err *err);
void alloc_agent_destroy(struct alloc_agent *agent);

// One decision: choose -> shield the moves -> wish -> shield the shares. 'plan' was made by
// alloc_plan_create() for 'state'; 'state' is changed only in its cards' hot_ticks and, with
// policy.moves_at_once, where applications are. Afterwards the plan is feasible.
void alloc_decide(struct alloc_agent *agent, struct alloc_state *state, struct alloc_plan *plan);

// The same with the actions and moves that stand in 'plan' already, instead of the agent's choice.
void alloc_decide_as(struct alloc_agent *agent, struct alloc_state *state, struct alloc_plan *plan);
