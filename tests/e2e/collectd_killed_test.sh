#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Killing collectd, manager and all, in the middle of traffic loses no packet: the cards go on with the last plan.
# Limit: 90 s
. "$(dirname "$0")/lib.sh"
e2e_start collectd-killed
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
neighbour "$(ns cl)" e0 10.9.1.1 02:0f:f1:00:00:02
CARDD_APPS='[{"app":"web","card":"card0","match":[{"src":"10.9.0.1","dst":"10.9.1.1","proto":"udp","dport":7001}],
  "chain":[{"fn":"forward","params":{}}],
  "sla":{"class":"gold","min_bps":0,"max_bps":40000000,"max_delay_ns":20000000,"max_loss_frac":0.02,"on_card_down":"closed"},
  "allocation":{"cpu_pct":50,"bandwidth_bps":30000000,"ceiling_bps":30000000,
    "memory_bytes":4194304,"sharing":"reserved"}}]'
export CARDD_APPS
cardd_conf card0:200000000:40000000:16777216
cardd_start
flowd_start
rpc flowd intent.set '{"term":0,"intents":[{"app":"web","match":[{"src":"10.9.0.1","dst":"10.9.1.1","proto":"udp","dport":7001}],
  "in_port":"w1","out_port":"w2","card_port":"c0in","card_port_out":"c0out","on_card_down":"closed"}]}' >/dev/null ||
    fail "offload-flowd refuses the intent"
wait_for 20 "card0 is up" card_is_up card0
collectd_start offload_card <<END
<Plugin offload_card>
  <Daemon>
    Socket "$RUN/cardd.sock"
  </Daemon>
</Plugin>
END
printf 'app,dst,dport,flows,packet_bytes\nweb,10.9.1.1,7001,4,1000\n' >"$RUN/apps.csv"
{
    echo step,app,offered_bps
    for step in 0 1 2 3 4 5; do echo $step,web,16000000; done
} >"$RUN/demand.csv"
sink_start sv "$RUN/apps.csv" --events "$RUN/events.csv"
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" --start $(($(date +%s) + 2)) "$RUN/demand.csv" "$RUN/apps.csv"
wait_for 10 "the card's figures on the bus" bus_get offload_card-card0/offload_bandwidth-web offered
stop_spawned collectd.daemon KILL
gone() { ! running "$1"; }
wait_for 20 "the sender ends" gone gen
wait_for 5 "the sink has heard every flow's end" gone sink
sent=$(jq '.apps[0].sent_pkts' "$RUN/gen.log")
assert_le 11900 "$sent" "packets sent"
assert_eq "$(jq -c '.apps[0] | [.received_pkts, .lost_pkts, .reordered_pkts]' "$RUN/sink.log")" "[$sent,0,0]" "received, lost, reordered"
assert_eq "$(rpc cardd allocation.get | jq '.allocations[0].bandwidth_bps')" 30000000 "the plan that the card goes on with"
e2e_pass
