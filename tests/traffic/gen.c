// SPDX-License-Identifier: Apache-2.0
// traffic-gen: sends a demand trace as real UDP packets, one step a second, numbered and stamped.
// trace -> [traffic-gen] -> network -> traffic-sink.  One thread: it sleeps to the next tick, sends what is due.
#include "tests/traffic/bursts.h"
#include "tests/traffic/files.h"
#include "tests/traffic/trace.h"
#include "tests/traffic/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TICK_NS = 1000000,
    NS_PER_S = 1000000000,
    PPS_MAX = 12000,       // of all applications: what a 2-core machine carries without loss
    PACKETS_MAX = 5000000, // of a run
    END_COPIES = 10,       // of each flow's last packet; one of them must come through
    END_GAP_NS = 50000000,
    SPORT_FIRST = 20000,
};

struct flow {
    int fd;
    uint64_t seq, step_first;
};

struct app {
    struct traffic_app traffic;
    size_t column; // in the trace
    struct flow flow[TRACE_FLOWS_MAX];
    unsigned turn;      // the flow that sends next
    double credit_bits; // due and not yet sent
    struct bursts bursts;
    uint64_t sent_pkts, step_pkts, end_pkts, errors;
};

struct gen {
    struct trace trace;
    struct app app[TRACE_APPS_MAX];
    int n_apps;
    size_t first, steps; // rows of the trace to send
    double burst_bytes;  // 0: packets are spread evenly
    uint64_t seed;       // of the bursts
    FILE *csv;           // step,app,sent_pkts,sent_bytes; may be NULL
    uint64_t late_ns_max;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void
sleep_until(uint64_t at_ns)
{
    struct timespec t = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)};
    while (!stopped && clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

static int
open_flow(const struct traffic_app *app, unsigned sport, struct offload_err *err)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sport)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(app->dport)};
    inet_pton(AF_INET, app->dst, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 4 << 20;
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return offload_err_set(err, -code, app->app, NULL, "cannot send from port %u to %s:%u: %s",
                               sport, app->dst, app->dport, strerror(code));
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return fd;
}

static void
send_packet(struct app *app, size_t row, uint32_t step, unsigned n_flow, uint32_t flags)
{
    static uint8_t packet[TRACE_PACKET_MOST];
    struct flow *flow = &app->flow[n_flow];
    struct traffic_header header = {
        .magic = TRAFFIC_MAGIC,
        .app = (uint16_t)row,
        .flow = (uint16_t)n_flow,
        .step = step,
        .flags = flags,
        .seq = flow->seq,
        .step_first = flow->step_first,
        .tx_ns = now_ns(),
    };
    memcpy(packet, &header, sizeof header);
    ssize_t rc = send(flow->fd, packet, app->traffic.packet_bytes - TRAFFIC_L2_BYTES, MSG_DONTWAIT);
    if (rc < 0) {
        app->errors++;
        return; // not sent, not numbered
    }
    if (flags & TRAFFIC_FLAG_END) {
        app->end_pkts++;
        return;
    }
    flow->seq++;
    app->sent_pkts++;
    app->step_pkts++;
}

static void
send_turn(struct gen *gen, int i, double at_steps)
{
    struct app *app = &gen->app[i];
    send_packet(app, (size_t)i, gen->trace.first_step + (uint32_t)at_steps, app->turn, 0);
    app->turn = (app->turn + 1) % app->traffic.flows;
}

// What is due at 'at_steps', for a tick of TICK_NS. After a late wake-up the backlog goes out at
// twice the rate rather than at once: a burst would say more of this machine's scheduler than of
// the demand. Where bursts are asked for, each goes out at once.
static void
send_due(struct gen *gen, double at_steps, uint64_t passed_ns)
{
    for (int i = 0; i < gen->n_apps; i++) {
        struct app *app = &gen->app[i];
        double bps = trace_rate(&gen->trace, app->column, at_steps),
               bits = app->traffic.packet_bytes * 8.0;
        if (gen->burst_bytes > 0) {
            double due = bps * (double)passed_ns / NS_PER_S / bits;
            for (unsigned n; (n = bursts_next(&app->bursts, &due)) > 0;)
                for (; n > 0; n--)
                    send_turn(gen, i, at_steps);
            continue;
        }
        app->credit_bits += bps * (double)passed_ns / NS_PER_S;
        unsigned most = 1 + (unsigned)(2 * bps * TICK_NS / NS_PER_S / bits);
        for (; most > 0 && app->credit_bits >= bits; most--) {
            send_turn(gen, i, at_steps);
            app->credit_bits -= bits;
        }
    }
}

static void
end_step(struct gen *gen, size_t row)
{
    for (int i = 0; i < gen->n_apps; i++) {
        struct app *app = &gen->app[i];
        if (gen->csv != NULL)
            fprintf(gen->csv, "%zu,%s,%" PRIu64 ",%" PRIu64 "\n", gen->trace.first_step + row,
                    app->traffic.app, app->step_pkts, app->step_pkts * app->traffic.packet_bytes);
        app->step_pkts = 0;
        for (unsigned f = 0; f < app->traffic.flows; f++)
            app->flow[f].step_first = app->flow[f].seq;
    }
}

