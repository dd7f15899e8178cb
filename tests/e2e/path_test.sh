#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offload_path measures a path between two hosts, and understands another STAMP implementation, and is understood by it:
#
#   collectd a (sender, reflector) -- veth 10.77.0.1 / .2 -- collectd b (reflector), stamp_peer.py (scapy)
#
. "$(dirname "$0")/lib.sh"
E2E_PAGES=0
e2e_start path
netns_add a
netns_add b
ip link add va netns "$(ns a)" type veth peer name vb netns "$(ns b)" || fail "cannot add a veth pair"
for end in a:1 b:2; do
    ip -n "$(ns "${end%:*}")" addr add "10.77.0.${end#*:}/24" dev "v${end%:*}"
    ip -n "$(ns "${end%:*}")" link set "v${end%:*}" up
done
PEER=$(dirname "$0")/stamp_peer.py
cp "$(plugin_file offload_path)" "$RUN/plugins/" # collectd loads no symbolic links

# agent NAME <BODY: a collectd in namespace NAME, with offload_path.
agent() {
    local dir=$RUN/$1
    mkdir -p "$dir"
    {
        printf 'Hostname "%s"\nFQDNLookup false\nBaseDir "%s"\nInterval 1\n' "$1" "$dir"
        printf 'TypesDB "/usr/share/collectd/types.db" "%s"\n' "$TOP/conf/offload-types.db"
        printf 'LoadPlugin logfile\n<Plugin logfile>\n  LogLevel info\n  File "%s"\n</Plugin>\n' "$dir/log"
        printf 'PluginDir "%s"\nLoadPlugin offload_path\n' "$RUN/plugins"
        printf 'PluginDir "/usr/lib/collectd"\nLoadPlugin csv\nLoadPlugin unixsock\n<Plugin csv>\n  DataDir "%s"\n</Plugin>\n' "$dir/csv"
        printf '<Plugin unixsock>\n  SocketFile "%s"\n  DeleteSocket true\n</Plugin>\n' "$dir/bus.sock"
        cat
    } >"$dir/collectd.conf"
    spawn "collectd-$1" ip netns exec "$(ns "${AGENT_NS:-$1}")" collectd -C "$dir/collectd.conf" -f
    wait_up "collectd-$1" 20 "collectd's socket answers" collectdctl -s "$dir/bus.sock" listval
}

# value PATH/TYPE [DATA SOURCE]: what collectd a says; fails if it is no number.
value() {
    local value
    value=$(collectdctl -s "$RUN/a/bus.sock" getval "a/offload_path-$1" 2>/dev/null | sed -n "s/^${2:-value}=//p")
    case $value in '' | *[nN][aA][nN]*) return 1 ;; esac
    printf '%s\n' "$value"
}

# value_is PATH/TYPE DATA_SOURCE LEAST MOST
value_is() {
    local got
    got=$(value "$1" "$2") && awk -v v="$got" -v a="$3" -v b="$4" 'BEGIN { exit !(v >= a && v <= b) }'
}

agent b <<'END'
<Plugin offload_path>
  <Reflector>
    Port 862
    Allow "10.77.0.0/24"
  </Reflector>
</Plugin>
END
# The peer drops every 4th packet, answers every 10th twice, and takes 20 ms, which RTT must leave out.
spawn peer ip netns exec "$(ns b)" /usr/bin/python3 "$PEER" reflect 10.77.0.2 8620
wait_up peer 20 "the peer listens" grep -q listening "$RUN/peer.log"
# Authenticated mode: with a peer that is not ours over IPv4, between two of ours over IPv6.
for end in a b; do in_ns $end sysctl -qw net.ipv6.conf.all.disable_ipv6=0 "net.ipv6.conf.v$end.disable_ipv6=0"; done
for end in a:1 b:2; do ip -n "$(ns "${end%:*}")" addr add "fd77::${end#*:}/64" dev "v${end%:*}" nodad; done
echo "correct horse battery" >"$RUN/key"
echo "another secret" >"$RUN/other"
chmod 0600 "$RUN/key" "$RUN/other"
spawn signer ip netns exec "$(ns b)" /usr/bin/python3 "$PEER" authenticate 10.77.0.2 8621 "correct horse battery"
wait_up signer 20 "the authenticating peer listens" grep -q listening "$RUN/signer.log"
AGENT_NS=b agent c <<END
<Plugin offload_path>
  <Reflector>
    Bind "::"
    Port 8622
    KeyFile "$RUN/key"
    Allow "fd77::/64"
  </Reflector>
