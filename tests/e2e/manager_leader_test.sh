#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three managers, one commands: by the lock of a clustered OVSDB, with terms that only grow. The leader is stopped and
# woken, killed, and its OVSDB server killed; each time one other takes over, and the old one does no harm. Then two on one
# host by a lock on a file alone.
# Limit: 150 s
. "$(dirname "$0")/lib.sh"
e2e_start manager-leader
ovs_start
cardd_conf card0:200000000:40000000:16777216 card1:200000000:40000000:16777216
cardd_start
flowd_start
for card in card0 card1; do wait_for 20 "$card is up" card_is_up $card; done
cp --remove-destination "$(plugin_file offload_manager)" "$RUN/plugins/offload_manager.so"

# ---- a cluster of three OVSDB servers ----
raft_start() { # N
    spawn "raft$1" ovsdb-server "$RUN/raft$1.db" --remote="punix:$RUN/raft$1.sock" --unixctl="$RUN/raft$1.ctl" -vconsole:warn
    wait_up "raft$1" 10 "its socket" test -S "$RUN/raft$1.sock"
}
ovsdb-tool create-cluster "$RUN/raft1.db" "$TOP/conf/offload.ovsschema" "unix:$RUN/raft1.raft" || fail "create-cluster"
raft_start 1
for n in 2 3; do
    ovsdb-tool join-cluster "$RUN/raft$n.db" Offload "unix:$RUN/raft$n.raft" "unix:$RUN/raft1.raft" || fail "join-cluster"
    raft_start $n
done
raft_leader() { # N: it leads the cluster
    ovs-appctl -T 2 -t "$RUN/raft$1.ctl" cluster/status Offload | grep -q '^Role: leader'
}
any_raft_leader() { local n; for n in 1 2 3; do raft_leader $n && return; done; return 1; }
joined() { [ "$(ovs-appctl -T 2 -t "$RUN/raft1.ctl" cluster/status Offload | grep -c 'match_index\|(self)')" -ge 3 ]; }
wait_for 20 "the cluster has a leader" any_raft_leader
wait_for 20 "and three members" joined

# ---- managers m1, m2, m3, each a collectd ----
manager_conf() { # NAME LEADER-LINE STATE-DIR
    mkdir -p "$RUN/$1" "$3"
    cat <<END
Hostname "h1"
FQDNLookup false
BaseDir "$RUN/$1"
TypesDB "/usr/share/collectd/types.db" "$TOP/conf/offload-types.db"
Interval 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "$RUN/$1.collectd.log"
  Timestamp true
</Plugin>
PluginDir "$RUN/plugins"
<LoadPlugin offload_manager>
  Interval 1
</LoadPlugin>
<Plugin offload_manager>
  StepS 1
  Agent "proportional"
  StateDir "$3"
  Socket "$RUN/$1.sock"
  FlowdSocket "$RUN/flowd.sock"
  LeaderName "$1"
  $2
  <Card "card0">
    Socket "$RUN/cardd.sock"
    InsidePort "c0in"
    OutsidePort "c0out"
  </Card>
  <Card "card1">
    Socket "$RUN/cardd.sock"
    InsidePort "c1in"
    OutsidePort "c1out"
  </Card>
  <Application "web">
    Card "card0"
    Class "gold"
    <Match>
      Proto "udp"
      Dport 7001
    </Match>
    Function "forward"
  </Application>
</Plugin>
END
}
manager_run() { spawn "$1" collectd -C "$RUN/$1.conf" -f; }
leads() { [ "$(rpc "$1" status.get 2>/dev/null | jq .leading)" = true ]; }
leader() { local m; for m in "$@"; do ! running "$m" || ! leads "$m" || echo "$m"; done; }
one_leads() { [ "$(leader "$@" | wc -l)" = 1 ]; }
term_of_cards() { rpc cardd hello | jq .term; }
term_of() { rpc "$1" hello | jq .term; }
plan_now() { rpc cardd allocation.get | jq .plan; }
row() { ovsdb-client -f json --data=bare dump "unix:$RUN/raft$1.sock" Offload Manager; }
others() { local m; for m in m1 m2 m3; do [ "$m" = "$1" ] || echo "$m"; done; }
# took_over OLD TERM: one of the others leads with a higher term, and the cards and the switch have heard of it.
took_over() {
    local new
    new=$(leader $(others "$1"))
    [ "$(wc -w <<<"$new")" = 1 ] && [ "$(term_of "$new")" -gt "$2" ] && [ "$(term_of_cards)" = "$(term_of "$new")" ] &&
        [ "$(rpc flowd hello | jq .term)" = "$(term_of "$new")" ]
}

