// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC server in a libevent loop: accept (-> TLS handshake) -> read -> turn -> frame -> message -> method -> write.
// Everything runs on the event_base's thread, so nothing is locked. Peers are trusted as far as the
// socket's mode reaches, and bounded: their number, their longest line, the time that they take from
// others, the answers they leave unread.
#include "lib/io/server_libevent.h"

#include "lib/io/clock.h"
#include "lib/io/log.h"
#include "lib/io/tls.h"
#include "lib/rpc/frame.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <json-c/json.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READ_BYTES = 16384,       // of a request that are looked at in one go
    INPUT_MAX = 65536,        // read ahead of its turn; the rest waits with the peer
    ROUND_NS = 50000,         // what every waiting peer is given before any is given more
    TURNS_NS = 1000000,       // then sockets and timers are looked at
    LISTEN_BACKLOG = 128,
    HANDSHAKE_S = 10,
    STALL_MS = 30000,         // a peer that takes no byte of what waits for it that long is closed
    ACCEPT_PAUSE_US = 100000, // after accept() failed for want of file descriptors
};

struct rpc_peer {
    struct rpc_server *server;
    struct bufferevent *bev;
    struct rpc_frame frame;
    enum rpc_role role;
    struct ssl_st *session; // of 'bev'; NULL: a Unix socket
    bool shaking;           // the TLS handshake is under way
    size_t held;            // bytes of its half request and unread answers, as last counted
    uint64_t active_ns;     // when it last sent or took anything
    uint64_t origin;  // its user, or its address: who has how many connections
    uint64_t used_ns; // of the server's time, on the scale of 'given_ns'
    bool waits;       // for a turn
    bool ended;       // it sends no more: closed once its answers are written
    TAILQ_ENTRY(rpc_peer) link, turn;
};

struct rpc_server {
    struct event_base *base;
    const struct rpc_method *methods;
    const struct rpc_schema *schemas; // NULL: methods check for themselves
    void *ctx;
    void (*closed)(void *ctx, struct rpc_peer *peer);
    struct evconnlistener *listener, *tls_listener;
    struct tls *tls;
    const struct rpc_tls_client *clients;
    unsigned n_clients;
    struct event *resume; // listens again after a pause
    char *path;           // of the socket file, NULL: not listening
    gid_t gid;            // of the socket file: its members may do all
    dev_t dev;            // the file that is ours to unlink
    ino_t ino;
    unsigned n_peers, peers_max, origin_max;
    unsigned stall_ms;
    size_t held;                         // sum over peers
    TAILQ_HEAD(peer_list, rpc_peer) peers; // the longest silent first
    struct event *turns;                 // runs while peers wait
    struct peer_list waiting;            // in the order of this round
    unsigned n_waiting, n_round, n_served; // all; still to come in this round; served in it
    uint64_t given_ns;                   // to each that waited all the time
};

static size_t
backlog(struct rpc_peer *peer)
{
    return evbuffer_get_length(bufferevent_get_output(peer->bev));
}

static size_t
unserved(struct rpc_peer *peer)
{
    return evbuffer_get_length(bufferevent_get_input(peer->bev));
}

static void
leave_turn(struct rpc_peer *peer)
{
    if (!peer->waits)
        return;
    TAILQ_REMOVE(&peer->server->waiting, peer, turn);
    peer->server->n_waiting--;
    peer->waits = false;
}

static void
close_peer(struct rpc_peer *peer)
{
    struct rpc_server *server = peer->server;
    TAILQ_REMOVE(&server->peers, peer, link);
    server->n_peers--;
    server->held -= peer->held;
    leave_turn(peer);
    if (server->closed)
        server->closed(server->ctx, peer);
    bufferevent_free(peer->bev);
    rpc_frame_fini(&peer->frame);
    free(peer);
}

static void
count_held(struct rpc_peer *peer)
{
    size_t held = peer->frame.size + unserved(peer) + backlog(peer);
    peer->server->held += held - peer->held;
    peer->held = held;
}

