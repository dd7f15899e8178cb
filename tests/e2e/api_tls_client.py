#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# One request by TLS: api_tls_client.py PORT DIR NAME VERB PARAMS [1.2]. Shows DIR/NAME.crt and prints the answer, or why there
# is none. "-" as NAME shows no certificate. The server's serial number goes to standard error.
import json
import socket
import ssl
import sys

port, folder, name, verb, params = sys.argv[1:6]
context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
if name != "-":
    context.load_cert_chain(f"{folder}/{name}.crt", f"{folder}/{name}.key")
if sys.argv[6:] == ["1.2"]:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
try:
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), 20), server_hostname="127.0.0.1") as s:
        s.settimeout(20)
        print(s.getpeercert()["serialNumber"], file=sys.stderr)
        s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": verb, "params": json.loads(params)}).encode() + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            got = s.recv(65536)
            if not got:
                break
            line += got
        print(line.decode().strip() or "closed without an answer")
except (ssl.SSLError, OSError) as e:
    print(f"failed: {e}")
