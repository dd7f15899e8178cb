#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What each command of offloadctl prints with --json, with real daemons behind it, is what doc/offloadctl-json.md says: no key more, none
# less. Exit statuses; --watch; bars over what takes long, and only on a terminal.
# Limit: 200 s
. "$(dirname "$0")/lib.sh"
e2e_start offloadctl-json
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
here=$(dirname "$0")
. "$here/site.sh"
"$TOP/doc/man/json_schema.py" "$TOP/doc/offloadctl-json.md" >"$RUN/schema.json" || fail "no schema comes of doc/offloadctl-json.md"

# valid SECTION COMMAND...: prints what the section of the page says.
valid() {
    local section=$1 rc fault
    shift
    "$@" >"$RUN/out.json" 2>"$RUN/err"
    rc=$?
    [ $rc -le "${WORST:-0}" ] || fail "$*: exit status $rc: $(cat "$RUN/err")"
    fault=$(/usr/bin/python3 "$here/json_valid.py" "$RUN/schema.json" "$section" <"$RUN/out.json" 2>&1) || fail "$*: $fault; see $RUN/out.json"
    echo "$section" >>"$RUN/validated"
}

say "without daemons: doctor, backtest, simulate, train"
WORST=1 valid doctor "$CTL" doctor --json
valid "backtest FILE" "$CTL" backtest "$TOP/tests/data/textbook/air_passengers.csv" --model ets --json
valid "backtest FILE" "$CTL" backtest "$TOP/tests/data/textbook/nile.csv" "$TOP/tests/data/textbook/us_acc_deaths.csv" --json
export HOME=$RUN # where forecasts of a trace are kept
valid simulate "$CTL" simulate --scenario "$TOP/tests/data/commute" --agent proportional --json
valid simulate "$CTL" simulate --scenario "$TOP/tests/data/commute" --agent newsvendor --share lent --json
awk 'BEGIN { print "time,bps"; for (k = 0; k < 120; k++) print 1700000000 + 300 * k "," 4e8 + 1e8 * (k % 7) }' >"$RUN/load.csv"
cat >"$RUN/site.json" <<EOF
{"cards": [{"card": "c0", "capacity": {"bandwidth_bps": 1000000000}}], "apps": [{"app": "web", "card": "c0", "demand": {"file": "$RUN/load.csv"}}]}
EOF
valid whatif "$CTL" whatif "$RUN/site.json" --agent static,q_learning --json
valid "train agent" "$CTL" train agent q_learning --scenario "$TOP/tests/data/commute" --generated 2 --out "$RUN/q.checkpoint" --json
valid "train lstm" "$CTL" train lstm --generated 64 --out "$RUN/lstm.weights" --json

