// SPDX-License-Identifier: Apache-2.0
// The manager's model: what the operator configured, what the cards and the switch say, what was
// decided.
//
// Threads, and what each may touch:
//   ticker   reads cards, decides, applies; owns 'tick_client' of peers. Blocks in RPC, never with the lock.
//   mover    drives migrations; owns 'move_client' of peers and the coordinators. The same.
//   leader   holds the lock among managers; alone sets 'leading' and 'term'. The same.
//   server   answers the manager's API; only reads and notes wishes, under the lock.
//   writers  collectd's; note values off the bus, under the lock.
// Everything below but the clients is read and written under 'lock'; no one holds it while waiting
// for a peer.
#pragma once

#include "plugins/manager/names.h"

#include "lib/allocate/calibrate.h"
#include "lib/migrate/coordinator.h"
#include "lib/sim/duel.h"

#include <pthread.h>
#include <stdbool.h>

struct rpc_client;
struct json_object;

enum {
    MANAGER_PEERS_MAX = 32768,
    MANAGER_CARDS_MAX = 65536,
    MANAGER_APPS_MAX = 262144,
    MANAGER_MOVES_MAX = 64, // kept: running, and the last that ended
    MANAGER_PLANS_KEPT = 64,
    MANAGER_PATH_MAX = 108,
};

static const uint64_t OFFLOAD_TERM_MAX = 9000000000000000; // as the card API has it

struct manager_options {
    double step_s;
    char agent[33];
    bool dry_run;
    uint64_t seed;
    char state_dir[256], plan_log[256], checkpoint[256], weights[256]; // "": the usual place
    char socket[MANAGER_PATH_MAX], flowd_socket[MANAGER_PATH_MAX];
    uint64_t timeout_ms;
    double epsilon, guard_confidence;
    char leader_ovsdb[512], leader_name[64];
    double leader_patience_s;
    struct alloc_policy policy;
};

// One offload-cardd, or the offload-flowd. Several cards may share one.
struct manager_peer {
    char socket[MANAGER_PATH_MAX];
    bool is_switch;
    struct rpc_client *tick_client, *move_client;
    bool joined; // it answered, and what it knew is known here
    bool ever_joined;
    bool told;                 // that it does not answer
    bool intents_due, adopted; // of a switch: to be told; asked what it knows
};

// Counters of an application on a card; rates are differences.
struct manager_counters {
    uint64_t time_ns, offered_pkts, offered_bytes, delivered_bytes, cycles;
    uint64_t delay_ns_sum, delay_pkts, lost_pkts, memory_bytes;
};

struct manager_card {
    char name[OFFLOAD_NAME_MAX + 1], server[ALLOC_SERVER_MAX + 1];
    struct coordinator_ports ports;
    unsigned peer;
    uint32_t flowd; // the peer that steers its packets, or ALLOC_NONE
    bool known, up, draining;
    bool impossible, told; // its last figures were; and that was said
    double cycles_per_s;
    struct alloc_share capacity, allocated;
    unsigned hot_ticks;
    double offered_bps, delivered_bps, used_cpu_pct; // of the last step
    double expected;                                 // load at P90 ahead, a fraction of it
};

// Where an application's counters stood, on one card.
struct manager_seat {
    uint32_t card; // ALLOC_NONE: none
    struct manager_counters last;
};

// A forecast off the bus, in the resource's own unit.
struct manager_need {
    double p50, p90, p99;
    uint64_t seen_ns, lasts_ns; // monotonic; how long it may be used
    uint64_t bus_time; // collectd's, so that values that overtake each other are told apart
};

struct manager_app {
    char name[OFFLOAD_NAME_MAX + 1];
    bool configured; // in collectd.conf or by request.submit; else found at a card
    struct json_object *match, *chain, *sla; // as app.add takes them; owned
    struct json_object *intent; // as intent.set takes it, without card_port; owned, NULL: no switch
    uint32_t home;              // card that it is meant for
    // The SLA in the engine's terms.
    enum alloc_class class;
    double min_bps, max_bps, max_delay_s, max_loss_frac, burst_bytes;
    struct alloc_share fixed;
    bool lent;
    // Where it is, as the cards say.
    uint32_t card; // ALLOC_NONE: on none yet
    bool requested, moving, withdrawn, slas_agree;
    bool admitted;  // plans count with it; an application that waits at a card ("requested") has no
                    // share
    bool served;    // it was admitted once: a card that lost it takes it back
    bool evict;     // it makes room for a better class: its card is to forget it, and it waits anew
    bool preempted; // it was, and waits
    bool steered;   // the switch may have its intent
    int on_card_down;
    uint32_t fled_from;         // the card that it was given up with, or ALLOC_NONE
    bool stray;                 // that card is back and has it still
    uint64_t relocate_after_ns; // no further move to make room before that
    struct json_object
        *request; // as request.submit took it, to be kept on disk; owned, NULL: not so
    char reason[ALLOC_REASON_MAX]; // why it waits
    struct alloc_share now;
    struct manager_seat seat[2];
    // Measured in the last step; NAN: nothing to measure.
    double offered_bps, before_bps, delivered_bps, used_cpu_pct, delay_mean_s, loss_frac;
    double cycles_per_byte, burst_measured, memory_bytes, delay_p99_ns;
    bool breached;
    uint64_t breaches;
    uint64_t moved_ns;
    uint32_t wanted; // card that someone asked for, or ALLOC_NONE
    char wanted_id[MIGRATE_ID_LEN + 1];
    struct manager_need next[ALLOC_N_RESOURCES]; // of the next step
    struct manager_need need[ALLOC_N_RESOURCES]; // of the horizon's maximum
    struct alloc_calibration *calibration; // owned; NULL: there was no forecast yet
    double foreseen_bps; // the forecast's median at the last step, NAN: it had none
    uint32_t planned; // its index in the last state; ALLOC_NONE: it was not in it
};

