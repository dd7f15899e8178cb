# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The harness of every end-to-end test and of the quickstart: real daemons in a private run directory
# and in network namespaces of their own, so that several runs fit on one machine. A test reads
#
#   . "$(dirname "$0")/lib.sh"
#   e2e_start migrate                  # $RUN, traps, hugepages or not ($TOPOLOGY: B4 or A1)
#   ovs_start                          # ovsdb-server, ovs-vswitchd(-dpdk) and bridge br0 in netns $SW
#   netns_add cl; ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16
#   netns_add sv; ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16
#   cardd_conf card0 card1; cardd_start # cards' ports c0in c0out c1in c1out, in the bridge too
#   flowd_start; collectd_start "offload_card" <body.conf
#   wait_for 10 "card0 up" card_is_up card0
#   e2e_pass
#
# All that was started is stopped by its pid when the shell ends, whatever ended it. $RUN goes too,
# unless the test failed or E2E_KEEP=1: then it stays and its place is printed.
#
#   client netns -- w1 [ OVS br0 ] w2 -- server netns        B4: w1, w2 type=afxdp, cards on vhost-user
#                  c0in | | c0out  (and c1in, c1out)         A1: all veth, cards on net_af_packet
#                   offload-cardd

set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${OFFLOAD_BUILD:-$TOP/_build}
HOST=${E2E_HOST:-h1} # collectd's host name
export LC_ALL=C

# ---- telling, failing, waiting ----

say() { printf '  %s\n' "$*"; }

# fail TEXT: ends the test. Where a daemon died, its last lines tell why.
fail() {
    printf 'FAIL: %s: %s\n' "$E2E_NAME" "$*" >&2
    exit 1
}

# skip TEXT: what the test needs is not here.
skip() {
    printf 'SKIP: %s: %s\n' "$E2E_NAME" "$*"
    E2E_OK=1
    exit 77
}

e2e_pass() {
    E2E_OK=1
    printf 'PASS: %s\n' "$E2E_NAME"
    exit 0
}

# wait_for SECONDS TEXT COMMAND...: until COMMAND succeeds, asked ten times a second.
wait_for() {
    local seconds=$1 what=$2 end
    shift 2
    end=$(($(date +%s%N) + seconds * 1000000000))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s%N)" -lt "$end" ] || fail "not within $seconds s: $what"
        pause 0.1
    done
}

# pause SECONDS: between two looks at a condition; not a replacement for one. Not 'read -t', whose alarm outlives it
# when a signal's trap ends the shell, and then kills the clean-up.
pause() { sleep "$1"; }

assert_eq() { # GOT WANTED TEXT
    [ "$1" = "$2" ] || fail "$3: got '$1', expected '$2'"
}

assert_le() { # LEFT RIGHT TEXT: numbers, fractions too
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }' || fail "$3: $1 is above $2"
}

assert_contains() { # TEXT PART WHAT
    case $1 in *"$2"*) ;; *) fail "$3: '$1' does not contain '$2'" ;; esac
}

# assert_fails PART COMMAND...: fails, and one line of its output contains PART.
assert_fails() {
    local part=$1 out
    shift
    if out=$("$@" 2>&1); then
        fail "this should have failed: $*"
    fi
    assert_contains "$out" "$part" "message of '$*'"
}

# ---- the clean-up stack ----

E2E_STACK=()
E2E_OK=0

# on_cleanup COMMAND WORD...: run in reverse order of registration, each even if others fail.
on_cleanup() { E2E_STACK+=("$(printf '%q ' "$@")"); }

