#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The harness itself: a client reaches a server through the switch and a card, here DPDK's own testpmd in
# the place of offload-cardd. If this fails, so does every other test, and not for the suite's fault.
. "$(dirname "$0")/lib.sh"
e2e_start harness
ovs_start
netns_add cl
netns_add sv
ovs_port_veth w1 "$(ns cl)" e0 10.9.0.1/16
ovs_port_veth w2 "$(ns sv)" e0 10.9.1.1/16
ovs_port_card c0in
ovs_port_card c0out

memory="--in-memory --single-file-segments -m 256"
[ "$TOPOLOGY" = B4 ] || memory="--no-huge -m 512"
# shellcheck disable=SC2086
spawn card ip netns exec "$SW" dpdk-testpmd --lcores "0@0,1@(0-$(($(nproc) - 1)))" --no-pci \
    --iova-mode=va $memory --vdev="$(card_devargs 0 c0in)" --vdev="$(card_devargs 1 c0out)" \
    -- --forward-mode=io --auto-start --stats-period 1 --no-mlockall --total-num-mbufs=8192
for pair in w1:c0in c0out:w2 w2:c0out c0in:w1; do
    ovs-ofctl -O OpenFlow14 add-flow "unix:$RUN/br0.mgmt" "in_port=${pair%:*},actions=output:${pair#*:}" ||
        fail "no flow $pair"
done
wait_for 20 "a ping passes the card" in_ns cl ping -c 1 -W 1 10.9.1.1
e2e_pass
