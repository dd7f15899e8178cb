// SPDX-License-Identifier: Apache-2.0
// A small dueling network with its gradient and its optimiser: Q(s, a) = V(s) + A(s, a) - mean A.
// Two hidden layers of rectifiers. Wang et al., Dueling network architectures, ICML 2016, eq. 9;
// Kingma & Ba, Adam, ICLR 2015, algorithm 1. At this size plain loops are as fast as a BLAS call.
// Pure: no clock, no random source; one struct is memory without pointers and can be copied.
#pragma once

#include <stdint.h>

enum {
    NETWORK_IN = 18,
    NETWORK_HIDDEN = 24,
    NETWORK_ACTIONS = 11,
    NETWORK_OUT = NETWORK_ACTIONS + 1, // V first
    NETWORK_WEIGHTS = (NETWORK_IN + 1) * NETWORK_HIDDEN + (NETWORK_HIDDEN + 1) * NETWORK_HIDDEN +
                      (NETWORK_HIDDEN + 1) * NETWORK_OUT,
};

struct network {
    float w[NETWORK_WEIGHTS]; // layer by layer, a unit's bias behind its inputs' weights
};

struct network_adam {
    float mean[NETWORK_WEIGHTS], square[NETWORK_WEIGHTS];
    uint32_t steps;
};

// Small random weights from 'seed', the last layer 0: every Q is 0 at first.
void network_init(struct network *net, uint64_t seed);
void network_q(const struct network *net, const float *in, float *q);
// Adds the gradient of (q[action] - target)^2 / 2 times 'weight' to 'gradient' [NETWORK_WEIGHTS];
// returns q[action] - target.
float network_gradient(const struct network *net, const float *in, unsigned action, float target,
                       float weight, float *gradient);
// The same of the sum over all actions, for those whose 'target' [NETWORK_ACTIONS] is a number;
// returns the mean of |q - target|.
float network_gradient_all(const struct network *net, const float *in, const float *target,
                           float weight, float *gradient);
void network_step(struct network *net, struct network_adam *adam, const float *gradient,
                  float rate);
