// SPDX-License-Identifier: Apache-2.0
// SARIMAX: a regression on seasons and regressors whose errors are a seasonal ARIMA process.
// series -> [fit, update] -> path -> fan.  Pure.
// Hyndman and Khandakar, Automatic time series forecasting: the forecast package for R, J. Statist.
// Softw. 27 (2008): differences by tests, orders by steps through neighbours, AICc. Seasons that
// are long, or further than the first, are harmonics (Hyndman and Athanasopoulos, Forecasting:
// Principles and Practice, 3rd ed., 10.5, 12.1). Regression and process are estimated in turn, each
// given the other, which climbs the joint likelihood.
//     g(y(t)) = x(t)' beta + u(t)    phi(B) Phi(B^m) (1 - B)^d (1 - B^m)^D u = theta(B) Theta(B^m) e
// The state holds what is known of u so far ahead as the longest lag: known[i] of u(t + i), before
// t. A step adds each lag's share of u(t) and e(t) to it, so it costs as much as there are lags.

#include "lib/forecast/arma.h"
#include "lib/forecast/design.h"
#include "lib/forecast/least.h"
#include "lib/forecast/models.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KNOWN = ARMA_LAG_MAX + 1, // a ring
    SHORT_SEASON_MAX = 24,    // of seasonal lags; a longer season is harmonics
    FIT_MAX = 2400,           // steps that are fitted, or three seasons if they are longer
    SEARCH_MAX = 40,          // orders that are tried
    SEARCH_EVALUATIONS = 30,  // of the likelihood, for each
    FINAL_EVALUATIONS = 120,
    TURNS = 2,          // of regression and process at the end
    PROFILE_MAX = 4,    // harmonics that a regressor of two levels switches
    SHOWN_MIN = 10,     // values more that are not censored than are
    TRANSFORM_MIN = 30, // values, to judge a transform
};

static const double SEARCH_TOLERANCE = 0.05, FINAL_TOLERANCE = 1e-3; // of F
static const double LOG_WORTH = 0.02;   // of log likelihood a value, times 2
static const double PARTIAL_MAX = 3.5;  // tanh 0.998
static const double STRENGTH = 0.64;    // of a season that is differenced (R's nsdiffs)
static const double KPSS_5_PCT = 0.463; // Kwiatkowski et al. 1992, table 1, level

struct season {
    uint32_t period, phase; // of the next step
    uint32_t n, first;      // harmonics; where their pairs begin
};

struct regressor {
    char name[24];
    double mean, scale, linear, square;
    double profile[2 * PROFILE_MAX]; // of the first season, times the regressor
    uint32_t n_profile, unused;
};

struct sarimax {
    struct arma_orders orders;
    double lambda;        // 1: g is the identity; else Box and Cox's, 0: log
    double centre, scale; // of g(y)
    double constant, drift;
    double t; // steps since the first that was fitted, of the next step
    uint32_t n_seasons, n_regressors;
    struct season season[OFFLOAD_PERIODS_MAX];
    struct regressor regressor[OFFLOAD_REGRESSORS_MAX];
    double pair[2 * DESIGN_PAIRS_MAX];
    struct arma_terms ar, ma; // differences included
    uint32_t head, unused;
    double known[KNOWN];
};

// ---- The transform ----

static double
transformed(double lambda, double y)
{
    return lambda == 1 ? y : lambda == 0 ? log(y) : (pow(y, lambda) - 1) / lambda;
}

static double
restored(const struct sarimax *s, double z)
{
    z = s->centre + s->scale * z;
    if (s->lambda == 1)
        return z;
    if (s->lambda == 0)
        return exp(fmin(z, 700));
    return pow(fmax(s->lambda * z + 1, 0), 1 / s->lambda);
}

// A value that the transform does not know, such as a first 0, is taken for the least it can show.
static double
shown(const struct sarimax *s, double y)
{
    if (s->lambda != 1) {
        double least = restored(s, -8);
        y = fmax(y, fmax(least, 1e-300));
    }
    return (transformed(s->lambda, y) - s->centre) / s->scale;
}

// ---- Steps ----

static double
regressor_effect(const struct sarimax *s, size_t i, size_t ahead, double x)
{
    const struct regressor *r = &s->regressor[i];
    double z = isfinite(x) ? (x - r->mean) / r->scale : 0, effect = r->linear;
    if (r->n_profile > 0) {
        const struct season *season = &s->season[0];
        double angle = 2 * M_PI * ((season->phase + ahead) % season->period) / season->period;
        effect += design_harmonics(angle, r->profile, r->n_profile);
    }
    return effect * z + r->square * z * z;
}

static double
season_effect(const struct sarimax *s, const struct season *season, size_t ahead)
{
    double angle = 2 * M_PI * ((season->phase + ahead) % season->period) / season->period;
    return design_harmonics(angle, s->pair + 2 * season->first, season->n);
}

// x' beta, 'ahead' steps after the next one.
static double
regression(const struct sarimax *s, size_t ahead, const double *x)
{
    double mean = s->constant + s->drift * (s->t + ahead);
    for (size_t i = 0; i < s->n_seasons; i++)
        mean += season_effect(s, &s->season[i], ahead);
    for (size_t i = 0; x && i < s->n_regressors; i++)
        mean += regressor_effect(s, i, ahead, x[i]);
    return mean;
}

