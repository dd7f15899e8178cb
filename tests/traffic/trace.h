// SPDX-License-Identifier: Apache-2.0
// Reads what is to be sent: the demand of a scenario (step,app,offered_bps) and the list of its
// applications.
// [trace] -> traffic-gen -> network -> traffic-sink.  Pure: text in, tables out.
#pragma once

#include <offload/err.h>
#include <offload/units.h>

#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_APPS_MAX = 32,
    TRACE_STEPS_MAX = 100000,
    TRACE_FLOWS_MAX = 64,     // of one application
    TRACE_PACKET_LEAST = 128, // bytes on the wire, without FCS
    TRACE_PACKET_MOST = 1514,
    TRACE_BPS_MAX = 1000000000, // of one application; more is a slip of the pen, not a demand
};

struct trace {
    size_t n_apps, n_steps;
    uint32_t first_step;
    char app[TRACE_APPS_MAX][OFFLOAD_NAME_MAX + 1];
    double *bps; // [step - first_step][app], owned
};

// Reads 'text', which messages call 'name'. The first step's rows say which applications there are;
// each later step must follow the one before it and name each of them once. Errors (-EINVAL,
// -ERANGE, -ENOMEM) name name:line. On failure 'trace' is untouched. Caller: trace_fini.
int trace_parse(struct trace *trace, const char *name, const char *text, struct offload_err *err);
void trace_fini(struct trace *trace);

// Index of application 'app', or -1.
int trace_find_app(const struct trace *trace, const char *app);

// The rate asked for at 'at_steps' (steps since first_step, with fractions), in bit/s: each step's
// value holds in its middle, with straight ramps between, so that a sender makes no jumps.
double trace_rate(const struct trace *trace, size_t app, double at_steps);

struct traffic_app {
    char app[OFFLOAD_NAME_MAX + 1];
    char dst[16]; // IPv4
    uint16_t dport, flows, packet_bytes;
};

// Reads "app,dst,dport,flows,packet_bytes" into at most TRACE_APPS_MAX rows of 'apps'. Returns how
// many, or an error as above.
int traffic_apps_parse(struct traffic_app *apps, const char *name, const char *text,
                       struct offload_err *err);
