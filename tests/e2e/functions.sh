# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One card between two hosts, for tests of functions with programs that are not ours:
#
#   netns cl (10.9.0.1) e0 -- veth -- [ card0: inside, outside ] -- veth -- e0 (10.9.0.2) netns sv
#
# functions_start NAME; functions_card APPS_JSON
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
HERE=$(dirname "${BASH_SOURCE[0]}")

functions_start() {
    local side name address port
    E2E_PAGES=160
    e2e_start "$1"
    netns_add sw
    for side in cl:10.9.0.1:c0in sv:10.9.0.2:c0out; do
        IFS=: read -r name address port <<<"$side"
        netns_add "$name"
        ip link add e0 netns "$(ns "$name")" type veth peer name "$port" netns "$SW" || fail "cannot add a veth pair"
        ip -n "$(ns "$name")" addr add "$address/24" dev e0
        ip -n "$(ns "$name")" link set e0 up
        ip -n "$SW" link set "$port" up
        ip netns exec "$(ns "$name")" ethtool -K e0 tx off gso off tso off gro off >/dev/null 2>&1
    done
    CL_MAC=$(in_ns cl cat /sys/class/net/e0/address)
    SV_MAC=$(in_ns sv cat /sys/class/net/e0/address)
}

functions_card() { # APPS_JSON: a list of {app, match, chain}
    local eal='["--no-pci","--in-memory","--iova-mode=va","-m","256"]'
    [ "$TOPOLOGY" = B4 ] || eal='["--no-pci","--iova-mode=va","--no-huge","-m","256"]'
    jq -n --arg run "$RUN" --argjson eal "$eal" --arg prefix "$E2E_NAME-$$" --arg last "$(($(nproc) - 1))" --argjson apps "$1" '
        {rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix, eal: $eal, lcores: {main: "0", workers: ["0-" + $last]}, mbufs: 16384,
         cards: [{card: "card0", ports: [{devargs: "net_af_packet0,iface=c0in,framecnt=4096"}, {devargs: "net_af_packet1,iface=c0out,framecnt=4096"}]}],
         apps: [$apps[] + {card: "card0"}]}' >"$RUN/cardd.json"
    spawn cardd ip netns exec "$SW" "$(program offload-cardd)" --config "$RUN/cardd.json"
    wait_up cardd 30 "the card API answers" rpc cardd hello
    wait_up cardd 20 "card0 is up" card_is_up card0
}

fn_of() { # APP FN FIELD: of app.list's row of that function
    rpc cardd app.list "{\"app\":\"$1\"}" | jq -c --arg fn "$2" ".apps[0].functions[] | select(.fn == \$fn) | .$3"
}

chain_update() { # APP CHAIN_JSON
    rpc cardd app.update "$(jq -nc --arg app "$1" --argjson chain "$2" '{term: 1, app: $app, chain: $chain}')" >/dev/null || fail "the card refuses the new chain"
}

tcp_listens() { # NETNS PORT
    in_ns "$1" ss -Hltn "sport = $2" | grep -q LISTEN
}

iperf_server() { # NETNS PORT
    spawn "iperf$2" ip netns exec "$(ns "$1")" iperf3 -s -1 -p "$2"
    wait_up "iperf$2" 10 "iperf3 listens" tcp_listens "$1" "$2"
}
