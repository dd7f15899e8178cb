// SPDX-License-Identifier: Apache-2.0
// One series' forecaster: history, regressors, fitted models, their mix, its fan and its accuracy.
// resample -> series -> [forecaster: period, select, fit; update; path] -> spread -> fan -> score.
// Pure.

#include <offload/forecast.h>

#include "lib/forecast/clean.h"
#include "lib/forecast/spread.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GAP_STEPS_MAX = 256,  // of a gap that are simulated; a longer one is no less certain
    REFIT_LEAST = 8,      // steps between two fits, at least
    REFITS_MAX = 6,       // estimations before models are selected again
    DOUBT_MIN = 16,       // values before one is doubted
    ACCURACY_MIN = 8,     // values before accuracy is told
    SIMULATED = 40,       // trajectories, where there was no room to compare
    TRAJECTORIES_MIN = 16 // or simulated ones stand beside those met
};

// A path leaves the range of history by at most this part of the range (and more where history is
// short for the horizon): what a model says beyond comes from its form, not from the data.
static const double BEYOND = 0.5;
// A value this part of history's range beyond it was never seen: models are not shown it until the
// next value confirms it, for one reading is an accident and two are a change.
static const double UNSEEN = 0.5;
static const double REFIT_BUDGET = 15e6;        // operations, as select.c counts them
static const double ACCURACY_WEIGHT = 1.0 / 64; // of a new error in the running means
// Simulated errors know nothing of what a model did not see coming; those met by few origins widen
// them by at most this.
static const double WIDEN_MAX = 3;

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

// What was fitted: replaced as a whole.
struct fitted {
    struct offload_choice choice;
    size_t n_periods, period[OFFLOAD_PERIODS_MAX];
    size_t n_x, x_column[OFFLOAD_REGRESSORS_MAX]; // the regressors that vary
    void *state[OFFLOAD_MEMBERS_MAX];
    size_t state_bytes[OFFLOAD_MEMBERS_MAX];
    struct spread spread;
};

struct offload_forecaster {
    struct offload_forecaster_options options;
    struct offload_history *history;
    float *x;         // [capacity][n_regressors], a ring; NAN: not known
    size_t x_next;    // where the next row goes
    char **name;      // [n_regressors]
    size_t n_values;  // pushed since the start, gaps apart
    uint64_t n_steps; // gaps and all
    size_t silent;    // gaps since the last value, which the states have not been moved over
    size_t since_fit;

    bool fitted;
    struct fitted fit;
    size_t fit_values, refits;
    size_t phase;                 // of the step after the last value, which the states expect next
    double seen_least, seen_most; // of the values that are believed
    bool doubted;                 // the last value was not

    // What the last run expects of the next step, for the accuracy.
    bool expecting;
    double expected, low80, high80;
    struct running error, naive_error, inside80;
};

static size_t
first_period(const struct fitted *fit)
{
    return fit->n_periods ? fit->period[0] : 1;
}

static void
fitted_fini(struct fitted *fit)
{
    for (size_t m = 0; m < OFFLOAD_MEMBERS_MAX; m++)
        free(fit->state[m]);
    spread_fini(&fit->spread);
}

static int
copy_names(struct offload_forecaster *f)
{
    size_t n = f->options.n_regressors;
    f->name = calloc(n, sizeof *f->name);
    f->x = malloc(f->options.capacity * n * sizeof *f->x);
    if (!f->name || !f->x)
        return -ENOMEM;
    for (size_t i = 0; i < f->options.capacity * n; i++)
        f->x[i] = NAN;
    for (size_t k = 0; k < n; k++)
        if (!(f->name[k] = strdup(f->options.regressor[k])))
            return -ENOMEM;
    f->options.regressor = (const char *const *)f->name;
    return 0;
}

struct offload_forecaster *
offload_forecaster_create(const struct offload_forecaster_options *options)
{
    assert(options->horizon > 0 && options->horizon <= OFFLOAD_HORIZON_MAX);
    assert(options->period <= OFFLOAD_PERIOD_MAX);
    assert(options->n_regressors <= OFFLOAD_REGRESSORS_MAX);
    struct offload_forecaster *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->options = *options;
    f->fit.period[0] = options->period;
    f->fit.n_periods = options->period > 1;
    f->history = offload_history_create(options->capacity, options->step_s);
    if (!f->history || (options->n_regressors && copy_names(f))) {
        offload_forecaster_destroy(f);
        return NULL;
    }
    return f;
}

