// SPDX-License-Identifier: Apache-2.0
// What a port is said to do in hardware is what it took, not what it says: stand-ins for the calls of
// ethdev take rules, meters and shapers as the test tells them, and count what is left behind.
#include "tests/unit/unit.h"

#include "dpdk-app/hardware.h"

#include <rte_flow.h>
#include <rte_mtr.h>
#include <rte_tm.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// The port that stands in: which actions it takes; how much is there now.
static struct {
    bool queue, mark, drop, policy, meter, shaper;
    unsigned shapers_said;
    int rules, profiles, policies, meters, shapers;
} port;

static bool
has_action(const struct rte_flow_action *actions, enum rte_flow_action_type type)
{
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++)
        if (actions->type == type)
            return true;
    return false;
}

struct rte_flow *
rte_flow_create(UNUSED uint16_t id, UNUSED const struct rte_flow_attr *attr,
                UNUSED const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
                UNUSED struct rte_flow_error *error)
{
    if ((has_action(actions, RTE_FLOW_ACTION_TYPE_QUEUE) && !port.queue) ||
        (has_action(actions, RTE_FLOW_ACTION_TYPE_MARK) && !port.mark) ||
        (has_action(actions, RTE_FLOW_ACTION_TYPE_DROP) && !port.drop))
        return NULL;
    port.rules++;
    return (struct rte_flow *)(void *)&port;
}

int
rte_flow_destroy(UNUSED uint16_t id, UNUSED struct rte_flow *flow, UNUSED struct rte_flow_error *error)
{
    port.rules--;
    return 0;
}

static int
take(bool does, int *there)
{
    if (!does)
        return -ENOTSUP;
    ++*there;
    return 0;
}

int
rte_mtr_meter_profile_add(UNUSED uint16_t id, UNUSED uint32_t profile,
                          UNUSED struct rte_mtr_meter_profile *p, UNUSED struct rte_mtr_error *e)
{
    return take(port.policy || port.meter, &port.profiles);
}

int
rte_mtr_meter_profile_delete(UNUSED uint16_t id, UNUSED uint32_t profile, UNUSED struct rte_mtr_error *e)
{
    assert_int_equal(port.meters, 0);
    port.profiles--;
    return 0;
}

int
rte_mtr_meter_policy_add(UNUSED uint16_t id, UNUSED uint32_t policy,
                         UNUSED struct rte_mtr_meter_policy_params *p, UNUSED struct rte_mtr_error *e)
{
    return take(port.policy, &port.policies);
}

int
rte_mtr_meter_policy_delete(UNUSED uint16_t id, UNUSED uint32_t policy, UNUSED struct rte_mtr_error *e)
{
    port.policies--;
    return 0;
}

int
rte_mtr_create(UNUSED uint16_t id, UNUSED uint32_t meter, UNUSED struct rte_mtr_params *p,
               UNUSED int shared, UNUSED struct rte_mtr_error *e)
{
    return take(port.meter, &port.meters);
}

int
rte_mtr_destroy(UNUSED uint16_t id, UNUSED uint32_t meter, UNUSED struct rte_mtr_error *e)
{
    port.meters--;
    return 0;
}

int
rte_tm_capabilities_get(UNUSED uint16_t id, struct rte_tm_capabilities *capabilities,
                        UNUSED struct rte_tm_error *error)
{
    capabilities->shaper_private_n_max = port.shapers_said;
    return port.shapers_said > 0 ? 0 : -ENOSYS;
}

int
rte_tm_shaper_profile_add(UNUSED uint16_t id, UNUSED uint32_t profile,
                          UNUSED struct rte_tm_shaper_params *p, UNUSED struct rte_tm_error *e)
{
    return take(port.shaper, &port.shapers);
}

int
rte_tm_shaper_profile_delete(UNUSED uint16_t id, UNUSED uint32_t profile, UNUSED struct rte_tm_error *e)
{
    port.shapers--;
    return 0;
}

static void
nothing_is_left_behind(void)
{
    assert_int_equal(port.rules, 0);
    assert_int_equal(port.profiles, 0);
    assert_int_equal(port.policies, 0);
    assert_int_equal(port.meters, 0);
    assert_int_equal(port.shapers, 0);
}

static void
a_port_that_takes_nothing_does_nothing(UNUSED void **state)
{
    struct port_hardware h;
    port = (typeof(port)){.queue = false};
    hardware_probe(0, &h);
    assert_false(h.flow_queue || h.flow_mark || h.flow_drop || h.meter || h.shaper);
    nothing_is_left_behind();
}

static void
what_it_takes_is_told_and_taken_away(UNUSED void **state)
{
    struct port_hardware h;
    port = (typeof(port)){true, true, true, true, true, true, .shapers_said = 8};
    hardware_probe(0, &h);
    assert_true(h.flow_queue && h.flow_mark && h.flow_drop && h.meter && h.shaper);
    nothing_is_left_behind();
}

static void
what_it_only_says_is_not_believed(UNUSED void **state)
{
    struct port_hardware h;
    port = (typeof(port)){.queue = true, .policy = true, .shapers_said = 8};
    hardware_probe(0, &h);
    assert_true(h.flow_queue);
    assert_false(h.flow_mark || h.flow_drop || h.meter || h.shaper);
    nothing_is_left_behind();
}

// -- Interconnect --

static void
put(const char *folder, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    if (!text)
        return;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
the_link_is_read_as_it_was_trained(UNUSED void **state)
{
    char folder[] = "/tmp/offload-hardware.XXXXXX";
    struct interconnect link;
    assert_non_null(mkdtemp(folder));
    put(folder, "current_link_speed", "16.0 GT/s PCIe\n");
    put(folder, "current_link_width", "8\n");
    put(folder, "numa_node", "1\n");
    assert_true(interconnect_read(folder, &link));
    assert_int_equal(link.pcie_gen, 4);
    assert_int_equal(link.lanes, 8);
    assert_int_equal(link.numa_node, 1);
    assert_int_equal(link.bps, 126030769230ull); // 16 GT/s * 8 * 128/130
    put(folder, "current_link_speed", "2.5 GT/s PCIe\n");
    put(folder, "current_link_width", "1\n");
    assert_true(interconnect_read(folder, &link));
    assert_int_equal(link.bps, 2000000000);
    put(folder, "current_link_speed", "Unknown\n");
    put(folder, "current_link_width", "63\n");
    assert_false(interconnect_read(folder, &link));
    assert_int_equal(link.bps, 0);
    assert_int_equal(link.numa_node, 1);
    put(folder, "current_link_speed", NULL);
    put(folder, "current_link_width", NULL);
    put(folder, "numa_node", NULL);
    assert_false(interconnect_read(folder, &link));
    rmdir(folder);
}

static void
a_virtual_port_has_no_link(UNUSED void **state)
{
    struct interconnect link;
    assert_false(interconnect_of("net_null0,size=64", &link));
    assert_false(interconnect_of("ffff:ff:1f.7", &link));
    assert_int_equal(link.numa_node, -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_that_takes_nothing_does_nothing),
        cmocka_unit_test(what_it_takes_is_told_and_taken_away),
        cmocka_unit_test(what_it_only_says_is_not_believed),
        cmocka_unit_test(the_link_is_read_as_it_was_trained),
        cmocka_unit_test(a_virtual_port_has_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
