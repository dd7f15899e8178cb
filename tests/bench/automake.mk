# tests/bench
if HAVE_ENGINE
noinst_PROGRAMS += tests/bench/forecast
tests_bench_forecast_SOURCES = %D%/forecast.c
tests_bench_forecast_LDADD = lib/libforecast.la lib/libbase.la -lm
endif
