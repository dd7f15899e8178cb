#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tunnels with other ends that are not ours: VXLAN with the kernel's device, ESP with scapy's, both ways.
# Limit: 120 s
. "$(dirname "$0")/functions.sh"
functions_start functions_tunnels
ip -n "$(ns sv)" addr add 192.0.2.2/24 dev e0
neighbour "$(ns sv)" e0 192.0.2.1 "$CL_MAC" # the card answers no ARP

# ---- VXLAN ----
ip -n "$(ns sv)" link add vx type vxlan id 42 local 192.0.2.2 remote 192.0.2.1 dstport 4789 dev e0 || skip "this kernel has no vxlan"
ip -n "$(ns sv)" addr add 10.66.0.2/24 dev vx
ip -n "$(ns sv)" link set vx up mtu 1450
ip -n "$(ns cl)" addr add 10.66.0.1/24 dev e0
ip -n "$(ns cl)" link set e0 mtu 1450
in_ns sv ethtool -K vx tx off gso off tso off >/dev/null 2>&1
functions_card "$(jq -nc --arg mac "$SV_MAC" '[{app: "net", match: [{}], chain: [{fn: "vxlan",
    params: {local: "192.0.2.1", remote: "192.0.2.2", vni: 42, dst_mac: $mac}}]}]')"
in_ns cl ping -c 3 -i 0.3 -W 3 10.66.0.2 >"$RUN/ping" || fail "no answer through VXLAN: $(tail -n 2 "$RUN/ping")" # ARP goes in the tunnel too
iperf_server sv 5201
in_ns cl timeout 30 iperf3 -J -c 10.66.0.2 -p 5201 -t 2 >"$RUN/iperf" || fail "iperf3 does not get through: $(jq -r .error "$RUN/iperf")"
say "TCP into the kernel's vxlan: $(jq '.end.sum_received.bits_per_second / 1e6 | round' "$RUN/iperf") Mbit/s"
drops=$(fn_of net vxlan drops)
assert_eq "$(jq 'del(.unsupported) | add' <<<"$drops")" 0 "drops of vxlan: $drops"
stop_spawned cardd
rm -f "$RUN/state/cardd.plan"
ip -n "$(ns sv)" link del vx

# ---- ESP ----
/usr/bin/python3 -c 'from scapy.layers.ipsec import ESP; import cryptography' 2>/dev/null || skip "no python3-scapy or python3-cryptography"
ip -n "$(ns cl)" addr flush dev e0
ip -n "$(ns cl)" addr add 10.77.0.1/24 dev e0
neighbour "$(ns cl)" e0 10.77.0.2 "$SV_MAC"
(umask 077
    echo 4c80cdefbb5d10da906ac73c3613a634 2e443b68 >"$RUN/key.out"
    echo 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff 01020304 >"$RUN/key.in")
chmod 644 "$RUN/key.in"
esp() { # ESN
    jq -nc --arg run "$RUN" --argjson esn "$1" '[{app: "vpn", match: [{src: "10.77.0.0/24"}], chain: [{fn: "esp", params: {local: "192.0.2.1",
        remote: "192.0.2.2", spi_out: 4660, spi_in: 22136, key_out_file: ($run + "/key.out"), key_in_file: ($run + "/key.in"), esn: $esn}}]}]'
}
functions_card '[]'
app=$(esp false | jq -c '.[0] + {term: 1, card: "card0"}')
assert_contains "$(rpc cardd app.add "$app" 2>&1)" "others than its owner" "a key that others may read"
chmod 600 "$RUN/key.in"
rpc cardd app.add "$app" >/dev/null || fail "the card refuses the ESP application"
rpc cardd app.list '{"app":"vpn"}' | grep -q 4c80 && fail "the API shows a key"
spawn peer ip netns exec "$(ns sv)" /usr/bin/python3 "$HERE/esp_peer.py" e0
ready() { grep -q ready "$RUN/peer.log"; }
wait_up peer 20 "scapy listens" ready
in_ns cl /usr/bin/python3 "$HERE/esp_peer.py" --echo 10.77.0.2 30 >"$RUN/echo" || fail "not every datagram came back: $(cat "$RUN/echo"); peer: $(tail -n 3 "$RUN/peer.log")"
say "$(cat "$RUN/echo"), encrypted and decrypted by scapy"
drops=$(fn_of vpn esp drops)
assert_eq "$(jq 'del(.unsupported) | add' <<<"$drops")" 0 "drops of esp: $drops"
# The peer sends what it sent before once more, and something forged.
kill -USR1 "$(pid_of peer)"
replayed() { [ "$(fn_of vpn esp drops.replay)" -ge 1 ] && [ "$(fn_of vpn esp drops.authentication)" -ge 1 ]; }
wait_for 10 "a replayed and a forged packet are dropped" replayed
e2e_pass
