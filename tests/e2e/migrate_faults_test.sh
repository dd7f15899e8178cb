#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Limit: 900 s. Every participant of a migration is killed (-9) at every step of it, while traffic runs through a NAT44: the
# manager's collectd, cardd, flowd, ovs-vswitchd, ovsdb-server. What died is started again, as systemd would do; the rest must
# get there by itself: one card has the application, all bindings are kept, the switch sends there, nothing is left over,
# packets flow. The manager is held at each step by its pause point (lib/io/pausepoint.h).
# OFFLOAD_FULL=1 runs all; else a tenth, drawn by SEED, without ovs-vswitchd (doc/migration.md, Not there yet). CASES="cutting:cardd ..." runs those.
. "$(dirname "$0")/lib.sh"
e2e_start faults
ovs_start
netns_add cl
netns_add sv
FLOWS=8 PPS=${PPS:-300}
CL=02:0f:f1:00:00:01 SV=02:0f:f1:00:00:02
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 $CL
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 $SV
neighbour "$(ns cl)" e0 10.9.1.1 $SV
for i in 0 1 2 3 4 5 6 7; do neighbour "$(ns sv)" e0 10.9.2.$i $CL; done
cardd_conf card0 card1

STEPS="opening preparing starting copying cutting-over cutting swapping fencing committing draining"
DIES="collectd cardd flowd ovs-vswitchd ovsdb-server"
SEED=${SEED:-$(date +%s)}
all=$(for s in $STEPS; do for d in $DIES; do echo "$s:$d"; done; done)
if [ "${OFFLOAD_FULL:-0}" = 1 ]; then
    cases=${CASES:-$all}
else
    cases=${CASES:-$(shuf -n $(($(wc -l <<<"$all") / 10)) --random-source=<(yes "$SEED") <<<"$(grep -v :ovs-vswitchd <<<"$all")")}
fi
say "seed $SEED: $(wc -w <<<"$cases") of $(wc -l <<<"$all") cases"

export OFFLOAD_PAUSE_DIR=$RUN/pause
mkdir "$OFFLOAD_PAUSE_DIR"
cardd_start
flowd_start
for card in card0 card1; do wait_for 120 "$card is up" card_is_up $card; done
collectd_start offload_manager <<END
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  FlowdSocket "$RUN/flowd.sock"
  MigrationCooldownS 100000
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
  <Application "nat">
    Card "card0"
    Class gold
    MaxDelayMs 500
    MaxLoss 0.1
    InPort "w1"
    OutPort "w2"
    <Match>
      Src "10.9.0.0/24"
      Proto "udp"
    </Match>
    ReturnDst "10.9.2.0/29"
    <Function "nat44">
      External "10.9.2.0/29"
    </Function>
  </Application>
</Plugin>
END
END_STATES='.step != "committed" and .step != "aborted"'
card_of() { rpc cardd app.list | jq -r '[.apps[] | select(.app == "nat") | .card] | join("+")'; }
under_way() { rpc "$1" "$2" | jq -e "[.migrations[] | select($END_STATES)] | length > 0"; }
port_of() { rpc flowd intent.get | jq -r '.intents[] | select(.app == "nat" and .installed) | .card_port'; }
bindings() { rpc cardd app.list '{"app":"nat"}' | jq '.apps[0].functions[0].entries'; }
bound() { [ "$(bindings)" -ge $FLOWS ]; }
active() { [ "$(rpc cardd app.list | jq -c '[.apps[].state]')" = '["active"]' ]; }
steered() { local card; card=$(card_of); [[ $card = card? ]] && [ "$(port_of)" = "c${card#card}in" ]; }
settled() { active && steered && ! under_way cardd migration.status && ! under_way manager migrate.list && [ "$(rpc manager migrate.list | jq .migrations)" != "" ]; }
packets() { rpc cardd app.list '{"app":"nat"}' | jq '.apps[0].functions[0].packets'; }
more_than() { [ "$(packets)" -gt "$1" ]; }
ready() { for card in card0 card1; do card_is_up $card || return 1; done; flowd_connected; }

wait_for 120 "the application is active" active
wait_for 120 "the switch sends to it" steered
spawn server ip netns exec "$(ns sv)" python3 "$TOP/tests/e2e/echo.py" server 10.9.1.1 7100
spawn client ip netns exec "$(ns cl)" python3 "$TOP/tests/e2e/echo.py" client 10.9.1.1 7100 $FLOWS "$PPS" 7200
wait_for 30 "the flows are bound" bound

die() {
    case $1 in
        collectd) stop_spawned collectd.daemon KILL && rm -f "$RUN/collectd.own.pid" ;;
        cardd | flowd) stop_spawned "$1" KILL ;;
        *) stop_daemon "$1" KILL ;;
    esac
}
come_back() {
    case $1 in
        collectd) collectd_run ;;
        cardd) cardd_start ;;
        flowd) spawn flowd "$(program offload-flowd)" "$RUN/flowd.json" ;;
        ovs-vswitchd) vswitchd_start ;;
        ovsdb-server)
            ovsdb-server "$RUN/conf.db" --remote="punix:$RUN/db.sock" --pidfile="$RUN/ovsdb-server.pid" --unixctl="$RUN/ovsdb-server.ctl" \
                --log-file="$RUN/ovsdb-server.log" -vconsole:off --detach --no-chdir 2>"$RUN/ovsdb-server.err" || fail "ovsdb-server did not start" ;;
    esac
}
one_case() { # STEP PARTICIPANT
    local from to point=$OFFLOAD_PAUSE_DIR/manager.$1 now torn began outcome
    wait_for 240 "both cards are up" ready
    wait_for 240 "nothing is under way" settled
    from=$(card_of)
    to=card$((1 - ${from#card}))
    : >"$point"
    rpc manager migrate.start "{\"app\":\"nat\",\"to\":\"$to\"}" >/dev/null || fail "$1, $2: migrate.start"
    wait_for 120 "$1, $2: the manager comes to that step" test -e "$point.reached"
    began=$(date +%s%N)
    die "$2"
    rm -f "$point.reached"
    come_back "$2"
    wait_for 240 "$1, $2: settled" settled
    now=$(packets)
    wait_for 240 "$1, $2: packets flow" more_than "$now"
    outcome=$(card_of)
    torn=$(rpc cardd app.list '{"app":"nat"}' | jq '.apps[0].functions[0].torn')
    assert_eq "$torn" 0 "$1, $2: torn entries"
    assert_eq "$(bindings)" $FLOWS "$1, $2: bindings"
    assert_eq "$(find "$(memory_dir)" -type f | wc -l)" 1 "$1, $2: files of state"
    printf '| %-12s | %-12s | %-11s | %6.1f s |\n' "$1" "$2" "$([ "$outcome" = "$from" ] && echo source || echo destination)" \
        "$(awk "BEGIN { print ($(date +%s%N) - $began) / 1e9 }")"
}

printf '| %-12s | %-12s | %-11s | %8s |\n|---|---|---|---|\n' step "killed (-9)" "owner then" "settled"
for case in $cases; do one_case "${case%:*}" "${case#*:}"; done
running client || fail "the traffic ended too early"
stop_spawned client
stop_spawned server
say "client: $(cat "$RUN/client.log"), server: $(cat "$RUN/server.log")"
assert_eq "$(jq .sources "$RUN/server.log")" $FLOWS "outside endpoints of $FLOWS flows, all kills long"
e2e_pass
