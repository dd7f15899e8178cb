#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages are built, lintian has no error, and in a bare Debian they are installed, upgraded and purged; what they
# bring there works, nothing starts by itself, and purging leaves nothing. The units' sandboxes are as tight as is said.
# Limit: 360 s
. "$(dirname "$0")/lib.sh"
E2E_TOPOLOGY=A1 e2e_start packages # no huge pages needed
mount_tmp() { mount -t tmpfs -o size=3g tmpfs "$1" && on_cleanup umount -l "$1"; }
mkdir -p "$RUN/build" "$RUN/root"

# ---- units ----
exposure() { systemd-analyze security --offline=true "$TOP/conf/systemd/$1.service" 2>&1 | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p'; }
for unit in offload-cardd offload-flowd; do
    level=$(exposure $unit)
    [ -n "$level" ] || fail "systemd-analyze says nothing of $unit.service"
    assert_le "$level" 3.0 "exposure of $unit.service"
    say "$unit.service: exposure $level"
done

# ---- build ----
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$TOP/debian/changelog")
source=$RUN/build/offload-$version
mkdir "$source"
tar cf - -C "$TOP" --exclude=./_build --exclude=./_check --exclude=./_run --exclude=./.git --exclude=autom4te.cache . | tar xf - -C "$source"
(cd "$source" && { [ ! -f Makefile ] || make -s distclean; } && OFFLOAD_OPENVSWITCH=${OFFLOAD_CACHE:-/var/cache/offload}/openvswitch \
    DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" dpkg-buildpackage -us -uc -b) >"$RUN/buildpackage.log" 2>&1 ||
    { tail -n 15 "$RUN/buildpackage.log" >&2; fail "dpkg-buildpackage"; }
lintian --fail-on error --allow-root "$RUN"/build/*.changes >"$RUN/lintian.log" 2>&1 || { grep '^E' "$RUN/lintian.log" >&2; fail "lintian"; }
say "built: $(cd "$RUN/build" && echo offload-*_"$version"_*.deb | tr ' ' '\n' | grep -vc dbgsym) packages; lintian: $(grep -c '^W' "$RUN/lintian.log") warnings, no error"

# ---- a bare Debian ----
root=$RUN/root
mount_tmp "$root"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: '"$suite" 2>/dev/null | head -n 1)
debootstrap --variant=minbase "$suite" "$root" "${mirror:-http://deb.debian.org/debian}" >"$RUN/debootstrap.log" 2>&1 ||
    { tail -n 5 "$RUN/debootstrap.log" >&2; fail "debootstrap"; }
mount -t proc proc "$root/proc" && on_cleanup umount -l "$root/proc"
cp /etc/resolv.conf "$root/etc/"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C HOME=/root chroot "$root" "$@"; }
quietly() { # WHAT COMMAND...
    local what=$1
    shift
    "$@" >"$RUN/inside.log" 2>&1 || { tail -n 15 "$RUN/inside.log" >&2; fail "$what"; }
}
mkdir "$root/packages"
for file in "$RUN"/build/offload-*_"$version"_*.deb; do
    case $file in *dbgsym*) ;; *) cp "$file" "$root/packages/" ;; esac
done
quietly "apt-get update" inside apt-get update
quietly "installing" inside sh -c 'apt-get install -y --no-install-recommends /packages/*.deb'
say "installed in a bare Debian $suite with $(inside dpkg-query -W | wc -l) packages"

# ---- what they bring works ----
assert_eq "$(inside stat -c '%a %U %G' /var/lib/offload)" "2770 root offload" "the state folder"
inside id -nG offload-cardd | grep -qw offload || fail "offload-cardd is not in group offload"
inside ls /etc/systemd/system/multi-user.target.wants 2>/dev/null | grep -q '^offload' && fail "a daemon was enabled by installing it"
inside install -d /etc/offload
inside cp /usr/share/offload/cardd.json /usr/share/offload/flowd.json /etc/offload/
quietly "offload-cardd --check-config" inside offload-cardd --check-config /etc/offload/cardd.json
quietly "offload-flowd --check-config" inside offload-flowd --check-config /etc/offload/flowd.json
assert_contains "$(inside offloadctl --version)" "$version" "offloadctl --version"
for page in man1/offloadctl.1 man8/offload-cardd.8 man8/offload-flowd.8 man5/offload-cardd.json.5 man5/offload-flowd.json.5 \
    man5/collectd-offload_card.5 man5/collectd-offload_path.5 man5/collectd-offload_forecast.5 man5/collectd-offload_manager.5; do
    # minbase's dpkg may be told to leave man pages out; the package has them in any case.
    inside dpkg -L offload-collectd offload-cardd offload-flowd offload-tools | grep -q "/$page.gz$" || fail "no man page $page"
done
for plugin in card path forecast manager; do
    inside cp "/usr/share/offload/collectd.conf.d/offload_$plugin.conf" /etc/collectd/collectd.conf.d/
done
cat >"$root/etc/collectd/collectd.conf" <<'END'
FQDNLookup false
Hostname "h1"
<Include "/etc/collectd/collectd.conf.d">
  Filter "*.conf"
</Include>
END
quietly "collectd -t with the packages' snippets" inside collectd -t
say "collectd takes the snippets, the daemons their examples"

# ---- upgrade ----
next=$version+1
for file in "$root"/packages/*.deb; do
    rm -rf "$RUN/unpacked"
    dpkg-deb -R "$file" "$RUN/unpacked"
    sed -i "s/^Version: .*/Version: $next/" "$RUN/unpacked/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$RUN/unpacked" "${file/_$version/_$next}" >/dev/null
    rm "$file"
done
echo kept >"$root/var/lib/offload/cardd.plan"
quietly "upgrading" inside sh -c 'apt-get install -y --no-install-recommends /packages/*.deb'
assert_eq "$(inside dpkg-query -W -f '${Version}' offload-cardd)" "$next" "version after the upgrade"
assert_eq "$(cat "$root/var/lib/offload/cardd.plan")" kept "the last plan after an upgrade"
[ -e "$root/etc/offload/cardd.json" ] || fail "the configuration is gone after an upgrade"

# ---- purge ----
inside rm /etc/offload/cardd.json /etc/offload/flowd.json
for plugin in card path forecast manager; do rm "$root/etc/collectd/collectd.conf.d/offload_$plugin.conf"; done
quietly "purging" inside apt-get purge -y offload-collectd offload-cardd offload-flowd offload-tools
left=$(cd "$root" && find etc usr lib/ var/lib -path '*offload*' | head -n 20)
assert_eq "$left" "" "left after purging"
say "upgraded, purged: nothing is left"
e2e_pass
