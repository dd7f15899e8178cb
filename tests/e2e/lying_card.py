#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands between a manager and offload-cardd, and lies where it is told to.

lying_card.py SOCKET CARDD LIE    listens at SOCKET, hands lines on to CARDD and back; while the file LIE is there, card.list's
                                  capacities are what it holds: {"CARD": {"bandwidth_bps": -1}}
"""
import json
import os
import socket
import sys
import threading


def altered(line, lie):
    try:
        with open(lie, encoding="utf-8") as f:
            lies = json.load(f)
        answer = json.loads(line)
        for card in answer["result"]["cards"]:
            card["capacity"].update(lies.get(card["card"], {}))
    except (OSError, ValueError, KeyError, TypeError):
        return line  # no lie, or not that answer
    return json.dumps(answer).encode() + b"\n"


def serve(client, cardd, lie):
    with client, socket.socket(socket.AF_UNIX) as card:
        card.connect(cardd)
        asked, told = client.makefile("rb"), card.makefile("rb")
        for line in asked:
            card.sendall(line)
            answer = told.readline()
            if not answer:
                return
            client.sendall(altered(answer, lie))


def main():
    path, cardd, lie = sys.argv[1:4]
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(8)
    os.rename(path + ".new", path)
    while True:
        client, _ = server.accept()
        threading.Thread(target=serve, args=(client, cardd, lie), daemon=True).start()


main()
