// SPDX-License-Identifier: Apache-2.0
// How an application's state and packets pass from one card to another: the part of a migration
// that workers run. Two ends, each on the worker of its card (they may be one worker), and two
// channels between them, there and back. An end takes one step a round and waits for nobody.
//
//   giving card:  receive -> classify -> [divert: hand on] ==handoff==> [serve] -> chain   :taking card
//                                                 its own port -> classify -> [hold] -----^
//
// Phases of an end, and what leads on:
//   serving   the source before the cut: its state is copied      -- cut --> giving      -- abort --> done
//   waiting   holds what comes; takes state                       -- state whole, the giver's transmit rings
//                                                                     proven consumed --> taking
//   taking    serves what is handed on, then what it held, as far as the giver's receive queues are proven empty
//             for it                                              -- the giver has closed --> done
//   giving    frozen: sends the rest of the state and hands on all packets
//                                                                 -- receive queues empty since the order --> done
// An abort after the cut turns the ends round: the source marks the end of what it handed on and
// waits; the destination, once it came to the mark, gives. So going back is the same way, not
// another one.
//
// Order. One thread serves a switch port's receive queue, and hands a burst to the cards' rings
// before it takes the next one. So when a packet shows at the destination, older ones of its flow
// already lie in the source's receive queue. A packet that was held at time t may go once the
// source, in a poll begun after t, found its queues empty, and what it found before was served.
// Nothing leaves the destination before the source's transmit rings have given back what was sent
// before the cut: then the switch has it.
#pragma once

#include "dpdk-app/card.h"
#include "lib/migrate/stream.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_ring;
struct worker;
struct handover;

enum {
    HANDOFF_PKTS = 8192, // on their way to the other end; a power of two
    HELD_PKTS = 8192,    // that wait for the old path; a power of two
    FRAME_BYTES = 16384, // of state, exported in one round: some 30 us
    FRAMES = 16,         // of a channel
    // What the proofs above leave out: a store of another core that is on its way, a burst that the
    // switch has taken from the ring and not yet sent on.
    MARGIN_US = 200,
    FENCE_MS =
        100, // a driver that has not given a packet back by then never will; we go on, and count it
};

// What control wants; each end reads it once a round. Only control writes it, upwards.
enum order {
    ORDER_NONE,
    ORDER_COPY,
    ORDER_CUT,
    ORDER_COMMIT, // the switch sends to the destination: the source ends once nothing comes any
                  // more
    ORDER_BACK,   // turn round; the switch may still send to the destination, which hands on
    ORDER_ABORT,  // the same, and the switch sends to the source: the destination ends once nothing
                  // comes any more
};

enum end_phase { END_SERVING, END_WAITING, END_TAKING, END_GIVING, END_DONE };

struct frame {
    uint32_t size;
    uint8_t bytes[FRAME_BYTES];
};

// One direction. Every ring has one producer and one consumer.
struct channel {
    struct frame *frames;          // FRAMES of them, in one of the rings or in a hand
    struct rte_ring *full, *spare; // of frames: giver to taker, and back
    struct rte_ring *handoff;      // of packets, giver to taker
    uint64_t stream;               // number of its state stream
    // Writer: the giver. Reader: the taker.
    uint64_t frozen_cycles __rte_cache_aligned; // published by the first enqueue after it
    _Atomic uint64_t proven_cycles;             // the transmit rings were consumed then; 0: not yet
    atomic_bool closed;                         // nothing more is handed on
};

struct held {
    struct rte_mbuf *pkt;
    uint64_t since_cycles;
};

// The last packet that a port sent for us, held until the port's ring gives it back.
struct fence {
    bool by_refusal; // constant: how the driver is made to give packets back (see reclaim())
    struct rte_mbuf *pkt;
    bool taken, proven;
    uint64_t since_cycles;
};

struct end {
    // Constant.
    struct handover *handover;
    struct card *card;
    struct lane *lane, *peer; // on which it is, and on which the other end is
    struct app *app;
    bool is_source;
    struct channel *give, *take;
    struct stream_function fns[STREAM_FUNCTIONS_MAX];
    unsigned n_fns;
    struct held *held; // HELD_PKTS

    // Owner: the worker.
    struct end *next;
    struct worker *worker;
    struct stream_source source;
    struct stream_destination destination;
    struct frame *spare; // in hand: taken, and nothing to fill it with
    uint32_t head, tail; // of 'held'
    struct fence fence[CARD_PORTS_MAX];
    bool marked; // the mark of an abort was handed on

    // Writer: the worker. Reader: control.
    atomic_int phase;   // enum end_phase
    atomic_bool gone;   // the worker has forgotten it
    atomic_bool ready;  // serving: the rest is small; waiting, taking: the state is whole
    atomic_bool failed; // 'err' says why
    struct offload_err err;
    uint64_t held_pkts, handed_pkts, lost_pkts, unproven; // counters
    uint64_t pause_cycles, delta_cycles;
    uint64_t copied, rounds, bytes; // of 'source'
};

struct handover {
    struct channel there, back;
    struct end source, destination;
    uint64_t margin_cycles;
    // Writer: control (release). Readers: workers (acquire).
    uint64_t order_cycles; // when the last order came
    atomic_int order;      // enum order
};

// Control thread. NULL: memory is short. 'id' names the migration, 'number' is unique among those
// that live.
struct handover *handover_create(const char *id, unsigned number, struct app *source,
                                 struct app *destination, uint64_t tsc_hz);
// Both ends must be gone, or never have been joined.
void handover_destroy(struct handover *h);
void handover_order(struct handover *h, enum order order, uint64_t now_cycles);
enum order handover_ordered(const struct handover *h);
// The worker sees the application's packets at the destination only after this.
void handover_hold(struct handover *h);

// Worker, as a task: takes part from now on.
void handover_join(struct worker *w, struct end *end);
// Worker, once a round. True if there was something to do.
bool handover_run(struct worker *w);
// Worker, at a lane of a card that an end watches: before a round takes what other lanes handed on;
// and after its bursts, when 'got' packets came of each port.
void handover_note_others(struct lane *lane);
void handover_note_received(struct worker *w, struct lane *lane, const uint16_t *got);
