// SPDX-License-Identifier: Apache-2.0
// UDP with what STAMP wants to know beside the bytes: when the kernel took a packet in, its TTL,
// and the address it came to.
#pragma once

#include "lib/stamp/packet.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
    DATAGRAM_BYTES_MAX = 9216, // a jumbo frame's; longer packets are cut and then not answered
};

struct datagram {
    struct sockaddr_storage peer;
    socklen_t peer_len;
    uint64_t received_ns; // wall clock, by the kernel if it says so
    uint8_t ttl;
    // How to answer from the address that was asked: a control message for sendmsg, 0 bytes if
    // unknown.
    _Alignas(struct cmsghdr) uint8_t reply_control[128];
    size_t reply_control_len;
    uint8_t bytes[DATAGRAM_BYTES_MAX];
    size_t len;
};

// A non-blocking socket of 'family' that sends with TTL 255 (RFC 8762, 4.2.1: what the reflector
// sees less tells the hops) and receives with time stamps. Returns the descriptor or -errno.
int datagram_socket(int family);

// Marks what is sent with a DSCP (0 to 63). 0 or -errno.
int datagram_set_dscp(int fd, int family, unsigned dscp);

// From now on the kernel tells when it handed a packet to the device. 0 or -errno: it cannot.
int datagram_stamp_sent(int fd);
// The next such telling: how many packets were sent before it since datagram_stamp_sent(), and when
// it left (wall clock). -EAGAIN: none.
int datagram_sent(int fd, uint32_t *nth, uint64_t *left_ns);

// Returns 0, -EAGAIN, -EMSGSIZE (too long, thrown away) or another -errno of the socket.
int datagram_receive(int fd, struct datagram *out);
int datagram_reply(int fd, const struct datagram *to, const uint8_t *bytes, size_t len);

// How well the kernel says that its clock is kept.
struct stamp_error_estimate datagram_clock_error(void);
