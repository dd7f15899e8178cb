// SPDX-License-Identifier: Apache-2.0
// Option tables: one row an option, which serves the reader of a config file, of RPC parameters and
// of collectd.conf (turned into JSON first, plugins/oconfig_json.c), --check-config and the man
// page.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_object;

enum offload_opt_type {
    OFFLOAD_OPT_BOOL,   // bool
    OFFLOAD_OPT_U64,    // uint64_t, least..most; JSON integers only
    OFFLOAD_OPT_F64,    // double, least..most; JSON integers and doubles
    OFFLOAD_OPT_STRING, // char[size], cut is an error
    OFFLOAD_OPT_NAME,   // char[size], must be offload_name_valid()
    OFFLOAD_OPT_ENUM,   // int: index into 'names'
    OFFLOAD_OPT_OBJECT, // struct json_object *, borrowed from the object read, must be {...}
    OFFLOAD_OPT_ARRAY,  // struct json_object *, borrowed, must be [...]
    OFFLOAD_OPT_U64_OR_TEXT, // struct json_object *, borrowed: a whole number or a string
    OFFLOAD_OPT_ANY,         // anything: in answers alone
};

enum offload_opt_flags {
    OFFLOAD_OPT_REQUIRED = 1,
    OFFLOAD_OPT_NULLABLE = 2, // in what we answer: may be null
    OFFLOAD_OPT_MAYBE = 4,    // in what we answer: may be absent
};

struct offload_opt {
    const char *key;
    enum offload_opt_type type;
    size_t offset;            // of the field in the struct that is filled
    size_t size;              // of the field, for strings
    double least, most;       // for numbers; both 0: no bounds but the type's
    const char *default_text; // as written in JSON ("1", "\"gold\"", "true"); NULL: left as it is
    const char *unit;         // for help: "bytes", "bit/s", ""
    const char *const *names; // for enums, NULL-terminated
    const char *help;
    unsigned flags;
    // What an object, or each element of a list, holds; for offload_opt_check() and the schema alone.
    const struct offload_opt *fields; // of the object; of each element; NULL: not told
    const char *object;               // what documents call such an object: "ALLOCATION"
    const struct offload_opt *item;   // one row: of a list whose elements are no objects
};

#define OFFLOAD_OPT_END                                                                            \
    {                                                                                              \
        .key = NULL                                                                                \
    }

// Fills 'out' from 'object' by 'table' (ended by OFFLOAD_OPT_END): every key must be in the table
// (the error names the nearest), have its type and lie in its range; absent keys take their
// default, and required ones are an error. 'path' is the key path of 'object' for messages, may be
// "". On failure 'out' is untouched. Returns 0, -EINVAL or -ERANGE. 'out_size' is sizeof the
// struct.
int offload_opt_read(const struct offload_opt *table, struct json_object *object, const char *path,
                     void *out, size_t out_size, struct offload_err *err);

// Checks the same and all that lies within, as far as 'fields' and 'item' tell it, and keeps nothing.
// Of a list 'least' and 'most' bound the length.
int offload_opt_check(const struct offload_opt *table, struct json_object *object,
                      const char *path, struct offload_err *err);

// The table as JSON Schema (2020-12) of an object that we take, or with 'answer' of one that we give:
// of that every key is there but those of OFFLOAD_OPT_MAYBE. Named objects are references into
// 'defs', where they are put (may be NULL: they stand in place). Caller: json_object_put.
struct json_object *offload_opt_schema(const struct offload_opt *table, bool answer,
                                       struct json_object *defs);

// Prints the table for --help and man pages: key, type, range, default, unit, help.
void offload_opt_print(const struct offload_opt *table, FILE *to);

// The tables of the objects of <offload/card_api.h>.
extern const struct offload_opt offload_allocation_opts[];
extern const struct offload_opt offload_share_opts[]; // without card and app
extern const struct offload_opt offload_sla_opts[];
extern const struct offload_opt offload_match_opts[];
