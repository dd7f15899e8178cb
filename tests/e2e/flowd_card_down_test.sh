#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A card dies with its daemon, by kill -9, under traffic: within 500 ms its packets pass beside it ("open"), or through
# the card of another daemon ("move" with a standby), or nowhere ("closed"), and go by the card again once that is back.
#
#   client netns -- w1 [ OVS br0 ] w2 -- server netns     two offload-cardd, of one card each
#                 c0in | | c0out   c1in | | c1out
# Limit: 200 s
. "$(dirname "$0")/lib.sh"
e2e_start flowd-card-down
[ "$TOPOLOGY" = B4 ] || skip "only a vhost-user port tells the switch that the process behind it is gone"
ovs_start
netns_add cl
netns_add sv
CL=02:0f:f1:00:00:01 SV=02:0f:f1:00:00:02
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 $CL
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 $SV
neighbour "$(ns cl)" e0 10.9.1.1 $SV
neighbour "$(ns sv)" e0 10.9.0.1 $CL
applications() {
    jq -nc --arg card "$1" '[7001, 7002, 7003 | {app: "a\(.)", card: $card, match: [{dst: "10.9.1.1", proto: "udp", dport: .}],
        chain: [{fn: "forward"}], sla: {class: "gold"}, allocation: {cpu_pct: 20, bandwidth_bps: 100000000, memory_bytes: 1000000}}]'
}
# Both cards' ports at the switch, and a daemon for each: one dies, the other does not.
cardd_conf card0 card1
for n in 0 1; do
    mkdir -p "$RUN/$n/state"
    jq --argjson n $n --arg run "$RUN/$n" --arg prefix "down-$n-$$" --argjson apps "$(applications "card$n")" \
        '.rundir = $run | .state_dir = $run + "/state" | .file_prefix = $prefix | .cards = [.cards[$n]] | .apps = $apps
         | .mbufs = 4096' "$RUN/cardd.json" >"$RUN/$n/cardd.json"
done
card_start() { # N
    rm -f "$RUN/c$1in.sock" "$RUN/c$1out.sock"
    spawn "cardd$1" env OFFLOAD_RUNDIR="$RUN/$1" ip netns exec "$SW" "$(program offload-cardd)" --config "$RUN/$1/cardd.json"
    wait_up "cardd$1" 60 "card$1's API answers" rpc "$1/cardd" hello
}
card_start 0
card_start 1
flowd_start
intent() { # PORT MORE
    printf '{"app":"a%s","match":[{"dst":"10.9.1.1","proto":"udp","dport":%s}],"in_port":"w1","out_port":"w2","card_port":"c0in","card_port_out":"c0out","on_card_down":%s}' "$1" "$1" "$2"
}
rpc flowd intent.set "{\"term\":1,\"intents\":[$(intent 7001 '"closed"'),$(intent 7002 '"open"'),$(intent 7003 \
    '"move","standby_port":"c1in","standby_port_out":"c1out"')]}" >/dev/null || fail "the intents were refused"
ways() { [ "$(rpc flowd intent.get | jq -r '[.intents[].way] | join(" ")')" = "$1" ]; }
wait_for 60 "all go by the card" ways "card card card"
both_up() { rpc flowd switch.get | jq -e '[.bridges[0].ports[] | select(.name | startswith("c")) | .link] == ["up", "up", "up", "up"]'; }
wait_for 60 "all links of the cards are up" both_up

# Two hundred packets a second to each application; the server notes when which came.
cat >"$RUN/send.py" <<'END'
import socket, time
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
due = time.monotonic()
while True:
    for i, s in enumerate(socks):
        try:
            s.sendto(b"x" * 64, ("10.9.1.1", 7001 + i))
        except OSError:
            pass
    due += 0.005
    time.sleep(max(0, due - time.monotonic()))
END
cat >"$RUN/hear.py" <<'END'
import select, socket, struct
SO_TIMESTAMPNS = 35  # when the kernel got it, not when this program had its turn
socks = []
for port in (7001, 7002, 7003):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.bind(("10.9.1.1", port))
    socks.append(s)
while True:
    for s in select.select(socks, [], [])[0]:
        seconds, ns = struct.unpack("qq", s.recvmsg(2048, 64)[1][0][2])
        print(s.getsockname()[1], seconds * 1000000 + ns // 1000, flush=True)
END
spawn hear ip netns exec "$(ns sv)" python3 "$RUN/hear.py"
spawn send ip netns exec "$(ns cl)" python3 "$RUN/send.py"
# What is measured is the suite and the switch, not how long they wait for their turn on a busy machine.
for name in ovs-vswitchd ovsdb-server flowd send; do favour $name ""; done
heard() { grep -c "^$1 " "$RUN/hear.log"; }
more_than() { [ "$(heard "$1")" -gt "$2" ]; }
for port in 7001 7002 7003; do wait_for 20 "packets of a$port arrive" more_than $port 100; done

# gap PORT SINCE_US: the longest silence, in ms, from just before the kill on.
gap() { awk -v port="$1" -v since="$2" '$1 == port && $2 > since - 100000 { if (last && $2 - last > most) most = $2 - last; last = $2 }
    END { printf "%.1f\n", (last > since + 1000000) ? most / 1000 : 99999 }' "$RUN/hear.log"; }
since() { awk -v port="$1" -v since="$2" '$1 == port && $2 > since { n++ } END { print n + 0 }' "$RUN/hear.log"; }
for round in 1 2 3; do
    killed=$(($(date +%s%N) / 1000))
    kill -KILL "$(pid_of cardd0)"
    wait_for 10 "each takes the way that its on_card_down says" ways "closed open standby"
    for port in 7002 7003; do wait_for 20 "a$port goes on" more_than $port $(($(heard $port) + 300)); done
    assert_le "$(gap 7002 $killed)" 500 "ms of silence with on_card_down open"
    assert_le "$(gap 7003 $killed)" 500 "ms of silence with on_card_down move and a standby"
    assert_eq "$(since 7001 $((killed + 500000)))" 0 "packets that passed 'closed' 500 ms after the card's end"
    say "round $round: silent for $(gap 7002 $killed) ms beside the card, $(gap 7003 $killed) ms to the standby"
    stop_spawned cardd0 KILL
    card_start 0
    wait_for 60 "all go by the card again" ways "card card card"
    wait_for 20 "a7001 passes again" more_than 7001 $(($(heard 7001) + 100))
done
e2e_pass
