// SPDX-License-Identifier: Apache-2.0
// Opens ports off the main thread: attach, configure, one queue each way, start. A port is up when
// its state says so (release), and from then on belongs to the card's worker.
#include "dpdk-app/port.h"

#include "dpdk-app/hardware.h"

#include "lib/io/log.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct opener {
    struct port *port;
    struct rte_mempool *pool;
};

enum { OPEN_TURN_NS = 100000000 };

static atomic_uint n_opening;
// By ethdev's number. Writer: the opener, before it says that the port is up.
static struct port_hardware hardware[RTE_MAX_ETHPORTS];
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

// virtio-user binds its server socket and does not clear away what a killed process has left there.
// One that still answers is somebody else's, and stays.
static void
remove_stale_socket(const char *devargs)
{
    const char *path = strstr(devargs, ",path=");
    if (!path || !strstr(devargs, ",server=1"))
        return;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    path += strlen(",path=");
    snprintf(address.sun_path, sizeof address.sun_path, "%.*s", (int)strcspn(path, ","), path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const void *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
        unlink(address.sun_path);
    close(fd);
}

// DPDK keeps its list of devices without a lock while it looks for a new one, for some
// microseconds; behind that an opener may block for good. So the next one waits for the one before,
// but not longer than this.
static bool
take_turn_to_open(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += OPEN_TURN_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_mutex_timedlock(&opening, &until) == 0;
}

static int
find_port(const char *devargs, uint16_t *id)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(devargs, ","), devargs);
    return rte_eth_dev_get_port_by_name(name, id);
}

// As many queues as there are workers, if the port has them. Where it can spread packets by a hash
// of our choice, by a symmetric one: then most packets come to the lane that serves their flow; the
// others are handed on (lanes.h).
static uint16_t
choose_queues(uint16_t id, unsigned wanted, struct rte_eth_conf *conf)
{
    // A key that repeats its first 16 bits gives both directions of a flow the same Toeplitz hash
    // (Woo and Park, Scalable TCP Session Monitoring with Symmetric Receive-side Scaling, 2012).
    static uint8_t symmetric_key[52];
    static const uint64_t fields = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
    struct rte_eth_dev_info info;
    if (rte_eth_dev_info_get(id, &info) != 0)
        return 1;
    unsigned most = RTE_MIN(info.max_rx_queues, info.max_tx_queues);
    most = RTE_MIN(wanted, most);
    uint16_t queues = (uint16_t)RTE_MAX(most, 1u);
    if (queues > 1 && (info.flow_type_rss_offloads & fields) &&
        info.hash_key_size <= sizeof symmetric_key) {
        for (unsigned i = 0; i < sizeof symmetric_key; i += 2)
            symmetric_key[i] = 0x6d, symmetric_key[i + 1] = 0x5a;
        conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf->rx_adv_conf.rss_conf =
            (struct rte_eth_rss_conf){.rss_key = symmetric_key,
                                      .rss_key_len = info.hash_key_size,
                                      .rss_hf = info.flow_type_rss_offloads & fields};
    }
    return queues;
}

// The device was taken away (a virtual function, a USB or PCI device that is pulled): the card is down
// from the workers' next round on, and what waits for it waits until the card is removed. Called by
// DPDK's interrupt thread.
static int
on_removed(uint16_t id, enum rte_eth_event_type type, void *arg, void *ret)
{
    struct port *port = arg;
    (void)id, (void)type, (void)ret;
    snprintf(port->error, sizeof port->error, "the device '%.80s' has gone", port->devargs);
    log_error("port: %s", port->error);
    // Pairs with the acquire in card_is_up().
    atomic_store_explicit(&port->state, PORT_FAILED, memory_order_release);
    return 0;
}

// The steps of opening; '*step' names the one that failed.
static int
open_port(struct port *port, struct rte_mempool *pool, const char **step)
{
    uint16_t id, rx = (uint16_t)port->descriptors, tx = (uint16_t)port->descriptors;
    struct rte_eth_conf conf = {0};
    *step = "attach";
    int rc = rte_dev_probe(port->devargs);
    if (rc == 0)
        rc = find_port(port->devargs, &id);
    if (rc != 0)
        return rc;
    *step = "configure";
    port->n_queues = choose_queues(id, port->queues_wanted, &conf);
    rc = rte_eth_dev_configure(id, port->n_queues, port->n_queues, &conf);
    if (rc == 0)
        rc = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rx, &tx);
    for (uint16_t i = 0; i < port->n_queues && rc == 0; i++) {
        rc = rte_eth_rx_queue_setup(id, i, rx, SOCKET_ID_ANY, NULL, pool);
        if (rc == 0)
            rc = rte_eth_tx_queue_setup(id, i, tx, SOCKET_ID_ANY, NULL);
    }
    if (rc == 0) {
        *step = "start";
        rc = rte_eth_dev_start(id);
    }
    if (rc != 0)
        return rc;
    rte_eth_promiscuous_enable(
        id); // what is steered here is not addressed to us; not all drivers know it
    rte_eth_dev_callback_register(id, RTE_ETH_EVENT_INTR_RMV, on_removed, port);
    hardware_probe(id, &hardware[id]);
    port->id = id;
    return 0;
}

