#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offloadctl whatif: a site's RRD files and its collectd.conf give what the simulator gives for the same fleet as a scenario; so do
# CSV files and JSON. A learning agent starts from what is shipped.
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
E2E_PAGES=0
e2e_start whatif
CTL=$(program offloadctl)
command -v rrdtool >/dev/null || skip "rrdtool is not installed"
export XDG_CACHE_HOME=$RUN/cache
STEPS=576 STEP=300 BEGIN=1699999200
RRD=$RUN/rrd/h1

say "a week's half of two cards, as rrdtool's files, as CSV, and as a scenario"
mkdir -p "$RUN/sc" "$RRD/offload_card-card0" "$RRD/offload_card-card1" "$RRD/offload_manager"
printf 'app,card,class,weight,cycles_per_byte,burst_bytes,state_bytes,max_delay_ms,max_loss\n' >"$RUN/sc/apps.csv"
i=0
for row in web:card0:gold:4:2 batch:card0:bronze:1:20 edge:card1:gold:4:2 store:card1:silver:2:5; do
    IFS=: read -r app card class weight limit <<<"$row"
    echo "$app,$card,$class,$weight,2,6000,1000000,$limit,0.001" >>"$RUN/sc/apps.csv"
    # Both cards are too small at noon, each at its own.
    awk -v n=$STEPS -v seed=$((++i)) -v at="$BEGIN" -v step=$STEP -v shift="$([ "$card" = card0 ] && echo 0 || echo 3.1416)" 'BEGIN {
        srand(seed); noise = 0
        for (k = 0; k < n; k++) {
            noise = 0.7 * noise + 0.2 * (rand() - 0.5)
            printf "%d,%d\n", at + k * step, 4e8 * (1 + 0.5 * sin(6.2831853 * k / 288 + shift)) * (1 + noise)
        }
    }' >"$RUN/$app.load"
    for kind in bandwidth cpu memory; do
        rrdtool create "$RRD/offload_card-$card/offload_$kind-$app.rrd" --start "$BEGIN" --step $STEP \
            DS:offered:GAUGE:600:0:U DS:used:GAUGE:600:0:U DS:allocated:GAUGE:600:0:U RRA:AVERAGE:0.5:1:$STEPS RRA:AVERAGE:0.5:12:200
    done
    # A step's value comes at its end. 2 cycles a byte on a card of 10^9 cycles are 2.5e-8 percent for bit/s.
    awk -F, -v step=$STEP '{ printf "%d:%d:%d:500000000\n", $1 + step, $2, $2 }' "$RUN/$app.load" | xargs -n 200 rrdtool update "$RRD/offload_card-$card/offload_bandwidth-$app.rrd"
    awk -F, -v step=$STEP '{ printf "%d:%.9g:0:50\n", $1 + step, $2 * 2.5e-8 }' "$RUN/$app.load" | xargs -n 200 rrdtool update "$RRD/offload_card-$card/offload_cpu-$app.rrd"
    awk -F, -v step=$STEP '{ printf "%d:1000000:1000000:50000000\n", $1 + step }' "$RUN/$app.load" | xargs -n 200 rrdtool update "$RRD/offload_card-$card/offload_memory-$app.rrd"
    rrdtool create "$RRD/offload_manager/offload_sla-$app.rrd" --start "$BEGIN" --step $STEP DS:breached:GAUGE:600:0:1 RRA:AVERAGE:0.5:1:$STEPS
    awk -F, -v step=$STEP '{ printf "%d:%d\n", $1 + step, NR % 4 == 0 }' "$RUN/$app.load" | xargs -n 200 rrdtool update "$RRD/offload_manager/offload_sla-$app.rrd"
    { echo time,bps; cat "$RUN/$app.load"; } >"$RUN/$app.csv"
