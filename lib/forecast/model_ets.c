// SPDX-License-Identifier: Apache-2.0
// ETS: exponential smoothing as a state space model, its form chosen by AICc.
// series -> [fit, update] -> path -> fan.  Pure.
// Hyndman, Koehler, Ord, Snyder, Forecasting with Exponential Smoothing (2008): recursions
// tables 2.2 and 2.3, likelihood 5.1, AICc 7.1; initial states 2.6.1. Letters as there:
//     q = l + phi b    mu = q + s (or q s, or q)    error e = y - mu (A) or epsilon = (y - mu) / mu
//     (M) l = q + alpha e    b = phi b + beta e    s = s + gamma e    (season M: l = q (1 + alpha
//     eps) ...)
// Where the trend is a factor, q = l b^phi and b = b^phi (1 + beta eps).
// In the recursions, error M with additive states is error A with e = mu epsilon, so the two share
// code and differ in likelihood and simulation only.

#include "lib/forecast/clean.h"
#include "lib/forecast/models.h"

#include <nlopt.h>

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NONE, ADDITIVE, DAMPED, MULTIPLICATIVE, MULTIPLICATIVE_DAMPED }; // damped: trends only

struct form {
    uint8_t error, trend, season; // enum kind
};

// Without the forms that ch. 15 calls numerically unstable: additive errors beside a factor, and
// factors beside an additive season.
static const struct form FORMS[] = {
    {ADDITIVE, NONE, NONE},
    {ADDITIVE, ADDITIVE, NONE},
    {ADDITIVE, DAMPED, NONE},
    {ADDITIVE, NONE, ADDITIVE},
    {ADDITIVE, ADDITIVE, ADDITIVE},
    {ADDITIVE, DAMPED, ADDITIVE},
    {MULTIPLICATIVE, NONE, NONE},
    {MULTIPLICATIVE, ADDITIVE, NONE},
    {MULTIPLICATIVE, DAMPED, NONE},
    {MULTIPLICATIVE, NONE, ADDITIVE},
    {MULTIPLICATIVE, ADDITIVE, ADDITIVE},
    {MULTIPLICATIVE, DAMPED, ADDITIVE},
    {MULTIPLICATIVE, NONE, MULTIPLICATIVE},
    {MULTIPLICATIVE, ADDITIVE, MULTIPLICATIVE},
    {MULTIPLICATIVE, DAMPED, MULTIPLICATIVE},
    {MULTIPLICATIVE, MULTIPLICATIVE, NONE},
    {MULTIPLICATIVE, MULTIPLICATIVE_DAMPED, NONE},
    {MULTIPLICATIVE, MULTIPLICATIVE, MULTIPLICATIVE},
    {MULTIPLICATIVE, MULTIPLICATIVE_DAMPED, MULTIPLICATIVE},
};

enum {
    N_FORMS = sizeof FORMS / sizeof *FORMS,
    FINALISTS = 5,     // forms that are optimised; the rest falls at its starting values
    EVALUATIONS = 120, // of the likelihood, a form; 3 or 4 parameters settle in 40 to 100
    PARAMETERS = 4,
    LEADS = 4, // steps ahead over which a seasonal series' weights are judged
    // Values x parameters of the forms whose initial states are estimated with the weights, as R's
    // ets does for all: beyond this the season is long, the states matter little and cost much.
    POLISH_WORK = 40000,
    POLISH_PERIOD = 12,      // the longest short season
    POLISH_EVALUATIONS = 80, // with a gradient each
    SEEN_MIN = 5,            // values: AICc needs two more than the simplest form has parameters
};

// alpha; beta / alpha; gamma / (1 - alpha); phi. The ratios turn the usual region (2008, 10.2: 0 <
// beta < alpha, 0 < gamma < 1 - alpha) into a box. Damping as R's forecast bounds it.
static const double LOWER[PARAMETERS] = {1e-4, 1e-4, 1e-4, 0.8};
static const double UPPER[PARAMETERS] = {0.9999, 0.9999, 0.9999, 0.98};
static const double STARTS[][PARAMETERS] = {
    {0.1, 0.05, 0.05, 0.97}, {0.5, 0.1, 0.1, 0.97}, {0.9, 0.02, 0.3, 0.9}};
enum { N_STARTS = sizeof STARTS / sizeof *STARTS };
// Twice the log-likelihood need not be known better to choose a form.
static const double LIKELIHOOD_TOLERANCE = 0.02;
static const double FACTOR_MIN = 1e-3;

struct ets {
    struct form form;
    uint32_t period; // m; 1: no season
    uint32_t phase;  // of the next value
    uint32_t unused;
    double alpha, beta, gamma, phi;
    double level, slope; // l, b
    double aicc;
    double season[]; // [period] s
};

