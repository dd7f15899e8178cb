// SPDX-License-Identifier: Apache-2.0
// What every verb takes, gives and asks of its caller. The server checks requests by these rows,
// and schemas and the tables of doc/card-api.md are printed from them: a verb, a parameter or a key
// of an answer is told here and nowhere else. Main thread; constant after api_schemas().
#include "dpdk-app/card.h"
#include "dpdk-app/cardd.h"
#include "dpdk-app/params.h"

#include "lib/rpc/schema.h"

#include <string.h>

// -- Rows of answers --

#define WHOLE(key_, help_)                                                                         \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_U64, .help = help_                                        \
    }
#define NUMBER(key_, help_)                                                                        \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_F64, .help = help_                                        \
    }
#define TEXT(key_, help_)                                                                          \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_STRING, .help = help_                                     \
    }
#define NAME(key_, help_)                                                                          \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_NAME, .help = help_                                       \
    }
#define TRUTH(key_, help_)                                                                         \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_BOOL, .help = help_                                       \
    }
#define OPEN(key_, help_)                                                                          \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_OBJECT, .help = help_                                     \
    }
#define WORD(key_, names_, help_)                                                                  \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_ENUM, .names = names_, .help = help_                      \
    }
#define PART(key_, fields_, help_)                                                                 \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_OBJECT, .fields = fields_, .help = help_                  \
    }
#define NAMED(key_, fields_, object_, help_)                                                       \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_OBJECT, .fields = fields_, .object = object_,             \
        .help = help_                                                                              \
    }
#define LIST(key_, fields_, object_, help_)                                                        \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_ARRAY, .fields = fields_, .object = object_,              \
        .help = help_                                                                              \
    }
#define ITEMS(key_, item_, help_)                                                                  \
    {                                                                                              \
        .key = key_, .type = OFFLOAD_OPT_ARRAY, .item = item_, .help = help_                       \
    }
#define END OFFLOAD_OPT_END

static const struct offload_opt text_item = TEXT("", ""), worker_item = WHOLE("", "");

// Filled from drop_cause_names; those of cards alone may be absent.
static struct offload_opt app_drops[DROP_CAUSES + 1];
static const char *const drop_help[DROP_CAUSES] = {
    [DROP_ADMISSION] = "over the bandwidth allocated",
    [DROP_QUEUE_FULL] = "over the cycles allocated, for longer than the queue holds",
    [DROP_MEMORY] = "over the memory allocated",
    [DROP_FUNCTION] = "a function's decision",
    [DROP_TRANSMIT] = "the port did not take it",
    [DROP_MIGRATION] = "lost while it moved",
    [DROP_DELAY] = "waited for longer than the SLA allows",
    [DROP_CODEL] = "its queue stood for too long (RFC 8289)",
    [DROP_NO_APP] = "cards: matched by no application",
    [DROP_PARSE] = "cards: refused as odd",
};

static const struct offload_opt delay_fields[] = {WHOLE("mean", ""), WHOLE("p50", ""),
                                                  WHOLE("p99", ""), END};

static const struct offload_opt stats_fields[] = {
    WHOLE("time_ns", "monotonic clock"),
    WHOLE("offered_pkts", "arrived for it: admitted and dropped"),
    WHOLE("offered_bytes", "on the wire, without FCS"),
    WHOLE("delivered_pkts", "handed to the output port"),
    WHOLE("delivered_bytes", "on the wire, without FCS"),
    WHOLE("cycles", "billed worker cycles"),
    WHOLE("queue_delay_ns_sum", "over `queue_delay_pkts`: a step's mean queueing delay"),
    WHOLE("queue_delay_pkts", "packets that the sum is of"),
    PART("delay_ns", delay_fields, "queueing delay in the last whole second"),
    NAMED("drops", app_drops, "DROPS", "packets by cause"),
    WHOLE("memory_bytes", "buffers and table entries in use"),
    WHOLE("memory_high_bytes", "most so far"),
    WHOLE("queued_pkts", "that wait now"),
    WHOLE("flows", "entries of its tables, else of the flow cache"),
    END,
};