static void
mark_active(struct rpc_peer *peer)
{
    peer->active_ns = clock_monotonic_ns();
    TAILQ_REMOVE(&peer->server->peers, peer, link);
    TAILQ_INSERT_TAIL(&peer->server->peers, peer, link);
}

// While all peers together hold too much, the one that holds most goes.
static void
shed(struct rpc_server *server)
{
    while (server->held > SERVER_HELD_MAX) {
        struct rpc_peer *peer, *most = TAILQ_FIRST(&server->peers);
        TAILQ_FOREACH (peer, &server->peers, link)
            if (peer->held > most->held)
                most = peer;
        log_warning("%s: peers hold %zu bytes; the one with %zu of them is closed", server->path,
                    server->held, most->held);
        close_peer(most);
    }
}

static bool
send_line(struct rpc_peer *peer, const char *line)
{
    bool sent = bufferevent_write(peer->bev, line, strlen(line)) == 0;
    count_held(peer);
    return sent;
}

static bool
answer_line(void *ctx, const char *line, size_t len)
{
    struct rpc_peer *peer = ctx;
    char *answer = rpc_answer_checked(peer->server->methods, peer->server->schemas, peer->role,
                                      peer->server->ctx, peer, line, len);
    bool sent = !answer || send_line(peer, answer);
    free(answer);
    return sent;
}

// A peer with unread answers is given no turn: it may ask on when it has read.
static void
take_turn(struct rpc_peer *peer)
{
    static const struct timeval at_once = {0};
    struct rpc_server *server = peer->server;
    if (peer->waits || unserved(peer) == 0 || backlog(peer) >= SERVER_UNREAD_MAX)
        return;
    // Who was silent saves nothing up; who has had more than the others waits for them.
    if (peer->used_ns < server->given_ns)
        peer->used_ns = server->given_ns;
    TAILQ_INSERT_TAIL(&server->waiting, peer, turn);
    server->n_waiting++;
    peer->waits = true;
    event_add(server->turns, &at_once);
}

// One request, or a piece of one.
static int
serve(struct rpc_peer *peer)
{
    struct evbuffer *input = bufferevent_get_input(peer->bev);
    size_t n = evbuffer_get_length(input) < READ_BYTES ? evbuffer_get_length(input) : READ_BYTES;
    const char *bytes = (const char *)evbuffer_pullup(input, (ev_ssize_t)n);
    if (!bytes)
        return -ENOMEM;
    const char *end = memchr(bytes, '\n', n);
    n = end ? (size_t)(end - bytes) + 1 : n;
    int rc = rpc_frame_feed(&peer->frame, bytes, n, answer_line, peer);
    evbuffer_drain(input, n);
    if (peer->frame.used == 0 && !peer->frame.skipping && peer->frame.size > READ_BYTES)
        rpc_frame_fini(&peer->frame); // it has sent a long one: the room is not kept for the next
    return rc;
}

// The end of a round: those that had less time than the others are served in the next.
static void
next_round(struct rpc_server *server)
{
    uint64_t least_ns = UINT64_MAX;
    struct rpc_peer *peer;
    server->given_ns += server->n_served > 0 ? ROUND_NS : 0;
    TAILQ_FOREACH (peer, &server->waiting, turn)
        if (peer->used_ns < least_ns)
            least_ns = peer->used_ns;
    if (server->n_waiting > 0 && least_ns > server->given_ns)
        server->given_ns = least_ns; // nobody else wants the time
    server->n_round = server->n_waiting;
    server->n_served = 0;
}

// Deals with the first of those that wait.
static void
run_turn(struct rpc_server *server)
{
    struct rpc_peer *peer = TAILQ_FIRST(&server->waiting);
    if (server->n_round > 0)
        server->n_round--;
    leave_turn(peer);
    if (peer->used_ns <= server->given_ns) {
        uint64_t start_ns = clock_monotonic_ns();
        if (serve(peer) != 0) {
            log_error("%s: out of memory; a connection is closed", server->path);
            close_peer(peer);
            return;
        }
        peer->used_ns += clock_monotonic_ns() - start_ns;
        server->n_served++;
        count_held(peer);
    }
    take_turn(peer);
    if (peer->ended && !peer->waits && unserved(peer) == 0 && backlog(peer) == 0)
        close_peer(peer);
}