static double
sarimax_update(void *state, double value, const double *x)
{
    struct sarimax *s = state;
    double mean = regression(s, 0, x);
    double *known = s->known;
    uint32_t head = s->head;
    double u = known[head], e = 0;
    if (!isnan(value)) {
        e = shown(s, value) - mean - u;
        u += e;
    }
    known[head] = 0;
    for (size_t i = 0; i < s->ar.n; i++)
        known[(head + s->ar.lag[i]) % KNOWN] += s->ar.at[i] * u;
    for (size_t i = 0; e != 0 && i < s->ma.n; i++)
        known[(head + s->ma.lag[i]) % KNOWN] += s->ma.at[i] * e;
    s->head = (head + 1) % KNOWN;
    s->t += 1;
    for (size_t i = 0; i < s->n_seasons; i++) {
        struct season *season = &s->season[i];
        season->phase = season->phase + 1 == season->period ? 0 : season->phase + 1;
    }
    return isnan(value) ? NAN : e;
}

static void
sarimax_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    const struct sarimax *s = state;
    double known[KNOWN];
    memcpy(known, s->known, sizeof known);
    for (size_t h = 0; h < horizon; h++) {
        size_t head = (s->head + h) % KNOWN;
        double e = shock ? shock[h] : 0, u = known[head] + e;
        known[head] = 0;
        for (size_t i = 0; i < s->ar.n; i++)
            known[(head + s->ar.lag[i]) % KNOWN] += s->ar.at[i] * u;
        for (size_t i = 0; e != 0 && i < s->ma.n; i++)
            known[(head + s->ma.lag[i]) % KNOWN] += s->ma.at[i] * e;
        out[h] = restored(s, regression(s, h, x ? x + h * s->n_regressors : NULL) + u);
    }
}

// ---- Fit: what is fitted ----

struct fit {
    const struct offload_training *training;
    size_t offset, n, n_values; // the steps that are fitted; those with a value
    size_t season;              // m of the lags, 1: none
    double lambda, centre, scale;
    double *z;    // [n] g(y), centred and scaled, gaps filled
    uint8_t *gap; // [n]
    size_t n_gaps;
    struct design design;
    struct arma_orders orders;
    double parameter[ARMA_PARAMETERS_MAX];
    double tolerance;
    double *u;         // [n] z - x' beta
    double *w;         // [n] u, differenced
    double *white;     // [columns + 1][n]
    double *work;      // of least_squares: [ARMA_PARAMETERS_MAX + 2][n]
    double *arma_work; // of the filters
    double aicc;
};

static void
fit_fini(struct fit *f)
{
    free(f->z);
    free(f->gap);
    free(f->u);
    free(f->w);
    free(f->white);
    free(f->work);
    free(f->arma_work);
    free(f->design.value);
}

static int
fit_alloc(struct fit *f)
{
    size_t n = f->n;
    f->z = malloc(n * sizeof *f->z);
    f->gap = malloc(n);
    f->u = malloc(n * sizeof *f->u);
    f->w = malloc(n * sizeof *f->w);
    f->white = malloc((DESIGN_COLUMNS_MAX + 1) * n * sizeof *f->white);
    f->work = malloc((ARMA_PARAMETERS_MAX + 2) * n * sizeof *f->work);
    f->arma_work = malloc((n + 4 * (ARMA_LAG_MAX + 2)) * sizeof *f->arma_work);
    f->design.value = malloc(DESIGN_COLUMNS_MAX * n * sizeof *f->design.value);
    bool all =
        f->z && f->gap && f->u && f->w && f->white && f->work && f->arma_work && f->design.value;
    return all ? 0 : -ENOMEM;
}

// Gaps get what their phase deviates on average, and the deviation of what stands around them.
static void
fill_gaps(struct fit *f)
{
    size_t m = offload_training_period(f->training);
    if (f->n_values < 3 * m)
        m = 1;
    double *sum = calloc(2 * m, sizeof *sum), *seen = sum + m;
    if (!sum)
        m = 0;
    for (size_t t = 0; t < f->n && m; t++)
        if (!f->gap[t]) {
            sum[t % m] += f->z[t];
            seen[t % m]++;
        }
    for (size_t i = 0; i < m; i++)
        sum[i] = seen[i] > 0 ? sum[i] / seen[i] : 0;
    for (size_t t = 0, last = f->n; t < f->n; t++) {
        if (!f->gap[t]) {
            last = t;
            continue;
        }
        size_t next = t;
        while (next < f->n && f->gap[next])
            next++;
        double before = last < f->n ? f->z[last] - (m ? sum[last % m] : 0) : NAN;
        double after = next < f->n ? f->z[next] - (m ? sum[next % m] : 0) : NAN;
        for (size_t g = t; g < next; g++) {
            double part = last < f->n ? (double)(g - last) / (next - last) : 1;
            double deviation = isnan(before)  ? after
                               : isnan(after) ? before
                                              : before + part * (after - before);
            f->z[g] = (m ? sum[g % m] : 0) + (isnan(deviation) ? 0 : deviation);
        }
        t = next - 1;
    }
    free(sum);
}

// Steps at a limit, if there are enough others to tell what demand was then.
static bool
has_usable_censored(const struct fit *f)
{
    const struct offload_series *series = &f->training->series;
    size_t censored = 0;
    for (size_t t = f->offset; series->censored && t < series->n; t++)
        censored += series->censored[t] && isfinite(series->value[t]);
    return censored > 0 && series->n - f->offset - censored >= SHOWN_MIN + censored;
}

