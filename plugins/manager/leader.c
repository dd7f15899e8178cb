// SPDX-License-Identifier: Apache-2.0
// Who commands, where several managers run, and with which term.  The leader's thread; it alone
// sets 'leading' and raises 'term', under the lock.
//
// With LeaderOvsdb: the lock of a (clustered) OVSDB, held on the connection to the cluster's
// leader, and the term in its one row. The holder shows by a beat that it lives; who sees no beat
// for LeaderPatienceS steals the lock and takes the next term, which the cards hear of before
// anything else: what a paused leader still sends when it wakes is refused. Without: a lock on a
// file in StateDir, which keeps the managers of one host apart; the system gives it back when its
// holder dies, not while that is paused.
#include "plugins/manager/manager.h"

#include "lib/io/clock.h"
#include "lib/io/statefile.h"
#include "lib/rpc/ovsdb.h"

#include <json-c/json.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 16384 };

static const uint64_t BEAT_LEAST_NS = 20000000, BEAT_MOST_NS = 1000000000;

struct election {
    struct manager *m;
    // The file's lock.
    int file;
    // The connection.
    int fd;
    struct ovsdb_stream stream;
    unsigned id, remote;
    bool locked, broken;
    struct json_object *answer; // to request 'id'; owned
    // What the row said, and since when.
    struct ovsdb_row row;
    uint64_t row_since_ns;
    bool told;
};

static uint64_t
beat_ns(const struct manager *m)
{
    uint64_t beat = (uint64_t)(m->options.leader_patience_s * 1e9) / 6;
    return beat < BEAT_LEAST_NS ? BEAT_LEAST_NS : beat > BEAT_MOST_NS ? BEAT_MOST_NS : beat;
}

// ---- what the others learn

static void
lead(struct manager *m, uint64_t term)
{
    pthread_mutex_lock(&m->lock);
    bool began = !m->leading;
    m->term = term;
    m->leading = m->rejoin = m->hurry = true;
    snprintf(m->leader, sizeof m->leader, "%s", m->options.leader_name);
    pthread_cond_signal(&m->wake_ticker);
    pthread_mutex_unlock(&m->lock);
    if (began)
        manager_notify(MANAGER_OKAY, "this manager commands, by term %lu", (unsigned long)term);
}

static void
follow(struct manager *m, const char *why)
{
    pthread_mutex_lock(&m->lock);
    bool ended = m->leading;
    m->leading = false;
    pthread_cond_signal(&m->wake_mover);
    pthread_mutex_unlock(&m->lock);
    if (ended)
        manager_notify(MANAGER_WARNING, "this manager only watches now: %s", why);
}

// Another commands.
static void
note_leader(struct manager *m, const char *name)
{
    pthread_mutex_lock(&m->lock);
    if (name[0] && !m->leading)
        snprintf(m->leader, sizeof m->leader, "%s", name);
    pthread_mutex_unlock(&m->lock);
}

// The term that the cards have seen, and whether ours is not above it.
static uint64_t
floor_of(struct manager *m, bool *low)
{
    pthread_mutex_lock(&m->lock);
    uint64_t seen = m->term_seen;
    *low = m->leading && m->term <= seen;
    pthread_mutex_unlock(&m->lock);
    return seen;
}

static void
tell_trouble(struct election *e, const struct offload_err *err)
{
    char text[700];
    if (!e->told)
        manager_notify(MANAGER_WARNING, "the election of a leader: %s",
                       offload_err_format(err, text, sizeof text));
    e->told = true;
}

// ---- the file

static uint64_t
kept_term(const struct manager *m)
{
    char path[300], *data;
    size_t len;
    snprintf(path, sizeof path, "%.240s/manager.term", m->options.state_dir);
    if (statefile_read(path, 64, &data, &len, NULL))
        return 0;
    uint64_t term = strtoull(data, NULL, 10);
    free(data);
    return term < OFFLOAD_TERM_MAX ? term : 0;
}

