// SPDX-License-Identifier: Apache-2.0
// offloadctl plan, explain: what was decided, and why.

#include "tools/fields.h"
#include "tools/format.h"
#include "tools/planlog.h"
#include "tools/rows.h"
#include "tools/source.h"
#include "tools/watch.h"

#include <offload/allocate.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// {"plan": N} of the word 'text', or NULL params where there is none. False: it is no number.
static bool
plan_params(const char *text, struct json_object **params)
{
    *params = NULL;
    if (!text)
        return true;
    char *end;
    unsigned long long plan = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        return false;
    *params = json_object_new_object();
    json_object_object_add(*params, "plan", json_object_new_uint64(plan));
    return true;
}

static void
print_table(struct table *table)
{
    table_print(table, stdout);
    table_destroy(table);
}

static void
print_plan(struct json_object *plan)
{
    char number[FORMAT_BYTES], term[FORMAT_BYTES];
    struct json_object *shielded = field_array(plan, "shielded"),
                       *moves = field_array(plan, "migrations");
    printf("plan %s, term %s", format_count(number, field_number(plan, "plan")),
           format_count(term, field_number(plan, "term")));
    if (*field_text(plan, "agent"))
        printf(", agent %s, %s", field_text(plan, "agent"),
               field_true(plan, "applied") ? "applied" : "NOT applied");
    printf("\n");
    if (*field_text(plan, "error"))
        printf("error: %s\n", field_text(plan, "error"));
    printf("\n");
    print_table(rows_of_allocations(field_array(plan, "allocations")));
    for (size_t i = 0; i < field_count(moves); i++) {
        struct json_object *move = field_at(moves, i);
        printf("%smove %s from %s to %s: %s\n", i == 0 ? "\n" : "", field_text(move, "app"),
               field_text(move, "from"), field_text(move, "to"), field_text(move, "reason"));
    }
    for (size_t i = 0; i < field_count(shielded); i++)
        printf("%sshield: %s\n", i == 0 ? "\n" : "", json_object_get_string(field_at(shielded, i)));
}

// Without a manager the cards tell what they hold, which is the last plan that was applied.
static int
look_plan(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    (void)before, (void)now; // no rates here
    struct offload_err err = {0};
    struct json_object *params, *plan = NULL;
    const char *number = ctl->argc > 0 ? ctl->argv[0] : NULL;
    if (!plan_params(number, &params))
        return ctl_misuse("plan: '%s' is no plan's number", number);
    int rc = source_call(ctl, "manager", "plan.get", params, &plan, &err);
    if (source_absent(rc) && !number)
        rc = source_call(ctl, "cardd", "allocation.get", NULL, &plan, &err);
    if (rc)
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(plan);
    print_plan(plan);
    json_object_put(plan);
    return CTL_DONE;
}

int
cmd_plan(const struct ctl *ctl)
{
    return watch_run(ctl, look_plan);
}

static void
print_explained_plan(struct json_object *plan)
{
    static const char *const headings[] = {"APP",      "CARD",       "RESOURCE",    ">FROM", ">TO",
                                           "EXPECTED", "LIMITED BY", "ALTERNATIVE", NULL};
    struct table *table = table_create(headings);
    struct json_object *changes = field_array(plan, "changes");
    static const char *const texts[] = {"expected", "limited_by", "alternative"};
    char buf[FORMAT_BYTES];
    for (size_t i = 0; i < field_count(changes); i++) {
        struct json_object *row = field_at(changes, i);
        table_cell(table, "%s", field_text(row, "app"));
        table_cell(table, "%s", field_text(row, "card"));
        table_cell(table, "%s", field_text(row, "resource"));
        table_cell(table, "%s", format_si(buf, field_number(row, "from")));
        table_cell(table, "%s", format_si(buf, field_number(row, "to")));
        for (size_t k = 0; k < 3; k++) {
            double number = field_number(row, texts[k]);
            table_cell(table, "%s",
                       isnan(number) ? field_text(row, texts[k]) : format_si(buf, number));
        }
    }
    printf("plan %s: %zu changes\n", format_count(buf, field_number(plan, "plan")),
           field_count(changes));
    print_table(table);
}

static void
print_explained_score(struct json_object *answer)
{
    struct json_object *scores = field_array(answer, "scores");
    char buf[FORMAT_BYTES], p90[FORMAT_BYTES], p99[FORMAT_BYTES];
    for (size_t i = 0; i < field_count(scores); i++) {
        struct json_object *row = field_at(scores, i), *demand = field_object(row, "demand");
        printf("server %s: score %s", field_text(row, "server"),
               format_pct(buf, field_number(row, "score")));
        printf(", demand p50 %s%%, p90 %s%%, p99 %s%%\n",
               format_pct(buf, field_number(demand, "p50")),
               format_pct(p90, field_number(demand, "p90")),
               format_pct(p99, field_number(demand, "p99")));
        if (*field_text(row, "text"))
            printf("  %s\n", field_text(row, "text"));
    }
    if (*field_text(answer, "text"))
        printf("%s\n", field_text(answer, "text"));
}

// "model sarimax 60 %, theta 40 %".
static void
print_models(struct json_object *series)
{
    struct json_object *models = field_array(series, "models");
    for (size_t i = 0; i < field_count(models); i++)
        printf("%s%s %.0f %%%s", i ? ", " : "    models: ", field_text(field_at(models, i), "model"),
               100 * field_number(field_at(models, i), "weight"),
               i + 1 == field_count(models) ? "\n" : "");
}

