// SPDX-License-Identifier: Apache-2.0
// offloadctl report: a page for people who were not there: scores, cards, applications, what is
// coming and whether the cards suffice for it, moves and reasons. One HTML file that needs no
// network and no other file.
// RRD files, daemons -> history, source -> [report] -> HTML

#include "tools/ctl.h"
#include "tools/fields.h"
#include "tools/format.h"
#include "tools/history.h"
#include "tools/rows.h"
#include "tools/source.h"
#include "tools/svg_chart.h"

#include <json-c/json.h>

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POINTS = 320, NAMES_MAX = 64, NAME_SIZE = 64 };

struct report {
    const struct ctl *ctl;
    FILE *to;
    const char *dir;
    char host[128];
    time_t from, until;
    char card[NAMES_MAX][NAME_SIZE], app[NAMES_MAX][NAME_SIZE];
    size_t n_cards, n_apps;
    struct json_object *status; // NULL: nobody answers
};

// ---- What there is ----

static void
add_name(char (*names)[NAME_SIZE], size_t *n, const char *name, size_t length)
{
    for (size_t i = 0; i < *n; i++)
        if (strlen(names[i]) == length && !strncmp(names[i], name, length))
            return;
    if (*n < NAMES_MAX && length < NAME_SIZE)
        snprintf(names[(*n)++], NAME_SIZE, "%.*s", (int)length, name);
}

// Cards and applications out of the files' names.
static int
find_names(struct report *r, struct offload_err *err)
{
    static const char card_dir[] = "/offload_card-", type[] = "/offload_bandwidth-";
    char pattern[HISTORY_PATH_MAX];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/%s%s*%s*.rrd", r->dir, r->ctl->host ? r->ctl->host : "*",
             card_dir, type);
    if (glob(pattern, 0, NULL, &found)) {
        globfree(&found);
        return offload_err_set(
            err, -ENOENT, r->dir,
            "--rrd-dir as in collectd's rrdtool plugin, --host if it has several",
            "holds no values of offload_card");
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *at = found.gl_pathv[i] + strlen(r->dir) + 1;
        const char *card = strstr(at, card_dir), *app = card ? strstr(card, type) : NULL;
        if (!app)
            continue;
        if (!r->host[0])
            snprintf(r->host, sizeof r->host, "%.*s", (int)strcspn(at, "/"), at);
        if (strncmp(at, r->host, strlen(r->host)) || at[strlen(r->host)] != '/')
            continue; // another host's
        card += strlen(card_dir);
        add_name(r->card, &r->n_cards, card, (size_t)(app - card));
        app += strlen(type);
        size_t length = strlen(app) - strlen(".rrd");
        if (strncmp(app, "card.rrd", strlen("card.rrd")))
            add_name(r->app, &r->n_apps, app, length);
    }
    globfree(&found);
    return 0;
}

// Values of HOST/'file'.rrd; false and NaN where there is no such file.
static bool
read_values(const struct report *r, const char *file, const char *ds, double *values)
{
    char path[HISTORY_PATH_MAX];
    for (size_t i = 0; i < POINTS; i++)
        values[i] = NAN;
    int n = snprintf(path, sizeof path, "%s/%s/%s.rrd", r->dir, r->host, file);
    return n < (int)sizeof path && !access(path, R_OK) &&
           !history_read(path, ds, r->from, r->until, values, POINTS, NULL);
}

static double
largest(const double *values)
{
    double most = NAN;
    for (size_t i = 0; i < POINTS; i++)
        most = fmax(most, values[i]); // fmax() takes the number where the other is none
    return most;
}

static double
mean(const double *values)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < POINTS; i++)
        if (!isnan(values[i])) {
            sum += values[i];
            n++;
        }
    return n ? sum / (double)n : NAN;
}

static double
newest(const double *values)
{
    for (size_t i = POINTS; i-- > 0;)
        if (!isnan(values[i]))
            return values[i];
    return NAN;
}

