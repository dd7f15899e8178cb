# tests/bench
if HAVE_ENGINE
noinst_PROGRAMS += tests/bench/forecast_cost tests/bench/peak
tests_bench_forecast_cost_SOURCES = %D%/forecast_cost.c tools/weights.c tools/weights.h
tests_bench_forecast_cost_CPPFLAGS = $(AM_CPPFLAGS) -DOFFLOAD_DATADIR='"$(pkgdatadir)"'
tests_bench_forecast_cost_LDADD = lib/libforecast.la lib/libio.la $(OFFLOAD_LIBS) -lm
tests_bench_peak_SOURCES = %D%/peak.c
tests_bench_peak_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_bench_peak_LDADD = lib/libforecast.la lib/libbase.la $(JSON_LIBS) -lm
endif
if HAVE_ENGINE
noinst_PROGRAMS += %D%/allocate
tests_bench_allocate_SOURCES = %D%/allocate.c
tests_bench_allocate_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_bench_allocate_LDADD = lib/libforesee.la lib/libsim.la lib/libforecast.la lib/libio.la $(OFFLOAD_LIBS)
endif
EXTRA_DIST += %D%/agents.py %D%/forecast %D%/dataplane %D%/functions %D%/packets.py %D%/rpc_clients.py %D%/sent.py %D%/reroute
if HAVE_DPDK
noinst_PROGRAMS += tests/bench/yardstick
tests_bench_yardstick_SOURCES = %D%/yardstick.c
tests_bench_yardstick_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_bench_yardstick_LDADD = $(DPDK_LIBS)
noinst_PROGRAMS += tests/bench/shares
tests_bench_shares_SOURCES = %D%/shares.c
tests_bench_shares_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_bench_shares_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_bench_shares_LDADD = $(offload_cardd_LDADD) -lm
noinst_PROGRAMS += tests/bench/functions-bench
tests_bench_functions_bench_SOURCES = %D%/functions.c dpdk-app/parse.c dpdk-app/functions/functions.c dpdk-app/functions/flow_table.c dpdk-app/functions/flow_file.c \
	dpdk-app/functions/fn_state.c dpdk-app/functions/fn_acl.c dpdk-app/functions/fn_burn.c dpdk-app/functions/fn_esp.c \
	dpdk-app/functions/fn_forward.c dpdk-app/functions/fn_ipfix.c dpdk-app/functions/fn_lb.c dpdk-app/functions/fn_nat44.c \
	dpdk-app/functions/fn_vxlan.c dpdk-app/functions/ipfix.c dpdk-app/functions/maglev.c dpdk-app/functions/tunnel.c
tests_bench_functions_bench_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_bench_functions_bench_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(DPDK_CFLAGS)
tests_bench_functions_bench_LDADD = lib/libbase.la $(DPDK_LIBS) $(JSON_LIBS)
endif
if HAVE_COLLECTD
if HAVE_EVENT
noinst_PROGRAMS += tests/bench/manager
tests_bench_manager_SOURCES = %D%/manager.c plugins/manager/config.c plugins/manager/names.c plugins/manager/cards.c \
	plugins/manager/admit.c plugins/manager/switch.c plugins/manager/moves.c plugins/manager/tick.c \
	plugins/manager/bus.c plugins/manager/planlog.c plugins/manager/api.c
tests_bench_manager_CPPFLAGS = $(AM_CPPFLAGS) -DOFFLOAD_DATADIR='"$(pkgdatadir)"'
tests_bench_manager_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS) $(COLLECTD_CFLAGS)
tests_bench_manager_LDADD = plugins/libplugin.la lib/libsim.la lib/libmigrate.la lib/libserver.la $(OFFLOAD_LIBS) -lm -lpthread
endif
endif
EXTRA_DIST += %D%/manager.c %D%/closed_loop