static void
on_turns(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    static const struct timeval at_once = {0};
    struct rpc_server *server = ctx;
    uint64_t end_ns = clock_monotonic_ns() + TURNS_NS;
    while (server->n_waiting > 0 && clock_monotonic_ns() < end_ns) {
        if (server->n_round == 0)
            next_round(server);
        run_turn(server);
    }
    shed(server);
    if (server->n_waiting > 0)
        event_add(server->turns, &at_once);
}

static void
on_readable(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    struct rpc_peer *peer = ctx;
    mark_active(peer);
    count_held(peer);
    take_turn(peer);
}

static void
on_written(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    struct rpc_peer *peer = ctx;
    mark_active(peer);
    count_held(peer);
    take_turn(peer);
    if (peer->ended && !peer->waits && unserved(peer) == 0 && backlog(peer) == 0)
        close_peer(peer);
}

// The role of the first of 'clients' that the peer's certificate names; false: of none.
static bool
find_role(struct rpc_peer *peer)
{
    const struct rpc_server *server = peer->server;
    for (unsigned i = 0; i < server->n_clients; i++)
        if (tls_peer_is(peer->session, server->clients[i].name)) {
            peer->role = server->clients[i].role;
            return true;
        }
    return false;
}

static struct timeval
stall_of(const struct rpc_server *server)
{
    return (struct timeval){server->stall_ms / 1000, server->stall_ms % 1000 * 1000};
}

static void
on_handshake(struct rpc_peer *peer)
{
    const struct timeval stall = stall_of(peer->server);
    peer->shaking = false;
    bufferevent_set_timeouts(peer->bev, NULL, &stall);
    if (find_role(peer))
        return;
    log_warning("%s: a certificate that names none of listen.clients is refused",
                peer->server->path);
    send_line(peer, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32005,\"message\":\"your "
                    "certificate names none of listen.clients\"},\"id\":null}\n");
    peer->ended = true; // closed once that is written
    bufferevent_disable(peer->bev, EV_READ);
}

static void
tell_handshake(struct rpc_peer *peer)
{
    char text[200];
    unsigned long code = bufferevent_get_openssl_error(peer->bev);
    log_warning("%s: a TLS client is refused: %s", peer->server->path,
                tls_failure(peer->session, code, text, sizeof text));
}

static void
on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct rpc_peer *peer = ctx;
    if (what & BEV_EVENT_CONNECTED) {
        on_handshake(peer);
        return;
    }
    if (peer->shaking) {
        tell_handshake(peer);
        close_peer(peer);
        return;
    }
    // A peer that has only shut down its sending side still gets its answers.
    if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING) &&
        (backlog(peer) > 0 || unserved(peer) > 0)) {
        peer->ended = true;
        bufferevent_disable(bev, EV_READ);
        return;
    }
    if (what & BEV_EVENT_TIMEOUT)
        log_warning("%s: a peer has read none of its answers for %u ms; its connection is closed",
                    peer->server->path, peer->server->stall_ms);
    close_peer(peer);
}

static void
refuse_connection(struct rpc_server *server, int fd, const char *why)
{
    char line[160];
    log_warning("%s: a connection is refused: %s", server->path, why);
    int len = snprintf(line, sizeof line,
                       "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32004,\"message\":\"%s; close "
                       "one\"},\"id\":null}\n",
                       why);
    // The socket is fresh, so its buffer has room: what is not sent at once is not worth waiting
    // for.
    ssize_t n = send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
    evutil_closesocket(fd);
}

// By user and groups of the process at the other end of a Unix socket.
static enum rpc_role
role_of_process(const struct rpc_server *server, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return RPC_READ;
    if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == server->gid)
        return RPC_MANAGE;
    gid_t groups[256];
    len = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return RPC_READ;
    for (size_t i = 0; i < len / sizeof groups[0]; i++)
        if (groups[i] == server->gid)
            return RPC_MANAGE;
    return RPC_READ;
}

