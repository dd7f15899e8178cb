// SPDX-License-Identifier: Apache-2.0
// Series with everything that servers' demand is known for: several seasons of many shapes that
// drift, quiet weekends and holidays, trends, shifts of level, outages and load tests, bursts,
// sawtooths, on and off, counts, ceilings, weather, and noise of many kinds.
// [lstm_generate] -> lstm_train.  Pure.

#include "lib/forecast/lstm_generate.h"

#include "lib/forecast/lstm_net.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { HARMONICS = 8, SHAPE_MAX = 400, BUMPS = 3 };

static double
between(uint64_t *random, double least, double most)
{
    return least + (most - least) * lstm_uniform(random);
}

// Evenly spread over magnitudes.
static double
magnitude(uint64_t *random, double least, double most)
{
    return exp(between(random, log(least), log(most)));
}

static bool
chance(uint64_t *random, double p)
{
    return lstm_uniform(random) < p;
}

static size_t
below(uint64_t *random, size_t n)
{
    return (size_t)(lstm_uniform(random) * (double)n);
}

// ---- Seasons ----

static void
choose_seasons(struct lstm_generated *s, uint64_t *random)
{
    static const struct {
        double share;
        size_t season, longer;
    } kinds[] = {{0.52, 24, 168}, {0.08, 24, 0},   {0.1, 288, 0}, {0.03, 144, 0},
                 {0.03, 96, 672}, {0.04, 48, 336}, {0.08, 7, 0},  {0.03, 7, 365},
                 {0.03, 12, 0},   {0.02, 30, 0},   {0.02, 60, 0}, {0.02, 1, 0}};
    double u = lstm_uniform(random);
    size_t i = 0;
    while (i + 1 < sizeof kinds / sizeof *kinds && (u -= kinds[i].share) >= 0)
        i++;
    s->season = kinds[i].season;
    s->longer = kinds[i].longer;
    size_t least = s->longer ? s->longer * 3 / 2 + 3 * s->season : 4 * s->season + 60;
    size_t most = s->longer ? 7 * s->longer : 40 * s->season;
    most = most > 1600 || most < least ? 1600 : most;
    s->n = least + below(random, most - least + 1);
    if (s->n > LSTM_GENERATED_MAX)
        s->n = LSTM_GENERATED_MAX;
}

// A day's course with mean 0 and mean square 1.
static void
draw_shape(double *shape, size_t m, uint64_t *random)
{
    memset(shape, 0, m * sizeof *shape);
    double kind = lstm_uniform(random);
    if (kind < 0.45) {
        double fade = between(random, 0.6, 2), on = between(random, 0.4, 1);
        size_t n = 1 + below(random, HARMONICS);
        for (size_t k = 1; k <= n && 2 * k <= m; k++) {
            if (k > 1 && !chance(random, on))
                continue;
            double size = fabs(lstm_gauss(random)) / pow((double)k, fade);
            double phase = between(random, 0, 2 * M_PI);
            for (size_t t = 0; t < m; t++)
                shape[t] += size * cos(2 * M_PI * (double)(k * t) / (double)m + phase);
        }
    } else {
        // Bumps: smooth ones, hours of business with sharp edges, a job that runs at one time.
        size_t n = 1 + below(random, BUMPS);
        for (size_t k = 0; k < n; k++) {
            double at = between(random, 0, (double)m), size = between(random, 0.3, 1.2);
            double width = kind < 0.7    ? between(random, 0.04, 0.25) * (double)m
                           : kind < 0.88 ? between(random, 0.1, 0.5) * (double)m
                                         : between(random, 0.5, 1.5);
            for (size_t t = 0; t < m; t++) {
                double away = fabs((double)t - at);
                away = fmin(away, (double)m - away) / width;
                shape[t] += size * (kind < 0.7 ? exp(-0.5 * away * away) : away < 1 ? 1 : 0);
            }
        }
    }
    double mean = 0, square = 0;
    for (size_t t = 0; t < m; t++)
        mean += shape[t] / (double)m;
    for (size_t t = 0; t < m; t++)
        square += (shape[t] - mean) * (shape[t] - mean) / (double)m;
    for (size_t t = 0; t < m; t++)
        shape[t] = square > 1e-9 ? (shape[t] - mean) / sqrt(square) : 0;
}