struct manager_server {
    char name[ALLOC_SERVER_MAX + 1];
    double score, lead_s, limit;
    struct manager_need
        demand[4]; // percent of capacity, by resource; the fourth is the interconnect
    uint64_t seen_ns, lasts_ns;
    uint64_t period_ns; // between its last two scores; 0: not known
    bool told; // that it has stopped
};

struct manager_move {
    struct coordinator coordinator;
    struct alloc_share share; // held at the destination
    uint32_t app, from, to;
    bool told;
};

struct manager_plan {
    uint64_t number;           // 0: none
    struct alloc_state *state; // owned, as all of it
    struct alloc_plan *plan;
    bool applied;
    char error[300];
};

struct manager {
    struct manager_options options;
    pthread_mutex_t lock;
    pthread_cond_t wake_ticker, wake_mover, wake_leader;
    bool stop;

    struct manager_peer *peers;
    unsigned n_peers;
    struct manager_card *cards;
    uint32_t n_cards;
    struct manager_app *apps;
    uint32_t n_apps, apps_size, n_free;
    struct names app_names, card_names, server_names;
    struct manager_server *servers;
    unsigned n_servers;
    struct manager_move *moves[MANAGER_MOVES_MAX]; // the oldest first
    unsigned n_moves;
    struct manager_plan plans[MANAGER_PLANS_KEPT];

    uint64_t term, number, ticks;
    uint64_t observed_ns; // of the last step, monotonic
    bool deposed;       // a newer manager commands the cards: we only watch
    bool leading;       // ours is the lock, and 'term' stands
    char leader[64];    // who commands, as far as is known here; "": nobody yet
    bool rejoin;        // it just became so: all peers are met anew
    uint64_t term_seen; // the highest that a peer has heard
    // Intents are to be set; are being set, and no swap may overtake that.
    bool intents_due, syncing;
    bool hurry;        // someone asked for something: the next step comes early
    bool requests_due; // the list of requests on disk is old
    struct sim_duel *duel;
    struct sim_tick last_tick;
    double move_s; // that a migration takes, of late
    double reward_measured;         // mean over the cards
    size_t kept_entries;            // applications in 'plans', all together
    struct alloc_state *last_state; // of the newest of 'plans'
    struct alloc_plan *last_plan;
    bool last_applied;
    char checkpoint_sha256[65];
};

// ---- config.c
struct oconfig_item_s;
// Reads collectd.conf's block into 'm'. On failure 'm' is as it was.
int manager_configure(struct manager *m, const struct oconfig_item_s *item,
                      struct offload_err *err);
// Cards without a server are this host's, whose name collectd knows only after it has read its
// configuration.
int manager_name_servers(struct manager *m, const char *host);
void manager_fini(struct manager *m);
// An application by the objects of app.add; takes nothing over. -EINVAL, -EEXIST, -ENOSPC.
extern const char *const manager_down_names[], *const manager_sharing_names[]; // NULL ends
// As intent.set takes it, without the card's ports; NULL where 'in_port' is "". A new reference.
struct json_object *manager_intent(const char *app, struct json_object *match, const char *in_port,
                                   const char *out_port, const char *on_card_down,
                                   struct json_object *return_dst);
void manager_free_app(struct manager *m, uint32_t app); // its slot is for the next
int manager_add_app(struct manager *m, struct json_object *request, const char *path, uint32_t home,
                    struct manager_app **app, struct offload_err *err);
void manager_app_fini(struct manager_app *app);
struct manager_app *manager_find_app(struct manager *m, const char *name);
uint32_t manager_find_card(const struct manager *m, const char *name); // or ALLOC_NONE
struct manager_server *manager_find_server(struct manager *m, const char *name);

