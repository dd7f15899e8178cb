// SPDX-License-Identifier: Apache-2.0
// offloadctl: everything that a person does with the suite. One row a command, one file a family of
// them. Data goes to stdout, messages to stderr; exit 0: done, 1: failed, 2: misused.

#include "tools/ctl.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    int least, most;     // words behind it
    const char *options; // that it takes beside those that all take, blank-separated with a blank
                         // at both ends
    ctl_command_fn *fn;
    const char *usage, *help;
};

static const struct command commands[] = {
    {"status", 0, 0, " json watch interval count ", cmd_status, "",
     "cards, applications and who is running, at a glance"},
    {"apps", 0, 1, " json watch interval count ", cmd_apps, "[APP]",
     "applications: load, allocation, delay, loss, SLA"},
    {"plan", 0, 1, " json watch interval count ", cmd_plan, "[N]", "the newest plan, or plan N: allocations and migrations"},
    {"explain", 1, 2, " json log watch interval count ", cmd_explain, "plan [N] | score SERVER",
     "why a plan or a score is as it is"},
    {"replay", 0, 1, " json log ", cmd_replay, "[N]",
     "decide plan N, or all, again from the plan log: the same to the bit?"},
    {"migrate", 1, 1, " json to watch ", cmd_migrate, "APP --to CARD [--watch]",
     "move an application to another card"},
    {"migrations", 0, 1, " json watch interval count ", cmd_migrations, "[ID]",
     "migrations, the newest first"},
    {"top", 0, 0, " json once interval count ", cmd_top, "[--once]", "live view; q quits"},
#ifdef HAVE_RRD
    {"graph", 1, 1,
     " json host card resource rrd-dir out start end term width height watch interval count ",
     cmd_graph,
     "APP | CARD --card", "demand, forecast and allocation over time, from RRD files"},
    {"report", 0, 0, " host rrd-dir out start end ", cmd_report, "[--out FILE.html]",
     "all of it on one page, what is coming and whether the cards suffice for it"},
#endif
    {"profile", 1, 1, " json seconds sweep ", cmd_profile, "APP [--seconds N] [--sweep]",
     "measure an application's cycles, delays and throughput"},
#ifdef HAVE_ENGINE
    {"backtest", 0, 64,
     " json benchmark dataset subset model jobs out times no-regressors seed graph horizon period "
     "column regressors weights ",
     cmd_backtest, "--benchmark DIR | FILE...",
     "how well the forecaster does on a benchmark, or on your own RRD and CSV files"},
    {"simulate", 0, 0, " json scenario agent checkpoint share decisions model seed ", cmd_simulate,
     "--scenario DIR [--agent NAME]", "what an agent would make of a recorded fleet"},
#ifdef HAVE_RRD
    {"whatif", 1, 1,
     " json cards rrd-dir host start end step agent checkpoint share model seed graph ", cmd_whatif,
     "SITE [--agent NAME,...]", "what agents would have done with a site's own recorded history"},
#endif
    {"train", 1, 64, " json scenario data out generated model seed ", cmd_train,
     "agent NAME | lstm --out FILE", "make trained weights; what was stopped goes on"},
#endif
    {"request", 1, 2, " json to in-port out-port watch interval count ", cmd_request,
     "list | submit FILE [--to CARD] | withdraw APP", "ask for an application to be offloaded"},
    {"doctor", 0, 0, " json root ", cmd_doctor, "",
     "is this host fit for it, and what is to be changed?"},
    {"import", 0, 1, " out ", cmd_import, "[FILE] [--out FILE]",
     "the manager's configuration from what is provisioned today; its first run is dry"},
    {"drain", 1, 1, " json watch ", cmd_drain, "CARD [--watch]", "move everything off a card, and keep it off"},
    {"undrain", 1, 1, " json ", cmd_undrain, "CARD", "let a card be used again"},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},
    {"rundir", required_argument, NULL, 'r'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"to", required_argument, NULL, 't'},
    {"watch", no_argument, NULL, 'w'},
    {"interval", required_argument, NULL, 'i'},
    {"count", required_argument, NULL, 'n'},
    {"once", no_argument, NULL, '1'},
    {"host", required_argument, NULL, 'H'},
    {"card", no_argument, NULL, 'c'},
    {"resource", required_argument, NULL, 'R'},
    {"rrd-dir", required_argument, NULL, 'd'},
    {"out", required_argument, NULL, 'o'},
    {"start", required_argument, NULL, 's'},
    {"end", required_argument, NULL, 'e'},
    {"term", no_argument, NULL, 'T'},
    {"width", required_argument, NULL, 'W'},
    {"height", required_argument, NULL, 'G'},
    {"seconds", required_argument, NULL, 'S'},
    {"sweep", no_argument, NULL, 'P'},
    {"benchmark", required_argument, NULL, 'b'},
    {"dataset", required_argument, NULL, 'D'},
    {"subset", no_argument, NULL, 'u'},
    {"model", required_argument, NULL, 'm'},
    {"jobs", required_argument, NULL, 'J'},
    {"times", required_argument, NULL, 'x'},
    {"no-regressors", no_argument, NULL, 'X'},
    {"seed", required_argument, NULL, 'Z'},
    {"graph", required_argument, NULL, 'g'},
    {"horizon", required_argument, NULL, 'z'},
    {"period", required_argument, NULL, 'p'},
    {"column", required_argument, NULL, 'C'},
    {"regressors", required_argument, NULL, 'q'},
    {"in-port", required_argument, NULL, 'I'},
    {"log", required_argument, NULL, 'L'},
    {"out-port", required_argument, NULL, 'U'},
    {"data", required_argument, NULL, 'a'},
    {"weights", required_argument, NULL, 'F'},
    {"root", required_argument, NULL, 'O'},
    {"scenario", required_argument, NULL, 'Y'},
    {"agent", required_argument, NULL, 'A'},
    {"checkpoint", required_argument, NULL, 'K'},
    {"share", required_argument, NULL, 'k'},
    {"decisions", required_argument, NULL, 'y'},
    {"generated", required_argument, NULL, 'N'},
    {"cards", required_argument, NULL, 'B'},
    {"step", required_argument, NULL, 'E'},
    {NULL, 0, NULL, 0},
};

