// SPDX-License-Identifier: Apache-2.0
// The table of offload functions. A new one: its file, its line here, its line in automake.mk.
#include "dpdk-app/functions/fn.h"

#include <string.h>

extern const struct fn_ops fn_forward, fn_acl, fn_nat44, fn_lb, fn_esp, fn_vxlan, fn_ipfix, fn_burn;

const struct fn_ops *const offload_functions[] = {
    &fn_forward, &fn_acl, &fn_nat44, &fn_lb, &fn_esp, &fn_vxlan, &fn_ipfix, &fn_burn, NULL,
};

const struct fn_ops *
fn_find(const char *name)
{
    for (size_t i = 0; offload_functions[i]; i++)
        if (strcmp(offload_functions[i]->name, name) == 0)
            return offload_functions[i];
    return NULL;
}
