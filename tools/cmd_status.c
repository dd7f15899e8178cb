// SPDX-License-Identifier: Apache-2.0
// offloadctl status, apps: what runs, who has what, who suffers.

#include "tools/fields.h"
#include "tools/format.h"
#include "tools/rows.h"
#include "tools/source.h"
#include "tools/watch.h"

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void
print_leader(struct json_object *status)
{
    const char *leader = field_text(status, "leader");
    if (field_true(status, "dry_run"))
        return; // it commands nothing, and asks nobody who does
    if (field_true(status, "leading"))
        printf(", leads");
    else if (*leader)
        printf(", watches: %s leads", leader);
    else
        printf(", watches: NOBODY LEADS");
}

// One line on the manager, the agent and the switch.
static void
print_head(struct json_object *status)
{
    char plan[FORMAT_BYTES], term[FORMAT_BYTES];
    bool manager = !strcmp(field_text(status, "source"), "manager");
    printf("%s, plan %s, term %s",
           manager ? "manager runs" : "no manager runs here: figures are cardd's own",
           format_count(plan, field_number(status, "plan")),
           format_count(term, field_number(status, "term")));
    if (manager) {
        printf(", agent %s%s", field_text(status, "agent"),
               field_true(status, "dry_run") ? " (dry run)" : "");
        print_leader(status);
    }
    struct json_object *bridges = field_array(field_object(status, "switch"), "bridges");
    struct json_object *flows = field_object(field_object(status, "switch"), "flows");
    for (size_t i = 0; i < field_count(bridges); i++)
        printf(", bridge %s %s", field_text(field_at(bridges, i), "name"),
               field_true(field_at(bridges, i), "connected") ? "connected" : "NOT CONNECTED");
    if (flows)
        printf(", flows %.0f of %.0f", field_number(flows, "own"), field_number(flows, "expected"));
    printf("\n");
}

static void
print_servers(struct json_object *servers)
{
    static const char *const limits[] = {"cpu", "bandwidth", "memory", "interconnect"};
    for (size_t i = 0; i < field_count(servers); i++) {
        struct json_object *row = field_at(servers, i);
        double limit = field_number(row, "limit"), lead_s = field_number(row, "lead_s");
        char score[FORMAT_BYTES];
        printf("server %s: score %s", field_text(row, "server"),
               format_pct(score, field_number(row, "score")));
        if (limit >= 0 && limit < 4)
            printf(", set by %s", limits[(int)limit]);
        else if (*field_text(row, "limit"))
            printf(", set by %s", field_text(row, "limit"));
        if (!isnan(lead_s))
            printf(" in %.0f s", lead_s);
        printf("%s\n", field_true(row, "stale") ? ", STALE: its values have stopped" : "");
    }
}

static void
print_table(struct table *table)
{
    table_print(table, stdout);
    table_destroy(table);
}

static int
look_status(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    struct offload_err err = {0};
    if (source_status(ctl, before, now, &err))
        return ctl_fail(&err);
    if (ctl->json) {
        struct json_object *shown = NULL;
        json_object_deep_copy(*now, &shown, NULL);
        json_object_object_del(shown, "counts");
        return ctl_print_json(shown);
    }
    print_head(*now);
    print_servers(field_array(*now, "servers"));
    printf("\n");
    print_table(rows_of_cards(field_array(*now, "cards")));
    if (field_count(field_array(*now, "apps")) > 0)
        printf("\n");
    print_table(rows_of_apps(field_array(*now, "apps")));
    if (field_count(field_array(*now, "migrations")) > 0)
        printf("\n");
    print_table(rows_of_migrations(field_array(*now, "migrations")));
    return CTL_DONE;
}

int
cmd_status(const struct ctl *ctl)
{
    return watch_run(ctl, look_status);
}

// The rows of one application alone, as a new array; all of them if 'app' is NULL.
static struct json_object *
rows_with(struct json_object *rows, const char *app)
{
    struct json_object *some = json_object_new_array();
    for (size_t i = 0; i < field_count(rows); i++)
        if (!app || !strcmp(field_text(field_at(rows, i), "app"), app))
            json_object_array_add(some, json_object_get(field_at(rows, i)));
    return some;
}

static int
look_apps(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    struct offload_err err = {0};
    const char *app = ctl->argc > 0 ? ctl->argv[0] : NULL;
    if (source_status(ctl, before, now, &err))
        return ctl_fail(&err);
    struct json_object *rows = rows_with(field_array(*now, "apps"), app);
    int rc = CTL_DONE;
    if (app && field_count(rows) == 0) {
        offload_err_set(&err, -ENOENT, NULL, "one that 'offloadctl apps' lists",
                        "application '%s' is on no card", app);
        rc = ctl_fail(&err);
    } else if (ctl->json) {
        struct json_object *answer = json_object_new_object();
        json_object_object_add(answer, "apps", json_object_get(rows));
        rc = ctl_print_json(answer);
    } else {
        print_table(rows_of_apps(rows));
    }
    json_object_put(rows);
    return rc;
}

int
cmd_apps(const struct ctl *ctl)
{
    return watch_run(ctl, look_apps);
}
