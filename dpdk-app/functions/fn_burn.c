// SPDX-License-Identifier: Apache-2.0
// Burns cycles in proportion to bytes: a function whose cost is known, for tests and demonstrations
// only.
#include "dpdk-app/functions/fn.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>

struct burn {
    double cycles_per_byte;
};

static const struct offload_opt burn_params[] = {
    {.key = "cycles_per_byte",
     .type = OFFLOAD_OPT_F64,
     .offset = offsetof(struct burn, cycles_per_byte),
     .size = sizeof(double),
     .least = 0,
     .most = 10000,
     .default_text = "1",
     .unit = "cycles",
     .help = "worker cycles spent on each byte of a packet"},
    OFFLOAD_OPT_END,
};

static void *
burn_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    (void)env;
    struct burn *burn = malloc(sizeof *burn);
    if (!burn) {
        offload_err_set(err, -ENOMEM, "burn", NULL, "no memory");
        return NULL;
    }
    *burn = *(const struct burn *)params;
    return burn;
}

static uint16_t
burn_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir, uint64_t now_cycles)
{
    (void)dir, (void)now_cycles;
    const struct burn *burn = state;
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < n; i++)
        bytes += pkt_meta(pkts[i])->wire_bytes;
    uint64_t until = rte_rdtsc() + (uint64_t)(bytes * burn->cycles_per_byte);
    while ((int64_t)(rte_rdtsc() - until) < 0)
        ;
    return n;
}

extern const struct fn_ops fn_burn;
const struct fn_ops fn_burn = {
    .name = "burn",
    .help = "spends cycles on each byte; for tests",
    .params = burn_params,
    .params_bytes = sizeof(struct burn),
    .create = burn_create,
    .destroy = free,
    .any_worker = true,
    .process = burn_process,
};
