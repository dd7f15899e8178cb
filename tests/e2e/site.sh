# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A small site for tests of what a person types: two cards, a switch, application 'web' under a load that swings every five
# seconds, telemetry, RRD files, forecasts and a manager.
#
#   client netns 10.9.0.1 -- w1 [ OVS br0 ] w2 -- server netns 10.9.1.1        rrd files in $RUN/rrd, plan log $RUN/state/plans.jsonl

CTL=$(program offloadctl)

has() { # COMMAND... EXPRESSION, last: the command's JSON fulfils it
    local expression=${!#}
    "$CTL" "${@:1:$#-1}" --json | jq -e "$expression"
}

# Cards and switch, and nobody in charge yet.
site_cards() {
    ovs_start
    netns_add cl
    netns_add sv
    ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
    ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
    neighbour "$(ns cl)" e0 10.9.1.1 02:0f:f1:00:00:02
    cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
    cardd_start
    flowd_start
    for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done
}

# Telemetry, forecasts and a manager; web is active when this returns, and has traffic.
site_manager() {
    collectd_start "offload_card offload_forecast offload_manager" rrdtool <<END
<Plugin rrdtool>
  DataDir "$RUN/rrd"
  StepSize 1
  HeartBeat 3
  RRARows 3600
  RRATimespan 3600
  CacheTimeout 1
  CacheFlush 2
  RandomTimeout 0
</Plugin>
<Plugin offload_card>
  <Daemon>
    Socket "$RUN/cardd.sock"
  </Daemon>
</Plugin>
<Plugin offload_forecast>
  StepS 1
  HorizonS 5
  SeasonS 5
  RrdDir ""
  Socket "$RUN/forecast.sock"
  <Signal "bandwidth">
    Resource bandwidth
    Capacity 40000000
  </Signal>
</Plugin>
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  Epsilon 0
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  FlowdSocket "$RUN/flowd.sock"
  <Card "card0">
    Socket "$RUN/cardd.sock"
    InsidePort "c0in"
    OutsidePort "c0out"
  </Card>
  <Card "card1">
    Socket "$RUN/cardd.sock"
    InsidePort "c1in"
    OutsidePort "c1out"
  </Card>
  <Application "web">
    Card "card0"
    Class "gold"
    MaxDelayMs 50
    MaxLoss 0.02
    InPort "w1"
    OutPort "w2"
    <Match>
      Src "10.9.0.1"
      Dst "10.9.1.1"
      Proto "udp"
      Dport 7001
    </Match>
    Function "forward"
  </Application>
</Plugin>
END
    wait_for 20 "web is active" has status '.source == "manager" and .apps[0].state == "active"'
    printf 'app,dst,dport,flows,packet_bytes\nweb,10.9.1.1,7001,4,1000\n' >"$RUN/apps.csv"
    {
        echo step,app,offered_bps
        for step in $(seq 0 199); do printf '%d,web,%d\n' "$step" $((3000000 + step % 5 * 500000)); done
    } >"$RUN/demand.csv"
    sink_start sv "$RUN/apps.csv"
    spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" "$RUN/demand.csv" "$RUN/apps.csv"
}
