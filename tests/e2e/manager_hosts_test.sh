#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One manager for two hosts. Each host is a network namespace with its own offload-cardd and collectd; forecasts and card
# values of h2 come to the manager on h1 over collectd's stock network plugin, encrypted. It plans for both, moves nothing
# from one to the other, believes no one without the password, and leaves a host that falls silent as it is.
#
#   h2: cardd (h2c0, h2c1), collectd: offload_card, network --encrypted UDP--> h1: collectd: network, offload_manager; cardd (h1c0, h1c1)
# Limit: 120 s
. "$(dirname "$0")/lib.sh"
e2e_start manager-hosts
netns_add h1
netns_add h2
ip link add e0 netns "$(ns h1)" type veth peer name e0 netns "$(ns h2)" || fail "cannot add a veth pair"
for n in 1 2; do
    ip -n "$(ns h$n)" addr add "10.8.0.$n/24" dev e0
    ip -n "$(ns h$n)" link set e0 up
done

# ---- cards ----
host_cards() { # HOST
    mkdir -p "$RUN/$1/state"
    jq -n --arg host "$1" --arg run "$RUN/$1" --arg prefix "hosts-$1-$$" '
        def card($name; $a): {card: $name, managed: true,
            capacity: {cycles_per_s: 200000000, bandwidth_bps: 40000000, memory_bytes: 8000000},
            ports: [{devargs: "net_null\($a),no-rx=1"}, {devargs: "net_null\($a + 1),no-rx=1"}]};
        {rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix, eal: ["--no-pci", "--iova-mode=va", "--no-huge", "-m", "128"],
         lcores: {main: "0", workers: ["0-1"]}, mbufs: 4096, cards: [card($host + "c0"; 0), card($host + "c1"; 2)]}' >"$RUN/$1/cardd.json"
    spawn "cardd-$1" env OFFLOAD_RUNDIR="$RUN/$1" ip netns exec "$(ns "$1")" "$(program offload-cardd)" --config "$RUN/$1/cardd.json"
    wait_up "cardd-$1" 30 "its API answers" rpc "$1/cardd" hello
}
host_cards h1
host_cards h2
up() { [ "$(rpc "$1/cardd" card.list | jq '[.cards[] | select(.state == "up")] | length')" = 2 ]; }
for host in h1 h2; do wait_for 30 "the cards of $host are up" up $host; done

# ---- collectds ----
for plugin in offload_manager offload_card; do cp --remove-destination "$(plugin_file $plugin)" "$RUN/plugins/$plugin.so"; done
echo "cards: secret-of-the-cards" >"$RUN/auth"
chmod 600 "$RUN/auth"
collectd_of() { # NAME HOST <BODY
    mkdir -p "$RUN/$1.base"
    {
        printf 'Hostname "%s"\nFQDNLookup false\nBaseDir "%s"\nPIDFile "%s"\n' "$2" "$RUN/$1.base" "$RUN/$1.own.pid"
        printf 'TypesDB "/usr/share/collectd/types.db" "%s"\nInterval 1\nWriteThreads 1\n' "$TOP/conf/offload-types.db"
        printf 'LoadPlugin logfile\n<Plugin logfile>\n  LogLevel info\n  File "%s"\n  Timestamp true\n</Plugin>\n' "$RUN/$1.collectd.log"
        printf 'PluginDir "/usr/lib/collectd"\nLoadPlugin unixsock\nLoadPlugin network\n'
        printf '<Plugin unixsock>\n  SocketFile "%s"\n  SocketPerms "0660"\n  DeleteSocket true\n</Plugin>\n' "$RUN/$1.bus"
        cat
    } >"$RUN/$1.conf"
    spawn "$1" ip netns exec "$(ns "$2")" collectd -C "$RUN/$1.conf" -f
    wait_up "$1" 20 "its socket answers" collectdctl -s "$RUN/$1.bus" listval
}
sender() { # SECURITY LINES
    printf '<Plugin network>\n  <Server "10.8.0.1" "25826">\n%s\n  </Server>\n</Plugin>\n' "$1"
}
application() { # NAME CARD CLASS PORT
    printf '  <Application "%s">\n    Card "%s"\n    Class "%s"\n    MinBps 2000000\n    MaxDelayMs 20\n    <Match>\n      Proto "udp"\n      Dport %s\n    </Match>\n    Function "forward"\n  </Application>\n' "$@"
}
card() { printf '  <Card "%s">\n    Server "%s"\n    Socket "%s"\n  </Card>\n' "$1" "$2" "$RUN/$2/cardd.sock"; }
collectd_of m1 h1 <<END
<Plugin network>
  <Listen "10.8.0.1" "25826">
    SecurityLevel "Encrypt"
    AuthFile "$RUN/auth"
  </Listen>
</Plugin>
PluginDir "$RUN/plugins"
<LoadPlugin offload_manager>
  Interval 1
</LoadPlugin>
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  StateDir "$RUN/state"
  Socket "$RUN/manager.sock"
$(card h1c0 h1; card h1c1 h1; card h2c0 h2; card h2c1 h2)
$(application web h1c0 gold 7001; application far h2c0 gold 7002; application batch h2c0 bronze 7003)
</Plugin>
END
good="    SecurityLevel \"Encrypt\"
    Username \"cards\"
    Password \"secret-of-the-cards\""
