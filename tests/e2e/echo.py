#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Numbered UDP packets there and back, for tests that watch loss and order in both directions.

echo.py server ADDRESS PORT              answers; at SIGTERM prints {"sources": n, "reordered": n}
echo.py client ADDRESS PORT FLOWS PPS S  sends until SIGTERM, at most S seconds; prints {"sent","received","lost",
                                         "reordered","rtt_max_ms"}
Each packet is its flow's number, its own and the time. Order is watched within a flow.
"""
import json
import select
import signal
import socket
import struct
import sys
import time

FORM = struct.Struct("!IIQ")


def serve(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sock.bind((address, port))
    last, sources, reordered = {}, set(), 0

    def end(*_):
        print(json.dumps({"sources": len(sources), "reordered": reordered}), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        data, peer = sock.recvfrom(2048)
        flow, number, _ = FORM.unpack_from(data)
        sources.add(peer)
        if number < last.get(flow, 0):
            reordered += 1
        last[flow] = max(number, last.get(flow, 0))
        sock.sendto(data, peer)


def ask(address, port, flows, pps, seconds):
    socks = []
    for _ in range(flows):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.connect((address, port))
        sock.setblocking(False)
        socks.append(sock)
    numbers, seen = [0] * flows, [-1] * flows
    got, reordered, rtt_max, rtt_max_at = 0, 0, 0, 0

    def receive(wait):
        nonlocal got, reordered, rtt_max, rtt_max_at
        for sock in select.select(socks, [], [], wait)[0]:
            try:
                data = sock.recv(2048)
            except (BlockingIOError, ConnectionError):
                continue
            flow, number, sent_ns = FORM.unpack_from(data)
            got += 1
            now_ns = time.monotonic_ns()
            if now_ns - sent_ns > rtt_max:
                rtt_max, rtt_max_at = now_ns - sent_ns, now_ns
            if number < seen[flow]:
                reordered += 1
            seen[flow] = max(number, seen[flow])

    begin, sent, ended = time.monotonic(), 0, []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended and time.monotonic() < begin + seconds:
        while sent < (time.monotonic() - begin) * pps:
            flow = sent % flows
            socks[flow].send(FORM.pack(flow, numbers[flow], time.monotonic_ns()).ljust(200, b"."))
            numbers[flow] += 1
            sent += 1
        receive(1 / pps)
    end = time.monotonic() + 1
    while got < sent and time.monotonic() < end:
        receive(0.05)
    print(json.dumps({"sent": sent, "received": got, "lost": sent - got, "reordered": reordered,
                      "rtt_max_ms": round(rtt_max / 1e6, 2),
                      "rtt_max_at_s": round(rtt_max_at / 1e9 - begin, 2)}))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        ask(sys.argv[2], int(sys.argv[3]), *(int(a) for a in sys.argv[4:7]))