static void
send_ends(struct gen *gen, size_t row)
{
    for (int copy = 0; copy < END_COPIES; copy++) {
        for (int i = 0; i < gen->n_apps; i++) {
            for (unsigned f = 0; f < gen->app[i].traffic.flows; f++)
                send_packet(&gen->app[i], (size_t)i, gen->trace.first_step + (uint32_t)row, f,
                            TRAFFIC_FLAG_END);
        }
        sleep_until(now_ns() + END_GAP_NS);
    }
}

static void
run(struct gen *gen, uint64_t start_ns)
{
    uint64_t ticks_a_step = NS_PER_S / TICK_NS, last_ns = start_ns;
    size_t row = gen->first;
    sleep_until(start_ns);
    for (uint64_t tick = 1; !stopped && row < gen->first + gen->steps; tick++) {
        uint64_t due_ns = start_ns + tick * TICK_NS;
        sleep_until(due_ns);
        uint64_t late_ns = now_ns() - due_ns;
        if (late_ns < NS_PER_S && late_ns > gen->late_ns_max)
            gen->late_ns_max = late_ns;
        // The middle of the tick, so that it never falls into the next step.
        send_due(gen, (double)gen->first + ((double)tick - 0.5) / (double)ticks_a_step,
                 due_ns - last_ns);
        last_ns = due_ns;
        if (tick % ticks_a_step == 0)
            end_step(gen, row++);
    }
    send_ends(gen, row);
}

// Bounds the run before a packet leaves.
static int
check_bounds(const struct gen *gen, const char *name, struct offload_err *err)
{
    double total = 0;
    for (size_t k = gen->first; k < gen->first + gen->steps; k++) {
        double pps = 0;
        for (int i = 0; i < gen->n_apps; i++)
            pps += gen->trace.bps[k * TRACE_APPS_MAX + gen->app[i].column] / 8 /
                   gen->app[i].traffic.packet_bytes;
        if (pps > PPS_MAX)
            return offload_err_set(err, -ERANGE, name, "use larger packets or less demand",
                                   "step %zu asks for %.0f packets/s, above %d",
                                   gen->trace.first_step + k, pps, PPS_MAX);
        total += pps;
    }
    if (total > PACKETS_MAX)
        return offload_err_set(err, -ERANGE, name, "use --steps",
                               "the run would send %.0f packets, above %d", total, PACKETS_MAX);
    return 0;
}

static int
load(struct gen *gen, const char *trace_path, const char *apps_path, struct offload_err *err)
{
    struct traffic_app apps[TRACE_APPS_MAX];
    char *trace = traffic_read_file(trace_path, err),
         *list = trace != NULL ? traffic_read_file(apps_path, err) : NULL;
    int rc = list == NULL ? -EIO : trace_parse(&gen->trace, trace_path, trace, err);
    if (rc == 0)
        gen->n_apps = rc = traffic_apps_parse(apps, apps_path, list, err);
    free(trace);
    free(list);
    if (rc < 0)
        return rc;
    for (int i = 0; i < gen->n_apps; i++) {
        int column = trace_find_app(&gen->trace, apps[i].app);
        if (column < 0)
            return offload_err_set(err, -ENOENT, apps_path, "name applications of the trace",
                                   "application '%s' is not in %s", apps[i].app, trace_path);
        gen->app[i] = (struct app){.traffic = apps[i], .column = (size_t)column};
    }
    return 0;
}

// Rows of the trace by the numbers of its steps; 'steps' 0: up to the end.
static int
choose_steps(struct gen *gen, const char *name, unsigned long from, unsigned long steps,
             struct offload_err *err)
{
    unsigned long end = gen->trace.first_step + gen->trace.n_steps;
    char expected[80];
    snprintf(expected, sizeof expected, "the trace has steps %u to %lu", gen->trace.first_step,
             end - 1);
    if (from < gen->trace.first_step || from >= end || steps > end - from)
        return offload_err_set(err, -ERANGE, name, expected, "steps %lu to %lu are asked for", from,
                               from + steps - 1);
    gen->first = from - gen->trace.first_step;
    gen->steps = steps == 0 ? end - from : steps;
    return 0;
}

static int
start_bursts(struct gen *gen, const char *name, struct offload_err *err)
{
    for (int i = 0; gen->burst_bytes > 0 && i < gen->n_apps; i++) {
        struct app *app = &gen->app[i];
        if (gen->burst_bytes < app->traffic.packet_bytes)
            return offload_err_set(err, -ERANGE, name, "use smaller packets or larger bursts",
                                   "bursts of %.0f bytes are less than a packet of '%s'",
                                   gen->burst_bytes, app->traffic.app);
        bursts_init(&app->bursts, gen->seed + (uint64_t)i * 1000003,
                    gen->burst_bytes / app->traffic.packet_bytes);
    }
    return 0;
}