void
offload_forecaster_destroy(struct offload_forecaster *f)
{
    if (!f)
        return;
    fitted_fini(&f->fit);
    offload_history_destroy(f->history);
    for (size_t k = 0; f->name && k < f->options.n_regressors; k++)
        free(f->name[k]);
    free(f->name);
    free(f->x);
    free(f);
}

// ---- Regressors ----

// The row pushed 'back' steps ago (0: the newest), NULL if it is not kept.
static float *
x_back(const struct offload_forecaster *f, size_t back)
{
    size_t capacity = f->options.capacity;
    if (back >= capacity || back >= f->n_steps)
        return NULL;
    return f->x + (f->x_next + capacity - 1 - back) % capacity * f->options.n_regressors;
}

// What is not known is as it was a season ago, or else as it was last.
static double
x_guess(const struct offload_forecaster *f, size_t back, size_t column)
{
    const float *season = x_back(f, back + first_period(&f->fit));
    if (first_period(&f->fit) > 1 && season && !isnan(season[column]))
        return season[column];
    const float *before = x_back(f, back + 1);
    return before && !isnan(before[column]) ? before[column] : 0;
}

static void
x_push(struct offload_forecaster *f, const double *x)
{
    size_t n = f->options.n_regressors;
    if (n == 0)
        return;
    float *row = f->x + f->x_next * n;
    f->x_next = f->x_next + 1 == f->options.capacity ? 0 : f->x_next + 1;
    for (size_t k = 0; k < n; k++)
        row[k] = x && isfinite(x[k]) ? (float)x[k] : NAN;
    for (size_t k = 0; k < n; k++)
        if (isnan(row[k]))
            row[k] = (float)x_guess(f, 0, k);
}

// The columns that models get, of the row 'back' steps ago.
static void
x_used(const struct offload_forecaster *f, size_t back, double *out)
{
    const float *row = x_back(f, back);
    for (size_t k = 0; k < f->fit.n_x; k++)
        out[k] = row ? row[f->fit.x_column[k]] : 0;
}

// Rows of 'gap' steps since the last value and of the future: [gap + horizon][n_x].
static void
x_ahead(const struct offload_forecaster *f, size_t gap, size_t horizon, const double *future,
        double *out)
{
    size_t n_x = f->fit.n_x, n = f->options.n_regressors, period = first_period(&f->fit);
    for (size_t g = 0; g < gap; g++)
        x_used(f, gap - 1 - g, out + g * n_x);
    for (size_t h = 0; h < horizon; h++)
        for (size_t k = 0; k < n_x; k++) {
            size_t column = f->fit.x_column[k];
            double value = future ? future[h * n + column] : NAN;
            if (!isfinite(value)) {
                // A season ago, which may itself lie ahead.
                const float *season =
                    period > 1 ? x_back(f, period - 1 - h % period) : x_back(f, 0);
                value = season ? season[column] : x_back(f, 0) ? x_back(f, 0)[column] : 0;
            }
            out[(gap + h) * n_x + k] = value;
        }
}

// ---- A step ----

