// SPDX-License-Identifier: Apache-2.0
// The loop: each part does what it can without waiting (run), then says what to wake it for (wait).
#include <config.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>

#include "fatal-signal.h"
#include "timeval.h"
#include "util.h"

#include "lib/io/clock.h"
#include "lib/io/log.h"
#include "ovs-integration/change.h"
#include "ovs-integration/loop.h"
#include "ovs-integration/repair.h"
#include "ovs-integration/reroute.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int signal_fd = -1;

void
loop_init(const char *program)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    signal_fd = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
    ovs_assert(signal_fd >= 0);
    ovs_set_program_name(program, OFFLOAD_VERSION);
    fatal_ignore_sigpipe();
    // What an operator must know of connections, flowd says itself.
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_ERR);
}

static bool
is_stopped(void)
{
    struct signalfd_siginfo info;
    return read(signal_fd, &info, sizeof info) == sizeof info;
}

// The due time in OVS's clock, which counts milliseconds: rounded up, or the loop would spin
// meanwhile.
static void
wait_until(uint64_t due_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (due_ns == UINT64_MAX)
        return;
    uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    poll_timer_wait(left_ns ? (long long int)(left_ns / OFFLOAD_NS_PER_MS) + 1 : 0);
}

static bool
is_free(const struct flowd *flowd)
{
    return change_turn(flowd, 0) == CHANGE_FREE;
}

void
loop_run(struct flowd *flowd, struct server *server)
{
    while (!is_stopped()) {
        bridges_run(flowd->bridges);
        repair_run(flowd, clock_monotonic_ns());
        change_run(flowd);
        // Who asked for the change that has ended takes its outcome now, or is gone.
        bool ended = change_has_ended(flowd);
        server_run(server, ended || is_free(flowd));
        if (ended && change_has_ended(flowd))
            change_drop(flowd);
        change_run(flowd);
        fence_run(flowd->fence);
        reroute_run(flowd, clock_monotonic_ns());

        bridges_wait(flowd->bridges);
        wait_until(repair_due_ns(flowd));
        server_wait(server, change_has_ended(flowd) || is_free(flowd));
        if (change_has_ended(flowd))
            poll_immediate_wake();
        fence_wait(flowd->fence);
        poll_fd_wait(signal_fd, POLLIN);
        poll_block();
    }
    log_notice("stopped; the flows stay in the switch");
}
