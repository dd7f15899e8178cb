// SPDX-License-Identifier: Apache-2.0
// Prophet-like: trend with changepoints + seasons by Fourier terms + regressors and events, as a
// regression whose errors are autocorrelated.
// series -> [fit, update] -> path -> fan.  Pure.
// Taylor and Letham, Forecasting at scale, Am. Statistician 72 (2018); their letters: k, m, delta,
// tau, s_j. What differs, and why:
//  - The fit is penalised least squares, twice: the second time on quasi-differences (Cochrane and
//    Orcutt 1949) with outliers weighed down, so that a run of equal residuals is not taken for
//    evidence. What stays of the last residuals fades out of the forecast: s = phi s + K (r - phi s).
//  - Priors of seasons and regressors are not fixed but estimated, a variance for each group of
//  columns
//    (evidence: MacKay 1992), so what does not help is left out. Changepoints have the Laplace prior,
//    by reweighting.
//  - Events act one step longer where a step is long; regressors that take two values may change
//  the
//    shape of the shortest season.
//  - A regressor called "capacity" is no regressor but the level where the trend saturates.
// A season is kept as a table by phase, so a step costs O(1) whatever the Fourier order.

#include "lib/forecast/models.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANGEPOINTS = 25, // s_j, in the first 80 % of history
    ROWS_MAX = 4096,   // of history that is used; more changes little and costs time
    SEASONS_MAX = OFFLOAD_PERIODS_MAX,
    HARMONICS = 10,      // of the shortest season
    HARMONICS_LONG = 20, // of a longer one
    COLUMNS_MAX = 220,
    GROUPS_MAX = 140,
    SHAPE_HARMONICS = 3, // by which a two-valued regressor changes the shortest season
    SHAPES_MAX = 4,
    TERMS = 3,  // of a regressor: itself, its square, one step later
    ROUNDS = 6, // of priors and solution; they settle in 4 to 6
    VALUES_MIN = 8,
};

static const double TAU = 0.05;          // scale of the changes of slope (2018, 3.1.3)
static const double PRIOR_WEAK = 5;      // of k and m
static const double CHANGE_FLOOR = 1e-4; // below it a change of slope counts as none
static const double HISTORY_SHARE = 0.8;
static const double LONG_STEP_S = 6 * 3600; // from here on an event may act on the next step
static const double HUBER = 2.5;            // robust sigmas
static const double PHI_MAX = 0.95;         // of the quasi-differences

struct regressor {
    double mean, inverse; // z = (x - mean) * inverse; inverse 0: constant, left out
    double beta[TERMS];
    double last;   // z of the last step
    int32_t shape; // index of its table, -1: none
    int32_t two_valued;
    char name[32];
};

struct prophet {
    uint32_t n_seasons, n_x, n_shapes;
    int32_t capacity; // column, -1: none
    uint32_t period[SEASONS_MAX], phase[SEASONS_MAX];
    uint32_t multiplicative, n_changes, rank;
    uint32_t n_season;                // values of all season tables
    double level, slope;              // g at the last step, and a step's change of it
    double centre;                    // g about which multiplicative seasons are 1
    double floor_capacity;            // the last capacity seen
    double change_rate, change_scale; // a step's chance of a new changepoint; its scale of slope
    double phi, gain, fading;         // s, what is left of the last residuals
    double sigma;
    struct regressor x[OFFLOAD_REGRESSORS_MAX];
    double data[]; // season tables [period], then shapes [period[0]]
};

// ---- What the model says of a step ----

static double
standardised(const struct regressor *r, double x)
{
    return isnan(x) ? 0 : (x - r->mean) * r->inverse;
}

static double
seasons_of(const struct prophet *m, size_t ahead)
{
    double sum = 0;
    const double *table = m->data;
    for (uint32_t i = 0; i < m->n_seasons; i++) {
        sum += table[(m->phase[i] + ahead) % m->period[i]];
        table += m->period[i];
    }
    return sum;
}

// What regressor 'i' adds, its value 'z' following 'before'.
static double
regressor_of(const struct prophet *m, uint32_t i, double z, double before, size_t ahead)
{
    const struct regressor *r = &m->x[i];
    double sum = r->beta[0] * z + r->beta[1] * z * z + r->beta[2] * before;
    if (r->shape >= 0) {
        uint32_t period = m->period[0];
        sum += z * m->data[m->n_season + r->shape * period + (m->phase[0] + ahead) % period];
    }
    return sum;
}

