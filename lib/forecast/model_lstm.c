// SPDX-License-Identifier: Apache-2.0
// LSTM: one network for all series, trained beforehand; a series' own part is how its regressors
// act, how wide its errors are and how they follow one another.
// series -> [fit, update] -> path -> fan.  Pure, but for the weights, which are loaded once.
// The network gives seven quantiles of each lead. A path walks through them by a normal value that
// remembers the step before:
//     g(1) = z(1),  g(h) = rho g(h-1) + sqrt(1 - rho^2) z(h),  y(h) = Q_h(Phi(g(h)))
// so that each step's quantiles are the network's, and innovations are such z.

#include "lib/forecast/lstm_effects.h"
#include "lib/forecast/lstm_input.h"
#include "lib/forecast/lstm_net.h"
#include "lib/forecast/models.h"

#include <cblas.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEADS = 96, // that the network is asked for; later ones follow from these
    TUNE_ORIGINS = 64,
    TUNE_LEADS = 48,
};

static const double Z_MOST = 5;
static const double RHO_MOST = 0.98;
static const double WIDTH_SEASONS = 8, WIDTH_LEAST = 0.4, WIDTH_MOST = 2.5;

// Written by offload_lstm_load() before any thread fits or forecasts, constant after.
static const float *weights_now;

struct lstm {
    uint32_t season, longer; // steps; longer 0: none
    uint32_t window, held;   // places and values of the ring
    uint32_t next;           // place of the next value
    uint32_t gaps;           // since the last value
    uint32_t phase;          // of the next step
    uint32_t cached;         // leads in 'quantile', counted from the step after the origin
    uint32_t ahead;          // steps of which something came since that origin
    double wide;             // how wide this series' errors are, beside what the network says
    double rho;
    double normal; // g of the last step that came
    double offset; // what the floats below are measured from
    struct lstm_effects effects;
    float quantile[LEADS][LSTM_QUANTILES];
    float value[]; // [window] without the regressors' effects
};

static size_t
seasons_of(const struct offload_training *training, size_t *longer)
{
    size_t season = offload_training_period(training);
    *longer = 0;
    for (size_t i = 1; i < training->n_periods; i++) {
        size_t p = training->period[i];
        size_t shorter = p < season ? p : season, other = p < season ? season : p;
        if (shorter + other > training->series.n || shorter + other > LSTM_WINDOW_MAX)
            continue;
        season = shorter;
        *longer = other;
        break;
    }
    return season;
}

static size_t
lstm_state_bytes(const struct offload_training *training)
{
    size_t longer, season = seasons_of(training, &longer);
    return sizeof(struct lstm) + (lstm_input_window(season, longer) * sizeof(float) + 7) / 8 * 8;
}

// ---- Weights ----

int
offload_lstm_load(const void *payload, size_t len, struct offload_err *err)
{
    if (len != LSTM_WEIGHTS * sizeof(float))
        return offload_err_set(err, -EBADMSG, "lstm", "weights that 'train lstm' made",
                               "%zu bytes are not the network's %zu", len,
                               LSTM_WEIGHTS * sizeof(float));
    float *weights = malloc(len);
    if (!weights)
        return offload_err_set(err, -ENOMEM, "lstm", NULL, "no memory for the weights");
    memcpy(weights, payload, len);
    for (size_t i = 0; i < LSTM_WEIGHTS; i++)
        if (!isfinite(weights[i])) {
            free(weights);
            return offload_err_set(err, -EBADMSG, "lstm", NULL, "weight %zu is no number", i);
        }
    openblas_set_num_threads(1); // matrices are small, and hosts have threads of their own
    free((void *)weights_now);
    weights_now = weights;
    return 0;
}

bool
offload_lstm_loaded(void)
{
    return weights_now != NULL;
}

// ---- Quantiles of a step ----

// Value at normal 'g' between quantiles 'q'; the outer pieces go on.
static double
quantile_value(const float *q, double g)
{
    size_t i = 1;
    while (i + 1 < LSTM_QUANTILES && g > lstm_normal[i])
        i++;
    double part = (g - lstm_normal[i - 1]) / (lstm_normal[i] - lstm_normal[i - 1]);
    return q[i - 1] + part * (q[i] - q[i - 1]);
}

// The other way round.
static double
quantile_normal(const float *q, double y)
{
    size_t i = 1;
    while (i + 1 < LSTM_QUANTILES && y > q[i])
        i++;
    double wide = fmax(q[i] - q[i - 1], 1e-30);
    double g = lstm_normal[i - 1] + (y - q[i - 1]) / wide * (lstm_normal[i] - lstm_normal[i - 1]);
    return fmin(fmax(g, -Z_MOST), Z_MOST);
}

