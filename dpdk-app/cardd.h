// SPDX-License-Identifier: Apache-2.0
// The control side of offload-cardd: what the main thread owns. Everything here runs on the main
// thread.
#pragma once

#include "dpdk-app/card.h"
#include "dpdk-app/config.h"
#include "dpdk-app/functions/flow_file.h"
#include "lib/rpc/message.h"

#include <offload/err.h>

struct event_base;
struct json_object;
struct rpc_server;
struct rte_mempool;
struct rte_rcu_qsbr;

struct cardd {
    struct config config;
    struct event_base *base;
    struct rpc_server *server;
    struct tls *tls; // of config.listen; NULL: no TCP
    struct rte_mempool *pool;
    uint32_t pkt_bytes; // what one packet is charged for: buffer, headroom, mbuf
    uint64_t tsc_hz;

    struct card *cards[CARDS_MAX];
    unsigned n_cards;
    struct worker *workers[RTE_MAX_LCORE];
    unsigned n_workers;
    struct rte_rcu_qsbr *qsbr; // workers report once a round
    struct deferred *deferred; // freed after a grace period (snapshot.c)

    struct flow_folder folder; // of the functions' state; no path: it ends with the process
    bool loading;             // plan_load() is at work: nothing is written
    uint64_t term;            // the highest seen
    uint64_t plan;            // number of the last plan applied
    uint64_t generation;      // of the last change of anything
    struct request *requests; // ring of answers to request_ids
    unsigned next_request;
    struct subscriber *subscribers;
    struct migrations *migrations;  // of migrate.c
    struct json_object *configured; // names of applications taken over from cardd.json
};

// card.c: the objects.
struct card *card_find(struct cardd *d, const char *name);
struct app *card_app_find(struct card *card, const char *app);
// The application on 'card', or with 'card' NULL on the first that has it, a migration's source
// before its destination; NULL and 'err' (-ENOENT, naming the nearest).
struct app *app_get(struct cardd *d, const char *app, const char *card, struct offload_err *err);
struct card *card_get(struct cardd *d, const char *name, struct offload_err *err);

// Makes a card of an object of cardd.json, gives it to its worker and has its ports opened. NULL
// and 'err'.
struct card *card_create(struct cardd *d, struct json_object *given, const char *path,
                         struct offload_err *err);
// The workers that serve it from now on, in force at once; flows move in order. -EBUSY while those of
// the change before are on their way.
int card_set_workers(struct cardd *d, struct card *card, const unsigned *workers, unsigned n,
                     struct offload_err *err);
// Takes it from its workers; freed after a grace period. It must have no applications.
void card_remove(struct cardd *d, struct card *card);

// Removes what was told to drain and is empty. api_card.c; called once a second.
void cards_drain(struct cardd *d);

// Makes an application, not yet known to any worker. 'match', 'chain', 'sla' as in app.add;
// 'allocation' (a share, without card and app) may be NULL. NULL and 'err'.
struct app *app_create(struct cardd *d, struct card *card, const char *name,
                       struct json_object *match, struct json_object *chain,
                       struct json_object *sla, struct json_object *allocation, const char *path,
                       struct offload_err *err);
// The same from another card's: for a migration's destination. The functions are new instances.
struct app *app_create_like(struct cardd *d, struct card *card, const struct app *like,
                            const struct offload_allocation *allocation, struct offload_err *err);
// Takes over the state that its functions had in a former process; before a worker sees it.
void app_recover(struct cardd *d, struct app *app);
// Puts it on its card and in force. -ENOSPC when the card is full of applications or rules,
// -ENOMEM, -EBUSY when it drains; then it is still the caller's.
int app_attach(struct cardd *d, struct app *app, struct offload_err *err);
// Takes it off its card, in force at once, and frees it after a grace period. What waits in its
// queue is dropped.
int app_detach(struct cardd *d, struct app *app, struct offload_err *err);
void app_destroy(struct app *app); // of one that no worker has seen

void functions_control(struct cardd *d); // what functions do on the main thread, every 10 ms
struct json_object *chain_to_json(const struct chain *chain);
int chain_read(struct cardd *d, struct app *app, struct json_object *given, const char *path,
               struct chain *out, struct offload_err *err);
void chain_unref(struct chain *chain);

// snapshot.c: what the card's applications, rules and allocations come to; NULL and 'err' (-ENOMEM,
// or -ENOSPC for too many rules), then nothing has changed.
struct snapshot *snapshot_build(struct card *card, struct offload_err *err);
void snapshot_discard(struct snapshot *snap); // of one that was not put in force
// Puts it in force, in the worker's next round.
void snapshot_commit(struct cardd *d, struct card *card, struct snapshot *snap);
int card_publish(struct cardd *d, struct card *card, struct offload_err *err); // both
void card_unpublish(struct cardd *d, struct card *card); // its worker has left it
// Calls 'fn' once every worker has adopted what is published now: nothing that was published before
// is in use.
void defer_free(struct cardd *d, void (*fn)(void *), void *arg);
// Calls what is due. Called by a timer of the main thread.
void defer_run(struct cardd *d);

