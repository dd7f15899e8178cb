// SPDX-License-Identifier: Apache-2.0
// The forecaster's engine: values -> resample -> history -> period, models, select -> fan -> score.
//
// A forecaster stands for one series (an application's or a card's demand for one resource). Each
// step costs a resampler's close, a push (O(1)) and a run (some hundred sample paths over the
// horizon); a fit costs milliseconds and may be put off. All of it is plain memory: no clock, lock,
// thread or random source; time and seed are arguments, so a backtest replays production to the
// bit. A struct may be used by one thread at a time. NAN in a series is a gap and nothing else.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OFFLOAD_PERIOD_MAX = 4096,  // steps of a season
    OFFLOAD_HORIZON_MAX = 4096, // steps
    OFFLOAD_HISTORY_MAX = 65536,
    OFFLOAD_MODELS_MAX = 16,
    OFFLOAD_PERIODS_MAX = 4,
    OFFLOAD_REGRESSORS_MAX = 32,
};

// ---- Series and history ----

// A view of evenly spaced values, oldest first.
struct offload_series {
    const double *value;
    const uint8_t
        *censored; // 1: the step stood at a limit, so demand was at least 'value'; may be NULL
    size_t n;
    double step_s;
};

// The last values of a series. 'capacity' is in steps. NULL: no memory.
struct offload_history *offload_history_create(size_t capacity, double step_s);
void offload_history_destroy(struct offload_history *history);
void offload_history_append(struct offload_history *history, double value, bool censored);
// Borrowed until the next append.
struct offload_series offload_history_series(const struct offload_history *history);
size_t offload_history_bytes(const struct offload_history *history);

// ---- Resampling: several sources' (time, value) -> one value a step ----

enum offload_aggregate { OFFLOAD_AGGREGATE_SUM, OFFLOAD_AGGREGATE_MAX };

struct offload_resample_counts {
    uint64_t late;      // values of a step that was closed already
    uint64_t duplicate; // the same source and time again: the last one wins
    uint64_t early;     // values further ahead than is waited for: some clock jumped
};

struct offload_resample *offload_resample_create(double step_s, enum offload_aggregate aggregate);
void offload_resample_destroy(struct offload_resample *resample);

// The slot of the source called 'name' (made if it is new), or -ENOMEM, or -ENOSPC beyond 1024.
int offload_resample_source(struct offload_resample *resample, const char *name);

// What a counter's reading 'value' makes per second since the source's last reading: a value to
// put. NAN for the first reading, after a restart (a decrease), and for a reading older than the
// last.
double offload_resample_rate(struct offload_resample *resample, int source, double time_s,
                             double value);

// Takes a value that 'source' had at 'time_s' and reports every 'interval_s'. Values may come in
// any order. 'censored': it stood at a limit. NAN and infinite values are as if they had not come.
void offload_resample_put(struct offload_resample *resample, int source, double time_s,
                          double interval_s, double value, bool censored);

enum offload_readiness {
    OFFLOAD_NOT_AWAITED, // no source, or one of which it cannot be known: it may report again in
                         // the step
    OFFLOAD_AWAITED,
    OFFLOAD_READY, // every source that reports once a step has done so
};

// Whether 'step' may be closed before it is over: what reports once a step tells of the time
// before.
enum offload_readiness offload_resample_readiness(const struct offload_resample *resample,
                                                  int64_t step);

// Closes step number 'step' (floor(time / step_s)), once for each step, ascending. Returns its
// value. A source that misses one step makes it a gap; one that misses two is gone and no longer
// counts, so that an application that moves to another card is neither missed nor counted twice.
double offload_resample_close(struct offload_resample *resample, int64_t step, bool *censored);

const struct offload_resample_counts *offload_resample_counts(const struct offload_resample *r);

// ---- Period ----

