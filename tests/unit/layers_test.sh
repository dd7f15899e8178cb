#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails where a folder includes what stands beside or above it: `folder  what it must not include`.
# The compiler is the first fence (DPDK's, OVS's and collectd's flags go to their own folders only).
cd "$(dirname "$0")/../.." || exit 1
rc=0
while read -r folders deny; do
    # shellcheck disable=SC2086  # a folder may be a pattern
    grep -rnE --include='*.[ch]' "^ *# *include *[<\"]($deny)" $folders
    case $? in
    0) echo "layers: $folders must not include $deny" && rc=1 ;;
    1) ;;
    *) echo "layers: $folders could not be read" && rc=1 ;;
    esac
done <<'END'
include          lib/|plugins/|dpdk-app/|ovs-integration/|tools/|tests/|collectd|rte_|openvswitch/
lib              plugins/|dpdk-app/|ovs-integration/|tools/|tests/|collectd|rte_|openvswitch/
lib/[!i]*        lib/io/|sys/socket|event2/|curl/|pthread|threads\.h|stdatomic
lib/base         lib/[^b]
lib/rpc          lib/[^br]
lib/io           lib/[^bri]
lib/stamp        lib/(rpc|feed|forecast|allocate|schedule|migrate|sim)/
lib/forecast     lib/(rpc|stamp|allocate|schedule|migrate|sim)/
lib/allocate     lib/(rpc|stamp|feed|forecast|schedule|migrate|sim)/
lib/schedule     lib/(rpc|stamp|feed|forecast|allocate|migrate|sim)/
lib/migrate      lib/(rpc|stamp|feed|forecast|allocate|schedule|sim)/
lib/sim          lib/(rpc|stamp)/
plugins          dpdk-app/|ovs-integration/|tools/|tests/|rte_|openvswitch/
dpdk-app         plugins/|ovs-integration/|tools/|tests/|collectd|openvswitch/
ovs-integration  plugins/|dpdk-app/|tools/|tests/|collectd|rte_
tools            plugins/|dpdk-app/|ovs-integration/|tests/|collectd|rte_|openvswitch/
END
exit $rc
