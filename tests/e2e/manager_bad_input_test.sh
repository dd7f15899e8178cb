#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a manager is told that cannot be: forecasts and scores that are no numbers or have stopped, a card's impossible figures,
# SLAs that contradict themselves or that no card can hold, a checkpoint that is cut short. Each is named, and the last good plan stays.
# Limit: 240 s
. "$(dirname "$0")/lib.sh"
e2e_start manager-bad-input
ovs_start
cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
cardd_start
for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done
spawn liar "$TOP/tests/e2e/lying_card.py" "$RUN/liar.sock" "$RUN/cardd.sock" "$RUN/lie"
wait_up liar 10 "its socket" test -S "$RUN/liar.sock"

application() { # NAME CARD PORT
    cat <<END
  <Application "$1">
    Card "$2"
    Class "gold"
    <Match>
      Proto "udp"
      Dport $3
    </Match>
    Function "forward"
  </Application>
END
}
config() { # AGENT
    cat <<END
<Plugin offload_manager>
  StepS 1
  Agent "$1"
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  <Card "card0">
    Socket "$RUN/liar.sock"
  </Card>
  <Card "card1">
    Socket "$RUN/liar.sock"
  </Card>
$(application web card0 7001)
$(application batch card0 7002)
$(application edge card1 7003)
</Plugin>
END
}
put() { # IDENTIFIER VALUES
    echo "PUTVAL \"$HOST/$1\" interval=${INTERVAL:-10} N:$2" | socat -t 2 - "UNIX-CONNECT:$RUN/bus.sock" | grep -q '^0 Success' || fail "PUTVAL of $1"
}
need() { put "offload_forecast-bandwidth/offload_need-$1" "$2"; }
share() { rpc cardd allocation.get | jq -e --arg app "$1" '.allocations[] | select(.app == $app) | .bandwidth_bps'; }
at_least() { [ "$(share "$1")" -ge "$2" ]; }
plan_now() { rpc manager status.get | jq .plan; }
planned() { [ "$(plan_now)" -gt "$1" ]; }
some_plans() { local plan; plan=$(plan_now); wait_for 15 "three more plans" planned $((plan + 2)); }
logged() { grep -qF -- "$1" "$RUN/collectd.log"; }
of_card0() { rpc cardd allocation.get | jq -c '[.allocations[] | select(.card == "card0")] | map([.app, .cpu_pct, .bandwidth_bps, .memory_bytes]) | sort'; }
over() { rpc cardd card.list | jq -e '.cards[] | select(.allocated.bandwidth_bps > .capacity.bandwidth_bps or .allocated.cpu_pct > 100)'; }

collectd_start offload_manager < <(config proportional)
admitted() { [ "$(rpc cardd app.list | jq '[.apps[] | select(.state == "active")] | length')" = 3 ]; }
wait_for 15 "three applications are active" admitted
need web 24e6:26e6:28e6
need batch 2e6:3e6:4e6
need edge 5e6:6e6:7e6
wait_for 10 "web has room for what is forecast" at_least web 24000000

say "a card that reports impossible figures is named, is not planned for, and keeps what it has"
before=$(of_card0)
for figure in '"bandwidth_bps": -5' '"bandwidth_bps": 0' '"cycles_per_s": 1e300' '"memory_bytes": null' '"bandwidth_bps": "much"'; do
    echo "{\"card0\": {$figure}}" >"$RUN/lie.new"
    mv "$RUN/lie.new" "$RUN/lie"
    wait_for 10 "card0 is named" logged "card card0 reports a capacity that cannot be"
    need web 24e6:26e6:28e6
    need batch 30e6:32e6:34e6 # what would turn the plan round
    some_plans
    assert_eq "$(of_card0)" "$before" "the shares on card0 while its figures are {$figure}"
done
assert_eq "$(grep -c 'Notification.*card0 reports a capacity that cannot be' "$RUN/collectd.log")" 1 "notifications of it"
rm "$RUN/lie"
wait_for 10 "card0 is found to be right again" logged "card card0 reports a capacity again"
need web 2e6:3e6:4e6
need batch 24e6:26e6:28e6
wait_for 10 "and is planned for" at_least batch 24000000

say "forecasts that are no numbers are none"
before=$(of_card0)
for values in U:U:U inf:inf:inf 1e6:inf:inf -1:2e6:3e6; do
    need web 2e6:3e6:4e6 # a forecast lasts for some steps only
    need batch 24e6:26e6:28e6
    put offload_forecast-cpu/offload_next-web "$values" # not what shares of bandwidth are made of
    some_plans
    assert_eq "$(of_card0)" "$before" "the shares after a forecast of $values"
done
need web U:U:U
need batch inf:inf:inf
some_plans
over >/dev/null && fail "a card has given away more than it has: $(over)"
share web >/dev/null || fail "web has no share"

say "a score that stops is named, and so is its return"
INTERVAL=1 put offload_forecast/offload_score-card 40
wait_for 20 "it is named" logged "the score of $HOST has stopped"
rpc manager status.get | jq -e '.servers[0].stale' >/dev/null || fail "the stale score is not marked"
put offload_forecast/offload_score-card 40
wait_for 10 "and is back" logged "the score of $HOST is back"
put offload_forecast/offload_score-card U
stale() { rpc manager status.get | jq -e '.servers[0].stale'; }
wait_for 10 "one that is no number is stale too" stale

say "SLAs that contradict themselves, or that no card can hold, are refused"
request() { # MIN MAX
    jq -nc --argjson min "$1" --argjson max "$2" '{app: "huge", card: "card0", match: [{proto: "udp", dport: 7009}], chain: [{fn: "forward"}], sla: {class: "gold", min_bps: $min, max_bps: $max}}'
}
plan=$(plan_now)
assert_fails "the limit of 1000000 bit/s is below the guarantee of 5000000" rpc manager request.submit "$(request 5000000 1000000)"
assert_fails "no card of $HOST can guarantee 90000000 bit/s; the largest has 40000000" rpc manager request.submit "$(request 90000000 0)"
wait_for 15 "plans go on" planned $((plan + 2))
rpc cardd app.list | jq -e '.apps[] | select(.app == "web" or .app == "batch") | .state == "active"' >/dev/null || fail "others suffered from it"

say "a checkpoint that is cut short is named, and the agent does without it"
stop_spawned collectd.daemon
weights=$TOP/conf/weights/q_learning.checkpoint
head -c $(($(stat -c %s "$weights") / 2)) "$weights" >"$RUN/state/q_learning.checkpoint"
config q_learning | sed "s|^  Agent|  WeightsFile \"$RUN/none\"\n  Agent|" >"$RUN/q.conf"
collectd_start offload_manager <"$RUN/q.conf"
wait_for 15 "the cut checkpoint is named" logged "q_learning.checkpoint"
wait_for 5 "the agent does without it" logged "the agent does without it"
logged "proportional decides until it has proven itself" || fail "an agent that knows nothing decides"
some_plans
over >/dev/null && fail "a card has given away more than it has: $(over)"
e2e_pass