static size_t
ets_bytes(size_t period)
{
    return sizeof(struct ets) + period * sizeof(double);
}

// ---- Recursions ----

static inline bool
is_damped(const struct form *form)
{
    return form->trend == DAMPED || form->trend == MULTIPLICATIVE_DAMPED;
}

// Whether the trend is a factor a step.
static inline bool
is_factor(const struct form *form)
{
    return form->trend >= MULTIPLICATIVE;
}

static inline double
damped_factor(const struct ets *m, double factor)
{
    return m->phi == 1 ? factor : pow(factor, m->phi);
}

// q: the level expected of the next step.
static inline double
next_level(const struct ets *m)
{
    if (is_factor(&m->form))
        return m->level * damped_factor(m, m->slope);
    return m->level + m->phi * m->slope;
}

static inline double
mean_of(const struct ets *m, double q, double s)
{
    return m->form.season == NONE ? q : m->form.season == ADDITIVE ? q + s : q * s;
}

// Moves level, slope and the season's state 's' on by a step with 'error' e = y - mu.
static inline void
correct(struct ets *m, double q, double mu, double error, double *s)
{
    double epsilon = mu != 0 ? error / mu : 0;
    if (is_factor(&m->form)) // a shock may not turn growth into its opposite
        m->slope = damped_factor(m, m->slope) * fmax(1 + m->beta * epsilon, FACTOR_MIN);
    else
        m->slope *= m->phi;
    if (m->form.season == MULTIPLICATIVE || is_factor(&m->form)) {
        if (!is_factor(&m->form))
            m->slope += m->beta * q * epsilon;
        m->level = q + m->alpha * q * epsilon;
        *s += m->gamma * *s * epsilon;
        return;
    }
    m->slope += m->beta * error;
    m->level = q + m->alpha * error;
    if (m->form.season == ADDITIVE)
        *s += m->gamma * error;
}

static inline double
innovation_of(const struct ets *m, double error, double mu)
{
    if (m->form.error == ADDITIVE)
        return error;
    return mu > 0 ? error / mu : NAN;
}

static double
ets_step(struct ets *m, double value)
{
    double *s = &m->season[m->phase];
    m->phase = m->phase + 1 == m->period ? 0 : m->phase + 1;
    double q = next_level(m), mu = mean_of(m, q, *s);
    double error = isnan(value) ? 0 : value - mu;
    double innovation = isnan(value) ? NAN : innovation_of(m, error, mu);
    correct(m, q, mu, error, s);
    return innovation;
}

static double
ets_update(void *state, double value, const double *x)
{
    (void)x;
    return ets_step(state, value);
}

static void
ets_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    const struct ets *from = state;
    struct ets m = *from; // without the season, whose changed states are found in 'out'
    // Seasonal states that a path itself has changed matter only beyond one season.
    double *season = NULL;
    if (horizon > m.period && m.form.season != NONE && shock) {
        season = malloc(m.period * sizeof *season);
        if (season)
            memcpy(season, from->season, m.period * sizeof *season);
    }
    for (size_t h = 0; h < horizon; h++) {
        double s = season ? season[m.phase] : from->season[m.phase];
        double q = next_level(&m), mu = mean_of(&m, q, s);
        double e = shock ? shock[h] : 0;
        if (m.form.error == MULTIPLICATIVE)
            e *= mu;
        out[h] = mu + e;
        correct(&m, q, mu, e, &s);
        if (season)
            season[m.phase] = s;
        m.phase = m.phase + 1 == m.period ? 0 : m.phase + 1;
    }
    free(season);
}

// ---- Initial states ----

// What all forms of one series share. Heuristic states, from the whole series: a season's mean
// distance from the centred moving average, and a line through the first seasons of what is left.
struct start {
    double *smooth;            // [n] centred moving average over a period
    double *season;            // [2][period] additive, multiplicative
    double level[3], slope[3]; // by season: none, additive, multiplicative; with trend
    double base[3], factor[3]; // the same where the trend is a factor
    double mean[3];            // level without trend
};

