#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offloadctl with a real card and no manager: it shows what cardd counts, says what it cannot do and why, draws what collectd has kept,
# and keeps its exit statuses.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start offloadctl
CTL=$(program offloadctl)

# exits STATUS COMMAND...: and says on standard error what is in $MESSAGE
exits() {
    local wanted=$1 rc
    shift
    MESSAGE=$("$@" 2>&1 >"$RUN/stdout")
    rc=$?
    assert_eq "$rc" "$wanted" "exit status of '$*' ($MESSAGE)"
}

say "the command line: 2 for misuse, with the nearest word"
exits 2 "$CTL" statsu
assert_contains "$MESSAGE" "'statsu' is no command; did you mean 'status'?" "an unknown command"
exits 2 "$CTL" status --jsn
assert_contains "$MESSAGE" "did you mean '--json'?" "an unknown option"
exits 2 "$CTL" migrate free
assert_contains "$MESSAGE" "--to CARD is missing" "a migration to nowhere"
exits 2 "$CTL" status --to card1
exits 2 "$CTL" apps a b
exits 2 "$CTL" top --interval nonsense
exits 2 "$CTL" explain dream
exits 0 "$CTL" --help
exits 1 "$CTL" status
assert_contains "$MESSAGE" "cardd.sock" "nobody to ask"
assert_eq "$(cat "$RUN/stdout")" "" "standard output of a failure"

cardd_cabled
collectd_start "offload_card offload_path" rrdtool <<END
<Plugin rrdtool>
  DataDir "$RUN/rrd"
  StepSize 1
  HeartBeat 3
  RRARows 3600
  RRATimespan 3600
  CacheTimeout 1
  CacheFlush 2
  RandomTimeout 0
</Plugin>
<Plugin offload_card>
  <Daemon>
    Socket "$RUN/cardd.sock"
  </Daemon>
</Plugin>
<Plugin offload_path>
</Plugin>
END
load_cabled 60

say "status, apps and plan live on cardd's counters"
app_is() { "$CTL" apps "$1" --json | jq -e ".apps[0] | $2"; }
wait_for 15 "free is offered 4 Mbit/s" app_is free '.offered_bps > 3.6e6 and .offered_bps < 4.4e6 and .breached == false and .card == "card0"'
wait_for 10 "tight loses three quarters" app_is tight '.delivered_bps < 1.1e6 and .loss_frac > 0.6 and .breached == true'
"$CTL" status --json | jq -e '.source == "cardd" and (.cards | length) == 2 and (.apps | length) == 2 and (has("counts") | not)' >/dev/null ||
    fail "status as JSON: $("$CTL" status --json)"
status=$("$CTL" status)
assert_contains "$status" "no manager runs here" "status"
assert_eq "$(grep -cE '^(free|tight) +card0 +gold +active +' <<<"$status")" 2 "rows of applications"
assert_eq "$(grep -cE '^card[01] +' <<<"$status")" 2 "rows of cards"
assert_eq "$("$CTL" plan --json | jq -c '[.allocations[] | {app, bandwidth_bps}]')" \
    '[{"app":"free","bandwidth_bps":8000000},{"app":"tight","bandwidth_bps":1000000}]' "the allocations in force"
assert_eq "$("$CTL" apps --json --count 2 --interval 0.2 | jq -s length)" 2 "looks with --count"
exits 1 "$CTL" apps nobody
assert_contains "$MESSAGE" "application 'nobody' is on no card" "an unknown application"

say "what needs a manager says so"
for command in "migrate free --to card1" "explain plan" "explain score h1" "request list" "drain card0" "plan 3"; do
    # shellcheck disable=SC2086
    exits 1 "$CTL" $command
    assert_contains "$MESSAGE" "no manager listens there; start collectd with the plugin offload_manager" "$command"
done

say "profile: cycles of a function under load"
"$CTL" profile free --seconds 1 --json | jq -e '.functions[0] | .fn == "forward" and .cycles_per_pkt.mean > 0' >/dev/null ||
    fail "profile: $("$CTL" profile free --seconds 1)"
