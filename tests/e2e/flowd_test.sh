#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offload-flowd against a real switch: intents carry ping, UDP and TCP through a card both ways, a swap under
# traffic loses nothing, whatever happens to the switch or to flowd the flows come back, and nobody else's change.
#
#   client netns -- w1 [ OVS br0 ] w2 -- server netns     a card: c0in and c0out joined by a kernel bridge that
#                 c0in | | c0out   c1in | | c1out         passes on everything it gets, broadcasts too
# Limit: 200 s
. "$(dirname "$0")/lib.sh"
export E2E_TOPOLOGY=A1
e2e_start flowd
flowd=$(program offload-flowd)
own_cookie=cookie=0x0ff1000000000000/0xffff000000000000

# ---- bad configurations ----
conf() { # KEY VALUE: flowd.json with one key set
    jq -n --arg run "$RUN" --arg key "$1" --argjson value "$2" '{rundir: $run, state_dir: ($run + "/state"),
        ovsdb: ("unix:" + $run + "/db.sock"), ovs_rundir: $run, bridges: ["br0"], repair_interval_s: 1} | .[$key] = $value'
}
refused() { # KEY VALUE PART OF THE MESSAGE
    conf "$1" "$2" >"$RUN/bad.json"
    assert_fails "$3" "$flowd" --config "$RUN/bad.json" --check-config
    assert_fails "$3" "$flowd" --config "$RUN/bad.json"
    "$flowd" --config "$RUN/bad.json" --check-config 2>"$RUN/bad.err"
    assert_eq $? 2 "exit status with a bad $1"
}
refused bridgse '["br0"]' "bridgse"
refused bridges '[]' "bridges: 0 bridges; name 1 to 16 bridges"
refused bridges '["br0","br0"]' "bridges[1]: bridge 'br0' was named before"
refused bridges '[7]' "bridges[0]: 7 is no bridge's name"
refused repair_interval_s 0 "repair_interval_s"
refused repair_interval_s '"5"' "repair_interval_s"
refused priority 65500 "priority"
echo '{"bridges":["br0"]' >"$RUN/bad.json"
assert_fails "bad.json:" "$flowd" --config "$RUN/bad.json" --check-config
assert_fails "none.json" "$flowd" --config "$RUN/none.json"
conf repair_interval_s 1 >"$RUN/flowd.json"
assert_contains "$("$flowd" --config "$RUN/flowd.json" --check-config)" "good" "a good configuration"

# ---- without a switch flowd is there all the same ----
start_flowd() {
    spawn flowd "$flowd" --config "$RUN/flowd.json"
    wait_up flowd 5 "flowd's API answers" rpc flowd hello
}
start_flowd
assert_eq "$(rpc flowd switch.get | jq -c '[.bridges[0].connected, .flows.own]')" '[false,0]' "a switch that is not there"
intent() { # APP MATCHES [CARD [MORE]]: one intent as JSON
    printf '{"app":"%s","match":%s,"in_port":"w1","out_port":"w2","card_port":"c%sin","card_port_out":"c%sout"%s}' \
        "$1" "$2" "${3:-0}" "${3:-0}" "${4:-}"
}
set_intents() { # TERM INTENT...
    local term=$1
    shift
    rpc flowd intent.set "{\"term\":$term,\"intents\":[$(IFS=,; echo "$*")]}"
}
refuses() { # CODE PART METHOD PARAMS: the error's code and a part of it
    local out
    out=$(rpc flowd "$3" "$4" 2>&1) && fail "$3 $4 was not refused"
    assert_eq "$(jq -r .code <<<"$out")" "$1" "code of $out"
    assert_contains "$out" "$2" "refusal of $3"
}
assert_fails -32001 set_intents 1 "$(intent udp '[{"proto":"udp"}]')" # nobody knows the ports yet

ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16
ip -n "$(ns sv)" addr add 10.9.2.1/16 dev e0
card_add() { # N: the stand-in for a card
    ovs_port_card "c$1in"
    ovs_port_card "c$1out"
    ip -n "$SW" link add "k$1" type bridge forward_delay 0
    local end
    for end in in out; do
        ip -n "$SW" link set "c$1${end}c" master "k$1"
        ip netns exec "$SW" bridge link set dev "c$1${end}c" learning off
    done
    ip -n "$SW" link set "k$1" up
}
card_add 0
card_add 1
wait_for 10 "flowd finds the switch" flowd_connected
ofctl() { ovs-ofctl -O OpenFlow14 "$@"; }
br=unix:$RUN/br0.mgmt
own() { ofctl dump-flows --no-stats "$br" "$own_cookie" | sort; }
foreign() { ofctl dump-flows --no-stats "$br" | grep -v "cookie=0xff1" | sort; }
port_count() { rpc flowd switch.get | jq '.bridges[0].ports | length'; }
seven() { [ "$(port_count)" = 7 ]; }
wait_for 10 "flowd knows the seven ports" seven

