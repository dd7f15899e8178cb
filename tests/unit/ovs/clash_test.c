// SPDX-License-Identifier: Apache-2.0
// libopenvswitch is built with its json_object_put renamed; without that, one of the two libraries
// would call the other's and crash. Linked twice, json-c first and last.
#include "tests/unit/unit.h"

#include "tests/unit/ovs/clash.h"

static void
both_libraries_reach_their_own_json_object_put(UNUSED void **state)
{
    assert_int_equal(clash_sum_jsonc(), 42);
    assert_int_equal(clash_sum_ovs(), 42);
    assert_int_equal(clash_sum_jsonc(), 42);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_libraries_reach_their_own_json_object_put)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
