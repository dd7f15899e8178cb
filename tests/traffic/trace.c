// SPDX-License-Identifier: Apache-2.0
// Reads the demand and the application list, and refuses what cannot be meant: a trace with holes
// would be sent as silence, and the run's figures would be about something else.
#include "tests/traffic/trace.h"

#include "lib/base/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 256, FIELDS_MAX = 5 };

struct lines {
    const char *name;
    const char *next;
    unsigned line;
    char buf[LINE_BYTES];
    char *field[FIELDS_MAX];
    char where[160];
};

// Cuts the next line into exactly 'n' fields. Returns 1, 0 at the end, or an error.
static int
lines_next(struct lines *in, size_t n, const char *columns, struct offload_err *err)
{
    if (*in->next == '\0')
        return 0;
    in->line++;
    snprintf(in->where, sizeof in->where, "%s:%u", in->name, in->line);
    size_t len = strcspn(in->next, "\n");
    if (len >= sizeof in->buf)
        return offload_err_set(err, -EINVAL, in->where, columns, "the line has %zu bytes", len);
    memcpy(in->buf, in->next, len);
    in->buf[len] = '\0';
    in->next += len + (in->next[len] == '\n');
    if (len > 0 && in->buf[len - 1] == '\r')
        in->buf[len - 1] = '\0';
    char *rest = in->buf;
    size_t got = 0;
    for (char *field; (field = strsep(&rest, ",")) != NULL; got++) {
        if (got < n)
            in->field[got] = field;
    }
    if (got != n)
        return offload_err_set(err, -EINVAL, in->where, columns, "%zu fields instead of %zu", got,
                               n);
    return 1;
}

static int
lines_open(struct lines *in, const char *name, const char *text, const char *header,
           struct offload_err *err)
{
    *in = (struct lines){.name = name, .next = text, .line = 1};
    snprintf(in->where, sizeof in->where, "%s:1", name);
    size_t len = strcspn(text, "\r\n");
    char expected[96];
    snprintf(expected, sizeof expected, "begin with %s", header);
    if (len != strlen(header) || strncmp(text, header, len) != 0)
        return offload_err_set(err, -EINVAL, in->where, expected, "the header is '%.*s'",
                               (int)(len < 80 ? len : 80), text);
    in->next += len;
    in->next += strspn(in->next, "\r");
    in->next += *in->next == '\n';
    return 0;
}

static int
read_number(const struct lines *in, size_t i, const char *what, double least, double most,
            double *out, struct offload_err *err)
{
    char expected[96], *end;
    snprintf(expected, sizeof expected, "use %.0f to %.0f", least, most);
    errno = 0;
    double value = strtod(in->field[i], &end);
    if (end == in->field[i] || *end != '\0' || !isfinite(value))
        return offload_err_set(err, -EINVAL, in->where, expected, "%s '%s' is not a number", what,
                               in->field[i]);
    if (value < least || value > most)
        return offload_err_set(err, -ERANGE, in->where, expected, "%s %s is out of range", what,
                               in->field[i]);
    *out = value;
    return 0;
}

static int
read_whole(const struct lines *in, size_t i, const char *what, double least, double most,
           unsigned *out, struct offload_err *err)
{
    double value;
    int rc = read_number(in, i, what, least, most, &value, err);
    if (rc != 0)
        return rc;
    if (value != floor(value))
        return offload_err_set(err, -EINVAL, in->where, "use a whole number", "%s is %s", what,
                               in->field[i]);
    *out = (unsigned)value;
    return 0;
}

static int
read_app(const struct lines *in, size_t i, struct offload_err *err)
{
    if (!offload_name_valid(in->field[i]))
        return offload_err_set(err, -EINVAL, in->where,
                               "use letters, digits, '-' and '_', at most 32",
                               "application name '%.40s' is not valid", in->field[i]);
    return 0;
}

int
trace_find_app(const struct trace *trace, const char *app)
{
    for (size_t i = 0; i < trace->n_apps; i++) {
        if (strcmp(trace->app[i], app) == 0)
            return (int)i;
    }
    return -1;
}

// The row of the step in hand, grown by one step.
static double *
add_step(struct trace *trace)
{
    double *grown = realloc(trace->bps, (trace->n_steps + 1) * TRACE_APPS_MAX * sizeof *grown);
    if (grown == NULL)
        return NULL;
    trace->bps = grown;
    double *row = grown + trace->n_steps++ * TRACE_APPS_MAX;
    for (size_t i = 0; i < TRACE_APPS_MAX; i++)
        row[i] = NAN;
    return row;
}

// Every application must have had its row in the newest step.
static int
check_step_whole(const struct trace *trace, const char *where, struct offload_err *err)
{
    const double *row = trace->bps + (trace->n_steps - 1) * TRACE_APPS_MAX;
    for (size_t i = 0; i < trace->n_apps; i++) {
        if (isnan(row[i]))
            return offload_err_set(err, -EINVAL, where,
                                   "every step needs one row of each application",
                                   "step %zu has no row of application '%s'",
                                   trace->first_step + trace->n_steps - 1, trace->app[i]);
    }
    return 0;
}

