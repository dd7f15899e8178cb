// SPDX-License-Identifier: Apache-2.0
// What a card, an application on it and the function instances of its chain are made of. Each
// struct says which thread writes which part; the two meet only in snapshots (snapshot.h) and in
// counters.
#pragma once

#include "dpdk-app/config.h"
#include "dpdk-app/flow_cache.h"
#include "dpdk-app/functions/fn.h"
#include "dpdk-app/packet.h"
#include "lib/schedule/codel.h"
#include "lib/schedule/histogram.h"
#include "lib/schedule/quota.h"
#include "lib/schedule/share.h"
#include "lib/schedule/turns.h"

#include <offload/card_api.h>

#include <rte_common.h>
#include <rte_prefetch.h>
#include <rte_spinlock.h>

#include <stdatomic.h>

struct json_object;
struct snapshot;
struct cardd;
struct worker;

enum {
    BURST = 32, // packets taken from a port at once
    CARDS_MAX = 16,
    CARD_APPS_MAX = 1024, // applications on one card
    CHAIN_MAX = 8,      // functions of one application; as in config.h
    CARD_PORTS_MAX = 2,
    DEVARGS_MAX = 256,
    QUEUE_PKTS = 4096, // most packets that wait for one application; a power of two
    TX_PKTS = 512,     // most packets that wait for a port
    NO_APP = 0xffff,
};

// A counter has one writer, its worker, and readers that want no order: relaxed on both sides, a
// plain add.
static inline void
count_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t
count_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

enum drop_cause {
    DROP_ADMISSION,  // over the bandwidth allocated
    DROP_QUEUE_FULL, // over the cycles allocated, for longer than the queue holds
    DROP_MEMORY,     // over the memory allocated
    DROP_FUNCTION,   // a function's decision
    DROP_TRANSMIT,   // the port did not take it
    DROP_MIGRATION,
    DROP_DELAY, // waited for longer than the SLA allows
    DROP_CODEL, // its queue stood for too long (RFC 8289)
    DROP_NO_APP, // cards only
    DROP_PARSE,  // cards only
    DROP_CAUSES,
};
extern const char *const drop_cause_names[DROP_CAUSES];

// What was wrong with a packet that parse.c refused.
enum parse_cause {
    PARSE_OK,
    PARSE_SHORT,   // ends within a header, or its headers lie in several segments
    PARSE_HEADER,  // version or header length cannot be
    PARSE_LENGTH,  // the IP length is beyond the frame
    PARSE_OPTIONS, // more extension headers or VLAN tags than are followed
    PARSE_FRAGMENT, // a fragment that no datagram can have
    PARSE_CAUSES,
};
extern const char *const parse_cause_names[PARSE_CAUSES];

// Writer: the worker. Readers: the control thread, relaxed.
struct stats {
    uint64_t offered_pkts, offered_bytes;
    uint64_t delivered_pkts, delivered_bytes;
    uint64_t cycles;
    uint64_t queue_delay_cycles_sum, queue_delay_pkts;
    uint64_t delay_mean_cycles, delay_p50_cycles, delay_p99_cycles; // of the last whole second
    uint64_t drops[DROP_CAUSES];
};

// One function of one application's chain.
struct fn_inst {
    // Owner: the control thread.
    const struct fn_ops *ops;
    void *params;                    // as its table filled them
    struct json_object *params_json; // as given, for app.list
    unsigned refs;                   // chains that hold it: an update keeps what it does not change
    struct fn_recovered recovered;   // by it at the start of the process
    uint64_t lineage;                // alike in all that share one state by fn_ops.renew
    // Owner: the worker; where the function may run on several, only read.
    void *state;
    struct {
        uint64_t packets, cycles; // counters
    } __rte_cache_aligned count[CONFIG_WORKERS_MAX];
};

struct chain {
    unsigned n;
    struct fn_inst *fn[CHAIN_MAX];
};

