#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The card API on TCP: only who shows a certificate of the right authority, in time and with a name that cardd.json knows, is
# served, within its role; a client takes only a server that is who it says; new certificates need no restart.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=128
e2e_start apitls
netns_add sw
ip -n "$SW" link set lo up
CARDD=$(program offload-cardd) CTL=$(program offloadctl) CERTS=$RUN/certs PORT=7611
mkdir -p "$CERTS"

# ---- an authority, a foreign one, and who they sign ----
authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
        -keyout "$CERTS/$1.key" -out "$CERTS/$1.crt" 2>/dev/null || fail "openssl makes no authority"
}
sign() { # NAME SAN AUTHORITY [NOT_AFTER_DAYS]
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$CERTS/$1.key" -out "$CERTS/$1.csr" 2>/dev/null
    openssl x509 -req -in "$CERTS/$1.csr" -CA "$CERTS/$3.crt" -CAkey "$CERTS/$3.key" -days "${4:-30}" \
        -extfile <(printf 'subjectAltName=%s' "$2") -out "$CERTS/new.crt" 2>/dev/null || fail "openssl does not sign $1"
    mv "$CERTS/new.crt" "$CERTS/$1.crt"
}
authority ca
authority foreign-ca
sign server "IP:127.0.0.1,DNS:card.example" ca
sign boss DNS:boss.example ca
sign viewer DNS:viewer.example ca
sign unknown DNS:unknown.example ca
sign foreign DNS:boss.example foreign-ca
sign expired DNS:boss.example ca -1

eal='["--no-pci","--iova-mode=va","--no-huge","-m","256"]'
jq -n --arg run "$RUN" --argjson eal "$eal" --arg prefix "apitls-$$" --arg c "$CERTS" '{rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix,
    eal: $eal, lcores: {main: "0", workers: ["0-1"]}, mbufs: 4096,
    listen: {address: "0.0.0.0", cert: ($c + "/server.crt"), key: ($c + "/server.key"), ca: ($c + "/ca.crt"),
        clients: [{name: "boss.example", role: "manage"}, {name: "viewer.example"}]},
    cards: [{card: "card0", ports: [{devargs: "net_null0,no-rx=1"}], capacity: {cycles_per_s: 500000000, bandwidth_bps: 30000000, memory_bytes: 4000000}}]}' >"$RUN/cardd.json"
jq '.listen.clients[1].rol = "read"' "$RUN/cardd.json" >"$RUN/bad.json"
assert_fails 'listen.clients[1].rol: unknown key; did you mean "role"?' "$CARDD" --check-config "$RUN/bad.json"
spawn cardd ip netns exec "$SW" "$CARDD" --config "$RUN/cardd.json"
wait_up cardd 60 "the card API answers" rpc cardd hello

ask() { ip netns exec "$SW" python3 "$(dirname "$0")/api_tls_client.py" $PORT "$CERTS" "$@" 2>"$RUN/serial"; }
log_has() { grep -qF -- "$1" "$RUN/cardd.log"; }

# ---- roles ----
assert_eq "$(ask boss hello '{}' | jq -r .result.role)" manage "role of the certificate boss"
assert_eq "$(ask viewer hello '{}' | jq -r .result.role)" read "role of the certificate viewer"
assert_contains "$(ask viewer card.remove '{"term":1,"card":"card0"}')" "role 'read' may not call card.remove" "a verb above the role"
assert_eq "$(ask viewer card.list '{}' | jq -r '.result.cards[0].card')" card0 "what a reader reads"

# ---- who is not served ----
assert_contains "$(ask unknown hello '{}')" "names none of listen.clients" "a client that cardd.json does not know"
for who in foreign expired -; do
    answer=$(ask "$who" hello '{}')
    case $answer in *result*) fail "'$who' is served: $answer" ;; esac
done
wait_for 10 "the log tells of the foreign certificate" log_has "unable to get local issuer certificate"
wait_for 10 "the log tells of the expired certificate" log_has "certificate has expired"
wait_for 10 "the log tells of who shows none" log_has "peer did not return a certificate"
assert_contains "$(ask boss hello '{}' 1.2)" "failed" "TLS 1.2"

# ---- our own client: name and authority of the server ----
ctl() { # HOST CERT CA
    ip netns exec "$SW" env OFFLOAD_CARDD="tls:$1:$PORT" OFFLOAD_TLS_CERT="$CERTS/$2.crt" OFFLOAD_TLS_KEY="$CERTS/$2.key" OFFLOAD_TLS_CA="$CERTS/$3.crt" \
        "$CTL" --rundir "$RUN/nothing" profile nobody --seconds 1
}
assert_fails "no app 'nobody'" ctl 127.0.0.1 boss ca
assert_fails "role 'read' may not call profile.start" ctl 127.0.0.1 viewer ca
assert_fails "IP address mismatch" ctl 127.0.0.2 boss ca
assert_fails "the peer's certificate is not taken" ctl 127.0.0.1 boss foreign-ca
assert_fails "missing.crt: holds no certificate that can be used: No such file or directory" ctl 127.0.0.1 missing ca
assert_fails "tls:127.0.0.1:$PORT" ctl 127.0.0.1 expired ca

# ---- new certificates without a restart: a changed file, a signal, and a bad file that changes nothing ----
ask boss hello '{}' >/dev/null
before=$(cat "$RUN/serial")
sign server "IP:127.0.0.1" ca
is_new() { ask boss hello '{}' && [ "$(cat "$RUN/serial")" != "$before" ]; }
wait_for 15 "the new certificate is shown" is_new
before=$(cat "$RUN/serial")
echo nonsense >"$CERTS/server.crt"
kill -HUP "$(pid_of cardd)"
wait_for 10 "the log tells of the bad file" log_has "those of before stay in use"
assert_eq "$(ask boss hello '{}' | jq -r .result.role)" manage "service after a bad file"
assert_eq "$(cat "$RUN/serial")" "$before" "certificate after a bad file"
e2e_pass
