// SPDX-License-Identifier: Apache-2.0
// offloadctl replay, explain plan N --log: decisions out of the manager's plan log, made again.
// plan log -> alloc_record_replay() -> the same plan, to the bit, or not.

#include "tools/fields.h"
#include "tools/planlog.h"
#include "tools/progress.h"

#include "lib/base/json.h"

#include <offload/allocate.h>

#include <json-c/json.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOG_FILES = 4 }; // older ones: FILE.1 to FILE.4

const char planlog_usual[] = "/var/lib/offload/plans.jsonl";

// Called for each line's number, text and length. False ends the walk.
typedef bool line_fn(void *ctx, const char *where, const char *line, size_t len);

// -ENOENT: there is no file at all.
static int
walk(const char *path, line_fn *fn, void *ctx, struct offload_err *err)
{
    bool any = false, go = true;
    for (int i = LOG_FILES; i >= 0 && go; i--) {
        char name[512], where[560], *line = NULL;
        size_t size = 0, number = 0;
        ssize_t len;
        snprintf(name, sizeof name, i ? "%s.%d" : "%s", path, i);
        FILE *file = fopen(name, "re");
        if (!file)
            continue;
        any = true;
        while (go && (len = getline(&line, &size, file)) > 0) {
            snprintf(where, sizeof where, "%s:%zu", name, ++number);
            go = fn(ctx, where, line, (size_t)len);
        }
        free(line);
        fclose(file);
    }
    if (any)
        return 0;
    return offload_err_set(err, -ENOENT, path, "--log FILE, as PlanLog names it",
                           "there is no plan log");
}

// The plan's number stands first in a line, so that others need not be parsed.
static uint64_t
number_of(const char *line)
{
    static const char head[] = "{\"plan\":";
    return strncmp(line, head, sizeof head - 1) ? 0 : strtoull(line + sizeof head - 1, NULL, 10);
}

struct search {
    uint64_t number;
    struct json_object *record; // the newest of that number
};

static bool
look_at(void *ctx, const char *where, const char *line, size_t len)
{
    struct search *s = ctx;
    if (number_of(line) != s->number)
        return true;
    struct json_object *record = offload_json_parse(where, line, len, NULL);
    if (record) {
        json_object_put(s->record);
        s->record = record;
    }
    return true;
}

int
planlog_replay(const char *path, uint64_t number, struct alloc_replay *replay,
               struct json_object **record, struct offload_err *err)
{
    struct search s = {.number = number};
    int rc = walk(path, look_at, &s, err);
    if (!rc && !s.record)
        rc = offload_err_set(err, -ENOENT, path, NULL, "it does not hold plan %llu",
                             (unsigned long long)number);
    if (!rc)
        rc = alloc_record_replay(s.record, replay, err);
    if (rc)
        json_object_put(s.record);
    else
        *record = s.record;
    return rc;
}

struct tally {
    struct progress progress; // over the logs' bytes
    uint64_t same, different, unread;
    struct json_object *list; // of those that differ
};

static bool
replay_one(void *ctx, const char *where, const char *line, size_t len)
{
    struct tally *t = ctx;
    struct offload_err err = {0};
    struct alloc_replay replay;
    char text[800];
    struct json_object *record = offload_json_parse(where, line, len, &err);
    if (!record || alloc_record_replay(record, &replay, &err)) {
        fprintf(stderr, "offloadctl: %s: %s\n", where, offload_err_format(&err, text, sizeof text));
        t->unread++;
    } else {
        t->same += replay.same;
        t->different += !replay.same;
        if (!replay.same)
            json_object_array_add(t->list, json_object_new_uint64(replay.plan->number));
        alloc_replay_fini(&replay);
    }
    json_object_put(record);
    progress_add(&t->progress, len);
    return true;
}

static size_t
log_bytes(const char *path)
{
    size_t bytes = 0;
    for (int i = LOG_FILES; i >= 0; i--) {
        char name[512];
        struct stat st;
        snprintf(name, sizeof name, i ? "%s.%d" : "%s", path, i);
        bytes += stat(name, &st) ? 0 : (size_t)st.st_size;
    }
    return bytes;
}

static int
replay_all(const struct ctl *ctl, const char *path)
{
    struct offload_err err = {0};
    struct tally t = {.list = json_object_new_array()};
    progress_start(&t.progress, "bytes", log_bytes(path));
    int rc = walk(path, replay_one, &t, &err);
    progress_end(&t.progress);
    if (rc) {
        json_object_put(t.list);
        return ctl_fail(&err);
    }
    bool good = !t.different && !t.unread;
    if (ctl->json) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "same", json_object_new_uint64(t.same));
        json_object_object_add(o, "unread", json_object_new_uint64(t.unread));
        json_object_object_add(o, "different", t.list);
        return ctl_print_json(o) == CTL_DONE && good ? CTL_DONE : CTL_FAILED;
    }
    printf("%llu plans decided again: %llu the same to the bit, %llu different, %llu unreadable\n",
           (unsigned long long)(t.same + t.different + t.unread), (unsigned long long)t.same,
           (unsigned long long)t.different, (unsigned long long)t.unread);
    for (size_t i = 0; i < field_count(t.list); i++)
        printf("different: plan %s\n", json_object_get_string(field_at(t.list, i)));
    json_object_put(t.list);
    return good ? CTL_DONE : CTL_FAILED;
}

int
cmd_replay(const struct ctl *ctl)
{
    const char *path = ctl->log ? ctl->log : planlog_usual;
    struct offload_err err = {0};
    struct alloc_replay replay;
    struct json_object *record;
    if (ctl->argc == 0)
        return replay_all(ctl, path);
    uint64_t number = strtoull(ctl->argv[0], NULL, 10);
    if (!number)
        return ctl_misuse("replay: '%s' is no plan's number", ctl->argv[0]);
    if (planlog_replay(path, number, &replay, &record, &err))
        return ctl_fail(&err);
    bool same = replay.same;
    if (ctl->json) {
        struct json_object *plan = alloc_plan_to_json(replay.plan, replay.state);
        json_object_object_add(plan, "same", json_object_new_boolean(same));
        ctl_print_json(plan);
    } else {
        printf("plan %llu by %s, %u changes, %u moves: %s\n", (unsigned long long)number,
               replay.plan->agent, replay.plan->changes, replay.plan->moves,
               same ? "decided again, the same to the bit" : "decided again, it DIFFERS");
    }
    json_object_put(record);
    alloc_replay_fini(&replay);
    return same ? CTL_DONE : CTL_FAILED;
}