static const char *const link_states[] = {"down", "up", "draining", NULL};
static const char *const port_roles[] = {"inside", "outside", NULL};

static const struct offload_opt hardware_fields[] = {TRUTH("flow_queue", "rules to queues"),
                                                     TRUTH("flow_mark", "rules that mark"),
                                                     TRUTH("flow_drop", "rules that drop"),
                                                     TRUTH("meter", ""),
                                                     TRUTH("shaper", ""),
                                                     END};

static const struct offload_opt interconnect_fields[] = {WHOLE("pcie_gen", ""), WHOLE("lanes", ""),
                                                         NUMBER("numa_node", "-1: none"),
                                                         WHOLE("bps", ""), END};

static const struct offload_opt port_fields[] = {
    WORD("role", port_roles, "side"),
    TEXT("name", "DPDK's device"),
    TRUTH("link", "it is up"),
    WHOLE("rx_pkts", ""),
    WHOLE("tx_pkts", ""),
    WHOLE("rx_bytes", ""),
    WHOLE("tx_bytes", ""),
    WHOLE("rx_missed", "the ring was full"),
    PART("hardware", hardware_fields, "what it took when it was tried"),
    PART("interconnect", interconnect_fields, "zeros where there is no PCIe link"),
    {.key = "error",
     .type = OFFLOAD_OPT_STRING,
     .flags = OFFLOAD_OPT_MAYBE,
     .help = "why it could not be opened"},
    END,
};

static const struct offload_opt lane_fields[] = {WHOLE("worker", ""), WHOLE("received_pkts", ""),
                                                 WHOLE("delivered_pkts", ""), WHOLE("cycles", ""),
                                                 END};

static const struct offload_opt parse_fields[] = {WHOLE("short", ""),    WHOLE("header", ""),
                                                  WHOLE("length", ""),   WHOLE("options", ""),
                                                  WHOLE("fragment", ""), END};

static const struct offload_opt capacity_fields[] = {
    WHOLE("cycles_per_s", ""), WHOLE("bandwidth_bps", ""), WHOLE("memory_bytes", ""),
    WHOLE("interconnect_bps", ""), END};

static const struct offload_opt allocated_fields[] = {
    NUMBER("cpu_pct", ""), WHOLE("bandwidth_bps", ""), WHOLE("memory_bytes", ""), END};

static const struct offload_opt card_fields[] = {
    NAME("card", "name"),
    WORD("state", link_states, "draining: takes no application, goes with the last"),
    WHOLE("worker", "the first of `workers`"),
    ITEMS("workers", &worker_item, "that serve it"),
    LIST("lanes", lane_fields, NULL, "what each worker has done of it"),
    PART("parse", parse_fields, "packets refused, by what is odd about them"),
    TRUTH("settled", "every flow is on its worker"),
    TRUTH("managed", "a manager decides"),
    LIST("ports", port_fields, "PORT", "inside, then outside"),
    WHOLE("buffers_used", "packet buffers of all cards that are not in their pool"),
    PART("capacity", capacity_fields, "as configured or measured"),
    PART("allocated", allocated_fields, "sum over its applications"),
    ITEMS("apps", &text_item, "names"),
    NAMED("stats", stats_fields, "STATS", "since it was added"),
    END,
};
static const struct offload_opt cards_result[] = {LIST("cards", card_fields, "CARD", ""), END};

static const char *const app_states[] = {"requested", "active", "source", "destination", NULL};

static const struct offload_opt app_fn_fields[] = {
    NAME("fn", "function"),
    WHOLE("packets", "it has had"),
    NUMBER("cycles_per_pkt", "mean"),
    WHOLE("entries", "of its table"),
    WHOLE("state_bytes", "of its table"),
    WHOLE("recovered", "entries taken over from a process that ended"),
    WHOLE("torn", "entries that could not be"),
    OPEN("drops", "packets, by the function's own causes"),
    END};

