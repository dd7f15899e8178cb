#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# How long a card's API takes to answer: rpc_clients.py SOCKET CLIENTS REQUESTS_PER_S SECONDS. All clients stay connected and ask,
# each at random times, for what monitors ask for: hello, allocation.get, card.get in turn. What is timed runs from the request's
# write to the last byte of its answer; requests are not held back while others are open. Prints one JSON object.
import json
import random
import select
import socket
import sys
import time

path, clients, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
ASKED = [b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n', b'{"jsonrpc":"2.0","id":1,"method":"allocation.get"}\n',
         b'{"jsonrpc":"2.0","id":1,"method":"card.get","params":{"card":"card0"}}\n']

random.seed(6)
socks, since, got = {}, {}, {}
for _ in range(clients):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.setblocking(False)
    socks[s.fileno()] = s
free = list(socks)
times, asked, skipped = [], 0, 0
now = time.perf_counter()
until, due = now + seconds, now + 0.2
while now < until or since:
    # select(), since it waits for less than a millisecond.
    for fd in select.select(since, [], [], max(0, min(due, until) - now) if now < until else 1)[0]:
        data = socks[fd].recv(1 << 16)
        end = time.perf_counter()
        if not data:
            sys.exit("the server closed a connection")
        got[fd] += data
        if data.endswith(b"\n"):
            if b'"result"' not in got[fd]:
                sys.exit(f"an error: {got[fd]!r}")
            times.append(end - since.pop(fd))
            free.append(fd)
    now = time.perf_counter()
    if due <= now < until:
        due += random.expovariate(rate)
        if free:
            fd = free.pop(random.randrange(len(free)))
            got[fd] = b""
            since[fd] = time.perf_counter()
            socks[fd].send(ASKED[asked % len(ASKED)])
            asked += 1
        else:
            skipped += 1
        now = time.perf_counter()
times.sort()
print(json.dumps({"asked": asked, "skipped": skipped, "p50_us": round(times[len(times) // 2] * 1e6, 1),
                  "p99_us": round(times[int(len(times) * 0.99)] * 1e6, 1), "most_us": round(times[-1] * 1e6, 1)}))