// Of the step 'ahead' of the next one; 'x' NULL: not known. 'before': last step's, or NULL: kept
// ones.
static double
mean_ahead(const struct prophet *m, size_t ahead, double trend, const double *x,
           const double *before)
{
    double season = seasons_of(m, ahead), sum = trend;
    sum += m->multiplicative ? season * trend / m->centre : season;
    for (uint32_t i = 0; i < m->n_x && x; i++) {
        const struct regressor *r = &m->x[i];
        if (r->inverse == 0)
            continue;
        double z0 = before ? standardised(r, before[i]) : r->last;
        sum += regressor_of(m, i, standardised(r, x[i]), z0, ahead);
    }
    return sum;
}

static double
capacity_of(const struct prophet *m, const double *x)
{
    double capacity = x && m->capacity >= 0 ? x[m->capacity] : NAN;
    return capacity > 0 ? capacity : m->floor_capacity;
}

// Values near the limits would weigh without bound on the logit's scale.
static double
to_model(const struct prophet *m, double value, const double *x)
{
    if (m->capacity < 0)
        return value;
    double share = fmin(fmax(value / capacity_of(m, x), 0.002), 0.998);
    return isnan(value) ? NAN : log(share / (1 - share));
}

static double
from_model(const struct prophet *m, double value, const double *x)
{
    return m->capacity < 0 ? value : capacity_of(m, x) / (1 + exp(-value));
}

static double
prophet_update(void *state, double value, const double *x)
{
    struct prophet *m = state;
    double mean = mean_ahead(m, 0, m->level + m->slope, x, NULL);
    double residual = to_model(m, value, x) - mean, faded = m->phi * m->fading;
    m->level += m->slope;
    for (uint32_t i = 0; i < m->n_seasons; i++)
        m->phase[i] = m->phase[i] + 1 == m->period[i] ? 0 : m->phase[i] + 1;
    for (uint32_t i = 0; i < m->n_x; i++)
        m->x[i].last = x ? standardised(&m->x[i], x[i]) : 0;
    m->floor_capacity = capacity_of(m, x);
    m->fading = faded;
    if (isnan(residual))
        return NAN;
    m->fading += m->gain * (residual - faded);
    return residual - faded;
}

