// SPDX-License-Identifier: Apache-2.0
// From a series to what the LSTM forecaster's network sees.
// series -> [lstm_input] -> lstm_net.  Pure.
// Candidates are what simple methods would forecast: repetitions of a season, their means, the same
// moved to today's level over a part of a season or over a whole one, the last value, a trend.

#include "lib/forecast/lstm_input.h"

#include "lib/forecast/lstm_net.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Running sums of value, its square, and of absolute differences from one step, one season, one
// longer season before, and of those of seasonal differences.
enum { OF_LONGER = 12 }; // the first candidate of the longer season
enum { VALUE, SQUARE, STEP, SEASON, LONGER, CHANGE, SUMS };

static const double MOST = 500; // of a candidate, in scales: beyond is an accident

size_t
lstm_input_window(size_t season, size_t longer)
{
    size_t window =
        longer ? (LSTM_LONG_SEASONS + 1) * longer + season : (LSTM_SHORT_SEASONS + 3) * season;
    size_t least = 4 * LSTM_STEPS;
    window = window < least ? least : window;
    return window > LSTM_WINDOW_MAX ? LSTM_WINDOW_MAX : window;
}

size_t
lstm_input_least(size_t season)
{
    return 2 * season + 8;
}

int
lstm_input_init(struct lstm_input *input, const double *value, size_t n, size_t season,
                size_t longer)
{
    *input = (struct lstm_input){.value = value,
                                 .n = n,
                                 .season = season,
                                 .longer = longer,
                                 .window = lstm_input_window(season, longer)};
    input->sum = calloc(SUMS * (n + 1), sizeof *input->sum);
    if (!input->sum)
        return -ENOMEM;
    // Sums of squares about some value of the series lose no digits to its level.
    double origin = n ? value[0] : 0;
    for (size_t t = 0; t < n; t++) {
        double y = value[t] - origin;
        double seasonal = t >= season ? value[t] - value[t - season] : 0;
        double before = t > season ? value[t - 1] - value[t - 1 - season] : seasonal;
        double add[SUMS] = {
            [VALUE] = y,
            [SQUARE] = y * y,
            [STEP] = t ? fabs(y - (value[t - 1] - origin)) : 0,
            [SEASON] = fabs(seasonal),
            [LONGER] = longer && t >= longer ? fabs(value[t] - value[t - longer]) : 0,
            [CHANGE] = fabs(seasonal - before),
        };
        for (size_t k = 0; k < SUMS; k++)
            input->sum[k * (n + 1) + t + 1] = input->sum[k * (n + 1) + t] + add[k];
    }
    return 0;
}

void
lstm_input_fini(struct lstm_input *input)
{
    free(input->sum);
    input->sum = NULL;
}

// Mean over from <= t < to.
static double
mean_of(const struct lstm_input *input, int kind, size_t from, size_t to)
{
    const double *sum = input->sum + (size_t)kind * (input->n + 1);
    double mean = to > from ? (sum[to] - sum[from]) / (double)(to - from) : 0;
    return kind == VALUE ? mean + input->value[0] : mean;
}

// Large values matter by their order only.
static float
squeeze(double x)
{
    return (float)(asinh(x) / 1.5);
}

static float
ratio(double a, double b)
{
    return (float)fmin(fmax(log(a / b), -4), 4);
}

static void
tell_origin(struct lstm_origin *o)
{
    const struct lstm_input *in = o->input;
    size_t m = in->season, from = o->end > m ? o->end - m : 0;
    double least = 1e-3 * o->scale;
    double step = mean_of(in, STEP, o->start, o->end) + least;
    double season = o->season_scale + least, recent = mean_of(in, SEASON, from, o->end) + least;
    double change = mean_of(in, CHANGE, o->start + m, o->end) + least;
    o->told[0] = ratio(step, o->scale);
    o->told[1] = ratio(season, o->scale);
    o->told[2] =
        o->longer ? ratio(mean_of(in, LONGER, o->start + o->longer, o->end) + least, o->scale) : 2;
    o->told[3] = ratio(o->deviation + least, o->scale);
    o->told[4] = ratio(recent, season);
    o->told[5] = ratio(change, season);
    o->told[6] = o->longer ? 1 : 0;
    o->told[7] = (float)log((double)m) / 6;
    o->told[8] = (float)fmin((double)(o->end - o->start) / (double)m, 30) / 30;
    o->told[9] = squeeze((o->most - o->least) / o->scale);
    o->told[10] = o->base == o->longer ? 1 : 0;
    o->told[11] = squeeze((in->value[o->end - 1] - o->mean) / (o->deviation + least));
}

