#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offload_card puts what a real card counts onto the bus, and neither a dead nor a hung offload-cardd holds collectd up,
# is told more than once, or leaves a rate behind that never was.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start card-plugin
cardd_cabled
collectd_start offload_card "csv load" <<END
<Plugin csv>
  DataDir "$RUN/csv"
</Plugin>
<Plugin offload_card>
  <Daemon>
    Socket "$RUN/cardd.sock"
    TimeoutMs 300
  </Daemon>
</Plugin>
END
load_cabled 60

# between PLUGIN/TYPE DATA_SOURCE LEAST MOST
between() {
    local got
    got=$(bus_get "$1" "$2") && awk -v v="$got" -v a="$3" -v b="$4" 'BEGIN { exit !(v >= a && v <= b) }'
}
C=offload_card-card0

say "offered, used and allocated of an application within its share, and of one above it"
wait_for 15 "what 'free' is offered" between $C/offload_bandwidth-free offered 3.6e6 4.4e6
wait_for 10 "what 'free' uses" between $C/offload_bandwidth-free used 3.6e6 4.4e6
wait_for 10 "what 'tight' is offered" between $C/offload_bandwidth-tight offered 3.6e6 4.4e6
wait_for 10 "what 'tight' uses" between $C/offload_bandwidth-tight used 0.9e6 1.1e6
wait_for 10 "what 'tight' may use" between $C/offload_bandwidth-tight allocated 1e6 1e6
wait_for 10 "packets that 'tight' lost" between $C/offload_drops-tight.admission value 300 1200
wait_for 10 "packets that 'free' lost" between $C/offload_drops-free.admission value 0 0
wait_for 10 "the cycles of 'free'" between $C/offload_cpu-free used 0.001 40
wait_for 10 "the delay of 'free'" between $C/offload_delay-free mean 0.00000001 0.1
wait_for 10 "the card's load" between $C/offload_bandwidth-card offered 7.2e6 8.8e6
wait_for 10 "the card's share" between $C/offload_cpu-card allocated 80 80
wait_for 10 "the idle card" between offload_card-card1/offload_bandwidth-card offered 0 0
# Refused packets are priced like served ones: four times the load, four times the cycles.
more() {
    local offered used
    offered=$(bus_get $C/offload_cpu-tight offered) && used=$(bus_get $C/offload_cpu-tight used) &&
        awk -v o="$offered" -v u="$used" 'BEGIN { exit !(o > 3 * u && o < 5.5 * u) }'
}
wait_for 10 "what 'tight' would need" more

notes() { grep -c "severity = $1.*plugin = offload_card" "$RUN/collectd.log"; }
noted() { [ "$(notes "$1")" -ge "$2" ]; }
rows() { cat "$RUN/csv/$HOST/load/"load-* 2>/dev/null | wc -l; }
more_rows() { [ "$(rows)" -ge "$1" ]; }

say "a hung daemon: others are read on, it is told once, and values come again by themselves"
kill -STOP "$(pid_of cardd)"
wait_for 10 "a failure is told" noted FAILURE 1
wait_for 10 "other plugins are read" more_rows $(($(rows) + 4))
kill -CONT "$(pid_of cardd)"
wait_for 10 "the end is told" noted OKAY 1
wait_for 10 "values come again" between $C/offload_bandwidth-free used 3.6e6 4.4e6

say "a killed daemon, and one that counts from zero again"
stop_spawned cardd KILL
wait_for 10 "a failure is told" noted FAILURE 2
wait_for 10 "other plugins are read" more_rows $(($(rows) + 4))
cardd_start
wait_for 10 "the end is told" noted OKAY 2
wait_for 15 "values come again" between $C/offload_bandwidth-free used 3.6e6 4.4e6
assert_eq "$(notes FAILURE)" 2 "failures that were told"
worst=$(cat "$RUN/csv/$HOST/$C/"offload_bandwidth-free* | awk -F, '$2 + 0 > most { most = $2 } $2 < 0 { print "negative" } END { print most }')
assert_le "$worst" 8000000 "the greatest rate ever reported, where 4000000 were sent"

say "a bad block gets one line that names it"
sed 's/TimeoutMs 300/TimeutMs 300/; s/^LoadPlugin logfile//' "$RUN/collectd.conf" >"$RUN/bad.conf"
assert_fails "offload_card.Daemon[0]" timeout 20 collectd -C "$RUN/bad.conf" -T
e2e_pass
