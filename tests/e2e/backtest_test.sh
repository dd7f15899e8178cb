#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offloadctl backtest and train lstm as a person uses them: the same bytes whatever the number of threads, RRD files and CSV, the
# picture, the progress bar, training that repeats itself and goes on where it was stopped; and the bench of costs.
# Limit: 300 s
. "$(dirname "$0")/lib.sh"
E2E_PAGES=0
e2e_start backtest
CTL=$(program offloadctl)

say "a benchmark directory: threads do not matter, the seed does"
mkdir "$RUN/dir"
awk -v dir="$RUN/dir" 'BEGIN {
    srand(3); print "series_id,timestamp,value,heat" > dir "/made.csv"
    print "case_id,dataset,file,series_id,first,train_len,horizon,periods,step_seconds,has_regressors,regressors,subset" > dir "/manifest.csv"
    for (s = 1; s <= 6; s++) {
        for (t = 0; t < 252; t++) {
            heat = sin(t / 31) + rand()
            printf "S%d,%d,%.4f,%.4f\n", s, t, 50 + s * 10 * sin(6.2831853 * t / 24) + 20 * heat + 4 * rand(), heat > dir "/made.csv"
        }
        printf "S%d@240,made,made.csv,S%d,0,240,12,24,3600,1,heat,%d\n", s, s, s <= 3 > dir "/manifest.csv"
    }
}'
"$CTL" backtest --benchmark "$RUN/dir" --jobs 1 --out "$RUN/one.csv" --times "$RUN/times.csv" >/dev/null || fail "one thread"
"$CTL" backtest --benchmark "$RUN/dir" --jobs 3 --out "$RUN/three.csv" >/dev/null || fail "three threads"
cmp "$RUN/one.csv" "$RUN/three.csv" || fail "forecasts depend on the number of threads"
assert_eq "$(head -n 1 "$RUN/one.csv")" "case_id,step,mean,lo80,hi80,lo95,hi95" "heading"
assert_eq "$(wc -l <"$RUN/one.csv")" 73 "rows of six cases, twelve steps each"
assert_eq "$(tail -n +2 "$RUN/times.csv" | wc -l)" 6 "cases with their times"
awk -F, 'NR > 1 && !($6 <= $4 && $4 <= $3 && $3 <= $5 && $5 <= $7) { exit 1 }' "$RUN/one.csv" || fail "intervals are not nested"
"$CTL" backtest --benchmark "$RUN/dir" --subset --seed 9 --out "$RUN/nine.csv" >/dev/null || fail "another seed"
assert_eq "$(wc -l <"$RUN/nine.csv")" 37 "rows of the subset"
head -n 37 "$RUN/one.csv" | cmp -s - "$RUN/nine.csv" && fail "the seed is not used"
"$CTL" backtest --benchmark "$RUN/dir" --no-regressors --out "$RUN/without.csv" >/dev/null || fail "without regressors"
assert_le "$(awk -F, 'function size(x) { return x < 0 ? -x : x }
    FNR == 1 { file++; next }
    file == 1 { truth[$1, $2] = $3; next } file == 2 { with += size($3 - truth[$1, $2]) } file == 3 { without += size($3 - truth[$1, $2]) }
    END { print with / without }' <(awk -F, 'FNR > 1 { n[$1]++; if (n[$1] > 240) print $1 "@240," n[$1] - 240 "," $3 } FNR == 1' \
    "$RUN/dir/made.csv") "$RUN/one.csv" "$RUN/without.csv")" 0.8 "error with the regressor over that without it"
assert_fails "did you mean 'sarimax'" "$CTL" backtest --benchmark "$RUN/dir" --model sarimx --out "$RUN/x.csv"