// A random number of its own out of the shocks (splitmix64), so that a path stays a function of
// them.
static double
next_uniform(uint64_t *random)
{
    uint64_t z = (*random += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return ((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static uint64_t
seed_of(const double *shock, size_t n)
{
    uint64_t seed = n, bits;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, &shock[i], sizeof bits);
        seed = (seed ^ bits) * 0x100000001b3u;
    }
    return seed;
}

static void
prophet_path(const void *state, size_t horizon, const double *x, const double *shock, double *out)
{
    const struct prophet *m = state;
    double level = m->level, slope = m->slope, fading = m->fading;
    uint64_t random = shock ? seed_of(shock, horizon) : 0;
    for (size_t h = 0; h < horizon; h++) {
        if (shock && next_uniform(&random) < m->change_rate) { // (2018, 3.1.4)
            double u = next_uniform(&random) - 0.5;
            slope += (u < 0 ? m->change_scale : -m->change_scale) * log(1 - 2 * fabs(u));
        }
        level += slope;
        const double *row = x ? x + h * m->n_x : NULL;
        double mean = mean_ahead(m, h, level, row, h && x ? row - m->n_x : NULL);
        fading *= m->phi;
        out[h] = from_model(m, mean + fading + (shock ? shock[h] : 0), row);
        if (shock)
            fading += m->gain * shock[h];
    }
}

// ---- The regression's columns ----

enum prior { WEAK, LAPLACE, ESTIMATED };

struct fit {
    const struct offload_training *training;
    struct prophet *m;
    size_t first, n;     // rows used: first .. first + n - 1
    double *value;       // [n] on the model's scale
    double *weight;      // [n]
    double offset, unit; // the regression sees (value - offset) / unit
    double *trend;       // [n] g of the first solution
    double *residual;
    double *fourier[SEASONS_MAX]; // [period][2 x harmonics kept]
    size_t n_fourier[SEASONS_MAX];
    size_t p, n_groups, season_from, x_from;
    double change[CHANGEPOINTS]; // s_j, in rows
    size_t n_changes;
    size_t group[COLUMNS_MAX], group_size[GROUPS_MAX];
    enum prior prior[GROUPS_MAX];
    double *gram, *factor, *inverse; // [p][p]
    double moment[COLUMNS_MAX], beta[COLUMNS_MAX];
    double square, total;      // weighted sum of squares of the values, and of rows
    double sigma2, determined; // variance of a row, and how many parameters the rows determine
};

static void
add_columns(struct fit *f, size_t n, enum prior prior)
{
    for (size_t i = 0; i < n; i++)
        f->group[f->p++] = f->n_groups;
    f->group_size[f->n_groups] = n;
    f->prior[f->n_groups++] = prior;
}

// The harmonics of season 'i' that no shorter season has, in groups that widen with the frequency.
static int
lay_out_season(struct fit *f, size_t i)
{
    const struct prophet *m = f->m;
    size_t period = m->period[i], most = i ? HARMONICS_LONG : HARMONICS, kept[HARMONICS_LONG],
           n = 0;
    if (i && period > 20 * m->period[0])
        most = HARMONICS; // a year of days: its shape is smooth
    if (most > period / 2)
        most = period / 2;
    for (size_t k = 1; k <= most; k++) {
        bool shared = false;
        for (size_t j = 0; j < i; j++)
            shared |= k * m->period[j] % period == 0;
        if (!shared)
            kept[n++] = k;
    }
    f->n_fourier[i] = 2 * n;
    f->fourier[i] = malloc((period * 2 * n + 1) * sizeof(double));
    if (!f->fourier[i])
        return -ENOMEM;
    for (size_t phase = 0; phase < period; phase++)
        for (size_t k = 0; k < n; k++) {
            double angle = 2 * M_PI * (double)(kept[k] * phase % period) / (double)period;
            f->fourier[i][(phase * n + k) * 2] = cos(angle);
            f->fourier[i][(phase * n + k) * 2 + 1] = sin(angle);
        }
    for (size_t k = 0, width = 2; k < n; k += width, width = 2 * width - width / 2)
        add_columns(f, 2 * (k + width < n ? width : n - k), ESTIMATED);
    return 0;
}

// Constant columns are left out; two-valued ones may change the season's shape.
static void
lay_out_regressor(struct fit *f, size_t i)
{
    const struct offload_regressors *x = &f->training->x;
    struct regressor *r = &f->m->x[i];
    double sum = 0, square = 0, low = NAN, high = NAN;
    size_t n = 0, n_high = 0;
    bool two_valued = true;
    snprintf(r->name, sizeof r->name, "%s", x->name ? x->name[i] : "");
    r->shape = -1;
    if ((int32_t)i == f->m->capacity)
        return;
    for (size_t t = 0; t < f->n; t++) {
        double v = x->value[(f->first + t) * x->n + i];
        if (isnan(v))
            continue;
        low = isnan(low) ? v : fmin(low, v);
        high = isnan(high) ? v : fmax(high, v);
        sum += v;
        square += v * v;
        n++;
    }
    double variance = n ? square / n - sum / n * (sum / n) : 0;
    if (!(high > low) || !(variance > 1e-12 * square / n))
        return;
    for (size_t t = 0; t < f->n; t++) {
        double v = x->value[(f->first + t) * x->n + i];
        two_valued &= isnan(v) || v == low || v == high;
        n_high += v == high;
    }
    r->two_valued = two_valued;
    r->mean = two_valued ? low : sum / n; // an event's absence is its zero
    r->inverse = two_valued ? 1 / (high - low) : 1 / sqrt(variance);
    add_columns(f, 1, ESTIMATED);
    if (!two_valued)
        add_columns(f, 1, ESTIMATED);
    if (f->training->series.step_s >= LONG_STEP_S)
        add_columns(f, 1, ESTIMATED);
    size_t period = f->m->n_seasons ? f->m->period[0] : 0;
    if (two_valued && period >= 12 && n_high >= period && f->m->n_shapes < SHAPES_MAX &&
        f->p + 2 * SHAPE_HARMONICS <= COLUMNS_MAX - 4) {
        r->shape = (int32_t)f->m->n_shapes++;
        add_columns(f, 2 * SHAPE_HARMONICS, ESTIMATED);
    }
}

static int
lay_out(struct fit *f)
{
    struct prophet *m = f->m;
    add_columns(f, 2, WEAK);
    f->n_changes = f->n / 4 < CHANGEPOINTS ? f->n / 4 : CHANGEPOINTS;
    for (size_t j = 0; j < f->n_changes; j++)
        f->change[j] = HISTORY_SHARE * f->n * (j + 1) / (f->n_changes + 1);
    if (f->n_changes)
        add_columns(f, f->n_changes, LAPLACE);
    f->season_from = f->p;
    for (size_t i = 0; i < m->n_seasons; i++)
        if (lay_out_season(f, i))
            return -ENOMEM;
    f->x_from = f->p;
    for (size_t i = 0; i < m->n_x; i++) {
        if (f->p + TERMS + 2 * SHAPE_HARMONICS > COLUMNS_MAX || f->n_groups + 4 > GROUPS_MAX) {
            m->x[i].shape = -1;
            continue;
        }
        lay_out_regressor(f, i);
    }
    return 0;
}

static const double *
regressors_at(const struct fit *f, size_t t)
{
    const struct offload_regressors *x = &f->training->x;
    return x->n ? x->value + (f->first + t) * x->n : NULL;
}

static void
row_at(const struct fit *f, size_t t, double *row)
{
    const struct prophet *m = f->m;
    size_t p = 0;
    row[p++] = 1;
    row[p++] = (double)t / f->n;
    for (size_t j = 0; j < f->n_changes; j++)
        row[p++] = t > f->change[j] ? (t - f->change[j]) / f->n : 0;
    double factor = m->multiplicative ? f->trend[t] / m->centre : 1;
    for (size_t i = 0; i < m->n_seasons; i++) {
        const double *fourier = f->fourier[i] + (f->first + t) % m->period[i] * f->n_fourier[i];
        for (size_t k = 0; k < f->n_fourier[i]; k++)
            row[p++] = factor * fourier[k];
    }
    const double *x = regressors_at(f, t), *before = t ? regressors_at(f, t - 1) : NULL;
    bool long_step = f->training->series.step_s >= LONG_STEP_S;
    for (size_t i = 0; i < m->n_x; i++) {
        const struct regressor *r = &m->x[i];
        if (r->inverse == 0)
            continue;
        double z = standardised(r, x[i]);
        row[p++] = z;
        if (!r->two_valued)
            row[p++] = z * z;
        if (long_step)
            row[p++] = before ? standardised(r, before[i]) : 0;
        if (r->shape < 0)
            continue;
        const double *fourier = f->fourier[0] + (f->first + t) % m->period[0] * f->n_fourier[0];
        for (size_t k = 0; k < 2 * SHAPE_HARMONICS; k++)
            row[p++] = z * fourier[k];
    }
}

// Puts the solution where mean_ahead() looks for it.
static void
keep_solution(struct fit *f)
{
    struct prophet *m = f->m;
    const double *beta = f->beta + f->season_from;
    double *table = m->data;
    for (size_t i = 0; i < m->n_seasons; i++) {
        for (size_t phase = 0; phase < m->period[i]; phase++) {
            table[phase] = 0;
            for (size_t k = 0; k < f->n_fourier[i]; k++)
                table[phase] += f->unit * beta[k] * f->fourier[i][phase * f->n_fourier[i] + k];
        }
        beta += f->n_fourier[i];
        table += m->period[i];
    }
    bool long_step = f->training->series.step_s >= LONG_STEP_S;
    for (size_t i = 0; i < m->n_x; i++) {
        struct regressor *r = &m->x[i];
        if (r->inverse == 0)
            continue;
        r->beta[0] = f->unit * *beta++;
        r->beta[1] = r->two_valued ? 0 : f->unit * *beta++;
        r->beta[2] = long_step ? f->unit * *beta++ : 0;
        if (r->shape < 0)
            continue;
        for (size_t phase = 0; phase < m->period[0]; phase++) {
            double sum = 0;
            for (size_t k = 0; k < 2 * SHAPE_HARMONICS; k++)
                sum += f->unit * beta[k] * f->fourier[0][phase * f->n_fourier[0] + k];
            m->data[m->n_season + r->shape * m->period[0] + phase] = sum;
        }
        beta += 2 * SHAPE_HARMONICS;
    }
    double g = f->beta[0], slope = f->beta[1] / f->n, sum = 0;
    for (size_t t = 0, j = 0; t < f->n; t++) {
        f->trend[t] = f->offset + g * f->unit;
        sum += f->trend[t];
        while (j < f->n_changes && f->change[j] < t + 1) {
            g += f->beta[2 + j] * (t + 1 - f->change[j]) / f->n - f->beta[2 + j] / f->n;
            slope += f->beta[2 + j++] / f->n;
        }
        g += slope;
    }
    m->level = f->trend[f->n - 1];
    m->slope = slope * f->unit;
    m->centre = sum / f->n;
}

// ---- Penalised least squares ----

// Sums of products over the rows, those of quasi-differences if 'phi' is not 0. Both triangles.
static void
accumulate(struct fit *f, double phi)
{
    size_t p = f->p;
    double row[2][COLUMNS_MAX], z[COLUMNS_MAX];
    memset(f->gram, 0, p * p * sizeof *f->gram);
    memset(f->moment, 0, p * sizeof *f->moment);
    f->square = f->total = 0;
    for (size_t t = 0; t < f->n; t++) {
        double *now = row[t & 1], *before = row[~t & 1], y = (f->value[t] - f->offset) / f->unit;
        row_at(f, t, now);
        if (isnan(y) || f->weight[t] == 0)
            continue;
        bool pair = t > 0 && phi > 0 && !isnan(f->value[t - 1]);
        double scale = pair ? 1 : sqrt(1 - phi * phi);
        for (size_t i = 0; i < p; i++)
            z[i] = pair ? now[i] - phi * before[i] : scale * now[i];
        y = pair ? y - phi * (f->value[t - 1] - f->offset) / f->unit : scale * y;
        f->square += f->weight[t] * y * y;
        f->total += f->weight[t];
        for (size_t i = 0; i < p; i++) {
            double a = f->weight[t] * z[i];
            if (a == 0)
                continue;
            f->moment[i] += a * y;
            for (size_t j = 0; j <= i; j++)
                f->gram[i * p + j] += a * z[j];
        }
    }
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++)
            f->gram[j * p + i] = f->gram[i * p + j];
}

// Cholesky of gram / sigma2 + diag(precision), the inverse of its factor, and from them beta.
// Returns false if rounding made it indefinite.
static bool
solve(struct fit *f, const double *precision)
{
    size_t p = f->p;
    double *l = f->factor, *v = f->inverse, half[COLUMNS_MAX];
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = f->gram[i * p + j] / f->sigma2;
            if (i == j)
                sum += precision[i];
            for (size_t k = 0; k < j; k++)
                sum -= l[i * p + k] * l[j * p + k];
            if (i != j) {
                l[i * p + j] = sum / l[j * p + j];
                continue;
            }
            if (!(sum > 0))
                return false;
            l[i * p + i] = sqrt(sum);
        }
    // Row i of 'v' is column i of the factor's inverse, so that its squares sum to the variance.
    memset(v, 0, p * p * sizeof *v);
    for (size_t i = 0; i < p; i++) {
        v[i * p + i] = 1 / l[i * p + i];
        for (size_t j = i + 1; j < p; j++) {
            double sum = 0;
            for (size_t k = i; k < j; k++)
                sum -= l[j * p + k] * v[i * p + k];
            v[i * p + j] = sum / l[j * p + j];
        }
    }
    for (size_t j = 0; j < p; j++) {
        half[j] = 0;
        for (size_t i = 0; i <= j; i++)
            half[j] += v[i * p + j] * f->moment[i] / f->sigma2;
    }
    for (size_t i = 0; i < p; i++) {
        f->beta[i] = 0;
        for (size_t j = i; j < p; j++)
            f->beta[i] += v[i * p + j] * half[j];
    }
    return true;
}

