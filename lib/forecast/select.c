// SPDX-License-Identifier: Apache-2.0
// Which model, or which mix of them, for this series?
// models -> [select] -> forecaster.  Pure.
// Rolling origin: Tashman, Out-of-sample tests of forecasting accuracy, Int. J. Forecasting 16
// (2000). Weights by powers of the inverse squared error: Bates and Granger, The combination of
// forecasts, Oper. Res. Q. 20 (1969); Stock and Watson, A comparison of linear and nonlinear
// univariate models for forecasting macroeconomic time series, in Cointegration, Causality, and
// Forecasting (1999).

#include <offload/forecast.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRAIN_MIN = 8,    // values before the first origin
    ORIGINS_MAX = 48, // more cost time and tell little
    SEASONS = 7,      // held back
};

// A mix varies less than each of its members; the best one must win clearly to be used alone.
static const double CLEARLY = 0.97;

struct trial {
    const struct offload_training *training;
    const struct offload_series *series; // the training's
    size_t horizon;
    size_t first, stride, n_origins;
    size_t n_models;
    void *state[OFFLOAD_MODELS_MAX];  // NULL: the model could not be fitted
    double *path[OFFLOAD_MODELS_MAX]; // [n_origins][horizon], its forecasts
};

static void
trial_fini(struct trial *trial)
{
    for (size_t i = 0; i < trial->n_models; i++) {
        free(trial->state[i]);
        free(trial->path[i]);
    }
}

// Fits what can be fitted to the values before the first origin. Returns the number of models or
// -ENOMEM.
static int
trial_fit(struct trial *trial)
{
    struct offload_training train = *trial->training;
    train.series.n = trial->first;
    int fitted = 0;
    for (size_t i = 0; i < trial->n_models; i++) {
        const struct offload_model_ops *ops = offload_models[i];
        trial->path[i] = malloc(trial->n_origins * trial->horizon * sizeof(double));
        trial->state[i] = malloc(ops->state_bytes(&train));
        if (!trial->path[i] || !trial->state[i])
            return -ENOMEM;
        if (ops->fit(trial->state[i], &train, NULL, NULL) == 0) {
            fitted++;
            continue;
        }
        free(trial->state[i]);
        trial->state[i] = NULL;
    }
    return fitted;
}

// Moves through the series from the first origin on and keeps each origin's forecasts.
static void
trial_roll(struct trial *trial)
{
    const struct offload_regressors *x = &trial->training->x;
    for (size_t t = trial->first; t < trial->series->n; t++) {
        const double *row = x->n ? x->value + t * x->n : NULL;
        bool ahead = row && t + trial->horizon <= x->rows;
        size_t origin = (t - trial->first) / trial->stride;
        bool at_origin = (t - trial->first) % trial->stride == 0;
        for (size_t i = 0; i < trial->n_models; i++) {
            if (!trial->state[i])
                continue;
            if (at_origin)
                offload_models[i]->path(trial->state[i], trial->horizon, ahead ? row : NULL, NULL,
                                        trial->path[i] + origin * trial->horizon);
            offload_models[i]->update(trial->state[i], trial->series->value[t], row);
        }
    }
}

// Mean absolute error of the forecasts weighted by 'weight', NAN if there was nothing to compare
// with.
static double
error_of(const struct trial *trial, const double *weight)
{
    double sum = 0;
    size_t n = 0;
    for (size_t o = 0; o < trial->n_origins; o++) {
        size_t origin = trial->first + o * trial->stride;
        for (size_t h = 0; h < trial->horizon && origin + h < trial->series->n; h++) {
            double error = trial->series->value[origin + h];
            if (isnan(error))
                continue;
            for (size_t i = 0; i < trial->n_models; i++)
                if (trial->state[i])
                    error -= weight[i] * trial->path[i][o * trial->horizon + h];
            sum += fabs(error);
            n++;
        }
    }
    return n ? sum / n : NAN;
}

// 1 / error^4 over all that were tried.
static void
weigh(const struct trial *trial, const double *mae, double best, double *weight)
{
    double total = 0;
    for (size_t i = 0; i < trial->n_models; i++) {
        weight[i] = 0;
        if (!trial->state[i])
            continue;
        double ratio = mae[i] > 0 ? best / mae[i] : 1;
        weight[i] = ratio * ratio * ratio * ratio;
        total += weight[i];
    }
    for (size_t i = 0; i < trial->n_models; i++)
        weight[i] = total > 0 ? weight[i] / total : 0;
}

