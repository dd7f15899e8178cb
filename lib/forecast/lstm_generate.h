// SPDX-License-Identifier: Apache-2.0
// Made-up series from which the LSTM forecaster learns what demand is like.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { LSTM_GENERATED_MAX = 2048 };

struct lstm_generated {
    size_t n, season, longer; // longer 0: none
    double value[LSTM_GENERATED_MAX];
};

// Each state of 'random' makes its own series.
void lstm_generate(struct lstm_generated *series, uint64_t *random);
