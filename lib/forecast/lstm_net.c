// SPDX-License-Identifier: Apache-2.0
// Forward and backward passes of the LSTM forecaster's network.
// lstm_input -> [forward -> loss -> backward -> Adam] -> model_lstm, lstm_train.  Pure.
// LSTM: Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000):
//     c(t) = f c(t-1) + i g,   h(t) = o tanh(c(t))
// Quantile loss: Koenker and Bassett 1978; several leads at once: Wen et al. 2017 (MQ-RNN).

#include "lib/forecast/lstm_net.h"

#include <cblas.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { H = LSTM_UNITS, G = 4 * LSTM_UNITS, MIDDLE = LSTM_QUANTILES / 2 };

const float lstm_probability[LSTM_QUANTILES] = {0.025f, 0.1f, 0.25f, 0.5f, 0.75f, 0.9f, 0.975f};
const float lstm_normal[LSTM_QUANTILES] = {-1.959964f, -1.281552f, -0.674490f, 0,
                                           0.674490f,  1.281552f,  1.959964f};
// The middle is scored twice: as the forecast, and as one of the quantiles.
static const float QUANTILE_WEIGHT[LSTM_QUANTILES] = {1, 1, 0.5f, 3, 0.5f, 1, 1};
static const float CLIP = 1; // of the gradient's norm

double
lstm_uniform(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

double
lstm_gauss(uint64_t *random)
{
    double u = 1 - lstm_uniform(random), v = lstm_uniform(random);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

// ---- Memory ----

static float *
take(float **from, size_t n)
{
    float *taken = *from;
    *from += n;
    return taken;
}

int
lstm_batch_init(struct lstm_batch *batch, size_t n, size_t leads)
{
    size_t rows = n * leads, steps = LSTM_STEPS * n;
    size_t floats = steps * LSTM_INPUTS +
                    rows * (LSTM_FEATURES + 1 + 2 * LSTM_CANDIDATES + 2 + 3 * (LSTM_WIDE + 1) +
                            LSTM_DENSE + 1 + 2 * LSTM_OUTPUTS + LSTM_QUANTILES) +
                    (steps + n) * (LSTM_CELL_ROWS + H) + steps * G + n * LSTM_WIDE +
                    n * (LSTM_CELL_ROWS + G + H);
    *batch = (struct lstm_batch){.n = n, .leads = leads};
    float *all = calloc(floats, sizeof *all);
    if (!all)
        return -ENOMEM;
    batch->steps = take(&all, steps * LSTM_INPUTS);
    batch->feature = take(&all, rows * (LSTM_FEATURES + 1));
    batch->candidate = take(&all, rows * LSTM_CANDIDATES);
    batch->target = take(&all, rows);
    batch->weight = take(&all, rows);
    batch->cell_in = take(&all, (steps + n) * LSTM_CELL_ROWS);
    batch->gate = take(&all, steps * G);
    batch->cell = take(&all, (steps + n) * H);
    batch->shared = take(&all, n * LSTM_WIDE);
    batch->wide = take(&all, rows * (LSTM_WIDE + 1));
    batch->dense = take(&all, rows * (LSTM_DENSE + 1));
    batch->out = take(&all, rows * LSTM_OUTPUTS);
    batch->quantile = take(&all, rows * LSTM_QUANTILES);
    batch->share = take(&all, rows * LSTM_CANDIDATES);
    batch->d_rows = take(&all, rows * (LSTM_WIDE + 1 + LSTM_OUTPUTS));
    batch->d_wide = take(&all, rows * (LSTM_WIDE + 1));
    batch->d_steps = take(&all, n * (LSTM_CELL_ROWS + G + H));
    return 0;
}

void
lstm_batch_fini(struct lstm_batch *batch)
{
    free(batch->steps); // one block
    *batch = (struct lstm_batch){0};
}

static void
start_matrix(float *w, size_t rows, size_t columns, uint64_t *random)
{
    double scale = sqrt(1.0 / (double)rows);
    for (size_t i = 0; i < rows * columns; i++)
        w[i] = (float)(scale * lstm_gauss(random));
}

void
lstm_net_start(float *weights, uint64_t *random)
{
    start_matrix(weights + LSTM_CELL_AT, LSTM_CELL_ROWS, G, random);
    start_matrix(weights + LSTM_FEATURE_AT, LSTM_FEATURES + 1, LSTM_WIDE, random);
    start_matrix(weights + LSTM_STATE_AT, H, LSTM_WIDE, random);
    start_matrix(weights + LSTM_DENSE_AT, LSTM_WIDE + 1, LSTM_DENSE, random);
    start_matrix(weights + LSTM_OUTPUT_AT, LSTM_DENSE + 1, LSTM_OUTPUTS, random);
    // Remember at first (Jozefowicz et al. 2015); candidates alike, no correction.
    for (size_t j = 0; j < H; j++)
        weights[LSTM_CELL_AT + LSTM_INPUTS * G + H + j] = 1;
    for (size_t i = 0; i < (LSTM_DENSE + 1) * LSTM_OUTPUTS; i++)
        weights[LSTM_OUTPUT_AT + i] *= 0.1f;
}

// ---- Forward ----

static float
sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float
softplus(float x)
{
    return x > 15 ? x : log1pf(expf(x));
}

static void
multiply(size_t rows, size_t inner, size_t columns, const float *a, size_t lda, const float *b,
         float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)columns, (int)inner, 1,
                a, (int)lda, b, (int)columns, beta, c, (int)ldc);
}