// How the days of a longer season differ: level and swing of each.
struct week {
    size_t days;
    double level[SHAPE_MAX], swing[SHAPE_MAX];
    bool other[SHAPE_MAX]; // has the second shape
};

static void
draw_week(struct week *w, size_t days, uint64_t *random)
{
    w->days = days;
    double quiet = chance(random, 0.75) ? between(random, 0, 1.5) : 0;
    double calm = chance(random, 0.75) ? between(random, 0.2, 1.1) : 1;
    double each = chance(random, 0.6) ? magnitude(random, 0.02, 0.6) : 0;
    size_t start = below(random, days), rest = days > 20 ? days / 5 : chance(random, 0.8) ? 2 : 1;
    bool other = chance(random, 0.5);
    for (size_t d = 0; d < days; d++) {
        bool weekend = (d + start) % days < rest;
        double drift = days > 20 ? cos(2 * M_PI * (double)d / (double)days) : lstm_gauss(random);
        w->level[d] = (weekend ? -quiet : 0) + each * drift;
        w->swing[d] = (weekend ? calm : 1) * (days > 20 ? 1 : 1 + 0.4 * each * lstm_gauss(random));
        w->other[d] = weekend && other;
    }
}

// Level and swing that go their own way from day to day, holidays among them.
static void
add_seasons(struct lstm_generated *s, double strength, uint64_t *random)
{
    static _Thread_local struct week week;
    double shape[3][SHAPE_MAX];
    size_t m = s->season;
    for (size_t i = 0; i < 3; i++)
        draw_shape(shape[i], m, random);
    size_t days = s->longer ? s->longer / m : m == 24 && chance(random, 0.5) ? 7 : 1;
    draw_week(&week, days, random);
    if (days == 1)
        week = (struct week){.days = 1, .swing = {1}};
    double wander = chance(random, 0.6) ? magnitude(random, 0.02, 0.5) : 0;
    double lasting = between(random, 0, 0.95),
           drift = chance(random, 0.4) ? between(random, 0, 1) : 0;
    double holiday = chance(random, 0.3) ? 0.03 : 0;
    double swing = 0, level = 0;
    bool off = false;
    for (size_t t = 0; t < s->n; t++) {
        size_t day = t / m % week.days, phase = t % m;
        if (phase == 0) {
            swing = lasting * swing + wander * lstm_gauss(random);
            level = lasting * level + wander * lstm_gauss(random);
            off = chance(random, holiday);
        }
        double turned = drift * (double)t / (double)s->n; // the course changes over the months
        const double *course = shape[week.other[day] ? 1 : 0];
        double y = (1 - turned) * course[phase] + turned * shape[2][phase];
        if (off)
            s->value[t] += strength * (0.4 * y - 0.8 + level);
        else
            s->value[t] +=
                strength * (week.level[day] + level + week.swing[day] * (1 + 0.5 * swing) * y);
    }
}

// ---- What has no season ----

static void
add_trend(struct lstm_generated *s, uint64_t *random)
{
    size_t n = s->n;
    double kind = lstm_uniform(random);
    double rise = lstm_gauss(random) * magnitude(random, 0.2, 4),
           at = between(random, 0, (double)n);
    double walk = magnitude(random, 0.1, 4) / sqrt((double)n), level = 0, slope = 0;
    for (size_t t = 0; t < n; t++) {
        double part = (double)t / (double)n;
        if (kind < 0.25)
            s->value[t] += rise * part;
        else if (kind < 0.4)
            s->value[t] += rise * fmax((double)t - at, 0) / (double)n;
        else if (kind < 0.75)
            s->value[t] += level += walk * lstm_gauss(random);
        else if (kind < 0.9)
            s->value[t] += level += slope = 0.97 * slope + 0.1 * walk * lstm_gauss(random);
        else
            s->value[t] += rise * sin(2 * M_PI * (part * 1.7 + at / (double)n));
    }
}

