#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offload-cardd alone, without a switch, between two hosts:
#
#   netns cl 10.9.0.1 -- veth -- [ card0: inside, outside ] -- veth -- 10.9.0.2 netns sv
#
# It carries what was admitted, holds an application to its allocation, changes allocations under traffic without a loss,
# refuses what is stale or too much and then changes nothing, and comes back from its last plan.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start cardd
netns_add sw
netns_add cl
netns_add sv
cable() { # NETNS ADDRESS CARD_INTERFACE
    ip link add e0 netns "$(ns "$1")" type veth peer name "$3" netns "$SW" || fail "cannot add a veth pair"
    ip -n "$(ns "$1")" addr add "$2" dev e0
    ip -n "$(ns "$1")" link set e0 up
    ip -n "$SW" link set "$3" up
    ip netns exec "$(ns "$1")" ethtool -K e0 tx off gso off tso off >/dev/null 2>&1
}
cable cl 10.9.0.1/24 inc
cable sv 10.9.0.2/24 outc

eal='["--no-pci","--in-memory","--iova-mode=va","-m","128"]'
[ "$TOPOLOGY" = B4 ] || eal='["--no-pci","--iova-mode=va","--no-huge","-m","256"]'
jq -n --arg run "$RUN" --argjson eal "$eal" --arg prefix "cardd-$$" '{rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix,
    eal: $eal, lcores: {main: "0", workers: ["0-1"]}, mbufs: 8192, cards: [{card: "card0", managed: true,
    ports: [{devargs: "net_af_packet0,iface=inc,framecnt=4096"}, {devargs: "net_af_packet1,iface=outc,framecnt=4096"}],
    capacity: {cycles_per_s: 500000000, bandwidth_bps: 30000000, memory_bytes: 16000000}}]}' >"$RUN/cardd.json"
CARDD=$(program offload-cardd)

# ---- a bad file is one clear line, exit status 2 ----
bad() { # JQ-EDIT PART
    local out rc
    jq "$1" "$RUN/cardd.json" >"$RUN/bad.json"
    out=$("$CARDD" --check-config "$RUN/bad.json" 2>&1)
    rc=$?
    assert_eq "$rc" 2 "exit status with $1"
    assert_eq "$(wc -l <<<"$out")" 1 "lines about $1"
    assert_contains "$out" "bad.json: $2" "message about $1"
}
bad '.card = []' "card: "
bad '.sleep_us = 20000' "sleep_us: "
bad '.lcores.workers = ["x"]' "lcores.workers[0]: 'x' is no set of CPUs; use CPU numbers"
bad '.cards[0].worker = 3' "cards[0].worker: there is no worker 3 in lcores.workers; use 0 to 0"
bad '.cards += [.cards[0]]' "cards[1].card: 'card0' is there twice; give each card its own name"
bad '.cards[0].capacity.cycles = 5' "cards[0].capacity.cycles: "
bad '.eal = ["--no-pci", "--lcores=0"]' "eal[1]: '--lcores=0' is set by offload-cardd itself"
bad '.apps = [{app: "a", card: "card1", match: [{}], chain: [{fn: "forward"}]}]' "apps[0].card: no card 'card1'; name one of cards[]"
bad '.apps = [{app: "a", card: "card0", match: [{dst: "10.0.0.1/8"}], chain: [{fn: "forward"}]}]' "apps[0].match[0].dst: "
bad '.apps = [range(2) | {app: "a", card: "card0", match: [{}], chain: [{fn: "forward"}]}]' "apps[1].app: 'a' is there twice"
bad '.apps = [{app: "a", card: "card0", match: [{}], chain: [{fn: "forwrad"}]}]' "apps[0].chain[0].fn: no function 'forwrad'; did you mean 'forward'?"
bad '.apps = [{app: "a", card: "card0", match: [{}], chain: [{fn: "burn", params: {cycles: 5}}]}]' "apps[0].chain[0].params.cycles: "
bad '.mbufs = "many"' "mbufs: is a string; give a whole number"
printf '{"a": 1,}' >"$RUN/bad.json"
assert_fails "bad.json:1:" "$CARDD" --check-config "$RUN/bad.json"
assert_contains "$("$CARDD" --check-config "$RUN/cardd.json")" "good" "a good file"