// Centred moving average of 'period' values (2 x m for even m), over those that are there; NAN at
// the ends.
static void
moving_average(const struct offload_series *series, size_t period, double *out)
{
    size_t half = period / 2, n = series->n;
    double weight_end = period % 2 ? 1 : 0.5;
    double sum = 0, weight = 0;
    // The inner 2 * half - 1 values slide; the two outer ones are added by weight.
    for (size_t t = 0; t < n; t++)
        out[t] = NAN;
    if (n < 2 * half + 1 || half == 0)
        return;
    for (size_t t = 1; t < 2 * half; t++)
        if (!isnan(series->value[t]))
            sum += series->value[t], weight++;
    for (size_t t = half; t + half < n; t++) {
        double first = series->value[t - half], last = series->value[t + half];
        double total = sum, total_weight = weight;
        if (!isnan(first))
            total += weight_end * first, total_weight += weight_end;
        if (!isnan(last))
            total += weight_end * last, total_weight += weight_end;
        if (total_weight > 0.75 * period)
            out[t] = total / total_weight;
        double leaves = series->value[t - half + 1];
        if (!isnan(leaves))
            sum -= leaves, weight--;
        if (!isnan(last))
            sum += last, weight++;
    }
}

// Mean distance (or ratio) from the moving average by phase; they sum to 0 (or average 1).
static void
season_states(const struct offload_series *series, size_t period, const double *smooth, bool ratio,
              double *season)
{
    double total = 0;
    for (size_t phase = 0; phase < period; phase++) {
        double sum = 0;
        size_t n = 0;
        for (size_t t = phase; t < series->n; t += period) {
            double y = ratio ? series->value[t] / smooth[t] : series->value[t] - smooth[t];
            if (!isfinite(y))
                continue;
            sum += y;
            n++;
        }
        season[phase] = n ? sum / n : ratio ? 1 : 0;
        total += season[phase];
    }
    for (size_t phase = 0; phase < period; phase++) {
        season[phase] = ratio ? season[phase] * period / total : season[phase] - total / period;
        if (ratio)
            season[phase] = fmax(season[phase], 1e-3);
    }
}

// Level and slope before the first value, from a line through the first seasons of the seasonally
// adjusted series, or of its logarithm.
static void
line_states(const struct offload_series *series, size_t period, enum kind kind,
            const double *season, bool logarithm, double *level, double *slope, double *mean)
{
    size_t first = 2 * period > 10 ? 2 * period : 10;
    double n = 0, st = 0, sy = 0, stt = 0, sty = 0;
    for (size_t t = 0; t < series->n && t < first; t++) {
        double y = series->value[t];
        if (isnan(y))
            continue;
        if (kind != NONE)
            y = kind == ADDITIVE ? y - season[t % period] : y / season[t % period];
        if (logarithm)
            y = log(y);
        double x = t + 1.0;
        n++;
        st += x;
        sy += y;
        stt += x * x;
        sty += x * y;
    }
    double spread = n * stt - st * st;
    *mean = sy / n;
    *slope = spread > 0 ? (n * sty - st * sy) / spread : 0;
    *level = *mean - *slope * st / n;
}

static void
level_states(struct start *start, const struct offload_series *series, size_t period,
             enum kind kind, const double *season)
{
    int i = kind == NONE ? 0 : kind == ADDITIVE ? 1 : 2;
    double mean;
    line_states(series, period, kind, season, true, &start->base[i], &start->factor[i], &mean);
    start->base[i] = exp(start->base[i]); // NAN where a value is not positive
    start->factor[i] = exp(start->factor[i]);
    line_states(series, period, kind, season, false, &start->level[i], &start->slope[i],
                &start->mean[i]);
}

static int
start_init(struct start *start, const struct offload_series *series, size_t period)
{
    start->smooth = malloc((series->n + 2 * period) * sizeof *start->smooth);
    if (!start->smooth)
        return -ENOMEM;
    start->season = start->smooth + series->n;
    double *multiplicative = start->season + period;
    if (period > 1) {
        moving_average(series, period, start->smooth);
        season_states(series, period, start->smooth, false, start->season);
        season_states(series, period, start->smooth, true, multiplicative);
    }
    level_states(start, series, period, NONE, NULL);
    if (period > 1) {
        level_states(start, series, period, ADDITIVE, start->season);
        level_states(start, series, period, MULTIPLICATIVE, multiplicative);
    }
    return 0;
}

// ---- Likelihood ----

struct problem {
    const struct offload_series *series;
    const struct start *start;
    const double *state;    // level, slope, season [period] to start from; NULL: those of 'start'
    double unit;            // of level, slope and additive seasons in a search: the values' spread
    const struct ets *warm; // the state of an earlier fit, or NULL
    struct ets *m;          // work space with the form set
    size_t n_seen;
    double (*criterion)(struct problem *p, const double *parameter); // to be minimised
    double floor; // of the mean squared error: a perfect fit is not infinitely likely
    double best;  // found so far
    double best_parameter[PARAMETERS];
    double scratch[PARAMETERS];
    int map[PARAMETERS]; // which parameters the form has
    unsigned n_parameters;
};

