#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offloadctl with a real manager over real cards and a real switch: what was decided, why, for whom, and asking for more.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
e2e_start offloadctl-manager
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
cardd_start
flowd_start
for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done
CTL=$(program offloadctl)
collectd_start offload_manager <<END
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
    MaxDelayMs 20
    MaxLoss 0.02
    InPort "w1"
    OutPort "w2"
    <Match>
      Dst "10.9.1.1"
      Proto "udp"
      Dport 7001
    </Match>
    Function "forward"
  </Application>
</Plugin>
END

has() { # COMMAND... EXPRESSION, last: the command's JSON fulfils it
    local expression=${!#}
    "$CTL" "${@:1:$#-1}" --json | jq -e "$expression"
}
put() { echo "PUTVAL \"$HOST/$1\" interval=10 $2" | socat -t 2 - "UNIX-CONNECT:$RUN/bus.sock" | grep -q '^0 Success' || fail "PUTVAL $1"; }

say "status and apps are the manager's"
wait_for 15 "web is active" has status '.source == "manager" and .agent == "proportional" and .apps[0].app == "web" and .apps[0].state == "active"'
put offload_forecast-bandwidth/offload_need-web N:20e6:24e6:26e6
put offload_forecast/offload_score-card N:61.5
wait_for 10 "web's need is known" has apps web '.apps[0].need_p90_bps == 24e6'
wait_for 10 "the score is known" has status '.servers[0].score == 61.5'
status=$("$CTL" status)
assert_contains "$status" "manager runs, plan" "status"
assert_contains "$status" "bridge br0 connected, flows" "the switch in status"
assert_contains "$status" "server $HOST: score 61.5" "the score in status"
assert_contains "$("$CTL" top --once)" "agent proportional, plan" "top"

say "plans and their reasons"
wait_for 10 "a plan gives web its room" has plan '.applied and (.allocations[] | select(.app == "web") | .bandwidth_bps >= 24e6)'
number=$("$CTL" plan --json | jq .plan)
assert_contains "$("$CTL" plan "$number")" "plan $number, term" "a plan by its number"
assert_contains "$("$CTL" explain plan "$number")" "plan $number: " "a plan explained"
assert_contains "$("$CTL" explain score "$HOST")" "$HOST" "a score explained"
assert_fails "plan 987654 is not kept" "$CTL" plan 987654

say "requests: one more application, and it goes again"
echo '{"app":"late","card":"card1","match":[{"proto":"udp","dport":7009}],"chain":[{"fn":"forward"}]}' >"$RUN/late.json"
"$CTL" request submit "$RUN/late.json" >/dev/null || fail "the request is refused"
wait_for 15 "the request is admitted" has request list '.requests[] | select(.app == "late") | .state == "admitted"'
assert_contains "$("$CTL" request list)" "late" "the list of requests"
assert_eq "$("$CTL" request list --json | jq -r '.requests[] | select(.app == "late") | .class')" bronze "the class of one that names none"
"$CTL" request withdraw late || fail "the request cannot be withdrawn"
wait_for 15 "it is gone" has request list '[.requests[].app] == ["web"]'
off_the_card() { rpc cardd app.list | jq -e '[.apps[].app] == ["web"]' >/dev/null; }
wait_for 15 "its card forgets it" off_the_card
has request list '[.requests[].app] == ["web"]' || fail "what was withdrawn has come back: $("$CTL" request list)"
assert_fails "there is no application 'nobody'" "$CTL" request withdraw nobody

say "a move, watched to its end"
MOVED=$(timeout 60 "$CTL" migrate web --to card1 --watch --json 2>"$RUN/steps") || fail "the move failed: $(cat "$RUN/steps") $MOVED"
id=$(jq -r '.migrations[0].id' <<<"$MOVED")
jq -e '.migrations[0] | .app == "web" and .from == "card0" and .to == "card1" and .step == "committed"' <<<"$MOVED" >/dev/null ||
    fail "the move as it ended: $MOVED"
assert_eq "$(tail -n 1 "$RUN/steps")" committed "the last step that was told"
wait_for 10 "web is on card1" has apps web '.apps | length == 1 and .[0].card == "card1" and .[0].state == "active"'
assert_contains "$("$CTL" migrations "${id%%-*}")" "committed" "the migration by the beginning of its id"
assert_contains "$("$CTL" top --once)" "web  card0 -> card1  committed" "the migration in top"
"$CTL" migrate web --to card0 >/dev/null || fail "no way back"
wait_for 30 "web is back" has apps web '.apps | length == 1 and .[0].card == "card0" and .[0].state == "active"'

say "moves that cannot be are refused with the reason"
assert_fails "is on 'card0' already" "$CTL" migrate web --to card0
assert_fails "there is no card 'card9'; use one of card0, card1" "$CTL" migrate web --to card9
assert_fails "there is no card 'card9'" "$CTL" drain card9
"$CTL" drain card1 || fail "card1 cannot be drained"
wait_for 10 "card1 drains" has status '.cards[] | select(.card == "card1") | .state == "draining"'
"$CTL" undrain card1 || fail "card1 cannot be used again"
wait_for 10 "card1 is up" has status '.cards[] | select(.card == "card1") | .state == "up"'
e2e_pass