// ---- The page ----

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<title>Offload report</title>\n<style>\n"
    ":root{--bg:#fff;--fg:#1c2733;--dim:#5c6b7a;--line:#d9e0e6;--c0:#2a9ec7;--c1:#b3261e;--c2:#"
    "d97706;"
    "--c3:#2e7d32;--c4:#7b3fa0;--bad:#b3261e;--good:#2e7d32}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#12181f;--fg:#e6edf3;--dim:#93a1af;--line:#"
    "2b3642;"
    "--c0:#58c4ea;--c1:#ff8a80;--c2:#ffb74d;--c3:#81c784;--c4:#ce93d8;--bad:#ff8a80;--good:#81c784}"
    "}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.45 "
    "system-ui,sans-serif;max-width:1360px;"
    "margin:1.5rem auto;padding:0 1rem}\nh1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;"
    "margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}\np.dim{color:var(--dim);margin:.2rem "
    "0}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:"
    "1rem}\n"
    "figure{margin:0}svg{width:100%;height:auto;display:block}svg text{font:10px "
    "sans-serif;fill:var(--dim)}\n"
    ".grid{stroke:var(--line);stroke-width:1}.unit,figcaption "
    ".key{color:var(--dim);font-size:.85em}\n"
    ".key::before{content:\"\";display:inline-block;width:.8em;height:.8em;background:var(--k);"
    "margin:0 .3em 0 .5em;border-radius:2px}\n.scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.2rem .7rem;"
    "text-align:right;border-bottom:1px solid var(--line)}th{color:var(--dim);font-weight:600}\n"
    "th:first-child,td:first-child{text-align:left}.bad{color:var(--bad);font-weight:600}"
    ".good{color:var(--good)}\npre{overflow-x:auto;font-size:13px;line-height:1.35}\n"
    "</style></head><body>\n";

static void
print_top(const struct report *r)
{
    char from[40], until[40];
    struct tm tm;
    localtime_r(&r->from, &tm);
    strftime(from, sizeof from, "%F %T", &tm);
    localtime_r(&r->until, &tm);
    strftime(until, sizeof until, "%F %T %Z", &tm);
    fputs(head, r->to);
    fputs("<h1>Offload cards of ", r->to);
    html_print(r->host, r->to);
    fprintf(r->to,
            "</h1>\n<p class=\"dim\">%s to %s · %zu cards, %zu applications · made by offloadctl "
            "%s</p>\n",
            from, until, r->n_cards, r->n_apps, OFFLOAD_VERSION);
}

static void
print_score(const struct report *r)
{
    double score[POINTS], p90[POINTS], breached[POINTS], all[POINTS] = {0};
    if (!read_values(r, "offload_forecast/offload_score-card", "value", score))
        return;
    for (size_t a = 0; a < r->n_apps; a++) {
        char file[128];
        snprintf(file, sizeof file, "offload_manager/offload_sla-%s", r->app[a]);
        read_values(r, file, "breached", breached);
        for (size_t i = 0; i < POINTS; i++)
            all[i] += isnan(breached[i]) ? 0 : breached[i];
    }
    read_values(r, "offload_forecast-bandwidth/offload_demand-card", "p90", p90);
    fputs("<h2>Score and promises</h2><div class=\"charts\">\n", r->to);
    struct svg_chart chart = {"Score", "0-100", r->from, r->until, 100};
    struct svg_curve curve = {"score: P90 of the demand ahead, of what the cards have", score,
                              POINTS, SVG_LINE, 2};
    svg_chart_print(&chart, &curve, 1, r->to);
    struct svg_chart promises = {"Applications whose SLA is broken", "", r->from, r->until,
                                 r->n_apps ? (double)r->n_apps : 1};
    struct svg_curve broken = {"broken", all, POINTS, SVG_AREA, 1};
    svg_chart_print(&promises, &broken, 1, r->to);
    fputs("</div>\n", r->to);
}

// What a card has of 'key', of the daemons' word; NaN if nobody answers.
static double
capacity_of(const struct report *r, const char *card, const char *key)
{
    struct json_object *cards = field_array(r->status, "cards");
    for (size_t i = 0; i < field_count(cards); i++)
        if (!strcmp(field_text(field_at(cards, i), "card"), card))
            return field_number(field_object(field_at(cards, i), "capacity"), key);
    return NAN;
}

