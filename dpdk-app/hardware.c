// SPDX-License-Identifier: Apache-2.0
// Tries what a port's hardware can do, and reads its link's speed. Runs on the opener's thread,
// once a port, before any worker has it.
#include "dpdk-app/hardware.h"

#include <rte_byteorder.h>
#include <rte_flow.h>
#include <rte_mtr.h>
#include <rte_tm.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROBE_ID = 0x0ff1, // of profile, policy, meter
    PROBE_SOURCE = 0xc0000201,
    PROBE_BYTES_PER_S = 125000000,
    PROBE_BURST_BYTES = 65536,
};

static bool
takes_rule(uint16_t port, const struct rte_flow_action *actions)
{
    static const struct rte_flow_attr ingress = {.ingress = 1};
    const struct rte_flow_item_ipv4 source = {.hdr.src_addr = RTE_BE32(PROBE_SOURCE)},
                                    mask = {.hdr.src_addr = RTE_BE32(UINT32_MAX)};
    const struct rte_flow_item pattern[] = {
        {.type = RTE_FLOW_ITEM_TYPE_ETH},
        {.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &source, .mask = &mask},
        {.type = RTE_FLOW_ITEM_TYPE_END},
    };
    struct rte_flow_error error;
    struct rte_flow *rule = rte_flow_create(port, &ingress, pattern, actions, &error);
    return rule && rte_flow_destroy(port, rule, &error) == 0;
}

static void
probe_flow(uint16_t port, struct port_hardware *out)
{
    static const struct rte_flow_action_queue queue = {.index = 0};
    static const struct rte_flow_action_mark mark = {.id = PROBE_ID};
    const struct rte_flow_action to_queue[] = {{RTE_FLOW_ACTION_TYPE_QUEUE, &queue},
                                               {RTE_FLOW_ACTION_TYPE_END, NULL}};
    const struct rte_flow_action to_mark[] = {{RTE_FLOW_ACTION_TYPE_MARK, &mark},
                                              {RTE_FLOW_ACTION_TYPE_QUEUE, &queue},
                                              {RTE_FLOW_ACTION_TYPE_END, NULL}};
    const struct rte_flow_action to_drop[] = {{RTE_FLOW_ACTION_TYPE_DROP, NULL},
                                              {RTE_FLOW_ACTION_TYPE_END, NULL}};
    out->flow_queue = takes_rule(port, to_queue);
    out->flow_mark = takes_rule(port, to_mark);
    out->flow_drop = takes_rule(port, to_drop);
}

static bool
takes_meter(uint16_t port)
{
    struct rte_mtr_meter_profile profile = {.alg = RTE_MTR_SRTCM_RFC2697};
    struct rte_mtr_error error;
    const struct rte_flow_action end = {RTE_FLOW_ACTION_TYPE_END, NULL};
    const struct rte_flow_action drop[] = {{RTE_FLOW_ACTION_TYPE_DROP, NULL}, end};
    struct rte_mtr_meter_policy_params policy = {.actions = {&end, &end, drop}};
    struct rte_mtr_params params = {
        .meter_profile_id = PROBE_ID, .meter_policy_id = PROBE_ID, .meter_enable = 1};
    profile.srtcm_rfc2697.cir = PROBE_BYTES_PER_S;
    profile.srtcm_rfc2697.cbs = profile.srtcm_rfc2697.ebs = PROBE_BURST_BYTES;
    if (rte_mtr_meter_profile_add(port, PROBE_ID, &profile, &error) != 0)
        return false;
    bool takes = false;
    if (rte_mtr_meter_policy_add(port, PROBE_ID, &policy, &error) == 0) {
        takes = rte_mtr_create(port, PROBE_ID, &params, 1, &error) == 0 &&
                rte_mtr_destroy(port, PROBE_ID, &error) == 0;
        rte_mtr_meter_policy_delete(port, PROBE_ID, &error);
    }
    rte_mtr_meter_profile_delete(port, PROBE_ID, &error);
    return takes;
}

static bool
takes_shaper(uint16_t port)
{
    struct rte_tm_capabilities capabilities;
    struct rte_tm_error error;
    struct rte_tm_shaper_params shaper = {
        .peak = {.rate = PROBE_BYTES_PER_S, .size = PROBE_BURST_BYTES}};
    memset(&capabilities, 0, sizeof capabilities);
    if (rte_tm_capabilities_get(port, &capabilities, &error) != 0 ||
        capabilities.shaper_private_n_max == 0)
        return false;
    return rte_tm_shaper_profile_add(port, PROBE_ID, &shaper, &error) == 0 &&
           rte_tm_shaper_profile_delete(port, PROBE_ID, &error) == 0;
}

void
hardware_probe(uint16_t port, struct port_hardware *out)
{
    *out = (struct port_hardware){.meter = false};
    probe_flow(port, out);
    out->meter = takes_meter(port);
    out->shaper = takes_shaper(port);
}

// -- The link to the host --

static bool
read_line(const char *folder, const char *name, char *line, int size)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool got = fgets(line, size, f) != NULL;
    fclose(f);
    return got;
}

bool
interconnect_read(const char *folder, struct interconnect *out)
{
    // Transfers a second and lane; line coding is 8b/10b up to generation 2, 128b/130b from 3 on.
    // PCI Express Base Specification 6.0, chapter 4.
    static const struct {
        double gt_s;
        unsigned gen;
        double coding;
    } speeds[] = {{2.5, 1, 0.8},        {5, 2, 0.8},          {8, 3, 128.0 / 130},
                  {16, 4, 128.0 / 130}, {32, 5, 128.0 / 130}, {64, 6, 242.0 / 256}};
    char speed[64], width[64], node[64];
    *out = (struct interconnect){.numa_node = -1};
    if (read_line(folder, "numa_node", node, sizeof node))
        out->numa_node = atoi(node);
    if (!read_line(folder, "current_link_speed", speed, sizeof speed) ||
        !read_line(folder, "current_link_width", width, sizeof width))
        return false;
    double gt_s = strtod(speed, NULL);
    unsigned long lanes = strtoul(width, NULL, 10);
    for (unsigned i = 0; i < sizeof speeds / sizeof speeds[0]; i++)
        if (gt_s > speeds[i].gt_s * 0.99 && gt_s < speeds[i].gt_s * 1.01 && lanes >= 1 &&
            lanes <= 32) {
            out->pcie_gen = speeds[i].gen;
            out->lanes = (unsigned)lanes;
            out->bps = (uint64_t)(gt_s * 1e9 * speeds[i].coding * (double)lanes);
            return true;
        }
    return false; // "Unknown": the device is asleep, or behind a bridge that does not tell
}

bool
interconnect_of(const char *devargs, struct interconnect *out)
{
    char folder[120];
    *out = (struct interconnect){.numa_node = -1};
    if (!isxdigit((unsigned char)devargs[0]) || !strchr(devargs, ':'))
        return false;
    snprintf(folder, sizeof folder, "/sys/bus/pci/devices/%.*s", (int)strcspn(devargs, ","),
             devargs);
    return interconnect_read(folder, out);
}
