// SPDX-License-Identifier: Apache-2.0
// The fan: memory for sample paths, and the quantiles read from them.
// models -> [fan] -> score, bus.  Pure.

#include <offload/forecast.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int
offload_fan_init(struct offload_fan *fan, size_t horizon, size_t n_paths)
{
    assert(horizon > 0 && n_paths > 0 && horizon <= OFFLOAD_HORIZON_MAX);
    double *block = calloc(horizon + horizon * n_paths + n_paths, sizeof *block);
    if (!block)
        return -ENOMEM;
    *fan = (struct offload_fan){.horizon = horizon,
                                .n_paths = n_paths,
                                .mean = block,
                                .sample = block + horizon,
                                .peak = block + horizon + horizon * n_paths};
    return 0;
}

void
offload_fan_fini(struct offload_fan *fan)
{
    free(fan->mean);
    *fan = (struct offload_fan){0};
}

double
offload_quantile(const double *sorted, size_t n, double p)
{
    assert(n > 0);
    double place = fmin(fmax(p, 0), 1) * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
}

double
offload_fan_step(const struct offload_fan *fan, size_t h, double p)
{
    assert(h < fan->horizon);
    return offload_quantile(fan->sample + h * fan->n_paths, fan->n_paths, p);
}

double
offload_fan_peak(const struct offload_fan *fan, double p)
{
    return offload_quantile(fan->peak, fan->n_paths, p);
}

size_t
offload_fan_peak_step(const struct offload_fan *fan, double p)
{
    size_t step = 0;
    for (size_t h = 1; h < fan->horizon; h++)
        if (offload_fan_step(fan, h, p) > offload_fan_step(fan, step, p))
            step = h;
    return step;
}
