// SPDX-License-Identifier: Apache-2.0
// collectd.conf's block -> [config] -> the manager's model. Runs once, at collectd's start;
// applications are also added later, by request. Read all, check all: a bad block leaves nothing.
#include "plugins/manager/manager.h"

#include "lib/io/datafile.h"
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "plugins/oconfig_json.h"

#include <json-c/json.h>
#include <offload/card_api.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct root {
    struct manager_options options;
    struct json_object *cards, *apps;
};

#define ROOT(field)                                                                                \
    .offset = offsetof(struct root, options.field),                                                \
    .size = sizeof(((struct root *)0)->options.field)

static const struct offload_opt root_options[] = {
    {.key = "StepS",
     .type = OFFLOAD_OPT_F64,
     ROOT(step_s),
     .least = 0.1,
     .most = 86400,
     .default_text = "1",
     .unit = "s",
     .help = "between two decisions"},
    {.key = "Agent",
     .type = OFFLOAD_OPT_STRING,
     ROOT(agent),
     .default_text = "\"q_learning\"",
     .help = "who decides: static, reactive, proportional or q_learning"},
    {.key = "DryRun",
     .type = OFFLOAD_OPT_BOOL,
     ROOT(dry_run),
     .default_text = "false",
     .help = "plan and explain, but apply nothing"},
    {.key = "Seed",
     .type = OFFLOAD_OPT_U64,
     ROOT(seed),
     .most = 9e15,
     .default_text = "1",
     .help = "of what an agent tries at random"},
    {.key = "Epsilon",
     .type = OFFLOAD_OPT_F64,
     ROOT(epsilon),
     .most = 1,
     .default_text = "0.02",
     .help = "share of actions that a learning agent tries at random"},
    {.key = "GuardConfidence",
     .type = OFFLOAD_OPT_F64,
     ROOT(guard_confidence),
     .least = 0.5,
     .most = 0.9999,
     .default_text = "0.95",
     .help = "that a learned agent is not worse than proportional, before it may decide again"},
    {.key = "StateDir",
     .type = OFFLOAD_OPT_STRING,
     ROOT(state_dir),
     .default_text = "\"/var/lib/offload\"",
     .help = "for the plan log and the agent's checkpoint"},
    {.key = "PlanLog",
     .type = OFFLOAD_OPT_STRING,
     ROOT(plan_log),
     .default_text = "\"\"",
     .help = "one JSON object a plan; StateDir/plans.jsonl"},
    {.key = "CheckpointFile",
     .type = OFFLOAD_OPT_STRING,
     ROOT(checkpoint),
     .default_text = "\"\"",
     .help = "what the agent has learned; StateDir/AGENT.checkpoint"},
    {.key = "WeightsFile",
     .type = OFFLOAD_OPT_STRING,
     ROOT(weights),
     .default_text = "\"\"",
     .help = "what it starts from while there is no checkpoint; "
             "/usr/share/offload/weights/AGENT.checkpoint"},
    {.key = "Socket",
     .type = OFFLOAD_OPT_STRING,
     ROOT(socket),
     .default_text = "\"/run/offload/manager.sock\"",
     .help = "of the manager's own API"},
    {.key = "FlowdSocket",
     .type = OFFLOAD_OPT_STRING,
     ROOT(flowd_socket),
     .default_text = "\"\"",
     .help = "of offload-flowd; without it nothing is rerouted"},
    {.key = "LeaderOvsdb",
     .type = OFFLOAD_OPT_STRING,
     ROOT(leader_ovsdb),
     .default_text = "\"\"",
     .help = "where several managers agree on one: unix:PATH or tcp:HOST:PORT of an OVSDB server, "
             "those of a cluster with commas between; without it a lock in StateDir"},
    {.key = "LeaderName",
     .type = OFFLOAD_OPT_STRING,
     ROOT(leader_name),
     .default_text = "\"\"",
     .help = "what the others see; the host's name"},
    {.key = "LeaderPatienceS",
     .type = OFFLOAD_OPT_F64,
     ROOT(leader_patience_s),
     .most = 3600,
     .default_text = "0",
     .unit = "s",
     .help = "without a sign of life, and another manager takes over; 0: 1.2 steps"},
    {.key = "TimeoutMs",
     .type = OFFLOAD_OPT_U64,
     ROOT(timeout_ms),
     .least = 10,
     .most = 60000,
     .default_text = "1000",
     .unit = "ms",
     .help = "for each request to a card or switch"},
    {.key = "Headroom",
     .type = OFFLOAD_OPT_F64,
     ROOT(policy.headroom),
     .least = 1,
     .most = 10,
     .default_text = "1.1",
     .help = "factor on what is expected to be needed"},
    {.key = "MaxChangePct",
     .type = OFFLOAD_OPT_F64,
     ROOT(policy.max_change_pct),
     .least = 0.1,
     .most = 100,
     .default_text = "50",
     .unit = "percent of the card",
     .help = "that a share may change in a step"},
    {.key = "DeadbandPct",
     .type = OFFLOAD_OPT_F64,
     ROOT(policy.deadband_pct),
     .most = 50,
     .default_text = "0.5",
     .unit = "percent of the card",
     .help = "changes below that are not made"},
    {.key = "MigrateAbovePct",
     .type = OFFLOAD_OPT_F64,
     ROOT(policy.move_above_pct),
     .least = 1,
     .most = 1000,
     .default_text = "95",
     .unit = "percent",
     .help = "of a card's capacity: expected above it, it gives away"},
    {.key = "MigrateBelowPct",
     .type = OFFLOAD_OPT_F64,
     ROOT(policy.move_below_pct),
     .least = 1,
     .most = 1000,
     .default_text = "85",
     .unit = "percent",
     .help = "that the taking card stays below"},
    {.key = "MigrationCooldownS",
     .type = OFFLOAD_OPT_F64,
     ROOT(policy.cooldown_s),
     .most = 1e7,
     .default_text = "30",
     .unit = "s",
     .help = "between two moves of an application"},
    {.key = "Card",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct root, cards),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "block: a card"},
    {.key = "Application",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct root, apps),
     .help = "block: an application"},
    OFFLOAD_OPT_END,
};

