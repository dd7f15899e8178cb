// SPDX-License-Identifier: Apache-2.0
// Several sources' (time, value) pairs become one value a step.
// bus, RRD files -> [resample] -> series.  Pure: time is an argument.

#include <offload/forecast.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 8,          // steps that may be open at once
    SOURCES_MAX = 1024, // of one series; more is a slip in a Match
};

static const double PHASE_WEIGHT = 0.05; // of a new value's time in its source's phase
static const double PHASE_SLACK =
    0.25; // of a step, by which a phase may leave [0, 1) before it is folded back

struct slot {
    int64_t step;
    uint32_t n; // 0: empty
    bool censored;
    double sum;
    double last_time_s;
    double last_value;
};

struct source {
    char *name;
    // A source that reports once a step at nearly a step's border would fall now on this side of
    // it, now on the other, and leave a gap beside a doubled step. So its steps are counted from
    // its own phase.
    double phase_s;     // NAN before the first value
    int64_t hold_steps; // how many steps a value stands for
    int64_t held_step;  // the newest closed step that had a value
    double held_value;
    bool held_censored;
    bool counted;                 // has been part of a closed step
    bool once;                    // reports once a step
    double raw_time_s, raw_value; // the last counter reading, for rates
    struct slot slot[SLOTS];
};

struct offload_resample {
    double step_s;
    enum offload_aggregate aggregate;
    bool started;
    int64_t closed; // the newest closed step
    struct source *source;
    size_t n_sources;
    struct offload_resample_counts counts;
};

struct offload_resample *
offload_resample_create(double step_s, enum offload_aggregate aggregate)
{
    assert(step_s > 0);
    struct offload_resample *r = calloc(1, sizeof *r);
    if (r) {
        r->step_s = step_s;
        r->aggregate = aggregate;
    }
    return r;
}

void
offload_resample_destroy(struct offload_resample *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_sources; i++)
        free(r->source[i].name);
    free(r->source);
    free(r);
}

int
offload_resample_source(struct offload_resample *r, const char *name)
{
    for (size_t i = 0; i < r->n_sources; i++)
        if (strcmp(r->source[i].name, name) == 0)
            return (int)i;
    if (r->n_sources == SOURCES_MAX)
        return -ENOSPC;
    char *copy = strdup(name);
    struct source *grown = copy ? realloc(r->source, (r->n_sources + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return -ENOMEM;
    }
    r->source = grown;
    r->source[r->n_sources] =
        (struct source){.name = copy, .phase_s = NAN, .hold_steps = 1, .raw_time_s = NAN};
    return (int)r->n_sources++;
}

static int64_t
step_of(const struct offload_resample *r, struct source *s, double time_s)
{
    if (isnan(s->phase_s))
        s->phase_s = time_s - r->step_s * floor(time_s / r->step_s);
    double place = (time_s - s->phase_s) / r->step_s;
    double nearest = floor(place + 0.5);
    s->phase_s += PHASE_WEIGHT * (place - nearest) * r->step_s;
    if (s->phase_s < -PHASE_SLACK * r->step_s)
        s->phase_s += r->step_s;
    else if (s->phase_s >= (1 + PHASE_SLACK) * r->step_s)
        s->phase_s -= r->step_s;
    return (int64_t)nearest;
}

double
offload_resample_rate(struct offload_resample *r, int source, double time_s, double value)
{
    assert(source >= 0 && (size_t)source < r->n_sources);
    struct source *s = &r->source[source];
    double rate = NAN;
    if (!isfinite(value) || time_s <= s->raw_time_s)
        return NAN;
    if (!isnan(s->raw_time_s) && value >= s->raw_value)
        rate = (value - s->raw_value) / (time_s - s->raw_time_s);
    s->raw_time_s = time_s;
    s->raw_value = value;
    return rate;
}

void
offload_resample_put(struct offload_resample *r, int source, double time_s, double interval_s,
                     double value, bool censored)
{
    assert(source >= 0 && (size_t)source < r->n_sources);
    struct source *s = &r->source[source];
    if (!isfinite(value) || !isfinite(time_s))
        return;
    // Sources faster than a step are averaged within it, slower ones stand until their next value
    // is due.
    bool slower = isfinite(interval_s) && interval_s > 1.5 * r->step_s;
    s->hold_steps = slower ? (int64_t)ceil(fmin(interval_s / r->step_s, OFFLOAD_PERIOD_MAX)) : 1;
    bool in_step = interval_s > 0.7 * r->step_s && !slower;
    s->once = in_step;
    int64_t step = in_step ? step_of(r, s, time_s) : (int64_t)floor(time_s / r->step_s);
    if (!r->started) {
        r->started = true;
        r->closed = step - 1;
    }
    if (step <= r->closed) {
        r->counts.late++;
        return;
    }
    if (step > r->closed + SLOTS) {
        r->counts.early++;
        return;
    }
    struct slot *slot = &s->slot[step % SLOTS];
    if (slot->n == 0 || slot->step != step)
        *slot = (struct slot){.step = step};
    if (slot->n && slot->last_time_s == time_s) {
        r->counts.duplicate++;
        slot->sum -= slot->last_value;
        slot->n--;
    }
    slot->n++;
    slot->sum += value;
    slot->censored |= censored;
    slot->last_time_s = time_s;
    slot->last_value = value;
}

enum presence { ABSENT, MISSED, PRESENT };

// Moves the source on to 'step', whose value is then in held_value.
static enum presence
close_source(struct source *s, int64_t step)
{
    struct slot *slot = &s->slot[step % SLOTS];
    if (slot->n && slot->step == step) {
        s->held_step = step;
        s->held_value = slot->sum / slot->n;
        s->held_censored = slot->censored;
        s->counted = true;
        slot->n = 0;
        return PRESENT;
    }
    if (!s->counted)
        return ABSENT;
    int64_t overdue = step - (s->held_step + s->hold_steps);
    if (overdue < 0 && step > s->held_step)
        return PRESENT;
    if (overdue == 0)
        return MISSED;
    s->counted = false; // gone, or the clock was set back and its value is of another time
    return ABSENT;
}

enum offload_readiness
offload_resample_readiness(const struct offload_resample *r, int64_t step)
{
    enum offload_readiness readiness = OFFLOAD_NOT_AWAITED;
    for (size_t i = 0; i < r->n_sources; i++) {
        const struct source *s = &r->source[i];
        const struct slot *slot = &s->slot[step % SLOTS];
        if (!s->counted)
            continue;
        if (!s->once)
            return OFFLOAD_NOT_AWAITED;
        if (slot->n == 0 || slot->step != step)
            return OFFLOAD_AWAITED;
        readiness = OFFLOAD_READY;
    }
    return readiness;
}

double
offload_resample_close(struct offload_resample *r, int64_t step, bool *censored)
{
    assert(step >= 0);
    double total = NAN;
    bool missed = false;
    *censored = false;
    for (size_t i = 0; i < r->n_sources; i++) {
        struct source *s = &r->source[i];
        enum presence presence = close_source(s, step);
        missed |= presence == MISSED;
        if (presence != PRESENT)
            continue;
        *censored |= s->held_censored;
        if (isnan(total))
            total = s->held_value;
        else if (r->aggregate == OFFLOAD_AGGREGATE_MAX)
            total = fmax(total, s->held_value);
        else
            total += s->held_value;
    }
    r->started = true;
    r->closed = step;
    return missed ? NAN : total;
}

const struct offload_resample_counts *
offload_resample_counts(const struct offload_resample *r)
{
    return &r->counts;
}
