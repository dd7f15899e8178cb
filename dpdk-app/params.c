// SPDX-License-Identifier: Apache-2.0
// Reads the parameters that several verbs share.
#include "dpdk-app/params.h"

#include <offload/card_api.h>

int
params_read(struct json_object *params, struct params *out, struct offload_err *err)
{
    static const struct offload_opt chain_opts[] = {OFFLOAD_OPT_END}, worker_item = {.key = ""};
    static const struct offload_opt rows[] = {
        {PARAM_AT(term), .type = OFFLOAD_OPT_U64, .most = OFFLOAD_TERM_MOST},
        PARAM_APP(0),
        PARAM_CARD(0),
        PARAM_MATCH(0),
        PARAM_CHAIN(0),
        PARAM_SLA,
        PARAM_POINTS,
        {PARAM_AT(workers), .type = OFFLOAD_OPT_ARRAY, .item = &worker_item},
        PARAM_DRAIN,
        OFFLOAD_OPT_END,
    };
    return offload_opt_read(rows, params, "", out, sizeof *out, err);
}