enum app_state { APP_REQUESTED, APP_ACTIVE, APP_SOURCE, APP_DESTINATION };
extern const char *const app_state_names[];

struct app;
struct profile;

struct app_run;

// Takes packets of an application out of the normal way, while it migrates: it takes all 'n' over.
// Runs on the worker.
typedef void app_divert_fn(void *ctx, struct app_run *run, struct rte_mbuf **pkts, uint16_t n,
                           uint64_t now_cycles);

// An application on one lane of its card. Owner: the worker, but for what says otherwise. What every
// burst touches stands first and together (app_run_prefetch()): with a thousand applications none
// of it is in the nearest cache when its turn comes.
struct app_run {
    struct app *app;        // constant
    struct lane *lane;      // constant
    struct rte_mbuf **queue; // QUEUE_PKTS slots
    uint32_t head, tail;     // head == tail: empty; head: next to run
    uint64_t queued_bytes, queue_limit_bytes;
    uint64_t queued_pkts; // counter: tail - head, for readers
    uint64_t cost_pkt_q8; // EWMA of a packet's cycles in the chain, to predict a burst's cost; 0:
                          // not known

    struct turns_flow turn;
    uint64_t max_delay_cycles; // UINT64_MAX: may wait as long as the queue holds
    double queue_cpu_cycles;   // cycles that may wait in the queue
    uint16_t n_stage;          // of 'stage'
    uint8_t limit;             // enum drop_cause: what held the queue back when it last waited
    bool held;                 // flows are on their way here: all waits until the lanes that had
                               // them have sent what they have (lanes.c)
    bool leaves;               // some of its flows go to another lane

    struct codel codel;
    app_divert_fn *divert;           // NULL: the normal way
    struct profile *_Atomic profile; // Writer: control thread (release); NULL: off

    struct share bandwidth; // bytes
    struct share cpu;       // cycles
    struct stats stats;     // counters
    struct chain chain;     // of the snapshot in force

    // From here on what few bursts touch.
    uint64_t seen_generation; // of the snapshot in force
    uint64_t flows;           // counter: flows in the cache since the last change
    void *divert_ctx;

    // Writer: control thread. What part of the allocation is this lane's: PART_WHOLE is all of it.
    _Atomic uint32_t part_q16;
    uint32_t part_seen_q16; // in force

    // While flows move (lanes.c).
    uint8_t home_seen;       // of the snapshot in force
    bool leaves_sent;        // 'leaves_tx' is set
    uint32_t leaves_until;   // what stands in the queue before this place must go first
    uint64_t leaves_tx[CARD_PORTS_MAX]; // and what was put into the ports' buffers by then
    _Atomic uint64_t clean;  // assignment; read by other workers

    struct rte_mbuf *stage[BURST]; // of the burst in hand

    uint64_t second_end_cycles;
    struct histogram delay; // cycles, of this second
} __rte_cache_aligned;

enum { PART_WHOLE = 1 << 16 };

// An application on one card. While it migrates there are two of these.
struct app {
    // Owner: the control thread.
    char name[OFFLOAD_NAME_MAX + 1];
    struct card *card;
    struct offload_match match[OFFLOAD_MATCHES_MAX];
    unsigned n_match;
    struct chain chain;
    struct offload_sla sla;
    bool allocated; // by a plan
    struct offload_allocation allocation;
    enum app_state state;
    uint64_t generation;      // of its last change
    struct stats event_stats; // as the last event saw them
    bool breached;
    uint8_t home, home_published; // worker of all its flows, or LANE_SPREAD; as the snapshot has it
    bool published;
    uint64_t split_bytes[CONFIG_WORKERS_MAX]; // offered on each lane when it was last split

    struct app_run *run[CONFIG_WORKERS_MAX]; // by worker; NULL where the card has no lane
    struct quota quota __rte_cache_aligned;  // packet buffers and table entries; any worker
};

enum port_state { PORT_CLOSED, PORT_OPENING, PORT_UP, PORT_FAILED };