// Value 'back' steps before the next one, from 1.
static float
value_back(const struct lstm *s, size_t back)
{
    return s->value[(s->next + s->window - back) % s->window];
}

// Without network or memory: what was a season ago, and as wide as the series.
static void
repeat_season(struct lstm *s, size_t leads)
{
    float wide = 0;
    for (size_t i = 1; i < s->held; i++)
        wide += fabsf(value_back(s, i) - value_back(s, i + 1)) / (float)s->held;
    size_t season = s->season < s->held ? s->season : 1;
    for (size_t h = 0; h < leads; h++)
        for (size_t i = 0; i < LSTM_QUANTILES; i++)
            s->quantile[h][i] = value_back(s, season - h % season) + wide * lstm_normal[i];
}

static void
widen(struct lstm_batch *batch, double wide)
{
    for (size_t r = 0; r < batch->n * batch->leads; r++) {
        float *q = batch->quantile + r * LSTM_QUANTILES, middle = q[LSTM_QUANTILES / 2];
        for (size_t i = 0; i < LSTM_QUANTILES; i++)
            q[i] = middle + (float)wide * (q[i] - middle);
    }
}

static int
ask_network(struct lstm *s, size_t leads)
{
    const float *weights = weights_now;
    struct lstm_batch batch;
    struct lstm_input in;
    int rc = -ENOMEM;
    double *value = malloc(s->held * sizeof *value);
    if (!weights || !value || lstm_batch_init(&batch, 1, leads))
        goto free_value;
    for (size_t i = 0; i < s->held; i++)
        value[i] = value_back(s, s->held - i);
    if (lstm_input_init(&in, value, s->held, s->season, s->longer))
        goto free_batch;
    struct lstm_origin origin;
    lstm_input_origin(&in, s->held, &origin);
    lstm_input_steps(&origin, batch.steps, LSTM_INPUTS);
    double base[LEADS];
    for (size_t h = 0; h < leads; h++)
        base[h] = lstm_input_lead(&origin, h + 1, batch.feature + h * (LSTM_FEATURES + 1),
                                  batch.candidate + h * LSTM_CANDIDATES);
    lstm_net_forward(weights, &batch);
    widen(&batch, s->wide);
    for (size_t h = 0; h < leads; h++)
        for (size_t i = 0; i < LSTM_QUANTILES; i++)
            s->quantile[h][i] =
                (float)(base[h] + origin.scale * (double)batch.quantile[h * LSTM_QUANTILES + i]);
    lstm_input_fini(&in);
    rc = 0;

free_batch:
    lstm_batch_fini(&batch);
free_value:
    free(value);
    return rc;
}

// Makes the quantiles of the steps after the last value, 'leads' of them or LEADS.
static void
look_ahead(struct lstm *s, size_t leads)
{
    leads = leads > LEADS ? LEADS : leads;
    if (s->ahead == 0 && s->cached >= leads)
        return;
    if (ask_network(s, leads))
        repeat_season(s, leads);
    s->cached = (uint32_t)leads;
    s->ahead = 0;
}

// Quantiles of lead 'h' (from 0) of what was made. Beyond the last one the last season's leads come
// again; where there is not even one season of them, the last lead's errors lie about the season.
static void
quantiles_at(const struct lstm *s, size_t h, float *q)
{
    size_t from = h, season = s->season;
    if (h >= s->cached)
        from = s->cached > season ? s->cached - season + (h - s->cached) % season : s->cached - 1;
    memcpy(q, s->quantile[from], sizeof s->quantile[from]);
    if (h >= s->cached && s->cached <= season && season <= s->held)
        for (size_t i = 0; i < LSTM_QUANTILES; i++)
            q[i] += value_back(s, season - h % season) - s->quantile[from][LSTM_QUANTILES / 2];
}

// ---- Update and path ----

static void
put_value(struct lstm *s, float value)
{
    s->value[s->next] = value;
    s->next = s->next + 1 == s->window ? 0 : s->next + 1;
    if (s->held < s->window)
        s->held++;
}

