#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What traffic-gen sends arrives whole, in order and counted; what the path drops is counted as lost, in its step;
# and a trace with a hole is refused by line.
. "$(dirname "$0")/lib.sh"
e2e_start traffic
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
ip -n "$(ns sv)" addr add 10.9.1.2/16 dev e0
for address in 10.9.1.1 10.9.1.2; do neighbour "$(ns cl)" e0 $address 02:0f:f1:00:00:02; done
flow() { ovs-ofctl -O OpenFlow14 "$1" "unix:$RUN/br0.mgmt" "$2" || fail "the switch takes no flow"; }
flow add-flow "in_port=w1,actions=output:w2"

cat >"$RUN/apps.csv" <<END
app,dst,dport,flows,packet_bytes
up,10.9.1.1,7001,3,1000
cut,10.9.1.2,7002,1,500
END
{
    echo step,app,offered_bps
    for step in 10 11 12; do printf '%d,up,8000000\n%d,cut,400000\n' $step $step; done
} >"$RUN/demand.csv"

grep -v '^11,cut' "$RUN/demand.csv" >"$RUN/hole.csv"
assert_fails "hole.csv:5: step 11 has no row of application 'cut'; every step needs one row of each application" \
    "$(program traffic-gen)" "$RUN/hole.csv" "$RUN/apps.csv"

sink_start sv "$RUN/apps.csv" --csv "$RUN/sink.csv" --events "$RUN/events.csv"
begin=$(($(date +%s) + 1))
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" --start $begin "$RUN/demand.csv" "$RUN/apps.csv"
# The third second of one application is cut out; its last packets pass again.
at() { [ "$(date +%s%N)" -ge "$1" ]; }
wait_for 5 "the third step" at $(((begin + 2) * 1000000000))
flow add-flow "priority=40000,udp,in_port=w1,nw_dst=10.9.1.2,actions=drop"
wait_for 5 "the end" at $(((begin + 3) * 1000000000))
flow del-flows "udp,in_port=w1,nw_dst=10.9.1.2"
gone() { ! running "$1"; }
wait_for 10 "the sender ends" gone gen
wait_for 10 "the sink has heard every flow's end" gone sink

of() { jq -r --arg app "$1" ".apps[] | select(.app == \$app) | .$2" "$RUN/$3.log"; }
assert_eq "$(of up received_pkts sink)" "$(of up sent_pkts gen)" "packets of the application that was left alone"
assert_eq "$(of up lost_pkts sink) $(of up reordered_pkts sink) $(of up duplicated_pkts sink)" "0 0 0" "its losses"
assert_le 2990 "$(of up sent_pkts gen)" "packets of 8 Mbit/s in 3 s"
lost=$(of cut lost_pkts sink)
assert_eq $(($(of cut sent_pkts gen) - $(of cut received_pkts sink))) "$lost" "what the cut application lost"
assert_le 50 "$lost" "packets that were cut out"
assert_eq "$(awk -F, '$2 == "cut" && $1 < 12 { n += $7 } END { print n + 0 }' "$RUN/sink.csv")" 0 "loss before the cut"
e2e_pass