static const struct offload_opt app_fields[] = {
    NAME("app", "name"),
    NAME("card", "where"),
    WORD("state", app_states, "source and destination: two rows while it migrates"),
    LIST("match", offload_match_opts, "MATCH", "rules"),
    LIST("chain", fn_config_opts, "FUNCTION", "functions"),
    NAMED("sla", offload_sla_opts, "SLA", "what was promised"),
    {.key = "allocation",
     .type = OFFLOAD_OPT_OBJECT,
     .fields = offload_allocation_opts,
     .object = "ALLOCATION",
     .flags = OFFLOAD_OPT_NULLABLE,
     .help = "by a plan"},
    WHOLE("generation", "of its last change"),
    LIST("functions", app_fn_fields, NULL, "what each has done"),
    NAMED("stats", stats_fields, "STATS", "since it was added"),
    END,
};
static const struct offload_opt apps_result[] = {LIST("apps", app_fields, "APP", ""), END};

static const struct offload_opt fn_param_fields[] = {
    TEXT("key", ""),
    TEXT("type", ""),
    {.key = "least", .type = OFFLOAD_OPT_F64, .flags = OFFLOAD_OPT_MAYBE},
    {.key = "most", .type = OFFLOAD_OPT_F64, .flags = OFFLOAD_OPT_MAYBE},
    {.key = "names", .type = OFFLOAD_OPT_ARRAY, .item = &text_item, .flags = OFFLOAD_OPT_MAYBE},
    TEXT("unit", ""),
    {.key = "default", .type = OFFLOAD_OPT_ANY},
    TEXT("help", ""),
    END};
static const struct offload_opt fn_fields[] = {NAME("fn", ""),
                                               TEXT("help", ""),
                                               LIST("params", fn_param_fields, NULL, ""),
                                               TRUTH("stateful", ""),
                                               WHOLE("entry_bytes", "of its table, 0: none"),
                                               END};
static const struct offload_opt fn_list_result[] = {LIST("functions", fn_fields, NULL, ""), END};

static const struct offload_opt hello_result[] = {
    TEXT("api", "version"), TEXT("software", ""), WHOLE("term", "highest seen"),
    WORD("role", rpc_role_names, "of this peer"), END};
static const struct offload_opt schema_result[] = {TEXT("$schema", ""), TEXT("title", ""),
                                                   OPEN("verbs", ""), OPEN("$defs", ""), END};

static const struct offload_opt warned[] = {
    WORD("state", app_states, ""), ITEMS("warnings", &text_item, "rules that never hold"), END};
static const struct offload_opt update_result[] = {
    WHOLE("generation", ""), ITEMS("warnings", &text_item, "rules that never hold"), END};
static const struct offload_opt get_result[] = {
    WHOLE("generation", ""), WHOLE("plan", "number of the last plan"), WHOLE("term", ""),
    LIST("allocations", offload_allocation_opts, "ALLOCATION", ""), END};
static const struct offload_opt set_result[] = {WHOLE("generation", ""), END};
static const struct offload_opt remove_result[] = {
    {.key = "state",
     .type = OFFLOAD_OPT_STRING,
     .flags = OFFLOAD_OPT_MAYBE,
     .help = "draining, where applications are still on it"},
    END};

static const struct offload_opt cycles_fields[] = {WHOLE("mean", ""), WHOLE("p50", ""),
                                                   WHOLE("p99", ""), END};
static const struct offload_opt times_fields[] = {WHOLE("p50", ""), WHOLE("p99", ""), END};
static const struct offload_opt profile_fn_fields[] = {
    NAME("fn", ""), PART("cycles_per_pkt", cycles_fields, ""), END};
