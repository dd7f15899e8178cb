// SPDX-License-Identifier: Apache-2.0
// Forecasts and scores onto the bus, by doc/bus.md.
#pragma once

#include "plugins/forecast/table.h"

// An application's (or the server's) demand, need and error for one resource.
void publish_series(const struct series *series, double step_s);

// A host's score, its limit and lead, and 'age_s', for how long nothing was heard of what sets it.
void publish_score(const char *host, const struct offload_score *score, double age_s,
                   double step_s);

// Tells people, as a notification, which logfile and syslog write down too. 'stale' false: values
// came again.
void publish_stale(const char *host, bool stale, double silent_s);
