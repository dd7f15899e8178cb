// SPDX-License-Identifier: Apache-2.0
// offloadctl migrate, migrations, drain, undrain: moving applications between cards.

#include "tools/fields.h"
#include "tools/rows.h"
#include "tools/source.h"
#include "tools/watch.h"

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

// The migrations that the manager knows, or else cardd. A new reference to the array in '*rows'.
static int
list_migrations(const struct ctl *ctl, struct json_object **rows, struct offload_err *err)
{
    struct json_object *answer = NULL;
    int rc = source_call(ctl, "manager", "migrate.list", NULL, &answer, err);
    if (source_absent(rc))
        rc = source_call(ctl, "cardd", "migration.status", NULL, &answer, err);
    if (rc)
        return rc;
    struct json_object *found = field_array(answer, "migrations");
    *rows = found ? json_object_get(found) : json_object_new_array();
    json_object_put(answer);
    return 0;
}

// A new array of the rows whose id is 'id' or begins with it.
static struct json_object *
rows_of_id(struct json_object *rows, const char *id)
{
    struct json_object *some = json_object_new_array();
    for (size_t i = 0; i < field_count(rows); i++)
        if (!strncmp(field_text(field_at(rows, i), "id"), id, strlen(id)))
            json_object_array_add(some, json_object_get(field_at(rows, i)));
    return some;
}

static int
print_migrations(const struct ctl *ctl, struct json_object *rows)
{
    if (ctl->json) {
        struct json_object *answer = json_object_new_object();
        json_object_object_add(answer, "migrations", json_object_get(rows));
        return ctl_print_json(answer);
    }
    struct table *table = rows_of_migrations(rows);
    table_print(table, stdout);
    table_destroy(table);
    return CTL_DONE;
}

static int
look_migrations(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    struct offload_err err = {0};
    struct json_object *rows = NULL;
    (void)before, (void)now; // no rates here
    if (list_migrations(ctl, &rows, &err))
        return ctl_fail(&err);
    if (ctl->argc > 0) {
        struct json_object *some = rows_of_id(rows, ctl->argv[0]);
        json_object_put(rows);
        rows = some;
    }
    int rc = print_migrations(ctl, rows);
    if (ctl->argc > 0 && field_count(rows) == 0) {
        offload_err_set(&err, -ENOENT, NULL, "one that 'offloadctl migrations' lists",
                        "there is no migration '%s'", ctl->argv[0]);
        rc = ctl_fail(&err);
    }
    json_object_put(rows);
    return rc;
}

int
cmd_migrations(const struct ctl *ctl)
{
    return watch_run(ctl, look_migrations);
}

// Looks ten times a second, and gives up where nothing moves for a minute: a migration's own
// timeouts are shorter.
enum { FOLLOW_INTERVAL_MS = 100, FOLLOW_LOOKS_MOST = 600 };

// What was last told of a migration: "copying", or "copying: error".
struct progress {
    char text[300];
    int looks; // since it changed
};

// Tells a new step, and a new error, on standard error. False: nothing has moved for too long.
static bool
tell_progress(struct progress *progress, const char *step, const char *error)
{
    char text[sizeof progress->text];
    snprintf(text, sizeof text, "%s%s%s", *step ? step : "not begun", *error ? ": " : "", error);
    if (!strcmp(text, progress->text))
        return ++progress->looks < FOLLOW_LOOKS_MOST;
    memcpy(progress->text, text, sizeof text);
    progress->looks = 0;
    fprintf(stderr, "%s\n", text);
    return true;
}