static const struct offload_opt profile_result[] = {TRUTH("running", ""),
                                                    NUMBER("seconds", ""),
                                                    WHOLE("packets", "offered"),
                                                    LIST("functions", profile_fn_fields, NULL, ""),
                                                    PART("queue_delay_ns", times_fields, ""),
                                                    PART("service_ns", times_fields, ""),
                                                    NUMBER("throughput_bps", "delivered"),
                                                    NAMED("drops", app_drops, "DROPS", ""),
                                                    WHOLE("memory_high_bytes", ""),
                                                    END};
static const struct offload_opt point_fields[] = {NUMBER("cpu_pct", ""),
                                                  NUMBER("throughput_bps", ""), END};
static const struct offload_opt sweep_result[] = {LIST("points", point_fields, NULL, ""), END};

static const char *const steps[] = {"prepared",  "copying", "cutting", "swapped",
                                    "committed", "aborted", NULL};
static const struct offload_opt step_result[] = {WORD("step", steps, ""), END};
static const struct offload_opt migration_fields[] = {
    TEXT("id", "UUID"),
    WHOLE("term", ""),
    NAME("app", ""),
    NAME("from", "card"),
    NAME("to", "card"),
    WORD("step", steps, ""),
    TRUTH("ready", "copying: the rest is small; cutting: the destination serves"),
    WHOLE("entries", ""),
    WHOLE("copied", ""),
    WHOLE("rounds", ""),
    WHOLE("state_bytes", ""),
    WHOLE("delta_ns", "last delta"),
    WHOLE("pause_ns", "the longest time that a packet was held"),
    WHOLE("held_pkts", ""),
    WHOLE("handed_pkts", ""),
    WHOLE("lost_pkts", ""),
    TRUTH("path_empty", "nothing is on the old path any more"),
    TEXT("error", ""),
    END};
static const struct offload_opt status_result[] = {
    LIST("migrations", migration_fields, "MIGRATION", ""), END};

// -- Rows of requests --

#define chain_opts fn_config_opts
static const struct offload_opt
    card_params[] = {PARAM_CARD(OFFLOAD_OPT_REQUIRED), END},
    update_params[] = {PARAM_TERM, PARAM_CARD(OFFLOAD_OPT_REQUIRED), PARAM_WORKERS, END},
    remove_params[] = {PARAM_TERM, PARAM_CARD(OFFLOAD_OPT_REQUIRED), PARAM_DRAIN, END},
    which_params[] = {PARAM_CARD(0), PARAM_APP(0), END},
    app_add_params[] = {PARAM_TERM,
                        PARAM_APP(OFFLOAD_OPT_REQUIRED),
                        PARAM_CARD(OFFLOAD_OPT_REQUIRED),
                        PARAM_MATCH(OFFLOAD_OPT_REQUIRED),
                        PARAM_CHAIN(OFFLOAD_OPT_REQUIRED),
                        PARAM_SLA,
                        END},
    app_update_params[] = {PARAM_TERM,
                           PARAM_APP(OFFLOAD_OPT_REQUIRED),
                           PARAM_CARD(0),
                           PARAM_MATCH(0),
                           PARAM_CHAIN(0),
                           PARAM_SLA,
                           END},
    app_remove_params[] = {PARAM_TERM, PARAM_APP(OFFLOAD_OPT_REQUIRED), PARAM_CARD(0), END},
    profile_params[] = {PARAM_APP(OFFLOAD_OPT_REQUIRED), PARAM_CARD(0), END},
    sweep_params[] = {PARAM_APP(OFFLOAD_OPT_REQUIRED), PARAM_CARD(0), PARAM_POINTS, END};

static const struct offload_opt kind_item = {
    .key = "", .type = OFFLOAD_OPT_ENUM, .names = event_kind_names};
static const struct offload_opt subscribe_params[] = {ITEMS("kinds", &kind_item, "absent: all"),
                                                      END};

// The term, and a card as cardd.json has it.
static struct offload_opt card_add_params[32] = {PARAM_TERM, END};

