// SPDX-License-Identifier: Apache-2.0
// The parameters that several verbs share: term, app, card. One row each, so that all verbs check
// them alike.
#pragma once

#include "lib/base/conf.h"

#include <offload/units.h>

#include <stdint.h>

struct params {
    uint64_t term;
    char app[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1]; // "" where not given
    struct json_object *match, *chain, *sla, *workers;          // borrowed; NULL where not given
    uint64_t points;
};

enum param_mask {
    PARAM_TERM = 1,
    PARAM_APP = 2,
    PARAM_CARD = 4,
    PARAM_MATCH = 8,
    PARAM_CHAIN = 16,
    PARAM_SLA = 32,
    PARAM_POINTS = 64,
    PARAM_WORKERS = 128,
};

// Reads those in 'required' and 'optional' into 'out' (zeroed by the caller); any other key is an
// error. -EINVAL, -ERANGE.
int params_read(struct json_object *params, unsigned required, unsigned optional,
                struct params *out, struct offload_err *err);
