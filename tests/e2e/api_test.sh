#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The card API is what doc/card-api.md says it is: the document's tables are those that the program prints, its examples
# run as they stand there, every answer is as its schema says, and what a schema forbids is refused by name and changes nothing.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start api
netns_add sw
CARDD=$(program offload-cardd)
DOC=$TOP/doc/card-api.md CLIENT=$(dirname "$0")/api_client.py

# ---- code, schema and document are one ----
"$CARDD" --verbs >"$RUN/verbs"
sed -n '/^<!-- offload-cardd --verbs -->$/,/^<!-- end -->$/p' "$DOC" | sed '1d;$d' >"$RUN/told"
diff -u "$RUN/told" "$RUN/verbs" >&2 || fail "doc/card-api.md tells other verbs; put in what offload-cardd --verbs prints"
"$CARDD" --schema | jq -e '.verbs | length >= 25' >/dev/null || fail "no schema"

# ---- a card, and all verbs ----
eal='["--no-pci","--iova-mode=va","--no-huge","-m","256"]'
jq -n --arg run "$RUN" --argjson eal "$eal" --arg prefix "api-$$" '{rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix,
    eal: $eal, lcores: {main: "0", workers: ["0-1"]}, mbufs: 4096, cards: [{card: "card0", managed: true,
    ports: [{devargs: "net_null0,no-rx=1"}, {devargs: "net_null1,no-rx=1"}],
    capacity: {cycles_per_s: 500000000, bandwidth_bps: 30000000, memory_bytes: 4000000}}]}' >"$RUN/cardd.json"
spawn cardd ip netns exec "$SW" "$CARDD" --config "$RUN/cardd.json"
wait_up cardd 60 "the card API answers" rpc cardd hello
wait_up cardd 30 "card0 is up" card_is_up card0
client() { python3 "$CLIENT" "$RUN/cardd.sock" "$@"; }
n=$(client examples "$DOC") || fail "an example of the document"
say "$n examples of the document"
n=$(client answers) || fail "an answer is not as its schema says"
say "$n verbs' answers are as their schemas say"
n=$(client refusals) || fail "a bad request"
say "$n bad requests are refused by name"
assert_le 400 "$n" "bad requests"

# ---- a card that comes while the others work, and goes when it is told to, with its last application ----
rpc cardd card.add '{"term":1,"card":"card1","ports":[{"devargs":"net_null2,no-rx=1"}],"capacity":{"cycles_per_s":1000000,"bandwidth_bps":1000000,"memory_bytes":1000000}}' >/dev/null ||
    fail "a card is not added"
wait_for 30 "card1 is up" card_is_up card1
app='{"term":1,"app":"guest","card":"card1","match":[{"dport":99,"proto":"udp"}],"chain":[{"fn":"forward"}]}'
rpc cardd app.add "$app" >/dev/null || fail "no application on the new card"
refuses() { # METHOD PARAMS PART
    local answer
    answer=$(rpc cardd "$1" "$2" 2>&1) && fail "accepted: $1 $2"
    assert_contains "$answer" "$3" "refusal of $1"
}
refuses card.remove '{"term":1,"card":"card1"}' "1 applications are on the card, 'guest' among them; remove or move"
assert_eq "$(rpc cardd card.remove '{"term":1,"card":"card1","drain":true}')" '{"state":"draining"}' "answer to a drain"
assert_eq "$(rpc cardd card.get '{"card":"card1"}' | jq -r .state)" draining "state while it drains"
refuses app.add "${app/guest/other}" "the card drains and takes no application; use another card"
rpc cardd app.remove '{"term":1,"app":"guest"}' >/dev/null || fail "its application does not go"
card_gone() { ! rpc cardd card.get '{"card":"card1"}'; }
wait_for 30 "the drained card is gone" card_gone
assert_eq "$(rpc cardd card.list | jq -r '[.cards[].card] | join(" ")')" card0 "the cards that are left"

# ---- who may do what: another user whom the mode lets in reads, and no more ----
chmod 666 "$RUN/cardd.sock" && chmod 711 "$RUN"
as_nobody() { printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' "$1" "$2" |
    setpriv --reuid 65534 --regid 65534 --clear-groups socat -t 10 - "UNIX-CONNECT:$RUN/cardd.sock" | head -n 1; }
assert_eq "$(as_nobody hello '{}' | jq -r .result.role)" read "role of a stranger"
assert_contains "$(as_nobody app.remove '{"term":9,"app":"web1"}')" "role 'read' may not call app.remove; connect as a peer of role 'manage'" "refusal by role"
assert_eq "$(rpc cardd hello | jq -r '.role + " " + (.term | tostring)')" "manage 1" "root's role, and the term after the stranger"
e2e_pass