static void
note_accuracy(struct offload_forecaster *f, double value)
{
    struct offload_series series = offload_history_series(f->history);
    size_t period = first_period(&f->fit);
    if (series.n >= period) {
        double naive = value - series.value[series.n - period];
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
shown_to(const struct offload_model_ops *ops, const void *state, const double *x, double value,
         bool censored)
{
    if (!censored)
        return value;
    double expected;
    ops->path(state, 1, x, NULL, &expected);
    return value < expected ? NAN : value;
}

// Whether 'value' is far beyond what was seen, and the value before was not.
static bool
is_doubtful(struct offload_forecaster *f, double value)
{
    double beyond = UNSEEN * (f->seen_most - f->seen_least);
    bool far = f->seen_most > f->seen_least &&
               (value > f->seen_most + beyond || value < f->seen_least - beyond);
    f->doubted = far && !f->doubted;
    if (!f->doubted) {
        f->seen_least = fmin(f->seen_least, value);
        f->seen_most = fmax(f->seen_most, value);
    }
    return f->doubted;
}

// The states were left at the last value: they move over the gap since then, and to 'value'.
static void
update_models(struct offload_forecaster *f, double value, bool censored)
{
    double row[OFFLOAD_REGRESSORS_MAX];
    const struct offload_choice *choice = &f->fit.choice;
    bool doubtful = is_doubtful(f, value);
    for (size_t back = f->silent + 1; back-- > 0;) {
        x_used(f, back, row);
        for (size_t m = 0; m < choice->n_members; m++) {
            const struct offload_model_ops *ops = offload_models[choice->member[m].model];
            const double *x = choice->member[m].x ? row : NULL;
            void *state = f->fit.state[m];
            ops->update(state, back || doubtful ? NAN : shown_to(ops, state, x, value, censored),
                        x);
        }
    }
    f->phase = (f->phase + f->silent + 1) % first_period(&f->fit);
}

void
offload_forecaster_push(struct offload_forecaster *f, double value, bool censored, const double *x)
{
    f->since_fit++;
    f->n_steps++;
    x_push(f, x);
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

struct run {
    const struct offload_forecaster *f;
    size_t skip;          // steps of the gap that are passed over
    size_t gap;           // its other steps
    size_t steps;         // those and the horizon
    double widen;         // of the errors
    double least, most;   // what a path may reach
    double *x;            // [steps][n_x]
    double *path, *mixed; // [steps]
};

static void
run_fini(struct run *run)
{
    free(run->path);
    free(run->x);
}

// What was seen, and some more.
static void
run_limits(struct run *run)
{
    const struct offload_forecaster *f = run->f;
    struct offload_series series = offload_history_series(f->history);
    double least = HUGE_VAL, most = -HUGE_VAL;
    size_t seen = 0, period = first_period(&f->fit);
    for (size_t t = 0; t < series.n; t++)
        if (!isnan(series.value[t])) {
            least = fmin(least, series.value[t]);
            most = fmax(most, series.value[t]);
            seen++;
        }
    double beyond = seen > 0 ? BEYOND * (most - least) * (1 + (double)run->steps / seen) : HUGE_VAL;
    run->most = seen >= 2 * period ? most + beyond : HUGE_VAL;
    run->least = f->options.signed_values ? seen >= 2 * period ? least - beyond : -HUGE_VAL : 0;
}

static int
run_init(struct run *run, const struct offload_forecaster *f, size_t horizon, const double *x)
{
    size_t gap = f->silent < GAP_STEPS_MAX ? f->silent : GAP_STEPS_MAX;
    size_t period = first_period(&f->fit);
    *run = (struct run){.f = f, .skip = f->silent - gap, .gap = gap, .steps = gap + horizon};
    // A model whose errors do not add up (the naive ones, within a season) would not widen by
    // itself.
    run->widen = sqrt(1 + (double)f->silent / (period > horizon ? period : horizon));
    run_limits(run);
    run->path = malloc(2 * run->steps * sizeof *run->path);
    run->x = malloc((run->steps * f->fit.n_x + 1) * sizeof *run->x);
    if (!run->path || !run->x) {
        run_fini(run);
        return -ENOMEM;
    }
    run->mixed = run->path + run->steps;
    x_ahead(f, gap, horizon, x, run->x);
    return 0;
}

// The path of member 'm' if nothing unexpected comes.
static int
member_path(const struct run *run, size_t m)
{
    const struct fitted *fit = &run->f->fit;
    const struct offload_member *member = &fit->choice.member[m];
    const struct offload_model_ops *ops = offload_models[member->model];
    double row[OFFLOAD_REGRESSORS_MAX];
    void *state = fit->state[m];
    if (run->skip) {
        state = malloc(fit->state_bytes[m]);
        if (!state)
            return -ENOMEM;
        memcpy(state, fit->state[m], fit->state_bytes[m]);
        for (size_t s = 0; s < run->skip; s++) {
            x_used(run->f, run->f->silent - 1 - s, row);
            ops->update(state, NAN, member->x ? row : NULL);
        }
    }
    ops->path(state, run->steps, member->x ? run->x : NULL, NULL, run->path);
    if (run->skip)
        free(state);
    return 0;
}

// The weighted path of all members.
static int
mean_path(const struct run *run)
{
    const struct offload_choice *choice = &run->f->fit.choice;
    memset(run->mixed, 0, run->steps * sizeof *run->mixed);
    for (size_t m = 0; m < choice->n_members; m++) {
        int rc = member_path(run, m);
        if (rc)
            return rc;
        for (size_t t = 0; t < run->steps; t++)
            run->mixed[t] += choice->member[m].weight * run->path[t];
    }
    return 0;
}

static double
within(const struct run *run, double value)
{
    return fmin(fmax(value, run->least), run->most);
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void
sample_paths(const struct run *run, uint64_t seed, struct offload_fan *fan)
{
    const struct offload_forecaster *f = run->f;
    const double *mean = run->mixed + run->gap;
    size_t phase = (f->phase + f->silent) % first_period(&f->fit);
    for (size_t p = 0; p < fan->n_paths; p++) {
        spread_draw(&f->fit.spread, &seed, phase, f->silent, fan->horizon, run->path);
        fan->peak[p] = -HUGE_VAL;
        for (size_t h = 0; h < fan->horizon; h++) {
            double value = within(run, mean[h] + run->widen * run->path[h]);
            fan->sample[h * fan->n_paths + p] = value;
            fan->peak[p] = fmax(fan->peak[p], value);
        }
    }
    for (size_t h = 0; h < fan->horizon; h++)
        qsort(fan->sample + h * fan->n_paths, fan->n_paths, sizeof *fan->sample, ascending);
    qsort(fan->peak, fan->n_paths, sizeof *fan->peak, ascending);
}

int
offload_forecaster_run(struct offload_forecaster *f, const double *x, uint64_t seed,
                       struct offload_fan *fan)
{
    if (!f->fitted)
        return -EAGAIN;
    struct run run;
    int rc = run_init(&run, f, fan->horizon, x);
    if (rc)
        return rc;
    rc = mean_path(&run);
    if (rc == 0) {
        for (size_t h = 0; h < fan->horizon; h++)
            fan->mean[h] = within(&run, run.mixed[run.gap + h]);
        sample_paths(&run, seed, fan);
        f->expecting = true;
        f->expected = fan->mean[0];
        f->low80 = offload_fan_step(fan, 0, 0.1);
        f->high80 = offload_fan_step(fan, 0, 0.9);
    }
    run_fini(&run);
    return rc;
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
    size_t every = f->fit_values / 4, period = first_period(&f->fit);
    size_t season = period > 1 ? period : 4 * REFIT_LEAST;
    if (every > season)
        every = season;
    if (every < REFIT_LEAST)
        every = REFIT_LEAST;
    return f->since_fit < every ? 0 : (double)f->since_fit / every;
}

void
offload_forecaster_forget_choice(struct offload_forecaster *f)
{
    f->refits = REFITS_MAX;
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

static void
find_periods(const struct offload_forecaster *f, const struct offload_series *series,
             struct fitted *fit)
{
    fit->n_periods = 0;
    if (f->options.period == 0)
        fit->n_periods =
            offload_periods_detect(series, OFFLOAD_PERIOD_MAX, fit->period, OFFLOAD_PERIODS_MAX);
    if (f->options.period <= 1)
        return;
    fit->period[fit->n_periods++] = f->options.period;
    for (size_t k = 0; k < OFFLOAD_PERIODS_MAX - 1 && f->options.longer[k]; k++)
        if (2 * f->options.longer[k] <= series->n)
            fit->period[fit->n_periods++] = f->options.longer[k];
}

// The regressors that vary over history, as one matrix [n][n_x] (caller frees; NULL: none, or no
// memory).
static double *
gather_x(const struct offload_forecaster *f, size_t n, struct fitted *fit)
{
    fit->n_x = 0;
    for (size_t k = 0; k < f->options.n_regressors; k++) {
        bool varies = false;
        for (size_t t = 1; t < n && !varies; t++)
            varies = x_back(f, f->silent + t)[k] != x_back(f, f->silent)[k];
        if (varies)
            fit->x_column[fit->n_x++] = k;
    }
    double *x = fit->n_x ? malloc(n * fit->n_x * sizeof *x) : NULL;
    if (!x)
        fit->n_x = 0;
    for (size_t t = 0; x && t < n; t++)
        for (size_t k = 0; k < fit->n_x; k++)
            x[t * fit->n_x + k] = x_back(f, f->silent + n - 1 - t)[fit->x_column[k]];
    return x;
}

struct fitting {
    struct offload_training training;
    struct clean clean;           // holds the values of it
    double *value;                // the training's, if the last one is doubted, or NULL
    double seen_least, seen_most; // of the values that are believed
    const char *name[OFFLOAD_REGRESSORS_MAX];
    double *x;
    double *innovation[OFFLOAD_MEMBERS_MAX];
};

static void
fitting_fini(struct fitting *fitting)
{
    free(fitting->x);
    free(fitting->value);
    clean_fini(&fitting->clean);
    for (size_t m = 0; m < OFFLOAD_MEMBERS_MAX; m++)
        free(fitting->innovation[m]);
}

// Takes the last value away if nothing like it came before.
static void
doubt_last(struct fitting *fitting, struct offload_series *series)
{
    double least = HUGE_VAL, most = -HUGE_VAL;
    size_t seen = 0;
    for (size_t t = 0; t + 1 < series->n; t++)
        if (!isnan(series->value[t])) {
            least = fmin(least, series->value[t]);
            most = fmax(most, series->value[t]);
            seen++;
        }
    double last = series->n ? series->value[series->n - 1] : NAN;
    double beyond = UNSEEN * (most - least);
    bool far = seen >= DOUBT_MIN && most > least && (last > most + beyond || last < least - beyond);
    if (far && (fitting->value = malloc(series->n * sizeof *fitting->value))) {
        memcpy(fitting->value, series->value, series->n * sizeof *fitting->value);
        fitting->value[series->n - 1] = NAN;
        series->value = fitting->value;
    }
    fitting->seen_least = far ? least : fmin(least, last);
    fitting->seen_most = far ? most : fmax(most, last);
}

// Takes anomalous spells away, but none in the first season, which has nothing to stand out from,
// and none in the last one or a horizon: what is odd there may be how it goes on.
static void
clean_middle(struct fitting *fitting, size_t horizon)
{
    const struct offload_training raw = fitting->training;
    size_t period = offload_training_period(&raw), n = raw.series.n;
    size_t last = period > horizon ? period : horizon;
    if (n <= period + last || clean_init(&fitting->clean, &raw))
        return;
    for (size_t t = 0; t < n; t++)
        if (t < period || t + last >= n)
            fitting->clean.value[t] = raw.series.value[t];
    fitting->training = fitting->clean.training;
}

static void
fitting_init(struct fitting *fitting, const struct offload_forecaster *f, struct fitted *fit)
{
    struct offload_series series = series_to_last_value(f);
    *fitting = (struct fitting){.x = gather_x(f, series.n, fit)};
    doubt_last(fitting, &series);
    find_periods(f, &series, fit);
    for (size_t k = 0; k < fit->n_x; k++)
        fitting->name[k] = f->options.regressor[fit->x_column[k]];
    uint64_t before = f->n_steps - f->silent - series.n;
    fitting->training = (struct offload_training){
        .series = series,
        .x = {.n = fit->n_x, .name = fitting->name, .value = fitting->x, .rows = series.n},
        .n_periods = fit->n_periods,
        .start_s =
            f->options.start_s > 0 ? f->options.start_s + f->options.step_s * (double)before : NAN,
        .seed = f->options.seed,
    };
    memcpy(fitting->training.period, fit->period, sizeof fit->period);
    clean_middle(fitting, f->options.horizon);
}

static int
fit_member(struct fitting *fitting, struct fitted *fit, size_t m, const void *warm,
           struct offload_err *err)
{
    const struct offload_member *member = &fit->choice.member[m];
    const struct offload_model_ops *ops = offload_models[member->model];
    struct offload_training own = offload_member_training(&fitting->training, member);
    own.warm = warm;
    fit->state_bytes[m] = ops->state_bytes(&own);
    fit->state[m] = malloc(fit->state_bytes[m]);
    fitting->innovation[m] = malloc(own.series.n * sizeof *fitting->innovation[m]);
    if (!fit->state[m] || !fitting->innovation[m])
        return offload_err_set(err, -ENOMEM, "", NULL, "no memory to fit models");
    return ops->fit(fit->state[m], &own, fitting->innovation[m], err);
}

static int
fit_members(struct fitting *fitting, struct fitted *fit, struct offload_err *err)
{
    for (size_t m = 0; m < fit->choice.n_members; m++) {
        int rc = fit_member(fitting, fit, m, NULL, err);
        if (rc)
            return rc;
    }
    return 0;
}

// Estimates from where the members of 'before' stand: one of them in turn, and of the others what
// the budget allows. The rest go on as they are; they have moved with each value.
static int
refit_members(struct fitting *fitting, struct fitted *fit, const struct fitted *before, size_t turn)
{
    double budget = REFIT_BUDGET;
    size_t n = fit->choice.n_members;
    for (size_t k = 0; k < n; k++) {
        size_t m = (turn + k) % n;
        double cost = offload_member_cost(&fitting->training, &fit->choice.member[m]);
        int rc = 0;
        if (k == 0 || cost <= budget) {
            budget -= cost;
            rc = fit_member(fitting, fit, m, before->state[m], NULL);
        } else {
            fit->state_bytes[m] = before->state_bytes[m];
            fit->state[m] = malloc(before->state_bytes[m]);
            if (!fit->state[m])
                return -ENOMEM;
            memcpy(fit->state[m], before->state[m], before->state_bytes[m]);
        }
        if (rc)
            return rc;
    }
    return 0;
}

// ---- Trajectories of errors where there was no room to meet any ----

// Steps whose innovations all members have. Returns their number.
static size_t
whole_steps(const struct fitting *fitting, const struct fitted *fit, size_t *step)
{
    size_t n = 0;
    for (size_t t = 0; t < fitting->training.series.n; t++) {
        bool whole = true;
        for (size_t m = 0; m < fit->choice.n_members; m++)
            whole &= isfinite(fitting->innovation[m][t]);
        if (whole)
            step[n++] = t;
    }
    return n;
}

// Sample paths less the mean one: innovations drawn in blocks, for they follow one another.
// Kuensch, The jackknife and the bootstrap for general stationary observations, Ann. Statist. 17
// (1989).
static int
simulate_by_shocks(const struct fitting *fitting, const struct fitted *fit, const size_t *step,
                   size_t n_steps, struct offload_errors *errors)
{
    size_t horizon = errors->horizon, block = n_steps / 4 + 1;
    double *shock = malloc(3 * horizon * sizeof *shock);
    double *x = calloc(horizon * fit->n_x + 1, sizeof *x);
    uint64_t random = fitting->training.seed;
    if (!shock || !x) {
        free(shock);
        free(x);
        return -ENOMEM;
    }
    double *path = shock + horizon, *mean = path + horizon;
    for (size_t o = 0; o < errors->n_origins; o++) {
        uint64_t seed = spread_random(&random);
        double *error = errors->error + o * horizon;
        memset(error, 0, horizon * sizeof *error);
        for (size_t m = 0; m < fit->choice.n_members; m++) {
            const struct offload_member *member = &fit->choice.member[m];
            const struct offload_model_ops *ops = offload_models[member->model];
            uint64_t draw = seed;
            for (size_t h = 0, from = 0; h < horizon; h++, from++) {
                if (h % block == 0)
                    from = spread_random(&draw) % n_steps;
                shock[h] = fitting->innovation[m][step[from % n_steps]];
            }
            ops->path(fit->state[m], horizon, member->x ? x : NULL, NULL, mean);
            ops->path(fit->state[m], horizon, member->x ? x : NULL, shock, path);
            for (size_t h = 0; h < horizon; h++)
                error[h] += member->weight * (path[h] - mean[h]);
        }
    }
    free(shock);
    free(x);
    return 0;
}

// Two or three values: it may go on as it did between them, or not at all; without any change so
// far, by a tenth of what there is.
static void
simulate_by_walk(const struct offload_series *series, uint64_t seed, struct offload_errors *errors)
{
    double change = 0, last = NAN, n = 0, size = 0;
    for (size_t t = 0; t < series->n; t++) {
        if (isnan(series->value[t]))
            continue;
        if (!isnan(last)) {
            change += fabs(series->value[t] - last);
            n++;
        }
        last = series->value[t];
        size = fmax(size, fabs(last));
    }
    change = change > 0 ? change / n : size / 10;
    for (size_t o = 0; o < errors->n_origins; o++) {
        double at = 0;
        for (size_t h = 0; h < errors->horizon; h++)
            errors->error[o * errors->horizon + h] = at +=
                change * 2 * (2 * spread_uniform(&seed) - 1);
    }
}

static double
mean_size(const struct offload_errors *errors)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < errors->n_origins * errors->horizon; i++)
        if (!isnan(errors->error[i])) {
            sum += fabs(errors->error[i]);
            n++;
        }
    return n > 0 ? sum / n : 0;
}

// Makes 'errors' of simulated trajectories; those met before, too few to stand alone, tell how
// wide.
static int
simulate_errors(const struct fitting *fitting, const struct fitted *fit, size_t horizon,
                struct offload_errors *errors)
{
    size_t n = fitting->training.series.n;
    struct offload_errors made = {.n_origins = SIMULATED, .horizon = horizon};
    size_t *step = malloc(n * sizeof *step);
    made.error = malloc(SIMULATED * horizon * sizeof *made.error);
    made.from = malloc(SIMULATED * sizeof *made.from);
    int rc = step && made.error && made.from ? 0 : -ENOMEM;
    size_t n_steps = rc ? 0 : whole_steps(fitting, fit, step);
    for (size_t o = 0; rc == 0 && o < SIMULATED; o++)
        made.from[o] = n;
    if (rc == 0 && n_steps >= 2)
        rc = simulate_by_shocks(fitting, fit, step, n_steps, &made);
    else if (rc == 0)
        simulate_by_walk(&fitting->training.series, fitting->training.seed, &made);
    free(step);
    if (rc) {
        offload_errors_fini(&made);
        return rc;
    }
    double met = mean_size(errors), simulated = mean_size(&made);
    double widen = simulated > 0 ? fmin(fmax(met / simulated, 1), WIDEN_MAX) : 1;
    for (size_t i = 0; i < SIMULATED * horizon; i++)
        made.error[i] *= widen;
    offload_errors_fini(errors);
    *errors = made;
    return 0;
}

// ---- ... and fit ----

static int
select_and_fit(const struct offload_forecaster *f, struct fitting *fitting, struct fitted *fit,
               struct offload_err *err)
{
    struct offload_errors errors = {0};
    int rc = offload_select(&fitting->training, f->options.horizon, f->options.model, 0,
                            &fit->choice, &errors, err);
    if (rc)
        return rc;
    rc = fit_members(fitting, fit, err);
    if (rc == 0)
        spread_revert(&errors, &fitting->training.series, first_period(fit));
    if (rc == 0 && errors.n_origins < TRAJECTORIES_MIN)
        rc = simulate_errors(fitting, fit, f->options.horizon, &errors);
    if (rc == 0)
        rc = spread_init(&fit->spread, &errors, first_period(fit));
    offload_errors_fini(&errors);
    return rc;
}

// Whether what was selected still holds: nothing has been added that would be tried now.
static bool
choice_holds(const struct offload_forecaster *f, const struct fitted *now)
{
    return f->fitted && f->refits < REFITS_MAX && f->fit.choice.n_origins > 0 &&
           f->fit.n_periods == now->n_periods && f->fit.n_x == now->n_x &&
           !memcmp(f->fit.period, now->period, now->n_periods * sizeof *now->period) &&
           !memcmp(f->fit.x_column, now->x_column, now->n_x * sizeof *now->x_column);
}

int
offload_forecaster_fit(struct offload_forecaster *f, struct offload_err *err)
{
    struct fitted fit = {0};
    struct fitting fitting;
    fitting_init(&fitting, f, &fit);
    bool holds = choice_holds(f, &fit);
    int rc = -EDOM;
    if (holds) {
        fit.choice = f->fit.choice;
        rc = refit_members(&fitting, &fit, &f->fit, f->refits);
        if (rc) {
            fitted_fini(&fit);
            memset(fit.state, 0, sizeof fit.state);
            holds = false;
        } else {
            fit.spread = f->fit.spread;
            f->fit.spread = (struct spread){0};
        }
    }
    if (!holds)
        rc = select_and_fit(f, &fitting, &fit, err);
    size_t n = fitting.training.series.n;
    bool doubted = fitting.value != NULL;
    double least = fitting.seen_least, most = fitting.seen_most;
    fitting_fini(&fitting);
    if (rc) {
        fitted_fini(&fit);
        return rc;
    }
    f->doubted = doubted;
    f->seen_least = least;
    f->seen_most = most;
    fitted_fini(&f->fit);
    f->fit = fit;
    f->phase = n % first_period(&fit);
    f->fit_values = f->n_values;
    f->refits = holds ? f->refits + 1 : 0;
    f->since_fit = 0;
    f->fitted = true;
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
    return first_period(&f->fit);
}

size_t
offload_forecaster_periods(const struct offload_forecaster *f, size_t period[OFFLOAD_PERIODS_MAX])
{
    memcpy(period, f->fit.period, sizeof f->fit.period);
    return f->fit.n_periods;
}

size_t
offload_forecaster_values(const struct offload_forecaster *f)
{
    return f->n_values;
}

struct offload_series
offload_forecaster_history(const struct offload_forecaster *f)
{
    return offload_history_series(f->history);
}

size_t
offload_forecaster_bytes(const struct offload_forecaster *f)
{
    size_t bytes = sizeof *f + offload_history_bytes(f->history) + spread_bytes(&f->fit.spread);
    bytes += f->options.capacity * f->options.n_regressors * sizeof *f->x;
    for (size_t m = 0; m < f->fit.choice.n_members; m++)
        bytes += f->fit.state_bytes[m];
    return bytes;
}

const struct offload_choice *
offload_forecaster_choice(const struct offload_forecaster *f)
{
    return f->fitted ? &f->fit.choice : NULL;
}

void
offload_forecaster_explain(const struct offload_forecaster *f, char *buf, size_t size)
{
    if (!f->fitted) {
        snprintf(buf, size, "not fitted yet: %zu values", f->n_values);
        return;
    }
    const struct offload_choice *choice = &f->fit.choice;
    size_t length = 0;
    for (size_t m = 0; m < choice->n_members && length < size; m++) {
        char text[160];
        offload_models[choice->member[m].model]->describe(f->fit.state[m], text, sizeof text);
        length += (size_t)snprintf(buf + length, size - length, "%s%.2f x %s", m ? " + " : "",
                                   choice->member[m].weight, text);
    }
    if (length < size)
        snprintf(buf + length, size - length, "; %s", choice->why);
}

// ---- Components ----

static void
add_component(struct offload_component *component, size_t *n, size_t max, const char *name,
              double first, double peak)
{
    size_t i = 0;
    while (i < *n && strcmp(component[i].name, name))
        i++;
    if (i == max)
        return;
    if (i == *n) {
        component[i] = (struct offload_component){.measure = "sum"};
        snprintf(component[i].name, sizeof component[i].name, "%s", name);
        ++*n;
    }
    component[i].first += first;
    component[i].peak += peak;
}

// The parts of member 'm', whose path is in run->path, by its weight.
static void
add_member(const struct run *run, size_t m, size_t peak_step, struct offload_component *component,
           size_t *n, size_t max)
{
    enum { PARTS_MAX = 16 };
    struct offload_component part[PARTS_MAX];
    const struct offload_member *member = &run->f->fit.choice.member[m];
    const struct offload_model_ops *ops = offload_models[member->model];
    size_t parts = ops->components && run->gap == 0
                       ? ops->components(run->f->fit.state[m], run->steps,
                                         member->x ? run->x : NULL, part, PARTS_MAX)
                       : 0;
    bool sums = parts > 0;
    for (size_t i = 0; i < parts; i++)
        sums &= !strcmp(part[i].measure, "sum");
    for (size_t i = 0; sums && i < parts; i++)
        add_component(component, n, max, part[i].name, member->weight * part[i].first,
                      member->weight * part[i].peak);
    if (!sums)
        add_component(component, n, max, ops->name, member->weight * run->path[run->gap],
                      member->weight * run->path[peak_step]);
}

size_t
offload_forecaster_components(const struct offload_forecaster *f, const double *x,
                              struct offload_component *component, size_t max)
{
    struct run run;
    size_t n = 0;
    if (!f->fitted || run_init(&run, f, f->options.horizon, x))
        return 0;
    if (mean_path(&run) == 0) {
        size_t peak = run.gap;
        for (size_t t = run.gap; t < run.steps; t++)
            if (run.mixed[t] > run.mixed[peak])
                peak = t;
        for (size_t m = 0; m < f->fit.choice.n_members; m++)
            if (member_path(&run, m) == 0)
                add_member(&run, m, peak, component, &n, max);
    }
    run_fini(&run);
    return n;
}
