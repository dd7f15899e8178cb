# tests/bench
if HAVE_ENGINE
noinst_PROGRAMS += tests/bench/forecast_cost tests/bench/peak
tests_bench_forecast_cost_SOURCES = %D%/forecast_cost.c
tests_bench_forecast_cost_LDADD = lib/libforecast.la lib/libbase.la -lm
tests_bench_peak_SOURCES = %D%/peak.c
tests_bench_peak_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_bench_peak_LDADD = lib/libforecast.la lib/libbase.la $(JSON_LIBS) -lm
endif
noinst_PROGRAMS += %D%/allocate
tests_bench_allocate_SOURCES = %D%/allocate.c
tests_bench_allocate_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_bench_allocate_LDADD = lib/libsim.la lib/libio.la $(OFFLOAD_LIBS)
EXTRA_DIST += %D%/forecast %D%/dataplane %D%/packets.py %D%/sent.py %D%/reroute
if HAVE_DPDK
noinst_PROGRAMS += tests/bench/yardstick
tests_bench_yardstick_SOURCES = %D%/yardstick.c
tests_bench_yardstick_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_bench_yardstick_LDADD = $(DPDK_LIBS)
endif
