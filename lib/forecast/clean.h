// SPDX-License-Identifier: Apache-2.0
// Anomalous spells become gaps before a model is fitted: an outage or a load test says nothing
// about demand.
//
// What is removed is rare, short and far outside: more than 8 robust deviations from the level
// around it and the median of its phase. Not removed: a shift of level (levels before and after
// differ alike), what still lasts at the series' end (it may be a shift), what recurs a season
// later, and anything where such values are not rare, for then they are how the series is.
#pragma once

#include <offload/forecast.h>

struct clean {
    struct offload_training training; // the one given, with the cleaned values
    double *value;
    size_t n_removed;
};

// -ENOMEM. 'training' must outlive 'clean'.
int clean_init(struct clean *clean, const struct offload_training *training);
void clean_fini(struct clean *clean);
