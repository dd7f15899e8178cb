// SPDX-License-Identifier: Apache-2.0
// An idle worker gives its core away: after some rounds without work it sleeps, never beyond the
// moment at which a waiting packet can be paid for. On a machine with few cores the peers that fill
// its rings need the time.
#include "dpdk-app/worker.h"

#include <rte_cycles.h>
#include <rte_pause.h>

#include <time.h>

enum {
    IDLE_ROUNDS = 64, // about 5 us of polling: a gap within a burst costs no sleep
    LEAST_US = 3,     // a shorter sleep takes longer than it says
};

void
sleep_if_idle(struct worker *w, bool worked, uint64_t due_cycles)
{
    if (worked) {
        w->idle_rounds = 0;
        return;
    }
    if (++w->idle_rounds < IDLE_ROUNDS || w->sleep_us == 0) {
        rte_pause();
        return;
    }
    uint64_t us = w->sleep_us, now = rte_rdtsc();
    if (due_cycles <= now)
        return;
    if (due_cycles != UINT64_MAX)
        us = RTE_MIN(us, (due_cycles - now) / (w->tsc_hz / 1000000));
    if (us < LEAST_US) {
        rte_pause();
        return;
    }
    count_add(&w->sleeps, 1);
    nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000 * 1000)},
              NULL);
}
