// SPDX-License-Identifier: Apache-2.0
// forecast_cost [SERIES]: what a series costs in memory and time, one JSON object a line.
// Made-up series of 1,000 hourly points: a day's and a week's season, noise, a level that moves.
// The LSTM's weights are loaded, as they are in use.
// 'refit_10k_series_s' is 10,000 re-estimations from a warm start, measured as the mean of six, a
// day apart, of SERIES (100) series, and scaled.

#include "tools/weights.h"

#include <offload/forecast.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    POINTS = 1000,
    DAY = 24,
    WEEK = 168,
    HORIZON = 24,
    UPDATES = 1000,
    REFITS = 6,
    MANY = 10000
};

static double
cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
noise(uint64_t *random)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        sum += (double)(*random >> 11) * 0x1p-53;
    }
    return sum;
}

struct made {
    uint64_t random;
    double level, deviation;
    size_t t;
};

static double
next_value(struct made *m)
{
    double day = sin(2 * M_PI * (double)(m->t % DAY) / DAY);
    double week = m->t % WEEK < 5 * DAY ? 1 : 0.6;
    m->t++;
    m->level += 0.2 * noise(&m->random);
    m->deviation = 0.7 * m->deviation + 3 * noise(&m->random);
    return fmax(0, (m->level + 40 * day) * week + m->deviation);
}

static void
print_cost(const char *metric, double value)
{
    printf("{\"bench\":\"forecast\",\"metric\":\"%s\",\"ours\":%.4g,\"peer\":null,\"theirs\":null,"
           "\"ratio\":null}\n",
           metric, value);
}

int
main(int argc, char **argv)
{
    size_t n_series = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    double update_s = 0, fit_s = 0, refit_s = 0, bytes = 0, most = 0;
    if (n_series == 0) {
        fputs("usage: forecast_cost [SERIES]\n", stderr);
        return 2;
    }
    struct offload_err err = {0};
    if (weights_load(NULL, &err) || !offload_lstm_loaded()) {
        char text[800];
        if (err.code)
            fprintf(stderr, "forecast_cost: %s\n", offload_err_format(&err, text, sizeof text));
        return 1;
    }
    for (size_t i = 0; i < n_series; i++) {
        struct made made = {.random = 0x9e3779b97f4a7c15u * (i + 1), .level = 100};
        struct offload_forecaster *f =
            offload_forecaster_create(&(struct offload_forecaster_options){
                .step_s = 3600, .horizon = HORIZON, .capacity = POINTS, .model = -1, .seed = i});
        if (!f)
            return 1;
        for (size_t t = 0; t < POINTS; t++)
            offload_forecaster_push(f, next_value(&made), false, NULL);
        double start = cpu_s();
        if (offload_forecaster_fit(f, NULL))
            return 1;
        double fitted = cpu_s();
        for (size_t t = 0; t < UPDATES; t++)
            offload_forecaster_push(f, next_value(&made), false, NULL);
        double updated = cpu_s();
        for (int r = 0; r < REFITS; r++) {
            for (size_t t = 0; r > 0 && t < DAY; t++)
                offload_forecaster_push(f, next_value(&made), false, NULL);
            if (offload_forecaster_fit(f, NULL))
                return 1;
        }
        refit_s += (cpu_s() - updated) / REFITS;
        update_s += updated - fitted;
        fit_s += fitted - start;
        bytes += (double)offload_forecaster_bytes(f);
        most = fmax(most, (double)offload_forecaster_bytes(f));
        offload_forecaster_destroy(f);
    }
    double n = (double)n_series;
    print_cost("update_us", update_s / n / UPDATES * 1e6);
    print_cost("refit_10k_series_s", refit_s / n * MANY);
    print_cost("select_ms", fit_s / n * 1e3);
    print_cost("bytes_per_series", bytes / n);
    print_cost("bytes_per_series_most", most);
    return 0;
}
