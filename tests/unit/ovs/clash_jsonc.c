// SPDX-License-Identifier: Apache-2.0
// json-c's side: json_object_put() gives a reference back.
#include "tests/unit/ovs/clash.h"

#include <json-c/json.h>

int
clash_sum_jsonc(void)
{
    struct json_object *object = json_object_new_object(), *value;
    json_object_object_add(object, "a", json_object_new_int(40));
    json_object_object_add(object, "b", json_object_new_int(2));
    int sum = 0;
    if (json_object_object_get_ex(object, "a", &value))
        sum += json_object_get_int(value);
    if (json_object_object_get_ex(object, "b", &value))
        sum += json_object_get_int(value);
    return json_object_put(object) == 1 ? sum : -1;
}
