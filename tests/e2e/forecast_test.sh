#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stock collectd with offload_forecast: it starts from the RRD files of days before, forecasts what an
# application on two cards is offered, explains itself, says so when values stop, and refuses a wrong configuration in
# one line.
. "$(dirname "$0")/lib.sh"
e2e_start forecast
command -v rrdtool >/dev/null || skip "rrdtool is not installed"
rrd=$RUN/rrd/$HOST

# What the application is offered at second $1: 20 +- 10 Mbit/s in a season of 24 s.
demand() { awk -v t="$1" 'BEGIN { printf "%.0f", 2e7 + 1e7 * sin(2 * 3.14159265 * t / 24) }'; }

# As the rrdtool plugin lays it out: 200 s at full resolution, 4000 s at 10 s.
rrd_create() { # FILE START
    rrdtool create "$1" --start "$2" --step 1 DS:offered:GAUGE:2:0:U DS:used:GAUGE:2:0:U DS:allocated:GAUGE:2:0:U \
        RRA:AVERAGE:0.5:1:200 RRA:AVERAGE:0.5:10:400 RRA:MAX:0.5:10:400
}

mkdir -p "$rrd/offload_card-card0" "$rrd/offload_card-card1"
now=$(date +%s)
file=$rrd/offload_card-card0/offload_bandwidth-nat1.rrd
rrd_create "$file" $((now - 500))
awk -v from=$((now - 499)) -v to="$now" 'BEGIN { srand(1); for (t = from; t <= to; t++) {
    d = 2e7 + 1e7 * sin(2 * 3.14159265 * t / 24) + 1e6 * (rand() - 0.5); printf " %d:%.0f:%.0f:40000000", t, d, d } }' |
    xargs rrdtool update "$file"
rrd_create "$rrd/offload_card-card1/offload_bandwidth-nat1.rrd" $((now - 500)) # the application was never there
# Files that are not to be trusted: somebody else's, a broken one, a link.
cp "$file" "$rrd/offload_card-card1/offload_bandwidth-fw2.rrd"
chown nobody "$rrd/offload_card-card1/offload_bandwidth-fw2.rrd"
head -c 700 "$file" >"$rrd/offload_card-card1/offload_bandwidth-fw3.rrd"
ln -s "$file" "$rrd/offload_card-card1/offload_bandwidth-fw4.rrd"

