#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# odd_packets.py INTERFACE KIND COUNT: sends COUNT packets of a kind, as they are on the wire.
import logging
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import (Dot1AD, Dot1Q, Ether, ICMPv6EchoRequest, IP, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, TCP, UDP, conf,
                       fragment, fragment6)
from scapy.layers.vxlan import VXLAN

ether = Ether(src="02:0f:f1:00:00:01", dst="02:0f:f1:00:00:02")
udp = UDP(sport=1000, dport=53) / Raw(b"x" * 40)
ip4 = IP(src="10.9.0.1", dst="10.9.0.2")
ip6 = IPv6(src="fd00::1", dst="fd00::2")
tunnel = ether / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=49152, dport=4789, chksum=0)
inside = ether / IP(src="10.66.0.1", dst="10.66.0.2") / udp
kinds = {
    "ipv4": [ether / ip4 / udp],
    "ipv6": [ether / ip6 / udp],
    "ipv6-options": [ether / ip6 / IPv6ExtHdrDestOpt() / udp],
    "ipv6-echo": [ether / ip6 / ICMPv6EchoRequest()],
    "vlan": [ether / Dot1Q(vlan=7) / ip4 / udp],
    "qinq": [ether / Dot1AD(vlan=9) / Dot1Q(vlan=7) / ip4 / udp],
    "vxlan": [tunnel / VXLAN(vni=66051, flags=8) / inside],
    "vxlan-other": [tunnel / VXLAN(vni=5, flags=8) / inside],
    "fragments": [ether / f for f in fragment(ip4 / UDP(sport=1000, dport=53) / Raw(b"x" * 2000), 800)],
    "fragments6": [ether / f for f in fragment6(ip6 / IPv6ExtHdrFragment(id=7) / UDP(sport=1000, dport=53) / Raw(b"x" * 2000), 1280)],
    "truncated": [Raw(bytes(ether / ip4 / udp)[:30])],
    "too-long": [ether / IP(src="10.9.0.1", dst="10.9.0.2", len=1400) / udp],
    "no-ip": [ether / Raw(b"\x52\x00" * 30)],
    "ping-of-death": [ether / IP(src="10.9.0.1", dst="10.9.0.2", frag=8189) / Raw(b"x" * 100)],
    "tiny-fragment": [ether / IP(src="10.9.0.1", dst="10.9.0.2", frag=1, proto=6) / Raw(b"x" * 40)],
    "tags": [ether / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / Dot1Q(vlan=4) / ip4 / udp],
    "header-bomb": [ether / ip6 / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt()
                    / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / udp],
    "bad-checksum": [ether / IP(src="10.9.0.1", dst="10.9.0.2", chksum=1) / TCP(dport=53, chksum=1)],
}
socket = conf.L2socket(iface=sys.argv[1])
packets = [bytes(p) for p in kinds[sys.argv[2]]]
for _ in range(int(sys.argv[3])):
    for packet in packets:
        socket.send(packet)
print(len(packets) * int(sys.argv[3]))