say "two cards, a switch, telemetry, forecasts and a manager"
site_cards
valid status "$CTL" status --json
valid plan "$CTL" plan --json
valid migrations "$CTL" migrations --json
valid apps "$CTL" apps --json
site_manager
valid status "$CTL" status --json
valid status "$CTL" top --once --json
valid apps "$CTL" apps web --json --count 2 --interval 0.2
wait_for 20 "a plan" has plan '.applied and (.allocations | length) > 0'
valid plan "$CTL" plan --json
valid plan "$CTL" plan --watch --count 2 --interval 0.3 --json
assert_eq "$(jq -s length <"$RUN/out.json")" 2 "looks of plan --watch --count 2"
valid "explain plan" "$CTL" explain plan --json
valid "explain plan" "$CTL" explain plan "$("$CTL" plan --json | jq .plan)" --log "$RUN/state/plans.jsonl" --json
valid replay "$CTL" replay --log "$RUN/state/plans.jsonl" --json
valid "replay N" "$CTL" replay "$("$CTL" plan --json | jq .plan)" --log "$RUN/state/plans.jsonl" --json
valid "request list" "$CTL" request list --count 2 --interval 0.2 --json
echo '{"app":"late","card":"card1","match":[{"proto":"udp","dport":7009}],"chain":[{"fn":"forward"}]}' >"$RUN/late.json"
valid "request submit" "$CTL" request submit "$RUN/late.json" --json
valid "request withdraw" "$CTL" request withdraw late --json
valid profile "$CTL" profile web --seconds 1 --json
valid "profile --sweep" "$CTL" profile web --sweep --json
kept() { [ "$("$CTL" graph web --rrd-dir "$RUN/rrd" --json | jq '[.values[].offered | select(. != null)] | length')" -gt 3 ]; }
wait_for 30 "a few seconds are in the RRD files" kept
valid graph "$CTL" graph web --rrd-dir "$RUN/rrd" --json
wait_for 60 "web is forecast" has explain score "$HOST" '[.series[] | select(.app == "web" and (.being_fitted | not) and .p90 != null)] | length > 0'
valid "explain score" "$CTL" explain score "$HOST" --json
"$CTL" top --once | grep -qE '^web .* ok .*[^ ]>[^ ]+$' || fail "no fan in top: $("$CTL" top --once)"
/usr/bin/python3 "$here/screen.py" 24 80 2 q "$CTL" top >"$RUN/screen" || fail "top did not end at q"
grep -qE '^web .* ok .*[^ ]>[^ ]+$' "$RUN/screen" || { cat "$RUN/screen"; fail "no fan on top's screen"; }
mv "$RUN/forecast.sock" "$RUN/forecast.away"
valid "explain score" "$CTL" explain score "$HOST" --json
mv "$RUN/forecast.away" "$RUN/forecast.sock"
valid migrations "$CTL" migrate web --to card1 --watch --json
settled() { has status '[.migrations[] | select(.step != "committed" and .step != "aborted")] == [] and .apps[0].state == "active"'; }
wait_for 20 "it has settled" settled
valid migrate "$CTL" migrate web --to card0 --json
wait_for 20 "it has settled again" settled
valid status "$CTL" status --json
valid drain timeout 60 "$CTL" drain card0 --watch --json
assert_contains "$(cat "$RUN/err")" "0 applications are on it" "drain --watch tells"
valid drain "$CTL" undrain card0 --json

say "every section of the page was seen, and every command has one or refuses --json"
# A benchmark directory takes minutes; its three keys are those of tools/cmd_backtest.c.
echo "backtest --benchmark" >>"$RUN/validated"
assert_eq "$(sed -n 's/^## //p' "$TOP/doc/offloadctl-json.md" | sort)" "$(sort -u "$RUN/validated")" "sections of the page against those validated"
for command in $("$CTL" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
    case $command in
        top | undrain) ;; # stand under status and drain
        import | report) assert_fails "takes no option --json" "$CTL" "$command" --json ;;
        *) grep -qE "^## $command( |\$)" "$TOP/doc/offloadctl-json.md" || fail "doc/offloadctl-json.md has no section for '$command'" ;;
    esac
done

say "exit statuses"
status_of() { "$@" >/dev/null 2>&1; echo $?; }
assert_eq "$(status_of "$CTL" apps nobody)" 1 "of what is not there"
assert_eq "$(status_of "$CTL" request list --cuont 2)" 2 "of a wrong option"
assert_eq "$(status_of "$CTL" request submit "$RUN/late.json" --watch)" 2 "of an option that belongs elsewhere"
assert_eq "$("$CTL" status --json 2>/dev/null >/dev/full; echo $?)" 1 "of a full disk"

say "a bar on a terminal for what takes long, and none in a pipe"
/usr/bin/python3 "$here/screen.py" 24 80 3 x "$CTL" profile web --seconds 5 >"$RUN/screen" || fail "profile on a terminal"
grep -qE '^\[#+.*\] [23] of 5 seconds, [23] s left' "$RUN/screen" || { cat "$RUN/screen"; fail "no bar over profile"; }
assert_eq "$("$CTL" profile web --seconds 2 2>&1 >/dev/null)" "" "standard error of profile in a pipe"
e2e_pass