say "a person's own CSV: table, choice, picture"
own=$TOP/tests/data/textbook/air_passengers.csv
"$CTL" backtest "$own" --period 12 --horizon 12 --graph "$RUN/air.svg" >"$RUN/told" || fail "air_passengers.csv"
for word in MASE auto lstm ets sarimax prophet tbats theta stlf snaive 'chosen: '; do
    grep -qF "$word" "$RUN/told" || fail "the table has no '$word': $(cat "$RUN/told")"
done
python3 - "$RUN/air.svg" <<'PY' || fail "the picture"
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
paths = [p.get("d") for p in root.iter("{http://www.w3.org/2000/svg}path")]
assert root.tag.endswith("svg") and len(paths) >= 5, paths # two bands, history, mean, what came
assert all("nan" not in d and d.startswith("M") for d in paths), paths
PY
"$CTL" backtest "$own" --period 12 --model ets --json | jq -e '.[0].models[0] | .mase > 0 and .cov80 >= 0' >/dev/null || fail "as JSON"
printf 't,v\n1,5\n' >"$RUN/short.csv"
assert_fails "short.csv" "$CTL" backtest "$RUN/short.csv"

say "an RRD file of collectd's"
if command -v rrdtool >/dev/null; then
    rrdtool create "$RUN/cpu.rrd" --start 1700000000 --step 60 DS:value:GAUGE:120:U:U RRA:AVERAGE:0.5:1:400 || fail "rrdtool create"
    # shellcheck disable=SC2046
    rrdtool update "$RUN/cpu.rrd" $(awk 'BEGIN { srand(5); for (t = 1; t <= 360; t++) printf "%d:%.3f ", 1700000000 - 1700000000 % 60 + 60 * (t + 1), 50 + 20 * sin(6.2831853 * t / 30) + 2 * rand() }')
    "$CTL" backtest "$RUN/cpu.rrd" --period 30 --horizon 30 --model stlf >"$RUN/told" || fail "cpu.rrd"
    assert_contains "$(cat "$RUN/told")" "60 s a step" "what is told of the RRD file"
    assert_le "$(awk '$1 == "stlf" { print $2 }' "$RUN/told")" 1.2 "MASE of a sine"
    head -c 300 "$RUN/cpu.rrd" >"$RUN/cut.rrd"
    assert_fails "cut.rrd" "$CTL" backtest "$RUN/cut.rrd"
fi

say "training: repeated to the byte, and gone on with where it was stopped"
train() { "$CTL" train lstm --generated "$2" --seed 5 --out "$1" >"$RUN/told" || fail "train: $(cat "$RUN/told")"; }
train "$RUN/a.checkpoint" 256
train "$RUN/b.checkpoint" 256
cmp "$RUN/a.checkpoint" "$RUN/b.checkpoint" || fail "training does not repeat itself"
"$CTL" backtest "$own" --period 12 --model lstm --weights "$RUN/a.checkpoint" >/dev/null || fail "weights that were just made"
head -c 5000 "$RUN/a.checkpoint" >"$RUN/half.checkpoint"
assert_fails "half.checkpoint" "$CTL" backtest "$own" --weights "$RUN/half.checkpoint"

say "the bench of costs says what it misses and measures the rest"
OFFLOAD_BUILD=$BUILD OFFLOAD_COST_SERIES=3 "$TOP/tests/bench/forecast" --cases 1 --no-install >"$RUN/bench" 2>"$RUN/bench.err" || fail "bench: $(cat "$RUN/bench.err")"
for metric in auto_time_vs_auto_arima auto_time_vs_ets update_us refit_10k_series_s bytes_per_series; do
    jq -e -s --arg m $metric 'any(.[]; .metric == $m and .ours > 0)' "$RUN/bench" >/dev/null || fail "no $metric in $(cat "$RUN/bench")"
done
jq -e -s 'any(.[]; .peer == null or .ratio > 0)' "$RUN/bench" >/dev/null || fail "a peer without a ratio"
assert_le "$(jq -s '.[] | select(.metric == "bytes_per_series_most").ours' "$RUN/bench")" 65536 "bytes a series"
e2e_pass
