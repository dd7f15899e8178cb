// SPDX-License-Identifier: Apache-2.0
// forecast DIR [--subset] [--dataset NAME] [--model NAME] [--times FILE]
//     forecasts every case of a benchmark directory (manifest.csv and the series it names) and
//     prints case_id,step,mean,lo80,hi80,lo95,hi95; FILE gets case_id,ms of fit and forecast.
// forecast --cost
//     what an update, a fit and a run cost on a made-up series: one JSON object a line.

#include <offload/forecast.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_BYTES = 4096, COLUMNS = 12, PATHS = 500 };

struct options {
    const char *dir, *dataset;
    bool subset;
    int model;
    FILE *times;
};

static double
cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static size_t
split(char *line, char **column)
{
    size_t n = 0;
    line[strcspn(line, "\r\n")] = 0;
    while (line && n < COLUMNS)
        column[n++] = strsep(&line, ",");
    return n;
}

// Reads rows first .. first + n - 1 of a series. Returns how many there were.
static size_t
load(const char *dir, const char *file, const char *series, size_t first, size_t n, double *value)
{
    char path[512], line[LINE_MAX_BYTES], *column[COLUMNS];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t row = 0, got = 0;
    while (got < n && fgets(line, sizeof line, f)) {
        if (split(line, column) < 3 || strcmp(column[0], series) != 0)
            continue;
        if (row++ >= first)
            value[got++] = strtod(column[2], NULL);
    }
    fclose(f);
    return got;
}

static void
forecast_case(const struct options *o, char **c)
{
    size_t first = strtoul(c[4], NULL, 10), n = strtoul(c[5], NULL, 10);
    size_t horizon = strtoul(c[6], NULL, 10);
    double *value = malloc(n * sizeof *value);
    if (!value || load(o->dir, c[2], c[3], first, n, value) != n) {
        fprintf(stderr, "%s: the series is shorter than the manifest says\n", c[0]);
        exit(1);
    }
    double least = 0, start = cpu_ms();
    for (size_t i = 0; i < n; i++)
        least = fmin(least, value[i]);
    struct offload_forecaster *f = offload_forecaster_create(
        &(struct offload_forecaster_options){.step_s = strtod(c[8], NULL),
                                             .period = strtoul(c[7], NULL, 10),
                                             .horizon = horizon,
                                             .capacity = n,
                                             .signed_values = least < 0,
                                             .model = o->model});
    for (size_t i = 0; i < n; i++)
        offload_forecaster_push(f, value[i], false, NULL);
    struct offload_fan fan;
    struct offload_err err = {0};
    char text[900];
    if (!f || offload_fan_init(&fan, horizon, PATHS) || offload_forecaster_fit(f, &err) ||
        offload_forecaster_run(f, NULL, 1, &fan)) {
        fprintf(stderr, "%s: %s\n", c[0], offload_err_format(&err, text, sizeof text));
        exit(1);
    }
    double ms = cpu_ms() - start;
    for (size_t h = 0; h < horizon; h++)
        printf("%s,%zu,%.10g,%.10g,%.10g,%.10g,%.10g\n", c[0], h + 1, fan.mean[h],
               offload_fan_step(&fan, h, 0.1), offload_fan_step(&fan, h, 0.9),
               offload_fan_step(&fan, h, 0.025), offload_fan_step(&fan, h, 0.975));
    offload_forecaster_explain(f, text, sizeof text);
    fprintf(stderr, "%s: %s\n", c[0], text);
    if (o->times)
        fprintf(o->times, "%s,%.3f\n", c[0], ms);
    offload_fan_fini(&fan);
    offload_forecaster_destroy(f);
    free(value);
}

static int
forecast_all(const struct options *o)
{
    char path[512], line[LINE_MAX_BYTES], *column[COLUMNS];
    snprintf(path, sizeof path, "%s/manifest.csv", o->dir);
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return 1;
    }
    puts("case_id,step,mean,lo80,hi80,lo95,hi95");
    while (fgets(line, sizeof line, f)) {
        if (split(line, column) != COLUMNS || strcmp(column[0], "case_id") == 0)
            continue;
        if ((o->subset && strcmp(column[11], "1") != 0) ||
            (o->dataset && strcmp(column[1], o->dataset) != 0))
            continue;
        forecast_case(o, column);
    }
    fclose(f);
    return 0;
}

static void
print_cost(const char *metric, double value)
{
    printf("{\"bench\":\"forecast\",\"metric\":\"%s\",\"ours\":%.4g,\"peer\":null,\"theirs\":null,"
           "\"ratio\":null}\n",
           metric, value);
}

static int
cost(void)
{
    enum { N = 400, UPDATES = 200000, FITS = 20, RUNS = 200, HORIZON = 8, STEP_PATHS = 400 };
    struct offload_forecaster *f = offload_forecaster_create(&(struct offload_forecaster_options){
        .step_s = 1, .period = 24, .horizon = HORIZON, .capacity = 512, .model = -1});
    struct offload_fan fan;
    if (!f || offload_fan_init(&fan, HORIZON, STEP_PATHS))
        return 1;
    srandom(1);
    for (int t = 0; t < N; t++)
        offload_forecaster_push(f, 100 + 50 * sin(2 * M_PI * t / 24) + random() % 20, false, NULL);
    double start = cpu_ms();
    for (int i = 0; i < FITS; i++)
        if (offload_forecaster_fit(f, NULL))
            return 1;
    print_cost("fit_400_steps_season_24_ms", (cpu_ms() - start) / FITS);
    start = cpu_ms();
    for (int i = 0; i < RUNS; i++)
        if (offload_forecaster_run(f, NULL, i, &fan))
            return 1;
    print_cost("run_8_steps_400_paths_us", (cpu_ms() - start) / RUNS * 1e3);
    start = cpu_ms();
    for (int t = 0; t < UPDATES; t++)
        offload_forecaster_push(f, 100 + t % 24, false, NULL);
    print_cost("update_us", (cpu_ms() - start) / UPDATES * 1e3);
    print_cost("bytes_per_series", offload_forecaster_bytes(f));
    offload_fan_fini(&fan);
    offload_forecaster_destroy(f);
    return 0;
}

int
main(int argc, char **argv)
{
    struct options o = {.model = -1};
    if (argc == 2 && strcmp(argv[1], "--cost") == 0)
        return cost();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--subset") == 0)
            o.subset = true;
        else if (strcmp(argv[i], "--dataset") == 0 && i + 1 < argc)
            o.dataset = argv[++i];
        else if (strcmp(argv[i], "--model") == 0 && i + 1 < argc)
            o.model = offload_models_find(argv[++i]);
        else if (strcmp(argv[i], "--times") == 0 && i + 1 < argc)
            o.times = fopen(argv[++i], "w");
        else if (!o.dir && argv[i][0] != '-')
            o.dir = argv[i];
        else
            o.dir = NULL, i = argc;
    }
    if (!o.dir) {
        fputs("usage: forecast DIR [--subset] [--dataset NAME] [--model NAME] [--times FILE] | "
              "--cost\n",
              stderr);
        return 2;
    }
    int rc = forecast_all(&o);
    if (o.times)
        fclose(o.times);
    return rc;
}
