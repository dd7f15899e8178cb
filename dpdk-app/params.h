// SPDX-License-Identifier: Apache-2.0
// The parameters that several verbs share: term, app, card. One row each, so that all verbs check
// and tell them alike; api_schema.c says which verb takes which.
#pragma once

#include "lib/base/conf.h"

#include <offload/units.h>

#include <stdbool.h>
#include <stdint.h>

struct params {
    uint64_t term;
    char app[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1]; // "" where not given
    struct json_object *match, *chain, *sla, *workers;          // borrowed; NULL where not given
    uint64_t points;
    bool drain;
};

#define PARAM_AT(field) .key = #field, .offset = offsetof(struct params, field)
#define PARAM_TERM                                                                                 \
    {                                                                                              \
        PARAM_AT(term), .type = OFFLOAD_OPT_U64, .least = 0, .most = OFFLOAD_TERM_MOST,            \
        .flags = OFFLOAD_OPT_REQUIRED, .help = "fencing number of the manager"                     \
    }
// 'need' is OFFLOAD_OPT_REQUIRED or 0.
#define PARAM_APP(need)                                                                            \
    {                                                                                              \
        PARAM_AT(app), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1, .flags = need,      \
        .help = "application"                                                                      \
    }
#define PARAM_CARD(need)                                                                           \
    {                                                                                              \
        PARAM_AT(card), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1, .flags = need,     \
        .help = "card"                                                                             \
    }
#define PARAM_MATCH(need)                                                                          \
    {                                                                                              \
        PARAM_AT(match), .type = OFFLOAD_OPT_ARRAY, .flags = need, .fields = offload_match_opts,   \
        .object = "MATCH", .help = "rules, any of which may hold"                                  \
    }
#define PARAM_CHAIN(need)                                                                          \
    {                                                                                              \
        PARAM_AT(chain), .type = OFFLOAD_OPT_ARRAY, .flags = need, .fields = chain_opts,           \
        .object = "FUNCTION", .help = "functions, one after the other"                             \
    }
#define PARAM_SLA                                                                                  \
    {                                                                                              \
        PARAM_AT(sla), .type = OFFLOAD_OPT_OBJECT, .fields = offload_sla_opts, .object = "SLA",    \
        .help = "what was promised"                                                                \
    }
#define PARAM_POINTS                                                                               \
    {                                                                                              \
        PARAM_AT(points), .type = OFFLOAD_OPT_U64, .least = 1, .most = 100, .default_text = "8",   \
        .help = "points of the sweep"                                                              \
    }
#define PARAM_WORKERS                                                                              \
    {                                                                                              \
        PARAM_AT(workers), .type = OFFLOAD_OPT_ARRAY, .flags = OFFLOAD_OPT_REQUIRED,               \
        .item = &worker_item, .help = "indices of lcores.workers"                                  \
    }
#define PARAM_DRAIN                                                                                \
    {                                                                                              \
        PARAM_AT(drain), .type = OFFLOAD_OPT_BOOL, .default_text = "false",                        \
        .help = "with applications on it: takes no more, and goes with the last"                   \
    }

// Reads what is there into 'out' (zeroed by the caller); which must and may be there the verb's
// schema has checked. -EINVAL, -ERANGE.
int params_read(struct json_object *params, struct params *out, struct offload_err *err);
