// SPDX-License-Identifier: Apache-2.0
// offload-flowd: owns the suite's OpenFlow rules. One a host with Open vSwitch.
//
//    thread  core  owns                                          stops
//    main    any   everything: OVSDB, OpenFlow, API, state file  SIGTERM or SIGINT
#include "ovs-integration/api.h"
#include "ovs-integration/loop.h"
#include "ovs-integration/repair.h"

#include "lib/io/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_MISUSED = 2 };

struct args {
    const char *config;
    const char *rundir; // NULL: as the config says
    bool check_only;
};

static void
print_help(void)
{
    puts("usage: offload-flowd [--config] [FILE] [--rundir DIR] [--check-config]\n"
         "Owns the offload suite's flows in Open vSwitch: installs, swaps and mends them.\n"
         "  --config FILE   (default /etc/offload/flowd.json)\n"
         "  --rundir DIR    instead of the config's rundir; OFFLOAD_RUNDIR does the same\n"
         "  --check-config  read the config, say what is wrong, and end\n"
         "  --help, --version\n"
         "\nKeys of the config:");
    settings_print_options(stdout);
}

// Returns -1 to go on, or the exit status.
static int
read_args(int argc, char **argv, struct args *args)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"rundir", required_argument, NULL, 'r'},
        {"check-config", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
    int c;
    *args = (struct args){.config = "/etc/offload/flowd.json", .rundir = getenv("OFFLOAD_RUNDIR")};
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            args->config = optarg;
            break;
        case 'r':
            args->rundir = optarg;
            break;
        case 'k':
            args->check_only = true;
            break;
        case 'h':
            print_help();
            return EXIT_SUCCESS;
        case 'V':
            puts("offload-flowd " OFFLOAD_VERSION);
            return EXIT_SUCCESS;
        default:
            return EXIT_MISUSED;
        }
    }
    if (optind < argc)
        args->config = argv[optind++];
    if (optind < argc) {
        fprintf(stderr, "%s: unknown argument; see offload-flowd --help\n", argv[optind]);
        return EXIT_MISUSED;
    }
    return -1;
}

static int
load_settings(const struct args *args, struct settings *settings, struct offload_err *err)
{
    int rc = settings_load(args->config, settings, err);
    if (rc || !args->rundir || !args->rundir[0])
        return rc;
    if (strlen(args->rundir) >= sizeof settings->rundir)
        return offload_err_set(err, -ENAMETOOLONG, "rundir", "use a shorter path",
                               "'%s' is too long", args->rundir);
    strcpy(settings->rundir, args->rundir);
    return 0;
}

// The last folder of a path is made, what is above it must be there.
static int
make_dir(const char *path, mode_t mode, struct offload_err *err)
{
    struct stat st;
    if (mkdir(path, mode) && errno != EEXIST)
        return offload_err_set(err, -errno, path, "make its parent folder", "%s", strerror(errno));
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return offload_err_set(err, -ENOTDIR, path, "use a folder", "it is none");
    return 0;
}

static int
serve(struct flowd *flowd, struct offload_err *err)
{
    char socket_path[SETTINGS_PATH_SIZE + 16];
    const struct settings *settings = &flowd->settings;
    int rc = make_dir(settings->state_dir, 0750, err);
    if (!rc)
        rc = make_dir(settings->rundir, 0755, err);
    if (rc)
        return rc;
    snprintf(flowd->state_path, sizeof flowd->state_path, "%s/flowd.state", settings->state_dir);
    rc = state_load(flowd->state_path, &flowd->state, err);
    if (rc)
        return rc;
    flowd->bridges = bridges_create(settings);
    flowd->fence = fence_create(settings, flowd->bridges);
    snprintf(socket_path, sizeof socket_path, "%s/flowd.sock", settings->rundir);
    struct server *server = server_create(socket_path, api_methods, flowd, err);
    if (server) {
        log_notice("offload-flowd %s: ready on %s, term %llu, %zu intents", OFFLOAD_VERSION,
                   socket_path, (unsigned long long)flowd->state.term, flowd->state.intents.n);
        loop_run(flowd, server);
    }
    rc = server ? 0 : -EIO;
    server_destroy(server);
    fence_destroy(flowd->fence);
    bridges_destroy(flowd->bridges);
    for (size_t i = 0; i < BRIDGES_MAX; i++) {
        own_flows_fini(&flowd->flows[i].installed);
        repair_drop_plan(&flowd->flows[i]);
    }
    state_fini(&flowd->change.next);
    state_fini(&flowd->state);
    return rc;
}

int
main(int argc, char **argv)
{
    static struct flowd flowd;
    struct args args;
    struct offload_err err;
    char text[1024];
    int status = read_args(argc, argv, &args);
    if (status >= 0)
        return status;
    loop_init(argv[0]);
    if (load_settings(&args, &flowd.settings, &err) != 0) {
        status = EXIT_MISUSED;
    } else if (args.check_only) {
        printf("%s: good\n", args.config);
        return EXIT_SUCCESS;
    } else if (serve(&flowd, &err) == 0) {
        return EXIT_SUCCESS;
    } else {
        status = EXIT_FAILURE;
    }
    fprintf(stderr, "offload-flowd: %s\n", offload_err_format(&err, text, sizeof text));
    return status;
}