// A censored step counts with its value where that is above what stands around it says: demand was
// at least that much.
static void
keep_high_censored(struct fit *f)
{
    const struct offload_series *series = &f->training->series;
    for (size_t t = 0; t < f->n; t++) {
        double y = series->value[f->offset + t];
        if (!series->censored[f->offset + t] || !isfinite(y))
            continue;
        double z = (transformed(f->lambda, y) - f->centre) / f->scale;
        if (z < f->z[t])
            continue;
        f->z[t] = z;
        f->gap[t] = 0;
        f->n_values++;
        f->n_gaps--;
    }
}

// Takes the series in through g. False: g does not know its values.
static bool
take_values(struct fit *f, double lambda)
{
    const double *y = f->training->series.value + f->offset;
    bool censored = has_usable_censored(f);
    double sum = 0, square = 0;
    f->n_values = 0;
    for (size_t t = 0; t < f->n; t++) {
        f->gap[t] = !isfinite(y[t]) || (censored && f->training->series.censored[f->offset + t]);
        if (isfinite(y[t]) && lambda != 1 && !(lambda > 0 ? y[t] >= 0 : y[t] > 0))
            return false;
        if (f->gap[t])
            continue;
        f->z[t] = transformed(lambda, y[t]);
        sum += f->z[t];
        f->n_values++;
    }
    f->n_gaps = f->n - f->n_values;
    f->lambda = lambda;
    f->centre = f->n_values ? sum / f->n_values : 0;
    for (size_t t = 0; t < f->n; t++)
        if (!f->gap[t])
            square += (f->z[t] - f->centre) * (f->z[t] - f->centre);
    f->scale = f->n_values ? sqrt(square / f->n_values) : 0;
    if (!(f->scale > 1e-12 * fabs(f->centre)))
        f->scale = 0; // constant
    for (size_t t = 0; t < f->n; t++)
        if (!f->gap[t])
            f->z[t] = f->scale > 0 ? (f->z[t] - f->centre) / f->scale : 0;
    fill_gaps(f);
    if (censored && f->scale > 0)
        keep_high_censored(f);
    return true;
}

// ---- Fit: the columns ----

static double *
add_column(struct fit *f, enum design_kind kind, size_t index, size_t order, bool sine)
{
    struct design *d = &f->design;
    d->column[d->n_columns] = (struct design_column){kind, (uint16_t)index, (uint16_t)order, sine};
    return d->value + d->n * d->n_columns++;
}

static bool
harmonic_of_earlier(const struct fit *f, size_t index, size_t k)
{
    const size_t *period = f->training->period;
    for (size_t i = 0; i < index; i++)
        if (k * period[i] % period[index] == 0)
            return true;
    return f->season > 1 && f->orders.sd && k * f->season % period[index] == 0;
}

static void
add_season(struct fit *f, size_t index, size_t room)
{
    size_t period = f->training->period[index], n = f->n, added = 0;
    for (size_t k = 1; 2 * k < period && k <= DESIGN_HARMONICS_MAX && added < room; k++) {
        if (harmonic_of_earlier(f, index, k))
            continue;
        for (int sine = 0; sine < 2; sine++) {
            double *column = add_column(f, DESIGN_SEASON, index, k, sine);
            for (size_t t = 0; t < n; t++) {
                double angle = 2 * M_PI * ((k * (f->offset + t)) % period) / period;
                column[t] = sine ? sin(angle) : cos(angle);
            }
        }
        added++;
    }
}

// Whether the rarer of two levels stays for half a season and more when it comes.
static bool
lasts_days(const struct fit *f, const double *level)
{
    size_t rare = 0, runs = 0;
    double high = level[0];
    for (size_t t = 1; t < f->n; t++)
        high = fmax(high, level[t]);
    bool rare_is_high = high > 1; // standardised
    for (size_t t = 0; t < f->n; t++) {
        bool now = (level[t] == high) == rare_is_high;
        bool before = t > 0 && (level[t - 1] == high) == rare_is_high;
        rare += now;
        runs += now && !before;
    }
    return runs > 1 && 2 * rare >= runs * offload_training_period(f->training);
}

// A holiday is no lower day but another one.
static void
add_profile(struct fit *f, size_t index, const double *linear)
{
    size_t period = offload_training_period(f->training), first = f->offset;
    for (size_t k = 1; k <= PROFILE_MAX && 2 * k < period; k++)
        for (int sine = 0; sine < 2 && f->design.n_columns + 2 < DESIGN_COLUMNS_MAX; sine++) {
            double *column = add_column(f, DESIGN_PROFILE, index, k, sine);
            for (size_t t = 0; t < f->n; t++) {
                double angle = 2 * M_PI * (k * (first + t) % period) / period;
                column[t] = linear[t] * (sine ? sin(angle) : cos(angle));
            }
        }
}