// Packets on their way out of a port, with who is to be billed for which stretch of them. Owner:
// the worker.
struct tx_stretch {
    struct app_run *run; // NULL: of no application
    uint16_t n;
    uint32_t bytes;
};

struct tx_buf {
    struct rte_mbuf *pkt[TX_PKTS];
    struct tx_stretch stretch[TX_PKTS];
    uint16_t n, n_stretch;
    uint64_t taken, given; // packets since the start: into the buffer, and out of it
    uint64_t stalled_since_cycles; // 0: the port takes packets
    unsigned watchers;     // migrations that want to know when the port has given back what it took
    struct rte_mbuf *last; // what it took last, with a reference of ours; only while watched
};

// When a port's receive queue was last known to be empty, while a migration wants to know. Owner:
// the worker.
struct rx_watch {
    uint64_t emptied_cycles, mark_cycles;
    uint64_t since_mark; // packets
};

struct port {
    // Owner: the control thread until the opener has it.
    char devargs[DEVARGS_MAX];
    unsigned descriptors, queues_wanted;
    // Writer: the opener (release). Readers: control thread, worker (acquire).
    atomic_int state;
    uint16_t id;       // of ethdev, valid once UP
    uint16_t n_queues; // each way, valid once UP
    bool tx_shared;    // valid once UP: there may be more lanes than queues
    char error[160];   // valid once FAILED
    // Several lanes may send by one queue: who has it locked.
    rte_spinlock_t tx_lock[CONFIG_WORKERS_MAX];
};

struct capacity {
    uint64_t cycles_per_s, bandwidth_bps, memory_bytes, interconnect_bps;
};

enum lane_step { LANE_STILL, LANE_ADOPTED, LANE_DRAINING, LANE_CLEANING };

// What one worker has of a card. A flow's packets are all served on one lane; which one says the
// snapshot. Owner: the worker, but for what says otherwise.
struct lane {
    struct card *card; // constant
    unsigned index;    // constant: of its worker
    struct snapshot *seen; // in force; valid until the next is adopted
    struct app_run *run[CARD_APPS_MAX]; // of the snapshot's applications, by their places
    struct tx_buf tx[CARD_PORTS_MAX];
    struct stats stats;                  // counters
    uint64_t parse_causes[PARSE_CAUSES]; // counters
    struct turns turns;
    struct bucket pool_bandwidth, pool_cpu; // what is lent
    struct bucket bandwidth, cpu;           // the card's own
    struct flow_cache flows;
    uint64_t overhead_pkt_q8;                // receive + classify + transmit, cycles a packet
    uint64_t overhead_cycles, overhead_pkts; // of which it is the quotient
    uint64_t tick_cycles;                    // when housekeeping is due
    uint64_t round_cycles;                   // when its last round began
    uint64_t debt_cycles; // two rounds: how long it takes until all have had their turns
    uint64_t stall_start_cycles, stall_for_cycles; // the worker stood still last
    uint64_t unserved_cycles; // when the snapshot in force was published; 0: it has served packets
    uint64_t catch_up_end_cycles;            // until then buckets may hold more than their depth
    uint64_t due_cycles;                     // when waiting packets may go; UINT64_MAX: none wait
    int watchers; // migrations that look at what it sends; a buffer's has the same
    struct rx_watch rx[CARD_PORTS_MAX];
    // Read by other workers: when the lane's own receive queues were empty, and when they and what
    // other lanes had to hand on were.
    _Atomic uint64_t own_emptied_cycles, emptied_cycles;
    uint64_t others_emptied_cycles, others_seen_cycles;
    uint64_t preempted;               // counter: bills replaced since the thread was switched out
    struct histogram delay;
    uint64_t second_end_cycles;
    struct histogram publish_delay; // cycles from publication until the first packets served under it

