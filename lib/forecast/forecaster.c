// SPDX-License-Identifier: Apache-2.0
// One series' forecaster: history, fitted models, their mix, its fan and its accuracy.
// resample -> series -> [forecaster: period, select, fit; update; path] -> fan -> score.  Pure.
// Sample paths: Hyndman et al. 2008, 6.1; innovations drawn in blocks (Kuensch, The jackknife and
// the bootstrap for general stationary observations, Ann. Statist. 17, 1989), for a model's errors
// follow one another, and the maximum over a horizon depends on that; and from the same part of
// past seasons (Dudek, Leskow, Paparoditis, Politis, A generalized block bootstrap for seasonal
// time series, J. Time Ser. Anal. 35, 2014), for a quiet night is not forecast as badly as a ramp.

#include <offload/forecast.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESIDUALS = 512,     // innovations kept of each model
    DRAWN_MIN = 32,      // blocks to draw from, or those of neighbouring phases serve too
    DRAWN_NEWEST = 256,  // innovations from which is drawn where the season does not choose
    SEASONS_MIN = 5,     // of innovations, or all phases serve alike: one season is one accident
    SPREAD_PATHS = 64,   // from which a fit learns how wide its fan is
    GAP_STEPS_MAX = 256, // of a gap that are simulated; a longer one is no less certain
    REFIT_LEAST = 8,     // steps between two fits, at least
    ACCURACY_MIN = 8,    // values before accuracy is told
};

static const double WIDEN_MAX = 1.1; // a rolling origin over few steps errs too, and does not refit

// A path leaves the range of history by at most this part of the range (and more where history is
// short for the horizon): what a model says beyond comes from its form, not from the data.
static const double BEYOND = 0.5;
static const double ACCURACY_WEIGHT = 1.0 / 64; // of a new error in the running means

struct running {
    double mean;
    uint64_t n;
};

// Mean of all at first, later of about the last 64.
static void
running_add(struct running *r, double value)
{
    r->n++;
    double weight = fmax(1.0 / r->n, ACCURACY_WEIGHT);
    r->mean += weight * (value - r->mean);
}

struct offload_forecaster {
    struct offload_forecaster_options options;
    struct offload_history *history;
    size_t n_values; // pushed since the start, gaps apart
    size_t silent;   // gaps since the last value, which the states have not been moved over
    size_t since_fit;

    bool fitted;
    size_t period;
    size_t fit_values;
    struct offload_choice choice;
    // A model's own innovations know nothing of what it did not see coming: this widens them so
    // that the fan is as wide as the errors that the rolling origin met.
    double widen;
    void *state[OFFLOAD_MODELS_MAX];
    size_t state_bytes[OFFLOAD_MODELS_MAX];
    // [model][RESIDUALS], written at the same place for all, so that a path of the mix takes its
    // models' errors of the same steps and thereby keeps how they hang together.
    double *residual[OFFLOAD_MODELS_MAX];
    uint32_t residual_phase[RESIDUALS]; // the step's place in the season, below 'period'
    size_t n_residuals, next_residual;
    size_t phase; // of the step after the last value, which the states expect next

    // What the last run expects of the next step, for the accuracy.
    bool expecting;
    double expected, low80, high80;
    struct running error, naive_error, inside80;
};

struct offload_forecaster *
offload_forecaster_create(const struct offload_forecaster_options *options)
{
    assert(options->horizon > 0 && options->horizon <= OFFLOAD_HORIZON_MAX);
    assert(options->period <= OFFLOAD_PERIOD_MAX);
    struct offload_forecaster *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->options = *options;
    f->period = options->period ? options->period : 1;
    f->history = offload_history_create(options->capacity, options->step_s);
    if (!f->history) {
        free(f);
        return NULL;
    }
    return f;
}

static void
free_models(void **state, double **residual)
{
    for (size_t i = 0; i < offload_models_count(); i++) {
        free(state[i]);
        free(residual[i]);
    }
}

void
offload_forecaster_destroy(struct offload_forecaster *f)
{
    if (!f)
        return;
    free_models(f->state, f->residual);
    offload_history_destroy(f->history);
    free(f);
}

// ---- A step ----

static void
note_accuracy(struct offload_forecaster *f, double value)
{
    struct offload_series series = offload_history_series(f->history);
    if (series.n >= f->period) {
        double naive = value - series.value[series.n - f->period];
        if (!isnan(naive))
            running_add(&f->naive_error, fabs(naive));
    }
    if (!f->expecting)
        return;
    running_add(&f->error, fabs(value - f->expected));
    running_add(&f->inside80, value >= f->low80 && value <= f->high80);
}

