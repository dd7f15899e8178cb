// SPDX-License-Identifier: Apache-2.0
// TBATS: level, damped trend and trigonometric seasons that move with the errors.
// series -> [fit, update] -> path -> fan.  Pure.
// De Livera, Hyndman, Snyder, Forecasting time series with complex seasonal patterns using
// exponential smoothing, J. Amer. Statist. Assoc. 106 (2011), eq. 1-7; letters as there:
//     g(y) = l + phi b + sum s_j + d    d: ARMA(p, q) with the errors e
//     l = l + phi b + alpha d    b = phi b + beta d
//     s_j = s_j cos + s*_j sin + gamma_1 d    s*_j = -s_j sin + s*_j cos + gamma_2 d
// The start of the states is least squares (section 3.1), in turn with the weights. Harmonics are
// chosen beforehand by a regression with autoregressive errors, orders of d from what is left.

#include "lib/forecast/arma.h"
#include "lib/forecast/design.h"
#include "lib/forecast/least.h"
#include "lib/forecast/models.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIT_MAX = 1400, // steps that are fitted, or three seasons if they are longer
    ERRORS_MAX = 2, // p, q
    EVALUATIONS = 60,
    TURNS = 2,    // of states and weights
    SETTLED = 12, // values, or level alone
    PARAMETERS = 3 + 2 * OFFLOAD_PERIODS_MAX + 2 * ERRORS_MAX,
    STATES = 2 + 2 * DESIGN_PAIRS_MAX,
};

static const double LOG_WORTH = 0.02; // of log likelihood a value, times 2

struct harmonic {
    double c, s;    // of its angle
    double at, off; // s_j, s*_j
};

struct tbats {
    double lambda, centre, scale; // g(y) = (y or log y - centre) / scale
    double alpha, beta, phi;      // phi 0: no trend
    double level, slope;
    double gamma[OFFLOAD_PERIODS_MAX][2];
    double ar[ERRORS_MAX], ma[ERRORS_MAX];
    double d[ERRORS_MAX], e[ERRORS_MAX]; // the last ones, newest first
    uint32_t n_seasons;
    uint32_t period[OFFLOAD_PERIODS_MAX], n_harmonics[OFFLOAD_PERIODS_MAX];
    uint32_t p, q, unused;
    struct harmonic harmonic[DESIGN_PAIRS_MAX]; // season by season
};

// ---- Steps ----

// What is expected of the next value; the part of d in it to 'd'.
static inline double
expected(const struct tbats *m, size_t pairs, double *d)
{
    double mean = m->level + m->phi * m->slope;
    for (size_t j = 0; j < pairs; j++)
        mean += m->harmonic[j].at;
    *d = 0;
    for (uint32_t i = 0; i < m->p; i++)
        *d += m->ar[i] * m->d[i];
    for (uint32_t i = 0; i < m->q; i++)
        *d += m->ma[i] * m->e[i];
    return mean + *d;
}

static inline void
advance(struct tbats *m, double d, double e)
{
    m->slope *= m->phi;
    m->level += m->slope + m->alpha * d;
    m->slope += m->beta * d;
    struct harmonic *h = m->harmonic;
    for (uint32_t i = 0; i < m->n_seasons; i++) {
        double first = m->gamma[i][0] * d, second = m->gamma[i][1] * d;
        for (uint32_t j = 0; j < m->n_harmonics[i]; j++, h++) {
            double at = h->at * h->c + h->off * h->s + first;
            h->off = h->off * h->c - h->at * h->s + second;
            h->at = at;
        }
    }
    for (int i = ERRORS_MAX - 1; i > 0; i--) {
        m->d[i] = m->d[i - 1];
        m->e[i] = m->e[i - 1];
    }
    m->d[0] = d;
    m->e[0] = e;
}

static size_t
n_pairs(const struct tbats *m)
{
    size_t n = 0;
    for (uint32_t i = 0; i < m->n_seasons; i++)
        n += m->n_harmonics[i];
    return n;
}

static double
restored(const struct tbats *m, double z)
{
    z = m->centre + m->scale * z;
    return m->lambda == 1 ? z : exp(fmin(z, 700));
}

static double
shown(const struct tbats *m, double y)
{
    if (m->lambda != 1)
        y = log(fmax(y, fmax(restored(m, -8), 1e-300)));
    return (y - m->centre) / m->scale;
}