static void *
opener_main(void *arg)
{
    struct opener *opener = arg;
    struct port *port = opener->port;
    const char *step;
    remove_stale_socket(port->devargs);
    bool turn = take_turn_to_open();
    int rc = open_port(port, opener->pool, &step);
    if (turn)
        pthread_mutex_unlock(&opening);
    if (rc != 0) {
        snprintf(port->error, sizeof port->error, "could not %s '%.80s': %s", step, port->devargs,
                 rte_strerror(-rc));
        log_error("port: %s", port->error);
    }
    // Pairs with the acquire in card_is_up(): id or error are there.
    atomic_store_explicit(&port->state, rc == 0 ? PORT_UP : PORT_FAILED, memory_order_release);
    atomic_fetch_sub_explicit(&n_opening, 1, memory_order_release);
    free(opener);
    return NULL;
}

int
card_open_ports(struct card *card, struct rte_mempool *pool, struct offload_err *err)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        struct opener *opener = malloc(sizeof *opener);
        if (!opener)
            return offload_err_set(err, -ENOMEM, card->name, NULL, "out of memory");
        *opener = (struct opener){.port = &card->ports[i], .pool = pool};
        atomic_store_explicit(&card->ports[i].state, PORT_OPENING, memory_order_relaxed);
        atomic_fetch_add_explicit(&n_opening, 1, memory_order_relaxed);
        pthread_t thread;
        int rc = pthread_create(&thread, NULL, opener_main, opener);
        if (rc != 0) {
            atomic_fetch_sub_explicit(&n_opening, 1, memory_order_relaxed);
            atomic_store_explicit(&card->ports[i].state, PORT_CLOSED, memory_order_relaxed);
            free(opener);
            return offload_err_set(err, -rc, card->name, NULL, "could not start a thread: %s",
                                   strerror(rc));
        }
        pthread_setname_np(thread, "opener");
        pthread_detach(thread);
    }
    return 0;
}

const struct port_hardware *
port_hardware(const struct port *port)
{
    static const struct port_hardware none;
    // Pairs with the release in opener_main().
    if (atomic_load_explicit(&port->state, memory_order_acquire) != PORT_UP)
        return &none;
    return &hardware[port->id];
}

bool
ports_opening(void)
{
    return atomic_load_explicit(&n_opening, memory_order_acquire) > 0; // pairs with opener_main()
}

void
card_close_ports(struct card *card)
{
    for (unsigned i = 0; i < card->n_ports; i++) {
        struct port *port = &card->ports[i];
        if (atomic_load_explicit(&port->state, memory_order_acquire) != PORT_UP)
            continue;
        struct rte_eth_dev_info info;
        bool known = rte_eth_dev_info_get(port->id, &info) == 0;
        rte_eth_dev_callback_unregister(port->id, RTE_ETH_EVENT_INTR_RMV, on_removed, port);
        rte_eth_dev_stop(port->id);
        rte_eth_dev_close(port->id);
        if (known)
            rte_dev_remove(info.device);
        atomic_store_explicit(&port->state, PORT_CLOSED, memory_order_relaxed);
    }
}

void
port_counters(const struct port *port, struct port_counters *out)
{
    *out = (struct port_counters){0};
    if (atomic_load_explicit(&port->state, memory_order_acquire) != PORT_UP)
        return;
    struct rte_eth_stats stats;
    struct rte_eth_link link;
    if (rte_eth_stats_get(port->id, &stats) == 0) {
        out->rx_pkts = stats.ipackets;
        out->tx_pkts = stats.opackets;
        out->rx_bytes = stats.ibytes;
        out->tx_bytes = stats.obytes;
        out->rx_missed = stats.imissed + stats.rx_nombuf;
    }
    if (rte_eth_link_get_nowait(port->id, &link) == 0) {
        out->link = link.link_status == RTE_ETH_LINK_UP;
        if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
            out->link_bps = (uint64_t)link.link_speed * 1000000;
    }
}

bool
card_is_linked(const struct card *card)
{
    if (!card_is_up(card))
        return false;
    for (unsigned i = 0; i < card->n_ports; i++) {
        struct rte_eth_link link;
        if (rte_eth_link_get_nowait(card->ports[i].id, &link) == 0 &&
            link.link_status != RTE_ETH_LINK_UP)
            return false;
    }
    return true;
}
