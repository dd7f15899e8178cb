// SPDX-License-Identifier: Apache-2.0
// The threads of offload_path.  network <-> [sockets] <-> lib/stamp session -> offload_path -> bus.
//
// thread          owns                       stops
// sender          its socket, its pacing     by the eventfd 'stop', within a poll
// reflector       its socket                 by the eventfd 'stop', within a poll
// The session is shared with collectd's reader thread, under the sender's lock, which nobody holds
// for longer than it takes to sort an interval's delays.

#include "plugins/path/sockets.h"

#include "plugins/path/datagram.h"

#include "lib/io/clock.h"
#include "lib/stamp/session.h"

#include <offload/units.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const uint64_t RESOLVE_AGAIN_NS = 10000000000;

enum {
    BURST_MAX = 64, // packets that are taken in before the clock is looked at again
};

struct sender {
    struct sender_options options;
    pthread_t thread;
    int stop;
    int fd; // -1: not resolved yet
    // The number of the nth packet that left the socket, for the kernel counts those.
    uint32_t seq_of[STAMP_WINDOW];
    uint32_t n_left;
    pthread_mutex_t lock;
    // Under 'lock'.
    struct stamp_session session;
    char error[256];
};

struct reflector {
    struct allow_prefix *allow;
    size_t n_allow;
    struct stamp_key key;
    pthread_t thread;
    int stop, fd;
};

static void
wake(int eventfd_)
{
    uint64_t one = 1;
    // It cannot fail but by a full counter, which has woken the thread already.
    (void)!write(eventfd_, &one, sizeof one);
}

// Waits for the socket until 'until_ns'. True: the thread shall end.
static bool
wait_for(int fd, int stop, uint64_t until_ns)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec left = {.tv_sec = (time_t)(left_ns / OFFLOAD_NS_PER_S),
                            .tv_nsec = (long)(left_ns % OFFLOAD_NS_PER_S)};
    struct pollfd fds[] = {{.fd = stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    return ppoll(fds, 2, &left, NULL) > 0 && fds[0].revents != 0;
}

static void
set_error(struct sender *sender, const char *what, const char *why)
{
    pthread_mutex_lock(&sender->lock);
    snprintf(sender->error, sizeof sender->error, "%s%s%s", what, *why ? ": " : "", why);
    pthread_mutex_unlock(&sender->lock);
}

// Opens the socket towards the host; leaves it shut, with the error told, if that cannot be done
// now.
static void
open_sender(struct sender *sender)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    snprintf(port, sizeof port, "%u", (unsigned)sender->options.port);
    int rc = getaddrinfo(sender->options.host, port, &hints, &found);
    if (rc) {
        set_error(sender, "the host cannot be resolved", gai_strerror(rc));
        return;
    }
    int fd = datagram_socket(found->ai_family);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
        rc = -errno;
        close(fd);
        fd = rc;
    }
    if (fd >= 0 && sender->options.dscp)
        datagram_set_dscp(fd, found->ai_family, (unsigned)sender->options.dscp);
    // Where the kernel cannot tell, the packet's own time stamp stands.
    if (fd >= 0)
        datagram_stamp_sent(fd);
    sender->n_left = 0;
    freeaddrinfo(found);
    if (fd < 0) {
        set_error(sender, "could not open a socket to the host", strerror(-fd));
        return;
    }
    set_error(sender, "", "");
    sender->fd = fd;
}

static void
send_one(struct sender *sender)
{
    uint8_t packet[STAMP_AUTH_BYTES];
    struct stamp_error_estimate error = datagram_clock_error();
    pthread_mutex_lock(&sender->lock);
    uint32_t seq = sender->session.next_seq;
    size_t len =
        stamp_session_send(&sender->session, clock_wall_ns(), clock_monotonic_ns(), error, packet);
    pthread_mutex_unlock(&sender->lock);
    // A packet that cannot leave is lost on the path, like one that a router drops.
    if (send(sender->fd, packet, len, 0) >= 0)
        sender->seq_of[sender->n_left++ % STAMP_WINDOW] = seq;
}

