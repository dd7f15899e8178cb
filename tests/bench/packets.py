#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# packets.py FLOWS PACKETS BYTES [RULES] >FILE: a capture of UDP packets of FLOWS flows in turn, BYTES long without FCS.
# With RULES they go to that many destinations in turn: 10.1.0.1 to 10.1.0.250, 10.1.1.1 and so on.
import struct
import sys

flows, packets, length = (int(word) for word in sys.argv[1:4])
rules = int(sys.argv[4]) if len(sys.argv) > 4 else 1


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(flow):
    payload = length - 42
    udp = struct.pack(">HHHH", 10000 + flow % 50000, 53, 8 + payload, 0)
    source = bytes([10, 0, flow // 50000 % 256, 1])
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + payload, 0, 0, 64, 17, 0, source, bytes([10, 1, flow % rules // 250, flow % rules % 250 + 1]))
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return bytes.fromhex("020ff1000001020ff10000020800") + ip + udp + bytes(payload)


out = sys.stdout.buffer
out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
for i in range(packets):
    frame = packet(i % flows)
    out.write(struct.pack("<IIII", 0, i, len(frame), len(frame)) + frame)
