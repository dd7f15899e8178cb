// SPDX-License-Identifier: Apache-2.0
// What the forecaster's unit tests share: cmocka, and made-up series whose truth is known.
#pragma once

#include "tests/unit/unit.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

// Uniform in [0, 1), the same everywhere (xorshift64*).
static inline double
uniform(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (double)(*random * 0x2545f4914f6cdd1du >> 11) / 9007199254740992.0;
}

static inline double
normal(uint64_t *random)
{
    double u = 1 - uniform(random), v = uniform(random);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

// What a model of one season is fitted to.
#define TRAINING(s, m)                                                                             \
    (&(struct offload_training){.series = (s), .n_periods = (m) > 1, .period = {(m)}})