// Takes what the kernel tells of when packets left; before their answers are looked at.
static void
receive_departures(struct sender *sender)
{
    uint32_t nth;
    uint64_t left_ns;
    for (int i = 0; i < BURST_MAX; i++) {
        int rc = datagram_sent(sender->fd, &nth, &left_ns);
        if (rc == -ENODATA)
            continue;
        if (rc)
            return;
        pthread_mutex_lock(&sender->lock);
        if (sender->n_left - nth <= STAMP_WINDOW)
            stamp_session_left(&sender->session, sender->seq_of[nth % STAMP_WINDOW], left_ns);
        pthread_mutex_unlock(&sender->lock);
    }
}

static void
receive_answers(struct sender *sender, struct datagram *buffer)
{
    for (int i = 0; i < BURST_MAX; i++) {
        int rc = datagram_receive(sender->fd, buffer);
        if (rc == -EAGAIN)
            return;
        if (rc)
            continue; // an ICMP error tells of a packet that will time out
        pthread_mutex_lock(&sender->lock);
        stamp_session_receive(&sender->session, buffer->bytes, buffer->len, buffer->received_ns);
        pthread_mutex_unlock(&sender->lock);
    }
}

static void *
sender_main(void *arg)
{
    struct sender *sender = arg;
    struct datagram *buffer = malloc(sizeof *buffer);
    uint64_t interval_ns = sender->options.interval_ms * OFFLOAD_NS_PER_MS;
    uint64_t due_ns = clock_monotonic_ns();
    if (!buffer) {
        set_error(sender, "out of memory", "");
        return NULL;
    }
    while (!wait_for(sender->fd, sender->stop, due_ns)) {
        uint64_t now_ns = clock_monotonic_ns();
        if (sender->fd < 0) {
            open_sender(sender);
            due_ns = sender->fd < 0 ? now_ns + RESOLVE_AGAIN_NS : now_ns;
            continue;
        }
        receive_departures(sender);
        receive_answers(sender, buffer);
        if (now_ns < due_ns)
            continue;
        send_one(sender);
        // After a hold-up the beat goes on from now: a burst of overdue probes would measure
        // itself.
        due_ns = now_ns - due_ns > interval_ns ? now_ns + interval_ns : due_ns + interval_ns;
    }
    free(buffer);
    return NULL;
}

int
sender_create(const struct sender_options *options, struct sender **out)
{
    struct sender *sender = calloc(1, sizeof *sender);
    if (!sender)
        return -ENOMEM;
    sender->options = *options;
    sender->fd = -1;
    stamp_session_init(&sender->session, options->timeout_ms * OFFLOAD_NS_PER_MS, &options->key);
    pthread_mutex_init(&sender->lock, NULL);
    sender->stop = eventfd(0, EFD_CLOEXEC);
    int rc =
        sender->stop < 0 ? -errno : -pthread_create(&sender->thread, NULL, sender_main, sender);
    if (rc) {
        if (sender->stop >= 0)
            close(sender->stop);
        pthread_mutex_destroy(&sender->lock);
        free(sender);
        return rc;
    }
    *out = sender;
    return 0;
}

void
sender_destroy(struct sender *sender)
{
    if (!sender)
        return;
    wake(sender->stop);
    pthread_join(sender->thread, NULL);
    close(sender->stop);
    if (sender->fd >= 0)
        close(sender->fd);
    pthread_mutex_destroy(&sender->lock);
    free(sender);
}