</Plugin>
END
agent a <<END
<Plugin offload_path>
  <Path "b">
    Host "10.77.0.2"
    IntervalMs 20
    Interface "va"
  </Path>
  <Path "peer">
    Host "10.77.0.2"
    Port 8620
    IntervalMs 50
    TimeoutMs 1500
    Interface "va"
    SpeedBps 1000000
  </Path>
  <Path "signed">
    Host "10.77.0.2"
    Port 8621
    IntervalMs 50
    Dscp 46
    KeyFile "$RUN/key"
  </Path>
  <Path "signed6">
    Host "fd77::2"
    Port 8622
    IntervalMs 20
    KeyFile "$RUN/key"
  </Path>
  <Path "forged">
    Host "fd77::2"
    Port 8622
    IntervalMs 50
    TimeoutMs 200
    KeyFile "$RUN/other"
  </Path>
  <Path "nobody">
    Host "10.77.0.2"
    Port 9
    IntervalMs 50
    TimeoutMs 200
  </Path>
  <Reflector>
    Port 862
    Allow "10.77.0.2" "192.0.2.0/24"
  </Reflector>
</Plugin>
END

say "between two agents: nothing lost, and delays of a virtual cable"
wait_for 20 "a round trip to b" value_is b/offload_path_rtt p50 0.000001 0.05
wait_for 20 "b's one-way delay" value_is b/offload_path_oneway p50 0 0.05
wait_for 20 "b's jitter" value_is b/offload_path_jitter value 0 0.05
wait_for 20 "no loss to b" value_is b/offload_path_loss value 0 0
wait_for 20 "b's bandwidth: 10 Gbit/s less what the probes take" value_is b/offload_path_bandwidth value 9.9e9 1e10

say "with another implementation: its loss and duplicates are seen, its own time is not"
wait_for 20 "a quarter lost at the peer" value_is peer/offload_path_loss value 15 35
wait_for 20 "duplicates from the peer" value_is peer/offload_path_packets duplicate 0.1 10
wait_for 20 "the peer's 20 ms left out" value_is peer/offload_path_rtt p50 0 0.015
wait_for 20 "given speed less use" value_is peer/offload_path_bandwidth value 600000 999999

say "a port where nobody listens is a path that loses everything"
wait_for 20 "nobody answers" value_is nobody/offload_path_loss value 100 100

say "authenticated mode: with a peer that is not ours, marked with its class; over IPv6; and nothing by another key"
wait_for 20 "the signing peer's 20 ms left out" value_is signed/offload_path_rtt p50 0 0.015
wait_for 20 "no loss to the signing peer" value_is signed/offload_path_loss value 0 0
grep -q '^dscp 46$' "$RUN/signer.log" || fail "the packets are not marked with DSCP 46: $(tail -n 1 "$RUN/signer.log")"
wait_for 20 "a round trip to our own, over IPv6" value_is signed6/offload_path_rtt p50 0.000001 0.05
wait_for 20 "no loss over IPv6" value_is signed6/offload_path_loss value 0 0
wait_for 20 "what is signed by another key is not answered" value_is forged/offload_path_loss value 100 100

say "our reflector answers the peer by the RFC, and only those who are allowed"
in_ns b /usr/bin/python3 "$PEER" send 10.77.0.1 862 || fail "the peer does not understand our reflector"
ip -n "$(ns b)" addr add 10.77.0.3/24 dev vb
if in_ns b /usr/bin/python3 "$PEER" send 10.77.0.1 862 10.77.0.3 2>/dev/null; then
    fail "10.77.0.3 is not allowed and was answered"
fi

say "a path that comes back is measured again"
ip -n "$(ns b)" link set vb down
wait_for 20 "all is lost" value_is b/offload_path_loss value 100 100
ip -n "$(ns b)" link set vb up
wait_for 20 "nothing is lost again" value_is b/offload_path_loss value 0 0

say "a bad block gets one line that names it"
bad() {
    printf 'Hostname "x"\nBaseDir "%s"\nTypesDB "/usr/share/collectd/types.db" "%s"\nPluginDir "%s"\nLoadPlugin offload_path\n%s\n' \
        "$RUN" "$TOP/conf/offload-types.db" "$RUN/plugins" "<Plugin offload_path>$1</Plugin>" >"$RUN/bad.conf"
    timeout 20 collectd -C "$RUN/bad.conf" -T
}
chmod 0644 "$RUN/other"
assert_fails "Path[0].KeyFile: $RUN/other can be read by others" bad "
<Path p>
  Host \"x\"
  KeyFile \"$RUN/other\"
</Path>
"
assert_fails "Path[0].KeyFile: $RUN/none: No such file" bad "
<Path p>
  Host \"x\"
  KeyFile \"$RUN/none\"
</Path>
"
assert_fails "Path[0].IntervalMs" bad '
<Path "x">
Host "h"
IntervalMs 0
</Path>
'
assert_fails "Reflector[0].Allow" bad '
<Reflector>
Port 862
</Reflector>
'
assert_fails "Path[0].Port: is a string; give a whole number" bad '
<Path "x">
Host "h"
Port "http"
</Path>
'
assert_fails "two <Plugin offload_path> blocks" bad '
<Path "x">
Host "127.0.0.1"
</Path>
</Plugin>
<Plugin offload_path>
<Path "y">
Host "127.0.0.1"
</Path>
'
assert_fails "'10.0.0.1/8' has bits set behind its prefix" bad '
<Reflector>
Allow "10.0.0.1/8"
</Reflector>
'
e2e_pass
