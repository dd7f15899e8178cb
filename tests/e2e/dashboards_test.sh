#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the dashboards and alert rules ask for is what a real collectd with our plugins gives: each of the Prometheus dashboard's
# expressions finds data in a real Prometheus that scrapes write_prometheus, each of the RRD dashboard's targets is an RRD file with
# that data source, and the alerts fire when they should and not else. The report stands by itself and shows in a real browser.
# Limit: 180 s
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start dashboards

# ---- alert rules ----
mkdir "$RUN/rules"
cp "$TOP/conf/alerts/offload.rules.yml" "$TOP/tests/data/alerts/offload_test.yml" "$RUN/rules/"
(cd "$RUN/rules" && promtool check rules offload.rules.yml && promtool test rules offload_test.yml) >"$RUN/promtool.log" 2>&1 ||
    { tail -n 20 "$RUN/promtool.log" >&2; fail "promtool"; }
rules=$(grep -c -- '- alert:' "$TOP/conf/alerts/offload.rules.yml")
assert_eq "$(sed -n 's/.*- alert: //p' "$TOP/conf/alerts/offload.rules.yml" | sort)" \
    "$(sed -n 's/.*alertname: //p' "$TOP/tests/data/alerts/offload_test.yml" | sort -u)" "alerts that are tested"
say "$rules alert rules fire when they should, and not else"

# ---- a real collectd, RRD files and Prometheus ----
cardd_cabled
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
exporter=$(free_port)
collectd_start "offload_card offload_path offload_forecast offload_manager" "write_prometheus rrdtool" <<END
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "$exporter"
</Plugin>
<Plugin rrdtool>
  DataDir "$RUN/rrd"
  StepSize 1
  HeartBeat 5
  CacheTimeout 1
  CacheFlush 2
</Plugin>
<Plugin offload_card>
  <Daemon>
    Socket "$RUN/cardd.sock"
  </Daemon>
</Plugin>
<Plugin offload_path>
  <Path "here">
    Host "127.0.0.1"
    Port 18620
  </Path>
  <Reflector>
    Bind "127.0.0.1"
    Port 18620
    Allow "127.0.0.1"
  </Reflector>
</Plugin>
<Plugin offload_forecast>
  StepS 1
  HorizonS 5
  RrdDir ""
  <Signal "bandwidth">
    Resource bandwidth
    Capacity 20000000
  </Signal>
</Plugin>
<Plugin offload_manager>
  StepS 1
  DryRun true
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  <Card "card0">
    Socket "$RUN/cardd.sock"
  </Card>
</Plugin>
END
load_cabled 90
cat >"$RUN/prometheus.yml" <<END
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$TOP/conf/alerts/offload.rules.yml"]
scrape_configs:
  - job_name: collectd
    honor_labels: true
    static_configs: [{targets: ["127.0.0.1:$exporter"]}]
END
port=$(free_port)
spawn prometheus prometheus --config.file="$RUN/prometheus.yml" --storage.tsdb.path="$RUN/tsdb" --web.listen-address="127.0.0.1:$port"
wait_up prometheus 30 "Prometheus is ready" curl -fsS "http://127.0.0.1:$port/-/ready"

# ask EXPRESSION: how many series it has now.
ask() { curl -fsS --data-urlencode "query=$1" "http://127.0.0.1:$port/api/v1/query" | jq '.data.result | length'; }
has_data() { [ "$(ask "$1")" -gt 0 ]; }
n=0
while read -r expression; do
    wait_for 40 "data for the dashboard's '$expression'" has_data "$expression"
    n=$((n + 1))
done < <(jq -r '(.panels[].targets[].expr, .annotations.list[].expr)
    | gsub("\\$(host|card|app)"; ".*") | gsub(" > 0$"; " >= 0")' "$TOP/conf/dashboards/offload-prometheus.json")
assert_le 15 "$n" "expressions of the dashboard"
rules_loaded() { [ "$(curl -fsS "http://127.0.0.1:$port/api/v1/rules" | jq '[.data.groups[].rules[]] | length')" = "$rules" ]; }
wait_for 5 "Prometheus has loaded the alert rules" rules_loaded
say "$n expressions of the Prometheus dashboard find data"

# has_source HOST:PLUGIN:TYPE:SOURCE
has_source() {
    local file
    file=$RUN/rrd/$(tr : / <<<"${1%:*}").rrd
    rrdtool info "$file" 2>/dev/null | grep -q "^ds\[${1##*:}\]"
}
n=0
while read -r target; do
    wait_for 20 "an RRD file for the dashboard's '$target'" has_source "$target"
    n=$((n + 1))
done < <(jq -r '.panels[].targets[].target' "$TOP/conf/dashboards/offload-rrd.json" | sed "s/\$host/$HOST/; s/\$card/card0/; s/\$app/free/")
assert_le 10 "$n" "targets of the RRD dashboard"
say "$n targets of the RRD dashboard are RRD files of collectd's"

# ---- the report ----
"$(program offloadctl)" report --rrd-dir "$RUN/rrd" --out "$RUN/report.html" || fail "no report"
grep -qE '(src|href)=|https?://|@import|url\(' "$RUN/report.html" && fail "the report asks for something outside of itself"
browse() { timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$RUN/browser" --window-size=1300,1800 "$@" "file://$RUN/report.html" 2>"$RUN/chromium.log"; }
browse --dump-dom >"$RUN/dom.html" || fail "the browser does not open the report"
shown() { python3 -c '
import html.parser, sys
class Seen(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.n, self.text = {}, ""
    def handle_starttag(self, tag, attributes):
        self.n[tag] = self.n.get(tag, 0) + 1
    def handle_data(self, data):
        self.text += data + " "
seen = Seen()
seen.feed(open(sys.argv[1], encoding="utf-8").read())
print(seen.n.get("svg", 0), seen.n.get("path", 0), " ".join(seen.text.split()))' "$RUN/dom.html"; }
text=$(shown)
assert_le 6 "${text%% *}" "pictures in the report"
for part in "Offload cards of $HOST" "Does it suffice?" "bandwidth" "free" "tight" card0 "As it stands"; do
    assert_contains "$text" "$part" "what the browser shows"
done
browse --screenshot="$RUN/report.png" || fail "no screenshot"
assert_le 30000 "$(stat -c %s "$RUN/report.png")" "bytes of the screenshot, which would be few if nothing were drawn"
say "the report in Chromium: $(cut -d' ' -f1-2 <<<"$text" | sed 's/ / pictures, /') curves"
e2e_pass