// The length of the season in steps, 1 if there is none: the strongest peak of the detrended
// series' autocorrelation, whose multiples do not count. Looks at lags 3 to n/3, at most 'longest'.
size_t offload_period_detect(const struct offload_series *series, size_t longest);
// Up to 'max' seasons, the shortest first: the one above, then those that what is left of the
// series without the shorter ones has. Returns their number.
size_t offload_periods_detect(const struct offload_series *series, size_t longest, size_t *period,
                              size_t max);

// ---- Models: one a file, one row in models.c ----

// What is known of each step besides the series, its future included: weather, events.
struct offload_regressors {
    size_t n;                // columns, at most OFFLOAD_REGRESSORS_MAX; 0: none
    const char *const *name; // [n]
    const double *value;     // [row][n], row t belongs to the series' step t; NAN: not known
    size_t rows;             // at least the series' length
};

// What a model is fitted to.
struct offload_training {
    struct offload_series series;
    struct offload_regressors x;
    size_t n_periods;                   // seasons, 0: none
    size_t period[OFFLOAD_PERIODS_MAX]; // in steps, each above 1; the first one is the one that
                                        // models of a single season take
    double start_s;                     // Unix time of the first step, NAN: not known
    uint64_t seed;
    // The state of an earlier fit of the same model, seasons and regressors, or NULL: its orders
    // hold, and its parameters are where the search begins. A model may leave it unused.
    const void *warm;
};

// The season of a model that knows but one: 1 if there is none.
static inline size_t
offload_training_period(const struct offload_training *training)
{
    return training->n_periods ? training->period[0] : 1;
}

// A part of a forecast, for explanations: they sum to the mean (additive models) or are told in
// words.
struct offload_component {
    char name[32];       // "level", "trend", "season 24", a regressor's name
    const char *measure; // "sum": adds to the others
    double first, peak;  // its value at the next step, and at the horizon's highest step
};

// A state is at most 'state_bytes(training)' plain bytes without pointers, aligned as double: it is
// copied, saved and loaded as it lies.
struct offload_model_ops {
    const char *name;
    size_t (*state_bytes)(const struct offload_training *training);
    // Estimates from the series, so that the next value expected is the one after its last.
    // 'innovation', of series.n, gets each step's one-step error in the model's own measure, NAN
    // where there is none; may be NULL. -EDOM: too few values for this model, or not of its kind;
    // the state is untouched.
    int (*fit)(void *state, const struct offload_training *training, double *innovation,
               struct offload_err *err);
    // Moves on by one step with its value, and its regressors (NULL: the model was fitted without);
    // NAN (a gap) changes no forecast of any point in time. Returns the innovation, NAN for a gap.
    // O(1).
    double (*update)(void *state, double value, const double *x);
    // The next 'horizon' values if the innovations are 'shock'; NULL: all 0, which is the mean. 'x'
    // [horizon][n]: the regressors' future, NULL where the model was fitted without.
    void (*path)(const void *state, size_t horizon, const double *x, const double *shock,
                 double *out);
    // What was estimated, in words: "ETS(A,Ad,M), alpha 0.31 ...".
    void (*describe)(const void *state, char *buf, size_t size);
    // Splits the mean of the next 'horizon' steps; returns how many were written, at most 'max'.
    // May be NULL.
    size_t (*components)(const void *state, size_t horizon, const double *x,
                         struct offload_component *component, size_t max);
};

extern const struct offload_model_ops *const offload_models[]; // ends with NULL
size_t offload_models_count(void);
// Index of the model called 'name', or -1.
int offload_models_find(const char *name);

// The network of the model "lstm" is the same for all series of a process and lies in no state: the
// payload of the checkpoint that 'offloadctl train lstm' makes. Copies it; to be called before any
// thread fits or forecasts. Until then the model fits nothing (-EDOM). -EBADMSG: of another
// network, -ENOMEM.
enum { OFFLOAD_LSTM_KIND = 0x4d54534c, OFFLOAD_LSTM_VERSION = 1, OFFLOAD_LSTM_BYTES_MAX = 1 << 20 };
int offload_lstm_load(const void *payload, size_t len, struct offload_err *err);
bool offload_lstm_loaded(void);

