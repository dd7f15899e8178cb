// SPDX-License-Identifier: Apache-2.0
// An idle worker gives its core away: after some rounds without work it sleeps, never beyond the
// moment at which a waiting packet can be paid for, and the longer nothing has come, the longer: at
// most a thousandth of the silence, so that the first packet after it waits no longer than that,
// and never so long that a port's ring fills. On a machine with few cores the peers that fill its
// rings need the time.
#include "dpdk-app/worker.h"

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_power_intrinsics.h>

#include <time.h>

enum {
    IDLE_ROUNDS = 64,  // about 5 us of polling: a gap within a burst costs no sleep
    LEAST_US = 3,      // a shorter sleep takes longer than it says
    LONGEST_US = 1000, // a ring of 1,024 holds what comes meanwhile at 1 Mpps
    SILENCE_SHARE = 1000,
};

// Too short for a sleep: the core rests in hardware, where it can (umwait, tpause), so that its
// sibling runs faster.
static void
rest(struct worker *w)
{
    struct rte_cpu_intrinsics can;
    if (w->power_pause == POWER_PAUSE_UNKNOWN) {
        rte_cpu_get_intrinsics_support(&can);
        w->power_pause = can.power_pause ? POWER_PAUSE_YES : POWER_PAUSE_NO;
    }
    if (w->power_pause == POWER_PAUSE_YES && w->sleep_us > 0)
        rte_power_pause(rte_rdtsc() + w->tsc_hz / 1000000);
    else
        rte_pause();
}

static uint64_t
sleep_us_now(struct worker *w, uint64_t now)
{
    uint64_t us = w->sleep_us;
    if (w->ends != NULL) // a migration's other end waits for us
        return us;
    uint64_t silence_us = (now - w->idle_since_cycles) / (w->tsc_hz / 1000000);
    uint64_t longer = RTE_MIN(silence_us / SILENCE_SHARE, (uint64_t)LONGEST_US);
    return RTE_MAX(us, longer);
}

void
sleep_if_idle(struct worker *w, bool worked, uint64_t due_cycles)
{
    if (worked) {
        w->idle_rounds = 0;
        return;
    }
    if (++w->idle_rounds < IDLE_ROUNDS || w->sleep_us == 0) {
        rest(w);
        return;
    }
    uint64_t now = rte_rdtsc();
    if (w->idle_rounds == IDLE_ROUNDS)
        w->idle_since_cycles = now;
    uint64_t us = sleep_us_now(w, now);
    if (due_cycles <= now)
        return;
    if (due_cycles != UINT64_MAX)
        us = RTE_MIN(us, (due_cycles - now) / (w->tsc_hz / 1000000));
    if (us < LEAST_US) {
        rest(w);
        return;
    }
    count_add(&w->sleeps, 1);
    nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000 * 1000)},
              NULL);
}
