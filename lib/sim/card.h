// SPDX-License-Identifier: Apache-2.0
// The card model: what a plan does to applications in one step, given what they offer.
// plan + offered load -> [card] -> outcome.  Pure.
//
// For an application with offered load o (bit/s) and mean burst B (bytes):
//   service rate     s = min(bandwidth, cpu_pct/100 x card cycles/s / cycles_per_byte x 8)
//   utilisation      r = o / s
//   queueing delay   d = 8 B/s r/(1-r)   where s > o; else the buffer is full
//   memory it needs  m = state + 3 B r/(1-r)
//   loss             (o-s)/o where s < o, else 1 - memory/m where memory < m
// The SLA is broken where d > max_delay or loss > max_loss.
#pragma once

#include <offload/allocate.h>

struct sim_outcome {
    double service_bps;
    double delay_s; // INFINITY while the buffer is full
    double loss_frac;
    bool breached;
};

// 'offered_bps' and 'outcome' have one value an application. 'move_delay_s' is added to the delay
// of those that the plan moves. With policy.lent, what others leave unused of CPU goes to those who
// lack it, and bandwidth goes by class, as cards serve (lib/schedule/turns.h).
void sim_card_step(const struct alloc_state *state, const struct alloc_plan *plan,
                   const double *offered_bps, double move_delay_s, struct sim_outcome *outcome);

// The same for those on card 'c' alone.
void sim_card_step_one(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t c,
                       const double *offered_bps, double move_delay_s, struct sim_outcome *outcome);

// The burst that explains a measured mean queueing delay at service rate 'service_bps': the model
// turned round. NAN where nothing can be said (no load, or no room between load and rate).
double sim_card_burst(double offered_bps, double service_bps, double delay_s);