static const char option_help[] =
    "  --json            print JSON instead of a table; doc/offloadctl-json.md has its form\n"
    "  --rundir DIR      where the daemons' sockets are ($OFFLOAD_RUNDIR, else /run/offload)\n"
    "  --watch           what shows a state: again and again; migrate, drain: until it has ended\n"
    "  --interval S      seconds between two looks (1)\n"
    "  --count N         end after N looks\n"
    "  --once            top: one look, as plain lines\n"
    "  --to CARD         migrate: where to; request submit: where it is to start\n"
    "  --in-port, --out-port PORT  request submit: the switch's ports of its clients and servers\n"
    "  --log FILE        replay, explain plan N: the manager's plan log "
    "(/var/lib/offload/plans.jsonl)\n"
    "  --seconds N       profile: how long to measure (5)\n"
    "  --sweep           profile: throughput as a function of the allocation\n"
    "  --benchmark DIR   backtest: forecast the cases of DIR/manifest.csv\n"
    "  --dataset, --subset  of them only one data set, or those marked as the smaller set\n"
    "  --out, --times FILE  backtest: forecasts, and each case's milliseconds, as CSV\n"
    "  --no-regressors   backtest: leave out what else is known of each step\n"
    "  --model NAME      backtest: this model alone (auto)\n"
    "  --jobs N          backtest: threads (1); they change no figure\n"
    "  --seed N          backtest: of what is random (1)\n"
    "  --horizon N       backtest: steps ahead, for own files (a season, or 24)\n"
    "  --period N        backtest: steps of a season, for own files (detected)\n"
    "  --column NAME     backtest: which column or data source holds the values\n"
    "  --regressors A,B  backtest: columns that are known ahead\n"
    "  --weights FILE    backtest: of the model lstm (those installed)\n"
    "  --data DIR-OR-CSV train lstm: series to learn from besides generated ones\n"
    "  --generated N     train lstm: how many series to generate (320000)\n"
    "  --graph FILE      backtest: an SVG of the last horizon with its fan\n"
    "  --scenario DIR    simulate, train: a fleet and its demand (scenario.json, *.csv)\n"
    "  --agent NAME      simulate: who decides (newsvendor); whatif: one or several, with commas\n"
    "  --checkpoint F    simulate, whatif: what the agent has learned (that which is shipped)\n"
    "  --share KIND      simulate, whatif: reserved (the default), or lent while unused\n"
    "  --decisions FILE  simulate: every share of every step, as CSV\n"
    "  --model NAME      simulate, train, whatif: of the forecasts (ridge), or auto\n"
    "  --generated N     train: episodes (400); made-up fleets, where there is a --scenario half of them\n"
    "  --cards FILE      whatif: other cards than the site's, like cardd.json\n"
    "  --step S          whatif: seconds of a step (the records', at most 4032 steps)\n"
    "  --graph FILE      whatif: an SVG of the hours of broken SLAs\n"
    "  --rrd-dir DIR     graph, report, whatif: collectd's RRD files (/var/lib/collectd/rrd)\n"
    "  --host HOST       graph, report, whatif: whose files, where DIR holds several hosts\n"
    "  --card            graph: the name is a card's\n"
    "  --resource R      graph: bandwidth (the default), cpu or memory\n"
    "  --start, --end T  graph, report, whatif: the span, as rrdtool writes times (end-10min, now;\n"
    "                    whatif: end-1week)\n"
    "  --out FILE        graph: a picture, .svg or .png; report: the page (stdout)\n"
    "  --term            graph: in the terminal (the default without --out)\n"
    "  --width, --height graph: of the picture in pixels, of --term in characters\n"
    "  --root DIR        doctor: look at DIR/proc, DIR/sys and DIR/etc instead\n"
    "  --help, --version\n";

