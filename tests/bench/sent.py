#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# sent.py SOCKET PORT SECONDS: "packets nanoseconds", what an ethdev port of a DPDK process sent meanwhile, by its telemetry.
import json
import socket
import sys
import time


def sent(connection, port):
    connection.send(b"/ethdev/stats,%d" % port)
    return json.loads(connection.recv(65536))["/ethdev/stats"]["opackets"], time.monotonic_ns()


with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as telemetry:
    telemetry.connect(sys.argv[1])
    telemetry.recv(65536)  # its greeting
    first = sent(telemetry, int(sys.argv[2]))
    time.sleep(float(sys.argv[3]))
    last = sent(telemetry, int(sys.argv[2]))
print(last[0] - first[0], last[1] - first[1])
