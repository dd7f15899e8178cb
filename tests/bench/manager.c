// SPDX-License-Identifier: Apache-2.0
// How long a manager's step takes for a fleet, and what memory it needs: the plugin's own code,
// from the cards' answers to the lists that go back to them and the line in the plan log. One core;
// the network is not in it.
// usage: manager [--agent NAME] [--ticks N] [SERVERS...]      (100 1000 10000; each has 2 cards and 8 applications)
//
// One JSON object a line: tick_N_servers_s (median), parse_N_servers_s (the text of the answers
// into objects, which comes before), rss_N_servers_mib. Peers: none; 'theirs' is the limit that is
// aimed at for 10,000.
#include "plugins/manager/manager.h"

#include "lib/io/clock.h"

#include <json-c/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CARDS_EACH = 2, APPS_EACH = 8, TICKS_MOST = 99 };

static const double TICK_LIMIT_S = 1, RSS_LIMIT_MIB = 2048;

// What the plugin does with collectd is not measured.
void
manager_notify(enum manager_severity severity, const char *fmt, ...)
{
    (void)severity, (void)fmt;
}

static unsigned long dispatched;

void
manager_dispatch(const char *type, const char *type_instance, const double *values, size_t n)
{
    (void)type, (void)type_instance, (void)values, (void)n;
    dispatched++;
}

static void
die(const char *what)
{
    fprintf(stderr, "manager: %s\n", what);
    exit(1);
}

// Numbers without a library's generator: the same fleet each time.
static double
uniform(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

static void
add_apps(struct manager *m, unsigned server)
{
    static const char *const classes[] = {"gold", "silver", "bronze"};
    for (unsigned i = 0; i < APPS_EACH; i++) {
        char text[400];
        struct offload_err err = {0};
        struct manager_app *app;
        uint32_t card = CARDS_EACH * server + i % CARDS_EACH;
        snprintf(
            text, sizeof text,
            "{\"app\":\"a%u-%u\",\"match\":[{\"proto\":\"udp\",\"dport\":%u}],\"chain\":[{\"fn\":"
            "\"forward\"}],\"sla\":{\"class\":\"%s\",\"min_bps\":100000,\"max_delay_ns\":20000000,"
            "\"max_loss_frac\":0.01}}",
            server, i, 7000 + i, classes[i % 3]);
        struct json_object *request = json_tokener_parse(text);
        if (manager_add_app(m, request, "", card, &app, &err))
            die(err.text);
        json_object_put(request);
    }
}

static void
make_fleet(struct manager *m, unsigned servers, const char *agent, const char *dir)
{
    struct alloc_agent_params params = {.seed = 1, .n_cards = CARDS_EACH * servers, .learn = true};
    struct offload_err err = {0};
    *m = (struct manager){.n_cards = CARDS_EACH * servers, .n_peers = servers};
    pthread_mutex_init(&m->lock, NULL);
    m->options = (struct manager_options){.step_s = 1, .seed = 1};
    m->options.policy = alloc_policy_default;
    m->options.policy.headroom = 1.1;
    snprintf(m->options.agent, sizeof m->options.agent, "%s", agent);
    snprintf(m->options.plan_log, sizeof m->options.plan_log, "%s/plans.jsonl", dir);
    m->cards = calloc(m->n_cards, sizeof *m->cards);
    m->peers = calloc(m->n_peers, sizeof *m->peers);
    if (!m->cards || !m->peers || sim_duel_create(agent, &params, &m->duel, &err))
        die(err.text[0] ? err.text : "out of memory");
    for (uint32_t c = 0; c < m->n_cards; c++) {
        struct manager_card *card = &m->cards[c];
        card->peer = c / CARDS_EACH;
        card->flowd = ALLOC_NONE;
        snprintf(card->name, sizeof card->name, "s%u-c%u", c / CARDS_EACH, c % CARDS_EACH);
        snprintf(card->server, sizeof card->server, "s%u", c / CARDS_EACH);
        names_add(&m->card_names, m->cards, sizeof *m->cards, c);
    }
    for (unsigned s = 0; s < servers; s++) {
        m->peers[s].joined = true;
        add_apps(m, s);
    }
    if (manager_name_servers(m, "host"))
        die("out of memory");
}

// ---- what the cards of a server would answer

// Of this thread alone: what else runs on the machine is not in it.
static uint64_t
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * OFFLOAD_NS_PER_S + (uint64_t)t.tv_nsec;
}