// Follows migration 'id' to its end.
static int
follow(const struct ctl *ctl, const char *id)
{
    struct ctl fast = *ctl;
    struct progress progress = {.looks = 0};
    fast.interval_ms = FOLLOW_INTERVAL_MS;
    for (;; watch_pause(&fast)) {
        struct offload_err err = {0};
        struct json_object *rows = NULL;
        if (list_migrations(ctl, &rows, &err))
            return ctl_fail(&err);
        struct json_object *mine = rows_of_id(rows, id),
                           *row = field_count(mine) > 0 ? field_at(mine, 0) : NULL;
        json_object_put(rows);
        const char *step = field_text(row, "step");
        bool committed = !strcmp(step, "committed"), ended = committed || !strcmp(step, "aborted");
        bool moves = tell_progress(&progress, step, field_text(row, "error")) || ended;
        if (ended)
            print_migrations(ctl, mine);
        json_object_put(mine);
        if (ended)
            return committed ? CTL_DONE : CTL_FAILED;
        if (!moves) {
            offload_err_set(&err, -ETIMEDOUT, NULL,
                            "see 'offloadctl migrations' and the log of collectd",
                            "migration %s stands still (%s)", id, progress.text);
            return ctl_fail(&err);
        }
    }
}

int
cmd_migrate(const struct ctl *ctl)
{
    struct offload_err err = {0};
    struct json_object *params = json_object_new_object(), *answer = NULL;
    if (!ctl->to) {
        json_object_put(params);
        return ctl_misuse("migrate: --to CARD is missing");
    }
    json_object_object_add(params, "app", json_object_new_string(ctl->argv[0]));
    json_object_object_add(params, "to", json_object_new_string(ctl->to));
    if (source_call(ctl, "manager", "migrate.start", params, &answer, &err))
        return ctl_fail(&err);
    int rc = CTL_DONE;
    if (ctl->watch)
        rc = follow(ctl, field_text(answer, "id"));
    else if (ctl->json)
        return ctl_print_json(answer);
    else
        printf("%s\n", field_text(answer, "id"));
    json_object_put(answer);
    return rc;
}

// How many applications are on a card; -1: nobody tells, as 'err' says.
static int
count_apps(const struct ctl *ctl, const char *card, struct offload_err *err)
{
    struct json_object *status = NULL;
    if (source_call(ctl, "manager", "status.get", NULL, &status, err))
        return -1;
    struct json_object *apps = field_array(status, "apps");
    int n = 0;
    for (size_t i = 0; i < field_count(apps); i++)
        n += !strcmp(field_text(field_at(apps, i), "card"), card);
    json_object_put(status);
    return n;
}

// Follows a card until it is empty.
static int
follow_drain(const struct ctl *ctl)
{
    struct ctl fast = *ctl;
    struct progress progress = {.looks = 0};
    fast.interval_ms = FOLLOW_INTERVAL_MS;
    for (;; watch_pause(&fast)) {
        struct offload_err err = {0};
        char text[48];
        int n = count_apps(ctl, ctl->argv[0], &err);
        if (n < 0)
            return ctl_fail(&err);
        snprintf(text, sizeof text, "%d applications are on it", n);
        bool moves = tell_progress(&progress, text, "");
        if (n == 0)
            return CTL_DONE;
        if (!moves) {
            offload_err_set(&err, -ETIMEDOUT, NULL,
                            "see 'offloadctl migrations' and 'offloadctl explain plan'; no other "
                            "card may have room",
                            "card '%s' does not get emptier (%s)", ctl->argv[0], text);
            return ctl_fail(&err);
        }
    }
}

static int
set_drain(const struct ctl *ctl, const char *method)
{
    struct offload_err err = {0};
    struct json_object *params = json_object_new_object(), *answer = NULL;
    json_object_object_add(params, "card", json_object_new_string(ctl->argv[0]));
    if (source_call(ctl, "manager", method, params, &answer, &err))
        return ctl_fail(&err);
    int rc = ctl->watch ? follow_drain(ctl) : CTL_DONE;
    if (rc == CTL_DONE && ctl->json)
        return ctl_print_json(answer);
    json_object_put(answer);
    return rc;
}

int
cmd_drain(const struct ctl *ctl)
{
    return set_drain(ctl, "drain.set");
}

int
cmd_undrain(const struct ctl *ctl)
{
    return set_drain(ctl, "drain.clear");
}
