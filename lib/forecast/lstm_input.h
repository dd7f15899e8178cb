// SPDX-License-Identifier: Apache-2.0
// What the LSTM forecaster's network sees of a series at an origin, all in the series' own measure:
// differences from what the better season would repeat, divided by how much that errs. So one
// network serves series of every scale and season.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    LSTM_WINDOW_MAX = 1500, // values before the origin that count
    LSTM_SHORT_SEASONS = 7, // of a season that are looked at
    LSTM_LONG_SEASONS = 4,
};

// A series and its running sums.
struct lstm_input {
    const double *value; // without gaps; borrowed
    size_t n;
    size_t season, longer; // steps; season at least 1, longer 0: none
    size_t window;         // values before an origin that count
    double *sum;           // [6][n + 1] running sums
};

// Values before an origin that count for these seasons: all that a state must hold.
size_t lstm_input_window(size_t season, size_t longer);
// Least values before an origin.
size_t lstm_input_least(size_t season);
// Borrows 'value' until fini. -ENOMEM.
int lstm_input_init(struct lstm_input *input, const double *value, size_t n, size_t season,
                    size_t longer);
void lstm_input_fini(struct lstm_input *input);

// The series before value[end].
struct lstm_origin {
    const struct lstm_input *input;
    size_t start, end;
    size_t longer;                       // 0: none within the window
    size_t base;                         // the season whose repetition is measured from
    double scale;                        // mean error of that
    double season_scale;                 // of the first season's: MASE's unit
    double mean, deviation, least, most; // within the window
    float told[12];                      // features that are the same for all leads
};

void lstm_input_origin(const struct lstm_input *input, size_t end, struct lstm_origin *origin);
// The last LSTM_STEPS steps; step t at steps + t * stride.
void lstm_input_steps(const struct lstm_origin *origin, float *steps, size_t stride);
// Features and candidates of lead 'h', from 1. Returns the base: value = base + scale * candidate.
double lstm_input_lead(const struct lstm_origin *origin, size_t h, float *feature,
                       float *candidate);
