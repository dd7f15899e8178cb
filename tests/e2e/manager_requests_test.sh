#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Requests to a real manager over real cards and a real switch: admitted and steered, queued with the reason, started by
# themselves when room appears, pre-empted by a better class, freed when they are withdrawn, kept over a kill -9.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
e2e_start manager-requests
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
neighbour "$(ns cl)" e0 10.9.1.1 02:0f:f1:00:00:02
cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
cardd_start
flowd_start
for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done
CTL=$(program offloadctl)
collectd_start offload_manager <<END
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  FlowdSocket "$RUN/flowd.sock"
  <Card "card0">
    Socket "$RUN/cardd.sock"
    InsidePort "c0in"
    OutsidePort "c0out"
  </Card>
  <Card "card1">
    Socket "$RUN/cardd.sock"
    InsidePort "c1in"
    OutsidePort "c1out"
  </Card>
</Plugin>
END

request() { # NAME CARD CLASS MIN_BPS PORT
    jq -nc --arg app "$1" --arg card "$2" --arg class "$3" --argjson min "$4" --argjson port "$5" \
        '{app: $app, card: $card, match: [{src: "10.9.0.1", dst: "10.9.1.1", proto: "udp", dport: $port}],
          chain: [{fn: "forward"}], sla: {class: $class, min_bps: $min}, in_port: "w1", out_port: "w2"}'
}
submit() { rpc manager request.submit "$(request "$@")" >/dev/null || fail "request.submit of $1"; }
state_of() { rpc manager request.list | jq -r --arg app "$1" '.requests[] | select(.app == $app) | .state'; }
reason_of() { rpc manager request.list | jq -r --arg app "$1" '.requests[] | select(.app == $app) | .reason'; }
is() { [ "$(state_of "$1")" = "$2" ]; }
active_on() { rpc cardd app.list | jq -e --arg app "$1" --arg card "$2" '.apps[] | select(.app == $app) | .card == $card and .state == "active"'; }
steered_to() { [ "$(rpc flowd intent.get | jq -r --arg app "$1" '.intents[] | select(.app == $app and .installed) | .card_port')" = "$2" ]; }
steered() { rpc flowd intent.get | jq -e --arg app "$1" '.intents[] | select(.app == $app)'; }
not_steered() { ! steered "$1"; }
listed() { rpc manager request.list | jq -e --arg app "$1" '.requests[] | select(.app == $app)'; }
unlisted() { ! listed "$1"; }
wait_for 15 "the cards are known" sh -c "'$CTL' --rundir '$RUN' status --json | jq -e '[.cards[] | select(.state == \"up\")] | length == 2'"

say "a request with its ports is admitted, and the switch steers its packets through the card"
request web card0 silver 20000000 7001 | jq 'del(.in_port, .out_port)' >"$RUN/web.json"
"$CTL" request submit "$RUN/web.json" --in-port w1 --out-port w2 >/dev/null || fail "offloadctl request submit"
wait_for 15 "web is active" active_on web card0
wait_for 15 "its flows are in the switch" steered_to web c0in
printf 'app,dst,dport,flows,packet_bytes\nweb,10.9.1.1,7001,2,1000\n' >"$RUN/apps.csv"
printf 'step,app,offered_bps\n0,web,2000000\n1,web,2000000\n' >"$RUN/demand.csv"
spawn sink ip netns exec "$(ns sv)" "$(program traffic-sink)" "$RUN/apps.csv"
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" "$RUN/demand.csv" "$RUN/apps.csv"
carried() { rpc cardd app.list | jq -e '.apps[] | select(.app == "web") | .stats.delivered_pkts > 100'; }
wait_for 15 "the card carries web's packets" carried

say "one that fits nowhere waits, says why, and starts by itself when room appears"
submit edge card1 silver 30000000 7002
wait_for 15 "edge is active" active_on edge card1
submit late card0 bronze 25000000 7003
wait_for 15 "late is queued" is late queued
wait_for 5 "and says why" sh -c "printf '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"request.list\"}\n' | socat -t 2 - UNIX-CONNECT:$RUN/manager.sock | grep -q 'no card of $HOST has 25000000 bit/s left to guarantee'"
not_steered late || fail "a queued request is steered"
rpc manager request.withdraw '{"app":"edge"}' >/dev/null || fail "request.withdraw"
wait_for 15 "late has started by itself" active_on late card1
wait_for 15 "the switch knows late" steered_to late c1in
wait_for 15 "edge is forgotten" unlisted edge
wait_for 15 "by the switch too" not_steered edge