# ---- an operator's own flows, which nothing here may change ----
ofctl add-flow "$br" 'cookie=0x77,priority=100,in_port=w1,tcp,tp_dst=22,actions=output:w2'
ofctl add-flow "$br" 'priority=50000,in_port=w1,udp,tp_dst=9,actions=drop'
ofctl add-flow "$br" 'cookie=0x1,table=5,priority=7,ip,nw_dst=1.2.3.4,actions=normal'
ofctl add-flow "$br" 'cookie=0x1,table=100,priority=7,ip,actions=drop'
operators=$(foreign)

# ---- packets go through the card, both ways ----
set_intents 3 "$(intent udp '[{"proto":"udp","dport":"7001-7002"}]')" \
    "$(intent rest '[{"proto":"icmp"},{"proto":"tcp","dport":8000}]')" >/dev/null || fail "good intents were refused"
rx_of() { ip -n "$SW" -j -s link show "$1" | jq '.[0].stats64.rx.packets'; }
before=$(rx_of c0inc)
wait_for 5 "a ping passes" in_ns cl ping -c 1 -W 1 10.9.1.1
in_ns cl ping -q -c 20 -i 0.01 -W 1 10.9.1.1 >/dev/null || fail "pings are lost"
assert_le 21 $(($(rx_of c0inc) - before)) "pings through the card"
head -c 3000000 /dev/urandom >"$RUN/sent"
tcp_passes() {
    in_ns sv socat -u TCP-LISTEN:8000,reuseaddr "OPEN:$RUN/received,creat,trunc" &
    local pid=$!
    wait_for 5 "the TCP server listens" server_listens
    in_ns cl timeout 20 socat -u "OPEN:$RUN/sent" TCP:10.9.1.1:8000 || fail "TCP does not pass"
    wait $pid
    cmp "$RUN/sent" "$RUN/received" || fail "TCP does not pass whole"
}
server_listens() { in_ns sv ss -Hltn 'sport = 8000' | grep -q 8000; }
tcp_passes
say "ping and TCP pass through the card"

# ---- what is wrong is refused and changes nothing ----
flows=$(own)
state=$(cat "$RUN/state/flowd.state")
refuses -32003 'use 3 or above' intent.set '{"term":2,"intents":[]}'
refuses -32003 term reroute.swap '{"id":"a","term":2,"app":"udp","from_port":"c0in","to_port":"c1in","to_port_out":"c1out"}'
refuses -32003 term repair.run '{"term":2}'
refuses -32001 "intents[1].card_port: the switch has no port 'c2in'; use 'c" intent.set \
    "{\"term\":3,\"intents\":[$(intent new '[{"dst":"10.9.9.9"}]'),$(intent udp '[]' 2)]}"
