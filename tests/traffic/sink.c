// SPDX-License-Identifier: Apache-2.0
// traffic-sink: receives what traffic-gen sends and tells, per application, flow and step, what
// came, what did not, what came out of order, and how long it took.
// trace -> traffic-gen -> network -> [traffic-sink].  One thread, which sleeps in poll.
#include "tests/traffic/delays.h"
#include "tests/traffic/files.h"
#include "tests/traffic/seqtrack.h"
#include "tests/traffic/trace.h"
#include "tests/traffic/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_S = 1000000000,
    STEPS_MAX = 1024, // of a run, from the first step seen
    EVENTS_MAX = 50000,
    RCVBUF_BYTES = 32 << 20,
    CONTROL_BYTES = 128,
    LINGER_MS = 300,
};

static const uint64_t STEP_UNKNOWN = UINT64_MAX;

struct flow {
    struct seqtrack track;
    bool ended;
    uint64_t sent;                  // once ended
    uint64_t step_first[STEPS_MAX]; // STEP_UNKNOWN: no packet of that step came
};

struct cell { // one step of one application
    uint64_t pkts, bytes, reordered, duplicated;
    struct delays delays;
};

struct app {
    struct traffic_app traffic;
    struct flow *flow;
    struct delays delays;
    uint64_t bytes, end_pkts;
};

