// SPDX-License-Identifier: Apache-2.0
// One unit speaks json-c, the other OVS's JSON, in one program: the sum that each reads from its
// object.
#pragma once

int clash_sum_jsonc(void);
int clash_sum_ovs(void);
