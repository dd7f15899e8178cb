// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC client that waits: one connection, one request at a time, one deadline for all of a
// call. format -> connect, send, receive -> read.  Runs on the caller's thread.
#include "lib/io/client_blocking.h"

#include "lib/io/clock.h"
#include "lib/io/tls.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/message.h"

#include <offload/units.h>

#include <json-c/json.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 16384,
};

struct rpc_client {
    char *path;
    uint64_t timeout_ns;
    int fd; // -1: not connected
    struct tls *tls;        // NULL: a Unix socket
    struct ssl_st *session; // of the connection
    char host[256], port[16];
    char why[200]; // TLS failed
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
    SSL_free(client->session);
    client->session = NULL;
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
    tls_destroy(client->tls);
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

int
rpc_client_set_tls(struct rpc_client *client, const struct tls_files *files,
                   struct offload_err *err)
{
    static const char expected[] = "use tls:HOST:PORT, such as tls:card1.example:7611";
    const char *host = client->path + 4, *colon = strrchr(client->path, ':');
    bool bracketed = strncmp(client->path, "tls:[", 5) == 0;
    if (strncmp(client->path, "tls:", 4) != 0 || colon <= host || !colon[1] ||
        (size_t)(colon - host) >= sizeof client->host || strlen(colon + 1) >= sizeof client->port ||
        (bracketed && colon[-1] != ']'))
        return offload_err_set(err, -EINVAL, client->path, expected, "is no such address");
    snprintf(client->host, sizeof client->host, "%.*s", (int)(colon - host - 2 * bracketed),
             host + bracketed);
    snprintf(client->port, sizeof client->port, "%s", colon + 1);
    struct offload_err own;
    struct tls *tls = tls_create(files, err ? err : &own);
    if (!tls)
        return err ? err->code : own.code;
    tls_destroy(client->tls);
    client->tls = tls;
    return 0;
}

// One step of OpenSSL's said 'n': waits for what it needs. 0: try again.
static int
tls_wait(struct rpc_client *client, int n, uint64_t deadline_ns)
{
    int what = SSL_get_error(client->session, n);
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return wait_for(client, what == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ns);
    if (what == SSL_ERROR_ZERO_RETURN)
        return -ECONNRESET;
    unsigned long code = ERR_get_error();
    tls_failure(client->session, code, client->why, sizeof client->why);
    ERR_clear_error();
    return code || !SSL_is_init_finished(client->session) ? -EACCES : -ECONNRESET;
}

static int
connect_tcp(struct rpc_client *client, const struct addrinfo *to, uint64_t deadline_ns)
{
    int one = 1, error = 0;
    socklen_t len = sizeof error;
    client->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return -errno;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(client->fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -errno;
    int rc = wait_for(client, POLLOUT, deadline_ns);
    if (rc == 0 && getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        rc = -errno;
    return rc ? rc : -error;
}

static int
connect_tls(struct rpc_client *client, uint64_t deadline_ns)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    client->why[0] = 0;
    if (tls_changed(client->tls))
        tls_reload(client->tls, NULL); // else as before
    if (getaddrinfo(client->host, client->port, &hints, &list) != 0)
        return -EHOSTUNREACH;
    int rc = -EHOSTUNREACH;
    for (const struct addrinfo *to = list; to && rc != 0; to = to->ai_next) {
        disconnect(client);
        rc = connect_tcp(client, to, deadline_ns);
    }
    freeaddrinfo(list);
    if (rc != 0)
        return rc;
    client->session = tls_client_session(client->tls, client->host);
    if (!client->session || SSL_set_fd(client->session, client->fd) != 1)
        return -ENOMEM;
    for (int n; (n = SSL_do_handshake(client->session)) != 1;) {
        rc = tls_wait(client, n, deadline_ns);
        if (rc != 0)
            return rc;
    }
    return 0;
}

// As send() and recv(), over TLS where there is TLS. -EAGAIN: waited, try again.
static ssize_t
put_bytes(struct rpc_client *client, const char *bytes, size_t len, uint64_t deadline_ns)
{
    if (!client->session) {
        ssize_t n = send(client->fd, bytes, len, MSG_NOSIGNAL);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR))
            return n >= 0 ? n : -errno;
        int rc = wait_for(client, POLLOUT, deadline_ns);
        return rc ? rc : -EAGAIN;
    }
    int n = SSL_write(client->session, bytes, (int)len);
    if (n > 0)
        return n;
    int rc = tls_wait(client, n, deadline_ns);
    return rc ? rc : -EAGAIN;
}

static ssize_t
take_bytes(struct rpc_client *client, char *bytes, size_t size, uint64_t deadline_ns)
{
    if (!client->session) {
        int rc = wait_for(client, POLLIN, deadline_ns);
        if (rc)
            return rc;
        ssize_t n = recv(client->fd, bytes, size, 0);
        if (n < 0)
            return errno == EINTR ? -EAGAIN : -errno;
        return n == 0 ? -ECONNRESET : n;
    }
    int n = SSL_read(client->session, bytes, (int)size);
    if (n > 0)
        return n;
    int rc = tls_wait(client, n, deadline_ns);
    return rc ? rc : -EAGAIN;
}

static int
connect_to(struct rpc_client *client, uint64_t deadline_ns)
{
    if (client->tls)
        return connect_tls(client, deadline_ns);
    if (strncmp(client->path, "tls:", 4) == 0)
        return -ENOKEY;
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
        ssize_t n = put_bytes(client, line, len, deadline_ns);
        if (n >= 0) {
            line += n;
            len -= (size_t)n;
        } else if (n != -EAGAIN) {
            return n == -EPIPE ? -ECONNRESET : (int)n;
        }
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
        ssize_t n = take_bytes(client, bytes, sizeof bytes, call->deadline_ns);
        if (n == -EAGAIN)
            continue;
        if (n < 0)
            return (int)n;
        call->any_read = true;
        int rc = rpc_frame_feed(&client->frame, bytes, (size_t)n, take_line, call);
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
    case -EACCES:
        if (client->why[0])
            return offload_err_set(err, rc, client->path,
                                   "see the certificates of both sides, their names and dates",
                                   "%s", client->why);
        return offload_err_set(err, rc, client->path, NULL, "%s", strerror(-rc));
    case -ENOKEY:
        return offload_err_set(err, -EINVAL, client->path, "give certificate, key and authority",
                               "has no certificate to show");
    case -EHOSTUNREACH:
        return offload_err_set(err, rc, client->path, "see its name and the network",
                               "the host is not reached");
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

    // OpenSSL writes without MSG_NOSIGNAL.
    sigset_t pipe, before;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    // A kept connection may have died since the last call: that shows now, before anything is read.
    bool was_kept = client->fd >= 0;
    int rc = exchange(client, line, &call);
    if (was_kept && !call.any_read && (rc == -ECONNRESET || rc == -EPIPE)) {
        disconnect(client);
        rc = exchange(client, line, &call);
    }
    free(line);
    static const struct timespec at_once = {0};
    if (!sigismember(&before, SIGPIPE)) {
        while (sigtimedwait(&pipe, NULL, &at_once) > 0)
            ;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
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