say "started together, one commands, and its term is in the database"
remotes="unix:$RUN/raft1.sock,unix:$RUN/raft2.sock,unix:$RUN/raft3.sock"
for m in m1 m2 m3; do
    manager_conf $m "LeaderOvsdb \"$remotes\"" "$RUN/$m" >"$RUN/$m.conf"
    manager_run $m
done
wait_for 20 "one leads" one_leads m1 m2 m3
first=$(leader m1 m2 m3)
wait_for 15 "its term is the cards'" took_over none 0
web_active() { rpc cardd app.list | jq -e '.apps[] | select(.app == "web") | .state == "active"'; }
wait_for 15 "web is active" web_active
term=$(term_of "$first")
assert_contains "$(row 1)" "$first" "the holder in the database"
ctl_status() { # MANAGER
    mkdir -p "$RUN/$1.run"
    ln -sf "../$1.sock" "$RUN/$1.run/manager.sock"
    "$(program offloadctl)" --rundir "$RUN/$1.run" status
}
assert_contains "$(ctl_status "$first")" ", leads" "the leader's status"
knows() { [ "$(rpc "$1" status.get | jq -r .leader)" = "$2" ]; }
for m in $(others "$first"); do
    wait_for 5 "$m knows who leads" knows "$m" "$first"
    assert_contains "$(ctl_status "$m")" ", watches: $first leads" "a watcher's status"
done
plan=$(plan_now)
planned() { [ "$(rpc "$1" status.get | jq .plan)" -gt "$2" ]; }
wait_for 10 "the leader plans" planned "$first" "$plan"
assert_eq "$(leader m1 m2 m3)" "$first" "the leader, later"

say "a leader that is stopped is replaced within two intervals; awake again, it only watches"
kill -STOP "$(pid_of "$first")"
began=$(date +%s%N)
wait_for 10 "another has taken over" took_over "$first" "$term"
second=$(leader $(others "$first"))
# By the plan log: on a busy machine asking who leads takes longer than taking over.
took=$(jq -s --argjson term "$term" --argjson began "$began" '([.[] | select(.term > $term and .applied) | .time_ns] | min - $began) / 1e6 | floor' "$RUN/$second/plans.jsonl")
say "fail-over after $took ms"
[ "$took" -le 3000 ] || fail "the fail-over took $took ms"
term=$(term_of "$second")
kill -CONT "$(pid_of "$first")"
watches() { [ "$(rpc "$1" status.get | jq .leading)" = false ]; }
wait_for 10 "the old leader watches" watches "$first"
plan=$(plan_now)
wait_for 10 "the new one goes on" planned "$second" "$plan"
assert_eq "$(leader m1 m2 m3)" "$second" "who leads"
assert_eq "$(term_of_cards)" "$term" "the term of the cards"
web_active >/dev/null || fail "web has suffered"

say "a killed one is replaced too, and comes back as a watcher"
stop_spawned "$second" KILL
wait_for 10 "another has taken over" took_over "$second" "$term"
third=$(leader $(others "$second"))
term=$(term_of "$third")
manager_run "$second"
wait_for 15 "it watches" watches "$second"
assert_eq "$(leader m1 m2 m3)" "$third" "who leads"

say "with the cluster's leading server goes the lock, not the order"
for n in 1 2 3; do raft_leader $n && break; done
stop_spawned "raft$n" KILL
settled() { one_leads m1 m2 m3 && now=$(leader m1 m2 m3) && [ "$(term_of "$now")" -gt "$term" ] && [ "$(term_of_cards)" = "$(term_of "$now")" ]; }
wait_for 30 "one leads with a higher term" settled
term=$(term_of_cards)
for m in m1 m2 m3; do stop_spawned $m; done

say "without a database: a lock on a file, one leads, the other follows when it is killed"
for m in f1 f2; do
    manager_conf $m "" "$RUN/file" >"$RUN/$m.conf"
    manager_run $m
done
wait_for 15 "one leads" one_leads f1 f2
first=$(leader f1 f2)
other=$([ "$first" = f1 ] && echo f2 || echo f1)
[ "$(term_of "$first")" -gt "$term" ] || fail "the term fell from $term to $(term_of "$first")"
term=$(term_of "$first")
wait_for 5 "$other knows who leads" knows "$other" "$first"
stop_spawned "$first" KILL
wait_for 10 "the other leads" leads "$other"
higher() { [ "$(term_of_cards)" -gt "$term" ]; }
wait_for 10 "with a higher term" higher
assert_fails "'file:x' is no remote" sh -c "sed 's|LeaderName|LeaderOvsdb \"file:x\"\n  LeaderName|' '$RUN/f1.conf' >'$RUN/bad.conf'; sed -i 's/^LoadPlugin logfile//' '$RUN/bad.conf'; collectd -T -C '$RUN/bad.conf'"
e2e_pass
