// SPDX-License-Identifier: Apache-2.0
// Which worker serves which flow. A card has a lane on each of its workers; a packet is classified
// by the lane whose receive queue brought it, and handed by a ring to the lane that its flow belongs
// to: by a hash that is the same both ways, or, where an application's functions keep state, to the
// application's home. So ports with fewer queues than workers, or whose hash we cannot choose, do.
//
// When flows change lanes (a worker comes or goes), their order is kept without stopping anybody:
//
//   lane that loses them                                     lane that gets them
//   adopted: hands new packets to their new lane             adopted: lets their application wait
//     -- all lanes have adopted -->
//   drained: what lay in its rings then is in its queues     takes over receive queues, once all
//     -- those packets have run, and their port has them -->   lanes are drained
//   clean, application by application               ------>  serves what waits
//
// No lane both gets and loses flows in one change, so nobody waits for himself.
#pragma once

#include "dpdk-app/card.h"

struct snapshot;

enum {
    LANE_BUCKETS = 256,  // of flows: what moves at once
    LANE_SPREAD = 0xff,  // an application without a home
    LANE_RING_PKTS = 1024,
};

// -- Worker --

// Of 'n' packets and their applications, hands on those that belong to other lanes; the others stay
// in front, in order. Returns how many.
uint16_t lane_hand_on(struct lane *lane, struct rte_mbuf **pkts, uint16_t *app, uint16_t n);
// Takes up to BURST packets of one direction that other lanes handed on; '*turn' goes through the
// rings, at the end the answer is 0.
uint16_t lane_take(struct lane *lane, struct rte_mbuf **pkts, unsigned *turn);
// Before the applications of 'next' are adopted.
void lane_adopt(struct lane *lane, const struct snapshot *prev, const struct snapshot *next);
// Once a round: takes a change one step on. True if there is nothing left of it.
bool lane_move(struct lane *lane);
static inline bool
lane_is_settled(const struct lane *lane)
{
    return lane->step == LANE_STILL && !lane->holding;
}

// -- Control thread --

// A lane on a worker for card and applications; it serves nothing until the snapshot says so.
// NULL: no memory.
struct lane *lane_create(struct card *card, unsigned worker);
void lane_destroy(struct lane *lane); // none of the card's is in use any more
struct app_run *app_run_create(struct app *app, struct lane *lane);
void app_run_destroy(struct app_run *run);
// All flows are where the snapshot in force says.
bool lanes_settled(const struct card *card);
// Distributes the buckets over the card's workers, moving as few as can be.
void lanes_assign(struct card *card);
// Where an application's flows may be. Functions that keep state, and a migration, want all of them
// on one worker.
void lanes_choose_home(const struct card *card, struct app *app);
// Divides each application's allocation by where its packets arrive. Called every few milliseconds.
void lanes_split(struct card *card);