// Does what is coming fit? The server's forecast against its cards together.
static void
print_outlook(const struct report *r)
{
    static const struct {
        const char *resource, *words;
    } rows[] = {{"cpu", "processor cycles"}, {"bandwidth", "bandwidth"}, {"memory", "memory"}};
    fputs("<h2>Does it suffice?</h2>\n<div class=\"scroll\"><table><tr><th>of all cards "
          "together<th>expected "
          "(P50)<th>in 9 of 10 cases (P90)<th>in 99 of 100 (P99)<th>verdict</tr>\n",
          r->to);
    for (size_t i = 0; i < 3; i++) {
        double p50[POINTS], p90[POINTS], p99[POINTS];
        char file[128];
        snprintf(file, sizeof file, "offload_forecast-%s/offload_demand-card", rows[i].resource);
        if (!read_values(r, file, "p90", p90)) {
            fprintf(r->to, "<tr><td>%s<td>-<td>-<td>-<td>no forecast: no signal for it</tr>\n",
                    rows[i].words);
            continue;
        }
        read_values(r, file, "p50", p50);
        read_values(r, file, "p99", p99);
        double likely = newest(p90), worst = newest(p99);
        const char *verdict = isnan(likely)  ? "<td>not known"
                              : likely > 100 ? "<td class=\"bad\">too small for what is coming"
                              : worst > 100  ? "<td>enough in 9 of 10 cases"
                              : likely > 80  ? "<td>enough, but near its limit"
                                             : "<td class=\"good\">enough";
        fprintf(r->to, "<tr><td>%s<td>%.0f %%<td>%.0f %%<td>%.0f %%%s</tr>\n", rows[i].words,
                newest(p50), likely, worst, verdict);
    }
    fputs("</table></div>\n<p class=\"dim\">The newest forecast of the horizon's highest demand, "
          "in percent of "
          "what the cards have.</p>\n",
          r->to);
}

static void
cell(const struct report *r, double value, const char *unit)
{
    char text[FORMAT_BYTES];
    fprintf(r->to, "<td>%s%s%s", format_si(text, value), isnan(value) ? "" : " ",
            isnan(value) ? "" : unit);
}

static void
print_cards(const struct report *r)
{
    fputs("<h2>Cards</h2>\n<div class=\"scroll\"><table><tr><th>card<th>bandwidth "
          "mean<th>peak<th>has<th>CPU "
          "mean<th>peak<th>memory peak<th>has<th>delay P99, worst</tr>\n",
          r->to);
    for (size_t c = 0; c < r->n_cards; c++) {
        double bps[POINTS], cpu[POINTS], memory[POINTS], delay[POINTS];
        char file[160];
        snprintf(file, sizeof file, "offload_card-%s/offload_bandwidth-card", r->card[c]);
        read_values(r, file, "used", bps);
        snprintf(file, sizeof file, "offload_card-%s/offload_cpu-card", r->card[c]);
        read_values(r, file, "used", cpu);
        snprintf(file, sizeof file, "offload_card-%s/offload_memory-card", r->card[c]);
        read_values(r, file, "used", memory);
        snprintf(file, sizeof file, "offload_card-%s/offload_delay-card", r->card[c]);
        read_values(r, file, "p99", delay);
        fputs("<tr><td>", r->to);
        html_print(r->card[c], r->to);
        cell(r, mean(bps), "bit/s");
        cell(r, largest(bps), "bit/s");
        cell(r, capacity_of(r, r->card[c], "bandwidth_bps"), "bit/s");
        cell(r, mean(cpu), "%");
        cell(r, largest(cpu), "%");
        cell(r, largest(memory), "B");
        cell(r, capacity_of(r, r->card[c], "memory_bytes"), "B");
        char text[FORMAT_BYTES];
        fprintf(r->to, "<td>%s</tr>\n", format_ns(text, largest(delay) * 1e9));
    }
    fputs("</table></div>\n", r->to);
}

