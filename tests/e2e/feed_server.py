#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A weather service that misbehaves as the file MODE says: feed_server.py DIR writes DIR/port and appends each request's
mode and status to DIR/requests. Modes: good, etag (304 if asked well), 500, slow, cut, huge, html, nan, badutf8, loop."""
import http.server
import json
import os
import sys
import time

DIR = sys.argv[1]
PERIOD = 24


def weather(first=-400, last=120):
    """Open-Meteo's shape with Unix times: a square wave of PERIOD seconds."""
    now = int(time.time())
    times = list(range(now + first, now + last))
    return json.dumps({"utc_offset_seconds": 0, "hourly": {
        "time": times, "heat": [10 if t % PERIOD < PERIOD / 2 else 20 for t in times]}}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/json", length=None, **headers):
        with open(os.path.join(DIR, "requests"), "a", encoding="utf-8") as f:
            f.write(f"{self.mode} {status}\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with open(os.path.join(DIR, "mode"), encoding="utf-8") as f:
            self.mode = f.read().strip()
        body = weather()
        if self.mode == "etag":
            if self.headers.get("If-None-Match") == '"v1"':
                return self.answer(304)
            return self.answer(200, body, ETag='"v1"')
        if self.mode == "500":
            return self.answer(500, b"oops", "text/plain")
        if self.mode == "slow":
            time.sleep(30)
            return self.answer(200, body)
        if self.mode == "cut":
            self.answer(200, body[:200], length=len(body))
            self.close_connection = True
            return None
        if self.mode == "huge":
            return self.answer(200, b"[" + b"1," * 1000000 + b"1]")
        if self.mode == "html":
            return self.answer(200, b"<html><body>maintenance</body></html>", "text/html")
        if self.mode == "nan":
            return self.answer(200, body.replace(b" 10,", b" null,").replace(b" 20,", b" NaN,"))
        if self.mode == "badutf8":
            return self.answer(200, b'{"hourly": "\xff\xfe"}')
        if self.mode == "loop":
            return self.answer(302, Location=self.path)
        return self.answer(200, body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(os.path.join(DIR, "port.new"), "w", encoding="utf-8") as port:
    port.write(str(server.server_address[1]))
os.rename(os.path.join(DIR, "port.new"), os.path.join(DIR, "port"))
server.serve_forever()
