# SPDX-License-Identifier: Apache-2.0
# One macro a question that configure asks.

# OFFLOAD_WARNINGS: our own warnings, apart from the user's CFLAGS.
AC_DEFUN([OFFLOAD_WARNINGS], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat warnings as errors])])
  WARN_CFLAGS="-Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wno-format-nonliteral"
  AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AC_SUBST([WARN_CFLAGS])
])

# OFFLOAD_SANITIZERS: --enable-sanitizers=address,undefined or thread.
AC_DEFUN([OFFLOAD_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers], [AS_HELP_STRING([--enable-sanitizers=LIST], [build with -fsanitize=LIST; plain: address,undefined])])
  AS_CASE(["$enable_sanitizers"],
    [''|no], [SAN_FLAGS=],
    [yes], [SAN_FLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer"],
    [SAN_FLAGS="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer"])
  # The checks make gcc see null pointers where there are none; its manual warns of -Werror with them.
  AS_IF([test "x$SAN_FLAGS" != x], [SAN_FLAGS="$SAN_FLAGS -Wno-format-truncation"])
  AC_SUBST([SAN_FLAGS])
])

# OFFLOAD_FUZZING: libFuzzer's targets; everything is built with what guides it.
AC_DEFUN([OFFLOAD_FUZZING], [
  AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing], [build tests/fuzz (needs CC=clang)])])
  AS_IF([test "x$enable_fuzzing" = xyes],
    [SAN_FLAGS="$SAN_FLAGS -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
     fuzz_cflags=$CFLAGS
     CFLAGS="$CFLAGS -fsanitize=fuzzer-no-link"
     AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [],
       [AC_MSG_ERROR([--enable-fuzzing: $CC knows no -fsanitize=fuzzer; use CC=clang])])
     CFLAGS=$fuzz_cflags])
  AC_SUBST([FUZZ_LDFLAGS], [-fsanitize=fuzzer])
  AM_CONDITIONAL([HAVE_FUZZING], [test "x$enable_fuzzing" = xyes])
])

# OFFLOAD_FEATURE(NAME, TEXT, VAR, MODULES): built if pkg-config finds MODULES; --enable-NAME insists.
AC_DEFUN([OFFLOAD_FEATURE], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--disable-$1], [leave out $2])], , [enable_$1=auto])
  have_$1=no why_$1="switched off"
  AS_IF([test "x$enable_$1" != xno],
    [PKG_CHECK_MODULES([$3], [$4], [have_$1=yes],
      [why_$1="$$3[]_PKG_ERRORS"
       AS_IF([test "x$enable_$1" = xyes], [AC_MSG_ERROR([$2: $why_$1])])])])
  AM_CONDITIONAL([HAVE_$3], [test "x$have_$1" = xyes])
])

# OFFLOAD_COLLECTD: collectd-dev has no .pc file.
AC_DEFUN([OFFLOAD_COLLECTD], [
  AC_ARG_WITH([collectd], [AS_HELP_STRING([--with-collectd=DIR], [prefix of collectd's headers (/usr); no: without the plugins])], , [with_collectd=auto])
  have_collectd=no why_collectd="switched off"
  collectd_prefix=/usr
  AS_CASE(["$with_collectd"], [auto|yes|no], [], [collectd_prefix=$with_collectd])
  AS_IF([test "x$with_collectd" != xno],
    [AS_IF([test -r "$collectd_prefix/include/collectd/core/daemon/plugin.h"],
      [have_collectd=yes],
      [why_collectd="no $collectd_prefix/include/collectd/core/daemon/plugin.h"
       AS_IF([test "x$with_collectd" != xauto], [AC_MSG_ERROR([collectd: $why_collectd; install collectd-dev])])])])
  COLLECTD_CFLAGS="-DHAVE_CONFIG_H -isystem $collectd_prefix/include/collectd -isystem $collectd_prefix/include/collectd/core -isystem $collectd_prefix/include/collectd/core/daemon"
  AC_SUBST([COLLECTD_CFLAGS])
  # Substituted, not set in plugins/automake.mk: automake takes PLUGIN there for a misspelt program.
  PLUGIN_LDFLAGS='$(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '\''^module_register$$'\'
  AC_SUBST([PLUGIN_LDFLAGS])
  collectdplugindir='${libdir}/collectd'
  AC_SUBST([collectdplugindir])
  AM_CONDITIONAL([HAVE_COLLECTD], [test "x$have_collectd" = xyes])
])

# OFFLOAD_OPENVSWITCH: DIR is what ovs-integration/build-openvswitch made: src/, build/ and their
# static library. libopenvswitch is not packaged.
AC_DEFUN([OFFLOAD_OPENVSWITCH], [
  AC_ARG_WITH([openvswitch], [AS_HELP_STRING([--with-openvswitch=DIR], [libopenvswitch as ovs-integration/build-openvswitch leaves it])], , [with_openvswitch=no])
  have_openvswitch=no why_openvswitch="--with-openvswitch=DIR was not given"
  AS_IF([test "x$with_openvswitch" != xno],
    [AS_IF([test -r "$with_openvswitch/build/lib/vswitch-idl.h" && test -r "$with_openvswitch/build/lib/libopenvswitch.la"],
      [have_openvswitch=yes],
      [AC_MSG_ERROR([openvswitch: no built library in $with_openvswitch; make it with ovs-integration/build-openvswitch DIR])])])
  OVS_CFLAGS="-DHAVE_CONFIG_H -Djson_object_put=ovs_json_object_put -isystem $with_openvswitch/build -isystem $with_openvswitch/build/include -isystem $with_openvswitch/build/lib -isystem $with_openvswitch/src/include -isystem $with_openvswitch/src/lib -isystem $with_openvswitch/src"
  # Not the bare .a: libtool's file knows which libraries it was configured with.
  OVS_LIBS="$with_openvswitch/build/lib/libopenvswitch.la"
  AC_SUBST([OVS_CFLAGS])
  AC_SUBST([OVS_LIBS])
  AM_CONDITIONAL([HAVE_OPENVSWITCH], [test "x$have_openvswitch" = xyes])
])

# OFFLOAD_SUMMARY: what is built, or why not.
AC_DEFUN([OFFLOAD_SUMMARY], [
  offload_say() { AS_IF([test "x$[]2" = xyes], [AC_MSG_NOTICE([  $[]1: yes])], [AC_MSG_NOTICE([  $[]1: no ($[]3)])]); }
  AC_MSG_NOTICE([what will be built:])
  offload_say "JSON-RPC server        " "$have_server" "$why_server"
  offload_say "engines                " "$have_engine" "$why_engine"
  offload_say "RRD warm start         " "$have_rrd" "$why_rrd"
  offload_say "feeds                  " "$have_feeds" "$why_feeds"
  offload_say "offload-cardd (DPDK)   " "$have_cardd" "$why_cardd"
  offload_say "collectd plugins       " "$have_collectd" "$why_collectd"
  offload_say "offload-flowd (OVS)    " "$have_openvswitch" "$why_openvswitch"
  offload_say "offloadctl top         " "$have_top" "$why_top"
  offload_say "unit tests (cmocka)    " "$have_cmocka" "install libcmocka-dev"
])
