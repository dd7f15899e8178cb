#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A thousand clients that read slowly, send a megabyte, stop in the middle or vanish, while packets flow: the honest client
# is served, memory stays bounded and no worker waits, so that no packet is lost in the suite.
# Prints the bench line rpc_flood_loss_pkts.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start apiflood
netns_add sw
netns_add cl
netns_add sv
cable() { # NETNS ADDRESS CARD_INTERFACE
    ip link add e0 netns "$(ns "$1")" type veth peer name "$3" netns "$SW" || fail "cannot add a veth pair"
    ip -n "$(ns "$1")" addr add "$2" dev e0
    ip -n "$(ns "$1")" link set e0 up
    ip -n "$SW" link set "$3" up
    ip netns exec "$(ns "$1")" ethtool -K e0 tx off gso off tso off >/dev/null 2>&1
}
cable cl 10.9.0.1/24 inc
cable sv 10.9.0.2/24 outc
CARDD=$(program offload-cardd)
eal='["--no-pci","--iova-mode=va","--no-huge","-m","256"]'
jq -n --arg run "$RUN" --argjson eal "$eal" --arg prefix "apiflood-$$" '{rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix,
    eal: $eal, lcores: {main: "0", workers: ["1"]}, mbufs: 8192, cards: [{card: "card0", managed: true,
    ports: [{devargs: "net_af_packet0,iface=inc,framecnt=4096"}, {devargs: "net_af_packet1,iface=outc,framecnt=4096"}],
    capacity: {cycles_per_s: 900000000, bandwidth_bps: 90000000, memory_bytes: 12000000}}]}' >"$RUN/cardd.json"
spawn cardd ip netns exec "$SW" "$CARDD" --config "$RUN/cardd.json"
wait_up cardd 60 "the card API answers" rpc cardd hello
wait_up cardd 30 "card0 is up" card_is_up card0
rpc cardd app.add '{"term":1,"app":"web","card":"card0","match":[{"dst":"10.9.0.2","proto":"udp","dport":7001}],"chain":[{"fn":"forward"}]}' >/dev/null || fail "no application"
rpc cardd allocation.set '{"term":1,"plan":1,"allocations":[{"card":"card0","app":"web","cpu_pct":80,"bandwidth_bps":80000000,"memory_bytes":10000000}]}' >/dev/null ||
    fail "no allocation"
flood() { python3 "$(dirname "$0")/api_flood.py" "$RUN/cardd.sock" "$1" "$2" "$(pid_of cardd)"; }

printf 'app,dst,dport,flows,packet_bytes\nweb,10.9.0.2,7001,3,1000\n' >"$RUN/apps.csv"
{
    echo step,app,offered_bps
    for step in 0 1 2 3 4 5 6 7; do printf '%d,web,8000000\n' $step; done
} >"$RUN/demand.csv"
sink_start sv "$RUN/apps.csv" --csv "$RUN/sink.csv"
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" --start $(($(date +%s) + 1)) "$RUN/demand.csv" "$RUN/apps.csv"
ulimit -n 4096
seen=$(flood 6 1000) || fail "the flood: $seen"
say "1,000 foes: $seen"
gone() { ! running "$1"; }
wait_for 60 "the sender ends" gone gen
stats=$(rpc cardd app.list '{"app":"web"}' | jq -c '.apps[0].stats')
lost=$(jq '[.drops[]] | add' <<<"$stats")
jq -nc --argjson l "$lost" '{bench: "api", metric: "rpc_flood_loss_pkts", ours: $l, peer: "no packet", theirs: 0, ratio: null}'
assert_eq "$(jq '.asked > 20 and .clients > 900' <<<"$seen")" true "the honest client among a thousand: $seen"
assert_le "$(jq '.most_kb - .before_kb' <<<"$seen")" 200000 "kB that the flood costs"
assert_eq "$(jq '.offered_pkts > 5000' <<<"$stats")" true "packets meanwhile: $stats"
assert_eq "$lost" 0 "packets that the card dropped meanwhile: $stats"
rpc cardd hello >/dev/null || fail "the API after the flood"
e2e_pass