static struct json_object *
parsed(const char *text, double *seconds)
{
    uint64_t begun = cpu_ns();
    struct json_object *object = json_tokener_parse(text);
    *seconds += (double)(cpu_ns() - begun) / 1e9;
    return object;
}

static struct json_object *
cards_answer(unsigned server, double *seconds)
{
    char text[2000];
    int n = snprintf(text, sizeof text, "{\"cards\":[");
    for (unsigned c = 0; c < CARDS_EACH; c++)
        n += snprintf(
            text + n, sizeof text - (size_t)n,
            "%s{\"card\":\"s%u-c%u\",\"state\":\"up\",\"capacity\":{\"cycles_per_s\":1000000000,"
            "\"bandwidth_bps\":40000000,\"memory_bytes\":67108864},\"allocated\":{\"cpu_pct\":90,"
            "\"bandwidth_bps\":36000000,\"memory_bytes\":60000000},\"apps\":[]}",
            c ? "," : "", server, c);
    snprintf(text + n, sizeof text - (size_t)n, "]}");
    return parsed(text, seconds);
}

static struct json_object *
apps_answer(unsigned server, unsigned tick, double *seconds)
{
    static char text[APPS_EACH * 1200];
    int n = snprintf(text, sizeof text, "{\"apps\":[");
    for (unsigned i = 0; i < APPS_EACH; i++) {
        double packets = 1000 * tick + 900 * uniform();
        n += snprintf(
            text + n, sizeof text - (size_t)n,
            "%s{\"app\":\"a%u-%u\",\"card\":\"s%u-c%u\",\"state\":\"active\",\"match\":[{\"proto\":"
            "\"udp\","
            "\"dport\":%u}],\"chain\":[{\"fn\":\"forward\"}],\"sla\":{\"class\":\"gold\"},"
            "\"allocation\":{"
            "\"cpu_pct\":%.6f,\"bandwidth_bps\":%.0f,\"memory_bytes\":15000000},\"generation\":%u,"
            "\"functions\":[{\"fn\":\"forward\",\"packets\":%.0f,\"cycles_per_pkt\":900,"
            "\"entries\":0,"
            "\"state_bytes\":0,\"drops\":{}}],\"stats\":{\"time_ns\":%u000000000,\"offered_pkts\":%"
            ".0f,"
            "\"offered_bytes\":%.0f,\"delivered_pkts\":%.0f,\"delivered_bytes\":%.0f,\"cycles\":%."
            "0f,"
            "\"queue_delay_ns_sum\":%.0f,\"queue_delay_pkts\":%.0f,\"delay_ns\":{\"mean\":2000000,"
            "\"p50\":"
            "1000000,\"p99\":9000000},\"drops\":{\"admission\":0,\"queue_full\":0,\"memory\":0,"
            "\"function\":0,"
            "\"transmit\":0,\"migration\":0},\"memory_bytes\":100000,\"memory_high_bytes\":200000,"
            "\"queued_pkts\":3,\"flows\":10}}",
            i ? "," : "", server, i, server, i % CARDS_EACH, 7000 + i, 20 + 2 * uniform(),
            8e6 + 1e6 * uniform(), tick, packets, tick + 1, packets, packets * 1000, packets,
            packets * 1000, packets * 900, packets * 2e6, packets);
    }
    snprintf(text + n, sizeof text - (size_t)n, "]}");
    return parsed(text, seconds);
}