int
ctl_fail(const struct offload_err *err)
{
    char text[800];
    fprintf(stderr, "offloadctl: %s\n", offload_err_format(err, text, sizeof text));
    return CTL_FAILED;
}

int
ctl_misuse(const char *fmt, ...)
{
    va_list args;
    fputs("offloadctl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("; see offloadctl --help\n", stderr);
    return CTL_MISUSED;
}

int
ctl_print_json(struct json_object *value)
{
    puts(json_object_to_json_string_ext(value,
                                        JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(value);
    // What did not fit into the buffer has failed before.
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CTL_DONE;
    perror("offloadctl: could not write to stdout");
    return CTL_FAILED;
}

static int
print_help(void)
{
    printf("usage: offloadctl [OPTION]... COMMAND [WORD]...\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char words[64];
        snprintf(words, sizeof words, "%s %s", commands[i].name, commands[i].usage);
        printf("  %-42s %s\n", words, commands[i].help);
    }
    printf("\n%s", option_help);
    return CTL_DONE;
}

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int
unknown_command(const char *name)
{
    const char *names[N_COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = offload_nearest(name, names);
    return near ? ctl_misuse("'%s' is no command; did you mean '%s'?", name, near)
                : ctl_misuse("'%s' is no command", name);
}

static int
unknown_option(const char *word)
{
    const char *names[sizeof options / sizeof *options] = {NULL};
    for (size_t i = 0; options[i].name; i++)
        names[i] = options[i].name;
    const char *near = strncmp(word, "--", 2) ? NULL : offload_nearest(word + 2, names);
    return near ? ctl_misuse("'%s' is no option; did you mean '--%s'?", word, near)
                : ctl_misuse("'%s' is no option", word);
}

// A positive number of at most 'most', in units of 1/'scale'; 0 is misuse, which has been told.
static uint64_t
read_number(const char *option, const char *text, double scale, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && !*end && value > 0 && value <= most && value * scale >= 1)
        return (uint64_t)(value * scale);
    ctl_misuse("--%s: '%s' is not a number above 0 and up to %g", option, text, most);
    return 0;
}

static const char *
option_name(int c)
{
    for (size_t i = 0; options[i].name; i++)
        if (options[i].val == c)
            return options[i].name;
    return "";
}

// Where an option goes; numbers are kept in units of 1 / 'scale'.
static const struct field {
    int c;
    enum { FLAG, TEXT, NUMBER } kind;
    size_t offset;
    double scale, most;
} fields[] = {
    {'j', FLAG, offsetof(struct ctl, json), 0, 0},
    {'w', FLAG, offsetof(struct ctl, watch), 0, 0},
    {'1', FLAG, offsetof(struct ctl, once), 0, 0},
    {'c', FLAG, offsetof(struct ctl, card), 0, 0},
    {'T', FLAG, offsetof(struct ctl, term), 0, 0},
    {'P', FLAG, offsetof(struct ctl, sweep), 0, 0},
    {'u', FLAG, offsetof(struct ctl, subset), 0, 0},
    {'X', FLAG, offsetof(struct ctl, no_regressors), 0, 0},
    {'b', TEXT, offsetof(struct ctl, benchmark), 0, 0},
    {'D', TEXT, offsetof(struct ctl, dataset), 0, 0},
    {'m', TEXT, offsetof(struct ctl, model), 0, 0},
    {'x', TEXT, offsetof(struct ctl, times), 0, 0},
    {'g', TEXT, offsetof(struct ctl, graph), 0, 0},
    {'C', TEXT, offsetof(struct ctl, column), 0, 0},
    {'q', TEXT, offsetof(struct ctl, regressors), 0, 0},
    {'a', TEXT, offsetof(struct ctl, data), 0, 0},
    {'F', TEXT, offsetof(struct ctl, weights), 0, 0},
    {'r', TEXT, offsetof(struct ctl, rundir), 0, 0},
    {'t', TEXT, offsetof(struct ctl, to), 0, 0},
    {'H', TEXT, offsetof(struct ctl, host), 0, 0},
    {'R', TEXT, offsetof(struct ctl, resource), 0, 0},
    {'d', TEXT, offsetof(struct ctl, rrd_dir), 0, 0},
    {'o', TEXT, offsetof(struct ctl, out), 0, 0},
    {'s', TEXT, offsetof(struct ctl, start), 0, 0},
    {'e', TEXT, offsetof(struct ctl, end), 0, 0},
    {'I', TEXT, offsetof(struct ctl, in_port), 0, 0},
    {'L', TEXT, offsetof(struct ctl, log), 0, 0},
    {'U', TEXT, offsetof(struct ctl, out_port), 0, 0},
    {'O', TEXT, offsetof(struct ctl, root), 0, 0},
    {'Y', TEXT, offsetof(struct ctl, scenario), 0, 0},
    {'A', TEXT, offsetof(struct ctl, agent), 0, 0},
    {'K', TEXT, offsetof(struct ctl, checkpoint), 0, 0},
    {'k', TEXT, offsetof(struct ctl, share), 0, 0},
    {'y', TEXT, offsetof(struct ctl, decisions), 0, 0},
    {'B', TEXT, offsetof(struct ctl, cards), 0, 0},
    {'N', NUMBER, offsetof(struct ctl, generated), 1, 1e6},
    {'E', NUMBER, offsetof(struct ctl, step_ms), 1000, 86400},
    {'i', NUMBER, offsetof(struct ctl, interval_ms), 1000, 86400},
    {'n', NUMBER, offsetof(struct ctl, count), 1, 1e9},
    {'W', NUMBER, offsetof(struct ctl, width), 1, 10000},
    {'G', NUMBER, offsetof(struct ctl, height), 1, 10000},
    {'S', NUMBER, offsetof(struct ctl, seconds), 1, 86400},
    {'J', NUMBER, offsetof(struct ctl, jobs), 1, 256},
    {'Z', NUMBER, offsetof(struct ctl, seed), 1, 1e15},
    {'z', NUMBER, offsetof(struct ctl, horizon), 1, 4096},
    {'p', NUMBER, offsetof(struct ctl, period), 1, 4096},
};

// Takes option 'c' into 'ctl'. False: its argument is wrong, and that has been told.
static bool
take_option(struct ctl *ctl, int c, const char *arg)
{
    const struct field *field = fields;
    while (field->c != c)
        field++; // each option has its row
    void *to = (char *)ctl + field->offset;
    if (field->kind == FLAG)
        *(bool *)to = true;
    else if (field->kind == TEXT)
        *(const char **)to = arg;
    else
        return (*(uint64_t *)to = read_number(option_name(c), arg, field->scale, field->most)) > 0;
    return true;
}

static bool
takes_option(const struct command *command, int c)
{
    char word[32];
    if (c == 'r')
        return true;
    snprintf(word, sizeof word, " %s ", option_name(c));
    return strstr(command->options, word) != NULL;
}

int
main(int argc, char **argv)
{
    const char *rundir = getenv("OFFLOAD_RUNDIR");
    struct ctl ctl = {.rundir = rundir && *rundir ? rundir : "/run/offload",
                      .interval_ms = 1000,
                      .seconds = 5,
                      .jobs = 1,
                      .seed = 1};
    bool given[128] = {false};
    int c;
    setlocale(LC_ALL, "");
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'h')
            return print_help();
        if (c == 'V')
            return printf("offloadctl %s\n", OFFLOAD_VERSION) < 0 ? CTL_FAILED : CTL_DONE;
        if (c == ':')
            return ctl_misuse("'%s' wants an argument", argv[optind - 1]);
        if (c == '?')
            return unknown_option(argv[optind - 1]);
        if (!take_option(&ctl, c, optarg))
            return CTL_MISUSED;
        given[c] = true;
    }
    if (optind == argc)
        return ctl_misuse("no command");
    const struct command *command = find_command(argv[optind]);
    if (!command)
        return unknown_command(argv[optind]);
    for (c = 0; c < 128; c++)
        if (given[c] && !takes_option(command, c))
            return ctl_misuse("%s takes no option --%s", command->name, option_name(c));
    ctl.argc = argc - optind - 1;
    ctl.argv = argv + optind + 1;
    if (ctl.argc < command->least || ctl.argc > command->most)
        return ctl_misuse("usage: offloadctl %s %s", command->name, command->usage);
    return command->fn(&ctl);
}