static void
set_parameters(struct ets *m, const double *p)
{
    m->alpha = p[0];
    m->beta = m->form.trend == NONE ? 0 : p[1] * p[0];
    m->gamma = m->form.season == NONE ? 0 : p[2] * (1 - p[0]);
    m->phi = is_damped(&m->form) ? p[3] : 1;
}

static void
set_states(struct ets *m, const struct start *start, const double *state)
{
    m->phase = 0;
    if (state) {
        m->level = state[0];
        m->slope = state[1];
        memcpy(m->season, state + 2, m->period * sizeof *m->season);
        return;
    }
    int i = m->form.season == NONE ? 0 : m->form.season == ADDITIVE ? 1 : 2;
    m->level = m->form.trend == NONE ? start->mean[i] : start->level[i];
    m->slope = m->form.trend == NONE ? 0 : start->slope[i];
    if (is_factor(&m->form)) {
        m->level = start->base[i];
        m->slope = start->factor[i];
    }
    if (m->form.season == NONE)
        memset(m->season, 0, m->period * sizeof *m->season);
    else
        memcpy(m->season, start->season + (i - 1) * m->period, m->period * sizeof *m->season);
}

// A censored step tells only that demand was at least the value: below the mean it is no error.
static inline double
shown_value(const struct offload_series *series, size_t t, const struct ets *m)
{
    double value = series->value[t];
    if (!series->censored || !series->censored[t] || isnan(value))
        return value;
    double mu = mean_of(m, next_level(m), m->season[m->phase]);
    return value < mu ? NAN : value;
}

// -2 log likelihood up to constants that all forms share (2008, eq. 5.3 and 5.4):
// n log(sum of squared innovations / n) + 2 sum log |mu| for multiplicative errors.
static double
likelihood(struct problem *p, const double *parameter)
{
    struct ets *m = p->m;
    const struct offload_series *series = p->series;
    set_parameters(m, parameter);
    set_states(m, p->start, p->state);
    double square = 0, log_mu = 0, product = 1;
    size_t n = 0;
    bool relative = m->form.error == MULTIPLICATIVE;
    for (size_t t = 0; t < series->n; t++) {
        double mu = mean_of(m, next_level(m), m->season[m->phase]);
        double innovation = ets_step(m, shown_value(series, t, m));
        if (isnan(innovation)) {
            if (relative && !isnan(series->value[t]) && !(mu > 0))
                return HUGE_VAL; // a relative error has no meaning there
            continue;
        }
        n++;
        square += innovation * innovation;
        if (!relative)
            continue;
        // One logarithm for many factors.
        product *= mu;
        if (product > 1e200 || product < 1e-200) {
            log_mu += log(product);
            product = 1;
        }
    }
    if (n == 0 || !isfinite(square) || !isfinite(product))
        return HUGE_VAL;
    double floor = relative ? 1e-12 : p->floor;
    return n * log(fmax(square / n, floor)) + 2 * (log_mu + log(product));
}

// Moves level and slope on by a step without an error.
static inline double
advance(struct ets *m)
{
    m->level = next_level(m);
    m->slope = is_factor(&m->form) ? damped_factor(m, m->slope) : m->phi * m->slope;
    return m->level;
}

// n log of the mean squared error over LEADS steps ahead (2008, 5.1.3: AMSE). What a quiet night
// says of the level counts by the errors that it makes in the morning, in the values' own unit; by
// the likelihood of one step, a relative error of a small value counts as much as that of a large
// one.
static double
multi_step(struct problem *p, const double *parameter)
{
    struct ets *m = p->m;
    const struct offload_series *series = p->series;
    set_parameters(m, parameter);
    set_states(m, p->start, p->state);
    double square = 0;
    size_t n = 0;
    for (size_t t = 0; t < series->n; t++) {
        struct ets ahead = *m; // without the season
        uint32_t phase = m->phase;
        for (size_t h = 0; h < LEADS && t + h < series->n; h++) {
            double q = advance(&ahead);
            double error = series->value[t + h] - mean_of(m, q, m->season[phase]);
            phase = phase + 1 == m->period ? 0 : phase + 1;
            if (isnan(error) || (series->censored && series->censored[t + h] && error < 0))
                continue;
            square += error * error;
            n++;
        }
        ets_step(m, shown_value(series, t, m));
    }
    if (n == 0 || !isfinite(square))
        return HUGE_VAL;
    return p->n_seen * log(fmax(square / n, p->floor));
}

