// SPDX-License-Identifier: Apache-2.0
// A STAMP session as its sender sees it: what is under way, what came back, what is lost.
// clock, socket -> [session] -> stats.  Pure: 'now' and the bytes are arguments. RFC 8762, 4.2
// and 4.3.
//
// A packet is waited for 'timeout_ns'; then it is lost, and an answer after that is late: dropped.
// A second answer to the same packet is a duplicate, and an answer with a lower number than one
// before it is reordered (RFC 4737, 3.3).
#pragma once

#include "lib/stamp/packet.h"
#include "lib/stamp/stats.h"

enum {
    STAMP_WINDOW = 4096, // packets that may be under way; a power of 2
};

enum stamp_verdict {
    STAMP_ANSWER,    // counted
    STAMP_DUPLICATE, // counted as such
    STAMP_LATE,      // it was given up
    STAMP_BOGUS,     // not an answer to anything that we sent
};

struct stamp_flight {
    uint64_t sent_ns; // wall clock, as the packet says; 0: the slot is free
    uint64_t left_ns; // when it really left, by the kernel if that tells; else as 'sent_ns'
    uint64_t sent_mono_ns;
    bool answered;
};

struct stamp_session {
    struct stamp_flight flight[STAMP_WINDOW]; // of number i at i % STAMP_WINDOW
    uint32_t next_seq;                        // that will be sent
    uint32_t oldest_seq;                      // whose fate is open
    uint32_t highest_seq;                     // that was answered
    bool any_answer;
    uint64_t timeout_ns;
    struct stamp_key key;
    struct stamp_stats stats;
};

// 'key' is copied; NULL: unauthenticated mode.
void stamp_session_init(struct stamp_session *session, uint64_t timeout_ns,
                        const struct stamp_key *key);

// The next packet, to be sent right now; returns its length. 'wall_ns' goes onto the wire,
// 'mono_ns' times out.
size_t stamp_session_send(struct stamp_session *session, uint64_t wall_ns, uint64_t mono_ns,
                          struct stamp_error_estimate error, uint8_t out[STAMP_AUTH_BYTES]);

// The kernel tells when packet number 'seq' left: what it waited before that is not the path's.
void stamp_session_left(struct stamp_session *session, uint32_t seq, uint64_t left_ns);

// What arrived at 'received_ns' (T4, wall clock).
enum stamp_verdict stamp_session_receive(struct stamp_session *session, const uint8_t *in,
                                         size_t len, uint64_t received_ns);

// Gives up what has been under way for longer than the timeout.
void stamp_session_expire(struct stamp_session *session, uint64_t mono_ns);