static void
add_regressor(struct fit *f, size_t index)
{
    const struct offload_regressors *x = &f->training->x;
    const double *from = x->value + f->offset * x->n + index;
    size_t n = f->n, seen = 0, levels = 0;
    double mean = 0, square = 0, level[4];
    for (size_t t = 0; t < n; t++)
        if (isfinite(from[t * x->n])) {
            mean += from[t * x->n];
            seen++;
        }
    mean = seen ? mean / seen : 0;
    for (size_t t = 0; t < n; t++) {
        double value = from[t * x->n];
        if (!isfinite(value))
            continue;
        square += (value - mean) * (value - mean);
        size_t i = 0;
        while (i < levels && level[i] != value)
            i++;
        if (i == levels && levels < 4)
            level[levels++] = value;
    }
    double scale = seen ? sqrt(square / seen) : 0;
    f->design.mean[index] = mean;
    f->design.scale[index] = scale;
    if (!(scale > 1e-9 * fabs(mean)))
        return; // it never changes
    size_t orders = levels > 3 ? 2 : 1;
    double *linear = add_column(f, DESIGN_REGRESSOR, index, 1, false);
    for (size_t t = 0; t < n; t++)
        linear[t] = isfinite(from[t * x->n]) ? (from[t * x->n] - mean) / scale : 0;
    if (levels == 2 && lasts_days(f, linear))
        add_profile(f, index, linear);
    if (orders < 2)
        return;
    double *curve = add_column(f, DESIGN_REGRESSOR, index, 2, false);
    for (size_t t = 0; t < n; t++)
        curve[t] = linear[t] * linear[t];
}

static void
add_columns(struct fit *f)
{
    struct design *d = &f->design;
    d->n = f->n;
    d->n_columns = 0;
    if (f->orders.d + f->orders.sd == 0) {
        double *one = add_column(f, DESIGN_CONSTANT, 0, 1, false);
        for (size_t t = 0; t < f->n; t++)
            one[t] = 1;
    }
    if (f->orders.d + f->orders.sd == 1) {
        double *time = add_column(f, DESIGN_DRIFT, 0, 1, false);
        for (size_t t = 0; t < f->n; t++)
            time[t] = (double)t / f->n;
    }
    const struct offload_training *training = f->training;
    size_t room = f->n_values / 12;
    if (room > DESIGN_PAIRS_MAX)
        room = DESIGN_PAIRS_MAX;
    for (size_t i = 0; i < training->n_periods; i++) {
        size_t before = d->n_columns;
        if (training->period[i] != f->season && f->n >= 2 * training->period[i])
            add_season(f, i, room);
        room -= (d->n_columns - before) / 2;
    }
    for (size_t i = 0; i < training->x.n && d->n_columns + 2 <= DESIGN_COLUMNS_MAX; i++)
        if (f->n_values > 3 * (d->n_columns + 2))
            add_regressor(f, i);
}

// ---- Fit: regression, given the process ----

static size_t
lost_steps(const struct fit *f)
{
    return f->orders.d + (size_t)f->orders.sd * f->orders.season;
}

static size_t
n_parameters(const struct arma_orders *o)
{
    return o->p + o->q + o->sp + o->sq;
}

// Whitens columns and values by the process, selects and estimates, and leaves u. False: cannot.
static bool
fit_regression(struct fit *f)
{
    struct design *d = &f->design;
    size_t n = f->n, kept = n;
    double *z = f->white + d->n_columns * n;
    memcpy(f->white, d->value, d->n_columns * n * sizeof *z);
    memcpy(z, f->z, n * sizeof *z);
    for (size_t i = 0; i <= d->n_columns; i++)
        kept = arma_difference(&f->orders, f->white + i * n, n);
    const uint8_t *gap = f->gap + lost_steps(f);
    struct arma arma;
    arma_expand(&f->orders, f->parameter, &arma);
    double log_f = arma_innovations(&arma, f->tolerance, f->white, d->n_columns + 1, n, kept,
                                    f->n_gaps ? gap : NULL, f->white, f->arma_work);
    size_t values = 0;
    for (size_t t = 0; t < kept; t++)
        values += !gap[t];
    if (isnan(log_f))
        return false;
    f->aicc = design_select(d, f->white, z, kept, values, n_parameters(&f->orders) + 1) + log_f;
    for (size_t t = 0; t < n; t++)
        f->u[t] = f->z[t];
    for (size_t i = 0; i < d->n_columns; i++)
        for (size_t t = 0; d->used[i] && t < n; t++)
            f->u[t] -= d->beta[i] * d->value[i * n + t];
    return f->aicc < HUGE_VAL;
}

// ---- Fit: the process, given the regression ----

struct target {
    struct fit *f;
    const struct arma_orders *orders;
    size_t n, n_values;
};

static bool
arma_residuals(void *context, const double *parameter, double *residual)
{
    const struct target *target = context;
    struct fit *f = target->f;
    struct arma arma;
    arma_expand(target->orders, parameter, &arma);
    const uint8_t *gap = f->n_gaps ? f->gap + f->n - target->n : NULL;
    double log_f =
        arma_innovations(&arma, f->tolerance, f->w, 1, 0, target->n, gap, residual, f->arma_work);
    if (isnan(log_f))
        return false;
    // -2 log L = n log(S exp(log_f / n)) + ...: so the product is what falls.
    double factor = exp(log_f / (2.0 * target->n_values));
    for (size_t t = 0; t < target->n; t++)
        residual[t] *= factor;
    return true;
}

static void
target_init(struct target *target, struct fit *f)
{
    memcpy(f->w, f->u, f->n * sizeof *f->w);
    *target = (struct target){.f = f, .orders = &f->orders};
    target->n = arma_difference(&f->orders, f->w, f->n);
    const uint8_t *gap = f->gap + f->n - target->n;
    for (size_t t = 0; t < target->n; t++)
        target->n_values += !gap[t];
}