struct sink {
    struct app app[TRACE_APPS_MAX];
    int n_apps;
    struct pollfd poll[TRACE_APPS_MAX];
    int n_poll;
    bool started;
    uint32_t first_step, n_steps; // seen so far
    struct cell *cell[STEPS_MAX]; // [step][app]
    FILE *events;
    unsigned n_events;
    uint64_t foreign, overflow;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static int
open_ports(struct sink *sink, struct offload_err *err)
{
    for (int i = 0; i < sink->n_apps; i++) {
        uint16_t port = sink->app[i].traffic.dport;
        bool open = false;
        for (int k = 0; k < i; k++)
            open |= sink->app[k].traffic.dport == port;
        if (open)
            continue;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
            bytes = RCVBUF_BYTES, on = 1;
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
        if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
            return offload_err_set(err, -errno, sink->app[i].traffic.app, NULL,
                                   "cannot listen on UDP port %u: %s", port, strerror(errno));
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
        sink->poll[sink->n_poll++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    return 0;
}

// The row of 'step', or NULL if it lies outside of the run.
static struct cell *
cells_of(struct sink *sink, uint32_t step)
{
    if (!sink->started) {
        sink->started = true;
        sink->first_step = step;
    }
    if (step < sink->first_step || step - sink->first_step >= STEPS_MAX)
        return NULL;
    uint32_t row = step - sink->first_step;
    if (sink->cell[row] == NULL)
        sink->cell[row] = calloc((size_t)sink->n_apps, sizeof **sink->cell);
    if (row >= sink->n_steps)
        sink->n_steps = row + 1;
    return sink->cell[row];
}

static void
tell_event(struct sink *sink, const struct traffic_header *header, const char *kind,
           uint64_t missing, uint64_t rx_ns)
{
    if (sink->events == NULL || sink->n_events >= EVENTS_MAX)
        return;
    sink->n_events++;
    fprintf(sink->events, "%" PRIu64 ",%" PRIu64 ",%u,%s,%u,%s,%" PRIu64 ",%" PRIu64 "\n", rx_ns,
            header->tx_ns, header->step, sink->app[header->app].traffic.app, header->flow, kind,
            header->seq, missing);
}

static void
take_packet(struct sink *sink, const uint8_t *packet, size_t len, uint64_t rx_ns)
{
    struct traffic_header header;
    if (len < sizeof header) {
        sink->foreign++;
        return;
    }
    memcpy(&header, packet, sizeof header);
    if (header.magic != TRAFFIC_MAGIC || header.app >= sink->n_apps ||
        header.flow >= sink->app[header.app].traffic.flows) {
        sink->foreign++;
        return;
    }
    struct app *app = &sink->app[header.app];
    struct flow *flow = &app->flow[header.flow];
    if (header.flags & TRAFFIC_FLAG_END) {
        flow->ended = true;
        flow->sent = header.seq;
        app->end_pkts++;
        return;
    }
    struct cell *cells = cells_of(sink, header.step);
    if (cells == NULL) {
        sink->foreign++;
        return;
    }
    struct cell *cell = &cells[header.app];
    uint64_t missing, delay_ns = rx_ns > header.tx_ns ? rx_ns - header.tx_ns : 0;
    flow->step_first[header.step - sink->first_step] = header.step_first;
    switch (seqtrack_take(&flow->track, header.seq, &missing)) {
    case SEQTRACK_NEXT:
        break;
    case SEQTRACK_GAP:
        tell_event(sink, &header, "gap", missing, rx_ns);
        break;
    case SEQTRACK_LATE:
        tell_event(sink, &header, "reordered", 0, rx_ns);
        cell->reordered++;
        break;
    case SEQTRACK_DUPLICATE:
        tell_event(sink, &header, "duplicate", 0, rx_ns);
        cell->duplicated++;
        return; // counted once
    }
    cell->pkts++;
    cell->bytes += len + TRAFFIC_L2_BYTES;
    app->bytes += len + TRAFFIC_L2_BYTES;
    delays_add(&cell->delays, delay_ns);
    delays_add(&app->delays, delay_ns);
}

// The kernel's time of arrival, and the socket's drops so far.
static uint64_t
read_control(struct msghdr *msg, uint64_t *overflow)
{
    struct timespec at = {0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        uint32_t drops;
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&at, CMSG_DATA(c), sizeof at);
        if (c->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&drops, CMSG_DATA(c), sizeof drops);
            *overflow = drops > *overflow ? drops : *overflow;
        }
    }
    return (uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec;
}

static void
drain_port(struct sink *sink, int fd)
{
    static uint8_t packet[2048];
    for (;;) {
        _Alignas(struct cmsghdr) char control[CONTROL_BYTES];
        struct iovec iov = {.iov_base = packet, .iov_len = sizeof packet};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
        ssize_t len = recvmsg(fd, &msg, 0);
        if (len < 0)
            return;
        uint64_t rx_ns = read_control(&msg, &sink->overflow);
        take_packet(sink, packet, (size_t)len, rx_ns);
    }
}

static bool
all_ended(const struct sink *sink)
{
    for (int i = 0; i < sink->n_apps; i++) {
        for (unsigned f = 0; f < sink->app[i].traffic.flows; f++) {
            if (!sink->app[i].flow[f].ended)
                return false;
        }
    }
    return true;
}

static uint64_t
flow_sent(const struct flow *flow)
{
    return flow->ended ? flow->sent : flow->track.next;
}

// What a flow sent in 'row': up to the next step of which a packet came. A step that is lost as a
// whole counts into the one before it.
static uint64_t
sent_in_step(const struct sink *sink, const struct flow *flow, uint32_t row)
{
    if (flow->step_first[row] == STEP_UNKNOWN)
        return 0;
    for (uint32_t next = row + 1; next < sink->n_steps; next++) {
        if (flow->step_first[next] != STEP_UNKNOWN)
            return flow->step_first[next] - flow->step_first[row];
    }
    return flow_sent(flow) - flow->step_first[row];
}

static void
write_steps(const struct sink *sink, FILE *to)
{
    fputs("step,app,received_pkts,received_bytes,delay_p50_ns,delay_p99_ns,lost_pkts,reordered_"
          "pkts,duplicated_pkts\n",
          to);
    for (uint32_t row = 0; row < sink->n_steps; row++) {
        for (int i = 0; i < sink->n_apps && sink->cell[row] != NULL; i++) {
            const struct app *app = &sink->app[i];
            const struct cell *cell = &sink->cell[row][i];
            uint64_t sent = 0;
            for (unsigned f = 0; f < app->traffic.flows; f++)
                sent += sent_in_step(sink, &app->flow[f], row);
            uint64_t lost = sent > cell->pkts ? sent - cell->pkts : 0;
            fprintf(to,
                    "%u,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                    ",%" PRIu64 "\n",
                    sink->first_step + row, app->traffic.app, cell->pkts, cell->bytes,
                    delays_quantile(&cell->delays, 0.5), delays_quantile(&cell->delays, 0.99), lost,
                    cell->reordered, cell->duplicated);
        }
    }
}

static struct json_object *
flow_summary(const struct flow *flow)
{
    struct json_object *row = json_object_new_object();
    json_object_object_add(row, "sent_pkts", json_object_new_uint64(flow_sent(flow)));
    json_object_object_add(row, "received_pkts", json_object_new_uint64(flow->track.received));
    json_object_object_add(row, "lost_pkts",
                           json_object_new_uint64(seqtrack_lost(&flow->track, flow_sent(flow))));
    json_object_object_add(row, "reordered_pkts", json_object_new_uint64(flow->track.reordered));
    json_object_object_add(row, "duplicated_pkts", json_object_new_uint64(flow->track.duplicated));
    json_object_object_add(row, "ended", json_object_new_boolean(flow->ended));
    return row;
}

static struct json_object *
app_summary(const struct app *app)
{
    struct json_object *row = json_object_new_object(), *flows = json_object_new_array();
    uint64_t received = 0, lost = 0, reordered = 0, duplicated = 0;
    for (unsigned f = 0; f < app->traffic.flows; f++) {
        const struct flow *flow = &app->flow[f];
        received += flow->track.received;
        lost += seqtrack_lost(&flow->track, flow_sent(flow));
        reordered += flow->track.reordered;
        duplicated += flow->track.duplicated;
        json_object_array_add(flows, flow_summary(flow));
    }
    json_object_object_add(row, "app", json_object_new_string(app->traffic.app));
    json_object_object_add(row, "received_pkts", json_object_new_uint64(received));
    json_object_object_add(row, "received_bytes", json_object_new_uint64(app->bytes));
    json_object_object_add(row, "end_pkts", json_object_new_uint64(app->end_pkts));
    json_object_object_add(row, "lost_pkts", json_object_new_uint64(lost));
    json_object_object_add(row, "reordered_pkts", json_object_new_uint64(reordered));
    json_object_object_add(row, "duplicated_pkts", json_object_new_uint64(duplicated));
    json_object_object_add(row, "delay_p50_ns",
                           json_object_new_uint64(delays_quantile(&app->delays, 0.5)));
    json_object_object_add(row, "delay_p99_ns",
                           json_object_new_uint64(delays_quantile(&app->delays, 0.99)));
    json_object_object_add(row, "flows", flows);
    return row;
}

static void
print_summary(const struct sink *sink, FILE *to)
{
    struct json_object *apps = json_object_new_array(), *sum = json_object_new_object();
    for (int i = 0; i < sink->n_apps; i++)
        json_object_array_add(apps, app_summary(&sink->app[i]));
    json_object_object_add(sum, "ended", json_object_new_boolean(all_ended(sink)));
    json_object_object_add(sum, "foreign_pkts", json_object_new_uint64(sink->foreign));
    json_object_object_add(sum, "socket_overflow_pkts", json_object_new_uint64(sink->overflow));
    json_object_object_add(sum, "apps", apps);
    fprintf(to, "%s\n", json_object_to_json_string_ext(sum, JSON_C_TO_STRING_PLAIN));
    json_object_put(sum);
}

static int
load(struct sink *sink, const char *apps_path, struct offload_err *err)
{
    struct traffic_app apps[TRACE_APPS_MAX];
    char *list = traffic_read_file(apps_path, err);
    if (list == NULL)
        return -EIO;
    int rc = traffic_apps_parse(apps, apps_path, list, err);
    free(list);
    if (rc < 0)
        return rc;
    sink->n_apps = rc;
    for (int i = 0; i < sink->n_apps; i++) {
        struct app *app = &sink->app[i];
        app->traffic = apps[i];
        app->flow = calloc(apps[i].flows, sizeof *app->flow);
        if (app->flow == NULL)
            return offload_err_set(err, -ENOMEM, apps_path, NULL, "out of memory");
        for (unsigned f = 0; f < apps[i].flows; f++) {
            for (size_t k = 0; k < STEPS_MAX; k++)
                app->flow[f].step_first[k] = STEP_UNKNOWN;
        }
    }
    return 0;
}

static const char usage[] =
    "usage: traffic-sink [--csv FILE] [--events FILE] APPS\n"
    "  APPS           CSV app,dst,dport,flows,packet_bytes, as traffic-gen has it\n"
    "  --csv FILE     writes each step's figures at the end\n"
    "  --events FILE  writes gaps, reorderings and duplicates as they come, at most 50000\n"
    "It ends when every flow has ended, or at SIGTERM, and prints a summary as JSON.\n";

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"csv", required_argument, NULL, 'c'},
        {"events", required_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    static struct sink sink;
    struct offload_err err = {0};
    const char *csv = NULL, *events = NULL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            csv = optarg;
            break;
        case 'e':
            events = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        return 2;
    }
    struct sigaction stop = {.sa_handler = on_signal}; // no SA_RESTART: poll must return
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    if (load(&sink, argv[optind], &err) != 0 || open_ports(&sink, &err) != 0) {
        traffic_complain(&err);
        return 1;
    }
    FILE *steps = csv != NULL ? fopen(csv, "we") : NULL;
    sink.events = events != NULL ? fopen(events, "we") : NULL;
    if ((csv != NULL && steps == NULL) || (events != NULL && sink.events == NULL)) {
        fprintf(stderr, "traffic-sink: cannot write %s: %s\n",
                csv != NULL && steps == NULL ? csv : events, strerror(errno));
        return 1;
    }
    if (sink.events != NULL)
        fputs("rx_ns,tx_ns,step,app,flow,kind,seq,missing\n", sink.events);
    while (!stopped && !all_ended(&sink)) {
        if (poll(sink.poll, (nfds_t)sink.n_poll, 1000) <= 0)
            continue;
        for (int i = 0; i < sink.n_poll; i++)
            drain_port(&sink, sink.poll[i].fd);
    }
    // What the flows' repeated last packets bring is counted too.
    while (!stopped && poll(sink.poll, (nfds_t)sink.n_poll, LINGER_MS) > 0) {
        for (int i = 0; i < sink.n_poll; i++)
            drain_port(&sink, sink.poll[i].fd);
    }
    for (int i = 0; i < sink.n_poll; i++)
        drain_port(&sink, sink.poll[i].fd);
    print_summary(&sink, stdout);
    if (steps != NULL) {
        write_steps(&sink, steps);
        fclose(steps);
    }
    if (sink.events != NULL)
        fclose(sink.events);
    return 0;
}
