#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# quickstart --tour explains each part as it comes, without a terminal without waiting for anybody, and leaves nothing when it is
# ended in the middle. The whole run takes minutes: it is ended once the suite has carried twelve steps.
# Limit: 200 s
. "$(dirname "$0")/lib.sh"
E2E_PAGES=0
e2e_start tour
export OFFLOAD_RESULT=$RUN/result
assert_fails "usage: quickstart" "$TOP/quickstart" --tours
assert_fails "usage: quickstart" "$TOP/quickstart" --tour --keep

setsid env OFFLOAD_BUILD="$BUILD" "$TOP/quickstart" --tour >"$RUN/tour.log" 2>&1 </dev/null &
tour=$!
on_cleanup kill -TERM -- "-$tour"
told() { ! alive $tour || grep -q "$1" "$RUN/tour.log"; }
wait_for 150 "twelve steps of the adaptive pass" told 'adaptive  step 1[2-9]'
alive $tour || fail "quickstart --tour ended: $(tail -n 5 "$RUN/tour.log")"
run=$(pgrep -s $tour -f tests/demo/pass -a | head -n 1)
[ -n "$run" ] || fail "no pass runs"

say "each part has its explanation before it"
at=0
for text in '== Packages' '| collectd, DPDK and Open vSwitch' '== Build' '| Four plugins' '== The suite in charge' '| Six applications' \
    '| An Open vSwitch of its own' "| The switch now sends" '| collectd finds RRD files' '| Traffic runs' 'adaptive  step'; do
    line=$(grep -n -m 1 "$text" "$RUN/tour.log" | cut -d : -f 1)
    [ "${line:-0}" -gt "$at" ] || fail "'$text' is not told, or not in its place: $(cat "$RUN/tour.log")"
    at=$line
done

say "ended in the middle, it leaves nothing"
pass=$(cat "$RUN/result/adaptive/pid")
kill -TERM -- "-$tour"
gone() { ! pgrep -s "$tour" && ! ip netns list | grep -qE "^of-[a-z]+-$pass\b"; }
wait_for 40 "processes and namespaces are gone" gone
e2e_pass
