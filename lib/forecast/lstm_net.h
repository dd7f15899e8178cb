// SPDX-License-Identifier: Apache-2.0
// The network of the LSTM forecaster: its sizes, a batch for it, forward, backward and Adam.
//
// An LSTM layer reads the last LSTM_STEPS steps; two dense layers then look, for each lead, at what
// lstm_input.h says of it and at the layer's last state. They give a weight to each candidate (what
// simple methods would forecast), a correction, and the distances between seven quantiles. So the
// forecast is a mix of candidates unless the data taught better, and carries over to series of any
// scale. All is float; workspaces belong to one thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LSTM_STEPS = 48,
    LSTM_INPUTS = 5,
    LSTM_UNITS = 32,
    LSTM_FEATURES = 39,
    LSTM_CANDIDATES = 21,
    LSTM_WIDE = 64,  // units of the first dense layer
    LSTM_DENSE = 32, // and of the second one
    LSTM_QUANTILES = 7,
    // Weights of candidates, correction, six distances between neighbouring quantiles.
    LSTM_OUTPUTS = LSTM_CANDIDATES + 1 + LSTM_QUANTILES - 1,

    // Rows of the matrices count a 1 for the bias.
    LSTM_CELL_ROWS = LSTM_INPUTS + 1 + LSTM_UNITS,
    LSTM_CELL_AT = 0, // [CELL_ROWS][4 UNITS]: input, forget, output gate, candidate
    LSTM_FEATURE_AT = LSTM_CELL_AT + LSTM_CELL_ROWS * 4 * LSTM_UNITS,  // [FEATURES + 1][WIDE]
    LSTM_STATE_AT = LSTM_FEATURE_AT + (LSTM_FEATURES + 1) * LSTM_WIDE, // [UNITS][WIDE]
    LSTM_DENSE_AT = LSTM_STATE_AT + LSTM_UNITS * LSTM_WIDE,            // [WIDE + 1][DENSE]
    LSTM_OUTPUT_AT = LSTM_DENSE_AT + (LSTM_WIDE + 1) * LSTM_DENSE,     // [DENSE + 1][OUTPUTS]
    LSTM_WEIGHTS = LSTM_OUTPUT_AT + (LSTM_DENSE + 1) * LSTM_OUTPUTS,
};

extern const float lstm_probability[LSTM_QUANTILES]; // ascending, the middle one is 0.5
extern const float lstm_normal[LSTM_QUANTILES];      // the normal distribution's quantiles of those

// A batch: 'n' origins with 'leads' leads each, row = origin * leads + lead.
struct lstm_batch {
    size_t n, leads;
    float *steps;     // [LSTM_STEPS][n][LSTM_INPUTS]
    float *feature;   // [rows][LSTM_FEATURES + 1], the last one 1
    float *candidate; // [rows][LSTM_CANDIDATES], NAN: there is none
    float *target;    // [rows]
    float *weight;    // [rows] of the row's loss

    // Worked out by forward and backward.
    float *cell_in;                   // [LSTM_STEPS + 1][n][LSTM_CELL_ROWS]
    float *gate;                      // [LSTM_STEPS][n][4 UNITS], after their functions
    float *cell;                      // [LSTM_STEPS + 1][n][UNITS]
    float *shared;                    // [n][WIDE]
    float *wide;                      // [rows][WIDE + 1], the last one 1
    float *dense;                     // [rows][DENSE + 1], the last one 1
    float *out;                       // [rows][OUTPUTS]
    float *quantile;                  // [rows][QUANTILES]
    float *share;                     // [rows][CANDIDATES] weights of the candidates, summing to 1
    float *d_rows, *d_wide, *d_steps; // what backward passes on
};

// Memory for a batch. -ENOMEM.
int lstm_batch_init(struct lstm_batch *batch, size_t n, size_t leads);
void lstm_batch_fini(struct lstm_batch *batch);

// Weights to start learning from.
void lstm_net_start(float *weights, uint64_t *random);

// Fills batch->quantile. 'weights' [LSTM_WEIGHTS].
void lstm_net_forward(const float *weights, struct lstm_batch *batch);
// From 'out' and 'candidate' to 'quantile': the last step of forward.
void lstm_net_quantiles(struct lstm_batch *batch);
// Mean weighted quantile loss of the batch after forward.
double lstm_net_loss(const struct lstm_batch *batch);
// d loss / d weights into 'gradient' [LSTM_WEIGHTS], after forward.
void lstm_net_backward(const float *weights, struct lstm_batch *batch, float *gradient);
// d loss / d out of row 'row', of which there are 'rows' in the mean.
void lstm_net_row_gradient(const struct lstm_batch *batch, size_t row, float *d_out);

// Adam (Kingma and Ba 2015, algorithm 1).
struct lstm_adam {
    float mean[LSTM_WEIGHTS], square[LSTM_WEIGHTS];
    uint64_t step;
};
void lstm_adam_step(struct lstm_adam *adam, float *weights, float *gradient, float rate);

// Uniform in [0, 1) (splitmix64: Steele, Lea, Flood 2014), and a standard normal value.
double lstm_uniform(uint64_t *random);
double lstm_gauss(uint64_t *random);
