// SPDX-License-Identifier: Apache-2.0
// Trains the LSTM forecaster's network across many series, generated ones and given ones. The same
// seed, series and steps give the same weights; a run that was cut goes on as if it had not been.
#pragma once

#include "lib/forecast/lstm_net.h"

#include <offload/err.h>

enum { LSTM_BATCH = 64, LSTM_BATCH_SERIES = 16, LSTM_BATCH_LEADS = 12 };

// A series to learn from besides the generated ones. Without gaps.
struct lstm_train_series {
    double *value;
    size_t n, season, longer; // longer 0: none
};

struct lstm_train_options {
    uint64_t steps; // batches until the end
    const struct lstm_train_series *series; // borrowed
    size_t n_series;
    double given; // share of the given series among all
};

struct lstm_train;

// -ENOMEM.
int lstm_train_create(const struct lstm_train_options *options, uint64_t seed,
                      struct lstm_train **train);
void lstm_train_destroy(struct lstm_train *train);

// One batch. Returns its loss. False in '*more' after the last one.
double lstm_train_step(struct lstm_train *train, bool *more);
uint64_t lstm_train_steps_done(const struct lstm_train *train);
const float *lstm_train_weights(const struct lstm_train *train); // [LSTM_WEIGHTS], borrowed

// What a run that goes on needs: plain bytes.
enum { LSTM_TRAIN_BYTES = 2 * sizeof(float) * LSTM_WEIGHTS + sizeof(struct lstm_adam) + 24 };
void lstm_train_save(const struct lstm_train *train, char *bytes); // [LSTM_TRAIN_BYTES]
// -EBADMSG: of another run, or of other sizes.
int lstm_train_resume(struct lstm_train *train, const char *bytes, size_t len,
                      struct offload_err *err);
