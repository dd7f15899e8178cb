// SPDX-License-Identifier: Apache-2.0
// Which models, with which season and with or without regressors, for this series?
// models -> [select: rolling origin, combine] -> forecaster.  Pure.
// Rolling origin: Tashman, Out-of-sample tests of forecasting accuracy, Int. J. Forecasting 16
// (2000). Each candidate is fitted once, to the part before the first origin, and then moved
// through the rest, which costs a small part of another fit.

#include "lib/forecast/select.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRAIN_MIN = 8,    // values before the first origin
    ORIGINS_MAX = 40, // more cost time and tell little
    SEASONS = 7,      // held back
    SCREEN = 8,       // origins after which losers are dropped
};

// A candidate this far behind the best after the first origins is not moved on.
static const double LOSER = 2.5;
// Errors above this many times the median of the naive ones count as that: an outage in the part
// that is held back says nothing about models.
static const double ROBUST = 8;
// An origin counts half as much as one this many seasons later: what errs today will tomorrow, and
// three days' errors say more than a week's. One in the season's present phase counts more, for so
// the next forecast begins. Chosen on half of a benchmark's cases, and held on the other half.
static const double HALF_LIFE = 1;
static const double SAME_PHASE = 6;
static const double BUDGET = 300e6; // operations of a usual fit, selection and all

// What models take and cost. Operations: counted as nanoseconds of the machine named in
// doc/benchmarks.md, once; a table and not a clock, so that a choice can be repeated.
static const struct trait {
    const char *name;
    bool one_season, x;
    double per_value; // operations of a fit for each value
} traits[] = {
    {"snaive", true, false, 10},     {"profile", true, false, 1000},
    {"ets", true, false, 6000},      {"theta", true, false, 2000},
    {"stlf", false, false, 10000},   {"sarimax", false, true, 40000},
    {"prophet", false, true, 10000}, {"lstm", false, true, 20000},
    {"tbats", false, false, 60000},  {"ridge", false, false, 3000},
};

static const struct trait *
trait_of(size_t model)
{
    static const struct trait other = {"", false, true, 40000};
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if (!strcmp(traits[i].name, offload_models[model]->name))
            return &traits[i];
    return &other;
}

double
offload_member_cost(const struct offload_training *training, const struct offload_member *member)
{
    return (double)training->series.n * trait_of(member->model)->per_value;
}

static double
cost_of(const struct trial *trial, const struct candidate *c)
{
    return offload_member_cost(trial->training, &c->member);
}

void
offload_errors_fini(struct offload_errors *errors)
{
    free(errors->error);
    free(errors->from);
    *errors = (struct offload_errors){0};
}

struct offload_training
offload_member_training(const struct offload_training *training,
                        const struct offload_member *member)
{
    struct offload_training own = *training;
    own.warm = NULL;
    if (!member->x)
        own.x = (struct offload_regressors){0};
    if (member->season > 0 && member->season < own.n_periods) {
        own.period[0] = training->period[member->season];
        own.n_periods = 1;
    }
    return own;
}

// ---- Candidates ----

static void
add_candidate(struct trial *trial, size_t model, size_t season, bool x)
{
    if (trial->n_candidates == OFFLOAD_TRIED_MAX)
        return;
    trial->candidate[trial->n_candidates++] = (struct candidate){
        .member = {.model = (uint8_t)model, .season = (uint8_t)season, .x = x, .error = NAN}};
}

static void
list_candidates(struct trial *trial, int only)
{
    const struct offload_training *training = trial->training;
    for (size_t i = 0; offload_models[i]; i++) {
        if (only >= 0 && only != (int)i)
            continue;
        const struct trait *trait = trait_of(i);
        if (trait->x && training->x.n)
            add_candidate(trial, i, 0, true);
        add_candidate(trial, i, 0, false);
        for (size_t s = 1; trait->one_season && s < training->n_periods; s++)
            if (2 * training->period[s] <= training->series.n)
                add_candidate(trial, i, s, false);
    }
}

// ---- Origins ----

static size_t
divisor_from(size_t period, size_t least)
{
    for (size_t d = least; d <= period; d++)
        if (period % d == 0)
            return d;
    return least;
}

// What an origin counts that lies 'back' steps before the series' end.
static double
weight_of(const struct trial *trial, size_t back)
{
    size_t period = offload_training_period(trial->training);
    double season = (double)(period > 1 ? period : trial->horizon);
    double fresh = pow(0.5, ((double)back - (double)trial->horizon) / (HALF_LIFE * season));
    return fresh * (period > 1 && back % period == 0 ? 1 + SAME_PHASE : 1);
}

