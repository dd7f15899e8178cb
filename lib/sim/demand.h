// SPDX-License-Identifier: Apache-2.0
// Demand to replay: a scenario read from its folder, or generated; and what could be foreseen of
// it. trace -> [demand] -> world.  Pure but for reading files by name.
//
// A scenario folder has scenario.json {"steps","train_steps","step_s","migration_ms"}, cards.csv,
// apps.csv and demand.csv, with the columns that README.md of the scenarios names.
#pragma once

#include <offload/allocate.h>

struct sim_scenario {
    char name[64];
    uint32_t steps, train_steps; // the first 'train_steps' are history only
    uint32_t season_steps;       // of the strongest season: a day, unless time is compressed
    double step_s;
    double migration_s;
    uint32_t n_cards, n_apps;
    struct alloc_card *cards;
    struct alloc_app *apps;        // as they start
    double *offered;               // [step * n_apps + app], bit/s
    struct alloc_demand *forecast; // the same, once sim_foresee() has run; else NULL
    double *level; // [(step * n_apps + app) * ALLOC_LEVELS], bit/s; 0 where there is none
};

// -ENOENT, -EINVAL: a hole in the trace, an unknown name, a figure that is none; 'err' names file
// and line.
int sim_scenario_load(const char *folder, struct sim_scenario **scenario, struct offload_err *err);

// Demand made up from 'seed': days and weeks, noise that lasts, bursts, drifts, in steps of an hour
// or of five minutes; cards of a server that are full at different hours or at the same. For
// training, so that what is shipped has seen no scenario that it is judged by. Three servers, or as
// many as are asked for. NULL when memory runs out.
struct sim_scenario *sim_scenario_generate(uint64_t seed);
struct sim_scenario *sim_scenario_generate_fleet(uint64_t seed, uint32_t servers);
void sim_scenario_destroy(struct sim_scenario *scenario);

static inline double
sim_offered(const struct sim_scenario *s, uint32_t step, uint32_t app)
{
    return s->offered[(size_t)step * s->n_apps + app];
}

// Fills 'forecast' and 'level' unless they are there: for each step k what is expected from steps
// before k alone. 'model': index into offload_models, -1: as the forecaster chooses. 'done' (may be
// NULL) is called after each application. 0 or -ENOMEM.
// In lib/libforesee.la, which wants lib/libforecast.la behind it.
int sim_foresee(struct sim_scenario *scenario, int model, void (*done)(void *ctx), void *ctx);