struct card_block {
    char name[OFFLOAD_NAME_MAX + 1], socket[MANAGER_PATH_MAX], server[ALLOC_SERVER_MAX + 1];
    char inside[32], outside[32], flowd[MANAGER_PATH_MAX];
};

#define CARD(field)                                                                                \
    .offset = offsetof(struct card_block, field), .size = sizeof(((struct card_block *)0)->field)

static const struct offload_opt card_options[] = {
    {.key = "Name",
     .type = OFFLOAD_OPT_NAME,
     CARD(name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "as cardd.json has it"},
    {.key = "Socket",
     .type = OFFLOAD_OPT_STRING,
     CARD(socket),
     .default_text = "\"/run/offload/cardd.sock\"",
     .help = "of the offload-cardd that owns it"},
    {.key = "Server",
     .type = OFFLOAD_OPT_STRING,
     CARD(server),
     .default_text = "\"\"",
     .help = "host that it is in, as collectd names it; this one"},
    {.key = "InsidePort",
     .type = OFFLOAD_OPT_STRING,
     CARD(inside),
     .default_text = "\"\"",
     .help = "the switch's port to its inside"},
    {.key = "OutsidePort",
     .type = OFFLOAD_OPT_STRING,
     CARD(outside),
     .default_text = "\"\"",
     .help = "the switch's port to its outside"},
    {.key = "FlowdSocket",
     .type = OFFLOAD_OPT_STRING,
     CARD(flowd),
     .default_text = "\"\"",
     .help = "of the offload-flowd of its host; that of the whole block"},
    OFFLOAD_OPT_END,
};

const char *const manager_down_names[] = {"closed", "open", "move", NULL};
const char *const manager_sharing_names[] = {"reserved", "lent", NULL};

struct app_block {
    char name[OFFLOAD_NAME_MAX + 1], card[OFFLOAD_NAME_MAX + 1];
    int class, on_card_down, sharing;
    double min_bps, max_bps, max_delay_ms, max_loss, burst_bytes;
    double cpu_pct, bandwidth_bps, memory_bytes;
    char in_port[32], out_port[32];
    struct json_object *match, *function, *return_dst;
};

#define APP(field)                                                                                 \
    .offset = offsetof(struct app_block, field), .size = sizeof(((struct app_block *)0)->field)

static const struct offload_opt app_options[] = {
    {.key = "Name",
     .type = OFFLOAD_OPT_NAME,
     APP(name),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "of the application"},
    {.key = "Card",
     .type = OFFLOAD_OPT_NAME,
     APP(card),
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "where it starts"},
    {.key = "Class",
     .type = OFFLOAD_OPT_ENUM,
     APP(class),
     .names = alloc_class_names,
     .default_text = "\"bronze\"",
     .help = "under overload the lower class yields first"},
    {.key = "MinBps",
     .type = OFFLOAD_OPT_F64,
     APP(min_bps),
     .most = 1e15,
     .default_text = "0",
     .unit = "bit/s",
     .help = "guaranteed"},
    {.key = "MaxBps",
     .type = OFFLOAD_OPT_F64,
     APP(max_bps),
     .most = 1e15,
     .default_text = "0",
     .unit = "bit/s",
     .help = "never more; 0: no limit"},
    {.key = "MaxDelayMs",
     .type = OFFLOAD_OPT_F64,
     APP(max_delay_ms),
     .most = 1e6,
     .default_text = "0",
     .unit = "ms",
     .help = "mean queueing delay in the card; 0: no limit"},
    {.key = "MaxLoss",
     .type = OFFLOAD_OPT_F64,
     APP(max_loss),
     .most = 1,
     .default_text = "0",
     .help = "part of the packets that may be lost"},
    {.key = "BurstBytes",
     .type = OFFLOAD_OPT_F64,
     APP(burst_bytes),
     .most = 1e9,
     .default_text = "0",
     .unit = "bytes",
     .help = "mean burst; 0: found from the delays that are measured"},
    {.key = "OnCardDown",
     .type = OFFLOAD_OPT_ENUM,
     APP(on_card_down),
     .names = manager_down_names,
     .default_text = "\"closed\"",
     .help = "what the switch does while the card is down"},
    {.key = "Sharing",
     .type = OFFLOAD_OPT_ENUM,
     APP(sharing),
     .names = manager_sharing_names,
     .default_text = "\"reserved\"",
     .help = "whether others may use what it leaves unused"},
    {.key = "InPort",
     .type = OFFLOAD_OPT_STRING,
     APP(in_port),
     .default_text = "\"\"",
     .help = "the switch's port where its clients are"},
    {.key = "OutPort",
     .type = OFFLOAD_OPT_STRING,
     APP(out_port),
     .default_text = "\"\"",
     .help = "the switch's port where its servers are"},
    {.key = "ReturnDst",
     .type = OFFLOAD_OPT_ARRAY,
     APP(return_dst),
     .help = "addresses that a NAT puts in the client's place"},
    {.key = "CpuPct",
     .type = OFFLOAD_OPT_F64,
     APP(cpu_pct),
     .most = 100,
     .default_text = "0",
     .unit = "percent",
     .help = "agent static's share; 0: an equal one"},
    {.key = "BandwidthBps",
     .type = OFFLOAD_OPT_F64,
     APP(bandwidth_bps),
     .most = 1e15,
     .default_text = "0",
     .unit = "bit/s",
     .help = "agent static's share"},
    {.key = "MemoryBytes",
     .type = OFFLOAD_OPT_F64,
     APP(memory_bytes),
     .most = 1e15,
     .default_text = "0",
     .unit = "bytes",
     .help = "agent static's share"},
    {.key = "Match",
     .type = OFFLOAD_OPT_ARRAY,
     APP(match),
     .help = "block: packets that are its own; any of them"},
    {.key = "Function",
     .type = OFFLOAD_OPT_ARRAY,
     APP(function),
     .help = "block: a function of its chain, in order"},
    OFFLOAD_OPT_END,
};

// Keys that may come several times, or are lists by nature.
static const char *const list_keys[] = {"Match", "Function", "ReturnDst", NULL};

static const double BURST_START_BYTES = 6000; // four full packets; measured delays correct it

struct manager_app *
manager_find_app(struct manager *m, const char *name)
{
    uint32_t i = names_find(&m->app_names, m->apps, sizeof *m->apps, name);
    return i == NAMES_NONE || m->apps[i].withdrawn ? NULL : &m->apps[i];
}

uint32_t
manager_find_card(const struct manager *m, const char *name)
{
    return names_find(&m->card_names, m->cards, sizeof *m->cards, name);
}

struct manager_server *
manager_find_server(struct manager *m, const char *name)
{
    uint32_t i = names_find(&m->server_names, m->servers, sizeof *m->servers, name);
    return i == NAMES_NONE ? NULL : &m->servers[i];
}

// CamelCase to snake_case: "UdpTimeoutS" -> "udp_timeout_s", as the card API has it.
static void
snake(const char *camel, char *to, size_t size)
{
    size_t n = 0;
    for (; *camel && n + 2 < size; camel++) {
        if (isupper((unsigned char)*camel) && n > 0)
            to[n++] = '_';
        to[n++] = (char)tolower((unsigned char)*camel);
    }
    to[n] = '\0';
}

static bool
is_blocks(struct json_object *value)
{
    return json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0 &&
           json_object_is_type(json_object_array_get_idx(value, 0), json_type_object);
}

// A block as the card API's object: snake_case keys, and "<Rule>" blocks as the array "rules". A
// value that stands where a block should stays what it is, for its reader to refuse.
static struct json_object *
block_to_api(struct json_object *block, const char *skip, int depth)
{
    if (!json_object_is_type(block, json_type_object))
        return json_object_get(block);
    struct json_object *o = json_object_new_object();
    json_object_object_foreach (block, key, value) {
        char name[64];
        if (skip && !strcmp(key, skip))
            continue;
        snake(key, name, sizeof name - 2);
        if (depth < 4 && is_blocks(value)) {
            struct json_object *array = json_object_new_array();
            for (size_t i = 0; i < json_object_array_length(value); i++)
                json_object_array_add(
                    array, block_to_api(json_object_array_get_idx(value, i), NULL, depth + 1));
            strcat(name, "s");
            json_object_object_add(o, name, array);
        } else {
            json_object_object_add(o, name, json_object_get(value));
        }
    }
    return o;
}

static struct json_object *
chain_of(struct json_object *functions)
{
    struct json_object *chain = json_object_new_array();
    for (size_t i = 0; functions && i < json_object_array_length(functions); i++) {
        struct json_object *f = json_object_array_get_idx(functions, i),
                           *fn = json_object_new_object(), *name;
        if (json_object_is_type(f,
                                json_type_string)) { // Function "forward": one without parameters
            json_object_object_add(fn, "fn", json_object_get(f));
            json_object_object_add(fn, "params", json_object_new_object());
        } else if (json_object_object_get_ex(f, "Name", &name)) {
            json_object_object_add(fn, "fn", json_object_get(name));
            json_object_object_add(fn, "params", block_to_api(f, "Name", 0));
        }
        json_object_array_add(chain, fn);
    }
    return chain;
}

static struct json_object *
matches_of(struct json_object *blocks)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; blocks && i < json_object_array_length(blocks); i++)
        json_object_array_add(array, block_to_api(json_object_array_get_idx(blocks, i), "Name", 0));
    return array;
}

