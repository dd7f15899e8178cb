// SPDX-License-Identifier: Apache-2.0
// offloadctl request: asking the manager to offload an application.

#include "tools/fields.h"
#include "tools/source.h"
#include "tools/table.h"
#include "tools/watch.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <stdio.h>
#include <string.h>

enum { FILE_MOST_BYTES = 1 << 20 };

static int
look_list(const struct ctl *ctl, struct json_object *before, struct json_object **now)
{
    (void)before, (void)now; // no rates here
    static const char *const headings[] = {"APP", "CLASS", "STATE", "CARD", "REASON", NULL};
    static const char *const keys[] = {"app", "class", "state", "card", "reason"};
    struct offload_err err = {0};
    struct json_object *answer = NULL;
    if (source_call(ctl, "manager", "request.list", NULL, &answer, &err))
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(answer);
    struct table *table = table_create(headings);
    struct json_object *rows = field_array(answer, "requests");
    for (size_t i = 0; i < field_count(rows); i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            table_cell(table, "%s", field_text(field_at(rows, i), keys[k]));
    table_print(table, stdout);
    table_destroy(table);
    json_object_put(answer);
    return CTL_DONE;
}

static int
send_request(const struct ctl *ctl, const char *method, struct json_object *params)
{
    struct offload_err err = {0};
    struct json_object *answer = NULL;
    if (source_call(ctl, "manager", method, params, &answer, &err))
        return ctl_fail(&err);
    if (ctl->json)
        return ctl_print_json(answer);
    if (*field_text(answer, "state"))
        printf("%s%s%s\n", field_text(answer, "state"), *field_text(answer, "reason") ? ": " : "",
               field_text(answer, "reason"));
    json_object_put(answer);
    return CTL_DONE;
}

// An option stands above what the file says.
static void
add_text(struct json_object *params, const char *key, const char *text)
{
    if (text && json_object_is_type(params, json_type_object))
        json_object_object_add(params, key, json_object_new_string(text));
}

int
cmd_request(const struct ctl *ctl)
{
    const char *verb = ctl->argv[0];
    if (!strcmp(verb, "list") && ctl->argc == 1)
        return watch_run(ctl, look_list);
    if (ctl->watch || ctl->count)
        return ctl_misuse("request: --watch and --count go with 'list'");
    if (!strcmp(verb, "submit") && ctl->argc == 2) {
        struct offload_err err = {0};
        struct json_object *params = offload_json_load(ctl->argv[1], FILE_MOST_BYTES, &err);
        if (!params)
            return ctl_fail(&err);
        add_text(params, "card", ctl->to);
        add_text(params, "in_port", ctl->in_port);
        add_text(params, "out_port", ctl->out_port);
        return send_request(ctl, "request.submit", params);
    }
    if (!strcmp(verb, "withdraw") && ctl->argc == 2) {
        struct json_object *params = json_object_new_object();
        json_object_object_add(params, "app", json_object_new_string(ctl->argv[1]));
        return send_request(ctl, "request.withdraw", params);
    }
    return ctl_misuse("request: say 'list', 'submit FILE' or 'withdraw APP'");
}
