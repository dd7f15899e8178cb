#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What reaches which application, and on which worker, with real packets between two hosts:
#
#   netns cl 10.9.0.1 -- veth -- [ card0: inside, outside; workers 0 and 1 ] -- veth -- 10.9.0.2 netns sv
#
# IPv4, IPv6, tags, tunnels and fragments go where the rules say; odd packets are counted by what is odd about them. Workers
# come and go under traffic, and no packet is lost or overtaken.
# Limit: 150 s
. "$(dirname "$0")/lib.sh"
E2E_PAGES=160
e2e_start steering
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
eal='["--no-pci","--in-memory","--iova-mode=va","-m","256"]'
[ "$TOPOLOGY" = B4 ] || eal='["--no-pci","--iova-mode=va","--no-huge","-m","256"]'
start() { # DEVARGS_OF_INSIDE DEVARGS_OF_OUTSIDE
    jq -n --arg run "$RUN" --argjson eal "$eal" --arg prefix "cardd-$$" --arg last "$(($(nproc) - 1))" --arg in "$1" --arg out "$2" '
        def app($name; $match): {app: $name, card: "card0", match: [$match], chain: [{fn: "forward"}]};
        {rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix, eal: $eal, lcores: {main: "0", workers: ["0-" + $last, "0-" + $last]},
         mbufs: 16384, cards: [{card: "card0", workers: [0, 1], flow_entries: 4096, ports: [{devargs: $in}, {devargs: $out}]}],
         apps: [app("flows"; {dst: "10.9.0.2", proto: "udp", dport: "7001-7002"}), app("dns"; {dst: "10.9.0.2", proto: "udp", dport: 53, vlan: 0}),
                app("whole"; {dst: "10.9.0.2", vlan: 0}), app("dns6"; {dst: "fd00::2", proto: "udp", dport: 53}), app("net6"; {src: "fd00::/16"}),
                app("tag7"; {vlan: 7}), app("tag9"; {vlan: 9}), app("tenant"; {vni: 66051, dst: "10.66.0.0/16", dport: 53, proto: "udp"}),
                app("tunnels"; {proto: "udp", dport: 4789})]}' >"$RUN/cardd.json"
    spawn cardd ip netns exec "$SW" "$(program offload-cardd)" --config "$RUN/cardd.json"
    wait_up cardd 30 "the card API answers" rpc cardd hello
    wait_up cardd 20 "card0 is up" card_is_up card0
    assert_eq "$(rpc cardd card.get '{"card":"card0"}' | jq -c .workers)" "[0,1]" "workers"
}

# ---- where packets go; libpcap's ports, since af_packet's have the kernel put fragments together ----
start net_pcap0,rx_iface_in=inc,tx_iface=inc net_pcap1,rx_iface_in=outc,tx_iface=outc
delivered() { rpc cardd app.list "{\"app\":\"$1\"}" | jq '.apps[0].stats.delivered_pkts'; }
odd_count() { rpc cardd card.get '{"card":"card0"}' | jq ".parse.$1"; }
is() { [ "$("$1" "$2")" = "$3" ]; }
goes_to() { # KIND APP
    local before sent
    before=$(delivered "$2")
    sent=$(ip netns exec "$(ns cl)" /usr/bin/python3 "$(dirname "$0")/odd_packets.py" e0 "$1" 5) || fail "cannot send $1"
    wait_for 5 "all $sent of $1 are delivered for '$2'" is delivered "$2" $((before + sent))
}
odd() { # KIND CAUSE
    local before sent
    before=$(odd_count "$2")
    sent=$(ip netns exec "$(ns cl)" /usr/bin/python3 "$(dirname "$0")/odd_packets.py" e0 "$1" 5) || fail "cannot send $1"
    wait_for 5 "all $sent of $1 are counted as '$2'" is odd_count "$2" $((before + sent))
}
goes_to ipv4 dns
goes_to ipv6 dns6
goes_to ipv6-options dns6
goes_to ipv6-echo net6
goes_to vlan tag7
goes_to qinq tag9
goes_to vxlan tenant
goes_to vxlan-other tunnels
goes_to fragments whole # all of a datagram to one application: only the first fragment has ports
goes_to fragments6 net6
goes_to bad-checksum whole
odd truncated short
odd too-long length
odd ping-of-death fragment
odd tiny-fragment fragment
odd tags options
odd header-bomb options

# ---- workers come and go under traffic ----
stop_spawned cardd
start net_af_packet0,iface=inc,framecnt=4096 net_af_packet1,iface=outc,framecnt=4096
printf 'app,dst,dport,flows,packet_bytes\nfirst,10.9.0.2,7001,16,300\nsecond,10.9.0.2,7002,16,300\n' >"$RUN/apps.csv"
{
    echo step,app,offered_bps
    for step in 0 1 2 3 4 5; do
        for app in first second; do printf '%d,%s,2400000\n' $step $app; done
    done
} >"$RUN/demand.csv"
spawn sink ip netns exec "$(ns sv)" "$(program traffic-sink)" --csv "$RUN/sink.csv" "$RUN/apps.csv"
listening() { ip netns exec "$(ns sv)" ss -Hlun 'sport = 7002' | grep -q 7002; }
wait_for 5 "the sink listens" listening
begin=$(($(date +%s) + 1))
before=$(rpc cardd card.get '{"card":"card0"}')
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" --start $begin "$RUN/demand.csv" "$RUN/apps.csv"
at() { [ "$(date +%s%N)" -ge "$1" ]; }
settled() { [ "$(rpc cardd card.get '{"card":"card0"}' | jq .settled)" = true ]; }
wait_for 5 "the second step" at $(((begin + 1) * 1000000000))
changes=0
until at $(((begin + 5) * 1000000000)); do
    for workers in '[0]' '[0,1]' '[1]' '[1,0]'; do
        rpc cardd card.update "{\"term\":1,\"card\":\"card0\",\"workers\":$workers}" >/dev/null || fail "workers $workers are refused"
        wait_for 5 "flows are on workers $workers" settled
        changes=$((changes + 1))
    done
done
gone() { ! running "$1"; }
wait_for 15 "the sender ends" gone gen
wait_for 15 "the sink has heard every flow's end" gone sink
after=$(rpc cardd card.get '{"card":"card0"}')
drops=$(jq -c '.stats.drops | del(.parse, .no_app)' <<<"$after")
assert_eq "$(jq add <<<"$drops")" 0 "drops inside the card by cause: $drops"
say "$changes changes of workers under traffic; each delivered: $(jq -c '[.lanes[].delivered_pkts]' <<<"$after")"
of() { jq -r --arg app "$1" ".apps[] | select(.app == \$app) | .$2" "$RUN/$3.log"; }
assert_le 4 "$changes" "changes of workers"
for app in first second; do
    assert_eq "$(of $app lost_pkts sink) $(of $app reordered_pkts sink) $(of $app duplicated_pkts sink)" "0 0 0" "lost, overtaken, doubled packets of $app"
    assert_eq "$(of $app received_pkts sink)" "$(of $app sent_pkts gen)" "packets of $app"
done
for i in 0 1; do
    assert_le 500 "$(jq -n --argjson a "$before" --argjson b "$after" "\$b.lanes[$i].delivered_pkts - \$a.lanes[$i].delivered_pkts")" "packets delivered by worker $i"
done
assert_contains "$(rpc cardd card.update '{"term":1,"card":"card0","workers":[0,2]}' 2>&1)" "2 is no worker" "refusal"
assert_contains "$(rpc cardd card.update '{"term":1,"card":"card0","workers":[1,1]}' 2>&1)" "worker 1 is there twice" "refusal"
e2e_pass