cleanup() {
    local rc=$? i
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    for ((i = ${#E2E_STACK[@]} - 1; i >= 0; i--)); do
        eval "${E2E_STACK[i]}" >/dev/null 2>&1
    done
    E2E_STACK=()
    if [ -n "${RUN:-}" ]; then
        rm -rf "/dev/shm/offload$(tr / - <<<"$RUN")"-* # where cardd keeps functions' state if it is not told otherwise
        if [ "$E2E_OK" = 1 ] && [ "${E2E_KEEP:-0}" != 1 ]; then
            rm -rf "$RUN"
        else
            printf '  logs are kept in %s\n' "$RUN" >&2
        fi
    fi
    exit "$rc"
}

# e2e_start NAME: the private run directory and the traps. Needs root.
e2e_start() {
    E2E_NAME=$1
    [ "$(id -u)" = 0 ] || { echo "$E2E_NAME: namespaces need root; run it as root" >&2; exit 2; }
    RUN=${E2E_RUN:-$(mktemp -d "${TMPDIR:-/tmp}/offload-$1.XXXXXX")}
    mkdir -p "$RUN/plugins" "$RUN/state" "$RUN/dpdk"
    export RUNTIME_DIRECTORY=$RUN/dpdk # DPDK's own files; else /var/run/dpdk/PREFIX would stay behind
    export OFFLOAD_RUNDIR=$RUN
    export OFFLOAD_DATADIR=$TOP/conf # weights, which are not installed
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    SW=$(ns sw)
    hugepages_get "${E2E_PAGES:-600}"
}

# ---- processes, by pid ----

# alive PID: it runs. A zombie, which PID 1 may reap late, does not.
alive() {
    local stat
    stat=$(ps -o stat= -p "$1" 2>/dev/null) || return 1
    case $stat in Z* | '') return 1 ;; esac
}

# stop_pid PID [SIGNAL [SECONDS]]: asks, waits, and kills what does not go.
stop_pid() {
    local pid=$1 signal=${2:-TERM} tries=$((${3:-5} * 10))
    kill "-$signal" "$pid" 2>/dev/null || return 0
    while alive "$pid"; do
        [ $((tries--)) -gt 0 ] || { kill -KILL "$pid" 2>/dev/null; break; }
        pause 0.1
    done
}

# spawn NAME COMMAND...: in the background, output into $RUN/NAME.log, pid in $RUN/NAME.pid.
spawn() {
    local name=$1
    shift
    "$@" >"$RUN/$name.log" 2>&1 </dev/null &
    echo $! >"$RUN/$name.pid"
    disown $! # else the shell reports each kill
    on_cleanup stop_spawned "$name"
}

# favour NAME THREAD: lowest real-time priority for the threads of daemon NAME whose names begin with THREAD. They move
# packets and sleep when there are none; on two cores, whatever else computes would make them wait for seconds.
favour() {
    local task
    for task in /proc/"$(pid_of "$1")"/task/*; do
        case $(cat "$task/comm" 2>/dev/null) in
            "$2"*) chrt -r -p 1 "${task##*/}" 2>/dev/null || say "no real-time priority for $1 here: delays will vary" ;;
        esac
    done
}

pid_of() { cat "$RUN/$1.pid"; }
running() { alive "$(pid_of "$1")"; }

# stop_spawned NAME [SIGNAL [SECONDS]]
stop_spawned() {
    local file=$RUN/$1.pid pid
    [ -r "$file" ] || return 0
    pid=$(cat "$file")
    stop_pid "$pid" "${2:-TERM}" "${3:-5}"
    rm -f "$file"
    wait "$pid" 2>/dev/null
}

# wait_up NAME SECONDS TEXT COMMAND...: like wait_for, but a daemon that has died ends the wait at once.
wait_up() {
    local name=$1 seconds=$2 what=$3 end
    shift 3
    end=$(($(date +%s%N) + seconds * 1000000000))
    until "$@" >/dev/null 2>&1; do
        running "$name" || { tail -n 8 "$RUN/$name.log" >&2; fail "$name ended before: $what"; }
        [ "$(date +%s%N)" -lt "$end" ] ||
            { tail -n 8 "$RUN/$name.log" >&2; fail "$name: not within $seconds s: $what"; }
        pause 0.1
    done
}

# program NAME: path of a built program.
program() {
    local dir
    for dir in dpdk-app ovs-integration tools tests/traffic tests/bench .; do
        [ -x "$BUILD/$dir/$1" ] && { printf '%s\n' "$BUILD/$dir/$1"; return; }
    done
    fail "$1 is not built in $BUILD; run 'make' there"
}

# ---- namespaces and memory ----

ns() { printf 'of-%s-%s\n' "$1" "$$"; }
in_ns() { # NS COMMAND...
    local name=$1
    shift
    ip netns exec "$(ns "$name")" "$@"
}

# netns_add NAME
netns_add() {
    local name
    name=$(ns "$1")
    ip netns add "$name" || fail "cannot add network namespace $name; is this run as root, with CAP_SYS_ADMIN?"
    on_cleanup ip netns del "$name"
    ip -n "$name" link set lo up
    ip netns exec "$name" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
}

hugepages_give_back() { echo "$1" >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; }

# hugepages_get N: 2 MiB pages. $TOPOLOGY is B4 if N are free or can be had, else A1, and says so.
hugepages_get() {
    local dir=/sys/kernel/mm/hugepages/hugepages-2048kB
    TOPOLOGY=${E2E_TOPOLOGY:-}
    [ -z "$TOPOLOGY" ] || return 0
    TOPOLOGY=B4
    if [ "$(cat $dir/free_hugepages 2>/dev/null || echo 0)" -lt "$1" ]; then
        local had
        had=$(cat $dir/nr_hugepages 2>/dev/null || echo 0)
        { echo $((had + $1)) >$dir/nr_hugepages; } 2>/dev/null && on_cleanup hugepages_give_back "$had"
        [ "$(cat $dir/free_hugepages 2>/dev/null || echo 0)" -ge "$1" ] || TOPOLOGY=A1
    fi
    if [ "$TOPOLOGY" = A1 ]; then
        say "$1 hugepages of 2 MiB cannot be had: cards on af_packet over veth instead of vhost-user (A1)"
    fi
}

# ---- Open vSwitch ----

# ovs_start: a switch of its own, bridge br0, netdev datapath, in namespace $SW.
ovs_start() {
    export OVS_RUNDIR=$RUN OVS_LOGDIR=$RUN OVS_DBDIR=$RUN OVS_SYSCONFDIR=$RUN
    OVSDB=unix:$RUN/db.sock
    netns_add sw
    ovsdb-tool create "$RUN/conf.db" /usr/share/openvswitch/vswitch.ovsschema ||
        fail "cannot create the switch's database; is openvswitch-switch installed?"
    ovsdb-server "$RUN/conf.db" --remote="punix:$RUN/db.sock" --pidfile="$RUN/ovsdb-server.pid" \
        --unixctl="$RUN/ovsdb-server.ctl" --log-file="$RUN/ovsdb-server.log" -vconsole:off --detach --no-chdir 2>"$RUN/ovsdb-server.err" ||
        fail "ovsdb-server did not start; see $RUN/ovsdb-server.log"
    on_cleanup stop_daemon ovsdb-server
    ovs-vsctl --db="$OVSDB" --no-wait init
    vswitchd_start
    on_cleanup vswitchd_stop
    vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
        protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15 || fail "no bridge br0; see $RUN/ovs-vswitchd.log"
}

# vswitchd_start: the daemon alone; tests that kill it call this again.
vswitchd_start() {
    local daemon=/usr/lib/openvswitch-switch/ovs-vswitchd last=$(($(nproc) - 1))
    if [ "$TOPOLOGY" = B4 ]; then
        daemon=/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk
        vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true other_config:dpdk-socket-mem=512 \
            other_config:pmd-cpu-mask="$(printf '0x%x' $((1 << last)))" other_config:dpdk-lcore-mask=0x1 \
            other_config:pmd-maxsleep="${E2E_PMD_SLEEP:-50}" \
            other_config:dpdk-extra="\"--no-pci --in-memory --iova-mode=va --single-file-segments\""
    fi
    ip netns exec "$SW" "$daemon" "$OVSDB" --pidfile="$RUN/ovs-vswitchd.pid" --unixctl="$RUN/ovs-vswitchd.ctl" \
        --log-file="$RUN/ovs-vswitchd.log" -vconsole:off --disable-system --detach --no-chdir 2>"$RUN/ovs-vswitchd.err" ||
        fail "ovs-vswitchd did not start; see $RUN/ovs-vswitchd.log"
}

vswitchd_stop() {
    ovs-appctl -T 5 -t "$RUN/ovs-vswitchd.ctl" exit --cleanup
    stop_daemon ovs-vswitchd 0
}

# stop_daemon NAME [SIGNAL]: one that detached, by its pid file.
stop_daemon() {
    local pid
    pid=$(cat "$RUN/$1.pid" 2>/dev/null) || return 0
    stop_pid "$pid" "${2:-TERM}"
    rm -f "$RUN/$1.pid"
}

vsctl() { ovs-vsctl --db="$OVSDB" --timeout=20 "$@"; }
vswitchd_ctl() { ovs-appctl -T 20 -t "$RUN/ovs-vswitchd.ctl" "$@"; }

# ovs_port_veth PORT NETNS IFNAME ADDRESS/LEN [MAC]: a cable from the bridge's PORT to IFNAME in NETNS
# (a full name, as ns prints it). Checksums are computed there: the netdev datapath passes on what it gets.
ovs_port_veth() {
    local port=$1 netns=$2 name=$3 address=$4 mac=${5:-} kind=afxdp
    [ "$TOPOLOGY" = B4 ] || kind=system
    ip link add "$name" netns "$netns" ${mac:+address "$mac"} type veth peer name "$port" netns "$SW" ||
        fail "cannot add the veth pair $name, $port"
    ip -n "$netns" addr add "$address" dev "$name"
    ip netns exec "$netns" ethtool -K "$name" tx off gso off tso off >/dev/null 2>&1
    ip netns exec "$SW" ethtool -K "$port" tx off gso off tso off >/dev/null 2>&1
    ip -n "$netns" link set "$name" up
    ip -n "$SW" link set "$port" up
    if [ "$kind" = afxdp ]; then
        vsctl add-port br0 "$port" -- set interface "$port" type=afxdp || fail "port $port did not come up"
    else
        vsctl add-port br0 "$port" || fail "port $port did not come up"
    fi
    wait_for 10 "port $port has an OpenFlow number" port_has_ofport "$port"
}

ofport() { vsctl get interface "$1" ofport; }
port_has_ofport() { [ "$(ofport "$1")" -gt 0 ]; }

# neighbour NETNS IFNAME ADDRESS MAC: a permanent entry, so that no test waits for ARP.
neighbour() { ip -n "$1" neigh replace "$3" lladdr "$4" dev "$2" nud permanent; }

# ovs_port_card PORT: where a card's port plugs in. offload-cardd serves $RUN/PORT.sock (B4).
ovs_port_card() {
    if [ "$TOPOLOGY" = B4 ]; then
        vsctl --no-wait add-port br0 "$1" -- set interface "$1" type=dpdkvhostuserclient \
            options:vhost-server-path="$RUN/$1.sock"
    else
        ip -n "$SW" link add "$1" type veth peer name "$1c"
        ip netns exec "$SW" ethtool -K "$1" tx off >/dev/null 2>&1
        ip netns exec "$SW" ethtool -K "$1c" tx off >/dev/null 2>&1
        ip -n "$SW" link set "$1" up
        ip -n "$SW" link set "$1c" up
        vsctl add-port br0 "$1"
    fi
}

# card_devargs INDEX PORT: the DPDK device behind it.
card_devargs() {
    if [ "$TOPOLOGY" = B4 ]; then
        echo "net_virtio_user$1,path=$RUN/$2.sock,server=1,queue_size=1024"
    else
        echo "net_af_packet$1,iface=$2c"
    fi
}

# ---- the suite's daemons ----

# cardd_conf CARD[:CYCLES_PER_S[:BANDWIDTH_BPS[:MEMORY_BYTES[:unmanaged]]]]...: adds the cards' ports to
# the bridge and writes $RUN/cardd.json. $CARDD_APPS: a JSON list of applications (cardd.json's "apps").
cardd_conf() {
    local spec name cycles bps memory mode i=0 cards='[]' last=$(($(nproc) - 1)) eal
    eal='["--no-pci","--in-memory","--iova-mode=va","--single-file-segments","-m","256"]'
    [ "$TOPOLOGY" = B4 ] || eal='["--no-pci","--iova-mode=va","--no-huge","-m","512"]' # --in-memory wants hugepages
    for spec in "$@"; do
        IFS=: read -r name cycles bps memory mode <<<"$spec"
        ovs_port_card "c${i}in"
        ovs_port_card "c${i}out"
        cards=$(jq -c --arg card "$name" --argjson cycles "${cycles:-1000000000}" --argjson bps "${bps:-1000000000}" \
            --argjson memory "${memory:-16777216}" --argjson managed "$([ "${mode:-}" = unmanaged ] && echo false || echo true)" \
            --arg in "$(card_devargs $((2 * i)) "c${i}in")" --arg out "$(card_devargs $((2 * i + 1)) "c${i}out")" \
            '. + [{card: $card, worker: 0, managed: $managed, ports: [{devargs: $in}, {devargs: $out}],
                   capacity: {cycles_per_s: $cycles, bandwidth_bps: $bps, memory_bytes: $memory, interconnect_bps: 0}}]' \
            <<<"$cards")
        i=$((i + 1))
    done
    jq -n --arg run "$RUN" --argjson eal "$eal" --argjson cards "$cards" --argjson apps "${CARDD_APPS:-[]}" --arg last "$last" \
        '{rundir: $run, state_dir: ($run + "/state"), eal: $eal, lcores: {main: "0", workers: ["0-" + $last]},
          mbufs: 16384, mbuf_bytes: 2176, sleep_us: 50, cards: $cards, apps: $apps}' >"$RUN/cardd.json"
}

