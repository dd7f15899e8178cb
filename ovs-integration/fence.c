// SPDX-License-Identifier: Apache-2.0
// Asks ovs-vswitchd for "revalidator/wait" over its control socket, and helps it to answer soon.
// reroute -> [fence] -> ovs-vswitchd.
//
//    idle --asked--> waiting --ROUNDS replies--> idle     what was asked meanwhile starts the next
//                    waiting --lost, silent--> pausing --RETRY_MS--> waiting
//
// One reply is not enough. It says that a round over all cached flows has ended since the request
// came, but that round may have begun before the swap. The second round may still have begun before
// the main thread told the revalidators of the swap, if the first took longer than max-revalidator
// (500 ms). The third has begun after all of it.
//
// Left alone, each reply takes up to half a second: without work the revalidators sleep that long,
// and so does the main thread, which nobody wakes when a round has ended. So flowd nudges: a change
// of nothing starts a round, echo requests wake the main thread. (Three replies then take some 20
// ms.)
//
// An OVS with datapaths of two types refuses to wait; there the cached flows are thrown away
// instead.
#include <config.h>

#include <openvswitch/json.h>
#include <openvswitch/poll-loop.h>

#include "jsonrpc.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

#include "lib/io/log.h"
#include "ovs-integration/bundle.h"
#include "ovs-integration/fence.h"

#include <errno.h>
#include <unistd.h>

enum {
    ROUNDS = 3,
    RETRY_MS = 500,
    SILENCE_MS = 10000,
    NUDGE_MS = 3,
    NUDGES_A_CHANGE =
        16,           // the others only wake: a round over many cached flows costs the switch time
    NUDGES_FAST = 64, // from then on ten times slower
};

struct fence {
    const struct settings *settings;
    struct bridges *bridges;
    struct jsonrpc *rpc; // NULL: idle or pausing
    uint64_t asked, begun, passed;
    unsigned replies;          // of ROUNDS
    unsigned nudges;           // since the last request
    bool purge;                // this OVS cannot wait
    long long int nudge_ms;    // when the next nudge is due
    long long int deadline_ms; // waiting: for the reply; pausing: until the next try
    bool logged;
};

struct fence *
fence_create(const struct settings *settings, struct bridges *bridges)
{
    struct fence *fence = xzalloc(sizeof *fence);
    fence->settings = settings;
    fence->bridges = bridges;
    return fence;
}

void
fence_destroy(struct fence *fence)
{
    if (!fence)
        return;
    jsonrpc_close(fence->rpc);
    free(fence);
}

uint64_t
fence_ask(struct fence *fence)
{
    fence->asked = fence->begun + 1;
    return fence->asked;
}

uint64_t
fence_passed(const struct fence *fence)
{
    return fence->passed;
}

// Where ovs-vswitchd listens: as configured, by the PID in its pid file, or without. Caller frees.
static char *
control_socket(const struct settings *settings)
{
    if (settings->vswitchd_ctl[0])
        return xasprintf("unix:%s", settings->vswitchd_ctl);
    char *pidfile = xasprintf("%s/ovs-vswitchd.pid", settings->ovs_rundir);
    FILE *file = fopen(pidfile, "r");
    long pid = 0;
    free(pidfile);
    if (file) {
        char *path = fscanf(file, "%9ld", &pid) == 1
                         ? xasprintf("unix:%s/ovs-vswitchd.%ld.ctl", settings->ovs_rundir, pid)
                         : NULL;
        fclose(file);
        if (path && !access(path + strlen("unix:"), F_OK))
            return path;
        free(path);
    }
    return xasprintf("unix:%s/ovs-vswitchd.ctl", settings->ovs_rundir);
}

static void
fail(struct fence *fence, const char *why)
{
    jsonrpc_close(fence->rpc);
    fence->rpc = NULL;
    fence->deadline_ms = time_msec() + RETRY_MS;
    if (!fence->logged)
        log_warning("ovs-vswitchd's control socket: %s; swaps stay unfenced until it answers", why);
    fence->logged = true;
}

static void
request(struct fence *fence)
{
    const char *method = fence->purge ? "revalidator/purge" : "revalidator/wait";
    long long int now_ms = time_msec();
    fence->nudges = 0;
    fence->nudge_ms = now_ms + NUDGE_MS;
    fence->deadline_ms = now_ms + SILENCE_MS;
    int rc =
        jsonrpc_send(fence->rpc, jsonrpc_create_request(method, json_array_create_empty(), NULL));
    if (rc)
        fail(fence, ovs_strerror(rc));
}

static void
begin(struct fence *fence)
{
    struct stream *stream;
    char *remote = control_socket(fence->settings);
    int rc = stream_open(remote, &stream, 0);
    if (rc) {
        char why[256];
        snprintf(why, sizeof why, "%s: %s", remote, ovs_strerror(rc));
        free(remote);
        fail(fence, why);
        return;
    }
    free(remote);
    fence->rpc = jsonrpc_open(stream);
    fence->begun = fence->asked;
    fence->replies = 0;
    request(fence);
}

static void
on_reply(struct fence *fence, const struct jsonrpc_msg *msg)
{
    if (msg->type != JSONRPC_REPLY) {
        if (fence->purge) {
            fail(fence, "it knows neither revalidator/wait nor revalidator/purge");
            return;
        }
        fence->purge = true;
        fence->replies = 0;
        log_notice(
            "ovs-vswitchd cannot wait for its revalidators: fences purge the datapath's flows");
        request(fence);
        return;
    }
    if (++fence->replies < ROUNDS) {
        request(fence);
        return;
    }
    jsonrpc_close(fence->rpc);
    fence->rpc = NULL;
    fence->passed = fence->begun;
    fence->deadline_ms = 0;
    fence->logged = false;
}

// See the top: the first nudge after a request starts a round, then a few wake the main thread.
static void
nudge(struct fence *fence)
{
    bool change = fence->nudges % NUDGES_A_CHANGE == 0;
    for (size_t i = 0; i < bridges_count(fence->bridges); i++)
        if (bridge_ready(bridges_at(fence->bridges, i)))
            change ? bundle_change_nothing(bridges_at(fence->bridges, i))
                   : bundle_wake(bridges_at(fence->bridges, i));
    fence->nudges++;
    fence->nudge_ms = time_msec() + (fence->nudges < NUDGES_FAST ? NUDGE_MS : NUDGE_MS * 10);
}

void
fence_run(struct fence *fence)
{
    struct jsonrpc_msg *msg;
    if (!fence->rpc) {
        if (fence->asked > fence->passed && time_msec() >= fence->deadline_ms)
            begin(fence);
        if (!fence->rpc)
            return;
    }
    jsonrpc_run(fence->rpc);
    int rc = jsonrpc_recv(fence->rpc, &msg);
    if (!rc) {
        on_reply(fence, msg);
        jsonrpc_msg_destroy(msg);
    } else if (rc != EAGAIN) {
        fail(fence, ovs_retval_to_string(rc));
    } else if (time_msec() >= fence->deadline_ms) {
        fail(fence, "no reply");
    } else if (time_msec() >= fence->nudge_ms) {
        nudge(fence);
    }
}

void
fence_wait(struct fence *fence)
{
    if (fence->rpc) {
        jsonrpc_wait(fence->rpc);
        jsonrpc_recv_wait(fence->rpc);
        poll_timer_wait_until(MIN(fence->deadline_ms, fence->nudge_ms));
    } else if (fence->asked > fence->passed) {
        poll_timer_wait_until(fence->deadline_ms);
    }
}
