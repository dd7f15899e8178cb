// SPDX-License-Identifier: Apache-2.0
// The control messages of Linux' UDP sockets.
// network <-> [datagram] <-> sockets.

#include "plugins/path/datagram.h"

#include "lib/io/clock.h"

#include <offload/units.h>

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int
set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) ? -errno : 0;
}

int
datagram_socket(int family)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (family == AF_INET6) {
        rc = rc ? rc : set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        rc = rc ? rc : set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255);
        rc = rc ? rc : set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
        rc = rc ? rc : set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    } else {
        rc = rc ? rc : set_int(fd, IPPROTO_IP, IP_TTL, 255);
        rc = rc ? rc : set_int(fd, IPPROTO_IP, IP_RECVTTL, 1);
        rc = rc ? rc : set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    }
    if (rc) {
        close(fd);
        return rc;
    }
    return fd;
}

int
datagram_set_dscp(int fd, int family, unsigned dscp)
{
    int octet = (int)(dscp << 2); // the two bits behind it are ECN's
    return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, octet)
                              : set_int(fd, IPPROTO_IP, IP_TOS, octet);
}

int
datagram_stamp_sent(int fd)
{
    return set_int(fd, SOL_SOCKET, SO_TIMESTAMPING,
                   SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                       SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY);
}

int
datagram_sent(int fd, uint32_t *nth, uint64_t *left_ns)
{
    _Alignas(struct cmsghdr) uint8_t control[512];
    struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof control};
    bool has_id = false;
    *left_ns = 0;
    if (recvmsg(fd, &msg, MSG_ERRQUEUE) < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
            struct timespec software; // the first of the three
            memcpy(&software, CMSG_DATA(c), sizeof software);
            *left_ns = (uint64_t)software.tv_sec * OFFLOAD_NS_PER_S + (uint64_t)software.tv_nsec;
        } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                   (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(c), sizeof error);
            has_id = error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING;
            *nth = error.ee_data;
        }
    return has_id && *left_ns ? 0 : -ENODATA; // an ICMP error, say
}

static void
keep_reply_control(struct datagram *d, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *reply = (struct cmsghdr *)d->reply_control;
    memset(d->reply_control, 0, sizeof d->reply_control);
    reply->cmsg_level = level;
    reply->cmsg_type = type;
    reply->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(reply), data, len);
    d->reply_control_len = CMSG_SPACE(len);
}

static void
read_control(struct datagram *d, const struct cmsghdr *c)
{
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec at;
        memcpy(&at, CMSG_DATA(c), sizeof at);
        d->received_ns = (uint64_t)at.tv_sec * OFFLOAD_NS_PER_S + (uint64_t)at.tv_nsec;
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
        int ttl;
        memcpy(&ttl, CMSG_DATA(c), sizeof ttl);
        d->ttl = (uint8_t)ttl;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        info.ipi_spec_dst = info.ipi_addr; // answer from the address that was asked
        info.ipi_ifindex = 0;              // by whatever way routing chooses
        keep_reply_control(d, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        keep_reply_control(d, IPPROTO_IPV6, IPV6_PKTINFO, CMSG_DATA(c), sizeof(struct in6_pktinfo));
    }
}

int
datagram_receive(int fd, struct datagram *d)
{
    _Alignas(struct cmsghdr) uint8_t control[512];
    struct iovec iov = {.iov_base = d->bytes, .iov_len = sizeof d->bytes};
    struct msghdr msg = {.msg_name = &d->peer,
                         .msg_namelen = sizeof d->peer,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &msg, 0);
    if (n < 0)
        return -errno;
    d->received_ns = 0;
    d->ttl = 0;
    d->reply_control_len = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        read_control(d, c);
    if (d->received_ns == 0)
        d->received_ns = clock_wall_ns();
    d->peer_len = msg.msg_namelen;
    d->len = (size_t)n;
    return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : 0;
}

int
datagram_reply(int fd, const struct datagram *to, const uint8_t *bytes, size_t len)
{
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
    struct msghdr msg = {.msg_name = (void *)&to->peer,
                         .msg_namelen = to->peer_len,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = to->reply_control_len ? (void *)to->reply_control : NULL,
                         .msg_controllen = to->reply_control_len};
    return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

struct stamp_error_estimate
datagram_clock_error(void)
{
    struct timex clock = {0};
    bool synchronized = adjtimex(&clock) != TIME_ERROR && !(clock.status & STA_UNSYNC);
    uint64_t error_us = clock.maxerror > 0 ? (uint64_t)clock.maxerror : 1;
    return stamp_error_estimate(synchronized, error_us * 1000);
}
