// SPDX-License-Identifier: Apache-2.0
// An offload function: one file, one ops table, one row in functions.c. A chain of them is an
// application's work on its packets. An instance belongs to one application on one card.
//
// Threads: create and destroy run on the control thread while no worker sees the instance; destroy
// does not touch the quota: the worker has released state_bytes() already. outside_match, entries
// and state_bytes are also called by the control thread while the worker runs: they read
// parameters, or counters by relaxed loads. All else runs on the one worker that serves the
// application, between bursts or within one; process() of those with 'any_worker' on several.
#pragma once

#include "dpdk-app/packet.h"
#include "lib/base/conf.h"

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct json_object;
struct quota; // lib/schedule/quota.h: the application's memory on this card
struct offload_match;
struct flow_folder; // functions/flow_file.h

struct fn_env {
    const char *app, *card;
    struct quota *quota; // table entries are charged to it; refused entries drop their packet
    uint64_t tsc_hz;
    // Where state lies that outlives a killed process; NULL: in this process alone.
    const struct flow_folder *folder;
    unsigned occurrence; // how many of this function come before it in its chain
    bool standby;        // another instance serves: the destination of a migration
};

// What an instance found of the one that a killed process had.
struct fn_recovered {
    uint64_t entries, torn, refused; // torn: cut in the midst of a change; refused: they do not fit
};

enum fn_export_flags {
    FN_EXPORT_DIRTY = 1, // only entries changed since they were last exported
    FN_EXPORT_TRACK =
        2, // writes nothing: what there is counts as exported, changes count from now on
    FN_EXPORT_STOP = 4, // writes nothing: changes need not be remembered any more
};

// A count of packets that a function dropped, by a cause of its own.
struct fn_counter {
    const char *cause; // static
    uint64_t pkts;
};

struct fn_ops {
    const char *name;                 // "nat44"
    const char *help;                 // one line
    const struct offload_opt *params; // of its parameters; filled into a struct of params_bytes
    size_t params_bytes;
    size_t entry_bytes; // of one exported state entry, 0 if it keeps no state
    bool any_worker;    // process() writes nothing to its state: several workers may run it at once.
                        // An application with another function has all its flows on one worker

    // 'params' is as the table filled it. Returns NULL and fills 'err'.
    void *(*create)(const void *params, const struct fn_env *env, struct offload_err *err);
    // The same function with new parameters: what 'old' has remembered, its table and counts, is
    // shared from here on, and the worker goes over from one to the other between two bursts. NULL
    // without an error: these parameters need a new start. May be NULL: they all do.
    void *(*renew)(const void *old, const void *params, const struct fn_env *env,
                   struct offload_err *err);
    // Gives nothing back to the quota: the worker has released state_bytes() when the instance left
    // its chain.
    void (*destroy)(void *state);

    // Works on the first 'n' of 'pkts', which all go in direction 'dir' (a chain is walked from its
    // end for what comes from outside): keeps those that go on, in
    // order, at the front, frees the others (counting them), and returns how many go on.
    uint16_t (*process)(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
                        uint64_t now_cycles);

    // Housekeeping: expires at most 'budget' entries. Called every few milliseconds. May be NULL.
    void (*tick)(void *state, uint64_t now_cycles, unsigned budget);

    // Work of the control thread, every 10 ms while a worker has the instance: what must not keep a
    // worker waiting, such as a socket. May be NULL.
    void (*control)(void *state);

    // Rules by which packets on the outside port belong to the application, in place of its own
    // rules swapped. Fills at most 'max' and returns how many, 0: swap. May be NULL.
    unsigned (*outside_match)(const void *state, struct offload_match *out, unsigned max);

    // State, for stateful functions. Figures for statistics:
    uint64_t (*entries)(const void *state);
    uint64_t (*state_bytes)(const void *state);
    // Writes whole entries, little-endian, timers as remaining nanoseconds, into 'buf' from
    // '*cursor' on (0: from the start, which also begins to track changes) and moves the cursor;
    // returns the bytes written, 0 when there is nothing (more). Each entry written is clean from
    // now on. Deleted entries travel as tombstones while FN_EXPORT_DIRTY, which needs no cursor.
    // FN_EXPORT_STOP ends the tracking, and its cost.
    size_t (*export)(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags,
                     uint64_t now_cycles);
    uint64_t (*dirty)(const void *state); // entries that a dirty export would write
    // Takes what export wrote, of any instance with equal parameters; hostile input is refused with
    // -EBADMSG and leaves the entries before it. -ENOSPC: the quota or the table is full.
    int (*import)(void *state, const void *buf, size_t len, uint64_t now_cycles,
                  struct offload_err *err);

    // For those whose state lies in env->folder. Control thread, before a worker sees the instance:
    // takes over what a killed process left. -EPROTO: that is of another version or boot, and left alone.
    int (*recover)(void *state, uint64_t now_cycles, struct fn_recovered *out);
    // The instance serves from now on, with whole state: a restart shall go on from this one.
    void (*serve)(void *state, uint64_t now_cycles);

    // Fills at most 'max' counts of dropped packets and returns how many. Read by the control
    // thread. May be NULL.
    unsigned (*counters)(const void *state, struct fn_counter *out, unsigned max);
};

// The table of functions (functions.c), ended by NULL.
extern const struct fn_ops *const offload_functions[];
const struct fn_ops *fn_find(const char *name);