static double
fit_process(struct target *target, const struct arma_orders *orders, double *parameter,
            size_t evaluations, double tolerance)
{
    target->orders = orders;
    struct least_problem problem = {.n_parameters = n_parameters(orders),
                                    .n_residuals = target->n,
                                    .limit = PARTIAL_MAX,
                                    .evaluations = evaluations,
                                    .tolerance = tolerance,
                                    .residuals = arma_residuals,
                                    .context = target};
    double sum = least_squares(&problem, parameter, target->f->work);
    double n = target->n_values, k = problem.n_parameters + 1;
    if (!(sum < HUGE_VAL) || n < k + 3)
        return HUGE_VAL;
    return n * log(fmax(sum, 1e-300) / n) + 2 * k * n / (n - k - 1);
}

struct search {
    struct target target;
    struct arma_orders best;
    double parameter[ARMA_PARAMETERS_MAX];
    double aicc;
    size_t tried;
    uint8_t seen[ARMA_SHORT_MAX + 1][ARMA_SHORT_MAX + 1][ARMA_LONG_MAX + 1][ARMA_LONG_MAX + 1];
};

// The parameters of 'from' as a start for 'to': what is new starts near 0.
static void
carry(const struct arma_orders *from, const double *old, const struct arma_orders *to,
      double *parameter)
{
    const uint16_t had[4] = {from->p, from->q, from->sp, from->sq};
    const uint16_t has[4] = {to->p, to->q, to->sp, to->sq};
    for (int part = 0; part < 4; part++) {
        for (int i = 0; i < has[part]; i++)
            *parameter++ = i < had[part] ? fmin(fmax(old[i], -2), 2) : part % 2 ? 0.1 : 0.05;
        old += had[part];
    }
}

// Tries other orders. True: they are better.
static bool
try_orders(struct search *s, int p, int q, int sp, int sq)
{
    int long_max = s->best.season > 1 ? ARMA_LONG_MAX : 0;
    if (p < 0 || q < 0 || sp < 0 || sq < 0 || p > ARMA_SHORT_MAX || q > ARMA_SHORT_MAX ||
        sp > long_max || sq > long_max || s->tried >= SEARCH_MAX || s->seen[p][q][sp][sq])
        return false;
    struct arma_orders o = s->best;
    o.p = (uint16_t)p;
    o.q = (uint16_t)q;
    o.sp = (uint16_t)sp;
    o.sq = (uint16_t)sq;
    size_t longest = p > q ? p : q;
    if (s->target.n < longest + 1 + (size_t)o.season * (sp > sq ? sp : sq) + n_parameters(&o))
        return false;
    s->seen[p][q][sp][sq] = 1;
    s->tried++;
    double parameter[ARMA_PARAMETERS_MAX];
    carry(&s->best, s->parameter, &o, parameter);
    double aicc = fit_process(&s->target, &o, parameter, SEARCH_EVALUATIONS, 1e-4);
    if (!(aicc < s->aicc))
        return false;
    s->aicc = aicc;
    s->best = o;
    memcpy(s->parameter, parameter, sizeof parameter);
    return true;
}

// One round through the neighbours, from the best on. True: something was better.
static bool
try_neighbours(struct search *s)
{
    static const int8_t STEPS[][4] = {{0, 0, -1, 0}, {0, 0, 1, 0},  {0, 0, 0, -1}, {0, 0, 0, 1},
                                      {0, 0, -1, 1}, {0, 0, 1, -1}, {0, 0, 1, 1},  {0, 0, -1, -1},
                                      {-1, 0, 0, 0}, {1, 0, 0, 0},  {0, -1, 0, 0}, {0, 1, 0, 0},
                                      {-1, 1, 0, 0}, {1, -1, 0, 0}, {1, 1, 0, 0},  {-1, -1, 0, 0}};
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
        const struct arma_orders *b = &s->best;
        const int8_t *d = STEPS[i];
        if (try_orders(s, b->p + d[0], b->q + d[1], b->sp + d[2], b->sq + d[3]))
            return true;
    }
    return false;
}

static void
search_orders(struct fit *f)
{
    struct search s = {.best = f->orders, .aicc = HUGE_VAL};
    s.best.p = s.best.q = s.best.sp = s.best.sq = 0;
    target_init(&s.target, f);
    int seasonal = s.best.season > 1;
    try_orders(&s, 0, 0, 0, 0);
    try_orders(&s, 1, 0, seasonal, 0);
    try_orders(&s, 0, 1, 0, seasonal);
    // From the autoregression on: its way to both at once often ends beside the highest point.
    try_orders(&s, 2, 0, s.best.sp, s.best.sq);
    try_orders(&s, 2, 2, seasonal, seasonal);
    while (try_neighbours(&s))
        continue;
    f->orders = s.best;
    memcpy(f->parameter, s.parameter, sizeof f->parameter);
}

// With gaps, the last word has the filter that knows of them.
struct exact {
    struct fit *f;
    double *y, *work;
};

static bool
kalman_residuals(void *context, const double *parameter, double *residual)
{
    const struct exact *exact = context;
    struct fit *f = exact->f;
    struct arma arma;
    size_t used = 0;
    arma_expand(&f->orders, parameter, &arma);
    double log_f = arma_kalman(&f->orders, &arma, exact->y, f->n, residual, &used, exact->work);
    if (isnan(log_f) || used == 0)
        return false;
    double factor = exp(log_f / (2.0 * used));
    for (size_t t = 0; t < f->n; t++)
        residual[t] *= factor;
    return true;
}