static double
residual_square(const struct fit *f)
{
    double sum = f->square;
    for (size_t i = 0; i < f->p; i++) {
        double row = 0;
        for (size_t j = 0; j < f->p; j++)
            row += f->gram[i * f->p + j] * f->beta[j];
        sum += f->beta[i] * (row - 2 * f->moment[i]);
    }
    return fmax(sum, 1e-9 * f->total);
}

static double
variance_of(const struct fit *f, size_t i)
{
    double sum = 0;
    for (size_t j = i; j < f->p; j++)
        sum += f->inverse[i * f->p + j] * f->inverse[i * f->p + j];
    return sum;
}

// Alternates between solution, the groups' variances, and sigma (MacKay 1992, eq. 4.7, 4.8).
static int
estimate(struct fit *f)
{
    double precision[COLUMNS_MAX], known[GROUPS_MAX], length[GROUPS_MAX];
    for (size_t i = 0; i < f->p; i++)
        precision[i] = f->prior[f->group[i]] == WEAK      ? 1 / (PRIOR_WEAK * PRIOR_WEAK)
                       : f->prior[f->group[i]] == LAPLACE ? 1 / (TAU * TAU)
                                                          : 1;
    f->sigma2 = 0.25 * fmax(f->square / f->total, 1e-9);
    for (int round = 0;; round++) {
        if (!solve(f, precision))
            return -EDOM;
        double determined = 0;
        memset(known, 0, sizeof known);
        memset(length, 0, sizeof length);
        for (size_t i = 0; i < f->p; i++) {
            double share = 1 - precision[i] * variance_of(f, i);
            known[f->group[i]] += share;
            length[f->group[i]] += f->beta[i] * f->beta[i];
            determined += share;
        }
        f->sigma2 = residual_square(f) / fmax(f->total - determined, 0.1 * f->total);
        f->determined = determined;
        if (round == ROUNDS)
            return 0;
        for (size_t i = 0; i < f->p; i++) {
            size_t g = f->group[i];
            if (f->prior[g] == LAPLACE)
                precision[i] = 1 / (TAU * fmax(fabs(f->beta[i]), CHANGE_FLOOR));
            else if (f->prior[g] == ESTIMATED)
                precision[i] = fmin(fmax(known[g], 1e-3) / fmax(length[g], 1e-12), 1e8);
        }
    }
}