static int
open_flows(struct gen *gen, struct offload_err *err)
{
    unsigned sport = SPORT_FIRST;
    for (int i = 0; i < gen->n_apps; i++) {
        for (unsigned f = 0; f < gen->app[i].traffic.flows; f++) {
            int fd = open_flow(&gen->app[i].traffic, sport++, err);
            if (fd < 0)
                return fd;
            gen->app[i].flow[f].fd = fd;
        }
    }
    return 0;
}

static void
print_summary(const struct gen *gen, FILE *to)
{
    struct json_object *apps = json_object_new_array(), *sum = json_object_new_object();
    for (int i = 0; i < gen->n_apps; i++) {
        const struct app *app = &gen->app[i];
        struct json_object *row = json_object_new_object();
        json_object_object_add(row, "app", json_object_new_string(app->traffic.app));
        json_object_object_add(row, "sent_pkts", json_object_new_uint64(app->sent_pkts));
        json_object_object_add(row, "sent_bytes",
                               json_object_new_uint64(app->sent_pkts * app->traffic.packet_bytes));
        json_object_object_add(row, "end_pkts", json_object_new_uint64(app->end_pkts));
        json_object_object_add(row, "errors", json_object_new_uint64(app->errors));
        json_object_array_add(apps, row);
    }
    json_object_object_add(sum, "steps", json_object_new_uint64(gen->steps));
    json_object_object_add(sum, "stopped", json_object_new_boolean(stopped));
    json_object_object_add(sum, "late_ns_max", json_object_new_uint64(gen->late_ns_max));
    json_object_object_add(sum, "apps", apps);
    fprintf(to, "%s\n", json_object_to_json_string_ext(sum, JSON_C_TO_STRING_PLAIN));
    json_object_put(sum);
}

static const char usage[] =
    "usage: traffic-gen [--from STEP] [--steps N] [--start SECONDS] [--csv FILE] "
    "[--bursts BYTES [--seed N]] [--check] TRACE APPS\n"
    "  TRACE          CSV step,app,offered_bps (bit/s, L2 without FCS); a step lasts one second\n"
    "  APPS           CSV app,dst,dport,flows,packet_bytes\n"
    "  --from STEP    the first step to send (the trace's first)\n"
    "  --steps N      how many (to the end)\n"
    "  --start SECONDS  since 1970 when the first step begins (now)\n"
    "  --csv FILE     writes step,app,sent_pkts,sent_bytes\n"
    "  --bursts BYTES  Poisson bursts of that mean size at the trace's rate (evenly spread packets)\n"
    "  --seed N       of the bursts (1)\n"
    "  --check        reads and checks, sends nothing\n";

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'},
        {"steps", required_argument, NULL, 'n'},
        {"start", required_argument, NULL, 's'},
        {"csv", required_argument, NULL, 'c'},
        {"bursts", required_argument, NULL, 'b'},
        {"seed", required_argument, NULL, 'r'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    static struct gen gen = {.seed = 1};
    struct offload_err err = {0};
    const char *csv = NULL;
    char *end = NULL;
    unsigned long from = 0, steps = 0;
    double start_s = 0;
    bool check = false, has_from = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'f':
            from = strtoul(optarg, &end, 10), has_from = true;
            break;
        case 'n':
            steps = strtoul(optarg, &end, 10);
            break;
        case 's':
            start_s = strtod(optarg, &end);
            break;
        case 'c':
            csv = optarg;
            break;
        case 'b':
            gen.burst_bytes = strtod(optarg, &end);
            break;
        case 'r':
            gen.seed = strtoull(optarg, &end, 10);
            break;
        case 'k':
            check = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
        if (end != NULL && *end != '\0') {
            fprintf(stderr, "traffic-gen: '%s' is not a number\n%s", optarg, usage);
            return 2;
        }
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        return 2;
    }
    if (load(&gen, argv[optind], argv[optind + 1], &err) != 0 ||
        choose_steps(&gen, argv[optind], has_from ? from : gen.trace.first_step, steps, &err) !=
            0 ||
        check_bounds(&gen, argv[optind], &err) != 0 ||
        start_bursts(&gen, argv[optind + 1], &err) != 0 || (!check && open_flows(&gen, &err) != 0)) {
        traffic_complain(&err);
        trace_fini(&gen.trace);
        return 1;
    }
    if (csv != NULL && (gen.csv = fopen(csv, "we")) == NULL) {
        fprintf(stderr, "%s: cannot be written: %s\n", csv, strerror(errno));
        return 1;
    }
    if (gen.csv != NULL)
        fputs("step,app,sent_pkts,sent_bytes\n", gen.csv);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    if (!check)
        run(&gen, start_s > 0 ? (uint64_t)(start_s * NS_PER_S) : now_ns());
    print_summary(&gen, stdout);
    if (gen.csv != NULL)
        fclose(gen.csv);
    trace_fini(&gen.trace);
    return 0;
}
