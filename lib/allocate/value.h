// SPDX-License-Identifier: Apache-2.0
// What a card's room is worth to the applications on it, and the shares that are worth most.
// state -> [agent: value] -> shield.  Pure.
//
// For an application with weight w, load O (a random variable) and service rate s:
//   U(s) = w P(need(O) <= s) + loss_worth W E[min(O, s)]
// where W is the weight of all applications of the server over their mean load: all that comes is
// worth loss_worth times as much as all SLAs.
// A card's value V is the most that sum U(s) can be while every resource r has sum cost_r s <=
// room_r; the cost of a bit/s is linear in all three, so one concave hull of U serves all of them.
#pragma once

#include <offload/allocate.h>

enum {
    VALUE_APPS_MAX = 128
}; // on one card, more are filled by fill_card(); for moves, of a server

// How an agent leans; 'value_neutral' is the news vendor's.
struct value_lean {
    double loss_worth;                // of serving what comes, beside keeping the SLA
    double emphasis[ALLOC_N_CLASSES]; // factor on the class weights
    double caution;                   // factor on what forecasts may err by upwards
};
extern const struct value_lean value_neutral;

// The shares that are worth most, into the wishes of card 'c'; what nobody needs is spread.
void value_fill(const struct alloc_state *state, uint32_t c, const struct value_lean *lean,
                struct alloc_plan *plan);

// What the wishes leave of card 'c' goes to all in proportion, with a little for everyone, so that
// one that was idle has room for its first packets.
void value_spread(const struct alloc_state *state, uint32_t c, struct alloc_plan *plan);

// Looks for the move within the server of card 'c' that gains most in value over 'steps' steps of
// the forecast, and writes it into 'plan'. A move must gain 'least' weight-steps beyond what it
// breaks itself. Call it with one card of each server.
bool value_move(const struct alloc_state *state, uint32_t c, const struct value_lean *lean,
                double steps, double least, struct alloc_plan *plan);
