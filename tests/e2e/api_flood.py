#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A crowd that means no good, and one honest client: api_flood.py SOCKET SECONDS CLIENTS PID. The crowd: slow readers of big
# answers, requests of 1 MiB, half messages, peers that vanish, and busy ones. Prints one JSON object: what the honest client
# saw, and the most memory that process PID held resident.
import json
import os
import socket
import sys
import time

path, seconds, clients, pid = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
LIST = b'{"jsonrpc":"2.0","id":1,"method":"card.list"}\n'
SCHEMA = b'{"jsonrpc":"2.0","id":1,"method":"api.schema"}\n'
HALF = b'{"jsonrpc":"2.0","id":1,"method":"hello","params":{"x":"'
BIG = b'{"jsonrpc":"2.0","id":1,"method":"hello","params":{"x":"' + b"x" * ((1 << 20) - 64) + b'"}}\n'


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
    except (BlockingIOError, OSError):
        s.close()
        return None
    return s


class Foe:
    """One of five kinds; 'out' is what it has still to send."""

    def __init__(self, kind):
        self.kind, self.sock, self.out = kind, None, b""

    def step(self):
        if self.sock is None:
            self.sock = connect()
            self.out = {0: SCHEMA * 40, 1: BIG, 2: HALF * 200, 3: LIST, 4: LIST}[self.kind]
            return
        try:
            if self.out:
                self.out = self.out[self.sock.send(self.out[:1 << 16]):]
            elif self.kind == 3:
                raise OSError  # vanishes with its answer unread
            elif self.kind in (1, 4) and self.sock.recv(1 << 16):
                self.out = BIG if self.kind == 1 else LIST
        except BlockingIOError:
            pass
        except OSError:
            self.sock.close()
            self.sock = None


def resident_kb():
    for line in open(f"/proc/{pid}/status", encoding="ascii"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def honest(until, report):
    """A process of its own: what it measures is the server's delay, not this program's."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)
    times = []
    while time.monotonic() < until:
        start = time.perf_counter()
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n')
        line = b""
        while not line.endswith(b"\n"):
            got = s.recv(65536)
            if not got:
                os.write(report, json.dumps({"error": "closed"}).encode())
                os._exit(1)
            line += got
        times.append(time.perf_counter() - start)
        time.sleep(0.002)
    times.sort()
    os.write(report, json.dumps({"asked": len(times), "p50_us": round(times[len(times) // 2] * 1e6, 1),
                                 "p99_us": round(times[int(len(times) * 0.99)] * 1e6, 1),
                                 "most_us": round(times[-1] * 1e6, 1)}).encode())
    os._exit(0)


def main():
    foes = [Foe(i % 5) for i in range(clients)]
    before_kb, most_kb = resident_kb(), 0
    while sum(f.sock is not None for f in foes) < clients * 0.9:
        for f in foes:
            if f.sock is None:
                f.step()
        time.sleep(0.01)
    until = time.monotonic() + seconds
    back, report = os.pipe()
    child = os.fork()
    if child == 0:
        honest(until, report)
    connected = 0
    while time.monotonic() < until:
        for f in foes:
            f.step()
        connected = max(connected, sum(f.sock is not None for f in foes))
        most_kb = max(most_kb, resident_kb())
    os.waitpid(child, 0)
    seen = json.loads(os.read(back, 65536))
    print(json.dumps({**seen, "clients": connected, "before_kb": before_kb, "most_kb": most_kb}))


main()
