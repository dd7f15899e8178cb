// SPDX-License-Identifier: Apache-2.0
// JSON-RPC's transport for flowd: a non-blocking Unix socket in OVS's poll loop.
// socket -> [server] -> lib/rpc/frame -> lib/rpc/message -> api.
#include <config.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/util.h>

#include "lib/rpc/frame.h"
#include "ovs-integration/server.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_QUEUE = 64, READ_BYTES = 64 << 10 };

struct rpc_peer {
    struct server *server;
    uint64_t id;
    bool put_off; // by the request that was asked last
    char *held;   // lines whose turn has not come, the one that was put off first
    size_t n_held;
    int fd;
    struct rpc_frame frame;
    char *out; // answers, of which the first 'sent' bytes are gone
    size_t used, sent, size;
    bool ended;  // sends no more
    bool broken; // to be closed
};

struct server {
    struct sockaddr_un addr;
    int fd;
    const struct rpc_method *methods;
    void *ctx;
    struct rpc_peer *peers[SERVER_PEERS_MAX];
    size_t n;
    uint64_t last_id;
};

// 0 if the path is free, or was only left behind.
static int
clear_path(const struct sockaddr_un *addr, struct offload_err *err)
{
    struct stat st;
    if (lstat(addr->sun_path, &st))
        return errno == ENOENT
                   ? 0
                   : offload_err_set(err, -errno, addr->sun_path, NULL, "%s", strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return offload_err_set(err, -EEXIST, addr->sun_path, "move it away, or use another rundir",
                               "there is a file that is no socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)addr, sizeof *addr);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (!rc || saved == EAGAIN)
        return offload_err_set(err, -EADDRINUSE, addr->sun_path, "stop it, or use another rundir",
                               "another offload-flowd answers there");
    if (unlink(addr->sun_path))
        return offload_err_set(err, -errno, addr->sun_path, NULL, "%s", strerror(errno));
    return 0;
}

static int
listen_on(const struct sockaddr_un *addr, int *out, struct offload_err *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct group *group = getgrnam("offload");
    if (fd < 0)
        return offload_err_set(err, -errno, addr->sun_path, NULL, "%s", strerror(errno));
    // Nobody may connect before mode and group are right: they are set before listen().
    if (bind(fd, (const struct sockaddr *)addr, sizeof *addr) || chmod(addr->sun_path, 0660) ||
        (group && geteuid() == 0 && chown(addr->sun_path, (uid_t)-1, group->gr_gid)) ||
        listen(fd, LISTEN_QUEUE)) {
        int saved = errno;
        close(fd);
        return offload_err_set(err, -saved, addr->sun_path,
                               "use a rundir that is there and writable", "%s", strerror(saved));
    }
    *out = fd;
    return 0;
}

struct server *
server_create(const char *path, const struct rpc_method *methods, void *ctx,
              struct offload_err *err)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
        return NULL;
    }
    server->methods = methods;
    server->ctx = ctx;
    server->addr.sun_family = AF_UNIX;
    int n = snprintf(server->addr.sun_path, sizeof server->addr.sun_path, "%s", path);
    int rc = n < 0 || (size_t)n >= sizeof server->addr.sun_path
                 ? offload_err_set(err, -ENAMETOOLONG, path, "use a shorter rundir",
                                   "a socket's path has at most 107 bytes")
                 : clear_path(&server->addr, err);
    if (!rc)
        rc = listen_on(&server->addr, &server->fd, err);
    if (rc) {
        free(server);
        return NULL;
    }
    return server;
}

static void
close_peer(struct rpc_peer *peer)
{
    close(peer->fd);
    rpc_frame_fini(&peer->frame);
    free(peer->out);
    free(peer->held);
    free(peer);
}

void
server_destroy(struct server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->n; i++)
        close_peer(server->peers[i]);
    close(server->fd);
    unlink(server->addr.sun_path);
    free(server);
}

static bool
queue_answer(struct rpc_peer *peer, const char *text, size_t len)
{
    if (peer->sent == peer->used)
        peer->sent = peer->used = 0;
    if (peer->used - peer->sent + len > SERVER_BACKLOG_MAX)
        return false;
    if (peer->used + len > peer->size && peer->sent > 0) {
        peer->used -= peer->sent;
        memmove(peer->out, peer->out + peer->sent, peer->used);
        peer->sent = 0;
    }
    if (peer->used + len > peer->size) {
        size_t size = peer->used + len + 4096;
        char *more = realloc(peer->out, size);
        if (!more)
            return false;
        peer->out = more;
        peer->size = size;
    }
    memcpy(peer->out + peer->used, text, len);
    peer->used += len;
    return true;
}

