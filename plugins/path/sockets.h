// SPDX-License-Identifier: Apache-2.0
// STAMP on sockets: a sender with a thread of its own for each path, and a reflector with one.
// network <-> [sockets] <-> lib/stamp session.  No collectd here: the plugin asks for figures, and
// never waits.
#pragma once

#include "plugins/path/allow.h"

#include "lib/stamp/packet.h"
#include "lib/stamp/stats.h"

#include <stdint.h>

struct sender;
struct reflector;

struct sender_options {
    char host[256];
    uint64_t port;
    uint64_t interval_ms;
    uint64_t timeout_ms;
    uint64_t dscp;        // what the packets are marked with, 0 to 63
    struct stamp_key key; // len 0: unauthenticated mode
};

// What a sender has measured since the last call of sender_take().
struct sender_figures {
    struct stamp_summary summary;
    uint64_t sent, received, duplicates, reordered; // since the start
    char error[256];                                // "": all is well; else why no packets leave
};

// Starts the thread: it resolves the host (again every 10 s while that fails), then sends until
// destroy. 0 or -errno.
int sender_create(const struct sender_options *options, struct sender **out);
void sender_destroy(struct sender *sender);
void sender_take(struct sender *sender, struct sender_figures *out);

struct reflector_options {
    char bind[64]; // a numeric address
    uint64_t port;
    const struct allow_prefix *allow; // taken over as a copy
    size_t n_allow;
    struct stamp_key key; // len 0: unauthenticated packets are answered, else only those by it
};

// Binds, and starts the thread. 0, or -errno with 'err'.
int reflector_create(const struct reflector_options *options, struct reflector **out,
                     struct offload_err *err);
void reflector_destroy(struct reflector *reflector);