// The last part is held back: a week of days and four horizons if there is room, at most a third.
// Origins go back from the last one that has a whole horizon behind it, in steps that meet the
// present phase of the season again. -EDOM: no room.
static int
lay_origins(struct trial *trial)
{
    const struct offload_training *training = trial->training;
    size_t n = training->series.n, period = offload_training_period(training);
    size_t held = SEASONS * period > 4 * trial->horizon ? SEASONS * period : 4 * trial->horizon;
    if (held > n / 3)
        held = n / 3;
    if (trial->horizon > held / 2 + 1)
        trial->horizon = held / 2 + 1;
    if (held < trial->horizon || n - held < TRAIN_MIN)
        return -EDOM;
    size_t room = held - trial->horizon + 1;
    size_t stride = divisor_from(period, (room + ORIGINS_MAX - 1) / ORIGINS_MAX);
    trial->n_origins = (room + stride - 1) / stride;
    trial->first = n - trial->horizon - (trial->n_origins - 1) * stride;
    trial->origin = malloc(trial->n_origins * sizeof *trial->origin);
    trial->weight = malloc(trial->n_origins * sizeof *trial->weight);
    trial->actual = malloc(trial->n_origins * trial->horizon * sizeof *trial->actual);
    if (!trial->origin || !trial->weight || !trial->actual)
        return -ENOMEM;
    for (size_t o = 0; o < trial->n_origins; o++) {
        trial->origin[o] = trial->first + o * stride;
        trial->weight[o] = weight_of(trial, n - trial->origin[o]);
        memcpy(trial->actual + o * trial->horizon, training->series.value + trial->origin[o],
               trial->horizon * sizeof *trial->actual);
    }
    return 0;
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// From the median step of a season's length.
static double
find_robust_at(const struct offload_training *training)
{
    const struct offload_series *series = &training->series;
    size_t lag = offload_training_period(training), n = 0;
    double *step = malloc(series->n * sizeof *step), median = 0;
    if (!step)
        return HUGE_VAL;
    for (size_t t = lag; t < series->n; t++)
        if (!isnan(series->value[t]) && !isnan(series->value[t - lag]))
            step[n++] = fabs(series->value[t] - series->value[t - lag]);
    qsort(step, n, sizeof *step, ascending);
    if (n)
        median = step[n / 2];
    free(step);
    return median > 0 ? ROBUST * median : HUGE_VAL;
}

static void
trial_fini(struct trial *trial)
{
    for (size_t i = 0; i < trial->n_candidates; i++)
        free(trial->candidate[i].forecast);
    free(trial->origin);
    free(trial->weight);
    free(trial->actual);
}

// ---- Trying ----

static double
error_over(const struct trial *trial, const double *forecast, size_t n_origins)
{
    double sum = 0, n = 0;
    for (size_t o = 0; o < n_origins; o++)
        for (size_t h = 0; h < trial->horizon; h++) {
            size_t at = o * trial->horizon + h;
            if (isnan(trial->actual[at]))
                continue;
            double error = fabs(trial->actual[at] - forecast[at]);
            sum += trial->weight[o] * fmin(error, trial->robust_at);
            n += trial->weight[o];
        }
    return n > 0 ? sum / n : NAN;
}

double
trial_error(const struct trial *trial, const double *weight)
{
    double sum = 0, n = 0;
    for (size_t o = 0; o < trial->n_origins; o++)
        for (size_t h = 0; h < trial->horizon; h++) {
            size_t at = o * trial->horizon + h;
            double error = trial->actual[at];
            if (isnan(error))
                continue;
            for (size_t i = 0; i < trial->n_candidates; i++)
                if (weight[i] > 0)
                    error -= weight[i] * trial->candidate[i].forecast[at];
            sum += trial->weight[o] * fmin(fabs(error), trial->robust_at);
            n += trial->weight[o];
        }
    return n > 0 ? sum / n : NAN;
}

// Moves 'state' through the series from the first origin on and keeps what it forecasts. Stops
// early where it is a loser beside 'best'.
static void
roll(const struct trial *trial, const struct offload_model_ops *ops, bool with_x, void *state,
     double best, double *forecast, bool *dropped)
{
    const struct offload_series *series = &trial->training->series;
    const struct offload_regressors *x = &trial->training->x;
    size_t o = 0;
    for (size_t t = trial->first; o < trial->n_origins; t++) {
        const double *row = with_x ? x->value + t * x->n : NULL;
        if (t == trial->origin[o]) {
            ops->path(state, trial->horizon, row, NULL, forecast + o * trial->horizon);
            o++;
        }
        if (o == SCREEN && trial->n_origins > 2 * SCREEN &&
            error_over(trial, forecast, o) > LOSER * best) {
            *dropped = true;
            return;
        }
        if (o < trial->n_origins)
            ops->update(state, series->value[t], row);
    }
}

// -ENOMEM; a candidate that does not fit stays without forecasts.
static int
try_candidate(struct trial *trial, struct candidate *c, double best)
{
    const struct offload_model_ops *ops = offload_models[c->member.model];
    struct offload_training train = offload_member_training(trial->training, &c->member);
    train.series.n = trial->first;
    void *state = malloc(ops->state_bytes(&train));
    c->forecast = malloc(trial->n_origins * trial->horizon * sizeof *c->forecast);
    int rc = state && c->forecast ? ops->fit(state, &train, NULL, NULL) : -ENOMEM;
    if (rc == 0) {
        roll(trial, ops, c->member.x, state, best, c->forecast, &c->dropped);
        c->member.error = error_over(trial, c->forecast, c->dropped ? SCREEN : trial->n_origins);
    }
    if (rc || !isfinite(c->member.error)) {
        free(c->forecast);
        c->forecast = NULL;
    }
    free(state);
    return rc == -ENOMEM ? rc : 0;
}

// A model that makes the same of another season, or of regressors, is one candidate, not two.
static bool
has_twin(const struct trial *trial, size_t i)
{
    const struct candidate *c = &trial->candidate[i];
    for (size_t k = 0; k < i; k++)
        if (trial->candidate[k].forecast && trial->candidate[k].member.model == c->member.model &&
            trial->candidate[k].member.error == c->member.error)
            return true;
    return false;
}

// Those that cost little first, so that losers among the dear ones are known early; returns how
// many could be tried, or -ENOMEM.
static int
try_all(struct trial *trial, double budget)
{
    int tried = 0;
    double best = HUGE_VAL;
    bool done[OFFLOAD_TRIED_MAX] = {false};
    for (size_t k = 0; k < trial->n_candidates; k++) {
        size_t next = OFFLOAD_TRIED_MAX;
        for (size_t i = 0; i < trial->n_candidates; i++)
            if (!done[i] &&
                (next == OFFLOAD_TRIED_MAX ||
                 cost_of(trial, &trial->candidate[i]) < cost_of(trial, &trial->candidate[next])))
                next = i;
        struct candidate *c = &trial->candidate[next];
        done[next] = true;
        // Twice: for the comparison, and to be used.
        double cost = 2 * cost_of(trial, c);
        if (tried > 0 && cost > budget)
            continue;
        budget -= cost;
        int rc = try_candidate(trial, c, best);
        if (rc)
            return rc;
        if (!c->forecast)
            continue;
        tried++;
        if (!c->dropped)
            best = fmin(best, c->member.error);
    }
    for (size_t i = 0; i < trial->n_candidates; i++)
        if (trial->candidate[i].forecast && has_twin(trial, i))
            trial->candidate[i].dropped = true;
    return tried;
}

// ---- The choice ----

static int
name_of(const struct offload_training *training, const struct offload_member *member, char *buf,
        size_t size)
{
    const char *name = offload_models[member->model]->name;
    int length = snprintf(buf, size, "%s", name);
    if (member->season > 0)
        length += snprintf(buf + length, size - length, "(%zu)", training->period[member->season]);
    if (member->x)
        length += snprintf(buf + length, size - length, "+x");
    return length;
}

static int
by_error(const void *a, const void *b)
{
    const struct offload_member *x = a, *y = b;
    return x->error < y->error ? -1 : x->error > y->error;
}

// "regressors help: 0.81 of the error without", or that they are left out.
static size_t
say_regressors(const struct offload_choice *choice, char *buf, size_t size)
{
    double with = NAN, without = NAN, used = 0;
    for (size_t i = 0; i < choice->n_tried; i++)
        if (choice->tried[i].x)
            with = fmin(with, choice->tried[i].error);
        else
            without = fmin(without, choice->tried[i].error);
    for (size_t i = 0; i < choice->n_members; i++)
        used += choice->member[i].x ? choice->member[i].weight : 0;
    if (isnan(with) || isnan(without))
        return 0;
    if (without <= 0)
        return (size_t)snprintf(buf, size, "; regressors %s: there is no error without them",
                                used > 0 ? "used" : "left out");
    return (size_t)snprintf(buf, size, "; regressors %s: with them %.2f of the error without",
                            used > 0 ? "used" : "left out", with / without);
}

static void
say_why(const struct offload_training *training, struct offload_choice *choice)
{
    size_t size = sizeof choice->why;
    size_t length = (size_t)snprintf(choice->why, size, "mean error %.4g from %zu origins",
                                     choice->error, choice->n_origins);
    if (training->x.n)
        length += say_regressors(choice, choice->why + length, size - length);
    for (size_t i = 0; i < choice->n_tried && length < size; i++) {
        char name[48];
        name_of(training, &choice->tried[i], name, sizeof name);
        length += (size_t)snprintf(choice->why + length, size - length, "%s%s %.4g",
                                   i ? ", " : "; alone: ", name, choice->tried[i].error);
    }
}

// -EDOM: there was nothing to compare with.
static int
choose(const struct trial *trial, struct offload_choice *choice, double *weight)
{
    for (size_t i = 0; i < trial->n_candidates; i++)
        if (trial->candidate[i].forecast)
            choice->tried[choice->n_tried++] = trial->candidate[i].member;
    if (choice->n_tried == 0)
        return -EDOM;
    qsort(choice->tried, choice->n_tried, sizeof *choice->tried, by_error);
    int rc = combine_weigh(trial, weight);
    if (rc)
        return rc;
    for (size_t i = 0; i < trial->n_candidates; i++) {
        if (weight[i] <= 0)
            continue;
        struct offload_member *member = &choice->member[choice->n_members++];
        *member = trial->candidate[i].member;
        member->weight = weight[i];
    }
    choice->error = trial_error(trial, weight);
    choice->n_origins = trial->n_origins;
    say_why(trial->training, choice);
    return 0;
}

static int
keep_errors(struct trial *trial, const double *weight, struct offload_errors *errors)
{
    double *error = malloc(trial->n_origins * trial->horizon * sizeof *error);
    if (!error)
        return -ENOMEM;
    for (size_t at = 0; at < trial->n_origins * trial->horizon; at++) {
        error[at] = trial->actual[at];
        for (size_t i = 0; i < trial->n_candidates; i++)
            if (weight[i] > 0)
                error[at] -= weight[i] * trial->candidate[i].forecast[at];
    }
    *errors = (struct offload_errors){trial->n_origins, trial->horizon, error, trial->origin};
    trial->origin = NULL;
    return 0;
}

// Without room for a comparison: the last model of the table that fits stands furthest from the
// naive one.
static int
choose_untested(const struct offload_training *training, int only, struct offload_choice *choice,
                struct offload_err *err)
{
    for (int i = (int)offload_models_count() - 1; i >= 0; i--) {
        if (only >= 0 ? only != i : !trait_of((size_t)i)->one_season)
            continue;
        struct offload_member member = {.model = (uint8_t)i, .weight = 1, .error = NAN};
        struct offload_training own = offload_member_training(training, &member);
        void *state = malloc(offload_models[i]->state_bytes(&own));
        int rc = state ? offload_models[i]->fit(state, &own, NULL, err) : -ENOMEM;
        free(state);
        if (rc)
            continue;
        *choice = (struct offload_choice){.n_members = 1, .member = {member}, .error = NAN};
        snprintf(choice->why, sizeof choice->why, "%s, not compared (%zu steps of history)",
                 offload_models[i]->name, training->series.n);
        return 0;
    }
    return offload_err_set(err, -EDOM, "", "some values", "no model fits %zu steps",
                           training->series.n);
}

int
offload_select(const struct offload_training *training, size_t horizon, int only, double budget,
               struct offload_choice *choice, struct offload_errors *errors,
               struct offload_err *err)
{
    assert(horizon > 0);
    struct trial trial = {.training = training, .horizon = horizon};
    struct offload_choice found = {0};
    double weight[OFFLOAD_TRIED_MAX] = {0};
    *errors = (struct offload_errors){0};
    int rc = lay_origins(&trial);
    if (rc == 0) {
        trial.robust_at = find_robust_at(training);
        list_candidates(&trial, only);
        rc = try_all(&trial, budget > 0 ? budget : BUDGET);
        rc = rc < 0 ? rc : choose(&trial, &found, weight);
    }
    if (rc == 0)
        rc = keep_errors(&trial, weight, errors);
    trial_fini(&trial);
    if (rc == -ENOMEM)
        return offload_err_set(err, rc, "", NULL, "no memory to compare models");
    if (rc)
        rc = choose_untested(training, only, &found, err);
    if (rc == 0)
        *choice = found;
    return rc;
}
