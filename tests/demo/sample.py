#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks the daemons once a second, on the step's edge, what they say, and writes it as JSON lines.

usage: sample.py RUNDIR BEGIN STEPS FIRST_STEP [manager]

The line with "step": k was asked at the beginning of step k, so step k's figures are the differences to the next line. BEGIN is
when FIRST_STEP begins (epoch). One line follows the last step. With 'manager' its status is in each line too.
"""
import json
import socket
import sys
import time


class Peer:
    """JSON-RPC, one object a line, over a Unix socket; None where there is no answer."""

    def __init__(self, path):
        self.path, self.sock, self.buf = path, None, b""

    def call(self, method, params=None):
        try:
            if self.sock is None:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(2)
                self.sock.connect(self.path)
            self.sock.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}).encode() + b"\n")
            while b"\n" not in self.buf:
                part = self.sock.recv(1 << 16)
                if not part:
                    raise OSError("closed")
                self.buf += part
            line, self.buf = self.buf.split(b"\n", 1)
            return json.loads(line).get("result")
        except (OSError, ValueError):
            if self.sock is not None:
                self.sock.close()
            self.sock, self.buf = None, b""
            return None


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    run, begin, steps, first = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    card = Peer(run + "/cardd.sock")
    switch = Peer(run + "/flowd.sock")
    manager = Peer(run + "/manager.sock") if "manager" in sys.argv[5:] else None
    for k in range(steps + 1):
        time.sleep(max(0.0, begin + k - time.time()))
        line = {"step": first + k, "time": time.time(), "apps": card.call("app.list"), "cards": card.call("card.list"),
                "migrations": card.call("migration.status")}
        if manager is not None:
            line["manager"] = manager.call("status.get")
        if k in (0, steps):
            line["switch"] = switch.call("switch.get")
        print(json.dumps(line), flush=True)


main()