static double
objective(unsigned n, const double *x, double *gradient, void *data)
{
    (void)gradient; // only methods without derivatives are used
    struct problem *p = data;
    for (unsigned i = 0; i < n; i++)
        p->scratch[p->map[i]] = x[i];
    double value = p->criterion(p, p->scratch);
    if (value < p->best) {
        p->best = value;
        memcpy(p->best_parameter, p->scratch, sizeof p->best_parameter);
    }
    return fmin(value, DBL_MAX / 4); // the simplex needs finite values
}

// Improves p->best from p->best_parameter on.
static void
optimise(struct problem *p)
{
    double x[PARAMETERS], lower[PARAMETERS], upper[PARAMETERS], step[PARAMETERS], value;
    memcpy(p->scratch, p->best_parameter, sizeof p->scratch);
    for (unsigned i = 0; i < p->n_parameters; i++) {
        int k = p->map[i];
        x[i] = p->best_parameter[k];
        lower[i] = LOWER[k];
        upper[i] = UPPER[k];
        step[i] = fmin(0.2, 0.5 * fmax(upper[i] - x[i], x[i] - lower[i]));
    }
    nlopt_opt opt = nlopt_create(NLOPT_LN_NELDERMEAD, p->n_parameters);
    if (!opt)
        return;
    nlopt_set_lower_bounds(opt, lower);
    nlopt_set_upper_bounds(opt, upper);
    nlopt_set_initial_step(opt, step);
    nlopt_set_min_objective(opt, objective, p);
    nlopt_set_ftol_abs(opt, LIKELIHOOD_TOLERANCE);
    nlopt_set_maxeval(opt, EVALUATIONS);
    nlopt_result result = nlopt_optimize(opt, x, &value);
    // Rounding may stop the simplex early and the cap always may: the best point seen stands in
    // both cases.
    assert(result != NLOPT_INVALID_ARGS);
    nlopt_destroy(opt);
}

// Free parameters (2008, 7.1): smoothing weights, initial states, variance.
static size_t
parameters_of(const struct form *form, size_t period)
{
    size_t k = 1 + 1 + 1; // alpha, level, variance
    if (form->trend != NONE)
        k += 2;
    if (is_damped(form))
        k++;
    if (form->season != NONE)
        k += 1 + period - 1;
    return k;
}

static double
aicc_of(double likelihood_value, size_t n, size_t k)
{
    return likelihood_value + 2.0 * k + 2.0 * k * (k + 1) / (n - k - 1);
}

static void
problem_form(struct problem *p, const struct form *form)
{
    p->m->form = *form;
    p->n_parameters = 0;
    const bool has[PARAMETERS] = {true, form->trend != NONE, form->season != NONE, is_damped(form)};
    for (int k = 0; k < PARAMETERS; k++)
        if (has[k])
            p->map[p->n_parameters++] = k;
    p->best = HUGE_VAL;
}

struct candidate {
    const struct form *form;
    double aicc, likelihood;
    double parameter[PARAMETERS];
    double *state; // that it starts from, as in struct problem; NULL: the heuristic ones
};

static int
by_aicc(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->aicc != y->aicc)
        return x->aicc < y->aicc ? -1 : 1;
    return x->form < y->form ? -1 : x->form > y->form; // the simpler form, whatever the sort
}

// The weights of an earlier fit as one more starting value.
static void
try_warm(struct problem *p)
{
    const struct ets *m = p->warm;
    double parameter[PARAMETERS] = {m->alpha, m->beta / m->alpha, m->gamma / (1 - m->alpha),
                                    m->phi};
    for (int k = 0; k < PARAMETERS; k++)
        parameter[k] = fmin(fmax(parameter[k], LOWER[k]), UPPER[k]);
    double value = likelihood(p, parameter);
    if (value >= p->best)
        return;
    p->best = value;
    memcpy(p->best_parameter, parameter, sizeof p->best_parameter);
}

// The forms that the series admits, at the best of the starting values; after an earlier fit, that
// fit's alone.
static size_t
candidates_start(struct problem *p, bool positive, struct candidate *candidate)
{
    size_t n = 0;
    for (int i = 0; i < N_FORMS; i++) {
        const struct form *form = &FORMS[i];
        size_t k = parameters_of(form, p->m->period);
        bool relative = form->error == MULTIPLICATIVE || form->season == MULTIPLICATIVE;
        if (p->warm && memcmp(&p->warm->form, form, sizeof *form) != 0)
            continue;
        if ((relative && !positive) || (form->season != NONE && p->m->period < 2) ||
            p->n_seen < k + 2)
            continue;
        problem_form(p, form);
        for (int s = 0; s < N_STARTS; s++) {
            double value = likelihood(p, STARTS[s]);
            if (value >= p->best)
                continue;
            p->best = value;
            memcpy(p->best_parameter, STARTS[s], sizeof p->best_parameter);
        }
        if (p->warm)
            try_warm(p);
        if (p->best >= HUGE_VAL)
            continue;
        candidate[n] = (struct candidate){
            .form = form, .aicc = aicc_of(p->best, p->n_seen, k), .likelihood = p->best};
        memcpy(candidate[n++].parameter, p->best_parameter, sizeof p->best_parameter);
    }
    qsort(candidate, n, sizeof *candidate, by_aicc);
    return n;
}