void
lstm_input_origin(const struct lstm_input *input, size_t end, struct lstm_origin *o)
{
    size_t m = input->season, l = input->longer;
    *o = (struct lstm_origin){.input = input, .end = end, .base = m};
    o->start = end > input->window ? end - input->window : 0;
    if (l && end - o->start >= l + m)
        o->longer = l;
    o->mean = mean_of(input, VALUE, o->start, end);
    double about = o->mean - input->value[0];
    o->deviation = sqrt(fmax(mean_of(input, SQUARE, o->start, end) - about * about, 0));
    o->least = HUGE_VAL;
    o->most = -HUGE_VAL;
    for (size_t t = o->start; t < end; t++) {
        o->least = fmin(o->least, input->value[t]);
        o->most = fmax(o->most, input->value[t]);
    }
    o->season_scale = mean_of(input, SEASON, o->start + m, end);
    o->scale = o->season_scale;
    if (o->longer) {
        double other = mean_of(input, LONGER, o->start + l, end);
        if (other < o->scale) {
            o->scale = other;
            o->base = l;
        }
    }
    // A series that repeats itself exactly still needs a unit.
    o->scale += 1e-3 * o->deviation + 1e-9 * fabs(o->mean) + 1e-12;
    tell_origin(o);
}

void
lstm_input_steps(const struct lstm_origin *o, float *steps, size_t stride)
{
    const struct lstm_input *in = o->input;
    double deviation = o->deviation + 1e-3 * o->scale;
    for (size_t i = 0; i < LSTM_STEPS; i++, steps += stride) {
        memset(steps, 0, LSTM_INPUTS * sizeof *steps);
        size_t back = LSTM_STEPS - i;
        if (o->end < o->start + back + 1)
            continue;
        size_t t = o->end - back;
        double y = in->value[t];
        if (t >= o->start + in->season)
            steps[0] = squeeze((y - in->value[t - in->season]) / o->scale);
        if (o->longer && t >= o->start + o->longer)
            steps[1] = squeeze((y - in->value[t - o->longer]) / o->scale);
        steps[2] = squeeze((y - o->mean) / deviation);
        steps[3] = squeeze((y - in->value[t - 1]) / o->scale);
        steps[4] = squeeze((y - in->value[o->end - 1]) / o->scale);
    }
}

// ---- A lead ----

// Steps from lead 'h' back to its k-th repetition (from 0) of 'season' before the origin.
static size_t
back_to(size_t season, size_t h, size_t k)
{
    return season * ((h + season - 1) / season + k);
}

// Repetitions of one season.
struct repeats {
    size_t n;
    double first, second, mean;
    double near, level, steady; // the first one moved by what the last part of a season and the
                                // last season differ; the mean of all moved alike
    double recent; // the mean moved by the last part of a season
    double times;  // the first one times what the level has grown
    double median;
};

// Of few values, which it sorts.
static double
median_of(double *value, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && value[k - 1] > value[k]; k--) {
            double higher = value[k - 1];
            value[k - 1] = value[k];
            value[k] = higher;
        }
    return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

static struct repeats
repeats_of(const struct lstm_origin *o, size_t season, size_t most, size_t h)
{
    const struct lstm_input *in = o->input;
    size_t m = in->season, part = (m + 7) / 8;
    struct repeats r = {0};
    double now_part = mean_of(in, VALUE, o->end - part, o->end);
    double now = mean_of(in, VALUE, o->end - m, o->end);
    double steady = 0, recent = 0, seen[LSTM_SHORT_SEASONS];
    size_t n_steady = 0;
    for (size_t k = 0; k < most; k++) {
        size_t back = back_to(season, h, k);
        if (o->end - 1 + h < o->start + back || o->end < o->start + back + part)
            break;
        double y = in->value[o->end - 1 + h - back];
        double then_part = mean_of(in, VALUE, o->end - back - part, o->end - back);
        bool whole = o->end >= o->start + back + m;
        double then = whole ? mean_of(in, VALUE, o->end - back - m, o->end - back) : now;
        if (k == 0) {
            r.first = r.second = y;
            r.near = y + now_part - then_part;
            r.level = y + now - then;
            double grown = then > 0 && now > 0 ? now / then : 1;
            r.times = y * fmin(fmax(grown, 0.2), 5);
        } else if (k == 1) {
            r.second = y;
        }
        seen[r.n] = y;
        r.mean += y;
        recent += now_part - then_part;
        if (whole) {
            steady += y + now - then;
            n_steady++;
        }
        r.n++;
    }
    if (r.n == 0)
        return r;
    r.mean /= (double)r.n;
    r.recent = r.mean + recent / (double)r.n;
    r.steady = n_steady ? steady / (double)n_steady : r.level;
    r.median = median_of(seen, r.n);
    return r;
}

