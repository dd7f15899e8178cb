// SPDX-License-Identifier: Apache-2.0
// The option table of a verb's parameters, made of the rows that the verb has.
#include "dpdk-app/params.h"

#include <stddef.h>

#define PARAM(field) .key = #field, .offset = offsetof(struct params, field)
static const struct offload_opt rows[] = {
    // in the order of the bits of enum param_mask
    {PARAM(term), .type = OFFLOAD_OPT_U64, .least = 0, .most = OFFLOAD_TERM_MOST,
     .help = "fencing number of the manager"},
    {PARAM(app), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1, .help = "application"},
    {PARAM(card), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1, .help = "card"},
    {PARAM(match), .type = OFFLOAD_OPT_ARRAY, .help = "rules"},
    {PARAM(chain), .type = OFFLOAD_OPT_ARRAY, .help = "functions"},
    {PARAM(sla), .type = OFFLOAD_OPT_OBJECT, .help = "what was promised"},
    {PARAM(points), .type = OFFLOAD_OPT_U64, .least = 1, .most = 100, .default_text = "8",
     .help = "points of the sweep"},
    {PARAM(workers), .type = OFFLOAD_OPT_ARRAY, .help = "indices of lcores.workers"},
};

int
params_read(struct json_object *params, unsigned required, unsigned optional, struct params *out,
            struct offload_err *err)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct offload_opt table[ROWS + 1];
    unsigned n = 0;
    for (unsigned i = 0; i < ROWS; i++)
        if ((required | optional) & 1u << i) {
            table[n] = rows[i];
            if (required & 1u << i)
                table[n].flags |= OFFLOAD_OPT_REQUIRED;
            n++;
        }
    table[n] = (struct offload_opt)OFFLOAD_OPT_END;
    return offload_opt_read(table, params, "", out, sizeof *out, err);
}