static struct json_object *
sla_of(const struct app_block *b)
{
    struct json_object *sla = json_object_new_object();
    json_object_object_add(sla, "class", json_object_new_string(alloc_class_names[b->class]));
    json_object_object_add(sla, "min_bps", json_object_new_uint64((uint64_t)b->min_bps));
    json_object_object_add(sla, "max_bps", json_object_new_uint64((uint64_t)b->max_bps));
    json_object_object_add(sla, "max_delay_ns",
                           json_object_new_uint64(offload_ms_to_ns(b->max_delay_ms)));
    json_object_object_add(sla, "max_loss_frac", json_object_new_double(b->max_loss));
    json_object_object_add(sla, "on_card_down",
                           json_object_new_string(manager_down_names[b->on_card_down]));
    return sla;
}

struct json_object *
manager_intent(const char *app, struct json_object *match, const char *in_port,
               const char *out_port, const char *on_card_down, struct json_object *return_dst)
{
    if (!in_port[0])
        return NULL;
    struct json_object *intent = json_object_new_object();
    json_object_object_add(intent, "app", json_object_new_string(app));
    json_object_object_add(intent, "match", json_object_get(match));
    json_object_object_add(intent, "in_port", json_object_new_string(in_port));
    json_object_object_add(intent, "out_port", json_object_new_string(out_port));
    json_object_object_add(intent, "on_card_down", json_object_new_string(on_card_down));
    if (return_dst)
        json_object_object_add(intent, "return_dst", json_object_get(return_dst));
    return intent;
}