// ---- Fit ----

// Residuals of all rows from the solution.
static void
find_residuals(struct fit *f)
{
    struct prophet *m = f->m;
    for (size_t i = 0; i < m->n_seasons; i++)
        m->phase[i] = f->first % m->period[i];
    for (size_t t = 0; t < f->n; t++) {
        const double *x = regressors_at(f, t);
        f->residual[t] =
            f->value[t] - mean_ahead(m, 0, f->trend[t], x, t ? regressors_at(f, t - 1) : x);
        for (size_t i = 0; i < m->n_seasons; i++)
            m->phase[i] = m->phase[i] + 1 == m->period[i] ? 0 : m->phase[i] + 1;
    }
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// Autocorrelation at lag 1, and Huber's weights of the quasi-differences from their median size.
static double
weigh_rows(struct fit *f, double *sorted)
{
    double cross = 0, square = 0;
    size_t k = 0;
    for (size_t t = 1; t < f->n; t++) {
        double a = f->residual[t - 1], b = f->residual[t];
        if (isnan(a) || isnan(b))
            continue;
        cross += a * b;
        square += a * a;
    }
    double phi = square > 0 ? fmin(fmax(cross / square, 0), PHI_MAX) : 0;
    for (size_t t = 1; t < f->n; t++) {
        double e = f->residual[t] - phi * f->residual[t - 1];
        if (!isnan(e))
            sorted[k++] = fabs(e);
    }
    qsort(sorted, k, sizeof *sorted, ascending);
    double limit = k ? HUBER * 1.4826 * sorted[k / 2] : 0;
    for (size_t t = 1; t < f->n && limit > 0; t++) {
        double e = fabs(f->residual[t] - phi * f->residual[t - 1]);
        if (e > limit)
            f->weight[t] *= limit / e;
    }
    return phi;
}

// Does the season grow with the trend? Regresses the residuals on season x (g / centre - 1).
static bool
grows_with_trend(const struct fit *f)
{
    const struct prophet *m = f->m;
    double cross = 0, square = 0, total = 0, least = HUGE_VAL, most = 0;
    if (m->capacity >= 0 || m->n_seasons == 0)
        return false;
    for (size_t t = 0; t < f->n; t++) {
        double season = 0;
        const double *table = m->data;
        least = fmin(least, f->trend[t]);
        most = fmax(most, f->trend[t]);
        for (size_t i = 0; i < m->n_seasons; i++) {
            season += table[(f->first + t) % m->period[i]];
            table += m->period[i];
        }
        double grown = season * (f->trend[t] / m->centre - 1);
        if (isnan(f->residual[t]) || f->weight[t] == 0)
            continue;
        cross += grown * f->residual[t];
        square += grown * grown;
        total += f->residual[t] * f->residual[t];
    }
    if (!(m->centre > 0) || !(least > 0.1 * m->centre) || most - least < 0.1 * m->centre ||
        square <= 0)
        return false;
    // At least half of what a multiplicative season would do, and not by chance.
    double c = cross / square, seen = cross * cross / square;
    return c > 0.5 && seen > 8 * total / f->n;
}

// phi and K whose forecasts of the residuals err least, over leads that double up to a season.
static void
settle_fading(struct fit *f)
{
    static const double PHI[] = {0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995};
    static const double GAIN[] = {0.05, 0.1, 0.2, 0.4, 0.7, 1};
    struct prophet *m = f->m;
    size_t longest = m->n_seasons ? m->period[0] : 12;
    double best = HUGE_VAL;
    for (size_t i = 0; i < sizeof PHI / sizeof *PHI; i++)
        for (size_t k = 0; k < sizeof GAIN / sizeof *GAIN; k++) {
            double s = 0, sum = 0;
            for (size_t t = 0; t < f->n; t++) {
                double power = PHI[i];
                for (size_t lead = 1, done = 0; lead <= longest; lead *= 2) {
                    for (; done + 1 < lead; done++)
                        power *= PHI[i];
                    if (t + lead - 1 >= f->n)
                        break;
                    double r = f->residual[t + lead - 1];
                    if (!isnan(r))
                        sum += fabs(r - power * s);
                }
                s *= PHI[i];
                if (!isnan(f->residual[t]))
                    s += GAIN[k] * (f->residual[t] - s);
            }
            if (sum < best) {
                best = sum;
                m->phi = PHI[i];
                m->gain = GAIN[k];
            }
        }
}

static void
settle_future_changes(struct fit *f)
{
    double sum = 0;
    for (size_t j = 0; j < f->n_changes; j++)
        sum += fabs(f->beta[2 + j]);
    f->m->n_changes = (uint32_t)f->n_changes;
    f->m->change_rate = f->n_changes / (HISTORY_SHARE * f->n);
    f->m->change_scale = f->n_changes ? sum / f->n_changes * f->unit / f->n : 0;
}

static int
two_solutions(struct fit *f)
{
    accumulate(f, 0);
    int rc = estimate(f);
    if (rc)
        return rc;
    keep_solution(f);
    find_residuals(f);
    f->m->multiplicative = grows_with_trend(f);
    double phi = weigh_rows(f, f->factor); // the factor is free and has room: p * p + n
    accumulate(f, phi);
    rc = estimate(f);
    if (rc)
        return rc;
    double centre = f->m->centre, *trend = f->trend;
    keep_solution(f);
    if (f->m->multiplicative && (!(f->m->centre > 0) || !(trend[f->n - 1] > 0)))
        return -EDOM;
    f->m->centre = f->m->multiplicative ? centre : f->m->centre;
    find_residuals(f);
    return 0;
}

// What the series must have, and its scale.
static int
look_over(struct fit *f, struct offload_err *err)
{
    const struct offload_series *series = &f->training->series;
    double sum = 0, square = 0;
    size_t n = 0;
    for (size_t t = 0; t < f->n; t++) {
        double y = to_model(f->m, series->value[f->first + t], regressors_at(f, t));
        f->value[t] = y;
        f->weight[t] = 1;
        if (isnan(y))
            continue;
        if (f->m->capacity >= 0) { // errors of the value, not of its logit
            double share = 1 / (1 + exp(-y));
            f->weight[t] = 16 * share * share * (1 - share) * (1 - share);
        }
        sum += y;
        square += y * y;
        n++;
    }
    if (n < VALUES_MIN)
        return offload_err_set(err, -EDOM, "prophet", "at least 8 values",
                               "the series has %zu values", n);
    double variance = fmax(square / n - sum / n * (sum / n), 0);
    f->offset = sum / n;
    f->unit = 4 * sqrt(variance) + 1e-9 * fabs(sum / n) + DBL_MIN;
    return 0;
}

static int
fit_init(struct fit *f)
{
    size_t room = f->n;
    f->value = malloc(4 * room * sizeof *f->value);
    if (!f->value)
        return -ENOMEM;
    f->weight = f->value + room;
    f->trend = f->weight + room;
    f->residual = f->trend + room;
    return 0;
}

static void
fit_fini(struct fit *f)
{
    free(f->value);
    free(f->gram);
    for (size_t i = 0; i < SEASONS_MAX; i++)
        free(f->fourier[i]);
}

static int
fit_columns(struct fit *f)
{
    int rc = lay_out(f);
    if (rc)
        return rc;
    size_t square = f->p * f->p;
    f->gram = malloc((3 * square + f->n) * sizeof *f->gram);
    if (!f->gram)
        return -ENOMEM;
    f->inverse = f->gram + square;
    f->factor = f->inverse + square;
    return two_solutions(f);
}

static size_t
prophet_bytes(const struct offload_training *training)
{
    size_t values = 0;
    for (size_t i = 0; i < training->n_periods; i++)
        values += training->period[i];
    if (training->n_periods && training->x.n) {
        size_t longest = 0;
        for (size_t i = 0; i < training->n_periods; i++)
            longest = training->period[i] > longest ? training->period[i] : longest;
        size_t shapes = training->x.n < SHAPES_MAX ? training->x.n : SHAPES_MAX;
        values += shapes * longest;
    }
    return sizeof(struct prophet) + values * sizeof(double);
}

static void
take_seasons(struct prophet *m, const struct offload_training *training)
{
    for (size_t i = 0; i < training->n_periods; i++) {
        size_t period = training->period[i];
        if (2 * period > training->series.n || period > ROWS_MAX)
            continue;
        size_t at = m->n_seasons++;
        for (; at > 0 && m->period[at - 1] > period; at--)
            m->period[at] = m->period[at - 1];
        m->period[at] = (uint32_t)period;
        m->n_season += (uint32_t)period;
    }
}

static int
prophet_fit(void *state, const struct offload_training *training, double *innovation,
            struct offload_err *err)
{
    const struct offload_series *series = &training->series;
    size_t bytes = prophet_bytes(training);
    struct prophet *m = calloc(1, bytes);
    struct fit *f = calloc(1, sizeof *f);
    int rc = -ENOMEM;
    if (!m || !f) {
        rc = offload_err_set(err, rc, "prophet", NULL, "no memory for %zu values", series->n);
        goto free_all;
    }
    f->training = training;
    f->m = m;
    f->n = series->n < ROWS_MAX ? series->n : ROWS_MAX;
    f->first = series->n - f->n;
    m->n_x = (uint32_t)training->x.n;
    m->capacity = -1;
    for (size_t i = 0; i < training->x.n; i++)
        if (training->x.name && strcmp(training->x.name[i], "capacity") == 0)
            m->capacity = (int32_t)i;
    m->floor_capacity = 1;
    take_seasons(m, training);
    rc = fit_init(f);
    if (rc == 0)
        rc = look_over(f, err);
    if (rc == -EDOM)
        goto free_all;
    if (rc == 0)
        rc = fit_columns(f);
    if (rc) {
        rc = offload_err_set(err, rc, "prophet", NULL, "no solution for %zu values", series->n);
        goto free_all;
    }
    settle_fading(f);
    settle_future_changes(f);
    // What was fitted to the residuals made them smaller than new ones will be.
    double honest = sqrt(f->n / fmax(f->n - f->determined, 0.25 * f->n));
    for (size_t t = 0; t < series->n; t++) {
        bool used = t >= f->first;
        double residual = used ? f->residual[t - f->first] : NAN;
        double error = residual - m->phi * m->fading;
        m->fading *= m->phi;
        if (!isnan(error))
            m->fading += m->gain * error;
        if (innovation)
            innovation[t] = honest * error;
    }
    for (uint32_t i = 0; i < m->n_x; i++)
        m->x[i].last = standardised(&m->x[i], regressors_at(f, f->n - 1)[i]);
    if (m->capacity >= 0)
        m->floor_capacity = capacity_of(m, regressors_at(f, f->n - 1));
    m->sigma = sqrt(f->sigma2) * f->unit;
    memcpy(state, m, bytes);

free_all:
    if (f)
        fit_fini(f);
    free(f);
    free(m);
    return rc;
}

static void
prophet_describe(const void *state, char *buf, size_t size)
{
    const struct prophet *m = state;
    size_t length = snprintf(buf, size, "prophet, %s%u changepoints, %s seasons",
                             m->capacity >= 0 ? "saturating, " : "", m->n_changes,
                             m->multiplicative ? "multiplicative" : "additive");
    for (uint32_t i = 0; i < m->n_seasons && length < size; i++)
        length += snprintf(buf + length, size - length, " %u", m->period[i]);
    if (length < size)
        snprintf(buf + length, size - length, ", %u regressors, phi %.3g, gain %.3g", m->n_x,
                 m->phi, m->gain);
}

static size_t
prophet_components(const void *state, size_t horizon, const double *x,
                   struct offload_component *component, size_t max)
{
    const struct prophet *m = state;
    double *mean = malloc(horizon * sizeof *mean);
    if (!mean)
        return 0;
    prophet_path(m, horizon, x, NULL, mean);
    size_t peak = 0, n = 0;
    for (size_t h = 1; h < horizon; h++)
        if (mean[h] > mean[peak])
            peak = h;
    free(mean);
    double trend[2] = {m->level + m->slope, m->level + m->slope * (peak + 1)};
    double fading[2] = {m->fading * m->phi, m->fading * pow(m->phi, peak + 1)};
    const char *measure = m->capacity >= 0 ? "logit" : "sum";
    if (n < max)
        component[n++] = (struct offload_component){"trend", measure, trend[0], trend[1]};
    const double *table = m->data;
    for (uint32_t i = 0; i < m->n_seasons && n < max; i++) {
        struct offload_component *c = &component[n++];
        double factor[2] = {1, 1};
        for (int k = 0; k < 2 && m->multiplicative; k++)
            factor[k] = trend[k] / m->centre;
        snprintf(c->name, sizeof c->name, "season %u", m->period[i]);
        c->measure = measure;
        c->first = table[m->phase[i]] * factor[0];
        c->peak = table[(m->phase[i] + peak) % m->period[i]] * factor[1];
        table += m->period[i];
    }
    for (uint32_t i = 0; i < m->n_x && n < max && x; i++) {
        const struct regressor *r = &m->x[i];
        if (r->inverse == 0)
            continue;
        const double *row = x + peak * m->n_x;
        struct offload_component *c = &component[n++];
        snprintf(c->name, sizeof c->name, "%s", r->name);
        c->measure = measure;
        c->first = regressor_of(m, i, standardised(r, x[i]), r->last, 0);
        double before = peak ? standardised(r, row[(int)i - (int)m->n_x]) : r->last;
        c->peak = regressor_of(m, i, standardised(r, row[i]), before, peak);
    }
    if (n < max)
        component[n++] = (struct offload_component){"last days", measure, fading[0], fading[1]};
    return n;
}

const struct offload_model_ops model_prophet_ops = {
    .name = "prophet",
    .state_bytes = prophet_bytes,
    .fit = prophet_fit,
    .update = prophet_update,
    .path = prophet_path,
    .describe = prophet_describe,
    .components = prophet_components,
};
