// SPDX-License-Identifier: Apache-2.0
// VXLAN (RFC 7348): Ethernet frames in UDP, to one other end. What enters by one port of the card
// leaves in the tunnel by the other, and back.
// classify -> admit -> schedule -> [vxlan] -> transmit.  Runs on any worker: it keeps no state.
// The UDP source port is of the inner flow's hash, so that paths of equal cost share the load; the
// outer checksum is 0 (4.1); an inner VLAN tag is not carried unless so told (6.1).
#include "dpdk-app/functions/fn.h"
#include "dpdk-app/functions/flow_table.h"
#include "dpdk-app/functions/tunnel.h"
#include "dpdk-app/parse.h"

#include <offload/card_api.h>

#include <errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdlib.h>

enum {
    VXLAN_FLAG_VNI = 0x08,
    ETHERNET_BYTES = 14,
    VLAN_BYTES = 4,
    VXLAN_HEADERS = TUNNEL_IPV4_BYTES + 8 + 8, // behind the Ethernet header
    OUTER_BYTES = ETHERNET_BYTES + VXLAN_HEADERS,
    PORT_LEAST = 49152, // RFC 7348, 4.1: of the dynamic range
    PORT_MASK = 16383,
};

struct vxlan_params {
    struct tunnel_params tunnel;
    uint64_t vni, port;
    bool inner_vlan;
    char src_mac[24], dst_mac[24];
};

enum drop {
    DROP_HEADROOM,    // no room before the packet
    DROP_TOO_LONG,    // for the tunnel's MTU
    DROP_UNSUPPORTED, // not of this tunnel
    DROP_MALFORMED,
    DROP_VLAN,        // an inner tag that may not be there
    DROP_CONGESTION,  // marked in the tunnel, and the inner packet does not know such marks
    N_DROPS,
    PASS = -1,
};
static const char *const drop_names[N_DROPS] = {"headroom",  "too_long", "unsupported",
                                                "malformed", "vlan",     "congestion"};

struct vxlan {
    struct tunnel tunnel;
    uint32_t vni;  // host order
    uint16_t port; // as on the wire
    bool inner_vlan;
    bool has_src_mac, has_dst_mac;
    struct rte_ether_addr src_mac, dst_mac;
    uint64_t drops[N_DROPS]; // of several workers: added atomically, read relaxed
};

#define PARAM(f)                                                                                   \
    .offset = offsetof(struct vxlan_params, f), .size = sizeof(((struct vxlan_params *)0)->f)

static const struct offload_opt vxlan_options[] = {
    TUNNEL_OPTIONS,
    {.key = "vni",
     .type = OFFLOAD_OPT_U64,
     PARAM(vni),
     .least = 0,
     .most = OFFLOAD_VNI_MAX,
     .flags = OFFLOAD_OPT_REQUIRED,
     .help = "VXLAN network identifier"},
    {.key = "port",
     .type = OFFLOAD_OPT_U64,
     PARAM(port),
     .least = 1,
     .most = 65535,
     .default_text = "4789",
     .help = "UDP destination port"},
    {.key = "inner_vlan",
     .type = OFFLOAD_OPT_BOOL,
     PARAM(inner_vlan),
     .default_text = "false",
     .help = "carry VLAN tags; else they are taken off, and coming out such frames are dropped"},
    {.key = "src_mac",
     .type = OFFLOAD_OPT_STRING,
     PARAM(src_mac),
     .default_text = "\"\"",
     .help = "of outer frames; without it the inner one's"},
    {.key = "dst_mac",
     .type = OFFLOAD_OPT_STRING,
     PARAM(dst_mac),
     .default_text = "\"\"",
     .help = "of outer frames: the next hop; without it the inner one's"},
    OFFLOAD_OPT_END,
};

static int
read_mac(const char *text, const char *key, bool *given, struct rte_ether_addr *out,
         struct offload_err *err)
{
    *given = text[0];
    if (*given && rte_ether_unformat_addr(text, out) != 0)
        return offload_err_set(err, -EINVAL, key, "use the form 02:00:00:00:00:01",
                               "'%s' is no Ethernet address", text);
    return 0;
}

