#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offload-flowd beside others at one bridge: a controller that takes the master's role, tables and cookies as OVN fills
# them, a full flow table, ports that vanish and return, a switch of two datapaths, and IPv6 through a card.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
export E2E_TOPOLOGY=A1
e2e_start flowd-others
own_cookie=cookie=0x0ff1000000000000/0xffff000000000000
ovs_start
netns_add cl
netns_add sv
for n in cl sv; do ip netns exec "$(ns $n)" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0; done
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16
for end in cl:1 sv:2; do ip -n "$(ns "${end%:*}")" addr add "2001:db8:9::${end#*:}/64" dev e0 nodad; done
for port in c0in c0out; do ovs_port_card $port; done
# The stand-in for a card: what comes in by one of its ports leaves by the other.
ip -n "$SW" link add k0 type bridge forward_delay 0 mcast_snooping 0
for end in in out; do
    ip -n "$SW" link set "c0${end}c" master k0
    ip netns exec "$SW" bridge link set dev "c0${end}c" learning off
done
ip -n "$SW" link set k0 up
flowd_start
br=unix:$RUN/br0.mgmt
ofctl() { ovs-ofctl -O OpenFlow14 "$@"; }
own() { ofctl dump-flows --no-stats "$br" "$own_cookie" | sort; }
foreign() { ofctl dump-flows --no-stats "$br" | grep -v "cookie=0xff1" | sort; }
intent() { # APP MATCHES
    printf '{"app":"%s","match":%s,"in_port":"w1","out_port":"w2","card_port":"c0in","card_port_out":"c0out"}' "$1" "$2"
}
set_intents() { rpc flowd intent.set "{\"term\":1,\"intents\":[$(IFS=,; echo "$*")]}"; }
set_intents "$(intent v4 '[{"proto":"icmp"}]')" "$(intent v6 '[{"src":"::/0","vlan":0}]')" >/dev/null || fail "the intents were refused"

# ---- IPv6 goes by the card, its neighbours find each other ----
rx_of() { ip -n "$SW" -j -s link show "$1" | jq '.[0].stats64.rx.packets'; }
ping6() { in_ns cl ping -c 1 -W 1 2001:db8:9::2; }
wait_for 20 "an IPv6 ping passes" ping6
before=$(rx_of c0inc)
in_ns cl ping -q -c 20 -i 0.01 -W 2 2001:db8:9::2 >/dev/null || fail "IPv6 pings are lost"
assert_le 20 $(($(rx_of c0inc) - before)) "IPv6 pings through the card"

# ---- another controller is the master, with OVN-like tables ----
for table in 0 8 9 37 38 64 65; do
    ofctl add-flow "$br" "cookie=0xabcd000$table,table=$table,priority=100,in_port=99,actions=resubmit(,$((table + 1)))" || fail "no flow in table $table"
done
ofctl add-flow "$br" 'cookie=0x1,table=100,priority=7,ip,actions=drop'
cat >"$RUN/master.py" <<'END'
import socket, struct, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1][len("unix:"):])
s.sendall(struct.pack("!BBHI", 5, 0, 8, 1))                                # hello, OpenFlow 1.4
s.sendall(struct.pack("!BBHIIIQ", 5, 24, 24, 7, 2, 0, 1 << 40))           # role request: master
data = b""
while True:
    data += s.recv(4096)
    while len(data) >= 8:
        version, kind, length, xid = struct.unpack("!BBHI", data[:8])
        if len(data) < length:
            break
        if kind == 25:
            print("role", struct.unpack("!I", data[8:12])[0], flush=True)
        if kind == 2:
            s.sendall(struct.pack("!BBHI", 5, 3, length, xid) + data[8:length])
        data = data[length:]
END
spawn master python3 "$RUN/master.py" "$br"
wait_for 20 "the other controller is the master" grep -q "role 2" "$RUN/master.log"
others=$(foreign)
set_intents "$(intent late '[{"proto":"udp","dport":7}]')" >/dev/null || fail "refused beside a master"
flows=$(own)
restored() { [ "$(own)" = "$flows" ]; }
ofctl del-flows "$br" "$own_cookie"
wait_for 20 "deleted flows are back beside a master" restored
assert_eq "$(foreign)" "$others" "the flows of the others"
stop_spawned master

# ---- the flow table is full ----
held=$(ofctl dump-flows --no-stats "$br" table=0 | grep -c priority=)
vsctl -- --id=@t create Flow_Table flow_limit=$((held + 4)) -- set bridge br0 flow_tables:0=@t >/dev/null
out=$(set_intents "$(intent big '[{"proto":"tcp","dport":"1-999"}]')" 2>&1) && fail "more flows than the table takes were taken"
assert_contains "$out" "flow table is full" "the refusal"
assert_eq "$(jq -r .code <<<"$out")" -32002 "its code"
assert_eq "$(own)" "$flows" "own flows after a full table"
assert_eq "$(rpc flowd intent.get | jq '[.intents[].app] | length')" 3 "intents after a full table"
vsctl clear bridge br0 flow_tables
set_intents "$(intent big '[{"proto":"tcp","dport":"1-999"}]')" >/dev/null || fail "refused though there is room again"

# ---- a port vanishes and returns, with another number ----
flows=$(own)
number=$(ofport w2)
vsctl del-port br0 w2
fewer() { [ "$(own | wc -l)" -lt "$(wc -l <<<"$flows")" ]; }
wait_for 20 "the flows of a port that is gone go" fewer
vsctl add-port br0 w2 -- set interface w2 ofport_request=77
wait_for 20 "the port is back" port_has_ofport w2
again() { [ "$(own | sed "s/=w2\b/=X/g; s/=77\b/=X/g; s/:77\b/:X/g; s/output:w2/output:X/g" | wc -l)" = "$(wc -l <<<"$flows")" ]; }
wait_for 20 "and its flows" again
wait_for 20 "a ping passes by its new number ($number before)" ping6
assert_eq "$(foreign)" "$others" "the flows of the others at the end"
rpc flowd intent.set '{"term":1,"intents":[],"replace":true}' >/dev/null
assert_eq "$(own)" "" "own flows at the end"
e2e_pass
