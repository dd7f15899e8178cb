#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# The other end of an ESP tunnel, by scapy: takes UDP out, and sends it back encrypted. SIGUSR1: once more what was sent last,
# and a forged packet.
# usage: esp_peer.py INTERFACE | esp_peer.py --echo ADDRESS COUNT (plain datagrams, each must come back)
import signal
import socket
import sys


def echo(address, count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", 7070))
    s.settimeout(10)
    for i in range(count):
        sent = bytes((i + k) % 256 for k in range(i * 1300 // count + 1))
        s.sendto(sent, (address, 7))
        got = s.recv(2048)
        if got != sent:
            print(f"datagram {i}: {len(sent)} bytes sent, {len(got)} came back")
            return 1
    print(f"{count} datagrams came back")
    return 0


def serve(interface):
    from scapy.all import IP, UDP, Ether, conf
    from scapy.layers.ipsec import ESP, SecurityAssociation

    conf.verb = 0
    inward = SecurityAssociation(ESP, spi=0x1234, crypt_algo="AES-GCM", tunnel_header=IP(src="192.0.2.1", dst="192.0.2.2"),
                                 crypt_key=bytes.fromhex("4c80cdefbb5d10da906ac73c3613a6342e443b68"))
    outward = SecurityAssociation(ESP, spi=0x5678, crypt_algo="AES-GCM", tunnel_header=IP(src="192.0.2.2", dst="192.0.2.1"),
                                  crypt_key=bytes.fromhex("00112233445566778899aabbccddeeff" * 2 + "01020304"))
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.bind((interface, 0))
    last = None

    def again(*_):
        s.send(last)
        s.send(last[:70] + bytes([last[70] ^ 1]) + last[71:])
        forged = Ether(last)
        forged[ESP].seq += 1000
        del forged[IP].chksum
        s.send(bytes(forged))

    signal.signal(signal.SIGUSR1, again)
    print("ready", flush=True)
    while True:
        frame = s.recv(4096)
        if len(frame) < 34 or frame[23] != 50 or frame[26:30] != bytes([192, 0, 2, 1]):
            continue
        outer = Ether(frame)
        inner = inward.decrypt(outer[IP])
        if UDP not in inner:
            continue
        back = IP(src=inner.dst, dst=inner.src) / UDP(sport=inner[UDP].dport, dport=inner[UDP].sport) / bytes(inner[UDP].payload)
        last = bytes(Ether(src=outer.dst, dst=outer.src) / outward.encrypt(IP(bytes(back))))
        s.send(last)


if sys.argv[1] == "--echo":
    sys.exit(echo(sys.argv[2], int(sys.argv[3])))
serve(sys.argv[1])