// ---- Selection ----

enum { OFFLOAD_MEMBERS_MAX = 6, OFFLOAD_TRIED_MAX = 32 };

// A model as it is used: which season comes first, with or without regressors.
struct offload_member {
    uint8_t model;  // index into offload_models
    uint8_t season; // index into the training's periods
    bool x;
    double weight; // in the forecast; those of all members sum to 1
    double error;  // mean absolute error over horizon and origins; NAN: not tried
};

struct offload_choice {
    size_t n_members;
    struct offload_member member[OFFLOAD_MEMBERS_MAX];
    size_t n_tried;
    struct offload_member tried[OFFLOAD_TRIED_MAX]; // the best first
    double error;                                   // of what was chosen; NAN: not compared
    size_t n_origins;
    char why[480];
};

// What the chosen mix would have missed by, had it been used before: out of sample, so that
// intervals made from it hold.
struct offload_errors {
    size_t n_origins, horizon;
    double *error; // [n_origins][horizon], NAN: a gap
    size_t *from;  // [n_origins] the step that error[..][0] belongs to
};
void offload_errors_fini(struct offload_errors *errors);

// Rolling origin: fits each candidate on the first part of the series, then moves through the rest
// and compares 'horizon' steps ahead with what came; candidates are tried by their cost as far as
// 'budget' goes (operations, see select.c; 0: the usual one), so that the choice depends on no
// clock. 'only': index of the one model to use, or -1. 'errors' is made if there was room for a
// comparison, else n_origins is 0 (caller: offload_errors_fini). -EDOM: no model can be had.
int offload_select(const struct offload_training *training, size_t horizon, int only, double budget,
                   struct offload_choice *choice, struct offload_errors *errors,
                   struct offload_err *err);
// Operations that a fit costs, by a table that was measured once.
double offload_member_cost(const struct offload_training *training,
                           const struct offload_member *member);
// The training as 'member' sees it.
struct offload_training offload_member_training(const struct offload_training *training,
                                                const struct offload_member *member);

// ---- The fan: sample paths and their quantiles ----

struct offload_fan {
    size_t horizon;
    size_t n_paths;
    double *mean;   // [horizon]
    double *sample; // [horizon][n_paths], ascending within a step
    double *peak;   // [n_paths], the paths' maxima, ascending
};

// -ENOMEM. 'horizon' and 'n_paths' at least 1.
int offload_fan_init(struct offload_fan *fan, size_t horizon, size_t n_paths);
void offload_fan_fini(struct offload_fan *fan);

// Quantile 'p' (0-1) of 'n' ascending values, linear between neighbours (Hyndman and Fan 1996, type
// 7).
double offload_quantile(const double *sorted, size_t n, double p);
// Quantile of step 'h' (0: the next step), and of the horizon's maximum.
double offload_fan_step(const struct offload_fan *fan, size_t h, double p);
double offload_fan_peak(const struct offload_fan *fan, double p);
// The step (from 0) whose quantile 'p' is highest.
size_t offload_fan_peak_step(const struct offload_fan *fan, double p);

// ---- The forecaster of one series ----

struct offload_forecaster_options {
    double step_s;
    size_t period; // in steps; 0: detected at each fit, 1: none
    // Further seasons where 'period' is given, ends with 0.
    size_t longer[OFFLOAD_PERIODS_MAX - 1];
    size_t horizon;               // in steps
    size_t capacity;              // steps of history kept
    bool signed_values;           // false: demand, never below 0
    int model;                    // index into offload_models, -1: selected or combined
    size_t n_regressors;          // of each step; 0: none
    const char *const *regressor; // their names, which are copied
    double start_s;               // Unix time of the first step pushed, 0: not known
    uint64_t seed;                // of fits
};

