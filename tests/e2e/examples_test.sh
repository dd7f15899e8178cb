#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every example in README.md and doc/ works: each command is run as it stands beside real daemons, or as examples.tsv says (names and
# paths of this run put in), or stands there with the reason why not. A new example is thus run; a row of an example that is gone is a
# fault. Files of the source that are named exist.
# Limit: 300 s
. "$(dirname "$0")/lib.sh"
e2e_start examples
here=$(cd "$(dirname "$0")" && pwd)
. "$here/site.sh"
site_cards
site_manager

# What the examples find: their commands, RRD files of an hour, a request, a plan.
mkdir -p "$RUN/work" "$RUN/fuzz" "$RUN/corpus" "$RUN/corpus2" "$RUN/bin"
printf '#!/bin/sh\nexec "$@"\n' >"$RUN/bin/sudo"
chmod +x "$RUN/bin/sudo"
export RUN TOP BUILD HOST SW PLAN OFFLOAD_RUNDIR=$RUN HOME=$RUN PATH=$RUN/bin:$BUILD/tools:$BUILD:$PATH
echo '{"app":"late","card":"card1","match":[{"proto":"udp","dport":7009}],"chain":[{"fn":"forward"}]}' >"$RUN/late.json"
begin=$(($(date +%s) - 40000))
rrdtool create "$RUN/if_octets.rrd" --start $begin --step 100 DS:rx:DERIVE:200:0:U DS:tx:DERIVE:200:0:U RRA:AVERAGE:0.5:1:400
awk -v t="$begin" 'BEGIN { for (i = 1; i <= 400; i++) { x += 1e6 * (2 + sin(i / 4)); printf " %d:%.0f:%.0f", t + 100 * i, x, x } }' |
    xargs rrdtool update "$RUN/if_octets.rrd"
conf_head() { printf 'Hostname "%s"\nFQDNLookup false\nBaseDir "%s"\n' "$HOST" "$RUN/work"; }
{
    conf_head
    for name in card path forecast manager; do cp --remove-destination "$(plugin_file offload_$name)" "$RUN/plugins/"; done
    printf 'PluginDir "%s"\n' "$RUN/plugins"
} >"$RUN/readme.conf"
{
    conf_head
    printf 'TypesDB "/usr/share/collectd/types.db" "%s"\nPluginDir "%s"\nLoadPlugin offload_card\n' "$TOP/conf/offload-types.db" "$RUN/plugins"
    printf '<Plugin offload_card>\n<Daemon>\nSocket "%s/cardd.sock"\n</Daemon>\n</Plugin>\n' "$RUN"
} >"$RUN/once.conf"
planned() { has plan '.applied and (.allocations | length) > 0' && "$CTL" explain score "$HOST" && "$CTL" graph web --rrd-dir "$RUN/rrd"; }
wait_for 40 "a plan, a score, and something to draw" planned
PLAN=$("$CTL" plan --json | jq .plan)

cd "$TOP" || exit 1
"$here/examples.py" "$TOP" README.md $(ls doc/*.md | grep -v doc/card-api.md) >"$RUN/examples.txt" || fail "the examples cannot be told apart"
cut -f 3 "$RUN/examples.txt" | sort -u >"$RUN/texts.txt"
cut -f 1 "$here/examples.tsv" | sort >"$RUN/rows.txt"
gone=$(comm -23 "$RUN/rows.txt" "$RUN/texts.txt" | head -n 3)
[ -z "$gone" ] || fail "examples.tsv has rows of no example: $gone"
[ -z "$(uniq -d "$RUN/rows.txt")" ] || fail "examples.tsv has two rows of $(uniq -d "$RUN/rows.txt")"

cd "$RUN/work" || exit 1
ran=0 left=0 files=0 broken=0
declare -A done
while IFS=$'\t' read -r where kind text; do
    [ -z "${done[$text]:-}" ] || continue
    done[$text]=1
    if [ "$kind" = path ]; then
        # OVS's own sources are named too, and benches are built.
        [ -e "$TOP/$text" ] || [ -e "$BUILD/$text" ] || [ -e "$TOP/$text.c" ] || [ "$text" = lib/dpif-netdev.c ] || fail "$where: there is no $text"
        files=$((files + 1))
        continue
    fi
    IFS=$'\t' read -r _ verdict command < <(awk -F '\t' -v text="$(sed 's/\\/\\\\/g' <<<"$text")" '$1 == text' "$here/examples.tsv")
    if [ "${verdict:-}" = not ]; then
        left=$((left + 1))
        continue
    fi
    printf '%b\n' "$text" >"$RUN/block"
    if BLOCK=$RUN/block timeout 120 bash -c "${command:-$text}" >"$RUN/example.log" 2>&1 </dev/null; then
        ran=$((ran + 1))
    else
        say "$where: ${command:-$text}: $(tail -n 4 "$RUN/example.log")"
        broken=$((broken + 1))
    fi
done <"$RUN/examples.txt"
say "$ran examples run, $left left out for the reasons in examples.tsv, $files files of the source are there"
[ $broken = 0 ] || fail "$broken examples do not work as they stand there; correct them, or say in examples.tsv how they are run or why not"
[ $ran -ge 30 ] || fail "only $ran examples were run"
e2e_pass