static void
add_shifts(struct lstm_generated *s, uint64_t *random)
{
    double every = magnitude(random, 0.3, 6), size = magnitude(random, 0.3, 4), level = 0;
    bool back = chance(random, 0.5);
    for (size_t t = 0; t < s->n; t++) {
        if (chance(random, every / (double)s->n))
            level = back && level != 0 ? 0 : level + size * lstm_gauss(random);
        s->value[t] += level;
    }
}

static void
add_sawtooth(struct lstm_generated *s, uint64_t *random)
{
    double rise = magnitude(random, 0.5, 4), mean = between(random, 20, 300), level = 0;
    double due = mean;
    for (size_t t = 0; t < s->n; t++) {
        level += rise / mean;
        if ((due -= 1) <= 0) {
            level = 0;
            due = mean * between(random, 0.7, 1.3);
        }
        s->value[t] += level;
    }
}

// A second cycle whose length nobody told.
static void
add_cycle(struct lstm_generated *s, uint64_t *random)
{
    double length = magnitude(random, 4, 200), size = magnitude(random, 0.1, 1);
    double phase = between(random, 0, 2 * M_PI), wander = chance(random, 0.5) ? 0.05 : 0;
    for (size_t t = 0; t < s->n; t++) {
        phase += 2 * M_PI / length + wander * lstm_gauss(random);
        s->value[t] += size * cos(phase);
    }
}

// ARMA noise; larger where the value is high, or in turbulent times.
static void
add_noise(struct lstm_generated *s, double size, uint64_t *random)
{
    static const double memories[] = {0, 0, 0.3, 0.5, 0.7, 0.85, 0.95, 0.98, 0.995};
    double memory = memories[below(random, sizeof memories / sizeof *memories)];
    double white = chance(random, 0.4) ? between(random, 0, 1) : 0;
    double heavy = chance(random, 0.35) ? between(random, 0.02, 0.12) : 0;
    double with_level = chance(random, 0.4) ? between(random, 0, 1) : 0;
    double turbulence = chance(random, 0.2) ? 0.1 : 0, calm = 0, e = 0;
    double fresh = sqrt(1 - memory * memory);
    for (size_t t = 0; t < s->n; t++) {
        calm = 0.98 * calm + turbulence * lstm_gauss(random);
        double now = size * exp(with_level * fmin(fmax(s->value[t], -2), 2) + calm);
        double shock = lstm_gauss(random) * (chance(random, heavy) ? between(random, 2, 8) : 1);
        e = memory * e + fresh * shock;
        s->value[t] += now * ((1 - white) * e + white * lstm_gauss(random));
    }
}

// Spikes that fade; outages (down) and load tests (up) that last.
static void
add_events(struct lstm_generated *s, uint64_t *random)
{
    double rate = magnitude(random, 0.001, 0.03), fade = between(random, 0, 0.9);
    double size = magnitude(random, 0.5, 8), lasting = magnitude(random, 1, 60), spike = 0;
    bool long_ones = chance(random, 0.3), down = chance(random, 0.3);
    double left = 0, now = 0;
    if (long_ones)
        rate = 3 / (double)s->n;
    for (size_t t = 0; t < s->n; t++) {
        if (chance(random, rate)) {
            now = (down ? -size : size) * -log(1 - lstm_uniform(random));
            if (long_ones)
                left = lasting * between(random, 0.5, 1.5);
            else
                spike += now;
        }
        if ((left -= 1) > 0)
            s->value[t] += now;
        s->value[t] += spike;
        spike *= fade;
    }
}

// ---- The measure it is told in ----

static void
switch_on_and_off(struct lstm_generated *s, uint64_t *random)
{
    double on = 1 / magnitude(random, 2, 80), off = 1 / magnitude(random, 2, 80);
    double low = between(random, 0, 0.2);
    bool is_on = true;
    for (size_t t = 0; t < s->n; t++) {
        is_on = is_on ? !chance(random, off) : chance(random, on);
        if (!is_on)
            s->value[t] = low;
    }
}

