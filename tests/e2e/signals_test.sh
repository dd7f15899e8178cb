#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signals of a network device (stock snmp plugin against a real snmpd) and of each card by itself: scores come out by
# application, by card and for the server, and leave the right out of one another.
. "$(dirname "$0")/lib.sh"
e2e_start signals
snmpd=$(command -v snmpd || echo /usr/sbin/snmpd)
[ -x "$snmpd" ] || skip "snmpd is not installed"
[ -r /usr/lib/collectd/snmp.so ] || skip "collectd has no snmp plugin"
port=$((20000 + $$ % 20000))
printf 'rocommunity public 127.0.0.1\n' >"$RUN/snmpd.conf"
spawn snmpd "$snmpd" -f -Lo -C -c "$RUN/snmpd.conf" -p "$RUN/snmpd.own.pid" "udp:127.0.0.1:$port"

collectd_start offload_forecast snmp <<END
<Plugin snmp>
  <Data "octets">
    Type "if_octets"
    Table true
    TypeInstanceOID ".1.3.6.1.2.1.31.1.1.1.1"
    Values ".1.3.6.1.2.1.31.1.1.1.6" ".1.3.6.1.2.1.31.1.1.1.10"
  </Data>
  <Host "switch1">
    Address "udp:127.0.0.1:$port"
    Version 2
    Community "public"
    Collect "octets"
    Interval 1
  </Host>
</Plugin>
<Plugin offload_forecast>
  StepS 1
  HorizonS 5
  RrdDir ""
  Socket "$RUN/forecast.sock"
  <Signal "ports">
    Match "switch1/snmp/if_octets-*"
    DataSource "rx"
    Resource interconnect
    Capacity 125000000
    Unit "bytes/s"
  </Signal>
  <Signal "bandwidth">
    Resource bandwidth
    Capacity 200
    CardCapacity 100
  </Signal>
</Plugin>
END
# card0 carries 80, card1 20, of 100 each.
touch "$RUN/feeding"
feeding() {
    local t
    while [ -e "$RUN/feeding" ]; do
        t=$(date +%s)
        printf 'PUTVAL "%s/offload_card-card0/offload_bandwidth-card" interval=1 %s:80:80:100\n' "$HOST" "$t"
        printf 'PUTVAL "%s/offload_card-card1/offload_bandwidth-card" interval=1 %s:20:20:100\n' "$HOST" "$t"
        pause 0.5
    done
}
feeding 2>/dev/null | socat - "UNIX-CONNECT:$RUN/bus.sock" >/dev/null 2>&1 &
on_cleanup rm -f "$RUN/feeding"
between() { awk -v x="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(x != "" && x >= a && x <= b) }'; }
scores() { # of the server and of both cards
    between "$(bus_get offload_forecast/offload_score-card)" 49 56 &&
        between "$(bus_get offload_forecast/offload_score-card0)" 79 90 &&
        between "$(bus_get offload_forecast/offload_score-card1)" 19 25
}
wait_for 40 "a score for the server and for each card" scores
lo() { rpc forecast score.explain '{"server":"switch1","app":"lo"}' | jq -e '.series[0].p90 != null'; }
wait_for 40 "the switch's ports are forecast" lo
assert_eq "$(rpc forecast score.explain '{"server":"switch1","app":"lo"}' | jq -r '.limit')" interconnect "what limits the switch"
rm -f "$RUN/feeding"
grep -E 'ERROR|plugin_dispatch_values' "$RUN/collectd.log" && fail "errors in collectd's log"
e2e_pass