static void *
vxlan_create(const void *params, const struct fn_env *env, struct offload_err *err)
{
    (void)env;
    const struct vxlan_params *p = params;
    struct vxlan *vxlan = calloc(1, sizeof *vxlan);
    if (!vxlan) {
        offload_err_set(err, -ENOMEM, "vxlan", NULL, "no memory");
        return NULL;
    }
    vxlan->vni = (uint32_t)p->vni;
    vxlan->port = htons((uint16_t)p->port);
    vxlan->inner_vlan = p->inner_vlan;
    if (tunnel_init(&vxlan->tunnel, &p->tunnel, err) != 0 ||
        read_mac(p->src_mac, "src_mac", &vxlan->has_src_mac, &vxlan->src_mac, err) != 0 ||
        read_mac(p->dst_mac, "dst_mac", &vxlan->has_dst_mac, &vxlan->dst_mac, err) != 0) {
        free(vxlan);
        return NULL;
    }
    return vxlan;
}

static bool
is_tagged(const uint8_t *frame)
{
    uint16_t type = load16(frame + 12);
    return type == htons(RTE_ETHER_TYPE_VLAN) || type == htons(RTE_ETHER_TYPE_QINQ);
}

// Takes the tags off the frame; what lies before it moves.
static void
strip_tags(struct rte_mbuf *pkt)
{
    while (is_tagged(rte_pktmbuf_mtod(pkt, uint8_t *)) &&
           rte_pktmbuf_data_len(pkt) >= ETHERNET_BYTES + VLAN_BYTES) {
        uint8_t *frame = rte_pktmbuf_mtod(pkt, uint8_t *);
        memmove(frame + VLAN_BYTES, frame, 2 * RTE_ETHER_ADDR_LEN);
        rte_pktmbuf_adj(pkt, VLAN_BYTES);
        pkt_meta(pkt)->l3_offset = (uint16_t)(pkt_meta(pkt)->l3_offset - VLAN_BYTES);
    }
    pkt_meta(pkt)->key.vlan = 0;
}

// Alike for all packets of an inner flow.
static uint16_t
source_port(const struct pkt_key *key)
{
    static_assert(sizeof *key % 8 == 0, "hashed by words");
    return htons((uint16_t)(PORT_LEAST + (flow_hash(0, key, sizeof *key) >> 32 & PORT_MASK)));
}

static enum drop
encapsulate(const struct vxlan *vxlan, struct rte_mbuf *pkt)
{
    const struct tunnel *tunnel = &vxlan->tunnel;
    struct pkt_meta *meta = pkt_meta(pkt);
    uint16_t sport = source_port(&meta->key);
    if (!vxlan->inner_vlan)
        strip_tags(pkt);
    uint32_t ip_bytes = rte_pktmbuf_pkt_len(pkt) + VXLAN_HEADERS;
    if (ip_bytes > tunnel->mtu)
        return DROP_TOO_LONG;
    const uint8_t *inner = rte_pktmbuf_mtod(pkt, const uint8_t *);
    uint8_t class = tunnel_outer_class(tunnel, inner + meta->l3_offset, meta->key.ip_version);
    uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(pkt, OUTER_BYTES);
    if (!frame)
        return DROP_HEADROOM;
    memcpy(frame, vxlan->has_dst_mac ? vxlan->dst_mac.addr_bytes : inner, RTE_ETHER_ADDR_LEN);
    memcpy(frame + 6, vxlan->has_src_mac ? vxlan->src_mac.addr_bytes : inner + 6,
           RTE_ETHER_ADDR_LEN);
    store16(frame + 12, htons(RTE_ETHER_TYPE_IPV4));
    uint8_t *ip = frame + ETHERNET_BYTES, *udp = ip + TUNNEL_IPV4_BYTES, *header = udp + 8;
    tunnel_write_ipv4(tunnel, ip, (uint16_t)ip_bytes, IPPROTO_UDP, class, true);
    store16(udp, sport);
    store16(udp + 2, vxlan->port);
    store16(udp + 4, htons((uint16_t)(ip_bytes - TUNNEL_IPV4_BYTES)));
    store16(udp + 6, 0);
    store32(header, htonl((uint32_t)VXLAN_FLAG_VNI << 24));
    store32(header + 4, htonl(vxlan->vni << 8));
    tunnel_write_meta(tunnel, pkt, ETHERNET_BYTES, IPPROTO_UDP, sport, vxlan->port);
    return PASS;
}