static void
fit_exactly(struct fit *f)
{
    static const double OPERATIONS = 4e7; // of all evaluations together: some 20 ms
    struct arma arma;
    arma_expand(&f->orders, f->parameter, &arma);
    size_t size = arma_kalman_work(&f->orders, &arma);
    double evaluations = OPERATIONS / ((double)f->n * size);
    double *y = malloc((f->n + size) * sizeof *y);
    if (!y || evaluations < 2 * n_parameters(&f->orders) + 3) {
        free(y);
        return;
    }
    for (size_t t = 0; t < f->n; t++)
        y[t] = f->gap[t] ? NAN : f->u[t];
    struct exact exact = {.f = f, .y = y, .work = y + f->n};
    struct least_problem problem = {.n_parameters = n_parameters(&f->orders),
                                    .n_residuals = f->n,
                                    .limit = PARTIAL_MAX,
                                    .evaluations = (size_t)fmin(evaluations, FINAL_EVALUATIONS),
                                    .tolerance = 1e-6,
                                    .residuals = kalman_residuals,
                                    .context = &exact};
    least_squares(&problem, f->parameter, f->work);
    free(y);
}

// ---- Fit: differences ----

// Share of the season in what is left of 'z' without its trend (Wang, Smith, Hyndman 2006).
static double
seasonal_strength(const struct fit *f, size_t m)
{
    size_t n = f->n, half = m / 2;
    double *detrended = malloc((n + 2 * m) * sizeof *detrended);
    if (!detrended || n < 2 * m + 1) {
        free(detrended);
        return 0;
    }
    double *sum = detrended + n, *seen = sum + m;
    memset(sum, 0, 2 * m * sizeof *sum);
    for (size_t t = half; t + half < n; t++) {
        double mean = 0;
        for (size_t i = t - half; i <= t + half; i++)
            mean += f->z[i] * (m % 2 == 0 && (i == t - half || i == t + half) ? 0.5 : 1);
        detrended[t] = f->z[t] - mean / m;
        sum[t % m] += detrended[t];
        seen[t % m]++;
    }
    double rest = 0, all = 0;
    for (size_t t = half; t + half < n; t++) {
        double left = detrended[t] - sum[t % m] / seen[t % m];
        rest += left * left;
        all += detrended[t] * detrended[t];
    }
    free(detrended);
    return all > 0 ? 1 - rest / all : 0;
}

// Kwiatkowski, Phillips, Schmidt, Shin, J. Econometrics 54 (1992): level stationarity.
static bool
wanders(const double *w, size_t n)
{
    if (n < 8)
        return false;
    size_t lags = (size_t)(3 * sqrt((double)n) / 13);
    double mean = 0, partial = 0, eta = 0, variance = 0;
    for (size_t t = 0; t < n; t++)
        mean += w[t] / n;
    for (size_t t = 0; t < n; t++) {
        partial += w[t] - mean;
        eta += partial * partial;
    }
    for (size_t lag = 0; lag <= lags; lag++) {
        double product = 0;
        for (size_t t = lag; t < n; t++)
            product += (w[t] - mean) * (w[t - lag] - mean);
        variance += product * (lag == 0 ? 1 : 2 * (1 - lag / (lags + 1.0)));
    }
    return variance > 0 && eta / ((double)n * variance) > KPSS_5_PCT;
}

static void
choose_d(struct fit *f)
{
    f->orders.d = 0;
    for (;;) {
        memcpy(f->w, f->u, f->n * sizeof *f->w);
        size_t n = arma_difference(&f->orders, f->w, f->n);
        if (f->orders.d == 2 || !wanders(f->w, n))
            break;
        f->orders.d++;
    }
}

// ---- Fit: all ----

// Estimates a first regression with errors of a fixed form. False: cannot.
static bool
fit_first(struct fit *f)
{
    add_columns(f);
    f->orders.p = f->orders.q = f->orders.sp = f->orders.sq = 0;
    if (!fit_regression(f))
        return false;
    f->orders.p = f->n_values > 20 ? 2 : 0;
    f->orders.sp = f->season > 1 && !f->orders.sd;
    f->orders.sq = f->season > 1 && f->orders.sd;
    for (size_t i = 0; i < n_parameters(&f->orders); i++)
        f->parameter[i] = 0.05;
    struct target target;
    target_init(&target, f);
    fit_process(&target, &f->orders, f->parameter, SEARCH_EVALUATIONS, 1e-3);
    return fit_regression(f);
}

static void
choose_season(struct fit *f)
{
    size_t m = offload_training_period(f->training);
    f->season = m > 1 && m <= SHORT_SEASON_MAX && f->n_values >= 2 * m + 3 ? m : 1;
    f->orders = (struct arma_orders){.season = (uint16_t)f->season};
    if (f->season > 1)
        f->orders.sd = seasonal_strength(f, m) > STRENGTH;
}

// -2 log likelihood of a value of the series, whatever g is. HUGE_VAL: g is of no use.
static double
try_transform(struct fit *f, double lambda)
{
    const double *y = f->training->series.value + f->offset;
    if (!take_values(f, lambda) || f->scale == 0)
        return HUGE_VAL;
    choose_season(f);
    if (!fit_first(f))
        return HUGE_VAL;
    // g' of a 0 under the root is taken at the least value above.
    double jacobian = 0, least = HUGE_VAL;
    for (size_t t = 0; t < f->n; t++)
        if (!f->gap[t] && y[t] > 0)
            least = fmin(least, y[t]);
    for (size_t t = 0; lambda != 1 && t < f->n; t++)
        if (!f->gap[t])
            jacobian += (1 - lambda) * log(fmax(y[t], least)) / f->n_values;
    double n = f->n_values - lost_steps(f);
    return f->aicc / n + 2 * log(f->scale) + 2 * jacobian;
}