// plan.c: the state file.
// -ESTALE if 'term' is below the highest seen, else 0. What has succeeded calls plan_changed().
int term_check(const struct cardd *d, uint64_t term, struct offload_err *err);
// Something that must survive a restart has changed by order of 'term': writes state_dir/cardd.plan
// (term, plan, cards, applications, rules, allocations). A disk that does not take it is logged:
// what is in force stays in force.
void plan_changed(struct cardd *d, uint64_t term);
// The same, but the file is written by a thread of its own (plan_file.c), 50 ms later or as soon as the
// disk is done with the one before. A raised term is on the disk when it returns.
void plan_changed_soon(struct cardd *d, uint64_t term);
enum { PLAN_PATH_MAX = 192 };
void plan_path(const struct cardd *d, char *path);
char *plan_format(const struct cardd *d); // the file's text; caller frees; NULL: no memory
// Writes the state file: for a change that must not take effect before it is stored.
int plan_store(struct cardd *d, struct offload_err *err);
// Cards and applications of cardd.json, and of the state file as far as it is there. What the file
// says of an application is newer than cardd.json.
int plan_load(struct cardd *d, struct offload_err *err);
// plan_file.c. Before the start and after the stop what is stored is written by the caller.
int plan_file_start(struct cardd *d, const char *path, struct offload_err *err);
void plan_file_stop(struct cardd *d); // once all is on the disk
// 'text' (taken over) is the file's from now on; returns when it is on the disk.
int plan_file_store(const char *path, char *text, struct offload_err *err);
// Has it written in a while. False: nobody would.
bool plan_file_later(void);
// -ENOSPC naming the card and the resource if the allocations of 'card', with 'extra' (may be NULL;
// replaces the one of its application, if there) among them, exceed it.
int allocation_fits(const struct card *card, const struct offload_allocation *extra,
                    unsigned n_extra, struct offload_err *err);

// The least of what the card's ports and its link to the host carry.
static inline uint64_t
card_bandwidth_bps(const struct card *card)
{
    uint64_t link = card->capacity.interconnect_bps;
    return link > 0 ? RTE_MIN(link, card->capacity.bandwidth_bps) : card->capacity.bandwidth_bps;
}

// events.c. Takes 'params' over; adds kind and time.
enum event_kind {
    EVENT_DROP,
    EVENT_SLA,
    EVENT_MIGRATION,
    EVENT_ALLOCATION,
    EVENT_CARD,
    EVENT_RULE,
    EVENT_KINDS
};
void event_emit(struct cardd *d, enum event_kind kind, struct json_object *params);
void events_peer_closed(struct cardd *d, struct rpc_peer *peer);
void events_tick(struct cardd *d); // once a second

// shadow.c: tells subscribers, log and caller (a list of sentences) which rules of 'app' never hold,
// or keep others from it.
struct json_object *shadows_tell(struct cardd *d, const struct app *app);

// profile.c: ends the profile of 'app', if one runs.
void profile_end(struct cardd *d, struct app *app);
// Its chain has changed: a profile that runs begins again, with the new functions.
void profile_follow(struct cardd *d, struct app *app);

// telemetry.c: DPDK's telemetry socket, whose thread reads what was put there last.
int telemetry_start(void);
void telemetry_update(const struct cardd *d);

// api_schema.c: what each verb takes, gives and asks of its caller.
struct rpc_schema;
const struct rpc_schema *api_schemas(void);
extern const struct offload_opt allocation_set_opts[], migration_prepare_opts[],
    migration_abort_opts[], migration_step_opts[], migration_status_opts[];
extern const char *const event_kind_names[]; // ended by NULL

// api.c
int api_start(struct cardd *d, struct offload_err *err);
void api_stop(struct cardd *d);
void api_reload(struct cardd *d, bool asked); // certificates: when asked, or when files changed
int api_print(bool markdown); // the verbs, as JSON Schema or as Markdown

// Method tables; 'ctx' of every method is the struct cardd. api.c joins them.
extern const struct rpc_method card_methods[];
extern const struct rpc_method app_methods[];
extern const struct rpc_method allocation_methods[];
extern const struct rpc_method profile_methods[];
extern const struct rpc_method event_methods[];
extern const struct rpc_method migration_methods[];

// stats.c: JSON of what workers count.
struct json_object *stats_to_json(const struct cardd *d, const struct stats *s, bool of_card);
struct json_object *card_to_json(const struct cardd *d, const struct card *card);
struct json_object *app_to_json(const struct cardd *d, const struct app *app);
struct json_object *drops_to_json(const struct stats *now, const struct stats *before,
                                  unsigned n_causes);
// Copies, counter by counter, summed over lanes; of delays the worst.
void app_stats(const struct app *app, struct stats *out);
void card_stats(const struct card *card, struct stats *out);
uint64_t app_queued(const struct app *app);
uint64_t cycles_to_ns(const struct cardd *d, uint64_t cycles);