// Who it comes from: a user of this host, or an address.
static uint64_t
origin_of(const struct sockaddr *address, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (address->sa_family == AF_INET)
        return UINT64_C(1) << 32 | ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    if (address->sa_family == AF_INET6) { // a network of one owner
        uint64_t prefix;
        memcpy(&prefix, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof prefix);
        return prefix | UINT64_C(1) << 63;
    }
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.uid : UINT32_MAX;
}

// One that has been silent for long makes room. NULL, or why there is none.
static const char *
make_room(struct rpc_server *server, uint64_t origin)
{
    unsigned of_origin = 0;
    struct rpc_peer *peer, *oldest = TAILQ_FIRST(&server->peers), *own = NULL;
    TAILQ_FOREACH (peer, &server->peers, link)
        if (peer->origin == origin) {
            of_origin++;
            own = own ? own : peer;
        }
    bool too_many = of_origin >= server->origin_max;
    struct rpc_peer *goes = too_many ? own : oldest;
    if (!too_many && server->n_peers < server->peers_max)
        return NULL;
    if (clock_monotonic_ns() - goes->active_ns >= SERVER_SILENT_S * UINT64_C(1000000000)) {
        close_peer(goes);
        return NULL;
    }
    return too_many ? "too many connections of one user or address" : "too many connections";
}

static struct bufferevent *
wrap_socket(struct rpc_server *server, int fd, struct ssl_st *session)
{
    if (!session)
        return bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return bufferevent_openssl_socket_new(server->base, fd, session, BUFFEREVENT_SSL_ACCEPTING,
                                          BEV_OPT_CLOSE_ON_FREE);
}