void
sender_take(struct sender *sender, struct sender_figures *out)
{
    pthread_mutex_lock(&sender->lock);
    struct stamp_stats *stats = &sender->session.stats;
    stamp_session_expire(&sender->session, clock_monotonic_ns());
    stamp_stats_close(stats, &out->summary);
    out->sent = stats->sent;
    out->received = stats->received;
    out->duplicates = stats->duplicates;
    out->reordered = stats->reordered;
    memcpy(out->error, sender->error, sizeof out->error);
    pthread_mutex_unlock(&sender->lock);
}

static void
reflect_one(struct reflector *reflector, struct datagram *in, uint8_t *out)
{
    if (!allow_holds(reflector->allow, reflector->n_allow, (struct sockaddr *)&in->peer))
        return;
    size_t len =
        stamp_reflect(in->bytes, in->len, in->received_ns, clock_wall_ns(), datagram_clock_error(),
                      in->ttl, &reflector->key, out, DATAGRAM_BYTES_MAX);
    // An answer that finds no room in the socket is lost like one on the way.
    if (len > 0)
        (void)datagram_reply(reflector->fd, in, out, len);
}

static void *
reflector_main(void *arg)
{
    struct reflector *reflector = arg;
    struct datagram *in = malloc(sizeof *in);
    uint8_t *out = malloc(DATAGRAM_BYTES_MAX);
    while (in && out &&
           !wait_for(reflector->fd, reflector->stop, clock_monotonic_ns() + RESOLVE_AGAIN_NS)) {
        for (int i = 0; i < BURST_MAX; i++) {
            int rc = datagram_receive(reflector->fd, in);
            if (rc == -EAGAIN)
                break;
            if (!rc)
                reflect_one(reflector, in, out);
        }
    }
    free(in);
    free(out);
    return NULL;
}

static int
open_reflector(const struct reflector_options *options, struct offload_err *err)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE},
                    *found = NULL;
    snprintf(port, sizeof port, "%u", (unsigned)options->port);
    if (getaddrinfo(options->bind, port, &hints, &found))
        return offload_err_set(err, -EINVAL, "Reflector.Bind",
                               "a numeric address, such as 0.0.0.0 or ::", "'%s' is no address",
                               options->bind);
    int fd = datagram_socket(found->ai_family);
    int rc = fd < 0 ? fd : 0;
    if (!rc && bind(fd, found->ai_addr, found->ai_addrlen)) {
        rc = -errno;
        close(fd);
    }
    freeaddrinfo(found);
    if (rc)
        return offload_err_set(err, rc, "Reflector",
                               "a free port; one below 1024 needs CAP_NET_BIND_SERVICE",
                               "could not bind %s port %s: %s", options->bind, port, strerror(-rc));
    return fd;
}

int
reflector_create(const struct reflector_options *options, struct reflector **out,
                 struct offload_err *err)
{
    struct reflector *reflector = calloc(1, sizeof *reflector);
    struct allow_prefix *allow = calloc(options->n_allow + 1, sizeof *allow);
    int rc = -ENOMEM;
    if (!reflector || !allow)
        goto free_memory;
    memcpy(allow, options->allow, options->n_allow * sizeof *allow);
    reflector->allow = allow;
    reflector->n_allow = options->n_allow;
    reflector->key = options->key;
    rc = reflector->fd = open_reflector(options, err);
    if (rc < 0)
        goto free_memory;
    rc = reflector->stop = eventfd(0, EFD_CLOEXEC);
    if (rc < 0) {
        rc = -errno;
        goto close_fd;
    }
    rc = -pthread_create(&reflector->thread, NULL, reflector_main, reflector);
    if (rc)
        goto close_stop;
    *out = reflector;
    return 0;

close_stop:
    close(reflector->stop);
close_fd:
    close(reflector->fd);
free_memory:
    free(allow);
    free(reflector);
    return rc;
}

void
reflector_destroy(struct reflector *reflector)
{
    if (!reflector)
        return;
    wake(reflector->stop);
    pthread_join(reflector->thread, NULL);
    close(reflector->stop);
    close(reflector->fd);
    free(reflector->allow);
    free(reflector);
}