// A censored step that lies below what was expected is no error: demand was at least that much.
static double
shown_to(const struct offload_model_ops *ops, const void *state, double value, bool censored)
{
    if (!censored)
        return value;
    double expected;
    ops->path(state, 1, NULL, NULL, &expected);
    return value < expected ? NAN : value;
}

static void
update_models(struct offload_forecaster *f, double value, bool censored)
{
    double innovation[OFFLOAD_MODELS_MAX];
    bool whole = true;
    for (size_t i = 0; offload_models[i]; i++) {
        if (!f->state[i])
            continue;
        for (size_t gap = 0; gap < f->silent; gap++)
            offload_models[i]->update(f->state[i], NAN, NULL);
        double shown = shown_to(offload_models[i], f->state[i], value, censored);
        innovation[i] = offload_models[i]->update(f->state[i], shown, NULL);
        whole &= !isnan(innovation[i]);
    }
    size_t phase = (f->phase + f->silent) % f->period;
    f->phase = (phase + 1) % f->period;
    if (!whole)
        return;
    for (size_t i = 0; offload_models[i]; i++)
        if (f->state[i])
            f->residual[i][f->next_residual] = innovation[i];
    f->residual_phase[f->next_residual] = (uint32_t)phase;
    f->next_residual = (f->next_residual + 1) % RESIDUALS;
    if (f->n_residuals < RESIDUALS)
        f->n_residuals++;
}

void
offload_forecaster_push(struct offload_forecaster *f, double value, bool censored, const double *x)
{
    (void)x;
    f->since_fit++;
    if (!isfinite(value)) {
        // The states stay at the last value: so the fan knows how long nothing was heard.
        offload_history_append(f->history, NAN, false);
        f->silent++;
        f->expecting = false;
        return;
    }
    if (!censored)
        note_accuracy(f, value);
    f->expecting = false;
    if (f->fitted)
        update_models(f, value, censored);
    offload_history_append(f->history, value, censored);
    f->silent = 0;
    f->n_values++;
}

// ---- Run ----