static void
keep_term(const struct manager *m, uint64_t term)
{
    char path[300], text[32];
    snprintf(path, sizeof path, "%.240s/manager.term", m->options.state_dir);
    int n = snprintf(text, sizeof text, "%lu\n", (unsigned long)term);
    statefile_write(path, text, (size_t)n, NULL); // the cards know it too
}

static void
take_file_term(struct manager *m)
{
    bool low;
    uint64_t seen = floor_of(m, &low), kept = kept_term(m);
    uint64_t term = (seen > kept ? seen : kept) + 1;
    keep_term(m, term);
    lead(m, term);
}

// The lock's file says who holds it.
static void
sign_file(int fd, const char *name)
{
    if (ftruncate(fd, 0) || pwrite(fd, name, strlen(name), 0) < 0)
        return; // only who asks misses it
}

static void
read_signature(struct manager *m, int fd)
{
    char name[sizeof m->leader];
    ssize_t n = pread(fd, name, sizeof name - 1, 0);
    name[n > 0 ? n : 0] = '\0';
    note_leader(m, name);
}

static void
step_file(struct election *e)
{
    struct manager *m = e->m;
    char path[300];
    bool low;
    if (e->file >= 0) {
        floor_of(m, &low);
        if (low)
            take_file_term(m);
        return;
    }
    snprintf(path, sizeof path, "%.240s/manager.lock", m->options.state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        struct offload_err err;
        offload_err_set(&err, -errno, path, "a folder that collectd may write",
                        "no lock can be had, so nothing keeps a second manager off: %s",
                        strerror(errno));
        tell_trouble(e, &err);
        e->file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        take_file_term(m);
    } else if (flock(fd, LOCK_EX | LOCK_NB)) {
        if (!e->told)
            manager_notify(MANAGER_OKAY, "another manager holds %s; this one stands by", path);
        e->told = true;
        read_signature(m, fd);
        close(fd);
    } else {
        e->file = fd;
        e->told = false;
        sign_file(fd, m->options.leader_name);
        take_file_term(m);
    }
}

// ---- the database's connection

static void
hang_up(struct election *e)
{
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
    e->locked = e->broken = false;
    ovsdb_stream_fini(&e->stream);
    json_object_put(e->answer);
    e->answer = NULL;
}

// The i-th of "unix:PATH,tcp:HOST:PORT"; false: there are fewer.
static bool
remote_at(const char *list, unsigned i, char *buf, size_t size)
{
    for (; i > 0 && list; i--)
        list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL;
    if (!list || !*list)
        return false;
    snprintf(buf, size, "%.*s", (int)strcspn(list, ","), list);
    return true;
}

static int
open_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd < 0 ? -errno : fd;
}

// "HOST:PORT" or "[HOST]:PORT".
static int
open_tcp(const char *where, uint64_t timeout_ns)
{
    char host[256];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    const char *colon = strrchr(where, ':');
    if (!colon)
        return -EINVAL;
    bool bracket = where[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - where) - 2 * bracket, where + bracket);
    if (getaddrinfo(host, colon + 1, &hints, &found))
        return -EHOSTUNREACH;
    int rc = -EHOSTUNREACH;
    for (struct addrinfo *a = found; a && rc < 0; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), bad = 0;
        if (fd < 0)
            continue;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        bool up = !connect(fd, a->ai_addr, a->ai_addrlen) ||
                  (errno == EINPROGRESS && poll(&p, 1, (int)(timeout_ns / 1000000)) > 0 &&
                   !getsockopt(fd, SOL_SOCKET, SO_ERROR, &bad, &(socklen_t){sizeof bad}) && !bad);
        if (up)
            rc = fd;
        else
            close(fd);
    }
    freeaddrinfo(found);
    return rc;
}