static double
tbats_update(void *state, double value, const double *x)
{
    (void)x;
    struct tbats *m = state;
    double d, mean = expected(m, n_pairs(m), &d);
    double e = isnan(value) ? 0 : shown(m, value) - mean;
    advance(m, d + e, e);
    return isnan(value) ? NAN : e;
}

static void
tbats_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    (void)x;
    struct tbats m = *(const struct tbats *)state;
    size_t pairs = n_pairs(&m);
    for (size_t h = 0; h < horizon; h++) {
        double d, e = shock ? shock[h] : 0, mean = expected(&m, pairs, &d);
        out[h] = restored(&m, mean + e);
        advance(&m, d + e, e);
    }
}

// ---- Fit ----

struct fit {
    const struct offload_training *training;
    size_t offset, n, n_values;
    double *z;          // [n] g(y); NAN: a gap
    struct tbats start; // the model before the first step that is fitted
    bool trend, damped;
    double parameter[PARAMETERS];
    double *column; // [STATES + 1][n]
    double *work;   // of least_squares
    double aicc;
};

// e of all steps, 0 at gaps.
static void
run(const struct tbats *start, const double *z, size_t n, double *e)
{
    struct tbats m = *start;
    size_t pairs = n_pairs(&m);
    for (size_t t = 0; t < n; t++) {
        double d, mean = expected(&m, pairs, &d);
        e[t] = z && isnan(z[t]) ? 0 : (z ? z[t] : 0) - mean;
        advance(&m, d + e[t], e[t]);
    }
}

static double
logistic(double x)
{
    return 1 / (1 + exp(-x));
}

// The weights: all of them may be anything, and stay within what makes sense.
static size_t
set_weights(const struct fit *f, const double *parameter, struct tbats *m)
{
    static const double GAMMA_STEP = 0.01; // as sensitive as the others
    const double *p = parameter;
    m->alpha = logistic(*p++);
    m->beta = f->trend ? m->alpha * logistic(*p++) : 0;
    m->phi = !f->trend ? 0 : f->damped ? 0.8 + 0.2 * logistic(*p++) : 1;
    for (uint32_t i = 0; i < m->n_seasons; i++)
        for (int k = 0; k < 2 && m->n_harmonics[i] > 0; k++)
            m->gamma[i][k] = GAMMA_STEP * *p++;
    arma_stationary(p, m->p, m->ar);
    p += m->p;
    arma_stationary(p, m->q, m->ma);
    p += m->q;
    for (uint32_t i = 0; i < m->q; i++)
        m->ma[i] = -m->ma[i];
    return (size_t)(p - parameter);
}

static bool
residuals(void *context, const double *parameter, double *residual)
{
    const struct fit *f = context;
    struct tbats m = f->start;
    set_weights(f, parameter, &m);
    run(&m, f->z, f->n, residual);
    return true;
}

static double *
state_of(struct tbats *m, size_t i)
{
    if (i < 2)
        return i == 0 ? &m->level : &m->slope;
    struct harmonic *h = &m->harmonic[(i - 2) / 2];
    return i % 2 == 0 ? &h->at : &h->off;
}

static void
clear_states(struct tbats *m)
{
    for (size_t i = 0; i < 2 + 2 * n_pairs(m); i++)
        *state_of(m, i) = 0;
}