static double
lstm_update(void *state, double value, const double *x)
{
    struct lstm *s = state;
    double effect = lstm_effects_at(&s->effects, x, s->phase);
    s->phase = s->phase + 1 == s->season ? 0 : s->phase + 1;
    if (isnan(value)) {
        s->gaps++;
        return NAN;
    }
    double y = value - effect - s->offset, z = NAN;
    float q[LSTM_QUANTILES];
    // What lies in a gap is taken to have come as it was expected.
    for (; s->gaps > 0; s->gaps--, s->ahead++) {
        if (s->cached)
            quantiles_at(s, s->ahead, q);
        else
            q[LSTM_QUANTILES / 2] = value_back(s, s->season < s->held ? s->season : 1);
        put_value(s, q[LSTM_QUANTILES / 2]);
        s->normal *= s->rho;
    }
    if (s->cached) {
        quantiles_at(s, s->ahead, q);
        double g = quantile_normal(q, y);
        z = s->ahead == 0 ? g : (g - s->rho * s->normal) / sqrt(1 - s->rho * s->rho);
        s->normal = g;
    }
    put_value(s, (float)y);
    s->ahead++;
    return z;
}

static void
lstm_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    // What the network said of this origin is kept in the state: sample paths are many.
    struct lstm *s = (struct lstm *)state;
    look_ahead(s, s->gaps + horizon);
    double g = 0, fresh = sqrt(1 - s->rho * s->rho);
    size_t phase = s->phase;
    for (size_t h = 0; h < horizon; h++) {
        float q[LSTM_QUANTILES];
        quantiles_at(s, s->gaps + h, q);
        if (shock)
            g = h == 0 ? shock[h] : s->rho * g + fresh * shock[h];
        const double *row = x && s->effects.n_x ? x + h * s->effects.n_x : NULL;
        out[h] = s->offset + quantile_value(q, g) + lstm_effects_at(&s->effects, row, phase);
        phase = phase + 1 == s->season ? 0 : phase + 1;
    }
}

// ---- Fit ----

// The series without gaps, censored steps not below what a season before had.
static void
fill_gaps(const struct offload_series *series, size_t season, double *out)
{
    size_t first = 0;
    while (isnan(series->value[first]))
        first++;
    for (size_t t = 0; t < series->n; t++) {
        double before = t >= season ? out[t - season] : t > 0 ? out[t - 1] : series->value[first];
        double y = series->value[t];
        if (isnan(y))
            y = before;
        else if (series->censored && series->censored[t])
            y = fmax(y, before);
        out[t] = y;
    }
}

// Past origins and the leads behind them, for what the network knows only of series in general.
struct tuning {
    struct lstm_batch batch;
    size_t stride, origin[TUNE_ORIGINS];
};