"$CTL" profile free --sweep --json | jq -e '.points | length > 1 and .[0].throughput_bps > 0' >/dev/null ||
    fail "sweep: $("$CTL" profile free --sweep)"
exits 1 "$CTL" profile nobody --seconds 1

say "top: plain lines in a pipe, a screen of 80x24 on a terminal, and q ends it"
"$CTL" top --once --json | jq -e '.apps | length > 0' >/dev/null || fail "top --once --json: $("$CTL" top --once --json)"
"$CTL" top --once | grep -qE '^tight +card0 +gold .* BREACH' || fail "top --once: $("$CTL" top --once)"
/usr/bin/python3 "$(dirname "$0")/screen.py" 24 80 3 q "$CTL" top >"$RUN/screen" || fail "top did not end at q"
grep -qE '^tight +card0 +gold .* BREACH' "$RUN/screen" || { cat "$RUN/screen"; fail "top's screen"; }
assert_eq "$(tail -n 1 "$RUN/screen")" "q quits, h helps, every 1 s" "the last line of top's screen"
top_keys() { # KEYS TEXT: the screen after them, before the last, has TEXT
    /usr/bin/python3 "$(dirname "$0")/screen.py" 24 80 1 "$1" "$CTL" top >"$RUN/screen" || fail "top did not end after $1"
    grep -qE "$2" "$RUN/screen" || { cat "$RUN/screen"; fail "top's screen after the keys $1"; }
}
top_keys Pq 'order P$'
top_keys PPq 'order -P$'
top_keys NRiq 'order -N, no idle ones$'
assert_eq "$(grep -oE '^(free|tight) ' "$RUN/screen" | tr -d '\n')" "tight free " "applications in reverse order of their names"
top_keys $'/tig\nq' 'only \*tig\*$'
grep -q '^free ' "$RUN/screen" && fail "what the filter leaves out is shown"
top_keys $'d5\nq' 'every 5 s$'
/usr/bin/python3 "$(dirname "$0")/screen.py" 24 80 1 hqq "$CTL" top >/dev/null || fail "top's help does not end at a key"
/usr/bin/python3 "$(dirname "$0")/screen.py" 10 40 2 q "$CTL" top >"$RUN/screen" || fail "top on 40x10 did not end at q"
exits 0 env TERM=dumb "$CTL" top --count 2 --interval 0.2

say "graph: pictures and charts from collectd's RRD files"
kept() { "$CTL" graph free --rrd-dir "$RUN/rrd" --json | jq -e '[.values[].offered | select(. != null and . > 3.6e6)] | length > 3'; }
wait_for 20 "a few seconds of 4 Mbit/s in the files" kept
"$CTL" graph free --rrd-dir "$RUN/rrd" --start end-20s --out "$RUN/free.svg" || fail "no SVG"
"$CTL" graph card0 --card --rrd-dir "$RUN/rrd" --resource cpu --out "$RUN/card0.png" || fail "no PNG"
grep -q '<svg' "$RUN/free.svg" || fail "free.svg is no SVG"
assert_eq "$(head -c 8 "$RUN/card0.png" | od -An -tx1 | tr -d ' ')" 89504e470d0a1a0a "the PNG's signature"
chart=$(LC_ALL=C.UTF-8 "$CTL" graph free --rrd-dir "$RUN/rrd" --start end-20s --term --width 80)
assert_contains "$chart" "application free: bandwidth" "the chart"
assert_contains "$chart" "█" "demand in the chart"
assert_contains "$chart" "━" "allocation in the chart"
LC_ALL=C "$CTL" graph free --rrd-dir "$RUN/rrd" --width 60 | LC_ALL=C grep -q '[^ -~]' && fail "bytes outside ASCII in a C locale"
exits 1 "$CTL" graph nobody --rrd-dir "$RUN/rrd"
exits 1 "$CTL" graph free --rrd-dir "$RUN/rrd" --out "$RUN/free.gif"
exits 1 "$CTL" graph free --rrd-dir "$RUN/rrd" --start nonsense

# A full disk or a closed pipe is a failure, not a silent half of an answer.
"$CTL" status --json >/dev/full 2>/dev/null && fail "exit status 0 into a full disk"
e2e_pass