static double
product(const double *a, const double *b, size_t n)
{
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++)
            sum[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        sum[0] += a[i] * b[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

// The states before the first step, by least squares given the weights: e is linear in them.
static bool
fit_states(struct fit *f)
{
    struct tbats *m = &f->start;
    size_t n = f->n, states = 2 + 2 * n_pairs(m);
    double *gaps = f->column + STATES * n;
    double *a = malloc((states * states + states) * sizeof *a), *b = a + states * states;
    if (!a)
        return false;
    clear_states(m);
    run(m, f->z, n, gaps);
    for (size_t t = 0; t < n; t++)
        f->work[t] = isnan(f->z[t]) ? NAN : 0;
    for (size_t i = 0; i < states; i++) {
        bool idle = i == 1 && !f->trend;
        *state_of(m, i) = idle ? 0 : 1;
        run(m, f->work, n, f->column + i * n);
        *state_of(m, i) = 0;
        for (size_t j = 0; j <= i; j++)
            a[i * states + j] = product(f->column + i * n, f->column + j * n, n);
        b[i] = -product(f->column + i * n, gaps, n);
        a[i * states + i] += idle ? 1 : 1e-9 * n;
    }
    bool solved = least_solve(a, b, states);
    for (size_t i = 0; solved && i < states; i++)
        *state_of(m, i) = b[i];
    free(a);
    return solved;
}

// Weights and states in turn. False: no fit.
static bool
fit_weights(struct fit *f)
{
    struct tbats *m = &f->start;
    size_t n_parameters = set_weights(f, f->parameter, m);
    double sum = HUGE_VAL;
    for (int turn = 0; turn < TURNS; turn++) {
        set_weights(f, f->parameter, m);
        if (!fit_states(f))
            return false;
        struct least_problem problem = {.n_parameters = n_parameters,
                                        .n_residuals = f->n,
                                        .limit = 12,
                                        .evaluations = EVALUATIONS,
                                        .tolerance = 1e-4,
                                        .residuals = residuals,
                                        .context = f};
        sum = least_squares(&problem, f->parameter, f->work);
    }
    set_weights(f, f->parameter, m);
    double n = f->n_values, k = n_parameters + 2 + f->trend + 2 * n_pairs(m);
    if (!(sum < HUGE_VAL) || n < k + 3)
        return false;
    f->aicc = n * log(fmax(sum, 1e-300) / n) + 2 * k * n / (n - k - 1);
    return isfinite(f->aicc);
}

// ---- Fit: harmonics ----

static bool
harmonic_of_earlier(const struct offload_training *training, size_t index, size_t k)
{
    for (size_t i = 0; i < index; i++)
        if (k * training->period[i] % training->period[index] == 0)
            return true;
    return false;
}

static void
add_harmonics(const struct fit *f, struct design *design, size_t index, size_t room)
{
    size_t period = f->training->period[index];
    for (size_t k = 1; 2 * k < period && k <= DESIGN_HARMONICS_MAX && room > 0; k++) {
        if (harmonic_of_earlier(f->training, index, k))
            continue;
        room--;
        for (int sine = 0; sine < 2; sine++) {
            double *column = design->value + design->n * design->n_columns;
            design->column[design->n_columns++] =
                (struct design_column){DESIGN_SEASON, (uint16_t)index, (uint16_t)k, sine};
            for (size_t t = 0; t < f->n; t++) {
                double angle = 2 * M_PI * (k * t % period) / period;
                column[t] = sine ? sin(angle) : cos(angle);
            }
        }
    }
}

struct whitening {
    const struct arma_orders *orders;
    const double *w;
    const uint8_t *gap;
    size_t n;
    double *work;
};

static bool
whitened(void *context, const double *parameter, double *residual)
{
    const struct whitening *w = context;
    struct arma arma;
    arma_expand(w->orders, parameter, &arma);
    double log_f = arma_innovations(&arma, 0.02, w->w, 1, 0, w->n, w->gap, residual, w->work);
    double factor = exp(log_f / (2.0 * w->n));
    for (size_t t = 0; t < w->n; t++)
        residual[t] *= factor;
    return !isnan(log_f);
}

// Regresses, and regresses again with the errors' autoregression taken out; 'differenced': what
// steps from one value to the next, so that a level that wanders does not hide the seasons.
static void
select_harmonics(struct fit *f, bool differenced, struct design *design, double *white,
                 uint8_t *gap, double *work)
{
    static const struct arma_orders ERRORS = {.p = 3, .season = 1};
    const struct arma_orders steps = {.d = differenced, .season = 1};
    size_t n = f->n, columns = design->n_columns, kept = 0;
    double *y = white + columns * n, parameter[3] = {0.05, 0.05, 0.05};
    memcpy(white, design->value, columns * n * sizeof *white);
    double last = 0;
    for (size_t t = 0; t < n; t++) {
        gap[t] = isnan(f->z[t]) || (differenced && t > 0 && isnan(f->z[t - 1]));
        last = y[t] = isnan(f->z[t]) ? last : f->z[t];
    }
    for (size_t i = 0; i <= columns; i++)
        kept = arma_difference(&steps, white + i * n, n);
    for (size_t t = 0; t < kept; t++)
        for (size_t i = 0; gap[n - kept + t] && i <= columns; i++)
            white[i * n + t] = 0;
    design_select(design, white, y, kept, f->n_values, 2);
    double *rest = f->column;
    memcpy(rest, y, kept * sizeof *rest);
    for (size_t i = 0; i < columns; i++)
        for (size_t t = 0; design->used[i] && t < kept; t++)
            rest[t] -= design->beta[i] * white[i * n + t];
    struct whitening w = {&ERRORS, rest, gap + n - kept, kept, work};
    struct least_problem problem = {.n_parameters = 3,
                                    .n_residuals = kept,
                                    .limit = 3,
                                    .evaluations = 30,
                                    .tolerance = 1e-3,
                                    .residuals = whitened,
                                    .context = &w};
    struct arma arma;
    least_squares(&problem, parameter, f->work);
    arma_expand(&ERRORS, parameter, &arma);
    arma_innovations(&arma, 0.02, white, columns + 1, n, kept, gap + n - kept, white, work);
    design_select(design, white, y, kept, f->n_values, 5);
}

// -ENOMEM
static int
choose_harmonics(struct fit *f, bool differenced)
{
    const struct offload_training *training = f->training;
    struct tbats *m = &f->start;
    struct design design = {.n = f->n};
    design.value = malloc(DESIGN_COLUMNS_MAX * f->n * sizeof(double));
    double *white = malloc((DESIGN_COLUMNS_MAX + 1) * f->n * sizeof *white);
    double *work = malloc((f->n + 4 * (ARMA_LAG_MAX + 2)) * sizeof *work);
    uint8_t *gap = malloc(f->n);
    bool memory = design.value && white && work && gap;
    size_t room = f->n_values / 12;
    if (room > DESIGN_PAIRS_MAX)
        room = DESIGN_PAIRS_MAX;
    if (memory && !differenced) {
        design.column[design.n_columns++] = (struct design_column){DESIGN_CONSTANT, 0, 1, false};
        for (size_t t = 0; t < f->n; t++)
            design.value[t] = 1;
    }
    for (size_t i = 0; memory && i < training->n_periods; i++) {
        size_t before = design.n_columns;
        if (f->n >= 2 * training->period[i])
            add_harmonics(f, &design, i, room);
        room -= (design.n_columns - before) / 2;
    }
    if (memory && design.n_columns > 0)
        select_harmonics(f, differenced, &design, white, gap, work);
    m->n_seasons = (uint32_t)training->n_periods;
    m->p = m->q = 0;
    size_t pairs = 0;
    for (size_t i = 0; i < training->n_periods; i++) {
        m->period[i] = (uint32_t)training->period[i];
        m->n_harmonics[i] = 0;
        for (size_t j = 0; j < design.n_columns; j++) {
            const struct design_column *c = &design.column[j];
            if (c->kind != DESIGN_SEASON || c->index != i || c->sine ||
                !(design.used[j] || design.used[j + 1]))
                continue;
            double angle = 2 * M_PI * c->order / training->period[i];
            m->harmonic[pairs++] = (struct harmonic){.c = cos(angle), .s = sin(angle)};
            m->n_harmonics[i]++;
        }
    }
    free(design.value);
    free(white);
    free(work);
    free(gap);
    return memory ? 0 : -ENOMEM;
}

// ---- Fit: which form ----

// False: the transform does not know the values, or they are all the same.
static bool
take_values(struct fit *f, double lambda)
{
    const double *y = f->training->series.value + f->offset;
    double sum = 0, square = 0;
    f->n_values = 0;
    for (size_t t = 0; t < f->n; t++) {
        f->z[t] = isfinite(y[t]) ? y[t] : NAN;
        if (isnan(f->z[t]))
            continue;
        if (lambda != 1 && !(y[t] > 0))
            return false;
        f->z[t] = lambda == 1 ? y[t] : log(y[t]);
        sum += f->z[t];
        f->n_values++;
    }
    double centre = sum / f->n_values;
    for (size_t t = 0; t < f->n; t++)
        if (!isnan(f->z[t]))
            square += (f->z[t] - centre) * (f->z[t] - centre);
    double scale = sqrt(square / f->n_values);
    memset(&f->start, 0, sizeof f->start);
    f->start.lambda = lambda;
    f->start.centre = centre;
    f->start.scale = scale > 1e-12 * fabs(centre) ? scale : 0;
    for (size_t t = 0; t < f->n; t++)
        f->z[t] = f->start.scale > 0 ? (f->z[t] - centre) / scale : f->z[t] - centre;
    return f->start.scale > 0;
}

// Orders of d from what the errors tell, then all together.
static void
try_errors(struct fit *f)
{
    static const struct arma_orders ORDERS[] = {{.p = 1, .season = 1},
                                                {.q = 1, .season = 1},
                                                {.p = 1, .q = 1, .season = 1},
                                                {.p = 2, .season = 1},
                                                {.p = 2, .q = 1, .season = 1}};
    struct fit kept = *f;
    double *e = f->column, *work = e + f->n, sum = 0;
    run(&f->start, f->z, f->n, e);
    for (size_t t = 0; t < f->n; t++)
        sum += e[t] * e[t];
    double n = f->n_values, best = n * log(sum / n), chosen[4] = {0};
    const struct arma_orders *orders = NULL;
    size_t at = set_weights(f, f->parameter, &f->start);
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++) {
        double parameter[4] = {0.1, 0.05, 0.05};
        struct whitening w = {&ORDERS[i], e, NULL, f->n, work};
        struct least_problem problem = {.n_parameters = ORDERS[i].p + ORDERS[i].q,
                                        .n_residuals = f->n,
                                        .limit = 2,
                                        .evaluations = 30,
                                        .tolerance = 1e-4,
                                        .residuals = whitened,
                                        .context = &w};
        double value =
            n * log(least_squares(&problem, parameter, f->work) / n) + 2.0 * problem.n_parameters;
        if (!(value < best - 2))
            continue;
        best = value;
        orders = &ORDERS[i];
        memcpy(chosen, parameter, sizeof chosen);
    }
    if (!orders)
        return;
    f->start.p = orders->p;
    f->start.q = orders->q;
    memcpy(f->parameter + at, chosen, (orders->p + orders->q) * sizeof *chosen);
    if (!fit_weights(f) || f->aicc >= kept.aicc)
        *f = kept;
}

// -2 log likelihood a value; HUGE_VAL: no fit. Tries the harmonics of a level that wanders and of
// one that stays.
static double
try_transform(struct fit *f, double lambda)
{
    if (!take_values(f, lambda))
        return HUGE_VAL;
    struct fit best = *f;
    best.aicc = HUGE_VAL;
    for (int differenced = 0; differenced < 2; differenced++) {
        if (choose_harmonics(f, differenced))
            return HUGE_VAL;
        f->trend = false;
        f->aicc = HUGE_VAL;
        memset(f->parameter, 0, sizeof f->parameter);
        f->parameter[0] = differenced ? 0 : -3;
        if (!fit_weights(f))
            continue;
        try_errors(f);
        if (f->aicc < best.aicc)
            best = *f;
    }
    *f = best;
    if (best.aicc == HUGE_VAL)
        return HUGE_VAL;
    double jacobian = 0;
    for (size_t t = 0; lambda != 1 && t < f->n; t++)
        if (!isnan(f->z[t]))
            jacobian += (f->start.centre + f->start.scale * f->z[t]) / f->n_values;
    return f->aicc / f->n_values + 2 * log(f->start.scale) + 2 * jacobian;
}

// A damped trend, the rest starting from what is known.
static void
try_trend(struct fit *f)
{
    struct fit kept = *f;
    f->trend = f->damped = true;
    memmove(f->parameter + 3, f->parameter + 1, (PARAMETERS - 3) * sizeof *f->parameter);
    f->parameter[1] = -3;
    f->parameter[2] = 1.5;
    if (!fit_weights(f) || f->aicc >= kept.aicc)
        *f = kept;
}

static bool
fit_all(struct fit *f)
{
    double plain = try_transform(f, 1);
    if (plain == HUGE_VAL)
        return false;
    struct fit kept = *f;
    if (!(try_transform(f, 0) < plain - LOG_WORTH)) {
        take_values(f, 1);
        *f = kept;
    }
    try_trend(f);
    return true;
}

// The last value goes on, where nothing else can be told from so few.
static void
carry_on(struct fit *f)
{
    f->start.n_seasons = 0;
    f->start.alpha = 1;
    for (size_t t = f->n; t-- > 0;)
        if (!isnan(f->z[t]))
            f->start.level = f->z[t];
}

static int
tbats_fit(void *state, const struct offload_training *training, double *innovation,
          struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t longest = FIT_MAX, values = 0;
    for (size_t i = 0; i < training->n_periods; i++)
        if (3 * training->period[i] > longest)
            longest = 3 * training->period[i];
    struct fit f = {.training = training};
    f.n = series->n < longest ? series->n : longest;
    f.offset = series->n - f.n;
    for (size_t t = f.offset; t < series->n; t++)
        values += isfinite(series->value[t]);
    if (values < 2)
        return offload_err_set(err, -EDOM, "tbats", "two values", "the series has %zu", values);
    f.z = malloc(f.n * sizeof *f.z);
    f.column = malloc(((STATES + 1) * f.n + 4 * (ARMA_LAG_MAX + 2)) * sizeof *f.column);
    f.work = malloc((PARAMETERS + 2) * f.n * sizeof *f.work);
    if (!f.z || !f.column || !f.work) {
        free(f.z);
        free(f.column);
        free(f.work);
        return offload_err_set(err, -ENOMEM, "tbats", NULL, "no memory for %zu values", f.n);
    }
    if (values < SETTLED || !fit_all(&f)) {
        take_values(&f, 1);
        carry_on(&f);
    }
    if (f.start.scale == 0)
        f.start.scale = 1;
    for (size_t t = 0; innovation && t < f.offset; t++)
        innovation[t] = NAN;
    struct tbats *m = state;
    *m = f.start;
    for (size_t t = f.offset; t < series->n; t++) {
        double e = tbats_update(m, isfinite(series->value[t]) ? series->value[t] : NAN, NULL);
        if (innovation)
            innovation[t] = e;
    }
    free(f.z);
    free(f.column);
    free(f.work);
    return 0;
}

// ---- In words ----

static void
tbats_describe(const void *state, char *buf, size_t size)
{
    const struct tbats *m = state;
    size_t n = (size_t)snprintf(buf, size, "TBATS(%s, {%u,%u}, ", m->lambda == 1 ? "1" : "log",
                                m->p, m->q);
    if (n < size)
        n += m->phi == 0 ? snprintf(buf + n, size - n, "-")
                         : snprintf(buf + n, size - n, "%.3g", m->phi);
    for (uint32_t i = 0; i < m->n_seasons && n < size; i++)
        if (m->n_harmonics[i] > 0)
            n += snprintf(buf + n, size - n, ", <%u,%u>", m->period[i], m->n_harmonics[i]);
    if (n < size)
        snprintf(buf + n, size - n, "), alpha %.2g", m->alpha);
}

static size_t
tbats_components(const void *state, size_t horizon, const double *x,
                 struct offload_component *component, size_t max)
{
    (void)x;
    struct tbats m = *(const struct tbats *)state;
    double part[2][2 + OFFLOAD_PERIODS_MAX], highest = -HUGE_VAL;
    size_t pairs = n_pairs(&m), n = 0;
    if (m.lambda != 1)
        return 0;
    for (size_t h = 0; h < horizon; h++) {
        double d, mean = expected(&m, pairs, &d), now[2 + OFFLOAD_PERIODS_MAX] = {0};
        const struct harmonic *at = m.harmonic;
        now[0] = m.centre + m.scale * (m.level + m.phi * m.slope);
        now[1] = m.scale * d;
        for (uint32_t i = 0; i < m.n_seasons; i++)
            for (uint32_t j = 0; j < m.n_harmonics[i]; j++)
                now[2 + i] += m.scale * (at++)->at;
        if (h == 0)
            memcpy(part[0], now, sizeof now);
        if (mean > highest) {
            highest = mean;
            memcpy(part[1], now, sizeof now);
        }
        advance(&m, d, 0);
    }
    for (size_t i = 0; i < 2 + m.n_seasons && n < max; i++) {
        struct offload_component *c = &component[n];
        if (i > 0 && part[0][i] == 0 && part[1][i] == 0)
            continue;
        if (i >= 2)
            snprintf(c->name, sizeof c->name, "season %u", m.period[i - 2]);
        else
            snprintf(c->name, sizeof c->name, "%s", i == 0 ? "level and trend" : "errors");
        c->measure = "sum";
        c->first = part[0][i];
        c->peak = part[1][i];
        n++;
    }
    return n;
}

static size_t
tbats_state_bytes(const struct offload_training *training)
{
    (void)training;
    return sizeof(struct tbats);
}

const struct offload_model_ops model_tbats_ops = {
    .name = "tbats",
    .state_bytes = tbats_state_bytes,
    .fit = tbats_fit,
    .update = tbats_update,
    .path = tbats_path,
    .describe = tbats_describe,
    .components = tbats_components,
};