struct sla_fields {
    int class, on_card_down;
    double min_bps, max_bps, max_delay_ns, max_loss_frac;
};

#define SLA(field)                                                                                 \
    .offset = offsetof(struct sla_fields, field), .size = sizeof(((struct sla_fields *)0)->field)

static const struct offload_opt sla_options[] = {
    {.key = "class",
     .type = OFFLOAD_OPT_ENUM,
     SLA(class),
     .names = alloc_class_names,
     .default_text = "\"bronze\""},
    {.key = "min_bps", .type = OFFLOAD_OPT_F64, SLA(min_bps), .most = 1e15, .default_text = "0"},
    {.key = "max_bps", .type = OFFLOAD_OPT_F64, SLA(max_bps), .most = 1e15, .default_text = "0"},
    {.key = "max_delay_ns",
     .type = OFFLOAD_OPT_F64,
     SLA(max_delay_ns),
     .most = 1e15,
     .default_text = "0"},
    {.key = "max_loss_frac",
     .type = OFFLOAD_OPT_F64,
     SLA(max_loss_frac),
     .most = 1,
     .default_text = "1"},
    {.key = "on_card_down",
     .type = OFFLOAD_OPT_ENUM,
     SLA(on_card_down),
     .names = manager_down_names,
     .default_text = "\"closed\""},
    OFFLOAD_OPT_END,
};

