#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stock collectd with feeds, over HTTP from a service that misbehaves in every way: the last good data stay, people are
# told once of a failure and once of its end, values go on, and a calendar and a CSV file stand beside. Then a restart,
# stock plugins' values as signals, and a clock that jumps.
# Limit: 200 s
. "$(dirname "$0")/lib.sh"
e2e_start feed
command -v python3 >/dev/null || skip "python3 is not installed"
echo good >"$RUN/mode"
: >"$RUN/requests"
spawn server python3 "$TOP/tests/e2e/feed_server.py" "$RUN"
wait_up server 20 "the service listens" test -s "$RUN/port"
port=$(cat "$RUN/port")

printf 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Backup\r\nDTSTART:20200101T000000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n' >"$RUN/plan.ics"
now=$(date +%s)
{ echo time,price; for i in 0 1 2 3; do echo "$((now + 3600 * (i - 2))),$((50 + i))"; done; } >"$RUN/price.csv"

config() {
    cat <<CONF
<Plugin offload_forecast>
  StepS 1
  HorizonS 8
  StaleS 10
  RrdDir ""
  Socket "$RUN/forecast.sock"
  StateDir "$RUN/state"
  <Feed "weather">
    URL "http://user:secret@127.0.0.1:$port/forecast?key=secret"
    Format json
    RefreshS 1
    TimeoutS 2
    MaxBytes 1000000
  </Feed>
  <Feed "plan">
    URL "file://$RUN/plan.ics"
    Format ical
    RefreshS 5
  </Feed>
  <Feed "price">
    URL "$RUN/price.csv"
    Format csv
    Value "price"
  </Feed>
  <Signal "web">
    Match "*/web-*/gauge"
    App "web"
    Resource bandwidth
    Capacity 40
  </Signal>
  <Signal "load">
    Match "*/load/load"
    DataSource "shortterm"
    Role predictor
  </Signal>
  <Signal "loopback">
    Match "*/interface-lo/if_octets"
    DataSource "tx"
    App "lo"
    Resource interconnect
    Capacity 1000000000
    Unit "bytes/s"
  </Signal>
</Plugin>
CONF
}
config | collectd_start offload_forecast "load interface"

logged() { grep -q "$1" "$RUN/collectd.log"; }
times() { grep -c "$1" "$RUN/collectd.log"; }
feed() { rpc forecast feed.list | jq -r ".feeds[] | select(.feed == \"$1\") | .$2"; }
feed_is() { [ "$(feed weather error)" = null ] && [ "$(feed weather age_s | cut -d. -f1)" -lt 5 ]; }
wait_for 10 "the service's columns are there" feed_is
assert_eq "$(feed plan columns) $(feed plan error)" "1 null" "the calendar"
assert_eq "$(feed price rows) $(feed price error)" "4 null" "the file"

# Demand follows the weather: 10 while it is cold, 20 while it is warm.
touch "$RUN/feeding"
feeding() {
    local t
    while [ -e "$RUN/feeding" ]; do
        t=$(date +%s)
        printf 'PUTVAL "%s/web-a/gauge" interval=1 %s:%s\n' "$HOST" "$t" $((t % 24 < 12 ? 10 : 20))
        pause 0.5
    done
}
feeding 2>/dev/null | socat - "UNIX-CONNECT:$RUN/bus.sock" >/dev/null 2>&1 &
on_cleanup rm -f "$RUN/feeding"
scored() { bus_get offload_forecast/offload_score-web; }
wait_for 40 "an application's score" scored
explained() { rpc forecast score.explain '{"server":"h1","app":"web"}'; }
has_regressors() { explained | jq -e '.regressors == ["load", "weather.heat", "plan.events", "price.price"]'; }
wait_for 10 "feeds and predictors are regressors" has_regressors

# A person asks: the signal, the models and their parts, whether feeds help (few values decide that either way), how sure,
# and each feed.
tells_all() {
    local told line
    told=$("$(program offloadctl)" explain score h1) || return 1
    for line in 'server h1: score' 'web, bandwidth: P50 .*P90 .*P99' 'models: .*%' 'level  *now' 'regressors \(used\|left out\): ' \
        'so far: errors .*inside the 80 % interval' 'feed weather: 1 columns' 'feed plan: 1 columns' 'feed price: 1 columns'; do
        grep -q "$line" <<<"$told" || { printf '%s\n' "no '$line' in: $told" >"$RUN/explain.log"; return 1; }
    done
}
wait_for 60 "explain score tells all (see explain.log)" tells_all