refuses -32602 'intents[0].match[0].dport' intent.set "{\"term\":3,\"intents\":[$(intent udp '[{"proto":"udp","dport":65536}]')]}"
refuses -32602 'intents[0].mtach' intent.set "{\"term\":3,\"intents\":[$(intent udp '[]' 0 ',"mtach":[]')]}"
refuses -32602 'intents[1].app' intent.set "{\"term\":3,\"intents\":[$(intent new '[{"src":"10.9.9.9"}]'),$(intent new '[]')]}"
refuses -32602 'term' intent.set '{"intents":[]}'
refuses -32602 'term' intent.set '{"term":-1}'
refuses -32602 "remove[0]" intent.set '{"term":3,"remove":["no body"]}'
refuses -32002 "cannot be told from those of app 'rest'" intent.set "{\"term\":3,\"intents\":[$(intent other '[{"proto":"icmp"}]' 1)]}"
refuses -32001 'app' intent.get '{"app":"nobody"}'
refuses -32001 'to_port' reroute.swap '{"id":"a","term":3,"app":"udp","from_port":"c0in","to_port":"c7in"}'
refuses -32002 "from_port: app 'udp' is not on the card behind 'c1in'; use 'c0in'" reroute.swap \
    '{"id":"a","term":3,"app":"udp","from_port":"c1in","to_port":"c0in","to_port_out":"c0out"}'
refuses -32602 'to_port' reroute.swap '{"id":"a","term":3,"app":"udp","from_port":"c0in","to_port":"c0in","to_port_out":"c0out"}'
refuses -32001 'app' reroute.swap '{"id":"a","term":3,"app":"nobody","from_port":"c0in","to_port":"c1in"}'
refuses -32602 'id' reroute.swap '{"id":"a b","term":3,"app":"udp","from_port":"c0in","to_port":"c1in","to_port_out":"c1out"}'
refuses -32001 'id' reroute.status '{"id":"none"}'
refuses -32601 'switch.get' switch.gte '{}'
ofctl add-flow "$br" "priority=40016,ip,in_port=w1,vlan_tci=0x0000/0x0000,nw_dst=10.9.0.0/16,actions=drop"
refuses -32002 "a flow of somebody else has our place" intent.set "{\"term\":3,\"intents\":[$(intent new '[{"dst":"10.9.0.0/16"}]')]}"
ofctl --strict del-flows "$br" "priority=40016,ip,in_port=w1,nw_dst=10.9.0.0/16"
head -c 1100000 /dev/zero | tr '\0' x >"$RUN/huge"; echo >>"$RUN/huge"
assert_contains "$(socat -t 5 - "UNIX-CONNECT:$RUN/flowd.sock" <"$RUN/huge" | head -c 300)" "-32600" "answer to an oversized line"
assert_contains "$(echo '{"jsonrpc"' | socat -t 5 - "UNIX-CONNECT:$RUN/flowd.sock")" "-32700" "answer to half a line"
assert_eq "$(own)" "$flows" "own flows after refusals"
assert_eq "$(cat "$RUN/state/flowd.state")" "$state" "the state file after refusals"
say "what is wrong is refused and changes nothing"

