#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# offloadctl doctor finds on a made-up host what is wrong there, and on this one the real daemons and the real switch; each finding
# says what to change. The shell completes commands, options, and the names of what runs.
. "$(dirname "$0")/lib.sh"
E2E_PAGES=300
e2e_start doctor
CTL=$(program offloadctl)

# finding JQ-CONDITION: its text and advice.
finding() { jq -r "[.findings[] | select($1)][0] | .state + \": \" + .finding + \" -> \" + .advice" "$RUN/doctor.json"; }
doctor() { "$CTL" doctor --json "$@" >"$RUN/doctor.json"; }

# ---- a host that is made up ----
host=$RUN/host
mkdir -p "$host/proc" "$host/sys/kernel/mm/hugepages/hugepages-2048kB" "$host/sys/bus/pci/devices/0000:5e:00.0" "$host/sys/bus/pci/drivers/mlx5_core"
echo 0 | tee "$host/sys/kernel/mm/hugepages/hugepages-2048kB/"{nr,free}_hugepages >/dev/null
echo "flags : fpu tsc" >"$host/proc/cpuinfo"
(cd "$host/sys/bus/pci/devices/0000:5e:00.0" && echo 0x020000 >class && echo 1 >numa_node && echo '16.0 GT/s PCIe' >max_link_speed &&
    echo '8.0 GT/s PCIe' >current_link_speed && echo 16 | tee max_link_width current_link_width >/dev/null && ln -s ../../drivers/mlx5_core driver)
doctor --root "$host"
assert_contains "$(finding '.what == "hugepages"')" "warn: none: no vhost-user ports" "hugepages that are missing"
assert_contains "$(finding '.what == "hugepages"')" "sysctl vm.nr_hugepages=" "advice on hugepages"
assert_contains "$(finding '.what == "clock"')" "warn: the time stamp counter" "a TSC that is not steady"
assert_contains "$(finding '.finding | test("driver mlx5_core")')" "NUMA node 1 -> to make it a card" "a device of the kernel's"
assert_contains "$(finding '.finding | test("PCIe 8.0")')" "could do 16.0 GT/s PCIe x16 -> move it" "a PCIe link that is not whole"
echo 512 | tee "$host/sys/kernel/mm/hugepages/hugepages-2048kB/"{nr,free}_hugepages >/dev/null
echo "flags : fpu constant_tsc nonstop_tsc" >"$host/proc/cpuinfo"
doctor --root "$host"
assert_contains "$(finding '.what == "hugepages"')" "ok: 1024 MiB, 1024 MiB of them free" "hugepages that are there"
assert_contains "$(finding '.what == "clock"')" "ok: " "a steady TSC"
say "a made-up host: missing pages, unsteady clock, narrow PCIe link, each with what to change"

# ---- this host, with what the test started ----
ovs_start
doctor --rundir "$RUN" || true
assert_contains "$(finding '.what == "Open vSwitch" and (.finding | test("bridge br0"))')" "ok: bridge br0" "a bridge with OpenFlow 1.4"
assert_contains "$(finding '.what == "offload-cardd"')" "note: does not run here" "a daemon that does not run"
vsctl set bridge br0 protocols=OpenFlow13
doctor --rundir "$RUN" || true
assert_contains "$(finding '.finding | test("bridge br0")')" "warn: bridge br0 allows" "a bridge that is too old"
assert_contains "$(finding '.finding | test("bridge br0")')" "protocols=OpenFlow10,OpenFlow13,OpenFlow14" "what to set"
vsctl set bridge br0 protocols=OpenFlow10,OpenFlow13,OpenFlow14
cardd_conf card0
cardd_start
flowd_start
doctor --rundir "$RUN" || true
assert_contains "$(finding '.what == "offload-cardd"')" "ok: answers: API " "offload-cardd"
assert_contains "$(finding '.what == "offload-flowd"')" "ok: answers: API " "offload-flowd"
chmod o+w "$RUN"
doctor --rundir "$RUN" && fail "a run folder that everybody may write is fine for doctor"
chmod o-w "$RUN"
"$CTL" doctor --rundir "$RUN" | tail -n 1 | grep -qE '^[0-9]+ fine, [0-9]+ to note, [0-9]+ to mend, [0-9]+ wrong$' || fail "doctor's last line"
say "this host: $("$CTL" doctor --rundir "$RUN" | tail -n 1)"

# ---- completion ----
complete_words() { # WORD...: what the shell offers for the last one
    PATH=$(dirname "$CTL"):$PATH OFFLOAD_RUNDIR=$RUN bash -c '
        . "$0"; COMP_WORDS=(offloadctl "$@"); COMP_CWORD=$#; _offloadctl; echo "${COMPREPLY[@]}"' "$TOP/conf/completion/offloadctl" "$@"
}
assert_eq "$(complete_words mig)" "migrate migrations" "completion of 'mig'"
assert_eq "$(complete_words --vers)" "--version" "completion of '--vers'"
assert_eq "$(complete_words drain c)" "card0" "completion of a card"
e2e_pass
