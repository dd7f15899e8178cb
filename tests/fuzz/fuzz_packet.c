// SPDX-License-Identifier: Apache-2.0
// The parser reads no byte beyond the packet, and what it tells lies within it: also of the packet
// within a tunnel, and again for what the tunnel is outside.
#include "dpdk-app/parse.h"
#include "dpdk-app/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct rte_mbuf *pkt)
{
    const struct pkt_meta *meta = pkt_meta(pkt);
    assert(meta->l3_offset <= pkt->data_len && meta->l4_offset <= pkt->data_len);
    assert(meta->l4_offset == 0 || meta->l4_offset > meta->l3_offset);
    assert(!(meta->flags & PKT_FRAGMENT_LATER) || meta->l4_offset == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lane lane;
    // A packet as the driver makes it, but its data are a block of exactly their length, and it has
    // no pool: a malformed one must not be freed into one.
    struct {
        struct rte_mbuf mbuf;
        struct pkt_meta meta;
    } packet;
    if (size == 0 || size > 9000)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    memset(&packet, 0, sizeof packet);
    packet.mbuf.buf_addr = copy;
    packet.mbuf.buf_len = packet.mbuf.data_len = (uint16_t)size;
    packet.mbuf.pkt_len = (uint32_t)size;
    packet.mbuf.nb_segs = 1;
    rte_mbuf_refcnt_set(&packet.mbuf, 2); // who drops it takes one
    struct rte_mbuf *pkt = &packet.mbuf;
    uint64_t bytes;
    if (parse_burst(&lane, &pkt, 1, PKT_INSIDE_OUT, true, 77, &bytes) == 1) {
        assert(bytes == size);
        check(pkt);
        if (pkt_meta(pkt)->flags & PKT_INNER) {
            parse_again_outside(pkt);
            assert(!(pkt_meta(pkt)->flags & PKT_INNER));
            check(pkt);
        }
    }
    free(copy);
    return 0;
}