struct offload_forecaster *
offload_forecaster_create(const struct offload_forecaster_options *options);
void offload_forecaster_destroy(struct offload_forecaster *f);

// The step's value, or NAN: into history, accuracy and all fitted models. 'x': its regressors
// [n_regressors], NULL: none is known. O(1).
void offload_forecaster_push(struct offload_forecaster *f, double value, bool censored,
                             const double *x);

// How badly a (new) fit is due: 0 not at all, above 1 overdue; the host fits the highest first.
double offload_forecaster_fit_due(const struct offload_forecaster *f);
// Detects, selects and fits; up to some hundred milliseconds. Where an earlier selection still
// holds, only its models are estimated again, from where they stand; milliseconds. On failure
// (-EDOM too few values, -ENOMEM) all stays as it was.
int offload_forecaster_fit(struct offload_forecaster *f, struct offload_err *err);
// The next fit selects again, whatever holds.
void offload_forecaster_forget_choice(struct offload_forecaster *f);
bool offload_forecaster_fitted(const struct offload_forecaster *f);

// Fills 'fan' with forecasts of the steps after the last one pushed. Gaps at the series' end widen
// it; no path goes further beyond history's range than half of that range (more where history is
// short for the horizon). -EAGAIN: not fitted yet.
// 'x' [fan->horizon][n_regressors]: the regressors' future, NULL: not known.
int offload_forecaster_run(struct offload_forecaster *f, const double *x, uint64_t seed,
                           struct offload_fan *fan);

struct offload_accuracy {
    double
        mase; // one-step errors over those of the seasonal naive forecast; NAN: nothing to say yet
    double cov80; // share of values inside the one-step 80 % interval, 0-1; NAN as above
};
struct offload_accuracy offload_forecaster_accuracy(const struct offload_forecaster *f);

size_t offload_forecaster_silent_steps(const struct offload_forecaster *f); // gaps at the end
size_t offload_forecaster_period(const struct offload_forecaster *f);
// All seasons; returns their number.
size_t offload_forecaster_periods(const struct offload_forecaster *f,
                                  size_t period[OFFLOAD_PERIODS_MAX]);
size_t
offload_forecaster_values(const struct offload_forecaster *f); // values in history, gaps apart
size_t offload_forecaster_bytes(const struct offload_forecaster *f);
// The steps in history, for a forecaster with other regressors to start from. Borrowed until the
// next push.
struct offload_series offload_forecaster_history(const struct offload_forecaster *f);
// What was chosen; NULL: not fitted.
const struct offload_choice *offload_forecaster_choice(const struct offload_forecaster *f);
// Splits the mean of the next steps, 'x' as in run; those of members that cannot be split stand as
// one part under the model's name. Returns how many were written, at most 'max'.
size_t offload_forecaster_components(const struct offload_forecaster *f, const double *x,
                                     struct offload_component *component, size_t max);
// What is used and why, one line.
void offload_forecaster_explain(const struct offload_forecaster *f, char *buf, size_t size);

// ---- Score ----

enum offload_resource {
    OFFLOAD_RESOURCE_CPU,
    OFFLOAD_RESOURCE_BANDWIDTH,
    OFFLOAD_RESOURCE_MEMORY,
    OFFLOAD_RESOURCE_INTERCONNECT,
    OFFLOAD_RESOURCES,
};

extern const char *const offload_resource_names[OFFLOAD_RESOURCES + 1]; // ends with NULL

struct offload_score {
    double score;      // 0-100; NAN: no demand is known
    double demand_pct; // the same, not held to 100
    double lead_s;     // to the peak that sets it
    enum offload_resource limit;
};

// An empty score, to which each resource's demand is added.
void offload_score_init(struct offload_score *score);
// 'p90' of the horizon's maximum demand, in 'capacity's unit; 'capacity' above 0.
void offload_score_add(struct offload_score *score, enum offload_resource resource, double p90,
                       double capacity, double lead_s);