// ---- cards.c, switch.c: the peers, on the ticker's thread
void cards_poll(struct manager *m);
void cards_join(struct manager *m);
// Takes what the peers answered to card.list and app.list, by their numbers; NULL: one did not. The
// lock is held.
void cards_take(struct manager *m, struct json_object **cards, struct json_object **apps);
// The allocations that each peer is to be told, by its number; NULL where nothing changes. New
// references.
void cards_lists(const struct manager *m, const struct alloc_state *state,
                 const struct alloc_plan *plan, struct json_object **lists);
// Sends the shares of 'plan' that change. 0, or the first card's error in 'err'.
int cards_apply(struct manager *m, const struct alloc_state *state, const struct alloc_plan *plan,
                struct offload_err *err);
void switch_sync(struct manager *m);
struct json_object *with_term(const struct manager *m); // parameters that begin with the term
// One call on the ticker's client; a peer that does not answer is told once and joined anew.
// 'params' taken over.
int peer_call(struct manager *m, struct manager_peer *peer, const char *method,
              struct json_object *params, struct json_object **result, struct offload_err *err);
struct manager_peer *manager_switch(struct manager *m, uint32_t card); // the card's, or NULL

// ---- leader.c
void *leader_main(void *manager);
// Whether we command the cards and switches, or only watch.
static inline bool
manager_commands(const struct manager *m)
{
    return m->leading && m->term > m->term_seen && !m->deposed && !m->options.dry_run;
}

// ---- admit.c: requests
// Takes a request as request.submit has it; the lock is held. -ENOENT names the cards.
int admit_submit(struct manager *m, struct json_object *params, struct offload_err *err);
void admit_withdraw(struct manager *m, struct manager_app *app);
// Admits, queues with a reason, makes room, removes. The ticker's thread.
void admit_run(struct manager *m);
void admit_load(struct manager *m); // requests that were taken before a restart
// "use one of card0, card1", as far as it fits.
int no_such_card(const struct manager *m, const char *where, const char *name,
                 struct offload_err *err);

// ---- tick.c
void tick_run(struct manager *m);
void tick_decide(struct manager *m); // its part after all is read
void *ticker_main(void *manager);

// ---- moves.c
void *mover_main(void *manager);
// A new UUID.
void moves_new_id(char id[MIGRATE_ID_LEN + 1]);
// Begins a migration by 'id', or, with 'refusal', notes that there is none and why; the lock is
// held.
void moves_begin(struct manager *m, const char *id, uint32_t app, uint32_t to,
                 const struct alloc_share *share, const char *reason, const char *refusal);
// Takes over a migration found at the cards ('row' is a MIGRATION); the lock is held. -EINVAL,
// -ENOENT, -ENOSPC.
int moves_adopt(struct manager *m, struct json_object *row, bool switched, struct offload_err *err);
struct manager_move *moves_of_app(struct manager *m, uint32_t app); // one that runs, or NULL
void moves_drop(
    struct manager *m); // another manager sees to them now; the mover's thread, the lock is held
struct manager_move *moves_find(struct manager *m, const char *id);

// ---- bus.c: values in and out
void bus_note(struct manager *m, const char *host, const char *plugin, const char *plugin_instance,
              const char *type, const char *type_instance, const double *values, size_t n,
              uint64_t time, uint64_t now_ns, uint64_t lasts_ns);
bool score_stale(const struct manager_server *server, uint64_t now_ns);
bool need_fresh(const struct manager_need *need, uint64_t now_ns);
void bus_publish(const struct manager *m, const struct alloc_plan *plan); // the lock is held

// ---- planlog.c
// Takes state and plan over; they are the last ones then. The lock is held.
void planlog_keep(struct manager *m, struct alloc_state *state, struct alloc_plan *plan,
                  bool applied, const char *error);
void planlog_fini(struct manager *m);
struct manager_plan *planlog_find(struct manager *m, uint64_t number); // 0: the newest; or NULL
int planlog_write(const struct manager *m, const struct alloc_state *state,
                  const struct alloc_plan *plan, bool applied, const char *error,
                  struct offload_err *err);
void agent_load(struct manager *m);
void agent_save(struct manager *m);

// ---- api.c
void *server_main(void *manager);
int api_open(struct manager *m, struct offload_err *err); // in the thread that starts the plugin
void api_stop(void);                                      // makes server_main() return; any thread
void api_close(void);                                     // after that

// ---- offload_manager.c: telling people. Not with the lock held by a writer.
enum manager_severity { MANAGER_FAILURE, MANAGER_WARNING, MANAGER_OKAY };
void manager_notify(enum manager_severity severity, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void manager_dispatch(const char *type, const char *type_instance, const double *values, size_t n);