static struct json_object *
part_of(struct json_object *object, const char *key, enum json_type type)
{
    struct json_object *part;
    return json_object_object_get_ex(object, key, &part) && json_object_is_type(part, type) ? part
                                                                                            : NULL;
}

// A slot that a withdrawn application left, or a new one; NULL where there are as many as may be. A
// slot whose name is empty is free; to all who walk the applications it is a withdrawn one.
static struct manager_app *
new_slot(struct manager *m)
{
    if (m->n_free > 0)
        for (uint32_t i = 0; i < m->n_apps; i++)
            if (!m->apps[i].name[0]) {
                m->n_free--;
                return &m->apps[i];
            }
    if (m->n_apps >= MANAGER_APPS_MAX)
        return NULL;
    if (m->n_apps == m->apps_size) {
        uint32_t size = m->apps_size ? 2 * m->apps_size : 16;
        struct manager_app *grown = realloc(m->apps, size * sizeof *grown);
        if (!grown)
            return NULL;
        m->apps = grown;
        m->apps_size = size;
    }
    return &m->apps[m->n_apps++];
}

void
manager_free_app(struct manager *m, uint32_t a)
{
    struct manager_app *app = &m->apps[a];
    names_remove(&m->app_names, m->apps, sizeof *m->apps, a);
    manager_app_fini(app);
    *app = (struct manager_app){.withdrawn = true,
                                .card = ALLOC_NONE,
                                .planned = ALLOC_NONE,
                                .wanted = ALLOC_NONE,
                                .fled_from = ALLOC_NONE,
                                .offered_bps = NAN,
                                .foreseen_bps = NAN};
    m->n_free++;
}

