#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# NAT and packet filter with the kernel's TCP, UDP and ICMP, and beside a router that does the same by nftables: what passes
# there passes here, and nothing else.
# Limit: 120 s
. "$(dirname "$0")/functions.sh"
functions_start functions_nat
# The outside world is 198.51.100.0/24; inside hosts appear there as .1.
ip -n "$(ns sv)" addr add 198.51.100.2/24 dev e0
ip -n "$(ns cl)" route add 198.51.100.0/24 dev e0
neighbour "$(ns cl)" e0 198.51.100.2 "$SV_MAC"
neighbour "$(ns sv)" e0 198.51.100.1 "$CL_MAC"
neighbour "$(ns sv)" e0 10.9.0.1 "$CL_MAC"
RULES='[{"action":"permit","proto":"tcp","dport":"5201-5203","in_port":"inside"},{"action":"permit","proto":"udp","dport":5300,"in_port":"inside"},{"action":"permit","proto":"icmp","in_port":"inside"}]'
functions_card "$(jq -nc --argjson rules "$RULES" '[{app: "edge", match: [{src: "10.9.0.0/24"}],
    chain: [{fn: "acl", params: {rules: $rules}}, {fn: "nat44", params: {external: "198.51.100.1", ports: "20000-29999", block_ports: 500}}]}]')"

for port in 5203 5204; do spawn "tcp$port" ip netns exec "$(ns sv)" socat "TCP-LISTEN:$port,fork,reuseaddr" SYSTEM:'echo $SOCAT_PEERADDR'; done
for port in 5300 5301; do spawn "udp$port" ip netns exec "$(ns sv)" socat "UDP-RECVFROM:$port,fork" SYSTEM:'cat >/dev/null; echo $SOCAT_PEERADDR'; done
for port in 5203 5204; do wait_for 10 "a server listens on $port" tcp_listens sv "$port"; done
spawn ssh ip netns exec "$(ns cl)" socat TCP-LISTEN:22,fork,reuseaddr SYSTEM:'echo in'
wait_for 10 "a server listens inside" tcp_listens cl 22

# What each probe hears: the address that the server saw, or nothing.
tcp() { in_ns "$1" timeout 3 socat -T 2 - "TCP:$2:$3,connect-timeout=1" </dev/null 2>/dev/null | head -n 1; }
udp() { echo x | in_ns "$1" timeout 3 socat -T 1 - "UDP:$2:$3" 2>/dev/null | head -n 1; }
probes() {
    echo "tcp permitted: $(tcp cl 198.51.100.2 5203)"
    echo "tcp denied: $(tcp cl 198.51.100.2 5204)"
    echo "udp permitted: $(udp cl 198.51.100.2 5300)"
    echo "udp denied: $(udp cl 198.51.100.2 5301)"
    echo "ping: $(in_ns cl ping -c 2 -i 0.3 -W 2 198.51.100.2 >/dev/null && echo answered)"
    echo "closed port: $(in_ns cl timeout 3 socat - TCP:198.51.100.2:5202,connect-timeout=2 </dev/null 2>&1 | grep -o 'refused')"
    echo "from outside: $(tcp sv 10.9.0.1 22)"
    echo "from outside, to the public address: $(tcp sv 198.51.100.1 22)"
}
probes >"$RUN/ours"
say "$(tr '\n' ';' <"$RUN/ours")"
assert_contains "$(cat "$RUN/ours")" "tcp permitted: 198.51.100.1" "what the server saw"
assert_le 1 "$(fn_of edge acl drops.denied)" "packets denied"

# A stream each way: TCP notices every checksum that is wrong.
iperf_server sv 5201
in_ns cl timeout 30 iperf3 -J -c 198.51.100.2 -p 5201 -t 2 >"$RUN/iperf" || fail "iperf3 does not get through: $(jq -r .error "$RUN/iperf")"
stop_spawned iperf5201
iperf_server sv 5202
in_ns cl timeout 30 iperf3 -J -R -c 198.51.100.2 -p 5202 -t 2 >"$RUN/iperf.back" || fail "iperf3 -R does not get through"
say "TCP through acl and nat44: $(jq '.end.sum_received.bits_per_second / 1e6 | round' "$RUN/iperf") Mbit/s out, $(jq '.end.sum_received.bits_per_second / 1e6 | round' "$RUN/iperf.back") Mbit/s in"
assert_le 1000000 "$(jq .end.sum_received.bits_per_second "$RUN/iperf")" "bit/s"
nat=$(fn_of edge nat44 drops | jq -c 'del(.no_binding)')
assert_eq "$(jq add <<<"$nat")" 0 "drops of nat44: $nat"

# The same by nftables in a router of its own.
netns_add rt
ip netns exec "$(ns rt)" nft list ruleset >/dev/null 2>&1 || skip "no nftables here: behaviour is not compared"
stop_spawned cardd
for side in cl:c0in:10.9.0.254 sv:c0out:198.51.100.1; do
    IFS=: read -r name port address <<<"$side"
    ip -n "$SW" link set "$port" netns "$(ns rt)"
    ip -n "$(ns rt)" addr add "$address/24" dev "$port"
    ip -n "$(ns rt)" link set "$port" up
    ip netns exec "$(ns rt)" ethtool -K "$port" tx off gso off tso off gro off >/dev/null 2>&1
done
in_ns rt sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
in_ns rt nft -f - <<'END' || skip "no NAT in this kernel: behaviour is not compared"
table ip t {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "c0in" tcp dport 5201-5203 accept
        iifname "c0in" udp dport 5300 accept
        iifname "c0in" ip protocol icmp accept
    }
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "c0in" accept
    }
    chain post {
        type nat hook postrouting priority 100;
        oifname "c0out" snat to 198.51.100.1
    }
}
END
rt_in=$(in_ns rt cat /sys/class/net/c0in/address) rt_out=$(in_ns rt cat /sys/class/net/c0out/address)
neighbour "$(ns cl)" e0 198.51.100.2 "$rt_in"
neighbour "$(ns sv)" e0 198.51.100.1 "$rt_out"
neighbour "$(ns sv)" e0 10.9.0.1 "$rt_out"
probes >"$RUN/nftables"
diff "$RUN/ours" "$RUN/nftables" >&2 || fail "nftables lets something else pass"
say "nftables lets the same pass"
e2e_pass