start() { # PLUGIN BLOCK LINES
    collectd_start offload_forecast <<END
<Plugin offload_forecast>
  StepS 1
  HorizonS 8
  StaleS 10
  RrdDir "$RUN/rrd"
  WarmStartS 400
  Socket "$RUN/forecast.sock"
  NotifyAbove 45
  NotifyBelow 20
$1
</Plugin>
END
}
logged() { grep -q "$1" "$RUN/collectd.log"; }
between() { awk -v x="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(x >= a && x <= b) }'; }

good='<Signal "bandwidth">
    Resource bandwidth
    Capacity 40000000
  </Signal>'
start "$good"
wait_for 5 "history is read" logged "history of 1 series"
wait_for 5 "files that are not to be trusted are passed over" logged "3 files or folders were passed over, the first: .*fw[234].rrd: "
wait_for 5 "a score from history alone" bus_get offload_forecast/offload_score-card
score=$(bus_get offload_forecast/offload_score-card)
between "$score" 25 95 || fail "demand is 25 to 75 percent of capacity, the score is $score"
grep -q "period 24" "$RUN/collectd.log" || fail "the season of 24 s was not found: $(grep 'of .nat1' "$RUN/collectd.log")"

# Live: each of two cards has half of it.
feed() {
    local t half
    while read -rt 1 <> <(:) || [ -e "$RUN/feeding" ]; do
        t=$(date +%s)
        half=$(($(demand "$t") / 2))
        for card in card0 card1; do
            printf 'PUTVAL "%s/offload_card-%s/offload_bandwidth-nat1" interval=1 %s:%s:%s:20000000\n' \
                "$HOST" "$card" "$t" "$half" "$half"
        done
    done
}
touch "$RUN/feeding"
feed 2>/dev/null | socat - "UNIX-CONNECT:$RUN/bus.sock" >"$RUN/feed.log" 2>&1 &
on_cleanup rm -f "$RUN/feeding"
wait_for 30 "accuracy is told" bus_get offload_forecast-bandwidth/offload_error-nat1 cov80
mase=$(bus_get offload_forecast-bandwidth/offload_error-nat1 mase)
assert_le "$mase" 3 "one-step errors over seasonal naive ones"
p50=$(bus_get offload_forecast-bandwidth/offload_need-nat1 p50)
p90=$(bus_get offload_forecast-bandwidth/offload_need-nat1 p90)
p99=$(bus_get offload_forecast-bandwidth/offload_need-nat1 p99)
next=$(bus_get offload_forecast-bandwidth/offload_next-nat1 p50) || fail "no forecast of the next steps, which shares are made for"
assert_le 1 "$next" "P50 of the next steps"
# The forecast's first step is the one that was going on when it was made, up to 6 s ago: while its models are fitted
# anew, the last one stands.
peak_from() { for h in 0 1 2 3 4 5 6 7; do demand $(($1 + h)); echo; done | sort -n | tail -n 1; }
peaks=$(for ago in 6 5 4 3 2 1 0; do peak_from $(($(date +%s) - ago)); done | sort -n)
low=$(head -n 1 <<<"$peaks") high=$(tail -n 1 <<<"$peaks")
say "need P50 $p50 P90 $p90 P99 $p99, the truth is $low to $high; MASE $mase"
between "$p50" $((low * 8 / 10)) $((high * 12 / 10)) || fail "P50 $p50 is not the sum of both cards, $low to $high"
assert_le "$p50" "$p90" "P50 and P90"
assert_le "$p90" "$p99" "P90 and P99"
between "$(bus_get offload_forecast-bandwidth/offload_demand-nat1 p90)" 10 110 || fail "demand is no percentage of capacity"
between "$(bus_get offload_forecast/offload_limit-card)" 1 1 || fail "bandwidth is not the limit"
between "$(bus_get offload_forecast/offload_lead-card)" 1 8 || fail "lead lies outside the horizon"

# Demand of 30 Mbit/s of 40 was foreseen: told once, though the score goes up and down with the season.
assert_eq "$(grep -c "host 'h1': the score .* has reached 45; bandwidth" "$RUN/collectd.log")" 1 "times that the level was told"

# Why is the score as it is?
answer=$(rpc forecast score.explain '{"server":"h1"}') || fail "no explanation: $answer"
assert_eq "$(jq -r '[.limit, .stale, .series[0].signal, .series[0].app] | join(" ")' <<<"$answer")" \
    "bandwidth false bandwidth nat1" "what is explained"
jq -e '(.series[0].models | length) > 0 and ([.series[0].models[].weight] | add) > 0.99 and (.series[0].text | length) > 0' \
    <<<"$answer" >/dev/null || fail "no models in $answer"
OFFLOAD_RUNDIR=$RUN "$(program offloadctl)" explain score h1 >"$RUN/explain.log" 2>&1 || fail "explain: $(cat "$RUN/explain.log")"
grep -q "nat1.*bandwidth" "$RUN/explain.log" || fail "explain names no series: $(cat "$RUN/explain.log")"
assert_fails "use one of h1" env OFFLOAD_RUNDIR="$RUN" "$(program offloadctl)" explain score h2

# Silence: told once, the score stays, its age grows.
rm -f "$RUN/feeding"
wait_for 20 "staleness is told" logged "its score is stale"
is_older() { between "$(bus_get offload_forecast/offload_age-card)" 12 1000; }
wait_for 20 "the score's age grows" is_older
bus_get offload_forecast/offload_score-card >/dev/null || fail "a stale score is gone"
assert_eq "$(grep -c 'its score is stale' "$RUN/collectd.log")" 1 "times that staleness was told"
stop_spawned collectd.daemon
grep -E 'ERROR|plugin_dispatch_values' "$RUN/collectd.log" && fail "errors in collectd's log"

# Wrong configurations: one line with the key's path, and collectd does not start.
wrong() { # BLOCK LINES, MESSAGE
    rm -f "$RUN/collectd.log"
    (collectd_run() { :; }; start "$1")
    timeout 20 collectd -C "$RUN/collectd.conf" -T >"$RUN/wrong.log" 2>&1 && fail "collectd takes it: $1"
    cat "$RUN/collectd.log" "$RUN/wrong.log" 2>/dev/null | grep -q "offload_forecast: $2" ||
        fail "expected '$2', got: $(cat "$RUN/collectd.log" "$RUN/wrong.log" | grep offload_forecast)"
}
match() { printf '<Signal "%s">\n Match "%s"\n Resource cpu\n Capacity %s\n</Signal>\n' "$@"; }
wrong "${good/Capacity/Capacitty}" 'Signal\[0\].Capacitty: unknown key; did you mean "Capacity"?'
wrong "${good/40000000/-1}" 'Signal\[0\].Capacity: '
wrong "${good/Resource bandwidth/}" 'Signal\[0\].Resource: missing; cpu, bandwidth, memory or interconnect'
wrong "$good
$good" "Signal\[1\].Name: 'bandwidth' is Signal\[0\]'s name; another name"
wrong "$(match all '*/load/*' 1)
$(match one 'h1/load/load' 1)" "Signal\[1\].Match: 'value' of 'h1/load/load' is Signal 'all' already"
wrong "$(match a 'h1/cpu-*/cpu-user' 1)
$(match b '*/cpu-0/*' 1)" "Signal\[1\].Match: '\*/cpu-0/\*' overlaps with 'h1/cpu-\*/cpu-user' of Signal 'a'"
wrong "Model oracle
$good" "Model: 'oracle' is no model; use one of auto, "
wrong "SeasonS 1
$good" 'SeasonS: 1 s are 1 steps; 2 to 4096 steps'
wrong "NotifyBelow 60
$good" 'NotifyBelow: '
feed() { printf '<Feed "w">\n URL "%s"\n Format %s\n %s\n</Feed>\n' "$@"; }
wrong "$(feed ftp://x/y json '')
$good" "Feed\[0\].*URL: 'ftp://x/y' is no address of ours; https://"
wrong "$(feed /x xml '')
$good" 'Feed\[0\].Format: '
wrong "$(feed /x csv 'Path "a.b"')
$good" 'Feed\[0\].Path: only JSON has paths'
wrong "$(feed /x csv 'TimeZone "Mars"')
$good" "Feed\[0\].TimeZone: there is no zone 'Mars'; a name such as Europe/Berlin"
(collectd_run() { :; }; start "$good")
collectd -C "$RUN/collectd.conf" -t >/dev/null || fail "collectd -t refuses a good configuration"

# collectd's own test of a configuration: one read of every plugin.
collectd -C "$RUN/collectd.conf" -T >"$RUN/test.log" 2>&1 || fail "collectd -T: $(tail -n 3 "$RUN/test.log")"
e2e_pass