static void
on_accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len,
            void *ctx)
{
    (void)len;
    static const struct timeval handshake = {.tv_sec = HANDSHAKE_S};
    struct rpc_server *server = ctx;
    const struct timeval stall = stall_of(server);
    bool tls = listener == server->tls_listener;
    uint64_t origin = origin_of(address, fd);
    const char *full = make_room(server, origin);
    if (full) {
        refuse_connection(server, fd, full);
        return;
    }
    struct rpc_peer *peer = calloc(1, sizeof *peer);
    struct ssl_st *session = peer && tls ? tls_server_session(server->tls) : NULL;
    struct bufferevent *bev = peer && (session || !tls) ? wrap_socket(server, fd, session) : NULL;
    if (!bev) {
        log_error("%s: out of memory; a connection is refused", server->path);
        free(peer);
        evutil_closesocket(fd);
        return;
    }
    peer->server = server;
    peer->bev = bev;
    peer->session = session;
    peer->shaking = tls;
    peer->role = tls ? RPC_READ : role_of_process(server, fd);
    peer->active_ns = clock_monotonic_ns();
    peer->origin = origin;
    peer->used_ns = server->given_ns;
    rpc_frame_init(&peer->frame);
    TAILQ_INSERT_TAIL(&server->peers, peer, link);
    server->n_peers++;
    bufferevent_setcb(bev, on_readable, on_written, on_event, peer);
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
    bufferevent_setwatermark(bev, EV_WRITE, SERVER_UNREAD_MAX / 2, 0);
    bufferevent_set_timeouts(bev, tls ? &handshake : NULL, tls ? &handshake : &stall);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

// accept() fails again at once while file descriptors are short, so the loop would spin.
static void
on_accept_failed(struct evconnlistener *listener, void *ctx)
{
    static const struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    struct rpc_server *server = ctx;
    log_error("%s: could not accept a connection: %s; trying again", server->path,
              evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    evconnlistener_disable(listener);
    event_add(server->resume, &pause);
}

static void
on_resume(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct rpc_server *server = ctx;
    if (server->listener)
        evconnlistener_enable(server->listener);
    if (server->tls_listener)
        evconnlistener_enable(server->tls_listener);
}

// libevent writes by writev(), which has no MSG_NOSIGNAL: a process that still dies of SIGPIPE
// would be at the mercy of its peers.
static void
ignore_sigpipe(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
        action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static void
free_timers(struct rpc_server *server)
{
    if (server->resume)
        event_free(server->resume);
    if (server->turns)
        event_free(server->turns);
}

struct rpc_server *
rpc_server_create(struct event_base *base, const struct rpc_method *methods, void *ctx,
                  void (*closed)(void *ctx, struct rpc_peer *peer))
{
    struct rpc_server *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    server->base = base;
    server->methods = methods;
    server->ctx = ctx;
    server->closed = closed;
    server->peers_max = server->origin_max = SERVER_PEERS_MAX;
    server->stall_ms = STALL_MS;
    TAILQ_INIT(&server->peers);
    TAILQ_INIT(&server->waiting);
    server->resume = evtimer_new(base, on_resume, server);
    server->turns = evtimer_new(base, on_turns, server);
    if (!server->resume || !server->turns) {
        free_timers(server);
        free(server);
        return NULL;
    }
    ignore_sigpipe();
    return server;
}

enum rpc_role
rpc_server_role(const struct rpc_peer *peer)
{
    return peer->role;
}

void
rpc_server_set_schemas(struct rpc_server *server, const struct rpc_schema *schemas)
{
    server->schemas = schemas;
}

static int
fail(const char *path, int code, const char *what, struct offload_err *err)
{
    return offload_err_set(err, code, path, NULL, "%s: %s", what, strerror(-code));
}

// Somebody else's file stands at 'address'. Unlinks it if it is a socket that nobody serves any
// more.
static int
remove_stale(const struct sockaddr_un *address, struct offload_err *err)
{
    const char *path = address->sun_path;
    struct stat st;
    if (lstat(path, &st))
        return errno == ENOENT ? 0 : fail(path, -errno, "could not be looked at", err);
    if (!S_ISSOCK(st.st_mode))
        return offload_err_set(err, -EEXIST, path, "name another path or remove the file",
                               "exists and is no socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(path, -errno, "could not be probed", err);
    bool refused =
        connect(fd, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED;
    close(fd);
    if (!refused)
        return offload_err_set(err, -EADDRINUSE, path, "stop it or use another --rundir",
                               "another process serves this socket");
    return unlink(path) && errno != ENOENT ? fail(path, -errno, "could not be removed", err) : 0;
}

// The group whose members may use the suite has the file, where the host has such a group.
static int
give_to_group(const char *path)
{
    const struct group *group = geteuid() == 0 ? getgrnam("offload") : NULL;
    return group ? chown(path, (uid_t)-1, group->gr_gid) : 0;
}

// Binds and listens. The file has its mode and group before anybody can connect.
static int
bind_and_listen(int fd, const struct sockaddr_un *address, unsigned mode, struct stat *st,
                struct offload_err *err)
{
    const char *path = address->sun_path;
    // Linux gives the file the socket's own mode, less the umask.
    if (fchmod(fd, mode))
        return fail(path, -errno, "could not set the socket's mode", err);
    int rc = bind(fd, (const struct sockaddr *)address, sizeof *address) ? -errno : 0;
    if (rc == -EADDRINUSE) {
        rc = remove_stale(address, err);
        if (rc)
            return rc;
        rc = bind(fd, (const struct sockaddr *)address, sizeof *address) ? -errno : 0;
    }
    if (rc)
        return fail(path, rc, "could not be made", err);
    if (chmod(path, mode) || give_to_group(path) || lstat(path, st) || listen(fd, LISTEN_BACKLOG)) {
        rc = fail(path, -errno, "could not be opened for connections", err);
        unlink(path);
    }
    return rc;
}

// The folder's lock keeps two starting processes from taking each other's socket for a stale one.
static int
lock_folder(const char *path, struct offload_err *err)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(path, -errno, "its folder could not be opened", err);
    while (flock(fd, LOCK_EX)) {
        if (errno != EINTR) {
            int rc = fail(path, -errno, "its folder could not be locked", err);
            close(fd);
            return rc;
        }
    }
    return fd;
}

int
rpc_server_listen_unix(struct rpc_server *server, const char *path, unsigned mode,
                       struct offload_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (server->path)
        return fail(path, -EALREADY, "this server listens already", err);
    if (strlen(path) >= sizeof address.sun_path)
        return offload_err_set(err, -ENAMETOOLONG, path, "use at most 107 characters",
                               "%zu characters are too many for a socket", strlen(path));
    strcpy(address.sun_path, path);

    int rc = 0;
    struct stat st;
    int fd = -1, lock = lock_folder(path, err);
    if (lock < 0)
        return lock;
    char *copy = strdup(path);
    if (!copy) {
        rc = fail(path, -ENOMEM, "could not be made", err);
        goto unlock;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        rc = fail(path, -errno, "could not be made", err);
        goto free_copy;
    }
    rc = bind_and_listen(fd, &address, mode, &st, err);
    if (rc)
        goto close_fd;
    server->listener = evconnlistener_new(server->base, on_accepted, server,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!server->listener) {
        unlink(path);
        rc = fail(path, -ENOMEM, "could not be made", err);
        goto close_fd;
    }
    evconnlistener_set_error_cb(server->listener, on_accept_failed);
    server->path = copy;
    server->dev = st.st_dev;
    server->ino = st.st_ino;
    server->gid = st.st_gid;
    goto unlock;

close_fd:
    close(fd);
free_copy:
    free(copy);
unlock:
    close(lock);
    return rc;
}

static int
bind_tcp(const char *address, uint16_t port, struct offload_err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *to;
    char service[8];
    int one = 1;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(address, service, &hints, &to) != 0)
        return offload_err_set(err, -EINVAL, address, "use one of this host, such as 0.0.0.0 or ::",
                               "is no address");
    int rc = 0, fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        rc = fail(address, -errno, "could not make a socket", err);
    else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
             bind(fd, to->ai_addr, to->ai_addrlen) || listen(fd, LISTEN_BACKLOG)) {
        rc = offload_err_set(err, -errno, address, "use another address or port",
                             "could not listen on port %u: %s", port, strerror(errno));
        close(fd);
    }
    freeaddrinfo(to);
    return rc ? rc : fd;
}

int
rpc_server_listen_tls(struct rpc_server *server, const char *address, uint16_t port,
                      struct tls *tls, const struct rpc_tls_client *clients, unsigned n_clients,
                      struct offload_err *err)
{
    int fd = bind_tcp(address, port, err);
    if (fd < 0)
        return fd;
    server->tls_listener = evconnlistener_new(server->base, on_accepted, server,
                                              LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!server->tls_listener) {
        close(fd);
        return fail(address, -ENOMEM, "could not listen", err);
    }
    evconnlistener_set_error_cb(server->tls_listener, on_accept_failed);
    server->tls = tls;
    server->clients = clients;
    server->n_clients = n_clients;
    return 0;
}

void
rpc_server_set_peers_max(struct rpc_server *server, unsigned n, unsigned of_one)
{
    server->peers_max = n;
    server->origin_max = of_one;
}

void
rpc_server_set_stall(struct rpc_server *server, unsigned ms)
{
    server->stall_ms = ms;
}

void
rpc_server_destroy(struct rpc_server *server)
{
    if (!server)
        return;
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->tls_listener)
        evconnlistener_free(server->tls_listener);
    struct stat st;
    if (server->path && lstat(server->path, &st) == 0 && st.st_dev == server->dev &&
        st.st_ino == server->ino)
        unlink(server->path);
    struct rpc_peer *peer;
    while ((peer = TAILQ_FIRST(&server->peers)))
        close_peer(peer);
    free_timers(server);
    free(server->path);
    free(server);
}

bool
rpc_server_notify(struct rpc_peer *peer, const char *method, struct json_object *params)
{
    char *line = rpc_format_request(0, method, params);
    bool sent = line && backlog(peer) + strlen(line) <= SERVER_BACKLOG_MAX && send_line(peer, line);
    free(line);
    return sent;
}