static void
forecast(struct manager *m, unsigned servers)
{
    for (unsigned s = 0; s < servers; s++)
        for (unsigned i = 0; i < APPS_EACH; i++) {
            char host[32], app[32];
            double p50 = 1e6 + 8e6 * uniform(), values[] = {p50, 1.3 * p50, 1.5 * p50};
            static uint64_t time;
            snprintf(host, sizeof host, "s%u", s);
            snprintf(app, sizeof app, "a%u-%u", s, i);
            bus_note(m, host, "offload_forecast", "bandwidth", "offload_need", app, values, 3,
                     ++time, clock_monotonic_ns(), UINT64_MAX / 2);
        }
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
print(const char *metric, unsigned servers, const char *unit, double ours, double limit)
{
    printf(
        "{\"bench\":\"manager\",\"metric\":\"%s_%u%s_servers_%s\",\"ours\":%.4g,\"peer\":\"limit\","
        "\"theirs\":%g,\"ratio\":%.3g}\n",
        metric, servers % 1000 || !servers ? servers : servers / 1000,
        servers % 1000 || !servers ? "" : "k", unit, ours, limit, ours / limit);
    fflush(stdout);
}

static void
run(unsigned servers, const char *agent, unsigned ticks)
{
    char dir[] = "/tmp/offload-bench-manager.XXXXXX", path[80];
    double seconds[TICKS_MOST], parse[TICKS_MOST];
    struct manager m;
    struct rusage usage;
    if (!mkdtemp(dir))
        die("no folder in /tmp");
    make_fleet(&m, servers, agent, dir);
    struct json_object **cards = calloc(2 * servers, sizeof *cards), **apps = cards + servers;
    struct json_object **lists = calloc(servers, sizeof *lists);
    if (!cards || !lists)
        die("out of memory");
    forecast(&m, servers);
    for (unsigned t = 0; t < ticks; t++) {
        parse[t] = 0;
        for (unsigned s = 0; s < servers; s++) {
            cards[s] = cards_answer(s, &parse[t]);
            apps[s] = apps_answer(s, t, &parse[t]);
        }
        uint64_t begun = cpu_ns();
        cards_take(&m, cards, apps);
        tick_decide(&m);
        if (!m.last_plan)
            die("no plan");
        cards_lists(&m, m.last_state, m.last_plan, lists);
        seconds[t] = (double)(cpu_ns() - begun) / 1e9;
        for (unsigned s = 0; s < servers; s++) {
            json_object_put(cards[s]);
            json_object_put(apps[s]);
            json_object_put(lists[s]);
            lists[s] = NULL;
        }
    }
    qsort(seconds, ticks, sizeof *seconds, by_value);
    qsort(parse, ticks, sizeof *parse, by_value);
    getrusage(RUSAGE_SELF, &usage);
    double scale = servers / 10000.0;
    print("tick", servers, "s", seconds[ticks / 2], TICK_LIMIT_S * scale);
    print("parse", servers, "s", parse[ticks / 2], TICK_LIMIT_S * scale);
    print("rss", servers, "mib", (double)usage.ru_maxrss / 1024, RSS_LIMIT_MIB);
    for (int i = 0; i <= 4; i++) {
        snprintf(path, sizeof path, i ? "%s/plans.jsonl.%d" : "%s/plans.jsonl", dir, i);
        unlink(path);
    }
    rmdir(dir);
}

// A process each, so that one's memory is not counted as the next one's.
static int
run_apart(unsigned servers, const char *agent, unsigned ticks)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        run(servers, agent, ticks);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
    const char *agent = "q_learning";
    unsigned ticks = 7, servers[16] = {100, 1000, 10000}, n = 3;
    int i = 1, rc = 0;
    for (; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
        if (!strcmp(argv[i], "--agent"))
            agent = argv[i + 1];
        else if (!strcmp(argv[i], "--ticks"))
            ticks = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else
            die("usage: manager [--agent NAME] [--ticks N] [SERVERS...]");
    }
    if (ticks < 1 || ticks > TICKS_MOST)
        die("--ticks: use 1 to 99");
    for (unsigned k = 0; i < argc && k < 16; k++, i++) {
        n = k + 1;
        servers[k] = (unsigned)strtoul(argv[i], NULL, 10);
        if (servers[k] < 1 || servers[k] > 16000)
            die("servers: use 1 to 16000");
    }
    for (unsigned k = 0; k < n; k++)
        rc |= run_apart(servers[k], agent, ticks);
    return rc;
}