collectd_of c2 h2 <<END
$(sender "$good")
PluginDir "$RUN/plugins"
<LoadPlugin offload_card>
  Interval 1
</LoadPlugin>
<Plugin offload_card>
  <Daemon>
    Socket "$RUN/h2/cardd.sock"
  </Daemon>
</Plugin>
END

put() { # COLLECTD IDENTIFIER VALUES: onto the bus of that collectd, and out of its network buffer
    printf 'PUTVAL "%s" interval=2 N:%s\nFLUSH plugin=network\n' "$2" "$3" | socat -t 2 - "UNIX-CONNECT:$RUN/$1.bus" | grep -q '^0 Success' || fail "PUTVAL at $1"
}
need() { put "$1" "$2/offload_forecast-bandwidth/offload_need-$3" "$4"; }
card_of() { rpc "$1/cardd" app.list | jq -r --arg app "$2" '[.apps[] | select(.app == $app) | .card] | join("+")'; }
share() { rpc "$1/cardd" allocation.get | jq -e --arg app "$2" '.allocations[] | select(.app == $app) | .bandwidth_bps'; }
status() { rpc manager status.get; }
active() { [ "$(status | jq '[.apps[] | select(.state == "active")] | length')" = 3 ]; }
plan_is_at_least() { [ "$(status | jq .plan)" -ge "$1" ]; }
known() { status | jq -e --arg app "$1" --argjson p50 "$2" '.apps[] | select(.app == $app) | .need_p50_bps == $p50'; }

say "one manager admits on both hosts"
wait_for 20 "three applications are active" active
assert_eq "$(card_of h1 web)/$(card_of h2 far)" "h1c0/h2c0" "where they are"

say "what h2 forecasts reaches the manager encrypted, and h2's cards get their shares"
gives_far() { need c2 h2 far 22e6:24e6:26e6 && need c2 h2 batch 2e6:3e6:4e6 && [ "$(share h2 far)" -ge 24000000 ]; }
wait_for 20 "far has what it needs" gives_far
put c2 h2/offload_forecast/offload_score-card 64
scored() { status | jq -e '.servers[] | select(.server == "h2") | .score == 64 and (.stale | not)'; }
wait_for 10 "h2's score is known" scored

say "who has no password, or a wrong one, is not believed"
datagrams() { ip netns exec "$(ns h1)" nstat -asz UdpInDatagrams | awk '/UdpInDatagrams/ { print $2 }'; }
for security in '    SecurityLevel "None"' "    SecurityLevel \"Encrypt\"
    Username \"cards\"
    Password \"guessed\""; do
    collectd_of intruder h2 < <(sender "$security")
    before=$(datagrams)
    arrived() { need intruder h2 far 1e6:1e6:1e6 && [ "$(datagrams)" -ge $((before + 5)) ]; }
    wait_for 15 "the intruder's datagrams have arrived" arrived
    ! known far 1000000 >/dev/null || fail "the manager believed a stranger"
    stop_spawned intruder
done
needs_far() { need c2 h2 far 22e6:24e6:26e6 && known far 22000000; }
wait_for 10 "h2 itself is believed still" needs_far

say "a card of h2 that will be full gives to its sibling, never to h1"
batch_moved() { need c2 h2 far 26e6:30e6:32e6 && need c2 h2 batch 14e6:18e6:20e6 && [ "$(card_of h2 batch)" = h2c1 ]; }
wait_for 30 "batch is on h2c1" batch_moved
over() { rpc manager migrate.list | jq -e '[.migrations[] | select(.step != "committed" and .step != "aborted")] == []'; }
wait_for 10 "that move is over" over
assert_eq "$(rpc h1/cardd app.list | jq -r '[.apps[].app] | join(" ")')" web "the applications of h1"

say "a host that falls silent is not drained"
moves=$(rpc manager migrate.list | jq '.migrations | length')
stop_spawned c2
stale() { status | jq -e '.servers[] | select(.server == "h2") | .stale'; }
wait_for 30 "h2's score is stale" stale
plan=$(status | jq .plan)
wait_for 20 "the manager plans on" plan_is_at_least $((plan + 5))
assert_eq "$(card_of h2 far) $(card_of h2 batch)" "h2c0 h2c1" "where h2's applications are"
[ "$(share h2 far)" -ge 2000000 ] || fail "far has less than its guarantee: $(share h2 far)"
assert_eq "$(rpc manager migrate.list | jq '.migrations | length')" "$moves" "moves since h2 fell silent"

say "nor is one whose cards do not answer"
stop_spawned cardd-h2 KILL
down() { status | jq -e '[.cards[] | select(.server == "h2") | .state == "down"] | all'; }
wait_for 20 "h2's cards are down" down
plan=$(status | jq .plan)
wait_for 20 "the manager plans on for h1" plan_is_at_least $((plan + 3))
assert_eq "$(status | jq -r '[.apps[] | select(.app != "web") | .card] | join(" ")')" "h2c0 h2c1" "where h2's applications are counted"
assert_eq "$(rpc h1/cardd app.list | jq -r '[.apps[].app] | join(" ")')" web "the applications of h1"
e2e_pass