static double
poisson(double mean, uint64_t *random)
{
    if (mean > 50)
        return round(fmax(mean + sqrt(mean) * lstm_gauss(random), 0));
    double product = 1, count = -1, bound = exp(-mean);
    while (product > bound) {
        product *= lstm_uniform(random);
        count++;
    }
    return count;
}

static void
take_measure(struct lstm_generated *s, uint64_t *random)
{
    double kind = lstm_uniform(random), level = between(random, 0.5, 6);
    double size = magnitude(random, 0.1, 1e4), sharp = between(random, 0.15, 0.8);
    double ceiling = level + between(random, 0.5, 3);
    double count = magnitude(random, 0.05, 200);
    for (size_t t = 0; t < s->n; t++) {
        double y = s->value[t];
        if (kind < 0.4)
            y = size * (level + y);
        else if (kind < 0.62)
            y = size * exp(fmin(sharp * y, 12)); // all swings grow with the level
        else if (kind < 0.75)
            y = size * fmax(level / 4 + y, 0); // idle at times
        else if (kind < 0.83)
            y = size * fmin(fmax(level + y, 0), ceiling); // a capacity
        else if (kind < 0.93)
            y = poisson(count * exp(fmin(sharp * y, 4)), random);
        else
            y = round(4 * (level + y));
        s->value[t] = y;
    }
    if (chance(random, 0.04))
        switch_on_and_off(s, random);
}

// A machine that does little: hardly any noise, jobs at times, and now and then another load.
static void
idle_machine(struct lstm_generated *s, uint64_t *random)
{
    double level = magnitude(random, 0.5, 50), noise = level * magnitude(random, 0.002, 0.1);
    double job = chance(random, 0.4) ? noise * magnitude(random, 1, 40) : 0;
    size_t every = chance(random, 0.6) ? s->season : 2 + below(random, 30),
           at = below(random, every);
    double shift = chance(random, 0.5) ? magnitude(random, 0.5, 4) / (double)s->n : 0;
    double spike = chance(random, 0.6) ? magnitude(random, 1, 12) / (double)s->n : 0, now = 0;
    double memory = chance(random, 0.5) ? between(random, 0.5, 0.98) : 0, e = 0;
    double size = noise * magnitude(random, 10, 400), over = 0;
    for (size_t t = 0; t < s->n; t++) {
        if (chance(random, shift))
            now = chance(random, 0.3) ? 0 : size * (lstm_uniform(random) - 0.2);
        over = chance(random, spike) ? size * between(random, 0.5, 4)
                                     : over * (over > noise ? 0.3 : 0);
        e = memory * e + sqrt(1 - memory * memory) * lstm_gauss(random);
        double busy = t % every == at ? job * between(random, 0.7, 1.2) : 0;
        s->value[t] = fmax(level + now, level / 10) + noise * e + busy + over;
    }
}

void
lstm_generate(struct lstm_generated *s, uint64_t *random)
{
    choose_seasons(s, random);
    if (chance(random, 0.1)) {
        idle_machine(s, random);
        return;
    }
    memset(s->value, 0, sizeof s->value);
    double strength = chance(random, 0.88) ? magnitude(random, 0.3, 2) : 0;
    if (strength > 0 && s->season > 2)
        add_seasons(s, strength, random);
    if (chance(random, 0.5))
        add_trend(s, random);
    if (chance(random, 0.15))
        add_shifts(s, random);
    if (chance(random, 0.04))
        add_sawtooth(s, random);
    if (chance(random, 0.08))
        add_cycle(s, random);
    add_noise(s, magnitude(random, 0.03, 1), random);
    if (chance(random, 0.3))
        add_noise(s, magnitude(random, 0.03, 0.6), random);
    if (chance(random, 0.25))
        add_events(s, random);
    take_measure(s, random);
}