static int
lay_tuning(struct tuning *tune, const struct lstm_input *in)
{
    size_t least = lstm_input_least(in->season), leads = in->season > 12 ? in->season : 12;
    if (in->longer && in->n > 2 * (in->longer + in->season))
        least = in->longer + in->season;
    leads = leads > TUNE_LEADS ? TUNE_LEADS : leads;
    if (in->n < least + leads)
        return -EDOM;
    size_t room = in->n - least - leads + 1;
    tune->stride = room / TUNE_ORIGINS + 1;
    if (tune->stride > leads)
        tune->stride = leads;
    size_t n = (room + tune->stride - 1) / tune->stride;
    n = n > TUNE_ORIGINS ? TUNE_ORIGINS : n;
    int rc = lstm_batch_init(&tune->batch, n, leads);
    if (rc)
        return rc;
    for (size_t b = 0; b < n; b++) {
        struct lstm_origin origin;
        tune->origin[b] = in->n - leads - (n - 1 - b) * tune->stride;
        lstm_input_origin(in, tune->origin[b], &origin);
        lstm_input_steps(&origin, tune->batch.steps + b * LSTM_INPUTS, n * LSTM_INPUTS);
        for (size_t h = 0; h < leads; h++) {
            size_t row = b * leads + h;
            double base =
                lstm_input_lead(&origin, h + 1, tune->batch.feature + row * (LSTM_FEATURES + 1),
                                tune->batch.candidate + row * LSTM_CANDIDATES);
            tune->batch.target[row] = (float)((in->value[origin.end + h] - base) / origin.scale);
            tune->batch.weight[row] = 1;
        }
    }
    return 0;
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// From the share of past values that lay within the 80 % interval; it takes some seasons to believe
// a series more than the network. -ENOMEM.
static int
tune_width(struct lstm *s, struct tuning *tune, size_t n)
{
    struct lstm_batch *batch = &tune->batch;
    size_t rows = batch->n * batch->leads;
    double *away = malloc(rows * sizeof *away);
    if (!away)
        return -ENOMEM;
    for (size_t r = 0; r < rows; r++)
        away[r] = fabs(quantile_normal(batch->quantile + r * LSTM_QUANTILES, batch->target[r]));
    qsort(away, rows, sizeof *away, ascending);
    double met = away[rows * 4 / 5] / (double)lstm_normal[LSTM_QUANTILES - 2];
    double seasons = (double)n / s->season;
    double trust = seasons / (seasons + WIDTH_SEASONS);
    s->wide = exp(trust * log(fmin(fmax(met, WIDTH_LEAST), WIDTH_MOST)));
    free(away);
    widen(batch, s->wide);
    return 0;
}

// How errors of neighbouring leads hang together, and what the shocks have been.
static void
tune_paths(struct lstm *s, const struct tuning *tune, double *innovation)
{
    const struct lstm_batch *batch = &tune->batch;
    double together = 0, square = 1e-9;
    for (size_t b = 0; b < batch->n; b++) {
        double before = 0;
        for (size_t h = 0; h < batch->leads; h++) {
            size_t row = b * batch->leads + h;
            double g = quantile_normal(batch->quantile + row * LSTM_QUANTILES, batch->target[row]);
            if (h > 0) {
                together += g * before;
                square += before * before;
            }
            before = g;
        }
    }
    s->rho = fmin(fmax(together / square, 0), RHO_MOST);
    double fresh = sqrt(1 - s->rho * s->rho);
    for (size_t b = 0; innovation && b < batch->n; b++) {
        double before = 0;
        size_t leads = b + 1 < batch->n ? tune->stride : batch->leads;
        for (size_t h = 0; h < leads; h++) {
            size_t row = b * batch->leads + h;
            double g = quantile_normal(batch->quantile + row * LSTM_QUANTILES, batch->target[row]);
            innovation[tune->origin[b] + h] = h == 0 ? g : (g - s->rho * before) / fresh;
            before = g;
        }
    }
}

static int
tune(struct lstm *s, const double *value, size_t n, double *innovation)
{
    struct lstm_input in;
    struct tuning tune;
    if (lstm_input_init(&in, value, n, s->season, s->longer))
        return -ENOMEM;
    int rc = lay_tuning(&tune, &in);
    if (rc == 0) {
        lstm_net_forward(weights_now, &tune.batch);
        rc = tune_width(s, &tune, n);
        if (rc == 0)
            tune_paths(s, &tune, innovation);
        lstm_batch_fini(&tune.batch);
    }
    lstm_input_fini(&in);
    return rc == -EDOM ? 0 : rc;
}

static int
check_training(const struct offload_training *training, size_t season, struct offload_err *err)
{
    size_t seen = 0;
    if (!offload_lstm_loaded())
        return offload_err_set(err, -EDOM, "lstm", "weights/lstm.checkpoint", "no weights");
    for (size_t t = 0; t < training->series.n; t++)
        seen += !isnan(training->series.value[t]);
    if (seen < lstm_input_least(season) || training->series.n < lstm_input_least(season))
        return offload_err_set(err, -EDOM, "lstm", "two seasons and 8 values",
                               "the series has %zu values, a season %zu", seen, season);
    return 0;
}

static int
lstm_fit(void *state, const struct offload_training *training, double *innovation,
         struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t n = series->n, longer, season = seasons_of(training, &longer);
    int rc = check_training(training, season, err);
    if (rc)
        return rc;
    struct lstm_effects effects;
    double *value = malloc(n * sizeof *value);
    rc = -ENOMEM;
    if (!value)
        goto out;
    fill_gaps(series, season, value);
    if (lstm_effects_fit(&effects, value, n, season, longer, &training->x))
        goto out;
    struct lstm *s = state;
    memset(s, 0, lstm_state_bytes(training));
    *s = (struct lstm){.season = (uint32_t)season,
                       .longer = (uint32_t)longer,
                       .window = (uint32_t)lstm_input_window(season, longer),
                       .effects = effects,
                       .offset = value[n - 1],
                       .wide = 1};
    for (size_t t = 0; t < n; t++) {
        const double *x = effects.n_x ? training->x.value + t * training->x.n : NULL;
        value[t] -= s->offset + lstm_effects_at(&s->effects, x, t % season);
        put_value(s, (float)value[t]);
        if (innovation)
            innovation[t] = NAN;
    }
    s->phase = (uint32_t)(n % season);
    rc = tune(s, value, n, innovation);
out:
    free(value);
    return rc ? offload_err_set(err, rc, "lstm", NULL, "no memory for %zu values", n) : 0;
}

static void
lstm_describe(const void *state, char *buf, size_t size)
{
    const struct lstm *s = state;
    snprintf(buf, size, "LSTM, seasons %u and %u, %u regressors, rho %.2g", s->season, s->longer,
             s->effects.n_x, s->rho);
}

const struct offload_model_ops model_lstm_ops = {
    .name = "lstm",
    .state_bytes = lstm_state_bytes,
    .fit = lstm_fit,
    .update = lstm_update,
    .path = lstm_path,
    .describe = lstm_describe,
};
