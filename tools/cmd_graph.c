// SPDX-License-Identifier: Apache-2.0
// offloadctl graph: demand, forecast and allocation over time, as a picture by librrd or in the
// terminal. RRD files -> history -> [graph] -> picture, chart

#include "tools/chart.h"
#include "tools/ctl.h"
#include "tools/history.h"
#include "tools/watch.h"

#include <json-c/json.h>
#include <rrd.h>

#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 128, VALUES_MAX = 4096 };

struct resource {
    const char *name, *unit;
};

static const struct resource resources[] = {
    {"bandwidth", "bit/s"}, {"cpu", "% of the card's cycles"}, {"memory", "bytes"}};

// rrdtool's command line, word by word.
struct words {
    char *word[WORDS_MAX];
    int n;
};

static void __attribute__((format(printf, 2, 3)))
add_word(struct words *words, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (words->n == WORDS_MAX || vasprintf(&words->word[words->n++], fmt, args) < 0)
        abort(); // sized for HISTORY_CARDS_MAX files
    va_end(args);
}

// DEFs of data source 'ds' of all load files, and their sum as 'name'; a card without values adds
// nothing.
static void
add_sum(struct words *words, const struct history *history, const char *name, const char *ds)
{
    char rpn[1024] = "";
    size_t len = 0;
    for (size_t i = 0; i < history->n_load; i++) {
        char path[2 * HISTORY_PATH_MAX], *to = path;
        for (const char *from = history->load[i]; *from; *to++ = *from++)
            if (*from == ':')
                *to++ = '\\';
        *to = '\0';
        add_word(words, "DEF:%s%zu=%s:%s:AVERAGE", name, i, path, ds);
        len += (size_t)snprintf(rpn + len, sizeof rpn - len, "%s%s%zu%s", i > 0 ? "," : "", name, i,
                                i > 0 ? ",ADDNAN" : "");
    }
    add_word(words, "CDEF:%s=%s", name, rpn);
}

static int
draw_picture(const struct ctl *ctl, const struct history *history, const struct resource *resource,
             time_t from, time_t until, struct offload_err *err)
{
    struct words words = {.n = 0};
    const char *suffix = strrchr(ctl->out, '.');
    bool svg = suffix && !strcmp(suffix, ".svg");
    if (!svg && !(suffix && !strcmp(suffix, ".png")))
        return offload_err_set(err, -EINVAL, "--out", "a name that ends in .svg or .png",
                               "'%s' is no kind of picture", ctl->out);
    add_word(&words, "graphv");
    add_word(&words, "%s", ctl->out);
    add_word(&words, "--imgformat=%s", svg ? "SVG" : "PNG");
    add_word(&words, "--start=%lld", (long long)from);
    add_word(&words, "--end=%lld", (long long)until);
    add_word(&words, "--width=%llu", (unsigned long long)(ctl->width ? ctl->width : 800));
    add_word(&words, "--height=%llu", (unsigned long long)(ctl->height ? ctl->height : 300));
    add_word(&words, "--title=%s %s: %s", ctl->card ? "card" : "application", ctl->argv[0],
             resource->name);
    add_word(&words, "--vertical-label=%s", resource->unit);
    add_word(&words, "--lower-limit=0");
    add_sum(&words, history, "offered", "offered");
    add_sum(&words, history, "allocated", "allocated");
    add_word(&words, "AREA:offered#8ecae6:demand");
    if (history->need[0]) {
        add_word(&words, "DEF:need50=%s:p50:AVERAGE", history->need);
        add_word(&words, "DEF:need90=%s:p90:AVERAGE", history->need);
        add_word(&words, "LINE1:need50#fb8500:forecast P50:dashes");
        add_word(&words, "LINE1.5:need90#fb8500:forecast P90");
    }
    add_word(&words, "LINE2:allocated#9b2226:allocation");
    rrd_clear_error();
    rrd_info_t *info = rrd_graph_v(words.n, words.word);
    for (int i = 0; i < words.n; i++)
        free(words.word[i]);
    if (!info)
        return offload_err_set(err, -EIO, ctl->out, NULL, "%s", rrd_get_error());
    rrd_info_free(info);
    return 0;
}

// The three series of a chart, 'n' values each.
struct curves {
    double offered[VALUES_MAX], allocated[VALUES_MAX], need[VALUES_MAX];
    size_t n;
};

static int
add_up(const struct history *history, const char *ds, time_t from, time_t until, double *sum,
       size_t n, struct offload_err *err)
{
    double values[VALUES_MAX];
    for (size_t i = 0; i < n; i++)
        sum[i] = NAN;
    for (size_t k = 0; k < history->n_load; k++) {
        int rc = history_read(history->load[k], ds, from, until, values, n, err);
        if (rc)
            return rc;
        for (size_t i = 0; i < n; i++)
            if (!isnan(values[i]))
                sum[i] = isnan(sum[i]) ? values[i] : sum[i] + values[i];
    }
    return 0;
}

