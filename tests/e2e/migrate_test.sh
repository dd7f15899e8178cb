#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A NAT44 moves between two cards, there and back, under traffic in both directions: no packet is lost or overtaken, and
# every binding keeps its outside address and port. Both cards on one worker, then each on its own. An abort after the cut
# leads back, just as clean. Nothing that is asked wrongly changes anything.
. "$(dirname "$0")/lib.sh"
e2e_start migrate
. "$(dirname "$0")/migrate_lib.sh"
MOVES=${MOVES:-4} # an even number: the last ends where the first began

# move FROM TO
move() {
    local id
    id=$(uuid)
    prepare "$id" "$1" "$2"
    cut "$id"
    steer "$2"
    vswitchd_ctl revalidator/wait >/dev/null
    step commit "$id"
    wait_for 5 "the old path is empty" is "$id" step committed
    assert_eq "$(status "$id" lost_pkts)" 0 "packets lost by the migration"
    assert_le "$(status "$id" pause_ns)" 200000000 "the pause"
    say "card$1 -> card$2: pause $(status "$id" pause_ns | awk '{ printf "%.2f", $1 / 1e6 }') ms, held $(status "$id" held_pkts), handed on $(status "$id" handed_pkts), copied $(status "$id" copied)"
}
# move_and_abort FROM TO swapped|not: gone over, with the switch or before it, then back again.
move_and_abort() {
    local id
    id=$(uuid)
    prepare "$id" "$1" "$2"
    cut "$id"
    if [ "$3" = swapped ]; then
        steer "$2"
        vswitchd_ctl revalidator/wait >/dev/null
        rpc cardd migration.abort "{\"id\":\"$id\",\"term\":1,\"wait\":true}" >/dev/null || fail "migration.abort"
        steer "$1"
        vswitchd_ctl revalidator/wait >/dev/null
    fi
    step abort "$id"
    wait_for 5 "the destination has forgotten it" is "$id" path_empty true
    assert_eq "$(status "$id" step)" aborted "where it ends"
    assert_eq "$(status "$id" lost_pkts)" 0 "packets lost by the abort"
    say "card$1 -> card$2 and back: pause $(status "$id" pause_ns | awk '{ printf "%.2f", $1 / 1e6 }') ms, held $(status "$id" held_pkts), handed on $(status "$id" handed_pkts)"
}

# under_traffic COMMAND...: runs it while packets go there and back, and looks what became of them.
under_traffic() {
    traffic_start
    "$@"
    traffic_stop
    assert_le 1000 "$(jq .sent "$RUN/client.log")" "packets sent"
    assert_eq "$(jq .lost "$RUN/client.log")" 0 "packets lost"
    assert_eq "$(jq .reordered "$RUN/client.log")" 0 "packets overtaken on the way there and back"
    assert_eq "$(jq .reordered "$RUN/server.log")" 0 "packets overtaken on the way there"
    assert_eq "$(jq .sources "$RUN/server.log")" $FLOWS "outside endpoints of $FLOWS flows"
}

moves() {
    local i
    for ((i = 0; i < MOVES; i++)); do move $((i % 2)) $((1 - i % 2)); done
}
aborts() {
    move_and_abort 0 1 swapped
    move_and_abort 0 1 not
    move_and_abort 0 1 swapped
}

# What is wrong, is said and changes nothing.
refusals() {
    local id here
    id=$(uuid)
    here=$(rpc cardd app.list | jq -c '[.apps[] | [.app, .card, .state]]')
    ask() { rpc cardd migration.prepare "{\"id\":\"$id\",\"term\":1,\"app\":\"$1\",\"from\":\"$2\",\"to\":\"$3\"${4:-}}"; }
    assert_fails "is the card that 'nat' is on; name another" echo_error ask nat card0 card0
    assert_fails "no card 'card9'" echo_error ask nat card0 card9
    assert_fails "'nat' is on 'card0'; name the card that it is on" echo_error ask nat card1 card0
    assert_fails "no app 'tan'" echo_error ask tan card0 card1
    assert_fails "card1.memory_bytes" echo_error ask nat card0 card1 ',"allocation":{"cpu_pct":1,"bandwidth_bps":1000,"memory_bytes":99999999999}'
    assert_fails "no UUID" echo_error rpc cardd migration.prepare '{"id":"7","term":1,"app":"nat","from":"card0","to":"card1"}'
    assert_fails "no migration" echo_error rpc cardd migration.commit "{\"id\":\"$id\",\"term\":1}"
    prepare "$id" 0 1
    assert_fails "migrates already" echo_error rpc cardd migration.prepare "{\"id\":\"$(uuid)\",\"term\":1,\"app\":\"nat\",\"from\":\"card0\",\"to\":\"card1\"}"
    assert_fails "is prepared and cannot commit; start or abort it" echo_error rpc cardd migration.commit "{\"id\":\"$id\",\"term\":1}"
    assert_fails "below the highest term" echo_error rpc cardd migration.abort "{\"id\":\"$id\",\"term\":0}"
    prepare "$id" 0 1 # again: the answer may have been lost
    step abort "$id"
    wait_for 5 "the destination has forgotten it" is "$id" path_empty true
    assert_eq "$(rpc cardd app.list | jq -c '[.apps[] | [.app, .card, .state]]')" "$here" "applications"
}
# A process that is killed in the midst of it comes back with the application where it was.
killed() {
    local id
    id=$(uuid)
    prepare "$id" 0 1
    cut "$id"
    stop_spawned cardd KILL
    rm -f "$RUN"/c[0-9]*.sock
    cardd_start
    wait_for 30 "card0 is up again" card_is_up card0
    assert_eq "$(rpc cardd app.list | jq -c '[.apps[] | [.app, .card, .state]]')" '[["nat","card0","active"]]' "applications after the restart"
    assert_eq "$(status "$id" step)" aborted "the migration that was cut short"
}

for workers in 1 2; do
    if [ $workers = 2 ]; then
        stop_spawned cardd
        rm -rf "$RUN/state"
        mkdir "$RUN/state"
        jq '.lcores.workers += .lcores.workers | .cards[1].worker = 1' "$RUN/cardd.json" >"$RUN/cardd2.json"
        mv "$RUN/cardd2.json" "$RUN/cardd.json"
    fi
    say "$workers worker(s)"
    steer 0
    cardd_start
    for card in card0 card1; do wait_for 30 "$card is up" card_is_up $card; done
    under_traffic moves
    under_traffic aborts
done
under_traffic refusals
killed
e2e_pass