# ---- start ----
start() {
    spawn cardd ip netns exec "$SW" "$CARDD" --config "$RUN/cardd.json"
    wait_up cardd 30 "the card API answers" rpc cardd hello
    wait_up cardd 20 "card0 is up" card_is_up card0
}
start
app() { jq -nc --arg app "$1" --argjson port "$2" '{term: 5, app: $app, card: "card0", match: [{dst: "10.9.0.2", proto: "udp", dport: $port}],
    chain: [{fn: "forward"}], sla: {class: "gold"}}'; }
assert_eq "$(rpc cardd app.add "$(app free 7001)" | jq -r .state)" requested "state without a plan"
assert_eq "$(rpc cardd app.add "$(app tight 7002 | jq -c '.sla.max_delay_ns = 10000000')" | jq -r .state)" requested "state without a plan"
# Two that need 50000 cycles a packet, 25 million a second; one may borrow.
for spec in heavy:7003 borrower:7004; do
    rpc cardd app.add "$(app "${spec%:*}" "${spec#*:}" | jq -c '.chain = [{fn: "burn", params: {cycles_per_byte: 50}}]')" >/dev/null || fail "no app ${spec%:*}"
done
# plan TERM FREE_BPS TIGHT_BPS [EXTRA]
plan() {
    jq -nc --argjson term "$1" --argjson free "$2" --argjson tight "$3" --argjson extra "${4:-"{}"}" '{term: $term, plan: 7, allocations: [
        {card: "card0", app: "free", cpu_pct: 40, bandwidth_bps: $free, memory_bytes: 4000000},
        {card: "card0", app: "tight", cpu_pct: 40, bandwidth_bps: $tight, memory_bytes: 4000000},
        {card: "card0", app: "heavy", cpu_pct: 2, bandwidth_bps: 5000000, memory_bytes: 2000000},
        {card: "card0", app: "borrower", cpu_pct: 2, bandwidth_bps: 5000000, memory_bytes: 2000000, sharing: "lent"}]} + $extra'
}
rpc cardd allocation.set "$(plan 5 8000000 1000000)" >/dev/null || fail "the plan is refused"
assert_eq "$(rpc cardd app.list | jq -r '[.apps[].state] | join(" ")')" "active active active active" "states with a plan"

# ---- what is refused changes nothing ----
refused() { # PARAMS CODE PART
    local before answer
    before=$(rpc cardd allocation.get)
    answer=$(rpc cardd allocation.set "$1" 2>&1) && fail "accepted: $1"
    assert_eq "$(jq .code <<<"$answer")" "$2" "code of $answer"
    assert_contains "$answer" "$3" "message"
    assert_eq "$(rpc cardd allocation.get)" "$before" "allocations after a refusal"
}
refused "$(plan 4 1000000 1000000)" -32003 "4 is below the highest term seen"
refused "$(plan 5 19500000 1000000)" -32002 "card0.bandwidth_bps"
refused "$(plan 5 1000000 1000000 | jq -c '.allocations[0].cpu_pct = 57')" -32002 "card0.cpu_pct"
refused "$(plan 5 1000000 1000000 | jq -c '.allocations[1].memory_bytes = 8000001')" -32002 "card0.memory_bytes"
refused "$(plan 5 1000000 1000000 | jq -c '.allocations[1].app = "tigth"')" -32001 "did you mean 'tight'?"
refused "$(plan 5 1000000 1000000 | jq -c '.allocations[1].app = "free"')" -32602 "is there twice"
refused "$(plan 5 1000000 1000000 | jq -c '.allocations[1].bandwith_bps = 1')" -32602 "bandwidth_bps"
refused "$(plan 9000000000000001 1000000 1000000)" -32602 "term: 9000000000000001 is above 9e+15"
refuses() { # METHOD PARAMS PART
    local answer
    answer=$(rpc cardd "$1" "$2" 2>&1) && fail "accepted: $1 $2"
    assert_contains "$answer" "$3" "refusal of $1"
}
refuses fn.list '{"card":"card0"}' "unknown key"
refuses hello '{"trem":5}' "unknown key"
refuses card.add '{"card":"card1"}' "is missing"
refuses card.add '{"term":9000000000000001,"card":"card1"}' "is above 9e+15"
refuses card.add '{"term":4,"card":"card1","ports":[{"devargs":"net_null0"}]}' "4 is below the highest term seen"
before=$(rpc cardd allocation.get)
rpc cardd allocation.set "$(plan 5 2000000 2000000 '{"dry_run":true}')" >/dev/null || fail "the dry run is refused"
assert_eq "$(rpc cardd allocation.get)" "$before" "allocations after a dry run"
first=$(rpc cardd allocation.set "$(plan 5 8000000 1000000 '{"request_id":"r1"}')")
rpc cardd allocation.set "$(plan 5 8000000 1000000)" >/dev/null
assert_eq "$(rpc cardd allocation.set "$(plan 5 1000000 8000000 '{"request_id":"r1"}')")" "$first" "answer to a request_id seen before"
assert_eq "$(rpc cardd allocation.get | jq '[.allocations[].bandwidth_bps] | join(" ")')" '"8000000 1000000 5000000 5000000"' "bandwidth after it"

