// SPDX-License-Identifier: Apache-2.0
// offload-cardd: owns the queues of a host's offload cards, runs offload functions on their
// packets, serves the card API.
//
// thread    | runs on         | owns                                             | ends
// ----------+-----------------+--------------------------------------------------+------------------------------------
// main      | lcores.main     | event loop, API, objects, snapshots, state file  | on SIGTERM or SIGINT
// worker i  | lcores.workers  | rings, flow caches, queues, buckets, counters of | when told: takes no more packets,
//           |                 | its cards                                        | sends what waits (0.5 s at most)
// plan      | as main         | the state file, while it is written              | when all is on the disk
// opener    | as main         | a port until it is up                            | by itself; blocked ones with the
//           |                 |                                                  | process
// telemetry, interrupts: DPDK's own.
#include "dpdk-app/cardd.h"
#include "dpdk-app/lanes.h"
#include "dpdk-app/migrate.h"
#include "dpdk-app/port.h"
#include "dpdk-app/worker.h"

#include "lib/io/log.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

struct options {
    const char *config, *rundir;
    bool check_config;
};

static int
say(const struct offload_err *err, int status)
{
    char line[800];
    fprintf(stderr, "%s\n", offload_err_format(err, line, sizeof line));
    return status;
}

static void
usage(FILE *to)
{
    fputs("usage: offload-cardd [--rundir DIR] [--check-config] [[--config] FILE]\n"
          "  --config FILE   configuration (/etc/offload/cardd.json)\n"
          "  --rundir DIR    folder of the API's socket, in place of the file's\n"
          "  --check-config  check the file and end\n"
          "  --options       print the keys of the file and end\n"
          "  --schema        print the API's verbs as JSON Schema and end\n"
          "  --verbs         print them as the tables of doc/card-api.md and end\n"
          "  --version       print the version and end\n",
          to);
}

// Returns -1 to go on, else the exit status.
static int
read_options(int argc, char **argv, struct options *o)
{
    enum { OPT_CHECK = 256, OPT_OPTIONS, OPT_SCHEMA, OPT_VERBS, OPT_VERSION };
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"rundir", required_argument, NULL, 'r'},
        {"check-config", no_argument, NULL, OPT_CHECK},
        {"options", no_argument, NULL, OPT_OPTIONS},
        {"schema", no_argument, NULL, OPT_SCHEMA},
        {"verbs", no_argument, NULL, OPT_VERBS},
        {"version", no_argument, NULL, OPT_VERSION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "c:r:h", longs, NULL)) != -1;)
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'r':
            o->rundir = optarg;
            break;
        case OPT_CHECK:
            o->check_config = true;
            break;
        case OPT_OPTIONS:
            config_print_options();
            return EXIT_DONE;
        case OPT_SCHEMA:
        case OPT_VERBS:
            api_print(c == OPT_VERBS);
            return EXIT_DONE;
        case OPT_VERSION:
            puts("offload-cardd " OFFLOAD_VERSION);
            return EXIT_DONE;
        case 'h':
            usage(stdout);
            return EXIT_DONE;
        default:
            usage(stderr);
            return EXIT_MISUSED;
        }
    if (optind < argc)
        o->config = argv[optind++];
    if (optind == argc)
        return -1;
    fprintf(stderr, "%s: unexpected argument\n", argv[optind]);
    usage(stderr);
    return EXIT_MISUSED;
}

// -- Start, in order --

static int
start_eal(const struct config *config, struct offload_err *err)
{
    enum { ARGS_MAX = CONFIG_EAL_MAX + 8 };
    // EAL keeps pointers into its arguments, for as long as the process lives, and changes their
    // order.
    static char text[ARGS_MAX][CONFIG_EAL_ARG_MAX];
    static char *argv[ARGS_MAX + 1];
    char lcores[CONFIG_EAL_ARG_MAX];
    int argc = 0, n = snprintf(lcores, sizeof lcores, "0@(%s)", config->main_cpus);
    for (unsigned i = 0; i < config->n_workers && n < (int)sizeof lcores; i++)
        n += snprintf(lcores + n, sizeof lcores - (size_t)n, ",%u@(%s)", i + 1,
                      config->worker_cpus[i]);
    const char *const first[] = {"offload-cardd", "--lcores", lcores, "--file-prefix",
                                 config->file_prefix};
    enum { FIRST = sizeof first / sizeof first[0] };
    for (unsigned i = 0; i < FIRST + config->n_eal; i++) {
        argv[argc] = text[argc];
        snprintf(text[argc++], CONFIG_EAL_ARG_MAX, "%s",
                 i < FIRST ? first[i] : config->eal[i - FIRST]);
    }
    if (rte_eal_init(argc, argv) < 0)
        return offload_err_set(
            err, -EIO, "eal",
            "see the lines above; --no-pci --in-memory --iova-mode=va suits virtual ports",
            "DPDK does not start: %s", rte_strerror(rte_errno));
    return 0;
}

