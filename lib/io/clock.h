// SPDX-License-Identifier: Apache-2.0
// The host's clocks. Engines take 'now' as an argument; only hosts read it here.
#pragma once

#include <stdint.h>

uint64_t clock_monotonic_ns(void);
uint64_t clock_wall_ns(void); // since 1970, for what people and RRD files read
