// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC client that waits: one connection, one request at a time, one deadline for all of a
// call. format -> connect, send, receive -> read.  Runs on the caller's thread.
#include "lib/io/client_blocking.h"

#include "lib/io/clock.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/message.h"

#include <offload/units.h>

#include <json-c/json.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READ_BYTES = 16384,
};

struct rpc_client {
    char *path;
    uint64_t timeout_ns;
    int fd; // -1: not connected
    unsigned last_id;
    struct rpc_frame frame;
};

// One call under way.
struct call {
    unsigned id;
    uint64_t deadline_ns;
    bool any_read; // the peer has answered something, so it has seen the request
    bool done;
    int rc;
    struct json_object *result;
    struct offload_err *err;
};

struct rpc_client *
rpc_client_create(const char *path, unsigned timeout_ms)
{
    struct rpc_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->path = strdup(path);
    if (!client->path) {
        free(client);
        return NULL;
    }
    client->timeout_ns = timeout_ms * OFFLOAD_NS_PER_MS;
    client->fd = -1;
    rpc_frame_init(&client->frame);
    return client;
}

static void
disconnect(struct rpc_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    rpc_frame_fini(&client->frame);
}

void
rpc_client_destroy(struct rpc_client *client)
{
    if (!client)
        return;
    disconnect(client);
    free(client->path);
    free(client);
}

// Waits until the socket can do 'events'. 0 or -ETIMEDOUT.
static int
wait_for(struct rpc_client *client, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        uint64_t left_ms = (deadline_ns - now + OFFLOAD_NS_PER_MS - 1) / OFFLOAD_NS_PER_MS;
        struct pollfd pfd = {.fd = client->fd, .events = events};
        int n = poll(&pfd, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int
connect_to(struct rpc_client *client, uint64_t deadline_ns)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(client->path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, client->path);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return -errno;
    for (;;) {
        if (connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        // The queue of the listening socket is full, and poll() cannot wait for room in it.
        if (clock_monotonic_ns() >= deadline_ns)
            return -ETIMEDOUT;
        poll(NULL, 0, 5);
    }
}

static int
send_line(struct rpc_client *client, const char *line, size_t len, uint64_t deadline_ns)
{
    while (len > 0) {
        ssize_t n = send(client->fd, line, len, MSG_NOSIGNAL);
        if (n >= 0) {
            line += n;
            len -= (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return errno == EPIPE ? -ECONNRESET : -errno;
        int rc = wait_for(client, POLLOUT, deadline_ns);
        if (rc)
            return rc;
    }
    return 0;
}

static bool
take_line(void *ctx, const char *line, size_t len)
{
    struct call *call = ctx;
    struct json_object *result = NULL;
    if (call->done)
        return true; // a notification behind the answer
    call->rc = line ? rpc_read_response(line, len, call->id, &result, call->err)
                    : offload_err_set(call->err, -EPROTO, NULL, NULL,
                                      "the answer is longer than %d bytes", RPC_LINE_MAX);
    call->done = call->rc != -EAGAIN;
    if (call->done)
        call->result = result;
    else
        json_object_put(result); // a notification, or the late answer to a call given up
    return true;
}

// Waits for the answer. A failure of the peer's method is an outcome in 'call', not a failure here.
static int
receive(struct rpc_client *client, struct call *call)
{
    char bytes[READ_BYTES];
    while (!call->done) {
        int rc = wait_for(client, POLLIN, call->deadline_ns);
        if (rc)
            return rc;
        ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ECONNRESET;
        call->any_read = true;
        rc = rpc_frame_feed(&client->frame, bytes, (size_t)n, take_line, call);
        if (rc)
            return rc;
    }
    return 0;
}

static int
exchange(struct rpc_client *client, const char *line, struct call *call)
{
    if (client->fd < 0) {
        int rc = connect_to(client, call->deadline_ns);
        if (rc)
            return rc;
    }
    int rc = send_line(client, line, strlen(line), call->deadline_ns);
    // A peer that refuses us says why before it closes: read it even if it takes no more.
    int read_rc = rc && rc != -ECONNRESET ? rc : receive(client, call);
    return call->done ? 0 : (rc ? rc : read_rc);
}

static int
fail(struct rpc_client *client, int rc, struct offload_err *err)
{
    switch (rc) {
    case -ENOENT:
    case -ECONNREFUSED:
        return offload_err_set(err, rc, client->path, "start the daemon that serves it",
                               "nobody listens there: %s", strerror(-rc));
    case -ETIMEDOUT:
        return offload_err_set(err, rc, client->path, NULL, "no answer within %ju ms",
                               (uintmax_t)(client->timeout_ns / OFFLOAD_NS_PER_MS));
    case -ECONNRESET:
        return offload_err_set(err, rc, client->path, NULL,
                               "the peer closed the connection before it answered");
    default:
        return offload_err_set(err, rc, client->path, NULL, "%s", strerror(-rc));
    }
}

int
rpc_client_call(struct rpc_client *client, const char *method, struct json_object *params,
                struct json_object **result, struct offload_err *err)
{
    if (++client->last_id == 0)
        client->last_id = 1; // 0 would be a notification
    struct call call = {.id = client->last_id, .err = err};
    call.deadline_ns = clock_monotonic_ns() + client->timeout_ns;
    char *line = rpc_format_request(call.id, method, params);
    if (!line)
        return fail(client, -ENOMEM, err);

    // A kept connection may have died since the last call: that shows now, before anything is read.
    bool was_kept = client->fd >= 0;
    int rc = exchange(client, line, &call);
    if (was_kept && !call.any_read && (rc == -ECONNRESET || rc == -EPIPE)) {
        disconnect(client);
        rc = exchange(client, line, &call);
    }
    free(line);
    if (rc || call.rc == -EPROTO)
        disconnect(client);
    if (rc)
        return fail(client, rc, err);
    if (call.rc == 0 && result)
        *result = call.result;
    else
        json_object_put(call.result);
    return call.rc;
}