static int
start_memory(struct cardd *d, struct offload_err *err)
{
    d->pool =
        rte_pktmbuf_pool_create("offload_pkts", (unsigned)d->config.mbufs, 256, PKT_PRIV_BYTES,
                                (uint16_t)d->config.mbuf_bytes, SOCKET_ID_ANY);
    if (!d->pool)
        return offload_err_set(err, -ENOMEM, "mbufs", "use fewer, or give DPDK more hugepages",
                               "no memory for %llu packet buffers of %llu bytes: %s",
                               (unsigned long long)d->config.mbufs,
                               (unsigned long long)d->config.mbuf_bytes, rte_strerror(rte_errno));
    d->pkt_bytes = (uint32_t)(sizeof(struct rte_mbuf) + PKT_PRIV_BYTES + d->config.mbuf_bytes);
    d->tsc_hz = rte_get_tsc_hz();
    size_t size = rte_rcu_qsbr_get_memsize(d->config.n_workers);
    d->qsbr = rte_zmalloc("qsbr", size, RTE_CACHE_LINE_SIZE);
    if (!d->qsbr || rte_rcu_qsbr_init(d->qsbr, d->config.n_workers) != 0)
        return offload_err_set(err, -ENOMEM, "lcores.workers", NULL, "no memory for %u workers",
                               d->config.n_workers);
    return 0;
}

static int
start_workers(struct cardd *d, struct offload_err *err)
{
    for (unsigned i = 0; i < d->config.n_workers; i++) {
        struct worker *w =
            worker_create(i, i + 1, d->tsc_hz, d->config.sleep_us, d->pkt_bytes, d->qsbr);
        if (!w)
            return offload_err_set(err, -ENOMEM, "lcores.workers", NULL, "no memory for worker %u",
                                   i);
        d->workers[d->n_workers++] = w;
        int rc = rte_eal_remote_launch(worker_main, w, w->lcore);
        if (rc != 0)
            return offload_err_set(err, rc, "lcores.workers", NULL, "worker %u does not start: %s",
                                   i, rte_strerror(-rc));
    }
    return 0;
}

static int
start_plan_file(struct cardd *d, struct offload_err *err)
{
    char path[PLAN_PATH_MAX];
    plan_path(d, path);
    return plan_file_start(d, path, err);
}

static int
make_folders(const struct config *config, struct offload_err *err)
{
    const char *const dirs[] = {config->rundir, config->state_dir};
    for (unsigned i = 0; i < 2; i++)
        if (mkdir(dirs[i], 0755) != 0 && errno != EEXIST)
            return offload_err_set(err, -errno, dirs[i], "make the folder, or name another",
                                   "could not make it: %s", strerror(errno));
    return 0;
}

// Where the functions' state outlives us. Without it we serve all the same.
static void
open_memory(struct cardd *d)
{
    char id[64] = "";
    FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (boot && !fgets(id, sizeof id, boot))
        id[0] = '\0';
    if (boot)
        fclose(boot);
    for (const char *at = id; *at; at++)
        d->folder.boot = (d->folder.boot ^ (uint8_t)*at) * 0x100000001b3; // FNV-1a
    const char *path = d->config.memory_dir;
    struct stat st;
    bool there = mkdir(path, 0700) == 0 || errno == EEXIST;
    // Where all may write, somebody else may have made it first.
    if (there && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && id[0])
        snprintf(d->folder.path, sizeof d->folder.path, "%s", path);
    else
        log_warning("functions will lose their state with this process: memory_dir: %s is no folder "
                    "of ours; name another",
                    path);
}

// -- Run --

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct cardd *d = arg;
    (void)sig, (void)what;
    event_base_loopbreak(d->base);
}

static void
on_hangup(evutil_socket_t sig, short what, void *arg)
{
    (void)sig, (void)what;
    api_reload(arg, true);
}

static void
on_defer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct cardd *d = arg;
    defer_run(d);
    for (unsigned i = 0; i < d->n_cards; i++)
        lanes_split(d->cards[i]);
    functions_control(d);
}

static void
on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    api_reload(arg, false);
    cards_drain(arg);
    events_tick(arg);
    telemetry_update(arg);
}