# ---- a rule that never holds is told of; a card more must leave the others what they were promised ----
shadowed=$(rpc cardd app.add "$(app late 7001)")
assert_contains "$(jq -r '.warnings[0]' <<<"$shadowed")" "match[0] of 'late' never holds for what enters inside; match[0] of 'free' is tried before" "warning"
assert_contains "$(cat "$RUN/cardd.log")" "warning: card 'card0': match[0] of 'late' never holds" "log"
rpc cardd app.remove '{"term":5,"app":"late"}' >/dev/null || fail "cannot remove an application"
assert_eq "$(rpc cardd app.update '{"term":5,"app":"free","sla":{"class":"gold"}}' | jq -c .warnings)" "[]" "warnings without a shadow"

# ---- traffic: 'free' within its allocation, 'tight' four times above in bandwidth, 'heavy' and 'borrower' 2.5 times above
# in cycles; plans change all the time ----
printf 'app,dst,dport,flows,packet_bytes\nfree,10.9.0.2,7001,3,1000\ntight,10.9.0.2,7002,2,500\nheavy,10.9.0.2,7003,1,1000\nborrower,10.9.0.2,7004,1,1000\n' >"$RUN/apps.csv"
{
    echo step,app,offered_bps
    for step in 0 1 2 3 4; do
        for app in free tight heavy borrower; do printf '%d,%s,4000000\n' $step $app; done
    done
} >"$RUN/demand.csv"
sink_start sv "$RUN/apps.csv" --csv "$RUN/sink.csv"
begin=$(($(date +%s) + 1))
spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" --start $begin "$RUN/demand.csv" "$RUN/apps.csv"
at() { [ "$(date +%s%N)" -ge "$1" ]; }
of_card() { rpc cardd app.list "{\"app\":\"$1\"}" | jq -c '.apps[0].stats'; }
cycles_per_s() { jq -n --argjson a "$1" --argjson b "$2" '($b.cycles - $a.cycles) * 1e9 / ($b.time_ns - $a.time_ns)'; }
rate_bps() { jq -n --argjson a "$1" --argjson b "$2" '($b.delivered_bytes - $a.delivered_bytes) * 8e9 / ($b.time_ns - $a.time_ns)'; }
wait_for 5 "the second step" at $(((begin + 1) * 1000000000))
tight_before=$(of_card tight) heavy_before=$(of_card heavy)
rpc cardd profile.start '{"app":"free"}' >/dev/null || fail "no profile"
changes=0
until at $(((begin + 4) * 1000000000)); do
    rpc cardd allocation.set "$(plan 5 $((5000000 + changes % 5 * 1000000)) 1000000)" >/dev/null || fail "a plan is refused under traffic"
    changes=$((changes + 1))
done
tight_after=$(of_card tight) heavy_after=$(of_card heavy)
profile=$(rpc cardd profile.stop '{"app":"free"}')
gone() { ! running "$1"; }
wait_for 15 "the sender ends" gone gen
wait_for 15 "the sink has heard every flow's end" gone sink
say "$changes plans under traffic; tight: $(rate_bps "$tight_before" "$tight_after") bit/s of 1000000; heavy:" \
    "$(cycles_per_s "$heavy_before" "$heavy_after") cycles/s of 10000000; free: $(jq -c '{functions, queue_delay_ns, throughput_bps}' <<<"$profile")"