int
manager_add_app(struct manager *m, struct json_object *request, const char *path, uint32_t home,
                struct manager_app **app, struct offload_err *err)
{
    struct json_object *name = part_of(request, "app", json_type_string);
    struct json_object *sla = part_of(request, "sla", json_type_object);
    struct sla_fields f = {.class = ALLOC_BRONZE, .max_loss_frac = 1}; // as one that says nothing
    char where[160];
    if (!name || !offload_name_valid(json_object_get_string(name)))
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "app"),
                               "1 to 32 letters, digits, - and _", "there is no valid name");
    const char *text = json_object_get_string(name);
    if (names_find(&m->app_names, m->apps, sizeof *m->apps, text) != NAMES_NONE) {
        bool going = !manager_find_app(m, text);
        return offload_err_set(
            err, going ? -EBUSY : -EINVAL, offload_json_path(where, sizeof where, path, "app"),
            going ? "try again in a moment" : "withdraw that one first", "application '%s' is %s",
            text, going ? "being withdrawn" : "there already");
    }
    int rc = sla ? offload_opt_read(sla_options, sla,
                                    offload_json_path(where, sizeof where, path, "sla"), &f,
                                    sizeof f, err)
                 : 0;
    if (rc)
        return rc;
    if (f.max_bps > 0 && f.max_bps < f.min_bps)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, "sla"),
                               "at least the guarantee, or 0 for no limit",
                               "the limit of %.0f bit/s is below the guarantee of %.0f", f.max_bps,
                               f.min_bps);
    struct manager_app *a = new_slot(m);
    if (!a)
        return offload_err_set(err, -ENOSPC, path, "withdraw some",
                               "there are %d applications already", MANAGER_APPS_MAX);
    *a = (struct manager_app){.home = home,
                              .card = ALLOC_NONE,
                              .planned = ALLOC_NONE,
                              .wanted = ALLOC_NONE,
                              .fled_from = ALLOC_NONE,
                              .class = f.class,
                              .on_card_down = f.on_card_down,
                              .min_bps = f.min_bps,
                              .max_bps = f.max_bps,
                              .max_delay_s = f.max_delay_ns / 1e9,
                              .max_loss_frac = f.max_loss_frac,
                              .burst_measured = BURST_START_BYTES,
                              .cycles_per_byte = NAN,
                              .offered_bps = NAN,
                              .foreseen_bps = NAN,
                              .before_bps = NAN,
                              .delivered_bps = NAN,
                              .used_cpu_pct = NAN,
                              .delay_mean_s = NAN,
                              .loss_frac = NAN,
                              .delay_p99_ns = NAN};
    a->seat[0].card = a->seat[1].card = ALLOC_NONE;
    snprintf(a->name, sizeof a->name, "%s", text);
    if (names_add(&m->app_names, m->apps, sizeof *m->apps, (uint32_t)(a - m->apps))) {
        *a = (struct manager_app){.withdrawn = true};
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    }
    a->match = json_object_get(part_of(request, "match", json_type_array));
    a->chain = json_object_get(part_of(request, "chain", json_type_array));
    a->sla = json_object_get(sla);
    *app = a;
    return 0;
}

void
manager_app_fini(struct manager_app *app)
{
    json_object_put(app->match);
    json_object_put(app->chain);
    json_object_put(app->sla);
    json_object_put(app->intent);
    json_object_put(app->request);
    free(app->calibration);
}

static int
add_peer(struct manager *m, const char *socket, bool is_switch, unsigned *index,
         struct offload_err *err)
{
    for (unsigned i = 0; i < m->n_peers; i++)
        if (m->peers[i].is_switch == is_switch && !strcmp(m->peers[i].socket, socket)) {
            *index = i;
            return 0;
        }
    struct manager_peer *grown = realloc(m->peers, (m->n_peers + 1) * sizeof *grown);
    if (!grown)
        return offload_err_set(err, -ENOMEM, "offload_manager", NULL, "out of memory");
    m->peers = grown;
    if (m->n_peers == MANAGER_PEERS_MAX)
        return offload_err_set(err, -ENOSPC, "offload_manager", "use another manager for some",
                               "there are more than %d sockets", MANAGER_PEERS_MAX);
    m->peers[m->n_peers] = (struct manager_peer){.is_switch = is_switch};
    snprintf(m->peers[m->n_peers].socket, sizeof m->peers->socket, "%s", socket);
    *index = m->n_peers++;
    return 0;
}