static void
print_components(struct json_object *series)
{
    struct json_object *parts = field_array(series, "components");
    char next[FORMAT_BYTES], peak[FORMAT_BYTES];
    for (size_t i = 0; i < field_count(parts); i++) {
        struct json_object *part = field_at(parts, i);
        printf("    %-24s now %s, at the peak %s\n", field_text(part, "name"),
               format_si(next, field_number(part, "next")),
               format_si(peak, field_number(part, "peak")));
    }
}

static void
print_explained_series(struct json_object *series)
{
    char p50[FORMAT_BYTES], p90[FORMAT_BYTES], p99[FORMAT_BYTES], capacity[FORMAT_BYTES];
    double mase = field_number(series, "mase"), cov80 = field_number(series, "cov80_pct");
    printf("  %s, %s: P50 %s, P90 %s, P99 %s of %s %s, %.0f s ahead\n", field_text(series, "app"),
           field_text(series, "resource"), format_si(p50, field_number(series, "p50")),
           format_si(p90, field_number(series, "p90")), format_si(p99, field_number(series, "p99")),
           format_si(capacity, field_number(series, "capacity")), field_text(series, "unit"),
           field_number(series, "lead_s"));
    if (*field_text(series, "text"))
        printf("    %s\n", field_text(series, "text"));
    print_models(series);
    print_components(series);
    if (!isnan(mase) && !isnan(cov80))
        printf("    so far: errors %.2f times those of the seasonal naive forecast, %.0f %% of values "
               "inside the 80 %% interval\n",
               mase, cov80);
}

static void
print_forecaster(struct json_object *answer)
{
    struct json_object *series = field_array(answer, "series"), *feeds = field_array(answer, "feeds");
    char buf[FORMAT_BYTES];
    printf("server %s: score %s", field_text(answer, "server"),
           format_pct(buf, field_number(answer, "score")));
    if (*field_text(answer, "limit"))
        printf(", set by %s in %.0f s", field_text(answer, "limit"), field_number(answer, "lead_s"));
    printf("%s\n", field_true(answer, "stale") ? "; stale, no values come any more" : "");
    for (size_t i = 0; i < field_count(series); i++)
        print_explained_series(field_at(series, i));
    for (size_t i = 0; i < field_count(feeds); i++) {
        struct json_object *feed = field_at(feeds, i);
        double age_s = field_number(feed, "age_s");
        printf("  feed %s: ", field_text(feed, "feed"));
        if (isnan(age_s))
            printf("no data");
        else
            printf("%.0f columns, %.0f s old", field_number(feed, "columns"), age_s);
        printf("%s%s\n", *field_text(feed, "error") ? "; " : "", field_text(feed, "error"));
    }
}

// The forecaster knows more than the manager, which only hears the scores.
static int
explain_score(const struct ctl *ctl)
{
    struct offload_err err = {0};
    struct json_object *params = json_object_new_object(), *answer = NULL;
    json_object_object_add(params, "server", json_object_new_string(ctl->argv[1]));
    bool forecaster = true;
    int rc = source_call(ctl, "forecast", "score.explain", json_object_get(params), &answer, &err);
    if (source_absent(rc)) {
        forecaster = false;
        rc = source_call(ctl, "manager", "score.explain", json_object_get(params), &answer, &err);
    }
    json_object_put(params);
    if (rc)
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(answer);
    if (forecaster)
        print_forecaster(answer);
    else
        print_explained_score(answer);
    json_object_put(answer);
    return CTL_DONE;
}

// Without the manager: out of its log, decided again.
static int
explain_logged(const struct ctl *ctl, struct json_object *params, struct json_object **answer,
               struct offload_err *err)
{
    struct alloc_replay replay;
    struct json_object *record;
    uint64_t number = (uint64_t)field_number(params, "plan");
    json_object_put(params);
    int rc = planlog_replay(ctl->log, number, &replay, &record, err);
    if (rc)
        return rc;
    *answer = alloc_plan_explain(replay.plan, replay.state);
    json_object_object_add(*answer, "same", json_object_new_boolean(replay.same));
    json_object_put(record);
    alloc_replay_fini(&replay);
    return 0;
}

static int
look_explain(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    (void)before, (void)now;
    struct offload_err err = {0};
    struct json_object *params, *answer = NULL;
    if (!strcmp(ctl->argv[0], "score") && ctl->argc == 2)
        return explain_score(ctl);
    if (strcmp(ctl->argv[0], "plan"))
        return ctl_misuse("explain: say 'plan', 'plan N' or 'score SERVER'");
    const char *number = ctl->argc > 1 ? ctl->argv[1] : NULL;
    if (!plan_params(number, &params))
        return ctl_misuse("explain plan: '%s' is no plan's number", number);
    if (ctl->log && !number) {
        json_object_put(params);
        return ctl_misuse("explain plan --log FILE: say which plan");
    }
    int rc = ctl->log ? explain_logged(ctl, params, &answer, &err)
                      : source_call(ctl, "manager", "plan.explain", params, &answer, &err);
    if (rc)
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(answer);
    print_explained_plan(answer);
    json_object_put(answer);
    return CTL_DONE;
}

int
cmd_explain(const struct ctl *ctl)
{
    return watch_run(ctl, look_explain);
}
