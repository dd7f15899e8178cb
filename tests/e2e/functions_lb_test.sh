#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The load balancer with real TCP servers that come and go: connections are spread, stay where they are while a backend drains,
# and go elsewhere when it is down.
# Limit: 100 s
. "$(dirname "$0")/functions.sh"
functions_start functions_lb
for b in 1 2 3; do ip -n "$(ns sv)" addr add "10.9.1.$b/32" dev e0; done
ip -n "$(ns cl)" addr add 10.9.0.9/24 dev e0
neighbour "$(ns cl)" e0 10.9.0.100 "$SV_MAC" # a router would stand here
server() { # BACKEND
    spawn "server$1" ip netns exec "$(ns sv)" socat "TCP-LISTEN:8080,bind=10.9.1.$1,fork,reuseaddr" SYSTEM:"echo backend $1; cat"
    wait_up "server$1" 10 "backend $1 listens" listens "$1"
}
listens() { in_ns sv ss -Hltn 'sport = 8080' | grep -q "10.9.1.$1:8080"; }
for b in 1 2 3; do server $b; done
chain() { # STATE STATE STATE
    jq -nc --arg a "$1" --arg b "$2" --arg c "$3" '[{fn: "lb", params: {address: "10.9.0.100", port: 80, backends:
        [{address: "10.9.1.1", port: 8080, state: $a}, {address: "10.9.1.2", port: 8080, state: $b}, {address: "10.9.1.3", port: 8080, state: $c}]}}]'
}
functions_card "$(jq -nc --argjson chain "$(chain up up up)" '[{app: "web", match: [{dst: "10.9.0.100"}], chain: $chain}]')"

ask() { in_ns cl timeout 5 socat -T 3 - TCP:10.9.0.100:80,connect-timeout=3 </dev/null 2>/dev/null | head -n 1; }
spread() { # N: how many connections each backend got, as "1:20 2:21 3:19"
    local i
    for ((i = 0; i < $1; i++)); do ask; done | sort | uniq -c | awk '{ printf "%s%s:%s", sep, $3, $1; sep = " " }'
}
got=$(spread 60)
say "60 connections: $got"
for b in 1 2 3; do assert_le 8 "$(tr ' ' '\n' <<<"$got" | sed -n "s/^$b://p")" "connections of backend $b"; done
assert_eq "$(tr ' ' '\n' <<<"$got" | awk -F: '{ n += $2 } END { print n }')" 60 "connections answered"

# A long connection, and its backend drains.
mkfifo "$RUN/line"
long() { exec ip netns exec "$(ns cl)" socat - TCP:10.9.0.100:80 <"$RUN/line"; }
long >"$RUN/long.log" 2>&1 &
echo $! >"$RUN/long.pid"
on_cleanup stop_spawned long
exec 7>"$RUN/line"
heard() { grep -q "$1" "$RUN/long.log"; }
wait_for 10 "the long connection is answered" heard backend
mine=$(sed -n 's/^backend //p' "$RUN/long.log")
states() { # STATE of the long connection's backend
    local b all=(up up up)
    b=$((mine - 1))
    all[b]=$1
    chain "${all[@]}"
}
chain_update web "$(states draining)"
echo "while it drains" >&7
wait_for 5 "backend $mine echoes while it drains" heard "while it drains"
got=$(spread 30)
say "30 connections while $mine drains: $got"
case " $got " in *" $mine:"*) fail "a draining backend gets new connections" ;; esac
assert_le 1 "$(fn_of web lb entries)" "connections in the table"

# It dies, the operator says so: new connections never meet it, and nobody else's is touched.
exec 7>&-
stop_spawned "server$mine"
chain_update web "$(states down)"
got=$(spread 30)
say "30 connections while $mine is down: $got"
assert_eq "$(tr ' ' '\n' <<<"$got" | awk -F: '{ n += $2 } END { print n }')" 30 "connections answered"
server "$mine"
chain_update web "$(states up)"
got=$(spread 60)
say "60 connections after its return: $got"
assert_le 8 "$(tr ' ' '\n' <<<"$got" | sed -n "s/^$mine://p")" "connections of the backend that is back"
drops=$(fn_of web lb drops)
assert_eq "$(jq 'del(.no_connection) | add' <<<"$drops")" 0 "drops of lb: $drops"
e2e_pass
