#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Limit: 200 s. A cardd that is killed (-9) under traffic comes back with every NAT binding: by itself, in each step of a
# migration, and after an orderly stop. Exactly one card has the application, its flows keep their outside endpoints, and
# no file of state is left over. OFFLOAD_FULL=1 repeats each case.
. "$(dirname "$0")/lib.sh"
e2e_start killed
TRAFFIC_S=600
. "$(dirname "$0")/migrate_lib.sh"
REPEAT=${REPEAT:-$([ "${OFFLOAD_FULL:-0}" = 1 ] && echo 5 || echo 1)}
here=0 # the card that has it

now_ms() { echo $(($(date +%s%N) / 1000000)); }
packets() { rpc cardd app.list '{"app":"nat"}' | jq '.apps[0].functions[0].packets'; }
flows_again() { [ "$(packets)" -gt 0 ]; }
# restart CASE SIGNAL: ends cardd, starts it again, and looks at what became of it.
restart() {
    local began api traffic apps
    stop_spawned cardd "$2"
    began=$(now_ms)
    cardd_start
    api=$(($(now_ms) - began))
    apps=$(rpc cardd app.list | jq -c '[.apps[] | [.app, .card, .state]]')
    assert_eq "$apps" "[[\"nat\",\"card$here\",\"active\"]]" "$1: who has the application"
    steer "$here" # what the manager has flowd do
    wait_for 60 "$1: packets flow again" flows_again
    traffic=$(($(now_ms) - began))
    assert_eq "$(rpc cardd app.list '{"app":"nat"}' | jq -c '.apps[0].functions[0] | [.recovered, .torn]')" "[$FLOWS,0]" "$1: bindings taken over, and torn"
    assert_eq "$(find "$(memory_dir)" -type f | wc -l)" 1 "$1: files of state"
    printf '  | %-28s | card%s | %s bindings | API after %s ms, traffic after %s ms |\n' "$1" "$here" $FLOWS $api $traffic
}
ends_as() { # CASE ID STEP
    assert_eq "$(status "$2" step)" "$3" "$1: the migration"
}
# killed_at STEP: a migration to the other card is led up to STEP, then cardd dies.
killed_at() {
    local id to=$((1 - here)) ends=aborted
    id=$(uuid)
    for card in card0 card1; do wait_for 60 "$card is up" card_is_up $card; done
    prepare "$id" $here $to
    [ "$1" = prepared ] || step start "$id"
    case $1 in cutting | switched | swapped)
        wait_for 20 "the rest is small" is "$id" ready true
        step cutover "$id" ;;
    esac
    case $1 in switched | swapped)
        wait_for 20 "the destination serves" is "$id" ready true
        steer $to ;;
    esac
    if [ "$1" = swapped ]; then
        step commit "$id"
        here=$to ends=committed
    fi
    restart "$1" KILL
    ends_as "$1" "$id" $ends
}

steer 0
cardd_start
for card in card0 card1; do wait_for 60 "$card is up" card_is_up $card; done
traffic_start
for ((round = 0; round < REPEAT; round++)); do
    restart "serving" KILL
    restart "serving, orderly stop" TERM
    for at in prepared copying cutting switched swapped; do killed_at $at; done
done
traffic_stop
assert_eq "$(jq .sources "$RUN/server.log")" $FLOWS "outside endpoints of $FLOWS flows, all kills long"

# A file of another format is left alone, and said so; the card serves.
stop_spawned cardd
file=$(find "$(memory_dir)" -type f)
printf 'X' | dd of="$file" conv=notrunc status=none
cardd_start
grep -q "is of another version or boot" "$RUN/cardd.log" || fail "a foreign file is not told of"
assert_eq "$(rpc cardd app.list '{"app":"nat"}' | jq '.apps[0].functions[0].entries')" 0 "bindings of a foreign file"
e2e_pass
