#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A card that is forecast to fill up gives an application to its sibling, under traffic, without a packet lost or out of
# order; a person moves it back; a drained card is emptied; a manager that is killed on the way has a successor.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
e2e_start manager-migrate
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

application() { # NAME CLASS PORT
    cat <<END
  <Application "$1">
    Card "card0"
    Class $2
    MaxDelayMs 50
    MaxLoss 0.02
    InPort "w1"
    OutPort "w2"
    <Match>
      Src "10.9.0.1"
      Dst "10.9.1.1"
      Proto "udp"
      Dport $3
    </Match>
    Function "forward"
  </Application>
END
}
config() {
    cat <<END
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  FlowdSocket "$RUN/flowd.sock"
  MigrationCooldownS 1000
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
$(application web gold 7001)
$(application batch bronze 7003)
</Plugin>
END
}
need() { # APP P50 P90 P99
    echo "PUTVAL \"$HOST/offload_forecast-bandwidth/offload_need-$1\" interval=20 N:$2:$3:$4" |
        socat -t 2 - "UNIX-CONNECT:$RUN/bus.sock" | grep -q '^0 Success' || fail "PUTVAL of a forecast"
}
card_of() { rpc cardd app.list | jq -r --arg app "$1" '[.apps[] | select(.app == $app) | .card] | join("+")'; }
is_on() { [ "$(card_of "$1")" = "$2" ] && [ "$(rpc manager migrate.list | jq '[.migrations[] | select(.step != "committed" and .step != "aborted")] | length')" = 0 ]; }
port_of() { rpc flowd intent.get | jq -r --arg app "$1" '.intents[] | select(.app == $app) | .card_port'; }

collectd_start offload_manager < <(config)
admitted() { [ "$(rpc cardd app.list | jq '[.apps[] | select(.state == "active")] | length')" = 2 ]; }
wait_for 10 "both applications are active" admitted
intents() { [ "$(rpc flowd intent.get | jq '[.intents[] | select(.installed)] | length')" = 2 ]; }
wait_for 10 "their flows are in the switch" intents

printf 'app,dst,dport,flows,packet_bytes\nweb,10.9.1.1,7001,4,1000\nbatch,10.9.1.1,7003,2,1200\n' >"$RUN/apps.csv"
{
    echo step,app,offered_bps
    for step in $(seq 0 31); do printf '%d,web,4000000\n%d,batch,4000000\n' "$step" "$step"; done
} >"$RUN/demand.csv"
sink_start sv "$RUN/apps.csv" --events "$RUN/events.csv"
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" --start $(($(date +%s) + 2)) "$RUN/demand.csv" "$RUN/apps.csv"
offered() { rpc manager status.get | jq -e '[.apps[] | select((.offered_bps // 0) > 1000000)] | length == 2'; }
wait_for 10 "the manager sees the load" offered

# ---- the forecast fills card0; the application that is moved with least disturbance goes ----
need web 18e6 22e6 24e6
need batch 14e6 18e6 20e6
wait_for 20 "batch is on card1, web stays" is_on batch card1
assert_eq "$(card_of web)" card0 "where web is"
assert_eq "$(port_of batch)" c1in "where the switch sends batch"
move=$(rpc manager migrate.list | jq -c '.migrations[0]')
assert_eq "$(jq -r '[.app, .from, .to, .step, .lost_pkts] | join(" ")' <<<"$move")" "batch card0 card1 committed 0" "the migration"
assert_contains "$(jq -r .reason <<<"$move")" "card0 is expected at" "why it moved"
say "the plan's move: pause $(jq '.pause_ns / 1e6' <<<"$move") ms, swap $(jq '.swap_ns / 1e6' <<<"$move") ms, held $(jq .held_pkts <<<"$move")"

# ---- a person may move it back, cooldown or not; while the forecast forbids nothing ----
need web 4e6 5e6 6e6
need batch 4e6 5e6 6e6
id=$(rpc manager migrate.start '{"app":"batch","to":"card0"}' | jq -r .id)
wait_for 20 "batch is back on card0" is_on batch card0
assert_eq "$(rpc manager migrate.list | jq -r --arg id "$id" '.migrations[] | select(.id == $id) | .step')" committed "the move asked for"

# ---- killed in the middle: whichever way it went, one side serves and the successor says which ----
rpc manager migrate.start '{"app":"batch","to":"card1"}' >/dev/null || fail "the third move"
begun() { rpc cardd migration.status | jq -e '[.migrations[] | select(.step != "committed" and .step != "aborted")] | length > 0'; }
steps=$(grep -c 'is cutting$' "$RUN/cardd.log") # asking cardd takes longer than the step that is looked for
for _ in $(seq 2000); do [ "$(grep -c 'is cutting$' "$RUN/cardd.log")" -gt "$steps" ] && break; pause 0.002; done
kill -KILL "$(pid_of collectd.daemon)"
begun >/dev/null || say "it was over before it could be disturbed"
stop_spawned collectd.daemon KILL
collectd_run
settled() { ! begun && [[ $(card_of batch) = card? ]]; }
wait_for 20 "the successor has settled the migration" settled
where=$(card_of batch)
agrees() { [ "$(port_of batch)" = "c${where#card}in" ]; }
wait_for 10 "the switch agrees that batch is on $where" agrees
say "killed on the way: batch is on $where"

# ---- a drained card is emptied ----
need web 4e6 5e6 6e6
need batch 4e6 5e6 6e6
rpc manager drain.set '{"card":"card0"}' >/dev/null || fail "drain.set"
wait_for 20 "card0 is empty" sh -c "[ \"\$(printf '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"app.list\",\"params\":{\"card\":\"card0\"}}\n' |
    socat -t 2 - UNIX-CONNECT:$RUN/cardd.sock | jq '.result.apps | length')\" = 0 ]"

# ---- and all that without a packet lost by it or out of order ----
gone() { ! running "$1"; }
wait_for 45 "the sender ends" gone gen
wait_for 10 "the sink has heard every flow's end" gone sink
# On a busy box the sender stands still and then sends in one go what its rate would have let it send meanwhile; what is
# policed of that is no migration's fault, and counted by the cards. Nothing else may be missing.
policed=$(rpc cardd card.list | jq '[.cards[].stats.drops.admission] | add')
[ "$policed" = 0 ] || say "the box stood still: $policed packets came in bursts above their rate"
assert_eq "$(rpc cardd card.list | jq '[.cards[].stats.drops | .migration + .memory + .queue_full + .transmit] | add')" 0 "other drops in the cards"
assert_eq "$(jq '[.apps[].lost_pkts] | add' "$RUN/sink.log")" "$policed" "lost packets"
assert_eq "$(jq '[.apps[].reordered_pkts] | add' "$RUN/sink.log")" 0 "reordered packets"
e2e_pass
