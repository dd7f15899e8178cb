// SPDX-License-Identifier: Apache-2.0
// OVS's side: json_object_put() stores a member.
#include <config.h>

#include <openvswitch/json.h>
#include <openvswitch/shash.h>

#include "tests/unit/ovs/clash.h"

int
clash_sum_ovs(void)
{
    struct json *object = json_object_create();
    json_object_put(object, "a", json_integer_create(40));
    json_object_put(object, "b", json_integer_create(2));
    const struct json *a = shash_find_data(json_object(object), "a"),
                      *b = shash_find_data(json_object(object), "b");
    int sum = a && b ? (int)(json_integer(a) + json_integer(b)) : -1;
    json_destroy(object);
    return sum;
}