static bool
send_text(struct election *e, char *line)
{
    size_t len = line ? strlen(line) : 0, sent = 0;
    uint64_t end = clock_monotonic_ns() + 4 * beat_ns(e->m);
    while (line && sent < len && !e->broken) {
        ssize_t n = send(e->fd, line + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd p = {.fd = e->fd, .events = POLLOUT};
        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            e->broken = true;
        else if (clock_monotonic_ns() > end || poll(&p, 1, 20) < 0)
            e->broken = true;
    }
    free(line);
    return line && !e->broken;
}

static void
take_message(void *ctx, struct json_object *message)
{
    struct election *e = ctx;
    switch (ovsdb_kind_of(message, e->id)) {
    case OVSDB_ANSWER:
        json_object_put(e->answer);
        e->answer = json_object_get(message);
        break;
    case OVSDB_ECHO:
        send_text(e, ovsdb_format_echo(message));
        break;
    case OVSDB_LOCKED:
        e->locked = true;
        break;
    case OVSDB_STOLEN:
        e->locked = false;
        break;
    case OVSDB_OTHER:
        break;
    }
}

// Reads what comes until an answer is there or the time is over.
static void
listen_until(struct election *e, uint64_t end)
{
    char bytes[READ_BYTES];
    while (!e->broken && !e->answer) {
        uint64_t now = clock_monotonic_ns();
        struct pollfd p = {.fd = e->fd, .events = POLLIN};
        if (now >= end || poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0)
            return;
        ssize_t n = recv(e->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        e->broken = n <= 0 || ovsdb_stream_feed(&e->stream, bytes, (size_t)n, take_message, e);
    }
}

// One request and its answer, which is e->answer until the next. 'params' is taken over.
static int
call(struct election *e, const char *method, struct json_object *params, struct offload_err *err)
{
    json_object_put(e->answer);
    e->answer = NULL;
    if (send_text(e, ovsdb_format_request(++e->id, method, params)))
        listen_until(e, clock_monotonic_ns() + 3 * beat_ns(e->m));
    if (e->answer)
        return 0;
    e->broken = true;
    return offload_err_set(err, -ETIMEDOUT, e->m->options.leader_ovsdb, "a running ovsdb-server",
                           "the OVSDB server does not answer");
}

static int
ask_leads(struct election *e, struct offload_err *err)
{
    bool leads = false;
    int rc = call(e, "transact", ovsdb_leads_params(), err);
    if (!rc)
        rc = ovsdb_read_leads(e->answer, &leads, err);
    if (!rc && !leads)
        rc = offload_err_set(err, -EAGAIN, e->m->options.leader_ovsdb, NULL,
                             "this server is not the cluster's leader");
    return rc;
}

static int
dial(struct election *e, struct offload_err *err)
{
    char remote[256];
    const char *list = e->m->options.leader_ovsdb;
    if (!remote_at(list, e->remote, remote, sizeof remote)) {
        e->remote = 0;
        remote_at(list, 0, remote, sizeof remote);
    }
    e->remote++;
    e->fd = !strncmp(remote, "tcp:", 4) ? open_tcp(remote + 4, 3 * beat_ns(e->m))
                                        : open_unix(remote + 5);
    if (e->fd < 0)
        return offload_err_set(err, e->fd, remote, "a running ovsdb-server", "no connection: %s",
                               strerror(-e->fd));
    int rc = ovsdb_stream_init(&e->stream);
    if (!rc)
        rc = ask_leads(e, err);
    if (!rc)
        rc = call(e, "lock", ovsdb_lock_params(), err);
    if (!rc)
        rc = ovsdb_read_locked(e->answer, &e->locked, err);
    return rc;
}

// ---- the database's term

static int
read_row(struct election *e, struct offload_err *err)
{
    struct ovsdb_row row;
    int rc = call(e, "transact", ovsdb_read_params(), err);
    if (!rc)
        rc = ovsdb_read_row(e->answer, &row, err);
    if (rc)
        return rc;
    if (row.term != e->row.term || row.beat != e->row.beat || !e->row_since_ns)
        e->row_since_ns = clock_monotonic_ns();
    e->row = row;
    note_leader(e->m, row.holder);
    return 0;
}

static int
take_term(struct election *e, struct offload_err *err)
{
    bool low;
    int rc = read_row(e, err);
    if (rc)
        return rc;
    uint64_t seen = floor_of(e->m, &low);
    uint64_t term = (seen > e->row.term ? seen : e->row.term) + 1;
    rc = call(e, "transact", ovsdb_take_params(&e->row, term, e->m->options.leader_name), err);
    if (!rc)
        rc = ovsdb_read_done(e->answer, err);
    if (rc)
        return rc;
    e->row = (struct ovsdb_row){.exists = true, .term = term, .beat = e->row.beat + 1};
    lead(e->m, term);
    return 0;
}

static int
beat(struct election *e, struct offload_err *err)
{
    int rc = call(e, "transact", ovsdb_beat_params(e->m->term, ++e->row.beat), err);
    return rc ? rc : ovsdb_read_done(e->answer, err);
}

// Another holds the lock: as long as its beat goes on. A new holder has its patience too.
static int
watch(struct election *e, struct offload_err *err)
{
    uint64_t patience = (uint64_t)(e->m->options.leader_patience_s * 1e9);
    int rc = read_row(e, err);
    if (rc || clock_monotonic_ns() - e->row_since_ns < patience)
        return rc;
    rc = call(e, "unlock", ovsdb_lock_params(),
              err); // our wish to have it in turn stands in the way
    if (!rc)
        rc = call(e, "steal", ovsdb_lock_params(), err);
    if (!rc)
        rc = ovsdb_read_locked(e->answer, &e->locked, err);
    e->row_since_ns = clock_monotonic_ns();
    return rc;
}

static int
step_connected(struct election *e, struct offload_err *err)
{
    bool low;
    int rc = ask_leads(e, err); // leadership of the cluster may have gone elsewhere
    if (rc)
        return rc;
    if (!e->locked) {
        follow(e->m, "another manager has taken the lock");
        rc = watch(e, err);
        if (rc || !e->locked)
            return rc;
    }
    floor_of(e->m, &low);
    return !e->m->leading || low ? take_term(e, err) : beat(e, err);
}

static void
step_ovsdb(struct election *e)
{
    struct offload_err err = {0};
    int rc = e->fd < 0 ? dial(e, &err) : 0;
    if (!rc)
        rc = step_connected(e, &err);
    if (!rc && !e->broken) {
        e->told = false;
        return;
    }
    follow(e->m, err.text[0] ? err.text : "the OVSDB server closed the connection");
    if (rc != -EAGAIN)
        tell_trouble(e, &err);
    hang_up(e);
}

// Until the next beat; an OVSDB server that probes is answered meanwhile.
static void
rest(struct election *e)
{
    uint64_t end = clock_monotonic_ns() + beat_ns(e->m);
    if (e->fd >= 0) {
        json_object_put(e->answer);
        e->answer = NULL;
        e->id++; // nothing was asked
        listen_until(e, end);
    }
    pthread_mutex_lock(&e->m->lock);
    struct timespec until = {.tv_sec = (time_t)(end / 1000000000),
                             .tv_nsec = (long)(end % 1000000000)};
    while (!e->broken && !e->m->stop && !(e->m->leading && e->m->term <= e->m->term_seen) &&
           clock_monotonic_ns() < end)
        pthread_cond_timedwait(&e->m->wake_leader, &e->m->lock, &until);
    pthread_mutex_unlock(&e->m->lock);
}

void *
leader_main(void *arg)
{
    struct manager *m = arg;
    struct election e = {.m = m, .file = -1, .fd = -1};
    bool dry = m->options.dry_run; // it commands nothing, so it needs no term
    while (!m->stop && !dry) {
        if (m->options.leader_ovsdb[0])
            step_ovsdb(&e);
        else
            step_file(&e);
        rest(&e);
    }
    hang_up(&e);
    if (e.file >= 0)
        close(e.file);
    return NULL;
}
