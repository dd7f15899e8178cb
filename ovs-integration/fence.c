// SPDX-License-Identifier: Apache-2.0
// Asks ovs-vswitchd for "revalidator/wait", one at a time, over its control socket.
// reroute -> [fence] -> ovs-vswitchd.
//
//    idle --asked--> waiting --reply--> idle              what was asked meanwhile starts the next
//                    waiting --lost, silent--> pausing --RETRY_MS--> waiting
#include <config.h>

#include <openvswitch/json.h>
#include <openvswitch/poll-loop.h>

#include "jsonrpc.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

#include "lib/io/log.h"
#include "ovs-integration/fence.h"

#include <errno.h>
#include <unistd.h>

enum {
    RETRY_MS = 500,
    SILENCE_MS = 10000, // twenty times what a fence takes
};

struct fence {
    const struct settings *settings;
    struct jsonrpc *rpc; // NULL: idle or pausing
    uint64_t asked, begun, passed;
    long long int deadline_ms; // waiting: for the reply; pausing: until the next try
    bool logged;
};

struct fence *
fence_create(const struct settings *settings)
{
    struct fence *fence = xzalloc(sizeof *fence);
    fence->settings = settings;
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
    fence->deadline_ms = time_msec() + SILENCE_MS;
    rc = jsonrpc_send(fence->rpc,
                      jsonrpc_create_request("revalidator/wait", json_array_create_empty(), NULL));
    if (rc)
        fail(fence, ovs_strerror(rc));
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
        bool ok = msg->type == JSONRPC_REPLY;
        jsonrpc_msg_destroy(msg);
        if (!ok) {
            fail(fence, "it does not know revalidator/wait");
            return;
        }
        jsonrpc_close(fence->rpc);
        fence->rpc = NULL;
        fence->passed = fence->begun;
        fence->deadline_ms = 0;
        fence->logged = false;
    } else if (rc != EAGAIN) {
        fail(fence, ovs_retval_to_string(rc));
    } else if (time_msec() >= fence->deadline_ms) {
        fail(fence, "no reply");
    }
}

void
fence_wait(struct fence *fence)
{
    if (fence->rpc) {
        jsonrpc_wait(fence->rpc);
        jsonrpc_recv_wait(fence->rpc);
        poll_timer_wait_until(fence->deadline_ms);
    } else if (fence->asked > fence->passed) {
        poll_timer_wait_until(fence->deadline_ms);
    }
}
