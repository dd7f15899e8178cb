// SPDX-License-Identifier: Apache-2.0
// The manager's part of a migration: whom to ask for what next, and what the answers mean. The host
// sends the requests (blocking, each with its timeout) and hands back what came; this decides.
// Pure: no I/O, time is passed.
//
//   opening -> preparing -> starting -> copying -> cutting over -> cutting -> swapping -> fencing
//   -> committing -> draining -> done
//      |            |           |          |            |           |          |
//      +------------+-----------+----------+------------+-----------+----------+--> aborting ->
//      aborted
//   after the swap: never back but forward; but if the cards say that they have rolled back (they
//   restarted before the commit reached them), the switch is swapped back, so that one side serves:
//   swapping back -> aborted.
//
// Opening lets out of the switch what the destination sends before the swap. Without a switch it,
// the swap and its fence are left out.
#pragma once

#include <offload/migrate.h>

enum coordinator_phase {
    COORDINATOR_OPENING,
    COORDINATOR_PREPARING,
    COORDINATOR_STARTING,
    COORDINATOR_COPYING, // asks until the cards say that the rest is small
    COORDINATOR_CUTTING_OVER,
    COORDINATOR_CUTTING,  // asks until the destination serves
    COORDINATOR_SWAPPING, // the commit point: once this was sent, only its answer can tell
    COORDINATOR_FENCING,  // asks until the datapath's caches follow
    COORDINATOR_COMMITTING,
    COORDINATOR_DRAINING, // asks until the old path is proven empty
    COORDINATOR_DONE,
    COORDINATOR_ABORTING,
    COORDINATOR_SWAPPING_BACK,
    COORDINATOR_ABORTED,
};

enum coordinator_peer { COORDINATOR_CARDS, COORDINATOR_SWITCH };

// Where a card hangs on the switch; "" inside: there is no switch to swap.
struct coordinator_ports {
    char inside[32], outside[32];
};

struct coordinator {
    struct migrate_machine machine; // step and error, as every participant has them
    enum coordinator_phase phase;
    uint64_t term; // of the commands; the record keeps that of the manager that began it
    struct coordinator_ports from_ports, to_ports;
    struct json_object *allocation;          // at the destination; owned
    char reason[160];                        // why it was begun
    uint64_t started_ns, ended_ns, phase_ns; // when it began, ended, entered the phase
    uint64_t due_ns;                         // no request before that
    unsigned failures;                       // in a row, of the present request
    bool switched;
    bool asked, abort_wanted; // a request is under way; it is to be aborted once that is answered
    // What the participants measured.
    uint64_t pause_ns, swap_ns, state_bytes;
    uint64_t held_pkts, handed_pkts, lost_pkts, entries;
};

struct coordinator_request {
    enum coordinator_peer to;
    const char *method;
    struct json_object *params; // the caller's
};

// Begins a migration. 'allocation' (taken over) is {"cpu_pct",...} at the destination. -EINVAL as
// migrate_machine_init(); then 'allocation' is released.
int coordinator_begin(struct coordinator *c, const char *id, uint64_t term, const char *app,
                      const char *from, const char *to, struct json_object *allocation,
                      uint64_t now_ns, struct offload_err *err);

// Takes over what was found at the cards after a restart: 'record' as they have it, and whether the
// switch has swapped for it. Goes on forwards or back as migrate_resume() says.
void coordinator_adopt(struct coordinator *c, const struct migrate_record *record, bool switched,
                       uint64_t term, uint64_t now_ns);
void coordinator_fini(struct coordinator *c);

// The next request, or false: nothing is to be asked before c->due_ns, or it is over.
bool coordinator_next(struct coordinator *c, uint64_t now_ns, struct coordinator_request *request);

// What the request came to: 'rc' 0 and 'result' (borrowed), or a negative errno and 'err'.
void coordinator_answer(struct coordinator *c, uint64_t now_ns, int rc, struct json_object *result,
                        const struct offload_err *err);

// Someone wants it ended: done where it still can be. -EBUSY after the swap.
int coordinator_abort(struct coordinator *c, uint64_t now_ns, const char *why,
                      struct offload_err *err);

static inline bool
coordinator_over(const struct coordinator *c)
{
    return c->phase == COORDINATOR_DONE || c->phase == COORDINATOR_ABORTED;
}

const char *coordinator_phase_name(enum coordinator_phase phase);