static int
add_server(struct manager *m, const char *name)
{
    if (manager_find_server(m, name))
        return 0;
    struct manager_server *grown = realloc(m->servers, (m->n_servers + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    m->servers = grown;
    m->servers[m->n_servers] = (struct manager_server){.score = NAN, .lead_s = NAN, .limit = NAN};
    snprintf(m->servers[m->n_servers].name, sizeof m->servers->name, "%s", name);
    return names_add(&m->server_names, m->servers, sizeof *m->servers, m->n_servers++);
}

static int
add_card(struct manager *m, struct json_object *object, const char *path, struct offload_err *err)
{
    struct card_block b;
    unsigned peer, flowd = 0;
    int rc = offload_opt_read(card_options, object, path, &b, sizeof b, err);
    if (rc)
        return rc;
    if (manager_find_card(m, b.name) != ALLOC_NONE)
        return offload_err_set(err, -EINVAL, path, "one block a card", "card '%s' is there twice",
                               b.name);
    if (m->n_cards == MANAGER_CARDS_MAX)
        return offload_err_set(err, -ENOSPC, path, NULL, "there are more than %d cards",
                               MANAGER_CARDS_MAX);
    struct manager_card *grown = realloc(m->cards, (m->n_cards + 1) * sizeof *grown);
    if (!grown)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    m->cards = grown;
    struct manager_card *card = &m->cards[m->n_cards];
    *card = (struct manager_card){
        .cycles_per_s = NAN, .offered_bps = NAN, .delivered_bps = NAN, .used_cpu_pct = NAN};
    snprintf(card->name, sizeof card->name, "%s", b.name);
    snprintf(card->server, sizeof card->server, "%s", b.server);
    snprintf(card->ports.inside, sizeof card->ports.inside, "%s", b.inside);
    snprintf(card->ports.outside, sizeof card->ports.outside, "%s", b.outside);
    const char *switch_socket = b.flowd[0] ? b.flowd : m->options.flowd_socket;
    rc = add_peer(m, b.socket, false, &peer, err);
    if (!rc && switch_socket[0])
        rc = add_peer(m, switch_socket, true, &flowd, err);
    if (rc)
        return rc;
    card->peer = peer;
    card->flowd = switch_socket[0] ? flowd : ALLOC_NONE;
    return names_add(&m->card_names, m->cards, sizeof *m->cards, m->n_cards++);
}

static int
check_matches(struct json_object *match, const char *path, struct offload_err *err)
{
    struct offload_match read[OFFLOAD_MATCHES_MAX];
    char where[160];
    unsigned n;
    return offload_matches_read(match, offload_json_path(where, sizeof where, path, "Match"), read,
                                OFFLOAD_MATCHES_MAX, &n, err);
}

static int
add_app(struct manager *m, struct json_object *object, const char *path, struct offload_err *err)
{
    struct app_block b = {.match = NULL};
    struct manager_app *app;
    int rc = offload_opt_read(app_options, object, path, &b, sizeof b, err);
    if (rc)
        return rc;
    uint32_t home = manager_find_card(m, b.card);
    if (home == ALLOC_NONE)
        return offload_err_set(err, -EINVAL, path, "the name of a <Card> block",
                               "there is no card '%s'", b.card);
    struct json_object *request = json_object_new_object(), *match = matches_of(b.match);
    json_object_object_add(request, "app", json_object_new_string(b.name));
    json_object_object_add(request, "match", match);
    json_object_object_add(request, "chain", chain_of(b.function));
    json_object_object_add(request, "sla", sla_of(&b));
    rc = check_matches(match, path, err);
    if (!rc)
        rc = manager_add_app(m, request, path, home, &app, err);
    if (!rc) {
        app->configured = true;
        app->lent = b.sharing == 1;
        app->burst_bytes = b.burst_bytes;
        app->fixed = (struct alloc_share){{b.cpu_pct, b.bandwidth_bps, b.memory_bytes}};
        app->intent = manager_intent(b.name, match, b.in_port, b.out_port,
                                     manager_down_names[b.on_card_down], b.return_dst);
    }
    json_object_put(request);
    return rc;
}

static int
add_all(struct manager *m, const struct root *root, struct offload_err *err)
{
    char path[160];
    int rc = 0;
    for (size_t i = 0; !rc && i < json_object_array_length(root->cards); i++) {
        offload_json_path_index(path, sizeof path, "offload_manager.Card", i);
        rc = add_card(m, json_object_array_get_idx(root->cards, i), path, err);
    }
    for (size_t i = 0; !rc && root->apps && i < json_object_array_length(root->apps); i++) {
        offload_json_path_index(path, sizeof path, "offload_manager.Application", i);
        rc = add_app(m, json_object_array_get_idx(root->apps, i), path, err);
    }
    return rc;
}

int
manager_name_servers(struct manager *m, const char *host)
{
    int rc = 0;
    for (uint32_t c = 0; !rc && c < m->n_cards; c++) {
        if (!m->cards[c].server[0])
            snprintf(m->cards[c].server, sizeof m->cards[c].server, "%s", host);
        rc = add_server(m, m->cards[c].server);
    }
    if (!m->options.leader_name[0])
        snprintf(m->options.leader_name, sizeof m->options.leader_name, "%s", host);
    return rc;
}

static void
usual_places(struct manager_options *o)
{
    if (!o->plan_log[0])
        snprintf(o->plan_log, sizeof o->plan_log, "%.230s/plans.jsonl", o->state_dir);
    if (!o->checkpoint[0])
        snprintf(o->checkpoint, sizeof o->checkpoint, "%.200s/%s.checkpoint", o->state_dir,
                 o->agent);
    if (!o->weights[0]) {
        char name[64];
        snprintf(name, sizeof name, "weights/%.40s.checkpoint", o->agent);
        datafile(o->weights, sizeof o->weights, OFFLOAD_DATADIR, name);
    }
    if (o->leader_patience_s <= 0)
        o->leader_patience_s = 1.2 * o->step_s;
    if (o->policy.move_below_pct > o->policy.move_above_pct)
        o->policy.move_below_pct = o->policy.move_above_pct;
    o->policy.move_after_ticks = alloc_policy_default.move_after_ticks;
}

static int
check_remotes(const char *list, struct offload_err *err)
{
    for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, "unix:/", 6) && (strncmp(at, "tcp:", 4) || !strchr(at + 4, ':')))
            return offload_err_set(err, -EINVAL, "offload_manager.LeaderOvsdb",
                                   "unix:/PATH or tcp:HOST:PORT, with commas between",
                                   "'%.*s' is no remote", (int)strcspn(at, ","), at);
    return 0;
}

