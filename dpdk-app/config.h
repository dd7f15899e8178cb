// SPDX-License-Identifier: Apache-2.0
// cardd.json. Read all, check all, then start: a bad file starts nothing.
#pragma once

#include "lib/base/conf.h"
#include "lib/io/server_libevent.h"

#include <offload/err.h>
#include <offload/units.h>

#include <stdbool.h>
#include <stdint.h>

struct json_object;

enum {
    CONFIG_WORKERS_MAX = 16,
    CONFIG_EAL_MAX = 64,
    CONFIG_CLIENTS_MAX = 64,
    CONFIG_EAL_ARG_MAX = 1024, // bytes of one argument, with its end
};

struct config_listen {
    char address[64]; // "": only the Unix socket
    uint64_t port;
    char cert[192], key[192], ca[192];
    struct rpc_tls_client clients[CONFIG_CLIENTS_MAX];
    unsigned n_clients;
};

struct config {
    const char *path;         // of the file, for messages; borrowed
    struct json_object *root; // everything below borrows from it
    char rundir[80], state_dir[128], memory_dir[160];
    char file_prefix[64];
    const char *eal[CONFIG_EAL_MAX];
    unsigned n_eal;
    const char *main_cpus; // "0" or "0-1"
    const char *worker_cpus[CONFIG_WORKERS_MAX];
    unsigned n_workers;
    uint64_t mbufs, mbuf_bytes, sleep_us;
    struct config_listen listen;
    struct json_object *cards, *apps; // lists; apps may be NULL
};

// A card as in cardd.json or card.add; strings are borrowed from the object.
struct card_config {
    char card[OFFLOAD_NAME_MAX + 1];
    unsigned workers[CONFIG_WORKERS_MAX], n_workers;
    bool managed;
    const char *devargs[2];
    uint64_t descriptors[2];
    unsigned n_ports;
    uint64_t flow_entries;
    uint64_t cycles_per_s, bandwidth_bps, memory_bytes, interconnect_bps; // 0: measured
};

// An application as in cardd.json and in the state file; objects are borrowed.
struct app_config {
    char app[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1];
    struct json_object *match, *chain, *sla, *allocation; // the last two may be NULL
};

// The tables of a card and of a function in a chain, which the API takes too.
extern const struct offload_opt card_config_opts[], fn_config_opts[];

// Fills 'out' and checks cards and applications by themselves and against each other. 'rundir' (may
// be NULL) replaces the file's. -ENOENT, -EINVAL, -ERANGE.
int config_load(const char *path, const char *rundir, struct config *out, struct offload_err *err);
void config_fini(struct config *config);
int card_config_read(struct json_object *object, const char *path, unsigned n_workers,
                     struct card_config *out, struct offload_err *err);
// A function of a chain: its name and its parameters as far as their table tells. 'params' is
// borrowed from the object, NULL if there are none.
struct fn_ops;
int fn_config_read(struct json_object *object, const char *path, const struct fn_ops **ops,
                   struct json_object **params, struct offload_err *err);
enum { CONFIG_CHAIN_MAX = 8 }; // functions of one application
// A list of 1 to CONFIG_CHAIN_MAX of them; what they make of their parameters shows at the start.
int chain_config_check(struct json_object *list, const char *path, struct offload_err *err);
// A list of workers as in cards[].workers. 'n_workers' there are.
int workers_config_read(struct json_object *list, const char *path, unsigned n_workers,
                        unsigned *out, unsigned *n, struct offload_err *err);
int app_config_read(struct json_object *object, const char *path, struct app_config *out,
                    struct offload_err *err);
void config_print_options(void);
