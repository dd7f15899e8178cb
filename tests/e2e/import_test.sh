#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A site with static shares and hand-made intents adopts the manager: offloadctl import writes its configuration, the
# first run is dry and touches nothing, the second keeps what everyone had as guarantee.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
e2e_start import
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16 02:0f:f1:00:00:01
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16 02:0f:f1:00:00:02
CARDD_APPS='[
 {"app":"web","card":"card0","match":[{"dst":"10.9.1.1","proto":"udp","dport":7001},{"dst":"10.9.1.1","proto":"udp","dport":"7010-7019"}],
  "chain":[{"fn":"acl","params":{"rules":[{"src":"10.9.0.66","action":"deny"}],"default":"permit"}},{"fn":"forward","params":{}}],
  "sla":{"class":"gold","max_delay_ns":20000000,"max_loss_frac":0.01},
  "allocation":{"cpu_pct":30,"bandwidth_bps":12000000,"memory_bytes":4000000}},
 {"app":"batch","card":"card0","match":[{"dst":"10.9.1.1","proto":"udp","dport":7003}],"chain":[{"fn":"forward","params":{}}],
  "sla":{"class":"bronze"},"allocation":{"cpu_pct":50,"bandwidth_bps":20000000,"memory_bytes":4000000,"sharing":"lent","ceiling_bps":40000000}},
 {"app":"edge","card":"card1","match":[{"proto":"udp","dport":7004}],"chain":[{"fn":"forward","params":{}}],
  "sla":{"class":"silver"},"allocation":{"cpu_pct":20,"bandwidth_bps":5000000,"memory_bytes":4000000}}]'
cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
cardd_start
flowd_start
for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done
rpc flowd intent.set '{"term":0,"intents":[{"app":"web","match":[{"dst":"10.9.1.1","proto":"udp","dport":7001},{"dst":"10.9.1.1","proto":"udp","dport":"7010-7019"}],
    "in_port":"w1","out_port":"w2","card_port":"c0in","card_port_out":"c0out","on_card_down":"open"}]}' >/dev/null || fail "intent.set"
CTL=$(program offloadctl)

say "what is there becomes a configuration"
"$CTL" import --out "$RUN/import.conf" 2>"$RUN/told" || fail "import: $(cat "$RUN/told")"
assert_eq "$(cat "$RUN/told")" "3 applications on 2 cards written to $RUN/import.conf" "what import says"
for line in '  DryRun true' '    InsidePort "c0in"' '    MinBps 12000000' '    MaxDelayMs 20' '    InPort "w1"' '      Dport "7010-7019"' \
    '    <Function "acl">' '      <Rule>' '        Src "10.9.0.66"' '      Default "permit"' '    Function "forward"' '    Sharing "lent"' '    CpuPct 50'; do
    grep -qxF -- "$line" "$RUN/import.conf" || fail "the configuration has no line '$line'"
done
assert_fails "could not be written: File exists" "$CTL" import --out "$RUN/import.conf"
"$CTL" import "$RUN/cardd.json" >"$RUN/from-file.conf" || fail "import of cardd.json"
assert_eq "$(grep -c '<Application' "$RUN/from-file.conf")" 3 "applications out of a file"
jq '.apps[0].allocation.bandwidth_bps = 30000000' "$RUN/cardd.json" >"$RUN/over.json"
assert_fails "card0: the guarantees of its applications add up to 50000000 bit/s, and it has 40000000" "$CTL" import "$RUN/over.json"
jq '.apps[0].card = "card9"' "$RUN/cardd.json" >"$RUN/nowhere.json"
assert_fails "web: there is no card 'card9'" "$CTL" import "$RUN/nowhere.json"
jq '.apps[0].sla.max_bps = 5000000' "$RUN/cardd.json" >"$RUN/odd.json"
assert_fails "web: its limit of 5000000 bit/s is below what it has, 12000000" "$CTL" import "$RUN/odd.json"

body() { sed "/<LoadPlugin/,/<\/LoadPlugin>/d; s|^  DryRun .*|  DryRun $1\n  Agent \"$2\"\n  Epsilon 0\n  StepS 1\n  StateDir \"$RUN/state\"|" "$RUN/import.conf"; }
shares() { rpc cardd allocation.get | jq -c '.allocations | map([.app, .cpu_pct, .bandwidth_bps, .memory_bytes]) | sort'; }
before=$(shares)
apps_before=$(rpc cardd app.list | jq -c '.apps | map([.app, .card, .match, .chain, .sla]) | sort')
term=$(rpc cardd hello | jq .term)

say "the first run is dry: it plans and explains, and touches nothing"
collectd_start offload_manager < <(body true proportional)
planned() { [ "$(rpc manager status.get | jq .plan)" -ge "$1" ]; }
wait_for 15 "it plans" planned 4
assert_eq "$(rpc manager plan.get | jq .applied)" false "a dry plan"
rpc manager plan.get | jq -e '.allocations | length == 3 and all(.[]; .bandwidth_bps >= ({web: 12000000, batch: 20000000, edge: 5000000}[.app]))' >/dev/null ||
    fail "the plan gives less than was guaranteed: $(rpc manager plan.get)"
assert_contains "$("$CTL" explain plan 2)" "keeping" "what the alternative to the first plans would be"
"$CTL" replay --log "$RUN/state/plans.jsonl" >/dev/null || fail "the dry plans cannot be made again"
assert_eq "$(shares)" "$before" "the cards' shares after a dry run"
assert_eq "$(rpc cardd hello | jq .term)" "$term" "the cards' term after a dry run"
assert_eq "$(rpc cardd app.list | jq -c '.apps | map([.app, .card, .match, .chain, .sla]) | sort')" "$apps_before" "the applications after a dry run"
stop_spawned collectd.daemon

say "then it manages, and nobody has less than before"
collectd_start offload_manager < <(body false proportional)
applied() { rpc manager plan.get | jq -e .applied; }
wait_for 15 "a plan is applied" applied
planned_more() { planned $(($(rpc cardd allocation.get | jq .plan) + 0)) && [ "$(rpc cardd hello | jq .term)" -gt "$term" ]; }
wait_for 15 "by a term of its own" planned_more
rpc cardd allocation.get | jq -e '.allocations | length == 3 and all(.[]; .bandwidth_bps >= ({web: 12000000, batch: 20000000, edge: 5000000}[.app]))' >/dev/null ||
    fail "someone has less than before: $(rpc cardd allocation.get)"
assert_eq "$(rpc cardd app.list | jq -c '.apps | map([.app, .card, .match, .chain]) | sort')" "$(jq -c 'map(.[0:4])' <<<"$apps_before")" "the applications"
assert_eq "$(rpc flowd intent.get | jq -r '.intents[] | select(.app == "web") | "\(.card_port) \(.on_card_down) \(.installed)"')" "c0in open true" "web's flows"
e2e_pass