// Where the inner frame begins; 0: the packet is not of this tunnel.
static unsigned
inner_offset(const struct vxlan *vxlan, struct rte_mbuf *pkt, uint8_t *class)
{
    const uint8_t *frame = rte_pktmbuf_mtod(pkt, const uint8_t *);
    unsigned at = ETHERNET_BYTES, len = rte_pktmbuf_data_len(pkt);
    // Where rules look into tunnels, what parse knows is the inner packet.
    for (unsigned tags = 0; tags < 2 && len >= at + VLAN_BYTES && is_tagged(frame + at - ETHERNET_BYTES);
         tags++)
        at += VLAN_BYTES;
    const uint8_t *ip = frame + at;
    if (len < at + VXLAN_HEADERS || load16(frame + at - 2) != htons(RTE_ETHER_TYPE_IPV4) ||
        ip[0] >> 4 != 4)
        return 0;
    unsigned header = (ip[0] & 15) * 4u;
    at += header + 16;
    if (header < TUNNEL_IPV4_BYTES || len < at + ETHERNET_BYTES || ip[9] != IPPROTO_UDP ||
        load16(ip + 6) & htons(0x3fff) || load32(ip + 12) != vxlan->tunnel.remote ||
        load32(ip + 16) != vxlan->tunnel.local)
        return 0;
    const uint8_t *udp = ip + header, *vx = udp + 8;
    if (load16(udp + 2) != vxlan->port || !(vx[0] & VXLAN_FLAG_VNI) ||
        ntohl(load32(vx + 4)) >> 8 != vxlan->vni)
        return 0;
    *class = ip[1];
    return at;
}

static enum drop
decapsulate(const struct vxlan *vxlan, struct rte_mbuf *pkt)
{
    uint8_t class;
    unsigned at = inner_offset(vxlan, pkt, &class);
    if (at == 0)
        return DROP_UNSUPPORTED;
    uint8_t *frame = (uint8_t *)rte_pktmbuf_adj(pkt, (uint16_t)at);
    if (!frame)
        return DROP_MALFORMED;
    if (is_tagged(frame) && !vxlan->inner_vlan)
        return DROP_VLAN;
    if (!parse_again(pkt))
        return DROP_MALFORMED;
    const struct pkt_meta *meta = pkt_meta(pkt);
    return tunnel_take_congestion(class, frame + meta->l3_offset, meta->key.ip_version)
               ? PASS
               : DROP_CONGESTION;
}

static uint16_t
vxlan_process(void *state, struct rte_mbuf **pkts, uint16_t n, enum pkt_dir dir,
              uint64_t now_cycles)
{
    (void)now_cycles;
    struct vxlan *vxlan = state;
    bool enters = tunnel_enters(&vxlan->tunnel, dir);
    uint16_t kept = 0;
    for (uint16_t i = 0; i < n; i++) {
        enum drop drop = enters ? encapsulate(vxlan, pkts[i]) : decapsulate(vxlan, pkts[i]);
        if (likely(drop == PASS)) {
            pkts[kept++] = pkts[i];
            continue;
        }
        __atomic_add_fetch(&vxlan->drops[drop], 1, __ATOMIC_RELAXED);
        rte_pktmbuf_free(pkts[i]);
    }
    return kept;
}

// Where the tunnel is outside: what the other end sends. Else the packets within are what the
// application's own rules say of them, from outside, swapped.
static unsigned
vxlan_outside_match(const void *state, struct offload_match *out, unsigned max)
{
    const struct vxlan *vxlan = state;
    if (max < 1 || vxlan->tunnel.inside)
        return 0;
    *out = (struct offload_match){.src_bits = 32,
                                  .dst_bits = 32,
                                  .ip_version = 4,
                                  .proto = IPPROTO_UDP,
                                  .sport_most = 65535,
                                  .dport_least = ntohs(vxlan->port),
                                  .dport_most = ntohs(vxlan->port),
                                  .vlan = OFFLOAD_ANY_VLAN,
                                  .vni = OFFLOAD_ANY_VNI,
                                  .in_port = OFFLOAD_PORT_OUTSIDE};
    store32(out->src, vxlan->tunnel.remote);
    store32(out->dst, vxlan->tunnel.local);
    return 1;
}

static unsigned
vxlan_counters(const void *state, struct fn_counter *out, unsigned max)
{
    const struct vxlan *vxlan = state;
    unsigned n = 0;
    for (; n < N_DROPS && n < max; n++)
        out[n] =
            (struct fn_counter){drop_names[n], __atomic_load_n(&vxlan->drops[n], __ATOMIC_RELAXED)};
    return n;
}

extern const struct fn_ops fn_vxlan;
const struct fn_ops fn_vxlan = {
    .name = "vxlan",
    .help = "puts Ethernet frames into VXLAN and takes them out (RFC 7348)",
    .params = vxlan_options,
    .params_bytes = sizeof(struct vxlan_params),
    .any_worker = true,
    .create = vxlan_create,
    .destroy = free,
    .process = vxlan_process,
    .outside_match = vxlan_outside_match,
    .counters = vxlan_counters,
};