static int
run(struct cardd *d)
{
    static const struct timeval defer_every = {.tv_usec = 10000}, second = {.tv_sec = 1};
    struct event *events[] = {
        evsignal_new(d->base, SIGTERM, on_signal, d),
        evsignal_new(d->base, SIGINT, on_signal, d),
        evsignal_new(d->base, SIGHUP, on_hangup, d),
        event_new(d->base, -1, EV_PERSIST, on_defer, d),
        event_new(d->base, -1, EV_PERSIST, on_second, d),
    };
    const struct timeval *every[] = {NULL, NULL, NULL, &defer_every, &second};
    enum { N = sizeof events / sizeof events[0] };
    int rc = 0;
    for (unsigned i = 0; i < N; i++)
        if (!events[i] || event_add(events[i], every[i]) != 0)
            rc = -ENOMEM;
    if (rc == 0) {
        log_notice("ready: %u cards, %s/cardd.sock", d->n_cards, d->config.rundir);
        event_base_dispatch(d->base);
        log_notice("stopping");
    }
    for (unsigned i = 0; i < N; i++)
        if (events[i])
            event_free(events[i]);
    return rc;
}

// -- Stop, in reverse --

static void
stop_workers(struct cardd *d)
{
    for (unsigned i = 0; i < d->n_workers; i++)
        atomic_store_explicit(&d->workers[i]->stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < d->n_workers; i++)
        rte_eal_wait_lcore(d->workers[i]->lcore);
}

static void
stop_objects(struct cardd *d)
{
    defer_run(d);
    while (d->n_cards > 0) {
        struct card *card = d->cards[0];
        for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
            if (card->lane[i]) // it is billed to applications, which go before the card
                transmit_drop_all(card->lane[i]);
        while (card->n_apps > 0)
            if (app_detach(d, card->apps[card->n_apps - 1], NULL) != 0)
                return;
        card_remove(d, card);
    }
    defer_run(d); // all workers are offline: everything is due
}

static void
stop(struct cardd *d)
{
    d->folder.keep = true;
    api_stop(d);
    plan_file_stop(d);
    stop_workers(d);
    if (ports_opening()) {
        // An opener waits in DPDK for a peer and cannot be called back. Nothing of ours is unsaved.
        log_notice("stopped, with a port that never opened");
        fflush(NULL);
        _exit(EXIT_DONE);
    }
    migrations_stop(d);
    stop_objects(d);
    for (unsigned i = 0; i < d->n_workers; i++)
        worker_destroy(d->workers[i]);
    rte_free(d->qsbr);
    rte_mempool_free(d->pool);
    free(d->requests);
    json_object_put(d->configured);
    if (d->base)
        event_base_free(d->base);
    rte_eal_cleanup();
    log_notice("stopped");
}

static int
serve(struct cardd *d)
{
    struct offload_err err;
    int status = EXIT_FAILED;
    if (make_folders(&d->config, &err) != 0 || start_eal(&d->config, &err) != 0)
        return say(&err, EXIT_FAILED);
    open_memory(d);
    d->base = event_base_new();
    if (!d->base)
        offload_err_set(&err, -ENOMEM, NULL, NULL, "no event loop");
    else if (start_memory(d, &err) == 0 && start_workers(d, &err) == 0) {
        if (plan_load(d, &err) != 0)
            status = EXIT_MISUSED;
        else if (start_plan_file(d, &err) != 0) {
            offload_err_prefix(&err, "cardd.plan");
        } else if (migrations_start(d, &err) != 0) {
            offload_err_prefix(&err, "cardd.migrations");
        } else if (telemetry_start() != 0) {
            offload_err_set(&err, -EIO, "telemetry", NULL, "DPDK does not take our commands");
        } else if (api_start(d, &err) == 0) {
            status = run(d) == 0 ? EXIT_DONE : EXIT_FAILED;
            stop(d);
            return status;
        }
    }
    say(&err, status);
    stop(d);
    return status;
}

int
main(int argc, char **argv)
{
    static struct cardd d;
    struct options options = {.config = "/etc/offload/cardd.json"};
    struct offload_err err;
    int status = read_options(argc, argv, &options);
    if (status >= 0)
        return status;
    int rc = config_load(options.config, options.rundir, &d.config, &err);
    if (rc != 0)
        return say(&err, EXIT_MISUSED);
    if (!options.check_config) {
        signal(SIGPIPE, SIG_IGN);
        status = serve(&d);
    } else {
        printf("%s: good\n", options.config);
        status = EXIT_DONE;
    }
    config_fini(&d.config);
    return status;
}