// An application's values summed over the cards that it was on.
static void
sum_over_cards(const struct report *r, const char *type, const char *app, const char *ds,
               double *sum)
{
    for (size_t i = 0; i < POINTS; i++)
        sum[i] = NAN;
    for (size_t c = 0; c < r->n_cards; c++) {
        double values[POINTS];
        char file[160];
        snprintf(file, sizeof file, "offload_card-%s/%s-%s", r->card[c], type, app);
        if (!read_values(r, file, ds, values))
            continue;
        for (size_t i = 0; i < POINTS; i++)
            if (!isnan(values[i]))
                sum[i] = isnan(sum[i]) ? values[i] : sum[i] + values[i];
    }
}

static void
print_app_chart(const struct report *r, const char *app, const char *resource, const char *unit)
{
    double offered[POINTS], allocated[POINTS], p90[POINTS];
    char type[64], file[128], title[160];
    snprintf(type, sizeof type, "offload_%s", resource);
    sum_over_cards(r, type, app, "offered", offered);
    sum_over_cards(r, type, app, "allocated", allocated);
    snprintf(file, sizeof file, "offload_forecast-%s/offload_need-%s", resource, app);
    bool forecast = read_values(r, file, "p90", p90);
    snprintf(title, sizeof title, "%s: %s", app, resource);
    struct svg_chart chart = {title, unit, r->from, r->until, 0};
    struct svg_curve curves[] = {{"demand", offered, POINTS, SVG_AREA, 0},
                                 {"allocation", allocated, POINTS, SVG_LINE, 1},
                                 {"forecast P90", p90, POINTS, SVG_DASHES, 2}};
    svg_chart_print(&chart, curves, forecast ? 3 : 2, r->to);
}

static void
print_apps(const struct report *r)
{
    fputs("<h2>Applications</h2>\n<div class=\"scroll\"><table><tr><th>application<th>offered, "
          "mean<th>peak<th>"
          "carried, mean<th>SLA broken<th>MASE<th>in the 80 % interval</tr>\n",
          r->to);
    for (size_t a = 0; a < r->n_apps; a++) {
        double offered[POINTS], used[POINTS], broken[POINTS], mase[POINTS], inside[POINTS];
        char file[128];
        sum_over_cards(r, "offload_bandwidth", r->app[a], "offered", offered);
        sum_over_cards(r, "offload_bandwidth", r->app[a], "used", used);
        snprintf(file, sizeof file, "offload_manager/offload_sla-%s", r->app[a]);
        read_values(r, file, "breached", broken);
        snprintf(file, sizeof file, "offload_forecast-bandwidth/offload_error-%s", r->app[a]);
        read_values(r, file, "mase", mase);
        read_values(r, file, "cov80", inside);
        fputs("<tr><td>", r->to);
        html_print(r->app[a], r->to);
        cell(r, mean(offered), "bit/s");
        cell(r, largest(offered), "bit/s");
        cell(r, mean(used), "bit/s");
        double share = 100 * mean(broken);
        fprintf(r->to, "<td%s>", share >= 1 ? " class=\"bad\"" : "");
        if (isnan(share))
            fputs("-", r->to);
        else
            fprintf(r->to, "%.1f %% of the time", share);
        fprintf(r->to, isnan(newest(mase)) ? "<td>-" : "<td>%.2f", newest(mase));
        fprintf(r->to, isnan(newest(inside)) ? "<td>-</tr>\n" : "<td>%.0f %%</tr>\n",
                newest(inside));
    }
    fputs("</table></div>\n<div class=\"charts\">\n", r->to);
    for (size_t a = 0; a < r->n_apps; a++)
        print_app_chart(r, r->app[a], "bandwidth", "bit/s");
    for (size_t a = 0; a < r->n_apps; a++)
        print_app_chart(r, r->app[a], "cpu", "% of a card's cycles");
    fputs("</div>\n", r->to);
}

