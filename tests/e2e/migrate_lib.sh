# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What tests of migrations share, after lib.sh and e2e_start: a switch, a client and a server, two cards of one cardd, a
# NAT44 on the first, and the verbs of the card API by hand.
ovs_start
netns_add cl
netns_add sv
CL=02:0f:f1:00:00:01 SV=02:0f:f1:00:00:02
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 $CL
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 $SV
neighbour "$(ns cl)" e0 10.9.1.1 $SV
for i in 0 1 2 3 4 5 6 7; do neighbour "$(ns sv)" e0 10.9.2.$i $CL; done

PPS=${PPS:-1000} FLOWS=${FLOWS:-8}
CARDD_APPS=${CARDD_APPS:-'[{"app":"nat","card":"card0","match":[{"src":"10.9.0.0/24","proto":"udp"}],
  "chain":[{"fn":"nat44","params":{"external":"10.9.2.0/29"}}],"sla":{"class":"gold"},
  "allocation":{"cpu_pct":40,"bandwidth_bps":100000000,"memory_bytes":8000000}}]'}
# shellcheck disable=SC2086
cardd_conf ${CARDS:-card0 card1}

uuid() { cat /proc/sys/kernel/random/uuid; }
# steer CARD: the bridge sends to that card and takes from both, all in one bundle.
steer() {
    cat >"$RUN/flows" <<END
flow add in_port=w1,actions=output:c$1in
flow add in_port=w2,actions=output:c$1out
END
    ovs-ofctl -O OpenFlow14 bundle "unix:$RUN/br0.mgmt" "$RUN/flows" || fail "the switch takes no bundle"
}
step() { rpc cardd "migration.$1" "{\"id\":\"$2\",\"term\":1}" >/dev/null || fail "migration.$1"; }
status() { rpc cardd migration.status "{\"id\":\"$1\"}" | jq -r ".migrations[0].$2"; }
is() { [ "$(status "$1" "$2")" = "$3" ]; }
prepare() { # ID FROM TO
    rpc cardd migration.prepare "{\"id\":\"$1\",\"term\":1,\"app\":\"nat\",\"from\":\"card$2\",\"to\":\"card$3\"}" >/dev/null ||
        fail "migration.prepare"
}
cut() { # ID
    step start "$1"
    wait_for 5 "the rest is small" is "$1" ready true
    step cutover "$1"
    wait_for 5 "the destination serves" is "$1" ready true
}
for flow in "in_port=c0out,actions=output:w2" "in_port=c1out,actions=output:w2" "in_port=c0in,actions=output:w1" "in_port=c1in,actions=output:w1"; do
    ovs-ofctl -O OpenFlow14 add-flow "unix:$RUN/br0.mgmt" "$flow" || fail "the switch takes no flow"
done
# An RPC error as one line, the way that people read it.
echo_error() {
    local out
    out=$("$@" 2>&1) && return 0
    jq -r '"\(.data.path): \(.message); \(.data.expected)"' <<<"$out"
    return 1
}

# traffic_start: packets go there and back from here on.
traffic_start() {
    spawn server ip netns exec "$(ns sv)" python3 "$TOP/tests/e2e/echo.py" server 10.9.1.1 7100
    listening() { ip netns exec "$(ns sv)" ss -Hlun 'sport = 7100' | grep -q 7100; }
    wait_for 10 "the server listens" listening
    spawn client ip netns exec "$(ns cl)" python3 "$TOP/tests/e2e/echo.py" client 10.9.1.1 7100 $FLOWS "$PPS" "${TRAFFIC_S:-120}"
    bound() { [ "$(rpc cardd app.list '{"app":"nat"}' | jq '.apps[0].functions[0].entries')" -ge $FLOWS ]; }
    wait_for 15 "the flows are bound" bound
}
traffic_stop() {
    running client || fail "the traffic ended too early"
    stop_spawned client
    stop_spawned server
    say "client: $(cat "$RUN/client.log"), server: $(cat "$RUN/server.log")"
}