say "a better class pre-empts; what fits elsewhere moves there instead"
submit prime card1 gold 38000000 7004
wait_for 15 "prime is active" active_on prime card1
wait_for 15 "late waits" is late queued
assert_contains "$(reason_of late)" "pre-empted on card1 by prime, which is gold" "why late waits"
wait_for 15 "late's flows are out of the switch" not_steered late
assert_eq "$(state_of web)" admitted "web, which is silver but in nobody's way"
rpc manager request.withdraw '{"app":"prime"}' >/dev/null || fail "request.withdraw of prime"
wait_for 15 "late is back" active_on late card1
submit small card0 bronze 10000000 7005
wait_for 15 "small is active on card0" active_on small card0
submit mid card0 silver 16000000 7006
wait_for 30 "small has moved to card1 for it, with its state" active_on small card1
assert_eq "$(rpc manager migrate.list | jq -r '.migrations[0] | "\(.app) \(.to) \(.step)"')" "small card1 committed" "how small got there"
wait_for 15 "mid is active" active_on mid card0
steered_to small c1in || fail "the switch does not follow small"

say "what is asked for at the card waits for a plan too"
rpc cardd app.add "{\"term\":$(rpc cardd hello | jq .term),\"app\":\"direct\",\"card\":\"card1\",\"match\":[{\"proto\":\"udp\",\"dport\":7007}],\"chain\":[{\"fn\":\"forward\"}],\"sla\":{\"class\":\"bronze\",\"min_bps\":30000000}}" >/dev/null || fail "app.add"
wait_for 15 "direct is queued" is direct queued
assert_eq "$(rpc cardd app.list '{"app":"direct"}' | jq -r '.apps[0].state')" requested "its state at the card"
rpc manager request.withdraw '{"app":"late"}' >/dev/null
wait_for 15 "direct is active" active_on direct card1
rpc manager request.withdraw '{"app":"direct"}' >/dev/null
wait_for 15 "direct is forgotten" unlisted direct

say "what can never be is refused at once"
assert_fails "no card of $HOST can guarantee 50000000 bit/s" rpc manager request.submit "$(request huge card0 gold 50000000 7008)"
assert_fails "the limit of 1000 bit/s is below the guarantee of 2000" rpc manager request.submit "$(request odd card0 gold 2000 7008 | jq -c '.sla.max_bps = 1000')"
assert_fails "there is no card 'card9'" rpc manager request.submit "$(request odd card9 gold 2000 7008)"
assert_fails '"path":"match[0].dportt"' rpc manager request.submit "$(request odd card0 gold 2000 7008 | jq -c '.match[0].dportt = 1')"
assert_fails '"path":"out_port"' rpc manager request.submit "$(request odd card0 gold 2000 7008 | jq -c 'del(.out_port)')"
assert_fails "is there already" rpc manager request.submit "$(request web card0 gold 2000 7008)"

say "a queued request outlives a kill -9 of the manager; so do ports"
submit patient card0 bronze 35000000 7009
wait_for 15 "patient is queued" is patient queued
wait_for 15 "and on disk" grep -q patient "$RUN/state/requests.json"
stop_spawned collectd.daemon KILL
collectd_run
wait_for 15 "patient is queued again" is patient queued
for app in web mid small; do rpc manager request.withdraw "{\"app\":\"$app\"}" >/dev/null || fail "withdraw $app"; done
wait_for 15 "patient has started" active_on patient card0
wait_for 15 "and is steered" steered_to patient c0in

say "slots of withdrawn ones are used again: 4500 come and go"
flood() { # FROM TO METHOD PARAMS, where @ is the number
    seq "$1" "$2" | sed "s/.*/{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$3\",\"params\":$4}/; s/@/&/g" | awk -v n="$1" '{ gsub("@", n); n++; print }' |
        socat -t 10 - "UNIX-CONNECT:$RUN/manager.sock" >"$RUN/flood.txt"
    ! grep -m1 '"error"' "$RUN/flood.txt"
}
alone() { [ "$(rpc manager request.list | jq -c '[.requests[].app]')" = '["patient"]' ]; }
for from in 1 1501 3001; do
    flood $from $((from + 1499)) request.submit '{"app":"r@","card":"card0","match":[{"proto":"udp","dport":@}],"chain":[{"fn":"forward"}],"sla":{"min_bps":39000000}}' ||
        fail "a request was refused"
    flood $from $((from + 1499)) request.withdraw '{"app":"r@"}' || fail "one cannot be withdrawn"
    wait_for 15 "all are gone" alone
done
active_on patient card0 >/dev/null || fail "patient has suffered"
for daemon in cardd flowd collectd.daemon; do running $daemon || fail "$daemon has died"; done
e2e_pass