static void
candidates_optimise(struct problem *p, struct candidate *candidate, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct candidate *c = &candidate[i];
        problem_form(p, c->form);
        p->best = c->likelihood;
        memcpy(p->best_parameter, c->parameter, sizeof p->best_parameter);
        optimise(p);
        c->likelihood = p->best;
        c->aicc = aicc_of(p->best, p->n_seen, parameters_of(c->form, p->m->period));
        memcpy(c->parameter, p->best_parameter, sizeof c->parameter);
    }
    qsort(candidate, n, sizeof *candidate, by_aicc);
}

// ---- Initial states, estimated ----

struct polish {
    struct problem *problem;
    double *state; // [2 + period] work space
    double *best;  // the same, of problem->best
    double *moved; // [variables] work space
};

// Free variables: the weights, then level, slope and all but one of the season's states, which sum
// to 0 (or average 1).
static size_t
polish_variables(const struct problem *p)
{
    const struct form *form = &p->m->form;
    return p->n_parameters + 1 + (form->trend != NONE) +
           (form->season != NONE ? p->m->period - 1 : 0);
}

static void
polish_unpack(const struct problem *p, const double *v, double *parameter, double *state)
{
    const struct ets *m = p->m;
    memcpy(parameter, p->scratch, sizeof p->scratch);
    for (unsigned i = 0; i < p->n_parameters; i++)
        parameter[p->map[i]] = v[i];
    v += p->n_parameters;
    state[0] = *v++ * p->unit;
    state[1] = m->form.trend == NONE ? 0 : is_factor(&m->form) ? *v++ : *v++ * p->unit;
    bool ratio = m->form.season == MULTIPLICATIVE;
    double rest = ratio ? m->period : 0;
    for (size_t i = 0; i < m->period; i++) {
        bool last = i + 1 == m->period;
        state[2 + i] = m->form.season == NONE ? 0 : last ? rest : ratio ? *v++ : *v++ * p->unit;
        rest -= state[2 + i];
    }
}

static void
polish_pack(const struct problem *p, const double *parameter, const double *state, double *v)
{
    const struct ets *m = p->m;
    for (unsigned i = 0; i < p->n_parameters; i++)
        *v++ = parameter[p->map[i]];
    *v++ = state[0] / p->unit;
    if (m->form.trend != NONE)
        *v++ = is_factor(&m->form) ? state[1] : state[1] / p->unit;
    for (size_t i = 0; m->form.season != NONE && i + 1 < m->period; i++)
        *v++ = m->form.season == MULTIPLICATIVE ? state[2 + i] : state[2 + i] / p->unit;
}

static double
polish_value(struct polish *work, const double *v)
{
    struct problem *p = work->problem;
    double parameter[PARAMETERS];
    polish_unpack(p, v, parameter, work->state);
    for (size_t i = 0; p->m->form.season == MULTIPLICATIVE && i < p->m->period; i++)
        if (!(work->state[2 + i] > 0))
            return DBL_MAX / 4;
    p->state = work->state;
    double value = fmin(p->criterion(p, parameter), DBL_MAX / 4);
    if (value < p->best) {
        p->best = value;
        memcpy(p->best_parameter, parameter, sizeof parameter);
        memcpy(work->best, work->state, (2 + p->m->period) * sizeof *work->best);
    }
    return value;
}

static double
polish_objective(unsigned n, const double *v, double *gradient, void *data)
{
    static const double STEP = 1e-6;
    struct polish *work = data;
    double value = polish_value(data, v), *moved = work->moved;
    if (!gradient)
        return value;
    memcpy(moved, v, n * sizeof *moved);
    for (unsigned i = 0; i < n; i++) {
        // Away from the nearer bound; weights end at 1.
        double step = v[i] > 0.5 ? -STEP : STEP;
        moved[i] = v[i] + step;
        gradient[i] = (polish_value(data, moved) - value) / step;
        if (!isfinite(gradient[i]) || fabs(gradient[i]) > 1e100)
            gradient[i] = 0;
        moved[i] = v[i];
    }
    return value;
}

