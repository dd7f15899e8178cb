#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Flow telemetry with nfcapd: what nfdump reads is what was sent, flow by flow, to the packet and the byte.
# Limit: 90 s
. "$(dirname "$0")/functions.sh"
functions_start functions_ipfix
command -v nfcapd >/dev/null || skip "no nfcapd; install nfdump"
mkdir "$RUN/flows"
spawn nfcapd ip netns exec "$SW" nfcapd -l "$RUN/flows" -w "$RUN/flows" -b 127.0.0.1 -p 4739 -t 3600
listening() { ip netns exec "$SW" ss -Hlun 'sport = 4739' | grep -q 4739; }
wait_up nfcapd 10 "nfcapd listens" listening
neighbour "$(ns cl)" e0 10.9.0.2 "$SV_MAC"
functions_card '[{"app":"web","match":[{"dst":"10.9.0.2"}],"chain":[{"fn":"ipfix","params":{"collector":"127.0.0.1","idle_timeout_s":1,"active_timeout_s":2}},{"fn":"forward"}]}]'
# 20 flows; flow i has i + 1 packets of 100 bytes of payload.
in_ns cl /usr/bin/python3 -c '
import socket, time
for i in range(20):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("10.9.0.1", 6000 + i))
    for k in range(i + 1):
        s.sendto(bytes(100), ("10.9.0.2", 9999))
        time.sleep(0.001)
'
empty() { [ "$(fn_of web ipfix entries)" = 0 ]; }
wait_for 20 "every flow has ended" empty
pause 0.5 # the main thread's turn; nfcapd has no word for "heard"
stop_spawned nfcapd
nfdump -R "$RUN/flows" -q -N -o 'fmt:%sp %pkt %byt' 'proto udp and dst port 9999' 2>/dev/null |
    awk '{ p[$1] += $2; b[$1] += $3 } END { for (f in p) print f, p[f], b[f] }' | sort -n >"$RUN/got"
for ((i = 0; i < 20; i++)); do echo "$((6000 + i)) $((i + 1)) $(((i + 1) * 128))"; done >"$RUN/sent"
diff "$RUN/sent" "$RUN/got" >&2 || fail "nfdump reads other flows (port packets bytes) than were sent"
say "nfdump reads all 20 flows, to the byte"
e2e_pass