static int
read_curves(const struct history *history, time_t from, time_t until, struct curves *out,
            struct offload_err *err)
{
    out->n = until - from < VALUES_MAX ? (size_t)(until - from) : VALUES_MAX;
    int rc = add_up(history, "offered", from, until, out->offered, out->n, err);
    if (!rc)
        rc = add_up(history, "allocated", from, until, out->allocated, out->n, err);
    for (size_t i = 0; i < out->n; i++)
        out->need[i] = NAN;
    if (!rc && history->need[0])
        rc = history_read(history->need, "p90", from, until, out->need, out->n, err);
    return rc;
}

static void
format_time(char *buf, size_t size, time_t at)
{
    struct tm tm;
    localtime_r(&at, &tm);
    strftime(buf, size, "%F %T", &tm);
}

static int
draw_chart(const struct ctl *ctl, const struct curves *curves, const struct resource *resource,
           time_t from, time_t until, struct offload_err *err)
{
    struct winsize size = {.ws_col = 80, .ws_row = 24};
    bool terminal = isatty(STDOUT_FILENO);
    if (terminal && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0))
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    char left[32], right[32], title[96];
    format_time(left, sizeof left, from);
    format_time(right, sizeof right, until);
    snprintf(title, sizeof title, "%s %s: %s", ctl->card ? "card" : "application", ctl->argv[0],
             resource->name);
    struct chart chart = {
        .title = title,
        .unit = resource->unit,
        .left = left,
        .right = right,
        .width = ctl->width ? ctl->width : size.ws_col,
        .height = ctl->height ? ctl->height : 20,
        .color = terminal && !getenv("NO_COLOR"),
        .ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
    };
    const struct chart_series series[] = {
        {"demand", curves->offered, curves->n, CHART_AREA},
        {"forecast P90", curves->need, curves->n, CHART_DOTS},
        {"allocation", curves->allocated, curves->n, CHART_LINE},
    };
    if (chart_print(&chart, series, 3, stdout))
        return offload_err_set(err, -ENOMEM, NULL, NULL, "out of memory");
    return 0;
}

static struct json_object *
number(double value)
{
    return isnan(value) ? NULL : json_object_new_double(value);
}

static struct json_object *
curves_to_json(const struct curves *curves, time_t from, time_t until)
{
    struct json_object *answer = json_object_new_object(), *rows = json_object_new_array();
    for (size_t i = 0; i < curves->n; i++) {
        struct json_object *row = json_object_new_object();
        double at = (double)from + ((double)i + 0.5) * (double)(until - from) / (double)curves->n;
        json_object_object_add(row, "time_s", json_object_new_double(at));
        json_object_object_add(row, "offered", number(curves->offered[i]));
        json_object_object_add(row, "need_p90", number(curves->need[i]));
        json_object_object_add(row, "allocated", number(curves->allocated[i]));
        json_object_array_add(rows, row);
    }
    json_object_object_add(answer, "values", rows);
    return answer;
}

static int
look_graph(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    (void)before, (void)now; // the files hold what was
    static struct curves curves; // too large for the stack of a small system
    const struct resource *resource = NULL;
    const char *name = ctl->resource ? ctl->resource : "bandwidth";
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (!strcmp(resources[i].name, name))
            resource = &resources[i];
    if (!resource)
        return ctl_misuse("graph: '%s' is no resource; use bandwidth, cpu or memory", name);
    struct history_query query = {.dir = ctl->rrd_dir ? ctl->rrd_dir : "/var/lib/collectd/rrd",
                                  .host = ctl->host,
                                  .name = ctl->argv[0],
                                  .card = ctl->card,
                                  .resource = name};
    struct offload_err err = {0};
    struct history history;
    time_t from, until;
    int rc = history_find(&query, &history, &err);
    if (!rc)
        rc = history_span(&history, ctl->start, ctl->end, &from, &until, &err);
    if (!rc && ctl->out)
        rc = draw_picture(ctl, &history, resource, from, until, &err);
    if (!rc && (ctl->term || ctl->json || !ctl->out)) {
        rc = read_curves(&history, from, until, &curves, &err);
        if (!rc && ctl->json)
            return ctl_print_json(curves_to_json(&curves, from, until));
        if (!rc)
            rc = draw_chart(ctl, &curves, resource, from, until, &err);
    }
    return rc ? ctl_fail(&err) : CTL_DONE;
}

int
cmd_graph(const struct ctl *ctl)
{
    return watch_run(ctl, look_graph);
}