int
manager_configure(struct manager *m, const struct oconfig_item_s *item, struct offload_err *err)
{
    struct manager fresh = *m;
    struct root root = {.cards = NULL};
    struct json_object *tree = oconfig_json(item, "offload_manager", list_keys, err);
    int rc = tree ? offload_opt_read(root_options, tree, "offload_manager", &root, sizeof root, err)
                  : -EINVAL;
    if (!rc)
        rc = check_remotes(root.options.leader_ovsdb, err);
    if (!rc) {
        usual_places(&root.options);
        fresh.options = root.options;
        rc = add_all(&fresh, &root, err);
    }
    if (!rc) {
        struct alloc_agent_params params = {.seed = fresh.options.seed,
                                            .n_cards = fresh.n_cards,
                                            .epsilon = fresh.options.epsilon,
                                            .learn = true};
        rc = sim_duel_create(fresh.options.agent, &params, &fresh.duel, err);
        if (rc)
            offload_err_prefix(err, "offload_manager.Agent");
        else
            sim_duel_guard(fresh.duel)->confidence = fresh.options.guard_confidence;
    }
    json_object_put(tree);
    if (rc)
        manager_fini(&fresh);
    else
        *m = fresh;
    return rc;
}

void
manager_fini(struct manager *m)
{
    for (uint32_t i = 0; i < m->n_apps; i++)
        manager_app_fini(&m->apps[i]);
    for (unsigned i = 0; i < m->n_moves; i++) {
        coordinator_fini(&m->moves[i]->coordinator);
        free(m->moves[i]);
    }
    planlog_fini(m);
    free(m->apps);
    free(m->cards);
    free(m->peers);
    free(m->servers);
    names_fini(&m->app_names);
    names_fini(&m->card_names);
    names_fini(&m->server_names);
    sim_duel_destroy(m->duel);
}