    // Packets from other lanes, by worker and direction; NULL where there is none. How many of
    // those that lay there when a change came are left.
    struct rte_ring *in[CONFIG_WORKERS_MAX][2];
    uint32_t in_left[CONFIG_WORKERS_MAX][2];
    uint32_t rx_now[CARD_PORTS_MAX], rx_next[CARD_PORTS_MAX]; // queues to poll, as bit masks
    uint64_t moving;                                          // assignment
    enum lane_step step;
    bool holding; // some application is held, or some queue not yet polled
    // How far it is with which assignment; read by other workers, 'settled' by control.
    _Atomic uint64_t adopted, drained, settled;
} __rte_cache_aligned;

struct card {
    // Owner: the control thread; constant while a worker has the card.
    char name[OFFLOAD_NAME_MAX + 1];
    unsigned workers[CONFIG_WORKERS_MAX], n_workers; // that serve its flows
    uint8_t bucket[256];                             // worker of each bucket of flows
    atomic_int watched; // migrations that look at its queues; workers read it once a round
    uint64_t assignment;                             // counts changes of bucket, workers, homes
    bool managed;
    struct capacity capacity, configured; // configured: 0 where measured
    unsigned n_ports;
    struct app *apps[CARD_APPS_MAX];
    unsigned n_apps;
    uint64_t generation;
    uint64_t flow_entries; // of each lane's cache
    struct cardd *cardd;
    bool from_api;             // by card.add, so kept in the plan file
    bool draining;             // takes no application, goes with the last
    bool was_up;               // as events last saw it
    struct json_object *given; // as in cardd.json
    struct lane *lane[CONFIG_WORKERS_MAX]; // by worker; NULL: never had

    struct port ports[CARD_PORTS_MAX]; // [0] inside, [1] outside

    // Writer: the control thread (release). Readers: the workers (acquire), once a round.
    struct snapshot *_Atomic snapshot;
};

static inline bool
app_queue_empty(const struct app_run *run)
{
    return run->head == run->tail;
}

// For a run whose turn comes in PREFETCH_FAR turns.
enum { PREFETCH_NEAR = 2, PREFETCH_FAR = 4 };

static inline void
app_run_prefetch(const struct app_run *run)
{
    const char *line = (const char *)run;
    for (size_t i = 0; i < offsetof(struct app_run, seen_generation); i += RTE_CACHE_LINE_SIZE)
        rte_prefetch0(line + i);
    rte_prefetch0(&run->delay);
}

// And in PREFETCH_NEAR turns: what the lines so fetched point to.
static inline void
app_run_prefetch_beyond(const struct app_run *run)
{
    rte_prefetch0(&run->app->quota);
    rte_prefetch0(&run->queue[run->head & (QUEUE_PKTS - 1)]);
    rte_prefetch0(run->chain.fn[0]);
    rte_prefetch0(&run->chain.fn[0]->count[0]);
}

// The port by which what travels in 'dir' leaves.
static inline unsigned
card_out_port(const struct card *card, enum pkt_dir dir)
{
    return card->n_ports == 1 ? 0 : !dir;
}

// The transmit queue that a lane uses, locked. False: another lane has it. One that nobody else
// uses costs no lock, which is 20 cycles a burst.
static inline bool
port_lock_tx(struct port *port, unsigned lane, uint16_t *queue)
{
    *queue = (uint16_t)(lane % port->n_queues);
    return !port->tx_shared || rte_spinlock_trylock(&port->tx_lock[*queue]);
}

static inline void
port_unlock_tx(struct port *port, uint16_t queue)
{
    if (port->tx_shared)
        rte_spinlock_unlock(&port->tx_lock[queue]);
}

// All ports are open; the worker polls only such cards.
static inline bool
card_is_up(const struct card *card)
{
    for (unsigned i = 0; i < card->n_ports; i++)
        if (atomic_load_explicit(&card->ports[i].state, memory_order_acquire) != PORT_UP)
            return false; // pairs with the release in port.c
    return card->n_ports > 0;
}