static void
forward_cell(const float *weights, struct lstm_batch *batch)
{
    size_t n = batch->n;
    memset(batch->cell, 0, n * H * sizeof(float));
    for (size_t b = 0; b < n; b++)
        memset(batch->cell_in + b * LSTM_CELL_ROWS + LSTM_INPUTS + 1, 0, H * sizeof(float));
    for (size_t t = 0; t < LSTM_STEPS; t++) {
        float *in = batch->cell_in + t * n * LSTM_CELL_ROWS, *next = in + n * LSTM_CELL_ROWS;
        float *gate = batch->gate + t * n * G, *c = batch->cell + t * n * H;
        for (size_t b = 0; b < n; b++) {
            memcpy(in + b * LSTM_CELL_ROWS, batch->steps + (t * n + b) * LSTM_INPUTS,
                   LSTM_INPUTS * sizeof(float));
            in[b * LSTM_CELL_ROWS + LSTM_INPUTS] = 1;
        }
        multiply(n, LSTM_CELL_ROWS, G, in, LSTM_CELL_ROWS, weights + LSTM_CELL_AT, 0, gate, G);
        for (size_t b = 0; b < n; b++) {
            float *a = gate + b * G, *h = next + b * LSTM_CELL_ROWS + LSTM_INPUTS + 1;
            for (size_t j = 0; j < 3 * H; j++)
                a[j] = sigmoid(a[j]);
            for (size_t j = 0; j < H; j++) {
                a[3 * H + j] = 2 * sigmoid(2 * a[3 * H + j]) - 1; // tanh
                float cell = a[H + j] * c[b * H + j] + a[j] * a[3 * H + j];
                c[(n + b) * H + j] = cell;
                h[j] = a[2 * H + j] * (2 * sigmoid(2 * cell) - 1);
            }
        }
    }
}

static const float *
last_state(const struct lstm_batch *batch)
{
    return batch->cell_in + LSTM_STEPS * batch->n * LSTM_CELL_ROWS + LSTM_INPUTS + 1;
}

static void
rectify(float *rows, size_t n, size_t columns)
{
    for (size_t r = 0; r < n; r++, rows += columns + 1) {
        for (size_t j = 0; j < columns; j++)
            rows[j] = rows[j] > 0 ? rows[j] : 0.05f * rows[j];
        rows[columns] = 1;
    }
}

void
lstm_net_quantiles(struct lstm_batch *batch)
{
    for (size_t r = 0; r < batch->n * batch->leads; r++) {
        const float *out = batch->out + r * LSTM_OUTPUTS;
        const float *candidate = batch->candidate + r * LSTM_CANDIDATES;
        float *share = batch->share + r * LSTM_CANDIDATES,
              *q = batch->quantile + r * LSTM_QUANTILES;
        float most = -HUGE_VALF, sum = 0, centre = 0;
        for (size_t k = 0; k < LSTM_CANDIDATES; k++)
            if (!isnan(candidate[k]))
                most = fmaxf(most, out[k]);
        for (size_t k = 0; k < LSTM_CANDIDATES; k++)
            sum += share[k] = isnan(candidate[k]) ? 0 : expf(out[k] - most);
        for (size_t k = 0; k < LSTM_CANDIDATES; k++) {
            share[k] /= sum;
            centre += share[k] > 0 ? share[k] * candidate[k] : 0;
        }
        q[MIDDLE] = centre + out[LSTM_CANDIDATES];
        const float *step = out + LSTM_CANDIDATES + 1;
        for (size_t j = 0; j < MIDDLE; j++) {
            q[MIDDLE + j + 1] = q[MIDDLE + j] + softplus(step[MIDDLE + j]);
            q[MIDDLE - j - 1] = q[MIDDLE - j] - softplus(step[MIDDLE - 1 - j]);
        }
    }
}