of() { jq -r --arg app "$1" ".apps[] | select(.app == \$app) | .$2" "$RUN/$3.log"; }
assert_le 4 "$changes" "plans under traffic"
assert_eq "$(of free lost_pkts sink) $(of free reordered_pkts sink) $(of free duplicated_pkts sink)" "0 0 0" "what the application within its share lost"
assert_eq "$(of free received_pkts sink)" "$(of free sent_pkts gen)" "its packets"
rate=$(rate_bps "$tight_before" "$tight_after")
assert_le 970000 "$rate" "rate of the application above its share"
assert_le "$rate" 1030000 "rate of the application above its share"
cycles=$(cycles_per_s "$heavy_before" "$heavy_after")
assert_le 9500000 "$cycles" "cycles/s of the application that needs more than its share"
assert_le "$cycles" 10500000 "cycles/s of the application that needs more than its share"
heavy=$(of_card heavy)
assert_eq "$(jq '([.drops[]] | add) * 0.95 <= .drops.queue_full + .drops.codel and .drops.queue_full > 300 and .drops.codel > 10' <<<"$heavy")" true "drops, nearly all for want of cycles, of $heavy"
# Its own share is two fifths of what it needs. A machine that stands still for longer than its queue holds costs it a little.
assert_le "$(of borrower lost_pkts sink)" 250 "packets of 2500 that the one that borrows what is idle lost"
free=$(of_card free) tight=$(of_card tight)
assert_eq "$(jq '[.drops[]] | add' <<<"$free")" 0 "drops of the application within its share"
assert_eq "$(jq '([.drops[]] | add) == .drops.admission + .drops.delay + .drops.codel and .drops.delay > 500' <<<"$tight")" true "drops, of what waited for too long, of $tight"
# Half of what it served under overload waited no longer than its bound; a histogram's bucket is 1/16 wide.
assert_eq "$(jq '.delay_ns.p50 > 0 and .delay_ns.p50 <= 10700000' <<<"$tight_after")" true "wait of what is served, of $tight_after"
assert_eq "$(jq '.offered_pkts == .delivered_pkts + ([.drops[]] | add)' <<<"$tight")" true "offered is delivered and dropped: $tight"
assert_eq "$(jq '.throughput_bps > 3.6e6 and .functions[0].fn == "forward" and .packets > 1000' <<<"$profile")" true "profile $profile"
assert_eq "$(rpc cardd profile.sweep '{"app":"free","points":4}' | jq '[.points[].cpu_pct] == [25,50,75,100] and .points[0].throughput_bps > 0')" true "sweep"

# ---- DPDK's own telemetry, and a dead card that comes back ----
telemetry=$(find "$RUN/dpdk" -name dpdk_telemetry.v2)
answer=$(printf '/offload/apps' | socat -t 2 - "UNIX-CONNECT:$telemetry,type=5" | tail -n 1)
assert_contains "$answer" '"card0_tight"' "telemetry"
plan_before=$(rpc cardd allocation.get | jq -c '{plan, term, allocations}')
apps_before=$(rpc cardd app.list | jq -c '[.apps[] | {app, card, match, chain, sla, state}]')
stop_spawned cardd KILL
start
assert_eq "$(rpc cardd allocation.get | jq -c '{plan, term, allocations}')" "$plan_before" "plan after a restart"
assert_eq "$(rpc cardd app.list | jq -c '[.apps[] | {app, card, match, chain, sla, state}]')" "$apps_before" "applications after a restart"
refused "$(plan 4 1000000 1000000)" -32003 "4 is below the highest term seen"
in_ns cl ping -c 1 -W 5 10.9.0.2 >/dev/null && fail "what belongs to no application went through"

kill -TERM "$(pid_of cardd)"
wait_for 15 "cardd ends after SIGTERM" gone cardd
assert_eq "$(tail -n 1 "$RUN/cardd.log")" "notice: stopped" "last word"
e2e_pass
