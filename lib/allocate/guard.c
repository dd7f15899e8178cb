// SPDX-License-Identifier: Apache-2.0
// Whether a learned agent still earns its place, and how it earns it back.
// reward of both -> [guard] -> whose plan leaves.  Pure.
// Thomas et al., Preventing undesirable behavior of intelligent machines, Science 366 (2019): a
// policy is used only if a test on data that it was not chosen by shows, at a stated confidence,
// that it is not worse; else what was used stays.
//
//   decides --- mean difference below -2 standard errors over the window --> learns
//   learns  --- LEARN steps in shadow, learning ---------------------------> proves
//   proves  --- HELD_OUT steps in shadow, its policy fixed:
//                 lower bound of the mean difference >= -MARGIN ------------> decides
//                 else -----------------------------------------------------> learns
//
// The bound is Student's, of the means of ten steps each, since what follows each other is alike.
// The k-th attempt has (1 - confidence) / (k (k + 1)) of the risk, so that over all attempts
// together it stays below 1 - confidence.
#include <offload/allocate.h>

#include <math.h>

enum {
    BATCH = 10,
    BATCHES = ALLOC_GUARD_HELD_OUT / BATCH,
};

// In units of reward: a hundredth of one breach of one application in two.
static const double MARGIN = 0.005;

// Mean difference over its standard error; 0 while there is too little to say.
static double
t_value(const struct alloc_guard *guard)
{
    if (guard->n < ALLOC_GUARD_LEAST)
        return 0;
    double mean = 0, var = 0;
    for (unsigned i = 0; i < guard->n; i++)
        mean += guard->difference[i] / guard->n;
    for (unsigned i = 0; i < guard->n; i++)
        var += (guard->difference[i] - mean) * (guard->difference[i] - mean) / (guard->n - 1);
    double error = sqrt(var / guard->n);
    if (error < 1e-9)
        return mean < -1e-9 ? -INFINITY : mean > 1e-9 ? INFINITY : 0;
    return mean / error;
}

// The normal score that is exceeded with probability 'risk': by halving, which 60 times is to the
// bit.
static double
normal_score(double risk)
{
    double low = 0, high = 40;
    for (int i = 0; i < 60; i++) {
        double z = (low + high) / 2;
        if (erfc(z / sqrt(2)) / 2 > risk)
            low = z;
        else
            high = z;
    }
    return low;
}

// Student's t of 'n' degrees of freedom; Abramowitz & Stegun 26.7.5.
static double
student_score(double risk, double n)
{
    double z = normal_score(risk), z2 = z * z;
    double g1 = z * (z2 + 1) / 4, g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
    double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
    return z + g1 / n + g2 / (n * n) + g3 / (n * n * n);
}

double
alloc_guard_bound(const struct alloc_guard *guard)
{
    double k = guard->attempts + 1.0, mean = 0, var = 0, batch[BATCHES] = {0};
    double confidence = guard->confidence > 0 ? guard->confidence : ALLOC_GUARD_CONFIDENCE;
    for (unsigned i = 0; i < BATCHES * BATCH; i++)
        batch[i / BATCH] += guard->difference[i] / BATCH;
    for (unsigned b = 0; b < BATCHES; b++)
        mean += batch[b] / BATCHES;
    for (unsigned b = 0; b < BATCHES; b++)
        var += (batch[b] - mean) * (batch[b] - mean) / (BATCHES - 1);
    return mean -
           student_score((1 - confidence) / (k * (k + 1)), BATCHES - 1) * sqrt(var / BATCHES);
}

bool
alloc_guard_learns(const struct alloc_guard *guard)
{
    return !guard->fallen_back || guard->learned < ALLOC_GUARD_LEARN;
}

void
alloc_guard_fall_back(struct alloc_guard *guard)
{
    // The window starts anew: to return, the agent needs a stretch that holds nothing of its
    // failure.
    guard->fallen_back = true;
    guard->n = guard->at = guard->learned = 0;
}

static enum alloc_guard_event
prove(struct alloc_guard *guard, double difference)
{
    if (alloc_guard_learns(guard)) {
        guard->learned++;
        return ALLOC_GUARD_STAYS;
    }
    guard->difference[guard->n++] = difference;
    if (guard->n < ALLOC_GUARD_HELD_OUT)
        return ALLOC_GUARD_STAYS;
    bool proven = alloc_guard_bound(guard) >= -MARGIN;
    guard->n = guard->at = guard->learned = 0;
    guard->attempts++;
    guard->fallen_back = !proven;
    return proven ? ALLOC_GUARD_RETURNS : ALLOC_GUARD_STAYS;
}

enum alloc_guard_event
alloc_guard_note(struct alloc_guard *guard, double learned, double baseline)
{
    if (guard->fallen_back)
        return prove(guard, learned - baseline);
    guard->difference[guard->at] = learned - baseline;
    guard->at = (guard->at + 1) % ALLOC_GUARD_WINDOW;
    if (guard->n < ALLOC_GUARD_WINDOW)
        guard->n++;
    if (t_value(guard) >= -2)
        return ALLOC_GUARD_STAYS;
    alloc_guard_fall_back(guard);
    return ALLOC_GUARD_FALLS_BACK;
}
