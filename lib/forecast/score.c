// SPDX-License-Identifier: Apache-2.0
// The score: how full the fullest resource is expected to get, 0 to 100.
// fan -> [score] -> bus.  Pure.  DESIGN: 100 x max over resources of P90(horizon's maximum) /
// capacity.

#include <offload/forecast.h>

#include <assert.h>
#include <math.h>

const char *const offload_resource_names[OFFLOAD_RESOURCES + 1] = {"cpu", "bandwidth", "memory",
                                                                   "interconnect", NULL};

void
offload_score_init(struct offload_score *score)
{
    *score = (struct offload_score){.score = NAN, .demand_pct = NAN, .lead_s = NAN};
}

void
offload_score_add(struct offload_score *score, enum offload_resource resource, double p90,
                  double capacity, double lead_s)
{
    assert(capacity > 0);
    double demand_pct = 100 * p90 / capacity;
    if (isnan(demand_pct) || demand_pct <= score->demand_pct)
        return;
    *score = (struct offload_score){.score = fmin(fmax(demand_pct, 0), 100),
                                    .demand_pct = demand_pct,
                                    .lead_s = lead_s,
                                    .limit = resource};
}