static bool
fit_all(struct fit *f)
{
    f->tolerance = SEARCH_TOLERANCE;
    double plain = try_transform(f, 1);
    if (plain < HUGE_VAL && f->n_values >= TRANSFORM_MIN) {
        // Logarithms, or where there are zeros the square root.
        double curved = try_transform(f, 0);
        if (curved == HUGE_VAL)
            curved = try_transform(f, 0.5);
        if (!(curved < plain - LOG_WORTH))
            plain = try_transform(f, 1);
    }
    if (!(plain < HUGE_VAL))
        return false;
    choose_d(f);
    add_columns(f);
    search_orders(f);
    f->tolerance = FINAL_TOLERANCE;
    for (int turn = 0; turn < TURNS; turn++) {
        if (!fit_regression(f))
            return false;
        struct target target;
        target_init(&target, f);
        fit_process(&target, &f->orders, f->parameter, FINAL_EVALUATIONS, 1e-6);
    }
    if (f->n_gaps)
        fit_exactly(f);
    return fit_regression(f);
}

// The random walk, where nothing else can be told from so few values.
static void
walk(struct fit *f)
{
    f->orders = (struct arma_orders){.d = 1, .season = 1};
    f->design.n_columns = 0;
    memcpy(f->u, f->z, f->n * sizeof *f->u);
}

// ---- Fit: the state ----

static void
state_columns(const struct fit *f, struct sarimax *s)
{
    const struct design *d = &f->design;
    const struct offload_training *training = f->training;
    s->n_seasons = (uint32_t)training->n_periods;
    size_t first = 0;
    for (size_t i = 0; i < d->n_columns; i++) {
        const struct design_column *c = &d->column[i];
        if (!d->used[i])
            continue;
        if (c->kind == DESIGN_CONSTANT)
            s->constant = d->beta[i];
        else if (c->kind == DESIGN_DRIFT)
            s->drift = d->beta[i] / f->n;
        else if (c->kind == DESIGN_REGRESSOR)
            *(c->order == 1 ? &s->regressor[c->index].linear : &s->regressor[c->index].square) =
                d->beta[i];
        else if (c->kind == DESIGN_PROFILE) {
            struct regressor *r = &s->regressor[c->index];
            r->profile[2 * (c->order - 1) + c->sine] = d->beta[i];
            if (c->order > r->n_profile)
                r->n_profile = c->order;
        } else if (c->order > s->season[c->index].n)
            s->season[c->index].n = c->order;
    }
    for (size_t i = 0; i < training->n_periods; i++) {
        struct season *season = &s->season[i];
        season->period = (uint32_t)training->period[i];
        season->phase = (uint32_t)(f->offset % season->period);
        season->first = (uint32_t)first;
        first += season->n;
    }
    for (size_t i = 0; i < d->n_columns; i++)
        if (d->used[i] && d->column[i].kind == DESIGN_SEASON) {
            const struct design_column *c = &d->column[i];
            s->pair[2 * (s->season[c->index].first + c->order - 1) + c->sine] = d->beta[i];
        }
    s->n_regressors = (uint32_t)training->x.n;
    for (size_t i = 0; i < training->x.n; i++) {
        struct regressor *r = &s->regressor[i];
        snprintf(r->name, sizeof r->name, "%s", training->x.name ? training->x.name[i] : "");
        r->mean = d->mean[i];
        r->scale = d->scale[i] > 0 ? d->scale[i] : 1;
    }
}

// What the state knows at the start of the series: its first value, and the season before.
static void
state_start(const struct fit *f, struct sarimax *s)
{
    struct arma arma;
    arma_expand(&f->orders, f->parameter, &arma);
    s->ar = arma.ar;
    s->ma = arma.ma;
    arma_integrate(&f->orders, &s->ar);
}

// Moves the state through the series: over the steps that differences take without an error, then
// with the filter's errors, which are exact from the first one on.
static void
state_run(const struct fit *f, struct sarimax *s, double *innovation)
{
    struct target target;
    struct arma arma;
    target_init(&target, (struct fit *)f);
    arma_expand(&f->orders, f->parameter, &arma);
    double *e = f->work;
    arma_innovations(&arma, f->tolerance, f->w, 1, 0, target.n,
                     f->n_gaps ? f->gap + f->n - target.n : NULL, e, f->arma_work);
    size_t lost = f->n - target.n;
    // Errors within the fit are smaller than those to come, by what was estimated.
    double k = n_parameters(&f->orders);
    for (size_t i = 0; i < f->design.n_columns; i++)
        k += f->design.used[i];
    double freedom = k < target.n ? sqrt(target.n / (target.n - k)) : 1;
    for (size_t t = 0; t < f->n; t++) {
        double error = t < lost ? 0 : e[t - lost];
        if (innovation)
            innovation[f->offset + t] = t < lost || f->gap[t] ? NAN : freedom * error;
        for (size_t i = 0; i < s->ar.n; i++)
            s->known[(s->head + s->ar.lag[i]) % KNOWN] += s->ar.at[i] * f->u[t];
        for (size_t i = 0; i < s->ma.n; i++)
            s->known[(s->head + s->ma.lag[i]) % KNOWN] += s->ma.at[i] * error;
        s->known[s->head] = 0;
        s->head = (s->head + 1) % KNOWN;
    }
    s->t = f->n;
    for (size_t i = 0; i < s->n_seasons; i++)
        s->season[i].phase = (uint32_t)((f->offset + f->n) % s->season[i].period);
}