# ---- swaps under traffic ----
printf 'app,dst,dport,flows,packet_bytes\nudp,10.9.1.1,7001,4,1000\n' >"$RUN/apps.csv"
{ echo step,app,offered_bps; for step in $(seq 0 19); do echo "$step,udp,4000000"; done; } >"$RUN/demand.csv"
sink_start sv "$RUN/apps.csv"
# ARP is flooded to the cards too, and would be counted with the packets.
mac_of() { ip -n "$(ns "$1")" -j link show e0 | jq -r '.[0].address'; }
neighbour "$(ns cl)" e0 10.9.1.1 "$(mac_of sv)"
neighbour "$(ns sv)" e0 10.9.0.1 "$(mac_of cl)"
# A switch that waits for its turn longer than its ports' queues last loses packets of its own.
favour ovs-vswitchd ""
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" "$RUN/demand.csv" "$RUN/apps.csv"
more_than() { [ "$(rx_of "$1")" -gt "$2" ]; }
swap() { # ID FROM TO
    rpc flowd reroute.swap "{\"id\":\"$1\",\"term\":4,\"app\":\"udp\",\"from_port\":\"c$2in\",\"to_port\":\"c$3in\",\"to_port_out\":\"c$3out\"}"
}
fenced() { [ "$(rpc flowd reroute.status "{\"id\":\"$1\"}" | jq .fenced)" = true ]; }
from=0
times=
for i in 1 2 3 4 5; do
    wait_for 5 "traffic on card $from" more_than "c${from}inc" $(($(rx_of "c${from}inc") + 50))
    out=$(swap "00000000-0000-4000-8000-00000000000$i" $from $((1 - from))) || fail "swap $i was refused"
    times="$times $(jq .bundle_ns <<<"$out")"
    # Once the fence is through, no cached flow of the switch leads to the old card any more.
    wait_for 5 "swap $i is fenced" fenced "00000000-0000-4000-8000-00000000000$i"
    after=$(rx_of "c${from}inc")
    from=$((1 - from))
    wait_for 5 "traffic on card $from" more_than "c${from}inc" $(($(rx_of "c${from}inc") + 30))
    assert_eq "$(rx_of "c$((1 - from))inc")" "$after" "packets at the old card after the fence"
done
gone() { ! running "$1"; }
wait_for 60 "the sender ends" gone gen
wait_for 10 "the sink has heard every flow's end" gone sink
of() { jq -r ".apps[0].$2" "$RUN/$1.log"; }
assert_eq "$(of sink received_pkts) $(of sink lost_pkts)" "$(of gen sent_pkts) 0" "packets received and lost over five swaps"
say "five swaps: $(of sink received_pkts) packets, 0 lost, $(of sink reordered_pkts) reordered; bundle and barrier took$(
    for t in $times; do awk -v t="$t" 'BEGIN { printf " %.2f", t / 1e6 }'; done) ms"
assert_eq "$(rpc flowd hello | jq .term)" 4 "the term of the newest manager"

# Again with the same id: as it was then, and nothing moves.
id=00000000-0000-4000-8000-000000000005
flows=$(own)
assert_eq "$(swap $id 0 1 | jq -c '[.id, .step]')" "[\"$id\",\"swapped\"]" "a swap that was made before"
assert_eq "$(own)" "$flows" "flows after a repeated swap"
refuses -32602 'this id swapped' reroute.swap "{\"id\":\"$id\",\"term\":4,\"app\":\"udp\",\"from_port\":\"c1in\",\"to_port\":\"c0in\",\"to_port_out\":\"c0out\"}"
say "the fence took $(rpc flowd reroute.status "{\"id\":\"$id\"}" | jq '.fence_ns / 1e6 | floor') ms"

# ---- the card goes down ----
set_intents 4 "$(intent rest '[{"proto":"icmp"},{"proto":"tcp","dport":8000}]')" >/dev/null
pings() { in_ns cl ping -c 1 -W 1 10.9.1.1; }
no_ping() { ! in_ns cl ping -c 1 -W 0.3 10.9.1.1; }
card_of() { rpc flowd intent.get "{\"app\":\"$1\"}" | jq -r '.intents[0].card'; }
is_card() { [ "$(card_of "$1")" = "$2" ]; }
pings >/dev/null || fail "no ping before the card goes down"
ip -n "$SW" link set c0inc down
wait_for 5 "flowd sees the card's link go down" is_card rest down
wait_for 5 "closed: nothing passes without the card" no_ping
set_intents 4 "$(intent rest '[{"proto":"icmp"},{"proto":"tcp","dport":8000}]' 0 ',"on_card_down":"open"')" >/dev/null
wait_for 5 "open: packets pass beside the card" pings
refuses -32002 'is down' reroute.swap '{"id":"b","term":4,"app":"udp","from_port":"c1in","to_port":"c0in","to_port_out":"c0out"}'
vsctl del-port br0 c0in
wait_for 5 "open: packets pass when the card's port is gone" pings
assert_eq "$(card_of rest)" down "a card without its port"
ip -n "$SW" link set c0inc up
vsctl add-port br0 c0in
wait_for 5 "flowd sees the card come back" is_card rest up
before=$(rx_of c0inc)
wait_for 5 "a ping passes" pings
assert_le $((before + 1)) "$(rx_of c0inc)" "pings through the card that is back"
say "card down: closed and open do as they say"

# ---- somebody meddles with the flows ----
flows=$(own)
count=$(wc -l <<<"$flows")
restored() { [ "$(own)" = "$flows" ]; }
ofctl del-flows "$br" "$own_cookie"
wait_for 5 "all deleted flows are back" restored
ofctl --strict del-flows "$br" "table=100,priority=100,metadata=0x1"
wait_for 5 "one deleted flow is back" restored
ofctl mod-flows "$br" "$own_cookie,table=111,actions=drop"
wait_for 5 "changed flows are as before" restored
ofctl add-flow "$br" 'cookie=0x0ff1000000000009,table=0,priority=9,udp6,actions=normal'
ofctl add-flow "$br" 'cookie=0x0ff1000000000009,table=112,idle_timeout=90,actions=normal,output:w1'
wait_for 5 "flows that only look like ours are gone" restored
ofctl del-flows "$br" "$own_cookie"
rpc flowd repair.run '{"term":4}' | jq -e --argjson n "$count" '.added + .kept == $n' >/dev/null || fail "repair.run did not mend"
assert_eq "$(own)" "$flows" "flows after repair.run"
assert_eq "$(rpc flowd repair.run '{"term":4}')" "{\"added\":0,\"removed\":0,\"kept\":$count}" "a repair with nothing to do"

# ---- the switch dies and returns ----
stop_daemon ovs-vswitchd KILL
not_connected() { ! flowd_connected; }
wait_for 5 "flowd misses the switch" not_connected
refuses -32004 'not connected' intent.set "{\"term\":4,\"intents\":[$(intent udp '[{"proto":"udp"}]')]}"
refuses -32004 'not connected' reroute.swap '{"id":"b","term":4,"app":"udp","from_port":"c1in","to_port":"c0in","to_port_out":"c0out"}'
vswitchd_start
wait_for 10 "the flows are back after the switch's restart" restored
wait_for 10 "packets pass again" pings
ofctl add-flow "$br" 'cookie=0x77,priority=100,in_port=w1,tcp,tp_dst=22,actions=output:w2' # the operator's own business
ofctl add-flow "$br" 'priority=50000,in_port=w1,udp,tp_dst=9,actions=drop'
ofctl add-flow "$br" 'cookie=0x1,table=5,priority=7,ip,nw_dst=1.2.3.4,actions=normal'
ofctl add-flow "$br" 'cookie=0x1,table=100,priority=7,ip,actions=drop'

# A switch that hangs holds up nobody but who wants to change it: while that request waits for its end, flowd answers
# others at once.
kill -STOP "$(cat "$RUN/ovs-vswitchd.pid")"
state=$(cat "$RUN/state/flowd.state")
{ set_intents 4 "$(intent late '[{"proto":"udp","dport":9999}]')"; echo "rc $?"; } >"$RUN/late" 2>&1 &
late=$!
slowest=0
while ! grep -q rc "$RUN/late"; do
    begin=$(date +%s%N)
    rpc flowd switch.get >/dev/null || fail "flowd hangs with the switch"
    took=$((($(date +%s%N) - begin) / 1000000))
    [ $took -le $slowest ] || slowest=$took
done
wait $late
assert_contains "$(cat "$RUN/late")" "does not answer" "a change that the hanging switch never made"
assert_contains "$(cat "$RUN/late")" "rc 1" "its status"
assert_eq "$(cat "$RUN/state/flowd.state")" "$state" "the state file after it"
assert_le $slowest 1000 "milliseconds that switch.get took while the switch hung"
say "switch.get took at most $slowest ms while the switch hung"
wait_for 8 "flowd gives up on a switch that hangs" not_connected
rpc flowd hello >/dev/null || fail "flowd hangs with the switch"
kill -CONT "$(cat "$RUN/ovs-vswitchd.pid")"
wait_for 8 "flowd finds the switch again" flowd_connected

# A bridge that speaks too old an OpenFlow.
vsctl set bridge br0 protocols=OpenFlow10
said() { rpc flowd switch.get | jq -r '.bridges[0].error' | grep -q 'allows neither OpenFlow14 nor OpenFlow15'; }
wait_for 8 "flowd says that the bridge allows no bundles" said
vsctl set bridge br0 protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15
wait_for 8 "flowd is connected again" flowd_connected
wait_for 5 "the flows are as before" restored
say "switch killed, hung, and without bundles: the flows are back each time"

# ---- flowd goes and returns ----
stop_spawned flowd
assert_eq "$(own)" "$flows" "flows after flowd's end"
[ ! -e "$RUN/flowd.sock" ] || fail "the socket was left behind"
pings >/dev/null || fail "no ping without flowd"
ofctl --strict del-flows "$br" "table=100,priority=100,metadata=0x2"
start_flowd
wait_for 5 "a restarted flowd mends" restored
refuses -32003 'use 4 or above' intent.set '{"term":3,"intents":[]}'
assert_eq "$(swap $id 0 1 | jq -c '[.id, .step]')" "[\"$id\",\"swapped\"]" "a swap from before the restart"
wait_for 5 "and it is fenced" fenced $id
assert_fails "another offload-flowd answers there" "$flowd" --config "$RUN/flowd.json"
stop_spawned flowd KILL
[ -e "$RUN/flowd.sock" ] || fail "kill -9 should leave the socket behind"
start_flowd
wait_for 5 "flowd is connected after kill -9" flowd_connected
assert_eq "$(own)" "$flows" "flows after kill -9 of flowd"
stop_spawned flowd
head -c 100 "$RUN/state/flowd.state" >"$RUN/half"
mv "$RUN/state/flowd.state" "$RUN/whole"
mv "$RUN/half" "$RUN/state/flowd.state"
assert_fails "flowd.state" "$flowd" --config "$RUN/flowd.json"
mv "$RUN/whole" "$RUN/state/flowd.state"
assert_eq "$(own)" "$flows" "flows after a start with a damaged state file"
start_flowd
wait_for 5 "flowd is connected" flowd_connected

# ---- peers that behave badly ----
# One asks without end and never reads, seventy say nothing: flowd stops reading from the one, and serves the
# next as soon as there is room.
spawn peers python3 -c '
import socket, sys, time
def peer():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s
greedy = peer()
greedy.settimeout(1)
asked = 0
try:
    while True:
        asked += greedy.send(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"switch.get\"}\n" * 100)
except socket.timeout:
    print("stuck after", asked, flush=True)
silent = [peer() for _ in range(70)]
print("all are there", flush=True)
time.sleep(60)
' "$RUN/flowd.sock"
wait_for 20 "flowd stops reading from a peer that does not read" grep -q "stuck after" "$RUN/peers.log"
wait_for 5 "seventy silent peers" grep -q "all are there" "$RUN/peers.log"
stop_spawned peers
wait_for 5 "flowd answers when they are gone" rpc flowd hello

# ---- idle ----
ticks() { awk '{ print $14 + $15 }' "/proc/$(pid_of flowd)/stat"; }
at() { [ "$(date +%s%N)" -ge "$1" ]; }
before=$(ticks)
wait_for 10 "four idle seconds" at $(($(date +%s%N) + 4000000000))
assert_le $(($(ticks) - before)) 8 "CPU ticks of four idle seconds, of 400"

# ---- the end: remove everything ----
assert_eq "$(foreign)" "$operators" "the operator's flows"
rpc flowd intent.set '{"term":5,"intents":[],"replace":true}' >/dev/null || fail "replacing by nothing was refused"
assert_eq "$(own)" "" "own flows after the last intent went"
assert_eq "$(foreign)" "$operators" "the operator's flows at the end"
e2e_pass
