// SPDX-License-Identifier: Apache-2.0
// Plain forwarding: what enters goes out by the other port as it is. Keeps no state.
#include "dpdk-app/functions/fn.h"

static const struct offload_opt forward_params[] = {OFFLOAD_OPT_END};

static void *
forward_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    static char no_state;
    (void)params, (void)env, (void)err;
    return &no_state;
}

static void
forward_destroy(void *state)
{
    (void)state;
}

static uint16_t
forward_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
                uint64_t now_cycles)
{
    (void)state, (void)pkts, (void)dir, (void)now_cycles;
    return n;
}

extern const struct fn_ops fn_forward;
const struct fn_ops fn_forward = {
    .name = "forward",
    .help = "passes packets on as they are",
    .params = forward_params,
    .create = forward_create,
    .destroy = forward_destroy,
    .any_worker = true,
    .process = forward_process,
};
