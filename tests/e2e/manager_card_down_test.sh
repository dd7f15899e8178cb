#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A card dies with its daemon: the application that is to move begins anew on the sibling, with its flows; the others wait
# for their card. When the card returns, it is told to forget the one that is served elsewhere.
# Limit: 90 s
. "$(dirname "$0")/lib.sh"
e2e_start manager-card-down
netns_add h1
cards_of() { # NAME: an offload-cardd of its own, with card NAME0
    mkdir -p "$RUN/$1/state"
    jq -n --arg card "${1}0" --arg run "$RUN/$1" --arg prefix "down-$1-$$" '
        {rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix, eal: ["--no-pci", "--iova-mode=va", "--no-huge", "-m", "128"],
         lcores: {main: "0", workers: ["0-1"]}, mbufs: 4096, cards: [{card: $card, managed: true,
            capacity: {cycles_per_s: 200000000, bandwidth_bps: 40000000, memory_bytes: 8000000},
            ports: [{devargs: "net_null0,no-rx=1"}, {devargs: "net_null1,no-rx=1"}]}]}' >"$RUN/$1/cardd.json"
    cards_run "$1"
}
cards_run() {
    spawn "cardd-$1" env OFFLOAD_RUNDIR="$RUN/$1" ip netns exec "$(ns h1)" "$(program offload-cardd)" --config "$RUN/$1/cardd.json"
    wait_up "cardd-$1" 30 "its API answers" rpc "$1/cardd" hello
}
cards_of a
cards_of b
application() { # NAME ON-CARD-DOWN PORT
    printf '  <Application "%s">\n    Card "a0"\n    Class "gold"\n    MinBps 2000000\n    OnCardDown "%s"\n    <Match>\n      Proto "udp"\n      Dport %s\n    </Match>\n    Function "forward"\n  </Application>\n' "$@"
}
collectd_start offload_manager <<END
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
  <Card "a0">
    Socket "$RUN/a/cardd.sock"
  </Card>
  <Card "b0">
    Socket "$RUN/b/cardd.sock"
  </Card>
$(application flies move 7001; application stays closed 7002)
</Plugin>
END
on() { [ "$(rpc "$1/cardd" app.list | jq -r '[.apps[] | select(.state == "active") | .app] | sort | join(" ")')" = "$2" ]; }
wait_for 20 "both are active on a0" on a "flies stays"

say "the card dies: who is to move moves, who is to stay stays"
stop_spawned cardd-a KILL
wait_for 20 "flies is active on b0" on b flies
card_of() { rpc manager status.get | jq -r --arg app "$1" '.apps[] | select(.app == $app) | .card'; }
assert_eq "$(card_of flies) $(card_of stays)" "b0 a0" "where the manager has them"

say "the card returns with both: it forgets the one that is served elsewhere"
cards_run a
wait_for 30 "a0 serves stays alone" on a stays
assert_eq "$(card_of flies) $(card_of stays)" "b0 a0" "where the manager has them"
on b flies || fail "flies has suffered: $(rpc b/cardd app.list)"
e2e_pass
