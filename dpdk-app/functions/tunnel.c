// SPDX-License-Identifier: Apache-2.0
// Parameters of tunnels, checked.
#include "dpdk-app/functions/tunnel.h"

const char *const tunnel_side_names[] = {"outside", "inside", NULL};

static int
read_address(const char *text, const char *key, uint32_t *out, struct offload_err *err)
{
    struct in_addr ip;
    if (inet_pton(AF_INET, text, &ip) != 1)
        return offload_err_set(err, -EINVAL, key, "use an IPv4 address", "'%s' is no address",
                               text);
    *out = ip.s_addr;
    return 0;
}

int
tunnel_init(struct tunnel *tunnel, const struct tunnel_params *p, struct offload_err *err)
{
    struct tunnel t = {.ttl = (uint8_t)p->ttl,
                       .dscp = (uint8_t)p->dscp,
                       .copy_dscp = p->copy_dscp,
                       .inside = p->side == 1,
                       .mtu = (uint16_t)p->mtu};
    int rc = read_address(p->local, "local", &t.local, err);
    if (rc == 0)
        rc = read_address(p->remote, "remote", &t.remote, err);
    if (rc == 0)
        *tunnel = t;
    return rc;
}