// One row into 'trace'. The first step's rows define the applications.
static int
take_row(struct trace *trace, const struct lines *in, struct offload_err *err)
{
    unsigned step;
    double bps;
    int rc = read_whole(in, 0, "step", 0, UINT32_MAX - TRACE_STEPS_MAX, &step, err);
    if (rc == 0)
        rc = read_app(in, 1, err);
    if (rc == 0)
        rc = read_number(in, 2, "offered_bps", 0, TRACE_BPS_MAX, &bps, err);
    if (rc != 0)
        return rc;
    if (trace->n_steps == 0)
        trace->first_step = step;
    unsigned newest = trace->first_step + (unsigned)trace->n_steps - 1;
    if (trace->n_steps == 0 || step != newest) {
        char expected[64];
        snprintf(expected, sizeof expected, "step %u or %u comes here", newest, newest + 1);
        if (trace->n_steps > 0 && step != newest + 1)
            return offload_err_set(err, -EINVAL, in->where, expected, "step %u follows step %u",
                                   step, newest);
        if (trace->n_steps > 0 && (rc = check_step_whole(trace, in->where, err)) != 0)
            return rc;
        if (trace->n_steps == TRACE_STEPS_MAX)
            return offload_err_set(err, -ERANGE, in->where, NULL, "more than %d steps",
                                   TRACE_STEPS_MAX);
        if (add_step(trace) == NULL)
            return offload_err_set(err, -ENOMEM, in->where, NULL, "out of memory");
    }
    int app = trace_find_app(trace, in->field[1]);
    if (app < 0 && trace->n_steps > 1)
        return offload_err_set(err, -EINVAL, in->where,
                               "the first step must name every application",
                               "application '%s' is new in step %u", in->field[1], step);
    if (app < 0) {
        if (trace->n_apps == TRACE_APPS_MAX)
            return offload_err_set(err, -ERANGE, in->where, NULL, "more than %d applications",
                                   TRACE_APPS_MAX);
        app = (int)trace->n_apps++;
        snprintf(trace->app[app], sizeof trace->app[app], "%s", in->field[1]);
    }
    double *cell = trace->bps + (trace->n_steps - 1) * TRACE_APPS_MAX + app;
    if (!isnan(*cell))
        return offload_err_set(err, -EINVAL, in->where,
                               "every step needs one row of each application",
                               "step %u names application '%s' twice", step, in->field[1]);
    *cell = bps;
    return 0;
}

int
trace_parse(struct trace *trace, const char *name, const char *text, struct offload_err *err)
{
    struct trace read = {0};
    struct lines in;
    int rc = lines_open(&in, name, text, "step,app,offered_bps", err);
    while (rc == 0 && (rc = lines_next(&in, 3, "step,app,offered_bps", err)) == 1)
        rc = take_row(&read, &in, err);
    if (rc == 0 && read.n_steps == 0)
        rc = offload_err_set(err, -EINVAL, in.where, "add rows step,app,offered_bps",
                             "there is no step");
    if (rc == 0)
        rc = check_step_whole(&read, in.where, err);
    if (rc != 0) {
        free(read.bps);
        return rc;
    }
    *trace = read;
    return 0;
}

void
trace_fini(struct trace *trace)
{
    free(trace->bps);
    *trace = (struct trace){0};
}

double
trace_rate(const struct trace *trace, size_t app, double at_steps)
{
    double middle = at_steps - 0.5, last = (double)(trace->n_steps - 1);
    double left = floor(middle < 0 ? 0 : middle > last ? last : middle);
    double right = left + 1 > last ? last : left + 1;
    double ramp = middle - left < 0 ? 0 : middle - left > 1 ? 1 : middle - left;
    double a = trace->bps[(size_t)left * TRACE_APPS_MAX + app];
    double b = trace->bps[(size_t)right * TRACE_APPS_MAX + app];
    return a + (b - a) * ramp;
}

int
traffic_apps_parse(struct traffic_app *apps, const char *name, const char *text,
                   struct offload_err *err)
{
    static const char header[] = "app,dst,dport,flows,packet_bytes";
    struct lines in;
    int n = 0, rc = lines_open(&in, name, text, header, err);
    if (rc != 0)
        return rc;
    while ((rc = lines_next(&in, 5, header, err)) == 1) {
        unsigned dport, flows, packet_bytes;
        struct in_addr address;
        if (n == TRACE_APPS_MAX)
            return offload_err_set(err, -ERANGE, in.where, NULL, "more than %d applications",
                                   TRACE_APPS_MAX);
        if ((rc = read_app(&in, 0, err)) != 0 ||
            (rc = read_whole(&in, 2, "dport", 1, UINT16_MAX, &dport, err)) != 0 ||
            (rc = read_whole(&in, 3, "flows", 1, TRACE_FLOWS_MAX, &flows, err)) != 0 ||
            (rc = read_whole(&in, 4, "packet_bytes", TRACE_PACKET_LEAST, TRACE_PACKET_MOST,
                             &packet_bytes, err)) != 0)
            return rc;
        if (inet_pton(AF_INET, in.field[1], &address) != 1)
            return offload_err_set(err, -EINVAL, in.where, "use an IPv4 address such as 10.9.1.1",
                                   "dst '%s' is not an address", in.field[1]);
        for (int i = 0; i < n; i++) {
            if (strcmp(apps[i].app, in.field[0]) == 0)
                return offload_err_set(err, -EINVAL, in.where, "name each application once",
                                       "application '%s' is there twice", in.field[0]);
        }
        apps[n] = (struct traffic_app){.dport = (uint16_t)dport,
                                       .flows = (uint16_t)flows,
                                       .packet_bytes = (uint16_t)packet_bytes};
        snprintf(apps[n].app, sizeof apps[n].app, "%s", in.field[0]);
        snprintf(apps[n].dst, sizeof apps[n].dst, "%s", in.field[1]);
        n++;
    }
    if (rc == 0 && n == 0)
        rc = offload_err_set(err, -EINVAL, in.where, header, "there is no application");
    return rc != 0 ? rc : n;
}