// Improves the candidate over weights and initial states together. Failure leaves it as it is.
static void
polish(struct problem *p, struct candidate *c)
{
    size_t period = p->m->period;
    problem_form(p, c->form);
    size_t n = polish_variables(p);
    double *memory = malloc((2 + period + 4 * n) * sizeof *memory);
    c->state = malloc((2 + period) * sizeof *c->state);
    nlopt_opt opt = nlopt_create(NLOPT_LD_SLSQP, (unsigned)n);
    if (!memory || !c->state || !opt) {
        free(c->state);
        c->state = NULL;
        goto free_all;
    }
    struct polish work = {p, memory, c->state, memory + 2 + period + 3 * n};
    double *v = memory + 2 + period, *lower = v + n, *upper = lower + n, value;
    set_states(p->m, p->start, NULL);
    c->state[0] = p->m->level;
    c->state[1] = p->m->slope;
    memcpy(c->state + 2, p->m->season, period * sizeof *c->state);
    memcpy(p->scratch, c->parameter, sizeof p->scratch);
    polish_pack(p, c->parameter, c->state, v);
    for (size_t i = 0; i < n; i++) {
        lower[i] = i < p->n_parameters ? LOWER[p->map[i]] : -HUGE_VAL;
        upper[i] = i < p->n_parameters ? UPPER[p->map[i]] : HUGE_VAL;
        if (i < p->n_parameters)
            v[i] = fmin(fmax(v[i], lower[i]), upper[i]);
    }
    p->best = c->likelihood;
    memcpy(p->best_parameter, c->parameter, sizeof p->best_parameter);
    nlopt_set_lower_bounds(opt, lower);
    nlopt_set_upper_bounds(opt, upper);
    nlopt_set_min_objective(opt, polish_objective, &work);
    nlopt_set_ftol_abs(opt, 1e-3);
    nlopt_set_maxeval(opt, POLISH_EVALUATIONS);
    nlopt_result result = nlopt_optimize(opt, v, &value);
    // Rounding may end the search; the best point seen stands.
    assert(result != NLOPT_INVALID_ARGS);
    p->state = NULL;
    c->likelihood = p->best;
    c->aicc = aicc_of(p->best, p->n_seen, parameters_of(c->form, period));
    memcpy(c->parameter, p->best_parameter, sizeof c->parameter);

free_all:
    nlopt_destroy(opt);
    free(memory);
}

// The forms that come first, as far as POLISH_WORK goes. Returns whether any was.
static bool
candidates_polish(struct problem *p, struct candidate *candidate, size_t n)
{
    size_t most = POLISH_WORK / (p->series->n * (p->m->period + 5));
    if (p->m->period > POLISH_PERIOD)
        return false;
    if (most > n)
        most = n;
    for (size_t i = 0; i < most; i++)
        polish(p, &candidate[i]);
    qsort(candidate, most, sizeof *candidate, by_aicc);
    return most > 0;
}

// Estimates the weights of the form that was chosen by what they are for.
static void
settle_weights(struct problem *p, struct candidate *c)
{
    problem_form(p, c->form);
    p->criterion = multi_step;
    memcpy(p->best_parameter, c->parameter, sizeof p->best_parameter);
    p->best = multi_step(p, c->parameter);
    for (int s = 0; s < N_STARTS; s++) {
        double value = multi_step(p, STARTS[s]);
        if (value >= p->best)
            continue;
        p->best = value;
        memcpy(p->best_parameter, STARTS[s], sizeof p->best_parameter);
    }
    optimise(p);
    memcpy(c->parameter, p->best_parameter, sizeof c->parameter);
}

// Counts values and their mean square about the mean.
static size_t
look_over(const struct offload_series *series, bool *positive, double *variance)
{
    size_t n = 0;
    double mean = 0, square = 0;
    *positive = true;
    for (size_t t = 0; t < series->n; t++) {
        double y = series->value[t];
        if (isnan(y))
            continue;
        n++;
        double delta = y - mean;
        mean += delta / n;
        square += delta * (y - mean);
        *positive &= y > 0;
    }
    *variance = n ? square / n : 0;
    return n;
}