static void
print_table(const struct report *r, const char *title, struct table *table)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory) {
        table_print(table, memory);
        fclose(memory);
        if (size > 0) {
            fprintf(r->to, "<h2>%s</h2><pre>", title);
            html_print(text, r->to);
            fputs("</pre>\n", r->to);
        }
        free(text);
    }
    table_destroy(table);
}

static void
print_manager(const struct report *r)
{
    double chosen[POINTS], baseline[POINTS], changes[POINTS], moves[POINTS];
    if (read_values(r, "offload_manager/offload_reward-card", "chosen", chosen)) {
        read_values(r, "offload_manager/offload_reward-card", "baseline", baseline);
        read_values(r, "offload_manager/offload_plan-card", "changes", changes);
        read_values(r, "offload_manager/offload_plan-card", "moves", moves);
        for (size_t i = 0; i < POINTS; i++) { // a cost is easier to read than a negative reward
            chosen[i] = -chosen[i];
            baseline[i] = -baseline[i];
        }
        fputs("<h2>Decisions</h2><div class=\"charts\">\n", r->to);
        struct svg_chart cost = {"Cost of the decisions (0 is best)", "", r->from, r->until, 0};
        struct svg_curve costs[] = {{"who decided", chosen, POINTS, SVG_LINE, 3},
                                    {"proportional", baseline, POINTS, SVG_DASHES, 4}};
        svg_chart_print(&cost, costs, 2, r->to);
        struct svg_chart plan = {"Changes and moves a plan", "", r->from, r->until, 0};
        struct svg_curve counts[] = {{"shares changed", changes, POINTS, SVG_AREA, 0},
                                     {"moves", moves, POINTS, SVG_LINE, 1}};
        svg_chart_print(&plan, counts, 2, r->to);
        fputs("</div>\n", r->to);
    }
    if (field_count(field_array(r->status, "migrations")) > 0)
        print_table(r, "Moves", rows_of_migrations(field_array(r->status, "migrations")));
    if (field_count(field_array(r->status, "apps")) > 0)
        print_table(r, "As it stands", rows_of_apps(field_array(r->status, "apps")));
}

static int
write_page(struct report *r)
{
    print_top(r);
    print_score(r);
    print_outlook(r);
    print_cards(r);
    print_apps(r);
    print_manager(r);
    fputs("</body></html>\n", r->to);
    return fflush(r->to) || ferror(r->to) ? -errno : 0;
}

// The span of the first card's values unless it was told.
static int
find_span(struct report *r, struct offload_err *err)
{
    struct history history;
    struct history_query query = {
        .dir = r->dir, .host = r->host, .name = r->card[0], .card = true, .resource = "bandwidth"};
    int rc = history_find(&query, &history, err);
    return rc ? rc : history_span(&history, r->ctl->start, r->ctl->end, &r->from, &r->until, err);
}

int
cmd_report(const struct ctl *ctl)
{
    struct offload_err err = {0};
    struct report *r = calloc(1, sizeof *r);
    int rc = r ? 0 : offload_err_set(&err, -ENOMEM, "", NULL, "no memory");
    if (!rc) {
        r->ctl = ctl;
        r->dir = ctl->rrd_dir ? ctl->rrd_dir : "/var/lib/collectd/rrd";
        rc = find_names(r, &err);
    }
    if (!rc)
        rc = find_span(r, &err);
    if (!rc && source_status(ctl, NULL, &r->status, NULL))
        r->status = NULL; // the files tell enough
    if (!rc) {
        r->to = ctl->out && strcmp(ctl->out, "-") ? fopen(ctl->out, "w") : stdout;
        if (!r->to)
            rc = offload_err_set(&err, -errno, ctl->out, "a file that can be written", "%s",
                                 strerror(errno));
    }
    if (!rc && write_page(r))
        rc = offload_err_set(&err, -EIO, ctl->out, "more room", "%s", strerror(errno));
    if (r && r->to && r->to != stdout)
        fclose(r->to);
    if (r)
        json_object_put(r->status);
    free(r);
    return rc ? ctl_fail(&err) : CTL_DONE;
}