# memory_dir: where functions of the cards keep their state, unless cardd.json names a folder.
memory_dir() {
    local folder=${RUN#/}
    printf '/dev/shm/offload-%s-state' "${folder//\//-}"
}

# cardd_start [OPTION...]: in the switch's namespace, since A1's cards are interfaces there.
cardd_start() {
    rm -f "$RUN"/c[0-9]*in.sock "$RUN"/c[0-9]*out.sock
    on_cleanup rm -rf "$(memory_dir)"
    spawn cardd ip netns exec "$SW" "$(program offload-cardd)" --config "$RUN/cardd.json" "$@"
    wait_up cardd 30 "the card API answers" rpc cardd hello
}

# cardd_cabled: a card without a switch, for tests of what stands beside it. card0 lies between namespaces cl (10.9.0.1)
# and sv (10.9.0.2) and carries 'free' (UDP 7001, 8 Mbit/s) and 'tight' (7002, 1 Mbit/s); card1 has no cable.
cardd_cabled() {
    local side name address port eal='["--no-pci", "--in-memory", "--iova-mode=va", "-m", "128"]'
    [ "$TOPOLOGY" = B4 ] || eal='["--no-pci", "--iova-mode=va", "--no-huge", "-m", "256"]'
    netns_add sw
    for side in cl:10.9.0.1:c0in sv:10.9.0.2:c0out; do
        IFS=: read -r name address port <<<"$side"
        netns_add "$name"
        ip link add e0 netns "$(ns "$name")" type veth peer name "$port" netns "$SW" || fail "cannot add a veth pair"
        ip -n "$(ns "$name")" addr add "$address/24" dev e0
        ip -n "$(ns "$name")" link set e0 up
        ip -n "$SW" link set "$port" up
        ip netns exec "$(ns "$name")" ethtool -K e0 tx off gso off tso off >/dev/null 2>&1
    done
    neighbour "$(ns cl)" e0 10.9.0.2 "$(in_ns sv cat /sys/class/net/e0/address)"
    neighbour "$(ns sv)" e0 10.9.0.1 "$(in_ns cl cat /sys/class/net/e0/address)"
    jq -n --arg run "$RUN" --arg prefix "$E2E_NAME-$$" --argjson eal "$eal" '
        def app($name; $port; $bps): {app: $name, card: "card0", match: [{dst: "10.9.0.2", proto: "udp", dport: $port}],
            chain: [{fn: "forward"}], sla: {class: "gold", max_loss_frac: 0.01, max_delay_ns: 50000000},
            allocation: {cpu_pct: 40, bandwidth_bps: $bps, memory_bytes: 4000000}};
        def capacity: {cycles_per_s: 500000000, bandwidth_bps: 20000000, memory_bytes: 16000000};
        {rundir: $run, state_dir: ($run + "/state"), file_prefix: $prefix, eal: $eal,
         lcores: {main: "0", workers: ["0-1"]}, mbufs: 8192,
         cards: [{card: "card0", managed: true, capacity: capacity,
                  ports: [{devargs: "net_af_packet0,iface=c0in"}, {devargs: "net_af_packet1,iface=c0out"}]},
                 {card: "card1", managed: true, capacity: capacity,
                  ports: [{devargs: "net_null2,no-rx=1"}, {devargs: "net_null3,no-rx=1"}]}],
         apps: [app("free"; 7001; 8000000), app("tight"; 7002; 1000000)]}' >"$RUN/cardd.json"
    cardd_start
    wait_up cardd 20 "card0 is up" card_is_up card0
}

# sink_start NETNS APPS_CSV [OPTION...]: traffic-sink in a namespace (a name as netns_add took it), listening when this returns.
sink_start() {
    local where=$1 apps=$2
    shift 2
    spawn sink ip netns exec "$(ns "$where")" "$(program traffic-sink)" "$@" "$apps"
    wait_up sink 20 "the sink listens on every port" sink_listens "$where" "$apps"
}

sink_listens() {
    local port open
    open=$(in_ns "$1" ss -Hlun | awk '{ print $4 }')
    for port in $(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "dport") c = i; next } { print $c }' "$2"); do
        grep -q ":$port\$" <<<"$open" || return 1
    done
}

