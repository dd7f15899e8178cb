// SPDX-License-Identifier: Apache-2.0
// Training of the LSTM forecaster's network.
// lstm_generate, series -> [lstm_train: batch -> forward, backward, Adam] -> weights.  Pure.
// The rate falls as a half cosine (Loshchilov and Hutter 2017) after a short rise.

#include "lib/forecast/lstm_train.h"

#include "lib/forecast/lstm_generate.h"
#include "lib/forecast/lstm_input.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double RATE = 2e-3, RATE_END = 1e-5;
static const double RISE_STEPS = 200;
static const float AVERAGE = 1e-3f; // share of a step's weights in their running mean
static const double LEADS_MAX = 96, TARGET_MOST = 500, TARGET_FAR = 20;

struct lstm_train {
    struct lstm_train_options options;
    struct lstm_batch batch;
    struct lstm_generated generated;
    struct lstm_adam adam;
    float weights[LSTM_WEIGHTS], gradient[LSTM_WEIGHTS];
    float average[LSTM_WEIGHTS]; // errs less than any single step's
    uint64_t random, seed, done;
};

int
lstm_train_create(const struct lstm_train_options *options, uint64_t seed,
                  struct lstm_train **train)
{
    struct lstm_train *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    if (lstm_batch_init(&t->batch, LSTM_BATCH, LSTM_BATCH_LEADS)) {
        free(t);
        return -ENOMEM;
    }
    t->options = *options;
    t->seed = t->random = seed;
    lstm_net_start(t->weights, &t->random);
    *train = t;
    return 0;
}

void
lstm_train_destroy(struct lstm_train *t)
{
    if (!t)
        return;
    lstm_batch_fini(&t->batch);
    free(t);
}

static size_t
below(uint64_t *random, size_t n)
{
    return (size_t)(lstm_uniform(random) * (double)n);
}

// Fills place 'b' of the batch from an origin of 'in' that leaves room for its leads.
static void
fill_origin(struct lstm_train *t, size_t b, const struct lstm_input *in)
{
    struct lstm_batch *batch = &t->batch;
    size_t least = lstm_input_least(in->season);
    size_t horizon = (size_t)fmin(fmax(2.0 * (double)in->season, 12), LEADS_MAX);
    if (in->longer && lstm_uniform(&t->random) < 0.8 &&
        in->longer * 3 / 2 + least < in->n - horizon)
        least += in->longer * 3 / 2; // mostly so much that the longer season can be seen
    if (least + horizon >= in->n)
        horizon = in->n - least - 1;
    struct lstm_origin origin;
    lstm_input_origin(in, least + below(&t->random, in->n - horizon - least), &origin);
    lstm_input_steps(&origin, batch->steps + b * LSTM_INPUTS, batch->n * LSTM_INPUTS);
    double weight = fmin(origin.scale / (origin.season_scale + 1e-3 * origin.scale), 1);
    for (size_t i = 0; i < batch->leads; i++) {
        size_t row = b * batch->leads + i, h = 1 + below(&t->random, horizon);
        double base = lstm_input_lead(&origin, h, batch->feature + row * (LSTM_FEATURES + 1),
                                      batch->candidate + row * LSTM_CANDIDATES);
        double target = (in->value[origin.end - 1 + h] - base) / origin.scale;
        batch->target[row] = (float)fmin(fmax(target, -TARGET_MOST), TARGET_MOST);
        batch->weight[row] = (float)(weight / (1 + fabs(target) / TARGET_FAR));
    }
}

static int
fill_batch(struct lstm_train *t)
{
    enum { EACH = LSTM_BATCH / LSTM_BATCH_SERIES };
    const struct lstm_train_options *o = &t->options;
    for (size_t i = 0; i < LSTM_BATCH_SERIES; i++) {
        struct lstm_train_series s;
        if (o->n_series > 0 && lstm_uniform(&t->random) < o->given) {
            s = o->series[below(&t->random, o->n_series)];
        } else {
            lstm_generate(&t->generated, &t->random);
            s = (struct lstm_train_series){t->generated.value, t->generated.n, t->generated.season,
                                           t->generated.longer};
        }
        struct lstm_input in;
        if (lstm_input_init(&in, s.value, s.n, s.season, s.longer))
            return -ENOMEM;
        for (size_t k = 0; k < EACH; k++)
            fill_origin(t, i * EACH + k, &in);
        lstm_input_fini(&in);
    }
    return 0;
}

static double
rate_of(const struct lstm_train *t)
{
    double part = (double)t->done / (double)t->options.steps;
    double rate = RATE_END + (RATE - RATE_END) * 0.5 * (1 + cos(M_PI * fmin(part, 1)));
    return rate * fmin(1, (double)(t->done + 1) / RISE_STEPS);
}

double
lstm_train_step(struct lstm_train *t, bool *more)
{
    *more = t->done < t->options.steps;
    if (!*more || fill_batch(t))
        return NAN;
    lstm_net_forward(t->weights, &t->batch);
    double loss = lstm_net_loss(&t->batch);
    lstm_net_backward(t->weights, &t->batch, t->gradient);
    lstm_adam_step(&t->adam, t->weights, t->gradient, (float)rate_of(t));
    t->done++;
    float share = fmaxf(AVERAGE, 1 / (float)t->done);
    for (size_t i = 0; i < LSTM_WEIGHTS; i++)
        t->average[i] += share * (t->weights[i] - t->average[i]);
    *more = t->done < t->options.steps;
    return loss;
}

uint64_t
lstm_train_steps_done(const struct lstm_train *t)
{
    return t->done;
}

const float *
lstm_train_weights(const struct lstm_train *t)
{
    return t->average;
}

void
lstm_train_save(const struct lstm_train *t, char *bytes)
{
    uint64_t head[3] = {t->seed, t->done, t->random};
    memcpy(bytes, head, sizeof head);
    memcpy(bytes + sizeof head, &t->adam, sizeof t->adam);
    memcpy(bytes + sizeof head + sizeof t->adam, t->weights, sizeof t->weights);
    memcpy(bytes + sizeof head + sizeof t->adam + sizeof t->weights, t->average, sizeof t->average);
}

int
lstm_train_resume(struct lstm_train *t, const char *bytes, size_t len, struct offload_err *err)
{
    uint64_t head[3];
    if (len != LSTM_TRAIN_BYTES)
        return offload_err_set(err, -EBADMSG, "lstm", "the state of this network's training",
                               "%zu bytes are not the %zu of a training", len,
                               (size_t)LSTM_TRAIN_BYTES);
    memcpy(head, bytes, sizeof head);
    if (head[0] != t->seed || head[1] > t->options.steps)
        return offload_err_set(err, -EBADMSG, "lstm", "the same seed and number of series",
                               "the training was begun with other options");
    t->done = head[1];
    t->random = head[2];
    memcpy(&t->adam, bytes + sizeof head, sizeof t->adam);
    memcpy(t->weights, bytes + sizeof head + sizeof t->adam, sizeof t->weights);
    memcpy(t->average, bytes + sizeof head + sizeof t->adam + sizeof t->weights, sizeof t->average);
    return 0;
}
