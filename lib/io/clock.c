// SPDX-License-Identifier: Apache-2.0
// The host's clocks: the one place that reads them.
#include "lib/io/clock.h"

#include <offload/units.h>

#include <time.h>

static uint64_t
read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now); // cannot fail: both clocks exist on every Linux
    return (uint64_t)now.tv_sec * OFFLOAD_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t
clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}