static int
sarimax_fit(void *state, const struct offload_training *training, double *innovation,
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
        return offload_err_set(err, -EDOM, "sarimax", "two values", "the series has %zu", values);
    struct sarimax s = {.lambda = 1};
    int rc = fit_alloc(&f);
    for (size_t t = 0; innovation && t < series->n; t++)
        innovation[t] = NAN;
    if (rc) {
        offload_err_set(err, rc, "sarimax", NULL, "no memory for %zu values", f.n);
    } else {
        take_values(&f, 1);
        if (f.scale > 0 && !fit_all(&f))
            walk(&f);
        s.lambda = f.lambda;
        s.centre = f.centre;
        s.scale = f.scale > 0 ? f.scale : 1;
        s.orders = f.orders;
        if (f.scale > 0) {
            state_columns(&f, &s);
            state_start(&f, &s);
            state_run(&f, &s, innovation);
        }
        memcpy(state, &s, sizeof s);
    }
    fit_fini(&f);
    return rc;
}

// ---- In words ----

static bool
helps(const struct regressor *r)
{
    return r->linear != 0 || r->square != 0 || r->n_profile > 0;
}

static void
sarimax_describe(const void *state, char *buf, size_t size)
{
    const struct sarimax *s = state;
    const struct arma_orders *o = &s->orders;
    size_t n = (size_t)snprintf(buf, size, "SARIMAX(%d,%d,%d)", o->p, o->d, o->q);
    if (o->sp + o->sd + o->sq > 0 && n < size)
        n += snprintf(buf + n, size - n, "(%d,%d,%d)%d", o->sp, o->sd, o->sq, o->season);
    for (size_t i = 0; i < s->n_seasons && n < size; i++)
        if (s->season[i].n > 0)
            n += snprintf(buf + n, size - n, " + Fourier %u K=%u", s->season[i].period,
                          s->season[i].n);
    for (size_t i = 0; i < s->n_regressors && n < size; i++)
        if (helps(&s->regressor[i]))
            n += snprintf(buf + n, size - n, " + %s%s", s->regressor[i].name,
                          s->regressor[i].square != 0 ? " and its square"
                          : s->regressor[i].n_profile ? " with its own profile"
                                                      : "");
    if (s->drift != 0 && n < size)
        n += snprintf(buf + n, size - n, " + drift");
    if (s->lambda != 1 && n < size)
        n += snprintf(buf + n, size - n, ", Box-Cox %.2g", s->lambda);
    const char *before = "; of no use: ";
    for (size_t i = 0; i < s->n_regressors && n < size; i++)
        if (!helps(&s->regressor[i])) {
            n += snprintf(buf + n, size - n, "%s%s", before, s->regressor[i].name);
            before = ", ";
        }
}

static void
put_component(struct offload_component *component, const char *name, double first, double peak)
{
    snprintf(component->name, sizeof component->name, "%s", name);
    component->measure = "sum";
    component->first = first;
    component->peak = peak;
}

// With a transform the parts do not sum to the mean: there are none to tell.
static size_t
sarimax_components(const void *state, size_t horizon, const double *x,
                   struct offload_component *component, size_t max)
{
    const struct sarimax *s = state;
    double *mean = malloc(horizon * sizeof *mean);
    size_t n = 0, peak = 0;
    if (s->lambda != 1 || !mean || max == 0) {
        free(mean);
        return 0;
    }
    sarimax_path(state, horizon, x, NULL, mean);
    for (size_t h = 1; h < horizon; h++)
        if (mean[h] > mean[peak])
            peak = h;
    const double *x_peak = x ? x + peak * s->n_regressors : NULL;
    double rest[2] = {mean[0], mean[peak]};
    free(mean);
    for (size_t i = 0; i < s->n_seasons + s->n_regressors + 1 && n + 1 < max; i++) {
        char name[32] = "drift";
        double at[2] = {s->drift * s->t, s->drift * (s->t + peak)};
        if (i < s->n_seasons) {
            snprintf(name, sizeof name, "season %u", s->season[i].period);
            at[0] = season_effect(s, &s->season[i], 0);
            at[1] = season_effect(s, &s->season[i], peak);
        } else if (i < s->n_seasons + s->n_regressors) {
            size_t r = i - s->n_seasons;
            snprintf(name, sizeof name, "%s", s->regressor[r].name);
            at[0] = x ? regressor_effect(s, r, 0, x[r]) : 0;
            at[1] = x ? regressor_effect(s, r, peak, x_peak[r]) : 0;
        }
        if (at[0] == 0 && at[1] == 0)
            continue;
        put_component(&component[n++], name, s->scale * at[0], s->scale * at[1]);
        rest[0] -= s->scale * at[0];
        rest[1] -= s->scale * at[1];
    }
    put_component(&component[n++], "level and errors", rest[0], rest[1]);
    return n;
}

static size_t
sarimax_state_bytes(const struct offload_training *training)
{
    (void)training;
    return sizeof(struct sarimax);
}

const struct offload_model_ops model_sarimax_ops = {
    .name = "sarimax",
    .state_bytes = sarimax_state_bytes,
    .fit = sarimax_fit,
    .update = sarimax_update,
    .path = sarimax_path,
    .describe = sarimax_describe,
    .components = sarimax_components,
};
