#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Another STAMP implementation, for path_test.sh: packets are built and read by scapy's own classes.
#   stamp_peer.py reflect ADDRESS PORT      answers: every 4th packet not, every 10th twice, each after 20 ms
#   stamp_peer.py authenticate ADDRESS PORT KEY  answers in authenticated mode, after 20 ms; prints the DSCP of what comes
#   stamp_peer.py send ADDRESS PORT [FROM]  sends five packets and checks each field of the answers
import hashlib
import hmac
import socket
import struct
import sys
import time

from scapy.contrib.stamp import (ErrorEstimate, STAMPSessionReflectorTestUnauthenticated,
                                 STAMPSessionSenderTestUnauthenticated)

NTP_TO_UNIX_S = 2208988800


def ntp_now():
    return time.time() + NTP_TO_UNIX_S


def reflect(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    print("listening", flush=True)
    count = 0
    while True:
        data, peer = sock.recvfrom(2048)
        received = ntp_now()
        if len(data) != 44 or data[14:] != bytes(30):
            sys.exit("not a base STAMP packet: " + data.hex())
        packet = STAMPSessionSenderTestUnauthenticated(data)
        count += 1
        if count % 4 == 0:
            continue
        time.sleep(0.02)
        answer = STAMPSessionReflectorTestUnauthenticated(
            seq=packet.seq, ts=ntp_now(), err_estimate=ErrorEstimate(S=0, Z=0, scale=1, multiplier=1),
            ts_rx=received, seq_sender=packet.seq, ts_sender=packet.ts,
            err_estimate_sender=packet.err_estimate, ttl_sender=255)
        # scapy keeps time stamps as floats: what was sent must come back to the bit.
        answer = bytearray(bytes(answer)[:44])
        answer[28:36] = data[4:12]
        for _ in range(2 if count % 10 == 0 else 1):
            sock.sendto(bytes(answer), peer)


def authenticate(address, port, key):
    """RFC 8762, figures 3 and 5, by hand: scapy knows the unauthenticated packets alone."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    sock.bind((address, port))
    print("listening", flush=True)

    def ntp(seconds):
        return struct.pack("!II", int(seconds), int(seconds % 1 * 2**32))

    while True:
        data, control, _, peer = sock.recvmsg(2048, 64)
        received = ntp_now()
        if len(data) != 112 or data[4:16] != bytes(12) or data[26:96] != bytes(70):
            sys.exit("not an authenticated STAMP packet: " + data.hex())
        if data[96:] != hmac.new(key, data[:96], hashlib.sha256).digest()[:16]:
            sys.exit("not signed by the key: " + data.hex())
        for level, kind, octets in control:
            if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS):
                print("dscp", octets[0] >> 2, flush=True)
        time.sleep(0.02)
        answer = (data[:4] + bytes(12) + ntp(ntp_now()) + b"\x01\x01" + bytes(6) + ntp(received) + bytes(8) + data[:4] +
                  bytes(12) + data[16:24] + data[24:26] + bytes(6) + b"\xff" + bytes(15))
        sock.sendto(answer + hmac.new(key, answer, hashlib.sha256).digest()[:16], peer)


def check(name, got, wanted):
    if got != wanted:
        sys.exit("%s is %r, not %r" % (name, got, wanted))


def send(address, port, source):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 77)
    sock.bind((source, 0))
    sock.connect((address, port))
    sock.settimeout(1)
    for seq in range(5):
        sent = ntp_now()
        packet = bytes(STAMPSessionSenderTestUnauthenticated(
            seq=seq, ts=sent, ssid=0x1234, err_estimate=ErrorEstimate(S=1, Z=0, scale=4, multiplier=9)))[:44]
        check("our packet's length", len(packet), 44)
        sock.send(packet)
        data = sock.recv(2048)
        check("length", len(data), 44)
        answer = STAMPSessionReflectorTestUnauthenticated(data)
        check("seq", answer.seq, seq)
        check("ssid", answer.ssid, 0x1234)
        check("sender's seq", answer.seq_sender, seq)
        check("sender's time stamp", data[28:36], packet[4:12])
        check("sender's error estimate", data[36:38], packet[12:14])
        check("sender's TTL", answer.ttl_sender, 77)
        check("zero octets", (data[38:40], data[41:44]), (bytes(2), bytes(3)))
        check("format of time stamps", answer.err_estimate.Z, 0)
        if answer.err_estimate.multiplier == 0:
            sys.exit("the error estimate's multiplier is 0")
        t2, t3 = (struct.unpack("!Q", data[a:a + 8])[0] / 2**32 for a in (16, 4))
        if not sent - 0.001 <= t2 <= t3 <= ntp_now() + 0.001:
            sys.exit("times are out of order: T1 %f, T2 %f, T3 %f" % (sent, t2, t3))


if sys.argv[1] == "reflect":
    reflect(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "authenticate":
    authenticate(sys.argv[2], int(sys.argv[3]), sys.argv[4].encode())
else:
    send(sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "")