static void
choose_one(struct offload_choice *choice, int model)
{
    memset(choice->weight, 0, sizeof choice->weight);
    choice->weight[model] = 1;
}

// Without room for a comparison: the last model of the table that fits stands furthest from the
// naive one.
static int
choose_untested(const struct offload_training *training, int only, struct offload_choice *choice,
                struct offload_err *err)
{
    for (int i = (int)offload_models_count() - 1; i >= 0; i--) {
        if (only >= 0 && only != i)
            continue;
        void *state = malloc(offload_models[i]->state_bytes(training));
        int rc = state ? offload_models[i]->fit(state, training, NULL, err) : -ENOMEM;
        free(state);
        if (rc)
            continue;
        choose_one(choice, i);
        snprintf(choice->why, sizeof choice->why, "%s, not compared (%zu steps of history)",
                 offload_models[i]->name, training->series.n);
        return 0;
    }
    return offload_err_set(err, -EDOM, "", "some values", "no model fits %zu steps",
                           training->series.n);
}

static void
say_why(struct offload_choice *choice, double mixed, int alone)
{
    size_t size = sizeof choice->why, length = 0;
    for (size_t i = 0; offload_models[i] && length < size; i++)
        if (!isnan(choice->mae[i]))
            length += snprintf(choice->why + length, size - length, "%s%s %.4g", length ? ", " : "",
                               offload_models[i]->name, choice->mae[i]);
    if (length < size)
        snprintf(choice->why + length, size - length,
                 ", mix %.4g (mean error from %zu origins): %s", mixed, choice->n_origins,
                 alone >= 0 ? offload_models[alone]->name : "mix");
}

// -EDOM: there was nothing to compare with.
static int
choose_tested(const struct trial *trial, struct offload_choice *choice)
{
    int best = -1;
    for (size_t i = 0; i < trial->n_models; i++) {
        choose_one(choice, (int)i);
        choice->mae[i] = trial->state[i] ? error_of(trial, choice->weight) : NAN;
        if (!isnan(choice->mae[i]) && (best < 0 || choice->mae[i] < choice->mae[best]))
            best = (int)i;
    }
    if (best < 0)
        return -EDOM;
    choice->n_origins = trial->n_origins;
    weigh(trial, choice->mae, choice->mae[best], choice->weight);
    double mixed = error_of(trial, choice->weight);
    bool alone = choice->mae[best] <= CLEARLY * mixed;
    if (alone)
        choose_one(choice, best);
    choice->chosen_mae = alone ? choice->mae[best] : mixed;
    say_why(choice, mixed, alone ? best : -1);
    return 0;
}

int
offload_select(const struct offload_training *training, size_t horizon, int only,
               struct offload_choice *choice, struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t period = offload_training_period(training);
    assert(period > 0 && horizon > 0);
    // The last part is held back: a week of days and four horizons if there is room, at most a
    // third. Two days would judge a whole week by its end.
    size_t held = SEASONS * period > 4 * horizon ? SEASONS * period : 4 * horizon;
    if (held > series->n / 3)
        held = series->n / 3;
    struct offload_choice found = {0};
    struct trial trial = {.training = training,
                          .series = series,
                          .horizon = horizon,
                          .n_models = offload_models_count()};
    trial.first = series->n - held;
    trial.stride = held / ORIGINS_MAX + 1;
    trial.n_origins = (held + trial.stride - 1) / trial.stride;
    int rc = -EDOM;
    if (only < 0 && held > 0 && trial.first >= TRAIN_MIN) {
        rc = trial_fit(&trial);
        if (rc > 0) {
            trial_roll(&trial);
            rc = choose_tested(&trial, &found);
        }
        trial_fini(&trial);
        if (rc == -ENOMEM)
            return offload_err_set(err, rc, "", NULL, "no memory to compare models");
    }
    if (rc < 0) {
        found = (struct offload_choice){.chosen_mae = NAN};
        rc = choose_untested(training, only, &found, err);
    }
    if (rc == 0)
        *choice = found;
    return rc;
}