int
server_put_off(struct rpc_peer *peer)
{
    peer->put_off = true;
    return -EINPROGRESS;
}

uint64_t
server_peer_id(const struct rpc_peer *peer)
{
    return peer->id;
}

// False if the peer has to be closed.
static bool
answer(struct rpc_peer *peer, const char *line, size_t len)
{
    peer->put_off = false;
    char *text = rpc_answer(peer->server->methods, peer->server->ctx, peer, line, len);
    bool ok = peer->put_off || !text || queue_answer(peer, text, strlen(text));
    free(text);
    return ok;
}

static bool
hold(struct rpc_peer *peer, const char *line, size_t len)
{
    char *more = realloc(peer->held, peer->n_held + len + 1);
    if (!more)
        return false;
    memcpy(more + peer->n_held, line, len);
    more[peer->n_held + len] = '\n';
    peer->held = more;
    peer->n_held += len + 1;
    return true;
}

static bool
on_line(void *ctx, const char *line, size_t len)
{
    struct rpc_peer *peer = ctx;
    if (line && peer->n_held)
        return hold(peer, line, len);
    return answer(peer, line, len) && (!peer->put_off || hold(peer, line, len));
}

// Asks again what was put off, and then what came behind it.
static void
retry_peer(struct rpc_peer *peer)
{
    size_t done = 0;
    bool ok = true;
    while (ok && done < peer->n_held) {
        const char *line = peer->held + done;
        size_t len = (size_t)((char *)memchr(line, '\n', peer->n_held - done) - line);
        ok = answer(peer, line, len);
        if (peer->put_off)
            break;
        done += len + 1;
    }
    peer->broken = !ok;
    peer->n_held -= done;
    if (peer->n_held)
        memmove(peer->held, peer->held + done, peer->n_held);
}

static void
read_peer(struct rpc_peer *peer)
{
    char buf[READ_BYTES];
    ssize_t n = recv(peer->fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n > 0)
        peer->broken = rpc_frame_feed(&peer->frame, buf, (size_t)n, on_line, peer) != 0;
    else if (n == 0)
        peer->ended = true;
    else
        peer->broken = errno != EAGAIN && errno != EINTR;
}

static void
write_peer(struct rpc_peer *peer)
{
    ssize_t n = send(peer->fd, peer->out + peer->sent, peer->used - peer->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        peer->sent += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        peer->broken = true;
}

static bool
wants_reading(const struct rpc_peer *peer)
{
    return !peer->ended && !peer->n_held && peer->used - peer->sent < SERVER_BACKLOG_PAUSE;
}

static void
run_peer(struct rpc_peer *peer, bool retry)
{
    if (retry && peer->n_held)
        retry_peer(peer);
    if (!peer->broken && wants_reading(peer))
        read_peer(peer);
    if (!peer->broken && peer->used > peer->sent)
        write_peer(peer);
    if (peer->ended && peer->used == peer->sent && !peer->n_held)
        peer->broken = true;
}

static void
accept_peers(struct server *server)
{
    while (server->n < SERVER_PEERS_MAX) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct rpc_peer *peer = calloc(1, sizeof *peer);
        if (!peer) {
            close(fd);
            return;
        }
        peer->server = server;
        peer->id = ++server->last_id;
        peer->fd = fd;
        rpc_frame_init(&peer->frame);
        server->peers[server->n++] = peer;
    }
}

void
server_run(struct server *server, bool retry)
{
    accept_peers(server);
    for (size_t i = 0; i < server->n; i++) {
        run_peer(server->peers[i], retry);
        if (server->peers[i]->broken) {
            close_peer(server->peers[i]);
            server->peers[i--] = server->peers[--server->n];
        }
    }
}

void
server_wait(struct server *server, bool retry)
{
    if (server->n < SERVER_PEERS_MAX)
        poll_fd_wait(server->fd, POLLIN);
    for (size_t i = 0; i < server->n; i++) {
        const struct rpc_peer *peer = server->peers[i];
        if (retry && peer->n_held)
            poll_immediate_wake();
        short events =
            (short)((wants_reading(peer) ? POLLIN : 0) | (peer->used > peer->sent ? POLLOUT : 0));
        if (events)
            poll_fd_wait(peer->fd, events);
    }
}
