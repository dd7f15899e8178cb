#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manager in a stock collectd, with real cards and a real switch; forecasts come by PUTVAL.
#
#   PUTVAL -> bus -> offload_manager -> offload-cardd (card0, card1), offload-flowd
#
# It adds what is configured, gives room to what is forecast to need it, applies nothing in a dry run, outlives its
# cards, and after a kill -9 goes on with a higher term where the cards' plan stands.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
e2e_start manager
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
cardd_start
flowd_start
for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done

application() { # NAME CARD CLASS PORT [MORE LINES]
    cat <<END
  <Application "$1">
    Card "$2"
    Class "$3"
    MaxDelayMs 20
    MaxLoss 0.02
    InPort "w1"
    OutPort "w2"
    <Match>
      Src "10.9.0.1"
      Dst "10.9.1.1"
      Proto "udp"
      Dport $4
    </Match>
    Function "forward"
    ${5:-}
  </Application>
END
}

config() { # DRYRUN AGENT
    cat <<END
<Plugin offload_manager>
  StepS 1
  Agent "$2"
  DryRun $1
  Epsilon 0
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  FlowdSocket "$RUN/flowd.sock"
  MigrationCooldownS 5
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
$(application web card0 gold 7001 "MinBps 1000000")
$(application batch card0 bronze 7003)
$(application edge card1 silver 7004)
</Plugin>
END
}

need() { # APP P50 P90 P99
    echo "PUTVAL \"$HOST/offload_forecast-bandwidth/offload_need-$1\" interval=10 N:$2:$3:$4" |
        socat -t 2 - "UNIX-CONNECT:$RUN/bus.sock" | grep -q '^0 Success'
}
share() { rpc cardd allocation.get | jq -e --arg app "$1" ".allocations[] | select(.app == \$app) | .$2"; }
plan_is_at_least() { [ "$(rpc manager status.get | jq .plan)" -ge "$1" ]; }

# ---- a dry run plans, and touches nothing; there are no weights to be found ----
export OFFLOAD_DATADIR=$RUN
collectd_start offload_manager < <(config true q_learning)
wait_for 10 "the manager has looked at its cards" sh -c "
    printf '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}\n' | socat -t 2 - UNIX-CONNECT:$RUN/manager.sock |
    jq -e '.result.cards | map(select(.state == \"up\")) | length == 2'"
assert_eq "$(rpc manager status.get | jq .dry_run)" true "dry_run"
grep -q 'agent q_learning has learned nothing yet: proportional decides until it has proven itself' "$RUN/collectd.log" ||
    fail "an agent that nobody trained would decide"
assert_eq "$(rpc cardd app.list | jq '.apps | length')" 0 "applications that a dry run added"
assert_eq "$(rpc cardd hello | jq .term)" 0 "the term that a dry run used"
stop_spawned collectd.daemon

# ---- a bad block gets one line that names it ----
bad() { # SED-EDIT of the good one
    sed "s/^LoadPlugin logfile//; $1" "$RUN/collectd.conf" >"$RUN/bad.conf"
    timeout 20 collectd -C "$RUN/bad.conf" -T
}
assert_fails 'offload_manager.StpS: unknown key; did you mean "StepS"?' bad 's/StepS 1/StpS 1/'
assert_fails 'offload_manager.DryRun: is a string; give true or false' bad 's/DryRun true/DryRun "perhaps"/'
assert_fails 'offload_manager.Agent' bad 's/Agent "q_learning"/Agent "oracle"/'
assert_fails "there is no card 'card9'" bad 's/^    Card "card0"/    Card "card9"/'
assert_fails "offload_manager.Application[0].Match[0].dportt: unknown key 'dportt'; did you mean \"dport\"?" bad 's/Dport 7001/Dportt 7001/'
assert_fails "offload_manager.Application[0].Match[0]: not an object" bad 's/^    <Match>/    Match "udp"\n    <Match>/'