done
printf 'card,server,bandwidth_bps,cycles_per_s,memory_bytes\ncard0,h1,1000000000,1000000000,100000000\ncard1,h1,1000000000,1000000000,100000000\n' >"$RUN/sc/cards.csv"
printf '{"name":"site","steps":%d,"train_steps":%d,"step_s":%d,"migration_ms":0}' $STEPS $((STEPS / 3)) $STEP >"$RUN/sc/scenario.json"
awk -F, 'BEGIN { print "step,app,offered_bps" } FNR == 1 { app = FILENAME; sub(".*/", "", app); sub("[.]load", "", app) } { print FNR - 1 "," app "," $2 }' \
    "$RUN"/{web,batch,edge,store}.load >"$RUN/sc/demand.csv"
cat >"$RUN/collectd.conf" <<'EOF'
Hostname "h1" # a site's own file has more in it
LoadPlugin cpu
<Plugin rrdtool>
  DataDir "/var/lib/collectd/rrd"
</Plugin>
<Plugin offload_manager>
  Agent "q_learning"
  Headroom 1.0
  MigrationCooldownS 21600
  <Card "card0">
    Server "h1"
  </Card>
  <Card "card1">
    Server "h1"
  </Card>
  <Application "web">
    Card "card0"
    Class gold
    MaxDelayMs 2
    MaxLoss 0.001
    BurstBytes 6000
    <Match>
      Proto "udp"
    </Match>
  </Application>
  <Application "batch">
    Card "card0"
    Class "bronze"
    MaxDelayMs 20
    MaxLoss 0.001
  </Application>
  <Application "edge">
    Card "card1"
    Class gold
    MaxDelayMs 2
    MaxLoss 0.001
  </Application>
  <Application "store">
    Card "card1"
    Class silver
    MaxDelayMs 5
    MaxLoss 0.001
  </Application>
</Plugin>
EOF
cat >"$RUN/cards.json" <<'EOF'
{"rundir": "/run/offload", "cards": [{"card": "card0", "capacity": {"cycles_per_s": 1000000000, "bandwidth_bps": 1000000000, "memory_bytes": 100000000}},
    {"card": "card1", "capacity": {"cycles_per_s": 1000000000, "bandwidth_bps": 1000000000, "memory_bytes": 100000000}}]}
EOF
whatif() { "$CTL" whatif "$RUN/collectd.conf" --cards "$RUN/cards.json" --rrd-dir "$RUN/rrd" "$@"; }

say "its figures are the simulator's"
whatif --json >"$RUN/out.json" || fail "whatif: $(cat "$RUN/out.json")"
jq -e '.steps == 576 and .history_steps == 192 and .step_s == 300 and .values_missing == 0 and .recorded_violation_pct == 25' "$RUN/out.json" >/dev/null ||
    fail "the site: $(jq -c 'del(.agents)' "$RUN/out.json")"
for agent in static reactive proportional newsvendor q_learning dqn; do
    "$CTL" simulate --scenario "$RUN/sc" --agent $agent --json >"$RUN/sim.json" || fail "simulate $agent"
    jq -e --slurpfile sim "$RUN/sim.json" --arg agent $agent 'def near(a; b): (a - b | fabs) < 0.02;
        .agents[] | select(.agent == $agent) | near(.violation_pct; $sim[0].violation_pct) and near(.violation_pct_gold; $sim[0].violation_pct_gold) and
        near(.loss_pct; $sim[0].loss_pct) and near(.moves_per_app_day; $sim[0].moves_per_app_day) and .infeasible_card_steps == 0' "$RUN/out.json" >/dev/null ||
        fail "$agent: whatif says $(jq -c --arg agent $agent '.agents[] | select(.agent == $agent)' "$RUN/out.json"), simulate $(jq -c . "$RUN/sim.json")"
done
jq -e '(.agents | map({key: .agent, value: .}) | from_entries) as $a | $a.static.violation_pct > 5 and $a.newsvendor.violation_pct < 0.7 * $a.static.violation_pct' \
    "$RUN/out.json" >/dev/null || fail "static shares are not worse: $(jq -c .agents "$RUN/out.json")"
jq -e '.agents[] | select(.agent == "dqn" or .agent == "q_learning") | .weights | endswith(".checkpoint")' "$RUN/out.json" >/dev/null ||
    fail "a learning agent without what is shipped"