# load_cabled SECONDS: 'free' and 'tight' are each offered 4 Mbit/s for so long.
load_cabled() {
    local step
    printf 'app,dst,dport,flows,packet_bytes\nfree,10.9.0.2,7001,3,1000\ntight,10.9.0.2,7002,2,500\n' >"$RUN/apps.csv"
    {
        echo step,app,offered_bps
        for ((step = 0; step < $1; step++)); do printf '%d,free,4000000\n%d,tight,4000000\n' "$step" "$step"; done
    } >"$RUN/demand.csv"
    sink_start sv "$RUN/apps.csv" --csv "$RUN/sink.csv"
    spawn gen ip netns exec "$(ns cl)" "$(program traffic-gen)" "$RUN/demand.csv" "$RUN/apps.csv"
}

card_is_up() { [ "$(rpc cardd card.get "{\"card\":\"$1\"}" | jq -r .state)" = up ]; }

flowd_start() {
    jq -n --arg run "$RUN" '{rundir: $run, state_dir: ($run + "/state"), ovsdb: ("unix:" + $run + "/db.sock"),
        ovs_rundir: $run, bridges: ["br0"], repair_interval_s: 5}' >"$RUN/flowd.json"
    spawn flowd "$(program offload-flowd)" "$@" "$RUN/flowd.json"
    wait_up flowd 20 "flowd's API answers" rpc flowd hello
    wait_up flowd 20 "flowd is connected to br0" flowd_connected
}

flowd_connected() { [ "$(rpc flowd switch.get | jq -r '.bridges[0].connected')" = true ]; }

# rpc cardd|flowd|manager METHOD [PARAMS]: prints the result; on an error prints it and fails.
rpc() {
    local params=${3:-'{}'} answer
    answer=$(printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' "$2" "$(jq -c . <<<"$params")" |
        socat -t 10 - "UNIX-CONNECT:$RUN/$1.sock" 2>/dev/null | head -n 1)
    [ -n "$answer" ] || { echo "no answer from $RUN/$1.sock" >&2; return 1; }
    jq -ce 'if has("result") then .result else empty end' <<<"$answer" ||
        { jq -c .error <<<"$answer" >&2; return 1; }
}

# collectd_start "OUR PLUGINS" ["STOCK PLUGINS"] <BODY: a stock collectd with our plugins from the build,
# each read every second, and the blocks <Plugin ...> that stand on standard input. $COLLECTD_NETNS: where it runs.
collectd_start() {
    local ours=$1 stock=${2:-} conf=$RUN/collectd.conf name file
    mkdir -p "$RUN/collectd"
    {
        printf 'Hostname "%s"\nFQDNLookup false\nBaseDir "%s"\nPIDFile "%s"\n' "$HOST" "$RUN/collectd" "$RUN/collectd.own.pid"
        printf 'TypesDB "/usr/share/collectd/types.db" "%s"\n' "$TOP/conf/offload-types.db"
        printf 'Interval 1\nReadThreads 4\nWriteThreads 1\n'
        printf 'LoadPlugin logfile\n<Plugin logfile>\n  LogLevel info\n  File "%s"\n  Timestamp true\n</Plugin>\n' "$RUN/collectd.log"
        printf 'PluginDir "%s"\n' "$RUN/plugins"
        for name in $ours; do
            file=$(plugin_file "$name")
            # collectd loads no symbolic links, and a file that runs elsewhere must not be written over.
            cp --remove-destination "$file" "$RUN/plugins/$name.so"
            printf '<LoadPlugin "%s">\n  Interval 1\n</LoadPlugin>\n' "$name"
        done
        printf 'PluginDir "/usr/lib/collectd"\nLoadPlugin unixsock\n'
        printf '<Plugin unixsock>\n  SocketFile "%s"\n  SocketPerms "0660"\n  DeleteSocket true\n</Plugin>\n' "$RUN/bus.sock"
        for name in $stock; do printf 'LoadPlugin %s\n' "$name"; done
        cat
    } >"$conf"
    collectd_run
}

collectd_run() { # with the configuration as it is; tests that killed collectd call this again
    spawn collectd.daemon ${COLLECTD_NETNS:+ip netns exec "$COLLECTD_NETNS"} collectd -C "$RUN/collectd.conf" -f
    wait_up collectd.daemon 20 "collectd's socket answers" bus_list
}

plugin_file() {
    local file
    for file in "$BUILD/plugins/${1#offload_}/.libs/$1.so" "$BUILD/.libs/$1.so"; do
        [ -r "$file" ] && { printf '%s\n' "$file"; return; }
    done
    fail "plugin $1 is not built in $BUILD; run 'make' there"
}

bus_list() { collectdctl -s "$RUN/bus.sock" listval; }
# bus_get PLUGIN/TYPE [DATA SOURCE]: the newest value; fails if there is none or if it is not a number.
bus_get() {
    local value
    value=$(collectdctl -s "$RUN/bus.sock" getval "$HOST/$1" 2>/dev/null | sed -n "s/^${2:-value}=//p")
    case $value in '' | *[nN][aA][nN]*) return 1 ;; esac
    printf '%s\n' "$value"
}