# ---- it admits what is configured, and forecasts decide ----
collectd_start offload_manager < <(config false proportional)
admitted() { [ "$(rpc cardd app.list | jq '[.apps[] | select(.state == "active")] | length')" = 3 ]; }
wait_for 10 "three applications are active" admitted
intents() { [ "$(rpc flowd intent.get | jq '[.intents[] | select(.installed)] | length')" = 3 ]; }
wait_for 10 "their flows are in the switch" intents
need web 20e6 24e6 26e6 || fail "PUTVAL of a forecast"
need batch 2e6 3e6 4e6
need edge 5e6 6e6 7e6
web_leads() { [ "$(share web bandwidth_bps)" -ge 24000000 ]; }
wait_for 10 "web has room for what is forecast" web_leads
need web 2e6 3e6 4e6
need batch 20e6 24e6 26e6
batch_leads() { [ "$(share batch bandwidth_bps)" -ge 20000000 ] && [ "$(share web bandwidth_bps)" -ge 3000000 ]; }
wait_for 10 "when demand turns, shares turn" batch_leads
over() { rpc cardd card.list | jq -e '.cards[] | select(.allocated.bandwidth_bps > .capacity.bandwidth_bps or .allocated.cpu_pct > 100)'; }
over >/dev/null && fail "a card has given away more than it has: $(over)"
wait_for 5 "the plan is on the bus" bus_get offload_manager/offload_plan-card number
wait_for 5 "the SLA states are on the bus" bus_get offload_manager/offload_sla-web breached
wait_for 5 "the reward is on the bus" bus_get offload_manager/offload_reward-card chosen
rpc manager plan.explain | jq -e '.changes' >/dev/null || fail "no plan is explained"
plan=$(rpc manager plan.get | jq .plan)
jq -es --argjson plan "$plan" 'map(select(.plan >= $plan - 5)) | length > 0 and all(.[]; .inputs.apps | length == 3)' \
    "$RUN/state/plans.jsonl" >/dev/null || fail "the plan log does not hold the plans"
CTL=$(program offloadctl)
"$CTL" replay --log "$RUN/state/plans.jsonl" --json | jq -e '.same > 0 and .unread == 0 and .different == []' >/dev/null ||
    fail "plans decided again are not the same: $("$CTL" replay --log "$RUN/state/plans.jsonl")"
moving=$(jq -s '[.[] | select((.changes | length) > 0)] | .[-1].plan' "$RUN/state/plans.jsonl")
explained=$("$CTL" explain plan "$moving" --log "$RUN/state/plans.jsonl")
assert_contains "$explained" "a need of" "what was expected"
assert_contains "$explained" "keeping" "what the alternative would have been"
assert_contains "$("$CTL" replay "$moving" --log "$RUN/state/plans.jsonl")" "the same to the bit" "one plan decided again"
assert_fails "it does not hold plan 987654" "$CTL" replay 987654 --log "$RUN/state/plans.jsonl"
sed '$s/"seed":1/"seed":2/; $s/"digest":"./"digest":"x/' "$RUN/state/plans.jsonl" >"$RUN/forged.jsonl"
assert_fails "1 different" "$CTL" replay --log "$RUN/forged.jsonl"

# ---- an older term is refused, and changes nothing ----
before=$(share web bandwidth_bps)
assert_fails '"code":-32003' rpc cardd allocation.set '{"term":0,"plan":9999,"allocations":[]}'
assert_fails "there is no card 'card9'" rpc manager migrate.start '{"app":"web","to":"card9"}'
assert_fails "is on 'card0' already" rpc manager migrate.start '{"app":"web","to":"card0"}'
assert_fails "no application 'nobody'" rpc manager migrate.start '{"app":"nobody","to":"card1"}'

# ---- a killed manager leaves the plan; the next one has a higher term and counts on ----
term=$(rpc cardd hello | jq .term)
stop_spawned collectd.daemon KILL
before=$(rpc cardd allocation.get | jq -c '.allocations | map([.app, .cpu_pct, .bandwidth_bps]) | sort')
plan=$(rpc cardd allocation.get | jq .plan)
wait_for 2 "the cards keep their plan" [ "$(rpc cardd allocation.get | jq -c '.allocations | map([.app, .cpu_pct, .bandwidth_bps]) | sort')" = "$before" ]
collectd_run
wait_for 10 "plans go on where they were" plan_is_at_least $((plan + 1))
assert_le $((term + 1)) "$(rpc manager hello | jq .term)" "the new term"
need web 25e6 28e6 30e6
wait_for 10 "the new manager's plans are applied" web_leads

# ---- cards that go away are told once, and found again ----
stop_spawned cardd
told() { grep -c 'nobody listens there\|no answer\|closed the connection' "$RUN/collectd.log"; }
wait_for 10 "the dead cards are told" told
count=$(told)
plan_now=$(rpc manager status.get | jq .plan)
wait_for 10 "the manager goes on planning" plan_is_at_least $((plan_now + 3))
assert_eq "$(told)" "$count" "lines about the dead cards"
cardd_start
back() { grep -q 'cardd.sock answers again' "$RUN/collectd.log"; }
wait_for 20 "the cards are found again" back
wait_for 20 "and their applications are back" admitted
cp "$RUN/state/plans.jsonl" "$RUN/all.jsonl" # it grows
planned=$(grep -c '^{.*}$' "$RUN/all.jsonl")
"$CTL" replay --log "$RUN/all.jsonl" --json | jq -e --argjson n "$planned" '$n >= 8 and .same == $n and .unread == 0 and .different == []' >/dev/null ||
    fail "of $planned plans not all are the same, decided again: $("$CTL" replay --log "$RUN/all.jsonl")"
e2e_pass
