#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offload_card with FlowdSocket reports the real switch's ports and flows; a switch that goes away is a gap, told once.
. "$(dirname "$0")/lib.sh"
E2E_TOPOLOGY=A1
e2e_start switch-plugin
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16
for pair in w1:w2 w2:w1; do
    ovs-ofctl -O OpenFlow14 add-flow "unix:$RUN/br0.mgmt" "in_port=${pair%:*},actions=output:${pair#*:}" || fail "no flow $pair"
done
flowd_start
collectd_start offload_card csv <<END
<Plugin csv>
  DataDir "$RUN/csv"
</Plugin>
<Plugin offload_card>
  FlowdSocket "$RUN/flowd.sock"
  <Daemon>
    Socket "$RUN/nobody.sock"
  </Daemon>
</Plugin>
END
spawn ping ip netns exec "$(ns cl)" ping -i 0.05 10.9.1.1

at_least() { # PLUGIN/TYPE DATA_SOURCE LEAST
    local got
    got=$(bus_get "$1" "$2") && awk -v v="$got" -v a="$3" 'BEGIN { exit !(v >= a) }'
}
# 20 a second each way; flowd's counters may be some seconds old.
wait_for 20 "packets into w1" at_least offload_switch-br0/if_packets-w1 rx 5
wait_for 20 "packets out of w2" at_least offload_switch-br0/if_packets-w2 tx 5
wait_for 20 "bytes into w2" at_least offload_switch-br0/if_octets-w2 rx 400
wait_for 10 "flows of the suite" at_least offload_switch/count-flows_own value 0

wait_for 10 "w1's link is up" at_least offload_switch-br0/offload_link-w1 value 1
wait_for 10 "hw-offload is off" at_least offload_switch/offload_link-hw-offload value 0
ip -n "$SW" link set w1 down
down() { [ "$(bus_get offload_switch-br0/offload_link-w1 | cut -c1)" = 0 ]; }
wait_for 10 "w1's link is down" down
ip -n "$SW" link set w1 up
vsctl set Open_vSwitch . other_config:hw-offload=true
wait_for 10 "hw-offload is on" at_least offload_switch/offload_link-hw-offload value 1

told() { grep -q "severity = $1.*offload-flowd" "$RUN/collectd.log"; }
stop_spawned flowd
wait_for 10 "a failure is told" told FAILURE
flowd_start
wait_for 10 "its end is told" told OKAY
wait_for 20 "packets into w1 again" at_least offload_switch-br0/if_packets-w1 rx 5
assert_eq "$(grep -c 'severity = FAILURE.*offload-flowd' "$RUN/collectd.log")" 1 "failures that were told"
e2e_pass
