// SPDX-License-Identifier: Apache-2.0
// The table of verbs: checks requests by it, and tells it as JSON Schema and as Markdown.
// bytes -> frame -> message -> [schema] -> method.  Pure.
#include "lib/rpc/schema.h"

#include <json-c/json.h>

#include <errno.h>
#include <string.h>

const char *const rpc_role_names[] = {"read", "operate", "manage", NULL};

static const struct offload_opt no_opts[] = {OFFLOAD_OPT_END};

const struct rpc_schema *
rpc_schema_find(const struct rpc_schema *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

int
rpc_schema_check(const struct rpc_schema *verb, enum rpc_role role, struct json_object *params,
                 struct offload_err *err)
{
    if (role < verb->role) {
        char expected[64];
        snprintf(expected, sizeof expected, "connect as a peer of role '%s'",
                 rpc_role_names[verb->role]);
        return offload_err_set(err, -EACCES, NULL, expected, "role '%s' may not call %s",
                               rpc_role_names[role], verb->name);
    }
    return offload_opt_check(verb->params ? verb->params : no_opts, params, "", err);
}

static struct json_object *
verb_to_json(const struct rpc_schema *verb, struct json_object *defs)
{
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "role", json_object_new_string(rpc_role_names[verb->role]));
    json_object_object_add(o, "help", json_object_new_string(verb->help));
    json_object_object_add(
        o, "params", offload_opt_schema(verb->params ? verb->params : no_opts, false, defs));
    json_object_object_add(o, "result",
                           offload_opt_schema(verb->result ? verb->result : no_opts, true, defs));
    return o;
}

struct json_object *
rpc_schema_to_json(const struct rpc_schema *table, const char *title)
{
    struct json_object *o = json_object_new_object(), *verbs = json_object_new_object(),
                       *defs = json_object_new_object();
    json_object_object_add(
        o, "$schema", json_object_new_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_object_add(o, "title", json_object_new_string(title));
    for (; table->name; table++)
        json_object_object_add(verbs, table->name, verb_to_json(table, defs));
    json_object_object_add(o, "verbs", verbs);
    json_object_object_add(o, "$defs", defs);
    return o;
}

// -- Markdown --

enum { OBJECTS_MAX = 64 };

// The named objects that have been met, in that order, once each.
struct objects {
    unsigned n;
    const struct offload_opt *row[OBJECTS_MAX];
    bool answer[OBJECTS_MAX];
};

static void
meet(struct objects *met, const struct offload_opt *table, bool answer)
{
    for (; table && table->key; table++) {
        if (!table->fields)
            continue;
        unsigned i = 0;
        while (i < met->n &&
               !(table->object && strcmp(met->row[i]->object, table->object) == 0))
            i++;
        if (i < met->n)
            continue;
        if (table->object && met->n < OBJECTS_MAX) {
            met->row[met->n] = table;
            met->answer[met->n++] = answer;
        }
        meet(met, table->fields, answer);
    }
}

static void print_keys(const struct offload_opt *table, bool answer, FILE *to);

static void
print_shape(const struct offload_opt *opt, bool answer, FILE *to)
{
    bool list = opt->type == OFFLOAD_OPT_ARRAY;
    const struct offload_opt *inner = list ? opt->item : opt;
    if (list)
        fputc('[', to);
    if (opt->fields && opt->object)
        fputs(opt->object, to);
    else if (opt->fields)
        fputc('{', to), print_keys(opt->fields, answer, to), fputc('}', to);
    else if (inner && inner->type == OFFLOAD_OPT_ENUM)
        for (unsigned i = 0; inner->names[i]; i++)
            fprintf(to, "%s\"%s\"", i ? "\\|" : "", inner->names[i]);
    else if (list && opt->item)
        fputs(opt->item->type == OFFLOAD_OPT_U64 ? "0" : "\"...\"", to);
    else if (opt->type == OFFLOAD_OPT_OBJECT)
        fputs("{...}", to);
    if (list)
        fputc(']', to);
}

static bool
has_shape(const struct offload_opt *opt)
{
    return opt->type == OFFLOAD_OPT_OBJECT || opt->type == OFFLOAD_OPT_ARRAY ||
           opt->type == OFFLOAD_OPT_ENUM;
}

// "term", "card"?, "points"?:8
static void
print_keys(const struct offload_opt *table, bool answer, FILE *to)
{
    for (const struct offload_opt *opt = table; opt->key; opt++) {
        bool may_miss = answer ? opt->flags & OFFLOAD_OPT_MAYBE : !(opt->flags & OFFLOAD_OPT_REQUIRED);
        fprintf(to, "%s\"%s\"%s", opt == table ? "" : ", ", opt->key, may_miss ? "?" : "");
        if (has_shape(opt))
            fputc(':', to), print_shape(opt, answer, to);
        else if (opt->default_text && !answer)
            fprintf(to, ":%s", opt->default_text);
        if (answer && opt->flags & OFFLOAD_OPT_NULLABLE)
            fputs(" or null", to);
    }
}

static void
print_row(const struct offload_opt *opt, bool answer, FILE *to)
{
    static const char *const types[] = {"true, false", "whole", "number", "string",
                                        "name",        "",      "object", "list",
                                        "whole or string", "any"};
    fprintf(to, "| `%s`%s | ", opt->key,
            (answer ? opt->flags & OFFLOAD_OPT_MAYBE : !(opt->flags & OFFLOAD_OPT_REQUIRED)) ? "?"
                                                                                              : "");
    if (has_shape(opt))
        print_shape(opt, answer, to);
    else
        fputs(types[opt->type], to);
    if (opt->type != OFFLOAD_OPT_ARRAY && (opt->least != 0 || opt->most != 0))
        fprintf(to, " %.15g to %.15g", opt->least, opt->most);
    if (opt->default_text && !answer)
        fprintf(to, ", default %s", opt->default_text);
    fprintf(to, "%s | %s |\n", answer && opt->flags & OFFLOAD_OPT_NULLABLE ? " or null" : "",
            opt->help ? opt->help : "");
}

// By its name, where the answer is an object that has one.
static void
print_result(const struct offload_opt *result, const struct objects *met, FILE *to)
{
    for (unsigned i = 0; i < met->n; i++)
        if (met->row[i]->fields == result) {
            fputs(met->row[i]->object, to);
            return;
        }
    fputc('{', to);
    if (result)
        print_keys(result, true, to);
    fputc('}', to);
}

void
rpc_schema_print(const struct rpc_schema *table, FILE *to)
{
    struct objects met = {.n = 0};
    for (const struct rpc_schema *verb = table; verb->name; verb++) {
        meet(&met, verb->params, false);
        meet(&met, verb->result, true);
    }
    fputs("| verb | role | parameters | result | |\n|---|---|---|---|---|\n", to);
    for (const struct rpc_schema *verb = table; verb->name; verb++) {
        fprintf(to, "| `%s` | %s | ", verb->name, rpc_role_names[verb->role]);
        if (verb->params)
            print_keys(verb->params, false, to);
        fputs(" | ", to);
        print_result(verb->result, &met, to);
        fprintf(to, " | %s |\n", verb->help);
    }
    for (unsigned i = 0; i < met.n; i++) {
        fprintf(to, "\n**%s**\n\n| key | value | |\n|---|---|---|\n", met.row[i]->object);
        for (const struct offload_opt *opt = met.row[i]->fields; opt->key; opt++)
            print_row(opt, met.answer[i], to);
    }
}
