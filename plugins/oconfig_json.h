// SPDX-License-Identifier: Apache-2.0
// collectd's parsed configuration as a JSON tree, so that the option tables of lib/base/conf.h read
// it and unknown keys, wrong types and ranges get the same messages as everywhere.
//
//     StepS 1                              "StepS": 1
//     Quantiles 0.5 0.9                    "Quantiles": [0.5, 0.9]
//     <Signal "nat1"> ... </Signal>        "Signal": [{"Name": "nat1", ...}]
//     Match "a"  Match "b" "c"             "Match": ["a", "b", "c"]
//
// Blocks always are arrays; so are the options that 'lists' names, as Match here.
#pragma once

#include <offload/err.h>

#include "liboconfig/oconfig.h"

struct json_object;

// Turns what stands inside 'item' into a new object (caller: json_object_put). Keys named in
// 'lists' (NULL-terminated, may be NULL) may come several times and always give arrays; another key
// that is not a block may come once. Whole numbers become JSON integers. 'path' starts the key
// paths of messages, may be "". An empty block with a name (<Card "c0"></Card>) looks like the
// option Card "c0" and is taken as one. Returns NULL and 'err' (-EINVAL) for a key given twice, a
// key without value, a block with several names.
struct json_object *oconfig_json(const oconfig_item_t *item, const char *path,
                                 const char *const *lists, struct offload_err *err);