say "JSON and CSV files say the same"
jq -n --arg dir "$RUN" --slurpfile cards "$RUN/cards.json" '{cards: ($cards[0].cards | map(. + {server: "h1"})), apps: [
    ["web", "card0", "gold", 2], ["batch", "card0", "bronze", 20], ["edge", "card1", "gold", 2], ["store", "card1", "silver", 5]] | map({app: .[0], card: .[1],
    sla: {class: .[2], max_delay_ns: (.[3] * 1000000), max_loss_frac: 0.001}, cycles_per_byte: 2, burst_bytes: 6000, state_bytes: 1000000,
    allocation: {cpu_pct: 50, bandwidth_bps: 500000000, memory_bytes: 50000000}, demand: {file: "\($dir)/\(.[0]).csv"}})} | .cards = .cards' >"$RUN/site.json"
"$CTL" whatif "$RUN/site.json" --agent static --json >"$RUN/csv.json" || fail "whatif of CSV files"
jq -e --slurpfile rrd "$RUN/out.json" '(.agents[0].violation_pct - $rrd[0].agents[0].violation_pct | fabs) < 0.02' "$RUN/csv.json" >/dev/null ||
    fail "CSV files: $(jq -c . "$RUN/csv.json")"

say "other cards, coarser steps, lent shares; a table and a picture"
jq '.cards |= map(.capacity.bandwidth_bps = 4000000000 | .capacity.cycles_per_s = 4000000000)' "$RUN/cards.json" >"$RUN/large.json"
"$CTL" whatif "$RUN/collectd.conf" --cards "$RUN/large.json" --rrd-dir "$RUN/rrd" --agent reactive --json | jq -e '.agents[0].violation_pct < 1' >/dev/null ||
    fail "cards four times as large still break SLAs"
whatif --agent static --step 600 --json | jq -e '.steps == 288 and .step_s == 600' >/dev/null || fail "--step"
whatif --agent static --share lent --json | jq -e --slurpfile reserved "$RUN/out.json" '.agents[0].violation_pct <= $reserved[0].agents[0].violation_pct' >/dev/null ||
    fail "lent shares are worse"
whatif --agent static,newsvendor --graph "$RUN/graph.svg" >"$RUN/table" || fail "the table"
assert_contains "$(cat "$RUN/table")" "4 applications on 2 cards, " "what the site is"
assert_contains "$(cat "$RUN/table")" "The manager that ran then recorded 25.00 % broken." "what was recorded"
assert_eq "$(grep -cE '^(static|newsvendor) ' "$RUN/table")" 2 "rows"
assert_eq "$(grep -c '<path stroke="#[c7]' "$RUN/graph.svg")" 2 "lines of the picture"

say "what is wrong is named"
jq '.cards[0].capacity.bandwidth_bps = 0' "$RUN/cards.json" >"$RUN/nothing.json"
assert_fails "the bandwidth of card 'card0' is not told" "$CTL" whatif "$RUN/collectd.conf" --rrd-dir "$RUN/rrd" --cards "$RUN/nothing.json"
assert_fails "holds no bandwidth of application 'web'" "$CTL" whatif "$RUN/collectd.conf" --cards "$RUN/cards.json" --rrd-dir "$RUN/none"
sed '0,/Card "card0"$/s/Card "card0"$/Card "card9"/' "$RUN/collectd.conf" >"$RUN/nowhere.conf"
assert_fails "application 'web' is on card 'card9', which is not there" "$CTL" whatif "$RUN/nowhere.conf" --cards "$RUN/cards.json" --rrd-dir "$RUN/rrd"
sed '$d' "$RUN/collectd.conf" >"$RUN/open.conf"
assert_fails "'<Plugin>' is not closed" "$CTL" whatif "$RUN/open.conf" --cards "$RUN/cards.json" --rrd-dir "$RUN/rrd"
jq '.apps[1].sla.max_delay_ns = -1' "$RUN/site.json" >"$RUN/odd.json"
assert_fails "apps[1].max_delay_ns" "$CTL" whatif "$RUN/odd.json"
assert_fails "steps of 86400 s" "$CTL" whatif "$RUN/site.json" --step 86400
assert_fails "did you mean 'newsvendor'" "$CTL" whatif "$RUN/site.json" --agent newsvender
e2e_pass