void
lstm_net_forward(const float *weights, struct lstm_batch *batch)
{
    size_t rows = batch->n * batch->leads;
    forward_cell(weights, batch);
    multiply(batch->n, H, LSTM_WIDE, last_state(batch), LSTM_CELL_ROWS, weights + LSTM_STATE_AT, 0,
             batch->shared, LSTM_WIDE);
    for (size_t r = 0; r < rows; r++)
        memcpy(batch->wide + r * (LSTM_WIDE + 1), batch->shared + r / batch->leads * LSTM_WIDE,
               LSTM_WIDE * sizeof(float));
    multiply(rows, LSTM_FEATURES + 1, LSTM_WIDE, batch->feature, LSTM_FEATURES + 1,
             weights + LSTM_FEATURE_AT, 1, batch->wide, LSTM_WIDE + 1);
    rectify(batch->wide, rows, LSTM_WIDE);
    multiply(rows, LSTM_WIDE + 1, LSTM_DENSE, batch->wide, LSTM_WIDE + 1, weights + LSTM_DENSE_AT,
             0, batch->dense, LSTM_DENSE + 1);
    rectify(batch->dense, rows, LSTM_DENSE);
    multiply(rows, LSTM_DENSE + 1, LSTM_OUTPUTS, batch->dense, LSTM_DENSE + 1,
             weights + LSTM_OUTPUT_AT, 0, batch->out, LSTM_OUTPUTS);
    lstm_net_quantiles(batch);
}

double
lstm_net_loss(const struct lstm_batch *batch)
{
    size_t rows = batch->n * batch->leads;
    double sum = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < LSTM_QUANTILES; i++) {
            float miss = batch->target[r] - batch->quantile[r * LSTM_QUANTILES + i];
            float p = lstm_probability[i];
            sum += (double)(batch->weight[r] * QUANTILE_WEIGHT[i] *
                            (miss > 0 ? p * miss : (p - 1) * miss));
        }
    return sum / (double)rows;
}

// ---- Backward ----

void
lstm_net_row_gradient(const struct lstm_batch *batch, size_t row, float *d_out)
{
    const float *out = batch->out + row * LSTM_OUTPUTS + LSTM_CANDIDATES + 1;
    const float *q = batch->quantile + row * LSTM_QUANTILES;
    const float *share = batch->share + row * LSTM_CANDIDATES;
    const float *candidate = batch->candidate + row * LSTM_CANDIDATES;
    float d_q[LSTM_QUANTILES], weight = batch->weight[row] / (float)(batch->n * batch->leads);
    for (size_t i = 0; i < LSTM_QUANTILES; i++)
        d_q[i] = weight * QUANTILE_WEIGHT[i] *
                 (batch->target[row] > q[i] ? -lstm_probability[i] : 1 - lstm_probability[i]);
    float *d_step = d_out + LSTM_CANDIDATES + 1, above = 0, below = 0;
    for (size_t j = MIDDLE; j > 0; j--) {
        above += d_q[MIDDLE + j];
        below += d_q[MIDDLE - j];
        d_step[MIDDLE + j - 1] = above * sigmoid(out[MIDDLE + j - 1]);
        d_step[MIDDLE - j] = -below * sigmoid(out[MIDDLE - j]);
    }
    float d_centre = above + below + d_q[MIDDLE];
    float centre = q[MIDDLE] - out[-1];
    d_out[LSTM_CANDIDATES] = d_centre;
    for (size_t k = 0; k < LSTM_CANDIDATES; k++)
        d_out[k] = share[k] > 0 ? d_centre * share[k] * (candidate[k] - centre) : 0;
}

// gradient = a' b
static void
outer(size_t rows, size_t a_columns, size_t b_columns, const float *a, size_t lda, const float *b,
      size_t ldb, float beta, float *gradient)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)a_columns, (int)b_columns, (int)rows,
                1, a, (int)lda, b, (int)ldb, beta, gradient, (int)b_columns);
}

// d = upper w'
static void
pass_on(size_t rows, size_t columns, size_t upper_columns, const float *upper, size_t ldu,
        const float *w, float *d, size_t ldd)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)columns,
                (int)upper_columns, 1, upper, (int)ldu, w, (int)upper_columns, 0, d, (int)ldd);
}

static void
unrectify(float *d, const float *value, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++, d += columns + 1, value += columns + 1)
        for (size_t j = 0; j < columns; j++)
            d[j] *= value[j] > 0 ? 1 : 0.05f;
}