static double
trend_of(const struct lstm_origin *o, double from, size_t h)
{
    const struct lstm_input *in = o->input;
    size_t m = in->season;
    if (o->end < o->start + 2 * m)
        return from;
    double slope =
        mean_of(in, VALUE, o->end - m, o->end) - mean_of(in, VALUE, o->end - 2 * m, o->end - m);
    return from + slope * (double)((h + m - 1) / m);
}

static double
repeat_at(const struct lstm_origin *o, size_t season, size_t h, size_t k)
{
    return o->input->value[o->end - 1 + h - back_to(season, h, k)];
}

// What the better season repeats, but for single accidents.
static double
base_at(const struct lstm_origin *o, size_t h)
{
    double near[4] = {repeat_at(o, o->base, h, 0)};
    size_t n = 1, other = o->base == o->longer ? o->input->season : o->longer;
    if (o->end >= o->start + back_to(o->base, h, 1))
        near[n++] = repeat_at(o, o->base, h, 1);
    if (o->end >= o->start + back_to(o->base, h, 2))
        near[n++] = repeat_at(o, o->base, h, 2);
    if (n < 3 && other && o->end >= o->start + back_to(other, h, 0))
        near[n++] = repeat_at(o, other, h, 0);
    return median_of(near, n);
}

// The middle of the last values: what an idle machine does.
static double
usual_of(const struct lstm_origin *o)
{
    double last[15];
    size_t n = o->end - o->start < 15 ? o->end - o->start : 15;
    memcpy(last, o->input->value + o->end - n, n * sizeof *last);
    return median_of(last, n);
}

double
lstm_input_lead(const struct lstm_origin *o, size_t h, float *feature, float *candidate)
{
    const struct lstm_input *in = o->input;
    size_t m = in->season;
    struct repeats s = repeats_of(o, m, LSTM_SHORT_SEASONS, h);
    struct repeats l =
        o->longer ? repeats_of(o, o->longer, LSTM_LONG_SEASONS, h) : (struct repeats){0};
    double base = base_at(o, h), last = in->value[o->end - 1];
    double forecast[LSTM_CANDIDATES] = {s.first,
                                        s.second,
                                        s.mean,
                                        s.near,
                                        s.level,
                                        s.steady,
                                        s.recent,
                                        last,
                                        mean_of(in, VALUE, o->end - m, o->end),
                                        trend_of(o, s.first, h),
                                        s.median,
                                        usual_of(o),
                                        l.first,
                                        l.second,
                                        l.mean,
                                        l.near,
                                        l.level,
                                        l.steady,
                                        l.recent,
                                        l.times,
                                        l.median};
    for (size_t k = 0; k < LSTM_CANDIDATES; k++) {
        double c = (forecast[k] - base) / o->scale;
        bool none = k >= OF_LONGER && l.n == 0;
        candidate[k] = none ? NAN : (float)fmin(fmax(c, -MOST), MOST);
        feature[k] = none ? 0 : squeeze(c);
    }
    float *f = feature + LSTM_CANDIDATES;
    memcpy(f, o->told, sizeof o->told);
    f += 12;
    f[0] = (float)log1p((double)h) / 4;
    f[1] = (float)fmin((double)h / (double)m, 3);
    f[2] = squeeze((base_at(o, h + 1) - base) / o->scale);
    f[3] = h > 1 ? squeeze((base - base_at(o, h - 1)) / o->scale) : 0;
    f[4] = squeeze((base - o->mean) / (o->deviation + 1e-3 * o->scale));
    f[5] = squeeze((base - o->least) / o->scale);
    f[6] = 1; // for the bias
    return base;
}