static const struct rpc_schema schemas[] = {
    {"hello", RPC_READ, NULL, hello_result, "who answers, and as whom it knows the peer"},
    {"api.schema", RPC_READ, NULL, schema_result, "this table as JSON Schema"},
    {"card.list", RPC_READ, NULL, cards_result, ""},
    {"card.get", RPC_READ, card_params, card_fields, ""},
    {"card.add", RPC_MANAGE, card_add_params, card_fields, "a card as in `cardd.json`"},
    {"card.update", RPC_MANAGE, update_params, card_fields,
     "these workers serve it from now on; flows move in order, nothing is lost. -32004 while those "
     "of the change before are still moving, or while an application migrates"},
    {"card.remove", RPC_MANAGE, remove_params, remove_result,
     "-32004 while applications are on it, unless told to `drain`: then it takes no more and goes "
     "with the last of them; a restart forgets it"},
    {"app.list", RPC_READ, which_params, apps_result,
     "one row an (application, card); two while it migrates"},
    {"app.add", RPC_MANAGE, app_add_params, warned, "`active` once an allocation is set"},
    {"app.update", RPC_MANAGE, app_update_params, update_result, "what is not given stays"},
    {"app.remove", RPC_MANAGE, app_remove_params, NULL, "what waits in its queue is dropped"},
    {"fn.list", RPC_READ, NULL, fn_list_result, "functions and their parameters"},
    {"allocation.get", RPC_READ, which_params, get_result, ""},
    {"allocation.set", RPC_OPERATE, allocation_set_opts, set_result,
     "all or nothing; what is absent stays. -32002 names the card and resource whose sum is too "
     "high. A `request_id` seen before answers as it did then"},
    {"profile.start", RPC_OPERATE, profile_params, NULL, "begins to measure"},
    {"profile.get", RPC_READ, profile_params, profile_result, "what was measured so far"},
    {"profile.stop", RPC_OPERATE, profile_params, profile_result, "ends it, with the figures"},
    {"profile.sweep", RPC_OPERATE, sweep_params, sweep_result,
     "throughput as a function of the share of cycles"},
    {"migration.prepare", RPC_OPERATE, migration_prepare_opts, step_result,
     "`id` is a UUID; the destination holds the room"},
    {"migration.start", RPC_OPERATE, migration_step_opts, step_result,
     "state streams while the source works on"},
    {"migration.cutover", RPC_OPERATE, migration_step_opts, step_result,
     "the source freezes, sends the last delta and hands its packets on; the destination serves "
     "them and holds what comes on the new path"},
    {"migration.commit", RPC_OPERATE, migration_step_opts, step_result,
     "the switch has been swapped and its caches follow; becomes `committed` by itself once the "
     "old "
     "path is proven empty"},
    {"migration.abort", RPC_OPERATE, migration_abort_opts, step_result,
     "at any step before commit; state and packets move back if it had been cut over, which is "
     "done "
     "when `path_empty`. If the switch had been swapped: first with `wait` (the source takes over, "
     "the destination hands on what still comes), then swap back, and when the caches follow again "
     "without it"},
    {"migration.status", RPC_READ, migration_status_opts, status_result,
     "the newest first, at most 64"},
    {"events.subscribe", RPC_READ, subscribe_params, NULL,
     "then notifications `event` {`kind`,`time_ns`,...,`missed`}"},
    {.name = NULL},
};

const struct rpc_schema *
api_schemas(void)
{
    for (unsigned i = 0; i < DROP_CAUSES; i++)
        app_drops[i] = (struct offload_opt){.key = drop_cause_names[i],
                                            .type = OFFLOAD_OPT_U64,
                                            .flags = i < DROP_NO_APP ? 0 : OFFLOAD_OPT_MAYBE,
                                            .help = drop_help[i]};
    unsigned n = 1;
    for (const struct offload_opt *opt = card_config_opts; opt->key; opt++)
        card_add_params[n++] = *opt;
    card_add_params[n] = (struct offload_opt)OFFLOAD_OPT_END;
    return schemas;
}