// 'd_in' holds in its last columns what comes from the dense layers.
static void
backward_cell(const float *weights, struct lstm_batch *batch, float *gradient)
{
    size_t n = batch->n;
    float *d_in = batch->d_steps, *d_gate = d_in + n * LSTM_CELL_ROWS, *d_cell = d_gate + n * G;
    memset(d_cell, 0, n * H * sizeof *d_cell);
    for (size_t t = LSTM_STEPS; t-- > 0;) {
        const float *gate = batch->gate + t * n * G;
        const float *before = batch->cell + t * n * H, *after = before + n * H;
        for (size_t b = 0; b < n; b++)
            for (size_t j = 0; j < H; j++) {
                const float *a = gate + b * G + j;
                float *d = d_gate + b * G + j, *dc = &d_cell[b * H + j];
                float dh = d_in[b * LSTM_CELL_ROWS + LSTM_INPUTS + 1 + j];
                float th = 2 * sigmoid(2 * after[b * H + j]) - 1;
                *dc += dh * a[2 * H] * (1 - th * th);
                d[0] = *dc * a[3 * H] * a[0] * (1 - a[0]);
                d[H] = *dc * before[b * H + j] * a[H] * (1 - a[H]);
                d[2 * H] = dh * th * a[2 * H] * (1 - a[2 * H]);
                d[3 * H] = *dc * a[0] * (1 - a[3 * H] * a[3 * H]);
                *dc *= a[H];
            }
        outer(n, LSTM_CELL_ROWS, G, batch->cell_in + t * n * LSTM_CELL_ROWS, LSTM_CELL_ROWS, d_gate,
              G, 1, gradient + LSTM_CELL_AT);
        pass_on(n, LSTM_CELL_ROWS, G, d_gate, G, weights + LSTM_CELL_AT, d_in, LSTM_CELL_ROWS);
    }
}

void
lstm_net_backward(const float *weights, struct lstm_batch *batch, float *gradient)
{
    size_t n = batch->n, rows = n * batch->leads;
    float *d_out = batch->d_rows, *d_dense = d_out + rows * LSTM_OUTPUTS;
    memset(gradient, 0, LSTM_WEIGHTS * sizeof *gradient);
    for (size_t r = 0; r < rows; r++)
        lstm_net_row_gradient(batch, r, d_out + r * LSTM_OUTPUTS);
    outer(rows, LSTM_DENSE + 1, LSTM_OUTPUTS, batch->dense, LSTM_DENSE + 1, d_out, LSTM_OUTPUTS, 0,
          gradient + LSTM_OUTPUT_AT);
    pass_on(rows, LSTM_DENSE + 1, LSTM_OUTPUTS, d_out, LSTM_OUTPUTS, weights + LSTM_OUTPUT_AT,
            d_dense, LSTM_DENSE + 1);
    unrectify(d_dense, batch->dense, rows, LSTM_DENSE);
    outer(rows, LSTM_WIDE + 1, LSTM_DENSE, batch->wide, LSTM_WIDE + 1, d_dense, LSTM_DENSE + 1, 0,
          gradient + LSTM_DENSE_AT);
    pass_on(rows, LSTM_WIDE + 1, LSTM_DENSE, d_dense, LSTM_DENSE + 1, weights + LSTM_DENSE_AT,
            batch->d_wide, LSTM_WIDE + 1);
    unrectify(batch->d_wide, batch->wide, rows, LSTM_WIDE);
    outer(rows, LSTM_FEATURES + 1, LSTM_WIDE, batch->feature, LSTM_FEATURES + 1, batch->d_wide,
          LSTM_WIDE + 1, 0, gradient + LSTM_FEATURE_AT);
    memset(batch->shared, 0, n * LSTM_WIDE * sizeof(float));
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < LSTM_WIDE; j++)
            batch->shared[r / batch->leads * LSTM_WIDE + j] +=
                batch->d_wide[r * (LSTM_WIDE + 1) + j];
    outer(n, H, LSTM_WIDE, last_state(batch), LSTM_CELL_ROWS, batch->shared, LSTM_WIDE, 0,
          gradient + LSTM_STATE_AT);
    pass_on(n, H, LSTM_WIDE, batch->shared, LSTM_WIDE, weights + LSTM_STATE_AT,
            batch->d_steps + LSTM_INPUTS + 1, LSTM_CELL_ROWS);
    backward_cell(weights, batch, gradient);
}

void
lstm_adam_step(struct lstm_adam *adam, float *weights, float *gradient, float rate)
{
    static const float keep_mean = 0.9f, keep_square = 0.999f, least = 1e-8f;
    double norm = 0;
    for (size_t i = 0; i < LSTM_WEIGHTS; i++)
        norm += (double)(gradient[i] * gradient[i]);
    float scale = (float)(norm > CLIP * CLIP ? CLIP / sqrt(norm) : 1);
    adam->step++;
    float fix_mean = 1 - powf(keep_mean, (float)adam->step);
    float fix_square = 1 - powf(keep_square, (float)adam->step);
    for (size_t i = 0; i < LSTM_WEIGHTS; i++) {
        float g = gradient[i] * scale;
        adam->mean[i] = keep_mean * adam->mean[i] + (1 - keep_mean) * g;
        adam->square[i] = keep_square * adam->square[i] + (1 - keep_square) * g * g;
        weights[i] -=
            rate * (adam->mean[i] / fix_mean) / (sqrtf(adam->square[i] / fix_square) + least);
    }
}