static int
fit_cleaned(void *state, const struct offload_training *training, double *innovation,
            struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t period = offload_training_period(training);
    bool positive;
    double variance;
    size_t seen = look_over(series, &positive, &variance);
    if (seen < SEEN_MIN)
        return offload_err_set(err, -EDOM, "ets", "at least 5 values", "the series has %zu values",
                               seen);
    // A season that was not seen twice is no season yet.
    size_t season = series->n >= 2 * period + 1 ? period : 1;
    struct start start;
    struct ets *m = calloc(1, ets_bytes(period));
    if (!m || start_init(&start, series, season)) {
        free(m);
        return offload_err_set(err, -ENOMEM, "ets", NULL, "no memory for %zu values", series->n);
    }
    m->period = (uint32_t)season;
    struct problem problem = {
        .series = series, .start = &start, .m = m, .n_seen = seen, .criterion = likelihood};
    // Not where what was a season then is none now.
    const struct ets *warm = training->warm;
    if (warm && (warm->form.season == NONE || warm->period == season))
        problem.warm = warm;
    problem.floor = fmax(1e-10 * variance, DBL_MIN);
    problem.unit = sqrt(variance) + DBL_MIN;
    struct candidate candidate[N_FORMS];
    size_t n = candidates_start(&problem, positive, candidate);
    if (n == 0 && problem.warm) { // the form of then does not go with the values of now
        problem.warm = NULL;
        n = candidates_start(&problem, positive, candidate);
    }
    int rc = 0;
    if (n == 0) {
        rc = offload_err_set(err, -EDOM, "ets", "more values", "no form fits %zu values", seen);
        goto free_all;
    }
    size_t finalists = n < FINALISTS ? n : FINALISTS;
    if (variance > 0) {
        candidates_optimise(&problem, candidate, finalists);
        if (!candidates_polish(&problem, candidate, finalists) && season > 1)
            settle_weights(&problem, &candidate[0]);
    }
    m->form = *candidate[0].form;
    m->aicc = candidate[0].aicc;
    set_parameters(m, candidate[0].parameter);
    set_states(m, &start, candidate[0].state);
    for (size_t t = 0; t < series->n; t++) {
        double error = ets_step(m, shown_value(series, t, m));
        if (innovation)
            innovation[t] = error;
    }
    memcpy(state, m, ets_bytes(season));

free_all:
    for (size_t i = 0; i < n; i++)
        free(candidate[i].state);
    free(start.smooth);
    free(m);
    return rc;
}

static int
ets_fit(void *state, const struct offload_training *training, double *innovation,
        struct offload_err *err)
{
    struct clean clean;
    if (clean_init(&clean, training))
        return offload_err_set(err, -ENOMEM, "ets", NULL, "no memory for %zu values",
                               training->series.n);
    int rc = fit_cleaned(state, &clean.training, innovation, err);
    clean_fini(&clean);
    return rc;
}

static void
ets_describe(const void *state, char *buf, size_t size)
{
    const struct ets *m = state;
    static const char *const letter[] = {"N", "A", "Ad", "M", "Md"};
    int n = snprintf(buf, size, "ETS(%s,%s,%s)", letter[m->form.error], letter[m->form.trend],
                     letter[m->form.season]);
    if (n > 0 && (size_t)n < size)
        snprintf(buf + n, size - n, ", alpha %.3g, beta %.3g, gamma %.3g, phi %.3g, period %u",
                 m->alpha, m->beta, m->gamma, m->phi, m->period);
}

// What each state adds at 'ahead' steps after the next one.
static void
ets_split(const struct ets *m, size_t ahead, double part[3])
{
    struct ets moved = *m; // without the season
    for (size_t h = 0; h <= ahead; h++)
        advance(&moved);
    double q = moved.level;
    part[0] = m->level;
    part[1] = q - m->level;
    part[2] = mean_of(m, q, m->season[(m->phase + ahead) % m->period]) - q;
}

static size_t
ets_components(const void *state, size_t horizon, const double *x,
               struct offload_component *component, size_t max)
{
    const struct ets *m = state;
    double *mean = malloc(horizon * sizeof *mean), first[3], peak[3];
    if (!mean)
        return 0;
    ets_path(m, horizon, x, NULL, mean);
    size_t at = 0, n = 0;
    for (size_t h = 1; h < horizon; h++)
        if (mean[h] > mean[at])
            at = h;
    free(mean);
    ets_split(m, 0, first);
    ets_split(m, at, peak);
    const bool has[3] = {true, m->form.trend != NONE, m->form.season != NONE};
    for (int i = 0; i < 3 && n < max; i++) {
        if (!has[i])
            continue;
        struct offload_component *c = &component[n++];
        *c = (struct offload_component){.measure = "sum", .first = first[i], .peak = peak[i]};
        if (i < 2)
            snprintf(c->name, sizeof c->name, "%s", i ? "trend" : "level");
        else
            snprintf(c->name, sizeof c->name, "season %u", m->period);
    }
    return n;
}

static size_t
ets_state_bytes(const struct offload_training *training)
{
    return ets_bytes(offload_training_period(training));
}

const struct offload_model_ops model_ets_ops = {
    .name = "ets",
    .state_bytes = ets_state_bytes,
    .fit = ets_fit,
    .update = ets_update,
    .path = ets_path,
    .describe = ets_describe,
    .components = ets_components,
};