// splitmix64 (Steele, Lea, Flood 2014): small, and every seed is a good one.
static uint64_t
draw(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct run {
    const struct offload_forecaster *f;
    size_t skip;  // steps of the gap that are passed over without shocks
    size_t steps; // simulated ones: the rest of the gap and the horizon
    size_t block; // innovations that follow one another as they did
    double widen; // of the shocks
    void *state[OFFLOAD_MODELS_MAX];
    double least, most; // what a path may reach
    double *shock, *path, *mixed;
    size_t *from;   // which residual each step takes
    bool seasonal;  // blocks come from their own part of the season
    size_t n_drawn; // newest residuals that are drawn from
    // Those of them, counted from the oldest, at which a block may begin: [block][n_drawn].
    uint16_t *start;
    size_t *n_starts; // [block]
};

static void
run_fini(struct run *run)
{
    for (size_t i = 0; offload_models[i]; i++)
        free(run->state[i]);
    free(run->shock);
    free(run->from);
    free(run->start);
    free(run->n_starts);
}

static size_t
phases_apart(size_t a, size_t b, size_t period)
{
    size_t apart = a > b ? a - b : b - a;
    return apart < period - apart ? apart : period - apart;
}

// Where the 'k'th of those that are drawn from lies.
static size_t
residual_at(const struct run *run, size_t k)
{
    return (run->f->next_residual + RESIDUALS - run->n_drawn + k) % RESIDUALS;
}

// Lists where a block for 'phase' may begin: whole blocks of that phase in all seasons; where they
// are too few, of phases up to twice as far away, and so on.
static size_t
list_starts(const struct run *run, size_t phase, uint16_t *start)
{
    const struct offload_forecaster *f = run->f;
    size_t last = run->n_drawn - (run->seasonal ? run->block : 1), n = 0;
    size_t enough = last / 2 < DRAWN_MIN ? last / 2 : DRAWN_MIN;
    for (size_t away = run->seasonal ? 0 : f->period;; away = away ? 2 * away : 1) {
        n = 0;
        for (size_t k = 0; k <= last; k++) {
            size_t at = residual_at(run, k);
            if (phases_apart(f->residual_phase[at], phase, f->period) <= away)
                start[n++] = (uint16_t)k;
        }
        if ((n > 0 && n >= enough) || away >= f->period)
            return n;
    }
}

// Lists for each block. -ENOMEM.
static int
run_starts(struct run *run)
{
    const struct offload_forecaster *f = run->f;
    if (f->n_residuals == 0)
        return 0;
    size_t blocks = (run->steps + run->block - 1) / run->block;
    run->start = malloc(blocks * run->n_drawn * sizeof *run->start);
    run->n_starts = malloc(blocks * sizeof *run->n_starts);
    if (!run->start || !run->n_starts)
        return -ENOMEM;
    for (size_t b = 0; b < blocks; b++) {
        size_t phase = (f->phase + run->skip + b * run->block) % f->period;
        run->n_starts[b] = list_starts(run, phase, run->start + b * run->n_drawn);
    }
    return 0;
}

// What was seen, and some more.
static void
run_limits(struct run *run)
{
    const struct offload_forecaster *f = run->f;
    struct offload_series series = offload_history_series(f->history);
    double least = HUGE_VAL, most = -HUGE_VAL;
    size_t seen = 0;
    for (size_t t = 0; t < series.n; t++)
        if (!isnan(series.value[t])) {
            least = fmin(least, series.value[t]);
            most = fmax(most, series.value[t]);
            seen++;
        }
    double beyond = seen > 0 ? BEYOND * (most - least) * (1 + (double)run->steps / seen) : HUGE_VAL;
    run->most = seen >= 2 * f->period ? most + beyond : HUGE_VAL;
    run->least = f->options.signed_values ? seen >= 2 * f->period ? least - beyond : -HUGE_VAL : 0;
}

// Copies of the states, moved over what a long gap has more than GAP_STEPS_MAX.
static int
run_init(struct run *run, const struct offload_forecaster *f, size_t horizon)
{
    size_t gap = f->silent < GAP_STEPS_MAX ? f->silent : GAP_STEPS_MAX;
    *run = (struct run){.f = f, .skip = f->silent - gap, .steps = gap + horizon};
    run->seasonal = f->period > 1 && f->n_residuals >= SEASONS_MIN * f->period;
    run->n_drawn = !run->seasonal && f->n_residuals > DRAWN_NEWEST ? DRAWN_NEWEST : f->n_residuals;
    run->block = run->steps < run->n_drawn / 4 + 1 ? run->steps : run->n_drawn / 4 + 1;
    // A model whose errors do not add up (the naive ones, within a season) would not widen by
    // itself.
    run->widen =
        f->widen * sqrt(1 + (double)f->silent / (f->period > horizon ? f->period : horizon));
    run_limits(run);
    run->shock = malloc(3 * run->steps * sizeof *run->shock);
    run->from = malloc(run->steps * sizeof *run->from);
    if (!run->shock || !run->from)
        goto no_memory;
    run->path = run->shock + run->steps;
    run->mixed = run->path + run->steps;
    for (size_t i = 0; offload_models[i]; i++) {
        if (!f->state[i])
            continue;
        size_t bytes = f->state_bytes[i];
        run->state[i] = malloc(bytes);
        if (!run->state[i])
            goto no_memory;
        memcpy(run->state[i], f->state[i], bytes);
        for (size_t s = 0; s < run->skip; s++)
            offload_models[i]->update(run->state[i], NAN, NULL);
    }
    if (run_starts(run))
        goto no_memory;
    return 0;

no_memory:
    run_fini(run);
    return -ENOMEM;
}

// The weighted path of all models; 'shocked': with the innovations that run->from names.
static void
run_path(struct run *run, bool shocked)
{
    const struct offload_forecaster *f = run->f;
    for (size_t t = 0; t < run->steps; t++)
        run->mixed[t] = 0;
    for (size_t i = 0; offload_models[i]; i++) {
        if (!run->state[i])
            continue;
        for (size_t t = 0; shocked && t < run->steps; t++)
            run->shock[t] = run->widen * f->residual[i][run->from[t]];
        offload_models[i]->path(run->state[i], run->steps, NULL, shocked ? run->shock : NULL,
                                run->path);
        for (size_t t = 0; t < run->steps; t++)
            run->mixed[t] += f->choice.weight[i] * run->path[t];
    }
    for (size_t t = 0; t < run->steps; t++)
        run->mixed[t] = fmin(fmax(run->mixed[t], run->least), run->most);
}

static void
run_draw(struct run *run, uint64_t *random)
{
    size_t from = 0;
    for (size_t t = 0; t < run->steps; t++) {
        if (t % run->block == 0) {
            size_t b = t / run->block;
            from = run->start[b * run->n_drawn + draw(random) % run->n_starts[b]];
        }
        run->from[t] = residual_at(run, from++ % run->n_drawn);
    }
}

// Mean distance of the sample paths from the mean one, over the horizon; NAN without memory.
static double
spread_of(const struct offload_forecaster *f)
{
    struct run run;
    size_t horizon = f->options.horizon;
    double *mean = malloc(horizon * sizeof *mean);
    if (!mean || run_init(&run, f, horizon)) {
        free(mean);
        return NAN;
    }
    size_t gap = run.steps - horizon;
    uint64_t random = 1;
    double sum = 0;
    run_path(&run, false);
    memcpy(mean, run.mixed + gap, horizon * sizeof *mean);
    for (int p = 0; p < SPREAD_PATHS; p++) {
        run_draw(&run, &random);
        run_path(&run, true);
        for (size_t h = 0; h < horizon; h++)
            sum += fabs(run.mixed[gap + h] - mean[h]);
    }
    run_fini(&run);
    free(mean);
    return sum / (SPREAD_PATHS * (double)horizon);
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int
offload_forecaster_run(struct offload_forecaster *f, const double *x, uint64_t seed,
                       struct offload_fan *fan)
{
    (void)x;
    if (!f->fitted)
        return -EAGAIN;
    struct run run;
    int rc = run_init(&run, f, fan->horizon);
    if (rc)
        return rc;
    size_t gap = run.steps - fan->horizon;
    run_path(&run, false);
    memcpy(fan->mean, run.mixed + gap, fan->horizon * sizeof *fan->mean);
    for (size_t p = 0; p < fan->n_paths; p++) {
        if (f->n_residuals > 0) {
            run_draw(&run, &seed);
            run_path(&run, true);
        }
        fan->peak[p] = run.mixed[gap];
        for (size_t h = 0; h < fan->horizon; h++) {
            fan->sample[h * fan->n_paths + p] = run.mixed[gap + h];
            fan->peak[p] = fmax(fan->peak[p], run.mixed[gap + h]);
        }
    }
    run_fini(&run);
    for (size_t h = 0; h < fan->horizon; h++)
        qsort(fan->sample + h * fan->n_paths, fan->n_paths, sizeof *fan->sample, ascending);
    qsort(fan->peak, fan->n_paths, sizeof *fan->peak, ascending);
    f->expecting = true;
    f->expected = fan->mean[0];
    f->low80 = offload_fan_step(fan, 0, 0.1);
    f->high80 = offload_fan_step(fan, 0, 0.9);
    return 0;
}

// ---- Fit ----

double
offload_forecaster_fit_due(const struct offload_forecaster *f)
{
    if (f->n_values < 2)
        return 0;
    if (!f->fitted)
        return 2;
    if (f->silent)
        return 0; // nothing new to learn from
    // Once a season, and while history is short, each time that it has grown by a quarter.
    size_t every = f->fit_values / 4;
    size_t season = f->period > 1 ? f->period : 4 * REFIT_LEAST;
    if (every > season)
        every = season;
    if (every < REFIT_LEAST)
        every = REFIT_LEAST;
    return f->since_fit < every ? 0 : (double)f->since_fit / every;
}

// The newest innovations that all models have, oldest first.
static size_t
keep_residuals(double *const *innovation, void *const *state, size_t n, size_t period,
               double **residual, uint32_t *phase)
{
    size_t kept = 0, from = n;
    bool whole;
    while (from > 0 && kept < RESIDUALS) {
        from--;
        whole = true;
        for (size_t i = 0; offload_models[i]; i++)
            whole &= !state[i] || !isnan(innovation[i][from]);
        kept += whole;
    }
    size_t at = 0;
    for (size_t t = from; t < n; t++) {
        whole = true;
        for (size_t i = 0; offload_models[i]; i++)
            whole &= !state[i] || !isnan(innovation[i][t]);
        if (!whole)
            continue;
        for (size_t i = 0; offload_models[i]; i++)
            if (state[i])
                residual[i][at] = innovation[i][t];
        phase[at++] = (uint32_t)(t % period);
    }
    return kept;
}

// The history without the gaps at its end, on which the states are not to move.
static struct offload_series
series_to_last_value(const struct offload_forecaster *f)
{
    struct offload_series series = offload_history_series(f->history);
    while (series.n > 0 && isnan(series.value[series.n - 1]))
        series.n--;
    return series;
}

static int
fit_models(const struct offload_training *training, const struct offload_choice *choice,
           void **state, size_t *state_bytes, double **residual, uint32_t *phase,
           size_t *n_residuals)
{
    const struct offload_series *series = &training->series;
    double *innovation[OFFLOAD_MODELS_MAX] = {NULL};
    int rc = 0;
    for (size_t i = 0; rc == 0 && offload_models[i]; i++) {
        const struct offload_model_ops *ops = offload_models[i];
        if (choice->weight[i] == 0)
            continue;
        innovation[i] = malloc(series->n * sizeof **innovation);
        residual[i] = calloc(RESIDUALS, sizeof **residual);
        state_bytes[i] = ops->state_bytes(training);
        state[i] = malloc(state_bytes[i]);
        rc = innovation[i] && residual[i] && state[i]
                 ? ops->fit(state[i], training, innovation[i], NULL)
                 : -ENOMEM;
    }
    if (rc == 0)
        *n_residuals = keep_residuals(innovation, state, series->n,
                                      offload_training_period(training), residual, phase);
    for (size_t i = 0; offload_models[i]; i++)
        free(innovation[i]);
    return rc;
}

int
offload_forecaster_fit(struct offload_forecaster *f, struct offload_err *err)
{
    struct offload_series series = series_to_last_value(f);
    size_t period = f->options.period;
    if (period == 0)
        period = offload_period_detect(&series, OFFLOAD_PERIOD_MAX);
    struct offload_training training = {
        .series = series, .n_periods = period > 1, .period = {period}, .start_s = NAN};
    struct offload_choice choice;
    int rc = offload_select(&training, f->options.horizon, f->options.model, &choice, err);
    if (rc)
        return rc;
    void *state[OFFLOAD_MODELS_MAX] = {NULL};
    size_t state_bytes[OFFLOAD_MODELS_MAX] = {0};
    double *residual[OFFLOAD_MODELS_MAX] = {NULL};
    uint32_t phase[RESIDUALS];
    size_t n_residuals = 0;
    rc = fit_models(&training, &choice, state, state_bytes, residual, phase, &n_residuals);
    if (rc) {
        free_models(state, residual);
        return offload_err_set(err, rc, "", NULL, "the chosen models do not fit %zu steps",
                               series.n);
    }
    free_models(f->state, f->residual);
    memcpy(f->state, state, sizeof state);
    memcpy(f->state_bytes, state_bytes, sizeof state_bytes);
    memcpy(f->residual, residual, sizeof residual);
    memcpy(f->residual_phase, phase, n_residuals * sizeof *phase);
    f->n_residuals = n_residuals;
    f->next_residual = n_residuals % RESIDUALS;
    f->choice = choice;
    f->period = period;
    f->phase = series.n % period;
    f->fit_values = f->n_values;
    f->since_fit = 0;
    f->fitted = true;
    f->widen = 1;
    double spread = n_residuals ? spread_of(f) : NAN;
    if (spread > 0 && choice.chosen_mae > spread)
        f->widen = fmin(choice.chosen_mae / spread, WIDEN_MAX);
    return 0;
}

bool
offload_forecaster_fitted(const struct offload_forecaster *f)
{
    return f->fitted;
}

// ---- What can be asked ----

struct offload_accuracy
offload_forecaster_accuracy(const struct offload_forecaster *f)
{
    struct offload_accuracy accuracy = {NAN, NAN};
    if (f->error.n < ACCURACY_MIN)
        return accuracy;
    accuracy.cov80 = f->inside80.mean;
    if (f->naive_error.mean > 0)
        accuracy.mase = f->error.mean / f->naive_error.mean;
    return accuracy;
}

size_t
offload_forecaster_silent_steps(const struct offload_forecaster *f)
{
    return f->silent;
}

size_t
offload_forecaster_period(const struct offload_forecaster *f)
{
    return f->period;
}

size_t
offload_forecaster_values(const struct offload_forecaster *f)
{
    return f->n_values;
}

size_t
offload_forecaster_bytes(const struct offload_forecaster *f)
{
    size_t bytes = sizeof *f + 2 * f->options.capacity * (sizeof(double) + 1);
    for (size_t i = 0; offload_models[i]; i++)
        if (f->state[i])
            bytes += f->state_bytes[i] + RESIDUALS * sizeof(double);
    return bytes;
}

void
offload_forecaster_explain(const struct offload_forecaster *f, char *buf, size_t size)
{
    if (!f->fitted) {
        snprintf(buf, size, "not fitted yet: %zu values", f->n_values);
        return;
    }
    size_t length = 0;
    for (size_t i = 0; offload_models[i] && length < size; i++) {
        if (!f->state[i])
            continue;
        char text[160];
        offload_models[i]->describe(f->state[i], text, sizeof text);
        length += snprintf(buf + length, size - length, "%s%.2f x %s", length ? " + " : "",
                           f->choice.weight[i], text);
    }
    if (length < size)
        snprintf(buf + length, size - length, "; %s", f->choice.why);
}
