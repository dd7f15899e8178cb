// SPDX-License-Identifier: Apache-2.0
// Forecasts and scores onto the bus, by doc/bus.md.
#pragma once

#include "plugins/forecast/table.h"

// An application's (or the server's) demand, need and error for one resource.
// 'fitted': its forecaster is being fitted and must not be asked.
void publish_series(const struct series *series, bool fitted, double step_s);

// The score of a host's 'app' ("card": the whole server), its limit and lead, and 'age_s', for how
// long nothing was heard of what sets it.
void publish_score(const char *host, const char *app, const struct offload_score *score,
                   double age_s, double step_s);

// Tells people that a score has reached 'level' from below, or ('above' false) has fallen to it.
void publish_crossing(const char *host, const char *app, const struct offload_score *score,
                      bool above, double level);

// Tells people that a feed failed, or (error NULL) is well again. 'age_s' of what it has, NAN: it
// has nothing.
void publish_feed(const char *feed, const char *error, double age_s);
void publish_feed_age(const char *feed, double age_s, double step_s);

// Tells people, as a notification, which logfile and syslog write down too. 'stale' false: values
// came again.
void publish_stale(const char *host, bool stale, double silent_s);