# Each trouble: told once with the place, the data stay, no secret is shown, values go on, recovery is told once.
trouble() { # MODE MESSAGE
    local before after
    : >"$RUN/requests"
    before=$(times "feed 'weather' is well again")
    echo "$1" >"$RUN/mode"
    wait_for 40 "'$1' is told" logged "feed 'weather' keeps what it got .* s ago: .*$2"
    asked_again() { [ "$(wc -l <"$RUN/requests")" -ge 2 ] || [ "$(feed weather failed)" -ge 2 ]; }
    wait_for 40 "'$1' is tried again" asked_again
    [ "$(feed weather columns)" = 1 ] || fail "the columns are gone after '$1'"
    assert_eq "$(times "feed 'weather' keeps")" "$((before + 1))" "notifications of '$1'"
    echo good >"$RUN/mode"
    is_well() { [ "$(times "feed 'weather' is well again")" -gt "$before" ]; }
    wait_for 60 "recovery from '$1' is told" is_well
    after=$(times "feed 'weather' is well again")
    assert_eq "$after" "$((before + 1))" "notifications of the recovery from '$1'"
}
# fetch.c's first wait after a failure is 5 s, so that few troubles fit into a test; the rest are looked at once each.
trouble 500 "the server answers 500"
trouble html "a page of HTML or XML, not json"
both() { # MODE MESSAGE: the error as the API tells it
    echo "$1" >"$RUN/mode"
    told() { feed weather error | grep -q "$2"; }
    wait_for 30 "'$1' is noticed" told "$1" "$2"
    echo good >"$RUN/mode"
    wait_for 30 "recovery from '$1'" feed_is
}
both cut "the text was cut after"
both huge "more than 1000000 bytes"
both slow "not there after 2 s"
both badutf8 "is not UTF-8"
both nan "NaN is no JSON number"
both loop "more than 5 redirects"
grep -q secret "$RUN/collectd.log" && fail "a password or key is in the log"
scored >/dev/null || fail "the score is gone"

# What has not changed is not sent again.
echo etag >"$RUN/mode"
not_modified() { grep -q "etag 304" "$RUN/requests"; }
wait_for 20 "an ETag is used" not_modified
feed_is || fail "304 is taken as a failure: $(feed weather error)"

feed weather rows >"$RUN/rows"

# A clock that jumps, as the values' times show it: an hour ahead, then right again.
t=$(($(date +%s) + 3600))
for i in 0 1 2; do printf 'PUTVAL "%s/web-a/gauge" interval=1 %s:15\n' "$HOST" $((t + i)); done |
    socat -t 2 - "UNIX-CONNECT:$RUN/bus.sock" >/dev/null
newer() { [ "$(explained | jq -r '.series[0].values')" -gt "$1" ]; }
values=$(explained | jq -r '.series[0].values')
wait_for 20 "values go on" newer "$values"

# A restart while the service is down: history is gone without RRD files, but not what the feeds said last. Of what they
# keep, one file is cut in half and one is of another question.
stop_spawned collectd.daemon
grep -E 'ERROR|plugin_dispatch_values' "$RUN/collectd.log" && fail "errors in collectd's log"
rows=$(cat "$RUN/rows")
for name in weather plan price; do [ -s "$RUN/state/feed-$name.checkpoint" ] || fail "nothing is kept of '$name'"; done
truncate -s 60 "$RUN/state/feed-plan.checkpoint"
cp "$RUN/state/feed-weather.checkpoint" "$RUN/state/feed-price.checkpoint"
mv "$RUN/price.csv" "$RUN/price.away"
echo 500 >"$RUN/mode"
: >"$RUN/collectd.log"
collectd_run
wait_for 20 "the failure is told with the age of what is kept" logged "feed 'weather' keeps what it got [0-9]* s ago: .*answers 500"
assert_le "$rows" "$(feed weather rows)" "the kept rows"
assert_eq "$(feed weather columns) $(times "feed 'weather' keeps")" "1 1" "the kept columns, and how often it was told"
assert_le 0.001 "$(feed weather age_s)" "the age of what is kept"
wait_for 5 "the cut file is told" logged "feed 'plan': .*feed-plan.checkpoint: .*; going on without"
wait_for 5 "what was never said is not made up" logged "feed 'price' has no data: "
assert_eq "$(feed plan error)" null "the calendar whose file was cut"
mv "$RUN/price.away" "$RUN/price.csv"
echo good >"$RUN/mode"
touch "$RUN/feeding"
feeding 2>/dev/null | socat - "UNIX-CONNECT:$RUN/bus.sock" >/dev/null 2>&1 &
wait_for 40 "a score after the restart" scored
lo() { rpc forecast score.explain '{"server":"h1","app":"lo"}' | jq -e '.series[0].p90 != null'; }
wait_for 40 "an interface's counter is forecast" lo
rm -f "$RUN/feeding"
e2e_pass
